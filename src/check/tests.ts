/**
 * How many tests a command has run, read off the summary that its runner prints.
 *
 * Pure. A line is held against the summaries of the runners that people use; what several of them say (one for
 * each package, crate or project) is added up. Text of the tests' own may look like a summary: that can raise
 * the number, and a check still has to exit 0. Where nothing is recognised, nothing is known.
 */
import type { TestRun } from '../model/outcome.js';
import { plainText } from '../process/plain.js';

/** What is looked at of a command's output: its end, in bytes. */
export const SUMMARY_BYTES = 256 * 1024;
const MOST_NAMES = 20;
const LONGEST_NAME = 200;

type Summary = readonly [line: RegExp, ran: (match: RegExpExecArray) => number];

const number = (text: string | undefined): number => Number(text ?? 0);
/** `3 passed, 1 failed, 2 skipped`: the numbers before some words. */
const before = (text: string | undefined, words: RegExp): number =>
  [...(text ?? '').matchAll(/(\d+)\s+([A-Za-z]+)/g)]
    .filter(([, , word]) => words.test(word ?? ''))
    .reduce((sum, [, count]) => sum + number(count), 0);
/** `Tests: 5, Assertions: 9, Skipped: 1`: the number behind a word. */
const behind = (text: string | undefined, word: string): number =>
  number(new RegExp(`\\b${word}:\\s*(\\d+)`).exec(text ?? '')?.[1]);

const EXECUTED =
  /^(?:pass(?:ed|ing|es)?|fail(?:ed|ing|ures?|s)?|errors?|errored|xfailed|xpassed|flaky|broken)$/;
const executed = (text: string | undefined): number => before(text, EXECUTED);

