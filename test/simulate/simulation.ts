/**
 * A run of mstone's engine and journal in a world drawn from a seed: what befalls it, and which laws broke.
 *
 * Everything of mstone's is real but its hands and its clock: `decide`, `reduce`, the loop, the journal's
 * format on a disk in memory. The same seed is the same world, told as a story where it is asked for.
 */
import { isDeepStrictEqual } from 'node:util';
import { Control, driveRun } from '../../src/engine/index.js';
import { type Journal, openJournal, readJournal } from '../../src/journal/index.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { emptyRun, replay } from '../../src/run/index.js';
import { type Chances, type Fault, peaceful, planItem, Stalled, seeded, World } from '../rig/world.js';
import { type Plug, PlugDisk } from './disk.js';
import { Judge, type Law } from './laws.js';
import { describeEvent, describeTime } from './story.js';

const RUN = '01JD4M7Z7V8K3W2N5Q6R9T0XYA';
const FILE = '/state/runs/R/journal.ndjson';
/** A run that takes up more lives or writes than these does not end. */
const MOST_LIVES = 300;
const MOST_APPENDS = 3000;
/** One world in twenty has no faults but kills: there all must land. */
const PEACEFUL_EVERY = 20;

export interface Lived {
  readonly seed: number;
  readonly milestones: number;
  readonly faults: ReadonlyMap<Fault, number>;
  /** Why it paused, amounts left out; and what its credentials brought about. */
  readonly seen: readonly string[];
  /** `<law>: what happened`. */
  readonly broken: readonly string[];
  readonly story: readonly string[];
}

const stormy: Chances = {
  limited: 0.07,
  untold: 0.15,
  overloaded: 0.04,
  unauthorized: 0.008,
  contextExceeded: 0.02,
  declined: 0.006,
  crashed: 0.05,
  timedOut: 0.02,
  stuck: 0.02,
  interrupted: 0.01,
  empty: 0.03,
  checkFails: 0.15,
  flaky: 0.03,
  refused: 0.2,
  unreadable: 0.04,
  conflict: 0.06,
  candidateFails: 0.06,
  moved: 0.03,
  rewound: 0.001,
  shadow: 0.06,
  barrier: 0.05,
  clash: 0.05,
  bad: 0.03,
  wanders: 0.004,
  jumps: 0.006,
  sleeps: 0.002,
  short: 0.04,
};

/** Some worlds are rougher than others, in some respects. */
function weather(random: () => number): Chances {
  const rough = (chance: number): number => chance * 2 * random();
  return Object.fromEntries(
    Object.entries(stormy).map(([name, chance]) => [name, rough(chance as number)]),
  ) as unknown as Chances;
}

function randomItems(random: () => number): PlanItem[] {
  const items: PlanItem[] = [];
  let before: string[] = random() < 0.3 ? ['base'] : [];
  if (before.length > 0) items.push(planItem('base', { kind: 'base', reviewer: false }));
  const most = 4 + Math.floor(random() * 7);
  let made = 0;
  for (let stage = 1; made < most; stage += 1) {
    const ids: string[] = [];
    const size = Math.min(most - made, 1 + Math.floor(random() * 5));
    for (let n = 0; n < size; n += 1) {
      const id = `${stage}${String.fromCharCode(65 + n)}`;
      const own = ids.filter(() => random() < 0.4);
      const checks = random() < 0.2 ? [] : ['npm test'];
      const reviewer = random() < 0.2 ? false : 'reviewer';
      const remainingMinutes = Math.ceil(random() * 60);
      items.push(planItem(id, { needs: [...own, ...before], remainingMinutes, checks, reviewer }));
      ids.push(id);
    }
    made += size;
    before = ids;
    if (random() < 0.3) {
      items.push(planItem(`${stage}-gate`, { kind: 'gate', stage, needs: ids }));
      before = [`${stage}-gate`];
    }
  }
  return items;
}

