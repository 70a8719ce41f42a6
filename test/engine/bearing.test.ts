/** Work that bears on the checks, in many worlds: nothing of it lands without a word on it. */
import { expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Event } from '../../src/model/event.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { peaceful, planItem, World } from '../rig/world.js';

/** Of each landing, whether its work bore on the checks, and whether a reviewer of that commit allowed it. */
function landings(journal: readonly Event[]): string[] {
  const bears = new Set<string>();
  const allowed = new Set<string>();
  const reviewing = new Map<string, string>();
  return journal.flatMap((event) => {
    if (event.type === 'work.started' && event.effect.purpose === 'review')
      reviewing.set(event.id, event.effect.from);
    if (event.type === 'work.ended') {
      const { harvest, judgement } = event.outcome;
      if (harvest?.facts !== undefined) bears.add(harvest.commit);
      if (judgement?.kind === 'approved' && judgement.allows !== undefined)
        allowed.add(reviewing.get(event.id) ?? '');
    }
    if (event.type !== 'land.started') return [];
    const { work } = event.effect.candidate;
    return [!bears.has(work) ? 'plain' : allowed.has(work) ? 'allowed' : 'unanswered'];
  });
}

it('in two hundred worlds none lands without one, and each replays to what it was', async () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= 200; seed += 1) {
    const world = new World(seed, { ...peaceful, bears: 0.5, refused: 0.1, candidateFails: 0.1 }, 2);
    const started: Event = {
      type: 'run.started',
      target: 'main',
      head: world.head,
      items: ['1A', '1B', '1C'].map((id) => planItem(id)),
      settings: { jobs: 2, failFast: false, wait: true, backoffMs: 1000, folder: '', argv: [] },
      history: [],
      passed: [],
      shadow: false,
    };
    world.journal.push(started);
    const end = await driveRun(world.ports(), reduce(emptyRun('r'), started), new Control());
    expect([seed, end.end?.is, world.violations]).toEqual([seed, 'ended', []]);
    let state: RunState = emptyRun('r');
    for (const event of world.journal) {
      if ('effect' in event) expect([seed, decide(state, event.inputs)[0]]).toEqual([seed, event.effect]);
      state = reduce(state, event);
    }
    expect(state).toEqual(end);
    for (const kind of landings(world.journal)) seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  expect([...seen.keys()].sort()).toEqual(['allowed', 'plain']);
  expect(Math.min(...seen.values())).toBeGreaterThan(50);
});
