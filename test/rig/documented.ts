/**
 * Every command line that the README and the manual show: in fenced `sh` and `console` blocks, behind `$ ` in
 * any other, and as `mstone …` in running text and tables.
 *
 * `<!-- run: STATE -->` on a line of its own says in which repository the lines of the block, table or
 * paragraph behind it are run, and `<!-- run: STATE exit=1 -->` what they end with. The states are in
 * `test/docs/states.ts`; without a comment it is `landed`, and 0.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { home } from './inside.js';

export interface Documented {
  /** `README.md:12`. */
  readonly place: string;
  /** As it is shown, the `$ ` left out. */
  readonly line: string;
  readonly state: string;
  readonly exit: number;
  /** What is shown below it, where something is. */
  readonly output?: string;
  /** Lines of one block are run one after the other in one repository. */
  readonly block: string;
}

const pages = (): string[] => [
  'README.md',
  ...readdirSync(join(home, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => `docs/${name}`),
];

export const documentedLines = (): Documented[] =>
  pages().flatMap((page) => linesOf(page, withoutTranscript(readFileSync(join(home, page), 'utf8'))));

/** The README's transcript is played as a whole, by a test of its own. The other lines keep their numbers. */
const withoutTranscript = (text: string): string =>
  text.replace(/^<!-- transcript[\s\S]*?^<!-- \/transcript -->$/m, (block) => block.replace(/.+/g, ''));

const COMMENT = /^<!-- run: (\S+)(?: exit=(\d+))? -->$/;
const INLINE = /(?<!`)`((?:[A-Z][A-Z_]*=\S+ )*(?:mstone|npm|npx)(?: [^`]*)?)`(?!`)/g;

function linesOf(page: string, text: string): Documented[] {
  const found: Documented[] = [];
  const lines = text.split('\n');
  let how = { state: 'landed', exit: 0 };
  /** A comment holds for what comes directly behind it, blank lines aside. */
  let fresh = false;
  let fence: { readonly mark: string; readonly language: string; readonly at: number } | undefined;
  lines.forEach((line, index) => {
    const place = `${page}:${index + 1}`;
    const open = /^(`{3,})(\w*)/.exec(line);
    if (fence !== undefined) {
      if (open !== null && line === fence.mark) fence = undefined;
      else
        found.push(
          ...fenced(
            line,
            { ...how, place, block: `${page}:${fence.at}` },
            fence.language,
            lines.slice(index + 1),
          ),
        );
      return;
    }
    if (line.trim() === '') {
      if (!fresh) how = { state: 'landed', exit: 0 };
      return;
    }
    const comment = COMMENT.exec(line);
    if (comment !== null) {
      how = { state: comment[1] ?? '', exit: Number(comment[2] ?? 0) };
      fresh = true;
      return;
    }
    fresh = false;
    if (open !== null) {
      fence = { mark: open[1] ?? '', language: open[2] ?? '', at: index + 1 };
      return;
    }
    for (const [, shown = ''] of line.matchAll(INLINE)) {
      for (const one of variants(shown)) found.push({ ...how, place, line: one, block: `${place} ${one}` });
    }
  });
  return found;
}

function fenced(
  line: string,
  base: Omit<Documented, 'line'>,
  language: string,
  below: readonly string[],
): Documented[] {
  if (line.startsWith('$ ')) {
    const end = below.findIndex((next) => next.startsWith('$ ') || next.startsWith('```'));
    return [
      {
        ...base,
        line: line.slice(2),
        output: below
          .slice(0, end)
          .map((text) => `${text}\n`)
          .join(''),
      },
    ];
  }
  const isCommand = language === 'sh' && /^\S/.test(line) && !line.startsWith('#');
  return isCommand ? [{ ...base, line: line.replace(/ {2,}#.*/, '') }] : [];
}

/** What stands for something else is replaced; what is optional is left out once and put in once. */
function variants(shown: string): string[] {
  const optional = /\[([^\]]*)\]/.exec(shown);
  if (optional !== null) {
    const [whole, inner = ''] = optional;
    return [shown.replace(whole, ''), shown.replace(whole, inner)].flatMap(variants);
  }
  const id = /^mstone new /.test(shown) ? '9A' : '1A';
  const plain = shown
    .replaceAll(/\bN\|ID\b|\bID…?(?=\s|$)|(?<=\s)…(?=\s|$)/g, id)
    .replaceAll(/\bN\b/g, '1')
    .replaceAll('SHELL', 'bash')
    .replaceAll('NAME', 'ci')
    .replaceAll('BRANCH', 'main')
    .replaceAll('FILE', 'mstone.yaml')
    .replaceAll('COMMAND', 'plan')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return plain.includes('RUN') ? [] : [plain];
}
