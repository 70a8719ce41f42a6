/**
 * What is loaded first, and for what can be answered at once the last: a file of its own in the bundle, small enough
 * to be no part of what a start takes.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { watchStreams } from './streams.js';

/** Columns that help is laid out for: its texts are written when mstone is built, and read well on any screen. */
export const HELP_COLUMNS = 80;

/** Answers a command line from `bundle`, the folder of what was built; false where the whole of mstone is needed. */
export function answer(argv: readonly string[], bundle: string): boolean {
  const file = toldIn(argv);
  if (file === undefined || (process.stdout.columns ?? HELP_COLUMNS) < HELP_COLUMNS) return false;
  let text: string;
  try {
    text = readFileSync(join(bundle, file), 'utf8');
  } catch (error) {
    // The help of what is no command, say.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  watchStreams();
  process.stdout.write(text);
  return true;
}

/** The file with the text for a command line that wants help or the version, and nothing else. */
export function toldIn(argv: readonly string[]): string | undefined {
  const [first = '', second] = argv;
  if (argv.length === 1) {
    if (first === '--version' || first === '-V') return 'version.txt';
    return first === 'help' || isHelp(first) ? 'help.txt' : undefined;
  }
  const name = first === 'help' ? second : isHelp(second) ? first : undefined;
  return argv.length === 2 && name !== undefined && /^[a-z]+$/.test(name) ? `help-${name}.txt` : undefined;
}

const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h';
