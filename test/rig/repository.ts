import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Nothing of the developer's own git reaches a test: no configuration, no identity, no hooks. */
export const isolated: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

export interface TestRepository {
  /** The checkout, absolute and real. */
  readonly root: string;
  /** Give this to what is under test. */
  readonly environment: Readonly<Record<string, string>>;
  /** Runs git in the checkout; throws with stderr on any exit but 0; gives stdout without its last newline. */
  git(...args: string[]): string;
  /** The same somewhere else: in a linked worktree, say. */
  gitIn(folder: string, ...args: string[]): string;
  /** Writes a file of the checkout, folders included. */
  write(path: string, content: string | Buffer): void;
  /** Writes the files, adds all and commits; gives the commit. */
  commit(message: string, files?: Readonly<Record<string, string | Buffer>>): string;
  /** What a revision stands for. */
  oid(revision: string): string;
  /**
   * A commit made beside the checkout, which stays as it is: `files` on top of `parents[0]`
   * (`undefined` takes a file out), with all of `parents`.
   */
  commitBeside(
    parents: readonly string[],
    message: string,
    files?: Readonly<Record<string, string | Buffer | undefined>>,
  ): string;
  remove(): void;
}

/** A real repository on branch `main`, without a commit, in a folder of its own. */
export function makeRepository(name = 'repository'): TestRepository {
  const parent = realpathSync(mkdtempSync(join(tmpdir(), 'mstone-test-')));
  const root = join(parent, name);
  mkdirSync(root, { recursive: true });
  let clock = 1_700_000_000;

  const run = (
    cwd: string,
    args: readonly string[],
    more: Record<string, string> = {},
    input?: string | Buffer,
  ): string => {
    // Every commit is a minute younger than the one before, so that order never hangs on the clock.
    clock += 60;
    const date = `@${clock} +0000`;
    return execFileSync('git', [...args], {
      cwd,
      env: { ...isolated, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date, ...more },
      stdio: ['pipe', 'pipe', 'pipe'],
      input: input ?? '',
      maxBuffer: 256 * 1024 * 1024,
    })
      .toString('utf8')
      .replace(/\n$/, '');
  };
  const git = (...args: string[]): string => run(root, args);

  const write = (path: string, content: string | Buffer): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };

  git('init', '-q', '-b', 'main');
  // No background process may outlive a test and write into a folder that is being removed.
  appendFileSync(
    join(root, '.git', 'config'),
    '[user]\n\tname = Tess Ter\n\temail = tess@example.org\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n',
  );

  return {
    root,
    environment: isolated,
    git,
    gitIn: (folder, ...args) => run(folder, args),
    write,
    commit(message, files = {}) {
      for (const [path, content] of Object.entries(files)) write(path, content);
      git('add', '-A');
      git('commit', '-q', '--allow-empty', '--cleanup=verbatim', '-m', message);
      return git('rev-parse', 'HEAD');
    },
    oid: (revision) => git('rev-parse', '--verify', revision),
    commitBeside(parents, message, files = {}) {
      const index = { GIT_INDEX_FILE: join(parent, 'beside.index') };
      rmSync(index.GIT_INDEX_FILE, { force: true });
      const first = parents[0];
      if (first !== undefined) run(root, ['read-tree', first], index);
      for (const [path, content] of Object.entries(files)) {
        if (content === undefined) {
          run(root, ['update-index', '--force-remove', '--', path], index);
        } else {
          const blob = run(root, ['hash-object', '-w', '--stdin'], {}, content);
          run(root, ['update-index', '-z', '--index-info'], index, `100644 ${blob}\t${path}\0`);
        }
      }
      const tree = run(root, ['write-tree'], index);
      return run(
        root,
        ['commit-tree', tree, ...parents.flatMap((commit) => ['-p', commit]), '-F', '-'],
        {},
        message,
      );
    },
    remove: () => rmSync(parent, { recursive: true, force: true, maxRetries: 5 }),
  };
}
