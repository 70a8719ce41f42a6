/**
 * What a command need not find out again: milestones as they were read, landings as history proves them, settings
 * as files say them, what finished runs came to.
 *
 *     <state>/cache/<name>    a line `<mstone> <SHA-256 of the rest>`, then the rest
 *
 * A cache is a cache: gone, damaged, of another mstone or not to be written, it costs time and nothing else. So
 * nothing here fails, and nothing here is told. A repository that has no state yet gets none for it.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makerOf } from './home.js';
import type { World } from './world.js';

export interface Cache {
  /** What was kept under a name; undefined where nothing is, or nothing that can be trusted. */
  read(name: string): Buffer | undefined;
  /** The same of what is large and seldom asked for: read when it is, as long as `stamp` says that it is unchanged. */
  readLater(name: string, stamp: string): (() => Buffer) | undefined;
  /** Keeps it for the next command, if it can be kept; the stamp it has then. */
  write(name: string, rest: Uint8Array): string | undefined;
}

const LINE_END = 0x0a;
/** Files that were looked at and never read, by whom nobody can ask any more. */
const unread = new FinalizationRegistry<number>((fd) => closeSync(fd));

export function openCache(stateDir: string, world: Pick<World, 'home'>): Cache {
  const folder = join(stateDir, 'cache');
  const maker = makerOf(world);
  return {
    read(name) {
      try {
        const bytes = readFileSync(join(folder, name));
        const end = bytes.indexOf(LINE_END);
        const rest = bytes.subarray(end + 1);
        return bytes.toString('utf8', 0, end) === `${maker} ${sumOf(rest)}` ? rest : undefined;
      } catch {
        return undefined;
      }
    },
    readLater(name, stamp) {
      try {
        const fd = openSync(join(folder, name), 'r');
        // Held open: whatever another mstone keeps meanwhile, this is what was looked at.
        if (stampOf(fstatSync(fd)) !== stamp) {
          closeSync(fd);
          return undefined;
        }
        let bytes: Buffer | undefined;
        const read = (): Buffer => {
          if (bytes === undefined) {
            const all = readFileSync(fd);
            closeSync(fd);
            unread.unregister(read);
            bytes = all.subarray(all.indexOf(LINE_END) + 1);
          }
          return bytes;
        };
        unread.register(read, fd, read);
        return read;
      } catch {
        return undefined;
      }
    },
    write(name, rest) {
      const part = join(folder, `${name}.${process.pid}`);
      try {
        if (statSync(stateDir, { throwIfNoEntry: false }) === undefined) return undefined;
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        writeFileSync(part, Buffer.concat([Buffer.from(`${maker} ${sumOf(rest)}\n`), rest]), { mode: 0o600 });
        renameSync(part, join(folder, name));
        return stampOf(statSync(join(folder, name)));
      } catch {
        try {
          rmSync(part, { force: true });
        } catch {
          // A folder that cannot be written: there is nothing in it to remove.
        }
        return undefined;
      }
    },
  };
}

/** Another one whenever the file is written. */
const stampOf = ({ size, mtimeMs, ctimeMs, ino, dev }: Stats): string =>
  `${size} ${mtimeMs} ${ctimeMs} ${ino} ${dev}`;

const sumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What makes two questions the same one. */
export const keyOf = (parts: unknown): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');
