import { existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
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
