/** `mstone queue`: what has come to its landing, in the order in which it lands, and on what each is made. */
import type { ItemId } from '../model/effect.js';
import type { RunState } from '../model/state.js';
import { comingConflicts } from '../run/forecast.js';
import { type CarState, paceOf, type Queue, type Queued, queueOf } from '../run/queue.js';
import { count, names } from './words.js';

export interface QueueDocument {
  readonly schema: 1;
  /** Null where nothing has ever run. */
  readonly run: string | null;
  readonly target: string | null;
  /** Whether each commit that lands was checked by itself, or those at which the target stands. */
  readonly mode: 'every-commit' | 'head';
  /** How many candidates may be made on one another. */
  readonly window: number;
  readonly parallel: number;
  readonly queue: readonly QueueEntry[];
  /** Works that will not merge by themselves, where some are known. */
  readonly conflicts?: readonly ComingConflict[];
}

/** Two milestones, or one and the target. */
export interface ComingConflict {
  readonly items: readonly ItemId[];
  readonly files: readonly string[];
}

export function conflictsOf(state: RunState): { readonly conflicts?: readonly ComingConflict[] } {
  const coming = comingConflicts(state).map(({ item, with: other, files }) => ({
    items: other === undefined ? [item] : [other.item, item],
    files,
  }));
  return coming.length === 0 ? {} : { conflicts: coming };
}

export interface QueueEntry {
  readonly id: ItemId;
  /** `clashes`: it conflicts with what is before it, and waits until that has landed or gone. */
  readonly state: CarState | 'clashes';
  /** What its candidate is made on: the target, or the milestone before it. */
  readonly on?: string;
  /** Files that others' verdicts rest on: nothing lands together with it. */
  readonly alone?: readonly string[];
}

export function queueDocument(state: RunState | undefined): QueueDocument {
  const parallel = state?.settings.merge?.parallel ?? 1;
  const nothing = { schema: 1, run: null, target: null, parallel, queue: [] } as const;
  if (state === undefined) return { ...nothing, mode: 'every-commit', window: parallel };
  const { mode, window } = paceOf(state);
  const queue = state.end?.is === 'ended' ? undefined : queueOf(state);
  return {
    ...nothing,
    run: state.run,
    target: state.target,
    mode,
    window: Math.max(window, parallel),
    queue: queue === undefined ? [] : entriesOf(state, queue),
    ...conflictsOf(state),
  };
}

function entriesOf(state: RunState, { cars, stacked, clashing }: Queue): QueueEntry[] {
  const entry = ({ item, car }: Queued, place: number): QueueEntry => {
    const made = place < stacked || car.state === 'building';
    const before = cars[place - 1]?.item.item.id ?? state.target;
    const barrier = item.work?.barrier;
    return {
      id: item.item.id,
      state: car.state,
      ...(made ? { on: before } : {}),
      ...(barrier === undefined ? {} : { alone: barrier }),
    };
  };
  return [...cars.map(entry), ...clashing.map(({ item }): QueueEntry => ({ id: item.id, state: 'clashes' }))];
}

const WORDS: Readonly<Record<QueueEntry['state'], string>> = {
  waiting: 'waits for its candidate',
  building: 'its candidate is being made',
  built: 'waits for its checks',
  checking: 'is being checked',
  passed: 'passed, lands next',
  failed: 'failed; who is to blame shows once all before it has landed',
  landing: 'is landing',
  clashes: 'conflicts with what is before it; waits until that has landed or gone',
};

export function queueText({
  run,
  target,
  mode,
  window,
  parallel,
  queue,
  conflicts = [],
}: QueueDocument): string {
  if (run === null) return 'Nothing has run yet.\nNext: mstone run\n';
  const coming = conflicts
    .map(
      ({ items: [first, second = target], files }) =>
        `${first} and ${second} will conflict in ${names(files, 3)}\n`,
    )
    .join('');
  if (queue.length === 0) return `Nothing waits to land on ${target}.\n${coming}Next: mstone status\n`;
  const rule = mode === 'head' ? 'each head is checked' : 'each commit is checked';
  return [
    `${count(queue.length, 'milestone')} to land on ${target}: ${rule}, ${count(parallel, 'check')} at once, trains of up to ${window}`,
    '',
    ...queue.map(({ id, state, on, alone }, place) =>
      [
        `${String(place + 1).padStart(4)}  ${id}  ${WORDS[state]}`,
        ...(on === undefined ? [] : [`on ${on}`]),
        ...(alone === undefined ? [] : [`alone, for ${names(alone)}`]),
      ].join(', '),
    ),
    '',
    ...(coming === '' ? [] : [coming]),
    'Next: mstone status',
    '',
  ].join('\n');
}
