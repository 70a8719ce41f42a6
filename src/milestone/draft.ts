/** A milestone that nobody has written yet: its name and its text. */
import type { Diagnostic } from '../model/diagnostic.js';
import type { MilestoneId } from '../model/milestone.js';
import { shown } from '../model/shown.js';
import { parseMilestone } from './index.js';
import { claimedId, type NameParts, parseName } from './name.js';

/** What a draft's recipe does, where recipes are who implements or reviews. */
export interface DraftRecipe {
  readonly implement?: string;
  readonly review?: string;
}

/** The next letters of a stage that no file claims: `1A`, …, `1Z`, `1AA`, …; undefined where all are taken. */
function nextFree(stage: number, taken: ReadonlySet<MilestoneId>): MilestoneId | undefined {
  const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const letters = [...alphabet, ...alphabet.flatMap((first) => alphabet.map((second) => first + second))];
  return letters.map((word) => `${stage}${word}`).find((id) => !taken.has(id));
}

/** The ids that files claim, however their names are written. */
export const takenIds = (names: readonly string[]): Set<MilestoneId> =>
  new Set(names.flatMap((name) => claimedId(name) ?? []));

/** `1B` or `1B-orders-api`: which file that would be; refused where the name is none or is taken. */
export function draftName(
  word: string,
  names: readonly string[],
): { readonly name: string; readonly parts: NameParts } | Diagnostic {
  const taken = takenIds(names);
  const stageOf = Number(/^\d{1,3}/.exec(word)?.[0] ?? 0);
  const free = nextFree(stageOf > 0 ? stageOf : 1, taken);
  const fix = free === undefined ? {} : { fix: `the next that is free: \`mstone new ${free}\`` };
  const parts = parseName(`${word}.md`);
  const expected = 'a stage and one or two capital letters, perhaps a slug: `1A`, `2B-orders-api`';
  // `parseName` looks at the last part of a path alone.
  if (/[\\/]/.test(word)) {
    const message = `${shown(word)}: a milestone is a name and no path`;
    return { severity: 'error', code: 'milestone-name', message, expected, ...fix };
  }
  if ('code' in parts) {
    const { severity, code, message } = parts;
    return { severity, code, message: `${shown(word)}: ${message}`, expected, ...fix };
  }
  if (taken.has(parts.id)) {
    const file = names.find((name) => claimedId(name) === parts.id) ?? '';
    return { severity: 'error', code: 'id-taken', message: `there is ${shown(file)} already`, ...fix };
  }
  return { name: `${word}.md`, parts };
}

/** `orders-api` → `Orders api`; a name without a slug gives nothing. */
export function titleOf(name: string): string | undefined {
  const slug = /^[^-]*-(.+)\.md$/
    .exec(name)?.[1]
    ?.replace(/[-_.]+/g, ' ')
    .trim();
  return slug === undefined || slug === '' ? undefined : `${slug[0]?.toUpperCase()}${slug.slice(1)}`;
}

/** The template filled in. A title that a heading would not give back as it is goes into front matter. */
export function draftText(
  template: string,
  { id, title, recipe }: { readonly id: MilestoneId; readonly title: string; readonly recipe?: DraftRecipe },
): string {
  const words = title.replace(/\s+/g, ' ').trim();
  const body = template.replace(/\{\{(id|title)\}\}/g, (_all, name) => (name === 'id' ? id : words));
  const section = (heading: string, script: string | undefined): string =>
    script === undefined ? '' : `\n## ${heading}\n\n\`\`\`sh\n${script}\n\`\`\`\n`;
  const text = `${body.trimEnd()}\n${section('Recipe', recipe?.implement)}${section('Review', recipe?.review)}`;
  const { milestone } = parseMilestone(`${id}.md`, Buffer.from(text));
  return milestone?.title === words ? text : `---\ntitle: ${JSON.stringify(words)}\n---\n${text}`;
}

/** A milestone that is small and whole, to see the way once: for agents in words, for recipes as a script too. */
export function firstMilestone({
  recipe,
  review,
}: {
  readonly recipe: boolean;
  readonly review: boolean;
}): string {
  const criterion = '`hello.txt` holds one line that greets';
  const verdict = JSON.stringify({
    mstone: 'verdict',
    verdict: 'approve',
    criteria: [{ text: criterion, met: true, evidence: 'grep found it' }],
    findings: [],
  });
  return [
    '# Milestone 1A - Hello',
    '',
    '## Description',
    '',
    'A small first milestone, to see the whole way once: change it, or write yours beside it with `mstone new 1B`.',
    '',
    '## Tasks',
    '',
    '- Write `hello.txt`: one friendly line that greets whoever opens this project',
    '',
    '## Exit Criteria',
    '',
    `- [ ] ${criterion}`,
    ...(recipe ? ['', '## Recipe', '', '```sh', "echo 'hello from milestone 1A' > hello.txt", '```'] : []),
    ...(recipe && review
      ? ['', '## Review', '', '```sh', 'grep -qi hello hello.txt', `echo '${verdict}'`, '```']
      : []),
    '',
  ].join('\n');
}
