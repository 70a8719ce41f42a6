import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { listRefs, openRepository, type Repository } from '../../src/git/index.js';
import { prepareSlot, slotPlace } from '../../src/git/slots.js';
import { deleteRefs, findSlots, heldBy } from '../../src/git/tidy.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

let r: TestRepository;
let repo: Repository;
beforeEach(async () => {
  r = makeRepository();
  r.commit('First', { 'a.txt': 'a\n' });
  const opened = await openRepository(r.root, r.environment);
  if (!opened.ok) throw new Error('not opened');
  repo = opened.value;
});
afterEach(() => r.remove());

it('a ref is held by the first branch that reaches its commit, and by none where none does', async () => {
  const first = r.oid('main');
  const beside = r.commitBeside([first], 'Beside', { 'b.txt': 'b\n' });
  const loose = r.commitBeside([first], 'Loose', { 'c.txt': 'c\n' });
  r.git('branch', 'feature', beside);
  for (const [name, oid] of Object.entries({ first, beside, loose }))
    r.git('update-ref', `refs/mstone/${name}`, oid);
  const keepers = await listRefs(repo, 'refs/heads/main', 'refs/heads/feature');
  expect(Object.fromEntries(await heldBy(repo, ['refs/mstone'], new Map([...keepers].reverse())))).toEqual({
    'refs/mstone/first': 'refs/heads/main',
    'refs/mstone/beside': 'refs/heads/feature',
  });
});

it('refs go all or none, and only while what their proof rests on stands where it stood', async () => {
  const first = r.oid('main');
  for (const name of ['one', 'two']) r.git('update-ref', `refs/mstone/${name}`, first);
  const refs = await listRefs(repo, 'refs/mstone');
  const keepers = await listRefs(repo, 'refs/heads/main');
  const second = r.commit('Second');
  expect(await deleteRefs(repo, refs, keepers)).toBe(false);
  r.git('update-ref', 'refs/mstone/two', second);
  expect(await deleteRefs(repo, refs, new Map())).toBe(false);
  expect((await listRefs(repo, 'refs/mstone')).size).toBe(2);
  const now = await listRefs(repo, 'refs/mstone');
  expect(await deleteRefs(repo, now, await listRefs(repo, 'refs/heads/main'))).toBe(true);
  expect((await listRefs(repo, 'refs/mstone')).size).toBe(0);
});

it('slots are whole, broken or orphans; one that says to lie elsewhere is not followed there', async () => {
  const slotsDir = join(dirname(r.root), 'slots');
  for (const slot of [1, 2, 3]) {
    const made = await prepareSlot(repo, {
      slotsDir,
      slot,
      commit: r.oid('main'),
      keep: [],
      rescueRef: 'refs/mstone/rescue/t',
      lane: (act) => act(),
    });
    expect(made.ok).toBe(true);
  }
  mkdirSync(join(slotsDir, '7'));
  rmSync(join(slotsDir, '2'), { recursive: true });
  // What lies in the slots' own folder under its own name stays found, whatever is written there.
  const forged = join(dirname(r.root), 'precious');
  mkdirSync(forged);
  writeFileSync(join(slotPlace(repo, slotsDir, 3).gitDir, 'gitdir'), `${join(forged, '3', '.git')}\n`);
  const stranger = slotPlace(repo, forged, 4);
  mkdirSync(stranger.gitDir);
  writeFileSync(join(stranger.gitDir, 'gitdir'), `${join(forged, '4', '.git')}\n`);
  expect(await findSlots(repo, slotsDir)).toEqual({
    slots: [
      { slotsDir, slot: 1, path: join(slotsDir, '1'), isolation: 'worktree', state: 'whole' },
      { slotsDir, slot: 2, path: join(slotsDir, '2'), isolation: 'worktree', state: 'broken' },
      { slotsDir, slot: 3, path: join(slotsDir, '3'), isolation: 'worktree', state: 'whole' },
      { slotsDir, slot: 7, path: join(slotsDir, '7'), isolation: 'worktree', state: 'orphan' },
    ],
    strange: [stranger.gitDir],
  });
});
