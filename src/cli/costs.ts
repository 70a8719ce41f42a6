/** `mstone costs`: what agents have cost, by the journals and, where those are gone, by history. Starts nothing. */
import { readLandingCosts } from '../git/history.js';
import { shown } from '../model/shown.js';
import { costsDocument, costsText } from '../report/costs.js';
import { chargesInHistory, chargesOf, type Grouping } from '../run/costs.js';
import { say, sayDiagnostics, sayError, sayJson } from './output.js';
import { openProject } from './project.js';
import { knownRuns } from './state.js';
import { type World, zoneOf } from './world.js';

export interface CostsOptions {
  readonly by: Grouping;
  readonly run?: string;
  readonly json?: true;
}

export async function costs(
  world: World & { readonly color: boolean },
  options: CostsOptions,
): Promise<number> {
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, target } = project.value;
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const landed = [];
  const seen = new Set<string>();
  for (const head of new Set([target.head, target.target])) {
    if (head === undefined) continue;
    for (const cost of await readLandingCosts(repository, head)) {
      if (seen.has(`${cost.commit} ${cost.id}`)) continue;
      seen.add(`${cost.commit} ${cost.id}`);
      landed.push(cost);
    }
  }
  const all = [
    ...runs.value.flatMap(({ run, entries }) =>
      chargesOf(
        run,
        entries.map((entry) => entry.event),
      ),
    ),
    ...chargesInHistory(landed, new Set(runs.value.map(({ run }) => run))),
  ];
  const { run } = options;
  const charges = run === undefined ? all : all.filter((charge) => charge.run === run);
  if (run !== undefined && charges.length === 0 && !runs.value.some((known) => known.run === run)) {
    return sayError(world, 'unknown-run', `no run ${shown(run)}`);
  }
  const windows = new Map(runs.value.flatMap(({ state }) => [...state.windows]));
  const view = { by: options.by, charges, tz: zoneOf(world), windows, now: world.now() };
  if (options.json === true) sayJson(world, costsDocument(view));
  else say(world, costsText(view, world.color));
  return 0;
}
