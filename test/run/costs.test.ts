/** What agents have cost, summed in every way, and as it stands on a terminal. */
import { describe, expect, it } from 'vitest';
import type { Purpose } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';
import type { WorkOutcome } from '../../src/model/outcome.js';
import { costsDocument, costsText, formatTokens } from '../../src/report/costs.js';
import { chargesInHistory, chargesOf, sumOf, sumsBy } from '../../src/run/costs.js';
import { planItem } from '../rig/world.js';

const NOON = Date.parse('2026-11-20T12:00:00Z');
const HOUR = 3_600_000;
const view = { tz: 'UTC', windows: new Map(), now: NOON };

let intents = 0;
function work(
  item: string,
  at: number,
  outcome: Partial<WorkOutcome>,
  {
    purpose = 'implement',
    agent = 'claude',
    attempt = 1,
  }: { purpose?: Purpose; agent?: string; attempt?: number } = {},
): Event[] {
  intents += 1;
  const id = `i${intents}`;
  return [
    {
      type: 'work.started',
      id,
      inputs: { now: at - 1, capacity: 1 },
      effect: {
        do: 'work',
        item,
        attempt,
        assignment: 1,
        round: 0,
        purpose,
        agent,
        ...(agent === 'claude' ? { credential: 'work' } : {}),
        slot: 1,
        from: 'head',
        brief: { because: 'first', checks: [], findings: [], unmet: [] },
      },
    },
    {
      type: 'work.ended',
      id,
      item,
      now: at,
      outcome: { agent: { kind: 'finished' }, costUsd: 0, logBytes: 0, ...outcome },
    },
  ];
}

const opening: Event = {
  type: 'run.started',
  target: 'main',
  head: 'h',
  items: ['1A', '2B', '10A'].map((id) => planItem(id)),
  settings: { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] },
  history: [],
  passed: [],
  shadow: false,
};

const tokens = { input: 1000, cached: 600, output: 50 };
const charges = [
  ...chargesOf('R1', [
    opening,
    ...work('1A', NOON, { costUsd: 0.1, tokens }),
    ...work('1A', NOON + HOUR, { costUsd: 0.2, tokens }, { purpose: 'review' }),
    ...work(
      '1A',
      NOON + 13 * HOUR,
      { costUsd: 0.3, estimated: true, tokens },
      { agent: 'codex', attempt: 2 },
    ),
    ...work('2B', NOON + 13 * HOUR, {}, { agent: 'mute' }),
    ...work('2B', NOON + 13 * HOUR, {}, { agent: 'recipe' }),
    ...work('2B', NOON + 13 * HOUR, { agent: { kind: 'cancelled' } }, { agent: 'mute' }),
  ]),
  ...chargesInHistory(
    [
      { id: '10A', run: 'R0', agent: 'claude', at: NOON - 48 * HOUR, usd: 1.5, estimated: false },
      { id: '1A', run: 'R1', agent: 'claude', at: NOON, usd: 0.6, estimated: true },
    ],
    new Set(['R1']),
  ),
];

