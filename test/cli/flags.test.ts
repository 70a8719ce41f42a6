/** What a flag does, its twin in the environment does; and every setting can be set in the environment. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { configKeys } from '../../src/config/keys.js';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const UNREVIEWED = 'agent: recipe\nreview: false\nretries: 0\n';
const project = (config = UNREVIEWED): TestProject => {
  const made = makeProject(config);
  projects.push(made);
  return made;
};

type Variables = Readonly<Record<string, string>>;
/** The same said in both ways. */
const BOTH = (flag: string, variable: string, value?: string): [string[], Variables][] => [
  [value === undefined ? [flag] : [flag, value], {}],
  [[], { [variable]: value ?? 'true' }],
];

const withEnv = (p: TestProject, args: readonly string[], env: Variables) =>
  inside(args, p.root, { ...p.env, ...env });

const documentOf = async (p: TestProject, args: readonly string[], env: Variables): Promise<unknown> =>
  JSON.parse((await withEnv(p, [...args, '--json'], env)).stdout);

describe('what a plan holds', () => {
  it('with --stale, --force and --onto', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a >> a.txt' });
    p.commit('Milestones');
    p.git('branch', 'other');
    expect((await withEnv(p, ['run', '-q'], {})).code).toBe(0);
    expect(await documentOf(p, ['plan'], {})).toMatchObject({ target: 'main', run: [] });
    for (const [args, env] of BOTH('--onto', 'MSTONE_ONTO', 'other')) {
      expect(await documentOf(p, ['plan', ...args], env)).toMatchObject({ target: 'other', run: ['1A'] });
    }
    for (const [args, env] of BOTH('--force', 'MSTONE_FORCE')) {
      expect(await documentOf(p, ['plan', '1A', ...args], env)).toMatchObject({ run: ['1A'] });
    }
    p.milestone('1A', { implement: 'echo A >> a.txt' });
    p.commit('Another text');
    expect(await documentOf(p, ['plan'], {})).toMatchObject({ run: [] });
    for (const [args, env] of BOTH('--stale', 'MSTONE_STALE')) {
      expect(await documentOf(p, ['plan', ...args], env)).toMatchObject({ run: ['1A'] });
      expect((await withEnv(p, ['run', '-n', ...args], env)).stdout).toContain('Order: 1A\n');
    }
  });

  it('with --only, which gives way to nothing', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
    p.commit('Milestones');
    for (const [args, env] of BOTH('--only', 'MSTONE_ONLY')) {
      const needs = { MSTONE_WITH_NEEDS: '1', ...env };
      expect((await withEnv(p, ['run', '-n', '1A', ...args], needs)).stdout).toContain('Order: 1A\n');
      expect((await withEnv(p, ['run', '-n', '1B', ...args], needs)).code).toBe(2);
    }
    expect((await withEnv(p, ['run', '-n', '1B'], { MSTONE_WITH_NEEDS: '1' })).stdout).toContain(
      'Order: 1A, 1B\n',
    );
  });

  it('with --profile', async () => {
    const p = project(`${UNREVIEWED}profiles: { ci: { jobs: 2 } }\n`);
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    for (const [args, env] of BOTH('--profile', 'MSTONE_PROFILE', 'ci')) {
      for (const command of [['plan'], ['run', '-n']]) {
        const said = await withEnv(p, [...command, ...args], env);
        expect(said.stdout).toContain('Agents at once: 2\n');
      }
    }
  });
});

