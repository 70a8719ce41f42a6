/** Runs behind all other tests: what they did not touch of mstone's surface is named. `npm run coverage:surface` */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { home } from '../rig/inside.js';
import { readRecords, surfaceOf, UNREACHED, uncatalogued } from './surface.js';

const records = readRecords();
const surface = surfaceOf(records);
const lines = surface.map(
  ({ kind, name, tests: [first = 'NONE', ...more] }) =>
    `${kind.padEnd(12)}  ${name}\n              ${first}${more.length === 0 ? '' : ` and ${more.length} more`}\n`,
);
mkdirSync(join(home, '.surface'), { recursive: true });
writeFileSync(join(home, '.surface', 'surface.txt'), lines.join(''));

it('every command, flag, variable, key, exit code, message and documented line has its test', () => {
  const none = surface.flatMap(({ kind, name, tests }) =>
    tests.length === 0 && !Object.hasOwn(UNREACHED, name) ? [`${kind} ${name}`] : [],
  );
  expect(none, 'after a run of the whole suite: npm test').toEqual([]);
});

it('what no command line reaches is still said somewhere, and still not reached', () => {
  const stale = Object.keys(UNREACHED).filter(
    (name) => surface.find((part) => part.name === name)?.tests.length !== 0,
  );
  expect(stale).toEqual([]);
});

it('everything that was refused or remarked is in the catalogue of messages', () => {
  expect(uncatalogued(records)).toEqual([]);
});
