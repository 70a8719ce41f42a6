/**
 * What a folder holds, as a tree in the repository.
 *
 * The folder's own git directory is never asked: index and configuration are ours, so that it may be
 * deleted, re-initialised, half-way through a rebase or full of planted hooks. Paths are bytes that git
 * gives and takes; here they travel as latin1 strings (`RawPath`), because a name need not be UTF-8.
 */
import { constants, copyFile, lstat, readdir, readFile, readlink, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import type { Repository } from './index.js';
import { GitError, need } from './plumbing.js';
import { heldByIndex } from './settled.js';
import { isInCone } from './sparse.js';

/** A path inside a folder, forward slashes, its bytes read as latin1. */
export type RawPath = string;

/** Larger files are archived, not committed. */
const BIG_BYTES = 10_000_000;

export const rawPath = (path: string): RawPath => Buffer.from(path, 'utf8').toString('latin1');

export const plainPath = (path: RawPath): string => Buffer.from(path, 'latin1').toString('utf8');

/** A path as a sentence may show it: no control character of it reaches a terminal. */
export const shownPath = (path: RawPath): string =>
  plainPath(path).replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => JSON.stringify(char).slice(1, -1));

export const onDisk = (folder: string, path: RawPath): Buffer =>
  Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, 'latin1')]);

/** The entries of git's `-z` output, as bytes. */
export const nulList = (output: Buffer): RawPath[] =>
  output
    .toString('latin1')
    .split('\0')
    .filter((entry) => entry !== '');

/** True when `path` is one of `places` or lies under one. */
export const isUnder = (path: RawPath, places: readonly RawPath[]): boolean =>
  places.some((place) => path === place || path.startsWith(`${place}/`));

