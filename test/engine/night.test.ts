/** Nights in virtual time, with all that limits, services and keys do to them, told by the journal alone. */
import { describe, expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { AgentOutcome, WorkOutcome } from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce, replay } from '../../src/run/index.js';
import { type Chances, Killed, peaceful, planItem, seeded, World } from '../rig/world.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const begin = (items: readonly PlanItem[], settings: Partial<RunSettings>): Event => ({
  type: 'run.started',
  target: 'main',
  head: 'head0',
  items,
  settings: { jobs: 5, failFast: false, wait: true, backoffMs: 1000, folder: '', argv: [], ...settings },
  history: [],
  passed: [],
  shadow: false,
});

/** Drives a world to the end of its run, mstone being killed at some appends on the way. */
async function live(world: World, opening: Event, kills: readonly number[]): Promise<RunState> {
  world.journal.push(opening);
  let state = reduce(emptyRun('R'), opening);
  for (const kill of [...kills, undefined]) {
    world.restart();
    if (kill !== undefined) world.killAt = { append: kill, when: kill % 2 === 0 ? 'before' : 'after' };
    try {
      state = await driveRun(world.ports(), state, new Control());
      break;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      state = replay(emptyRun('R'), world.journal);
    }
  }
  return state;
}

/** Every intent in a journal is what is decided next for the state before it. */
function replayed(journal: readonly Event[]): RunState {
  let state = emptyRun('R');
  for (const event of journal) {
    if ('effect' in event) expect(decide(state, event.inputs)[0]).toEqual(event.effect);
    state = reduce(state, event);
  }
  return state;
}

/** Three stages of ten milestones, each with a review. */
const thirty = (): PlanItem[] => {
  const stages = [1, 2, 3].map((stage) => [...'ABCDEFGHIJ'].map((letter) => `${stage}${letter}`));
  return stages.flatMap((ids, index) =>
    ids.map((id) => planItem(id, { needs: stages[index - 1] ?? [], rounds: 20 })),
  );
};

/** What is to happen to the agents of a night, each once, on assignments that are drawn. */
type Misfortune = 'five hours' | 'a week' | 'overload' | 'death';

/** A service with a subscription's windows, keys that die, and no room now and then. */
class Service {
  readonly met: string[] = [];
  private readonly until = new Map<string, number>();
  private readonly dead = new Set<string>();
  private readonly used = new Map<string, { readonly resetsAt: number; share: number }>();
  private assignments = 0;
  private readonly plan: ReadonlyMap<number, Misfortune>;
  /** Due, and to strike the next agent that it can strike. */
  private readonly due: Misfortune[] = [];

  constructor(plan: ReadonlyMap<number, Misfortune>) {
    this.plan = plan;
  }

  ends({ credential = '' }: WorkEffect, now: number): Partial<WorkOutcome> {
    this.assignments += 1;
    const misfortune = this.plan.get(this.assignments);
    if (misfortune !== undefined) this.due.push(misfortune);
    const agent = this.endOf(credential, now);
    if (credential !== 'login') return { agent };
    const window = this.used.get(credential);
    const current =
      window === undefined || window.resetsAt <= now ? { resetsAt: now + 5 * HOUR, share: 0 } : window;
    current.share += 0.06;
    this.used.set(credential, current);
    const { resetsAt, share } = current;
    return { agent, windows: [{ name: 'five_hour', used: share, resetsAt }], subscription: true };
  }

  private endOf(credential: string, now: number): AgentOutcome {
    const until = this.until.get(credential) ?? 0;
    if (this.dead.has(credential)) return { kind: 'unauthorized', message: 'dead' };
    if (until > now) return { kind: 'limited', resetAt: until, message: 'limit' };
    // A login is no key that could die.
    const next = this.due.findIndex((one) => one !== 'death' || credential !== 'login');
    const [misfortune] = next < 0 ? [] : this.due.splice(next, 1);
    switch (misfortune) {
      case 'five hours':
      case 'a week': {
        const resetAt = now + (misfortune === 'a week' ? 6 * DAY : 5 * HOUR);
        this.until.set(credential, resetAt);
        this.met.push(misfortune);
        return { kind: 'limited', resetAt, message: 'limit' };
      }
      case 'overload':
        this.met.push(misfortune);
        return { kind: 'overloaded', message: '529' };
      case 'death':
        this.dead.add(credential);
        this.met.push(misfortune);
        return { kind: 'unauthorized', message: 'dead' };
      default:
        return { kind: 'finished' };
    }
  }
}

