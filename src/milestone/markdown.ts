/*
 * Markdown as far as mstone acts on it: headings, lists, paragraphs and code blocks with their lines.
 * Inline marks are left as they are written, so the inline parser never runs on other people's text.
 */
import MarkdownIt from 'markdown-it';

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

/** A level-2 heading and what is below it, up to the next heading of level 1 or 2. */
export interface Section {
  /** Lower case, without emphasis and trailing colon: `exit criteria`. */
  readonly name: string;
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
}

export interface Markdown {
  readonly lines: readonly string[];
  /** The first heading of level 1. */
  readonly heading?: Item;
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
  const bounds: { line: number; start: number; level: number; name: string }[] = [];
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
            name: sectionName(inner),
          });
        }
        break;
      case 'list_item_open':
        if (token.level === 1) items.push({ ...readItem(lines.slice(start, end)), line: start, end });
        break;
      case 'paragraph_open':
        if (token.level === 0) paragraphs.push({ text: inner, line: start });
        break;
    }
  });

  const sections = bounds.flatMap(({ line, start, level, name }, index): Section[] => {
    if (level === 1) return [];
    const end = bounds[index + 1]?.line ?? lines.length;
    const written = lines.findIndex((text, at) => at >= start && at < end && text.trim() !== '');
    const within = <T extends { line: number }>(things: readonly T[]): T[] =>
      things.filter((thing) => thing.line >= start && thing.line < end);
    return [
      {
        name,
        line,
        start,
        end,
        text: lines.slice(start, end).join('\n').trim(),
        textLine: written < 0 ? line : written,
        items: within(items).map(({ text, line }) => ({ text, line })),
        paragraphs: within(paragraphs),
        code: within(code),
      },
    ];
  });
  return { lines, ...(heading && { heading }), sections, verbatim };
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
