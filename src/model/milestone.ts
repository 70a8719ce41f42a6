import type { Allowance } from './change.js';
import type { Approval } from './decision.js';

/** `1A`: stage 1, letter A. One to three digits, one or two capital letters. */
export type MilestoneId = string;

export interface Task {
  /** All of it, lines and marks as they are written. */
  readonly text: string;
  /** Where the text is longer: its heading, in one line. */
  readonly title?: string;
  /** 1-based line in the milestone's file. */
  readonly line: number;
}

/** What must hold before an agent starts. */
export type Requirement = { readonly command: string } | { readonly file: string } | { readonly env: string };

/** The fenced `sh` blocks of a recipe's sections, joined in order, by the purpose they serve. */
export interface Recipe {
  readonly implement?: string;
  readonly review?: string;
  readonly remediate?: string;
  readonly resolve?: string;
}

/** One milestone file, read. The agent always gets `body` whole; the rest is what mstone acts on. */
export interface Milestone {
  readonly id: MilestoneId;
  readonly stage: number;
  readonly letters: string;
  /** Relative to the repository's root, with forward slashes. */
  readonly file: string;
  readonly title: string;
  /** The text behind the front matter, line ends LF, no byte-order mark. */
  readonly body: string;
  readonly description: string;
  readonly entryRequirements: string;
  readonly tasks: readonly Task[];
  /** The exit criteria as stated, one sentence each, without bullet or checkbox. */
  readonly criteria: readonly string[];
  /** As stated. All milestones of earlier stages are awaited anyway. */
  readonly dependsOn: readonly MilestoneId[];
  /** Where it says so: 1-based line in the file. Absent where it names none. */
  readonly dependsOnLine?: number;
  readonly estimateMinutes?: number;
  readonly agent?: string;
  readonly reviewer?: string;
  /** Names of agents and roles; `reviewer` is absent then. */
  readonly reviewers?: readonly string[];
  /** What its author is asked to work as. */
  readonly role?: string;
  /** For whoever implements it, and for its reviewer where that is the same agent. */
  readonly model?: string;
  readonly checks: readonly string[];
  /** Where it may write; absent: anywhere. */
  readonly paths?: readonly string[];
  /** What its work may do to tests and checks. */
  readonly allow?: readonly Allowance[];
  readonly requires: readonly Requirement[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly retries?: number;
  readonly reviewRounds?: number;
  /** Higher goes first among what is ready; 0 unless stated. */
  readonly priority: number;
  /** Whether a person is asked, and when; absent: as the project says. */
  readonly approval?: Approval | 'none';
  readonly enabled: boolean;
  readonly recipe: Recipe;
  /** `v1:<hex>`: the version of the text that a landing proves. */
  readonly digest: string;
  /** The same text by earlier definitions of the digest, where there are any. */
  readonly formerDigests?: readonly string[];
}
