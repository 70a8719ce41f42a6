import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareSlot, removeSlot, slotPlace } from '../../src/git/slots.js';
import { beginStory, FILES, oneLane, type SlotStory } from './slot-story.js';

let story: SlotStory;
beforeEach(async () => {
  story = await beginStory();
});
afterEach(() => story.test.remove());

/** All that is in the slot, without its `.git`. */
const contents = (path = story.path): Record<string, string> => {
  const found: Record<string, string> = {};
  const walk = (at: string) => {
    for (const entry of readdirSync(join(path, at), { withFileTypes: true })) {
      const name = at === '' ? entry.name : `${at}/${entry.name}`;
      if (name === '.git') continue;
      if (entry.isDirectory()) {
        found[`${name}/`] = 'folder';
        walk(name);
      } else found[name] = entry.isSymbolicLink() ? 'link' : readFileSync(join(path, name), 'utf8');
    }
  };
  walk('');
  for (const name of Object.keys(found)) {
    if (
      found[name] === 'folder' &&
      Object.keys(found).some((other) => other !== name && other.startsWith(name))
    ) {
      delete found[name];
    }
  }
  return found;
};

const rescued = (): string[] =>
  story.test.git('for-each-ref', '--format=%(refname)', 'refs/mstone/rescue').split('\n').filter(Boolean);

