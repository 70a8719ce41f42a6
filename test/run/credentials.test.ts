import { beforeEach, describe, expect, it } from 'vitest';
import type { WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { AgentOutcome } from '../../src/model/outcome.js';
import type { RunState } from '../../src/model/state.js';
import { heldOver } from '../../src/run/credentials.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { standingOf, waitOf } from '../../src/run/questions.js';
import { planItem } from '../rig/world.js';

const settings: RunSettings = {
  jobs: 2,
  failFast: false,
  wait: true,
  backoffMs: 1000,
  folder: '',
  argv: [],
  credentials: { author: { order: ['claude/login', 'work', 'spare'], roams: true } },
  marks: { work: 'w1', spare: 's1' },
};
const HOUR = 3_600_000;
const limitedFor = (ms: number): AgentOutcome => ({ kind: 'limited', resetAt: now + ms, message: 'limit' });
const refused: AgentOutcome = { kind: 'unauthorized', message: 'dead key' };
const empty: AgentOutcome = { kind: 'out-of-credit', message: 'no credit' };

let state: RunState;
let now: number;

const tell = (event: Event): void => {
  state = reduce(state, event);
};
const inputs = () => ({ now, capacity: 2 });

/** Starts what is due for `item`, and ends it so. */
function work(item: string, agent: AgentOutcome, session?: string): WorkEffect {
  const effect = decide(state, inputs()).find((due) => due.item === item);
  if (effect?.do !== 'work') throw new Error(`nothing due for ${item}`);
  const id = `i${state.nextIntent}`;
  tell({ type: 'work.started', id, effect, inputs: inputs() });
  const outcome = { agent, costUsd: 0, logBytes: 0, ...(session === undefined ? {} : { session }) };
  tell({ type: 'work.ended', id, item, now, outcome });
  return effect;
}

/** Item, credential and conversation of what starts now. */
const due = (): string[] =>
  decide(state, inputs()).map((effect) =>
    effect.do === 'work'
      ? `${effect.item} on ${effect.credential ?? effect.agent}${effect.session === undefined ? '' : `, ${effect.session}`}`
      : effect.do,
  );

const continued = (over: Partial<Extract<Event, { type: 'run.continued' }>> = {}): Event => ({
  type: 'run.continued',
  head: 'h0',
  items: [planItem('1A', { reviewer: false }), planItem('1B', { reviewer: false })],
  settings,
  shadow: false,
  ...over,
});

beforeEach(() => {
  now = 1_000_000;
  state = emptyRun('R');
  tell({
    type: 'run.started',
    target: 'main',
    head: 'h0',
    items: [planItem('1A', { reviewer: false }), planItem('1B', { reviewer: false })],
    settings,
    history: [],
    passed: [],
    shadow: false,
  });
});

describe('an agent with several credentials', () => {
  it('goes on under the next at once when one is limited, refused or empty, in the same conversation', () => {
    expect(due()).toEqual(['1A on claude/login', '1B on claude/login']);
    work('1A', limitedFor(HOUR), 's');
    expect(due()).toEqual(['1A on work, s', '1B on work']);
    work('1A', refused, 's');
    expect(due()).toEqual(['1A on spare, s', '1B on spare']);
    work('1A', empty, 's');
    // None is left but the one that is limited.
    expect(due()).toEqual([]);
    expect(standingOf(state, inputs())).toEqual({ is: 'waiting', until: now + HOUR });
    now += HOUR;
    expect(due()).toEqual(['1A on claude/login, s', '1B on claude/login']);
    expect(state.items.get('1A')?.attempt).toBe(1);
  });

  it('begins a new conversation where its CLI knows the old one under the old credential alone', () => {
    const own = { ...settings, credentials: { author: { order: ['a', 'b'], roams: false } } };
    tell(continued({ settings: own }));
    work('1A', limitedFor(HOUR), 's');
    expect(due()[0]).toBe('1A on b');
    work('1A', { kind: 'interrupted', message: 'power' }, 't');
    expect(due()[0]).toBe('1A on b, t');
  });

  it('waits for the first that opens when all are limited', () => {
    work('1A', limitedFor(3 * HOUR));
    work('1A', limitedFor(HOUR));
    work('1A', limitedFor(2 * HOUR));
    const item = state.items.get('1A');
    if (item === undefined) throw new Error('1A is gone');
    expect(waitOf(state, item, now)).toEqual({ for: 'credential', credential: 'work', until: now + HOUR });
    now += HOUR;
    expect(due()).toEqual(['1A on work', '1B on work']);
  });

  it('pauses and asks only when all are refused, each named with its problem', () => {
    work('1A', refused);
    work('1A', empty);
    expect(standingOf(state, inputs()).is).not.toBe('paused');
    work('1A', refused);
    expect(standingOf(state, inputs())).toEqual({
      is: 'paused',
      exit: 3,
      why: 'claude/login cannot be used: dead key; work cannot be used: no credit; spare cannot be used: dead key',
    });
  });

  it('uses one that was added while it waited', () => {
    const one = { ...settings, credentials: { author: { order: ['work'], roams: true } } };
    tell(continued({ settings: one }));
    work('1A', limitedFor(HOUR));
    expect(due()).toEqual([]);
    tell(continued());
    expect(due()).toEqual(['1A on claude/login', '1B on claude/login']);
  });

  it('uses a limited one again once its key was replaced', () => {
    const one = { ...settings, credentials: { author: { order: ['work'], roams: true } } };
    tell(continued({ settings: one }));
    work('1A', limitedFor(HOUR));
    tell(continued({ settings: one }));
    expect(due()).toEqual([]);
    tell(continued({ settings: { ...one, marks: { work: 'w2' } } }));
    expect(due()).toEqual(['1A on work', '1B on work']);
  });

  it('decides the rest of what it decided once the first is under way', () => {
    work('1A', limitedFor(HOUR));
    const [first, ...rest] = decide(state, inputs());
    if (first?.do !== 'work') throw new Error('nothing is due');
    tell({ type: 'work.started', id: `i${state.nextIntent}`, effect: first, inputs: inputs() });
    expect(decide(state, inputs())).toEqual(rest);
  });
});

describe('a run after it', () => {
  const next = (over: Partial<RunSettings> = {}) => heldOver([state], { ...settings, ...over }, now);

  it('does not start on what is limited or refused', () => {
    work('1A', limitedFor(HOUR));
    work('1A', refused);
    expect(next()).toEqual({
      closed: { 'claude/login': now + HOUR },
      shut: { work: { why: 'dead key', since: now } },
    });
    const opening = {
      target: 'main',
      head: 'h0',
      items: [planItem('1A')],
      settings,
      history: [],
      passed: [],
    };
    state = reduce(emptyRun('S'), { type: 'run.started', ...opening, shadow: false, held: next() });
    expect(due()).toEqual(['1A on spare']);
  });

  it('does once the limit is over, a day has gone by, or the key was replaced', () => {
    work('1A', limitedFor(HOUR));
    work('1A', refused);
    expect(next({ marks: { work: 'w2', spare: 's1' } }).shut).toEqual({});
    now += 24 * HOUR;
    expect(next()).toEqual({ closed: {}, shut: {} });
  });

  it('does where nothing else is left: who types it has paid', () => {
    for (let n = 0; n < 3; n += 1) work('1A', refused);
    expect(next().shut).toEqual({});
  });
});
