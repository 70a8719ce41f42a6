/**
 * Reading commits and changing single files of trees, in the object store: no index, no checkout, and
 * no cost that grows with the repository.
 */
import { createHash } from 'node:crypto';
import type { Oid, TreeKey } from '../model/outcome.js';
import type { Repository } from './index.js';
import type { Objects, ReadObject } from './objects.js';
import { GitError, need } from './plumbing.js';

export interface ListedFile {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  readonly kind: 'file' | 'symlink' | 'directory' | 'other';
  readonly oid: Oid;
  /** Bytes; 0 for what is neither file nor symlink. */
  readonly size: number;
}

/** One line of `ls-tree -z`, as bytes in latin1 so that any name survives. */
interface Entry {
  readonly mode: string;
  readonly name: string;
  readonly raw: string;
}

/** The object name of a revision's tree with the view (`layout.tasks`) taken out. */
export async function treeKey(repo: Repository, commitish: string): Promise<TreeKey> {
  const { tasks } = repo.layout;
  return known(repo, `key ${tasks} ${commitish}`, commitish, async () => {
    const tree = await resolveTree(repo, commitish);
    if (tasks.includes('/')) return withEntry(repo, tree, tasks, undefined);
    // A name is all that is wanted: no tree is written for it.
    const entries = await readEntries(repo, tree);
    const others = entries.filter(({ name }) => name !== latin1(tasks));
    return others.length === entries.length ? tree : nameOfTree(others, tree.length);
  });
}

/** The tree of a commit or tree. */
export async function resolveTree(repo: Repository, commitish: string): Promise<Oid> {
  return known(repo, `tree ${commitish}`, commitish, async () => {
    const read = await readObject(repo, `${commitish}^{tree}`);
    if (read?.type === 'tree') return read.oid;
    return need(repo.git, {
      args: ['rev-parse', '--verify', '--end-of-options', `${commitish}^{tree}`],
      cwd: repo.root,
    });
  });
}

/** By the run's reader; undefined where there is none, or no such object. */
async function readObject(repo: Repository, name: string): Promise<ReadObject | undefined> {
  return repo.objects?.read(name);
}

/** A tree as git keeps it, of entries in git's order. */
const bytesOfTree = (entries: readonly Entry[]): Buffer =>
  Buffer.concat(
    entries.flatMap((entry) => [
      Buffer.from(`${entry.mode.replace(/^0+/, '')} ${entry.name}\0`, 'latin1'),
      Buffer.from(oidOf(entry), 'hex'),
    ]),
  );

/** What git would name a tree of these entries, of as many hex digits. */
function nameOfTree(entries: readonly Entry[], digits: number): Oid {
  const bytes = bytesOfTree(entries);
  const hash = createHash(digits === 64 ? 'sha256' : 'sha1');
  return hash.update(`tree ${bytes.length}\0`).update(bytes).digest('hex');
}

/** What an object name stands for never changes: a git process is saved each time it is asked again. */
const remembered = new WeakMap<Repository, Map<string, Oid>>();

async function known(
  repo: Repository,
  question: string,
  commitish: string,
  ask: () => Promise<Oid>,
): Promise<Oid> {
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(commitish)) return ask();
  const answers = remembered.get(repo) ?? new Map<string, Oid>();
  remembered.set(repo, answers);
  const answer = answers.get(question) ?? (await ask());
  answers.set(question, answer);
  return answer;
}

/**
 * The tree with a file holding `content`, or without it, and then without the folders that this empties. A
 * file keeps its executable bit. Where something that is no folder is in the way, the tree stays as it is.
 */
export async function withFile(
  repo: Repository,
  tree: Oid,
  path: string,
  content: string | Uint8Array | undefined,
): Promise<Oid> {
  if (content === undefined) return withEntry(repo, tree, path, undefined);
  const blob =
    (await repo.objects?.write('blob', content)) ??
    (await need(repo.git, {
      args: ['hash-object', '-w', '--stdin'],
      cwd: repo.root,
      input: content,
    }));
  const mode = (await findEntry(repo, tree, path))?.mode === '100755' ? '100755' : '100644';
  return withEntry(repo, tree, path, `${mode} blob ${blob}`);
}

/** The tree with the entry at `path` as it is in the tree `from`, or without it where `from` has none. */
export async function withEntryOf(repo: Repository, tree: Oid, path: string, from: Oid): Promise<Oid> {
  const entry = await findEntry(repo, from, path);
  return withEntry(repo, tree, path, entry?.raw.slice(0, entry.raw.indexOf('\t')));
}

