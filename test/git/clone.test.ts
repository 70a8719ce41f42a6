import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareSlot, removeSlot } from '../../src/git/slots.js';
import { findSlots } from '../../src/git/tidy.js';
import { beginStory, FILES, oneLane, type SlotStory } from './slot-story.js';

let story: SlotStory;
beforeEach(async () => {
  story = await beginStory(FILES, 'clone');
});
afterEach(() => story.test.remove());

/** The first commit's files as `story.files` tells them: without their last line's end. */
const START = Object.fromEntries(Object.entries(FILES).map(([name, text]) => [name, text.trimEnd()]));

const refs = (): string => story.test.git('for-each-ref', '--format=%(refname) %(objectname)');
const pins = (under: string): string[] =>
  story.test.git('for-each-ref', '--format=%(refname)', under).split('\n').filter(Boolean);

describe('a slot that is a repository of its own', () => {
  it('has the files of the commit, a detached HEAD, and nothing of yours but objects to read', () => {
    expect(story.agent('rev-parse', 'HEAD')).toBe(story.first);
    expect(story.agent('status', '--porcelain')).toBe('');
    expect(story.agent('for-each-ref')).toBe('');
    expect(story.agent('remote')).toBe('');
    expect(story.agent('log', '--format=%s')).toBe('First');
    expect(story.test.git('worktree', 'list').split('\n')).toHaveLength(1);
    expect(statSync(join(story.path, '.git')).isDirectory()).toBe(true);
    expect(readdirSync(join(story.path, '.git', 'objects')).sort()).toEqual(['info', 'pack']);
  });

  it('takes the settings by which files are read and who commits, and no other', async () => {
    for (const [key, value] of [
      ['user.name', 'Ada "the\\first"'],
      ['core.autocrlf', 'input'],
      ['filter.odd # name.clean', 'cat'],
      ['core.hooksPath', '/nowhere'],
      ['remote.origin.url', 'https://example.org/a.git'],
      ['alias.st', '!touch planted'],
    ] as const) {
      story.test.git('config', key, value);
    }
    story.test.git('config', '--local', 'include.path', 'more');
    writeFileSync(join(story.test.root, '.git', 'more'), '[core]\n\tsafecrlf\n');
    mkdirSync(join(story.test.root, '.git', 'info'), { recursive: true });
    writeFileSync(join(story.test.root, '.git', 'info', 'exclude'), '*.mine\n');
    await story.prepare();
    const settings = story.agent('config', '--local', '--list').split('\n');
    expect(settings.filter((line) => !/^core\.(repositoryformat|filemode|bare|logall)/.test(line))).toEqual([
      'core.autocrlf=input',
      'user.name=Ada "the\\first"',
      'user.email=tess@example.org',
      'filter.odd # name.clean=cat',
      'core.safecrlf=true',
    ]);
    story.write('a.mine', 'x');
    expect(story.agent('status', '--porcelain')).toBe('');
  });

  it('keeps whatever an agent does to refs, settings and hooks to itself', async () => {
    const before = { refs: refs(), config: readFileSync(join(story.test.root, '.git', 'config'), 'utf8') };
    story.write('app.txt', 'done\n');
    story.agent('commit', '--quiet', '-am', 'Work');
    story.agent('branch', '-f', 'main');
    story.agent('checkout', '--quiet', 'main');
    story.agent('tag', 'v1');
    story.agent('stash', 'store', story.agent('rev-parse', 'HEAD'));
    story.agent('config', 'core.hooksPath', '/tmp/hooks');
    story.agent('gc', '--prune=now', '--quiet');
    expect(refs()).toBe(before.refs);
    expect(readFileSync(join(story.test.root, '.git', 'config'), 'utf8')).toBe(before.config);

    const work = await story.harvest();
    expect(work).toMatchObject({ changed: true, told: [], markers: [] });
    expect(story.test.git('log', '--format=%s', `${story.first}..${work.commit}`)).toBe('Work');
    expect(story.files(work.commit)).toEqual({ ...START, 'app.txt': 'done' });
    expect(pins('refs/mstone/work')).toEqual(['refs/mstone/work/1A/1.1']);
    // Once more, as after a crash: the same.
    expect((await story.harvest()).commit).toBe(work.commit);
  });

  it('gives up uncommitted files, too, and commits that were abandoned', async () => {
    story.write('lost.txt', 'first try\n');
    story.agent('add', '-A');
    story.agent('commit', '--quiet', '-m', 'Abandoned');
    const abandoned = story.agent('rev-parse', 'HEAD');
    story.agent('reset', '--quiet', '--hard', 'HEAD~1');
    story.write('kept.txt', 'second try\n');
    const work = await story.harvest();
    expect(story.files(work.commit)).toEqual({ ...START, 'kept.txt': 'second try' });
    const [left] = pins('refs/mstone/left');
    expect(story.test.git('merge-base', '--is-ancestor', abandoned, left ?? '')).toBe('');
  });

  it('runs nothing that an agent planted, in its configuration, its hooks or its attributes', async () => {
    const trap = join(dirname(story.test.root), 'sprung');
    const script = join(story.path, '.git', 'trap.sh');
    writeFileSync(script, `#!/bin/sh\ntouch '${trap}'\ncat\n`, { mode: 0o755 });
    story.write('.gitattributes', '* filter=planted diff=planted merge=planted\n');
    for (const key of [
      'filter.planted.clean',
      'filter.planted.smudge',
      'diff.planted.textconv',
      'merge.planted.driver',
      'core.fsmonitor',
      'core.sshCommand',
      'uploadpack.packObjectsHook',
      'gpg.program',
    ]) {
      story.agent('config', key, script);
    }
    story.agent('config', 'commit.gpgSign', 'true');
    mkdirSync(join(story.path, '.git', 'hooks'), { recursive: true });
    for (const hook of ['post-checkout', 'reference-transaction', 'post-index-change', 'pre-commit']) {
      writeFileSync(join(story.path, '.git', 'hooks', hook), `#!/bin/sh\ntouch '${trap}'\n`, { mode: 0o755 });
    }
    story.write('new.txt', 'new\n');
    rmSync(trap, { force: true });
    const work = await story.harvest();
    expect(Object.keys(story.files(work.commit)).sort()).toEqual(
      [...Object.keys(FILES), '.gitattributes', 'new.txt'].sort(),
    );
    await story.prepare({ commit: work.commit });
    expect(existsSync(trap)).toBe(false);
    expect(readFileSync(join(story.gitDir, 'config'), 'utf8')).not.toContain('trap');
  });

  it.each([
    ['is gone', (gitDir: string) => rmSync(gitDir, { recursive: true })],
    ['has garbage for a HEAD', (gitDir: string) => writeFileSync(join(gitDir, 'HEAD'), 'ref: ../../x\n')],
    [
      'is on a branch without a commit',
      (gitDir: string) => writeFileSync(join(gitDir, 'HEAD'), 'ref: refs/heads/new\n'),
    ],
  ])('whose .git %s still gives its files', async (_, damage) => {
    story.write('app.txt', 'done\n');
    damage(story.gitDir);
    const work = await story.harvest();
    expect(work.told).toEqual(["the slot's HEAD named no commit: its files were taken as they are"]);
    expect(story.files(work.commit)).toEqual({ ...START, 'app.txt': 'done' });
    await story.prepare();
    expect(story.agent('status', '--porcelain')).toBe('');
  });

  it('with a damaged commit gives its files, and the whole commits beside it', async () => {
    story.write('one.txt', 'one\n');
    story.agent('add', '-A');
    story.agent('commit', '--quiet', '-m', 'Whole');
    const whole = story.agent('rev-parse', 'HEAD');
    story.agent('reset', '--quiet', '--hard', 'HEAD~1');
    story.write('two.txt', 'two\n');
    story.agent('add', '-A');
    story.agent('commit', '--quiet', '-m', 'Damaged');
    const tree = story.agent('rev-parse', 'HEAD^{tree}');
    const file = join(story.gitDir, 'objects', tree.slice(0, 2), tree.slice(2));
    rmSync(file);
    writeFileSync(file, 'no object');
    const work = await story.harvest();
    expect(story.files(work.commit)).toEqual({ ...START, 'two.txt': 'two' });
    expect(work.told[0]).toBe("the slot's HEAD named no commit: its files were taken as they are");
    const [left] = pins('refs/mstone/left');
    expect(story.test.git('merge-base', '--is-ancestor', whole, left ?? '')).toBe('');
    expect(story.test.git('fsck', '--no-dangling')).toBe('');
  });

  it('is on a packed branch and is read all the same', async () => {
    story.agent('checkout', '--quiet', '-b', 'deep/branch');
    story.write('app.txt', 'done\n');
    story.agent('commit', '--quiet', '-am', 'Work');
    story.agent('pack-refs', '--all');
    const work = await story.harvest();
    expect(story.test.git('log', '-1', '--format=%s', work.commit)).toBe('Work');
  });

  it('holds back what nobody took before it is used again, and before it goes', async () => {
    story.write('app.txt', 'half\n');
    story.agent('commit', '--quiet', '-am', 'Half');
    story.write('more.txt', 'more\n');
    const { told } = await story.prepare();
    const [rescued] = pins('refs/mstone/rescue');
    expect(told).toEqual([`slot 1 held work that no commit or branch had; it is kept as ${rescued}`]);
    expect(story.files(rescued ?? '')).toEqual({ ...START, 'app.txt': 'half', 'more.txt': 'more' });

    expect((await findSlots(story.repo, story.slotsDir)).slots).toEqual([
      { slotsDir: story.slotsDir, slot: 1, isolation: 'clone', path: story.path, state: 'whole' },
    ]);
    story.write('last.txt', 'last\n');
    const gone = await removeSlot(story.repo, {
      slotsDir: story.slotsDir,
      slot: 1,
      isolation: 'clone',
      keep: [],
      rescueRef: 'refs/mstone/rescue/clean',
      lane: oneLane(),
    });
    expect(gone.ok && gone.value.told).toHaveLength(1);
    expect(existsSync(story.path)).toBe(false);
    expect(story.files(pins('refs/mstone/rescue/clean')[0] ?? '')).toMatchObject({ 'last.txt': 'last' });
  });

  it('takes in a head: clean as a commit, in conflict with markers, and is harvested as that merge', async () => {
    const mine = story.test.commitBeside([story.first], 'Mine', { 'app.txt': 'mine\n' });
    const clean = story.test.commitBeside([story.first], 'Theirs', { 'other.txt': 'theirs\n' });
    await story.prepare({ commit: mine, merge: clean });
    expect(story.agent('log', '-1', '--format=%s').startsWith('Merge ')).toBe(true);
    expect(story.agent('status', '--porcelain')).toBe('');

    const other = story.test.commitBeside([story.first], 'Theirs', { 'app.txt': 'theirs\n' });
    const { conflicts } = await story.prepare({ commit: mine, merge: other });
    expect(conflicts).toEqual(['app.txt']);
    expect(story.read('app.txt')).toContain('<<<<<<< ');
    story.write('app.txt', 'both\n');
    story.agent('commit', '--quiet', '-am', 'Resolved');
    const work = await story.harvest({ from: mine, merge: other, conflicted: ['app.txt'] });
    expect(work.markers).toEqual([]);
    expect(story.test.git('log', '-1', '--format=%P', work.commit)).toBe(`${mine} ${other}`);
  });

  it('stays equal to the commit with what is to be kept, whichever way it is used', async () => {
    story.write('node_modules/a/index.js', 'kept');
    story.write('trash.ignored', 'gone');
    await story.prepare({ keep: ['node_modules'] });
    expect(existsSync(join(story.path, 'trash.ignored'))).toBe(false);
    expect(story.read('node_modules/a/index.js')).toBe('kept');
    // The same number as a linked worktree is another folder.
    const linked = await prepareSlot(story.repo, {
      slotsDir: story.slotsDir,
      slot: 1,
      commit: story.first,
      keep: [],
      rescueRef: 'refs/mstone/rescue',
      lane: oneLane(),
    });
    expect(linked.ok && linked.value.path).toBe(join(story.slotsDir, '1'));
  });
});
