/** What git says of the repository around a folder: the first that is asked of it, and little to load. */
import type { Oid } from '../model/outcome.js';
import { type Git, GitError, need } from './plumbing.js';

export interface Places {
  readonly root: string;
  readonly commonDir: string;
  /** The ref that HEAD is on. */
  readonly head?: string;
  /** The commit that HEAD names; undefined while there is none. */
  readonly commit?: Oid;
}

export interface Facts {
  readonly version?: string;
  readonly bare: boolean;
  readonly inside: boolean;
  readonly shallow: boolean;
  readonly format: 'sha1' | 'sha256';
  /** Undefined where one answer to all does not tell them apart. */
  readonly places?: Places;
}

/** All that is to be known of a repository by one git process; why git refuses it; undefined without a git. */
export async function readFacts(
  git: Git,
  dir: string,
): Promise<Facts | { readonly version?: string; readonly stderr: string } | undefined> {
  const what = [
    '--is-bare-repository',
    '--is-inside-work-tree',
    '--is-shallow-repository',
    '--show-object-format',
  ];
  const where = ['--path-format=absolute', '--git-common-dir', '--show-toplevel'];
  try {
    // Without a checkout or a commit it ends early, having said what it knows.
    const answer = await git({
      args: ['rev-parse', ...what, ...where, 'HEAD^{commit}', '--symbolic-full-name', 'HEAD'],
      cwd: dir,
      // On stderr it says which git it is, too.
      env: { GIT_TRACE2_EVENT: '2', GIT_TRACE2_EVENT_BRIEF: 'true' },
    });
    const exe = /^\{"event":"version",.*"exe":"(\d[^"]*)"/m.exec(answer.stderr)?.[1];
    const version = exe === undefined ? {} : { version: exe };
    const stderr = answer.stderr.replace(/^\{"event":.*\n?/gm, '');
    const [bare, inside, shallow, format, commonDir, root, oid, head, ...more] = answer.text.split('\n');
    if (format === undefined) return { ...version, stderr };
    const known = {
      ...version,
      bare: bare === 'true',
      inside: inside === 'true',
      shallow: shallow === 'true',
    };
    const facts = { ...known, format: format === 'sha256' ? ('sha256' as const) : ('sha1' as const) };
    // A path may hold line breaks.
    const isPlain = answer.code === 0 && oid !== undefined && /^[0-9a-f]{40,64}$/.test(oid);
    if (!isPlain || !commonDir || !root || more.length > 0) return facts;
    const places = { commonDir, root, commit: oid, ...(head === undefined ? {} : { head }) };
    return { ...facts, places };
  } catch (error) {
    if (error instanceof GitError) return undefined;
    throw error;
  }
}

/** The same, one question each. */
export async function askPlaces(git: Git, dir: string): Promise<Places> {
  const root = await need(git, { args: ['rev-parse', '--show-toplevel'], cwd: dir });
  const commonDir = await need(git, {
    args: ['rev-parse', '--path-format=absolute', '--git-common-dir'],
    cwd: dir,
  });
  const head = await git({ args: ['symbolic-ref', '-q', 'HEAD'], cwd: dir });
  const born = await git({ args: ['rev-parse', '-q', '--verify', 'HEAD^{commit}'], cwd: dir });
  return {
    root,
    commonDir,
    ...(born.code === 0 ? { commit: born.text } : {}),
    ...(head.code === 0 ? { head: head.text } : {}),
  };
}
