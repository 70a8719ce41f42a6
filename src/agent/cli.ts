/**
 * What the coding CLIs have in common: they are called with arguments and a prompt, print one JSON object per
 * line, and end. Each kind's own file says how it is called, what its events mean and what its end is worth.
 *
 * The log holds stdout and stderr of a stranger: objects may share a line, be cut in half or hide behind zero
 * bytes. Only whole objects at the start of a line are events; all else is log.
 */
import type { Purpose } from '../model/effect.js';
import type { AgentOutcome, Tokens, UsageWindow } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { SupervisedEnd } from '../process/supervise.js';

export type Event = Readonly<Record<string, unknown>>;

/** What a CLI is asked to do. */
export interface Call {
  readonly purpose: Purpose;
  readonly model?: string;
  /** The conversation to go on with. */
  readonly session?: string;
  /** An id for the conversation to begin: a UUID, the same whenever this assignment is started. */
  readonly newSession: string;
  /** Absolute; files may be placed there. */
  readonly dir: string;
  /** The most that the conversation may have cost in the end, USD, for CLIs that mind it. */
  readonly capUsd?: number;
  /** MCP servers as `.mcp.json` has them: `{"mcpServers": {…}}`. */
  readonly mcp?: Readonly<Record<string, unknown>>;
}

export interface Invocation {
  readonly command: readonly string[];
  /** What this CLI needs to run unattended; the user's own word wins. */
  readonly env: Readonly<Record<string, string>>;
  /** Wins over the user's environment, not over what is configured for the agent. */
  readonly fixed?: Readonly<Record<string, string>>;
  /** Files to place in the assignment's folder first, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Those of them that may hold secrets, and are removed once it has ended. */
  readonly fleeting?: readonly string[];
}

/** How a process ended, with all that its outcome is read off beside its events. */
export interface Ending {
  readonly end: SupervisedEnd;
  readonly purpose: Purpose;
  /** It was to go on with a conversation. */
  readonly resumed: boolean;
  /** Epoch ms of the last byte of output: what clock times are read against. */
  readonly at: number;
  /** The last line of output, as plain text: the only word of a CLI that ends before its first event. */
  readonly lastLine: string;
}

/** What came of a process. */
export interface Told {
  readonly outcome: AgentOutcome;
  readonly costUsd: number;
  readonly session?: string;
  readonly version?: string;
  readonly tokens?: Tokens;
  /** Windows of the subscription that it was paid with, and whether that paid. */
  readonly windows?: readonly UsageWindow[];
  readonly subscription?: true;
  /** It knows its conversations in the folder alone in which they began. */
  readonly stays?: true;
  /** The model that it says it used. */
  readonly model?: string;
  /** A reviewer's answer, not judged yet. */
  readonly verdict?: unknown;
  /** The conversation to go on with is not known: begin a new one. */
  readonly lost?: true;
}

/** One call of a tool, as the CLI's own events tell it. */
export interface ToolCall {
  readonly tool: string;
  /** All that it was called with, as one text: the same for the same. */
  readonly input: string;
}

/** Reads calls of tools off events, each once. A reader belongs to one process: some have to remember. */
export interface Calls {
  /** What every line with a call holds. */
  readonly mark: string;
  readonly reader: () => (event: Event) => readonly ToolCall[];
}

/** One kind of CLI. `F` is what its events come to. */
export interface Cli<F> {
  /** What every line worth parsing holds. */
  readonly mark: string;
  readonly nothing: F;
  readonly hear: (facts: F, event: Event) => F;
  readonly outcomeOf: (facts: F, ending: Ending) => Told;
  readonly calls: Calls;
  /** What it tells of its subscription while it works: what such a line holds, and what it says. */
  readonly usage?: { readonly mark: string; readonly windowsIn: (event: Event) => readonly UsageWindow[] };
  /** It counts tokens and never names what they cost. */
  readonly namesNoCost?: true;
}

