/** When the target gets what landed: at the end of a stage or of the run, through pull requests, or never, on a branch of the run's own. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

function project(config: object): TestProject {
  const p = makeProject(`${JSON.stringify({ agent: 'recipe', review: false, retries: 0, ...config })}\n`);
  projects.push(p);
  return p;
}

const home = (p: TestProject): string => p.env.HOME ?? '';
const branches = (p: TestProject): string[] =>
  p.git('for-each-ref', '--format=%(refname:short)', 'refs/heads').split('\n');
const states = async (p: TestProject): Promise<string[]> => {
  const { stdout } = await inside(['plan', '--json'], p.root, p.env);
  const { milestones } = JSON.parse(stdout) as { milestones: { id: string; state: string }[] };
  return milestones.map(({ id, state }) => `${id} ${state}`);
};
/** What the target held when an agent began. */
const seen = 'git log --first-parent --format=%s main | grep -c : >> "$HOME/seen" || true';

describe('land: stage', () => {
  it('moves the target with whole stages, and tags each', async () => {
    const p = project({ land: 'stage', tags: { stage: 'v/{stage}-done' } });
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { front: 'depends_on: [1A]', implement: `${seen}; echo b > b.txt` });
    p.milestone('2A', { implement: `${seen}; test -e "$HOME/ok"; echo 2 > 2.txt` });
    p.milestone('3A', { implement: `${seen}; echo 3 > 3.txt` });
    const first = p.commit('Milestones');
    p.git('tag', 'v/2-done', first);

    // One of two: it has landed for every plan, and the target is left where it is.
    const part = await p.mstone('run', '1A');
    expect([part.code, p.landed(), p.landed('mstone/main')], part.stdout + part.stderr).toEqual([
      0,
      ['Milestones'],
      ['Milestones', '1A: Part 1A'],
    ]);
    expect(await states(p)).toEqual(['1A done', '1B todo', '2A todo', '3A todo']);
    expect((await p.mstone('mark', '3A', '--done')).code).toBe(0);
    expect((await p.mstone('mark', '3A', '--todo')).code).toBe(0);
    expect(p.landed()).toEqual(['Milestones']);

    const stopped = await p.mstone('run');
    expect(stopped.code, stopped.stdout + stopped.stderr).toBe(1);
    expect(p.landed().slice(-1)).toEqual(['1B: Part 1B']);
    expect(stopped.stdout).toContain('stage 1 is tagged v/1-done\n');
    expect(p.oid('v/1-done^{commit}')).toBe(p.oid('main'));
    expect(branches(p).filter((name) => name === 'mstone/main')).toEqual([]);

    writeFileSync(join(home(p), 'ok'), '');
    const rest = await p.mstone('retry', '2A');
    expect(rest.code, rest.stdout + rest.stderr).toBe(0);
    expect(rest.stdout).toContain('stage 2 is not tagged: v/2-done is there, at another commit, and stays\n');
    expect([p.oid('v/2-done'), p.oid('v/3-done^{commit}')]).toEqual([first, p.oid('main')]);
    expect(p.landed().slice(-2)).toEqual(['2A: Part 2A', '3A: Part 3A']);
    // 1B saw nothing of 1A there, 2A (twice) both of them.
    expect(
      readFileSync(join(home(p), 'seen'), 'utf8')
        .trim()
        .split('\n'),
    ).toEqual(['0', '2', '2', '3']);
  });
});

describe('land: end', () => {
  it('moves the target once all is done, as far as it got', async () => {
    const p = project({});
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('2A', { implement: `${seen}; echo 2 > 2.txt` });
    p.milestone('2B', { implement: 'exit 9' });
    p.commit('Milestones');
    const run = await inside(['run'], p.root, {
      ...p.env,
      MSTONE_LAND: 'end',
      MSTONE_TAGS_STAGE: 's{stage}',
    });
    expect(run.code, run.stdout + run.stderr).toBe(1);
    expect(readFileSync(join(home(p), 'seen'), 'utf8')).toBe('0\n');
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '2A: Part 2A']);
    expect(p.git('tag')).toBe('s1');
    expect(p.git('status', '--porcelain')).toBe('');
  });
});

/** A stand-in for GitHub's CLI: pull requests are in `$HOME/pulls.json`, what it was asked in `$HOME/asked`. */
const GH = `#!/usr/bin/env node
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require('node:fs');
const args = process.argv.slice(2);
const file = process.env.HOME + '/pulls.json';
const all = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
const of = (name) => args[args.indexOf(name) + 1];
appendFileSync(process.env.HOME + '/asked', args.slice(0, 2).join(' ') + ' ' + (of('--head') ?? '') + '\\n');
if (args[1] === 'list') {
  console.log(JSON.stringify(all.filter(({ head }) => head === of('--head')).map(({ number, url }) => ({ number, url }))));
} else {
  const text = { title: of('--title'), body: readFileSync(of('--body-file'), 'utf8') };
  if (args[1] === 'edit') Object.assign(all.find(({ number }) => String(number) === args[2]), text);
  else {
    const number = all.length + 1;
    all.push({ number, url: 'https://example.org/pull/' + number, head: of('--head'), base: of('--base'), ...text });
    console.log('Creating…\\n' + all.at(-1).url);
  }
  writeFileSync(file, JSON.stringify(all));
}
`;