/** One path that differs between two trees; a rename is a deletion and an addition. */
export interface TreeChange {
  /** Bytes in latin1. */
  readonly path: string;
  /** `000000` where there is nothing. */
  readonly oldMode: string;
  readonly newMode: string;
  readonly oldOid: Oid;
  readonly newOid: Oid;
}

/** The files in which two commits or trees differ. Costs as much as there is changed. */
export async function diffTrees(repo: Repository, from: string, to: string): Promise<TreeChange[]> {
  if (repo.objects === undefined) return diffByProcess(repo, from, to);
  const none = '0'.repeat(from.length);
  const changes: TreeChange[] = [];
  const compare = async (at: string, old: Oid | undefined, now: Oid | undefined): Promise<void> => {
    if (old === now) return;
    const [before, after] = await Promise.all(
      [old, now].map(
        async (tree) =>
          new Map(
            (tree === undefined ? [] : await readEntries(repo, tree)).map((entry) => [entry.name, entry]),
          ),
      ),
    );
    for (const name of new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])) {
      const [was, is] = [before?.get(name), after?.get(name)];
      if (was?.raw === is?.raw) continue;
      const path = at === '' ? name : `${at}/${name}`;
      const [wasFile, isFile] = [fileAmong(was), fileAmong(is)];
      if (wasFile !== undefined || isFile !== undefined) {
        changes.push({
          path,
          oldMode: wasFile?.mode ?? ABSENT,
          newMode: isFile?.mode ?? ABSENT,
          oldOid: wasFile === undefined ? none : oidOf(wasFile),
          newOid: isFile === undefined ? none : oidOf(isFile),
        });
      }
      await compare(path, folderAmong(was), folderAmong(is));
    }
  };
  await compare('', await resolveTree(repo, from), await resolveTree(repo, to));
  // As git lists them: by bytes.
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** No entry. */
const ABSENT = '000000';

const fileAmong = (entry: Entry | undefined): Entry | undefined =>
  entry?.mode === FOLDER ? undefined : entry;
const folderAmong = (entry: Entry | undefined): Oid | undefined =>
  entry?.mode === FOLDER ? oidOf(entry) : undefined;

async function diffByProcess(repo: Repository, from: string, to: string): Promise<TreeChange[]> {
  const options = ['-r', '-z', '--raw', '--no-renames', '--no-abbrev', '--no-ext-diff', '--end-of-options'];
  const args = ['diff-tree', ...options, from, to, '--'];
  const answer = await repo.git({
    args,
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' },
  });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  const parts = answer.stdout.toString('latin1').split('\0');
  const changes: TreeChange[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [oldMode = '', newMode = '', oldOid = '', newOid = ''] = (parts[at] ?? '').slice(1).split(' ');
    changes.push({ path: parts[at + 1] ?? '', oldMode, newMode, oldOid, newOid });
  }
  return changes;
}

/** What stands where a folder on the way to `path` belongs: a file, a link or a submodule. */
export async function inTheWayOf(repo: Repository, tree: Oid, path: string): Promise<string | undefined> {
  const parts = path.split('/');
  for (let length = 1; length < parts.length; length += 1) {
    const folder = parts.slice(0, length).join('/');
    const entry = await findEntry(repo, tree, folder);
    if (entry === undefined) return undefined;
    if (entry.mode !== FOLDER) return folder;
  }
  return undefined;
}

/** A file's bytes (a symlink's target); undefined where there is no such file. */
export async function readFileAt(
  repo: Repository,
  commit: string,
  path: string,
): Promise<Buffer | undefined> {
  return (await readFilesAt(repo, commit, [path])).get(path);
}

/** So many are asked of the run's reader; more are quicker by a process of their own. */
const FEW = 16;

/** `<mode> <type> <oid>` of what stands at a path of a tree; undefined where nothing does. */
export async function entryAt(repo: Repository, tree: Oid, path: string): Promise<string | undefined> {
  const entry = await findEntry(repo, tree, path.replace(/\/+$/, ''));
  return entry?.raw.slice(0, entry.raw.indexOf('\t'));
}

/** Whether a path of a commit is a file, and no link, folder or submodule. */
export async function isPlainFile(repo: Repository, commit: string, path: string): Promise<boolean> {
  const entry = await findEntry(repo, await resolveTree(repo, commit), path);
  return entry?.mode.startsWith('100') ?? false;
}

