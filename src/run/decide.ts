/**
 * What to do next, as a pure function of a run's state, the time and the capacity.
 *
 * It holds for every state that the first effect, once its intent is folded in, leaves exactly the rest:
 * `decide(reduce(s, intent of e1)) = [e2, e3, …]` where `decide(s) = [e1, e2, e3, …]`. A journal can
 * therefore be replayed intent by intent.
 */
import type { Brief, CheckEffect, Effect, FollowEffect, WorkEffect } from '../model/effect.js';
import type { Inputs } from '../model/event.js';
import type { CheckResult } from '../model/outcome.js';
import type { ItemState, RunState, Step } from '../model/state.js';
import { awaiting } from './approvals.js';
import { canRoam, handFor } from './credentials.js';
import { openFacts } from './facts.js';
import { afterLaunch, launchableAt } from './launches.js';
import { type Left, leftOf, putAside } from './money.js';
import { blockersOf, unmetNeeds } from './needs.js';
import { toPublish, wantsToFollow } from './publishing.js';
import { agentOf, agentsOf, isSettled, isWork, type WorkStep } from './questions.js';
import { commandsFor, ordersOf, type QueueOrders } from './queue.js';
import { reviewerAt } from './reviews.js';
import { Slots } from './slots.js';

/** Finishing beats starting. */
const ORDER: Readonly<Record<Step['is'], number>> = {
  land: 0,
  verify: 1,
  candidate: 2,
  check: 3,
  resolve: 4,
  remediate: 5,
  review: 6,
  implement: 7,
};

/** The effects to start now, in order. Empty when the run has ended, is full, or waits. */
export function decide(state: RunState, { now, capacity }: Inputs): Effect[] {
  if (state.end !== undefined || state.rewound !== undefined) return [];

  // Nothing lands while the target catches up.
  const follow = wantsToFollow(state) ? ({ do: 'follow', item: 'follow' } as const) : undefined;
  const publish = toPublish(state);
  const effects: Effect[] = [
    ...(follow === undefined ? [] : [follow]),
    ...(publish === undefined ? [] : [publish]),
  ];
  const busy = follow === undefined ? state : withFollow(state, follow);
  const desk = new Desk(busy, Math.min(capacity, state.settings.jobs), now);
  for (const { item, step } of dueSteps(state, now)) {
    const effect = desk.take(item, step, now);
    if (effect === undefined) continue;
    effects.push(effect);
    desk.begun();
  }
  return effects;
}

/** Whose turn it is: steps whose time has come, most finished first, longest remaining path first. */
function dueSteps(state: RunState, now: number): { item: ItemState; step: Step }[] {
  const failed = [...state.items.values()].some(
    (item) => item.phase.is === 'failed' || item.phase.is === 'asks',
  );
  const due: { item: ItemState; step: Step }[] = [];
  for (const item of state.items.values()) {
    const { phase } = item;
    if (phase.is !== 'next' && phase.is !== 'waiting') continue;
    if (phase.is === 'waiting' && phase.wait.until > now) continue;
    if (unmetNeeds(state, item).length > 0 || blockersOf(state, item).length > 0) continue;
    if (awaiting(item) !== undefined) continue;
    const { step } = phase;
    if (isWork(step) && now >= (state.settings.deadline ?? Number.POSITIVE_INFINITY)) continue;
    if (state.settings.failFast && failed && step.is === 'implement' && step.because === 'first') continue;
    due.push({ item, step });
  }
  return due.sort(
    (a, b) =>
      ORDER[a.step.is] - ORDER[b.step.is] ||
      b.item.item.priority - a.item.item.priority ||
      b.item.item.remainingMinutes - a.item.item.remainingMinutes ||
      (a.item.item.id < b.item.item.id ? -1 : 1),
  );
}

/** Slots, agents, money and the landing lane, as they are given out while one decision is made. */
class Desk {
  private readonly slots: Slots;
  private agents: number;
  private readonly queue: QueueOrders;
  /** What nobody has put aside yet. */
  private left: Left;
  /** Items that may still need an agent beside those at work. */
  private open: number;
  private launches: number | undefined;
  /** Credentials in doubt on which this decision has started somebody. */
  private readonly tried = new Set<string>();
  private readonly state: RunState;
  private readonly limit: number;

