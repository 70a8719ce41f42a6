import { describe, expect, it } from 'vitest';
import type { Effect } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';
import type { CheckResult } from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { greenOn } from '../../src/run/verdicts.js';
import { planItem } from '../rig/world.js';

const settings = { jobs: 2, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };

/** One item's way, told ending by ending; each intent is what was decided. */
class Way {
  state: RunState;
  private readonly item: string;

  constructor(items: readonly PlanItem[], over: Partial<Extract<Event, { type: 'run.started' }>> = {}) {
    this.item = items[0]?.id ?? '';
    this.state = reduce(emptyRun('R'), {
      type: 'run.started',
      target: 'main',
      head: 'h0',
      items,
      settings,
      history: [],
      passed: [],
      shadow: false,
      ...over,
    });
  }

  get due(): Effect | undefined {
    return decide(this.state, { now: 0, capacity: 2 })[0];
  }

  private end(outcome: (effect: Effect) => unknown): this {
    const effect = this.due;
    if (effect === undefined) throw new Error('nothing is due');
    const id = `i${this.state.nextIntent}`;
    this.state = reduce(this.state, {
      type: `${effect.do}.started`,
      id,
      effect,
      inputs: { now: 0, capacity: 2 },
    } as Event);
    const ended = { type: `${effect.do}.ended`, id, item: this.item, now: 1, outcome: outcome(effect) };
    this.state = reduce(this.state, ended as Event);
    return this;
  }

  author(commit: string, tree: string): this {
    const harvest = { commit, tree, base: 'h0', changed: true, told: [], markers: [] };
    return this.end(() => ({ agent: { kind: 'finished' }, costUsd: 0, logBytes: 0, harvest }));
  }

  candidate(commit: string, tree: string): this {
    return this.end((effect) => ({
      kind: 'built',
      candidate: { commit, tree, base: 'h0', work: 'commit' in effect ? effect.commit : '' },
    }));
  }

  check(tree: string, ...results: Partial<CheckResult>[]): this {
    return this.end((effect) => ({
      kind: results.every(({ kind }) => kind === undefined || kind === 'passed') ? 'passed' : 'failed',
      commit: effect.do === 'check' && effect.commit !== 'head' ? effect.commit : 'h0',
      tree,
      results: results.map((one) => ({ command: 'npm test', kind: 'passed', ms: 1, tail: '', ...one })),
    }));
  }

  /** What it needs next, and what of it is being looked at again. */
  get next(): unknown {
    const { due } = this;
    if (due?.do === 'check') return [due.of, due.again ?? false];
    return due?.do === 'work' ? [due.purpose, due.brief.because] : due?.do;
  }

  get flakes(): unknown {
    return this.state.items.get(this.item)?.flakes;
  }
}

const green: Partial<CheckResult> = { kind: 'passed', exit: 0 };
const red: Partial<CheckResult> = { kind: 'failed', exit: 1, tests: { ran: 3, failed: ['adds'] } };
const known = { tree: 't0', green: { 'npm test': 3 } };

const base = planItem('base', { kind: 'base', reviewer: false, rounds: 0 });
const solo = planItem('1A', { reviewer: false });

describe('a failed check', () => {
  it('of a merge whose parts both passed runs once more on the same tree, and is a flake where it then passes', () => {
    const way = new Way([solo], { known }).author('w1', 't1').check('t1', green).candidate('c1', 't2');
    expect(way.check('t2', red).next).toEqual(['candidate', true]);
    expect(way.check('t2', green).next).toBe('land');
    expect(way.flakes).toEqual([{ of: 'candidate', command: 'npm test', tests: ['adds'] }]);
    // Nobody was asked to mend anything.
    expect(way.state.items.get('1A')).toMatchObject({ round: 0, brakes: { fingerprints: [] } });
  });

  it('goes to the author where it fails twice', () => {
    const way = new Way([solo], { known }).author('w1', 't1').check('t1', green).candidate('c1', 't2');
    way.check('t2', red).check('t2', red);
    expect(way.next).toEqual(['remediate', 'candidate']);
    expect(way.flakes).toBeUndefined();
  });

  it('of work that has not passed yet, or of a merge with a head that nobody has checked, is believed', () => {
    expect(new Way([solo], { known }).author('w1', 't1').check('t1', red).next).toEqual([
      'remediate',
      'checks',
    ]);
    const way = new Way([solo]).author('w1', 't1').check('t1', green).candidate('c1', 't2');
    expect(way.check('t2', red).next).toEqual(['remediate', 'candidate']);
  });

  it('of a target that has passed before runs once more before the run is given up', () => {
    const once = new Way([base], { known }).check('t0', red);
    expect(once.next).toEqual(['base', true]);
    expect(once.check('t0', green).state.items.get('base')?.phase.is).toBe('passed');
    const twice = new Way([base], { known }).check('t0', red).check('t0', red);
    expect(twice.state.items.get('base')?.phase.is).toBe('failed');
  });

  it('is unexpected command by command', () => {
    const two = planItem('1A', { reviewer: false, checks: ['npm test', 'npm run lint'] });
    const way = new Way([two], { known }).author('w1', 't1');
    way.check('t1', green, { ...green, command: 'npm run lint' }).candidate('c1', 't2');
    // Of the head it is known that `npm test` passes, not that the linter does.
    way.check('t2', green, { ...red, command: 'npm run lint' });
    expect(way.next).toEqual(['remediate', 'candidate']);
  });
});

it('what commands ran on a tree is known to the next run', () => {
  const way = new Way([solo]).author('w1', 't1').check('t1', { ...green, tests: { ran: 7, failed: [] } });
  expect(greenOn([way.state], 't1')).toEqual({ 'npm test': 7 });
  expect(greenOn([way.state], 't2')).toEqual({});
});
