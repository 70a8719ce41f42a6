import { describe, expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Event, Inputs, RunSettings } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { FAULTS, peaceful, planItem, World } from '../rig/world.js';
import { live } from '../simulate/simulation.js';

function started(
  items: readonly PlanItem[],
  jobs: number,
  failFast = false,
  more: Partial<RunSettings> = {},
): Event {
  return {
    type: 'run.started',
    target: 'main',
    head: 'head0',
    items,
    settings: { jobs, failFast, wait: true, backoffMs: 1000, folder: '', argv: [], ...more },
    history: [],
    passed: [],
    shadow: false,
  };
}

/** Every intent in a journal is what `decide` says next for the state before it, with its own inputs. */
function replayIntents(run: string, journal: readonly Event[]): RunState {
  let state = emptyRun(run);
  for (const event of journal) {
    if ('effect' in event) {
      const inputs: Inputs = event.inputs;
      expect(decide(state, inputs)[0]).toEqual(event.effect);
    }
    state = reduce(state, event);
  }
  return state;
}

describe('a thousand worlds', () => {
  it('break no law, whatever befalls them, and all that can befall them does', async () => {
    const faults = new Map<string, number>();
    const seen = new Set<string>();
    for (let seed = 1; seed <= 1000; seed += 1) {
      const lived = await live(seed);
      // To see how it came: npm run simulate -- --seed <seed>
      expect([seed, lived.broken]).toEqual([seed, []]);
      for (const [fault, count] of lived.faults) faults.set(fault, (faults.get(fault) ?? 0) + count);
      for (const words of lived.seen) seen.add(words);
    }
    // Worlds in which nothing of a kind happens would show nothing.
    expect(
      [...faults]
        .filter(([, count]) => count >= 50)
        .map(([fault]) => fault)
        .sort(),
    ).toEqual(Object.keys(FAULTS).sort());
    expect([...seen]).toEqual(
      expect.arrayContaining([
        'another credential',
        'waited for a credential',
        'author is limited',
        'author cannot be used: key',
        'the budget of $N does not hold another agent: $N is spent',
        'the deadline has come',
      ]),
    );
  });
});

describe('eight agents at once that would cost $0.40 each, under a budget of $1', () => {
  const budget = { usd: 1 };
  const items = Array.from({ length: 8 }, (_, n) =>
    planItem(`1${String.fromCharCode(65 + n)}`, { checks: [], reviewer: false }),
  );
  const lived = async (capped: boolean, settings: Partial<RunSettings>) => {
    const world = new World(7, { ...peaceful, costUsd: () => 0.4, ...(capped ? { capped } : {}) }, 8);
    const opening = started(items, 8, false, settings);
    world.open(opening);
    const state = await driveRun(world.ports(), reduce(emptyRun('R'), opening), new Control());
    expect(world.violations).toEqual([]);
    expect(replayIntents('R', world.journal)).toEqual(state);
    return { world, state };
  };

  it('cost no more than $1.40, where their CLIs mind what they may cost', async () => {
    const { world, state } = await lived(true, { budget });
    expect(state.end).toMatchObject({ is: 'paused', exit: 75 });
    expect(state.spend.usd).toBeGreaterThan(0.9);
    expect(state.spend.usd).toBeLessThanOrEqual(1.4);

    // With more money each goes on with its conversation, and no attempt was used up.
    const again: Event = {
      type: 'run.continued',
      head: world.head,
      items: items.filter(({ id }) => state.items.get(id)?.phase.is !== 'landed'),
      settings: { ...state.settings, budget: { usd: 10 } },
      shadow: false,
    };
    world.open(again);
    world.restart();
    const done = await driveRun(world.ports(), reduce(state, again), new Control());
    expect(done.end).toMatchObject({ is: 'ended', exit: 0 });
    expect([...done.items.values()].map(({ attempt }) => attempt)).toEqual(items.map(() => 1));
    const second = world.journal.slice(world.journal.indexOf(again));
    const begun = second.flatMap((event) => (event.type === 'work.started' ? [event.effect] : []));
    expect(begun.every(({ session }) => session !== undefined)).toBe(true);
  });

  it('and likewise in a day, however many runs there are', async () => {
    const others = { day: '2027-01-15', usd: 0.5 };
    const { world, state } = await lived(true, { budget: { perDay: { usd: 1.5, tz: 'UTC', others } } });
    expect(new Date(world.now).toISOString().slice(0, 10)).toBe(others.day);
    expect(state.end).toMatchObject({ is: 'paused', exit: 75, until: Date.parse('2027-01-16T00:00:00Z') });
    expect(state.spend.usd).toBeGreaterThan(0.9);
    expect(state.spend.usd).toBeLessThanOrEqual(1.4);
  });

  it('and likewise where it is said what is put aside, though no CLI minds it', async () => {
    const { state } = await lived(false, { budget: { usd: 1, perMilestone: 0.4 } });
    expect(state.spend.usd).toBeCloseTo(0.8, 6);
  });
});
