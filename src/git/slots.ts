/**
 * Slots: linked worktrees outside the user's checkout, with a detached HEAD, that milestones take in turn.
 *
 * A slot belongs to mstone, but agents work in it, so nothing about it is taken for granted: its folder
 * may be a link, its `.git` deleted, its git directory full of half-done operations. Preparing it ends in
 * a folder equal to a commit's tree or in a sentence that says why not. What is found there and held by no
 * ref becomes a commit first.
 *
 * `git worktree add` and `remove` walk the git directories of all worktrees and fail on one that is half
 * made: both go through the caller's one lane. Checking out does not, and is what takes the time.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import { err, ok, type Result } from '../model/result.js';
import { archive } from './archive.js';
import { cloneHead, makeClone, takeOver } from './clone.js';
import { driversOff } from './drivers.js';
import { pin, type Repository, readIdentity, signedBy } from './index.js';
import { type GitAnswer, type GitCall, GitError } from './plumbing.js';
import { nameIndex, settledAs } from './settled.js';
import {
  configEnv,
  copyIndex,
  indexIn,
  indexInfo,
  nulList,
  onDisk,
  places,
  plainPath,
  type RawPath,
  rawPath,
  settingsOf,
  shownPath,
  strayRepositories,
  takeSnapshot,
  WHOLE,
} from './snapshot.js';
import { conePatterns } from './sparse.js';
import { emptySubmodules, fillSubmodules } from './submodules.js';

/** `worktree`: linked to the repository, sharing its refs. `clone`: a repository of its own (`clone.ts`). */
export type Isolation = 'worktree' | 'clone';

/** Runs one act at a time over all slots of a repository. */
export type Lane = <T>(act: () => Promise<T>) => Promise<T>;

export interface SlotWanted {
  /** Absolute, outside the checkout, and no other repository's. */
  readonly slotsDir: string;
  readonly slot: number;
  /** `worktree` where it is not said. */
  readonly isolation?: Isolation;
  readonly commit: Oid;
  /** A head to merge into it, conflict markers and all. */
  readonly merge?: Oid;
  /** Of the commit's files, only those in these folders and on the way there (`sparse.ts`); all where it is not said. */
  readonly cone?: readonly string[];
  /** Paths in the slot that outlive the cleaning. */
  readonly keep: readonly string[];
  /** Paths that were copied into the slot: never part of what is rescued. */
  readonly copied?: readonly string[];
  /** Under it (`refs/mstone/…`) is pinned what the slot held and no ref did. */
  readonly rescueRef: string;
  readonly lane: Lane;
}

export interface PreparedSlot {
  readonly path: string;
  /** What it holds where that is not all: for its harvest. */
  readonly cone?: readonly string[];
  /** Files in conflict, from the repository's root; empty without `merge` or where it was clean. */
  readonly conflicts: readonly string[];
  /** What the user should know. */
  readonly told: readonly string[];
}

/** Where a slot is, and under which name git knows it. */
export interface SlotPlace {
  readonly isolation: Isolation;
  readonly path: string;
  /** Of a worktree: that of its git directory under `<commonDir>/worktrees/`. */
  readonly name: string;
  /** Its git directory. */
  readonly gitDir: string;
  /** The last commit that was made of its contents: what it holds beyond that is not pinned yet. */
  readonly heldRef: string;
  /** Its index as it was when the folder was last made equal to a commit. */
  readonly seed: string;
  /** What it holds, as JSON, while it is sparse. */
  readonly coneFile: string;
}

export const SLOT_PREFIX = 'mstone-slot-';
/** Of the folder of a slot that is a repository of its own. */
export const CLONE_PREFIX = 'clone-';

/** Names are made of the number and the place, so that no worktree of the user's shares one. */
export function slotPlace(
  repo: Repository,
  slotsDir: string,
  slot: number,
  isolation: Isolation = 'worktree',
): SlotPlace {
  const where = createHash('sha256').update(slotsDir).digest('hex').slice(0, 8);
  const isClone = isolation === 'clone';
  const name = isClone ? `mstone-clone-${slot}-${where}` : `${SLOT_PREFIX}${slot}-${where}`;
  const path = join(slotsDir, isClone ? `${CLONE_PREFIX}${slot}` : String(slot));
  return {
    isolation,
    path,
    name,
    gitDir: isClone ? join(path, '.git') : join(repo.commonDir, 'worktrees', name),
    heldRef: `refs/mstone/slots/${name}`,
    seed: join(repo.stateDir, 'slots', `${name}.index`),
    coneFile: join(repo.stateDir, 'slots', `${name}.cone.json`),
  };
}

