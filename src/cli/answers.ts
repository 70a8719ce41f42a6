/**
 * Answers that need not be made anew. `status`, `plan` and a `run` that finds nothing to do say again what they said
 * last time, where all that it was made of is what it was. This is what that is, and how each is told to be the same:
 *
 *     this mstone and how it was called   the question: its version and build, Node's version, the command line, the
 *                                         folder, the whole environment, whether it is a terminal, the processors, the
 *                                         user; a hash of all this is the name under which the answer is kept
 *     the repository, its branch, HEAD    stamps of all that decides what git says of them (`groundsOf`)
 *     milestones and prompts              stamps of all that is in their folder
 *     the settings                        stamps of `mstone.yaml` or what `--config` names, of your own file and keys
 *     that nothing landed beside HEAD     stamps of where refs are, for `mstone/<branch>`
 *     what runs came to                   stamps of their journals, of records of a landing; no lock
 *     that all is committed (`run`)       stamps of the index and of attributes, where nothing else is in the folder
 *                                         than what is committed; where there is, git is asked
 *
 * Which files that makes is decided where the answer is kept (`keep.ts`) and is kept with it:
 *
 *     <state>/cache/answer-<question>     twice the same: a line of JSON (`Kept`), the stamps, what was written
 *
 * It is a cache like the others: gone or damaged, it costs time and nothing else. It stands there twice, so that a
 * byte that was damaged is seen: to compare is quicker than to load what makes sums.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { guessRepository } from '../git/ground.js';
import { makerOf } from './home.js';
import { stampAll, type Watched } from './stamps.js';
import type { World } from './world.js';

export interface Caller extends Pick<World, 'cwd' | 'env' | 'cpus' | 'home'> {
  readonly stdout: { readonly isTTY: boolean };
  readonly stderr: { readonly isTTY: boolean };
}

/** Something that a command wrote. */
export interface Said {
  readonly to: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

/** What stands above the stamps and the bytes of an answer. */
export interface Kept {
  readonly watched: readonly Watched[];
  /** Bytes of their stamps. */
  readonly stamps: number;
  /** The checkout's top, and paths below it of which git has to say that all is committed. */
  readonly root: string;
  readonly committed: readonly string[];
  readonly said: readonly (readonly [to: Said['to'], bytes: number])[];
}

/** Of these commands some answers are kept; bare `mstone` is `status`. */
export const mayBeKept = (argv: readonly string[]): boolean =>
  argv[0] === undefined || ['status', 'plan', 'run'].includes(argv[0]);

/** Says nothing of a command line that is repeated: they change with each, or say where it was typed. */
const PASSING: ReadonlySet<string> = new Set(['_', 'SHLVL', 'OLDPWD', 'PWD']);

/** Where the answer to a command line is kept. */
export function placeOf(argv: readonly string[], caller: Caller, stateDir: string): string {
  const { cwd, env, stdout, stderr, cpus, home } = caller;
  const variables = Object.entries(env)
    .filter(([name]) => !PASSING.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const terminal = [stdout.isTTY, stderr.isTTY];
  const user = process.geteuid?.();
  const question = [makerOf({ home }), home, process.version, argv, cwd, variables, terminal, cpus, user];
  return join(stateDir, 'cache', `${ANSWER}${hashOf(JSON.stringify(question))}`);
}
export const ANSWER = 'answer-';

/** 64 bits: enough to tell questions apart, and nothing that an environment could be read from. */
function hashOf(text: string): string {
  let [a, b] = [0x2f6e2b1, 0x1b873593];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 0x85ebca6b);
    a ^= a >>> 13;
    b = Math.imul(b ^ code, 0x01000193);
    b ^= b >>> 15;
  }
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}

/** What a command line was answered last time; undefined where something may have changed since. */
export async function recall(argv: readonly string[], caller: Caller): Promise<readonly Said[] | undefined> {
  if (!mayBeKept(argv)) return undefined;
  try {
    const found = guessRepository(caller.cwd);
    if (found === undefined) return undefined;
    // As `openRepository` has it.
    const stateDir = join(found.commonDir, 'mstone');
    const twice = readFileSync(placeOf(argv, caller, stateDir));
    const bytes = twice.subarray(0, twice.length / 2);
    if (!bytes.equals(twice.subarray(bytes.length))) return undefined;
    let at = bytes.indexOf(LINE_END) + 1;
    const kept = JSON.parse(bytes.toString('utf8', 0, at)) as Kept;
    if (isLocked(stateDir)) return undefined;
    if (!stampAll(kept.watched).stamps.equals(bytes.subarray(at, at + kept.stamps))) return undefined;
    if (kept.committed.length > 0) {
      const { isCommitted } = await import('./committed.js');
      if (!(await isCommitted(kept.root, kept.committed, caller.env))) return undefined;
    }
    at += kept.stamps;
    return kept.said.map(([to, length]) => {
      at += length;
      return { to, bytes: bytes.subarray(at - length, at) };
    });
  } catch {
    // Nothing is kept, or what may not be looked at here the command itself tells.
    return undefined;
  }
}

const LINE_END = 0x0a;

/** The bytes of a file that `recall` reads. */
export function bytesOf(kept: Kept, stamps: Uint8Array, said: readonly Said[]): Buffer {
  const head = Buffer.from(`${JSON.stringify(kept)}\n`);
  const once = Buffer.concat([head, stamps, ...said.map(({ bytes }) => bytes)]);
  return Buffer.concat([once, once]);
}

/** Whether somebody is at work, or was when the machine stopped. */
export const isLocked = (stateDir: string): boolean => existsSync(join(stateDir, 'lock'));
