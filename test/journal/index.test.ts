import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatEntry, JournalFull, openJournal, readJournal } from '../../src/journal/index.js';
import type { Entry, Event } from '../../src/model/event.js';
import {
  memoryDisk,
  NOON,
  note,
  OID,
  opened,
  RUN,
  STORY,
  systemError,
  temporaryFolder,
  watchedDisk,
} from './samples.js';

/** The lines of a journal that holds the story, each with its line end. */
async function storyLines(): Promise<{ entries: readonly Entry[]; lines: readonly Buffer[]; bytes: Buffer }> {
  const file = join(await temporaryFolder(), 'journal.ndjson');
  const journal = await opened(file);
  const entries = await journal.append(STORY, NOON);
  const bytes = await readFile(file);
  const lines = bytes
    .toString('latin1')
    .split(/(?<=\n)/)
    .map((line) => Buffer.from(line, 'latin1'));
  return { entries, lines, bytes };
}

/** A line with a right checksum, whatever it says. */
function framed(fields: object): string {
  const body = JSON.stringify(fields);
  const sum = createHash('sha256').update(body).digest('hex').slice(0, 16);
  return `${body.slice(0, -1)},"sum":"${sum}"}\n`;
}

const line = (seq: number, more: object = {}): string =>
  framed({ v: 1, seq, at: '2026-11-20T12:00:00.000Z', run: RUN, type: 'note', text: `n${seq}`, ...more });

async function journalOf(text: string | Buffer): Promise<string> {
  const file = join(await temporaryFolder(), 'journal.ndjson');
  await writeFile(file, text);
  return file;
}

