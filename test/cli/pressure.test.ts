/** A machine that is short of something, from the command line: what runs goes on, nothing is added, and it is said. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { main } from '../../src/cli/index.js';
import type { World } from '../../src/cli/world.js';
import type { Host } from '../../src/host/index.js';
import { makeInside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
beforeEach(() => {
  p = makeProject('agent: recipe\nreview: false\njobs: 3\n');
  delete p.env.MSTONE_PRESSURE;
});
afterEach(() => p.remove());

/** A machine whose memory is as full as it is told to be; `asked` counts. */
function machine(everyMs: number): { host: Host; used: number; asked: number } {
  const self = {
    used: 0.5,
    asked: 0,
    host: {
      everyMs,
      measure: async () => {
        self.asked += 1;
        return { memory: { totalBytes: 1000, availableBytes: 1000 - self.used * 1000 }, disks: [] };
      },
    },
  };
  return self;
}

/** Resolves once `look` is true; a story that never gets there ends by the test's own limit. */
async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function told(world: World, said: () => { stdout: string }, ...args: string[]): Promise<string> {
  expect(await main(args, world)).toBe(0);
  await new Promise((resolve) => setImmediate(resolve));
  return said().stdout;
}

it('above the limit one agent works and no other starts; below it the others start within a poll', async () => {
  const file = (name: string): string => join(p.env.HOME ?? '', name);
  const wait = 'touch "$HOME/began-$MSTONE_MILESTONE"; until test -e "$HOME/go"; do sleep 0.05; done';
  for (const id of ['1A', '1B', '1C']) p.milestone(id, { implement: `${wait}; echo ${id} > ${id}.txt` });
  p.commit('Milestones');
  const { host } = machine(100);
  const memory = machine(100);
  memory.used = 0.94;

  const run = makeInside(p.root, p.env);
  const ended = main(['run'], { ...run.world, host: memory.host });
  await until(() => run.said().stdout.includes('note: no new agents: memory 94% used, limit 90%'));
  await until(() => existsSync(file('began-1A')));

  // It looks again and again, and nothing comes of it.
  const before = memory.asked;
  await until(() => memory.asked > before + 3);
  expect([existsSync(file('began-1B')), existsSync(file('began-1C'))]).toEqual([false, false]);

  const status = makeInside(p.root, p.env);
  const text = await told({ ...status.world, host }, status.said, 'status');
  expect(text).toContain('No new agents: memory 94% used, limit 90%\n');
  expect(text).toMatch(/1B +ready +Part 1B +no new agents: memory 94% used, limit 90%\n/);
  const json = makeInside(p.root, p.env);
  const document = JSON.parse(await told({ ...json.world, host }, json.said, 'status', '--json'));
  expect(document.run).toEqual({
    id: expect.any(String),
    state: 'running',
    pressure: 'memory 94% used, limit 90%',
  });

  memory.used = 0.7;
  await until(() => existsSync(file('began-1B')) && existsSync(file('began-1C')));
  writeFileSync(file('go'), '');
  expect(await ended, JSON.stringify(run.said())).toBe(0);
  const notes = run
    .said()
    .stdout.split('\n')
    .filter((line) => line.includes('note:'));
  expect(notes.map((line) => line.slice('12:00:00 '.length))).toEqual([
    'note: no new agents: memory 94% used, limit 90%',
    'note: agents may start again',
  ]);

  const after = makeInside(p.root, p.env);
  expect(await told({ ...after.world, host }, after.said, 'status')).not.toContain('agents');
});

it('one agent always may work: a run under pressure from beginning to end lands everything', async () => {
  const once = 'mkdir "$HOME/busy" || exit 9; sleep 0.05; rmdir "$HOME/busy"';
  for (const id of ['1A', '1B', '1C']) p.milestone(id, { implement: `${once}; echo ${id} > ${id}.txt` });
  p.commit('Milestones');
  const memory = machine(60_000);
  memory.used = 1;
  const run = makeInside(p.root, p.env);
  expect(await main(['run'], { ...run.world, host: memory.host }), JSON.stringify(run.said())).toBe(0);
  expect(p.tree()).toEqual({ '1A.txt': '1A', '1B.txt': '1B', '1C.txt': '1C' });
  // What a minute's reading says holds for that minute.
  expect(memory.asked).toBe(1);
});

it('doctor says what the machine has and what is short', async () => {
  p.milestone('1A', { implement: 'true' });
  p.commit('Milestones', {
    'mstone.yaml': 'agent: recipe\npressure: { memory: 80%, disk: 3GB, cpu: 70% }\n',
  });
  const host: Host = {
    everyMs: 5000,
    measure: async ({ places, cpu }) => ({
      memory: { totalBytes: 1000, availableBytes: 150 },
      disks: places.map((place) => ({ place, freeBytes: 2.5e9 })),
      ...(cpu ? { cpu: 0.25 } : {}),
    }),
  };
  const doctor = makeInside(p.root, p.env);
  expect(await main(['doctor', '--json'], { ...doctor.world, host })).toBe(0);
  await new Promise((resolve) => setImmediate(resolve));
  const { findings } = JSON.parse(doctor.said().stdout) as {
    findings: { check: string; state: string; message: string; fix?: string }[];
  };
  expect(findings.filter(({ check }) => ['memory', 'cpu', 'disk'].includes(check))).toEqual([
    {
      check: 'memory',
      state: 'warning',
      message: '85% used, limit 80%: one agent at a time is started',
      fix: 'end other programs, or set pressure.memory in mstone.yaml',
    },
    { check: 'cpu', state: 'ok', message: '25% in use, limit 70%' },
    {
      check: 'disk',
      state: 'warning',
      message: `only 2.5 GB free for ${join(p.root, '.git/mstone')}, limit 3 GB: one agent at a time is started`,
      fix: 'make room; mstone clean shows what mstone itself can let go',
    },
  ]);
});
