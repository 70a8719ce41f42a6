/** Answers that are given again: only while nothing has changed that they were made of, and to the byte. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Caller, placeOf, recall } from '../../src/cli/answers.js';
import { main } from '../../src/cli/index.js';
import { keeping } from '../../src/cli/keep.js';
import type { Watched } from '../../src/cli/stamps.js';
import { underLock } from '../../src/cli/state.js';
import type { World } from '../../src/cli/world.js';
import { home, inside, makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
beforeEach(async () => {
  p = makeProject('agent: recipe\nreview: false\n');
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('1B', { front: 'depends_on: [1A]', implement: 'echo b > b.txt' });
  p.commit('Milestones');
  expect(await inside(['run', '--output', 'quiet'], p.root, p.env)).toMatchObject({ code: 0 });
});
afterEach(() => p.remove());

const state = () => join(p.root, '.git', 'mstone');
const cache = () => join(state(), 'cache');
const keptNow = (): string[] => readdirSync(cache()).filter((name) => name.startsWith('answer-'));

const callerIn = ({ stdout, stderr, ...world }: World): Caller => ({
  ...world,
  stdout: { isTTY: stdout.isTTY === true },
  stderr: { isTTY: stderr.isTTY === true },
});

/** As `bin/mstone.js` does it, by a clock on which all that is on disk is old. */
async function ask(args: readonly string[], env: Readonly<Record<string, string>> = p.env, tty = false) {
  const { world: piped, said } = makeInside(p.root, env);
  if (tty) piped.stdout.isTTY = true;
  const world = { ...piped, now: () => Date.now() + 60_000 };
  const known = await recall(args, callerIn(world));
  for (const { to, bytes } of known ?? []) world[to].write(Buffer.from(bytes));
  const code = known === undefined ? await keeping(args, world, (inner) => main(args, inner)) : 0;
  await new Promise((resolve) => setImmediate(resolve));
  return { from: known === undefined ? 'made' : 'kept', code, ...said() };
}

const ASKED = [['plan'], ['status'], ['run']] as const;

/** Asks until all of it is kept. */
async function keepAll(): Promise<void> {
  for (const args of ASKED) {
    if ((await ask(args)).from === 'kept') continue;
    expect({ args, ...(await ask(args)) }).toMatchObject({ args, from: 'kept', code: 0 });
  }
}

/** Of these the answer is not given again. */
async function expectNothing(what: string): Promise<void> {
  const { world } = makeInside(p.root, p.env);
  for (const args of ASKED)
    expect({ what, args, known: await recall(args, callerIn(world)) }).toEqual({ what, args });
}

it('is given again to the byte, by the command itself as well', async () => {
  for (const args of [
    ...ASKED,
    [],
    ['plan', '--json'],
    ['status', '--json'],
    ['run', '--output', 'ndjson'],
    ['run', '-q'],
    ['plan', '1*', '--stale'],
  ]) {
    const { from, ...first } = await ask(args);
    expect(from).toBe('made');
    expect({ args, ...(await ask(args)) }).toEqual({ args, from: 'kept', ...first });
  }
  // Of other commands nothing is kept, nor of what fails, of what hangs on the clock, and of a glance at all times.
  rmSync(cache(), { recursive: true });
  for (const args of [
    ['validate'],
    ['plan', '9Z'],
    ['run', '--deadline', '8h'],
    ['explain', '1A'],
    ['graph'],
  ]) {
    const told = await ask(args);
    expect({ args, ...(await ask(args)) }).toEqual({ args, ...told, from: 'made' });
  }
  expect(keptNow()).toEqual([]);

  // On a real clock: not before a second has gone by since the last change.
  p.milestone('1B', { front: 'depends_on: [1A]', implement: 'echo b > b.txt' });
  const { ctimeMs } = statSync(join(p.root, 'milestones', '1B.md'));
  let said = await p.mstone('status');
  while (keptNow().length === 0) said = await p.mstone('status');
  expect(Date.now() - ctimeMs).toBeGreaterThan(1000);
  expect(await p.mstone('status')).toEqual(said);
  // It is that which is said, and nothing is looked up beside it.
  const [name = ''] = keptNow();
  const file = join(cache(), name);
  writeFileSync(file, readFileSync(file, 'latin1').replaceAll(' 1A ', ' XY '), 'latin1');
  expect(await p.mstone('status')).toEqual({ ...said, stdout: said.stdout.replaceAll(' 1A ', ' XY ') });
  // Whoever has seen enough is no failure.
  const script = `'${process.execPath}' '${join(home, 'bin', 'mstone.js')}' status | true`;
  const piped = spawnSync('bash', ['-o', 'pipefail', '-c', script], { cwd: p.root, env: p.env });
  expect([piped.status, piped.stderr.toString()]).toEqual([0, '']);
});

