/**
 * Keeps what a commit cannot hold: ignored files, repositories within the folder, files that are too big.
 * An archive is a plain copy with the same paths, so that anybody can look into it.
 */
import { constants } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { onDisk, type RawPath } from './snapshot.js';

/** Together, so that one build folder does not fill the disk night by night. */
export const ARCHIVE_BYTES = 200_000_000;

export interface Archived {
  /** What the archive holds, as asked for. */
  readonly kept: readonly RawPath[];
  /** What did not fit any more. */
  readonly tooMuch: readonly RawPath[];
  /** What tools can make again: `node_modules`, and folders that say so by a `CACHEDIR.TAG`. */
  readonly regenerable: readonly RawPath[];
  /** What is neither file, folder nor link, or could not be read. */
  readonly unreadable: readonly RawPath[];
}

interface Piece {
  readonly path: RawPath;
  readonly bytes: number;
  readonly tagged: boolean;
}

/**
 * Copies files and folders of `folder` to `to`, smallest first while they fit. Links are copied as links
 * and never followed. An archive that is there already is replaced as a whole: writing into it could
 * follow a link that it holds. With nothing to keep, nothing is made.
 */
export async function archive(
  folder: string,
  paths: readonly RawPath[],
  to: string,
  limit = ARCHIVE_BYTES,
): Promise<Archived> {
  const pieces: Piece[] = [];
  const regenerable: RawPath[] = [];
  for (const path of paths) {
    const plain = path.replace(/\/$/, '');
    const piece = await measure(folder, plain, limit);
    if (piece === undefined) continue;
    if (piece.tagged) regenerable.push(plain);
    else pieces.push(piece);
  }
  pieces.sort((a, b) => a.bytes - b.bytes || (a.path < b.path ? -1 : 1));

  const part = `${to}.part`;
  const kept: RawPath[] = [];
  const tooMuch: RawPath[] = [];
  const unreadable: RawPath[] = [];
  let left = limit;
  await rm(part, { recursive: true, force: true });
  for (const piece of pieces) {
    if (piece.bytes > left) {
      tooMuch.push(piece.path);
      continue;
    }
    left -= piece.bytes;
    await mkdir(onDisk(part, dirname(piece.path)), { recursive: true, mode: 0o700 });
    await copy(folder, part, piece.path, unreadable);
    kept.push(piece.path);
  }
  if (kept.length > 0) {
    await rm(to, { recursive: true, force: true });
    await rename(part, to);
  }
  return { kept, tooMuch, regenerable, unreadable };
}

/** The size of a path, counted no further than needed; undefined where nothing is there. */
async function measure(folder: string, path: RawPath, limit: number): Promise<Piece | undefined> {
  const info = await lstat(onDisk(folder, path)).catch(() => undefined);
  if (info === undefined) return undefined;
  if (!info.isDirectory()) return { path, bytes: info.size, tagged: false };
  if (path.split('/').at(-1) === 'node_modules') return { path, bytes: 0, tagged: true };
  const tag = await lstat(onDisk(folder, `${path}/CACHEDIR.TAG`)).catch(() => undefined);
  if (tag?.isFile()) return { path, bytes: 0, tagged: true };
  let bytes = 0;
  const walk = async (at: RawPath): Promise<void> => {
    for (const entry of (await entriesOf(folder, at)) ?? []) {
      if (bytes > limit) return;
      const below = `${at}/${entry.name}`;
      if (entry.isDirectory()) await walk(below);
      else bytes += (await lstat(onDisk(folder, below)).catch(() => undefined))?.size ?? 0;
    }
  };
  await walk(path);
  return { path, bytes, tagged: false };
}

const entriesOf = (folder: string, path: RawPath) =>
  readdir(onDisk(folder, path), { encoding: 'latin1', withFileTypes: true }).catch(() => undefined);

async function copy(folder: string, to: string, path: RawPath, unreadable: RawPath[]): Promise<void> {
  const from = onDisk(folder, path);
  const target = onDisk(to, path);
  const info = await lstat(from).catch(() => undefined);
  if (info === undefined) return;
  if (info.isDirectory()) {
    await mkdir(target, { recursive: true, mode: 0o700 });
    const entries = await entriesOf(folder, path);
    if (entries === undefined) unreadable.push(path);
    for (const entry of entries ?? []) await copy(folder, to, `${path}/${entry.name}`, unreadable);
  } else if (info.isSymbolicLink()) {
    await symlink(await readlink(from, { encoding: 'buffer' }), target);
  } else if (info.isFile()) {
    try {
      await copyFile(from, target, constants.COPYFILE_FICLONE);
      await chmod(target, (info.mode & 0o700) | 0o600);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOENT') throw error;
      unreadable.push(path);
    }
  } else {
    unreadable.push(path);
  }
}
