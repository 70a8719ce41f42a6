/**
 * What people decided, on its way to the run: a file for each decision, below `mstone/decisions/` in git's
 * common directory. Whoever types `mstone approve` holds no lock: the run under way looks here, and the next
 * one does when it begins. A decision that a journal holds is removed.
 *
 *     mstone/decisions/<26 characters>.json    {"v":1,"item":"2B","verdict":"approved","subject":{…},"by":"…","at":…}
 */
import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monotonicFactory } from 'ulid';
import writeFileAtomic from 'write-file-atomic';
import { plainLine } from '../brief/text.js';
import type { Decision, Subject } from '../model/decision.js';
import { absent } from './project.js';

/** Of what is said, characters. */
export const LONGEST_REASON = 2000;

const folderOf = (stateDir: string): string => join(stateDir, 'decisions');
const fileOf = (stateDir: string, id: string): string => join(folderOf(stateDir), `${id}.json`);
const NAME = /^([0-7][0-9A-HJKMNP-TV-Z]{25})\.json$/;

/**
 * Each is written as a whole or not at all, and all are durable when this returns. Their names keep the order
 * that they have here, also within one millisecond.
 */
export async function writeDecisions(
  stateDir: string,
  decisions: readonly Omit<Decision, 'id'>[],
): Promise<void> {
  await mkdir(folderOf(stateDir), { recursive: true, mode: 0o700 });
  const nextId = monotonicFactory();
  for (const decision of decisions) {
    const text = JSON.stringify({ v: 1, ...decision });
    await writeFileAtomic(fileOf(stateDir, nextId(decision.at)), text, { mode: 0o600 });
  }
}

/** What lies there, oldest first. What cannot be read is no decision: nobody's word is guessed at. */
export async function readDecisions(stateDir: string): Promise<Decision[]> {
  const found: Decision[] = [];
  for (const name of (await readdir(folderOf(stateDir)).catch(absent([] as string[]))).sort()) {
    const id = NAME.exec(name)?.[1];
    if (id === undefined) continue;
    const decision = decisionIn(id, await readJson(fileOf(stateDir, id)));
    if (decision !== undefined) found.push(decision);
  }
  return found;
}

function decisionIn(id: string, value: unknown): Decision | undefined {
  const { v, item, verdict, subject, by, at, because } = recordOf(value);
  const { of, digest, commit, tree } = recordOf(subject);
  if (v !== 1 || typeof item !== 'string' || typeof by !== 'string' || typeof at !== 'number')
    return undefined;
  if (verdict !== 'approved' && verdict !== 'rejected') return undefined;
  const about: Subject | undefined =
    of === 'before' && typeof digest === 'string'
      ? { of, digest }
      : of === 'merge' && typeof commit === 'string' && typeof tree === 'string'
        ? { of, commit, tree }
        : undefined;
  if (about === undefined) return undefined;
  const reason = typeof because === 'string' ? { because: plainLine(because, LONGEST_REASON) } : {};
  return { id, item, verdict, subject: about, by: plainLine(by, 200), at, ...reason };
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    return absent(undefined)(error as NodeJS.ErrnoException);
  }
}

/** A journal holds it now. */
export const dropDecision = (stateDir: string, id: string): Promise<void> =>
  rm(fileOf(stateDir, id), { force: true });

/** How often it is looked where nothing tells of changes, as on some network disks. */
const LOOK_MS = 2000;

/** Hands over each decision that comes, once, until what it returned is called. */
export function watchDecisions(
  stateDir: string,
  known: ReadonlySet<string>,
  take: (decision: Decision) => void,
): () => void {
  const seen = new Set(known);
  let looking = Promise.resolve();
  const look = (): void => {
    looking = looking
      .then(() => readDecisions(stateDir))
      .then((found) => {
        for (const decision of found) {
          if (seen.has(decision.id)) continue;
          seen.add(decision.id);
          take(decision);
        }
      })
      // A folder without access: another look follows.
      .catch(() => undefined);
  };
  let watcher: FSWatcher | undefined;
  try {
    mkdirSync(folderOf(stateDir), { recursive: true, mode: 0o700 });
    watcher = watch(folderOf(stateDir), { persistent: false }, look);
    watcher.on('error', () => watcher?.close());
  } catch {
    // No more to be told of: the timer is left.
  }
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  look();
  return () => {
    watcher?.close();
    clearInterval(timer);
  };
}
