/** Waiting by the clock on the wall, whatever becomes of that clock. */
import { describe, expect, it } from 'vitest';
import { waitUntil } from '../../src/cli/wait.js';

const SECOND = 1000;
const HOUR = 3_600_000;
const START = 1_800_000_000_000;

/** A wall clock that runs with the pauses and jumps after some of them; what was paused for. */
async function waited(hours: number, jumps: Readonly<Record<number, number>>) {
  let wall = START;
  let slept = 0;
  const pauses: number[] = [];
  const until = START + hours * HOUR;
  await waitUntil(
    until,
    new AbortController().signal,
    () => wall,
    async (ms) => {
      pauses.push(ms);
      slept += ms;
      wall += ms + (jumps[pauses.length] ?? 0);
    },
  );
  return { slept, longest: Math.max(...pauses), late: wall - until };
}

describe('what waits until a time', () => {
  it('looks at the clock every 30 s, and goes on at that time', async () => {
    expect(await waited(5, {})).toEqual({ slept: 5 * HOUR, longest: 30 * SECOND, late: 0 });
  });

  it('goes on within 30 s of a clock that jumped past it: a laptop slept for 3 hours', async () => {
    const { slept, late } = await waited(1, { 10: 3 * HOUR });
    expect(slept).toBe(300 * SECOND);
    expect(late).toBe(2 * HOUR + 300 * SECOND);
  });

  it('waits for the time and not for the while where the clock is set back by 3 hours', async () => {
    expect(await waited(1, { 10: -3 * HOUR })).toEqual({ slept: 4 * HOUR, longest: 30 * SECOND, late: 0 });
  });

  it('ends at once when it is told to', async () => {
    const stop = new AbortController();
    const waiting = waitUntil(Date.now() + HOUR, stop.signal);
    stop.abort();
    await waiting;
    await waitUntil(Date.now() + HOUR, stop.signal);
  });
});
