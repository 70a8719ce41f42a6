/**
 * The state of a run as the fold of its events.
 *
 * It knows what each ending means for the item it belongs to. It does not know clocks, files, git or
 * processes: every fact it uses is in the event. `decide.ts` says what to do next, `questions.ts`
 * answers for people.
 */
import { isSameText } from '../model/digest.js';
import type { CheckEffect, Effect, FollowEffect, ItemId, SlotId, WorkEffect } from '../model/effect.js';
import type { Event, RetryFrom, RunSettings } from '../model/event.js';
import type { CheckOutcome, Setback, Work, WorkOutcome } from '../model/outcome.js';
import type { PlanItem } from '../model/plan.js';
import { unreachable } from '../model/result.js';
import type { ItemState, Phase, RunState, Step } from '../model/state.js';
import { takeDecision } from './approvals.js';
import { held, worked } from './brakes.js';
import { firstToOpen, handFor } from './credentials.js';
import { heldAtOnce, withTestCounts } from './facts.js';
import { learned } from './forecast.js';
import { ask, fail, freshItem, itemOf, next, release, stepOf, verdictKey, withItem } from './items.js';
import { nextRung, setbackWords } from './ladder.js';
import { endCandidate, endFollow, endLand, endProbe, endVerify } from './landings.js';
import { afterLaunch } from './launches.js';
import { learnLimits } from './limits.js';
import { NOTHING_SPENT, spent } from './money.js';
import { endPublish } from './publishing.js';
import { agentOf, isWork } from './questions.js';
import { settleQueue } from './queue.js';
import { toRemediate } from './remediation.js';
import { afterReview, asPlanned, replanned, toReview } from './reviews.js';
import { firstPace } from './train.js';
import { flakesOf, isUnexpected, knowHead, learn } from './verdicts.js';

/** An interruption by us (power cut, kill) is free this many times. */
const FREE_INTERRUPTIONS = 5;
const LONGEST_BACKOFF_MS = 15 * 60_000;
/** Between tries while the service has no room: doubling from the first to the second, ms. */
const OVERLOAD_MS = { first: 60_000, longest: 60 * 60_000 };

/** A run before its first event. */
export function emptyRun(run: string): RunState {
  return {
    run,
    target: '',
    head: '',
    settings: { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] },
    items: new Map(),
    parked: new Map(),
    flights: new Map(),
    nextIntent: 1,
    closed: new Map(),
    guesses: new Map(),
    windows: new Map(),
    spend: NOTHING_SPENT,
    shut: new Map(),
    passed: new Set(),
    green: new Map(),
    trees: new Map(),
  };
}

/** Folds events over a state. */
export const replay = (state: RunState, events: Iterable<Event>): RunState => {
  let folded = state;
  for (const event of events) folded = reduce(folded, event);
  return folded;
};

/** The next state. Throws only where the journal contradicts itself, which is a bug of ours. */
export function reduce(state: RunState, event: Event): RunState {
  const next = folded(state, event);
  // It is settled already: most of a long journal may be notes.
  return next === state ? state : settleQueue(settleReviews(next));
}

