/** Which programs are there, and what they say of themselves. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { KNOWN_AGENTS } from '../model/known-agents.js';
import { allowedEnvironment } from '../process/environment.js';
import type { World } from './world.js';

/** Longest time that a program may take to tell its version. */
const VERSION_MS = 5_000;

/** Where a program is: by its path from `root`, or on the PATH. */
export async function findProgram(
  program: string,
  root: string,
  path: string | undefined,
): Promise<string | undefined> {
  const places = program.includes('/')
    ? [isAbsolute(program) ? program : join(root, program)]
    : (path ?? '').split(delimiter).map((folder) => join(folder === '' ? root : folder, program));
  for (const place of places) {
    const isThere = await access(place, constants.X_OK).then(
      async () => (await stat(place)).isFile(),
      () => false,
    );
    if (isThere) return place;
  }
  return undefined;
}

/** Where a program is that nobody named: only in folders that the PATH names whole, never in the project itself. */
export const findInstalled = (program: string, path: string | undefined): Promise<string | undefined> =>
  findProgram(
    program,
    tmpdir(),
    (path ?? '')
      .split(delimiter)
      .filter((folder) => isAbsolute(folder))
      .join(delimiter),
  );

/** What `PROGRAM --version` says, such as `2.1.329`; undefined where it says nothing of the kind in time. */
export async function versionOf(world: World, program: string): Promise<string | undefined> {
  const { runProcess } = await import('../process/index.js');
  const said = await runProcess({
    command: program,
    args: ['--version'],
    cwd: tmpdir(),
    env: allowedEnvironment(world.env),
    timeoutMs: VERSION_MS,
    maxBytes: 64 * 1024,
  });
  if (said.kind !== 'exited' || said.code !== 0) return undefined;
  return /(?<![\d.])\d+\.\d+(?:\.[\w-]+)*/.exec(said.stdout.toString('utf8'))?.[0].slice(0, 40);
}

/** A known agent that is installed. */
export interface InstalledAgent {
  readonly name: string;
  readonly version?: string;
}

/** `claude 2.1.329`, or its name alone. */
export const agentLabel = ({ name, version }: InstalledAgent): string =>
  version === undefined ? name : `${name} ${version}`;

/** All of them, in the order in which one is taken where nobody names one. */
export async function installedAgents(world: World): Promise<InstalledAgent[]> {
  const found = await Promise.all(
    KNOWN_AGENTS.map(async ({ name }): Promise<InstalledAgent[]> => {
      const program = await findInstalled(name, world.env.PATH);
      if (program === undefined) return [];
      const version = await versionOf(world, program);
      return [{ name, ...(version === undefined ? {} : { version }) }];
    }),
  );
  return found.flat();
}
