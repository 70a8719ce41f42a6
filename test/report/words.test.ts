import { describe, expect, test } from 'vitest';
import type { Phase, RunState, Step, Wait } from '../../src/model/state.js';
import {
  credentialWords,
  explainStanding,
  explainWait,
  formatClock,
  formatDiagnostic,
  formatDuration,
  formatUntil,
  formatUsd,
  names,
  phaseWord,
  summaryOf,
  termsOf,
} from '../../src/report/words.js';
import { NOTHING_SPENT } from '../../src/run/money.js';
import { waitOf } from '../../src/run/questions.js';
import {
  asks,
  COMMIT,
  doing,
  failed,
  HOSTILE,
  itemOf,
  landed,
  limited,
  NOON,
  OTHER,
  ready,
  stateOf,
  WHEN,
} from './states.js';

test.each([
  [0, '0.0s'],
  [-5, '0.0s'],
  [449, '0.4s'],
  [950, '1s'],
  [59_400, '59s'],
  [59_600, '1m 00s'],
  [185_000, '3m 05s'],
  [3_599_600, '1h 00m'],
  [3_720_000, '1h 02m'],
  [183_600_000, '2d 03h'],
])('%i ms reads %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test('times are told in the zone they are asked for', () => {
  const five = NOON + 4 * 60_000 + 5000;
  expect([
    formatClock(five, 'UTC'),
    formatClock(five, 'Asia/Kolkata'),
    formatClock(Date.UTC(2026, 0, 1), 'UTC'),
    formatUntil(NOON + 67 * 60_000, WHEN),
    formatUntil(NOON + 67 * 60_000, { now: NOON, tz: 'Pacific/Auckland' }),
    formatUntil(NOON + 13 * 3_600_000, WHEN),
  ]).toEqual(['12:04:05', '17:34:05', '00:00:00', '13:07', '02:07', '2026-11-21 01:00']);
});

test('credentials that cannot be used are named with why and for how long', () => {
  const { settings } = stateOf([]);
  const credentials = { author: { order: ['claude/login', 'work', 'spare', 'last'], roams: true } };
  const state = stateOf([], {
    settings: { ...settings, credentials },
    closed: new Map([
      ['claude/login', NOON + 67 * 60_000],
      ['spare', NOON - 1],
      ['gone', NOON + 1000],
    ]),
    shut: new Map([['work', { why: `no credit${HOSTILE}`, since: NOON }]]),
  });
  expect(credentialWords(state, WHEN)).toMatch(
    /^claude\/login is limited until 13:07 \(1h 07m\), work cannot be used: no credit[^\u001b\n]*$/,
  );
  const closed = new Map([['claude', NOON + 90_000]]);
  expect(credentialWords(stateOf([], { closed }), WHEN)).toBeUndefined();
  const own = stateOf([itemOf('1A', ready)], { closed });
  expect(credentialWords(own, WHEN)).toBe('claude is limited until 12:01 (1m 30s)');
  // What is shown once and for all does not count down.
  expect(credentialWords(own, { ...WHEN, still: true })).toBe('claude is limited until 12:01');
});

test('money that was spent never reads as none', () => {
  expect([0, 0.001, 0.005, 0.1, 12.345, 1000].map(formatUsd)).toEqual([
    '$0.00',
    '<$0.01',
    '$0.01',
    '$0.10',
    '$12.35',
    '$1000.00',
  ]);
});

test('many names become a few and a number', () => {
  expect([names(['a', 'b']), names(['a', 'b', HOSTILE, 'd', 'e', 'f', 'g'], 3)]).toEqual([
    'a, b',
    'a, b, abcdef g and 4 more',
  ]);
});

