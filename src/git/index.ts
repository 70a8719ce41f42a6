/**
 * The user's repository: what it is, which branch is meant, where landings stand.
 *
 * The room makes candidates, lands them, reads landings back from history and keeps slots. It knows
 * commits, trees, refs and worktrees. It does not know runs, agents or what a milestone says; it never
 * decides whether something may land, only whether it can. simple-git's only door is `history.ts`.
 */

import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnostic } from '../model/diagnostic.js';
import { DEFAULT_LAYOUT, type Layout } from '../model/layout.js';
import type { MessageCode } from '../model/messages.js';
import { nearest } from '../model/nearest.js';
import type { Oid } from '../model/outcome.js';
import { err, ok, type Result } from '../model/result.js';
import { askPlaces, readFacts } from './facts.js';
import { isNearAncestor } from './graph.js';
import type { Objects } from './objects.js';
import { type Git, GitError, gitEnvironment, makeGit, need } from './plumbing.js';
import { readStoredRefs, type StoredRef } from './refs.js';

export interface Repository {
  readonly git: Git;
  /** As long as a run lasts: objects and refs without a process for each. */
  readonly objects?: Objects;
  /** The whole environment that our git runs with, for what is started beside `git`. */
  readonly env: Readonly<Record<string, string>>;
  /** Top of the worktree where it was opened. Absolute, real. */
  readonly root: string;
  /** git's common directory. Absolute, real. */
  readonly commonDir: string;
  /** Where mstone keeps its state: `<commonDir>/mstone`. It need not exist yet. */
  readonly stateDir: string;
  /** Short name of the branch that HEAD is on, even an unborn one; undefined when detached. */
  readonly branch?: string;
  /** HEAD names no commit yet. */
  readonly unborn: boolean;
  readonly objectFormat: 'sha1' | 'sha256';
  /** Where things are in it. The default, until the configuration has been read (`laidOut`). */
  readonly layout: Layout;
}

/** The branch that landings are meant for, and where they stand now. */
export interface ResolvedTarget {
  /** Short name. */
  readonly branch: string;
  readonly ref: string;
  /** Undefined while the branch is unborn. */
  readonly target: Oid | undefined;
  /** `refs/heads/mstone/<branch>`, or `refs/mstone/shadow/<branch>` where another branch is in the way. */
  readonly shadowRef: string;
  /** Where that ref is, spent or not. */
  readonly shadow: Oid | undefined;
  /** What the next landing builds on: the shadow while it holds landings that the target lacks. */
  readonly head: Oid | undefined;
}

type Refusal = { readonly ok: false; readonly error: Diagnostic[] };

const MINIMUM = [2, 38] as const;

/** Opens the repository around `dir`, or says in words why mstone cannot work there. */
export async function openRepository(
  dir: string,
  environment: Readonly<Record<string, string | undefined>>,
  tag?: string,
): Promise<Result<Repository, Diagnostic[]>> {
  const folder = await stat(dir).catch(() => undefined);
  if (!folder?.isDirectory()) {
    return refuse('no-such-folder', `there is no folder ${dir}`, 'name an existing folder with -C');
  }
  const git = makeGit(environment, tag);
  const facts = await readFacts(git, dir);
  const version = facts?.version ?? (facts && (await versionOf(git, dir)));
  if (version === undefined || facts === undefined) {
    return refuse('git-missing', 'git was not found', 'install git 2.38 or newer and put it on the PATH');
  }
  if (isOlder(version)) {
    return err([
      {
        severity: 'error',
        code: 'git-too-old',
        message: 'this git is too old: merging without a checkout came with 2.38',
        expected: 'git 2.38 or newer',
        found: version,
        fix: 'install a newer git',
      },
    ]);
  }
  if ('stderr' in facts) return refuseStranger(dir, facts.stderr);
  if (facts.bare) {
    return refuse(
      'bare-repository',
      'this is a bare repository: there is no checkout to read milestones from',
      'run mstone in a clone of it',
    );
  }
  if (!facts.inside) {
    return refuse('inside-git', "this is git's own folder, not a checkout", 'go to the checkout, or use -C');
  }
  if (facts.shallow) {
    return refuse(
      'shallow-clone',
      'this clone is shallow: history that proves what has landed may be missing',
      'git fetch --unshallow',
    );
  }
  const { root, commonDir, head, commit } = facts.places ?? (await askPlaces(git, dir));
  const common = await realpath(commonDir);
  return ok({
    git,
    env: gitEnvironment(environment, tag),
    root: await realpath(root),
    commonDir: common,
    stateDir: join(common, 'mstone'),
    ...(head?.startsWith(HEADS) ? { branch: head.slice(HEADS.length) } : {}),
    unborn: commit === undefined,
    objectFormat: facts.format,
    layout: DEFAULT_LAYOUT,
  });
}

