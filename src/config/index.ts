/*
 * Settings from five places become one `Config`: flags before the environment before a profile before `mstone.yaml`
 * before the user's own file before defaults, setting by setting. All that is wrong anywhere is told.
 *
 * This room reads no file and no environment (both are passed in) and does not know what any setting
 * is good for, which milestones there are or which agents are installed.
 */
import { parse } from 'yaml';
import type { AgentConfig, Config, PressureLimits } from '../model/config.js';
import { type Credential, isSecret, JOBS_OF } from '../model/credential.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { DEFAULT_LAYOUT } from '../model/layout.js';
import { nearest } from '../model/nearest.js';
import { installWords } from '../model/newer.js';
import { BUILT_IN_ROLES, type RoleConfig } from '../model/role.js';
import { shown, shownValue } from '../model/shown.js';
import { parseSize } from '../model/size.js';
import { parseCredentials } from './credentials.js';
import { FLAG_VARIABLES } from './flags.js';
import {
  AGENT_FIELDS,
  agentFields,
  agentKinds,
  agentNameSchema,
  agentSchema,
  builtInAgents,
  CONFIG_VERSION,
  configKeys,
  DEPRECATED,
  envName,
  isLeafKey,
  LATER_VALUES,
  type LeafKey,
  type LeafValue,
  leafKeys,
  MEANT,
  PROTOCOL_NAMES,
  shapeOf,
} from './keys.js';
import { readYaml, type YamlFile } from './yaml.js';

export { configKeys } from './keys.js';

/** By dotted key; values as in the file, or text as in the environment. `undefined` says nothing. */
export type ConfigFlags = { readonly [K in LeafKey]?: unknown };

export interface ConfigSources {
  readonly flags: ConfigFlags;
  /** The whole environment: `MSTONE_JOBS`, `MSTONE_REVIEW_ROUNDS`, … An empty value says nothing. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `file` is what diagnostics name. */
  readonly project?: { readonly file: string; readonly text: string };
  readonly user?: { readonly file: string; readonly text: string };
  /** Processors that may be used: what `jobs: 50%` is a share of. */
  readonly cpus: number;
  /** Which of the files' `profiles` holds; it wins over both files themselves. */
  readonly profile?: string;
}

/** Who decided a setting. */
export type Origin =
  | { readonly from: 'flag' }
  /** `by`: the setting that the default hangs on. */
  | { readonly from: 'default'; readonly by?: LeafKey }
  | { readonly from: 'environment'; readonly variable: string }
  | { readonly from: 'project' | 'user'; readonly file: string; readonly line: number }
  | { readonly from: 'profile'; readonly profile: string; readonly file: string; readonly line: number };

/** One source's word on one setting. */
interface Word<T = unknown> {
  readonly value: T;
  readonly origin: Origin;
}

/** What one source says, as far as it can be read. */
interface Layer {
  readonly words: Map<LeafKey, Word>;
  readonly agents: Map<string, Word<AgentConfig>>;
  /** Agents that were to be configured and could not: naming one is no further error. */
  readonly broken: Set<string>;
}

const emptyLayer = (): Layer => ({ words: new Map(), agents: new Map(), broken: new Set() });

/** Every setting as it holds. */
export interface ResolvedConfig {
  readonly config: Config;
  /** By dotted key, each agent as `agents.NAME`. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** By the same keys: what holds, durations in ms; `undefined` where nobody says anything. */
  readonly values: ReadonlyMap<string, unknown>;
  /** Values of all credentials in any source, of profiles that do not hold too, and of agents' own keys. */
  readonly secrets: readonly string[];
  readonly diagnostics: Diagnostic[];
}

/**
 * Resolves every setting. Where there are errors among the diagnostics the configuration is still
 * whole, what could not be read left at its default, but nothing should be started with it.
 */
