/** While agents work, merges of what they have committed are tried: now and then, beside everything else. */
import { type Forecast, tryMerges } from '../git/forecast.js';
import type { Repository } from '../git/index.js';
import type { Foreseen } from '../model/foreseen.js';
import type { RunState } from '../model/state.js';
import { foreseenWords } from '../report/words.js';
import { dueProbes, probeKey, tipsKey } from '../run/forecast.js';

/** Merges in one go; what is left waits for the next. */
const MOST = 500;
/** Files that are told of one conflict. */
const FILES = 20;

interface Watch {
  /** Told of each state; looks when it is time to, and never before. */
  notice(state: RunState): void;
  /** Ends a look that is under way, and waits for that. */
  close(): Promise<void>;
}

/** `everyMs`: the least time between two looks, and before the first. */
export function watchConflicts(
  repository: Repository,
  everyMs: number,
  tell: (text: string, foreseen?: readonly Foreseen[]) => void,
): Watch {
  const tried = new Set<string>();
  const closed = new AbortController();
  let latest: RunState | undefined;
  /** The tips of which all is tried. */
  let done: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let next = performance.now() + everyMs;

  const look = async (state: RunState): Promise<void> => {
    const probes = dueProbes(state, tried).slice(0, MOST);
    const pairs = probes.map(({ onto, ours }) => ({ onto, ours: ours.commit }));
    const forecast = await tryMerges(repository, state.head, pairs, closed.signal).catch(
      // A full disk, say: the run itself may well go on.
      (error: unknown): Forecast => ({
        kind: 'refused',
        message: error instanceof Error ? error.message : String(error),
      }),
    );
    if (closed.signal.aborted) return;
    if (forecast.kind === 'refused') {
      closed.abort();
      tell(`conflicts are not foreseen: git cannot try merges: ${forecast.message}`);
      return;
    }
    for (const probe of probes) tried.add(probeKey(probe));
    const found = probes.flatMap(({ ours, theirs }, place): Foreseen[] => {
      const files = (forecast.files[place] ?? []).slice(0, FILES);
      return files.length === 0
        ? []
        : [{ ...ours, ...(theirs === undefined ? {} : { with: theirs }), files }];
    });
    const told = found.slice(0, 3).map((one) => foreseenWords(one, state.target));
    const more = found.length > told.length ? [`${found.length - told.length} more`] : [];
    if (found.length > 0) tell([...told, ...more].join('; '), found);
  };

  const notice = (state: RunState): void => {
    latest = state;
    if (closed.signal.aborted || timer !== undefined || looking !== undefined) return;
    const tips = tipsKey(state);
    if (tips === done) return;
    if (dueProbes(state, tried).length === 0) {
      done = tips;
      return;
    }
    timer = setTimeout(
      () => {
        timer = undefined;
        if (latest === undefined || dueProbes(latest, tried).length === 0) return;
        looking = look(latest).finally(() => {
          next = performance.now() + everyMs;
          looking = undefined;
          if (latest !== undefined) notice(latest);
        });
      },
      Math.max(0, next - performance.now()),
    );
    timer.unref();
  };

  return {
    notice,
    async close() {
      closed.abort();
      clearTimeout(timer);
      await looking;
    },
  };
}
