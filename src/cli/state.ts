/** What the state folder says: earlier runs, who holds the lock, the prompt templates that go with this mstone. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Templates } from '../brief/index.js';
import type { Repository } from '../git/index.js';
import { isNoRoom } from '../journal/disk.js';
import { readJournal } from '../journal/index.js';
import { acquireLock, type Liveness, type Owner, readOwner } from '../journal/lock.js';
import { listRuns, runFolder } from '../journal/runs.js';
import type { Chosen } from '../model/chosen.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { isSameText } from '../model/digest.js';
import type { Entry } from '../model/event.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import { installWords } from '../model/newer.js';
import type { Landing } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import { BUILT_IN_ROLES } from '../model/role.js';
import { shown } from '../model/shown.js';
import type { RunState } from '../model/state.js';
import type { LostProof } from '../plan/index.js';
import { hostIdentity, isAlive, selfIdentity } from '../process/identity.js';
import { historyOf } from '../run/history.js';
import { emptyRun, replay } from '../run/index.js';
import { sayError } from './output.js';
import { absent, PURPOSES } from './project.js';
import type { World } from './world.js';

export interface KnownRun {
  readonly run: string;
  readonly entries: readonly Entry[];
  readonly state: RunState;
}

/** Every run's journal, folded; oldest first. */
export async function knownRuns(stateDir: string): Promise<Result<KnownRun[], Diagnostic[]>> {
  const known: KnownRun[] = [];
  const damaged: Diagnostic[] = [];
  for (const { run, file } of await listRuns(stateDir)) {
    const read = await readJournal(file);
    if (!read.ok) {
      damaged.push(read.error);
      continue;
    }
    const { entries } = read.value;
    // A journal whose first line was torn off never began.
    if (entries.length === 0) continue;
    known.push({
      run,
      entries,
      state: replay(
        emptyRun(run),
        entries.map((entry) => entry.event),
      ),
    });
  }
  damaged.push(...(await newerRecords(stateDir, unfinishedOf(known)?.run)));
  return damaged.length > 0 ? err(damaged) : ok(known);
}

/** Records of what is under way that a newer mstone left: nothing may be taken up beside them. */
async function newerRecords(stateDir: string, run: string | undefined): Promise<Diagnostic[]> {
  const within = async (folder: string): Promise<string[]> =>
    (await readdir(folder).catch(absent([] as string[]))).sort().map((name) => join(folder, name));
  const started = run === undefined ? [] : await within(runFolder(stateDir, run).assignments);
  const landing = await within(join(stateDir, 'landing'));
  const files = [
    ...started.map((folder) => join(folder, 'record.json')),
    ...landing.filter((file) => file.endsWith('.json')),
  ];
  const found = await Promise.all(
    files.map(async (file): Promise<Diagnostic[]> => {
      const v = recordVersion(await readFile(file, 'utf8').catch(absent('')));
      if (v <= RECORD_VERSION) return [];
      return [
        {
          severity: 'error',
          code: 'record-newer',
          file,
          message: 'this record was written by a newer mstone, for work that is under way',
          expected: `v ${RECORD_VERSION}`,
          found: `v ${v}`,
          fix: installWords(),
        },
      ];
    }),
  );
  return found.flat();
}

/** Of what is kept beside the journal of work under way: assignments, landings, the lock. */
const RECORD_VERSION = 1;

/** 1 where nothing is said, and for what cannot be read: that is somebody else's to tell. */
function recordVersion(text: string): number {
  try {
    const { v } = JSON.parse(text) as { readonly v?: unknown };
    return typeof v === 'number' ? v : 1;
  } catch {
    return 1;
  }
}
/** Where a run's logs are: beside its journal, or where its configuration said when it began. */
export const logsOf = (stateDir: string, { run, settings }: Pick<RunState, 'run' | 'settings'>): string =>
  settings.logs ?? runFolder(stateDir, run).logs;

/** The states of the runs that landed on a branch: what was given up on another says nothing here. */
export const statesOn = (branch: string, runs: readonly KnownRun[]): RunState[] =>
  runs.map(({ state }) => state).filter((state) => state.target === branch);

/** Those and the states of the runs that began there and landed on branches of their own: brakes hold for all. */
export const statesFrom = (branch: string, runs: readonly KnownRun[]): RunState[] =>
  runs.map(({ state }) => state).filter((state) => state.target === branch || state.settings.from === branch);

/** Milestones that a run gave up in the version that they still have, each with its reason. */
export function givenUp(
  branch: string,
  runs: readonly KnownRun[],
  milestones: readonly Milestone[],
): ReadonlyMap<MilestoneId, string> {
  const known = new Map(milestones.map((milestone) => [milestone.id, milestone]));
  return new Map(
    historyOf(statesOn(branch, runs)).history.flatMap((item) => {
      const milestone = known.get(item.id);
      return item.end !== undefined && milestone !== undefined && isSameText(item.digest, milestone)
        ? [[item.id, item.end.message] as const]
        : [];
    }),
  );
}

