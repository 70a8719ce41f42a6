import { styleText } from 'node:util';

/** Colours, where they were asked for; otherwise the text as it is. */
export type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

/** The caller decides (`--color`, `NO_COLOR`, what stdout is); Node's own guess is kept out of it. */
export const painter =
  (color: boolean): Paint =>
  (style, text) =>
    color ? styleText(style, text, { validateStream: false }) : text;

/** Whole escape sequences first: of an OSC with its end all goes, of one without only its introducer. */
const ESCAPES =
  /\u001b[\]PX^_][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]?/g;
const LINE_BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
/** Controls, and the marks that make text read in another order than it has. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text from anywhere as one harmless line: no escape sequence, no control character, no line break. */
export const oneLine = (text: string): string =>
  text.replace(ESCAPES, '').replace(LINE_BREAKS, ' ').replace(CONTROLS, '').trim();

let segmenter: Intl.Segmenter | undefined;
const clustersOf = (text: string): Intl.Segments => {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return segmenter.segment(text);
};
/** Each character takes a column. */
const isPlain = (text: string): boolean => !/[^\u0020-\u007e]/.test(text);

/** Zero columns: marks on the character before, and what has no shape. */
const SHAPELESS = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u;
/** Two columns by Unicode's East Asian Width (W and F) and its emoji. */
const WIDE =
  /^(?:[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Regional_Indicator}|\p{Emoji}\ufe0f)/u;

/** Marks that take a column of their own behind what they belong to. */
const SPACING = /[\p{Mc}\uff9e\uff9f]/gu;

function widthOf(cluster: string): number {
  if (SHAPELESS.test(cluster)) return 0;
  if (WIDE.test(cluster)) return 2;
  return 1 + (cluster.slice(1).match(SPACING)?.length ?? 0);
}

/** Columns that a harmless line takes in a terminal. */
export function textWidth(text: string): number {
  if (isPlain(text)) return text.length;
  let width = 0;
  for (const { segment } of clustersOf(text)) width += widthOf(segment);
  return width;
}

export const padTo = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - textWidth(text)));

/** At most `width` columns, the last of them `…` where something was cut. */
export function cutTo(text: string, width: number): string {
  // Each cluster takes a column or none; the cheap test spares most texts the walk.
  if (text.length <= width && isPlain(text)) return text;
  let kept = '';
  let used = 0;
  let beforeLast = '';
  for (const { segment } of clustersOf(text)) {
    used += widthOf(segment);
    if (used > width) return `${beforeLast}…`;
    kept += segment;
    if (used < width) beforeLast = kept;
  }
  return text;
}

/**
 * Rows of cells as lines of aligned columns; a column in which nothing stands takes no room. `paint` gets
 * padded cells.
 */
export function table(
  rows: readonly (readonly string[])[],
  paint: (cell: string, column: number, row: number) => string = (cell) => cell,
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, textWidth(cell));
    }
  }
  return rows.map((row, number) =>
    row
      .flatMap((cell, column) => {
        const width = widths[column] ?? 0;
        if (width === 0) return [];
        return [paint(column === row.length - 1 ? cell : padTo(cell, width), column, number)];
      })
      .join('  ')
      .trimEnd(),
  );
}
