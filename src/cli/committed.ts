/** Asks git whether all is committed, where nobody could be told from stamps. */
import { spawnSync } from 'node:child_process';
import { type Git, GitError, gitEnvironment, PINNED_ARGUMENTS } from '../git/plumbing.js';
import { uncommitted } from '../git/uncommitted.js';
import type { World } from './world.js';

export const isCommitted = async (
  root: string,
  paths: readonly string[],
  env: World['env'],
): Promise<boolean> => (await uncommitted({ root, git: quickGit(env) }, paths)).length === 0;

/** A git that is waited for: for a single question that takes half the time. */
const quickGit = (environment: World['env']): Git => {
  const base = gitEnvironment(environment);
  return async ({ args, cwd, env }) => {
    const { status, stdout, stderr } = spawnSync('git', [...PINNED_ARGUMENTS, ...args], {
      cwd,
      env: { ...base, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status === null) throw new GitError(args, 128, 'could not be run to its end');
    const text = stdout.toString('utf8').replace(/\n$/, '');
    return { code: status, stdout, text, stderr: stderr.toString('utf8') };
  };
};
