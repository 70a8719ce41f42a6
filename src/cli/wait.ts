/** Waiting by the clock on the wall, and `mstone resume --when-ready`: until a run that is paused could go on. */
import type { RunState } from '../model/state.js';
import { formatDuration, formatUntil } from '../report/words.js';
import { decide } from '../run/decide.js';
import { nextTurn } from '../run/questions.js';
import { say } from './output.js';
import type { World } from './world.js';

/** How often the clock is looked at: a laptop sleeps, clocks are set, and a timer of Node's knows of neither. */
const LOOK_MS = 30_000;

/** Resolves after `ms`, or when aborted. */
type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

const pauseFor: Pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });

/** Resolves once the clock on the wall shows `at` (epoch ms), within 30 s of a jump; or when aborted. */
export async function waitUntil(
  at: number,
  signal: AbortSignal,
  now: () => number = Date.now,
  pause: Pause = pauseFor,
): Promise<void> {
  while (!signal.aborted) {
    const left = at - now();
    if (left <= 0) return;
    await pause(Math.min(left, LOOK_MS), signal);
  }
}

/** When a run that rests could go on, epoch ms, and for want of what it cannot now; undefined: it can, or time is not what it waits for. */
function readyAt(state: RunState, now: number): { readonly at: number; readonly why: string } | undefined {
  const { end, ...free } = state;
  if (end?.is === 'paused' && end.until !== undefined) {
    return end.until > now ? { at: end.until, why: end.why } : undefined;
  }
  // Killed while it waited, or paused for several reasons at once.
  if (free.flights.size > 0 || decide(free, { now, capacity: free.settings.jobs }).length > 0)
    return undefined;
  const at = nextTurn(free, now);
  return at === undefined ? undefined : { at, why: end?.why ?? 'nothing can start before' };
}

/** Sleeps until a paused run could go on. Undefined: it can; else the exit code of whoever was told to stop. */
export async function waitUntilReady(world: World, state: RunState): Promise<number | undefined> {
  const ready = readyAt(state, world.now());
  if (ready === undefined) return undefined;
  const { at, why } = ready;
  const stop = new AbortController();
  let exit: number | undefined;
  const stopListening = world.onSignal((signal) => {
    exit = signal === 'SIGTERM' ? 143 : 130;
    stop.abort();
  });
  const left = (): string => formatDuration(at - world.now());
  say(
    world,
    `Waits until ${formatUntil(at, { now: world.now() })} (${left()}): ${why}. Ctrl-C ends the wait.`,
  );
  const picture = world.stdout.isTTY === true && world.env.TERM !== 'dumb';
  try {
    while (!stop.signal.aborted && world.now() < at) {
      if (picture) world.stdout.write(`\r\u001b[K${left()} left`);
      await waitUntil(picture ? Math.min(at, world.now() + 1000) : at, stop.signal, world.now);
    }
  } finally {
    stopListening();
    if (picture) world.stdout.write('\r\u001b[K');
  }
  if (exit !== undefined) say(world, 'Nothing was started.\nNext: mstone resume');
  return exit;
}
