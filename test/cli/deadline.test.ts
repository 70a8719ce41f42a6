import { describe, expect, it } from 'vitest';
import { readDeadline } from '../../src/cli/deadline.js';

const NOON = Date.UTC(2026, 10, 20, 12, 0, 0);

/** As a moment in UTC, or what is wrong with it. */
function read(text: string, now = NOON, tz = 'UTC'): string {
  const deadline = readDeadline(text, now, tz);
  return deadline.ok ? new Date(deadline.value).toISOString() : deadline.error.message;
}

describe('a deadline', () => {
  it.each([
    ['13:07', '2026-11-20T13:07:00.000Z'],
    ['6:30', '2026-11-21T06:30:00.000Z'],
    ['06:30', '2026-11-21T06:30:00.000Z'],
    ['12:00', '2026-11-21T12:00:00.000Z'],
    ['0:00', '2026-11-21T00:00:00.000Z'],
    ['8h', '2026-11-20T20:00:00.000Z'],
    ['1h30m', '2026-11-20T13:30:00.000Z'],
    ['1 day', '2026-11-21T12:00:00.000Z'],
    ['2026-11-21T06:30:00Z', '2026-11-21T06:30:00.000Z'],
    ['2026-11-21t06:30:00.250+01:00', '2026-11-21T05:30:00.000Z'],
    ['2026-11-21 06:30', '2026-11-21T06:30:00.000Z'],
    [' 23:59 ', '2026-11-20T23:59:00.000Z'],
  ])('%s is %s', (text, moment) => {
    expect(read(text)).toBe(moment.replace('.250', '.000'));
  });

  it.each([
    ['24:00', 'the deadline cannot be read'],
    ['6:5', 'the deadline cannot be read'],
    ['99', 'the deadline cannot be read'],
    ['', 'the deadline cannot be read'],
    ['0h', 'the deadline cannot be read'],
    ['tomorrow', 'the deadline cannot be read'],
    ['2026-11-20T11:59:59Z', 'this deadline has passed already'],
    ['2026-02-31T06:30:00Z', 'there is no such time as this deadline'],
    ['2027-01-01T06:30:00+99:00', 'there is no such time as this deadline'],
  ])('%j is refused: %s', (text, why) => {
    expect(read(text)).toBe(why);
  });

  it('goes by the clock of its zone, also where that is put forward or back', () => {
    expect(read('6:30', NOON, 'Asia/Kolkata')).toBe('2026-11-21T01:00:00.000Z');
    expect(read('18:00', NOON, 'Asia/Kolkata')).toBe('2026-11-20T12:30:00.000Z');
    // In Auckland it is the 21st already, 01:00 in the night.
    expect(read('0:30', NOON, 'Pacific/Auckland')).toBe('2026-11-21T11:30:00.000Z');
    const spring = Date.UTC(2026, 2, 28, 20);
    // Berlin has no 02:30 on the 29th of March.
    expect(read('2:30', spring, 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z');
    expect(read('6:30', spring, 'Europe/Berlin')).toBe('2026-03-29T04:30:00.000Z');
    const autumn = Date.UTC(2026, 9, 24, 20);
    // It has 02:30 twice on the 25th of October.
    expect(read('2:30', autumn, 'Europe/Berlin')).toBe('2026-10-25T00:30:00.000Z');
    expect(read('6:30', autumn, 'Europe/Berlin')).toBe('2026-10-25T05:30:00.000Z');
  });
});
