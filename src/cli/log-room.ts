/** Keeps what agents and checks have printed within bounds: the oldest finished runs' logs go first, and it is told. */
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { count } from '../report/words.js';
import { absent } from './project.js';
import { type KnownRun, logsOf } from './state.js';

/**
 * Removes logs of finished runs, oldest first and never the newest run's, while all together take more than
 * `keepBytes`. Journals, archives and notes stay. Returns what is told of it.
 */
export async function limitLogs(
  stateDir: string,
  runs: readonly KnownRun[],
  keepBytes: number,
): Promise<string[]> {
  const all = await Promise.all(
    runs.map(async ({ run, state }) => {
      const folder = logsOf(stateDir, state);
      // Nothing but a run's own is ever removed.
      const isOwn = basename(folder) === run || folder.startsWith(join(stateDir, 'runs', run));
      return { isFinished: isOwn && state.end?.is === 'ended', files: await logFiles(folder) };
    }),
  );
  let bytes = all.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0);
  let [gone, freed] = [0, 0];
  for (const { isFinished, files } of all.slice(0, -1)) {
    if (bytes <= keepBytes) break;
    if (!isFinished || files.length === 0) continue;
    for (const { file, size } of files) {
      await rm(file, { force: true });
      bytes -= size;
      freed += size;
    }
    gone += 1;
  }
  if (gone === 0) return [];
  return [
    `logs of ${count(gone, 'finished run')} were removed (${megabytes(freed)}): all together took more than ${megabytes(keepBytes)} (logs.keep)`,
  ];
}

async function logFiles(folder: string): Promise<{ readonly file: string; readonly size: number }[]> {
  const found = await readdir(folder).catch(absent([] as string[]));
  const logs = found.filter((name) => name.endsWith('.log')).map((name) => join(folder, name));
  return Promise.all(
    logs.map(async (file) => ({ file, size: (await stat(file).catch(absent(undefined)))?.size ?? 0 })),
  );
}

const megabytes = (bytes: number): string =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${Math.round(bytes / 1e6)} MB`;
