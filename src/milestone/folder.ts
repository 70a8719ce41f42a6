/** The folder of milestones: which files are some, and all that is wrong with any of them. */
import type { Diagnostic } from '../model/diagnostic.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import { shown } from '../model/shown.js';
import { baseName, claimedId, parseName } from './name.js';
import { byPlace, LARGEST_KB, tooLarge } from './place.js';

/** Where milestones are read from. Paths are relative to the repository's root, with forward slashes. */
export interface MilestoneReader {
  /** What is in the milestones' folder itself, not below it. Sizes in bytes. */
  list(): Promise<readonly MilestoneEntry[]>;
  read(path: string): Promise<Uint8Array>;
  /** What an earlier reading gave of this very file, or of these very bytes in it. */
  recall?(entry: MilestoneEntry, bytes?: Uint8Array): Parsed | undefined;
  learn?(entry: MilestoneEntry, bytes: Uint8Array, parsed: Parsed): void;
}

export interface MilestoneEntry {
  readonly path: string;
  readonly kind: 'file' | 'symlink' | 'directory' | 'other';
  readonly size: number;
  /** Its content's name in git. */
  readonly oid?: string;
  /** In a checkout: when it was changed, epoch ms; and what is another one whenever its content is. */
  readonly changedMs?: number;
  readonly stamp?: string;
}

/** Without an error among the diagnostics there is a milestone, else there is none. */
export interface Parsed {
  readonly milestone?: Milestone;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads all milestones of a folder, by stage and then by letters (`Z` before `AA`), and says everything
 * that is wrong with any of them. What does not begin with a digit is no milestone; folders and files
 * that are not markdown are passed over in silence.
 */
export async function readMilestones(
  reader: MilestoneReader,
): Promise<{ milestones: Milestone[]; diagnostics: Diagnostic[] }> {
  const entries = [...(await reader.list())].sort((a, b) => (a.path < b.path ? -1 : 1));
  const diagnostics: Diagnostic[] = [];
  const milestones: Milestone[] = [];
  const toRead: MilestoneEntry[] = [];
  const claims = new Map<string, string>();
  const doubles = new Set<string>();
  const taken = new Set<MilestoneId>();

  // To be called as one that is there is no way out.
  const take = (parsed: Parsed): void => {
    diagnostics.push(
      ...parsed.diagnostics.filter(({ code, file = '' }) => code !== 'milestone-name' || !doubles.has(file)),
    );
    const { milestone } = parsed;
    if (milestone === undefined || taken.has(milestone.id)) return;
    taken.add(milestone.id);
    milestones.push(milestone);
  };

  for (const entry of entries) {
    const { path: file, kind, size } = entry;
    const name = baseName(file);
    if (!/\.md$/i.test(name) || (kind === 'directory' && !/^\d/.test(name))) continue;
    if (!/^\d/.test(name)) {
      const message = 'ignored: the names of milestones begin with a number, as in `1A.md`';
      diagnostics.push({ severity: 'note', code: 'ignored', file, message });
      continue;
    }
    const id = claimedId(name);
    const first = id === undefined ? undefined : claims.get(id);
    if (id !== undefined && first === undefined) claims.set(id, file);
    if (first !== undefined) {
      doubles.add(file).add(first);
      diagnostics.push({
        severity: 'error',
        code: 'duplicate-id',
        file,
        message: `${shown(baseName(first))} and ${shown(name)} are both milestone ${id}`,
        fix:
          baseName(first).toLowerCase() === name.toLowerCase()
            ? 'remove one of them: a disk that is blind to case shows only one'
            : 'rename or remove one of them',
      });
    }
    if (kind !== 'file') {
      diagnostics.push({
        severity: 'error',
        code: 'not-a-file',
        file,
        message: 'a milestone must be a plain file',
        found: kind === 'other' ? 'something else' : `a ${kind}`,
      });
    } else if (size > LARGEST_KB * 1024) {
      const parts = parseName(file);
      if ('code' in parts) diagnostics.push(parts);
      diagnostics.push(tooLarge(file, size));
    } else toRead.push(entry);
  }

  for (const parsed of await readAll(reader, toRead)) take(parsed);
  milestones.sort(byId);
  diagnostics.sort(byPlace);
  return { milestones, diagnostics };
}

/** What each of them holds, as it is known already or as it is read now. */
async function readAll(reader: MilestoneReader, entries: readonly MilestoneEntry[]): Promise<Parsed[]> {
  const known = entries.map((entry) => reader.recall?.(entry));
  const unknown = entries.filter((_, index) => known[index] === undefined);
  const read: Parsed[] = [];
  if (unknown.length > 0) {
    // Parsers are loaded where there is something to parse.
    const { parseMilestone } = await import('./index.js');
    // A few at a time: a folder may hold more files than a process may open.
    for (let from = 0; from < unknown.length; from += 32) {
      const batch = unknown.slice(from, from + 32);
      read.push(...(await Promise.all(batch.map((entry) => readOne(reader, entry, parseMilestone)))));
    }
  }
  const next = read.values();
  return known.flatMap((parsed) => parsed ?? next.next().value ?? []);
}

async function readOne(
  reader: MilestoneReader,
  entry: MilestoneEntry,
  parse: (file: string, bytes: Uint8Array) => Parsed,
): Promise<Parsed> {
  const file = entry.path;
  let bytes: Uint8Array;
  try {
    bytes = await reader.read(file);
  } catch (error) {
    // Files vanish and rights are missing; what has no such code is a bug and goes on up.
    if (!(error instanceof Error && 'code' in error)) throw error;
    const message = 'the file could not be read';
    const found = shown(error.message, 200);
    return { diagnostics: [{ severity: 'error', code: 'unreadable', file, message, found }] };
  }
  const parsed = reader.recall?.(entry, bytes) ?? parse(file, bytes);
  reader.learn?.(entry, bytes, parsed);
  return parsed;
}

const byId = (a: Milestone, b: Milestone): number =>
  a.stage - b.stage || a.letters.length - b.letters.length || (a.letters < b.letters ? -1 : 1);
