import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Event } from '../../src/model/event.js';
import type { ItemState, RunState } from '../../src/model/state.js';
import type { Reporter } from '../../src/report/index.js';
import { type LiveOptions, liveReporter } from '../../src/report/live.js';
import { textWidth } from '../../src/report/text.js';
import {
  asks,
  COMMIT,
  doing,
  failed,
  HOSTILE,
  itemOf,
  landed,
  NOON,
  OTHER,
  ready,
  stateOf,
} from './states.js';

/** A terminal that keeps what was written to it. */
class FakeTerminal extends EventEmitter {
  readonly writes: string[] = [];
  readonly isTTY = true;
  columns = 100;
  rows = 40;
  write = (text: string | Uint8Array): boolean => {
    this.writes.push(String(text));
    return true;
  };
}

const asStream = (terminal: FakeTerminal): NodeJS.WriteStream => terminal as unknown as NodeJS.WriteStream;

interface Stage {
  readonly reporter: Reporter;
  readonly terminal: FakeTerminal;
  /** Lets time pass: the timer's act, as often as one likes. */
  tick(): void;
  readonly timers: { running: number; ms: number };
  /** The lines of the newest frame, without colours. */
  frame(): readonly string[];
}

function stage(options: Partial<LiveOptions> = {}): Stage {
  const terminal = new FakeTerminal();
  const timers = { running: 0, ms: 0 };
  let act: () => void = () => undefined;
  const reporter = liveReporter({
    stdout: asStream(terminal),
    stderr: asStream(new FakeTerminal()),
    color: false,
    now: () => NOON + 12_000,
    tz: 'UTC',
    every(ms, given) {
      timers.running += 1;
      timers.ms = ms;
      act = given;
      return () => {
        timers.running -= 1;
      };
    },
    ...options,
  });
  return {
    reporter,
    terminal,
    timers,
    tick: () => act(),
    frame: () =>
      (terminal.writes.at(-1) ?? '')
        .replace(/\u001b\[[0-9?]*[a-zA-Z]/g, '')
        .split('\n')
        .map((line) => line.trimEnd())
        .filter((line) => line !== ''),
  };
}

const note = (text: string): Event => ({ type: 'note', text });
const quietly: Event = {
  type: 'follow.started',
  id: 'i1',
  effect: { do: 'follow', item: 'follow' },
  inputs: { now: NOON, capacity: 1 },
};

/** Ticks until listr2 has begun its tasks and drawn a frame. */
async function firstFrame({ terminal, tick }: Stage): Promise<void> {
  const before = terminal.writes.length;
  // listr2 loads its renderer when it begins; the runner's own limit is the net under a frame that never comes.
  for (;;) {
    tick();
    if (terminal.writes.slice(before).some((text) => text.includes('landed'))) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Spinner frames differ; they stand for work. */
const calm = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => line.replace(/^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/, '*'));

const implementing = doing({ is: 'implement', because: 'first' });

const MIXED = stateOf([
  itemOf('1A', landed, { attempt: 1, round: 2, item: { title: '注文 API' } }),
  itemOf('1B', implementing, { attempt: 2, round: 1 }),
  itemOf('1C', failed),
  itemOf('1D', asks),
  itemOf('1E', ready, { item: { needs: ['1B'] } }),
  itemOf('1F', ready, { item: { needs: ['1C'] } }),
  itemOf('1-gate', ready, { item: { kind: 'gate', needs: ['1A', '1B'] } }),
]);

describe('the live screen', () => {
  test('shows every milestone with its phase, attempt, time and tail', async () => {
    const shown = stage({
      tail: (item: ItemState) => (item.item.id === '1B' ? `writing ${HOSTILE}` : undefined),
    });
    shown.reporter.notice(note('TASKS.md put back'), MIXED);
    await firstFrame(shown);

    expect(calm(shown.frame())).toEqual([
      '✔ 1A 注文 API  landed, 41aa0c2, round 2',
      '* 1B Title 1B  implementing, attempt 2, round 1, 12s',
      '  writing abcdef g',
      '✖ 1C Title 1C  failed, npm test: exit 1',
      '✖ 1D Title 1D  asking, three rounds and no end',
      '  1E Title 1E  waiting, waits for 1B',
      '  1F Title 1F  blocked, waits for 1C',
      '  1/6 landed, 1 at work, 3 stuck, 1 to go, 12s',
      '  note: TASKS.md put back',
    ]);
    await shown.reporter.close();
  });

  test('keeps its lines within the terminal whatever the titles are made of', async () => {
    const titles = [
      '注文と請求のためのとても長い名前の件',
      '👩‍💻👩‍💻👩‍💻 emoji all the way to the end of the line',
      'Zoë',
    ];
    const shown = stage();
    Object.assign(shown.terminal, { columns: 50 });
    shown.reporter.notice(
      quietly,
      stateOf(titles.map((title, index) => itemOf(`1${'ABC'[index]}`, failed, { item: { title } }))),
    );
    await firstFrame(shown);
    const lines = shown.frame();
    expect(lines.length).toBe(4);
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(49);
    // The name gives way, what happened does not.
    for (const line of lines.slice(0, 3)) expect(line).toMatch(/ {2}failed, npm test: exit 1$/);
    await shown.reporter.close();
  });

  test('says what the machine is short of while that keeps an agent from starting', async () => {
    const words = 'memory 94% used, limit 90%';
    const items = [itemOf('1A', implementing, { attempt: 1 }), itemOf('1B', ready)];
    const shown = stage();
    const event: Event = { type: 'note', text: `no new agents: ${words}`, pressure: words };
    shown.reporter.notice(event, stateOf(items, { pressure: words }));
    await firstFrame(shown);
    expect(calm(shown.frame())).toEqual([
      '* 1A Title 1A  implementing, attempt 1, 12s',
      '  1B Title 1B  ready',
      '  0/2 landed, 1 at work, 1 to go, 12s',
      `  no new agents: ${words}`,
    ]);
    // Nothing waits for it any more, though it may still be so.
    shown.reporter.notice(quietly, stateOf(items.slice(0, 1), { pressure: words }));
    shown.tick();
    expect(calm(shown.frame())).toEqual([
      '* 1A Title 1A  implementing, attempt 1, 12s',
      '  0/1 landed, 1 at work, 12s',
    ]);
    await shown.reporter.close();
    expect(shown.terminal.writes.at(-1)).toContain(`note: no new agents: ${words}\n`);
  });

  test('follows the state, also for what comes up in the run', async () => {
    const shown = stage();
    shown.reporter.notice(quietly, stateOf([itemOf('1A', implementing, { attempt: 1 })]));
    await firstFrame(shown);
    shown.reporter.notice(
      quietly,
      stateOf([
        itemOf('1A', landed, { attempt: 1 }),
        itemOf(
          'sync',
          doing({ is: 'verify', candidate: { commit: COMMIT, tree: COMMIT, base: OTHER, work: OTHER } }),
          {
            item: { kind: 'sync', title: 'main has moved' },
          },
        ),
      ]),
    );
    shown.tick();
    expect(calm(shown.frame())).toEqual([
      '✔ 1A Title 1A  landed, 41aa0c2, 0.0s',
      '* sync main has moved  verifying, 12s',
      '  1/1 landed, 0 at work, 12s',
    ]);
    await shown.reporter.close();
  });

  test('shows only what runs or failed, and a counter, when there are many', async () => {
    const shown = stage();
    const items = Array.from({ length: 200 }, (_, index) =>
      itemOf(`${index + 1}A`, index === 7 ? implementing : index === 9 ? failed : index < 7 ? landed : ready),
    );
    shown.reporter.notice(quietly, stateOf(items));
    await firstFrame(shown);

    expect(calm(shown.frame())).toEqual([
      '* 8A Title 8A  implementing, 12s',
      '✖ 10A Title 10A  failed, npm test: exit 1',
      '  7/200 landed, 1 at work, 1 stuck, 191 to go, 12s',
    ]);
    await shown.reporter.close();
    const final = shown.terminal.writes.join('');
    expect(final).toContain('✔ 1A Title 1A  landed, 41aa0c2');
    expect(final).toContain('  200A Title 200A  ready');
  });

  test('draws as often as its timer says, however much happens', async () => {
    const shown = stage();
    const states = Array.from({ length: 20 }, (_, at) =>
      stateOf(
        Array.from({ length: 50 }, (_, index) =>
          itemOf(`${index + 1}A`, (index + at) % 3 === 0 ? implementing : ready, { attempt: at }),
        ),
      ),
    );
    const [first] = states;
    if (first === undefined) throw new Error('no states');
    shown.reporter.notice(quietly, first);
    await firstFrame(shown);

    const before = shown.terminal.writes.length;
    for (let round = 0; round < 5; round += 1) {
      for (let times = 0; times < 20; times += 1)
        for (const state of states) shown.reporter.notice(quietly, state);
      await new Promise((resolve) => setImmediate(resolve));
      shown.tick();
    }
    expect(shown.terminal.writes.length - before).toBe(5);
    expect(shown.timers).toEqual({ running: 1, ms: 200 });

    const open = shown.terminal.writes.length;
    await shown.reporter.close();
    // The cleared frame, the last one, the cursor, the summary.
    expect(shown.terminal.writes.length - open).toBeLessThanOrEqual(6);
  });

  test('leaves a line for each milestone, all notes and the summary, and no timer', async () => {
    const shown = stage();
    for (let index = 1; index <= 5; index += 1) shown.reporter.notice(note(`n${index}`), MIXED);
    await firstFrame(shown);
    expect(shown.frame().slice(-3)).toEqual(['  note: n3', '  note: n4', '  note: n5']);
    const end: RunState = { ...MIXED, end: { is: 'ended', exit: 1, why: '1C failed' } };
    shown.reporter.notice({ type: 'run.ended', exit: 1, why: '1C failed' }, end);
    const mark = shown.terminal.writes.length;
    await shown.reporter.close();

    const text = shown.terminal.writes
      .slice(mark)
      .join('')
      .replace(/\u001b\[[0-9?]*[a-zA-Z]/g, '');
    const lines = text.slice(text.lastIndexOf('✔ 1A')).split('\n');
    expect(calm(lines.map((line) => line.trimEnd()))).toEqual([
      '✔ 1A 注文 API  landed, 41aa0c2, round 2',
      '  1B Title 1B  implementing, attempt 2, round 1, 12s',
      '✖ 1C Title 1C  failed, npm test: exit 1',
      '✖ 1D Title 1D  asking, three rounds and no end',
      '  1E Title 1E  waiting, waits for 1B',
      '  1F Title 1F  blocked, waits for 1C',
      'note: n1',
      'note: n2',
      'note: n3',
      'note: n4',
      'note: n5',
      '',
      '1 of 6 milestones landed on main',
      '1C failed: npm test: exit 1 (mstone logs 1C)',
      '1D needs you: three rounds and no end (mstone logs 1D)',
      '1F is blocked by 1C',
      'Ended: 1C failed',
      'Next: mstone retry 1C 1D',
      '',
    ]);
    expect(shown.timers.running).toBe(0);
  });

  test('holds what others write until it is done', async () => {
    const shown = stage();
    shown.reporter.notice(quietly, MIXED);
    await firstFrame(shown);
    const stream = asStream(shown.terminal);
    stream.write('a warning\n');
    expect(shown.terminal.writes.join('')).not.toContain('a warning');
    await shown.reporter.close();
    expect(shown.terminal.writes.join('')).toContain('a warning');
    stream.write('free again');
    expect(shown.terminal.writes.at(-1)).toBe('free again');
  });

  test('fits long names to the terminal and lets what happens be read', async () => {
    const shown = stage();
    shown.terminal.columns = 40;
    shown.reporter.notice(
      quietly,
      stateOf([
        itemOf('1A', implementing, { attempt: 1, item: { title: `${'long '.repeat(50)}${HOSTILE}` } }),
      ]),
    );
    await firstFrame(shown);
    expect(calm(shown.frame())).toEqual([
      '* 1A lo…  implementing, attempt 1, 12s',
      '  0/1 landed, 1 at work, 12s',
    ]);
    await shown.reporter.close();
  });

  test('takes a terminal that tells no size for one of 80 columns', async () => {
    const shown = stage();
    shown.terminal.columns = 0;
    shown.terminal.rows = 0;
    shown.reporter.notice(quietly, MIXED);
    await firstFrame(shown);
    expect(shown.frame()).toContain('  1E Title 1E  waiting, waits for 1B');
    await shown.reporter.close();
  });

  test('registers for no signal', async () => {
    const before = process.listenerCount('SIGINT');
    const shown = stage();
    shown.reporter.notice(quietly, MIXED);
    await firstFrame(shown);
    expect(process.listenerCount('SIGINT')).toBe(before);
    await shown.reporter.close();
  });

  test('closes at once, before it has drawn anything', async () => {
    const shown = stage();
    shown.reporter.notice(quietly, MIXED);
    await shown.reporter.close();
    expect(shown.terminal.writes.join('')).toContain('✖ 1C Title 1C  failed');

    const unused = stage();
    await unused.reporter.close();
    expect([unused.terminal.writes, unused.timers.running]).toEqual([[], 0]);
  });
});
