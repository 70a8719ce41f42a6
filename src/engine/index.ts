/**
 * The loop: decide, write the intents, start the hands, write what came of them, fold, again.
 *
 * It knows events and ports. It does not know git, files, agents or terminals, and it has no opinion:
 * what to do next is `decide`'s, what an ending means is `reduce`'s. Starting a run and taking one up
 * after a crash are the same path: an intent without an ending is simply given to its hand again, and
 * every hand is idempotent by the intent's id.
 */
import { setMaxListeners } from 'node:events';
import pLimit from 'p-limit';
import type { Decision } from '../model/decision.js';
import type { Effect } from '../model/effect.js';
import type { Event, Inputs } from '../model/event.js';
import type { Foreseen } from '../model/foreseen.js';
import type { UsageWindow } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { RunState } from '../model/state.js';
import { isNews } from '../run/approvals.js';
import { decide } from '../run/decide.js';
import { reduce } from '../run/index.js';
import { keptUntil, learnWindows } from '../run/limits.js';
import { agentsOf, nextTurn, standingOf } from '../run/questions.js';
import { staleChecks } from '../run/queue.js';
import type { Ports } from './ports.js';

/** What of a credential's windows is used. */
export interface Usage {
  readonly credential: string;
  readonly windows: readonly UsageWindow[];
}

/** What comes to a run under way from outside: of the user's, and of agents at work. */
export class Control {
  private drainSignal: number | undefined;
  private left = false;
  private notes: { readonly text: string; readonly foreseen?: readonly Foreseen[] }[] = [];
  private decisions: Decision[] = [];
  private usage: Usage[] = [];
  private readonly cancelled = new AbortController();
  private readonly listeners = new Set<() => void>();

  constructor() {
    // Each agent listens; that there are more than ten of them is no leak.
    setMaxListeners(0, this.cancelled.signal);
  }

  /** First Ctrl-C: nothing new starts, what runs may end. `words` become a note for the user. */
  drain(exit: 130 | 143, words: string): void {
    this.drainSignal ??= exit;
    this.tell(words);
  }

  /** Second Ctrl-C, or SIGTERM: what runs is ended and harvested. */
  cancel(exit: 130 | 143, words: string): void {
    this.drain(exit, words);
    this.cancelled.abort();
  }

  /** SIGHUP: mstone alone ends, at once; what runs goes on and is found by whoever resumes. */
  leave(words: string): void {
    this.left = true;
    this.tell(words);
  }

  get leaving(): boolean {
    return this.left;
  }

  /** Something that the user should know while the run goes on, such as conflicts to come: becomes a note. */
  tell(words: string, foreseen?: readonly Foreseen[]): void {
    this.notes.push({ text: words, ...(foreseen === undefined ? {} : { foreseen }) });
    for (const listener of this.listeners) listener();
  }

  /** A person's decision: becomes an event, unless nothing waits for it. */
  decide(decision: Decision): void {
    this.decisions.push(decision);
    for (const listener of this.listeners) listener();
  }

  /** What an agent at work tells of its subscription: becomes an event where it keeps others from starting. */
  use(usage: Usage): void {
    this.usage.push(usage);
    for (const listener of this.listeners) listener();
  }

  takeUsage(): Usage[] {
    return this.usage.splice(0);
  }

  takeDecisions(): Decision[] {
    return this.decisions.splice(0);
  }

  /** What is to be told and has not been yet. */
  takeNotes(): Event[] {
    return this.notes.splice(0).map((note) => ({ type: 'note', ...note }));
  }

  /** Something is to be told or taken. */
  get hasNews(): boolean {
    return this.notes.length + this.decisions.length + this.usage.length > 0;
  }

  get draining(): number | undefined {
    return this.drainSignal;
  }

  get signal(): AbortSignal {
    return this.cancelled.signal;
  }

  onChange(listener: () => void): void {
    this.listeners.add(listener);
  }
}

/**
 * Takes a run from a state to where it can go no further, and returns the last state; its `end` says how.
 * Throws what a hand throws: that is a bug of ours, and the journal stays as it was believed.
 */
