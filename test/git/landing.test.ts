import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildCandidate, buildSync } from '../../src/git/candidate.js';
import { openRepository, type Repository, type ResolvedTarget, resolveTarget } from '../../src/git/index.js';
import { writeIntent } from '../../src/git/intent.js';
import { follow, inspectHead, land } from '../../src/git/landing.js';
import type { Candidate } from '../../src/model/outcome.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

let rig: TestRepository;
let repo: Repository;
let first: string;

const ODD = 'ünï cödé/with\nnewline';

beforeEach(async () => {
  rig = makeRepository('check out ö');
  first = rig.commit('first', {
    '.gitignore': 'ignored*\n',
    changed: 'old\n',
    removed: 'old\n',
    other: 'old\n',
    [`${ODD} 1`]: 'old\n',
  });
  const opened = await openRepository(rig.root, rig.environment);
  if (!opened.ok) throw new Error('not opened');
  repo = opened.value;
});
afterEach(() => rig.remove());

const FILES = {
  changed: 'new\n',
  removed: undefined,
  'folder/added': 'new\n',
  [`${ODD} 1`]: 'new\n',
  [`${ODD} 2`]: 'new\n',
};

async function resolve(): Promise<ResolvedTarget> {
  const resolved = await resolveTarget(repo, 'main');
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.error));
  return resolved.value;
}

async function candidateOn(
  head: string,
  files: Record<string, string | undefined> = FILES,
  message = '1A: Title\n',
): Promise<Candidate> {
  const work = rig.commitBeside([head], 'work', files);
  const request = { head, work, tasks: `${message} done\n`, message, dateMs: 1_750_000_000_000 };
  const outcome = await buildCandidate(repo, request);
  if (outcome.kind !== 'built') throw new Error(JSON.stringify(outcome));
  return outcome.candidate;
}

const landNow = async (candidate: Candidate, more: { lastKnown?: string; slots?: string[] } = {}) =>
  land(repo, { target: await resolve(), candidate, lastKnown: candidate.base, ...more });

const status = (): string => rig.git('status', '--porcelain', '--ignored', '-z');
const show = (path: string): string => readFileSync(join(rig.root, path), 'utf8');
const refs = (): Record<string, string> =>
  Object.fromEntries(
    rig
      .git('for-each-ref', '--format=%(refname) %(objectname)')
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );

/** Lock files and intents left anywhere below the git directory. */
const leftovers = (): string[] =>
  (readdirSync(join(rig.root, '.git'), { recursive: true }) as string[])
    .filter((path) => path.endsWith('.lock') || (path.startsWith('mstone/landing') && path.endsWith('.json')))
    .sort();

