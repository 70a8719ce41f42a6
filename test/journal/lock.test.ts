import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { acquireLock, type LockDisk, nodeLockDisk, type Owner, readOwner } from '../../src/journal/lock.js';
import { temporaryFolder } from './samples.js';

const self: Omit<Owner, 'nonce'> = {
  pid: 100,
  start: '5000',
  boot: 'boot-1',
  pidNamespace: 'pid:[1]',
  host: 'here',
  run: '01JD4M7Z7V8K3W2N5Q6R9T0XYA',
  since: '2026-11-20T12:00:00.000Z',
};
const other: Owner = { ...self, pid: 200, nonce: '00000000-0000-4000-8000-000000000001' };

const alive = (): 'alive' => 'alive';
const dead = (): 'dead' => 'dead';

async function lockFile(owner?: Owner | string): Promise<string> {
  const file = join(await temporaryFolder(), 'lock');
  if (owner !== undefined) await writeFile(file, typeof owner === 'string' ? owner : JSON.stringify(owner));
  return file;
}

describe('the lock', () => {
  test('is taken where there is none, names its owner, and leaves nothing when given up', async () => {
    const file = await lockFile();
    const lock = await acquireLock(file, self, alive);
    if (!lock.ok) throw new Error(lock.error.why);

    expect(lock.value.owner).toEqual({ ...self, nonce: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(await readOwner(file)).toEqual(lock.value.owner);
    expect(await readdir(join(file, '..'))).toEqual(['lock']);
    expect(((await stat(file)).mode & 0o777).toString(8)).toBe('600');

    await lock.value.release();
    await lock.value.release();
    expect(await readdir(join(file, '..'))).toEqual([]);
    expect(await readOwner(file)).toBeUndefined();
  });

  test('is never taken from a live owner', async () => {
    const file = await lockFile(other);
    expect(await acquireLock(file, self, alive)).toEqual({
      ok: false,
      error: {
        owner: other,
        why: 'another mstone is at work here: process 200 on here, since 2026-11-20T12:00:00.000Z',
      },
    });
    expect(await readOwner(file)).toEqual(other);
    expect(await readdir(join(file, '..'))).toEqual(['lock']);
  });

  test('is taken over from a dead owner, and all traces of the dead go', async () => {
    const file = await lockFile(other);
    const heir: Owner = { ...other, nonce: '00000000-0000-4000-8000-000000000002' };
    await writeFile(`${file}.next.${other.nonce}`, JSON.stringify(heir));
    await writeFile(`${file}.own.${heir.nonce}`, JSON.stringify(heir));
    await writeFile(`${file}.own.x`, '{"pid":');

    const lock = await acquireLock(file, self, dead);
    expect(lock.ok && (await readOwner(file))?.nonce).toBe(lock.ok && lock.value.owner.nonce);
    expect(await readdir(join(file, '..'))).toEqual(['lock']);
  });

  test.each([
    ['on another host', { host: "it's far" }],
    ['in another pid namespace', { pidNamespace: 'pid:[2]' }],
  ])('is never taken from an owner %s: the command is told', async (_, where) => {
    const owner = { ...other, ...where };
    const file = await lockFile(owner);
    expect(await acquireLock(file, self, dead)).toEqual({
      ok: false,
      error: {
        owner,
        why: `another mstone may be at work here, and it cannot be seen from here: process 200 on ${owner.host}, since 2026-11-20T12:00:00.000Z`,
        command: `rm -- '${file}'`,
      },
    });
    expect(await readOwner(file)).toEqual(owner);
  });

  test('of a time before the machine restarted is judged, whatever its pid namespace was', async () => {
    const file = await lockFile({ ...other, boot: 'boot-0', pidNamespace: 'pid:[9]' });
    const asked: Owner[] = [];
    const lock = await acquireLock(file, self, (owner) => {
      asked.push(owner);
      return 'dead';
    });
    expect([lock.ok, asked[0]?.boot]).toEqual([true, 'boot-0']);
  });

  test('is respected while nobody knows whether its owner lives', async () => {
    const lock = await acquireLock(await lockFile(other), self, () => 'unknown');
    expect(lock.ok ? undefined : lock.error.owner).toEqual(other);
  });

  test.each(['', '{"pid":1}', 'null', JSON.stringify({ ...other, nonce: '../../x' })])(
    'is not taken while its record cannot be read: %j',
    async (text) => {
      const file = await lockFile(text);
      expect(await acquireLock(file, self, dead)).toEqual({
        ok: false,
        error: { why: `the lock ${file} cannot be read`, command: `rm -- '${file}'` },
      });
      expect(await readFile(file, 'utf8')).toBe(text);
    },
  );

  test('is named in a command that a shell takes as one word', async () => {
    const file = join(await temporaryFolder(), "it's; $(ls)");
    await writeFile(file, '');
    const lock = await acquireLock(file, self, dead);
    expect(lock.ok ? undefined : lock.error.command).toBe(`rm -- '${file.replace("'", `'\\''`)}'`);
  });

  test('is left to the one who took over while we were asking', async () => {
    const file = await lockFile(other);
    const winner: Owner = { ...other, pid: 300, nonce: '00000000-0000-4000-8000-000000000003' };
    // Between our look at the dead owner and our claim, another process finishes its own takeover.
    let moved = false;
    const disk: LockDisk = {
      ...nodeLockDisk,
      async link(from, to) {
        if (to.includes('.next.') && !moved) {
          moved = true;
          await writeFile(file, JSON.stringify(winner));
        }
        return await nodeLockDisk.link(from, to);
      },
    };
    const lock = await acquireLock(file, self, (owner) => (owner.pid === 300 ? 'alive' : 'dead'), disk);

    expect(lock.ok ? undefined : lock.error.owner).toEqual(winner);
    expect(await readOwner(file)).toEqual(winner);
    expect(await readdir(join(file, '..'))).toEqual(['lock']);
  });

  test('waits for a live heir of a dead owner', async () => {
    const file = await lockFile(other);
    const heir: Owner = { ...other, pid: 300, nonce: '00000000-0000-4000-8000-000000000003' };
    await writeFile(`${file}.next.${other.nonce}`, JSON.stringify(heir));
    let asked = 0;
    const lock = await acquireLock(file, self, async (owner) => {
      if (owner.pid === 200) return 'dead';
      asked += 1;
      // The heir gets there while we wait.
      if (asked === 3) await writeFile(file, JSON.stringify(heir));
      return 'alive';
    });
    expect(lock.ok ? undefined : lock.error.owner).toEqual(heir);
  });
});

test('thirty processes that die at any step never hold the lock together, and it is never lost', async () => {
  const fixture = fileURLToPath(new URL('../fixtures/lock-contender.mjs', import.meta.url));
  const run = async (args: readonly string[]): Promise<string> => {
    const child = spawn(process.execPath, [fixture, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return code === 0 ? 'done' : (signal ?? `exit ${code}: ${said}`);
  };
  const ends: string[] = [];
  for (let round = 1; round <= 3; round += 1) {
    const file = await lockFile({ ...other, start: 'gone', boot: 'b', pidNamespace: 'n', host: 'h' });
    const marks = await temporaryFolder();
    ends.push(
      ...(await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          run([file, marks, '2', '0.002', String(round * 1000 + index)]),
        ),
      )),
    );
    // Whatever the last of them left behind, one more gets the lock and leaves nothing.
    expect(await run([file, marks, '1', '0', '1'])).toBe('done');
    expect(await readdir(join(file, '..'))).toEqual([]);

    const names = await readdir(marks);
    expect(names.filter((name) => name.startsWith('violation'))).toEqual([]);
    expect(names.filter((name) => name.startsWith('won')).length).toBeGreaterThan(1);
  }
  expect(new Set(ends)).toEqual(new Set(['done', 'SIGKILL']));
}, 120_000);
