/** Runs that outlive their terminal: in the background, or left by a hangup; and what another terminal sees of them. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readOwner } from '../../src/journal/lock.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(async () => {
  for (const made of projects.splice(0)) {
    const owner = await readOwner(lockOf(made));
    if (owner !== undefined) await made.mstone('stop', '--now', '--wait');
    made.remove();
  }
});

const lockOf = (p: TestProject): string => join(p.root, '.git', 'mstone', 'lock');

/** Two milestones; the first one's agent goes on until `$HOME/open` is there, and says so; `end` is its last word. */
function gated(end = 'echo a > a.txt'): TestProject {
  const p = makeProject('agent: recipe\nreview: false\njobs: 1\nretries: 0\n');
  projects.push(p);
  p.milestone('1A', {
    implement: `echo begun >> "$HOME/begun"; while ! test -e "$HOME/open"; do sleep 0.05; done; ${end}`,
    front: 'priority: 1',
  });
  p.milestone('1B', { implement: 'echo b > b.txt' });
  p.commit('Milestones');
  return p;
}

const begun = (p: TestProject): Promise<void> =>
  vi.waitFor(() => expect(existsSync(join(p.env.HOME ?? '', 'begun'))).toBe(true), {
    timeout: 60_000,
    interval: 20,
  });
const open = (p: TestProject): void => p.write('../open', '');

const RUN = '[0-9A-Z]{26}';

describe('a run in the background', () => {
  it('goes on when its terminal closes; another terminal attaches, leaves and attaches until it ends', async () => {
    const p = gated();
    // A session with a shell in it, as a terminal has one.
    const bin = join(import.meta.dirname, '../../bin/mstone.js');
    const shell = spawn('sh', ['-c', `'${process.execPath}' '${bin}' run --detach; sleep 300`], {
      cwd: p.root,
      env: p.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await vi.waitFor(() => expect(said).toContain('Next: mstone attach'), { timeout: 60_000, interval: 20 });
    expect(said).toMatch(new RegExp(`^Run ${RUN} goes on in the background \\(process \\d+\\)\\.\n`));
    process.kill(-(shell.pid ?? 0), 'SIGHUP');
    await new Promise((resolve) => shell.once('close', resolve));
    await begun(p);

    const first = p.start(['attach']);
    await first.said('on main: 2 milestones');
    first.child.kill('SIGINT');
    const left = await first.ended;
    expect(left.code, left.stderr).toBe(0);
    expect(left.stdout).toMatch(new RegExp(`Run ${RUN} goes on\\.\nNext: mstone attach\n$`));

    const second = p.start(['attach']);
    await second.said('on main: 2 milestones');
    open(p);
    const ended = await second.ended;
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).toContain('2 of 2 milestones landed on main');
    expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
    await vi.waitFor(async () => expect(await p.leftovers()).toEqual([]), { timeout: 20_000 });
    // What it printed is kept, should there ever be a bug.
    expect(readFileSync(join(p.root, '.git', 'mstone', 'detached.log'), 'utf8')).toContain('1B landed');
    const none = await p.mstone('attach');
    expect(none).toEqual({ code: 0, stdout: 'No run is under way.\nNext: mstone run\n', stderr: '' });
  });

  it('is refused in the terminal where it cannot begin, and ends for who watches as it does', async () => {
    const p = gated('exit 9');
    p.write('milestones/1C.md', '# Not committed\n');
    const refused = await p.mstone('run', '--detach');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('milestones/1C.md is not committed');
    p.commit('1C');
    p.env.MSTONE_DETACH = '1';
    const started = await p.mstone('run', '1A');
    expect(started.code, started.stdout + started.stderr).toBe(0);
    const watching = p.start(['attach', '--output', 'plain']);
    await watching.said('on main');
    open(p);
    const ended = await watching.ended;
    expect(ended.code, ended.stderr).toBe(1);
    expect(ended.stdout).toContain('Next: mstone retry 1A');
    delete p.env.MSTONE_DETACH;
    rmSync(join(p.env.HOME ?? '', 'open'));
    expect((await p.mstone('retry', '1A', '--detach')).code).toBe(0);
  });

  it('whose process is killed is told as that, and resumed in the background', async () => {
    const p = gated();
    expect((await p.mstone('run', '--detach')).code).toBe(0);
    await begun(p);
    const watching = p.start(['attach']);
    await watching.said('on main');
    const owner = await readOwner(lockOf(p));
    process.kill(owner?.pid ?? 0, 'SIGKILL');
    const ended = await watching.ended;
    expect(ended.code).toBe(75);
    expect(ended.stderr).toContain(
      `process ${owner?.pid}, which drove the run, is gone and has not said how it ended`,
    );
    expect((await p.mstone('resume', '--detach')).code).toBe(0);
    const other = p.start(['attach', '--output', 'ndjson']);
    await vi.waitFor(async () => expect((await readOwner(lockOf(p)))?.pid).not.toBe(owner?.pid), 20_000);
    open(p);
    const { code, stdout } = await other.ended;
    expect(code, stdout).toBe(0);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  });
});

describe('a run in the foreground whose terminal closes', () => {
  it('writes its checkpoint and ends alone; the agent finishes, and resume collects what it left', async () => {
    const p = gated();
    const run = p.start(['run']);
    await run.said('1A implement started');
    await begun(p);
    run.child.kill('SIGHUP');
    const ended = await run.ended;
    expect(ended.code, ended.stdout + ended.stderr).toBe(129);
    expect(ended.stdout).toContain('its terminal was closed: agents go on, `mstone resume` takes them up');
    expect(existsSync(lockOf(p))).toBe(false);
    expect(p.journal().at(-1)).toMatchObject({ type: 'run.paused', exit: 129 });
    expect((await p.leftovers()).length).toBeGreaterThan(0);
    open(p);
    const resumed = await p.mstone('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(resumed.stdout).toContain('0 landed, 1 taken up');
    expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
    expect(readFileSync(join(p.env.HOME ?? '', 'begun'), 'utf8')).toBe('begun\n');
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
    expect(await p.leftovers()).toEqual([]);
  });
});
