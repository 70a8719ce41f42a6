/**
 * One git command, by its exit code. All plumbing goes through here: simple-git loses the exit code of
 * `merge-tree` and refuses `-c core.hooksPath`.
 */
import { runShort } from '../process/short.js';

export interface GitCall {
  readonly args: readonly string[];
  /** Where it runs. */
  readonly cwd: string;
  readonly input?: string | Uint8Array;
  /** Added to the clean environment: `GIT_INDEX_FILE`, `GIT_WORK_TREE`, dates, … */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface GitAnswer {
  readonly code: number;
  readonly stdout: Buffer;
  /** `stdout` as UTF-8 without its final newline. */
  readonly text: string;
  readonly stderr: string;
}

export type Git = (call: GitCall) => Promise<GitAnswer>;

/** Names that mstone's own git may see: nothing that redirects git or runs a program of its choice. */
const PASSED_ON = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'USERPROFILE'];

/**
 * Pinned for every call: no hook, no fsmonitor, no gc behind our back, no prompt, no renaming surprises.
 * Merge settings are part of it, so that a candidate is the same wherever it is made.
 */
const PINNED = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.quotePath=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'merge.default=text',
  'merge.directoryRenames=conflict',
  'merge.renames=true',
  'merge.conflictStyle=merge',
  'advice.detachedHead=false',
];

export class GitError extends Error {
  readonly code: number;
  readonly stderr: string;

  constructor(args: readonly string[], code: number, stderr: string) {
    super(`git ${args[0] ?? ''} failed with exit ${code}: ${stderr.trim()}`);
    this.name = 'GitError';
    this.code = code;
    this.stderr = stderr;
  }
}

/** What every git of ours is called with, before its own arguments. */
export const PINNED_ARGUMENTS: readonly string[] = PINNED.flatMap((entry) => ['-c', entry]);

/** The whole environment of a git of ours, taken from the user's: in English, without prompts. */
export function gitEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  tag?: string,
): Record<string, string> {
  const base: Record<string, string> = {
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    // A replacement ref would show us another commit than the one that everybody else gets.
    GIT_NO_REPLACE_OBJECTS: '1',
  };
  // Isolation that the user (or a test) asked of git itself is kept.
  for (const name of [...PASSED_ON, 'GIT_CONFIG_NOSYSTEM', 'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_SYSTEM']) {
    const value = environment[name];
    if (value !== undefined) base[name] = value;
  }
  if (tag !== undefined) base.MSTONE_TAG = tag;
  return base;
}

/** A `git` that runs with a clean environment taken from `environment`; `run` starts it. */
export function makeGit(
  environment: Readonly<Record<string, string | undefined>>,
  tag?: string,
  run = runShort,
): Git {
  const base = gitEnvironment(environment, tag);
  return async ({ args, cwd, input, env, signal }) => {
    const outcome = await run({
      command: 'git',
      args: [...PINNED_ARGUMENTS, ...args],
      cwd,
      env: { ...base, ...env },
      ...(input === undefined ? {} : { input }),
      ...(signal === undefined ? {} : { signal }),
    });
    switch (outcome.kind) {
      case 'exited':
        return {
          code: outcome.code,
          stdout: outcome.stdout,
          text: outcome.stdout.toString('utf8').replace(/\n$/, ''),
          stderr: outcome.stderr,
        };
      case 'not-found':
        throw new GitError(args, 127, outcome.message);
      case 'killed':
        throw new GitError(args, 128, `killed by ${outcome.signal}`);
      case 'timed-out':
      case 'cancelled':
      case 'too-much-output':
        throw new GitError(args, 128, outcome.kind);
    }
  };
}

/** Runs git and returns its text; any exit but 0 is an error. */
export async function need(git: Git, call: GitCall): Promise<string> {
  const answer = await git(call);
  if (answer.code !== 0) throw new GitError(call.args, answer.code, answer.stderr);
  return answer.text;
}
