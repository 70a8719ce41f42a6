import type { Allowance } from './change.js';
import type { Approval } from './decision.js';
import type { Diagnostic } from './diagnostic.js';
import type { ItemId } from './effect.js';
import type { Milestone, MilestoneId } from './milestone.js';
import type { Oid } from './outcome.js';
import type { Reviewer } from './verdict.js';

/** What git's history proves of one milestone: the newest pair of trailers reachable from the target. */
export interface Landing {
  readonly id: MilestoneId;
  readonly digest: string;
  readonly state: 'done' | 'todo';
  readonly commit: Oid;
  /** Set by hand with `mstone mark`: nothing was landed. */
  readonly marked?: true;
  /** Epoch ms, the commit's committer date. */
  readonly at: number;
  readonly run?: string;
  readonly agent?: string;
  /** As in the trailer: `approved in 2 rounds`, `off`, … */
  readonly review?: string;
  /** The body of the milestone's text when it landed is not kept; its file's version is in `commit`. */
  readonly subject: string;
}

export type PlanState = 'todo' | 'done' | 'stale' | 'blocked';

export interface PlannedMilestone {
  readonly milestone: Milestone;
  readonly state: PlanState;
  /** One clause for people: `landed as 41aa0c2`, `never landed`, `needs 1A`, … */
  readonly reason: string;
  /** What it waits for by name: its own `depends_on`, resolved. Earlier stages come on top. */
  readonly dependsOn: readonly MilestoneId[];
  /** Minutes from its start to the end of the longest chain behind it, itself included. */
  readonly remainingMinutes: number;
  readonly landing?: Landing;
}

/** What would run, in which order, and why. Computed without touching disk, git or a process. */
export interface Plan {
  /** The branch's short name. */
  readonly target: string;
  /** By stage, then by name. */
  readonly milestones: readonly PlannedMilestone[];
  /** What a run would take up, longest remaining path first. */
  readonly run: readonly MilestoneId[];
  readonly notes: readonly Diagnostic[];
}

/** One thing that a run takes to its end, with all that `decide` has to know of it. */
export interface PlanItem {
  readonly id: ItemId;
  readonly kind: 'milestone' | 'gate' | 'base' | 'sync';
  readonly stage: number;
  readonly title: string;
  /** The milestone's digest; for a gate, of its commands. */
  readonly digest: string;
  /** The same text by earlier definitions of the digest, where there are any. */
  readonly formerDigests?: readonly string[];
  /** Items of the same run that must have succeeded first. */
  readonly needs: readonly ItemId[];
  readonly priority: number;
  readonly remainingMinutes: number;
  readonly author: string;
  readonly reviewer: string | false;
  /** All of them, where it is not `reviewer` alone. Each gives a verdict of its own. */
  readonly reviewers?: readonly Reviewer[];
  /** Of those without `paths`: all must approve (also where this is absent), or more than half. */
  readonly require?: 'all' | 'majority';
  readonly resolver: string;
  readonly checks: readonly string[];
  /** Kinds of facts about its work that hold nothing back: its text says so. */
  readonly allow?: readonly Allowance[];
  readonly rounds: number;
  readonly retries: number;
  /** A person is asked first; absent: nobody is. */
  readonly approval?: Approval;
  /** Of a gate: what its stage brought is reviewed as a whole. */
  readonly stageReview?: true;
}
