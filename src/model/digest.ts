/** What bears a digest of its text; see `milestone/digest.ts` for what it is made of. */
export interface Digested {
  /** `v1:<hex>`, by the newest definition. */
  readonly digest: string;
  /** The same text by the definitions of earlier versions of mstone; absent where there is none. */
  readonly formerDigests?: readonly string[];
}

/** Whether a digest that was written down, perhaps by an earlier mstone, is of this very text. */
export const isSameText = (digest: string, text: Digested): boolean =>
  digest === text.digest || (text.formerDigests ?? []).includes(digest);

/** Whether only a newer mstone can tell what this digest is of. */
export const isNewerDigest = (digest: string, text: Digested): boolean =>
  versionOf(digest) > versionOf(text.digest);

/** `v1:…` → 1; 0 for what is no digest. */
const versionOf = (digest: string): number => Number(/^v(\d+):/.exec(digest)?.[1] ?? 0);
