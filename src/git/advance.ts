/**
 * Moves one branch forward together with the checkout that is on it, and mends a move that was cut off.
 *
 *   intent → refs prepared (branch and HEAD locked) → HEAD still there? → nothing in the way?
 *          → files and index (`read-tree -m -u`, refuses before it touches anything) → refs committed → no intent
 *
 * Files come before the ref, so a kill leaves a branch that is right and a checkout that is ahead of it.
 * `merge --ff-only` was rejected: it overwrites ignored files and moves whatever HEAD is on by then. So
 * was `update-ref` first: a refusal then leaves the checkout showing the reverse of what landed.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckoutBlock, Oid } from '../model/outcome.js';
import { startConversation } from '../process/conversation.js';
import { withTag } from '../process/tagged.js';
import {
  ABSENT,
  type Change,
  findChanged,
  findHolders,
  findInTheWay,
  type Holder,
  lookAt,
  type PathBytes,
  readIndex,
  type Standing,
  shown,
} from './checkout.js';
import { listRefs, type Repository } from './index.js';
import {
  awaitProcesses,
  type Intent,
  isAnothers,
  type RefChange,
  readIntents,
  removeIntent,
  removeStaleLocks,
  writeIntent,
} from './intent.js';
import { type Git, type GitAnswer, PINNED_ARGUMENTS } from './plumbing.js';
import { diffTrees } from './tree.js';

export interface Move {
  readonly ref: string;
  /** Undefined: the ref is made. */
  readonly old: Oid | undefined;
  readonly new: Oid;
  /** Changed in the same transaction. */
  readonly also: readonly RefChange[];
}

export interface MoveOptions {
  /** Folders of mstone's own worktrees; what is checked out there never counts. */
  readonly slots: readonly string[];
  /** What the user merges once the way is free, as git names it: `mstone/main`. */
  readonly follow: string;
  /** What is typed instead of that merge. */
  readonly again?: string;
}

export type MoveOutcome =
  | { readonly kind: 'moved' }
  | { readonly kind: 'blocked'; readonly block: CheckoutBlock }
  /** A ref is not where it was said to be. */
  | { readonly kind: 'lost' };

export type RepairOutcome =
  /** What there was to mend is mended, but for the branches named, with what is in the way there. */
  | { readonly kind: 'done'; readonly stuck: ReadonlyMap<string, CheckoutBlock> }
  /** Another living process is landing. */
  | { readonly kind: 'busy'; readonly pid: number };

/** How often a move is tried while the user switches branches or another git holds a lock. */
const TRIES = 5;
const LOCKED_MS = 100;

/** A git whose processes bear the tag of one intent, in one folder. */
type TaggedGit = { readonly git: Git; readonly env: Readonly<Record<string, string>> };

/** Moves a ref, and with it the checkout of the worktree that is on it, or tells what is in the way. */
export async function advance(repo: Repository, move: Move, options: MoveOptions): Promise<MoveOutcome> {
  // The user may switch branches while we look; then we look again.
  for (let tries = 0; tries < TRIES; tries += 1) {
    const [holder, second] = await findHolders(repo, move.ref, options.slots);
    if (holder !== undefined && second !== undefined) {
      return blocked(
        [],
        `${nameOf(move.ref)} is in use in two worktrees, ${holder.path} and ${second.path}`,
        [`${gitIn(repo, second)} switch --detach`, merge(repo, holder, options)],
      );
    }
    if (holder?.operation !== undefined) {
      return { kind: 'blocked', block: busyWith(repo, holder, holder.operation) };
    }
    const outcome =
      holder === undefined || move.old === undefined
        ? await moveRefs(repo, move, options)
        : await moveWithCheckout(repo, holder, { ...move, old: move.old }, options, 'untouched');
    if (outcome.kind === 'locked') {
      // Editors ask git for its status all day, and each time the index is locked for a moment.
      if (tries === TRIES - 1) return { kind: 'blocked', block: outcome.block };
      await sleep(LOCKED_MS);
    } else if (outcome.kind !== 'switched') return outcome;
  }
  return blocked([], `${nameOf(move.ref)} is being switched to and from all the time`, [
    merge(repo, undefined, options),
  ]);
}

/** Ends landings that were cut off, forwards where they had begun to change files. */
export async function repair(repo: Repository, options: MoveOptions): Promise<RepairOutcome> {
  const stuck = new Map<string, CheckoutBlock>();
  for (const intent of await readIntents(repo)) {
    if (isAnothers(intent)) return { kind: 'busy', pid: intent.writer.pid };
    const block = await mend(repo, intent, options);
    if (block === undefined) await removeIntent(repo, intent.ref);
    else stuck.set(intent.ref, block);
  }
  return { kind: 'done', stuck };
}

