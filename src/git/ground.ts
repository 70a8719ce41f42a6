/**
 * Which repository a folder is in, told from files, for those who cannot wait for git: a guess, and all that has to
 * be as it was for git to say again what it said when the guess was right.
 */
import { lstatSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export interface Found {
  /** The top of the checkout. */
  readonly root: string;
  /** The checkout's own, and the one that it shares with others: the same but in a linked worktree. Real. */
  readonly gitDir: string;
  readonly commonDir: string;
}

/** The repository around a folder (absolute, real), where nothing out of the ordinary decides which it is. */
export function guessRepository(cwd: string): Found | undefined {
  for (let root = cwd; ; root = dirname(root)) {
    const dotGit = join(root, '.git');
    const info = lstatSync(dotGit, { throwIfNoEntry: false });
    if (info !== undefined) {
      const named = info.isDirectory() ? dotGit : leadsTo(root, dotGit, 'gitdir: ');
      if (named === undefined) return undefined;
      const gitDir = realpathSync(named);
      const shared = leadsTo(gitDir, join(gitDir, 'commondir'), '');
      return { root, gitDir, commonDir: shared === undefined ? gitDir : realpathSync(shared) };
    }
    if (dirname(root) === root) return undefined;
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
