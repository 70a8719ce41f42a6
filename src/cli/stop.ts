/**
 * `mstone stop`: asks the run under way to end, as Ctrl-C in its terminal would, or with `--now` SIGTERM.
 *
 * It takes no lock and changes nothing itself: it signals the lock's owner, once it is proven that this is
 * the very process that drives a run. The request is a signal of its own and not SIGINT, of which a second
 * one ends agents: asking twice, or after Ctrl-C, asks for nothing more.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRepository } from '../git/index.js';
import { readJournal } from '../journal/index.js';
import { type Owner, readOwner } from '../journal/lock.js';
import { listRuns } from '../journal/runs.js';
import type { RunState } from '../model/state.js';
import { signalProcess } from '../process/identity.js';
import { count, names, runningIn } from '../report/words.js';
import { emptyRun, replay } from '../run/index.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { absent } from './project.js';
import { ownerIsAlive } from './state.js';
import type { World } from './world.js';

export interface StopOptions {
  readonly now?: true;
  readonly wait?: true;
}

/** How often it is looked again. */
const LOOK_MS = 100;
/** A run that is being planned holds the lock before it has a journal. */
const PLANNED_MS = 3000;

export async function stop(world: World, options: StopOptions): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { stateDir } = repository.value;
  const lockFile = join(stateDir, 'lock');

  let owner: Owner | undefined;
  let state: RunState | undefined;
  for (let waited = 0; state === undefined; waited += LOOK_MS) {
    owner = await readOwner(lockFile);
    if (owner === undefined) {
      // Given up since, or never written to its end.
      if ((await readFile(lockFile, 'utf8').catch(absent(''))) === '') return noRun(world, stateDir);
      return sayError(
        world,
        'not-a-run',
        `the lock ${lockFile} cannot be read`,
        'type `mstone doctor` to see what is wrong',
      );
    }
    const life = ownerIsAlive(owner);
    if (life === 'dead') return noRun(world, stateDir);
    const who = `process ${owner.pid} on ${owner.host}, since ${owner.since}`;
    if (life === 'unknown') {
      return sayError(
        world,
        'run-elsewhere',
        `the run under way cannot be reached from here: ${who}`,
        'type `mstone stop` on that machine, in that container',
      );
    }
    state = await drivenBy(owner, stateDir);
    if (state !== undefined) break;
    if (waited >= PLANNED_MS) {
      return sayError(
        world,
        'not-a-run',
        `what holds the lock is no run: ${who}`,
        'it plans one, marks or cleans up: wait for its end, or end it in its own terminal',
      );
    }
    await sleep(LOOK_MS);
  }
  if (owner === undefined) return noRun(world, stateDir);

  const sent = signalProcess(owner, options.now === true ? 'SIGTERM' : 'SIGUSR2');
  if (sent === 'gone') return noRun(world, stateDir);
  if (sent === 'forbidden') {
    return sayError(
      world,
      'run-elsewhere',
      `process ${owner.pid}, which drives the run, is another user’s`,
      'type `mstone stop` as that user',
    );
  }
  say(world, askedWords(state, owner, options).join('\n'));
  if (options.wait === true) await waitForEnd(world, stateDir, owner, state);
  return 0;
}

/** What was asked for, and what of it is still at work. */
function askedWords(state: RunState, { pid }: Owner, { now, wait }: StopOptions): string[] {
  const running = runningIn(state);
  if (now === true) {
    const what =
      running.length === 0 ? 'no agent was at work' : `${names(running)} is ended, its work is kept`;
    return [`Told run ${state.run} (process ${pid}) to end now: ${what}`, 'Next: mstone resume'];
  }
  const goesOn = running.map((one) => `  ${one} goes on until it ends; \`mstone stop --now\` ends it`);
  return [
    `Asked run ${state.run} (process ${pid}) to stop: nothing new starts`,
    ...goesOn,
    ...(wait === true ? [] : ['Next: mstone status']),
  ];
}

/** Shows what is still at work until the lock is free, or until Ctrl-C, which ends the waiting alone. */
async function waitForEnd(world: World, stateDir: string, owner: Owner, begun: RunState): Promise<void> {
  const enough = new AbortController();
  const stopListening = world.onSignal(() => enough.abort());
  let before = runningIn(begun);
  try {
    while (!enough.signal.aborted) {
      const now = await readOwner(join(stateDir, 'lock'));
      const over = now?.nonce !== owner.nonce || ownerIsAlive(now) === 'dead';
      const running = runningIn((await newestRun(stateDir)) ?? begun);
      const ended = before.filter((one) => !running.includes(one));
      if (ended.length > 0) {
        const left = running.length === 0 ? 'nothing is at work' : `${names(running)} goes on`;
        say(world, `  ${names(ended)} has ended; ${left}`);
      }
      before = running;
      if (over) {
        say(world, 'The run has stopped.\nNext: mstone resume');
        return;
      }
      await sleep(LOOK_MS, undefined, { signal: enough.signal }).catch((error: Error) => {
        if (error.name !== 'AbortError') throw error;
      });
    }
  } finally {
    stopListening();
  }
}

export async function noRun(world: World, stateDir: string): Promise<number> {
  const state = await newestRun(stateDir);
  const left = state === undefined || state.end?.is === 'ended' ? 0 : runningIn(state).length;
  // Agents outlive an mstone that was killed.
  const agents = left === 0 ? '' : ` ${count(left, 'assignment')} of the last one may still be at work.`;
  const next = state === undefined || state.end?.is === 'ended' ? 'mstone run' : 'mstone resume';
  say(world, `No run is under way.${agents}\nNext: ${next}`);
  return 0;
}

/**
 * The run that this process drives: one that it opened after it took the lock, and that has not ended.
 * From that moment on it listens for signals.
 */
export async function drivenBy(owner: Owner, stateDir: string): Promise<RunState | undefined> {
  const newest = (await listRuns(stateDir)).at(-1);
  if (newest === undefined) return undefined;
  const read = await readJournal(newest.file);
  if (!read.ok) return undefined;
  const { entries } = read.value;
  const opened = entries.findLast(({ event }) => 'settings' in event);
  const state = replay(
    emptyRun(newest.run),
    entries.map(({ event }) => event),
  );
  return opened !== undefined && state.end === undefined && opened.at >= owner.since ? state : undefined;
}

export async function newestRun(stateDir: string): Promise<RunState | undefined> {
  const newest = (await listRuns(stateDir)).at(-1);
  if (newest === undefined) return undefined;
  const read = await readJournal(newest.file);
  if (!read.ok) return undefined;
  return replay(
    emptyRun(newest.run),
    read.value.entries.map(({ event }) => event),
  );
}
