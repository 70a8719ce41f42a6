import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildCandidate } from '../../src/git/candidate.js';
import { isNearAncestor, lineBetween, nearFork } from '../../src/git/graph.js';
import { openRepository, pinAll, type Repository, writeCommit } from '../../src/git/index.js';
import { type Objects, openObjects } from '../../src/git/objects.js';
import { diffTrees, filesNamed, treeKey, withFile } from '../../src/git/tree.js';
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

it('lock refs and what stands on them, move them or give them back, and refuse what is not as it was said', async () => {
  const next = rig.commitBeside([first], 'next', { a: '2\n' });
  const update = (now: string, old: string): string => `update refs/heads/main\0${now}\0${old}\0`;
  const locks = (): string[] => readdirSync(repo.commonDir).filter((name) => name.endsWith('.lock'));

  const given = await objects.prepareRefs(update(next, first));
  expect(locks()).toEqual(['HEAD.lock']);
  expect(await objects.prepareRefs(update(next, first))).toBeUndefined();
  await given?.abort();
  expect([locks(), rig.oid('main')]).toEqual([[], first]);

  expect(await objects.prepareRefs(update(first, next))).toBeUndefined();
  expect([locks(), rig.oid('main')]).toEqual([[], first]);

  const moved = await objects.prepareRefs(update(next, first));
  expect(await moved?.commit()).toBe(true);
  expect([locks(), rig.oid('main')]).toEqual([[], next]);
  expect(rig.git('reflog', 'show', '--format=%H %gs', '-1', 'HEAD')).toBe(`${next} mstone`);

  // Whoever holds them dies: they are free, and nothing moved.
  await objects.prepareRefs(update(first, next));
  for (const pid of gits()) process.kill(pid, 'SIGKILL');
  await objects.close();
  expect([rig.oid('main'), rig.git('status', '--porcelain=v1', '-b').split('\n')[0]]).toEqual([
    next,
    '## main',
  ]);
});

it('differences of trees are what git says, whatever stands where', async () => {
  const both = { ...repo, objects };
  const second = rig.commitBeside([first], 'second', {
    a: 'other\n',
    'b/x': undefined,
    'b/y/z': 'z',
    'b-': undefined,
    'b-/within': 'now a folder',
    'ü ñ': 'x',
  });
  for (const [from, to] of [
    [first, second],
    [second, first],
    [first, first],
  ] as const) {
    const changes = await diffTrees(both, from, to);
    expect(changes).toEqual(await diffTrees(repo, from, to));
    expect(changes.length).toBe(from === to ? 0 : 6);
  }
});

it('near commits hang together as git says; what is far, merged or landed otherwise is left to git', async () => {
  const both = { ...repo, objects };
  const work1 = rig.commitBeside([first], 'one', { w: '1' });
  const work2 = rig.commitBeside([work1], 'two\n\nmore ü\n', { w: '2' });
  const landed = rig.commitBeside([first, rig.commitBeside([first], 'other', { o: '1' })], 'landing', {
    o: '1',
  });
  const head = rig.commitBeside([landed], 'after', { p: '1' });
  expect(await nearFork(both, head, work2)).toMatchObject({
    base: first,
    commits: [
      { oid: work1, parents: [first], message: 'one' },
      { oid: work2, parents: [work1], message: 'two\n\nmore ü\n' },
    ],
  });
  expect(await nearFork(both, first, first)).toEqual({ base: first, commits: [] });
  expect(await nearFork(both, head, landed)).toEqual({ base: landed, commits: [] });
  // Half of the work has landed.
  const half = rig.commitBeside([head, work1], 'half', { w: '1', o: '1', p: '1' });
  expect(await nearFork(both, half, work2)).toBeUndefined();
  // It has merges.
  const merged = rig.commitBeside([work2, head], 'merged', { w: '3' });
  expect(await nearFork(both, head, merged)).toBeUndefined();
  // Nothing in common, or no reader.
  expect(await nearFork(both, head, rig.commitBeside([], 'alone', { z: '' }))).toBeUndefined();
  expect(await nearFork(repo, head, work2)).toBeUndefined();

  expect(await isNearAncestor(both, first, half)).toBe(true);
  expect(await isNearAncestor(both, work1, half)).toBe(true);
  expect(await isNearAncestor(both, work2, half)).toBeUndefined();
  expect((await lineBetween(both, first, half))?.map(({ oid }) => oid)).toEqual([half, head, landed]);
  expect(await lineBetween(both, work1, half)).toBeUndefined();
});