/** What a user may ask for. */
function randomSettings(random: () => number, now: number): Partial<RunSettings> {
  const some = (names: readonly string[]) => ({
    order: names.slice(0, 1 + Math.floor(random() * names.length)),
    roams: random() < 0.5,
  });
  return {
    failFast: random() < 0.15,
    wait: random() < 0.85,
    ...(random() < 0.3
      ? { budget: { usd: 0.1 + random() * 8, ...(random() < 0.3 ? { perMilestone: random() * 2 } : {}) } }
      : {}),
    ...(random() < 0.15 ? { deadline: now + Math.floor(random() * 6 * 3_600_000) } : {}),
    ...(random() < 0.6
      ? {
          merge: {
            parallel: 1 + Math.floor(random() * 3),
            strict: (['auto', 'every-commit', 'head'] as const)[Math.floor(random() * 3)] ?? 'auto',
            checks: ['npm test'],
          },
        }
      : {}),
    ...(random() < 0.3 ? { credentials: { author: some(['a', 'b', 'c']), reviewer: some(['b', 'd']) } } : {}),
  };
}

/** Resumed: after a while without what stopped it, sometimes with it; once it was often, with all it asks for. */
function furtherSettings(state: RunState, random: () => number, world: World, lives: number): RunSettings {
  const { budget: _budget, deadline: _deadline, ...before } = state.settings;
  if (lives > 40) return { ...before, wait: true };
  if (random() < 0.2) return state.settings;
  const { budget, deadline, wait } = randomSettings(random, world.now);
  return {
    ...before,
    ...(wait === undefined ? {} : { wait }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(budget === undefined ? {} : { budget: { ...budget, usd: state.spend.usd + (budget.usd ?? 0) } }),
  };
}

/** What failed counts for more than who is asked, and that for more than a pause. */
function pauseExit({ items, shut, settings }: RunState): number {
  const are = (is: string): boolean => [...items.values()].some(({ phase }) => phase.is === is);
  if (items.get('base')?.phase.is === 'failed') return 5;
  if (are('failed')) return 1;
  const useless = ['author', 'reviewer'].some((agent) =>
    (settings.credentials?.[agent]?.order ?? [agent]).every((name) => shut.has(name)),
  );
  return are('asks') || useless ? 3 : 75;
}

/** Whether and how this mstone's life is cut short. */
function plugFor(lives: number, random: () => number): (Plug & { readonly power: boolean }) | undefined {
  if (lives > 4 || random() > 0.6) return undefined;
  const drawn = random();
  return {
    write: 1 + Math.floor(random() * 50),
    when: drawn < 0.25 ? 'before' : drawn < 0.5 ? 'torn' : drawn < 0.75 ? 'after' : 'full',
    share: random(),
    power: drawn < 0.75 && random() < 0.3,
  };
}

/** Lives one world to its end. `told`: with its story. */
export async function live(seed: number, { told = false } = {}): Promise<Lived> {
  const random = seeded(seed * 7919);
  const jobs = 1 + Math.floor(random() * 4);
  const items = randomItems(random);
  const calm = seed % PEACEFUL_EVERY === 0;
  const costUsd = (draw: () => number): number => (draw() < 0.1 ? 0 : draw() * draw() * 2);
  const world = new World(seed, calm ? peaceful : { ...weather(random), costUsd }, jobs);
  const plugDisk = new PlugDisk();
  const story: string[] = [];
  const seen: string[] = [];
  const breaches: string[] = [];
  const began = world.now;
  const say = (words: string | Event): void => {
    if (!told) return;
    const text = typeof words === 'string' ? words : describeEvent(words);
    story.push(`${describeTime(world.now - began)}  ${text}`);
  };
  const breach = (law: Law, what: string): void => {
    breaches.push(`${law}: ${what}`);
  };
  world.tell = say;

  const opening: Event = {
    type: 'run.started',
    target: 'main',
    head: world.head,
    items,
    settings: {
      jobs,
      failFast: false,
      wait: true,
      backoffMs: 1000,
      folder: '',
      argv: [],
      ...(calm ? {} : randomSettings(random, world.now)),
    },
    history: [],
    passed: [],
    shadow: false,
  };

  /** All that an mstone has acted upon, and what it made of it. */
  const believed: Event[] = [];
  let lived = emptyRun(RUN);
  let appends = 0;

  /** From taking the journal up to where this mstone ends, one way or another. */
  const oneLife = async (lives: number): Promise<'over' | 'paused' | 'struck'> => {
    const opened = await openJournal(FILE, RUN, plugDisk.disk);
    if (!opened.ok) throw new Error(opened.error.message);
    const journal: Journal = opened.value;
    const found = journal.entries.map((entry) => entry.event);
    if (!isDeepStrictEqual(found.slice(0, believed.length), believed)) {
      breach('believed', `${believed.length} events were believed, ${found.length} were found`);
    }
    if (!isDeepStrictEqual(replay(emptyRun(RUN), believed), lived)) {
      breach('replay', `${believed.length} events do not give the state that was lived`);
    }
    const append = async (events: readonly Event[]): Promise<void> => {
      appends += 1;
      if (appends > MOST_APPENDS) throw new Error('there is no end to it');
      await journal.append(events, world.now);
    };
    const report = (event: Event, next: RunState): void => {
      say(event);
      believed.push(event);
      lived = next;
    };
    // What was on disk and not believed yet is believed now.
    for (const event of found.slice(believed.length)) believed.push(event);
    lived = replay(emptyRun(RUN), believed);
    if (lived.end?.is === 'ended') return 'over';

    const begin: Event[] = [];
    if (believed.length === 0) begin.push(opening);
    else if (lived.end !== undefined || random() < 0.7) {
      // The plan of a run that goes on is of what has not landed.
      const left = items.filter(({ id }) => {
        const is = lived.items.get(id)?.phase.is;
        return is !== 'landed' && is !== 'passed';
      });
      const settings =
        lived.end === undefined ? lived.settings : furtherSettings(lived, random, world, lives);
      begin.push({
        type: 'run.continued',
        head: world.head,
        items: left,
        settings,
        shadow: world.besideTarget,
      });
    }
    if (begin.length > 0) await append(begin);
    for (const event of begin) report(event, replay(lived, [event]));
    const ended = await Promise.race([
      driveRun({ ...world.ports(report), append }, lived, new Control()),
      world.stall(),
    ]);
    return ended.end?.is === 'paused' ? 'paused' : 'over';
  };

  for (let lives = 0; ; lives += 1) {
    if (lives > MOST_LIVES) {
      breach('ends', `it was taken up ${lives} times`);
      break;
    }
    world.restart();
    const plug = plugFor(lives, random);
    plugDisk.begin(plug);
    let end: Awaited<ReturnType<typeof oneLife>>;
    try {
      end = await oneLife(lives);
    } catch (error) {
      if (!plugDisk.struck) {
        breach('ends', error instanceof Stalled ? error.message : `it threw ${String(error)}`);
        break;
      }
      end = 'struck';
    }
    if (end === 'over') break;
    if (end === 'paused') {
      const { why = '', exit } = lived.end ?? {};
      seen.push(...why.split('; ').map((words) => words.replace(/\d+\.\d+/g, 'N')));
      if (exit !== pauseExit(lived)) breach('ends', `it paused with ${exit}: ${why}`);
      world.now += Math.floor(random() * 4_000_000);
    } else if (plug?.when === 'full') {
      say('there is no room for the journal');
      world.befall('full');
    } else {
      say(
        plug?.power
          ? 'the power is cut'
          : `mstone is killed ${plug?.when === 'torn' ? 'in' : plug?.when} a write`,
      );
      if (plug?.power) world.cutPower();
      else world.befall('kill');
    }
    world.shut.clear();
  }

  const kept = await readJournal(FILE, plugDisk.disk);
  const written = kept.ok ? kept.value.entries.map((entry) => entry.event) : kept.error.message;
  if (!isDeepStrictEqual(written, believed))
    breach('believed', 'the journal holds other events than were acted upon');
  const judge = new Judge(RUN);
  for (const event of believed) judge.read(event);
  if (!isDeepStrictEqual(judge.state, lived))
    breach('replay', 'the journal gives another state than was lived');
  if (breaches.length === 0) {
    if (lived.end?.is !== 'ended') breach('ends', `it stands ${lived.end?.is ?? 'still'}`);
    if (lived.flights.size > 0) breach('ends', `${lived.flights.size} acts have no end`);
    const held = [...lived.items.values()].filter((item) => item.slot !== undefined);
    // Where the target was rewound, or cannot be merged, what would land stops where it is.
    const isStopped = lived.rewound !== undefined || lived.items.get('sync')?.phase.is === 'asks';
    if (held.length > 0 && !isStopped)
      breach('ends', `${held.map((item) => item.item.id).join(', ')} keep their slots`);
    if (calm && lived.end?.exit !== 0) breach('ends', `all was well, yet: ${lived.end?.why}`);
  }
  return {
    seed,
    milestones: items.filter(({ kind }) => kind === 'milestone').length,
    faults: world.faults,
    seen: [...seen, ...judge.seen],
    broken: [...new Set([...world.violations, ...judge.breaches, ...breaches])],
    story,
  };
}
