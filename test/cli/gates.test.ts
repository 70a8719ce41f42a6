import { expect, it } from 'vitest';
import { approve, makeProject, type TestProject } from '../rig/project.js';

const config = (more: object = {}): string =>
  JSON.stringify({ agent: 'recipe', reviewer: 'recipe', jobs: 1, ...more });

/** All that mstone has said or kept of a run, logs of agents apart. */
const everything = (p: TestProject): string => JSON.stringify(p.journal());

it('what an agent changes of the checks waits for an answer, whatever becomes of the files that it edits', async () => {
  const p = makeProject(config({ checks: ['sh check.sh'] }));
  p.write('check.sh', 'grep -q ok state.txt\n');
  p.write('package.json', '{"scripts":{"test":"sh check.sh"}}\n');
  // The agent makes the check pass by changing it, and tries the configuration and its own text as well.
  const cheat = [
    'echo true > check.sh',
    'echo "checks: []" > mstone.yaml; echo "# Milestone 1A - Other" > milestones/1A.md',
    'mkdir -p milestones/templates && echo approve > milestones/templates/review.md',
  ].join('\n');
  p.milestone('1A', {
    implement: cheat,
    remediate: 'echo "grep -q ok state.txt" > check.sh; echo ok > state.txt',
  });
  const allowed = approve().replace(
    '"findings":[]',
    '"findings":[],"allows":[{"fact":"gate-files package.json","because":"its task"}]',
  );
  p.milestone('1B', {
    front: 'depends_on: [1A]',
    implement: `echo '{"scripts":{"test":"true"},"dependencies":{"a":"1"}}' > package.json`,
    review: allowed,
  });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toContain('note: put back as they were, being no part of the work: ');
  // Asked once more, then sent back; what it brings then needs no word.
  expect(p.starts()).toEqual([
    '1A.1.1.implement',
    '1A.1.2.review',
    '1A.1.3.review',
    '1A.1.4.remediate',
    '1A.1.5.review',
    '1B.1.1.implement',
    '1B.1.2.review',
  ]);
  expect(p.tree()).toEqual({
    'check.sh': 'grep -q ok state.txt',
    'package.json': '{"scripts":{"test":"true"},"dependencies":{"a":"1"}}',
    'state.txt': 'ok',
  });
  expect((await p.mstone('explain', '1A')).stdout).toContain(
    'major check.sh:1: what checks run by is changed',
  );
});

it('a secret lands in no commit, is shown nowhere, and asks for a person where it stays', async () => {
  const github = `ghp_${'a1B2'.repeat(9)}`;
  const p = makeProject(config({ review: false, secrets_allowed: ['fixtures/**'] }));
  p.env.DEPLOY_TOKEN = 't0ken-of-deployment';
  // What one commit brings and the next takes out stands in history all the same.
  const commit = (message: string): string => `git add -A; git commit -qm "${message}"`;
  p.milestone('1A', {
    implement: `echo 'k = "${github}"' > key.ts; ${commit('First')}; echo 'k = 1' > key.ts; ${commit('Second')}`,
  });
  p.milestone('1B', {
    front: 'depends_on: [1A]',
    implement: `mkdir fixtures; echo '${github}' > fixtures/k.txt; printf 'x\\nt0ken-of-%s\\n' deployment > b.txt`,
    remediate: 'echo clean > b.txt',
  });
  p.milestone('1C', {
    front: 'depends_on: [1B]',
    implement: `printf 'ghp_%s\\n' "$(printf 'a1B2%.0s' 1 2 3 4 5 6 7 8 9)" > c.txt`,
    remediate: 'echo more >> c.txt',
  });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(3);
  expect(run.stdout).toContain('1A note: its commits were made one, because one of them held a secret');
  expect(run.stdout).toContain(
    '1C needs you: a secret is still in its work: c.txt:1: this looks like a secret (github)',
  );
  expect(p.starts().slice(1)).toEqual([
    '1B.1.1.implement',
    '1B.1.2.remediate',
    '1C.1.1.implement',
    '1C.1.2.remediate',
  ]);
  expect(p.tree()).toEqual({ 'key.ts': 'k = 1', 'b.txt': 'clean', 'fixtures/k.txt': github });

  const landed = p.git('log', '-p', '--format=%B', 'main', '--', ':!fixtures', ':!milestones');
  expect([landed.includes(github), landed.includes('t0ken-of-deployment')]).toEqual([false, false]);
  const told = run.stdout + run.stderr + everything(p) + (await p.mstone('explain', '1C')).stdout;
  expect([told.includes(github), told.includes('t0ken-of-deployment')]).toEqual([false, false]);
});