export async function driveRun(ports: Ports, begun: RunState, control: Control): Promise<RunState> {
  let state = begun;
  const inbox: Event[] = [];
  const failures: unknown[] = [];
  let poke = (): void => undefined;
  control.onChange(() => poke());

  // Agents that a killed mstone left alive are taken up even where there are fewer jobs now.
  const slots = pLimit(Math.max(1, agentsOf(state), state.settings.jobs));

  /** Written, then believed, then reported. */
  const believe = async (events: readonly Event[]): Promise<void> => {
    await ports.append(events);
    for (const event of events) {
      state = reduce(state, event);
      ports.report(event, state);
    }
  };

  /** Ends checks that nobody waits for any more. */
  const unwanted = new Map<string, AbortController>();

  const launch = (id: string, effect: Effect): void => {
    let { signal } = control;
    if (effect.do === 'check') {
      const given = new AbortController();
      unwanted.set(id, given);
      signal = AbortSignal.any([signal, given.signal]);
    }
    const hand =
      effect.do === 'work'
        ? slots(() => perform(ports, id, effect, signal))
        : perform(ports, id, effect, signal);
    hand
      .then(
        (event) => inbox.push(event),
        (error: unknown) => failures.push(error),
      )
      .finally(() => {
        unwanted.delete(id);
        poke();
      });
  };

  for (const { id, effect } of state.flights.values()) launch(id, effect);

  for (;;) {
    if (failures.length > 0) throw failures[0];

    // Endings and the intents that follow from them go to disk together.
    const endings = [...control.takeNotes(), ...inbox.splice(0)];
    if (control.leaving) {
      await believe([...endings, { type: 'run.paused', exit: 129, why: 'its terminal was closed' }]);
      return state;
    }
    let ahead = endings.reduce(reduce, state);
    for (const decision of control.takeDecisions()) {
      if (!isNews(ahead, decision)) continue;
      const event: Event = { type: 'decision', decision };
      ahead = reduce(ahead, event);
      endings.push(event);
    }
    for (const { credential, windows } of control.takeUsage()) {
      const now = ports.clock.now();
      const known = learnWindows(ahead.windows, credential, windows, now);
      const next = { ...ahead, windows: known };
      // All else is told when the agent ends.
      if (keptUntil(next, credential, now) === keptUntil(ahead, credential, now)) continue;
      const text = `${credential}: what is left of its window is kept for milestones that have begun`;
      const event: Event = { type: 'note', text, windows: { [credential]: known.get(credential) ?? [] } };
      ahead = reduce(ahead, event);
      endings.push(event);
    }
    const { inputs, effects, told, again } = await choose(ports, ahead, control);
    const intents: Event[] = [...told];
    ahead = told.reduce(reduce, ahead);
    for (const effect of effects) {
      const intent = intentOf(`i${ahead.nextIntent}`, effect, inputs);
      ahead = reduce(ahead, intent);
      intents.push(intent);
    }
    if (endings.length + intents.length > 0) {
      await believe([...endings, ...intents]);
      for (const intent of intents) {
        if ('effect' in intent) launch(intent.id, intent.effect);
      }
      for (const id of staleChecks(state)) unwanted.get(id)?.abort();
      continue;
    }

    if (state.flights.size > 0) {
      const woken = new AbortController();
      poke = () => woken.abort();
      if (inbox.length > 0 || failures.length > 0 || control.hasNews) poke();
      // What waits for a time goes on then, whoever is still at work.
      const turn = control.draining === undefined ? nextTurn(state, inputs.now) : undefined;
      const next = again === undefined ? turn : Math.min(again, turn ?? again);
      await (next === undefined ? aborted(woken.signal) : ports.clock.until(next, woken.signal));
      continue;
    }

    if (control.draining !== undefined) {
      await believe([{ type: 'run.paused', exit: control.draining, why: 'interrupted' }]);
      return state;
    }
    const standing = standingOf(state, inputs);
    switch (standing.is) {
      case 'waiting': {
        const woken = new AbortController();
        poke = () => woken.abort();
        await ports.clock.until(standing.until, woken.signal);
        continue;
      }
      case 'paused': {
        const { exit, why, until } = standing;
        await believe([{ type: 'run.paused', exit, why, ...(until === undefined ? {} : { until }) }]);
        return state;
      }
      case 'ended': {
        const { exit, why } = standing;
        await believe([{ type: 'run.ended', exit, why }]);
        return state;
      }
      case 'going':
        throw new Error('nothing runs, nothing waits and nothing can start, yet the run has not ended');
      default:
        return unreachable(standing);
    }
  }
}

