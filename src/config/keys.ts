/*
 * Every setting: its name, its shape, its words. The checks of all sources, the documentation and a
 * test per key are made from this one table.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import type { AgentConfig } from '../model/config.js';
import { AUTH_ORDERS, LOGIN, SUBSCRIPTIONS } from '../model/credential.js';
import { parseDuration } from '../model/duration.js';
import type { RoleConfig } from '../model/role.js';
import { SIZE } from '../model/size.js';

export { FLAG_VARIABLES } from './flags.js';

/** Timers take no more than 2^31 ms. */
const LONGEST_MS = 24 * 24 * 3_600_000;

const line = z.string().regex(/^[^\u0000]*\S[^\u0000]*$/);
/** Never an option of the CLI that it is handed to. */
const model = z.string().regex(/^[A-Za-z0-9@][\w./:@[\]+-]{0,199}$/);
const agentName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const duration = (least: number) =>
  z
    .union([z.string(), z.literal(0)])
    .transform((text) => (text === 0 ? 0 : (parseDuration(text, 'clock') ?? -1)))
    .refine((ms) => ms >= least && ms <= LONGEST_MS);

/** Something in the slot that is not git's own: relative, never out of it. */
const pathInside = z
  .string()
  .regex(/^(?![/\\~]|[A-Za-z]:)[^\u0000-\u001f\u007f]+$/)
  .transform((path) => path.replace(/^(?:\.\/)+/, '').replace(/\/+$/, ''))
  .refine((path) => {
    const parts = path.split(/[/\\]/);
    return (
      !parts.includes('..') &&
      !parts.includes('') &&
      path !== '.' &&
      !parts.some((part) => /^\.git$/i.test(part))
    );
  });

/** A path of the repository's own, with forward slashes whatever was typed. */
const repositoryPath = z
  .string()
  .regex(/^(?![-/\\~]|[A-Za-z]:)[^\u0000-\u001f\u007f]+$/)
  .transform((path) =>
    path
      .replaceAll('\\', '/')
      .split('/')
      .filter((part) => part !== '.')
      .join('/'),
  )
  // Git takes `.gitattributes` and its like at their word, and some disks take `git~1` for `.git`.
  .refine(
    (path) => path.split('/').every((part) => part !== '' && part !== '..' && !/^(?:\.git|git~)/i.test(part)),
    { abort: true },
  );

const milestonesPath = z
  .string()
  .transform((path) => path.replace(/[/\\]+$/, ''))
  .pipe(repositoryPath);

const tasksPath = repositoryPath.refine((path) => /[^/]\.(?:md|markdown)$/i.test(path));

/** A folder of the machine's. */
const anyFolder = z.string().regex(/^(?!~)[^\u0000-\u001f]*\S[^\u0000-\u001f]*$/);
/** The same, where the user's home may be meant. */
const writable = z
  .string()
  .regex(/^(?:~?\/)[^\u0000-\u001f\u007f]*$/)
  .refine((path) => !path.split('/').includes('..'));
const share = z.union([z.literal(false), z.string().regex(/^(?:[1-9]\d?|100)%$/)]);
const size = z.union([z.literal(false), z.string().regex(SIZE)]);

const jobs = z.union([
  z.int().min(1),
  z
    .string()
    .regex(/^[1-9]\d{0,2}%$/)
    .transform((text) => ({ percent: Number(text.slice(0, -1)) })),
]);

const money = z.number().positive().max(1e9);

/** What git takes for a name, whatever the stage's number is. */
const TAG =
  /^(?![-/.])(?!.*(?:\.\.|\/\/|\/\.|\.lock(?:\/|$)|\.\/|[/.]$))[A-Za-z0-9._/-]*\{stage\}[A-Za-z0-9._/-]*$/;

const roleName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/);
const pattern = z.string().regex(/^(?![/\\~]|[A-Za-z]:)[^\u0000-\u001f\u007f]{1,500}$/);
const patterns = z.union([z.array(pattern).min(1), pattern.transform((one) => [one])]);
const roles = z.record(
  roleName,
  z.union([
    patterns.transform((paths): RoleConfig => ({ paths })),
    z
      .strictObject({ paths: patterns, agent: agentName.optional() })
      .transform(({ paths, agent }): RoleConfig => ({ paths, ...(agent === undefined ? {} : { agent }) })),
  ]),
);