describe('the word for where an item is', () => {
  const steps: readonly Step[] = [
    { is: 'implement', because: 'first' },
    { is: 'check', commit: COMMIT, of: 'work' },
    { is: 'review', commit: COMMIT },
    { is: 'remediate', because: 'review' },
    { is: 'resolve', onto: COMMIT, files: ['a'] },
    { is: 'candidate', commit: COMMIT },
    { is: 'verify', candidate: { commit: COMMIT, tree: COMMIT, base: COMMIT, work: COMMIT } },
    { is: 'land', candidate: { commit: COMMIT, tree: COMMIT, base: COMMIT, work: COMMIT } },
  ];
  const wordOf = (phase: Phase): string => {
    const item = itemOf('1A', phase);
    return phaseWord(item, stateOf([item]));
  };

  test('names each step while it is being done', () => {
    expect(steps.map((step) => wordOf(doing(step)))).toEqual([
      'implementing',
      'checking',
      'reviewing',
      'remediating',
      'resolving',
      'merging',
      'verifying',
      'landing',
    ]);
  });

  test('names how it ended or what holds it', () => {
    expect(
      [ready, limited, landed, { is: 'passed', commit: COMMIT } as const, failed, asks].map(wordOf),
    ).toEqual(['ready', 'waiting', 'landed', 'passed', 'failed', 'asking']);
  });

  test('follows what it needs to the root of the trouble', () => {
    const needs = (...ids: string[]) => ({ item: { needs: ids } });
    const items = [
      itemOf('1A', failed),
      itemOf('1B', ready, needs('1A')),
      itemOf('1C', ready, needs('1B', '1D')),
      itemOf('1D', doing({ is: 'implement', because: 'first' })),
      itemOf('1E', ready, needs('1D')),
      itemOf('1F', ready, needs('1G', '0Z')),
      itemOf('1G', landed),
      itemOf('1H', asks),
      itemOf('1I', ready, needs('1H')),
    ];
    const state = stateOf(items);
    expect(items.map((item) => [item.item.id, phaseWord(item, state), waitOf(state, item, NOON)])).toEqual([
      ['1A', 'failed', undefined],
      ['1B', 'blocked', { for: 'dependency', items: ['1A'] }],
      ['1C', 'blocked', { for: 'dependency', items: ['1A'] }],
      ['1D', 'implementing', undefined],
      ['1E', 'waiting', { for: 'dependency', items: ['1D'] }],
      ['1F', 'ready', { for: 'slot' }],
      ['1G', 'landed', undefined],
      ['1H', 'asking', { for: 'person', why: 'three rounds and no end' }],
      ['1I', 'blocked', { for: 'dependency', items: ['1H'] }],
    ]);
  });

  test('ends also where needs go in a circle', () => {
    const items = [
      itemOf('1A', ready, { item: { needs: ['1B'] } }),
      itemOf('1B', ready, { item: { needs: ['1A'] } }),
    ];
    expect(items.map((item) => phaseWord(item, stateOf(items)))).toEqual(['waiting', 'waiting']);
  });
});

test('every wait is explained', () => {
  const waits: readonly Wait[] = [
    { for: 'credential', credential: 'claude', until: NOON + 67 * 60_000 },
    { for: 'backoff', until: NOON + 15_000 },
    { for: 'dependency', items: ['1A', '1B'] },
    { for: 'slot' },
    { for: 'host', why: 'memory 94% used, limit 90%' },
    { for: 'lane', item: '1B' },
    { for: 'checkout', block: { files: ['a'], message: 'a has changed', command: 'git stash' } },
    { for: 'person', why: HOSTILE },
  ];
  expect(waits.map((wait) => explainWait(wait, WHEN))).toEqual([
    "waits for claude's limit until 13:07",
    'tries again at 12:00:15',
    'waits for 1A, 1B',
    'waits for a free slot',
    'no new agents: memory 94% used, limit 90%',
    'waits for 1B to land',
    'waits for the checkout: a has changed (git stash)',
    'needs you: abcdef g',
  ]);
});

