import type { Fact } from './change.js';
import type { Candidate, CheckResult, Oid, Setback } from './outcome.js';
import type { CriterionAnswer, Finding } from './verdict.js';

/**
 * What a run works on: a milestone (`1A`), a stage's gate (`1-gate`), the check of the target
 * before anything starts (`base`), or the merge of a target that moved by itself (`sync`).
 */
export type ItemId = string;

export type Purpose = 'implement' | 'review' | 'remediate' | 'resolve';

/** Slots are numbered from 1; there are never more than `jobs` of them, and those lent to candidates' checks. */
export type SlotId = number;

/** Why an assignment is asked for, with the facts that its prompt states. */
export interface Brief {
  readonly because:
    | 'first'
    /** A further attempt after a failed one. */
    | 'again'
    /** Cut short by a limit or an interruption: go on from what is there. */
    | 'resumed'
    /** The implementer changed nothing and is asked once whether that is right. */
    | 'empty'
    | 'checks'
    | 'review'
    | 'conflict'
    /** The checks passed on the work and failed on the candidate. */
    | 'candidate'
    /** The reviewer's answer could not be used; `why` says so. */
    | 'unreadable';
  readonly why?: string;
  /** For an author: how it broke off before, oldest first; of a new attempt, the one before. */
  readonly setbacks?: readonly Setback[];
  /** For a new attempt: the work of the one before, which is not in its folder. */
  readonly left?: Oid;
  /** Results of the checks that the work was last held against. */
  readonly checks: readonly CheckResult[];
  /** For an author: what to answer. For a reviewer: its own earlier findings. */
  readonly findings: readonly Finding[];
  readonly unmet: readonly CriterionAnswer[];
  /** For a reviewer: what mstone saw of the change and nobody has answered yet. */
  readonly facts?: readonly Fact[];
  /** For a reviewer in a second round: the commit it saw before. */
  readonly seen?: Oid;
  /** For `resolve`: the files in conflict, and the head that is merged in. */
  readonly conflict?: { readonly onto: Oid; readonly files: readonly string[] };
}

/** One agent process: prepare the slot, start it (once), wait for it, harvest. */
export interface WorkEffect {
  readonly do: 'work';
  readonly item: ItemId;
  readonly attempt: number;
  readonly assignment: number;
  readonly round: number;
  readonly purpose: Purpose;
  /** The agent's name in the configuration. */
  readonly agent: string;
  /** For `review`, where an item has several reviewers: which of them. */
  readonly reviewer?: string;
  /** What it is to look at it as: the name of a role's text. */
  readonly role?: string;
  /** What it is started on, by name; absent where the agent pays by itself, and in older journals. */
  readonly credential?: string;
  readonly slot: SlotId;
  /** The commit to start from; `head`: the target's head when it starts. */
  readonly from: Oid | 'head';
  /** What the work is compared with; absent with `from: head`, where it is that head. */
  readonly base?: Oid;
  /** A head to merge into `from` first, conflict markers and all. */
  readonly merge?: Oid;
  /** The agent's conversation to go on with, where there is one. */
  readonly session?: string;
  readonly brief: Brief;
  /** What had to be there for it to start; only where there is a budget. */
  readonly reserveUsd?: number;
  /** The most that it may cost, put aside until it has ended. */
  readonly capUsd?: number;
  /** What its conversation has cost before it; only with `capUsd`. */
  readonly sessionUsd?: number;
  /** Tokens put aside until it has ended; only where they are limited. */
  readonly reserveTokens?: number;
}

/** Make the slot equal to a commit's tree, run setup and the checks in it. */
export interface CheckEffect {
  readonly do: 'check';
  readonly item: ItemId;
  readonly attempt: number;
  readonly round: number;
  readonly slot: SlotId;
  readonly commit: Oid | 'head';
  /** `head`: the target as somebody else moved it, before who fails on it is blamed. */
  readonly of: 'work' | 'candidate' | 'base' | 'stage' | 'head';
  readonly commands: readonly string[];
  /** It failed where it was expected to pass: once more on the same tree. */
  readonly again?: true;
  /** Milestones that ride inside the candidate, whose checks are among `commands`, in their order. */
  readonly with?: readonly ItemId[];
  /** The slot is lent for this check alone: its item has none of its own any more. */
  readonly lent?: true;
}

/** Merge the work with the current head in the object store, TASKS.md in it. */
export interface CandidateEffect {
  readonly do: 'candidate';
  readonly item: ItemId;
  readonly attempt: number;
  /** The work; for `sync` the target's own head, which is merged into the shadow branch. */
  readonly commit: Oid;
  /** The head as this run last knew it: what is there now must hold it. */
  readonly head: Oid;
  /** The candidate before it in the train, which it is made on; absent: on the head. */
  readonly onto?: Oid;
  /** Epoch ms: author and committer date, so that the same candidate has the same hash. */
  readonly date: number;
  /** What the trailers and TASKS.md say. */
  readonly rounds: number;
  readonly costUsd: number;
  /** Some of it by a table of prices. */
  readonly estimated?: true;
  readonly review: 'approved' | 'off';
  /** The person who approved it, and when (epoch ms). */
  readonly approved?: { readonly by: string; readonly at: number };
  readonly agent: string;
}

/** Move the target, forward only, to a candidate that passed. */
export interface LandEffect {
  readonly do: 'land';
  readonly item: ItemId;
  readonly attempt: number;
  readonly candidate: Candidate;
  /** The head that the target is to stand at, where candidates of others lie between it and this one. */
  readonly onto?: Oid;
}

/** Let the target catch up with `mstone/<target>`. */
export interface FollowEffect {
  readonly do: 'follow';
  readonly item: 'follow';
}

/** Tell the world of what has landed: tag a stage, push a branch and open a pull request of it. */
export interface PublishEffect {
  readonly do: 'publish';
  readonly item: 'publish';
  /** A milestone's id, or `stage 1`: what it is told and remembered by. */
  readonly what: string;
  /** What landed in it. */
  readonly items: readonly ItemId[];
  readonly commit: Oid;
  readonly tag?: string;
  readonly pull?: { readonly remote: string; readonly branch: string; readonly base: string };
}

export type Effect = WorkEffect | CheckEffect | CandidateEffect | LandEffect | FollowEffect | PublishEffect;
