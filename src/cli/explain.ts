/** `mstone explain ID`: why it would run or would not, and what happened to it. Takes no lock. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { laidOut } from '../git/index.js';
import { diffFiles, diffWithCheckout } from '../git/tree.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { CONFIG_FILE } from '../model/layout.js';
import { nearest } from '../model/nearest.js';
import type { Plan, PlannedMilestone } from '../model/plan.js';
import { shown } from '../model/shown.js';
import type { RunState } from '../model/state.js';
import { needsOf } from '../plan/graph.js';
import { makePlan } from '../plan/index.js';
import { gateId, isStageReviewed, withGates } from '../plan/items.js';
import { explainDocument, explainText, milestoneSubject, type Subject } from '../report/explain.js';
import { explainStanding, names, phaseWord, shortOid } from '../report/words.js';
import { attemptsOf } from '../run/attempts.js';
import { historyOf } from '../run/history.js';
import { say, sayDiagnostics, sayError, sayJson } from './output.js';
import { fileThen, openProject, type Project, readPlanned, type Sources, withoutErrors } from './project.js';
import { reportsIn } from './report.js';
import { gatesOf } from './run.js';
import { givenUp, isDriven, knownRuns, logsOf, lostProofs, statesOn } from './state.js';
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
    lost: lostProofs(target.branch, runs.value, sources.value.milestones, landings),
  });
  if (!made.ok) return sayDiagnostics(world, made.error);
  const plan = made.value;
  const states = statesOn(target.branch, runs.value);
  const past = historyOf(states);
  const stageOf = (id: string): number | undefined => {
    const stage = Number(/^([1-9]\d{0,2})-gate$/.exec(id)?.[1]);
    return plan.milestones.some(({ milestone }) => milestone.stage === stage) ? stage : undefined;
  };
  const stage = stageOf(options.id);
  const planned = plan.milestones.find(({ milestone }) => milestone.id === options.id);
  const found =
    planned !== undefined
      ? aboutMilestone(plan, planned, failed.has(options.id))
      : stage !== undefined
        ? aboutGate(plan, stage, { past, states, landings, sources: sources.value })
        : undefined;
  if (found === undefined) {
    const near = nearest(
      options.id,
      plan.milestones.flatMap(({ milestone }) => [milestone.id, gateId(milestone.stage)]),
    );
    return sayError(
      world,
      'unknown-milestone',
      `there is no milestone ${shown(options.id)}`,
      near === undefined ? undefined : `did you mean \`${near}\`?`,
    );
  }
  if ('severity' in found) return sayDiagnostics(world, [found]);

  const last = states.at(-1);
  const item = last?.end?.is === 'ended' ? undefined : last?.items.get(options.id);
  const laid = laidOut(repository, sources.value.layout);
  const change = planned && (await changeOf(world, { ...project.value, repository: laid }, planned));
  const driven = item !== undefined && (await isDriven(repository.stateDir));
  const waits = last && item && explainStanding(last, item, driven, { now: world.now() });
  const folders = new Map(runs.value.map(({ run, state }) => [run, logsOf(repository.stateDir, state)]));
  const newest = runs.value.findLast(
    ({ state }) => state.target === target.branch && state.items.has(options.id),
  );
  const written = newest && join(reportsIn(repository.stateDir, newest.run), `${options.id}.md`);
  const reported = written !== undefined && existsSync(written) ? written : undefined;
  const known = {
    subject: found.subject,
    position: found.position,
    missing: found.missing,
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
    ...(reported === undefined ? {} : { report: reported }),
    next: driven
      ? `mstone logs ${options.id}`
      : item !== undefined && found.subject.state !== 'done'
        ? 'mstone resume'
        : found.next,
  };
  if (options.json === true) sayJson(world, explainDocument(known));
  else say(world, explainText(known, world.color));
  return 0;
}

/** What the plan says of it; `position` as in `Explanation`. */
interface Found {
  readonly subject: Subject;
  readonly position: number | undefined;
  readonly missing: readonly string[];
  readonly next: string;
}

