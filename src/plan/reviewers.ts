/** Who reviews what: agents by name, roles by name, and roles by the paths that a change touches. */
import type { Config } from '../model/config.js';
import type { Milestone } from '../model/milestone.js';
import { BUILT_IN_ROLES } from '../model/role.js';
import type { Reviewer } from '../model/verdict.js';

/** A name that is an agent's is that agent, whatever roles there are. */
const isAgent = (config: Config, name: string): boolean => Object.hasOwn(config.agents, name);

/** Names as they are said of a milestone, or of the project; none: whoever is the author. */
const saidOf = (milestone: Pick<Milestone, 'reviewer' | 'reviewers'>, config: Config): readonly string[] =>
  milestone.reviewers ??
  (milestone.reviewer === undefined ? undefined : [milestone.reviewer]) ??
  config.reviewers ??
  (config.reviewer === undefined ? [] : [config.reviewer]);

/**
 * Everybody who may be asked about a milestone whose author is this agent: whoever is named, or the author's
 * agent in a session of its own; and each role that the project has for paths, once.
 */
export function reviewersFor(
  milestone: Pick<Milestone, 'reviewer' | 'reviewers'>,
  config: Config,
  author: string,
): readonly Reviewer[] {
  const names = saidOf(milestone, config);
  const roles = config.roles ?? {};
  // A role is looked at by its own agent, else by the first that reviews anyway.
  const first = names.find((name) => isAgent(config, name)) ?? author;
  const byRole = (name: string): Reviewer => ({ name, agent: roles[name]?.agent ?? first, role: name });
  const named = [...new Set(names)].map(
    (name): Reviewer =>
      isAgent(config, name) || !isRole(config, name) ? { name, agent: name } : byRole(name),
  );
  const always = named.length > 0 ? named : [{ name: author, agent: author }];
  const byPaths = Object.entries(roles)
    .filter(([name]) => !always.some((one) => one.name === name || one.role === name))
    .map(([name, { paths }]): Reviewer => ({ ...byRole(name), paths }));
  return [...always, ...byPaths];
}

const isRole = (config: Config, name: string): boolean =>
  Object.hasOwn(config.roles ?? {}, name) || (BUILT_IN_ROLES as readonly string[]).includes(name);

/** Every role that a project and its milestones name: each needs a text. */
export function rolesNamed(
  config: Config,
  milestones: readonly Pick<Milestone, 'role' | 'reviewers'>[],
): string[] {
  const named = [
    ...Object.keys(config.roles ?? {}),
    ...milestones.flatMap(({ role }) => role ?? []),
    ...[config, ...milestones].flatMap(({ reviewers = [] }) =>
      reviewers.filter((name) => !isAgent(config, name) && isRole(config, name)),
    ),
  ];
  return [...new Set(named)].sort();
}
