/**
 * What a project's own files say about how it is tested and made ready → a first `mstone.yaml`.
 * Reads nothing itself: the names and texts of files, and which programs are installed, are passed in.
 */
import { KNOWN_AGENTS } from '../model/known-agents.js';

/** What is looked at. Names are those of the repository's top folder. */
export interface ProjectFacts {
  readonly names: ReadonlySet<string>;
  /** The texts of those in `TELLING` that are there. */
  readonly texts: ReadonlyMap<string, string>;
  /** Files of secrets that are there and not committed. */
  readonly secrets: readonly string[];
}

/** Files whose text says how the project is tested. */
export const TELLING = [
  'package.json',
  'pyproject.toml',
  'requirements.txt',
  'Makefile',
  'makefile',
] as const;

/** Files that a fresh worktree lacks and that are often needed. */
export const SECRETS = ['.env', '.env.local', '.envrc'] as const;

/** A command that tests the project, and what told of it. */
export interface FoundCheck {
  readonly command: string;
  /** A file's name. */
  readonly from: string;
}

/** What was found, with the reason of each. */
export interface Discovery {
  readonly checks: readonly FoundCheck[];
  readonly setup: readonly string[];
  readonly copy: readonly string[];
  readonly keep: readonly string[];
  /** One sentence per thing that was found, for people. */
  readonly found: readonly string[];
}

interface Kind {
  /** What told of it: the name of a file. */
  readonly from: string;
  readonly check?: string;
  readonly setup?: string;
  readonly keep?: string;
  readonly found: string;
}

export function discover(facts: ProjectFacts): Discovery {
  const kinds = [node(facts), python(facts), rust(facts), go(facts)].flatMap((kind) => kind ?? []);
  const all = kinds.length > 0 ? kinds : [make(facts)].flatMap((kind) => kind ?? []);
  const { secrets } = facts;
  return {
    checks: all.flatMap(({ check, from }) => (check === undefined ? [] : [{ command: check, from }])),
    setup: all.flatMap(({ setup }) => setup ?? []),
    copy: secrets,
    keep: all.flatMap(({ keep }) => keep ?? []),
    found: [
      ...all.map(({ found }) => found),
      ...(secrets.length > 0 ? [`${secrets.join(', ')}: copied into each worktree`] : []),
    ],
  };
}

/** Install command by lock file, the first that is there. */
const LOCKS: readonly (readonly [file: string, manager: string])[] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
];

function node({ names, texts }: ProjectFacts): Kind | undefined {
  const text = texts.get('package.json');
  if (text === undefined) return undefined;
  const manifest = mappingOf(text);
  const lock = LOCKS.find(([file]) => names.has(file));
  const said = /^(npm|pnpm|yarn|bun)@(\d+)/.exec(String(manifest.packageManager ?? ''));
  const manager = said?.[1] ?? lock?.[1] ?? 'npm';
  const locked = lock?.[1] === manager;
  const scripts = manifest.scripts;
  const test = isMapping(scripts) && typeof scripts.test === 'string' ? scripts.test : undefined;
  // What `npm init` writes is no test.
  const tests = test !== undefined && !/no test specified/.test(test);
  const needs = [manifest.dependencies, manifest.devDependencies].some(
    (list) => isMapping(list) && Object.keys(list).length > 0,
  );
  const berry = names.has('.yarnrc.yml') || (said?.[1] === 'yarn' && Number(said[2]) > 1);
  const install = {
    npm: locked ? 'npm ci' : 'npm install',
    pnpm: locked ? 'pnpm install --frozen-lockfile' : 'pnpm install',
    yarn: locked ? `yarn install ${berry ? '--immutable' : '--frozen-lockfile'}` : 'yarn install',
    bun: locked ? 'bun install --frozen-lockfile' : 'bun install',
  }[manager];
  const check = manager === 'bun' ? 'bun run test' : `${manager} test`;
  const found = `package.json: ${manager}${tests ? '' : ', no test script'}`;
  return {
    from: 'package.json',
    found,
    ...(tests ? { check } : {}),
    ...(needs && install !== undefined ? { setup: install, keep: 'node_modules' } : {}),
  };
}

