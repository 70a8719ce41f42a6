import { expect, it } from 'vitest';
import { findLeaks, secretValues } from '../../src/check/secrets.js';
import type { FilePatch } from '../../src/model/change.js';

const patch = (path: string, ...lines: string[]): FilePatch => ({
  path,
  status: 'added',
  added: lines.map((text, index) => ({ line: index + 10, text })),
  removed: [],
});

// Put together here, so that no scanner takes this file for a leak.
const github = `ghp_${'a1B2'.repeat(9)}`;
const aws = `AKIA${'Z7Q2'.repeat(4)}`;
const own = 'correct-horse-battery-7';

it('are told by file, line and kind, and never themselves', async () => {
  const leaks = await findLeaks(
    [
      patch('src/a.ts', 'const a = 1;', `const token = '${github}';`, `key = ${own}`),
      patch('conf.ini', `id=${aws}`, '', '-----BEGIN RSA PRIVATE KEY-----'),
      patch('data.bin', `\0\0${own}`, `\0${github}`),
      patch('clean.ts', 'const password = process.env.PASSWORD;', 'id = "AKIAIOSFODNN7EXAMPLE"'),
    ],
    { own: [own], allowed: [] },
  );
  expect(leaks).toEqual([
    { file: 'src/a.ts', line: 11, rule: 'a secret (github)' },
    { file: 'src/a.ts', line: 12, rule: 'one of your own credentials' },
    { file: 'conf.ini', line: 10, rule: 'an AWS access key' },
    { file: 'conf.ini', line: 12, rule: 'a private key' },
    { file: 'data.bin', line: 10, rule: 'one of your own credentials' },
  ]);
});

it('are not looked for in files that are allowed, the user’s own apart', async () => {
  const leaks = await findLeaks([patch('test/fixtures/keys.txt', github, own)], {
    own: [own],
    allowed: ['test/fixtures/**'],
  });
  expect(leaks).toEqual([{ file: 'test/fixtures/keys.txt', line: 11, rule: 'one of your own credentials' }]);
});

it('are in the environment what is called so and looks like it', () => {
  expect(
    secretValues({
      NPM_TOKEN: 'npm_0123456789ab',
      DEPLOY_KEY: 'k3y-of-deploying',
      KEY_FILE: '/home/me/key-1234567',
      SECRET: 'development-mode',
      MONKEY: 'banana-0123456789',
      TOKEN: 'short1',
      PATH: '/usr/bin0123456',
    }),
  ).toEqual(['npm_0123456789ab', 'k3y-of-deploying']);
});
