/** Compaction: journals of finished runs are packed once newer ones have piled up on them. */
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { isNoRoom, nodeDisk } from './disk.js';
import { isPacked, packedName } from './packed.js';
import { listRuns } from './runs.js';

/** So many of the newest runs stay as they were written, for `tail` and `grep`. */
const PLAIN_RUNS = 10;

/**
 * Packs the journals of finished runs but for the ten newest. The caller holds the lock. Whatever interrupts it, each
 * journal is whole in one place or in two. Returns the runs that were packed; the rest waits where there is no room.
 */
export async function packJournals(
  stateDir: string,
  isFinished: (run: string) => boolean,
): Promise<readonly string[]> {
  const packed: string[] = [];
  for (const { run, file } of (await listRuns(stateDir)).slice(0, -PLAIN_RUNS)) {
    if (isPacked(file) || !isFinished(run)) continue;
    if (!(await pack(file))) break;
    packed.push(run);
  }
  return packed;
}

async function pack(journal: string): Promise<boolean> {
  const part = `${journal}.part`;
  const bytes = await promisify(gzip)(await readFile(journal));
  try {
    const file = await open(part, 'w', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    await unlink(part);
    return false;
  }
  await rename(part, packedName(journal));
  await nodeDisk.syncFolder(dirname(journal));
  await unlink(journal);
  return true;
}
