/**
 * Which slots are as they were when all they hold was taken: told by the stamps of their files, so that nothing is
 * looked for twice. For small folders; of large ones git tells sooner than we do.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Repository } from './index.js';
import type { Objects } from './objects.js';

const MOST_ENTRIES = 3000;
/** What was changed so shortly before it was looked at may be changed again under the same stamp, ms. */
const RACY_MS = 20;

interface Stamps {
  readonly text: string;
  /** Of the newest change, epoch ms. */
  readonly newestMs: number;
}

/** By folder, for as long as a run lasts. */
const settled = new WeakMap<Objects, Map<string, string>>();

/** The stamps of all there is in a slot's folder, and of what its git directory says of commits made in it. */
export function stampsOf(place: { readonly path: string; readonly gitDir: string }): Stamps | undefined {
  const lines: string[] = [];
  let newestMs = 0;
  const look = (path: string): void => {
    const { mode, size, mtimeMs, ctimeMs, ino, dev } = lstatSync(path);
    newestMs = Math.max(newestMs, mtimeMs, ctimeMs);
    lines.push(`${path}\0${mode} ${size} ${mtimeMs} ${ctimeMs} ${ino} ${dev}`);
  };
  const walk = (folder: string): boolean => {
    look(folder);
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (lines.length >= MOST_ENTRIES) return false;
      const path = `${folder}/${entry.name}`;
      if (!entry.isDirectory()) look(path);
      else if (!walk(path)) return false;
    }
    return true;
  };
  try {
    for (const name of ['HEAD', join('logs', 'HEAD')]) look(join(place.gitDir, name));
    return walk(place.path) ? { text: lines.join('\0'), newestMs } : undefined;
  } catch {
    // Gone or not to be read, or a name that is no text: then it is looked at in full.
    return undefined;
  }
}

/** Remembers that all there was in a slot when these stamps were taken, at `atMs`, is held. */
export function settle(repo: Repository, path: string, stamps: Stamps | undefined, atMs: number): void {
  if (repo.objects === undefined) return;
  const known = settled.get(repo.objects) ?? new Map<string, string>();
  settled.set(repo.objects, known);
  if (stamps !== undefined && stamps.newestMs < atMs - RACY_MS) known.set(path, stamps.text);
  else known.delete(path);
}

/** Whether a slot is as it was then. */
export function isSettled(
  repo: Repository,
  place: { readonly path: string; readonly gitDir: string },
): boolean {
  const known = repo.objects && settled.get(repo.objects)?.get(place.path);
  return known !== undefined && stampsOf(place)?.text === known;
}