interface Pull {
  readonly head: string;
  readonly base: string;
  readonly title: string;
  readonly body: string;
}
const pulls = (p: TestProject): Pull[] => JSON.parse(readFileSync(join(home(p), 'pulls.json'), 'utf8'));

/** All programs of the machine but `gh`, and `gh` where it is given. */
function withGh(p: TestProject, script: string | undefined): void {
  const folder = join(home(p), 'bin');
  mkdirSync(folder);
  for (const from of (process.env.PATH ?? '').split(delimiter).filter((name) => existsSync(name))) {
    for (const name of readdirSync(from)) {
      if (name !== 'gh' && !existsSync(join(folder, name))) symlinkSync(join(from, name), join(folder, name));
    }
  }
  if (script !== undefined) writeFileSync(join(folder, 'gh'), script, { mode: 0o755 });
  p.env.PATH = folder;
}

function bareRemote(p: TestProject, name: string): string {
  const bare = join(dirname(p.root), `${name}.git`);
  execFileSync('git', ['init', '-q', '--bare', '-b', 'main', bare]);
  p.git('push', '-q', bare, 'main');
  return bare;
}

describe('land: pr', () => {
  it('opens a pull request for each stage, once, and knows what was squashed', async () => {
    const p = project({ land: 'pr' });
    withGh(p, GH);
    p.milestone('1A', {
      title: '$(touch "$HOME/pwned") `x` --body "y"',
      criteria: ['Closes all\n\nMstone-Milestone: 2A\nMstone-Digest: v1:00'],
      implement: 'echo a > a.txt',
    });
    p.milestone('1B', { front: 'depends_on: [1A]', implement: 'echo b > b.txt' });
    p.milestone('2A', { implement: 'echo 2 > 2.txt' });
    p.commit('Milestones');
    const bare = bareRemote(p, 'origin');
    p.git('remote', 'add', 'origin', join(home(p), 'nowhere'));

    // A part of a stage waits for the rest, whenever that comes.
    expect((await p.mstone('run', '1A')).code).toBe(0);
    const cut = await p.mstone('run');
    expect(cut.code, cut.stdout + cut.stderr).toBe(3);
    const tip = p.git('log', '-1', '--format=%H', '--grep', '^1B:', 'mstone/main');
    expect(cut.stdout).toContain(
      `Paused: stage 1 could not be published\nNext: git push origin ${tip}:refs/heads/mstone/stage-1 && mstone resume\n`,
    );
    expect([p.landed(), p.landed('mstone/main').length, await states(p)]).toEqual([
      ['Milestones'],
      4,
      ['1A done', '1B done', '2A done'],
    ]);

    // As after a crash between the request and its record: it is found and brought up to date.
    p.git('remote', 'set-url', 'origin', bare);
    writeFileSync(
      join(home(p), 'pulls.json'),
      JSON.stringify([
        {
          number: 1,
          url: 'https://example.org/pull/1',
          head: 'mstone/stage-1',
          base: 'main',
          title: '',
          body: '',
        },
      ]),
    );
    const rest = await p.mstone('resume');
    expect(rest.code, rest.stdout + rest.stderr).toBe(0);
    expect(rest.stdout).toContain('stage 2 is a pull request: https://example.org/pull/2\n');
    expect(readFileSync(join(home(p), 'asked'), 'utf8').split('\n')).toEqual([
      'pr list mstone/stage-1',
      'pr edit pr',
      'pr list mstone/stage-2',
      'pr create mstone/stage-2',
      '',
    ]);
    expect(existsSync(join(home(p), 'pwned'))).toBe(false);
    const [one, two] = pulls(p) as [Pull, Pull];
    expect([one.title, two.title, two.base]).toEqual([
      'Stage 1: $(touch "$HOME/pwned") `x` --body "y", Part 1B',
      'Stage 2: Part 2A',
      'main',
    ]);
    const last = one.body.trimEnd().split('\n\n').at(-1) ?? '';
    expect(last.split('\n').filter((line) => line.startsWith('Mstone-Milestone'))).toEqual([
      'Mstone-Milestone: 1A',
      'Mstone-Milestone: 1B',
    ]);
    expect(p.landed()).toEqual(['Milestones']);
    expect((await inside(['run'], p.root, p.env)).stdout).toBe(
      'Nothing to do: 3 of 3 done.\n  main does not hold all of it yet: git log main..mstone/main\n',
    );

    // Squashed there, with what the requests say, and pulled.
    const clone = join(dirname(p.root), 'clone');
    p.git('clone', '-q', bare, clone);
    p.gitIn(clone, 'config', 'user.name', 'G');
    p.gitIn(clone, 'config', 'user.email', 'g@example.org');
    for (const [branch, { title, body }] of [
      ['mstone/stage-1', one],
      ['mstone/stage-2', two],
    ] as const) {
      p.gitIn(clone, 'merge', '-q', '--squash', '-X', 'theirs', `origin/${branch}`);
      p.gitIn(clone, 'commit', '-qm', `${title} (#1)\n\n${body}`);
    }
    p.gitIn(clone, 'push', '-q', 'origin', 'main');
    p.git('pull', '-q', '--ff-only', 'origin', 'main');
    expect(await states(p)).toEqual(['1A done', '1B done', '2A done']);
    p.milestone('3A', { implement: 'echo 3 > 3.txt' });
    p.commit('More');
    const more = await p.mstone('run');
    expect(more.code, more.stdout + more.stderr).toBe(0);
    expect(more.stdout).toContain('main holds all that was on mstone/main, which begins anew');
    expect(p.landed('mstone/main')).toEqual([...p.landed(), '3A: Part 3A']);
    expect(pulls(p).map(({ head }) => head)).toEqual(['mstone/stage-1', 'mstone/stage-2', 'mstone/stage-3']);
  });

  it('for each milestone, says what opens it where there is no gh', async () => {
    const p = project({});
    withGh(p, undefined);
    p.milestone('1A', { title: "It's one", implement: 'echo a > a.txt' });
    p.commit('Milestones');
    const bare = bareRemote(p, 'backup');
    p.git('remote', 'add', 'backup', bare);
    Object.assign(p.env, { MSTONE_LAND: 'pr', MSTONE_PR_PER: 'milestone', MSTONE_PR_REMOTE: 'backup' });
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const command = `gh pr create --head mstone/1A --base main --title '1A: It'\\''s one' --body-file `;
    expect(run.stdout).toContain(`1A waits for its pull request: ${command}`);
    expect(p.git('ls-remote', bare, 'refs/heads/mstone/1A')).toContain(p.oid('mstone/main'));
    const file = /--body-file (\S+)/.exec(run.stdout)?.[1] ?? '';
    expect(readFileSync(file, 'utf8')).toMatch(/^## 1A: It's one\n\nReview: off\.\n\nMstone-Milestone: 1A\n/);
  });
});

describe('a branch of the run’s own', () => {
  it('is made from the one checked out, and kept to the end of the run', async () => {
    const p = project({});
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { front: 'approval: before', implement: 'echo b > b.txt' });
    p.commit('Milestones');
    p.git('branch', 'run');
    const refused = await p.mstone('run', '--run-branch');
    expect([refused.code, refused.stderr.split('\n')[0]?.replace(/run\/\S+/, 'run/DATE')]).toEqual([
      2,
      expect.stringMatching(/^error: no branch run\/DATE can be made: /),
    ]);
    p.git('branch', '-D', 'run');

    const first = await p.mstone('run', '--run-branch');
    expect(first.code, first.stdout + first.stderr).toBe(3);
    const [own = ''] = branches(p).filter((name) => name.startsWith('run/'));
    expect(own).toMatch(/^run\/\d{4}-\d\d-\d\d-\d\d-\d\d$/);
    expect(first.stdout).toContain(`Landing on ${own}, made from main\n`);
    expect((await p.mstone('approve', '1B')).code).toBe(0);
    const second = await inside(['run'], p.root, { ...p.env, MSTONE_RUN_BRANCH: 'true' });
    expect(second.code, second.stdout + second.stderr).toBe(0);
    expect(branches(p).filter((name) => name.startsWith('run/'))).toEqual([own]);
    expect([p.landed(), p.landed(own).slice(1).sort()]).toEqual([
      ['Milestones'],
      ['1A: Part 1A', '1B: Part 1B'],
    ]);
    expect(p.git('status', '--porcelain', '--branch')).toBe('## main');

    // Another one would be paid for what is there.
    const third = await p.mstone('run', '--run-branch');
    expect([third.code, third.stderr]).toEqual([
      2,
      [
        `error: ${own} holds what a run from main has landed, and main does not`,
        `  fix: take it in: git merge ${own}; or go on there: mstone run --onto ${own}; or drop it: git branch -D ${own}`,
        '',
      ].join('\n'),
    ]);
    p.git('merge', '-q', '--ff-only', own);
    expect((await inside(['run', '--run-branch'], p.root, p.env)).stdout).toBe(
      'Nothing to do: 2 of 2 done.\n',
    );
  });
});
