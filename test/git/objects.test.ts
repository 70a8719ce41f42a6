import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildCandidate } from '../../src/git/candidate.js';
import { openRepository, pinAll, type Repository, writeCommit } from '../../src/git/index.js';
import { type Objects, openObjects } from '../../src/git/objects.js';
import { filesNamed, treeKey, withFile } from '../../src/git/tree.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

let rig: TestRepository;
let repo: Repository;
let objects: Objects;
let first: string;

beforeEach(async () => {
  rig = makeRepository();
  first = rig.commit('first', { a: '1\n', 'b/x': 'x', 'b.txt': 't', 'b-': '-', 'TASKS.md': 'tasks\n' });
  const opened = await openRepository(rig.root, rig.environment);
  if (!opened.ok) throw new Error('not opened');
  repo = opened.value;
  objects = openObjects(repo.commonDir, repo.env, join(repo.stateDir, 'tmp'));
});
afterEach(async () => {
  await objects.close();
  rig.remove();
});

/** Pids of the gits that this process has started and that have not ended. */
const gits = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = execFileSync('cat', [`/proc/${pid}/stat`], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        return stat.includes('(git)') && Number(/\) \S (\d+)/.exec(stat)?.[1]) === process.pid;
      } catch {
        return false;
      }
    });

it('give to the bit what a git for each gives', async () => {
  const both = { ...repo, objects };
  const work = rig.commitBeside([first], 'work', {
    c: 'c\n',
    '.gitattributes': '* text',
    'b/.gitattributes': '',
  });
  const request = {
    head: first,
    work,
    tasks: 'tasks of 1A\n',
    message: '1A: Ünï\n\nMstone-Milestone: 1A\n',
    dateMs: 1_750_000_000_500,
  };
  const made = await buildCandidate(repo, request);
  expect(await buildCandidate(both, request)).toEqual(made);
  expect(made).toMatchObject({ kind: 'built' });
  for (const path of ['TASKS.md', 'b', 'b0', 'deep/er/file']) {
    const tree = rig.oid(`${first}^{tree}`);
    expect(await withFile(both, tree, path, 'new')).toBe(await withFile(repo, tree, path, 'new'));
  }
  expect(await treeKey(both, work)).toBe(await treeKey(repo, work));
  const found = await filesNamed(repo, work, '.gitattributes');
  expect((await filesNamed(both, work, '.gitattributes')).sort()).toEqual(found.sort());
  expect(found.map(({ path }) => path).sort()).toEqual(['.gitattributes', 'b/.gitattributes']);

  // Names that git would write otherwise are left to it.
  const by = (name: string) => ({
    author: { name, email: 'a@b' },
    committer: { name: 'C', email: 'c@d' },
    dateMs: 1_750_000_000_500,
  });
  const tree = rig.oid(`${first}^{tree}`);
  const written = await writeCommit(both, tree, [first, work, first], 'Words', by('An Author'));
  expect(rig.git('log', '-1', '--format=%an <%ae> %at %cn %P %s', written ?? '')).toBe(
    `An Author <a@b> 1750000000 C ${first} ${work} Words`,
  );
  for (const name of ['.dotted.', 'Ünï', 'a<b', ' x']) {
    expect(await writeCommit(both, tree, [first], 'Words', by(name))).toBeUndefined();
  }
});

it('move refs all or none, again and again, and say so where git refuses', async () => {
  const both = { ...repo, objects };
  const second = rig.commit('second', { a: '2\n' });
  await pinAll(both, [
    ['refs/mstone/one', first],
    ['refs/mstone/two', first],
  ]);
  await pinAll(both, [['refs/mstone/two', second]]);
  expect([rig.oid('refs/mstone/one'), rig.oid('refs/mstone/two')]).toEqual([first, second]);
  // Another's move in between is seen, and one below a ref refused: by the git that is started to say why.
  rig.git('update-ref', 'refs/mstone/two', first);
  await pinAll(both, [['refs/mstone/two', second]]);
  await expect(
    pinAll(both, [
      ['refs/mstone/three', first],
      ['refs/mstone/one/below', first],
    ]),
  ).rejects.toThrow(/refs\/mstone\/one/);
  await pinAll(both, [['refs/mstone/four', second]]);
  expect(rig.git('for-each-ref', '--format=%(refname)', 'refs/mstone').split('\n')).toEqual(
    expect.arrayContaining(['refs/mstone/four', 'refs/mstone/one', 'refs/mstone/two']),
  );
});

it('do without a git that has died, and begin another for the next question', async () => {
  expect(await objects.read(`${first}^{tree}`)).toMatchObject({ type: 'tree' });
  if (process.platform === 'linux') {
    const [reader = 0] = gits();
    process.kill(reader, 'SIGKILL');
    while (gits().includes(reader)) await new Promise((resolve) => setTimeout(resolve, 5));
    await objects.read('HEAD');
    expect(await objects.read('HEAD')).toMatchObject({ type: 'commit', oid: first });
  }
  expect(await objects.read('no such')).toBeUndefined();
  expect(await objects.read('two\nlines')).toBeUndefined();
  await objects.close();
  expect(gits()).toEqual([]);
  objects = openObjects(repo.commonDir, repo.env, join(repo.stateDir, 'tmp'));
});
