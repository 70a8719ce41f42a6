import type { Brakes } from './brakes.js';
import type { Approval, Decision } from './decision.js';
import type { Effect, ItemId, Purpose, SlotId } from './effect.js';
import type { RunSettings, ShutCredential } from './event.js';
import type { Foreseen } from './foreseen.js';
import type {
  Candidate,
  CheckoutBlock,
  CheckResult,
  Oid,
  PublishOutcome,
  TreeKey,
  UsageWindow,
  Work,
} from './outcome.js';
import type { PlanItem } from './plan.js';
import type { CriterionAnswer, Finding, Opinion } from './verdict.js';

/** The next act that an item needs. */
export type Step =
  | { readonly is: 'implement'; readonly because: 'first' | 'again' | 'empty' | 'resumed' }
  /** `again`: what failed the first time, where it had been expected to pass. */
  | {
      readonly is: 'check';
      readonly commit: Oid | 'head';
      readonly of: 'work' | 'base' | 'stage';
      readonly again?: readonly CheckResult[];
    }
  /** `reviewer`: which, where there are several. `unreadable`: what was wrong with its last answer. */
  | {
      readonly is: 'review';
      readonly commit: Oid;
      readonly reviewer?: string;
      readonly unreadable?: string;
    }
  /** `merge`: a head to merge into the work first, so that the author sees what the candidate held. */
  | { readonly is: 'remediate'; readonly because: 'checks' | 'review' | 'candidate'; readonly merge?: Oid }
  | { readonly is: 'resolve'; readonly onto: Oid; readonly files: readonly string[] }
  /** `clash`: whom it conflicts with, by `queued`: it is tried again once they have landed or gone. */
  | { readonly is: 'candidate'; readonly commit: Oid; readonly clash?: readonly number[] }
  /**
   * `failed`: it did not pass, and it is not known yet whether that is its own doing. `inside`: the target holds
   * it already, within a candidate that passed.
   */
  | {
      readonly is: 'verify';
      readonly candidate: Candidate;
      readonly again?: readonly CheckResult[];
      readonly failed?: { readonly tree: TreeKey } | { readonly unstartable: string };
      readonly inside?: true;
    }
  | { readonly is: 'land'; readonly candidate: Candidate; readonly inside?: true };

/** What a waiting item waits for. */
export type Wait =
  /** `kept`: it is open, but what is left of its window is for milestones that have begun. */
  | {
      readonly for: 'credential';
      readonly credential: string;
      readonly until: number;
      readonly kept?: true;
    }
  /** One agent is trying whether a limit is over of which nobody knew until when it holds. */
  | { readonly for: 'probe'; readonly credential: string }
  | { readonly for: 'backoff'; readonly until: number }
  /** Agents are not started faster than they may be. */
  | { readonly for: 'launch'; readonly until: number }
  | { readonly for: 'dependency'; readonly items: readonly ItemId[] }
  | { readonly for: 'slot' }
  /** The machine is short of something: no agent beside those at work. */
  | { readonly for: 'host'; readonly why: string }
  /** The landing lane: another candidate is before it. */
  | { readonly for: 'lane'; readonly item: ItemId }
  | { readonly for: 'checkout'; readonly block: CheckoutBlock }
  | { readonly for: 'approval'; readonly item: ItemId; readonly of: Approval; readonly target: string }
  | { readonly for: 'person'; readonly why: string };

/**
 * Where an item is.
 *
 *   next(implement) → doing → next(check) → doing → next(review) → doing → next(candidate) → doing
 *         ↑                     │ red            │ refused                     │ conflict
 *         └ waiting(backoff)    └→ next(remediate) ←──────┘                    └→ next(resolve)
 *                                                    next(verify) → doing → next(land) → doing → landed
 *
 * `waiting` carries the step that follows it. `blocked` is not a phase: it is read off what an item needs.
 */
export type Phase =
  | { readonly is: 'next'; readonly step: Step }
  | { readonly is: 'doing'; readonly step: Step; readonly intent: string; readonly since: number }
  | { readonly is: 'waiting'; readonly wait: Extract<Wait, { until: number }>; readonly step: Step }
  | { readonly is: 'landed'; readonly commit: Oid; readonly at: number }
  /** A gate or the base check that needed no work. */
  | { readonly is: 'passed'; readonly commit: Oid }
  | { readonly is: 'failed'; readonly message: string }
  /** Needs a person: rounds exhausted, no progress, a head that was rewound. */
  | { readonly is: 'asks'; readonly message: string };

/** A check that failed where it was expected to pass, and passed on the same tree when it was run once more. */
export interface Flake {
  readonly of: 'work' | 'candidate' | 'base' | 'stage';
  readonly command: string;
  /** Names of the tests that failed, where the runner tells them. */
  readonly tests: readonly string[];
}