function aboutMilestone(plan: Plan, planned: PlannedMilestone, failed: boolean): Found {
  const missing = missingFor(plan, planned);
  const place = plan.run.indexOf(planned.milestone.id);
  return {
    subject: milestoneSubject(planned),
    position: place < 0 ? undefined : place + 1,
    missing,
    next: nextFor(planned, plan, missing, failed),
  };
}

/** A stage's own checks: they run once its last milestone is in, and hold the next stage. */
function aboutGate(
  plan: Plan,
  stage: number,
  known: {
    readonly past: ReturnType<typeof historyOf>;
    readonly states: readonly RunState[];
    readonly landings: Project['landings'];
    readonly sources: Sources;
  },
): Found | Diagnostic {
  const id = gateId(stage);
  const { config, layout, settings } = known.sources;
  const ran = known.states.findLast(({ items, parked }) => items.has(id) || parked.has(id));
  const last = ran?.items.get(id) ?? ran?.parked.get(id);
  const isAsked = withGates(plan, config, [stage]).size > 0;
  if (!isAsked && last === undefined) {
    return {
      severity: 'error',
      code: 'no-gate',
      message: `stage ${stage} has no checks of its own`,
      fix: 'add `stage_checks: [COMMAND]` to mstone.yaml',
    };
  }
  const members = plan.milestones.filter(({ milestone }) => milestone.stage === stage && milestone.enabled);
  const missing = members
    .filter(({ state }) => state === 'todo' || state === 'blocked')
    .map(({ milestone }) => milestone.id);
  const gates = gatesOf(plan, known.past);
  const gaveUp = known.past.history.find((item) => item.id === id)?.end;
  const wouldRun = isAsked && gates.has(stage) && gaveUp === undefined;
  const before = plan.milestones.filter(
    ({ milestone }) => milestone.stage <= stage && plan.run.includes(milestone.id),
  );
  const earlier = [...withGates(plan, config, gates)].filter((other) => other < stage);
  const origin = settings.origins.get('stage_checks');
  const subject = {
    id,
    stage,
    title: isStageReviewed(plan, config, stage) ? `Stage ${stage} as a whole` : `Checks of stage ${stage}`,
    file: origin && 'file' in origin ? origin.file : (layout.config ?? CONFIG_FILE),
    dependsOn: members.map(({ milestone }) => milestone.id),
  };
  const phase = last?.phase;
  const [standing, next]: [Pick<Subject, 'state' | 'reason' | 'commit'>, string] =
    gaveUp !== undefined
      ? [
          { state: 'blocked', reason: `${gaveUp.message}; \`mstone retry ${id}\` tries again` },
          `mstone retry ${id}`,
        ]
      : !isAsked
        ? [{ state: 'done', reason: 'there are no `stage_checks` any more' }, 'mstone plan']
        : missing.length > 0
          ? [{ state: 'todo', reason: `asked once ${names(missing)} ${have(missing)} landed` }, 'mstone plan']
          : wouldRun
            ? [{ state: 'todo', reason: 'its stage is done and it has not passed' }, 'mstone run']
            : phase?.is === 'passed' || phase?.is === 'landed'
              ? [
                  {
                    state: 'done',
                    reason: `passed in run ${ran?.run} as ${shortOid(phase.commit)}`,
                    ...(phase.is === 'landed' ? { commit: phase.commit } : {}),
                  },
                  `mstone logs ${id}`,
                ]
              : [
                  { state: 'done', reason: 'its stage had landed before anybody asked for it' },
                  'mstone plan',
                ];
  return {
    subject: { ...subject, ...standing },
    position: wouldRun ? before.length + earlier.length + 1 : undefined,
    missing,
    next,
  };
}

const have = (ids: readonly string[]): string => (ids.length === 1 ? 'has' : 'have');

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
