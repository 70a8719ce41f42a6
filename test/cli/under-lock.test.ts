import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { underLock } from '../../src/cli/state.js';
import { makeInside } from '../rig/inside.js';
import { makeRepository } from '../rig/repository.js';

it('passes on what is thrown under the lock, which is given back: a bug must not read as a removed folder', async () => {
  const repository = makeRepository();
  const stateDir = join(repository.root, '.git', 'mstone');
  const { world, said } = makeInside(repository.root, repository.environment);
  const bug = new Error('a bug');
  await expect(underLock(world, { stateDir }, () => Promise.reject(bug))).rejects.toBe(bug);
  expect(existsSync(join(stateDir, 'lock'))).toBe(false);
  expect(said()).toEqual({ stdout: '', stderr: '' });
  repository.remove();
});
