/**
 * One mstone per repository: a lock that a dead owner cannot keep and a live one cannot lose.
 *
 *     lock              the owner's record
 *     lock.next.<N>     the right to take the lock from the dead owner with nonce N
 *     lock.own.<n>      a record on its way
 *
 * To take it: write one's own record to a file of its own, flush it, and `link` that to `lock`, which
 * fails where there is one. If the owner there is alive, that is the answer. If it is dead, its nonce N
 * names who may follow: `link` to `lock.next.N`, which only one process can do, for nonces never recur.
 * Where that name is taken, its owner counts like the lock's: alive, so wait for it; dead, so its nonce
 * names who may follow it. The winner reads `lock` again: if it is no longer N's, the right is void, so
 * give it up and begin anew; else `rename` the own record onto `lock` and clear the rights away.
 *
 * A right that is cleared away may be taken again by someone who read N's record long ago; reading
 * `lock` again is what tells him. Two simpler ways were tried and gave two owners: unlinking the dead
 * lock and creating one's own, and renaming the dead lock away.
 *
 * Whether a process lives is not known here: the caller tells, and gives its own identity.
 */
import { randomUUID } from 'node:crypto';
import { link, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { err, ok, type Result } from '../model/result.js';
import { isMissing, isTaken } from './disk.js';

/** Who holds a lock. A pid alone names nobody: it recurs, and means another process elsewhere. */
export interface Owner {
  readonly pid: number;
  /** When the process started, in whatever unit the system tells it. */
  readonly start: string;
  /** Changes when the machine starts anew. */
  readonly boot: string;
  /** Containers on one machine share its name and boot, but not its pids. */
  readonly pidNamespace: string;
  readonly host: string;
  /** Never the same twice. */
  readonly nonce: string;
  readonly run?: string;
  /** RFC 3339, UTC. */
  readonly since: string;
}

export type Liveness = 'alive' | 'dead' | 'unknown';

export interface Lock {
  readonly owner: Owner;
  /** Gives the lock up; a second call does nothing. */
  release(): Promise<void>;
}

/** Why the lock could not be had. */
export interface LockRefusal {
  /** Absent where the record cannot be read. */
  readonly owner?: Owner;
  /** One sentence without a full stop. */
  readonly why: string;
  /** What to type once one has made sure that the owner is gone; absent where it certainly lives. */
  readonly command?: string;
  /** The record is of a newer mstone: whether its owner lives cannot be told. */
  readonly newer?: true;
}

/** The few acts on a folder that the lock is made of. */
export interface LockDisk {
  /** Makes a new file of mode 0600 and flushes it. */
  create(path: string, text: string): Promise<void>;
  /** Undefined where there is none. */
  read(path: string): Promise<string | undefined>;
  /** `missing`: there is no `from`. */
  link(from: string, to: string): Promise<'linked' | 'taken' | 'missing'>;
  rename(from: string, to: string): Promise<void>;
  /** Does nothing where there is none. */
  remove(path: string): Promise<void>;
  list(folder: string): Promise<readonly string[]>;
}

export const nodeLockDisk: LockDisk = {
  async create(path, text) {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  },
  async read(path) {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  async link(from, to) {
    try {
      await link(from, to);
      return 'linked';
    } catch (error) {
      if (isTaken(error)) return 'taken';
      if (isMissing(error)) return 'missing';
      throw error;
    }
  },
  rename,
  async remove(path) {
    try {
      await unlink(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  },
  async list(folder) {
    try {
      return await readdir(folder);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },
};

/** A live successor needs milliseconds; one that takes 10 s is stopped or starved. */
const WAIT_MS = 20;
const WAITS = 500;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Who holds the lock `file`, if anybody: for `status`. A record that cannot be read counts as nobody. */
export async function readOwner(file: string, disk: LockDisk = nodeLockDisk): Promise<Owner | undefined> {
  const text = await disk.read(file);
  return text === undefined ? undefined : parseOwner(text);
}

/**
 * Takes the lock `file`, whose folder exists, or tells who has it. A nonce in `self` is replaced by a
 * fresh one.
 *
 * `isAlive` is asked about owners on this host and in this pid namespace only; an `unknown` from it is
 * respected like a life.
 */
export async function acquireLock(
  file: string,
  self: Omit<Owner, 'nonce'>,
  isAlive: (owner: Owner) => Liveness | Promise<Liveness>,
  disk: LockDisk = nodeLockDisk,
): Promise<Result<Lock, LockRefusal>> {
  const owner: Owner = { ...self, nonce: randomUUID() };
  const own = `${file}.own.${owner.nonce}`;
  const judge = (other: Owner): Liveness | Promise<Liveness> =>
    isElsewhere(other, owner) ? 'unknown' : isAlive(other);

  try {
    for (let waits = 0; ; ) {
      if ((await disk.read(own)) === undefined)
        await disk.create(own, JSON.stringify({ v: VERSION, ...owner }));
      const linked = await disk.link(own, file);
      if (linked === 'linked') return ok(await settle(file, owner, judge, disk));
      if (linked === 'missing') continue;

      const turn = await takeTurn(file, own, owner, judge, disk);
      if (turn.is === 'refused') return err(turn.refusal);
      if (turn.is === 'won') return ok(await settle(file, owner, judge, disk));
      if (turn.is === 'wait') {
        waits += 1;
        if (waits > WAITS) return err(refusal(file, turn.owner, 'alive'));
        await pause(WAIT_MS);
      }
    }
  } finally {
    await disk.remove(own);
  }
}

type Turn =
  | { readonly is: 'won' }
  | { readonly is: 'again' }
  /** A live process is about to take the dead owner's lock. */
  | { readonly is: 'wait'; readonly owner: Owner }
  | { readonly is: 'refused'; readonly refusal: LockRefusal };

/** The lock is there: follows the chain of the dead from its owner to the right to succeed. */
async function takeTurn(
  file: string,
  own: string,
  self: Owner,
  judge: (owner: Owner) => Liveness | Promise<Liveness>,
  disk: LockDisk,
): Promise<Turn> {
  const text = await disk.read(file);
  if (text === undefined) return { is: 'again' };
  const holder = parseOwner(text);
  if (holder === undefined) return { is: 'refused', refusal: unreadable(file, text) };
  const life = await judge(holder);
  if (life !== 'dead') return { is: 'refused', refusal: refusal(file, holder, life) };

  for (let dead = holder; ; ) {
    const next = `${file}.next.${dead.nonce}`;
    const linked = await disk.link(own, next);
    if (linked === 'missing') return { is: 'again' };
    if (linked === 'linked') {
      const now = await readOwner(file, disk);
      if (now?.nonce !== holder.nonce) {
        await disk.remove(next);
        return { is: 'again' };
      }
      // Alive and with the right in hand, nobody else can move the lock between these two lines.
      await disk.rename(own, file);
      return { is: 'won' };
    }
    const claim = await disk.read(next);
    if (claim === undefined) return { is: 'again' };
    const claimant = parseOwner(claim);
    if (claimant === undefined) return { is: 'refused', refusal: unreadable(next, claim) };
    if (claimant.nonce === self.nonce) return { is: 'again' };
    const claimantLife = await judge(claimant);
    if (claimantLife === 'alive') return { is: 'wait', owner: claimant };
    if (claimantLife === 'unknown') {
      return { is: 'refused', refusal: refusal(file, claimant, claimantLife) };
    }
    dead = claimant;
  }
}

/** The lock is ours: clears away void rights and what the dead left, and says how to give it up. */
async function settle(
  file: string,
  owner: Owner,
  judge: (owner: Owner) => Liveness | Promise<Liveness>,
  disk: LockDisk,
): Promise<Lock> {
  await clear(file, judge, disk);
  let held = true;
  return {
    owner,
    async release() {
      if (!held) return;
      held = false;
      await clear(file, judge, disk);
      if ((await readOwner(file, disk))?.nonce === owner.nonce) await disk.remove(file);
    },
  };
}

async function clear(
  file: string,
  judge: (owner: Owner) => Liveness | Promise<Liveness>,
  disk: LockDisk,
): Promise<void> {
  const folder = dirname(file);
  const rights = `${basename(file)}.next.`;
  const records = `${basename(file)}.own.`;
  for (const name of await disk.list(folder)) {
    const path = join(folder, name);
    if (name.startsWith(rights)) await disk.remove(path);
    if (!name.startsWith(records)) continue;
    const text = await disk.read(path);
    if (text === undefined) continue;
    // One that cannot be read was cut off by a crash, or is being written: its writer then begins anew.
    const writer = parseOwner(text);
    if (writer === undefined || (await judge(writer)) === 'dead') await disk.remove(path);
  }
}

/** Its pids mean nothing here. After a restart the namespace's number says nothing, but all are dead. */
const isElsewhere = (other: Owner, self: Owner): boolean =>
  other.host !== self.host || (other.boot === self.boot && other.pidNamespace !== self.pidNamespace);

function refusal(file: string, owner: Owner, life: 'alive' | 'unknown'): LockRefusal {
  const who = `process ${owner.pid} on ${owner.host}, since ${owner.since}`;
  return life === 'alive'
    ? { owner, why: `another mstone is at work here: ${who}` }
    : {
        owner,
        why: `another mstone may be at work here, and it cannot be seen from here: ${who}`,
        command: removal(file),
      };
}

const unreadable = (file: string, text: string): LockRefusal =>
  isNewer(parseRecord(text))
    ? { why: `the lock ${file} was written by a newer mstone`, newer: true }
    : { why: `the lock ${file} cannot be read`, command: removal(file) };

/** In single quotes for a POSIX shell. */
const removal = (file: string): string => `rm -- '${file.replaceAll("'", `'\\''`)}'`;

/** Of the record; one without it is of version 1. */
const VERSION = 1;

type LockRecord = Readonly<Partial<Record<keyof Owner | 'v', unknown>>>;

function parseRecord(text: string): LockRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const isNewer = (record: LockRecord | undefined): boolean =>
  typeof record?.v === 'number' && record.v > VERSION;

function parseOwner(text: string): Owner | undefined {
  const record = parseRecord(text);
  if (record === undefined || isNewer(record)) return undefined;
  const { pid, start, boot, pidNamespace, host, nonce, run, since } = record;
  if (typeof pid !== 'number' || typeof start !== 'string' || typeof boot !== 'string') return undefined;
  if (typeof pidNamespace !== 'string' || typeof host !== 'string') return undefined;
  // The nonce becomes part of a file's name.
  if (typeof nonce !== 'string' || !/^[0-9a-f-]{36}$/.test(nonce) || typeof since !== 'string')
    return undefined;
  return {
    pid,
    start,
    boot,
    pidNamespace,
    host,
    nonce,
    ...(typeof run === 'string' ? { run } : {}),
    since,
  };
}
