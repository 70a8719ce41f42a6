import type { Brakes } from './brakes.js';
import type { Chosen } from './chosen.js';
import type { Decision } from './decision.js';
import type {
  CandidateEffect,
  CheckEffect,
  FollowEffect,
  ItemId,
  LandEffect,
  PublishEffect,
  WorkEffect,
} from './effect.js';
import type { Foreseen } from './foreseen.js';
import type {
  CandidateOutcome,
  CheckOutcome,
  FollowOutcome,
  LandOutcome,
  Oid,
  PublishOutcome,
  TreeKey,
  UsageWindow,
  Work,
  WorkOutcome,
} from './outcome.js';
import type { PlanItem } from './plan.js';
import type { TrainMode } from './state.js';

/** What `decide` was told beside the state; an intent records it, so that replay yields it again. */
export interface Inputs {
  /** Epoch ms. */
  readonly now: number;
  /** Agents that may be alive at once. */
  readonly capacity: number;
}

/** What a run may cost, resumed ones included. */
export interface Budget {
  readonly usd?: number;
  /** What all runs of this repository may cost on one day of the local calendar. */
  readonly perDay?: {
    readonly usd: number;
    /** An IANA zone. */
    readonly tz: string;
    /** What other runs had cost on the day on which this one began, or was taken up: `2026-11-20`. */
    readonly others: { readonly day: string; readonly usd: number };
  };
  /** Sent and received, what came from a cache included. */
  readonly tokens?: number;
  /** What is put aside before an agent is started; undefined: by what such agents have cost so far. */
  readonly perMilestone?: number;
}

/** What an agent may be started on. */
export interface AgentCredentials {
  /** Names, in the order in which they are used. Never empty. */
  readonly order: readonly string[];
  /** A conversation that began on one of them can go on under another. */
  readonly roams: boolean;
}

/** Credentials that an earlier run knew nothing could be started on. */
export interface HeldCredentials {
  /** When each opens again, epoch ms. */
  readonly closed: Readonly<Record<string, number>>;
  /** Why each is not to be used. */
  readonly shut: Readonly<Record<string, ShutCredential>>;
  /** How often in a row each was limited until nobody knew when. */
  readonly guesses?: Readonly<Record<string, number>>;
  readonly windows?: Readonly<Record<string, readonly UsageWindow[]>>;
}

export interface ShutCredential {
  readonly why: string;
  /** Epoch ms. */
  readonly since: number;
}

/** When the target gets what landed, where that is not with each landing. */
export type LandTerms =
  /** `beside`: stages of which something waits beside the target already. */
  | { readonly is: 'stage'; readonly beside: readonly number[] }
  | { readonly is: 'end' }
  /** Through pull requests alone, into `base` of `remote`. */
  | {
      readonly is: 'pr';
      readonly per: 'milestone' | 'stage';
      readonly remote: string;
      readonly base: string;
    };

/** How limits are heeded. */
export interface LimitSettings {
  /** Share of a subscription's window, 0 to 1, that is left to milestones which have begun. */
  readonly reserve: number;
  /** Agents that may be started in a minute; absent: any number. */
  readonly perMinute?: number;
  /** How many of them at once. */
  readonly burst: number;
}

/** The settings a run goes by; a continued run may bring others. */
export interface RunSettings {
  readonly jobs: number;
  readonly failFast: boolean;
  /** Wait for usage limits to reset; false: pause with exit 75. */
  readonly wait: boolean;
  readonly backoffMs: number;
  /** The setup commands and kept folders, part of what a remembered verdict rests on. */
  readonly folder: string;
  /** What was chosen where nobody had said it: a run keeps it to its end. */
  readonly chosen?: Chosen;
  /** The folder of this run's logs, absolute, where it is not the one beside the journal. Stays with the run. */
  readonly logs?: string;
  /** From then on no agent is started, epoch ms. */
  readonly deadline?: number;
  readonly budget?: Budget;
  /** By agent, what it may be started on; an agent that is not there pays by itself, under its own name. */
  readonly credentials?: Readonly<Record<string, AgentCredentials>>;
  /** By credential: a mark that changes when its key does, too short to tell anything of it. */
  readonly marks?: Readonly<Record<string, string>>;
  readonly land?: LandTerms;
  /** What each landed stage is tagged with; `{stage}` is its number. */
  readonly stageTag?: string;
  /** Stages of which nothing is left once this run has done all it is to do; where `land` or `stageTag` asks. */
  readonly completes?: readonly number[];
  /** The branch that this run was started on, where it lands on a new one of its own. */
  readonly from?: string;
  /** Absent in journals of before, whose runs did not know of it and replay as they were. */
  readonly limits?: LimitSettings;
  /** By agent, who takes over while nothing is open that it could be started on. */
  readonly fallbacks?: Readonly<Record<string, string>>;
  /** How candidates land; absent: one at a time, as in older journals. */
  readonly merge?: MergeRules;
  /** The words after `mstone run`, for `resume` and for people. */
  readonly argv: readonly string[];
}

/** How the landing queue goes. */
export interface MergeRules {
  /** Candidates that are checked at once. */
  readonly parallel: number;
  /** `auto`: by the length of the queue. */
  readonly strict: TrainMode | 'auto';
  /** The project's checks: what the head, too, is expected to pass. */
  readonly checks: readonly string[];
}

