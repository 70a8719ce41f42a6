/**
 * Answers that need not be made anew. `status`, `plan` and a `run` that finds nothing to do say again what they said
 * last time, where all that it was made of is what it was. This is what that is, and how each is told to be the same:
 *
 *     this mstone and how it was called   the question: its version and build, Node's version, the command line, the
 *                                         folder, the whole environment, whether it is a terminal, the processors;
 *                                         a hash of all this is the name under which the answer is kept
 *     the repository, its branch, HEAD    what git says of them now is what it said then (`readFacts`)
 *     milestones and prompts              stamps of all that is in their folder
 *     the settings                        stamps of `mstone.yaml` or what `--config` names, of your own file and keys
 *     that nothing landed beside HEAD     stamps of where refs are, for `mstone/<branch>`
 *     what runs came to                   stamps of their journals, of records of a landing; no lock
 *     that all is committed (`run`)       git says so now
 *
 * Which files that makes is decided where the answer is kept (`keep.ts`) and is kept with it:
 *
 *     <state>/cache/answer-<question>     a line of JSON (`Kept`), then what was written, part by part
 *
 * It is a cache like the others: gone or damaged, it costs time and nothing else.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { type Places, readFacts } from '../git/facts.js';
import { type Git, GitError, gitEnvironment, PINNED_ARGUMENTS } from '../git/plumbing.js';
import { uncommitted } from '../git/uncommitted.js';
import { keyOf, LINE_END, makerOf, openCache } from './cache.js';
import { stampAll, type Watched } from './stamps.js';
import type { World } from './world.js';

export type Caller = Pick<World, 'cwd' | 'env' | 'stdout' | 'stderr' | 'cpus' | 'home'>;

/** Something that a command wrote. */
export interface Said {
  readonly to: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

/** What stands above the bytes of an answer. */
export interface Kept {
  /** What git said of the repository. */
  readonly facts: string;
  readonly watched: readonly Watched[];
  /** Of what is watched. */
  readonly digest: string;
  /** Paths below the root of which all had to be committed; empty where that did not matter. */
  readonly committed: readonly string[];
  readonly said: readonly (readonly [to: Said['to'], bytes: number])[];
}

/** Of these commands some answers are kept; bare `mstone` is `status`. */
export const mayBeKept = (argv: readonly string[]): boolean =>
  argv[0] === undefined || ['status', 'plan', 'run'].includes(argv[0]);

/** Says nothing of a command line that is repeated: they change with each, or say where it was typed. */
const PASSING: ReadonlySet<string> = new Set(['_', 'SHLVL', 'OLDPWD', 'PWD']);

/** The name under which the answer to a command line is kept. */
export function nameOf(argv: readonly string[], { cwd, env, stdout, stderr, cpus, home }: Caller): string {
  const terminal = [stdout.isTTY === true, stderr.isTTY === true];
  const variables = Object.entries(env)
    .filter(([name]) => !PASSING.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const question = [makerOf({ home }), home, process.version, argv, cwd, variables, terminal, cpus];
  return `${ANSWER}${keyOf(question).slice(0, 32)}`;
}
export const ANSWER = 'answer-';

/** The repository around a folder, as far as one answer of git's tells all of it. */
export async function lookAround(
  git: Git,
  cwd: string,
): Promise<{ readonly facts: string; readonly places: Places; readonly stateDir: string } | undefined> {
  const facts = await readFacts(git, cwd);
  if (facts === undefined || !('places' in facts) || facts.places === undefined) return undefined;
  const { places } = facts;
  // As `openRepository` has it.
  const stateDir = join(realpathSync(places.commonDir), 'mstone');
  return { facts: JSON.stringify(facts), places, stateDir };
}

/** What a command line was answered last time; undefined where something may have changed since. */
export async function recall(argv: readonly string[], world: Caller): Promise<readonly Said[] | undefined> {
  if (!mayBeKept(argv)) return undefined;
  try {
    const git = quickGit(world.env);
    const around = await lookAround(git, world.cwd);
    if (around === undefined) return undefined;
    const { facts, stateDir, places } = around;
    const bytes = openCache(stateDir, world).read(nameOf(argv, world));
    if (bytes === undefined) return undefined;
    let at = bytes.indexOf(LINE_END) + 1;
    const kept = JSON.parse(bytes.toString('utf8', 0, at)) as Kept;
    if (kept.facts !== facts || isLocked(stateDir)) return undefined;
    if (stampAll(kept.watched).digest !== kept.digest) return undefined;
    if ((await uncommitted({ git, root: places.root }, kept.committed)).length > 0) return undefined;
    return kept.said.map(([to, length]) => {
      at += length;
      return { to, bytes: bytes.subarray(at - length, at) };
    });
  } catch {
    // Whatever may not be looked at here, the command itself tells.
    return undefined;
  }
}

/** A git that is waited for: for one or two questions that takes half the time. */
const quickGit = (environment: Caller['env']): Git => {
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

/** Whether somebody is at work, or was when the machine stopped. */
export const isLocked = (stateDir: string): boolean => existsSync(join(stateDir, 'lock'));
