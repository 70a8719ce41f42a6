/**
 * Refs as git keeps them in files (gitrepository-layout(5), `refs` and `packed-refs`): read without a process, since
 * a run asks where they are several times for each milestone. What is kept otherwise (reftable), or looks odd, is
 * git's to say: then nothing is told here.
 */
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';

export interface StoredRef {
  readonly oid: Oid;
  /** What an annotated tag names, where that is written down; tags have to be looked at where it is not. */
  readonly peeled?: Oid;
  /** The ref that a symbolic one stands for. */
  readonly symref?: string;
}

const VALUE = /^(?:ref: (refs\/\S+)|([0-9a-f]{40}|[0-9a-f]{64}))\s*$/;

/**
 * By name, every ref that is one of `prefixes` or lies below one, and those of `exact` that are refs, but for what
 * `except` matches. All refs where nothing is asked for.
 */
export function readStoredRefs(
  commonDir: string,
  {
    exact = [],
    prefixes = exact.length === 0 ? ['refs'] : [],
    except,
  }: {
    readonly exact?: readonly string[];
    readonly prefixes?: readonly string[];
    readonly except?: RegExp;
  } = {},
): Map<string, StoredRef> | undefined {
  if (isThere(join(commonDir, 'reftable'))) return undefined;
  const isWanted = (name: string): boolean =>
    (exact.includes(name) ||
      prefixes.some((prefix) => name === prefix || name.startsWith(`${prefix.replace(/\/$/, '')}/`))) &&
    except?.test(name) !== true;
  const found = new Map<string, StoredRef>();
  const symbolic: [name: string, to: string][] = [];
  /** False where something is there that is no ref of a known form. */
  const walk = (name: string): boolean => {
    if (except?.test(`${name}/`)) return true;
    const path = join(commonDir, name);
    let names: string[];
    try {
      names = readdirSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return true;
      return code === 'ENOTDIR' && read(name);
    }
    return names.every((one) => {
      const below = `${name}/${one}`;
      // Locks, and parts of refs that are being written.
      if (one.startsWith('.') || one.endsWith('.lock')) return true;
      return lstatSync(join(commonDir, below), { throwIfNoEntry: false })?.isDirectory()
        ? walk(below)
        : read(below);
    });
  };
  const read = (name: string): boolean => {
    if (except?.test(name)) return true;
    let text: string;
    try {
      // A symbolic link was once a symbolic ref.
      if (lstatSync(join(commonDir, name)).isSymbolicLink()) return false;
      text = readFileSync(join(commonDir, name), 'latin1');
    } catch (error) {
      // Gone or packed meanwhile; or a folder, or below a ref, which is no ref.
      return ['ENOENT', 'EISDIR', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
    }
    const [, to, oid] = VALUE.exec(text) ?? [];
    if (to !== undefined) symbolic.push([name, to]);
    else if (oid !== undefined) found.set(name, { oid });
    else return false;
    return true;
  };
  // Those in files first: one that is packed meanwhile is then found there.
  if (!exact.every(read)) return undefined;
  if (!prefixes.every((prefix) => walk(prefix.replace(/\/$/, '')))) return undefined;
  const packed = packedRefs(commonDir);
  if (packed === undefined) return undefined;
  for (const [name, ref] of packed) if (!found.has(name) && isWanted(name)) found.set(name, ref);
  for (const [name, to] of symbolic) {
    const target = found.get(to) ?? readOne(commonDir, to, packed);
    if (target === 'odd') return undefined;
    if (target !== undefined) found.set(name, { ...target, symref: to });
    // One that leads nowhere is none, as `for-each-ref` has it.
    else found.delete(name);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Where a symbolic ref leads that is not among those that were asked for. */
function readOne(
  commonDir: string,
  name: string,
  packed: ReadonlyMap<string, StoredRef>,
): StoredRef | 'odd' | undefined {
  let text: string;
  try {
    text = readFileSync(join(commonDir, name), 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return packed.get(name);
    throw error;
  }
  const [, to, oid] = VALUE.exec(text) ?? [];
  // One that leads to another in turn: git follows them, to a depth.
  return to !== undefined || oid === undefined ? 'odd' : { oid };
}

interface Packed {
  readonly stamp: string;
  readonly refs: ReadonlyMap<string, StoredRef>;
}

/** Git replaces the file and never changes it: another inode or time, another file. */
const packedRead = new Map<string, Packed>();

function packedRefs(commonDir: string): ReadonlyMap<string, StoredRef> | undefined {
  const file = join(commonDir, 'packed-refs');
  for (let tries = 0; tries < 3; tries += 1) {
    const before = stampOf(file);
    if (before === undefined) return new Map();
    const known = packedRead.get(file);
    if (known?.stamp === before) return known.refs;
    let text: string;
    try {
      text = readFileSync(file, 'latin1');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    if (stampOf(file) !== before) continue;
    const refs = parsePacked(text);
    if (refs !== undefined) packedRead.set(file, { stamp: before, refs });
    return refs;
  }
  return undefined;
}

function parsePacked(text: string): Map<string, StoredRef> | undefined {
  const refs = new Map<string, StoredRef>();
  let last: string | undefined;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, peeled] = /^\^([0-9a-f]{40,64})$/.exec(line) ?? [];
    if (peeled !== undefined && last !== undefined) {
      const { oid } = refs.get(last) ?? { oid: peeled };
      refs.set(last, { oid, peeled });
      continue;
    }
    const [, oid, name] = /^([0-9a-f]{40}|[0-9a-f]{64}) (refs\/\S+)$/.exec(line) ?? [];
    if (oid === undefined || name === undefined) return undefined;
    refs.set(name, { oid });
    last = name;
  }
  return refs;
}

function stampOf(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false, bigint: true });
  return stats && `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
