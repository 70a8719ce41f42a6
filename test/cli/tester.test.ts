/** A tester that writes tests before the code is there, and another that writes more behind it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject | undefined;
afterEach(() => p?.remove());

const role = 'echo "$MSTONE_MILESTONE $(printenv MSTONE_ROLE)" >> "$HOME/roles"';
const test = (options: string, given: string, sum: number): string =>
  `test('${given}'${options}, async () => { const { sum } = await import('./sum.mjs'); assert.equal(sum(${given}), ${sum}); });`;
const head = "import assert from 'node:assert'; import { test } from 'node:test';";

it('tests that are written first wait as todo, hold the code that follows, and may not be weakened by it', async () => {
  const made = makeProject('agent: recipe\nreview: false\nbackoff: 0\nchecks: [node --test]\n');
  p = made;
  made.milestone('1A', {
    front: 'role: tester\nallow: [skipped-tests, no-tests]',
    implement: `${role}; cat > sum.test.mjs <<'END'\n${head}\n${test(', { todo: true }', '1, 2', 3)}\nEND`,
  });
  const green = `cat > sum.test.mjs <<'END'\n${head}\n${test('', '1, 2', 3)}\nEND`;
  made.milestone('1B', {
    front: 'depends_on: [1A]',
    // At first it does what is asked and throws the test away; then it does what is asked.
    implement: `${role}; rm sum.test.mjs; echo 'export const sum = (a, b) => a + b;' > sum.mjs; echo "import 'node:test';" > other.test.mjs`,
    remediate: `rm other.test.mjs; ${green}`,
  });
  made.milestone('1C', {
    front: 'depends_on: [1B]\nrole: tester',
    implement: `${role}; echo "${test('', '0, 0', 0)}" >> sum.test.mjs`,
  });
  made.commit('Milestones');

  const run = await made.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(readFileSync(join(made.env.HOME ?? '', 'roles'), 'utf8')).toBe('1A tester\n1B \n1C tester\n');
  expect(made.starts()).toEqual([
    '1A.1.1.implement',
    '1B.1.1.implement',
    '1B.1.2.remediate',
    '1C.1.1.implement',
  ]);
  expect(made.tree()['sum.test.mjs']?.split('\n').slice(1)).toEqual([
    test('', '1, 2', 3),
    test('', '0, 0', 0),
  ]);
});
