/** `mstone logs ID`: what a milestone's agents and checks printed, escape sequences removed. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openRepository } from '../git/index.js';
import { nearest } from '../model/nearest.js';
import { shown } from '../model/shown.js';
import { plainText } from '../process/plain.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { absent } from './project.js';
import { knownRuns, logsOf } from './state.js';
import type { World } from './world.js';

export interface LogsOptions {
  readonly id: string;
  readonly attempt?: number;
  readonly list?: true;
}

/** `1A.<attempt>.<assignment>.<purpose>.log`, or for a check `1A.<attempt>.<intent>.check.log`. */
const LOG = /^(?<item>[0-9A-Za-z-]+)\.(?<attempt>\d+)\.[^.]+\.[a-z]+\.log$/;

export async function logs(world: World, options: LogsOptions): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { stateDir } = repository.value;

  const runs = await knownRuns(stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);

  const known = new Set<string>();
  for (const { run, state } of runs.value.toReversed()) {
    const folder = logsOf(stateDir, state);
    const found = (await readdir(folder).catch(absent([] as string[]))).flatMap((name) => {
      const { item, attempt } = LOG.exec(name)?.groups ?? {};
      return item === undefined ? [] : [{ name, item, attempt: Number(attempt) }];
    });
    for (const { item } of found) known.add(item);
    const mine = found.filter((log) => log.item === options.id);
    if (mine.length === 0) continue;
    const attempt = options.attempt ?? Math.max(...mine.map((log) => log.attempt));
    const wanted = mine.filter((log) => log.attempt === attempt);
    if (wanted.length === 0) {
      return sayError(
        world,
        'unknown-attempt',
        `${options.id} has no attempt ${attempt} in run ${run}`,
        `mstone logs ${options.id} --list`,
      );
    }
    const files = await Promise.all(
      wanted.map(async ({ name }) => ({
        file: join(folder, name),
        at: (await stat(join(folder, name))).birthtimeMs,
      })),
    );
    for (const { file } of files.sort((a, b) => a.at - b.at || (a.file < b.file ? -1 : 1))) {
      if (options.list) say(world, file);
      else say(world, `==> ${file} <==\n${plainText(await readFile(file, 'utf8'))}`);
    }
    return 0;
  }
  const near = nearest(options.id, [...known]);
  return sayError(
    world,
    'no-logs',
    `${shown(options.id)} has no logs yet`,
    near === undefined ? undefined : `did you mean \`${near}\`?`,
  );
}