describe('costs', () => {
  it('are summed by what is asked for, in the order of its keys', () => {
    const by = (grouping: Parameters<typeof sumsBy>[0], tz = 'UTC') =>
      sumsBy(grouping, charges, tz).map(({ key, usd, assignments }) => [key, usd, assignments]);
    expect(by('attempt')).toEqual([
      ['1A.1', 0.3, 2],
      ['1A.2', 0.3, 1],
      ['2B.1', 0, 3],
      ['10A', 1.5, 1],
    ]);
    expect(by('milestone')).toEqual([
      ['1A', 0.6, 3],
      ['2B', 0, 3],
      ['10A', 1.5, 1],
    ]);
    expect(by('stage')).toEqual([
      ['1', 0.6, 3],
      ['2', 0, 3],
      ['10', 1.5, 1],
    ]);
    expect(by('run')).toEqual([
      ['R0', 1.5, 1],
      ['R1', 0.6, 6],
    ]);
    expect(by('agent')).toEqual([
      ['claude', 1.8, 3],
      ['codex', 0.3, 1],
      ['mute', 0, 2],
      ['recipe', 0, 1],
    ]);
    expect(by('credential')).toEqual([
      ['claude', 1.5, 1],
      ['codex', 0.3, 1],
      ['mute', 0, 2],
      ['recipe', 0, 1],
      ['work', 0.3, 2],
    ]);
    expect(by('day')).toEqual([
      ['2026-11-18', 1.5, 1],
      ['2026-11-20', 0.3, 2],
      ['2026-11-21', 0.3, 4],
    ]);
    expect(by('day', 'Pacific/Apia').map(([day]) => day)).toEqual(['2026-11-19', '2026-11-21']);
  });

  it('know what is an estimate and what nobody told', () => {
    expect(sumOf('all', charges)).toEqual({
      key: 'all',
      usd: 2.1,
      estimatedUsd: 0.3,
      subscriptionUsd: 0,
      assignments: 7,
      subscribed: 0,
      untold: 1,
      tokens: { input: 3000, cached: 1800, output: 150 },
    });
  });

  it('stand under each other on a terminal, and say what their marks mean', () => {
    expect(costsText({ by: 'agent', charges, ...view }, false)).toBe(
      [
        'Agent         Cost  Sent  of it cached  Received  Agents',
        'claude       $1.80    2k          1.2k       100       3',
        'codex       ~$0.30    1k           600        50       1',
        'mute     $0.00 + ?     0             0         0       2',
        'recipe       $0.00     0             0         0       1',
        'Total   ~$2.10 + ?    3k          1.8k       150       7',
        '',
        '~ holds an estimate by list prices: $0.30 in all',
        '? nothing says what 1 assignment cost: mute',
        'Of runs whose journals are gone only landings are known, by their commits: no tokens',
        '',
      ].join('\n'),
    );
    expect(costsText({ by: 'agent', charges: [], ...view }, false)).toBe('No agent has cost anything yet.\n');
  });

  it('that a subscription paid are no money: shares of its windows are told instead', () => {
    const told = [{ name: 'five_hour', used: 0.42, resetsAt: NOON + HOUR }];
    const events = [
      opening,
      ...work('1A', NOON - HOUR, { costUsd: 1.5, subscription: true, windows: told }),
      ...work('1A', NOON - HOUR, { costUsd: 0.25 }, { purpose: 'review' }),
      ...work('2B', NOON - HOUR, { costUsd: 2, subscription: true }),
    ];
    const over = { name: 'seven_day', used: 0.9, resetsAt: NOON };
    const windows = new Map([['work', [...told, over]]]);
    const paid = { by: 'milestone' as const, charges: chargesOf('R', events), ...view, windows };
    expect(costsText(paid, false)).toBe(
      [
        'Milestone       Cost  Sent  of it cached  Received  Agents',
        '1A         $0.25 + s     0             0         0       2',
        '2B                 s     0             0         0       1',
        'Total      $0.25 + s     0             0         0       3',
        '',
        's 2 assignments paid by subscription: no money, $3.50 by list prices',
        'work: 42 % of 5 hours, until 13:00',
        '',
      ].join('\n'),
    );
    const { rows, total, windows: shares } = costsDocument(paid);
    expect([...rows, total].map(({ cost_usd, subscription_usd }) => [cost_usd, subscription_usd])).toEqual([
      [1.75, 1.5],
      [2, 2],
      [3.75, 3.5],
    ]);
    expect(shares).toEqual([
      { credential: 'work', window: 'five_hour', used: 0.42, resets_at: '2026-11-20T13:00:00.000Z' },
    ]);
  });

  it('name tokens in three digits', () => {
    expect([0, 999, 1000, 12_345, 999_499, 999_999, 4_560_000, 1.2e9].map(formatTokens)).toEqual([
      '0',
      '999',
      '1k',
      '12.3k',
      '999k',
      '1M',
      '4.56M',
      '1200M',
    ]);
  });
});
