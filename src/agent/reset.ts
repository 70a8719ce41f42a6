/**
 * When a usage limit is over, from wherever a CLI told it. The surest word comes first: a field of an event, then the
 * headers of the service's answer, a clock time in the CLI's own words, the seconds that some write beside them, and
 * last how long the service wants to be left alone.
 */
import type { AgentOutcome } from '../model/outcome.js';
import { clockTime } from './clock.js';

/** What was told, as far as it was. */
export interface ToldReset {
  /** Of a structured event, epoch ms. */
  readonly event?: number | undefined;
  /** Of the answer that was refused; names in small letters. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
  /** The CLI's own error, never what a model wrote. */
  readonly text?: string | undefined;
}

const MINUTE_MS = 60_000;
const LONGEST_MS = 8 * 24 * 60 * 60 * 1000;

/** Undefined where nothing says it. `at` is epoch ms, `moment` what clock times are read against, in UTC unless named. */
function resetOf({ event, headers = {}, text = '' }: ToldReset, moment: number): Reset | undefined {
  const exactly = (at: number | undefined): Reset | undefined =>
    at === undefined ? undefined : { at, known: 'event' };
  return (
    exactly(event) ??
    exactly(epochMs(headers['anthropic-ratelimit-unified-reset'])) ??
    clockIn(text, moment) ??
    exactly(epochMs(/limit reached\|(\d{10})(?!\d)/i.exec(text)?.[1])) ??
    exactly(waitIn(headers['retry-after'], moment)) ??
    exactly(waitIn(/\bretry in (\d+(?:\.\d+)?) ?s\b/i.exec(text)?.[1], moment))
  );
}

interface Reset {
  readonly at: number;
  readonly known: 'event' | 'text';
}

/** Only behind words that announce it: an error may speak of any other time. */
function clockIn(text: string, moment: number): Reset | undefined {
  const announced = /(?:\bresets|\btry again at) (.*)$/is.exec(text)?.[1];
  const at = announced === undefined ? undefined : clockTime(announced, moment, 'UTC');
  // Clock times are cut to the minute, within which the limit goes on.
  return at === undefined ? undefined : { at: at + MINUTE_MS, known: 'text' };
}

const epochMs = (seconds: unknown): number | undefined => {
  const number = typeof seconds === 'string' && seconds !== '' ? Number(seconds) : seconds;
  return typeof number === 'number' && number > 0 && Number.isFinite(number) ? number * 1000 : undefined;
};

/** Seconds, or the date that HTTP has for it. */
function waitIn(text: unknown, moment: number): number | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return seconds > 0 ? moment + seconds * 1000 : undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date;
}

/**
 * A usage limit, met at `moment` (epoch ms). A time that is over already is that moment; one more than 8 days ahead is
 * a slip and is not believed, as no window is that long: then nobody knows, and it is tried.
 */
export function limitedUntil(told: ToldReset, moment: number, message: string): AgentOutcome {
  const from = Math.floor(moment);
  const reset = resetOf(told, moment);
  if (reset === undefined) return { kind: 'limited', message };
  if (reset.at > from + LONGEST_MS) {
    return {
      kind: 'limited',
      message: `${message} (it names a time in more than 8 days, which is not believed)`,
    };
  }
  return { kind: 'limited', resetAt: Math.max(Math.floor(reset.at), from), known: reset.known, message };
}
