/**
 * The landing queue of a run: items from the moment their work may land until they have, in the order in
 * which they do. `train.ts` says what to do with it; here its places are items and commits.
 *
 * Nothing of a train is kept but each item's own candidate: the train is the chain of candidates that begins
 * at the head. What is not in it any more, because one before it went back or the head moved, gets a new one.
 */
import type { ItemId, LandEffect } from '../model/effect.js';
import type { Candidate, Oid, TreeKey } from '../model/outcome.js';
import type { ItemState, Pace, RunState, Step } from '../model/state.js';
import { awaiting } from './approvals.js';
import { inForeseenOrder } from './forecast.js';
import { ask, fail, next, release, withItem } from './items.js';
import { blockersOf, unmetNeeds } from './needs.js';
import { toRemediate } from './remediation.js';
import { type Car, failedPace, firstPace, type Orders, planTrain, queuedPace } from './train.js';
import { isGreen, isUnexpected } from './verdicts.js';

export type { CarState } from './train.js';

type QueueStep = Extract<Step, { is: 'candidate' | 'verify' | 'land' }>;

/** One item in the queue. */
export interface Queued {
  readonly item: ItemState;
  readonly step: QueueStep;
  readonly car: Car;
}

export interface Queue {
  /** In the order in which they land: those with a candidate, then those that wait for one. */
  readonly cars: readonly Queued[];
  /** How many of them, from the first, have a candidate on the one before. */
  readonly stacked: number;
  /** What the target has passed already: their landing is only to be told. */
  readonly inside: readonly ItemState[];
  /** Candidates that are in no train any more. */
  readonly stale: readonly ItemState[];
  /** Conflict with something that is in the train, and wait until it has landed or gone. */
  readonly clashing: readonly ItemState[];
}

const isQueueStep = (step: Step): step is QueueStep =>
  step.is === 'candidate' || step.is === 'verify' || step.is === 'land';

/** The step of an item that has come to its landing, and waits for nobody's approval. */
export function queueStepOf(item: ItemState): QueueStep | undefined {
  const { phase } = item;
  if (awaiting(item) !== undefined) return undefined;
  if (phase.is !== 'next' && phase.is !== 'doing') return undefined;
  return isQueueStep(phase.step) ? phase.step : undefined;
}

const candidateOf = (step: QueueStep): Candidate | undefined =>
  step.is === 'candidate' ? undefined : step.candidate;

const isInside = (step: QueueStep): boolean => step.is !== 'candidate' && step.inside === true;

/** What a run goes by where nothing was said of it: one candidate at a time. */
const SERIAL = { parallel: 1, strict: 'auto' } as const;

const rulesOf = ({ settings }: RunState) => settings.merge ?? SERIAL;

/** What the train goes by now. */
export function paceOf(state: RunState): Pace {
  return state.train?.pace ?? firstPace(rulesOf(state).parallel);
}

/** The merge of a target that moved by itself: nothing else lands before it. */
const openSync = (state: RunState): ItemState | undefined => {
  const sync = state.items.get('sync');
  return sync?.phase.is === 'next' || sync?.phase.is === 'doing' ? sync : undefined;
};

/** What it builds on is not there any more, or never will be. */
const isHeld = (state: RunState, item: ItemState): boolean =>
  item.phase.is === 'next' && (unmetNeeds(state, item).length > 0 || blockersOf(state, item).length > 0);

/** Where the train begins: at the head, or, while one of it lands, at what the head was then. */
function trainHead(state: RunState): Oid {
  for (const { effect } of state.flights.values()) {
    if (effect.do !== 'land') continue;
    const step = state.items.get(effect.item)?.phase;
    const isTold = step?.is === 'doing' && step.step.is === 'land' && step.step.inside === true;
    if (!isTold) return effect.onto ?? effect.candidate.base;
  }
  return state.head;
}

/** Whoever rides inside a candidate, from what the target stood at to it. */
export function ridersOf(state: RunState, { candidate, onto }: LandEffect): ItemState[] {
  const byCommit = new Map<Oid, { readonly item: ItemState; readonly candidate: Candidate }>();
  for (const item of state.items.values()) {
    const step = queueStepOf(item);
    const own = step === undefined ? undefined : candidateOf(step);
    if (own !== undefined) byCommit.set(own.commit, { item, candidate: own });
  }
  const riders: ItemState[] = [];
  for (let at = candidate.base; onto !== undefined && at !== onto; ) {
    const rider = byCommit.get(at);
    if (rider === undefined) break;
    riders.unshift(rider.item);
    at = rider.candidate.base;
  }
  return riders;
}

