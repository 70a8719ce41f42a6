/** A branch of a run's own: made from the one that is checked out, so that this one stays where it is. */
import { isAncestor, type Repository, readTarget } from '../git/index.js';
import type { Diagnostic } from '../model/diagnostic.js';
import type { Oid } from '../model/outcome.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import type { RunState } from '../model/state.js';
import { shellWord } from '../report/words.js';
import { openProject, type Project } from './project.js';
import type { KnownRun } from './state.js';
import { type World, zoneOf } from './world.js';

/** Two runs may begin in one minute, and as many others as there is patience for. */
const MOST_NAMES = 20;

/** The branch on which a run goes on that made one for itself, typed where it began or on that very branch. */
export function ownBranch(
  state: RunState | undefined,
  { branch }: Pick<Repository, 'branch'>,
  onto: string | undefined,
): string | undefined {
  if (state?.settings.from === undefined) return undefined;
  const named = onto ?? branch;
  return named === state.target || named === state.settings.from ? state.target : undefined;
}

/** `run/2026-11-20-06-30` by the clock on the wall, at `head`. */
export async function makeRunBranch(
  world: World,
  { repository }: Project,
  head: Oid,
): Promise<Result<Project, Diagnostic>> {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zoneOf(world),
    dateStyle: 'short',
    timeStyle: 'short',
  });
  const plain = `run/${format.format(world.now()).replaceAll(/[ :]/g, '-')}`;
  let why = '';
  for (let number = 1; number <= MOST_NAMES; number += 1) {
    const name = number === 1 ? plain : `${plain}-${number}`;
    const ref = `refs/heads/${name}`;
    const made = await repository.git({
      args: ['update-ref', ref, head, '0'.repeat(head.length)],
      cwd: repository.root,
    });
    if (made.code === 0) {
      const project = await openProject(world, name);
      if (!project.ok) return err(project.error[0] as Diagnostic);
      return ok({ ...project.value, repository });
    }
    why = made.stderr.trim().split('\n')[0] ?? '';
    if (!/already exists/.test(why)) break;
  }
  return err({
    severity: 'error',
    code: 'no-run-branch',
    message: `no branch ${plain} can be made: ${shown(why, 200)}`,
    fix: 'rename what is in the way, or name a branch: mstone run --onto BRANCH',
  });
}

/**
 * Why no run may begin from this branch on another new one: what an earlier run landed on its own is not in it
 * yet, and would be paid for once more.
 */
export async function branchLeft(
  repository: Repository,
  runs: readonly KnownRun[],
  { branch, head }: Project['target'],
): Promise<Diagnostic | undefined> {
  if (head === undefined) return undefined;
  for (const { state } of runs.toReversed()) {
    if (state.settings.from !== branch) continue;
    const { target } = state;
    const there = await readTarget(repository, target);
    if (there.head === undefined || (await isAncestor(repository, there.head, head))) continue;
    return {
      severity: 'error',
      code: 'run-branch-left',
      message: `${shown(target)} holds what a run from ${shown(branch)} has landed, and ${shown(branch)} does not`,
      fix: `take it in: git merge ${shellWord(target)}; or go on there: mstone run --onto ${shellWord(target)}; or drop it: git branch -D ${shellWord(target)}`,
    };
  }
  return undefined;
}
