import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { configKeys } from '../../src/config/keys.js';
import { type Ended, makeProject, pathWith, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (...args: Parameters<typeof makeProject>): TestProject => {
  const made = makeProject(...args);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** All that a refusal leaves as it was: refs, checkout, runs. */
const standing = (p: TestProject) => ({
  refs: p.git('for-each-ref', '--format=%(objectname) %(refname)'),
  head: readFileSync(join(p.root, '.git', 'HEAD'), 'utf8'),
  status: p.git('status', '--porcelain', '--ignored'),
  runs: existsSync(join(p.root, '.git', 'mstone', 'runs')),
  slots: existsSync(join(p.env.XDG_STATE_HOME ?? '', 'mstone')),
});

const refused = (...lines: string[]): Ended => ({
  code: 2,
  stdout: '',
  stderr: lines.map((line) => `${line}\n`).join(''),
});

/** The words that a line of mstone.yaml may begin with. */
const SETTINGS = [...new Set(configKeys.map(({ key }) => key.replace(/\..*/, '')))];

const homeOf = (p: TestProject): string => p.env.HOME ?? '';

describe('a place where mstone cannot work', () => {
  it('is refused in words: no repository, a bare one, its inside, a shallow clone, a detached HEAD', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    p.commit('More');
    const home = homeOf(p);
    const bare = join(home, 'bare.git');
    const shallow = join(home, 'shallow');
    const detached = join(home, 'detached');
    p.git('clone', '-q', '--bare', p.root, bare);
    p.git('clone', '-q', '--depth', '1', `file://${p.root}`, shallow);
    p.git('clone', '-q', p.root, detached);
    p.gitIn(detached, 'checkout', '-q', '--detach');
    const before = standing(p);

    const [outside, inBare, inside, inShallow, inDetached, planned] = await Promise.all([
      ...[home, bare, join(p.root, '.git'), shallow, detached].map((cwd) => p.start(['run'], cwd).ended),
      p.start(['plan'], shallow).ended,
    ]);
    expect(outside).toEqual(refused(`error: ${home} is not in a git repository`, '  fix: git init'));
    expect(inBare).toEqual(
      refused(
        'error: this is a bare repository: there is no checkout to read milestones from',
        '  fix: run mstone in a clone of it',
      ),
    );
    expect(inside).toEqual(
      refused("error: this is git's own folder, not a checkout", '  fix: go to the checkout, or use -C'),
    );
    const unproven = refused(
      'error: this clone is shallow: history that proves what has landed may be missing',
      '  fix: git fetch --unshallow',
    );
    expect(inShallow).toEqual(unproven);
    expect(planned).toEqual(unproven);
    expect(inDetached).toEqual(
      refused(
        'error: no branch is checked out here (detached HEAD), so there is nothing to land on',
        '  fix: git switch <branch>, or name one with --onto <branch>',
      ),
    );
    expect(standing(p)).toEqual(before);
  });

  it('has a git that is too old, or none', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    const old = join(homeOf(p), 'old');
    p.write('../old/git', '#!/bin/sh\necho "git version 2.30.0"\n');
    chmodSync(join(old, 'git'), 0o755);
    const before = standing(p);

    p.env.PATH = `${old}:${p.env.PATH}`;
    expect(await p.mstone('run')).toEqual(
      refused(
        'error: this git is too old: merging without a checkout came with 2.38',
        '  expected: git 2.38 or newer',
        '  found: 2.30.0',
        '  fix: install a newer git',
      ),
    );
    p.env.PATH = join(homeOf(p), 'nothing');
    expect(await p.mstone('run')).toEqual(
      refused('error: git was not found', '  fix: install git 2.38 or newer and put it on the PATH'),
    );
    expect(standing(p)).toEqual(before);
  });
});

