import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { identify, selfIdentity } from '../../src/process/identity.js';
import { hasStarted, type SuperviseRequest, supervise } from '../../src/process/supervise.js';
import { findTagged } from '../../src/process/tagged.js';

const fixtures = join(import.meta.dirname, '../fixtures/agents');
const root = mkdtempSync(join(tmpdir(), 'mstone supervise é '));
let count = 0;

/** A request for `sh -c script` in a folder of its own. */
function request(script: string, more: Partial<SuperviseRequest> = {}): SuperviseRequest {
  const dir = join(root, `a ${++count}`);
  mkdirSync(dir);
  writeFileSync(join(dir, 'stdin'), 'the prompt\n');
  return {
    dir,
    command: 'sh',
    args: ['-c', script, 'agent', dir],
    cwd: dir,
    env: { PATH: process.env.PATH ?? '' },
    stdinFile: join(dir, 'stdin'),
    logFile: join(dir, 'log'),
    tag: `supervise-${process.pid}-${count}`,
    timeoutMs: 60_000,
    idleMs: 60_000,
    maxLogBytes: 1e9,
    signal: new AbortController().signal,
    ...more,
  };
}

const gate = (exit = 0): string => `exec sh "${fixtures}/gate.sh" "$1" ${exit}`;
const begun = (dir: string): string[] =>
  existsSync(join(dir, 'begun')) ? readFileSync(join(dir, 'begun'), 'utf8').trim().split('\n') : [];
const hasBegun = (dir: string): Promise<void> =>
  expect.poll(() => begun(dir).length, { interval: 10, timeout: 20_000 }).toBe(1);
const open = (dir: string): void => writeFileSync(join(dir, 'open'), '');
const log = (dir: string): string => readFileSync(join(dir, 'log'), 'utf8');
const isDead = (pid: number): boolean => identify(pid) === undefined;
const wrapperOf = (dir: string): number => Number(readFileSync(join(dir, 'pid'), 'utf8').split('\n')[0]);

