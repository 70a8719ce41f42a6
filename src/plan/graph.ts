/** The graph of milestones: what waits for what, and what is wrong with that. */

import type { Diagnostic } from '../model/diagnostic.js';
import type { MessageCode } from '../model/messages.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import { nearest } from '../model/nearest.js';
import { shown } from '../model/shown.js';

/** By stage, then `A` … `Z`, `AA` …. */
export const byMilestone = (a: Milestone, b: Milestone): number =>
  a.stage - b.stage ||
  a.letters.length - b.letters.length ||
  (a.letters < b.letters ? -1 : a.letters > b.letters ? 1 : 0);

const ID = /^(\d+)([A-Z]+)$/;

/** What it names, sorted like milestones, without doubles. */
export function resolvedDependencies({ dependsOn }: Milestone): MilestoneId[] {
  const parts = (id: MilestoneId): [number, string] => {
    const [, stage = '', letters = id] = ID.exec(id) ?? [];
    return [Number(stage), letters];
  };
  return [...new Set(dependsOn)].sort((left, right) => {
    const [a, b] = [parts(left), parts(right)];
    return a[0] - b[0] || a[1].length - b[1].length || (a[1] < b[1] ? -1 : 1);
  });
}

/**
 * What must have landed before it starts: what it names, and all of the earlier stages that is not
 * disabled. Among `milestones`, in their order.
 */
export function needsOf(milestone: Milestone, milestones: readonly Milestone[]): Milestone[] {
  const named = new Set(milestone.dependsOn);
  return milestones.filter(
    (other) => named.has(other.id) || (other.stage < milestone.stage && other.enabled),
  );
}

/** Everything that keeps the graph from being one. `milestones` are sorted. */
export function checkGraph(milestones: readonly Milestone[]): Diagnostic[] {
  const known = new Map(milestones.map((milestone) => [milestone.id, milestone]));
  const problems: Diagnostic[] = [];
  for (const milestone of milestones) {
    const { id, stage, file, dependsOnLine: line } = milestone;
    const error = (code: MessageCode, message: string, rest: Partial<Diagnostic> = {}): void => {
      problems.push({ severity: 'error', code, file, ...(line !== undefined && { line }), message, ...rest });
    };
    for (const name of resolvedDependencies(milestone)) {
      const other = known.get(name);
      if (name === id) {
        error('dependency-self', `${id} depends on itself`, { fix: `remove ${id} from its dependencies` });
      } else if (!other) {
        const meant = nearest(
          name,
          [...known.keys()].filter((key) => key !== id),
        );
        error('unknown-dependency', `${id} depends on ${shown(name)}, which does not exist`, {
          ...(meant && { fix: `did you mean \`${meant}\`?` }),
        });
      } else if (other.stage > stage) {
        error('dependency-later-stage', `${id} depends on ${name} of the later stage ${other.stage}`, {
          expected: `a milestone of stage ${stage} or an earlier one`,
          fix: `remove ${name} from its dependencies, or move one of the two to another stage`,
        });
      }
    }
  }
  return [...problems, ...findCycles(milestones)];
}

/** One error for each knot of milestones that wait for each other, with the shortest way round it. */
function findCycles(milestones: readonly Milestone[]): Diagnostic[] {
  const stageOf = new Map(milestones.map(({ id, stage }) => [id, stage]));
  // A cycle over several stages has a dependency on a later one, which is an error of its own.
  const next = new Map(
    milestones.map((milestone) => [
      milestone.id,
      resolvedDependencies(milestone).filter(
        (id) => id !== milestone.id && stageOf.get(id) === milestone.stage,
      ),
    ]),
  );
  const problems: Diagnostic[] = [];
  const told = new Set<MilestoneId>();
  const free = withoutCycles(next);
  for (const { id, file, dependsOnLine: line } of milestones) {
    if (free.has(id) || told.has(id)) continue;
    const cycle = wayRound(id, next);
    if (!cycle) continue;
    for (const member of knot(id, next)) told.add(member);
    problems.push({
      severity: 'error',
      code: 'dependency-cycle',
      file,
      ...(line !== undefined && { line }),
      message: `milestones wait for each other: ${cycle.join(' → ')}`,
      fix: `remove one of these dependencies, such as ${cycle[1]} from ${id}`,
    });
  }
  return problems;
}

type Graph = ReadonlyMap<MilestoneId, readonly MilestoneId[]>;

/** What is certainly on no cycle: peeled off from where nothing is waited for. */
function withoutCycles(graph: Graph): ReadonlySet<MilestoneId> {
  const waiting = new Map([...graph].map(([id, needs]) => [id, needs.length]));
  const dependents = new Map<MilestoneId, MilestoneId[]>();
  for (const [id, needs] of graph) {
    for (const need of needs) dependents.set(need, [...(dependents.get(need) ?? []), id]);
  }
  const free = [...waiting].filter(([, count]) => count === 0).map(([id]) => id);
  // The list grows while it is walked.
  for (const id of free) {
    for (const dependent of dependents.get(id) ?? []) {
      const left = (waiting.get(dependent) ?? 0) - 1;
      waiting.set(dependent, left);
      if (left === 0) free.push(dependent);
    }
  }
  return new Set(free);
}

/** The shortest path from a milestone back to itself, both ends included. */
function wayRound(start: MilestoneId, graph: Graph): MilestoneId[] | undefined {
  const cameFrom = new Map<MilestoneId, MilestoneId>();
  const queue = [start];
  for (const id of queue) {
    for (const need of graph.get(id) ?? []) {
      if (need === start) {
        const path = [start];
        for (let at: MilestoneId | undefined = id; at !== undefined; at = cameFrom.get(at)) path.unshift(at);
        return path;
      }
      if (cameFrom.has(need)) continue;
      cameFrom.set(need, id);
      queue.push(need);
    }
  }
  return undefined;
}

/** What can be reached from a milestone and reaches it. */
function knot(start: MilestoneId, graph: Graph): MilestoneId[] {
  const reached = (from: MilestoneId): Set<MilestoneId> => {
    const seen = new Set([from]);
    for (const id of seen) for (const need of graph.get(id) ?? []) seen.add(need);
    return seen;
  };
  return [...reached(start)].filter((id) => reached(id).has(start));
}