/** Names from the configuration (`keep`, `copy`) as places in a folder; what leads out of it is dropped. */
export function places(names: readonly string[]): RawPath[] {
  return names
    .map((name) => rawPath(name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')))
    .filter((name) => name !== '' && !name.split('/').some((part) => part === '..' || part === '.git'));
}

/** Settings as environment, which git takes like `-c` without showing in the command. */
export function configEnv(settings: readonly (readonly [string, string])[]): Record<string, string> {
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(settings.length) };
  settings.forEach(([key, value], at) => {
    env[`GIT_CONFIG_KEY_${at}`] = key;
    env[`GIT_CONFIG_VALUE_${at}`] = value;
  });
  return env;
}

/** A folder is the whole tree: nothing sparse, split, cached or recursed into. */
export const WHOLE: readonly (readonly [string, string])[] = [
  ['core.bare', 'false'],
  ['core.sparseCheckout', 'false'],
  ['core.sparseCheckoutCone', 'false'],
  ['index.sparse', 'false'],
  ['core.splitIndex', 'false'],
  ['core.untrackedCache', 'false'],
  ['submodule.recurse', 'false'],
];

/** Of a sparse folder, only what its cone holds is there: what is missing outside was never deleted. */
const SPARSE: readonly (readonly [string, string])[] = [
  ...WHOLE.filter(([key]) => !/sparse/i.test(key)),
  ['core.sparseCheckout', 'true'],
  ['core.sparseCheckoutCone', 'true'],
  ['index.sparse', 'true'],
];
export const settingsOf = (cone: unknown): typeof WHOLE => (cone === undefined ? WHOLE : SPARSE);

/** Git on a folder through the repository's own git directory and an index of ours. */
export function folderEnv(
  repo: Repository,
  folder: string,
  index: string,
  cone?: readonly string[],
): Record<string, string> {
  return {
    GIT_DIR: repo.commonDir,
    GIT_WORK_TREE: folder,
    GIT_INDEX_FILE: index,
    // A replacement that an agent made must not stand before what is really there.
    GIT_NO_REPLACE_OBJECTS: '1',
    ...configEnv(settingsOf(cone)),
  };
}

/** Copies an index; its time stays behind the original's, so that git distrusts what changed since. */
export async function copyIndex(from: string, to: string): Promise<boolean> {
  const source = await stat(from).catch(() => undefined);
  if (source === undefined || !source.isFile()) return false;
  // Whatever stands there is replaced, and no link followed.
  await rm(to, { recursive: true, force: true });
  await copyFile(from, to, constants.COPYFILE_EXCL);
  const seconds = Math.floor(source.mtimeMs) / 1000;
  await utimes(to, seconds, seconds);
  return true;
}

export interface SnapshotRequest {
  readonly folder: string;
  /** Where the index of this snapshot is made; the caller removes it. */
  readonly index: string;
  /** An index of the folder as it was last made equal to a commit; spares reading unchanged files. */
  readonly seed?: string;
  /** What the folder's files are compared with. */
  readonly tip: Oid;
  /** Untracked files there are nobody's work. */
  readonly keep: readonly RawPath[];
  /** Never part of the tree unless `tip` has them, and then as `tip` has them. */
  readonly copied: readonly RawPath[];
  /** Of a sparse folder, what it holds (`sparse.ts`): outside of it, what is not there is as `tip` has it. */
  readonly cone?: readonly string[];
}

export interface Snapshot {
  readonly tree: Oid;
  /** Files taken up that `tip` has otherwise or not at all. */
  readonly written: number;
  /** Folders that are repositories of their own, and `.git` entries inside tracked folders. */
  readonly nested: readonly RawPath[];
  /** Files that are too big. */
  readonly big: readonly RawPath[];
  /** Ignored files and (with a slash behind) folders, outside `keep` and `copied`. */
  readonly ignored: readonly RawPath[];
  /** Files that could not be read. */
  readonly unreadable: readonly RawPath[];
  /** Files that are in the tree as they are on disk, because git's conversion of them failed. */
  readonly unconverted: readonly RawPath[];
  /** The folder holds what the tree does and nothing else, empty folders aside. */
  readonly exact: boolean;
}

/** Reads a folder into the object store. The index stays, holding `tree`. */
export async function takeSnapshot(repo: Repository, request: SnapshotRequest): Promise<Snapshot> {
  const { folder, index, tip, keep, copied, cone } = request;
  const { git } = repo;
  const env = folderEnv(repo, folder, index, cone);
  // The patterns that this would go by are those of the user's own checkout.
  const readTree = cone === undefined ? ['read-tree'] : ['read-tree', '--no-sparse-checkout'];
  const call = { cwd: folder, env };

  await rm(index, { force: true });
  const seeded = request.seed !== undefined && (await copyIndex(request.seed, index));
  if (!seeded || request.seed === undefined || heldByIndex(repo, request.seed) !== tip) {
    const warm = seeded ? await git({ ...call, args: [...readTree, '-m', tip] }) : undefined;
    if (warm?.code !== 0) {
      await rm(index, { force: true });
      await need(git, { ...call, args: [...readTree, tip] });
    }
  }

  const status = await git({
    ...call,
    args: [
      'status',
      '--porcelain=v1',
      '-z',
      '--untracked-files=all',
      '--ignored=matching',
      '--no-renames',
      '--ignore-submodules=dirty',
    ],
  });
  if (status.code !== 0) throw new GitError(['status'], status.code, status.stderr);

  const entries = nulList(status.stdout);
  const gone: RawPath[] = [];
  const found: RawPath[] = [];
  const nested: RawPath[] = [];
  const ignored: RawPath[] = [];
  for (const entry of entries) {
    const kind = entry.slice(0, 2);
    const path = entry.slice(3);
    if (isUnder(path.replace(/\/$/, ''), copied)) continue;
    if (kind === '!!') {
      if (!isUnder(path.replace(/\/$/, ''), keep)) ignored.push(path);
    } else if (kind === '??') {
      if (isUnder(path.replace(/\/$/, ''), keep)) continue;
      if (path.endsWith('/')) nested.push(path.slice(0, -1));
      else found.push(path);
    } else if (kind[1] === 'D') {
      if (cone === undefined || isInCone(plainPath(path), cone)) gone.push(path);
    } else if (kind[1] !== ' ') {
      found.push(path);
    }
  }

  const skipped = [...keep, ...nested, ...ignored.map((path) => path.replace(/\/$/, ''))];
  const within = await gitDirectories(folder, skipped);
  const links = new Set(within.length === 0 ? [] : await gitlinks(repo, folder, index));
  for (const path of within) {
    if (!links.has(path.slice(0, -'/.git'.length))) nested.push(path);
  }

  const big: RawPath[] = [];
  const taken: RawPath[] = [];
  for (const path of found) {
    const info = await lstat(onDisk(folder, path)).catch(() => undefined);
    if (info === undefined) continue;
    if (info.isFile() && info.size > BIG_BYTES) big.push(path);
    else taken.push(path);
  }

  const removals = gone.map((path) => `0 ${'0'.repeat(tip.length)}\t${path}\0`).join('');
  if (removals !== '') await indexInfo(repo, folder, index, removals);
  const { unreadable, unconverted } = await addFiles(repo, folder, index, taken, cone);
  const tree = await need(git, { ...call, args: ['write-tree'] });
  const exact =
    within.length === 0 &&
    copied.length === 0 &&
    keep.length === 0 &&
    unreadable.length === 0 &&
    entries.length === gone.length + taken.length;
  return { tree, written: taken.length, nested, big, ignored, unreadable, unconverted, exact };
}

/** Sets index entries: `<mode> <oid>\t<path>\0` each, mode 0 takes one out. */
export async function indexInfo(
  repo: Repository,
  folder: string,
  index: string,
  lines: string,
): Promise<void> {
  await need(repo.git, {
    args: ['update-index', '-z', '--index-info'],
    cwd: folder,
    env: folderEnv(repo, folder, index),
    input: Buffer.from(lines, 'latin1'),
  });
}

/** Paths of submodules in an index. */
async function gitlinks(repo: Repository, folder: string, index: string): Promise<RawPath[]> {
  const env = folderEnv(repo, folder, index);
  const listed = await repo.git({ args: ['ls-files', '-s', '-z'], cwd: folder, env });
  return nulList(listed.stdout)
    .filter((entry) => entry.startsWith('160000 '))
    .map((entry) => entry.slice(entry.indexOf('\t') + 1));
}

/** `.git` entries below a folder, its own aside. Symbolic links are not followed. */
async function gitDirectories(folder: string, skipped: readonly RawPath[]): Promise<RawPath[]> {
  const skip = new Set(skipped);
  const found: RawPath[] = [];
  const walk = async (at: RawPath): Promise<void> => {
    const here = at === '' ? Buffer.from(folder) : onDisk(folder, at);
    const entries = await readdir(here, { encoding: 'latin1', withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = at === '' ? entry.name : `${at}/${entry.name}`;
      if (entry.name.toLowerCase() === '.git') {
        if (at !== '') found.push(path);
      } else if (entry.isDirectory() && !skip.has(path)) {
        await walk(path);
      }
    }
  };
  await walk('');
  return found;
}

/** `.git` entries inside a slot's folders that no submodule explains. */
export async function strayRepositories(
  repo: Repository,
  folder: string,
  index: string,
  keep: readonly RawPath[],
): Promise<RawPath[]> {
  const found = await gitDirectories(folder, keep);
  if (found.length === 0) return [];
  const links = await gitlinks(repo, folder, index);
  return found.filter((path) => !isUnder(path, links));
}

/**
 * Takes files into the index. A file that git cannot convert (a filter that is not installed, an encoding
 * that an agent's `.gitattributes` promises and the file does not keep) enters as it is on disk. Returns
 * those, and what could not be read at all.
 */
async function addFiles(
  repo: Repository,
  folder: string,
  index: string,
  paths: readonly RawPath[],
  cone: readonly string[] | undefined,
): Promise<Pick<Snapshot, 'unreadable' | 'unconverted'>> {
  if (paths.length === 0) return { unreadable: [], unconverted: [] };
  const env = folderEnv(repo, folder, index, cone);
  const batch = await repo.git({
    args: ['update-index', '-z', '--add', '--remove', '--replace', '--stdin'],
    cwd: folder,
    env,
    input: Buffer.from(`${paths.join('\0')}\0`, 'latin1'),
  });
  if (batch.code === 0) return { unreadable: [], unconverted: [] };

  const unreadable: RawPath[] = [];
  const unconverted: RawPath[] = [];
  for (const path of paths) {
    const one = await repo.git({
      args: ['update-index', '-z', '--add', '--remove', '--replace', '--stdin'],
      cwd: folder,
      env,
      input: Buffer.from(`${path}\0`, 'latin1'),
    });
    if (one.code === 0) continue;
    const file = onDisk(folder, path);
    const info = await lstat(file).catch(() => undefined);
    if (info === undefined) continue;
    const bytes = await (info.isSymbolicLink()
      ? readlink(file, { encoding: 'buffer' })
      : readFile(file)
    ).catch(() => undefined);
    if (bytes === undefined) {
      unreadable.push(path);
      continue;
    }
    const blob = await need(repo.git, {
      args: ['hash-object', '-w', '--stdin'],
      cwd: folder,
      env,
      input: bytes,
    });
    const mode = info.isSymbolicLink() ? '120000' : (info.mode & 0o100) !== 0 ? '100755' : '100644';
    await indexInfo(repo, folder, index, `${mode} ${blob}\t${path}\0`);
    unconverted.push(path);
  }
  return { unreadable, unconverted };
}

/** A scratch folder's index file. */
export const indexIn = (scratch: string): string => join(scratch, 'index');
