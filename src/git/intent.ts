/**
 * The landing that is under way, on disk before anything moves: `<stateDir>/landing/<ref>.json`, where
 * `<ref>` is the beginning of the SHA-256 of the ref's name.
 *
 * One JSON object: what is moved from where to where, in which worktree, by whom, and which lock files
 * git takes for it. It is removed when the landing has ended, so finding one means that it did not. One
 * file per ref, since a branch whose checkout cannot be mended at once must not stop its shadow.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, readlink, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Oid } from '../model/outcome.js';
import { isAlive, type ProcessIdentity, selfIdentity } from '../process/identity.js';
import { runShort } from '../process/short.js';
import { endTagged, findTagged } from '../process/tagged.js';
import { listWorktrees, type Repository } from './index.js';

/** A ref to change together with others: all or none. */
export interface RefChange {
  readonly ref: string;
  /** Where it must be now; undefined: it must not exist. */
  readonly old: Oid | undefined;
  /** Undefined deletes it. */
  readonly new: Oid | undefined;
}

export interface Intent {
  readonly v: 1;
  readonly ref: string;
  readonly old?: Oid;
  readonly new: Oid;
  readonly also: readonly RefChange[];
  /** The checkout that moves along, with the git directory of that worktree. */
  readonly checkout?: { readonly path: string; readonly gitDir: string };
  /** Locks that git takes for this, absolute. */
  readonly locks: readonly string[];
  /** Tag of every process started for this. */
  readonly tag: string;
  readonly writer: ProcessIdentity;
}

/** git processes of a dead mstone end by themselves; this is how long they are waited for, ms. */
const WAIT_MS = 10_000;
/** A lock may look this much older than the intent before it: file systems round, ms. */
const ROUNDING_MS = 2_000;
/** No git but one that waits for its user holds a lock for so long, ms. */
const STALE_MS = 500;

const intentsDir = (repo: Repository): string => join(repo.stateDir, 'landing');

const intentFile = (repo: Repository, ref: string): string =>
  join(intentsDir(repo), `${createHash('sha256').update(ref).digest('hex').slice(0, 16)}.json`);

/** On disk, and its name too, when this returns. */
export async function writeIntent(repo: Repository, intent: Omit<Intent, 'v' | 'writer'>): Promise<void> {
  const file = intentFile(repo, intent.ref);
  await mkdir(intentsDir(repo), { recursive: true });
  const whole: Intent = { v: 1, ...intent, writer: selfIdentity() };
  const handle = await open(`${file}.new`, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(whole));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export async function removeIntent(repo: Repository, ref: string): Promise<void> {
  await rm(intentFile(repo, ref), { force: true });
}

/** The landings that did not end. */
export async function readIntents(repo: Repository): Promise<Intent[]> {
  const names = await readdir(intentsDir(repo)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const texts = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => readFile(join(intentsDir(repo), name), 'utf8')),
  );
  return texts.flatMap((text) => {
    const intent = parse(text);
    return intent?.v === 1 ? [intent] : [];
  });
}

/** Undefined for what a failing disk made of it: it tells nothing that could be acted upon. */
function parse(text: string): Intent | undefined {
  try {
    return JSON.parse(text) as Intent;
  } catch {
    return undefined;
  }
}

/** Whether another living process is at it. What this one left was an exception, and is over. */
export const isAnothers = (intent: Intent): boolean =>
  intent.writer.pid !== process.pid && isAlive(intent.writer);

/** Waits until no git started for the intent lives, so that nothing moves while we look; then ends it. */
export async function awaitProcesses(intent: Intent): Promise<void> {
  for (let waited = 0; waited < WAIT_MS; waited += 50) {
    if ((await findTagged(intent.tag)).length === 0) return;
    await sleep(50);
  }
  await endTagged(intent.tag);
}

/**
 * Removes the locks that the intent names and a dead git left: younger than the intent, unchanged for a
 * while, and no git at work in any worktree that could hold them. Gives those that had to stay.
 */
export async function removeStaleLocks(repo: Repository, intent: Intent): Promise<string[]> {
  const begun = await stat(intentFile(repo, intent.ref)).catch(() => undefined);
  const left: string[] = [];
  for (const lock of intent.locks) {
    const found = await stat(lock).catch(() => undefined);
    if (found === undefined) continue;
    if (begun === undefined || found.mtimeMs < begun.mtimeMs - ROUNDING_MS) {
      left.push(lock);
      continue;
    }
    // One that a living git has just taken is gone, or another file, a moment later.
    await sleep(STALE_MS);
    const later = await stat(lock).catch(() => undefined);
    if (later === undefined) continue;
    const isSame = later.ino === found.ino && later.mtimeMs === found.mtimeMs;
    const folders = [repo.commonDir, ...(await listWorktrees(repo)).map(({ path }) => path)];
    if (intent.checkout !== undefined) folders.push(intent.checkout.path, intent.checkout.gitDir);
    if (isSame && !(await isGitIn(folders))) await rm(lock, { force: true });
    else left.push(lock);
  }
  return left;
}

/** Whether a git works in one of these folders. Where the system does not tell where: any git counts. */
async function isGitIn(folders: readonly string[]): Promise<boolean> {
  if (process.platform !== 'linux') {
    const outcome = await runShort({
      command: 'ps',
      args: ['-ax', '-o', 'comm='],
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    });
    return outcome.kind !== 'exited' || /(^|\/)git(-[\w-]+)?\s*$/m.test(outcome.stdout.toString('utf8'));
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    // Gone meanwhile, or another user's.
    const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
    if (!/^git(-|$)/.test(basename(program))) continue;
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (folders.some((folder) => cwd === folder || cwd.startsWith(folder + sep))) return true;
  }
  return false;
}