describe('a project that cannot start', () => {
  it('has no milestones, or no agent, or a recipe that nobody reviews: the line to add is named', async () => {
    const empty = project();
    empty.commit('Nothing yet');
    const nobody = project('jobs: 2\n');
    nobody.write('milestones/1A.md', '# Milestone 1A - By hand, too\n\nDo it.\n');
    nobody.write('milestones/1B.md', '# Milestone 1B - By hand\n\nDo it.\n');
    nobody.commit('Milestones');
    nobody.env.PATH = pathWith(join(homeOf(nobody), 'bin'));
    const unreviewed = project('agent: recipe\n');
    unreviewed.write('milestones/1A.md', '# Alone\n\n## Recipe\n\n```sh\necho a > a.txt\n```\n');
    unreviewed.commit('Milestones');
    const all = [empty, nobody, unreviewed];
    const before = all.map(standing);

    const [noMilestones, noAgent, noReview] = await Promise.all(all.map((p) => p.mstone('run')));
    expect(noMilestones).toEqual(
      refused('error: no milestones under milestones/', '  fix: write a first one: mstone new 1A'),
    );
    expect(noAgent).toEqual(
      refused(
        'error: nobody implements 1A and 1B: no agent is named, and none is installed',
        '  expected: claude, codex, gemini, opencode on the PATH, or `agent:` in mstone.yaml or in the milestone',
        '  fix: npm install -g @anthropic-ai/claude-code (or @openai/codex, @google/gemini-cli, opencode-ai); or without any account: a `## Recipe` section with a ```sh block, as `mstone demo` shows',
      ),
    );
    expect(noReview).toEqual(
      refused(
        'milestones/1A.md: error: 1A has neither a reviewer nor a `## Review`',
        '  fix: add `reviewer: NAME`, or a `## Review` section with a ```sh block, or `review: false` to mstone.yaml',
      ),
    );
    expect(all.map(standing)).toEqual(before);

    // The last of the ways named works.
    unreviewed.write('mstone.yaml', 'agent: recipe\nreview: false\n');
    unreviewed.commit('No reviews');
    const run = await unreviewed.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(unreviewed.tree()).toEqual({ 'a.txt': 'a' });
  });

  it('has milestones that are not committed: the command is named, and --commit does it, of them alone', async () => {
    const p = project();
    p.commit('Configuration');
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.write('mine.txt', 'mine\n');
    p.write('staged.txt', 'staged\n');
    p.git('add', 'staged.txt');
    const before = standing(p);
    expect(await p.mstone('run')).toEqual(
      refused(
        'error: milestones/1A.md is not committed as it is',
        '  expected: what decides is read from your commit, never from an agent’s branch',
        '  fix: git add milestones && git commit -m "Milestones", or let mstone do it: mstone run --commit',
      ),
    );
    expect(standing(p)).toEqual(before);

    const run = await p.mstone('run', '--commit');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.landed()).toEqual(['Configuration', 'Milestones', '1A: Part 1A']);
    expect(p.tree()).toEqual({ 'a.txt': 'a' });
    expect(p.git('status', '--porcelain')).toBe('A  staged.txt\n?? mine.txt');
  });

  it('has no commit at all: --commit makes the root', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.write('mine.txt', 'mine\n');
    const before = standing(p);
    expect(await p.mstone('run')).toEqual(
      refused(
        'error: milestones/1A.md, mstone.yaml are not in any commit: the repository has none',
        '  expected: what decides is read from your commit, never from an agent’s branch',
        '  fix: git add milestones mstone.yaml && git commit -m "Milestones", or let mstone do it: mstone run --commit',
      ),
    );
    expect(standing(p)).toEqual(before);

    const run = await p.mstone('run', '--commit');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);
    expect(p.git('show', '--format=', '--name-only', 'main~1')).toBe('milestones/1A.md\nmstone.yaml');
    expect(p.git('status', '--porcelain')).toBe('?? mine.txt');
  });
});

