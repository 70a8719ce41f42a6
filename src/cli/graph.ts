/** `mstone graph`: what waits for what, and where each is. Takes no lock and starts nothing. */
import { makePlan } from '../plan/index.js';
import { statusDocument } from '../report/documents.js';
import { graphDot, graphMermaid, graphTree } from '../report/graph.js';
import { say, sayDiagnostics } from './output.js';
import { openProject, readPlanned, withoutErrors } from './project.js';
import { givenUp, isDriven, knownRuns, statesOn } from './state.js';
import type { World } from './world.js';

export type GraphFormat = 'tree' | 'mermaid' | 'dot';

export async function graph(
  world: World & { readonly color: boolean },
  { format }: { readonly format: GraphFormat },
): Promise<number> {
  const project = await openProject(world, undefined);
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
    selection: { ids: [] },
    failed: givenUp(target.branch, runs.value, sources.value.milestones),
  });
  if (!made.ok) return sayDiagnostics(world, made.error);
  const plan = made.value;
  const last = statesOn(target.branch, runs.value).at(-1);
  const alive = await isDriven(repository.stateDir);
  const phases = new Map(
    statusDocument(last, plan, alive, world.now()).milestones.map(({ id, phase }) => [id, phase] as const),
  );
  switch (format) {
    case 'tree':
      say(world, graphTree(plan, phases, world.color));
      break;
    case 'mermaid':
      say(world, graphMermaid(plan, phases));
      break;
    case 'dot':
      say(world, graphDot(plan, phases));
      break;
  }
  return 0;
}
