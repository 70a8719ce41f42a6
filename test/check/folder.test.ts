import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FolderRequest, prepareFolder } from '../../src/check/folder.js';

let count = 0;

function request(more: Partial<FolderRequest> = {}): FolderRequest {
  const base = mkdtempSync(join(tmpdir(), 'mstone folder é '));
  mkdirSync(join(base, 'user'));
  mkdirSync(join(base, 'slot'));
  return {
    root: join(base, 'user'),
    path: join(base, 'slot'),
    copy: [],
    setup: [],
    env: { PATH: process.env.PATH ?? '' },
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    logFile: join(base, 'log'),
    tag: `folder-${process.pid}-${++count}`,
    ...more,
  };
}

const put = (folder: string, name: string, text: string): void => {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), text);
};
const get = (folder: string, name: string): string | undefined =>
  existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : undefined;

describe('a folder made ready', () => {
  it('has the files and folders that were named, and passed its setup', async () => {
    const one = request({ copy: ['.env', './certs/dev'], setup: ['cat .env > seen', 'echo done'] });
    put(one.root, '.env', 'A=1\n');
    chmodSync(join(one.root, '.env'), 0o600);
    put(one.root, 'certs/dev/a/b.pem', 'pem');
    put(one.root, 'certs/other', 'no');
    expect(await prepareFolder(one)).toEqual({ ok: true, value: { told: [] } });
    expect(['.env', 'certs/dev/a/b.pem', 'certs/other', 'seen'].map((name) => get(one.path, name))).toEqual([
      'A=1\n',
      'pem',
      undefined,
      'A=1\n',
    ]);
    expect(statSync(join(one.path, '.env')).mode & 0o777).toBe(0o600);
    expect(readFileSync(one.logFile, 'utf8')).toBe('$ cat .env > seen\n$ echo done\ndone\n');
  });

  it('tells what the user does not have', async () => {
    expect(await prepareFolder(request({ copy: ['.env', 'a/b'] }))).toEqual({
      ok: true,
      value: {
        told: ['copy: .env is not in your checkout, skipped', 'copy: a/b is not in your checkout, skipped'],
      },
    });
  });

  it('keeps what is there already and tells so, unless it is the same', async () => {
    const one = request({ copy: ['same', 'config', 'dir'] });
    put(one.root, 'same', 'x');
    put(one.path, 'same', 'x');
    put(one.root, 'config/local', 'mine');
    put(one.path, 'config/local', 'tracked');
    put(one.root, 'dir/file', 'x');
    put(one.path, 'dir', 'a file here');
    expect(await prepareFolder(one)).toEqual({
      ok: true,
      value: {
        told: [
          'copy: config/local is in the worktree already and differs from yours, left as it is',
          'copy: dir is in the worktree already and differs from yours, left as it is',
        ],
      },
    });
    expect(get(one.path, 'config/local')).toBe('tracked');
  });

  it.each([
    ['../secret', 'must be a path inside the repository'],
    ['a/../../secret', 'must be a path inside the repository'],
    ['/etc/hostname', 'must be a path inside the repository'],
    ['.', 'must be a path inside the repository'],
    ['', 'must be a path inside the repository'],
    ['.git/config', 'belongs to git and is not copied'],
    ['link', 'link is a symbolic link in your checkout'],
    ['linked/file', 'linked is a symbolic link in your checkout'],
    ['dir', 'dir/link is a symbolic link in your checkout'],
    ['into/file', 'into is a symbolic link in the worktree'],
  ])('refuses to copy %j: it %s', async (name, message) => {
    const one = request({ copy: [name], setup: ['touch never'] });
    put(one.root, '../secret', 's');
    put(one.root, '.git/config', 'x');
    put(one.root, 'real/file', 'x');
    put(one.root, 'dir/file', 'x');
    put(one.root, 'into/file', 'x');
    symlinkSync('real/file', join(one.root, 'link'));
    symlinkSync('real', join(one.root, 'linked'));
    symlinkSync('../../secret', join(one.root, 'dir/link'));
    symlinkSync('../user', join(one.path, 'into'));
    expect(await prepareFolder(one)).toEqual({
      ok: false,
      error: { kind: 'refused', step: `copy ${name}`, message: expect.stringContaining(message) },
    });
    expect(existsSync(join(one.path, 'never'))).toBe(false);
    expect(existsSync(join(one.path, 'dir/link'))).toBe(false);
  });

  it('stops at the first setup command that fails', async () => {
    const one = request({ setup: ['touch first', 'echo broken >&2; exit 2', 'touch never'] });
    expect(await prepareFolder(one)).toEqual({
      ok: false,
      error: {
        kind: 'failed',
        step: 'echo broken >&2; exit 2',
        message: 'setup `echo broken >&2; exit 2` failed (exit 2): broken',
      },
    });
    expect([get(one.path, 'first'), get(one.path, 'never')]).toEqual(['', undefined]);
  });

  it('tells a setup command that is not installed, takes too long or is cancelled', async () => {
    expect(await prepareFolder(request({ setup: ['no-such-setup'] }))).toMatchObject({
      error: { kind: 'unstartable', step: 'no-such-setup' },
    });
    expect(await prepareFolder(request({ setup: ['sleep 60'], timeoutMs: 100 }))).toMatchObject({
      error: { kind: 'failed', message: 'setup `sleep 60` failed: (ended after 0.1 s)' },
    });
    expect(await prepareFolder(request({ setup: ['sleep 60'], signal: AbortSignal.abort() }))).toMatchObject({
      error: { kind: 'cancelled' },
    });
  });
});
