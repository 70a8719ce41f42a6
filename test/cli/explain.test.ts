/** `mstone explain`: what is told of a milestone before, while and after runs had it. */
import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { approve, makeProject, refuse, type TestProject } from '../rig/project.js';

let p: TestProject;
afterEach(() => p.remove());

const explain = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await inside(['explain', ...args], p.root, p.env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // Times and names of commits, runs and folders differ from run to run.
  return stdout
    .replaceAll(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, 'RUN')
    .replaceAll(/\b\d+(?:\.\d+)?s\b/g, '1s')
    .replaceAll(/\b[0-9a-f]{7}\b/g, 'abcdef0')
    .replaceAll(/ {4}\/.*\/logs\//g, '    ')
    .replaceAll(/^Report: \/.*\/reports\//gm, 'Report: ');
};

it('tells why a milestone waits, what became of it round by round, and what to type', async () => {
  p = makeProject(
    'agent: recipe\nreviewer: recipe\nchecks: ["test ! -e bad || { echo it is bad; exit 3; }"]\nretries: 0\n',
  );
  p.milestone('1A', {
    title: 'Hello \u001b[31mred',
    implement: `echo a > a.txt; touch bad`,
    remediate: `if test -e bad; then rm bad; else echo '{"mstone":"usage","cost_usd":0.25}'; echo b > b.txt; fi`,
    review: `if test -e b.txt; then ${approve()}; else ${refuse('no b.txt')}; fi`,
  });
  p.milestone('1B', { implement: 'exit 1', front: 'depends_on: [1A]' });
  p.milestone('1C', { implement: 'true', front: 'depends_on: [1B]' });
  p.commit('Milestones');

  expect(await explain('1B')).toBe(
    [
      '1B Part 1B (milestones/1B.md)',
      'todo: never landed',
      'A run would take it up, as number 2, after 1A.',
      '',
      'No run has begun it.',
      '',
      'Next: mstone run 1B --with-needs',
      '',
    ].join('\n'),
  );

  expect((await inside(['run', '-q'], p.root, p.env)).code).toBe(1);
  expect(await explain('1A')).toBe(
    [
      '1A Hello [31mred (milestones/1A.md)',
      'done: landed as abcdef0',
      'A run would leave it.',
      '',
      'Attempt 1, run RUN',
      '  implement by recipe: finished (1s)',
      '    1A.1.1.implement.log',
      '  checks: failed (1s)',
      '    test ! -e bad || { echo it is bad; exit 3; }: failed, exit 3',
      '      it is bad',
      '    1A.1.i2.check.log',
      '  remediate by recipe, round 1: finished (1s)',
      '    1A.1.2.remediate.log',
      '  checks: passed (1s)',
      '    1A.1.i4.check.log',
      '  review by recipe, round 1: refused (1s)',
      '    major: no b.txt',
      '    1A.1.3.review.log',
      '  remediate by recipe, round 2: finished (1s, $0.25)',
      '    1A.1.4.remediate.log',
      '  checks: passed (1s)',
      '    1A.1.i7.check.log',
      '  review by recipe, round 2: approved (1s)',
      '    1A.1.5.review.log',
      '  merge: built (1s)',
      '  land: landed as abcdef0 (1s)',
      '',
      'Report: 1A.md',
      '',
      'Next: git show abcdef0',
      '',
    ].join('\n'),
  );
  expect(await explain('1B')).toBe(
    [
      '1B Part 1B (milestones/1B.md)',
      'blocked: recipe crashed: exit 1 (attempt 1 of 1); `mstone retry 1B` tries again',
      'A run would leave it.',
      '',
      'Attempt 1, run RUN',
      '  implement by recipe: crashed (1s): exit 1',
      '    1B.1.1.implement.log',
      '',
      'Next: mstone retry 1B',
      '',
    ].join('\n'),
  );
  const report = await inside(['report', '1A'], p.root, p.env);
  expect(
    report.stdout
      .replaceAll(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, 'RUN')
      .replaceAll(/\b\d+(?:\.\d+)?s\b/g, '1s')
      .replaceAll(/\b[0-9a-f]{12}\b/g, 'abcdef0'),
  ).toBe(
    [
      '# 1A Hello \\[31mred',
      '',
      'landed',
      '',
      'Agents cost $0.25.',
      '',
      '## Attempt 1, run RUN',
      '',
      '**implement** by recipe: finished (1s)',
      '',
      '**Checks**: failed',
      '',
      '- test ! -e bad \\|\\| { echo it is bad; exit 3; }: failed, exit 3',
      '',
      '**remediate** by recipe: finished (1s)',
      '',
      '**Checks**: passed',
      '',
      '- test ! -e bad \\|\\| { echo it is bad; exit 3; }: passed',
      '',
      '### Review 1 by recipe: refused',
      '',
      '1s',
      '',
      'Held against it:',
      '',
      '- **F1** major: no b.txt',
      '  - rests on: Hold only what the milestone asks, its checks and plain correctness against the change, not taste.',
      '  - fixed',
      '',
      '**remediate** by recipe: finished (1s, $0.25)',
      '',
      '**Checks**: passed',
      '',
      '- test ! -e bad \\|\\| { echo it is bad; exit 3; }: passed',
      '',
      '### Review 2 by recipe: approved',
      '',
      '1s',
      '',
      'Of what it held before:',
      '',
      '- F1: fixed',
      '',
      '**merge**: built (1s)',
      '',
      '**land**: landed as abcdef0 (1s)',
      '',
    ].join('\n'),
  );
  const stage = await inside(['report', '--stage', '1'], p.root, p.env);
  expect(stage.stdout).toContain('# 1B Part 1B');
  expect(await inside(['report', '1X'], p.root, p.env)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no run has begun 1X'),
  });
  expect(await inside(['report', '--stage', '9'], p.root, p.env)).toMatchObject({
    code: 2,
    stderr: 'error: there is no review to report yet\n  fix: mstone run\n',
  });
  expect(await explain('1C')).toContain('blocked: needs 1B\nA run would leave it.\n');
  expect(await explain('1C')).toContain('Next: mstone explain 1B\n');

  const document = JSON.parse(await explain('1B', '--json')) as Record<string, unknown>;
  expect(document).toEqual({
    schema: 1,
    id: '1B',
    stage: 1,
    title: 'Part 1B',
    file: 'milestones/1B.md',
    depends_on: ['1A'],
    state: 'blocked',
    reason: 'recipe crashed: exit 1 (attempt 1 of 1); `mstone retry 1B` tries again',
    would_run: false,
    waits_for: [],
    attempts: [
      {
        run: 'RUN',
        attempt: 1,
        steps: [
          {
            did: 'implement',
            at: expect.stringMatching(/^\d{4}-.*Z$/),
            ms: expect.any(Number),
            outcome: 'crashed',
            message: 'exit 1',
            agent: 'recipe',
            round: 0,
            cost_usd: 0,
            findings: [],
            unmet: [],
            log: expect.stringMatching(/logs\/1B\.1\.1\.implement\.log$/),
          },
        ],
      },
    ],
    next: 'mstone retry 1B',
  });
});

it('shows what changed in the text of a stale milestone, committed or not', async () => {
  p = makeProject('agent: recipe\nreview: false\n');
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
  expect((await inside(['run', '-q'], p.root, p.env)).code).toBe(0);
  p.milestone('1A', { implement: 'echo b > a.txt' });
  const said = await explain('1A');
  expect(said).toContain('stale: its text has changed since it landed as abcdef0');
  expect(said).toContain('  -echo a > a.txt\n  +echo b > a.txt\n');
  expect(said).toContain('Next: mstone run 1A\n');
});

it('tells where an unfinished run has it, and refuses what is no milestone', async () => {
  p = makeProject('agent: recipe\nreview: false\nlimits: { wait: false }\n');
  p.milestone('1A', {
    implement: `echo '{"mstone":"limited","reset_at":"${new Date(Date.now() + 5 * 86_400_000).toISOString()}"}'; exit 75`,
  });
  p.commit('Milestones');
  expect((await inside(['run', '-q'], p.root, p.env)).code).toBe(75);
  const said = await explain('1A');
  expect(said).toMatch(/^in run RUN: waiting, waits for recipe's limit until \d{4}-\d\d-\d\d \d\d:\d\d$/m);
  expect(said).toContain('  implement by recipe: limited (1s)');
  expect(said).toContain('Next: mstone resume\n');
  expect(await inside(['explain', '1a'], p.root, p.env)).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: there is no milestone 1a\n  fix: did you mean `1A`?\n',
  });
});
