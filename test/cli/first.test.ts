import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { approve, makeProject, refuse, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (...args: Parameters<typeof makeProject>): TestProject => {
  const made = makeProject(...args);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const CHECKED = 'agent: recipe\nreviewer: recipe\nchecks: ["test -s a.txt || test -s b.txt"]\n';

it('two milestones are implemented in parallel, checked, reviewed and landed, and TASKS.md is ticked', async () => {
  const p = project(CHECKED);
  p.milestone('1A', { title: 'Alpha', criteria: ['a.txt says a'], implement: 'echo a > a.txt' });
  p.milestone('1B', {
    title: 'Beta',
    implement: 'echo b > b.txt; git add b.txt; git commit -qm "b, by the agent"',
  });
  p.commit('Milestones');

  const run = await p.mstone('run');
  expect(run.stderr).toBe('');
  expect(run.code).toBe(0);
  expect(p.landed().sort()).toEqual(['1A: Alpha', '1B: Beta', 'Milestones']);
  expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
  // The checkout followed.
  expect(readFileSync(join(p.root, 'a.txt'), 'utf8')).toBe('a\n');
  expect(p.git('status', '--porcelain')).toBe('');
  const today = new Date().toISOString().slice(0, 10);
  expect(readFileSync(join(p.root, 'TASKS.md'), 'utf8')).toContain('- [x] **1A** Alpha');
  expect(readFileSync(join(p.root, 'TASKS.md'), 'utf8')).toContain(`landed ${today} by recipe, approved`);
  expect(await p.leftovers()).toEqual([]);

  const again = await p.mstone('run');
  expect({ code: again.code, stdout: again.stdout, stderr: again.stderr }).toEqual({
    code: 0,
    stdout: 'Nothing to do: 2 of 2 done.\n',
    stderr: '',
  });
});

it('a refused review is remediated, a failed check is remediated, and a conflict is resolved', async () => {
  const p = project('agent: recipe\nreviewer: recipe\nchecks: ["! grep -rq BROKEN src"]\n');
  p.milestone('1A', {
    implement: 'mkdir -p src; echo "1A without usage" > src/one; echo "from 1A" > src/both',
    review: `if grep -q usage: src/one; then ${approve()}; else ${refuse('no usage line')}; fi`,
    remediate: 'grep -q "no usage line" "$MSTONE_CONTEXT_FILE"; echo "usage: one" >> src/one',
    resolve: 'printf "from 1A\\nfrom 1B\\n" > src/both',
  });
  p.milestone('1B', {
    implement: 'mkdir -p src; echo BROKEN > src/two; echo "from 1B" > src/both',
    remediate: 'grep -q BROKEN "$MSTONE_CONTEXT_FILE"; echo whole > src/two',
    resolve: 'printf "from 1A\\nfrom 1B\\n" > src/both',
  });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(p.tree()).toEqual({
    'src/both': 'from 1A\nfrom 1B',
    'src/one': '1A without usage\nusage: one',
    'src/two': 'whole',
  });
  expect(p.starts().map((name) => name.replace(/\.\d+\./g, ' ').replace(/\d+\./g, ''))).toContain(
    '1B remediate',
  );
});

it('mstone killed in the middle is taken up by resume: its agent goes on and starts once', async () => {
  const p = project();
  const gate = join(p.env.HOME ?? '', 'gate');
  p.milestone('1A', {
    implement: `echo started; while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt`,
  });
  p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
  p.commit('Milestones');

  const first = p.start(['run']);
  await first.said('1A implement');
  await expect.poll(() => p.starts(), { timeout: 20_000 }).toEqual(['1A.1.1.implement']);
  first.child.kill('SIGKILL');
  await first.ended;
  p.write('../gate', '');
  const resumed = await p.mstone('resume');
  expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
  expect(resumed.stdout).toContain('Continuing');
  expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
  expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.review', '1B.1.1.implement', '1B.1.2.review']);
  expect(await p.leftovers()).toEqual([]);
});

it('with the state folder gone, in a fresh clone and after a merging pull, the plan says the same; a revert makes it todo', async () => {
  const p = project();
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('1B', { implement: 'echo b > b.txt' });
  p.commit('Milestones');
  expect((await p.mstone('run')).code).toBe(0);
  const states = async (cwd?: string): Promise<Record<string, string>> => {
    const { stdout } = await p.start(['plan', '--json'], cwd).ended;
    const { milestones } = JSON.parse(stdout) as { milestones: { id: string; state: string }[] };
    return Object.fromEntries(milestones.map(({ id, state }) => [id, state]));
  };
  rmSync(join(p.root, '.git', 'mstone'), { recursive: true });
  expect(await states()).toEqual({ '1A': 'done', '1B': 'done' });

  const clone = join(p.env.HOME ?? '', 'clone');
  p.git('clone', '-q', p.root, clone);
  expect(await states(clone)).toEqual({ '1A': 'done', '1B': 'done' });

  // The clone's own commit becomes the first parent of a pull, and the landings leave the first-parent line.
  p.gitIn(clone, 'config', 'user.name', 'Cleo');
  p.gitIn(clone, 'config', 'user.email', 'cleo@example.org');
  p.gitIn(clone, 'reset', '-q', '--hard', 'HEAD~2');
  p.gitIn(clone, 'commit', '-q', '--allow-empty', '-m', 'mine');
  p.gitIn(clone, 'pull', '-q', '--no-rebase', '--no-edit');
  expect(p.gitIn(clone, 'log', '--first-parent', '--format=%s', '-2').split('\n')[1]).toBe('mine');
  expect(await states(clone)).toEqual({ '1A': 'done', '1B': 'done' });

  const [first = '', second = ''] = p
    .landed()
    .slice(1)
    .map((subject) => subject.slice(0, 2));
  p.git('revert', '--no-edit', '-m', '1', 'HEAD');
  expect(await states()).toEqual({ [first]: 'done', [second]: 'todo' });
  expect(existsSync(join(p.root, '.git', 'mstone'))).toBe(false);
});

it("the user's own text in TASKS.md stays to the byte, whatever its encoding, through a landing and a mark", async () => {
  const p = project('agent: recipe\nreview: false\n');
  const own = Buffer.concat([Buffer.from('M\xfcll\xe4r\xff\r\n', 'latin1'), Buffer.from('ü\n\n')]);
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones', { 'TASKS.md': own });
  const ownPart = (): Buffer => {
    const bytes = readFileSync(join(p.root, 'TASKS.md'));
    return bytes.subarray(0, bytes.indexOf('<!-- mstone:begin -->'));
  };
  expect((await p.mstone('run')).code).toBe(0);
  expect(readFileSync(join(p.root, 'TASKS.md'), 'latin1')).toContain('- [x] **1A**');
  expect(ownPart()).toEqual(own);
  expect((await p.mstone('mark', '1A', '--todo')).code).toBe(0);
  expect(readFileSync(join(p.root, 'TASKS.md'), 'latin1')).toContain('- [ ] **1A**');
  expect(ownPart()).toEqual(own);
});
