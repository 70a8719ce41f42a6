/** What a command starts from: the repository, the configuration and the milestones, from disk or from a commit. */
import { lstatSync, readdirSync } from 'node:fs';
import { lstat, readFile, realpath, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import type { ConfigSources, Origin, ResolvedConfig } from '../config/index.js';
import { readLandings } from '../git/history.js';
import { openRepository, type Repository, type ResolvedTarget, resolveTarget } from '../git/index.js';
import { listFilesAt, readFileAt, readFilesAt } from '../git/tree.js';
import { type MilestoneEntry, type MilestoneReader, readMilestones } from '../milestone/folder.js';
import { parseName } from '../milestone/name.js';
import type { Config } from '../model/config.js';
import { type Credential, isSecret } from '../model/credential.js';
import { type Diagnostic, hasErrors } from '../model/diagnostic.js';
import { CONFIG_FILE, DEFAULT_LAYOUT, type Layout } from '../model/layout.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import type { Oid } from '../model/outcome.js';
import type { Landing } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import { BUILT_IN_ROLES } from '../model/role.js';
import { shown } from '../model/shown.js';
import { rolesNamed } from '../plan/reviewers.js';
import { shellWord } from '../report/words.js';
import { type Cache, keyOf, openCache } from './cache.js';
import { readValue, writeValue } from './cached-values.js';
import type { Ingredients } from './keep.js';
import { readableByOthers, readKeysFile } from './keys-file.js';
import { openMilestones } from './milestone-cache.js';
import type { World } from './world.js';

export const PURPOSES = ['implement', 'review', 'remediate', 'resolve'] as const;

/** The milestones and the configuration as one version of them says. */
export interface Sources {
  readonly milestones: readonly Milestone[];
  readonly config: Config;
  /** Whether there is an `mstone.yaml`. */
  readonly configured: boolean;
  readonly layout: Layout;
  /** Files of settings that were read, absolute, and whether they were there. */
  readonly files: ReadonlyMap<string, boolean>;
  /** By dotted key: every setting as it holds, and who decided it. */
  readonly settings: Pick<ResolvedConfig, 'values' | 'origins'>;
  /** What must not be written or shown anywhere. */
  readonly secrets: readonly string[];
  /** The user's own prompt templates, by purpose, and `roles/NAME`. */
  readonly templates: ReadonlyMap<string, string>;
  /** Everything said about them, errors included. */
  readonly diagnostics: readonly Diagnostic[];
  /** Those of them that the configuration has. */
  readonly configDiagnostics: readonly Diagnostic[];
}

/** Where files are read from: the checkout, or a commit. Paths are relative to the repository's root. */
interface Place {
  /** A folder's own entries; none where there is no such folder. */
  list(folder: string): Promise<readonly MilestoneEntry[]>;
  /** Undefined where there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Those of some files that are there, at once. */
  readSome(paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>;
  /** What stands where the configuration or the milestones belong and is neither a file nor a folder. */
  findOdd(layout: Layout): Promise<readonly Diagnostic[]>;
}

/** Reads from the checkout as it is: `validate`, `plan`. */
export const readCheckout = (
  world: World,
  repository: Pick<Repository, 'root' | 'stateDir'>,
  flags: ConfigSources['flags'],
): Promise<Sources> => readSources(world, repository, checkoutPlace(repository.root), flags);

/** Where things are as the checkout's configuration says, whatever is wrong with the rest of it. */
export async function readLayout(world: World, root: string): Promise<Layout> {
  const place = checkoutPlace(root);
  const odd = await place.findOdd(DEFAULT_LAYOUT);
  return (await readConfig(world, root, place, odd, {})).layout;
}

/** What must not be shown, whatever is wrong with the rest of the configuration. */
export async function readSecrets(world: World, root: string): Promise<readonly string[]> {
  return (await readConfig(world, root, checkoutPlace(root), [], {})).secrets;
}

/** Reads from a commit: what a run goes by is what you committed. */
export const readCommit = (
  world: World,
  repository: Repository,
  commit: Oid,
  flags: ConfigSources['flags'],
): Promise<Sources> => readSources(world, repository, commitPlace(repository, commit), flags);

/** The checkout as it is where it stands on the target, else what is committed there. */
export async function readPlanned(
  world: World,
  { repository, target }: Pick<Project, 'repository' | 'target'>,
  flags: ConfigSources['flags'],
): Promise<Sources> {
  if (repository.branch === target.branch || target.target === undefined) {
    return readCheckout(world, repository, flags);
  }
  return readCommit(world, repository, target.target, flags);
}

function checkoutPlace(root: string): Place {
  const read = (path: string) => readFile(join(root, path)).catch(absent(undefined));
  return {
    // At once: of a thousand files, promises take longer than the disk.
    list: async (folder) => listFolder(join(root, folder), folder),
    read,
    async readSome(paths) {
      const found = await Promise.all(paths.map(async (path) => [path, await read(path)] as const));
      return new Map(found.flatMap(([path, bytes]) => (bytes === undefined ? [] : [[path, bytes]])));
    },
    async findOdd({ milestones }) {
      const kindOf = async (path: string, wanted: 'file' | 'folder'): Promise<Diagnostic[]> => {
        const info = await lstat(join(root, path)).catch(absent(undefined));
        const is = info === undefined || (wanted === 'file' ? info.isFile() : info.isDirectory());
        return is ? [] : [notPlain(path, wanted, info.isSymbolicLink())];
      };
      const parts = milestones.split('/');
      const folders = parts.map((_, at) => parts.slice(0, at + 1).join('/'));
      const [config, ...found] = await Promise.all([
        kindOf(CONFIG_FILE, 'file'),
        ...folders.map((folder) => kindOf(folder, 'folder')),
      ]);
      return [...config, ...(found.find((odd) => odd.length > 0) ?? [])];
    },
  };
}

function listFolder(path: string, folder: string): MilestoneEntry[] {
  try {
    return readdirSync(path, { withFileTypes: true }).map((entry) => {
      const about = { path: `${folder}/${entry.name}`, size: 0 };
      if (entry.isSymbolicLink()) return { ...about, kind: 'symlink' };
      if (entry.isDirectory()) return { ...about, kind: 'directory' };
      if (!entry.isFile()) return { ...about, kind: 'other' };
      const { size, mtimeMs, ctimeMs, ino, dev } = lstatSync(`${path}/${entry.name}`);
      return {
        ...about,
        kind: 'file',
        size,
        changedMs: Math.max(mtimeMs, ctimeMs),
        stamp: `${size} ${mtimeMs} ${ctimeMs} ${ino} ${dev}`,
      };
    });
  } catch (error) {
    return absent([])(error as NodeJS.ErrnoException);
  }
}

function commitPlace(repository: Repository, commit: Oid): Place {
  let plain: readonly string[] = [];
  let files: Promise<Map<string, Buffer>> | undefined;
  return {
    async list(folder) {
      const entries = await listFilesAt(repository, commit, folder);
      plain = entries.filter((file) => file.kind === 'file').map((file) => file.path);
      return entries;
    },
    async read(path) {
      // All by one git process, asked for with the first of them.
      if (plain.includes(path)) files ??= readFilesAt(repository, commit, plain);
      return (await files)?.get(path) ?? (await readFileAt(repository, commit, path));
    },
    readSome: (paths) => readFilesAt(repository, commit, paths),
    findOdd: async () => [],
  };
}

const notPlain = (file: string, word: string, isLink: boolean): Diagnostic => ({
  severity: 'error',
  code: 'not-plain',
  file,
  message: `this must be a plain ${word}`,
  found: isLink ? 'a symlink' : 'something else',
  fix: `put the ${word} itself there: a commit holds a link, not what it leads to`,
});

/** The configuration that `--config` names, as it is on disk. */
async function readNamed(
  path: string,
  root: string,
): Promise<{
  readonly file: string;
  readonly inside: boolean;
  readonly text?: string;
  readonly wrong: Diagnostic[];
}> {
  const folder = await realpath(dirname(path)).catch(() => dirname(path));
  const within = relative(root, join(folder, basename(path))).replaceAll('\\', '/');
  const inside = within !== '' && !within.startsWith('../') && within !== '..' && !isAbsolute(within);
  const file = inside ? within : path;
  const wrong = (message: string): Diagnostic[] => [
    {
      severity: 'error',
      code: 'no-such-config',
      message,
      found: shown(path, 400),
      fix: 'put it there, or name another with --config FILE',
    },
  ];
  try {
    return { file, inside, text: await readFile(path, 'utf8'), wrong: [] };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const words: Readonly<Record<string, string>> = {
      ENOENT: 'the configuration named by --config is not there',
      ENOTDIR: 'the configuration named by --config is not there',
      EISDIR: 'the configuration named by --config is a folder',
    };
    return {
      file,
      inside,
      wrong: wrong(
        words[code] ?? `the configuration named by --config cannot be read: ${shown(message, 200)}`,
      ),
    };
  }
}

async function readConfig(
  world: World,
  root: string,
  place: Place,
  odd: readonly Diagnostic[],
  flags: ConfigSources['flags'],
  cache?: Cache,
) {
  const named = world.configFile === undefined ? undefined : await readNamed(world.configFile, root);
  const bytes =
    named !== undefined || odd.some(({ file }) => file === CONFIG_FILE)
      ? undefined
      : await place.read(CONFIG_FILE);
  const text = named === undefined ? bytes && Buffer.from(bytes).toString('utf8') : named.text;
  const file = named?.file ?? CONFIG_FILE;
  const userFile = join(configHome(world.env), 'mstone', 'config.yaml');
  const unreadable: Diagnostic[] = [];
  // Who runs as another user, as cron and sudo do, may have a HOME that is not theirs to read.
  const user = await readFile(userFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM') return absent(undefined)(error);
    const message = `your own configuration cannot be read: ${shown(error.message, 200)}`;
    unreadable.push({ severity: 'warning', code: 'user-file-unreadable', message });
    return undefined;
  });
  const resolved = await resolve(world, cache, {
    flags,
    env: world.env,
    cpus: world.cpus,
    ...(world.profile === undefined ? {} : { profile: world.profile }),
    ...(text === undefined ? {} : { project: { file, text } }),
    ...(user === undefined ? {} : { user: { file: userFile, text: user } }),
  });
  const own = join(configHome(world.env), 'mstone');
  const keys = await readKeysFile(resolved.config.keysFile, own, root);
  const config: Config = {
    ...resolved.config,
    credentials: [...resolved.config.credentials, ...keys.credentials],
  };
  const { milestones, tasksFile } = config;
  const layout: Layout = {
    milestones,
    tasks: tasksFile,
    ...(named?.inside === false ? {} : { config: file }),
  };
  const secrets = [
    ...resolved.secrets,
    ...keys.credentials.flatMap(({ env }) => Object.values(env)),
    ...Object.entries(world.env).flatMap(([name, value]) =>
      value !== undefined && isSecret(name) ? [value] : [],
    ),
  ];
  return {
    ...resolved,
    config,
    values: new Map(resolved.values).set('credentials', config.credentials),
    secrets,
    layout,
    files: new Map([
      [userFile, user !== undefined],
      [keys.path, keys.there],
      ...(world.configFile === undefined ? [] : [[world.configFile, text !== undefined] as const]),
    ]),
    configured: text !== undefined,
    diagnostics: [
      ...(named?.wrong ?? []),
      ...unreadable,
      ...resolved.diagnostics,
      ...keys.diagnostics,
      ...sameName(resolved.config.credentials, keys.credentials),
      ...(await openToOthers(userFile, resolved.origins.get('credentials'))),
    ],
  };
}

/** The settings, as they were resolved before where every word of them is the same. */
async function resolve(
  { home }: World,
  cache: Cache | undefined,
  sources: ConfigSources,
): Promise<ResolvedConfig> {
  const env = Object.entries(sources.env).filter(([name]) => name.startsWith('MSTONE_'));
  const key = keyOf([{ ...sources, env: env.sort() }, home]);
  const kept = (cache && readValue<[string, ResolvedConfig][]>(cache, 'settings')) ?? [];
  const known = kept.find(([of]) => of === key)?.[1];
  if (known !== undefined) return known;
  const { resolveConfig } = await import('../config/index.js');
  const resolved = resolveConfig(sources);
  // Secrets are kept where their owner put them, and nowhere else; servers are started with what nobody can tell.
  const mayHide = resolved.secrets.length > 0 || resolved.config.mcpServers !== undefined;
  if (cache !== undefined && !mayHide) {
    writeValue(cache, 'settings', [[key, resolved], ...kept.slice(0, 3)]);
  }
  return resolved;
}

/** A name says which credential is limited: it must say one. */
const sameName = (configured: readonly Credential[], filed: readonly Credential[]): Diagnostic[] =>
  filed
    .filter(({ name }) => configured.some((one) => one.name === name))
    .map(({ name }) => ({
      severity: 'error',
      code: 'credential-invalid',
      message: `a credential cannot be used: ${shown(name)} is in your configuration and in the file of keys`,
    }));

/** Keys in the user's own file are to be as safe there as in a file of keys. */
async function openToOthers(file: string, origin: Origin | undefined): Promise<Diagnostic[]> {
  if (origin === undefined || !('file' in origin) || origin.file !== file) return [];
  const info = await stat(file).catch(absent(undefined));
  if (info === undefined || !readableByOthers(info.mode)) return [];
  return [
    {
      severity: 'error',
      code: 'credential-readable',
      file,
      line: origin.line,
      message: 'others may read your file, and it holds credentials',
      fix: `chmod 600 -- ${shellWord(file)}`,
    },
  ];
}

async function readSources(
  world: World,
  { root, stateDir }: Pick<Repository, 'root' | 'stateDir'>,
  place: Place,
  flags: ConfigSources['flags'],
): Promise<Sources> {
  const first = await place.findOdd(DEFAULT_LAYOUT);
  const cache = openCache(stateDir, world);
  const { config, configured, layout, files, values, origins, secrets, diagnostics } = await readConfig(
    world,
    root,
    place,
    first,
    flags,
    cache,
  );
  // The configuration says where to look for the rest.
  const odd = (await place.findOdd(layout)).filter(
    ({ file }) => file !== CONFIG_FILE || world.configFile === undefined,
  );
  const isOdd = odd.some(({ file }) => file !== CONFIG_FILE);
  const reader: MilestoneReader = {
    list: async () => (isOdd ? [] : place.list(layout.milestones)),
    async read(path) {
      const bytes = await place.read(path);
      if (bytes === undefined) throw Object.assign(new Error('it is gone'), { code: 'ENOENT' });
      return bytes;
    },
  };
  const known = openMilestones(cache, world.now());
  const read = await readMilestones({ ...reader, ...known });
  known.save();
  const roles = new Set([...BUILT_IN_ROLES, ...rolesNamed(config, read.milestones)]);
  const own = [...PURPOSES, ...[...roles].map((role) => `roles/${role}`)];
  const fileOf = (name: string): string => `${templatesIn(layout)}/${name}.md`;
  const texts = await place.readSome(isOdd ? [] : own.map(fileOf));
  const templates = new Map(
    own.flatMap((name) => {
      const text = texts.get(fileOf(name));
      return text === undefined ? [] : [[name, Buffer.from(text).toString('utf8')] as const];
    }),
  );
  return {
    milestones: read.milestones,
    config,
    configured,
    layout,
    files,
    settings: { values, origins },
    secrets,
    templates,
    diagnostics: [...odd, ...diagnostics, ...read.diagnostics],
    configDiagnostics: diagnostics,
  };
}

/** Where a project keeps prompts of its own. */
export const templatesIn = ({ milestones }: Layout): string => `${milestones}/templates`;

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
  const target = await resolveTarget(repository.value, onto ?? repository.value.branch);
  if (!target.ok) return target;
  return ok({
    repository: repository.value,
    target: target.value,
    landings: await landingsFrom(openCache(repository.value.stateDir, world), repository.value, target.value),
  });
}

