/** Repositories whose files git converts on their way in and out, as git-lfs does, and git in another language. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { type Ended, makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (): TestProject => {
  const made = makeProject('agent: recipe\nreview: false\nretries: 0\n');
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const mstone = (p: TestProject, ...args: string[]): Promise<Ended> => inside(args, p.root, p.env);

/** A program of a project's own, first on the PATH. */
function program(p: TestProject, name: string, script: string): string {
  const folder = join(p.env.HOME ?? '', 'bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
  p.env.PATH = [folder, process.env.PATH].join(delimiter);
  return join(folder, name);
}

describe('files in git-lfs', () => {
  /** Keeps contents beside the repository, and in it a line that names them. */
  const FAKE = `store="$HOME/store"; mkdir -p "$store"
case "$1" in
  clean) cat > "$store/in.$$"; name=$(git hash-object --no-filters "$store/in.$$"); mv "$store/in.$$" "$store/$name"; echo "pointer $name" ;;
  smudge) read -r _ name; cat "$store/$name" ;;
esac`;
  const pointer = /^pointer [0-9a-f]{40}$/;

  /** One large file, as a pointer in the commit; `named` is how the configuration calls the filter's program. */
  function withLarge(named: (path: string) => string): TestProject {
    const p = project();
    const path = program(p, 'git-lfs', FAKE);
    p.git('config', 'filter.lfs.clean', `HOME='${p.env.HOME}' ${path} clean -- %f`);
    p.git('config', 'filter.lfs.required', 'true');
    p.milestone('1A', {
      implement: 'echo a > a.txt; test "$(cat assets/large.bin)" = content && echo new > assets/new.bin',
    });
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.commit('Milestones', { '.gitattributes': '*.bin filter=lfs -text\n', 'assets/large.bin': 'content\n' });
    p.git('config', 'filter.lfs.clean', `${named(path)} clean -- %f`);
    p.git('config', 'filter.lfs.smudge', `${named(path)} smudge -- %f`);
    return p;
  }

  it('are in a worktree what a checkout makes of them, and in commits what `git add` does', async () => {
    const p = withLarge(() => 'git-lfs');
    expect(p.git('show', 'main:assets/large.bin')).toMatch(pointer);
    const run = await mstone(p, 'run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.git('diff', '--name-only', 'main~2', 'main', '--', 'assets')).toBe('assets/new.bin');
    expect(p.git('show', 'main:assets/new.bin')).toMatch(pointer);
    // The checkout followed as a checkout does, and nothing in it seems changed.
    expect(readFileSync(join(p.root, 'assets', 'new.bin'), 'utf8')).toBe('new\n');
    p.git(
      'config',
      'filter.lfs.clean',
      `HOME='${p.env.HOME}' ${join(p.env.HOME ?? '', 'bin', 'git-lfs')} clean -- %f`,
    );
    expect(p.git('status', '--porcelain')).toBe('');
  });

  it('without the program are refused before any agent starts', async () => {
    const p = withLarge(() => 'no-such-lfs');
    const run = await mstone(p, 'run');
    expect([run.code, run.stdout, run.stderr]).toEqual([
      2,
      '',
      [
        'assets/large.bin: error: no-such-lfs is not there, and git checks out nothing without it',
        '  expected: the program of `filter.lfs`, which .gitattributes asks for',
        '  fix: install no-such-lfs, or put it on the PATH',
        '',
      ].join('\n'),
    ]);
    expect(p.starts()).toEqual([]);
    // A filter that no file asks for is nobody's concern.
    p.commit('No filter', { '.gitattributes': '' });
    expect((await mstone(p, 'run', '1B')).code).toBe(0);
  });

  it('where no filter is configured stay pointers, and nothing claims that they changed', async () => {
    const p = withLarge(() => 'git-lfs');
    p.git('config', '--remove-section', 'filter.lfs');
    p.git('checkout', '-q', '--', '.');
    p.milestone('1A', { implement: 'grep -q "^pointer" assets/large.bin && echo a > a.txt' });
    p.git('add', 'milestones');
    p.git('commit', '-q', '-m', 'Pointers');
    const run = await mstone(p, 'run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.git('diff', '--name-only', 'main~2', 'main').split('\n').sort()).toEqual([
      'TASKS.md',
      'a.txt',
      'b.txt',
    ]);
  });
});

it('git speaks English to mstone, whatever the user speaks, and the user’s language to agents', async () => {
  const p = project();
  const log = join(p.env.HOME ?? '', 'languages');
  const git =
    (process.env.PATH ?? '').split(delimiter).find((folder) => existsSync(join(folder, 'git'))) ?? '';
  program(
    p,
    'git',
    `echo "$1 \${LC_ALL-none} \${LANG-none} \${LANGUAGE-none}" >> '${log}'\nexec '${join(git, 'git')}' "$@"`,
  );
  delete p.env.LC_ALL;
  Object.assign(p.env, { LANG: 'de_DE.UTF-8', LANGUAGE: 'de', LC_MESSAGES: 'de_DE.UTF-8' });
  p.milestone('1A', { implement: 'echo a > a.txt; echo "$LANG $LANGUAGE $LC_MESSAGES" > language.txt' });
  p.commit('Milestones');
  for (const args of [
    ['validate'],
    ['plan'],
    ['run'],
    ['status'],
    ['explain', '1A'],
    ['mark', '1A', '--todo'],
    ['clean'],
    ['doctor'],
  ]) {
    const { code, stderr } = await mstone(p, ...args);
    expect([args, code, stderr]).toEqual([args, 0, '']);
  }
  expect(p.git('show', 'main:language.txt')).toBe('de_DE.UTF-8 de de_DE.UTF-8');
  const asked = readFileSync(log, 'utf8').trimEnd().split('\n');
  expect(asked.length).toBeGreaterThan(40);
  expect([...new Set(asked.map((line) => line.replace(/^\S+ /, '')))]).toEqual(['C none none']);
  // What is not in a repository is told in words, not passed on in the user's language.
  const outside = await inside(['plan'], p.env.HOME ?? '', p.env);
  expect([outside.code, outside.stderr]).toEqual([
    2,
    `error: ${p.env.HOME} is not in a git repository\n  fix: git init\n`,
  ]);
  expect(readdirSync(p.root)).toContain('language.txt');
});
