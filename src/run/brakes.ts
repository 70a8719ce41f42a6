/**
 * What keeps a milestone from being worked at for ever: one record (`Brakes`) that goes with a version of its
 * text over attempts, crashes and runs. Only `mstone retry` and another text begin it anew.
 *
 * `remediation.ts` stops at the same files with the same things held against them, `ladder.ts` at what breaks
 * off again and again. This file stops what neither sees: starts that change nothing, and starts without end,
 * by whatever path they came about.
 */
import type { Brakes } from '../model/brakes.js';
import type { WorkEffect } from '../model/effect.js';
import type { WorkOutcome } from '../model/outcome.js';
import type { PlanItem } from '../model/plan.js';
import type { ItemState } from '../model/state.js';
import { ask } from './items.js';
import { isWork } from './questions.js';

/** Starts in a row that changed nothing: at one an hour, as while a service has no room, four days. */
export const MOST_FRUITLESS = 100;

/** Assignments that a version of a milestone may take in all, several times what its attempts and rounds come to. */
export const mostStarts = ({ retries, rounds }: Pick<PlanItem, 'retries' | 'rounds'>): number =>
  100 + (retries + 1) * (rounds + 1) * 10;

/** The record after an assignment. It got somewhere if it came to its end in order, or left other files than were there. */
export function worked(brakes: Brakes, effect: WorkEffect, { agent, harvest }: WorkOutcome): Brakes {
  const left = effect.purpose === 'review' ? undefined : harvest;
  const isOther =
    left !== undefined && (brakes.tree === undefined ? left.changed : left.tree !== brakes.tree);
  return {
    ...brakes,
    starts: brakes.starts + 1,
    fruitless: agent.kind === 'finished' || isOther ? 0 : brakes.fruitless + 1,
    ...(left === undefined ? {} : { tree: left.tree }),
  };
}

/** The item, held where an agent would be started once too often. */
export function held(item: ItemState): ItemState {
  const { phase, brakes } = item;
  if ((phase.is !== 'next' && phase.is !== 'waiting') || !isWork(phase.step)) return item;
  if (brakes.fruitless >= MOST_FRUITLESS) {
    return ask(
      item,
      `no progress: an agent was started ${brakes.fruitless} times in a row and nothing changed`,
    );
  }
  if (brakes.starts >= mostStarts(item.item)) {
    return ask(item, `agents were started ${brakes.starts} times for it, and it has not landed`);
  }
  return item;
}
