import { describe, expect, test } from 'vitest';
import type { Landing } from '../../src/model/plan.js';
import {
  documentText,
  planDocument,
  planText,
  statusDocument,
  statusText,
  validateDocument,
} from '../../src/report/documents.js';
import { textWidth } from '../../src/report/text.js';
import { formatDiagnostic } from '../../src/report/words.js';
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
  milestoneOf,
  OTHER,
  plannedOf,
  planOf,
  RUN,
  ready,
  stateOf,
  WHEN,
} from './states.js';

const landing: Landing = {
  id: '1A',
  digest: 'v1:00',
  state: 'done',
  commit: COMMIT,
  at: WHEN.now,
  subject: '1A: Title 1A',
};

const PLAN = planOf([
  plannedOf('1A', 'done', 'landed as 41aa0c2', { landing }),
  plannedOf('1B', 'todo', 'never landed', { dependsOn: ['1A'] }),
  plannedOf('1C', 'stale', 'its text has changed since 41aa0c2'),
  plannedOf('2A', 'todo', 'never landed', { milestone: { title: '注文 API' } }),
]);

describe('plan --json', () => {
  test('is the promised document, whole', () => {
    expect(documentText(planDocument(PLAN))).toBe(`{
  "schema": 1,
  "target": "main",
  "milestones": [
    {
      "id": "1A",
      "stage": 1,
      "title": "Title 1A",
      "file": "milestones/1A.md",
      "depends_on": [],
      "state": "done",
      "reason": "landed as 41aa0c2"
    },
    {
      "id": "1B",
      "stage": 1,
      "title": "Title 1B",
      "file": "milestones/1B.md",
      "depends_on": [
        "1A"
      ],
      "state": "todo",
      "reason": "never landed"
    },
    {
      "id": "1C",
      "stage": 1,
      "title": "Title 1C",
      "file": "milestones/1C.md",
      "depends_on": [],
      "state": "stale",
      "reason": "its text has changed since 41aa0c2"
    },
    {
      "id": "2A",
      "stage": 2,
      "title": "注文 API",
      "file": "milestones/2A.md",
      "depends_on": [],
      "state": "todo",
      "reason": "never landed"
    }
  ],
  "run": [
    "1B",
    "2A"
  ]
}
`);
  });

  test('holds hostile text as data that a terminal does not obey', () => {
    const text = documentText(planDocument(planOf([plannedOf('1A', 'todo', HOSTILE)])));
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(JSON.parse(text)).toMatchObject({ milestones: [{ reason: HOSTILE }] });
  });
});

test('columns stand below each other whatever the titles are made of', () => {
  const titles = ['Plain', '注文 API', '👨‍👩‍👧‍👦 family', 'हिन्दी', 'Zoë ❤️', 'ｶﾞ'];
  const plan = planOf(
    titles.map((title, index) => {
      const planned = plannedOf(`1${'ABCDEF'[index]}`, 'todo', 'never landed');
      return { ...planned, milestone: { ...planned.milestone, title } };
    }),
  );
  for (const text of [
    planText(plan, false),
    statusText(undefined, plan, { ...WHEN, alive: false, color: false }),
  ]) {
    const rows = text.split('\n').filter((line) => line.endsWith('  never landed'));
    const places = rows.map((row) => textWidth(row.slice(0, row.indexOf('never landed'))));
    expect(places).toEqual(titles.map(() => places[0]));
  }
});

