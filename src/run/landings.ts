/**
 * What candidates and landings mean for a run: made, in conflict, landed, moved, taken back.
 */
import type { CandidateEffect, CheckEffect, LandEffect } from '../model/effect.js';
import type { CandidateOutcome, CheckOutcome, FollowOutcome, LandOutcome } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { ItemState, RunState } from '../model/state.js';
import { heldForTests } from './facts.js';
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
import { commandsFor, paceOf, queueOf, queueStepOf, ridersOf } from './queue.js';
import { landedPace } from './train.js';
import { knowTree } from './verdicts.js';

export function endCandidate(state: RunState, effect: CandidateEffect, outcome: CandidateOutcome): RunState {
  const item = itemOf(state, effect.item);
  const step = stepOf(item);
  switch (outcome.kind) {
    case 'built': {
      const { candidate } = outcome;
      const moved = effect.onto === undefined ? { ...state, head: candidate.base } : state;
      const { commands } = commandsFor(moved, item);
      const known =
        commands.length === 0 ||
        state.passed.has(verdictKey(candidate.tree, state.settings.folder, commands));
      return withItem(
        knowTree(moved, candidate.commit, candidate.tree),
        next(item, known ? { is: 'land', candidate } : { is: 'verify', candidate }),
      );
    }
    case 'clash': {
      const { cars, stacked } = queueOf(state);
      const clash = cars.slice(0, stacked).flatMap((car) => car.item.queued ?? []);
      return withItem(state, next(item, { is: 'candidate', commit: effect.commit, clash }));
    }
    case 'moved':
      return withItem({ ...state, head: outcome.head }, next(item, step));
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

/** A candidate was checked. What its failing means is said by its place in the queue. */
export function endVerify(state: RunState, item: ItemState, outcome: CheckOutcome): RunState {
  const step = stepOf(item);
  if (step.is !== 'verify') throw new Error(`${item.item.id} was verified in step ${step.is}`);
  const { candidate, inside } = step;
  if (inside) return withItem(state, next(item, { is: 'land', candidate, inside }));
  switch (outcome.kind) {
    case 'passed': {
      const held = heldForTests(state, item, outcome.tree, candidate.base);
      return withItem(state, held ?? next(item, { is: 'land', candidate }));
    }
    case 'failed':
      return withItem(state, next(item, { ...step, failed: { tree: outcome.tree } }));
    case 'unstartable':
      return withItem(
        state,
        next(item, { is: 'verify', candidate, failed: { unstartable: outcome.message } }),
      );
    case 'cancelled':
      return withItem(state, next(item, step));
  }
}

/** The head was checked that somebody else moved the target to. */
export function endProbe(state: RunState, effect: CheckEffect, outcome: CheckOutcome): RunState {
  const item = itemOf(state, effect.item);
  const there = withItem(state, next(item, stepOf(item)));
  const { train } = state;
  if (train === undefined || outcome.kind === 'cancelled') return there;
  if (outcome.kind === 'passed') return { ...there, train: { ...train, proven: effect.commit } };
  // Nobody is told to mend what may be a whim of the check's own.
  return train.doubted === effect.commit
    ? { ...there, train: { ...train, red: effect.commit } }
    : { ...there, train: { ...train, doubted: effect.commit } };
}

export function endLand(state: RunState, effect: LandEffect, outcome: LandOutcome, now: number): RunState {
  const item = itemOf(state, effect.item);
  const step = stepOf(item);
  if (step.is !== 'land') throw new Error(`${effect.item} landed in step ${step.is}`);
  switch (outcome.kind) {
    case 'landed': {
      const { shadow: _shadow, ...rest } = step.inside ? state : withRiders(state, effect, outcome.commit);
      const landed: ItemState = release({
        ...item,
        phase: { is: 'landed', commit: outcome.commit, at: now },
      });
      const shadow =
        outcome.on === 'target'
          ? {}
          : { shadow: { tried: false, ...(outcome.block === undefined ? {} : { block: outcome.block }) } };
      return withItem({ ...rest, ...(step.inside ? {} : { head: outcome.commit }), ...shadow }, landed);
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

/** Whoever is before one that has landed has landed inside it. */
function withRiders(state: RunState, effect: LandEffect, commit: string): RunState {
  const riders = ridersOf(state, effect);
  const { train } = state;
  let landed: RunState =
    train === undefined
      ? state
      : {
          ...state,
          train: {
            ...train,
            proven: commit,
            pace: landedPace(paceOf(state), riders.length + 1, state.settings.merge?.parallel ?? 1),
          },
        };
  for (const rider of riders) {
    const step = queueStepOf(rider);
    if (step === undefined || step.is === 'candidate') continue;
    const { candidate } = step;
    landed = withItem(
      landed,
      rider.phase.is === 'doing'
        ? { ...rider, phase: { ...rider.phase, step: { ...step, inside: true } } }
        : next(rider, { is: 'land', candidate, inside: true }),
    );
  }
  return landed;
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