function folded(state: RunState, event: Event): RunState {
  switch (event.type) {
    case 'run.started': {
      const history = new Map(event.history.map((past) => [past.id, past]));
      const begun: RunState = {
        ...emptyRun(state.run),
        target: event.target,
        head: event.head,
        settings: event.settings,
        items: new Map(event.items.map((item) => [item.id, held(freshItem(item, history.get(item.id)))])),
        passed: new Set(event.passed),
        closed: new Map(Object.entries(event.held?.closed ?? {})),
        guesses: new Map(Object.entries(event.held?.guesses ?? {})),
        windows: new Map(Object.entries(event.held?.windows ?? {})),
        shut: new Map(Object.entries(event.held?.shut ?? {})),
        ...(event.shadow ? { shadow: { tried: false } } : {}),
        ...withTrain(event.settings, event.head),
      };
      return knowHead(begun, event.head, event.known);
    }
    case 'run.continued': {
      const {
        end: _end,
        rewound: _rewound,
        shadow: _shadow,
        pressure: _pressure,
        unpublished: _unpublished,
        ...rest
      } = state;
      const continued: RunState = {
        ...rest,
        head: event.head,
        settings: event.settings,
        // Whoever goes on has logged in, or paid, or will hear of it again; what is held has others beside it.
        shut: new Map(Object.entries(event.held?.shut ?? {})),
        closed: ofSameKeys(state.closed, state.settings, event.settings),
        guesses: ofSameKeys(state.guesses, state.settings, event.settings),
        windows: ofSameKeys(state.windows, state.settings, event.settings),
        ...continuedItems(state, event.items, event.settings),
        ...withTrain(event.settings, event.head, state.train),
        ...(event.shadow ? { shadow: { tried: false } } : {}),
      };
      return knowHead(continued, event.head, event.known);
    }
    case 'items.reset': {
      const items = new Map(state.items);
      for (const id of event.items) {
        const old = items.get(id);
        if (old === undefined || old.phase.is === 'doing') continue;
        const anew: ItemState = {
          ...freshItem(old.item, undefined, old.attempt),
          // What a person has allowed stays allowed.
          ...(old.consent === undefined ? {} : { consent: old.consent }),
        };
        const work = event.works?.[id];
        items.set(
          id,
          event.from === undefined || work === undefined ? anew : goOnWith(anew, work, event.from),
        );
      }
      return { ...state, items };
    }
    case 'decision':
      return takeDecision(state, event.decision);
    case 'work.started':
    case 'check.started':
    case 'candidate.started':
    case 'land.started':
    case 'follow.started':
    case 'publish.started':
      return startFlight(state, event.id, event.effect, event.inputs.now);
    case 'work.ended':
      return braked(
        endWork(landFlight(state, event.id), effectOf(state, event.id, 'work'), event.outcome, event.now),
        event.item,
      );
    case 'check.ended':
      return braked(
        endCheck(landFlight(state, event.id), effectOf(state, event.id, 'check'), event.outcome),
        event.item,
      );
    case 'candidate.ended':
      return braked(
        endCandidate(landFlight(state, event.id), effectOf(state, event.id, 'candidate'), event.outcome),
        event.item,
      );
    case 'land.ended':
      return endLand(
        landFlight(state, event.id),
        effectOf(state, event.id, 'land'),
        event.outcome,
        event.now,
      );
    case 'follow.ended':
      return endFollow(landFlight(state, event.id), event.outcome);
    case 'publish.ended': {
      const flight = state.flights.get(event.id)?.effect;
      const what = flight?.do === 'publish' ? flight.what : '';
      return endPublish(landFlight(state, event.id), what, event.outcome);
    }
    case 'note': {
      const windows = new Map([...state.windows, ...Object.entries(event.windows ?? {})]);
      const kept = event.windows === undefined ? state : { ...state, windows };
      const told = event.foreseen === undefined ? kept : { ...kept, foreseen: learned(kept, event.foreseen) };
      if (event.pressure === undefined) return told;
      const { pressure: _before, ...rest } = told;
      return event.pressure === '' ? rest : { ...rest, pressure: event.pressure };
    }
    case 'run.paused':
      return {
        ...state,
        end: {
          is: 'paused',
          exit: event.exit,
          why: event.why,
          ...(event.until === undefined ? {} : { until: event.until }),
        },
      };
    case 'run.ended':
      return { ...state, end: { is: 'ended', exit: event.exit, why: event.why } };
    default:
      return unreachable(event);
  }
}

function settleReviews(state: RunState): RunState {
  let settled = state;
  for (const item of state.items.values()) {
    const planned = asPlanned(item);
    if (planned !== item) settled = withItem(settled, planned);
  }
  return settled;
}

const braked = (state: RunState, id: ItemId): RunState => withItem(state, held(itemOf(state, id)));

/** What is known of credentials, but for those whose key has been replaced. */
const ofSameKeys = <V>(
  known: ReadonlyMap<string, V>,
  before: RunSettings,
  after: RunSettings,
): ReadonlyMap<string, V> =>
  new Map([...known].filter(([name]) => before.marks?.[name] === after.marks?.[name]));

/** A new attempt that begins with the work of the one before. */
function goOnWith(anew: ItemState, work: Work, from: RetryFrom): ItemState {
  const item = { ...anew, attempt: anew.attempt + 1, work };
  // Asked for by name: a verdict that is remembered is not enough.
  return from === 'check' && item.item.checks.length > 0
    ? next(item, { is: 'check', commit: work.commit, of: 'work' })
    : toReview(item, work.commit);
}

