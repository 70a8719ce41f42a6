/** `mstone plan`: what would run, in which order, and why. Changes no file and no ref. */
import type { Settled } from '../config/choose.js';
import type { Chosen } from '../model/chosen.js';
import type { Config } from '../model/config.js';
import type { Approval } from '../model/decision.js';
import type { PlanItem } from '../model/plan.js';
import { shown } from '../model/shown.js';
import { makePlan, usualMinutes } from '../plan/index.js';
import { approvalOf, isStageReviewed, planItems } from '../plan/items.js';
import { predict, schedule } from '../plan/schedule.js';
import { planDocument, planText } from '../report/documents.js';
import { type PlanPrediction, predictionWords } from '../report/prediction.js';
import { count, formatUsd, names } from '../report/words.js';
import { settle } from './choose.js';
import { say, sayDiagnostics, sayJson } from './output.js';
import { ingredientsOf, openProject, readPlanned, withoutErrors } from './project.js';
import { type SelectionOptions, selectionOf } from './selection.js';
import { givenUp, keptOn, knownRuns, lostProofs, unfinishedOf } from './state.js';
import type { World } from './world.js';

export interface PlanOptions extends SelectionOptions {
  readonly onto?: string;
  readonly json?: true;
}

export async function plan(world: World & { color: boolean }, options: PlanOptions): Promise<number> {
  const project = await openProject(world, options.onto);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, target, landings } = project.value;
  const sources = withoutErrors(await readPlanned(world, project.value, {}));
  if (!sources.ok) return sayDiagnostics(world, sources.error);
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);

  const made = makePlan({
    target: target.branch,
    milestones: [...sources.value.milestones],
    landings,
    selection: selectionOf(options),
    failed: givenUp(target.branch, runs.value, sources.value.milestones),
    lost: lostProofs(target.branch, runs.value, sources.value.milestones, landings),
  });
  if (!made.ok) return sayDiagnostics(world, made.error);
  const kept = keptOn(target.branch, runs.value);
  const settled = await settle(world, made.value, { repository, target, sources: sources.value, kept });
  if (unfinishedOf(runs.value) === undefined && isSaid(settled)) {
    world.madeOf?.(ingredientsOf(project.value, sources.value));
  }
  const items = planItems(settled.plan, settled.config, { gates: new Set(), base: false, ...settled });
  const prediction = items.ok ? predictionOf(settled, items.value) : undefined;
  if (options.json) {
    sayJson(world, planDocument(settled.plan, settled.chosen, approvalsIn(settled), prediction));
    return 0;
  }
  sayDiagnostics(world, [...sources.value.diagnostics, ...(items.ok ? [] : items.error)]);
  const ahead = prediction === undefined ? [] : predictionWords(prediction);
  say(
    world,
    `${planText(settled.plan, world.color)}\n${stepsWords(settled)}${ahead.map((line) => `${line}\n`).join('')}`,
  );
  return items.ok ? 0 : 2;
}

/** Whether everything was said in the settings: then neither installed programs nor the project were asked. */
const isSaid = ({ chosen, config, plan }: Settled): boolean =>
  chosen === undefined && (config.agent !== undefined || plan.run.length === 0);

/** What a run of this plan would take, gates and limits left out; undefined where nothing is to run. */
function predictionOf({ plan, config }: Settled, items: readonly PlanItem[]): PlanPrediction | undefined {
  if (items.length === 0) return undefined;
  const estimates = new Map(
    plan.milestones.map(({ milestone: { id, estimateMinutes } }) => [id, estimateMinutes]),
  );
  const usual = usualMinutes(plan.milestones.map(({ milestone }) => milestone));
  const tasks = items.map((item) => ({ ...item, minutes: estimates.get(item.id) ?? usual }));
  const estimated = items.filter(({ id }) => estimates.get(id) !== undefined).length;
  const { spans } = schedule(tasks, config.jobs);
  return {
    ...predict(tasks, config.jobs),
    spans,
    estimated,
    usual: items.length - estimated,
    usualMinutes: usual,
  };
}

/** What every milestone passes before it lands, and what was chosen where nobody said it; a step that is off is said to be. */
export function stepsWords(settled: Settled): string {
  const { config, chosen } = settled;
  const { stageChecks, jobs } = config;
  const list = (all: readonly string[]): string =>
    all.length === 0 ? 'none' : all.map((one) => shown(one)).join(', ');
  const lines = [
    ...(chosen === undefined ? [] : authorWords(chosen, config.agent)),
    `Checks: ${chosen?.checks === undefined ? list(config.checks) : checkWords(chosen.checks)}`,
    ...(stageChecks.length === 0 ? [] : [`Stage checks: ${list(stageChecks)}`]),
    ...(chosen?.worktrees === undefined ? [] : worktreeWords(chosen.worktrees)),
    `Review: ${reviewWords(config, chosen)}`,
    ...stageReviewWords(settled),
    ...approvalWords(settled),
    ...landWords(config),
    ...fallbackWords(config),
    `Agents at once: ${jobs}`,
    ...(chosen?.agent === undefined ? [] : [`Cost: ${costWords(config)}; agents bill your account`]),
    ...(chosen?.worktrees === undefined
      ? []
      : ['None of this is in a file yet: mstone init writes an mstone.yaml.']),
  ];
  return `${lines.join('\n')}\n`;
}

