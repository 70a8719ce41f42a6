import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ChecksRequest, runChecks } from '../../src/check/index.js';
import { identify } from '../../src/process/identity.js';
import { findTagged } from '../../src/process/tagged.js';

const daemon = join(import.meta.dirname, '../fixtures/agents/daemon.sh');
let count = 0;

function request(more: Partial<ChecksRequest> = {}): ChecksRequest {
  const path = mkdtempSync(join(tmpdir(), 'mstone check é '));
  let now = 0;
  return {
    path,
    env: { PATH: process.env.PATH ?? '' },
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    logFile: join(mkdtempSync(join(tmpdir(), 'mstone-check-log-')), 'log'),
    tag: `check-${process.pid}-${++count}`,
    // Every look at the clock is 10 ms after the one before.
    clock: { now: () => (now += 10) },
    ...more,
  };
}

const log = ({ logFile }: ChecksRequest): string => readFileSync(logFile, 'utf8');

describe('checks', () => {
  it('pass when every command exits 0, and keep what they said', async () => {
    const one = request();
    expect(await runChecks(['echo one', 'echo "$PWD" >&2'], one)).toEqual({
      kind: 'passed',
      results: [
        { command: 'echo one', kind: 'passed', exit: 0, ms: 10, tail: 'one\n' },
        { command: 'echo "$PWD" >&2', kind: 'passed', exit: 0, ms: 10, tail: `${one.path}\n` },
      ],
    });
    expect(log(one)).toBe(`$ echo one\none\n$ echo "$PWD" >&2\n${one.path}\n`);
    expect(statSync(one.logFile).mode & 0o777).toBe(0o600);
  });

  it('pass where there are none', async () => {
    expect(await runChecks([], request())).toEqual({ kind: 'passed', results: [] });
  });

  it('stop at the first that fails', async () => {
    const one = request();
    expect(await runChecks(['true', 'echo no >&2; exit 3', 'touch never'], one)).toEqual({
      kind: 'failed',
      results: [
        { command: 'true', kind: 'passed', exit: 0, ms: 10, tail: '' },
        { command: 'echo no >&2; exit 3', kind: 'failed', exit: 3, ms: 10, tail: 'no\n' },
      ],
      message: '`echo no >&2; exit 3` failed (exit 3): no',
    });
    expect(existsSync(join(one.path, 'never'))).toBe(false);
  });

  it('have not passed when they could not start', async () => {
    expect(await runChecks(['no-such-check'], request())).toMatchObject({
      kind: 'unstartable',
      results: [{ kind: 'unstartable', exit: 127 }],
      message: expect.stringContaining('`no-such-check` could not start (exit 127): '),
    });
    expect(await runChecks(['echo > file; ./file'], request())).toMatchObject({
      kind: 'unstartable',
      results: [{ exit: 126 }],
    });
    const nowhere = await runChecks(['true'], request({ path: '/no/such/folder' }));
    expect(nowhere).toEqual({
      kind: 'unstartable',
      results: [
        { command: 'true', kind: 'unstartable', ms: 10, tail: '(no such folder: /no/such/folder)\n' },
      ],
      message: '`true` could not start: (no such folder: /no/such/folder)',
    });
  });

  it('fail when they take too long', async () => {
    expect(await runChecks(['echo begun; sleep 60'], request({ timeoutMs: 200 }))).toEqual({
      kind: 'failed',
      results: [
        { command: 'echo begun; sleep 60', kind: 'timed-out', ms: 10, tail: 'begun\n(ended after 0.2 s)\n' },
      ],
      message: '`echo begun; sleep 60` took longer than 0.2 s',
    });
  });

  it('fail when a signal ends them', async () => {
    expect(await runChecks(['kill -9 $$'], request())).toMatchObject({
      kind: 'failed',
      results: [{ kind: 'failed', tail: '(ended by SIGKILL)\n' }],
    });
  });

  it('are cancelled with all that they started', async () => {
    const abort = new AbortController();
    const one = request({ signal: abort.signal });
    const running = runChecks(['true', 'echo > begun; sleep 60', 'touch never'], one);
    await expect.poll(() => existsSync(join(one.path, 'begun')), { interval: 10 }).toBe(true);
    abort.abort();
    expect(await running).toEqual({
      kind: 'cancelled',
      results: [{ command: 'true', kind: 'passed', exit: 0, ms: 10, tail: '' }],
    });
    expect(await findTagged(one.tag)).toEqual([]);
    expect(await runChecks(['touch never'], one)).toEqual({ kind: 'cancelled', results: [] });
    expect(existsSync(join(one.path, 'never'))).toBe(false);
  });

  it('leave no process behind, not even one that left the session', async () => {
    const one = request({ graceMs: 100 });
    expect(await runChecks([`sh '${daemon}' daemon`], one)).toMatchObject({ kind: 'passed' });
    expect(identify(Number(readFileSync(join(one.path, 'daemon'), 'utf8')))).toBeUndefined();
  });

  it('get an empty stdin, their own variables and a command line that begins with a dash', async () => {
    const one = request({ env: { PATH: process.env.PATH ?? '', GIVEN: 'yes' } });
    const { results } = await runChecks(['cat', 'echo "$GIVEN"', '-no-such-check'], one);
    expect(results.map(({ kind, tail }) => [kind, tail.replace(/^sh: .*\n/, '')])).toEqual([
      ['passed', ''],
      ['passed', 'yes\n'],
      ['unstartable', ''],
    ]);
  });

  it('keep the last 4 KB, without what a terminal would obey', async () => {
    const one = request();
    const script = `i=0; while [ $i -lt 900 ]; do echo "line $i é"; i=$((i+1)); done; printf '\\033[31mred\\033[0m\\007'`;
    const { results } = await runChecks([script], one);
    const tail = results[0]?.tail ?? '';
    expect(Buffer.byteLength(tail)).toBeLessThanOrEqual(4096);
    expect(Buffer.byteLength(tail)).toBeGreaterThan(4000);
    expect(tail.endsWith('line 899 é\nred')).toBe(true);
    expect(log(one)).toContain('\u001b[31mred');
    expect(log(one)).toContain('line 0 é');
  });
});