/** Undefined: it is mended, or there is nothing left to mend. */
async function mend(
  repo: Repository,
  intent: Intent,
  options: MoveOptions,
): Promise<CheckoutBlock | undefined> {
  await awaitProcesses(intent);
  const kept = await removeStaleLocks(repo, intent);
  const { checkout, old } = intent;
  const now = (await listRefs(repo, intent.ref)).get(intent.ref);
  const holder = (await findHolders(repo, intent.ref, options.slots)).find(
    ({ path }) => path === checkout?.path,
  );
  if (kept.length > 0) {
    const message = `another git command holds ${kept.join(' and ')}`;
    return blocked([], message, [merge(repo, holder, options)]).block;
  }
  // The branch moved, or the user has switched away: the checkout is theirs again.
  if (checkout === undefined || old === undefined || now !== old || holder === undefined) return undefined;
  if (holder.operation !== undefined) return busyWith(repo, holder, holder.operation);

  const { git } = tag(repo, intent.tag);
  const found = await sortOut(git, holder, await diffTrees(repo, old, intent.new));
  if (found.theirs.length > 0) {
    return blocked(found.theirs, `${has(found.theirs)} changed since a landing there was cut off`, [
      `${gitIn(repo, holder)} stash push -- ${found.theirs.map(quoted).join(' ')}`,
      'mstone resume',
    ]).block;
  }
  if (!found.begun) return undefined;
  await putForward(git, holder.path, found);
  const move = { ref: intent.ref, old, new: intent.new, also: await stillTrue(repo, intent.also) };
  const outcome = await moveWithCheckout(repo, holder, move, options, 'touched');
  return 'block' in outcome ? outcome.block : undefined;
}

type Outcome =
  | MoveOutcome
  /** HEAD is on another branch by now. */
  | { readonly kind: 'switched' }
  | { readonly kind: 'locked'; readonly block: CheckoutBlock };

/** Where no checkout is on the branch: one transaction of refs. */
async function moveRefs(repo: Repository, move: Move, options: MoveOptions): Promise<Outcome> {
  const intent = await begin(repo, move, undefined);
  const { git } = tag(repo, intent.tag);
  const answer = await git({
    args: ['update-ref', '-m', 'mstone', '-z', '--stdin'],
    cwd: repo.root,
    input: commands(move),
  });
  await removeIntent(repo, move.ref);
  if (answer.code === 0) return { kind: 'moved' };
  return refusal(repo, move, answer.stderr, [merge(repo, undefined, options)]);
}