describe('status --json', () => {
  test('is the promised document, whole', () => {
    const state = stateOf([
      itemOf('1B', doing({ is: 'review', commit: COMMIT }), { attempt: 2, costUsd: 0.5 }),
      itemOf('2A', ready, { item: { needs: ['1B'] } }),
      itemOf('1-gate', { is: 'passed', commit: OTHER }, { attempt: 1, item: { kind: 'gate', stage: 1 } }),
      itemOf('base', { is: 'passed', commit: OTHER }, { item: { kind: 'base' } }),
    ]);
    expect(statusDocument(state, PLAN, true, WHEN.now)).toEqual({
      schema: 1,
      run: { id: RUN, state: 'running' },
      milestones: [
        { id: '1A', phase: 'landed', attempts: 0, commit: COMMIT, cost_usd: 0 },
        { id: '1B', phase: 'reviewing', attempts: 2, cost_usd: 0.5 },
        { id: '1C', phase: 'stale', attempts: 0, cost_usd: 0 },
        { id: '1-gate', phase: 'passed', attempts: 1, commit: OTHER, cost_usd: 0 },
        { id: '2A', phase: 'waiting', attempts: 0, cost_usd: 0 },
      ],
    });
  });

  test('has no run before the first', () => {
    expect(
      statusDocument(undefined, planOf([plannedOf('1A', 'blocked', 'needs 1Z')]), false, WHEN.now),
    ).toEqual({
      schema: 1,
      run: null,
      milestones: [{ id: '1A', phase: 'blocked', attempts: 0, cost_usd: 0 }],
    });
  });

  test('believes git where the run remembers otherwise', () => {
    const state = stateOf([
      itemOf('1A', failed, { attempt: 2, costUsd: 2 }),
      itemOf('1B', landed, { attempt: 1 }),
    ]);
    expect(statusDocument(state, PLAN, true, WHEN.now).milestones.slice(0, 2)).toEqual([
      { id: '1A', phase: 'landed', attempts: 2, commit: COMMIT, cost_usd: 2 },
      { id: '1B', phase: 'todo', attempts: 1, cost_usd: 0 },
    ]);
  });

  test('goes by the run alone where there is no plan', () => {
    expect(
      statusDocument(stateOf([itemOf('1A', landed, { attempt: 1 })]), undefined, true, WHEN.now).milestones,
    ).toEqual([{ id: '1A', phase: 'landed', attempts: 1, commit: COMMIT, cost_usd: 0 }]);
  });

  test.each([
    ['running', true, {}],
    ['running', true, { flights: new Map([flight('i1', WHEN.now)]) }],
    ['interrupted', false, { flights: new Map([flight('i1', WHEN.now)]) }],
    ['interrupted', false, {}],
    ['done', false, { end: { is: 'ended', exit: 0, why: '' } }],
    ['failed', false, { end: { is: 'ended', exit: 1, why: '' } }],
    ['failed', false, { end: { is: 'ended', exit: 5, why: '' } }],
    ['waiting', false, { end: { is: 'ended', exit: 3, why: '' } }],
    ['waiting', false, { end: { is: 'paused', exit: 75, why: '' } }],
    ['interrupted', false, { end: { is: 'paused', exit: 130, why: '' } }],
  ] as const)('calls a run %s (%#)', (word, alive, more) => {
    expect(statusDocument(stateOf([itemOf('1A', ready)], more), undefined, alive, WHEN.now).run?.state).toBe(
      word,
    );
  });

  test('calls a run waiting while nothing runs and something waits', () => {
    const items = [itemOf('1A', limited), itemOf('1B', ready, { item: { needs: ['1A'] } })];
    const waiting = stateOf(items);
    const running = stateOf(items, { flights: new Map([flight('i1', WHEN.now)]) });
    expect(
      [waiting, running].map((state) => statusDocument(state, undefined, true, WHEN.now).run?.state),
    ).toEqual(['waiting', 'running']);
  });
});

test('validate --json is a document with all problems', () => {
  const diagnostic = {
    severity: 'error',
    code: 'unknown-key',
    file: 'milestones/1A.md',
    line: 3,
    message: 'm',
    fix: 'f',
  } as const;
  expect(validateDocument([milestoneOf('1A', { dependsOn: ['0Z'] })], [diagnostic])).toEqual({
    schema: 1,
    ok: false,
    milestones: [
      {
        id: '1A',
        stage: 1,
        title: 'Title 1A',
        file: 'milestones/1A.md',
        depends_on: ['0Z'],
        description: '',
        entry_requirements: '',
        tasks: [],
        criteria: [],
        checks: [],
        requires: [],
        env: {},
        priority: 0,
        enabled: true,
        recipe: {},
        digest: 'v1:00',
      },
    ],
    diagnostics: [diagnostic],
  });
  expect(validateDocument([], [{ severity: 'warning', code: 'ignored', message: 'm' }]).ok).toBe(true);
});