/** What earlier runs knew of a milestone's version: brakes, attempts and spend outlive a run. */
export interface ItemHistory {
  readonly id: ItemId;
  readonly digest: string;
  readonly attempts: number;
  readonly costUsd: number;
  readonly estimated?: true;
  readonly interruptions: number;
  readonly fingerprints: readonly string[];
  readonly ladder?: Brakes['ladder'];
  readonly starts?: number;
  readonly fruitless?: number;
  readonly tree?: Brakes['tree'];
  /** A person's approval of this very text. */
  readonly consent?: Decision;
  /** How it ended, where it did so without landing. */
  readonly end?: { readonly is: 'failed' | 'asks'; readonly message: string; readonly run: string };
}

/** Where a retry takes a failed attempt's work up. */
export type RetryFrom = 'check' | 'review';

interface Started<E> {
  /** An intent and its ending share it: `i1`, `i2`, … in order of the run. */
  readonly id: string;
  readonly effect: E;
  readonly inputs: Inputs;
}

interface Ended<O> {
  readonly id: string;
  readonly item: ItemId;
  /** Epoch ms. */
  readonly now: number;
  readonly outcome: O;
}

/** What is known of the head that a run begins on. */
export interface KnownHead {
  readonly tree: TreeKey;
  /** By command that has passed on it, how many tests it ran; -1 where it said nothing of tests. */
  readonly green: Readonly<Record<string, number>>;
}

/** Everything that can happen in a run. The journal is a list of these; state is their fold. */
export type Event =
  | {
      readonly type: 'run.started';
      readonly target: string;
      /** The target's head (or `mstone/<target>`'s, where that is ahead) when the run began. */
      readonly head: Oid;
      readonly items: readonly PlanItem[];
      readonly settings: RunSettings;
      readonly history: readonly ItemHistory[];
      /** Keys of verdicts that passed in earlier runs: `<tree> <folder> <commands>`. */
      readonly passed: readonly string[];
      readonly shadow: boolean;
      readonly held?: HeldCredentials;
      readonly known?: KnownHead;
      /** The version of mstone that wrote this and what follows. */
      readonly mstone?: string;
    }
  /** The same run, taken up again with what the plan says now. */
  | {
      readonly type: 'run.continued';
      readonly head: Oid;
      readonly items: readonly PlanItem[];
      readonly settings: RunSettings;
      readonly shadow: boolean;
      /** `shut` alone is taken from it: limits are remembered by the run itself. */
      readonly held?: HeldCredentials;
      readonly known?: KnownHead;
      readonly mstone?: string;
    }
  /**
   * `mstone retry`: what these used up is forgotten. With `from` they go on with what the failed attempt
   * left (`works` has it for each) instead of beginning anew.
   */
  | {
      readonly type: 'items.reset';
      readonly items: readonly ItemId[];
      readonly from?: RetryFrom;
      readonly works?: Readonly<Record<ItemId, Work>>;
    }
  /** A person approved or rejected what waited for that. */
  | { readonly type: 'decision'; readonly decision: Decision }
  | ({ readonly type: 'work.started' } & Started<WorkEffect>)
  | ({ readonly type: 'work.ended' } & Ended<WorkOutcome>)
  | ({ readonly type: 'check.started' } & Started<CheckEffect>)
  | ({ readonly type: 'check.ended' } & Ended<CheckOutcome>)
  | ({ readonly type: 'candidate.started' } & Started<CandidateEffect>)
  | ({ readonly type: 'candidate.ended' } & Ended<CandidateOutcome>)
  | ({ readonly type: 'land.started' } & Started<LandEffect>)
  | ({ readonly type: 'land.ended' } & Ended<LandOutcome>)
  | ({ readonly type: 'follow.started' } & Started<FollowEffect>)
  | ({ readonly type: 'follow.ended' } & Ended<FollowOutcome>)
  | ({ readonly type: 'publish.started' } & Started<PublishEffect>)
  | ({ readonly type: 'publish.ended' } & Ended<PublishOutcome>)
  /**
   * Something the user should know. `pressure`: what the machine is short of, so that agents that could start
   * do not; empty once it no longer is. Nothing else changes.
   */
  | {
      readonly type: 'note';
      readonly item?: ItemId;
      readonly text: string;
      readonly pressure?: string;
      /** Conflicts that are seen to come, none of which was known before. */
      readonly foreseen?: readonly Foreseen[];
      /** Credential → what of its windows is used, told by an agent that is still at work. */
      readonly windows?: Readonly<Record<string, readonly UsageWindow[]>>;
    }
  /** Left in order, to be resumed: 75, 129, 130 or 143. */
  | { readonly type: 'run.paused'; readonly exit: number; readonly why: string; readonly until?: number }
  | { readonly type: 'run.ended'; readonly exit: number; readonly why: string };

/** An event as the journal holds it. */
export interface Entry {
  readonly v: 1;
  /** From 1, without gaps. */
  readonly seq: number;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly run: string;
  readonly milestone?: string;
  readonly attempt?: number;
  readonly assignment?: number;
  readonly event: Event;
}
