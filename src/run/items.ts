/**
 * An item as a run knows it, and the small moves that every fold over it makes.
 */
import { createHash } from 'node:crypto';
import type { Brakes } from '../model/brakes.js';
import { isSameText } from '../model/digest.js';
import type { ItemId } from '../model/effect.js';
import type { ItemHistory } from '../model/event.js';
import type { TreeKey } from '../model/outcome.js';
import type { PlanItem } from '../model/plan.js';
import type { ItemState, Phase, RunState, Step } from '../model/state.js';

function firstStep(item: PlanItem): Step {
  switch (item.kind) {
    case 'milestone':
      return { is: 'implement', because: 'first' };
    case 'gate':
      return { is: 'check', commit: 'head', of: 'stage' };
    case 'base':
      return { is: 'check', commit: 'head', of: 'base' };
    case 'sync':
      // Its digest is the head that the target moved to.
      return { is: 'candidate', commit: item.digest };
  }
}

export function freshItem(item: PlanItem, past?: ItemHistory, forgotten = 0): ItemState {
  const known = past !== undefined && isSameText(past.digest, item) ? past : undefined;
  const phase: Phase =
    known?.end === undefined
      ? { is: 'next', step: firstStep(item) }
      : { is: known.end.is, message: known.end.message };
  return {
    item,
    phase,
    attempt: known?.attempts ?? forgotten,
    forgotten,
    assignment: 0,
    round: 0,
    checks: [],
    findings: [],
    unmet: [],
    brakes: brakesFrom(known),
    costUsd: known?.costUsd ?? 0,
    ...(known?.estimated === undefined ? {} : { estimated: known.estimated }),
    ...(known?.consent === undefined ? {} : { consent: known.consent }),
    told: [],
  };
}

/** What earlier runs know of a version's record. */
const brakesFrom = (known: ItemHistory | undefined): Brakes => ({
  ladder: known?.ladder ?? [],
  fingerprints: known?.fingerprints ?? [],
  interruptions: known?.interruptions ?? 0,
  starts: known?.starts ?? 0,
  fruitless: known?.fruitless ?? 0,
  ...(known?.tree === undefined ? {} : { tree: known.tree }),
});

export function itemOf(state: RunState, id: ItemId): ItemState {
  const item = state.items.get(id);
  if (item === undefined) throw new Error(`the journal speaks of ${id}, which is not in the run`);
  return item;
}

export function withItem(state: RunState, item: ItemState): RunState {
  return { ...state, items: new Map(state.items).set(item.item.id, item) };
}

export function stepOf(item: ItemState): Step {
  if (item.phase.is !== 'doing') throw new Error(`${item.item.id} is ${item.phase.is}, not doing anything`);
  return item.phase.step;
}

export const release = ({ slot: _slot, ...item }: ItemState): ItemState => item;
export const next = (item: ItemState, step: Step): ItemState => ({ ...item, phase: { is: 'next', step } });
export const fail = (item: ItemState, message: string): ItemState =>
  release({ ...item, phase: { is: 'failed', message } });
export const ask = (item: ItemState, message: string): ItemState =>
  release({ ...item, phase: { is: 'asks', message } });

export const counted = (number: number, noun: string, nouns = `${noun}s`): string =>
  `${number} ${number === 1 ? noun : nouns}`;

/** What verdicts are remembered by: the tree, what its folder was made with, and the commands. */
export function verdictKey(tree: TreeKey, folder: string, commands: readonly string[]): string {
  const rest = createHash('sha256')
    .update(JSON.stringify([folder, commands]))
    .digest('hex');
  return `${tree}:${rest.slice(0, 16)}`;
}
