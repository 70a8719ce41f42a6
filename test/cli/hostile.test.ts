import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { approve, type Ended, makeProject, type Running, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (...args: Parameters<typeof makeProject>): TestProject => {
  const made = makeProject(...args);
  projects.push(made);
  return made;
};
const runs: Running[] = [];
afterEach(async () => {
  // A story that broke off leaves no mstone and no agent behind.
  for (const run of runs.splice(0)) {
    if (run.child.exitCode === null) run.child.kill('SIGTERM');
    await run.ended;
  }
  for (const made of projects.splice(0)) made.remove();
});

/** Starts mstone for a story in which something happens while it runs. */
const begin = (p: TestProject, ...args: string[]): Running => {
  const run = p.start(args);
  runs.push(run);
  return run;
};

const homeOf = (p: TestProject): string => p.env.HOME ?? '';

/** Branches and tags, mstone's own aside. */
const usersRefs = (p: TestProject): string[] =>
  p
    .git('for-each-ref', '--format=%(refname)')
    .split('\n')
    .filter((ref) => !/^refs\/(heads\/)?mstone\//.test(ref));

/** Waits in a recipe until a shell condition holds, and no longer than a test may take. */
const until = (condition: string): string =>
  `for _ in $(seq 600); do if ${condition}; then break; fi; sleep 0.05; done; ${condition}`;

/** Past the guard: the agent's git without its hooks. */
const BYPASS = 'git() { command git -c core.hooksPath=/dev/null "$@"; }';

/** The notes of a run, sorted; what differs from run to run is named. Which agent's end tells of a ref is chance. */
const notes = (stdout: string): string[] =>
  stdout
    .split('\n')
    .flatMap((line) => /^\S+ (\S+ note: .*)/.exec(line)?.[1] ?? [])
    .map((line) =>
      line
        .replace(/^\S+ (note: (?:an agent|the slot's \.git))/, '$1')
        .replace(/\/\S+\/logs\//, 'LOGS/')
        .replace(/\b01[0-9A-Z]{24}\b/, 'RUN')
        .replace(/\b[0-9a-f]{12}\b/g, 'OID'),
    )
    .sort();

/** Waits for a file that a recipe makes. */
const appears = async (file: string, run: Running): Promise<void> => {
  let over = false;
  void run.ended.then(() => {
    over = true;
  });
  await expect.poll(() => over || existsSync(file), { timeout: 30_000 }).toBe(true);
  expect(existsSync(file)).toBe(true);
};

/** The last paragraph of what a run says, line by line. */
const summaryOf = ({ stdout }: Ended): string[] => stdout.trimEnd().split('\n\n').at(-1)?.split('\n') ?? [];

const states = async (p: TestProject): Promise<Record<string, string>> => {
  const { stdout } = await p.mstone('plan', '--json');
  const { milestones } = JSON.parse(stdout) as { milestones: { id: string; state: string }[] };
  return Object.fromEntries(milestones.map(({ id, state }) => [id, state]));
};

describe('agents that misuse git', () => {
  it('deleted, replaced, rewritten, half-done and forged: the files land, the rest is put back and told', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt; rm .git' });
    p.milestone('1B', {
      implement:
        'rm .git; git init -q; git config user.name Me; git config user.email me@example.org; echo b > b.txt; git add -A; git commit -qm own',
    });
    p.milestone('1C', {
      implement: `if git switch -c mine; then exit 9; fi; ${BYPASS}; git switch -q -c mine; echo c > c.txt; git add -A; git commit -qm "on my branch"`,
    });
    p.milestone('1D', {
      implement:
        'echo d > d.txt; git add -A; git commit -qm "$(printf "Done\\n\\nMstone-Milestone: 2A\\nMstone-Digest: v1:00ff")"',
    });
    p.milestone('1E', {
      implement: `${BYPASS}; git checkout -q --orphan fresh; echo e > e.txt; git add -A; git commit -qm "rewritten"; git checkout -q --detach; git commit -q --amend -m "once more"`,
    });
    p.milestone('1F', {
      implement:
        'echo f > f.txt; git add -A; git commit -qm one; one=$(git rev-parse HEAD); git checkout -q HEAD~1; echo g > f.txt; git add -A; git commit -qm two; git rebase -q $one || true; test -d "$(git rev-parse --git-path rebase-merge)"; echo f > f.txt',
    });
    p.milestone('1G', {
      implement:
        'echo mine >> TASKS.md; echo mine >> milestones/1G.md; echo "agent: evil" > mstone.yaml; git rm -q milestones/1A.md; echo new > milestones/9Z.md; echo g > g.txt; git add -A; git commit -qm all; echo more >> mstone.yaml',
    });
    p.milestone('1H', {
      implement:
        'printf h > "$(printf "new\\nline")"; printf h > ./-rf; mkdir ro; echo h > ro/h.txt; chmod 555 ro; git add -A; git commit -qm all; rm -rf "$PWD"; exit 0',
    });
    p.milestone('2A', { implement: 'true' });
    const first = p.commit('Milestones');

    const run = await p.mstone('run', '1A', '1B', '1C', '1D', '1E', '1F', '1G', '1H');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(notes(run.stdout)).toEqual([
      '1B note: kept in LOGS/1B.1.1.left, because no commit can hold it: .git',
      "1D note: commits bore mstone's trailers and were rebuilt without: OID",
      '1D note: the slot as it was left is kept as refs/mstone/left/runs/RUN/1D/1.1',
      '1E note: the slot as it was left is kept as refs/mstone/left/runs/RUN/1E/1.1',
      "1E note: the slot's history did not hold OID any more, where the work began: its files were taken, its commits were not",
      '1G note: put back as they were, being no part of the work: TASKS.md, milestones/1A.md, milestones/1G.md, milestones/9Z.md, mstone.yaml',
      '1G note: the slot as it was left is kept as refs/mstone/left/runs/RUN/1G/1.1',
      "1H note: the slot's folder is gone: only what was committed was taken",
      'note: an agent made fresh; it was removed; what it named is kept as refs/mstone/mended/OID',
      'note: an agent made mine; it was removed; what it named is kept as refs/mstone/mended/OID',
      "note: the slot's .git was replaced by a repository of its own; the link was put back",
    ]);
    expect(p.tree()).toEqual({
      'a.txt': 'a',
      'b.txt': 'b',
      'c.txt': 'c',
      'd.txt': 'd',
      'e.txt': 'e',
      'f.txt': 'f',
      'g.txt': 'g',
      '-rf': 'h',
      'new\nline': 'h',
      'ro/h.txt': 'h',
    });
    expect(p.git('diff', '--name-only', first, 'main', '--', 'milestones', 'mstone.yaml')).toBe('');
    expect(usersRefs(p)).toEqual(['refs/heads/main']);
    expect(p.git('status', '--porcelain')).toBe('');
    expect(await states(p)).toEqual({
      ...Object.fromEntries('ABCDEFGH'.split('').map((letter) => [`1${letter}`, 'done'])),
      '2A': 'todo',
    });
    expect(await p.leftovers()).toEqual([]);
  });

  it('a main that is moved is refused; past the guard it is put back and told, and nothing is built on it meanwhile', async () => {
    const p = project('agent: recipe\nreview: false\n');
    const [checking, moved] = [join(homeOf(p), 'checking'), join(homeOf(p), 'moved')];
    p.milestone('1A', {
      implement:
        'echo a > a.txt; git add -A; git commit -qm a; if git update-ref refs/heads/main HEAD; then exit 9; fi',
    });
    p.milestone('1B', {
      front: 'depends_on: [1A]',
      implement: `${until(`test -e '${checking}'`)}; ${BYPASS}; echo b > b.txt; git add -A; git commit -qm "not reviewed"; git update-ref refs/heads/main HEAD; git update-ref refs/heads/mstone/main HEAD; touch '${moved}'; ${until(`test -n "$(git log --format=%s --grep='^1C:' refs/heads/main)"`)}; test -z "$(git log --grep='not reviewed' refs/heads/main)"; rm -f b.txt; echo B > c.txt`,
      resolve: 'echo both > c.txt',
    });
    // It is merged once main has been moved, and no assignment ends in between.
    p.milestone('1C', {
      front: `depends_on: [1A]\nchecks: ["touch '${checking}'; ${until(`test -e '${moved}'`)}"]`,
      implement: 'echo c > c.txt',
    });
    p.commit('Milestones');

    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const note = (branch: string, what: string): RegExp =>
      new RegExp(`note: an agent ${branch}; it was ${what}; what it named is kept as refs/mstone/mended/`);
    expect(run.stdout).toMatch(note('moved main', 'put back to [0-9a-f]{12}'));
    expect(run.stdout).toMatch(note('made mstone/main', 'removed'));
    expect(run.stdout).not.toContain('could not be undone');
    const log = await p.mstone('logs', '1A');
    expect(log.stdout).toContain('mstone: refused to move refs/heads/main');
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1C: Part 1C', '1B: Part 1B']);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'c.txt': 'both' });
    expect(usersRefs(p)).toEqual(['refs/heads/main']);
    expect(p.git('status', '--porcelain')).toBe('');
    expect(await p.leftovers()).toEqual([]);
  });
});

describe('an agent that removes mstone’s own state', () => {
  it('is told, loses no landing, and the next run begins anew', async () => {
    const p = project();
    const once = join(homeOf(p), 'once');
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', {
      front: 'depends_on: [1A]',
      implement: `echo b > b.txt; test -e '${once}' || { touch '${once}'; rm -rf "$(git rev-parse --git-common-dir)/mstone"; }`,
    });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect({ code: run.code, stderr: run.stderr }).toEqual({
      code: 1,
      stderr: `error: ${join(p.root, '.git', 'mstone')} is not what it was: something removed it while mstone was at work\n  fix: type \`mstone run\` to begin anew; what has landed has landed, and what agents left is kept\n`,
    });
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);

    const again = await p.mstone('run');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
    expect(p.starts()).toEqual(['1B.1.1.implement', '1B.1.2.review']);
    expect(await p.leftovers()).toEqual([]);
  });
});

describe('agents and checks that fail', () => {
  it('each in its own words, once or as often as it may; what is whole lands all the same', async () => {
    const p = project(
      'agent: recipe\nreviewer: recipe\nretries: 1\nbackoff: 100ms\ntimeouts: { idle: 6s }\n',
    );
    const daemon = join(homeOf(p), 'daemon');
    const again = join(homeOf(p), 'again');
    p.milestone('1A', { front: 'checks: ["no-such-program --version"]', implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt; echo "cannot find it"; exit 127' });
    p.milestone('1C', { implement: 'exit 126' });
    p.milestone('1D', {
      implement: `test -e '${again}' || { touch '${again}'; echo half > d.txt; exit 3; }; echo d > d2.txt`,
    });
    p.milestone('1E', { implement: 'echo "Segmentation fault"; kill -SEGV $$' });
    p.milestone('1F', {
      front: 'timeout: 1s\nretries: 0',
      implement: 'echo f > f.txt; while true; do echo tick; sleep 0.1; done',
    });
    p.milestone('1G', { front: 'retries: 0', implement: 'echo g > g.txt; exec sleep 300' });
    p.milestone('1H', {
      front: 'requires: [{file: a.txt}, {command: "test -e nowhere"}]',
      implement: 'echo h > h.txt',
    });
    p.milestone('1I', {
      implement: `echo i > i.txt; setsid sleep 300 > /dev/null 2>&1 & echo $! > '${daemon}'`,
    });
    p.milestone('1J', { implement: 'echo j > j.txt', review: 'echo "LGTM, I approve this."' });
    p.milestone('1K', {
      implement: 'echo k > k.txt',
      review: `echo evil > k.txt; echo new > evil.txt; ${approve()}`,
    });
    p.milestone('1L', { implement: 'true' });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: '' });
    const [summary = ''] = run.stdout.split('\n\n').slice(-1);
    expect(summary.split('\n')).toEqual([
      '4 of 12 milestones landed on main',
      expect.stringMatching(
        /^1A failed: `no-such-program --version` could not start \(exit 127\): .*not found \(mstone logs 1A\)$/,
      ),
      '1B failed: recipe could not start: a command in the recipe was not found (exit 127): cannot find it (mstone logs 1B)',
      '1C failed: recipe could not start: a command in the recipe may not be run (exit 126) (mstone logs 1C)',
      '1E failed: recipe crashed: ended by SIGSEGV: Segmentation fault (attempt 2 of 2) (mstone logs 1E)',
      '1F failed: recipe ran out of time (attempt 1 of 1) (mstone logs 1F)',
      '1G failed: recipe fell silent (attempt 1 of 1) (mstone logs 1G)',
      '1H failed: needs file: a.txt, command: test -e nowhere: there is no a.txt; `test -e nowhere` failed (exit 1) (mstone logs 1H)',
      '1J failed: the review failed: it printed no verdict line (mstone logs 1J)',
      'Ended: 1A, 1B, 1C, 1E, 1F, 1G, 1H, 1J failed',
      'Next: mstone retry 1A 1B 1C 1E 1F 1G 1H 1J',
      '',
    ]);
    expect(notes(run.stdout)).toEqual(['1K note: the reviewer changed files; that was dropped']);
    expect(p.tree()).toEqual({ 'd2.txt': 'd', 'i.txt': 'i', 'k.txt': 'k' });

    // Nothing done is lost: what failed is on its branch, what was given up in its attempt.
    const [id = ''] = readdirSync(join(p.root, '.git', 'mstone', 'runs'));
    const shows = (letters: string): Record<string, string[]> =>
      Object.fromEntries(
        [...letters].map((letter) => [
          letter,
          // What had landed when its last attempt began is there, too.
          Object.keys(p.tree(`mstone/1${letter}`)).filter((name) => !Object.hasOwn(p.tree(), name)),
        ]),
      );
    expect(shows('ABEFGJ')).toEqual({
      A: ['a.txt'],
      B: ['b.txt'],
      E: [],
      F: ['f.txt'],
      G: ['g.txt'],
      J: ['j.txt'],
    });
    expect(p.tree(`refs/mstone/runs/${id}/1D/1.1`)).toEqual({ 'd.txt': 'half' });

    // What changed nothing landed as a tick alone, and is not asked again; what gave up costs nothing more.
    const ticked = p.git('log', '--format=%H', '--grep=^1L:', 'main');
    expect(p.git('diff', '--name-only', `${ticked}~`, ticked)).toBe('TASKS.md');
    const starts = p.starts();
    expect(starts.filter((name) => /^1[EJL]/.test(name))).toEqual([
      '1E.1.1.implement',
      '1E.2.1.implement',
      '1J.1.1.implement',
      '1J.1.2.review',
      '1J.1.3.review',
      '1L.1.1.implement',
      '1L.1.2.implement',
      '1L.1.3.review',
    ]);
    const second = await p.mstone('run');
    expect({ code: second.code, stderr: second.stderr }).toEqual({ code: 1, stderr: '' });
    expect(second.stdout).toContain(
      '\n1J failed: the review failed: it printed no verdict line (mstone logs 1J)\n',
    );
    expect(second.stdout).toContain('\nNext: mstone retry 1A 1B 1C 1E 1F 1G 1H 1J\n');
    expect((await p.mstone('logs', '1J')).stdout).toContain('LGTM, I approve this.');
    expect(p.starts()).toEqual(starts);

    expect(() => process.kill(Number(readFileSync(daemon, 'utf8')), 0)).toThrow('ESRCH');
    expect(await p.leftovers()).toEqual([]);
  });
});

describe('a target that moves', () => {
  it('forward under a working agent is planned upon; the user’s hooks run for the agent, not for mstone', async () => {
    const p = project();
    const [gate, hooked] = [join(homeOf(p), 'gate'), join(homeOf(p), 'hooked')];
    p.milestone('1A', {
      implement: `echo a > a.txt; git add -A; git commit -qm "By the agent"; echo left > left.txt; ${until(`test -e '${gate}'`)}`,
    });
    p.commit('Milestones');
    p.write('.git/hooks/pre-commit', `#!/bin/sh\npwd >> '${hooked}'\n`);
    chmodSync(join(p.root, '.git', 'hooks', 'pre-commit'), 0o755);
    const run = begin(p, 'run');
    await run.said('1A implement started');
    p.commit('By the user', { 'u.txt': 'u\n' });
    p.write('../gate', '');
    const ended = await run.ended;
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', 'By the user', '1A: Part 1A']);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'left.txt': 'left', 'u.txt': 'u' });
    expect(p.git('status', '--porcelain')).toBe('');
    const lines = readFileSync(hooked, 'utf8').trimEnd().split('\n');
    expect(lines.sort()).toEqual([p.root, expect.stringMatching(/\/slots\/1$/)]);
  });

  it('backwards is kept as it was and as it is, and stops with exit 3; the next run goes by it', async () => {
    const p = project();
    const [begun, gate] = [join(homeOf(p), 'begun'), join(homeOf(p), 'gate')];
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', {
      front: 'depends_on: [1A]',
      implement: `touch '${begun}'; echo b > b.txt; ${until(`test -e '${gate}'`)}`,
    });
    const milestones = p.commit('Milestones');
    const run = begin(p, 'run');
    await appears(begun, run);
    const landed = p.oid('main');
    p.git('reset', '-q', '--hard', 'HEAD~1');
    p.write('../gate', '');
    const ended = await run.ended;
    expect(ended.code).toBe(3);
    const [old, now] = [landed.slice(0, 7), milestones.slice(0, 7)];
    expect(ended.stdout.split('\n\n').at(-1)).toBe(
      `1 of 2 milestones landed on main\nmain no longer holds ${old}, it is at ${now}: both are kept, nothing lands\nEnded: main was moved backwards\nNext: git reflog main\n`,
    );
    expect(p.oid('main')).toBe(milestones);
    expect(
      p.git('for-each-ref', '--format=%(refname) %(objectname)', 'refs/mstone/pins').split('\n'),
    ).toEqual([
      `refs/mstone/pins/rewound/1/expected ${landed}`,
      `refs/mstone/pins/rewound/1/found ${milestones}`,
    ]);
    expect(p.tree('mstone/1B')).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });

    const again = await p.mstone('run');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
  });
});

