/**
 * How long a run would take, were every milestone as long as it is taken for: the order in which `decide` starts
 * agents, in time that is only reckoned. Limits, retries and conflicts are not in it.
 */
import type { ItemId } from '../model/effect.js';
import type { PlanItem } from '../model/plan.js';

/** What an order needs to know of an item; `minutes` from the start of its work to its landing. */
export interface Task extends Pick<PlanItem, 'id' | 'needs' | 'priority' | 'remainingMinutes'> {
  readonly minutes: number;
}

export interface Schedule {
  /** From the first start to the last landing. */
  readonly minutes: number;
  /** In order of their starts, minutes from the first; `place`: from 1 to `jobs`. What takes no time is not there. */
  readonly spans: readonly Span[];
}

export interface Span {
  readonly id: ItemId;
  readonly place: number;
  readonly start: number;
  readonly end: number;
}

/** Among what is ready: as the user says, then the longest path behind it, then by name. The order of `decide`. */
const byTurn = (a: Task, b: Task): number =>
  b.priority - a.priority || b.remainingMinutes - a.remainingMinutes || (a.id < b.id ? -1 : 1);

/**
 * List scheduling: whenever a place is free, what is ready and first in turn takes it. What it needs and is not
 * among the tasks has landed. Throws where tasks wait for each other.
 */
export function schedule(tasks: readonly Task[], jobs: number): Schedule {
  const known = new Set(tasks.map(({ id }) => id));
  const missing = new Map(tasks.map(({ id, needs }) => [id, needs.filter((need) => known.has(need)).length]));
  const dependents = new Map<ItemId, Task[]>(tasks.map(({ id }) => [id, []]));
  for (const task of tasks) {
    for (const need of task.needs) dependents.get(need)?.push(task);
  }
  const ready = tasks.filter(({ id }) => missing.get(id) === 0);
  const running: Span[] = [];
  const spans: Span[] = [];
  const free = Array.from({ length: jobs }, (_, index) => index + 1);
  let now = 0;
  let left = tasks.length;
  const end = (id: ItemId): void => {
    left -= 1;
    for (const next of dependents.get(id) ?? []) {
      const count = (missing.get(next.id) ?? 0) - 1;
      missing.set(next.id, count);
      if (count === 0) ready.push(next);
    }
  };
  while (left > 0) {
    // Gates and the check of the target hold nobody's place for long.
    for (let at = ready.findIndex(isInstant); at >= 0; at = ready.findIndex(isInstant)) {
      for (const { id } of ready.splice(at, 1)) end(id);
    }
    ready.sort(byTurn);
    while (free.length > 0 && ready.length > 0) {
      const [task] = ready.splice(0, 1);
      const place = free.shift();
      if (task === undefined || place === undefined) break;
      const span = { id: task.id, place, start: now, end: now + task.minutes };
      running.push(span);
      spans.push(span);
    }
    if (left === 0) break;
    if (running.length === 0) throw new Error('tasks wait for each other');
    now = Math.min(...running.map((span) => span.end));
    for (const over of running.filter((span) => span.end === now)) {
      running.splice(running.indexOf(over), 1);
      free.push(over.place);
      end(over.id);
    }
    free.sort((a, b) => a - b);
  }
  return { minutes: now, spans };
}

const isInstant = ({ minutes }: Task): boolean => minutes === 0;

/** The longest chain of tasks of which each waits for the one before it, those without a time left out. */
export function criticalPath(tasks: readonly Task[]): { readonly ids: ItemId[]; readonly minutes: number } {
  const known = new Map(tasks.map((task) => [task.id, task]));
  const ends = new Map<ItemId, { readonly at: number; readonly after?: ItemId }>();
  const endOf = (task: Task): number => {
    const before = ends.get(task.id);
    if (before !== undefined) return before.at;
    let [start, after]: [number, ItemId | undefined] = [0, undefined];
    for (const need of task.needs) {
      const needed = known.get(need);
      const end = needed === undefined ? 0 : endOf(needed);
      if (needed !== undefined && (after === undefined || end > start)) [start, after] = [end, need];
    }
    const at = start + task.minutes;
    ends.set(task.id, after === undefined ? { at } : { at, after });
    return at;
  };
  const last = [...tasks].sort((a, b) => endOf(b) - endOf(a) || (a.id < b.id ? -1 : 1))[0];
  const ids: ItemId[] = [];
  for (let at = last?.id; at !== undefined; at = ends.get(at)?.after) {
    if (known.get(at)?.minutes !== 0) ids.unshift(at);
  }
  return { ids, minutes: last === undefined ? 0 : endOf(last) };
}

/** No order takes less: the longest chain, and all the work shared out evenly. */
export const boundOf = (tasks: readonly Task[], jobs: number): number =>
  Math.max(criticalPath(tasks).minutes, tasks.reduce((sum, { minutes }) => sum + minutes, 0) / jobs);

export interface Prediction {
  readonly jobs: number;
  readonly minutes: number;
  readonly criticalPath: readonly ItemId[];
  /** The fewest jobs with which it takes hardly longer than with any number of them; absent: more bring nothing. */
  readonly more?: { readonly jobs: number; readonly minutes: number };
}

export function predict(tasks: readonly Task[], jobs: number): Prediction {
  const { minutes } = schedule(tasks, jobs);
  const { ids } = criticalPath(tasks);
  const best = schedule(tasks, Math.max(1, tasks.length)).minutes;
  const common = { jobs, minutes, criticalPath: ids };
  // Less than a twentieth is not worth another agent.
  if (best > minutes * 0.95) return common;
  let [low, high] = [jobs + 1, Math.max(jobs + 1, tasks.length)];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (schedule(tasks, middle).minutes <= best * 1.01) high = middle;
    else low = middle + 1;
  }
  return { ...common, more: { jobs: low, minutes: schedule(tasks, low).minutes } };
}
