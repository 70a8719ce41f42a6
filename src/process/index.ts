/**
 * Starts programs and tells how they ended. This is execa's only door.
 *
 * It knows commands, folders, environments, bytes and signals. It does not know what an agent, a check
 * or git is, and it never passes a text to a shell unless the caller names the shell as the command.
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { execa } from 'execa';
import { AwakeClock } from './awake.js';
import { endProcessGroup, KeptOutput, LINGER_MS, STDERR_BYTES } from './group.js';

export { signalGroup } from './group.js';

export interface ProcessRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Written to stdin, which is then closed; without it stdin is empty. */
  readonly input?: string | Uint8Array;
  /** Ends the whole process group, ms. */
  readonly timeoutMs?: number;
  /** Aborting ends the whole process group. */
  readonly signal?: AbortSignal;
  /** Bytes of stdout to keep; past that the process is ended. Default 64 MB. */
  readonly maxBytes?: number;
  /** Keep only the last `maxBytes` of stdout and stderr together, in order of arrival, in `stdout`. */
  readonly tail?: boolean;
  /**
   * stdout and stderr go to the end of this file (created with mode 0600) and nothing is kept; `maxBytes`
   * then bounds what this process may add to it.
   */
  readonly logFile?: string;
}

export type ProcessOutcome =
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'killed'; readonly signal: string; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'timed-out'; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'cancelled'; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'too-much-output'; readonly stdout: Buffer; readonly stderr: string }
  /** The program or the folder is not there, or may not be run. */
  | { readonly kind: 'not-found'; readonly message: string };

/** How often a log's size is looked at. */
const LOG_POLL_MS = 200;
/** How often a timeout looks at the clock. */
const TIMER_MS = 500;

/**
 * Runs one program to its end in a process group of its own.
 *
 * On timeout and cancel, and where the leader ends before others of its group, the group gets SIGTERM and
 * after 2 s SIGKILL: execa's own `timeout` and `kill()` reach the direct child only, and a grandchild that
 * holds the pipe would keep the await waiting. When this returns, the group is gone.
 */
export async function runProcess(request: ProcessRequest): Promise<ProcessOutcome> {
  // A missing cwd is reported by Node as ENOENT of the command, which misleads.
  if (!statSync(request.cwd, { throwIfNoEntry: false })?.isDirectory()) {
    return { kind: 'not-found', message: `no such folder: ${request.cwd}` };
  }
  if (request.signal?.aborted) return { kind: 'cancelled', stdout: Buffer.alloc(0), stderr: '' };

  const log = request.logFile === undefined ? undefined : openSync(request.logFile, 'a', 0o600);
  const logStart = log === undefined ? 0 : fstatSync(log).size;
  // execa takes any descriptor, its types know those of one digit.
  const stdout = log === undefined ? ('pipe' as const) : (log as 3);
  const child = execa(request.command, [...request.args], {
    cwd: request.cwd,
    env: { ...request.env },
    extendEnv: false,
    reject: false,
    buffer: false,
    cleanup: false,
    detached: true,
    stripFinalNewline: false,
    ...(request.input === undefined ? { stdin: 'ignore' as const } : { input: request.input }),
    stdout,
    stderr: stdout,
  });

  const maxBytes = request.maxBytes ?? 64 * 1024 * 1024;
  const kept = new KeptOutput(maxBytes, request.tail ?? false);
  const errors = request.tail ? kept : new KeptOutput(STDERR_BYTES, true);
  let cause: 'timed-out' | 'cancelled' | 'too-much-output' | undefined;
  const stopListening = (): void => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  let groupEnd: Promise<void> | undefined;
  const endGroup = (): void => {
    groupEnd ??= endProcessGroup(child.pid);
  };
  const end = (why: NonNullable<typeof cause>): void => {
    cause ??= why;
    endGroup();
  };

  child.stdout?.on('data', (chunk: Buffer) => {
    if (!kept.add(chunk)) end('too-much-output');
  });
  child.stderr?.on('data', (chunk: Buffer) => errors.add(chunk));
  const stopTimer =
    request.timeoutMs === undefined ? undefined : afterAwake(request.timeoutMs, () => end('timed-out'));
  const watch =
    log === undefined
      ? undefined
      : setInterval(() => {
          if (fstatSync(log).size - logStart > maxBytes) end('too-much-output');
        }, LOG_POLL_MS);
  const cancel = (): void => end('cancelled');
  request.signal?.addEventListener('abort', cancel, { once: true });

  // What the leader left behind in its group ends with it; what left the group may keep the pipes open,
  // and nobody waits for that.
  let lingering: NodeJS.Timeout | undefined;
  child.once('exit', () => {
    endGroup();
    void groupEnd?.then(() => {
      lingering = setTimeout(stopListening, LINGER_MS);
    });
  });

  const result = await child;
  stopTimer?.();
  clearInterval(watch);
  request.signal?.removeEventListener('abort', cancel);
  await groupEnd;
  clearTimeout(lingering);
  if (log !== undefined) closeSync(log);

  const output = kept.bytes();
  const stderr = request.tail ? '' : errors.bytes().toString('utf8');
  if (cause !== undefined) return { kind: cause, stdout: output, stderr };
  if (result.exitCode !== undefined) return { kind: 'exited', code: result.exitCode, stdout: output, stderr };
  if (result.signal !== undefined) return { kind: 'killed', signal: result.signal, stdout: output, stderr };
  return {
    kind: 'not-found',
    message: `${request.command}: ${result.originalMessage ?? result.code ?? 'cannot start'}`,
  };
}

/** Acts once so much time has passed awake, unless the returned function is called before. */
function afterAwake(ms: number, act: () => void): () => void {
  const clock = new AwakeClock(performance.now());
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const left = ms - clock.look(performance.now());
    if (left <= 0) act();
    else timer = setTimeout(look, Math.min(left, TIMER_MS));
  };
  look();
  return () => clearTimeout(timer);
}
