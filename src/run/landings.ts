/**
 * What candidates and landings mean for a run: made, in conflict, landed, moved, taken back.
 */
import type { ItemId } from '../model/effect.js';
import type { CandidateOutcome, FollowOutcome, LandOutcome } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { ItemState, RunState } from '../model/state.js';
import {
  ask,
  counted,
  fail,
  freshItem,
  itemOf,
  next,
  release,
  stepOf,
  verdictKey,
  withItem,
} from './items.js';
import { knowTree } from './verdicts.js';

export function endCandidate(state: RunState, id: ItemId, outcome: CandidateOutcome): RunState {
  const item = itemOf(state, id);
  const step = stepOf(item);
  switch (outcome.kind) {
    case 'built': {
      const { candidate } = outcome;
      const known =
        item.item.checks.length === 0 ||
        state.passed.has(verdictKey(candidate.tree, state.settings.folder, item.item.checks));
      const moved = knowTree({ ...state, head: candidate.base }, candidate.commit, candidate.tree);
      return withItem(
        item.item.kind === 'sync' ? state : moved,
        next(item, known ? { is: 'land', candidate } : { is: 'verify', candidate }),
      );
    }
    case 'conflict':
      if (item.item.kind === 'sync') {
        return withItem(
          state,
          ask(item, `${state.target} moved and conflicts with what landed, in ${outcome.files.join(', ')}`),
        );
      }
      if (item.round >= item.item.rounds) {
        return withItem(
          state,
          ask(
            item,
            `it still conflicts after ${counted(item.round, 'round')}, in ${outcome.files.join(', ')}`,
          ),
        );
      }
      return withItem(state, next(item, { is: 'resolve', onto: outcome.onto, files: outcome.files }));
    case 'diverged':
      return addSync(withItem(state, next(item, step)), outcome.target);
    case 'rewound':
      return rewind(withItem(state, next(item, step)), outcome);
    case 'refused':
      return withItem(state, fail(item, outcome.message));
    default:
      return unreachable(outcome);
  }
}

export function endLand(state: RunState, id: ItemId, outcome: LandOutcome, now: number): RunState {
  const item = itemOf(state, id);
  const step = stepOf(item);
  if (step.is !== 'land') throw new Error(`${id} landed in step ${step.is}`);
  switch (outcome.kind) {
    case 'landed': {
      const { shadow: _shadow, ...rest } = state;
      const landed: ItemState = release({
        ...item,
        phase: { is: 'landed', commit: outcome.commit, at: now },
      });
      const shadow =
        outcome.on === 'target'
          ? {}
          : { shadow: { tried: false, ...(outcome.block === undefined ? {} : { block: outcome.block }) } };
      return withItem({ ...rest, head: outcome.commit, ...shadow }, landed);
    }
    case 'moved':
      return withItem(
        { ...state, head: outcome.head },
        next(item, { is: 'candidate', commit: step.candidate.work }),
      );
    case 'rewound':
      return rewind(withItem(state, next(item, { is: 'candidate', commit: step.candidate.work })), outcome);
    case 'refused':
      return withItem(state, fail(item, outcome.message));
    default:
      return unreachable(outcome);
  }
}

export function endFollow(state: RunState, outcome: FollowOutcome): RunState {
  switch (outcome.kind) {
    case 'followed': {
      const { shadow: _shadow, ...rest } = state;
      return { ...rest, head: outcome.head };
    }
    case 'blocked':
      return { ...state, shadow: { tried: true, block: outcome.block } };
    case 'diverged':
      return addSync(state, outcome.target);
    case 'rewound':
      return rewind(state, outcome);
    default:
      return unreachable(outcome);
  }
}

const rewind = (state: RunState, { expected, found }: { expected: string; found: string }): RunState => ({
  ...state,
  rewound: { expected, found },
});

/** The target's own new head is merged into the shadow branch as a candidate of its own. */
function addSync(state: RunState, target: string): RunState {
  const milestone = [...state.items.values()].find((item) => item.item.kind === 'milestone');
  return withItem(
    state,
    freshItem({
      id: 'sync',
      kind: 'sync',
      stage: 0,
      title: `${state.target} as it moved by itself`,
      digest: target,
      needs: [],
      priority: 0,
      remainingMinutes: 0,
      author: milestone?.item.author ?? '',
      reviewer: false,
      resolver: milestone?.item.resolver ?? '',
      checks: milestone?.item.checks ?? [],
      rounds: 0,
      retries: 0,
    }),
  );
}
