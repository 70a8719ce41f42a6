import { describe, expect, it } from 'vitest';
import type { Fact } from '../../src/model/change.js';
import type { Effect } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import type { Judgement } from '../../src/model/verdict.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { planItem } from '../rig/world.js';

const settings = { jobs: 2, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };

/** The way of milestone 1A, told ending by ending. */
class Way {
  state: RunState;

  constructor(over: Partial<PlanItem> = {}, known?: Extract<Event, { type: 'run.started' }>['known']) {
    this.state = reduce(emptyRun('R'), {
      type: 'run.started',
      target: 'main',
      head: 'h0',
      items: [planItem('1A', over)],
      settings,
      history: [],
      passed: [],
      shadow: false,
      ...(known === undefined ? {} : { known }),
    });
  }

  get due(): Effect | undefined {
    return decide(this.state, { now: 0, capacity: 2 })[0];
  }

  private end(outcome: (effect: Effect) => unknown): this {
    const effect = this.due;
    if (effect === undefined) throw new Error('nothing is due');
    const id = `i${this.state.nextIntent}`;
    const inputs = { now: 0, capacity: 2 };
    this.state = reduce(this.state, { type: `${effect.do}.started`, id, effect, inputs } as Event);
    const outcomeOf = outcome(effect);
    this.state = reduce(this.state, {
      type: `${effect.do}.ended`,
      id,
      item: '1A',
      now: 1,
      outcome: outcomeOf,
    } as Event);
    return this;
  }

  author(n: number, ...facts: Fact[]): this {
    const work = { commit: `w${n}`, tree: `t${n}`, base: 'h0' };
    const harvest = {
      ...work,
      changed: true,
      told: [],
      markers: [],
      ...(facts.length === 0 ? {} : { facts }),
    };
    return this.end(() => ({ agent: { kind: 'finished' }, costUsd: 0, logBytes: 0, harvest }));
  }

  check(ran?: number): this {
    return this.end((effect) => ({
      kind: 'passed',
      commit: effect.do === 'check' ? effect.commit : '',
      tree:
        effect.do === 'check' && effect.of === 'candidate'
          ? 'tc'
          : `t${this.state.items.get('1A')?.work?.tree.slice(1)}`,
      results: [
        {
          command: 'npm test',
          kind: 'passed',
          exit: 0,
          ms: 1,
          tail: '',
          ...(ran === undefined ? {} : { tests: { ran, failed: [] } }),
        },
      ],
    }));
  }

  review(judgement: Judgement): this {
    return this.end(() => ({ agent: { kind: 'finished' }, costUsd: 0, logBytes: 0, judgement }));
  }

  candidate(): this {
    const candidate = { commit: 'c1', tree: 'tc', base: 'h0', work: 'w1' };
    return this.end(() => ({ kind: 'built', candidate }));
  }

  /** What comes next, and what is held against the work. */
  get next(): unknown {
    const { due } = this;
    if (due?.do !== 'work') return due?.do ?? this.state.items.get('1A')?.phase;
    const { because, findings, facts } = due.brief;
    return [
      due.purpose,
      because,
      ...findings.map(({ id }) => id),
      ...(facts ?? []).map(({ id }) => `?${id}`),
    ];
  }
}

const gate: Fact = {
  id: 'gate-files package.json',
  kind: 'gate-files',
  file: 'package.json',
  text: 'scripts.test is other',
};
const secret: Fact = {
  id: 'secret a.ts:3',
  kind: 'secret',
  file: 'a.ts',
  line: 3,
  text: 'this looks like a GitHub token',
};
const stray: Fact = { id: 'outside-paths b.ts', kind: 'outside-paths', file: 'b.ts', text: 'only src/**' };
const approved: Judgement = { kind: 'approved', notes: [] };
const allows: Judgement = { ...approved, allows: [{ fact: gate.id, because: 'task 2 asks for it' }] };
const off = { reviewer: false as const };