/** The bytes of those of `paths` that are files (or symlinks) in the commit, by one git process. */
export async function readFilesAt(
  repo: Repository,
  commit: string,
  paths: readonly string[],
): Promise<Map<string, Buffer>> {
  // `commit:./x` would be read relative to where we stand.
  const asked = [...new Set(paths)].filter(
    (path) => path !== '' && !path.includes('\0') && !/^\.\.?(\/|$)/.test(path),
  );
  const found = new Map<string, Buffer>();
  if (asked.length === 0) return found;
  const tree = await resolveTree(repo, commit);
  if (repo.objects !== undefined && asked.length <= FEW && !asked.some((path) => path.includes('\n'))) {
    for (const path of asked) {
      const entry = await findEntry(repo, tree, path);
      const object = entry === undefined ? undefined : await readObject(repo, oidOf(entry));
      if (object?.type === 'blob') found.set(path, object.bytes);
      else if (entry !== undefined && entry.mode !== FOLDER && entry.mode !== SUBMODULE)
        return readByProcess();
    }
    return found;
  }
  return readByProcess();

  async function readByProcess(): Promise<Map<string, Buffer>> {
    const answer = await repo.git({
      args: ['cat-file', '--batch', '-z'],
      cwd: repo.root,
      input: asked.map((path) => `${tree}:${path}\0`).join(''),
    });
    if (answer.code !== 0) throw new GitError(['cat-file', '--batch'], answer.code, answer.stderr);
    const out = answer.stdout;
    let at = 0;
    for (const path of asked) {
      // What is missing is echoed, line breaks in its name and all.
      const missing = Buffer.from(`${tree}:${path} missing\n`);
      if (out.subarray(at, at + missing.length).equals(missing)) {
        at += missing.length;
        continue;
      }
      const end = out.indexOf(10, at);
      const [, type, size] = out.toString('latin1', at, end).split(' ');
      const length = Number(size);
      if (end < 0 || !Number.isSafeInteger(length)) {
        throw new GitError(['cat-file', '--batch'], 0, `unreadable answer for ${JSON.stringify(path)}`);
      }
      if (type === 'blob') found.set(path, out.subarray(end + 1, end + 1 + length));
      at = end + 1 + length + 1;
    }
    return found;
  }
}

/** The unified diff of two files of two commits; undefined where one is missing or both are the same. */
export async function diffFiles(
  repo: Repository,
  before: { readonly commit: string; readonly path: string },
  after: { readonly commit: string; readonly path: string },
): Promise<string | undefined> {
  const names = [before, after].map(({ commit, path }) => `${commit}:${path}`);
  for (const name of names) {
    const blob = await repo.git({ args: ['cat-file', '-e', name], cwd: repo.root });
    if (blob.code !== 0) return undefined;
  }
  const text = await need(repo.git, {
    args: ['diff', '--no-color', '--no-ext-diff', '--no-textconv', '--end-of-options', ...names, '--'],
    cwd: repo.root,
  });
  return text === '' ? undefined : text;
}

/** The unified diff of a file of a commit and one in the checkout as it is; undefined as for `diffFiles`. */
export async function diffWithCheckout(
  repo: Repository,
  before: { readonly commit: string; readonly path: string },
  path: string,
): Promise<string | undefined> {
  const name = `${before.commit}:${before.path}`;
  const blob = await repo.git({ args: ['cat-file', '-e', name], cwd: repo.root });
  if (blob.code !== 0) return undefined;
  const options = ['--no-color', '--no-ext-diff', '--no-textconv'];
  const text = await need(repo.git, {
    args: ['--literal-pathspecs', 'diff', ...options, '--end-of-options', name, '--', path],
    cwd: repo.root,
  });
  return text === '' ? undefined : text;
}

/** Every file at or below these paths in a commit, with the object that holds it. */
export async function objectsAt(
  repo: Repository,
  commit: string,
  paths: readonly string[],
): Promise<Map<string, Oid>> {
  const text = await need(repo.git, {
    args: ['ls-tree', '-r', '-z', '--full-tree', '--end-of-options', commit, '--', ...paths],
    cwd: repo.root,
  });
  const lines = text.split('\0').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [about = '', path = ''] = line.split('\t');
      return [path, about.split(' ')[2] ?? ''];
    }),
  );
}