/** Landings by the commit that they were read from, the newest last. */
export type KnownLandings = Map<Oid, ReadonlyMap<MilestoneId, Landing>>;
const MOST_HEADS = 4;

/** What has landed, as it was read before where the target is where it was, or only went on. */
async function landingsFrom(
  cache: Cache,
  repository: Repository,
  target: ResolvedTarget,
): Promise<ReadonlyMap<MilestoneId, Landing>> {
  const kept = readValue<KnownLandings>(cache, 'landings');
  const known: KnownLandings = new Map(kept);
  const landings = await landingsOf(repository, target, known);
  if ([target.target, target.head].some((head) => head !== undefined && kept?.has(head) !== true)) {
    writeValue(cache, 'landings', known);
  }
  return landings;
}

/**
 * What has landed, read off the target and off `mstone/<target>` where that is ahead or beside it. What is `known`
 * already is not read again, and what is read is known from then on.
 */
export async function landingsOf(
  repository: Repository,
  target: Pick<ResolvedTarget, 'head' | 'target'>,
  known: KnownLandings = new Map(),
): Promise<ReadonlyMap<MilestoneId, Landing>> {
  const landings = new Map<MilestoneId, Landing>();
  for (const head of new Set([target.target, target.head])) {
    if (head === undefined) continue;
    const those = known.get(head) ?? (await readLandings(repository, head, known));
    known.set(head, those);
    for (const old of [...known.keys()].slice(0, -MOST_HEADS)) known.delete(old);
    for (const [id, landing] of those) landings.set(id, landing);
  }
  return landings;
}