export function resolveConfig(sources: ConfigSources): ResolvedConfig {
  const diagnostics: Diagnostic[] = [];
  const flags = readFlags(sources.flags, diagnostics);
  const environment = readEnvironment(sources.env, diagnostics);
  const files = [
    ...(sources.project ? [readFile('project', sources.project, diagnostics)] : []),
    ...(sources.user ? [readFile('user', sources.user, diagnostics)] : []),
  ];
  const layers = [
    flags,
    environment,
    ...chosenProfile(sources.profile, files, diagnostics),
    ...files.map(({ layer }) => layer),
    defaults,
  ];

  const origins = new Map<string, Origin>();
  const words = new Map<LeafKey, Word>();
  for (const key of leafKeys) {
    const word = layers.find((layer) => layer.words.has(key))?.words.get(key);
    if (word) words.set(key, word);
    origins.set(key, word?.origin ?? { from: 'default' });
  }
  const agents = new Map<string, AgentConfig>();
  for (const layer of layers.toReversed()) {
    for (const [name, { value, origin }] of layer.agents) {
      agents.set(name, value);
      origins.set(`agents.${name}`, origin);
    }
  }
  const twice = oneReviewing(layers, words);
  if (twice !== undefined) diagnostics.push(twice);
  for (const key of ['agent', 'reviewer'] as const) {
    const word = words.get(key);
    const name = String(word?.value);
    if (word && !agents.has(name) && !layers.some(({ broken }) => broken.has(name))) {
      diagnostics.push(unknownAgent(key, name, [...agents.keys()], word.origin));
    }
  }

  diagnostics.push(...wrongFallbacks(agents, origins, new Set(layers.flatMap(({ broken }) => [...broken]))));

  // Each word has been through its own schema, which is what this type is read off.
  const said = <K extends LeafKey>(key: K): LeafValue<K> | undefined =>
    words.get(key)?.value as LeafValue<K> | undefined;
  const agent = said('agent');
  const reviewer = said('reviewer');
  const reviewers = said('reviewers');
  const roles = said('roles') ?? {};
  const threshold = said('review.threshold');
  const reviewModel = said('review.model');
  for (const [name, agent] of namedBeside(reviewers, roles)) {
    const origin = origins.get(name === undefined ? 'reviewers' : 'roles') ?? { from: 'default' };
    if (agents.has(agent) || layers.some(({ broken }) => broken.has(agent))) continue;
    diagnostics.push(
      unknownAgent(name === undefined ? 'reviewers' : `roles.${name}`, agent, [...agents.keys()], origin),
    );
  }
  const model = said('model');
  const dir = said('worktrees.dir');
  const mcpServers = said('mcp_servers');
  const keysFile = said('keys_file');
  const usd = said('budget.usd');
  const perMilestone = said('budget.per_milestone');
  const perDay = said('budget.per_day');
  const tokens = said('budget.tokens');
  const stageTag = said('tags.stage');
  const subscription = origins.get('jobs')?.from === 'default' ? said('subscription') : undefined;
  const jobs = subscription === undefined ? (said('jobs') ?? 1) : JOBS_OF[subscription];
  if (subscription !== undefined) origins.set('jobs', { from: 'default', by: 'subscription' });
  const reserve = said('limits.reserve');
  const perMinute = said('limits.starts_per_minute');
  const logsMax = said('logs.max') ?? false;
  const logsKeep = said('logs.keep') ?? false;
  const milestones = said('milestones') ?? DEFAULT_LAYOUT.milestones;
  const tasksFile = said('tasks_file') ?? DEFAULT_LAYOUT.tasks;
  const logDir = said('log_dir');
  const gateFiles = said('gate_files');
  diagnostics.push(...checkPlaces({ milestones, tasksFile, logDir }, origins));
  const config: Config = {
    milestones,
    tasksFile,
    ...(logDir !== undefined && { logDir }),
    ...(agent !== undefined && { agent }),
    ...(reviewer !== undefined && { reviewer }),
    ...(reviewers !== undefined && { reviewers }),
    ...(Object.keys(roles).length > 0 && { roles }),
    ...(model !== undefined && { model }),
    jobs: typeof jobs === 'number' ? jobs : Math.max(1, Math.floor((sources.cpus * jobs.percent) / 100)),
    checks: said('checks') ?? [],
    stageChecks: said('stage_checks') ?? [],
    review: said('review')
      ? {
          rounds: said('review.rounds') ?? 0,
          blockOn: said('review.block_on') ?? [],
          ...(said('review.stage') === true && { stage: true }),
          ...(threshold !== undefined && { threshold }),
          ...(said('review.require') === 'majority' && { require: 'majority' }),
          ...(reviewModel !== undefined && { model: reviewModel }),
        }
      : false,
    approval: said('approval') ?? 'none',
    merge: {
      parallel: said('merge.parallel') ?? 1,
      strict: said('merge.strict') ?? 'auto',
      barrier: said('merge.barrier') ?? [],
      forecastMs: said('merge.forecast') ?? 0,
    },
    retries: said('retries') ?? 0,
    backoffMs: said('backoff') ?? 0,
    worktrees: {
      ...(dir !== undefined && { dir }),
      setup: said('worktrees.setup') ?? [],
      copy: said('worktrees.copy') ?? [],
      keep: said('worktrees.keep') ?? [],
      sparse: said('worktrees.sparse') ?? false,
    },
    agents: Object.fromEntries(agents),
    // Its own reader says what it is.
    credentials: (words.get('credentials')?.value ?? []) as readonly Credential[],
    auth: said('auth') ?? 'login-first',
    git: { hooks: said('git.hooks') ?? false },
    // What is shut in can write to no git directory but its own.
    isolation: said('sandbox') === 'bubblewrap' ? 'clone' : (said('isolation') ?? 'worktree'),
    sandbox: {
      kind: said('sandbox') ?? 'none',
      network: said('sandbox_network') ?? true,
      write: said('sandbox_write') ?? [],
    },
    ...(keysFile !== undefined && { keysFile }),
    timeouts: {
      agentMs: said('timeouts.agent') ?? 0,
      idleMs: said('timeouts.idle') ?? 0,
      checkMs: said('timeouts.check') ?? 0,
      repeats: said('timeouts.repeats') ?? false,
    },
    brief: said('brief') ?? [],
    ...(gateFiles !== undefined && { gateFiles }),
    secrets: said('secrets') === false ? false : { allowed: said('secrets_allowed') ?? [] },
    expectTests: said('expect_tests') ?? 'auto',
    briefLimit: said('brief_limit') ?? 200_000,
    ...(mcpServers !== undefined && { mcpServers }),
    limits: {
      wait: said('limits.wait') ?? true,
      reserve: typeof reserve === 'string' ? Number.parseInt(reserve, 10) / 100 : 0,
      burst: said('limits.burst') ?? 1,
      ...(perMinute !== undefined && { perMinute }),
    },
    logs: {
      ...(logsMax !== false && { maxBytes: parseSize(logsMax) ?? 0 }),
      ...(logsKeep !== false && { keepBytes: parseSize(logsKeep) ?? 0 }),
    },
    land: said('land') ?? 'each',
    pr: { per: said('pr.per') ?? 'stage', remote: said('pr.remote') ?? 'origin' },
    runBranch: said('run_branch') ?? false,
    ...(stageTag !== undefined && { stageTag }),
    pressure: said('pressure')
      ? {
          ...limit('memory', said('pressure.memory'), (text) => Number.parseInt(text, 10) / 100),
          ...limit('diskBytes', said('pressure.disk'), parseSize),
          ...limit('cpu', said('pressure.cpu'), (text) => Number.parseInt(text, 10) / 100),
        }
      : false,
    ...([usd, perMilestone, perDay, tokens].some((one) => one !== undefined) && {
      budget: {
        ...(usd !== undefined && { usd }),
        ...(perMilestone !== undefined && { perMilestone }),
        ...(perDay !== undefined && { perDay }),
        ...(tokens !== undefined && { tokens }),
      },
    }),
  };
  const values = new Map<string, unknown>([
    ...leafKeys.map((key) => [key, key === 'jobs' ? config.jobs : words.get(key)?.value] as const),
    ...[...agents].map(([name, entry]) => [`agents.${name}`, entry] as const),
  ]);
  const everywhere = [...layers, ...files.flatMap(({ profiles }) => [...profiles.values()])];
  return { config, origins, values, secrets: [...new Set(everywhere.flatMap(secretsOf))], diagnostics };
}

