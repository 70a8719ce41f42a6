import type { Setback, TreeKey } from './outcome.js';

/** One step on the ladder of `run/ladder.ts`: how an assignment broke off, and what was done about it. */
export interface Rung {
  readonly setback: Setback;
  readonly next: 'continue' | 'fresh' | 'over';
}

/**
 * What a version of a milestone has used up. It outlives attempts, crashes and runs; only a retry by name and
 * another text begin it anew.
 */
export interface Brakes {
  /** Since an assignment last came to its end in order; of a failed attempt until the next begins. */
  readonly ladder: readonly Rung[];
  /** What every round was held back by (`run/remediation.ts`): a repeat is no progress. */
  readonly fingerprints: readonly string[];
  /** Power cuts and the like that were not charged to it. */
  readonly interruptions: number;
  /** Assignments that have ended, however. */
  readonly starts: number;
  /** The last assignments in a row that neither came to their end in order nor changed a file. */
  readonly fruitless: number;
  /** The files that an author's last assignment left. */
  readonly tree?: TreeKey;
}