/** Makes a slot, or makes one equal to `commit` again. An error is a sentence. */
export async function prepareSlot(
  repo: Repository,
  wanted: SlotWanted,
): Promise<Result<PreparedSlot, string>> {
  const place = slotPlace(repo, wanted.slotsDir, wanted.slot, wanted.isolation);
  const told: string[] = [];
  const keep = places(wanted.keep);
  try {
    await makeRoom(repo, place, told);
    const settled = settledAs(repo, place);
    if (settled === undefined) await rescue(repo, place, wanted, told);
    await makeWhole(repo, place, wanted, told);
    // A merge is resolved where all of it is to be seen, and none of it is only in an index.
    const cone = wanted.merge === undefined ? wanted.cone : undefined;
    const exact = settled?.exact === true && place.isolation === 'worktree';
    await checkOut(repo, place, wanted.commit, { keep, cone, exact }, told);
    const conflicts =
      wanted.merge === undefined ? [] : await mergeInto(repo, place, wanted.commit, wanted.merge);
    told.push(...(await fillSubmodules(repo, place.path)));
    // From here on every line of the slot's log is the agent's.
    await writeLog(place);
    return ok({ path: place.path, ...(cone === undefined ? {} : { cone }), conflicts, told });
  } catch (error) {
    if (error instanceof GitError || isSystemError(error)) {
      return err(`slot ${wanted.slot} (${place.path}) could not be prepared: ${error.message}`);
    }
    throw error;
  }
}

/** Takes a slot away, folder and all, with what no ref held pinned first. A missing slot is fine. */
export async function removeSlot(
  repo: Repository,
  wanted: Pick<SlotWanted, 'slotsDir' | 'slot' | 'isolation' | 'keep' | 'copied' | 'rescueRef' | 'lane'>,
): Promise<Result<{ readonly told: readonly string[] }, string>> {
  const place = slotPlace(repo, wanted.slotsDir, wanted.slot, wanted.isolation);
  const told: string[] = [];
  try {
    await makeRoom(repo, place, told);
    await rescue(repo, place, wanted, told);
    // What stood for /tmp in the slot's sandbox.
    await removeTree(`${place.path}.tmp`);
    if (place.isolation === 'clone') await removeTree(place.path);
    else {
      await wanted.lane(async () => {
        await removeTree(place.path);
        await rm(place.gitDir, { recursive: true, force: true });
      });
    }
    await rm(place.seed, { force: true });
    await rm(place.coneFile, { force: true });
    return ok({ told });
  } catch (error) {
    if (error instanceof GitError || isSystemError(error)) {
      return err(`slot ${wanted.slot} (${place.path}) could not be removed: ${error.message}`);
    }
    throw error;
  }
}

/**
 * What a slot's HEAD stands for; undefined where it is gone, garbage or an unborn branch. The commits of a
 * repository of its own are in the user's after this, where they are whole.
 */
export async function slotHead(repo: Repository, place: SlotPlace): Promise<Oid | undefined> {
  if (place.isolation === 'clone') {
    const head = await cloneHead(place);
    const made = await commitsMadeIn(place.gitDir);
    const there = await takeOver(repo, place, [...(head === undefined ? [] : [head]), ...made]);
    return head !== undefined && there.has(head) ? head : undefined;
  }
  const read = await repo.objects?.read(`worktrees/${place.name}/HEAD^{commit}`);
  if (read?.type === 'commit') return read.oid;
  const answer = await repo.git({
    args: ['rev-parse', '--verify', '--quiet', '--end-of-options', `worktrees/${place.name}/HEAD^{commit}`],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' },
  });
  return answer.code === 0 && OID.test(answer.text) ? answer.text : undefined;
}

/**
 * Commits that were made in a slot since it was prepared, by its log: not those that were merely checked
 * out, reset to or fast-forwarded to, which may be the user's.
 */
