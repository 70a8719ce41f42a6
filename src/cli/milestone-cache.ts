/**
 * Milestones as they were read last time: by the file's stamp in a checkout, by its content's name in a commit.
 *
 * Two files: what every command asks of each milestone; and what few ask of few (its text and what was found in
 * it), which is read where it is asked for.
 */
import { createHash } from 'node:crypto';
import type { MilestoneEntry, MilestoneReader, Parsed } from '../milestone/folder.js';
import type { Milestone } from '../model/milestone.js';
import type { Cache } from './cache.js';
import { RACY_MS } from './stamps.js';

const SHORT = 'milestones';
const TEXTS = 'milestones.texts';
const LONG = ['body', 'description', 'entryRequirements', 'tasks', 'criteria', 'recipe'] as const;
type Long = Pick<Milestone, (typeof LONG)[number]>;

/** One file in one version. */
interface Kept {
  readonly file: string;
  /** Its content's, as git names a blob with SHA-1, or as the repository does. */
  readonly oid: string;
  stamp?: string;
  readonly diagnostics: Parsed['diagnostics'];
  readonly short?: Omit<Milestone, keyof Long>;
  /** Where the rest of it is. */
  readonly at: number;
  readonly bytes: number;
}

export interface MilestoneCache extends Required<Pick<MilestoneReader, 'recall' | 'learn'>> {
  /** Keeps what was learned for the next command. */
  save(): void;
}

export function openMilestones(cache: Cache, nowMs: number): MilestoneCache {
  const { kept, long } = read(cache);
  const byFile = new Map(kept.map((one) => [`${one.file}\0${one.oid}`, one]));
  const byStamp = new Map(
    kept.flatMap((one) => (one.stamp === undefined ? [] : [[`${one.file}\0${one.stamp}`, one] as const])),
  );
  /** Asked for by this command, with what is long of it. */
  const used = new Map<Kept, () => Uint8Array>();
  let changed = false;

  const use = (one: Kept): Parsed => {
    const bytes = (): Buffer => long().subarray(one.at, one.at + one.bytes);
    used.set(one, bytes);
    return one.short === undefined
      ? { diagnostics: one.diagnostics }
      : { milestone: whole(one.short, bytes), diagnostics: one.diagnostics };
  };
  const stampOf = ({ stamp, changedMs }: MilestoneEntry): string | undefined =>
    stamp !== undefined && changedMs !== undefined && changedMs < nowMs - RACY_MS ? stamp : undefined;

  return {
    recall(entry, bytes) {
      if (bytes !== undefined) {
        const one = byFile.get(`${entry.path}\0${entry.oid ?? blobOf(bytes)}`);
        return one && use(one);
      }
      const stamp = stampOf(entry);
      const one =
        entry.oid !== undefined
          ? byFile.get(`${entry.path}\0${entry.oid}`)
          : stamp !== undefined
            ? byStamp.get(`${entry.path}\0${stamp}`)
            : undefined;
      return one && use(one);
    },
    learn(entry, bytes, { milestone, diagnostics }) {
      const oid = entry.oid ?? blobOf(bytes);
      const stamp = stampOf(entry);
      const known = byFile.get(`${entry.path}\0${oid}`);
      if (known !== undefined) {
        if (stamp === undefined || known.stamp === stamp) return;
        known.stamp = stamp;
        changed = true;
        return;
      }
      const { short, rest } = milestone === undefined ? { rest: Buffer.alloc(0) } : parted(milestone);
      const one: Kept = {
        file: entry.path,
        oid,
        ...(stamp === undefined ? {} : { stamp }),
        diagnostics,
        ...(short === undefined ? {} : { short }),
        at: 0,
        bytes: rest.length,
      };
      byFile.set(`${entry.path}\0${oid}`, one);
      used.set(one, () => rest);
      changed = true;
    },
    save() {
      if (!changed) return;
      // What nobody asked for this time, another branch's say, is kept for once.
      const others = kept.filter((one) => !used.has(one)).slice(0, used.size);
      const all = [...used].map(([one, bytes]) => [one, bytes()] as const);
      for (const one of others) all.push([one, long().subarray(one.at, one.at + one.bytes)]);
      const stamp = cache.write(TEXTS, Buffer.concat(all.map(([, bytes]) => bytes)));
      if (stamp === undefined) return;
      let at = 0;
      const index = all.map(([one, { length }]) => {
        at += length;
        return { ...one, at: at - length };
      });
      cache.write(SHORT, Buffer.from(JSON.stringify({ stamp, kept: index })));
      changed = false;
    },
  };
}

function read(cache: Cache): { readonly kept: readonly Kept[]; readonly long: () => Buffer } {
  const bytes = cache.read(SHORT);
  if (bytes !== undefined) {
    const { stamp, kept } = JSON.parse(bytes.toString('utf8')) as { stamp: string; kept: Kept[] };
    const long = cache.readLater(TEXTS, stamp);
    if (long !== undefined) return { kept, long };
  }
  return { kept: [], long: () => Buffer.alloc(0) };
}

/** As git names a blob in a repository of SHA-1. */
const blobOf = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

function parted(milestone: Milestone): {
  readonly short: Omit<Milestone, keyof Long>;
  readonly rest: Buffer;
} {
  const { body, description, entryRequirements, tasks, criteria, recipe, ...short } = milestone;
  const rest: Long = { body, description, entryRequirements, tasks, criteria, recipe };
  return { short, rest: Buffer.from(JSON.stringify(rest)) };
}

/** The milestone as it was; what is long of it is read when it is asked for. */
function whole(short: Omit<Milestone, keyof Long>, bytes: () => Buffer): Milestone {
  let rest: Long | undefined;
  const long = (): Long => {
    rest ??= JSON.parse(bytes().toString('utf8')) as Long;
    return rest;
  };
  return Object.assign(
    {
      get body() {
        return long().body;
      },
      get description() {
        return long().description;
      },
      get entryRequirements() {
        return long().entryRequirements;
      },
      get tasks() {
        return long().tasks;
      },
      get criteria() {
        return long().criteria;
      },
      get recipe() {
        return long().recipe;
      },
    },
    short,
  );
}