/** Never what stands for a CLI's own login. */
const credentialName = agentName.refine((name) => name !== LOGIN);
const secretVariable = z.string().regex(/^(?!(?:MSTONE|GIT)_)[A-Za-z_][A-Za-z0-9_]*$/);
const secret = z.string().regex(/^[^\u0000\r\n]*[^\u0000\r\n\s][^\u0000\r\n]*$/);
const credentials = z.array(
  z.strictObject({
    name: credentialName,
    env: z.record(secretVariable, secret).refine((env) => Object.keys(env).length > 0),
    agents: z.array(agentName).min(1).optional(),
  }),
);

const AGENT_NAMES =
  '`claude`, `codex`, `gemini`, `opencode`, `recipe`, or the name of an agent under `agents`';
const MODEL = "a model's name as the agent's CLI takes it, such as `sonnet`";
const COMMANDS = 'a list of shell commands, such as `[npm test]`';
const PATHS = 'a list of relative paths inside the repository, without `..` and `.git`';
const FOLDER = 'a folder, absolute or relative to the repository (`~` is not expanded)';
const SHARE = 'a share such as `90%`, or `false`';
const MONEY = 'an amount in US dollars, more than 0, such as `20` or `7.5`';
const DURATION = 'a duration with its unit, such as `45m`, of at most 24 days';

/** As under `mcpServers` in `.mcp.json`: a program to start, or an address; further fields are the agent's affair. */
const server = z.looseObject({
  command: line.optional(),
  args: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()).optional(),
  url: line.optional(),
});
const servers = z
  .record(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), server)
  .refine((all) =>
    Object.values(all).every(({ command, url }) => command !== undefined || url !== undefined),
  );

/** One setting. */
export interface ConfigKey {
  /** As in `mstone.yaml`, levels joined with dots: `review.rounds`. */
  readonly key: string;
  /** What it must be, for people. */
  readonly type: string;
  /** What holds where nobody says anything, as YAML. */
  readonly default: string;
  readonly description: string;
  /** The environment variable that sets it. */
  readonly env: string;
}

/** What package managers, and nobody else, write; what runs the checks; mstone's own. */
const BARRIER =
  "[package-lock.json, npm-shrinkwrap.json, yarn.lock, pnpm-lock.yaml, bun.lock, Cargo.lock, go.sum, poetry.lock, uv.lock, Pipfile.lock, Gemfile.lock, composer.lock, '.github/workflows/**', mstone.yaml]";

interface Shape {
  /** Holds secrets, or says where they are: a file that others may commit has no say, and nothing of it is shown. */
  readonly own?: true;
  readonly type: string;
  readonly default: string;
  readonly description: string;
  readonly schema: z.ZodType;
  /** Replaced as a whole by a source that says it; one entry needs no brackets. */
  readonly list?: true;
}

