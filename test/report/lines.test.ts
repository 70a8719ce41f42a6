import { describe, expect, test } from 'vitest';
import { formatEntry } from '../../src/journal/index.js';
import type { CheckEffect } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';
import type { AgentOutcome, Harvest, WorkOutcome } from '../../src/model/outcome.js';
import type { RunState } from '../../src/model/state.js';
import { type LineOptions, lineReporter, ndjsonReporter } from '../../src/report/index.js';
import {
  asks,
  COMMIT,
  doing,
  failed,
  flight,
  HOSTILE,
  itemOf,
  landed,
  limited,
  NOON,
  OTHER,
  RUN,
  ready,
  stateOf,
  work,
} from './states.js';

const inputs = { now: NOON, capacity: 4 };
const FIVE_PAST = NOON + 4 * 60_000 + 5000;

/** Tells a reporter of events, each with the state it led to, and returns the lines it wrote. */
function told(
  events: readonly (readonly [Event, RunState])[],
  options: Partial<LineOptions> = {},
): readonly string[] {
  const written: string[] = [];
  const reporter = lineReporter({
    write: (text) => written.push(text),
    color: false,
    now: () => FIVE_PAST,
    tz: 'UTC',
    ...options,
  });
  for (const [event, state] of events) reporter.notice(event, state);
  return written.join('').split('\n').slice(0, -1);
}

/** What is said of the last event alone, without the time. */
const saidOf = (event: Event, state: RunState, before: RunState): readonly string[] =>
  told([
    [{ type: 'follow.started', id: 'i0', effect: { do: 'follow', item: 'follow' }, inputs }, before],
    [event, state],
  ]).map((line) => line.replace('12:04:05 ', ''));

const busy = stateOf([itemOf('1A', doing({ is: 'implement', because: 'first' }), { attempt: 1 })], {
  flights: new Map([
    flight('i1', FIVE_PAST - 185_000),
    flight('i2', FIVE_PAST - 12_000, { purpose: 'review' }),
  ]),
});
const after = stateOf([itemOf('1A', doing({ is: 'check', commit: COMMIT, of: 'work' }), { attempt: 1 })]);

const harvest: Harvest = { commit: COMMIT, tree: COMMIT, base: OTHER, changed: true, told: [], markers: [] };

const workEnded = (outcome: Partial<WorkOutcome>, id = 'i1'): Event => ({
  type: 'work.ended',
  id,
  item: '1A',
  now: FIVE_PAST,
  outcome: { agent: { kind: 'finished' }, costUsd: 0, logBytes: 0, ...outcome },
});

test('a run reads like a story', () => {
  const check: CheckEffect = {
    do: 'check',
    item: '1A',
    attempt: 1,
    round: 0,
    slot: 2,
    commit: COMMIT,
    of: 'work',
    commands: ['npm test'],
  };
  const begun = stateOf([itemOf('1A', ready), itemOf('1B', ready)]);
  const checking = stateOf([...after.items.values(), itemOf('1B', ready)], {
    flights: new Map([['i3', { id: 'i3', effect: check, since: FIVE_PAST - 2000 }]]),
  });
  const done = stateOf([itemOf('1A', landed), itemOf('1B', failed)]);
  const over = stateOf([itemOf('1A', landed), itemOf('1B', failed)], {
    end: { is: 'ended', exit: 1, why: '1B failed' },
  });
  expect(
    told([
      [
        {
          type: 'run.started',
          target: 'main',
          head: COMMIT,
          items: [],
          settings: begun.settings,
          history: [],
          passed: [],
          shadow: false,
        },
        begun,
      ],
      [{ type: 'work.started', id: 'i1', effect: work, inputs }, busy],
      [workEnded({ costUsd: 0.1, harvest }), after],
      [{ type: 'check.started', id: 'i3', effect: check, inputs }, checking],
      [
        {
          type: 'check.ended',
          id: 'i3',
          item: '1A',
          now: FIVE_PAST,
          outcome: {
            kind: 'failed',
            commit: COMMIT,
            tree: COMMIT,
            results: [
              { command: 'npm run build', kind: 'passed', ms: 5, tail: '' },
              { command: 'npm test', kind: 'failed', exit: 1, ms: 5, tail: 'no' },
            ],
          },
        },
        after,
      ],
      [
        {
          type: 'land.ended',
          id: 'i4',
          item: '1A',
          now: FIVE_PAST,
          outcome: { kind: 'landed', commit: COMMIT, on: 'target' },
        },
        done,
      ],
      [{ type: 'run.ended', exit: 1, why: '1B failed' }, over],
    ]),
  ).toEqual([
    `12:04:05 Run ${RUN} on main: 2 milestones, 4 agents at once`,
    '12:04:05 1A implement started (attempt 1, slot 2)',
    '12:04:05 1A implement finished (3m 05s, $0.10)',
    '12:04:05 1A checks failed: npm test (exit 1)',
    '12:04:05 1A landed 41aa0c2 on main (1/2)',
    '12:04:05 1B failed: npm test: exit 1',
    '',
    '1 of 2 milestones landed on main',
    '1B failed: npm test: exit 1 (mstone logs 1B)',
    'Ended: 1B failed',
    'Next: mstone retry 1B',
  ]);
});

