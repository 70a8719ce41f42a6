/** Where milestones, the view and the configuration lie is the project's to say, and it may say otherwise later. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { type Ended, makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (config: string): TestProject => {
  const made = makeProject(config);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const mstone = (p: TestProject, ...args: string[]): Promise<Ended> => inside(args, p.root, p.env);

const recipe = (id: string, script: string): string =>
  `# Part ${id}\n\n## Recipe\n\n\`\`\`sh\n${script}\n\`\`\`\n`;

const QUICK = 'agent: recipe\nreview: false\nretries: 0\n';
const ELSEWHERE = `${QUICK}milestones: docs/plan\ntasks_file: docs/DONE.md\n`;

describe('milestones in another folder', () => {
  it('are written, found, completed, validated, and committed where they are', async () => {
    const p = project(ELSEWHERE);
    expect((await mstone(p, 'validate')).stderr).toBe(
      'error: no milestones under docs/plan/\n  fix: write a first one: mstone new 1A\n',
    );
    expect((await mstone(p, 'new', '1A')).stdout).toContain('Wrote docs/plan/1A.md.');
    p.write('docs/plan/1A.md', recipe('1A', 'echo a > a.txt'));
    expect((await mstone(p, 'completion', 'bash', '--', 'run', '')).stdout).toBe('1A\n');
    expect((await mstone(p, 'validate')).code).toBe(0);
    expect((await mstone(p, 'init')).stdout).toContain(
      'docs/plan/ has milestones already; left as they are.',
    );

    const refused = await mstone(p, 'run');
    expect([refused.code, refused.stderr]).toEqual([
      2,
      [
        'error: docs/plan/1A.md, mstone.yaml are not in any commit: the repository has none',
        '  expected: what decides is read from your commit, never from an agent’s branch',
        '  fix: git add docs/plan mstone.yaml && git commit -m "Milestones", or let mstone do it: mstone run --commit',
        '',
      ].join('\n'),
    ]);
    const run = await mstone(p, 'run', '--commit');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.git('ls-tree', '-r', '--name-only', 'main').split('\n')).toEqual([
      'a.txt',
      'docs/DONE.md',
      'docs/plan/1A.md',
      'mstone.yaml',
    ]);
  });

  it('have their prompts there, and a broken one is told by its place', async () => {
    const p = project(ELSEWHERE);
    p.write('docs/plan/1A.md', recipe('1A', 'cat "$MSTONE_PROMPT_FILE" > prompt.txt'));
    p.write('docs/plan/templates/implement.md', 'OWN WORDS\n{% for rule in rules %}{{ rule }}\n{% endfor %}');
    p.write('milestones/templates/implement.md', '{{ nobody.reads.this }}');
    p.commit('Milestones');
    const run = await mstone(p, 'run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const prompt = p.git('show', 'main:prompt.txt');
    expect(prompt).toMatch(/^OWN WORDS\n/);
    expect(prompt).toContain('Do not touch docs/DONE.md, anything under docs/plan/, or mstone.yaml');
    p.write('docs/plan/templates/implement.md', '{{ nonsense }}');
    expect((await mstone(p, 'validate')).stderr).toContain('docs/plan/templates/implement.md:1: error:');
  });

  it('behind a link, wherever on the way it stands, are refused', async () => {
    const p = project(ELSEWHERE);
    const outside = join(dirname(p.root), 'outside');
    mkdirSync(join(outside, 'plan'), { recursive: true });
    writeFileSync(join(outside, 'plan', '1A.md'), recipe('1A', 'true'));
    symlinkSync(outside, join(p.root, 'docs'));
    const words = [
      'docs: error: this must be a plain folder',
      '  found: a symlink',
      '  fix: put the folder itself there: a commit holds a link, not what it leads to',
    ].join('\n');
    for (const args of [['validate'], ['plan'], ['run'], ['new', '1B']]) {
      const { code, stderr } = await mstone(p, ...args);
      expect([code, stderr.slice(0, words.length)]).toEqual([2, words]);
    }
    expect(readdirSync(join(outside, 'plan'))).toEqual(['1A.md']);
  });
});

it('a view that may not be written, because a file stands where its folder belongs, fails in words', async () => {
  const p = project(`${QUICK}tasks_file: docs/DONE.md\n`);
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones', { docs: 'a file\n' });
  const run = await mstone(p, 'run');
  expect(run.code).toBe(1);
  expect(run.stdout).toContain('docs is no folder, so docs/DONE.md cannot be written');
  expect(p.git('show', 'main:docs')).toBe('a file');
});

it('what moves between two runs is found where it was and where it is, and what was the view is the user’s', async () => {
  const p = project(QUICK);
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
  expect((await mstone(p, 'run')).code).toBe(0);
  const before = p.git('show', 'main:TASKS.md');

  mkdirSync(join(p.root, 'docs'));
  renameSync(join(p.root, 'milestones'), join(p.root, 'docs', 'plan'));
  p.write('docs/plan/1A.md', recipe('1A', 'echo aa > a.txt'));
  p.write('docs/plan/1B.md', recipe('1B', 'echo b > b.txt'));
  p.commit('Moved', { 'mstone.yaml': ELSEWHERE });

  const explained = await mstone(p, 'explain', '1A');
  expect(explained.stdout).toContain('Its text has changed since it landed:');
  expect(explained.stdout).toMatch(/\n {2}-echo a > a\.txt\n.*?\n {2}\+echo aa > a\.txt\n/s);
  const run = await mstone(p, 'run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(run.stderr).toContain(
    'TASKS.md: note: this file is yours from now on: `tasks_file` is docs/DONE.md\n  fix: if nobody needs it: git rm TASKS.md\n',
  );
  expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', 'Moved', '1B: Part 1B']);

  const marked = await mstone(p, 'mark', '1A', '--done');
  expect(marked.code, marked.stderr).toBe(0);
  expect(p.git('diff', '--name-only', 'main~1', 'main')).toBe('docs/DONE.md');
  expect(p.git('show', 'main:docs/DONE.md')).toContain('**1A** Part 1A — marked done');
  expect(p.git('show', 'main:TASKS.md')).toBe(before);
  // Told once: the newest landing knows the new place.
  expect((await mstone(p, 'run')).stderr).toBe('');
});

it('a log folder outlives a change of mind, and goes with the uninstall', async () => {
  const p = project(`${QUICK}log_dir: ../logs\n`);
  p.milestone('1A', { implement: 'echo said; exit 9' });
  p.commit('Milestones');
  expect((await mstone(p, 'run')).code).toBe(1);
  const logs = join(dirname(p.root), 'logs');
  const [run = ''] = readdirSync(logs);
  p.commit('Elsewhere', { 'mstone.yaml': `${QUICK}log_dir: ../other\n` });
  expect((await mstone(p, 'logs', '1A')).stdout).toContain('said');
  const planned = await mstone(p, 'clean', '--all');
  expect(planned.stdout).toContain(`logs of run ${run}`);
  expect((await mstone(p, 'clean', '--all', '-f', '--lose-work')).code).toBe(0);
  expect(existsSync(logs)).toBe(false);
});

describe('--config', () => {
  const make = (): { readonly p: TestProject; readonly file: string } => {
    const p = project(`${QUICK}checks: ["false"]\n`);
    p.write('plan/1A.md', recipe('1A', 'echo a > a.txt'));
    p.commit('Milestones');
    const file = join(dirname(p.root), 'mine.yaml');
    writeFileSync(file, `${QUICK}milestones: plan\nchecks: [test -f a.txt]\n`);
    return { p, file };
  };

  it('reads another file in place of mstone.yaml, for every command, committed or not', async () => {
    const { p, file } = make();
    expect((await mstone(p, 'validate')).code).toBe(2);
    expect((await mstone(p, 'validate', '--config', file)).code).toBe(0);
    expect((await mstone(p, '--config', '../mine.yaml', 'plan')).stdout).toContain('Checks: test -f a.txt');
    expect((await mstone(p, '--config', file, 'config', '--origin')).stdout).toMatch(
      new RegExp(`checks: +\\["test -f a.txt"\\] +# ${file}:5`),
    );
    // What is not read need not be committed.
    p.write('mstone.yaml', 'nonsense: 1\n');
    p.env.MSTONE_CONFIG = file;
    const run = await mstone(p, 'run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);
    expect((await mstone(p, 'status')).stdout).toContain('1 of 1');
    delete p.env.MSTONE_CONFIG;
    expect((await mstone(p, 'plan')).code).toBe(2);
  });

  it('names a file of the repository: tracked it must be committed and is put back, untracked it need not', async () => {
    const { p } = make();
    const text = (command: string): string => `${QUICK}milestones: plan\nchecks: [${command}]\n`;
    p.write('ci/mine.yaml', text('test -f a.txt'));
    p.write(
      'plan/1A.md',
      recipe('1A', 'echo a > a.txt; mkdir -p ci; echo x > ci/mine.yaml; echo x > mstone.yaml'),
    );
    p.git('add', 'plan');
    p.git('commit', '-qm', 'Meddling');
    p.write('plan/1B.md', recipe('1B', 'echo b > b.txt'));
    p.git('add', 'plan');
    p.git('commit', '-qm', 'Two');
    const run = await mstone(p, 'run', '1A', '--config', 'ci/mine.yaml');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.stdout).toContain(
      'put back as they were, being no part of the work: ci/mine.yaml, mstone.yaml',
    );

    p.git('add', 'ci');
    p.git('commit', '-qm', 'Ours');
    p.write('ci/mine.yaml', text('"true"'));
    const refused = await mstone(p, 'run', '--config', 'ci/mine.yaml');
    expect([refused.code, refused.stderr.split('\n')[0]]).toEqual([
      2,
      'error: ci/mine.yaml is not committed as it is',
    ]);
    expect(refused.stderr).toContain('fix: git add ci/mine.yaml &&');
  });

  it('stays with the run: resume and retry read the same file again, and say so where it is gone', async () => {
    const { p, file } = make();
    p.write('plan/1A.md', recipe('1A', 'test -f "$HOME/go" && echo a > a.txt'));
    p.commit('Waits');
    expect((await mstone(p, 'run', '--config', '../mine.yaml')).code).toBe(1);
    const kept = readFileSync(file, 'utf8');
    rmSync(file);
    const lost = await mstone(p, 'retry', '1A');
    expect([lost.code, lost.stderr]).toEqual([
      2,
      `error: the configuration named by --config is not there\n  found: ${file}\n  fix: put it there, or name another with --config FILE\n`,
    ]);
    mkdirSync(file);
    expect((await mstone(p, 'plan', '--config', file)).stderr).toContain('named by --config is a folder');
    const long = await mstone(p, 'plan', '--config', `${'x'.repeat(300)}.yaml`);
    expect([long.code, long.stderr.split('\n')[0]]).toEqual([
      2,
      expect.stringMatching(/^error: the configuration named by --config cannot be read: ENAMETOOLONG/),
    ]);
    rmSync(file, { recursive: true });
    writeFileSync(file, kept);
    writeFileSync(join(p.env.HOME ?? '', 'go'), '');
    const again = await mstone(p, 'retry', '1A');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(p.tree()['a.txt']).toBe('a');
  });
});
