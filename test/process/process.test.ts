import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { identify } from '../../src/process/identity.js';
import { type ProcessRequest, runProcess } from '../../src/process/index.js';

const folder = (): string => mkdtempSync(join(tmpdir(), 'mstone-process-'));

const sh = (script: string, more: Partial<ProcessRequest> = {}) =>
  runProcess({
    command: 'sh',
    args: ['-c', script],
    cwd: tmpdir(),
    env: { PATH: process.env.PATH ?? '' },
    ...more,
  });

const dead = (pid: number): boolean => identify(pid) === undefined;

describe('runProcess', () => {
  it('tells exit code, stdout and stderr apart', async () => {
    expect(await sh('echo out; echo err >&2; exit 3')).toEqual({
      kind: 'exited',
      code: 3,
      stdout: Buffer.from('out\n'),
      stderr: 'err\n',
    });
  });

  it('gives the input, and nothing where there is none', async () => {
    expect(await sh('cat', { input: 'héllo' })).toMatchObject({ stdout: Buffer.from('héllo') });
    expect(await sh('cat')).toMatchObject({ kind: 'exited', code: 0, stdout: Buffer.alloc(0) });
  });

  it('inherits nothing from the environment', async () => {
    const outcome = await sh('env', { env: { PATH: process.env.PATH ?? '', ONLY: 'this' } });
    const names = 'stdout' in outcome ? outcome.stdout.toString().match(/^\w+(?==)/gm) : [];
    expect(names?.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)).sort()).toEqual([
      'ONLY',
      'PATH',
    ]);
  });

  it('tells a missing program and a missing folder in words', async () => {
    const missing = await runProcess({ command: 'no-such-program', args: [], cwd: tmpdir(), env: {} });
    expect(missing).toMatchObject({ kind: 'not-found', message: expect.stringContaining('no-such-program') });
    expect(await sh('true', { cwd: '/no/such/folder' })).toEqual({
      kind: 'not-found',
      message: 'no such folder: /no/such/folder',
    });
  });

  it('names the signal that ended it', async () => {
    expect(await sh('kill -9 $$')).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
  });

  it('keeps the end of the output where asked, in order', async () => {
    const outcome = await sh('i=0; while [ $i -lt 999 ]; do echo $i; i=$((i+1)); done; echo err >&2', {
      tail: true,
      maxBytes: 8,
    });
    expect(outcome).toMatchObject({ kind: 'exited', stdout: Buffer.from('998\nerr\n') });
  });

  it('stops a program that says too much', async () => {
    expect(await sh('yes', { maxBytes: 10_000 })).toMatchObject({ kind: 'too-much-output' });
  });

  it('ends the whole group on timeout, children that ignore SIGTERM included', async () => {
    const file = join(folder(), 'pid');
    const outcome = await sh(`(trap '' TERM; echo $$ > ${file}; sleep 60 & echo $! >> ${file}; wait)`, {
      timeoutMs: 300,
    });
    expect(outcome.kind).toBe('timed-out');
    expect(readFileSync(file, 'utf8').trim().split('\n').map(Number).map(dead)).toEqual([true, true]);
  });

  it('lets a child end politely though its parent ends first', async () => {
    const file = join(folder(), 'polite');
    const child = `trap 'sleep 0.2; echo bye > ${file}; exit' TERM; echo ready; while :; do sleep 0.01; done`;
    const abort = new AbortController();
    const running = sh(`sh -c "${child}" & exec sleep 60`, { signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    expect((await running).kind).toBe('cancelled');
    expect(readFileSync(file, 'utf8')).toBe('bye\n');
  });

  it('starts nothing when it is cancelled already', async () => {
    const file = join(folder(), 'never');
    expect(await sh(`echo > ${file}`, { signal: AbortSignal.abort() })).toMatchObject({ kind: 'cancelled' });
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('ends what the leader left behind in its group', async () => {
    const outcome = await sh('sleep 60 & echo $!');
    expect(outcome).toMatchObject({ kind: 'exited', code: 0 });
    expect('stdout' in outcome && dead(Number(outcome.stdout.toString()))).toBe(true);
  });

  it('does not wait for one that left the group and holds the pipe', async () => {
    const outcome = await sh(`setsid sh -c 'echo $$; exec sleep 60' & sleep 0.3`);
    expect(outcome).toMatchObject({ kind: 'exited', code: 0 });
    if ('stdout' in outcome) process.kill(Number(outcome.stdout.toString()), 'SIGKILL');
  });

  it('takes a timeout of months without firing at once', async () => {
    expect(await sh('sleep 0.1; exit 4', { timeoutMs: 1e11 })).toMatchObject({ kind: 'exited', code: 4 });
  });

  it('appends to a log file that others cannot read', async () => {
    const logFile = join(folder(), 'log');
    expect(await sh('echo out; echo err >&2', { logFile })).toEqual({
      kind: 'exited',
      code: 0,
      stdout: Buffer.alloc(0),
      stderr: '',
    });
    await sh('echo more', { logFile });
    expect(readFileSync(logFile, 'utf8')).toBe('out\nerr\nmore\n');
    expect(statSync(logFile).mode & 0o777).toBe(0o600);
  });

  it('stops a program that writes more than its log may grow', async () => {
    const logFile = join(folder(), 'log');
    expect(await sh('while :; do echo yes; done', { logFile, maxBytes: 10_000 })).toMatchObject({
      kind: 'too-much-output',
    });
  });
});