/** The new plan's items with what the run knows of them; what is under way keeps what it began with. */
function continuedItems(
  state: RunState,
  planned: readonly PlanItem[],
  settings: RunSettings,
): Pick<RunState, 'items' | 'parked'> {
  const items = new Map<ItemId, ItemState>();
  const parked = new Map([...state.parked, ...state.items]);
  for (const [id, old] of state.items) {
    const settled = old.phase.is === 'landed' || old.phase.is === 'passed';
    // A merge of the target's own way is asked for again where it is still needed.
    if ((settled && old.item.kind !== 'sync') || old.phase.is === 'doing') items.set(id, old);
  }
  for (const item of planned) {
    const old = parked.get(item.id);
    const known = old !== undefined && isSameText(old.item.digest, item);
    if (old?.phase.is === 'doing' && !known) continue;
    // Planned again though it had landed: its landing was reverted.
    const undone = item.kind === 'milestone' && (old?.phase.is === 'landed' || old?.phase.is === 'passed');
    items.set(
      item.id,
      known && !undone ? held(replanned(old, item)) : freshItem(item, undefined, old?.attempt),
    );
  }
  for (const id of items.keys()) parked.delete(id);
  // There may be credentials that there were not when they began to wait.
  for (const [id, item] of settings.credentials === undefined ? [] : items) {
    const { phase } = item;
    if (phase.is === 'waiting' && phase.wait.for === 'credential') items.set(id, next(item, phase.step));
  }
  return { items, parked };
}

function startFlight(state: RunState, id: string, effect: Effect, now: number): RunState {
  const flights = new Map(state.flights).set(id, { id, effect, since: now });
  const launches = effect.do === 'work' ? afterLaunch(state.settings, state.launches, now) : state.launches;
  const next = {
    ...('slot' in effect ? takenFrom(state, effect.slot, effect.item) : state),
    flights,
    nextIntent: state.nextIntent + 1,
    ...(launches === undefined ? {} : { launches }),
  };
  if (effect.do === 'follow' || effect.do === 'publish') return next;
  const item = itemOf(state, effect.item);
  const { phase } = item;
  const step = phase.is === 'next' || phase.is === 'waiting' ? phase.step : stepBefore(phase, effect);
  if (step === undefined) throw new Error(`${effect.item} is ${phase.is}: ${effect.do} cannot start`);
  const doing: ItemState = { ...item, phase: { is: 'doing', step, intent: id, since: now } };
  switch (effect.do) {
    case 'work': {
      const begins = effect.attempt !== item.attempt;
      const { work: _work, approved: _approved, opinions: _opinions, session: _session, ...rest } = doing;
      // Only an attempt that has failed lets the next begin at the foot: a new run does not.
      const brakes =
        doing.brakes.ladder.at(-1)?.next === 'over' ? { ...doing.brakes, ladder: [] } : doing.brakes;
      const attempt = begins ? { ...rest, checks: [], findings: [], unmet: [], brakes } : doing;
      return withItem(next, {
        ...(effect.purpose === 'review' ? attempt : withAuthor(attempt, effect.agent)),
        attempt: effect.attempt,
        assignment: effect.assignment,
        round: effect.round,
        slot: effect.slot,
        lastSlot: effect.slot,
      });
    }
    case 'check':
      return withItem(next, { ...doing, slot: effect.slot, lastSlot: effect.slot });
    case 'candidate':
    case 'land':
      return withItem(next, doing);
  }
}

/** Whoever had the slot and waits has its work in a commit, and goes on in any. */
function takenFrom(state: RunState, slot: SlotId, taker: ItemId): RunState {
  const holder = [...state.items.values()].find((item) => item.slot === slot && item.item.id !== taker);
  return holder === undefined ? state : withItem(state, release(holder));
}

/** Noted only of one that stands in. */
function withAuthor({ wrote: _wrote, ...item }: ItemState, agent: string): ItemState {
  return agent === item.item.author || agent === item.item.resolver ? item : { ...item, wrote: agent };
}

