/*
 * What would run, in which order, and why: the staged graph of milestones held against what git's
 * history proves. The same input gives the same plan, in whatever order the milestones came.
 *
 * This room touches neither disk nor git nor a process: where milestones, landings and configuration
 * come from, and who acts on a plan, it does not know.
 */

import type { Diagnostic } from '../model/diagnostic.js';
import { isNewerDigest, isSameText } from '../model/digest.js';
import type { MessageCode } from '../model/messages.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import { installWords } from '../model/newer.js';
import type { Oid } from '../model/outcome.js';
import type { Landing, Plan, PlannedMilestone, PlanState } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import { byMilestone, checkGraph, needsOf, resolvedDependencies } from './graph.js';
import { type Choice, choose, type Selection } from './selection.js';

export interface PlanInput {
  /** The branch's short name. */
  readonly target: string;
  readonly milestones: readonly Milestone[];
  readonly landings: ReadonlyMap<MilestoneId, Landing>;
  readonly selection: Selection;
  /** Milestones that an earlier run gave up, each with its reason: only `mstone retry` frees them. */
  readonly failed?: ReadonlyMap<MilestoneId, string>;
  /** Landings of the milestones' present texts that a journal knows and history does not prove. */
  readonly lost?: ReadonlyMap<MilestoneId, LostProof>;
}

export interface LostProof {
  readonly run: string;
  readonly commit: Oid;
}

/** Minutes that a milestone is taken for where no estimate is known at all. */
const USUAL_MINUTES = 30;

/** What a milestone without an estimate is taken for, minutes. */
export const usualMinutes = (milestones: readonly Milestone[]): number =>
  median(milestones.flatMap(({ estimateMinutes }) => estimateMinutes ?? []));

