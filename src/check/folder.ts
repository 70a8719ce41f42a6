/** Makes a fresh worktree ready: files of the user's that git does not hold, then the setup commands. */
import { constants, type Stats } from 'node:fs';
import { copyFile, lstat, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { err, ok, type Result } from '../model/result.js';
import { plainText } from '../process/plain.js';
import { lastLine, runLine, type ShellRequest } from './shell.js';

export interface FolderRequest extends ShellRequest {
  /** The user's checkout. */
  readonly root: string;
  /** Files and folders to bring from there, relative to it. */
  readonly copy: readonly string[];
  /** Shell command lines. */
  readonly setup: readonly string[];
}

export interface FolderFailure {
  readonly kind: 'refused' | 'failed' | 'unstartable' | 'cancelled';
  /** `copy .env`, or the setup command. */
  readonly step: string;
  /** One clause for people. */
  readonly message: string;
}

/**
 * Copies, then runs the setup; stops at the first step that fails. What is in the folder already is never
 * overwritten. `told` says what was skipped and why.
 */
export async function prepareFolder(
  request: FolderRequest,
): Promise<Result<{ readonly told: readonly string[] }, FolderFailure>> {
  const told: string[] = [];
  for (const name of request.copy) {
    const step = `copy ${plainText(name)}`;
    try {
      told.push(...(await bring(request.root, request.path, name)));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return err({ kind: error instanceof Refusal ? 'refused' : 'failed', step, message });
    }
  }
  for (const line of request.setup) {
    const step = plainText(line);
    const end = await runLine(line, request);
    if (end.kind === 'passed') continue;
    const exit = end.exit === undefined ? '' : ` (exit ${end.exit})`;
    const why = lastLine(end.tail) === '' ? '' : `: ${lastLine(end.tail)}`;
    switch (end.kind) {
      case 'cancelled':
        return err({ kind: 'cancelled', step, message: 'cancelled' });
      case 'unstartable':
        return err({ kind: 'unstartable', step, message: `setup \`${step}\` could not start${exit}${why}` });
      case 'failed':
      case 'timed-out':
        return err({ kind: 'failed', step, message: `setup \`${step}\` failed${exit}${why}` });
    }
  }
  return ok({ told });
}

/** Something that we will not copy, whatever the configuration says. */
class Refusal extends Error {}

async function bring(root: string, path: string, name: string): Promise<string[]> {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (isAbsolute(name) || parts.length === 0 || parts.includes('..') || name.includes('\0')) {
    throw new Refusal(`${plainText(name)} must be a path inside the repository`);
  }
  const shown = plainText(parts.join('/'));
  const source = await walk(root, parts, 'your checkout');
  if (source === undefined) return [`copy: ${shown} is not in your checkout, skipped`];
  return bringEntry(source, root, path, parts);
}

async function bringEntry(
  source: Stats,
  root: string,
  path: string,
  parts: readonly string[],
): Promise<string[]> {
  const shown = plainText(parts.join('/'));
  if (parts.some((part) => part.toLowerCase() === '.git')) {
    throw new Refusal(`${shown} belongs to git and is not copied`);
  }
  const from = join(root, ...parts);
  const to = join(path, ...parts);
  const there = await walk(path, parts, 'the worktree');
  if (source.isDirectory()) {
    if (there !== undefined && !there.isDirectory()) return [kept(shown)];
    await mkdir(to, { recursive: true });
    const told: string[] = [];
    for (const name of (await readdir(from)).sort()) {
      const inner = [...parts, name];
      const entry = await walk(root, inner, 'your checkout');
      if (entry !== undefined) told.push(...(await bringEntry(entry, root, path, inner)));
    }
    return told;
  }
  if (!source.isFile()) throw new Refusal(`${shown} is neither a file nor a folder`);
  if (there !== undefined) {
    const same = there.isFile() && (await readFile(from)).equals(await readFile(to));
    return same ? [] : [kept(shown)];
  }
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  return [];
}

const kept = (shown: string): string =>
  `copy: ${shown} is in the worktree already and differs from yours, left as it is`;

/**
 * What lies at the end of these parts, no link followed on the way; undefined where nothing does. A link
 * would lead out of the folder, and in the worktree it may be an agent's.
 */
async function walk(base: string, parts: readonly string[], where: string): Promise<Stats | undefined> {
  let stats: Stats | undefined;
  for (let depth = 1; depth <= parts.length; depth += 1) {
    const some = parts.slice(0, depth);
    try {
      stats = await lstat(join(base, ...some));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
    if (stats.isSymbolicLink()) {
      throw new Refusal(
        `${plainText(some.join('/'))} is a symbolic link in ${where}: name what it points to`,
      );
    }
  }
  return stats;
}
