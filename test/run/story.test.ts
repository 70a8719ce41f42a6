import { beforeEach, describe, expect, it } from 'vitest';
import type { Effect, WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { AgentOutcome, CheckOutcome, WorkOutcome } from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import type { Judgement } from '../../src/model/verdict.js';
import { decide } from '../../src/run/decide.js';
import { historyOf } from '../../src/run/history.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { verdictKey } from '../../src/run/items.js';
import { exitOf, standingOf, waitOf } from '../../src/run/questions.js';
import { planItem } from '../rig/world.js';

const settings: RunSettings = { jobs: 4, failFast: false, wait: true, backoffMs: 1000, folder: '', argv: [] };

/** A run told step by step: what is decided, what came of it. */
class Story {
  state: RunState = emptyRun('R');
  now = 1_000_000;
  capacity = 4;

  begin(items: readonly PlanItem[], over: Partial<Extract<Event, { type: 'run.started' }>> = {}): this {
    return this.tell({
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

  tell(event: Event): this {
    this.state = reduce(this.state, event);
    return this;
  }

  get due(): Effect[] {
    return decide(this.state, { now: this.now, capacity: this.capacity });
  }

  /** What starts now, in short: `1A implement #1.1 slot 1`. */
  get startable(): string[] {
    return this.due.map((effect): string => {
      switch (effect.do) {
        case 'work':
          return `${effect.item} ${effect.purpose} #${effect.attempt}.${effect.assignment} slot ${effect.slot}`;
        case 'check':
          return `${effect.item} check ${effect.of} ${effect.commit} slot ${effect.slot}`;
        case 'candidate':
          return `${effect.item} candidate of ${effect.commit}`;
        case 'land':
          return `${effect.item} land ${effect.candidate.commit}`;
        default:
          return effect.do;
      }
    });
  }

  /** Starts the one effect that is due for `item`. */
  start(item: string): { id: string; effect: Effect } {
    const effect = this.due.find((due) => due.item === item);
    if (effect === undefined) throw new Error(`nothing due for ${item}: ${this.startable.join(', ')}`);
    const id = `i${this.state.nextIntent}`;
    const inputs = { now: this.now, capacity: this.capacity };
    this.tell({ type: `${effect.do}.started`, id, effect, inputs } as Event);
    return { id, effect };
  }

  work(item: string, outcome: Partial<WorkOutcome> & { agent?: AgentOutcome } = {}): WorkEffect {
    const { id, effect } = this.start(item);
    if (effect.do !== 'work') throw new Error(`${item} is due for ${effect.do}`);
    const full: WorkOutcome = { agent: { kind: 'finished' }, costUsd: 0, logBytes: 0, ...outcome };
    this.tell({ type: 'work.ended', id, item, now: this.now, outcome: full });
    return effect;
  }

  /** An author's assignment that leaves commit `w<n>` with tree `t<n>`. */
  author(item: string, n: number, changed = true): WorkEffect {
    return this.work(item, {
      harvest: { commit: `w${n}`, tree: `t${n}`, base: 'h0', changed, told: [], markers: [] },
    });
  }

  review(item: string, judgement: Judgement): WorkEffect {
    return this.work(item, { judgement });
  }

  check(item: string, passes: boolean, tree = 't1'): this {
    const { id, effect } = this.start(item);
    if (effect.do !== 'check') throw new Error(`${item} is due for ${effect.do}`);
    const kind = passes ? ('passed' as const) : ('failed' as const);
    const results = [{ command: 'npm test', kind, exit: passes ? 0 : 1, ms: 5, tail: 'out' }];
    const commit = effect.commit === 'head' ? this.state.head : effect.commit;
    const outcome: CheckOutcome = { kind, commit, tree, results };
    return this.tell({ type: 'check.ended', id, item, now: this.now, outcome });
  }

  candidate(item: string, n: number, tree = 't1', base = this.state.head): this {
    const { id, effect } = this.start(item);
    if (effect.do !== 'candidate') throw new Error(`${item} is due for ${effect.do}`);
    const candidate = { commit: `c${n}`, tree, base, work: effect.commit };
    return this.tell({
      type: 'candidate.ended',
      id,
      item,
      now: this.now,
      outcome: { kind: 'built', candidate },
    });
  }

  land(item: string, on: 'target' | 'shadow' = 'target'): this {
    const { id, effect } = this.start(item);
    if (effect.do !== 'land') throw new Error(`${item} is due for ${effect.do}`);
    const commit = effect.candidate.commit;
    return this.tell({
      type: 'land.ended',
      id,
      item,
      now: this.now,
      outcome: { kind: 'landed', commit, on },
    });
  }

  phase(item: string) {
    return this.state.items.get(item)?.phase;
  }
}

const approved: Judgement = { kind: 'approved', notes: [] };
const refused = (problem: string): Judgement => ({
  kind: 'refused',
  findings: [{ id: 'F1', severity: 'major', cites: problem, problem }],
  unmet: [],
});

let story: Story;
beforeEach(() => {
  story = new Story();
});

describe('a slot', () => {
  const merge = { parallel: 1, strict: 'auto', checks: [] } as const;
  const two = (checks: readonly string[]) =>
    story.begin(
      ['1A', '1B'].map((id) => planItem(id, { checks, reviewer: false })),
      { settings: { ...settings, jobs: 1, merge } },
    );

  it('goes to the next as soon as the work in it is a commit that nothing checks any more', () => {
    two([]).author('1A', 1);
    expect(story.startable).toEqual(['1A candidate of w1', '1B implement #1.1 slot 1']);
  });

  it('stays with whose candidate may be checked, or whose conversation is known there alone, until it lands', () => {
    two(['npm test']).author('1A', 1);
    story.check('1A', true);
    expect(story.startable).toEqual(['1A candidate of w1']);
    story.candidate('1A', 1);
    expect(story.startable).toEqual(['1A land c1', '1B implement #1.1 slot 1']);

    story = new Story();
    two([]).work('1A', {
      session: 's1',
      stays: true,
      harvest: { commit: 'w1', tree: 't1', base: 'h0', changed: true, told: [], markers: [] },
    });
    expect(story.startable).toEqual(['1A candidate of w1']);
    story.candidate('1A', 1);
    expect(story.startable).toEqual(['1A land c1', '1B implement #1.1 slot 1']);
  });
});

describe('the way of a milestone', () => {
  it('is implement, check, review, candidate, land, and the same tree is not checked twice', () => {
    story.begin([planItem('1A')]);
    expect(story.startable).toEqual(['1A implement #1.1 slot 1']);
    story.author('1A', 1);
    expect(story.startable).toEqual(['1A check work w1 slot 1']);
    story.check('1A', true);
    expect(story.startable).toEqual(['1A review #1.2 slot 1']);
    story.review('1A', approved);
    expect(story.startable).toEqual(['1A candidate of w1']);
    story.candidate('1A', 1);
    expect(story.startable).toEqual(['1A land c1']);
    story.land('1A');
    expect(story.phase('1A')).toEqual({ is: 'landed', commit: 'c1', at: story.now });
    expect(story.state.head).toBe('c1');
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'ended',
      exit: 0,
      why: 'all done',
    });
  });

  it('checks the candidate when the head has moved since, and only then lands it', () => {
    story.begin([planItem('1A')]);
    story.author('1A', 1);
    story.check('1A', true);
    story.review('1A', approved);
    story.candidate('1A', 1, 'merged tree');
    expect(story.startable).toEqual(['1A check candidate c1 slot 1']);
    story.check('1A', true, 'merged tree');
    expect(story.startable).toEqual(['1A land c1']);
  });

  it('sends a candidate that fails its checks back with the head merged into the work', () => {
    story.begin([planItem('1A')]);
    story.author('1A', 1);
    story.check('1A', true);
    story.review('1A', approved);
    story.candidate('1A', 1, 'merged tree', 'h7');
    story.check('1A', false, 'merged tree');
    const effect = story.due[0];
    expect(effect).toEqual({
      do: 'work',
      item: '1A',
      attempt: 1,
      assignment: 3,
      round: 1,
      purpose: 'remediate',
      agent: 'author',
      slot: 1,
      from: 'w1',
      base: 'h0',
      merge: 'h7',
      brief: {
        because: 'candidate',
        checks: [{ command: 'npm test', kind: 'failed', exit: 1, ms: 5, tail: 'out' }],
        findings: [],
        unmet: [],
      },
    });
  });

  it('asks for the work again when the review refuses it, and the reviewer sees its findings', () => {
    story.begin([planItem('1A')]);
    story.author('1A', 1);
    story.check('1A', true);
    story.review('1A', refused('no usage line'));
    expect(story.author('1A', 2).brief).toEqual({
      because: 'review',
      checks: [{ command: 'npm test', kind: 'passed', exit: 0, ms: 5, tail: 'out' }],
      findings: [{ id: 'F1', severity: 'major', cites: 'no usage line', problem: 'no usage line' }],
      unmet: [],
    });
    story.check('1A', true, 't2');
    const second = story.review('1A', approved);
    expect({ from: second.from, seen: second.brief.seen, findings: second.brief.findings }).toEqual({
      from: 'w2',
      seen: 'w1',
      findings: [{ id: 'F1', severity: 'major', cites: 'no usage line', problem: 'no usage line' }],
    });
    expect(story.startable).toEqual(['1A candidate of w2']);
  });

  it('binds an approval to one commit: what is remediated after it is reviewed again', () => {
    story.begin([planItem('1A')]);
    story.author('1A', 1);
    story.check('1A', true);
    story.review('1A', approved);
    const { id } = story.start('1A');
    story.tell({
      type: 'candidate.ended',
      id,
      item: '1A',
      now: story.now,
      outcome: { kind: 'conflict', onto: 'h9', files: ['a.txt'] },
    });
    expect(story.startable).toEqual(['1A resolve #1.3 slot 1']);
    story.author('1A', 2);
    story.check('1A', true, 't2');
    expect(story.startable).toEqual(['1A review #1.4 slot 1']);
  });

  it('asks an unreadable reviewer once more, then the review has failed and is no approval', () => {
    story.begin([planItem('1A')]);
    story.author('1A', 1);
    story.check('1A', true);
    story.review('1A', { kind: 'unreadable', why: 'no verdict line' });
    const again = story.review('1A', { kind: 'unreadable', why: 'still none' });
    expect(again.brief).toMatchObject({ because: 'unreadable', why: 'no verdict line' });
    expect(story.phase('1A')).toEqual({ is: 'failed', message: 'the review failed: still none' });
  });

  it('asks once about an empty diff, and lands it as nothing needed only if the review agrees', () => {
    story.begin([planItem('1A')]);
    story.author('1A', 0, false);
    expect(story.author('1A', 0, false).brief.because).toBe('empty');
    story.check('1A', true, 't0');
    story.review('1A', approved);
    expect(story.startable).toEqual(['1A candidate of w0']);

    const unreviewed = new Story().begin([planItem('1A', { reviewer: false })]);
    unreviewed.author('1A', 0, false);
    unreviewed.author('1A', 0, false);
    expect(unreviewed.phase('1A')?.is).toBe('failed');
  });
});

describe('reviews that come to an end', () => {
  const held = (
    ...findings: readonly (readonly [id: string, file: string, words?: string])[]
  ): Judgement => ({
    kind: 'refused',
    findings: findings.map(([id, file, words = 'x']) => ({
      id,
      severity: 'major',
      cites: 'It is',
      file,
      problem: words,
    })),
    unmet: [],
  });
  /** A review of each round's tree, until the item moves on; what the author left is `t<n>`. */
  const rounds = (...told: readonly (readonly [tree: number, judgement: Judgement])[]): Story => {
    const made = new Story().begin([planItem('1A', { rounds: 9, checks: [] })]);
    for (const [tree, judgement] of told) {
      made.author('1A', tree);
      if (made.startable.some((due) => due.startsWith('1A review'))) made.review('1A', judgement);
    }
    return made;
  };

  it('while each round brings something new they go on', () => {
    const made = rounds(
      [1, held(['F1', 'a'], ['F2', 'b'])],
      [2, held(['F1', 'a'])],
      [3, held(['F3', 'c'])],
      [4, approved],
    );
    expect(made.startable).toEqual(['1A candidate of w4']);
  });

  it.each([
    [
      'the same files, before a reviewer is asked',
      [
        [1, held(['F1', 'a'])],
        [1, approved],
      ],
      'no progress: these are the very files that the review refused before',
    ],
    [
      'the same findings, in whatever words, on other files',
      [
        [1, held(['F1', 'a'], ['F2', 'b'])],
        [2, held(['F2', 'b', 'reworded'], ['F1', 'a', 'said otherwise'])],
      ],
      'no progress: the review holds 2 findings against it again, the very same as in the round before',
    ],
    [
      'files that go to and fro',
      [
        [1, held(['F1', 'a'])],
        [2, held(['F2', 'b'])],
        [1, approved],
      ],
      'no progress: these are the very files that the review refused before',
    ],
    [
      'findings that go to and fro, under whatever name',
      [
        [1, held(['F1', 'a'])],
        [2, held(['F2', 'b'])],
        [3, held(['F3', 'a'])],
      ],
      'no progress: the review holds 1 finding against it that was answered before and is back: it goes to and fro',
    ],
  ] as const)('they stop at %s', (_, told, message) => {
    const made = rounds(...told);
    expect(made.phase('1A')).toEqual({ is: 'asks', message });
    expect(exitOf(made.state).exit).toBe(3);
    // Another run of the same text is held back by it as well, and `retry` lets it go on.
    const { history } = historyOf([made.state]);
    const later = new Story().begin([planItem('1A', { checks: [] })], { history });
    expect(later.startable).toEqual([]);
    later.tell({ type: 'items.reset', items: ['1A'] });
    expect(later.startable).toEqual(['1A implement #2.1 slot 1']);
  });
});

describe('several reviewers', () => {
  const three = ['claude', 'codex', 'gemini'].map((name) => ({ name, agent: name }));
  const security = { name: 'security', agent: 'claude', role: 'security', paths: ['src/auth/**'] };
  const blocker: Judgement = {
    kind: 'refused',
    findings: [{ id: 'F1', severity: 'blocker', cites: 'It is', problem: 'no' }],
    unmet: [],
  };
  const reviewed = (
    over: Partial<PlanItem>,
    judgements: readonly Judgement[],
    touches?: readonly string[],
  ): { story: Story; asked: string[] } => {
    const made = new Story().begin([planItem('1A', { checks: [], reviewer: 'claude', ...over })]);
    made.work('1A', {
      harvest: {
        commit: 'w1',
        tree: 't1',
        base: 'h0',
        changed: true,
        told: [],
        markers: [],
        ...(touches === undefined ? {} : { touches }),
      },
    });
    const asked = judgements.map((judgement) => {
      const { agent, reviewer, role } = made.review('1A', judgement);
      return [agent, reviewer, role].join(' ').trim();
    });
    return { story: made, asked };
  };

  it('are asked one after the other, each for itself, and all must approve', () => {
    const { story: made, asked } = reviewed({ reviewers: three }, [approved, refused('one'), refused('two')]);
    expect(asked).toEqual(['claude claude', 'codex codex', 'gemini gemini']);
    expect(made.startable).toEqual(['1A remediate #1.5 slot 1']);
    // Two reviewers may both have an F1.
    expect(made.author('1A', 2).brief.findings.map(({ id }) => id)).toEqual(['codex/F1', 'gemini/F1']);
    // In the second round each sees what it said itself.
    const seen = [approved, approved, approved].map((judgement) => {
      const { brief } = made.review('1A', judgement);
      return [brief.seen, ...brief.findings.map(({ id, problem }) => `${id} ${problem}`)];
    });
    expect(seen).toEqual([['w1'], ['w1', 'F1 one'], ['w1', 'F1 two']]);
    expect(made.startable).toEqual(['1A candidate of w2']);
  });

  it.each<[string, readonly Judgement[], string]>([
    ['two of three', [approved, refused('one'), approved], '1A candidate of w1'],
    ['one of three', [approved, refused('one'), refused('two')], '1A remediate #1.5 slot 1'],
    ['two of three against a blocker', [approved, blocker, approved], '1A remediate #1.5 slot 1'],
  ])('by majority: %s', (_, judgements, then) => {
    const { story: made } = reviewed({ reviewers: three, require: 'majority' }, judgements);
    expect(made.startable).toEqual([then]);
  });

  it('half is no majority, and whoever is asked for its paths is not outvoted', () => {
    const two = reviewed({ reviewers: three.slice(0, 2), require: 'majority' }, [approved, refused('one')]);
    expect(two.story.startable).toEqual(['1A remediate #1.4 slot 1']);
    const over = { reviewers: [...three, security], require: 'majority' as const };
    const touched = reviewed(over, [approved, approved, approved, refused('a hole')], ['security']);
    expect(touched.asked.at(-1)).toBe('claude security security');
    expect(touched.story.startable).toEqual(['1A remediate #1.6 slot 1']);
    const untouched = reviewed(over, [approved, approved, approved]);
    expect(untouched.story.startable).toEqual(['1A candidate of w1']);
  });

  it('whose last answer cannot be used, twice, have not approved, whatever the others say', () => {
    const { story: made, asked } = reviewed({ reviewers: three, require: 'majority' }, [
      approved,
      { kind: 'unreadable', why: 'prose' },
      { kind: 'unreadable', why: 'prose again' },
    ]);
    expect(asked).toEqual(['claude claude', 'codex codex', 'codex codex']);
    expect(made.phase('1A')).toEqual({ is: 'failed', message: 'the review failed: prose again' });
  });

  it('never approve in the conversation of the author', () => {
    story.begin([planItem('1A', { checks: [] })]);
    story.work('1A', {
      session: 'own',
      harvest: { commit: 'w1', tree: 't1', base: 'h0', changed: true, told: [], markers: [] },
    });
    const effect = story.work('1A', { session: 'own', judgement: approved });
    expect(effect.session).toBeUndefined();
    expect(story.phase('1A')).toEqual({
      is: 'failed',
      message: "the review failed: it was given in the author's own conversation",
    });
  });
});

describe('brakes', () => {
  it('stop at the same tree with the same failing checks', () => {
    story.begin([planItem('1A')]);
    story.author('1A', 1);
    story.check('1A', false, 't1');
    story.author('1A', 1);
    story.check('1A', false, 't1');
    expect(story.phase('1A')).toEqual({
      is: 'asks',
      message: 'no progress: npm test failed again, with the very same files as before',
    });
    expect(exitOf(story.state)).toEqual({ exit: 3, why: '1A needs you' });
  });

  it('stop after the rounds that were granted', () => {
    story.begin([planItem('1A', { rounds: 2 })]);
    story.author('1A', 1);
    story.check('1A', true);
    for (const n of [2, 3]) {
      story.review('1A', refused(`problem ${n}`));
      story.author('1A', n);
      story.check('1A', true, `t${n}`);
    }
    story.review('1A', refused('problem 4'));
    expect(story.phase('1A')).toEqual({
      is: 'asks',
      message: '2 rounds of remediation did not mend it: the review holds 1 finding against it',
    });
  });

  it('are kept by version over runs, and only retry lifts them', () => {
    story.begin([planItem('1A', { retries: 0 })]);
    story.work('1A', { agent: { kind: 'crashed', message: 'exit 1' } });
    const { history } = historyOf([story.state]);
    expect(history).toEqual([
      {
        id: '1A',
        digest: 'v1:1A',
        attempts: 1,
        costUsd: 0,
        interruptions: 0,
        fingerprints: [],
        starts: 1,
        fruitless: 1,
        ladder: [{ setback: { kind: 'crashed', message: 'exit 1' }, next: 'over' }],
        end: { is: 'failed', message: 'author crashed: exit 1 (attempt 1 of 1)', run: 'R' },
      },
    ]);
    const same = new Story().begin([planItem('1A', { retries: 0 })], { history });
    expect(same.startable).toEqual([]);
    same.tell({ type: 'items.reset', items: ['1A'] });
    expect(same.startable).toEqual(['1A implement #2.1 slot 1']);
    // Its number goes on, its count begins anew.
    same.work('1A', { agent: { kind: 'crashed', message: 'exit 2' } });
    expect(same.phase('1A')).toEqual({ is: 'failed', message: 'author crashed: exit 2 (attempt 1 of 1)' });
    expect(historyOf([same.state]).history.map(({ attempts }) => attempts)).toEqual([1]);
    const edited = new Story().begin([planItem('1A', { retries: 0, digest: 'v1:other' })], { history });
    expect(edited.startable).toEqual(['1A implement #1.1 slot 1']);

    // An mstone with another definition of the digest knows the same text again, here and within a run.
    const item = planItem('1A', { retries: 0, digest: 'v2:1A', formerDigests: ['v1:1A'] });
    expect(new Story().begin([item], { history }).startable).toEqual([]);
    const { end: _end, ...going } = same.state;
    const upgraded = reduce(going, {
      type: 'run.continued',
      head: going.head,
      items: [item],
      settings: going.settings,
      shadow: false,
    });
    expect(upgraded.items.get('1A')?.phase.is).toBe('failed');
  });
});

describe('waiting is not failing', () => {
  it('a limit closes the credential for everybody who uses it and costs no attempt', () => {
    story.begin([planItem('1A'), planItem('1B', { author: 'other' })], {
      settings: { ...settings, jobs: 1 },
    });
    story.work('1A', { agent: { kind: 'limited', resetAt: story.now + 60_000, message: '' } });
    expect(story.startable).toEqual(['1B implement #1.1 slot 1']);
    const item = story.state.items.get('1A');
    expect(item && waitOf(story.state, item, story.now)).toEqual({
      for: 'credential',
      credential: 'author',
      until: story.now + 60_000,
    });
    story.author('1B', 1);
    story.now += 60_000;
    // Finishing beats starting: 1B's check is due before 1A goes on, and one slot serves one milestone.
    expect(story.startable).toEqual(['1B check work w1 slot 1']);
  });

  it('goes on in its own slot with what was there, within the same attempt', () => {
    story.begin([planItem('1A')]);
    story.work('1A', {
      agent: { kind: 'limited', resetAt: story.now + 5_000, message: '' },
      harvest: { commit: 'w1', tree: 't1', base: 'h0', changed: true, told: [], markers: [] },
    });
    story.now += 5_000;
    const effect = story.author('1A', 2);
    expect({
      attempt: effect.attempt,
      from: effect.from,
      base: effect.base,
      because: effect.brief.because,
    }).toEqual({
      attempt: 1,
      from: 'w1',
      base: 'h0',
      because: 'resumed',
    });
  });

  it('pauses with 75 under --no-wait once nothing else can go on', () => {
    story.begin([planItem('1A')], { settings: { ...settings, wait: false } });
    story.work('1A', { agent: { kind: 'limited', resetAt: story.now + 60_000, message: '' } });
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'paused',
      exit: 75,
      why: 'author is limited',
      until: story.now + 60_000,
    });
  });

  it('a limit that names a time gone by waits all the same', () => {
    story.begin([planItem('1A')]);
    story.work('1A', { agent: { kind: 'limited', resetAt: story.now - 1, message: '' } });
    expect(story.startable).toEqual([]);
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'waiting',
      until: story.now + 30_000,
    });
  });

  it('an interruption is free five times, then it counts', () => {
    story.begin([planItem('1A', { retries: 0 })]);
    for (let n = 0; n < 5; n += 1) story.work('1A', { agent: { kind: 'interrupted', message: 'power cut' } });
    expect(story.phase('1A')?.is).toBe('next');
    story.work('1A', { agent: { kind: 'interrupted', message: 'power cut' } });
    expect(story.phase('1A')?.is).toBe('failed');
  });

  it('a crash is tried again after a pause that doubles', () => {
    story.begin([planItem('1A', { retries: 2 })]);
    const crash = { agent: { kind: 'crashed', message: 'exit 1' } as const };
    story.work('1A', crash);
    expect(story.phase('1A')).toEqual({
      is: 'waiting',
      wait: { for: 'backoff', until: story.now + 1000 },
      step: { is: 'implement', because: 'again' },
    });
    story.now += 1000;
    expect(story.work('1A', crash).attempt).toBe(2);
    expect(story.phase('1A')).toMatchObject({ wait: { until: story.now + 2000 } });
    story.now += 2000;
    story.work('1A', crash);
    expect(story.phase('1A')).toEqual({ is: 'failed', message: 'author crashed: exit 1 (attempt 3 of 3)' });
  });
});

