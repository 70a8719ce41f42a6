import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import {
  hostIdentity,
  identify,
  identifyByPs,
  isAlive,
  readStat,
  selfIdentity,
} from '../../src/process/identity.js';

describe('the identity of a process', () => {
  it('is the same every time it is asked for', () => {
    const self = selfIdentity();
    expect(self).toEqual({ pid: process.pid, start: expect.stringMatching(/./), boot: hostIdentity().boot });
    expect(selfIdentity()).toEqual(self);
    expect(isAlive(self)).toBe(true);
  });

  it('is none for a pid that nobody has or can have', () => {
    expect([0, -1, 1.5, Number.NaN, 2 ** 31 - 1].map(identify)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('does not take a stranger with the same pid for it', () => {
    const self = selfIdentity();
    expect(isAlive({ ...self, start: '1' })).toBe(false);
    expect(isAlive({ ...self, boot: 'another' })).toBe(false);
  });

  it('ends with the process', async () => {
    const child = spawn('sleep', ['60']);
    const identity = identify(child.pid ?? 0);
    expect(identity !== undefined && isAlive(identity)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(identity !== undefined && isAlive(identity)).toBe(false);
  });

  it('takes remains that nobody has buried for dead', async () => {
    // The shell becomes a sleep, which never asks for the exit code of the child it inherits.
    const parent = spawn('sh', ['-c', 'sh -c "sleep 0.2" & echo $!; exec sleep 60']);
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    try {
      await expect.poll(() => identify(pid), { interval: 10 }).toBeUndefined();
      if (process.platform === 'linux') expect(readStat(pid)?.state).toBe('Z');
      expect(identifyByPs(pid)).toBeUndefined();
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('reads past a name that looks like the fields behind it', async () => {
    const child = spawn('bash', ['-c', 'exec -a "a) Z 1 (" sleep 60']);
    expect(identify(child.pid ?? 0)).toBeDefined();
    child.kill('SIGKILL');
  });

  it('can be had from ps where there is no /proc', () => {
    const self = identifyByPs(process.pid);
    expect(self).toMatchObject({
      pid: process.pid,
      start: expect.stringMatching(/^\w{3} \w{3} \d+ [\d:]{8} \d{4}$/),
    });
    expect(identifyByPs(2 ** 31 - 1)).toBeUndefined();
  });

  it('belongs to a host', () => {
    expect(hostIdentity()).toEqual({
      host: hostname(),
      boot: expect.stringMatching(/./),
      pidNamespace: process.platform === 'linux' ? expect.stringMatching(/^pid:\[\d+\]$/) : '',
    });
  });
});
