import { describe, expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Event, Inputs, RunSettings } from '../../src/model/event.js';
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

describe('two hundred random worlds with several credentials', () => {
  it('start no agent on a closed or refused one, wait only where none is open, and replay', async () => {
    const seen = { rotated: 0, waited: 0, paused: 0 };
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = seeded(seed * 15_485_863);
      const jobs = 1 + Math.floor(random() * 4);
      const items = randomItems(random);
      const world = new World(seed, { ...stormy, limited: 0.25, unauthorized: 0.04 }, jobs);
      const some = (names: readonly string[]) => ({
        order: names.slice(0, 1 + Math.floor(random() * names.length)),
        roams: random() < 0.5,
      });
      const credentials = { author: some(['a', 'b', 'c']), reviewer: some(['b', 'd']) };
      const opening = started(items, jobs, false, { credentials });
      world.journal.push(opening);
      let state = reduce(emptyRun('R'), opening);
      const story = `seed ${seed}`;
      for (let lives = 0; ; lives += 1) {
        expect(lives, story).toBeLessThan(200);
        world.restart();
        world.shut.clear();
        if (lives < 3 && random() < 0.4) {
          world.killAt = { append: 1 + Math.floor(random() * 40), when: random() < 0.5 ? 'before' : 'after' };
        }
        try {
          state = await driveRun(world.ports(), state, new Control());
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          state = replay(emptyRun('R'), world.journal);
          continue;
        }
        if (state.end?.is === 'ended') break;
        seen.paused += 1;
        const again: Event = {
          type: 'run.continued',
          head: world.head,
          items: items.filter(({ id }) => {
            const is = state.items.get(id)?.phase.is;
            return is !== 'landed' && is !== 'passed';
          }),
          settings: state.settings,
          shadow: state.shadow !== undefined,
        };
        world.journal.push(again);
        state = reduce(state, again);
      }
      expect(world.violations, story).toEqual([]);
      const { rotated, waited } = fairOn(credentials, world.journal, story);
      seen.rotated += rotated;
      seen.waited += waited;
      expect(replayIntents('R', world.journal), story).toEqual(state);
    }
    // Worlds in which nothing of the kind happens would show nothing.
    expect(
      Object.values(seen).every((count) => count > 20),
      JSON.stringify(seen),
    ).toBe(true);
  });
});

/** By the journal alone: what was open when an agent was started on it, and when an item began to wait. */
function fairOn(
  credentials: Readonly<Record<string, { readonly order: readonly string[] }>>,
  journal: readonly Event[],
  story: string,
): { rotated: number; waited: number } {
  const closed = new Map<string, number>();
  const shut = new Set<string>();
  const counts = { rotated: 0, waited: 0 };
  const started = new Map<string, { readonly agent: string; readonly credential: string }>();
  const openOf = (agent: string, now: number): string[] =>
    (credentials[agent]?.order ?? []).filter((name) => !shut.has(name) && (closed.get(name) ?? 0) <= now);
  let state = emptyRun('R');
  for (const event of journal) {
    state = reduce(state, event);
    if (event.type === 'run.continued') shut.clear();
    if (event.type === 'work.started') {
      const { agent, credential = '' } = event.effect;
      const [first] = openOf(agent, event.inputs.now);
      expect(credential, `${story} ${event.id}`).toBe(first);
      if (credential !== credentials[agent]?.order[0]) counts.rotated += 1;
      started.set(event.id, { agent, credential });
    }
    if (event.type === 'work.ended') {
      const { agent, credential } = started.get(event.id) ?? { agent: '', credential: '' };
      const { kind } = event.outcome.agent;
      if (kind === 'limited') {
        // A time gone by, after a kill: it is asked again half a minute later.
        const { resetAt = 0 } = event.outcome.agent;
        const until = resetAt > event.now ? resetAt : event.now + 30_000;
        closed.set(credential, Math.max(until, closed.get(credential) ?? 0));
      }
      if (kind === 'unauthorized') shut.add(credential);
      const phase = state.items.get(event.item)?.phase;
      if (phase?.is === 'waiting' && phase.wait.for === 'credential') {
        counts.waited += 1;
        expect(openOf(agent, event.now), `${story} ${event.id}`).toEqual([]);
      }
    }
  }
  return counts;
}