describe('what bears on the checks', () => {
  it('is put before the reviewer, and lands where the approval says which criterion asks for it', () => {
    const way = new Way().author(1, gate).check();
    expect(way.next).toEqual(['review', 'first', `?${gate.id}`]);
    expect(way.review(allows).next).toBe('candidate');
  });

  it('is asked about once more where the approval is silent, and then goes back to the author', () => {
    const way = new Way().author(1, gate).check().review(approved);
    expect(way.next).toEqual(['review', 'unreadable', `?${gate.id}`]);
    expect(way.due).toMatchObject({
      brief: {
        why: 'it says approve, but answers nothing of what mstone saw: gate-files package.json (scripts.test is other)',
      },
    });
    expect(
      way.review({ ...approved, allows: [{ fact: 'gate-files other.json', because: 'so' }] }).next,
    ).toEqual(['remediate', 'review', gate.id]);
    // Work without it needs no word on it.
    expect(way.author(2).check().next).toEqual(['review', 'first']);
  });

  it('goes back to the author where nobody reviews, and to a person where that changes nothing', () => {
    const way = new Way(off).author(1, gate).check();
    expect(way.next).toEqual(['remediate', 'review', gate.id]);
    expect(way.author(1, gate).next).toEqual({
      is: 'asks',
      message:
        'no progress: mstone holds 1 finding against it again, with the very same files as before (package.json: scripts.test is other); if that is meant, say `allow: [gate-files]` in its front matter, commit it, and: mstone retry 1A --from check',
    });
  });

  it('is answered by the milestone, and without a review by a person who approves the work', () => {
    expect(new Way({ ...off, allow: ['gate-files'] }).author(1, gate).check().next).toBe('candidate');
    expect(new Way({ allow: ['gate-files'] }).author(1, gate).check().next).toEqual(['review', 'first']);
    expect(new Way({ ...off, allow: ['skipped-tests'] }).author(1, gate).check().next).toEqual([
      'remediate',
      'review',
      gate.id,
    ]);
    const way = new Way({ ...off, approval: 'merge' }).author(1, gate).check();
    expect(way.next).toEqual({ is: 'next', step: { is: 'candidate', commit: 'w1' } });
  });
});

describe('what only its author answers', () => {
  it('goes back before checks and reviews are paid for', () => {
    const way = new Way(off).author(1, stray, gate);
    expect(way.next).toEqual(['remediate', 'review', stray.id]);
    expect(way.author(2).next).toBe('check');
  });

  it('is a secret once: then a person is asked', () => {
    const way = new Way().author(1, secret);
    expect(way.next).toEqual(['remediate', 'review', secret.id]);
    expect(way.author(2, { ...secret, line: 9, id: 'secret a.ts:9' }).next).toEqual({
      is: 'asks',
      message: 'a secret is still in its work: a.ts:9: this looks like a GitHub token',
    });
  });
});

describe('fewer tests', () => {
  const known = { tree: 't0', green: { 'npm test': 5 } };
  const id = 'fewer-tests npm test';

  it('than on what the work builds on hold it back, as many do not', () => {
    expect(new Way(off, known).author(1).check(5).next).toBe('candidate');
    expect(new Way(off, known).author(1).check(4).next).toEqual(['remediate', 'review', id]);
    expect(new Way({ ...off, allow: ['fewer-tests'] }, known).author(1).check(4).next).toBe('candidate');
    expect(new Way({}, known).author(1).check(4).next).toEqual(['review', 'first', `?${id}`]);
    // What nobody counted is not compared.
    expect(new Way(off).author(1).check(4).next).toBe('candidate');
    expect(new Way(off, { tree: 't0', green: { 'npm test': -1 } }).author(1).check(4).next).toBe('candidate');
  });

  it('once merged hold the candidate back, unless the reviewer has allowed them', () => {
    expect(new Way(off, known).author(1).check(5).candidate().check(3).next).toEqual([
      'remediate',
      'review',
      id,
    ]);
    const few: Judgement = { ...approved, allows: [{ fact: id, because: 'the criterion drops them' }] };
    expect(new Way({}, known).author(1).check(4).review(few).candidate().check(4).next).toBe('land');
  });
});
