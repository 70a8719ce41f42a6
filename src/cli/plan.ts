/** `mstone plan`: what would run, in which order, and why. Changes no file and no ref. */
import type { Config } from '../model/config.js';
import { shown } from '../model/shown.js';
import { makePlan } from '../plan/index.js';
import { planItems } from '../plan/items.js';
import { planDocument, planText } from '../report/documents.js';
import { count } from '../report/words.js';
import { say, sayDiagnostics, sayJson } from './output.js';
import { openProject, readPlanned, withoutErrors } from './project.js';
import { type SelectionOptions, selectionOf } from './selection.js';
import { givenUp, knownRuns, lostProofs } from './state.js';
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
  if (options.json) {
    sayJson(world, planDocument(made.value));
    return 0;
  }
  const items = planItems(made.value, sources.value.config, { gates: new Set(), base: false });
  sayDiagnostics(world, [...sources.value.diagnostics, ...(items.ok ? [] : items.error)]);
  say(world, `${planText(made.value, world.color)}${stepsWords(sources.value.config)}`);
  return items.ok ? 0 : 2;
}

/** What every milestone passes before it lands; a step that is off is said to be. */
export function stepsWords({ checks, stageChecks, review, jobs }: Config): string {
  const lines = [
    `Checks: ${checks.length === 0 ? 'none' : checks.map((check) => shown(check)).join(', ')}`,
    ...(stageChecks.length === 0
      ? []
      : [`Stage checks: ${stageChecks.map((check) => shown(check)).join(', ')}`]),
    `Review: ${review === false ? 'off' : `on, ${count(review.rounds, 'round')} at most`}`,
    `Agents at once: ${jobs}`,
  ];
  return `\n${lines.join('\n')}\n`;
}