it('is made anew whenever something changes that it is made of', async () => {
  const change = async (what: string, act: () => unknown): Promise<void> => {
    await keepAll();
    await act();
    await expectNothing(what);
  };
  const file = (name: string): string => join(p.root, name);
  const own = join(dirname(p.root), 'config', 'mstone');

  const text = readFileSync(file('milestones/1B.md'), 'utf8');
  const { atime, mtime } = statSync(file('milestones/1B.md'));
  await change('a text, as long and by its own word as old', () => {
    writeFileSync(file('milestones/1B.md'), text.replace('Part 1B', 'Part XY'));
    utimesSync(file('milestones/1B.md'), atime, mtime);
  });
  expect((await ask(['status'])).stdout).toContain('Part XY');
  p.git('checkout', '-q', '--', 'milestones');
  await change('a new milestone', () => p.milestone('1C', { implement: 'true' }));
  rmSync(file('milestones/1C.md'));
  await change('one that is gone', () => rmSync(file('milestones/1B.md')));
  p.git('checkout', '-q', '--', 'milestones');
  await change('a prompt of the project', () =>
    p.write('milestones/templates/implement.md', '{{ nothing }}'),
  );
  rmSync(file('milestones/templates'), { recursive: true });
  await keepAll();
  p.git('rm', '-q', '--cached', 'milestones/1B.md');
  expect(await ask(['run'])).toMatchObject({ from: 'made', code: 2 });
  p.git('reset', '-q');
  p.write('milestones/draft.md.bak', 'ignored');
  p.write('.git/info/exclude', '*.bak\n');
  await keepAll();
  p.write('.git/info/exclude', '');
  expect(await ask(['run'])).toMatchObject({ from: 'made', code: 2 });
  rmSync(file('milestones/draft.md.bak'));
  await change('attributes', () => p.write('.gitattributes', '* text=auto\n'));
  rmSync(file('.gitattributes'));
  await change('the settings', () => p.write('mstone.yaml', 'agent: recipe\nreview: false\njobs: 7\n'));
  p.git('checkout', '-q', '--', 'mstone.yaml');

  await change('own settings', () => {
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'config.yaml'), 'jobs: 5\n');
  });
  await change('own settings that are gone', () => rmSync(join(own, 'config.yaml')));
  await change('keys', () => writeFileSync(join(own, 'api-keys.json'), '[]', { mode: 0o644 }));
  rmSync(join(own, 'api-keys.json'));

  await change('a landing', () => inside(['mark', '1B', '--todo'], p.root, p.env));
  await inside(['mark', '1B', '--done'], p.root, p.env);
  await change('a commit', () => p.commit('More', { 'more.txt': 'x' }));
  await change('another branch', () => p.git('switch', '-q', '-c', 'other', 'HEAD~4'));
  p.git('switch', '-q', 'main');
  await change('a landing beside the branch', () => {
    const tree = p.git('rev-parse', 'HEAD^{tree}');
    const message = ['-m', '1B', '-m', `Mstone-Milestone: 1B\nMstone-Digest: v1:${'0'.repeat(64)}`];
    p.git('branch', 'mstone/main', p.git('commit-tree', tree, '-p', 'HEAD', ...message));
  });
  p.git('branch', '-q', '-D', 'mstone/main');
  await change('refs that are packed', () => p.git('pack-refs', '--all'));

  await change('what git is told', () => p.git('config', 'some.thing', '1'));
  await change('what git is told of itself', () => writeFileSync(join(dirname(p.root), '.gitconfig'), ''));

  const [run = ''] = readdirSync(join(state(), 'runs'));
  const journal = join(state(), 'runs', run, 'journal.ndjson');
  const whole = readFileSync(journal, 'utf8');
  await change('a run that was interrupted', () => {
    writeFileSync(journal, whole.slice(0, whole.trimEnd().lastIndexOf('\n') + 1));
  });
  writeFileSync(journal, whole);
  await change('runs that are gone', () => renameSync(join(state(), 'runs'), join(state(), 'ran')));
  renameSync(join(state(), 'ran'), join(state(), 'runs'));
  await keepAll();
  await underLock(makeInside(p.root, p.env).world, { stateDir: state() }, async () => {
    expect(await ask(['run'])).toMatchObject({ from: 'made', code: 4 });
    expect(await ask(['status'])).toMatchObject({ from: 'made', code: 0 });
    return 0;
  });
  mkdirSync(file('docs/all'), { recursive: true });
  p.git('mv', 'milestones', 'docs/all/milestones');
  p.commit('Moved', { 'mstone.yaml': 'agent: recipe\nreview: false\nmilestones: docs/all/milestones\n' });
  await change('a folder on the way that became a link', () => {
    renameSync(file('docs/all'), file('real'));
    symlinkSync('../real', file('docs/all'));
  });
});

