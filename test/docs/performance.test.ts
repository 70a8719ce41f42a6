import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { home } from '../rig/inside.js';

test('the page of figures is what the bench made of its own', async () => {
  const { renderPage } = await import(pathToFileURL(join(home, 'bench', 'page.mjs')).href);
  const document = JSON.parse(readFileSync(join(home, 'docs', 'performance.json'), 'utf8'));
  expect(readFileSync(join(home, 'docs', 'performance.md'), 'utf8')).toBe(renderPage(document));
});
