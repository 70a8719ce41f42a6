/** The executable: one folder of bundled files, with what V8 compiled of them kept for the next start. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { toldIn } from '../../src/cli/help.js';
import { makeProgram } from '../../src/cli/program.js';
import { home, inside, makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
let copy: string;
beforeEach(() => {
  p = makeProject('agent: recipe\nreview: false\n');
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
  // As it is installed: no source, no packages beside it.
  copy = mkdtempSync(join(tmpdir(), 'mstone-test-bundle-'));
  for (const part of ['bin', 'dist/bundle', 'templates', 'milestones', 'package.json']) {
    cpSync(join(home, part), join(copy, part), {
      recursive: true,
      filter: (path) => !/\.v8(\.\d+)?$/.test(path),
    });
  }
});
afterEach(() => {
  p.remove();
  rmSync(copy, { recursive: true, force: true });
});

const bundle = () => join(copy, 'dist', 'bundle');
const kept = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.v8'))
    .sort();

function mstone(args: readonly string[], node: readonly string[] = []) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...node, join(copy, 'bin', 'mstone.js'), ...args],
    { cwd: p.root, env: { ...p.env, XDG_CACHE_HOME: join(copy, 'cache') }, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

it('works without its source and its packages, and alike whatever became of what was kept', () => {
  const first = mstone(['plan']);
  expect(first).toEqual({ status: 0, stdout: expect.stringContaining('1A'), stderr: '' });
  const names = kept(bundle());
  expect(names.length).toBeGreaterThan(2);

  // Empty, torn, of other bytes, gone: compiled anew.
  const [a = '', b = '', c = ''] = names;
  writeFileSync(join(bundle(), a), '');
  writeFileSync(join(bundle(), b), Buffer.alloc(10_000, 7));
  rmSync(join(bundle(), c));
  expect(mstone(['plan'])).toEqual(first);
  expect(kept(bundle())).toEqual(names);

  // Not to be written, as in a package that root installed: kept in the user's own cache.
  for (const name of names) {
    rmSync(join(bundle(), name));
    mkdirSync(join(bundle(), name));
  }
  expect(mstone(['plan'])).toEqual(first);
  expect(kept(join(copy, 'cache', 'mstone', 'code'))).toEqual(names);
  // Nor that: then it is slower, no more.
  rmSync(join(copy, 'cache'), { recursive: true, force: true });
  writeFileSync(join(copy, 'cache'), '');
  expect(mstone(['plan'])).toEqual(first);

  expect(mstone(['run', '--output', 'quiet'])).toMatchObject({ status: 0 });
  expect(p.tree()).toEqual({ 'a.txt': 'a' });
});

it('tells of a bug where it is in the source, and of a build that is missing what to type', () => {
  const broken = 'data:text/javascript,process.cwd = () => { throw new Error("no such luck") }';
  const told = mstone(['status'], ['--import', broken]);
  expect(told).toEqual({ status: 70, stdout: '', stderr: expect.stringContaining('no such luck') });
  expect(told.stderr).toMatch(/at processWorld \(src\/cli\/world\.ts:\d+:\d+\)/);

  rmSync(join(bundle(), 'entry'));
  expect(mstone(['status'])).toEqual({
    status: 2,
    stdout: '',
    stderr: 'mstone is not built yet. Type: npm run build\n',
  });
});

it('answers at once what was told when it was built: in the words of commander, which has them where that is gone', async () => {
  const commands = makeProgram(makeInside(home, {}).world, () => undefined).commands.map((one) => one.name());
  const asked = [['--version'], ['-V'], ['--help'], ['-h'], ['help']];
  for (const name of commands) asked.push([name, '--help'], [name, '-h'], ['help', name]);
  const files = new Set<string>();
  for (const argv of asked) {
    const file = toldIn(argv) ?? '';
    files.add(file);
    const { code, stdout } = await inside(argv, p.root, {});
    expect({ argv, code, text: readFileSync(join(bundle(), file), 'utf8') }).toEqual({
      argv,
      code: 0,
      text: stdout,
    });
  }
  expect([...files].sort()).toEqual(
    readdirSync(bundle()).filter((name) => /^(help|version).*txt$/.test(name)),
  );
  // These want something else as well, or what no command is called.
  for (const argv of [
    [],
    ['run'],
    ['run', '1A', '--help'],
    ['--help', 'run'],
    ['help', '../x'],
    ['--help', ''],
  ])
    expect(toldIn(argv)).toBe(undefined);

  // Read, not made anew; and made anew where it is gone.
  const run = join(bundle(), 'help-run.txt');
  const { stdout } = await inside(['help', 'run'], p.root, {});
  writeFileSync(run, 'as it was told\n');
  expect(mstone(['run', '-h'])).toEqual({ status: 0, stdout: 'as it was told\n', stderr: '' });
  rmSync(run);
  expect(mstone(['run', '-h'])).toEqual({ status: 0, stdout, stderr: '' });
});