describe('the summary', () => {
  const ended = (exit: number, why: string): Pick<RunState, 'end'> => ({ end: { is: 'ended', exit, why } });

  test('of a run that did it all names where to look', () => {
    const state = stateOf(
      [
        itemOf('1A', landed, { costUsd: 0.25 }),
        itemOf('1B', landed, { costUsd: 1 }),
        itemOf('1-gate', { is: 'passed', commit: COMMIT }, { item: { kind: 'gate' } }),
      ],
      ended(0, 'all done'),
    );
    expect(summaryOf(state, WHEN)).toEqual({
      lines: ['2 of 2 milestones landed on main, $1.25 spent'],
      next: 'git log --graph --oneline main',
    });
  });

  test('of a run with failures names each, what it blocks, and the retry', () => {
    const state = stateOf(
      [
        itemOf('1A', failed),
        itemOf('1B', ready, { item: { needs: ['1A'] } }),
        itemOf('1C', asks),
        itemOf('1D', landed),
      ],
      ended(1, '1A failed'),
    );
    expect(summaryOf(state, WHEN)).toEqual({
      lines: [
        '1 of 4 milestones landed on main',
        '1A failed: npm test: exit 1 (mstone logs 1A)',
        '1C needs you: three rounds and no end (mstone logs 1C)',
        '1B is blocked by 1A',
        'Ended: 1A failed',
      ],
      next: 'mstone retry 1A 1C',
    });
  });

  test('of a pause says until when and how to go on', () => {
    const state = stateOf([itemOf('1A', limited)], {
      end: { is: 'paused', exit: 75, why: 'a usage limit', until: NOON + 67 * 60_000 },
    });
    expect(summaryOf(state, WHEN)).toEqual({
      lines: [
        '0 of 1 milestone landed on main',
        "1A waits for claude's limit until 13:07",
        'Paused: a usage limit, until 13:07',
      ],
      next: 'mstone resume --when-ready',
    });
  });

  test('of a run that was cut off tells to resume', () => {
    expect(summaryOf(stateOf([itemOf('1A', ready)]), WHEN)).toEqual({
      lines: ['0 of 1 milestone landed on main'],
      next: 'mstone resume',
    });
  });

  test('of a checkout in the way names the command that clears it', () => {
    const block = { files: ['a b'], message: "'a b' has changed", command: "git stash push -- 'a b'" };
    const state = stateOf([itemOf('1A', landed)], {
      shadow: { block, tried: true },
      ...ended(3, 'main could not follow'),
    });
    expect(summaryOf(state, WHEN)).toEqual({
      lines: [
        '1 of 1 milestone landed on mstone/main',
        "main could not follow: 'a b' has changed",
        'Ended: main could not follow',
      ],
      next: "git stash push -- 'a b'",
    });
  });

  test('of a target that went back names both heads, and quotes it for a shell', () => {
    const state = stateOf([itemOf('1A', landed)], {
      target: "it's",
      rewound: { expected: COMMIT, found: OTHER },
      ...ended(3, 'it went back'),
    });
    expect(summaryOf(state, WHEN)).toEqual({
      lines: [
        "1 of 1 milestone landed on it's",
        "it's no longer holds 41aa0c2, it is at beefc0d: both are kept, nothing lands",
        'Ended: it went back',
      ],
      next: "git reflog 'it'\\''s'",
    });
  });
});

test('a diagnostic points to its place and says what to do', () => {
  expect(
    formatDiagnostic({
      severity: 'error',
      code: 'unknown-key',
      file: 'milestones/1A.md',
      line: 3,
      message: 'unknown key "depend_on"',
      expected: 'one of the keys of a milestone',
      found: HOSTILE,
      fix: 'did you mean depends_on?',
    }),
  ).toBe(
    'milestones/1A.md:3: error: unknown key "depend_on"\n' +
      '  expected: one of the keys of a milestone\n' +
      '  found: abcdef g\n' +
      '  fix: did you mean depends_on?',
  );
  expect(formatDiagnostic({ severity: 'warning', code: 'disagreement', file: 'a', message: 'm' })).toBe(
    'a: warning: m',
  );
  expect(formatDiagnostic({ severity: 'note', code: 'ignored', message: 'm' })).toBe('note: m');
  // An error never goes without what to do.
  expect(formatDiagnostic({ severity: 'error', code: 'empty-file', message: 'm' })).toBe(
    'error: m\n  fix: write what is to be done, or remove the file',
  );
});

