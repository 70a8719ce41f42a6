import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (...args: Parameters<typeof makeProject>): TestProject => {
  const made = makeProject(...args);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

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
      implement: `${BYPASS}; git checkout -q --orphan fresh; echo e > e.txt; git add -A; git commit -qm "rewritten"; git commit -q --amend -m "once more"`,
    });
    p.milestone('1F', {
      implement:
        'echo f > f.txt; git add -A; git commit -qm one; one=$(git rev-parse HEAD); git checkout -q HEAD~1; echo g > f.txt; git add -A; git commit -qm two; git rebase -q $one || true; test -d "$(git rev-parse --git-path rebase-merge)"; echo f > f.txt',
    });
    p.milestone('1G', {
      implement:
        'echo mine >> TASKS.md; echo mine >> milestones/1G.md; echo "agent: evil" > mstone.yaml; git rm -q milestones/1A.md; echo new > milestones/9Z.md; echo g > g.txt; git add -A; git commit -qm all; echo more >> mstone.yaml',
    });
    p.milestone('2A', { implement: 'true' });
    const first = p.commit('Milestones');

    const run = await p.mstone('run', '1A', '1B', '1C', '1D', '1E', '1F', '1G');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(notes(run.stdout)).toEqual([
      '1B note: kept in LOGS/1B.1.1.left, because no commit can hold it: .git',
      "1D note: commits bore mstone's trailers and were rebuilt without: OID",
      '1D note: the slot as it was left is kept as refs/mstone/left/runs/RUN/1D/1.1',
      '1E note: the slot as it was left is kept as refs/mstone/left/runs/RUN/1E/1.1',
      "1E note: the slot's history did not hold OID any more, where the work began: its files were taken, its commits were not",
      '1G note: put back as they were, being no part of the work: TASKS.md, milestones/1A.md, milestones/1G.md, milestones/9Z.md, mstone.yaml',
      '1G note: the slot as it was left is kept as refs/mstone/left/runs/RUN/1G/1.1',
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
    });
    expect(p.git('diff', '--name-only', first, 'main', '--', 'milestones', 'mstone.yaml')).toBe('');
    expect(usersRefs(p)).toEqual(['refs/heads/main']);
    expect(p.git('status', '--porcelain')).toBe('');
    expect(await states(p)).toEqual({
      ...Object.fromEntries('ABCDEFG'.split('').map((letter) => [`1${letter}`, 'done'])),
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