/** What an answer is made of that says only what the branch checked out and the sources do; else undefined. */
export function ingredientsOf(
  { repository, target }: Project,
  { layout, files }: Sources,
): Ingredients | undefined {
  const { branch, head, shadow } = target;
  if (repository.branch !== branch || head === undefined || shadow !== undefined) return undefined;
  return { repository, branch, layout, files };
}

/** Milestones and gates that have landed on `mstone/<target>` and that the target does not hold yet. */
export async function idsBeside(
  repository: Repository,
  { target, head }: Pick<ResolvedTarget, 'head' | 'target'>,
): Promise<string[]> {
  if (head === undefined || head === target) return [];
  const there = target === undefined ? new Map() : await readLandings(repository, target);
  return [...(await readLandings(repository, head))].flatMap(([id, { commit, marked, state }]) =>
    !marked && state === 'done' && there.get(id)?.commit !== commit ? [id] : [],
  );
}

/** Where a milestone's file was in a commit: its slug may have changed since, and the folder itself. */
export async function fileThen(
  world: World,
  repository: Repository,
  commit: Oid,
  id: MilestoneId,
): Promise<string | undefined> {
  const then = await layoutAt(world, repository, commit);
  for (const folder of new Set([then.milestones, repository.layout.milestones])) {
    const files = await listFilesAt(repository, commit, folder);
    const found = files.find(({ path }) => {
      const name = parseName(path);
      return 'id' in name && name.id === id;
    });
    if (found !== undefined) return found.path;
  }
  return undefined;
}

/** Where things were as a commit's configuration says. */
export async function layoutAt(world: World, repository: Repository, commit: Oid): Promise<Layout> {
  const cache = openCache(repository.stateDir, world);
  return (await readConfig(world, repository.root, commitPlace(repository, commit), [], {}, cache)).layout;
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
