/** Process groups and what is kept of their output, for all that starts programs here. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRemains, listProcesses } from './identity.js';

export const STDERR_BYTES = 64 * 1024;
/** From the leader's exit until its output counts as complete though somebody still holds the pipe. */
export const LINGER_MS = 500;
/** From the polite signal to the sure one. */
const GRACE_MS = 2_000;
const GROUP_POLL_MS = 10;

/** Ends a process group: SIGTERM, and SIGKILL for what is left of it after 2 s. */
export async function endProcessGroup(group: number | undefined): Promise<void> {
  if (group === undefined || !isGroupAlive(group)) return;
  signalGroup(group, 'SIGTERM');
  const begun = performance.now();
  while (isGroupAlive(group)) {
    if (performance.now() - begun >= GRACE_MS) return signalGroup(group, 'SIGKILL');
    await sleep(GROUP_POLL_MS);
  }
}

/** Whether a group has a living member: where nobody reaps orphans, a dead one would count for ever. */
function isGroupAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  if (process.platform !== 'linux') return true;
  return listProcesses().some(({ stat }) => stat.group === group && !isRemains(stat.state));
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
export class KeptOutput {
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
