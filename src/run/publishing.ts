/**
 * When the target gets what landed, and what the world is told of it: `land: stage|end|pr` and tags.
 *
 * With any of them landings go to `mstone/<target>`. The target follows once a stage is complete or the run
 * has come to its end, or never by itself: with `pr` branches are pushed and pull requests opened.
 */
import type { PublishEffect } from '../model/effect.js';
import type { PublishOutcome } from '../model/outcome.js';
import type { ItemState, RunState } from '../model/state.js';
import { isSettled } from './questions.js';

const hasLanded = (item: ItemState): boolean => item.phase.is === 'landed';
const hasSucceeded = (item: ItemState): boolean => hasLanded(item) || item.phase.is === 'passed';

const ofStages = (state: RunState): ItemState[] =>
  [...state.items.values()].filter(({ item }) => item.kind === 'milestone' || item.kind === 'gate');

/** Nothing of the stage is left to be done, neither in this run nor after it. */
const isComplete = (state: RunState, stage: number): boolean =>
  (state.settings.completes ?? []).includes(stage) &&
  ofStages(state).every((item) => item.item.stage !== stage || hasSucceeded(item));

/** Whether the target may catch up now with what landed beside it. */
function mayFollow(state: RunState): boolean {
  const { land } = state.settings;
  switch (land?.is) {
    case 'pr':
      return false;
    case 'stage': {
      const stages = [
        ...land.beside,
        ...ofStages(state)
          .filter(hasLanded)
          .map(({ item }) => item.stage),
      ];
      return stages.length > 0 && stages.every((stage) => isComplete(state, stage));
    }
    case 'end':
    case undefined:
      return state.flights.size === 0 && [...state.items.values()].every((item) => isSettled(state, item));
  }
}

/** The target is asked once whether it can catch up, while nothing lands. */
export const wantsToFollow = (state: RunState): boolean =>
  state.shadow !== undefined &&
  !state.shadow.tried &&
  // What the target got by itself is merged first, or is a person's to merge.
  (state.items.get('sync')?.phase.is ?? 'landed') === 'landed' &&
  mayFollow(state) &&
  ![...state.flights.values()].some(
    ({ effect }) => effect.do === 'follow' || effect.do === 'candidate' || effect.do === 'land',
  );

/** The next thing to tag or push. One at a time; what failed stops the others until the run is taken up again. */
export function toPublish(state: RunState): PublishEffect | undefined {
  if (state.unpublished !== undefined) return undefined;
  if ([...state.flights.values()].some(({ effect }) => effect.do === 'publish')) return undefined;
  return publications(state).find(({ what }) => state.published?.has(what) !== true);
}

const byLanding = (a: ItemState, b: ItemState): number => landedAt(a) - landedAt(b);
const landedAt = ({ phase }: ItemState): number => (phase.is === 'landed' ? phase.at : 0);
const commitOf = ({ phase }: ItemState): string =>
  phase.is === 'landed' || phase.is === 'passed' ? phase.commit : '';

/** All that has landed and is to be told of, in the order in which it landed. */
function publications(state: RunState): PublishEffect[] {
  const { land, stageTag } = state.settings;
  const pull = land?.is === 'pr' ? land : undefined;
  if (pull === undefined && stageTag === undefined) return [];
  const landed = ofStages(state).filter(hasLanded).sort(byLanding);
  const common = { do: 'publish', item: 'publish' } as const;
  const pullOf = (name: string): Pick<PublishEffect, 'pull'> =>
    pull === undefined ? {} : { pull: { remote: pull.remote, branch: `mstone/${name}`, base: pull.base } };
  const each = pull?.per === 'milestone' ? landed : [];
  const milestones = each.map((one): PublishEffect => {
    const { id } = one.item;
    return { ...common, what: id, items: [id], commit: commitOf(one), ...pullOf(id) };
  });
  if (pull?.per === 'milestone' && stageTag === undefined) return milestones;

  const stages = [...new Set(landed.map(({ item }) => item.stage))].filter((stage) =>
    isComplete(state, stage),
  );
  return [
    ...milestones,
    ...stages.map((stage): PublishEffect => {
      const members = landed.filter(({ item }) => item.stage === stage);
      // A gate that passed did so at the head with which the stage is complete.
      const last = ofStages(state).find(({ item, phase }) => item.stage === stage && phase.is === 'passed');
      return {
        ...common,
        what: `stage ${stage}`,
        items: members.map(({ item }) => item.id),
        commit: commitOf(last ?? (members.at(-1) as ItemState)),
        ...(stageTag === undefined ? {} : { tag: stageTag.replaceAll('{stage}', String(stage)) }),
        ...(pull?.per === 'stage' ? pullOf(`stage-${stage}`) : {}),
      };
    }),
  ];
}

export function endPublish(state: RunState, what: string, outcome: PublishOutcome): RunState {
  if (outcome.kind === 'published') {
    return { ...state, published: new Map(state.published).set(what, outcome) };
  }
  return { ...state, unpublished: { what, message: outcome.message, command: outcome.command } };
}
