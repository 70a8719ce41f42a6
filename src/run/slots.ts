/**
 * Slots as they are given out while one decision is made.
 *
 * An item holds its slot from its first assignment until it has landed, failed or has to wait. One that cannot go
 * on for want of somebody to be started keeps it only while nobody else needs it: its work is in a commit. Whoever
 * waited gets the slot back in which it worked last while that is free, and where its CLI knows the conversation
 * in that folder alone it waits for it.
 */
import type { ItemId, SlotId } from '../model/effect.js';
import type { ItemState, RunState } from '../model/state.js';
import { isBarred } from './credentials.js';
import { agentOf, isSettled, isWork } from './questions.js';

export class Slots {
  private readonly free: Set<SlotId>;
  /** Held by items that cannot use them now. */
  private readonly lent = new Set<SlotId>();
  /** Free, and where an item that waits would go on. */
  private readonly wanted = new Map<ItemId, SlotId>();
  /** Held by one that waits to be merged. */
  private merging: SlotId | undefined;
  /** Nobody is at work who could give a slot back. */
  private idle: boolean;

  private readonly jobs: number;
  /** Beyond those of `jobs`: for checks of candidates whose items have given theirs up. */
  private readonly gates: Set<SlotId>;

  constructor(state: RunState, now: number) {
    this.jobs = state.settings.jobs;
    this.free = new Set(Array.from({ length: state.settings.jobs }, (_, index) => index + 1));
    const gates = state.settings.merge?.parallel ?? 0;
    this.gates = new Set(Array.from({ length: gates }, (_, index) => this.jobs + index + 1));
    this.idle = state.flights.size === 0;
    // Runs of before did not know of it, and replay as they were.
    const isShared = state.settings.limits !== undefined;
    for (const item of state.items.values()) {
      const { slot, lastSlot, phase } = item;
      if (slot !== undefined) {
        this.free.delete(slot);
        this.gates.delete(slot);
        if (isShared && isAwaiting(state, item, now)) this.lent.add(slot);
        if (phase.is === 'next' && phase.step.is === 'candidate') this.merging ??= slot;
      } else if (isShared && lastSlot !== undefined && 'step' in phase && !isSettled(state, item)) {
        this.wanted.set(item.item.id, lastSlot);
      }
    }
  }

  /** Something is at work from now on. */
  begun(): void {
    this.idle = false;
  }

  /** A slot for an item, its own where it can be; undefined: there is none. */
  take(item: ItemState): SlotId | undefined {
    const { slot, lastSlot } = item;
    if (slot !== undefined) return this.taken(item, slot);
    if (lastSlot !== undefined && this.free.has(lastSlot)) return this.taken(item, lastSlot);
    const wanted = new Set(this.wanted.values());
    for (const some of [[...this.free].filter((one) => !wanted.has(one)), [...this.free], [...this.lent]]) {
      if (some.length > 0) return this.taken(item, Math.min(...some));
    }
    // Who waits to be merged waits for what is merged before it, and lends it a slot: else neither could go on.
    return 'step' in item.phase && item.phase.step.is === 'verify' ? this.merging : undefined;
  }

  /** One for a single check. */
  lend(): SlotId | undefined {
    if (this.gates.size === 0) return undefined;
    const slot = Math.min(...this.gates);
    this.gates.delete(slot);
    return slot;
  }

  /** The one slot that will do for an item; `gone`: it is none any more, or nobody is there who would give it back. */
  takeBound(item: ItemState, slot: SlotId): SlotId | 'busy' | 'gone' {
    if (item.slot === slot || this.free.has(slot) || this.lent.has(slot)) return this.taken(item, slot);
    return this.idle || slot > this.jobs ? 'gone' : 'busy';
  }

  private taken(item: ItemState, slot: SlotId): SlotId {
    if (item.slot !== undefined && item.slot !== slot) this.free.add(item.slot);
    this.free.delete(slot);
    this.lent.delete(slot);
    this.wanted.delete(item.item.id);
    return slot;
  }
}

/** Whether an item stands before a step that nobody can be started on now. */
function isAwaiting(state: RunState, item: ItemState, now: number): boolean {
  const { phase } = item;
  return (
    phase.is === 'next' &&
    isWork(phase.step) &&
    isBarred(state, item, phase.step, agentOf(item, phase.step), now)
  );
}
