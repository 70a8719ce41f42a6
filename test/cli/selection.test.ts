/** Which milestones a command line means: ids, patterns, stages, what they need, and doing them again. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeProgram } from '../../src/cli/program.js';
import { FLAG_KEYS, FLAG_VARIABLES } from '../../src/config/keys.js';
import { home, inside, makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const agents = 'agent: recipe\nreview: false\n';

describe('a plan', () => {
  let p: TestProject;
  beforeAll(() => {
    p = makeProject(agents);
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
    p.milestone('1C', { implement: 'echo c > c.txt' });
    p.milestone('1D', { implement: 'echo d > d.txt', front: 'enabled: false' });
    p.milestone('2A', { implement: 'echo e > e.txt' });
    p.milestone('2AB', { implement: 'echo f > f.txt', front: 'depends_on: [2A]' });
    p.commit('Milestones');
  });
  afterAll(() => p.remove());

  const plan = async (args: readonly string[], env: Record<string, string> = {}): Promise<unknown> => {
    const { code, stdout, stderr } = await inside(['plan', '--json', ...args], p.root, { ...p.env, ...env });
    return code === 0
      ? (JSON.parse(stdout) as { run: string[] }).run
      : { code, said: stderr.split('\n').filter((line) => line !== '(try `mstone --help`)') };
  };
  const refusal = (...said: string[]): unknown => ({ code: 2, said: [...said, ''] });

  it.each([
    [['1*'], ['1A', '1B', '1C']],
    [['1[A-B]'], ['1A', '1B']],
    [['1[!B]'], ['1A', '1C']],
    [
      ['1?', '1A'],
      ['1A', '1B', '1C'],
    ],
    [
      ['*', '--stage', '1'],
      ['1A', '1B', '1C'],
    ],
    [
      ['--until', '1'],
      ['1A', '1B', '1C'],
    ],
    [
      ['--until', '1B'],
      ['1A', '1B'],
    ],
    [
      ['1B', '--with-needs'],
      ['1A', '1B'],
    ],
    [
      ['--until', '2A'],
      ['1A', '1B', '1C', '2A'],
    ],
    [
      ['--stage', '2', '--with-needs'],
      ['1A', '1B', '1C', '2A', '2AB'],
    ],
    [['1C', '--only'], ['1C']],
  ])('of %j holds %j', async (args, ids) => {
    expect(await plan(args)).toEqual(ids);
  });

  it.each([
    [
      ['1B'],
      refusal(
        'milestones/1B.md: error: 1B needs 1A, which is not done',
        '  fix: `mstone run 1B --with-needs` builds it first',
      ),
    ],
    [
      ['2AB*'],
      refusal(
        'milestones/2AB.md: error: 2AB needs 1A, 1B, 1C, 2A, which are not done',
        '  fix: `mstone run 2AB --with-needs` builds them first',
      ),
    ],
    [
      ['--stage', '2'],
      refusal(
        'error: stage 2 needs 1A, 1B, 1C, which are not done',
        '  fix: `mstone run --until 2` builds them first',
      ),
    ],
    [
      ['1a*', '7?'],
      refusal(
        'error: no milestone matches 1a*',
        '  expected: a pattern over 1A, 1B, 1C, 1D, 2A, 2AB',
        '  fix: did you mean `1A*`?',
        'error: no milestone matches 7?',
        '  expected: a pattern over 1A, 1B, 1C, 1D, 2A, 2AB',
        '  fix: type `mstone plan` to see what there is',
      ),
    ],
    [
      ['['],
      refusal(
        'error: no milestone matches [',
        '  expected: a pattern over 1A, 1B, 1C, 1D, 2A, 2AB',
        '  fix: type `mstone plan` to see what there is',
      ),
    ],
    [
      ['1[C-A]'],
      refusal(
        'error: no milestone matches 1[C-A]',
        '  expected: a pattern over 1A, 1B, 1C, 1D, 2A, 2AB',
        '  fix: type `mstone plan` to see what there is',
      ),
    ],
    [
      ['--until', '7'],
      refusal(
        'error: stage 7 has no milestones',
        '  expected: one of 1, 2',
        '  fix: type `mstone plan` to see the stages',
      ),
    ],
    [['--until', '1E'], refusal('error: there is no milestone 1E', '  fix: did you mean `1A`?')],
    [
      ['1A', '--until', '1'],
      refusal(
        'error: --until 1 beside milestones',
        '  fix: name milestones, a stage or --until, only one of them',
      ),
    ],
    [
      ['--force'],
      refusal(
        'error: --force without milestones would do everything again',
        '  fix: name what to do again: `mstone run --force 1A`, or `--stage 1`',
      ),
    ],
    [
      ['1A', '--only', '--with-needs'],
      refusal(
        "error: option '--only' cannot be used with option '--with-needs'",
        '  fix: leave one of the two out',
      ),
    ],
  ])('of %j is refused', async (args, said) => {
    expect(await plan(args)).toEqual(said);
  });

  it('a dry run takes the same flags', async () => {
    const dry = await inside(['run', '-n', '--until', '1B'], p.root, p.env);
    expect({ code: dry.code, order: /^Order: .*$/m.exec(dry.stdout)?.[0] }).toEqual({
      code: 0,
      order: 'Order: 1A, 1B',
    });
  });

  it('the environment says what the command line does not', async () => {
    expect(await plan([], { MSTONE_STAGE: '1' })).toEqual(['1A', '1B', '1C']);
    expect(await plan(['1A'], { MSTONE_STAGE: '2' })).toEqual(['1A']);
    expect(await plan(['--until', '1B'], { MSTONE_STAGE: '2' })).toEqual(['1A', '1B']);
    expect(await plan([], { MSTONE_UNTIL: '1B' })).toEqual(['1A', '1B']);
    expect(await plan(['1B'], { MSTONE_WITH_NEEDS: 'yes' })).toEqual(['1A', '1B']);
    expect(await plan(['1B', '--only'], { MSTONE_WITH_NEEDS: '1' })).toMatchObject({ code: 2 });
    expect(await plan(['1B'], { MSTONE_ONLY: '1', MSTONE_WITH_NEEDS: '1' })).toMatchObject({ code: 2 });
    expect(await plan(['1C'], { MSTONE_WITH_NEEDS: 'off' })).toEqual(['1C']);
    expect(await plan([], { MSTONE_STAGE: 'two' })).toEqual(
      refusal(
        'error: `MSTONE_STAGE` cannot be read',
        '  expected: a whole number from 1 to 999',
        '  found: two',
        '  fix: write what is expected, or unset MSTONE_STAGE',
      ),
    );
    expect(await plan([], { MSTONE_STALE: 'perhaps' })).toEqual(
      refusal(
        'error: `MSTONE_STALE` cannot be read',
        '  expected: `true` or `false`',
        '  found: perhaps',
        '  fix: write what is expected, or unset MSTONE_STALE',
      ),
    );
    expect(await plan([], { MSTONE_COLOR: 'red' })).toEqual(
      refusal(
        'error: `MSTONE_COLOR` cannot be read',
        '  expected: one of auto, always, never',
        '  found: red',
        '  fix: write what is expected, or unset MSTONE_COLOR',
      ),
    );
    expect(await plan([], { MSTONE_COLOR: 'alwys' })).toMatchObject({
      said: expect.arrayContaining(['  fix: did you mean `always`?']),
    });
    expect(await plan([], { MSTONE_ONTO: 'nowhere' })).toMatchObject({ code: 2 });
    const coloured = await inside(['plan'], p.root, { ...p.env, MSTONE_COLOR: 'always' });
    expect(coloured.stdout).toContain('\u001b[');
    const elsewhere = await inside(['plan', '--json'], home, { ...p.env, MSTONE_DIR: p.root });
    expect(JSON.parse(elsewhere.stdout)).toMatchObject({ run: ['1A', '1B', '1C', '2A', '2AB'] });
    const dry = await inside(['run', '1A'], p.root, { ...p.env, MSTONE_DRY_RUN: 'true' });
    expect(dry.stdout).toContain('Plan for main: 1 to run');
    expect(p.starts()).toEqual([]);
  });
});

describe('a run', () => {
  const projects: TestProject[] = [];
  const project = (): TestProject => {
    const made = makeProject(agents);
    projects.push(made);
    return made;
  };
  afterEach(() => {
    for (const made of projects.splice(0)) made.remove();
  });

  it('builds what a named milestone needs, and no more', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
    p.milestone('1C', { implement: 'echo c > c.txt' });
    p.commit('Milestones');
    const ended = await inside(['run', '1B', '--with-needs', '-q'], p.root, p.env);
    expect({ code: ended.code, stderr: ended.stderr, tree: p.tree() }).toEqual({
      code: 0,
      stderr: '',
      tree: { 'a.txt': 'a', 'b.txt': 'b' },
    });
  });

  it('redoes a milestone that is done only by force, and once', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo again >> a.txt' });
    p.milestone('1B', { implement: 'test -e "$HOME/mended"; echo again >> b.txt' });
    p.commit('Milestones');
    p.write('../mended', '');
    expect((await inside(['run', '-q'], p.root, p.env)).code).toBe(0);
    const done = await inside(['run', '1A'], p.root, p.env);
    expect({ code: done.code, stdout: done.stdout, stderr: done.stderr }).toEqual({
      code: 0,
      stdout: 'Nothing to do: 2 of 2 done.\n',
      stderr: expect.stringMatching(
        /^milestones\/1A\.md: note: 1A: landed as [0-9a-f]{7}\n {2}fix: mstone run --force 1A\n$/,
      ),
    });
    expect(p.tree()).toEqual({ 'a.txt': 'again', 'b.txt': 'again' });

    // 1B fails this time: what is tried again afterwards is 1B alone, though both were forced.
    rmSync(join(p.env.HOME ?? '', 'mended'));
    expect((await inside(['run', '-q', '-f', '1*'], p.root, { ...p.env, MSTONE_RETRIES: '0' })).code).toBe(1);
    expect(p.tree()).toEqual({ 'a.txt': 'again\nagain', 'b.txt': 'again' });
    p.write('../mended', '');
    expect((await inside(['retry', '--failed'], p.root, { ...p.env, MSTONE_OUTPUT: 'quiet' })).code).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'again\nagain', 'b.txt': 'again\nagain' });
    const forced = await inside(['run', '1A'], p.root, { ...p.env, MSTONE_FORCE: '1', MSTONE_QUIET: '1' });
    expect({ code: forced.code, stdout: forced.stdout }).toEqual({ code: 0, stdout: '' });
    expect(p.tree()['a.txt']).toBe('again\nagain\nagain');
  });
});

it('every flag of run has a twin in the environment, and the manual has them all', () => {
  const { world } = makeInside(home, {});
  const run = makeProgram(world, () => undefined).commands.find((command) => command.name() === 'run');
  const flags = (run?.options ?? []).map(({ long }) => long ?? '');
  expect(flags.filter((flag) => !FLAG_VARIABLES.has(flag) && !FLAG_KEYS.has(flag))).toEqual([]);
  const manual = readFileSync(join(home, 'docs', 'configuration.md'), 'utf8');
  const rows = [...manual.matchAll(/^\| `(-[-a-zC]+)` \| `(MSTONE_\w+)` \|/gm)].map(([, flag, name]) => [
    flag,
    name,
  ]);
  expect(rows).toEqual([...FLAG_VARIABLES]);
});
