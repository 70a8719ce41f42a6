import type { ItemId, WorkEffect } from '../../src/model/effect.js';
import type { Milestone } from '../../src/model/milestone.js';
import type { Plan, PlanItem, PlannedMilestone } from '../../src/model/plan.js';
import type { Flight, ItemState, Phase, RunState } from '../../src/model/state.js';
import { NOTHING_SPENT } from '../../src/run/money.js';

export const NOON = Date.UTC(2026, 10, 20, 12, 0, 0);
export const RUN = '01JD4M7Z7V8K3W2N5Q6R9T0XYA';
export const COMMIT = '41aa0c2d9f0b5e6c7a8b9c0d1e2f3a4b5c6d7e8f';
export const OTHER = 'beefc0de9f0b5e6c7a8b9c0d1e2f3a4b5c6d7e8f';
export const WHEN = { now: NOON, tz: 'UTC' };

export const landed: Phase = { is: 'landed', commit: COMMIT, at: NOON };
export const ready: Phase = { is: 'next', step: { is: 'implement', because: 'first' } };
export const failed: Phase = { is: 'failed', message: 'npm test: exit 1' };
export const asks: Phase = { is: 'asks', message: 'three rounds and no end' };
export const limited: Phase = {
  is: 'waiting',
  wait: { for: 'credential', credential: 'claude', until: NOON + 67 * 60_000 },
  step: { is: 'implement', because: 'first' },
};

export const doing = (step: Extract<Phase, { is: 'doing' }>['step'], since = NOON): Phase => ({
  is: 'doing',
  step,
  intent: 'i1',
  since,
});

export function itemOf(
  id: ItemId,
  phase: Phase,
  more: Partial<Omit<ItemState, 'item'>> & { item?: Partial<PlanItem> } = {},
): ItemState {
  const { item, ...rest } = more;
  return {
    phase,
    attempt: 0,
    forgotten: 0,
    assignment: 0,
    round: 0,
    checks: [],
    findings: [],
    unmet: [],
    brakes: { ladder: [], fingerprints: [], interruptions: 0, starts: 0, fruitless: 0 },
    costUsd: 0,
    told: [],
    ...rest,
    item: {
      id,
      kind: 'milestone',
      stage: Number.parseInt(id, 10) || 0,
      title: `Title ${id}`,
      digest: 'v1:00',
      needs: [],
      priority: 0,
      remainingMinutes: 30,
      author: 'claude',
      reviewer: 'claude',
      resolver: 'claude',
      checks: [],
      rounds: 3,
      retries: 1,
      ...item,
    },
  };
}

export function stateOf(items: readonly ItemState[], more: Partial<RunState> = {}): RunState {
  return {
    run: RUN,
    target: 'main',
    head: COMMIT,
    settings: {
      jobs: 4,
      failFast: false,
      wait: true,
      backoffMs: 1000,
      folder: '',
      argv: [],
    },
    parked: new Map(),
    items: new Map(items.map((item) => [item.item.id, item])),
    flights: new Map(),
    nextIntent: 1,
    closed: new Map(),
    guesses: new Map(),
    windows: new Map(),
    spend: NOTHING_SPENT,
    shut: new Map(),
    passed: new Set(),
    green: new Map(),
    trees: new Map(),
    ...more,
  };
}

export function flight(id: string, since: number, effect: Partial<WorkEffect> = {}): [string, Flight] {
  return [id, { id, since, effect: { ...work, ...effect } }];
}

export const work: WorkEffect = {
  do: 'work',
  item: '1A',
  attempt: 1,
  assignment: 1,
  round: 0,
  purpose: 'implement',
  agent: 'claude',
  slot: 2,
  from: 'head',
  brief: { because: 'first', checks: [], findings: [], unmet: [] },
};

export function milestoneOf(id: string, more: Partial<Milestone> = {}): Milestone {
  return {
    id,
    stage: Number.parseInt(id, 10),
    letters: id.replace(/\d/g, ''),
    file: `milestones/${id}.md`,
    title: `Title ${id}`,
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
    digest: 'v1:00',
    ...more,
  };
}

export function plannedOf(
  id: string,
  state: PlannedMilestone['state'],
  reason: string,
  more: Partial<Omit<PlannedMilestone, 'milestone'>> & { milestone?: Partial<Milestone> } = {},
): PlannedMilestone {
  const { milestone, ...rest } = more;
  return {
    state,
    reason,
    dependsOn: [],
    remainingMinutes: 30,
    ...rest,
    milestone: milestoneOf(id, milestone),
  };
}

export const planOf = (milestones: readonly PlannedMilestone[], more: Partial<Plan> = {}): Plan => ({
  target: 'main',
  milestones,
  run: milestones
    .filter(({ state }) => state !== 'done' && state !== 'stale')
    .map(({ milestone }) => milestone.id),
  notes: [],
  ...more,
});

/** What a hostile title may hold: colours, a cleared screen, a window title, turned text, a line break. */
export const HOSTILE = 'a\u001b[31mb\u001b[2Jc\u001b]0;title\u0007d\u009b1me\u202ef\r\ng\u0000\u007f';
export const HARMLESS = 'abcdef g';
