/**
 * Slots that are repositories of their own (`isolation: clone`).
 *
 * Such a slot has its git directory in its folder and borrows the repository's objects: no ref, setting,
 * hook, stash or lock is shared, so that nothing an agent does with git there reaches the user's repository.
 * The directory is made anew for each assignment. From when the agent starts it is the agent's: no git runs
 * on it any more. Its HEAD and log are read as text, and its commits are taken over by the repository's own
 * git, which makes each object anew and so finds out what is damaged or forged.
 */
import { copyFile, lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../model/outcome.js';
import type { Repository } from './index.js';
import { GitError, need } from './plumbing.js';

/** Where such a slot is. */
export interface ClonePlace {
  readonly path: string;
  /** `<path>/.git`. */
  readonly gitDir: string;
}

/** Settings of the repository's own configuration by which files are read and written, and who commits. */
const BORROWED =
  /^(user\.|core\.(autocrlf|eol|safecrlf|ignorecase|precomposeunicode|symlinks|filemode|attributesfile|excludesfile|checkroundtripencoding|bigfilethreshold|abbrev)$|filter\.|lfs\.|diff\.|i18n\.)/i;

/** Makes the slot's git directory anew, with HEAD at `commit`; the files beside it are not touched. */
export async function makeClone(
  repo: Repository,
  place: ClonePlace,
  commit: Oid,
  seed: string,
): Promise<void> {
  const { gitDir } = place;
  await mkdir(place.path, { recursive: true });
  await rm(gitDir, { recursive: true, force: true });
  await need(repo.git, {
    args: ['init', '--quiet', '--template=', `--object-format=${repo.objectFormat}`, '--', place.path],
    cwd: place.path,
  });
  await mkdir(join(gitDir, 'objects', 'info'), { recursive: true });
  await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${quoted(objectsOf(repo))}\n`);
  await writeFile(join(gitDir, 'config'), await borrowedSettings(repo), { flag: 'a' });
  await mkdir(join(gitDir, 'info'), { recursive: true });
  for (const name of ['exclude', 'attributes']) {
    await copyFile(join(repo.commonDir, 'info', name), join(gitDir, 'info', name)).catch(unlessAbsent);
  }
  await copyFile(seed, join(gitDir, 'index')).catch(unlessAbsent);
  await need(repo.git, {
    args: ['update-ref', '--no-deref', 'HEAD', commit],
    cwd: place.path,
    env: { GIT_DIR: gitDir },
  });
}

/**
 * The commit that the slot's HEAD stands for, read as text; undefined where it is gone, garbage, or on a
 * branch without a commit.
 */
export async function cloneHead({ gitDir }: ClonePlace): Promise<Oid | undefined> {
  const head = await firstLine(join(gitDir, 'HEAD'));
  if (OID.test(head)) return head;
  const ref = /^ref: (refs\/[A-Za-z0-9/._+@-]+)$/.exec(head)?.[1];
  if (ref === undefined || ref.split('/').includes('..')) return undefined;
  const loose = await firstLine(join(gitDir, ...ref.split('/')));
  if (OID.test(loose)) return loose;
  const packed = await readText(join(gitDir, 'packed-refs'));
  const line = packed.split('\n').find((one) => one.endsWith(` ${ref}`));
  const oid = line?.split(' ')[0] ?? '';
  return OID.test(oid) ? oid : undefined;
}

/**
 * Takes commits of the slot, with all that they need, into the repository. Returns those of them that are
 * there now: what is missing or damaged in the slot is not, and what needs it neither.
 */
export async function takeOver(
  repo: Repository,
  place: ClonePlace,
  commits: readonly Oid[],
): Promise<ReadonlySet<Oid>> {
  const asked = [...new Set(commits)];
  const there = await present(repo, asked);
  const wanted = asked.filter((oid) => !there.has(oid));
  const objects = await lstat(join(place.gitDir, 'objects')).catch(() => undefined);
  if (wanted.length === 0 || !objects?.isDirectory()) return there;
  // One by one where they do not come together: a damaged one keeps nobody else out.
  const groups = (await bring(repo, place, wanted)) || wanted.length === 1 ? [] : wanted.map((oid) => [oid]);
  for (const group of groups) await bring(repo, place, group);
  return present(repo, asked);
}

/** Whether these commits could be brought over, whole. */
async function bring(repo: Repository, place: ClonePlace, commits: readonly Oid[]): Promise<boolean> {
  const env = {
    GIT_DIR: repo.commonDir,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: quoted(join(place.gitDir, 'objects')),
  };
  const call = { cwd: repo.commonDir, env };
  const listed = await repo.git({
    ...call,
    args: ['rev-list', '--objects', '--no-object-names', '--stdin', '--not', '--all'],
    input: commits.map((oid) => `${oid}\n`).join(''),
  });
  if (listed.code !== 0) return false;
  const packed = await repo.git({
    ...call,
    args: ['pack-objects', '--stdout', '--quiet', '--delta-base-offset'],
    input: listed.text === '' ? '' : `${listed.text}\n`,
  });
  if (packed.code !== 0) return false;
  // Without the slot's objects: each that comes is made anew, and its name is what it says.
  const taken = await repo.git({
    args: ['unpack-objects', '-q'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
    input: packed.stdout,
  });
  return taken.code === 0;
}

/** Those of these names that are commits in the repository itself, with all that they need. */
async function present(repo: Repository, oids: readonly Oid[]): Promise<Set<Oid>> {
  if (oids.length === 0) return new Set();
  const args = ['cat-file', '--batch-check=%(objectname) %(objecttype)'];
  const answer = await repo.git({
    args,
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
    input: oids.map((oid) => `${oid}\n`).join(''),
  });
  if (answer.code !== 0) throw new GitError(args, answer.code, answer.stderr);
  const found = new Set<Oid>();
  for (const line of answer.text.split('\n')) {
    const [oid = '', type] = line.split(' ');
    if (type === 'commit') found.add(oid);
  }
  return found;
}

/** What of the repository's own configuration a slot needs, as lines for a configuration file. */
async function borrowedSettings(repo: Repository): Promise<string> {
  const answer = await repo.git({
    args: ['config', '--local', '-z', '--list', '--includes'],
    cwd: repo.commonDir,
    env: { GIT_DIR: repo.commonDir },
  });
  if (answer.code !== 0) throw new GitError(['config'], answer.code, answer.stderr);
  const lines: string[] = [];
  for (const entry of answer.stdout.toString('utf8').split('\0')) {
    const at = entry.indexOf('\n');
    const key = at < 0 ? entry : entry.slice(0, at);
    if (!BORROWED.test(key)) continue;
    const first = key.indexOf('.');
    const last = key.lastIndexOf('.');
    const section = key.slice(0, first);
    const header = first === last ? `[${section}]` : `[${section} "${escaped(key.slice(first + 1, last))}"]`;
    // A key without a value stands for true.
    lines.push(header, `\t${key.slice(last + 1)} = ${at < 0 ? 'true' : `"${escaped(entry.slice(at + 1))}"`}`);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

const escaped = (text: string): string =>
  text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\t', '\\t');

/** A path for a list of folders of objects, which git takes apart at colons. */
const quoted = (path: string): string => `"${path.replace(/[\\"]/g, '\\$&')}"`;

const objectsOf = (repo: Repository): string => join(repo.commonDir, 'objects');

const OID = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/** No ref or HEAD is longer; an agent may have put anything there. */
const LONGEST_TEXT = 10_000_000;

async function readText(file: string): Promise<string> {
  const info = await lstat(file).catch(() => undefined);
  if (!info?.isFile() || info.size > LONGEST_TEXT) return '';
  return readFile(file, 'utf8').catch(() => '');
}

const firstLine = async (file: string): Promise<string> => (await readText(file)).split('\n', 1)[0] ?? '';

function unlessAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
