import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readStoredRefs } from '../../src/git/refs.js';
import { isolated, makeRepository, type TestRepository } from '../rig/repository.js';

let test: TestRepository;
let commonDir: string;
beforeEach(() => {
  test = makeRepository();
  commonDir = join(test.root, '.git');
});
afterEach(() => test.remove());

/** As git says it, in the same form. */
const asked = (...prefixes: string[]) =>
  Object.fromEntries(
    execFileSync('git', ['for-each-ref', '--format=%(objectname) %(refname) %(symref)', ...prefixes], {
      cwd: test.root,
      env: isolated,
      encoding: 'utf8',
    })
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' '))
      .map(([oid, name, symref]) => [name, symref ? { oid, symref } : { oid }]),
  );
const stored = (...prefixes: string[]) => {
  const refs = readStoredRefs(commonDir, prefixes.length === 0 ? {} : { prefixes });
  return refs && Object.fromEntries([...refs].map(([name, { peeled: _, ...ref }]) => [name, ref]));
};

it('refs are where git says, in files, packed, moved since, deleted since and symbolic', () => {
  const first = test.commit('First', { 'a.txt': 'a' });
  for (const name of ['one', 'two/three', 'two/four', 'mstone/1A', 'mstone/main']) test.git('branch', name);
  test.git('tag', '-a', 'v1', '-m', 'Version 1');
  test.git('tag', 'plain');
  test.git('update-ref', 'refs/remotes/origin/main', first);
  test.git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/main');
  test.git('symbolic-ref', 'refs/heads/nowhere', 'refs/heads/none');
  test.git('update-ref', 'refs/mstone/followed/main', first);
  expect(stored()).toEqual(asked());

  test.git('pack-refs', '--all');
  expect(stored()).toEqual(asked());
  expect(readStoredRefs(commonDir)?.get('refs/tags/v1')).toEqual({
    oid: test.git('rev-parse', 'refs/tags/v1'),
    peeled: first,
  });

  test.commit('Second', { 'a.txt': 'b' });
  test.git('branch', '-D', 'two/three');
  test.git('branch', '-f', 'one', 'HEAD');
  test.git('symbolic-ref', 'refs/heads/alias', 'refs/heads/one');
  expect(stored()).toEqual(asked());
  expect(stored('refs/heads/main', 'refs/heads/mstone', 'refs/mstone/shadow')).toEqual(
    asked('refs/heads/main', 'refs/heads/mstone', 'refs/mstone/shadow'),
  );
  const exact = [
    'refs/heads/main',
    'refs/heads',
    'refs/heads/mstone',
    'refs/heads/two/four',
    'refs/heads/one/below',
  ];
  expect([...(readStoredRefs(commonDir, { exact })?.keys() ?? [])]).toEqual([
    'refs/heads/main',
    'refs/heads/two/four',
  ]);
  // A ref is no folder, and a part of a name is no prefix.
  expect(stored('refs/heads/mai', 'refs/heads/two/')).toEqual(asked('refs/heads/mai', 'refs/heads/two/'));
  expect(
    [...(readStoredRefs(commonDir, { except: /^refs\/(mstone|heads\/mstone)\// })?.keys() ?? [])].sort(),
  ).toEqual(
    Object.keys(asked())
      .filter((name) => !/mstone/.test(name))
      .sort(),
  );
});

it('any order of making, moving, packing and deleting them is followed', () => {
  const commits = ['First', 'Second'].map((subject) => test.commit(subject, { 'a.txt': subject }));
  const act = fc.record({
    do: fc.constantFrom('set', 'delete', 'pack', 'read'),
    name: fc.constantFrom('a', 'b', 'c/d', 'c/e'),
    commit: fc.constantFrom(0, 1),
  });
  fc.assert(
    fc.property(fc.array(act, { minLength: 4, maxLength: 10 }), (acts) => {
      for (const { do: what, name, commit } of acts) {
        if (what === 'set') test.git('update-ref', `refs/heads/${name}`, commits[commit] ?? '');
        else if (what === 'delete') test.git('update-ref', '-d', `refs/heads/${name}`);
        else if (what === 'pack') test.git('pack-refs', '--all');
        else expect(stored('refs/heads')).toEqual(asked('refs/heads'));
      }
      expect(stored()).toEqual(asked());
    }),
    { numRuns: 12 },
  );
});

it('what looks odd is left to git', () => {
  test.commit('First', { 'a.txt': 'a' });
  const heads = join(commonDir, 'refs', 'heads');
  writeFileSync(join(heads, 'torn'), '');
  expect(stored()).toBeUndefined();
  rmSync(join(heads, 'torn'));
  symlinkSync('main', join(heads, 'link'));
  expect(stored()).toBeUndefined();
  rmSync(join(heads, 'link'));
  test.git('symbolic-ref', 'refs/remotes/a', 'refs/remotes/b');
  test.git('symbolic-ref', 'refs/remotes/b', 'refs/heads/main');
  expect(stored('refs/remotes/a')).toBeUndefined();
  test.git('symbolic-ref', '-d', 'refs/remotes/a');
  writeFileSync(join(heads, 'main.lock'), '');
  expect(stored()).toMatchObject(asked());
  writeFileSync(join(commonDir, 'packed-refs'), 'no refs\n');
  expect(stored()).toBeUndefined();
  rmSync(join(commonDir, 'packed-refs'));
  mkdirSync(join(commonDir, 'reftable'));
  expect(stored()).toBeUndefined();
});
