/**
 * Who is started on what: the first credential of an item's agent that is open, else of the agent that stands in
 * for it. A limit closes a credential until a time, a refusal shuts it, and what is left of a window near its end
 * is for milestones that have begun; an item waits only where nothing is left.
 */
import { isLogin } from '../model/credential.js';
import type { HeldCredentials, RunSettings, ShutCredential } from '../model/event.js';
import type { UsageWindow } from '../model/outcome.js';
import type { ItemState, RunState, Step } from '../model/state.js';
import { isProbed, keptUntil } from './limits.js';
import { reviewersOf } from './reviews.js';

type Known = Pick<RunState, 'settings' | 'closed' | 'shut' | 'guesses' | 'windows'>;

/** Names in the order in which they are used; of an agent that pays by itself, its own. */
const credentialsOf = ({ settings }: Pick<Known, 'settings'>, agent: string): readonly string[] =>
  settings.credentials?.[agent]?.order ?? [agent];

/** What is asked of a credential. */
interface Ask {
  readonly now: number;
  /** A milestone would begin. */
  readonly begins: boolean;
  /** Credentials in doubt that are tried already. */
  readonly tried: (credential: string) => boolean;
}

/** When a credential is open for this; undefined where it is shut. */
function opensAt(state: Known, name: string, { now, begins }: Ask): number | undefined {
  if (state.shut.has(name)) return undefined;
  return Math.max(state.closed.get(name) ?? 0, (begins ? keptUntil(state, name, now) : undefined) ?? 0);
}

/** Whether an item's step would begin a milestone: one that has begun may use up what a window holds. */
const begins = ({ item }: ItemState, step: Step): boolean =>
  item.kind === 'milestone' && step.is === 'implement' && step.because === 'first';

/**
 * Who stands in for an item's own agent. Where author and reviewer are two, whoever wrote is never asked what it
 * is worth.
 */
function standIn({ settings }: Known, { item, wrote }: ItemState, step: Step, own: string): string[] {
  const other = settings.fallbacks?.[own];
  if (other === undefined) return [];
  const { author } = item;
  const reviewers = reviewersOf(item).map(({ agent }) => agent);
  if (reviewers.length === 0 || reviewers.includes(author)) return [other];
  const isBoth = step.is === 'review' ? other === (wrote ?? author) : reviewers.includes(other);
  return isBoth ? [] : [other];
}

export interface Hand {
  readonly agent: string;
  readonly credential: string;
}

/**
 * Who can be started on what now, for a step of an item whose own agent for it is `own`; undefined: nobody.
 * `tried` are credentials in doubt on which this decision has started somebody already.
 */
export function handFor(
  state: RunState,
  item: ItemState,
  step: Step,
  own: string,
  now: number,
  tried: ReadonlySet<string> = new Set(),
): Hand | undefined {
  return firstOpen(state, [own, ...standIn(state, item, step, own)], {
    now,
    begins: begins(item, step),
    tried: (name) => tried.has(name) || isProbed(state, name),
  });
}

function firstOpen(state: Known, agents: readonly string[], ask: Ask): Hand | undefined {
  for (const agent of agents) {
    const credential = credentialsOf(state, agent).find((name) => {
      const at = opensAt(state, name, ask);
      return at !== undefined && at <= ask.now && !ask.tried(name);
    });
    if (credential !== undefined) return { agent, credential };
  }
  return undefined;
}

/** Whether nobody can do a step of an item before some time has passed or some person has acted. */
export const isBarred = (state: RunState, item: ItemState, step: Step, own: string, now: number): boolean =>
  firstOpen(state, [own, ...standIn(state, item, step, own)], {
    now,
    begins: begins(item, step),
    tried: () => false,
  }) === undefined;