test('a continued run says what it found', () => {
  const state = stateOf(
    [
      itemOf('1A', landed),
      itemOf('1B', landed),
      itemOf('1C', limited),
      itemOf('1D', limited),
      itemOf('1E', ready),
    ],
    { flights: new Map([flight('i7', NOON), flight('i8', NOON)]) },
  );
  const continued: Event = {
    type: 'run.continued',
    head: COMMIT,
    items: [],
    settings: state.settings,
    shadow: false,
  };
  expect(told([[continued, state]])).toEqual([
    `12:04:05 Continuing ${RUN}: 2 landed, 2 taken up, 2 wait until 13:07`,
  ]);
});

describe('how an assignment ended', () => {
  const agents: readonly AgentOutcome[] = [
    { kind: 'limited', resetAt: NOON + 67 * 60_000, message: 'usage limit' },
    { kind: 'limited', message: 'overloaded' },
    { kind: 'unprepared', message: 'npm ci: exit 1' },
    { kind: 'unmet', requirement: 'command: node --version', message: 'exit 127' },
    { kind: 'unstartable', message: 'claude: not found' },
    { kind: 'crashed', message: 'segfault', signal: 'SIGSEGV' },
    { kind: 'crashed', message: 'out of luck', exit: 3 },
    { kind: 'timed-out', afterMs: 45 * 60_000 },
    { kind: 'stuck', silentMs: 600_000 },
    { kind: 'cancelled' },
    { kind: 'interrupted', message: 'lost with the machine' },
  ];

  test('is told for each class of failure', () => {
    expect(agents.flatMap((agent) => saidOf(workEnded({ agent }), after, busy))).toEqual([
      '1A implement met a usage limit until 13:07: usage limit (3m 05s)',
      '1A implement met a usage limit: overloaded (3m 05s)',
      '1A folder could not be made ready: npm ci: exit 1',
      '1A needs command: node --version: exit 127',
      '1A implement could not start: claude: not found',
      '1A implement crashed: segfault (SIGSEGV)',
      '1A implement crashed: out of luck (exit 3)',
      '1A implement was ended after 45m 00s, its timeout',
      '1A implement was ended after 10m 00s without a word',
      '1A implement was cancelled',
      '1A implement was interrupted: lost with the machine',
    ]);
  });

  test('is told for each verdict', () => {
    const finding = { id: 'F1', severity: 'major', problem: 'p' } as const;
    const unmet = { text: 'c', met: false };
    const judgements: readonly WorkOutcome['judgement'][] = [
      { kind: 'approved', notes: [] },
      { kind: 'refused', findings: [finding, finding], unmet: [] },
      { kind: 'refused', findings: [finding], unmet: [unmet] },
      { kind: 'unreadable', why: 'no verdict line' },
    ];
    expect(
      judgements.flatMap((judgement) =>
        judgement ? saidOf(workEnded({ judgement }, 'i2'), after, busy) : [],
      ),
    ).toEqual([
      '1A review approves (12s)',
      '1A review asks for changes: 2 findings (12s)',
      '1A review asks for changes: 1 finding, 1 criterion unmet (12s)',
      '1A review could not be used: no verdict line (12s)',
    ]);
  });

  test('is told with what else the user should know', () => {
    expect(
      saidOf(
        workEnded({
          harvest: { ...harvest, changed: false, told: ['TASKS.md put back', HOSTILE], markers: ['a.txt'] },
          told: ['verdict read from the log'],
        }),
        after,
        busy,
      ),
    ).toEqual([
      '1A implement finished and changed nothing (3m 05s)',
      '1A has conflict markers left in a.txt',
      '1A note: TASKS.md put back',
      '1A note: abcdef g',
      '1A note: verdict read from the log',
    ]);
  });

  test('is told also by a reporter that did not see it start', () => {
    expect(told([[workEnded({}), after]])).toEqual(['12:04:05 1A agent finished']);
  });
});

