/** What the user asked for, as words on a command line → which milestones are meant, or what is wrong with it. */

import type { Diagnostic } from '../model/diagnostic.js';
import type { MessageCode } from '../model/messages.js';
import type { Milestone, MilestoneId } from '../model/milestone.js';
import { nearest } from '../model/nearest.js';
import { shown } from '../model/shown.js';

/** What the user asked for. Nothing of it: all that is left. */
export interface Selection {
  /** Only these, where any is named; `2*`, `1?` and `1[A-C]` are patterns over ids. */
  readonly ids: readonly string[];
  /** Only milestones of this stage. */
  readonly stage?: number;
  /** A stage: it and the ones before. An id: that milestone and what it needs. */
  readonly until?: string;
  /** Build what the chosen ones need, too, instead of refusing. */
  readonly withNeeds?: boolean;
  /** Take up stale milestones too. */
  readonly redoStale?: boolean;
  /** Take up chosen milestones that are done, except those in `redone`. */
  readonly force?: boolean;
  /** Milestones that were forced and have landed since. */
  readonly redone?: ReadonlySet<MilestoneId>;
}

/** A selection held against the milestones there are. */
export interface Choice {
  /** What it names; undefined: everything. */
  readonly wanted?: ReadonlySet<MilestoneId>;
  /** What it names one by one: only that redoes a stale milestone unasked. */
  readonly named: ReadonlySet<MilestoneId>;
  /** Whether what is missing below `wanted` is built as well. */
  readonly withNeeds: boolean;
}

const isPattern = (word: string): boolean => /[*?[]/.test(word);

/** `*`, `?`, `[A-C]` and `[!A]` as a shell has them, over ids. */
function matcher(pattern: string): (id: MilestoneId) => boolean {
  const source = pattern.slice(0, 64).replace(/\*+|\?|\[!?[0-9A-Za-z-]+\]|[\s\S]/g, (part) => {
    if (part.startsWith('*')) return '[0-9A-Z]*';
    if (part === '?') return '[0-9A-Z]';
    if (part.length > 1) return backwards(part) ? '(?!)' : part.replace('[!', '[^');
    return part.replace(/[^0-9A-Za-z]/g, '\\$&');
  });
  const regular = new RegExp(`^${source}$`);
  return (id) => regular.test(id);
}

/** `[C-A]` means nothing, and a regular expression would not have it. */
const backwards = (part: string): boolean =>
  [...part.matchAll(/([0-9A-Za-z])-(?=([0-9A-Za-z]))/g)].some(([, from = '', to = '']) => from > to);

/** What is meant, and all that is wrong with it; where something is, the choice is of no use. */
export function choose(
  milestones: readonly Milestone[],
  selection: Selection,
): { readonly choice: Choice; readonly problems: Diagnostic[] } {
  const { ids, stage, until } = selection;
  const problems: Diagnostic[] = [];
  const error = (code: MessageCode, message: string, rest: Partial<Diagnostic> = {}): void => {
    problems.push({ severity: 'error', code, message, ...rest });
  };
  const known = new Map(milestones.map((milestone) => [milestone.id, milestone]));
  const stages = [...new Set(milestones.map((milestone) => milestone.stage))];
  const withFix = (meant: string | undefined): Partial<Diagnostic> =>
    meant === undefined ? {} : { fix: `did you mean \`${meant}\`?` };
  const unknownStage = (number: number): void =>
    error('unknown-stage', `stage ${number} has no milestones`, {
      expected: stages.length > 0 ? `one of ${stages.join(', ')}` : 'a stage with milestones',
    });
  const checkNamed = (id: string): void => {
    const milestone = known.get(id);
    if (!milestone) {
      error('unknown-milestone', `there is no milestone ${shown(id)}`, withFix(nearest(id, known.keys())));
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
  };

  const named = new Set<MilestoneId>();
  const wanted = new Set<MilestoneId>();
  for (const word of new Set(ids)) {
    if (!isPattern(word)) {
      checkNamed(word);
      named.add(word);
      wanted.add(word);
      continue;
    }
    const matches = matcher(word);
    const found = milestones.filter(
      (one) => one.enabled && matches(one.id) && (stage === undefined || one.stage === stage),
    );
    if (found.length === 0) {
      const capitals = word.toUpperCase();
      error('unknown-milestone', `no milestone matches ${shown(word)}`, {
        ...(milestones.length > 0 && { expected: `a pattern over ${idsShown(milestones)}` }),
        ...withFix(milestones.some(({ id }) => matcher(capitals)(id)) ? capitals : undefined),
      });
    }
    for (const { id } of found) wanted.add(id);
  }
  if (stage !== undefined) {
    if (!stages.includes(stage)) unknownStage(stage);
    if (ids.length === 0) for (const one of milestones) if (one.stage === stage) wanted.add(one.id);
  }
  if (until !== undefined) {
    if (ids.length > 0 || stage !== undefined) {
      error('contradiction', `--until ${shown(until)} beside ${ids.length > 0 ? 'milestones' : '--stage'}`, {
        fix: 'name milestones, a stage or --until, only one of them',
      });
    } else if (/^\d+$/.test(until)) {
      if (!stages.includes(Number(until))) unknownStage(Number(until));
      for (const one of milestones) if (one.stage <= Number(until)) wanted.add(one.id);
    } else {
      checkNamed(until);
      wanted.add(until);
    }
  }
  const all = ids.length === 0 && stage === undefined && until === undefined;
  if (selection.force === true && ids.length === 0 && stage === undefined) {
    error('force-what', '--force without milestones would do everything again', {
      fix: 'name what to do again: `mstone run --force 1A`, or `--stage 1`',
    });
  }
  return {
    choice: {
      ...(all ? {} : { wanted }),
      named,
      withNeeds: selection.withNeeds === true || (until !== undefined && !/^\d+$/.test(until)),
    },
    problems,
  };
}

function idsShown(milestones: readonly Milestone[]): string {
  const ids = milestones.map(({ id }) => id);
  return ids.length > 8 ? `${ids.slice(0, 8).join(', ')}, …` : ids.join(', ');
}
