/**
 * A small process that starts programs for us.
 *
 * A start copies the tables of all memory that the starting process has, waits until the new program is there,
 * and makes each page that is written next a fault: in a process of 150 MB that is many times what it is in one
 * of 50, and it all happens on the one thread that has everything else to do. Here it costs a message.
 *
 * What is started so is the same as without: sessions, files, environments. The starter ends with us, however we
 * end; until then it bears a tag, by which whoever comes after us finds and ends it: a message that we wrote last
 * is not acted upon beside a mstone that has taken over. Where it is not there yet, or not any more, programs are
 * started by this process itself.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Detached, type DetachedRequest, type StartDetached, startDetached } from './detached.js';
import { identify, isAlive } from './identity.js';
import type { ProcessOutcome } from './index.js';
import { runShort, type ShortRequest } from './short.js';
import { endTagged, TAG_NAME, withTag } from './tagged.js';

export interface Starter {
  /** `runShort`, started by the starter. */
  readonly run: typeof runShort;
  readonly startDetached: StartDetached;
  /** Nothing may be under way that is still waited for. */
  close(): Promise<void>;
}

export type ToStarter =
  | { readonly do: 'run'; readonly id: number; readonly request: ShortRequest }
  | { readonly do: 'start'; readonly id: number; readonly request: DetachedRequest }
  | { readonly do: 'cancel'; readonly id: number };

export type FromStarter =
  | { readonly is: 'ready' }
  /** A program that was run is gone. */
  | { readonly is: 'done'; readonly id: number; readonly outcome: ProcessOutcome }
  | { readonly is: 'started'; readonly id: number; readonly pid: number }
  | { readonly is: 'unstarted'; readonly id: number; readonly message: string }
  /** A detached one has ended. */
  | { readonly is: 'ended'; readonly id: number };

// From the bundle, and from the sources for tests.
const PROGRAM = fileURLToPath(new URL('../../dist/bundle/starter.cjs', import.meta.url));
/** How often one that nobody tells of is looked at. */
const LOOK_MS = 50;

interface Pending {
  heard(message: FromStarter): void;
  /** The starter is gone, with all that it ran. */
  lost(): void;
}

/** `tag` is on the starter itself, and on all that `run` is asked for. */
export function openStarter(tag: string, environment: Readonly<Record<string, string | undefined>>): Starter {
  if (process.platform === 'win32') return { run: runShort, startDetached, close: () => Promise.resolve() };
  const child = fork(PROGRAM, [], {
    cwd: '/',
    env: withTag(environment[TAG_NAME] === undefined ? {} : { [TAG_NAME]: environment[TAG_NAME] }, tag),
    // It hears no Ctrl-C, and no debugger or profiler of ours. The less memory it has, the cheaper are its starts.
    detached: true,
    execArgv: ['--max-semi-space-size=1', '--v8-pool-size=0', '--no-opt'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  });
  /** Whether there is something to hear of, for which this process has to go on. */
  const hold = (held: boolean): void => {
    const how = held ? 'ref' : 'unref';
    child[how]();
    child.channel?.[how]();
  };
  hold(false);
  const pending = new Map<number, Pending>();
  let next = 0;
  let ready = false;
  const isThere = (): boolean => ready && child.connected;

  child.on('message', (message: FromStarter) => {
    if (message.is === 'ready') ready = true;
    else pending.get(message.id)?.heard(message);
  });
  const gone = goneOf(child).then(async () => {
    ready = false;
    if (pending.size === 0) return;
    // What it ran may be at work still, and nobody would hear of its end.
    await endTagged(tag);
    for (const one of [...pending.values()]) one.lost();
  });

  const wait = (id: number, one: Pending): void => {
    pending.set(id, one);
    hold(true);
  };
  const done = (id: number): void => {
    pending.delete(id);
    hold(pending.size > 0);
  };
  const say = (message: ToStarter): void => {
    // Whether it was heard shows in the answer, or in the end of the starter.
    child.send(message, () => undefined);
  };

  return {
    async run(request) {
      if (!isThere()) return runShort(request);
      const { signal, ...rest } = request;
      if (signal?.aborted) return { kind: 'cancelled', stdout: Buffer.alloc(0), stderr: '' };
      const id = next++;
      const cancel = (): void => say({ do: 'cancel', id });
      signal?.addEventListener('abort', cancel, { once: true });
      try {
        return await new Promise<ProcessOutcome>((resolve) => {
          wait(id, {
            heard: (message) => message.is === 'done' && resolve(message.outcome),
            lost: () => resolve({ kind: 'killed', signal: 'SIGKILL', stdout: Buffer.alloc(0), stderr: '' }),
          });
          say({ do: 'run', id, request: rest });
        });
      } finally {
        signal?.removeEventListener('abort', cancel);
        done(id);
      }
    },

    async startDetached(request) {
      if (!isThere()) return startDetached(request);
      const id = next++;
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      return new Promise<Detached>((resolve, reject) => {
        let pid: number | undefined;
        wait(id, {
          heard(message) {
            if (message.is === 'started') {
              pid = message.pid;
              resolve({ pid, ended });
            } else if (message.is === 'unstarted') {
              done(id);
              reject(new Error(message.message));
            } else {
              done(id);
              end();
            }
          },
          lost() {
            done(id);
            // It may have been started or not: whoever asks for an agent sees to it that it starts once.
            if (pid === undefined) startDetached(request).then(resolve, reject);
            else void endOf(pid).then(end);
          },
        });
        say({ do: 'start', id, request });
      });
    },

    async close() {
      // Agents that are left behind are nobody's to wait for.
      pending.clear();
      hold(true);
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

const goneOf = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.on('error', () => resolve());
  });

async function endOf(pid: number): Promise<void> {
  const identity = identify(pid);
  while (identity !== undefined && isAlive(identity)) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
