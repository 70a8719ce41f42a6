/** What mstone leaves behind: no process that nobody waits for, no more worktrees than jobs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readOwner } from '../../src/journal/lock.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const strangers: ChildProcess[] = [];
afterEach(() => {
  for (const one of strangers.splice(0)) one.kill('SIGKILL');
  for (const made of projects.splice(0)) made.remove();
});

function project(config: string): TestProject {
  const made = makeProject(config);
  projects.push(made);
  return made;
}

/** A process that bears a tag, as whatever an agent started and lost sight of. */
function tagged(tag: string, cwd: string): ChildProcess & { readonly ended: Promise<unknown> } {
  const child = spawn('sleep', ['300'], {
    cwd,
    env: { PATH: '/usr/bin:/bin', MSTONE_TAG: tag },
    detached: true,
  });
  strangers.push(child);
  return Object.assign(child, { ended: new Promise((resolve) => child.once('exit', resolve)) });
}

describe('processes that nobody waits for', () => {
  it('of a run whose state was deleted are ended when the next one begins, before their worktree is used', async () => {
    const p = project('agent: recipe\nreview: false\njobs: 1\n');
    const home = p.env.HOME ?? '';
    p.milestone('1A', {
      implement:
        'echo $$ >> "$HOME/pids"; if mkdir "$HOME/once"; then while :; do sleep 0.1; echo meddling > meddled.txt; done; fi; echo a > a.txt',
    });
    p.commit('Milestones');
    const run = p.start(['run']);
    await vi.waitFor(() => expect(existsSync(join(home, 'once'))).toBe(true), { timeout: 60_000 });
    const [old] = p.starts().length > 0 ? readdirSync(join(p.root, '.git/mstone/runs')) : [];
    run.child.kill('SIGKILL');
    await run.ended;
    rmSync(join(p.root, '.git', 'mstone'), { recursive: true, maxRetries: 5 });
    const again = await p.mstone('run');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(again.stdout).toMatch(
      new RegExp(`ended that nobody waited for: an agent of run ${old}, which is not known any more`),
    );
    expect(p.tree()).toEqual({ 'a.txt': 'a' });
    const [pid = ''] = readFileSync(join(home, 'pids'), 'utf8').split('\n');
    expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
  });

  it('of a run that has ended are named by doctor and clean, which end them where they are told to; no others are', async () => {
    const p = project('agent: recipe\nreview: false\n');
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    expect((await p.mstone('run')).code).toBe(0);
    const [run] = readdirSync(join(p.root, '.git/mstone/runs'));
    const elsewhere = tagged('01ARZ3NDEKTSV4RRFFQ69G5FAV.i1', tmpdir());
    const first = tagged(`${run}.i1`, tmpdir());
    const named = `${first.pid} (1A implement of run ${run})`;
    const looked = await p.mstone('doctor');
    expect(looked.stdout).toContain(`processes: nobody waits any more for ${named}`);
    expect((await p.mstone('doctor', '--fix')).stdout).toContain(
      `1 process ended that nobody waited for: 1A implement of run ${run}`,
    );
    await first.ended;
    const second = tagged(`outer.i9,${run}.i1`, tmpdir());
    expect((await p.mstone('clean')).stdout).toContain(`process ${second.pid}: nobody waits for it any more`);
    expect(second.exitCode ?? second.signalCode).toBe(null);
    expect((await p.mstone('clean', '-f')).stdout).toContain('1 process ended that nobody waited for');
    await second.ended;
    expect((await p.mstone('doctor')).stdout).toContain('processes: none is left over');
    expect(elsewhere.exitCode ?? elsewhere.signalCode).toBe(null);
  });
});

describe('worktrees', () => {
  it('are never more than jobs and merge.parallel, whatever is retried, remediated and resumed in them', async () => {
    const p = project(
      'agent: recipe\nreview: false\njobs: 2\nretries: 1\nbackoff: 0\nchecks: ["test ! -e bad.txt"]\n',
    );
    for (const id of ['1A', '1B', '1C']) {
      p.milestone(id, {
        // The first of all to start waits, a second try follows a crash, and remediation a red check.
        implement: `if mkdir "$HOME/first"; then sleep 300; fi; if mkdir "$HOME/${id}"; then exit 9; fi; echo ${id} > ${id}.txt; touch bad.txt`,
        remediate: 'rm bad.txt',
      });
    }
    p.commit('Milestones');
    const worktrees = (): number =>
      p.git('worktree', 'list', '--porcelain').match(/^worktree /gm)?.length ?? 0;
    const run = p.start(['run']);
    await run.said('(1/3)');
    expect(worktrees()).toBeLessThanOrEqual(5);
    const owner = await readOwner(join(p.root, '.git/mstone/lock'));
    process.kill(owner?.pid ?? 0, 'SIGTERM');
    await run.ended;
    const resumed = await p.mstone('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(worktrees()).toBeLessThanOrEqual(5);
    expect(await p.leftovers()).toEqual([]);
  });
});
