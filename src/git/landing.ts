/**
 * Lands candidates: the target branch goes forward to one, by compare-and-swap, its checkout with it.
 *
 * While the checkout is in the way, or the target has moved on by itself, landings go to the shadow
 * branch `mstone/<target>`, and the target follows when it can. Where the target was then is kept in
 * `refs/mstone/followed/<target>`: a target that no longer holds it was taken back by the user, and is
 * not pushed forward again.
 */
import type { Candidate, CheckoutBlock, FollowOutcome, LandOutcome, Oid } from '../model/outcome.js';
import { advance, type MoveOptions, repair } from './advance.js';
import { readLandings } from './history.js';
import {
  isAncestor,
  listRefs,
  listWorktrees,
  mayBeOpen,
  pin,
  type Repository,
  type ResolvedTarget,
  readTarget,
} from './index.js';
import type { RefChange } from './intent.js';
import { GitError } from './plumbing.js';

export interface LandRequest {
  readonly target: ResolvedTarget;
  readonly candidate: Candidate;
  /** The head as the run last knew it: what is there now must hold it. */
  readonly lastKnown: Oid;
  /** Folders of mstone's own worktrees; what is checked out there never blocks. */
  readonly slots?: readonly string[];
  /**
   * The command line that asked for this. Where the target cannot move, nothing moves, and this is what to
   * type once the way is free.
   */
  readonly again?: string;
  /** The target is left where it is, by agreement: landings go to the shadow branch. */
  readonly hold?: boolean;
}

/** What stands where landings go, held against what was known. */
export type HeadState =
  | { readonly kind: 'head'; readonly head: Oid; readonly target: ResolvedTarget }
  | {
      readonly kind: 'diverged';
      readonly head: Oid;
      readonly target: ResolvedTarget & { readonly target: Oid };
    }
  | { readonly kind: 'rewound'; readonly expected: Oid; readonly found: Oid }
  | { readonly kind: 'gone'; readonly message: string; readonly command: string };

/**
 * Reads the head anew. `rewound` when it, or the target behind the shadow, no longer holds what was
 * known; both commits are pinned then. `diverged` when the target went its own way.
 */
export async function inspectHead(
  repo: Repository,
  branch: string,
  lastKnown?: Oid,
  /** Where the branch is, where that has just been looked at. */
  found?: ResolvedTarget,
): Promise<HeadState> {
  return judge(repo, found ?? (await readTarget(repo, branch)), lastKnown);
}

async function judge(repo: Repository, target: ResolvedTarget, lastKnown?: Oid): Promise<HeadState> {
  const { branch } = target;
  const { head } = target;
  if (head === undefined || target.target === undefined) {
    const from = target.shadow === undefined ? lastKnown : shadowName(target);
    return { kind: 'gone', message: `branch ${branch} is gone`, command: bringBack(branch, from) };
  }
  if (lastKnown !== undefined && !(await holds(repo, head, lastKnown))) {
    return rewound(repo, lastKnown, head);
  }
  if (head === target.target) return { kind: 'head', head, target };
  const followed = (await readFollowed(repo, branch)).get(followedRef(branch));
  if (followed !== undefined && !(await holds(repo, target.target, followed))) {
    return rewound(repo, followed, target.target);
  }
  if (await isAncestor(repo, target.target, head)) return { kind: 'head', head, target };
  return { kind: 'diverged', head, target: { ...target, target: target.target } };
}

