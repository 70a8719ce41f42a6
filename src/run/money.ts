/**
 * What a run has spent, what is put aside for agents at work, and whether another may start.
 *
 * Sums are made in whole millionths of a dollar: the same decision must come out whatever the order in
 * which amounts are added.
 */
import { dayOf } from '../model/day.js';
import type { Purpose, WorkEffect } from '../model/effect.js';
import type { WorkOutcome } from '../model/outcome.js';
import type { RunState, Spend } from '../model/state.js';

/** A further agent may cost this much more than the half of those before it. */
const MARGIN = 1.5;
/** Of the budget, for an agent of a purpose that nothing is known about. */
const FIRST_SHARE = 0.05;
/** No day is longer, ms. */
const LONGEST_DAY = 26 * 3_600_000;

export const NOTHING_SPENT: Spend = {
  usd: 0,
  tokens: 0,
  costs: new Map(),
  sizes: new Map(),
  untold: new Set(),
  charges: [],
};

const micros = (usd: number): number => Math.round(usd * 1e6);

/** One more assignment has ended, at `now` (epoch ms). */
export function spent(spend: Spend, effect: WorkEffect, outcome: WorkOutcome, now: number): Spend {
  const { purpose, agent } = effect;
  const { costUsd } = outcome;
  const tokens = (outcome.tokens?.input ?? 0) + (outcome.tokens?.output ?? 0);
  const finished = outcome.agent.kind === 'finished';
  // One that was cut short before it cost anything says nothing about what the next will cost.
  if (!finished && costUsd === 0 && tokens === 0) return spend;
  const counts = finished || costUsd > 0;
  return {
    usd: (micros(spend.usd) + micros(costUsd)) / 1e6,
    tokens: spend.tokens + tokens,
    costs: counts ? withOne(spend.costs, purpose, costUsd) : spend.costs,
    sizes: tokens > 0 ? withOne(spend.sizes, purpose, tokens) : spend.sizes,
    untold: finished && costUsd === 0 ? new Set(spend.untold).add(agent) : spend.untold,
    charges: costUsd > 0 ? [...spend.charges, { at: now, usd: costUsd }] : spend.charges,
  };
}

const withOne = (
  all: ReadonlyMap<Purpose, readonly number[]>,
  purpose: Purpose,
  one: number,
): ReadonlyMap<Purpose, readonly number[]> => new Map(all).set(purpose, [...(all.get(purpose) ?? []), one]);

/** The mean of the two in the middle; undefined of nothing. */
function median(numbers: readonly number[]): number | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/**
 * What has to be there for one more agent, USD: what is configured, else 1.5 times the median of what agents
 * of this purpose cost in this run, else a twentieth of the budget. Undefined where there is no budget.
 */
export function reservationFor(state: RunState, purpose: Purpose): number | undefined {
  const { budget } = state.settings;
  const most = Math.min(
    budget?.usd ?? Number.POSITIVE_INFINITY,
    budget?.perDay?.usd ?? Number.POSITIVE_INFINITY,
  );
  if (budget === undefined || most === Number.POSITIVE_INFINITY) return undefined;
  if (budget.perMilestone !== undefined) return budget.perMilestone;
  const middle = median(state.spend.costs.get(purpose) ?? []);
  return micros(middle === undefined ? most * FIRST_SHARE : middle * MARGIN) / 1e6;
}

/** Likewise in tokens, sent and received; undefined where they are not limited. */
function tokensFor(state: RunState, purpose: Purpose): number | undefined {
  const most = state.settings.budget?.tokens;
  if (most === undefined) return undefined;
  const middle = median(state.spend.sizes.get(purpose) ?? []);
  return Math.ceil(middle === undefined ? most * FIRST_SHARE : middle * MARGIN);
}

/** What may still be put aside. Where nothing limits it there is no end to it. */
export interface Left {
  /** Of the run's budget, whole millionths of a dollar. */
  readonly run: number;
  /** Of today's, likewise. */
  readonly day: number;
  readonly tokens: number;
}

/** What has been spent since midnight, by this run and by those before it, millionths of a dollar. */
function microsToday({ settings, spend }: RunState, now: number): number {
  const perDay = settings.budget?.perDay;
  if (perDay === undefined) return 0;
  const today = dayOf(now, perDay.tz);
  let sum = perDay.others.day === today ? micros(perDay.others.usd) : 0;
  for (const { at, usd } of spend.charges) {
    if (Math.abs(now - at) < LONGEST_DAY && dayOf(at, perDay.tz) === today) sum += micros(usd);
  }
  return sum;
}

/** USD that agents have cost today, where that is limited. */
export const usdToday = (state: RunState, now: number): number => microsToday(state, now) / 1e6;

export function leftOf(state: RunState, now: number): Left {
  const { budget } = state.settings;
  let aside = 0;
  let tokens = 0;
  for (const { effect } of state.flights.values()) {
    if (effect.do !== 'work') continue;
    // One that was started before there was a budget has put nothing aside.
    aside += micros(effect.capUsd ?? effect.reserveUsd ?? reservationFor(state, effect.purpose) ?? 0);
    tokens += effect.reserveTokens ?? tokensFor(state, effect.purpose) ?? 0;
  }
  const none = Number.POSITIVE_INFINITY;
  return {
    run: budget?.usd === undefined ? none : micros(budget.usd) - micros(state.spend.usd) - aside,
    day: budget?.perDay === undefined ? none : micros(budget.perDay.usd) - microsToday(state, now) - aside,
    tokens: budget?.tokens === undefined ? none : budget.tokens - state.spend.tokens - tokens,
  };
}

/** The brakes that a run has. */
export type Brake = 'budget' | 'day' | 'tokens';

/** What of that which is left does not hold one more agent; undefined if all of it does. */
export function lacking(left: Left, state: RunState, purpose: Purpose): Brake | undefined {
  const least = micros(reservationFor(state, purpose) ?? 0);
  if (left.run < least) return 'budget';
  if (left.day < least) return 'day';
  return left.tokens < (tokensFor(state, purpose) ?? 0) ? 'tokens' : undefined;
}

/**
 * What is put aside for one more agent, and what is left then; undefined where that does not suffice.
 *
 * Beyond its reservation an agent gets its share of what the agents beside it (`others` may still be started
 * with it) would not need. That is the most that it may cost, and all of it is put aside: the sum of what is
 * spent and of what those at work may still cost never exceeds the budget.
 */
export function putAside(
  left: Left,
  state: RunState,
  purpose: Purpose,
  others: number,
): { left: Left; reserve: Pick<WorkEffect, 'reserveUsd' | 'capUsd' | 'reserveTokens'> } | undefined {
  if (lacking(left, state, purpose) !== undefined) return undefined;
  const reserveUsd = reservationFor(state, purpose);
  const reserveTokens = tokensFor(state, purpose);
  const least = micros(reserveUsd ?? 0);
  const there = Math.min(left.run, left.day);
  const shared =
    reserveUsd === undefined ? 0 : Math.floor(Math.max(0, there - least * (others + 1)) / (others + 1));
  const cap = least + shared;
  return {
    left: { run: left.run - cap, day: left.day - cap, tokens: left.tokens - (reserveTokens ?? 0) },
    reserve: {
      ...(reserveUsd === undefined ? {} : { reserveUsd, capUsd: cap / 1e6 }),
      ...(reserveTokens === undefined ? {} : { reserveTokens }),
    },
  };
}
