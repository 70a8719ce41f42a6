/** `mstone explain ID`: why it would run or would not, and what happened to it. Takes no lock. */
import { join } from 'node:path';
import { laidOut } from '../git/index.js';
import { diffFiles, diffWithCheckout } from '../git/tree.js';
import { nearest } from '../model/nearest.js';
import type { Plan, PlannedMilestone } from '../model/plan.js';
import { shown } from '../model/shown.js';
import { needsOf } from '../plan/graph.js';
import { makePlan } from '../plan/index.js';
import { explainDocument, explainText } from '../report/explain.js';
import { explainStanding, phaseWord } from '../report/words.js';
import { attemptsOf } from '../run/attempts.js';
import { say, sayDiagnostics, sayError, sayJson } from './output.js';
import { fileThen, openProject, type Project, readPlanned, withoutErrors } from './project.js';
import { givenUp, isDriven, knownRuns, logsOf, statesOn } from './state.js';
import type { World } from './world.js';

export async function explain(
  world: World & { readonly color: boolean },
  options: { readonly id: string; readonly json?: true },
): Promise<number> {
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, target, landings } = project.value;
  const sources = withoutErrors(await readPlanned(world, project.value, {}));
  if (!sources.ok) return sayDiagnostics(world, sources.error);
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const failed = givenUp(target.branch, runs.value, sources.value.milestones);
  const made = makePlan({
    target: target.branch,
    milestones: [...sources.value.milestones],
    landings,
    selection: { ids: [] },
    failed,
  });
  if (!made.ok) return sayDiagnostics(world, made.error);
  const plan = made.value;
  const planned = plan.milestones.find(({ milestone }) => milestone.id === options.id);
  if (planned === undefined) {
    const near = nearest(
      options.id,
      plan.milestones.map(({ milestone }) => milestone.id),
    );
    return sayError(
      world,
      'unknown-milestone',
      `there is no milestone ${shown(options.id)}`,
      near === undefined ? undefined : `did you mean \`${near}\`?`,
    );
  }

  const missing = missingFor(plan, planned);
  const last = statesOn(target.branch, runs.value).at(-1);
  const item = last?.end?.is === 'ended' ? undefined : last?.items.get(options.id);
  const place = plan.run.indexOf(options.id);
  const laid = laidOut(repository, sources.value.layout);
  const change = await changeOf(world, { ...project.value, repository: laid }, planned);
  const driven = item !== undefined && (await isDriven(repository.stateDir));
  const waits = last && item && explainStanding(last, item, driven, { now: world.now() });
  const folders = new Map(runs.value.map(({ run, state }) => [run, logsOf(repository.stateDir, state)]));
  const known = {
    planned,
    position: place < 0 ? undefined : place + 1,
    missing,
    ...(last && item
      ? {
          now: {
            run: last.run,
            phase: phaseWord(item, last),
            ...(waits === undefined ? {} : { waits }),
          },
        }
      : {}),
    ...(change === undefined ? {} : { change }),
    attempts: attemptsOf(
      runs.value
        .filter(({ state }) => state.target === target.branch)
        .map(({ run, entries }) => ({ run, events: entries.map(({ event }) => event) })),
      options.id,
    ),
    logOf: (run: string, name: string) => join(folders.get(run) ?? '', name),
    next: driven
      ? `mstone logs ${options.id}`
      : item !== undefined && planned.state !== 'done'
        ? 'mstone resume'
        : nextFor(planned, plan, missing, failed.has(options.id)),
  };
  if (options.json === true) sayJson(world, explainDocument(known));
  else say(world, explainText(known, world.color));
  return 0;
}

/** What it needs and has not landed; nothing for what has landed itself. */
function missingFor(plan: Plan, { milestone, state }: PlannedMilestone): string[] {
  if (state === 'done' || state === 'stale') return [];
  const states = new Map(plan.milestones.map((one) => [one.milestone.id, one.state]));
  const all = plan.milestones.map((one) => one.milestone);
  return needsOf(milestone, all)
    .map(({ id }) => id)
    .filter((id) => states.get(id) === 'todo' || states.get(id) === 'blocked');
}

async function changeOf(
  world: World,
  { repository, target }: Project,
  { milestone, state, landing }: PlannedMilestone,
): Promise<string | undefined> {
  if (state !== 'stale' || landing === undefined) return undefined;
  const old = await fileThen(world, repository, landing.commit, milestone.id);
  if (old === undefined) return undefined;
  const before = { commit: landing.commit, path: old };
  if (repository.branch === target.branch || target.target === undefined) {
    return diffWithCheckout(repository, before, milestone.file);
  }
  return diffFiles(repository, before, { commit: target.target, path: milestone.file });
}

function nextFor(
  { milestone: { id, file, enabled }, state, landing }: PlannedMilestone,
  plan: Plan,
  missing: readonly string[],
  failed: boolean,
): string {
  switch (state) {
    case 'done':
      return `git show ${landing?.commit.slice(0, 7) ?? plan.target}`;
    case 'stale':
      return failed ? `mstone retry ${id}` : `mstone run ${id}`;
    case 'todo':
      return missing.length === 0 ? `mstone run ${id}` : `mstone run ${id} --with-needs`;
    case 'blocked': {
      if (failed) return `mstone retry ${id}`;
      const cause = plan.milestones.find(
        (one) => missing.includes(one.milestone.id) && one.state === 'blocked',
      );
      if (!enabled || cause === undefined) return `remove \`enabled: false\` from ${shown(file)}`;
      return `mstone explain ${cause.milestone.id}`;
    }
  }
}
