/**
 * What reviews mean for an item: who is asked next, when it has been approved, what goes back to its author.
 *
 * Each reviewer gives a verdict of its own on one commit, in an assignment and a conversation of its own, one
 * after the other in the item's slot. Once all have judged the commit their verdicts become one:
 *
 *   all       every one approves
 *   majority  more than half of those that are asked about every change approve, and nobody holds a blocker;
 *             whoever is asked because of the paths that it touches must approve in any case
 *
 * A verdict that could not be used is asked for once more; then the review has failed, which approves nothing.
 */
import type { Oid, WorkOutcome } from '../model/outcome.js';
import type { PlanItem } from '../model/plan.js';
import type { ItemState, Step } from '../model/state.js';
import type { CriterionAnswer, Finding, Opinion, Reviewer } from '../model/verdict.js';
import { toCandidate } from './approvals.js';
import { heldUnanswered, heldUnreviewed, openFacts, unansweredWords } from './facts.js';
import { ask, fail, next } from './items.js';
import { knownTree, toRemediate } from './remediation.js';

/** Everybody who may be asked about an item; nobody where there is no review. */
export const reviewersOf = ({ reviewer, reviewers }: PlanItem): readonly Reviewer[] =>
  reviewer === false ? [] : (reviewers ?? [{ name: reviewer, agent: reviewer }]);

/** All who may be started for an item. */
export const agentsFor = (item: PlanItem): string[] => [
  item.author,
  item.resolver,
  ...reviewersOf(item).map(({ agent }) => agent),
];

/** Whose turn it is at a review; undefined where the run goes on without whoever was due. */
export function reviewerAt(
  item: ItemState,
  { reviewer }: Extract<Step, { is: 'review' }>,
): Reviewer | undefined {
  const all = reviewersOf(item.item);
  return reviewer === undefined ? all[0] : all.find(({ name }) => name === reviewer);
}

/** Those that this work concerns. */
const askedOf = (item: ItemState): Reviewer[] =>
  reviewersOf(item.item).filter(
    ({ name, paths }) => paths === undefined || (item.work?.touches ?? []).includes(name),
  );

/** Work that has passed its checks: to its reviewers, or on where they have approved it, or where there are none. */
export function toReview(item: ItemState, commit: Oid): ItemState {
  if (item.item.reviewer === false) return heldUnreviewed(item) ?? toCandidate(item, commit);
  if (item.approved === commit) return toCandidate(item, commit);
  // Nothing changed since it was refused: to ask again would be paid for and bring nothing.
  const known = knownTree(item, item.work?.tree);
  return known === undefined ? nextOpinion(item, commit) : ask(item, known);
}

/** What a reviewer that finished leaves. */
export function afterReview(item: ItemState, step: Step, { judgement, session }: WorkOutcome): ItemState {
  if (step.is !== 'review') throw new Error('a review ended in another step');
  if (judgement === undefined) return fail(item, 'the review left no answer');
  if (session !== undefined && session === item.session?.id) {
    return fail(item, "the review failed: it was given in the author's own conversation");
  }
  const name = reviewerAt(item, step)?.name;
  // Asked before the run went on without it.
  if (name === undefined) return toReview(item, step.commit);
  if (judgement.kind === 'unreadable') {
    return step.unreadable === undefined
      ? next(item, { ...step, unreadable: judgement.why })
      : fail(item, `the review failed: ${judgement.why}`);
  }
  const allows = judgement.kind === 'approved' ? (judgement.allows ?? []).map(({ fact }) => fact) : [];
  const open = judgement.kind === 'approved' ? openFacts(item, allows) : [];
  if (open.length > 0) {
    return step.unreadable === undefined
      ? next(item, { ...step, unreadable: unansweredWords(open) })
      : heldUnanswered(item, open);
  }
  const opinion: Opinion = {
    seen: step.commit,
    ...(allows.length === 0 ? {} : { allows }),
    is: judgement.kind,
    findings: judgement.kind === 'refused' ? judgement.findings : [],
    unmet: judgement.kind === 'refused' ? judgement.unmet : [],
  };
  return nextOpinion({ ...item, opinions: { ...item.opinions, [name]: opinion } }, step.commit);
}

