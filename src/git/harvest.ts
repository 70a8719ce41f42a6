/**
 * Makes a commit of what an agent left in a slot.
 *
 * Of the slot's git directory only HEAD and the log are read, and both may lie: a HEAD that does not
 * descend from where the work began is pinned and told, and its files count, not its history. Everything
 * the agent wrote is held when this returns: the work at `pinRef`, what differs from it (edits of
 * protected files, abandoned commits) under `refs/mstone/left/`, and what no commit can hold in
 * `archiveDir`. The slot itself is left as it was, so that doing it again gives the same work.
 */
import { lstat, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Harvest, Oid } from '../model/outcome.js';
import { ARCHIVE_BYTES, archive } from './archive.js';
import { driversOff } from './drivers.js';
import { isAncestor, pin, pinAll, type Repository, readIdentity, signedBy, writeCommit } from './index.js';
import { GitError, need } from './plumbing.js';
import { rebuildWithoutTrailers, withoutProof } from './rebuild.js';
import { nameIndex, settle as settleSlot, stampsOf, unlessRacy } from './settled.js';
import {
  commitsMadeIn,
  type Isolation,
  makeScratch,
  type SlotPlace,
  slotHead,
  slotPlace,
  unpinned,
} from './slots.js';
import {
  configEnv,
  copyIndex,
  folderEnv,
  indexIn,
  indexInfo,
  isUnder,
  nulList,
  places,
  plainPath,
  type RawPath,
  rawPath,
  type Snapshot,
  shownPath,
  takeSnapshot,
} from './snapshot.js';
import { takeSubmodules } from './submodules.js';
import { diffTrees, entryAt, readFilesAt, resolveTree, type TreeChange, treeKey } from './tree.js';

export interface HarvestRequest {
  readonly slotsDir: string;
  /** Where the slot is sparse, what it holds (`sparse.ts`). */
  readonly cone?: readonly string[];
  readonly slot: number;
  readonly isolation?: Isolation;
  /** What the work is compared with. */
  readonly base: Oid;
  /** Where the slot began: the work descends from it. */
  readonly from: Oid;
  /** A head that the slot was asked to take in: it ends up among the work's ancestors. */
  readonly merge?: Oid;
  /** For the commit of what was left uncommitted. */
  readonly message: string;
  /** Epoch ms: author and committer date of that commit. */
  readonly dateMs: number;
  /** Files and folders that an agent does not change: they are as in the commit `from`. */
  readonly protect: { readonly from: Oid; readonly paths: readonly string[] };
  /** Paths that were copied into the slot: never committed. */
  readonly copied: readonly string[];
  /** Paths that stay in the slot: neither committed when untracked, nor archived. */
  readonly keep: readonly string[];
  /** Under `refs/mstone/`. Holds the work before this returns. */
  readonly pinRef: string;
  /** Where to keep what a commit cannot hold. Made when needed; one that is there is replaced. */
  readonly archiveDir: string;
  /** Files that were in conflict when the agent began. */
  readonly conflicted: readonly string[];
}

/** Where the refs are that hold what is not part of the work. */
const LEFT = 'refs/mstone/left/';

/** A harvest under way. */
interface Harvesting {
  readonly repo: Repository;
  readonly request: HarvestRequest;
  readonly place: SlotPlace;
  readonly index: string;
  /** The slot's folder, or an empty one where that is gone. */
  readonly folder: string;
  readonly told: string[];
}

