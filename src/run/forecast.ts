/**
 * Conflicts that are coming: which works are worth trying against each other, which of those that were seen
 * to conflict still do, and who gives way in the landing queue so that there are fewer.
 *
 *     B conflicts with A and with C, A and C do not:   A, B, C   B is resolved twice
 *                                                      A, C, B   once
 *
 * It knows commits by name alone; how a merge is tried is for others to know.
 */
import type { Foreseen } from '../model/foreseen.js';
import type { ItemState, RunState } from '../model/state.js';

/** A merge to try; without `theirs`, with the head. */
export interface Probe {
  readonly ours: Tip;
  readonly theirs?: Tip;
  /** What it is tried on. */
  readonly onto: string;
}

interface Tip {
  readonly item: string;
  readonly commit: string;
}

/** Nobody lets more later arrivals pass than so many: whoever waits lands in the end. */
const PATIENCE = 8;

const isOnItsWay = ({ phase }: ItemState): boolean =>
  phase.is === 'next' || phase.is === 'doing' || phase.is === 'waiting';

const isLanded = ({ phase }: ItemState): boolean => phase.is === 'landed';

const isResolving = ({ phase }: ItemState): boolean =>
  (phase.is === 'next' || phase.is === 'doing') && phase.step.is === 'resolve';

/** What milestones on their way have committed so far, in the order of the plan. */
function tipsOf(state: RunState): Tip[] {
  return [...state.items.values()].flatMap((item) => {
    const { work } = item;
    const isWork = item.item.kind === 'milestone' || item.item.kind === 'gate';
    if (!isWork || work === undefined || work.commit === work.base || !isOnItsWay(item)) return [];
    return [{ item: item.item.id, commit: work.commit }];
  });
}

/** Changes whenever there may be other merges to try. */
export const tipsKey = (state: RunState): string =>
  [state.head, ...tipsOf(state).map(({ commit }) => commit)].join(' ');

export const probeKey = ({ ours, onto }: Probe): string => `${onto} ${ours.commit}`;

/** Merges that nobody has tried yet; none where there are fewer than two works. */
export function dueProbes(state: RunState, tried: ReadonlySet<string>): Probe[] {
  if (state.end !== undefined) return [];
  const tips = tipsOf(state);
  if (tips.length < 2) return [];
  return tips
    .flatMap((ours, place): Probe[] => [
      { ours, onto: state.head },
      ...tips.slice(0, place).map((theirs) => ({ ours, theirs, onto: theirs.commit })),
    ])
    .filter((probe) => !tried.has(probeKey(probe)));
}

/** Whether nothing has changed since that would make it another merge. */
function holds(state: RunState, foreseen: Foreseen): boolean {
  const item = state.items.get(foreseen.item);
  const other = foreseen.with === undefined ? undefined : state.items.get(foreseen.with.item);
  return item?.work?.commit === foreseen.commit && other?.work?.commit === foreseen.with?.commit;
}

/** What was known and still holds, and what is new. */
export const learned = (state: RunState, news: readonly Foreseen[]): readonly Foreseen[] => [
  ...(state.foreseen ?? []).filter((known) => holds(state, known)),
  ...news,
];

/** Conflicts that are to come, as far as they are known, each pair once. */
export function comingConflicts(state: RunState): Foreseen[] {
  if (state.end?.is === 'ended') return [];
  return (state.foreseen ?? []).filter((foreseen) => {
    if (!holds(state, foreseen)) return false;
    const sides = [foreseen.item, ...(foreseen.with === undefined ? [] : [foreseen.with.item])].flatMap(
      (id) => state.items.get(id) ?? [],
    );
    const coming = sides.filter(isOnItsWay);
    if (coming.length === 0 || sides.some((item) => !isOnItsWay(item) && !isLanded(item))) return false;
    // One side of it is on the target: whoever merges it in already need not be told.
    return coming.length === 2 || !coming.every(isResolving);
  });
}

/**
 * Those that wait for a candidate, in the order in which they get one: who will have to be resolved anyway comes
 * after those that it would conflict with, so that it is resolved once. Nobody waits for anyone who is not
 * there, and nobody for one that the user put behind. `ahead`: what is before them all.
 */
export function inForeseenOrder(
  state: RunState,
  ahead: readonly ItemState[],
  waiting: readonly ItemState[],
): ItemState[] {
  const known = (state.foreseen ?? []).filter((foreseen) => holds(state, foreseen));
  if (known.length === 0 || waiting.length < 2) return [...waiting];

  const foes = new Map<string, Set<string>>();
  const withHead = new Set<string>();
  for (const { item, with: other } of known) {
    if (other === undefined) withHead.add(item);
    else {
      foes.set(item, (foes.get(item) ?? new Set()).add(other.item));
      foes.set(other.item, (foes.get(other.item) ?? new Set()).add(item));
    }
  }
  const conflict = (a: ItemState, b: ItemState): boolean => foes.get(a.item.id)?.has(b.item.id) === true;

  const before = [...ahead, ...[...state.items.values()].filter(isLanded)];
  const late = new Set(
    waiting.filter((item) => withHead.has(item.item.id) || before.some((other) => conflict(item, other))),
  );
  // Who conflicts with nobody stays where it is.
  let open = waiting.filter((item) => foes.has(item.item.id) && !late.has(item));
  while (open.length > 0) {
    const degree = (item: ItemState): number => open.filter((other) => conflict(item, other)).length;
    const first = open.reduce((best, item) =>
      item.item.priority === best.item.priority && degree(item) < degree(best) ? item : best,
    );
    const rest = open.filter((item) => item !== first);
    for (const item of rest) if (conflict(first, item)) late.add(item);
    open = rest.filter((item) => !late.has(item));
  }

  /** Its place, or that of the last one which it lets pass. */
  const place = (item: ItemState, own: number): number =>
    !late.has(item)
      ? own
      : waiting.findLastIndex(
          (other, at) =>
            at === own ||
            (at > own &&
              !late.has(other) &&
              conflict(item, other) &&
              other.item.priority >= item.item.priority &&
              (other.queued ?? 0) - (item.queued ?? 0) <= PATIENCE),
        );
  return waiting
    .map((item, own) => ({ item, own, at: place(item, own) }))
    .sort((a, b) => a.at - b.at || Number(late.has(a.item)) - Number(late.has(b.item)) || a.own - b.own)
    .map(({ item }) => item);
}
