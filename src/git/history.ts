/**
 * What history proves: which milestones have landed, with which text, and which were reverted.
 *
 * The proof of a milestone is the newest commit that bears its pair of trailers, on any path from the
 * head: a `git pull` may have turned the parents of a merge round. Newest is by the graph first (no
 * commit before its descendants), among unrelated ones by date.
 *
 * Where a commit is reached matters all the same. A landing is a merge whose second parent is an agent's
 * work, so from a landing we go on by its first parent only: what an agent wrote in a message of its own
 * proves nothing and reverts nothing, even had it slipped through the harvest. What that leaves are
 * landings, marks, and what the user did; a squash of several landings is the user's and counts. Not
 * required is a merge or a change to TASKS.md alone: that would lose every squash.
 */
import type { SimpleGit } from 'simple-git';
import type { MilestoneId } from '../model/milestone.js';
import type { Oid } from '../model/outcome.js';
import type { Landing } from '../model/plan.js';
import type { LandingCost } from '../run/costs.js';
import { lineBetween } from './graph.js';
import type { Repository } from './index.js';
import { readTrailers, type Trailer } from './trailers.js';

interface Commit {
  readonly oid: Oid;
  readonly parents: readonly Oid[];
  /** Epoch ms. */
  readonly at: number;
  readonly message: string;
  readonly pairs: readonly Pair[];
}

/** One `Mstone-Milestone` with what follows it. */
interface Pair {
  readonly id: string;
  readonly digest: string;
  /** Set by `mstone mark`. */
  readonly mark?: 'done' | 'todo';
  readonly run?: string;
  readonly agent?: string;
  readonly review?: string;
  readonly cost?: string;
}

const ID = /^\d{1,3}([A-Z]{1,2}|-gate)$/;
const DIGEST = /^v\d+:[0-9a-f]+$/;

/**
 * The newest landing of each milestone (and stage gate) that is reachable from `head`. `known` are those that were
 * read from other commits: where `head` only went on from one of them, no more is read than what came since.
 */
export async function readLandings(
  repo: Repository,
  head: Oid,
  known: ReadonlyMap<Oid, ReadonlyMap<MilestoneId, Landing>> = new Map(),
): Promise<Map<MilestoneId, Landing>> {
  for (const [from, landings] of [...known].reverse()) {
    const since = await readSince(repo, from, head);
    if (since === undefined) continue;
    const newest = new Map<MilestoneId, Landing>();
    for (const commit of since) {
      for (const pair of commit.pairs) if (!newest.has(pair.id)) newest.set(pair.id, landingOf(commit, pair));
    }
    return new Map([...landings, ...newest]);
  }
  const reader = await openReader(repo);
  const commits = await readCommits(reader, head);
  const landings = new Map<MilestoneId, Landing>();
  if (!commits.some((commit) => commit.pairs.length > 0)) return landings;

  const graph = await readGraph(reader, head);
  const merges = new Set(commits.filter(isLandingMerge).map((commit) => commit.oid));
  const trusted = reach(graph, head, merges);

  const reverted = new Set<Oid>();
  for (const commit of commits) {
    if (!trusted.has(commit.oid)) continue;
    for (const oid of revertedBy(commit, graph, reverted)) reverted.add(oid);
    for (const pair of commit.pairs) {
      if (landings.has(pair.id)) continue;
      const gone = reverted.has(commit.oid);
      // A mark that was taken back is as if it had never been: what stood before it speaks again.
      if (gone && pair.mark !== undefined) continue;
      landings.set(pair.id, { ...landingOf(commit, pair), ...(gone ? { state: 'todo' } : {}) });
    }
  }
  return landings;
}

const landingOf = (commit: Commit, pair: Pair): Landing => ({
  id: pair.id,
  digest: pair.digest,
  state: pair.mark ?? 'done',
  ...(pair.mark === undefined ? {} : { marked: true as const }),
  commit: commit.oid,
  at: commit.at,
  ...(pair.run === undefined ? {} : { run: pair.run }),
  ...(pair.agent === undefined ? {} : { agent: pair.agent }),
  ...(pair.review === undefined ? {} : { review: pair.review }),
  subject: commit.message.slice(0, commit.message.indexOf('\n')),
});

