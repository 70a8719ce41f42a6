/**
 * What is loaded first, and for what can be answered at once the last: a file of its own in the bundle, small enough
 * to be no part of what a start takes.
 */
import { fstatSync, readFileSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Caller, Said } from './answers.js';
import { HELP_COLUMNS, toldIn } from './help.js';
import { home } from './home.js';
import { watchStreams } from './streams.js';

/** Answers a command line from `bundle`, the folder of what was built; false where the whole of mstone is needed. */
export async function answer(argv: readonly string[], bundle: string): Promise<boolean> {
  // Only then what looks at files: loading that takes longer than help.
  const said = tell(argv, bundle) ?? (await (await import('./answers.js')).recall(argv, caller));
  if (said === undefined) return false;
  for (const { to, bytes } of said) write(to, bytes);
  return true;
}

/** The same as `World` says; asked for where it is needed: the folder may be gone. */
const caller: Caller = {
  env: process.env,
  home,
  get cwd() {
    return process.cwd();
  },
  get cpus() {
    return availableParallelism();
  },
  stdout: {
    get isTTY() {
      return isTerminal('stdout');
    },
  },
  stderr: {
    get isTTY() {
      return isTerminal('stderr');
    },
  },
};

const NUMBERS = { stdout: 1, stderr: 2 };

/** Node's own streams take longer to load than all that is told here: only a device may be a terminal. */
function isTerminal(to: Said['to']): boolean {
  return fstatSync(NUMBERS[to]).isCharacterDevice() && process[to].isTTY === true;
}

function write(to: Said['to'], bytes: Uint8Array): void {
  let at = 0;
  try {
    while (at < bytes.length) at += writeSync(NUMBERS[to], bytes, at);
  } catch {
    // A reader that is slow or gone, a full disk: Node's streams know how to wait, and what to say.
    watchStreams();
    process[to].write(bytes.subarray(at));
  }
}

function tell(argv: readonly string[], bundle: string): readonly Said[] | undefined {
  const file = toldIn(argv);
  if (file === undefined) return undefined;
  try {
    if (isTerminal('stdout') && process.stdout.columns < HELP_COLUMNS) return undefined;
    return [{ to: 'stdout', bytes: readFileSync(join(bundle, file)) }];
  } catch (error) {
    // The help of what is no command, say, or a stream that is closed.
    if ('code' in (error as Error)) return undefined;
    throw error;
  }
}