const SHAPES = {
  agent: {
    schema: agentName,
    type: AGENT_NAMES,
    default: '(none)',
    description: 'Who implements, unless a milestone names another',
  },
  reviewer: {
    schema: agentName,
    type: AGENT_NAMES,
    default: '(the author)',
    description: 'Who reviews, in a session of its own',
  },
  reviewers: {
    schema: z.array(agentName).min(1).max(9),
    list: true,
    type: 'a list of agents and roles, such as `[claude, codex, security]`',
    default: '(the author)',
    description: 'Who reviews, where several do, each for itself; in place of `reviewer`',
  },
  roles: {
    schema: roles,
    type: 'a mapping from roles to paths, such as `{security: ["src/auth/**"]}`, or to `{paths: [...], agent: claude}`',
    default: '{}',
    description: 'A change that touches these paths is reviewed by that role, too',
  },
  model: {
    schema: model,
    type: MODEL,
    default: '(its own)',
    description: "The model of `agent`, before that agent's own; a milestone may name another",
  },
  jobs: {
    schema: jobs,
    type: 'a whole number from 1, or a share of the processors such as `50%`',
    default: '4',
    description: 'Agents alive at once, reviewers included; where nobody says it, as `subscription` has it',
  },
  subscription: {
    schema: z.enum(SUBSCRIPTIONS),
    type: '`pro`, `max5`, `max20` or `api`',
    default: '(not said)',
    description: 'What pays for agents: `jobs` is then 3, 5, 8 or 10 where nobody says it',
  },
  checks: {
    schema: z.array(line),
    list: true,
    type: COMMANDS,
    default: '[]',
    description: 'Must exit 0 before a milestone lands',
  },
  stage_checks: {
    schema: z.array(line),
    list: true,
    type: COMMANDS,
    default: '[]',
    description: "Must exit 0 once a stage's last milestone has landed",
  },
  expect_tests: {
    schema: z.union([z.boolean(), z.literal('auto')]),
    type: '`true`, `false` or `auto`',
    default: 'auto',
    description:
      'Whether a check that executed no test has failed: `auto` where a known runner says so, `true` also where no runner says anything',
  },
  gate_files: {
    schema: z.array(pathInside),
    list: true,
    type: 'a list of patterns of files, such as `[Makefile, "ci/**"]`; one without a slash means such a name in every folder',
    default: '(manifests, configuration of known runners and linters, CI)',
    description:
      'What the checks themselves run by: a change of these must be asked for by the milestone, beside scripts that checks start',
  },
  secrets: {
    schema: z.boolean(),
    type: '`true` or `false`',
    default: 'true',
    description: 'Whether work that holds a secret is kept from landing',
  },
  secrets_allowed: {
    schema: z.array(pathInside),
    list: true,
    type: 'a list of patterns of files, such as `[test/fixtures/**]`',
    default: '[]',
    description: 'Where what looks like a secret is none; your own credentials are none anywhere',
  },
  review: {
    schema: z.boolean(),
    type: '`false`, or a mapping of `rounds`, `block_on`, `stage`, `threshold`, `require` and `model`',
    default: 'true',
    description: 'Whether changes are reviewed at all',
  },
  'review.rounds': {
    schema: z.int().min(0).max(100),
    type: 'a whole number from 0 to 100',
    default: '3',
    description: 'Remediations that a review or a check may ask for',
  },
  'review.block_on': {
    schema: z.array(z.enum(['blocker', 'major', 'minor', 'nit'])),
    list: true,
    type: 'a list of severities: blocker, major, minor, nit',
    default: '[blocker, major]',
    description: 'Findings that keep a change from landing',
  },
  'review.stage': {
    schema: z.boolean(),
    type: '`true` or `false`',
    default: 'false',
    description:
      'Whether what a stage of several milestones brought is reviewed once more, as a whole, before the next begins',
  },
  approval: {
    schema: z.enum(['none', 'before', 'merge']),
    type: '`none`, `before` or `merge`',
    default: 'none',
    description:
      'Whether a person is asked of every milestone that does not say it itself: before an agent starts, or before its work lands',
  },
  'review.threshold': {
    schema: z.number().min(0).max(1),
    type: 'a number from 0 to 1',
    default: '(no score is asked for)',
    description: 'The least score of an approval',
  },
  'review.require': {
    schema: z.enum(['all', 'majority']),
    type: '`all` or `majority`',
    default: 'all',
    description:
      'How many of several reviewers must approve: with `majority` more than half, and nobody with a blocker',
  },
  'review.model': {
    schema: model,
    type: MODEL,
    default: '(as the author)',
    description: "The model of a reviewer that is the author's own agent",
  },
  'merge.parallel': {
    schema: z.int().min(1).max(16),
    type: 'a whole number from 1 to 16',
    default: '2',
    description:
      'Candidates that are checked at once, each made on the one before it; 1: one after the other',
  },
  'merge.strict': {
    schema: z.enum(['auto', 'every-commit', 'head']),
    type: '`auto`, `every-commit` or `head`',
    default: 'auto',
    description:
      'Which commits passed by themselves: each that lands, or those that the target stands at; `auto`: the latter once more than four times `merge.parallel` wait',
  },
  'merge.barrier': {
    schema: z.array(line),
    list: true,
    type: 'a list of patterns of paths, such as `["*.lock"]`',
    default: BARRIER,
    description: "Files that others' verdicts rest on: who touches one lands by itself",
  },
  'merge.forecast': {
    schema: duration(0),
    type: DURATION,
    default: '30s',
    description:
      'The least time between two looks for conflicts to come: whether what has been committed so far would merge',
  },
  retries: {
    schema: z.int().min(0).max(100),
    type: 'a whole number from 0 to 100',
    default: '1',
    description: 'Further attempts after a failed first one',
  },
  backoff: {
    schema: duration(0),
    type: DURATION,
    default: '30s',
    description: 'Pause before the second attempt; doubles with each further one, up to 15 minutes',
  },
  'worktrees.dir': {
    schema: anyFolder,
    type: FOLDER,
    default: '(in the XDG state directory)',
    description: 'Where worktrees are made',
  },
  'worktrees.setup': {
    schema: z.array(line),
    list: true,
    type: COMMANDS,
    default: '[]',
    description: 'Run in a worktree before it is worked or checked in',
  },
  'worktrees.copy': {
    schema: z.array(pathInside),
    list: true,
    type: PATHS,
    default: '[]',
    description: 'Files brought from your checkout into each worktree, such as .env',
  },
  'worktrees.keep': {
    schema: z.array(pathInside),
    list: true,
    type: PATHS,
    default: '[]',
    description: 'What stays in a worktree when it is cleaned, such as node_modules',
  },
  'worktrees.sparse': {
    schema: z.boolean(),
    type: '`true` or `false`',
    default: 'false',
    description:
      'Of a large repository only the folders that a milestone’s `paths` name are in the worktrees in which it is implemented, reviewed and checked',
  },
  'timeouts.agent': {
    schema: duration(1),
    type: DURATION,
    default: '45m',
    description: 'Longest time of one assignment',
  },
  'timeouts.idle': {
    schema: duration(1),
    type: DURATION,
    default: '10m',
    description: 'Longest silence of an agent',
  },
  'timeouts.check': {
    schema: duration(1),
    type: DURATION,
    default: '15m',
    description: 'Longest time of one check',
  },
  'timeouts.repeats': {
    schema: z.union([z.literal(false), z.int().min(2).max(10_000)]),
    type: 'a whole number from 2, or `false`',
    default: '20',
    description:
      'How often an agent may make the same call of a tool in a row, or the same two or three in turn',
  },
  brief: {
    schema: z.array(pathInside),
    list: true,
    type: PATHS,
    default: '[AGENTS.md, CLAUDE.md, PROJECT_DIRECTION.md]',
    description: 'Files whose text goes into every brief, as committed, where they are there',
  },
  brief_limit: {
    schema: z.int().min(2000).max(16_000_000),
    type: 'a number of characters, at least 2000',
    default: '200000',
    description: 'A longer brief is cut, which is told; the milestone and its criteria never are',
  },
  'limits.wait': {
    schema: z.boolean(),
    type: '`true` or `false`',
    default: 'true',
    description: 'Wait for usage limits to reset; false: pause and exit 75',
  },
  'limits.reserve': {
    schema: z.union([z.literal(false), z.string().regex(/^[1-9]\d?%$/)]),
    type: 'a share such as `10%`, below 100%, or `false`',
    default: '10%',
    description:
      "What of a subscription's window is left to milestones that have begun: with no more than that left, no other starts on it until the window is over",
  },
  'limits.starts_per_minute': {
    schema: z.number().positive().max(1000),
    type: 'a number, more than 0, such as `6` or `0.5`',
    default: '(no bound)',
    description: 'How many agents are started in a minute',
  },
  'limits.burst': {
    schema: z.int().min(1).max(1000),
    type: 'a whole number from 1',
    default: '1',
    description: 'How many of them at once, after a pause',
  },
  milestones: {
    schema: milestonesPath,
    type: 'a folder inside the repository, relative to its root, without `..` and `.git`',
    default: 'milestones',
    description: 'Where milestones are, and in `templates/` below it your own prompts',
  },
  tasks_file: {
    schema: tasksPath,
    type: 'a markdown file inside the repository, relative to its root, outside the folder of milestones',
    default: 'TASKS.md',
    description: 'Where mstone shows what has landed',
  },
  log_dir: {
    schema: anyFolder,
    type: FOLDER,
    default: "(with each run's state)",
    description: 'Where logs of agents and checks go, a folder for each run',
  },
  'logs.max': {
    schema: size,
    type: 'a size such as `2GB` or `500MB`, or `false`',
    default: '512MB',
    description: 'What an agent may print; one that prints more is ended',
  },
  'logs.keep': {
    schema: size,
    type: 'a size such as `2GB` or `500MB`, or `false`',
    default: '2GB',
    description:
      'What all logs may take on disk; beyond it those of the oldest finished runs are removed when a run begins',
  },
  pressure: {
    schema: z.boolean(),
    type: '`false`, or a mapping of `memory`, `disk` and `cpu`',
    default: 'true',
    description: 'Whether no further agent starts while the machine is short of something',
  },
  'pressure.memory': {
    schema: share,
    type: SHARE,
    default: '90%',
    description: 'Memory in use from which on it is short',
  },
  'pressure.disk': {
    schema: size,
    type: 'a size such as `2GB` or `500MB`, or `false`',
    default: '2GB',
    description: 'Free disk, for worktrees and state, below which it is short',
  },
  'pressure.cpu': {
    schema: share,
    type: SHARE,
    default: '(not looked at)',
    description: 'Processors in use from which on they are short',
  },
  'budget.usd': {
    schema: money,
    type: MONEY,
    default: '(none)',
    description: 'What a run may cost, resumed ones included; it pauses with exit 75 before it costs more',
  },
  'budget.per_milestone': {
    schema: money,
    type: MONEY,
    default: '(by what agents cost so far)',
    description:
      'Put aside before an agent starts; else 1.5 times the median of such agents in this run, at first 5 % of the budget',
  },
  'budget.per_day': {
    schema: money,
    type: MONEY,
    default: '(none)',
    description:
      'What all runs in this repository may cost on one day of the local calendar; then a run pauses with exit 75 until midnight',
  },
  'budget.tokens': {
    schema: z.int().positive(),
    type: 'a whole number, more than 0, such as `20000000`',
    default: '(none)',
    description:
      'Tokens that a run may use, sent and received, what came from a cache included; it pauses with exit 75 before it uses more',
  },
  mcp_servers: {
    schema: servers,
    type: 'a mapping from names to servers, each with a `command` or a `url`, as under `mcpServers` in `.mcp.json`',
    default: '(those of .mcp.json)',
    description: "MCP servers that a claude or codex author's tools may come from",
  },
  credentials: {
    schema: credentials,
    own: true,
    type: 'a list of `{name: work, env: {ANTHROPIC_API_KEY: …}}`, each with `agents: [claude]` where not the variables say it; in your own file only',
    default: '[]',
    description: 'What agents may be started on beside their own login, in this order',
  },
  keys_file: {
    schema: anyFolder,
    own: true,
    type: 'an absolute path of a file outside the repository, which nobody else may read; in your own file only',
    default: '(api-keys.json beside your own file)',
    description: 'Further credentials, as JSON: `[{"name": "work", "env": {"ANTHROPIC_API_KEY": "…"}}]`',
  },
  auth: {
    schema: z.enum(AUTH_ORDERS),
    type: '`login-first`, `keys-first` or `keys-only`',
    default: 'login-first',
    description: "Whether an agent's own login is used before its credentials, after them or never",
  },
  stages: {
    schema: z.literal('strict'),
    type: '`strict`',
    default: 'strict',
    description: 'How stages follow each other',
  },
  'git.hooks': {
    schema: z.boolean(),
    type: '`true` or `false`',
    default: 'false',
    description:
      'Whether your `pre-commit` hook is a check of each milestone’s work, with all of its change staged; no hook runs on commits that mstone makes itself',
  },
  isolation: {
    schema: z.enum(['worktree', 'clone']),
    type: '`worktree` or `clone`',
    default: 'worktree',
    description:
      'How agents are kept apart: in linked worktrees, which share your refs, or in repositories of their own, which share nothing but objects to read',
  },
  sandbox: {
    schema: z.enum(['none', 'bubblewrap']),
    type: '`none` or `bubblewrap`',
    default: 'none',
    description:
      'What agents, checks and setup are shut into: with `bubblewrap` they write nowhere but in their worktree, a temporary folder of their own and their CLI’s own folders; it comes with `isolation: clone`',
  },
  sandbox_network: {
    schema: z.boolean(),
    type: '`true` or `false`',
    default: 'true',
    description: 'Whether what is in the sandbox reaches the network',
  },
  sandbox_write: {
    schema: z.array(writable),
    list: true,
    type: 'a list of absolute paths, or of paths that begin with `~/`',
    default: '[]',
    description:
      'Further places where what is in the sandbox may write, such as the cache of a package manager',
  },
  land: {
    schema: z.enum(['each', 'stage', 'end', 'pr']),
    type: '`each`, `stage`, `end` or `pr`',
    default: 'each',
    description:
      'When finished work reaches the target: with each landing, once a stage is complete, at the end of the run, or through pull requests; until then it is on `mstone/<target>`',
  },
  'pr.per': {
    schema: z.enum(['milestone', 'stage']),
    type: '`milestone` or `stage`',
    default: 'stage',
    description: 'With `land: pr`: a pull request for each of these',
  },
  'pr.remote': {
    schema: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/),
    type: "a remote's name, such as `origin`",
    default: 'origin',
    description: 'With `land: pr`: where branches are pushed to',
  },
  run_branch: {
    schema: z.boolean(),
    type: '`true` or `false`',
    default: 'false',
    description:
      'A run lands on a new branch of its own, `run/2026-11-20-06-30`, made from the one checked out',
  },
  'tags.stage': {
    schema: z.string().regex(TAG),
    type: 'the name of a tag with `{stage}` in it, such as `stage-{stage}`',
    default: '(none)',
    description:
      'What the commit with which a stage is complete is tagged with; a tag that is there is never moved',
  },
} as const satisfies Record<string, Shape>;

