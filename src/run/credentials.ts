/**
 * What an agent is started on: the first of its credentials that is open. A limit closes a credential until a
 * time, a refusal shuts it; the agent goes on with the next, and waits only where none is left.
 */
import { isLogin } from '../model/credential.js';
import type { HeldCredentials, RunSettings, ShutCredential } from '../model/event.js';
import type { RunState } from '../model/state.js';

type Known = Pick<RunState, 'settings' | 'closed' | 'shut'>;

/** Names in the order in which they are used; of an agent that pays by itself, its own. */
const credentialsOf = ({ settings }: Pick<Known, 'settings'>, agent: string): readonly string[] =>
  settings.credentials?.[agent]?.order ?? [agent];

/** What an agent can be started on now; undefined: nothing. */
export const openCredential = (state: Known, agent: string, now: number): string | undefined =>
  credentialsOf(state, agent).find((name) => !state.shut.has(name) && (state.closed.get(name) ?? 0) <= now);

/** Which of an agent's credentials opens first, where one is only limited; undefined where all are shut. */
export function nextToOpen(
  state: Known,
  agent: string,
): { readonly credential: string; readonly until: number } | undefined {
  const limited = credentialsOf(state, agent)
    .filter((name) => !state.shut.has(name))
    .map((credential) => ({ credential, until: state.closed.get(credential) ?? 0 }));
  return limited.sort((a, b) => a.until - b.until)[0];
}

/** Why an agent can be started on nothing any more: each of its credentials with its problem. */
export const shutWords = (state: Known, agent: string): string[] =>
  credentialsOf(state, agent).flatMap((name) => {
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
export function heldOver(runs: readonly Known[], settings: RunSettings, now: number): HeldCredentials {
  const closed = new Map<string, number>();
  const shut = new Map<string, ShutCredential>();
  for (const run of runs) {
    const isSame = (name: string): boolean => run.settings.marks?.[name] === settings.marks?.[name];
    for (const [name, until] of run.closed) {
      if (isSame(name)) closed.set(name, Math.max(until, closed.get(name) ?? 0));
    }
    for (const [name, one] of run.shut) if (isSame(name)) shut.set(name, one);
  }
  const known = new Set(Object.values(settings.credentials ?? {}).flatMap(({ order }) => order));
  for (const [name, until] of closed) if (until <= now) closed.delete(name);
  for (const { order } of Object.values(settings.credentials ?? {})) {
    if (order.every((name) => shut.has(name))) for (const name of order) shut.delete(name);
  }
  for (const [name, { since }] of shut) {
    if (isLogin(name) || !known.has(name) || since + LEFT_ALONE_MS <= now) shut.delete(name);
  }
  return { closed: Object.fromEntries(closed), shut: Object.fromEntries(shut) };
}