describe('landing on a branch that is checked out', () => {
  test('moves branch, index and files together', async () => {
    const candidate = await candidateOn(first);
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(rig.oid('main')).toBe(candidate.commit);
    expect(status()).toBe('');
    expect([show('changed'), show('folder/added'), show(`${ODD} 1`), show(`${ODD} 2`)]).toEqual(
      Array(4).fill('new\n'),
    );
    expect(existsSync(join(rig.root, 'removed'))).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  test('twice is once', async () => {
    const candidate = await candidateOn(first);
    const target = await resolve();
    const request = { target, candidate, lastKnown: first };
    expect(await land(repo, request)).toEqual(await land(repo, request));
    rig.commit('and on', { other: '2' });
    expect(await land(repo, request)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
  });

  test('leaves what the user changed, staged or began elsewhere as it was', async () => {
    rig.write('other', 'unstaged\n');
    rig.write('begun', 'untracked\n');
    rig.write('ignored', 'ignored\n');
    rig.write('staged', 'staged\n');
    rig.git('add', 'staged');
    const before = status();
    expect((await landNow(await candidateOn(first))).kind).toBe('landed');
    expect(status()).toBe(before);
    expect(rig.oid('main')).not.toBe(first);
  });

  test('lands in whichever worktree is on the branch', async () => {
    const linked = join(rig.root, '..', 'linked tree');
    rig.git('switch', '-q', '-c', 'side');
    rig.git('worktree', 'add', '-q', linked, 'main');
    const candidate = await candidateOn(first);
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(rig.gitIn(linked, 'status', '--porcelain')).toBe('');
    expect(readFileSync(join(linked, 'changed'), 'utf8')).toBe('new\n');
    expect(show('changed')).toBe('old\n');
    expect(status()).toBe('');
  });

  test('moves the ref alone where nobody is on the branch', async () => {
    rig.git('switch', '-q', '-c', 'side');
    const candidate = await candidateOn(first);
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect({ main: rig.oid('main'), side: rig.oid('side'), status: status() }).toEqual({
      main: candidate.commit,
      side: first,
      status: '',
    });
    expect(leftovers()).toEqual([]);
  });

  test('lands where the git directory lies elsewhere', async () => {
    rig.git('init', '-q', `--separate-git-dir=${join(rig.root, '..', 'apart.git')}`);
    const opened = await openRepository(rig.root, rig.environment);
    if (!opened.ok) throw new Error('not opened');
    repo = opened.value;
    const candidate = await candidateOn(first);
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(status()).toBe('');
  });

  test('runs no hook and asks no fsmonitor', async () => {
    const ran = join(rig.root, '..', 'ran');
    const hooks = join(rig.root, '.git', 'hooks');
    mkdirSync(hooks, { recursive: true });
    for (const hook of [
      'post-index-change',
      'reference-transaction',
      'post-merge',
      'post-checkout',
      'fsmonitor',
    ]) {
      writeFileSync(join(hooks, hook), `#!/bin/sh\ntouch '${ran}'\n`, { mode: 0o755 });
    }
    const candidate = await candidateOn(first);
    rmSync(ran, { force: true });
    rig.git('config', 'core.fsmonitor', join(hooks, 'fsmonitor'));
    expect((await landNow(candidate)).kind).toBe('landed');
    expect(existsSync(ran)).toBe(false);
  });

  test('a folder takes the place of a file and a file that of a folder', async () => {
    const base = rig.commit('more', { 'd/x': '1', f: '1' });
    const candidate = await candidateOn(base, { 'd/x': undefined, d: 'file', f: undefined, 'f/x': '1' });
    expect((await landNow(candidate)).kind).toBe('landed');
    expect(status()).toBe('');
    expect([show('d'), show('f/x')]).toEqual(['file', '1']);
  });
});

/** What lies in the way, who put it there, and what the user is told. */
const OBSTACLES: readonly {
  name: string;
  make: () => void;
  files: string[];
  message: string;
  command: string;
}[] = [
  {
    name: 'a change to a file that changes',
    make: () => rig.write('changed', 'mine\n'),
    files: ['changed'],
    message: '"changed" is changed in ROOT and changed by what lands',
    command: 'git stash && git merge --ff-only mstone/main && git stash pop',
  },
  {
    name: 'a staged change to a file that changes',
    make: () => {
      rig.write('changed', 'mine\n');
      rig.git('add', 'changed');
      rig.write('changed', 'old\n');
    },
    files: ['changed'],
    message: '"changed" is changed in ROOT and changed by what lands',
    command: 'git stash && git merge --ff-only mstone/main && git stash pop',
  },
  {
    name: 'a change to a file that goes',
    make: () => rig.write('removed', 'mine\n'),
    files: ['removed'],
    message: '"removed" is changed in ROOT and changed by what lands',
    command: 'git stash && git merge --ff-only mstone/main && git stash pop',
  },
  {
    name: 'an untracked file',
    make: () => rig.write('folder/added', 'mine\n'),
    files: ['folder/added'],
    message: '"folder/added" would be overwritten in ROOT',
    command: 'mv -- folder/added folder/added.mine && git merge --ff-only mstone/main',
  },
  {
    name: 'an untracked file with a line break in its name',
    make: () => rig.write(`${ODD} 2`, 'mine\n'),
    files: [`${ODD} 2`],
    message: '"ünï cödé/with\\nnewline 2" would be overwritten in ROOT',
    command:
      "mv -- $'ünï cödé/with\\x0anewline 2' $'ünï cödé/with\\x0anewline 2.mine' && git merge --ff-only mstone/main",
  },
  {
    name: 'an ignored file',
    make: () => {
      rig.write('.git/info/exclude', 'folder/\n');
      rig.write('folder/added', 'mine\n');
    },
    files: ['folder/added'],
    message: '"folder/added" would be overwritten in ROOT',
    command: 'mv -- folder/added folder/added.mine && git merge --ff-only mstone/main',
  },
  {
    name: 'an ignored file where a folder has to be',
    make: () => {
      rig.write('.git/info/exclude', 'folder\n');
      rig.write('folder', 'mine\n');
    },
    files: ['folder'],
    message: '"folder" would be overwritten in ROOT',
    command: 'mv -- folder folder.mine && git merge --ff-only mstone/main',
  },
  {
    name: 'an ignored link where a folder has to be',
    make: () => {
      rig.write('.git/info/exclude', 'folder\n');
      symlinkSync('/tmp', join(rig.root, 'folder'));
    },
    files: ['folder'],
    message: '"folder" would be overwritten in ROOT',
    command: 'mv -- folder folder.mine && git merge --ff-only mstone/main',
  },
  {
    name: 'a folder of ignored files where a file has to be',
    make: () => {
      rig.write('.git/info/exclude', 'added\n');
      rig.write('folder/added/mine', 'mine\n');
    },
    files: ['folder/added/mine'],
    message: '"folder/added/mine" would be overwritten in ROOT',
    command: 'mv -- folder/added/mine folder/added/mine.mine && git merge --ff-only mstone/main',
  },
  {
    name: 'a change that git was told to assume away',
    make: () => {
      rig.git('update-index', '--assume-unchanged', 'changed');
      rig.write('changed', 'mine\n');
    },
    files: ['changed'],
    message: '"changed" would be overwritten in ROOT',
    command:
      'git update-index --no-assume-unchanged --no-skip-worktree -- changed && git stash && git merge --ff-only mstone/main',
  },
];

describe('a checkout that is in the way', () => {
  test.each(OBSTACLES)('by $name keeps it, and the landing goes to the shadow', async (obstacle) => {
    const candidate = await candidateOn(first);
    obstacle.make();
    const before = status();
    const outcome = await landNow(candidate);
    expect(outcome).toEqual({
      kind: 'landed',
      commit: candidate.commit,
      on: 'shadow',
      block: {
        files: obstacle.files,
        message: obstacle.message.replace('ROOT', rig.root),
        command: obstacle.command,
      },
    });
    expect(status()).toBe(before);
    expect(rig.oid('main')).toBe(first);
    expect(rig.oid('mstone/main')).toBe(candidate.commit);
    expect(leftovers()).toEqual([]);
    // Again, as after a kill behind the landing: the same answer, and nothing moves twice.
    expect(await landNow(candidate)).toEqual(outcome);
  });

  test.each([0, 4, 6].map((index) => OBSTACLES[index] as (typeof OBSTACLES)[number]))(
    'by $name lets the target follow once the command is typed',
    async (obstacle) => {
      const candidate = await candidateOn(first);
      obstacle.make();
      const outcome = await landNow(candidate);
      if (outcome.kind !== 'landed' || outcome.block === undefined) throw new Error(JSON.stringify(outcome));
      const { command } = outcome.block;
      // `stash pop` may end in a conflict, which is the user's to settle.
      try {
        execFileSync('bash', ['-c', command], {
          cwd: rig.root,
          stdio: 'pipe',
          env: { ...rig.environment, GIT_COMMITTER_NAME: 'T', GIT_COMMITTER_EMAIL: 't@example.org' },
        });
      } catch (error) {
        expect(command).toMatch(/stash pop$/);
        expect(String((error as { stdout?: Buffer }).stdout)).toMatch(/CONFLICT/);
      }
      expect(rig.oid('main')).toBe(candidate.commit);
      expect(await follow(repo, await resolve())).toEqual({ kind: 'followed', head: candidate.commit });
      expect(Object.keys(refs()).filter((ref) => ref !== 'refs/stash')).toEqual(['refs/heads/main']);
    },
  );

  test.each([
    ['merge', ['merge', '--no-commit', '--no-ff', 'side'], 'git merge --continue'],
    ['cherry-pick', ['cherry-pick', 'clash'], 'git cherry-pick --continue'],
    ['revert', ['revert', '--no-edit', 'HEAD~1'], 'git revert --continue'],
    ['rebase', ['rebase', 'clash'], 'git rebase --continue'],
    ['bisect', ['bisect', 'start', 'HEAD', 'HEAD~2'], 'git bisect reset'],
  ])('by a %s in progress is left to it', async (name, args, command) => {
    rig.commit('two', { other: 'two' });
    const head = rig.commit('three', { other: 'three' });
    rig.git('branch', 'side', rig.commitBeside([first], 'side', { side: '1' }));
    rig.git('branch', 'clash', rig.commitBeside([first], 'clash', { other: 'clash' }));
    const candidate = await candidateOn(head);
    try {
      rig.git(...args);
    } catch {
      // These stop in a conflict, as they should.
    }
    const before = status();
    expect(await landNow(candidate)).toEqual({
      kind: 'landed',
      commit: candidate.commit,
      on: 'shadow',
      block: { files: [], message: `a ${name} is in progress in ${rig.root}`, command },
    });
    expect(status()).toBe(before);
    expect(rig.oid('main')).toBe(head);
  });

  test('by a rebase in another worktree, where it shows as detached', async () => {
    const head = rig.commit('two', { other: 'two' });
    rig.git('branch', 'clash', rig.commitBeside([first], 'clash', { other: 'clash' }));
    rig.git('switch', '-q', '-c', 'side');
    const linked = join(rig.root, '..', "lin'ked");
    rig.git('worktree', 'add', '-q', linked, 'main');
    expect(() => rig.gitIn(linked, 'rebase', 'clash')).toThrow();
    const outcome = await landNow(await candidateOn(head));
    expect(outcome.kind === 'landed' && outcome.block).toEqual({
      files: [],
      message: `a rebase is in progress in ${linked}`,
      command: `git -C '${linked.replace("'", "'\\''")}' rebase --continue`,
    });
  });

  test('by the branch being in two worktrees; one of mstone itself does not count', async () => {
    const linked = join(rig.root, '..', 'slots', '1');
    rig.git('worktree', 'add', '-q', '--force', linked, 'main');
    const candidate = await candidateOn(first);
    expect(await landNow(candidate)).toEqual({
      kind: 'landed',
      commit: candidate.commit,
      on: 'shadow',
      block: {
        files: [],
        message: `main is in use in two worktrees, ${rig.root} and ${linked}`,
        command: `git -C ${linked} switch --detach && git merge --ff-only mstone/main`,
      },
    });
    expect(await follow(repo, await resolve(), [dirname(linked)])).toEqual({
      kind: 'followed',
      head: candidate.commit,
    });
    expect(status()).toBe('');
  });

  test("by another git's lock on index or branch", async () => {
    for (const lock of ['index.lock', 'HEAD.lock', 'refs/heads/main.lock']) {
      rig.write(join('.git', lock), '');
      const candidate = await candidateOn(rig.oid('main'), { [lock]: '1' });
      const outcome = await landNow(candidate);
      expect(outcome).toEqual({
        kind: 'landed',
        commit: candidate.commit,
        on: 'shadow',
        block: {
          files: [],
          message: `another git command holds ${join(rig.root, '.git', lock)}`,
          command: 'git merge --ff-only mstone/main',
        },
      });
      expect(existsSync(join(rig.root, '.git', lock))).toBe(true);
      rmSync(join(rig.root, '.git', lock));
      expect(await follow(repo, await resolve())).toEqual({ kind: 'followed', head: candidate.commit });
      expect(status()).toBe('');
    }
  });

  test('by an index with conflicts that no operation explains', async () => {
    rig.write('other', 'stashed\n');
    rig.git('stash');
    const head = rig.commit('second', { other: 'second\n' });
    expect(() => rig.git('stash', 'pop')).toThrow();
    const outcome = await landNow(await candidateOn(head, { added: '1' }));
    expect(outcome.kind === 'landed' && outcome.block).toEqual({
      files: [],
      message: `there are conflicts to be resolved in ${rig.root}`,
      command: 'git status',
    });
    expect(leftovers()).toEqual([]);
  });

  test('for the moment that another git takes does not count', async () => {
    const candidate = await candidateOn(first);
    rig.write('.git/index.lock', '');
    setTimeout(() => rmSync(join(rig.root, '.git/index.lock')), 150);
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
  });

  test('lets later landings pile up on the shadow, and follows with all of them', async () => {
    const one = await candidateOn(first);
    rig.write('changed', 'mine\n');
    await landNow(one);
    const two = await candidateOn(one.commit, { second: '2' }, '1B: Title\n');
    const outcome = await landNow(two);
    expect(outcome.kind === 'landed' && outcome.on).toBe('shadow');
    expect(await follow(repo, await resolve())).toEqual({
      kind: 'blocked',
      block: {
        files: ['changed'],
        message: `"changed" is changed in ${rig.root} and changed by what lands`,
        command: 'git stash && git merge --ff-only mstone/main && git stash pop',
      },
    });
    rig.write('changed', 'old\n');
    const three = await candidateOn(two.commit, { third: '3' }, '1C: Title\n');
    expect(await landNow(three)).toEqual({ kind: 'landed', commit: three.commit, on: 'target' });
    expect(refs()).toEqual({ 'refs/heads/main': three.commit });
    expect(status()).toBe('');
  });

  test('uses a hidden shadow where a branch named mstone is in the way', async () => {
    rig.git('branch', 'mstone');
    rig.write('changed', 'mine\n');
    const candidate = await candidateOn(first);
    const outcome = await landNow(candidate);
    expect(outcome.kind === 'landed' && outcome.block?.command).toBe(
      'git stash && git merge --ff-only refs/mstone/shadow/main && git stash pop',
    );
    expect(rig.oid('refs/mstone/shadow/main')).toBe(candidate.commit);
  });

  test('keeps a shadow that the user has checked out, and goes on from it', async () => {
    const one = await candidateOn(first);
    rig.write('changed', 'mine\n');
    await landNow(one);
    const look = join(rig.root, '..', 'look');
    rig.git('worktree', 'add', '-q', look, 'mstone/main');
    const two = await candidateOn(one.commit, { second: '2' }, '1B: Title\n');
    await landNow(two);
    expect(readFileSync(join(look, 'second'), 'utf8')).toBe('2');
    expect(rig.gitIn(look, 'status', '--porcelain')).toBe('');
    rig.write('changed', 'old\n');
    expect(await follow(repo, await resolve())).toEqual({ kind: 'followed', head: two.commit });
    expect(refs()).toEqual({ 'refs/heads/main': two.commit, 'refs/heads/mstone/main': two.commit });
    expect((await resolve()).head).toBe(two.commit);
  });
});

describe('a target that is not where it was', () => {
  test('moved forward: the head is told', async () => {
    const candidate = await candidateOn(first);
    const head = rig.commit('mine', { mine: '1' });
    expect(await landNow(candidate)).toEqual({ kind: 'moved', head });
    expect(rig.oid('main')).toBe(head);
  });

  test('moved backwards: both heads are pinned, once, and nothing moves', async () => {
    const second = rig.commit('second', { other: '2' });
    const candidate = await candidateOn(second);
    rig.git('reset', '-q', '--hard', first);
    const outcome = { kind: 'rewound', expected: second, found: first };
    expect(await landNow(candidate)).toEqual(outcome);
    expect(await landNow(candidate)).toEqual(outcome);
    expect(refs()).toEqual({
      'refs/heads/main': first,
      'refs/mstone/pins/rewound/1/expected': second,
      'refs/mstone/pins/rewound/1/found': first,
    });
    // Another rewinding gets pins of its own.
    const away = rig.commitBeside([], 'elsewhere', { x: '1' });
    rig.git('reset', '-q', '--hard', away);
    expect((await landNow(candidate)).kind).toBe('rewound');
    expect(rig.oid('refs/mstone/pins/rewound/2/found')).toBe(away);
  });

  test('a head that is not even known any more counts as rewound', async () => {
    const candidate = await candidateOn(first);
    const unknown = 'deadbeef'.repeat(5);
    expect(await landNow(candidate, { lastKnown: unknown })).toEqual({
      kind: 'rewound',
      expected: unknown,
      found: first,
    });
  });

  test('taken back behind its shadow: it is not pushed forward again', async () => {
    const second = rig.commit('second', { other: '2' });
    const candidate = await candidateOn(second);
    rig.write('changed', 'mine\n');
    await landNow(candidate);
    rig.git('reset', '-q', '--hard', first);
    const outcome = { kind: 'rewound', expected: second, found: first };
    expect(await follow(repo, await resolve())).toEqual(outcome);
    const next = await candidateOn(candidate.commit, { next: '1' });
    expect(await landNow(next)).toEqual(outcome);
    expect(rig.oid('main')).toBe(first);
  });

  test('moved on by itself beside its shadow: a sync brings them together', async () => {
    const one = await candidateOn(first);
    rig.write('changed', 'mine\n');
    await landNow(one);
    rig.git('checkout', '-q', 'changed');
    const own = rig.commit('my own', { mine: '1' });
    expect(await follow(repo, await resolve())).toEqual({
      kind: 'diverged',
      target: own,
      shadow: one.commit,
    });
    expect((await inspectHead(repo, 'main', one.commit)).kind).toBe('diverged');
    const two = await candidateOn(one.commit, { second: '2' }, '1B: Title\n');
    expect(await landNow(two)).toEqual({
      kind: 'landed',
      commit: two.commit,
      on: 'shadow',
      block: {
        files: [],
        message: 'main has moved on by itself while landings went to mstone/main',
        command: 'git merge mstone/main',
      },
    });
    const sync = await buildSync(repo, {
      shadow: two.commit,
      target: own,
      message: 'main moved\n',
      dateMs: 0,
    });
    if (sync.kind !== 'built') throw new Error(JSON.stringify(sync));
    expect(await landNow(sync.candidate, { lastKnown: two.commit })).toEqual({
      kind: 'landed',
      commit: sync.candidate.commit,
      on: 'target',
    });
    expect(refs()).toEqual({ 'refs/heads/main': sync.candidate.commit });
    expect(status()).toBe('');
  });

  test('deleted: said with the command that brings it back', async () => {
    const candidate = await candidateOn(first);
    const target = await resolve();
    rig.git('switch', '-q', '-c', 'side');
    rig.git('branch', '-q', '-D', 'main');
    expect(await land(repo, { target, candidate, lastKnown: first })).toEqual({
      kind: 'refused',
      message: `branch main is gone: git branch main ${first.slice(0, 12)}`,
    });
  });

  test('switched away from in the middle of a landing: HEAD is left alone', async () => {
    const candidate = await candidateOn(first);
    // The user's `git switch` runs just before ours prepares.
    const environment = wrapGit('update-ref', `git -C '${rig.root}' switch -q -c feature`, 'once');
    const opened = await openRepository(rig.root, environment);
    if (!opened.ok) throw new Error('not opened');
    expect(await land(opened.value, { target: await resolve(), candidate, lastKnown: first })).toEqual({
      kind: 'landed',
      commit: candidate.commit,
      on: 'target',
    });
    expect({
      main: rig.oid('main'),
      feature: rig.oid('feature'),
      head: rig.git('symbolic-ref', 'HEAD'),
    }).toEqual({
      main: candidate.commit,
      feature: first,
      head: 'refs/heads/feature',
    });
    expect(show('changed')).toBe('old\n');
    expect(status()).toBe('');
  });

  test('while files move, nobody else can commit to the branch or leave it', async () => {
    const candidate = await candidateOn(first);
    const log = join(rig.root, '..', 'log');
    const tries = [
      `cd '${rig.root}'`,
      `git switch -q -c feature 2>>'${log}'; echo "switch $?" >>'${log}'`,
      `git update-ref refs/heads/main HEAD 2>>'${log}'; echo "move $?" >>'${log}'`,
    ].join('\n');
    const opened = await openRepository(rig.root, wrapGit('read-tree', `(${tries})`, 'once'));
    if (!opened.ok) throw new Error('not opened');
    const outcome = await land(opened.value, { target: await resolve(), candidate, lastKnown: first });
    expect(outcome).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(readFileSync(log, 'utf8')).toMatch(/HEAD\.lock.*switch 128.*main\.lock.*move 128/s);
    expect(status()).toBe('');
  });
});

/** A PATH whose git runs `script` before (or `after`) the real one, when `command` is called. */
function wrapGit(command: string, script: string, when: 'once' | 'before' | 'after'): Record<string, string> {
  const bin = join(rig.root, '..', 'bin');
  const flag = join(bin, 'flag');
  mkdirSync(bin, { recursive: true });
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
  const call =
    when === 'after'
      ? `'${real}' "$@"; code=$?; ${script}; exit $code`
      : `${when === 'once' ? `[ -e '${flag}' ] || { touch '${flag}'; ${script}; }` : script}; exec '${real}' "$@"`;
  const lines = [
    '#!/bin/sh',
    // Under its own name only: the script's own gits are real.
    `git() { '${real}' "$@"; }`,
    'for word; do case "$word" in',
    `  ${command}) ${call} ;;`,
    'esac; done',
    `exec '${real}' "$@"`,
  ];
  writeFileSync(join(bin, 'git'), `${lines.join('\n')}\n`);
  chmodSync(join(bin, 'git'), 0o755);
  return { ...rig.environment, PATH: `${bin}:${rig.environment.PATH}` };
}

describe('a landing that is killed', () => {
  /** Lands in a process of its own; gives the signal that ended it. */
  async function landElsewhere(
    environment: Record<string, string>,
    candidate: Candidate,
  ): Promise<{ signal: string | null; out: string }> {
    const dist = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist', 'git');
    const script = `
      const { openRepository, resolveTarget } = await import(${JSON.stringify(pathToFileURL(join(dist, 'index.js')).href)});
      const { land } = await import(${JSON.stringify(pathToFileURL(join(dist, 'landing.js')).href)});
      const repo = (await openRepository(${JSON.stringify(rig.root)}, ${JSON.stringify(environment)})).value;
      const target = (await resolveTarget(repo, 'main')).value;
      const candidate = ${JSON.stringify(candidate)};
      console.log(JSON.stringify(await land(repo, { target, candidate, lastKnown: candidate.base })));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    return new Promise((done) => child.on('close', (_, signal) => done({ signal, out })));
  }

  // `$PPID` of the wrapper is the process that lands.
  const KILL = 'kill -9 $PPID';

  test.each([
    ['update-ref', 'before'],
    ['read-tree', 'before'],
    ['read-tree', 'after'],
  ] as const)('at %s, %s it, ends as one that was not', async (command, when) => {
    const candidate = await candidateOn(first);
    rig.write('other', 'mine\n');
    rig.write('begun', 'untracked\n');
    const killed = await landElsewhere(wrapGit(command, KILL, when), candidate);
    expect(killed).toEqual({ signal: 'SIGKILL', out: '' });
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(status()).toBe(' M other\0?? begun\0');
    expect([show('changed'), show('folder/added'), show('other')]).toEqual(['new\n', 'new\n', 'mine\n']);
    expect(rig.oid('main')).toBe(candidate.commit);
    expect(leftovers()).toEqual([]);
  });

  test('is waited for while its git still works', async () => {
    const candidate = await candidateOn(first);
    const killed = await landElsewhere(wrapGit('read-tree', `${KILL}; sleep 0.4`, 'before'), candidate);
    expect(killed.signal).toBe('SIGKILL');
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(status()).toBe('');
  });

  test('is left alone while its process lives', async () => {
    const candidate = await candidateOn(first);
    // The parent of this process stands for another mstone: it lives and is not us.
    const other = spawn('sleep', ['60']);
    try {
      await writeHalf(candidate);
      const { identify } = await import('../../src/process/identity.js');
      const file = intentPath();
      const intent = JSON.parse(readFileSync(file, 'utf8'));
      writeFileSync(file, JSON.stringify({ ...intent, writer: identify(other.pid ?? 0) }));
      const message = `another mstone is landing here (pid ${other.pid})`;
      expect(await landNow(candidate)).toEqual({ kind: 'refused', message });
      expect(await follow(repo, await resolve())).toEqual({
        kind: 'blocked',
        block: { files: [], message, command: 'mstone status' },
      });
    } finally {
      other.kill('SIGKILL');
    }
    await new Promise((done) => other.on('close', done));
    expect((await landNow(candidate)).kind).toBe('landed');
    expect(status()).toBe('');
  });

  const intentPath = (): string => {
    const folder = join(repo.stateDir, 'landing');
    const [name = ''] = readdirSync(folder);
    return join(folder, name);
  };

  /** The intent of a landing, as if its process had died behind it. */
  async function writeHalf(candidate: Candidate, locks: string[] = []): Promise<void> {
    await writeIntent(repo, {
      ref: 'refs/heads/main',
      old: candidate.base,
      new: candidate.commit,
      also: [],
      checkout: { path: rig.root, gitDir: join(rig.root, '.git') },
      locks: locks.map((lock) => join(rig.root, '.git', lock)),
      tag: 'landing-of-a-dead-one',
    });
  }

  const HALVES: readonly (readonly [string, () => void])[] = [
    ['nothing was done', () => undefined],
    ['some files are new', () => ['changed', `${ODD} 2`].map((path) => rig.write(path, 'new\n'))],
    ['a file is gone before its new version came', () => rmSync(join(rig.root, 'changed'))],
    ['a file is written in part', () => rig.write('changed', 'ne')],
    ['a file is empty', () => rig.write('folder/added', '')],
    ['a file that goes is gone', () => rmSync(join(rig.root, 'removed'))],
    [
      'all files are new',
      () => {
        for (const [path, content] of Object.entries(FILES)) {
          if (content === undefined) rmSync(join(rig.root, path));
          else rig.write(path, content);
        }
      },
    ],
  ];

  test.each(HALVES)('when %s: the rest is done', async (_, half) => {
    const candidate = await candidateOn(first);
    rig.write('other', 'mine\n');
    await writeHalf(candidate);
    half();
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(status()).toBe(' M other\0');
    expect(leftovers()).toEqual([]);
  });

  test('when files and index are new and the branch is not: the branch follows', async () => {
    const candidate = await candidateOn(first);
    await writeHalf(candidate);
    rig.git('read-tree', '-m', '-u', first, candidate.commit);
    rig.write('changed', "the user's, since\n");
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(status()).toBe(' M changed\0');
    expect(show('changed')).toBe("the user's, since\n");
  });

  test('when a folder and a file had changed places in part: the rest is done', async () => {
    const base = rig.commit('more', { 'd/x': '1', f: '1' });
    const candidate = await candidateOn(base, { 'd/x': undefined, d: 'file', f: undefined, 'f/x': '1' });
    await writeHalf(candidate);
    rmSync(join(rig.root, 'f'));
    rig.write('f/x', '1');
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(status()).toBe('');
    expect(lstatSync(join(rig.root, 'd')).isFile()).toBe(true);
  });

  test('when the user has written where it stood: it is theirs and named, and the night goes on', async () => {
    const candidate = await candidateOn(first);
    await writeHalf(candidate);
    rig.write(`${ODD} 2`, 'new\n');
    rig.write('changed', 'mine since\n');
    const block = {
      files: ['changed'],
      message: '"changed" has changed since a landing there was cut off',
      command: 'git stash push -- changed && mstone resume',
    };
    expect(await landNow(candidate)).toEqual({
      kind: 'landed',
      commit: candidate.commit,
      on: 'shadow',
      block,
    });
    const next = await candidateOn(candidate.commit, { next: '1' }, '1B: Title\n');
    expect(await landNow(next)).toEqual({ kind: 'landed', commit: next.commit, on: 'shadow', block });
    expect(show('changed')).toBe('mine since\n');
    rig.git('stash', 'push', '-q', '--', 'changed');
    expect(await follow(repo, await resolve())).toEqual({ kind: 'followed', head: next.commit });
    expect(status()).toBe('');
    expect(leftovers()).toEqual([]);
    expect(rig.git('show', 'stash@{0}:changed')).toBe('mine since');
  });

  test('when something has come in the way since: it stays cut off until that is gone', async () => {
    const candidate = await candidateOn(first);
    await writeHalf(candidate);
    rig.write('changed', 'new\n');
    rig.write('.git/info/exclude', 'folder\n');
    rig.write('folder', 'mine\n');
    const outcome = await landNow(candidate);
    expect(outcome.kind === 'landed' && outcome.block?.files).toEqual(['folder']);
    expect(show('folder')).toBe('mine\n');
    rmSync(join(rig.root, 'folder'));
    expect(await follow(repo, await resolve())).toEqual({ kind: 'followed', head: candidate.commit });
    expect(status()).toBe('');
    expect(leftovers()).toEqual([]);
  });

  test('when the user has put everything back or gone elsewhere since: it is forgotten', async () => {
    const candidate = await candidateOn(first);
    await writeHalf(candidate);
    rig.git('switch', '-q', '-c', 'feature');
    rig.write('changed', 'new\n');
    expect(await landNow(candidate)).toEqual({ kind: 'landed', commit: candidate.commit, on: 'target' });
    expect(rig.oid('feature')).toBe(first);
    expect(status()).toBe(' M changed\0');
  });

  test('locks that it left are removed, older ones and those of a living git are not', async () => {
    const locks = ['index.lock', 'HEAD.lock', 'refs/heads/main.lock'];
    const candidate = await candidateOn(first);
    await writeHalf(candidate, locks);
    for (const lock of locks) rig.write(join('.git', lock), '');
    // A git at work in that checkout, such as a commit whose editor is open.
    const living = spawn('git', ['cat-file', '--batch'], {
      cwd: rig.root,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    await new Promise((done) => living.on('spawn', done));
    const outcome = await landNow(candidate);
    expect(outcome.kind === 'landed' && outcome.on).toBe('shadow');
    expect(leftovers().filter((path) => path.endsWith('.lock'))).toEqual([...locks].sort());
    living.stdin.end();
    await new Promise((done) => living.on('close', done));
    expect(await follow(repo, await resolve())).toEqual({ kind: 'followed', head: candidate.commit });
    expect(leftovers()).toEqual([]);

    rig.write('.git/index.lock', '');
    execFileSync('touch', ['-d', '2020-01-01T00:00:00Z', join(rig.root, '.git', 'index.lock')]);
    const next = await candidateOn(candidate.commit, { next: '1' }, '1B: Title\n');
    await writeHalf(next, locks);
    const stopped = await landNow(next);
    expect(stopped.kind === 'landed' && stopped.on).toBe('shadow');
    expect(existsSync(join(rig.root, '.git', 'index.lock'))).toBe(true);
  });
});