describe('a checkout in the way', () => {
  it('changed files: landings go on beside, exit 3 names the file and the command, and once it is out of the way main follows', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo new > base.txt' });
    p.milestone('1B', { front: 'depends_on: [1A]', implement: 'echo b > b.txt' });
    p.commit('Milestones', { 'base.txt': 'old\n' });
    const before = p.oid('main');
    p.write('base.txt', 'mine\n');
    const run = await p.mstone('run');
    const stuck = {
      code: 3,
      summary: [
        '2 of 2 milestones landed on mstone/main',
        `main could not follow: "base.txt" is changed in ${p.root} and changed by what lands`,
        'Ended: main could not follow mstone/main',
        'Next: git stash && git merge --ff-only mstone/main && git stash pop',
      ],
    };
    expect({ code: run.code, summary: summaryOf(run) }).toEqual(stuck);
    expect(p.oid('main')).toBe(before);
    expect(readFileSync(join(p.root, 'base.txt'), 'utf8')).toBe('mine\n');
    expect(p.landed('mstone/main')).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
    expect(await states(p)).toEqual({ '1A': 'done', '1B': 'done' });

    // Still in the way: nothing is done anew, and the answer is the same.
    const starts = p.starts();
    const still = await p.mstone('run');
    expect({ code: still.code, summary: summaryOf(still) }).toEqual({
      code: 3,
      summary: ['No milestone was left to do', ...stuck.summary.slice(1)],
    });
    p.git('stash');
    const followed = await p.mstone('run');
    expect(followed.code, followed.stdout + followed.stderr).toBe(0);
    expect(followed.stdout).toContain(`main followed to ${p.oid('main').slice(0, 7)}\n`);
    expect(p.starts()).toEqual(starts);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
    expect(p.git('status', '--porcelain')).toBe('');
    expect(usersRefs(p)).toEqual(['refs/heads/main', 'refs/stash']);
    expect(p.git('for-each-ref', 'refs/heads/mstone/main')).toBe('');
  });

  it('untracked and ignored files likewise; what the user commits meanwhile is merged, and in the end all is there', async () => {
    const p = project();
    const gate = join(homeOf(p), 'gate');
    p.milestone('1A', {
      implement: 'echo new > new.txt; echo log > out.log; git add -f .; git commit -qm both',
    });
    p.milestone('1B', {
      front: 'depends_on: [1A]',
      implement: `echo b > b.txt; ${until(`test -e '${gate}'`)}`,
    });
    p.commit('Milestones', { '.gitignore': '*.log\n' });
    p.write('new.txt', 'mine\n');
    p.write('out.log', 'my log\n');
    const run = begin(p, 'run');
    await run.said('1B implement started');
    p.write('u.txt', 'u\n');
    p.git('add', 'u.txt');
    p.git('commit', '-qm', 'By the user');
    p.write('../gate', '');
    const ended = await run.ended;
    expect({ code: ended.code, summary: summaryOf(ended) }).toEqual({
      code: 3,
      summary: [
        '2 of 2 milestones landed on mstone/main',
        `main could not follow: 2 files would be overwritten in ${p.root}`,
        'Ended: main could not follow mstone/main',
        'Next: mv -- new.txt new.txt.mine && mv -- out.log out.log.mine && git merge --ff-only mstone/main',
      ],
    });
    expect(readFileSync(join(p.root, 'new.txt'), 'utf8')).toBe('mine\n');
    expect(readFileSync(join(p.root, 'out.log'), 'utf8')).toBe('my log\n');
    expect(p.landed()).toEqual(['Milestones', 'By the user']);
    renameSync(join(p.root, 'new.txt'), join(p.root, 'new.txt.mine'));
    renameSync(join(p.root, 'out.log'), join(p.root, 'out.log.mine'));
    const followed = await p.mstone('run');
    expect(followed.code, followed.stdout + followed.stderr).toBe(0);
    expect(followed.stdout).toContain(`main followed to ${p.oid('main').slice(0, 7)}\n`);
    expect(p.tree()).toEqual({
      'b.txt': 'b',
      'new.txt': 'new',
      'out.log': 'log',
      'u.txt': 'u',
      '.gitignore': '*.log',
    });
    expect(p.git('status', '--porcelain')).toBe('?? new.txt.mine\n?? out.log.mine');
    expect(await p.leftovers()).toEqual([]);
  });

  it('on another branch, or on none, is left alone: --onto lands beside it', async () => {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.commit('Milestones');
    p.git('switch', '-q', '-c', 'work');
    p.commit('Own work', { 'a.txt': 'own\n' });
    p.write('b.txt', 'untracked\n');
    const first = await p.mstone('run', '1A', '--onto', 'main');
    expect(first.code, first.stdout + first.stderr).toBe(0);
    p.git('checkout', '-q', '--detach');
    const second = await p.mstone('run', '--onto', 'main');
    expect(second.code, second.stdout + second.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
    expect(p.landed('work')).toEqual(['Milestones', 'Own work']);
    expect(p.git('status', '--porcelain')).toBe('?? b.txt');
    expect(readFileSync(join(p.root, 'a.txt'), 'utf8')).toBe('own\n');
  });
});