/** `reviewer` and `reviewers` are one setting in two forms: the stronger source's word counts, and none says both. */
function oneReviewing(layers: readonly Layer[], words: Map<LeafKey, Word>): Diagnostic | undefined {
  const [one, several] = [words.get('reviewer'), words.get('reviewers')];
  if (one === undefined || several === undefined) return undefined;
  const levelOf = (key: LeafKey): number => layers.findIndex((layer) => layer.words.has(key));
  const [single, list] = [levelOf('reviewer'), levelOf('reviewers')];
  words.delete(single < list ? 'reviewers' : 'reviewer');
  if (single !== list) return undefined;
  return {
    severity: 'error',
    code: 'reviewers-twice',
    ...place(several.origin),
    message: '`reviewer` and `reviewers` both say who reviews',
  };
}

/** Agents that are named for reviews, with the role that names them; what is a role is none. */
function namedBeside(
  reviewers: readonly string[] | undefined,
  roles: Readonly<Record<string, RoleConfig>>,
): [role: string | undefined, agent: string][] {
  const isRole = (name: string): boolean =>
    Object.hasOwn(roles, name) || (BUILT_IN_ROLES as readonly string[]).includes(name);
  return [
    ...(reviewers ?? []).flatMap((name): [undefined, string][] => (isRole(name) ? [] : [[undefined, name]])),
    ...Object.entries(roles).flatMap(([role, { agent }]): [string, string][] =>
      agent === undefined ? [] : [[role, agent]],
    ),
  ];
}

