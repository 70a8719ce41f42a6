/**
 * Which slots are as they were when all they hold was taken: told by the stamps of their files, so that nothing is
 * looked for twice. For small folders; of large ones git tells sooner than we do. And of which tree an index is.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Oid } from '../model/outcome.js';
import type { Repository } from './index.js';
import type { Objects } from './objects.js';

const MOST_ENTRIES = 3000;
/**
 * What was changed so shortly before it was looked at may be changed again under the same stamp, ms: a kernel's clock
 * for files ticks a hundred times a second at the slowest.
 */
const RACY_MS = 10;

export interface Stamps {
  readonly text: string;
  /** Of the newest change, epoch ms. */
  readonly newestMs: number;
  /** There are folders without anything in them, which no tree holds. */
  readonly hasEmpty: boolean;
}

/** What is known of a slot as it was left. */
interface Settled {
  readonly text: string;
  /** All there is in its folder stands in the index that it is seeded from, and nothing else. */
  readonly exact: boolean;
}

/** By folder, for as long as a run lasts. */
const settled = new WeakMap<Objects, Map<string, Settled>>();

/** By file, the commits or trees that indexes of ours hold, for as long as a run lasts. */
const indexes = new WeakMap<Objects, Map<string, Oid>>();

/** Remembers that an index holds a commit or tree; undefined: that it may hold anything. */
export function nameIndex({ objects }: Repository, index: string, holds: Oid | undefined): void {
  if (objects === undefined) return;
  const known = indexes.get(objects) ?? new Map<string, Oid>();
  indexes.set(objects, known);
  if (holds === undefined) known.delete(index);
  else known.set(index, holds);
}

export const heldByIndex = ({ objects }: Repository, index: string): Oid | undefined =>
  objects && indexes.get(objects)?.get(index);

/** Waits until what is changed from now on bears another stamp than what was there. */
export async function unlessRacy(stamps: Stamps | undefined): Promise<void> {
  const wait = (stamps?.newestMs ?? 0) + RACY_MS + 1 - Date.now();
  if (wait > 0 && wait <= RACY_MS + 1) await sleep(wait);
}

/** The stamps of all there is in a slot's folder, and of what its git directory says of commits made in it. */
export function stampsOf(place: { readonly path: string; readonly gitDir: string }): Stamps | undefined {
  const lines: string[] = [];
  let newestMs = 0;
  let hasEmpty = false;
  const look = (path: string): void => {
    const { mode, size, mtimeMs, ctimeMs, ino, dev } = lstatSync(path);
    newestMs = Math.max(newestMs, mtimeMs, ctimeMs);
    lines.push(`${path}\0${mode} ${size} ${mtimeMs} ${ctimeMs} ${ino} ${dev}`);
  };
  const walk = (folder: string): boolean => {
    look(folder);
    const entries = readdirSync(folder, { withFileTypes: true });
    hasEmpty ||= entries.length === 0;
    for (const entry of entries) {
      if (lines.length >= MOST_ENTRIES) return false;
      const path = `${folder}/${entry.name}`;
      if (!entry.isDirectory()) look(path);
      else if (!walk(path)) return false;
    }
    return true;
  };
  try {
    for (const name of ['HEAD', join('logs', 'HEAD')]) look(join(place.gitDir, name));
    return walk(place.path) ? { text: lines.join('\0'), newestMs, hasEmpty } : undefined;
  } catch {
    // Gone or not to be read, or a name that is no text: then it is looked at in full.
    return undefined;
  }
}

/**
 * Remembers that all there was in a slot when these stamps were taken is held, having been looked at from `atMs` on;
 * `exact` where its seed is an index of just that.
 */
export function settle(
  repo: Repository,
  path: string,
  stamps: Stamps | undefined,
  { atMs, exact }: { readonly atMs: number; readonly exact: boolean },
): void {
  if (repo.objects === undefined) return;
  const known = settled.get(repo.objects) ?? new Map<string, Settled>();
  settled.set(repo.objects, known);
  if (stamps !== undefined && stamps.newestMs < atMs - RACY_MS) {
    known.set(path, { text: stamps.text, exact: exact && !stamps.hasEmpty });
  } else known.delete(path);
}

/** How a slot was settled, where it is as it was then. */
export function settledAs(
  repo: Repository,
  place: { readonly path: string; readonly gitDir: string },
): Settled | undefined {
  const known = repo.objects && settled.get(repo.objects)?.get(place.path);
  return known !== undefined && stampsOf(place)?.text === known.text ? known : undefined;
}
