/** One file's part of a change, line by line and without context. */
export interface FilePatch {
  /** With forward slashes; of a file that is gone, where it was. */
  readonly path: string;
  /** Where it was before, for a file that was moved. */
  readonly from?: string;
  readonly status: 'added' | 'deleted' | 'changed';
  /** Lines as they are afterwards, 1-based. */
  readonly added: readonly { readonly line: number; readonly text: string }[];
  /** Lines as they were. */
  readonly removed: readonly { readonly line: number; readonly text: string }[];
}

/** What a milestone must say (`allow`) for a fact of that kind to hold nothing back. */
export const ALLOWANCES = [
  'deleted-tests',
  'skipped-tests',
  'fewer-tests',
  'no-tests',
  'lowered-thresholds',
  'gate-files',
] as const;

export type Allowance = (typeof ALLOWANCES)[number];

/** Something about a change that mstone itself has seen, and that must be answered before it lands. */
export interface Fact {
  /** Names it within the change: `gate-files package.json`. */
  readonly id: string;
  /** Nobody but its author answers the last three: with other work. */
  readonly kind: Exclude<Allowance, 'no-tests'> | 'outside-paths' | 'secret' | 'unread';
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** One sentence for people; never the secret itself. */
  readonly text: string;
}