/** The settings that have one value each; `agents` comes on top and is merged by name. */
export type LeafKey = keyof typeof SHAPES;
export type LeafValue<K extends LeafKey> = z.output<(typeof SHAPES)[K]['schema']>;

export const leafKeys = Object.keys(SHAPES) as readonly LeafKey[];

export const shapeOf = (key: LeafKey): Shape => SHAPES[key];

/** Whether a setting's value is a time in ms. */
export const isDuration = (key: string): boolean => isLeafKey(key) && shapeOf(key).type === DURATION;

export const isLeafKey = (key: string): key is LeafKey => Object.hasOwn(SHAPES, key);

/** What `version` in a file may say. A file without it is of this version, too. */
export const CONFIG_VERSION = 1;

/** Words of the design that this version refuses. */
export const LATER_VALUES: Readonly<Record<string, readonly string[]>> = {
  stages: ['overlap'],
};

/** Keys of before, and of tools like this one: each still means its successor, with a warning. */
export const DEPRECATED: Readonly<Record<string, { readonly key: LeafKey; readonly since: string }>> = {
  milestones_dir: { key: 'milestones', since: '0.1.0' },
  max_parallel: { key: 'jobs', since: '0.1.0' },
  test_command: { key: 'checks', since: '0.1.0' },
  setup_command: { key: 'worktrees.setup', since: '0.1.0' },
  review_rounds: { key: 'review.rounds', since: '0.1.0' },
};

