/** What must have succeeded before an item may go on, and what keeps it from ever doing so. */
import type { ItemId } from '../model/effect.js';
import type { ItemState, RunState } from '../model/state.js';

export const succeeded = (item: ItemState | undefined): boolean =>
  item === undefined || item.phase.is === 'landed' || item.phase.is === 'passed';

export const gaveUp = (item: ItemState): boolean => item.phase.is === 'failed' || item.phase.is === 'asks';

/** Items that must still succeed before this one may start. */
export const unmetNeeds = (state: RunState, item: ItemState): ItemId[] =>
  item.item.needs.filter((id) => !succeeded(state.items.get(id)));

/** Whether anything has given up. A state never changes: that is found out once. */
function isTroubled(state: RunState): boolean {
  const known = troubled.get(state) ?? [...state.items.values()].some(gaveUp);
  troubled.set(state, known);
  return known;
}

const troubled = new WeakMap<RunState, boolean>();

/** The items whose failure keeps this one from ever starting in this run, causes and not links of a chain. */
export function blockersOf(state: RunState, item: ItemState): ItemId[] {
  if (!isTroubled(state)) return [];
  const causes = new Set<ItemId>();
  const seen = new Set<ItemId>();
  const look = (needs: readonly ItemId[]): void => {
    for (const id of needs) {
      const needed = state.items.get(id);
      if (seen.has(id) || needed === undefined || succeeded(needed)) continue;
      seen.add(id);
      if (gaveUp(needed)) causes.add(id);
      else lookAt(needed);
    }
  };
  const sync = state.items.get('sync');
  const lookAt = ({ item, phase }: ItemState): void => {
    look(item.needs);
    if (sync !== undefined && gaveUp(sync) && phase.is === 'next' && phase.step.is === 'candidate') {
      causes.add('sync');
    }
  };
  lookAt(item);
  return [...causes];
}
