/**
 * How fast agents are started: a bucket of `burst` starts, into which `perMinute` come back each minute, filled
 * and emptied by the times in the journal's intents alone.
 *
 * It is kept as one time: when the next start would be due, had all of them come evenly. A start may be ahead of
 * that by as many intervals as the bucket holds beside it.
 */
import type { RunSettings } from '../model/event.js';

const MINUTE_MS = 60_000;

type Settings = Pick<RunSettings, 'limits'>;

/** When the next agent may be started, epoch ms; never later than one whole bucket from `now`. */
export function launchableAt({ limits }: Settings, due: number | undefined, now: number): number {
  if (limits?.perMinute === undefined || due === undefined) return now;
  const { burst } = limits;
  const interval = MINUTE_MS / limits.perMinute;
  // A clock that was set back must not make the run wait for the time it came from.
  if (isAhead(due, now, interval * burst)) return now;
  return Math.max(now, Math.ceil(due - interval * (burst - 1)));
}

/** The bucket after one more start at `now`; undefined where nothing is limited. */
export function afterLaunch({ limits }: Settings, due: number | undefined, now: number): number | undefined {
  if (limits?.perMinute === undefined) return undefined;
  const interval = MINUTE_MS / limits.perMinute;
  const before = due === undefined || isAhead(due, now, interval * limits.burst) ? now : due;
  return Math.max(before, now) + interval;
}

/** By more than a whole bucket, sums of fractions aside. */
const isAhead = (due: number, now: number, bucket: number): boolean => due - now > bucket + 1;
