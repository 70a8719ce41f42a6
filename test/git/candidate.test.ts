import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildCandidate, buildSync, type CandidateRequest } from '../../src/git/candidate.js';
import { laidOut, openRepository, type Repository } from '../../src/git/index.js';
import { type Objects, openObjects } from '../../src/git/objects.js';
import { listFilesAt, readFileAt, readFilesAt, treeKey, withFile } from '../../src/git/tree.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

let rig: TestRepository;
let repo: Repository;
let first: string;
/** As in a run; commands that are soon over do without. */
let objects: Objects;

const ODD = 'ünï cödé/with\nnewline "quoted"/-x';

beforeEach(async () => {
  rig = makeRepository('with spaces ö');
  first = rig.commit('first', { a: '1\n2\n3\n', 'TASKS.md': 'tasks 0\n', [ODD]: 'odd' });
  const opened = await openRepository(rig.root, rig.environment);
  if (!opened.ok) throw new Error('not opened');
  objects = openObjects(opened.value.commonDir, opened.value.env, join(opened.value.stateDir, 'tmp'));
  repo = { ...opened.value, objects };
});
afterEach(async () => {
  await objects.close();
  rig.remove();
});

const request = (more: Partial<CandidateRequest> & { work: string }): CandidateRequest => ({
  head: first,
  tasks: undefined,
  message: '1A: Title\n\nMstone-Milestone: 1A\n',
  dateMs: 1_750_000_000_500,
  ...more,
});

async function build(more: Partial<CandidateRequest> & { work: string }) {
  const outcome = await buildCandidate(repo, request(more));
  if (outcome.kind !== 'built') throw new Error(JSON.stringify(outcome));
  return outcome.candidate;
}

describe('trees', () => {
  test('the key of a tree does not know TASKS.md, and knows everything else', async () => {
    const otherTasks = rig.commitBeside([first], 'x', { 'TASKS.md': 'tasks 1\n' });
    const noTasks = rig.commitBeside([first], 'x', { 'TASKS.md': undefined });
    const deeper = rig.commitBeside([first], 'x', { 'docs/TASKS.md': 'not ours' });
    const key = await treeKey(repo, first);
    expect(await treeKey(repo, otherTasks)).toBe(key);
    expect(await treeKey(repo, noTasks)).toBe(key);
    expect(key).toBe(rig.oid(`${noTasks}^{tree}`));
    expect(await treeKey(repo, deeper)).not.toBe(key);
    expect(await treeKey(repo, 'main')).toBe(key);
  });

  test('a file of the root is set, replaced and taken out, and keeps its executable bit', async () => {
    const tree = rig.oid(`${first}^{tree}`);
    const without = await withFile(repo, tree, 'TASKS.md', undefined);
    expect(rig.git('ls-tree', '--name-only', without)).toBe(
      rig.git('ls-tree', '--name-only', tree).replace('TASKS.md\n', ''),
    );
    expect(await withFile(repo, without, 'TASKS.md', 'tasks 0\n')).toBe(tree);
    rig.git('update-index', '--chmod=+x', 'TASKS.md');
    const executable = await withFile(repo, rig.git('write-tree'), 'TASKS.md', 'new');
    expect(rig.git('ls-tree', executable, 'TASKS.md')).toMatch(/^100755 /);
  });

  test('the key knows not the view where it is said to lie, deep down too, and no folder for its sake', async () => {
    const deep = laidOut(repo, { milestones: 'm', tasks: 'docs/log/DONE ö.md' });
    const put = (content: string | undefined) =>
      withFile(deep, rig.oid(`${first}^{tree}`), 'docs/log/DONE ö.md', content);
    const [one, two] = [await put('one'), await put('two')];
    expect(rig.git('ls-tree', '-r', '--name-only', '-z', one).split('\0')).toContain('docs/log/DONE ö.md');
    // The same repository asked with another layout keeps its own answers.
    expect(await treeKey(repo, one)).not.toBe(await treeKey(repo, two));
    expect([await treeKey(deep, one), await treeKey(deep, two)]).toEqual(
      Array(2).fill(rig.oid(`${first}^{tree}`)),
    );
    expect(await treeKey(deep, first)).toBe(rig.oid(`${first}^{tree}`));
    expect(await withFile(deep, two, 'docs/log/DONE ö.md', undefined)).toBe(rig.oid(`${first}^{tree}`));
    const beside = rig.commitBeside([first], 'x', { 'docs/log/other': 'o', 'docs/log/DONE ö.md': 'd' });
    expect(rig.git('ls-tree', '-r', '--name-only', await treeKey(deep, beside)).split('\n')).toContain(
      'docs/log/other',
    );
    // A file where its folder belongs is nobody's view.
    const inTheWay = rig.commitBeside([first], 'x', { docs: 'a file' });
    expect(await treeKey(deep, inTheWay)).toBe(rig.oid(`${inTheWay}^{tree}`));
    expect(await buildCandidate(deep, request({ work: inTheWay, tasks: 'new' }))).toEqual({
      kind: 'refused',
      message: 'docs is no folder, so docs/log/DONE ö.md cannot be written',
    });
  });

  test('files are read by their bytes, whatever they are called', async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 0]);
    const commit = rig.commitBeside([first], 'x', { 'bin ary': bytes, empty: '' });
    expect(await readFileAt(repo, commit, 'bin ary')).toEqual(bytes);
    const asked = [
      ODD,
      'no such',
      'no\nsuch missing',
      'a',
      'empty',
      'ünï cödé',
      './a',
      '../a',
      '',
      'a',
      'a/b',
    ];
    expect(await readFilesAt(repo, commit, asked)).toEqual(
      new Map([
        [ODD, Buffer.from('odd')],
        ['a', Buffer.from('1\n2\n3\n')],
        ['empty', Buffer.from('')],
      ]),
    );
  });

  test('a folder lists its own children with kind and size', async () => {
    rig.git('update-index', '--add', '--cacheinfo', `120000,${rig.oid('HEAD:a')},link`);
    rig.git('update-index', '--add', '--cacheinfo', `160000,${first},module`);
    rig.git('commit', '-q', '-m', 'more');
    expect(await listFilesAt(repo, 'HEAD', '')).toEqual([
      { path: 'TASKS.md', kind: 'file', size: 8, oid: rig.oid('HEAD:TASKS.md') },
      { path: 'a', kind: 'file', size: 6, oid: rig.oid('HEAD:a') },
      { path: 'link', kind: 'symlink', size: 6, oid: rig.oid('HEAD:a') },
      { path: 'module', kind: 'other', size: 0, oid: first },
      { path: 'ünï cödé', kind: 'directory', size: 0, oid: rig.oid('HEAD:ünï cödé') },
    ]);
    expect(await listFilesAt(repo, 'HEAD', 'ünï cödé/with\nnewline "quoted"/')).toEqual([
      { path: ODD, kind: 'file', size: 3, oid: rig.oid(`HEAD:${ODD}`) },
    ]);
    expect(await listFilesAt(repo, 'HEAD', 'no such')).toEqual([]);
    expect(await listFilesAt(repo, 'HEAD', '../x')).toEqual([]);
  });
});