export interface ItemState {
  readonly item: PlanItem;
  readonly phase: Phase;
  /** The current one; 0 before the first. Counts on within a run, so that no folder or ref is used twice. */
  readonly attempt: number;
  /** Attempts of this run that no longer count: of another version of the text, or before a retry. */
  readonly forgotten: number;
  /** Assignments so far within the attempt. */
  readonly assignment: number;
  /** Remediations so far within the attempt. */
  readonly round: number;
  readonly work?: Work;
  /** When it came to the queue: who came first has the lower number. Absent outside of it, and in older runs. */
  readonly queued?: number;
  /** Held from the first assignment until it has landed, failed or has to wait. */
  readonly slot?: SlotId;
  /** Where it last worked: preferred when it goes on. */
  readonly lastSlot?: SlotId;
  readonly checks: readonly CheckResult[];
  /** Its checks' whims, in order. */
  readonly flakes?: readonly Flake[];
  readonly findings: readonly Finding[];
  readonly unmet: readonly CriterionAnswer[];
  /** The commit that a readable approval is bound to. */
  readonly approved?: Oid;
  /** A person's approval; it counts while it is of what the item is now. */
  readonly consent?: Decision;
  /** What each reviewer said last in this attempt, by its name. */
  readonly opinions?: Readonly<Record<string, Opinion>>;
  /** What stops it in the end: kept for this version of its text, whatever path led there. */
  readonly brakes: Brakes;
  /** The author's conversation in this attempt, by which it goes on. */
  readonly session?: {
    readonly agent: string;
    readonly id: string;
    readonly credential?: string;
    /** What it has cost so far: a CLI that is capped counts from its beginning. */
    readonly costUsd: number;
    /** The one slot in which its CLI knows it; absent: any. */
    readonly slot?: SlotId;
  };
  /** Who stood in for its author at the last assignment that wrote. */
  readonly wrote?: string;
  /** How often in a row the service had no room. */
  readonly overloads?: number;
  readonly costUsd: number;
  /** Some of it by a table of prices. */
  readonly estimated?: true;
  /** For people: files put back, archives, refs mended. */
  readonly told: readonly string[];
}

/** `every-commit`: each commit that lands passed by itself. `head`: those that the target stood at did. */
export type TrainMode = 'every-commit' | 'head';

/** How the train goes by now; the fold of what became of those in it. */
export interface Pace {
  readonly mode: TrainMode;
  /** How many milestones are tried together, where whole prefixes are. */
  readonly window: number;
  /** Landed since the window was last changed. */
  readonly streak: number;
}

/** An effect whose intent is journalled and whose ending is not. */
export interface Flight {
  readonly id: string;
  readonly effect: Effect;
  readonly since: number;
}

/** What a run has spent on agents, whatever became of their work. */
export interface Spend {
  readonly usd: number;
  /** Sent and received, by those that tell them. */
  readonly tokens: number;
  /** What assignments cost that finished or cost anything, by purpose, oldest first. */
  readonly costs: ReadonlyMap<Purpose, readonly number[]>;
  /** Agents that finished and told no cost. */
  readonly untold: ReadonlySet<string>;
  /** The tokens of assignments that told them, by purpose, oldest first. */
  readonly sizes: ReadonlyMap<Purpose, readonly number[]>;
  /** What cost money, and when it had ended (epoch ms), oldest first. */
  readonly charges: readonly { readonly at: number; readonly usd: number }[];
}

export interface Train {
  readonly pace: Pace;
  /** How many have come to the queue so far. */
  readonly arrivals: number;
  /** The head that is known to pass, or is taken to: where the run began, and what it landed since. */
  readonly proven: Oid;
  /** A head that somebody else moved the target to, which fails the project's checks. */
  readonly red?: Oid;
  /** One that failed them once: it is looked at twice. */
  readonly doubted?: Oid;
}

export interface RunState {
  readonly run: string;
  readonly target: string;
  /** The head that landings build on, as this run last knew it. */
  readonly head: Oid;
  /** Landings go to `mstone/<target>` while the checkout is in the way. */
  readonly shadow?: { readonly block?: CheckoutBlock; readonly tried: boolean };
  /** What was tagged and pushed, by `what`; what of it is still to be opened by hand. */
  readonly published?: ReadonlyMap<string, Extract<PublishOutcome, { kind: 'published' }>>;
  /** What could not be published; it is tried again when the run is taken up. */
  readonly unpublished?: { readonly what: string; readonly message: string; readonly command: string };
  readonly rewound?: { readonly expected: Oid; readonly found: Oid };
  readonly settings: RunSettings;
  readonly items: ReadonlyMap<ItemId, ItemState>;
  /** Items that a continued run was not asked for: what they used up is not forgotten. */
  readonly parked: ReadonlyMap<ItemId, ItemState>;
  readonly flights: ReadonlyMap<string, Flight>;
  /** Number of the next intent. */
  readonly nextIntent: number;
  /** Credential → when it opens again, epoch ms. An agent without credentials has one of its own name. */
  readonly closed: ReadonlyMap<string, number>;
  /** Credential → how often in a row it was limited until nobody knew when; none: it is not in doubt. */
  readonly guesses: ReadonlyMap<string, number>;
  /** Credential → what of its subscription's windows is used, as told last. */
  readonly windows: ReadonlyMap<string, readonly UsageWindow[]>;
  /** When agents would have been started, had they come evenly (epoch ms); only where that is limited. */
  readonly launches?: number;
  readonly spend: Spend;
  /** Credential → why it is used no more until a person acts: it is refused, or empty. */
  readonly shut: ReadonlyMap<string, ShutCredential>;
  readonly passed: ReadonlySet<string>;
  /** `<tree> <command>` of each command that has passed: how many tests it ran, -1 where it says nothing of tests. */
  readonly green: ReadonlyMap<string, number>;
  /** Commits whose trees are known. */
  readonly trees: ReadonlyMap<Oid, TreeKey>;
  /** How the landing queue goes; absent in runs that began before there was one. */
  readonly train?: Train;
  /** Conflicts that were seen to come, oldest first; some may be over. Absent: none was. */
  readonly foreseen?: readonly Foreseen[];
  /** What the machine was short of when an agent could have started: `memory 94% used, limit 90%`. */
  readonly pressure?: string;
  readonly end?: {
    readonly is: 'paused' | 'ended';
    readonly exit: number;
    readonly why: string;
    readonly until?: number;
  };
}
