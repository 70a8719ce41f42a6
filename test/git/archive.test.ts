import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { archive } from '../../src/git/archive.js';

let root: string;
let folder: string;
let to: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mstone-test-'));
  folder = join(root, 'from');
  to = join(root, 'archives', 'to');
  mkdirSync(folder);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (path: string, content: string | Buffer) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
};

it('copies files, folders and links with their paths and makes nothing else', async () => {
  write('a/b/c', 'c');
  write('a/other', 'not asked for');
  write('d/e', 'e');
  symlinkSync('/etc/passwd', join(folder, 'd/link'));
  expect(await archive(folder, ['a/b/', 'd', 'missing'], to)).toEqual({
    kept: ['a/b', 'd'],
    tooMuch: [],
    regenerable: [],
    unreadable: [],
  });
  expect(readdirSync(to, { recursive: true }).sort()).toEqual(['a', 'a/b', 'a/b/c', 'd', 'd/e', 'd/link']);
  expect(readlinkSync(join(to, 'd/link'))).toBe('/etc/passwd');
  expect(lstatSync(to).mode & 0o077).toBe(0);
});

it('makes no folder where there is nothing to keep', async () => {
  write('node_modules/x', 'x');
  write('target/CACHEDIR.TAG', 'Signature');
  const done = await archive(folder, ['node_modules/', 'target'], to);
  expect(done).toEqual({ kept: [], tooMuch: [], regenerable: ['node_modules', 'target'], unreadable: [] });
  expect(readdirSync(root)).toEqual(['from']);
});

it('keeps the smallest first and says what did not fit', async () => {
  write('huge/x', Buffer.alloc(900));
  write('small', Buffer.alloc(100));
  write('middle', Buffer.alloc(400));
  const done = await archive(folder, ['huge', 'middle', 'small'], to, 1000);
  expect(done).toMatchObject({ kept: ['small', 'middle'], tooMuch: ['huge'] });
});

it('never writes through a link of an archive that it replaces', async () => {
  const outside = join(root, 'outside');
  mkdirSync(outside);
  symlinkSync(outside, join(folder, 'x'));
  await archive(folder, ['x'], to);
  rmSync(join(folder, 'x'));
  write('x/file', 'inside');
  await archive(folder, ['x'], to);
  expect(readFileSync(join(to, 'x/file'), 'utf8')).toBe('inside');
  expect(readdirSync(outside)).toEqual([]);
});

it('names what is neither file, folder nor link', async () => {
  write('d/file', 'f');
  execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', join(folder, 'd/pipe')]);
  expect(await archive(folder, ['d'], to)).toMatchObject({ kept: ['d'], unreadable: ['d/pipe'] });
});