interface Choice {
  readonly inputs: Inputs;
  readonly effects: readonly Effect[];
  /** What the user is told of the machine, once for each change. */
  readonly told: readonly Event[];
  /** Something is held back: when to look again, epoch ms. */
  readonly again?: number;
}

/**
 * What to start. While the machine is short of something, agents at work go on and no other starts; but one
 * always may be alive, or the run would wait for what others may never give back. Nobody asks the machine
 * where no agent is to start.
 */
async function choose(ports: Ports, state: RunState, control: Control): Promise<Choice> {
  const { jobs } = state.settings;
  const inputs: Inputs = { now: ports.clock.now(), capacity: jobs };
  const nothing = { inputs, effects: [], told: [] };
  if (control.draining !== undefined) return nothing;
  const effects = decide(state, inputs);
  if (!effects.some(isWork)) return { inputs, effects, told: [] };

  const pressure = await ports.pressure();
  // The user may have said stop meanwhile.
  if (control.draining !== undefined) return nothing;
  if (pressure.is === 'fine') {
    const over: Event = { type: 'note', text: 'agents may start again', pressure: '' };
    return { inputs, effects, told: state.pressure === undefined ? [] : [over] };
  }
  const fewer: Inputs = { ...inputs, capacity: Math.min(jobs, Math.max(1, agentsOf(state))) };
  const allowed = decide(state, fewer);
  if (allowed.filter(isWork).length === effects.filter(isWork).length) {
    return { inputs: fewer, effects: allowed, told: [] };
  }
  const { words, again } = pressure;
  const short: Event = { type: 'note', text: `no new agents: ${words}`, pressure: words };
  return { inputs: fewer, effects: allowed, told: state.pressure === undefined ? [short] : [], again };
}

const isWork = (effect: Effect): boolean => effect.do === 'work';

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** The event that says, before anything is done, what will be done. */
function intentOf(id: string, effect: Effect, inputs: Inputs): Event {
  switch (effect.do) {
    case 'work':
      return { type: 'work.started', id, effect, inputs };
    case 'check':
      return { type: 'check.started', id, effect, inputs };
    case 'candidate':
      return { type: 'candidate.started', id, effect, inputs };
    case 'land':
      return { type: 'land.started', id, effect, inputs };
    case 'follow':
      return { type: 'follow.started', id, effect, inputs };
    case 'publish':
      return { type: 'publish.started', id, effect, inputs };
    default:
      return unreachable(effect);
  }
}

async function perform(ports: Ports, id: string, effect: Effect, signal: AbortSignal): Promise<Event> {
  const ended = <T extends string, O>(type: T, outcome: O) => ({
    type,
    id,
    item: effect.item,
    now: ports.clock.now(),
    outcome,
  });
  switch (effect.do) {
    case 'work':
      return ended('work.ended', await ports.work(id, effect, signal));
    case 'check':
      return ended('check.ended', await ports.check(id, effect, signal));
    case 'candidate':
      return ended('candidate.ended', await ports.candidate(id, effect));
    case 'land':
      return ended('land.ended', await ports.land(id, effect));
    case 'follow':
      return ended('follow.ended', await ports.follow(id, effect));
    case 'publish':
      return ended('publish.ended', await ports.publish(id, effect));
    default:
      return unreachable(effect);
  }
}

/** One at a time, in order: for acts on the shared repository that must not meet. */
export function makeLane(): <T>(act: () => Promise<T>) => Promise<T> {
  const lane = pLimit(1);
  return (act) => lane(act);
}
