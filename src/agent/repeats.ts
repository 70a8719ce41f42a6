/**
 * Whether an agent goes round in circles: the same call of a tool, or the same two or three in turn, over and
 * over. It is read off the CLI's own events while the agent runs, never off prose or what a tool printed.
 *
 * What a call is, each kind's own file says. An answer that differs makes the same call no other one: whoever
 * asks twenty times whether it is done by now should wait for the end instead.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { Repeated, UsageWindow } from '../model/outcome.js';
import { plainly, type Redactor } from '../model/redact.js';
import { brief, type Cli, eventsIn, objectOf, type ToolCall, textOf } from './cli.js';

/** Calls in a cycle, at most. */
const LONGEST_CYCLE = 3;
/** Bytes that are read at one look, and of one line; longer ones are passed over. */
const MOST_AT_ONCE = 4 * 1024 * 1024;
const LONGEST_LINE = 1024 * 1024;
const NEWLINE = 10;

/** Counts how often the last calls have been the same. */
export class Cycles {
  private readonly bound: number;
  private readonly last: { readonly key: string; readonly words: string }[] = [];
  /** By length of the cycle: how many calls in a row were those of one cycle before. */
  private readonly same: number[] = [];

  /** `bound`: how often a cycle may be gone through; at least 2. */
  constructor(bound: number) {
    this.bound = bound;
  }

  /** The circle that this call closes for the last time, if it does. */
  add(call: ToolCall): Repeated | undefined {
    const key = createHash('sha256').update(`${call.tool}\n${call.input}`).digest('hex');
    for (let length = 1; length <= LONGEST_CYCLE; length += 1) {
      const before = this.last[length - 1];
      this.same[length] = before?.key === key ? (this.same[length] ?? 0) + 1 : 0;
    }
    this.last.unshift({ key, words: wordsOf(call) });
    this.last.splice(LONGEST_CYCLE);
    for (let length = 1; length <= LONGEST_CYCLE; length += 1) {
      if ((this.same[length] ?? 0) < length * (this.bound - 1)) continue;
      const cycle = this.last.slice(0, length).reverse();
      return { call: cycle.map(({ words }) => words).join(' / '), times: this.bound };
    }
    return undefined;
  }
}

/** `Bash npm test`: the tool, and what says most of its input. */
function wordsOf({ tool, input }: ToolCall): string {
  const words = brief(`${tool} ${telling(input)}`);
  return words.length > 120 ? `${words.slice(0, 119)}…` : words;
}

function telling(input: string): string {
  try {
    const fields = objectOf(JSON.parse(input));
    const names = ['command', 'cmd', 'file_path', 'filePath', 'path', 'pattern', 'query', 'url'];
    return names.map((name) => textOf(fields?.[name])).find((text) => text !== undefined) ?? input;
  } catch (error) {
    if (error instanceof SyntaxError) return input;
    throw error;
  }
}

/**
 * Looks at what has come to a log since the last look, from byte `from` on; returns the circle once there is
 * one, none being looked for where `bound` is false. Only lines that hold the CLI's marks are decoded: of a call,
 * and of what it tells of its subscription.
 */
export function watchCalls<F>(
  file: string,
  cli: Pick<Cli<F>, 'calls' | 'usage'>,
  {
    from,
    bound,
    redact = plainly,
    onUsage,
  }: {
    readonly from: number;
    readonly bound: number | false;
    readonly redact?: Redactor;
    readonly onUsage?: (windows: readonly UsageWindow[]) => void;
  },
): () => Repeated | undefined {
  const cycles = bound === false ? undefined : new Cycles(bound);
  const mark = Buffer.from(cli.calls.mark);
  const callsIn = cli.calls.reader();
  let position = from;
  let begun: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length > LONGEST_LINE) begun = [];
    else if (part.length > 0) begun.push(part);
  };
  const finish = (): Repeated | undefined => {
    const line = length > LONGEST_LINE ? undefined : Buffer.concat(begun);
    begun = [];
    length = 0;
    if (line === undefined) return undefined;
    const told = onUsage !== undefined && cli.usage !== undefined && line.includes(cli.usage.mark);
    if (!told && (cycles === undefined || !line.includes(mark))) return undefined;
    for (const event of eventsIn(redact(line.toString('utf8')))) {
      const windows = told ? (cli.usage?.windowsIn(event) ?? []) : [];
      if (windows.length > 0) onUsage?.(windows);
      for (const call of callsIn(event)) {
        const found = cycles?.add(call);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  return () => {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size <= position) return undefined;
    const fd = openSync(file, 'r');
    try {
      const block = Buffer.alloc(Math.min(size - position, MOST_AT_ONCE));
      const bytes = block.subarray(0, readSync(fd, block, 0, block.length, position));
      position += bytes.length;
      let begin = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, begin)) {
        take(bytes.subarray(begin, end));
        begin = end + 1;
        const found = finish();
        if (found !== undefined) return found;
      }
      take(bytes.subarray(begin));
      return undefined;
    } finally {
      closeSync(fd);
    }
  };
}