describe('a slot', () => {
  it('is a linked worktree with a detached HEAD, outside the checkout, with the files of the commit', async () => {
    expect(contents()).toEqual(FILES);
    expect(story.agent('rev-parse', 'HEAD')).toBe(story.first);
    expect(() => story.agent('symbolic-ref', 'HEAD')).toThrow();
    expect(story.agent('status', '--porcelain')).toBe('');
    expect(story.test.git('worktree', 'list')).toContain(story.path);
    expect(story.test.git('status', '--porcelain')).toBe('');
  });

  it('is made equal to another commit, keeping only what the configuration names', async () => {
    const next = story.test.commitBeside([story.first], 'Second', {
      'app.txt': 'new\n',
      'TASKS.md': undefined,
    });
    story.write('node_modules/left-pad/index.js', 'kept');
    story.write('we ird*[x]/#cache/a', 'kept');
    story.write('we irdX/#cache/a', 'not named');
    story.write('deep/node_modules/x', 'not named');
    story.write('trash.ignored', 'gone');
    mkdirSync(join(story.path, 'empty'));
    const { told } = await story.prepare({ commit: next, keep: ['node_modules', 'we ird*[x]/#cache/'] });
    const { 'TASKS.md': _, ...rest } = FILES;
    expect(contents()).toEqual({
      ...rest,
      'app.txt': 'new\n',
      'node_modules/left-pad/index.js': 'kept',
      'we ird*[x]/#cache/a': 'kept',
    });
    expect(story.agent('rev-parse', 'HEAD')).toBe(next);
    expect(told).toEqual([`slot 1 held work that no commit or branch had; it is kept as ${rescued()[0]}`]);
    expect(story.files(`${rescued()[0]}`)['we irdX/#cache/a']).toBe('not named');
  });

  it('that is clean is prepared again without a word', async () => {
    expect((await story.prepare()).told).toEqual([]);
    expect(rescued()).toEqual([]);
  });

  it('that was harvested is prepared again without a word, whatever was left in it', async () => {
    story.write('new.txt', 'work');
    story.write('TASKS.md', 'edited');
    story.agent('add', '-A');
    story.agent('commit', '-qm', 'Work');
    story.write('more.txt', 'left');
    await story.harvest();
    expect((await story.prepare()).told).toEqual([]);
    expect(rescued()).toEqual([]);
    expect(contents()).toEqual(FILES);
  });

  it('pins commits and files that nobody has before it is cleaned', async () => {
    story.write('committed.txt', '1');
    story.agent('add', '-A');
    story.agent('commit', '-qm', 'Only here');
    const lost = story.agent('rev-parse', 'HEAD');
    story.agent('reset', '-q', '--hard', 'HEAD~1');
    story.write('app.txt', 'changed\n');
    story.write('untracked.txt', '2');
    const { told } = await story.prepare();
    const [ref = ''] = rescued();
    expect(told).toEqual([`slot 1 held work that no commit or branch had; it is kept as ${ref}`]);
    expect(story.files(ref)).toEqual({
      ...Object.fromEntries(Object.entries(FILES).map(([name, text]) => [name, text.trimEnd()])),
      'app.txt': 'changed',
      'untracked.txt': '2',
    });
    expect(story.test.git('merge-base', '--is-ancestor', lost, ref)).toBe('');
    expect(contents()).toEqual(FILES);
  });

  it('keeps a nested repository in an archive before removing it', async () => {
    story.write('nested/file', 'inner');
    story.agent('init', '-q', 'nested');
    const { told } = await story.prepare();
    const [folder = ''] = readdirSync(join(story.repo.stateDir, 'rescued'));
    const kept = join(story.repo.stateDir, 'rescued', folder);
    expect(told).toEqual([`slot 1 held work that no commit or branch had; it is kept as ${kept}`]);
    expect(readFileSync(join(kept, 'nested/file'), 'utf8')).toBe('inner');
    expect(contents()).toEqual(FILES);
  });

  it('ends operations that were left half-done, with their locks', async () => {
    const side = story.test.commitBeside([story.first], 'Side', { 'app.txt': 'side\n' });
    story.write('app.txt', 'mine\n');
    story.agent('commit', '-qam', 'Mine');
    expect(() => story.agent('rebase', side)).toThrow();
    expect(existsSync(join(story.gitDir, 'rebase-merge'))).toBe(true);
    for (const name of ['index.lock', 'HEAD.lock', 'MERGE_HEAD', 'CHERRY_PICK_HEAD', 'BISECT_LOG']) {
      writeFileSync(join(story.gitDir, name), '');
    }
    mkdirSync(join(story.gitDir, 'rebase-apply'));
    await story.prepare();
    expect(readdirSync(story.gitDir).sort()).toEqual(
      ['HEAD', 'ORIG_HEAD', 'commondir', 'gitdir', 'index', 'locked', 'logs'].sort(),
    );
    expect(story.agent('status', '--porcelain=v2', '--branch')).toBe(
      `# branch.oid ${story.first}\n# branch.head (detached)`,
    );
    expect(contents()).toEqual(FILES);
  });

  it('moves no branch although the agent had switched to one', async () => {
    story.agent('checkout', '-q', '--ignore-other-worktrees', 'main');
    const next = story.test.commitBeside([story.first], 'Second', { 'app.txt': 'new\n' });
    await story.prepare({ commit: next });
    expect(story.test.oid('main')).toBe(story.first);
    expect(() => story.agent('symbolic-ref', 'HEAD')).toThrow();
  });

  it.each(['--assume-unchanged', '--skip-worktree'])('sees through update-index %s', async (flag) => {
    story.agent('update-index', flag, 'app.txt');
    story.write('app.txt', 'hidden\n');
    await story.prepare();
    expect(contents()).toEqual(FILES);
    expect(story.agent('ls-files', '-v', 'app.txt')).toBe('H app.txt');
  });

  it('is whole again after the agent made it sparse', async () => {
    story.agent('sparse-checkout', 'set', 'milestones');
    rmSync(join(story.path, 'TASKS.md'), { force: true });
    await story.prepare();
    expect(contents()).toEqual(FILES);
    expect(existsSync(join(story.gitDir, 'config.worktree'))).toBe(false);
  });

  const damages: [string, () => void][] = [
    ['its .git file was deleted', () => rmSync(join(story.path, '.git'))],
    ['its .git file leads elsewhere', () => writeFileSync(join(story.path, '.git'), 'gitdir: /nowhere\n')],
    [
      'it was initialised anew',
      () => {
        rmSync(join(story.path, '.git'));
        story.agent('init', '-q', '.');
      },
    ],
    ["git's record of it is gone", () => rmSync(story.gitDir, { recursive: true })],
    ['its HEAD is garbage', () => writeFileSync(join(story.gitDir, 'HEAD'), '\0garbage')],
    ['its index is garbage', () => writeFileSync(join(story.gitDir, 'index'), 'garbage')],
    ['its folder is gone', () => rmSync(story.path, { recursive: true })],
    [
      'it was emptied and its HEAD names an unborn branch',
      () => {
        rmSync(story.path, { recursive: true });
        mkdirSync(story.path);
        writeFileSync(join(story.gitDir, 'HEAD'), 'ref: refs/heads/nothing\n');
      },
    ],
    [
      'a file stands in its place',
      () => {
        rmSync(story.path, { recursive: true });
        writeFileSync(story.path, 'a file');
      },
    ],
    [
      'a repository was made inside a tracked folder',
      () => {
        story.agent('init', '-q', 'milestones');
      },
    ],
    [
      'a repository stands where a file belongs',
      () => {
        rmSync(join(story.path, 'app.txt'));
        story.agent('init', '-q', 'app.txt');
      },
    ],
    [
      'it was killed while it was being made',
      () => {
        const name = story.gitDir.split('/').at(-1) ?? '';
        mkdirSync(join(story.slotsDir, name));
        writeFileSync(join(story.slotsDir, name, '.git'), `gitdir: ${story.gitDir}\n`);
        writeFileSync(join(story.gitDir, 'gitdir'), `${join(story.slotsDir, name, '.git')}\n`);
        rmSync(story.path, { recursive: true });
      },
    ],
    [
      "git's record of it is half made",
      () => {
        rmSync(join(story.gitDir, 'commondir'));
        rmSync(join(story.gitDir, 'HEAD'));
      },
    ],
    [
      'a folder in it is read-only',
      () => {
        story.write('cache/mod/file', 'x');
        chmodSync(join(story.path, 'cache/mod'), 0o500);
      },
    ],
  ];
  it.each(damages)('is repaired when %s', async (_, damage) => {
    damage();
    await story.prepare();
    expect(contents()).toEqual(FILES);
    expect(story.agent('rev-parse', 'HEAD', '--show-toplevel')).toBe(`${story.first}\n${story.path}`);
    expect(story.agent('status', '--porcelain', '--ignored')).toBe('');
    expect(existsSync(join(story.path, 'milestones/.git'))).toBe(false);
    expect(readdirSync(story.slotsDir)).toEqual(['1']);
    expect(story.test.git('worktree', 'list', '--porcelain').match(/^worktree .*$/gm)).toEqual([
      `worktree ${story.test.root}`,
      `worktree ${story.path}`,
    ]);
    expect((await story.prepare()).told).toEqual([]);
  });

  it('keeps what was in a folder whose record is gone', async () => {
    story.write('precious.txt', 'mine');
    rmSync(story.gitDir, { recursive: true });
    await story.prepare();
    expect(story.files(`${rescued()[0]}`)['precious.txt']).toBe('mine');
  });

  it('in whose place a link stands leaves alone what the link leads to', async () => {
    const elsewhere = join(dirname(story.path), 'elsewhere');
    renameSync(story.path, elsewhere);
    writeFileSync(join(elsewhere, 'precious'), 'the user’s');
    symlinkSync(elsewhere, story.path);
    const { told } = await story.prepare();
    expect(told).toEqual([`${story.path} was a symbolic link in place of the slot; the link was removed`]);
    expect(lstatSync(story.path).isDirectory()).toBe(true);
    expect(readFileSync(join(elsewhere, 'precious'), 'utf8')).toBe('the user’s');
    expect(contents()).toEqual(FILES);
  });

  it('does not keep a kept folder that became a link out of the slot', async () => {
    const users = join(story.test.root, 'node_modules');
    mkdirSync(users);
    writeFileSync(join(users, 'theirs'), '');
    symlinkSync(users, join(story.path, 'node_modules'));
    await story.prepare({ keep: ['node_modules'] });
    expect(existsSync(join(story.path, 'node_modules'))).toBe(false);
    expect(existsSync(join(users, 'theirs'))).toBe(true);
  });

  it('says in a sentence why it cannot be made', async () => {
    const file = join(dirname(story.path), 'file');
    writeFileSync(file, '');
    const done = await prepareSlot(story.repo, {
      slotsDir: join(file, 'slots'),
      slot: 1,
      commit: story.first,
      keep: [],
      rescueRef: 'refs/mstone/rescue',
      lane: oneLane(),
    });
    expect(done.ok ? 'made' : done.error).toMatch(/^slot 1 \(.*\) could not be prepared: .*(ENOTDIR|EEXIST)/);
    const none = await prepareSlot(story.repo, {
      slotsDir: story.slotsDir,
      slot: 2,
      commit: '1'.repeat(40),
      keep: [],
      rescueRef: 'refs/mstone/rescue',
      lane: oneLane(),
    });
    expect(none.ok ? 'made' : none.error).toMatch(
      /^slot 2 \(.*\) could not be prepared: git worktree failed/,
    );
  });

  it('is taken away with what it held pinned', async () => {
    story.write('precious.txt', 'mine');
    const done = await removeSlot(story.repo, {
      slotsDir: story.slotsDir,
      slot: 1,
      keep: [],
      rescueRef: 'refs/mstone/rescue',
      lane: oneLane(),
    });
    expect(done.ok).toBe(true);
    expect(existsSync(story.path)).toBe(false);
    expect(story.test.git('worktree', 'list').split('\n')).toHaveLength(1);
    expect(story.files(`${rescued()[0]}`)['precious.txt']).toBe('mine');
  });
});

