import { expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Ports } from '../../src/engine/ports.js';
import type { Approval, Decision } from '../../src/model/decision.js';
import type { Event, LandTerms, RunSettings } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { awaitedOf } from '../../src/run/approvals.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce, replay } from '../../src/run/index.js';
import { type Chances, Killed, peaceful, planItem, seeded, World } from '../rig/world.js';

const chances: Chances = {
  ...peaceful,
  limited: 0.05,
  interrupted: 0.03,
  checkFails: 0.15,
  refused: 0.2,
  conflict: 0.1,
  candidateFails: 0.05,
  moved: 0.05,
};

function randomItems(random: () => number): PlanItem[] {
  const items: PlanItem[] = [];
  let before: string[] = [];
  for (let stage = 1; stage <= 1 + Math.floor(random() * 3); stage += 1) {
    const ids: string[] = [];
    for (let n = 0; n < 1 + Math.floor(random() * 3); n += 1) {
      const id = `${stage}${String.fromCharCode(65 + n)}`;
      const approval = ([undefined, 'before', 'merge'] as (Approval | undefined)[])[Math.floor(random() * 3)];
      items.push(
        planItem(id, {
          stage,
          needs: [...ids.filter(() => random() < 0.3), ...before],
          reviewer: random() < 0.3 ? false : 'reviewer',
          ...(approval === undefined ? {} : { approval }),
        }),
      );
      ids.push(id);
    }
    before = ids;
    if (random() < 0.5) {
      const reviewed = random() < 0.6 ? { stageReview: true as const } : { reviewer: false as const };
      items.push(planItem(`${stage}-gate`, { kind: 'gate', stage, needs: ids, ...reviewed }));
      before = [`${stage}-gate`];
    }
  }
  return items;
}

const LANDS: readonly (LandTerms | undefined)[] = [
  undefined,
  { is: 'stage', beside: [] },
  { is: 'end' },
  { is: 'pr', per: 'stage', remote: 'origin', base: 'main' },
  { is: 'pr', per: 'milestone', remote: 'origin', base: 'main' },
];

/** Each intent is the first of what is decided where it was written down. */
function holds(journal: readonly Event[], story: string): RunState {
  let state = emptyRun('R');
  for (const event of journal) {
    if ('effect' in event) {
      const [first] = decide(state, event.inputs);
      expect(first, `${story} ${event.id}`).toEqual(event.effect);
      const item = state.items.get(event.effect.item);
      // Nothing goes on that a person has not seen.
      expect(item === undefined ? undefined : awaitedOf(item), `${story} ${event.id}`).toBeUndefined();
      if (event.effect.do === 'candidate' && item?.item.approval === 'merge') {
        expect(item.consent?.subject, story).toMatchObject({ commit: event.effect.commit });
      }
      if (event.effect.do === 'follow') wholeStages(state, story);
    }
    state = reduce(state, event);
  }
  return state;
}

/** With `stage` the target is never moved to a part of one. */
function wholeStages(state: RunState, story: string): void {
  if (state.settings.land?.is !== 'stage') return;
  const all = [...state.items.values()];
  for (const { item, phase } of all) {
    if (phase.is !== 'landed') continue;
    const open = all.filter(
      (other) =>
        other.item.stage === item.stage && other.phase.is !== 'landed' && other.phase.is !== 'passed',
    );
    expect(
      open.map((other) => other.item.id),
      `${story}: ${item.id}`,
    ).toEqual([]);
  }
}

it('in three hundred random worlds with people in them nothing goes on unseen, and each comes to its end', async () => {
  const seen = { during: 0, between: 0, rejected: 0, followed: 0, published: 0, gates: 0 };
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = seeded(seed * 7919);
    const story = `seed ${seed}`;
    const items = randomItems(random);
    const land = LANDS[seed % LANDS.length];
    const settings: RunSettings = {
      jobs: 1 + Math.floor(random() * 3),
      failFast: false,
      wait: true,
      backoffMs: 1000,
      folder: '',
      limits: { reserve: 0, burst: 3 },
      argv: [],
      ...(land === undefined ? {} : { land }),
      ...(random() < 0.5 ? { stageTag: 's{stage}' } : {}),
      completes: [1, 2, 3],
    };
    const world = new World(seed, chances, settings.jobs);
    const opening: Event = {
      type: 'run.started',
      target: 'main',
      head: 'head0',
      items,
      settings,
      history: [],
      passed: [],
      shadow: false,
    };
    world.journal.push(opening);
    let state = reduce(emptyRun('R'), opening);
    let number = 0;

    const decisionsOn = (now: RunState): Decision[] =>
      [...now.items.values()].flatMap((item) => {
        const subject = awaitedOf(item);
        if (subject === undefined || random() < 0.3) return [];
        const verdict = subject.of === 'merge' && random() < 0.2 ? 'rejected' : 'approved';
        number += 1;
        return [{ id: `d${number}`, item: item.item.id, verdict, subject, by: 'Jo', at: world.now }];
      });
    const portsOf = (control: Control): Ports => {
      const ports = world.ports((_event, now) => {
        if (random() > 0.05) return;
        for (const decision of decisionsOn(now)) {
          seen.during += 1;
          control.decide(decision);
        }
      });
      // As git does it where landings are held back.
      return land === undefined
        ? ports
        : {
            ...ports,
            land: async (id, effect) => {
              const outcome = await ports.land(id, effect);
              return outcome.kind === 'landed' ? { ...outcome, on: 'shadow' } : outcome;
            },
          };
    };

    for (let lives = 0; state.end?.is !== 'ended'; lives += 1) {
      expect(lives, story).toBeLessThan(200);
      world.restart();
      if (lives < 3 && random() < 0.5) {
        world.killAt = { append: 1 + Math.floor(random() * 30), when: random() < 0.5 ? 'before' : 'after' };
      }
      const control = new Control();
      try {
        state = await driveRun(portsOf(control), state, control);
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        state = replay(emptyRun('R'), world.journal);
        continue;
      }
      if (state.end?.is === 'ended') break;
      // Nobody had said a word: the next command finds what was said since.
      const left = items.filter(({ id }) => state.items.get(id)?.phase.is !== 'landed');
      const more: Event[] = [
        {
          type: 'run.continued',
          head: world.head,
          items: left,
          settings,
          shadow: state.shadow !== undefined,
        },
        ...decisionsOn(state).map((decision): Event => ({ type: 'decision', decision })),
      ];
      seen.between += more.length - 1;
      world.journal.push(...more);
      state = replay(state, more);
    }

    expect(world.violations, story).toEqual([]);
    expect(holds(world.journal, story), story).toEqual(state);
    for (const event of world.journal) {
      if (event.type === 'decision' && event.decision.verdict === 'rejected') seen.rejected += 1;
      if (event.type === 'follow.ended') seen.followed += 1;
      if (event.type === 'publish.ended') seen.published += 1;
      if (event.type === 'work.started' && event.effect.item.endsWith('-gate')) seen.gates += 1;
    }
    if (state.end?.exit === 0 && land?.is === 'pr') {
      const whats = [...(state.published?.keys() ?? [])].filter(
        (what) => /^stage/.test(what) === (land.per === 'stage'),
      );
      const landed = [...state.items.values()].filter(({ phase }) => phase.is === 'landed');
      expect(new Set(whats), story).toEqual(
        new Set(landed.map(({ item }) => (land.per === 'stage' ? `stage ${item.stage}` : item.id))),
      );
    }
    if (state.end?.exit === 0 && (land?.is === 'stage' || land?.is === 'end')) {
      expect(state.shadow, story).toBeUndefined();
    }
  }
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(30);
});
