import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isRunId, listRuns, makeRunFolder, newRunId, runFolder } from '../../src/journal/runs.js';
import { NOON, temporaryFolder } from './samples.js';

test('runs are listed from the oldest to the newest, and only those with a journal', async () => {
  const state = await temporaryFolder();
  const runs = [NOON, NOON + 60_000, NOON + 1].map(newRunId);
  for (const run of runs) await writeFile((await makeRunFolder(state, run)).journal, '');
  await makeRunFolder(state, newRunId(NOON + 5));
  await mkdir(join(state, 'runs', 'notes'));
  await writeFile(join(state, 'runs', 'notes', 'journal.ndjson'), '');
  await writeFile(join(state, 'runs', newRunId(NOON)), 'a file');

  const [first, third, second] = runs;
  expect(await listRuns(state)).toEqual(
    [first, second, third].map((run) => ({ run, file: join(state, 'runs', run ?? '', 'journal.ndjson') })),
  );
});

test('there are no runs where there is no folder', async () => {
  expect(await listRuns(join(await temporaryFolder(), 'none'))).toEqual([]);
});

test('a run has its folders, for its owner alone', async () => {
  const state = join(await temporaryFolder(), 'mstone');
  const run = newRunId(NOON);
  const folder = await makeRunFolder(state, run);

  expect(folder).toEqual({
    run,
    dir: join(state, 'runs', run),
    journal: join(state, 'runs', run, 'journal.ndjson'),
    logs: join(state, 'runs', run, 'logs'),
    assignments: join(state, 'runs', run, 'assignments'),
  });
  for (const path of [state, folder.dir, folder.logs, folder.assignments]) {
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe('700');
  }
  expect(await makeRunFolder(state, run)).toEqual(folder);
});

test.each(['', '..', '../01JD4M7Z7V8K3W2N5Q6R9T0XYA', '01jd4m7z7v8k3w2n5q6r9t0xya', '-C'])(
  'what is not the name of a run never becomes a path: %j',
  (name) => {
    expect(isRunId(name)).toBe(false);
    expect(() => runFolder('/state', name)).toThrow('not the name of a run');
  },
);

test('a name is the name of a run', () => {
  expect(isRunId(newRunId(NOON))).toBe(true);
});