/** Milestones that a run landed in the version that they still have, and of which history has no trace. */
export function lostProofs(
  branch: string,
  runs: readonly KnownRun[],
  milestones: readonly Milestone[],
  landings: ReadonlyMap<MilestoneId, Landing>,
): ReadonlyMap<MilestoneId, LostProof> {
  const states = statesOn(branch, runs).toReversed();
  return new Map(
    milestones.flatMap(({ id, digest }): [MilestoneId, LostProof][] => {
      // A revert and a mark are traces: they say what is to be done.
      if (landings.has(id)) return [];
      for (const { run, items, parked } of states) {
        const last = items.get(id) ?? parked.get(id);
        if (last === undefined) continue;
        const { item, phase } = last;
        return phase.is === 'landed' && item.digest === digest ? [[id, { run, commit: phase.commit }]] : [];
      }
      return [];
    }),
  );
}

/** This process, as the lock's record names it. */
function hostOwner(world: World): Omit<Owner, 'nonce'> {
  const { pid, start, boot } = selfIdentity();
  const { pidNamespace, host } = hostIdentity();
  return {
    pid,
    start,
    boot,
    pidNamespace,
    host,
    since: new Date(world.now()).toISOString(),
  };
}

/** `unknown` for an owner on another host or in another container: its pid says nothing here. */
export function ownerIsAlive(owner: Owner): Liveness {
  const here = hostIdentity();
  if (owner.host !== here.host || owner.pidNamespace !== here.pidNamespace) return 'unknown';
  return isAlive(owner) ? 'alive' : 'dead';
}

/** Why a folder or a file in it could not be made, where that is for its owner to mend; a bug is thrown on. */
export function unwritable(error: NodeJS.ErrnoException): { readonly why: string; readonly full: boolean } {
  const full = isNoRoom(error);
  if (!full && !['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT'].includes(error.code ?? ''))
    throw error;
  return { why: error.message, full };
}

/** Acts as the only mstone that changes this repository; 4 where another one does. */
export async function underLock(
  world: World,
  repository: Pick<Repository, 'stateDir'>,
  act: () => Promise<number>,
): Promise<number> {
  const { stateDir } = repository;
  const lockFile = join(stateDir, 'lock');
  const lock = await mkdir(stateDir, { recursive: true, mode: 0o700 })
    .then(() => acquireLock(lockFile, hostOwner(world), ownerIsAlive))
    .catch(unwritable);
  if ('why' in lock) {
    if (lock.full) return sayError(world, 'disk-full', `the disk is full: ${lock.why}`);
    return sayError(world, 'state-unwritable', `${shown(stateDir, 200)} cannot be written: ${lock.why}`);
  }
  if (!lock.ok) {
    const { why, command, newer } = lock.error;
    if (newer === true) return sayError(world, 'lock-newer', why, installWords());
    return sayError(world, 'locked', `another run holds the lock: ${why}`, command);
  }
  try {
    return await act();
  } catch (error) {
    if ((await readOwner(lockFile))?.nonce === lock.value.owner.nonce) throw error;
    return sayError(
      world,
      'state-removed',
      `${repository.stateDir} is not what it was: something removed it while mstone was at work`,
    );
  } finally {
    await lock.value.release();
  }
}

/** The newest run, where it has not come to its end. */
export function unfinishedOf(runs: readonly KnownRun[]): KnownRun | undefined {
  const last = runs.at(-1);
  return last !== undefined && last.state.end?.is !== 'ended' ? last : undefined;
}

/** What an unfinished run on this branch chose, and goes by to its end. */
export function keptOn(branch: string, runs: readonly KnownRun[]): Chosen | undefined {
  const state = unfinishedOf(runs)?.state;
  return state?.target === branch ? state.settings.chosen : undefined;
}

/** Whether a run is being driven right now. */
export async function isDriven(stateDir: string): Promise<boolean> {
  const owner = await readOwner(join(stateDir, 'lock'));
  return owner !== undefined && ownerIsAlive(owner) !== 'dead';
}

/** The project's own prompts where it has them, else those that come with mstone. */
export async function readTemplates(world: World, own: ReadonlyMap<string, string>): Promise<Templates> {
  const [implement, review, remediate, resolve] = await Promise.all(
    PURPOSES.map(
      async (purpose) =>
        own.get(purpose) ?? (await readFile(join(world.home, 'templates', `${purpose}.md`), 'utf8')),
    ),
  );
  const roles: Record<string, string> = {};
  for (const role of BUILT_IN_ROLES) {
    roles[role] = await readFile(join(world.home, 'templates', 'roles', `${role}.md`), 'utf8');
  }
  for (const [name, text] of own) {
    const [, role] = /^roles\/(.*)$/.exec(name) ?? [];
    if (role !== undefined) roles[role] = text;
  }
  return {
    roles,
    implement: implement ?? '',
    review: review ?? '',
    remediate: remediate ?? '',
    resolve: resolve ?? '',
  };
}
