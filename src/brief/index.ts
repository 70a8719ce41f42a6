/**
 * What is said to agents, and what their answers are worth: template and facts → prompt (`prompt.ts`) and
 * context file (`context.ts`); stdout line → message (`protocol.ts`); reviewer's answer → verdict → judgement
 * (`verdict.ts`).
 *
 * Pure: it touches no disk and starts nothing, so it does not know where templates lie, which agent asks,
 * how a prompt reaches it or what happens after a verdict.
 */
import type { Fact } from '../model/change.js';
import type { Severity } from '../model/config.js';
import type { Brief, Purpose } from '../model/effect.js';
import type { Milestone } from '../model/milestone.js';
import type { CheckResult, Oid, Setback } from '../model/outcome.js';
import type { CriterionAnswer, Finding } from '../model/verdict.js';

/** A template for each purpose, and those of roles by name. */
export type Templates = Readonly<Record<Purpose, string>> & {
  readonly roles?: Readonly<Record<string, string>>;
};

/** What of a milestone reaches an agent. A stage's gate brings one of its own making, id `1-gate`. */
export type MilestoneFacts = Pick<Milestone, 'id' | 'title' | 'file' | 'body' | 'criteria' | 'tasks'>;

/** Subjects of commits and names of files; `more…` of each were left out. */
export interface LandedFacts {
  readonly id: string;
  readonly title: string;
  readonly commit: Oid;
  readonly subjects: readonly string[];
  readonly moreSubjects: number;
  readonly files: readonly string[];
  readonly moreFiles: number;
}

/** What two sides of a conflict are. */
export interface SideFacts {
  /** The commit that both began on. */
  readonly base: Oid;
  /** The author's own side. */
  readonly work: Oid;
  /** Milestones that landed since and changed what is in conflict, the newest first; `text` may be cut. */
  readonly others: readonly {
    readonly id: string;
    readonly title: string;
    readonly commit: Oid;
    readonly text?: string;
  }[];
}

/** Everything that a prompt and a context file can state. Nothing here is ever read as a template. */
export interface PromptFacts {
  readonly milestone: MilestoneFacts;
  /** The target branch's short name. */
  readonly target: string;
  /** The commit that the work is compared with. */
  readonly base: Oid;
  readonly attempt: number;
  /** Remediations so far within the attempt. */
  readonly round: number;
  readonly because: Brief['because'];
  readonly why?: string;
  /** How it broke off before, oldest first. */
  readonly setbacks?: readonly Setback[];
  /** The work of a failed attempt, which is not in the folder. */
  readonly left?: Oid;
  /** The command lines that the work must pass, the project's first. */
  readonly checks: readonly string[];
  /** What the checks said of the work as it stands. */
  readonly checkResults: readonly CheckResult[];
  /** For an author: what to answer. For a reviewer: its own earlier findings. */
  readonly findings: readonly Finding[];
  readonly unmet: readonly CriterionAnswer[];
  /** For a reviewer: what mstone saw of the change and nobody has answered yet. */
  readonly facts?: readonly Fact[];
  /** For a reviewer in a second round: the commit it saw before. */
  readonly seen?: Oid;
  readonly conflict?: { readonly onto: Oid; readonly files: readonly string[] };
  /** For whoever resolves it: where both sides come from. */
  readonly sides?: SideFacts;
  /** Severities that hold work back: a reviewer is told what its words weigh. */
  readonly blockOn: readonly Severity[];
  /** What it is asked to look at the work, or to write it, as: the name of a role. */
  readonly role?: string;
  /** For a reviewer: the least score of an approval, where one is asked for. */
  readonly threshold?: number;
  /** For a reviewer: what the author was told to keep to. */
  readonly authorRules?: readonly string[];
  /** What to type to see the change, `git diff <base>`. */
  readonly diffCommand: string;
  /** One sentence each; `rulesFor(purpose)` unless the caller has more to say. */
  readonly rules: readonly string[];
  /** What the project says of itself to whoever works on it, file by file. */
  readonly project?: readonly { readonly file: string; readonly text: string }[];
  /** What the milestones that it depends on have brought. */
  readonly landed?: readonly LandedFacts[];
  /** What agents before it noted for those to come, the oldest first. */
  readonly notes?: readonly { readonly by: string; readonly text: string }[];
  /** The target has moved far on since the work began. */
  readonly moved?: {
    readonly landings: number;
    readonly shared: readonly string[];
    readonly moreShared: number;
  };
  /** What changed in the milestone's text since another version of it landed, as a unified diff. */
  readonly milestoneDiff?: string;
}