/** Moves the target to the candidate, or the shadow branch where the checkout is in the way. Idempotent. */
export async function land(repo: Repository, request: LandRequest): Promise<LandOutcome> {
  const { candidate, lastKnown } = request;
  const { branch } = request.target;
  const options = {
    ...optionsFor(request.target, request.slots),
    ...(request.again === undefined ? {} : { again: request.again }),
  };
  const repaired = await repair(repo, options);
  if (repaired.kind === 'busy') {
    return { kind: 'refused', message: `another mstone is landing here (pid ${repaired.pid})` };
  }
  // Each turn begins with what is there now; a ref that moves under us costs a turn.
  for (let turn = 0; turn < 5; turn += 1) {
    const before = await readTarget(repo, branch);
    // A commit is no ancestor of its own parent's.
    const isNew = before.target === candidate.base;
    if (before.target !== undefined && !isNew && (await holds(repo, before.target, candidate.commit))) {
      await forgetSpent(repo, before);
      return { kind: 'landed', commit: candidate.commit, on: 'target' };
    }
    const isOnShadow = before.shadow !== undefined && (await holds(repo, before.shadow, candidate.commit));
    const state = await judge(repo, before, isOnShadow ? undefined : lastKnown);
    if (state.kind === 'rewound') return state;
    if (state.kind === 'gone') return { kind: 'refused', message: `${state.message}: ${state.command}` };
    const { target, head } = state;
    const here = target.target;
    if (here === undefined) {
      return { kind: 'refused', message: `branch ${branch} is gone: ${bringBack(branch, lastKnown)}` };
    }
    if (!isOnShadow && head !== candidate.base) return { kind: 'moved', head };

    const goal = isOnShadow ? head : candidate.commit;
    let block: CheckoutBlock | undefined;
    const stuck = repaired.stuck.get(target.ref);
    if (request.hold === true) {
      block = undefined;
    } else if (stuck !== undefined) {
      block = stuck;
    } else if (
      !(goal === candidate.commit && here === candidate.base) &&
      !(await isAncestor(repo, here, goal))
    ) {
      block = {
        files: [],
        message: `${branch} has moved on by itself while landings went to ${options.follow}`,
        command: `git merge ${options.follow}`,
      };
    } else {
      const also = await shadowGone(repo, target);
      const outcome = await advance(repo, { ref: target.ref, old: here, new: goal, also }, options);
      if (outcome.kind === 'moved') return { kind: 'landed', commit: candidate.commit, on: 'target' };
      if (outcome.kind === 'lost') continue;
      block = outcome.block;
    }
    const onShadow: LandOutcome = {
      kind: 'landed',
      commit: candidate.commit,
      on: 'shadow',
      ...(block === undefined ? {} : { block }),
    };
    if (isOnShadow) return onShadow;
    if (request.again !== undefined && block !== undefined)
      return { kind: 'refused', message: block.message, command: block.command };

    const stuckShadow = repaired.stuck.get(target.shadowRef);
    if (stuckShadow !== undefined) {
      const why = block === undefined ? '' : `${block.message}; `;
      return { kind: 'refused', message: `${why}${options.follow}: ${stuckShadow.message}` };
    }
    const followed = (await readFollowed(repo, branch)).get(followedRef(branch));
    const outcome = await advance(
      repo,
      {
        ref: target.shadowRef,
        old: target.shadow,
        new: candidate.commit,
        also: followed === here ? [] : [{ ref: followedRef(branch), old: followed, new: here }],
      },
      options,
    );
    if (outcome.kind === 'moved') return onShadow;
    if (outcome.kind === 'blocked') {
      const why = block === undefined ? '' : `${block.message}; and `;
      const message = `${why}${options.follow} cannot move${block === undefined ? '' : ' either'}: ${outcome.block.message}`;
      return { kind: 'refused', message };
    }
  }
  return { kind: 'refused', message: `${branch} does not stand still` };
}

/** Lets the target catch up with its shadow branch, which is deleted once they are equal. Idempotent. */
export async function follow(
  repo: Repository,
  resolved: ResolvedTarget,
  slots?: readonly string[],
): Promise<FollowOutcome> {
  const { branch } = resolved;
  const options = optionsFor(resolved, slots);
  const repaired = await repair(repo, options);
  const blocked = (message: string, command: string): FollowOutcome => ({
    kind: 'blocked',
    block: { files: [], message, command },
  });
  if (repaired.kind === 'busy') {
    return blocked(`another mstone is landing here (pid ${repaired.pid})`, 'mstone status');
  }
  for (let turn = 0; turn < 5; turn += 1) {
    const state = await inspectHead(repo, branch);
    if (state.kind === 'rewound') return state;
    if (state.kind === 'gone') return blocked(state.message, state.command);
    if (state.kind === 'diverged') {
      return { kind: 'diverged', target: state.target.target, shadow: state.head };
    }
    const { target, head } = state;
    if (target.target === head) {
      await forgetSpent(repo, target);
      return { kind: 'followed', head };
    }
    const stuck = repaired.stuck.get(target.ref);
    if (stuck !== undefined) return { kind: 'blocked', block: stuck };
    const also = await shadowGone(repo, target);
    const outcome = await advance(repo, { ref: target.ref, old: target.target, new: head, also }, options);
    if (outcome.kind === 'moved') return { kind: 'followed', head };
    if (outcome.kind === 'blocked') return outcome;
  }
  return blocked(`${branch} does not stand still`, `git merge --ff-only ${options.follow}`);
}

/**
 * Forgets a shadow branch of which the target holds everything by other commits, as after a squash that kept
 * the trailers: to merge the two would bring nothing. What it was stays pinned. Returns that pin.
 */
