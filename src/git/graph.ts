/**
 * Commits and how they hang together, read through the run's reader: what lies near a head is asked about again and
 * again, and a commit never changes. What is far away, or not told here, is git's to say.
 */
import type { Oid } from '../model/outcome.js';
import type { Repository } from './index.js';
import type { Objects } from './objects.js';

export interface CommitNode {
  readonly oid: Oid;
  readonly parents: readonly Oid[];
  /** Committer's date, epoch ms. */
  readonly at: number;
  /** As `%B` gives it, in UTF-8. */
  readonly message: string;
}

/** So far back is looked. */
const NEAR = 256;
const MOST_KNOWN = 4096;

const nodes = new WeakMap<Objects, Map<Oid, CommitNode>>();

/** A commit; undefined where there is no reader, no such commit, or one that was written in another encoding. */
async function readNode(repo: Repository, oid: Oid): Promise<CommitNode | undefined> {
  const { objects } = repo;
  if (objects === undefined) return undefined;
  const known = nodes.get(objects) ?? new Map<Oid, CommitNode>();
  nodes.set(objects, known);
  const there = known.get(oid);
  if (there !== undefined) return there;
  const read = await objects.read(oid);
  const node = read?.type === 'commit' && read.oid === oid ? parse(oid, read.bytes) : undefined;
  if (node !== undefined) {
    if (known.size >= MOST_KNOWN)
      for (const old of [...known.keys()].slice(0, MOST_KNOWN / 2)) known.delete(old);
    known.set(oid, node);
  }
  return node;
}

function parse(oid: Oid, bytes: Buffer): CommitNode | undefined {
  const end = bytes.indexOf('\n\n');
  const head = (end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
  const seconds = /^committer .* (\d+) [+-]\d{4}$/m.exec(head)?.[1];
  if (seconds === undefined || /^encoding /m.test(head)) return undefined;
  return {
    oid,
    parents: [...head.matchAll(/^parent ([0-9a-f]+)$/gm)].map(([, parent = '']) => parent),
    at: Number(seconds) * 1000,
    message: end < 0 ? '' : bytes.toString('utf8', end + 2),
  };
}

/** The commit and its first parents as far as they are near, the newest first; undefined where one is not told. */
async function line(repo: Repository, from: Oid): Promise<readonly CommitNode[] | undefined> {
  const found: CommitNode[] = [];
  for (let oid: Oid | undefined = from; oid !== undefined && found.length < NEAR; ) {
    const node: CommitNode | undefined = await readNode(repo, oid);
    if (node === undefined) return undefined;
    found.push(node);
    [oid] = node.parents;
  }
  return found;
}

/** The commits from `head` down to `from`, by first parents, without it, the newest first; undefined where that is not told. */
export async function lineBetween(
  repo: Repository,
  from: Oid,
  head: Oid,
): Promise<readonly CommitNode[] | undefined> {
  const found: CommitNode[] = [];
  for (let oid: Oid | undefined = head; oid !== from; ) {
    const node: CommitNode | undefined = oid === undefined ? undefined : await readNode(repo, oid);
    if (node === undefined || found.length === NEAR) return undefined;
    found.push(node);
    [oid] = node.parents;
  }
  return found;
}

/** True where the one is seen to be among the other's ancestors; undefined where that is not seen. */
export async function isNearAncestor(
  repo: Repository,
  ancestor: Oid,
  descendant: Oid,
): Promise<true | undefined> {
  for (const node of (await line(repo, descendant)) ?? []) {
    if (node.oid === ancestor || node.parents.includes(ancestor)) return true;
  }
  return undefined;
}

/**
 * Where work left the head's line, and its commits since, the oldest first: for work without merges, that left the
 * line not long ago and of which nothing has reached it by another way. Undefined for all else.
 */
export async function nearFork(
  repo: Repository,
  head: Oid,
  work: Oid,
): Promise<{ readonly base: Oid; readonly commits: readonly CommitNode[] } | undefined> {
  const heads = await line(repo, head);
  if (heads === undefined) return undefined;
  const place = new Map(heads.map(({ oid }, index) => [oid, index]));
  const commits: CommitNode[] = [];
  let at = work;
  while (!place.has(at)) {
    const node = await readNode(repo, at);
    const [parent, ...others] = node?.parents ?? [];
    if (node === undefined || parent === undefined || others.length > 0 || commits.length === NEAR)
      return undefined;
    commits.unshift(node);
    at = parent;
  }
  // What landed since: none of it may hold any of these.
  const mine = new Set(commits.map(({ oid }) => oid));
  const todo = heads.slice(0, place.get(at)).flatMap(({ parents }) => parents.slice(1));
  const seen = new Set<Oid>();
  for (let oid = todo.pop(); oid !== undefined; oid = todo.pop()) {
    if (mine.has(oid)) return undefined;
    if (place.has(oid) || seen.has(oid)) continue;
    seen.add(oid);
    const node = seen.size > NEAR ? undefined : await readNode(repo, oid);
    if (node === undefined || node.parents.length === 0) return undefined;
    todo.push(...node.parents);
  }
  return { base: at, commits };
}
