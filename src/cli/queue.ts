/** `mstone queue`: what waits to land. Takes no lock and starts nothing. */
import { queueDocument, queueText } from '../report/queue.js';
import { say, sayDiagnostics, sayJson } from './output.js';
import { openProject } from './project.js';
import { knownRuns, statesOn } from './state.js';
import type { World } from './world.js';

export async function queue(world: World, { json }: { readonly json?: true }): Promise<number> {
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, target } = project.value;
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const document = queueDocument(statesOn(target.branch, runs.value).at(-1));
  if (json === true) sayJson(world, document);
  else say(world, queueText(document).trimEnd());
  return 0;
}
