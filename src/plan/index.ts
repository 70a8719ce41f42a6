/*
 * What would run, in which order, and why: the staged graph of milestones held against what git's
 * history proves. The same input gives the same plan, in whatever order the milestones came.
 *
 * This room touches neither disk nor git nor a process: where milestones, landings and configuration
 * come from, and who acts on a plan, it does not know.
 */
import type { Diagnostic } from '../model/diagnostic.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import { nearest } from '../model/nearest.js';
import type { Landing, Plan, PlannedMilestone, PlanState } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import { byMilestone, checkGraph, needsOf, resolvedDependencies } from './graph.js';

/** What the user asked for. Nothing of it: all that is left. */
export interface Selection {
  /** Only these, where any is named. */
  readonly ids: readonly MilestoneId[];
  /** Only milestones of this stage. */
  readonly stage?: number;
  /** Take up stale milestones too. */
  readonly redoStale?: boolean;
}

export interface PlanInput {
  /** The branch's short name. */
  readonly target: string;
  readonly milestones: readonly Milestone[];
  readonly landings: ReadonlyMap<MilestoneId, Landing>;
  readonly selection: Selection;
  /** Milestones that an earlier run gave up, each with its reason: only `mstone retry` frees them. */
  readonly failed?: ReadonlyMap<MilestoneId, string>;
}

/** Minutes that a milestone is taken for where no estimate is known at all. */
const USUAL_MINUTES = 30;

/** A plan, or everything that is wrong with the graph and with what was asked for. */
export function makePlan(input: PlanInput): Result<Plan, Diagnostic[]> {
  const milestones = [...input.milestones].sort(byMilestone);
  const problems = [...checkGraph(milestones), ...checkSelection(milestones, input.selection)];
  if (problems.length > 0) return err(problems);

  const standings = standingsOf(milestones, input);
  const refusals = checkNeeds(milestones, standings, input.selection);
  if (refusals.length > 0) return err(refusals);

  const chosen = milestones.filter((milestone) => isChosen(milestone, standings, input));
  const remaining = remainingMinutes(milestones, new Set(chosen.map(({ id }) => id)));
  const run = chosen
    .sort(
      (a, b) =>
        b.priority - a.priority ||
        (remaining.get(b.id) ?? 0) - (remaining.get(a.id) ?? 0) ||
        byMilestone(a, b),
    )
    .map(({ id }) => id);

  const planned = milestones.map((milestone): PlannedMilestone => {
    const { state, reason } = standings.get(milestone.id) ?? { state: 'todo', reason: 'never landed' };
    const landing = input.landings.get(milestone.id);
    return {
      milestone,
      state,
      reason,
      dependsOn: resolvedDependencies(milestone),
      remainingMinutes: remaining.get(milestone.id) ?? 0,
      ...(landing && { landing }),
    };
  });
  return ok({ target: input.target, milestones: planned, run, notes: notesOn(planned, new Set(run), input) });
}

interface Standing {
  readonly state: PlanState;
  /** One clause for people. */
  readonly reason: string;
}

/** A stale milestone is in the target: what depends on it can build on it. */
const hasLanded = ({ state }: Standing): boolean => state === 'done' || state === 'stale';