it('hangs on the environment, the terminal, the folder and this very mstone', async () => {
  await keepAll();
  const { MSTONE_PRESSURE: _, NO_COLOR: __, ...less } = p.env;
  for (const [what, env, tty] of [
    ['a setting', { ...p.env, MSTONE_JOBS: '9' }, false],
    ['what may be one day', { ...p.env, SOMETHING: '1' }, false],
    ['what is gone', less, false],
    ['a terminal', p.env, true],
  ] as const) {
    const { from, ...first } = await ask(['plan'], env, tty);
    expect({ what, from }).toEqual({ what, from: 'made' });
    expect(await ask(['plan'], env, tty)).toEqual({ from: 'kept', ...first });
  }
  // What a shell counts and remembers is nothing that is asked.
  expect(await ask(['plan'], { ...p.env, SHLVL: '7', OLDPWD: '/', _: 'x' })).toMatchObject({ from: 'kept' });

  const caller = callerIn(makeInside(p.root, p.env).world);
  const other = makeProject('agent: recipe\nreview: false\n');
  mkdirSync(join(other.root, 'dist', 'bundle'), { recursive: true });
  const builtAs = (build: string): Caller => {
    other.write('package.json', '{ "version": "0.1.0" }');
    other.write('dist/bundle/entry', build);
    return { ...caller, home: other.root };
  };
  // A repository that never ran anything stays as it is.
  other.commit('Milestones', { 'milestones/1A.md': '# Milestone 1A\n\n## Recipe\n\n```sh\ntrue\n```\n' });
  const { world } = makeInside(other.root, p.env);
  const later = { ...world, now: () => Date.now() + 60_000 };
  expect(await keeping(['plan'], later, (inner) => main(['plan'], inner))).toBe(0);
  expect(existsSync(join(other.root, '.git', 'mstone'))).toBe(false);

  const place = (one: Caller): string => placeOf(['plan'], one, state());
  const places = [caller, { ...caller, cwd: '/' }, { ...caller, cpus: 3 }].map(place);
  expect(new Set([...places, place(builtAs('a')), place(builtAs('b'))]).size).toBe(5);
  other.remove();

  // The newest are kept.
  for (let n = 0; n < 20; n += 1) await ask(['plan'], { ...p.env, SOMETHING: `${n}` });
  expect(keptNow()).toHaveLength(17);
});

it('may be damaged in any byte, or be anything else: then the answer is made', async () => {
  rmSync(cache(), { recursive: true });
  const { from: _, ...told } = await ask(['run']);
  const [name = ''] = keptNow();
  const file = join(cache(), name);
  const bytes = readFileSync(file);
  const put = (damaged: Buffer): void => {
    rmSync(file, { recursive: true, force: true });
    writeFileSync(file, damaged);
  };
  for (let at = 0; at < bytes.length; at += 1 + (bytes.length >> 6)) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at & 7));
    put(flipped);
    const { world } = makeInside(p.root, p.env);
    expect({ at, known: await recall(['run'], callerIn(world)) }).toEqual({ at, known: undefined });
  }
  for (const damaged of [Buffer.alloc(0), bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.from('x')])]) {
    put(damaged);
    expect(await ask(['run'])).toEqual({ from: 'made', ...told });
    expect(await ask(['run'])).toEqual({ from: 'kept', ...told });
  }
  rmSync(file);
  mkdirSync(file);
  expect(await ask(['run'])).toEqual({ from: 'made', ...told });
});

it('hangs on all that is looked at for it', async () => {
  const log = join(dirname(p.root), 'paths-read');
  const env = { ...p.env, PATHS_READ: log };
  const node = ['--import', join(home, 'test', 'rig', 'paths-read.mjs'), join(home, 'bin', 'mstone.js')];
  for (const args of ASKED) {
    rmSync(cache(), { recursive: true, force: true });
    while (!existsSync(cache()) || keptNow().length === 0) {
      expect(spawnSync(process.execPath, [...node, ...args], { cwd: p.root, env }).status).toBe(0);
    }
    const [name = ''] = keptNow();
    const [head = ''] = readFileSync(join(cache(), name), 'latin1').split('\n', 1);
    const { watched } = JSON.parse(head) as { watched: Watched[] };
    const paths = readFileSync(log, 'utf8').split('\n');
    // Its own files, what is kept for later commands, and the lock that it takes, with who it is itself.
    const own = (path: string): boolean =>
      [home, cache(), join(state(), 'lock'), '/proc/'].some((place) => path.startsWith(place));
    const isWatched = (path: string): boolean =>
      watched.some(
        (one) =>
          one.path === path ||
          // A folder on the way to it.
          one.path.startsWith(`${path}/`) ||
          (one.as === 'tree' && path.startsWith(`${one.path}/`)) ||
          (one.as === 'each' &&
            one.names.some((file) => path === join(one.path, path.split('/').at(-2) ?? '', file))),
      );
    expect({ args, missed: paths.filter((path) => !own(path) && !isWatched(path)) }).toEqual({
      args,
      missed: [],
    });
    expect(paths).toEqual(
      expect.arrayContaining([join(p.root, 'milestones', '1A.md'), join(p.root, 'mstone.yaml')]),
    );
  }
});
