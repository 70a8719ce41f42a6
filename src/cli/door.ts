/**
 * What is loaded first, and for what can be answered at once the last: a file of its own in the bundle, small enough
 * to be no part of what a start takes.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Caller, Said } from './answers.js';
import { HELP_COLUMNS, toldIn } from './help.js';
import { home } from './home.js';
import { watchStreams } from './streams.js';

/** Answers a command line from `bundle`, the folder of what was built; false where the whole of mstone is needed. */
export async function answer(argv: readonly string[], bundle: string): Promise<boolean> {
  // Only then what looks at files and asks git: loading that takes longer than help.
  const said = tell(argv, bundle) ?? (await (await import('./answers.js')).recall(argv, caller));
  if (said === undefined) return false;
  watchStreams();
  for (const { to, bytes } of said) process[to].write(bytes);
  return true;
}

const caller: Caller = {
  env: process.env,
  home,
  // Asked for where it is needed: the folder may be gone, a stream may be none that can be opened.
  get cwd() {
    return process.cwd();
  },
  get stdout() {
    return process.stdout;
  },
  get stderr() {
    return process.stderr;
  },
  get cpus() {
    return availableParallelism();
  },
};

function tell(argv: readonly string[], bundle: string): readonly Said[] | undefined {
  const file = toldIn(argv);
  if (file === undefined || (process.stdout.columns ?? HELP_COLUMNS) < HELP_COLUMNS) return undefined;
  try {
    return [{ to: 'stdout', bytes: readFileSync(join(bundle, file)) }];
  } catch (error) {
    // The help of what is no command, say.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
