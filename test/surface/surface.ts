/**
 * The whole surface of mstone, and for each part of it the tests that used it.
 *
 * How a test is linked: not by its title and not by a comment. The rig (`test/rig/record.ts`) writes down
 * every mstone that a test starts: its words, the variables in its environment, the keys in the files it
 * read, how it ended and what it refused. A part counts as tested if
 *
 * - a **command** or a **flag** was in a command line that was not refused and did not ask for help;
 * - a **variable** was in the environment of one;
 * - a **key** of mstone.yaml or of front matter was in the files of one that ran something;
 * - an **exit code** was ended with;
 * - a **message** was printed, in each of its sentences;
 * - a **documented line** was typed as it stands.
 *
 * What is printed beyond the catalogue of messages is listed too. That a test would notice if a part had no
 * effect is for the test to see to; that one exists, and did more than look at `--help`, is seen here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeProgram } from '../../src/cli/program.js';
import { configKeys, FLAG_KEYS, FLAG_VARIABLES } from '../../src/config/keys.js';
import { frontMatterKeys } from '../../src/milestone/keys.js';
import { messageCodes, messages } from '../../src/model/messages.js';
import { ELSEWHERE } from '../docs/states.js';
import { documentedLines } from '../rig/documented.js';
import { home, makeInside } from '../rig/inside.js';

/** A line of `.surface/`. */
interface Line {
  readonly test: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly code: number | null;
  readonly said: readonly string[];
  readonly config: readonly string[];
  readonly front: readonly string[];
  readonly documented?: string;
}

/** Sentences that no command line can be made to say for certain; where they are held to instead. */
export const UNREACHED: Readonly<Record<string, string>> = {
  'detached-head: no branch is checked out here (detached HEAD), so a commit would be lost':
    'HEAD is detached between two looks: test/git/first-commit.test.ts',
  'unreadable: the file could not be read':
    'who runs the tests may be root, to whom nothing is unreadable: test/milestone/folder.test.ts',
  'user-file-unreadable: your own configuration cannot be read: …':
    'who runs the tests may be root, to whom nothing is unreadable: looked at by hand',
  'run-elsewhere: process …, which drives the run, is another user’s':
    'who runs the tests may be root, who may signal everybody: looked at by hand',
  'target-moved: the target does not stand still':
    'the target moves three times, each between two looks: test/git/landing.test.ts',
  'target-moved: a branch has moved meanwhile; no ref was removed':
    'a branch moves between two looks: test/git/tidy.test.ts',
  'target-rewound: … no longer holds …, it is at …':
    'the target moves back between two looks: test/git/landing.test.ts',
};

export interface Part {
  readonly kind: string;
  readonly name: string;
  readonly tests: readonly string[];
}

export function readRecords(): Line[] {
  const folder = join(home, '.surface');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ndjson') && existsSync(join(home, testOf(name))))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .flatMap((text) => (text === '' ? [] : [JSON.parse(text) as Line]));
}

const testOf = (record: string): string => record.replaceAll('+', '/').replace(/\.ndjson$/, '');

/** What takes a word as its value before the command. */
const GLOBAL = new Set(['-C', '--color']);

function commandOf({ args }: Line): string {
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? '';
    if (GLOBAL.has(word)) at += 1;
    else if (!word.startsWith('-')) return word;
  }
  return '';
}

const RUNS = new Set(['run', 'resume', 'retry']);
/** Keys with one value each, which nothing can change yet: it is enough that they are read. */
const READS = new Set(['validate', 'plan', 'config', 'explain']);

export function surfaceOf(lines: readonly Line[]): Part[] {
  const done = lines.filter(
    ({ args, code }) => code !== null && code !== 2 && !args.includes('--help') && !args.includes('-h'),
  );
  const by = (
    kind: string,
    name: string,
    uses: (line: Line) => boolean,
    among: readonly Line[] = done,
  ): Part => ({
    kind,
    name,
    tests: [...new Set(among.filter(uses).map(({ test }) => test))],
  });
  const gives = (line: Line, long: string | undefined, short: string | undefined): boolean =>
    line.args.some(
      (word) => word === long || word === short || (long !== undefined && word.startsWith(`${long}=`)),
    );
  const program = makeProgram(makeInside(home, {}).world, () => undefined);
  const exits = [...readFileSync(join(home, 'docs', 'exit-codes.md'), 'utf8').matchAll(/^## (\d+)$/gm)];
  const said = lines.map((line) => ({ line, codes: new Set(line.said.map((text) => sentenceOf(text))) }));
  const flags = program.options.flatMap(({ long, short }) =>
    long === '--help' || long === '--version'
      ? []
      : [by('flag', long ?? short ?? '', (line) => gives(line, long, short))],
  );
  const fixedValue = new Set(
    configKeys.filter(({ type, default: value }) => type === `\`${value}\``).map(({ key }) => key),
  );
  return [
    ...program.commands.map((command) =>
      by('command', `mstone ${command.name()}`, (line) => commandOf(line) === command.name()),
    ),
    ...flags,
    ...program.commands.flatMap((command) =>
      command.options.map(({ long, short }) =>
        by(
          'flag',
          `mstone ${command.name()} ${long ?? short}`,
          (line) => commandOf(line) === command.name() && gives(line, long ?? undefined, short ?? undefined),
        ),
      ),
    ),
    ...[...FLAG_VARIABLES.values(), ...configKeys.map(({ env }) => env)].map((name) =>
      by('variable', name, (line) => line.env.includes(name)),
    ),
    ...[...FLAG_KEYS.keys()].flatMap((flag) =>
      program.commands.some(({ options }) => options.some(({ long }) => long === flag))
        ? []
        : [by('flag', flag, () => false)],
    ),
    ...configKeys.map(({ key }) =>
      by(
        'key',
        key,
        (line) =>
          line.config.includes(key) &&
          (RUNS.has(commandOf(line)) || (fixedValue.has(key) && READS.has(commandOf(line)))),
      ),
    ),
    ...frontMatterKeys.map((key) =>
      by('front matter', key, (line) => line.front.includes(key) && RUNS.has(commandOf(line))),
    ),
    ...exits.map(([, code]) => by('exit code', code ?? '', (line) => line.code === Number(code), lines)),
    ...messageCodes.flatMap((code) =>
      messages[code].says.map(
        (sentence): Part => ({
          kind: 'message',
          name: `${code}: ${sentence}`,
          tests: [...new Set(said.filter(({ codes }) => codes.has(sentence)).map(({ line }) => line.test))],
        }),
      ),
    ),
    ...documentedLines()
      .filter(({ line }) => !Object.hasOwn(ELSEWHERE, line))
      .map(({ place, line }) =>
        by('documented', `${place} ${line}`, ({ documented }) => documented === place, lines),
      ),
  ];
}

const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
const SENTENCES = messageCodes
  .flatMap((code) => [...messages[code].says])
  // The more it says itself, the better it fits.
  .sort((a, b) => b.replaceAll('…', '').length - a.replaceAll('…', '').length)
  .map((sentence) => ({
    sentence,
    pattern: new RegExp(`^${sentence.split('…').map(literal).join('.*')}$`),
  }));

const sentenceOf = (text: string): string | undefined =>
  SENTENCES.find(({ pattern }) => pattern.test(text))?.sentence;

/** Sentences that were printed as a diagnostic and are in no entry of the catalogue. */
export const uncatalogued = (lines: readonly Line[]): string[] => [
  ...new Set(
    lines.flatMap(({ said, test }) =>
      said.filter((text) => sentenceOf(text) === undefined).map((text) => `${text} (${test})`),
    ),
  ),
];