/** A state never changes: who waits is asked of one and the same for each item. */
const queues = new WeakMap<RunState, Queue>();

export function queueOf(state: RunState): Queue {
  const known = queues.get(state) ?? readQueue(state);
  queues.set(state, known);
  return known;
}

function readQueue(state: RunState): Queue {
  const sync = openSync(state);
  const members = [...state.items.values()].flatMap((item) => {
    const step = queueStepOf(item);
    return step === undefined || isHeld(state, item) ? [] : [{ item, step }];
  });
  const inside = members.filter(({ step }) => isInside(step)).map(({ item }) => item);
  const eligible = members.filter(
    ({ item, step }) => !isInside(step) && (sync === undefined || item === sync),
  );

  const chain: typeof eligible = [];
  const byBase = new Map<Oid, (typeof eligible)[number]>();
  for (const member of eligible) {
    const candidate = candidateOf(member.step);
    if (candidate !== undefined && !byBase.has(candidate.base)) byBase.set(candidate.base, member);
  }
  for (let at: Oid | undefined = trainHead(state); at !== undefined; ) {
    const member = byBase.get(at);
    if (member === undefined || chain.includes(member)) break;
    chain.push(member);
    at = candidateOf(member.step)?.commit;
  }

  const here = new Set(members.map(({ item }) => item.queued));
  const rest = eligible.filter((member) => member.step.is === 'candidate');
  const clashes = ({ step }: (typeof eligible)[number]): boolean =>
    step.is === 'candidate' && (step.clash ?? []).some((number) => here.has(number));
  const ready = rest.filter((member) => !clashes(member)).sort((a, b) => order(a.item, b.item));
  const building = ready.filter(({ item }) => item.phase.is === 'doing');
  const ahead = [...chain, ...building].map(({ item }) => item).concat(inside);
  const waiting = inForeseenOrder(
    state,
    ahead,
    ready.filter((member) => !building.includes(member)).map(({ item }) => item),
  ).flatMap((item) => ready.find((member) => member.item === item) ?? []);
  return {
    cars: [...chain, ...building, ...waiting].map((member) => ({ ...member, car: carOf(member) })),
    stacked: chain.length,
    inside,
    stale: members.flatMap((member) =>
      member.step.is === 'candidate' || isInside(member.step) || chain.includes(member) ? [] : [member.item],
    ),
    clashing: rest.filter(clashes).map(({ item }) => item),
  };
}

function carOf({ item, step }: { readonly item: ItemState; readonly step: QueueStep }): Car {
  const alone = item.work?.barrier !== undefined || item.item.kind === 'sync';
  const doing = item.phase.is === 'doing';
  switch (step.is) {
    case 'candidate':
      return { state: doing ? 'building' : 'waiting', alone };
    case 'verify':
      return { state: doing ? 'checking' : step.failed === undefined ? 'built' : 'failed', alone };
    case 'land':
      return { state: doing ? 'landing' : 'passed', alone };
  }
}

/** Who comes first: as the user says, else who came first; those that came together as a plan orders them. */
const order = (a: ItemState, b: ItemState): number =>
  b.item.priority - a.item.priority ||
  (a.queued ?? 0) - (b.queued ?? 0) ||
  b.item.remainingMinutes - a.item.remainingMinutes ||
  (a.item.id < b.item.id ? -1 : 1);

/** What the landing lane and the slots for checks are to do now. */
export interface QueueOrders {
  readonly build?: { readonly item: ItemId; readonly onto?: Oid };
  /** Candidates to be checked as they are, in this order. */
  readonly check: readonly ItemId[];
  /** The target moves to this one's candidate. `onto`: the head that its train begins at, where that is not its base. */
  readonly land?: { readonly item: ItemId; readonly onto?: Oid };
  /** The head itself is to be checked before this one, which fails on it, is blamed. */
  readonly probe?: ItemId;
}