/** The next of those that have not judged this commit; the verdict once all have. */
function nextOpinion(item: ItemState, commit: Oid): ItemState {
  const due = askedOf(item).find(({ name }) => item.opinions?.[name]?.seen !== commit);
  if (due === undefined) return concluded(item, commit);
  return next(item, { is: 'review', commit, reviewer: due.name });
}

/**
 * The item as its plan has it by now: a run may go on with others who review, with nobody, or with somebody where
 * nobody was. Whoever is not asked any more is not waited for, and nothing stays in the queue that those who are
 * have not approved.
 */
export function asPlanned(item: ItemState): ItemState {
  const { phase } = item;
  if (phase.is !== 'next' && phase.is !== 'waiting') return item;
  const { step } = phase;
  switch (step.is) {
    case 'review':
      return reviewerAt(item, step) === undefined ? toReview(item, step.commit) : item;
    case 'candidate':
      return isOpen(item, step.commit) ? toReview(item, step.commit) : item;
    case 'verify':
    case 'land':
      return !step.inside && isOpen(item, step.candidate.work) ? toReview(item, step.candidate.work) : item;
    default:
      return item;
  }
}

const isOpen = ({ item, approved }: ItemState, commit: Oid): boolean =>
  item.reviewer !== false && approved !== commit;

/** An item under its new plan: what others than now have approved is asked of those that there are. */
export function replanned(item: ItemState, planned: PlanItem): ItemState {
  const before = new Map(reviewersOf(item.item).map((reviewer) => [reviewer.name, JSON.stringify(reviewer)]));
  const now = reviewersOf(planned);
  const isNew = (reviewer: Reviewer): boolean => before.get(reviewer.name) !== JSON.stringify(reviewer);
  const isSame = now.length === before.size && !now.some(isNew) && item.item.require === planned.require;
  if (isSame) return { ...item, item: planned };
  const { approved: _approved, work, ...rest } = item;
  // Nobody has looked whether the work touches what they ask for: they are asked.
  const asked = now.filter((reviewer) => reviewer.paths !== undefined && isNew(reviewer));
  const touches = [...new Set([...(work?.touches ?? []), ...asked.map(({ name }) => name)])];
  return {
    ...rest,
    item: planned,
    ...(work === undefined ? {} : { work: touches.length === 0 ? work : { ...work, touches } }),
  };
}

function concluded(item: ItemState, commit: Oid): ItemState {
  const given = askedOf(item).flatMap((reviewer) => {
    const opinion = item.opinions?.[reviewer.name];
    return opinion === undefined ? [] : [{ reviewer, opinion }];
  });
  if (isApproved(item, given)) {
    return toCandidate({ ...item, approved: commit, findings: [], unmet: [] }, commit);
  }
  const refusals = given.filter(({ opinion }) => opinion.is === 'refused');
  const isOne = given.length === 1;
  const findings = refusals.flatMap(({ reviewer, opinion }) =>
    opinion.findings.map((finding) => (isOne ? finding : of(reviewer, finding))),
  );
  const unmet = new Map<string, CriterionAnswer>();
  for (const { opinion } of refusals) {
    for (const answer of opinion.unmet) if (!unmet.has(answer.text)) unmet.set(answer.text, answer);
  }
  return toRemediate({ ...item, findings, unmet: [...unmet.values()] }, 'review', item.work?.tree);
}

/** Two reviewers may both have an `F1`. */
const of = ({ name }: Reviewer, finding: Finding): Finding => ({ ...finding, id: `${name}/${finding.id}` });

/** Whether these verdicts, one of each reviewer that was to give one, approve together. */
function isApproved(
  { item }: ItemState,
  given: readonly { readonly reviewer: Reviewer; readonly opinion: Opinion }[],
): boolean {
  if (given.length === 0) return false;
  const refusals = given.filter(({ opinion }) => opinion.is === 'refused');
  if (refusals.length === 0) return true;
  if (item.require !== 'majority') return false;
  const isHeld = refusals.some(
    ({ reviewer, opinion }) =>
      reviewer.paths !== undefined || opinion.findings.some(({ severity }) => severity === 'blocker'),
  );
  const voters = given.filter(({ reviewer }) => reviewer.paths === undefined);
  const votes = voters.filter(({ opinion }) => opinion.is === 'approved').length;
  return !isHeld && votes * 2 > voters.length;
}
