import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTests } from '../../src/check/tests.js';

const recorded = (name: string): string =>
  readFileSync(join(import.meta.dirname, `../fixtures/tests/${name}.txt`), 'utf8');

describe('the summaries that runners print', () => {
  it.each<[string, number, string[]]>([
    ['vitest', 2, ['a.test.ts > sum > subtracts']],
    ['vitest-none', 0, []],
    ['jest', 2, ['sum › subtracts']],
    ['jest-none', 0, []],
    ['mocha', 2, ['subtracts', 'sum']],
    ['ava', 1, ['subtracts']],
    ['node-spec', 2, ['subtracts']],
    ['node-tap', 2, ['subtracts']],
    ['node-none', 0, []],
    ['pytest', 4, ['py/test_a.py::test_subtracts']],
    ['pytest-quiet', 1, []],
    ['pytest-none', 0, []],
    ['unittest', 2, ['test_subtracts (test_u.T.test_subtracts)']],
    ['unittest-none', 0, []],
    ['cargo', 2, ['tests::subtracts']],
    ['ctest', 2, ['subtracts']],
    ['tap', 2, ['should be equal', 'subtracts']],
  ])('%s, recorded', (name, ran, failed) => {
    expect(readTests(recorded(name))).toEqual({ ran, failed });
  });

  it.each<[string, string, number]>([
    [
      'go',
      'ok  \texample.com/a\t0.003s\nok  \texample.com/b\t(cached)\n?   \texample.com/c\t[no test files]\n',
      2,
    ],
    ['go, no test files', '?   \texample.com/a\t[no test files]\n', 0],
    ['go, none chosen', 'ok  \texample.com/a\t0.002s [no tests to run]\n', 0],
    [
      'go -v',
      '=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n--- SKIP: TestB (0.00s)\nPASS\nok  \texample.com/a\t0.002s\n',
      1,
    ],
    ['gotestsum', '∅  a\n✓  b (3ms)\n\nDONE 5 tests, 1 skipped in 0.312s\n', 4],
    ['nextest', '────────────\n     Summary [   0.012s] 3 tests run: 3 passed, 1 skipped\n', 3],
    ['nextest, none', '     Summary [   0.000s] 0 tests run: 0 passed, 4 skipped\n', 0],
    [
      'cargo workspace',
      'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n',
      2,
    ],
    [
      'rspec',
      'Finished in 0.01 seconds (files took 0.1 seconds to load)\n4 examples, 0 failures, 1 pending\n',
      3,
    ],
    ['rspec, none', 'No examples found.\n\n0 examples, 0 failures\n', 0],
    ['minitest', '4 runs, 9 assertions, 0 failures, 0 errors, 1 skips\n', 3],
    [
      'test-unit',
      '2 tests, 3 assertions, 0 failures, 0 errors, 0 pendings, 0 omissions, 0 notifications\n',
      2,
    ],
    ['phpunit', 'OK (5 tests, 10 assertions)\n', 5],
    ['phpunit, some skipped', 'OK, but there were issues!\nTests: 5, Assertions: 10, Skipped: 2.\n', 3],
    ['phpunit, none', 'No tests executed!\n', 0],
    ['pest', '\n  Tests:    2 skipped, 3 passed (7 assertions)\n  Duration: 0.05s\n', 3],
    [
      'surefire',
      '[INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.03 s -- in a.ATest\n[INFO] \n[INFO] Results:\n[INFO] \n[INFO] Tests run: 7, Failures: 0, Errors: 0, Skipped: 1\n',
      6,
    ],
    ['surefire, none', '[INFO] --- surefire:3.2.5:test (default-test) @ a ---\n[INFO] No tests to run.\n', 0],
    ['ctest, none', 'Test project /project\nNo tests were found!!!\n', 0],
    [
      'dotnet',
      'Passed!  - Failed:     0, Passed:     5, Skipped:     1, Total:     6, Duration: 10 ms - A.dll (net8.0)\n',
      5,
    ],
    [
      'dotnet, none',
      'No test is available in /project/bin/A.dll. Make sure that test discoverer is registered.\n',
      0,
    ],
    ['bats', ' ✓ adds\n - later (skipped)\n\n2 tests, 0 failures, 1 skipped\n', 1],
    ['TAP', '1..3\nok 1 adds\nok 2 later # skip not now\nnot ok 3 subtracts\n', 2],
    ['TAP, none', 'TAP version 13\n1..0\n', 0],
    ['node-tap', '# { total: 4, pass: 3, fail: 1 }\n', 4],
    ['deno', 'ok | 3 passed | 0 failed | 1 ignored (12ms)\n', 3],
    ['bun', ' 3 pass\n 0 fail\nRan 3 tests across 1 files. [10.00ms]\n', 3],
    ['plain', 'unit tests: 12 passed, 0 failed\n', 12],
    ['plain, none', '0 passed, 0 failed\n', 0],
    [
      'two workspaces',
      ' Test Files  1 passed (1)\n      Tests  3 passed (3)\n\nNo test files found, exiting with code 0\n',
      3,
    ],
  ])('%s', (_, output, ran) => {
    expect(readTests(output)?.ran).toBe(ran);
  });

  it('are not seen in other words', () => {
    for (const output of [
      '',
      'built in 3.1s\n',
      'the tests passed\n',
      '12 problems (0 errors, 12 warnings)\n',
      'ok\n',
    ]) {
      expect(readTests(output)).toBeUndefined();
    }
  });

  it('name at most twenty failures', () => {
    const lines = Array.from({ length: 50 }, (_, index) => `not ok ${index + 1} - test ${index + 1}`);
    expect(readTests(`1..50\n${lines.join('\n')}\n`)).toEqual({
      ran: 50,
      failed: Array.from({ length: 20 }, (_, index) => `test ${index + 1}`),
    });
  });
});
