import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfinement } from '../../src/host/cgroup.js';
import { formatBytes, percent, pressureOf, type Reading, watchHost } from '../../src/host/index.js';
import { realHost } from '../../src/host/measure.js';

const reading: Reading = {
  memory: { totalBytes: 1000, availableBytes: 100 },
  disks: [
    { place: '/a', freeBytes: 5e9 },
    { place: '/b', freeBytes: 1.96e9 },
  ],
  cpu: 0.75,
};

describe('what is short', () => {
  it('memory from its limit on, with what is found and what is allowed', () => {
    expect(pressureOf(reading, { memory: 0.9 })).toEqual({
      is: 'short',
      of: 'memory',
      found: 0.9,
      limit: 0.9,
      words: 'memory 90% used, limit 90%',
    });
    const less = { ...reading, memory: { totalBytes: 1000, availableBytes: 101 } };
    expect(pressureOf(less, { memory: 0.9 })).toEqual({ is: 'fine' });
  });

  it('memory that is waited for all the time, whatever is said to be available', () => {
    const stalled = (share: number): Reading => ({
      ...reading,
      memory: { totalBytes: 1000, availableBytes: 900, stalled: share },
    });
    expect(pressureOf(stalled(0.4), { memory: 0.9 })).toEqual({
      is: 'short',
      of: 'memory',
      found: 0.4,
      limit: 0.25,
      words: 'memory 40% of the last 10 s spent waiting for it, limit 25%',
    });
    expect(pressureOf(stalled(0.25), { memory: 0.9 })).toEqual({ is: 'fine' });
    expect(pressureOf(stalled(0.4), {})).toEqual({ is: 'fine' });
  });

  it('the fullest disk below its limit, named', () => {
    expect(pressureOf(reading, { diskBytes: 2e9 })).toEqual({
      is: 'short',
      of: 'disk',
      found: 1.96e9,
      limit: 2e9,
      words: 'disk 1.9 GB free for /b, limit 2 GB',
    });
    expect(pressureOf(reading, { diskBytes: 1.96e9 })).toEqual({ is: 'fine' });
    expect(pressureOf({ ...reading, disks: [] }, { diskBytes: 2e9 })).toEqual({ is: 'fine' });
  });

  it('processors where they are looked at, and nothing without a limit', () => {
    expect(pressureOf(reading, { cpu: 0.7 })).toEqual({
      is: 'short',
      of: 'cpu',
      found: 0.75,
      limit: 0.7,
      words: 'cpu 75% in use, limit 70%',
    });
    expect(pressureOf(reading, {})).toEqual({ is: 'fine' });
    expect(pressureOf({ memory: reading.memory, disks: [] }, { cpu: 0.1 })).toEqual({ is: 'fine' });
  });

  it('numbers are cut off, so that what is below a limit never reads as having reached it', () => {
    expect([0.899999, 0.9, 1, 0.07].map(percent)).toEqual(['89%', '90%', '100%', '7%']);
    expect([1.99e9, 2e9, 512, 7.5e6, 3.21e12].map(formatBytes)).toEqual([
      '1.9 GB',
      '2 GB',
      '512 bytes',
      '7.5 MB',
      '3.2 TB',
    ]);
  });
});

describe('a watched machine', () => {
  it('is looked at when it is asked about, never more often than it allows, and not at all when it need not be', async () => {
    let now = 0;
    const asked: unknown[] = [];
    const host = {
      everyMs: 5000,
      measure: async (what: unknown) => {
        asked.push(what);
        return reading;
      },
    };
    const look = watchHost(host, ['/a'], { memory: 0.5 }, () => now);
    const words = 'memory 90% used, limit 50%';
    expect(await look()).toEqual({ is: 'short', words, again: 5000 });
    now = 4999;
    expect(await look()).toEqual({ is: 'short', words, again: 5000 });
    expect(asked).toEqual([{ places: ['/a'], cpu: false }]);
    now = 5000;
    expect(await look()).toEqual({ is: 'short', words, again: 10_000 });
    // The clock was set back by an hour.
    now = -3_600_000;
    expect(await look()).toEqual({ is: 'short', words, again: -3_595_000 });
    expect(asked.length).toBe(3);

    expect(await watchHost(host, [], false, () => now)()).toEqual({ is: 'fine' });
    expect(asked.length).toBe(3);
    await watchHost(host, [], { cpu: 1 }, () => now)();
    expect(asked.at(-1)).toEqual({ places: [], cpu: true });
  });
});

