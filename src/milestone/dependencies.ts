/** What `## Dependencies` says, and what it says in vain. */
import type { MilestoneId } from '../model/milestone.js';
import { shown } from '../model/shown.js';
import { MARKS, type Markdown, NONE, type Remark } from './markdown.js';
import { parseId } from './name.js';

interface Need {
  readonly text: string;
  /** Index of its first line. */
  readonly line: number;
  readonly listed: boolean;
}

/** A heading that was probably meant to be `## Dependencies`. */
const NEARLY = /^(?:\d+\s*[.):-]\s*)?(?:dependency|dependencies|depends on|blocked by)$/;

/**
 * Ids that lead list items count, and paragraphs that consist of ids. An id that is merely mentioned
 * makes nothing wait, and is told with the line to write. `stated`: what front matter says, which counts
 * instead.
 */
export function readDependencies(
  markdown: Markdown,
  own: MilestoneId,
  stated: readonly MilestoneId[] | undefined,
): {
  /** Undefined: it says nothing that is understood; empty: it says that there are none. */
  readonly dependsOn?: readonly MilestoneId[];
  readonly line?: number;
  readonly remarks: readonly Remark[];
} {
  const sections = markdown.sections.filter(({ name }) => name === 'dependencies');
  const named: MilestoneId[] = [];
  let none = false;
  let line: number | undefined;
  const vague: Need[] = [];
  for (const section of sections) {
    const needs = [
      ...section.items.map((item) => ({ ...item, listed: true })),
      ...section.paragraphs.map((item) => ({ ...item, listed: false })),
    ];
    for (const need of needs) {
      const ids = leadingIds(need.text, need.listed);
      if (ids.length > 0) named.push(...ids);
      else if (NONE.test(need.text)) none = true;
      else {
        if (need.text !== '') vague.push(need);
        continue;
      }
      line ??= need.line;
    }
  }

  const dependsOn = named.length > 0 || none ? [...new Set(named)] : undefined;
  const settled = new Set([...(stated ?? []), ...(dependsOn ?? []), own]);
  const stage = parseId(own)?.stage ?? 0;
  const remarks: Remark[] = [];
  const told = new Set<number>();
  const lines = (from: number, to: number): { text: string; at: number }[] =>
    markdown.lines
      .slice(from, to)
      .map((text, index) => ({ text, at: from + index }))
      .filter(({ at }) => !markdown.verbatim.has(at));

  for (const section of sections) {
    for (const { text, at } of lines(section.start, section.end)) {
      const ids = mentioned(text, stage).filter((id) => !settled.has(id));
      if (ids.length === 0) continue;
      told.add(at);
      for (const id of ids) settled.add(id);
      const it = ids.length === 1 ? 'it' : 'them';
      remarks.push({
        // `None (may run beside 1B)` is understood; it is said all the same how it was.
        severity: dependsOn?.length === 0 && stated === undefined ? 'note' : 'warning',
        code: 'dependency-text',
        at,
        message: `${ids.join(', ')} ${ids.length === 1 ? 'is' : 'are'} only mentioned here, so nothing waits for ${it}`,
        expected: 'a list item led by an id, such as `- 1A`',
        found: shown(text.trim()),
        fix: stated
          ? `add ${ids.join(', ')} to \`depends_on\` if this milestone needs ${it}`
          : `write \`- ${ids.join(', ')}\` as a line of its own if this milestone needs ${it}`,
      });
    }
  }
  for (const { text, line: at } of stated ? [] : vague) {
    const height = text.split('\n').length;
    if (lines(at, at + height).some((each) => told.has(each.at) || mentioned(each.text, stage).length > 0))
      continue;
    remarks.push({
      severity: 'warning',
      code: 'dependency-text',
      at,
      message: 'this names no milestone, so nothing waits for it',
      expected: 'a list item led by an id, such as `- 1A`, or `None`',
      found: shown(text),
    });
  }

  const meant = markdown.sections.flatMap(({ name, heading, line: at, end, parts }) => [
    ...(name !== 'dependencies' && NEARLY.test(name) ? [{ heading: `## ${heading}`, at, end }] : []),
    ...parts
      .filter(
        ({ heading: inner }) =>
          name !== 'dependencies' && NEARLY.test(inner.trim().toLowerCase().replace(/:$/, '')),
      )
      .map((part) => ({ heading: `### ${part.heading}`, at: part.line, end: part.end })),
  ]);
  for (const { heading, at, end } of meant) {
    const ids = lines(at + 1, end).flatMap(({ text }) => mentioned(text, stage));
    const missing = [...new Set(ids)].filter((id) => !settled.has(id));
    if (missing.length === 0) continue;
    remarks.push({
      severity: 'warning',
      code: 'dependency-text',
      at,
      message: `this section is not read, so nothing waits for ${missing.join(', ')}`,
      expected: '`## Dependencies`',
      found: shown(heading),
      fix: `write \`## Dependencies\` and below it \`- ${missing.join(', ')}\``,
    });
  }

  return {
    ...(dependsOn && { dependsOn }),
    ...(line !== undefined && { line }),
    remarks,
  };
}

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

const MENTION = /(?<!\w)\d{1,3}[A-Z]{1,2}(?!\w)/g;
const RANGE = /(?<!\w)(\d{1,3})([A-Z])\s*(?:-|–|—|\.\.+|to\b|through\b)\s*(\d{1,3})([A-Z])(?!\w)/g;

/**
 * Ids anywhere in a line. `8GB` in stage 2 is none: nothing can wait for a later stage. `1A-1C` is three,
 * and a line that opens with `1a` names 1A.
 */
function mentioned(line: string, stage: number): MilestoneId[] {
  const text = line.replace(MARKS, '');
  const opening = /^\s*(?:[-+]\s+)?(?:milestones?\s+)?(\d{1,3}[a-z])(?!\w)/i.exec(text)?.[1] ?? '';
  const between = [...text.matchAll(RANGE)].flatMap(([, from, first = '', to, last = '']) => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
    return Number(from) === Number(to)
      ? letters.slice(letters.indexOf(first), letters.indexOf(last) + 1).map((letter) => `${from}${letter}`)
      : [];
  });
  const words = [opening.toUpperCase(), ...between, ...[...text.matchAll(MENTION)].map(([word]) => word)];
  const ids = words.flatMap((word) => parseId(word) ?? []).filter((parts) => parts.stage <= stage);
  return [...new Set(ids.map(({ id }) => id))].sort();
}
