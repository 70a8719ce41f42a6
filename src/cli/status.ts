/** `mstone status`, and bare `mstone`: where everything is. Takes no lock and starts nothing. */
import { makePlan } from '../plan/index.js';
import { statusDocument, statusText } from '../report/documents.js';
import { say, sayDiagnostics, sayJson } from './output.js';
import { openProject, readCheckout } from './project.js';
import { isDriven, knownRuns } from './state.js';
import type { World } from './world.js';

export async function status(
  world: World & { color: boolean },
  options: { readonly json?: boolean },
): Promise<number> {
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, target, landings } = project.value;
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const last = runs.value.at(-1);
  const sources = await readCheckout(world, repository.root, {});
  const made = makePlan({
    target: target.branch,
    milestones: [...sources.milestones],
    landings,
    selection: { ids: [] },
  });
  const alive = await isDriven(repository.stateDir);
  const plan = made.ok ? made.value : undefined;
  if (options.json === true) sayJson(world, statusDocument(last?.state, plan, alive));
  else {
    if (!made.ok) sayDiagnostics(world, made.error);
    say(world, statusText(last?.state, plan, { alive, color: world.color, now: world.now() }));
  }
  return 0;
}
