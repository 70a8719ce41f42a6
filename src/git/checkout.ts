/**
 * A checkout as it is on disk: who holds a branch, what an update would overwrite, what a killed one
 * left. Paths are kept as bytes in latin1 strings here, so that a name in any encoding survives;
 * `shown` makes them text for people.
 */
import type { Stats } from 'node:fs';
import { lstat, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Oid } from '../model/outcome.js';
import { listWorktrees, type Repository, type Worktree } from './index.js';
import { readStoredIndex, type StoredEntry } from './index-file.js';
import { type Git, GitError, need } from './plumbing.js';
import type { TreeChange } from './tree.js';

/** A path as bytes in latin1. */
export type PathBytes = string;

export const shown = (path: PathBytes): string => Buffer.from(path, 'latin1').toString('utf8');

/** A worktree whose checkout would be left behind if the branch moved alone. */
export interface Holder {
  readonly path: string;
  readonly gitDir: string;
  /** What is in progress there, and the words that finish it. */
  readonly operation?: { readonly name: string; readonly finish: string };
}

/** One path that differs between two commits. */
export type Change = TreeChange;

export const ABSENT = '000000';
const LINK = '120000';
const SUBMODULE = '160000';

/** What an index says of a path. */
export type IndexEntry = StoredEntry;

/** The git directory of a worktree; undefined where git finds none. Most have it in their `.git`. */
async function gitDirOf(repo: Repository, path: string): Promise<string | undefined> {
  const own = join(path, '.git');
  if (repo.commonDir === (await realpath(own).catch(() => undefined))) return repo.commonDir;
  const answer = await repo.git({ args: ['rev-parse', '--absolute-git-dir'], cwd: path });
  return answer.code === 0 ? answer.text : undefined;
}

/**
 * The worktrees in which a branch is in use: HEAD is on it, or it is under rebase or bisect there, which
 * shows as a detached HEAD and would undo our move at its end. Worktrees within `slots` are mstone's own
 * and never count.
 */
