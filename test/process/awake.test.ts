import { expect, it } from 'vitest';
import { AwakeClock, sleptSinceBoot } from '../../src/process/awake.js';

/** Ms awake after looks at these times. */
function awakeAfter(looks: readonly number[]): number {
  const clock = new AwakeClock(looks[0] ?? 0);
  return looks.slice(1).reduce((_, now) => clock.look(now), 0);
}

it('time awake is time between looks; of a gap only a second counts, of a clock put back nothing', () => {
  expect(awakeAfter([0, 50, 100, 150])).toBe(150);
  const night = 3 * 3_600_000;
  expect(awakeAfter([0, 50, 50 + night, 100 + night])).toBe(1100);
  expect(awakeAfter([1000, 1050, 500, 550])).toBe(100);
  // Looks that are slow throughout bring every timeout all the same.
  expect(awakeAfter(Array.from({ length: 11 }, (_, index) => index * 5000))).toBe(10_000);
});

it('how long the machine slept does not change while it does not', () => {
  const first = sleptSinceBoot();
  if (process.platform !== 'linux') expect(first).toBeUndefined();
  else expect(Math.abs((sleptSinceBoot() ?? 0) - (first ?? 0))).toBeLessThan(100);
});
