import { describe, expect, it } from 'vitest';
import { liveQueue, type QueueTrial } from '../rig/queue.js';
import { seeded } from '../rig/world.js';

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

describe('two thousand queues with random outcomes', () => {
  it('land whatever can land, in order, on what has passed, and blame only who fails', () => {
    for (let seed = 1; seed <= 2000; seed += 1) {
      const random = seeded(seed * 7919);
      const trial: QueueTrial = {
        queued: 1 + Math.floor(random() * 60),
        failing: random() * random(),
        parallel: 1 + Math.floor(random() * 5),
        strict: (['auto', 'every-commit', 'head'] as const)[seed % 3] ?? 'auto',
        barrier: random() < 0.5 ? 0 : random() * 0.3,
      };
      const { landed, back, violations } = liveQueue(seed, trial);
      const story = `seed ${seed}: ${JSON.stringify(trial)}`;
      expect(violations, story).toEqual([]);
      expect(
        [...landed, ...back].sort((a, b) => a - b),
        story,
      ).toEqual(Array.from({ length: trial.queued }, (_, number) => number));
      expect(landed, story).toEqual([...landed].sort((a, b) => a - b));
    }
  });
});

it('forty queued of which a tenth fails take at most 16 rounds with two checks at once, by themselves and where heads count', () => {
  const rounds = (strict: QueueTrial['strict'], parallel = 2): number =>
    median(
      Array.from(
        { length: 200 },
        (_, n) => liveQueue(n + 1, { queued: 40, failing: 0.1, parallel, strict }).rounds,
      ),
    );
  expect({ auto: rounds('auto') <= 16, head: rounds('head') <= 16 }).toEqual({ auto: true, head: true });
  // One after the other each takes a round.
  expect(rounds('every-commit', 1)).toBe(40);
});
