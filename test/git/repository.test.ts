import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { moveView, openRepository, pin, type Repository, resolveTarget } from '../../src/git/index.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

const made: TestRepository[] = [];
const make = (name?: string): TestRepository => {
  const repository = makeRepository(name);
  made.push(repository);
  return repository;
};
afterEach(() => {
  for (const repository of made.splice(0)) repository.remove();
});

async function open(rig: TestRepository, dir = rig.root): Promise<Repository> {
  const opened = await openRepository(dir, rig.environment);
  if (!opened.ok) throw new Error(JSON.stringify(opened.error));
  return opened.value;
}

async function refusalOf(dir: string, environment: Record<string, string | undefined>): Promise<unknown> {
  const opened = await openRepository(dir, environment);
  return opened.ok ? 'opened' : opened.error.map(({ code, fix }) => ({ code, fix }));
}

/** A `git` that says what the test wants and hands everything else on. */
function fakeGit(rig: TestRepository, script: string): Record<string, string> {
  const bin = join(rig.root, '..', 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'git'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, 'git'), 0o755);
  return { ...rig.environment, PATH: `${bin}:${rig.environment.PATH}` };
}

describe('opening a repository', () => {
  test.each(['plain', 'with spaces', 'ünïcödé 漢字', 'with\nnewline', '-C'])(
    'works in a folder named %j',
    async (name) => {
      const rig = make(name);
      rig.commit('first', { 'deep/er/file': '1' });
      const repo = await open(rig, join(rig.root, 'deep', 'er'));
      const { git: _, env: __, ...facts } = repo;
      expect(facts).toEqual({
        root: rig.root,
        commonDir: join(rig.root, '.git'),
        stateDir: join(rig.root, '.git', 'mstone'),
        branch: 'main',
        unborn: false,
        objectFormat: 'sha1',
        layout: { milestones: 'milestones', tasks: 'TASKS.md', config: 'mstone.yaml' },
      });
    },
  );

  test('knows an unborn branch by its name', async () => {
    const repo = await open(make());
    expect({ branch: repo.branch, unborn: repo.unborn }).toEqual({ branch: 'main', unborn: true });
  });

  test('in a linked worktree finds that checkout and the common state', async () => {
    const rig = make();
    rig.commit('first');
    const linked = join(rig.root, '..', 'linked tree');
    rig.git('worktree', 'add', '-q', '-b', 'side', linked);
    const repo = await open(rig, linked);
    expect({ root: repo.root, commonDir: repo.commonDir, branch: repo.branch }).toEqual({
      root: linked,
      commonDir: join(rig.root, '.git'),
      branch: 'side',
    });
  });

  test('is not led astray by GIT_DIR and its kin', async () => {
    const [rig, other] = [make(), make()];
    rig.commit('first');
    const opened = await openRepository(rig.root, {
      ...rig.environment,
      GIT_DIR: join(other.root, '.git'),
      GIT_WORK_TREE: other.root,
      GIT_COMMON_DIR: join(other.root, '.git'),
      GIT_INDEX_FILE: '/nonexistent/index',
    });
    expect(opened.ok && opened.value.root).toBe(rig.root);
  });

  test('is refused in words where mstone cannot work', async () => {
    const rig = make();
    rig.commit('first');
    rig.commit('second');
    const parent = join(rig.root, '..');
    const run = (...args: string[]) =>
      execFileSync('git', args, { cwd: parent, env: { ...rig.environment } });
    run('init', '-q', '--bare', 'bare.git');
    run('clone', '-q', '--depth', '1', `file://${rig.root}`, 'shallow');
    mkdirSync(join(parent, 'empty'));
    expect({
      nothing: await refusalOf(join(parent, 'empty'), rig.environment),
      bare: await refusalOf(join(parent, 'bare.git'), rig.environment),
      shallow: await refusalOf(join(parent, 'shallow'), rig.environment),
      inside: await refusalOf(join(rig.root, '.git'), rig.environment),
      missing: await refusalOf(join(parent, 'no such'), rig.environment),
      noGit: await refusalOf(rig.root, { ...rig.environment, PATH: join(parent, 'empty') }),
      oldGit: await refusalOf(rig.root, fakeGit(rig, 'echo "git version 2.37.7"')),
    }).toEqual({
      nothing: [{ code: 'not-a-repository', fix: 'git init' }],
      bare: [{ code: 'bare-repository', fix: 'run mstone in a clone of it' }],
      shallow: [{ code: 'shallow-clone', fix: 'git fetch --unshallow' }],
      inside: [{ code: 'inside-git', fix: 'go to the checkout, or use -C' }],
      missing: [{ code: 'no-such-folder', fix: 'name an existing folder with -C' }],
      noGit: [{ code: 'git-missing', fix: 'install git 2.38 or newer and put it on the PATH' }],
      oldGit: [{ code: 'git-too-old', fix: 'install a newer git' }],
    });
  });

  test('says which git it found where that is too old', async () => {
    const rig = make();
    const opened = await openRepository(rig.root, fakeGit(rig, 'echo "git version 2.9.0.windows.1"'));
    expect(opened).toEqual({
      ok: false,
      error: [
        {
          severity: 'error',
          code: 'git-too-old',
          message: 'this git is too old: merging without a checkout came with 2.38',
          expected: 'git 2.38 or newer',
          found: '2.9.0.windows.1',
          fix: 'install a newer git',
        },
      ],
    });
  });
});

