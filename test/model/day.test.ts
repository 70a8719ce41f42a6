import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayOf, nextDay } from '../../src/model/day.js';

describe('days', () => {
  it('are the calendar’s where its clock hangs', () => {
    const late = Date.parse('2026-11-20T23:30:00Z');
    expect([dayOf(late, 'UTC'), dayOf(late, 'Europe/Berlin'), dayOf(late, 'America/New_York')]).toEqual([
      '2026-11-20',
      '2026-11-21',
      '2026-11-20',
    ]);
  });

  it('end at midnight there, also when they have 23 or 25 hours', () => {
    const next = (at: string, tz: string): string => new Date(nextDay(Date.parse(at), tz)).toISOString();
    expect(next('2026-11-20T23:30:00Z', 'UTC')).toBe('2026-11-21T00:00:00.000Z');
    expect(next('2026-03-28T23:30:00Z', 'Europe/Berlin')).toBe('2026-03-29T22:00:00.000Z');
    expect(next('2026-10-24T22:30:00Z', 'Europe/Berlin')).toBe('2026-10-25T23:00:00.000Z');
  });

  it('begin with the first moment that has another name', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e12 }),
        fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Apia'),
        (ms, tz) => {
          const next = nextDay(ms, tz);
          expect(next).toBeGreaterThan(ms);
          expect(dayOf(next - 1, tz)).toBe(dayOf(ms, tz));
          expect(dayOf(next, tz)).not.toBe(dayOf(ms, tz));
        },
      ),
      { numRuns: 50 },
    );
  });
});
