import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { meetRequirements } from '../../src/check/requirements.js';

const path = mkdtempSync(join(tmpdir(), 'mstone-requirements-'));
writeFileSync(join(path, 'package.json'), '{}');
symlinkSync('package.json', join(path, 'inside'));
symlinkSync('/etc', join(path, 'outside'));
const env = { PATH: process.env.PATH, API_URL: 'http://x', EMPTY: '', SECRET: 'hidden' };
const meet = (requires: Parameters<typeof meetRequirements>[0]) => meetRequirements(requires, { path, env });

describe('requirements', () => {
  it('are met by a command that exits 0, a file that is there and a variable that is set', async () => {
    expect(
      await meet([
        { command: 'test -f package.json' },
        { file: 'package.json' },
        { file: 'inside' },
        { env: 'API_URL' },
      ]),
    ).toBeUndefined();
    expect(await meet([])).toBeUndefined();
  });

  it('are told by all that are not met', async () => {
    expect(await meet([{ env: 'API_URL' }, { env: 'NONE' }, { file: 'none' }])).toEqual({
      requirement: 'env: NONE, file: none',
      message: 'the variable NONE is not set; there is no none',
    });
    expect(await meet([{ file: 'none.json' }])).toEqual({
      requirement: 'file: none.json',
      message: 'there is no none.json',
    });
    expect(await meet([{ command: 'echo too old >&2; exit 3' }])).toEqual({
      requirement: 'command: echo too old >&2; exit 3',
      message: '`echo too old >&2; exit 3` failed (exit 3): too old',
    });
    expect(await meet([{ env: 'EMPTY' }])).toMatchObject({ requirement: 'env: EMPTY' });
  });

  it('do not look outside the folder', async () => {
    expect(await meet([{ file: '/etc/hostname' }])).toMatchObject({
      message: '/etc/hostname must be a path inside the repository',
    });
    expect(await meet([{ file: '../..' }])).toMatchObject({ message: '../.. leads out of the repository' });
    expect(await meet([{ file: 'outside/hostname' }])).toMatchObject({
      message: 'outside/hostname leads out of the repository',
    });
  });

  it('give commands the allowed variables only, and not for ever', async () => {
    expect(await meet([{ command: 'test -z "$SECRET"' }])).toBeUndefined();
    expect(await meetRequirements([{ command: 'sleep 60' }], { path, env, timeoutMs: 100 })).toMatchObject({
      message: '`sleep 60` took too long',
    });
    expect(
      await meetRequirements([{ command: 'true' }], { path, env, signal: AbortSignal.abort() }),
    ).toMatchObject({ message: '`true` was cancelled' });
  });
});
