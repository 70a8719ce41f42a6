import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type JournalDisk, type JournalFile, nodeDisk } from '../../src/journal/disk.js';
import { type Journal, openJournal } from '../../src/journal/index.js';
import type { CheckEffect, WorkEffect } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';

export const RUN = '01JD4M7Z7V8K3W2N5Q6R9T0XYA';
export const NOON = Date.UTC(2026, 10, 20, 12, 0, 0);
export const OID = '41aa0c2d9f0b5e6c7a8b9c0d1e2f3a4b5c6d7e8f';

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mstone journal ü-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Opens a journal that must not be damaged; it is closed with the test. */
export async function opened(file: string, disk?: JournalDisk): Promise<Journal> {
  const result = await openJournal(file, RUN, disk);
  if (!result.ok) throw new Error(result.error.message);
  onTestFinished(() => result.value.close());
  return result.value;
}

export const note = (text: string): Event => ({ type: 'note', text });

const inputs = { now: NOON, capacity: 4 };

const work: WorkEffect = {
  do: 'work',
  item: '1A',
  attempt: 1,
  assignment: 2,
  round: 0,
  purpose: 'implement',
  agent: 'recipe',
  slot: 1,
  from: 'head',
  brief: { because: 'first', checks: [], findings: [], unmet: [] },
};

const check: CheckEffect = {
  do: 'check',
  item: '1-gate',
  attempt: 3,
  round: 0,
  slot: 2,
  commit: OID,
  of: 'stage',
  commands: ['npm test'],
};

/** One of several kinds, with text that is not ASCII and text that is not harmless. */
export const STORY: readonly Event[] = [
  { type: 'work.started', id: 'i1', effect: work, inputs },
  { type: 'note', item: '1A', text: 'put back TASKS.md – “naïve” 漢字 \u001b[31m\u009b2J\u202e\n' },
  {
    type: 'work.ended',
    id: 'i1',
    item: '1A',
    now: NOON + 1000,
    outcome: { agent: { kind: 'finished' }, costUsd: 0.25, logBytes: 17 },
  },
  { type: 'check.started', id: 'i2', effect: check, inputs },
  {
    type: 'check.ended',
    id: 'i2',
    item: '1-gate',
    now: NOON + 2000,
    outcome: { kind: 'passed', commit: OID, tree: OID, results: [] },
  },
  { type: 'run.paused', exit: 75, why: 'a limit', until: NOON + 3000 },
];

/** The real disk, with a list of what was asked of it and room for things to go wrong. */
export function watchedDisk(faults: {
  /** How many bytes of this write go through; undefined: all. */
  readonly write?: (bytes: Uint8Array, count: number) => number | NodeJS.ErrnoException | undefined;
  readonly truncate?: () => NodeJS.ErrnoException | undefined;
}): { readonly disk: JournalDisk; readonly acts: string[] } {
  const acts: string[] = [];
  let writes = 0;
  const base = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
  const disk: JournalDisk = {
    async makeFolder(path) {
      acts.push(`make ${base(path)}`);
      return await nodeDisk.makeFolder(path);
    },
    read: nodeDisk.read,
    async syncFolder(path) {
      acts.push(`sync folder ${base(path)}`);
      await nodeDisk.syncFolder(path);
    },
    async open(path): Promise<JournalFile> {
      const name = base(path);
      acts.push(`open ${name}`);
      const file = await nodeDisk.open(path);
      return {
        async write(bytes) {
          writes += 1;
          const fault = faults.write?.(bytes, writes);
          acts.push(`write ${name}`);
          if (fault instanceof Error) throw fault;
          return await file.write(fault === undefined ? bytes : bytes.subarray(0, fault));
        },
        async sync() {
          acts.push(`sync ${name}`);
          await file.sync();
        },
        async truncate(bytes) {
          acts.push(`truncate ${name} to ${bytes}`);
          const fault = faults.truncate?.();
          if (fault !== undefined) throw fault;
          await file.truncate(bytes);
        },
        close: file.close,
      };
    },
  };
  return { disk, acts };
}

export const systemError = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

/** A disk of names and bytes, for sweeps. */
export function memoryDisk(files: Map<string, Buffer>): JournalDisk {
  const get = (path: string): Buffer => files.get(path) ?? Buffer.alloc(0);
  return {
    makeFolder: async () => undefined,
    read: async (path) => files.get(path),
    syncFolder: async () => undefined,
    async open(path) {
      files.set(path, get(path));
      return {
        async write(bytes) {
          files.set(path, Buffer.concat([get(path), bytes]));
          return bytes.length;
        },
        sync: async () => undefined,
        async truncate(bytes) {
          files.set(path, get(path).subarray(0, bytes));
        },
        close: async () => undefined,
      };
    },
  };
}
