/** `--profile`: settings by name, before those of the files and behind environment and flags. */
import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
afterEach(() => p.remove());

const mstone = (args: readonly string[], env: Record<string, string> = {}) =>
  inside(args, p.root, { ...p.env, ...env });

/** How the plan puts it: `Agents at once: 2`. */
async function jobs(args: readonly string[], env: Record<string, string> = {}): Promise<string | undefined> {
  const { code, stdout, stderr } = await mstone(args, env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return /^Agents at once: (\d+)$/m.exec(stdout)?.[1];
}

it('wins over both files, and gives way to environment and flags', async () => {
  p = makeProject(
    'agent: recipe\nreview: false\njobs: 3\nprofiles:\n  ci: { jobs: 2, checks: [npm test] }\n  home:\n',
  );
  p.write('../config/mstone/config.yaml', 'jobs: 9\nprofiles: { home: { jobs: 7 }, ci: { retries: 5 } }\n');
  p.milestone('1A', { implement: 'true' });
  expect(await jobs(['plan'])).toBe('3');
  expect(await jobs(['plan', '--profile', 'ci'])).toBe('2');
  expect(await jobs(['plan'], { MSTONE_PROFILE: 'ci' })).toBe('2');
  expect(await jobs(['plan', '--profile', 'home'], { MSTONE_PROFILE: 'ci' })).toBe('7');
  expect(await jobs(['plan', '--profile', 'ci'], { MSTONE_JOBS: '5' })).toBe('5');
  expect(await jobs(['run', '-n', '--profile', 'ci'])).toBe('2');
  expect(await jobs(['run', '-n', '--profile', 'ci', '-j', '6'], { MSTONE_JOBS: '5' })).toBe('6');
  expect(await mstone(['validate', '--profile', 'ci'])).toMatchObject({ code: 0 });
  const { stdout } = await mstone(['config', '--origin', '--profile', 'ci']);
  expect(stdout.split('\n').filter((line) => line.includes('profile'))).toEqual([
    expect.stringMatching(/^jobs: +2 +# mstone\.yaml:5, profile ci$/),
    expect.stringMatching(/^checks: +\["npm test"\] +# mstone\.yaml:5, profile ci$/),
    expect.stringMatching(/^retries: +5 +# .*\/mstone\/config\.yaml:2, profile ci$/),
  ]);
});

it('is refused where there is none of the name, and every profile is judged', async () => {
  p = makeProject(
    'agent: recipe\nreview: false\nprofiles:\n  ci: { jobs: 2 }\n  night:\n    jbs: 3\n  odd: 4\n',
  );
  p.milestone('1A', { implement: 'true' });
  const { code, stderr } = await mstone(['validate', '--profile', 'ic']);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(
      /^mstone\.yaml:6: error: `jbs` is no setting\n.*\n {2}fix: did you mean `jobs`\?\nmstone\.yaml:7: error: `profiles\.odd` cannot be read\n.*\n {2}found: 4\n {2}fix: write what is expected; .*\nerror: there is no profile ic\n {2}expected: one of ci, night\n {2}fix: did you mean `ci`\?\n$/,
    ),
  });
});

it('stays with a run that is retried', async () => {
  p = makeProject(
    'agent: recipe\nreview: false\nprofiles: { ci: { checks: ["test -e pass"], retries: 0 } }\n',
  );
  p.milestone('1A', { implement: 'test -e "$HOME/open"; touch pass' });
  p.commit('Milestones');
  expect((await mstone(['run', '-q', '--profile', 'ci'])).code).toBe(1);
  p.write('../open', '');
  expect((await mstone(['retry', '1A', '--output', 'quiet'])).code).toBe(0);
  expect(p.journal().flatMap((line) => (line.type === 'check.ended' ? [line.milestone] : []))).toEqual([
    '1A',
  ]);
});
