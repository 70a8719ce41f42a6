/** `mstone new ID`: a milestone to fill in, from the template. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRepository } from '../git/index.js';
import { type DraftRecipe, draftName, draftText, titleOf } from '../milestone/draft.js';
import type { Config } from '../model/config.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { absent, readCheckout } from './project.js';
import type { World } from './world.js';

export async function newMilestone(
  world: World,
  options: { readonly id: string; readonly title?: string },
): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { root } = repository.value;
  const { config, layout, diagnostics } = await readCheckout(world, repository.value, {});
  const astray = diagnostics.filter(({ code }) => code === 'not-plain' || code === 'places-collide');
  if (astray.length > 0) return sayDiagnostics(world, astray);
  const folder = join(root, layout.milestones);
  const names = await readdir(folder).catch(absent([] as string[]));
  const draft = draftName(options.id, names);
  if ('code' in draft) return sayDiagnostics(world, [draft]);
  if (options.title !== undefined && options.title.trim() === '') {
    return sayError(world, 'invalid-value', 'the title is empty', 'leave --title out, or give it some words');
  }
  const text = draftText(await readTemplate(world), {
    id: draft.parts.id,
    title: options.title ?? titleOf(draft.name) ?? 'Title',
    recipe: recipeFor(config),
  });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, draft.name), text, { flag: 'wx' });
  const file = `${layout.milestones}/${draft.name}`;
  say(world, `Wrote ${file}.\nNext: fill it in, then type: mstone validate`);
  return 0;
}

const readTemplate = (world: World): Promise<string> =>
  readFile(join(world.home, 'templates', 'milestone.md'), 'utf8');

/** What a draft needs where recipes do the work: blocks that refuse to pass until somebody writes them. */
function recipeFor(config: Config): DraftRecipe {
  const author = config.agent;
  const reviewer = config.reviewer ?? author;
  const isRecipe = (name: string | undefined): boolean =>
    name !== undefined && config.agents[name]?.kind === 'recipe';
  const unwritten = (what: string): string => `echo 'write ${what} here' >&2\nexit 1`;
  return {
    ...(isRecipe(author) ? { implement: unwritten('the steps') } : {}),
    ...(config.review !== false && isRecipe(reviewer) ? { review: unwritten('the review') } : {}),
  };
}
