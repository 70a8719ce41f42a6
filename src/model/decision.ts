/** What a person is asked before an item goes on: before an agent starts, or before its work lands. */
import type { ItemId } from './effect.js';
import type { Oid, TreeKey } from './outcome.js';

/** When a person is asked. */
export type Approval = 'before' | 'merge';

/** What a decision is about, and binds to: a milestone's text, or one commit of its work and that commit's tree. */
export type Subject =
  | { readonly of: 'before'; readonly digest: string }
  | { readonly of: 'merge'; readonly commit: Oid; readonly tree: TreeKey };

/** What a person decided of one item. */
export interface Decision {
  /** Names the record; a decision is taken once. */
  readonly id: string;
  readonly item: ItemId;
  readonly verdict: 'approved' | 'rejected';
  readonly subject: Subject;
  /** `Jo Doe <jo@example.org>`, one line. */
  readonly by: string;
  /** Epoch ms. */
  readonly at: number;
  /** Of a rejection: what is to become other. */
  readonly because?: string;
}
