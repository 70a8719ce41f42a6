/** What holds where nobody has said it: pure, so that every case can be looked at. */
import { describe, expect, it } from 'vitest';
import { type ChoiceFacts, choose, openQuestions } from '../../src/config/choose.js';
import { discover } from '../../src/config/discover.js';
import { resolveConfig } from '../../src/config/index.js';
import type { ChosenAgent } from '../../src/model/chosen.js';
import type { Milestone } from '../../src/model/milestone.js';
import { makePlan } from '../../src/plan/index.js';
import { planItems } from '../../src/plan/items.js';
import { milestone } from '../plan/world.js';

const claude: ChosenAgent = { name: 'claude', from: 'path', version: '2.1.329' };
const npm = discover({
  names: new Set(['package.json']),
  texts: new Map([['package.json', '{"scripts":{"test":"x"},"dependencies":{"x":"1"}}']]),
  secrets: ['.env'],
});

interface Case {
  readonly milestones: readonly Milestone[];
  /** `mstone.yaml`; undefined: there is none. */
  readonly project?: string;
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly kept?: ChoiceFacts['kept'];
}

function factsOf({ milestones, project, user, env = {}, kept }: Case): ChoiceFacts {
  const resolved = resolveConfig({
    flags: {},
    env,
    cpus: 2,
    ...(project === undefined ? {} : { project: { file: 'mstone.yaml', text: project } }),
    ...(user === undefined ? {} : { user: { file: 'config.yaml', text: user } }),
  });
  expect(resolved.diagnostics).toEqual([]);
  const plan = makePlan({ target: 'main', milestones, landings: new Map(), selection: { ids: [] } });
  if (!plan.ok) throw new Error(JSON.stringify(plan.error));
  return {
    plan: plan.value,
    config: resolved.config,
    origins: resolved.origins,
    configured: project !== undefined,
    ...(kept ? { kept } : {}),
  };
}

/** Who works on each, what was chosen, and what is wrong. */
function settled(one: Case, answers: Parameters<typeof choose>[1] = { agent: claude, found: npm }) {
  const { plan, config, chosen } = choose(factsOf(one), answers);
  const items = planItems(plan, config, { gates: new Set(), base: false, ...(chosen && { chosen }) });
  return {
    who: items.ok
      ? Object.fromEntries(items.value.map(({ id, author, reviewer }) => [id, `${author} ${reviewer}`]))
      : items.error.map(({ code }) => code),
    chosen,
    checks: config.checks,
    setup: config.worktrees.setup,
  };
}

const words = milestone('1A');
const recipe = milestone('1B', { recipe: { implement: 'x' } });
const reviewed = milestone('1C', { recipe: { implement: 'x', review: 'y' } });
const worktrees = { setup: ['npm install'], copy: ['.env'], keep: ['node_modules'] };
const checks = [{ command: 'npm test', from: 'package.json' }];

describe('without mstone.yaml', () => {
  it('the first agent that is installed implements and reviews, recipes do what they say, and checks are found', () => {
    expect(settled({ milestones: [words, recipe, reviewed] })).toEqual({
      who: { '1A': 'claude claude', '1B': 'recipe false', '1C': 'recipe recipe' },
      chosen: { agent: claude, recipes: ['1B', '1C'], unreviewed: ['1B'], checks, worktrees },
      checks: ['npm test'],
      setup: ['npm install'],
    });
  });

  it('nobody is looked for where recipes do all of it', () => {
    const one = { milestones: [recipe, reviewed] };
    expect(openQuestions(factsOf(one))).toEqual({ agents: [], project: true });
    expect(settled(one)).toEqual({
      who: { '1B': 'recipe false', '1C': 'recipe recipe' },
      chosen: { recipes: ['1B', '1C'], unreviewed: ['1B'], checks, worktrees },
      checks: ['npm test'],
      setup: ['npm install'],
    });
  });

  it('a milestone in words is never done by a recipe, nor by nobody', () => {
    expect(settled({ milestones: [words, recipe] }, { found: npm }).who).toEqual(['no-agent']);
  });

  it('what the environment or the user’s own file says is not chosen anew', () => {
    const env = { MSTONE_AGENT: 'codex', MSTONE_CHECKS: 'make check', MSTONE_WORKTREES_SETUP: 'make deps' };
    expect(openQuestions(factsOf({ milestones: [words], env })).agents).toEqual([]);
    expect(settled({ milestones: [words, recipe], env })).toEqual({
      who: { '1A': 'codex codex', '1B': 'codex codex' },
      chosen: { recipes: [], unreviewed: [], worktrees: { ...worktrees, setup: ['make deps'] } },
      checks: ['make check'],
      setup: ['make deps'],
    });
    const user = 'agent: gemini\nreview: false\n';
    expect(settled({ milestones: [words, recipe], user }).who).toEqual({
      '1A': 'gemini false',
      '1B': 'gemini false',
    });
  });

  it('a review that somebody asked for is not left out', () => {
    const user = 'review: { rounds: 2 }\n';
    expect(settled({ milestones: [recipe], user }).who).toEqual(['no-review']);
    const named = 'reviewer: codex\n';
    expect(settled({ milestones: [recipe, words], user: named }).who).toEqual({
      '1A': 'claude codex',
      '1B': 'recipe codex',
    });
  });

  it('nothing is asked where nothing is to run', () => {
    const facts = factsOf({ milestones: [milestone('1A', { enabled: false })] });
    expect(openQuestions(facts)).toEqual({ agents: [], project: false });
    expect(choose(facts, {})).toEqual({ plan: facts.plan, config: facts.config });
  });
});

