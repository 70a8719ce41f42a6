/** What a command starts from: the repository, the configuration and the milestones, from disk or from a commit. */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ConfigSources, resolveConfig } from '../config/index.js';
import { readLandings } from '../git/history.js';
import { openRepository, type Repository, type ResolvedTarget, resolveTarget } from '../git/index.js';
import { listFilesAt, readFileAt, readFilesAt } from '../git/tree.js';
import { type MilestoneReader, readMilestones } from '../milestone/index.js';
import { parseName } from '../milestone/name.js';
import type { Config } from '../model/config.js';
import { type Diagnostic, hasErrors } from '../model/diagnostic.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import type { Oid } from '../model/outcome.js';
import type { Landing } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import type { World } from './world.js';

export const MILESTONES = 'milestones';
export const CONFIG = 'mstone.yaml';
export const TASKS = 'TASKS.md';
const TEMPLATES = `${MILESTONES}/templates`;
export const PURPOSES = ['implement', 'review', 'remediate', 'resolve'] as const;

/** The milestones and the configuration as one version of them says. */
export interface Sources {
  readonly milestones: readonly Milestone[];
  readonly config: Config;
  /** Whether there is an `mstone.yaml`. */
  readonly configured: boolean;
  /** By dotted key: every setting as it holds, and who decided it. */
  readonly settings: Pick<ReturnType<typeof resolveConfig>, 'values' | 'origins'>;
  /** The user's own prompt templates, by purpose. */
  readonly templates: ReadonlyMap<string, string>;
  /** Everything said about them, errors included. */
  readonly diagnostics: readonly Diagnostic[];
  /** Those of them that the configuration has. */
  readonly configDiagnostics: readonly Diagnostic[];
}

/** Reads from the checkout as it is: `validate`, `plan`. */
export async function readCheckout(
  world: World,
  root: string,
  flags: ConfigSources['flags'],
): Promise<Sources> {
  const folder = join(root, MILESTONES);
  const odd = await findOdd(root);
  const isOdd = (path: string): boolean => odd.some(({ file }) => file === path);
  const reader: MilestoneReader = {
    list: async () => {
      if (isOdd(MILESTONES)) return [];
      const entries = await readdir(folder, { withFileTypes: true }).catch(absent([]));
      return Promise.all(
        entries.map(async (entry) => ({
          path: `${MILESTONES}/${entry.name}`,
          kind: entry.isFile()
            ? ('file' as const)
            : entry.isSymbolicLink()
              ? ('symlink' as const)
              : entry.isDirectory()
                ? ('directory' as const)
                : ('other' as const),
          size: entry.isFile() ? (await lstat(join(folder, entry.name))).size : 0,
        })),
      );
    },
    read: (path) => readFile(join(root, path)),
  };
  const project = isOdd(CONFIG)
    ? undefined
    : await readFile(join(root, CONFIG), 'utf8').catch(absent(undefined));
  const templates = new Map<string, string>();
  for (const purpose of PURPOSES) {
    const text = await readFile(join(root, TEMPLATES, `${purpose}.md`), 'utf8').catch(absent(undefined));
    if (text !== undefined) templates.set(purpose, text);
  }
  const sources = await readSources(world, reader, project, templates, flags);
  return { ...sources, diagnostics: [...odd, ...sources.diagnostics] };
}

/** What stands where the configuration or the milestones belong and is neither a file nor a folder. */
async function findOdd(root: string): Promise<Diagnostic[]> {
  const [config, milestones] = await Promise.all(
    [CONFIG, MILESTONES].map((path) => lstat(join(root, path)).catch(absent(undefined))),
  );
  const odd = (file: string, word: string, isLink: boolean): Diagnostic => ({
    severity: 'error',
    code: 'not-plain',
    file,
    message: `this must be a plain ${word}`,
    found: isLink ? 'a symlink' : 'something else',
    fix: `put the ${word} itself there: a commit holds a link, not what it leads to`,
  });
  return [
    ...(config === undefined || config.isFile() ? [] : [odd(CONFIG, 'file', config.isSymbolicLink())]),
    ...(milestones === undefined || milestones.isDirectory()
      ? []
      : [odd(MILESTONES, 'folder', milestones.isSymbolicLink())]),
  ];
}