describe('what a journal holds', () => {
  test('is written as one flat line per event, with its subject, safe to print', async () => {
    const { lines } = await storyLines();

    expect(lines.map((bytes) => bytes.toString('utf8').replace(/[0-9a-f]{16}"\}\n$/, 'SUM"}'))).toEqual([
      `{"v":1,"seq":1,"at":"2026-11-20T12:00:00.000Z","run":"${RUN}","type":"work.started","milestone":"1A",` +
        '"attempt":1,"assignment":2,"id":"i1","effect":{"do":"work","item":"1A","attempt":1,"assignment":2,' +
        '"round":0,"purpose":"implement","agent":"recipe","slot":1,"from":"head","brief":{"because":"first",' +
        `"checks":[],"findings":[],"unmet":[]}},"inputs":{"now":${NOON},"capacity":4},"sum":"SUM"}`,
      `{"v":1,"seq":2,"at":"2026-11-20T12:00:00.000Z","run":"${RUN}","type":"note","milestone":"1A","item":"1A",` +
        '"text":"put back TASKS.md – “naïve” 漢字 \\u001b[31m\\u009b2J\\u202e\\n","sum":"SUM"}',
      `{"v":1,"seq":3,"at":"2026-11-20T12:00:00.000Z","run":"${RUN}","type":"work.ended","milestone":"1A",` +
        `"attempt":1,"assignment":2,"id":"i1","item":"1A","now":${NOON + 1000},` +
        '"outcome":{"agent":{"kind":"finished"},"costUsd":0.25,"logBytes":17},"sum":"SUM"}',
      `{"v":1,"seq":4,"at":"2026-11-20T12:00:00.000Z","run":"${RUN}","type":"check.started","milestone":"1-gate",` +
        '"attempt":3,"id":"i2","effect":{"do":"check","item":"1-gate","attempt":3,"round":0,"slot":2,' +
        `"commit":"${OID}","of":"stage","commands":["npm test"]},"inputs":{"now":${NOON},"capacity":4},"sum":"SUM"}`,
      `{"v":1,"seq":5,"at":"2026-11-20T12:00:00.000Z","run":"${RUN}","type":"check.ended","milestone":"1-gate",` +
        `"attempt":3,"id":"i2","item":"1-gate","now":${NOON + 2000},` +
        `"outcome":{"kind":"passed","commit":"${OID}","tree":"${OID}","results":[]},"sum":"SUM"}`,
      `{"v":1,"seq":6,"at":"2026-11-20T12:00:00.000Z","run":"${RUN}","type":"run.paused","exit":75,` +
        `"why":"a limit","until":${NOON + 3000},"sum":"SUM"}`,
    ]);
  });

  test('carries a checksum that anyone can compute from the bytes', async () => {
    const { lines, entries } = await storyLines();

    for (const [index, bytes] of lines.entries()) {
      const text = bytes.toString('utf8').trimEnd();
      const sum = /,"sum":"([0-9a-f]{16})"\}$/.exec(text)?.[1];
      const without = text.replace(/,"sum":"[0-9a-f]{16}"\}$/, '}');
      expect(sum).toBe(createHash('sha256').update(without).digest('hex').slice(0, 16));
      const entry = entries[index];
      expect(entry && formatEntry(entry)).toBe(text);
    }
  });

  test('comes back as it was appended, and goes on counting', async () => {
    const file = join(await temporaryFolder(), 'runs', RUN, 'journal.ndjson');
    const first = await opened(file);
    const written = [
      ...(await first.append(STORY.slice(0, 2), NOON)),
      ...(await first.append([note('x')], NOON + 5)),
    ];
    await first.close();

    const second = await opened(file);
    expect(second.entries).toEqual(written);
    expect(second.trimmed).toBeUndefined();
    // The intent was written by the first opening; its ending still has its attempt.
    const more = await second.append(STORY.slice(2, 3), NOON + 9);
    expect(more).toEqual([
      {
        v: 1,
        seq: 4,
        at: '2026-11-20T12:00:00.009Z',
        run: RUN,
        milestone: '1A',
        attempt: 1,
        assignment: 2,
        event: STORY[2],
      },
    ]);
    expect(await readJournal(file)).toEqual({
      ok: true,
      value: { entries: [...written, ...more], tornBytes: 0 },
    });
  });

  test('is for its owner alone', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'runs', RUN, 'journal.ndjson');
    await opened(file);

    expect(((await stat(file)).mode & 0o777).toString(8)).toBe('600');
    expect(((await stat(join(folder, 'runs', RUN))).mode & 0o777).toString(8)).toBe('700');
  });

  test('round-trips any event', async () => {
    const text = fc.string({ unit: 'binary' });
    const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    const event: fc.Arbitrary<Event> = fc.oneof(
      fc.record({ type: fc.constant('note' as const), text }),
      fc.record({ type: fc.constant('note' as const), item: text, text }),
      fc.record({ type: fc.constant('run.ended' as const), exit: fc.nat(255), why: text }),
      fc.record({ type: fc.constant('items.reset' as const), items: fc.array(text) }),
      fc.record({ command: text, tail: text, ms: fc.nat(), more: json }).map(
        ({ more, ...result }): Event => ({
          type: 'check.ended',
          id: 'i9',
          item: '2B',
          now: NOON,
          outcome: {
            kind: 'failed',
            commit: OID,
            tree: OID,
            // Fields of a later version come along untouched.
            results: [{ kind: 'failed', ...result, ...{ more } }],
          },
        }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(event, { maxLength: 4 }), { maxLength: 4 }), async (groups) => {
        const disk = memoryDisk(new Map());
        const journal = await opened('/r/journal.ndjson', disk);
        const entries = (await Promise.all(groups.map((group) => journal.append(group, NOON)))).flat();
        expect(entries.map((entry) => entry.event)).toEqual(groups.flat());
        expect(await readJournal('/r/journal.ndjson', disk)).toEqual({
          ok: true,
          value: { entries, tornBytes: 0 },
        });
      }),
      { numRuns: 40 },
    );
  });
});

