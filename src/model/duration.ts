/** Milliseconds per unit, by every word it goes by; `day` and `week` depend on who asks. */
const UNITS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    [
      [1, ['ms', 'millisecond', 'milliseconds']],
      [1000, ['s', 'sec', 'secs', 'second', 'seconds']],
      [60_000, ['m', 'min', 'mins', 'minute', 'minutes']],
      [3_600_000, ['h', 'hr', 'hrs', 'hour', 'hours']],
    ] as const
  ).flatMap(([ms, words]) => words.map((word) => [word, ms])),
);

const HOUR = 3_600_000;

/**
 * `working`: a day has 8 hours and a week 5 days, as people estimate work.
 * `clock`: a day has 24 hours and a week 7 days, as timers run.
 */
export type Calendar = 'working' | 'clock';

const unitMs = (word: string, calendar: Calendar): number | undefined => {
  const day = (calendar === 'working' ? 8 : 24) * HOUR;
  if (/^(?:d|days?)$/.test(word)) return day;
  if (/^(?:w|weeks?)$/.test(word)) return day * (calendar === 'working' ? 5 : 7);
  return Object.hasOwn(UNITS, word) ? UNITS[word] : undefined;
};

const NUMBER = String.raw`\d{1,9}(?:\.\d{1,6})?`;
const PART = new RegExp(`^(${NUMBER})\\s*([a-z]+)`);
const RANGE = new RegExp(`^${NUMBER}\\s*([a-z]*)\\s*(?:-|–|—|to)\\s*(${NUMBER}\\s*[a-z].*)$`);

/**
 * Reads how long something takes or may take, in ms: `45m`, `1h30m`, `90s`, `500ms`, `2 hours`,
 * `1 hour and 30 minutes`, `half a day`, `an hour`. Of a range (`2-3 hours`) the upper end counts.
 * A day is a working day of 8 hours unless `calendar` says `clock`.
 * Undefined for anything else, a number without a unit included.
 */
export function parseDuration(text: string, calendar: Calendar = 'working'): number | undefined {
  if (text.length > 100) return undefined;
  const words = text
    .trim()
    .toLowerCase()
    .replace(/^half an? (?=[a-z])/, '0.5 ')
    .replace(/^(?:an?|one) (?=[a-z])/, '1 ');

  const range = RANGE.exec(words);
  if (range) {
    const [, unit = '', upper = ''] = range;
    return unit === '' || unitMs(unit, calendar) !== undefined ? parseSum(upper, calendar) : undefined;
  }
  return parseSum(words, calendar);
}

/** `1h30m`, `1 hour and 30 minutes`: parts with units, nothing else between them. */
function parseSum(words: string, calendar: Calendar): number | undefined {
  let rest = words;
  let total = 0;
  do {
    const part = PART.exec(rest);
    if (!part) return undefined;
    const [whole, count = '', unit = ''] = part;
    const ms = unitMs(unit, calendar);
    if (ms === undefined) return undefined;
    total += Number(count) * ms;
    rest = rest.slice(whole.length).replace(/^\s*(?:,\s*)?(?:and\s+)?/, '');
  } while (rest !== '');
  return Number.isSafeInteger(Math.round(total)) ? Math.round(total) : undefined;
}
