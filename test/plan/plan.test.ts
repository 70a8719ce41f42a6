import { describe, expect, test } from 'vitest';
import type { Diagnostic } from '../../src/model/diagnostic.js';
import type { Plan } from '../../src/model/plan.js';
import { makePlan, type PlanInput } from '../../src/plan/index.js';
import type { Selection } from '../../src/plan/selection.js';
import { graph, landed, landing, milestone } from './world.js';

type Said = Omit<Partial<PlanInput>, 'selection'> & { readonly selection?: Partial<Selection> };

const make = ({ selection, ...said }: Said) =>
  makePlan({
    target: 'main',
    milestones: [],
    landings: new Map(),
    ...said,
    selection: { ids: [], ...selection },
  });

function plan(said: Said): Plan {
  const result = make(said);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function refused(said: Said): Diagnostic[] {
  const result = make(said);
  return result.ok ? [] : result.error;
}

const states = ({ milestones }: Plan): Record<string, string> =>
  Object.fromEntries(milestones.map(({ milestone: { id }, state, reason }) => [id, `${state}: ${reason}`]));

const messages = (problems: readonly Diagnostic[]): string[] =>
  problems.map(({ code, file, line, message, fix }) =>
    [code, [file, line].filter((part) => part !== undefined).join(':'), message, fix]
      .filter(Boolean)
      .join(' | '),
  );

describe('the graph', () => {
  test('a plan lists milestones by stage and name, and runs what has not landed', () => {
    const milestones = graph({ '2A': '', '1AA': '', '1B': '1A', '1A': '' });
    expect(plan({ milestones, landings: landed('1A') })).toEqual({
      target: 'main',
      milestones: [
        {
          milestone: milestone('1A'),
          state: 'done',
          reason: 'landed as 41aa0c2',
          dependsOn: [],
          remainingMinutes: 90,
          landing: landing('1A'),
        },
        {
          milestone: milestone('1B', { dependsOn: ['1A'] }),
          state: 'todo',
          reason: 'never landed',
          dependsOn: ['1A'],
          remainingMinutes: 60,
        },
        {
          milestone: milestone('1AA'),
          state: 'todo',
          reason: 'never landed',
          dependsOn: [],
          remainingMinutes: 60,
        },
        {
          milestone: milestone('2A'),
          state: 'todo',
          reason: 'never landed',
          dependsOn: [],
          remainingMinutes: 30,
        },
      ],
      run: ['1B', '1AA', '2A'],
      notes: [],
    });
  });

  test('a cycle is shown as the shortest way round it, one for each knot', () => {
    const milestones = graph({
      '1A': '1B',
      '1B': '1C',
      '1C': '1A 1D',
      '1D': '1C',
      '1E': '1A',
      '2A': '2B',
      '2B': '2A',
    });
    expect(messages(refused({ milestones }))).toEqual([
      'dependency-cycle | milestones/1A.md | milestones wait for each other: 1A → 1B → 1C → 1A | remove one of these dependencies, such as 1B from 1A',
      'dependency-cycle | milestones/2A.md | milestones wait for each other: 2A → 2B → 2A | remove one of these dependencies, such as 2B from 2A',
    ]);
  });

  test('everything that is wrong is told at once, with the line where it is said', () => {
    const milestones = [
      milestone('1A', { dependsOn: ['1A', '2A'], dependsOnLine: 3 }),
      milestone('1B', { dependsOn: ['1Q', '77ZZ'] }),
      milestone('2A'),
    ];
    expect(messages(refused({ milestones, selection: { ids: ['1X', '9Z'], stage: 7 } }))).toEqual([
      'dependency-self | milestones/1A.md:3 | 1A depends on itself | remove 1A from its dependencies',
      'dependency-later-stage | milestones/1A.md:3 | 1A depends on 2A of the later stage 2 | remove 2A from its dependencies, or move one of the two to another stage',
      'unknown-dependency | milestones/1B.md | 1B depends on 1Q, which does not exist | did you mean `1A`?',
      'unknown-dependency | milestones/1B.md | 1B depends on 77ZZ, which does not exist',
      'unknown-milestone | there is no milestone 1X | did you mean `1A`?',
      'unknown-milestone | there is no milestone 9Z',
      'unknown-stage | stage 7 has no milestones',
    ]);
  });

  test('a long chain of one stage is planned', () => {
    const ids = Array.from(
      { length: 26 * 26 },
      (_, index) =>
        `1${String.fromCharCode(65 + Math.floor(index / 26))}${String.fromCharCode(65 + (index % 26))}`,
    );
    const chain = graph(Object.fromEntries(ids.map((id, index) => [id, ids[index - 1] ?? ''])));
    expect(plan({ milestones: chain }).run).toEqual(ids);
  });
});

describe('states', () => {
  test('stale is what landed with another text: it is not run, and what depends on it is', () => {
    const milestones = graph({ '1A': '', '1B': '1A' });
    const landings = new Map([['1A', landing('1A', { digest: 'v1:old' })]]);
    const made = plan({ milestones, landings });
    expect(states(made)).toEqual({
      '1A': 'stale: its text has changed since it landed as 41aa0c2; `mstone run 1A` does it again, `mstone mark 1A --done` accepts it as it is',
      '1B': 'todo: never landed',
    });
    expect(made.run).toEqual(['1B']);
    expect(messages(made.notes)).toEqual([
      'stale | milestones/1A.md | 1A: its text has changed since it landed | mstone run 1A does it again, mstone mark 1A --done accepts it as it is',
    ]);
    expect(plan({ milestones, landings, selection: { ids: ['1A'] } }).run).toEqual(['1A']);
    const all = plan({ milestones, landings, selection: { redoStale: true } });
    expect(all.run).toEqual(['1A', '1B']);
    expect(all.notes).toEqual([]);
  });

  test('what landed with an earlier definition of the digest is done while its text is the same', () => {
    const upgraded = (id: string, former: string) =>
      milestone(id, { digest: `v2:${id}`, formerDigests: [former] });
    const milestones = [upgraded('1A', 'v1:1A'), upgraded('1B', 'v1:other')];
    expect(states(plan({ milestones, landings: landed('1A', '1B') }))).toEqual({
      '1A': 'done: landed as 41aa0c2',
      '1B': expect.stringMatching(/^stale: /),
    });
  });

  test('what landed by a newer definition is refused; a mark that it is to be done is not asked for its text', () => {
    const newer = landing('1A', { digest: 'v2:1A' });
    const all = { milestones: graph({ '1A': '', '1B': '' }), landings: new Map([['1A', newer]]) };
    expect(messages(refused(all))).toEqual([
      'digest-newer | milestones/1A.md | 1A landed by a newer mstone, as 41aa0c2 | install the newest one: npm install -g mstone@latest',
    ]);
    const marked = new Map([['1A', { ...newer, state: 'todo' as const }]]);
    expect(plan({ ...all, landings: marked }).run).toEqual(['1A', '1B']);
  });

  test('a stale one whose text now needs what is blocked is not redone', () => {
    const milestones = [milestone('1A', { enabled: false }), milestone('1B', { dependsOn: ['1A'] })];
    const landings = new Map([['1B', landing('1B', { digest: 'v1:old' })]]);
    expect(plan({ milestones, landings, selection: { redoStale: true } }).run).toEqual([]);
  });

  test('a landing that was reverted or marked is todo', () => {
    const landings = new Map([['1A', landing('1A', { state: 'todo' })]]);
    const made = plan({ milestones: graph({ '1A': '' }), landings });
    expect([states(made), made.run]).toEqual([{ '1A': 'todo: set back to todo by 41aa0c2' }, ['1A']]);
  });

  test('what was marked by hand is said to be, and when', () => {
    const at = Date.UTC(2026, 10, 20, 23, 59);
    const landings = new Map([
      ['1A', landing('1A', { marked: true, at })],
      ['1B', landing('1B', { marked: true, at, digest: 'v1:old' })],
    ]);
    const made = plan({ milestones: graph({ '1A': '', '1B': '' }), landings });
    expect(states(made)).toEqual({
      '1A': 'done: marked done 2026-11-20 by 41aa0c2',
      '1B': 'stale: its text has changed since it was marked done 2026-11-20 by 41aa0c2; `mstone run 1B` does it again, `mstone mark 1B --done` accepts it as it is',
    });
  });

  test('a landing that a journal alone knows is named with the command that says so', () => {
    const lost = new Map([['1A', { run: 'R1', commit: '0123456789' }]]);
    const made = plan({ milestones: graph({ '1A': '', '1B': '' }), lost });
    const words =
      'run R1 landed it as 0123456, of which main holds no proof; if its work is there, `mstone mark 1A --done` says so';
    expect([states(made), made.run]).toEqual([
      { '1A': `todo: ${words}`, '1B': 'todo: never landed' },
      ['1A', '1B'],
    ]);
    expect(messages(made.notes)).toEqual([
      `proof-lost | milestones/1A.md | 1A: ${words} | if so, before a run: mstone mark 1A --done`,
    ]);
    // Nothing is said of what would not run.
    expect(
      plan({ milestones: graph({ '1A': '', '1B': '' }), lost, selection: { ids: ['1B'] } }).notes,
    ).toEqual([]);
  });

  test('disabled blocks what names it, not what merely comes later', () => {
    const milestones = [milestone('1A', { enabled: false }), ...graph({ '1B': '', '1C': '1A', '2A': '' })];
    const made = plan({ milestones: milestones.filter(({ id }) => id !== '1C') });
    expect([states(made), made.run]).toEqual([
      { '1A': 'blocked: disabled', '1B': 'todo: never landed', '2A': 'todo: never landed' },
      ['1B', '2A'],
    ]);
    const other = plan({ milestones });
    expect([states(other), other.run]).toEqual([
      {
        '1A': 'blocked: disabled',
        '1B': 'todo: never landed',
        '1C': 'blocked: needs 1A, which is disabled',
        '2A': 'blocked: needs 1C',
      },
      ['1B'],
    ]);
  });

  test('what landed and is disabled since stays done', () => {
    const made = plan({ milestones: [milestone('1A', { enabled: false })], landings: landed('1A') });
    expect(states(made)).toEqual({ '1A': 'done: landed as 41aa0c2' });
  });

  test('what an earlier run gave up is blocked with its reason, and so is what needs it', () => {
    const made = plan({
      milestones: graph({ '1A': '', '1B': '1A', '1C': '', '2A': '' }),
      failed: new Map([['1A', 'the checks failed after 3 rounds']]),
    });
    expect(states(made)).toEqual({
      '1A': 'blocked: the checks failed after 3 rounds; `mstone retry 1A` tries again',
      '1B': 'blocked: needs 1A',
      '1C': 'todo: never landed',
      '2A': 'blocked: needs 1A; 1B',
    });
    expect(made.run).toEqual(['1C']);
    expect(made.notes.map(({ code, fix }) => ({ code, fix }))).toEqual([
      { code: 'gave-up', fix: 'mstone retry 1A' },
    ]);
  });

  test('a failure is forgotten once it has landed', () => {
    const failed = new Map([['1A', 'x']]);
    expect(states(plan({ milestones: graph({ '1A': '' }), landings: landed('1A'), failed }))).toEqual({
      '1A': 'done: landed as 41aa0c2',
    });
  });

  test('a stale one that was redone in vain waits for retry', () => {
    const milestones = graph({ '1A': '' });
    const landings = new Map([['1A', landing('1A', { digest: 'v1:old' })]]);
    const made = plan({ milestones, landings, failed: new Map([['1A', 'x']]), selection: { ids: ['1A'] } });
    expect([made.run, made.notes.map(({ fix }) => fix)]).toEqual([
      [],
      ['mstone retry 1A does it again, mstone mark 1A --done accepts it as it is'],
    ]);
  });
});

describe('a selected stage', () => {
  const milestones = graph({ '1A': '', '1B': '', '2A': '', '2B': '2A', '3A': '' });

  test('is refused on unfinished earlier ones, which are named', () => {
    expect(messages(refused({ milestones, landings: landed('1A'), selection: { stage: 3 } }))).toEqual([
      'stage-unfinished | stage 3 needs 1B, 2A, 2B, which are not done | `mstone run --until 3` builds them first',
    ]);
    const failed = new Map([['1B', 'too many rounds']]);
    expect(
      messages(refused({ milestones, landings: landed('1A'), failed, selection: { stage: 2 } })),
    ).toEqual([
      'stage-unfinished | stage 2 needs 1B, which is not done | 1B: too many rounds; `mstone retry 1B` tries again',
    ]);
  });

  test('runs alone once they are done, stale or disabled', () => {
    const some = [...milestones, milestone('1C', { enabled: false })];
    const landings = new Map([...landed('1A'), ['1B', landing('1B', { digest: 'v1:old' })] as const]);
    expect(plan({ milestones: some, landings, selection: { stage: 2 } }).run).toEqual(['2A', '2B']);
    expect(plan({ milestones: some, landings, selection: { stage: 1 } }).run).toEqual([]);
    expect(plan({ milestones: some, landings, selection: { stage: 1, redoStale: true } }).run).toEqual([
      '1B',
    ]);
  });
});

describe('selected milestones', () => {
  const milestones = graph({ '1A': '', '1B': '1A', '1C': '', '2A': '' });

  test('run alone', () => {
    expect(plan({ milestones, selection: { ids: ['1C'] } }).run).toEqual(['1C']);
    expect(plan({ milestones, selection: { ids: ['1B', '1A'] } }).run).toEqual(['1A', '1B']);
    expect(plan({ milestones, landings: landed('1A', '1B', '1C'), selection: { ids: ['2A'] } }).run).toEqual([
      '2A',
    ]);
  });

  test('are refused on what is neither done nor selected', () => {
    expect(messages(refused({ milestones, selection: { ids: ['1B', '2A'] } }))).toEqual([
      'needs-unmet | milestones/1B.md | 1B needs 1A, which is not done | `mstone run 1B --with-needs` builds it first',
      'needs-unmet | milestones/2A.md | 2A needs 1A, 1C, which are not done | `mstone run 2A --with-needs` builds them first',
    ]);
  });

  test('that are done are noted and left alone', () => {
    const made = plan({ milestones, landings: landed('1A'), selection: { ids: ['1A', '1B'] } });
    expect([made.run, messages(made.notes)]).toEqual([
      ['1B'],
      ['already-done | milestones/1A.md | 1A: landed as 41aa0c2 | mstone run --force 1A'],
    ]);
  });

  test('that were given up stay so; on them nothing can be built', () => {
    const failed = new Map([['1A', 'x']]);
    expect(plan({ milestones, failed, selection: { ids: ['1A'] } }).run).toEqual([]);
    expect(messages(refused({ milestones, failed, selection: { ids: ['1A', '1B'] } }))).toEqual([
      'needs-unmet | milestones/1B.md | 1B needs 1A, which is not done | 1A: x; `mstone retry 1A` tries again',
    ]);
  });

  test('that are disabled, or not in the selected stage, are refused', () => {
    const some = [...milestones, milestone('1D', { enabled: false })];
    expect(messages(refused({ milestones: some, selection: { ids: ['1D', '1A'], stage: 2 } }))).toEqual([
      'disabled | milestones/1D.md | 1D is disabled | remove `enabled: false` from its front matter',
      'not-in-stage | 1A is not in stage 2 | name milestones or a stage, not both',
    ]);
  });
});

describe('order', () => {
  test('longest remaining path first, later stages behind all of the earlier, unknown estimates the median', () => {
    const milestones = [
      milestone('1A', { estimateMinutes: 10 }),
      milestone('1B', { estimateMinutes: 20 }),
      milestone('1C', { estimateMinutes: 5, dependsOn: ['1A'] }),
      milestone('1D', { dependsOn: ['1C'] }),
      milestone('2A', { estimateMinutes: 100 }),
      milestone('2B', { estimateMinutes: 40, dependsOn: ['2A'] }),
    ];
    const made = plan({ milestones });
    expect(
      Object.fromEntries(made.milestones.map((one) => [one.milestone.id, one.remainingMinutes])),
    ).toEqual({
      '1A': 10 + 5 + 20 + 140,
      '1B': 20 + 140,
      '1C': 5 + 20 + 140,
      '1D': 20 + 140,
      '2A': 140,
      '2B': 40,
    });
    expect(made.run).toEqual(['1A', '1C', '1B', '1D', '2A', '2B']);
  });

  test('only what runs counts for what is behind, and priority goes before length', () => {
    const milestones = [
      milestone('1A', { estimateMinutes: 10 }),
      milestone('1B', { estimateMinutes: 60, dependsOn: ['1A'] }),
      milestone('1C', { estimateMinutes: 20 }),
      milestone('1D', { estimateMinutes: 1, priority: 1 }),
    ];
    expect(plan({ milestones }).run).toEqual(['1D', '1A', '1B', '1C']);
    expect(plan({ milestones, landings: landed('1B') }).run).toEqual(['1D', '1C', '1A']);
  });
});
