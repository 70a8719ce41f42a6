import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
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

/** What was shown, the folders of headings left out. */
const plain = (text: string): string[] =>
  text
    .trimEnd()
    .replaceAll(/^==> .*\//gm, '==> ')
    .split('\n');
const until = (file: string): string => `while ! test -e "$HOME/${file}"; do sleep 0.05; done`;

describe('logs --follow', () => {
  it('shows agents and checks over assignments and attempts as they speak, until it has landed', async () => {
    const p = project('agent: recipe\nreview: false\nretries: 1\nbackoff: 0\nchecks: ["echo checking"]\n');
    p.milestone('1A', {
      implement: `echo "attempt $MSTONE_ATTEMPT"; printf '\\033[31mhalf '; ${until('$MSTONE_ATTEMPT')}; echo whole; test "$MSTONE_ATTEMPT" = 2; echo a > a.txt`,
    });
    p.commit('Milestones');
    const following = p.start(['logs', '-f', '1A']);
    await following.said('no run is under way; waiting for `mstone run`');
    const run = p.start(['run', '-q']);
    await following.said('attempt 1');
    p.write('../1', '');
    await following.said('attempt 2');
    p.write('../2', '');
    const { code, stdout, stderr } = await following.ended;
    expect((await run.ended).code).toBe(0);
    expect(code).toBe(0);
    expect(plain(stdout)).toEqual([
      '==> 1A.1.1.implement.log <==',
      'attempt 1',
      'half whole',
      '==> 1A.2.1.implement.log <==',
      'attempt 2',
      'half whole',
      expect.stringMatching(/^==> 1A\.2\.i\d+\.check\.log <==$/),
      '$ echo checking',
      'checking',
    ]);
    expect(stderr).toMatch(/\n1A landed as [0-9a-f]{7}\n$/);

    // What is settled is shown at once.
    const after = await inside(['logs', '1A', '-f'], p.root, p.env);
    expect({ code: after.code, first: plain(after.stdout)[0], stderr: after.stderr }).toEqual({
      code: 0,
      first: '==> 1A.2.1.implement.log <==',
      stderr: expect.stringMatching(/^1A landed as [0-9a-f]{7}\n$/),
    });
  });

  it('goes on through a kill and a resume, and ends with Ctrl-C or where it failed', async () => {
    const p = project('agent: recipe\nreview: false\nretries: 0\njobs: 1\n');
    p.milestone('1A', { implement: `echo one; ${until('open')}; echo two; exit 9`, front: 'priority: 1' });
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.commit('Milestones');
    const run = p.start(['run', '-q']);
    const following = p.start(['logs', '-f', '1A']);
    const other = p.start(['logs', '-f', '1B']);
    await following.said('one\n');
    await other.said('1B has not begun; waiting');
    run.child.kill('SIGKILL');
    await run.ended;
    await following.said('no run is under way; waiting for `mstone resume`');
    other.child.kill('SIGINT');
    expect(await other.ended).toMatchObject({ code: 0, stdout: '' });
    p.write('../open', '');
    expect((await p.mstone('resume', '--output', 'quiet')).code).toBe(1);
    const { code, stdout, stderr } = await following.ended;
    expect({ code, stdout: plain(stdout) }).toEqual({
      code: 0,
      stdout: ['==> 1A.1.1.implement.log <==', 'one', 'two'],
    });
    expect(stderr).toMatch(/1A failed: recipe crashed: exit 9: two \(attempt 1 of 1\)\n$/);
  });

  it('goes on as well where the environment says so', async () => {
    const p = project('agent: recipe\nreview: false\n');
    p.milestone('1A', { implement: 'echo hello; echo a > a.txt' });
    p.commit('Milestones');
    p.env.MSTONE_FOLLOW = '1';
    const following = p.start(['logs', '1A']);
    await following.said('no run is under way; waiting for `mstone run`');
    expect((await p.mstone('run', '-q')).code).toBe(0);
    const { code, stdout } = await following.ended;
    expect({ code, said: plain(stdout) }).toEqual({
      code: 0,
      said: ['==> 1A.1.1.implement.log <==', 'hello'],
    });
  });

  it('of a milestone that has none yet says so, of one that is not there asks what was meant', async () => {
    const p = project('agent: recipe\n');
    p.milestone('1A', { implement: 'true' });
    p.commit('Milestones');
    expect(await inside(['logs', '1A'], p.root, p.env)).toEqual({
      code: 0,
      stdout: '1A has no logs yet: nothing was done for it.\nNext: mstone explain 1A\n',
      stderr: '',
    });
    expect(await inside(['logs', '1B', '-f'], p.root, p.env)).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: 1B has no logs yet\n  fix: did you mean `1A`?\n',
    });
    expect(await inside(['logs', '1A', '-f', '--list'], p.root, p.env)).toMatchObject({
      code: 2,
      stdout: '',
    });
  });
});