describe('what no commit can hold', () => {
  it('is kept beside the log: big, ignored and nested', async () => {
    const p = project();
    p.milestone('1A', {
      implement:
        'echo a > a.txt; head -c 10000001 /dev/zero > big.bin; echo log > out.log; git init -q nested; echo n > nested/n.txt; mkdir node_modules; echo m > node_modules/m',
    });
    p.commit('Milestones', { '.gitignore': '*.log\nnode_modules\n' });
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(notes(run.stdout)).toEqual([
      '1A note: kept in LOGS/1A.1.1.left, because no commit can hold it: big.bin, nested, out.log',
      '1A note: not kept, because it can be made again: node_modules',
    ]);
    const [id = ''] = readdirSync(join(p.root, '.git', 'mstone', 'runs'));
    const left = join(p.root, '.git', 'mstone', 'runs', id, 'logs', '1A.1.1.left');
    expect(statSync(join(left, 'big.bin')).size).toBe(10_000_001);
    expect(readFileSync(join(left, 'nested', 'n.txt'), 'utf8')).toBe('n\n');
    expect(readFileSync(join(left, 'out.log'), 'utf8')).toBe('log\n');
    expect(p.tree()).toEqual({ '.gitignore': '*.log\nnode_modules', 'a.txt': 'a' });
  });
});

