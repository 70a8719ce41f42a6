/**
 * No way leads to a landing without a readable approval where review is on, nor with a check that did not start
 * or ran nothing. Each link is broken by a real agent, with real checks; `test/run/links.test.ts` breaks them in
 * what is decided.
 */
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { approve, makeProject } from '../rig/project.js';

const REFUSAL = `echo '{"mstone":"verdict","verdict":"request_changes","criteria":[],"findings":[]}'`;

it('each link broken in turn lands nothing, beside one that is whole', async () => {
  const p = makeProject(
    JSON.stringify({
      agent: 'recipe',
      reviewer: 'recipe',
      jobs: 3,
      retries: 0,
      review: { rounds: 0 },
    }),
  );
  const good = approve();
  const broken: Record<string, { review: string; front?: string }> = {
    '1A': { review: 'true' },
    '1B': { review: `echo 'I approve this.'; echo '{"mstone":"verdict","verdict":"appro'` },
    '1C': { review: `echo 'I approve this.'; ${REFUSAL}` },
    '1D': { review: `${good}; echo bye; exit 1` },
    '1E': { review: good, front: 'checks: [nowhere-to-be-found]' },
    '1F': { review: good, front: `checks: ['echo "1..0"']` },
  };
  for (const [id, text] of Object.entries(broken))
    p.milestone(id, { implement: `echo x > ${id}.txt`, ...text });
  // It approves one tree and leaves another: what it approved lands.
  p.milestone('1Z', {
    implement: 'echo fine > 1Z.txt',
    review: `echo worse > 1Z.txt; git commit -qam worse; ${good}`,
  });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(1);
  expect(p.landed()).toEqual(['Milestones', '1Z: Part 1Z']);
  expect(p.tree()).toEqual({ '1Z.txt': 'fine' });
  const why = run.stdout.split('\n').filter((line) => /^1\w (failed|needs you): /.test(line));
  expect(why.map((line) => line.replace(/ \(mstone logs .*/, '').replace(/ \(blocking are .*/, ''))).toEqual([
    '1A failed: the review failed: it printed no verdict line',
    '1B failed: the review failed: it printed no verdict line',
    '1C failed: the review failed: it says request_changes, but holds no blocking finding',
    '1D failed: recipe crashed: exit 1: bye',
    '1E failed: `nowhere-to-be-found` could not start (exit 127): sh: 1: nowhere-to-be-found: not found',
    '1F needs you: no round of remediation is allowed: echo "1..0" failed',
  ]);
}, 60_000);

it('killed between the verdict and the landing, it lands what was approved, once', async () => {
  const p = makeProject(JSON.stringify({ agent: 'recipe', reviewer: 'recipe', checks: ['test -s a.txt'] }));
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
  const run = p.start(['run']);
  await run.said('1A review approves');
  run.child.kill('SIGKILL');
  await run.ended;
  // Whatever it came to, the verdict is on disk, and nothing is asked or landed twice.
  const on = await p.mstone('resume');
  expect(on.code, on.stdout + on.stderr).toBe(0);
  expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);
  expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.review']);
  const approved = p
    .journal()
    .find(
      (line) => line.type === 'work.started' && JSON.stringify(line).includes('"purpose":"review"'),
    ) as unknown as {
    effect: { from: string };
  };
  expect(p.git('rev-parse', 'main^2')).toBe(approved.effect.from);
});

it('a run goes on under the configuration of now: nobody is asked any more, or somebody is before it lands', async () => {
  const reviewed = JSON.stringify({ agent: 'recipe', reviewer: 'recipe' });
  const unreviewed = JSON.stringify({ agent: 'recipe', review: false });
  const p = makeProject(reviewed);
  const go = `${p.env.HOME}/go`;
  p.milestone('1A', {
    implement: 'echo a > a.txt',
    review: `until test -e "${go}"; do sleep 0.05; done; ${approve()}`,
  });
  p.commit('Milestones');
  const run = p.start(['run']);
  await run.said('1A review');
  run.child.kill('SIGKILL');
  await run.ended;
  p.commit('No review', { 'mstone.yaml': unreviewed });
  writeFileSync(go, '');
  const without = await p.mstone('resume');
  expect(without.code, without.stdout + without.stderr).toBe(0);
  expect(p.git('log', '-1', '--format=%s %(trailers:key=Mstone-Review,valueonly)')).toBe('1A: Part 1A off\n');

  p.milestone('1B', { implement: 'echo b > b.txt', front: 'approval: merge' });
  p.commit('More');
  expect((await p.mstone('run')).code).toBe(3);
  p.commit('Review', { 'mstone.yaml': reviewed });
  expect((await p.mstone('approve', '1B')).code).toBe(0);
  const again = await p.mstone('resume');
  expect(again.code, again.stdout + again.stderr).toBe(0);
  expect(p.starts().filter((name) => name.startsWith('1B'))).toEqual(['1B.1.1.implement', '1B.1.2.review']);
  expect(p.git('log', '-1', '--format=%s %(trailers:key=Mstone-Review,valueonly)')).toBe(
    '1B: Part 1B approved\n',
  );
});