/** Words that people type for a key and that no spelling leads to; they are refused, with its name. */
export const MEANT: Readonly<Record<string, LeafKey | 'agents'>> = {
  parallel: 'jobs',
  concurrency: 'jobs',
  max_instances: 'jobs',
  workers: 'jobs',
  tests: 'checks',
  gate: 'checks',
  setup: 'worktrees.setup',
  copy: 'worktrees.copy',
  keep: 'worktrees.keep',
  rounds: 'review.rounds',
  block_on: 'review.block_on',
  timeout: 'timeouts.agent',
  logs: 'log_dir',
  providers: 'agents',
};

/** `review.block_on` → `MSTONE_REVIEW_BLOCK_ON`. */
export const envName = (key: string): string => `MSTONE_${key.toUpperCase().replaceAll('.', '_')}`;

/** Flags of `run` that are settings: their twin is the setting's own. */
export const FLAG_KEYS: ReadonlyMap<string, LeafKey> = new Map([
  ['--jobs', 'jobs'],
  ['--agent', 'agent'],
  ['--model', 'model'],
  ['--no-wait', 'limits.wait'],
  ['--max-cost', 'budget.usd'],
  ['--run-branch', 'run_branch'],
]);

/** Names that mstone gives to agents. They are no settings, even where a nested mstone inherits them. */
export const PROTOCOL_NAMES: ReadonlySet<string> = new Set([
  'MSTONE_MILESTONE',
  'MSTONE_PURPOSE',
  'MSTONE_ATTEMPT',
  'MSTONE_BASE',
  'MSTONE_PROMPT_FILE',
  'MSTONE_CONTEXT_FILE',
  'MSTONE_NOTES_FILE',
  'MSTONE_ROLE',
  'MSTONE_SLOT',
  'MSTONE_TAG',
  'MSTONE_GUARD_LOG',
  'MSTONE_DEMO_PAUSE',
]);

