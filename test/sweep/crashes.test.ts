/*
 * A crash at every step. Each story is run undisturbed once to list its acts (journal appends, files, refs,
 * git commands, starts); then mstone is ended by a real SIGKILL before and after them, and resumed, several
 * times in one pipeline, far from each other. Every append of the journal and every start is chosen, and of the
 * other acts as many as `CRASH_POINTS` allows in each story, evenly spread; `CRASH_POINTS=all` takes them all
 * (some 3,000) and `CRASH_CHAIN=1` kills once in a pipeline.
 */
import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import pLimit from 'p-limit';
import { afterAll, describe, expect, it } from 'vitest';
import { peaceful, World } from '../rig/world.js';
import { type End, livedThrough } from './crash.js';
import { STORIES } from './stories.js';

const spread = process.env.CRASH_POINTS === 'all' ? Infinity : Number(process.env.CRASH_POINTS ?? 18);
/** Kills in one pipeline. */
const chained = Number(process.env.CRASH_CHAIN ?? 8);
/** How many points there are at the least, whatever becomes of the stories. */
const LEAST = 200;

/** Every append and every start, and `most` others, evenly spread over the run; each before and after. */
function choose(points: readonly string[], most: number): string[] {
  const always = points.filter((point) => /^(?:journal|start) /.test(point));
  const others = points.filter((point) => !always.includes(point));
  const step = Math.max(1, others.length / most);
  const some = new Set(
    Array.from({ length: Math.min(others.length, most) }, (_, index) => others[Math.floor(index * step)]),
  );
  return points
    .filter((point) => always.includes(point) || some.has(point))
    .flatMap((point) => [`${point} before`, `${point} after`]);
}

/** Every nth, so that those of one pipeline are far from each other. */
function inChains(points: readonly string[], length: number): string[][] {
  const chains: string[][] = Array.from({ length: Math.ceil(points.length / length) }, () => []);
  for (const [index, point] of points.entries()) chains[index % chains.length]?.push(point);
  return chains;
}

const totals = { points: 0, same: 0, lost: 0, double: 0, orphans: 0, unreached: 0 };
const journalled = new Set<string>();

describe('a crash at every step', () => {
  afterAll(() => {
    const { points, same, lost, double, orphans, unreached } = totals;
    process.stdout.write(
      `${points} points, ${same} same tree, ${lost} lost, ${double} double, ${orphans} orphans (${unreached} not come to)\n`,
    );
  });

  it.each(STORIES)(
    '$name: ends as if nothing had happened',
    async (story) => {
      const { end: calm, acts } = await livedThrough(story, []);
      expect(calm).toMatchObject({ code: 0, left: [], status: '', lost: [] });
      for (const act of acts) {
        for (const [, effect = ''] of act.matchAll(/\b(\w+)\.started\b/g)) journalled.add(effect);
      }

      const atOnce = pLimit(availableParallelism());
      const wrong: { plan: readonly string[]; end: End }[] = [];
      const strike = async (plan: readonly string[]): Promise<string[]> => {
        const { end, hit } = await livedThrough(story, plan);
        totals.points += hit.length;
        if (isDeepStrictEqual(end.tree, calm.tree)) totals.same += hit.length;
        totals.lost += end.lost.length;
        totals.double += end.landed.length - new Set(end.landed).size;
        totals.orphans += end.left.length;
        if (!isDeepStrictEqual(end, calm)) wrong.push({ plan: hit, end });
        return plan.filter((point) => !hit.includes(point));
      };
      let left = choose(acts, spread);
      // Two milestones at work take turns, and what is taken up goes another way: what was not come to is
      // tried again in other company.
      for (const length of [chained, 3]) {
        const missed = await Promise.all(inChains(left, length).map((plan) => atOnce(() => strike(plan))));
        left = missed.flat();
      }
      totals.unreached += left.length;
      expect(wrong).toEqual([]);
    },
    3_600_000,
  );

  it('is tried around what each port does, and often enough', () => {
    // Those that change nothing leave nothing in the journal.
    const {
      clock: _clock,
      append: _append,
      pressure: _pressure,
      report: _report,
      ...hands
    } = new World(1, peaceful, 1).ports();
    expect([...journalled].filter((effect) => effect !== 'run').sort()).toEqual(Object.keys(hands).sort());
    expect(totals.points).toBeGreaterThanOrEqual(LEAST);
  });
});
