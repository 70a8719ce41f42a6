import { afterEach, describe, expect, it } from 'vitest';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** Milestones by recipe; whoever answers for a stage is a program with this script. */
function project(fixer: string, more: object = {}): TestProject {
  const config = {
    agent: 'fixer',
    review: false,
    retries: 0,
    stage_checks: ['! test -e broken'],
    agents: { fixer: { kind: 'command', command: ['sh', '-c', fixer] } },
    ...more,
  };
  const p = makeProject(`${JSON.stringify(config)}\n`);
  projects.push(p);
  p.milestone('1A', { front: 'agent: recipe', implement: 'echo a > a.txt' });
  p.milestone('1B', { front: 'agent: recipe', implement: 'echo b > b.txt; touch broken' });
  p.milestone('2A', { front: 'agent: recipe', implement: 'test ! -e broken; echo 2 > 2.txt' });
  p.commit('Milestones');
  return p;
}

const phases = async (p: TestProject): Promise<Record<string, string>> => {
  const { stdout } = await p.mstone('status', '--json');
  const { milestones } = JSON.parse(stdout) as { milestones: { id: string; phase: string }[] };
  return Object.fromEntries(milestones.map(({ id, phase }) => [id, phase]));
};

describe('the gate of a stage', () => {
  it('is remediated when it is red, and then the next stage runs', async () => {
    const p = project(
      'test "$MSTONE_MILESTONE $MSTONE_PURPOSE" = "1-gate remediate" && grep -q "test -e broken" "$MSTONE_CONTEXT_FILE" && git rm -q broken',
    );
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const landed = p.landed();
    expect([landed.slice(0, 3).sort(), ...landed.slice(3)]).toEqual([
      ['1A: Part 1A', '1B: Part 1B', 'Milestones'],
      '1-gate: Checks of stage 1',
      '2A: Part 2A',
    ]);
    expect(p.tree()).toEqual({ '2.txt': '2', 'a.txt': 'a', 'b.txt': 'b' });
    expect(p.starts()).toEqual([
      '1-gate.1.1.remediate',
      '1A.1.1.implement',
      '1B.1.1.implement',
      '2A.1.1.implement',
    ]);
    expect(await phases(p)).toEqual({
      '1A': 'landed',
      '1B': 'landed',
      '1-gate': 'landed',
      '2A': 'landed',
      '2-gate': 'passed',
    });
    expect((await p.mstone('run')).stdout).toBe('Nothing to do: 3 of 3 done.\n');
    const document = JSON.parse((await p.mstone('explain', '1-gate', '--json')).stdout);
    const fix = p.git('log', '-1', '--format=%H', '--grep', '^1-gate:', 'main');
    expect(document).toMatchObject({
      id: '1-gate',
      stage: 1,
      file: 'mstone.yaml',
      depends_on: ['1A', '1B'],
      state: 'done',
      would_run: false,
      waits_for: [],
      commit: fix,
      next: 'mstone logs 1-gate',
    });
    expect(document.reason).toMatch(new RegExp(`^passed in run \\S+ as ${fix.slice(0, 7)}$`));
    expect((await p.mstone('explain', '2-gate')).stdout).toMatch(/\ndone: passed in run /);
    expect((await p.mstone('explain', '3-gate')).stderr).toBe(
      'error: there is no milestone 3-gate\n  fix: did you mean `1-gate`?\n',
    );
    p.commit('No checks', { 'mstone.yaml': 'agent: recipe\nreview: false\n' });
    expect((await p.mstone('explain', '2-gate')).stdout).toContain(
      'done: there are no `stage_checks` any more\n',
    );
    p.milestone('3A', { implement: 'true' });
    expect((await p.mstone('explain', '3-gate')).stderr).toBe(
      'error: stage 3 has no checks of its own\n  fix: add `stage_checks: [COMMAND]` to mstone.yaml\n',
    );
  });

  it('that stays red holds the next stage over runs and undoes nothing, until it is retried', async () => {
    const fixer =
      'if test "$MSTONE_PURPOSE" = review; then echo \'{"mstone":"verdict","verdict":"approve","findings":[]}\'; ' +
      'elif test -e "$HOME/mend"; then git rm -q broken; else echo more >> tried.txt; fi';
    const p = project(fixer, { review: { rounds: 2 } });
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(p.landed().sort()).toEqual(['1A: Part 1A', '1B: Part 1B', 'Milestones']);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b', broken: '' });
    expect(await phases(p)).toEqual({
      '1A': 'landed',
      '1B': 'landed',
      '1-gate': 'asking',
      '2A': 'blocked',
      '2-gate': 'blocked',
    });
    expect(run.stdout).toContain(
      '1-gate needs you: 2 rounds of remediation did not mend it: ! test -e broken failed',
    );
    expect(run.stdout).toContain('2A is blocked by 1-gate');
    expect(run.stdout).toContain('Next: mstone retry 1-gate\n');

    // A second run spends nothing and lets nothing past.
    const before = p.starts();
    const again = await p.mstone('run');
    expect(again.code, again.stdout + again.stderr).toBe(3);
    expect(p.starts()).toEqual(before);
    expect(again.stdout).toContain('Next: mstone retry 1-gate\n');

    p.write('../mend', '');
    const retried = await p.mstone('retry', '1-gate');
    expect(retried.code, retried.stdout + retried.stderr).toBe(0);
    expect(p.landed().slice(3)).toEqual(['1-gate: Checks of stage 1', '2A: Part 2A']);
    expect(p.tree()).toEqual({ '2.txt': '2', 'a.txt': 'a', 'b.txt': 'b' });
  });

  it('waits for the last milestone of its stage', async () => {
    const p = project('exit 9');
    const part = await p.mstone('run', '1A');
    expect(part.code, part.stdout + part.stderr).toBe(0);
    expect(await phases(p)).toEqual({ '1A': 'landed', '1B': 'todo', '2A': 'todo' });
    expect((await p.mstone('explain', '1-gate')).stdout).toBe(
      [
        '1-gate Checks of stage 1 (mstone.yaml)',
        'todo: asked once 1B has landed',
        'A run would take it up, as number 2, after 1B.',
        '',
        'No run has begun it.',
        '',
        'Next: mstone plan',
        '',
      ].join('\n'),
    );
    const rest = await p.mstone('run', '1B');
    expect(rest.code, rest.stdout + rest.stderr).toBe(1);
    expect(await phases(p)).toEqual({ '1A': 'landed', '1B': 'landed', '1-gate': 'failed', '2A': 'todo' });
    expect(rest.stdout).toContain('1-gate failed: fixer crashed: exit 9');
    const explained = await p.mstone('explain', '1-gate');
    expect(explained.stdout).toMatch(
      /^1-gate .*\nblocked: fixer crashed: exit 9; `mstone retry 1-gate` tries again\nA run would leave it\.\n/,
    );
    expect(explained.stdout).toMatch(
      /\n {2}checks of the stage: failed .*\n {4}! test -e broken: failed, exit 1\n/,
    );
    expect(explained.stdout).toMatch(/\nNext: mstone retry 1-gate\n$/);
  });
});
