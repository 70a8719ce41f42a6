/** What a checkout holds otherwise than its HEAD. */
import type { Repository } from './index.js';
import { need } from './plumbing.js';

/**
 * Files under `paths` (files or folders, relative to the root) that HEAD does not hold as they are on
 * disk: new, changed or gone. An ignored file counts when it is named itself.
 */
export async function uncommitted(
  repo: Pick<Repository, 'git' | 'root'>,
  paths: readonly string[],
): Promise<string[]> {
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
  return text
    .split('\0')
    .filter((line) => line !== '')
    .filter((line) => !line.startsWith('!!') || paths.includes(line.slice(3)))
    .map((line) => line.slice(3))
    .sort();
}
