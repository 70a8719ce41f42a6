import { appendFileSync, mkdtempSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileTail, PlainLines } from '../../src/process/follow.js';

const folder = mkdtempSync(join(tmpdir(), 'mstone follow '));

describe('lines of a growing output', () => {
  it('are the same however the bytes are cut', () => {
    const piece = fc.constantFrom(
      'a',
      'é',
      '😀',
      '\n',
      '\r\n',
      '\r',
      '\u001b[2J',
      '\u001b]0;t\u0007',
      '字',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat(8)), (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(''));
        const whole = new PlainLines();
        const expected = [...whole.add(bytes), ...whole.end()];
        const cut = new PlainLines();
        const found: string[] = [];
        let from = 0;
        for (const length of cuts) {
          found.push(...cut.add(bytes.subarray(from, from + length)));
          from += length;
        }
        found.push(...cut.add(bytes.subarray(from)), ...cut.end());
        expect(found).toEqual(expected);
        expect(found.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
  });

  it('are bounded: of a huge one the beginning is shown, and how much more there was', () => {
    const lines = new PlainLines();
    const block = Buffer.alloc(1_000_000, 'x');
    for (let times = 0; times < 30; times += 1) expect(lines.add(block)).toEqual([]);
    expect(lines.add(Buffer.from('end\nnext\n'))).toEqual([
      `${'x'.repeat(16_384)} … (${30_000_003 - 16_384} characters more)`,
      'next',
    ]);
    expect(lines.end()).toEqual([]);
  });
});

describe('a file that is followed', () => {
  it('is shown as it grows, and anew where it is made anew or cut', () => {
    const file = join(folder, 'log');
    const tail = new FileTail(file);
    const look = (): readonly string[] => tail.read().lines;
    expect(look()).toEqual([]);
    writeFileSync(file, 'one\ntw');
    expect(look()).toEqual(['one']);
    appendFileSync(file, 'o\nthr');
    expect(look()).toEqual(['two']);
    expect(look()).toEqual([]);
    renameSync(file, `${file}.1`);
    expect(look()).toEqual([]);
    writeFileSync(file, 'made anew, and longer\n');
    expect(look()).toEqual(['thr', 'made anew, and longer']);
    truncateSync(file, 0);
    appendFileSync(file, 'cut\nrest');
    expect(look()).toEqual(['cut']);
    expect(tail.end()).toEqual(['rest']);
  });

  it('is read in parts where there is much, and may be taken up near its end', () => {
    const file = join(folder, 'much');
    writeFileSync(file, `${'x'.repeat(99)}\n`.repeat(5000));
    const tail = new FileTail(file);
    let lines = 0;
    let parts = 0;
    for (let more = true; more; parts += 1) {
      const part = tail.read(200_000);
      lines += part.lines.length;
      more = part.more;
    }
    expect({ lines, parts }).toEqual({ lines: 5000, parts: 3 });
    const late = new FileTail(file);
    expect(late.skipTo(500_000, 300)).toBe(499_700);
    expect(late.read().lines).toHaveLength(3);
    expect(late.skipTo(500_000, 300)).toBe(0);
  });
});
