import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (): TestProject => {
  const made = makeProject('agent: recipe\nreview: false\n');
  projects.push(made);
  for (const id of ['1A', '1B', '2A']) made.milestone(id, { implement: `echo ${id} > ${id}.txt` });
  made.commit('Milestones');
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const mstone = (p: TestProject, ...args: string[]) => inside(args, p.root, p.env);

async function states(p: TestProject, cwd = p.root): Promise<Record<string, string>> {
  const { stdout } = await inside(['plan', '--json'], cwd, p.env);
  const { milestones } = JSON.parse(stdout) as { milestones: { id: string; state: string }[] };
  return Object.fromEntries(milestones.map(({ id, state }) => [id, state]));
}

const digestIn = (p: TestProject, commit: string, id: string): string | undefined =>
  new RegExp(`Mstone-Milestone: ${id}\nMstone-Digest: (v1:[0-9a-f]{64})\n`).exec(
    p.git('log', '-1', '--format=%B', commit),
  )?.[1];

it('several milestones are marked done in one commit that changes TASKS.md alone, and are not run', async () => {
  const p = project();
  const before = p.oid('main');
  const marked = await mstone(p, 'mark', '1A', '2A', '--done');
  const short = p.oid('main').slice(0, 7);
  expect(marked).toEqual({
    code: 0,
    stdout: `1A, 2A: marked done on main as ${short}\nNext: mstone plan\n`,
    stderr: '',
  });
  expect(p.oid('main^')).toBe(before);
  expect(p.git('diff', '--name-only', 'main^', 'main')).toBe('TASKS.md');
  const [first, second] = ['1A', '2A'].map((id) => digestIn(p, 'main', id));
  expect(p.git('log', '-1', '--format=%B')).toBe(
    `Mark 1A, 2A done\n\nMstone-Milestone: 1A\nMstone-Digest: ${first}\nMstone-Milestone: 2A\nMstone-Digest: ${second}\nMstone-State: done\n`,
  );
  // The checkout went along, and the lock is gone.
  expect(p.git('status', '--porcelain')).toBe('');
  expect(existsSync(join(p.root, '.git', 'mstone', 'lock'))).toBe(false);
  const today = new Date().toISOString().slice(0, 10);
  expect(readFileSync(join(p.root, 'TASKS.md'), 'utf8').split('\n')).toEqual(
    expect.arrayContaining([
      `- [x] **1A** Part 1A — marked done ${today}, text ${first?.slice(3, 9)}…`,
      '- [ ] **1B** Part 1B',
      `- [x] **2A** Part 2A — marked done ${today}, text ${second?.slice(3, 9)}…`,
    ]),
  );
  expect(await states(p)).toEqual({ '1A': 'done', '1B': 'todo', '2A': 'done' });
  const clone = join(p.env.HOME ?? '', 'clone');
  p.git('clone', '-q', p.root, clone);
  expect(await states(p, clone)).toEqual({ '1A': 'done', '1B': 'todo', '2A': 'done' });

  const again = await mstone(p, 'mark', '2A', '--done');
  expect(again).toEqual({
    code: 0,
    stdout: 'Nothing to change: 2A is done already.\nNext: mstone plan\n',
    stderr: '',
  });
  expect(p.oid('main').slice(0, 7)).toBe(short);

  // The one that is left runs on top, and what was marked stays ticked.
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(p.tree()).toEqual({ '1B.txt': '1B' });
  expect(await states(p)).toEqual({ '1A': 'done', '1B': 'done', '2A': 'done' });
  expect(readFileSync(join(p.root, 'TASKS.md'), 'utf8')).toContain(`**2A** Part 2A — marked done ${today}`);
});

it('a landed milestone is set back to todo; all are set at once; a reverted mark is none', async () => {
  const p = project();
  const run = await p.mstone('run', '1A', '1B');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect((await mstone(p, 'mark', '1A', '--todo')).code).toBe(0);
  expect(await states(p)).toEqual({ '1A': 'todo', '1B': 'done', '2A': 'todo' });
  expect(p.git('log', '-1', '--format=%s')).toBe('Mark 1A todo');
  expect(readFileSync(join(p.root, 'TASKS.md'), 'utf8')).toMatch(
    /^- \[ \] \*\*1A\*\* Part 1A — set back to todo /m,
  );
  const plan = await mstone(p, 'plan');
  expect(plan.stdout).toContain(`1A  todo  Part 1A  set back to todo by ${p.oid('main').slice(0, 7)}`);

  expect((await mstone(p, 'mark', '--all', '--done')).code).toBe(0);
  expect(p.git('log', '-1', '--format=%s')).toBe('Mark 1A, 2A done');
  expect(await states(p)).toEqual({ '1A': 'done', '1B': 'done', '2A': 'done' });
  // A mark that is reverted is as if it had never been.
  p.git('revert', '--no-edit', 'HEAD');
  expect(await states(p)).toEqual({ '1A': 'todo', '1B': 'done', '2A': 'todo' });
  expect((await mstone(p, 'mark', '1*', '--todo')).stdout).toMatch(/^1B: marked todo on main as /);
  expect(await states(p)).toEqual({ '1A': 'todo', '1B': 'todo', '2A': 'todo' });
  expect(await mstone(p, 'mark', '--all', '--todo')).toEqual({
    code: 0,
    stdout: 'Nothing to change: all 3 milestones are todo already.\nNext: mstone plan\n',
    stderr: '',
  });
});

it('a stale milestone is accepted as it is, once its text is committed, as often as it changes', async () => {
  const p = project();
  expect((await mstone(p, 'mark', '1A', '--done')).code).toBe(0);
  for (const word of ['one', 'two']) {
    p.milestone('1A', { implement: `echo ${word} > 1A.txt` });
    const loose = await mstone(p, 'mark', '1A', '--done');
    expect({ code: loose.code, stdout: loose.stdout }).toEqual({ code: 2, stdout: '' });
    expect(loose.stderr).toContain('milestones/1A.md is not committed as it is');
    p.commit(`Another text: ${word}`);
    expect(await states(p)).toEqual({ '1A': 'stale', '1B': 'todo', '2A': 'todo' });
    const plan = await mstone(p, 'plan');
    expect(plan.stdout).toContain(
      '`mstone run 1A` does it again, `mstone mark 1A --done` accepts it as it is',
    );
    expect((await mstone(p, 'mark', '1A', '--done')).code).toBe(0);
    expect(p.git('diff', '--name-only', 'main^', 'main')).toBe('TASKS.md');
    expect(await states(p)).toEqual({ '1A': 'done', '1B': 'todo', '2A': 'todo' });
  }
  expect(p.starts()).toEqual([]);
});

it('a checkout in the way refuses the mark, names the file and the command, and nothing moves', async () => {
  const p = project();
  writeFileSync(join(p.root, 'TASKS.md'), 'mine, not committed\n');
  const refs = p.git('for-each-ref');
  const refused = await mstone(p, 'mark', '1A', '--done');
  expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 3, stdout: '' });
  expect(refused.stderr).toBe(
    `error: 1A could not be marked on main: "TASKS.md" would be overwritten in ${p.root}\n  fix: mv -- TASKS.md TASKS.md.mine && mstone mark 1A --done\n`,
  );
  expect(p.git('for-each-ref')).toBe(refs);
  expect(readFileSync(join(p.root, 'TASKS.md'), 'utf8')).toBe('mine, not committed\n');
});