function secretsOf({ words, agents }: Layer): string[] {
  const credentials = (words.get('credentials')?.value ?? []) as readonly Credential[];
  return [
    ...credentials.flatMap(({ env }) => Object.values(env)),
    ...[...agents.values()].flatMap(({ value: { env } }) =>
      Object.entries(env).flatMap(([name, value]) => (isSecret(name) ? [value] : [])),
    ),
  ];
}

/** What would lie in another's way: a view among milestones, logs where every file is somebody's work. */
function checkPlaces(
  places: { readonly milestones: string; readonly tasksFile: string; readonly logDir: string | undefined },
  origins: ReadonlyMap<string, Origin>,
): Diagnostic[] {
  // Some disks take capitals for small letters.
  const [milestones, tasks, logs] = [places.milestones, places.tasksFile, places.logDir ?? ''].map((path) =>
    path
      .toLowerCase()
      .replaceAll('\\', '/')
      .replace(/^(?:\.\/+)+|\/+$/g, ''),
  ) as [string, string, string];
  const isIn = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
  const problem = (key: LeafKey, message: string, found: string, fix: string): Diagnostic => {
    // Whoever says the one that has no default is who can say something else.
    const origin = origins.get(key) ?? { from: 'default' };
    const other = origin.from === 'default' ? (origins.get('milestones') ?? origin) : origin;
    return { severity: 'error', code: 'places-collide', ...place(other), message, found: shown(found), fix };
  };
  const found = `milestones: ${places.milestones}, tasks_file: ${places.tasksFile}`;
  return [
    ...(isIn(tasks, milestones)
      ? [
          problem(
            'tasks_file',
            '`tasks_file` lies in the folder of milestones',
            found,
            'name one outside of it',
          ),
        ]
      : []),
    ...(isIn(milestones, tasks)
      ? [problem('tasks_file', '`tasks_file` stands where the milestones belong', found, 'name another file')]
      : []),
    ...(logs !== '' && isIn(logs, milestones)
      ? [
          problem(
            'log_dir',
            '`log_dir` lies in the folder of milestones',
            `milestones: ${places.milestones}, log_dir: ${places.logDir}`,
            'name a folder outside of it',
          ),
        ]
      : []),
  ];
}

/** A limit that was said; `false` is none. */
function limit<K extends keyof PressureLimits>(
  name: K,
  text: string | false | undefined,
  read: (text: string) => number | undefined,
): { readonly [N in K]?: number } {
  const value = text === undefined || text === false ? undefined : read(text);
  return value === undefined ? {} : ({ [name]: value } as { readonly [N in K]: number });
}

/** The table's own defaults, through the same schemas as everybody's words. */
const defaults: Layer = {
  words: new Map(
    leafKeys.flatMap((key): [LeafKey, Word][] => {
      const text = shapeOf(key).default;
      if (text.startsWith('(')) return [];
      return [[key, { value: shapeOf(key).schema.parse(parse(text)), origin: { from: 'default' } }]];
    }),
  ),
  agents: new Map([...builtInAgents].map(([name, value]) => [name, { value, origin: { from: 'default' } }])),
  broken: new Set(),
};

/** A setting's raw value, held against its shape. */
function readWord(
  layer: Layer,
  diagnostics: Diagnostic[],
  key: LeafKey,
  raw: unknown,
  origin: Origin,
  /** Where in the file an entry of the value is, given the path below the key. */
  lineOf?: (path: readonly PropertyKey[]) => number,
  /** What was written for the key. */
  name: string = key,
): void {
  const shape = shapeOf(key);
  if (LATER_VALUES[key]?.includes(String(raw))) {
    const message = `\`${key}: ${String(raw)}\` is not supported yet`;
    diagnostics.push({
      severity: 'error',
      code: 'unsupported-value',
      ...place(origin),
      message,
      expected: shape.type,
    });
    return;
  }
  if (key === 'credentials') {
    const read = parseCredentials(raw);
    if (read.ok) layer.words.set(key, { value: read.value, origin });
    for (const { path, message } of read.ok ? [] : read.error) {
      diagnostics.push({
        severity: 'error',
        code: 'credential-invalid',
        ...place(origin),
        ...(lineOf && { line: lineOf(path) }),
        message: `a credential cannot be used: ${message}`,
      });
    }
    return;
  }
  const value = shape.list && !Array.isArray(raw) ? [raw] : raw;
  const result = shape.schema.safeParse(value);
  if (result.success) {
    layer.words.set(key, { value: result.data, origin });
    return;
  }
  for (const { path } of result.error.issues) {
    const [index] = path;
    const found = Array.isArray(value) && typeof index === 'number' ? value[index] : value;
    diagnostics.push({
      severity: 'error',
      code: 'invalid-value',
      ...place(origin),
      ...(lineOf && { line: lineOf(path) }),
      message: `${nameOf(name, origin)} cannot be read`,
      expected: shape.type,
      // A server's environment holds secrets.
      ...(key === 'mcp_servers' || shape.own ? {} : { found: shownValue(found) }),
    });
  }
}

