import { expect, it } from 'vitest';
import type { Decision, Subject } from '../../src/model/decision.js';
import type { Effect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { historyOf } from '../../src/run/history.js';
import { emptyRun, replay } from '../../src/run/index.js';
import { standingOf, waitOf } from '../../src/run/questions.js';
import { planItem } from '../rig/world.js';

const inputs = { now: 1000, capacity: 2 };
const settings: RunSettings = { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };
const JO = 'Jo <jo@example.org>';

const begin = (
  items: readonly PlanItem[],
  over: Partial<Extract<Event, { type: 'run.started' }>> = {},
): RunState =>
  replay(emptyRun('R'), [
    {
      type: 'run.started',
      target: 'main',
      head: 'h0',
      items,
      settings,
      history: [],
      passed: [],
      shadow: false,
      ...over,
    },
  ]);

const due = (state: RunState): string[] =>
  decide(state, inputs).map((effect) => `${effect.item} ${effect.do}`);

/** The one effect that is due, begun and ended. */
function act(state: RunState, outcome: object): RunState {
  const [effect] = decide(state, inputs) as [Effect];
  const id = `i${state.nextIntent}`;
  return replay(state, [
    { type: `${effect.do}.started`, id, effect, inputs } as Event,
    { type: `${effect.do}.ended`, id, item: effect.item, now: inputs.now, outcome } as Event,
  ]);
}

const finished = (n: number): object => ({
  agent: { kind: 'finished' },
  costUsd: 0,
  logBytes: 0,
  harvest: { commit: `w${n}`, tree: `t${n}`, base: 'h0', changed: true, told: [], markers: [] },
});

const decided = (verdict: Decision['verdict'], subject: Subject, because?: string): Event => ({
  type: 'decision',
  decision: {
    id: JSON.stringify([verdict, subject]),
    item: '1A',
    verdict,
    subject,
    by: JO,
    at: 5,
    ...(because === undefined ? {} : { because }),
  },
});

const work = (n: number): Subject => ({ of: 'merge', commit: `w${n}`, tree: `t${n}` });
const asked = (over: Partial<PlanItem>): PlanItem =>
  planItem('1A', { reviewer: false, checks: [], rounds: 1, approval: 'merge', ...over });

it('work that waits for a person gives its slot away, and lands in whose name it was approved', () => {
  const waiting = act(begin([asked({}), planItem('1B', { priority: -1 })]), finished(1));
  expect(due(waiting)).toEqual(['1B work']);
  const item = waiting.items.get('1A');
  expect(item && waitOf(waiting, item, 0)).toEqual({
    for: 'approval',
    item: '1A',
    of: 'merge',
    target: 'main',
  });
  const approved = replay(waiting, [decided('approved', work(1))]);
  expect(decide(approved, inputs)[0]).toMatchObject({
    do: 'candidate',
    commit: 'w1',
    approved: { by: JO, at: 5 },
  });
});

it('an approval of other work, or of work as it was before a conflict, is none', () => {
  const waiting = act(begin([asked({})]), finished(1));
  expect(replay(waiting, [decided('approved', work(2))])).toBe(waiting);
  const resolved = act(
    act(replay(waiting, [decided('approved', work(1))]), { kind: 'conflict', onto: 'h1', files: ['a'] }),
    finished(2),
  );
  expect([due(resolved), standingOf(resolved, inputs)]).toEqual([
    [],
    { is: 'paused', exit: 3, why: '1A waits for your approval' },
  ]);
  expect(due(replay(resolved, [decided('approved', work(2))]))).toEqual(['1A candidate']);
});

it('a rejection goes back to the author with its reason, in the rounds that there are', () => {
  const waiting = act(begin([asked({})]), finished(1));
  const rejected = replay(waiting, [decided('rejected', work(1), 'no index')]);
  expect(decide(rejected, inputs)[0]).toMatchObject({
    purpose: 'remediate',
    brief: {
      because: 'review',
      findings: [{ severity: 'blocker', cites: `the decision of ${JO}`, problem: 'no index' }],
    },
  });
  const again = replay(act(rejected, finished(2)), [decided('rejected', work(2), 'still none')]);
  expect(again.items.get('1A')?.phase).toEqual({
    is: 'asks',
    message: '1 round of remediation did not mend it: the review holds 1 finding against it',
  });
});

it('what was approved of a text holds for that text alone, over retries and runs', () => {
  const item = asked({ approval: 'before' });
  const text: Subject = { of: 'before', digest: item.digest };
  const approved = replay(begin([item]), [decided('approved', text)]);
  expect(due(approved)).toEqual(['1A work']);
  const failed = act(approved, { agent: { kind: 'unstartable', message: 'x' }, costUsd: 0, logBytes: 0 });
  expect(due(replay(failed, [{ type: 'items.reset', items: ['1A'] }]))).toEqual(['1A work']);

  const { history } = historyOf([approved]);
  expect(due(begin([item], { history }))).toEqual(['1A work']);
  expect(due(begin([{ ...item, digest: 'v1:0' }], { history }))).toEqual([]);
});

it('a text that was rejected is given up until it is another, or is retried and approved', () => {
  const item = asked({ approval: 'before' });
  const rejected = replay(begin([item]), [
    decided('rejected', { of: 'before', digest: item.digest }, 'not yet'),
  ]);
  expect(rejected.items.get('1A')?.phase).toEqual({ is: 'asks', message: `rejected by ${JO}: not yet` });
  const retried = replay(rejected, [{ type: 'items.reset', items: ['1A'] }]);
  expect([due(retried), standingOf(retried, inputs)]).toEqual([
    [],
    { is: 'paused', exit: 3, why: '1A waits for your approval' },
  ]);
});
