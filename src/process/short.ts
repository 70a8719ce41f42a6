/**
 * Runs git and the like: programs that are short, many, and must not be kept waiting for.
 *
 * The outcome is `runProcess`'s, by Node's own spawn: execa takes as long again as the start of a git, and its
 * code a fifth of the time that a command needs which finds nothing to do.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { endProcessGroup, KeptOutput, LINGER_MS, STDERR_BYTES } from './group.js';
import type { ProcessOutcome, ProcessRequest } from './index.js';

export type ShortRequest = Pick<
  ProcessRequest,
  'command' | 'args' | 'cwd' | 'env' | 'input' | 'signal' | 'maxBytes'
>;

/** Runs one program to its end in a process group of its own; when this returns, the group is gone. */
export async function runShort(request: ShortRequest): Promise<ProcessOutcome> {
  // A missing cwd is reported by Node as ENOENT of the command, which misleads.
  if (!statSync(request.cwd, { throwIfNoEntry: false })?.isDirectory()) {
    return { kind: 'not-found', message: `no such folder: ${request.cwd}` };
  }
  if (request.signal?.aborted) return { kind: 'cancelled', stdout: Buffer.alloc(0), stderr: '' };
  return new Promise((resolve) => {
    let child: ChildProcess;
    try {
      child = spawn(request.command, [...request.args], {
        cwd: request.cwd,
        env: { ...request.env },
        detached: true,
        stdio: [request.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      });
    } catch (error) {
      // Arguments that are too long, say: Node throws what is not about the program itself.
      resolve({ kind: 'not-found', message: `${request.command}: ${(error as Error).message}` });
      return;
    }
    const kept = new KeptOutput(request.maxBytes ?? 64 * 1024 * 1024, false);
    const errors = new KeptOutput(STDERR_BYTES, true);
    let cause: 'cancelled' | 'too-much-output' | undefined;
    let groupEnd: Promise<void> | undefined;
    const endGroup = (): Promise<void> => {
      groupEnd ??= endProcessGroup(child.pid);
      return groupEnd;
    };
    const end = (why: NonNullable<typeof cause>): void => {
      cause ??= why;
      void endGroup();
    };
    const cancel = (): void => end('cancelled');
    request.signal?.addEventListener('abort', cancel, { once: true });

    child.stdout?.on('data', (chunk: Buffer) => {
      if (!kept.add(chunk)) end('too-much-output');
    });
    child.stderr?.on('data', (chunk: Buffer) => errors.add(chunk));
    // It may end before it has read all, or never have begun.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(request.input);

    let lingering: NodeJS.Timeout | undefined;
    child.once('exit', () => {
      void endGroup().then(() => {
        lingering = setTimeout(() => {
          child.stdout?.destroy();
          child.stderr?.destroy();
        }, LINGER_MS);
      });
    });
    child.once('error', (error) => {
      request.signal?.removeEventListener('abort', cancel);
      resolve({ kind: 'not-found', message: `${request.command}: ${error.message}` });
    });
    child.once('close', async (code, signal) => {
      request.signal?.removeEventListener('abort', cancel);
      await groupEnd;
      clearTimeout(lingering);
      const stdout = kept.bytes();
      const stderr = errors.bytes().toString('utf8');
      if (cause !== undefined) resolve({ kind: cause, stdout, stderr });
      else if (code !== null) resolve({ kind: 'exited', code, stdout, stderr });
      else resolve({ kind: 'killed', signal: signal ?? 'SIGKILL', stdout, stderr });
    });
  });
}
