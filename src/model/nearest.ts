/** Case, dashes and underscores are not what people mistype: `dependsOn` is `depends_on`. */
const plain = (word: string): string =>
  word
    .slice(0, 64)
    .toLowerCase()
    .replace(/[-_\s]/g, '');

/** Letters to insert, drop, replace or swap with a neighbour to get from one word to the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/**
 * The candidate that was most likely meant by `word`, or undefined where none is near: at most a
 * third of its letters may differ, and at least one may. Of equals the first in alphabet wins.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const meant = plain(word);
  let best: { name: string; far: number } | undefined;
  for (const name of [...candidates].sort()) {
    const other = plain(name);
    const length = Math.max(meant.length, other.length);
    const limit = Math.max(1, Math.floor(length / 3));
    if (Math.abs(meant.length - other.length) > limit) continue;
    const far = distance(meant, other);
    // One letter is all that a one-letter word has.
    if (far > limit || far >= length) continue;
    if (!best || far < best.far) best = { name, far };
  }
  return best?.name;
}
