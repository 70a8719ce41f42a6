/** Starts a program that outlives us: a session of its own, files for its streams, nobody who holds a pipe. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';

export interface DetachedRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdinFile: string;
  /** stdout and stderr, appended to; created with mode 0600. */
  readonly logFile: string;
}

export interface Detached {
  readonly pid: number;
  /** Resolves when it has ended, however that was. */
  readonly ended: Promise<void>;
}

export type StartDetached = (request: DetachedRequest) => Promise<Detached>;

/** Resolves once it runs; rejects where it cannot be started, with the system's reason. */
export const startDetached: StartDetached = async (request) => {
  const fds: number[] = [];
  try {
    fds.push(openSync(request.stdinFile, 'r'), openSync(request.logFile, 'a', 0o600));
    // Node reports a missing folder as a missing program.
    if (!statSync(request.cwd).isDirectory()) throw new Error('not a folder');
    // Node's own spawn: execa would hold on to a child that is meant to outlive us.
    const child = spawn(request.command, [...request.args], {
      cwd: request.cwd,
      env: { ...request.env },
      detached: true,
      stdio: [fds[0], fds[1], fds[1]],
    });
    child.unref();
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.on('error', reject);
    });
    return { pid: child.pid ?? 0, ended };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
};
