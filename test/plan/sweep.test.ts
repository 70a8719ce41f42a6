import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Milestone } from '../../src/model/milestone.js';
import { makePlan } from '../../src/plan/index.js';
import { planItems } from '../../src/plan/items.js';
import { config, landing, milestone } from './world.js';

/** Random milestones of up to four stages, depending on earlier ones only, some landed, some given up. */
const worlds = fc
  .array(
    fc.record({
      stage: fc.integer({ min: 1, max: 4 }),
      needs: fc.array(fc.nat(), { maxLength: 3 }),
      estimateMinutes: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
      priority: fc.integer({ min: -1, max: 1 }),
      enabled: fc.integer({ min: 0, max: 9 }).map((dice) => dice > 0),
      fate: fc.constantFrom('todo', 'todo', 'done', 'stale', 'failed', 'reverted'),
    }),
    { maxLength: 14 },
  )
  .map((rolls) => {
    const sorted = rolls.toSorted((a, b) => a.stage - b.stage);
    const milestones: Milestone[] = [];
    for (const [index, { stage, needs, estimateMinutes, priority, enabled }] of sorted.entries()) {
      const dependsOn = needs.flatMap((need) => milestones[need % (milestones.length || 1)]?.id ?? []);
      milestones.push(
        milestone(`${stage}${String.fromCharCode(65 + index)}`, {
          dependsOn,
          priority,
          enabled,
          ...(estimateMinutes !== undefined && { estimateMinutes }),
        }),
      );
    }
    const fates = new Map(sorted.map(({ fate }, index) => [milestones[index]?.id ?? '', fate]));
    const of = (...some: string[]): string[] =>
      [...fates].filter(([, fate]) => some.includes(fate)).map(([id]) => id);
    const landings = new Map(
      of('done', 'stale', 'reverted').map((id) => {
        const fate = fates.get(id);
        const changed = {
          ...(fate === 'stale' && { digest: 'v1:old' }),
          ...(fate === 'reverted' && { state: 'todo' as const }),
        };
        return [id, landing(id, changed)];
      }),
    );
    return { milestones, landings, failed: new Map(of('failed').map((id) => [id, 'gave up'])) };
  });

const selections = fc.record({
  ids: fc.constant<string[]>([]),
  redoStale: fc.boolean(),
});

test('a plan can be carried out in its order: needs are met, nothing waits for ever, nothing done is run', () => {
  fc.assert(
    fc.property(
      worlds,
      selections,
      fc.boolean(),
      fc.subarray([1, 2, 3, 4]),
      (world, selection, base, gates) => {
        const plan = makePlan({ target: 'main', ...world, selection });
        if (!plan.ok) throw new Error(JSON.stringify(plan.error));
        const { milestones, run } = plan.value;
        const planned = new Map(milestones.map((one) => [one.milestone.id, one]));

        for (const id of run) {
          const state = planned.get(id)?.state ?? 'nothing';
          expect(selection.redoStale ? ['todo', 'stale'] : ['todo']).toContain(state);
        }
        expect(
          milestones
            .filter(({ state }) => state === 'todo')
            .map(({ milestone: { id } }) => id)
            .sort(),
        ).toEqual(run.filter((id) => planned.get(id)?.state === 'todo').sort());

        const items = planItems(plan.value, config(), { gates: new Set(gates), base });
        if (!items.ok) throw new Error(JSON.stringify(items.error));
        const left = [...items.value];
        const over = new Set<string>();
        while (left.length > 0) {
          const next = left.findIndex(({ needs }) => needs.every((need) => over.has(need)));
          expect(next, 'something is always ready').toBeGreaterThanOrEqual(0);
          const [item] = left.splice(next, 1);
          if (!item) break;
          over.add(item.id);
          if (item.kind !== 'milestone') continue;
          // Whatever it is built on is in the target: landed before, or taken up earlier in this run.
          const built = (id: string): boolean =>
            over.has(id) || (!run.includes(id) && ['done', 'stale'].includes(planned.get(id)?.state ?? ''));
          const own = planned.get(item.id)?.milestone;
          expect(own?.dependsOn.filter((id) => !built(id))).toEqual([]);
          const earlier = milestones.filter(
            ({ milestone }) => milestone.stage < item.stage && milestone.enabled,
          );
          expect(earlier.filter(({ milestone: { id } }) => !built(id))).toEqual([]);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('the order in which milestones come does not matter', () => {
  fc.assert(
    fc.property(
      worlds.chain((world) =>
        fc.tuple(
          fc.constant(world),
          fc.shuffledSubarray(world.milestones, { minLength: world.milestones.length }),
        ),
      ),
      selections,
      ([world, shuffled], selection) => {
        const plan = makePlan({ target: 'main', ...world, selection });
        expect(makePlan({ target: 'main', ...world, milestones: shuffled, selection })).toEqual(plan);
      },
    ),
  );
});

test('a graph with a cycle is refused, and each way round that is told is one', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 7 }), fc.nat({ max: 7 })), { maxLength: 12 }), (edges) => {
      const ids = [...'ABCDEFGH'].map((letter) => `1${letter}`);
      const milestones = ids.map((id, index) =>
        milestone(id, {
          dependsOn: edges.flatMap(([from, to]) => (from === index && to !== index ? (ids[to] ?? []) : [])),
        }),
      );
      const needs = new Map(milestones.map(({ id, dependsOn }) => [id, new Set(dependsOn)]));
      const reaches = (from: string, to: string): boolean => {
        const seen = new Set(needs.get(from));
        for (const id of seen) for (const need of needs.get(id) ?? []) seen.add(need);
        return seen.has(to);
      };
      const cyclic = ids.filter((id) => reaches(id, id));
      const result = makePlan({ target: 'main', milestones, landings: new Map(), selection: { ids: [] } });
      const problems = result.ok ? [] : result.error;
      expect(problems.length > 0).toBe(cyclic.length > 0);
      const told = problems.map(({ message }) => message.replace(/^.*: /, '').split(' → '));
      for (const path of told) {
        expect(path[0]).toBe(path.at(-1));
        for (const [index, id] of path.slice(0, -1).entries())
          expect(needs.get(id)).toContain(path[index + 1]);
      }
      // Every milestone on a cycle is in the knot of exactly one that was told.
      for (const id of cyclic) {
        expect(
          told.filter(([first = '']) => first === id || (reaches(first, id) && reaches(id, first))),
        ).toHaveLength(1);
      }
    }),
    { numRuns: 300 },
  );
});
