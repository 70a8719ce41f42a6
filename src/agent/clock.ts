/** Clock times in the words of a CLI (`resets 1:07pm (UTC)`, `try again at Nov 22, 7:10 PM`) → epoch ms. */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const TIME =
  /(?:\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? (\d{1,2})(?:st|nd|rd|th)?(?:, (\d{4}))?,?(?: at)? )?(\d{1,2})(?::(\d{2}))? ?(am|pm)(?: \(([A-Za-z_]+(?:\/[A-Za-z_+\-0-9]+)*)\))?/i;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * The first moment that a clock in `zone` (of the text, else the one given) shows this at or after `now`. A time
 * up to an hour gone by is that time and not tomorrow's: it was said a moment ago. Undefined without a time.
 */
export function clockTime(text: string, now: number, zone: string): number | undefined {
  const found = TIME.exec(text);
  if (found === null) return undefined;
  const [, month, day, year, hours, minutes, half, named] = found;
  const hour = (Number(hours) % 12) + (half?.toLowerCase() === 'pm' ? 12 : 0);
  const minute = Number(minutes ?? 0);
  if (Number(hours) < 1 || Number(hours) > 12 || minute > 59) return undefined;
  const offset = offsetOf(now, named ?? zone) ?? offsetOf(now, zone) ?? 0;
  const local = new Date(now + offset);
  const moment = (y: number, m: number, d: number): number => {
    const guess = Date.UTC(y, m, d, hour, minute);
    // Summer time may begin between now and then.
    return guess - (offsetOf(guess - offset, named ?? zone) ?? offset);
  };
  const recent = now - 60 * 60 * 1000;
  if (month === undefined) {
    const today = moment(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate());
    return today >= recent ? today : today + DAY_MS;
  }
  const index = MONTHS.indexOf(month.slice(0, 3).toLowerCase());
  const then = moment(Number(year ?? local.getUTCFullYear()), index, Number(day));
  // `Jan 2` in December is next year's.
  return year === undefined && then < recent - 7 * DAY_MS
    ? moment(local.getUTCFullYear() + 1, index, Number(day))
    : then;
}

/** What a zone's clocks are ahead of UTC at a moment, ms. */
function offsetOf(moment: number, zone: string): number | undefined {
  try {
    const parts = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    }).formatToParts(moment);
    const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value);
    const shown = Date.UTC(
      part('year'),
      part('month') - 1,
      part('day'),
      part('hour'),
      part('minute'),
      part('second'),
    );
    return shown - Math.floor(moment / 1000) * 1000;
  } catch (error) {
    // No such zone.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
