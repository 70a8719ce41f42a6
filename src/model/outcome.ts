import type { Fact } from './change.js';
import type { Judgement } from './verdict.js';

/** A git object name, 40 or 64 hex digits. */
export type Oid = string;

/** The object name of a commit's tree with TASKS.md taken out: what verdicts are remembered by. */
export type TreeKey = string;

/** How one agent process ended. Exit status and structured events decide, never its prose. */
export type AgentOutcome =
  | { readonly kind: 'finished' }
  /**
   * A usage limit. `resetAt` is epoch ms; `known` says where it was read: a structured event or answer, or a
   * clock time in the CLI's own words. Costs no attempt.
   */
  | {
      readonly kind: 'limited';
      readonly resetAt?: number;
      readonly known?: 'event' | 'text';
      readonly message: string;
    }
  /** The service has no room or cannot be reached. Waits longer each time and costs no attempt. */
  | { readonly kind: 'overloaded'; readonly message: string }
  /** The credential is not accepted: the agent is used no more until a person acts. */
  | { readonly kind: 'unauthorized'; readonly message: string }
  /** Nothing is left to pay with: as `unauthorized`. */
  | { readonly kind: 'out-of-credit'; readonly message: string }
  /** It was ended by its CLI at what it may cost (`capUsd`): it goes on where the budget still holds it. */
  | { readonly kind: 'capped'; readonly message: string }
  /** The conversation grew too long: it goes on in a fresh one, once in an attempt. */
  | { readonly kind: 'context-exceeded'; readonly message: string }
  /** The model would not do it, or was not permitted to: another try is no answer, a person is. */
  | { readonly kind: 'declined'; readonly message: string }
  /** The folder could not be made ready: checkout, copy or setup failed. */
  | { readonly kind: 'unprepared'; readonly message: string }
  /** A `requires` entry does not hold. */
  | { readonly kind: 'unmet'; readonly requirement: string; readonly message: string }
  /** Exit 126 or 127, or a program that is not there. Not retried. */
  | { readonly kind: 'unstartable'; readonly message: string }
  | { readonly kind: 'crashed'; readonly message: string; readonly exit?: number; readonly signal?: string }
  | { readonly kind: 'timed-out'; readonly afterMs: number }
  /** No output for `timeouts.idle`, or the same calls of tools over and over: one of the two is there. */
  | { readonly kind: 'stuck'; readonly silentMs?: number; readonly repeated?: Repeated }
  /** Ended by the user's second Ctrl-C or SIGTERM. */
  | { readonly kind: 'cancelled' }
  /** Lost with the machine or its supervisor: neither running nor ended in order. Free, five times. */
  | { readonly kind: 'interrupted'; readonly message: string };

/** Calls of tools that an agent made in a row, over and over: a cycle of one or few. */
export interface Repeated {
  /** For people, on one line: `Bash npm test`, or several joined by ` / `. */
  readonly call: string;
  /** How often the cycle was gone through. */
  readonly times: number;
}

/** An assignment that broke off, so that something must be done otherwise before it is gone on with. */
export type Setback = Extract<
  AgentOutcome,
  {
    readonly kind:
      | 'crashed'
      | 'timed-out'
      | 'stuck'
      | 'context-exceeded'
      | 'capped'
      | 'interrupted'
      | 'unprepared';
  }
>;

/** Work under way: its newest commit, that commit's tree, and what both are compared with. */
export interface Work {
  readonly commit: Oid;
  readonly tree: TreeKey;
  readonly base: Oid;
  /** Names of those with `paths` of their own (reviewers, roles) that the whole change touches. */
  readonly touches?: readonly string[];
  /** What mstone itself saw of the whole change, and what bears on the checks. */
  readonly facts?: readonly Fact[];
  /** Files it touches that others' verdicts rest on (`merge.barrier`): it lands by itself. */
  readonly barrier?: readonly string[];
}

/** What an assignment left in its slot, made a commit. */
export interface Harvest {
  /** The work: a descendant of `base`, its last paragraph free of mstone's trailers. */
  readonly commit: Oid;
  readonly tree: TreeKey;
  /** The commit that the work is to be compared with. */
  readonly base: Oid;
  /** False when its tree, TASKS.md aside, is that of `base`. */
  readonly changed: boolean;
  /** What the user should know: protected files put back, archives written, refs mended, markers left. */
  readonly told: readonly string[];
  /** Files in which conflict markers were left; such work is not accepted. */
  readonly markers: readonly string[];
  /** As in `Work`. */
  readonly touches?: readonly string[];
  /** As in `Work`. */
  readonly facts?: readonly Fact[];
  readonly barrier?: readonly string[];
}

export interface Tokens {
  /** Sent, those that came from a cache included. */
  readonly input: number;
  readonly cached: number;
  readonly output: number;
}

/** What of a subscription's window is used, as the service itself said last. */
export interface UsageWindow {
  /** The service's own word: `five_hour`, `seven_day`. */
  readonly name: string;
  /** Share of it, 0 to 1; a little more where the last answer went beyond it. */
  readonly used: number;
  /** When the next one begins, epoch ms. */
  readonly resetsAt: number;
}

