/** How far a run may go: deadlines, budgets, and what it ends with where several things came together. */
import { describe, expect, it } from 'vitest';
import type { WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { AgentOutcome } from '../../src/model/outcome.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { leftOf, reservationFor } from '../../src/run/money.js';
import { budgetNeeded, heldBy, standingOf } from '../../src/run/questions.js';
import { planItem } from '../rig/world.js';

const NOW = 1_000_000;
const inputs = { now: NOW, capacity: 4 };

function begun(settings: Partial<RunSettings>, ids: readonly string[] = ['1A', '1B', '1C']): RunState {
  return reduce(emptyRun('R'), {
    type: 'run.started',
    target: 'main',
    head: 'h0',
    items: ids.map((id) => planItem(id, { checks: [], reviewer: false, retries: 0, author: `agent ${id}` })),
    settings: { jobs: 4, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [], ...settings },
    history: [],
    passed: [],
    shadow: false,
  });
}

/** Starts the first agent that is due. */
function start(state: RunState): { state: RunState; id: string; effect: WorkEffect } {
  const effect = decide(state, inputs).find((due) => due.do === 'work');
  if (effect === undefined) throw new Error('no agent is due');
  const id = `i${state.nextIntent}`;
  return { state: reduce(state, { type: 'work.started', id, effect, inputs }), id, effect };
}

function end(
  state: RunState,
  id: string,
  costUsd: number,
  agent: AgentOutcome = { kind: 'finished' },
): RunState {
  const item = state.flights.get(id)?.effect.item ?? '';
  const harvest = { commit: `w${id}`, tree: `t${id}`, base: 'h0', changed: true, told: [], markers: [] };
  return reduce(state, {
    type: 'work.ended',
    id,
    item,
    now: NOW,
    outcome: { agent, costUsd, logBytes: 0, ...(agent.kind === 'finished' ? { harvest } : {}) },
  });
}

/** One milestone after the other, each at a cost. */
const spend = (state: RunState, ...costs: readonly number[]): RunState =>
  costs.reduce((before, usd) => {
    const { state: running, id } = start(before);
    return end(running, id, usd);
  }, state);

describe('money', () => {
  it('is put aside by what is configured, else by the median of the purpose, else a twentieth', () => {
    const budget = { usd: 10 };
    const ids = ['1A', '1B', '1C', '1D'];
    expect(reservationFor(begun({}), 'implement')).toBeUndefined();
    expect(reservationFor(begun({ budget }), 'implement')).toBe(0.5);
    expect(reservationFor(begun({ budget: { usd: 10, perMilestone: 3 } }), 'implement')).toBe(3);
    expect(reservationFor(spend(begun({ budget }, ids), 1), 'implement')).toBe(1.5);
    expect(reservationFor(spend(begun({ budget }, ids), 1, 2), 'implement')).toBe(2.25);
    const three = spend(begun({ budget }, ids), 1, 4, 2);
    expect(reservationFor(three, 'implement')).toBe(3);
    expect(reservationFor(three, 'review')).toBe(0.5);
  });

  it('that is put aside for agents at work is not there for others', () => {
    const state = begun({ budget: { usd: 2.5, perMilestone: 1 } });
    expect(
      decide(state, inputs).map((effect) => [effect.item, 'reserveUsd' in effect && effect.reserveUsd]),
    ).toEqual([
      ['1A', 1],
      ['1B', 1],
    ]);
    const one = start(state);
    expect(leftOf(one.state, NOW).run).toBe(1_500_000);
    const two = start(one.state);
    expect(decide(two.state, inputs)).toEqual([]);
    // It cost less than was put aside: the third may start.
    expect(decide(end(two.state, one.id, 0.25), inputs).map(({ item }) => item)).toContain('1C');
    // It cost more: what is started is never stopped for it, and nothing new starts.
    const dear = end(end(two.state, one.id, 5), two.id, 0);
    expect(decide(dear, inputs).filter((effect) => effect.do === 'work')).toEqual([]);
    expect(heldBy(dear, dear.items.get('1C') ?? fail(), NOW)).toBe('budget');
    expect(budgetNeeded(dear)).toBe(6);
  });

  it('holds exactly, however the sums are made', () => {
    const state = begun({ budget: { usd: 0.3, perMilestone: 0.1 } });
    expect(decide(state, inputs)).toHaveLength(3);
    expect(decide(start(start(state).state).state, inputs)).toHaveLength(1);
  });

  it('for which nothing can start pauses the run; what was spent before it was resumed counts', () => {
    const paused = spend(begun({ budget: { usd: 1 } }, ['1A', '1B']), 0.9);
    const [candidate] = decide(paused, inputs);
    expect(candidate?.do).toBe('candidate');
    const settled: RunState = { ...paused, items: new Map([...paused.items].filter(([id]) => id === '1B')) };
    expect(standingOf(settled, inputs)).toEqual({
      is: 'paused',
      exit: 75,
      why: 'the budget of $1.00 does not hold another agent: $0.90 is spent',
    });
    const again: Event = {
      type: 'run.continued',
      head: 'h0',
      items: [...settled.items.values()].map(({ item }) => item),
      settings: { ...settled.settings, budget: { usd: 3 } },
      shadow: false,
    };
    const resumed = reduce(settled, again);
    expect(resumed.spend.usd).toBe(0.9);
    expect(decide(resumed, inputs).map(({ item }) => item)).toEqual(['1B']);
  });

  it('agents that tell no cost are remembered, those that were cut short are not', () => {
    const state = begun({ budget: { usd: 5 } });
    const one = start(state);
    const two = start(one.state);
    const both = end(end(two.state, one.id, 0), two.id, 0, { kind: 'cancelled' });
    expect([...both.spend.untold]).toEqual(['agent 1A']);
    expect(both.spend.costs).toEqual(new Map([['implement', [0]]]));
  });
});

describe('a budget for each day', () => {
  const tz = 'Europe/Berlin';
  const noon = Date.parse('2026-11-20T11:00:00Z');
  const day = (usd: number, others: number) => ({
    budget: { perMilestone: 1, perDay: { usd, tz, others: { day: '2026-11-20', usd: others } } },
  });
  const at = (now: number) => ({ now, capacity: 4 });
  const starts = (state: RunState, now: number): number =>
    decide(state, at(now)).filter((effect) => effect.do === 'work').length;
  /** One agent started and ended at a time, at a cost. */
  const oneAt = (state: RunState, now: number, usd: number): RunState => {
    const effect = decide(state, at(now)).find((due) => due.do === 'work') as WorkEffect;
    const running = reduce(state, { type: 'work.started', id: 'i1', effect, inputs: at(now) });
    const outcome = { agent: { kind: 'unstartable' as const, message: 'x' }, costUsd: usd, logBytes: 0 };
    return reduce(running, { type: 'work.ended', id: 'i1', item: effect.item, now, outcome });
  };

  it('counts what other runs cost that day, and what agents at work may cost', () => {
    expect([0, 1, 1.5, 2, 3].map((others) => starts(begun(day(3, others)), noon))).toEqual([3, 2, 1, 1, 0]);
  });

  it('begins anew at midnight by the clock on the wall', () => {
    const late = Date.parse('2026-11-20T22:30:00Z');
    const state = oneAt(begun(day(2, 0)), late, 1.5);
    expect([starts(state, late), starts(state, Date.parse('2026-11-20T22:59:59Z'))]).toEqual([0, 0]);
    expect(starts(state, Date.parse('2026-11-20T23:00:00Z'))).toBe(2);
    const left = (now: number) => leftOf(state, now).day;
    expect([left(late), left(Date.parse('2026-11-20T23:00:00Z'))]).toEqual([500_000, 2_000_000]);
  });

  it('pauses until then', () => {
    const state = begun(day(3, 2.5));
    const open = state.items.get('1C') ?? fail();
    expect(heldBy(state, open, noon)).toBe('day');
    expect(standingOf(state, at(noon))).toEqual({
      is: 'paused',
      exit: 75,
      why: 'the budget of $3.00 a day does not hold another agent: $2.50 is spent today',
      until: Date.parse('2026-11-20T23:00:00Z'),
    });
  });
});

describe('a budget of tokens', () => {
  it('is put aside as money is, and pauses the run', () => {
    const state = begun({ budget: { tokens: 1000 } });
    const effects = decide(state, inputs).flatMap((effect) => (effect.do === 'work' ? [effect] : []));
    expect(
      effects.map(({ reserveTokens, reserveUsd, capUsd }) => [reserveTokens, reserveUsd, capUsd]),
    ).toEqual(Array(3).fill([50, undefined, undefined]));
    const { state: running, id, effect } = start(state);
    expect(leftOf(running, NOW).tokens).toBe(950);
    const after = reduce(running, {
      type: 'work.ended',
      id,
      item: effect.item,
      now: NOW,
      outcome: {
        agent: { kind: 'unstartable', message: 'x' },
        costUsd: 0,
        logBytes: 0,
        tokens: { input: 500, cached: 400, output: 100 },
      },
    });
    // 1.5 times as much as the one before is 900, and 400 are left.
    expect(leftOf(after, NOW).tokens).toBe(400);
    expect(standingOf(after, inputs)).toMatchObject({
      is: 'paused',
      exit: 1,
      why: 'the budget of 1000 tokens does not hold another agent: 600 are used',
    });
  });
});

describe('what an agent may cost', () => {
  it('is its reservation and its share of what nobody else would need', () => {
    const caps = (usd: number, ids: string[], jobs = 4) =>
      decide(begun({ budget: { usd }, jobs }, ids), { now: NOW, capacity: jobs }).map((effect) =>
        effect.do === 'work' ? effect.capUsd : undefined,
      );
    expect(caps(10, ['1A'])).toEqual([10]);
    expect(caps(10, ['1A', '1B'])).toEqual([5, 5]);
    expect(caps(10, ['1A', '1B', '1C', '1D', '1E'])).toEqual([2.5, 2.5, 2.5, 2.5]);
  });

  it('goes with what its conversation has cost so far, since its CLI counts from there', () => {
    const { state, id } = start(begun({ budget: { usd: 10 } }, ['1A']));
    const capped = reduce(state, {
      type: 'work.ended',
      id,
      item: '1A',
      now: NOW,
      outcome: { agent: { kind: 'capped', message: 'x' }, costUsd: 4, logBytes: 0, session: 'S' },
    });
    expect(start(capped).effect).toMatchObject({
      attempt: 1,
      session: 'S',
      sessionUsd: 4,
      reserveUsd: 6,
      capUsd: 6,
      brief: { because: 'resumed' },
    });
    // It did nothing at all: it would do so over and over.
    const idle = reduce(state, {
      type: 'work.ended',
      id,
      item: '1A',
      now: NOW,
      outcome: { agent: { kind: 'capped', message: 'x' }, costUsd: 0, logBytes: 0 },
    });
    expect(idle.items.get('1A')?.phase.is).toBe('failed');
  });
});

const fail = (): never => {
  throw new Error('it is not there');
};

describe('a deadline', () => {
  it('starts no agent from then on, and lets what needs none go on', () => {
    const state = begun({ deadline: NOW });
    expect(decide(state, { ...inputs, now: NOW - 1 })).toHaveLength(3);
    expect(decide(state, inputs)).toEqual([]);
    const running = reduce(state, {
      type: 'work.started',
      id: 'i1',
      effect: decide(state, { ...inputs, now: NOW - 1 })[0] as WorkEffect,
      inputs: { ...inputs, now: NOW - 1 },
    });
    expect(decide(end(running, 'i1', 0), inputs).map((effect) => `${effect.item} ${effect.do}`)).toEqual([
      '1A candidate',
    ]);
    expect(standingOf(state, inputs)).toEqual({ is: 'paused', exit: 75, why: 'the deadline has come' });
  });

  it('is not waited for where nothing could start before it', () => {
    const limited: AgentOutcome = { kind: 'limited', resetAt: NOW + 5000, message: 'limit' };
    const ended = (deadline: number): RunState => {
      const { state, id } = start(begun({ deadline }, ['1A']));
      return end(state, id, 0, limited);
    };
    expect(standingOf(ended(NOW + 5001), inputs)).toEqual({ is: 'waiting', until: NOW + 5000 });
    expect(standingOf(ended(NOW + 5000), inputs)).toEqual({
      is: 'paused',
      exit: 75,
      why: 'the deadline has come',
    });
  });
});

describe('of several exit codes at once, 5 > 1 > 3 > 75', () => {
  const limited: AgentOutcome = { kind: 'limited', resetAt: NOW + 5000, message: 'limit' };
  const crashed: AgentOutcome = { kind: 'crashed', message: 'exit 9', exit: 9 };
  const asks = (state: RunState, id: string): RunState => {
    const item = state.items.get(id) ?? fail();
    return {
      ...state,
      items: new Map(state.items).set(id, { ...item, phase: { is: 'asks', message: 'why' } }),
    };
  };
  /** 1A and 1B at these ends, 1C limited and not waited for. */
  function ended(first: AgentOutcome, second: 'asks' | AgentOutcome): RunState {
    const one = start(begun({ wait: false }));
    const two = start(one.state);
    const three = start(two.state);
    const most = end(end(three.state, one.id, 0, first), three.id, 0, limited);
    return second === 'asks' ? asks(end(most, two.id, 0, limited), '1B') : end(most, two.id, 0, second);
  }
  it.each([
    ['limited', ended(limited, limited), 75],
    ['asks and limited', ended(limited, 'asks'), 3],
    ['failed and limited', ended(crashed, limited), 1],
    ['failed, asks and limited', ended(crashed, 'asks'), 1],
  ])('%s', (_name, state, exit) => {
    expect(standingOf(state, inputs)).toEqual({
      is: 'paused',
      exit,
      why: expect.stringMatching(/^agent 1[ABC] is limited$/),
      until: NOW + 5000,
    });
  });

  it('a target that fails its own checks counts before all', () => {
    const state = asks(begun({}, ['base', '1A']), '1A');
    const base = state.items.get('base') ?? fail();
    const red: RunState = {
      ...state,
      items: new Map(state.items).set('base', { ...base, phase: { is: 'failed', message: 'red' } }),
    };
    expect(standingOf(red, inputs)).toMatchObject({ is: 'ended', exit: 5 });
  });
});

describe('a retry that goes on with what is there', () => {
  const work = { commit: 'w1', tree: 't1', base: 'h0' };
  const failed = (over: Parameters<typeof planItem>[1] = {}): RunState => {
    const state = begun({}, []);
    const item = planItem('1A', { reviewer: 'reviewer', ...over });
    const withItem = reduce(state, {
      type: 'run.continued',
      head: 'h0',
      items: [item],
      settings: state.settings,
      shadow: false,
    });
    const { state: running, id } = start(withItem);
    return end(running, id, 1, { kind: 'unstartable', message: 'no such program' });
  };
  const due = (state: RunState): unknown[] =>
    decide(state, inputs).map((effect) => ({ ...effect, brief: undefined, slot: undefined }));

  it('begins with the checks, as a new attempt with nothing held against it', () => {
    const state = reduce(failed(), {
      type: 'items.reset',
      items: ['1A'],
      from: 'check',
      works: { '1A': work },
    });
    expect(due(state)).toEqual([
      expect.objectContaining({ do: 'check', item: '1A', attempt: 2, commit: 'w1', of: 'work', round: 0 }),
    ]);
    const item = state.items.get('1A') ?? fail();
    expect({ ...item, item: undefined }).toMatchObject({ attempt: 2, forgotten: 1, costUsd: 0, work });
  });

  it('begins with the review, or with the merge where nothing else is to be asked', () => {
    const reset: Event = { type: 'items.reset', items: ['1A'], from: 'review', works: { '1A': work } };
    expect(due(reduce(failed(), reset))).toEqual([
      expect.objectContaining({
        do: 'work',
        purpose: 'review',
        attempt: 2,
        assignment: 1,
        from: 'w1',
        base: 'h0',
      }),
    ]);
    const check: Event = { ...reset, from: 'check' };
    expect(due(reduce(failed({ checks: [] }), check))).toEqual([
      expect.objectContaining({ do: 'work', purpose: 'review' }),
    ]);
    expect(due(reduce(failed({ checks: [], reviewer: false }), check))).toEqual([
      expect.objectContaining({ do: 'candidate', commit: 'w1' }),
    ]);
  });

  it('without it all begins anew, as journals of before have it', () => {
    expect(due(reduce(failed(), { type: 'items.reset', items: ['1A'] }))).toEqual([
      expect.objectContaining({ do: 'work', purpose: 'implement', attempt: 2, from: 'head' }),
    ]);
  });
});
