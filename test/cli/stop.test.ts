import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { hostIdentity, selfIdentity } from '../../src/process/identity.js';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
function project(): TestProject {
  const made = makeProject('agent: recipe\nreview: false\njobs: 1\n');
  projects.push(made);
  return made;
}
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const mstone = (p: TestProject, ...args: string[]) => inside(args, p.root, p.env);

/** Two milestones; the first one's agent goes on until `$HOME/open` is there. */
function gated(): TestProject {
  const p = project();
  p.milestone('1A', {
    implement: 'echo a > a.txt; while ! test -e "$HOME/open"; do sleep 0.05; done; echo more >> a.txt',
    front: 'priority: 1',
  });
  p.milestone('1B', { implement: 'echo b > b.txt' });
  p.commit('Milestones');
  return p;
}

const RUN = '[0-9A-Z]{26}';

describe('mstone stop', () => {
  it('lets what runs end and starts nothing new, however often it is asked; resume goes on', async () => {
    const p = gated();
    const run = p.start(['run']);
    await run.said('1A implement started');
    const asked = {
      code: 0,
      stdout: expect.stringMatching(
        new RegExp(
          `^Asked run ${RUN} \\(process ${run.child.pid}\\) to stop: nothing new starts\n` +
            '  1A implement goes on until it ends; `mstone stop --now` ends it\nNext: mstone status\n$',
        ),
      ),
      stderr: '',
    };
    expect(await mstone(p, 'stop')).toEqual(asked);
    await run.said(
      'note: asked to stop: nothing new starts, 1A implement may end; `mstone stop --now` ends it now',
    );
    expect(await mstone(p, 'stop')).toEqual(asked);
    expect(await mstone(p, 'stop')).toEqual(asked);
    const waiting = p.start(['stop', '--wait']);
    await waiting.said('1A implement goes on');
    p.write('../open', '');
    const { code, stdout } = await run.ended;
    expect(code, stdout).toBe(130);
    expect(stdout.match(/asked to stop/g)).toHaveLength(1);
    const waited = await waiting.ended;
    expect({ code: waited.code, stderr: waited.stderr }).toEqual({ code: 0, stderr: '' });
    expect(waited.stdout.split('\n').slice(2)).toEqual([
      '  1A implement has ended; nothing is at work',
      'The run has stopped.',
      'Next: mstone resume',
      '',
    ]);
    expect(p.starts()).toEqual(['1A.1.1.implement']);
    expect(p.landed()).toEqual(['Milestones']);

    expect((await mstone(p, 'resume')).code).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'a\nmore', 'b.txt': 'b' });
    expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  });

  it('after Ctrl-C asks for nothing more, and Ctrl-C after it ends what runs', async () => {
    const p = gated();
    const run = p.start(['run']);
    await run.said('1A implement started');
    run.child.kill('SIGINT');
    await run.said('interrupted: nothing new starts');
    expect((await mstone(p, 'stop')).stdout).toContain('1A implement goes on until it ends');
    // A further look at the same run: it would have ended its agent by now.
    expect((await mstone(p, 'stop')).stdout).toContain('1A implement goes on until it ends');
    run.child.kill('SIGINT');
    const { code, stdout } = await run.ended;
    expect(code, stdout).toBe(130);
    expect(stdout).toContain('1A implement was cancelled');
    expect(await p.leftovers()).toEqual([]);
  });

  it('--now ends agents and keeps their work', async () => {
    const p = gated();
    const run = p.start(['run']);
    await run.said('1A implement started');
    await expect.poll(() => p.starts(), { interval: 20, timeout: 20_000 }).toEqual(['1A.1.1.implement']);
    const told = await mstone(p, 'stop', '--now', '--wait');
    expect({ code: told.code, stderr: told.stderr }).toEqual({ code: 0, stderr: '' });
    expect(told.stdout).toMatch(
      new RegExp(
        `^Told run ${RUN} \\(process ${run.child.pid}\\) to end now: 1A implement is ended, its work is kept\n`,
      ),
    );
    expect(told.stdout).toMatch(/The run has stopped\.\nNext: mstone resume\n$/);
    expect((await run.ended).code).toBe(143);
    expect(await p.leftovers()).toEqual([]);
    p.write('../open', '');
    expect((await mstone(p, 'resume')).code).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'a\nmore', 'b.txt': 'b' });
  });

  it('does both where the environment says so', async () => {
    const p = gated();
    const run = p.start(['run']);
    await run.said('1A implement started');
    const env = { ...p.env, MSTONE_STOP_NOW: '1', MSTONE_STOP_WAIT: '1' };
    const told = await inside(['stop'], p.root, env);
    // It returns when the run has ended, and that is at once, though nobody opened the gate.
    expect({ code: told.code, end: (await run.ended).code }).toEqual({ code: 0, end: 143 });
    expect(told.stdout.split('\n')[0]).toMatch(
      new RegExp(`^Told run ${RUN} .*: 1A implement is ended, its work is kept$`),
    );
  });

  it('says so where no run is under way', async () => {
    const p = gated();
    expect(await mstone(p, 'stop')).toEqual({
      code: 0,
      stdout: 'No run is under way.\nNext: mstone run\n',
      stderr: '',
    });
    const run = p.start(['run']);
    await run.said('1A implement started');
    await expect.poll(() => p.starts(), { interval: 20, timeout: 20_000 }).toEqual(['1A.1.1.implement']);
    run.child.kill('SIGKILL');
    await run.ended;
    expect(await mstone(p, 'stop', '--now')).toEqual({
      code: 0,
      stdout:
        'No run is under way. 1 assignment of the last one may still be at work.\nNext: mstone resume\n',
      stderr: '',
    });
    p.write('../open', '');
    expect((await mstone(p, 'resume')).code).toBe(0);
  });

  it('refuses whom it cannot prove to drive the run, and signals nobody', async () => {
    const p = project();
    const { pid, start, boot } = selfIdentity();
    const here = hostIdentity();
    const since = new Date().toISOString();
    // This very process: a signal would end the test.
    const owner = {
      pid,
      start,
      boot,
      pidNamespace: here.pidNamespace,
      host: here.host,
      nonce: randomUUID(),
      since,
    };
    const who = `process ${pid} on ${here.host}, since ${since}`;
    const lock = (record: object | string): void =>
      p.write('.git/mstone/lock', typeof record === 'string' ? record : JSON.stringify(record));

    lock(owner);
    expect(await mstone(p, 'stop')).toEqual({
      code: 4,
      stdout: '',
      stderr: `error: what holds the lock is no run: ${who}\n  fix: it plans one, marks or cleans up: wait for its end, or end it in its own terminal\n`,
    });
    lock({ ...owner, host: 'elsewhere' });
    expect(await mstone(p, 'stop', '--now')).toEqual({
      code: 4,
      stdout: '',
      stderr: `error: the run under way cannot be reached from here: process ${pid} on elsewhere, since ${since}\n  fix: type \`mstone stop\` on that machine, in that container\n`,
    });
    lock('{"pid": 1');
    const torn = await mstone(p, 'stop');
    expect({ code: torn.code, stdout: torn.stdout }).toEqual({ code: 4, stdout: '' });
    expect(torn.stderr).toMatch(/^error: the lock .*\/mstone\/lock cannot be read\n/);
    // The pid is somebody else's by now.
    lock({ ...owner, start: '1' });
    expect(await mstone(p, 'stop')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^No run is under way\./),
    });
  });
});
