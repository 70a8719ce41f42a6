/** Keeps the answer to a command line for the next time that it is asked: `answers.ts` says what it hangs on. */
import { readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Repository } from '../git/index.js';
import { makeGit } from '../git/plumbing.js';
import { packedName } from '../journal/packed.js';
import { CONFIG_FILE, type Layout } from '../model/layout.js';
import type { Oid } from '../model/outcome.js';
import { ANSWER, isLocked, type Kept, lookAround, mayBeKept, nameOf, type Said } from './answers.js';
import { openCache } from './cache.js';
import { RACY_MS, stampAll, type Watched } from './stamps.js';
import type { World } from './world.js';

/** What a command made its answer of, beside what `answers.ts` asks by itself. Told only where there is nothing else. */
export interface Ingredients {
  readonly repository: Repository;
  /** The branch checked out, at this commit; nothing has landed beside it. */
  readonly branch: string;
  readonly head: Oid;
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
  const around = await lookAround(makeGit(world.env), world.cwd);
  if (around === undefined) return;
  const { facts, places, stateDir } = around;
  const isThis = realpathSync(places.root) === made.repository.root && stateDir === made.repository.stateDir;
  if (!isThis || places.head !== `refs/heads/${made.branch}` || places.commit !== made.head) return;
  const watched = watchedIn(made);
  const { digest, changedMs } = stampAll(watched);
  // Changed while it was read, or so shortly before that it may change again and look the same.
  if (changedMs >= begun - RACY_MS || isLocked(stateDir)) return;
  for (const [path, wasThere] of made.files) {
    if ((statSync(path, { throwIfNoEntry: false }) !== undefined) !== wasThere) return;
  }
  const kept: Kept = {
    facts,
    watched,
    digest,
    committed: made.committed ?? [],
    said: said.map(({ to, bytes }) => [to, bytes.length]),
  };
  const head = Buffer.from(`${JSON.stringify(kept)}\n`);
  const name = nameOf(argv, world);
  const rest = Buffer.concat([head, ...said.map(({ bytes }) => bytes)]);
  if (openCache(stateDir, world).write(name, rest) !== undefined) forgetOld(join(stateDir, 'cache'), name);
}

/** Everything on disk that such an answer is made of. */
function watchedIn({ repository, branch, layout, files }: Ingredients): Watched[] {
  const { root, commonDir, stateDir } = repository;
  const file = (path: string): Watched => ({ path, as: 'file' });
  const parts = layout.milestones.split('/');
  return [
    ...[join(root, CONFIG_FILE), ...files.keys()].map(file),
    // A link on the way to them is refused.
    ...parts.slice(1).map((_, at): Watched => ({ path: join(root, ...parts.slice(0, at + 1)), as: 'kind' })),
    { path: join(root, layout.milestones), as: 'tree' },
    ...[
      `refs/heads/mstone/${branch}`,
      `refs/mstone/shadow/${branch}`,
      'packed-refs',
      'reftable/tables.list',
    ].map((path) => file(join(commonDir, path))),
    {
      path: join(stateDir, 'runs'),
      as: 'each',
      names: ['journal.ndjson', packedName('journal.ndjson')],
    },
    { path: join(stateDir, 'landing'), as: 'tree' },
  ];
}

function forgetOld(folder: string, newest: string): void {
  const others = readdirSync(folder)
    .filter((name) => name.startsWith(ANSWER) && name !== newest)
    .map((name) => ({ name, at: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.at - a.at);
  for (const { name } of others.slice(MOST_ANSWERS)) rmSync(join(folder, name), { force: true });
}
