import { afterEach, describe, expect, it } from 'vitest';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
function project(config: string): TestProject {
  const made = makeProject(config);
  projects.push(made);
  return made;
}
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const startsOf = (p: TestProject, id: string): string[] =>
  p.starts().filter((name) => name.startsWith(`${id}.`));

describe('what has failed', () => {
  it('is left alone by every further run, until it is retried or its text changes', async () => {
    const p = project('agent: recipe\nreview: false\nretries: 1\nbackoff: 0\n');
    p.milestone('1A', { implement: 'test -e "$HOME/mended"; echo a > a.txt' });
    p.milestone('1B', { implement: 'exit 8' });
    p.milestone('1C', { implement: 'echo c > c.txt', front: 'depends_on: [1A]' });
    p.commit('Milestones');
    const first = await p.mstone('run');
    expect(first.code, first.stdout + first.stderr).toBe(1);
    expect(p.starts()).toEqual([
      '1A.1.1.implement',
      '1A.2.1.implement',
      '1B.1.1.implement',
      '1B.2.1.implement',
    ]);

    p.write('../mended', '');
    for (const command of [['run', '1A'], ['run'], ['resume']]) {
      const again = await p.mstone(...command);
      expect(startsOf(p, '1A'), command.join(' ')).toHaveLength(2);
      if (command[0] === 'resume') {
        expect(again).toEqual({
          code: 0,
          stdout: 'Nothing to resume: no run was interrupted.\nNext: mstone run\n',
          stderr: '',
        });
        continue;
      }
      expect(again.code, again.stdout + again.stderr).toBe(1);
      expect(again.stdout).toContain('1A failed: recipe crashed: exit 1');
      expect(again.stdout).toMatch(/Next: mstone retry 1A( 1B)?\n$/);
    }

    // A slip of the finger spends nothing.
    const slip = await p.mstone('retry', '1X');
    expect({ code: slip.code, stdout: slip.stdout }).toEqual({ code: 2, stdout: '' });
    expect(slip.stderr).toContain('error: there is no milestone 1X');
    const none = await p.mstone('retry');
    expect({ code: none.code, stdout: none.stdout }).toEqual({ code: 2, stdout: '' });
    expect(none.stderr).toContain('mstone retry --failed');
    expect(p.starts()).toHaveLength(4);

    const retried = await p.mstone('retry', '1A');
    // 1B has still failed.
    expect(retried.code, retried.stdout + retried.stderr).toBe(1);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1C: Part 1C']);
    expect(startsOf(p, '1B')).toHaveLength(2);

    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.commit('1B says something else');
    const edited = await p.mstone('run');
    expect(edited.code, edited.stdout + edited.stderr).toBe(0);
    expect(p.landed().at(-1)).toBe('1B: Part 1B');
    const nothing = await p.mstone('retry', '--failed');
    expect(nothing).toEqual({ code: 0, stdout: 'Nothing has failed.\nNext: mstone status\n', stderr: '' });
  });

  it('is all retried with --failed; what made no progress asks, and a restart does not reset that', async () => {
    const p = project('agent: recipe\nreview: false\nretries: 0\nchecks: ["test ! -e bad -o -e good"]\n');
    p.milestone('1A', {
      implement: 'touch bad a.txt',
      remediate: 'test -e "$HOME/mended" && touch good || true',
    });
    p.milestone('1B', { implement: 'test -e "$HOME/mended"; echo b > b.txt' });
    p.commit('Milestones');
    const first = await p.mstone('run');
    expect(first.code, first.stdout + first.stderr).toBe(1);
    expect(first.stdout).toContain('1A needs you: no progress');
    const before = p.starts();
    expect((await p.mstone('run')).code).toBe(1);
    expect((await p.mstone('run', '1A')).code).toBe(3);
    expect(p.starts()).toEqual(before);

    p.write('../mended', '');
    const retried = await p.mstone('retry', '--failed');
    expect(retried.code, retried.stdout + retried.stderr).toBe(0);
    expect(retried.stdout).toContain('1A, 1B: what was used up is forgotten');
    expect(p.landed().sort()).toEqual(['1A: Part 1A', '1B: Part 1B', 'Milestones']);
  });
});

it('logs show what agents and checks printed, by attempt, harmless to a terminal', async () => {
  const p = project('agent: recipe\nretries: 1\nbackoff: 0\nchecks: ["echo checking; test -e a.txt"]\n');
  p.milestone('1A', {
    implement:
      'echo "try $MSTONE_ATTEMPT"; printf "\\033[2Jcleared\\n"; test "$MSTONE_ATTEMPT" = 2; echo a > a.txt',
  });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);

  const headings = (text: string): string[] =>
    [...text.matchAll(/^==> .*\/(.*) <==$/gm)].map(([, name]) => name ?? '');
  const last = await p.mstone('logs', '1A');
  expect({ code: last.code, stderr: last.stderr }).toEqual({ code: 0, stderr: '' });
  expect(headings(last.stdout)).toEqual([
    '1A.2.1.implement.log',
    expect.stringMatching(/^1A\.2\.i\d+\.check\.log$/),
    '1A.2.2.review.log',
  ]);
  expect(last.stdout).toContain('try 2\ncleared\n');
  expect(last.stdout).toContain('$ echo checking; test -e a.txt\nchecking\n');
  expect(last.stdout).not.toContain('\u001b');

  const first = await p.mstone('logs', '1A', '--attempt', '1');
  expect(headings(first.stdout)).toEqual(['1A.1.1.implement.log']);
  expect(first.stdout).toContain('try 1\n');
  const list = await p.mstone('logs', '1A', '--list');
  expect(
    list.stdout
      .trimEnd()
      .split('\n')
      .map((path) => path.split('/').at(-1)),
  ).toEqual(headings(last.stdout));

  expect((await p.mstone('logs', '1A', '--attempt', '7')).code).toBe(2);
  const near = await p.mstone('logs', '1B');
  expect(near).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: 1B has no logs yet\n  fix: did you mean `1A`?\n',
  });
});