export function ordersOf(state: RunState): QueueOrders {
  const queue = queueOf(state);
  const plan = planOf(state, queue);
  const at = (place: number | undefined): Queued | undefined =>
    place === undefined ? undefined : queue.cars[place];
  const confirm = queue.inside.find(({ phase }) => phase.is === 'next')?.item.id;
  const lane = [...state.flights.values()].some(
    ({ effect }) => effect.do === 'candidate' || effect.do === 'land' || effect.do === 'follow',
  );
  const [land, build, culprit] = [at(plan.land), at(plan.build), at(plan.culprit)];
  const before = plan.build === undefined ? undefined : at(plan.build - 1);
  const onto = before === undefined ? undefined : candidateOf(before.step)?.commit;
  const landsInside = plan.land !== undefined && plan.land > 0;
  const orders = {
    check: plan.check.flatMap((place) => at(place)?.item.item.id ?? []),
    ...(culprit === undefined || isProven(state, culprit.item) ? {} : { probe: culprit.item.item.id }),
  };
  if (lane) return orders;
  if (confirm !== undefined) return { ...orders, land: { item: confirm } };
  if (land !== undefined) {
    return { ...orders, land: { item: land.item.item.id, ...(landsInside ? { onto: state.head } : {}) } };
  }
  if (build === undefined) return orders;
  return { ...orders, build: { item: build.item.item.id, ...(onto === undefined ? {} : { onto }) } };
}

const isChecking = ({ phase }: ItemState): boolean => phase.is === 'doing' && phase.step.is === 'verify';

function planOf(state: RunState, queue: Queue): Orders {
  if (state.train?.red === state.head) return { check: [] };
  const elsewhere = [...queue.stale, ...queue.inside].filter(isChecking).length;
  return planTrain(
    queue.cars.map(({ car }) => car),
    paceOf(state),
    rulesOf(state).parallel,
    elsewhere,
  );
}

/** Checks of candidates that are in no train any more: nobody waits for what they say. */
export function staleChecks(state: RunState): ReadonlySet<string> {
  const ids = new Set<string>();
  if (state.train === undefined) return ids;
  const { stale, inside } = queueOf(state);
  for (const { phase } of [...stale, ...inside].filter(isChecking)) {
    if (phase.is === 'doing') ids.add(phase.intent);
  }
  return ids;
}

/** The commands that a candidate is held against: where only heads are checked, those of all that ride inside. */
export function commandsFor(
  state: RunState,
  item: ItemState,
): { readonly commands: readonly string[]; readonly with: readonly ItemId[] } {
  if (paceOf(state).mode !== 'head') return { commands: item.item.checks, with: [] };
  const { cars, stacked } = queueOf(state);
  const place = cars.findIndex((car) => car.item.item.id === item.item.id);
  const riders = cars.slice(0, Math.max(0, Math.min(place, stacked))).map((car) => car.item.item);
  return {
    commands: [...new Set([...riders, item.item].flatMap(({ checks }) => checks))],
    with: riders.map(({ id }) => id),
  };
}

/**
 * Whether it is the item that fails, and not the head under it. A head that somebody else moved was checked by
 * nobody, and fails for everybody.
 */
function isProven(state: RunState, { checks }: ItemState): boolean {
  const { train, settings } = state;
  if (train === undefined || train.proven === state.head) return true;
  const failing = checks.find(({ kind }) => kind !== 'passed');
  return failing === undefined || !(settings.merge?.checks ?? []).includes(failing.command);
}

/** What follows for the queue from an event, whatever it was: who goes back, who gets a new candidate. */
export function settleQueue(before: RunState): RunState {
  const isQuiet = ![...before.items.values()].some(
    (item) => item.queued !== undefined || queueStepOf(item) !== undefined,
  );
  if (isQuiet) return before;
  let state = before;
  for (;;) {
    state = unproven(unstacked(state));
    const queue = queueOf(state);
    const plan = planOf(state, queue);
    const culprit = plan.culprit === undefined ? undefined : queue.cars[plan.culprit];
    if (culprit === undefined || !isProven(state, culprit.item)) break;
    state = withoutCulprit(state, culprit);
  }
  state = released(state);
  return state.train === undefined ? state : numbered(state, state.train);
}

/** Whoever will never land keeps no slot. */
function released(state: RunState): RunState {
  let settled = state;
  for (const item of state.items.values()) {
    if (item.slot === undefined || item.phase.is !== 'next' || queueStepOf(item) === undefined) continue;
    if (blockersOf(state, item).length > 0) settled = withItem(settled, release(item));
  }
  return settled;
}

