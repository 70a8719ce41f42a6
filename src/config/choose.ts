/**
 * What holds where nobody has said it: who implements, and, in a project without `mstone.yaml`, how it is
 * tested and made ready. Pure: what is installed and what the project's files tell is passed in.
 *
 * A milestone that names no agent where nobody else does is implemented by its own `## Recipe`, if it has
 * one: its author wrote down what is to be done, and that costs nothing. Only the others need an agent.
 */
import type { Chosen, ChosenAgent } from '../model/chosen.js';
import type { Config } from '../model/config.js';
import { KNOWN_AGENTS } from '../model/known-agents.js';
import type { Milestone } from '../model/milestone.js';
import type { Plan } from '../model/plan.js';
import type { Discovery } from './discover.js';
import type { Origin } from './index.js';

/** What is to be found out before `choose` can answer. */
export interface OpenQuestions {
  /** Agents to look for, the first that is there is taken; empty where none is needed. */
  readonly agents: readonly { readonly name: string; readonly from: ChosenAgent['from'] }[];
  /** How the project is tested and made ready. */
  readonly project: boolean;
}

export interface ChoiceFacts {
  readonly plan: Plan;
  readonly config: Config;
  readonly origins: ReadonlyMap<string, Origin>;
  /** Whether there is an `mstone.yaml`: then nothing but the agent is chosen. */
  readonly configured: boolean;
  /** What a run under way goes by; it wins over what is found now. */
  readonly kept?: Chosen;
}

/** What a run would go by: the plan with its authors, the configuration with what was chosen, and the choice. */
export interface Settled {
  readonly plan: Plan;
  readonly config: Config;
  /** Absent where everything was said. */
  readonly chosen?: Chosen;
}

const milestonesToRun = ({ milestones, run }: Plan): Milestone[] => {
  const ids = new Set(run);
  return milestones.flatMap(({ milestone }) => (ids.has(milestone.id) ? [milestone] : []));
};

const namesNobody = ({ config }: Pick<ChoiceFacts, 'config'>, { agent }: Milestone): boolean =>
  agent === undefined && config.agent === undefined;

/** What the machine and the project have to be asked. */
export function openQuestions(facts: ChoiceFacts): OpenQuestions {
  const { plan, configured, kept, origins } = facts;
  const run = milestonesToRun(plan);
  const needsAgent = run.some((one) => namesNobody(facts, one) && one.recipe.implement === undefined);
  const agents = !needsAgent || kept?.agent !== undefined ? [] : candidates(origins);
  return { agents, project: !configured && kept?.worktrees === undefined && run.length > 0 };
}

/** Agents that somebody configured without naming one are meant, if there is one alone; else those that may be installed. */
function candidates(origins: ReadonlyMap<string, Origin>): OpenQuestions['agents'] {
  const own = [...origins].flatMap(([key, { from }]) =>
    key.startsWith('agents.') && key !== 'agents.recipe' && from !== 'default' ? [key.slice(7)] : [],
  );
  if (own.length > 1) return [];
  return own.length === 1
    ? own.map((name) => ({ name, from: 'configuration' }))
    : KNOWN_AGENTS.map(({ name }) => ({ name, from: 'path' }));
}

/** Answers them. `agent` and `found` are what `openQuestions` asked for. */
export function choose(
  facts: ChoiceFacts,
  answers: { readonly agent?: ChosenAgent; readonly found?: Discovery },
): Settled {
  const { plan, config, origins, configured, kept } = facts;
  const unsaid = (key: string): boolean => (origins.get(key)?.from ?? 'default') === 'default';
  const nobodys = milestonesToRun(plan).filter((one) => namesNobody(facts, one));
  const byRecipe = nobodys.filter(({ recipe }) => recipe.implement !== undefined);
  const needsAgent = byRecipe.length < nobodys.length;
  // A gate is remediated by whom the run began with, even where all milestones of that agent's are in.
  const agent =
    config.agent === undefined ? (kept?.agent ?? (needsAgent ? answers.agent : undefined)) : undefined;

  const { setup, copy, keep } = config.worktrees;
  const found = configured ? undefined : answers.found;
  const before = configured ? undefined : kept;
  const checks = unsaid('checks') ? (before?.checks ?? found?.checks) : undefined;
  const worktrees =
    before?.worktrees ??
    (found && {
      setup: unsaid('worktrees.setup') ? found.setup : setup,
      copy: unsaid('worktrees.copy') ? found.copy : copy,
      keep: unsaid('worktrees.keep') ? found.keep : keep,
    });

  // A review that somebody asked for is not left out for want of somebody who does it.
  const lenient =
    !configured && config.reviewer === undefined && config.reviewers === undefined && unsaid('review');
  const unreviewed = byRecipe.filter(
    ({ recipe, reviewer, reviewers }) =>
      lenient && config.review !== false && !reviewer && !reviewers && recipe.review === undefined,
  );
  const ids = (all: readonly Milestone[]): string[] => all.map(({ id }) => id);
  const chosen: Chosen = {
    ...(agent && { agent }),
    recipes: ids(byRecipe),
    unreviewed: ids(unreviewed),
    ...(checks && { checks }),
    ...(worktrees && { worktrees }),
  };
  const isNothing = agent === undefined && byRecipe.length === 0 && !checks && !worktrees;
  return {
    plan: withAuthors(plan, new Set(chosen.recipes)),
    config: {
      ...config,
      ...(agent && { agent: agent.name }),
      ...(checks && { checks: checks.map(({ command }) => command) }),
      ...(worktrees && { worktrees: { ...config.worktrees, ...worktrees } }),
    },
    ...(isNothing ? {} : { chosen }),
  };
}

function withAuthors(plan: Plan, recipes: ReadonlySet<string>): Plan {
  const milestones = plan.milestones.map((one) =>
    recipes.has(one.milestone.id) ? { ...one, milestone: { ...one.milestone, agent: 'recipe' } } : one,
  );
  return { ...plan, milestones };
}