describe('order', () => {
  it('takes ready work longest remaining path first, and finishes before it starts', () => {
    const items = [
      planItem('1A', { remainingMinutes: 10 }),
      planItem('1B', { remainingMinutes: 90 }),
      planItem('1C', { remainingMinutes: 20 }),
    ];
    story.begin(items, { settings: { ...settings, jobs: 2 } });
    expect(story.startable).toEqual(['1B implement #1.1 slot 1', '1C implement #1.1 slot 2']);
    story.author('1B', 1);
    expect(story.startable).toEqual(['1B check work w1 slot 1', '1C implement #1.1 slot 2']);
  });

  it('lets one candidate at a time into the landing lane', () => {
    story.begin([
      planItem('1A', { checks: [], reviewer: false }),
      planItem('1B', { checks: [], reviewer: false }),
    ]);
    story.author('1A', 1);
    story.author('1B', 2);
    expect(story.startable).toEqual(['1A candidate of w1']);
    story.candidate('1A', 1);
    const second = story.state.items.get('1B');
    expect(second && waitOf(story.state, second, story.now)).toEqual({ for: 'lane', item: '1A' });
    story.land('1A');
    expect(story.startable).toEqual(['1B candidate of w2']);
  });

  it('blocks only what depends on a failure, and counts the failure itself for the exit', () => {
    story.begin([
      planItem('1A', { retries: 0 }),
      planItem('1B', { needs: ['1A'] }),
      planItem('1C', { checks: [], reviewer: false }),
    ]);
    story.work('1A', { agent: { kind: 'unstartable', message: 'not installed' } });
    story.author('1C', 3);
    story.candidate('1C', 3);
    story.land('1C');
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'ended',
      exit: 1,
      why: '1A failed',
    });
  });

  it('starts nothing new under --fail-fast once something has failed', () => {
    story.begin([planItem('1A', { retries: 0 }), planItem('1B')], {
      settings: { ...settings, failFast: true, jobs: 1 },
    });
    story.work('1A', { agent: { kind: 'crashed', message: 'x' } });
    expect(story.startable).toEqual([]);
    expect(standingOf(story.state, { now: story.now, capacity: 4 }).is).toBe('ended');
  });
});

