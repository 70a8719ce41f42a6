/**
 * Processes that mstone started and that nobody waits for any more: their assignment has ended, or was begun by
 * a run of which nothing is left but the worktree that they are in. They are known by the tag in their
 * environment, never by a pid that was written down.
 */
import { sep } from 'node:path';
import { endTagged, type TaggedProcess } from '../process/tagged.js';
import { count, names } from '../report/words.js';
import type { KnownRun } from './state.js';

export interface Orphan {
  readonly pid: number;
  readonly tag: string;
  /** For people: `1A implement`. */
  readonly what: string;
}

/** `<run>.<intent>`, or `<run>.git` for git commands of a run. */
const TAG = /^([0-9A-HJKMNP-TV-Z]{26})\.(i\d+|git)$/;

/**
 * `tagged` must have been listed before the journals were read: then whatever an intent has started is found
 * with it. `driven`: another mstone drives the newest run.
 */
export function findOrphans(
  tagged: readonly TaggedProcess[],
  runs: readonly KnownRun[],
  { slotsDir, driven }: { readonly slotsDir: string; readonly driven: boolean },
): Orphan[] {
  const known = new Map(runs.map((run) => [run.run, run]));
  const newest = runs.at(-1)?.run;
  // Where an agent starts mstone, its own are its ancestors.
  const own = new Set((process.env.MSTONE_TAG ?? '').split(','));
  return tagged.flatMap(({ pid, tags, cwd }): Orphan[] => {
    for (const tag of tags) {
      const [, run = '', id = ''] = TAG.exec(tag) ?? [];
      if (run === '' || own.has(tag)) continue;
      const its = known.get(run);
      if (its === undefined) {
        // Another repository's, unless it is in a worktree of this one's.
        if (cwd === undefined || !`${cwd}${sep}`.startsWith(`${slotsDir}${sep}`)) continue;
        return [{ pid, tag, what: `an agent of run ${run}, which is not known any more` }];
      }
      if (its.state.flights.has(id) || (id === 'git' && driven && run === newest)) continue;
      return [{ pid, tag, what: whatOf(its, id) }];
    }
    return [];
  });
}

function whatOf({ run, entries }: KnownRun, id: string): string {
  for (const { event } of entries) {
    if (!('effect' in event) || event.id !== id) continue;
    const { effect } = event;
    return `${effect.item} ${effect.do === 'work' ? effect.purpose : effect.do} of run ${run}`;
  }
  return `${id} of run ${run}`;
}

/** Ends them, politely and then surely, with all that bears their tags; returns what is told of it. */
export async function endOrphans(orphans: readonly Orphan[]): Promise<string[]> {
  if (orphans.length === 0) return [];
  await Promise.all([...new Set(orphans.map(({ tag }) => tag))].map((tag) => endTagged(tag)));
  const whats = [...new Set(orphans.map(({ what }) => what))];
  return [`${count(orphans.length, 'process', 'processes')} ended that nobody waited for: ${names(whats)}`];
}
