/** `mstone validate`: every problem of every file at once. */

import { checkTemplates } from '../brief/prompt.js';
import { openRepository, type Repository } from '../git/index.js';
import { baseName, claimedId } from '../milestone/name.js';
import { type Diagnostic, hasErrors } from '../model/diagnostic.js';
import { makePlan } from '../plan/index.js';
import { planItems } from '../plan/items.js';
import { rolesNamed } from '../plan/reviewers.js';
import { validateDocument } from '../report/documents.js';
import { count } from '../report/words.js';
import { settle } from './choose.js';
import { say, sayDiagnostics, sayJson } from './output.js';
import { readCheckout, type Sources, templatesIn } from './project.js';
import { readTemplates } from './state.js';
import type { World } from './world.js';

/** The checkout's milestones and configuration with everything that is wrong with them, the graph included. */
export async function examineSources(
  world: World,
  repository: Repository,
): Promise<Sources & { readonly diagnostics: readonly Diagnostic[] }> {
  const sources = await readCheckout(world, repository, {});
  const { milestones, layout, diagnostics: read, templates } = sources;
  const own = await readTemplates(world, templates);
  const roles = rolesNamed(sources.config, milestones);
  const diagnostics = [...read, ...checkTemplates(own, templatesIn(layout), roles)];

  // The graph is judged as far as the files could be read: what is broken is there all the same.
  const broken = new Set(
    read.flatMap(({ severity, file }) =>
      severity === 'error' && file !== undefined ? (claimedId(baseName(file)) ?? []) : [],
    ),
  );
  const plan = makePlan({
    target: repository.branch ?? 'HEAD',
    milestones: milestones.map((milestone) => ({
      ...milestone,
      dependsOn: milestone.dependsOn.filter((id) => !broken.has(id)),
    })),
    landings: new Map(),
    selection: { ids: [] },
  });
  if (!plan.ok) diagnostics.push(...plan.error);
  else {
    diagnostics.push(...plan.value.notes);
    const settled = await settle(world, plan.value, { repository, sources });
    const items = planItems(settled.plan, settled.config, { gates: new Set(), base: false, ...settled });
    // What is installed here says nothing of the files: where they are run, an agent may be.
    if (!items.ok) {
      diagnostics.push(
        ...items.error.map((one) =>
          one.code === 'no-agent' ? { ...one, severity: 'warning' as const } : one,
        ),
      );
    }
  }
  if (milestones.length === 0 && !hasErrors(diagnostics)) {
    diagnostics.push({
      severity: 'error',
      code: 'no-milestones',
      message: `no milestones under ${layout.milestones}/`,
    });
  }
  return { ...sources, diagnostics };
}

export async function validate(
  world: World & { color: boolean },
  options: { readonly json?: true },
): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { milestones, diagnostics } = await examineSources(world, repository.value);

  const failed = hasErrors(diagnostics);
  if (options.json) sayJson(world, validateDocument(milestones, diagnostics));
  else {
    sayDiagnostics(world, diagnostics);
    const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length;
    say(
      world,
      failed
        ? `${count(errors, 'error')}.\nNext: mend ${errors === 1 ? 'it' : 'them'}, then type: mstone validate`
        : `${count(milestones.length, 'milestone is', 'milestones are')} fine.\nNext: mstone plan`,
    );
  }
  return failed ? 2 : 0;
}