  constructor(state: RunState, limit: number, now: number) {
    this.state = state;
    this.limit = limit;
    this.left = leftOf(state, now);
    this.open =
      state.settings.budget === undefined
        ? 0
        : [...state.items.values()].filter((item) => !isSettled(state, item)).length - agentsOf(state);
    this.slots = new Slots(state, now);
    this.launches = state.launches;
    this.queue = ordersOf(state);
    this.agents = 0;
    for (const { effect } of state.flights.values()) {
      if (effect.do === 'work') this.agents += 1;
    }
  }

  /** What was taken is under way. */
  begun(): void {
    this.slots.begun();
  }

  take(item: ItemState, step: Step, now: number): Effect | undefined {
    const { id } = item.item;
    const common = { item: id, attempt: item.attempt };
    switch (step.is) {
      case 'implement':
      case 'remediate':
      case 'resolve':
      case 'review': {
        if (this.agents >= this.limit) return undefined;
        const hand = handFor(this.state, item, step, agentOf(item, step), now, this.tried);
        if (hand === undefined || launchableAt(this.state.settings, this.launches, now) > now) {
          return undefined;
        }
        const { agent, credential } = hand;
        const work = workFor(item, step, agent);
        const others = Math.max(0, Math.min(this.state.settings.jobs - this.agents, this.open) - 1);
        const aside = putAside(this.left, this.state, work.purpose, others);
        if (aside === undefined) return undefined;
        const wanted = startedOn(this.state, item, work, credential);
        const bound = wanted.session === undefined ? undefined : item.session?.slot;
        const own = bound === undefined ? 'gone' : this.slots.takeBound(item, bound);
        if (own === 'busy') return undefined;
        // Where its folder will not be had again, its conversation is not either.
        const started = bound !== undefined && own === 'gone' ? withoutSession(wanted) : wanted;
        const slot = own === 'gone' ? this.slots.take(item) : own;
        if (slot === undefined) return undefined;
        this.agents += 1;
        this.open -= 1;
        this.left = aside.left;
        this.launches = afterLaunch(this.state.settings, this.launches, now);
        if (this.state.guesses.has(credential)) this.tried.add(credential);
        const before = started.session === undefined ? undefined : item.session?.costUsd;
        return {
          ...started,
          slot,
          ...aside.reserve,
          ...(aside.reserve.capUsd === undefined || before === undefined ? {} : { sessionUsd: before }),
        };
      }
      case 'check':
        return this.check(item, step.commit, step.of, step.again);
      case 'verify': {
        if (this.queue.probe === id) {
          const commands = this.state.settings.merge?.checks ?? [];
          return this.check(item, this.state.head, 'head', undefined, { commands, with: [] });
        }
        if (!this.queue.check.includes(id)) return undefined;
        const what = commandsFor(this.state, item);
        return this.check(item, step.candidate.commit, 'candidate', step.again, what);
      }
      case 'candidate': {
        const { build } = this.queue;
        if (build?.item !== id) return undefined;
        return {
          do: 'candidate',
          ...common,
          commit: step.commit,
          head: this.state.head,
          ...(build.onto === undefined ? {} : { onto: build.onto }),
          date: now,
          rounds: item.round,
          costUsd: item.costUsd,
          ...(item.estimated === undefined ? {} : { estimated: item.estimated }),
          review: item.item.reviewer === false ? 'off' : 'approved',
          ...(item.consent === undefined ? {} : { approved: { by: item.consent.by, at: item.consent.at } }),
          agent: item.wrote ?? item.item.author,
        };
      }
      case 'land': {
        const { land } = this.queue;
        if (land?.item !== id) return undefined;
        const onto = land.onto === undefined ? {} : { onto: land.onto };
        return { do: 'land', ...common, candidate: step.candidate, ...onto };
      }
    }
  }

  private check(
    item: ItemState,
    commit: CheckEffect['commit'],
    of: CheckEffect['of'],
    failed?: readonly CheckResult[],
    { commands, with: riders }: ReturnType<typeof commandsFor> = { commands: item.item.checks, with: [] },
  ): Effect | undefined {
    const isCandidate = of === 'candidate' || of === 'head';
    const isLent = this.state.train !== undefined && isCandidate && item.slot === undefined;
    const slot = isLent ? this.slots.lend() : this.slots.take(item);
    if (slot === undefined) return undefined;
    const { id } = item.item;
    return {
      do: 'check',
      item: id,
      attempt: item.attempt,
      round: item.round,
      slot,
      commit,
      of,
      commands,
      ...(failed === undefined ? {} : { again: true }),
      ...(riders.length === 0 ? {} : { with: riders }),
      ...(isLent ? { lent: true } : {}),
    };
  }
}