/** A supervisor in a process of its own. */
function supervisor(requests: readonly SuperviseRequest[]) {
  const child = spawn(process.execPath, [join(fixtures, 'supervise.mjs'), JSON.stringify(requests)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { child, ends: once(child, 'close').then(() => (text === '' ? undefined : JSON.parse(text))) };
}

describe('an agent under supervision', () => {
  it('reads its prompt, writes its log and ends with its exit code', async () => {
    const one = request('cat; echo err >&2; exit 3');
    expect(hasStarted(one.dir)).toBe(false);
    expect(await supervise(one)).toEqual({ kind: 'exited', code: 3 });
    expect(hasStarted(one.dir)).toBe(true);
    expect(log(one.dir)).toBe('the prompt\nerr\n');
    expect(statSync(one.logFile).mode & 0o777).toBe(0o600);
  });

  it('gets its arguments as they are, never as shell text', async () => {
    const args = ['$(touch evil)', '; touch evil', "'", '"', '*', '', 'é\n'];
    const one = request('', { command: 'printf', args: ['[%s]', ...args] });
    expect(await supervise(one)).toEqual({ kind: 'exited', code: 0 });
    expect(log(one.dir)).toBe(args.map((arg) => `[${arg}]`).join(''));
  });

  it('leads a session of its own, ignores no signal and has no variable of the wrapper', async () => {
    const one = request('cut -d" " -f6 /proc/self/stat; grep SigIgn /proc/self/status; env');
    await supervise(one);
    const lines = log(one.dir).split('\n');
    if (process.platform === 'linux') {
      expect(lines[0]).toBe(String(wrapperOf(one.dir)));
      expect(Number.parseInt(lines[1]?.split('\t')[1] ?? '', 16) & 0x4003).toBe(0);
    }
    const names = lines.slice(2).flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? []);
    expect(names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)).sort()).toEqual([
      'MSTONE_TAG',
      'PATH',
    ]);
  });

  it('ends with 127 and 126 where the program is not there or may not be run', async () => {
    expect(await supervise(request('', { command: 'no-such-agent', args: [] }))).toEqual({
      kind: 'exited',
      code: 127,
    });
    const one = request('', { args: [] });
    expect(await supervise({ ...one, command: join(one.dir, 'stdin') })).toEqual({
      kind: 'exited',
      code: 126,
    });
  });

  it('writes its exit code though its PATH leads nowhere', async () => {
    expect(await supervise(request('exit 5', { command: '/bin/sh', env: { PATH: '/nowhere' } }))).toEqual({
      kind: 'exited',
      code: 5,
    });
  });

  it('tells a signal by its name', async () => {
    expect(await supervise(request('kill -9 $$'))).toEqual({ kind: 'killed', signal: 'SIGKILL' });
    expect(await supervise(request('exit 255'))).toEqual({ kind: 'exited', code: 255 });
  });

  it('is not started in a folder that is not there, and may be started later', async () => {
    const one = request('exit 0');
    expect(await supervise({ ...one, cwd: join(one.dir, 'none') })).toEqual({
      kind: 'not-started',
      message: expect.stringContaining(join(one.dir, 'none')),
    });
    expect(await supervise({ ...one, dir: join(one.dir, 'none') })).toMatchObject({ kind: 'not-started' });
    expect(await supervise(one)).toEqual({ kind: 'exited', code: 0 });
  });

  it('is not started when cancelled before', async () => {
    const one = request('echo started');
    expect(await supervise({ ...one, signal: AbortSignal.abort() })).toEqual({ kind: 'cancelled' });
    expect(hasStarted(one.dir)).toBe(false);
  });

  it('is started once, however often it is asked for, and ends the same for all', async () => {
    const one = request(gate(4));
    const first = supervise(one);
    await hasBegun(one.dir);
    const second = supervise(one);
    open(one.dir);
    expect(await Promise.all([first, second])).toEqual([
      { kind: 'exited', code: 4 },
      { kind: 'exited', code: 4 },
    ]);
    expect(await supervise(one)).toEqual({ kind: 'exited', code: 4 });
    expect(begun(one.dir)).toHaveLength(1);
  });

  it('is started once in 200 races between two processes', async () => {
    for (let batch = 0; batch < 4; batch += 1) {
      const requests = Array.from({ length: 50 }, (_, i) => request(`echo $$ >> "$1/begun"; exit ${i}`));
      const [one, two] = [supervisor(requests), supervisor(requests)];
      const expected = requests.map((_, i) => ({ kind: 'exited', code: i }));
      expect([await one.ends, await two.ends]).toEqual([expected, expected]);
      expect(requests.map(({ dir }) => begun(dir).length)).toEqual(requests.map(() => 1));
    }
  });

  it('survives the kill of its supervisor and is taken up again', async () => {
    const one = request(gate(6));
    const { child, ends } = supervisor([one]);
    await hasBegun(one.dir);
    child.kill('SIGKILL');
    expect(await ends).toBeUndefined();
    const again = supervise(one);
    open(one.dir);
    expect(await again).toEqual({ kind: 'exited', code: 6 });
    expect(begun(one.dir)).toHaveLength(1);
    expect(log(one.dir)).toBe('through\n');
  });

  it('keeps its exit code for a supervisor that comes after its end', async () => {
    const one = request(gate(6));
    const { child, ends } = supervisor([one]);
    await hasBegun(one.dir);
    child.kill('SIGKILL');
    await ends;
    open(one.dir);
    await expect.poll(() => existsSync(join(one.dir, 'exit')), { interval: 10 }).toBe(true);
    expect(await supervise(one)).toEqual({ kind: 'exited', code: 6 });
  });
});