describe('milestones that cannot be read', () => {
  it('are all told at once, with file, line and what to do; nothing is started', async () => {
    const p = project('agent: recipe\nreviewer: recipe\nchekcs: [npm test]\n');
    const text = '# Fine\n\n## Recipe\n\n```sh\ntrue\n```\n';
    p.write('milestones/1A.md', Buffer.from([0x23, 0x20, 0x00, 0xff, 0xfe]));
    p.write('milestones/1B-one.md', text);
    p.write('milestones/1B-two.md', text);
    p.write('milestones/1C.md', '');
    p.write('milestones/1D.md', `---\ndepend_on: [1B]\n---\n${text}`);
    p.write('milestones/1E.md', 'x'.repeat(2 * 1024 * 1024));
    p.write('../outside.md', text);
    symlinkSync('../../outside.md', join(p.root, 'milestones', '1F.md'));
    p.write('milestones/0A.md', text);
    p.write('milestones/1.md', text);
    p.write('milestones/notes.md', 'Notes.\n');
    p.commit('Milestones');
    const before = standing(p);

    const run = await p.mstone('run');
    const validated = await p.mstone('validate');
    expect(run).toEqual(
      refused(
        'mstone.yaml:3: error: `chekcs` is no setting',
        `  expected: one of ${SETTINGS.join(', ')}, profiles`,
        '  fix: did you mean `checks`?',
        'milestones/0A.md: error: stages are numbered from 1',
        '  expected: one to three digits, one or two capital letters and perhaps a slug: `1A.md`, `12B-orders-api.md`',
        '  found: 0A.md',
        '  fix: rename it to `1A.md`',
        'milestones/1.md: error: the name has no letter',
        '  expected: one to three digits, one or two capital letters and perhaps a slug: `1A.md`, `12B-orders-api.md`',
        '  found: 1.md',
        '  fix: rename it to `1A.md`',
        'milestones/1A.md: error: this is not a text file',
        '  expected: markdown in UTF-8',
        '  fix: save it as UTF-8',
        'milestones/1B-two.md: error: 1B-one.md and 1B-two.md are both milestone 1B',
        '  fix: rename or remove one of them',
        'milestones/1C.md: error: the file is empty',
        '  expected: a heading and what is to be done',
        '  fix: write what is to be done, or remove the file',
        'milestones/1D.md:2: error: `depend_on` is not a key of a milestone',
        '  expected: one of title, depends_on, agent, reviewer, reviewers, role, model, checks, paths, allow, estimate, timeout, retries, review_rounds, priority, requires, env, approval, enabled',
        '  fix: did you mean `depends_on`?',
        'milestones/1E.md: error: the file is too large for a milestone',
        '  expected: at most 256 KB',
        '  found: 2048 KB',
        '  fix: put long reference material into files of its own and name them in the milestone',
        'milestones/1F.md: error: a milestone must be a plain file',
        '  found: a symlink',
        '  fix: put the text itself there, as a file',
        'milestones/notes.md: note: ignored: the names of milestones begin with a number, as in `1A.md`',
      ),
    );
    // What could be read is held against the rest as well.
    expect(validated).toEqual({
      code: 2,
      stdout: '10 errors.\nNext: mend them, then type: mstone validate\n',
      stderr: `${run.stderr}milestones/1B-one.md: error: 1B has neither a reviewer nor a \`## Review\`\n  fix: add \`reviewer: NAME\`, or a \`## Review\` section with a \`\`\`sh block, or \`review: false\` to mstone.yaml\n`,
    });
    expect(standing(p)).toEqual(before);
  });

  it('lie behind links, of which a commit holds no more than the name', async () => {
    const p = project('');
    p.write('../elsewhere/1A.md', '# Elsewhere\n');
    p.write('../elsewhere.yaml', 'agent: recipe\n');
    symlinkSync('../elsewhere', join(p.root, 'milestones'));
    symlinkSync('../elsewhere.yaml', join(p.root, 'mstone.yaml'));
    p.commit('Links');
    const before = standing(p);
    const plain = (file: string, word: string): string[] => [
      `${file}: error: this must be a plain ${word}`,
      '  found: a symlink',
      `  fix: put the ${word} itself there: a commit holds a link, not what it leads to`,
    ];
    const links = refused(...plain('mstone.yaml', 'file'), ...plain('milestones', 'folder'));
    expect(await Promise.all([p.mstone('run'), p.mstone('plan')])).toEqual([links, links]);
    expect(standing(p)).toEqual(before);
  });

  it('depend on themselves, on a later stage, on nothing, or in a circle', async () => {
    const p = project();
    const depends = (id: string, on: string): void =>
      p.milestone(id, { front: `depends_on: [${on}]`, implement: 'true' });
    depends('1A', '1A');
    depends('1B', '2A');
    depends('1C', '1Z');
    depends('1D', '1E');
    depends('1E', '1D');
    p.milestone('2A', { implement: 'true' });
    p.commit('Milestones');
    const before = standing(p);
    const run = await p.mstone('run');
    expect(run).toEqual(
      refused(
        'milestones/1A.md:2: error: 1A depends on itself',
        '  fix: remove 1A from its dependencies',
        'milestones/1B.md:2: error: 1B depends on 2A of the later stage 2',
        '  expected: a milestone of stage 1 or an earlier one',
        '  fix: remove 2A from its dependencies, or move one of the two to another stage',
        'milestones/1C.md:2: error: 1C depends on 1Z, which does not exist',
        '  fix: did you mean `1A`?',
        'milestones/1D.md:2: error: milestones wait for each other: 1D → 1E → 1D',
        '  fix: remove one of these dependencies, such as 1E from 1D',
      ),
    );
    expect(standing(p)).toEqual(before);
  });

  it('gaps in the numbering are fine, and what is no milestone is passed over with a word', async () => {
    const p = project();
    p.milestone('2B', { implement: 'echo b > b.txt' });
    p.milestone('7A', { implement: 'echo a > a.txt' });
    p.write('milestones/notes.md', 'Notes.\n');
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.stderr).toBe(
      'milestones/notes.md: note: ignored: the names of milestones begin with a number, as in `1A.md`\n',
    );
    expect(p.landed()).toEqual(['Milestones', '2B: Part 2B', '7A: Part 7A']);
  });
});