export async function forgetMerged(repo: Repository, branch: string): Promise<string | undefined> {
  const target = await readTarget(repo, branch);
  const { shadow, shadowRef } = target;
  if (shadow === undefined || target.target === undefined || target.head === target.target) return undefined;
  if (await isAncestor(repo, target.target, shadow)) return undefined;
  const there = await readLandings(repo, target.target);
  for (const [id, { digest, state }] of await readLandings(repo, shadow)) {
    const proof = there.get(id);
    if (proof?.digest !== digest || proof.state !== state) return undefined;
  }
  const changes = await shadowGone(repo, target);
  if (!changes.some(({ ref }) => ref === shadowRef)) return undefined;
  const kept = `refs/mstone/pins/merged/${shadow.slice(0, 12)}`;
  await pin(repo, kept, shadow);
  for (const { ref, old } of changes) {
    if (old !== undefined) await repo.git({ args: ['update-ref', '-d', ref, old], cwd: repo.root });
  }
  return kept;
}

/** Somebody deleted the branch that landings are meant for. */
export class BranchGone extends GitError {
  constructor(branch: string, lastKnown: Oid | undefined) {
    const words = `branch ${branch} is gone: ${bringBack(branch, lastKnown)} brings it back`;
    super(['rev-parse'], 128, words);
    this.message = words;
  }
}

/** The command that makes a branch again that somebody deleted. */
const bringBack = (branch: string, from: string | undefined): string =>
  `git branch ${branch}${from === undefined ? ' COMMIT' : ` ${from.replace(/^([0-9a-f]{12})[0-9a-f]{28,52}$/, '$1')}`}`;

const shadowName = (target: ResolvedTarget): string => target.shadowRef.replace(/^refs\/heads\//, '');

const optionsFor = (target: ResolvedTarget, slots: readonly string[] = []): MoveOptions => ({
  slots,
  follow: shadowName(target),
});

/** A branch's name may be another's folder one day; as one word it never is. */
const followedRef = (branch: string): string => `refs/mstone/followed/${encodeURIComponent(branch)}`;

const readFollowed = (repo: Repository, branch: string) => listRefs(repo, followedRef(branch));

/** The changes that go with the target's reaching its shadow. One that is checked out stays. */
async function shadowGone(repo: Repository, target: ResolvedTarget): Promise<RefChange[]> {
  const changes: RefChange[] = [];
  const { shadow, shadowRef } = target;
  const isOpen =
    shadow !== undefined &&
    (await mayBeOpen(repo, shadowRef)) &&
    (await listWorktrees(repo)).some((worktree) => worktree.branch === shadowRef);
  if (shadow !== undefined && !isOpen) changes.push({ ref: shadowRef, old: shadow, new: undefined });
  for (const [ref, old] of await readFollowed(repo, target.branch))
    changes.push({ ref, old, new: undefined });
  return changes;
}

/** Removes a shadow branch that holds nothing the target lacks. */
async function forgetSpent(repo: Repository, target: ResolvedTarget): Promise<void> {
  if (target.head !== target.target) return;
  for (const { ref, old } of await shadowGone(repo, target)) {
    // Compare-and-swap; where it fails somebody has just used it, and it is theirs.
    if (old !== undefined) await repo.git({ args: ['update-ref', '-d', ref, old], cwd: repo.root });
  }
}

/** Whether `head` is or has among its ancestors a commit that may be unknown here. */
async function holds(repo: Repository, head: Oid, commit: Oid): Promise<boolean> {
  try {
    return await isAncestor(repo, commit, head);
  } catch (error) {
    if (error instanceof GitError && !(await exists(repo, commit))) return false;
    throw error;
  }
}

async function exists(repo: Repository, commit: Oid): Promise<boolean> {
  return (await repo.git({ args: ['cat-file', '-e', `${commit}^{commit}`], cwd: repo.root })).code === 0;
}

/** Pins what was and what is, once, under `refs/mstone/pins/rewound/<n>/`. */
async function rewound(
  repo: Repository,
  expected: Oid,
  found: Oid,
): Promise<{ kind: 'rewound'; expected: Oid; found: Oid }> {
  const prefix = 'refs/mstone/pins/rewound';
  const pins = await listRefs(repo, prefix);
  let n = 1;
  for (; pins.has(`${prefix}/${n}/found`); n += 1) {
    const isSame =
      pins.get(`${prefix}/${n}/expected`) === expected && pins.get(`${prefix}/${n}/found`) === found;
    if (isSame) return { kind: 'rewound', expected, found };
  }
  // `found` last: it says that the pair is complete.
  if (await exists(repo, expected)) await pin(repo, `${prefix}/${n}/expected`, expected);
  await pin(repo, `${prefix}/${n}/found`, found);
  return { kind: 'rewound', expected, found };
}
