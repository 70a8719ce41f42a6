/*
 * Milestone files: names, front matter, sections and version. Bytes go in, a `Milestone` and what is
 * wrong with it come out, all problems of all files at once.
 *
 * This room does not know where files come from (a checkout, a commit: a reader is passed in), which
 * milestones exist beside the one it reads, what has landed, or what anybody does with a milestone.
 */

import type { Diagnostic } from '../model/diagnostic.js';
import { hasErrors } from '../model/diagnostic.js';
import type { MessageCode } from '../model/messages.js';
import type { Milestone } from '../model/milestone.js';
import { milestoneDigests } from './digest.js';
import { readFrontMatter } from './front-matter.js';
import { readKeys } from './keys.js';
import { readMarkdown } from './markdown.js';
import { parseName } from './name.js';
import { byPlace, LARGEST_KB, tooLarge } from './place.js';
import { readSections } from './sections.js';

/** Reads one milestone. Without an error among the diagnostics there is a milestone, else there is none. */
export function parseMilestone(
  file: string,
  bytes: Uint8Array,
): { milestone?: Milestone; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const error = (code: MessageCode, message: string, rest: Partial<Diagnostic> = {}): void => {
    diagnostics.push({ severity: 'error', code, file, message, ...rest });
  };

  const name = parseName(file);
  if ('code' in name) diagnostics.push(name);
  if (bytes.length > LARGEST_KB * 1024) {
    diagnostics.push(tooLarge(file, bytes.length));
    return { diagnostics };
  }
  const text = decode(bytes);
  if (text === undefined) {
    error('not-text', 'this is not a text file', { expected: 'markdown in UTF-8' });
    return { diagnostics };
  }
  if (text.trim() === '') {
    error('empty-file', 'the file is empty', { expected: 'a heading and what is to be done' });
    return { diagnostics };
  }
  const front = readFrontMatter(text);
  if (!front.ok) {
    for (const { message, ...rest } of front.error) error('front-matter', message, rest);
    return { diagnostics };
  }

  const { body, bodyOffset, lineOf } = front.value;
  const { keys, diagnostics: aboutKeys } = readKeys(file, front.value);
  const markdown = readMarkdown(body);
  const id = 'id' in name ? name.id : '';
  const { stated, diagnostics: aboutSections } = readSections(file, id, markdown, bodyOffset, keys.dependsOn);
  diagnostics.push(...aboutKeys, ...aboutSections);
  const warn = (line: number | undefined, message: string, rest: Partial<Diagnostic>): void => {
    const place = line === undefined ? {} : { line };
    diagnostics.push({ severity: 'warning', code: 'disagreement', file, ...place, message, ...rest });
  };
  if (body.trim() === '')
    warn(bodyOffset, 'there is nothing behind the front matter', { code: 'empty-body' });
  if (keys.dependsOn && stated.dependsOn && !sameSet(keys.dependsOn, stated.dependsOn)) {
    warn(stated.dependsOnLine, '`## Dependencies` says otherwise than `depends_on`, which counts', {
      expected: keys.dependsOn.join(', ') || 'none',
      found: stated.dependsOn.join(', ') || 'none',
    });
  }
  if (
    keys.estimateMinutes !== undefined &&
    stated.estimateMinutes !== undefined &&
    keys.estimateMinutes !== stated.estimateMinutes
  ) {
    warn(stated.estimateLine, `${stated.estimateSource} says otherwise than \`estimate\`, which counts`, {
      expected: `${keys.estimateMinutes} minutes`,
      found: `${stated.estimateMinutes} minutes`,
    });
  }
  diagnostics.sort(byPlace);
  if ('code' in name || hasErrors(diagnostics)) return { diagnostics };

  const {
    title,
    dependsOn = stated.dependsOn ?? [],
    checks = [],
    requires = [],
    estimateMinutes,
    ...rest
  } = keys;
  const dependsOnLine = keys.dependsOn ? lineOf(['depends_on']) : stated.dependsOnLine;
  const estimate = estimateMinutes ?? stated.estimateMinutes;
  const milestone: Milestone = {
    ...name,
    file,
    title: cleanTitle(title ?? stated.title ?? '') || name.id,
    body,
    description: stated.description,
    entryRequirements: stated.entryRequirements,
    tasks: stated.tasks,
    criteria: stated.criteria,
    dependsOn,
    ...(dependsOn.length > 0 && dependsOnLine !== undefined && { dependsOnLine }),
    ...(estimate !== undefined && { estimateMinutes: estimate }),
    checks,
    requires,
    env: {},
    priority: 0,
    enabled: true,
    ...rest,
    recipe: stated.recipe,
    ...milestoneDigests(
      { body, dependsOn, checks, requires, paths: keys.paths ?? [], ...(keys.role && { role: keys.role }) },
      markdown,
    ),
  };
  return { milestone, diagnostics };
}

/** UTF-8 without a byte-order mark, line ends LF; undefined for what is not text. */
function decode(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r\n?/g, '\n');
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** One line, nothing in it that moves a cursor: it becomes a commit's subject and a line on screen. */
const cleanTitle = (title: string): string =>
  [...title.slice(0, 1000)]
    .slice(0, 200)
    .join('')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  [...new Set(a)].sort().join() === [...new Set(b)].sort().join();