/** The direct children of a folder (`''` is the root) in a commit; empty where there is no such folder. */
export async function listFilesAt(repo: Repository, commit: string, dir: string): Promise<ListedFile[]> {
  const tree = await resolveTree(repo, commit);
  const folder = dir.replace(/\/+$/, '');
  if (folder.includes('\0') || /^\.\.?(\/|$)/.test(folder)) return [];
  const answer = await repo.git({
    args: ['ls-tree', '-z', '-l', '--full-tree', folder === '' ? tree : `${tree}:${folder}`],
    cwd: repo.root,
  });
  if (answer.code !== 0) return [];
  return answer.stdout
    .toString('utf8')
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const tab = line.indexOf('\t');
      const [mode = '', , oid = '', size = '-'] = line.slice(0, tab).split(/ +/);
      const name = line.slice(tab + 1);
      return {
        path: folder === '' ? name : `${folder}/${name}`,
        oid,
        kind: kindOf(mode),
        size: size === '-' ? 0 : Number(size),
      };
    });
}

/** Every file of a commit with its object name. Linear in their number. */
export async function listRecursively(
  repo: Repository,
  commit: string,
): Promise<{ readonly path: string; readonly kind: ListedFile['kind']; readonly oid: Oid }[]> {
  const args = ['ls-tree', '-r', '-z', '--full-tree', await resolveTree(repo, commit)];
  const answer = await repo.git({ args, cwd: repo.root });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  return answer.stdout
    .toString('utf8')
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const tab = line.indexOf('\t');
      const [mode = '', , oid = ''] = line.slice(0, tab).split(' ');
      return { path: line.slice(tab + 1), kind: kindOf(mode), oid };
    });
}

function kindOf(mode: string): ListedFile['kind'] {
  if (mode.startsWith('100')) return 'file';
  if (mode === '120000') return 'symlink';
  return mode === FOLDER ? 'directory' : 'other';
}

const FOLDER = '040000';
const SUBMODULE = '160000';

async function findEntry(repo: Repository, tree: Oid, path: string): Promise<Entry | undefined> {
  const [name = '', ...below] = path.split('/');
  const entry = (await readEntries(repo, tree)).find((candidate) => candidate.name === latin1(name));
  if (entry === undefined || below.length === 0) return entry;
  return entry.mode === FOLDER ? findEntry(repo, oidOf(entry), below.join('/')) : undefined;
}

const oidOf = ({ raw }: Entry): Oid => raw.slice(0, raw.indexOf('\t')).split(' ')[2] ?? '';

/** `head` is `<mode> <type> <oid>`; undefined takes the entry out, and folders that are empty then. */
async function withEntry(repo: Repository, tree: Oid, path: string, head: string | undefined): Promise<Oid> {
  const [name = '', ...below] = path.split('/');
  if (below.length === 0) return withRootEntry(repo, tree, name, head);
  const entry = (await readEntries(repo, tree)).find((candidate) => candidate.name === latin1(name));
  if (entry === undefined && head === undefined) return tree;
  if (entry !== undefined && entry.mode !== FOLDER) return tree;
  const inner = entry === undefined ? await makeTree(repo, []) : oidOf(entry);
  const made = await withEntry(repo, inner, below.join('/'), head);
  if (made === inner) return tree;
  // Git knows no empty folders.
  const isEmpty = head === undefined && (await readEntries(repo, made)).length === 0;
  return withRootEntry(repo, tree, name, isEmpty ? undefined : `${FOLDER} tree ${made}`);
}

async function withRootEntry(
  repo: Repository,
  tree: Oid,
  name: string,
  head: string | undefined,
): Promise<Oid> {
  const entries = await readEntries(repo, tree);
  const wanted = head === undefined ? undefined : `${head}\t${latin1(name)}`;
  const old = entries.find((entry) => entry.name === latin1(name));
  if (old?.raw === wanted) return tree;
  const lines = entries.filter((entry) => entry !== old).map((entry) => entry.raw);
  if (wanted !== undefined) lines.push(wanted);
  return makeTree(repo, lines);
}

