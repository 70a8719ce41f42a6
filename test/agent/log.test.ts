import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLog } from '../../src/agent/log.js';

const file = join(mkdtempSync(join(tmpdir(), 'mstone-log-')), 'log');
const read = (content: string | Uint8Array) => {
  writeFileSync(file, content);
  return readLog(file);
};
const usage = (cost: number): string => JSON.stringify({ mstone: 'usage', cost_usd: cost });

describe('a log', () => {
  it('that was never written says nothing', async () => {
    expect(await readLog(`${file}.none`)).toEqual({ costUsd: 0, verdicts: [], bytes: 0, writtenAt: 0 });
  });

  it('is read to its last line, with or without a newline, whatever its line ends', async () => {
    expect((await read(`${usage(1)}\r\nnoise\n${usage(2)}`)).costUsd).toBe(3);
  });

  it('speaks in whole lines only', async () => {
    const lines = [
      `said: ${usage(1)}`,
      `${usage(1)} `,
      ` ${usage(2)}`,
      `${usage(4)}${usage(8)}`,
      `"mstone"`,
      '{"mstone":',
    ];
    expect((await read(lines.join('\n'))).costUsd).toBe(3);
  });

  it('survives half characters, zero bytes and lines without end', async () => {
    const content = Buffer.concat([
      Buffer.from([0xc3, 0x0a, 0x00, 0x00, 0x0a, 0xff, 0xfe]),
      Buffer.from(`\n${usage(1)}\n"mstone"`),
      Buffer.alloc(3 * 1024 * 1024, 0x61),
      Buffer.from(`\n${usage(2)}\n`),
      Buffer.from(JSON.stringify({ mstone: 'usage', cost_usd: 4, pad: 'x'.repeat(1024 * 1024) })),
      Buffer.from(`\n${usage(8)}\n"é`),
      Buffer.from([0xc3]),
    ]);
    expect(await read(content)).toEqual({
      costUsd: 11,
      verdicts: [],
      bytes: content.length,
      writtenAt: expect.any(Number),
    });
  });

  it('tells the last limit and the last verdict', async () => {
    const limit = (at?: string): string => JSON.stringify({ mstone: 'limited', reset_at: at });
    const verdict = (word: string): string => JSON.stringify({ mstone: 'verdict', verdict: word });
    const said = await read(
      [limit('2030-01-01T00:00:00Z'), verdict('approve'), limit(), verdict('request_changes')].join('\n'),
    );
    expect(said.limited).toEqual({});
    expect(said.verdicts).toEqual([{ mstone: 'verdict', verdict: 'request_changes' }]);
  });

  it('may tell its verdict over several lines', async () => {
    const verdict = (word: string): string => JSON.stringify({ mstone: 'verdict', verdict: word });
    const laidOut = JSON.stringify({ mstone: 'verdict', verdict: 'request_changes' }, undefined, 2);
    expect((await read(`${verdict('approve')}\n${laidOut}\nthat was it\n`)).verdicts).toEqual([
      { mstone: 'verdict', verdict: 'request_changes' },
    ]);
    expect((await read(`${laidOut}\n${verdict('approve')}\n`)).verdicts).toEqual([
      { mstone: 'verdict', verdict: 'approve' },
    ]);
  });

  it('costs the same wherever its blocks are cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 600_000 }), { maxLength: 4 }), async (sizes) => {
        const content = sizes.map((size) => `${'x'.repeat(size)}\n${usage(1)}\n`).join('');
        expect((await read(content)).costUsd).toBe(sizes.length);
      }),
      { numRuns: 25 },
    );
  });
});