async function moveWithCheckout(
  repo: Repository,
  holder: Holder,
  move: Move & { readonly old: Oid },
  options: MoveOptions,
  /** Whether some of its files may be new already, so that the intent has to outlive a refusal. */
  files: 'untouched' | 'touched',
): Promise<Outcome> {
  const intent = await begin(repo, move, holder);
  const { git, env } = tag(repo, intent.tag);
  const refs = await prepare(repo, holder, move, env);
  let outcome: Outcome | undefined;
  let mayHaveTouched = files === 'touched';
  try {
    if (refs.isPrepared) {
      outcome = await inspect();
      if (outcome === undefined) {
        mayHaveTouched = true;
        const answer = await updateFiles();
        if (answer.code === 0) {
          outcome = (await refs.commit())
            ? { kind: 'moved' }
            : blockedBy('the branch could not be moved, though its files were', []);
        } else {
          mayHaveTouched = files === 'touched' || !REFUSED.test(answer.stderr);
          outcome = await whyRefused(answer.stderr);
        }
      }
    }
  } finally {
    const stderr = await refs.close();
    outcome ??= await refusal(repo, move, stderr, [merge(repo, holder, options)]);
    // Where files may have moved and the ref did not, the intent stays: the next call mends it.
    if (outcome.kind === 'moved' || !mayHaveTouched) await removeIntent(repo, move.ref);
  }
  return outcome;

  /** Undefined: the way is free. */
  async function inspect(): Promise<Outcome | undefined> {
    if ((await headOf(git, holder)) !== move.ref) return { kind: 'switched' };
    const changes = await diffTrees(repo, move.old, move.new);
    const index = await readIndex(git, holder, changes);
    const inTheWay = await findInTheWay(git, holder.path, changes, index);
    if (inTheWay.length === 0) return undefined;
    const assumed = inTheWay.filter((path) => index.has(path));
    return blockedBy(`${these(inTheWay)} would be overwritten in ${holder.path}`, inTheWay, [
      ...(assumed.length === 0
        ? []
        : [
            `${gitIn(repo, holder)} update-index --no-assume-unchanged --no-skip-worktree -- ${assumed.map(quoted).join(' ')}`,
          ]),
      ...(assumed.length === 0 ? [] : [`${gitIn(repo, holder)} stash`]),
      ...inTheWay
        .filter((path) => !index.has(path))
        .map((path) => moveAway(join(holder.path === repo.root ? '' : holder.path, shown(path)))),
    ]);
  }

  async function updateFiles(): Promise<GitAnswer> {
    const args = ['read-tree', '-m', '-u', '--no-recurse-submodules', move.old, move.new];
    const first = await git({ args, cwd: holder.path });
    if (first.code === 0 || !/not uptodate/.test(first.stderr)) return first;
    // Stamps alone may differ. Exit 1: something is changed, which is for read-tree to judge.
    const refreshed = await git({ args: ['update-index', '--refresh'], cwd: holder.path });
    return refreshed.code > 1 ? refreshed : git({ args, cwd: holder.path });
  }

  async function whyRefused(stderr: string): Promise<Outcome> {
    const lock = /Unable to create '(.*\.lock)': File exists/.exec(stderr)?.[1];
    if (lock !== undefined) {
      return { ...blockedBy(`another git command holds ${lock}`, []), kind: 'locked' };
    }
    if (/resolve your current index/.test(stderr)) {
      const steps = [`${gitIn(repo, holder)} status`];
      return blocked([], `there are conflicts to be resolved in ${holder.path}`, steps);
    }
    const changes = await diffTrees(repo, move.old, move.new);
    const changed = await findChanged(git, holder.path, move.old, changes);
    if (changed.length === 0) {
      const [first = 'git refused'] = stderr
        .trim()
        .replace(/^(fatal|error): /, '')
        .split('\n');
      return blockedBy(`the checkout in ${holder.path} cannot be updated: ${first}`, []);
    }
    return blockedBy(
      `${these(changed)} ${changed.length === 1 ? 'is' : 'are'} changed in ${holder.path} and changed by what lands`,
      changed,
      [`${gitIn(repo, holder)} stash`],
      [`${gitIn(repo, holder)} stash pop`],
    );
  }

  function blockedBy(
    message: string,
    inTheWay: readonly PathBytes[],
    before: readonly string[] = [],
    after: readonly string[] = [],
  ): { readonly kind: 'blocked'; readonly block: CheckoutBlock } {
    return blocked(inTheWay, message, [...before, merge(repo, holder, options), ...after]);
  }
}

/** A transaction of refs: locked, or refused. */
interface Transaction {
  readonly isPrepared: boolean;
  /** Whether they moved. */
  commit(): Promise<boolean>;
  /** Without a commit before it, the refs stay as they were. Gives what git said against it. */
  close(): Promise<string>;
}

/** In that worktree, so that its HEAD is locked along with the branch. */
async function prepare(
  repo: Repository,
  holder: Holder,
  move: Move,
  env: Readonly<Record<string, string>>,
): Promise<Transaction> {
  const prepared =
    holder.gitDir === repo.commonDir ? await repo.objects?.prepareRefs(commands(move)) : undefined;
  if (prepared !== undefined) {
    let isOver = false;
    return {
      isPrepared: true,
      async commit() {
        isOver = true;
        return prepared.commit();
      },
      async close() {
        if (!isOver) await prepared.abort();
        return '';
      },
    };
  }
  const refs = startConversation({
    command: 'git',
    args: [...PINNED_ARGUMENTS, 'update-ref', '-m', 'mstone', '-z', '--stdin'],
    cwd: holder.path,
    env,
  });
  refs.say(`start\0${commands(move)}prepare\0`);
  const isPrepared = (await refs.line()) === 'start: ok' && (await refs.line()) === 'prepare: ok';
  return {
    isPrepared,
    async commit() {
      refs.say('commit\0');
      return (await refs.line()) === 'commit: ok';
    },
    close: async () => (await refs.close()).stderr,
  };
}

/** The ref that a worktree's HEAD is on. */
async function headOf(git: Git, { path, gitDir }: Holder): Promise<string> {
  const text = await readFile(join(gitDir, 'HEAD'), 'utf8').catch(() => '');
  const [, ref] = /^ref: (refs\/heads\/\S+)\s*$/.exec(text) ?? [];
  // Where refs are kept in tables, this file says nothing.
  if (ref !== undefined && ref !== 'refs/heads/.invalid') return ref;
  return (await git({ args: ['symbolic-ref', '-q', 'HEAD'], cwd: path })).text;
}

