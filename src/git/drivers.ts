/** Merge drivers are programs of the configuration's choice: none of them runs in a merge of ours. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Repository } from './index.js';
import type { Objects } from './objects.js';
import { GitError } from './plumbing.js';

/** The settings that switch every merge driver off which a configuration names. */
export async function driversOff(repo: Repository): Promise<readonly (readonly [string, string])[]> {
  const stamp = stampOf(repo);
  const known = repo.objects && asked.get(repo.objects);
  if (known?.stamp === stamp) return known.settings;
  const args = ['config', '-z', '--name-only', '--get-regexp', '^merge\\..*\\.driver$'];
  const named = await repo.git({ args, cwd: repo.commonDir, env: { GIT_DIR: repo.commonDir } });
  if (named.code > 1) throw new GitError(args, named.code, named.stderr);
  const names = new Set(named.text.split('\0').filter((name) => name !== ''));
  const settings = [...names].map((name) => [name, 'false'] as const);
  if (repo.objects !== undefined) asked.set(repo.objects, { stamp, settings });
  return settings;
}

const asked = new WeakMap<
  Objects,
  { readonly stamp: string; readonly settings: readonly (readonly [string, string])[] }
>();

/** Changes with each file that git reads its settings from (git-config(1), FILES). */
function stampOf({ commonDir, env }: Repository): string {
  const files = [
    join(commonDir, 'config'),
    join(commonDir, 'config.worktree'),
    '/etc/gitconfig',
    ...[env.GIT_CONFIG_SYSTEM, env.GIT_CONFIG_GLOBAL].flatMap((file) => file ?? []),
    ...(env.HOME === undefined
      ? []
      : [join(env.HOME, '.gitconfig'), join(env.HOME, '.config', 'git', 'config')]),
    ...(env.XDG_CONFIG_HOME === undefined ? [] : [join(env.XDG_CONFIG_HOME, 'git', 'config')]),
  ];
  return files
    .map((file) => {
      try {
        const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
        return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
      } catch (error) {
        // Not there, or where a folder on the way would be is a file; git says what else is wrong with it.
        return (error as NodeJS.ErrnoException).code ?? '';
      }
    })
    .join('|');
}
