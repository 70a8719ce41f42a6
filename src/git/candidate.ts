/**
 * The commit that would become the head, made in the object store: no checkout is touched, no hook, no
 * driver and no filter runs, and the same inputs give the same hash.
 *
 * `merge-tree` reads attributes from the folder it stands in. It stands in one that holds the head's own
 * `.gitattributes` files and nothing else, so neither the user's dirty checkout nor the work under
 * judgement says how it is merged. A merge driver that is configured is switched off: what it would have
 * merged is a conflict. `<commonDir>/info/attributes` is the user's and still counts.
 */
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Candidate, Oid } from '../model/outcome.js';
import { driversOff } from './drivers.js';
import { type Identity, isAncestor, type Repository, readIdentity, signedBy, writeCommit } from './index.js';
import { need } from './plumbing.js';
import { filesNamed, inTheWayOf, readFilesAt, resolveTree, treeKey, withEntryOf, withFile } from './tree.js';

export interface CandidateRequest {
  /** The effective head: what the candidate is made on. */
  readonly head: Oid;
  /** The milestone's work, or `head` itself for a commit that changes the view alone. */
  readonly work: Oid;
  /** The view (`layout.tasks`, here called TASKS.md) in the candidate; undefined leaves that of `head`. */
  readonly tasks: string | Uint8Array | undefined;
  readonly message: string;
  /** Epoch ms: author and committer date. */
  readonly dateMs: number;
  /** Default: who commits. */
  readonly author?: Identity;
}

export type BuildOutcome =
  | { readonly kind: 'built'; readonly candidate: Candidate }
  | { readonly kind: 'conflict'; readonly onto: Oid; readonly files: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string };

/** Merges the work into the head. TASKS.md never conflicts: the work's version of it is left aside. */
export async function buildCandidate(repo: Repository, request: CandidateRequest): Promise<BuildOutcome> {
  const { head, work } = request;
  const merged = await mergeTrees(repo, head, work, 'ours');
  if (merged.kind !== 'clean') return merged;
  const headTree = await resolveTree(repo, head);
  const view = repo.layout.tasks;
  const blocked = await inTheWayOf(repo, merged.tree, view);
  if (blocked !== undefined) {
    return { kind: 'refused', message: `${blocked} is no folder, so ${view} cannot be written` };
  }
  const tree =
    request.tasks === undefined
      ? await withEntryOf(repo, merged.tree, view, headTree)
      : await withFile(repo, merged.tree, view, request.tasks);
  if (tree === headTree && (work === head || (await isAncestor(repo, work, head)))) {
    return { kind: 'refused', message: `there is nothing to land: neither a file nor ${view} would change` };
  }
  const parents = work === head ? [head] : [head, work];
  return { kind: 'built', candidate: await commit(repo, tree, parents, request) };
}

/**
 * Merges the target's own new head into the shadow branch, so that the target can follow it again. Where
 * both changed TASKS.md in one place, `tasks` is taken, else the shadow's.
 */
export async function buildSync(
  repo: Repository,
  request: {
    readonly shadow: Oid;
    readonly target: Oid;
    readonly message: string;
    /** Epoch ms. */
    readonly dateMs: number;
    readonly tasks?: string;
  },
): Promise<BuildOutcome> {
  const { shadow, target } = request;
  const whole = await mergeTrees(repo, shadow, target, 'both');
  const merged =
    whole.kind === 'conflict' && whole.files.some((file) => isView(repo, file))
      ? await mergeTrees(repo, shadow, target, 'ours')
      : whole;
  if (merged.kind !== 'clean') return merged;
  const tree =
    request.tasks === undefined
      ? merged.tree
      : await withFile(repo, merged.tree, repo.layout.tasks, request.tasks);
  return { kind: 'built', candidate: await commit(repo, tree, [shadow, target], request) };
}

/** TASKS.md, or the name that a merge gives it where a folder is in its way. */
const isView = ({ layout }: Repository, file: string): boolean =>
  file === layout.tasks || file.startsWith(`${layout.tasks}~`);

async function commit(
  repo: Repository,
  tree: Oid,
  parents: readonly Oid[],
  request: { readonly message: string; readonly dateMs: number; readonly author?: Identity },
): Promise<Candidate> {
  const committer = await readIdentity(repo);
  const by = { author: request.author ?? committer, committer, dateMs: request.dateMs };
  const written = await writeCommit(repo, tree, parents, request.message, by);
  const made =
    written ??
    (await need(repo.git, {
      args: [
        '-c',
        'i18n.commitEncoding=UTF-8',
        'commit-tree',
        ...parents.flatMap((parent) => ['-p', parent]),
        '-F',
        '-',
        tree,
      ],
      cwd: repo.root,
      input: request.message,
      env: signedBy(by.author, committer, request.dateMs),
    }));
  const base = parents[0] ?? made;
  return { commit: made, tree: await treeKey(repo, made), base, work: parents[1] ?? base };
}

