/** Conflicts to come: which merges are tried, what is still known of them, and who gives way. */
import { describe, expect, it } from 'vitest';
import type { Foreseen } from '../../src/model/foreseen.js';
import type { ItemState, RunState } from '../../src/model/state.js';
import { comingConflicts, dueProbes, inForeseenOrder, probeKey } from '../../src/run/forecast.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { planItem, seeded } from '../rig/world.js';

/** A run whose items wait for their candidates, in this order. */
function waitingRun(ids: readonly string[], conflicts: readonly string[] = []): RunState {
  const begun = reduce(emptyRun('R'), {
    type: 'run.started',
    target: 'main',
    head: 'head',
    items: ids.map((id) => planItem(id)),
    settings: { jobs: 4, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] },
    history: [],
    passed: [],
    shadow: false,
  });
  const items = new Map(
    [...begun.items].map(([id, item], place): [string, ItemState] => [
      id,
      {
        ...item,
        queued: place + 1,
        phase: { is: 'next', step: { is: 'candidate', commit: `w${id}` } },
        work: { commit: `w${id}`, tree: `t${id}`, base: 'old' },
      },
    ]),
  );
  const foreseen = conflicts.map((pair): Foreseen => {
    const [item = '', other] = pair.split(' ');
    const common = { item, commit: `w${item}`, files: ['a.txt'] };
    return other === undefined ? common : { ...common, with: { item: other, commit: `w${other}` } };
  });
  return reduce({ ...begun, items }, { type: 'note', text: 'some', foreseen });
}

const ordered = (state: RunState, ahead: readonly string[] = []): string[] => {
  const all = [...state.items.values()].filter(({ phase }) => phase.is === 'next');
  const isAhead = ({ item }: ItemState): boolean => ahead.includes(item.id);
  return inForeseenOrder(
    state,
    all.filter(isAhead),
    all.filter((item) => !isAhead(item)),
  ).map(({ item }) => item.id);
};

const withItem = (state: RunState, id: string, over: Partial<ItemState>): RunState => {
  const item = state.items.get(id);
  if (item === undefined) throw new Error(`there is no ${id}`);
  return { ...state, items: new Map(state.items).set(id, { ...item, ...over }) };
};
const landed = { phase: { is: 'landed', commit: 'c', at: 1 } } as const;

describe('merges that are tried', () => {
  it('are those of each work with the head and with each other, once; none of a single work', () => {
    const state = waitingRun(['1A', '1B']);
    const due = dueProbes(state, new Set());
    expect(due.map(probeKey)).toEqual(['head w1A', 'head w1B', 'w1A w1B']);
    expect(dueProbes(state, new Set(due.map(probeKey)))).toEqual([]);
    // A head that moved, and a work that went on, are others.
    const moved = dueProbes({ ...state, head: 'next' }, new Set(due.map(probeKey)));
    expect(moved.map(probeKey)).toEqual(['next w1A', 'next w1B']);
    const mended = withItem(state, '1B', { work: { commit: 'new', tree: 't', base: 'old' } });
    expect(dueProbes(mended, new Set(due.map(probeKey))).map(probeKey)).toEqual(['head new', 'w1A new']);
    expect(dueProbes(withItem(state, '1A', landed), new Set())).toEqual([]);
    expect(dueProbes({ ...state, end: { is: 'paused', exit: 75, why: 'x' } }, new Set())).toEqual([]);
  });
});

describe('what is known to come', () => {
  const state = waitingRun(['1A', '1B', '1C'], ['1B 1A', '1C']);
  const told = (of: RunState): string[] =>
    comingConflicts(of).map(({ item, with: other }) => `${item} ${other?.item ?? 'head'}`);

  it('holds for the commits that were tried, until one of them fails or both have landed', () => {
    expect(told(state)).toEqual(['1B 1A', '1C head']);
    expect(told(withItem(state, '1A', landed))).toEqual(['1B 1A', '1C head']);
    expect(told(withItem(withItem(state, '1A', landed), '1B', landed))).toEqual(['1C head']);
    expect(told(withItem(state, '1A', { phase: { is: 'failed', message: 'no' } }))).toEqual(['1C head']);
    const mended = withItem(state, '1C', { work: { commit: 'new', tree: 't', base: 'old' } });
    expect(told(mended)).toEqual(['1B 1A']);
    const resolving = { is: 'next', step: { is: 'resolve', onto: 'head', files: [] } } as const;
    expect(told(withItem(withItem(state, '1A', landed), '1B', { phase: resolving }))).toEqual(['1C head']);
  });

  it('is kept from note to note, without what does not hold any more', () => {
    const mended = withItem(state, '1B', { work: { commit: 'new', tree: 't', base: 'old' } });
    const more = { item: '1B', commit: 'new', files: ['b.txt'] };
    const later = reduce(mended, { type: 'note', text: 'more', foreseen: [more] });
    expect(later.foreseen).toEqual([{ item: '1C', commit: 'w1C', files: ['a.txt'] }, more]);
  });
});

