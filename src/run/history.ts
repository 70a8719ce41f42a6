/** What earlier runs leave to the next: brakes, attempts and spend by version of a milestone, and verdicts. */
import type { ItemHistory } from '../model/event.js';
import type { RunState } from '../model/state.js';

/** Verdicts that a new run is told of; the newest suffice. */
const REMEMBERED_VERDICTS = 500;

/**
 * Folds runs, oldest first. The newest run that holds an item knows all of it, since a run begins with
 * what the ones before it knew; a landing ends the count, so that a reverted milestone starts anew.
 */
export function historyOf(runs: readonly RunState[]): { history: ItemHistory[]; passed: string[] } {
  const history = new Map<string, ItemHistory>();
  const passed = new Set<string>();
  for (const run of runs) {
    for (const key of run.passed) {
      passed.delete(key);
      passed.add(key);
    }
    for (const [id, item] of [...run.parked, ...run.items]) {
      const { phase } = item;
      if (item.item.kind === 'base' || item.item.kind === 'sync') continue;
      if (phase.is === 'landed' || phase.is === 'passed') {
        history.delete(id);
        continue;
      }
      history.set(id, {
        id,
        digest: item.item.digest,
        attempts: item.attempt - item.forgotten,
        costUsd: item.costUsd,
        ...(item.estimated === undefined ? {} : { estimated: item.estimated }),
        ...item.brakes,
        ...(item.consent?.subject.of === 'before' ? { consent: item.consent } : {}),
        ...(phase.is === 'failed' || phase.is === 'asks'
          ? { end: { is: phase.is, message: phase.message, run: run.run } }
          : {}),
      });
    }
  }
  return { history: [...history.values()], passed: [...passed].slice(-REMEMBERED_VERDICTS) };
}