it('--onto marks on another branch and leaves the checkout alone', async () => {
  const p = project();
  p.git('branch', 'next');
  const head = p.oid('main');
  const marked = await mstone(p, 'mark', '1A', '--done', '--onto', 'next');
  expect(marked.stdout).toBe(`1A: marked done on next as ${p.oid('next').slice(0, 7)}\nNext: mstone plan\n`);
  expect(p.oid('main')).toBe(head);
  expect(existsSync(join(p.root, 'TASKS.md'))).toBe(false);
  expect(await states(p)).toEqual({ '1A': 'todo', '1B': 'todo', '2A': 'todo' });
});

it('is refused without a state, with two, without milestones, with a name that is none, and beside a run', async () => {
  const p = project();
  const refusals: Record<string, string> = {
    '1A': 'error: done or todo?',
    '1A --done --todo': 'error: done or todo?',
    '--done': 'error: which milestones?',
    '1A --all --done': 'error: which milestones?',
    '1A 1X --done': 'error: there is no milestone 1X\n  fix: did you mean `1A`?\n',
  };
  for (const [words, message] of Object.entries(refusals)) {
    const refused = await mstone(p, 'mark', ...words.split(' '));
    expect({ code: refused.code, stdout: refused.stdout }, words).toEqual({ code: 2, stdout: '' });
    expect(refused.stderr, words).toContain(message);
  }

  const gate = join(p.env.HOME ?? '', 'gate');
  p.milestone('1A', { implement: `while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt` });
  p.commit('A gate');
  const run = p.start(['run', '1A']);
  await run.said('1A implement');
  const locked = await mstone(p, 'mark', '1B', '--done');
  expect({ code: locked.code, stdout: locked.stdout }).toEqual({ code: 4, stdout: '' });
  expect(locked.stderr).toContain('error: another run holds the lock');
  writeFileSync(gate, '');
  expect((await run.ended).code).toBe(0);
  expect(p.landed()).toEqual(['Milestones', 'A gate', '1A: Part 1A']);
});

