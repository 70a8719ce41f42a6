/** The ladder that is climbed when assignments break off: what comes after what, and what is told on the way. */
import { describe, expect, it } from 'vitest';
import type { Brakes } from '../../src/model/brakes.js';
import type { WorkEffect } from '../../src/model/effect.js';
import type { AgentOutcome, Setback } from '../../src/model/outcome.js';
import type { RunState, Step } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { nextRung } from '../../src/run/ladder.js';
import { planItem } from '../rig/world.js';

const silent: Setback = { kind: 'stuck', silentMs: 600_000 };
const circles: Setback = { kind: 'stuck', repeated: { call: 'Bash npm test', times: 20 } };
const late: Setback = { kind: 'timed-out', afterMs: 2_700_000 };
const full: Setback = { kind: 'context-exceeded', message: 'Prompt is too long' };
const crash: Setback = { kind: 'crashed', message: 'exit 1' };

const STEPS: Readonly<Record<string, Step>> = {
  implement: { is: 'implement', because: 'first' },
  review: { is: 'review', commit: 'w1' },
  remediate: { is: 'remediate', because: 'checks' },
};

const NOTHING: Brakes = { ladder: [], fingerprints: [], interruptions: 0, starts: 0, fruitless: 0 };

/** What is done about each setback in turn, until it is over; a fresh conversation has another session. */
function climb(step: string, setbacks: readonly Setback[], { talks = true, retries = 1 } = {}): string[] {
  const taken: { setback: Setback; next: 'continue' | 'fresh' | 'over' }[] = [];
  for (const setback of setbacks) {
    const item = planItem('1A', { retries });
    const session = talks ? { session: { agent: 'author', id: 's', costUsd: 0 } } : {};
    const agent = step === 'review' ? 'reviewer' : 'author';
    const then = nextRung(
      { item, brakes: { ...NOTHING, ladder: taken }, ...session },
      { step: STEPS[step] ?? { is: 'implement', because: 'first' }, agent, setback },
    );
    taken.push({ setback, next: then });
    if (then === 'over') break;
  }
  return taken.map((rung) => rung.next);
}

describe('the ladder', () => {
  it.each([
    [
      'silence, circles, lost time and crashes climb the same one',
      'implement',
      [silent, circles, late],
      {},
      ['continue', 'fresh', 'over'],
    ],
    [
      'retries make an implementer no more patient within an attempt',
      'implement',
      [crash, crash, crash],
      { retries: 9 },
      ['continue', 'fresh', 'over'],
    ],
    ['nor less', 'implement', [crash, crash, crash], { retries: 0 }, ['continue', 'fresh', 'over']],
    [
      'without a conversation there is nothing to go on with',
      'implement',
      [crash],
      { talks: false },
      ['over'],
    ],
    [
      'a full one is begun anew at once, and the fresh one goes on once',
      'implement',
      [full, crash, crash],
      {},
      ['fresh', 'continue', 'over'],
    ],
    ['a fresh one that is full as well does not help', 'implement', [full, full], {}, ['fresh', 'over']],
    [
      'after a crash it may be full once',
      'implement',
      [crash, full, crash],
      {},
      ['continue', 'fresh', 'over'],
    ],
    [
      'a remediator climbs it as well',
      'remediate',
      [silent, silent, silent],
      {},
      ['continue', 'fresh', 'over'],
    ],
    [
      'and is tried again as often as it may',
      'remediate',
      [crash, crash, crash, crash],
      { retries: 3 },
      ['continue', 'fresh', 'fresh', 'over'],
    ],
    [
      'without a conversation: retries',
      'remediate',
      [crash, crash, crash],
      { talks: false, retries: 2 },
      ['fresh', 'fresh', 'over'],
    ],
    ['a reviewer has none of its own', 'review', [silent, silent], {}, ['fresh', 'over']],
  ] as const)('%s', (_name, step, setbacks, given, expected) => {
    expect(climb(step, setbacks, given)).toEqual(expected);
  });
});

const NOW = 1_000_000;

/** A run of one milestone whose implementer ends as it is told to, each time an hour later. */
function lived(ends: readonly AgentOutcome[], retries = 1): { state: RunState; starts: WorkEffect[] } {
  let state = reduce(emptyRun('R'), {
    type: 'run.started',
    target: 'main',
    head: 'h0',
    items: [planItem('1A', { checks: [], reviewer: false, retries })],
    settings: { jobs: 1, failFast: false, wait: true, backoffMs: 1000, folder: '', argv: [] },
    history: [],
    passed: [],
    shadow: false,
  });
  const starts: WorkEffect[] = [];
  for (const [index, agent] of ends.entries()) {
    const inputs = { now: NOW + index * 3_600_000, capacity: 1 };
    const effect = decide(state, inputs)[0];
    if (effect?.do !== 'work') break;
    starts.push(effect);
    const id = `i${state.nextIntent}`;
    state = reduce(state, { type: 'work.started', id, effect, inputs });
    const n = starts.length;
    const harvest = { commit: `w${n}`, tree: `t${n}`, base: 'h0', changed: true, told: [], markers: [] };
    const session = effect.session ?? `s${n}`;
    const outcome = { agent, costUsd: 0, logBytes: 0, session, harvest };
    state = reduce(state, { type: 'work.ended', id, item: '1A', now: inputs.now, outcome });
  }
  return { state, starts };
}

describe('on the ladder', () => {
  it('each is told what was seen, goes on from the work so far, and a new attempt begins on the head', () => {
    const { state, starts } = lived([silent, circles, late, crash, silent, silent]);
    expect(
      starts.map(
        ({ attempt, assignment, from, session = 'new', brief: { because, setbacks = [], left } }) => ({
          which: `${attempt}.${assignment} from ${from}, ${session}, ${because}`,
          setbacks,
          ...(left === undefined ? {} : { left }),
        }),
      ),
    ).toEqual([
      { which: '1.1 from head, new, first', setbacks: [] },
      { which: '1.2 from w1, s1, resumed', setbacks: [silent] },
      { which: '1.3 from w2, new, resumed', setbacks: [silent, circles] },
      { which: '2.1 from head, new, again', setbacks: [silent, circles, late], left: 'w3' },
      { which: '2.2 from w4, s4, resumed', setbacks: [crash] },
      { which: '2.3 from w5, new, resumed', setbacks: [crash, silent] },
    ]);
    expect(state.items.get('1A')?.phase).toEqual({
      is: 'failed',
      message: 'author fell silent (attempt 2 of 2)',
    });
  });

  it('who finishes leaves it, and what waits does not climb', () => {
    const limited: AgentOutcome = { kind: 'limited', resetAt: NOW, message: 'limit' };
    const { state, starts } = lived([silent, limited, circles, { kind: 'finished' }]);
    expect(starts.map(({ session = 'new' }) => session)).toEqual(['new', 's1', 's1', 'new']);
    expect(state.items.get('1A')).toMatchObject({
      brakes: { ladder: [] },
      attempt: 1,
      phase: { step: { is: 'candidate' } },
    });
  });

  it('says what it went round in', () => {
    expect(lived([circles, circles, circles], 0).state.items.get('1A')?.phase).toEqual({
      is: 'failed',
      message: 'author went round in circles: Bash npm test, 20 times (attempt 1 of 1)',
    });
  });
});