describe('the target', () => {
  it('red before anything starts ends the run with 5', () => {
    story.begin([planItem('base', { kind: 'base', reviewer: false }), planItem('1A', { needs: ['base'] })]);
    expect(story.startable).toEqual(['base check base head slot 1']);
    story.check('base', false);
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toMatchObject({ is: 'ended', exit: 5 });
  });

  it('moved backwards stops landing and ends with 3', () => {
    story.begin([planItem('1A', { checks: [], reviewer: false })]);
    story.author('1A', 1);
    const { id } = story.start('1A');
    story.tell({
      type: 'candidate.ended',
      id,
      item: '1A',
      now: story.now,
      outcome: { kind: 'rewound', expected: 'h0', found: 'g0' },
    });
    expect(story.startable).toEqual([]);
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'ended',
      exit: 3,
      why: 'main was moved backwards',
    });
  });

  it('whose checkout is in the way lets the night go on beside it, and is asked once at the end', () => {
    story.begin([
      planItem('1A', { checks: [], reviewer: false }),
      planItem('1B', { checks: [], reviewer: false, needs: ['1A'] }),
    ]);
    story.author('1A', 1);
    story.candidate('1A', 1);
    story.land('1A', 'shadow');
    story.author('1B', 2);
    story.candidate('1B', 2);
    story.land('1B', 'shadow');
    expect(story.startable).toEqual(['follow']);
    const { id } = story.start('follow');
    const block = { files: ['a.txt'], message: 'a.txt is changed', command: 'git stash' };
    story.tell({
      type: 'follow.ended',
      id,
      item: 'follow',
      now: story.now,
      outcome: { kind: 'blocked', block },
    });
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'ended',
      exit: 3,
      why: 'main could not follow mstone/main',
    });
  });

  it('that moved by itself meanwhile is merged as a checked candidate of its own before others land', () => {
    story.begin([planItem('1A', { reviewer: false })], { shadow: true });
    story.author('1A', 1);
    story.check('1A', true);
    const { id } = story.start('1A');
    story.tell({
      type: 'candidate.ended',
      id,
      item: '1A',
      now: story.now,
      outcome: { kind: 'diverged', target: 'user1', shadow: 's1' },
    });
    expect(story.startable).toEqual(['sync candidate of user1']);
    story.candidate('sync', 5, 'both', 's1');
    expect(story.startable).toEqual(['sync check candidate c5 slot 2']);
    story.check('sync', true, 'both');
    story.land('sync');
    expect(story.startable).toEqual(['1A candidate of w1']);
  });

  it('and that merge finds a slot where all are taken, and what it keeps from landing keeps those behind it', () => {
    const items = [planItem('1A', { reviewer: false }), planItem('2A', { needs: ['1A'] })];
    story.begin(items, { shadow: true, settings: { ...settings, jobs: 1 } });
    story.author('1A', 1);
    story.check('1A', true);
    const { id } = story.start('1A');
    const outcome = { kind: 'diverged', target: 'user1', shadow: 's1' } as const;
    story.tell({ type: 'candidate.ended', id, item: '1A', now: story.now, outcome });
    story.candidate('sync', 5, 'both', 's1');
    expect(story.startable).toEqual(['sync check candidate c5 slot 1']);
    story.check('sync', false, 'both');
    expect(story.phase('sync')).toMatchObject({ is: 'asks' });
    expect(story.startable).toEqual([]);
    expect(standingOf(story.state, { now: story.now, capacity: 1 })).toEqual({
      is: 'ended',
      exit: 3,
      why: 'sync needs you',
    });
  });

  it('a stage gate holds the next stage and is remediated as an item of its own', () => {
    story.begin([
      planItem('1A', { checks: [], reviewer: false }),
      planItem('1-gate', { kind: 'gate', needs: ['1A'], reviewer: false }),
      planItem('2A', { needs: ['1-gate'] }),
    ]);
    story.author('1A', 1);
    story.candidate('1A', 1);
    story.land('1A');
    expect(story.startable).toEqual(['1-gate check stage head slot 1']);
    story.check('1-gate', false, 't1');
    const effect = story.due[0];
    expect(effect).toMatchObject({
      do: 'work',
      item: '1-gate',
      purpose: 'remediate',
      from: 'c1',
      base: 'c1',
    });
    story.work('1-gate', {
      harvest: { commit: 'g1', tree: 'tg', base: 'c1', changed: true, told: [], markers: [] },
    });
    story.check('1-gate', true, 'tg');
    story.candidate('1-gate', 9, 'tg');
    story.land('1-gate');
    expect(story.startable).toEqual(['2A implement #1.1 slot 1']);
  });

  it('verdicts of earlier runs spare a check of the same tree, folder and commands', () => {
    story.begin([planItem('1A', { reviewer: false })], { passed: [verdictKey('t1', '', ['npm test'])] });
    story.author('1A', 1);
    expect(story.startable).toEqual(['1A candidate of w1']);
    const other = new Story().begin([planItem('1A', { reviewer: false })], {
      passed: [verdictKey('t1', '', ['npm run other'])],
    });
    other.author('1A', 1);
    expect(other.startable).toEqual(['1A check work w1 slot 1']);
  });
});

