import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const page = readFileSync(join(home, 'docs', 'SECURITY.md'), 'utf8');
const promised = page.slice(page.indexOf('## What is promised'), page.indexOf('## What is not'));
const rows = promised.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| promise'));

it('docs/SECURITY.md names for each promise a test that is there', () => {
  const missing = rows.filter((row) => {
    const [, file = '', title = ''] = /\]\(\.\.\/(test\/[\w./-]+)\): (.+) \|$/.exec(row) ?? [];
    return file === '' || title.length < 6 || !readFileSync(join(home, file), 'utf8').includes(title);
  });
  expect(missing).toEqual([]);
  expect(rows.length).toBeGreaterThan(20);
});
