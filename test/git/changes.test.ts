import { afterEach, beforeEach, expect, it } from 'vitest';
import { readChanges } from '../../src/git/changes.js';
import { openRepository, type Repository } from '../../src/git/index.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

let rig: TestRepository;
let repo: Repository;
beforeEach(async () => {
  rig = makeRepository();
  rig.commit('Begin', { 'a.txt': 'one\ntwo\n', 'b.txt': 'b\n', 'old.txt': 'o\n'.repeat(9), 'c.txt': 'c\n' });
  const opened = await openRepository(rig.root, rig.environment);
  if (!opened.ok) throw new Error(JSON.stringify(opened.error));
  repo = opened.value;
});
afterEach(() => rig.remove());

it('tells what the work adds, line by line, as a whole and commit by commit', async () => {
  const base = rig.oid('HEAD');
  const first = rig.commitBeside([base], 'First\n\nof two', {
    'a.txt': 'one\nsecret\n',
    'b.txt': undefined,
    'odd "näme"\t.txt': 'x\n',
    'old.txt': undefined,
    'new name.txt': 'o\n'.repeat(9),
  });
  const second = rig.commitBeside([first], 'Second', { 'a.txt': 'one\n2\n', 'empty.txt': '' });
  const head = rig.commit('Others went on', { 'c.txt': 'C\n' });

  const { whole, commits, ...rest } = await readChanges(repo, { head, commit: second });
  expect(rest).toEqual({ base, complete: true });
  const gone = { path: 'b.txt', status: 'deleted', added: [], removed: [{ line: 1, text: 'b' }] };
  const moved = { path: 'new name.txt', from: 'old.txt', status: 'changed', added: [], removed: [] };
  const odd = { path: 'odd "näme"\t.txt', status: 'added', added: [{ line: 1, text: 'x' }], removed: [] };
  const two = [{ line: 2, text: 'two' }];
  expect(whole).toEqual([
    { path: 'a.txt', status: 'changed', added: [{ line: 2, text: '2' }], removed: two },
    gone,
    { path: 'empty.txt', status: 'added', added: [], removed: [] },
    moved,
    odd,
  ]);
  const secret = [{ line: 2, text: 'secret' }];
  expect(commits).toEqual([
    {
      oid: first,
      message: 'First\n\nof two',
      patches: [{ path: 'a.txt', status: 'changed', added: secret, removed: two }, gone, moved, odd],
    },
    {
      oid: second,
      message: 'Second',
      patches: [
        { path: 'a.txt', status: 'changed', added: [{ line: 2, text: '2' }], removed: secret },
        { path: 'empty.txt', status: 'added', added: [], removed: [] },
      ],
    },
  ]);
});

it('takes what was merged in for others’ work, and what a merge adds of its own for the author’s', async () => {
  const base = rig.oid('HEAD');
  const work = rig.commitBeside([base], 'Work', { 'b.txt': 'B\n' });
  const head = rig.commit('Others went on', { 'c.txt': 'C\n' });
  const merge = rig.commitBeside([work, head], 'Merge', { 'c.txt': 'C\n', 'd.txt': 'evil\n' });
  const { whole, commits, base: common } = await readChanges(repo, { head, commit: merge });
  expect(common).toBe(head);
  expect(whole.map(({ path }) => path)).toEqual(['b.txt', 'd.txt']);
  expect(commits.map(({ oid, patches }) => [oid, patches.map(({ path, added }) => [path, added])])).toEqual([
    [work, [['b.txt', [{ line: 1, text: 'B' }]]]],
    [merge, [['d.txt', [{ line: 1, text: 'evil' }]]]],
  ]);
});

it('believes no line of a file to be git’s, and looks into what attributes call binary', async () => {
  const base = rig.oid('HEAD');
  const lines = ['diff --git a/x b/x', '+++ b/forged', '@@ -1 +1 @@', 'f'.repeat(40), '-- a\r', `a\r${base}`];
  const commit = rig.commitBeside([base], 'Odd', {
    '.gitattributes': '* -diff binary\n',
    'x.txt': `${lines.join('\n')}\n`,
  });
  const { whole, commits } = await readChanges(repo, { head: base, commit });
  expect(whole.map(({ path, added }) => [path, added.map(({ text }) => text)])).toEqual([
    ['.gitattributes', ['* -diff binary']],
    ['x.txt', lines.map((line) => line.replace(/\r$/, ''))],
  ]);
  expect(commits[0]?.patches).toEqual(whole);
});

it('is nothing where nothing changed', async () => {
  const base = rig.oid('HEAD');
  expect(await readChanges(repo, { head: base, commit: base })).toEqual({
    base,
    whole: [],
    commits: [],
    complete: true,
  });
  const there = rig.commitBeside([base], 'There', { 'b.txt': 'B\n' });
  const back = rig.commitBeside([there], 'Back', { 'b.txt': 'b\n' });
  const { whole, commits } = await readChanges(repo, { head: base, commit: back });
  expect([whole, commits.map(({ patches }) => patches.length)]).toEqual([[], [1, 1]]);
});
