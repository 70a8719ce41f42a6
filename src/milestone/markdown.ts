/*
 * Markdown as far as mstone acts on it: headings, lists, paragraphs and code blocks with their lines.
 * Inline marks are left as they are written, so the inline parser never runs on other people's text.
 */
import MarkdownIt from 'markdown-it';
import type { Diagnostic } from '../model/diagnostic.js';

/** Inline marks that may stand around a word. */
export const MARKS = /[*_`[\]~]/g;

/** A section that says that there is nothing: `None (first milestone)`. */
export const NONE = /^(?:none|no|nothing|n\/a|not applicable|-|–|—)(?![\w/])/i;

/** Something to tell about a line, by its index. */
export type Remark = Omit<Diagnostic, 'file' | 'line'> & { readonly at: number };

interface Item {
  /** Without bullet and checkbox; nested items and further lines stay within. */
  readonly text: string;
  /** Index of its first line. */
  readonly line: number;
}

interface CodeBlock {
  /** The first word behind the opening fence, lower case. */
  readonly language: string;
  readonly content: string;
  readonly line: number;
  readonly closed: boolean;
}

/** A level-3 heading and what is below it, up to the next heading of level 1 to 3. */
export interface Part {
  /** As it is written, without its marks `###`. */
  readonly heading: string;
  /** Line indexes: the heading's, the first behind the part. */
  readonly line: number;
  readonly end: number;
  readonly text: string;
}

/** A level-2 heading and what is below it, up to the next heading of level 1 or 2. */
export interface Section {
  /** Lower case, without emphasis and trailing colon: `exit criteria`. */
  readonly name: string;
  /** As it is written, without its marks `##`. */
  readonly heading: string;
  /** Line indexes: the heading's, the first behind the heading, the first behind the section. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The first line with text, else the heading. */
  readonly textLine: number;
  readonly items: readonly Item[];
  readonly paragraphs: readonly Item[];
  readonly code: readonly CodeBlock[];
  readonly parts: readonly Part[];
}

export interface Markdown {
  readonly lines: readonly string[];
  /** The first heading of level 1. */
  readonly heading?: Item;
  /** What stands below that heading, or at the top where there is none, before any other heading counts. */
  readonly preamble: Item;
  readonly sections: readonly Section[];
  /** Indexes of lines that are code or HTML: what looks like markdown there is none. */
  readonly verbatim: ReadonlySet<number>;
}

const parser = new MarkdownIt({ html: true });
parser.core.ruler.enableOnly(['normalize', 'block']);

/** `text` has LF line ends. Line numbers are indexes into its lines. */
export function readMarkdown(text: string): Markdown {
  const lines = text.split('\n');
  const tokens = parser.parse(text, {});
  const verbatim = new Set<number>();
  const bounds: { line: number; start: number; level: number; heading: string }[] = [];
  const parts: { line: number; start: number; heading: string }[] = [];
  const items: (Item & { end: number })[] = [];
  const paragraphs: Item[] = [];
  const code: CodeBlock[] = [];
  let heading: Item | undefined;

  tokens.forEach((token, index) => {
    const [start, end] = token.map ?? [0, 0];
    const inner = tokens[index + 1]?.content ?? '';
    switch (token.type) {
      case 'fence':
      case 'code_block':
      case 'html_block':
        for (let line = start; line < end; line++) verbatim.add(line);
        if (token.type === 'fence') {
          const language = /^\s*(\S*)/.exec(token.info)?.[1]?.toLowerCase() ?? '';
          const last = lines[end - 1]?.replace(/^[\s>]+/, '').trimEnd() ?? '';
          const closed = end - 1 > start && last.startsWith(token.markup) && !/[^`~]/.test(last);
          code.push({ language, content: token.content, line: start, closed });
        }
        break;
      case 'heading_open':
        if (token.level !== 0) break;
        if (token.tag === 'h1') heading ??= { text: inner, line: start };
        // A line over `---` is a heading to markdown, but rarely to who wrote it.
        if (token.tag === 'h1' || token.markup === '##') {
          bounds.push({
            line: start,
            start: end,
            level: token.tag === 'h1' ? 1 : 2,
            heading: inner,
          });
        } else if (token.markup === '###') parts.push({ line: start, start: end, heading: inner });
        break;
      case 'list_item_open':
        if (token.level === 1) items.push({ ...readItem(lines.slice(start, end)), line: start, end });
        break;
      case 'paragraph_open':
        if (token.level === 0) paragraphs.push({ text: inner, line: start });
        break;
    }
  });

  const textOf = (start: number, end: number): string => lines.slice(start, end).join('\n').trim();
  const firstWritten = (start: number, end: number): number | undefined => {
    const at = lines.slice(start, end).findIndex((text) => text.trim() !== '');
    return at < 0 ? undefined : start + at;
  };
  const itemsOf = inOrder(items);
  const paragraphsOf = inOrder(paragraphs);
  const codeOf = inOrder(code);
  const partsOf = inOrder(parts);
  const sections = bounds.flatMap(({ line, start, level, heading }, index): Section[] => {
    if (level === 1) return [];
    const end = bounds[index + 1]?.line ?? lines.length;
    return [
      {
        name: sectionName(heading),
        heading,
        line,
        start,
        end,
        text: textOf(start, end),
        textLine: firstWritten(start, end) ?? line,
        items: itemsOf(start, end).map(({ text, line }) => ({ text, line })),
        paragraphs: paragraphsOf(start, end),
        code: codeOf(start, end),
        parts: partsOf(start, end).map((part, at, all) => {
          const last = all[at + 1]?.line ?? end;
          return { heading: part.heading, line: part.line, end: last, text: textOf(part.start, last) };
        }),
      },
    ];
  });

  const [first, second] = bounds;
  const [from, to] = first?.level === 1 ? [first.start, second?.line] : [0, first?.line];
  const before = {
    text: textOf(from, to ?? lines.length),
    line: firstWritten(from, to ?? lines.length) ?? from,
  };
  return { lines, ...(heading && { heading }), preamble: before, sections, verbatim };
}

/** Things in the order of their lines → those of a range; asked for ranges in order, each is looked at once. */
function inOrder<T extends { readonly line: number }>(
  things: readonly T[],
): (start: number, end: number) => T[] {
  let next = 0;
  return (start, end) => {
    const from = (): T | undefined => things[next];
    for (let thing = from(); thing && thing.line < start; thing = from()) next += 1;
    const first = next;
    for (let thing = from(); thing && thing.line < end; thing = from()) next += 1;
    return things.slice(first, next);
  };
}

const sectionName = (heading: string): string =>
  heading
    .replace(/[*_`]+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\s*:$/, '')
    .toLowerCase();

/** A list item's lines → its text, further lines moved left as far as the first one's marker reached. */
function readItem(lines: readonly string[]): { text: string } {
  const [first = '', ...rest] = lines;
  const marker = /^\s*(?:[-*+]|\d{1,9}[.)])(?:\s+|$)/.exec(first)?.[0] ?? '';
  const text = [
    first.slice(marker.length).replace(/^\[[ xX]\](?:\s+|$)/, ''),
    ...rest.map((line) => {
      const indent = /^\s*/.exec(line)?.[0].length ?? 0;
      return line.slice(Math.min(indent, marker.length));
    }),
  ];
  return { text: text.join('\n').trim() };
}
