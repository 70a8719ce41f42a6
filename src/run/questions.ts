/**
 * What people and the engine ask of a run's state: why something waits, and how it all ended.
 *
 * A run ends or pauses with one exit code, whatever came together: 130 and 143 (the engine's, where the
 * user interferes) before 5 before 1 before 3 before 75. A run that pauses while something has failed says
 * 1 and can be resumed all the same.
 */
import { nextDay } from '../model/day.js';
import type { Inputs, RunSettings } from '../model/event.js';
import type { ItemState, RunState, Step, Wait } from '../model/state.js';
import { awaiting } from './approvals.js';
import { firstToOpen, handFor, isBarred, isShut, shutWords } from './credentials.js';
import { launchableAt } from './launches.js';
import { type Brake, lacking, leftOf, reservationFor, usdToday } from './money.js';
import { blockersOf, gaveUp, succeeded, unmetNeeds } from './needs.js';
import { queueOf, queueStepOf } from './queue.js';
import { agentsFor, reviewerAt } from './reviews.js';

/** Nothing more will happen to it in this run. */
export const isSettled = (state: RunState, item: ItemState): boolean =>
  succeeded(item) ||
  gaveUp(item) ||
  (item.phase.is !== 'doing' && (blockersOf(state, item).length > 0 || heldByFailFast(state, item)));

/** Under `--fail-fast` nothing new begins once something has failed. */
const heldByFailFast = (state: RunState, item: ItemState): boolean =>
  state.settings.failFast &&
  item.phase.is === 'next' &&
  item.phase.step.is === 'implement' &&
  item.phase.step.because === 'first' &&
  [...state.items.values()].some(gaveUp);

/** What an item waits for, if it does: time, other items, the landing lane, a slot, a checkout, a person. */
export function waitOf(state: RunState, item: ItemState, now: number): Wait | undefined {
  const { phase } = item;
  if (phase.is === 'waiting' && phase.wait.until > now) return phase.wait;
  if (phase.is === 'asks') return { for: 'person', why: phase.message };
  if (phase.is === 'landed' && state.shadow?.block !== undefined)
    return { for: 'checkout', block: state.shadow.block };
  if (phase.is !== 'next' && phase.is !== 'waiting') return undefined;
  // What keeps it from ever starting says more than what it would start after.
  const causes = blockersOf(state, item);
  const needs = causes.length > 0 ? causes : unmetNeeds(state, item);
  if (needs.length > 0) return { for: 'dependency', items: needs };
  const asked = awaiting(item);
  if (asked !== undefined) return { for: 'approval', item: item.item.id, of: asked, target: state.target };
  const { step } = phase;
  if (queueStepOf(item) !== undefined) {
    const red = redWords(state);
    if (red !== undefined) return { for: 'person', why: red };
    const first = queueOf(state).cars[0]?.item;
    if (first !== undefined && first !== item && state.end === undefined)
      return { for: 'lane', item: first.item.id };
  }
  if (isWork(step)) {
    const agent = agentOf(item, step);
    if (handFor(state, item, step, agent, now) === undefined) {
      const first = firstToOpen(state, item, step, agent, now);
      if (first === undefined) return { for: 'person', why: shutWords(state, agent).join('; ') };
      if (!isBarred(state, item, step, agent, now)) return { for: 'probe', credential: first.credential };
      return { for: 'credential', ...first };
    }
    const until = launchableAt(state.settings, state.launches, now);
    if (until > now && agentsOf(state) < state.settings.jobs) return { for: 'launch', until };
  }
  if (state.pressure !== undefined && isWork(step) && agentsOf(state) < state.settings.jobs) {
    return { for: 'host', why: state.pressure };
  }
  return { for: 'slot' };
}

/** Agents at work. */
export const agentsOf = (state: RunState): number =>
  [...state.flights.values()].filter(({ effect }) => effect.do === 'work').length;

/** What the machine is short of, while that keeps an agent from starting. */
export const shortageOf = (state: RunState, now: number): string | undefined =>
  [...state.items.values()].some((item) => waitOf(state, item, now)?.for === 'host')
    ? state.pressure
    : undefined;

/** When something that waits for a time could go on, epoch ms; undefined: nothing does. */
export function nextTurn(state: RunState, now: number): number | undefined {
  const untils = [...state.items.values()].flatMap((item) => {
    if (isSettled(state, item)) return [];
    const wait = waitOf(state, item, now);
    return wait !== undefined && 'until' in wait && wait.until > now ? [wait.until] : [];
  });
  return untils.length === 0 ? undefined : Math.min(...untils);
}

