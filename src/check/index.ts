/**
 * Checks: the commands that decide whether a tree is good, run in a folder that was made equal to it
 * (`folder.ts` makes it ready, `requirements.ts` says whether work may begin).
 *
 * It does not know git, trees or milestones: which commit lies in the folder, and what a verdict is then
 * worth, is its caller's to know.
 */
import type { CheckResult } from '../model/outcome.js';
import { plainText } from '../process/plain.js';
import { lastLine, runLine, type ShellRequest } from './shell.js';

export interface ChecksRequest extends ShellRequest {
  readonly clock: { now(): number };
  /**
   * Whether tests are expected to run: `true` in one of the commands at least, `auto` in those in whose output
   * a known runner's summary is recognised. `auto` where it is not said.
   */
  readonly expectTests?: boolean | 'auto';
}

export interface ChecksEnd {
  /** `failed` also where a check took too long; `unstartable`: nothing is known about the tree. */
  readonly kind: 'passed' | 'failed' | 'unstartable' | 'cancelled';
  /** In order; the last one is the first that did not pass. */
  readonly results: readonly CheckResult[];
  /** One clause for people, where it is not `passed` or `cancelled`. */
  readonly message?: string;
}

/** Runs the command lines in order and stops at the first that does not pass. */
export async function runChecks(commands: readonly string[], request: ChecksRequest): Promise<ChecksEnd> {
  const results: CheckResult[] = [];
  const expected = request.expectTests ?? 'auto';
  for (const command of commands) {
    if (request.signal.aborted) return { kind: 'cancelled', results };
    const begun = request.clock.now();
    const end = await runLine(command, request);
    if (end.kind === 'cancelled') return { kind: 'cancelled', results };
    const ms = Math.max(0, request.clock.now() - begun);
    const ranNone = end.kind === 'passed' && expected !== false && end.tests?.ran === 0;
    results.push({
      command,
      kind: ranNone ? 'no-tests' : end.kind,
      ...(end.exit === undefined ? {} : { exit: end.exit }),
      ms,
      tail: end.tail,
      ...(end.tests === undefined ? {} : { tests: end.tests }),
    });
    const name = `\`${plainText(command)}\``;
    const why = lastLine(end.tail);
    const colon = why === '' ? '' : `: ${why}`;
    const exit = end.exit === undefined ? '' : ` (exit ${end.exit})`;
    if (ranNone) return { kind: 'failed', results, message: `${name} ran no test, where tests are expected` };
    switch (end.kind) {
      case 'passed':
        break;
      case 'failed':
        return { kind: 'failed', results, message: `${name} failed${exit}${colon}` };
      case 'timed-out':
        return { kind: 'failed', results, message: `${name} took longer than ${request.timeoutMs / 1000} s` };
      case 'unstartable':
        return { kind: 'unstartable', results, message: `${name} could not start${exit}${colon}` };
    }
  }
  const last = results.at(-1);
  if (expected === true && last !== undefined && !results.some(({ tests }) => tests !== undefined)) {
    const message = 'no summary of a known test runner was seen, where tests are expected';
    const tail = `${last.tail}${last.tail === '' || last.tail.endsWith('\n') ? '' : '\n'}(${message})\n`;
    return {
      kind: 'failed',
      results: [...results.slice(0, -1), { ...last, kind: 'no-tests', tail }],
      message,
    };
  }
  return { kind: 'passed', results };
}