/** Takes the work out of a slot. */
export async function harvest(repo: Repository, request: HarvestRequest): Promise<Harvest> {
  const scratch = await makeScratch(repo);
  try {
    const place = slotPlace(repo, request.slotsDir, request.slot, request.isolation);
    const there = (await lstat(place.path).catch(() => undefined))?.isDirectory() ?? false;
    const folder = there ? place.path : scratch;
    const stamps = place.isolation === 'worktree' ? stampsOf(place) : undefined;
    await unlessRacy(stamps);
    // By the clock that stamps files.
    const atMs = Date.now();
    const under: Harvesting = { repo, request, place, index: indexIn(scratch), folder, told: [] };
    const head = await slotHead(repo, place);
    const snapshot = there ? await readFolder(under, head ?? request.from) : undefined;
    const exact = snapshot?.exact === true;
    if (exact) {
      await copyIndex(under.index, place.seed);
      nameIndex(repo, place.seed, snapshot.tree);
    }
    const taken = await perform(under, head, snapshot);
    settleSlot(repo, place.path, stamps, { atMs, exact });
    return taken;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function perform(
  under: Harvesting,
  head: Oid | undefined,
  snapshot: Snapshot | undefined,
): Promise<Harvest> {
  const { repo, request, told } = under;
  if (head === undefined) told.push("the slot's HEAD named no commit: its files were taken as they are");
  if (snapshot === undefined) told.push("the slot's folder is gone: only what was committed was taken");
  const left = snapshot?.tree ?? (await resolveTree(repo, head ?? request.from));

  const history = await acceptHistory(under, head);
  const { tree, strangers } = await settleTree(under, left);
  const { commit, conflicts } = await makeWork(under, head, history, tree);
  await pinTheRest(under, head, left, commit);
  if (snapshot !== undefined) await archiveTheRest(under, snapshot, strangers);
  const markers = [...new Set([...conflicts, ...(await findMarkers(under, commit))])].sort();
  if (markers.length > 0) told.push(`conflicts are left in ${list(markers.map(shown))}`);

  const key = await treeKey(repo, commit);
  const changed = key !== (await treeKey(repo, request.base));
  return { commit, tree: key, base: request.base, changed, told, markers };
}

function readFolder(under: Harvesting, tip: Oid): Promise<Snapshot> {
  const { repo, request, place, folder, index } = under;
  return takeSnapshot(repo, {
    folder,
    index,
    seed: place.seed,
    tip,
    keep: places(request.keep),
    copied: places(request.copied),
    ...(request.cone === undefined ? {} : { cone: request.cone }),
  });
}

/** The commit that the work is built on: the agent's own, where its history may be kept. */
async function acceptHistory(under: Harvesting, head: Oid | undefined): Promise<Oid> {
  const { repo, request, told } = under;
  const { from } = request;
  if (head === undefined || head === from) return from;
  if (!(await isAncestor(repo, from, head))) {
    told.push(
      `the slot's history did not hold ${short(from)} any more, where the work began: its files were taken, its commits were not`,
    );
    return from;
  }
  const trusted = [from, request.base, request.protect.from];
  if (request.merge !== undefined) trusted.push(request.merge);
  if (await holdsCopied(under, head, trusted)) {
    told.push(
      'files that were only copied into the slot had been committed there: its commits were not taken',
    );
    return from;
  }
  const rebuilt = await rebuildWithoutTrailers(repo, head, trusted);
  if (rebuilt.stripped.length > 0) {
    told.push(
      `commits bore mstone's trailers and were rebuilt without: ${list(rebuilt.stripped.map(short))}`,
    );
  }
  return rebuilt.tip;
}

/** Whether a commit of the agent's touches what was copied into the slot, secrets as a rule. */
async function holdsCopied(under: Harvesting, head: Oid, trusted: readonly Oid[]): Promise<boolean> {
  const { repo, request } = under;
  const copied = places(request.copied).map(plainPath);
  if (copied.length === 0) return false;
  const not = trusted.map((oid) => `^${oid}`);
  const touching = await need(repo.git, {
    args: [
      '--literal-pathspecs',
      'rev-list',
      '--full-history',
      '--max-count=1',
      head,
      ...not,
      '--',
      ...copied,
    ],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' },
  });
  return touching !== '';
}

/** The entry is not there. */
const ABSENT = '000000';

/** Files in which two trees differ, in all or in some places. */
async function compare(
  repo: Repository,
  from: Oid,
  to: Oid,
  within?: readonly RawPath[],
): Promise<readonly TreeChange[]> {
  if (within?.length === 0) return [];
  const changes = await diffTrees(repo, from, to);
  return within === undefined ? changes : changes.filter(({ path }) => isUnder(path, within));
}

/** A tree with some entries set otherwise; what stands in their way goes first. */
async function settle(
  under: Harvesting,
  tree: Oid,
  entries: readonly { readonly path: RawPath; readonly mode: string; readonly oid: Oid }[],
): Promise<Oid> {
  if (entries.length === 0) return tree;
  const { repo, folder, index } = under;
  const env = folderEnv(repo, folder, index);
  await need(repo.git, { args: ['read-tree', tree], cwd: folder, env });
  const none = '0'.repeat(under.request.from.length);
  const gone = entries.map(({ path }) => `0 ${none}\t${path}\0`);
  const set = entries
    .filter(({ mode }) => mode !== ABSENT)
    .map(({ path, mode, oid }) => `${mode} ${oid}\t${path}\0`);
  await indexInfo(repo, folder, index, [...gone, ...set].join(''));
  return need(repo.git, { args: ['write-tree'], cwd: folder, env });
}

/** What it takes to have the protected paths of `tree` as they should be. */
async function protection(under: Harvesting, tree: Oid) {
  const { repo, request } = under;
  const { from, paths } = request.protect;
  const unlike = (await sameThere(under, tree)) ? [] : await compare(repo, tree, from, places(paths));
  return unlike.map(({ path, newMode, newOid }) => ({ path, mode: newMode, oid: newOid }));
}

/** Whether the protected paths of `tree` are as they should be, told from its entries alone. */
async function sameThere({ repo, request: { protect } }: Harvesting, tree: Oid): Promise<boolean> {
  const right = await resolveTree(repo, protect.from);
  for (const path of protect.paths) {
    if ((await entryAt(repo, tree, path)) !== (await entryAt(repo, right, path))) return false;
  }
  return true;
}

/** The tree of the work: what the agent left, with what it may not change as it was. */
async function settleTree(
  under: Harvesting,
  left: Oid,
): Promise<{ readonly tree: Oid; readonly strangers: readonly RawPath[] }> {
  const { repo, request, told } = under;
  const changes = await compare(repo, request.from, left);

  // A repository within the folder is no submodule unless .gitmodules says so.
  const links = changes.filter(({ newMode, oldMode }) => newMode === '160000' && oldMode !== '160000');
  const submodules = links.length === 0 ? [] : await submodulesOf(repo, left);
  const strangers = links.filter(({ path }) => !submodules.includes(path));
  const copied = changes.filter(({ path }) => isUnder(path, places(request.copied)));
  const back = [...strangers, ...copied].map(({ path, oldMode, oldOid }) => ({
    path,
    mode: oldMode,
    oid: oldOid,
  }));

  const restored = await protection(under, left);
  await tellPutBack(
    under,
    left,
    restored.map(({ path }) => path),
  );
  const moved = changes.filter((one) => one.newMode === '160000' && !strangers.includes(one));
  told.push(
    ...(await takeSubmodules(
      repo,
      under.folder,
      under.place.gitDir,
      moved.map(({ path, newOid }) => ({ path, oid: newOid })),
    )),
  );
  const tree = await settle(under, left, [...back, ...restored]);
  if (strangers.length > 0) {
    told.push(
      `a repository of its own is no part of the work: ${list(strangers.map(({ path }) => shownPath(path)))}`,
    );
  }
  return { tree, strangers: strangers.map(({ path }) => path) };
}

/** Tells of protected paths that the agent changed: those that are neither as it found nor as it merged them. */
async function tellPutBack(under: Harvesting, left: Oid, restored: readonly RawPath[]): Promise<void> {
  const { repo, request, told } = under;
  let edited = restored;
  for (const version of [request.from, request.merge]) {
    if (version === undefined || edited.length === 0) continue;
    const unlike = await compare(repo, version, left, places(request.protect.paths));
    edited = edited.filter((path) => unlike.some((change) => change.path === path));
  }
  if (edited.length > 0)
    told.push(`put back as they were, being no part of the work: ${list(edited.map(shownPath))}`);
}

async function submodulesOf(repo: Repository, tree: Oid): Promise<RawPath[]> {
  const answer = await repo.git({
    args: ['config', '-z', '--blob', `${tree}:.gitmodules`, '--get-regexp', '^submodule\\..*\\.path$'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
  });
  return answer.code === 0 ? nulList(answer.stdout).map((entry) => entry.slice(entry.indexOf('\n') + 1)) : [];
}

/** Makes the commit of the work, where one is needed. */
async function makeWork(
  under: Harvesting,
  head: Oid | undefined,
  history: Oid,
  tree: Oid,
): Promise<{ readonly commit: Oid; readonly conflicts: readonly string[] }> {
  const { repo, request, told } = under;
  const { merge } = request;
  const same = tree === (await resolveTree(repo, history));
  if (merge === undefined || (await isAncestor(repo, merge, history))) {
    return { commit: same ? history : await makeCommit(under, tree, [history]), conflicts: [] };
  }
  if (await tookMerge(under, head, merge, tree)) {
    return { commit: await makeCommit(under, tree, [history, merge]), conflicts: [] };
  }
  // The agent undid the merge. To claim it all the same would take back what the head brought.
  told.push(`the merge of ${short(merge)} had been undone in the slot and was done again`);
  const work = same ? history : await makeCommit(under, tree, [history]);
  const again = await mergeTrees(under, work, merge);
  const settled = await settle(under, again.tree, await protection(under, again.tree));
  const guarded = places(request.protect.paths);
  return {
    commit: await makeCommit(under, settled, [work, merge]),
    conflicts: again.conflicts.filter((path) => !isUnder(path, guarded)).map(plainPath),
  };
}

/**
 * Whether what the slot holds is a merge with that head: it says so itself, or every file that the head
 * alone had changed is as the head has it.
 */
async function tookMerge(under: Harvesting, head: Oid | undefined, merge: Oid, tree: Oid): Promise<boolean> {
  const { repo, request, place } = under;
  if (head !== undefined && (await isAncestor(repo, merge, head))) return true;
  const pending = await readFile(join(place.gitDir, 'MERGE_HEAD'), 'utf8').catch(() => '');
  if (pending.split('\n').includes(merge)) return true;
  const plain = await mergeTrees(under, request.from, merge);
  const aside = [...places(request.protect.paths), ...plain.conflicts];
  const brought = (await compare(repo, request.from, plain.tree)).filter(({ path }) => !isUnder(path, aside));
  const missing = new Set((await compare(repo, tree, plain.tree)).map(({ path }) => path));
  return brought.length > 0 && brought.every(({ path }) => !missing.has(path));
}

async function mergeTrees(
  under: Harvesting,
  ours: Oid,
  theirs: Oid,
): Promise<{ readonly tree: Oid; readonly conflicts: readonly RawPath[] }> {
  const { repo, folder } = under;
  const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', ours, theirs];
  const env = { GIT_DIR: repo.commonDir, GIT_WORK_TREE: folder, ...configEnv(await driversOff(repo)) };
  const answer = await repo.git({ args, cwd: folder, env });
  if (answer.code > 1) throw new GitError(args, answer.code, answer.stderr);
  const [tree = '', ...conflicts] = nulList(answer.stdout);
  return { tree, conflicts };
}

async function makeCommit(
  under: Harvesting,
  tree: Oid,
  parents: readonly Oid[],
  message = under.request.message,
): Promise<Oid> {
  const { repo, request } = under;
  const identity = await readIdentity(repo);
  const text = withoutProof(message);
  const by = { author: identity, committer: identity, dateMs: request.dateMs };
  const written = await writeCommit(repo, tree, parents, text, by);
  if (written !== undefined) return written;
  return need(repo.git, {
    args: ['commit-tree', tree, ...parents.flatMap((oid) => ['-p', oid]), '-F', '-'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, ...signedBy(identity, identity, request.dateMs) },
    input: text,
  });
}

/** Pins what the agent made and the work does not hold: other files, rewritten or abandoned commits. */
async function pinTheRest(under: Harvesting, head: Oid | undefined, left: Oid, commit: Oid): Promise<void> {
  const { repo, request, place, told } = under;
  const ends = head === undefined ? [] : [head];
  const ref = LEFT + request.pinRef.replace(/^refs\/mstone\//, '');
  // What an earlier harvest of the same kept does not count: this one says it again.
  const made = await commitsMadeIn(place.gitDir);
  // Nothing was committed there: what the slot was given stands where it was taken from.
  const isUntouched = made.length === 0 && (head === undefined || head === request.from);
  const otherFiles = left !== (await resolveTree(repo, commit));
  const work = [request.pinRef, commit] as const;
  const held = [place.heldRef, commit] as const;
  if (isUntouched && !otherFiles) return pinAll(repo, [work, held]);
  // The work first: what it holds is not loose.
  await pinAll(repo, [work]);
  const loose = isUntouched ? [] : await unpinned(repo, [...ends, ...made], [ref, place.heldRef]);
  if (loose.length === 0 && !otherFiles) return pinAll(repo, [held]);
  const parents = [...new Set([...(head === undefined ? [request.from] : [head]), ...loose])];
  const rest = await makeCommit(under, left, parents, 'As it was left in the slot\n');
  await pin(repo, ref, rest);
  await pin(repo, place.heldRef, rest);
  if (told.length > 0) told.push(`the slot as it was left is kept as ${ref}`);
}

/** Keeps beside the log what no commit holds. */
async function archiveTheRest(
  under: Harvesting,
  snapshot: Snapshot,
  strangers: readonly RawPath[],
): Promise<void> {
  const { request, folder, place, told } = under;
  const beside = [...snapshot.nested, ...strangers, ...snapshot.big, ...snapshot.ignored];
  const own = await lstat(join(folder, '.git')).catch(() => undefined);
  if (place.isolation === 'worktree' && own?.isDirectory()) beside.push('.git');
  const done = await archive(folder, beside, request.archiveDir);
  const tell = (paths: readonly RawPath[], words: string) => {
    if (paths.length > 0) told.push(`${words}: ${list(paths.map(shownPath))}`);
  };
  tell(done.kept, `kept in ${request.archiveDir}, because no commit can hold it`);
  tell(done.tooMuch, `not kept, being over ${ARCHIVE_BYTES / 1_000_000} MB together`);
  tell(done.regenerable, 'not kept, because it can be made again');
  tell(snapshot.unconverted, 'taken as on disk, because git could not convert it');
  tell([...snapshot.unreadable, ...done.unreadable], 'could not be read');
}

/** Files that were in conflict and still hold a marker. */
async function findMarkers(under: Harvesting, commit: Oid): Promise<string[]> {
  const { repo, request } = under;
  const guarded = places(request.protect.paths);
  const asked = request.conflicted.filter((path) => !isUnder(rawPath(path), guarded));
  const files = await readFilesAt(repo, commit, asked);
  return [...files].filter(([, bytes]) => MARKER.test(bytes.toString('latin1'))).map(([path]) => path);
}

const MARKER = /^(<<<<<<<|>>>>>>>) /m;

const short = (oid: Oid): string => oid.slice(0, 12);

const shown = (path: string): string => shownPath(rawPath(path));

/** At most ten, then how many more. */
function list(items: readonly string[]): string {
  const sorted = [...items].sort();
  const more = sorted.length - 10;
  return more > 1 ? `${sorted.slice(0, 10).join(', ')} and ${more} more` : sorted.join(', ');
}
