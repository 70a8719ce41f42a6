/** How far a run may go: `--max-cost`, `--deadline` and what else `resume` can be told anew. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/index.js';
import { inside, makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
function project(config: object): TestProject {
  const made = makeProject(`${JSON.stringify({ agent: 'recipe', review: false, ...config })}\n`);
  projects.push(made);
  return made;
}
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const mstone = (p: TestProject, args: readonly string[], env: Record<string, string> = {}) =>
  inside(args, p.root, { ...p.env, ...env });

/** The lines that say how it stands: between the empty line and the end. */
const summary = (stdout: string): string[] => stdout.trimEnd().split('\n\n').at(-1)?.split('\n') ?? [];
const costing = (id: string, usd: number): string =>
  `echo '{"mstone":"usage","cost_usd":${usd}}'; echo ${id} > ${id}.txt`;

describe('--max-cost', () => {
  it('pauses with what was spent and what to type; more money goes on, over all that was spent', async () => {
    const p = project({ jobs: 2, budget: { usd: 100 } });
    for (const id of ['1A', '1B', '1C']) p.milestone(id, { implement: costing(id, 1) });
    p.commit('Milestones');
    const paused = await mstone(p, ['run', '--max-cost', '2'], { MSTONE_BUDGET_USD: '50' });
    expect(paused.code, paused.stdout + paused.stderr).toBe(75);
    expect(paused.stdout).toContain(' Budget $2.00: no agent is started that it does not hold\n');
    expect(summary(paused.stdout)).toEqual([
      '2 of 3 milestones landed on main, $2.00 spent',
      'Paused: the budget of $2.00 does not hold another agent: $2.00 is spent',
      'Next: mstone resume --max-cost 4',
    ]);

    const again = await mstone(p, ['resume']);
    expect({ code: again.code, next: summary(again.stdout).at(-1) }).toEqual({
      code: 75,
      next: 'Next: mstone resume --max-cost 4',
    });
    expect(p.starts()).toHaveLength(2);
    const status = await mstone(p, ['status', '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({ run: { state: 'waiting' } });

    const more = await mstone(p, ['resume', '--max-cost', '4']);
    expect(more.code, more.stdout + more.stderr).toBe(0);
    expect(more.stdout).toContain(
      ' Budget $4.00, $2.00 of it spent: no agent is started that it does not hold\n',
    );
    expect(p.starts()).toHaveLength(3);
  });

  it('is the environment’s where no flag says otherwise, and is told of agents that tell no cost', async () => {
    const p = project({
      agent: 'mute',
      agents: { mute: { kind: 'command', command: ['sh', '-c', 'echo x > "$MSTONE_MILESTONE.txt"'] } },
    });
    for (const id of ['1A', '1B']) p.write(`milestones/${id}.md`, `# ${id}\n`);
    p.commit('Milestones');
    const run = await mstone(p, ['run'], { MSTONE_BUDGET_USD: '7.5' });
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.stdout).toContain('Budget $7.50: ');
    expect(
      run.stdout.match(/note: mute tells no cost: it counts as \$0\.00 against the budget\n/g),
    ).toHaveLength(1);
  });

  it('that is nothing or no number is refused before anything starts', async () => {
    const p = project({});
    p.milestone('1A', { implement: 'true' });
    p.commit('Milestones');
    for (const [args, env] of [
      [['run', '--max-cost', '0'], {}],
      [['run', '--max-cost', 'lots'], {}],
      [['run'], { MSTONE_BUDGET_USD: '-3' }],
    ] as const) {
      const { code, stdout, stderr } = await mstone(p, args, env);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/cannot be read\n {2}expected: an amount in US dollars/);
    }
    expect(p.starts()).toEqual([]);
  });
});

