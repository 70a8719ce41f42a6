/**
 * The merge train: which of the milestones in the queue gets a candidate next, which candidates are checked,
 * up to where the target moves, and who is to blame.
 *
 *     head ── A ── B ── C ── D          each candidate is made on the one before it
 *             ✓    ·    ✗    ·          B is checked no more once C is known to fail with it: narrow down
 *
 * It knows places in a queue and verdicts, and nothing of commits, agents, slots or time: the engine, the
 * simulation in the tests and the bench ask the same function. It is asked anew whenever anything has
 * changed and remembers nothing but the `Pace`; so a target that moved, a conflict or a crash is no case of
 * its own, there are only fewer cars with a candidate than before.
 */
import type { Pace, TrainMode } from '../model/state.js';

/** What is known of a milestone in the queue. All but `waiting` have a candidate on what is before them. */
export type CarState =
  /** No candidate on what is before it. */
  | 'waiting'
  | 'building'
  /** Not checked as it is. Where longer prefixes are, it may land inside one of them. */
  | 'built'
  | 'checking'
  | 'passed'
  | 'failed'
  | 'landing';

export interface Car {
  readonly state: CarState;
  /** It touches what the others' verdicts rest on: nothing is before or behind it in its train. */
  readonly alone: boolean;
}

/** Places in the queue, from 0. */
export interface Orders {
  /** Make its candidate, on the one before it. */
  readonly build?: number;
  /** Check these as they are, in this order, while there is room. */
  readonly check: readonly number[];
  /** The target may move to this one; those before it ride inside. */
  readonly land?: number;
  /** It fails though everything before it is on the target: it alone goes back. */
  readonly culprit?: number;
}

/** No more candidates are made ahead than this. */
const WIDEST = 64;

export const firstPace = (parallel: number): Pace => ({ mode: 'every-commit', window: parallel, streak: 0 });

/**
 * What to do, with `parallel` checks at once at most, `elsewhere` of them on what has left the train. `cars`
 * are in the order in which they are to land.
 */
export function planTrain(
  cars: readonly Car[],
  { mode, window }: Pace,
  parallel: number,
  elsewhere = 0,
): Orders {
  const train = cars.slice(0, lengthOf(cars, mode === 'head' ? window : parallel));
  const first = train[0];
  if (first === undefined) return { check: [] };
  const failed = train.findIndex(({ state }) => state === 'failed');
  const passed = train.findLastIndex(({ state }) => state === 'passed' || state === 'landing');
  // Where heads count, a prefix that passes lands whatever a shorter one did.
  const good = mode === 'head' ? passed : first.state === 'passed' || first.state === 'landing' ? 0 : -1;
  if (failed === 0 && good < 0) return { check: [], culprit: 0 };

  // What lies behind a failure fails with it.
  const open = failed > good ? failed : train.length;
  const missing = train.slice(0, open).findIndex(({ state }) => state === 'waiting' || state === 'building');
  const wanted =
    mode === 'every-commit'
      ? places(0, open)
      : failed > good
        ? between(good + 1, failed, parallel)
        : spread(good + 1, train.length, parallel);
  const busy = elsewhere + cars.filter(({ state }) => state === 'checking').length;
  const check = wanted
    .filter((place) => train[place]?.state === 'built')
    .slice(0, Math.max(0, parallel - busy));

  const isBusy = train.some(({ state }) => state === 'building' || state === 'landing');
  if (isBusy) return { check };
  if (good >= 0) return { check, land: good };
  return missing < 0 ? { check } : { check, build: missing };
}

/** How many of them are in the train: a car that goes alone ends it, or is all of it. */
function lengthOf(cars: readonly Car[], longest: number): number {
  const alone = cars.findIndex((car) => car.alone);
  if (alone < 0) return longest;
  return Math.min(longest, Math.max(1, alone));
}

const places = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index);

/** Prefixes that cover `from` to `to` evenly, the longest among them. */
const spread = (from: number, to: number, parts: number): number[] =>
  unique(places(1, parts + 1).map((part) => from + Math.ceil(((to - from) * part) / parts) - 1)).filter(
    (place) => place >= from,
  );

/** Prefixes that divide what is left between a known pass and the failure at `to`. */
const between = (from: number, to: number, parts: number): number[] =>
  unique(
    places(1, parts + 1).map((part) => from + Math.round(((to + 1 - from) * part) / (parts + 1)) - 1),
  ).filter((place) => place >= from && place < to);

const unique = (numbers: readonly number[]): number[] => [...new Set(numbers)];

/** The pace once `count` more have landed. */
export function landedPace(pace: Pace, count: number, parallel: number): Pace {
  const streak = pace.streak + count;
  if (streak < pace.window) return { ...pace, streak };
  return { ...pace, window: Math.min(WIDEST, Math.max(parallel, pace.window * 2)), streak: 0 };
}

/** The pace once one has gone back. */
export const failedPace = (pace: Pace, parallel: number): Pace => ({
  ...pace,
  window: Math.max(parallel, Math.floor(pace.window / 2)),
  streak: 0,
});

/** The mode for a queue of this length: long ones are worth more than each commit's own verdict. */
export function queuedPace(pace: Pace, strict: TrainMode | 'auto', queue: number, parallel: number): Pace {
  const mode =
    strict !== 'auto' ? strict : queue > 4 * parallel ? 'head' : queue === 0 ? 'every-commit' : pace.mode;
  return mode === pace.mode ? pace : { ...pace, mode };
}
