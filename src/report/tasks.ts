/**
 * TASKS.md: a view for people, never read back as truth.
 *
 * Between two marker comments, each alone on its line, stands mstone's block; all else is the user's and
 * stays to the byte. The pair is the first end marker that has a begin marker before it, with the last
 * such begin: of two begins in a row the first lost its end, and what lies between may be anybody's.
 */
import { oneLine } from './text.js';

export interface TasksView {
  readonly stages: readonly {
    readonly stage: number;
    readonly milestones: readonly TasksMilestone[];
  }[];
}

export interface TasksMilestone {
  readonly id: string;
  readonly title: string;
  readonly tasks: readonly string[];
  /** `atMs`: epoch ms, shown as a date in UTC. `review` as in the trailer: `approved in 2 rounds`, `off`. */
  readonly landed?: { readonly atMs: number; readonly agent?: string; readonly review?: string };
  /** Set by hand, with the text of this digest. Not both. */
  readonly marked?: { readonly to: 'done' | 'todo'; readonly atMs: number; readonly digest: string };
}

const BEGIN = '<!-- mstone:begin -->';
const END = '<!-- mstone:end -->';
/** A byte-order mark may stand before the first, here read byte by byte. */
const MARKER = /^(?:\u00ef\u00bb\u00bf)?[ \t]*(<!-- mstone:(begin|end) -->)[ \t]*\r?$/gm;

/** A title is shown up to here, a task twice as far. */
const TITLE_LENGTH = 200;

/**
 * The file with mstone's block made new; its bytes need not be UTF-8 outside of that. Without a file there is a
 * heading over the block; without a pair of markers the block comes after the user's text. Line ends are those
 * of the file.
 */
export function renderTasksFile(existing: Uint8Array | undefined, view: TasksView): Buffer {
  // Latin-1 gives every byte a character and back.
  const text = existing === undefined ? undefined : Buffer.from(existing).toString('latin1');
  const { before, block, after } = partsOf(text, view);
  const encoding = existing === undefined ? 'utf8' : 'latin1';
  return Buffer.concat([
    Buffer.from(before, encoding),
    Buffer.from(block, 'utf8'),
    Buffer.from(after, encoding),
  ]);
}

function partsOf(
  existing: string | undefined,
  view: TasksView,
): { readonly before: string; readonly block: string; readonly after: string } {
  if (existing === undefined) return { before: '# Tasks\n\n', block: blockOf(view, '\n'), after: '\n' };
  const pair = findPair(existing);
  // Those of the block where there is one: between the user's text and it a lone CR can look like another.
  const told = pair === undefined ? existing : existing.slice(pair.start);
  const lineEnd = /\r?\n/.exec(told)?.[0] ?? '\n';
  const block = blockOf(view, lineEnd);
  if (pair !== undefined) {
    return { before: existing.slice(0, pair.start), block, after: existing.slice(pair.end) };
  }
  const gap =
    existing === ''
      ? ''
      : /\n\r?\n$/.test(existing)
        ? ''
        : existing.endsWith('\n')
          ? lineEnd
          : lineEnd + lineEnd;
  return { before: existing + gap, block, after: lineEnd };
}

function findPair(text: string): { readonly start: number; readonly end: number } | undefined {
  let start: number | undefined;
  for (const match of text.matchAll(MARKER)) {
    const marker = match[1] ?? '';
    const at = match.index + match[0].indexOf(marker);
    if (match[2] === 'begin') start = at;
    else if (start !== undefined) return { start, end: at + marker.length };
  }
  return undefined;
}

function blockOf(view: TasksView, lineEnd: string): string {
  const lines = [BEGIN];
  for (const { stage, milestones } of view.stages) {
    lines.push('', `## Stage ${stage}`);
    // A blank line between two milestones: git can then revert one landing without the next one's line.
    for (const milestone of milestones) lines.push('', ...milestoneLines(milestone));
  }
  lines.push('', END);
  return lines.join(lineEnd);
}

function milestoneLines({ id, title, tasks, landed, marked }: TasksMilestone): string[] {
  const box = landed !== undefined || marked?.to === 'done' ? '[x]' : '[ ]';
  const how = landed !== undefined ? howLanded(landed) : marked !== undefined ? howMarked(marked) : '';
  return [
    `- ${box} **${inline(id, TITLE_LENGTH)}** ${inline(title, TITLE_LENGTH)}${how}`,
    ...tasks.map((task) => `  - ${box} ${inline(task, 2 * TITLE_LENGTH)}`),
  ];
}

function howLanded({ atMs, agent, review }: NonNullable<TasksMilestone['landed']>): string {
  const by = agent === undefined ? '' : ` by ${inline(agent, TITLE_LENGTH)}`;
  const how =
    review === undefined ? '' : review === 'off' ? ', review off' : `, ${inline(review, TITLE_LENGTH)}`;
  return ` — landed ${new Date(atMs).toISOString().slice(0, 10)}${by}${how}`;
}

/**
 * A mark is seen whatever stood there, also a box that was ticked by hand; and the text is named, so that of
 * two marks on one day each changes the file. No commit is empty.
 */
function howMarked({ to, atMs, digest }: NonNullable<TasksMilestone['marked']>): string {
  const day = new Date(atMs).toISOString().slice(0, 10);
  if (to === 'todo') return ` — set back to todo ${day}`;
  return ` — marked done ${day}, text ${inline(digest.replace(/^v\d+:/, ''), 7)}`;
}

/**
 * Text as part of a Markdown line. What stands behind a checkbox starts no block, so one line is one
 * paragraph; within it emphasis and code are the author's to use. What reaches further is made plain:
 * HTML and comments (among them our own markers), links and images.
 */
function inline(text: string, length: number): string {
  const plain = oneLine(text).replace(/ {2,}/g, ' ');
  const short =
    plain.length > length ? `${plain.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…` : plain;
  const safe = short
    .replace(/&(?=#?\w+;)/g, '&amp;')
    .replace(/<(?=[a-z/!?])/gi, '&lt;')
    .replace(/(\\*)\](?=[([:])/g, (found, slashes: string) =>
      slashes.length % 2 === 1 ? found : `${slashes}\\]`,
    );
  return safe === '' ? '…' : safe;
}
