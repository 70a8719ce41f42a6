import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
afterEach(() => p.remove());

it('--verbose shows what agents and checks print, and the commands that checks run', async () => {
  p = makeProject('agent: recipe\nreview: false\nchecks: ["echo checking", "test -e a.txt"]\n');
  p.milestone('1A', {
    implement: `printf 'one\\n\\033[31mtwo\\n'; echo '{"mstone":"usage","cost_usd":1}'; seq 1 500; echo a > a.txt`,
  });
  p.commit('Milestones');
  const { code, stdout } = await inside(['run', '-v'], p.root, p.env);
  expect(code, stdout).toBe(0);
  const said = stdout
    .split('\n')
    .map((line) => line.replace(/^\d\d:\d\d:\d\d /, '').replace(/\([\d.]+m?s/, '(TOOK'));
  const begin = said.indexOf('1A implement started (attempt 1, slot 1)');
  const end = said.indexOf('1A implement finished (TOOK, $1.00)');
  const printed = said.slice(begin + 1, end);
  expect(printed.every((line) => line.startsWith('1A | '))).toBe(true);
  expect(printed.at(-1)).toBe('1A | 500');
  expect(printed.join('\n')).toMatch(/^1A \| … \d+ lines more: mstone logs 1A$/m);
  expect(printed.length).toBeLessThan(60);
  expect(stdout).not.toContain('"mstone"');
  expect(stdout).not.toContain('\u001b');
  expect(said.slice(end + 1, end + 8)).toEqual([
    '1A checks started in slot 1: `echo checking`, `test -e a.txt`',
    '1A | $ echo checking',
    '1A | checking',
    '1A | $ test -e a.txt',
    '1A `echo checking` exit 0 (TOOK)',
    '1A `test -e a.txt` exit 0 (TOOK)',
    '1A checks passed (TOOK)',
  ]);
});

it('its twin does the same, and quiet is quiet', async () => {
  p = makeProject('agent: recipe\nreview: false\n');
  p.milestone('1A', { implement: 'echo hello; echo a > a.txt' });
  p.milestone('1B', { implement: 'echo hello; echo b > b.txt' });
  p.commit('Milestones');
  const loud = await inside(['run', '1A'], p.root, { ...p.env, MSTONE_VERBOSE: '1' });
  expect(loud.stdout).toContain('1A | hello\n');
  expect(await inside(['run', '-q'], p.root, { ...p.env, MSTONE_VERBOSE: '1' })).toMatchObject({
    code: 0,
    stdout: '',
  });
  expect(await inside(['run', '-v', '-q'], p.root, p.env)).toMatchObject({ code: 2, stdout: '' });
});

it('resume and retry show as much when they are asked to', async () => {
  p = makeProject('agent: recipe\nreview: false\nretries: 0\n');
  p.milestone('1A', { implement: 'echo hello; test -e "$HOME/open"; echo a > a.txt' });
  p.commit('Milestones');
  expect((await inside(['run'], p.root, p.env)).code).toBe(1);
  const retried = await inside(['retry', '1A', '-v'], p.root, p.env);
  expect({ code: retried.code, loud: retried.stdout.includes('1A | hello\n') }).toEqual({
    code: 1,
    loud: true,
  });
  p.write('../open', '');
  expect(
    (await inside(['retry', '1A', '--max-cost', '1'], p.root, { ...p.env, MSTONE_BUDGET_PER_MILESTONE: '2' }))
      .code,
  ).toBe(75);
  const resumed = await inside(['resume', '-v', '--max-cost', '3'], p.root, p.env);
  expect(resumed).toMatchObject({ code: 0, stdout: expect.stringContaining('1A | hello\n') });
});