export async function findHolders(
  repo: Repository,
  ref: string,
  slots: readonly string[],
): Promise<Holder[]> {
  const holders: Holder[] = [];
  const own = (await gitDirOf(repo, repo.root)) ?? '';
  for (const worktree of (await onlyOurs(repo, own, slots)) ?? (await listWorktrees(repo))) {
    if (worktree.prunable || slots.some((slot) => isWithin(worktree.path, slot))) continue;
    const gitDir = await gitDirOf(repo, worktree.path);
    if (gitDir === undefined) continue;
    const isBisected = (await readText(join(gitDir, 'BISECT_START'))) === ref.replace(/^refs\/heads\//, '');
    const isRebased =
      (await readText(join(gitDir, 'rebase-merge', 'head-name'))) === ref ||
      (await readText(join(gitDir, 'rebase-apply', 'head-name'))) === ref;
    if (worktree.branch !== ref && !isBisected && !isRebased) continue;
    const operation = isBisected ? { name: 'bisect', finish: 'bisect reset' } : await readOperation(gitDir);
    // Where the git directory lies elsewhere, git lists that instead of the checkout.
    const path = gitDir === own ? repo.root : worktree.path;
    holders.push({ path, gitDir, ...(operation === undefined ? {} : { operation }) });
  }
  return holders;
}

/** The main checkout alone, where it is the one that we stand in and all others are slots: told from their files. */
async function onlyOurs(
  repo: Repository,
  own: string,
  slots: readonly string[],
): Promise<readonly Worktree[] | undefined> {
  if (own !== repo.commonDir) return undefined;
  for (const name of await readdir(join(own, 'worktrees')).catch(() => [])) {
    const link = await readText(join(own, 'worktrees', name, 'gitdir'));
    if (link === undefined || !slots.some((slot) => isWithin(dirname(link), slot))) return undefined;
  }
  const head = await readText(join(own, 'HEAD'));
  const [, branch] = /^ref: (refs\/heads\/\S+)$/.exec(head ?? '') ?? [];
  // Where refs are kept in tables, this file says nothing.
  if (branch === 'refs/heads/.invalid') return undefined;
  if (branch !== undefined) return [{ path: repo.root, branch, prunable: false }];
  return /^[0-9a-f]{40,64}$/.test(head ?? '') ? [{ path: repo.root, prunable: false }] : undefined;
}

const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(folder + sep);

async function readOperation(gitDir: string): Promise<Holder['operation']> {
  const marks: readonly (readonly [file: string, name: string, finish: string])[] = [
    ['rebase-merge', 'rebase', 'rebase --continue'],
    ['rebase-apply/applying', 'am', 'am --continue'],
    ['rebase-apply', 'rebase', 'rebase --continue'],
    ['MERGE_HEAD', 'merge', 'merge --continue'],
    ['CHERRY_PICK_HEAD', 'cherry-pick', 'cherry-pick --continue'],
    ['REVERT_HEAD', 'revert', 'revert --continue'],
    // Between two commits of several.
    ['sequencer', 'cherry-pick', 'cherry-pick --continue'],
  ];
  for (const [file, name, finish] of marks) {
    if (await lstatOf(Buffer.from(join(gitDir, file)))) return { name, finish };
  }
  return undefined;
}

const readText = async (file: string): Promise<string | undefined> =>
  (await readFile(file, 'utf8').catch(() => undefined))?.trim();

/** What the index of a worktree says of the paths that change, conflicted entries left out. */
export async function readIndex(
  git: Git,
  { path: cwd, gitDir }: Pick<Holder, 'path' | 'gitDir'>,
  changes: readonly Change[],
): Promise<ReadonlyMap<PathBytes, IndexEntry>> {
  const wanted = new Set(changes.map(({ path }) => path));
  const oidBytes = changes[0]?.newOid.length === 64 ? 32 : 20;
  const stored = await readStoredIndex(join(gitDir, 'index'), wanted, oidBytes);
  if (stored !== undefined) return stored;
  const args = ['ls-files', '-z', '-s', '-v', '--full-name', ':/'];
  const answer = await git({ args, cwd });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  const entries = new Map<PathBytes, IndexEntry>();
  for (const line of answer.stdout.toString('latin1').split('\0')) {
    const tab = line.indexOf('\t');
    const [tag = '', mode = '', oid = '', stage] = line.slice(0, tab).split(' ');
    if (tab > 0 && stage === '0') entries.set(line.slice(tab + 1), { tag, mode, oid });
  }
  return entries;
}

/**
 * What the user has where the update would write: files that git's own check lets through, since it
 * takes ignored files for worthless and assume-unchanged ones for unchanged.
 */
export async function findInTheWay(
  git: Git,
  root: string,
  changes: readonly Change[],
  index: ReadonlyMap<PathBytes, IndexEntry>,
): Promise<PathBytes[]> {
  const found = new Set<PathBytes>();
  const leaving = new Set(changes.filter(({ oldMode }) => oldMode !== ABSENT).map(({ path }) => path));
  const leavingInAnyCase = new Set(
    changes.filter(({ newMode }) => newMode === ABSENT).map(({ path }) => path.toLowerCase()),
  );
  const folders = new Map<PathBytes, boolean>();
  for (const change of changes) {
    const entry = index.get(change.path);
    const isStaged = entry?.oid === change.newOid && entry.mode === change.newMode;
    if (change.oldMode === ABSENT && !isStaged) {
      const stats = await lstatOf(onDisk(root, change.path));
      if (stats?.isDirectory()) {
        for (const path of await listUntracked(git, root, change.path)) found.add(path);
      } else if (stats !== undefined && !leavingInAnyCase.has(change.path.toLowerCase())) {
        found.add(change.path);
      }
      // A file where a folder has to be.
      for (const parent of parentsOf(change.path)) {
        if (!folders.has(parent)) {
          const there = await lstatOf(onDisk(root, parent));
          folders.set(parent, there === undefined || there.isDirectory() || leaving.has(parent));
        }
        if (folders.get(parent) === false) found.add(parent);
      }
    }
    if (entry !== undefined && entry.tag !== 'H' && change.oldMode !== ABSENT) {
      const state = await lookAt(git, root, change);
      if (state !== 'absent' && state !== 'old' && state !== 'new' && state !== 'folder')
        found.add(change.path);
    }
  }
  return [...found];
}

/** Paths among the changes where worktree or index differ from `old`: what makes git refuse. */
export async function findChanged(
  git: Git,
  cwd: string,
  old: Oid,
  changes: readonly Change[],
): Promise<PathBytes[]> {
  const touched = new Set(changes.map(({ path }) => path));
  const found = new Set<PathBytes>();
  for (const cached of [['--cached'], []]) {
    const args = ['diff-index', ...cached, '-z', '--name-only', '--no-renames', '--no-ext-diff', old, '--'];
    const answer = await git({ args, cwd });
    if (answer.code > 1) throw new GitError(args, answer.code, answer.stderr);
    for (const path of answer.stdout.toString('latin1').split('\0')) if (touched.has(path)) found.add(path);
  }
  return [...found];
}

/** What stands at a changed path: a version, nothing, a folder, the beginning of the new one, or neither. */
export type Standing = 'old' | 'new' | 'absent' | 'folder' | 'part' | 'other';

/** Looks at what stands on disk, links not followed. */
export async function lookAt(git: Git, root: string, change: Change): Promise<Standing> {
  const place = onDisk(root, change.path);
  const stats = await lstatOf(place);
  if (stats === undefined) return 'absent';
  if (stats.isDirectory()) {
    if (change.newMode === SUBMODULE) return change.oldMode === SUBMODULE ? 'old' : 'new';
    return change.oldMode === SUBMODULE ? 'old' : 'folder';
  }
  if (stats.isSymbolicLink()) {
    const oid = await need(git, {
      args: ['hash-object', '--stdin'],
      cwd: root,
      input: await readlink(place, 'buffer'),
    });
    if (change.newMode === LINK && oid === change.newOid) return 'new';
    return change.oldMode === LINK && oid === change.oldOid ? 'old' : 'other';
  }
  if (!stats.isFile()) return 'other';
  const oid = await hashOf(git, root, change.path);
  const [wasFile, isFile] = [change.oldMode.startsWith('100'), change.newMode.startsWith('100')];
  if (wasFile && isFile && change.oldOid === change.newOid && oid === change.newOid) {
    return ((stats.mode & 0o100) !== 0) === (change.newMode === '100755') ? 'new' : 'old';
  }
  if (isFile && oid === change.newOid) return 'new';
  if (wasFile && oid === change.oldOid) return 'old';
  return isFile && (await isPart(git, root, change)) ? 'part' : 'other';
}

/** Whether the file is the beginning of the new version, as a checkout writes it. */
async function isPart(git: Git, root: string, change: Change): Promise<boolean> {
  const args = ['cat-file', '--filters', `--path=${shown(change.path)}`, change.newOid];
  const answer = await git({ args, cwd: root });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  const content = await readFile(onDisk(root, change.path));
  return content.length < answer.stdout.length && content.equals(answer.stdout.subarray(0, content.length));
}

/** A file's object name, as `git add` would store it. */
async function hashOf(git: Git, root: string, path: PathBytes): Promise<Oid> {
  // Quoted as git quotes names: any byte may be in them.
  const quoted = [...path].map((char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`).join('');
  return need(git, { args: ['hash-object', '--stdin-paths'], cwd: root, input: `"${quoted}"\n` });
}

async function listUntracked(git: Git, root: string, folder: PathBytes): Promise<PathBytes[]> {
  const args = ['--literal-pathspecs', 'ls-files', '-z', '-o', '--full-name', '--', `${shown(folder)}/`];
  const answer = await git({ args, cwd: root });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  return answer.stdout
    .toString('latin1')
    .split('\0')
    .filter((path) => path !== '');
}

const parentsOf = (path: PathBytes): PathBytes[] =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join('/'));

const onDisk = (root: string, path: PathBytes): Buffer =>
  Buffer.concat([Buffer.from(root + sep), Buffer.from(path, 'latin1')]);

async function lstatOf(path: Buffer): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
