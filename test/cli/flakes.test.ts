import { expect, it } from 'vitest';
import { makeProject } from '../rig/project.js';

it('a check that fails on a whim runs once more, a run without tests goes back to its author', async () => {
  // TAP, as a real runner prints it; where both files have come together it fails, once.
  const check = [
    'n=$(ls *.test 2>/dev/null | wc -l); echo "1..$n"',
    'if [ -f a.txt ] && [ -f b.txt ] && [ ! -f "$HOME/once" ]; then touch "$HOME/once"; echo "not ok 1 - adds"; exit 1; fi',
    'for test in *.test; do [ -f "$test" ] && echo "ok 1 - $test"; done; true',
  ].join('\n');
  const p = makeProject(
    JSON.stringify({ agent: 'recipe', reviewer: 'recipe', jobs: 2, checks: [check], expect_tests: 'auto' }),
  );
  p.milestone('1A', { implement: 'echo a > a.txt', remediate: 'touch a.test' });
  p.milestone('1B', { implement: 'echo b > b.txt; touch b.test' });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toContain('(ran no test)');
  expect(run.stdout).toContain(
    'note: these checks had been expected to pass, and run once more on the same tree',
  );
  expect(run.stdout).toMatch(/1[AB]: n=.* failed once and passed on the same tree \(a flake: adds\)/);
  expect(p.starts()).toEqual([
    '1A.1.1.implement',
    '1A.1.2.remediate',
    '1A.1.3.review',
    '1B.1.1.implement',
    '1B.1.2.review',
  ]);

  const status = JSON.parse((await p.mstone('status', '--json')).stdout) as {
    milestones: { id: string; flakes?: { of: string; tests: string[] }[] }[];
  };
  const [flaky] = status.milestones.filter(({ flakes }) => flakes !== undefined);
  expect(flaky?.flakes).toEqual([{ of: 'candidate', command: check, tests: ['adds'] }]);
  const explained = await p.mstone('explain', flaky?.id ?? '');
  expect(explained.stdout).toContain('checks of the merged tree, once more on the same tree: passed');
});
