/** `mstone init`: from nothing, and from what is there, to something that validates and runs. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { main } from '../../src/cli/index.js';
import { discover, type ProjectFacts } from '../../src/config/discover.js';
import { resolveConfig } from '../../src/config/index.js';
import { parseMilestone } from '../../src/milestone/index.js';
import { inside, makeInside } from '../rig/inside.js';
import { pathWith } from '../rig/project.js';
import { isolated } from '../rig/repository.js';

const CLAUDE = '#!/bin/sh\necho "2.1.329 (Claude Code)"\n';

let parent: string;
let dir: string;
let env: Record<string, string>;
beforeEach(() => {
  parent = realpathSync(mkdtempSync(join(tmpdir(), 'mstone-init-')));
  dir = join(parent, 'project');
  mkdirSync(dir);
  writeFileSync(
    join(parent, 'gitconfig'),
    '[init]\n\tdefaultBranch = main\n[user]\n\tname = A\n\temail = a@b\n',
  );
  env = {
    ...isolated,
    PATH: pathWith(join(parent, 'bin')),
    HOME: parent,
    XDG_STATE_HOME: join(parent, 'state'),
    XDG_CONFIG_HOME: join(parent, 'config'),
    GIT_CONFIG_GLOBAL: join(parent, 'gitconfig'),
  };
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const mstone = (...args: string[]) => inside(args, dir, env);
const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
};
const read = (path: string): string => readFileSync(join(dir, path), 'utf8');

/** The settings that the written file makes, those at their default left out. */
function settings(): Record<string, unknown> {
  const { config, origins, diagnostics } = resolveConfig({
    flags: {},
    env: {},
    cpus: 2,
    project: { file: 'mstone.yaml', text: read('mstone.yaml') },
  });
  expect(diagnostics).toEqual([]);
  const { agent, checks, review, worktrees } = config;
  const said = [...origins].flatMap(([key, { from }]) => (from === 'project' ? [key] : []));
  return { said, agent, checks, review, worktrees };
}

it('makes an empty folder a project that validates and runs', async () => {
  expect(await mstone('init')).toEqual({
    code: 0,
    stdout: [
      `Made a git repository in ${dir}.`,
      'Wrote mstone.yaml.',
      'Wrote milestones/1A.md.',
      '',
      "Agent: recipe: each milestone's own script, until you name an agent in mstone.yaml",
      'To have one: npm install -g @anthropic-ai/claude-code (or @openai/codex, @google/gemini-cli, opencode-ai)',
      'Checks: none',
      'Review: off, until an agent is named',
      'Setup of a worktree: none',
      'Next: mstone validate',
      '',
    ].join('\n'),
    stderr: '',
  });
  expect(settings()).toEqual({
    said: ['agent', 'review'],
    agent: 'recipe',
    checks: [],
    review: false,
    worktrees: { setup: [], copy: [], keep: [], sparse: false },
  });
  expect(read('mstone.yaml').split('\n')[0]).toBe(
    '# yaml-language-server: $schema=./node_modules/mstone/docs/schemas/mstone.schema.json',
  );
  expect(await mstone('validate')).toEqual({
    code: 0,
    stdout: '1 milestone is fine.\nNext: mstone plan\n',
    stderr: '',
  });
  const ran = await mstone('run', '--commit', '-q');
  expect({ code: ran.code, stderr: ran.stderr }).toEqual({ code: 0, stderr: '' });
  expect(read('hello.txt')).toBe('hello from milestone 1A\n');
});

it('finds how a project is tested and made ready, which agents there are, and leaves secrets to each worktree', async () => {
  write('package.json', JSON.stringify({ scripts: { test: 'node --test' }, devDependencies: { x: '1' } }));
  write('pnpm-lock.yaml', '');
  write('.env', 'KEY=1\n');
  pathWith(join(parent, 'bin'), { claude: CLAUDE, gemini: '#!/bin/sh\nexit 1\n' });

  expect(await mstone('init')).toEqual({
    code: 2,
    stdout: '',
    stderr: `error: ${dir} is not in a git repository, and not empty\n  fix: git init, or let mstone do it: mstone init --yes\n`,
  });
  const said = await mstone('init', '--yes');
  expect({ code: said.code, stderr: said.stderr, lines: said.stdout.split('\n') }).toEqual({
    code: 0,
    stderr: '',
    lines: [
      `Made a git repository in ${dir}.`,
      'Found package.json: pnpm',
      'Found .env: copied into each worktree',
      'Installed: claude 2.1.329, gemini',
      'Wrote mstone.yaml.',
      'Wrote milestones/1A.md.',
      '',
      'Agent: claude 2.1.329',
      'Checks: pnpm test',
      'Review: on, by a fresh claude',
      'Setup of a worktree: pnpm install --frozen-lockfile, copy .env',
      'Next: mstone validate',
      '',
    ],
  });
  expect(settings()).toEqual({
    said: ['agent', 'checks', 'review', 'worktrees.setup', 'worktrees.copy', 'worktrees.keep'],
    agent: 'claude',
    checks: ['pnpm test'],
    review: { rounds: 3, blockOn: ['blocker', 'major'] },
    worktrees: {
      setup: ['pnpm install --frozen-lockfile'],
      copy: ['.env'],
      keep: ['node_modules'],
      sparse: false,
    },
  });
  // For an agent a first milestone in words, which needs no script.
  const { milestone } = parseMilestone('1A.md', Buffer.from(read('milestones/1A.md')));
  expect({ recipe: milestone?.recipe, criteria: milestone?.criteria }).toEqual({
    recipe: {},
    criteria: ['`hello.txt` holds one line that greets'],
  });
  expect(await mstone('validate')).toEqual({
    code: 0,
    stdout: '1 milestone is fine.\nNext: mstone plan\n',
    stderr: '',
  });
});

