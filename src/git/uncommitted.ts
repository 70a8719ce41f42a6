/** What a checkout holds otherwise than its HEAD. */
import type { Repository } from './index.js';
import { need } from './plumbing.js';

type Checkout = Pick<Repository, 'git' | 'root'>;

/**
 * Files under `paths` (files or folders, relative to the root) that HEAD does not hold as they are on
 * disk: new, changed or gone. An ignored file counts when it is named itself.
 */
export async function uncommitted(repo: Checkout, paths: readonly string[]): Promise<string[]> {
  return (await readStatus(repo, paths))
    .filter((line) => !line.startsWith('!!') || paths.includes(line.slice(3)))
    .map((line) => line.slice(3))
    .sort();
}

/** Whether there is nothing else under `paths` than what HEAD holds as it is on disk: nothing ignored either. */
export const isAllTracked = async (repo: Checkout, paths: readonly string[]): Promise<boolean> =>
  (await readStatus(repo, paths)).length === 0;

async function readStatus(repo: Checkout, paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) return [];
  const text = await need(repo.git, {
    args: [
      '--literal-pathspecs',
      'status',
      '--porcelain=v1',
      '-z',
      '--untracked-files=all',
      '--ignored=matching',
      '--ignore-submodules=none',
      '--no-renames',
      '--',
      ...paths,
    ],
    cwd: repo.root,
  });
  return text.split('\0').filter((line) => line !== '');
}
