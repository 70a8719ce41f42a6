/**
 * A program that is talked to line by line, in a session of its own: its locks go when we hang up, even
 * if hanging up is being killed, and a Ctrl-C in the terminal does not reach it.
 */
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { signalGroup } from './index.js';

export interface Conversation {
  /** Writes to its stdin. What it no longer hears is lost; `line` then tells that it is gone. */
  say(text: string): void;
  /** Its next line on stdout; undefined when there will be none. */
  line(): Promise<string | undefined>;
  /** Closes its stdin and waits for its end: the exit code (128 if a signal ended it) and its stderr. */
  close(): Promise<{ readonly code: number; readonly stderr: string }>;
}

/** How long a program may go on after its stdin was closed, ms. */
const CLOSE_MS = 30_000;

export function startConversation(request: {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
}): Conversation {
  const child = execa(request.command, [...request.args], {
    cwd: request.cwd,
    env: { ...request.env },
    extendEnv: false,
    reject: false,
    buffer: false,
    cleanup: false,
    detached: true,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  // EPIPE: it ended first, and its exit code says why.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < 65_536) stderr += chunk.toString('utf8');
  });
  return {
    say: (text) => void child.stdin.write(text),
    async line() {
      const next = await lines.next();
      return next.done ? undefined : next.value;
    },
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => signalGroup(child.pid, 'SIGTERM'), CLOSE_MS);
      const result = await child;
      clearTimeout(timer);
      return { code: result.exitCode ?? 128, stderr };
    },
  };
}