describe('a candidate', () => {
  test('merges head and work, holds TASKS.md, and is the same commit whenever it is made again', async () => {
    const work = rig.commitBeside([first], 'work', { b: 'new', 'TASKS.md': "the agent's" });
    const head = rig.commit('meanwhile', { c: 'other' });
    const candidate = await build({ head, work, tasks: 'tasks 1\n' });
    expect(candidate).toEqual({
      commit: candidate.commit,
      tree: await treeKey(repo, candidate.commit),
      base: head,
      work,
    });
    expect(rig.git('ls-tree', '-r', '--name-only', '-z', candidate.commit).split('\0')).toEqual([
      'TASKS.md',
      'a',
      'b',
      'c',
      ODD,
      '',
    ]);
    expect(rig.git('show', `${candidate.commit}:TASKS.md`)).toBe('tasks 1');
    expect(rig.git('log', '-1', '--format=%P|%an <%ae>|%cn|%at|%ct|%B', candidate.commit)).toBe(
      `${head} ${work}|Tess Ter <tess@example.org>|Tess Ter|1750000000|1750000000|1A: Title\n\nMstone-Milestone: 1A\n`,
    );
    expect(await build({ head, work, tasks: 'tasks 1\n' })).toEqual(candidate);
    expect((await build({ head, work, tasks: 'tasks 1\n', dateMs: 1_750_000_001_000 })).commit).not.toBe(
      candidate.commit,
    );
    expect(rig.git('status', '--porcelain')).toBe('');
  });

  test('is made in the name of mstone where git knows no user, and keeps its author', async () => {
    rig.git('config', '--unset', 'user.name');
    const work = rig.commitBeside([first], 'work', { b: 'new' });
    const candidate = await build({ work, author: { name: 'Ann', email: 'ann@example.org' } });
    expect(rig.git('log', '-1', '--format=%an <%ae>|%cn <%ce>', candidate.commit)).toBe(
      'Ann <ann@example.org>|mstone <mstone@localhost>',
    );
  });

  test('does not conflict in TASKS.md, whatever either side made of it', async () => {
    const head = rig.commit('landed', { 'TASKS.md': 'tasks 1\n' });
    const changed = rig.commitBeside([first], 'work', { b: '1', 'TASKS.md': 'mine\n' });
    const folder = rig.commitBeside([first], 'work', { b: '1', 'TASKS.md': undefined, 'TASKS.md/x': '1' });
    const renamed = rig.commitBeside([first], 'work', {
      b: '1',
      'TASKS.md': undefined,
      'DONE.md': 'tasks 0\n',
    });
    for (const work of [changed, folder, renamed]) {
      const candidate = await build({ head, work });
      expect(rig.git('show', `${candidate.commit}:TASKS.md`)).toBe('tasks 1');
      expect(candidate.work).toBe(work);
    }
  });

  test('does not conflict in a view that lies elsewhere, and does in TASKS.md then', async () => {
    const deep = laidOut(repo, { milestones: 'm', tasks: 'docs/DONE.md' });
    const base = rig.commitBeside([first], 'base', { 'docs/DONE.md': 'base\n' });
    const head = rig.commitBeside([base], 'head', { 'docs/DONE.md': 'head\n' });
    const work = rig.commitBeside([base], 'work', { 'docs/DONE.md': 'work\n', b: 'b' });
    const built = await buildCandidate(deep, request({ head, work, tasks: 'mine\n' }));
    if (built.kind !== 'built') throw new Error(JSON.stringify(built));
    expect(rig.git('show', `${built.candidate.commit}:docs/DONE.md`)).toBe('mine');
    const gone = rig.commitBeside([base], 'work', { 'docs/DONE.md': undefined, b: 'b' });
    expect((await buildCandidate(deep, request({ head, work: gone }))).kind).toBe('built');
    const [ours, theirs] = ['a', 'b'].map((text) => rig.commitBeside([first], text, { 'TASKS.md': text }));
    expect(await buildCandidate(deep, request({ head: ours ?? '', work: theirs ?? '' }))).toEqual({
      kind: 'conflict',
      onto: ours,
      files: ['TASKS.md'],
    });
  });

  test('names the files in conflict and the head they conflict with', async () => {
    const head = rig.commit('meanwhile', { a: '1\nhead\n3\n', [ODD]: 'head' });
    const work = rig.commitBeside([first], 'work', { a: '1\nwork\n3\n', [ODD]: 'work', 'TASKS.md': 'mine' });
    expect(await buildCandidate(repo, request({ head, work }))).toEqual({
      kind: 'conflict',
      onto: head,
      files: ['a', ODD],
    });
  });

  test('of work without a commit of its own changes TASKS.md alone, or is refused', async () => {
    const candidate = await build({ work: first, tasks: 'tasks 1\n' });
    expect(candidate).toEqual({
      commit: candidate.commit,
      tree: await treeKey(repo, first),
      base: first,
      work: first,
    });
    expect(rig.git('log', '-1', '--format=%P', candidate.commit)).toBe(first);
    expect(await buildCandidate(repo, request({ work: first }))).toEqual({
      kind: 'refused',
      message: 'there is nothing to land: neither a file nor TASKS.md would change',
    });
  });

  test('of work that the head already holds still binds it as second parent', async () => {
    const head = rig.commit('second', { b: '1' });
    const candidate = await build({ head, work: first, tasks: 'tasks 1\n' });
    expect(rig.git('log', '-1', '--format=%P', candidate.commit)).toBe(`${head} ${first}`);
    expect(candidate.tree).toBe(await treeKey(repo, head));
  });

  test('of work without a common history is refused in words', async () => {
    const stranger = rig.commitBeside([], 'stranger', { z: '1' });
    expect(await buildCandidate(repo, request({ work: stranger }))).toEqual({
      kind: 'refused',
      message: 'git cannot merge: refusing to merge unrelated histories',
    });
  });

  describe('attributes', () => {
    test("of the work, the checkout or the user's home do not say how it is merged", async () => {
      const planted = { '.gitattributes': 'a merge=union\n' };
      const work = rig.commitBeside([first], 'work', { a: '1\nwork\n3\n', ...planted });
      const head = rig.commit('meanwhile', { a: '1\nhead\n3\n' });
      rig.write('.gitattributes', 'a merge=union\n');
      rig.write('../attributes', 'a merge=union\n');
      rig.git('config', 'core.attributesFile', join(rig.root, '..', 'attributes'));
      expect(await buildCandidate(repo, request({ head, work }))).toEqual({
        kind: 'conflict',
        onto: head,
        files: ['a'],
      });
    });

    test('of the head do, in folders too', async () => {
      const base = rig.commit('with attributes', {
        'sub/.gitattributes': 'log merge=union\n',
        'sub/log': 'x\n',
      });
      const work = rig.commitBeside([base], 'work', { 'sub/log': 'x\nwork\n' });
      const head = rig.commit('meanwhile', { 'sub/log': 'x\nhead\n' });
      const candidate = await build({ head, work });
      expect(rig.git('show', `${candidate.commit}:sub/log`)).toBe('x\nhead\nwork');
    });

    test('a configured driver never runs: what it would merge is a conflict', async () => {
      const ran = join(rig.root, '..', 'ran');
      rig.git('config', 'merge.my=driver.x.driver', `touch '${ran}'`);
      rig.git('config', 'merge.mine.driver', `touch '${ran}'`);
      const base = rig.commit('with attributes', { '.gitattributes': 'a merge=mine\n' });
      const work = rig.commitBeside([base], 'work', { a: '1\n2\n3\nwork\n' });
      const head = rig.commit('meanwhile', { a: 'head\n1\n2\n3\n' });
      expect(await buildCandidate(repo, request({ head, work }))).toEqual({
        kind: 'conflict',
        onto: head,
        files: ['a'],
      });
      expect(existsSync(ran)).toBe(false);
    });
  });

  test('is the same whatever the user has configured', async () => {
    const work = rig.commitBeside([first], 'work', { 'moved/b': 'x\n'.repeat(20), a: undefined });
    const head = rig.commit('meanwhile', { c: '1' });
    const before = await build({ head, work });
    for (const [key, value] of [
      ['merge.renames', 'false'],
      ['merge.renormalize', 'true'],
      ['merge.directoryRenames', 'true'],
      ['diff.renames', 'copies'],
      ['i18n.commitEncoding', 'ISO-8859-1'],
      ['commit.gpgSign', 'true'],
      ['core.autocrlf', 'true'],
    ] as const) {
      rig.git('config', key, value);
    }
    expect(await build({ head, work })).toEqual(before);
  });
});

