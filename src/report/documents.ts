/**
 * What `--json` prints and what a terminal shows instead, made from the same facts.
 *
 * The documents are promises: `schema` is 1, and fields are added, never changed.
 */
import { safeJson } from '../journal/json.js';
import type { Allowance } from '../model/change.js';
import type { Chosen } from '../model/chosen.js';
import type { Approval } from '../model/decision.js';
import { type Diagnostic, withFix } from '../model/diagnostic.js';
import type { Milestone, Recipe, Requirement } from '../model/milestone.js';
import type { Plan, PlannedMilestone, PlanState } from '../model/plan.js';
import { unreachable } from '../model/result.js';
import type { Flake, ItemState, RunState } from '../model/state.js';
import { awaiting } from '../run/approvals.js';
import { comingConflicts } from '../run/forecast.js';
import { unmetNeeds } from '../run/needs.js';
import { shortageOf } from '../run/questions.js';
import { type PlanPrediction, type PredictionDocument, predictionDocument } from './prediction.js';
import { type ComingConflict, conflictsOf } from './queue.js';
import { oneLine, painter, table } from './text.js';
import {
  costOf,
  count,
  credentialWords,
  explainStanding,
  foreseenWords,
  formatDiagnostic,
  formatUsd,
  names,
  type PhaseWord,
  phaseWord,
  shortOid,
  summaryOf,
  termsOf,
  type When,
  windowWords,
} from './words.js';

export interface PlanDocument {
  readonly schema: 1;
  readonly target: string;
  readonly milestones: readonly {
    readonly id: string;
    readonly stage: number;
    readonly title: string;
    readonly file: string;
    readonly depends_on: readonly string[];
    readonly state: PlanState;
    readonly reason: string;
    /** When a person is asked of it, where one is. */
    readonly approval?: Approval;
  }[];
  readonly run: readonly string[];
  /** Where something was: what a run would go by and nobody has said. */
  readonly chosen?: Chosen;
  /** How long a run would take; absent where nothing is to run. */
  readonly prediction?: PredictionDocument;
}

export interface StatusDocument {
  readonly schema: 1;
  readonly run: {
    readonly id: string;
    readonly state: 'running' | 'waiting' | 'done' | 'failed' | 'interrupted';
    /** What the machine is short of, while that keeps agents from starting. */
    readonly pressure?: string;
    /** Works that will not merge by themselves: two milestones, or one and the target. */
    readonly conflicts?: readonly ComingConflict[];
  } | null;
  readonly milestones: readonly {
    readonly id: string;
    /** Of the run; for what the run does not hold, of the plan, where `landed` says `done`. */
    readonly phase: PhaseWord | Exclude<PlanState, 'done'>;
    readonly attempts: number;
    readonly commit?: string;
    readonly cost_usd: number;
    /** What it waits for a person to approve: its text `before` an agent starts, its work before the `merge`. */
    readonly approval?: Approval;
    /** Checks that failed where they were expected to pass, and passed on the same tree. */
    readonly flakes?: readonly Flake[];
    /** How its file differs from what the unfinished run began with. */
    readonly change?: Change;
  }[];
}

export type Change = 'edited' | 'new' | 'deleted';
export type SinceBegun = ReadonlyMap<string, Change>;

