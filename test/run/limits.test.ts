/** Limits as a scheduled state: what closes a credential, who tries it, what is left to whom, and how fast. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { AgentOutcome, UsageWindow, WorkOutcome } from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { heldOver } from '../../src/run/credentials.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { nextTurn, standingOf, waitOf } from '../../src/run/questions.js';
import { planItem } from '../rig/world.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const START = 1_800_000_000_000;

const plain: RunSettings = {
  jobs: 3,
  failFast: false,
  wait: true,
  backoffMs: 1000,
  folder: '',
  argv: [],
  limits: { reserve: 0.1, burst: 1 },
};
const unknown: AgentOutcome = { kind: 'limited', message: 'limit' };
const until = (ms: number): AgentOutcome => ({ kind: 'limited', resetAt: now + ms, message: 'limit' });
const finished: AgentOutcome = { kind: 'finished' };

let state: RunState;
let now: number;
let landed: string[];

const tell = (event: Event): void => {
  state = reduce(state, event);
};
const inputs = () => ({ now, capacity: state.settings.jobs });

function open(settings: Partial<RunSettings> = {}, items: readonly PlanItem[] = three()): void {
  now = START;
  landed = [];
  state = reduce(emptyRun('R'), {
    type: 'run.started',
    target: 'main',
    head: 'h0',
    items,
    settings: { ...plain, ...settings },
    history: [],
    passed: [],
    shadow: false,
  });
}
const three = (): PlanItem[] => ['1A', '1B', '1C'].map((id) => planItem(id, { reviewer: false, checks: [] }));

/**
 * Starts all that is due, each held against what the same decision leaves, and lands what can; ids of the
 * assignments by item.
 */
function startAll(): Map<string, string> {
  const ids = new Map<string, string>();
  for (;;) {
    const [first, ...rest] = decide(state, inputs());
    if (first === undefined) {
      if (!land()) return ids;
      continue;
    }
    const id = `i${state.nextIntent}`;
    if (first.do === 'work') ids.set(first.item, id);
    if (first.do === 'work') tell({ type: 'work.started', id, effect: first, inputs: inputs() });
    else if (first.do === 'check') tell({ type: 'check.started', id, effect: first, inputs: inputs() });
    else if (first.do === 'candidate')
      tell({ type: 'candidate.started', id, effect: first, inputs: inputs() });
    else if (first.do === 'land') tell({ type: 'land.started', id, effect: first, inputs: inputs() });
    else throw new Error(first.do);
    expect(decide(state, inputs())).toEqual(rest);
  }
}

/** Whether something came of what is on its way to the target. */
function land(): boolean {
  for (const { id, effect } of state.flights.values()) {
    const common = { id, item: effect.item, now };
    if (effect.do === 'candidate') {
      landed.push(`${effect.item} by ${effect.agent}`);
      const candidate = { commit: `c-${effect.item}`, tree: 't', base: state.head, work: effect.commit };
      tell({ ...common, type: 'candidate.ended', outcome: { kind: 'built', candidate } });
      return true;
    }
    if (effect.do === 'land') {
      const { commit } = effect.candidate;
      tell({ ...common, type: 'land.ended', outcome: { kind: 'landed', commit, on: 'target' } });
      return true;
    }
  }
  return false;
}

const effectIn = (id: string | undefined): WorkEffect => {
  const effect = state.flights.get(id ?? '')?.effect;
  if (effect?.do !== 'work') throw new Error(`${id} is no work`);
  return effect;
};

function end(id: string | undefined, agent: AgentOutcome, more: Partial<WorkOutcome> = {}): void {
  const { item, purpose } = effectIn(id);
  const harvest = {
    commit: `w-${item}-${id}`,
    tree: `t-${id}`,
    base: 'h0',
    changed: true,
    told: [],
    markers: [],
  };
  const judgement = { kind: 'approved' as const, notes: [] };
  const outcome: WorkOutcome = {
    agent,
    costUsd: 0,
    logBytes: 0,
    ...(purpose === 'review' ? { judgement } : { harvest }),
    ...more,
  };
  tell({ type: 'work.ended', id: id ?? '', item, now, outcome });
}

const waits = (id: string) => {
  const item = state.items.get(id);
  return item === undefined ? undefined : waitOf(state, item, now);
};

beforeEach(() => open());