const variable = z.string().regex(/^(?!(?:MSTONE|GIT)_)[A-Za-z_][A-Za-z0-9_]*$/);
const env = z
  .record(variable, z.union([z.string().regex(/^[^\u0000]*$/), z.number(), z.boolean()]))
  .transform((entries) =>
    Object.fromEntries(Object.entries(entries).map(([name, text]) => [name, String(text)])),
  )
  .default({});

const argument = z.string().regex(/^[^\u0000]*$/);
/** Who takes over. */
const fallback = agentName.optional();
/** A program and its arguments. */
const command = z
  .array(argument)
  .refine(([program]) => /\S/.test(program ?? ''))
  .meta({ minItems: 1 });
const cli = (program: string) => ({
  command: command.default([program]),
  model: model.optional(),
  args: z.array(argument).default([]),
  fallback,
  env,
});

/** What Claude Code needs to write, run and look things up; MCP servers' tools are added by their servers' names. */
const CLAUDE_TOOLS = [
  'Bash',
  'Edit',
  'Glob',
  'Grep',
  'NotebookEdit',
  'Read',
  'Skill',
  'Task',
  'TodoWrite',
  'WebFetch',
  'WebSearch',
  'Write',
];

const KINDS = {
  recipe: z.strictObject({ kind: z.literal('recipe'), env }),
  command: z.strictObject({ kind: z.literal('command'), command, fallback, env }),
  claude: z.strictObject({
    kind: z.literal('claude'),
    ...cli('claude'),
    fallback_model: model.optional(),
    permission: z.enum(['dontAsk', 'acceptEdits', 'auto', 'bypassPermissions']).default('dontAsk'),
    tools: z.array(line).default(CLAUDE_TOOLS),
  }),
  codex: z.strictObject({
    kind: z.literal('codex'),
    ...cli('codex'),
    sandbox: z.enum(['read-only', 'workspace-write', 'danger-full-access']).default('workspace-write'),
  }),
  gemini: z.strictObject({ kind: z.literal('gemini'), ...cli('gemini') }),
  opencode: z.strictObject({ kind: z.literal('opencode'), ...cli('opencode') }),
  acp: z.strictObject({ kind: z.literal('acp'), command, fallback, env }),
} as const satisfies { readonly [K in AgentConfig['kind']]: z.ZodType };

