/** What a shell is told may come next. */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeProgram } from '../../src/cli/program.js';
import { home, inside, makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
beforeAll(() => {
  p = makeProject();
  p.milestone('1A', { implement: 'true' });
  p.write('milestones/12B-orders.md', '# Orders\n');
  p.write('milestones/notes.txt', '');
});
afterAll(() => p.remove());

const next = async (...words: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await inside(['completion', 'bash', '--', ...words], p.root, p.env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.split('\n').slice(0, -1);
};
const { commands } = makeProgram(makeInside(home, {}).world, () => undefined);

it('names all commands, and those that begin as typed', async () => {
  expect(await next('')).toEqual(commands.map((command) => command.name()));
  expect(await next('re')).toEqual(['resume', 'retry', 'report', 'reject']);
  expect(await next('-C', p.root, '--color', 'never', 'sta')).toEqual(['status']);
});

it.each(commands.map((command) => command.name()))('names every option of %s', async (name) => {
  const command = commands.find((one) => one.name() === name);
  expect(await next(name, '-')).toEqual([...(command?.options ?? []).map(({ long }) => long), '--help']);
});

it.each([
  [
    ['run', ''],
    ['12B', '1A'],
  ],
  [['run', '-j', '2', '1A', '12'], ['12B']],
  [
    ['plan', '--until', ''],
    ['12B', '1A'],
  ],
  [['run', '--stage', ''], []],
  [['run', '--output', 't'], ['tty']],
  [
    ['logs', '1'],
    ['12B', '1A'],
  ],
  [['explain', '12'], ['12B']],
  [['new', ''], []],
  [['status', ''], []],
  [['completion', 'f'], ['fish']],
  [['nothing', ''], []],
])('behind %j may come %j', async (words, candidates) => {
  expect(await next(...words)).toEqual(candidates);
});

it('outside a repository there are no ids, and no complaint', async () => {
  expect(await inside(['completion', 'zsh', '--', 'run', ''], dirname(p.root), p.env)).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  });
});

describe('in a shell', () => {
  it.each(['bash', 'zsh', 'fish'])('the script for %s is one', async (shell) => {
    const { code, stdout, stderr } = await inside(['completion', shell], p.root, p.env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`mstone completion ${shell} -- `);
    const read = spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' });
    // Where the shell is not installed there is nobody to read it.
    if (read.error === undefined)
      expect({ status: read.status, said: read.stderr }).toEqual({ status: 0, said: '' });
  });

  it('bash completes an id', async () => {
    const { stdout } = await inside(['completion', 'bash'], p.root, p.env);
    p.write(
      '../bin/mstone',
      `#!/bin/sh\nexec '${process.execPath}' '${join(home, 'bin', 'mstone.js')}' "$@"\n`,
    );
    chmodSync(join(p.env.HOME ?? '', 'bin', 'mstone'), 0o755);
    const asked = `${stdout}\nCOMP_WORDS=(mstone run --stage 1 12); COMP_CWORD=4; _mstone; echo "\${COMPREPLY[*]}"`;
    const answer = spawnSync('bash', ['--norc', '-c', asked], {
      cwd: p.root,
      encoding: 'utf8',
      env: { ...p.env, PATH: `${join(p.env.HOME ?? '', 'bin')}:${p.env.PATH}` },
    });
    expect({ status: answer.status, stdout: answer.stdout }).toEqual({ status: 0, stdout: '12B\n' });
  });
});