type Merged =
  | { readonly kind: 'clean'; readonly tree: Oid }
  | { readonly kind: 'conflict'; readonly onto: Oid; readonly files: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string };

/** `tasks: 'ours'` gives the work the head's TASKS.md first, so that nothing about it can conflict. */
async function mergeTrees(repo: Repository, head: Oid, work: Oid, tasks: 'ours' | 'both'): Promise<Merged> {
  if (head === work) return { kind: 'clean', tree: await resolveTree(repo, head) };
  const theirs = tasks === 'both' ? work : await withTasksOf(repo, head, work);
  const folder = await attributesFolder(repo, head);
  const answer = await repo.git({
    args: ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', head, theirs],
    cwd: folder,
    env: {
      GIT_DIR: repo.commonDir,
      GIT_WORK_TREE: folder,
      GIT_ATTR_NOSYSTEM: '1',
      ...(await mergeSettings(repo)),
    },
  });
  // Judged by the exit code: not every conflict leaves markers, and the tree is named on conflict too.
  const [tree = '', ...files] = answer.text.split('\0').filter((part) => part !== '');
  if (answer.code === 0) return { kind: 'clean', tree };
  if (answer.code === 1) return { kind: 'conflict', onto: head, files };
  return { kind: 'refused', message: `git cannot merge: ${firstLine(answer.stderr, answer.code)}` };
}

const firstLine = (stderr: string, code: number): string =>
  stderr
    .trim()
    .split('\n')[0]
    ?.replace(/^fatal: /, '') || `exit ${code}`;

/**
 * The work with the head's TASKS.md, as a commit upon it: the merge base stays the same. It is an object
 * that no ref names, and its date is fixed so that it is the same one each time.
 */
async function withTasksOf(repo: Repository, head: Oid, work: Oid): Promise<Oid> {
  const [headTree, workTree] = [await resolveTree(repo, head), await resolveTree(repo, work)];
  const tree = await withEntryOf(repo, workTree, repo.layout.tasks, headTree);
  if (tree === workTree) return work;
  const nobody = { name: 'mstone', email: 'mstone@localhost' };
  const message = `${repo.layout.tasks} left aside`;
  const by = { author: nobody, committer: nobody, dateMs: 0 };
  const written = await writeCommit(repo, tree, [work], message, by);
  if (written !== undefined) return written;
  return need(repo.git, {
    args: ['commit-tree', '-p', work, '-m', message, tree],
    cwd: repo.root,
    env: signedBy(nobody, nobody, 0),
  });
}

/** Settings that the user's configuration could turn, and configured drivers switched off. */
export async function mergeSettings(repo: Repository): Promise<Record<string, string>> {
  const settings: [string, string][] = [
    ['core.attributesFile', '/dev/null'],
    ['diff.renames', 'true'],
    ['diff.renameLimit', '7000'],
    ['merge.renameLimit', '7000'],
    ['merge.renormalize', 'false'],
    ['diff.algorithm', 'histogram'],
  ];
  for (const [name, value] of await driversOff(repo)) settings.push([name, value]);
  // By environment: a driver's name may hold what `-c` would split at.
  return Object.fromEntries([
    ['GIT_CONFIG_COUNT', String(settings.length)],
    ...settings.flatMap(([key, value], index) => [
      [`GIT_CONFIG_KEY_${index}`, key],
      [`GIT_CONFIG_VALUE_${index}`, value],
    ]),
  ]);
}

/** A folder that holds the commit's `.gitattributes` files. Named by their content, made once. */
export async function attributesFolder(repo: Repository, head: Oid): Promise<string> {
  const files = (await filesNamed(repo, head, '.gitattributes')).filter(
    ({ path }) =>
      // git refuses such names itself, but this tree was never checked out.
      !path.split('/').some((part) => part === '' || part === '.' || part === '..' || /^\.git$/i.test(part)),
  );
  const name = createHash('sha256')
    .update(files.map(({ oid, path }) => `${oid} ${path}\0`).join(''))
    .digest('hex');
  const folder = join(repo.stateDir, 'attributes', name.slice(0, 32));
  if (await stat(folder).catch(() => undefined)) return folder;

  const draft = `${folder}.${process.pid}.${process.hrtime.bigint()}`;
  await mkdir(draft, { recursive: true });
  const contents = await readFilesAt(
    repo,
    head,
    files.map(({ path }) => path),
  );
  for (const [path, content] of contents) {
    await mkdir(dirname(join(draft, path)), { recursive: true });
    await writeFile(join(draft, path), content);
  }
  try {
    await rename(draft, folder);
  } catch (error) {
    // Somebody made the same folder meanwhile.
    await rm(draft, { recursive: true, force: true });
    if (!(await stat(folder).catch(() => undefined))) throw error;
  }
  return folder;
}
