import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (file: string): string => readFileSync(join(home, file), 'utf8');

it('docs/exit-codes.md explains every exit code of the README, and no other', () => {
  const listed = [...read('README.md').matchAll(/^\| (\d+(?: \/ \d+)?) \|/gm)].flatMap(([, codes = '']) =>
    codes.split(' / '),
  );
  const explained = [...read('docs/exit-codes.md').matchAll(/^## (\d+)$/gm)].map(([, code]) => code);
  expect(explained).toEqual(listed);
  expect(listed.length).toBeGreaterThan(5);
});