/** Each misfortune on an assignment of its own, among the first hundred. */
function drawn(random: () => number, counts: Readonly<Record<Misfortune, number>>): Map<number, Misfortune> {
  const plan = new Map<number, Misfortune>();
  for (const [misfortune, count] of Object.entries(counts) as [Misfortune, number][]) {
    for (let n = 0; n < count; ) {
      const at = 1 + Math.floor(random() * 100);
      if (plan.has(at)) continue;
      plan.set(at, misfortune);
      n += 1;
    }
  }
  return plan;
}

/** What must hold at each start of an agent, by what had been journalled before it. */
function wrongStarts(journal: readonly Event[], reserve: number): string[] {
  const wrong: string[] = [];
  const closed = new Map<string, number>();
  const shut = new Set<string>();
  const scarce = new Map<string, number>();
  const on = new Map<string, string>();
  for (const event of journal) {
    if (event.type === 'work.started') {
      const { credential = '', item, brief, attempt } = event.effect;
      const { now } = event.inputs;
      on.set(event.id, credential);
      if ((closed.get(credential) ?? 0) > now) wrong.push(`${item} on ${credential}, which is closed`);
      if (shut.has(credential)) wrong.push(`${item} on ${credential}, which is dead`);
      if (
        brief.because === 'first' &&
        event.effect.purpose === 'implement' &&
        (scarce.get(credential) ?? 0) > now
      ) {
        wrong.push(`${item} begins on ${credential}, which is kept for others`);
      }
      if (attempt !== 1) wrong.push(`${item} was charged an attempt`);
    }
    if (event.type === 'work.ended') {
      const credential = on.get(event.id) ?? '';
      const { agent, windows = [] } = event.outcome;
      if (agent.kind === 'limited')
        closed.set(credential, Math.max(agent.resetAt ?? 0, closed.get(credential) ?? 0));
      if (agent.kind === 'unauthorized') shut.add(credential);
      for (const { used, resetsAt } of windows) if (used >= 1 - reserve) scarce.set(credential, resetsAt);
    }
  }
  return wrong;
}

describe('a night with three limits of five hours, one of a week, forty overloads and two keys that die', () => {
  it.each([1, 2, 3, 4, 5])(
    'lands all thirty milestones, each at its first attempt (seed %i)',
    async (seed) => {
      const random = seeded(seed * 65_537);
      const counts = { 'five hours': 3, 'a week': 1, overload: 40, death: 2 };
      const service = new Service(drawn(random, counts));
      const chances: Chances = {
        ...peaceful,
        refused: 0.1,
        ends: (effect, now) => service.ends(effect, now),
      };
      const world = new World(seed, chances, 5);
      const order = ['login', 'a', 'b', 'c'];
      const credentials = { author: { order, roams: true }, reviewer: { order, roams: true } };
      const limits = { reserve: 0.1, perMinute: 6, burst: 3 };
      const began = world.now;
      const state = await live(world, begin(thirty(), { credentials, limits }), [25, 80]);

      expect(state.end).toEqual({ is: 'ended', exit: 0, why: 'all done' });
      expect([...world.landed].sort()).toEqual(thirty().map(({ id }) => id));
      const met = Object.fromEntries(
        Object.keys(counts).map((one) => [one, service.met.filter((met) => met === one).length]),
      );
      expect(met).toEqual(counts);
      expect(world.violations).toEqual([]);
      expect(wrongStarts(world.journal, limits.reserve)).toEqual([]);
      expect([...state.items.values()].filter(({ attempt }) => attempt !== 1)).toEqual([]);
      // No faster than it may: a burst, and what comes back within a minute.
      const starts = world.journal.flatMap((event) =>
        event.type === 'work.started' ? [event.inputs.now] : [],
      );
      for (const [index, at] of starts.entries()) {
        const within = starts.slice(index).filter((other) => other < at + MINUTE).length;
        expect(within).toBeLessThanOrEqual(limits.burst + limits.perMinute);
      }
      // A day, not a week: other credentials go on.
      expect(world.now - began).toBeLessThan(DAY);
      expect(replayed(world.journal)).toEqual(state);
    },
  );
});

