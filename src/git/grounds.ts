/** All on disk that decides what git says of the repository around a folder, and of its HEAD. */
import { existsSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { Repository } from './index.js';
import { need } from './plumbing.js';

export interface Grounds {
  /** Files, there or not, of which every change matters. Absolute. */
  readonly files: readonly string[];
  /** Folders of which it matters that they are some, and whose. Absolute. */
  readonly folders: readonly string[];
}

export interface Asked {
  readonly cwd: string;
  /** The checkout's own. */
  readonly gitDir: string;
  /** The one that is checked out. */
  readonly branch: string;
  /** Also what decides whether a file that did not change is as it is in HEAD. */
  readonly committed: boolean;
}

/** `cwd` is in the checkout. */
export async function groundsOf(
  { git, root, commonDir, env }: Pick<Repository, 'git' | 'root' | 'commonDir' | 'env'>,
  { cwd, gitDir, branch, committed }: Asked,
): Promise<Grounds> {
  const above: string[] = [];
  for (let folder = cwd; folder !== root; folder = dirname(folder)) above.push(folder);
  const home = env.HOME ?? '';
  const xdg = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'git');
  return {
    folders: [root, gitDir],
    files: [
      ...programs(env.PATH ?? '', cwd),
      // Another repository within this one, or a folder that looks like a bare one.
      ...above.flatMap((folder) => [join(folder, '.git'), join(folder, 'HEAD')]),
      join(root, '.git'),
      ...['HEAD', 'commondir', 'config.worktree'].map((name) => join(gitDir, name)),
      ...['config', 'shallow', 'packed-refs', 'reftable/tables.list', `refs/heads/${branch}`].map((name) =>
        join(commonDir, name),
      ),
      ...[join(home, '.gitconfig'), join(xdg, 'config'), '/etc/gitconfig'],
      ...[env.GIT_CONFIG_SYSTEM, env.GIT_CONFIG_GLOBAL].flatMap((file) => (file ? [resolve(cwd, file)] : [])),
      ...(await configured(git, root, home)),
      ...(committed
        ? [join(gitDir, 'index'), join(commonDir, 'info', 'attributes'), join(xdg, 'attributes')]
        : []),
    ],
  };
}

/** The git that is on the PATH, and where one would be before it. */
function programs(path: string, cwd: string): string[] {
  const name = process.platform === 'win32' ? 'git.exe' : 'git';
  const places = path.split(delimiter).map((folder) => resolve(cwd, folder, name));
  return places.slice(0, places.findIndex((place) => existsSync(place)) + 1);
}

/** Files that configure git here, and those that would be included if they were there or applied. */
async function configured(git: Repository['git'], root: string, home: string): Promise<string[]> {
  const text = await need(git, { args: ['config', '--list', '--show-origin', '-z'], cwd: root });
  const files = new Set<string>();
  const parts = text.split('\0');
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [, file] = /^file:(.*)$/s.exec(parts[at] ?? '') ?? [];
    if (file === undefined) continue;
    const origin = resolve(root, file);
    files.add(origin);
    const [, named] = /^(?:include|includeif\..*)\.path\n(.*)$/s.exec(parts[at + 1] ?? '') ?? [];
    if (named !== undefined) files.add(resolve(dirname(origin), named.replace(/^~(?=\/)/, home)));
  }
  return [...files];
}
