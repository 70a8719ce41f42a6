/** What a milestone's work adds to the target, as a whole and commit by commit. */
import type { FilePatch } from '../model/change.js';
import type { Oid } from '../model/outcome.js';
import { nearFork } from './graph.js';
import type { Repository } from './index.js';
import { GitError, need } from './plumbing.js';

export interface WorkCommit {
  readonly oid: Oid;
  readonly message: string;
  /** Of a merge, only what none of its parents had. */
  readonly patches: readonly FilePatch[];
}

export interface WorkChanges {
  /** The newest commit of the target that the work holds. */
  readonly base: Oid;
  readonly whole: readonly FilePatch[];
  /** The work's own commits, oldest first. */
  readonly commits: readonly WorkCommit[];
  /** False where it is too large to be looked through: nothing but `base` is known. */
  readonly complete: boolean;
}

/**
 * The changes of `commit` over what it has in common with the target's `head`. Binary files are read as text, so
 * that no attribute that an agent sets keeps a file from being looked at.
 */
export async function readChanges(
  repo: Repository,
  { head, commit }: { readonly head: Oid; readonly commit: Oid },
): Promise<WorkChanges> {
  const at = { cwd: repo.commonDir, env: { GIT_DIR: repo.commonDir } };
  const { base, commits } = (await nearby(repo, head, commit)) ?? (await ask(repo, head, commit));
  if (commits.length === 0) return { base, whole: [], commits: [], complete: true };
  // A commit is compared with those named behind it, and git then takes them for its parents in later lines, too.
  const lines = [`${commit} ${base}`, ...commits.map(({ oid, parents }) => `${oid} ${parents}`)];
  const input = lines
    .map(
      (line) => `${line.trimEnd()}
`,
    )
    .join('');
  const options = ['-p', '--cc', '-U0', '-M', '--text', '--no-color', '--no-ext-diff', '--no-textconv'];
  let text: string;
  try {
    const args = ['diff-tree', '--stdin', '--always', '-r', '--root', ...options];
    text = await need(repo.git, { args: [...args, '--src-prefix=a/', '--dst-prefix=b/'], ...at, input });
  } catch (error) {
    if (error instanceof GitError && error.stderr === 'too-much-output') {
      return { base, whole: [], commits: [], complete: false };
    }
    throw error;
  }
  const [whole, ...each] = readPatches(text);
  return {
    base,
    whole: whole?.patches ?? [],
    commits: commits.map(({ oid, message }, index) => ({
      oid,
      message,
      patches: each[index]?.patches ?? [],
    })),
    complete: true,
  };
}

interface Own {
  readonly base: Oid;
  /** The oldest first; `parents` with spaces between. */
  readonly commits: readonly { readonly oid: Oid; readonly parents: string; readonly message: string }[];
}

async function nearby(repo: Repository, head: Oid, commit: Oid): Promise<Own | undefined> {
  const fork = await nearFork(repo, head, commit);
  return (
    fork && {
      base: fork.base,
      commits: fork.commits.map(({ oid, parents, message }) => ({
        oid,
        parents: parents.join(' '),
        message,
      })),
    }
  );
}

async function ask(repo: Repository, head: Oid, commit: Oid): Promise<Own> {
  const at = { cwd: repo.commonDir, env: { GIT_DIR: repo.commonDir } };
  const common = await need(repo.git, { args: ['merge-base', '--end-of-options', head, commit], ...at });
  const base = common.split('\n')[0] ?? head;
  const options = ['--reverse', '--topo-order', '--format=%P%n%B%x00', '--end-of-options'];
  const listed = await need(repo.git, { args: ['rev-list', ...options, commit, `^${base}`], ...at });
  const commits = [...listed.matchAll(/commit ([0-9a-f]{40,64})\n([^\n]*)\n([^\0]*)\0/g)].map(
    ([, oid = '', parents = '', message = '']) => ({ oid, parents, message }),
  );
  return { base, commits };
}

interface Reading {
  path: string;
  from?: string;
  status: FilePatch['status'];
  readonly added: { line: number; text: string }[];
  readonly removed: { line: number; text: string }[];
}

/**
 * Patches without context, commit by commit, each under a line with its name. Only such lines, heads and hunks
 * stand at the left edge: a line of a file has a column for each parent before it.
 */
function readPatches(text: string): { readonly oid: Oid; readonly patches: readonly FilePatch[] }[] {
  const found: { oid: Oid; patches: FilePatch[] }[] = [];
  let now: Reading | undefined;
  let isHead = false;
  let columns = 1;
  let before = 0;
  let after = 0;
  for (const line of text.split('\n')) {
    if (/^[0-9a-f]{40,64}$/.test(line)) {
      found.push({ oid: line, patches: [] });
      now = undefined;
    } else if (line.startsWith('diff --')) {
      now = { path: nameIn(line), status: 'changed', added: [], removed: [] };
      found.at(-1)?.patches.push(now);
      isHead = true;
    } else if (now === undefined) {
      // An empty line behind a name.
    } else if (line.startsWith('@@')) {
      isHead = false;
      columns = (/^@+/.exec(line)?.[0].length ?? 2) - 1;
      before = Number(/ -(\d+)/.exec(line)?.[1] ?? 0);
      after = Number(/ \+(\d+)/.exec(line)?.[1] ?? 0);
    } else if (isHead) {
      readHead(now, line);
    } else if (/^[ +-]/.test(line)) {
      const marks = line.slice(0, columns);
      const words = line.slice(columns).replace(/\r$/, '');
      if (marks.includes('-')) {
        now.removed.push({ line: before, text: words });
        before += 1;
      } else {
        if (!marks.includes(' ')) now.added.push({ line: after, text: words });
        after += 1;
      }
    }
  }
  return found;
}

function readHead(file: Reading, line: string): void {
  if (/^new file mode /.test(line)) file.status = 'added';
  else if (/^deleted file mode /.test(line)) file.status = 'deleted';
  else if (line.startsWith('rename from ')) file.from = unquoted(line.slice(12));
  else if (line.startsWith('rename to ')) file.path = unquoted(line.slice(10));
  else if (line.startsWith('--- a/') || line.startsWith('--- "a/')) {
    if (file.status === 'deleted') file.path = unquoted(line.slice(4).replace(/\t$/, '')).slice(2);
  } else if (line.startsWith('+++ b/') || line.startsWith('+++ "b/')) {
    file.path = unquoted(line.slice(4).replace(/\t$/, '')).slice(2);
  }
}

/** Of a head's first line: all there is of a file that is empty, or of which only the mode changed. */
function nameIn(line: string): string {
  const whole = line.replace(/^diff --\S+ /, '');
  if (!/^diff --git /.test(line)) return unquoted(whole);
  const second = whole.startsWith('"')
    ? whole.slice(whole.lastIndexOf('"b/'))
    : whole.slice((whole.length + 1) / 2);
  return unquoted(second).slice(2);
}

/** Git quotes names as C does where they hold a quote, a backslash or a control character. */
function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  const plain: Readonly<Record<string, string>> = {
    n: '\n',
    t: '\t',
    r: '\r',
    a: '\u0007',
    b: '\b',
    f: '\f',
    v: '\v',
  };
  return name
    .slice(1, -1)
    .replace(/\\([0-7]{3}|.)/g, (_, code: string) =>
      /^[0-7]{3}$/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : (plain[code] ?? code),
    );
}