it('what an interrupted run was at is not marked before that has ended; what it had yet to begin is', async () => {
  const p = project();
  const gate = join(p.env.HOME ?? '', 'gate');
  p.milestone('1A', { implement: `while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt` });
  p.commit('A gate');
  const run = p.start(['run', '-j', '1']);
  await run.said('1A implement');
  await expect.poll(() => p.starts(), { timeout: 20_000 }).toEqual(['1A.1.1.implement']);
  run.child.kill('SIGKILL');
  await run.ended;
  const refused = await mstone(p, 'mark', '1A', '1B', '--done');
  expect({ code: refused.code, stdout: refused.stdout }).toEqual({ code: 2, stdout: '' });
  expect(refused.stderr).toMatch(
    /^error: 1A is under way in run \w{26}, which is unfinished\n {2}fix: .*mstone resume\n$/,
  );
  expect((await mstone(p, 'mark', '1B', '--done')).code).toBe(0);
  writeFileSync(gate, '');
  const resumed = await p.mstone('resume');
  expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
  expect(p.landed()).toEqual(['Milestones', 'A gate', 'Mark 1B done', '1A: Part 1A', '2A: Part 2A']);
  expect(p.tree()).toEqual({ 'a.txt': 'a', '2A.txt': '2A' });
  expect(await p.leftovers()).toEqual([]);
});

it('a mark is told as one, and so is a landing whose proof a squash has lost', async () => {
  const p = makeProject('agent: recipe\nreview: false\n');
  projects.push(p);
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('1B', { implement: 'echo b > b.txt' });
  p.commit('Milestones');
  expect((await mstone(p, 'mark', '1B', '--done')).code).toBe(0);
  const day = new Date().toISOString().slice(0, 10);
  const by = p.oid('main').slice(0, 7);
  expect((await mstone(p, 'plan')).stdout).toContain(`1B  done  Part 1B  marked done ${day} by ${by}`);

  const before = p.oid('main');
  const run = await mstone(p, 'run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  const landed = p.oid('main');
  p.git('reset', '-q', '--soft', before);
  p.git('commit', '-q', '-m', 'All of it in one');
  const [, id = ''] = /"run":"([^"]+)"/.exec(JSON.stringify(p.journal()[0])) ?? [];
  const words = `run ${id} landed it as ${landed.slice(0, 7)}, of which main holds no proof; if its work is there, \`mstone mark 1A --done\` says so`;
  expect((await mstone(p, 'plan')).stdout).toContain(words);
  expect((await mstone(p, 'explain', '1A')).stdout).toContain(`todo: ${words}\n`);
  expect((await mstone(p, 'mark', '1A', '--done')).code).toBe(0);
  const planned = await mstone(p, 'plan');
  expect([planned.stdout.includes(words), planned.stdout.includes('1A  done  Part 1A  marked done')]).toEqual(
    [false, true],
  );
  // What was taken back on purpose was not lost.
  expect((await mstone(p, 'mark', '1A', '--todo')).code).toBe(0);
  expect((await mstone(p, 'plan')).stdout).toMatch(/1A {2}todo {2}Part 1A {2}set back to todo by /);
});
