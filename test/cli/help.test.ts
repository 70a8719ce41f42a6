import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeProgram } from '../../src/cli/program.js';
import { home, inside, makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';
import { shellWords } from '../rig/shell-words.js';

let p: TestProject;
beforeAll(() => {
  p = makeProject();
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
});
afterAll(() => p.remove());

const mstone = (...args: string[]) => inside(args, p.root, p.env);

const commands = makeProgram(makeInside(home, {}).world, () => undefined).commands.map((one) => one.name());

/** The command lines under `Example:`, up to the first line that is not indented. */
function examplesOf(help: string, heading = 'Example:'): string[] {
  const lines = help.split('\n');
  const examples: string[] = [];
  for (const line of lines.slice(lines.indexOf(heading) + 1)) {
    if (!line.startsWith('  ')) break;
    examples.push(line.trim());
  }
  return examples;
}

/** The command that a line would run, with its options parsed and nothing done. */
async function parsed(line: string): Promise<string> {
  const words = shellWords(line.replace(/ {2,}.*/, '')).filter((word) => !/^[A-Z_]+=/.test(word));
  expect(words[0], line).toBe('mstone');
  const { world } = makeInside(home, {});
  const program = makeProgram(world, () => undefined);
  let ran = '';
  for (const command of program.commands) {
    command.action(() => {
      ran = command.name();
    });
  }
  await program.parseAsync(words.slice(1), { from: 'user' });
  return ran;
}

/** Each long flag of each command with a letter too many. */
const slips = makeProgram(makeInside(home, {}).world, () => undefined).commands.flatMap((command) =>
  command.options.flatMap(({ long }): [string, string, string][] =>
    long ? [[command.name(), `${long}x`, long]] : [],
  ),
);

it.each(slips)('mstone %s %s: %s is meant', async (command, slip, flag) => {
  expect(await mstone(command, slip)).toEqual({
    code: 2,
    stdout: '',
    stderr: `error: unknown option '${slip}'\n  fix: did you mean \`${flag}\`?\n`,
  });
});

describe.each(commands)('mstone %s --help', (name) => {
  it('is what `mstone help` says of it', async () => {
    expect(await mstone('help', name)).toEqual(await mstone(name, '--help'));
  });

  it('says what it does, with examples that can be typed', async () => {
    const help = await mstone(name, '--help');
    expect({ code: help.code, stderr: help.stderr }).toEqual({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(new RegExp(`^Usage: mstone ${name}\\b`));
    expect(help.stdout).toContain('\nOptions:\n');
    const examples = examplesOf(help.stdout);
    expect(examples.length).toBeGreaterThan(0);
    for (const line of examples) expect(await parsed(line), line).toBe(name);
  });
});

it('the help names every command, every exit code, and where to start', async () => {
  const help = await mstone('--help');
  expect({ code: help.code, stderr: help.stderr }).toEqual({ code: 0, stderr: '' });
  for (const name of commands) expect(help.stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  const codes = help.stdout.slice(help.stdout.indexOf('Exit codes:'), help.stdout.indexOf('Start here:'));
  expect(
    [...codes.matchAll(/\b(\d+)(?= |,)/g)].map(([, code]) => Number(code)).sort((a, b) => a - b),
  ).toEqual([0, 1, 2, 3, 4, 5, 75, 129, 130, 143]);
  const start = examplesOf(help.stdout, 'Start here:');
  expect(await Promise.all(start.map(parsed))).toEqual(['demo', 'init', 'validate', 'plan', 'run']);
});

it('an example that runs something says the same as a dry run of it, and changes nothing', async () => {
  const head = p.oid('HEAD');
  expect(await mstone('run', '1A', '-n')).toEqual({
    code: 0,
    stdout: [
      'Plan for main: 1 to run, 0 of 1 milestone done',
      '',
      'Stage 1',
      '   1  1A  todo  Part 1A  never landed',
      '',
      'Order: 1A',
      '',
      'Checks: none',
      'Review: on, 3 rounds at most',
      'Agents at once: 4',
      '',
    ].join('\n'),
    stderr: '',
  });
  expect(p.oid('HEAD')).toBe(head);
  expect(p.starts()).toEqual([]);
});

it('the version is that of the package', async () => {
  const { version } = (await import('../../package.json', { with: { type: 'json' } })).default;
  for (const flag of ['--version', '-V']) {
    expect(await mstone(flag)).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  }
});

it.each([
  [['rnu'], "error: unknown command 'rnu'\n  fix: did you mean `run`?\n"],
  [['blancmange'], "error: unknown command 'blancmange'\n  fix: `mstone --help` lists what there is\n"],
  [['-x'], "error: unknown option '-x'\n  fix: `mstone --help` lists what there is\n"],
  [['--colour', 'never'], "error: unknown option '--colour'\n  fix: did you mean `--color`?\n"],
  [['logs'], "error: missing required argument 'id'\n  fix: such as: mstone logs 1A\n"],
  [
    ['logs', '1A', '--attempt'],
    "error: option '--attempt <n>' argument missing\n  fix: such as: mstone logs 1A\n",
  ],
  [
    ['status', '1A'],
    'error: there are more words than `mstone status` takes\n  expected: none\n  found: 1\n  fix: such as: mstone status --json\n',
  ],
  [
    ['status', '--json', '--watch'],
    "error: option '--json' cannot be used with option '-w, --watch'\n  fix: leave one of the two out\n",
  ],
  [
    ['run', '--output', 'plian'],
    'error: `--output` cannot be read\n  expected: one of auto, tty, plain, ndjson, quiet\n  found: plian\n  fix: did you mean `plain`?\n',
  ],
  [
    ['completion', 'fsh'],
    'error: `shell` cannot be read\n  expected: one of bash, zsh, fish\n  found: fsh\n  fix: did you mean `fish`?\n',
  ],
  [
    ['run', '--stage', '1A'],
    'error: `--stage` cannot be read\n  expected: a whole number from 1 to 999\n  found: 1A\n  fix: write what is expected, or leave it out\n',
  ],
  [['plan', '9Z'], 'error: there is no milestone 9Z\n'],
  [['plan', '1B'], 'error: there is no milestone 1B\n  fix: did you mean `1A`?\n'],
  [['run', '-j', 'many'], 'error: `jobs` cannot be read\n'],
])('mstone %j is refused with exit 2 and what was meant', async (args, words) => {
  const said = await mstone(...args);
  expect({ code: said.code, stdout: said.stdout }).toEqual({ code: 2, stdout: '' });
  expect(said.stderr).toContain(words);
});

it('bare mstone is status and starts nothing', async () => {
  const bare = await p.mstone();
  const status = await p.mstone('status');
  expect(bare).toEqual(status);
  expect(bare).toEqual({
    code: 0,
    stdout: 'No run yet.\n\n 1A  todo  Part 1A  never landed\n\nNext: mstone run\n',
    stderr: '',
  });
  expect(p.starts()).toEqual([]);
});