/**
 * The commits by which a branch went on from one commit to another, the newest first, where they alone say what
 * changed: a line of first parents, on which every merge is a landing and nothing is reverted. Each of its
 * commits has the earlier one among its ancestors, so what it says is newer than all that was known there; what
 * the landings brought beside it is an agent's and proves nothing. Undefined where more must be looked at.
 */
async function readSince(repo: Repository, from: Oid, head: Oid): Promise<readonly Commit[] | undefined> {
  const near = await lineBetween(repo, from, head);
  const commits =
    near?.map((node) => ({ ...node, pairs: readPairs(readTrailers(node.message)) })) ?? (await logged());
  if (commits === undefined) return undefined;
  const isPlain = commits.every(
    (commit) =>
      !/^This reverts commit /m.test(commit.message) && (commit.parents.length < 2 || isLandingMerge(commit)),
  );
  return isPlain && commits.at(-1)?.parents[0] === from ? commits : undefined;

  async function logged(): Promise<readonly Commit[] | undefined> {
    const args = ['log', '-z', '--first-parent', ...LOG_FORMAT, '--end-of-options', head, `^${from}`, '--'];
    // A commit that is gone: history was written anew and swept.
    const answer = await repo.git({ args, cwd: repo.root });
    return answer.code === 0 ? parseCommits(answer.text) : undefined;
  }
}

const COST = /^(\d{1,9}(?:\.\d{1,6})?) USD( \(estimated\))?$/;

/** What landings say they cost, the newest first: what was reverted and what was redone have cost as much. */
export async function readLandingCosts(
  repo: Repository,
  head: Oid,
): Promise<(LandingCost & { readonly commit: Oid })[]> {
  const reader = await openReader(repo);
  const commits = await readCommits(reader, head);
  if (!commits.some((commit) => commit.pairs.length > 0)) return [];
  const merges = new Set(commits.filter(isLandingMerge).map((commit) => commit.oid));
  const trusted = reach(await readGraph(reader, head), head, merges);
  return commits.flatMap((commit) =>
    commit.pairs.flatMap(({ id, run, agent, cost, mark }) => {
      const [, usd, estimated] = COST.exec(cost ?? '') ?? [];
      if (usd === undefined || mark !== undefined || !trusted.has(commit.oid)) return [];
      return [
        {
          commit: commit.oid,
          id,
          ...(run === undefined ? {} : { run }),
          ...(agent === undefined ? {} : { agent }),
          at: commit.at,
          usd: Number(usd),
          estimated: estimated !== undefined,
        },
      ];
    }),
  );
}

/** Commits that bear trailers of ours or revert something, descendants first. */
async function readCommits(reader: SimpleGit, head: Oid): Promise<Commit[]> {
  const output = await reader.raw([
    'log',
    '-z',
    '--date-order',
    '--basic-regexp',
    '--grep=^Mstone-Milestone: ',
    '--grep=^This reverts commit ',
    ...LOG_FORMAT,
    '--end-of-options',
    head,
    '--',
  ]);
  return parseCommits(output);
}

const LOG_FORMAT = [
  '--format=%H%n%P%n%ct%n%B',
  '--encoding=UTF-8',
  '--no-show-signature',
  '--no-color',
  '--no-patch',
];

function parseCommits(output: string): Commit[] {
  return output
    .split('\0')
    .filter((record) => record !== '')
    .map((record) => {
      const [oid = '', parents = '', seconds = '0'] = record.split('\n', 3);
      const message = record.slice(oid.length + parents.length + seconds.length + 3);
      return {
        oid,
        parents: parents.split(' ').filter((parent) => parent !== ''),
        at: Number(seconds) * 1000,
        message,
        pairs: readPairs(readTrailers(message)),
      };
    });
}

/** Every commit reachable from `head` with its parents. */
async function readGraph(reader: SimpleGit, head: Oid): Promise<Map<Oid, readonly Oid[]>> {
  const output = await reader.raw(['rev-list', '--parents', '--end-of-options', head, '--']);
  const graph = new Map<Oid, readonly Oid[]>();
  for (const line of output.split('\n')) {
    const [oid, ...parents] = line.split(' ');
    if (oid !== undefined && oid !== '') graph.set(oid, parents);
  }
  return graph;
}

