/** What people's machines do to a program: pipes that close, homes and disks that cannot be written, no network. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formOf } from '../../src/cli/output.js';
import type { World } from '../../src/cli/world.js';
import { home, inside, makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const bin = join(home, 'bin', 'mstone.js');
let p: TestProject;
beforeEach(() => {
  p = makeProject('agent: recipe\nreview: false\n');
});
afterEach(() => p.remove());

describe('a pipe whose reader has seen enough', () => {
  /** What reaches the reader, what is said beside it, and what mstone ended with. */
  function piped(line: string): { stdout: string; stderr: string; code: number } {
    const script = `"${process.execPath}" "${bin}" ${line}; echo "code \${PIPESTATUS[0]}" >&2`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], {
      cwd: p.root,
      env: p.env,
      encoding: 'utf8',
    });
    const [, said = '', code] = /^(.*?)code (\d+)\n$/s.exec(stderr) ?? [];
    return { stdout, stderr: said, code: Number(code) };
  }

  it('ends no run: everything lands, and what it ends with is the truth', () => {
    const talk = 'for i in 1 2 3 4; do sleep 0.1; done';
    p.milestone('1A', { implement: `${talk}; echo a > a.txt` });
    p.milestone('1B', { front: 'depends_on: [1A]', implement: 'echo b > b.txt' });
    p.milestone('1C', { front: 'retries: 0', implement: 'exit 9' });
    p.commit('Milestones');
    const run = piped('run | head -1');
    expect(run).toEqual({
      stdout: expect.stringMatching(/^.* Run \S+ on main: 3 milestones.*\n$/),
      stderr: '',
      code: 1,
    });
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
    expect(p.journal().at(-1)).toMatchObject({ type: 'run.ended', exit: 1 });

    // And what reads is quiet about it, however much there is left to say.
    const logs = join(p.root, '.git', 'mstone', 'runs');
    const [log = ''] = execFileSync('find', [logs, '-name', '1A.1.*.log']).toString().split('\n');
    writeFileSync(log, 'a line of some length\n'.repeat(100_000));
    expect(piped('logs 1A | head -1')).toEqual({ stdout: `==> ${log} <==\n`, stderr: '', code: 0 });
    expect(piped('--help | true')).toEqual({ stdout: '', stderr: '', code: 0 });
    expect(piped('status | true')).toEqual({ stdout: '', stderr: '', code: 0 });
    expect(piped('plan --json 2>&1 | head -1')).toEqual({ stdout: '{\n', stderr: '', code: 0 });
  });

  it('is told from a disk that is full: then not all could be written', () => {
    if (!existsSync('/dev/full')) return;
    p.milestone('1A', { implement: 'true' });
    p.commit('Milestones');
    for (const args of ['plan', '--help']) {
      expect(piped(`${args} > /dev/full`)).toMatchObject({
        stderr: expect.stringContaining('mstone: not all could be written: '),
        code: 1,
      });
    }
  });
});

it('a terminal that can do nothing gets lines, not a screen', () => {
  const { world } = makeInside(p.root, {});
  const on = (env: World['env']): string =>
    formOf({ ...world, env, stdout: { ...world.stdout, isTTY: true } as NodeJS.WriteStream }, 'auto');
  expect([on({ TERM: 'xterm-256color' }), on({ TERM: 'dumb' }), on({ CI: '1' })]).toEqual([
    'tty',
    'plain',
    'plain',
  ]);
});

describe('what cannot be written', () => {
  it('a home without room for worktrees is told with what to set, and nothing has started', async () => {
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    // A file where the home should be refuses everybody, root too.
    const { XDG_STATE_HOME: _, ...rest } = p.env;
    const env = { ...rest, HOME: '/dev/null' };
    const slots = '/dev/null/.local/state/mstone';
    const refused = await inside(['run'], p.root, env);
    expect(refused).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(
          `^error: no worktrees can be made in ${slots}/[^:]+: ENOTDIR: .*\n {2}fix: set \`worktrees.dir\` in mstone.yaml, or the variable XDG_STATE_HOME, to a folder that you may write to\n$`,
        ),
      ),
    });
    expect(p.starts()).toEqual([]);
    const elsewhere = await inside(['run'], p.root, { ...env, MSTONE_WORKTREES_DIR: '../elsewhere' });
    expect(elsewhere.code, elsewhere.stderr).toBe(0);
  });

  it('a repository that is not ours to write is told, not a bug', async () => {
    p.milestone('1A', { implement: 'true' });
    p.commit('Milestones');
    writeFileSync(join(p.root, '.git', 'mstone'), 'a file');
    expect(await inside(['run'], p.root, p.env)).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: .*\/\.git\/mstone cannot be written: .*\n {2}fix: give yourself .*\n$/,
      ),
    });
  });

  it('a full disk pauses a run, whoever finds out; no attempt is used up, and with room it goes on', async () => {
    p.milestone('1A', { front: 'retries: 0', implement: 'echo a > a.txt' });
    p.commit('Milestones');
    // Git says of the slots' disk what it says of a full one, until there is room.
    const [git = ''] = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).split('\n');
    const tools = join(p.env.HOME ?? '', 'tools');
    mkdirSync(tools);
    const words = "fatal: could not write to 'slot/.git': No space left on device";
    const script = [
      '#!/bin/sh',
      `case " $* " in *" worktree add "*) test -e "${tools}/room" || { echo "${words}" >&2; exit 128; } ;; esac`,
      `exec "${git}" "$@"`,
      '',
    ].join('\n');
    writeFileSync(join(tools, 'git'), script);
    chmodSync(join(tools, 'git'), 0o755);
    p.env.PATH = `${tools}:${p.env.PATH}`;

    const full = await p.mstone('run');
    expect(full).toMatchObject({
      code: 75,
      stderr: expect.stringMatching(
        /^error: the disk is full: .*No space left on device.*\n {2}fix: make room, then type `mstone resume`; nothing is lost\n$/,
      ),
    });
    writeFileSync(join(tools, 'room'), '');
    const resumed = await p.mstone('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'a' });
    expect(await p.leftovers()).toEqual([]);
  });
});

it('nothing looks for the network: a pipeline of recipes, reviews and checks runs without', async () => {
  const guard = fileURLToPath(new URL('../fixtures/no-network.cjs', import.meta.url));
  const log = join(p.env.HOME ?? '', 'network.log');
  Object.assign(p.env, { NODE_OPTIONS: `--require=${guard}`, NETWORK_LOG: log });
  // The guard itself holds.
  const probe = 'require("node:http").get("http://127.0.0.1:9/").on("error", () => {})';
  expect(spawnSync(process.execPath, ['-e', probe], { env: p.env }).status).toBe(1);
  expect(readFileSync(log, 'utf8')).toContain('connect ');
  writeFileSync(log, '');

  p.write(
    'mstone.yaml',
    'agent: recipe\nreviewer: recipe\nchecks: [test -f a.txt]\nstage_checks: ["true"]\n',
  );
  delete p.env.MSTONE_PRESSURE;
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('2A', { implement: 'echo b > b.txt' });
  p.commit('Milestones');
  for (const command of ['validate', 'plan', 'run', 'status', 'doctor']) {
    const { code, stdout, stderr } = await p.mstone(command);
    expect(code, `${command}: ${stdout}${stderr}`).toBe(0);
  }
  expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
  expect(readFileSync(log, 'utf8')).toBe('');
});
