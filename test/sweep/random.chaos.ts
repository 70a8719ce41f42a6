/*
 * `npm run chaos -- --minutes 10`: pipelines killed two to five times at random points, over and over. Each
 * pipeline has a seed, printed with what became of it; `--seed <n>` takes that one alone.
 */
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { seeded } from '../rig/world.js';
import { type Chain, livedThrough } from './crash.js';
import { STORIES, type Story } from './stories.js';

const minutes = Number(process.env.CHAOS_MINUTES ?? 10);
const only = process.env.CHAOS_SEED === undefined ? undefined : Number(process.env.CHAOS_SEED);
const first = only ?? (Math.floor(Date.now() / 1000) % 1_000_000) * 1000;

/** Each story's undisturbed run, once. */
const calm = new Map<Story, Promise<Chain>>();
function calmOf(story: Story): Promise<Chain> {
  const known = calm.get(story) ?? livedThrough(story, []);
  calm.set(story, known);
  return known;
}

it('ends as if nothing had happened, wherever it is killed', async () => {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const until = Date.now() + minutes * 60_000;
  const failed: number[] = [];
  let [pipelines, kills, next] = [0, 0, first];

  const strike = async (seed: number): Promise<void> => {
    const random = seeded(seed);
    const story = STORIES[Math.floor(random() * STORIES.length)] as Story;
    const { end: wanted, acts } = await calmOf(story);
    const plan = Array.from({ length: 2 + Math.floor(random() * 4) }, () => {
      const act = acts[Math.floor(random() * acts.length)] ?? '';
      return `${act} ${random() < 0.5 ? 'before' : 'after'}`;
    });
    const { end, hit } = await livedThrough(story, plan);
    pipelines += 1;
    kills += hit.length;
    if (isDeepStrictEqual(end, wanted)) return;
    failed.push(seed);
    say(`seed ${seed}, ${story.name}:\n  killed ${hit.join('\n  killed ')}\n  ended ${JSON.stringify(end)}`);
    say(`  wanted ${JSON.stringify(wanted)}\n  again: npm run chaos -- --seed ${seed}`);
  };
  const worker = async (): Promise<void> => {
    do {
      const seed = next;
      next += 1;
      await strike(seed);
    } while (only === undefined && Date.now() < until);
  };
  await Promise.all(Array.from({ length: only === undefined ? availableParallelism() : 1 }, worker));

  say(
    `seeds ${first} to ${next - 1}: ${pipelines} pipelines, ${kills} kills, ${failed.length} ended otherwise`,
  );
  expect(failed).toEqual([]);
});