/** Lines without the spaces around them. The first that fits a line counts, and no other for that line. */
const SUMMARIES: readonly Summary[] = [
  // vitest, jest, pest
  [/^Tests\s{2,}(?:no tests|(.+?)\s*\(\d+\))$/, ([, said]) => executed(said)],
  [/^Tests:\s+(.*\b\d+ total)$/, ([, said]) => executed(said)],
  [/^Tests:\s+(\d+ (?:passed|failed|skipped|todo)\b.*\(\d+ assertions?\))$/, ([, said]) => executed(said)],
  [/^No test(?: file)?s found(?:, exiting|\. Pass|$)/, () => 0],
  // mocha
  [/^(\d+) passing \(.*\)$/, ([, passed]) => number(passed)],
  [/^(\d+) failing$/, ([, failed]) => number(failed)],
  // node:test
  [/^(?:#|ℹ) (?:pass|fail|cancelled) (\d+)$/, ([, count]) => number(count)],
  // ava
  [/^(\d+) tests? (?:passed|failed)$/, ([, count]) => number(count)],
  [/^[✖✘] Couldn['’]t find any (?:files to test|matching tests)/, () => 0],
  // node-tap
  [/^(?:# )?\{ total: \d+(.*) \}$/, ([, said]) => behind(said, 'pass') + behind(said, 'fail')],
  [/^Asserts:\s+(.+?),? of \d+/, ([, said]) => executed(said)],
  // bun, deno, playwright
  [/^Ran (\d+) tests? across \d+ files?/, ([, count]) => number(count)],
  [/^(?:ok|FAILED) \| (\d+ passed.*)$/, ([, said]) => executed((said ?? '').replaceAll('|', ','))],
  // pytest
  [/^=*\s*no tests ran\b.* in [\d.]+s/, () => 0],
  [/^=*\s*(\d+ [a-z]+(?:, \d+ [a-z]+)*) in [\d.]+s(?: \([^)]*\))?\s*=*$/, ([, said]) => executed(said)],
  // unittest: what was skipped is in the line after it
  [/^Ran (\d+) tests? in [\d.]+s$/, ([, count]) => number(count)],
  [/^(?:OK|FAILED) \((?:.*\b)?skipped=(\d+).*\)$/, ([, skipped]) => -number(skipped)],
  [/^NO TESTS RAN(?: \(skipped=\d+\))?$/, () => 0],
  // cargo test, nextest
  [/^test result: \w+\. (\d+ passed; \d+ failed);/, ([, said]) => executed(said)],
  [/^Summary \[.*\] +(\d+)(?:\/\d+)? tests? run:/, ([, count]) => number(count)],
  // rspec, minitest, test-unit, bats
  [
    /^(\d+) examples?, \d+ failures?(?:, (\d+) pending)?/,
    ([, all, pending]) => number(all) - number(pending),
  ],
  [
    /^(\d+) (?:runs|tests), \d+ assertions, \d+ failures, \d+ errors(?:, (\d+) skips)?/,
    ([, all, skipped]) => number(all) - number(skipped),
  ],
  [/^(\d+) tests?, \d+ failures?(?:, (\d+) skipped)?/, ([, all, skipped]) => number(all) - number(skipped)],
  // phpunit
  [/^OK \((\d+) tests?, \d+ assertions?\)$/, ([, count]) => number(count)],
  [/^(Tests: \d+, Assertions: \d+.*)$/, ([, said]) => behind(said, 'Tests') - behind(said, 'Skipped')],
  [/^No tests executed!$/, () => 0],
  // surefire: the sum at the end, not that of each class
  [
    /^(?:\[\w+\] )?Tests run: (\d+), Failures: \d+, Errors: \d+, Skipped: (\d+)$/,
    ([, all, skipped]) => number(all) - number(skipped),
  ],
  [/^(?:\[\w+\] )?(?:No tests to run\.|Tests are skipped\.)$/, () => 0],
  // ctest
  [/^\d+% tests passed, \d+ tests? failed out of (\d+)$/, ([, count]) => number(count)],
  [/^No tests were found!!!$/, () => 0],
  // dotnet test
  [
    /^(?:Passed|Failed|Skipped)! +- Failed: +(\d+), Passed: +(\d+), Skipped: +\d+, Total: +\d+/,
    ([, failed, passed]) => number(failed) + number(passed),
  ],
  [/^No test is available in /, () => 0],
  // gotestsum
  [
    /^DONE (\d+) tests?(?:, (\d+) skipped)?.* in [\d.]+s$/,
    ([, all, skipped]) => number(all) - number(skipped),
  ],
  // Anybody's.
  [/^(?:.*[\s:=])?(\d+ passed\W+\d+ failed|\d+ failed\W+\d+ passed)\b/, ([, said]) => executed(said)],
];

/** How failed tests are named; lines as they were printed. */
const NAMES: readonly RegExp[] = [
  /^ *FAIL {2,}(\S.* > .+)$/, // vitest
  /^ {2}● (.+ › .+)$/, // jest
  /^ {2,}\d+\) (\S.*?):?$/, // mocha
  /^ *not ok \d+ -? ?(.+?)(?: # time=.*)?$/, // TAP
  /^ *✖ (.+) \([\d.]+m?s\)$/, // node:test
  /^ *✘ \[fail\]: (.+)$/, // ava
  /^FAILED (\S+::.+?)(?: - .*)?$/, // pytest
  /^(?:FAIL|ERROR): (\S+ \(.+\))$/, // unittest
  /^test (.+) \.\.\. FAILED$/, // cargo test
  /^ *FAIL \[[^\]]*\] +(\S+ \S+)$/, // nextest
  /^ *--- FAIL: (\S+) \(/, // go
  /^rspec (\.\/\S+)/, // rspec
  /^ *\d+\) (\S+::\S+)$/, // phpunit
  /^\[ERROR\] +(\S+)(?::\d+| -- .*<<< )/, // surefire
  /^\s+\d+ - (\S+) \((?:Failed|Timeout|SEGFAULT)\)/, // ctest
  /^ *Failed (\S+) \[/, // dotnet test
];

/** What the end of a command's output says of tests, if anything. */
export function readTests(output: string): TestRun | undefined {
  const lines = plainText(output).split('\n');
  const told = [summed(lines), goTests(lines)].filter((ran) => ran !== undefined);
  const ran = told.length > 0 ? told.reduce((sum, one) => sum + one, 0) : tapTests(lines);
  return ran === undefined ? undefined : { ran: Math.max(0, ran), failed: failedNames(lines) };
}

function summed(lines: readonly string[]): number | undefined {
  let sum: number | undefined;
  for (const line of lines) {
    const trimmed = line.trim();
    if (trimmed.length > 500) continue;
    for (const [pattern, ran] of SUMMARIES) {
      const match = pattern.exec(trimmed);
      if (match === null) continue;
      sum = (sum ?? 0) + ran(match);
      break;
    }
  }
  return sum;
}

/** `go test` names packages; tests only with `-v`. */
function goTests(lines: readonly string[]): number | undefined {
  const packages = lines.filter((line) => /^(?:ok {2}|FAIL|\?) *\t\S+/.test(line));
  if (packages.length === 0) return undefined;
  const tests = lines.filter((line) => /^\s*--- (?:PASS|FAIL): \S+ \(/.test(line));
  if (lines.some((line) => line.startsWith('=== RUN '))) return tests.length;
  return packages.filter((line) => !line.includes('[no test files]') && !line.includes('[no tests to run]'))
    .length;
}

/** TAP without a summary: its test points, those that were skipped left out. */
function tapTests(lines: readonly string[]): number | undefined {
  const plan = lines.some((line) => /^\d+\.\.\d+(?:\s|$)/.test(line));
  if (!plan) return undefined;
  return lines.filter((line) => /^(?:not )?ok \d+\b/.test(line) && !/#\s*(?:skip|todo)\b/i.test(line)).length;
}

function failedNames(lines: readonly string[]): string[] {
  const names = new Set<string>();
  for (const line of lines) {
    if (line.length > 500 || names.size === MOST_NAMES) continue;
    for (const pattern of NAMES) {
      const name = pattern.exec(line)?.[1]?.trim();
      if (name === undefined || name === '') continue;
      names.add(name.slice(0, LONGEST_NAME));
      break;
    }
  }
  return [...names];
}