const nameOf = (key: string, origin: Origin): string =>
  `\`${origin.from === 'environment' ? origin.variable : key}\``;

const place = (origin: Origin): { file?: string; line?: number } =>
  'file' in origin ? { file: origin.file, line: origin.line } : {};

function readFlags(flags: ConfigFlags, diagnostics: Diagnostic[]): Layer {
  const layer = emptyLayer();
  const origin: Origin = { from: 'flag' };
  for (const key of leafKeys) {
    const raw = flags[key];
    if (raw === undefined) continue;
    readWord(layer, diagnostics, key, typeof raw === 'string' ? fromText(key, raw) : raw, origin);
  }
  implied(layer);
  return layer;
}

/**
 * `MSTONE_` and the key in capitals, `_` for each dot: `MSTONE_TIMEOUTS_AGENT=20m`. A list is a JSON
 * array or one single entry; `MSTONE_AGENTS` is a JSON object.
 */
function readEnvironment(env: ConfigSources['env'], diagnostics: Diagnostic[]): Layer {
  const layer = emptyLayer();
  const known = new Map(configKeys.map(({ key }) => [envName(key), key]));
  const flags = new Set(FLAG_VARIABLES.values());
  for (const [variable, text] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!variable.startsWith('MSTONE_') || text === undefined || text === '' || PROTOCOL_NAMES.has(variable))
      continue;
    if (flags.has(variable)) continue;
    const origin: Origin = { from: 'environment', variable };
    const key = known.get(variable);
    const old = Object.entries(DEPRECATED).find(([name]) => envName(name) === variable);
    if (key === 'agents') {
      readAgents(layer, diagnostics, jsonOr(text), () => origin);
    } else if (key !== undefined && isLeafKey(key)) {
      readWord(layer, diagnostics, key, fromText(key, text), origin);
    } else if (old !== undefined) {
      const [, { key: successor, since }] = old;
      const instead = envName(successor);
      const said = (env[instead] ?? '') !== '';
      if (!said) readWord(layer, diagnostics, successor, fromText(successor, text), origin);
      diagnostics.push(deprecated(variable, instead, `${instead}=…`, since, said));
    } else {
      const meant = nearest(variable, [...known.keys(), ...flags]);
      diagnostics.push({
        severity: 'warning',
        code: 'unknown-variable',
        message: `\`${shown(variable)}\` is no setting of mstone and does nothing`,
        ...(meant && { fix: `did you mean \`${meant}\`?` }),
      });
    }
  }
  implied(layer);
  return layer;
}

/** A word of before: what it is called now. `beside` its successor it counts for nothing. */
function deprecated(
  old: string,
  successor: string,
  written: string,
  since: string,
  beside: boolean,
  where: { readonly file?: string; readonly line?: number } = {},
): Diagnostic {
  return {
    severity: 'warning',
    code: 'deprecated-key',
    ...where,
    message: beside
      ? `\`${old}\` does nothing beside \`${successor}\`, its name since ${since}`
      : `\`${old}\` is called \`${successor}\` since ${since}`,
    fix: beside ? 'remove it' : `write \`${written}\``,
  };
}

/** Who says how to review wants a review, and who names a limit wants it held. */
function implied({ words }: Layer): void {
  for (const [key, { origin }] of [...words]) {
    const [outer = ''] = key.split('.');
    if (isLeafKey(outer) && !words.has(outer)) words.set(outer, { value: true, origin });
  }
}

/** Text as the value that it means for this key: the first reading that fits. */
function fromText(key: LeafKey, text: string): unknown {
  const { schema, list } = shapeOf(key);
  if (key === 'credentials') return jsonOr(text);
  if (list) {
    const value = jsonOr(text);
    return Array.isArray(value) ? value : [text];
  }
  const readings: unknown[] = [text, ...(text.startsWith('{') ? [jsonOr(text)] : [])];
  if (/^-?\d+(?:\.\d+)?$/.test(text)) readings.push(Number(text));
  if (/^(?:true|yes|on|1)$/i.test(text)) readings.push(true);
  if (/^(?:false|no|off|0)$/i.test(text)) readings.push(false);
  return readings.find((reading) => schema.safeParse(reading).success) ?? text;
}

