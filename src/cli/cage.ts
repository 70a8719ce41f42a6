/** What agents, setup and checks are shut into where the configuration asks for a sandbox. */
import { lstat, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Repository } from '../git/index.js';
import type { AgentConfig, Config } from '../model/config.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { allowedEnvironment } from '../process/environment.js';
import { type Cage, whyNoSandbox } from '../process/sandbox.js';
import type { World } from './world.js';

/** Below the user's home: what is nobody's business in a sandbox. */
const HIDDEN = [
  '.ssh',
  '.gnupg',
  '.netrc',
  '.git-credentials',
  '.docker',
  '.kube',
  join('.config', 'gh'),
  join('.config', 'git', 'credentials'),
  join('.config', 'mstone'),
];

/** Where each CLI keeps its login, its conversations and its caches: from the home, unless a variable says it. */
const OWN_PLACES: Readonly<
  Partial<Record<AgentConfig['kind'], { readonly variable?: string; readonly home: readonly string[] }>>
> = {
  claude: { variable: 'CLAUDE_CONFIG_DIR', home: ['.claude', '.claude.json'] },
  codex: { variable: 'CODEX_HOME', home: ['.codex'] },
  gemini: { home: ['.gemini'] },
  opencode: {
    home: [
      join('.local', 'share', 'opencode'),
      join('.local', 'state', 'opencode'),
      join('.config', 'opencode'),
      join('.cache', 'opencode'),
    ],
  },
};

export interface CageWanted {
  /** The slot. */
  readonly path: string;
  /** What else has to be read, wherever it lies: the assignment's folder. */
  readonly reads?: readonly string[];
  /** A file that is made if it is not there. */
  readonly notes?: string;
  /** Whose own places may be written to. */
  readonly kind?: AgentConfig['kind'];
}

/** The folder that takes the place of /tmp in the sandbox of a slot. */
const temporaryOf = (slot: string): string => `${slot}.tmp`;

/** Empties it. */
export async function freshTemporary(config: Config, slot: string): Promise<void> {
  if (config.sandbox.kind === 'none') return;
  await rm(temporaryOf(slot), { recursive: true, force: true, maxRetries: 3 });
}

/** The sandbox of a slot; undefined where none is asked for. */
export async function cageOf(
  world: Pick<World, 'env'>,
  repository: Repository,
  { sandbox }: Config,
  { path, reads = [], notes, kind }: CageWanted,
): Promise<Cage | undefined> {
  if (sandbox.kind === 'none') return undefined;
  const home = world.env.HOME ?? homedir();
  const temporary = temporaryOf(path);
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  if (notes !== undefined) {
    await mkdir(dirname(notes), { recursive: true, mode: 0o700 });
    await writeFile(notes, '', { flag: 'a', mode: 0o600 });
  }
  const places = kind === undefined ? undefined : OWN_PLACES[kind];
  const named = places?.variable === undefined ? undefined : world.env[places.variable];
  const own =
    named !== undefined && named !== '' ? [named] : (places?.home ?? []).map((name) => join(home, name));
  const further = sandbox.write.map((place) => (place.startsWith('~/') ? join(home, place.slice(2)) : place));
  const writable = [path, ...(notes === undefined ? [] : [notes]), ...own, ...further];
  const hidden = await Promise.all(
    HIDDEN.map(async (name) => {
      const info = await lstat(join(home, name)).catch(() => undefined);
      if (info === undefined || info.isSymbolicLink()) return [];
      return [{ path: join(home, name), is: info.isDirectory() ? ('folder' as const) : ('file' as const) }];
    }),
  );
  return {
    writable: await thereOf(writable),
    // These would be covered by the sandbox's own /tmp.
    readable: (await thereOf([home, repository.root, repository.commonDir, ...reads])).filter((one) =>
      /^(?:\/private)?\/(?:var\/)?tmp\//.test(one),
    ),
    hidden: hidden.flat(),
    temporary,
    network: sandbox.network,
  };
}

/** Those that exist, by their real paths. */
async function thereOf(paths: readonly string[]): Promise<string[]> {
  const real = await Promise.all(paths.map((path) => realpath(path).catch(() => undefined)));
  return [...new Set(real.filter((path) => path !== undefined))];
}

/** A sandbox that is asked for and cannot be had: said before anybody is paid. */
export async function sandboxMissing(world: Pick<World, 'env'>, { sandbox }: Config): Promise<Diagnostic[]> {
  if (sandbox.kind === 'none') return [];
  const why = await whyNoSandbox(allowedEnvironment(world.env));
  if (why === undefined) return [];
  return [
    {
      severity: 'error',
      code: 'no-sandbox',
      message: 'no sandbox can be made here, and `sandbox: bubblewrap` asks for one',
      expected: 'bwrap on the PATH, and permission to make user namespaces',
      found: why,
      fix: 'install bubblewrap (apt install bubblewrap), see `mstone doctor`, or set `sandbox: none`',
    },
  ];
}