describe('tests that a check ran', () => {
  const some = `printf '# tests 2\\n# pass 2\\n# fail 0\\n'`;
  const none = `printf '# tests 0\\n# pass 0\\n# fail 0\\n'`;
  const kinds = async (commands: readonly string[], expectTests: boolean | 'auto') => {
    const { kind, results, message } = await runChecks(commands, request({ expectTests }));
    return [kind, ...results.map((result) => `${result.kind} ${result.tests?.ran}`), message];
  };

  it('are counted, and none fails a command that says so, unless none is expected', async () => {
    expect(await kinds([some, 'true'], 'auto')).toEqual([
      'passed',
      'passed 2',
      'passed undefined',
      undefined,
    ]);
    const ranNone = `\`${none}\` ran no test, where tests are expected`;
    expect(await kinds([some, none, 'true'], 'auto')).toEqual(['failed', 'passed 2', 'no-tests 0', ranNone]);
    expect(await kinds([none], true)).toEqual(['failed', 'no-tests 0', ranNone]);
    expect(await kinds([none], false)).toEqual(['passed', 'passed 0', undefined]);
  });

  it('are seen in one of the commands at least, where they must be', async () => {
    expect(await kinds([some, 'true'], true)).toEqual(['passed', 'passed 2', 'passed undefined', undefined]);
    const one = request({ expectTests: true });
    expect(await runChecks(['echo done'], one)).toEqual({
      kind: 'failed',
      message: 'no summary of a known test runner was seen, where tests are expected',
      results: [
        {
          command: 'echo done',
          kind: 'no-tests',
          exit: 0,
          ms: 10,
          tail: 'done\n(no summary of a known test runner was seen, where tests are expected)\n',
        },
      ],
    });
  });

  it('are named where they fail', async () => {
    const { results } = await runChecks(
      [`printf 'not ok 1 - adds\\n# pass 1\\n# fail 1\\n'; exit 1`],
      request(),
    );
    expect(results.map(({ kind, tests }) => [kind, tests])).toEqual([
      ['failed', { ran: 2, failed: ['adds'] }],
    ]);
  });
});

describe('a check could not start', () => {
  it('where its folder is gone or its shell is not there', async () => {
    const gone = request();
    rmSync(gone.path, { recursive: true });
    expect((await runChecks(['true'], gone)).kind).toBe('unstartable');
    const noShell = request({ env: { PATH: '/nowhere' } });
    expect((await runChecks(['true'], noShell)).kind).toBe('unstartable');
  });
});
