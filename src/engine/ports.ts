import type {
  CandidateEffect,
  CheckEffect,
  FollowEffect,
  LandEffect,
  PublishEffect,
  WorkEffect,
} from '../model/effect.js';
import type { Event } from '../model/event.js';
import type {
  CandidateOutcome,
  CheckOutcome,
  FollowOutcome,
  LandOutcome,
  PublishOutcome,
  WorkOutcome,
} from '../model/outcome.js';
import type { RunState } from '../model/state.js';

/**
 * All that the engine needs of the world. Every hand is idempotent by its intent's id: after a crash
 * the engine simply calls it again with the same intent, and it takes up what is there.
 */
export interface Ports {
  readonly clock: {
    /** Epoch ms. */
    now(): number;
    /** Resolves at `at` (epoch ms) or when `signal` aborts, whichever is first. Never rejects. */
    until(at: number, signal: AbortSignal): Promise<void>;
  };
  /** Resolves when the events are on disk. Rejects with `JournalFull` when there is no room. */
  append(events: readonly Event[]): Promise<void>;
  /** Aborting `signal` ends the agent's process tree; what it left is harvested all the same. */
  work(id: string, effect: WorkEffect, signal: AbortSignal): Promise<WorkOutcome>;
  check(id: string, effect: CheckEffect, signal: AbortSignal): Promise<CheckOutcome>;
  candidate(id: string, effect: CandidateEffect): Promise<CandidateOutcome>;
  land(id: string, effect: LandEffect): Promise<LandOutcome>;
  follow(id: string, effect: FollowEffect): Promise<FollowOutcome>;
  publish(id: string, effect: PublishEffect): Promise<PublishOutcome>;
  /**
   * Whether the machine can bear one more agent. Asked before an agent starts, so it may look no more often
   * than is sensible; `again` is when (epoch ms) it looks anew. Never rejects.
   */
  pressure(): Promise<
    { readonly is: 'fine' } | { readonly is: 'short'; readonly words: string; readonly again: number }
  >;
  /** Told after the event is on disk and in the state. */
  report(event: Event, state: RunState): void;
}
