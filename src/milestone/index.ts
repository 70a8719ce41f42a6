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
import { shown } from '../model/shown.js';
import { milestoneDigests } from './digest.js';
import { readFrontMatter } from './front-matter.js';
import { readKeys } from './keys.js';
import { readMarkdown } from './markdown.js';
import { baseName, claimedId, parseName } from './name.js';
import { readSections } from './sections.js';

const LARGEST_KB = 256;

/** Where milestones are read from. Paths are relative to the repository's root, with forward slashes. */
export interface MilestoneReader {
  /** What is in the milestones' folder itself, not below it. Sizes in bytes. */
  list(): Promise<readonly MilestoneEntry[]>;
  read(path: string): Promise<Uint8Array>;
}

export interface MilestoneEntry {
  readonly path: string;
  readonly kind: 'file' | 'symlink' | 'directory' | 'other';
  readonly size: number;
}

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
    ...milestoneDigests({ body, dependsOn, checks, requires }, markdown),
  };
  return { milestone, diagnostics };
}

/**
 * Reads all milestones of a folder, by stage and then by letters (`Z` before `AA`), and says everything
 * that is wrong with any of them. What does not begin with a digit is no milestone; folders and files
 * that are not markdown are passed over in silence.
 */
export async function readMilestones(
  reader: MilestoneReader,
): Promise<{ milestones: Milestone[]; diagnostics: Diagnostic[] }> {
  const entries = [...(await reader.list())].sort((a, b) => (a.path < b.path ? -1 : 1));
  const diagnostics: Diagnostic[] = [];
  const milestones: Milestone[] = [];
  const toRead: MilestoneEntry[] = [];
  const claims = new Map<string, string>();
  const doubles = new Set<string>();

  for (const entry of entries) {
    const { path: file, kind, size } = entry;
    const name = baseName(file);
    if (!/\.md$/i.test(name) || (kind === 'directory' && !/^\d/.test(name))) continue;
    if (!/^\d/.test(name)) {
      const message = 'ignored: the names of milestones begin with a number, as in `1A.md`';
      diagnostics.push({ severity: 'note', code: 'ignored', file, message });
      continue;
    }
    const id = claimedId(name);
    const first = id === undefined ? undefined : claims.get(id);
    if (id !== undefined && first === undefined) claims.set(id, file);
    if (first !== undefined) {
      doubles.add(file).add(first);
      diagnostics.push({
        severity: 'error',
        code: 'duplicate-id',
        file,
        message: `${shown(baseName(first))} and ${shown(name)} are both milestone ${id}`,
        fix:
          baseName(first).toLowerCase() === name.toLowerCase()
            ? 'remove one of them: a disk that is blind to case shows only one'
            : 'rename or remove one of them',
      });
    }
    if (kind !== 'file') {
      diagnostics.push({
        severity: 'error',
        code: 'not-a-file',
        file,
        message: 'a milestone must be a plain file',
        found: kind === 'other' ? 'something else' : `a ${kind}`,
      });
    } else if (size > LARGEST_KB * 1024) {
      const parts = parseName(file);
      if ('code' in parts) diagnostics.push(parts);
      diagnostics.push(tooLarge(file, size));
    } else toRead.push(entry);
  }

  // A few at a time: a folder may hold more files than a process may open.
  for (let from = 0; from < toRead.length; from += 32) {
    const batch = toRead.slice(from, from + 32);
    for (const result of await Promise.all(batch.map(({ path }) => readOne(reader, path)))) {
      // To be called as one that is there is no way out.
      diagnostics.push(
        ...result.diagnostics.filter(
          ({ code, file = '' }) => code !== 'milestone-name' || !doubles.has(file),
        ),
      );
      if (result.milestone && !milestones.some(({ id }) => id === result.milestone?.id)) {
        milestones.push(result.milestone);
      }
    }
  }
  milestones.sort(byId);
  diagnostics.sort(byPlace);
  return { milestones, diagnostics };
}

async function readOne(
  reader: MilestoneReader,
  file: string,
): Promise<{ milestone?: Milestone; diagnostics: Diagnostic[] }> {
  let bytes: Uint8Array;
  try {
    bytes = await reader.read(file);
  } catch (error) {
    // Files vanish and rights are missing; what has no such code is a bug and goes on up.
    if (!(error instanceof Error && 'code' in error)) throw error;
    const message = 'the file could not be read';
    const found = shown(error.message, 200);
    return { diagnostics: [{ severity: 'error', code: 'unreadable', file, message, found }] };
  }
  return parseMilestone(file, bytes);
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

const tooLarge = (file: string, size: number): Diagnostic => ({
  severity: 'error',
  code: 'too-large',
  file,
  message: 'the file is too large for a milestone',
  expected: `at most ${LARGEST_KB} KB`,
  found: `${Math.ceil(size / 1024)} KB`,
  fix: 'put long reference material into files of its own and name them in the milestone',
});

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

const byId = (a: Milestone, b: Milestone): number =>
  a.stage - b.stage || a.letters.length - b.letters.length || (a.letters < b.letters ? -1 : 1);

const byPlace = (a: Diagnostic, b: Diagnostic): number => {
  const [left, right] = [a.file ?? '', b.file ?? ''];
  return left === right ? (a.line ?? 0) - (b.line ?? 0) : left < right ? -1 : 1;
};
