/**
 * Starts programs and tells how they ended. This is execa's only door.
 *
 * It knows commands, folders, environments, bytes and signals. It does not know what an agent, a check
 * or git is, and it never passes a text to a shell unless the caller names the shell as the command.
 */
import { statSync } from 'node:fs';
import { execa } from 'execa';

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
}

export type ProcessOutcome =
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'killed'; readonly signal: string; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'timed-out'; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'cancelled'; readonly stdout: Buffer; readonly stderr: string }
  | { readonly kind: 'too-much-output'; readonly stdout: Buffer; readonly stderr: string }
  /** The program or the folder is not there, or may not be run. */
  | { readonly kind: 'not-found'; readonly message: string };

const STDERR_BYTES = 64 * 1024;
/** From the polite signal to the sure one. */
const GRACE_MS = 2_000;
/** From the leader's exit until its output counts as complete though somebody still holds the pipe. */
const LINGER_MS = 500;

/**
 * Runs one program to its end in a process group of its own.
 *
 * On timeout and cancel the group gets SIGTERM, after 2 s SIGKILL: execa's own `timeout` and `kill()`
 * reach the direct child only, and a grandchild that holds the pipe would keep the await waiting.
 */
export async function runProcess(request: ProcessRequest): Promise<ProcessOutcome> {
  // A missing cwd is reported by Node as ENOENT of the command, which misleads.
  if (!statSync(request.cwd, { throwIfNoEntry: false })?.isDirectory()) {
    return { kind: 'not-found', message: `no such folder: ${request.cwd}` };
  }
  if (request.signal?.aborted) return { kind: 'cancelled', stdout: Buffer.alloc(0), stderr: '' };

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
    stdout: 'pipe',
    stderr: 'pipe',
  });

  const maxBytes = request.maxBytes ?? 64 * 1024 * 1024;
  const kept = new KeptOutput(maxBytes, request.tail ?? false);
  const errors = request.tail ? kept : new KeptOutput(STDERR_BYTES, true);
  let cause: 'timed-out' | 'cancelled' | 'too-much-output' | undefined;
  let killer: NodeJS.Timeout | undefined;

  const end = (why: NonNullable<typeof cause>): void => {
    if (cause !== undefined) return;
    cause = why;
    signalGroup(child.pid, 'SIGTERM');
    killer = setTimeout(() => {
      signalGroup(child.pid, 'SIGKILL');
      // A descendant that left the group may still hold the pipes: stop listening to it.
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, GRACE_MS);
  };

  child.stdout?.on('data', (chunk: Buffer) => {
    if (!kept.add(chunk)) end('too-much-output');
  });
  child.stderr?.on('data', (chunk: Buffer) => errors.add(chunk));
  const timer =
    request.timeoutMs === undefined ? undefined : setTimeout(() => end('timed-out'), request.timeoutMs);
  const cancel = (): void => end('cancelled');
  request.signal?.addEventListener('abort', cancel, { once: true });

  // What the leader left behind in its group ends with it; what left the group may keep the pipes open,
  // and nobody waits for that.
  let leftBehind: NodeJS.Timeout | undefined;
  child.once('exit', () => {
    signalGroup(child.pid, 'SIGKILL');
    leftBehind = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, LINGER_MS);
  });

  const result = await child;
  clearTimeout(timer);
  clearTimeout(leftBehind);
  clearTimeout(killer);
  request.signal?.removeEventListener('abort', cancel);

  const stdout = kept.bytes();
  const stderr = request.tail ? '' : errors.bytes().toString('utf8');
  if (cause !== undefined) return { kind: cause, stdout, stderr };
  if (result.exitCode !== undefined) return { kind: 'exited', code: result.exitCode, stdout, stderr };
  if (result.signal !== undefined) return { kind: 'killed', signal: result.signal, stdout, stderr };
  return {
    kind: 'not-found',
    message: `${request.command}: ${result.originalMessage ?? result.code ?? 'cannot start'}`,
  };
}

/** Signals a process group; one that is gone already is no error. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/** Bytes as they arrive: all of them up to a limit, or the last of them. */
class KeptOutput {
  private chunks: Buffer[] = [];
  private size = 0;
  private readonly limit: number;
  private readonly tail: boolean;

  constructor(limit: number, tail: boolean) {
    this.limit = limit;
    this.tail = tail;
  }

  /** False when the limit is passed and only the head may be kept. */
  add(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    this.size += chunk.length;
    if (this.size <= this.limit) return true;
    if (!this.tail) return false;
    while (this.chunks.length > 1 && this.size - (this.chunks[0]?.length ?? 0) >= this.limit) {
      this.size -= this.chunks.shift()?.length ?? 0;
    }
    return true;
  }

  bytes(): Buffer {
    const all = Buffer.concat(this.chunks);
    return this.tail ? all.subarray(Math.max(0, all.length - this.limit)) : all.subarray(0, this.limit);
  }
}
