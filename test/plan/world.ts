import type { Config } from '../../src/model/config.js';
import type { Milestone } from '../../src/model/milestone.js';
import type { Landing } from '../../src/model/plan.js';

/** A milestone as its file would give it, told apart by what a test says of it. */
export function milestone(id: string, said: Partial<Milestone> = {}): Milestone {
  const [, stage = '1', letters = 'A'] = /^(\d+)([A-Z]+)$/.exec(id) ?? [];
  return {
    id,
    stage: Number(stage),
    letters,
    file: `milestones/${id}.md`,
    title: `The ${id}`,
    body: '',
    description: '',
    entryRequirements: '',
    tasks: [],
    criteria: [],
    dependsOn: [],
    checks: [],
    requires: [],
    env: {},
    priority: 0,
    enabled: true,
    recipe: {},
    digest: `v1:${id}`,
    ...said,
  };
}

/** `{'1B': '1A'}` and names alone: milestones with what they depend on. */
export const graph = (needs: Readonly<Record<string, string>>): Milestone[] =>
  Object.entries(needs).map(([id, names]) =>
    milestone(id, { dependsOn: names.split(' ').filter((name) => name !== '') }),
  );

/** Proofs that these have landed as their text is now. */
export const landed = (...ids: string[]): ReadonlyMap<string, Landing> =>
  new Map(ids.map((id) => [id, landing(id)]));

export const landing = (id: string, said: Partial<Landing> = {}): Landing => ({
  id,
  digest: `v1:${id}`,
  state: 'done',
  commit: '41aa0c2f00000000000000000000000000000000',
  at: 0,
  subject: `${id}: The ${id}`,
  ...said,
});

export const config = (said: Partial<Config> = {}): Config => ({
  milestones: 'milestones',
  tasksFile: 'TASKS.md',
  agent: 'mine',
  credentials: [],
  auth: 'login-first',
  git: { hooks: false },
  isolation: 'worktree',
  sandbox: { kind: 'none', network: true, write: [] },
  jobs: 4,
  checks: [],
  stageChecks: [],
  review: { rounds: 3, blockOn: ['blocker', 'major'] },
  approval: 'none',
  land: 'each',
  pr: { per: 'stage', remote: 'origin' },
  runBranch: false,
  merge: { parallel: 2, strict: 'auto', barrier: [], forecastMs: 0 },
  retries: 1,
  backoffMs: 0,
  worktrees: { setup: [], copy: [], keep: [], sparse: false },
  agents: {
    recipe: { kind: 'recipe', env: {} },
    mine: { kind: 'command', command: ['x'], env: {} },
    other: { kind: 'command', command: ['y'], env: {} },
  },
  timeouts: { agentMs: 1, idleMs: 1, checkMs: 1, repeats: false },
  brief: [],
  expectTests: 'auto',
  secrets: { allowed: [] },
  briefLimit: 200_000,
  limits: { wait: true, reserve: 0.1, burst: 1 },
  logs: {},
  pressure: false,
  ...said,
});