/** Whose turn it is at a step, unless another has to stand in. */
export function agentOf(item: ItemState, step: WorkStep): string {
  if (step.is === 'review') return reviewerAt(item, step)?.agent ?? item.item.author;
  return step.is === 'resolve' ? item.item.resolver : item.item.author;
}

export type WorkStep = Extract<Step, { is: 'implement' | 'remediate' | 'resolve' | 'review' }>;

/** Steps that need an agent. */
export const isWork = (step: Step): step is WorkStep =>
  step.is === 'implement' || step.is === 'remediate' || step.is === 'resolve' || step.is === 'review';

/**
 * What keeps an item's agent from ever being started under the run's settings: the deadline, if it has
 * passed or will have before the agent could start; a budget that does not hold its reservation. While
 * other agents are at work the latter may change: they may cost less than was put aside for them.
 */
export function heldBy(state: RunState, item: ItemState, now: number): 'deadline' | Brake | undefined {
  const { phase } = item;
  if ((phase.is !== 'next' && phase.is !== 'waiting') || !isWork(phase.step)) return undefined;
  if (isSettled(state, item) || unmetNeeds(state, item).length > 0) return undefined;
  if (awaiting(item) !== undefined) return undefined;
  const wait = waitOf(state, item, now);
  const earliest = wait !== undefined && 'until' in wait ? wait.until : now;
  if (earliest >= (state.settings.deadline ?? Number.POSITIVE_INFINITY)) return 'deadline';
  return lacking(leftOf(state, earliest), state, phase.step.is);
}

/** The least budget under which an agent could start that the budget holds back; undefined if none is. */
export function budgetNeeded(state: RunState): number | undefined {
  const free = { ...state, settings: withoutDeadline(state.settings) };
  const wanted = [...state.items.values()].flatMap((item) => {
    const { phase } = item;
    if (!('step' in phase) || !isWork(phase.step)) return [];
    if (heldBy(free, item, 0) !== 'budget') return [];
    return [state.spend.usd + (reservationFor(state, phase.step.is) ?? 0)];
  });
  return wanted.length === 0 ? undefined : Math.min(...wanted);
}

const withoutDeadline = ({ deadline: _deadline, ...settings }: RunSettings): RunSettings => settings;

export type Standing =
  | { readonly is: 'going' }
  /** Nothing can start before `until` (epoch ms). */
  | { readonly is: 'waiting'; readonly until: number }
  /** `until`: when a limit resets, where nothing but that is waited for. */
  | { readonly is: 'paused'; readonly exit: 1 | 3 | 5 | 75; readonly why: string; readonly until?: number }
  | { readonly is: 'ended'; readonly exit: 0 | 1 | 3 | 5; readonly why: string };

/** Where the run stands when `decide` has nothing to start and nothing is in flight. */
export function standingOf(state: RunState, { now }: Inputs): Standing {
  if (state.flights.size > 0) return { is: 'going' };
  if (state.rewound !== undefined) return { is: 'ended', ...exitOf(state) };
  const open = [...state.items.values()].filter((item) => !isSettled(state, item));
  const unpublished =
    state.unpublished === undefined ? [] : [`${state.unpublished.what} could not be published`];
  if (open.length === 0) {
    if (unpublished.length === 0) return { is: 'ended', ...exitOf(state) };
    // Taken up again it is tried again.
    return { is: 'paused', exit: troubleOf(state)?.exit ?? 3, why: unpublished.join('') };
  }

  const held = new Map(open.map((item) => [item, heldBy(state, item, now)]));
  const waits = open.flatMap((item) => {
    if (held.get(item) !== undefined) return [];
    const wait = waitOf(state, item, now);
    return wait !== undefined && 'until' in wait ? [wait] : [];
  });
  const backoffs = waits.filter((wait) => wait.for !== 'credential').map((wait) => wait.until);
  const limits = waits.flatMap((wait) => (wait.for === 'credential' ? [wait] : []));
  const waitedFor = state.settings.wait ? [...backoffs, ...limits.map((wait) => wait.until)] : backoffs;
  if (waitedFor.length > 0) return { is: 'waiting', until: Math.min(...waitedFor) };

  const asked = open
    .filter((item) => waitOf(state, item, now)?.for === 'approval')
    .map(({ item }) => item.id);
  const reasons = new Set(held.values());
  const shut = uselessWords(state);
  const first = limits.sort((a, b) => a.until - b.until)[0];
  const red = open.some((item) => queueStepOf(item) !== undefined) ? redWords(state) : undefined;
  const why = [
    ...shut,
    ...(red === undefined ? [] : [red]),
    ...(asked.length === 0
      ? []
      : [`${asked.join(', ')} ${asked.length === 1 ? 'waits' : 'wait'} for your approval`]),
    ...unpublished,
    ...(reasons.has('deadline') ? ['the deadline has come'] : []),
    ...(reasons.has('budget') ? [moneyWords(state)] : []),
    ...(reasons.has('day') ? [dayWords(state, now)] : []),
    ...(reasons.has('tokens') ? [tokenWords(state)] : []),
    ...(first === undefined ? [] : [limitWords(first)]),
  ];
  if (why.length === 0) return { is: 'going' };
  return {
    is: 'paused',
    // What failed elsewhere counts for more than a pause, but the run can be resumed all the same.
    exit:
      troubleOf(state)?.exit ??
      (shut.length + asked.length + unpublished.length > 0 || red !== undefined ? 3 : 75),
    why: why.join('; '),
    ...(why.length > 1 ? {} : endOf(state, first?.until, reasons.has('day') ? now : undefined)),
  };
}