describe('four hundred random worlds with a budget, a deadline or both', () => {
  it('pause once agents may not start, spend no more than was put aside, and end when they may', async () => {
    let pauses = 0;
    const whys = new Set<string>();
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = seeded(seed * 104_729);
      const jobs = 1 + Math.floor(random() * 4);
      const items = randomItems(random);
      const costUsd = (draw: () => number): number => (draw() < 0.1 ? 0 : draw() * draw() * 2);
      const world = new World(seed, { ...stormy, costUsd }, jobs);
      const settings = (): Partial<RunSettings> => ({
        wait: random() < 0.8,
        ...(random() < 0.7
          ? {
              budget: { usd: 0.1 + random() * 6, ...(random() < 0.3 ? { perMilestone: random() * 2 } : {}) },
            }
          : {}),
        ...(random() < 0.5 ? { deadline: world.now + Math.floor(random() * 3 * 3_600_000) } : {}),
      });
      const opening = started(items, jobs, random() < 0.2, settings());
      world.journal.push(opening);
      let state = reduce(emptyRun('R'), opening);
      const story = `seed ${seed}`;

      for (let lives = 0; ; lives += 1) {
        expect(lives, story).toBeLessThan(400);
        world.restart();
        if (lives < 3 && random() < 0.5) {
          world.killAt = { append: 1 + Math.floor(random() * 40), when: random() < 0.5 ? 'before' : 'after' };
        }
        try {
          state = await driveRun(world.ports(), state, new Control());
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          state = replay(emptyRun('R'), world.journal);
          continue;
        }
        expect(state.flights.size, story).toBe(0);
        expect(state.spend.usd, story).toBeCloseTo(spentIn(world.journal), 5);
        if (state.end?.is === 'ended') break;
        pauses += 1;
        for (const why of state.end?.why.split('; ') ?? []) whys.add(why.replace(/\d+\.\d+/g, 'N'));
        const failed = [...state.items.values()].some(({ phase }) => phase.is === 'failed');
        const asks = [...state.items.values()].some(({ phase }) => phase.is === 'asks');
        const base = state.items.get('base')?.phase.is === 'failed';
        expect(state.end?.exit, story).toBe(base ? 5 : failed ? 1 : asks || state.shut.size > 0 ? 3 : 75);
        // Resumed: after a while without what stopped it, once in a while with it.
        world.now += Math.floor(random() * 4_000_000);
        world.shut.clear();
        const more = random() < 0.2 ? state.settings : settings();
        const again: Event = {
          type: 'run.continued',
          head: world.head,
          items: items.filter(({ id }) => state.items.get(id)?.phase.is !== 'landed'),
          settings: {
            ...state.settings,
            ...more,
            ...(more.budget === undefined
              ? {}
              : { budget: { ...more.budget, usd: state.spend.usd + (more.budget.usd ?? 0) } }),
            ...(lives > 30 ? { wait: true, deadline: Number.MAX_SAFE_INTEGER, budget: { usd: 1e6 } } : {}),
          },
          shadow: state.shadow !== undefined,
        };
        world.journal.push(again);
        state = reduce(state, again);
      }

      expect(world.violations, story).toEqual([]);
      withinBounds(world.journal, story);
      expect(replayIntents('R', world.journal), story).toEqual(state);
    }
    expect(pauses).toBeGreaterThan(200);
    expect([...whys].sort()).toEqual([
      'author cannot be used: key',
      'author is limited',
      'reviewer cannot be used: key',
      'reviewer is limited',
      'the budget of $N does not hold another agent: $N is spent',
      'the deadline has come',
    ]);
  });
});

const spentIn = (journal: readonly Event[]): number =>
  journal.reduce((sum, event) => sum + (event.type === 'work.ended' ? event.outcome.costUsd : 0), 0);

/**
 * No agent starts behind the deadline; all that is put aside and spent stays within the budget when one
 * starts, so that a run exceeds it at most by what agents cost beyond that. Costs here are no whole millionths.
 */
function withinBounds(journal: readonly Event[], story: string): void {
  let settings: RunSettings | undefined;
  let spent = 0;
  const reserved = new Map<string, number | undefined>();
  for (const event of journal) {
    if (event.type === 'run.started' || event.type === 'run.continued') settings = event.settings;
    if (event.type === 'work.started') {
      reserved.set(event.id, event.effect.capUsd);
      expect(event.inputs.now, story).toBeLessThan(settings?.deadline ?? Number.POSITIVE_INFINITY);
      const { budget } = settings ?? {};
      expect(event.effect.reserveUsd === undefined, story).toBe(budget === undefined);
      if (budget !== undefined) {
        const aside = [...reserved.values()].reduce<number>((sum, usd) => sum + (usd ?? 0), 0);
        expect(spent + aside, `${story} ${event.id}`).toBeLessThanOrEqual((budget.usd ?? 0) + 1e-4);
        expect(event.effect.capUsd, story).toBeGreaterThanOrEqual((event.effect.reserveUsd ?? 0) - 1e-6);
      }
    }
    if (event.type === 'work.ended') {
      spent += event.outcome.costUsd;
      reserved.delete(event.id);
    }
  }
}

describe('eight agents at once that would cost $0.40 each, under a budget of $1', () => {
  const budget = { usd: 1 };
  const items = Array.from({ length: 8 }, (_, n) =>
    planItem(`1${String.fromCharCode(65 + n)}`, { checks: [], reviewer: false }),
  );
  const lived = async (capped: boolean, settings: Partial<RunSettings>) => {
    const world = new World(7, { ...peaceful, costUsd: () => 0.4, ...(capped ? { capped } : {}) }, 8);
    const opening = started(items, 8, false, settings);
    world.journal.push(opening);
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
    world.journal.push(again);
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
