/**
 * Submodules in slots: filled from the copies that the user's repository has of them, never from the network,
 * and what an agent committed in one taken back there.
 *
 * A slot's submodules are made anew whenever the slot is: their git directories are as little to be believed
 * as any that an agent worked in. Those that the user has not initialised stay empty here, too.
 */
import { lstat, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import type { Repository } from './index.js';
import { configEnv, nulList, plainPath, type RawPath, rawPath, shownPath } from './snapshot.js';

interface Submodule {
  readonly name: string;
  readonly path: RawPath;
  /** The user's copy of it: a git directory. */
  readonly store: string;
}

/** Makes the submodules of a folder empty, as a fresh checkout has them. */
export async function emptySubmodules(repo: Repository, folder: string, gitDir: string): Promise<void> {
  await rm(join(gitDir, 'modules'), { recursive: true, force: true });
  for (const { path } of await submodulesIn(repo, folder)) {
    const at = join(folder, plainPath(path));
    const info = await lstat(at).catch(() => undefined);
    if (!info?.isDirectory()) continue;
    await rm(at, { recursive: true, force: true });
    await mkdir(at);
  }
}

/** Fills the submodules of a folder that has just been made equal to a commit. Returns sentences. */
export async function fillSubmodules(repo: Repository, folder: string): Promise<string[]> {
  const told: string[] = [];
  for (const { name, path, store } of await submodulesIn(repo, folder)) {
    const info = await lstat(join(folder, plainPath(path))).catch(() => undefined);
    if (!info?.isDirectory()) continue;
    const filled = await repo.git({
      args: ['--literal-pathspecs', 'submodule', 'update', '--init', '--force', '--', plainPath(path)],
      cwd: folder,
      // What the configuration says already, `init` does not write there.
      env: configEnv([
        [`submodule.${name}.url`, store],
        [`submodule.${name}.active`, 'true'],
        [`submodule.${name}.update`, 'checkout'],
        ['protocol.file.allow', 'always'],
      ]),
    });
    if (filled.code !== 0) {
      const why = filled.stderr.trim().split('\n').at(-1) ?? '';
      told.push(`the submodule ${shownPath(path)} could not be filled: ${shownPath(rawPath(why))}`);
    }
  }
  return told;
}

/**
 * Takes commits that an agent made in submodules into the user's copies of them, so that what the work points
 * to is there. `links` are the submodules that the work points to anew. Returns sentences.
 */
export async function takeSubmodules(
  repo: Repository,
  folder: string,
  gitDir: string,
  links: readonly { readonly path: RawPath; readonly oid: Oid }[],
): Promise<string[]> {
  if (links.length === 0) return [];
  const known = await submodulesIn(repo, folder);
  const told: string[] = [];
  for (const { path, oid } of links) {
    const shown = shownPath(path);
    const module = known.find((one) => one.path === path);
    if (module === undefined) {
      told.push(`the submodule ${shown} points to ${oid.slice(0, 12)}, of which there is no copy here`);
      continue;
    }
    const call = { cwd: module.store, env: { GIT_DIR: module.store } };
    const has = (): Promise<{ code: number }> =>
      repo.git({ ...call, args: ['cat-file', '-e', `${oid}^{commit}`] });
    if ((await has()).code === 0) continue;
    await repo.git({
      ...call,
      args: [
        'fetch',
        '--quiet',
        '--no-tags',
        '--no-write-fetch-head',
        '--no-auto-maintenance',
        '--no-recurse-submodules',
        '--',
        join(gitDir, 'modules', module.name),
        `+HEAD:refs/mstone/submodules/${oid}`,
      ],
      env: { ...call.env, ...configEnv([['protocol.file.allow', 'always']]) },
    });
    const kept = join(module.store, 'refs', 'mstone', 'submodules');
    told.push(
      (await has()).code === 0
        ? `the submodule ${shown} has a commit of the agent's, ${oid.slice(0, 12)}, kept below ${kept}; push it before you push this`
        : `the submodule ${shown} points to ${oid.slice(0, 12)}, which could not be taken from the slot`,
    );
  }
  return told;
}

/** Those of a folder of which the user has a copy. */
async function submodulesIn(repo: Repository, folder: string): Promise<Submodule[]> {
  const file = join(folder, '.gitmodules');
  const info = await lstat(file).catch(() => undefined);
  if (!info?.isFile()) return [];
  const listed = await repo.git({
    args: ['config', '-z', '--file', file, '--no-includes', '--get-regexp', '^submodule\\..*\\.path$'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
  });
  if (listed.code !== 0) return [];
  const found: Submodule[] = [];
  for (const entry of nulList(listed.stdout)) {
    const at = entry.indexOf('\n');
    const name = plainPath(entry.slice('submodule.'.length, at - '.path'.length));
    const path = entry.slice(at + 1);
    // Names are folders below `modules`, and an agent may have written them.
    if (![name, path].every((text) => text.split('/').every((part) => !/^(?:|\.|\.\.|\.git)$/i.test(part)))) {
      continue;
    }
    const store = join(repo.commonDir, 'modules', name);
    if ((await lstat(join(store, 'HEAD')).catch(() => undefined))?.isFile())
      found.push({ name, path, store });
  }
  return found;
}