it('overwrites nothing unless it is forced to, and puts nothing beside milestones that are there', async () => {
  await mstone('init');
  write('mstone.yaml', 'jobs: 2\n');
  write('milestones/1A.md', '# Mine\n');
  const again = await mstone('init');
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toContain(
    'mstone.yaml is there already; left as it is.\nmilestones/ has milestones already; left as they are.\n',
  );
  expect({ config: read('mstone.yaml'), first: read('milestones/1A.md') }).toEqual({
    config: 'jobs: 2\n',
    first: '# Mine\n',
  });
  expect((await mstone('init', '--force')).code).toBe(0);
  expect(read('mstone.yaml')).toContain('agent: recipe\n');
  expect(read('milestones/1A.md')).toMatch(/^# Milestone 1A - Hello\n/);
  expect((await mstone('validate')).code).toBe(0);
});

/** A person at a terminal: presses each key once its question is on the screen. */
async function atTerminal(answers: readonly (readonly [question: string, keys: string])[], args = ['init']) {
  const { world, said } = makeInside(dir, { ...env, TERM: 'xterm' });
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  Object.assign(world.stdout, { isTTY: true, columns: 100, rows: 40 });
  const ended = main(args, { ...world, stdin: () => stdin as unknown as NodeJS.ReadStream });
  for (const [question, keys] of answers) {
    await expect.poll(() => said().stdout, { timeout: 20_000, interval: 5 }).toContain(question);
    for (const key of keys.match(/\u001b\[.|./gs) ?? []) stdin.write(key);
  }
  const code = await ended;
  await new Promise((resolve) => setImmediate(resolve));
  return { code, stderr: said().stderr, stdout: stripVTControlCharacters(said().stdout) };
}

const DOWN = '\u001b[B';
const ENTER = '\r';

it('asks on a terminal: installed agents first, what was found to be kept or left, and an agent of one’s own', async () => {
  write('package.json', JSON.stringify({ scripts: { test: 'node --test' }, dependencies: { x: '1' } }));
  write('.env', 'KEY=1\n');
  pathWith(join(parent, 'bin'), { codex: '#!/bin/sh\necho "codex-cli 0.169.0"\n', claude: CLAUDE });

  const end = await atTerminal([
    ['Make one here?', ENTER],
    ['Who implements?', `${DOWN}${DOWN}${DOWN}${ENTER}`],
    ['Its command line?', `my-agent --mode "two words"${ENTER}`],
    ['What must pass', `${DOWN} ${ENTER}`],
    ['Which command?', `make lint${ENTER}`],
    ['by a fresh agent?', ENTER],
    // `.env` stays where it is.
    ['What do the worktrees need', `${DOWN} ${ENTER}`],
    ['How many agents', `\u007f2${ENTER}`],
  ]);
  expect({ code: end.code, stderr: end.stderr }).toEqual({ code: 0, stderr: '' });
  const options = end.stdout.split('\n').flatMap((line) => /^│ {2}[●○] (.*)$/.exec(line)?.[1] ?? []);
  expect([...new Set(options)].slice(-4)).toEqual([
    'claude 2.1.329',
    'codex 0.169.0',
    'recipes: a shell script in each milestone, no account needed',
    'another program that reads a prompt on stdin',
  ]);
  expect(settings()).toEqual({
    said: ['agent', 'jobs', 'checks', 'review', 'worktrees.setup', 'worktrees.keep', 'agents.mine'],
    agent: 'mine',
    checks: ['npm test', 'make lint'],
    review: { rounds: 3, blockOn: ['blocker', 'major'] },
    worktrees: { setup: ['npm install'], copy: [], keep: ['node_modules'], sparse: false },
  });
  expect(read('mstone.yaml')).toContain(
    'agent: mine\nagents:\n  mine: { kind: command, command: ["my-agent","--mode","two words"] }\n',
  );
  expect(read('mstone.yaml')).toContain('\njobs: 2\n');
  expect((await mstone('validate')).code).toBe(0);
});

it('makes recipes with a review of their own where that is the answer, and they run', async () => {
  const end = await atTerminal([
    ['Who implements?', ENTER],
    ['What must pass', ENTER],
    ['`## Review`', `y`],
    ['How many agents', ENTER],
  ]);
  expect({ code: end.code, stderr: end.stderr }).toEqual({ code: 0, stderr: '' });
  expect(end.stdout).toContain("Review: on, by each milestone's own `## Review`\n");
  const ran = await mstone('run', '--commit', '-q');
  expect(ran).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(read('TASKS.md')).toContain('by recipe, approved');
});

it.each([
  ['Ctrl-C', '\u0003'],
  ['Esc', '\u001b'],
])('writes nothing once %s is pressed, whatever has been answered before', async (_name, key) => {
  write('notes.txt', 'mine\n');
  const end = await atTerminal([
    ['Make one here?', ENTER],
    ['Who implements?', ENTER],
    ['What must pass', key],
  ]);
  expect({ code: end.code, stderr: end.stderr }).toEqual({
    code: 130,
    stderr: 'Cancelled: nothing was written.\n',
  });
  expect(readdirSync(dir)).toEqual(['notes.txt']);
});

it('asks nobody where a configuration is there already, in CI, or with --yes', async () => {
  const yes = await atTerminal([], ['init', '--yes']);
  expect(yes.code).toBe(0);
  const again = await atTerminal([]);
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toContain('mstone.yaml is there already; left as it is.');
  env.CI = 'true';
  expect((await atTerminal([], ['init', '--force'])).code).toBe(0);
});

const facts = (files: Readonly<Record<string, string>>, more: Partial<ProjectFacts> = {}): ProjectFacts => ({
  names: new Set(Object.keys(files)),
  texts: new Map(Object.entries(files)),
  secrets: [],
  ...more,
});
const manifest = (more: object = {}): string =>
  JSON.stringify({ scripts: { test: 'x' }, dependencies: { x: '1' }, ...more });

it.each([
  [
    'npm by its lock file',
    { 'package.json': manifest(), 'package-lock.json': '' },
    ['npm test'],
    ['npm ci'],
    ['node_modules'],
  ],
  ['npm without one', { 'package.json': manifest() }, ['npm test'], ['npm install'], ['node_modules']],
  ['no dependencies', { 'package.json': manifest({ dependencies: {} }) }, ['npm test'], [], []],
  [
    'no test',
    { 'package.json': manifest({ scripts: { test: 'echo "Error: no test specified" && exit 1' } }) },
    [],
    ['npm install'],
    ['node_modules'],
  ],
  ['a broken manifest', { 'package.json': '{' }, [], [], []],
  ['a manifest that is no mapping', { 'package.json': '[1]' }, [], [], []],
  [
    'classic yarn',
    { 'package.json': manifest(), 'yarn.lock': '' },
    ['yarn test'],
    ['yarn install --frozen-lockfile'],
    ['node_modules'],
  ],
  [
    'a newer yarn',
    { 'package.json': manifest({ packageManager: 'yarn@4.1.0' }), 'yarn.lock': '' },
    ['yarn test'],
    ['yarn install --immutable'],
    ['node_modules'],
  ],
  [
    'bun',
    { 'package.json': manifest(), 'bun.lock': '' },
    ['bun run test'],
    ['bun install --frozen-lockfile'],
    ['node_modules'],
  ],
  ['pytest', { 'pyproject.toml': '[tool.pytest.ini_options]' }, ['python3 -m pytest'], [], []],
  ['Python without tests', { 'requirements.txt': 'flask' }, [], [], []],
  [
    'uv',
    { 'pyproject.toml': 'dev = ["pytest"]', 'uv.lock': '' },
    ['uv run pytest'],
    ['uv sync --frozen'],
    ['.venv'],
  ],
  [
    'poetry',
    { 'pyproject.toml': 'pytest', 'poetry.lock': '' },
    ['poetry run pytest'],
    ['poetry install'],
    [],
  ],
  ['cargo', { 'Cargo.toml': '' }, ['cargo test'], [], ['target']],
  ['go', { 'go.mod': '' }, ['go test ./...'], [], []],
  ['make', { Makefile: 'all:\ntest: all\n\t./t\n' }, ['make test'], [], []],
  ['make check', { Makefile: 'check:\n\t./t\n' }, ['make check'], [], []],
  ['a variable called test', { Makefile: 'test := 1\n' }, [], [], []],
  ['make beside go', { Makefile: 'test:\n', 'go.mod': '' }, ['go test ./...'], [], []],
  [
    'two languages',
    { 'package.json': manifest({ dependencies: {} }), 'go.mod': '' },
    ['npm test', 'go test ./...'],
    [],
    [],
  ],
])('knows %s', (_name, files, checks, setup, keep) => {
  const { found: _found, checks: tests, ...known } = discover(facts(files as Record<string, string>));
  expect({ checks: tests.map(({ command }) => command), ...known }).toEqual({
    checks,
    setup,
    keep,
    copy: [],
  });
  // Each names the file that told of it.
  for (const { from } of tests) expect(Object.keys(files)).toContain(from);
});
