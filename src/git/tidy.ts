/**
 * What mstone keeps in a repository for itself, and what proves that it may go: slots, and refs whose
 * commits others hold.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import type { Repository } from './index.js';
import { GitError, need } from './plumbing.js';
import { CLONE_PREFIX, type Isolation, SLOT_PREFIX, slotPlace } from './slots.js';

/** A slot as git or the disk knows it. */
export interface KnownSlot {
  readonly slotsDir: string;
  readonly slot: number;
  readonly isolation: Isolation;
  readonly path: string;
  /**
   * `broken`: git knows it and its folder does not lead there, or is gone. `orphan`: a folder that git does
   * not know.
   */
  readonly state: 'whole' | 'broken' | 'orphan';
}

export interface KnownSlots {
  readonly slots: readonly KnownSlot[];
  /** Git directories under a slot's name whose folder cannot be told. */
  readonly strange: readonly string[];
}

/** Names this repository in the path of its slots, wherever they are. */
export const slotsKey = (repo: Pick<Repository, 'commonDir'>): string =>
  createHash('sha256').update(repo.commonDir).digest('hex').slice(0, 12);

/** All slots of a repository: those in `slotsDir`, and those of earlier settings. */
export async function findSlots(repo: Repository, slotsDir: string): Promise<KnownSlots> {
  const slots: KnownSlot[] = [];
  const strange: string[] = [];
  const folder = join(repo.commonDir, 'worktrees');
  for (const name of (await namesIn(folder)).filter((one) => one.startsWith(SLOT_PREFIX))) {
    const slot = Number(/^(\d{1,4})-/.exec(name.slice(SLOT_PREFIX.length))?.[1]);
    const link = (await readFile(join(folder, name, 'gitdir'), 'utf8').catch(() => '')).trim();
    // An agent can write there: only what lies where a slot of this repository would lie counts.
    const dir = [slotsDir, dirname(dirname(link))].find(
      (one) => isSlotsFolder(repo, one, slotsDir) && slotPlace(repo, one, slot).name === name,
    );
    if (dir === undefined) strange.push(join(folder, name));
    else {
      const { path } = slotPlace(repo, dir, slot);
      const back = await readFile(join(path, '.git'), 'utf8').catch(() => '');
      const isWhole = back.trim() === `gitdir: ${join(folder, name)}`;
      slots.push({ slotsDir: dir, slot, isolation: 'worktree', path, state: isWhole ? 'whole' : 'broken' });
    }
  }
  for (const name of await namesIn(slotsDir)) {
    const isClone = name.startsWith(CLONE_PREFIX);
    const number = isClone ? name.slice(CLONE_PREFIX.length) : name;
    const path = join(slotsDir, name);
    if (!/^[1-9]\d{0,3}$/.test(number) || slots.some((one) => one.path === path)) continue;
    if (!(await stat(path)).isDirectory()) continue;
    const found = { slotsDir, slot: Number(number), path };
    slots.push(
      isClone
        ? { ...found, isolation: 'clone', state: 'whole' }
        : { ...found, isolation: 'worktree', state: 'orphan' },
    );
  }
  return { slots: slots.sort((a, b) => a.slot - b.slot), strange };
}

function isSlotsFolder(repo: Repository, dir: string, current: string): boolean {
  const own = basename(dir) === 'slots' ? dirname(dir) : dir;
  return dir === current || basename(own).endsWith(`-${slotsKey(repo)}`);
}

/**
 * Of the refs at or below `prefixes` those whose commits are reachable from one of `keepers`, with the
 * first that holds them.
 */
export async function heldBy(
  repo: Repository,
  prefixes: readonly string[],
  keepers: ReadonlyMap<string, Oid>,
): Promise<ReadonlyMap<string, string>> {
  const held = new Map<string, string>();
  for (const [keeper, oid] of keepers) {
    const text = await need(repo.git, {
      args: ['for-each-ref', '--format=%(refname)', `--merged=${oid}`, ...prefixes],
      cwd: repo.root,
    });
    for (const ref of text.split('\n')) if (ref !== '' && !held.has(ref)) held.set(ref, keeper);
  }
  return held;
}

/**
 * Deletes refs, all or none, provided that they and `keepers` are still where they were. False where one
 * has moved.
 */
export async function deleteRefs(
  repo: Repository,
  refs: ReadonlyMap<string, Oid>,
  keepers: ReadonlyMap<string, Oid>,
): Promise<boolean> {
  if (refs.size === 0) return true;
  const lines = [
    ...[...keepers].map(([ref, oid]) => `verify ${ref}\0${oid}\0`),
    ...[...refs].map(([ref, oid]) => `delete ${ref}\0${oid}\0`),
  ];
  const args = ['update-ref', '-z', '--no-deref', '--stdin'];
  const answer = await repo.git({ args, cwd: repo.root, input: lines.join('') });
  if (answer.code === 0) return true;
  if (/cannot lock ref|is at .* but expected/.test(answer.stderr)) return false;
  throw new GitError(args, answer.code, answer.stderr);
}

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  return names.sort();
}
