/** A run that goes on under another plan: others who review or nobody, other checks. */
import { expect, it } from 'vitest';
import type { Effect } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';
import type { CheckResult } from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { reviewersOf } from '../../src/run/reviews.js';
import { planItem } from '../rig/world.js';

const both = ['claude', 'codex'].map((name) => ({ name, agent: name }));
const security = { name: 'security', agent: 'claude', role: 'security', paths: ['src/auth/**'] };
const plans: readonly PlanItem[] = [
  { reviewer: false as const },
  { reviewer: 'claude' },
  { reviewer: 'codex' },
  { reviewer: 'claude', reviewers: both },
  { reviewer: 'claude', reviewers: [...both, security] },
  { reviewer: 'claude', checks: ['npm test', 'npm run lint'] },
  { reviewer: false as const, checks: [] },
].map((over) => planItem('1A', over));

const settings = { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };
const inputs = { now: 1, capacity: 1 };

/** What came of it, and what stood against the landing under the plan of that moment. */
function drive(before: PlanItem, after: PlanItem, at: number, inFlight: boolean) {
  const approvals = new Set<string>();
  const green = new Set<string>();
  const missing: string[] = [];
  let plan = before;
  let state: RunState = reduce(emptyRun('R'), {
    type: 'run.started',
    target: 'main',
    head: 'h0',
    items: [plan],
    settings,
    history: [],
    passed: [],
    shadow: false,
  });
  const goOn = (): void => {
    plan = after;
    state = reduce(state, { type: 'run.continued', head: 'h0', items: [plan], settings, shadow: false });
  };
  const outcomeOf = (effect: Effect): object => {
    const finished = { agent: { kind: 'finished' }, costUsd: 0, logBytes: 0 };
    switch (effect.do) {
      case 'work': {
        if (effect.purpose === 'review') {
          approvals.add(effect.reviewer ?? effect.agent);
          return { ...finished, judgement: { kind: 'approved', notes: [] } };
        }
        const touches = reviewersOf(plan).flatMap(({ name, paths }) => (paths === undefined ? [] : [name]));
        const harvest = {
          commit: 'w1',
          tree: 't1',
          base: 'h0',
          changed: true,
          told: [],
          markers: [],
          touches,
        };
        return { ...finished, harvest };
      }
      case 'check': {
        const results = effect.commands.map(
          (command): CheckResult => ({ command, kind: 'passed', exit: 0, ms: 1, tail: '' }),
        );
        if (effect.of === 'candidate') for (const command of effect.commands) green.add(command);
        const tree = effect.of === 'candidate' ? 'm1' : 't1';
        return { kind: 'passed', commit: effect.commit, tree, results };
      }
      case 'candidate':
        return { kind: 'built', candidate: { commit: 'c1', tree: 'm1', base: 'h0', work: effect.commit } };
      case 'land':
        return { kind: 'landed', commit: effect.candidate.commit, on: 'target' };
      default:
        throw new Error(effect.do);
    }
  };
  for (let step = 0; step < 40; step += 1) {
    if (step === at && !inFlight) goOn();
    const [effect] = decide(state, inputs);
    if (effect === undefined) break;
    const id = `i${state.nextIntent}`;
    if (effect.do === 'land') {
      missing.push(
        ...reviewersOf(plan).flatMap(({ name }) => (approvals.has(name) ? [] : [name])),
        ...plan.checks.filter((command) => !green.has(command)),
      );
    }
    state = reduce(state, { type: `${effect.do}.started`, id, effect, inputs } as Event);
    // A landing that was begun is taken up as it was decided.
    if (step === at && inFlight && effect.do !== 'land') goOn();
    const outcome = outcomeOf(effect);
    state = reduce(state, { type: `${effect.do}.ended`, id, item: '1A', now: 1, outcome } as Event);
  }
  return { phase: state.items.get('1A')?.phase.is, missing };
}

it('whenever it does, nothing lands but what those who review by then approved and the checks of then passed', () => {
  for (const [a, before] of plans.entries()) {
    for (const [b, after] of plans.entries()) {
      for (let at = 1; at < 10; at += 1) {
        for (const inFlight of [false, true]) {
          const story = `plan ${a}, at step ${at}${inFlight ? ' while it is under way' : ''} plan ${b}`;
          expect(drive(before, after, at, inFlight), story).toEqual({ phase: 'landed', missing: [] });
        }
      }
    }
  }
});
