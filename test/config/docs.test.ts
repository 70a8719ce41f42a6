import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { type ConfigKey, configKeys } from '../../src/config/keys.js';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const row = ({ key, type, default: value, description, env }: ConfigKey): string =>
  `| \`${key}\` | ${description} | ${type} | ${value.startsWith('(') ? value.slice(1, -1) : `\`${value}\``} | \`${env}\` |`;

it('docs/configuration.md lists every key of the schema with its default, and no other', () => {
  const rows = readFileSync(join(home, 'docs', 'configuration.md'), 'utf8')
    .split('\n')
    .filter((line) => /^\| `[^-].*MSTONE_/.test(line));
  expect(rows).toEqual(configKeys.map(row));
});