describe('with an mstone.yaml that names nobody', () => {
  it('the agent alone is chosen: checks and worktrees are as it says', () => {
    const one = { milestones: [words, reviewed], project: 'jobs: 2\n' };
    expect(openQuestions(factsOf(one)).project).toBe(false);
    expect(settled(one)).toEqual({
      who: { '1A': 'claude claude', '1C': 'recipe recipe' },
      chosen: { agent: claude, recipes: ['1C'], unreviewed: [] },
      checks: [],
      setup: [],
    });
  });

  it('a recipe without a review is refused: reviews are on, and somebody could have turned them off', () => {
    expect(settled({ milestones: [recipe], project: 'jobs: 2\n' }).who).toEqual(['no-review']);
    expect(settled({ milestones: [recipe], project: 'review: false\n' }).who).toEqual({
      '1B': 'recipe false',
    });
  });

  it('an agent that is configured and alone is meant; of several none is', () => {
    const mine = 'agents: { mine: { kind: command, command: [x] } }\n';
    expect(openQuestions(factsOf({ milestones: [words], project: mine })).agents).toEqual([
      { name: 'mine', from: 'configuration' },
    ]);
    const two = 'agents: { mine: { kind: command, command: [x] }, claude: { model: opus } }\n';
    expect(openQuestions(factsOf({ milestones: [words], project: two })).agents).toEqual([]);
    expect(settled({ milestones: [words], project: two }, {}).who).toEqual(['no-agent']);
  });

  it('a milestone’s own agent stays its own, and nothing is chosen where all is said', () => {
    const own = milestone('1D', { agent: 'codex' });
    expect(settled({ milestones: [own, words], project: '' }).who).toEqual({
      '1A': 'claude claude',
      '1D': 'codex codex',
    });
    expect(settled({ milestones: [own], project: '' }).chosen).toBeUndefined();
    expect(settled({ milestones: [own, words], project: 'agent: gemini\n' }).chosen).toBeUndefined();
  });
});

describe('a run under way', () => {
  const codex: ChosenAgent = { name: 'codex', from: 'path', version: '0.169.0' };
  const kept = {
    agent: codex,
    recipes: [],
    unreviewed: [],
    checks: [],
    worktrees: { ...worktrees, setup: [] },
  };

  it('keeps to what it chose, whatever is installed or found since', () => {
    const one = { milestones: [words, recipe], kept };
    expect(openQuestions(factsOf(one))).toEqual({ agents: [], project: false });
    expect(settled(one)).toEqual({
      who: { '1A': 'codex codex', '1B': 'recipe false' },
      chosen: { ...kept, recipes: ['1B'], unreviewed: ['1B'] },
      checks: [],
      setup: [],
    });
    // Also once all that the agent had to do is in: a gate of its stage may still need it.
    expect(settled({ milestones: [recipe], kept }).chosen?.agent).toEqual(codex);
  });

  it('goes by what somebody has said since', () => {
    const project = 'agent: gemini\nchecks: [make]\n';
    expect(settled({ milestones: [words], kept, project })).toEqual({
      who: { '1A': 'gemini gemini' },
      chosen: undefined,
      checks: ['make'],
      setup: [],
    });
  });
});
