import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { treeKey } from '../../src/git/tree.js';
import { beginStory, FILES, type SlotStory } from './slot-story.js';

let story: SlotStory;
beforeEach(async () => {
  story = await beginStory();
});
afterEach(() => story.test.remove());

const trimmed = Object.fromEntries(Object.entries(FILES).map(([name, text]) => [name, text.trimEnd()]));
const PIN = 'refs/mstone/work/1A/1.1';
const LEFT = 'refs/mstone/left/work/1A/1.1';

const log = (commit: string): string[] =>
  story.test
    .git('log', '--reverse', '--topo-order', '--format=%an: %s', `${story.first}..${commit}`)
    .split('\n');
const parents = (commit: string): string => story.test.git('show', '-s', '--format=%P', commit);

function commitInSlot(message: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) story.write(path, text);
  story.agent('add', '-A');
  story.agent('commit', '-q', '--allow-empty', '-m', message);
  return story.agent('rev-parse', 'HEAD');
}

describe('a harvest', () => {
  it('of an untouched slot is the commit that it began with', async () => {
    expect(await story.harvest()).toEqual({
      commit: story.first,
      tree: await treeKey(story.repo, story.first),
      base: story.first,
      changed: false,
      told: [],
      markers: [],
    });
    expect(story.test.oid(PIN)).toBe(story.first);
  });

  it('commits what was left, under the user’s name, and pins it; done twice it is the same', async () => {
    story.write('new/file', 'work');
    story.write('app.txt', 'changed\n');
    rmSync(join(story.path, 'mstone.yaml'));
    writeFileSync(join(story.path, 'run.sh'), '#!/bin/sh\n');
    chmodSync(join(story.path, 'run.sh'), 0o755);
    symlinkSync('/etc', join(story.path, 'link'));
    const once = await story.harvest();
    const { 'mstone.yaml': yaml, ...rest } = trimmed;
    expect(story.files(once.commit)).toEqual({
      ...rest,
      'mstone.yaml': yaml,
      'app.txt': 'changed',
      'new/file': 'work',
      'run.sh': '#!/bin/sh',
      link: '/etc',
    });
    expect(
      story.test
        .git('ls-tree', once.commit, 'run.sh', 'link')
        .split('\n')
        .map((line) => line.slice(0, 6)),
    ).toEqual(['120000', '100755']);
    expect(story.test.git('show', '-s', '--format=%P|%an|%ae|%at|%B', once.commit).trim()).toBe(
      `${story.first}|Tess Ter|tess@example.org|1700000000|Leftovers`,
    );
    expect(once.changed).toBe(true);
    expect(once.tree).toBe(await treeKey(story.repo, once.commit));
    expect(story.test.oid(PIN)).toBe(once.commit);
    expect(await story.harvest()).toEqual(once);
    expect(story.agent('rev-parse', 'HEAD')).toBe(story.first);
    expect(readdirSync(join(story.repo.stateDir, 'tmp'))).toEqual([]);
    expect(story.test.git('status', '--porcelain')).toBe('');
  });

  it('keeps the agent’s own commits, and adds none where nothing was left', async () => {
    const tip = commitInSlot('Mine', { 'a.txt': 'a' });
    const done = await story.harvest();
    expect(done.commit).toBe(tip);
    expect(done.told).toEqual([]);
  });

  it('is unchanged where only TASKS.md differs', async () => {
    commitInSlot('Ticks', { 'TASKS.md': 'ticked\n' });
    const done = await story.harvest();
    expect(done.changed).toBe(false);
    expect(story.files(done.commit)).toEqual(trimmed);
  });

  it('takes names with line breaks, leading dashes, blanks and bytes that are no UTF-8', async () => {
    const names = ['-rf', 'a\nb', 'ü/ñ —.txt', ' blank ', ':(top)x', '"q"', 'tab\there'];
    for (const name of names) story.write(name, 'x');
    writeFileSync(Buffer.concat([Buffer.from(`${story.path}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'bytes');
    const done = await story.harvest();
    const listed = story.test.git('ls-tree', '-r', '-z', '--name-only', done.commit).split('\0');
    expect(listed).toEqual(expect.arrayContaining(names));
    expect(story.test.git('-c', 'core.quotePath=true', 'ls-tree', '--name-only', done.commit)).toContain(
      '"f\\377\\376"',
    );
  });

  it('takes a file that git cannot convert as it is', async () => {
    story.write('.gitattributes', 'odd.txt working-tree-encoding=UTF-16\nneeds.txt filter=gone\n');
    story.write('odd.txt', 'x');
    story.write('needs.txt', 'y');
    story.write('fine.txt', 'z');
    story.test.git('config', 'filter.gone.clean', 'false');
    story.test.git('config', 'filter.gone.required', 'true');
    const done = await story.harvest();
    expect(story.files(done.commit)).toMatchObject({ 'odd.txt': 'x', 'needs.txt': 'y', 'fine.txt': 'z' });
    expect(done.told).toContain('taken as on disk, because git could not convert it: needs.txt, odd.txt');
  });

  it('runs no hook, filter or monitor that was planted in the slot’s git directory', async () => {
    const bait = join(story.path, 'bait');
    story.test.git('config', 'extensions.worktreeConfig', 'true');
    story.agent('config', '--worktree', 'core.fsmonitor', `touch ${bait}; false`);
    story.agent('config', '--worktree', 'core.hooksPath', join(story.gitDir, 'hooks'));
    story.agent('config', '--worktree', 'filter.evil.clean', `touch ${bait}; cat`);
    mkdirSync(join(story.gitDir, 'hooks'));
    for (const name of ['pre-commit', 'post-index-change', 'reference-transaction']) {
      writeFileSync(join(story.gitDir, 'hooks', name), `#!/bin/sh\ntouch '${bait}'\n`);
      chmodSync(join(story.gitDir, 'hooks', name), 0o755);
    }
    story.write('.gitattributes', '* filter=evil\n');
    story.write('new.txt', 'x');
    const done = await story.harvest();
    expect(Object.keys(story.files(done.commit)).sort()).toEqual(
      [...Object.keys(FILES), '.gitattributes', 'new.txt'].sort(),
    );
    expect(existsSync(bait)).toBe(false);
  });
});

describe('what an agent may not change', () => {
  it('is put back and told, committed or not, and kept beside', async () => {
    commitInSlot('Edits', { 'TASKS.md': 'mine\n', 'milestones/2B.md': 'mine\n', 'ok.txt': 'ok\n' });
    story.write('mstone.yaml', 'jobs: 99\n');
    rmSync(join(story.path, 'milestones/1A.md'));
    const done = await story.harvest();
    expect(story.files(done.commit)).toEqual({ ...trimmed, 'ok.txt': 'ok' });
    expect(done.told).toEqual([
      'put back as they were, being no part of the work: TASKS.md, milestones/1A.md, milestones/2B.md, mstone.yaml',
      `the slot as it was left is kept as ${LEFT}`,
    ]);
    expect(story.files(LEFT)['mstone.yaml']).toBe('jobs: 99');
  });

  it('stays whatever is put in its place', async () => {
    rmSync(join(story.path, 'milestones'), { recursive: true });
    symlinkSync('/etc', join(story.path, 'milestones'));
    rmSync(join(story.path, 'mstone.yaml'));
    story.write('mstone.yaml/inner', 'x');
    expect(story.files((await story.harvest()).commit)).toEqual(trimmed);
  });

  it('follows the head without a word where the user changed it meanwhile', async () => {
    const head = story.test.commit('Milestone told better', { 'milestones/1A.md': '# Better\n' });
    story.write('ok.txt', 'ok');
    const done = await story.harvest({
      protect: { from: head, paths: ['milestones', 'mstone.yaml', 'TASKS.md'] },
    });
    expect(story.files(done.commit)['milestones/1A.md']).toBe('# Better');
    expect(done.told).toEqual([]);
  });
});

describe('copied and kept files', () => {
  it('are never committed, also where the agent committed them', async () => {
    story.write('secret.txt', 'password');
    const leak = commitInSlot('Leaks', { 'ok.txt': 'ok' });
    story.write('late.txt', 'late');
    const done = await story.harvest({ copied: ['secret.txt'] });
    expect(parents(done.commit)).toBe(story.first);
    expect(story.files(done.commit)).toEqual({ ...trimmed, 'ok.txt': 'ok', 'late.txt': 'late' });
    expect(done.told).toEqual([
      'files that were only copied into the slot had been committed there: its commits were not taken',
      `the slot as it was left is kept as ${LEFT}`,
    ]);
    expect(story.test.git('merge-base', '--is-ancestor', leak, LEFT)).toBe('');
  });

  it('leave a tracked file as it was where the copy lies over it', async () => {
    story.write('app.txt', 'secret\n');
    story.write('node_modules/x', 'x');
    story.write('cache/y', 'y');
    const done = await story.harvest({ copied: ['app.txt'], keep: ['node_modules', 'cache'] });
    expect(done.commit).toBe(story.first);
    expect(done.told).toEqual([]);
    expect(existsSync(story.archiveDir)).toBe(false);
  });
});

describe('what no commit can hold', () => {
  it('is archived and told', async () => {
    story.write('big.bin', Buffer.alloc(10_000_001, 1));
    story.write('just.bin', Buffer.alloc(10_000_000, 1));
    story.write('notes.ignored', 'precious');
    story.write('node_modules/dep/index.js', 'made again');
    story.write('nested/inner.txt', 'inner');
    story.agent('init', '-q', 'nested');
    story.agent('init', '-q', 'milestones');
    story.write('.env', 'copied');
    const done = await story.harvest({ copied: ['.env'] });
    expect(Object.keys(story.files(done.commit)).sort()).toEqual([...Object.keys(FILES), 'just.bin'].sort());
    expect(readFileSync(join(story.archiveDir, 'notes.ignored'), 'utf8')).toBe('precious');
    expect(readFileSync(join(story.archiveDir, 'nested/inner.txt'), 'utf8')).toBe('inner');
    expect(existsSync(join(story.archiveDir, 'nested/.git/HEAD'))).toBe(true);
    expect(readdirSync(story.archiveDir).sort()).toEqual([
      'big.bin',
      'milestones',
      'nested',
      'notes.ignored',
    ]);
    expect(done.told).toEqual([
      `kept in ${story.archiveDir}, because no commit can hold it: big.bin, milestones/.git, nested, notes.ignored`,
      'not kept, because it can be made again: node_modules',
    ]);
    expect(await story.harvest({ copied: ['.env'] })).toEqual(done);
  });

  it('is archived also where a repository had been committed as a link', async () => {
    story.write('nested/inner.txt', 'inner');
    story.agent('init', '-q', 'nested');
    story.agent('-C', 'nested', 'add', '-A');
    story.agent('-C', 'nested', 'commit', '-qm', 'Inner');
    commitInSlot('Adds a link', { 'ok.txt': 'ok' });
    const done = await story.harvest();
    expect(story.files(done.commit)).toEqual({ ...trimmed, 'ok.txt': 'ok' });
    expect(readFileSync(join(story.archiveDir, 'nested/inner.txt'), 'utf8')).toBe('inner');
    expect(done.told).toContain('a repository of its own is no part of the work: nested');
  });

  it('is a version of a tracked file that grew too big: the commit keeps the old one', async () => {
    story.write('app.txt', Buffer.alloc(10_000_001, 1));
    const done = await story.harvest();
    expect(done.commit).toBe(story.first);
    expect(existsSync(join(story.archiveDir, 'app.txt'))).toBe(true);
  });

  it('takes along files that the agent committed although they are ignored', async () => {
    story.write('forced.ignored', 'v1');
    story.agent('add', '-f', 'forced.ignored');
    story.agent('commit', '-qm', 'Forced');
    story.write('forced.ignored', 'v2');
    expect(story.files((await story.harvest()).commit)['forced.ignored']).toBe('v2');
  });
});

describe('a slot whose git was damaged', () => {
  const damages: [string, string | undefined, () => void][] = [
    ['.git was deleted', undefined, () => rmSync(join(story.path, '.git'))],
    [
      '.git was deleted and its record pruned with every loose object',
      undefined,
      () => {
        rmSync(join(story.path, '.git'));
        story.test.git('worktree', 'prune', '--expire=now');
        story.test.git('gc', '-q', '--prune=now');
      },
    ],
    [
      'it was initialised anew and committed to',
      '.git',
      () => {
        rmSync(join(story.path, '.git'));
        story.agent('init', '-q', '.');
        story.agent('add', '-A');
        story.agent('commit', '-qm', 'In a repository of its own');
      },
    ],
    ['its index is garbage', undefined, () => writeFileSync(join(story.gitDir, 'index'), 'garbage')],
    [
      'every file is hidden from its index',
      undefined,
      () => story.agent('update-index', '--skip-worktree', 'app.txt'),
    ],
    [
      'our own copy of its index is garbage',
      undefined,
      () =>
        writeFileSync(
          join(story.repo.stateDir, 'slots', `${story.gitDir.split('/').at(-1)}.index`),
          'garbage',
        ),
    ],
  ];
  it.each(damages)('is harvested when %s', async (_, archived, damage) => {
    const tip = commitInSlot('Mine', { 'a.txt': 'a' });
    story.write('b.txt', 'b');
    story.write('app.txt', 'changed\n');
    damage();
    const done = await story.harvest();
    expect(story.files(done.commit)).toEqual({
      ...trimmed,
      'a.txt': 'a',
      'b.txt': 'b',
      'app.txt': 'changed',
    });
    expect(parents(done.commit)).toBe(tip);
    expect(done.told).toEqual(
      archived === undefined
        ? []
        : [`kept in ${story.archiveDir}, because no commit can hold it: ${archived}`],
    );
  });

  it.each([
    ['HEAD is garbage', () => writeFileSync(join(story.gitDir, 'HEAD'), 'garbage')],
    ['git’s record of it is gone', () => rmSync(story.gitDir, { recursive: true })],
    ['HEAD names an unborn branch', () => story.agent('symbolic-ref', 'HEAD', 'refs/heads/none')],
  ])('is harvested by its files when %s', async (_, damage) => {
    commitInSlot('Mine', { 'a.txt': 'a' });
    story.write('b.txt', 'b');
    damage();
    const done = await story.harvest();
    expect(story.files(done.commit)).toEqual({ ...trimmed, 'a.txt': 'a', 'b.txt': 'b' });
    expect(parents(done.commit)).toBe(story.first);
    expect(done.told[0]).toBe("the slot's HEAD named no commit: its files were taken as they are");
  });

  it('is harvested by its commits when the folder is gone', async () => {
    const tip = commitInSlot('Mine', { 'a.txt': 'a' });
    rmSync(story.path, { recursive: true });
    const done = await story.harvest();
    expect(done.commit).toBe(tip);
    expect(done.told).toEqual(["the slot's folder is gone: only what was committed was taken"]);
  });
});

describe('an agent’s history', () => {
  it('on another branch counts like any other', async () => {
    story.agent('checkout', '-q', '--ignore-other-worktrees', 'main');
    const tip = commitInSlot('On main', { 'a.txt': 'a' });
    const done = await story.harvest();
    expect(done.commit).toBe(tip);
  });

  it('that was rewritten before the start is left out, pinned and told', async () => {
    const second = story.test.commit('Second', { 'b.txt': 'b' });
    await story.prepare({ commit: second });
    story.agent('reset', '-q', '--hard', story.first);
    const tip = commitInSlot('Rewritten', { 'a.txt': 'a' });
    const done = await story.harvest({ base: second, from: second, protect: { from: second, paths: [] } });
    expect(parents(done.commit)).toBe(second);
    expect(story.files(done.commit)).toEqual({ ...trimmed, 'a.txt': 'a' });
    expect(done.told).toEqual([
      `the slot's history did not hold ${second.slice(0, 12)} any more, where the work began: its files were taken, its commits were not`,
      `the slot as it was left is kept as ${LEFT}`,
    ]);
    expect(story.test.git('merge-base', '--is-ancestor', tip, LEFT)).toBe('');
  });

  it('that an amend or a reset left behind is pinned without a word', async () => {
    const before = commitInSlot('Before', { 'a.txt': 'a' });
    story.agent('commit', '-q', '--amend', '-m', 'After');
    const dropped = commitInSlot('Dropped', { 'b.txt': 'b' });
    story.agent('reset', '-q', '--hard', 'HEAD~1');
    const done = await story.harvest();
    expect(log(done.commit)).toEqual(['Agent: After']);
    expect(done.told).toEqual([]);
    for (const oid of [before, dropped]) {
      expect(story.test.git('merge-base', '--is-ancestor', oid, LEFT)).toBe('');
    }
  });

  it('half-way through a rebase is taken as it stands, and nothing of it is lost', async () => {
    const second = story.test.commit('Second', { 'app.txt': 'user\n' });
    const one = commitInSlot('One', { 'a.txt': 'a' });
    const two = commitInSlot('Two', { 'app.txt': 'agent\n' });
    expect(() => story.agent('rebase', second)).toThrow();
    const done = await story.harvest();
    expect(story.files(done.commit)['app.txt']).toContain('<<<<<<< ');
    expect(story.test.git('merge-base', '--is-ancestor', story.first, done.commit)).toBe('');
    for (const oid of [one, two]) expect(story.test.git('merge-base', '--is-ancestor', oid, LEFT)).toBe('');
  });

  it('loses mstone’s trailers, through merges too, and keeps all else', async () => {
    const forged = commitInSlot('Forged\n\nBody\n\nMstone-Milestone: 3C\nMstone-Digest: v1:00', {
      'a.txt': 'a',
    });
    story.agent('checkout', '-q', '--detach', story.first);
    const side = commitInSlot('Side', { 'b.txt': 'b' });
    story.agent('checkout', '-q', '--detach', forged);
    story.agent('merge', '-q', '--no-ff', '-m', 'Merge side\n\nmstone-run: x\nSigned-off-by: A <a@b>', side);
    const tip = commitInSlot('Plain\n\nMstone-Milestone: 4D is quoted\n\nin the middle', { 'c.txt': 'c' });
    const done = await story.harvest();
    const bodies = story.test
      .git('log', '--topo-order', '--format=%an|%ad|%B%x00', `${story.first}..${done.commit}`)
      .split('\0\n')
      .map((text) => text.replace('\0', '').trim());
    const before = story.test
      .git('log', '--topo-order', '--format=%an|%ad|', `${story.first}..${tip}`)
      .split('\n');
    expect(bodies).toEqual([
      `${before[0]}Plain\n\nMstone-Milestone: 4D is quoted\n\nin the middle`,
      `${before[1]}Merge side\n\nSigned-off-by: A <a@b>`,
      `${before[2]}Side`,
      `${before[3]}Forged\n\nBody`,
    ]);
    expect(story.files(done.commit)).toEqual({ ...trimmed, 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' });
    expect(story.test.git('show', '-s', '--format=%P', `${done.commit}~1`).split(' ')[1]).toBe(side);
    expect(done.told[0]).toMatch(
      /^commits bore mstone's trailers and were rebuilt without: [0-9a-f]{12}, [0-9a-f]{12}$/,
    );
    expect(await story.harvest()).toEqual(done);
  });

  it('whose only words were trailers still has a message', async () => {
    story.write('a.txt', 'a');
    story.agent('add', '-A');
    story.agent('commit', '-q', '-m', 'Mstone-Milestone: 3C');
    const done = await story.harvest();
    expect(story.test.git('show', '-s', '--format=%B', done.commit).trim()).toBe('(no message)');
  });

  it('keeps the trailers of landings that came in with the head', async () => {
    const landed = story.test.commit('2A: Landed\n\nMstone-Milestone: 2A\nMstone-Digest: v1:aa', {
      'l.txt': 'l',
    });
    commitInSlot('Mine', { 'a.txt': 'a' });
    story.agent('merge', '-q', '--no-ff', '-m', 'Take it in', landed);
    const done = await story.harvest({ merge: landed, protect: { from: landed, paths: [] } });
    expect(story.test.git('merge-base', '--is-ancestor', landed, done.commit)).toBe('');
    expect(done.told).toEqual([]);
  });
});

describe('a merge that the agent was to resolve', () => {
  let work: string;
  let head: string;
  beforeEach(async () => {
    work = story.test.commitBeside([story.first], 'Work', { 'app.txt': 'ours\n' });
    head = story.test.commitBeside([story.first], 'Head', { 'app.txt': 'theirs\n', 'other.txt': 'theirs\n' });
    await story.prepare({ commit: work, merge: head });
  });
  const take = () =>
    story.harvest({
      from: work,
      merge: head,
      conflicted: ['app.txt'],
      protect: { from: head, paths: ['TASKS.md'] },
    });

  it('is committed for it with both parents', async () => {
    story.write('app.txt', 'both\n');
    const done = await take();
    expect(parents(done.commit)).toBe(`${work} ${head}`);
    expect(story.files(done.commit)).toMatchObject({ 'app.txt': 'both', 'other.txt': 'theirs' });
    expect(done).toMatchObject({ markers: [], told: [], changed: true });
  });

  it('is its own commit where it made one', async () => {
    story.write('app.txt', 'both\n');
    story.agent('commit', '-qam', 'Resolved');
    const tip = story.agent('rev-parse', 'HEAD');
    expect((await take()).commit).toBe(tip);
  });

  it('is recognised though .git was deleted', async () => {
    story.write('app.txt', 'both\n');
    rmSync(join(story.path, '.git'));
    expect(parents((await take()).commit)).toBe(`${work} ${head}`);
  });

  it('is recognised by git’s word where the head brought nothing but the conflict', async () => {
    head = story.test.commitBeside([story.first], 'Head', { 'app.txt': 'theirs\n' });
    await story.prepare({ commit: work, merge: head });
    story.write('app.txt', 'both\n');
    const done = await take();
    expect(parents(done.commit)).toBe(`${work} ${head}`);
    expect(done.markers).toEqual([]);
  });

  it('is recognised by its files though git forgot it', async () => {
    story.write('app.txt', 'both\n');
    story.agent('reset', '-q', '--mixed');
    commitInSlot('Plain', {});
    const done = await take();
    expect(parents(done.commit).split(' ')[1]).toBe(head);
    expect(story.files(done.commit)).toMatchObject({ 'app.txt': 'both', 'other.txt': 'theirs' });
    expect(done.markers).toEqual([]);
  });

  it('is not accepted with markers in it', async () => {
    const done = await take();
    expect(done.markers).toEqual(['app.txt']);
    expect(done.told).toEqual(['conflicts are left in app.txt']);
  });

  it('that was undone is done again and takes nothing of the head back', async () => {
    story.agent('merge', '--abort');
    story.write('more.txt', 'more');
    const done = await take();
    expect(parents(done.commit).split(' ')[1]).toBe(head);
    expect(story.files(done.commit)).toMatchObject({ 'other.txt': 'theirs', 'more.txt': 'more' });
    expect(done.markers).toEqual(['app.txt']);
    expect(done.told[0]).toBe(
      `the merge of ${head.slice(0, 12)} had been undone in the slot and was done again`,
    );
  });

  it('may be a rebase onto the head: nothing of either side is lost', async () => {
    story.agent('merge', '--abort');
    story.agent('reset', '-q', '--hard', head);
    commitInSlot('Work on top', { 'app.txt': 'both\n' });
    const done = await take();
    expect(parents(done.commit)).toBe(`${work} ${head}`);
    expect(story.files(done.commit)).toMatchObject({ 'app.txt': 'both', 'other.txt': 'theirs' });
  });
});