describe('the order of those that wait', () => {
  it('is theirs where nothing is known, or what is known is of other commits', () => {
    expect(ordered(waitingRun(['1A', '1B', '1C']))).toEqual(['1A', '1B', '1C']);
    const state = waitingRun(['1A', '1B', '1C'], ['1B 1A', '1B 1C']);
    const mended = withItem(state, '1B', { work: { commit: 'new', tree: 't', base: 'old' } });
    expect(ordered(mended)).toEqual(['1A', '1B', '1C']);
  });

  it('lets one that conflicts with two others land after both', () => {
    expect(ordered(waitingRun(['1A', '1B', '1C'], ['1B 1A', '1B 1C']))).toEqual(['1A', '1C', '1B']);
    expect(ordered(waitingRun(['1B', '1A', '1C'], ['1B 1A', '1B 1C']))).toEqual(['1A', '1C', '1B']);
    // So it stays once the first of them is on its way, and once it has landed.
    const state = waitingRun(['1A', '1B', '1C'], ['1B 1A', '1B 1C']);
    expect(ordered(state, ['1A'])).toEqual(['1C', '1B']);
    expect(ordered(withItem(state, '1A', landed))).toEqual(['1C', '1B']);
    expect(ordered(waitingRun(['1B', '1C'], ['1B', '1B 1C']))).toEqual(['1C', '1B']);
  });

  it('makes nobody wait who is in nobody’s way, nor whom the user put first', () => {
    expect(ordered(waitingRun(['1A', '1B', '1C', '1D'], ['1B 1A']))).toEqual(['1A', '1B', '1C', '1D']);
    expect(ordered(waitingRun(['1A', '1B'], ['1A']))).toEqual(['1A', '1B']);
    const state = waitingRun(['1B', '1A', '1C'], ['1B 1A', '1B 1C']);
    const first = state.items.get('1B');
    if (first === undefined) throw new Error('there is no 1B');
    expect(ordered(withItem(state, '1B', { item: { ...first.item, priority: 1 } }))).toEqual([
      '1B',
      '1A',
      '1C',
    ]);
  });

  it('loses nobody, keeps the order of those that merge, and starves nobody: 2,000 random queues', () => {
    let fewer = 0;
    for (let seed = 1; seed <= 2000; seed += 1) {
      const random = seeded(seed * 7919);
      const ids = Array.from(
        { length: 2 + Math.floor(random() * 14) },
        (_, n) => `1${String.fromCharCode(65 + n)}`,
      );
      const share = random() * 0.4;
      const conflicts = ids.flatMap((a, at) =>
        ids.slice(0, at).flatMap((b) => (random() < share ? [`${a} ${b}`] : [])),
      );
      const order = ordered(waitingRun(ids, conflicts));
      expect([...order].sort(), `seed ${seed}`).toEqual(ids);
      const merges = (some: readonly string[]): string[] => {
        const clean: string[] = [];
        for (const id of some) {
          if (!clean.some((one) => conflicts.includes(`${id} ${one}`) || conflicts.includes(`${one} ${id}`)))
            clean.push(id);
        }
        return clean;
      };
      const passed = (id: string): number =>
        order.slice(0, order.indexOf(id)).filter((one) => ids.indexOf(one) > ids.indexOf(id)).length;
      for (const id of ids) expect(passed(id), `seed ${seed} ${id}`).toBeLessThanOrEqual(8);
      const clear = ids.filter((id) => !conflicts.some((pair) => pair.split(' ').includes(id)));
      expect(
        order.filter((id) => clear.includes(id)),
        `seed ${seed}`,
      ).toEqual(clear);
      fewer += merges(order).length - merges(ids).length;
    }
    // Some more land without being resolved than would in the order of their coming.
    expect(fewer).toBeGreaterThan(0);
  });
});
