/** A conflict on its way: to the author with both sides before it, through checks and a second look, to the target. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { approve, makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const until = (test: string): string =>
  `n=0; until ${test} || test $n -gt 600; do n=$((n+1)); sleep 0.05; done`;

it('a milestone that conflicts with three others is resolved, checked and reviewed again after each, and nobody else is sent back', async () => {
  const p = makeProject(
    'agent: recipe\nreviewer: recipe\njobs: 4\nreview: { rounds: 5 }\nchecks: ["! grep -rq half [abc].txt"]\n',
  );
  projects.push(p);
  for (const name of ['a', 'b', 'c']) p.write(`${name}.txt`, `old ${name}\n`);
  const has = (name: string): string => until(`grep -qx ${name} ${p.root}/${name}.txt`);
  const kept = (name: string): string => `"$HOME/${name}.$(ls "$HOME" | grep -c "^${name}[.]")"`;
  p.milestone('1A', { title: 'First $(touch pwned)', implement: 'echo a > a.txt' });
  p.milestone('1B', { implement: `echo b > b.txt; ${until('test -e "$HOME/resolve.1"')}` });
  p.milestone('1C', { implement: `echo c > c.txt; ${until('test -e "$HOME/resolve.2"')}` });
  p.milestone('1D', {
    implement: `for one in a b c; do echo d > $one.txt; done; ${has('a')}`,
    review: `cp "$MSTONE_PROMPT_FILE" ${kept('review')}; ${approve()}`,
    // At first the markers are left, and at last something that a check minds.
    resolve: `cp "$MSTONE_PROMPT_FILE" ${kept('resolve')}
case $(ls "$HOME" | grep -c '^resolve[.]') in
2) echo ad > a.txt; ${has('b')};;
3) echo bd > b.txt; ${has('c')};;
4) echo half > c.txt;;
esac`,
    remediate: 'echo cd > c.txt',
  });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toContain('1D has conflict markers left in a.txt');

  expect(
    p
      .landed()
      .slice(1)
      .map((subject) => subject.slice(0, 2)),
  ).toEqual(['1A', '1B', '1C', '1D']);
  expect(p.tree()).toEqual({ 'a.txt': 'ad', 'b.txt': 'bd', 'c.txt': 'cd' });
  const starts = p
    .starts()
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => name.replace(/\.\d+\.\d+\./, ' '));
  expect(starts).toEqual([
    ...['1A', '1B', '1C'].flatMap((id) => [`${id} implement`, `${id} review`]),
    ...[
      'implement',
      'review',
      'resolve',
      'resolve',
      'review',
      'resolve',
      'review',
      'resolve',
      'remediate',
    ].map((purpose) => `1D ${purpose}`),
    '1D review',
  ]);
  const conflicts = p
    .journal()
    .filter(
      ({ type, outcome }) => type === 'candidate.ended' && (outcome as { kind: string }).kind === 'conflict',
    );
  expect(
    conflicts.map(({ milestone, outcome }) => [milestone, (outcome as { files: string[] }).files]),
  ).toEqual([
    ['1D', ['a.txt']],
    ['1D', ['b.txt']],
    ['1D', ['c.txt']],
  ]);

  // Who resolves sees the other side's milestone, and is told how to see both.
  const home = p.env.HOME ?? '';
  const read = (name: string): string => readFileSync(join(home, name), 'utf8');
  const landing = p.git('rev-list', '--first-parent', '--reverse', 'main').split('\n')[1] ?? '';
  const first = read('resolve.0');
  expect(first).toContain(`\nMilestone 1A, First $(touch pwned), landed as ${landing};`);
  expect(first).toContain('# Milestone 1A - First $(touch pwned)');
  expect(first).not.toContain('Milestone 1B');
  const commands = [...first.matchAll(/`(git (?:diff|log) [^`]*)`/g)].map(([, command = '']) => command);
  const shown = commands
    .filter((command) => command.endsWith(' -- a.txt'))
    .map((command) => p.git(...command.split(' ').slice(1)));
  expect(shown.map((text) => text.split('\n').filter((line) => /^[+-][^+-]/.test(line)))).toEqual([
    ['-old a', '+d'],
    ['-old a', '+a'],
    [],
  ]);
  expect(shown[2]).toContain('1A: First $(touch pwned)');
  // Each further review is of what has come since the one before.
  const reviews = readdirSync(home)
    .filter((name) => name.startsWith('review.'))
    .sort();
  expect(reviews).toEqual(['review.0', 'review.1', 'review.2', 'review.3']);
  const seen = p.journal().flatMap(({ type, effect }) => {
    const work = effect as
      | { item: string; purpose?: string; from: string; brief: { seen?: string } }
      | undefined;
    return type === 'work.started' && work?.item === '1D' && work.purpose === 'review' ? [work] : [];
  });
  expect(seen.map(({ brief }) => brief.seen)).toEqual([
    undefined,
    ...seen.slice(0, -1).map(({ from }) => from),
  ]);
  reviews.slice(1).forEach((name, at) => {
    expect(read(name)).toContain(`git diff ${seen[at]?.from}`);
  });
  expect(await p.leftovers()).toEqual([]);
});
