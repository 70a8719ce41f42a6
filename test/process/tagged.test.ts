import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { identify } from '../../src/process/identity.js';
import { endTagged, findTagged, readPsLines, withTag } from '../../src/process/tagged.js';

const daemon = join(import.meta.dirname, '../fixtures/agents/daemon.sh');
let count = 0;
const freshTag = (): string => `tagged-${process.pid}-${++count}`;

/** A child with these tags that has printed its first byte: it is past exec and its traps are set. */
async function child(tags: string, script = 'echo; exec sleep 60') {
  const started = spawn('sh', ['-c', script], { env: { PATH: process.env.PATH, MSTONE_TAG: tags } });
  await once(started.stdout, 'data');
  return started;
}

describe('tags', () => {
  it('join those of an outer mstone', () => {
    expect(withTag({ A: '1' }, 'x')).toEqual({ A: '1', MSTONE_TAG: 'x' });
    expect(withTag({ MSTONE_TAG: 'outer' }, 'x')).toEqual({ MSTONE_TAG: 'outer,x' });
    expect(withTag({ MSTONE_TAG: 'outer,x' }, 'x')).toEqual({ MSTONE_TAG: 'outer,x' });
    expect(() => withTag({}, 'a,b')).toThrow('not a tag');
  });

  it('find processes by any element of the list, and by whole elements only', async () => {
    const tag = freshTag();
    const [one, two, other] = await Promise.all([
      child(tag),
      child(`outer,${tag},inner`),
      child(`${tag}x,x${tag}`),
    ]);
    const found = await findTagged(tag);
    expect(found.sort()).toEqual([one.pid, two.pid].sort());
    expect(await endTagged(tag, { except: [two.pid ?? 0] })).toBe(1);
    expect(await findTagged(tag)).toEqual([two.pid]);
    two.kill('SIGKILL');
    other.kill('SIGKILL');
  });

  it('end a daemon that left the session and ignores the polite signal', async () => {
    const tag = freshTag();
    const file = join(mkdtempSync(join(tmpdir(), 'mstone-tagged-')), 'pid');
    const starter = spawn('sh', [daemon, file], { env: { PATH: process.env.PATH, MSTONE_TAG: tag } });
    await once(starter, 'exit');
    const pid = Number(readFileSync(file, 'utf8'));
    expect(identify(pid)).toBeDefined();
    expect(await endTagged(tag, { graceMs: 100 })).toBeGreaterThanOrEqual(1);
    expect(identify(pid)).toBeUndefined();
    expect(await findTagged(tag)).toEqual([]);
  });

  it('ask politely first', async () => {
    const tag = freshTag();
    const polite = await child(tag, 'trap "sleep 0.1; exit 7" TERM; echo; while :; do sleep 0.01; done');
    const [ended] = await Promise.all([once(polite, 'exit'), endTagged(tag)]);
    expect(ended[0]).toBe(7);
  });

  it('have nothing to end where nobody bears them', async () => {
    expect(await endTagged(freshTag())).toBe(0);
  });

  it('are read from what ps prints where there is no /proc', () => {
    const text = [
      '  101 node agent.mjs PATH=/bin MSTONE_TAG=outer,x HOME=/root',
      '  102 node MSTONE_TAG=xy',
      'PID COMMAND MSTONE_TAG=x',
      '  103 sh MSTONE_TAG=x',
    ].join('\n');
    expect(readPsLines(text, 'x')).toEqual([101, 103]);
  });
});