test('checks, merges and landings say how they went', () => {
  const ended = { id: 'i9', item: '1A', now: FIVE_PAST };
  const block = { files: ['a'], message: 'a has changed', command: 'git stash' };
  const events: readonly Event[] = [
    { type: 'check.ended', ...ended, outcome: { kind: 'passed', commit: COMMIT, tree: COMMIT, results: [] } },
    {
      type: 'check.ended',
      ...ended,
      outcome: {
        kind: 'failed',
        commit: COMMIT,
        tree: COMMIT,
        results: [{ command: HOSTILE, kind: 'timed-out', ms: 900_000, tail: '' }],
      },
    },
    {
      type: 'check.ended',
      ...ended,
      outcome: { kind: 'unstartable', message: 'npm: not found', results: [] },
    },
    { type: 'check.ended', ...ended, outcome: { kind: 'cancelled' } },
    {
      type: 'candidate.ended',
      ...ended,
      outcome: { kind: 'built', candidate: { commit: COMMIT, tree: COMMIT, base: OTHER, work: OTHER } },
    },
    { type: 'candidate.ended', ...ended, outcome: { kind: 'conflict', onto: OTHER, files: ['a', 'b'] } },
    { type: 'candidate.ended', ...ended, outcome: { kind: 'diverged', target: OTHER, shadow: COMMIT } },
    { type: 'candidate.ended', ...ended, outcome: { kind: 'rewound', expected: COMMIT, found: OTHER } },
    { type: 'candidate.ended', ...ended, outcome: { kind: 'refused', message: 'unrelated histories' } },
    { type: 'land.ended', ...ended, outcome: { kind: 'landed', commit: COMMIT, on: 'shadow', block } },
    { type: 'land.ended', ...ended, outcome: { kind: 'moved', head: OTHER } },
    { type: 'land.ended', ...ended, outcome: { kind: 'rewound', expected: COMMIT, found: OTHER } },
    { type: 'land.ended', ...ended, outcome: { kind: 'refused', message: 'a hook said no' } },
    { type: 'follow.ended', ...ended, outcome: { kind: 'followed', head: COMMIT } },
    { type: 'follow.ended', ...ended, outcome: { kind: 'blocked', block } },
    { type: 'follow.ended', ...ended, outcome: { kind: 'diverged', target: OTHER, shadow: COMMIT } },
    { type: 'note', text: 'a hook was chained' },
    { type: 'note', item: '1A', text: HOSTILE },
    { type: 'items.reset', items: ['1A', '1B'] },
  ];
  const state = stateOf([itemOf('1A', landed), itemOf('1B', ready)]);
  expect(events.flatMap((event) => saidOf(event, state, state))).toEqual([
    '1A checks passed',
    '1A checks failed: abcdef g (timed out after 15m 00s)',
    '1A checks could not start: npm: not found',
    '1A checks were cancelled',
    '1A conflicts with main in a, b',
    'main has moved to beefc0d: it is merged first',
    'main no longer holds 41aa0c2, it is at beefc0d: both are kept, nothing lands',
    '1A could not be merged: unrelated histories',
    '1A landed 41aa0c2 on mstone/main (1/2)',
    'main waits for its checkout: a has changed (git stash)',
    'main has moved to beefc0d: 1A is merged again',
    'main no longer holds 41aa0c2, it is at beefc0d: both are kept, nothing lands',
    '1A could not land: a hook said no',
    'main followed to 41aa0c2',
    'main could not follow: a has changed (git stash)',
    'main has moved to beefc0d: it is merged first',
    'note: a hook was chained',
    '1A note: abcdef g',
    '1A, 1B: what was used up is forgotten',
  ]);
});

