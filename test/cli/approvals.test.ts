/** What waits for a person, and what a person's word does, told and untold, while a run is under way and between runs. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

function project(config: object): TestProject {
  const p = makeProject(`${JSON.stringify({ agent: 'recipe', review: false, retries: 0, ...config })}\n`);
  projects.push(p);
  return p;
}

/** Id, phase and what is asked. */
async function standing(p: TestProject): Promise<string[]> {
  const { stdout } = await inside(['status', '--json'], p.root, p.env);
  const { milestones } = JSON.parse(stdout) as {
    milestones: { id: string; phase: string; approval?: string }[];
  };
  return milestones.map(({ id, phase, approval }) => [id, phase, approval].filter(Boolean).join(' '));
}

/** A run's last words, hashes aside. */
const lastWords = (stdout: string): string[] =>
  stdout
    .slice(stdout.lastIndexOf('\n\n') + 2)
    .trimEnd()
    .replaceAll(/\b[0-9a-f]{7}\b/g, 'COMMIT')
    .split('\n');

describe('approval by a person', () => {
  it('waits while everything else goes on, takes what was decided between runs, and binds to what was seen', async () => {
    const p = project({ approval: 'merge' });
    p.milestone('1A', { front: 'approval: before', implement: 'echo a > a.txt' });
    p.milestone('1B', {
      implement: 'echo b > b.txt',
      remediate: 'grep -o "the table needs an index" "$MSTONE_CONTEXT_FILE" | head -1 >> b.txt',
    });
    p.milestone('1C', { front: 'approval: none', implement: 'echo c > c.txt' });
    p.milestone('2A', { front: 'approval: none', implement: 'echo 2 > 2.txt' });
    p.commit('Milestones');

    const planned = await inside(['plan'], p.root, p.env);
    expect(planned.stdout).toContain(
      'Your approval: 1A before an agent starts; 1B before it lands (mstone approve ID)\n',
    );
    const { milestones } = JSON.parse((await inside(['plan', '--json'], p.root, p.env)).stdout);
    expect(milestones.map(({ approval }: { approval?: string }) => approval)).toEqual([
      'before',
      'merge',
      undefined,
      undefined,
    ]);

    const first = await p.mstone('run');
    expect(first.code, first.stdout + first.stderr).toBe(3);
    expect(lastWords(first.stdout)).toEqual([
      '1 of 4 milestones landed on main',
      '1A waits for your approval before an agent starts: mstone approve 1A, or mstone reject 1A --because "…"',
      '1B waits for your approval before it lands: read it with git diff main...mstone/1B, then mstone approve 1B, or mstone reject 1B --because "…"',
      'Paused: 1A, 1B wait for your approval',
      'Next: mstone approve 1A 1B && mstone resume',
    ]);
    expect(p.starts()).toEqual(['1B.1.1.implement', '1C.1.1.implement']);
    expect(await standing(p)).toEqual(['1A waiting before', '1B waiting merge', '1C landed', '2A waiting']);
    expect(p.git('diff', '--name-only', 'main...mstone/1B')).toBe('b.txt');
    expect((await inside(['explain', '1B'], p.root, p.env)).stdout).toContain(
      'waits for your approval before it lands',
    );

    // All that is wrong is said at once, and nothing of it is taken.
    const wrong = await inside(['approve', '1A', '1C', '2B'], p.root, p.env);
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      [
        'error: 1C waits for no approval: landed',
        '  fix: see where it is: mstone explain 1C',
        'error: there is no milestone 2B',
        '  fix: did you mean `1B`?',
        '',
      ].join('\n'),
    ]);
    for (const args of [
      ['reject', '1B'],
      ['reject', '1B', '--because', ' '],
    ]) {
      const mute = await inside(args, p.root, p.env);
      expect([mute.code, mute.stderr]).toEqual([
        2,
        'error: why?\n  fix: say it: mstone reject 1B --because "…"\n',
      ]);
    }
    const agent = await inside(['approve', '1B'], p.root, { ...p.env, MSTONE_TAG: 'x' });
    expect([agent.code, agent.stderr]).toEqual([
      2,
      'error: an agent, or a check, cannot approve anything\n  fix: type it in your own terminal\n',
    ]);
    expect(await standing(p)).toEqual(['1A waiting before', '1B waiting merge', '1C landed', '2A waiting']);

    p.git('config', 'user.name', 'Jo\u001b[31m Doe');
    const approved = await p.mstone('approve', '1A');
    expect(approved.stdout).toMatch(/^1A approved by Jo \[31m Doe <.+>: its text\nNext: mstone resume\n$/);
    const rejected = await p.mstone('reject', '1B', '--because', 'the table needs an index\u0007');
    expect(rejected.stdout).toMatch(/^1B rejected by Jo .*: its work [0-9a-f]{7}\nNext: mstone resume\n$/);

    // Another work than the one that was rejected waits again.
    const second = await p.mstone('resume');
    expect(second.code, second.stdout + second.stderr).toBe(3);
    expect(second.stdout).toMatch(/1B rejected by Jo .*: the table needs an index\n/);
    expect(p.starts()).toEqual([
      '1A.1.1.implement',
      '1B.1.1.implement',
      '1B.1.2.remediate',
      '1C.1.1.implement',
    ]);
    expect(await standing(p)).toEqual(['1A landed', '1B waiting merge', '1C landed', '2A waiting']);
    expect(p.git('log', '-1', '--format=%(trailers:key=Mstone-Approved-By)', '--grep', '^1A:')).toMatch(
      /^Mstone-Approved-By: Jo \[31m Doe <.+> at \d{4}-\d\d-\d\dT[\d:.]+Z\n?$/,
    );

    expect((await p.mstone('approve', '1B')).code).toBe(0);
    expect((await p.mstone('approve', '1B')).stdout).toMatch(
      /^1B is approved already: its work [0-9a-f]{7}\n/,
    );
    const third = await p.mstone('resume');
    expect(third.code, third.stdout + third.stderr).toBe(0);
    expect(p.tree()).toEqual({
      '2.txt': '2',
      'a.txt': 'a',
      'b.txt': 'b\nthe table needs an index',
      'c.txt': 'c',
    });
    expect(readdirSync(join(p.root, '.git', 'mstone', 'decisions'))).toEqual([]);
  });

  it('is taken by the run under way, which waits for nothing else', async () => {
    const p = project({});
    p.milestone('1A', { front: 'approval: merge', implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'while ! test -e "$HOME/go"; do sleep 0.05; done; echo b > b.txt' });
    p.milestone('2A', { front: 'approval: before', implement: 'echo 2 > 2.txt' });
    p.commit('Milestones');
    const running = p.start(['run']);
    await running.said('1A waits for your approval before it lands');
    // In advance, too: its text is all there is to see.
    const approved = await p.mstone('approve', '1A', '2A');
    expect(approved.stdout).toContain('The run under way takes it up.\nNext: mstone status\n');
    await running.said('1A landed');
    expect(existsSync(join(p.env.HOME ?? '', 'go'))).toBe(false);
    writeFileSync(join(p.env.HOME ?? '', 'go'), '');
    const ended = await running.ended;
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B', '2A: Part 2A']);
    expect(
      p
        .journal()
        .filter(({ type }) => type === 'decision')
        .map(({ milestone }) => milestone),
    ).toEqual(['1A', '2A']);
  });

  it('given before any run lets the agent start; a text that was rejected waits for another', async () => {
    const p = project({});
    p.milestone('1A', { front: 'approval: before', implement: 'echo a > a.txt' });
    p.milestone('1B', { front: 'approval: before', implement: 'echo b > b.txt' });
    p.commit('Milestones');
    expect((await p.mstone('approve', '1A')).stdout).toContain('Next: mstone run\n');
    expect((await p.mstone('reject', '1B', '--because', 'not yet')).code).toBe(0);
    const first = await p.mstone('run');
    expect(first.code, first.stdout + first.stderr).toBe(3);
    expect(first.stdout).toMatch(/1B needs you: rejected by .*: not yet \(mstone logs 1B\)\n/);
    expect(p.starts()).toEqual(['1A.1.1.implement']);
    p.milestone('1B', { front: 'approval: before', implement: 'echo B > b.txt' });
    p.commit('Another text');
    expect((await p.mstone('run')).stdout).toContain('1B waits for your approval before an agent starts');
    expect((await p.mstone('approve', '1B')).code).toBe(0);
    expect((await p.mstone('resume')).code).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'B' });
  });
});