describe('control groups', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mstone-cgroup-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const files = (all: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  };

  it('version 2: the tightest of a group and its parents; copies of files are not in use', async () => {
    const group = 'sys/fs/cgroup/user.slice/build.service';
    files({
      'proc/self/cgroup': '0::/user.slice/build.service\n',
      [`${group}/memory.max`]: '1000\n',
      [`${group}/memory.current`]: '900\n',
      [`${group}/memory.stat`]: 'anon 500\ninactive_file 200\nactive_file 90\nslab_reclaimable 10\n',
      [`${group}/cpu.max`]: 'max 100000\n',
      [`${group}/cpu.stat`]: 'usage_usec 5000\n',
      'sys/fs/cgroup/user.slice/memory.max': '10000\n',
      'sys/fs/cgroup/user.slice/memory.current': '9000\n',
      'sys/fs/cgroup/user.slice/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/user.slice/cpu.stat': 'usage_usec 2500000\nuser_usec 1\n',
    });
    expect(await readConfinement(root)).toEqual({
      memory: { limitBytes: 10_000, usedBytes: 9000 },
      cpu: { cpus: 1.5, usedMs: 2500 },
    });
    files({ 'sys/fs/cgroup/user.slice/memory.max': 'max\n' });
    expect((await readConfinement(root)).memory).toEqual({ limitBytes: 1000, usedBytes: 600 });
  });

  it('version 1, in a container that cannot see the name it has outside', async () => {
    const memory = 'sys/fs/cgroup/memory';
    const cpu = 'sys/fs/cgroup/cpu,cpuacct';
    files({
      'proc/self/cgroup': '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n',
      [`${memory}/memory.limit_in_bytes`]: '2000\n',
      [`${memory}/memory.usage_in_bytes`]: '1500\n',
      [`${memory}/memory.stat`]: 'cache 9\ntotal_inactive_file 300\ntotal_active_file 200\n',
      [`${cpu}/cpu.cfs_quota_us`]: '50000\n',
      [`${cpu}/cpu.cfs_period_us`]: '100000\n',
      [`${cpu}/cpuacct.usage`]: '3000000\n',
    });
    expect(await readConfinement(root)).toEqual({
      memory: { limitBytes: 2000, usedBytes: 1000 },
      cpu: { cpus: 0.5, usedMs: 3 },
    });
    files({
      [`${memory}/memory.limit_in_bytes`]: '9223372036854771712\n',
      [`${cpu}/cpu.cfs_quota_us`]: '-1\n',
    });
    expect(await readConfinement(root)).toEqual({});
  });

  it('nothing where there are none, or what they say cannot be read', async () => {
    expect(await readConfinement(root)).toEqual({});
    files({ 'proc/self/cgroup': '0::/\nnonsense\n', 'sys/fs/cgroup/memory.max': 'lots\n' });
    expect(await readConfinement(root)).toEqual({});
  });
});

it('this very machine can be read: memory, processors, and the disk of a folder that is not there yet', async () => {
  const place = join(tmpdir(), 'not', 'there', 'yet');
  const { memory, disks, cpu } = await realHost().measure({ places: [place], cpu: true });
  expect(memory.totalBytes).toBeGreaterThan(0);
  expect(memory.availableBytes).toBeGreaterThan(0);
  expect(memory.availableBytes).toBeLessThanOrEqual(memory.totalBytes);
  expect(disks).toEqual([{ place, freeBytes: expect.any(Number) }]);
  expect(disks[0]?.freeBytes).toBeGreaterThan(0);
  expect(cpu).toBeGreaterThanOrEqual(0);
  expect(cpu).toBeLessThanOrEqual(1);
});