test('turns that no event names are told once', () => {
  const before = stateOf([
    itemOf('1A', ready),
    itemOf('1B', ready),
    itemOf('1C', ready),
    itemOf('1D', failed),
  ]);
  const now = stateOf([
    itemOf('1A', failed),
    itemOf('1B', asks),
    itemOf('1C', limited),
    itemOf('1D', failed),
  ]);
  const note: Event = { type: 'note', text: 'n' };
  expect(
    told([
      [note, before],
      [note, now],
      [note, now],
    ]).map((line) => line.slice(9)),
  ).toEqual([
    'note: n',
    'note: n',
    '1A failed: npm test: exit 1',
    '1B needs you: three rounds and no end',
    "1C waits for claude's limit until 13:07",
    'note: n',
  ]);
});

test('quiet tells of trouble only, and has no last word on a good end', () => {
  const good = stateOf([itemOf('1A', landed)], { end: { is: 'ended', exit: 0, why: 'all done' } });
  const paused = stateOf([itemOf('1A', ready)], { end: { is: 'paused', exit: 130, why: 'Ctrl-C' } });
  const events: readonly (readonly [Event, RunState])[] = [
    [{ type: 'work.started', id: 'i1', effect: work, inputs }, busy],
    [workEnded({ agent: { kind: 'crashed', message: 'm', exit: 3 } }), after],
    [{ type: 'run.ended', exit: 0, why: 'all done' }, good],
  ];
  expect(told(events, { quiet: true })).toEqual(['12:04:05 1A implement crashed: m (exit 3)']);
  expect(told([[{ type: 'run.paused', exit: 130, why: 'Ctrl-C' }, paused]], { quiet: true })).toEqual([
    '',
    '0 of 1 milestone landed on main',
    'Paused: Ctrl-C',
    'Next: mstone resume',
  ]);
});

test('colours are added only when asked for', () => {
  const event = workEnded({ agent: { kind: 'crashed', message: 'm', exit: 3 } });
  expect(told([[event, after]], { color: true })).toEqual([
    '\u001b[2m12:04:05\u001b[22m \u001b[31m1A agent crashed: m (exit 3)\u001b[39m',
  ]);
});

test('NDJSON is the journal line for line, and nothing of the rest', async () => {
  const written: string[] = [];
  const reporter = ndjsonReporter({ write: (text) => written.push(text) });
  const entry = {
    v: 1,
    seq: 1,
    at: '2026-11-20T12:00:00.000Z',
    run: RUN,
    event: { type: 'run.ended', exit: 0, why: 'all done' },
  } as const;
  reporter.entry(entry);
  reporter.notice(entry.event, stateOf([]));
  await reporter.close();
  expect(written).toEqual([`${formatEntry(entry)}\n`]);
  expect(JSON.parse(written.join(''))).toEqual({
    v: 1,
    seq: 1,
    at: '2026-11-20T12:00:00.000Z',
    run: RUN,
    type: 'run.ended',
    exit: 0,
    why: 'all done',
    sum: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
});
