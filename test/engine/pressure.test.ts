/** A machine that is short of something, as the loop meets it. */
import { expect, it } from 'vitest';
import { Control, driveRun } from '../../src/engine/index.js';
import type { Event } from '../../src/model/event.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { peaceful, planItem, World } from '../rig/world.js';

const JOBS = 3;

function begin(world: World) {
  const items = ['1A', '1B', '1C', '1D', '1E', '1F'].map((id) => planItem(id));
  const started: Event = {
    type: 'run.started',
    target: 'main',
    head: world.head,
    items,
    settings: { jobs: JOBS, failFast: false, wait: true, backoffMs: 30_000, folder: '', argv: [] },
    history: [],
    passed: [],
    shadow: false,
  };
  world.journal.push(started);
  return reduce(emptyRun('r'), started);
}

/** Every intent of an agent: what the machine was like, and how many were at work with it. */
function agents(journal: readonly Event[]) {
  let alive = 0;
  return journal.flatMap((event) => {
    if (event.type === 'work.ended') alive -= 1;
    if (event.type !== 'work.started') return [];
    alive += 1;
    return [{ now: event.inputs.now, alive, capacity: event.inputs.capacity }];
  });
}

it('under pressure what runs goes on, no agent is added, one always may be, and all lands', async () => {
  const world = new World(7, peaceful, JOBS);
  const begun = world.now;
  // Short from the first minute to the tenth.
  const isShort = (at: number): boolean => at >= begun + 60_000 && at < begun + 600_000;
  world.pressure = () =>
    isShort(world.now) ? { is: 'short', words: 'memory', again: world.now + 5000 } : { is: 'fine' };
  const state = await driveRun(world.ports(), begin(world), new Control());
  expect(state.end).toEqual({ is: 'ended', exit: 0, why: 'all done' });
  expect(world.landed.length).toBe(6);
  expect(world.violations).toEqual([]);

  const started = agents(world.journal);
  const during = started.filter(({ now }) => isShort(now));
  expect(during.length).toBeGreaterThan(2);
  expect(during.map(({ alive }) => alive)).toEqual(during.map(() => 1));
  expect(started.filter(({ now }) => !isShort(now)).some(({ alive }) => alive === JOBS)).toBe(true);
  expect(world.journal.flatMap((event) => (event.type === 'note' ? [event.text] : [])).slice(0, 1)).toEqual([
    'no new agents: memory',
  ]);
});

it('once the pressure falls the loop wakes by itself within a poll', async () => {
  const world = new World(3, peaceful, JOBS);
  const begun = world.now;
  const over = begun + 12_000;
  world.pressure = () =>
    world.now < over ? { is: 'short', words: 'disk', again: world.now + 5000 } : { is: 'fine' };
  await driveRun(world.ports(), begin(world), new Control());
  const [first, second, third] = agents(world.journal);
  expect(first).toEqual({ now: begun, alive: 1, capacity: 1 });
  // Nothing has ended meanwhile: the poll alone brought it.
  expect(second?.alive).toBe(2);
  expect(third?.alive).toBe(3);
  expect(second?.now).toBeGreaterThanOrEqual(over);
  expect(second?.now).toBeLessThanOrEqual(over + 5000);
  expect(world.journal.flatMap((event) => (event.type === 'note' ? [event] : []))).toEqual([
    { type: 'note', text: 'no new agents: disk', pressure: 'disk' },
    { type: 'note', text: 'agents may start again', pressure: '' },
  ]);
});

it('a journal made under pressure replays to its own intents', async () => {
  const world = new World(11, peaceful, JOBS);
  let asked = 0;
  world.pressure = () => {
    asked += 1;
    return asked % 3 === 0 ? { is: 'fine' } : { is: 'short', words: 'cpu', again: world.now + 5000 };
  };
  const lived = await driveRun(world.ports(), begin(world), new Control());
  let state = emptyRun('r');
  for (const [index, event] of world.journal.entries()) {
    if (!('effect' in event)) {
      state = reduce(state, event);
      continue;
    }
    const [next, ...rest] = decide(state, event.inputs);
    expect(next).toEqual(event.effect);
    state = reduce(state, event);
    expect(decide(state, event.inputs)).toEqual(rest);
    const after = world.journal[index + 1];
    if (after === undefined || !('effect' in after)) expect(rest).toEqual([]);
  }
  expect(state).toEqual(lived);
});

it('who says stop while the machine is being looked at is obeyed', async () => {
  const world = new World(1, peaceful, JOBS);
  const control = new Control();
  const ports = {
    ...world.ports(),
    pressure: async () => {
      control.drain(130, 'stop');
      return { is: 'fine' as const };
    },
  };
  const state = await driveRun(ports, begin(world), control);
  expect(state.end).toEqual({ is: 'paused', exit: 130, why: 'interrupted' });
  expect(world.starts).toEqual([]);
});