describe('the target', () => {
  test('is the branch that HEAD is on, unborn or not', async () => {
    const rig = make();
    const repo = await open(rig);
    const facts = {
      branch: 'main',
      ref: 'refs/heads/main',
      shadowRef: 'refs/heads/mstone/main',
      shadow: undefined,
    };
    expect(await resolveTarget(repo)).toEqual({
      ok: true,
      value: { ...facts, target: undefined, head: undefined },
    });
    const first = rig.commit('first');
    expect(await resolveTarget(repo)).toEqual({ ok: true, value: { ...facts, target: first, head: first } });
  });

  test('can be any other local branch, by name', async () => {
    const rig = make();
    const first = rig.commit('first');
    rig.git('branch', 'feature/x');
    rig.git('switch', '-q', '--detach');
    const repo = await open(rig);
    expect(await resolveTarget(repo, 'feature/x')).toEqual({
      ok: true,
      value: {
        branch: 'feature/x',
        ref: 'refs/heads/feature/x',
        target: first,
        shadowRef: 'refs/heads/mstone/feature/x',
        shadow: undefined,
        head: first,
      },
    });
  });

  test('is refused in words when there is none or it cannot be one', async () => {
    const rig = make();
    rig.commit('first');
    rig.git('branch', 'develop');
    rig.git('switch', '-q', '--detach');
    const repo = await open(rig);
    const refusal = async (onto?: string) => {
      const resolved = await resolveTarget(repo, onto);
      return resolved.ok ? 'resolved' : resolved.error.map(({ code, fix }) => `${code}: ${fix}`).join();
    };
    expect({
      detached: await refusal(),
      typo: await refusal('devlop'),
      unknown: await refusal('something-else'),
      option: await refusal('--all'),
      range: await refusal('main..develop'),
      previous: await refusal('@{-1}'),
      own: await refusal('mstone/main'),
    }).toEqual({
      detached: 'detached-head: git switch <branch>, or name one with --onto <branch>',
      typo: 'unknown-branch: did you mean --onto develop?',
      unknown: 'unknown-branch: git branch something-else',
      option: 'invalid-branch: give a local branch',
      range: 'invalid-branch: give a local branch',
      previous: 'invalid-branch: give a local branch',
      own: 'own-branch: name the branch to land on: --onto main',
    });
  });

  test('builds on the shadow branch while that holds what the target lacks', async () => {
    const rig = make();
    const first = rig.commit('first');
    const landed = rig.commitBeside([first], 'landed', { a: '1' });
    const repo = await open(rig);
    const headNow = async () => {
      const resolved = await resolveTarget(repo);
      return resolved.ok ? resolved.value.head : resolved.error;
    };
    rig.git('branch', 'mstone/main', landed);
    expect(await headNow()).toBe(landed);
    const own = rig.commit('the user went on');
    expect(await headNow()).toBe(landed);
    rig.git('merge', '-q', '-m', 'both', 'mstone/main');
    expect(await headNow()).toBe(rig.oid('HEAD'));
    rig.git('branch', '-f', 'mstone/main', own);
    expect(await headNow()).toBe(rig.oid('HEAD'));
  });

  test.each([
    ['a branch named mstone is there', 'main', 'mstone'],
    ['a branch below its place is there', 'main', 'mstone/main/x'],
    ['it is named like a milestone', '1A', 'other'],
  ])('has its shadow elsewhere when %s', async (_, branch, other) => {
    const rig = make();
    rig.commit('first');
    rig.git('branch', other);
    if (branch !== 'main') rig.git('branch', branch);
    const resolved = await resolveTarget(await open(rig), branch);
    expect(resolved.ok && resolved.value.shadowRef).toBe(`refs/mstone/shadow/${branch}`);
  });
});

describe('refs of our own', () => {
  test('a pin keeps a commit under refs/mstone and nowhere else', async () => {
    const rig = make();
    const first = rig.commit('first');
    const repo = await open(rig);
    await pin(repo, 'refs/mstone/pins/1A/1', first);
    expect(rig.oid('refs/mstone/pins/1A/1')).toBe(first);
    await expect(pin(repo, 'refs/heads/main', first)).rejects.toThrow('not a ref of mstone');
    await expect(pin(repo, 'refs/mstone/a..b', first)).rejects.toThrow();
  });

  test('the view of a milestone moves, and stays where it is in use or impossible', async () => {
    const rig = make();
    const first = rig.commit('first');
    const second = rig.commit('second');
    const repo = await open(rig);
    expect(await moveView(repo, '1A', first)).toBeUndefined();
    expect(await moveView(repo, '1A', second)).toBeUndefined();
    expect(rig.oid('mstone/1A')).toBe(second);
    const linked = join(rig.root, '..', 'look');
    rig.git('worktree', 'add', '-q', linked, 'mstone/1A');
    expect(await moveView(repo, '1A', first)).toBe(
      `branch mstone/1A is checked out in ${linked}, so it was left where it is; the work is ${first}`,
    );
    expect(rig.oid('mstone/1A')).toBe(second);
    rig.git('worktree', 'remove', linked);
    rig.git('branch', '-D', 'mstone/1A');
    rig.git('branch', 'mstone');
    expect(await moveView(repo, '1A', first)).toBe(
      `branch mstone/1A could not be set: a branch named mstone is in its way; the work is ${first}`,
    );
  });
});
