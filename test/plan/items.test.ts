import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/model/config.js';
import type { Milestone } from '../../src/model/milestone.js';
import type { Plan } from '../../src/model/plan.js';
import { makePlan } from '../../src/plan/index.js';
import { type Extra, modelOf, planItems } from '../../src/plan/items.js';
import { config, graph, landed, milestone } from './world.js';

const none: Extra = { gates: new Set(), base: false };

function planOf(milestones: readonly Milestone[], done: readonly string[] = []): Plan {
  const plan = makePlan({ target: 'main', milestones, landings: landed(...done), selection: { ids: [] } });
  if (!plan.ok) throw new Error(JSON.stringify(plan.error));
  return plan.value;
}

function items(plan: Plan, settings: Config = config(), extra: Extra = none) {
  const result = planItems(plan, settings, extra);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

const needs = (plan: Plan, extra: Extra): Record<string, readonly string[]> =>
  Object.fromEntries(items(plan, config(), extra).map((item) => [item.id, item.needs]));

const refused = (milestones: readonly Milestone[], settings: Config): string[] => {
  const result = planItems(planOf(milestones), settings, none);
  return result.ok
    ? []
    : result.error.map(({ code, file, message, fix }) => `${code} ${file} ${message} | ${fix}`);
};

describe('the model that an agent uses', () => {
  const cli = (model?: string) =>
    ({ kind: 'gemini', command: ['gemini'], args: [], env: {}, ...(model && { model }) }) as const;
  const agents = { big: cli('own'), small: cli(), mine: { kind: 'recipe', env: {} } } as const;
  const model = (name: string, own: Partial<Milestone>, settings: Partial<Config>): string | undefined =>
    modelOf(milestone('1A', own), config({ agents, agent: 'big', ...settings }), name);

  test('is the milestone’s, then the project’s, then its own, none of them another agent’s', () => {
    expect(model('big', { model: 'm' }, { model: 'p' })).toBe('m');
    expect(model('big', {}, { model: 'p' })).toBe('p');
    expect(model('big', {}, {})).toBe('own');
    expect(model('small', {}, {})).toBe(undefined);
    expect(model('small', { model: 'm' }, { model: 'p' })).toBe(undefined);
    expect(model('small', { agent: 'small', model: 'm' }, { model: 'p' })).toBe('m');
    expect(model('small', { agent: 'small' }, { model: 'p' })).toBe(undefined);
    expect(model('big', { agent: 'small', model: 'm' }, { model: 'p' })).toBe('p');
    expect(model('mine', {}, {})).toBe(undefined);
    expect(model('nobody', {}, {})).toBe(undefined);
  });
});

describe('the items of a run', () => {
  test('say all that is to be known of a milestone', () => {
    const one = milestone('1A', {
      agent: 'other',
      reviewer: 'mine',
      checks: ['b', 'c'],
      priority: 2,
      retries: 7,
      reviewRounds: 9,
      estimateMinutes: 12,
    });
    expect(items(planOf([one]), config({ checks: ['a', 'b'] }))).toEqual([
      {
        id: '1A',
        kind: 'milestone',
        stage: 1,
        title: 'The 1A',
        digest: 'v1:1A',
        needs: [],
        priority: 2,
        remainingMinutes: 12,
        author: 'other',
        reviewer: 'mine',
        resolver: 'other',
        checks: ['a', 'b', 'c'],
        rounds: 9,
        retries: 7,
      },
    ]);
  });

  test.each<[string, Partial<Milestone>, Partial<Config>, object]>([
    [
      'the project names author and reviewer',
      {},
      { reviewer: 'other' },
      { author: 'mine', reviewer: 'other' },
    ],
    [
      'the author reviews where nobody else does',
      { agent: 'other' },
      {},
      { author: 'other', reviewer: 'other' },
    ],
    [
      'several review, one of them a role, which is the first agent once more',
      { reviewers: ['other', 'mine', 'security'] },
      { review: { rounds: 3, blockOn: [], require: 'majority' } },
      {
        reviewer: 'other',
        require: 'majority',
        reviewers: [
          { name: 'other', agent: 'other' },
          { name: 'mine', agent: 'mine' },
          { name: 'security', agent: 'other', role: 'security' },
        ],
      },
    ],
    [
      'a role has a say over paths, by an agent of its own',
      {},
      { roles: { docs: { paths: ['*.md'], agent: 'other' } } },
      {
        reviewer: 'mine',
        reviewers: [
          { name: 'mine', agent: 'mine' },
          { name: 'docs', agent: 'other', role: 'docs', paths: ['*.md'] },
        ],
      },
    ],
    ['no review', { reviewer: 'other' }, { review: false }, { reviewer: false, rounds: 3 }],
    ['no review, rounds stated', { reviewRounds: 1 }, { review: false }, { reviewer: false, rounds: 1 }],
    ['rounds of the project', {}, { review: { rounds: 8, blockOn: [] } }, { rounds: 8 }],
    ['no retries', { retries: 0 }, {}, { retries: 0 }],
  ])('%s', (_, said, settings, expected) => {
    expect(items(planOf([milestone('1A', said)]), config(settings))[0]).toMatchObject(expected);
  });

  test('need their own dependencies, the nearest earlier stage and the base check', () => {
    const plan = planOf(graph({ '1A': '', '1B': '1A', '2A': '1A', '2B': '2A 1D', '1D': '', '4A': '' }), [
      '1D',
      '1A',
    ]);
    expect(needs(plan, none)).toEqual({
      '1B': [],
      '2A': ['1B'],
      '2B': ['2A', '1B'],
      '4A': ['2A', '2B'],
    });
    expect(needs(plan, { gates: new Set([1, 4]), base: true })).toEqual({
      base: [],
      '1B': ['base'],
      '2A': ['1-gate', 'base'],
      '2B': ['2A', '1-gate', 'base'],
      '4A': ['2A', '2B', 'base'],
      '1-gate': ['1B'],
      '4-gate': ['4A'],
    });
  });

  test('a gate whose stage is all in waits for what is before it', () => {
    const plan = planOf(graph({ '1A': '', '2A': '', '3A': '' }), ['1A', '2A']);
    expect(needs(plan, { gates: new Set([1, 2]), base: true })).toEqual({
      base: [],
      '1-gate': ['base'],
      '2-gate': ['1-gate', 'base'],
      '3A': ['2-gate', 'base'],
    });
  });

  test('gates and the base check are items of their own', () => {
    const plan = planOf([
      milestone('1A', { agent: 'other', estimateMinutes: 5 }),
      milestone('2A', { agent: 'mine', estimateMinutes: 7 }),
    ]);
    const { agent: _, ...settings } = config({ checks: ['c'], stageChecks: ['s', 't'] });
    const [base, , , gate] = items(plan, settings, { gates: new Set([1]), base: true });
    const hash = (commands: string[]): string =>
      `v1:${createHash('sha256').update(JSON.stringify(commands)).digest('hex')}`;
    expect([base, gate]).toEqual([
      {
        id: 'base',
        kind: 'base',
        stage: 0,
        title: 'Checks of main',
        digest: hash(['c']),
        needs: [],
        priority: 0,
        remainingMinutes: 12,
        author: 'other',
        reviewer: false,
        resolver: 'other',
        checks: ['c'],
        rounds: 0,
        retries: 0,
      },
      {
        id: '1-gate',
        kind: 'gate',
        stage: 1,
        title: 'Checks of stage 1',
        digest: hash(['s', 't']),
        needs: ['1A'],
        priority: 0,
        remainingMinutes: 7,
        author: 'other',
        reviewer: 'other',
        resolver: 'other',
        checks: ['s', 't'],
        rounds: 3,
        retries: 1,
      },
    ]);
    const review = { implement: 'x', review: 'y' };
    const recipes = planOf([milestone('1A', { recipe: review })]);
    const [, ofRecipes] = items(recipes, config({ agent: 'recipe' }), { gates: new Set([1]), base: false });
    expect(ofRecipes).toMatchObject({ id: '1-gate', author: 'recipe', reviewer: false });
  });
});

describe('nobody to do it', () => {
  const { agent: _, ...nobody } = config();

  test('is refused for each milestone at once, with the line to add', () => {
    const milestones = [
      milestone('1A'),
      milestone('1B', { recipe: { implement: 'x' } }),
      milestone('1C', { agent: 'mien', reviewer: 'zzz' }),
      milestone('1D', { agent: 'recipe', recipe: { review: 'x' } }),
      milestone('1E', { agent: 'recipe', recipe: { implement: 'x' } }),
      milestone('1F', { agent: 'mine', reviewer: 'recipe' }),
      milestone('1G', { agent: 'recipe', recipe: { implement: 'x', review: 'y' } }),
    ];
    expect(refused(milestones, nobody)).toEqual([
      'no-agent undefined nobody implements 1A and 1B: no agent is named | add `agent: NAME` to mstone.yaml; these are there: mine, other',
      'unknown-agent milestones/1C.md the agent of 1C is not configured | did you mean `mine`?',
      'unknown-agent milestones/1C.md the reviewer of 1C is not configured | add `agents: { zzz: { kind: command, command: [...] } }` to mstone.yaml',
      'no-recipe milestones/1D.md 1D is to be implemented by its recipe and has none | add a `## Recipe` section with a ```sh block, or name another `agent:`',
      'no-review milestones/1E.md 1E has neither a reviewer nor a `## Review` | add `reviewer: NAME`, or a `## Review` section with a ```sh block, or `review: false` to mstone.yaml',
      'no-review milestones/1F.md 1F has neither a reviewer nor a `## Review` | add `reviewer: NAME`, or a `## Review` section with a ```sh block, or `review: false` to mstone.yaml',
    ]);
  });

  test('is no question of what does not run, nor of a review that is off', () => {
    const plan = planOf([milestone('1A'), milestone('1B', { agent: 'mine' })], ['1A']);
    expect(planItems(plan, nobody, none)).toMatchObject({ ok: true, value: [{ id: '1B' }] });
    const recipe = milestone('1A', { recipe: { implement: 'x' } });
    expect(refused([recipe], config({ agent: 'recipe', review: false }))).toEqual([]);
    expect(refused([milestone('1A')], config({ agent: 'constructor' }))).toHaveLength(1);
  });
});
