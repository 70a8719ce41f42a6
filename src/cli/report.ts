/** `mstone report`: the review report of a milestone, of a stage or of all, as Markdown. Takes no lock. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { runFolder } from '../journal/runs.js';
import { nearest } from '../model/nearest.js';
import { shown } from '../model/shown.js';
import type { ItemState, RunState } from '../model/state.js';
import { type Reported, reviewReport } from '../report/review.js';
import { flakeWords, phaseWord } from '../report/words.js';
import { attemptsOf } from '../run/attempts.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { openProject } from './project.js';
import { type KnownRun, knownRuns, statesOn } from './state.js';
import type { World } from './world.js';

export async function report(
  world: World,
  { id, stage }: { readonly id?: string; readonly stage?: number },
): Promise<number> {
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, target } = project.value;
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const states = new Set(statesOn(target.branch, runs.value));
  const all = reportedIn(runs.value.filter(({ state }) => states.has(state)));
  const wanted = all.filter(
    (one) => (id === undefined || one.id === id) && (stage === undefined || one.stage === stage),
  );
  if (wanted.length === 0) {
    if (id !== undefined) {
      const near = nearest(
        id,
        all.map((one) => one.id),
      );
      return sayError(
        world,
        'unknown-milestone',
        `no run has begun ${shown(id)}`,
        near === undefined ? 'mstone status' : `did you mean \`${near}\`?`,
      );
    }
    return sayError(world, 'nothing-to-report', 'there is no review to report yet', 'mstone run');
  }
  say(world, wanted.map((one) => reviewReport(one)).join('\n'));
  return 0;
}

/** Where a run's reports are. */
export const reportsIn = (stateDir: string, run: string): string =>
  join(runFolder(stateDir, run).dir, 'reports');

/** Writes a run's reports, one for each milestone that was reviewed and one for each stage. */
export async function writeReports(stateDir: string, run: KnownRun): Promise<void> {
  const dir = reportsIn(stateDir, run.run);
  const all = reportedIn([run]).filter(({ attempts }) =>
    attempts.some(({ passages }) => passages.some(({ did }) => did === 'review')),
  );
  if (all.length === 0) return;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const write = (name: string, text: string): Promise<void> =>
    writeFileAtomic(join(dir, `${name}.md`), text, { mode: 0o600 });
  for (const one of all) await write(one.id, reviewReport(one));
  for (const stage of new Set(all.map((one) => one.stage))) {
    const members = all.filter((one) => one.stage === stage);
    await write(
      `stage-${stage}`,
      [`# Stage ${stage}\n`, ...members.map((one) => reviewReport(one, 2))].join('\n'),
    );
  }
}

/** Milestones and gates that these runs have begun, by stage and name. */
function reportedIn(runs: readonly KnownRun[]): (Reported & { readonly stage: number })[] {
  const found = new Map<string, { readonly item: ItemState; readonly state: RunState }>();
  for (const { state } of runs) {
    for (const [id, item] of [...state.parked, ...state.items]) {
      if (item.item.kind === 'milestone' || item.item.kind === 'gate') found.set(id, { item, state });
    }
  }
  const events = runs.map(({ run, entries }) => ({ run, events: entries.map(({ event }) => event) }));
  return [...found]
    .map(([id, { item, state }]) => ({
      id,
      stage: item.item.stage,
      title: item.item.title,
      standing: standingOf(item, state),
      attempts: attemptsOf(events, id),
      flakes: (item.flakes ?? []).map(flakeWords),
    }))
    .filter(({ attempts }) => attempts.some(({ passages }) => passages.length > 0))
    .sort((a, b) => a.stage - b.stage || (a.id < b.id ? -1 : 1));
}

const standingOf = (item: ItemState, state: RunState): string =>
  'message' in item.phase ? `${phaseWord(item, state)}: ${item.phase.message}` : phaseWord(item, state);