describe('the end of an agent', () => {
  it('takes its descendants along, those that left the session and ignore SIGTERM too', async () => {
    const script = `sh "${fixtures}/daemon.sh" "$1/daemon"; echo $$ >> "$1/begun"; exec sleep 60`;
    const abort = new AbortController();
    const cancelled = request(script, { signal: abort.signal, graceMs: 100 });
    const timed = request(script, { timeoutMs: 2_000, graceMs: 100 });
    const running = supervise(cancelled);
    const timing = supervise(timed);
    await hasBegun(cancelled.dir);
    abort.abort();
    expect(await running).toEqual({ kind: 'cancelled' });
    expect(await timing).toEqual({ kind: 'timed-out', afterMs: 2_000 });
    const exited = request(`sh "${fixtures}/daemon.sh" "$1/daemon"; exit 2`, { graceMs: 100 });
    expect(await supervise(exited)).toEqual({ kind: 'exited', code: 2 });
    for (const { dir, tag } of [cancelled, timed, exited]) {
      expect(isDead(Number(readFileSync(join(dir, 'daemon'), 'utf8')))).toBe(true);
      expect(isDead(wrapperOf(dir))).toBe(true);
      expect(await findTagged(tag)).toEqual([]);
    }
  });

  // Found by their session, which macOS does not show.
  it.runIf(process.platform === 'linux')(
    'takes children along that emptied their environment but stayed in the session',
    async () => {
      const stubborn = `trap "" TERM; echo $$ > "$0"; while :; do /bin/sleep 1; done`;
      const one = request(
        `env -i /bin/sh -c '${stubborn}' "$1/child" & while [ ! -s "$1/child" ]; do sleep 0.01; done; exit 0`,
        { graceMs: 100 },
      );
      expect(await supervise(one)).toEqual({ kind: 'exited', code: 0 });
      expect(isDead(Number(readFileSync(join(one.dir, 'child'), 'utf8')))).toBe(true);
    },
  );

  it.runIf(process.platform === 'linux')(
    'takes children along that did both, where they were seen before their parent left them',
    async () => {
      const stubborn = `trap "" TERM; echo $$ > "$0"; while :; do /bin/sleep 1; done`;
      const one = request(
        `setsid env -i /bin/sh -c '${stubborn}' "$1/child" & while [ ! -s "$1/child" ]; do sleep 0.01; done; sleep 2; exit 0`,
        { graceMs: 100 },
      );
      expect(await supervise(one)).toEqual({ kind: 'exited', code: 0 });
      expect(isDead(Number(readFileSync(join(one.dir, 'child'), 'utf8')))).toBe(true);
    },
  );

  it('is polite first', async () => {
    const abort = new AbortController();
    const one = request('trap "echo bye; exit 0" TERM; echo > "$1/begun"; while :; do sleep 0.01; done', {
      signal: abort.signal,
    });
    const running = supervise(one);
    await hasBegun(one.dir);
    abort.abort();
    expect(await running).toEqual({ kind: 'cancelled' });
    expect(log(one.dir)).toContain('bye\n');
  });

  it('is carried out by the next supervisor where the one that decided it was killed', async () => {
    const one = request(gate(), { graceMs: 100 });
    const { child, ends } = supervisor([one]);
    await hasBegun(one.dir);
    child.kill('SIGKILL');
    await ends;
    writeFileSync(join(one.dir, 'end'), '{"kind":"timed-out","afterMs":5}\n');
    expect(await supervise(one)).toEqual({ kind: 'timed-out', afterMs: 5 });
    expect(isDead(wrapperOf(one.dir))).toBe(true);
    expect(isDead(Number(begun(one.dir)[0]))).toBe(true);
  });

  it('comes at any moment of its start and leaves nothing', async () => {
    const ends = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const abort = new AbortController();
        const one = request('exec sleep 60', { signal: abort.signal, graceMs: 300 });
        setTimeout(() => abort.abort(), i * 2);
        return [await supervise(one), await findTagged(one.tag)];
      }),
    );
    expect(ends).toEqual(ends.map(() => [{ kind: 'cancelled' }, []]));
  });

  it('does not come because the machine slept', async () => {
    const one = request(gate(), { timeoutMs: 60_000, idleMs: 60_000 });
    const real = Date.now;
    let slept = 0;
    vi.spyOn(Date, 'now').mockImplementation(() => real() + slept);
    try {
      const running = supervise(one);
      await hasBegun(one.dir);
      // Long enough for a look at the clock before and after, whatever the load.
      await new Promise((resolve) => setTimeout(resolve, 300));
      slept = 8 * 3_600_000;
      await new Promise((resolve) => setTimeout(resolve, 300));
      open(one.dir);
      expect(await running).toEqual({ kind: 'exited', code: 0 });
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('does not come because its supervisor was stopped for longer than an agent may be silent', async () => {
    const one = request(gate(), { timeoutMs: 8_000, idleMs: 7_000 });
    const { child, ends } = supervisor([one]);
    await hasBegun(one.dir);
    child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 9_000));
    child.kill('SIGCONT');
    // It looks twenty times a second.
    await new Promise((resolve) => setTimeout(resolve, 300));
    open(one.dir);
    expect(await ends).toEqual([{ kind: 'exited', code: 0 }]);
  });

  it('does not come for the time that the machine slept while nobody looked', async () => {
    // Elsewhere nobody tells.
    if (process.platform !== 'linux') return;
    const one = request(gate());
    const { child, ends } = supervisor([one]);
    await hasBegun(one.dir);
    await expect.poll(() => existsSync(join(one.dir, 'slept')), { interval: 10 }).toBe(true);
    child.kill('SIGKILL');
    await ends;
    // As if two hours had gone by since, all of them asleep.
    const ago = Date.now() / 1000 - 7200;
    utimesSync(join(one.dir, 'start'), ago, ago);
    utimesSync(one.logFile, ago, ago);
    const slept = Number(readFileSync(join(one.dir, 'slept'), 'utf8'));
    writeFileSync(join(one.dir, 'slept'), `${slept - 7_200_000}\n`);
    const running = supervise({ ...one, timeoutMs: 600_000, idleMs: 300_000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    open(one.dir);
    expect(await running).toEqual({ kind: 'exited', code: 0 });
  });

  it('stays what it was for those who ask later', async () => {
    const one = request('sleep 60', { timeoutMs: 200 });
    expect(await supervise(one)).toEqual({ kind: 'timed-out', afterMs: 200 });
    expect(await supervise({ ...one, timeoutMs: 1e6 })).toEqual({ kind: 'timed-out', afterMs: 200 });
  });

  it('comes when the log has not grown for long, and not while it grows', async () => {
    expect(await supervise(request('echo hello; sleep 60', { idleMs: 300 }))).toEqual({
      kind: 'stuck',
      silentMs: 300,
    });
    const busy = request('for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done', { idleMs: 600 });
    expect(await supervise(busy)).toEqual({ kind: 'exited', code: 0 });
  });

  it('comes when the log grows past its limit', async () => {
    expect(await supervise(request('while :; do echo yes; done', { maxLogBytes: 100_000 }))).toEqual({
      kind: 'too-much-output',
    });
  });

  it('counts the time from the first start, also before this supervisor came', async () => {
    const one = request(gate());
    const { child, ends } = supervisor([one]);
    await hasBegun(one.dir);
    child.kill('SIGKILL');
    await ends;
    const hourAgo = Date.now() / 1000 - 3600;
    utimesSync(join(one.dir, 'start'), hourAgo, hourAgo);
    expect(await supervise({ ...one, timeoutMs: 3_000_000 })).toEqual({
      kind: 'timed-out',
      afterMs: 3_000_000,
    });
  });

  it('is awaited where the wrapper was killed and the agent lives on; then it is lost', async () => {
    const one = request(`${gate(0).replace('exec ', '')}; echo over > "$1/over"`);
    const running = supervise(one);
    await hasBegun(one.dir);
    process.kill(wrapperOf(one.dir), 'SIGKILL');
    await expect.poll(() => isDead(wrapperOf(one.dir)), { interval: 10 }).toBe(true);
    open(one.dir);
    expect(await running).toEqual({ kind: 'lost', message: expect.any(String) });
    expect(existsSync(join(one.dir, 'over'))).toBe(true);
  });

  it('is told by its exit status where somebody else signalled its whole group', async () => {
    const one = request(gate());
    const running = supervise(one);
    await hasBegun(one.dir);
    process.kill(-wrapperOf(one.dir), 'SIGTERM');
    expect(await running).toEqual({ kind: 'killed', signal: 'SIGTERM' });
  });

  it('is lost with the machine, and a stranger that has its pid now is left alone', async () => {
    const stranger = spawn('sleep', ['60']);
    const one = request('exit 0');
    writeFileSync(join(one.dir, 'start'), '');
    writeFileSync(join(one.dir, 'pid'), `${stranger.pid}\n1\n${selfIdentity().boot}\n`);
    expect(await supervise(one)).toEqual({ kind: 'lost', message: expect.any(String) });
    expect(isDead(stranger.pid ?? 0)).toBe(false);
    stranger.kill('SIGKILL');
  });

  it('is lost where the token was taken and nothing came of it', async () => {
    const one = request('exit 0');
    writeFileSync(join(one.dir, 'start'), '');
    expect(await supervise(one)).toMatchObject({ kind: 'lost' });
    expect(begun(one.dir)).toEqual([]);
  });

  it('is not believed from an exit file that the power cut short', async () => {
    const one = request('exit 0');
    await supervise(one);
    truncateSync(join(one.dir, 'exit'), 0);
    truncateSync(join(one.dir, 'end'), 5);
    expect(await supervise(one)).toMatchObject({ kind: 'lost' });
    expect(await supervise(one)).toMatchObject({ kind: 'lost' });
  });
});