/** Where this version gives up, one before it may have gone on: what it did is in its journal, and believed. */
function stepBefore(phase: Phase, effect: Exclude<Effect, FollowEffect>): Step | undefined {
  if (phase.is !== 'failed' && phase.is !== 'asks') return undefined;
  switch (effect.do) {
    case 'work':
      switch (effect.purpose) {
        case 'implement':
          return { is: 'implement', because: effect.brief.because === 'empty' ? 'empty' : 'resumed' };
        case 'review':
          return effect.from === 'head' ? undefined : { is: 'review', commit: effect.from };
        case 'remediate':
          return { is: 'remediate', because: 'checks' };
        case 'resolve':
          return { is: 'resolve', onto: effect.merge ?? '', files: effect.brief.conflict?.files ?? [] };
      }
      break;
    case 'check':
      return effect.of === 'candidate' || effect.of === 'head'
        ? undefined
        : { is: 'check', commit: effect.commit, of: effect.of };
    case 'candidate':
      return { is: 'candidate', commit: effect.commit };
    case 'land':
      return { is: 'land', candidate: effect.candidate };
  }
}

function landFlight(state: RunState, id: string): RunState {
  const flights = new Map(state.flights);
  if (!flights.delete(id)) throw new Error(`${id} ended without having started`);
  return { ...state, flights };
}

function effectOf<K extends Effect['do']>(state: RunState, id: string, kind: K): Extract<Effect, { do: K }> {
  const effect = state.flights.get(id)?.effect;
  if (effect?.do !== kind) throw new Error(`${id} is no ${kind}`);
  return effect as Extract<Effect, { do: K }>;
}

/** The landing queue, where the run's settings know of one. */
function withTrain(
  { merge }: RunSettings,
  head: string,
  before?: RunState['train'],
): { readonly train?: RunState['train'] } {
  if (merge === undefined) return {};
  if (before === undefined) return { train: { pace: firstPace(merge.parallel), arrivals: 0, proven: head } };
  // Whoever goes on has looked into what was red.
  const { red: _red, doubted: _doubted, ...train } = before;
  return { train };
}

// ---------------------------------------------------------------------------------------------- work

function endWork(past: RunState, effect: WorkEffect, outcome: WorkOutcome, now: number): RunState {
  const before = itemOf(past, effect.item);
  const step = stepOf(before);
  const since = before.phase.is === 'doing' ? before.phase.since : now;
  const state = {
    ...past,
    ...learnLimits(past, credentialOf(effect), outcome, since, now),
    spend: spent(past.spend, effect, outcome, now),
  };
  const told = [...(outcome.told ?? []), ...(outcome.harvest?.told ?? [])];
  let item: ItemState = {
    ...before,
    brakes: worked(before.brakes, effect, outcome),
    // What a subscription pays for is billed to nobody.
    costUsd: before.costUsd + (outcome.subscription === true ? 0 : outcome.costUsd),
    ...(outcome.estimated === undefined ? {} : { estimated: outcome.estimated }),
    told: told.length > 0 ? [...before.told, ...told] : before.told,
  };
  if (outcome.harvest !== undefined && effect.purpose !== 'review') {
    const { commit, tree, base, touches, facts, barrier } = outcome.harvest;
    item = {
      ...item,
      work: {
        commit,
        tree,
        base,
        ...(touches === undefined ? {} : { touches }),
        ...(facts === undefined ? {} : { facts }),
        ...(barrier === undefined ? {} : { barrier }),
      },
    };
  }

  // A reviewer's conversation is nobody else's, and each review begins its own.
  if (outcome.session !== undefined && effect.purpose !== 'review') {
    const { credential } = effect;
    const { session } = item;
    const before = session?.agent === effect.agent && session.id === outcome.session ? session.costUsd : 0;
    item = {
      ...item,
      session: {
        agent: effect.agent,
        id: outcome.session,
        ...(credential === undefined ? {} : { credential }),
        costUsd: before + outcome.costUsd,
        ...(outcome.stays === true ? { slot: effect.slot } : {}),
      },
    };
  }

  const { agent } = outcome;
  if (agent.kind !== 'overloaded' && item.overloads !== undefined) {
    const { overloads: _overloads, ...rest } = item;
    item = rest;
  }
  switch (agent.kind) {
    case 'finished':
      return withItem(
        state,
        afterWork(state, { ...item, brakes: { ...item.brakes, ladder: [] } }, step, effect, outcome),
      );
    case 'overloaded': {
      const overloads = (item.overloads ?? 0) + 1;
      const pause = Math.min(OVERLOAD_MS.longest, OVERLOAD_MS.first * 2 ** (overloads - 1));
      return withItem(
        state,
        release({
          ...item,
          overloads,
          phase: { is: 'waiting', wait: { for: 'backoff', until: now + pause }, step: goOn(step) },
        }),
      );
    }
    case 'unauthorized':
    case 'out-of-credit': {
      const shut = new Map(state.shut).set(credentialOf(effect), { why: agent.message, since: now });
      return withItem({ ...state, shut }, release(next(item, goOn(step))));
    }
    case 'capped':
      // Where nobody capped it here, or it ended before it had done anything, it would do so over and over.
      return effect.capUsd === undefined || outcome.costUsd === 0
        ? withItem(state, stumble(state, item, step, { agent: effect.agent, setback: agent, now }))
        : withItem(state, next(item, goOn(step)));
    case 'declined':
      return withItem(state, ask(item, `${effect.agent} declined: ${agent.message}`));
    case 'limited': {
      const on = goOn(step);
      if (!isWork(on)) throw new Error(`${item.item.id} met a limit in step ${on.is}`);
      const own = agentOf(item, on);
      // Another goes on with it at once; where there is none, the first that opens.
      if (handFor(state, item, on, own, now) !== undefined) {
        return withItem(state, release(next(item, on)));
      }
      const credential = credentialOf(effect);
      const first = firstToOpen(state, item, on, own, now) ?? {
        credential,
        until: state.closed.get(credential) ?? now,
      };
      return withItem(
        state,
        release({ ...item, phase: { is: 'waiting', wait: { for: 'credential', ...first }, step: on } }),
      );
    }
    case 'cancelled':
      return withItem(state, next(item, goOn(step)));
    case 'interrupted':
      if (item.brakes.interruptions < FREE_INTERRUPTIONS) {
        const brakes = { ...item.brakes, interruptions: item.brakes.interruptions + 1 };
        return withItem(state, next({ ...item, brakes }, goOn(step)));
      }
      return withItem(state, stumble(state, item, step, { agent: effect.agent, setback: agent, now }));
    case 'unmet':
      return withItem(state, fail(item, `needs ${agent.requirement}: ${agent.message}`));
    case 'unstartable':
      return withItem(state, fail(item, `${effect.agent} could not start: ${agent.message}`));
    case 'context-exceeded':
    case 'unprepared':
    case 'crashed':
    case 'timed-out':
    case 'stuck':
      return withItem(state, stumble(state, item, step, { agent: effect.agent, setback: agent, now }));
    default:
      return unreachable(agent);
  }
}

