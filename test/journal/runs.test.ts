import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { openJournal, readJournal } from '../../src/journal/index.js';
import { packJournals } from '../../src/journal/pack.js';
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

test('journals of old finished runs are packed, say the same as before, and a damaged one is refused', async () => {
  const state = await temporaryFolder();
  const runs = Array.from({ length: 13 }, (_, n) => newRunId(NOON + n));
  for (const run of runs) {
    const made = await openJournal((await makeRunFolder(state, run)).journal, run);
    if (!made.ok) throw new Error(made.error.message);
    await made.value.append([{ type: 'note', text: `naïve 漢字 ${run}` }], NOON);
    await made.value.close();
  }
  const read = async () => {
    const all = await listRuns(state);
    return await Promise.all(
      all.map(async ({ file }) => ({ name: basename(file), read: await readJournal(file) })),
    );
  };
  const before = await read();
  const [first = '', open = '', third = ''] = runs;

  expect(await packJournals(state, (run) => run !== open)).toEqual([first, third]);
  const packed = await read();
  expect(packed.map((journal) => journal.read)).toEqual(before.map((journal) => journal.read));
  expect(packed.map(({ name }) => name)).toEqual(
    runs.map((run) => (run === first || run === third ? 'journal.ndjson.gz' : 'journal.ndjson')),
  );
  expect(await packJournals(state, (run) => run !== open)).toEqual([]);

  // Interrupted before the plain one was gone: what was there first is read, and packing is done again.
  const { dir, journal } = runFolder(state, first);
  const bytes = gunzipSync(await readFile(`${journal}.gz`));
  await writeFile(journal, bytes);
  expect((await read()).map(({ name }) => name).slice(0, 1)).toEqual(['journal.ndjson']);
  expect(await packJournals(state, (run) => run !== open)).toEqual([first]);
  expect((await readdir(dir)).sort()).toEqual(['assignments', 'journal.ndjson.gz', 'logs']);

  const whole = await readFile(`${journal}.gz`);
  for (const damaged of [
    Buffer.alloc(0),
    whole.subarray(0, -1),
    Buffer.concat([whole.subarray(0, 20), Buffer.alloc(9)]),
  ]) {
    await writeFile(`${journal}.gz`, damaged);
    expect(await readJournal(`${journal}.gz`)).toMatchObject({
      ok: false,
      error: { code: 'journal-damaged', expected: 'what gzip packed', found: 'bytes that it cannot unpack' },
    });
  }
});
