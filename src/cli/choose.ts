/** Finds out what nobody has said, for `plan`, `run` and `validate` alike: which agent there is, how the project is tested. */
import { readdir } from 'node:fs/promises';
import { choose, openQuestions, type Settled } from '../config/choose.js';
import { type Discovery, discover, SECRETS, TELLING } from '../config/discover.js';
import type { Repository, ResolvedTarget } from '../git/index.js';
import { makeGit } from '../git/plumbing.js';
import { listFilesAt, readFilesAt } from '../git/tree.js';
import type { Chosen, ChosenAgent } from '../model/chosen.js';
import type { Plan } from '../model/plan.js';
import { findInstalled, versionOf } from './programs.js';
import type { Sources } from './project.js';
import { absent } from './project.js';
import type { World } from './world.js';

/** What a plan is settled with, beside the plan itself. */
export interface ToSettle {
  readonly sources: Pick<Sources, 'config' | 'settings' | 'configured'>;
  readonly repository: Repository;
  /** Absent: only who implements is asked, and no program is started to tell its version. */
  readonly target?: Pick<ResolvedTarget, 'target'>;
  /** What a run under way goes by. */
  readonly kept?: Chosen | undefined;
}

/**
 * Fills in what nobody has said. How the project is tested is read from the target's commit, not from the
 * checkout: that is what worktrees are made of.
 */
export async function settle(world: World, plan: Plan, to: ToSettle): Promise<Settled> {
  const { repository, target, sources, kept } = to;
  const facts = {
    plan,
    config: sources.config,
    origins: sources.settings.origins,
    configured: sources.configured,
    ...(kept === undefined ? {} : { kept }),
  };
  const questions = openQuestions(facts);
  const agent = await firstOf(world, questions.agents, target !== undefined);
  const found = questions.project && target ? await lookAt(world, repository, target.target) : undefined;
  return choose(facts, { ...(agent && { agent }), ...(found && { found }) });
}

async function firstOf(
  world: World,
  agents: ReturnType<typeof openQuestions>['agents'],
  withVersion: boolean,
): Promise<ChosenAgent | undefined> {
  for (const { name, from } of agents) {
    // Whoever configured it meant it, wherever its program is; only known ones are asked for a version.
    if (from === 'configuration') return { name, from };
    const program = await findInstalled(name, world.env.PATH);
    if (program === undefined) continue;
    const version = withVersion ? await versionOf(world, program) : undefined;
    return { name, from, ...(version === undefined ? {} : { version }) };
  }
  return undefined;
}

/** How a project is tested and made ready, by what a commit holds; secrets are the checkout's own. */
async function lookAt(world: World, repository: Repository, commit: string | undefined): Promise<Discovery> {
  const top = commit === undefined ? [] : await listFilesAt(repository, commit, '');
  const names = new Set(top.map(({ path }) => path));
  const files = commit === undefined ? [] : await readFilesAt(repository, commit, TELLING);
  const texts = new Map([...files].map(([name, bytes]) => [name, bytes.toString('utf8')] as const));
  return discover({ names, texts, secrets: await secretsIn(world, repository.root) });
}

/** Files of secrets in the checkout that are not committed. */
export async function secretsIn(world: World, root: string): Promise<string[]> {
  const git = makeGit(world.env);
  const there = new Set(await readdir(root).catch(absent([] as string[])));
  const secrets: string[] = [];
  for (const name of SECRETS) {
    if (!there.has(name)) continue;
    const tracked = await git({ args: ['ls-files', '--error-unmatch', '--', name], cwd: root });
    if (tracked.code !== 0) secrets.push(name);
  }
  return secrets;
}
