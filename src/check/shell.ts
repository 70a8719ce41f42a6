/**
 * One shell command line in a folder, its output in a log, its end in one word.
 *
 * The shell is `sh`, on every POSIX system the same language; who wants bash says `bash -c '…'`. Stdin is
 * empty. The line leads a process group of its own, and whatever bears the tag afterwards is ended.
 */
import { appendFileSync, statSync } from 'node:fs';
import type { TestRun } from '../model/outcome.js';
import type { Redactor } from '../model/redact.js';
import { runProcess } from '../process/index.js';
import { plainText, readPlainTail } from '../process/plain.js';
import { type Cage, caged } from '../process/sandbox.js';
import { endTagged, withTag } from '../process/tagged.js';
import { readTests, SUMMARY_BYTES } from './tests.js';

export interface ShellRequest {
  readonly path: string;
  /** The whole environment; the tag is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Output is appended here, under a line `$ command`; created with mode 0600. */
  readonly logFile: string;
  /** Of this use alone: all that bears it ends with each line. */
  readonly tag: string;
  /** What it is shut into, if anything. */
  readonly cage?: Cage;
  /** Takes secrets out of its tail. */
  readonly redact?: Redactor;
  /** For what outlives the line, from the polite signal to the sure one; 5 s. */
  readonly graceMs?: number;
}

export interface LineEnd {
  readonly kind: 'passed' | 'failed' | 'unstartable' | 'timed-out' | 'cancelled';
  readonly exit?: number;
  /** The end of its output, plain text, at most 4 KB, with a note where it did not end by itself. */
  readonly tail: string;
  /** What its output says of tests, where it says anything. */
  readonly tests?: TestRun;
}

const TAIL_BYTES = 4096;
const MOST_OUTPUT = 256 * 1024 * 1024;

export async function runLine(line: string, request: ShellRequest): Promise<LineEnd> {
  const { path, env, timeoutMs, signal, logFile, tag, redact, cage } = request;
  appendFileSync(logFile, `$ ${plainText(line)}\n`, { mode: 0o600 });
  const from = statSync(logFile).size;
  const outcome = await runProcess({
    ...(cage === undefined
      ? { command: 'sh', args: ['-c', '--', line] }
      : caged(['sh', '-c', '--', line], cage)),
    cwd: path,
    env: withTag(env, tag),
    timeoutMs,
    signal,
    logFile,
    maxBytes: MOST_OUTPUT,
  });
  await endTagged(tag, request.graceMs === undefined ? {} : { graceMs: request.graceMs });

  const tail = (note?: string): string => {
    if (note === undefined) return readPlainTail(logFile, TAIL_BYTES, from, redact);
    const output = readPlainTail(logFile, TAIL_BYTES - Buffer.byteLength(note) - 4, from, redact);
    return `${output}${output === '' || output.endsWith('\n') ? '' : '\n'}(${note})\n`;
  };
  const tests = (): { tests?: TestRun } => {
    const found = readTests(readPlainTail(logFile, SUMMARY_BYTES, from, redact));
    return found === undefined ? {} : { tests: found };
  };
  switch (outcome.kind) {
    case 'exited':
      if (outcome.code === 0) return { kind: 'passed', exit: 0, tail: tail(), ...tests() };
      // The shell's words for "may not be run" and "not found".
      if (outcome.code === 126 || outcome.code === 127) {
        return { kind: 'unstartable', exit: outcome.code, tail: tail() };
      }
      return { kind: 'failed', exit: outcome.code, tail: tail(), ...tests() };
    case 'killed':
      return { kind: 'failed', tail: tail(`ended by ${outcome.signal}`) };
    case 'timed-out':
      return { kind: 'timed-out', tail: tail(`ended after ${seconds(timeoutMs)}`) };
    case 'too-much-output':
      return { kind: 'failed', tail: tail(`ended: more than ${MOST_OUTPUT / 1024 / 1024} MB of output`) };
    case 'cancelled':
      return { kind: 'cancelled', tail: tail() };
    case 'not-found':
      return { kind: 'unstartable', tail: tail(plainText(outcome.message)) };
  }
}

/** The last line of a tail that says anything. */
export const lastLine = (tail: string): string => tail.trimEnd().split('\n').at(-1)?.trim() ?? '';

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;