/** The repository as its configuration lays it out: which file is the view that trees are compared without. */
export const laidOut = (repo: Repository, layout: Layout): Repository => ({ ...repo, layout });

/**
 * The target branch: `onto`, or the branch that HEAD is on; and where it and its shadow branch
 * `mstone/<branch>` stand at this moment.
 */
export async function resolveTarget(
  repo: Repository,
  onto?: string,
): Promise<Result<ResolvedTarget, Diagnostic[]>> {
  const branch = onto ?? (await currentBranch(repo));
  if (branch === undefined) {
    return refuse(
      'detached-head',
      'no branch is checked out here (detached HEAD), so there is nothing to land on',
      'git switch <branch>, or name one with --onto <branch>',
    );
  }
  if (!(await isRefName(repo, HEADS + branch)) || branch.startsWith('-')) {
    return refuse('invalid-branch', `${quote(branch)} cannot be the name of a branch`, 'give a local branch');
  }
  if (branch.startsWith('mstone/')) {
    return refuse(
      'own-branch',
      `${branch} is one of mstone's own branches`,
      `name the branch to land on: --onto ${branch === 'mstone/main' ? 'main' : '<branch>'}`,
    );
  }
  const resolved = await readTarget(repo, branch);
  if (resolved.target === undefined && resolved.shadow === undefined) {
    if ((await currentBranch(repo)) !== branch) return refuseMissing(repo, branch);
  }
  return ok(resolved);
}

/** Reads the refs of a branch that is known to be a legal one. */
export async function readTarget(repo: Repository, branch: string): Promise<ResolvedTarget> {
  const ref = HEADS + branch;
  const shown = `${HEADS}mstone/${branch}`;
  const parents = shown.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
  // Of mstone's branches, one for each milestone, only what may be in the way of the shadow.
  const stored = readStoredRefs(repo.commonDir, {
    exact: [ref, ...parents],
    prefixes: [shown, 'refs/mstone/shadow'],
  });
  const refs =
    stored === undefined ? await askRefs(repo, ref, `${HEADS}mstone`, 'refs/mstone/shadow') : oidsOf(stored);
  const target = refs.get(ref);
  const shadowRef = shadowRefOf(branch, refs);
  const shadow = refs.get(shadowRef);
  const spent = shadow === undefined || (target !== undefined && (await isAncestor(repo, shadow, target)));
  return { branch, ref, target, shadowRef, shadow, head: spent ? target : shadow };
}

/** Whether `ancestor` is `descendant` or among its ancestors. */
export async function isAncestor(repo: Repository, ancestor: Oid, descendant: Oid): Promise<boolean> {
  if (ancestor === descendant || (await isNearAncestor(repo, ancestor, descendant))) return true;
  const args = ['merge-base', '--is-ancestor', ancestor, descendant];
  const answer = await repo.git({ args, cwd: repo.root });
  if (answer.code > 1) throw new GitError(args, answer.code, answer.stderr);
  return answer.code === 0;
}

/** Refs that are one of these or lie below one of these, with the objects they name. */
export async function listRefs(repo: Repository, ...prefixes: string[]): Promise<Map<string, Oid>> {
  const stored = readStoredRefs(repo.commonDir, { prefixes });
  return stored === undefined ? askRefs(repo, ...prefixes) : oidsOf(stored);
}

const oidsOf = (refs: ReadonlyMap<string, StoredRef>): Map<string, Oid> =>
  new Map([...refs].map(([name, { oid }]) => [name, oid]));

async function askRefs(repo: Repository, ...prefixes: string[]): Promise<Map<string, Oid>> {
  const text = await need(repo.git, {
    args: ['for-each-ref', '--format=%(objectname) %(refname)', ...prefixes],
    cwd: repo.root,
  });
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]));
}

/** Points a ref under `refs/mstone/` to a commit, so that no gc takes it. */
export async function pin(repo: Repository, ref: string, oid: Oid): Promise<void> {
  await pinAll(repo, [[ref, oid]]);
}

/** The same of several, all or none. */
export async function pinAll(
  repo: Repository,
  pins: readonly (readonly [ref: string, oid: Oid])[],
): Promise<void> {
  for (const [ref] of pins) {
    if (!ref.startsWith('refs/mstone/')) throw new Error(`not a ref of mstone's: ${ref}`);
    if (!(await isRefName(repo, ref))) throw new Error(`not the name of a ref: ${ref}`);
  }
  if (await repo.objects?.setRefs(pins)) return;
  for (const [ref, oid] of pins) {
    await need(repo.git, { args: ['update-ref', '--end-of-options', ref, oid], cwd: repo.root });
  }
}

