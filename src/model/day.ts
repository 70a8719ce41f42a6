/** Days as a calendar on the wall has them. */

const formats = new Map<string | undefined, Intl.DateTimeFormat>();

/** The day at a point in time (epoch ms), `2026-11-20`. `tz`: an IANA zone; undefined is the system's own. */
export function dayOf(ms: number, tz?: string): string {
  let format = formats.get(tz);
  if (format === undefined) {
    // The Swedish way is ISO's.
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: tz, dateStyle: 'short' });
    formats.set(tz, format);
  }
  return format.format(ms);
}

/** The first moment of the next day, epoch ms. A day has 23 to 25 hours, and seldom others. */
export function nextDay(ms: number, tz?: string): number {
  const today = dayOf(ms, tz);
  let before = ms;
  let behind = ms + 3_600_000;
  for (; dayOf(behind, tz) === today; behind += 3_600_000) before = behind;
  while (behind - before > 1) {
    const middle = before + Math.floor((behind - before) / 2);
    if (dayOf(middle, tz) === today) before = middle;
    else behind = middle;
  }
  return behind;
}
