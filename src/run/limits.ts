/**
 * What the end of an assignment tells of the credential that it was started on: closed until a time, in doubt,
 * or how much of its window is used.
 *
 * A limit that names no time to be believed closes its credential for a minute, twice as long each time up to an
 * hour, and then one agent tries it: the others wait for what becomes of that one.
 */
import type { AgentOutcome, UsageWindow, WorkOutcome } from '../model/outcome.js';
import type { RunState } from '../model/state.js';

/** How long a credential stays closed when a limit does not say until when, in runs of before, ms. */
const FORMER_UNKNOWN_MS = 5 * 60_000;
/** How long it stays closed at least when the time that a limit told has passed already, ms. */
const PASSED_MS = 30_000;
const FIRST_GUESS_MS = 60_000;
const LONGEST_GUESS_MS = 60 * 60_000;
/** One that ends later is a slip, and none, ms. */
const LONGEST_WINDOW_MS = 8 * 24 * 60 * 60_000;

type Limits = Pick<RunState, 'closed' | 'guesses' | 'windows'>;

/** The pause after the `times`th limit in a row that named no time to be believed, ms. */
const guessedPause = (first: number, times: number): number =>
  Math.min(LONGEST_GUESS_MS, first * 2 ** (times - 1));

/** `since` is when the assignment was started, `now` when it had ended; epoch ms. */
export function learnLimits(
  state: RunState,
  credential: string,
  { agent, windows }: WorkOutcome,
  since: number,
  now: number,
): Limits {
  const { closed, guesses } = state;
  const known = learnWindows(state.windows, credential, windows ?? [], now);
  const before = closed.get(credential) ?? 0;
  // One that was at work when the credential was closed says nothing about what came after.
  const isNews = since >= before;
  if (agent.kind !== 'limited') {
    const isOver = isNews && guesses.has(credential) && hasAnswered(agent);
    return { closed, guesses: isOver ? without(guesses, credential) : guesses, windows: known };
  }
  const { resetAt } = agent;
  const close = (until: number): ReadonlyMap<string, number> =>
    new Map(closed).set(credential, Math.max(until, before));
  if (resetAt !== undefined && resetAt > now) {
    return { closed: close(resetAt), guesses: without(guesses, credential), windows: known };
  }
  // An agent that goes on naming a time gone by would be started over and over.
  if (state.settings.limits === undefined) {
    const until = now + (resetAt === undefined ? FORMER_UNKNOWN_MS : PASSED_MS);
    return { closed: close(until), guesses, windows: known };
  }
  // Agents that run into the same limit together are one try, not several.
  const times = (guesses.get(credential) ?? 0) + (isNews ? 1 : 0);
  const pause = guessedPause(resetAt === undefined ? FIRST_GUESS_MS : PASSED_MS, Math.max(1, times));
  return {
    closed: isNews ? close(now + pause) : closed,
    guesses: new Map(guesses).set(credential, Math.max(1, times)),
    windows: known,
  };
}

/** What of a credential's windows is used, as an agent tells that is at work at `now`, epoch ms. */
export function learnWindows(
  all: RunState['windows'],
  credential: string,
  windows: readonly UsageWindow[],
  now: number,
): RunState['windows'] {
  // A window that ends in a year is none.
  const told = windows.filter(({ resetsAt }) => resetsAt <= now + LONGEST_WINDOW_MS);
  return told.length === 0 ? all : withWindows(all, credential, told);
}

/** Whether the service let it in: only then is a doubt over. */
function hasAnswered({ kind }: AgentOutcome): boolean {
  switch (kind) {
    case 'limited':
    case 'overloaded':
    case 'cancelled':
    case 'interrupted':
    case 'unprepared':
    case 'unmet':
    case 'unstartable':
      return false;
    default:
      return true;
  }
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  if (!map.has(key)) return map;
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}

/**
 * What was told now, and of other windows what was told before. Agents end in another order than they heard of
 * it, and until it resets a window only fills.
 */
function withWindows(
  all: ReadonlyMap<string, readonly UsageWindow[]>,
  credential: string,
  told: readonly UsageWindow[],
): ReadonlyMap<string, readonly UsageWindow[]> {
  const names = new Set(told.map(({ name }) => name));
  const before = all.get(credential) ?? [];
  const rest = before.filter(({ name }) => !names.has(name));
  const fuller = told.map((one): UsageWindow => {
    const same = before.find(({ name, resetsAt }) => name === one.name && resetsAt === one.resetsAt);
    return same === undefined ? one : { ...one, used: Math.max(one.used, same.used) };
  });
  return new Map(all).set(
    credential,
    [...rest, ...fuller].sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
}

/** Until when what is left of a credential's windows is for milestones that have begun; undefined: it is not. */
export function keptUntil(
  { settings, windows }: Pick<RunState, 'settings' | 'windows'>,
  credential: string,
  now: number,
): number | undefined {
  const { reserve } = settings.limits ?? { reserve: 0 };
  if (reserve === 0) return undefined;
  const scarce = (windows.get(credential) ?? []).filter(
    ({ used, resetsAt }) => used >= 1 - reserve - 1e-9 && resetsAt > now,
  );
  return scarce.length === 0 ? undefined : Math.max(...scarce.map(({ resetsAt }) => resetsAt));
}

/** Whether one agent is trying a credential that is in doubt. */
export const isProbed = (
  { guesses, closed, flights }: Pick<RunState, 'guesses' | 'closed' | 'flights'>,
  credential: string,
): boolean =>
  guesses.has(credential) &&
  [...flights.values()].some(
    ({ effect, since }) =>
      effect.do === 'work' &&
      (effect.credential ?? effect.agent) === credential &&
      since >= (closed.get(credential) ?? 0),
  );
