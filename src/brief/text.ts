/**
 * Text from agents, on its way into prompts, terminals and journals.
 *
 * Control characters could move a cursor, bidirectional marks could show a reader another order than the
 * bytes have, and a lone surrogate is no text at all.
 */
const UNFIT = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu;
const UNFIT_BUT_LINES = /(?![\n\t])[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu;

const cut = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 1)}…`;

/** One line: unfit characters become spaces, runs of space one, at most `length` UTF-16 units. */
export const plainLine = (text: string, length: number): string =>
  // Cut before and after: the first bounds the work, the second may not split a pair it has cleaned.
  cut(
    cut(text, length * 4)
      .replace(UNFIT, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
    length,
  ).replace(UNFIT, '');

/** Several lines: line ends LF, tabs kept, other unfit characters gone, at most `length` UTF-16 units. */
export const plainText = (text: string, length: number): string =>
  cut(text, length).replace(/\r\n?/g, '\n').replace(UNFIT_BUT_LINES, '').trim();

/** A code fence around text, longer than any run of backticks within, so that nothing in it can close it. */
export function fence(text: string): string {
  let longest = 2;
  for (const run of text.match(/`{3,}/g) ?? []) longest = Math.max(longest, run.length);
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}\n${text.replace(/\n+$/, '')}\n${ticks}`;
}
