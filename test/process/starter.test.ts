import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runShort } from '../../src/process/short.js';
import { openStarter, type Starter } from '../../src/process/starter.js';
import { findTagged, TAG_NAME } from '../../src/process/tagged.js';

const folder = mkdtempSync(join(tmpdir(), 'mstone starter é '));
const open: Starter[] = [];
let count = 0;

/** One that is ready, its tag, and its pid: the only process that bears it. */
async function starter(): Promise<{ starter: Starter; tag: string; pid: number }> {
  const tag = `starter-${process.pid}-${++count}`;
  const one = openStarter(tag, process.env);
  open.push(one);
  // What it starts has it for a parent, what we start has us.
  await expect
    .poll(async () => (await parentBy(one)) !== String(process.pid), { timeout: 20_000 })
    .toBe(true);
  return { starter: one, tag, pid: Number(await parentBy(one)) };
}

const sh = (script: string, more: object = {}) => ({
  command: 'sh',
  args: ['-c', script],
  cwd: folder,
  env: { PATH: process.env.PATH ?? '' },
  ...more,
});

async function parentBy({ run }: Pick<Starter, 'run'>): Promise<string> {
  const ended = await run(sh('echo $PPID'));
  return ended.kind === 'exited' ? ended.stdout.toString().trim() : ended.kind;
}

const isThere = (file: string): Promise<void> =>
  expect.poll(() => existsSync(file), { timeout: 20_000, interval: 10 }).toBe(true);

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

describe('programs by way of the starter', () => {
  it('end as they end without it', async () => {
    const { starter: one } = await starter();
    const requests = [
      sh('cat; echo err >&2; exit 3', { input: 'words\n' }),
      sh('cat', { input: Buffer.from([0, 255, 10]) }),
      sh('kill -9 $$'),
      sh('env | grep -v "^_=\\|^PWD=\\|^SHLVL="; pwd'),
      sh('yes', { maxBytes: 10 }),
      { ...sh(''), command: 'no-such-program' },
      { ...sh(''), cwd: join(folder, 'nowhere') },
      { ...sh(''), args: ['x'.repeat(1 << 22)] },
    ];
    for (const request of requests) expect(await one.run(request)).toEqual(await runShort(request));
  });

  it('are ended with all their group when nobody wants them any more', async () => {
    const { starter: one, tag } = await starter();
    const unwanted = new AbortController();
    const begun = join(folder, 'begun');
    const running = one.run(
      sh(`sleep 1000 & touch "${begun}"; wait`, {
        signal: unwanted.signal,
        env: { PATH: process.env.PATH ?? '', [TAG_NAME]: tag },
      }),
    );
    await isThere(begun);
    expect((await findTagged(tag)).length).toBeGreaterThan(2);
    unwanted.abort();
    expect((await running).kind).toBe('cancelled');
    expect(await findTagged(tag)).toHaveLength(1);
    expect((await one.run(sh('', { signal: unwanted.signal }))).kind).toBe('cancelled');
  });

  it('go on without it where they are detached, and are told of', async () => {
    const { starter: one, pid } = await starter();
    const [input, log] = [join(folder, 'in'), join(folder, 'out')];
    writeFileSync(input, 'the prompt\n');
    const agent = (script: string) => ({ ...sh(script), stdinFile: input, logFile: log });
    const first = await one.startDetached(agent('cat; echo $PPID'));
    await first.ended;
    expect(readFileSync(log, 'utf8')).toBe(`the prompt\n${pid}\n`);
    await expect(one.startDetached({ ...agent(''), command: 'no-such' })).rejects.toThrow('ENOENT');
    await expect(one.startDetached({ ...agent(''), cwd: input })).rejects.toThrow('not a folder');

    const gate = join(folder, 'gate');
    const second = await one.startDetached(agent(`until [ -e "${gate}" ]; do sleep 0.01; done; echo over`));
    process.kill(pid, 'SIGKILL');
    // Its end is seen without the starter, too.
    writeFileSync(gate, '');
    await second.ended;
    expect(readFileSync(log, 'utf8')).toBe(`the prompt\n${pid}\nover\n`);
    // And the next is started all the same.
    expect(await parentBy(one)).toBe(String(process.pid));
  });

  it('are gone with it where somebody waits for them, and count as killed', async () => {
    const { starter: one, tag, pid } = await starter();
    const begun = join(folder, 'run');
    const running = one.run(
      sh(`touch "${begun}"; exec sleep 1000`, { env: { PATH: process.env.PATH ?? '', [TAG_NAME]: tag } }),
    );
    await isThere(begun);
    process.kill(pid, 'SIGKILL');
    expect(await running).toEqual({ kind: 'killed', signal: 'SIGKILL', stdout: Buffer.alloc(0), stderr: '' });
    expect(await findTagged(tag)).toEqual([]);
  });

  it('are not started any more when whoever wanted them was killed', async () => {
    const tag = `starter-${process.pid}-${++count}`;
    const program = `
      const { fork } = require('node:child_process');
      fork(${JSON.stringify(join(import.meta.dirname, '../../dist/bundle/starter.cjs'))}, [], {
        detached: true, serialization: 'advanced', env: { MSTONE_TAG: ${JSON.stringify(tag)} },
      }).once('message', () => console.log('ready'));`;
    const owner = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(owner.stdout, 'data');
    expect(await findTagged(tag)).toHaveLength(1);
    owner.kill('SIGKILL');
    await expect.poll(() => findTagged(tag), { timeout: 20_000, interval: 10 }).toEqual([]);
  });
});
