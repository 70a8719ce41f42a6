/** A plan and the configuration → what `decide` works on. */

import { createHash } from 'node:crypto';
import type { Chosen } from '../model/chosen.js';
import type { Config } from '../model/config.js';
import type { Approval } from '../model/decision.js';
import type { Diagnostic } from '../model/diagnostic.js';
import type { ItemId, Purpose } from '../model/effect.js';
import { INSTALL_LINE, KNOWN_AGENTS } from '../model/known-agents.js';
import type { MessageCode } from '../model/messages.js';
import type { Milestone } from '../model/milestone.js';
import { nearest } from '../model/nearest.js';
import type { Plan, PlanItem, PlannedMilestone } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import type { Reviewer } from '../model/verdict.js';
import { resolvedDependencies } from './graph.js';
import { reviewersFor } from './reviewers.js';

/** What belongs to a run beside milestones. */
export interface Extra {
  /** Stages whose own checks are to run once their last milestone is in. */
  readonly gates: ReadonlySet<number>;
  /** Check the target before anything starts. */
  readonly base: boolean;
  /** What was chosen where nobody had said it; its recipes are the plan's authors already. */
  readonly chosen?: Pick<Chosen, 'unreviewed'>;
}

/** The user's own `pre-commit` hook as a check: what it does is in a check's environment (`cli/hands.ts`). */
const HOOK_CHECK = 'sh -c "$MSTONE_PRE_COMMIT"';

/** Rounds that failing checks get where nobody reviews and nothing else is said. */
const ROUNDS_WITHOUT_REVIEW = 3;

export const gateId = (stage: number): ItemId => `${stage}-gate`;
const BASE: ItemId = 'base';

/** Whether what a stage brought is reviewed as a whole: a recipe has no text for that, one milestone was reviewed. */
export function isStageReviewed(plan: Plan, config: Config, stage: number): boolean {
  if (config.review === false || config.review.stage !== true) return false;
  const members = plan.milestones.filter(({ milestone }) => milestone.stage === stage && milestone.enabled);
  return members.length > 1 && gateReviewers(plan, config, stage).length > 0;
}

/** The stages among these that have a gate: checks of their own, or a review. */
export const withGates = (plan: Plan, config: Config, stages: Iterable<number>): ReadonlySet<number> =>
  new Set(
    [...stages].filter((stage) => config.stageChecks.length > 0 || isStageReviewed(plan, config, stage)),
  );

function gateAuthor(plan: Plan, config: Config, stage: number): string {
  const last = plan.milestones.filter(({ milestone }) => milestone.stage === stage).at(-1)?.milestone;
  return config.agent ?? (last && authorOf(last, config)) ?? 'recipe';
}

/**
 * A gate has no text of its own, hence no `## Review` that a recipe could run; and paths were looked at with each
 * milestone that touched them.
 */
function gateReviewers(plan: Plan, config: Config, stage: number): readonly Reviewer[] {
  if (config.review === false) return [];
  return reviewersFor({}, config, gateAuthor(plan, config, stage)).filter(
    ({ agent, paths }) => paths === undefined && config.agents[agent]?.kind !== 'recipe',
  );
}

/**
 * The items of a run: the base check, then the plan's milestones in its order, then a gate for each
 * stage that has one. Errors: nobody to implement or review a milestone, all at once.
 */
