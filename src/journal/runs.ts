/**
 * Where runs keep what they remember, below `mstone/` in git's common directory.
 *
 *     mstone/runs/<run>/journal.ndjson    what happened; of old finished runs `journal.ndjson.gz`
 *     mstone/runs/<run>/logs/             what agents and checks said
 *     mstone/runs/<run>/assignments/      start tokens, prompts and exit files
 *
 * Folders have mode 0700 and files 0600: logs may hold what nobody else should read.
 */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { isMissing } from './disk.js';
import { packedName } from './packed.js';

export interface RunFolder {
  readonly run: string;
  readonly dir: string;
  readonly journal: string;
  readonly logs: string;
  readonly assignments: string;
}

/** 26 characters of Crockford's base 32: the time first, so that names sort by age. */
const RUN_ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** A name for a run that starts now (`nowMs`: epoch ms). */
export const newRunId = (nowMs: number): string => ulid(nowMs);

/** True for a name that `newRunId` could have given; anything else is never made a path. */
export const isRunId = (text: string): boolean => RUN_ID.test(text);

/** The paths of a run, whether it exists or not. Throws for a name that is none. */
export function runFolder(stateDir: string, run: string): RunFolder {
  if (!isRunId(run)) throw new Error(`not the name of a run: ${JSON.stringify(run)}`);
  const dir = join(stateDir, 'runs', run);
  return {
    run,
    dir,
    journal: join(dir, 'journal.ndjson'),
    logs: join(dir, 'logs'),
    assignments: join(dir, 'assignments'),
  };
}

/** Makes a run's folders where they are missing. */
export async function makeRunFolder(stateDir: string, run: string): Promise<RunFolder> {
  const folder = runFolder(stateDir, run);
  for (const path of [folder.logs, folder.assignments]) await mkdir(path, { recursive: true, mode: 0o700 });
  return folder;
}

/** All runs that have a journal, the oldest first; `file` is the journal, packed or not. */
export async function listRuns(
  stateDir: string,
): Promise<readonly { readonly run: string; readonly file: string }[]> {
  const found: { readonly run: string; readonly file: string }[] = [];
  for (const name of (await namesIn(join(stateDir, 'runs'))).filter(isRunId).sort()) {
    const { run, journal } = runFolder(stateDir, name);
    // A crash while it was packed leaves both, each whole.
    const file = (await isFile(journal)) ? journal : packedName(journal);
    if (await isFile(file)) found.push({ run, file });
  }
  return found;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
