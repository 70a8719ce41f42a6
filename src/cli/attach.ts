/**
 * `mstone attach`: what the terminal shows in which a run was started, in any other one. It reads the journal
 * and the logs and takes no lock; to leave it changes nothing.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRepository } from '../git/index.js';
import { readJournal } from '../journal/index.js';
import { type Owner, readOwner } from '../journal/lock.js';
import { runFolder } from '../journal/runs.js';
import type { Entry } from '../model/event.js';
import { makeRedactor } from '../model/redact.js';
import type { RunState } from '../model/state.js';
import { emptyRun, reduce } from '../run/index.js';
import {
  besideEvents,
  formOf,
  makeReporter,
  type OutputForm,
  say,
  sayDiagnostics,
  sayError,
} from './output.js';
import { absent, readSecrets } from './project.js';
import { lastWords } from './run.js';
import { logsOf, ownerIsAlive } from './state.js';
import { drivenBy, noRun } from './stop.js';
import type { World } from './world.js';

type Terminal = World & { readonly color: boolean };

const LOOK_MS = 150;
/** A run that is being planned holds the lock before it has a journal. */
const PLANNED_MS = 3000;

export async function attach(
  terminal: Terminal,
  { output }: { readonly output: OutputForm },
): Promise<number> {
  const world = besideEvents(terminal, output);
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { stateDir, root } = repository.value;
  const driver = await driverIn(stateDir);
  if (driver === undefined) return noRun(world, stateDir);
  const { owner, run } = driver;
  const redact = makeRedactor(await readSecrets(world, root));
  const stop = new AbortController();
  const stopListening = world.onSignal(() => stop.abort());
  world.closed?.addEventListener('abort', () => stop.abort(), { once: true });

  const { journal } = runFolder(stateDir, run);
  let state = emptyRun(run);
  let seen = 0;
  let size = -1;
  /** What has come since the last look. */
  const look = async (): Promise<readonly Entry[]> => {
    const now = (await stat(journal).catch(absent(undefined)))?.size ?? 0;
    if (now === size) return [];
    const read = await readJournal(journal);
    if (!read.ok) return [];
    size = now;
    const fresh = read.value.entries.slice(seen);
    seen = read.value.entries.length;
    return fresh;
  };

  // What has happened is told as the state that it led to, in the words of its last beginning.
  const past = await look();
  state = past.reduce<RunState>((before, { event }) => reduce(before, event), state);
  const reporter = await makeReporter(
    terminal,
    output,
    (item) => lastWords(logsOf(stateDir, state), item, redact),
    undefined,
    redact,
  );
  const opening = past.findLast(({ event }) => 'settings' in event);
  if (opening !== undefined) reporter.notice(opening.event, state);
  try {
    for (;;) {
      for (const entry of await look()) {
        reporter.entry(entry);
        state = reduce(state, entry.event);
        reporter.notice(entry.event, state);
      }
      const { end } = state;
      if (end !== undefined) return end.exit;
      if (stop.signal.aborted) return 0;
      const now = await readOwner(join(stateDir, 'lock'));
      if (now?.nonce !== owner.nonce || ownerIsAlive(now) === 'dead') {
        // Its last words may have come between the two looks.
        if ((await stat(journal).catch(absent(undefined)))?.size !== size) continue;
        await reporter.close();
        return sayError(
          world,
          'run-broken-off',
          `process ${owner.pid}, which drove the run, is gone and has not said how it ended`,
        );
      }
      await sleep(LOOK_MS, undefined, { signal: stop.signal }).catch((error: Error) => {
        if (error.name !== 'AbortError') throw error;
      });
    }
  } finally {
    stopListening();
    const isLeft = state.end === undefined && stop.signal.aborted;
    await reporter.close(isLeft ? 'left' : undefined);
    if (isLeft && formOf(terminal, output) !== 'quiet')
      say(world, `Run ${run} goes on.\nNext: mstone attach`);
  }
}

/** Who drives which run, once it does: before, it is planned. */
async function driverIn(
  stateDir: string,
): Promise<{ readonly owner: Owner; readonly run: string } | undefined> {
  for (let waited = 0; waited <= PLANNED_MS; waited += LOOK_MS) {
    const owner = await readOwner(join(stateDir, 'lock'));
    if (owner === undefined || ownerIsAlive(owner) === 'dead') return undefined;
    const state = await drivenBy(owner, stateDir);
    if (state !== undefined) return { owner, run: state.run };
    await sleep(LOOK_MS);
  }
  return undefined;
}
