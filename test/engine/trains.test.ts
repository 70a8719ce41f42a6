/**
 * The merge train in the whole engine: random pipelines, conflicts, targets that move, bad work that goes
 * back, kills. The world minds that the target never stands at a commit whose own tree did not pass.
 */
import { describe, expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Event, MergeRules } from '../../src/model/event.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { dueProbes } from '../../src/run/forecast.js';
import { emptyRun, reduce, replay } from '../../src/run/index.js';
import { type Chances, Killed, peaceful, planItem, seeded, World } from '../rig/world.js';

const busy: Chances = {
  ...peaceful,
  limited: 0.03,
  crashed: 0.02,
  checkFails: 0.05,
  refused: 0.1,
  conflict: 0.05,
  clash: 0.1,
  barrier: 0.1,
  bad: 0.15,
  moved: 0.05,
  shadow: 0.05,
};

function opening(count: number, jobs: number, merge: MergeRules, random: () => number): Event {
  const items = Array.from({ length: count }, (_, n) =>
    planItem(`${1 + Math.floor(n / 26)}${String.fromCharCode(65 + (n % 26))}`, {
      stage: 1,
      remainingMinutes: Math.ceil(random() * 60),
      checks: random() < 0.1 ? [] : random() < 0.2 ? ['npm test', 'npm run own'] : ['npm test'],
      reviewer: random() < 0.5 ? false : 'reviewer',
      rounds: 9,
      retries: 5,
    }),
  );
  return {
    type: 'run.started',
    target: 'main',
    head: 'head0',
    items,
    settings: { jobs, failFast: false, wait: true, backoffMs: 1000, folder: '', merge, argv: [] },
    history: [],
    passed: [],
    shadow: false,
  };
}

/** Every intent is what is decided next for the state before it, and leaves the rest of what was decided. */
function replayed(journal: readonly Event[], story: string): RunState {
  let state = emptyRun('R');
  for (const event of journal) {
    if (!('effect' in event)) {
      state = reduce(state, event);
      continue;
    }
    const [first, ...rest] = decide(state, event.inputs);
    expect(first, `${story} ${event.id}`).toEqual(event.effect);
    state = reduce(state, event);
    expect(decide(state, event.inputs), `${story} after ${event.id}`).toEqual(rest);
  }
  return state;
}

const did = (journal: readonly Event[], what: (event: Event) => boolean): number =>
  journal.filter(what).length;

/** As a look at what was committed would: some of it conflicts. */
function foresee(control: Control, state: RunState, random: () => number): void {
  const found = dueProbes(state, new Set()).flatMap(({ ours, theirs }) =>
    random() < 0.3 ? [{ ...ours, ...(theirs === undefined ? {} : { with: theirs }), files: ['a.txt'] }] : [],
  );
  if (found.length > 0) control.tell('conflicts to come', found);
}

describe('a hundred random trains', () => {
  it('land everything, each on a tree that passed, whatever conflicts, moves or is killed; and replay', async () => {
    const seen = {
      stacked: 0,
      inside: 0,
      clashes: 0,
      lent: 0,
      cancelled: 0,
      back: 0,
      moved: 0,
      killed: 0,
      foreseen: 0,
    };
    for (let seed = 1; seed <= 100; seed += 1) {
      const story = `seed ${seed}`;
      const random = seeded(seed * 104_729);
      const jobs = 1 + Math.floor(random() * 6);
      const merge: MergeRules = {
        parallel: 1 + Math.floor(random() * 4),
        strict: (['auto', 'every-commit', 'head'] as const)[Math.floor(random() * 3)] ?? 'auto',
        checks: ['npm test'],
      };
      const foreseeing = seeded(seed * 15_485_863);
      const world = new World(seed, busy, jobs);
      const begin = opening(2 + Math.floor(random() * 24), jobs, merge, random);
      world.open(begin);
      let state = reduce(emptyRun('R'), begin);
      for (let lives = 0; ; lives += 1) {
        world.restart();
        if (lives < 3 && random() < 0.5) {
          world.killAt = { append: 1 + Math.floor(random() * 60), when: random() < 0.5 ? 'before' : 'after' };
        }
        try {
          const control = new Control();
          const report = (_event: Event, next: RunState): void => {
            if (foreseeing() < 0.05) foresee(control, next, foreseeing);
          };
          state = await driveRun(world.ports(report), state, control);
          break;
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          seen.killed += 1;
          state = replay(emptyRun('R'), world.journal);
        }
      }
      expect(world.violations, story).toEqual([]);
      expect(['all done', 'main could not follow mstone/main'], story).toContain(state.end?.why);
      expect(
        [...state.items.values()].filter((item) => item.phase.is !== 'landed'),
        story,
      ).toEqual([]);
      expect(
        [...state.items.values()].filter((item) => item.slot !== undefined || item.queued !== undefined),
        story,
      ).toEqual([]);
      expect(replayed(world.journal, story), story).toEqual(state);

      const { journal } = world;
      const starts = journal.flatMap((event) => ('effect' in event ? [event.effect] : []));
      seen.stacked += starts.filter(
        (effect) => effect.do === 'candidate' && effect.onto !== undefined,
      ).length;
      seen.lent += starts.filter((effect) => effect.do === 'check' && effect.lent === true).length;
      seen.inside += starts.filter((effect) => effect.do === 'land' && effect.onto !== undefined).length;
      seen.back += starts.filter(
        (effect) => effect.do === 'work' && effect.brief.because === 'candidate',
      ).length;
      seen.foreseen += did(journal, (e) => e.type === 'note' && e.foreseen !== undefined);
      seen.clashes += did(journal, (e) => e.type === 'candidate.ended' && e.outcome.kind === 'clash');
      seen.moved += did(journal, (e) => e.type === 'land.ended' && e.outcome.kind === 'moved');
      seen.cancelled += did(journal, (e) => e.type === 'check.ended' && e.outcome.kind === 'cancelled');
    }
    // Worlds in which nothing of the kind happens would show nothing.
    expect(
      Object.values(seen).every((count) => count > 10),
      JSON.stringify(seen),
    ).toBe(true);
  }, 120_000);
});