export function planItems(plan: Plan, config: Config, extra: Extra): Result<PlanItem[], Diagnostic[]> {
  const planned = new Map(plan.milestones.map((one) => [one.milestone.id, one]));
  const run = plan.run.flatMap((id) => planned.get(id) ?? []);
  const inRun = new Set(plan.run);
  const unreviewed = new Set(extra.chosen?.unreviewed);
  const reviewersOf = (milestone: Milestone): readonly Reviewer[] =>
    unreviewed.has(milestone.id) || config.review === false
      ? []
      : reviewersFor(milestone, config, authorOf(milestone, config) ?? '');
  const problems = [
    ...checkNobody(
      run.map(({ milestone }) => milestone).filter((one) => authorOf(one, config) === undefined),
      config,
    ),
    ...run.flatMap(({ milestone }) => checkAgents(milestone, reviewersOf(milestone), config)),
  ];

  const rounds = config.review === false ? ROUNDS_WITHOUT_REVIEW : config.review.rounds;
  const stages = [...new Set([...run.map(({ milestone }) => milestone.stage), ...extra.gates])].sort(
    (a, b) => a - b,
  );
  const idsOf = new Map(stages.map((stage): [number, ItemId[]] => [stage, []]));
  for (const { milestone } of run) idsOf.get(milestone.stage)?.push(milestone.id);
  /** What has to be over before a stage begins, apart from the base check. */
  const before = new Map(
    stages.map((stage, index): [number, readonly ItemId[]] => {
      const nearer = stages[index - 1];
      if (nearer === undefined) return [stage, []];
      return [stage, extra.gates.has(nearer) ? [gateId(nearer)] : (idsOf.get(nearer) ?? [])];
    }),
  );
  const base = extra.base ? [BASE] : [];

  const milestoneItem = ({ milestone, remainingMinutes }: PlannedMilestone): PlanItem => {
    const { id, stage, title, digest, formerDigests, priority } = milestone;
    const author = authorOf(milestone, config) ?? '';
    const own = resolvedDependencies(milestone).filter((need) => inRun.has(need));
    return {
      id,
      kind: 'milestone',
      stage,
      title,
      digest,
      ...(formerDigests === undefined ? {} : { formerDigests }),
      needs: [...new Set([...own, ...(before.get(stage) ?? []), ...base])],
      priority,
      remainingMinutes,
      author,
      ...reviewedBy(reviewersOf(milestone), config),
      resolver: author,
      checks: [
        ...new Set([...config.checks, ...milestone.checks, ...(config.git.hooks ? [HOOK_CHECK] : [])]),
      ],
      ...(milestone.allow === undefined ? {} : { allow: milestone.allow }),
      rounds: milestone.reviewRounds ?? rounds,
      retries: milestone.retries ?? config.retries,
      ...approvalOf(milestone, config),
    };
  };

  const gateItem = (stage: number): PlanItem => {
    const members = idsOf.get(stage) ?? [];
    const author = gateAuthor(plan, config, stage);
    const isReviewed = isStageReviewed(plan, config, stage);
    const texts = plan.milestones.flatMap(({ milestone }) =>
      milestone.stage === stage && milestone.enabled ? [milestone.digest] : [],
    );
    const behind = run.filter(({ milestone }) => milestone.stage > stage);
    return {
      id: gateId(stage),
      kind: 'gate',
      stage,
      title: isReviewed ? `Stage ${stage} as a whole` : `Checks of stage ${stage}`,
      digest: digestOf(isReviewed ? [...config.stageChecks, ...texts] : config.stageChecks),
      needs: members.length > 0 ? members : [...(before.get(stage) ?? []), ...base],
      priority: 0,
      remainingMinutes: Math.max(0, ...behind.map(({ remainingMinutes }) => remainingMinutes)),
      author,
      ...reviewedBy(gateReviewers(plan, config, stage), config),
      resolver: author,
      checks: config.stageChecks,
      rounds,
      retries: config.retries,
      ...(isReviewed ? { stageReview: true } : {}),
    };
  };

  const baseItem = (): PlanItem => {
    const author = config.agent ?? (run[0] && authorOf(run[0].milestone, config)) ?? 'recipe';
    return {
      id: BASE,
      kind: 'base',
      stage: 0,
      title: `Checks of ${plan.target}`,
      digest: digestOf(config.checks),
      needs: [],
      priority: 0,
      remainingMinutes: Math.max(0, ...run.map(({ remainingMinutes }) => remainingMinutes)),
      author,
      reviewer: false,
      resolver: author,
      checks: config.checks,
      rounds: 0,
      retries: 0,
    };
  };

  if (problems.length > 0) return err(problems);
  return ok([
    ...(extra.base ? [baseItem()] : []),
    ...run.map(milestoneItem),
    ...[...extra.gates].sort((a, b) => a - b).map(gateItem),
  ]);
}

/** When a person is asked of a milestone. */
export function approvalOf(
  { approval }: Pick<Milestone, 'approval'>,
  config: Config,
): { readonly approval?: Approval } {
  const asked = approval ?? config.approval;
  return asked === 'none' ? {} : { approval: asked };
}

const authorOf = (milestone: Milestone, config: Config): string | undefined =>
  milestone.agent ?? config.agent;

/**
 * The model that an agent is to use for a milestone: the milestone's own word for its author, the project's for
 * the project's agent, else the agent's. A model's name means something to one CLI only, so neither of the
 * first two reaches an agent that it was not said of. A reviewer that is the author's own agent may have another.
 */