/** A command such as `[ -f x ]` looks like JSON and is none. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/** What a file says, and what each of its profiles would have instead. */
interface FileLayers {
  readonly layer: Layer;
  readonly profiles: ReadonlyMap<string, Layer>;
}

function chosenProfile(
  name: string | undefined,
  files: readonly FileLayers[],
  diagnostics: Diagnostic[],
): Layer[] {
  if (name === undefined) return [];
  const found = files.flatMap(({ profiles }) => profiles.get(name) ?? []);
  if (found.length > 0) return found;
  const names = [...new Set(files.flatMap(({ profiles }) => [...profiles.keys()]))];
  const meant = nearest(name, names);
  diagnostics.push({
    severity: 'error',
    code: 'unknown-profile',
    message: `there is no profile ${shown(name)}`,
    ...(names.length > 0 ? { expected: `one of ${names.map((one) => shown(one)).join(', ')}` } : {}),
    fix: meant ? `did you mean \`${meant}\`?` : 'add `profiles: { NAME: { … } }` to mstone.yaml',
  });
  return [];
}

function readFile(
  from: 'project' | 'user',
  { file, text }: { readonly file: string; readonly text: string },
  diagnostics: Diagnostic[],
): FileLayers {
  const yaml = readYaml(file, text);
  diagnostics.push(...yaml.diagnostics);
  const { profiles, version = null, ...own } = yaml.data;
  if (version !== null && version !== CONFIG_VERSION) {
    const isNewer = Number.isInteger(version) && Number(version) > CONFIG_VERSION;
    diagnostics.push({
      severity: 'error',
      code: isNewer ? 'config-newer' : 'invalid-value',
      file,
      line: yaml.lineOf(['version']),
      message: isNewer ? 'this file is for a newer mstone' : '`version` cannot be read',
      expected: `\`version: ${CONFIG_VERSION}\`, or none`,
      found: shownValue(version),
      fix: isNewer ? installWords() : `write \`version: ${CONFIG_VERSION}\`, or remove it`,
    });
    // What a newer mstone means by its keys is not for this one to judge.
    if (isNewer) return { layer: emptyLayer(), profiles: new Map() };
  }
  const originOf = (path: readonly PropertyKey[]): Origin => ({ from, file, line: yaml.lineOf(path) });
  const isShared = from === 'project';
  const layer = readSettings(own, yaml, file, originOf, diagnostics, isShared);
  const read = new Map<string, Layer>();
  const unreadable = (path: readonly PropertyKey[], message: string, value: unknown): void => {
    const expected = 'a mapping from names to settings';
    const found = shownValue(value);
    const line = yaml.lineOf(path);
    diagnostics.push({ severity: 'error', code: 'invalid-value', file, line, message, expected, found });
  };
  if (profiles !== undefined && profiles !== null && !isMapping(profiles)) {
    unreadable(['profiles'], '`profiles` cannot be read', profiles);
  }
  for (const [profile, said] of Object.entries(isMapping(profiles) ? profiles : {})) {
    if (said !== null && !isMapping(said)) {
      unreadable(['profiles', profile], `\`profiles.${shown(profile)}\` cannot be read`, said);
      continue;
    }
    const below = (path: readonly PropertyKey[]): PropertyKey[] => ['profiles', profile, ...path];
    const inner: YamlFile = {
      data: said ?? {},
      diagnostics: [],
      lineOf: (path) => yaml.lineOf(below(path)),
      sourceOf: (path) => yaml.sourceOf(below(path)),
    };
    const origin = (path: readonly PropertyKey[]): Origin => ({
      from: 'profile',
      profile,
      file,
      line: inner.lineOf(path),
    });
    read.set(profile, readSettings(inner.data, inner, file, origin, diagnostics, isShared));
  }
  return { layer, profiles: read };
}

