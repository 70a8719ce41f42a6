import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Guard, installGuard } from '../../src/git/guard.js';
import { mendBranches, mendRefs, type RefSnapshot, snapshotRefs } from '../../src/git/refs-watch.js';
import { slotPlace } from '../../src/git/slots.js';
import { isolated } from '../rig/repository.js';
import { beginStory, type SlotStory } from './slot-story.js';

let story: SlotStory;
let guard: Guard;
beforeEach(async () => {
  story = await beginStory();
  story.test.git('branch', 'feature');
  guard = await installGuard(story.repo, join(dirname(story.test.root), "the agent's hooks"));
});
afterEach(() => story.test.remove());

const guarded = (...args: string[]): string => story.agentWith(guard.env, ...args);
const refs = (): string =>
  story.test.git(
    'for-each-ref',
    '--format=%(refname) %(objectname)',
    'refs/heads',
    'refs/tags',
    'refs/stash',
  );
const refused = (): string[] =>
  existsSync(guard.log) ? readFileSync(guard.log, 'utf8').trimEnd().split('\n') : [];

function hook(folder: string, name: string, script: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
}

describe('the guard', () => {
  it('lets an agent work with all of git on its own HEAD', () => {
    story.write('a.txt', 'a');
    guarded('add', '-A');
    guarded('commit', '-qm', 'One');
    story.write('a.txt', 'b');
    guarded('commit', '-qam', 'Two');
    guarded('commit', '-q', '--amend', '-m', 'Two, better');
    guarded('rebase', '-q', '--force-rebase', story.first);
    guarded('reset', '-q', '--hard', 'HEAD~1');
    guarded('cherry-pick', 'ORIG_HEAD');
    guarded('revert', '--no-edit', 'HEAD');
    guarded('merge', '-q', '--no-ff', '-m', 'Merge', 'feature');
    guarded('bisect', 'start', 'HEAD', story.first);
    guarded('bisect', 'reset');
    guarded('checkout', '-q', '--detach', story.first);
    guarded('update-ref', 'refs/worktree/mine', 'HEAD');
    expect(refused()).toEqual([]);
  });

  it.each([
    ['update-ref', ['update-ref', 'refs/heads/main', 'HEAD']],
    ['branch -f', ['branch', '-f', 'feature', 'HEAD']],
    ['branch -D', ['branch', '-D', 'feature']],
    ['a new branch', ['checkout', '-q', '-b', 'mine']],
    ['tag', ['tag', 'v1']],
    ['stash', ['stash', '-u']],
    ['the checkout’s HEAD', ['update-ref', 'main-worktree/HEAD', 'HEAD']],
    ['mstone’s own refs', ['update-ref', 'refs/mstone/work/1A/1.1', 'HEAD']],
    ['a replacement', ['replace', 'HEAD', 'HEAD~1']],
    ['packing', ['pack-refs', '--all']],
    ['a worktree of its own', ['worktree', 'add', '-q', '--detach', '../another']],
    ['a branch rename', ['branch', '-m', 'feature', 'other']],
  ])('refuses %s and says what to do', (_, args) => {
    story.write('a.txt', 'a');
    guarded('add', '-A');
    guarded('commit', '-qm', 'One');
    story.write('a.txt', 'dirty');
    const before = refs();
    expect(() => guarded(...args)).toThrow(
      /mstone: refused to move .*\n(.*\n)*.*commit here on the detached HEAD/,
    );
    expect(refs()).toBe(before);
    expect(story.test.git('rev-parse', 'HEAD')).toBe(story.first);
  });

  it('refuses a commit on main after a switch to it, and logs both names of it', () => {
    guarded('checkout', '-q', '--ignore-other-worktrees', 'main');
    story.write('a.txt', 'a');
    guarded('add', '-A');
    expect(() => guarded('commit', '-qm', 'On main')).toThrow(/refused to move refs\/heads\/main/);
    expect(story.test.oid('main')).toBe(story.first);
    expect(refused()).toEqual([
      expect.stringMatching(new RegExp(`^${story.first} [0-9a-f]{40} refs/heads/main$`)),
    ]);
  });

  it.each(['attached', 'detached'])('refuses a commit in the user’s checkout, its HEAD %s', (how) => {
    if (how === 'detached') story.test.git('checkout', '-q', '--detach');
    expect(() => guarded('-C', story.test.root, 'commit', '-q', '--allow-empty', '-m', 'x')).toThrow(
      /refused to move HEAD/,
    );
    expect(story.test.git('rev-parse', 'HEAD')).toBe(story.first);
  });

  it('given one slot refuses the others', async () => {
    const own = slotPlace(story.repo, story.slotsDir, 1).name;
    const other = slotPlace(story.repo, story.slotsDir, 2).name;
    guard = await installGuard(story.repo, dirname(guard.log), { slotName: other });
    expect(() => guarded('commit', '-q', '--allow-empty', '-m', 'x')).toThrow(/refused/);
    guard = await installGuard(story.repo, dirname(guard.log), { slotName: own });
    guarded('commit', '-q', '--allow-empty', '-m', 'x');
  });

  it('lets the user’s own git and other repositories alone', () => {
    const other = join(dirname(story.test.root), 'other');
    guarded('init', '-q', '-b', 'main', other);
    guarded('-C', other, 'commit', '-q', '--allow-empty', '-m', 'x');
    guarded('-C', other, 'branch', 'y');
    guarded('-C', other, 'tag', 'z');
    guarded('-C', other, 'branch', '-D', 'y');
    guarded('clone', '-q', story.test.root, join(dirname(other), 'clone'));
    story.test.git('tag', 'mine');
    expect(refused()).toEqual([]);
  });

  it('hands over to the hooks that the agent’s git would have run', () => {
    const seen = join(dirname(story.test.root), 'seen');
    const hooks = join(story.repo.commonDir, 'hooks');
    hook(hooks, 'pre-commit', `echo pre-commit >>'${seen}'; test ! -e forbidden`);
    hook(hooks, 'commit-msg', `echo "commit-msg $(cat "$1")" >>'${seen}'`);
    hook(hooks, 'post-checkout', `echo "post-checkout $3" >>'${seen}'`);
    hook(hooks, 'post-rewrite', `echo "post-rewrite $1 $(wc -l | tr -d ' ')" >>'${seen}'`);
    guarded('commit', '-q', '--allow-empty', '-m', 'One');
    guarded('commit', '-q', '--allow-empty', '--amend', '-m', 'Two');
    guarded('checkout', '-q', '--detach', story.first);
    story.write('forbidden', '');
    expect(() => guarded('commit', '-q', '--allow-empty', '-m', 'Three')).toThrow();
    expect(readFileSync(seen, 'utf8')).toBe(
      'pre-commit\ncommit-msg One\npre-commit\ncommit-msg Two\npost-rewrite amend 1\npost-checkout 1\npre-commit\n',
    );
  });

  it('hands over to hooks that core.hooksPath names, and to a reference-transaction hook with its input', () => {
    const seen = join(dirname(story.test.root), 'seen');
    hook(join(story.path, '.husky'), 'pre-commit', `echo husky >>'${seen}'`);
    hook(
      join(story.path, '.husky'),
      'reference-transaction',
      `[ "$1" = committed ] || sed "s/^/$1 /" >>'${seen}'`,
    );
    story.test.git('config', 'core.hooksPath', '.husky');
    guarded('commit', '-q', '--allow-empty', '-m', 'One');
    const made = story.agent('rev-parse', 'HEAD');
    expect(readFileSync(seen, 'utf8')).toBe(`husky\nprepared ${story.first} ${made} HEAD\n`);
  });

  it('lets the user’s reference-transaction hook refuse too', () => {
    hook(join(story.repo.commonDir, 'hooks'), 'reference-transaction', '[ "$1" != prepared ]');
    expect(() => guarded('commit', '-q', '--allow-empty', '-m', 'One')).toThrow();
    expect(story.agent('rev-parse', 'HEAD')).toBe(story.first);
  });

  it('keeps settings that the environment had, another guard’s among them', async () => {
    const inner = await installGuard(story.repo, join(dirname(story.test.root), 'inner'), {
      environment: guard.env,
    });
    expect(inner.env.GIT_CONFIG_COUNT).toBe(String(2 * Number(guard.env.GIT_CONFIG_COUNT)));
    const seen = join(dirname(story.test.root), 'seen');
    hook(join(story.repo.commonDir, 'hooks'), 'pre-commit', `echo once >>'${seen}'`);
    story.agentWith({ ...guard.env, ...inner.env }, 'commit', '-q', '--allow-empty', '-m', 'One');
    expect(readFileSync(seen, 'utf8')).toBe('once\n');
    const shown = story.agentWith(
      {
        ...(
          await installGuard(story.repo, join(dirname(story.test.root), 'third'), {
            environment: { GIT_CONFIG_COUNT: '1' },
          })
        ).env,
        GIT_CONFIG_KEY_0: 'my.setting',
        GIT_CONFIG_VALUE_0: 'stays',
      },
      'config',
      'my.setting',
    );
    expect(shown).toBe('stays');
  });

  it('works where a shell would trip over the names', () => {
    expect(guard.env.GIT_CONFIG_VALUE_0).toContain("agent's hooks");
    const branch = 'a$(touch$IFS"pwned")`touch$IFS"pwned"`;\'';
    expect(() => guarded('branch', branch)).toThrow(/refused to move refs\/heads\/a\$\(touch/);
    expect(existsSync(join(story.path, 'pwned'))).toBe(false);
  });
});

describe('after an attempt', () => {
  let before: RefSnapshot;
  beforeEach(async () => {
    story.test.git('tag', 'v0');
    before = await snapshotRefs(story.repo);
  });
  const mend = (slotCommits: readonly string[] = []) =>
    mendRefs(story.repo, before, { slotCommits: new Set(slotCommits), guardLog: guard.log });
  /** Goes round the guard. */
  const bypass = (...args: string[]): string => guarded('-c', 'core.hooksPath=', ...args);
  const work = (): string => {
    story.write('a.txt', 'a');
    guarded('add', '-A');
    guarded('commit', '-qm', 'Work');
    return story.agent('rev-parse', 'HEAD');
  };
  const pinned = (oid: string): string => story.test.oid(`refs/mstone/mended/${oid.slice(0, 12)}`);

  it('in which nothing happened nothing is done', async () => {
    work();
    expect(await mend()).toEqual([]);
  });

  it('main goes back where an agent moved it round the guard', async () => {
    const made = work();
    bypass('update-ref', 'refs/heads/main', made);
    expect(await mend()).toEqual([
      `an agent moved main; it was put back to ${story.first.slice(0, 12)}; what it named is kept as refs/mstone/mended/${made.slice(0, 12)}`,
    ]);
    expect(story.test.oid('main')).toBe(story.first);
    expect(pinned(made)).toBe(made);
    expect(story.test.git('status', '--porcelain')).toBe('');
  });

  it('main goes back where an agent committed on it, and the slot keeps the commit for its harvest', async () => {
    bypass('checkout', '-q', '--ignore-other-worktrees', 'main');
    story.write('a.txt', 'a');
    bypass('add', '-A');
    bypass('commit', '-qm', 'On main');
    const made = story.agent('rev-parse', 'HEAD');
    expect(story.test.oid('main')).toBe(made);
    expect(await mend()).toHaveLength(1);
    expect(story.test.oid('main')).toBe(story.first);
    const done = await story.harvest();
    expect(done.commit).toBe(made);
  });

  it('branches and tags that an agent made are taken away, an annotated tag too', async () => {
    const made = work();
    bypass('branch', 'mine');
    bypass('tag', '-a', '-m', 'x', 'v1', made);
    const tag = story.test.oid('v1');
    expect(await mend()).toEqual([
      `an agent made mine; it was removed; what it named is kept as refs/mstone/mended/${made.slice(0, 12)}`,
      `an agent made v1; it was removed; what it named is kept as refs/mstone/mended/${tag.slice(0, 12)}`,
    ]);
    expect(refs()).toBe(
      `refs/heads/feature ${story.first}\nrefs/heads/main ${story.first}\nrefs/tags/v0 ${story.first}`,
    );
    expect(pinned(tag)).toBe(tag);
  });

  it('a branch that an agent made and went on working on goes whole, not back to where it was made', async () => {
    bypass('switch', '-q', '-c', 'mine');
    story.write('a.txt', 'a');
    bypass('add', '-A');
    bypass('commit', '-qm', 'On mine');
    const made = story.agent('rev-parse', 'HEAD');
    expect(await mend()).toEqual([
      `an agent made mine; it was removed; what it named is kept as refs/mstone/mended/${made.slice(0, 12)}`,
    ]);
    expect((await story.harvest()).commit).toBe(made);
  });

  it('the target goes back while the agent that moved it is still at work; a branch of ours that it made goes', async () => {
    const made = work();
    const main = 'refs/heads/main';
    const shadow = 'refs/heads/mstone/main';
    expect(await mendBranches(story.repo, main, [shadow])).toEqual([]);
    bypass('update-ref', main, made);
    bypass('update-ref', shadow, made);
    const kept = `what it named is kept as refs/mstone/mended/${made.slice(0, 12)}`;
    expect(await mendBranches(story.repo, main, [shadow])).toEqual([
      `an agent moved main; it was put back to ${story.first.slice(0, 12)}; ${kept}`,
      `an agent made mstone/main; it was removed; ${kept}`,
    ]);
    expect(story.test.git('for-each-ref', '--format=%(objectname)', main, shadow)).toBe(story.first);
  });

  it('a commit that was made elsewhere of the slot’s work counts too', async () => {
    const made = story.test.commitBeside([story.first], 'Harvest', { 'a.txt': 'a' });
    story.test.git('update-ref', 'refs/heads/feature', made);
    expect(await mend()).toEqual([]);
    expect(await mend([made])).toHaveLength(1);
    expect(story.test.oid('feature')).toBe(story.first);
  });

  it('a branch that an agent deleted comes back only where the log knows of it', async () => {
    story.test.git('branch', '-D', 'feature');
    expect(await mend()).toEqual([]);
    story.test.git('branch', 'feature');
    expect(() => guarded('branch', '-D', 'feature')).toThrow(/refused/);
    bypass('branch', '-D', 'feature');
    expect(await mend()).toEqual([
      `an agent deleted feature; it was put back to ${story.first.slice(0, 12)}`,
    ]);
    expect(story.test.oid('feature')).toBe(story.first);
  });

  it('moves that the log knows of are put back, also to commits that are nobody’s work', async () => {
    const users = story.test.commitBeside([story.first], 'Elsewhere', { 'u.txt': 'u' });
    expect(() => guarded('branch', '-f', 'feature', users)).toThrow(/refused/);
    bypass('branch', '-f', 'feature', users);
    expect(await mend()).toHaveLength(1);
    expect(story.test.oid('feature')).toBe(story.first);
  });

  it('what the user did stays, also where an agent looked at the same commits', async () => {
    const next = story.test.commit('User’s', { 'u.txt': 'u' });
    story.test.git('branch', '-f', 'feature', next);
    story.test.git('tag', '-d', 'v0');
    story.test.git('branch', 'new', next);
    guarded('merge', '-q', '--ff-only', next);
    guarded('checkout', '-q', '--detach', story.first);
    guarded('reset', '-q', '--hard', next);
    guarded('rebase', '-q', next);
    work();
    const now = refs();
    expect(await mend()).toEqual([]);
    expect(refs()).toBe(now);
  });

  it('a ref goes back to where the user or a landing had taken it meanwhile, not to where it began', async () => {
    const made = work();
    const landing = story.test.commit('Landed meanwhile', { 'l.txt': 'l' });
    const users = story.test.commitBeside([landing], 'The user’s', { 'u.txt': 'u' });
    story.test.git('branch', 'new', users);
    bypass('update-ref', 'refs/heads/main', made);
    bypass('commit', '-q', '--allow-empty', '-m', 'More');
    bypass('update-ref', 'refs/heads/main', 'HEAD');
    bypass('branch', '-f', 'new', 'HEAD');
    expect(await mend()).toHaveLength(2);
    expect(story.test.oid('main')).toBe(landing);
    expect(story.test.oid('new')).toBe(users);
  });

  it('what the log of an earlier attempt holds explains nothing', async () => {
    expect(() => guarded('branch', '-D', 'feature')).toThrow(/refused/);
    before = await snapshotRefs(story.repo, guard.log);
    story.test.git('branch', '-D', 'feature');
    expect(await mend()).toEqual([]);
  });

  it('a ref that moves on while it is mended is left to who moved it', async () => {
    const made = work();
    bypass('update-ref', 'refs/heads/feature', made);
    rmSync(join(story.repo.commonDir, 'refs/heads/feature.lock'), { force: true });
    writeFileSync(join(story.repo.commonDir, 'refs/heads/feature.lock'), '');
    expect((await mend())[0]).toMatch(/^an agent moved feature, which could not be undone: /);
    expect(story.test.oid('feature')).toBe(made);
  });

  it('a branch that became a symbolic one is a branch again', async () => {
    const made = work();
    bypass('update-ref', 'refs/heads/evil', made);
    bypass('symbolic-ref', 'refs/heads/feature', 'refs/heads/evil');
    expect(await mend()).toHaveLength(2);
    expect(story.test.oid('feature')).toBe(story.first);
    expect(
      spawnSync('git', ['symbolic-ref', '-q', 'refs/heads/feature'], { cwd: story.test.root, env: isolated })
        .status,
    ).toBe(1);
  });

  it('the branch that the checkout stands on is not taken from under it', async () => {
    const made = work();
    bypass('update-ref', 'refs/heads/evil', made);
    bypass('-C', story.test.root, 'checkout', '-q', 'evil');
    expect(await mend()).toEqual([
      `an agent made evil; your checkout is on it, so it was left; what it named is kept as refs/mstone/mended/${made.slice(0, 12)}`,
    ]);
  });

  it('a switched checkout, changed configuration and planted hooks are told and left', async () => {
    const config = join(story.repo.commonDir, 'config');
    const hooks = join(story.repo.commonDir, 'hooks');
    guarded('-C', story.test.root, 'checkout', '-q', 'feature');
    guarded('config', 'core.pager', 'evil');
    hook(hooks, 'post-merge', 'evil');
    expect(await mend()).toEqual([
      'an agent switched your checkout from main to feature',
      `${config} changed while agents worked; if that was not you, look at it: git config --local --list`,
      `${hooks} changed while agents worked; if that was not you, look into it`,
    ]);
    expect(story.test.git('config', 'core.pager')).toBe('evil');
  });

  it('mstone’s own refs are nobody’s move', async () => {
    const made = work();
    story.test.git('update-ref', 'refs/heads/mstone/1A', made);
    story.test.git('update-ref', 'refs/mstone/work/x', made);
    expect(await mend()).toEqual([]);
  });

  it('a landing of that work is not taken back', async () => {
    const made = work();
    const landing = story.test.commitBeside([story.first, made], '1A: Landed', { 'a.txt': 'a' });
    story.test.git('update-ref', 'refs/heads/main', landing);
    await story.prepare({ commit: landing });
    expect(await mend([made])).toEqual([]);
    expect(
      execFileSync('git', ['rev-parse', 'main'], {
        cwd: story.test.root,
        env: isolated,
        encoding: 'utf8',
      }).trim(),
    ).toBe(landing);
  });
});
