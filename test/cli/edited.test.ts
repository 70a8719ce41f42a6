import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeProject } from '../rig/project.js';

const p = makeProject('agent: recipe\nreview: false\n');
afterAll(() => p.remove());

it('a milestone edited while its run is interrupted is done anew by its new text, under the same run', async () => {
  const gate = join(p.env.HOME ?? '', 'gate');
  p.milestone('1A', { implement: `while ! test -e '${gate}'; do sleep 0.05; done; echo old > a.txt` });
  p.commit('Milestones');
  const first = p.start(['run']);
  await expect.poll(() => p.starts(), { timeout: 30_000 }).toEqual(['1A.1.1.implement']);
  first.child.kill('SIGINT');
  await first.said('interrupted');
  p.write('../gate', '');
  expect((await first.ended).code).toBe(130);

  p.milestone('1A', { implement: 'echo new > a.txt' });
  p.commit('Another text');
  const second = await p.mstone('run');
  expect(second.code, second.stdout + second.stderr).toBe(0);
  expect(p.tree()).toEqual({ 'a.txt': 'new' });
  // Nothing of the first text's assignment was taken for the second's.
  expect(p.starts()).toEqual(['1A.1.1.implement', '1A.2.1.implement']);
});