describe('a usage limit', () => {
  /** An agent that is limited on its first day, for `ms` from then. */
  const limited = (ms: number): TestProject => {
    const p = project(
      'agent: mine\nreviewer: recipe\nretries: 0\nagents: { mine: { kind: command, command: [sh, tools/agent.sh] } }\n',
    );
    p.write(
      'tools/agent.sh',
      `if test ! -e "$HOME/reset"; then
         echo half > half.txt
         node -p 'new Date(Date.now() + ${ms}).toISOString()' > "$HOME/reset"
         printf '{"mstone":"limited","reset_at":"%s"}\\n' "$(cat "$HOME/reset")"
         exit 75
       fi
       test -e half.txt
       echo whole > whole.txt
      `,
    );
    p.milestone('1A', {});
    p.commit('Milestones');
    return p;
  };
  const resetOf = (p: TestProject): number =>
    Date.parse(readFileSync(join(homeOf(p), 'reset'), 'utf8').trim());
  const whole = {
    landed: ['Milestones', '1A: Part 1A'],
    starts: ['1A.1.1.implement', '1A.1.2.implement', '1A.1.3.review'],
  };

  it('is waited for, costs no attempt and ends with Ctrl-C; with --no-wait it pauses with 75 until resume comes late enough', async () => {
    const [waits, pauses, interrupted] = [limited(3000), limited(12_000), limited(3_600_000)];
    const [waiting, stopped] = [begin(waits, 'run'), begin(interrupted, 'run')];
    void stopped.said("1A waits for mine's limit").then(() => stopped.child.kill('SIGINT'));
    const paused = await pauses.mstone('run', '--no-wait');
    const early = await pauses.mstone('resume');
    const told = [
      '0 of 1 milestone landed on main',
      expect.stringMatching(/^1A waits for mine's limit until (\S+ )?\d\d:\d\d$/),
      expect.stringMatching(/^Paused: mine is limited, until (\S+ )?\d\d:\d\d$/),
      'Next: mstone resume --when-ready',
    ];
    expect({ code: paused.code, summary: summaryOf(paused) }).toEqual({ code: 75, summary: told });
    expect({ code: early.code, summary: summaryOf(early) }).toEqual({ code: 75, summary: told });
    expect(early.stdout).toMatch(
      /^\S+ Continuing \S+: 0 landed, 0 taken up, 1 waits until (\S+ )?\d\d:\d\d\n/,
    );

    const [waited, ended] = await Promise.all([waiting.ended, stopped.ended]);
    expect(ended.code).toBe(130);
    expect(waited.code, waited.stdout + waited.stderr).toBe(0);
    expect(waited.stdout).toMatch(/ 1A waits for mine's limit until (\S+ )?\d\d:\d\d\n/);
    expect(Date.now()).toBeGreaterThan(resetOf(waits));
    expect({ landed: waits.landed(), starts: waits.starts() }).toEqual(whole);

    expect(pauses.starts()).toEqual(['1A.1.1.implement']);
    await new Promise((resolve) => setTimeout(resolve, resetOf(pauses) - Date.now()));
    const late = await pauses.mstone('resume');
    expect(late.code, late.stdout + late.stderr).toBe(0);
    expect({ landed: pauses.landed(), starts: pauses.starts() }).toEqual(whole);
    expect(pauses.tree()).toMatchObject({ 'half.txt': 'half', 'whole.txt': 'whole' });
    expect(await pauses.leftovers()).toEqual([]);
  });
});

describe('an interruption', () => {
  it('the first Ctrl-C lets what runs come to its end and starts nothing more', async () => {
    const p = project();
    const [begun, gate] = [join(homeOf(p), 'begun'), join(homeOf(p), 'gate')];
    p.milestone('1A', { implement: `touch '${begun}'; ${until(`test -e '${gate}'`)}; echo a > a.txt` });
    p.commit('Milestones');
    const run = begin(p, 'run');
    await appears(begun, run);
    run.child.kill('SIGINT');
    await run.said('nothing new starts');
    p.write('../gate', '');
    const ended = await run.ended;
    expect({ code: ended.code, summary: summaryOf(ended) }).toEqual({
      code: 130,
      summary: ['0 of 1 milestone landed on main', 'Paused: interrupted', 'Next: mstone resume'],
    });
    expect(ended.stdout).toContain('1A implement finished');
    expect(p.starts()).toEqual(['1A.1.1.implement']);
    expect(p.journal().map(({ type }) => type)).toEqual([
      'run.started',
      'work.started',
      'note',
      'work.ended',
      'run.paused',
    ]);
    expect(await p.leftovers()).toEqual([]);

    const resumed = await p.mstone('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.review']);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);
  });

  it.each([
    { signals: ['SIGINT', 'SIGINT'] as const, code: 130 },
    { signals: ['SIGTERM'] as const, code: 143 },
  ])('$signals ends agents now, and what they had done is gone on with', async ({ signals, code }) => {
    const p = project();
    const begun = join(homeOf(p), 'begun');
    p.milestone('1A', {
      implement: `if test -e half.txt; then echo whole > whole.txt; exit; fi; echo half > half.txt; setsid sleep 300 & touch '${begun}'; sleep 300`,
    });
    p.commit('Milestones');
    const run = begin(p, 'run');
    await appears(begun, run);
    for (const [nth, signal] of signals.entries()) {
      // Two at once would arrive as one.
      if (nth > 0) await run.said('nothing new starts');
      run.child.kill(signal);
    }
    const ended = await run.ended;
    expect({ code: ended.code, summary: summaryOf(ended) }).toEqual({
      code,
      summary: ['0 of 1 milestone landed on main', 'Paused: interrupted', 'Next: mstone resume'],
    });
    expect(ended.stdout).toContain('1A implement was cancelled');
    expect(p.tree('mstone/1A')).toEqual({ 'half.txt': 'half' });
    expect(await p.leftovers()).toEqual([]);

    const resumed = await p.mstone('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.implement', '1A.1.3.review']);
    expect(p.tree()).toEqual({ 'half.txt': 'half', 'whole.txt': 'whole' });
  });
});
