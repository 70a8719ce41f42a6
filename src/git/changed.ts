/** What a reviewer may hold against a second round: where two commits differ, and what there is at all. */
import type { Oid } from '../model/outcome.js';
import type { Repository } from './index.js';
import { GitError, need } from './plumbing.js';
import { diffTrees } from './tree.js';

/** Lines around a change that are part of it: who moves a condition answers for what it guards. */
const AROUND = 3;

/**
 * Where `to` differs from `from`: by file, the lines of `to` with some around them, 1-based, both included. A file
 * that is gone is there as a whole. With `within`, only files in which `to` differs from that commit as well: what
 * was merged in meanwhile is others' work. Undefined where it is too much to be looked through.
 */
export async function changedLines(
  repo: Repository,
  { from, to, within }: { readonly from: Oid; readonly to: Oid; readonly within?: Oid },
): Promise<Map<string, [from: number, to: number][]> | undefined> {
  const options = ['--no-color', '--no-ext-diff', '--no-textconv', '--no-renames', '--no-prefix', '--text'];
  let text: string;
  try {
    const args = ['diff', ...options, `-U${AROUND}`, '--end-of-options', from, to, '--'];
    text = await need(repo.git, { args, cwd: repo.root });
  } catch (error) {
    if (error instanceof GitError && error.stderr === 'too-much-output') return undefined;
    throw error;
  }
  const changed = new Map<string, [number, number][]>();
  let before = '';
  let file = '';
  let isHead = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('diff --git ')) isHead = true;
    else if (isHead && line.startsWith('--- ')) before = nameIn(line);
    else if (isHead && line.startsWith('+++ ')) {
      const after = nameIn(line);
      file = after === '/dev/null' ? before : after;
      changed.set(file, after === '/dev/null' ? [[1, Number.MAX_SAFE_INTEGER]] : []);
    } else if (line.startsWith('@@ ')) {
      isHead = false;
      const [, start = '0', length = '1'] = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(line) ?? [];
      if (Number(length) > 0) changed.get(file)?.push([Number(start), Number(start) + Number(length) - 1]);
    }
  }
  if (within === undefined) return changed;
  const own = new Set(await changedFiles(repo, within, to));
  return new Map([...changed].filter(([name]) => own.has(name)));
}

/** A name with a tab behind it where it holds spaces, in quotes where it holds worse. */
function nameIn(line: string): string {
  const name = line.slice(4).replace(/\t$/, '');
  return name.startsWith('"') ? name.slice(1, -1).replace(/\\(["\\])/g, '$1') : name;
}

/** The files in which two commits differ, renamed ones under both names. */
export async function changedFiles(repo: Repository, from: Oid, to: Oid): Promise<string[]> {
  const changes = await diffTrees(repo, from, to);
  return changes.map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'));
}

/** Which of these paths none of the commits has, as a file or a folder. */
export async function absentFrom(
  repo: Repository,
  commits: readonly Oid[],
  paths: readonly string[],
): Promise<Set<string>> {
  const absent = new Set(paths);
  for (const commit of commits) {
    const asked = [...absent].filter((path) => path !== '' && !/[\0\n]|^\/|(?:^|\/)\.\.?(?:\/|$)/.test(path));
    if (asked.length === 0) break;
    const args = ['cat-file', '--batch-check', '-z'];
    const answer = await repo.git({
      args,
      cwd: repo.root,
      input: asked.map((path) => `${commit}:${path.replace(/\/+$/, '')}\0`).join(''),
    });
    if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
    const lines = answer.text.split('\n');
    asked.forEach((path, index) => {
      if (/^[0-9a-f]{40,64} (?:blob|tree) \d+$/.test(lines[index] ?? '')) absent.delete(path);
    });
  }
  return absent;
}
