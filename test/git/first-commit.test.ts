import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commitFiles } from '../../src/git/first-commit.js';
import { openRepository, type Repository } from '../../src/git/index.js';
import { uncommitted } from '../../src/git/uncommitted.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

let rig: TestRepository;
let repo: Repository;

beforeEach(async () => {
  rig = makeRepository('mile stones');
  const opened = await openRepository(rig.root, rig.environment);
  if (!opened.ok) throw new Error('not opened');
  repo = opened.value;
});
afterEach(() => rig.remove());

const DATE = 1_750_000_000_000;
const PATHS = ['milestones', 'mstone.yaml'];
const commit = async (paths: readonly string[] = PATHS) => commitFiles(repo, paths, 'Milestones\n', DATE);
const files = (commit: string): string[] =>
  rig.git('ls-tree', '-r', '--name-only', '-z', commit).split('\0').filter(Boolean);
const status = (): string[] =>
  rig.git('status', '--porcelain', '--untracked-files=all', '-z').split('\0').filter(Boolean);

describe('what is not committed', () => {
  test('is what HEAD does not hold as it is on disk, under these paths alone', async () => {
    rig.commit('first', {
      'milestones/1A.md': '1',
      'milestones/1B.md': '1',
      'milestones/1C.md': '1',
      'milestones/same.md': '1',
      code: '1',
    });
    rig.write('milestones/1A.md', '2');
    rmSync(join(rig.root, 'milestones/1B.md'));
    rig.write('milestones/1C.md', '2');
    rig.git('add', 'milestones/1C.md');
    rig.write('milestones/neü "x"\n.md', '1');
    rig.write('code', '2');
    rig.write('milestones2/1A.md', '1');
    expect(await uncommitted(repo, PATHS)).toEqual([
      'milestones/1A.md',
      'milestones/1B.md',
      'milestones/1C.md',
      'milestones/neü "x"\n.md',
    ]);
    expect(await uncommitted(repo, [])).toEqual([]);
  });

  test('takes paths as names, not as patterns, and ignored files only when named', async () => {
    rig.commit('first', { '.gitignore': 'ignored*\n' });
    rig.write('a*', '1');
    rig.write('ab', '1');
    rig.write('ignored1', '1');
    rig.write('ignored2', '1');
    expect(await uncommitted(repo, ['a*', 'ignored1', ':(top)ab'])).toEqual(['a*', 'ignored1']);
  });
});

describe('committing the milestones', () => {
  test('makes the root of a repository without a commit, and leaves the rest as it was', async () => {
    rig.write('milestones/1A.md', '1');
    rig.write('mstone.yaml', 'jobs: 2\n');
    rig.write('staged', '1');
    rig.git('add', 'staged');
    rig.write('loose', '1');
    const outcome = await commit();
    const head = rig.oid('HEAD');
    expect(outcome).toEqual({ ok: true, value: { commit: head, made: true } });
    expect(files(head)).toEqual(['milestones/1A.md', 'mstone.yaml']);
    expect(status()).toEqual(['A  staged', '?? loose']);
    expect(rig.git('log', '--format=%P|%an|%ct|%B')).toBe('|Tess Ter|1750000000|Milestones\n');
  });

  test('makes an empty root where there is nothing to commit yet', async () => {
    expect(await commit()).toEqual({ ok: true, value: { commit: rig.oid('HEAD'), made: true } });
    expect(files('HEAD')).toEqual([]);
  });

  test('takes changed and deleted ones, and keeps what is staged and unstaged elsewhere', async () => {
    const first = rig.commit('first', { 'milestones/1A.md': '1', 'milestones/1B.md': '1', a: '1', b: '1' });
    rig.write('milestones/1A.md', '2');
    rmSync(join(rig.root, 'milestones/1B.md'));
    rig.write('milestones/sub/x.md', '1');
    rig.write('a', 'staged');
    rig.git('add', 'a');
    rig.write('a', 'and more');
    rig.write('b', 'unstaged');
    const outcome = await commit();
    expect(outcome).toEqual({ ok: true, value: { commit: rig.oid('HEAD'), made: true } });
    expect(rig.oid('HEAD^')).toBe(first);
    expect(files('HEAD')).toEqual(['a', 'b', 'milestones/1A.md', 'milestones/sub/x.md']);
    expect([rig.git('show', 'HEAD:a'), rig.git('show', 'HEAD:b'), rig.git('show', ':a')]).toEqual([
      '1',
      '1',
      'staged',
    ]);
    expect(status()).toEqual(['MM a', ' M b']);
    expect(await commit()).toEqual({ ok: true, value: { commit: rig.oid('HEAD'), made: false } });
  });

  test('is refused in words where a commit would be lost, disturb or be impossible', async () => {
    const first = rig.commit('first', { a: '1' });
    const clash = rig.commitBeside([first], 'clash', { a: 'clash' });
    rig.commit('second', { a: '2' });
    rig.write('milestones/1A.md', '1');
    const refusal = async (paths?: readonly string[]) => {
      const outcome = await commit(paths);
      return outcome.ok ? 'committed' : outcome.error.map(({ code, fix }) => `${code}: ${fix}`).join();
    };
    expect(() => rig.git('cherry-pick', clash)).toThrow();
    expect(await refusal()).toBe('operation-in-progress: git cherry-pick --continue');
    rig.git('cherry-pick', '--abort');
    rig.write('.git/index.lock', '');
    const before = rig.oid('HEAD');
    expect(await refusal()).toBe('not-committed: git add the files and git commit them');
    expect(rig.oid('HEAD')).toBe(before);
    rmSync(join(rig.root, '.git/index.lock'));
    rig.git('switch', '-q', '--detach');
    expect(await refusal()).toBe('detached-head: git switch <branch>');
    expect(status()).toEqual(['?? milestones/1A.md']);
  });

  test('commits a link as a link', async () => {
    symlinkSync('/etc/passwd', join(rig.root, 'mstone.yaml'));
    expect((await commit()).ok).toBe(true);
    expect(rig.git('ls-tree', 'HEAD')).toMatch(/^120000 blob .*mstone.yaml$/);
  });
});