export interface ValidateDocument {
  readonly schema: 1;
  readonly ok: boolean;
  /** Each whole, as mstone understands it; the text itself is in the file. */
  readonly milestones: readonly {
    readonly id: string;
    readonly stage: number;
    readonly title: string;
    readonly file: string;
    readonly depends_on: readonly string[];
    readonly description: string;
    readonly entry_requirements: string;
    /** `title` is there where the text is longer; `line` is the file's, from 1. */
    readonly tasks: readonly { readonly text: string; readonly title?: string; readonly line: number }[];
    readonly criteria: readonly string[];
    readonly estimate_minutes?: number;
    readonly agent?: string;
    readonly reviewer?: string;
    readonly reviewers?: readonly string[];
    readonly role?: string;
    readonly model?: string;
    readonly checks: readonly string[];
    readonly paths?: readonly string[];
    readonly allow?: readonly Allowance[];
    readonly requires: readonly Requirement[];
    readonly env: Readonly<Record<string, string>>;
    readonly timeout_ms?: number;
    readonly retries?: number;
    readonly review_rounds?: number;
    readonly priority: number;
    readonly approval?: Approval | 'none';
    readonly enabled: boolean;
    /** Scripts by the purpose that they serve. */
    readonly recipe: Recipe;
    readonly digest: string;
  }[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What is undefined is left out. */
const said = <T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

/** A document as it is printed: indented, with a line end, safe for a terminal. */
export const documentText = (document: PlanDocument | StatusDocument | ValidateDocument): string =>
  `${safeJson(document, 2)}\n`;

export const planDocument = (
  plan: Plan,
  chosen?: Chosen,
  approvals: ReadonlyMap<string, Approval> = new Map(),
  prediction?: PlanPrediction,
): PlanDocument => ({
  schema: 1,
  target: plan.target,
  milestones: plan.milestones.map(({ milestone, state, reason, dependsOn }) => ({
    id: milestone.id,
    stage: milestone.stage,
    title: milestone.title,
    file: milestone.file,
    depends_on: dependsOn,
    state,
    reason,
    ...said({ approval: approvals.get(milestone.id) }),
  })),
  run: plan.run,
  ...said({ chosen, prediction: prediction && predictionDocument(prediction) }),
});

export const validateDocument = (
  milestones: readonly Milestone[],
  diagnostics: readonly Diagnostic[],
): ValidateDocument => ({
  schema: 1,
  ok: !diagnostics.some(({ severity }) => severity === 'error'),
  milestones: milestones.map((milestone) => ({
    id: milestone.id,
    stage: milestone.stage,
    title: milestone.title,
    file: milestone.file,
    depends_on: milestone.dependsOn,
    description: milestone.description,
    entry_requirements: milestone.entryRequirements,
    tasks: milestone.tasks.map(({ text, title, line }) => ({ text, ...said({ title }), line })),
    criteria: milestone.criteria,
    ...said({ estimate_minutes: milestone.estimateMinutes }),
    ...said({
      agent: milestone.agent,
      reviewer: milestone.reviewer,
      reviewers: milestone.reviewers,
      role: milestone.role,
      model: milestone.model,
    }),
    checks: milestone.checks,
    ...said({ paths: milestone.paths, allow: milestone.allow }),
    requires: milestone.requires,
    env: milestone.env,
    ...said({
      timeout_ms: milestone.timeoutMs,
      retries: milestone.retries,
      review_rounds: milestone.reviewRounds,
    }),
    priority: milestone.priority,
    ...said({ approval: milestone.approval }),
    enabled: milestone.enabled,
    recipe: milestone.recipe,
    digest: milestone.digest,
  })),
  // Field by field, so that nothing else that a diagnostic may carry gets out.
  diagnostics: diagnostics
    .map(withFix)
    .map(({ severity, code, file, line, message, expected, found, fix }) => ({
      severity,
      code,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      message,
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      ...(fix === undefined ? {} : { fix }),
    })),
});

/**
 * The newest run and where every milestone is. `alive`: a live process holds the lock; without one a run
 * that did not end was interrupted. Where the plan and the run differ about what has landed, the plan is
 * right: it reads git.
 */
export function statusDocument(
  state: RunState | undefined,
  plan: Plan | undefined,
  alive: boolean,
  now: number,
  since: SinceBegun = new Map(),
): StatusDocument {
  const pressure = state !== undefined && alive ? shortageOf(state, now) : undefined;
  return {
    schema: 1,
    run:
      state === undefined
        ? null
        : {
            id: state.run,
            state: runWord(state, alive),
            ...(pressure === undefined ? {} : { pressure }),
            ...conflictsOf(state),
          },
    milestones: rowsOf(state, plan).map(({ id, phase, item, commit }) => ({
      id,
      phase,
      attempts: item?.attempt ?? 0,
      ...(commit === undefined ? {} : { commit }),
      cost_usd: item?.costUsd ?? 0,
      ...said({ approval: item !== undefined && state !== undefined ? askedNow(state, item) : undefined }),
      ...said({ flakes: item?.flakes, change: since.get(id) }),
    })),
  };
}

type RunWord = NonNullable<StatusDocument['run']>['state'];

/** A pause waits, 3 too: for a time, for money, for a person. 129, 130 and 143 were interrupted in order. */
function runWord(state: RunState, alive: boolean): RunWord {
  const { end } = state;
  if (end === undefined) {
    if (!alive) return 'interrupted';
    const waits = [...state.items.values()].some(({ phase }) => phase.is === 'waiting');
    return waits && state.flights.size === 0 ? 'waiting' : 'running';
  }
  if (end.exit === 0) return 'done';
  if (end.exit >= 129) return 'interrupted';
  return end.is === 'paused' || end.exit === 3 ? 'waiting' : 'failed';
}

interface Row {
  readonly id: string;
  readonly title: string;
  readonly phase: StatusDocument['milestones'][number]['phase'];
  readonly commit?: string;
  readonly item?: ItemState;
  readonly planned?: PlannedMilestone;
}

/** Milestones as the plan has them and what else the run holds, stage by stage, gates last. */
function rowsOf(state: RunState | undefined, plan: Plan | undefined): readonly Row[] {
  const planned = new Map(plan?.milestones.map((one) => [one.milestone.id, one]));
  const items = [...(state?.items.values() ?? [])].filter(
    ({ item }) => item.kind === 'milestone' || item.kind === 'gate',
  );
  const rows: { readonly stage: number; readonly gate: boolean; readonly row: Row }[] = [];
  for (const one of planned.values()) {
    const { id, stage, title } = one.milestone;
    const item = state?.items.get(id);
    rows.push({ stage, gate: false, row: { id, title, planned: one, ...phaseOf(one, item, state) } });
  }
  for (const item of items) {
    const { id, stage, title, kind } = item.item;
    if (planned.has(id) || state === undefined) continue;
    const commit = commitOf(item);
    rows.push({
      stage,
      gate: kind === 'gate',
      row: { id, title, item, phase: phaseWord(item, state), ...(commit === undefined ? {} : { commit }) },
    });
  }
  // A stable sort: within a stage the plan's own order stays.
  return rows.sort((a, b) => a.stage - b.stage || Number(a.gate) - Number(b.gate)).map(({ row }) => row);
}

function phaseOf(
  { state: planState, landing }: PlannedMilestone,
  item: ItemState | undefined,
  state: RunState | undefined,
): Pick<Row, 'phase' | 'commit' | 'item'> {
  const known = item === undefined ? {} : { item };
  if (planState === 'done') {
    return { ...known, phase: 'landed', ...(landing === undefined ? {} : { commit: landing.commit }) };
  }
  // What the run landed and git no longer proves was reverted, or its text has changed since.
  if (item === undefined || state === undefined || item.phase.is === 'landed')
    return { ...known, phase: planState };
  return { ...known, phase: phaseWord(item, state) };
}

const askedNow = (state: RunState, item: ItemState): Approval | undefined =>
  unmetNeeds(state, item).length === 0 ? awaiting(item) : undefined;

const commitOf = (item: ItemState): string | undefined =>
  item.phase.is === 'landed' || item.phase.is === 'passed' ? item.phase.commit : undefined;

/** What would run, in which order, and why. */
export function planText(plan: Plan, color: boolean): string {
  const paint = painter(color);
  const order = new Map(plan.run.map((id, index) => [id, index + 1]));
  const done = plan.milestones.filter(({ state }) => state === 'done').length;
  const lines = [
    `Plan for ${oneLine(plan.target)}: ${plan.run.length === 0 ? 'nothing to run' : `${plan.run.length} to run`}` +
      `, ${done} of ${count(plan.milestones.length, 'milestone')} done`,
  ];
  const rows = plan.milestones.map(({ milestone, state, reason }) => [
    ` ${order.has(milestone.id) ? String(order.get(milestone.id)).padStart(3) : '   '}`,
    oneLine(milestone.id),
    state,
    oneLine(milestone.title),
    oneLine(reason),
  ]);
  // Aligned over all stages, then cut into them.
  const shown = table(rows, (cell, column, row) =>
    column === 2
      ? paint(PLAN_STYLES[plan.milestones[row]?.state ?? 'todo'], cell)
      : column === 4
        ? paint('dim', cell)
        : cell,
  );
  let stage: number | undefined;
  for (const [row, { milestone }] of plan.milestones.entries()) {
    if (milestone.stage !== stage) {
      stage = milestone.stage;
      lines.push('', paint('bold', `Stage ${stage}`));
    }
    lines.push(shown[row] ?? '');
  }
  if (plan.run.length > 0) lines.push('', `Order: ${names(plan.run, 20)}`);
  if (plan.notes.length > 0) lines.push('', ...plan.notes.map((note) => formatDiagnostic(note, paint)));
  return `${lines.join('\n')}\n`;
}

type Style = 'green' | 'yellow' | 'red' | 'cyan' | 'dim';

const PLAN_STYLES: Readonly<Record<PlanState, Style>> = {
  done: 'green',
  todo: 'cyan',
  stale: 'yellow',
  blocked: 'red',
};

/** A phase's colour: what is done, at work, waiting, in trouble. */
export function phaseStyle(phase: Row['phase']): Style {
  switch (phase) {
    case 'landed':
    case 'passed':
      return 'green';
    case 'failed':
    case 'blocked':
      return 'red';
    case 'asking':
    case 'waiting':
    case 'stale':
      return 'yellow';
    case 'ready':
    case 'todo':
      return 'dim';
    default:
      return 'cyan';
  }
}

/** The same as `statusDocument` for people: a row per milestone, then how the run stands. */
export function statusText(
  state: RunState | undefined,
  plan: Plan | undefined,
  {
    alive,
    color,
    since = new Map(),
    ...when
  }: When & { readonly alive: boolean; readonly color: boolean; readonly since?: SinceBegun },
): string {
  const paint = painter(color);
  const rows = rowsOf(state, plan);
  const lines: string[] = [];
  if (state === undefined) lines.push('No run yet.');
  else {
    const spent = costOf(state);
    lines.push(
      `Run ${oneLine(state.run)} on ${oneLine(state.target)}: ${runWord(state, alive)}${spent > 0 ? `, ${formatUsd(spent)}` : ''}`,
    );
    if (state.end?.is !== 'ended') lines.push(...termsOf(state, when));
    const pressure = alive ? shortageOf(state, when.now) : undefined;
    if (pressure !== undefined) lines.push(paint('yellow', `No new agents: ${oneLine(pressure)}`));
    for (const one of comingConflicts(state)) {
      lines.push(paint('yellow', `Conflict: ${foreseenWords(one, state.target)}`));
    }
    const held = state.end?.is === 'ended' ? undefined : credentialWords(state, when);
    if (held !== undefined) lines.push(paint('yellow', `Credentials: ${held}`));
    const windows = state.end?.is === 'ended' ? undefined : windowWords(state.windows, when);
    if (windows !== undefined) lines.push(`Used: ${windows.join(', ')}`);
  }
  if (rows.length > 0) {
    const shown = table(
      rows.map((row) => [
        ` ${oneLine(row.id)}`,
        row.phase,
        row.item === undefined || row.item.attempt === 0 ? '' : `attempt ${row.item.attempt}`,
        row.item !== undefined && row.item.costUsd > 0 ? formatUsd(row.item.costUsd) : '',
        oneLine(row.title),
        [remarkOf(row, state, alive, when), changeWords(row, since.get(row.id), alive)]
          .filter((words) => words !== '')
          .join('; '),
      ]),
      (cell, column, row) =>
        column === 1
          ? paint(phaseStyle(rows[row]?.phase ?? 'ready'), cell)
          : column === 5
            ? paint('dim', cell)
            : cell,
    );
    lines.push('', ...shown);
  }
  if (state !== undefined) {
    const { lines: summary, next } = summaryOf(state, when);
    const over = state.end !== undefined || !alive;
    if (over) lines.push('', ...summary, `Next: ${next}`);
  } else if (plan !== undefined && plan.run.length > 0) lines.push('', 'Next: mstone run');
  return `${lines.join('\n')}\n`;
}

/** What becomes of a milestone whose file is another than the unfinished run began with. */
function changeWords({ id, item }: Row, change: Change | undefined, alive: boolean): string {
  switch (change) {
    case 'edited':
      return alive && item?.phase.is !== 'failed' && item?.phase.is !== 'asks'
        ? `edited since this run began, which lands the text it has; then \`mstone run ${oneLine(id)}\` does it again`
        : 'edited since this run began; will be done again';
    case 'new':
      return alive ? 'new; the next `mstone run` takes it up' : 'new; will be run';
    case 'deleted':
      return alive ? 'deleted; its work lands all the same' : 'deleted; will not be run';
    case undefined:
      return '';
    default:
      return unreachable(change);
  }
}

function remarkOf(row: Row, state: RunState | undefined, alive: boolean, when: When): string {
  if (row.commit !== undefined) return shortOid(row.commit);
  const { item, planned } = row;
  if (item === undefined || state === undefined || row.phase === 'todo' || row.phase === 'stale') {
    return planned === undefined ? '' : oneLine(planned.reason);
  }
  if (item.phase.is === 'failed') return oneLine(item.phase.message);
  return explainStanding(state, item, alive, when) ?? '';
}
