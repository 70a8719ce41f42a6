import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeRedactor, redacted } from '../../src/model/redact.js';
import { FileTail } from '../../src/process/follow.js';
import { readPlainTail } from '../../src/process/plain.js';
import { scrubFile } from '../../src/process/scrub.js';

const KEY = 'sk-"planted"-ä';
const redact = makeRedactor([KEY, 'short', 'sk-"planted"-ä-longer']);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mstone-scrub-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('secrets', () => {
  it('become as many stars as they have bytes, as they stand in text, JSON and URLs', () => {
    expect(redact(`a ${KEY} b`)).toBe(`a ${'*'.repeat(15)} b`);
    expect(redact(JSON.stringify({ key: KEY }))).toBe(`{"key":"${'*'.repeat(17)}"}`);
    expect(redact(`?key=${encodeURIComponent(KEY)}&x`)).toMatch(/^\?key=\*+&x$/);
    expect(redact(`${KEY}-longer`)).toBe('*'.repeat(22));
    expect(redact('short words stay')).toBe('short words stay');
    expect(redacted({ a: [KEY, 1, null, { [KEY]: true }] }, redact)).toEqual({
      a: ['*'.repeat(15), 1, null, { ['*'.repeat(15)]: true }],
    });
  });

  it('are taken out of a file in place, also where a block ends within one, and its times stay', async () => {
    const file = join(dir, 'log');
    for (const before of [0, 256 * 1024 - 5, 256 * 1024 + 3, 512 * 1024 - 1]) {
      const text = `${'x'.repeat(before)}${KEY}\n${KEY}y`;
      writeFileSync(file, text);
      utimesSync(file, 1000, 2000);
      expect(await scrubFile(file, redact.forms)).toBe(2);
      const stars = '*'.repeat(15);
      expect(readFileSync(file, 'utf8') === `${'x'.repeat(before)}${stars}\n${stars}y`).toBe(true);
      expect(statSync(file).mtimeMs).toBe(2_000_000);
      expect(await scrubFile(file, redact.forms)).toBe(0);
    }
    expect(await scrubFile(join(dir, 'none'), redact.forms)).toBe(0);
  });

  it('are not shown while they are still in the file, torn apart by colours or cut by a tail', () => {
    const file = join(dir, 'log');
    writeFileSync(file, `a ${KEY.slice(0, 5)}\u001b[1m${KEY.slice(5)} b\n${KEY} end\n`);
    const tail = new FileTail(file, 0, redact);
    expect(tail.read().lines).toEqual([`a ${'*'.repeat(15)} b`, `${'*'.repeat(15)} end`]);
    expect(readPlainTail(file, 12, 0, redact)).toBe('******* end\n');
  });
});