export async function commitsMadeIn(gitDir: string): Promise<Oid[]> {
  const log = await readFile(join(gitDir, 'logs', 'HEAD'), 'latin1').catch(() => '');
  const made: Oid[] = [];
  for (const line of log.split('\n')) {
    const [facts = '', message = ''] = line.split('\t');
    const oid = facts.split(' ')[1];
    if (oid !== undefined && OID.test(oid) && isMaking(message)) made.push(oid);
  }
  return made;
}

function isMaking(message: string): boolean {
  const at = message.indexOf(': ');
  const act = at < 0 ? message : message.slice(0, at);
  if (/fast-forward$/i.test(message) || /^rebase \((start|finish|abort)\)/.test(act)) return false;
  if (/^(merge|pull)\b/.test(act)) return /^[^:]*: Merge made by/.test(message);
  return /^(commit|cherry-pick|revert|am|rebase|filter-branch)\b/.test(act);
}

/**
 * Of these commits, those that no ref holds, without those that others of them hold. `besides` are refs
 * that do not count.
 */
export async function unpinned(
  repo: Repository,
  commits: readonly Oid[],
  besides: readonly string[] = [],
): Promise<Oid[]> {
  const asked = [...new Set(commits)];
  if (asked.length === 0) return [];
  const loose = await repo.git({
    args: [
      'rev-list',
      '--ignore-missing',
      '--single-worktree',
      '--topo-order',
      '--stdin',
      '--not',
      // Views of a milestone's work are moved and rewound.
      '--exclude=refs/heads/mstone/*',
      ...besides.map((ref) => `--exclude=${ref}`),
      '--all',
    ],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' },
    input: asked.map((oid) => `${oid}\n`).join(''),
  });
  if (loose.code !== 0) throw new GitError(['rev-list'], loose.code, loose.stderr);
  const held = new Set(loose.text.split('\n'));
  const heads = asked.filter((oid) => held.has(oid));
  if (heads.length < 2) return heads;
  const tips = await repo.git({
    args: ['merge-base', '--independent', ...heads],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' },
  });
  return tips.code === 0 ? tips.text.split('\n').filter((oid) => oid !== '') : heads;
}

const OID = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

const isSystemError = (error: unknown): error is Error =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error;

/** Git in a slot, by its real git directory whatever the folder's `.git` says. */
const slotCall = (place: SlotPlace, args: readonly string[], cone?: readonly string[]): GitCall => ({
  args,
  cwd: place.path,
  env: { GIT_DIR: place.gitDir, GIT_WORK_TREE: place.path, ...configEnv(settingsOf(cone)) },
});

/**
 * A git that walks all worktrees may meet one in the making (`failed to read …/commondir: Success`), ours
 * or another program's; a moment later it is whole.
 */
async function steady(act: () => Promise<GitAnswer>): Promise<GitAnswer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await act();
    if (answer.code === 0 || tries === 6 || !/failed to read .*commondir/.test(answer.stderr)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20 * tries));
  }
}

async function needed(repo: Repository, call: GitCall): Promise<string> {
  const answer = await steady(() => repo.git(call));
  if (answer.code !== 0) throw new GitError(call.args, answer.code, answer.stderr);
  return answer.text;
}

/** A folder stands where the slot is to be; what else is there goes, links without what they lead to. */
async function makeRoom(repo: Repository, place: SlotPlace, told: string[]): Promise<void> {
  const info = await lstat(place.path).catch(() => undefined);
  if (info === undefined || info.isDirectory()) return;
  if (info.isSymbolicLink()) {
    await unlink(place.path);
    told.push(`${place.path} was a symbolic link in place of the slot; the link was removed`);
    return;
  }
  const to = await rescueFolder(repo, place);
  const name = rawPath(String(place.path.split('/').at(-1)));
  await archive(join(place.path, '..'), [name], to, Number.POSITIVE_INFINITY);
  await unlink(place.path);
  told.push(`${place.path} was a file in place of the slot; it is kept in ${to}`);
}

async function rescueFolder(repo: Repository, place: SlotPlace): Promise<string> {
  const parent = join(repo.stateDir, 'rescued');
  await mkdir(parent, { recursive: true });
  return join(parent, `${place.name}-${randomUUID().slice(0, 8)}`);
}