function standingsOf(
  milestones: readonly Milestone[],
  { landings, failed }: PlanInput,
): ReadonlyMap<MilestoneId, Standing> {
  const known = new Map(milestones.map((milestone) => [milestone.id, milestone]));
  const standings = new Map<MilestoneId, Standing>();
  // Milestones come in order of their stages: those of earlier stages are all resolved by then.
  const blocked = new Map<number, Milestone[]>();
  const blockedBefore = (stage: number): Milestone[] => {
    const before =
      blocked.get(stage) ??
      milestones.filter(
        (other) => other.stage < stage && other.enabled && standings.get(other.id)?.state === 'blocked',
      );
    blocked.set(stage, before);
    return before;
  };
  const standing = (milestone: Milestone): Standing => {
    const { id, enabled, digest } = milestone;
    const landing = landings.get(id);
    const commit = landing && shown(landing.commit.slice(0, 7));
    if (landing?.state === 'done') {
      if (landing.digest === digest) return { state: 'done', reason: `landed as ${commit}` };
      const reason = `its text has changed since it landed as ${commit}; \`mstone run ${id}\` does it again, \`mstone mark ${id} --done\` accepts it as it is`;
      return { state: 'stale', reason };
    }
    if (!enabled) return { state: 'blocked', reason: 'disabled' };
    const gaveUp = failed?.get(id);
    if (gaveUp !== undefined) {
      return { state: 'blocked', reason: `${shown(gaveUp, 200)}; \`mstone retry ${id}\` tries again` };
    }
    const named = milestone.dependsOn.flatMap((need) => known.get(need) ?? []);
    const stopped = [...new Set([...blockedBefore(milestone.stage), ...named])]
      .filter((need) => resolve(need).state === 'blocked')
      .sort(byMilestone)
      .map((need) => (need.enabled ? need.id : `${need.id}, which is disabled`));
    if (stopped.length > 0) return { state: 'blocked', reason: `needs ${stopped.join('; ')}` };
    return { state: 'todo', reason: landing ? `set back to todo by ${commit}` : 'never landed' };
  };
  const resolve = (milestone: Milestone): Standing => {
    const before = standings.get(milestone.id);
    if (before) return before;
    const now = standing(milestone);
    standings.set(milestone.id, now);
    return now;
  };
  for (const milestone of milestones) resolve(milestone);
  return standings;
}

function checkSelection(milestones: readonly Milestone[], { ids, stage }: Selection): Diagnostic[] {
  const problems: Diagnostic[] = [];
  const known = new Map(milestones.map((milestone) => [milestone.id, milestone]));
  const error = (code: string, message: string, rest: Partial<Diagnostic> = {}): void => {
    problems.push({ severity: 'error', code, message, ...rest });
  };
  for (const id of new Set(ids)) {
    const milestone = known.get(id);
    if (!milestone) {
      const meant = nearest(id, known.keys());
      error('unknown-milestone', `there is no milestone ${shown(id)}`, {
        ...(meant && { fix: `did you mean \`${meant}\`?` }),
      });
    } else if (!milestone.enabled) {
      error('disabled', `${id} is disabled`, {
        file: milestone.file,
        fix: 'remove `enabled: false` from its front matter',
      });
    } else if (stage !== undefined && milestone.stage !== stage) {
      error('not-in-stage', `${id} is not in stage ${stage}`, {
        fix: 'name milestones or a stage, not both',
      });
    }
  }
  if (stage !== undefined && !milestones.some((milestone) => milestone.stage === stage)) {
    const stages = [...new Set(milestones.map((milestone) => milestone.stage))];
    error('unknown-stage', `stage ${stage} has no milestones`, {
      expected: stages.length > 0 ? `one of ${stages.join(', ')}` : 'a stage with milestones',
    });
  }
  return problems;
}

/** Refuses what could not be built on what there is: a stage on unfinished ones, a milestone on missing ones. */
function checkNeeds(
  milestones: readonly Milestone[],
  standings: ReadonlyMap<MilestoneId, Standing>,
  { ids, stage }: Selection,
): Diagnostic[] {
  const isMissing = ({ id, enabled }: Milestone, selected: ReadonlySet<MilestoneId>): boolean => {
    const standing = standings.get(id);
    if (!standing || hasLanded(standing)) return false;
    return standing.state === 'blocked' || (enabled && !selected.has(id));
  };
  if (ids.length > 0) {
    const selected = new Set(ids);
    return milestones
      .filter(({ id }) => selected.has(id) && standings.get(id)?.state !== 'done')
      .flatMap((milestone): Diagnostic[] => {
        const missing = needsOf(milestone, milestones).filter((need) => isMissing(need, selected));
        if (missing.length === 0) return [];
        const names = missing.map(({ id }) => id);
        return [
          {
            severity: 'error',
            code: 'needs-unmet',
            file: milestone.file,
            message: `${milestone.id} needs ${names.join(', ')}, which ${names.length > 1 ? 'are' : 'is'} not done`,
            fix: fixFor(missing, standings, `mstone run ${[...names, milestone.id].join(' ')}`),
          },
        ];
      });
  }
  if (stage === undefined) return [];
  const unfinished = milestones.filter(
    (milestone) => milestone.stage < stage && milestone.enabled && isMissing(milestone, new Set()),
  );
  if (unfinished.length === 0) return [];
  const names = unfinished.map(({ id }) => id);
  return [
    {
      severity: 'error',
      code: 'stage-unfinished',
      message: `stage ${stage} needs ${names.join(', ')}, which ${names.length > 1 ? 'are' : 'is'} not done`,
      fix: fixFor(unfinished, standings, 'mstone run'),
    },
  ];
}