const withoutSession = ({ session: _session, ...work }: Omit<WorkEffect, 'slot'>): Omit<WorkEffect, 'slot'> =>
  work;

/** A conversation goes with it only where the CLI knows it under another credential, too. */
function startedOn(
  { settings }: RunState,
  item: ItemState,
  work: Omit<WorkEffect, 'slot'>,
  credential: string,
): Omit<WorkEffect, 'slot'> {
  if (settings.credentials?.[work.agent] === undefined) return work;
  const { session, ...rest } = work;
  const goesOn = item.session?.credential === credential || canRoam(settings, work.agent);
  return { ...rest, credential, ...(session === undefined || !goesOn ? {} : { session }) };
}

function workFor(item: ItemState, step: WorkStep, agent: string): Omit<WorkEffect, 'slot'> {
  const begins = step.is === 'implement' && (step.because === 'first' || step.because === 'again');
  const attempt = begins ? item.attempt + 1 : Math.max(1, item.attempt);
  const common = {
    do: 'work' as const,
    item: item.item.id,
    attempt,
    assignment: begins ? 1 : item.assignment + 1,
    round: begins ? 0 : item.round,
  };
  const facts = { checks: item.checks, findings: item.findings, unmet: item.unmet };
  const nothing: Omit<Brief, 'because'> = { checks: [], findings: [], unmet: [] };
  const broke = item.brakes.ladder.map(({ setback }) => setback);
  const setbacks = broke.length === 0 ? {} : { setbacks: broke };
  // What a failed attempt left is to be looked at, not to be built upon.
  const left =
    begins && step.because === 'again' && item.work !== undefined ? { left: item.work.commit } : {};
  const from = begins || item.work === undefined ? ('head' as const) : item.work.commit;
  const base = from === 'head' || item.work === undefined ? {} : { base: item.work.base };
  const session = begins || item.session?.agent !== agent ? {} : { session: item.session.id };

  switch (step.is) {
    case 'implement':
      return {
        ...common,
        purpose: 'implement',
        agent,
        from,
        ...base,
        ...session,
        brief: { because: step.because, ...nothing, ...setbacks, ...left },
      };
    case 'review': {
      const reviewer = reviewerAt(item, step);
      if (reviewer === undefined) throw new Error(`${item.item.id} is to be reviewed by nobody`);
      const opinion = item.opinions?.[reviewer.name];
      const facts = openFacts(item);
      // No session: a reviewer goes on in nobody's conversation, least of all in the author's.
      return {
        ...common,
        purpose: 'review',
        agent,
        ...(item.item.reviewers === undefined ? {} : { reviewer: reviewer.name }),
        ...(reviewer.role === undefined ? {} : { role: reviewer.role }),
        from: step.commit,
        ...base,
        brief: {
          because: step.unreadable === undefined ? 'first' : 'unreadable',
          ...(step.unreadable === undefined ? {} : { why: step.unreadable }),
          checks: item.checks,
          findings: opinion?.findings ?? [],
          unmet: opinion?.unmet ?? [],
          ...(opinion === undefined ? {} : { seen: opinion.seen }),
          ...(facts.length === 0 ? {} : { facts }),
        },
      };
    }
    case 'remediate':
      return {
        ...common,
        round: item.round + 1,
        purpose: 'remediate',
        agent,
        from,
        ...base,
        ...(step.merge === undefined ? {} : { merge: step.merge }),
        ...session,
        brief: { because: step.because, ...facts, ...setbacks },
      };
    case 'resolve':
      return {
        ...common,
        round: item.round + 1,
        purpose: 'resolve',
        agent,
        from,
        ...base,
        merge: step.onto,
        ...session,
        brief: {
          because: 'conflict',
          ...facts,
          ...setbacks,
          conflict: { onto: step.onto, files: step.files },
        },
      };
  }
}

/** As if it had begun. */
const withFollow = (state: RunState, effect: FollowEffect): RunState => ({
  ...state,
  flights: new Map(state.flights).set('follow', { id: 'follow', effect, since: 0 }),
});
