/**
 * Which repository a folder is in, told from files, for those who cannot wait for git: a guess, and all that has to
 * be as it was for git to say again what it said when the guess was right.
 */
import { lstatSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** git's common directory for a folder (absolute, real), where nothing out of the ordinary decides it. */
export function guessCommonDir(cwd: string): string | undefined {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const dotGit = join(folder, '.git');
    const info = lstatSync(dotGit, { throwIfNoEntry: false });
    if (info !== undefined) {
      const dir = info.isDirectory() ? dotGit : leadsTo(folder, dotGit, 'gitdir: ');
      return dir && realpathSync(leadsTo(dir, join(dir, 'commondir'), '') ?? dir);
    }
    if (dirname(folder) === folder) return undefined;
  }
}

/** The path that stands in a file behind `word`, relative to `folder`; undefined where there is no such file. */
function leadsTo(folder: string, file: string, word: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    return text.startsWith(word) ? resolve(folder, text.slice(word.length).trimEnd()) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
