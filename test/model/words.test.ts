import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../src/model/duration.js';
import { nearest } from '../../src/model/nearest.js';
import { tooNested } from '../../src/model/nesting.js';
import { shown, shownValue } from '../../src/model/shown.js';

const MINUTE = 60_000;

describe('durations', () => {
  test.each([
    ['45m', 45 * MINUTE],
    ['1h30m', 90 * MINUTE],
    ['1h 30m', 90 * MINUTE],
    ['1 hour and 30 minutes', 90 * MINUTE],
    ['1 hour, 30 minutes', 90 * MINUTE],
    ['90s', 90_000],
    ['500ms', 500],
    ['0s', 0],
    ['1.5h', 90 * MINUTE],
    ['2 hours', 120 * MINUTE],
    ['30 minutes', 30 * MINUTE],
    ['  30 MIN ', 30 * MINUTE],
    ['an hour', 60 * MINUTE],
    ['half an hour', 30 * MINUTE],
    ['half a day', 240 * MINUTE],
    ['1 day', 480 * MINUTE],
    ['2 weeks', 10 * 480 * MINUTE],
    ['2-3 hours', 180 * MINUTE],
    ['2 – 3 hours', 180 * MINUTE],
    ['30m-1h', 60 * MINUTE],
    ['2 hours to 3 hours', 180 * MINUTE],
  ])('%j is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test('a day has 8 hours of work and 24 of the clock', () => {
    expect(parseDuration('1d', 'working')).toBe(8 * 60 * MINUTE);
    expect(parseDuration('1d', 'clock')).toBe(24 * 60 * MINUTE);
    expect(parseDuration('1w', 'clock')).toBe(7 * 24 * 60 * MINUTE);
  });

  test.each([
    '',
    '45',
    'm',
    '-5m',
    '5 parsecs',
    '1h30',
    'soon',
    '1e3s',
    '5m later',
    '1h and',
    '3-2',
    'constructor',
    '1 __proto__',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('any text is answered at once, with a whole number or nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9hms. and-]{0,200}$/)), (text) => {
        const ms = parseDuration(text);
        expect(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true);
      }),
    );
  });
});

describe('the nearest name', () => {
  const keys = ['title', 'depends_on', 'checks', 'retries', 'review_rounds', 'timeout'];
  test.each([
    ['titel', 'title'],
    ['dependsOn', 'depends_on'],
    ['depends-on', 'depends_on'],
    ['depends', 'depends_on'],
    ['check', 'checks'],
    ['timeouts', 'timeout'],
    ['zzz', undefined],
    ['', undefined],
    ['something_else', undefined],
  ])('of %j is %j', (word, name) => {
    expect(nearest(word, keys)).toBe(name);
  });

  test('of ids one letter may differ, and the first in order wins', () => {
    expect(nearest('1D', ['1B', '1A', '2B'])).toBe('1A');
    expect(nearest('1a', ['1B', '1A'])).toBe('1A');
    expect(nearest('9Q', ['1A'])).toBeUndefined();
  });

  test('a name that is there is the nearest, whatever the order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(keys, { minLength: 1 }), (some) => {
        expect(some.map((key) => nearest(key, some))).toEqual(some);
      }),
    );
  });
});

describe('what others wrote, shown', () => {
  test('nothing in it moves a cursor, and it ends', () => {
    expect(shown('a\u001b[2J\nb\u202ec')).toBe('a\\u001b[2J\\u000ab\\u202ec');
    expect(shown('x'.repeat(100), 10)).toBe('xxxxxxxxx…');
    expect(shownValue({ a: ['\u009b'] })).toBe('{"a":["\\u009b"]}');
    expect(shownValue(undefined)).toBe('undefined');
  });
});

describe('nested YAML', () => {
  test('what a person writes passes', () => {
    expect(tooNested('a: [{b: [c]}]\n- - d\n? e\n: f\n')).toBeUndefined();
    expect(tooNested('[]'.repeat(1000))).toBeUndefined();
  });

  test.each([
    ['['.repeat(65), 'it has brackets more than 64 deep'],
    ['- '.repeat(33), 'it nests more than 32 levels on one line'],
    ['?\t'.repeat(33), 'it nests more than 32 levels on one line'],
    ['? &a '.repeat(33), 'it has more than 32 `?` keys'],
    ['x'.repeat(64 * 1024 + 1), 'it has more than 64 KB'],
  ])('%#: what would keep a parser busy does not', (text, why) => {
    expect(tooNested(text)).toBe(why);
  });
});
