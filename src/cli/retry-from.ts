/** `mstone retry --from`: which commit a failed attempt left, and whether it can still be gone on with. */
import { listRefs, type Repository } from '../git/index.js';
import type { Diagnostic } from '../model/diagnostic.js';
import type { ItemId } from '../model/effect.js';
import type { RetryFrom } from '../model/event.js';
import type { Oid, Work } from '../model/outcome.js';
import type { PlanItem } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import type { RunState } from '../model/state.js';

type Refusal = Omit<Diagnostic, 'severity'>;

/**
 * The work of each milestone's last attempt, from the newest run that knows one; `runs` are oldest first.
 * Refused for all of them at once: nothing was left, its text has changed, it is no longer pinned.
 */
export async function findWorks(
  repository: Repository,
  runs: readonly RunState[],
  planned: ReadonlyMap<ItemId, PlanItem>,
  ids: readonly ItemId[],
  from: RetryFrom,
): Promise<Result<Record<ItemId, Work>, Diagnostic[]>> {
  const pinned = new Set<Oid>((await listRefs(repository, 'refs/mstone/')).values());
  const works: Record<ItemId, Work> = {};
  const refusals: Refusal[] = [];
  for (const id of ids) {
    const found = workOf(id, runs, planned.get(id), pinned, from);
    if ('code' in found) refusals.push(found);
    else works[id] = found;
  }
  if (refusals.length === 0) return ok(works);
  return err(refusals.map((refusal) => ({ severity: 'error', ...refusal })));
}

function workOf(
  id: ItemId,
  runs: readonly RunState[],
  planned: PlanItem | undefined,
  pinned: ReadonlySet<Oid>,
  from: RetryFrom,
): Work | Refusal {
  const anew = `begin it anew: mstone retry ${id}`;
  const nothing = (message: string, fix = anew): Refusal => ({ code: 'no-work', message, fix });
  if (planned === undefined) {
    return nothing(`${id} is not to be done: nothing of it has failed`, `see why: mstone explain ${id}`);
  }
  if (from === 'review' && planned.reviewer === false) {
    return {
      code: 'no-reviewer',
      message: `nobody reviews ${id}`,
      fix: `go on from its checks: mstone retry ${id} --from check`,
    };
  }
  for (const state of runs.toReversed()) {
    const item = state.items.get(id) ?? state.parked.get(id);
    if (item === undefined) continue;
    if (item.phase.is === 'doing') {
      return nothing(`${id} is not over: it is taken up where it was`, 'go on with it: mstone resume');
    }
    if (item.phase.is === 'landed' || item.phase.is === 'passed') break;
    const { work } = item;
    if (work === undefined || work.commit === work.base) continue;
    if (item.item.digest !== planned.digest) {
      return {
        code: 'text-changed',
        message: `the text of ${id} has changed since it was worked on`,
        fix: anew,
      };
    }
    if (!pinned.has(work.commit)) {
      return nothing(`what ${id} left, ${work.commit.slice(0, 7)}, is no longer kept under refs/mstone/`);
    }
    return work;
  }
  return nothing(`${id} left no work to go on with`);
}
