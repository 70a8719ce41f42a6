/** What mstone itself sees of an author's work before anybody judges it. */
import { factsOf } from '../check/facts.js';
import { GATE_FILES, gateFilesAmong, isManifest, isPartial } from '../check/gate-files.js';
import { findLeaks, holdsOwn, type SecretsRequest } from '../check/secrets.js';
import { readChanges, type WorkChanges } from '../git/changes.js';
import type { Repository } from '../git/index.js';
import { asOneCommit } from '../git/rebuild.js';
import { listRecursively, readFilesAt } from '../git/tree.js';
import type { Fact } from '../model/change.js';
import type { Config } from '../model/config.js';
import { matching } from '../model/globs.js';
import type { Harvest, Oid } from '../model/outcome.js';

export interface LookRequest {
  /** The target's, which the work is going to be merged with. */
  readonly head: Oid;
  readonly commands: readonly string[];
  /** Where the milestone may write; undefined: anywhere. */
  readonly paths?: readonly string[];
  /** The user's secrets, in all forms. */
  readonly own: readonly string[];
  /** For a commit that stands for all of the work's. */
  readonly message: string;
  /** Epoch ms. */
  readonly dateMs: number;
  readonly pinRef: string;
}

/**
 * The work with its facts. Where a commit of it holds a secret that its last state does not, all of them become
 * one: what lands never holds it.
 */
export async function lookAt(
  repository: Repository,
  config: Config,
  taken: Harvest,
  request: LookRequest,
): Promise<Harvest> {
  const changes = await readChanges(repository, { head: request.head, commit: taken.commit });
  if (!changes.complete) {
    const text = 'the change is too large to be looked through (64 MB)';
    return { ...taken, facts: [{ id: 'unread', kind: 'unread', text }] };
  }
  const facts = [
    ...(await secretFacts(changes, config, request)),
    ...outside(changes, request.paths),
    ...factsOf(await factsRequest(repository, config, changes, { ...request, commit: taken.commit })),
  ].slice(0, MOST_FACTS);
  const clean = facts.some(({ kind }) => kind === 'secret')
    ? undefined
    : await withoutHistory(repository, config, taken, changes, request);
  return { ...(clean ?? taken), ...(facts.length === 0 ? {} : { facts }) };
}

const MOST_FACTS = 100;

const searchOf = (config: Config, { own }: LookRequest): SecretsRequest | undefined =>
  config.secrets === false ? undefined : { own, allowed: config.secrets.allowed };

async function secretFacts({ whole }: WorkChanges, config: Config, request: LookRequest): Promise<Fact[]> {
  const search = searchOf(config, request);
  if (search === undefined) return [];
  const named = whole.filter(({ path, status }) => status !== 'deleted' && holdsOwn(path, search));
  return [
    ...named.map(
      (): Fact => ({
        id: 'secret in a name',
        kind: 'secret',
        text: "a file's name holds one of your own credentials",
      }),
    ),
    ...(await findLeaks(whole, search)).map(
      ({ rule, file, line }): Fact => ({
        id: `secret ${file}:${line}`,
        kind: 'secret',
        file,
        line,
        text: `this looks like ${rule}`,
      }),
    ),
  ];
}

/** One commit for all of them, where one that is not the last holds a secret, or what is said of one does. */
async function withoutHistory(
  repository: Repository,
  config: Config,
  taken: Harvest,
  { base, whole, commits }: WorkChanges,
  request: LookRequest,
): Promise<Harvest | undefined> {
  const search = searchOf(config, request);
  if (search === undefined) return undefined;
  const [only] = commits;
  const isOne = commits.length === 1 && JSON.stringify(only?.patches) === JSON.stringify(whole);
  const isHeld =
    commits.some(
      ({ message, patches }) =>
        holdsOwn(message, search) || patches.some(({ path }) => holdsOwn(path, search)),
    ) ||
    (!isOne &&
      (
        await findLeaks(
          commits.flatMap(({ patches }) => patches),
          search,
        )
      ).length > 0);
  if (!isHeld) return undefined;
  const { message, dateMs, pinRef } = request;
  const commit = await asOneCommit(repository, {
    commit: taken.commit,
    parent: base,
    message,
    dateMs,
    pinRef,
  });
  return {
    ...taken,
    commit,
    told: [...taken.told, 'its commits were made one, because one of them held a secret'],
  };
}

function outside({ whole }: WorkChanges, paths: readonly string[] | undefined): Fact[] {
  if (paths === undefined) return [];
  const changed = whole.flatMap(({ path, from }) => (from === undefined ? [path] : [path, from]));
  const inside = new Set(matching(paths, changed));
  return [...new Set(changed)]
    .filter((path) => !inside.has(path))
    .map((file) => ({
      id: `outside-paths ${file}`,
      kind: 'outside-paths',
      file,
      text: `the milestone may write to ${paths.join(', ')} only`,
    }));
}

async function factsRequest(
  repository: Repository,
  config: Config,
  { base, whole }: WorkChanges,
  { commit, commands }: LookRequest & { readonly commit: Oid },
): Promise<Parameters<typeof factsOf>[0]> {
  const gateFiles = config.gateFiles ?? GATE_FILES;
  const paths = whole.map(({ path }) => path);
  const gates = gateFilesAmong(paths, gateFiles, commands);
  const changed = whole.filter(({ path }) => gates.has(path));
  const partial = changed.flatMap(({ path, status }) =>
    status === 'changed' && isPartial(path) ? [path] : [],
  );
  const before = await readFilesAt(repository, base, partial);
  const after = await readFilesAt(repository, commit, partial);
  const isNew = changed.some(({ path, status }) => status === 'added' && !isManifest(path));
  const manifests = isNew
    ? (await listRecursively(repository, base)).map(({ path }) => path).filter(isManifest)
    : [];
  return {
    patches: whole,
    gateFiles,
    commands,
    manifests: new Map(
      partial.map((path) => [
        path,
        { ...textOf('before', before.get(path)), ...textOf('after', after.get(path)) },
      ]),
    ),
    checkedFolders: new Set(
      manifests.map((path) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '')),
    ),
  };
}

const textOf = (name: 'before' | 'after', bytes: Buffer | undefined): { before?: string; after?: string } =>
  bytes === undefined ? {} : { [name]: bytes.toString('utf8') };