describe('a merge into a slot', () => {
  it('that conflicts is left for the agent as git leaves it, without hooks and drivers', async () => {
    story.test.git('config', 'merge.mine.driver', `touch ${join(story.test.root, 'driver-ran')}`);
    const work = story.test.commitBeside([story.first], 'Work', {
      'app.txt': 'one\nours\nthree\n',
      'driven.txt': 'ours\n',
      '.gitattributes': 'driven.txt merge=mine\n',
      'TASKS.md': 'ours\n',
    });
    const head = story.test.commitBeside([story.first], 'Head', {
      'app.txt': 'one\ntheirs\nthree\n',
      'driven.txt': 'theirs\n',
      'other.txt': 'theirs\n',
      'TASKS.md': 'theirs\n',
    });
    const { conflicts } = await story.prepare({ commit: work, merge: head });
    expect([...conflicts].sort()).toEqual(['app.txt', 'driven.txt']);
    expect(story.read('app.txt')).toBe(`one\n<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> ${head}\nthree\n`);
    expect(story.read('TASKS.md')).toBe('theirs\n');
    expect(story.read('other.txt')).toBe('theirs\n');
    expect(readFileSync(join(story.gitDir, 'MERGE_HEAD'), 'utf8')).toBe(`${head}\n`);
    expect(existsSync(join(story.test.root, 'driver-ran'))).toBe(false);
  });

  it('that is clean but for TASKS.md is committed, the same way every time', async () => {
    const work = story.test.commitBeside([story.first], 'Work', {
      'app.txt': 'ours\n',
      'TASKS.md': 'ours\n',
    });
    const head = story.test.commitBeside([story.first], 'Head', {
      'other.txt': 'theirs\n',
      'TASKS.md': 'theirs\n',
    });
    expect((await story.prepare({ commit: work, merge: head })).conflicts).toEqual([]);
    const made = story.agent('rev-parse', 'HEAD');
    expect(story.agent('show', '-s', '--format=%P%n%s', 'HEAD')).toBe(
      `${work} ${head}\nMerge ${head.slice(0, 12)} into the milestone's work`,
    );
    expect(story.agent('status', '--porcelain')).toBe('');
    expect(contents()).toEqual({
      ...FILES,
      'app.txt': 'ours\n',
      'TASKS.md': 'theirs\n',
      'other.txt': 'theirs\n',
    });
    expect((await story.prepare({ commit: work, merge: head })).told).toHaveLength(1);
    expect(story.agent('rev-parse', 'HEAD')).toBe(made);
  });

  it('of what is there already changes nothing', async () => {
    const work = story.test.commitBeside([story.first], 'Work', { 'app.txt': 'ours\n' });
    expect((await story.prepare({ commit: work, merge: story.first })).conflicts).toEqual([]);
    expect(story.agent('rev-parse', 'HEAD')).toBe(work);
  });
});