/** A merge that landed work: not a mark, and not a commit of the user's who squashed some. */
const isLandingMerge = (commit: Commit): boolean =>
  commit.parents.length === 2 && commit.pairs.some((pair) => pair.mark === undefined);

/** What is reachable from `from`, entering `merges` by their first parent only. */
function reach(graph: ReadonlyMap<Oid, readonly Oid[]>, from: Oid, merges: ReadonlySet<Oid>): Set<Oid> {
  const seen = new Set<Oid>();
  const todo = [from];
  for (let oid = todo.pop(); oid !== undefined; oid = todo.pop()) {
    if (seen.has(oid)) continue;
    seen.add(oid);
    const parents = graph.get(oid) ?? [];
    todo.push(...(merges.has(oid) ? parents.slice(0, 1) : parents));
  }
  return seen;
}

/**
 * The commits that a commit takes back, unless it has been taken back itself. `git revert -m` of a merge
 * that is no landing, a pull or a pull request, takes back all that it had brought.
 */
function revertedBy(
  commit: Commit,
  graph: ReadonlyMap<Oid, readonly Oid[]>,
  reverted: ReadonlySet<Oid>,
): Set<Oid> {
  const gone = new Set<Oid>();
  if (reverted.has(commit.oid)) return gone;
  const pattern =
    /^This reverts commit ([0-9a-f]{40,64})(?:, reversing\s+changes made to ([0-9a-f]{40,64}))?/gm;
  for (const [, oid, kept] of commit.message.matchAll(pattern)) {
    if (oid === undefined || oid === commit.oid) continue;
    gone.add(oid);
    if (kept === undefined || !graph.has(oid)) continue;
    const before = reach(graph, kept, new Set());
    for (const brought of reach(graph, oid, new Set())) if (!before.has(brought)) gone.add(brought);
  }
  return gone;
}

/**
 * `Mstone-Milestone` opens a pair and `Mstone-Digest` completes it. `Mstone-State` speaks for all pairs
 * since the one before it; the other trailers for their pair, or for all where they stand once.
 */
function readPairs(trailers: readonly Trailer[]): Pair[] {
  const groups: { id: string; more: Map<string, string>; mark?: 'done' | 'todo' }[] = [];
  const all = new Map<string, string[]>();
  let marked = 0;
  for (const [name, value] of trailers) {
    if (name === 'Mstone-Milestone') groups.push({ id: value, more: new Map() });
    else if (name === 'Mstone-State' && (value === 'done' || value === 'todo')) {
      for (const group of groups.slice(marked)) group.mark = value;
      marked = groups.length;
    } else {
      groups.at(-1)?.more.set(name, value);
      all.set(name, [...(all.get(name) ?? []), value]);
    }
  }
  return groups.flatMap(({ id, more, mark }) => {
    const digest = more.get('Mstone-Digest');
    if (!ID.test(id) || digest === undefined || !DIGEST.test(digest)) return [];
    const fact = (name: string) =>
      more.get(name) ?? (all.get(name)?.length === 1 ? all.get(name)?.[0] : undefined);
    const [run, agent, review] = [fact('Mstone-Run'), fact('Mstone-Agent'), fact('Mstone-Review')];
    // A cost that stands once is of one milestone: shared out, it would count for each of them.
    const cost = more.get('Mstone-Cost');
    return [
      {
        id,
        digest,
        ...(mark === undefined ? {} : { mark }),
        ...(run === undefined ? {} : { run }),
        ...(agent === undefined ? {} : { agent }),
        ...(review === undefined ? {} : { review }),
        ...(cost === undefined ? {} : { cost }),
      },
    ];
  });
}

/** simple-git for reading history: its output has no limit, and no exit code of it is asked about. */
async function openReader(repo: Repository): Promise<SimpleGit> {
  const { simpleGit } = await import('simple-git');
  return simpleGit({
    baseDir: repo.root,
    trimmed: false,
    // The configuration files that the user's environment names, as every other git of ours gets them.
    unsafe: { allowUnsafeConfigPaths: true },
    allowEnvironment: Object.keys(repo.env).filter((name) => name.startsWith('GIT_')),
  }).env(repo.env);
}
