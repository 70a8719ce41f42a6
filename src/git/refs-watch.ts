/**
 * Puts refs back that an agent moved, and leaves alone those that the user moved.
 *
 * The two look alike. A move is taken for an agent's where the guard's log has it, or where the ref now
 * names a commit that was made in a slot; any other is the user's, whatever it does. What an agent's ref
 * named is pinned before the ref goes back, which is done by compare-and-swap: a user who moves the same
 * ref at that moment wins. Configuration and hooks that changed are told, never reverted.
 */
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import { isAncestor, listRefs, pin, type Repository } from './index.js';
import { need } from './plumbing.js';
import { readStoredRefs } from './refs.js';
import { commitsMadeIn, SLOT_PREFIX } from './slots.js';

export interface RefValue {
  readonly oid: Oid;
  /** What an annotated tag names; the same as `oid` for all else. */
  readonly peeled: Oid;
  /** The ref that a symbolic one stands for. */
  readonly symref?: string;
}

export interface RefSnapshot {
  /** By full name, without mstone's own. */
  readonly refs: ReadonlyMap<string, RefValue>;
  /** The main checkout's HEAD: a full ref, or a commit where it is detached. */
  readonly head: string;
  /** Fingerprints of what changes how the user's git behaves. */
  readonly config: string;
  readonly hooks: string;
  /** How long the guard's log was: what stands there explains nothing that came later. */
  readonly logBytes: number;
}

export interface MendOptions {
  /** Commits that were made of slots' contents, beside those in the slots' own logs. */
  readonly slotCommits: ReadonlySet<Oid>;
  /** The guard's log. It need not exist. */
  readonly guardLog: string;
}

/**
 * The refs as they are now; mstone's own and those of a single worktree are not among them. `guardLog` is
 * the guard's log, where one is in force already.
 */
export async function snapshotRefs(repo: Repository, guardLog?: string): Promise<RefSnapshot> {
  const refs = (await storedRefs(repo)) ?? (await askedRefs(repo));
  return {
    refs,
    head: (await readFile(join(repo.commonDir, 'HEAD'), 'utf8').catch(() => '')).trim().replace(/^ref: /, ''),
    config: fingerprint(await readFile(join(repo.commonDir, 'config')).catch(() => '')),
    hooks: await fingerprintHooks(join(repo.commonDir, 'hooks')),
    logBytes: guardLog === undefined ? 0 : ((await stat(guardLog).catch(() => undefined))?.size ?? 0),
  };
}

/** By their files; undefined where git has to be asked. */
async function storedRefs(repo: Repository): Promise<Map<string, RefValue> | undefined> {
  const stored = repo.objects && readStoredRefs(repo.commonDir, { except: OURS });
  if (stored === undefined) return undefined;
  const refs = new Map<string, RefValue>();
  for (const [name, { oid, peeled, symref }] of stored) {
    // Branches name commits; of all else an annotated tag may be in the way.
    const named =
      peeled ?? (name.startsWith('refs/heads/') ? oid : (await repo.objects?.read(`${oid}^{}`))?.oid);
    if (named === undefined) return undefined;
    refs.set(name, { oid, peeled: named, ...(symref === undefined ? {} : { symref }) });
  }
  return refs;
}

