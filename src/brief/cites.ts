/**
 * What a finding rests on, held against what there is to rest on.
 *
 * A finding holds work back only where what it `cites` is one of these:
 *
 * - an exit criterion, by its text or its number (`2`, `C2`, `criterion 2: …`). Where the milestone states
 *   none its tasks stand in, and where it has none of these either, the lines of its text;
 * - a check, by its command;
 * - a rule, by its text: those that author and reviewer are told, and the lines of the project's own brief
 *   files (`AGENTS.md`, …), by their text or as `AGENTS.md:12`.
 *
 * By its text: case, spacing, marks of markdown, quotes and a full stop at the end make no difference, and a
 * part of it will do from twelve characters on, or with more words around it. A name of a file alone, or a
 * word such as "best practice", rests on nothing.
 */
import { plainLine } from './text.js';

export interface Grounds {
  readonly criteria: readonly string[];
  /** What stands in for them where there are none. */
  readonly standIns?: readonly string[];
  /** Command lines. */
  readonly checks: readonly string[];
  /** Sentences. */
  readonly rules: readonly string[];
  /** The project's brief files, as the reviewer was given them. */
  readonly project: readonly { readonly file: string; readonly text: string }[];
}

export interface Ground {
  readonly is: 'criterion' | 'check' | 'rule';
  /** The same for all ways of citing it: what is compared over rounds. */
  readonly text: string;
}

const LINE = 500;
/** Characters from which on a part of a sentence is taken for it. */
const LEAST_PART = 12;

const CRITERION = /^(?:(?:exit )?criteri(?:on|a) ?#?|c|#)(\d{1,4})(?![\w/])|^(\d{1,4})(?:$|[.):](?=\s|$))/;

/** What a citation names; undefined where that is none of the grounds. */
export type FindGround = (cites: string | undefined) => Ground | undefined;

export function groundsOf({ criteria: own, standIns = [], checks, rules, project }: Grounds): FindGround {
  const criteria = own.length > 0 ? own : standIns;
  const stated = prepared(criteria);
  const told = prepared(rules);
  const lines = prepared(project.flatMap(({ text }) => text.split('\n')));
  return (cites) => {
    const said = bare(cites ?? '');
    if (cites === undefined || said === '') return undefined;
    return (
      among('criterion', stated, (text) => text === said) ??
      numbered(said, criteria) ??
      among('check', prepared(checks), (_, command) => holdsCommand(cites, command)) ??
      lineOf(cites, project) ??
      among('criterion', stated, (text) => isPart(said, text)) ??
      among('rule', told, (text) => isPart(said, text)) ??
      among('rule', lines, (text) => isPart(said, text))
    );
  };
}

interface Prepared {
  readonly text: string;
  readonly bare: string;
}

const prepared = (texts: readonly string[]): Prepared[] => texts.map((text) => ({ text, bare: bare(text) }));

const among = (
  is: Ground['is'],
  texts: readonly Prepared[],
  fits: (bare: string, text: string) => boolean,
): Ground | undefined => {
  const found = texts.find((each) => fits(each.bare, each.text));
  return found === undefined ? undefined : { is, text: plainLine(found.text, LINE) };
};

function numbered(said: string, criteria: readonly string[]): Ground | undefined {
  const [, first, second] = CRITERION.exec(said) ?? [];
  const text = criteria[Number(first ?? second ?? 0) - 1];
  return text === undefined ? undefined : { is: 'criterion', text: plainLine(text, LINE) };
}

/** `AGENTS.md:12`, where that line says something. */
function lineOf(cites: string, project: Grounds['project']): Ground | undefined {
  for (const { file, text } of project) {
    const at = cites.indexOf(`${file}:`);
    if (at < 0) continue;
    const number = Number(/^\d{1,6}/.exec(cites.slice(at + file.length + 1))?.[0] ?? 0);
    const line = text.split('\n')[number - 1];
    if (line !== undefined && bare(line) !== '') return { is: 'rule', text: plainLine(line, LINE) };
  }
  return undefined;
}

/** A command within words of its own, and not as a part of a longer word. */
function holdsCommand(cites: string, command: string): boolean {
  const words = plainLine(cites, LINE).replaceAll('`', '');
  const wanted = plainLine(command, LINE).replaceAll('`', '');
  if (wanted === '') return false;
  for (let at = words.indexOf(wanted); at >= 0; at = words.indexOf(wanted, at + 1)) {
    const around = (words[at - 1] ?? ' ') + (words[at + wanted.length] ?? ' ');
    if (!/[\w-]/.test(around)) return true;
  }
  return false;
}

const isPart = (said: string, text: string): boolean =>
  text !== '' &&
  (said === text ||
    (said.length >= LEAST_PART && text.includes(said)) ||
    (text.length >= LEAST_PART && said.includes(text)));

const bare = (text: string): string =>
  plainLine(text, LINE)
    .replace(/^[-*+>#]+ +(?:\[[ xX]\] +)?/, '')
    .replace(/[`*_"'“”‘’]/g, '')
    .replace(/[.;:,]+$/, '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();
