/**
 * What waits for a person, and what a person's decision means for it.
 *
 * An approval binds to what was looked at: `before` to the milestone's text, `merge` to one commit of its
 * work. A text that changes and work that changes wait again. A rejection of work goes back to the author as
 * a finding that cites the person, in the rounds that there are; a rejection of a text ends the milestone
 * until `mstone retry` or another text.
 */
import type { Approval, Decision, Subject } from '../model/decision.js';
import { isSameText } from '../model/digest.js';
import type { ItemState, RunState } from '../model/state.js';
import { ask, next, release, withItem } from './items.js';
import { toRemediate } from './remediation.js';

/** Whether a decision speaks of what an item is now. */
function fits(item: ItemState, subject: Subject): boolean {
  return subject.of === 'before'
    ? isSameText(subject.digest, item.item)
    : item.work?.commit === subject.commit && item.work.tree === subject.tree;
}

/** What a person is to decide of an item before it goes on; undefined: nothing now. */
export function awaitedOf(item: ItemState): Subject | undefined {
  const { phase, work, consent } = item;
  if (phase.is !== 'next' && phase.is !== 'waiting') return undefined;
  switch (item.item.approval) {
    case undefined:
      return undefined;
    case 'before':
      return consent !== undefined && fits(item, consent.subject)
        ? undefined
        : { of: 'before', digest: item.item.digest };
    case 'merge':
      if (phase.step.is !== 'candidate' || work === undefined) return undefined;
      return consent !== undefined && fits(item, consent.subject)
        ? undefined
        : { of: 'merge', commit: work.commit, tree: work.tree };
  }
}

/** Items that can go on with a person's word alone; what they need is there. */
export const awaiting = (item: ItemState): Approval | undefined => awaitedOf(item)?.of;

/** Whether a decision would change anything: it is of what the item is now, and has not been taken yet. */
export function isNews(state: RunState, decision: Decision): boolean {
  const item = state.items.get(decision.item);
  if (item === undefined || item.consent?.id === decision.id) return false;
  const { subject } = decision;
  if (item.item.approval !== subject.of || !fits(item, subject)) return false;
  if (awaitedOf(item) !== undefined) return true;
  // Reviewers who were added meanwhile have their say first; what was seen of the work stays seen.
  const { phase, consent } = item;
  const isUnderWay = phase.is === 'next' || phase.is === 'doing' || phase.is === 'waiting';
  const isGiven = consent !== undefined && fits(item, consent.subject);
  return decision.verdict === 'approved' && subject.of === 'merge' && isUnderWay && !isGiven;
}

/** A decision of what is no more, or is not waited for, changes nothing. */
export function takeDecision(state: RunState, decision: Decision): RunState {
  const item = state.items.get(decision.item);
  if (item === undefined || !isNews(state, decision)) return state;
  if (decision.verdict === 'approved') return withItem(state, { ...item, consent: decision });
  const because = decision.because ?? 'no reason was given';
  if (decision.subject.of === 'before') {
    return withItem(state, ask(item, `rejected by ${decision.by}: ${because}`));
  }
  const finding = {
    id: `H${item.round + 1}`,
    severity: 'blocker' as const,
    cites: `the decision of ${decision.by}`,
    problem: because,
  };
  return withItem(
    state,
    toRemediate({ ...item, findings: [finding], unmet: [] }, 'review', decision.subject.tree),
  );
}

/**
 * On with the candidate, or nowhere where a stage was found good as it landed; while a person is waited for,
 * others have its slot.
 */
export function toCandidate(item: ItemState, commit: string): ItemState {
  const { work } = item;
  if (item.item.kind === 'gate' && work !== undefined && work.commit === work.base) {
    return release({ ...item, phase: { is: 'passed', commit } });
  }
  const ready = next(item, { is: 'candidate', commit });
  return awaitedOf(ready) === undefined ? ready : release(ready);
}
