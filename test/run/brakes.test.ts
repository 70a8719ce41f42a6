/**
 * That nothing is worked at for ever, whatever its agents do and by whatever path it is gone on with: each way
 * of never getting anywhere, with crashes, retakes and new runs in between at every step.
 */
import { describe, expect, it } from 'vitest';
import type { Effect, WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { AgentOutcome, CheckOutcome, WorkOutcome } from '../../src/model/outcome.js';
import type { RunState } from '../../src/model/state.js';
import { MOST_FRUITLESS, mostStarts } from '../../src/run/brakes.js';
import { decide } from '../../src/run/decide.js';
import { historyOf } from '../../src/run/history.js';
import { emptyRun, reduce, replay } from '../../src/run/index.js';
import { standingOf } from '../../src/run/questions.js';
import { planItem, seeded } from '../rig/world.js';

const ITEM = planItem('1A');
const SETTINGS: RunSettings = { jobs: 1, failFast: false, wait: true, backoffMs: 1000, folder: '', argv: [] };

/** What the nth assignment ends with; a tree that is not said is the same as ever. */
interface Agent {
  readonly work: (effect: WorkEffect, n: number) => Partial<WorkOutcome> & { readonly tree?: string };
  readonly check?: (n: number) => boolean;
}

const done = { kind: 'finished' } as const;
const always = (agent: AgentOutcome): Agent => ({ work: () => ({ agent }) });
const finding = (problem: string) => ({ id: 'F1', severity: 'major' as const, problem });
const refuses =
  (problem: (n: number) => string): Agent['work'] =>
  (effect, n) => ({
    agent: done,
    ...(effect.purpose === 'review'
      ? { judgement: { kind: 'refused' as const, findings: [finding(problem(n))], unmet: [] } }
      : {}),
  });

const HOPELESS: Readonly<Record<string, Agent>> = {
  crashes: always({ kind: 'crashed', message: 'exit 1' }),
  'falls silent': always({ kind: 'stuck', silentMs: 1 }),
  'goes in circles': always({ kind: 'stuck', repeated: { call: 'Bash', times: 20 } }),
  'runs out of time': always({ kind: 'timed-out', afterMs: 1 }),
  'fills its context': always({ kind: 'context-exceeded', message: 'long' }),
  'is capped at once': always({ kind: 'capped', message: 'cap' }),
  'goes down with the machine': always({ kind: 'interrupted', message: 'power' }),
  'finds no folder': always({ kind: 'unprepared', message: 'setup' }),
  'is limited until a time gone by': always({ kind: 'limited', resetAt: 1, message: 'limit' }),
  'is limited, nobody knows until when': always({ kind: 'limited', message: 'limit' }),
  'finds no room': always({ kind: 'overloaded', message: '529' }),
  'is refused': always({ kind: 'unauthorized', message: 'key' }),
  'has no credit': always({ kind: 'out-of-credit', message: 'pay' }),
  'is told to end': always({ kind: 'cancelled' }),
  declines: always({ kind: 'declined', message: 'no' }),
  'changes nothing': { work: refuses(() => 'nothing is done'), check: () => true },
  'never passes, with the same files': {
    work: () => ({ agent: done, tree: 'same' }),
    check: () => false,
  },
  'never passes, with other files each time': {
    work: (_effect, n) => ({ agent: done, tree: `t${n}` }),
    check: () => false,
  },
  'is refused in other words each time': {
    work: (effect, n) => ({ ...refuses((at) => `problem ${at}`)(effect, n), tree: `t${n}` }),
    check: () => true,
  },
  'is reviewed in riddles': {
    work: ({ purpose }) => ({
      agent: done,
      ...(purpose === 'review' ? { judgement: { kind: 'unreadable' as const, why: 'prose' } } : {}),
    }),
    check: () => true,
  },
  'crashes with other files each time': {
    work: (_effect, n) => ({ agent: { kind: 'crashed', message: 'exit 1' }, tree: `t${n}` }),
  },
  'is limited with other files each time': {
    work: (_effect, n) => ({ agent: { kind: 'limited', resetAt: 1, message: 'limit' }, tree: `t${n % 2}` }),
  },
  'is told to end with other files each time': {
    work: (_effect, n) => ({ agent: { kind: 'cancelled' }, tree: `t${n}` }),
  },
  'crashes after each success': {
    work: (_effect, n) => ({
      agent: n % 2 === 0 ? done : { kind: 'crashed', message: 'x' },
      tree: `t${n % 3}`,
    }),
    check: () => false,
  },
};

/** How it is gone on with after each ending. */
type Path = (state: RunState, journal: Event[], n: number) => RunState;

const continued = (state: RunState): Event => ({
  type: 'run.continued',
  head: state.head,
  items: [ITEM],
  settings: state.settings,
  shadow: false,
});

const begun = (state: RunState | undefined, earlier: readonly RunState[]): Event => ({
  type: 'run.started',
  target: 'main',
  head: 'h0',
  items: [ITEM],
  settings: SETTINGS,
  history: state === undefined ? [] : historyOf([...earlier, state]).history,
  passed: [],
  shadow: false,
});

const retaken: Path = (state, journal) => {
  const event = continued(state);
  journal.push(event);
  return reduce(state, event);
};
const anew: Path = (state, journal) => {
  const event = begun(state, []);
  journal.splice(0, journal.length, event);
  return reduce(emptyRun('R'), event);
};
const PATHS: Readonly<Record<string, Path>> = {
  'straight on': (state) => state,
  'mstone killed after each ending': (_state, journal) => replay(emptyRun('R'), journal),
  'taken up after each ending': retaken,
  'a new run after each ending': anew,
  'now this, now that': (state, journal, n) => (n % 3 === 0 ? anew : retaken)(state, journal, n),
};

/** Plays one milestone until it is given up or has landed; a person takes a pause up again at once. */
function play(agent: Agent, path: Path): { phase: string; starts: number; worst: number } {
  const journal: Event[] = [begun(undefined, [])];
  let state = replay(emptyRun('R'), journal);
  let now = 1_000_000;
  let starts = 0;
  /** Starts in a row between which nothing about the item has changed, and the most of them. */
  let row = 0;
  let worst = 0;
  let tree = '';
  for (let turn = 0; turn < 5000; turn += 1) {
    const item = state.items.get('1A');
    if (item === undefined) throw new Error('it is gone');
    const { phase } = item;
    if (phase.is === 'failed' || phase.is === 'asks' || phase.is === 'landed') {
      return { phase: phase.is, starts, worst };
    }
    const [effect] = decide(state, { now, capacity: 1 });
    if (effect === undefined) {
      const standing = standingOf(state, { now, capacity: 1 });
      if (standing.is === 'waiting') now = standing.until;
      else state = retaken(state, journal, turn);
      continue;
    }
    const id = `i${state.nextIntent}`;
    const inputs = { now, capacity: 1 };
    const tell = (event: Event): void => {
      journal.push(event);
      state = reduce(state, event);
    };
    tell({ type: `${effect.do}.started`, id, effect, inputs } as Event);
    // Killed with the intent on disk, and given again.
    state = path === PATHS['straight on'] ? state : replay(emptyRun('R'), journal);
    now += 60_000;
    if (effect.do === 'work') {
      const { tree: left = 't', ...outcome } = agent.work(effect, starts);
      starts += 1;
      const ended: WorkOutcome = {
        agent: done,
        costUsd: 0,
        logBytes: 0,
        session: effect.session ?? `s${starts}`,
        ...(effect.purpose === 'review'
          ? {}
          : {
              harvest: {
                commit: `w-${left}`,
                tree: left,
                base: 'h0',
                changed: left !== 't',
                told: [],
                markers: [],
              },
            }),
        ...outcome,
      };
      row = ended.agent.kind === 'finished' || (effect.purpose !== 'review' && left !== tree) ? 0 : row + 1;
      if (effect.purpose !== 'review') tree = left;
      worst = Math.max(worst, row);
      tell({ type: 'work.ended', id, item: '1A', now, outcome: ended });
    } else {
      tell({ type: `${effect.do}.ended`, id, item: '1A', now, outcome: other(effect, agent, turn) } as Event);
    }
    state = path(state, journal, turn);
  }
  throw new Error(`no end after ${starts} starts`);
}

function other(effect: Effect, agent: Agent, n: number): unknown {
  if (effect.do === 'check') {
    const passes = agent.check?.(n) ?? true;
    const kind = passes ? 'passed' : 'failed';
    const results = [{ command: 'npm test', kind, exit: passes ? 0 : 1, ms: 1, tail: '' }] as const;
    const tree = String(effect.commit).replace(/^w-/, '');
    return { kind, commit: String(effect.commit), tree, results } satisfies CheckOutcome;
  }
  throw new Error(`${effect.do}: a hopeless milestone does not get this far`);
}

describe('a milestone that gets nowhere', () => {
  const most = mostStarts(ITEM);
  const cases = Object.keys(HOPELESS).flatMap((agent) =>
    Object.keys(PATHS).map((path) => [agent, path] as const),
  );
  it.each(cases)('because its agent %s: is given up, %s', (name, way) => {
    const agent = HOPELESS[name];
    const path = PATHS[way];
    if (agent === undefined || path === undefined) throw new Error('no such case');
    const { phase, starts, worst } = play(agent, path);
    expect(['failed', 'asks']).toContain(phase);
    expect(worst).toBeLessThanOrEqual(MOST_FRUITLESS);
    expect(starts).toBeLessThanOrEqual(most + MOST_FRUITLESS);
  });

  it('is given up the sooner the more is known, and on no path much later than on the straight one', () => {
    const starts = (agent: string): Record<string, number> =>
      Object.fromEntries(
        Object.entries(PATHS).map(([name, path]) => [
          name,
          play(HOPELESS[agent] ?? always(done), path).starts,
        ]),
      );
    expect(starts('crashes')).toEqual({
      'straight on': 6,
      'mstone killed after each ending': 6,
      'taken up after each ending': 6,
      'a new run after each ending': 3,
      'now this, now that': 3,
    });
    // The same files and the same failing check, twice: the author and one remediation.
    expect(starts('never passes, with the same files')).toMatchObject({
      'straight on': 2,
      'mstone killed after each ending': 2,
      'taken up after each ending': 2,
    });
  });

  it('in a thousand random ways of getting nowhere, on random paths, is given up within the same bounds', () => {
    const ends: readonly AgentOutcome[] = Object.values(HOPELESS).flatMap((agent) => {
      const { agent: end } = agent.work({ purpose: 'implement' } as WorkEffect, 1);
      return end === undefined || end.kind === 'finished' || end.kind === 'declined' ? [] : [end];
    });
    const paths = Object.values(PATHS);
    const seen = { most: 0, asks: 0, failed: 0 };
    for (let seed = 1; seed <= 1000; seed += 1) {
      const random = seeded(seed * 7907);
      const some = ends.filter(() => random() < 0.5);
      const trees = 1 + Math.floor(random() * 6);
      const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
      const agent: Agent = {
        work: () => ({
          agent: (random() < 0.9 ? pick(some) : undefined) ?? done,
          tree: `t${Math.floor(random() * trees)}`,
        }),
        check: () => false,
      };
      const path: Path = (state, journal, n) => (pick(paths) ?? retaken)(state, journal, n);
      const { phase, starts, worst } = play(agent, path);
      expect(['failed', 'asks'], `seed ${seed}`).toContain(phase);
      expect(worst, `seed ${seed}`).toBeLessThanOrEqual(MOST_FRUITLESS);
      seen.most = Math.max(seen.most, starts);
      seen[phase as 'asks' | 'failed'] += 1;
    }
    expect(seen.asks).toBeGreaterThan(50);
    expect(seen.failed).toBeGreaterThan(50);
  });
});

describe('a retry, and another text', () => {
  it('lift the brakes, and nothing else does', () => {
    const crash = { agent: { kind: 'crashed', message: 'x' } } as const;
    let state = reduce(emptyRun('R'), begun(undefined, []));
    const start = (): void => {
      const [effect] = decide(state, { now: 1e9, capacity: 1 });
      if (effect?.do !== 'work') throw new Error('nothing to start');
      const id = `i${state.nextIntent}`;
      const inputs = { now: 1e9, capacity: 1 };
      state = reduce(state, { type: 'work.started', id, effect, inputs });
      const outcome = { ...crash, costUsd: 0, logBytes: 0, session: 's' };
      state = reduce(state, { type: 'work.ended', id, item: '1A', now: 1, outcome });
    };
    start();
    const worn = state.items.get('1A')?.brakes;
    expect(worn).toMatchObject({ starts: 1, fruitless: 1, ladder: [{ next: 'continue' }] });
    expect(reduce(state, continued(state)).items.get('1A')?.brakes).toEqual(worn);
    expect(reduce(emptyRun('S'), begun(state, [])).items.get('1A')?.brakes).toEqual(worn);
    const none = { ladder: [], fingerprints: [], interruptions: 0, starts: 0, fruitless: 0 };
    expect(reduce(state, { type: 'items.reset', items: ['1A'] }).items.get('1A')?.brakes).toEqual(none);
    const edited = { ...continued(state), items: [{ ...ITEM, digest: 'v1:other' }] } as Event;
    expect(reduce(state, edited).items.get('1A')?.brakes).toEqual(none);
  });
});

describe('a journal of an mstone that went on where this one gives up', () => {
  it('is believed: what it started is under way', () => {
    const journal: Event[] = [begun(undefined, [])];
    let state = replay(emptyRun('R'), journal);
    const [effect] = decide(state, { now: 1, capacity: 1 });
    if (effect?.do !== 'work') throw new Error('nothing to start');
    for (let n = 1; n <= MOST_FRUITLESS + 5; n += 1) {
      const again: WorkEffect = { ...effect, assignment: n, brief: { ...effect.brief, because: 'resumed' } };
      const inputs = { now: n, capacity: 1 };
      const agent: AgentOutcome = { kind: 'cancelled' };
      const outcome = { agent, costUsd: 0, logBytes: 0 };
      journal.push({ type: 'work.started', id: `i${n}`, effect: n === 1 ? effect : again, inputs });
      journal.push({ type: 'work.ended', id: `i${n}`, item: '1A', now: n, outcome });
    }
    state = replay(emptyRun('R'), journal.slice(0, -1));
    expect(state.items.get('1A')?.phase).toMatchObject({ is: 'doing', step: { is: 'implement' } });
    expect(replay(emptyRun('R'), journal).items.get('1A')?.phase).toMatchObject({ is: 'asks' });
  });
});
