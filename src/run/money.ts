/**
 * What a run has spent, what is put aside for agents at work, and whether another may start.
 *
 * Sums are made in whole millionths of a dollar: the same decision must come out whatever the order in
 * which amounts are added.
 */
import type { Purpose, WorkEffect } from '../model/effect.js';
import type { WorkOutcome } from '../model/outcome.js';
import type { RunState, Spend } from '../model/state.js';

/** A further agent may cost this much more than the half of those before it. */
const MARGIN = 1.5;
/** Of the budget, for an agent of a purpose that nothing is known about. */
const FIRST_SHARE = 0.05;

export const NOTHING_SPENT: Spend = { usd: 0, costs: new Map(), untold: new Set() };

const micros = (usd: number): number => Math.round(usd * 1e6);

/** One more assignment has ended. */
export function spent(spend: Spend, { purpose, agent }: WorkEffect, outcome: WorkOutcome): Spend {
  const { costUsd } = outcome;
  const finished = outcome.agent.kind === 'finished';
  // One that was cut short before it cost anything says nothing about what the next will cost.
  if (!finished && costUsd === 0) return spend;
  return {
    usd: (micros(spend.usd) + micros(costUsd)) / 1e6,
    costs: new Map(spend.costs).set(purpose, [...(spend.costs.get(purpose) ?? []), costUsd]),
    untold: finished && costUsd === 0 ? new Set(spend.untold).add(agent) : spend.untold,
  };
}

/**
 * What is put aside for one more agent, USD: what is configured, else 1.5 times the median of what agents
 * of this purpose cost in this run, else a twentieth of the budget. Undefined where there is no budget.
 */
export function reservationFor(state: RunState, purpose: Purpose): number | undefined {
  const { budget } = state.settings;
  if (budget === undefined) return undefined;
  if (budget.perMilestone !== undefined) return budget.perMilestone;
  const costs = [...(state.spend.costs.get(purpose) ?? [])].sort((a, b) => a - b);
  const upper = costs[costs.length >> 1];
  const lower = costs[(costs.length - 1) >> 1];
  if (upper === undefined || lower === undefined) return micros(budget.usd * FIRST_SHARE) / 1e6;
  return micros(((upper + lower) / 2) * MARGIN) / 1e6;
}

/** What may still be put aside, whole millionths of a dollar. Without a budget there is no end to it. */
export function microsLeft(state: RunState): number {
  const { budget } = state.settings;
  if (budget === undefined) return Number.POSITIVE_INFINITY;
  let left = micros(budget.usd) - micros(state.spend.usd);
  for (const { effect } of state.flights.values()) {
    // One that was started before there was a budget has put nothing aside.
    if (effect.do === 'work') left -= micros(effect.reserveUsd ?? reservationFor(state, effect.purpose) ?? 0);
  }
  return left;
}

/** Whether what is left (`microsLeft`) is enough; the rest that it leaves, else undefined. */
export function afterReserving(left: number, reserveUsd: number | undefined): number | undefined {
  const rest = left - micros(reserveUsd ?? 0);
  return rest >= 0 ? rest : undefined;
}