/** How a `work` effect ended. */
export interface WorkOutcome {
  readonly agent: AgentOutcome;
  readonly costUsd: number;
  /** `costUsd` is by a table of prices: the agent told tokens and no cost. */
  readonly estimated?: true;
  /** Absent where the agent never started. */
  readonly harvest?: Harvest;
  /** For `review`: what the reviewer's answer is worth. */
  readonly judgement?: Judgement;
  /** Bytes of the log read when this was decided. */
  readonly logBytes: number;
  /** The conversation by which the agent's CLI can go on. */
  readonly session?: string;
  /** The agent's CLI's own version, where it says so. */
  readonly version?: string;
  /** As the CLI counts them, for this assignment alone. */
  readonly tokens?: Tokens;
  /** Windows of the subscription that it was paid with, where they were told. */
  readonly windows?: readonly UsageWindow[];
  /** A subscription paid for it: `costUsd` is what it would cost by list prices, and nobody is billed that. */
  readonly subscription?: true;
  /** Its CLI knows the conversation only in the folder in which it began. */
  readonly stays?: true;
  readonly told?: readonly string[];
}

/** What a command's output says of the tests that it ran. */
export interface TestRun {
  /** Tests that were executed, skipped ones not counted; packages where a runner tells only those. */
  readonly ran: number;
  /** Names of failed ones, as the runner tells them; at most 20. */
  readonly failed: readonly string[];
}

export interface CheckResult {
  readonly command: string;
  /** `no-tests`: it exited 0 and executed no test, where tests were expected. */
  readonly kind: 'passed' | 'failed' | 'no-tests' | 'unstartable' | 'timed-out';
  readonly exit?: number;
  readonly ms: number;
  /** The end of its output, at most 4 KB, escape sequences removed. */
  readonly tail: string;
  /** Where a known runner's summary was recognised in its output. */
  readonly tests?: TestRun;
}

/** How a `check` effect ended. It stops at the first command that does not pass. */
export type CheckOutcome =
  | {
      readonly kind: 'passed';
      readonly commit: Oid;
      readonly tree: TreeKey;
      readonly results: readonly CheckResult[];
    }
  | {
      readonly kind: 'failed';
      readonly commit: Oid;
      readonly tree: TreeKey;
      readonly results: readonly CheckResult[];
    }
  /** A check or the folder's setup could not start: nothing is known about the tree. */
  | { readonly kind: 'unstartable'; readonly message: string; readonly results: readonly CheckResult[] }
  | { readonly kind: 'cancelled' };

/** The commit that would become the head. */
export interface Candidate {
  readonly commit: Oid;
  readonly tree: TreeKey;
  /** Its first parent: the head it was made on. */
  readonly base: Oid;
  /** Its second parent: the work. */
  readonly work: Oid;
}

export type CandidateOutcome =
  | { readonly kind: 'built'; readonly candidate: Candidate }
  | { readonly kind: 'conflict'; readonly onto: Oid; readonly files: readonly string[] }
  /** It merges with the head, but not with the candidate it was to be made on. */
  | { readonly kind: 'clash'; readonly files: readonly string[] }
  /** The head is not the one that the train begins at any more. */
  | { readonly kind: 'moved'; readonly head: Oid }
  /** The target moved on its own while landings went to `mstone/<target>`. */
  | { readonly kind: 'diverged'; readonly target: Oid; readonly shadow: Oid }
  /** The target no longer holds what was there: both heads are pinned, landing stops. */
  | { readonly kind: 'rewound'; readonly expected: Oid; readonly found: Oid }
  | { readonly kind: 'refused'; readonly message: string };

/** Why the target's checkout could not follow. */
export interface CheckoutBlock {
  readonly files: readonly string[];
  readonly message: string;
  /** What to type to let it follow. */
  readonly command: string;
}

export type LandOutcome =
  /** `on: shadow`: the checkout was in the way, so `mstone/<target>` moved instead. */
  | {
      readonly kind: 'landed';
      readonly commit: Oid;
      readonly on: 'target' | 'shadow';
      readonly block?: CheckoutBlock;
    }
  /** The head is no longer the candidate's base. */
  | { readonly kind: 'moved'; readonly head: Oid }
  | { readonly kind: 'rewound'; readonly expected: Oid; readonly found: Oid }
  /** `command`: what to type before it is tried again. */
  | { readonly kind: 'refused'; readonly message: string; readonly command?: string };

/** Whether the target reached `mstone/<target>`. */
export type FollowOutcome =
  | { readonly kind: 'followed'; readonly head: Oid }
  | { readonly kind: 'blocked'; readonly block: CheckoutBlock }
  | { readonly kind: 'diverged'; readonly target: Oid; readonly shadow: Oid }
  | { readonly kind: 'rewound'; readonly expected: Oid; readonly found: Oid };

/** What became of a tag and a pull request. */
export type PublishOutcome =
  | {
      readonly kind: 'published';
      /** `elsewhere`: it is at another commit, where it stays. */
      readonly tag?: 'made' | 'there' | 'elsewhere';
      /** Without `url` it is to be opened by hand: `command` does it. */
      readonly pull?: { readonly url: string } | { readonly command: string };
    }
  /** Nothing is lost: `command` is what to type. */
  | { readonly kind: 'failed'; readonly message: string; readonly command: string };