const limitWords = ({ credential, kept }: Extract<Wait, { for: 'credential' }>): string =>
  kept === undefined
    ? `${credential} is limited`
    : `what is left of ${credential} is kept for milestones that have begun`;
/** Nothing can land on a head that somebody else broke. */
const redWords = ({ target, head, train }: RunState): string | undefined =>
  train?.red === head
    ? `${target} fails its own checks since it was moved to ${head.slice(0, 12)}: mend it, then go on`
    : undefined;

/** Credentials that are shut, where an agent of this run has no other. */
function uselessWords(state: RunState): string[] {
  const agents = new Set([...state.items.values()].flatMap(({ item }) => agentsFor(item)));
  const useless = [...agents].filter((agent) => isShut(state, agent));
  return [...new Set(useless.flatMap((agent) => shutWords(state, agent)))];
}

/** When the one thing that is waited for comes by itself: a limit's reset, or the day after `today`. */
function endOf(
  { settings }: RunState,
  limit: number | undefined,
  today: number | undefined,
): { readonly until?: number } {
  if (limit !== undefined) return { until: limit };
  return today === undefined ? {} : { until: nextDay(today, settings.budget?.perDay?.tz) };
}

const moneyWords = ({ settings, spend }: RunState): string =>
  `the budget of $${(settings.budget?.usd ?? 0).toFixed(2)} does not hold another agent: $${spend.usd.toFixed(2)} is spent`;

const dayWords = (state: RunState, now: number): string =>
  `the budget of $${(state.settings.budget?.perDay?.usd ?? 0).toFixed(2)} a day does not hold another agent: $${usdToday(state, now).toFixed(2)} is spent today`;

const tokenWords = ({ settings, spend }: RunState): string =>
  `the budget of ${settings.budget?.tokens ?? 0} tokens does not hold another agent: ${spend.tokens} are used`;

/** `130/143 > 5 > 1 > 3 > 75`: blocked counts as its cause, which is an item of its own. */
export function exitOf(state: RunState): { exit: 0 | 1 | 3 | 5; why: string } {
  const trouble = troubleOf(state);
  if (trouble !== undefined) return trouble;
  if (isBehind(state)) return { exit: 3, why: `${state.target} could not follow mstone/${state.target}` };
  return { exit: 0, why: 'all done' };
}

/** Whether the target should have caught up with what landed beside it, and has not. */
const isBehind = ({ shadow, settings: { land } }: RunState): boolean =>
  shadow !== undefined && (land === undefined || land.is === 'end' || (land.is === 'stage' && shadow.tried));

/** What has gone wrong for good so far, the worst of it. */
function troubleOf(state: RunState): { exit: 1 | 3 | 5; why: string } | undefined {
  const items = [...state.items.values()];
  const ids = (is: 'failed' | 'asks'): string[] =>
    items.filter((item) => item.phase.is === is).map((item) => item.item.id);
  if (state.items.get('base')?.phase.is === 'failed') {
    return { exit: 5, why: `${state.target} fails its own checks` };
  }
  const failed = ids('failed');
  if (failed.length > 0) return { exit: 1, why: `${failed.join(', ')} failed` };
  if (state.rewound !== undefined) return { exit: 3, why: `${state.target} was moved backwards` };
  const asks = ids('asks');
  if (asks.length > 0) return { exit: 3, why: `${asks.join(', ')} needs you` };
  return undefined;
}