/** Whether git takes it for the name of a ref; asked only where the name is none of the plainest. */
async function isRefName(repo: Repository, ref: string): Promise<boolean> {
  if (/^refs(\/[A-Za-z0-9_](?:[A-Za-z0-9_-]|\.(?=\d))*)+$/.test(ref)) return true;
  return (await repo.git({ args: ['check-ref-format', ref], cwd: repo.root })).code === 0;
}

/**
 * Lets branch `mstone/<id>` show a milestone's latest work. Where that is impossible the work stays
 * pinned all the same; returns what the user should then be told.
 */
export async function moveView(repo: Repository, id: string, oid: Oid): Promise<string | undefined> {
  const branch = `mstone/${id}`;
  const ref = HEADS + branch;
  if (!(await isRefName(repo, ref))) throw new Error(`not the name of a ref: ${ref}`);
  const holder = (await mayBeOpen(repo, ref))
    ? (await listWorktrees(repo)).find((worktree) => worktree.branch === ref)
    : undefined;
  if (holder !== undefined) {
    return `branch ${branch} is checked out in ${holder.path}, so it was left where it is; the work is ${oid}`;
  }
  if (holder === undefined && (await repo.objects?.setRefs([[ref, oid]]))) return undefined;
  const answer = await repo.git({ args: ['update-ref', '--end-of-options', ref, oid], cwd: repo.root });
  if (answer.code === 0) return undefined;
  const reason = (await listRefs(repo, `${HEADS}mstone`)).has(`${HEADS}mstone`)
    ? 'a branch named mstone is in its way'
    : (answer.stderr.trim().split('\n')[0] ?? `git exit ${answer.code}`);
  return `branch ${branch} could not be set: ${reason}; the work is ${oid}`;
}

/** False where no worktree's HEAD is on the ref; told from their files, without asking git. */
export async function mayBeOpen({ commonDir }: Repository, ref: string): Promise<boolean> {
  const linked = await readdir(join(commonDir, 'worktrees')).catch(() => []);
  const heads = await Promise.all(
    ['HEAD', ...linked.map((name) => join('worktrees', name, 'HEAD'))].map((file) =>
      readFile(join(commonDir, file), 'utf8').catch(() => ''),
    ),
  );
  // Where refs are kept in tables, these files say nothing.
  return heads.some((head) => head.trim() === `ref: ${ref}` || head.startsWith('ref: refs/heads/.invalid'));
}

export interface Worktree {
  readonly path: string;
  /** Full ref that its HEAD is on; undefined when detached. */
  readonly branch?: string;
  /** Its folder is gone. */
  readonly prunable: boolean;
}

/** All worktrees of the repository, the main one first. */
export async function listWorktrees(repo: Repository): Promise<Worktree[]> {
  const text = await need(repo.git, { args: ['worktree', 'list', '--porcelain', '-z'], cwd: repo.root });
  return text
    .split('\0\0')
    .map((block) => block.split('\0').filter((line) => line !== ''))
    .filter((lines) => lines.length > 0 && !lines.includes('bare'))
    .map((lines) => {
      const value = (name: string) =>
        lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
      const branch = value('branch');
      return {
        path: value('worktree') ?? '',
        ...(branch === undefined ? {} : { branch }),
        prunable: lines.some((line) => line === 'prunable' || line.startsWith('prunable ')),
      };
    });
}

/** Who commits: the user as git's configuration names them, else mstone. */
export async function readIdentity(repo: Repository): Promise<Identity> {
  // Asked once in a run, whose commits are one committer's.
  const known = repo.objects && identities.get(repo.objects);
  if (known !== undefined) return known;
  const said = await repo.git({
    args: ['config', '-z', '--get-regexp', '^user\\.(name|email)$'],
    cwd: repo.root,
  });
  const values = new Map<string, string>();
  for (const entry of said.text.split('\0')) {
    const [key = '', ...lines] = entry.split('\n');
    values.set(key, lines.join('\n').trim());
  }
  const [name = '', email = ''] = [values.get('user.name'), values.get('user.email')];
  const identity =
    name !== '' && email !== '' ? { name, email } : { name: 'mstone', email: 'mstone@localhost' };
  if (repo.objects !== undefined) identities.set(repo.objects, identity);
  return identity;
}

const identities = new WeakMap<Objects, Identity>();

export interface Identity {
  readonly name: string;
  readonly email: string;
}