/** Pins what a slot holds and no ref does. */
async function rescue(
  repo: Repository,
  place: SlotPlace,
  wanted: Pick<SlotWanted, 'keep' | 'copied' | 'rescueRef' | 'slot'>,
  told: string[],
): Promise<void> {
  const head = await slotHead(repo, place);
  const made = await commitsMadeIn(place.gitDir);
  const loose = await unpinned(repo, [...(head === undefined ? [] : [head]), ...made]);
  const files = await looseFiles(repo, place, head, wanted);
  if (loose.length === 0 && files.tree === undefined && files.archived === undefined) return;

  const kept: string[] = [];
  if (files.tree !== undefined || loose.length > 0) {
    const identity = await readIdentity(repo);
    const parents = [...new Set([...(head === undefined ? [] : [head]), ...loose])];
    const commit = await needed(repo, {
      args: [
        'commit-tree',
        files.tree ?? `${head ?? loose[0]}^{tree}`,
        ...parents.flatMap((oid) => ['-p', oid]),
        '-m',
        `What slot ${wanted.slot} held`,
      ],
      cwd: repo.commonDir,
      env: {
        GIT_DIR: repo.commonDir,
        GIT_AUTHOR_NAME: identity.name,
        GIT_AUTHOR_EMAIL: identity.email,
        GIT_COMMITTER_NAME: identity.name,
        GIT_COMMITTER_EMAIL: identity.email,
      },
    });
    const ref = `${wanted.rescueRef}/${commit.slice(0, 12)}`;
    await pin(repo, ref, commit);
    await pin(repo, place.heldRef, commit);
    kept.push(ref);
  }
  if (files.archived !== undefined) kept.push(files.archived);
  told.push(
    `slot ${wanted.slot} held work that no commit or branch had; it is kept as ${kept.join(' and in ')}`,
  );
}