function python({ names, texts }: ProjectFacts): Kind | undefined {
  const project = texts.get('pyproject.toml');
  const requirements = texts.get('requirements.txt');
  if (project === undefined && requirements === undefined && !names.has('pytest.ini')) return undefined;
  const tests = names.has('pytest.ini') || /\bpytest\b/.test(`${project ?? ''}\n${requirements ?? ''}`);
  const word = tests ? 'pytest' : 'no pytest';
  if (names.has('uv.lock')) {
    const run = tests ? { check: 'uv run pytest' } : {};
    return {
      from: 'uv.lock',
      found: `uv.lock: uv, ${word}`,
      setup: 'uv sync --frozen',
      keep: '.venv',
      ...run,
    };
  }
  if (names.has('poetry.lock')) {
    const run = tests ? { check: 'poetry run pytest' } : {};
    return { from: 'poetry.lock', found: `poetry.lock: poetry, ${word}`, setup: 'poetry install', ...run };
  }
  const from =
    tests && names.has('pytest.ini') ? 'pytest.ini' : project ? 'pyproject.toml' : 'requirements.txt';
  return { from, found: `Python: ${word}`, ...(tests ? { check: 'python3 -m pytest' } : {}) };
}

const rust = ({ names }: ProjectFacts): Kind | undefined =>
  names.has('Cargo.toml')
    ? { from: 'Cargo.toml', found: 'Cargo.toml: cargo', check: 'cargo test', keep: 'target' }
    : undefined;

const go = ({ names }: ProjectFacts): Kind | undefined =>
  names.has('go.mod') ? { from: 'go.mod', found: 'go.mod: go', check: 'go test ./...' } : undefined;

function make({ texts }: ProjectFacts): Kind | undefined {
  const text = texts.get('Makefile') ?? texts.get('makefile');
  return text !== undefined && /^(?:test|check)\s*:(?!=)/m.test(text)
    ? {
        from: texts.has('Makefile') ? 'Makefile' : 'makefile',
        found: 'Makefile: make',
        check: /^test\s*:(?!=)/m.test(text) ? 'make test' : 'make check',
      }
    : undefined;
}

function mappingOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''));
    return isMapping(value) ? value : {};
  } catch (error) {
    // A manifest that is broken says nothing; whoever runs the project will hear of it.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What the first `mstone.yaml` says. */
export interface FirstSettings {
  /** A kind's name, `recipe`, or a name of one's own where `command` says what it is. */
  readonly agent: string;
  /** The program and its arguments, where the agent is a program of the user's. */
  readonly command?: readonly string[];
  /** False: nobody reviews; a name: that agent does. */
  readonly review: boolean | string;
  readonly checks: readonly string[];
  readonly setup: readonly string[];
  readonly copy: readonly string[];
  readonly keep: readonly string[];
  /** A number, or a share of the processors such as `50%`; undefined: the default. */
  readonly jobs?: number | string;
}

/** The first `mstone.yaml`: what was found or answered, and beside it in comments what else there is to say. */
export function firstConfig(said: FirstSettings, schema: string): string {
  // A list in JSON is one in YAML, whatever its entries hold.
  const list = (key: string, values: readonly string[], example: string): string =>
    values.length > 0 ? `${key}: ${JSON.stringify(values)}` : `# ${key}: ${example}`;
  const { agent, command, review, setup, copy, keep, jobs } = said;
  const some = [setup, copy, keep].some((values) => values.length > 0);
  const agents =
    command === undefined
      ? ['# agents:', '#   mine: { kind: command, command: [node, tools/agent.mjs] }']
      : ['agents:', `  ${agent}: { kind: command, command: ${JSON.stringify(command)} }`];
  const reviews =
    agent === 'recipe' && review !== 'recipe'
      ? '# A fresh agent holds each change against the exit criteria. Turn it on once an agent is named.'
      : '# A fresh agent, never the author itself, holds each change against the exit criteria.';
  return `${[
    `# yaml-language-server: $schema=${schema}`,
    '# What is left out has its default.',
    '',
    `# Who implements: ${KNOWN_AGENTS.map(({ name }) => name).join(', ')}, a program of yours, or \`recipe\`, the milestone's own`,
    '# `## Recipe`: a shell script, no account needed.',
    `agent: ${agent}`,
    ...agents,
    '',
    '# Must exit 0 before a milestone lands.',
    list('checks', said.checks, '["npm test"]'),
    '',
    reviews,
    `review: ${review !== false}`,
    ...(typeof review === 'string' ? [`reviewer: ${review}`] : []),
    '',
    '# Agents alive at once, reviewers included.',
    jobs === undefined ? '# jobs: 4' : `jobs: ${jobs}`,
    '',
    '# Each agent works in a git worktree outside your checkout: what is run in a fresh one, what is brought',
    '# there from your checkout, and what stays when it is cleaned.',
    some ? 'worktrees:' : '# worktrees:',
    `  ${list('setup', setup, '["npm ci"]')}`,
    `  ${list('copy', copy, '[".env"]')}`,
    `  ${list('keep', keep, '["node_modules"]')}`,
  ].join('\n')}\n`;
}
