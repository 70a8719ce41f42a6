/**
 * A program that answers questions one after the other for as long as we live, such as `git cat-file --batch`: a
 * start saved for each of them. It ends with its stdin, even where that ends with us, and hears no Ctrl-C.
 */
import { spawn } from 'node:child_process';

/** Reads one answer: `line` is the next one without its end, `bytes` the next so many. */
export interface Answer {
  line(): Promise<string>;
  bytes(count: number): Promise<Buffer>;
}

export interface Answering {
  /** Writes a question and reads its answer; rejects with `Gone` once the program has ended. */
  ask<T>(question: string, read: (answer: Answer) => Promise<T>): Promise<T>;
  /** Closes its stdin and waits for its end. */
  close(): Promise<void>;
}

/** The program has ended: whoever asked has to find out otherwise. */
export class Gone extends Error {
  override readonly name = 'Gone';
}

export function startAnswering(request: {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
}): Answering {
  const child = spawn(request.command, [...request.args], {
    cwd: request.cwd,
    env: { ...request.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let held: Buffer = Buffer.alloc(0);
  let ended = false;
  let wake: (() => void) | undefined;
  const end = (): void => {
    ended = true;
    wake?.();
  };
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  }).then(end);
  child.stdin.on('error', end);
  child.stdout.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    wake?.();
  });

  /** Waits until `enough` finds what it looks for; then that is taken from what is held. */
  async function take(enough: () => number, skip: number): Promise<Buffer> {
    for (;;) {
      const count = enough();
      if (count >= 0) {
        const taken = held.subarray(0, count);
        held = held.subarray(count + skip);
        return taken;
      }
      if (ended) throw new Gone(`${request.command} has ended`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = undefined;
    }
  }
  const answer: Answer = {
    line: async () => (await take(() => held.indexOf(0x0a), 1)).toString('latin1'),
    bytes: (count) => take(() => (held.length >= count ? count : -1), 0),
  };

  let last: Promise<unknown> = Promise.resolve();
  return {
    ask(question, read) {
      if (!ended) child.stdin.write(question);
      const mine = last.then(() => read(answer));
      last = mine.catch(() => undefined);
      return mine;
    },
    async close() {
      child.stdin.end();
      await closed;
    },
  };
}