/** A mapping of settings, of a file or of a profile in it. */
function readSettings(
  data: Readonly<Record<string, unknown>>,
  yaml: YamlFile,
  file: string,
  originOf: (path: readonly PropertyKey[]) => Origin,
  diagnostics: Diagnostic[],
  /** Others may have a say in it, or read it: it is the repository's. */
  isShared: boolean,
): Layer {
  const layer = emptyLayer();
  const error = (
    path: readonly PropertyKey[],
    rest: Omit<Diagnostic, 'severity' | 'file' | 'line'>,
  ): void => {
    diagnostics.push({ severity: 'error', file, line: yaml.lineOf(path), ...rest });
  };
  const leaf = (key: LeafKey, path: readonly string[], raw: unknown): void =>
    readWord(layer, diagnostics, key, raw, originOf(path), (below) => yaml.lineOf([...path, ...below]));

  const isOld = (name: string): boolean => Object.hasOwn(DEPRECATED, name);
  // Old words last: they give way to their successors.
  const entries = Object.entries(data).sort(([a], [b]) => Number(isOld(a)) - Number(isOld(b)));
  for (const [name, value] of entries) {
    const old = isOld(name) ? DEPRECATED[name] : undefined;
    if (old !== undefined) {
      if (value === null) continue;
      const [outer = old.key, part] = old.key.split('.');
      const beside = layer.words.has(old.key);
      if (!beside) {
        const lineOf = (below: readonly PropertyKey[]): number => yaml.lineOf([name, ...below]);
        readWord(layer, diagnostics, old.key, value, originOf([name]), lineOf, name);
        implied(layer);
      }
      const written = part === undefined ? `${outer}: …` : `${outer}: { ${part}: … }`;
      const where = { file, line: yaml.lineOf([name]) };
      diagnostics.push(deprecated(name, old.key, written, old.since, beside, where));
      continue;
    }
    const inner = leafKeys.filter((key) => key.startsWith(`${name}.`));
    if (name === 'agents') {
      if (value !== null) readAgents(layer, diagnostics, value, originOf, yaml);
    } else if (inner.length > 0 && isMapping(value)) {
      if (isLeafKey(name)) leaf(name, [name], true);
      for (const [part, raw] of Object.entries(value)) {
        const key = `${name}.${part}`;
        if (!isLeafKey(key)) error([name, part], unknownKey(key, inner));
        else if (raw !== null) leaf(key, [name, part], raw);
      }
    } else if (isShared && isLeafKey(name) && shapeOf(name).own) {
      error([name], {
        code: 'credential-in-repository',
        message: `\`${name}\` has no place in the repository: keys must not be committed`,
        expected: `\`${name}\` in your own file, ~/.config/mstone/config.yaml, or keys in api-keys.json beside it`,
        fix: 'move it there; a key that has been committed is known, so replace it',
      });
    } else if (isLeafKey(name) && !name.includes('.')) {
      if (value !== null) leaf(name, [name], value);
    } else if (inner.length > 0) {
      if (value === null) continue;
      const expected = `a mapping of ${inner.map((key) => key.slice(name.length + 1)).join(', ')}`;
      error([name], {
        code: 'invalid-value',
        message: `\`${name}\` cannot be read`,
        expected,
        found: shownValue(value),
      });
    } else {
      const outer = configKeys.map(({ key }) => key.replace(/\..*/, ''));
      const names = [...new Set([...outer, ...(originOf([]).from === 'profile' ? [] : ['profiles'])])];
      error([name], unknownKey(name, names));
    }
  }
  return layer;
}