/** Files that neither HEAD nor the last harvest has: as a tree, and in an archive what a tree cannot hold. */
async function looseFiles(
  repo: Repository,
  place: SlotPlace,
  head: Oid | undefined,
  wanted: Pick<SlotWanted, 'keep' | 'copied'>,
): Promise<{ readonly tree?: Oid; readonly archived?: string }> {
  const entries = await readdir(place.path).catch(() => []);
  const isOwn = place.isolation === 'worktree' && (await isDirectory(join(place.path, '.git')));
  if (entries.every((name) => name === '.git') && !isOwn) return {};
  const tip = head ?? (await emptyTree(repo));
  const scratch = await makeScratch(repo);
  const cone = await readCone(place);
  try {
    const found = await takeSnapshot(repo, {
      ...(cone === undefined ? {} : { cone }),
      folder: place.path,
      index: indexIn(scratch),
      seed: place.seed,
      tip,
      keep: places(wanted.keep),
      copied: places(wanted.copied ?? []),
    });
    if ((await heldTree(repo, place)) === found.tree) return {};
    const beside = [...found.nested, ...found.big];
    if (isOwn) beside.push('.git');
    const folder = beside.length === 0 ? undefined : await rescueFolder(repo, place);
    // All of it: nobody else will keep it, and no agent fills a disk by being interrupted once.
    const kept =
      folder === undefined ? [] : (await archive(place.path, beside, folder, Number.POSITIVE_INFINITY)).kept;
    return {
      ...(found.written > 0 ? { tree: found.tree } : {}),
      ...(folder !== undefined && kept.length > 0 ? { archived: folder } : {}),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** What the slot holds of the tree, as it was last made. */
async function readCone({ coneFile }: SlotPlace): Promise<readonly string[] | undefined> {
  try {
    const cone: unknown = JSON.parse(await readFile(coneFile, 'utf8'));
    return Array.isArray(cone) ? cone.map(String) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isSystemError(error)) return undefined;
    throw error;
  }
}

/** The tree of what was last made of the slot's contents. */
async function heldTree(repo: Repository, { heldRef }: SlotPlace): Promise<Oid | undefined> {
  const read = await repo.objects?.read(`${heldRef}^{tree}`);
  if (read !== undefined) return read.oid;
  const held = await repo.git({
    args: ['rev-parse', '--verify', '--quiet', '--end-of-options', `${heldRef}^{tree}`],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
  });
  return held.code === 0 ? held.text : undefined;
}

const isDirectory = async (path: string): Promise<boolean> =>
  (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;

/** A folder for temporary files, on the same disk as the repository. The caller removes it. */
export async function makeScratch(repo: Repository): Promise<string> {
  const scratch = join(repo.stateDir, 'tmp', randomUUID());
  await mkdir(scratch, { recursive: true });
  return scratch;
}

/** The empty tree, as something to compare a folder with whose HEAD is lost. */
async function emptyTree(repo: Repository): Promise<Oid> {
  return needed(repo, {
    args: ['mktree'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
    input: '',
  });
}

/** Moves a slot's own HEAD, whatever it is on. */
async function moveHead(repo: Repository, place: SlotPlace, commit: Oid): Promise<void> {
  if (place.isolation === 'clone') {
    await needed(repo, slotCall(place, ['update-ref', '--no-deref', 'HEAD', commit]));
    return;
  }
  const head = `worktrees/${place.name}/HEAD`;
  if (await repo.objects?.setRefs([[head, commit]])) return;
  await needed(repo, {
    args: ['update-ref', '--no-deref', head, commit],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
  });
}

/** The slot's folder, its git directory and the link between them are there, and nothing of an operation. */
async function makeWhole(
  repo: Repository,
  place: SlotPlace,
  wanted: SlotWanted,
  told: string[],
): Promise<void> {
  const temporary = join(wanted.slotsDir, place.name);
  await mkdir(place.path, { recursive: true });
  if (place.isolation === 'clone') return makeClone(repo, place, wanted.commit, place.seed);
  await rm(temporary, { recursive: true, force: true });
  if (!(await isSound(repo, place))) {
    // Made under its own name, because git calls the git directory by the folder's.
    await wanted.lane(async () => {
      await rm(place.gitDir, { recursive: true, force: true });
      await needed(repo, {
        args: [
          'worktree',
          'add',
          '--no-checkout',
          '--detach',
          '--lock',
          '--reason',
          'a slot of mstone',
          '--',
          temporary,
          wanted.commit,
        ],
        cwd: repo.commonDir,
        env: { GIT_DIR: repo.commonDir },
      });
    });
    await rm(temporary, { recursive: true, force: true });
    if (!(await isSound(repo, place))) {
      throw new GitError(['worktree', 'add'], 1, `git did not make ${place.gitDir}`);
    }
  }
  await clearOperations(place);
  await writeIfOther(join(place.gitDir, 'gitdir'), `${join(place.path, '.git')}\n`);
  await writeIfOther(join(place.gitDir, 'locked'), 'a slot of mstone\n');

  const link = join(place.path, '.git');
  if (await isDirectory(link)) {
    await removeTree(link);
    told.push(`the slot's .git was replaced by a repository of its own; the link was put back`);
  }
  await writeIfOther(link, `gitdir: ${place.gitDir}\n`);
}

/** Whether git takes the slot's git directory for one of this repository. A broken HEAD alone is mended. */
async function isSound(repo: Repository, place: SlotPlace): Promise<boolean> {
  const common = await readFile(join(place.gitDir, 'commondir'), 'utf8').catch(() => undefined);
  if (common === undefined) return false;
  const there = await realpath(join(place.gitDir, common.trim())).catch(() => undefined);
  const absolute = await realpath(common.trim()).catch(() => undefined);
  if (there !== repo.commonDir && !(common.startsWith('/') && absolute === repo.commonDir)) return false;
  const head = await readFile(join(place.gitDir, 'HEAD'), 'utf8').catch(() => undefined);
  return head !== undefined && (head.startsWith('ref: refs/') || OID.test(head.trim()));
}

/** All that a slot's git directory needs; the rest are operations, locks and settings of an agent's. */
const LASTING = ['commondir', 'gitdir', 'HEAD', 'index', 'logs', 'locked', 'modules', 'reftable'];

async function clearOperations(place: SlotPlace): Promise<void> {
  if (place.isolation === 'clone') {
    // Made anew for each assignment: all that can be there is the merge that has just been made.
    for (const name of ['MERGE_HEAD', 'MERGE_MODE', 'MERGE_MSG', 'AUTO_MERGE', 'ORIG_HEAD']) {
      await rm(join(place.gitDir, name), { force: true });
    }
    return;
  }
  const reftable = await isDirectory(join(place.gitDir, 'reftable'));
  for (const name of await readdir(place.gitDir)) {
    if (LASTING.includes(name) || (reftable && name === 'refs')) continue;
    await rm(join(place.gitDir, name), { recursive: true, force: true });
  }
}

async function writeIfOther(file: string, content: string): Promise<void> {
  const info = await lstat(file).catch(() => undefined);
  if (info?.isFile() && (await readFile(file, 'utf8').catch(() => undefined)) === content) return;
  await rm(file, { recursive: true, force: true });
  const part = `${file}.${randomUUID().slice(0, 8)}`;
  await writeFile(part, content);
  await rename(part, file);
}

async function writeLog(place: SlotPlace): Promise<void> {
  const logs = join(place.gitDir, 'logs');
  await rm(logs, { recursive: true, force: true });
  await mkdir(logs, { recursive: true });
  // Git appends to a log that is there, also where `core.logAllRefUpdates` would not begin one.
  await writeFile(join(logs, 'HEAD'), '');
}

/** Makes the folder equal to the commit's tree, `keep` aside. */
async function checkOut(
  repo: Repository,
  place: SlotPlace,
  commit: Oid,
  {
    keep,
    cone,
    exact,
  }: {
    readonly keep: readonly RawPath[];
    readonly cone: readonly string[] | undefined;
    /** The seed is an index of all that is in the folder. */
    readonly exact: boolean;
  },
  told: string[],
): Promise<void> {
  const run = (...args: string[]) => steady(() => repo.git(slotCall(place, args, cone)));
  const index = join(place.gitDir, 'index');
  // Detached first: on a branch, `reset` would move the branch.
  await moveHead(repo, place, commit);
  await removeKeptLinks(place, keep, told);

  await mkdir(join(place.seed, '..'), { recursive: true });
  const was = await readCone(place);
  if (JSON.stringify(was) !== JSON.stringify(cone)) {
    // Anew: what one cone leaves out is never taken for deleted by another, or left lying about.
    await rm(index, { recursive: true, force: true });
    await rm(place.seed, { force: true });
    await clean(repo, place, keep);
    await rm(join(place.gitDir, 'info', 'sparse-checkout'), { force: true });
  }
  if (cone !== undefined) {
    await mkdir(join(place.gitDir, 'info'), { recursive: true });
    await writeIfOther(join(place.gitDir, 'info', 'sparse-checkout'), conePatterns(cone));
    await writeIfOther(place.coneFile, JSON.stringify(cone));
  }
  // What the agent told git of its files (assume-unchanged, skip-worktree) would survive a reset: our own index
  // knows nothing of it.
  nameIndex(repo, place.seed, undefined);
  await rm(index, { recursive: true, force: true });
  const isSeeded = await copyIndex(place.seed, index);
  let reset = await run('reset', '--hard', '--quiet', commit, '--');
  if (reset.code !== 0) {
    // What stands in the way: folders that may not be written, repositories where files belong.
    await rm(index, { recursive: true, force: true });
    await makeWritable(place.path);
    await clean(repo, place, keep);
    reset = await run('reset', '--hard', '--quiet', commit, '--');
    if (reset.code !== 0) throw new GitError(['reset'], reset.code, reset.stderr);
  }
  if (!(exact && isSeeded)) {
    for (const path of await strayRepositories(repo, place.path, index, keep)) {
      await removeTree(onDisk(place.path, path));
    }
    await clean(repo, place, keep);
    await emptySubmodules(repo, place.path, place.gitDir);
  }
  if (await copyIndex(index, place.seed)) nameIndex(repo, place.seed, commit);
  if (cone === undefined) await rm(place.coneFile, { force: true });
}

async function clean(repo: Repository, place: SlotPlace, keep: readonly RawPath[]): Promise<void> {
  const patterns = keep.flatMap((path) => ['-e', plainPath(`/${path.replace(/[\\*?[\]!# \t]/g, '\\$&')}`)]);
  const args = ['clean', '-ffdx', '--quiet', ...patterns];
  const first = await steady(() => repo.git(slotCall(place, args)));
  if (first.code === 0) return;
  await makeWritable(place.path);
  await needed(repo, slotCall(place, args));
}

/** A kept folder that became a link would let setup write outside the slot. */
async function removeKeptLinks(place: SlotPlace, keep: readonly RawPath[], told: string[]): Promise<void> {
  for (const path of keep) {
    const parts = path.split('/');
    for (let length = 1; length <= parts.length; length += 1) {
      const at = parts.slice(0, length).join('/');
      const info = await lstat(onDisk(place.path, at)).catch(() => undefined);
      if (!info?.isSymbolicLink()) continue;
      await unlink(onDisk(place.path, at));
      told.push(`${shownPath(at)} in the slot had become a symbolic link and was removed`);
    }
  }
}

/** Tools make folders read-only (Go's module cache); then nothing in them can be removed. */
async function makeWritable(folder: string | Buffer): Promise<void> {
  const info = await lstat(folder).catch(() => undefined);
  if (!info?.isDirectory()) return;
  if ((info.mode & 0o700) !== 0o700) await chmod(folder, info.mode | 0o700);
  const entries = await readdir(folder, { encoding: 'latin1', withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    await makeWritable(
      Buffer.concat([Buffer.from(folder), Buffer.from('/'), Buffer.from(entry.name, 'latin1')]),
    );
  }
}

async function removeTree(path: string | Buffer): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    await makeWritable(path);
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * Merges a head into the slot as the agent will find it: markers in the files, `MERGE_HEAD` in place. A
 * merge without conflicts is committed. Returns the files in conflict.
 */
async function mergeInto(
  repo: Repository,
  place: SlotPlace,
  commit: Oid,
  merge: Oid,
): Promise<readonly string[]> {
  const identity = await readIdentity(repo);
  const head = await needed(repo, {
    args: ['show', '-s', '--format=%ct', '--end-of-options', `${merge}^{commit}`],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
  });
  // The merged head's own date, so that the same merge has the same hash.
  const signed = signedBy(identity, identity, Number(head) * 1000);
  const call = slotCall(place, []);
  const settings = [
    ...WHOLE,
    ['rerere.enabled', 'false'],
    ['commit.gpgSign', 'false'],
    ['merge.renormalize', 'false'],
    ...(await driversOff(repo)),
  ] as const;
  const env = {
    ...call.env,
    ...signed,
    ...configEnv(settings.map(([key, value]) => [String(key), String(value)])),
  };
  const run = (...args: string[]) => steady(() => repo.git({ ...call, env, args }));

  const merged = await run(
    'merge',
    '--no-commit',
    '--no-ff',
    '--no-autostash',
    '--no-stat',
    '--no-verify-signatures',
    '--strategy=ort',
    '--quiet',
    merge,
  );
  const open = nulList((await run('ls-files', '-u', '-z')).stdout).map((entry) =>
    entry.slice(entry.indexOf('\t') + 1),
  );
  const conflicts = new Set(open);
  if (merged.code > 1 || (merged.code === 1 && conflicts.size === 0)) {
    throw new GitError(['merge'], merged.code, merged.stderr || merged.text);
  }
  if (conflicts.delete(rawPath(repo.layout.tasks))) await takeMergedTasks(repo, place, merge);
  if (conflicts.size > 0) return [...conflicts].map(plainPath);

  const pending = await readFile(join(place.gitDir, 'MERGE_HEAD'), 'utf8').catch(() => undefined);
  if (pending === undefined) return [];
  const tree = await needed(repo, { ...call, env, args: ['write-tree'] });
  const subject = `Merge ${merge.slice(0, 12)} into the milestone's work`;
  const made = await needed(repo, {
    ...call,
    env,
    args: ['commit-tree', tree, '-p', commit, '-p', merge, '-m', subject],
  });
  await moveHead(repo, place, made);
  await clearOperations(place);
  return [];
}

/** The view is what only mstone writes: a conflict in it is none. */
async function takeMergedTasks(repo: Repository, place: SlotPlace, merge: Oid): Promise<void> {
  const view = repo.layout.tasks;
  const listed = await repo.git(slotCall(place, ['ls-tree', '-z', '--full-tree', merge, '--', view]));
  const [entry] = nulList(listed.stdout);
  const index = join(place.gitDir, 'index');
  const none = `0 ${'0'.repeat(merge.length)}\t${rawPath(view)}\0`;
  const [mode, , oid] = (entry ?? '').slice(0, (entry ?? '').indexOf('\t')).split(' ');
  const one = entry === undefined ? '' : `${mode} ${oid}\t${rawPath(view)}\0`;
  await indexInfo(repo, place.path, index, none + one);
  if (entry === undefined) await rm(join(place.path, view), { force: true });
  else await needed(repo, slotCall(place, ['checkout-index', '--force', '--', view]));
}
