/**
 * Remembers a run: past events out, new events in, and nothing is believed before it is on disk.
 *
 * It knows lines, bytes and disks. It does not know what an event means, what follows from it, or
 * who may write: the lock (`lock.ts`) sees to it that one process does.
 *
 * ## The format
 *
 * NDJSON: one event per line, UTF-8, mode 0600.
 *
 *     {"v":1,"seq":7,"at":"2026-11-20T13:07:00.000Z","run":"01J…","type":"work.started",
 *      "milestone":"1A","attempt":1,"assignment":1, …the event's own fields…,"sum":"0123456789abcdef"}⏎
 *
 * - `v` is 1. It becomes 2 with the first event, field or word in one that this version would fold wrongly; a
 *   field that may be overlooked needs no new version. A type that is not known is of a newer mstone as well.
 * - `seq` counts from 1 without gaps. `at` is RFC 3339 in UTC. `run` is the same in all lines.
 * - `milestone`, `attempt` and `assignment` say what an event is about, so that `grep` and `jq` need no
 *   other line; an ending has those of its intent. They are left out where they do not apply.
 * - `sum` is always the last field: the first 16 hex digits of the SHA-256 of the line as it would be
 *   without it. In bytes: take away the line end, then the 26 bytes `,"sum":"<16 digits>"}`, put `}` in
 *   their place, hash. Nothing is parsed or written anew for it, so key order and numbers cannot matter.
 * - A line counts once its line end is there. Line end, checksum and its place are the frame; the frame
 *   stays the same for every `v`, so that a newer journal is told from a damaged one.
 *
 * Reading: everything after the last valid line is a torn tail (a crash, a full disk, a flipped bit): it
 * is moved to `journal.torn` and told. A line that is not valid before one that is means that believed
 * events are lost; that is refused by line number, never skipped. So is a gap in `seq`.
 *
 * Writing: whoever calls `append` while a write is under way joins the next one; each such group costs
 * one write and one fsync. A write cut short is a full disk, whatever the system calls it: Node reports
 * a short count there, and no error. The file is cut back to the last believed byte and takes no further
 * event, so that what is on disk is always a prefix of what happened.
 *
 * ## What was rejected
 *
 * - SQLite or a log with an index: another file format to repair, not readable with `tail -f`.
 * - A length or checksum before the JSON: no longer NDJSON, which `--output ndjson` promises.
 * - A checksum over canonical JSON: two programs rarely agree on it; bytes need no agreement.
 * - CRC-32: cheaper by nothing that is felt beside an fsync, and weaker against several flipped bits.
 * - "Only the last line may be bad": one flipped bit makes two lines of one.
 * - A file per event: a directory fsync for each.
 * - fdatasync: the new length is metadata that must be there, and it saves a tenth.
 */
