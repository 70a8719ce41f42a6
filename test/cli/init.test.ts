/** `mstone init`: from nothing, and from what is there, to something that validates and runs. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { discover, type ProjectFacts } from '../../src/config/discover.js';
import { resolveConfig } from '../../src/config/index.js';
import { inside } from '../rig/inside.js';
import { isolated } from '../rig/repository.js';

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
  // Nothing of the machine's: no agent is installed.
  const bare = { ...env, PATH: `${join(parent, 'bin')}:/usr/bin:/bin` };
  expect(await inside(['init'], dir, bare)).toEqual({
    code: 0,
    stdout: [
      `Made a git repository in ${dir}.`,
      'Wrote mstone.yaml.',
      'Wrote milestones/1A.md.',
      '',
      'Agent: recipe, until you name another in mstone.yaml',
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
    worktrees: { setup: [], copy: [], keep: [] },
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
  write('../bin/claude', '#!/bin/sh\n');
  chmodSync(join(parent, 'bin', 'claude'), 0o755);
  const path = { ...env, PATH: `${join(parent, 'bin')}:/usr/bin:/bin` };

  expect(await inside(['init'], dir, path)).toEqual({
    code: 2,
    stdout: '',
    stderr: `error: ${dir} is not in a git repository, and not empty\n  fix: git init, or let mstone do it: mstone init --yes\n`,
  });
  const said = await inside(['init', '--yes'], dir, path);
  expect({ code: said.code, stderr: said.stderr, lines: said.stdout.split('\n') }).toEqual({
    code: 0,
    stderr: '',
    lines: [
      `Made a git repository in ${dir}.`,
      'Found package.json: pnpm',
      'Found .env: copied into each worktree',
      'Installed: claude',
      'Wrote mstone.yaml.',
      'Wrote milestones/1A.md.',
      '',
      'Agent: recipe, until you name another in mstone.yaml',
      'Checks: pnpm test',
      'Review: off, until an agent is named',
      'Setup of a worktree: pnpm install --frozen-lockfile, copy .env',
      'Next: mstone validate',
      '',
    ],
  });
  expect(settings()).toEqual({
    said: ['agent', 'checks', 'review', 'worktrees.setup', 'worktrees.copy', 'worktrees.keep'],
    agent: 'recipe',
    checks: ['pnpm test'],
    review: false,
    worktrees: { setup: ['pnpm install --frozen-lockfile'], copy: ['.env'], keep: ['node_modules'] },
  });
  expect(read('mstone.yaml')).toContain('# Installed here: claude.');
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

const facts = (files: Readonly<Record<string, string>>, more: Partial<ProjectFacts> = {}): ProjectFacts => ({
  names: new Set(Object.keys(files)),
  texts: new Map(Object.entries(files)),
  secrets: [],
  agents: [],
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
  const { found: _found, ...known } = discover(facts(files as Record<string, string>));
  expect(known).toEqual({ checks, setup, keep, copy: [], agents: [] });
});