export const agentKinds = Object.keys(KINDS) as readonly AgentConfig['kind'][];

/** The fields that an agent of a kind may have, `kind` first. */
export const agentFields = (kind: AgentConfig['kind']): readonly string[] => Object.keys(KINDS[kind].shape);

export const agentNameSchema = agentName;
export const agentSchema: z.ZodType<AgentConfig> = z.discriminatedUnion('kind', [
  KINDS.recipe,
  KINDS.command,
  KINDS.claude,
  KINDS.codex,
  KINDS.gemini,
  KINDS.opencode,
  KINDS.acp,
]);

/** Agents that are there without being configured, under the names of their kinds. */
export const builtInAgents: ReadonlyMap<string, AgentConfig> = new Map(
  (['recipe', 'claude', 'codex', 'gemini', 'opencode'] as const).map((kind) => [
    kind,
    agentSchema.parse({ kind }),
  ]),
);

export const AGENT_FIELDS: Readonly<Record<string, string>> = {
  kind: 'claude, codex, gemini, opencode, acp, command or recipe',
  command: 'a program and its arguments as a list, such as `[node, tools/agent.mjs]`',
  model: MODEL,
  fallback: 'the name of another agent: a kind, or one under `agents`',
  fallback_model: MODEL,
  args: 'a list of further arguments, such as `[--verbose]`',
  permission: '`dontAsk`, `acceptEdits`, `auto` or `bypassPermissions`',
  tools: 'a list of tools, such as `[Read, Edit, "Bash(npm *)"]`',
  sandbox: '`read-only`, `workspace-write` or `danger-full-access`',
  env: 'a mapping from names of variables to text; names that begin with MSTONE_ or GIT_ are taken',
};

