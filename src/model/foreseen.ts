import type { ItemId } from './effect.js';
import type { Oid } from './outcome.js';

/** Two works, or a work and the head, that were seen not to merge by themselves. It holds for these commits alone. */
export interface Foreseen {
  readonly item: ItemId;
  readonly commit: Oid;
  /** Absent: the head. */
  readonly with?: { readonly item: ItemId; readonly commit: Oid };
  /** In conflict; the first of them, where they are many. */
  readonly files: readonly string[];
}
