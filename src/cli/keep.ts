/** Keeps the answer to a command line for the next time that it is asked: `answers.ts` says what it hangs on. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { guessRepository } from '../git/ground.js';
import { type Grounds, groundsOf } from '../git/grounds.js';
import type { Repository } from '../git/index.js';
import { isAllTracked } from '../git/uncommitted.js';
import { packedName } from '../journal/packed.js';
import { CONFIG_FILE, type Layout } from '../model/layout.js';
import {
  ANSWER,
  bytesOf,
  type Caller,
  isLocked,
  type Kept,
  mayBeKept,
  placeOf,
  type Said,
} from './answers.js';
import { RACY_MS, stampAll, type Watched } from './stamps.js';
import type { World } from './world.js';

/** What a command made its answer of, beside what `answers.ts` asks by itself. Told only where there is nothing else. */
export interface Ingredients {
  readonly repository: Repository;
  /** The one that is checked out; nothing has landed beside it. */
  readonly branch: string;
  readonly layout: Layout;
  /** Files of settings, absolute, and whether they were there. */
  readonly files: ReadonlyMap<string, boolean>;
  /** Paths below the root of which all was committed, where that mattered. */
  readonly committed?: readonly string[];
}

/** More than any answer that is worth keeping. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Answers to other command lines, or in other environments, that are kept beside the newest. */
const MOST_ANSWERS = 16;

/** Does what `argv` says in `world`, and keeps what is said if it may be said again. */
export async function keeping(
  argv: readonly string[],
  world: World,
  act: (world: World) => Promise<number>,
): Promise<number> {
  if (!mayBeKept(argv)) return act(world);
  const begun = world.now();
  const heard = listen(world);
  let made: Ingredients | undefined;
  let exit: number;
  try {
    exit = await act({
      ...world,
      madeOf: (ingredients) => {
        made = ingredients;
      },
    });
  } finally {
    heard.stop();
  }
  if (exit === 0 && made !== undefined && heard.said !== undefined) {
    try {
      await keep(argv, world, begun, made, heard.said);
    } catch {
      // What cannot be kept has been said all the same.
    }
  }
  return exit;
}

/** Hears what is written from now on; `said` is undefined once it is too much. */
function listen(world: World): { said: Said[] | undefined; stop(): void } {
  let bytes = 0;
  const heard = {
    said: [] as Said[] | undefined,
    stop: (): void => {
      for (const [stream, write] of writes) stream.write = write;
      writes.clear();
    },
  };
  const writes = new Map<NodeJS.WriteStream, NodeJS.WriteStream['write']>();
  for (const to of ['stdout', 'stderr'] as const) {
    const stream = world[to];
    const { write } = stream;
    writes.set(stream, write);
    stream.write = ((...args: Parameters<typeof write>) => {
      const [chunk] = args;
      const said = typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk as Uint8Array);
      bytes += said.length;
      heard.said?.push({ to, bytes: said });
      if (bytes > MOST_BYTES) {
        heard.said = undefined;
        heard.stop();
      }
      return write.apply(stream, args);
    }) as typeof write;
  }
  return heard;
}

async function keep(
  argv: readonly string[],
  world: World,
  begun: number,
  made: Ingredients,
  said: readonly Said[],
): Promise<void> {
  const { repository, branch, files, committed = [] } = made;
  const { root, stateDir, commonDir } = repository;
  const found = guessRepository(world.cwd);
  if (found?.root !== root || found.commonDir !== commonDir) return;
  // A repository that has no state yet gets none for this.
  if (!existsSync(stateDir)) return;
  const isClean = committed.length > 0 && (await isAllTracked(repository, committed));
  const asked = { cwd: world.cwd, gitDir: found.gitDir, branch, committed: isClean };
  const grounds = await groundsOf(repository, asked);

  const watched = [...watchedGrounds(grounds), ...watchedIn(made)];
  const { stamps, changedMs } = stampAll(watched);
  // Changed while it was read, HEAD and the rest, or so shortly before that it may change again and look the same.
  if (changedMs >= begun - RACY_MS || isLocked(stateDir)) return;
  for (const [path, wasThere] of files) {
    if ((statSync(path, { throwIfNoEntry: false }) !== undefined) !== wasThere) return;
  }
  const kept: Kept = {
    watched,
    stamps: stamps.length,
    root,
    committed: isClean ? [] : committed,
    said: said.map(({ to, bytes }) => [to, bytes.length]),
  };
  const place = placeOf(argv, callerIn(world), stateDir);
  const part = `${place}.${process.pid}`;
  try {
    mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
    writeFileSync(part, bytesOf(kept, stamps, said), { mode: 0o600 });
    renameSync(part, place);
  } finally {
    rmSync(part, { force: true });
  }
  forgetOld(place);
}

/** As `door.ts` will ask. */
const callerIn = (world: World): Caller => ({
  ...world,
  stdout: { isTTY: world.stdout.isTTY === true },
  stderr: { isTTY: world.stderr.isTTY === true },
});

const file = (path: string): Watched => ({ path, as: 'file' });
const kind = (path: string): Watched => ({ path, as: 'kind' });

const watchedGrounds = ({ files, folders }: Grounds): Watched[] => [
  ...[...new Set(files)].map(file),
  ...folders.map(kind),
];

/** Everything else on disk that such an answer is made of. */
function watchedIn({ repository, branch, layout, files }: Ingredients): Watched[] {
  const { root, commonDir, stateDir } = repository;
  const parts = layout.milestones.split('/');
  const above = parts.map((_, at) => join(root, ...parts.slice(0, at)));
  return [
    ...[join(root, CONFIG_FILE), ...files.keys()].map(file),
    // A link on the way to them is refused.
    ...above.slice(1).map(kind),
    { path: join(root, layout.milestones), as: 'tree' },
    ...above.map((folder) => file(join(folder, '.gitattributes'))),
    ...[`refs/heads/mstone/${branch}`, `refs/mstone/shadow/${branch}`].map((ref) =>
      file(join(commonDir, ref)),
    ),
    {
      path: join(stateDir, 'runs'),
      as: 'each',
      names: ['journal.ndjson', packedName('journal.ndjson')],
    },
    { path: join(stateDir, 'landing'), as: 'tree' },
  ];
}

function forgetOld(newest: string): void {
  const folder = dirname(newest);
  const others = readdirSync(folder)
    .filter((name) => name.startsWith(ANSWER) && name !== basename(newest))
    .map((name) => ({ name, at: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.at - a.at);
  for (const { name } of others.slice(MOST_ANSWERS)) rmSync(join(folder, name), { force: true });
}
