/**
 * Time as those at work have it: what passes while the machine sleeps, or while we are stopped, is nobody's.
 *
 * It is measured by looking often. Two looks that are far apart say that there was no looking in between:
 * of such a gap only a little counts. Not nothing, so that also where looking itself is slow all timeouts
 * come in the end. A clock that is put forward looks like a short sleep, and one put back like no time.
 */
import { readFileSync } from 'node:fs';

/** As much as one look may bring, ms: many times what lies between two in order. */
const MOST_MS = 1000;

export class AwakeClock {
  private last: number;
  private awake = 0;

  /** `now`: of a clock that may or may not go on in sleep, ms. */
  constructor(now: number) {
    this.last = now;
  }

  /** Ms awake since it was made. */
  look(now: number): number {
    this.awake += Math.min(Math.max(0, now - this.last), MOST_MS);
    this.last = now;
    return this.awake;
  }
}

/**
 * How long this machine has slept since it was started, ms, give or take what never changes; only the
 * difference of two answers means something. Undefined where the system does not tell (only Linux does).
 */
export function sleptSinceBoot(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  // The first goes on in sleep (CLOCK_BOOTTIME), the second does not (CLOCK_MONOTONIC).
  const up = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  return up - Number(process.hrtime.bigint()) / 1e6;
}