/** What an assignment was started on: limits and refusals are that one's. */
const credentialOf = ({ credential, agent }: WorkEffect): string => credential ?? agent;

/** The same step, going on from what is there. */
const goOn = (step: Step): Step =>
  step.is === 'implement' && step.because !== 'empty' ? { is: 'implement', because: 'resumed' } : step;

function afterWork(
  state: RunState,
  item: ItemState,
  step: Step,
  effect: WorkEffect,
  outcome: WorkOutcome,
): ItemState {
  const { harvest } = outcome;
  switch (effect.purpose) {
    case 'implement':
      if (harvest === undefined) return fail(item, 'its work could not be taken');
      if (harvest.changed) return toCheck(state, item, harvest.commit);
      if (step.is === 'implement' && step.because !== 'empty')
        return next(item, { is: 'implement', because: 'empty' });
      if (item.item.reviewer === false) {
        return fail(item, 'changed nothing, twice, and there is no review that could find the criteria met');
      }
      return toCheck(state, item, harvest.commit);
    case 'remediate':
    case 'resolve':
      if (harvest === undefined) return fail(item, 'its work could not be taken');
      if (harvest.markers.length > 0) {
        const onto = step.is === 'resolve' ? step.onto : step.is === 'remediate' ? step.merge : undefined;
        if (onto === undefined || item.round >= item.item.rounds) {
          return ask(item, `conflict markers were left in ${harvest.markers.join(', ')}`);
        }
        return next(item, { is: 'resolve', onto, files: harvest.markers });
      }
      return toCheck(state, item, harvest.commit);
    case 'review':
      return afterReview(item, step, outcome);
  }
}

