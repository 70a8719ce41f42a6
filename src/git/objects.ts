/**
 * One git for many questions, as long as a run lasts: objects read and written, refs moved. Starting a process takes
 * longer than all it does for one of them.
 *
 * What one of these gits cannot do, or has died of, is done by one that is started for it: that one says what is
 * wrong.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import { type Answering, Gone, startAnswering } from '../process/answering.js';
import { PINNED_ARGUMENTS } from './plumbing.js';

export interface ReadObject {
  readonly oid: Oid;
  readonly type: string;
  readonly bytes: Buffer;
}

export interface Objects {
  /** An object by any name in one line that `rev-parse` takes; undefined where there is none, or none is told. */
  read(name: string): Promise<ReadObject | undefined>;
  /** Writes an object and gives its name; undefined where that has to be tried otherwise. */
  write(type: 'blob' | 'tree' | 'commit', content: string | Uint8Array): Promise<Oid | undefined>;
  /** Points refs to commits, all or none, whatever they were; false where that has to be tried otherwise. */
  setRefs(refs: readonly (readonly [ref: string, oid: Oid])[]): Promise<boolean>;
  /**
   * Locks refs for the changes of `commands` (`update-ref -z --stdin`), which name the values they expect; HEAD with
   * them where it is on one of them. Undefined where that has to be tried otherwise. The locks go with us.
   */
  prepareRefs(commands: string): Promise<PreparedRefs | undefined>;
  close(): Promise<void>;
}

/** Refs that are locked: one of the two has to follow. */
export interface PreparedRefs {
  /** Whether they moved; where not, that is not known. */
  commit(): Promise<boolean>;
  /** Gives them back as they were. */
  abort(): Promise<void>;
}

/** `env` is the whole environment of those gits; `scratch` a folder for temporary files, made when it is needed. */
export function openObjects(
  commonDir: string,
  env: Readonly<Record<string, string>>,
  scratch: string,
): Objects {
  const running = new Map<string, Answering>();
  /** Between the locking of refs and what follows. */
  let isPreparing = false;
  const of = (...args: string[]): Answering => {
    const key = args.join(' ');
    let found = running.get(key);
    if (found === undefined) {
      found = startAnswering({
        command: 'git',
        args: [...PINNED_ARGUMENTS, ...args],
        cwd: commonDir,
        env: { ...env, GIT_DIR: commonDir },
      });
      running.set(key, found);
    }
    return found;
  };
  /** What has ended is started anew for the next question. */
  async function unlessGone<T>(
    args: readonly string[],
    act: (git: Answering) => Promise<T>,
  ): Promise<T | undefined> {
    const git = of(...args);
    try {
      return await act(git);
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
      if (running.get(args.join(' ')) === git) running.delete(args.join(' '));
      return undefined;
    }
  }

  return {
    async read(name) {
      if (name.includes('\n')) return undefined;
      return unlessGone(['cat-file', '--batch'], (git) =>
        git.ask(`${name}\n`, async (answer) => {
          // `<oid> <type> <size>`, then as many bytes and a line end; or `<name> missing`, `… ambiguous`.
          const [, oid, type, size] = /^([0-9a-f]{40,64}) (\w+) (\d+)$/.exec(await answer.line()) ?? [];
          if (oid === undefined || type === undefined) return undefined;
          const bytes = await answer.bytes(Number(size));
          await answer.bytes(1);
          return { oid, type, bytes };
        }),
      );
    },
    async write(type, content) {
      const file = join(scratch, randomUUID());
      if (file.includes('\n')) return undefined;
      mkdirSync(scratch, { recursive: true });
      writeFileSync(file, content, { mode: 0o600 });
      try {
        return await unlessGone(['hash-object', '-w', '-t', type, '--no-filters', '--stdin-paths'], (git) =>
          git.ask(`${file}\n`, async (answer) => {
            const oid = await answer.line();
            return /^[0-9a-f]{40,64}$/.test(oid) ? oid : undefined;
          }),
        );
      } finally {
        await rm(file, { force: true });
      }
    },
    async setRefs(refs) {
      if (refs.some(([ref, oid]) => /[\s\0]/.test(ref + oid))) return false;
      const updates = refs.map(([ref, oid]) => `update ${ref} ${oid}\n`).join('');
      const done = await unlessGone(['update-ref', '--no-deref', '--stdin'], (git) =>
        git.ask(`start\n${updates}commit\n`, async (answer) => {
          const [started, committed] = [await answer.line(), await answer.line()];
          return started === 'start: ok' && committed === 'commit: ok';
        }),
      );
      return done ?? false;
    },
    async prepareRefs(commands) {
      if (isPreparing) return undefined;
      const args = ['update-ref', '-m', 'mstone', '-z', '--stdin'];
      const says = (word: string, expected: readonly string[]) =>
        unlessGone(args, (git) =>
          git.ask(word, async (answer) => {
            for (const line of expected) if ((await answer.line()) !== line) return false;
            return true;
          }),
        );
      isPreparing = true;
      const isPrepared = await says(`start\0${commands}prepare\0`, ['start: ok', 'prepare: ok']);
      if (isPrepared !== true) {
        isPreparing = false;
        return undefined;
      }
      const end = async (word: string): Promise<boolean> => {
        const done = await says(`${word}\0`, [`${word}: ok`]);
        isPreparing = false;
        return done === true;
      };
      return {
        commit: () => end('commit'),
        abort: async () => {
          await end('abort');
        },
      };
    },
    async close() {
      await Promise.all([...running.values()].map((git) => git.close()));
    },
  };
}
