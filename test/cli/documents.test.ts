import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { approve, makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (...args: Parameters<typeof makeProject>): TestProject => {
  const made = makeProject(...args);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const UNREVIEWED = 'agent: recipe\nreview: false\nretries: 0\n';

/** What a command prints as a document; its exit code must be 0 and stderr silent. */
async function documentOf(p: TestProject, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await p.mstone(...args, '--json');
  expect({ code, stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

const runs = (p: TestProject): string[] => readdirSync(join(p.root, '.git/mstone/runs')).sort();
const journalText = (p: TestProject): string =>
  readFileSync(join(p.root, '.git/mstone/runs', runs(p).at(-1) ?? '', 'journal.ndjson'), 'utf8');

/** The landing's commit on main. */
const landing = (p: TestProject, id: string): string =>
  p.git('log', '--format=%H', `--grep=^Mstone-Milestone: ${id}$`, 'main');

/** What `validate` says of a recipe of `project.milestone`; its version is pinned elsewhere. */
const valid = (id: string, implement: string, dependsOn: readonly string[] = []) => ({
  id,
  stage: 1,
  title: `Part ${id}`,
  file: `milestones/${id}.md`,
  depends_on: dependsOn,
  description: '',
  entry_requirements: '',
  tasks: [],
  criteria: [],
  checks: [],
  requires: [],
  env: {},
  priority: 0,
  enabled: true,
  recipe: { implement, review: approve() },
  digest: expect.stringMatching(/^v1:[0-9a-f]{64}$/),
});

const planned = (id: string, state: string, reason: string, dependsOn: readonly string[] = []) => ({
  id,
  stage: 1,
  title: `Part ${id}`,
  file: `milestones/${id}.md`,
  depends_on: dependsOn,
  state,
  reason,
});

/** Events alone, each line whole JSON, and the journal's own lines byte for byte. */
function expectPure(stdout: string, journal: string): void {
  for (const line of stdout.split('\n').slice(0, -1)) {
    expect(JSON.parse(line)).toMatchObject({ v: 1, type: expect.any(String) });
  }
  expect(stdout).toBe(journal);
}

describe('documents', () => {
  it('of a run that succeeds: before it, during it and after it', async () => {
    const p = project(UNREVIEWED);
    const gate = join(p.env.HOME ?? '', 'gate');
    p.milestone('1A', {
      implement: `echo '{"mstone":"usage","cost_usd":0.25}'; while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt`,
    });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
    p.commit('Milestones');

    expect(await documentOf(p, 'validate')).toEqual({
      schema: 1,
      ok: true,
      milestones: [
        valid(
          '1A',
          `echo '{"mstone":"usage","cost_usd":0.25}'; while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt`,
        ),
        valid('1B', 'echo b > b.txt', ['1A']),
      ],
      diagnostics: [],
    });
    expect(await documentOf(p, 'plan')).toEqual({
      schema: 1,
      target: 'main',
      milestones: [planned('1A', 'todo', 'never landed'), planned('1B', 'todo', 'never landed', ['1A'])],
      run: ['1A', '1B'],
      prediction: {
        jobs: 4,
        minutes: 60,
        critical_path: ['1A', '1B'],
        basis: { estimated: 0, usual: 2, usual_minutes: 30 },
      },
    });
    expect(await documentOf(p, 'status')).toEqual({
      schema: 1,
      run: null,
      milestones: [
        { id: '1A', phase: 'todo', attempts: 0, cost_usd: 0 },
        { id: '1B', phase: 'todo', attempts: 0, cost_usd: 0 },
      ],
    });

    const running = p.start(['run', '--output', 'ndjson']);
    await running.said('work.started');
    const run = { id: runs(p)[0], state: 'running' };
    expect(await documentOf(p, 'status')).toEqual({
      schema: 1,
      run,
      milestones: [
        { id: '1A', phase: 'implementing', attempts: 1, cost_usd: 0 },
        { id: '1B', phase: 'waiting', attempts: 0, cost_usd: 0 },
      ],
    });
    p.write('../gate', '');
    const ended = await running.ended;
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' });
    expectPure(ended.stdout, journalText(p));

    expect(await documentOf(p, 'status')).toEqual({
      schema: 1,
      run: { ...run, state: 'done' },
      milestones: [
        { id: '1A', phase: 'landed', attempts: 1, commit: landing(p, '1A'), cost_usd: 0.25 },
        { id: '1B', phase: 'landed', attempts: 1, commit: landing(p, '1B'), cost_usd: 0 },
      ],
    });
    expect(await documentOf(p, 'plan')).toEqual({
      schema: 1,
      target: 'main',
      milestones: [
        planned('1A', 'done', `landed as ${landing(p, '1A').slice(0, 7)}`),
        planned('1B', 'done', `landed as ${landing(p, '1B').slice(0, 7)}`, ['1A']),
      ],
      run: [],
    });

    expect(await p.mstone('run', '--output', 'ndjson')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'Nothing to do: 2 of 2 done.\n',
    });
    expect(await p.mstone('resume', '--output', 'ndjson')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'Nothing to resume: no run was interrupted.\nNext: mstone run\n',
    });
    expect(await p.mstone('run', '--output', 'quiet')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('of a run that fails name the failure, what it blocks and the retry', async () => {
    const p = project(UNREVIEWED);
    p.milestone('1A', { implement: 'echo no such luck >&2; exit 3' });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
    p.milestone('1C', { implement: 'echo c > c.txt' });
    p.commit('Milestones');
    const { code, stdout, stderr } = await p.mstone('run', '--output', 'ndjson');
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expectPure(stdout, journalText(p));

    expect(await documentOf(p, 'status')).toEqual({
      schema: 1,
      run: { id: runs(p)[0], state: 'failed' },
      milestones: [
        { id: '1A', phase: 'failed', attempts: 1, cost_usd: 0 },
        { id: '1B', phase: 'blocked', attempts: 0, cost_usd: 0 },
        { id: '1C', phase: 'landed', attempts: 1, commit: landing(p, '1C'), cost_usd: 0 },
      ],
    });
    const why = 'recipe crashed: exit 3: no such luck (attempt 1 of 1)';
    expect(await documentOf(p, 'plan')).toEqual({
      schema: 1,
      target: 'main',
      milestones: [
        planned('1A', 'blocked', `${why}; \`mstone retry 1A\` tries again`),
        planned('1B', 'blocked', 'needs 1A', ['1A']),
        planned('1C', 'done', `landed as ${landing(p, '1C').slice(0, 7)}`),
      ],
      run: [],
    });
  });

  it('of a run that was killed say so, and what resume prints completes its journal', async () => {
    const p = project(UNREVIEWED);
    const gate = join(p.env.HOME ?? '', 'gate');
    p.milestone('1A', { implement: `while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt` });
    p.commit('Milestones');
    const running = p.start(['run', '--output', 'ndjson']);
    await running.said('work.started');
    await expect.poll(() => p.starts(), { timeout: 20_000 }).toEqual(['1A.1.1.implement']);
    running.child.kill('SIGKILL');
    const killed = await running.ended;
    expect(await documentOf(p, 'status')).toEqual({
      schema: 1,
      run: { id: runs(p)[0], state: 'interrupted' },
      milestones: [{ id: '1A', phase: 'implementing', attempts: 1, cost_usd: 0 }],
    });
    expect(await documentOf(p, 'plan')).toEqual({
      schema: 1,
      target: 'main',
      milestones: [planned('1A', 'todo', 'never landed')],
      run: ['1A'],
      prediction: {
        jobs: 4,
        minutes: 30,
        critical_path: ['1A'],
        basis: { estimated: 0, usual: 1, usual_minutes: 30 },
      },
    });
    p.write('../gate', '');
    const resumed = await p.mstone('resume', '--output', 'ndjson');
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({
      code: 0,
      stderr: `Continuing ${runs(p)[0]}: 0 landed, 1 taken up\n`,
    });
    expectPure(killed.stdout + resumed.stdout, journalText(p));
  });

  it('of a run that waits for a limit say so, whether mstone is there or has paused', async () => {
    const p = project(UNREVIEWED);
    const until = new Date(Date.now() + 3_600_000).toISOString();
    p.milestone('1A', {
      implement: `echo '{"mstone":"limited","reset_at":"${until}"}'; exit 75`,
    });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
    p.commit('Milestones');
    const { code, stdout, stderr } = await p.mstone('run', '--no-wait', '--output', 'ndjson');
    expect({ code, stderr }).toEqual({ code: 75, stderr: '' });
    expectPure(stdout, journalText(p));
    const waiting = {
      schema: 1,
      run: { id: runs(p)[0], state: 'waiting' },
      milestones: [
        { id: '1A', phase: 'waiting', attempts: 1, cost_usd: 0 },
        { id: '1B', phase: 'waiting', attempts: 0, cost_usd: 0 },
      ],
    };
    expect(await documentOf(p, 'status')).toEqual(waiting);

    const patient = p.start(['run']);
    await patient.said('Continuing');
    expect(await documentOf(p, 'status')).toEqual(waiting);
    patient.child.kill('SIGTERM');
    expect((await patient.ended).code).toBe(143);
    expect(await documentOf(p, 'status')).toEqual({
      ...waiting,
      run: { ...waiting.run, state: 'interrupted' },
    });
  });

  it('of files that are wrong name every problem at once, with exit 2', async () => {
    const p = project('agnt: recipe\nagent: recipe\n');
    p.milestone('1A', { implement: 'true', front: 'depend_on: [1B]' });
    p.milestone('1B', { implement: 'true', front: 'depends_on: [1A, 1C]' });
    p.milestone('1D', { implement: 'true' });
    const { code, stdout, stderr } = await p.mstone('validate', '--json');
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      schema: 1,
      ok: false,
      milestones: [valid('1B', 'true', ['1A', '1C']), valid('1D', 'true')],
      diagnostics: [
        {
          severity: 'error',
          code: 'unknown-key',
          file: 'mstone.yaml',
          line: 1,
          message: '`agnt` is no setting',
          expected: expect.stringContaining(
            'one of agent, reviewer, reviewers, roles, model, jobs, subscription, checks',
          ),
          fix: 'did you mean `agent`?',
        },
        {
          severity: 'error',
          code: 'unknown-key',
          file: 'milestones/1A.md',
          line: 2,
          message: '`depend_on` is not a key of a milestone',
          expected: expect.stringContaining('one of title, depends_on, agent'),
          fix: 'did you mean `depends_on`?',
        },
        {
          severity: 'error',
          code: 'unknown-dependency',
          file: 'milestones/1B.md',
          line: 2,
          message: '1B depends on 1C, which does not exist',
          fix: 'did you mean `1D`?',
        },
      ],
    });
    const plan = await p.mstone('plan', '--json');
    expect({ code: plan.code, stdout: plan.stdout }).toEqual({ code: 2, stdout: '' });
    expect(plan.stderr).toContain('mstone.yaml:1: error: `agnt` is no setting');
  });
});

it('each form of output shows what it promises', async () => {
  const p = project(UNREVIEWED);
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('1B', { implement: 'echo b > b.txt' });
  p.milestone('1C', { implement: 'echo c > c.txt' });
  p.milestone('1D', { implement: 'exit 4' });
  p.commit('Milestones');

  expect(await p.mstone('run', '1A', '--output', 'quiet')).toEqual({ code: 0, stdout: '', stderr: '' });

  const plain = await p.mstone('run', '1B', '--output', 'plain');
  const normal = plain.stdout
    .replaceAll(runs(p).at(-1) ?? '', 'RUN')
    .replace(landing(p, '1B').slice(0, 7), 'COMMIT')
    .replace(/^\d\d:\d\d:\d\d /gm, 'CLOCK ')
    .replace(/\([\d.]+m?s\)/g, '(TOOK)');
  expect({ ...plain, stdout: normal }).toEqual({
    code: 0,
    stdout: [
      'CLOCK Run RUN on main: 1 milestone, 4 agents at once',
      'CLOCK 1B implement started (attempt 1, slot 1)',
      'CLOCK 1B implement finished (TOOK)',
      'CLOCK 1B landed COMMIT on main (1/1)',
      '',
      '1 of 1 milestone landed on main',
      'Next: git log --graph --oneline main',
      '',
    ].join('\n'),
    stderr: '',
  });

  const live = await p.mstone('run', '1C', '--output', 'tty');
  expect({ code: live.code, stderr: live.stderr }).toEqual({ code: 0, stderr: '' });
  // A screen is drawn over itself; what stays is the last picture and the summary.
  expect(live.stdout).toContain('\u001b[');
  expect(live.stdout).toContain(`1C Part 1C  landed, ${landing(p, '1C').slice(0, 7)}`);
  expect(
    live.stdout.endsWith('1 of 1 milestone landed on main\nNext: git log --graph --oneline main\n'),
  ).toBe(true);

  const failed = await p.mstone('run', '1D', '--output', 'quiet');
  expect({ ...failed, stdout: failed.stdout.replace(/^\d\d:\d\d:\d\d /gm, 'CLOCK ') }).toEqual({
    code: 1,
    stdout: [
      'CLOCK 1D implement crashed: exit 4 (exit 4)',
      'CLOCK 1D failed: recipe crashed: exit 4 (attempt 1 of 1)',
      '',
      '0 of 1 milestone landed on main',
      '1D failed: recipe crashed: exit 4 (attempt 1 of 1) (mstone logs 1D)',
      'Ended: 1D failed',
      'Next: mstone retry 1D',
      '',
    ].join('\n'),
    stderr: '',
  });
});

it('what a run would take is predicted, with its longest path, what more agents would bring, and what it rests on', async () => {
  const p = project(`${UNREVIEWED}jobs: 2\n`);
  p.milestone('1A', { implement: 'true', front: 'estimate: 1h' });
  p.milestone('1B', { implement: 'true', front: 'estimate: 1h' });
  p.milestone('1C', { implement: 'true', front: 'estimate: 2h\ndepends_on: [1A]' });
  p.milestone('1D', { implement: 'true' });
  p.commit('Milestones');

  const { stdout } = await p.mstone('plan');
  const bar = (id: string, columns: number): string => id.padEnd(columns - 1, '─');
  expect(stdout.split('\n').slice(-7)).toEqual([
    'Agents at once: 2',
    'Takes about 3h 00m by 3 estimates; 1 other taken for 1h 00m',
    'Longest path: 1A, 1C',
    '',
    `  1  ${bar('1A', 24)} ${bar('1C', 48)}`,
    `  2  ${bar('1B', 24)} ${bar('1D', 24)}`,
    '',
  ]);
  const wide = await p.mstone('plan', '--json');
  expect(JSON.parse(wide.stdout).prediction).toEqual({
    jobs: 2,
    minutes: 180,
    critical_path: ['1A', '1C'],
    basis: { estimated: 3, usual: 1, usual_minutes: 60 },
  });

  const one = await inside(['plan'], p.root, { ...p.env, MSTONE_JOBS: '1' });
  expect(one.stdout).toContain(
    'Takes about 5h 00m by 3 estimates; 1 other taken for 1h 00m; with 2 agents at once 3h 00m\n',
  );
});