/** It is paid for on top of the reviews of the milestones. */
function stageReviewWords({ plan, config }: Pick<Settled, 'plan' | 'config'>): string[] {
  if (config.review === false || config.review.stage !== true) return [];
  const run = new Set(plan.run);
  const stages = new Set(
    plan.milestones.flatMap(({ milestone }) =>
      run.has(milestone.id) && isStageReviewed(plan, config, milestone.stage) ? [milestone.stage] : [],
    ),
  );
  const which =
    stages.size === 0 ? 'of none here' : `one more each, of stage ${[...stages].join(', ')} as a whole`;
  return [`Stage review: on, ${which}`];
}

/** Where work lands, where that is not said by the target's name alone. */
function landWords({ land, pr, runBranch, stageTag }: Config): string[] {
  const when: Readonly<Record<Config['land'], string>> = {
    each: 'with each milestone',
    stage: 'once a stage is complete',
    end: 'at the end of the run',
    pr: `through pull requests, one for each ${pr.per}`,
  };
  return [
    ...(land === 'each' && !runBranch
      ? []
      : [`Lands: ${when[land]}${runBranch ? ', on a new branch run/<date>' : ''}`]),
    ...(stageTag === undefined ? [] : [`Tags: ${shown(stageTag)}`]),
  ];
}

/** Milestones that are to run and of which a person is asked, each with when. */
function approvalsIn({ plan, config }: Pick<Settled, 'plan' | 'config'>): Map<string, Approval> {
  const run = new Set(plan.run);
  return new Map(
    plan.milestones.flatMap(({ milestone }): [string, Approval][] => {
      const { approval } = approvalOf(milestone, config);
      return approval === undefined || !run.has(milestone.id) ? [] : [[milestone.id, approval]];
    }),
  );
}

function approvalWords(settled: Pick<Settled, 'plan' | 'config'>): string[] {
  const asked = approvalsIn(settled);
  const of = (when: Approval): string[] => [...asked].flatMap(([id, one]) => (one === when ? [id] : []));
  const parts = [
    ...(of('before').length === 0 ? [] : [`${names(of('before'), 20)} before an agent starts`]),
    ...(of('merge').length === 0 ? [] : [`${names(of('merge'), 20)} before it lands`]),
  ];
  return parts.length === 0 ? [] : [`Your approval: ${parts.join('; ')} (mstone approve ID)`];
}

/** Who is started where another cannot be. */
function fallbackWords({ agents }: Config): string[] {
  const pairs = Object.entries(agents).flatMap(([name, agent]) =>
    'fallback' in agent && agent.fallback !== undefined
      ? [`${shown(agent.fallback)} for ${shown(name)}`]
      : [],
  );
  return pairs.length === 0 ? [] : [`Takes over while nothing is open: ${pairs.join(', ')}`];
}

const costWords = ({ budget }: Config): string =>
  budget?.usd === undefined && budget?.perDay === undefined && budget?.tokens === undefined
    ? 'no budget is set, --max-cost USD sets one'
    : [
        ...(budget.usd === undefined ? [] : [`${formatUsd(budget.usd)} at most`]),
        ...(budget.perDay === undefined ? [] : [`${formatUsd(budget.perDay)} a day at most`]),
        ...(budget.tokens === undefined ? [] : [`${budget.tokens} tokens at most`]),
      ].join(', ');

function authorWords({ agent, recipes }: Chosen, named: string | undefined): string[] {
  const own = recipes.length === 1 ? 'its own recipe' : 'their own recipes';
  if (agent === undefined) {
    if (named !== undefined) return [`Implements: ${shown(named)}`];
    return recipes.length === 0 ? [] : [`Implements: ${names(recipes, 20)} by ${own}: no agent is named`];
  }
  const why = agent.from === 'path' ? 'found on the PATH' : 'the only one configured';
  const who = agent.version === undefined ? agent.name : `${agent.name} ${agent.version}`;
  return [
    `Implements: ${shown(who)}, ${why}${recipes.length === 0 ? '' : `; ${names(recipes, 20)} by ${own}`}`,
  ];
}

const checkWords = (checks: NonNullable<Chosen['checks']>): string =>
  checks.length === 0
    ? 'none were found'
    : checks.map(({ command, from }) => `${shown(command)}, from ${from}`).join('; ');

function worktreeWords({ setup, copy, keep }: NonNullable<Chosen['worktrees']>): string[] {
  const words = [
    ...setup.map((command) => shown(command)),
    ...(copy.length > 0 ? [`copies of ${copy.map((file) => shown(file)).join(', ')}`] : []),
    ...(keep.length > 0 ? [`${keep.map((folder) => shown(folder)).join(', ')} kept`] : []),
  ];
  return words.length === 0 ? [] : [`In each worktree: ${words.join('; ')}`];
}

function reviewWords({ review, reviewer: one, reviewers }: Config, chosen: Chosen | undefined): string {
  if (review === false) return 'off';
  const reviewer = reviewers?.join(', ') ?? one;
  const most = `${count(review.rounds, 'round')} at most`;
  if (chosen === undefined) return `on, ${most}`;
  const { agent, recipes, unreviewed } = chosen;
  const reviewed = recipes.filter((id) => !unreviewed.includes(id));
  const by = reviewer ?? agent?.name;
  const parts = [
    ...(by === undefined ? [] : [`by a fresh ${shown(by)}, ${most}`]),
    ...(reviewed.length === 0 || reviewer !== undefined
      ? []
      : [`${names(reviewed, 20)} by ${reviewed.length === 1 ? 'its' : 'their'} own \`## Review\``]),
    ...(unreviewed.length === 0 ? [] : [`not of ${names(unreviewed, 20)}, without a \`## Review\``]),
  ];
  return parts.length === 0 ? `on, ${most}` : parts.join('; ');
}