/** A plan, or everything that is wrong with the graph and with what was asked for. */
export function makePlan(input: PlanInput): Result<Plan, Diagnostic[]> {
  const milestones = [...input.milestones].sort(byMilestone);
  const { choice, problems: wrong } = choose(milestones, input.selection);
  const problems = [...checkGraph(milestones), ...newerLandings(milestones, input.landings), ...wrong];
  if (problems.length > 0) return err(problems);

  const standings = standingsOf(milestones, input);
  const isDone = ({ id }: Milestone): boolean =>
    standings.get(id)?.state === 'done' && !isForced(id, input.selection);
  const wanted = choice.withNeeds ? addNeeds(milestones, standings, choice.wanted, isDone) : choice.wanted;
  const refusals = checkNeeds(milestones, standings, wanted, input.selection, isDone);
  if (refusals.length > 0) return err(refusals);

  const chosen = milestones.filter((milestone) =>
    isChosen(milestone, standings, { ...choice, wanted }, input),
  );
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
    const { state, reason: why } = standings.get(milestone.id) ?? { state: 'todo', reason: 'never landed' };
    const again = state === 'done' && run.includes(milestone.id);
    const reason = again ? `${why}; --force does it again` : why;
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

/**
 * Landings whose digest only a newer mstone can hold against a text. To take them for stale would offer to pay
 * once more for what is done.
 */
export function newerLandings(
  milestones: readonly Milestone[],
  landings: PlanInput['landings'],
): Diagnostic[] {
  return milestones.flatMap((milestone): Diagnostic[] => {
    const landing = landings.get(milestone.id);
    if (landing?.state !== 'done' || !isNewerDigest(landing.digest, milestone)) return [];
    const [found = ''] = landing.digest.split(':', 1);
    const [expected = ''] = milestone.digest.split(':', 1);
    return [
      {
        severity: 'error',
        code: 'digest-newer',
        file: milestone.file,
        message: `${milestone.id} landed by a newer mstone, as ${shown(landing.commit.slice(0, 7))}`,
        expected: `a digest of ${expected} or before`,
        found: shown(found),
        fix: installWords(),
      },
    ];
  });
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
  { landings, failed, lost, target }: PlanInput,
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
    const { id, enabled } = milestone;
    const landing = landings.get(id);
    const commit = landing && shown(landing.commit.slice(0, 7));
    if (landing?.state === 'done') {
      const how = landing.marked ? `marked done ${dayOf(landing.at)} by ${commit}` : `landed as ${commit}`;
      if (isSameText(landing.digest, milestone)) return { state: 'done', reason: how };
      const since = landing.marked ? `was ${how}` : how;
      const reason = `its text has changed since it ${since}; \`mstone run ${id}\` does it again, \`mstone mark ${id} --done\` accepts it as it is`;
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
    if (landing) return { state: 'todo', reason: `set back to todo by ${commit}` };
    return { state: 'todo', reason: lostWords(id, lost?.get(id), target) ?? 'never landed' };
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

/** Epoch ms → the day, in UTC. */
const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** Where history has lost a proof, as by a squash that kept no trailers. */
const lostWords = (id: MilestoneId, known: LostProof | undefined, target: string): string | undefined =>
  known &&
  `run ${shown(known.run)} landed it as ${shown(known.commit.slice(0, 7))}, of which ${shown(target)} holds no proof; if its work is there, \`mstone mark ${id} --done\` says so`;

/** What the wanted ones need and has not landed, and what that needs. */
function addNeeds(
  milestones: readonly Milestone[],
  standings: ReadonlyMap<MilestoneId, Standing>,
  wanted: ReadonlySet<MilestoneId> | undefined,
  isDone: (milestone: Milestone) => boolean,
): ReadonlySet<MilestoneId> | undefined {
  if (wanted === undefined) return undefined;
  const all = new Set(wanted);
  const look = (milestone: Milestone): void => {
    for (const need of needsOf(milestone, milestones)) {
      const standing = standings.get(need.id);
      if (all.has(need.id) || (standing && hasLanded(standing))) continue;
      all.add(need.id);
      look(need);
    }
  };
  for (const milestone of milestones) {
    if (wanted.has(milestone.id) && !isDone(milestone)) look(milestone);
  }
  return all;
}

/** A choice with what it needs in it. */
interface Chosen extends Omit<Choice, 'wanted'> {
  readonly wanted: ReadonlySet<MilestoneId> | undefined;
}

/** Whether a milestone that is done is to be done again. */
const isForced = (id: MilestoneId, { force, redone }: Selection): boolean =>
  force === true && redone?.has(id) !== true;

/** Refuses what could not be built on what there is: a stage on unfinished ones, a milestone on missing ones. */
function checkNeeds(
  milestones: readonly Milestone[],
  standings: ReadonlyMap<MilestoneId, Standing>,
  wanted: ReadonlySet<MilestoneId> | undefined,
  { ids, stage, until }: Selection,
  isDone: (milestone: Milestone) => boolean,
): Diagnostic[] {
  const isMissing = ({ id, enabled }: Milestone, selected: ReadonlySet<MilestoneId>): boolean => {
    const standing = standings.get(id);
    if (!standing || hasLanded(standing)) return false;
    return standing.state === 'blocked' || (enabled && !selected.has(id));
  };
  // Up to a stage is everything before it: what is blocked there is left out, as in a run of everything.
  if (wanted === undefined || (until !== undefined && /^\d+$/.test(until))) return [];
  if (stage === undefined || ids.length > 0) {
    return milestones
      .filter((milestone) => wanted.has(milestone.id) && !isDone(milestone))
      .flatMap((milestone): Diagnostic[] => {
        const missing = needsOf(milestone, milestones).filter((need) => isMissing(need, wanted));
        if (missing.length === 0) return [];
        const names = missing.map(({ id }) => id);
        return [
          {
            severity: 'error',
            code: 'needs-unmet',
            file: milestone.file,
            message: `${milestone.id} needs ${names.join(', ')}, which ${names.length > 1 ? 'are' : 'is'} not done`,
            fix: fixFor(missing, standings, `mstone run ${milestone.id} --with-needs`),
          },
        ];
      });
  }
  const unfinished = milestones.filter(
    (milestone) => milestone.stage < stage && milestone.enabled && isMissing(milestone, wanted),
  );
  if (unfinished.length === 0) return [];
  const names = unfinished.map(({ id }) => id);
  return [
    {
      severity: 'error',
      code: 'stage-unfinished',
      message: `stage ${stage} needs ${names.join(', ')}, which ${names.length > 1 ? 'are' : 'is'} not done`,
      fix: fixFor(unfinished, standings, `mstone run --until ${stage}`),
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
  { wanted, named }: Chosen,
  { milestones, selection, failed }: PlanInput,
): boolean {
  const { id, enabled } = milestone;
  if (wanted !== undefined && !wanted.has(id)) return false;
  const state = standings.get(id)?.state;
  if (state === 'todo') return true;
  if (state === 'done') return enabled && isForced(id, selection);
  if (state !== 'stale' || !enabled || failed?.has(id)) return false;
  if (!named.has(id) && selection.redoStale !== true && !isForced(id, selection)) return false;
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
  const usual = usualMinutes(milestones);
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
  { selection, failed, lost }: PlanInput,
): Diagnostic[] {
  const named = new Set(selection.ids);
  return planned.flatMap(({ milestone: { id, file }, state, reason }): Diagnostic[] => {
    const note = (code: MessageCode, message: string, fix?: string): Diagnostic[] => [
      { severity: 'note', code, file, message: `${id}: ${message}`, ...(fix && { fix }) },
    ];
    if (state === 'stale' && !run.has(id)) {
      const redo = failed?.has(id) ? `mstone retry ${id}` : `mstone run ${id}`;
      const fix = `${redo} does it again, mstone mark ${id} --done accepts it as it is`;
      return note('stale', 'its text has changed since it landed', fix);
    }
    if (state === 'todo' && run.has(id) && lost?.has(id)) {
      return note('proof-lost', reason, `if so, before a run: mstone mark ${id} --done`);
    }
    const gaveUp = failed?.get(id);
    if (state === 'blocked' && gaveUp !== undefined)
      return note('gave-up', `an earlier run gave it up: ${shown(gaveUp, 200)}`, `mstone retry ${id}`);
    if (state === 'done' && named.has(id) && !run.has(id)) {
      return note('already-done', reason, `mstone run --force ${id}`);
    }
    return [];
  });
}