/** Only the last part of a dotted key is held against the last parts of its candidates. */
function unknownKey(
  key: string,
  candidates: readonly string[],
): Omit<Diagnostic, 'severity' | 'file' | 'line'> {
  const last = (name: string): string => name.slice(name.lastIndexOf('.') + 1);
  const near = nearest(last(key), candidates.map(last));
  const meant = candidates.find((name) => last(name) === near);
  const [outer, inner] = key.split('.');
  const aimed = Object.hasOwn(MEANT, key) ? MEANT[key] : undefined;
  const fix = isLeafKey(key)
    ? `write \`${outer}: { ${inner}: … }\``
    : (aimed ?? meant) && `did you mean \`${aimed ?? meant}\`?`;
  return {
    code: 'unknown-key',
    message: `\`${shown(key)}\` is no setting`,
    expected: `one of ${candidates.join(', ')}`,
    ...(fix && { fix }),
  };
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readAgents(
  layer: Layer,
  diagnostics: Diagnostic[],
  value: unknown,
  originOf: (path: readonly PropertyKey[]) => Origin,
  yaml?: YamlFile,
): void {
  const error = (
    path: readonly PropertyKey[],
    rest: Omit<Diagnostic, 'severity' | 'file' | 'line'>,
  ): void => {
    diagnostics.push({ severity: 'error', ...place(originOf(path)), ...rest });
  };
  if (!isMapping(value)) {
    const expected = configKeys.find(({ key }) => key === 'agents')?.type ?? '';
    const found = shownValue(value);
    error(['agents'], { code: 'invalid-value', message: '`agents` cannot be read', expected, found });
    return;
  }
  for (const [name, entry] of Object.entries(value)) {
    const path = ['agents', name];
    layer.broken.add(name);
    const key = `agents.${shown(name)}`;
    if (!agentNameSchema.safeParse(name).success) {
      const expected = 'letters, digits, dots, dashes and underscores';
      error(path, { code: 'invalid-value', message: `\`${key}\` is no name for an agent`, expected });
      continue;
    }
    const said = isMapping(entry) ? entry.kind : undefined;
    // `agents: { claude: { model: sonnet } }`: a kind's name says it already.
    const kind = agentKinds.find((one) => one === (said ?? name));
    if (kind === undefined || !isMapping(entry)) {
      const meant = typeof said === 'string' ? nearest(said, agentKinds) : undefined;
      error([...path, 'kind'], {
        code: 'invalid-value',
        message: `\`${key}\` is of no kind that there is`,
        expected: `\`kind:\` and one of ${agentKinds.join(', ')}`,
        found: shownValue(said ?? entry),
        ...(meant && { fix: `did you mean \`${meant}\`?` }),
      });
      continue;
    }
    if (name === 'recipe' && kind !== 'recipe') {
      error(path, {
        code: 'invalid-value',
        message: '`recipe` is built in',
        fix: 'give this agent another name',
      });
      continue;
    }
    const result = agentSchema.safeParse(withSources({ ...entry, kind }, path, yaml));
    if (result.success) {
      layer.agents.set(name, { value: result.data, origin: originOf(path) });
      layer.broken.delete(name);
    }
    for (const issue of result.error?.issues ?? []) {
      if (issue.code === 'unrecognized_keys') {
        for (const field of issue.keys) {
          error([...path, field], unknownKey(`${key}.${field}`, agentFields(kind)));
        }
        continue;
      }
      const found = issue.path.reduce<unknown>(
        (inner, step) => (isObject(inner) ? Reflect.get(inner, step) : undefined),
        entry,
      );
      error([...path, ...issue.path], {
        code: 'invalid-value',
        message: `\`${[key, ...issue.path.map((step) => shown(String(step)))].join('.')}\` cannot be read`,
        expected: AGENT_FIELDS[String(issue.path[0])] ?? '',
        ...(found !== undefined && { found: shownValue(found) }),
      });
    }
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** A number in `env` is the text that was written: `010` stays `010`. */
function withSources(
  entry: Readonly<Record<string, unknown>>,
  path: readonly string[],
  yaml: YamlFile | undefined,
): unknown {
  if (!yaml || !isMapping(entry.env)) return entry;
  const env = Object.entries(entry.env).map(([name, value]) => [
    name,
    typeof value === 'number' || typeof value === 'boolean'
      ? (yaml.sourceOf([...path, 'env', name]) ?? value)
      : value,
  ]);
  return { ...entry, env: Object.fromEntries(env) };
}

/** Who is to take over must be there and be another. */
function wrongFallbacks(
  agents: ReadonlyMap<string, AgentConfig>,
  origins: ReadonlyMap<string, Origin>,
  broken: ReadonlySet<string>,
): Diagnostic[] {
  return [...agents].flatMap(([name, agent]) => {
    const other = 'fallback' in agent ? agent.fallback : undefined;
    if (other === undefined) return [];
    const key = `agents.${name}.fallback`;
    const origin = origins.get(`agents.${name}`) ?? { from: 'default' };
    if (!agents.has(other)) {
      return broken.has(other) ? [] : [unknownAgent(key, other, [...agents.keys()], origin)];
    }
    if (other !== name) return [];
    return [
      {
        severity: 'error' as const,
        code: 'invalid-value' as const,
        ...place(origin),
        message: `\`${key}\` cannot be read`,
        expected: 'another agent than this one',
        found: shown(other),
      },
    ];
  });
}

function unknownAgent(key: string, name: string, names: readonly string[], origin: Origin): Diagnostic {
  const meant = nearest(name, names);
  return {
    severity: 'error',
    code: 'unknown-agent',
    ...place(origin),
    message: `${nameOf(key, origin)} names an agent that is not configured`,
    expected: `one of ${[...names].sort().join(', ')}`,
    found: shown(name),
    fix: meant
      ? `did you mean \`${meant}\`?`
      : `add \`agents: { ${shown(name)}: { kind: command, command: [...] } }\` to mstone.yaml`,
  };
}
