/** What a milestone's sections say, classic or free. */
import type { Diagnostic } from '../model/diagnostic.js';
import type { MilestoneId, Recipe, Task } from '../model/milestone.js';
import { readDependencies } from './dependencies.js';
import { readEstimate } from './estimate.js';
import { type Markdown, NONE, type Section } from './markdown.js';
import { parseId } from './name.js';
import { readTasks } from './tasks.js';

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
  /** Where the estimate stands, for a sentence. */
  readonly estimateSource?: string;
  readonly recipe: Recipe;
}

const RECIPES = [
  ['implement', 'recipe'],
  ['review', 'review'],
  ['remediate', 'remediation'],
  ['resolve', 'resolve'],
] as const;

const ENTRY = ['entry requirements', 'entry criteria', 'prerequisites'];
const CRITERIA = ['exit criteria', 'acceptance criteria', 'success criteria', 'definition of done'];

/** Names of sections that mean something; those of tasks are in `tasks.ts`. */
const KNOWN: ReadonlySet<string> = new Set([
  'description',
  'overview',
  ...ENTRY,
  'tasks',
  ...CRITERIA,
  'dependencies',
  'estimated time',
  ...RECIPES.map(([, name]) => name),
]);

/**
 * `bodyOffset`: lines of the file before the body. `depends`: what front matter says of dependencies,
 * so that prose about those is not held against the file.
 */
export function readSections(
  file: string,
  id: MilestoneId,
  markdown: Markdown,
  bodyOffset: number,
  depends?: readonly MilestoneId[],
): { stated: Stated; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const lineOf = (line: number): number => line + 1 + bodyOffset;
  const named = (...names: string[]): Section[] =>
    markdown.sections.filter(({ name }) => names.includes(name));
  const textOf = (...names: string[]): string =>
    named(...names)
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

  const tasks = readTasks(markdown, KNOWN).map((task) => ({ ...task, line: lineOf(task.line) }));

  const criteria = named(...CRITERIA)
    .flatMap(({ items, paragraphs }) => (items.length > 0 ? items : paragraphs))
    .map(({ text }) => text.replace(/\s+/g, ' '))
    .filter((text) => text !== '' && !NONE.test(text));

  const needs = readDependencies(markdown, id, depends);
  const estimate = readEstimate(markdown);
  for (const { at, ...rest } of [...needs.remarks, ...estimate.remarks]) tell(at, rest);

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
    // Without a section at all the text is the task.
    description:
      textOf('description') ||
      textOf('overview') ||
      (markdown.sections.length > 0 ? markdown.preamble.text : ''),
    entryRequirements: textOf(...ENTRY),
    tasks,
    criteria,
    ...(needs.dependsOn && { dependsOn: needs.dependsOn }),
    ...(needs.line !== undefined && { dependsOnLine: lineOf(needs.line) }),
    ...(estimate.found && {
      estimateMinutes: estimate.found.minutes,
      estimateLine: lineOf(estimate.found.line),
      estimateSource: estimate.found.source,
    }),
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
