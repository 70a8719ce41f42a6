/**
 * What mstone itself has seen of a change, and what it means for an item.
 *
 *   secret, outside-paths, unread   go back to the author at once
 *   the others                      wait for an answer: `allow` in the milestone, a reviewer's `allows` with its
 *                                   reason, or a person who approves the work (`approval: merge`)
 *
 * An approval that says nothing of a fact is asked for once more; then the fact is a finding.
 */
import type { Fact } from '../model/change.js';
import type { Oid, TreeKey } from '../model/outcome.js';
import type { ItemState, RunState } from '../model/state.js';
import type { Finding } from '../model/verdict.js';
import { ask } from './items.js';
import { toRemediate } from './remediation.js';
import { testsOn } from './verdicts.js';

const AT_ONCE: ReadonlySet<Fact['kind']> = new Set(['secret', 'outside-paths', 'unread']);

/** Those that nobody has answered yet: not the milestone, no reviewer of this commit. */
export function openFacts(item: ItemState, allowed: readonly string[] = []): Fact[] {
  const { work, opinions = {} } = item;
  const answered = new Set([
    ...allowed,
    ...Object.values(opinions).flatMap(({ seen, allows = [] }) => (seen === work?.commit ? allows : [])),
  ]);
  return (work?.facts ?? []).filter(
    ({ id, kind }) => !answered.has(id) && !(item.item.allow ?? []).some((allowance) => allowance === kind),
  );
}

/** New work that cannot go on as it is; undefined where it can. */
export function heldAtOnce(item: ItemState): ItemState | undefined {
  const facts = openFacts(item).filter(({ kind }) => AT_ONCE.has(kind));
  const secret = facts.find(({ kind }) => kind === 'secret');
  if (secret !== undefined && item.brakes.fingerprints.some((round) => round.includes('["secret '))) {
    return ask(item, `a secret is still in its work: ${placeOf(secret)}${secret.text}`);
  }
  return facts.length === 0 ? undefined : sentBack(item, facts);
}

/** Work without a review that nobody answers the facts of; undefined where there is nothing to answer. */
export function heldUnreviewed(item: ItemState): ItemState | undefined {
  const facts = item.item.approval === 'merge' ? [] : openFacts(item);
  return facts.length === 0 ? undefined : sentBack(item, facts);
}

/** Work that a reviewer approved twice without a word on these. */
export const heldUnanswered = (item: ItemState, facts: readonly Fact[]): ItemState => sentBack(item, facts);

/** What a reviewer is asked for once more. */
export const unansweredWords = (facts: readonly Fact[]): string =>
  `it says approve, but answers nothing of what mstone saw: ${facts
    .slice(0, 5)
    .map(({ id, text }) => `${id} (${text})`)
    .join('; ')}${facts.length > 5 ? `; and ${facts.length - 5} more` : ''}`;

const RULES: Readonly<Partial<Record<Fact['kind'], string>>> = {
  secret: 'No secret is committed',
  'outside-paths': 'the `paths` of the milestone',
  unread: 'What is to land can be looked through',
};

export const factFindings = (facts: readonly Fact[]): Finding[] =>
  facts.map(({ id, kind, file, line, text }) => ({
    id,
    severity: kind === 'secret' ? 'blocker' : 'major',
    cites: RULES[kind] ?? 'Never skip, weaken or delete a test or a check to make it pass.',
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
    problem: text,
    ...(kind === 'secret'
      ? { suggestion: 'take it out of every commit of yours; read it from the environment instead' }
      : {}),
  }));

/** Back to the author with them; whoever is asked in the end is told how to allow them. */
function sentBack(item: ItemState, facts: readonly Fact[], tree = item.work?.tree, merge?: Oid): ItemState {
  const back = toRemediate(
    { ...item, findings: factFindings(facts), unmet: [] },
    'review',
    tree,
    merge,
    'mstone',
  );
  if (back.phase.is !== 'asks') return back;
  const kinds = [...new Set(facts.map(({ kind }) => kind).filter((kind) => !AT_ONCE.has(kind)))];
  const said = facts
    .slice(0, 3)
    .map((fact) => `${placeOf(fact)}${fact.text}`)
    .join('; ');
  const hint =
    kinds.length === 0
      ? ''
      : `; if that is meant, say \`allow: [${kinds.join(', ')}]\` in its front matter, commit it, and: mstone retry ${item.item.id} --from check`;
  return { ...back, phase: { ...back.phase, message: `${back.phase.message} (${said})${hint}` } };
}

const placeOf = ({ file, line }: Fact): string =>
  file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `;

/** Work that has passed its checks, with what they say of its tests beside those of its base. */
export function withTestCounts(state: RunState, item: ItemState): ItemState {
  const { work } = item;
  if (work === undefined) return item;
  const others = (work.facts ?? []).filter(({ kind }) => kind !== 'fewer-tests');
  const facts = [...others, ...fewerTests(state, item, work.tree, work.base)];
  const { facts: _facts, ...rest } = work;
  return { ...item, work: facts.length === 0 ? rest : { ...rest, facts } };
}

/** A candidate that passed, and yet ran fewer tests than what it is to follow; undefined where that is answered. */
export function heldForTests(
  state: RunState,
  item: ItemState,
  tree: TreeKey,
  base: Oid,
): ItemState | undefined {
  const open = new Set(
    openFacts({ ...item, work: withFacts(item, fewerTests(state, item, tree, base)) }).map(({ id }) => id),
  );
  const facts = fewerTests(state, item, tree, base).filter(({ id }) => open.has(id));
  return facts.length === 0 ? undefined : sentBack(item, facts, tree, base);
}

const withFacts = ({ work }: ItemState, facts: readonly Fact[]): NonNullable<ItemState['work']> => ({
  commit: '',
  tree: '',
  base: '',
  ...work,
  facts,
});

/** Where both told how many they ran. */
function fewerTests(state: RunState, { item }: ItemState, tree: TreeKey, base: Oid): Fact[] {
  const baseTree = state.trees.get(base);
  if (baseTree === undefined) return [];
  return item.checks.flatMap((command): Fact[] => {
    const [before, now] = [testsOn(state, baseTree, command), testsOn(state, tree, command)];
    if (before === undefined || now === undefined || now >= before) return [];
    const text = `\`${command}\` ran ${now} tests, and ${before} on what the work builds on`;
    return [{ id: `fewer-tests ${command}`, kind: 'fewer-tests', text }];
  });
}
