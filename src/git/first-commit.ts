/**
 * `run --commit`: commits named files, and nothing else of what the user has staged or changed; on a
 * branch without a commit this is the root. No hook of the user's runs.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnostic } from '../model/diagnostic.js';
import type { MessageCode } from '../model/messages.js';
import type { Oid } from '../model/outcome.js';
import { err, ok, type Result } from '../model/result.js';
import { findHolders } from './checkout.js';
import { type Repository, readIdentity, signedBy } from './index.js';
import { GitError, need } from './plumbing.js';
import { uncommitted } from './uncommitted.js';

export interface CommittedFiles {
  readonly commit: Oid;
  /** False when HEAD held all of it already. */
  readonly made: boolean;
}

/** Commits exactly `paths` (files or folders, relative to the root) as they are on disk. */
export async function commitFiles(
  repo: Repository,
  paths: readonly string[],
  message: string,
  /** Epoch ms. */
  dateMs: number,
): Promise<Result<CommittedFiles, Diagnostic[]>> {
  const symbolic = await repo.git({ args: ['symbolic-ref', '-q', 'HEAD'], cwd: repo.root });
  if (symbolic.code !== 0) {
    return refuse(
      'detached-head',
      'no branch is checked out here (detached HEAD), so a commit would be lost',
      'git switch <branch>',
    );
  }
  const ref = symbolic.text;
  const [holder] = await findHolders(repo, ref, []);
  if (holder?.operation !== undefined) {
    const { name, finish } = holder.operation;
    return refuse('operation-in-progress', `a ${name} is in progress in ${holder.path}`, `git ${finish}`);
  }

  const born = await repo.git({ args: ['rev-parse', '-q', '--verify', 'HEAD^{commit}'], cwd: repo.root });
  const head = born.code === 0 ? born.text : undefined;
  const files = await uncommitted(repo, paths);
  if (files.length === 0 && head !== undefined) return ok({ commit: head, made: false });

  // A repository within the repository is listed with a slash; it cannot be committed as files.
  const list = files
    .filter((file) => !file.endsWith('/'))
    .map((file) => `${file}\0`)
    .join('');
  const index = join(repo.commonDir, `mstone-commit-${process.pid}.index`);
  const own = { GIT_INDEX_FILE: index };
  try {
    const args = ['update-index', '--add', '--remove', '-z', '--stdin'];
    await need(repo.git, {
      args: head === undefined ? ['read-tree', '--empty'] : ['read-tree', head],
      cwd: repo.root,
      env: own,
    });
    await need(repo.git, { args, cwd: repo.root, env: own, input: list });
    const tree = await need(repo.git, { args: ['write-tree'], cwd: repo.root, env: own });
    const identity = await readIdentity(repo);
    const commit = await need(repo.git, {
      args: ['commit-tree', ...(head === undefined ? [] : ['-p', head]), '-F', '-', tree],
      cwd: repo.root,
      input: message,
      env: signedBy(identity, identity, dateMs),
    });
    // The user's index first: killed in between, these files are staged and the next call commits them.
    if (files.length > 0) await need(repo.git, { args, cwd: repo.root, input: list });
    await need(repo.git, {
      args: [
        'update-ref',
        '-m',
        'mstone',
        '--end-of-options',
        ref,
        commit,
        head ?? '0'.repeat(commit.length),
      ],
      cwd: repo.root,
    });
    return ok({ commit, made: true });
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    const [first = 'git refused'] = error.stderr.trim().split('\n');
    return refuse(
      'not-committed',
      `the files could not be committed: ${first}`,
      'git add the files and git commit them',
    );
  } finally {
    await rm(index, { force: true });
    await rm(`${index}.lock`, { force: true });
  }
}

const refuse = (code: MessageCode, message: string, fix: string): { ok: false; error: Diagnostic[] } =>
  err([{ severity: 'error', code, message, fix }]);
