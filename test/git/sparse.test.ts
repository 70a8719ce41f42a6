import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { coneOf, conePatterns, isInCone } from '../../src/git/sparse.js';
import { beginStory, type SlotStory } from './slot-story.js';

test.each<[readonly string[], readonly string[] | undefined]>([
  [['src/auth/**'], ['src/auth']],
  [
    ['/src/auth/**/*.ts', 'src/auth/login/x.ts', 'docs/'],
    ['docs', 'src/auth'],
  ],
  [['src/a*/b/**'], ['src']],
  [['src/auth/x.ts'], ['src/auth']],
  // All of the repository may be meant.
  [['README.md'], undefined],
  [['*.ts', 'src/**'], undefined],
  [['**'], undefined],
  [['**/x.ts'], undefined],
  [['od\nd/x'], undefined],
  [[], undefined],
])('the cone of %j is %j', (patterns, cone) => {
  expect(coneOf(patterns)).toEqual(cone);
});

test('a cone is written as git reads it, odd names as they are', () => {
  expect(conePatterns(['a/b/c', 'we[i]rd\\*'])).toBe(
    '/*\n!/*/\n/a/\n!/a/*/\n/a/b/\n!/a/b/*/\n/a/b/c/\n/we\\[i]rd\\\\\\*/\n',
  );
});

test('what lies in a cone, and beside the way there', () => {
  const inside = ['x', 'a/x', 'a/b/x', 'a/b/c/d/x', 'a/o/x', 'ab/x', 'o/x'].filter((path) =>
    isInCone(path, ['a/b']),
  );
  expect(inside).toEqual(['x', 'a/x', 'a/b/x', 'a/b/c/d/x']);
});

describe('a sparse slot', () => {
  const FILES = {
    'root.txt': 'root\n',
    'src/near.txt': 'near\n',
    'src/app/a.txt': 'a\n',
    'src/app/deep/b.txt': 'b\n',
    'src/other/c.txt': 'c\n',
    'docs/d.txt': 'd\n',
    'milestones/1A.md': '# Milestone 1A\n',
    'TASKS.md': 'tasks\n',
    'mstone.yaml': 'jobs: 2\n',
  };
  const CONE = { cone: ['src/app'] };
  let story: SlotStory;
  beforeEach(async () => {
    story = await beginStory(FILES);
    await story.prepare(CONE);
  });
  afterEach(() => story.test.remove());

  const there = (): string[] =>
    readdirSync(story.path, { recursive: true, encoding: 'utf8' })
      .filter((name) => Object.hasOwn(FILES, name) || name.startsWith('new') || name.includes('/new'))
      .sort();
  const SPARSE = [
    'TASKS.md',
    'mstone.yaml',
    'root.txt',
    'src/app/a.txt',
    'src/app/deep/b.txt',
    'src/near.txt',
  ];

  it('holds its cone and what lies beside the way there; nothing is missing to the agent’s git', () => {
    expect(there()).toEqual(SPARSE);
    expect(story.agent('status', '--porcelain')).toBe('');
  });

  it('gives work in which everything else is as it was, whether the agent committed or not', async () => {
    story.write('src/app/a.txt', 'a changed\n');
    story.agent('add', '-A');
    story.agent('commit', '-qm', 'Mine');
    story.write('src/app/new.txt', 'new\n');
    story.agent('rm', '-q', 'src/app/deep/b.txt');
    const { 'src/app/deep/b.txt': _, ...rest } = FILES;

    const { commit } = await story.harvest(CONE);
    expect(story.files(commit)).toEqual({
      ...Object.fromEntries(Object.entries(rest).map(([name, text]) => [name, text.trimEnd()])),
      'src/app/a.txt': 'a changed',
      'src/app/new.txt': 'new',
    });
  });

  it('takes what the agent wrote outside its cone, over a file that was not there and anew', async () => {
    story.write('docs/d.txt', 'over it\n');
    story.write('else/new.txt', 'new\n');
    const { commit, told } = await story.harvest(CONE);
    expect(told).toEqual([]);
    expect(story.files(commit)).toMatchObject({
      'docs/d.txt': 'over it',
      'else/new.txt': 'new',
      'src/other/c.txt': 'c',
    });
  });

  it('loses nothing where the agent took up commits that change what is not there', async () => {
    const moved = story.test.commit('Moved on', {
      'src/other/c.txt': 'c of the target\n',
      'src/other/e.txt': 'e\n',
    });
    story.write('src/app/a.txt', 'a changed\n');
    story.agent('commit', '-qam', 'Mine');
    story.agent('merge', '-q', '--no-edit', moved);
    const { commit } = await story.harvest(CONE);
    expect(story.files(commit)).toMatchObject({
      'src/app/a.txt': 'a changed',
      'src/other/c.txt': 'c of the target',
      'src/other/e.txt': 'e',
      'docs/d.txt': 'd',
    });
  });

  it('becomes another cone, the whole tree, and a cone again; what was left in it is rescued as it was', async () => {
    await story.prepare({ cone: ['docs'] });
    expect(there()).toEqual(['TASKS.md', 'docs/d.txt', 'mstone.yaml', 'root.txt']);
    story.write('docs/d.txt', 'unsaved\n');

    const whole = await story.prepare();
    expect(there()).toEqual(Object.keys(FILES).sort());
    const [ref = ''] = story.test
      .git('for-each-ref', '--format=%(refname)', 'refs/mstone/rescue')
      .split('\n');
    expect(whole.told).toEqual([`slot 1 held work that no commit or branch had; it is kept as ${ref}`]);
    expect(story.test.git('diff-tree', '-r', '--name-only', story.first, ref)).toBe('docs/d.txt');
    expect(existsSync(join(story.gitDir, 'info', 'sparse-checkout'))).toBe(false);

    expect((await story.prepare(CONE)).told).toEqual([]);
    expect(there()).toEqual(SPARSE);
  });

  it('is whole while a merge is resolved in it, so that nothing of the other side is lost', async () => {
    const theirs = story.test.commit('Theirs', { 'docs/d.txt': 'theirs\n', 'src/other/c.txt': 'c2\n' });
    story.write('docs/d.txt', 'ours\n');
    const { commit } = await story.harvest(CONE);
    const resolving = await story.prepare({ ...CONE, commit, merge: theirs });
    expect([resolving.conflicts, resolving.cone]).toEqual([['docs/d.txt'], undefined]);
    expect(there()).toEqual(Object.keys(FILES).sort());
    story.write('docs/d.txt', 'both\n');
    const resolved = await story.harvest({
      from: commit,
      merge: theirs,
      conflicted: ['docs/d.txt'],
      protect: { from: theirs, paths: ['milestones', 'mstone.yaml', 'TASKS.md'] },
    });
    expect(resolved.markers).toEqual([]);
    expect(story.files(resolved.commit)).toMatchObject({ 'docs/d.txt': 'both', 'src/other/c.txt': 'c2' });
  });
});
