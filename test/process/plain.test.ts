import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainTail, plainText, readPlainTail } from '../../src/process/plain.js';

describe('plain text', () => {
  it('is without colours, titles, cursor movements and control characters', () => {
    expect(
      plainText(
        '\u001b[1;31mred\u001b[0m \u001b]0;title\u0007x\u001b]8;;http://a\u001b\\y\u001bM\u0000\u0007',
      ),
    ).toBe('red xy');
    expect(plainText('a\r\nb\rc\td\u202e')).toBe('a\nb\nc\td');
    expect(plainText('\u001b]0;never closed')).toBe('0;never closed');
  });

  it('never holds anything that a terminal obeys, whatever came in', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('\u001b', '[', ']', '0', ';', 'm', '\u0007', '\\', '\u009b', 'é', '\n'),
        }),
        (text) => {
          expect(plainText(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
        },
      ),
    );
  });

  it('is cut at its beginning, between characters', () => {
    expect(plainTail(Buffer.from('aéé'), 4)).toBe('éé');
    expect(plainTail(Buffer.from('aéé'), 3)).toBe('é');
    expect(plainTail(Buffer.from('aéé').subarray(2), 9)).toBe('é');
  });

  it('is read from the end of a file', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'mstone-plain-')), 'log');
    expect(readPlainTail(file, 10)).toBe('');
    writeFileSync(file, `${'x'.repeat(100)}end`);
    expect(readPlainTail(file, 5)).toBe('xxend');
    expect(readPlainTail(file, 5, 101)).toBe('nd');
  });
});
