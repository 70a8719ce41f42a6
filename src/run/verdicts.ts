/**
 * What checks teach a run: which commands pass on which tree, how many tests they ran there, and that a failure
 * where none was to be expected is looked at twice before anybody is blamed for it.
 */
import type { KnownHead } from '../model/event.js';
import type { CheckOutcome, CheckResult, Oid, TreeKey } from '../model/outcome.js';
import type { Flake, ItemState, RunState, Step } from '../model/state.js';
import { verdictKey } from './items.js';

type Judged = Extract<CheckOutcome, { kind: 'passed' | 'failed' }>;
type CheckStep = Extract<Step, { is: 'check' | 'verify' }>;

const greenKey = (tree: TreeKey, command: string): string => `${tree} ${command}`;

/** The state that knows what a commit's tree is. */
export const knowTree = (state: RunState, commit: Oid, tree: TreeKey): RunState => ({
  ...state,
  trees: new Map(state.trees).set(commit, tree),
});

/** What a run is told of the head that it begins on. */
export function knowHead(state: RunState, head: Oid, told: KnownHead | undefined): RunState {
  if (told === undefined) return state;
  const green = new Map(state.green);
  for (const [command, ran] of Object.entries(told.green)) green.set(greenKey(told.tree, command), ran);
  return { ...knowTree(state, head, told.tree), green };
}

/** A verdict, remembered. */
export function learn(
  state: RunState,
  commands: readonly string[],
  { kind, commit, tree, results }: Judged,
): RunState {
  const known = knowTree(state, commit, tree);
  const green = new Map(state.green);
  for (const result of results) {
    if (result.kind === 'passed') green.set(greenKey(tree, result.command), result.tests?.ran ?? -1);
  }
  const key = verdictKey(tree, state.settings.folder, commands);
  const passed = new Set(state.passed);
  // What failed last has not passed, whatever it did before.
  if (kind === 'failed') passed.delete(key);
  else passed.add(key);
  return { ...known, green, passed };
}

/** Whether all of these have passed on a tree, together or one by one. */
export const isGreen = (state: RunState, tree: TreeKey, commands: readonly string[]): boolean =>
  commands.every((command) => state.green.has(greenKey(tree, command))) ||
  state.passed.has(verdictKey(tree, state.settings.folder, commands));

/** How many tests a command ran where it passed; undefined where that is not known. */
export function testsOn(state: RunState, tree: TreeKey, command: string): number | undefined {
  const ran = state.green.get(greenKey(tree, command));
  return ran === undefined || ran < 0 ? undefined : ran;
}

/** By command, how many tests it ran on a tree when it last passed there; -1 where it said nothing of tests. */
export function greenOn(runs: readonly RunState[], tree: TreeKey): Readonly<Record<string, number>> {
  const prefix = greenKey(tree, '');
  return Object.fromEntries(
    runs.flatMap(({ green }) =>
      [...green].flatMap(([key, ran]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), ran]] : [])),
    ),
  );
}

/**
 * Whether a failure is worth a second look: the command has passed on this very tree, or, merged with what has
 * landed, on the work and on what it was merged with. Once on each tree.
 */
export function isUnexpected(state: RunState, item: ItemState, step: CheckStep, outcome: Judged): boolean {
  const failed = outcome.results.at(-1);
  if (outcome.kind !== 'failed' || failed === undefined || step.again !== undefined) return false;
  const passes = (tree: TreeKey | undefined): boolean =>
    tree !== undefined &&
    (state.green.has(greenKey(tree, failed.command)) ||
      state.passed.has(verdictKey(tree, state.settings.folder, item.item.checks)));
  if (passes(outcome.tree)) return true;
  return step.is === 'verify' && passes(item.work?.tree) && passes(state.trees.get(step.candidate.base));
}

/** What failed the first time and not the second. */
export function flakesOf(step: CheckStep, second: readonly CheckResult[]): Flake[] {
  const of = step.is === 'verify' ? 'candidate' : step.of;
  return (step.again ?? []).flatMap(({ command, kind, tests }) => {
    if (kind === 'passed' || second.find((result) => result.command === command)?.kind !== 'passed')
      return [];
    return [{ of, command, tests: tests?.failed ?? [] }];
  });
}
