/**
 * `--detach`: the same command once more, in a session of its own, where no terminal's end reaches it. This
 * process waits until that one drives a run, and says how to see and how to stop it; what is refused before is
 * said here, with its exit code.
 *
 * What it prints goes to `<state>/detached.log`, appended to: nobody reads it but after a bug. Everything else
 * is in the journal, which `mstone attach` shows.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRepository } from '../git/index.js';
import { readOwner } from '../journal/lock.js';
import { shown } from '../model/shown.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { unwritable } from './state.js';
import { drivenBy } from './stop.js';
import type { World } from './world.js';

const LOOK_MS = 50;
/** A longer log is put aside when the next run begins. */
const MOST_LOG_BYTES = 1024 * 1024;

export async function detach(world: World): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { stateDir } = repository.value;
  const refused = await mkdir(stateDir, { recursive: true, mode: 0o700 }).then(() => undefined, unwritable);
  if (refused?.full === true) return sayError(world, 'disk-full', `the disk is full: ${refused.why}`);
  if (refused !== undefined) {
    return sayError(world, 'state-unwritable', `${shown(stateDir, 200)} cannot be written: ${refused.why}`);
  }
  const file = join(stateDir, 'detached.log');
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > MOST_LOG_BYTES)
    renameSync(file, `${file}.old`);
  const log = openSync(file, 'a', 0o600);
  const from = statSync(file).size;
  const { MSTONE_DETACH: _detach, MSTONE_OUTPUT: _output, ...env } = world.env;
  const [program = '', ...first] = world.program;
  const child = spawn(program, [...first, ...wordsFor(world.argv)], {
    cwd: process.cwd(),
    env,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let code: number | undefined;
  let problem: Error | undefined;
  child.once('exit', (status, signal) => {
    code = status ?? (signal === 'SIGTERM' ? 143 : 1);
  });
  child.once('error', (error) => {
    problem = error;
  });
  child.unref();
  for (;;) {
    if (problem !== undefined) throw problem;
    if (code !== undefined) {
      const said = readFileSync(file).subarray(from).toString('utf8');
      (code === 0 || code === 75 ? world.stdout : world.stderr).write(said);
      return code;
    }
    const owner = await readOwner(join(stateDir, 'lock'));
    const state =
      owner?.pid === child.pid && owner !== undefined ? await drivenBy(owner, stateDir) : undefined;
    if (state !== undefined) {
      say(
        world,
        `Run ${state.run} goes on in the background (process ${child.pid}).\n  mstone attach   shows it\n  mstone stop     lets agents end, and starts nothing new\nNext: mstone attach`,
      );
      return 0;
    }
    await sleep(LOOK_MS);
  }
}

/** The same words without `--detach`, and lines in place of a screen. */
function wordsFor(argv: readonly string[]): string[] {
  const end = argv.indexOf('--');
  const [options, rest] = end < 0 ? [argv, []] : [argv.slice(0, end), argv.slice(end)];
  return [...options.filter((word) => word !== '--detach'), '--output', 'plain', ...rest];
}
