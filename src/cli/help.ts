/** Help and version, whose texts are written when mstone is built (`told.ts`). */

/** Columns that help is laid out for: it is the same on any screen that has as many. */
export const HELP_COLUMNS = 80;

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