describe('a limit of which nobody knows until when', () => {
  it('closes for a minute, then twice as long up to an hour, and one milestone at a time tries', () => {
    const ids = startAll();
    expect([...ids.keys()]).toEqual(['1A', '1B', '1C']);
    // They all run into the same limit: that is one try.
    now += 10 * SECOND;
    end(ids.get('1A'), unknown);
    now += 5 * SECOND;
    end(ids.get('1B'), unknown);
    end(ids.get('1C'), unknown);
    expect(state.closed.get('author')).toBe(now - 5 * SECOND + MINUTE);
    const pauses: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      const standing = standingOf(state, inputs());
      if (standing.is !== 'waiting') throw new Error(standing.is);
      expect(startAll().size).toBe(0);
      now = standing.until;
      const probe = startAll();
      expect(probe.size).toBe(1);
      for (const id of ['1A', '1B', '1C']) {
        if (!probe.has(id)) expect(waits(id)).toEqual({ for: 'probe', credential: 'author' });
      }
      end([...probe.values()][0], unknown);
      pauses.push(((state.closed.get('author') ?? 0) - now) / MINUTE);
    }
    expect(pauses).toEqual([2, 4, 8, 16, 32, 60, 60, 60]);
    now += HOUR;
    const [probed] = [...startAll().values()];
    end(probed, finished);
    // It was let in: so are the others.
    expect(state.guesses.size).toBe(0);
    expect(startAll().size).toBe(2);
    expect([...state.items.values()].map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  it.each([
    ['gone by', () => until(-HOUR), 30 * SECOND],
    ['not told', () => unknown, MINUTE],
  ])(
    '%s: the doubt outlives an end that says nothing, and a time that is told ends it',
    (_, limit, pause) => {
      const ids = startAll();
      now += SECOND;
      end(ids.get('1A'), limit());
      expect(state.closed.get('author')).toBe(now + pause);
      end(ids.get('1B'), finished);
      end(ids.get('1C'), { kind: 'interrupted', message: 'power' });
      now += pause;
      expect([...state.guesses]).toEqual([['author', 1]]);
      const probe = startAll();
      // 1B's candidate needs nobody.
      end(probe.get('1A') ?? probe.get('1C'), until(3 * HOUR));
      expect(state.closed.get('author')).toBe(now + 3 * HOUR);
      expect(state.guesses.size).toBe(0);
    },
  );

  it('is known to the next run, the try included', () => {
    const ids = startAll();
    end(ids.get('1A'), unknown);
    const held = heldOver([state], state.settings, now + SECOND);
    expect(held).toEqual({ closed: { author: now + MINUTE }, shut: {}, guesses: { author: 1 } });
    expect(heldOver([state], state.settings, now + MINUTE)).toEqual({ closed: {}, shut: {} });
  });
});

describe('near the end of a subscription’s window', () => {
  const window = (used: number, ms: number, name = 'five_hour'): UsageWindow => ({
    name,
    used,
    resetsAt: now + ms,
  });

  it('nothing new begins on that credential, what has begun goes on, and the next window is for all', () => {
    const credentials = { author: { order: ['first', 'second'], roams: true } };
    const items = ['1A', '1B', '1C'].map((id) => planItem(id, { reviewer: 'author', checks: [] }));
    open({ credentials, jobs: 1 }, items);
    end(startAll().get('1A'), finished, { windows: [window(0.89, HOUR)] });
    // Its review is no new milestone, nor is 1B beyond the reserve yet.
    const review = startAll().get('1A');
    expect(effectIn(review).credential).toBe('first');
    end(review, finished, { windows: [window(0.9, HOUR), window(0.2, 100 * HOUR, 'seven_day')] });
    const next = startAll();
    expect(effectIn(next.get('1B')).credential).toBe('second');
    end(next.get('1B'), finished, { windows: [window(0.95, 2 * HOUR)] });
    expect(effectIn(startAll().get('1B'))).toMatchObject({ purpose: 'review', credential: 'first' });
    end([...state.flights.keys()].at(-1), finished);
    startAll();
    expect(waits('1C')).toEqual({ for: 'credential', credential: 'first', until: START + HOUR, kept: true });
    now += HOUR;
    expect(effectIn(startAll().get('1C')).credential).toBe('first');
  });

  it('a run that may not wait pauses, and says what is kept and until when', () => {
    open({ wait: false, jobs: 1 });
    end(startAll().get('1A'), { kind: 'crashed', message: 'x' }, { windows: [window(0.93, HOUR)] });
    now += 1000;
    // A further attempt is none that begins.
    const again = startAll().get('1A');
    expect(effectIn(again)).toMatchObject({ attempt: 2 });
    end(again, { kind: 'crashed', message: 'x' });
    expect(standingOf(state, inputs())).toEqual({
      is: 'paused',
      exit: 1,
      why: 'what is left of author is kept for milestones that have begun',
      until: START + HOUR,
    });
  });

  it('`limits.reserve: false` uses a window up, and a window that ends in a year is none', () => {
    open({ limits: { reserve: 0, burst: 1 }, jobs: 1 });
    end(startAll().get('1A'), unknown, { windows: [window(0.99, HOUR)] });
    now += MINUTE;
    expect(startAll().has('1A')).toBe(true);
    open({ jobs: 1 });
    end(startAll().get('1A'), finished, { windows: [window(0.99, 366 * 24 * HOUR)] });
    expect(state.windows.size).toBe(0);
    expect(startAll().has('1B')).toBe(true);
  });
});

describe('how fast agents are started', () => {
  it('is a burst and so many a minute, by the times of intents alone', () => {
    const ids = ['1A', '1B', '1C', '1D', '1E', '1F'];
    const items = ids.map((id) => planItem(id, { reviewer: false, checks: [] }));
    open({ jobs: 6, limits: { reserve: 0, perMinute: 2, burst: 3 } }, items);
    expect([...startAll().keys()]).toEqual(['1A', '1B', '1C']);
    expect(waits('1D')).toEqual({ for: 'launch', until: START + 30 * SECOND });
    expect(nextTurn(state, now)).toBe(START + 30 * SECOND);
    now += 29 * SECOND;
    expect(startAll().size).toBe(0);
    now += SECOND;
    expect([...startAll().keys()]).toEqual(['1D']);
    // A clock set back by three hours makes nobody wait for three hours.
    now -= 3 * HOUR;
    expect([...startAll().keys()]).toEqual(['1E', '1F']);
  });
});

describe('the slot of a milestone that waits', () => {
  const credentials = {
    author: { order: ['a'], roams: true },
    judge: { order: ['j'], roams: true },
  };
  const item = (id: string, over: Partial<PlanItem> = {}) =>
    planItem(id, { reviewer: 'judge', checks: [], ...over });

  it('goes to another that could use it, and it goes on in any', () => {
    open({ jobs: 1, credentials }, [item('1A'), item('1B')]);
    end(startAll().get('1A'), finished);
    const review = startAll().get('1A');
    end(review, until(HOUR));
    // 1A waits for its reviewer; 1B's author is free.
    const second = startAll().get('1B');
    expect(effectIn(second).slot).toBe(1);
    end(second, finished);
    // Both stand before a review, and nobody needs the slot: it stays with 1B.
    expect(startAll().size).toBe(0);
    now += HOUR;
    const [[about, id] = ['', '']] = startAll();
    expect(about).toBe('1B');
    end(id, finished);
    expect(effectIn(startAll().get('1A'))).toMatchObject({ purpose: 'review', slot: 1 });
    expect(landed).toEqual(['1B by author']);
  });

  it('is its own again while nobody needs it', () => {
    open({ jobs: 3, credentials }, [item('1A'), item('1B'), item('1C')]);
    const ids = startAll();
    expect(effectIn(ids.get('1B')).slot).toBe(2);
    end(ids.get('1A'), finished);
    end(ids.get('1B'), until(HOUR), { session: 's' });
    const review = startAll().get('1A');
    end(review, finished);
    now += HOUR;
    const again = startAll().get('1B');
    expect(effectIn(again)).toMatchObject({ slot: 2, session: 's' });
  });

  it('is waited for where its CLI knows the conversation in that folder alone', () => {
    open({ jobs: 2, credentials: { author: { order: ['a'], roams: true } } }, [
      planItem('1A', { reviewer: false, checks: [] }),
      planItem('1B', { reviewer: false, checks: [], author: 'other' }),
      planItem('1C', { reviewer: false, checks: [], author: 'other' }),
    ]);
    const ids = startAll();
    expect([...ids.keys()]).toEqual(['1A', '1B']);
    end(ids.get('1A'), until(HOUR), { session: 's', stays: true });
    const third = startAll().get('1C');
    expect(effectIn(third).slot).toBe(1);
    end(ids.get('1B'), { kind: 'crashed', message: 'x' });
    now += HOUR;
    // Slot 2 is free, and of no use to 1A.
    const others = startAll();
    expect([...others.keys()]).toEqual(['1B']);
    expect(waits('1A')).toEqual({ for: 'slot' });
    end(third, { kind: 'crashed', message: 'x' });
    expect(effectIn(startAll().get('1A'))).toMatchObject({ slot: 1, session: 's' });
  });

  it('that is gone for good ends the conversation, too', () => {
    open({ jobs: 2 });
    const ids = startAll();
    end(ids.get('1B'), until(HOUR), { session: 's', stays: true });
    end(ids.get('1A'), finished);
    startAll();
    const items = three().slice(1);
    tell({ type: 'run.continued', head: 'h0', items, settings: { ...plain, jobs: 1 }, shadow: false });
    now += HOUR;
    const again = effectIn(startAll().get('1B'));
    expect([again.slot, again.session]).toEqual([1, undefined]);
  });
});

describe('an agent that takes over', () => {
  const fallbacks = { author: 'other', judge: 'author' };
  const session = 's';

  it('begins a conversation of its own while the first is closed or refused, and gives way to it', () => {
    open({ jobs: 1, fallbacks }, [planItem('1A', { reviewer: 'author', checks: [] })]);
    end(startAll().get('1A'), until(HOUR), { session });
    const other = startAll().get('1A');
    expect(effectIn(other)).toMatchObject({
      agent: 'other',
      attempt: 1,
      brief: { because: 'resumed' },
      from: expect.stringMatching(/^w-1A-/),
    });
    expect(effectIn(other).session).toBe(undefined);
    end(other, finished, { session: 't' });
    // One agent writes and reviews here anyway, in another conversation.
    const review = startAll().get('1A');
    expect(effectIn(review)).toMatchObject({ agent: 'other', purpose: 'review' });
    now += HOUR;
    end(review, finished, {
      judgement: { kind: 'refused', findings: [{ id: 'F1', severity: 'major', problem: 'p' }], unmet: [] },
    });
    const mended = startAll().get('1A');
    expect(effectIn(mended)).toMatchObject({ agent: 'author', purpose: 'remediate' });
    expect(effectIn(mended).session).toBe(undefined);
    end(mended, { kind: 'unauthorized', message: 'dead' });
    expect(effectIn(startAll().get('1A'))).toMatchObject({ agent: 'other', session: 't' });
    end([...state.flights.keys()].at(-1), finished);
    end(startAll().get('1A'), finished);
    startAll();
    expect(landed).toEqual(['1A by other']);
  });

  it('is never the reviewer of what it wrote, nor the author of what it reviews, where they are two', () => {
    const items = [planItem('1A', { reviewer: 'judge', checks: [] })];
    open({ jobs: 1, fallbacks: { author: 'judge', judge: 'author' } }, items);
    end(startAll().get('1A'), until(HOUR));
    expect(startAll().size).toBe(0);
    expect(waits('1A')).toEqual({ for: 'credential', credential: 'author', until: now + HOUR });
    now += HOUR;
    end(startAll().get('1A'), finished);
    end(startAll().get('1A'), until(2 * HOUR));
    expect(startAll().size).toBe(0);
    expect(waits('1A')).toEqual({ for: 'credential', credential: 'judge', until: now + 2 * HOUR });
  });

  it('is waited for with the first, for whichever opens first; refused, both are named', () => {
    open({ jobs: 1, fallbacks }, [planItem('1A', { reviewer: false, checks: [] })]);
    end(startAll().get('1A'), until(3 * HOUR));
    end(startAll().get('1A'), until(HOUR));
    expect(waits('1A')).toEqual({ for: 'credential', credential: 'other', until: now + HOUR });
    now += HOUR;
    end(startAll().get('1A'), { kind: 'unauthorized', message: 'dead' });
    expect(waits('1A')).toMatchObject({ credential: 'author' });
    now += 2 * HOUR;
    end(startAll().get('1A'), { kind: 'out-of-credit', message: 'empty' });
    expect(standingOf(state, inputs())).toEqual({
      is: 'paused',
      exit: 3,
      why: 'author cannot be used: empty; other cannot be used: dead',
    });
  });
});

it('what waits for a time has its turn then, whoever is still at work', () => {
  const ids = startAll();
  end(ids.get('1A'), until(HOUR));
  end(ids.get('1B'), { kind: 'overloaded', message: '529' });
  expect(nextTurn(state, now)).toBe(now + MINUTE);
  now += MINUTE;
  // The credential is closed for 1B, too.
  expect(startAll().size).toBe(0);
  expect(nextTurn(state, now)).toBe(START + HOUR);
});
