/** How long a milestone says it takes. */
import { parseDuration } from '../model/duration.js';
import { shown } from '../model/shown.js';
import { MARKS, type Markdown, NONE, type Remark } from './markdown.js';

interface Estimate {
  readonly minutes: number;
  /** Index of the line that says so. */
  readonly line: number;
  /** Where that is, for a sentence. */
  readonly source: string;
}

/** `**Estimated Time:** 2 hours`, `- Estimate: 45m` */
const LABELLED =
  /^\s*(?:[-*+]\s+)?[*_]*(?:estimate|estimated (?:time|effort|duration)|time estimate)[*_]*\s*:[*_]*\s*(.+)$/i;

/**
 * `## Estimated Time` counts; where it names a total, that one. Without that section, a line such as
 * `**Estimated Time:** 2 hours` outside of any task does, else those within the tasks together.
 */
export function readEstimate(markdown: Markdown): {
  readonly found?: Estimate;
  readonly remarks: readonly Remark[];
} {
  const remarks: Remark[] = [];
  const sections = markdown.sections.filter(({ name, text }) => name === 'estimated time' && text !== '');
  for (const { text, textLine: line } of sections) {
    const total = /^.{0,40}\btotal\b.*$/im.exec(text.slice(0, 10_000))?.[0];
    const ms = (total === undefined ? undefined : firstDuration(total)) ?? firstDuration(text);
    if (ms !== undefined) {
      return { found: { minutes: ms / 60_000, line, source: '`## Estimated Time`' }, remarks };
    }
    if (NONE.test(text)) continue;
    remarks.push({
      severity: 'note',
      code: 'estimate-text',
      at: line,
      message: 'this estimate is not understood, so the usual one is taken',
      expected: 'a duration with its unit, such as `45m` or `2 hours`',
      found: shown(text),
    });
  }
  if (sections.length > 0) return { remarks };

  const labelled = markdown.lines.flatMap((text, line) => {
    const words = markdown.verbatim.has(line) ? undefined : LABELLED.exec(text.slice(0, 400))?.[1];
    if (words === undefined) return [];
    const ms = firstDuration(words);
    const within = markdown.sections.find((section) => line >= section.start && line < section.end);
    return ms === undefined ? [] : [{ minutes: ms / 60_000, line, within }];
  });
  const outside = labelled.find(
    ({ within }) => !/^(?:tasks?|issues|technical|objectives)\b/.test(within?.name ?? ''),
  );
  const counted = outside ? [outside] : labelled;
  const [first] = counted;
  if (!first) return { remarks };
  const minutes = counted.reduce((sum, each) => sum + each.minutes, 0);
  return { found: { minutes, line: first.line, source: 'the text' }, remarks };
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
