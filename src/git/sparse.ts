/**
 * Sparse slots: of a large repository only the folders that a milestone's `paths` name, by git's cone patterns
 * (gitformat: `git help sparse-checkout`, "INTERNALS—CONE PATTERN SET"). Files beside a folder that leads to one of
 * them, those of the root among them, are there as well.
 */

/**
 * The folders in which all lies that `patterns` mean, with forward slashes and none inside another; undefined where
 * that is everything.
 */
export function coneOf(patterns: readonly string[]): readonly string[] | undefined {
  const folders = patterns.map((pattern) => {
    // Without a slash it means such a name in every folder.
    if (!pattern.replace(/\/$/, '').includes('/') && !pattern.startsWith('/') && !pattern.endsWith('/'))
      return '';
    const parts = pattern.replace(/^\//, '').split('/');
    const first = parts.findIndex((part) => /[*?]/.test(part));
    // The last part is a file's name, or nothing behind a folder's slash.
    return parts.slice(0, first < 0 ? -1 : Math.min(first, parts.length - 1)).join('/');
  });
  if (patterns.length === 0 || folders.some((folder) => folder === '' || /[\n\r]/.test(folder)))
    return undefined;
  const sorted = [...new Set(folders)].sort();
  return sorted.filter(
    (folder) => !sorted.some((other) => folder !== other && folder.startsWith(`${other}/`)),
  );
}

/** What `info/sparse-checkout` says for a cone. */
export function conePatterns(cone: readonly string[]): string {
  const parents = new Set<string>();
  for (const folder of cone) {
    const parts = folder.split('/');
    for (let length = 1; length < parts.length; length += 1) parents.add(parts.slice(0, length).join('/'));
  }
  const plain = (folder: string): string => folder.replace(/[\\*?[]/g, '\\$&');
  const lines = [...parents].sort().flatMap((folder) => [`/${plain(folder)}/`, `!/${plain(folder)}/*/`]);
  return `${['/*', '!/*/', ...lines, ...cone.map((folder) => `/${plain(folder)}/`)].join('\n')}\n`;
}

/** Whether a path has its place in a cone: in one of its folders, or beside one that leads there. */
export function isInCone(path: string, cone: readonly string[]): boolean {
  const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
  return (
    folder === '' ||
    cone.some((one) => folder === one || folder.startsWith(`${one}/`) || one.startsWith(`${folder}/`))
  );
}