/** What git says when it has checked everything and touched nothing. */
const REFUSED =
  /not uptodate|would be overwritten|would be removed|would lose untracked|Cannot merge|resolve your current index|\.lock': File exists/;

async function begin(repo: Repository, move: Move, holder: Holder | undefined): Promise<{ tag: string }> {
  const intent = {
    ref: move.ref,
    ...(move.old === undefined ? {} : { old: move.old }),
    new: move.new,
    also: move.also,
    ...(holder === undefined ? {} : { checkout: { path: holder.path, gitDir: holder.gitDir } }),
    locks: [
      ...[move.ref, ...move.also.map(({ ref }) => ref)].map((ref) => join(repo.commonDir, `${ref}.lock`)),
      // A deletion rewrites the packed refs.
      ...(move.also.some((change) => change.new === undefined)
        ? [join(repo.commonDir, 'packed-refs.lock')]
        : []),
      ...(holder === undefined ? [] : [join(holder.gitDir, 'HEAD.lock'), join(holder.gitDir, 'index.lock')]),
    ],
    tag: `landing-${randomUUID()}`,
  };
  await writeIntent(repo, intent);
  return intent;
}

function tag(repo: Repository, name: string): TaggedGit {
  const env = withTag(repo.env, name);
  const MSTONE_TAG = env.MSTONE_TAG ?? name;
  return { env, git: (call) => repo.git({ ...call, env: { ...call.env, MSTONE_TAG } }) };
}

/** For `update-ref -z --stdin`. Every change names the value it expects. */
function commands(move: Move): string {
  const zero = '0'.repeat(move.new.length);
  return [{ ref: move.ref, old: move.old, new: move.new }, ...move.also]
    .map((change) =>
      change.new === undefined
        ? `delete ${change.ref}\0${change.old ?? zero}\0`
        : `update ${change.ref}\0${change.new}\0${change.old ?? zero}\0`,
    )
    .join('');
}

/** Refs were not moved: somebody else moved one of them first, or holds it. */
async function refusal(
  repo: Repository,
  move: Move,
  stderr: string,
  steps: readonly string[],
): Promise<Outcome> {
  const expected: readonly RefChange[] = [{ ref: move.ref, old: move.old, new: move.new }, ...move.also];
  const found = await listRefs(repo, ...expected.map(({ ref }) => ref));
  if (expected.some(({ ref, old }) => found.get(ref) !== old)) return { kind: 'lost' };
  const lock = /Unable to create '(.*\.lock)': File exists/.exec(stderr)?.[1];
  const [first = 'git refused'] = stderr
    .trim()
    .replace(/^fatal: /, '')
    .split('\n');
  if (lock === undefined) return blocked([], first, steps);
  return { ...blocked([], `another git command holds ${lock}`, steps), kind: 'locked' };
}

/** Changes of an intent that can still be made: somebody may have deleted a shadow meanwhile. */
async function stillTrue(repo: Repository, changes: readonly RefChange[]): Promise<RefChange[]> {
  if (changes.length === 0) return [];
  const found = await listRefs(repo, ...changes.map(({ ref }) => ref));
  return changes.filter(({ ref, old }) => found.get(ref) === old);
}

interface Found {
  /** Some path or index entry is no longer the old one. */
  readonly begun: boolean;
  /** New on disk already: the index is told so. */
  readonly done: readonly Change[];
  /** Gone or cut off: written anew. */
  readonly torn: readonly Change[];
  /** Neither old nor new nor half of it: somebody worked there. */
  readonly theirs: readonly PathBytes[];
}

/** What a killed move left, path by path. */
async function sortOut(git: Git, holder: Holder, changes: readonly Change[]): Promise<Found> {
  const root = holder.path;
  const index = await readIndex(git, holder, changes);
  const [done, torn, theirs]: [Change[], Change[], PathBytes[]] = [[], [], []];
  let begun = false;
  for (const change of changes) {
    const entry = index.get(change.path);
    const isIndexed = (mode: string, oid: string): boolean =>
      mode === ABSENT ? entry === undefined : entry?.mode === mode && entry.oid === oid;
    // The index is written last: one that is new was followed by whatever the user did since.
    const isIndexNew = isIndexed(change.newMode, change.newOid);
    if (isIndexNew) begun = true;
    const fate =
      isIndexNew || isIndexed(change.oldMode, change.oldOid)
        ? fateOf(change, await lookAt(git, root, change), isIndexNew)
        : 'theirs';
    if (fate === 'done' || fate === 'torn') begun = true;
    if (fate === 'done') done.push(change);
    if (fate === 'torn') torn.push(change);
    if (fate === 'theirs') theirs.push(change.path);
  }
  return { begun, done, torn, theirs };
}