describe('why an item does not run', () => {
  const waiting = itemOf('1B', ready, { attempt: 1 });
  const why = (more: Parameters<typeof stateOf>[1], alive: boolean, item = waiting): string | undefined =>
    explainStanding(stateOf([item], more), item, alive, WHEN);
  const settings = { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };
  const paused = (exit: number) => ({ end: { is: 'paused' as const, exit, why: 'why' } });

  test('is the slot while somebody drives the run, and nobody where nobody does', () => {
    const goesOn = '`mstone resume` goes on';
    expect([
      why({}, true),
      why({}, false),
      why(paused(130), false),
      why(paused(143), true),
      why(paused(75), false),
      why(paused(130), false, itemOf('1B', ready)),
      why({}, false, itemOf('1B', doing({ is: 'implement', because: 'first' }), { attempt: 1 })),
      why({}, true, itemOf('1B', doing({ is: 'implement', because: 'first' }), { attempt: 1 })),
    ]).toEqual([
      'waits for a free slot',
      `interrupted; ${goesOn}`,
      `interrupted; ${goesOn}`,
      `interrupted; ${goesOn}`,
      `paused; ${goesOn}`,
      `not begun; ${goesOn}`,
      `interrupted; ${goesOn}`,
      undefined,
    ]);
  });

  test('is the deadline or the budget where they keep its agent from starting', () => {
    expect([
      why({ settings: { ...settings, deadline: NOON } }, true),
      why({ settings: { ...settings, deadline: NOON + 1 } }, true),
      why({ settings: { ...settings, budget: { usd: 1, perMilestone: 2 } } }, true),
      why({ settings: { ...settings, budget: { usd: 2, perMilestone: 2 } } }, true),
    ]).toEqual([
      'is not started: the deadline has come',
      'waits for a free slot',
      'is not started: the budget does not hold it',
      'waits for a free slot',
    ]);
  });
});

test('what will stop a run is told with its zone, and with what was spent', () => {
  const settings = { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };
  const spend = { ...NOTHING_SPENT, usd: 1.5 };
  const terms = (more: Parameters<typeof stateOf>[1], tz: string) =>
    termsOf(stateOf([], more), { now: NOON, tz });
  expect(terms({ settings }, 'UTC')).toEqual([]);
  expect(
    terms(
      { settings: { ...settings, deadline: NOON + 18.5 * 3_600_000, budget: { usd: 20 } }, spend },
      'UTC',
    ),
  ).toEqual([
    'Deadline 2026-11-21 06:30 UTC: from then on no agent is started',
    'Budget $20.00, $1.50 of it spent: no agent is started that it does not hold',
  ]);
  expect(terms({ settings: { ...settings, deadline: NOON } }, 'Europe/Berlin')[0]).toMatch(
    /^Deadline 2026-11-20 13:00 (CET|GMT\+1): /,
  );
});

test('a run that pauses for want of money says what to type', () => {
  const settings = { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] };
  const spend = { ...NOTHING_SPENT, usd: 9.9 };
  const end = { is: 'paused' as const, exit: 75, why: 'the budget' };
  const state = stateOf([itemOf('1B', ready)], {
    settings: { ...settings, budget: { usd: 10 } },
    spend,
    end,
  });
  expect(summaryOf(state, WHEN).next).toBe('mstone resume --max-cost 20');
  expect(summaryOf({ ...state, end: { ...end, exit: 130 } }, WHEN).next).toBe('mstone resume');
});
