/** What commands keep for each other: gone, damaged, stale or another's, it changes nothing but time. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
beforeEach(() => {
  p = makeProject('agent: recipe\nreview: false\nchecks: [test -e a.txt]\n');
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.milestone('1B', { front: 'depends_on: [1A]', implement: 'echo b > b.txt' });
  p.commit('Milestones');
});
afterEach(() => p.remove());

const folder = () => join(p.root, '.git', 'mstone', 'cache');
/** All that commands say of the milestones which are there. */
const said = async () => {
  const told = [];
  for (const args of [
    ['plan', '--json'],
    ['status'],
    ['validate', '--json'],
    ['explain', '1B'],
    ['run', '-n'],
  ]) {
    const { code, stdout, stderr } = await inside(args, p.root, p.env);
    told.push({ args, code, stdout: stdout.replaceAll(/\d+ (?:s|m|min|sec\w*) ago/g, 'ago'), stderr });
  }
  return told;
};

it('is made where there is state, and says what was said without, whatever becomes of it', async () => {
  const fresh = await said();
  // A repository that never ran anything stays as it is.
  expect(existsSync(join(p.root, '.git', 'mstone'))).toBe(false);
  expect(await inside(['mark', '1A', '--done'], p.root, p.env)).toMatchObject({ code: 0 });
  const first = await said();
  expect(first).not.toEqual(fresh);
  const names = readdirSync(folder()).sort();
  expect(names).toEqual(['landings', 'milestones', 'milestones.texts', 'settings']);
  expect(await said()).toEqual(first);

  const kept = new Map(names.map((name) => [name, readFileSync(join(folder(), name))]));
  for (const name of names) {
    const bytes = kept.get(name) ?? Buffer.alloc(0);
    const flipped = Buffer.from(bytes);
    flipped[bytes.length - 5] = (flipped[bytes.length - 5] ?? 0) ^ 1;
    for (const damaged of [bytes.subarray(0, -1), flipped]) {
      writeFileSync(join(folder(), name), damaged);
      expect({ name, said: await said() }).toEqual({ name, said: first });
    }
    rmSync(join(folder(), name));
    expect({ name, said: await said() }).toEqual({ name, said: first });
  }
  // Folders where files belong cannot be read, written or removed.
  rmSync(folder(), { recursive: true });
  writeFileSync(folder(), '');
  expect(await said()).toEqual(first);
});

it('notices every change of a milestone, of the settings and of what has landed', async () => {
  await inside(['mark', '1A', '--done'], p.root, p.env);
  await said();
  const file = join(p.root, 'milestones', '1B.md');
  const { atime, mtime, size } = statSync(file);
  const text = readFileSync(file, 'utf8');
  // As long, and by its own word as old as before.
  writeFileSync(file, text.replace('Part 1B', 'Part XY'));
  utimesSync(file, atime, mtime);
  expect(statSync(file).size).toBe(size);
  expect((await inside(['status'], p.root, p.env)).stdout).toContain('Part XY');

  p.write('mstone.yaml', 'agent: recipe\nreview: false\nchecks: [test -e b.txt]\n');
  expect((await inside(['plan'], p.root, p.env)).stdout).toContain('Checks: test -e b.txt');
  p.write('milestones/1C.md', '# Milestone 1C - New\n');
  rmSync(file);
  const { stdout } = await inside(['status'], p.root, p.env);
  expect([stdout.includes(' 1B '), stdout.includes(' 1C ')]).toEqual([false, true]);

  // Marks, and a revert of one: read on from where it stood, and from the beginning.
  const stateOf = async (id: string) => {
    const { milestones } = JSON.parse((await inside(['plan', '--json'], p.root, p.env)).stdout);
    return milestones.find((one: { id: string }) => one.id === id).state;
  };
  p.commit('Changed');
  await inside(['mark', '1C', '--done'], p.root, p.env);
  expect([await stateOf('1A'), await stateOf('1C')]).toEqual(['done', 'done']);
  p.git('revert', '--no-edit', 'HEAD');
  expect([await stateOf('1A'), await stateOf('1C')]).toEqual(['done', 'todo']);
  await inside(['mark', '1A', '--todo'], p.root, p.env);
  p.commit('And on', { 'other.txt': 'x' });
  expect([await stateOf('1A'), await stateOf('1C')]).toEqual(['todo', 'todo']);
});