/** All settings, for documentation, `mstone config` and tests. */
export const configKeys: readonly ConfigKey[] = [
  ...leafKeys.map((key) => {
    const { type, default: fallback, description } = shapeOf(key);
    return { key, type, default: fallback, description, env: envName(key) };
  }),
  {
    key: 'agents',
    type: 'a mapping from names to `{kind: claude, model: sonnet}`, `{kind: command, command: [...]}` and the like; the name of a kind needs no `kind`',
    default: '{}',
    description:
      'Agents by name; sources are merged name by name; `recipe`, `claude`, `codex`, `gemini` and `opencode` are always there',
    env: envName('agents'),
  },
];

/** `mstone.yaml` as JSON Schema, for editors. Durations and paths are looked at more closely when read. */
export function configSchema(): object {
  const properties: Record<string, object> = {};
  const inner = new Map<string, Record<string, object>>();
  for (const key of leafKeys) {
    const [outer = key, part] = key.split('.');
    const schema = leafSchema(key);
    if (part === undefined) properties[outer] = schema;
    else {
      const parts = inner.get(outer) ?? {};
      inner.set(outer, { ...parts, [part]: schema });
      properties[outer] ??= {};
    }
  }
  for (const [outer, parts] of inner) {
    const mapping = { type: 'object', properties: parts, additionalProperties: false };
    if (!isLeafKey(outer)) properties[outer] = mapping;
    else {
      const { description, default: fallback, ...schema } = leafSchema(outer);
      properties[outer] = { description, default: fallback, anyOf: [schema, mapping] };
    }
  }
  const agents = configKeys.find(({ key }) => key === 'agents');
  properties.agents = {
    description: `${agents?.description}: ${agents?.type}`,
    default: {},
    ...agentsSchema(),
  };
  for (const [old, { key, since }] of Object.entries(DEPRECATED)) {
    const { description: _, default: __, ...shape } = leafSchema(key);
    properties[old] = { description: `Since ${since}: ${key}`, deprecated: true, ...shape };
  }
  const settings = { type: 'object', properties, additionalProperties: false };
  const version = {
    description: `The version of this format; a newer one is refused by an mstone that does not know it: ${CONFIG_VERSION}`,
    const: CONFIG_VERSION,
  };
  const profiles = {
    description: 'Settings by name that `--profile NAME` puts before all others of the files',
    type: 'object',
    additionalProperties: settings,
  };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...settings,
    properties: { version, ...properties, profiles },
    $defs: Object.fromEntries(
      agentKinds.flatMap((kind) => {
        const { $schema: _, ...shape } = z.toJSONSchema(KINDS[kind], { io: 'input' });
        const unnamed = { ...shape, required: shape.required?.filter((field) => field !== 'kind') };
        return [
          [kind, shape],
          [byName(kind), unnamed],
        ];
      }),
    ),
  };
}

const byName = (kind: string): string => `${kind}_by_name`;

/** Agents by name; one that bears the name of a kind may leave `kind` out. */
function agentsSchema(): object {
  const { propertyNames } = z.toJSONSchema(z.record(agentName, z.unknown()), { io: 'input' });
  const refTo = (name: string) => ({ $ref: `#/$defs/${name}` });
  const any = agentKinds.map(refTo);
  return {
    type: 'object',
    propertyNames,
    properties: Object.fromEntries(
      agentKinds.map((kind) => {
        const own = refTo(byName(kind));
        return [kind, kind === 'recipe' ? own : { anyOf: [own, ...any] }];
      }),
    ),
    additionalProperties: { anyOf: any },
  };
}

function leafSchema(key: LeafKey): { readonly [word: string]: unknown } {
  const { schema, list, default: fallback, ...shape } = shapeOf(key);
  const { $schema: _, ...said } = z.toJSONSchema(schema, { io: 'input' });
  return {
    description: `${shape.description}: ${shape.type}`,
    ...(fallback.startsWith('(') ? {} : { default: parse(fallback) }),
    ...(list && said.items ? { anyOf: [said, said.items] } : said),
  };
}