describe('a journal that was cut or changed', () => {
  test('keeps every whole line when cut at any byte, and the rest aside', async () => {
    const { entries, lines, bytes } = await storyLines();
    const ends = [0];
    for (const part of lines) ends.push((ends.at(-1) ?? 0) + part.length);

    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const whole = ends.filter((end) => end <= cut).length - 1;
      const start = ends[whole] ?? 0;
      const files = new Map([['/r/journal.ndjson', bytes.subarray(0, cut)]]);
      // Comparing buffers element by element would take most of the time here.
      const text = (held: Buffer): string => held.toString('latin1');
      const contents = (): string[][] => [...files].map(([name, held]) => [name, text(held)]);

      const result = await openJournal('/r/journal.ndjson', RUN, memoryDisk(files));
      if (!result.ok) throw new Error(`cut at ${cut}: ${result.error.message}`);
      const journal = result.value;
      const tail = cut - start;
      expect([cut, journal.entries, journal.trimmed, contents()]).toEqual([
        cut,
        entries.slice(0, whole),
        tail === 0 ? undefined : { bytes: tail, file: '/r/journal.torn' },
        [
          ['/r/journal.ndjson', text(bytes.subarray(0, start))],
          ...(tail === 0 ? [] : [['/r/journal.torn', text(bytes.subarray(start, cut))]]),
        ],
      ]);

      // What was lost happens again, and the journal is as if it had never been cut.
      await journal.append(STORY.slice(whole), NOON);
      expect(contents()[0]).toEqual(['/r/journal.ndjson', text(bytes)]);
    }
  });

  test('never yields a wrong event whichever bit of the last line flips', async () => {
    const { entries, lines, bytes } = await storyLines();
    const last = lines.at(-1) ?? Buffer.alloc(0);
    const start = bytes.length - last.length;

    for (let bit = 0; bit < last.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      const at = start + (bit >> 3);
      changed[at] = (changed[at] ?? 0) ^ (1 << (bit & 7));
      const result = await readJournal('/r/j', memoryDisk(new Map([['/r/j', changed]])));
      expect(result, `bit ${bit}`).toEqual({
        ok: true,
        value: { entries: entries.slice(0, -1), tornBytes: last.length },
      });
    }
  });

  test('is trimmed, not refused, where a flipped bit made two lines of the last one', async () => {
    // `J` and the line end differ in one bit.
    const torn = Buffer.from(line(2, { text: 'Just so' }));
    torn[torn.indexOf('J')] = 0x0a;
    const journal = await opened(await journalOf(Buffer.concat([Buffer.from(line(1)), torn])));

    expect(journal.entries.map((entry) => entry.seq)).toEqual([1]);
    expect(journal.trimmed?.bytes).toBe(torn.length);
  });

  test('goes on behind what was trimmed, and keeps every tail', async () => {
    const file = await journalOf(`${line(1)}{"v":1,"se`);
    const first = await opened(file);
    await first.append([note('n2')], Date.parse('2026-11-20T12:00:00.000Z'));
    await first.close();
    expect(await readFile(file, 'utf8')).toBe(line(1) + line(2));

    await writeFile(file, `${line(1)}garbage\n\n`);
    await opened(file);
    expect(await readFile(join(file, '..', 'journal.torn'), 'utf8')).toBe('{"v":1,"segarbage\n\n');
  });

  test.each([
    ['a changed line', `${line(1)}${line(2).replace('n2', 'n3')}${line(3)}`, 2],
    ['an empty line', `${line(1)}\n${line(2)}`, 2],
    ['no JSON at all', `nothing\n${line(1)}`, 1],
  ])('is refused by number for %s before a valid one', async (_, text, number) => {
    const file = await journalOf(text);
    const damage = {
      ok: false,
      error: {
        severity: 'error',
        code: 'journal-damaged',
        file,
        line: number,
        message: `the journal is damaged at line ${number}`,
        expected: 'a line with a right checksum',
        found: 'none, with valid lines behind it',
        fix: `git still proves what has landed: move ${join(file, '..')} away and type "mstone run"`,
      },
    };
    expect(await openJournal(file, RUN)).toEqual(damage);
    expect(await readJournal(file)).toEqual(damage);
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  test.each([
    ['a line that is missing', line(1) + line(3), 2, 'seq 2', 'seq 3'],
    ['a line that is there twice', line(1) + line(1), 2, 'seq 2', 'seq 1'],
    ['a line of another run', line(1) + line(2, { run: 'other' }), 2, `run ${RUN}`, 'run "other"'],
  ])('is refused by number for %s', async (_, text, number, expected, found) => {
    const result = await openJournal(await journalOf(text), RUN);
    expect(result.ok ? undefined : [result.error.line, result.error.expected, result.error.found]).toEqual([
      number,
      expected,
      found,
    ]);
  });

  test.each([
    ['version', line(1) + line(2, { v: 2 }), 'v 2'],
    ['type', line(1) + line(2, { type: 'stage.approved' }), 'type "stage.approved"'],
    ['type that every object has', line(1) + line(2, { type: 'constructor' }), 'type "constructor"'],
  ])('is refused as newer for an unknown %s, even in its last line', async (_, text, found) => {
    const file = await journalOf(text);
    expect(await openJournal(file, RUN)).toEqual({
      ok: false,
      error: {
        severity: 'error',
        code: 'journal-newer',
        file,
        line: 2,
        message: 'line 2 of the journal was written by a newer mstone',
        expected: 'v 1 and a type that this mstone knows',
        found,
        fix: 'install the newest one: npm install -g mstone@latest',
      },
    });
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  test('is read without being touched while its last line is on its way', async () => {
    const file = await journalOf(`${line(1)}{"v":1`);
    const result = await readJournal(file);
    expect(result.ok ? [result.value.entries.length, result.value.tornBytes] : undefined).toEqual([1, 6]);
    expect(await readFile(file, 'utf8')).toBe(`${line(1)}{"v":1`);
  });

  test('has no entries where there is no file', async () => {
    expect(await readJournal(join(await temporaryFolder(), 'none', 'journal.ndjson'))).toEqual({
      ok: true,
      value: { entries: [], tornBytes: 0 },
    });
  });
});

describe('how a journal is written', () => {
  test('flushes the file before the names that lead to it', async () => {
    const folder = join(await temporaryFolder(), 'state');
    await mkdir(folder);
    const { disk, acts } = watchedDisk({});
    const journal = await opened(join(folder, 'runs', 'R', 'journal.ndjson'), disk);
    await journal.append([note('a')], NOON);

    expect(acts).toEqual([
      'make R',
      'open journal.ndjson',
      'sync journal.ndjson',
      'sync folder R',
      'sync folder runs',
      'sync folder state',
      'write journal.ndjson',
      'sync journal.ndjson',
    ]);
  });

  test('keeps a torn tail before it cuts it off', async () => {
    const { disk, acts } = watchedDisk({});
    const file = await journalOf(`${line(1)}torn`);
    await opened(file, disk);

    expect(acts.slice(1, 7)).toEqual([
      'open journal.ndjson',
      'open journal.torn',
      'write journal.torn',
      'sync journal.torn',
      `truncate journal.ndjson to ${line(1).length}`,
      'sync journal.ndjson',
    ]);
  });

  test('commits what is appended at once with one write and one flush', async () => {
    const { disk, acts } = watchedDisk({});
    const journal = await opened(join(await temporaryFolder(), 'journal.ndjson'), disk);
    acts.length = 0;
    const written = await Promise.all(
      Array.from({ length: 100 }, (_, index) => journal.append([note(`n${index}`)], NOON + index)),
    );

    expect(written.flat().map((entry) => entry.seq)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    expect(acts).toEqual(['write journal.ndjson', 'sync journal.ndjson']);
  });

  test('lets those who come during a flush share the next one', async () => {
    const { disk, acts } = watchedDisk({});
    const journal = await opened(join(await temporaryFolder(), 'journal.ndjson'), disk);
    acts.length = 0;
    const first = journal.append([note('first')], NOON);
    while (acts.length === 0) await Promise.resolve();
    const others = Array.from({ length: 20 }, () => journal.append([note('later')], NOON));
    await Promise.all([first, ...others]);

    expect(acts.filter((act) => act.startsWith('sync'))).toHaveLength(2);
  });

  test('believes nothing before it is flushed', async () => {
    const { disk, acts } = watchedDisk({});
    const journal = await opened(join(await temporaryFolder(), 'journal.ndjson'), disk);
    acts.length = 0;
    await journal.append([note('a')], NOON).then(() => acts.push('believed'));
    expect(acts).toEqual(['write journal.ndjson', 'sync journal.ndjson', 'believed']);
  });

  test('takes no events for none', async () => {
    const { disk, acts } = watchedDisk({});
    const journal = await opened(join(await temporaryFolder(), 'journal.ndjson'), disk);
    acts.length = 0;
    expect([await journal.append([], NOON), acts]).toEqual([[], []]);
  });

  test.each([
    ['a short write', 40],
    ['a write of nothing', 0],
    ['ENOSPC', systemError('ENOSPC')],
    ['EDQUOT', systemError('EDQUOT')],
    ['EFBIG', systemError('EFBIG')],
  ])('cuts back to what was believed and stops after %s', async (_, fault) => {
    const { disk, acts } = watchedDisk({ write: (_bytes, count) => (count === 2 ? fault : undefined) });
    const file = join(await temporaryFolder(), 'journal.ndjson');
    const journal = await opened(file, disk);
    const believed = await journal.append([note('a')], NOON);
    const size = (await stat(file)).size;
    acts.length = 0;

    const lost = [journal.append([note('b')], NOON), journal.append([note('c')], NOON)];
    for (const failure of lost) await expect(failure).rejects.toBeInstanceOf(JournalFull);
    await expect(journal.append([note('d')], NOON)).rejects.toBeInstanceOf(JournalFull);

    expect(acts).toEqual([
      'write journal.ndjson',
      `truncate journal.ndjson to ${size}`,
      'sync journal.ndjson',
    ]);
    expect(await readJournal(file)).toEqual({ ok: true, value: { entries: believed, tornBytes: 0 } });
  });

  test('tells of no room also where the cut fails, and the tail is trimmed later', async () => {
    const { disk } = watchedDisk({ write: () => 30, truncate: () => systemError('EIO') });
    const file = join(await temporaryFolder(), 'journal.ndjson');
    const journal = await opened(file, disk);
    await expect(journal.append([note('a')], NOON)).rejects.toBeInstanceOf(JournalFull);

    const again = await opened(file);
    expect([again.entries, again.trimmed?.bytes]).toEqual([[], 30]);
  });

  test('does not call a broken disk a full one', async () => {
    const { disk } = watchedDisk({ write: () => systemError('EIO') });
    const journal = await opened(join(await temporaryFolder(), 'journal.ndjson'), disk);
    await expect(journal.append([note('a')], NOON)).rejects.toMatchObject({ code: 'EIO' });
  });

  test('keeps the tail where it is while there is no room to keep it elsewhere', async () => {
    const { disk } = watchedDisk({ write: () => 2 });
    const file = await journalOf(`${line(1)}torn`);
    await expect(openJournal(file, RUN, disk)).rejects.toBeInstanceOf(JournalFull);
    expect(await readFile(file, 'utf8')).toBe(`${line(1)}torn`);
  });

  // Windows has no limit of this kind to run into.
  test.runIf(process.platform !== 'win32')(
    'holds all that was believed when the system lets it grow no more',
    async () => {
      const file = join(await temporaryFolder(), 'journal.ndjson');
      const fixture = fileURLToPath(new URL('../fixtures/journal-writer.mjs', import.meta.url));
      const { stdout } = await promisify(execFile)('bash', [
        '-c',
        'ulimit -f 8; exec "$@"',
        'bash',
        process.execPath,
        fixture,
        file,
        RUN,
      ]);
      const said = JSON.parse(stdout) as { believed: number; why: string };

      expect(said.why).toBe('JournalFull');
      const read = await readJournal(file);
      expect(read.ok && [read.value.entries.length, read.value.tornBytes]).toEqual([said.believed, 0]);
      expect(said.believed).toBeGreaterThan(10);
    },
  );
});