function toCheck(state: RunState, item: ItemState, commit: string): ItemState {
  const held = heldAtOnce(item);
  if (held !== undefined) return held;
  if (item.item.checks.length === 0) return toReview(item, commit);
  const tree = item.work?.tree;
  // A remembered verdict for this very tree is as good as a new one.
  if (tree !== undefined && state.passed.has(verdictKey(tree, state.settings.folder, item.item.checks))) {
    return toReview(withTestCounts(state, item), commit);
  }
  return next(item, { is: 'check', commit, of: 'work' });
}

/** An assignment that broke off climbs the ladder; what is over costs an implementer its attempt. */
function stumble(
  state: RunState,
  item: ItemState,
  step: Step,
  { agent, setback, now }: { readonly agent: string; readonly setback: Setback; readonly now: number },
): ItemState {
  const then = nextRung(item, { step, agent, setback });
  const { session: _session, ...without } = item;
  const climbed: ItemState = {
    ...(then === 'fresh' ? without : item),
    brakes: { ...item.brakes, ladder: [...item.brakes.ladder, { setback, next: then }] },
  };
  const wait = (times: number, after: Step): ItemState =>
    release({
      ...climbed,
      phase: {
        is: 'waiting',
        wait: {
          for: 'backoff',
          until: now + Math.min(LONGEST_BACKOFF_MS, state.settings.backoffMs * 2 ** Math.max(0, times - 1)),
        },
        step: after,
      },
    });
  if (then !== 'over') {
    // Nothing is gained by waiting where a conversation was too long.
    return setback.kind === 'context-exceeded'
      ? next(climbed, goOn(step))
      : wait(climbed.brakes.ladder.length, goOn(step));
  }
  const words = setbackWords(agent, setback);
  if (step.is !== 'implement') return fail(climbed, words);
  const { retries } = item.item;
  const used = item.attempt - item.forgotten;
  if (used > retries) return fail(climbed, `${words} (attempt ${used} of ${retries + 1})`);
  return wait(used, { is: 'implement', because: 'again' });
}

// -------------------------------------------------------------------------------------------- checks

function endCheck(state: RunState, effect: CheckEffect, outcome: CheckOutcome): RunState {
  const held = itemOf(state, effect.item);
  const before = effect.lent ? release(held) : held;
  if (effect.of === 'head') return endProbe(withItem(state, before), effect, outcome);

  const step = stepOf(before);
  if (step.is !== 'check' && step.is !== 'verify')
    throw new Error(`a check of ${effect.item} ended in step ${step.is}`);
  if (outcome.kind === 'cancelled') {
    return step.is === 'verify' ? endVerify(state, before, outcome) : withItem(state, next(before, step));
  }
  if (outcome.kind === 'unstartable') {
    const unable = { ...before, checks: outcome.results };
    return step.is === 'verify'
      ? endVerify(state, unable, outcome)
      : withItem(state, fail(unable, outcome.message));
  }
  const learnt = learn(state, effect.commands, outcome);
  const passed = outcome.kind === 'passed';
  // Nobody is blamed for what may be a whim of the check's own.
  if (!(step.is === 'verify' && step.inside) && isUnexpected(state, before, step, outcome)) {
    return withItem(learnt, next(before, { ...step, again: outcome.results }));
  }
  const flakes = flakesOf(step, outcome.results);
  const item: ItemState = {
    ...before,
    checks: outcome.results,
    ...(flakes.length === 0 ? {} : { flakes: [...(before.flakes ?? []), ...flakes] }),
  };

  if (step.is === 'verify') return endVerify(learnt, item, outcome);
  switch (step.of) {
    case 'work':
      return withItem(
        learnt,
        passed
          ? toReview(withTestCounts(learnt, item), outcome.commit)
          : toRemediate(item, 'checks', outcome.tree),
      );
    case 'base':
      return withItem(
        learnt,
        passed
          ? release({ ...item, phase: { is: 'passed', commit: outcome.commit } })
          : fail(item, `${state.target} fails its own checks before anything started`),
      );
    case 'stage': {
      if (passed && item.item.stageReview === undefined)
        return withItem(learnt, release({ ...item, phase: { is: 'passed', commit: outcome.commit } }));
      // A remediation starts from the head that was found wanting.
      const begun = {
        ...item,
        work: { commit: outcome.commit, tree: outcome.tree, base: outcome.commit },
        attempt: Math.max(item.forgotten + 1, item.attempt),
      };
      return withItem(
        learnt,
        passed ? toReview(begun, outcome.commit) : toRemediate(begun, 'checks', outcome.tree),
      );
    }
  }
}