describe('how a run goes', () => {
  it.each(
    [...BOTH('--fail-fast', 'MSTONE_FAIL_FAST'), ...BOTH('--keep-going', 'MSTONE_KEEP_GOING')].map(
      ([args, env]) => ({ args, env, goesOn: JSON.stringify([args, env]).toLowerCase().includes('going') }),
    ),
  )('after a failure, with $args $env', async ({ args, env, goesOn }) => {
    const p = project(`${UNREVIEWED}jobs: 1\n`);
    p.milestone('1A', { implement: 'exit 9', front: 'priority: 2' });
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.commit('Milestones');
    expect((await withEnv(p, ['run', '-q', ...args], env)).code).toBe(1);
    expect(p.tree()).toEqual(goesOn ? { 'b.txt': 'b' } : {});
  });

  it('what the command line says is stronger than what the environment says', async () => {
    const p = project(`${UNREVIEWED}jobs: 1\n`);
    p.milestone('1A', { implement: 'exit 9', front: 'priority: 2' });
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.commit('Milestones');
    expect((await withEnv(p, ['run', '-q', '-k'], { MSTONE_FAIL_FAST: '1' })).code).toBe(1);
    expect(p.tree()).toEqual({ 'b.txt': 'b' });
  });

  it.each(BOTH('--commit', 'MSTONE_COMMIT'))('commits first, with %j %j', async (args, env) => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    expect((await withEnv(p, ['run', '-q'], {})).code).toBe(2);
    expect((await withEnv(p, ['run', '-q', ...args], env)).code).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);
  });

  it.each(BOTH('--onto', 'MSTONE_ONTO', 'other'))('lands on a branch, with %j %j', async (args, env) => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    p.git('branch', 'other');
    expect((await withEnv(p, ['run', '-q', ...args], env)).code).toBe(0);
    expect([p.landed('main'), p.landed('other')]).toEqual([['Milestones'], ['Milestones', '1A: Part 1A']]);
  });

  it.each(BOTH('--agent', 'MSTONE_AGENT', 'other'))('by another agent, with %j %j', async (args, env) => {
    const p = project(
      `${UNREVIEWED}agents: { other: { kind: command, command: [sh, -c, "echo other > a.txt"] } }\n`,
    );
    p.milestone('1A', { implement: 'echo recipe > a.txt' });
    p.commit('Milestones');
    expect((await withEnv(p, ['run', '-q', ...args], env)).code).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'other' });
  });

  it.each([...BOTH('--output', 'MSTONE_OUTPUT', 'quiet'), ...BOTH('--quiet', 'MSTONE_QUIET')])(
    'in silence, with %j %j',
    async (args, env) => {
      const p = project();
      p.milestone('1A', { implement: 'echo a > a.txt' });
      p.commit('Milestones');
      expect(await withEnv(p, ['run', ...args], env)).toEqual({ code: 0, stdout: '', stderr: '' });
      expect(p.tree()).toEqual({ 'a.txt': 'a' });
    },
  );

  it('a retry is told as --output says', async () => {
    const p = project();
    p.milestone('1A', { implement: 'if mkdir "$HOME/once"; then exit 9; fi; echo a > a.txt' });
    p.commit('Milestones');
    expect((await withEnv(p, ['run', '-q'], {})).code).toBe(1);
    const retried = await withEnv(p, ['retry', '1A', '--output', 'ndjson'], {});
    expect(retried.code).toBe(0);
    expect(
      retried.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).type),
    ).toContain('items.reset');
  });
});

/** Values of all kinds, of which each setting takes some. */
const VALUES = [
  '7',
  'false',
  '["true"]',
  '1h',
  '50%',
  '9GB',
  'nit',
  'recipe',
  '{"x":{"kind":"recipe"}}',
  '{"x":{"command":"x"}}',
  'a/b',
  'x-1',
  's{stage}',
  '0.5',
  'max20',
];

it.each(configKeys)('$key can be set by $env', async ({ key, env, default: usual }) => {
  const p = project('');
  const keys = join(p.env.HOME ?? '', 'keys.json');
  writeFileSync(keys, '[{"name":"work","env":{"OPENAI_API_KEY":"0123456789"}}]', { mode: 0o600 });
  for (const value of [...VALUES, keys, usual]) {
    const { code, stdout } = await withEnv(p, ['config', '--json'], { [env]: value });
    if (code !== 0) continue;
    const { settings } = JSON.parse(stdout) as {
      settings: { key: string; value: unknown; origin: { from: string; variable?: string } }[];
    };
    const set = settings.filter(({ origin }) => origin.variable === env);
    // Agents are told one by one.
    expect(set.map((one) => one.key)).toContain(key === 'agents' ? 'agents.x' : key);
    return;
  }
  throw new Error(`none of ${VALUES.join(', ')} is a value for ${env}: add one that is`);
});
