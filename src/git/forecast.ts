/**
 * Whether works will merge: tried without a checkout, as a candidate would be made, in one process for all of
 * them. What the merges write goes to a folder that is removed at once: nothing of it is ever needed.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import { attributesFolder, mergeSettings } from './candidate.js';
import type { Repository } from './index.js';

export type Forecast =
  /** For each pair, in their order: the files in conflict, none where it merges by itself. */
  | { readonly kind: 'tried'; readonly files: readonly (readonly string[])[] }
  | { readonly kind: 'refused'; readonly message: string };

/** Tries `ours` merged into `onto`, pair by pair, by the attributes of `head`. */
export async function tryMerges(
  repo: Repository,
  head: Oid,
  pairs: readonly { readonly onto: Oid; readonly ours: Oid }[],
  signal: AbortSignal,
): Promise<Forecast> {
  const folder = await attributesFolder(repo, head);
  const scratch = join(repo.stateDir, 'tmp', `${randomUUID()}.objects`);
  await mkdir(scratch, { recursive: true });
  try {
    const answer = await repo.git({
      args: ['merge-tree', '--write-tree', '--stdin', '-z', '--name-only', '--no-messages'],
      cwd: folder,
      input: pairs.map(({ onto, ours }) => `${onto} ${ours}\n`).join(''),
      signal,
      env: {
        GIT_DIR: repo.commonDir,
        GIT_WORK_TREE: folder,
        GIT_ATTR_NOSYSTEM: '1',
        GIT_OBJECT_DIRECTORY: scratch,
        // Quoted: a path may hold what git would split it at.
        GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(join(repo.commonDir, 'objects')),
        ...(await mergeSettings(repo)),
      },
    });
    const files = answer.code === 0 ? readForecast(answer.stdout.toString('utf8')) : undefined;
    if (files?.length === pairs.length) return { kind: 'tried', files };
    const said = answer.stderr.trim().split('\n')[0];
    return { kind: 'refused', message: said === undefined || said === '' ? `exit ${answer.code}` : said };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** For each merge `1` (clean) or `0`, the tree, the files in conflict, each ended by a NUL, and one more NUL. */
function readForecast(text: string): string[][] {
  const merges: string[][] = [];
  const parts = text.split('\0');
  for (let at = 0; at + 1 < parts.length; ) {
    const isClean = parts[at] === '1';
    const end = parts.indexOf('', at + 2);
    if (end < 0) break;
    const files = parts.slice(at + 2, end);
    // A conflict between whole folders may name no file.
    merges.push(isClean ? [] : files.length > 0 ? [...new Set(files)] : ['.']);
    at = end + 1;
  }
  return merges;
}
