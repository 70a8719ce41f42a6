/** What only reads never waits for a run and never gets in its way; and a bare word never spends money. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { makeProgram } from '../../src/cli/program.js';
import { home, inside, makeInside } from '../rig/inside.js';
import { makeProject, type Running, type TestProject } from '../rig/project.js';

/** Each command that changes something, and why it may not run beside a run; all others are tried here. */
const WRITERS: Readonly<Record<string, string>> = {
  run: 'starts agents',
  resume: 'starts agents',
  retry: 'starts agents',
  mark: 'commits to the target',
  stop: 'is for the run that holds the lock',
  approve: 'writes a decision, which the run takes up',
  reject: 'writes a decision, which the run takes up',
  demo: 'makes a repository of its own',
  init: 'writes files of the checkout alone',
  new: 'writes a file of the checkout alone',
};

/** Command lines of those that read; a command without its words has itself. */
const READERS: Readonly<Record<string, readonly string[]>> = {
  plan: ['plan', 'plan --json', 'plan 1A --force'],
  status: ['', 'status', 'status --json'],
  queue: ['queue', 'queue --json'],
  report: ['report', 'report 1A'],
  explain: ['explain 1A', 'explain 1B --json'],
  logs: ['logs 1A', 'logs 1A --list'],
  graph: ['graph', 'graph --format mermaid', 'graph --format dot'],
  config: ['config', 'config --origin', 'config --json'],
  completion: ['completion bash', 'completion fish'],
  costs: ['costs', 'costs --by day', 'costs --json'],
  doctor: ['doctor', 'doctor --json'],
  validate: ['validate', 'validate --json'],
  // Without -f it shows, and says 4 beside a run: what it would show changes under its hands.
  clean: [],
  // It looks until the run has ended; `detach.test.ts` shows that it leaves everything as it is.
  attach: [],
};

let p: TestProject;
let running: Running;
beforeAll(async () => {
  p = makeProject('agent: recipe\nreview: false\n');
  p.milestone('1A', {
    implement: 'echo begun; while ! test -e "$HOME/open"; do sleep 0.1; done; echo a > a.txt',
  });
  p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
  p.commit('Milestones');
  running = p.start(['run']);
  await running.said('1A implement started');
  await vi.waitFor(() => expect(p.starts()).toEqual(['1A.1.1.implement']), 30_000);
});
afterAll(() => p.remove());

/** The lock's bytes, time and inode, and everything else that a reader must leave as it is. */
const standing = () => {
  const file = join(p.root, '.git', 'mstone', 'lock');
  const { mtimeMs, ino, size } = statSync(file);
  return {
    lock: { text: readFileSync(file, 'utf8'), mtimeMs, ino, size },
    state: readdirSync(join(p.root, '.git', 'mstone')).sort(),
    refs: p.git('for-each-ref', '--format=%(objectname) %(refname)', 'refs/heads'),
    status: p.git('status', '--porcelain'),
    starts: p.starts(),
  };
};

const names = makeProgram(makeInside(home, {}).world, () => undefined).commands.map((one) => one.name());
const lines = names
  .filter((name) => !Object.hasOwn(WRITERS, name))
  .flatMap((name) => READERS[name] ?? [name]);

it.each(lines)('`mstone %s` beside a run says what it says, and touches nothing', async (line) => {
  const before = standing();
  const { code, stdout } = await inside(line.split(' ').filter(Boolean), p.root, p.env);
  expect({ line, code }).toEqual({ line, code: 0 });
  expect(stdout).not.toBe('');
  expect(standing()).toEqual(before);
});

it('what changes something is refused beside it, or does nothing to it', async () => {
  const before = standing();
  for (const args of [['run'], ['retry', '1B'], ['mark', '1B', '--done'], ['clean'], ['clean', '-f']]) {
    expect({ args, code: (await inside(args, p.root, p.env)).code }).toEqual({ args, code: 4 });
  }
  expect((await inside(['resume'], p.root, p.env)).code).toBe(4);
  expect(standing()).toEqual(before);
});

it('the run ends as if nobody had looked', async () => {
  p.write('../open', '');
  expect((await running.ended).code).toBe(0);
  expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
});

it('a bare word, a help and a slip never start an agent', async () => {
  p.milestone('2A', { implement: 'echo c > c.txt' });
  p.commit('Another');
  const before = p.starts();
  for (const args of [
    [],
    ['help'],
    ['--help'],
    ['--version'],
    ['rn'],
    ['run', '--hlep'],
    ['run', '--help'],
    ['help', 'run'],
  ]) {
    await inside(args, p.root, p.env);
    expect(p.starts()).toEqual(before);
  }
  expect(p.landed().at(-1)).toBe('Another');
});

it('`mstone help` says what `mstone --help` says', async () => {
  expect(await inside(['help'], p.root, p.env)).toEqual(await inside(['--help'], p.root, p.env));
});
