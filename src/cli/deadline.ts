/** `--deadline`: when a run is to start nothing more, as people say it. */
import type { Diagnostic } from '../model/diagnostic.js';
import { parseDuration } from '../model/duration.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';

const CLOCK = /^([01]?\d|2[0-3]):([0-5]\d)$/;
/** RFC 3339; without an offset it is the wall clock's. */
const MOMENT = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(?::(\d{2})(?:\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})?$/;
const DAY_MS = 24 * 3_600_000;

/**
 * The point in time that is meant, epoch ms: `6:30` and `06:30` are the next time that the clock says so,
 * `8h` counts from now, a date with a time is RFC 3339. `tz`: an IANA zone; undefined is the system's own.
 * An hour that a clock leaves out when it is put forward comes an hour later; of one that it says twice
 * the first counts.
 */
export function readDeadline(text: string, now: number, tz?: string): Result<number, Diagnostic> {
  const refuse = (message: string): Result<number, Diagnostic> =>
    err({
      severity: 'error',
      code: 'deadline',
      message,
      expected:
        'a clock time such as `6:30`, a time from now such as `8h`, or a date such as `2026-11-21T06:30:00Z`',
      found: shown(text),
    });
  const words = text.trim();
  const clock = CLOCK.exec(words);
  if (clock !== null) {
    const time = `${(clock[1] ?? '').padStart(2, '0')}:${clock[2]}`;
    const today = wallClock(now, tz).slice(0, 10);
    const at = fromWallClock(`${today}T${time}`, tz);
    if (at > now) return ok(at);
    // The date behind today's, whatever the clock does in between.
    const tomorrow = new Date(Date.parse(`${today}T00:00Z`) + DAY_MS).toISOString().slice(0, 10);
    return ok(fromWallClock(`${tomorrow}T${time}`, tz));
  }
  const moment = MOMENT.exec(words);
  if (moment !== null) {
    const [, date, minute, second = '00', zone] = moment;
    const local = `${date}T${minute}:${second}`;
    const utc = Date.parse(`${local}Z`);
    // Date.parse takes the 31st of February for a day in March.
    if (Number.isNaN(utc) || new Date(utc).toISOString().slice(0, 10) !== date) {
      return refuse('there is no such time as this deadline');
    }
    const at = zone === undefined ? fromWallClock(local, tz) : Date.parse(`${local}${zone.toUpperCase()}`);
    if (Number.isNaN(at)) return refuse('there is no such time as this deadline');
    return at > now ? ok(at) : refuse('this deadline has passed already');
  }
  const ms = parseDuration(words, 'clock');
  if (ms === undefined || ms <= 0) return refuse('the deadline cannot be read');
  return ok(now + ms);
}

/** What a clock on the wall says: `2026-11-20T12:04:05`. */
const wallClock = (ms: number, tz: string | undefined): string =>
  // The Swedish way is ISO's, with a space.
  new Intl.DateTimeFormat('sv-SE', { timeZone: tz, dateStyle: 'short', timeStyle: 'medium' })
    .format(ms)
    .replace(' ', 'T');

/** The first point in time at which the wall clock says this (seconds may be left out) or, skipping it, more. */
function fromWallClock(text: string, tz: string | undefined): number {
  const wanted = Date.parse(`${text}Z`);
  const offsetAt = (ms: number): number => Date.parse(`${wallClock(ms, tz)}Z`) - Math.floor(ms / 1000) * 1000;
  // The offset a day before and a day behind: around a change of the clock they are two.
  const candidates = [wanted - offsetAt(wanted - DAY_MS), wanted - offsetAt(wanted + DAY_MS)];
  const exact = candidates.filter((ms) => ms + offsetAt(ms) === wanted);
  return exact.length > 0 ? Math.min(...exact) : Math.max(...candidates);
}