describe('what a coding CLI can end by', () => {
  let story: Story;
  beforeEach(() => {
    story = new Story().begin([planItem('1A'), planItem('1B')]);
  });
  const MINUTE = 60_000;
  const busy = { agent: { kind: 'overloaded', message: '529' } as const };
  const over = (session: string) => ({ session, agent: { kind: 'limited', message: '' } as const });

  it('no room: it waits a minute, then twice as long up to an hour, and no attempt is used', () => {
    const waits: number[] = [];
    for (let times = 0; times < 8; times += 1) {
      const { attempt } = story.work('1A', busy);
      expect(attempt).toBe(1);
      const phase = story.phase('1A');
      const until = phase?.is === 'waiting' ? phase.wait.until : 0;
      waits.push((until - story.now) / MINUTE);
      expect(story.startable).toEqual(['1B implement #1.1 slot 1']);
      story.now = until;
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    story.author('1A', 1);
    story.check('1A', true);
    // Once there was room again, the count begins anew.
    story.work('1A', busy);
    expect(story.phase('1A')).toMatchObject({ wait: { for: 'backoff', until: story.now + MINUTE } });
  });

  it('no room is waited for even where limits are not', () => {
    story = new Story().begin([planItem('1A')], { settings: { ...settings, wait: false } });
    story.work('1A', busy);
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'waiting',
      until: story.now + MINUTE,
    });
  });

  it.each(['unauthorized', 'out-of-credit'] as const)(
    '%s: nothing starts on that agent, others go on, and the run ends with 3, to be resumed',
    (kind) => {
      story = new Story().begin([planItem('1A'), planItem('1B'), planItem('1C', { author: 'other' })]);
      story.work('1A', { session: 's1', agent: { kind, message: 'Invalid API key' } });
      expect(story.startable).toEqual(['1C implement #1.1 slot 1']);
      const standing = () => standingOf(story.state, { now: story.now, capacity: 4 });
      story.author('1C', 1);
      story.check('1C', true);
      story.review('1C', { kind: 'approved', notes: [] });
      story.candidate('1C', 1);
      story.land('1C');
      expect(standing()).toEqual({
        is: 'paused',
        exit: 3,
        why: 'author cannot be used: Invalid API key',
      });
      const item = story.state.items.get('1B');
      expect(item && waitOf(story.state, item, story.now)).toEqual({
        for: 'person',
        why: 'author cannot be used: Invalid API key',
      });
      story.tell({
        type: 'run.continued',
        head: story.state.head,
        items: [planItem('1A'), planItem('1B')],
        settings,
        shadow: false,
      });
      expect(story.startable).toEqual(['1A implement #1.2 slot 1', '1B implement #1.1 slot 2']);
      expect(story.due[0]).toMatchObject({ session: 's1', brief: { because: 'resumed' } });
    },
  );

  it('a refused credential weighs more than a limit that is not waited for, and less than a failure', () => {
    const unwilling = { ...settings, wait: false };
    const refused = { agent: { kind: 'unauthorized', message: 'no' } as const };
    story = new Story().begin([planItem('1A'), planItem('1B', { author: 'other' })], { settings: unwilling });
    story.work('1A', refused);
    story.work('1B', { agent: { kind: 'limited', resetAt: story.now + MINUTE, message: '' } });
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toMatchObject({ is: 'paused', exit: 3 });
    story = new Story().begin([planItem('1A'), planItem('1B', { author: 'other' })]);
    story.work('1A', refused);
    story.work('1B', { agent: { kind: 'unstartable', message: 'gone' } });
    expect(standingOf(story.state, { now: story.now, capacity: 4 })).toEqual({
      is: 'paused',
      exit: 1,
      why: 'author cannot be used: no',
    });
  });

  it('a context that is full: a fresh conversation once, with what was written; then it counts as a crash', () => {
    const full = { session: 's1', agent: { kind: 'context-exceeded', message: 'too long' } as const };
    story.work('1A', full);
    expect(story.startable[0]).toBe('1A implement #1.2 slot 1');
    expect(story.due[0]).toMatchObject({ brief: { because: 'resumed' } });
    expect(story.due[0]).not.toHaveProperty('session');
    story.work('1A', { ...full, session: 's2' });
    expect(story.phase('1A')).toMatchObject({
      is: 'waiting',
      wait: { for: 'backoff' },
      step: { is: 'implement', because: 'again' },
    });
    // The next attempt may do so again.
    story.now += 60 * MINUTE;
    story.work('1A', full);
    expect(story.phase('1A')).toMatchObject({ is: 'next', step: { because: 'resumed' } });
  });

  it('declined: a person is asked, no retry is burnt', () => {
    story.work('1A', { agent: { kind: 'declined', message: 'flagged' } });
    expect(story.phase('1A')).toEqual({ is: 'asks', message: 'author declined: flagged' });
  });

  it("an author's conversation goes on through limits, one crash, checks and conflicts, and no other's does", () => {
    story = new Story().begin([planItem('1A', { reviewer: 'author', retries: 2 })]);
    const session = (): string | undefined => {
      const [first] = story.due;
      return first?.do === 'work' ? (first.session ?? 'new') : undefined;
    };
    expect(session()).toBe('new');
    story.work('1A', over('s1'));
    story.now += 10 * MINUTE;
    expect(session()).toBe('s1');
    story.work('1A', { session: 's1', agent: { kind: 'crashed', message: 'exit 1' } });
    expect(story.phase('1A')).toMatchObject({ wait: { for: 'backoff' }, step: { because: 'resumed' } });
    story.now += MINUTE;
    expect(session()).toBe('s1');
    story.author('1A', 1);
    story.check('1A', false);
    expect([story.startable, session()]).toEqual([['1A remediate #1.4 slot 1'], 's1']);
    story.author('1A', 2);
    story.check('1A', true, 't2');
    expect([story.startable, session()]).toEqual([['1A review #1.5 slot 1'], 'new']);
    const finding = { id: 'F1', severity: 'major', problem: 'p' } as const;
    story.work('1A', { session: 'r1', judgement: { kind: 'refused', findings: [finding], unmet: [] } });
    expect([story.startable, session()]).toEqual([['1A remediate #1.6 slot 1'], 's1']);
    story.work('1A', { session: 's1', agent: { kind: 'stuck', silentMs: 1 } });
    story.now += 60 * MINUTE;
    expect([story.startable, session()]).toEqual([['1A remediate #1.7 slot 1'], 's1']);
    // Going on with it did not help.
    story.work('1A', { session: 's1', agent: { kind: 'stuck', silentMs: 1 } });
    story.now += 60 * MINUTE;
    expect([story.startable, session()]).toEqual([['1A remediate #1.8 slot 1'], 'new']);
    story.work('1A', { session: 's2', agent: { kind: 'stuck', silentMs: 1 } });
    expect(story.phase('1A')).toMatchObject({ is: 'failed' });
  });

  it('a new attempt begins a new conversation, and a crash without one costs an attempt at once', () => {
    story.work('1A', { agent: { kind: 'crashed', message: 'exit 1' } });
    expect(story.phase('1A')).toMatchObject({ step: { because: 'again' } });
    story.work('1B', { session: 's1', agent: { kind: 'timed-out', afterMs: 1 } });
    story.now += MINUTE;
    story.work('1B', { session: 's1', agent: { kind: 'crashed', message: 'exit 1' } });
    story.now += 60 * MINUTE;
    story.work('1B', { session: 's2', agent: { kind: 'crashed', message: 'exit 2' } });
    story.now += 60 * MINUTE;
    const again = story.due.find((effect) => effect.item === '1B');
    expect(again).toMatchObject({ attempt: 2, brief: { because: 'again' } });
    expect(again).not.toHaveProperty('session');
  });
});
