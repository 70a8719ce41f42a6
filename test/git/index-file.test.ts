import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readStoredIndex } from '../../src/git/index-file.js';
import { isolated, makeRepository, type TestRepository } from '../rig/repository.js';

let test: TestRepository;
let file: string;
beforeEach(() => {
  test = makeRepository();
  file = join(test.root, '.git', 'index');
});
afterEach(() => test.remove());

/** As git says it. */
const listed = (): Record<string, { mode: string; oid: string; tag: string }> => {
  const text = execFileSync('git', ['ls-files', '-z', '-s', '-v'], { cwd: test.root, env: isolated });
  const lines = text.toString('latin1').split('\0').filter(Boolean);
  return Object.fromEntries(
    lines.flatMap((line) => {
      const tab = line.indexOf('\t');
      const [tag = '', mode = '', oid = '', stage] = line.slice(0, tab).split(' ');
      return stage === '0' ? [[line.slice(tab + 1), { tag, mode, oid }]] : [];
    }),
  );
};
const all = (): Set<string> => new Set([...Object.keys(listed()), 'not there']);
const stored = async (wanted = all()) => {
  const found = await readStoredIndex(file, wanted, 20);
  return found && Object.fromEntries(found);
};

it('entries are what git says, whatever their names and flags', async () => {
  const names = [
    'a',
    'ab',
    'abc',
    'abcd',
    'abcde',
    'abcdef',
    'abcdefg',
    'ü/漢',
    'with space',
    `l${'o'.repeat(200)}ng`,
  ];
  test.commit('First', Object.fromEntries(names.map((name) => [name, name])));
  test.git('update-index', '--assume-unchanged', 'a');
  test.git('update-index', '--skip-worktree', 'ab');
  test.git('update-index', '--chmod=+x', 'abc');
  expect(await stored()).toEqual(listed());
  expect(listed()).toMatchObject({ a: { tag: 'h' }, ab: { tag: 'S' }, abc: { mode: '100755' } });

  test.git('update-index', '--assume-unchanged', 'ab');
  expect(await stored()).toEqual(listed());
  expect(await stored(new Set(['abc']))).toEqual({ abc: listed().abc });
});

it('entries in conflict are left out', async () => {
  test.commit('First', { 'a.txt': 'a', 'b.txt': 'b' });
  test.git('checkout', '-q', '-b', 'other');
  test.commit('Other', { 'a.txt': 'other' });
  test.git('checkout', '-q', 'main');
  test.commit('Main', { 'a.txt': 'main' });
  expect(() => test.git('merge', 'other')).toThrow();
  expect(await stored()).toEqual(listed());
  expect(Object.keys(listed())).toEqual(['b.txt']);
});

it('what it cannot read is left to git', async () => {
  expect(await stored(new Set(['a.txt']))).toBeUndefined();
  test.commit('First', { 'a.txt': 'a' });
  const whole = readFileSync(file);
  for (const at of [0, 7, 30, whole.length - 1]) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    expect(await readStoredIndex(file, new Set(['a.txt']), 20)).toBeUndefined();
  }
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
      writeFileSync(file, whole.subarray(0, length));
      expect(await readStoredIndex(file, new Set(['a.txt']), 20)).toBeUndefined();
    }),
    { numRuns: 30 },
  );
  writeFileSync(file, whole);
  test.git('update-index', '--index-version', '4');
  expect(await stored()).toBeUndefined();
  test.git('update-index', '--index-version', '2');
  expect(await stored()).toEqual(listed());
  test.git('update-index', '--split-index');
  expect(await stored()).toBeUndefined();
});
