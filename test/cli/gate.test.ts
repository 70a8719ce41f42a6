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
    const rest = await p.mstone('run', '1B');
    expect(rest.code, rest.stdout + rest.stderr).toBe(1);
    expect(await phases(p)).toEqual({ '1A': 'landed', '1B': 'landed', '1-gate': 'failed', '2A': 'todo' });
    expect(rest.stdout).toContain('1-gate failed: fixer crashed: exit 9');
  });
});