describe('for a terminal', () => {
  test('the plan shows stages, states, reasons and order', () => {
    const plan = planOf(PLAN.milestones, {
      notes: [{ severity: 'note', code: 'stale', message: 'no checks', fix: 'checks: [npm test]' }],
    });
    expect(planText(plan, false)).toBe(`Plan for main: 2 to run, 1 of 4 milestones done

Stage 1
      1A  done   Title 1A  landed as 41aa0c2
   1  1B  todo   Title 1B  never landed
      1C  stale  Title 1C  its text has changed since 41aa0c2

Stage 2
   2  2A  todo   注文 API  never landed

Order: 1B, 2A

note: no checks
  fix: checks: [npm test]
`);
  });

  test('a plan with nothing to do says so', () => {
    expect(planText(planOf([plannedOf('1A', 'done', 'landed as 41aa0c2')]), false)).toBe(
      'Plan for main: nothing to run, 1 of 1 milestone done\n\nStage 1\n      1A  done  Title 1A  landed as 41aa0c2\n',
    );
  });

  test('the status shows a row for each milestone and what to type', () => {
    const state = stateOf(
      [
        itemOf('1B', failed, { attempt: 2, costUsd: 0.5 }),
        itemOf('1C', asks, { attempt: 1 }),
        itemOf('2A', ready, { item: { needs: ['1B'], stage: 2 } }),
      ],
      { end: { is: 'ended', exit: 1, why: '1B failed' } },
    );
    const plan = planOf([
      ...PLAN.milestones.slice(0, 2),
      plannedOf('1C', 'todo', 'never landed'),
      ...PLAN.milestones.slice(3),
    ]);
    expect(statusText(state, plan, { alive: false, color: false, ...WHEN })).toBe(
      `Run ${RUN} on main: failed, $0.50

 1A  landed                     Title 1A  41aa0c2
 1B  failed   attempt 2  $0.50  Title 1B  npm test: exit 1
 1C  asking   attempt 1         Title 1C  needs you: three rounds and no end
 2A  blocked                    注文 API  waits for 1B

0 of 3 milestones landed on main, $0.50 spent
1B failed: npm test: exit 1 (mstone logs 1B)
1C needs you: three rounds and no end (mstone logs 1C)
2A is blocked by 1B
Ended: 1B failed
Next: mstone retry 1B 1C
`,
    );
  });

  test('the status before the first run names the command that starts it', () => {
    expect(
      statusText(undefined, planOf([plannedOf('1A', 'todo', 'never landed')]), {
        alive: false,
        color: false,
        ...WHEN,
      }),
    ).toBe('No run yet.\n\n 1A  todo  Title 1A  never landed\n\nNext: mstone run\n');
  });

  test('the status of a live run has no last word', () => {
    const state = stateOf([itemOf('1A', doing({ is: 'implement', because: 'first' }), { attempt: 1 })]);
    expect(statusText(state, undefined, { alive: true, color: false, ...WHEN })).toBe(
      `Run ${RUN} on main: running\n\n 1A  implementing  attempt 1  Title 1A\n`,
    );
  });

  test('hostile text is shown harmless', () => {
    const plan = planOf([plannedOf('1A', 'todo', HOSTILE, { milestone: { title: HOSTILE } })], {
      target: HOSTILE,
    });
    const shown = [
      planText(plan, false),
      statusText(
        stateOf([itemOf('1A', { is: 'failed', message: HOSTILE }, { item: { title: HOSTILE } })]),
        undefined,
        {
          alive: false,
          color: false,
          ...WHEN,
        },
      ),
      formatDiagnostic({
        severity: 'error',
        code: 'unreadable',
        file: HOSTILE,
        message: HOSTILE,
        fix: HOSTILE,
      }),
    ].join('');
    expect(shown).toContain('abcdef g');
    expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });

  test('colours change nothing but colours', () => {
    const bare = (text: string): string => text.replace(/\u001b\[\d+m/g, '');
    const colored = planText(PLAN, true);
    expect(colored).toContain('\u001b[32mdone ');
    expect(bare(colored)).toBe(planText(PLAN, false));
  });
});