export function modelOf(
  milestone: Pick<Milestone, 'agent' | 'model'>,
  config: Config,
  name: string,
  purpose?: Purpose,
): string | undefined {
  const agent = config.agents[name];
  const own = agent !== undefined && 'model' in agent ? agent.model : undefined;
  const author = milestone.agent ?? config.agent;
  return (
    (purpose === 'review' && config.review !== false && name === author ? config.review.model : undefined) ??
    (name === author ? milestone.model : undefined) ??
    (name === config.agent ? config.model : undefined) ??
    own
  );
}

/** One agent by its own name needs no list. */
function reviewedBy(
  reviewers: readonly Reviewer[],
  { review }: Config,
): Pick<PlanItem, 'reviewer' | 'reviewers' | 'require'> {
  const [first] = reviewers;
  if (first === undefined) return { reviewer: false };
  if (reviewers.length === 1 && first.role === undefined) return { reviewer: first.agent };
  const require = review === false ? undefined : review.require;
  return { reviewer: first.agent, reviewers, ...(require === undefined ? {} : { require }) };
}

const digestOf = (commands: readonly string[]): string =>
  `v1:${createHash('sha256').update(JSON.stringify(commands)).digest('hex')}`;

/** Milestones that nobody implements, in one refusal: whoever asks has looked for an agent that could. */
function checkNobody(milestones: readonly Milestone[], { agents }: Config): Diagnostic[] {
  const [first] = milestones;
  if (first === undefined) return [];
  const all = milestones.map(({ id }) => id);
  const some = all.length > 6 ? [...all.slice(0, 5), `${all.length - 5} more`] : all;
  const who = some.length > 1 ? `${some.slice(0, -1).join(', ')} and ${some.at(-1)}` : first.id;
  const own = Object.entries(agents).flatMap(([name, { kind }]) => (kind === name ? [] : [name]));
  const known = KNOWN_AGENTS.map(({ name }) => name).join(', ');
  return [
    {
      severity: 'error',
      code: 'no-agent',
      ...(all.length === 1 ? { file: first.file } : {}),
      ...(own.length > 0
        ? {
            message: `nobody implements ${who}: no agent is named`,
            fix: `add \`agent: NAME\` to mstone.yaml; these are there: ${own.sort().join(', ')}`,
          }
        : {
            message: `nobody implements ${who}: no agent is named, and none is installed`,
            expected: `${known} on the PATH, or \`agent:\` in mstone.yaml or in the milestone`,
            fix: `${INSTALL_LINE}; or without any account: a \`## Recipe\` section with a \`\`\`sh block, as \`mstone demo\` shows`,
          }),
    },
  ];
}

/** Whether somebody is there for each of a milestone's purposes that a run cannot do without. */
function checkAgents(milestone: Milestone, reviewers: readonly Reviewer[], config: Config): Diagnostic[] {
  const { id, file, recipe } = milestone;
  const problems: Diagnostic[] = [];
  const error = (code: MessageCode, message: string, rest: Partial<Diagnostic>): void => {
    problems.push({ severity: 'error', code, file, message, ...rest });
  };
  const kindOf = (name: string): string | undefined =>
    Object.hasOwn(config.agents, name) ? config.agents[name]?.kind : undefined;
  const unknown = (purpose: string, name: string): void => {
    const meant = nearest(name, Object.keys(config.agents));
    error('unknown-agent', `the ${purpose} of ${id} is not configured`, {
      expected: `one of ${Object.keys(config.agents).sort().join(', ')}`,
      found: shown(name),
      fix: meant
        ? `did you mean \`${meant}\`?`
        : `add \`agents: { ${shown(name)}: { kind: command, command: [...] } }\` to mstone.yaml`,
    });
  };

  const author = authorOf(milestone, config);
  if (author !== undefined && kindOf(author) === undefined) unknown('agent', author);
  if (author !== undefined && kindOf(author) === 'recipe' && !recipe.implement) {
    error('no-recipe', `${id} is to be implemented by its recipe and has none`, {
      fix: 'add a `## Recipe` section with a ```sh block, or name another `agent:`',
    });
  }

  const agents = [...new Set(reviewers.map(({ agent }) => agent))].filter((agent) => agent !== '');
  for (const reviewer of agents) {
    if (kindOf(reviewer) === undefined && reviewer !== author) unknown('reviewer', reviewer);
  }
  if (agents.some((agent) => kindOf(agent) === 'recipe') && !recipe.review) {
    error('no-review', `${id} has neither a reviewer nor a \`## Review\``, {
      fix: 'add `reviewer: NAME`, or a `## Review` section with a ```sh block, or `review: false` to mstone.yaml',
    });
  }
  return problems;
}
