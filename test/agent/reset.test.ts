import { describe, expect, test } from 'vitest';
import { limitedUntil, type ToldReset } from '../../src/agent/reset.js';

const NOW = Date.UTC(2026, 10, 20, 15, 1);
const DAY_MS = 24 * 60 * 60 * 1000;

/** `<minutes from now> <how known>`. */
function told(reset: ToldReset, moment = NOW): string {
  const outcome = limitedUntil(reset, moment, 'limit');
  if (outcome.kind !== 'limited') throw new Error(outcome.kind);
  return outcome.resetAt === undefined
    ? 'unknown'
    : `${(outcome.resetAt - moment) / 60_000} ${String(outcome.known)}`;
}

const inMinutes = (minutes: number): number => NOW + minutes * 60_000;
const epoch = (minutes: number): string => String(inMinutes(minutes) / 1000);

describe('the time at which a limit is over', () => {
  test('is an event’s before that of the headers, words, seconds in words, and the wish to be left alone', () => {
    const event = inMinutes(10);
    const headers = { 'anthropic-ratelimit-unified-reset': epoch(20), 'retry-after': '3000' };
    const clock = 'limit reached, resets 3:30pm (UTC)';
    const text = `${clock}; usage limit reached|${epoch(40)}`;
    expect(told({ event, headers, text })).toBe('10 event');
    expect(told({ headers, text })).toBe('20 event');
    const { 'retry-after': after } = headers;
    // The minute that is named is the limit's, too.
    expect(told({ headers: { 'retry-after': after }, text })).toBe('30 text');
    expect(told({ headers: { 'retry-after': after }, text: `usage limit reached|${epoch(40)}` })).toBe(
      '40 event',
    );
    expect(told({ headers: { 'retry-after': after } })).toBe('50 event');
    expect(told({ headers: { 'retry-after': 'Fri, 20 Nov 2026 15:03:00 GMT' } })).toBe('2 event');
    expect(told({ text: 'Please retry in 90s.' })).toBe('1.5 event');
    expect(told({})).toBe('unknown');
  });

  test.each<[string, string, number, string]>([
    ['gone by a minute ago', 'resets 3pm', NOW, '0 text'],
    ['just ahead', 'resets 3:02pm', NOW, '2 text'],
    ['behind midnight', 'resets 3pm', Date.UTC(2026, 10, 20, 23, 30), '931 text'],
    ['behind midnight, in another zone', 'resets 1am (Asia/Tokyo)', NOW, '60 text'],
    ['at midnight', 'try again at 12:00 AM.', NOW, '540 text'],
    ['of no zone that there is', 'resets 4pm (No/Where)', NOW, '60 text'],
    ['a week ahead', 'resets Nov 27, 3pm', NOW, '10080 text'],
    ['a year ahead', 'resets Nov 20, 2027, 3pm', NOW, 'unknown'],
    ['a year ago', 'resets Nov 20, 2025, 3pm', NOW, '0 text'],
    ['not announced', 'at 3:30pm you had 3 sessions', NOW, 'unknown'],
  ])('in words: %s', (_, text, moment, expected) => {
    expect(told({ text }, moment)).toBe(expected);
  });

  test('is not believed where it is no time, or more than 8 days ahead', () => {
    expect(told({ event: NOW + 8 * DAY_MS })).toBe('11520 event');
    expect(told({ event: NOW + 8 * DAY_MS + 1 })).toBe('unknown');
    expect(limitedUntil({ event: NOW + 366 * DAY_MS }, NOW, 'limit')).toEqual({
      kind: 'limited',
      message: 'limit (it names a time in more than 8 days, which is not believed)',
    });
    expect(told({ headers: { 'anthropic-ratelimit-unified-reset': 'soon', 'retry-after': '-5' } })).toBe(
      'unknown',
    );
    expect(told({ event: NOW - DAY_MS })).toBe('0 event');
  });
});
