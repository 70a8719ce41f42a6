import { describe, expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Event, Inputs } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce, replay } from '../../src/run/index.js';
import { type Chances, Killed, peaceful, planItem, seeded, World } from '../rig/world.js';

const stormy: Chances = {
  limited: 0.08,
  overloaded: 0.05,
  unauthorized: 0.01,
  contextExceeded: 0.04,
  declined: 0.01,
  crashed: 0.06,
  timedOut: 0.03,
  interrupted: 0.04,
  empty: 0.05,
  checkFails: 0.2,
  refused: 0.25,
  unreadable: 0.05,
  conflict: 0.1,
  candidateFails: 0.08,
  moved: 0.05,
  shadow: 0.1,
};

function randomItems(random: () => number): PlanItem[] {
  const items: PlanItem[] = [];
  let before: string[] = random() < 0.3 ? ['base'] : [];
  if (before.length > 0) items.push(planItem('base', { kind: 'base', reviewer: false }));
  for (let stage = 1; stage <= 1 + Math.floor(random() * 3); stage += 1) {
    const ids: string[] = [];
    for (let n = 0; n < 1 + Math.floor(random() * 4); n += 1) {
      const id = `${stage}${String.fromCharCode(65 + n)}`;
      const own = ids.filter(() => random() < 0.4);
      const checks = random() < 0.2 ? [] : ['npm test'];
      const reviewer = random() < 0.2 ? false : 'reviewer';
      items.push(
        planItem(id, {
          needs: [...own, ...before],
          remainingMinutes: Math.ceil(random() * 60),
          checks,
          reviewer,
        }),
      );
      ids.push(id);
    }
    before = ids;
    if (random() < 0.3) {
      items.push(planItem(`${stage}-gate`, { kind: 'gate', stage, needs: ids }));
      before = [`${stage}-gate`];
    }
  }
  return items;
}

function started(items: readonly PlanItem[], jobs: number, failFast = false): Event {
  return {
    type: 'run.started',
    target: 'main',
    head: 'head0',
    items,
    settings: { jobs, failFast, wait: true, backoffMs: 1000, folder: '', argv: [] },
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

describe('a thousand random worlds', () => {
  it('end, keep dependencies, capacity and one landing each, and replay to what was lived', async () => {
    for (let seed = 1; seed <= 1000; seed += 1) {
      const random = seeded(seed * 7919);
      const jobs = 1 + Math.floor(random() * 4);
      const items = randomItems(random);
      const world = new World(seed, seed % 4 === 0 ? peaceful : stormy, jobs);
      const opening = started(items, jobs, random() < 0.2);
      world.journal.push(opening);
      let state = reduce(emptyRun('R'), opening);

      // mstone is killed up to three times on the way, and each time taken up from its journal.
      for (let lives = 0; lives < 4; ) {
        world.restart();
        if (lives < 3 && random() < 0.6) {
          const append = 1 + Math.floor(random() * 40) + lives * 20;
          world.killAt = { append, when: random() < 0.5 ? 'before' : 'after' };
        }
        try {
          state = await driveRun(world.ports(), state, new Control());
          if (state.end?.is === 'ended') break;
          // A credential was refused: somebody logs in, and the run is taken up.
          expect(world.shut.size, `seed ${seed}: ${state.end?.why}`).toBeGreaterThan(0);
          world.shut.clear();
          const { settings } = state;
          const shadow = state.shadow !== undefined;
          // The plan of a run that goes on is of what has not landed.
          const left = items.filter(({ id }) => {
            const is = state.items.get(id)?.phase.is;
            return is !== 'landed' && is !== 'passed';
          });
          const again: Event = { type: 'run.continued', head: world.head, items: left, settings, shadow };
          world.journal.push(again);
          state = reduce(state, again);
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          state = replay(emptyRun('R'), world.journal);
          lives += 1;
        }
      }

      const story = `seed ${seed}`;
      expect(world.violations, story).toEqual([]);
      expect(state.end?.is, story).toBe('ended');
      expect(state.flights.size, story).toBe(0);
      for (const [id, item] of state.items) {
        if (item.phase.is !== 'landed') continue;
        for (const need of item.item.needs) {
          expect(['landed', 'passed'], `${story}: ${id} before ${need}`).toContain(
            state.items.get(need)?.phase.is,
          );
        }
      }
      const slots = [...state.items.values()].filter((item) => item.slot !== undefined);
      expect(
        slots.map((item) => item.item.id),
        story,
      ).toEqual([]);
      const replayed = replayIntents('R', world.journal);
      expect(replayed, story).toEqual(state);
      if (seed % 4 === 0) expect(state.end?.exit, story).toBe(0);
    }
  });
});