describe('many slots at once', () => {
  it('are made, used again and taken away sixteen at a time without a failure', async () => {
    const lane = oneLane();
    const numbers = Array.from({ length: 16 }, (_, index) => index + 2);
    const other = story.test.commitBeside([story.first], 'Second', { 'app.txt': 'new\n' });
    const rest = { slotsDir: story.slotsDir, keep: [], rescueRef: 'refs/mstone/rescue', lane };
    for (const commit of [story.first, other, story.first]) {
      const done = await Promise.all(
        numbers.map((slot) => prepareSlot(story.repo, { ...rest, slot, commit })),
      );
      expect(done.map((result) => (result.ok ? result.value.told : result.error))).toEqual(
        numbers.map(() => []),
      );
      const app = numbers.map((slot) => readFileSync(join(story.slotsDir, String(slot), 'app.txt'), 'utf8'));
      expect(new Set(app)).toEqual(new Set([commit === other ? 'new\n' : FILES['app.txt']]));
      // Half of them are made anew in the next round, beside the others' reuse.
      const gone = numbers.filter((slot) => slot % 2 === 0);
      const removed = await Promise.all(gone.map((slot) => removeSlot(story.repo, { ...rest, slot })));
      expect(removed.map((result) => result.ok)).toEqual(gone.map(() => true));
    }
  });

  it('have names that no worktree of the user’s and no other place shares', async () => {
    const one = slotPlace(story.repo, '/a', 1);
    const two = slotPlace(story.repo, '/b', 1);
    expect(one.name).not.toBe(two.name);
    story.test.git('worktree', 'add', '-q', '--detach', join(dirname(story.path), 'mine', '1'));
    await story.prepare();
    expect(story.test.git('worktree', 'list').split('\n')).toHaveLength(3);
  });
});