import { hash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import type { Diagnostic } from '../model/diagnostic.js';
import type { Effect } from '../model/effect.js';
import type { Entry, Event } from '../model/event.js';
import { installWords, isVersion } from '../model/newer.js';
import { err, ok, type Result } from '../model/result.js';
import { isNoRoom, type JournalDisk, type JournalFile, nodeDisk } from './disk.js';
import { safeJson } from './json.js';
import { isPacked, unpack } from './packed.js';

export interface Journal {
  /** What was there when it was opened. */
  readonly entries: readonly Entry[];
  /** The torn tail that was moved away, if there was one. */
  readonly trimmed?: { readonly bytes: number; readonly file: string };
  /**
   * Resolves when the events are on disk, with the lines they became; `nowMs` is epoch ms.
   * Rejects with `JournalFull` when there is no room, and from then on always.
   */
  append(events: readonly Event[], nowMs: number): Promise<readonly Entry[]>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** Why a journal is not read: damage before its end, or a line that only a newer mstone understands. */
export interface JournalDamage extends Diagnostic {
  readonly severity: 'error';
  readonly code: 'journal-damaged' | 'journal-newer';
  readonly file: string;
  readonly line: number;
}

/** There is no room for the journal: nothing that was not written happened. */
export class JournalFull extends Error {
  override readonly name = 'JournalFull';
}

const EVENT_TYPES: Readonly<Record<Event['type'], true>> = {
  'run.started': true,
  'run.continued': true,
  'items.reset': true,
  decision: true,
  'work.started': true,
  'work.ended': true,
  'check.started': true,
  'check.ended': true,
  'candidate.started': true,
  'candidate.ended': true,
  'land.started': true,
  'land.ended': true,
  'follow.started': true,
  'follow.ended': true,
  'publish.started': true,
  'publish.ended': true,
  note: true,
  'run.paused': true,
  'run.ended': true,
};

const LINE_END = 0x0a;
const COMMA = 0x2c;
const CLOSING = 0x7d;
/** `,"sum":"0123456789abcdef"}` */
const SUM_BYTES = 26;

/** In one call: a hash made, fed and asked takes five times as long, and a journal may have 100,000 lines. */
const sumOf = (bytes: Uint8Array | string): string => hash('sha256', bytes, 'hex').slice(0, 16);

/** An entry as the journal holds it and `--output ndjson` prints it, without the line end. */
export function formatEntry(entry: Entry): string {
  const { event, ...envelope } = entry;
  const { type, ...fields } = event;
  const { v, seq, at, run, milestone, attempt, assignment } = envelope;
  const body = safeJson({ v, seq, at, run, type, milestone, attempt, assignment, ...fields });
  return `${body.slice(0, -1)},"sum":"${sumOf(body)}"}`;
}

/** A whole line with a right checksum, whatever version wrote it; undefined where it is not that. */
function unframe(bytes: Buffer, start: number, stop: number): Readonly<Record<string, unknown>> | undefined {
  const cut = stop - SUM_BYTES;
  if (cut <= start || bytes[cut] !== COMMA) return undefined;
  const frame = bytes.toString('latin1', cut, stop);
  // The body in its place, for as long as it is looked at: no line is copied.
  bytes[cut] = CLOSING;
  const sum = sumOf(bytes.subarray(start, cut + 1));
  const body = frame === `,"sum":"${sum}"}` ? bytes.toString('utf8', start, cut + 1) : undefined;
  bytes[cut] = COMMA;
  if (body === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Read =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'newer'; readonly found: string }
  | { readonly kind: 'odd'; readonly expected: string; readonly found: string };

/** Reads what a frame holds, at its place: `seq` and, once known, `run` must fit. */
function readFields(fields: Readonly<Record<string, unknown>>, seq: number, run: string | undefined): Read {
  const { v, seq: number, at, run: ofRun, milestone, attempt, assignment, sum: _sum, ...event } = fields;
  const { type } = event;
  if (v !== 1) return { kind: 'newer', found: `v ${JSON.stringify(v)}` };
  if (number !== seq) return { kind: 'odd', expected: `seq ${seq}`, found: `seq ${JSON.stringify(number)}` };
  if (typeof ofRun !== 'string' || (run !== undefined && ofRun !== run)) {
    return { kind: 'odd', expected: `run ${run ?? 'by name'}`, found: `run ${JSON.stringify(ofRun)}` };
  }
  if (typeof type !== 'string' || !Object.hasOwn(EVENT_TYPES, type)) {
    return { kind: 'newer', found: `type ${JSON.stringify(type)}` };
  }
  if (typeof at !== 'string') return { kind: 'odd', expected: 'a time', found: `at ${JSON.stringify(at)}` };
  return {
    kind: 'entry',
    entry: {
      v: 1,
      seq,
      at,
      run: ofRun,
      ...(typeof milestone === 'string' ? { milestone } : {}),
      ...(typeof attempt === 'number' ? { attempt } : {}),
      ...(typeof assignment === 'number' ? { assignment } : {}),
      // The checksum vouches that it was written as an `Event` of this version.
      event: event as unknown as Event,
    },
  };
}

/** All that can be said about a journal's bytes; `end` is the first byte behind the last valid line. */
function parseJournal(
  file: string,
  bytes: Buffer,
  expectedRun: string | undefined,
): Result<{ readonly entries: readonly Entry[]; readonly end: number }, JournalDamage> {
  const entries: Entry[] = [];
  let end = 0;
  /** The first line that is not valid, from 1: of the torn tail, unless a valid one follows. */
  let bad: number | undefined;
  let line = 0;
  for (const [start, stop] of linesIn(bytes)) {
    line += 1;
    const fields = unframe(bytes, start, stop);
    if (fields === undefined) {
      bad ??= line;
      continue;
    }
    if (bad !== undefined) {
      return err(damaged(file, bad, 'a line with a right checksum', 'none, with valid lines behind it'));
    }
    const read = readFields(fields, line, expectedRun ?? entries[0]?.run);
    if (read.kind === 'newer') return err(newer(file, line, read.found, writerOf(bytes)));
    if (read.kind === 'odd') return err(damaged(file, line, read.expected, read.found));
    entries.push(read.entry);
    end = stop + 1;
  }
  return ok({ entries, end });
}

/** Where each line begins and where its end is; what has no end is no line. */
function* linesIn(bytes: Buffer): Generator<readonly [number, number]> {
  for (let start = 0; start < bytes.length; ) {
    const stop = bytes.indexOf(LINE_END, start);
    if (stop < 0) return;
    yield [start, stop];
    start = stop + 1;
  }
}

function damaged(file: string, line: number, expected: string, found: string): JournalDamage {
  return {
    severity: 'error',
    code: 'journal-damaged',
    file,
    line,
    message: `the journal is damaged at line ${line}`,
    expected,
    found,
    fix: `git still proves what has landed: move ${dirname(file)} away and type "mstone run"`,
  };
}

/** The newest mstone that wrote here: a run says it when it starts and when it goes on. */
function writerOf(bytes: Buffer): string | undefined {
  let writer: string | undefined;
  for (const [start, stop] of linesIn(bytes)) {
    const said = unframe(bytes, start, stop)?.mstone;
    if (isVersion(said)) writer = said;
  }
  return writer;
}

function newer(file: string, line: number, found: string, version: string | undefined): JournalDamage {
  return {
    severity: 'error',
    code: 'journal-newer',
    file,
    line,
    message:
      version === undefined
        ? `line ${line} of the journal was written by a newer mstone`
        : `line ${line} of the journal was written by a newer mstone, ${version}`,
    expected: 'v 1 and a type that this mstone knows',
    found,
    fix: installWords(version),
  };
}

/**
 * Reads a journal, packed or not, and changes nothing, also while its run is writing. A torn tail is left out
 * and counted; a file that is not there has no entries.
 */
export async function readJournal(
  file: string,
  disk: JournalDisk = nodeDisk,
): Promise<Result<{ readonly entries: readonly Entry[]; readonly tornBytes: number }, JournalDamage>> {
  const there = (await disk.read(file)) ?? Buffer.alloc(0);
  const bytes = isPacked(file) ? await unpack(there) : there;
  if (bytes === undefined) return err(damaged(file, 1, 'what gzip packed', 'bytes that it cannot unpack'));
  const read = parseJournal(file, bytes, undefined);
  if (!read.ok) return read;
  return ok({ entries: read.value.entries, tornBytes: bytes.length - read.value.end });
}

/**
 * Opens a run's journal for writing, made where there is none. The caller holds the lock.
 *
 * A torn tail is kept in `journal.torn` beside it before it is cut off. Rejects with `JournalFull`
 * when there is no room even for that.
 */
export async function openJournal(
  file: string,
  run: string,
  disk: JournalDisk = nodeDisk,
): Promise<Result<Journal, JournalDamage>> {
  const folder = dirname(file);
  const firstMade = await guardRoom(() => disk.makeFolder(folder));
  const bytes = (await disk.read(file)) ?? Buffer.alloc(0);
  const read = parseJournal(file, bytes, run);
  if (!read.ok) return read;
  const { entries, end } = read.value;

  const handle = await guardRoom(() => disk.open(file));
  try {
    const trimmed = await guardRoom(async () => {
      // First the file, then the names that lead to it: a name must not outlive what it names.
      const torn =
        end < bytes.length ? await moveTail(disk, file, handle, bytes.subarray(end), end) : undefined;
      await handle.sync();
      for (const path of foldersUpTo(folder, firstMade)) await disk.syncFolder(path);
      return torn;
    });
    return ok({
      entries,
      ...(trimmed === undefined ? {} : { trimmed }),
      ...writer(handle, run, entries, end),
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function moveTail(
  disk: JournalDisk,
  file: string,
  handle: JournalFile,
  tail: Buffer,
  end: number,
): Promise<{ readonly bytes: number; readonly file: string }> {
  const torn = join(dirname(file), `${basename(file).replace(/\.ndjson$/, '')}.torn`);
  const keep = await disk.open(torn);
  try {
    if ((await keep.write(tail)) < tail.length)
      throw new JournalFull(`no room to keep the torn tail in ${torn}`);
    await keep.sync();
  } finally {
    await keep.close();
  }
  await handle.truncate(end);
  return { bytes: tail.length, file: torn };
}

/** The folder, its parent, and on to the parent of the first folder that was made just now. */
function foldersUpTo(folder: string, firstMade: string | undefined): readonly string[] {
  const last = dirname(firstMade ?? folder);
  const paths = [folder];
  for (let path = folder; path !== last && dirname(path) !== path; ) {
    path = dirname(path);
    paths.push(path);
  }
  return paths;
}

async function guardRoom<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (isNoRoom(error)) throw new JournalFull('no room for the journal', { cause: error });
    throw error;
  }
}

interface Waiting {
  readonly events: readonly Event[];
  readonly nowMs: number;
  resolve(entries: readonly Entry[]): void;
  reject(error: unknown): void;
}

function writer(
  handle: JournalFile,
  run: string,
  past: readonly Entry[],
  end: number,
): Pick<Journal, 'append' | 'close'> {
  const subjects = new Map<string, Subject>();
  for (const { event } of past) subjectOf(event, subjects);
  let believed = end;
  let seq = past.length;
  let waiting: Waiting[] = [];
  let draining: Promise<void> | undefined;
  /** Why nothing is taken any more. */
  let stopped: unknown;

  /** Writes a group, or cuts the file back to what was believed before it and stops for good. */
  async function commit(group: readonly Waiting[]): Promise<void> {
    try {
      let next = seq;
      const made = group.map(({ events, nowMs }) => {
        const at = new Date(nowMs).toISOString();
        return events.map((event): Entry => {
          next += 1;
          return { v: 1, seq: next, at, run, ...subjectOf(event, subjects), event };
        });
      });
      const bytes = Buffer.from(
        made.flatMap((entries) => entries.map((entry) => `${formatEntry(entry)}\n`)).join(''),
      );
      const written = await handle.write(bytes);
      if (written < bytes.length) {
        throw new JournalFull(`no room for the journal: ${written} of ${bytes.length} bytes were written`);
      }
      await handle.sync();
      believed += bytes.length;
      seq = next;
      for (const [index, { resolve }] of group.entries()) resolve(made[index] ?? []);
    } catch (error) {
      stopped = isNoRoom(error) ? new JournalFull('no room for the journal', { cause: error }) : error;
      try {
        // Both work on a full disk.
        await handle.truncate(believed);
        await handle.sync();
      } catch (failure) {
        // The tail stays and is trimmed by the next opening; what stopped us is the better reason.
        stopped = new AggregateError([stopped, failure], 'the journal could not be cut back');
        if (error instanceof JournalFull || isNoRoom(error)) {
          stopped = new JournalFull('no room for the journal', { cause: stopped });
        }
      }
      for (const { reject } of group) reject(stopped);
    }
  }

  async function drain(): Promise<void> {
    // Whoever appends in the same turn joins the first group.
    await Promise.resolve();
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      if (stopped === undefined) await commit(group);
      else for (const { reject } of group) reject(stopped);
    }
    draining = undefined;
  }

  return {
    append(events, nowMs) {
      if (stopped !== undefined) return Promise.reject(stopped);
      if (events.length === 0) return Promise.resolve([]);
      return new Promise((resolve, reject) => {
        waiting.push({ events, nowMs, resolve, reject });
        draining ??= drain();
      });
    },
    async close() {
      await draining;
      stopped ??= new Error('the journal is closed');
      await handle.close();
    },
  };
}

type Subject = Pick<Entry, 'milestone' | 'attempt' | 'assignment'>;

/** What an event is about. An intent's subject is remembered under its id, for its ending. */
function subjectOf(event: Event, subjects: Map<string, Subject>): Subject {
  if ('effect' in event) {
    const subject = subjectOfEffect(event.effect);
    subjects.set(event.id, subject);
    return subject;
  }
  if ('outcome' in event) return subjects.get(event.id) ?? aboutItem(event.item);
  if (event.type === 'decision') return aboutItem(event.decision.item);
  return event.type === 'note' && event.item !== undefined ? aboutItem(event.item) : {};
}

function subjectOfEffect(effect: Effect): Subject {
  return {
    ...aboutItem(effect.item),
    ...('attempt' in effect ? { attempt: effect.attempt } : {}),
    ...('assignment' in effect ? { assignment: effect.assignment } : {}),
  };
}

/** `1A` and `1-gate` are milestones to the reader; `base`, `sync` and `follow` are mstone's own errands. */
const aboutItem = (item: string): Subject => (/^\d/.test(item) ? { milestone: item } : {});