async function makeTree(repo: Repository, lines: readonly string[]): Promise<Oid> {
  if (repo.objects !== undefined) {
    // By bytes, a folder's name as if it ended in a slash.
    const order = (entry: Entry): string => (entry.mode === FOLDER ? `${entry.name}/` : entry.name);
    const entries = lines.map(entryOf).sort((a, b) => (order(a) < order(b) ? -1 : 1));
    const made = await repo.objects.write('tree', bytesOfTree(entries));
    if (made !== undefined) return made;
  }
  return need(repo.git, {
    // `--missing`: what the tree names need not be looked up; in a partial clone it may not be here.
    args: ['mktree', '-z', '--missing'],
    cwd: repo.root,
    input: Buffer.from(lines.map((line) => `${line}\0`).join(''), 'latin1'),
  });
}

/** One line of `ls-tree -z`. */
const entryOf = (raw: string): Entry => ({
  raw,
  mode: raw.slice(0, raw.indexOf(' ')),
  name: raw.slice(raw.indexOf('\t') + 1),
});

async function readEntries(repo: Repository, tree: Oid): Promise<readonly Entry[]> {
  if (repo.objects !== undefined) {
    const trees = treesRead.get(repo.objects) ?? new Map<Oid, readonly Entry[]>();
    treesRead.set(repo.objects, trees);
    const known = trees.get(tree);
    if (known !== undefined) return known;
    const read = await readObject(repo, tree);
    if (read?.type === 'tree') {
      const entries = entriesOf(read.bytes, tree.length / 2);
      if (trees.size >= MOST_TREES)
        for (const old of [...trees.keys()].slice(0, MOST_TREES / 2)) trees.delete(old);
      trees.set(tree, entries);
      return entries;
    }
  }
  const args = ['ls-tree', '-z', '--full-tree', tree];
  const answer = await repo.git({ args, cwd: repo.root });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  return answer.stdout
    .toString('latin1')
    .split('\0')
    .filter((raw) => raw !== '')
    .map(entryOf);
}

/** Trees that a run has read, the newest last. */
const treesRead = new WeakMap<Objects, Map<Oid, readonly Entry[]>>();
const MOST_TREES = 64;

/** A tree as git keeps it: `<mode> <name>\0` and the object's name in bytes, over and over. */
function entriesOf(tree: Buffer, oidBytes: number): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < tree.length; ) {
    const space = tree.indexOf(0x20, at);
    const end = tree.indexOf(0, space);
    const mode = tree.toString('latin1', at, space).padStart(6, '0');
    const name = tree.toString('latin1', space + 1, end);
    const oid = tree.toString('hex', end + 1, end + 1 + oidBytes);
    const type = mode === FOLDER ? 'tree' : mode === SUBMODULE ? 'commit' : 'blob';
    entries.push({ mode, name, raw: `${mode} ${type} ${oid}\t${name}` });
    at = end + 1 + oidBytes;
  }
  return entries;
}

/** The plain files called `name` in any folder of a commit, with their objects. */
export async function filesNamed(
  repo: Repository,
  commit: string,
  name: string,
): Promise<{ readonly path: string; readonly oid: Oid }[]> {
  if (repo.objects === undefined) {
    const all = await listRecursively(repo, commit);
    return all
      .filter(({ path, kind }) => kind === 'file' && (path === name || path.endsWith(`/${name}`)))
      .map(({ path, oid }) => ({ path, oid }));
  }
  const folders = foldersRead.get(repo.objects) ?? new Map<string, Named>();
  foldersRead.set(repo.objects, folders);
  // A folder that did not change is not looked into twice: from one landing to the next that is nearly all.
  const within = (tree: Oid): Named => {
    const known = folders.get(`${name} ${tree}`);
    if (known !== undefined) return known;
    const found = readEntries(repo, tree).then(async (entries) => {
      const below = await Promise.all(
        entries.map(async (entry) => {
          const own = Buffer.from(entry.name, 'latin1').toString('utf8');
          if (entry.mode === FOLDER) {
            const inner = await within(oidOf(entry));
            return inner.map(({ path, oid }) => ({ path: `${own}/${path}`, oid }));
          }
          return own === name && entry.mode.startsWith('100') ? [{ path: own, oid: oidOf(entry) }] : [];
        }),
      );
      return below.flat();
    });
    folders.set(`${name} ${tree}`, found);
    return found;
  };
  return within(await resolveTree(repo, commit));
}

type Named = Promise<{ readonly path: string; readonly oid: Oid }[]>;
const foldersRead = new WeakMap<Objects, Map<string, Named>>();

const latin1 = (name: string): string => Buffer.from(name, 'utf8').toString('latin1');