describe('two hundred random worlds in which limits name no time, windows run out and others take over', () => {
  it('end, try one at a time, go on where their conversations are, and replay to what was lived', async () => {
    const seen = { probed: 0, tookOver: 0, kept: 0 };
    for (let seed = 1; seed <= 200; seed += 1) {
      const story = `seed ${seed}`;
      const random = seeded(seed * 32_452_843);
      const jobs = 1 + Math.floor(random() * 4);
      const limit = (draw: () => number, now: number): AgentOutcome => {
        const resetAt = now + Math.floor(draw() * 4 - 1) * HOUR;
        return { kind: 'limited', message: 'limit', ...(draw() < 0.5 ? {} : { resetAt }) };
      };
      const ends = (_: WorkEffect, now: number): Partial<WorkOutcome> =>
        random() < 0.3
          ? {
              windows: [{ name: 'w', used: random() * 1.1, resetsAt: now + Math.floor(random() * 5 * HOUR) }],
            }
          : {};
      const chances: Chances = {
        ...peaceful,
        limited: 0.3,
        overloaded: 0.1,
        crashed: 0.05,
        refused: 0.1,
        checkFails: 0.1,
        limit,
        ends,
        ...(random() < 0.5 ? { stays: true } : {}),
      };
      const world = new World(seed, chances, jobs);
      const items = [...'ABCDE'].map((letter) => planItem(`1${letter}`, { retries: 3 }));
      const settings: Partial<RunSettings> = {
        jobs,
        limits: {
          reserve: random() < 0.5 ? 0.2 : 0,
          burst: 1 + Math.floor(random() * 3),
          ...(random() < 0.5 ? { perMinute: 1 + random() * 9 } : {}),
        },
        ...(random() < 0.5 ? { fallbacks: { author: 'other', reviewer: 'other' } } : {}),
      };
      const kills = random() < 0.5 ? [1 + Math.floor(random() * 40)] : [];
      const state = await live(world, begin(items, settings), kills);
      expect(state.end?.is, `${story} ${JSON.stringify(state.end)}`).toBe('ended');
      expect(world.violations, story).toEqual([]);
      expect(replayed(world.journal), story).toEqual(state);

      let before = emptyRun('R');
      for (const event of world.journal) {
        if (event.type === 'work.started') {
          const { agent, brief, purpose } = event.effect;
          const { now } = event.inputs;
          expect(before.closed.get(agent) ?? 0, story).toBeLessThanOrEqual(now);
          if (before.guesses.has(agent)) {
            seen.probed += 1;
            const others = [...before.flights.values()].filter(
              ({ effect, since }) =>
                effect.do === 'work' && effect.agent === agent && since >= (before.closed.get(agent) ?? 0),
            );
            expect(others, story).toEqual([]);
          }
          if (agent === 'other') seen.tookOver += 1;
          const scarce = (before.windows.get(agent) ?? []).some(
            ({ used, resetsAt }) => used >= 0.8 && resetsAt > now,
          );
          if (scarce && settings.limits?.reserve !== 0) {
            seen.kept += 1;
            expect(purpose === 'implement' && brief.because === 'first', story).toBe(false);
          }
        }
        before = reduce(before, event);
      }
    }
    expect(
      Object.values(seen).every((count) => count > 50),
      JSON.stringify(seen),
    ).toBe(true);
  });
});
