import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Event } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import { boundOf, criticalPath, predict, schedule, type Task } from '../../src/plan/schedule.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { peaceful, planItem, World } from '../rig/world.js';

/** Random tasks, each with needs among the ones before it and the time that is left behind it. */
const graphs = fc
  .array(
    fc.record({
      minutes: fc.integer({ min: 1, max: 1_000_000 }).map((n) => n / 1000),
      needs: fc.array(fc.nat(), { maxLength: 3 }),
      priority: fc.integer({ min: 0, max: 1 }),
    }),
    { minLength: 1, maxLength: 24 },
  )
  .map((rolls): Task[] => {
    const tasks = rolls.map(({ minutes, needs, priority }, index) => ({
      id: `1${String.fromCharCode(65 + index)}`,
      needs: index === 0 ? [] : [...new Set(needs.map((n) => `1${String.fromCharCode(65 + (n % index))}`))],
      priority,
      minutes,
    }));
    const remaining = new Map<string, number>();
    for (const { id, minutes } of tasks.toReversed()) {
      const behind = tasks.filter(({ needs }) => needs.includes(id)).map((one) => remaining.get(one.id) ?? 0);
      remaining.set(id, minutes + Math.max(0, ...behind));
    }
    return tasks.map((task) => ({ ...task, remainingMinutes: remaining.get(task.id) ?? 0 }));
  });

test('a schedule never beats the bound, idles no place while something is ready, and keeps what is needed before', () => {
  fc.assert(
    fc.property(graphs, fc.integer({ min: 1, max: 6 }), (tasks, jobs) => {
      const { minutes, spans } = schedule(tasks, jobs);
      const bound = boundOf(tasks, jobs);
      expect(minutes).toBeGreaterThanOrEqual(bound - 1e-6);
      // Graham: no order that idles nowhere is worse than this.
      expect(minutes).toBeLessThanOrEqual(bound * (2 - 1 / jobs) + 1e-6);
      expect(spans.map(({ id }) => id).sort()).toEqual(tasks.map(({ id }) => id).sort());
      const ended = new Map(spans.map(({ id, end }) => [id, end]));
      for (const { id, start } of spans) {
        const needs = tasks.find((task) => task.id === id)?.needs ?? [];
        expect(needs.filter((need) => (ended.get(need) ?? 0) > start)).toEqual([]);
        const beside = spans.filter((other) => other.start <= start && start < other.end);
        expect(beside.length).toBeLessThanOrEqual(jobs);
        expect(new Set(beside.map(({ place }) => place)).size).toBe(beside.length);
      }
    }),
  );
});

test('the longest path is a chain of needs, and as long as a run with an agent for everybody', () => {
  fc.assert(
    fc.property(graphs, (tasks) => {
      const { ids, minutes } = criticalPath(tasks);
      expect(schedule(tasks, tasks.length).minutes).toBeCloseTo(minutes, 6);
      const of = new Map(tasks.map((task) => [task.id, task]));
      expect(ids.reduce((sum, id) => sum + (of.get(id)?.minutes ?? 0), 0)).toBeCloseTo(minutes, 6);
      for (const [index, id] of ids.slice(1).entries()) expect(of.get(id)?.needs).toContain(ids[index]);
    }),
  );
});

/** The engine itself, with agents that take what they are predicted to and everything else no time at all. */
async function lived(tasks: readonly Task[], jobs: number): Promise<number> {
  const minutes = new Map(tasks.map((task) => [task.id, task.minutes]));
  const items: PlanItem[] = tasks.map(({ id, needs, priority, remainingMinutes }) =>
    planItem(id, { needs, priority, remainingMinutes, checks: [], reviewer: false }),
  );
  const world = new World(1, peaceful, jobs);
  const opening: Event = {
    type: 'run.started',
    target: 'main',
    head: world.head,
    items,
    settings: { jobs, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] },
    history: [],
    passed: [],
    shadow: false,
  };
  const ports = world.ports();
  let now = 0;
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  const turn = (): void => {
    sleepers.sort((a, b) => a.at - b.at);
    const next = sleepers.shift();
    if (next === undefined) return;
    now = next.at;
    next.wake();
  };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const instant = async <T>(act: () => Promise<T>): Promise<T> => act();
  let objects = 0;
  const run = driveRun(
    {
      ...ports,
      clock: { now: () => now, until: () => new Promise(() => undefined) },
      append: async () => undefined,
      report: () => undefined,
      pressure: async () => ({ is: 'fine' }),
      work: async (_id, effect) => {
        const at = now + (minutes.get(effect.item) ?? 0);
        await new Promise<void>((wake) => sleepers.push({ at, wake }));
        const commit = `work-${effect.item}`;
        return {
          agent: { kind: 'finished' },
          costUsd: 0,
          logBytes: 0,
          harvest: {
            commit,
            tree: `tree-${effect.item}`,
            base: 'head0',
            changed: true,
            told: [],
            markers: [],
          },
        };
      },
      candidate: (_id, effect) =>
        instant(async () => {
          objects += 1;
          const commit = `candidate-${objects}`;
          return {
            kind: 'built',
            candidate: { commit, tree: commit, base: effect.head, work: effect.commit },
          };
        }),
      land: (_id, effect) =>
        instant(async () => ({ kind: 'landed', commit: effect.candidate.commit, on: 'target' })),
    },
    reduce(emptyRun('R'), opening),
    new Control(),
  );
  let over = false;
  void run.finally(() => {
    over = true;
  });
  while (!over) {
    // What takes no time is done before the clock goes on.
    for (let quiet = 0; quiet < 40; quiet += 1) await settled();
    turn();
  }
  expect((await run).end).toMatchObject({ is: 'ended', exit: 0 });
  return now;
}

test('what is predicted is what a run takes whose agents take just that long', async () => {
  await fc.assert(
    fc.asyncProperty(graphs, fc.integer({ min: 1, max: 4 }), async (tasks, jobs) => {
      expect(await lived(tasks, jobs)).toBeCloseTo(predict(tasks, jobs).minutes, 6);
    }),
    { numRuns: 40 },
  );
});

test('more agents are named where they bring something, and no more of them than do', () => {
  const tasks = ['1A', '1B', '1C', '1D'].map((id) => ({
    id,
    needs: [],
    priority: 0,
    remainingMinutes: 60,
    minutes: 60,
  }));
  expect(predict(tasks, 2)).toEqual({
    jobs: 2,
    minutes: 120,
    criticalPath: ['1A'],
    more: { jobs: 4, minutes: 60 },
  });
  expect(predict(tasks, 4)).toEqual({ jobs: 4, minutes: 60, criticalPath: ['1A'] });
});

test('what waits for itself is refused, and what needs no time is no part of the way', () => {
  const task = (id: string, needs: string[], minutes: number): Task => ({
    id,
    needs,
    priority: 0,
    remainingMinutes: 0,
    minutes,
  });
  expect(() => schedule([task('1A', ['1B'], 1), task('1B', ['1A'], 1)], 1)).toThrow('wait for each other');
  const gated = [task('1A', ['gone'], 5), task('1-gate', ['1A'], 0), task('2A', ['1-gate'], 7)];
  expect(schedule(gated, 1)).toEqual({
    minutes: 12,
    spans: [
      { id: '1A', place: 1, start: 0, end: 5 },
      { id: '2A', place: 1, start: 5, end: 12 },
    ],
  });
  expect(criticalPath(gated)).toEqual({ ids: ['1A', '2A'], minutes: 12 });
});
