/**
 * Commit messages and the trailers in their last paragraph.
 *
 * A paragraph of trailers is one in which every line is `Name: value`, a continuation of one, or what git
 * adds there by itself. One line of prose makes it prose: a sentence that quotes a trailer proves nothing.
 */

export type Trailer = readonly [name: string, value: string];

const TRAILER = /^([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)$/;
const OURS = /^mstone-[a-z0-9-]*[ \t]*:/i;
const ADDED_BY_GIT = /^\(cherry picked from commit [0-9a-f]+\)$/;
/** Control characters, and what turns the direction of text. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g;

const SUBJECT_MAX = 200;
const VALUE_MAX = 500;
const BODY_MAX = 20_000;

/** A message of ours. No text given can add a trailer, end one early or pass for a revert. */
export function formatMessage(message: {
  readonly subject: string;
  readonly body?: string;
  readonly trailers: readonly Trailer[];
}): string {
  const parts = [oneLine(message.subject, SUBJECT_MAX) || '(no subject)'];
  const body = (message.body ?? '')
    .slice(0, BODY_MAX)
    .split(/\r\n|\r|\n/)
    .map((line) => line.replaceAll('\t', '  ').replace(CONTROLS, '').trimEnd())
    // A space in front, and it is no longer what history is searched for.
    .map((line) => (OURS.test(line) || /^This reverts commit/.test(line) ? ` ${line}` : line))
    .join('\n')
    .replace(/^\n+|\n+$/g, '');
  if (body !== '') parts.push(body);
  if (message.trailers.length > 0) {
    parts.push(message.trailers.map(([name, value]) => `${name}: ${oneLine(value, VALUE_MAX)}`).join('\n'));
  }
  return `${parts.join('\n\n')}\n`;
}

/** The trailers of the last paragraph, in order; none if that paragraph is prose or the subject. */
export function readTrailers(message: string): readonly Trailer[] {
  const { before, last } = splitLast(message);
  if (before.length === 0) return [];
  const trailers: [string, string][] = [];
  for (const line of last) {
    const match = TRAILER.exec(line);
    const previous = trailers.at(-1);
    if (match?.[1] !== undefined) trailers.push([match[1], (match[2] ?? '').trim()]);
    else if (/^[ \t]/.test(line) && previous !== undefined) previous[1] = `${previous[1]} ${line.trim()}`;
    else if (!ADDED_BY_GIT.test(line)) return [];
  }
  return trailers;
}

/**
 * The message without `Mstone-…` lines in its last paragraph. Where nothing else stood there, the
 * paragraph before is the last one now, so it is gone through as well.
 */
export function stripTrailers(message: string): string {
  let { before, last } = splitLast(message);
  for (;;) {
    const kept: string[] = [];
    let dropping = false;
    for (const line of last) {
      dropping = OURS.test(line) || (dropping && /^[ \t]/.test(line));
      if (!dropping) kept.push(line);
    }
    if (kept.length > 0 || before.length === 0) {
      const lines = [...before, ...kept];
      while (lines.at(-1)?.trim() === '') lines.pop();
      return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
    }
    ({ before, last } = splitLast(before.join('\n')));
  }
}

/** Splits before the last paragraph. `before` keeps its lines, the blank ones included. */
function splitLast(message: string): { before: string[]; last: string[] } {
  const lines = message.split(/\r?\n/);
  while (lines.length > 0 && lines.at(-1)?.trim() === '') lines.pop();
  while (lines.length > 0 && lines[0]?.trim() === '') lines.shift();
  let start = lines.length;
  while (start > 0 && lines[start - 1]?.trim() !== '') start -= 1;
  return { before: lines.slice(0, start), last: lines.slice(start) };
}

function oneLine(text: string, max: number): string {
  const line = text.replace(CONTROLS, ' ').replace(/ {2,}/g, ' ').trim();
  return line.length > max ? `${line.slice(0, max - 1).trimEnd()}…` : line;
}
