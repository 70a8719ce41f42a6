/** What an author should know of others' work: what a landing brought, and how far the target has moved on. */
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import { nearFork } from './graph.js';
import type { Repository } from './index.js';
import { isPlainFile, readFilesAt } from './tree.js';

/** Names of files and subjects of commits; `more` of each were left out. */
export interface Brought {
  readonly subjects: readonly string[];
  readonly moreSubjects: number;
  readonly files: readonly string[];
  readonly moreFiles: number;
}

const MOST_SUBJECTS = 8;
const MOST_FILES = 40;

/** What a landing brought, `except` a view that each of them changes; undefined for a commit that is no landing. */
export async function readBrought(
  repo: Repository,
  commit: Oid,
  except: string,
): Promise<Brought | undefined> {
  const subjects = await linesOf(repo, [
    'log',
    '--no-merges',
    '--no-show-signature',
    '--no-color',
    '--format=%s',
    '-z',
    '--end-of-options',
    `${commit}^1..${commit}^2`,
    '--',
  ]);
  const files = await filesBetween(repo, `${commit}^1`, commit);
  if (subjects === undefined || files === undefined) return undefined;
  const changed = files.filter((file) => file !== except);
  return {
    subjects: subjects.slice(0, MOST_SUBJECTS),
    moreSubjects: Math.max(0, subjects.length - MOST_SUBJECTS),
    files: changed.slice(0, MOST_FILES),
    moreFiles: Math.max(0, changed.length - MOST_FILES),
  };
}

/** Commits on the target since `base` that changed any of these files, the newest first. */
export async function changedSince(
  repo: Repository,
  base: Oid,
  head: Oid,
  files: readonly string[],
): Promise<readonly Oid[]> {
  const args = ['--literal-pathspecs', 'log', '--first-parent', '--no-show-signature', '--format=%H', '-z'];
  const since = await linesOf(repo, [...args, '--end-of-options', `${base}..${head}`, '--', ...files]);
  return since ?? [];
}

/** The commit that all of these have in common; undefined where they have none. */
export async function commonAncestor(repo: Repository, commits: readonly string[]): Promise<Oid | undefined> {
  const args = ['merge-base', '--octopus', '--end-of-options', ...commits];
  const answer = await repo.git({ args, cwd: repo.root });
  return answer.code === 0 && answer.text !== '' ? answer.text : undefined;
}

/** Where a commit left the head's history; undefined where the two have nothing in common. */
export async function forkOf(repo: Repository, head: Oid, commit: Oid): Promise<Oid | undefined> {
  return (await nearFork(repo, head, commit))?.base ?? commonAncestor(repo, [head, commit]);
}

/** Where the user's hooks are; a relative place is looked for in each worktree. */
export async function hooksOf(repo: Repository): Promise<string> {
  const answer = await repo.git({
    args: ['config', '-z', '--show-scope', '--type=path', '--get-all', 'core.hooksPath'],
    cwd: repo.root,
  });
  const parts = answer.text.split('\0');
  // `command` is what our own git is told: no hooks.
  const set = parts.flatMap((value, at) => (at % 2 === 1 && parts[at - 1] !== 'command' ? [value] : []));
  return set.at(-1) ?? join(repo.commonDir, 'hooks');
}

/** How far the target has moved on since work began at `base`. */
export interface Moved {
  readonly landings: number;
  /** Files that changed on both sides. */
  readonly shared: readonly string[];
  readonly moreShared: number;
}

/** Fewer landings than this are not far, unless one of them touched what the work touches. */
const FAR = 5;

/** Undefined where the target has not moved far from `base`, or the work is no descendant of it any more. */
export async function readMoved(
  repo: Repository,
  {
    base,
    head,
    work,
    except,
  }: { readonly base: Oid; readonly head: Oid; readonly work: Oid; readonly except: string },
): Promise<Moved | undefined> {
  if (base === head) return undefined;
  const args = ['rev-list', '--count', '--first-parent', '--end-of-options', `${base}..${head}`, '--'];
  const counted = await repo.git({ args, cwd: repo.root });
  const landings = counted.code === 0 ? Number(counted.text) : 0;
  if (landings === 0) return undefined;
  const mine = new Set(await filesBetween(repo, base, work));
  const shared = ((await filesBetween(repo, base, head)) ?? []).filter(
    (file) => file !== except && mine.has(file),
  );
  if (landings < FAR && shared.length === 0) return undefined;
  return {
    landings,
    shared: shared.slice(0, MOST_FILES),
    moreShared: Math.max(0, shared.length - MOST_FILES),
  };
}

const filesBetween = (repo: Repository, before: string, after: string): Promise<string[] | undefined> =>
  linesOf(repo, [
    'diff-tree',
    '-r',
    '-z',
    '--name-only',
    '--no-renames',
    '--end-of-options',
    before,
    after,
    '--',
  ]);

/** The parts of an answer that zero bytes divide; undefined where git has none. */
async function linesOf(repo: Repository, args: readonly string[]): Promise<string[] | undefined> {
  const answer = await repo.git({ args: [...args], cwd: repo.root });
  if (answer.code !== 0) return undefined;
  return answer.text.split('\0').filter((part) => part !== '');
}

/** Plain files of a commit as text, in the order asked for; links and what is not there are passed over. */
export async function readPlainFiles(
  repo: Repository,
  commit: Oid,
  paths: readonly string[],
): Promise<{ readonly file: string; readonly text: string }[]> {
  const plain: string[] = [];
  for (const path of new Set(paths)) if (await isPlainFile(repo, commit, path)) plain.push(path);
  const files = await readFilesAt(repo, commit, plain);
  return paths.flatMap((file) => {
    const bytes = files.get(file);
    return bytes === undefined ? [] : [{ file, text: bytes.toString('utf8').replace(/\n$/, '') }];
  });
}
