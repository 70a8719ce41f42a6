/** The flags that say which milestones are meant, alike for `run` and `plan`. */
import type { MilestoneId } from '../model/milestone.js';
import type { Selection } from '../plan/selection.js';

export interface SelectionOptions {
  readonly ids?: readonly string[];
  readonly stage?: number;
  readonly until?: string;
  readonly withNeeds?: boolean;
  readonly only?: boolean;
  readonly stale?: boolean;
  readonly force?: boolean;
}

/** `--only` says aloud what naming milestones means anyway; `MSTONE_WITH_NEEDS` gives way to it. */
export const selectionOf = (
  { ids = [], stage, until, withNeeds, only, stale, force }: SelectionOptions,
  redone?: ReadonlySet<MilestoneId>,
): Selection => ({
  ids,
  ...(stage === undefined ? {} : { stage }),
  ...(until === undefined ? {} : { until }),
  ...(withNeeds === true && only !== true ? { withNeeds } : {}),
  ...(stale === true ? { redoStale: true } : {}),
  ...(force === true ? { force } : {}),
  ...(redone === undefined ? {} : { redone }),
});