describe('a command line that cannot be followed', () => {
  it('names unknown milestones, stages, commands, options and branches, with what was meant', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('2A', { implement: 'echo b > b.txt' });
    p.commit('Milestones');
    const before = standing(p);
    const tried: [string[], ...string[]][] = [
      [
        ['run', '1B', '9Z'],
        'error: there is no milestone 1B',
        '  fix: did you mean `1A`?',
        'error: there is no milestone 9Z',
        '  fix: type `mstone plan` to see what there is',
      ],
      [
        ['run', '2A'],
        'milestones/2A.md: error: 2A needs 1A, which is not done',
        '  fix: `mstone run 2A --with-needs` builds it first',
      ],
      [
        ['run', '--stage', '3'],
        'error: stage 3 has no milestones',
        '  expected: one of 1, 2',
        '  fix: type `mstone plan` to see the stages',
      ],
      [
        ['run', '--stage', '0'],
        'error: `--stage` cannot be read',
        '  expected: a whole number from 1 to 999',
        '  found: 0',
        '  fix: write what is expected, or leave it out',
      ],
      [
        ['run', '-j', '0'],
        'error: `jobs` cannot be read',
        '  expected: a whole number from 1, or a share of the processors such as `50%`',
        '  found: "0"',
        '  fix: write what is expected; `mstone config --origin` shows who says what',
      ],
      [['run', '--jbos', '2'], "error: unknown option '--jbos'", '  fix: did you mean `--jobs`?'],
      [
        ['run', '--onto', 'mian'],
        'error: there is no local branch "mian"',
        '  fix: did you mean --onto main?',
      ],
      [
        ['run', '--agent', 'nobody'],
        'error: `agent` names an agent that is not configured',
        '  expected: one of claude, codex, gemini, opencode, recipe',
        '  found: nobody',
        '  fix: add `agents: { nobody: { kind: command, command: [...] } }` to mstone.yaml',
      ],
      [['rnu'], "error: unknown command 'rnu'", '  fix: did you mean `run`?'],
      [
        ['retry'],
        'error: which milestones?',
        '  fix: name them (`mstone retry 1A`) or type `mstone retry --failed`',
      ],
      [
        ['-C', 'nowhere', 'run'],
        `error: there is no folder ${join(p.root, 'nowhere')}`,
        '  fix: name an existing folder with -C',
      ],
    ];
    // One after the other: two that get as far as the lock would meet there.
    for (const [line, ...words] of tried) expect(await p.mstone(...line)).toEqual(refused(...words));
    expect(standing(p)).toEqual(before);
  });
});

describe('what only looks', () => {
  it('plan, status, validate and run -n change no file and no ref', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    p.milestone('1B', { implement: 'echo b > b.txt' });
    const before = { ...standing(p), git: readdirSync(join(p.root, '.git')).sort() };
    const lines = [
      ['plan'],
      ['plan', '--json'],
      ['status'],
      ['status', '--json'],
      ['validate'],
      ['run', '-n'],
      [],
    ];
    for (const line of lines) {
      const { code, stderr } = await p.mstone(...line);
      expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' });
    }
    expect({ ...standing(p), git: readdirSync(join(p.root, '.git')).sort() }).toEqual(before);
  });
});

describe('one stage', () => {
  it('is refused while an earlier one is unfinished, and runs alone once that is done', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.milestone('2A', { implement: 'echo c > c.txt' });
    p.commit('Milestones');
    const before = standing(p);
    expect(await p.mstone('run', '--stage', '2')).toEqual(
      refused(
        'error: stage 2 needs 1A, 1B, which are not done',
        '  fix: `mstone run --until 2` builds them first',
      ),
    );
    expect(standing(p)).toEqual(before);
    expect((await p.mstone('run')).code).toBe(0);
    expect(p.landed().sort()).toEqual(['1A: Part 1A', '1B: Part 1B', '2A: Part 2A', 'Milestones']);

    p.milestone('2B', { implement: 'echo d > d.txt' });
    p.milestone('3A', { implement: 'echo e > e.txt' });
    p.commit('More');
    expect((await p.mstone('run', '--stage', '2')).code).toBe(0);
    expect(p.landed().slice(4)).toEqual(['More', '2B: Part 2B']);
  });
});

