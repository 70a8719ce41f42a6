import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (): TestProject => {
  const made = makeProject('agent: recipe\nreview: false\nretries: 0\njobs: 1\n');
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const mstone = (p: TestProject, ...args: string[]) => inside(args, p.root, p.env);
const state = (p: TestProject): string => join(p.root, '.git', 'mstone');
const runs = (p: TestProject): string[] => readdirSync(join(state(p), 'runs')).sort();
const refs = (p: TestProject, ...prefixes: string[]): string[] =>
  p
    .git('for-each-ref', '--format=%(refname)', ...prefixes)
    .split('\n')
    .filter((ref) => ref !== '');
const slots = (p: TestProject): string[] => {
  const folder = join(p.root, '.git', 'worktrees');
  return existsSync(folder) ? readdirSync(folder) : [];
};
const ours = ['refs/mstone', 'refs/heads/mstone'];

/** All that a dry run must leave as it is. */
const standing = (p: TestProject) => ({ refs: refs(p), runs: runs(p), slots: slots(p) });

it('what the target holds goes, with its proof, and only with -f; what has not landed stays and is named', async () => {
  const p = project();
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('1B', { implement: 'echo half > b.txt; exit 9' });
  p.commit('Milestones');
  expect((await p.mstone('run')).code).toBe(1);
  const before = standing(p);
  expect(before.slots).toHaveLength(1);
  const [landed = ''] = refs(p, `refs/mstone/runs/${before.runs[0]}/1A`);
  const [failed = ''] = refs(p, `refs/mstone/runs/${before.runs[0]}/1B`);
  expect([landed, failed].every((ref) => ref !== '')).toBe(true);

  const dry = await mstone(p, 'clean');
  expect({ code: dry.code, stderr: dry.stderr }).toEqual({ code: 0, stderr: '' });
  expect(existsSync(join(state(p), 'attributes'))).toBe(true);
  expect(dry.stdout).toContain(`  ${join(state(p), 'attributes')}: made again by the next merge\n`);
  expect(dry.stdout).toContain('  branch mstone/1A: reachable from main\n');
  expect(dry.stdout).toContain(`  ${landed}: reachable from main\n`);
  expect(dry.stdout).toMatch(/^ {2}slot 1 \(.*\): not in use, whole/m);
  expect(dry.stdout).toContain('  branch mstone/1B: has not landed on main\n');
  expect(dry.stdout).toContain(`  ${failed}: reachable from no branch that stays; `);
  expect(dry.stdout).toMatch(/\nNext: mstone clean -f\n$/);
  expect(standing(p)).toEqual(before);

  const done = await mstone(p, 'clean', '-f');
  expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
  expect(done.stdout).toContain('  branch mstone/1A: reachable from main\n');
  // Neither what merges are made with nor what git commands leave stays behind.
  expect(done.stdout).toContain(`  ${join(state(p), 'attributes')}: made again by the next merge\n`);
  expect(done.stdout).toContain(`  ${join(state(p), 'tmp')}: left by git commands that have ended\n`);
  expect(readdirSync(state(p)).filter((name) => name === 'attributes' || name === 'tmp')).toEqual([]);
  const left = refs(p, ...ours);
  expect(left).not.toContain(landed);
  expect(left).not.toContain('refs/heads/mstone/1A');
  expect(left).toContain(failed);
  expect(left).toContain('refs/heads/mstone/1B');
  expect(p.git('show', `${failed}:b.txt`)).toBe('half');
  expect({ slots: slots(p), runs: runs(p) }).toEqual({ slots: [], runs: before.runs });
  expect(existsSync(join(state(p), 'lock'))).toBe(false);

  // Nothing is forgotten: the failure still brakes, and the rest is as it was.
  const again = await p.mstone('run');
  expect(again.code, again.stdout + again.stderr).toBe(1);
  expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  p.git('fsck', '--no-dangling', '--connectivity-only');
});

it('finished runs before the newest five go, unless they alone know what has failed or landed', async () => {
  const p = project();
  p.milestone('1A', { implement: 'exit 9' });
  for (const id of ['1B', '1C']) p.milestone(id, { implement: `echo ${id} > ${id}.txt` });
  p.commit('Milestones');
  // Each is a run of its own: of 1A only the first tells.
  expect((await mstone(p, 'run', '1A')).code).toBe(1);
  expect((await mstone(p, 'run', '1B')).code).toBe(0);
  for (let n = 0; n < 5; n += 1) {
    p.milestone('1C', { implement: `echo ${n} > c.txt` });
    p.commit(`Text ${n}`);
    expect((await mstone(p, 'run', '1C')).code).toBe(0);
  }
  const [first, second, ...newest] = runs(p);
  expect(newest).toHaveLength(5);
  const dry = await mstone(p, 'clean');
  expect(dry.stdout).toContain(`  run ${first}: it alone knows what milestones have used up\n`);
  expect(dry.stdout).toContain(`  run ${second}: finished, and 5 newer ones tell all it knew\n`);
  expect((await mstone(p, 'clean', '-f')).code).toBe(0);
  expect(runs(p)).toEqual([first, ...newest]);
  const plan = await mstone(p, 'plan');
  expect(plan.stdout).toContain('1A  blocked');
});

it('--all is the uninstall: refused while work has not landed, and then nothing of mstone is left', async () => {
  const p = project();
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('1B', { implement: 'echo half > b.txt; exit 9' });
  p.commit('Milestones');
  expect((await p.mstone('run')).code).toBe(1);
  p.git('branch', 'mstone/mine');
  const before = standing(p);

  const dry = await mstone(p, 'clean', '--all');
  expect(dry.code).toBe(0);
  expect(dry.stdout).toMatch(
    /^Work that has not landed:\n {2}branch mstone\/1B: reachable from no branch or tag/,
  );
  expect(dry.stdout).toMatch(/\nNext: mstone clean --all -f --lose-work\n$/);
  const refused = await mstone(p, 'clean', '--all', '-f');
  expect(refused.code).toBe(3);
  expect(refused.stdout).toContain('  branch mstone/1B: reachable from no branch or tag of yours\n');
  expect(refused.stderr).toContain('to lose it: mstone clean --all -f --lose-work\n');
  expect(standing(p)).toEqual(before);

  const done = await mstone(p, 'clean', '--all', '-f', '--lose-work');
  expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
  expect(refs(p)).toEqual(['refs/heads/main', 'refs/heads/mstone/mine']);
  expect(existsSync(state(p))).toBe(false);
  expect(slots(p)).toEqual([]);
  expect(readdirSync(join(p.env.XDG_STATE_HOME ?? '', 'mstone'))).toEqual([]);
  expect(p.git('status', '--porcelain')).toBe('');
  const plan = JSON.parse((await mstone(p, 'plan', '--json')).stdout) as { run: string[] };
  expect(plan.run).toEqual(['1B']);
});

it('what only a slot holds is pinned before the slot goes, and stops the uninstall', async () => {
  const p = project();
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
  expect((await p.mstone('run')).code).toBe(0);
  const listed = p.git('worktree', 'list', '--porcelain').split('\n');
  const slot =
    listed
      .filter((line) => line.startsWith('worktree '))
      .at(-1)
      ?.slice(9) ?? '';
  writeFileSync(join(slot, 'precious.txt'), 'mine\n');
  const refused = await mstone(p, 'clean', '--all', '-f');
  expect(refused.code).toBe(3);
  const [rescued = ''] = refs(p, 'refs/mstone/rescue/clean/slot1');
  expect(refused.stdout).toContain(`  ${rescued}: reachable from no branch or tag of yours\n`);
  expect(p.git('show', `${rescued}:precious.txt`)).toBe('mine');
  // On a branch of the user's it is safe, and nothing is in the way any more.
  p.git('branch', 'safe', rescued);
  const done = await mstone(p, 'clean', '--all', '-f');
  expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
  expect(done.stdout).toContain(`  ${rescued}: reachable from safe\n`);
  expect(refs(p)).toEqual(['refs/heads/main', 'refs/heads/safe']);
});

it('is refused beside a run, with an unfinished one, and with --lose-work alone', async () => {
  const p = project();
  const gate = join(p.env.HOME ?? '', 'gate');
  p.milestone('1A', { implement: `while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt` });
  p.commit('Milestones');
  expect((await mstone(p, 'clean', '-f', '--lose-work')).code).toBe(2);
  expect(await mstone(p, 'clean')).toEqual({ code: 0, stdout: 'Nothing to remove.\n', stderr: '' });

  const run = p.start(['run']);
  await run.said('1A implement');
  for (const args of [[], ['-f'], ['--all', '-f', '--lose-work']]) {
    expect((await mstone(p, 'clean', ...args)).code, args.join(' ')).toBe(4);
  }
  run.child.kill('SIGKILL');
  await run.ended;
  const [id] = runs(p);
  const before = standing(p);
  const unfinished = await mstone(p, 'clean', '-f');
  expect(unfinished).toEqual({
    code: 2,
    stdout: '',
    stderr: `error: run ${id} on main is unfinished\n  fix: finish it first: mstone resume\n`,
  });
  expect(standing(p)).toEqual(before);
  const all = await mstone(p, 'clean', '--all', '-f');
  expect({ code: all.code, stdout: all.stdout }).toEqual({ code: 2, stdout: '' });

  // Dropping it ends its agent as well.
  const dropped = await mstone(p, 'clean', '--all', '-f', '--lose-work');
  expect({ code: dropped.code, stderr: dropped.stderr }).toEqual({ code: 0, stderr: '' });
  expect(refs(p)).toEqual(['refs/heads/main']);
  expect(existsSync(state(p))).toBe(false);
  writeFileSync(gate, '');
});