/** Running what is missing helps unless it is blocked itself. */
function fixFor(
  missing: readonly Milestone[],
  standings: ReadonlyMap<MilestoneId, Standing>,
  command: string,
): string {
  const blocked = missing.filter(({ id }) => standings.get(id)?.state === 'blocked');
  if (blocked.length === 0) return `\`${command}\` builds ${missing.length > 1 ? 'them' : 'it'} first`;
  return blocked.map(({ id }) => `${id}: ${standings.get(id)?.reason ?? 'blocked'}`).join('; ');
}

function isChosen(
  milestone: Milestone,
  standings: ReadonlyMap<MilestoneId, Standing>,
  { milestones, selection, failed }: PlanInput,
): boolean {
  const { id, stage, enabled } = milestone;
  const named = selection.ids.includes(id);
  if (selection.ids.length > 0 && !named) return false;
  if (selection.stage !== undefined && stage !== selection.stage) return false;
  const state = standings.get(id)?.state;
  if (state !== 'stale') return state === 'todo';
  if (!enabled || failed?.has(id) || !(named || selection.redoStale)) return false;
  // Its text may by now name something that cannot be built.
  return !needsOf(milestone, milestones).some((need) => standings.get(need.id)?.state === 'blocked');
}

/**
 * Per milestone the minutes from its start to the end of the longest chain behind it in the run, itself
 * included. All of a later stage is behind all of an earlier one. One without an estimate is taken for
 * the median of the known ones.
 */
function remainingMinutes(
  milestones: readonly Milestone[],
  run: ReadonlySet<MilestoneId>,
): ReadonlyMap<MilestoneId, number> {
  const usual = median(milestones.flatMap(({ estimateMinutes }) => estimateMinutes ?? []));
  const remaining = new Map<MilestoneId, number>();
  let behind = 0;
  for (const stage of [...new Set(milestones.map((milestone) => milestone.stage))].reverse()) {
    const members = milestones.filter((milestone) => milestone.stage === stage);
    const dependents = new Map<MilestoneId, Milestone[]>(members.map(({ id }) => [id, []]));
    for (const member of members) {
      if (!run.has(member.id)) continue;
      for (const id of member.dependsOn) dependents.get(id)?.push(member);
    }
    const chain = (milestone: Milestone): number => {
      const known = remaining.get(milestone.id);
      if (known !== undefined) return known;
      const next = (dependents.get(milestone.id) ?? []).map(chain);
      const minutes = (milestone.estimateMinutes ?? usual) + Math.max(behind, ...next);
      remaining.set(milestone.id, minutes);
      return minutes;
    };
    const longest = members.map((member) => ({ minutes: chain(member), inRun: run.has(member.id) }));
    behind = Math.max(behind, ...longest.filter(({ inRun }) => inRun).map(({ minutes }) => minutes));
  }
  return remaining;
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? USUAL_MINUTES : (lower + upper) / 2;
}

/** What a person should know of a plan that is fine. */
function notesOn(
  planned: readonly PlannedMilestone[],
  run: ReadonlySet<MilestoneId>,
  { selection, failed }: PlanInput,
): Diagnostic[] {
  const named = new Set(selection.ids);
  return planned.flatMap(({ milestone: { id, file }, state, reason }): Diagnostic[] => {
    const note = (code: string, message: string, fix?: string): Diagnostic[] => [
      { severity: 'note', code, file, message: `${id}: ${message}`, ...(fix && { fix }) },
    ];
    if (state === 'stale' && !run.has(id)) {
      const redo = failed?.has(id) ? `mstone retry ${id}` : `mstone run ${id}`;
      const fix = `${redo} does it again, mstone mark ${id} --done accepts it as it is`;
      return note('stale', 'its text has changed since it landed', fix);
    }
    if (state === 'blocked' && failed?.has(id)) return note('gave-up', reason, `mstone retry ${id}`);
    if (state === 'done' && named.has(id)) return note('already-done', reason);
    return [];
  });
}