describe('--deadline', () => {
  it('starts nothing more, lets what runs end and land, and is no longer there for who resumes', async () => {
    const p = project({ jobs: 1 });
    // It is late once the first agent is at work.
    const late = join(p.env.HOME ?? '', 'late');
    const now = (): number => Date.now() + (existsSync(late) ? 9 * 3_600_000 : 0);
    const typed = async (...args: string[]) => {
      const { world, said } = makeInside(p.root, p.env);
      const code = await main(args, { ...world, now });
      await new Promise((resolve) => setImmediate(resolve));
      return { code, ...said() };
    };
    p.milestone('1A', {
      implement: 'touch "$HOME/late"; echo a > a.txt',
      front: 'priority: 1\nchecks: ["test -e a.txt"]',
    });
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.commit('Milestones');
    const paused = await typed('run', '--deadline', '8h');
    expect(paused.code, paused.stdout + paused.stderr).toBe(75);
    expect(paused.stdout).toMatch(
      / Deadline \d{4}-\d\d-\d\d \d\d:\d\d \S+: from then on no agent is started\n/,
    );
    expect(summary(paused.stdout)).toEqual([
      '1 of 2 milestones landed on main',
      'Paused: the deadline has come',
      'Next: mstone resume',
    ]);
    expect(p.starts()).toEqual(['1A.1.1.implement']);

    const resumed = await typed('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(resumed.stdout).toMatch(/^The deadline of .* has passed and no longer holds\.\n/);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
  });

  it('that is still to come stays with the run; a new one wins, and both by the environment', async () => {
    const p = project({ jobs: 1, budget: { usd: 1, per_milestone: 2 } });
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    const deadlines = (): unknown[] =>
      p
        .journal()
        .flatMap((line) =>
          line.settings === undefined ? [] : [(line.settings as { deadline?: number }).deadline],
        );
    expect((await mstone(p, ['run'], { MSTONE_DEADLINE: '8h' })).code).toBe(75);
    expect((await mstone(p, ['resume'])).code).toBe(75);
    expect((await mstone(p, ['resume', '--deadline', '2099-01-01T00:00:00Z'])).code).toBe(75);
    expect((await mstone(p, ['run'])).code).toBe(75);
    const [first, second, third, fourth] = deadlines();
    expect(first).toBeGreaterThan(Date.now() + 7 * 3_600_000);
    expect([second, third, fourth]).toEqual([first, Date.UTC(2099, 0, 1), undefined]);
    const slip = await mstone(p, ['resume'], { MSTONE_DEADLINE: 'soon' });
    expect({ code: slip.code, stderr: slip.stderr.split('\n')[0] }).toEqual({
      code: 2,
      stderr: 'error: the deadline cannot be read',
    });
  });
});

describe('resume', () => {
  it('goes by the flags of the last run and those that are given anew, which stay', async () => {
    const p = project({ jobs: 1, budget: { usd: 1, per_milestone: 2 } });
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    const settings = (): unknown => {
      const last = p.journal().findLast((line) => line.settings !== undefined)?.settings ?? {};
      const { jobs, wait, budget } = last as Readonly<Record<string, unknown>>;
      return { jobs, wait, budget };
    };
    expect((await mstone(p, ['run', '-j', '3', '-q'])).code).toBe(75);
    expect(settings()).toEqual({ jobs: 3, wait: true, budget: { usd: 1, perMilestone: 2 } });
    expect(
      (await mstone(p, ['resume', '-j', '2', '--no-wait', '--max-cost', '1.5', '--output', 'quiet'])).code,
    ).toBe(75);
    expect(settings()).toEqual({ jobs: 2, wait: false, budget: { usd: 1.5, perMilestone: 2 } });
    expect((await mstone(p, ['resume'])).code).toBe(75);
    expect(settings()).toEqual({ jobs: 2, wait: false, budget: { usd: 1.5, perMilestone: 2 } });
  });
});

describe('retry', () => {
  it('goes by the flags of the last run and those that are given anew', async () => {
    const p = project({ jobs: 1, retries: 0, budget: { usd: 1, per_milestone: 2 } });
    p.milestone('1A', { implement: 'exit 9' });
    p.commit('Milestones');
    expect((await mstone(p, ['run', '--max-cost', '5', '-q'])).code).toBe(1);
    const typed = ['retry', '1A', '-j', '2', '--no-wait', '--max-cost', '1.5', '--output', 'quiet'];
    expect((await mstone(p, [...typed, '--deadline', '2099-01-01T00:00:00Z'])).code).toBe(75);
    const settings: unknown = p.journal()[0]?.settings ?? {};
    const { jobs, wait, budget, deadline } = settings as Readonly<Record<string, unknown>>;
    expect({ jobs, wait, budget, deadline }).toEqual({
      jobs: 2,
      wait: false,
      budget: { usd: 1.5, perMilestone: 2 },
      deadline: Date.parse('2099-01-01T00:00:00Z'),
    });
  });
});

describe('several exit codes at once', () => {
  const limited = `echo '{"mstone":"limited"}'; exit 75`;
  /** Milestones that come to each of these ends, whose codes are `code`. */
  const ends: Readonly<Record<string, string>> = {
    failed: 'exit 9',
    asks: 'touch bad',
    limited,
    landed: 'echo fine > fine.txt',
  };
  it.each([
    [['landed', 'limited'], 75],
    [['asks', 'limited'], 3],
    [['failed', 'asks', 'limited', 'landed'], 1],
  ])('%j is %i: 130/143 > 5 > 1 > 3 > 75', async (all, code) => {
    const other = { kind: 'recipe' };
    const p = project({ retries: 0, checks: ['! test -e bad'], agents: { other } });
    for (const [index, end] of all.entries()) {
      // A limit holds for all that the agent has to do.
      const front = end === 'limited' ? { front: 'agent: other' } : {};
      p.milestone(`1${'ABCD'[index]}`, { implement: ends[end] ?? '', remediate: 'true', ...front });
    }
    p.commit('Milestones');
    const run = await mstone(p, ['run', '--no-wait']);
    expect(run.code, run.stdout + run.stderr).toBe(code);
    // What is only limited goes on with the same run.
    const last = p.journal().at(-1);
    expect({ type: last?.type, exit: last?.exit }).toEqual({
      type: all.includes('limited') ? 'run.paused' : 'run.ended',
      exit: code,
    });
  });
});
