import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
afterEach(() => p.remove());

it('status --watch shows what a run does beside it, until Ctrl-C', async () => {
  p = makeProject('agent: recipe\nreview: false\n');
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
  const watching = p.start(['status', '--watch']);
  await watching.said('No run yet.');
  const ran = await inside(['run', '-q'], p.root, p.env);
  expect(ran.code).toBe(0);
  await watching.said('1 of 1 milestone landed on main');
  watching.child.kill('SIGINT');
  const { code, stdout, stderr } = await watching.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const pages = stdout.split('\n\nNext: ');
  expect(pages[0]).toBe('No run yet.\n\n 1A  todo  Part 1A  never landed');
  expect(pages.length).toBeGreaterThan(1);
  expect(stdout).not.toContain('\u001b');
});

it('status --watch is refused at once where there is nothing to watch, and beside --json', async () => {
  p = makeProject();
  const outside = await inside(['-C', '..', 'status', '--watch'], p.root, p.env);
  expect({ code: outside.code, stdout: outside.stdout }).toEqual({ code: 2, stdout: '' });
  expect(outside.stderr).toContain('is not in a git repository');
  expect(await inside(['status', '--watch', '--json'], p.root, p.env)).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining("option '--json' cannot be used with option '-w, --watch'"),
  });
});
