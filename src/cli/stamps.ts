/** Whether files are what they were, told without reading them. */
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';

/** A file changed so shortly before it was read may be changed again without another stamp. */
export const RACY_MS = 1000;

/** Something on disk, there or not, and what of it matters. Paths are absolute. */
export type Watched =
  /** A file: a link, and what it leads to. */
  | { readonly path: string; readonly as: 'file' }
  /** Whether it is a folder, a file or a link, and whose. */
  | { readonly path: string; readonly as: 'kind' }
  /** A folder with all that is in it, at any depth. */
  | { readonly path: string; readonly as: 'tree' }
  /** Files of these names in each folder of a folder. */
  | { readonly path: string; readonly as: 'each'; readonly names: readonly string[] };

export interface Stamped {
  /** The same as long as nothing has changed that matters. */
  readonly stamps: Buffer;
  /** Epoch ms: when something of it was changed last. */
  readonly changedMs: number;
}

/** Throws where something may not be looked at. */
export function stampAll(all: readonly Watched[]): Stamped {
  /** What is there, by name, and what is not: a folder with a slash, a file with a space behind it. */
  const names: string[] = [];
  /** Of each file in turn. Ten thousand stamps written out as text would take as long again. */
  const stamps: number[] = [];
  let changedMs = 0;

  const stamp = ({ mode, size, mtimeMs, ctimeMs, ino, dev }: Stats): void => {
    if (mtimeMs > changedMs) changedMs = mtimeMs;
    if (ctimeMs > changedMs) changedMs = ctimeMs;
    // A folder's own stamp changes with whatever comes and goes in it: what is in it is looked at instead.
    if ((mode & KIND) !== FOLDER) stamps.push(mode, size, mtimeMs, ctimeMs, ino, dev);
  };
  /** Looks at it, and gives what it is; 0 where nothing is there. */
  const look = (path: string, name: string): number => {
    const info = infoOf(path);
    if (info === undefined) {
      names.push(name);
      return 0;
    }
    const kind = info.mode & KIND;
    names.push(kind === FOLDER ? `${name}/` : `${name} `);
    stamp(info);
    return kind;
  };
  const file = (path: string, name: string): void => {
    if (look(path, name) !== LINK) return;
    const info = statSync(path, QUIETLY);
    names.push(info === undefined ? '>' : '> ');
    if (info !== undefined) stamp(info);
  };
  const tree = (path: string, name: string): void => {
    if (look(path, name) !== FOLDER) return;
    for (const entry of readdirSync(path)) tree(`${path}/${entry}`, entry);
    names.push('..');
  };

  for (const watched of all) {
    const { path, as } = watched;
    switch (as) {
      case 'file':
        file(path, path);
        break;
      case 'kind':
        names.push(path);
        stamps.push((infoOf(path)?.mode ?? 0) & KIND, infoOf(path)?.uid ?? 0);
        break;
      case 'tree':
        tree(path, path);
        break;
      case 'each':
        if (look(path, path) !== FOLDER) break;
        for (const entry of readdirSync(path)) {
          for (const name of watched.names) file(`${path}/${entry}/${name}`, `${entry}/${name}`);
        }
    }
  }
  // No name holds a zero byte.
  const numbers = Float64Array.from(stamps);
  return { stamps: Buffer.concat([Buffer.from(names.join('\0')), Buffer.from(numbers.buffer)]), changedMs };
}

function infoOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, QUIETLY);
  } catch (error) {
    // Where a folder on the way would be is a file.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

const QUIETLY = { throwIfNoEntry: false } as const;
/** The bits of a mode that say what something is. */
const KIND = 0o170000;
const FOLDER = 0o040000;
const LINK = 0o120000;