/** A commit of a tree, by someone at some time, as `commit-tree` makes it; undefined where that has to make it. */
export async function writeCommit(
  repo: Repository,
  tree: Oid,
  parents: readonly Oid[],
  message: string,
  by: { readonly author: Identity; readonly committer: Identity; readonly dateMs: number },
): Promise<Oid | undefined> {
  // Git takes what it does not like out of names, and reads no other encoding than it writes.
  const isPlain = [by.author, by.committer].every(
    ({ name, email }) => PLAIN_NAME.test(name) && PLAIN_NAME.test(email),
  );
  if (repo.objects === undefined || !isPlain || message.includes('\0')) return undefined;
  const date = `${Math.floor(by.dateMs / 1000)} +0000`;
  const head = [
    `tree ${tree}`,
    ...[...new Set(parents)].map((parent) => `parent ${parent}`),
    `author ${by.author.name} <${by.author.email}> ${date}`,
    `committer ${by.committer.name} <${by.committer.email}> ${date}`,
  ];
  return repo.objects.write(
    'commit',
    `${head.join('\n')}\n\n${message}${message.endsWith('\n') ? '' : '\n'}`,
  );
}

/** Begins and ends with what git leaves alone, and has nothing within that it would cut. */
const PLAIN_NAME = /^[A-Za-z0-9](?:[ -;=?-~]*[A-Za-z0-9])?$/;

/** The variables that fix who made a commit, and when. `dateMs` is epoch ms. */
export function signedBy(author: Identity, committer: Identity, dateMs: number): Record<string, string> {
  const date = `@${Math.floor(dateMs / 1000)} +0000`;
  return {
    GIT_AUTHOR_NAME: author.name,
    GIT_AUTHOR_EMAIL: author.email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: committer.name,
    GIT_COMMITTER_EMAIL: committer.email,
    GIT_COMMITTER_DATE: date,
  };
}

const HEADS = 'refs/heads/';

async function currentBranch(repo: Repository): Promise<string | undefined> {
  const head = await repo.git({ args: ['symbolic-ref', '-q', 'HEAD'], cwd: repo.root });
  return head.code === 0 && head.text.startsWith(HEADS) ? head.text.slice(HEADS.length) : undefined;
}

/**
 * `refs/heads/mstone/<branch>`, unless git's rule that no ref may be a folder of another forbids it, or
 * the name is that of a milestone, whose view branch it would be.
 */
function shadowRefOf(branch: string, refs: ReadonlyMap<string, Oid>): string {
  const shown = `${HEADS}mstone/${branch}`;
  const hidden = `refs/mstone/shadow/${branch}`;
  const parents = shown.split('/').map((_, index, parts) => parts.slice(0, index).join('/'));
  const impossible =
    parents.some((parent) => refs.has(parent)) ||
    [...refs.keys()].some((ref) => ref.startsWith(`${shown}/`)) ||
    /^\d{1,3}([A-Z]{1,2}|-gate)(\/|$)/.test(branch);
  return impossible || (refs.has(hidden) && !refs.has(shown)) ? hidden : shown;
}

async function versionOf(git: Git, cwd: string): Promise<string | undefined> {
  try {
    const answer = await git({ args: ['--version'], cwd });
    return answer.code === 0 ? answer.text.replace(/^git version /, '') : undefined;
  } catch (error) {
    if (error instanceof GitError) return undefined;
    throw error;
  }
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1]);
}

const refuse = (code: MessageCode, message: string, fix: string): Refusal =>
  err([{ severity: 'error', code, message, fix }]);

function refuseStranger(dir: string, stderr: string): Refusal {
  if (/not a git repository/.test(stderr)) {
    return refuse('not-a-repository', `${dir} is not in a git repository`, 'git init');
  }
  const [first = 'git refused'] = stderr.trim().split('\n');
  const fix = /git config .*safe\.directory.*/.exec(stderr)?.[0] ?? 'make `git status` work there first';
  return refuse('git-refused', `git does not read the repository in ${dir}: ${first}`, fix.trim());
}

async function refuseMissing(repo: Repository, branch: string): Promise<Result<never, Diagnostic[]>> {
  const names = [...(await listRefs(repo, HEADS)).keys()]
    .map((ref) => ref.slice(HEADS.length))
    .filter((name) => !name.startsWith('mstone/'));
  const near = nearest(branch, names);
  return refuse(
    'unknown-branch',
    `there is no local branch ${quote(branch)}`,
    near === undefined ? `git branch ${branch}` : `did you mean --onto ${near}?`,
  );
}

const quote = (text: string): string => JSON.stringify(text);
