import { describe, expect, it } from 'vitest';
import type { Effect, LandEffect } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';
import type { CheckOutcome, WorkOutcome } from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import type { Judgement } from '../../src/model/verdict.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { planItem } from '../rig/world.js';

const approved: Judgement = { kind: 'approved', notes: [] };
const finished = { agent: { kind: 'finished' as const }, costUsd: 0, logBytes: 0 };
const passes = (commit: string, tree: string): CheckOutcome => ({
  kind: 'passed',
  commit,
  tree,
  results: [{ command: 'npm test', kind: 'passed', exit: 0, ms: 1, tail: '' }],
});

/** One link of the chain, broken: what comes instead of what would have come. Undefined: as it should be. */
interface Broken {
  readonly review?: (time: number) => Partial<WorkOutcome>;
  readonly check?: (of: string) => CheckOutcome | undefined;
  readonly item?: Partial<PlanItem>;
}

/**
 * A world in which all goes well but for that link, driven until nothing is due. Gives the landings, each held
 * against what had been said by then, and how the milestone stands.
 */
function drive({ review, check, item }: Broken): { landings: string[]; phase: string; reviews: number } {
  let state: RunState = reduce(emptyRun('R'), {
    type: 'run.started',
    target: 'main',
    head: 'h0',
    items: [planItem('1A', { rounds: 2, ...item })],
    settings: { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] },
    history: [],
    passed: [],
    shadow: false,
  });
  const said = { approved: new Set<string>(), green: new Set<string>() };
  const landings: string[] = [];
  let works = 0;
  let reviews = 0;
  let now = 0;

  const outcomeOf = (effect: Effect): unknown => {
    switch (effect.do) {
      case 'work': {
        if (effect.purpose !== 'review') {
          works += 1;
          const harvest = {
            commit: `w${works}`,
            tree: `t${works}`,
            base: 'h0',
            changed: true,
            told: [],
            markers: [],
          };
          return { ...finished, session: 'author', harvest };
        }
        reviews += 1;
        const outcome = {
          ...finished,
          session: `reviewer ${reviews}`,
          judgement: approved,
          ...review?.(reviews),
        };
        const isHis = outcome.session !== 'author';
        if (isHis && outcome.judgement?.kind === 'approved') said.approved.add(effect.from);
        return outcome;
      }
      case 'check': {
        const commit = effect.commit === 'head' ? 'h0' : effect.commit;
        const outcome = check?.(effect.of) ?? passes(commit, commit.replace(/^w/, 't').replace(/^c/, 'm'));
        if (outcome.kind === 'passed') said.green.add(outcome.commit);
        return outcome;
      }
      case 'candidate':
        // Never a tree that is known: each candidate is checked for itself.
        return {
          kind: 'built',
          candidate: { commit: `c${works}`, tree: `m${works}`, base: 'h0', work: effect.commit },
        };
      case 'land': {
        const { candidate } = effect as LandEffect;
        const isRight =
          said.approved.has(candidate.work) &&
          said.green.has(candidate.commit) &&
          said.green.has(candidate.work);
        landings.push(`${candidate.commit} of ${candidate.work}${isRight ? '' : ', unproven'}`);
        return { kind: 'landed', commit: candidate.commit, on: 'target' };
      }
      default:
        throw new Error(effect.do);
    }
  };

  for (let steps = 0; steps < 100; steps += 1) {
    now += 3_600_000;
    const [effect] = decide(state, { now, capacity: 1 });
    if (effect === undefined) break;
    const id = `i${state.nextIntent}`;
    state = reduce(state, {
      type: `${effect.do}.started`,
      id,
      effect,
      inputs: { now, capacity: 1 },
    } as Event);
    state = reduce(state, {
      type: `${effect.do}.ended`,
      id,
      item: '1A',
      now,
      outcome: outcomeOf(effect),
    } as Event);
  }
  return { landings, phase: state.items.get('1A')?.phase.is ?? '', reviews };
}

const withoutVerdict = (): Partial<WorkOutcome> => ({ judgement: undefined as never });
const says = (judgement: Judgement) => (): Partial<WorkOutcome> => ({ judgement });
const ends =
  (kind: 'failed' | 'unstartable', result: object) =>
  (of: string): CheckOutcome | undefined => {
    const results = [{ command: 'npm test', kind, ms: 1, tail: '', ...result }] as Extract<
      CheckOutcome,
      { results: unknown }
    >['results'];
    if (of !== 'work') return undefined;
    return kind === 'failed'
      ? { kind, commit: 'w1', tree: 't1', results }
      : { kind, message: 'could not start', results };
  };

it('with every link whole the approved commit lands, in a candidate that passed', () => {
  expect(drive({})).toEqual({ landings: ['c1 of w1'], phase: 'landed', reviews: 1 });
});

describe('nothing lands', () => {
  it.each<[string, Broken, string]>([
    ['without a verdict', { review: withoutVerdict }, 'failed'],
    [
      'on a verdict that cannot be read, be it a score below the threshold or a refusal without a finding',
      { review: says({ kind: 'unreadable', why: 'its score of 0.2 is below 0.8' }) },
      'failed',
    ],
    [
      'on a refusal',
      {
        review: says({
          kind: 'refused',
          findings: [{ id: 'F1', severity: 'major', problem: 'bad' }],
          unmet: [],
        }),
      },
      'asks',
    ],
    [
      'on the word of the author, in its own conversation',
      { review: () => ({ session: 'author' }) },
      'failed',
    ],
    [
      'on the word of a reviewer that crashed',
      {
        review: () => ({ agent: { kind: 'crashed', message: 'x' }, judgement: approved }),
        item: { retries: 0 },
      },
      'failed',
    ],
    ['on a check that could not start', { check: ends('unstartable', { exit: 127 }) }, 'failed'],
    ['on a check that ran no test', { check: ends('failed', { kind: 'no-tests', exit: 0 }) }, 'asks'],
    ['on a red check', { check: ends('failed', { exit: 1 }) }, 'asks'],
    [
      'where the candidate could not be checked',
      {
        check: (of) =>
          of === 'candidate' ? { kind: 'unstartable', message: 'gone', results: [] } : undefined,
      },
      'failed',
    ],
    [
      'where the candidate is red',
      {
        check: (of) =>
          of === 'candidate'
            ? {
                kind: 'failed',
                commit: 'c1',
                tree: 'm1',
                results: [{ command: 'npm test', kind: 'failed', exit: 1, ms: 1, tail: '' }],
              }
            : undefined,
      },
      'asks',
    ],
  ])('%s', (_, broken, phase) => {
    const { landings, phase: is } = drive(broken);
    expect([landings, is]).toEqual([[], phase]);
  });
});

it('an approval is of one commit: what is changed after it is reviewed again before it lands', () => {
  let checked = 0;
  const candidateIsRedOnce = (of: string): CheckOutcome | undefined => {
    if (of !== 'candidate') return undefined;
    checked += 1;
    if (checked > 1) return undefined;
    const results = [{ command: 'npm test', kind: 'failed' as const, exit: 1, ms: 1, tail: '' }];
    return { kind: 'failed', commit: 'c1', tree: 'm1', results };
  };
  expect(drive({ check: candidateIsRedOnce })).toEqual({
    landings: ['c2 of w2'],
    phase: 'landed',
    reviews: 2,
  });
});