/** What opens first for a step of an item, where all is closed, and why it waits; undefined where all is shut. */
export function firstToOpen(
  state: RunState,
  item: ItemState,
  step: Step,
  own: string,
  now: number,
): { readonly credential: string; readonly until: number; readonly kept?: true } | undefined {
  const ask: Ask = { now, begins: begins(item, step), tried: () => false };
  const names = [own, ...standIn(state, item, step, own)].flatMap((agent) => credentialsOf(state, agent));
  const opening = names.flatMap((credential) => {
    const until = opensAt(state, credential, ask);
    if (until === undefined) return [];
    const kept = until > (state.closed.get(credential) ?? 0);
    return [{ credential, until, ...(kept ? { kept: true as const } : {}) }];
  });
  return opening.sort((a, b) => a.until - b.until)[0];
}

/** Whether each credential of an agent is shut, and of whoever takes over from it. */
export const isShut = (state: Pick<Known, 'settings' | 'shut'>, agent: string): boolean =>
  withStandIn(state, agent).every((name) => state.shut.has(name));

const withStandIn = (state: Pick<Known, 'settings'>, agent: string): string[] => {
  const other = state.settings.fallbacks?.[agent];
  return [agent, ...(other === undefined ? [] : [other])].flatMap((one) => credentialsOf(state, one));
};

/** Why an agent can be started on nothing any more: each of its credentials with its problem. */
export const shutWords = (state: Pick<Known, 'settings' | 'shut'>, agent: string): string[] =>
  withStandIn(state, agent).flatMap((name) => {
    const shut = state.shut.get(name);
    return shut === undefined ? [] : [`${name} cannot be used: ${shut.why}`];
  });

/** Whether a conversation that began on one credential can go on under another. */
export const canRoam = ({ credentials }: RunSettings, agent: string): boolean =>
  credentials?.[agent]?.roams ?? true;

/** How long a refused key is left alone where others do; then it may have been paid for, ms. */
const LEFT_ALONE_MS = 24 * 60 * 60_000;

/**
 * What runs before leave to one that begins or goes on at `now`, oldest first. Limits hold until they are over.
 * A key that was shut stays so for a day, but only while its agent has another: who starts a run that had nothing
 * left has paid. A key that was replaced is another, and a login may have been mended any time.
 */
export function heldOver(
  runs: readonly Known[],
  settings: Pick<RunSettings, 'credentials' | 'marks'>,
  now: number,
): HeldCredentials {
  const closed = new Map<string, number>();
  const guesses = new Map<string, number>();
  const windows = new Map<string, readonly UsageWindow[]>();
  const shut = new Map<string, ShutCredential>();
  for (const run of runs) {
    const isSame = (name: string): boolean => run.settings.marks?.[name] === settings.marks?.[name];
    for (const [name, until] of run.closed) {
      if (isSame(name)) closed.set(name, Math.max(until, closed.get(name) ?? 0));
    }
    for (const [name, one] of run.shut) if (isSame(name)) shut.set(name, one);
    for (const [name, times] of run.guesses) if (isSame(name)) guesses.set(name, times);
    for (const [name, told] of run.windows) {
      const current = told.filter(({ resetsAt }) => resetsAt > now);
      if (isSame(name) && current.length > 0) windows.set(name, current);
    }
  }
  const known = new Set(Object.values(settings.credentials ?? {}).flatMap(({ order }) => order));
  for (const [name, until] of closed) if (until <= now) closed.delete(name);
  for (const name of guesses.keys()) if (!closed.has(name)) guesses.delete(name);
  for (const { order } of Object.values(settings.credentials ?? {})) {
    if (order.every((name) => shut.has(name))) for (const name of order) shut.delete(name);
  }
  for (const [name, { since }] of shut) {
    if (isLogin(name) || !known.has(name) || since + LEFT_ALONE_MS <= now) shut.delete(name);
  }
  return {
    closed: Object.fromEntries(closed),
    shut: Object.fromEntries(shut),
    ...(guesses.size === 0 ? {} : { guesses: Object.fromEntries(guesses) }),
    ...(windows.size === 0 ? {} : { windows: Object.fromEntries(windows) }),
  };
}
