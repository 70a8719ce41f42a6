/**
 * Agents' commits without mstone's trailers: only mstone's own landings may bear the proof that a
 * milestone has landed.
 */
import type { Oid } from '../model/outcome.js';
import { pin, type Repository, readIdentity, signedBy } from './index.js';
import { GitError, need } from './plumbing.js';
import { stripTrailers } from './trailers.js';

export interface Rebuilt {
  /** The tip, or what stands for it now. */
  readonly tip: Oid;
  /** Commits whose trailers were taken away. */
  readonly stripped: readonly Oid[];
}

interface RawCommit {
  readonly oid: Oid;
  /** `<name> <value>` lines; a value's further lines belong to it. Bytes as latin1. */
  readonly headers: readonly string[];
  readonly message: string;
}

/**
 * Rebuilds what `tip` holds and none of `trusted` does, where it bears such trailers or has a parent that
 * was rebuilt. Tree, author, committer, dates and encoding stay; a signature cannot.
 */
export async function rebuildWithoutTrailers(
  repo: Repository,
  tip: Oid,
  trusted: readonly Oid[],
): Promise<Rebuilt> {
  const env = { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' };
  const cwd = repo.commonDir;
  const listed = await need(repo.git, {
    args: [
      'rev-list',
      '--reverse',
      '--topo-order',
      '--end-of-options',
      tip,
      ...trusted.map((oid) => `^${oid}`),
    ],
    cwd,
    env,
  });
  const order = listed.split('\n').filter((oid) => oid !== '');
  if (order.length === 0) return { tip, stripped: [] };
  const commits = parseBatch(await batch(repo, order));

  const instead = new Map<Oid, Oid>();
  const stripped: Oid[] = [];
  for (const commit of commits) {
    const message = withoutProof(commit.message);
    const moved = commit.headers.some((line) => line.startsWith('parent ') && instead.has(line.slice(7)));
    if (message !== commit.message) stripped.push(commit.oid);
    else if (!moved) continue;
    const headers = commit.headers
      .filter((line) => !/^(gpgsig|gpgsig-sha256|mergetag) /.test(line))
      .map((line) =>
        line.startsWith('parent ') ? `parent ${instead.get(line.slice(7)) ?? line.slice(7)}` : line,
      );
    const made = await need(repo.git, {
      args: ['hash-object', '-t', 'commit', '-w', '--stdin'],
      cwd,
      env,
      input: Buffer.from(`${headers.join('\n')}\n\n${message}`, 'latin1'),
    });
    instead.set(commit.oid, made);
  }
  return { tip: instead.get(tip) ?? tip, stripped };
}

/** The message itself where it bears none of ours: line ends and blank lines are the author's. */
export function withoutProof(message: string): string {
  const stripped = stripTrailers(message);
  if (countOurs(stripped) === countOurs(message)) return message;
  return stripped === '' ? '(no message)\n' : stripped;
}

const countOurs = (message: string): number => (message.match(/^mstone-[a-z0-9-]*[ \t]*:/gim) ?? []).length;

async function batch(repo: Repository, oids: readonly Oid[]): Promise<Buffer> {
  const args = ['cat-file', '--batch'];
  const answer = await repo.git({
    args,
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' },
    input: oids.map((oid) => `${oid}\n`).join(''),
  });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  return answer.stdout;
}

/** Reads `<oid> commit <size>\n<bytes>\n` again and again. */
function parseBatch(output: Buffer): RawCommit[] {
  const commits: RawCommit[] = [];
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(10, at);
    const [oid = '', , size = ''] = output.toString('latin1', at, end).split(' ');
    const bytes = Number(size);
    if (end < 0 || !Number.isSafeInteger(bytes)) throw new GitError(['cat-file'], 0, `no commit ${oid}`);
    const text = output.toString('latin1', end + 1, end + 1 + bytes);
    const blank = text.indexOf('\n\n');
    const head = blank < 0 ? text.replace(/\n$/, '') : text.slice(0, blank);
    commits.push({
      oid,
      headers: head.split(/\n(?! )/),
      message: blank < 0 ? '' : text.slice(blank + 2),
    });
    at = end + 1 + bytes + 1;
  }
  return commits;
}

/**
 * One commit with the tree of `commit` and one parent, held at `pinRef`. What it stands for is held beside it
 * (`refs/mstone/left/`), and never lands.
 */
export async function asOneCommit(
  repo: Repository,
  request: {
    readonly commit: Oid;
    readonly parent: Oid;
    readonly message: string;
    /** Epoch ms: author and committer date. */
    readonly dateMs: number;
    /** Under `refs/mstone/`. */
    readonly pinRef: string;
  },
): Promise<Oid> {
  const { commit, parent, message, dateMs, pinRef } = request;
  const identity = await readIdentity(repo);
  const made = await need(repo.git, {
    args: ['commit-tree', `${commit}^{tree}`, '-p', parent, '-F', '-'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, ...signedBy(identity, identity, dateMs) },
    input: withoutProof(message),
  });
  await pin(repo, `${pinRef.replace('refs/mstone/', 'refs/mstone/left/')}.history`, commit);
  await pin(repo, pinRef, made);
  return made;
}
