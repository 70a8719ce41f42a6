import { expect, it } from 'vitest';
import { versionWords } from '../../src/agent/versions.js';

it('a version that is known to differ is told, and no other', () => {
  expect(versionWords('claude', '2.1.197')).toMatch(/^claude 2\.1\.197 goes on with a conversation only/);
  expect(versionWords('claude', '1.9.400')).toMatch(/^claude 1\.9\.400 goes on/);
  for (const version of ['2.1.329', '2.1.330', '2.2.0', '3.0.0', 'nightly', undefined]) {
    expect(versionWords('claude', version)).toBeUndefined();
  }
  expect(versionWords('codex', '0.1.0')).toBeUndefined();
});
