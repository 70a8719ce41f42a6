import { expect, it } from 'vitest';
import type { Effect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce, replay } from '../../src/run/index.js';
import { standingOf } from '../../src/run/questions.js';
import { planItem } from '../rig/world.js';

const inputs = { now: 1000, capacity: 4 };
const settings: RunSettings = { jobs: 4, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };

const begin = (items: readonly PlanItem[], over: Partial<RunSettings>): RunState =>
  replay(emptyRun('R'), [
    {
      type: 'run.started',
      target: 'main',
      head: 'h0',
      items,
      settings: { ...settings, ...over },
      history: [],
      passed: [],
      shadow: false,
    },
  ]);

const milestone = (id: string, needs: readonly string[] = []): PlanItem =>
  planItem(id, { stage: Number(id[0]), needs, reviewer: false, checks: [] });

/** What an effect comes to where all goes well and landings are held beside the target. */
function outcomeOf(effect: Effect, number: number): object {
  switch (effect.do) {
    case 'work': {
      const harvest = {
        commit: `w${number}`,
        tree: `t${number}`,
        base: 'h0',
        changed: true,
        told: [],
        markers: [],
      };
      return { agent: { kind: 'finished' }, costUsd: 0, logBytes: 0, harvest };
    }
    case 'candidate': {
      const { head, commit, item } = effect;
      return {
        kind: 'built',
        candidate: { commit: `c${item}`, tree: `t${number}`, base: head, work: commit },
      };
    }
    case 'land':
      return { kind: 'landed', commit: effect.candidate.commit, on: 'shadow' };
    case 'follow':
      return { kind: 'followed', head: 'h' };
    case 'publish':
      return { kind: 'published' };
    case 'check':
      return { kind: 'passed', commit: 'h', tree: 't', results: [] };
  }
}

const told = (effect: Effect): string =>
  effect.do === 'publish'
    ? `publish ${effect.what} ${effect.commit}${effect.tag === undefined ? '' : ` as ${effect.tag}`}${effect.pull === undefined ? '' : ` in ${effect.pull.branch}`}`
    : `${effect.do} ${effect.item}`;

/** Runs to where nothing more can start; every intent leaves exactly the rest of what was decided. */
function drive(begun: RunState, outcome = outcomeOf): { done: string[]; state: RunState } {
  let state = begun;
  const done: string[] = [];
  for (;;) {
    const effects = decide(state, inputs);
    if (effects.length === 0) return { done, state };
    const started: [string, Effect][] = [];
    for (const [index, effect] of effects.entries()) {
      expect(decide(state, inputs)).toEqual(effects.slice(index));
      const id = `i${state.nextIntent}`;
      state = reduce(state, { type: `${effect.do}.started`, id, effect, inputs } as Event);
      started.push([id, effect]);
    }
    for (const [id, effect] of started) {
      done.push(told(effect));
      const ended = {
        id,
        item: effect.item,
        now: inputs.now + done.length,
        outcome: outcome(effect, done.length),
      };
      state = reduce(state, { type: `${effect.do}.ended`, ...ended } as Event);
    }
  }
}

const acts = (done: readonly string[]): string[] => done.filter((one) => !/^(?:work|candidate)/.test(one));
const plan = [milestone('1A'), milestone('1B'), milestone('2A', ['1A', '1B'])];

it('with `stage` the target follows after each whole stage, and each is tagged where it was complete', () => {
  const { done, state } = drive(
    begin(plan, { land: { is: 'stage', beside: [] }, completes: [1, 2], stageTag: 's{stage}' }),
  );
  expect(acts(done)).toEqual([
    'land 1A',
    'land 1B',
    'follow follow',
    'publish stage 1 c1B as s1',
    'land 2A',
    'follow follow',
    'publish stage 2 c2A as s2',
  ]);
  expect(standingOf(state, inputs)).toEqual({ is: 'ended', exit: 0, why: 'all done' });
});

it('with `stage` what is incomplete, now or from before, stays beside the target, which is no failure', () => {
  for (const land of [
    { is: 'stage', beside: [] } as const,
    // The rest of stage 3 is in no run of today.
    { is: 'stage', beside: [3] } as const,
  ]) {
    const { done, state } = drive(
      begin([milestone('1A')], { land, completes: land.beside.length > 0 ? [1] : [] }),
    );
    expect([acts(done), standingOf(state, inputs)]).toEqual([
      ['land 1A'],
      { is: 'ended', exit: 0, why: 'all done' },
    ]);
  }
});

it('with `end` the target follows once', () => {
  expect(acts(drive(begin(plan, { land: { is: 'end' }, completes: [1, 2] })).done)).toEqual([
    'land 1A',
    'land 1B',
    'land 2A',
    'follow follow',
  ]);
});

it('with `pr` the target never follows, and what could not be pushed is tried again when the run is taken up', () => {
  const land = { is: 'pr', per: 'milestone', remote: 'origin', base: 'main' } as const;
  const failing = drive(begin(plan, { land, completes: [1, 2] }), (effect, number) =>
    effect.do === 'publish' && effect.what === '1B'
      ? { kind: 'failed', message: 'no network', command: 'git push' }
      : outcomeOf(effect, number),
  );
  expect(acts(failing.done)).toEqual([
    'land 1A',
    'publish 1A c1A in mstone/1A',
    'land 1B',
    'publish 1B c1B in mstone/1B',
    'land 2A',
  ]);
  expect(standingOf(failing.state, inputs)).toEqual({
    is: 'paused',
    exit: 3,
    why: '1B could not be published',
  });
  const { head, settings: same } = failing.state;
  const again = reduce(failing.state, {
    type: 'run.continued',
    head,
    items: [],
    settings: same,
    shadow: true,
  });
  const { done, state } = drive(again);
  expect(done).toEqual(['publish 1B c1B in mstone/1B', 'publish 2A c2A in mstone/2A']);
  expect(standingOf(state, inputs)).toEqual({ is: 'ended', exit: 0, why: 'all done' });
});
