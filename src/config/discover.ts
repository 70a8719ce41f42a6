/**
 * What a project's own files say about how it is tested and made ready → a first `mstone.yaml`.
 * Reads nothing itself: the names and texts of files, and which programs are installed, are passed in.
 */
/** What is looked at. Names are those of the repository's top folder. */
export interface ProjectFacts {
  readonly names: ReadonlySet<string>;
  /** The texts of those in `TELLING` that are there. */
  readonly texts: ReadonlyMap<string, string>;
  /** Files of secrets that are there and not committed. */
  readonly secrets: readonly string[];
  /** Coding agents that are installed. */
  readonly agents: readonly string[];
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

/** Commands that are looked for on the PATH. */
export const AGENT_COMMANDS = ['claude', 'codex', 'gemini', 'opencode'] as const;

/** What was found, with the reason of each. */
export interface Discovery {
  readonly checks: readonly string[];
  readonly setup: readonly string[];
  readonly copy: readonly string[];
  readonly keep: readonly string[];
  readonly agents: readonly string[];
  /** One sentence per thing that was found, for people. */
  readonly found: readonly string[];
}

interface Kind {
  readonly check?: string;
  readonly setup?: string;
  readonly keep?: string;
  readonly found: string;
}

export function discover(facts: ProjectFacts): Discovery {
  const kinds = [node(facts), python(facts), rust(facts), go(facts)].flatMap((kind) => kind ?? []);
  const all = kinds.length > 0 ? kinds : [make(facts)].flatMap((kind) => kind ?? []);
  const { secrets, agents } = facts;
  return {
    checks: all.flatMap(({ check }) => check ?? []),
    setup: all.flatMap(({ setup }) => setup ?? []),
    copy: secrets,
    keep: all.flatMap(({ keep }) => keep ?? []),
    agents,
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
    return { found: `uv.lock: uv, ${word}`, setup: 'uv sync --frozen', keep: '.venv', ...run };
  }
  if (names.has('poetry.lock')) {
    const run = tests ? { check: 'poetry run pytest' } : {};
    return { found: `poetry.lock: poetry, ${word}`, setup: 'poetry install', ...run };
  }
  return { found: `Python: ${word}`, ...(tests ? { check: 'python3 -m pytest' } : {}) };
}

const rust = ({ names }: ProjectFacts): Kind | undefined =>
  names.has('Cargo.toml') ? { found: 'Cargo.toml: cargo', check: 'cargo test', keep: 'target' } : undefined;

const go = ({ names }: ProjectFacts): Kind | undefined =>
  names.has('go.mod') ? { found: 'go.mod: go', check: 'go test ./...' } : undefined;

function make({ texts }: ProjectFacts): Kind | undefined {
  const text = texts.get('Makefile') ?? texts.get('makefile');
  return text !== undefined && /^(?:test|check)\s*:(?!=)/m.test(text)
    ? { found: 'Makefile: make', check: /^test\s*:(?!=)/m.test(text) ? 'make test' : 'make check' }
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

/** The first `mstone.yaml`: what was found, and beside it in comments what else there is to say. */
export function firstConfig(found: Discovery, schema: string): string {
  // A list in JSON is one in YAML, whatever its entries hold.
  const list = (key: string, values: readonly string[], example: string): string =>
    values.length > 0 ? `${key}: ${JSON.stringify(values)}` : `# ${key}: ${example}`;
  const installed =
    found.agents.length === 0
      ? []
      : [
          `# Installed here: ${found.agents.join(', ')}. Kinds of their own are not there yet: write a program that`,
          '# reads the prompt on stdin and starts yours, and name that.',
        ];
  const { setup, copy, keep } = found;
  const some = [setup, copy, keep].some((values) => values.length > 0);
  return `${[
    `# yaml-language-server: $schema=${schema}`,
    '# What is left out has its default.',
    '',
    "# Who implements. A recipe is the milestone's own `## Recipe`: a shell script, no account needed.",
    'agent: recipe',
    ...installed,
    '# agent: mine',
    '# agents:',
    '#   mine: { kind: command, command: [node, tools/agent.mjs] }',
    '',
    '# Must exit 0 before a milestone lands.',
    list('checks', found.checks, '["npm test"]'),
    '',
    '# A fresh agent holds each change against the exit criteria. Turn it on once an agent is named.',
    'review: false',
    '',
    '# Agents alive at once, reviewers included.',
    '# jobs: 4',
    '',
    '# Each agent works in a git worktree outside your checkout: what is run in a fresh one, what is brought',
    '# there from your checkout, and what stays when it is cleaned.',
    some ? 'worktrees:' : '# worktrees:',
    `  ${list('setup', setup, '["npm ci"]')}`,
    `  ${list('copy', copy, '[".env"]')}`,
    `  ${list('keep', keep, '["node_modules"]')}`,
  ].join('\n')}\n`;
}