describe('beside a run', () => {
  it('a second one exits 4, one on another branch is refused once the first was interrupted, and the first goes on', async () => {
    const p = project();
    const gate = join(homeOf(p), 'gate');
    p.milestone('1A', { implement: `while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt` });
    p.commit('Milestones');
    p.git('branch', 'other');
    const first = p.start(['run']);
    await first.said('1A implement started');
    const second = await p.mstone('run');
    expect(second).toEqual({
      code: 4,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: another run holds the lock: another mstone is at work here: process \d+ on \S+, since \S+Z\n {2}fix: type `mstone status` to see what it does\n$/,
      ),
    });
    first.child.kill('SIGKILL');
    await first.ended;
    const before = standing(p);
    const elsewhere = await p.mstone('run', '--onto', 'other');
    const [run = ''] = readdirSync(join(p.root, '.git', 'mstone', 'runs'));
    expect(elsewhere).toEqual(
      refused(
        `error: run ${run} on main is unfinished, and this one would land on other`,
        '  fix: switch to main, or finish it first: mstone resume',
      ),
    );
    expect(standing(p)).toEqual(before);
    p.write('../gate', '');
    const resumed = await p.mstone('run');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);
    expect(p.landed('other')).toEqual(['Milestones']);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.review']);
    expect(await p.leftovers()).toEqual([]);
  });
});

describe('names that are not plain', () => {
  it('spaces, quotes and other scripts in the path of the repository and of files work to the end', async () => {
    const p = project(
      'agent: recipe\nreviewer: recipe\nchecks: [\'test -s "$(ls -d src/*/)ärger & 漢字.txt"\']\n',
      "Ein 'Ordner' mit $Zeug, ünï 仓库",
    );
    // Whichever lands second meets the other.
    const resolve = "printf 'a\\nb\\n' > 'src/a b/ärger & 漢字.txt'";
    p.milestone('1A', {
      title: 'Größe',
      implement: "mkdir -p 'src/a b'; echo a > 'src/a b/ärger & 漢字.txt'",
      resolve,
    });
    p.milestone('1B', {
      implement: "mkdir -p 'src/a b'; echo b > 'src/a b/ärger & 漢字.txt'; git add .; git commit -qm 'é'",
      resolve,
    });
    p.milestone('1C', {
      front: 'depends_on: [1A, 1B]',
      implement:
        "git mv 'src/a b/ärger & 漢字.txt' 'src/a b/\"quoted\" \\name'; echo x > 'src/a b/ärger & 漢字.txt'",
    });
    renameSync(join(p.root, 'milestones', '1A.md'), join(p.root, 'milestones', '1A-größe-漢字.md'));
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.stderr).toBe('');
    expect(run.code, run.stdout).toBe(0);
    expect(p.landed().sort()).toEqual(['1A: Größe', '1B: Part 1B', '1C: Part 1C', 'Milestones']);
    expect(p.tree()).toEqual({ 'src/a b/"quoted" \\name': 'a\nb', 'src/a b/ärger & 漢字.txt': 'x' });
    expect(p.git('status', '--porcelain')).toBe('');
    expect(await p.leftovers()).toEqual([]);
  });
});

it('a target that is deleted under a run is named with the command that brings it back', async () => {
  const p = project('agent: recipe\nreview: false\nretries: 0\n');
  p.milestone('1A', { implement: 'while ! test -e "$HOME/go"; do sleep 0.05; done; echo a > a.txt' });
  p.milestone('2A', { implement: 'echo b > b.txt' });
  p.commit('Milestones');
  const head = p.oid('main');
  p.git('switch', '-q', '-c', 'other');
  const run = p.start(['run', '--onto', 'main']);
  await run.said('1A implement started');
  p.git('update-ref', '-d', 'refs/heads/main');
  p.write('../go', '');
  const { code, stdout, stderr } = await run.ended;
  expect(code, stdout + stderr).toBe(1);
  expect(stdout).toMatch(
    new RegExp(`1A failed: .*branch main is gone: git branch main ${head.slice(0, 12)}`),
  );
  const again = await p.mstone('run', '--onto', 'main');
  expect([again.code, again.stderr.split('\n')[0]]).toEqual([2, 'error: there is no local branch "main"']);
  p.git('branch', 'main', head.slice(0, 12));
  const retried = await p.mstone('retry', '--failed');
  expect(retried.code, retried.stdout + retried.stderr).toBe(0);
  expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '2A: Part 2A']);
});
