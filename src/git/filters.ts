/**
 * Filters that git must run to check a commit out: `filter.<name>.required`, as git-lfs sets it. Without its
 * program every checkout fails, that of a slot as that of a landing.
 */
import type { Oid } from '../model/outcome.js';
import { attributesFolder } from './candidate.js';
import type { Repository } from './index.js';
import { GitError } from './plumbing.js';
import { listRecursively } from './tree.js';

export interface RequiredFilter {
  readonly name: string;
  /** The first word of what git runs, as far as it can be told without a shell. */
  readonly program: string;
  /** One of the files that it is for. */
  readonly file: string;
}

/** The required filters that files of the commit ask for. One git process where none is configured. */
export async function requiredFilters(repo: Repository, commit: Oid): Promise<readonly RequiredFilter[]> {
  const programs = await configured(repo);
  if (programs.size === 0) return [];
  const files = await listRecursively(repo, commit);
  const folder = await attributesFolder(repo, commit);
  const args = ['check-attr', '-z', '--stdin', 'filter'];
  const answer = await repo.git({
    args,
    cwd: folder,
    env: { GIT_DIR: repo.commonDir, GIT_WORK_TREE: folder },
    input: files.map(({ path, kind }) => (kind === 'file' ? `${path}\0` : '')).join(''),
  });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  const found = new Map<string, RequiredFilter>();
  const parts = answer.stdout.toString('utf8').split('\0');
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const [file = '', , name = ''] = parts.slice(at, at + 3);
    const program = programs.get(name);
    if (program !== undefined && !found.has(name)) found.set(name, { name, program, file });
  }
  return [...found.values()];
}

/** By the name of the filter: the program of each that is required. */
async function configured(repo: Repository): Promise<ReadonlyMap<string, string>> {
  const args = ['config', '-z', '--get-regexp', '^filter\\..*\\.(required|smudge|process)$'];
  const answer = await repo.git({ args, cwd: repo.root });
  if (answer.code > 1) throw new GitError(args, answer.code, answer.stderr);
  const drivers = new Map<string, Map<string, string>>();
  for (const entry of answer.text.split('\0')) {
    const [, name, setting] =
      /^filter\.(.*)\.(required|smudge|process)$/s.exec(entry.split('\n', 1)[0] ?? '') ?? [];
    if (name === undefined || setting === undefined) continue;
    const values = drivers.get(name) ?? new Map<string, string>();
    // A word without a value is true.
    values.set(setting, entry.includes('\n') ? entry.slice(entry.indexOf('\n') + 1) : 'true');
    drivers.set(name, values);
  }
  return new Map(
    [...drivers].flatMap(([name, values]): [string, string][] => {
      // Git asks the long-lived process where there is one, and the other never.
      const program = firstWord(values.get('process') || values.get('smudge') || '');
      const required = /^(?:true|yes|on|[1-9]\d*)$/i.test(values.get('required') ?? '');
      return required && program !== undefined ? [[name, program]] : [];
    }),
  );
}

/** Of a shell command; undefined where only a shell could tell. */
function firstWord(command: string): string | undefined {
  const [, double, single, plain] =
    /^\s*(?:"([^"$`\\]+)"|'([^']+)'|([^\s"'$`\\;&|<>(){}*?~=]+))(?=\s|$)/.exec(command) ?? [];
  return double ?? single ?? plain;
}