type Fate = 'done' | 'torn' | 'theirs' | 'left';

/** What to do about one path, by what stands there now. */
function fateOf(change: Change, state: Standing, isIndexNew: boolean): Fate {
  switch (state) {
    case 'new':
      return 'done';
    case 'part':
      return 'torn';
    case 'old':
      return isIndexNew ? 'torn' : 'left';
    case 'absent':
      if (change.newMode === ABSENT) return 'done';
      // One that was to be added may not have been reached; one that was there has been taken away.
      return change.oldMode === ABSENT && !isIndexNew ? 'left' : 'torn';
    case 'folder':
      if (change.newMode === ABSENT) return 'done';
      return change.oldMode === ABSENT && !isIndexNew ? 'left' : 'theirs';
    case 'other':
      return isIndexNew ? 'left' : 'theirs';
  }
}

/** Makes index and files new wherever the killed move had been. */
async function putForward(git: Git, root: string, found: Found): Promise<void> {
  const changes = [...found.done, ...found.torn];
  const zero = '0'.repeat(changes[0]?.newOid.length ?? 40);
  const [gone, kept] = [
    changes.filter(({ newMode }) => newMode === ABSENT),
    changes.filter(({ newMode }) => newMode !== ABSENT),
  ];
  // Deletions first: a file may have become a folder.
  const lines = [
    ...gone.map(({ path }) => `0 ${zero}\t${path}\0`),
    ...kept.map(({ path, newMode, newOid }) => `${newMode} ${newOid}\t${path}\0`),
  ];
  await git({
    args: ['update-index', '--add', '--replace', '-z', '--index-info'],
    cwd: root,
    input: Buffer.from(lines.join(''), 'latin1'),
  });
  const torn = found.torn.filter(({ newMode }) => newMode !== ABSENT).map(({ path }) => `${path}\0`);
  if (torn.length > 0) {
    await git({
      args: ['checkout-index', '-f', '-u', '-q', '-z', '--stdin'],
      cwd: root,
      input: Buffer.from(torn.join(''), 'latin1'),
    });
  }
}

// The sentences.

function busyWith(
  repo: Repository,
  holder: Holder,
  operation: { readonly name: string; readonly finish: string },
): CheckoutBlock {
  const steps = [`${gitIn(repo, holder)} ${operation.finish}`];
  return blocked([], `a ${operation.name} is in progress in ${holder.path}`, steps).block;
}

const nameOf = (ref: string): string => ref.replace(/^refs\/heads\//, '');

const these = (files: readonly PathBytes[]): string =>
  files.length === 1 ? JSON.stringify(shown(files[0] ?? '')) : `${files.length} files`;

const has = (files: readonly PathBytes[]): string => `${these(files)} ${files.length === 1 ? 'has' : 'have'}`;

function blocked(
  files: readonly PathBytes[],
  message: string,
  steps: readonly string[],
): { readonly kind: 'blocked'; readonly block: CheckoutBlock } {
  return { kind: 'blocked', block: { files: files.map(shown).sort(), message, command: steps.join(' && ') } };
}

const gitIn = (repo: Repository, holder: Holder): string =>
  holder.path === repo.root ? 'git' : `git -C ${quoted(Buffer.from(holder.path).toString('latin1'))}`;

const merge = (repo: Repository, holder: Holder | undefined, options: MoveOptions): string =>
  options.again ?? `${holder === undefined ? 'git' : gitIn(repo, holder)} merge --ff-only ${options.follow}`;

const moveAway = (path: string): string => {
  const word = quoted(Buffer.from(path).toString('latin1'));
  return `mv -- ${word} ${quoted(Buffer.from(`${path}.mine`).toString('latin1'))}`;
};

/** A word for a POSIX shell, to be typed by the user. */
const quoted = (path: PathBytes): string => {
  const text = shown(path);
  if (/^[\w./@%+-]+$/.test(text)) return text;
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    return `$'${text.replace(/[\\']/g, '\\$&').replace(/[\u0000-\u001f\u007f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)}'`;
  }
  return `'${text.replaceAll("'", "'\\''")}'`;
};
