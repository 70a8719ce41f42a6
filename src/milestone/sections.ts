/** What a milestone's classic sections say. */
import type { Diagnostic } from '../model/diagnostic.js';
import { parseDuration } from '../model/duration.js';
import type { MilestoneId, Recipe, Task } from '../model/milestone.js';
import { shown } from '../model/shown.js';
import type { Markdown, Section } from './markdown.js';
import { parseId } from './name.js';

/** What the body says, as far as it says it. Lines are 1-based, in the file. */
export interface Stated {
  readonly title?: string;
  readonly description: string;
  readonly entryRequirements: string;
  readonly tasks: readonly Task[];
  readonly criteria: readonly string[];
  /** Undefined: it says nothing that is understood; empty: it says that there are none. */
  readonly dependsOn?: readonly MilestoneId[];
  readonly dependsOnLine?: number;
  readonly estimateMinutes?: number;
  readonly estimateLine?: number;
  readonly recipe: Recipe;
}

const RECIPES = [
  ['implement', 'recipe'],
  ['review', 'review'],
  ['remediate', 'remediation'],
  ['resolve', 'resolve'],
] as const;

const NONE = /^(?:none|no|nothing|n\/a|not applicable|-|–|—)(?![\w/])/i;

/** `bodyOffset`: lines of the file before the body. */
export function readSections(
  file: string,
  id: MilestoneId,
  markdown: Markdown,
  bodyOffset: number,
): { stated: Stated; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const lineOf = (line: number): number => line + 1 + bodyOffset;
  const named = (...names: string[]): Section[] =>
    markdown.sections.filter(({ name }) => names.includes(name));
  const textOf = (name: string): string =>
    named(name)
      .map(({ text }) => text)
      .filter((text) => text !== '')
      .join('\n\n');
  const tell = (line: number, rest: Omit<Diagnostic, 'file' | 'line'>): void => {
    diagnostics.push({ ...rest, file, line: lineOf(line) });
  };

  let title: string | undefined;
  if (markdown.heading) {
    const heading = readHeading(markdown.heading.text, id);
    title = heading.title;
    // A file whose own name says nothing is told of that, not of this.
    if (id !== '' && heading.says !== undefined && heading.says !== id) {
      tell(markdown.heading.line, {
        severity: 'warning',
        code: 'disagreement',
        message: 'the heading names another milestone than the file',
        expected: id,
        found: heading.says,
      });
    }
  }

  const tasks = named('tasks')
    .flatMap(({ items }) => items)
    .filter(({ text }) => text !== '')
    .map(({ text, line }) => ({ text, line: lineOf(line) }));

  const criteria = named('exit criteria', 'acceptance criteria')
    .flatMap(({ items, paragraphs }) => (items.length > 0 ? items : paragraphs))
    .map(({ text }) => text.replace(/\s+/g, ' '))
    .filter((text) => text !== '' && !NONE.test(text));

  const needs = named('dependencies').flatMap(({ items, paragraphs }) => [
    ...items.map((item) => ({ ...item, listed: true })),
    ...paragraphs.map((item) => ({ ...item, listed: false })),
  ]);
  let dependsOn: MilestoneId[] | undefined;
  let dependsOnLine: number | undefined;
  for (const { text, line, listed } of needs) {
    const ids = leadingIds(text, listed);
    if (ids.length > 0) {
      dependsOn = [...(dependsOn ?? []), ...ids];
      dependsOnLine ??= lineOf(line);
    } else if (NONE.test(text)) {
      dependsOn ??= [];
      dependsOnLine ??= lineOf(line);
    } else if (text !== '') {
      tell(line, {
        severity: 'warning',
        code: 'dependency-text',
        message: 'this names no milestone, so nothing waits for it',
        expected: 'a list item led by an id, such as `- 1A`, or `None`',
        found: shown(text),
      });
    }
  }

  let estimateMinutes: number | undefined;
  let estimateLine: number | undefined;
  for (const { text, textLine: line } of named('estimated time')) {
    if (estimateMinutes !== undefined || text === '') continue;
    const ms = firstDuration(text);
    if (ms !== undefined) {
      estimateMinutes = ms / 60_000;
      estimateLine = lineOf(line);
    } else if (!NONE.test(text)) {
      tell(line, {
        severity: 'note',
        code: 'estimate-text',
        message: 'this estimate is not understood, so the usual one is taken',
        expected: 'a duration with its unit, such as `45m` or `2 hours`',
        found: shown(text),
      });
    }
  }

  const recipe: { -readonly [P in keyof Recipe]: Recipe[P] } = {};
  for (const [purpose, name] of RECIPES) {
    const blocks = named(name)
      .flatMap(({ code }) => code)
      .filter(({ language }) => language === 'sh' || language === 'bash');
    for (const { line } of blocks.filter(({ closed }) => !closed)) {
      tell(line, {
        severity: 'error',
        code: 'unclosed-block',
        message: 'this code block is not closed, so the rest of the file would be run',
        expected: 'a closing fence behind the last command',
      });
    }
    const script = blocks.map(({ content }) => content.replace(/\n$/, '')).join('\n');
    if (script.trim() !== '') recipe[purpose] = script;
    else if (purpose === 'implement') {
      for (const { line } of named(name)) {
        tell(line, {
          severity: 'warning',
          code: 'empty-recipe',
          message: 'this recipe has nothing to run',
          expected: 'a fenced block that opens with ```sh',
        });
      }
    }
  }

  const stated: Stated = {
    ...(title !== undefined && title !== '' && { title }),
    description: textOf('description'),
    entryRequirements: textOf('entry requirements'),
    tasks,
    criteria,
    ...(dependsOn && { dependsOn: [...new Set(dependsOn)] }),
    ...(dependsOnLine !== undefined && { dependsOnLine }),
    ...(estimateMinutes !== undefined && { estimateMinutes }),
    ...(estimateLine !== undefined && { estimateLine }),
    recipe,
  };
  return { stated, diagnostics };
}