/** Candidates whose train is gone are made anew. */
function unstacked(state: RunState): RunState {
  let settled = state;
  for (const item of queueOf(state).stale) {
    const step = queueStepOf(item);
    const candidate = step === undefined ? undefined : candidateOf(step);
    if (item.phase.is !== 'next' || candidate === undefined) continue;
    settled = withItem(settled, next(item, { is: 'candidate', commit: candidate.work }));
  }
  return settled;
}

/** What was to land on fewer checks than there are by now is held against the others. */
function unproven(state: RunState): RunState {
  let settled = state;
  for (const { item, step } of queueOf(state).cars) {
    if (step.is !== 'land' || item.phase.is !== 'next') continue;
    const { commands } = commandsFor(state, item);
    const { candidate } = step;
    if (!isGreen(state, candidate.tree, commands)) {
      settled = withItem(settled, next(item, { is: 'verify', candidate }));
    }
  }
  return settled;
}

/** Whether the failure of a candidate is worth a second look before anybody is blamed for it. */
const isWhimsical = (
  state: RunState,
  item: ItemState,
  step: Extract<QueueStep, { is: 'verify' }>,
  tree: TreeKey,
): boolean =>
  isUnexpected(state, item, step, {
    kind: 'failed',
    commit: step.candidate.commit,
    tree,
    results: item.checks,
  });

/** It alone goes back: what is before it has landed. */
function withoutCulprit(state: RunState, { item, step }: Queued): RunState {
  if (step.is !== 'verify' || step.failed === undefined) {
    throw new Error(`${item.item.id} is to blame without having failed`);
  }
  // What was before it had not passed when it failed, and has by now.
  if ('tree' in step.failed && isWhimsical(state, item, step, step.failed.tree)) {
    const { candidate } = step;
    return withItem(state, next(item, { is: 'verify', candidate, again: item.checks }));
  }
  const { train } = state;
  const slower: RunState =
    train === undefined
      ? state
      : { ...state, train: { ...train, pace: failedPace(train.pace, rulesOf(state).parallel) } };
  if (item.item.kind === 'sync' && 'tree' in step.failed) {
    return withItem(
      slower,
      ask(item, `${state.target} as it was moved fails its checks once merged with what landed`),
    );
  }
  if ('unstartable' in step.failed) return withItem(slower, fail(item, step.failed.unstartable));
  return withItem(slower, toRemediate(item, 'candidate', step.failed.tree, step.candidate.base));
}

/**
 * Whether the first in the queue goes on without a slot: it lands, or its candidate is checked by nothing and none
 * of its conversations is known in that folder alone, in which a conflict would be resolved at once.
 */
const needsNoSlot = ({ item, step }: Queued): boolean =>
  step.is === 'land' || (item.item.checks.length === 0 && item.session?.slot === undefined);

/** Numbers in order of arrival, so that who comes again is behind who is there. Whoever waits there gives up its slot. */
function numbered(state: RunState, train: NonNullable<RunState['train']>): RunState {
  const items = new Map(state.items);
  let { arrivals } = train;
  for (const item of state.items.values()) {
    if (queueStepOf(item) !== undefined || item.queued === undefined) continue;
    const { queued: _left, ...rest } = item;
    items.set(item.item.id, rest);
  }
  const came = [...items.values()].filter(
    (item) => queueStepOf(item) !== undefined && item.queued === undefined,
  );
  for (const item of came.sort(order)) {
    arrivals += 1;
    items.set(item.item.id, { ...item, queued: arrivals });
  }
  let settled: RunState = { ...state, items };
  const { cars, clashing } = queueOf(settled);
  const [first, ...others] = cars;
  const idle = [
    ...(first !== undefined && needsNoSlot(first) ? [first.item] : []),
    ...others.map((car) => car.item),
    ...clashing,
  ];
  for (const item of idle) {
    if (item.phase.is === 'next' && item.slot !== undefined) settled = withItem(settled, release(item));
  }
  const { strict, parallel } = rulesOf(settled);
  const pace = queuedPace(train.pace, strict, cars.length, parallel);
  const isSame = settled.items === items && came.length === 0 && pace === train.pace;
  return isSame && sameItems(items, state.items)
    ? state
    : { ...settled, train: { ...train, pace, arrivals } };
}

const sameItems = (a: ReadonlyMap<ItemId, ItemState>, b: ReadonlyMap<ItemId, ItemState>): boolean =>
  [...a].every(([id, item]) => b.get(id) === item);