async function askedRefs(repo: Repository): Promise<Map<string, RefValue>> {
  const listed = await need(repo.git, {
    args: ['for-each-ref', '--format=%(objectname) %(*objectname) %(refname) %(symref)'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
  });
  const refs = new Map<string, RefValue>();
  for (const line of listed.split('\n')) {
    const [oid = '', peeled = '', name = '', symref = ''] = line.split(' ');
    if (name === '' || OURS.test(name)) continue;
    refs.set(name, { oid, peeled: peeled || oid, ...(symref === '' ? {} : { symref }) });
  }
  return refs;
}

/** Puts back what agents moved since `before`. Returns sentences for the user. */
export async function mendRefs(
  repo: Repository,
  before: RefSnapshot,
  options: MendOptions,
): Promise<string[]> {
  const now = await snapshotRefs(repo);
  const slots = await listSlots(repo);
  const made = new Set(options.slotCommits);
  for (const slot of slots) for (const oid of await commitsMadeIn(slot.gitDir)) made.add(oid);
  const logged = await readLog(options.guardLog, before.logBytes);
  const told: string[] = [];

  // New ones last: an old one may have been made a name for a new one.
  const names = [...before.refs.keys(), ...[...now.refs.keys()].filter((name) => !before.refs.has(name))];
  for (const name of names) {
    const was = before.refs.get(name);
    const is = now.refs.get(name);
    if (was?.oid === is?.oid && was?.symref === is?.symref) continue;
    // A symbolic ref follows what it stands for.
    if (was?.symref !== undefined && was.symref === is?.symref) continue;
    const gone = is === undefined;
    const agents = gone
      ? logged.has(`${'0'.repeat(was?.oid.length ?? 40)} ${name}`)
      : made.has(is.peeled) || logged.has(`${is.oid} ${name}`);
    if (!agents) continue;
    const isAgents = (oid: Oid) => made.has(oid) || logged.has(`${oid} ${name}`);
    const last = is === undefined ? undefined : await lastOfUser(repo, name, is, isAgents);
    // A new branch on which the agent went on working is the agent's from its first commit.
    const begun = was === undefined && last !== undefined && is !== undefined;
    const isUsers = last !== undefined && !(begun && (await isAncestor(repo, last, is.peeled)));
    const back = was?.symref !== undefined || !isUsers ? was : { oid: last, peeled: last };
    told.push(await mend(repo, name, back, is, now.head, slots));
  }

  if (now.head !== before.head && logged.has(`ref:${now.head} HEAD`)) {
    told.push(`an agent switched your checkout from ${plain(before.head)} to ${plain(now.head)}`);
  }
  if (now.config !== before.config) {
    told.push(
      `${join(repo.commonDir, 'config')} changed while agents worked; if that was not you, look at it: git config --local --list`,
    );
  }
  if (now.hooks !== before.hooks) {
    told.push(
      `${join(repo.commonDir, 'hooks')} changed while agents worked; if that was not you, look into it`,
    );
  }
  return told;
}

/**
 * Puts back branches that now name a commit made in a slot, while the agent that moved them may still be at
 * work: nothing is built on what no review has seen. `lasting` stays where nothing is known of its past; the
 * others are taken away then. Returns sentences for the user.
 */
export async function mendBranches(
  repo: Repository,
  lasting: string,
  others: readonly string[],
  /** Where they are, where that has just been looked at. */
  known?: ReadonlyMap<string, Oid>,
): Promise<string[]> {
  const found = known ?? (await listRefs(repo, lasting, ...others));
  const slots = await listSlots(repo);
  const made = new Set<Oid>();
  for (const slot of slots) for (const oid of await commitsMadeIn(slot.gitDir)) made.add(oid);
  const told: string[] = [];
  for (const name of [lasting, ...others]) {
    const oid = found.get(name);
    if (oid === undefined || !made.has(oid)) continue;
    const is = { oid, peeled: oid };
    const last = await lastOfUser(repo, name, is, (other) => made.has(other));
    if (last === undefined && name === lasting) continue;
    const was = last === undefined ? undefined : { oid: last, peeled: last };
    told.push(await mend(repo, name, was, is, lasting, slots));
  }
  return told;
}

const OURS = /^refs\/(mstone|heads\/mstone|bisect|worktree|rewritten)\//;

const plain = (ref: string): string => ref.replace(/^refs\/(heads|tags|remotes)\//, '');

interface Slot {
  readonly name: string;
  readonly gitDir: string;
  /** The branch that its HEAD was put on. */
  readonly branch?: string;
}

async function listSlots(repo: Repository): Promise<Slot[]> {
  const folder = join(repo.commonDir, 'worktrees');
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith(SLOT_PREFIX));
  return Promise.all(
    names.map(async (name) => {
      const gitDir = join(folder, name);
      const head = (await readFile(join(gitDir, 'HEAD'), 'utf8').catch(() => '')).trim();
      return { name, gitDir, ...(head.startsWith('ref: ') ? { branch: head.slice(5) } : {}) };
    }),
  );
}

/** `new ref` of every line that the guard wrote. */
async function readLog(file: string, from: number): Promise<Set<string>> {
  const bytes = await readFile(file).catch(() => Buffer.alloc(0));
  const text = bytes.subarray(from).toString('utf8');
  return new Set(text.split('\n').map((line) => line.slice(line.indexOf(' ') + 1)));
}

/**
 * The newest value in the ref's log that was not an agent's: since the snapshot the user may have moved the
 * ref too, or a milestone landed on it. Undefined without such a log.
 */
async function lastOfUser(
  repo: Repository,
  name: string,
  is: RefValue,
  isAgents: (oid: Oid) => boolean,
): Promise<Oid | undefined> {
  const log = await repo.git({
    args: ['reflog', 'show', '--format=%H', name, '--'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir, GIT_NO_REPLACE_OBJECTS: '1' },
  });
  if (log.code !== 0) return undefined;
  const values = log.text.split('\n').filter((oid) => oid !== '');
  return values.find((oid) => oid !== is.oid && oid !== is.peeled && !isAgents(oid));
}

/** Sets one ref back to what it was; what it is now is pinned first. Returns the sentence for it. */
async function mend(
  repo: Repository,
  name: string,
  was: RefValue | undefined,
  is: RefValue | undefined,
  userHead: string,
  slots: readonly Slot[],
): Promise<string> {
  const run = (...args: string[]) =>
    repo.git({ args, cwd: repo.commonDir, env: { GIT_DIR: repo.commonDir } });
  const act = `an agent ${is === undefined ? 'deleted' : was === undefined ? 'made' : 'moved'} ${plain(name)}`;
  let kept = '';
  if (is !== undefined) {
    const pinned = `refs/mstone/mended/${is.oid.slice(0, 12)}`;
    await pin(repo, pinned, is.oid);
    kept = `; what it named is kept as ${pinned}`;
    // A slot on that branch keeps the commits that it is about to be harvested for.
    for (const slot of slots.filter(({ branch }) => branch === name)) {
      await run('update-ref', '--no-deref', `worktrees/${slot.name}/HEAD`, is.oid);
    }
  }
  if (was === undefined && name === userHead) return `${act}; your checkout is on it, so it was left${kept}`;

  const none = '0'.repeat((is ?? was)?.oid.length ?? 40);
  const back =
    was === undefined
      ? await run('update-ref', '--no-deref', '-d', name, is?.oid ?? none)
      : was.symref === undefined
        ? await run('update-ref', '--no-deref', name, was.oid, is?.oid ?? none)
        : await run('symbolic-ref', name, was.symref);
  if (back.code !== 0) return `${act}, which could not be undone: ${back.stderr.trim()}${kept}`;
  return `${act}; it was ${was === undefined ? 'removed' : `put back to ${was.oid.slice(0, 12)}`}${kept}`;
}

const fingerprint = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

async function fingerprintHooks(folder: string): Promise<string> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => !name.endsWith('.sample')).sort();
  const facts = await Promise.all(
    names.map(async (name) => {
      const info = await lstat(join(folder, name)).catch(() => undefined);
      const bytes = info?.isFile() ? await readFile(join(folder, name)).catch(() => '') : '';
      return `${name} ${info?.mode} ${fingerprint(bytes)}`;
    }),
  );
  return fingerprint(facts.join('\n'));
}
