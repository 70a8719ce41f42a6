import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeRepository, type TestRepository } from '../rig/repository.js';
import { beginStory, type SlotStory } from './slot-story.js';

const made: (SlotStory | TestRepository)[] = [];
afterEach(() => {
  for (const one of made.splice(0)) ('test' in one ? one.test : one).remove();
});

/** A repository with a submodule `lib` that the user has initialised, and whose origin is gone. */
async function withSubmodule(isolation: 'worktree' | 'clone') {
  const lib = makeRepository('the library');
  lib.commit('Library', { 'lib.txt': 'one\n' });
  const story = await beginStory(undefined, isolation);
  made.push(story);
  story.test.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', lib.root, 'lib');
  story.test.git('commit', '--quiet', '-m', 'With the library');
  lib.remove();
  rmSync(dirname(lib.root), { recursive: true, force: true });
  const commit = story.test.git('rev-parse', 'HEAD');
  return { story, commit, store: join(story.test.root, '.git', 'modules', 'lib') };
}

describe.each(['worktree', 'clone'] as const)('submodules in a slot (%s)', (isolation) => {
  it('are filled from your copy, without the network, and leave your configuration alone', async () => {
    const { story, commit } = await withSubmodule(isolation);
    const before = story.test.git('config', '--local', '--list');
    expect((await story.prepare({ commit })).told).toEqual([]);
    expect(story.read('lib/lib.txt')).toBe('one\n');
    expect(story.agent('status', '--porcelain')).toBe('');
    expect(story.test.git('config', '--local', '--list')).toBe(before);
    // What was done to it is gone when the slot is used again.
    story.write('lib/lib.txt', 'changed\n');
    story.write('lib/new.txt', 'new\n');
    await story.prepare({ commit });
    expect(story.read('lib/lib.txt')).toBe('one\n');
    expect(story.agent('-C', 'lib', 'status', '--porcelain')).toBe('');
  });

  it('give up what an agent commits in them, so that the work points to something', async () => {
    const { story, commit, store } = await withSubmodule(isolation);
    await story.prepare({ commit });
    story.write('lib/lib.txt', 'two\n');
    story.agent('-C', 'lib', 'commit', '--quiet', '-am', 'In the library');
    const inner = story.agent('-C', 'lib', 'rev-parse', 'HEAD');
    const work = await story.harvest({ base: commit, from: commit });
    expect(work.told).toEqual([
      `the submodule lib has a commit of the agent's, ${inner.slice(0, 12)}, kept below ${store}/refs/mstone/submodules; push it before you push this`,
    ]);
    expect(story.test.git('ls-tree', work.commit, 'lib')).toContain(inner);
    // The review and the checks see it.
    expect((await story.prepare({ commit: work.commit })).told).toEqual([]);
    expect(story.read('lib/lib.txt')).toBe('two\n');
  });

  it('that merge in from the head are as the head has them', async () => {
    const { story, commit } = await withSubmodule(isolation);
    await story.prepare({ commit });
    story.write('lib/lib.txt', 'two\n');
    story.agent('-C', 'lib', 'commit', '--quiet', '-am', 'In the library');
    const { commit: head } = await story.harvest({ base: commit, from: commit });
    const mine = story.test.commitBeside([commit], 'Mine', { 'mine.txt': 'mine\n' });
    await story.prepare({ commit: mine, merge: head });
    expect(story.read('lib/lib.txt')).toBe('two\n');
    const merged = await story.harvest({ base: commit, from: mine, merge: head });
    expect(story.test.git('ls-tree', merged.commit, 'lib')).toBe(story.test.git('ls-tree', head, 'lib'));
  });
});
