/**
 * What a run goes by, looked at while it runs: milestones, their templates and the configuration. A run
 * keeps to what it began with; that something else is written there by now is told, once for each change.
 */
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openRepository, type Repository } from '../git/index.js';
import { objectsAt } from '../git/tree.js';
import { absent } from './project.js';
import type { World } from './world.js';

/** By path from the repository's root: a word that changes with what is in the file. */
export type Versions = ReadonlyMap<string, string>;

/** How often it is looked. */
const LOOK_MS = 2000;

/** Remembers what was there when the run began and what has been told since. */
export class Changes {
  private readonly begun: Versions;
  private readonly config: string | undefined;
  private last: Versions;

  /** `config`: the path of the configuration, where that is in the repository. */
  constructor(begun: Versions, config: string | undefined) {
    this.begun = begun;
    this.config = config;
    this.last = begun;
  }

  /** A sentence for each file that is another than at the last look. */
  since(now: Versions): string[] {
    const paths = [...new Set([...this.last.keys(), ...now.keys()])].sort();
    const told = paths.flatMap((path) => {
      const version = now.get(path);
      if (version === this.last.get(path)) return [];
      return [sentence(path, path === this.config, this.begun.get(path), version)];
    });
    this.last = now;
    return told;
  }
}

function sentence(
  path: string,
  isConfig: boolean,
  begun: string | undefined,
  now: string | undefined,
): string {
  const [what, next] = isConfig
    ? ['the settings', 'the next `mstone run` goes by what is there then']
    : ['the text', 'the next `mstone run` takes it up'];
  if (now === begun) return `${path} is again as it was when this run began`;
  if (begun === undefined) return `${path} is new: ${next}`;
  const how = now === undefined ? 'was deleted' : 'changed';
  const then = now === undefined && !isConfig ? 'what is under way lands all the same' : next;
  return `${path} ${how}: this run goes on with ${what} it began with; ${then}`;
}

/**
 * Looks every few seconds at the checkout, where it is on the target, else at the target itself, and calls
 * `tell`. `every` calls its function again and again until what it returned is called. Nothing is read
 * that has kept its size and times.
 */
export async function watchSources(
  world: World,
  repository: Repository,
  target: { readonly branch: string; readonly ref: string },
  tell: (text: string) => void,
  every: (ms: number, act: () => void) => () => void = timer,
): Promise<() => void> {
  const checkout = repository.branch === target.branch;
  const look = checkout ? lookAtCheckout(repository) : lookAtTarget(repository, target.ref);
  const changes = new Changes((await look()) ?? new Map(), repository.layout.config);
  let looking = false;
  return every(LOOK_MS, () => {
    if (looking) return;
    looking = true;
    void (async () => {
      try {
        const now = await look();
        if (now === undefined) return;
        // Files of another branch that was checked out meanwhile are nobody's edits.
        const here = checkout ? await openRepository(world.cwd, world.env) : undefined;
        if (here !== undefined && (!here.ok || here.value.branch !== target.branch)) return;
        for (const text of changes.since(now)) tell(text);
      } catch {
        // A file that is being replaced, a folder without access: another look follows, and the run does not care.
      } finally {
        looking = false;
      }
    })();
  });
}

const timer = (ms: number, act: () => void): (() => void) => {
  const running = setInterval(act, ms);
  // A run that waits has timers of its own.
  running.unref();
  return () => clearInterval(running);
};

/** What is there now; undefined where nothing has moved since the last look. */
type Look = () => Promise<Versions | undefined>;

function lookAtCheckout({ root, layout: { config, milestones } }: Repository): Look {
  let known = new Map<string, { readonly stamp: string; readonly version: string }>();
  return async () => {
    const files = [
      ...(config === undefined ? [] : [config]),
      ...(await textsIn(root, milestones)),
      ...(await textsIn(root, `${milestones}/templates`)),
      ...(await textsIn(root, `${milestones}/templates/roles`)),
    ];
    const found = new Map<string, { readonly stamp: string; readonly version: string }>();
    for (const path of files) {
      const stats = await lstat(join(root, path)).catch(absent(undefined));
      if (stats === undefined || !stats.isFile()) continue;
      const stamp = `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
      const before = known.get(path);
      if (before?.stamp === stamp) found.set(path, before);
      else {
        const bytes = await readFile(join(root, path)).catch(absent(undefined));
        if (bytes === undefined) continue;
        found.set(path, { stamp, version: createHash('sha256').update(bytes).digest('hex') });
      }
    }
    const same =
      known.size > 0 &&
      found.size === known.size &&
      [...found].every(([path, { version }]) => known.get(path)?.version === version);
    known = found;
    return same ? undefined : new Map([...found].map(([path, { version }]) => [path, version]));
  };
}

const textsIn = async (root: string, folder: string): Promise<string[]> =>
  (await readdir(join(root, folder)).catch(absent([] as string[])))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`);

function lookAtTarget(repository: Repository, ref: string): Look {
  let stamp: string | undefined;
  return async () => {
    // A ref is moved by writing one of these.
    const places = [ref, 'packed-refs', 'reftable/tables.list'];
    const stats = await Promise.all(
      places.map((place) => stat(join(repository.commonDir, place)).catch(absent(undefined))),
    );
    const now = stats.map((one) => `${one?.mtimeMs} ${one?.size} ${one?.ino}`).join(' ');
    if (now === stamp) return undefined;
    stamp = now;
    const { config, milestones } = repository.layout;
    const paths = config === undefined ? [milestones] : [config, milestones];
    const objects = await objectsAt(repository, ref, paths);
    return new Map([...objects].filter(([path]) => path === config || path.endsWith('.md')));
  };
}