describe('a sync', () => {
  test("merges the target's own head into the shadow, which stays first parent", async () => {
    const shadow = rig.commitBeside([first], 'landed', { b: '1', 'TASKS.md': 'tasks 1\n' });
    const target = rig.commit('my own', { c: '1' });
    const outcome = await buildSync(repo, { shadow, target, message: 'main moved\n', dateMs: 0 });
    if (outcome.kind !== 'built') throw new Error(JSON.stringify(outcome));
    expect({ base: outcome.candidate.base, work: outcome.candidate.work }).toEqual({
      base: shadow,
      work: target,
    });
    expect(rig.git('log', '-1', '--format=%P|%B', outcome.candidate.commit)).toBe(
      `${shadow} ${target}|main moved\n`,
    );
    expect(rig.git('show', `${outcome.candidate.commit}:TASKS.md`)).toBe('tasks 1');
  });

  test("keeps what the user wrote in TASKS.md, and the shadow's version where both wrote in one place", async () => {
    const lines = 'mine\n\n\n\n\nmarked\n';
    const base = rig.commit('tasks', { 'TASKS.md': lines });
    const shadow = rig.commitBeside([base], 'landed', { 'TASKS.md': lines.replace('marked', 'done') });
    const apart = rig.commitBeside([base], 'own', { 'TASKS.md': lines.replace('mine', 'my words') });
    const clash = rig.commitBeside([base], 'own', { 'TASKS.md': lines.replace('marked', 'clash'), d: '1' });
    const tasksOf = async (target: string, tasks?: string) => {
      const sync = { shadow, target, message: 'm\n', dateMs: 0, ...(tasks === undefined ? {} : { tasks }) };
      const outcome = await buildSync(repo, sync);
      return outcome.kind === 'built' ? rig.git('show', `${outcome.candidate.commit}:TASKS.md`) : outcome;
    };
    expect(await tasksOf(apart)).toBe('my words\n\n\n\n\ndone');
    expect(await tasksOf(clash)).toBe('mine\n\n\n\n\ndone');
    expect(await tasksOf(clash, 'given\n')).toBe('given');
  });
});