/** Reads from a commit: what a run goes by is what you committed. */
export async function readCommit(
  world: World,
  repository: Repository,
  commit: Oid,
  flags: ConfigSources['flags'],
): Promise<Sources> {
  const files = await listFilesAt(repository, commit, MILESTONES);
  const plain = files.filter((file) => file.kind === 'file').map((file) => file.path);
  const contents = await readFilesAt(repository, commit, plain);
  const reader: MilestoneReader = {
    list: async () => files,
    read: async (path) => contents.get(path) ?? new Uint8Array(),
  };
  const project = await readFileAt(repository, commit, CONFIG);
  const templates = new Map<string, string>();
  for (const purpose of PURPOSES) {
    const text = await readFileAt(repository, commit, `${TEMPLATES}/${purpose}.md`);
    if (text !== undefined) templates.set(purpose, text.toString('utf8'));
  }
  return readSources(world, reader, project?.toString('utf8'), templates, flags);
}

/** The checkout as it is where it stands on the target, else what is committed there. */
export async function readPlanned(
  world: World,
  { repository, target }: Pick<Project, 'repository' | 'target'>,
  flags: ConfigSources['flags'],
): Promise<Sources> {
  if (repository.branch === target.branch || target.target === undefined) {
    return readCheckout(world, repository.root, flags);
  }
  return readCommit(world, repository, target.target, flags);
}

async function readSources(
  world: World,
  reader: MilestoneReader,
  project: string | undefined,
  templates: ReadonlyMap<string, string>,
  flags: ConfigSources['flags'],
): Promise<Sources> {
  const userFile = join(configHome(world.env), 'mstone', 'config.yaml');
  const user = await readFile(userFile, 'utf8').catch(absent(undefined));
  const { config, values, origins, diagnostics } = resolveConfig({
    flags,
    env: world.env,
    cpus: world.cpus,
    ...(world.profile === undefined ? {} : { profile: world.profile }),
    ...(project === undefined ? {} : { project: { file: CONFIG, text: project } }),
    ...(user === undefined ? {} : { user: { file: userFile, text: user } }),
  });
  const read = await readMilestones(reader);
  return {
    milestones: read.milestones,
    config,
    configured: project !== undefined,
    settings: { values, origins },
    templates,
    diagnostics: [...diagnostics, ...read.diagnostics],
    configDiagnostics: diagnostics,
  };
}

/** A repository with its target and what has landed on it. */
export interface Project {
  readonly repository: Repository;
  readonly target: ResolvedTarget;
  /** Empty while the target has no commit. */
  readonly landings: ReadonlyMap<MilestoneId, Landing>;
}

export async function openProject(
  world: World,
  onto: string | undefined,
): Promise<Result<Project, Diagnostic[]>> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return repository;
  const target = await resolveTarget(repository.value, onto);
  if (!target.ok) return target;
  return ok({
    repository: repository.value,
    target: target.value,
    landings: await landingsOf(repository.value, target.value),
  });
}

/** What has landed, read off the target and off `mstone/<target>` where that is ahead or beside it. */
export async function landingsOf(
  repository: Repository,
  target: Pick<ResolvedTarget, 'head' | 'target'>,
): Promise<ReadonlyMap<MilestoneId, Landing>> {
  const landings = new Map<MilestoneId, Landing>();
  for (const head of new Set([target.target, target.head])) {
    if (head === undefined) continue;
    for (const [id, landing] of await readLandings(repository, head)) landings.set(id, landing);
  }
  return landings;
}

/** Where a milestone's file was in a commit: its slug may have changed since. */
export async function fileThen(
  repository: Repository,
  commit: Oid,
  id: MilestoneId,
): Promise<string | undefined> {
  const files = await listFilesAt(repository, commit, MILESTONES);
  return files.find(({ path }) => {
    const name = parseName(path);
    return 'id' in name && name.id === id;
  })?.path;
}

/** Refuses what has errors; what is left are notes and warnings to show. */
export const withoutErrors = (sources: Sources): Result<Sources, readonly Diagnostic[]> =>
  hasErrors(sources.diagnostics) ? err(sources.diagnostics) : ok(sources);

/** XDG base directories; https://specifications.freedesktop.org/basedir-spec/latest/ */
const configHome = (env: World['env']): string =>
  env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config');
export const stateHome = (env: World['env']): string =>
  env.XDG_STATE_HOME || join(env.HOME || homedir(), '.local', 'state');

/** For `catch`: what is not there reads as `value`; any other failure is passed on. */
export function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };
}
