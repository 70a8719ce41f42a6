import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import {
  AGENT_FIELDS,
  agentKinds,
  type ConfigKey,
  configKeys,
  DEPRECATED,
  FLAG_VARIABLES,
} from '../../src/config/keys.js';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const row = ({ key, type, default: value, description, env }: ConfigKey): string =>
  `| \`${key}\` | ${description} | ${type} | ${value.startsWith('(') ? value.slice(1, -1) : `\`${value}\``} | \`${env}\` |`;

it('docs/configuration.md lists every key of the schema with its default, and no other', () => {
  const rows = readFileSync(join(home, 'docs', 'configuration.md'), 'utf8')
    .split('\n')
    .filter((line) => /^\| `[^-].*MSTONE_/.test(line));
  expect(rows).toEqual(configKeys.map(row));
});

const lines = (name: string): string[] => readFileSync(join(home, 'docs', name), 'utf8').split('\n');

it('docs/configuration.md has profiles, and names every field of an agent and every kind', () => {
  const text = `${lines('configuration.md').join('\n')}\n${lines('agents.md').join('\n')}`;
  expect(text).toMatch(/^## Profiles$/m);
  const words = [...Object.keys(AGENT_FIELDS), ...agentKinds];
  expect(words.filter((word) => !new RegExp(`\\b${word}\\b`).test(text))).toEqual([]);
});

it('docs/configuration.md lists every old key with what it is called now, and no other', () => {
  const all = lines('configuration.md');
  const from = all.indexOf('| old key | called |') + 2;
  expect(all.slice(from, all.indexOf('', from))).toEqual(
    Object.entries(DEPRECATED).map(([old, { key }]) => `| \`${old}\` | \`${key}\` |`),
  );
});

it('docs/configuration.md lists every flag that has a variable of its own, and no other', () => {
  const listed = lines('configuration.md').flatMap((line) => {
    const [, flag, variable] = /^\| `(-[^`]*)` \| `(MSTONE_[A-Z_]*)` \|/.exec(line) ?? [];
    return flag === undefined || variable === undefined ? [] : [[flag, variable]];
  });
  expect(listed.sort()).toEqual([...FLAG_VARIABLES].sort());
});