/** `Milestone 1B - Orders API`, `1B: Orders API` → the title, and the id that was before it. */
function readHeading(text: string, id: MilestoneId): { title: string; says?: MilestoneId } {
  const match = /^(milestone\s+)?(\d{1,3}[A-Z]{1,2})(?:\s*[-–—:.]\s*|\s+|$)(.*)$/i.exec(text);
  const [, milestone, word = '', title = ''] = match ?? [];
  const says = parseId(word.toUpperCase())?.id;
  // `3D: the engine` in 1B.md is a title; `Milestone 3D - the engine` is a slip.
  if (says === undefined || (milestone === undefined && says !== id)) return { title: text };
  return { title, says };
}

const MARKS = /[*_`[\]~]/g;

/**
 * `1A`, `Milestone 1A - Setup`, `**1A**, 1B and 1C (the API)` → the ids that lead a text. A paragraph
 * must consist of them. A range (`1A-1C`) is none, rather than being half understood.
 */
function leadingIds(text: string, listed: boolean): MilestoneId[] {
  const ids: MilestoneId[] = [];
  let rest = text.replace(MARKS, '').trim();
  for (;;) {
    const [whole, word = ''] = /^(?:milestones?\s+)?(\d{1,3}[A-Z]{1,2})(?![A-Za-z0-9_])/i.exec(rest) ?? [];
    const id = parseId(word)?.id;
    if (whole === undefined || id === undefined) break;
    ids.push(id);
    rest = rest.slice(whole.length);
    const next = /^\s*(?:,|&|\+|\/|and\b|,\s*and\b)\s*(?=(?:milestones?\s+)?\d)/i.exec(rest)?.[0];
    if (next === undefined) break;
    rest = rest.slice(next.length);
  }
  if (/^\s*(?:-|–|—|\.\.+|to\b|through\b)\s*\d{1,3}[A-Z]{1,2}(?![A-Za-z0-9_])/.test(rest)) return [];
  return listed || /^\s*[.;]?\s*$/.test(rest) ? ids : [];
}

/** The first duration in a text's first lines: `**About 2-3 hours** (with tests)` → 3 hours in ms. */
function firstDuration(text: string): number | undefined {
  const words = text
    .slice(0, 400)
    .replace(MARKS, '')
    .replace(/[(),;:]/g, ' $& ')
    .split(/\s+/)
    .slice(0, 40);
  for (let start = 0; start < words.length; start++) {
    for (let end = Math.min(words.length, start + 8); end > start; end--) {
      const ms = parseDuration(words.slice(start, end).join(' ').replace(/[.]$/, ''));
      if (ms !== undefined) return ms;
    }
  }
  return undefined;
}