/** All events of some lines of output, folded. */
export function readEvents<F>(cli: Cli<F>, lines: Iterable<string>): F {
  let facts = cli.nothing;
  for (const line of lines) {
    for (const event of eventsIn(line)) facts = cli.hear(facts, event);
  }
  return facts;
}

/** The JSON objects that a line is made of, from its start up to where it is none any more. */
export function eventsIn(line: string): Event[] {
  const text = line.replace(/^[\s\0\ufeff]+|[\s\0]+$/g, '');
  if (!text.startsWith('{')) return [];
  const whole = parsed(text);
  if (whole !== undefined) return [whole];
  const events: Event[] = [];
  for (let begin = 0; begin < text.length; ) {
    const end = endOfObject(text, begin);
    const event = end === undefined ? undefined : parsed(text.slice(begin, end));
    if (end === undefined || event === undefined) break;
    events.push(event);
    begin = end;
    while (begin < text.length && /[\s\0,]/.test(text[begin] ?? '')) begin += 1;
  }
  return events;
}

function parsed(text: string): Event | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The index behind the object that begins at `begin`; undefined where it has no end. */
function endOfObject(text: string, begin: number): number | undefined {
  if (text[begin] !== '{') return undefined;
  let depth = 0;
  let quoted = false;
  for (let index = begin; index < text.length; index += 1) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
  return undefined;
}

export const objectOf = (value: unknown): Event | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Event) : undefined;
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
export const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
/** The value at a path of keys. */
export const at = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>((inner, key) => objectOf(inner)?.[key], value);

/** Whether somebody else than the CLI decided how it ended; then its events have nothing to add. */
export function endedForIt(end: SupervisedEnd): AgentOutcome | undefined {
  switch (end.kind) {
    case 'exited':
    case 'killed':
      return undefined;
    case 'timed-out':
      return { kind: 'timed-out', afterMs: end.afterMs };
    case 'stuck':
      return { kind: 'stuck', silentMs: end.silentMs };
    case 'repeating':
      return { kind: 'stuck', repeated: end.repeated };
    case 'too-much-output':
      return { kind: 'crashed', message: 'it printed more than it may (logs.max), so it was ended' };
    case 'cancelled':
      return { kind: 'cancelled' };
    case 'lost':
      return { kind: 'interrupted', message: end.message };
    case 'not-started':
      // A folder that is not there, no room, no more processes: another try may do.
      return { kind: 'crashed', message: end.message };
    default:
      return unreachable(end);
  }
}

/** A crash, with its exit status or signal in it. */
export function crashed(end: SupervisedEnd, message: string): AgentOutcome {
  if (end.kind === 'exited') return { kind: 'crashed', message, exit: end.code };
  if (end.kind === 'killed') return { kind: 'crashed', message, signal: end.signal };
  return { kind: 'crashed', message };
}

/** Of a program that said nothing of its end: its status, and the last line that it printed. No name: a recipe. */
export function unexplained(
  { end, lastLine }: Pick<Ending, 'end' | 'lastLine'>,
  name: string | undefined,
): AgentOutcome {
  const quoting = (message: string): string => (lastLine === '' ? message : `${message}: ${lastLine}`);
  if (end.kind === 'exited' && (end.code === 126 || end.code === 127)) {
    const what = end.code === 127 ? 'was not found' : 'may not be run';
    const who = name === undefined ? `a command in the recipe ${what}` : `\`${name}\` could not start`;
    return { kind: 'unstartable', message: quoting(`${who} (exit ${end.code})`) };
  }
  if (end.kind === 'killed') return crashed(end, quoting(`ended by ${end.signal}`));
  return crashed(end, quoting(end.kind === 'exited' ? `exit ${end.code}` : 'no end is known'));
}

/** In one line and of a length that a screen can hold. */
export const brief = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
};

/** The newest part of what an agent writes for people, where its answer is looked for. */
const TEXT_KEPT = 256 * 1024;
export const appended = (text: string, more: string): string => `${text}${more}`.slice(-TEXT_KEPT);
