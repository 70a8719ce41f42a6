/**
 * The way back to the author, which ends where nothing changes any more or the rounds are used up.
 *
 * `fingerprints` among its brakes are what it was held back by, one of each round and over all runs:
 *
 *   [tree, failing checks, [], []]           for checks
 *   {"review": tree, "findings": [[id, file, cites], …]}   for reviews; an unmet criterion is ["", "", text]
 *
 * Failing checks come to no progress when the same ones fail on the same files. A review does so
 *
 * - on the very files that were refused before, in whatever round (so A, B, A ends);
 * - with the very findings of the round before: that remediation mended none of them;
 * - with findings about the same files and citations as in an earlier round that is not the last: what
 *   was said to be mended is back, under whatever name.
 *
 * What a reviewer says of a problem is no part of it: whoever finds it again says it in other words.
 */
import type { TreeKey } from '../model/outcome.js';
import type { ItemState } from '../model/state.js';
import { ask, counted, next } from './items.js';

/** Back to the author, unless that would be no progress or a round too many. */
export function toRemediate(
  item: ItemState,
  because: 'checks' | 'review' | 'candidate',
  tree: TreeKey | undefined,
  merge?: string,
  /** Who holds the findings against it. */
  who = 'the review',
): ItemState {
  const failing = item.checks.filter((check) => check.kind !== 'passed').map((check) => check.command);
  const standstill =
    because === 'review' ? knownReview(item, tree, who) : knownChecks(item, because, tree, failing);
  if (standstill !== undefined) return ask(item, `no progress: ${standstill}`);
  const fingerprint = because === 'review' ? JSON.stringify(roundOf(item, tree)) : checksOf(tree, failing);
  const { brakes } = item;
  const marked = { ...item, brakes: { ...brakes, fingerprints: [...brakes.fingerprints, fingerprint] } };
  if (item.round >= item.item.rounds) {
    return ask(marked, `${usedUp(item.item.rounds)}: ${whatFailed(because, failing, item, who)}`);
  }
  return next(marked, { is: 'remediate', because, ...(merge === undefined ? {} : { merge }) });
}

/** Why a review of these files would be no progress, before it is paid for; undefined where it may be. */
export const knownTree = (item: ItemState, tree: TreeKey | undefined): string | undefined =>
  tree !== undefined && roundsOf(item).some(({ review }) => review === tree)
    ? 'no progress: these are the very files that the review refused before'
    : undefined;

const checksOf = (tree: TreeKey | undefined, failing: readonly string[]): string =>
  JSON.stringify([tree ?? '', failing, [], []]);

const knownChecks = (
  item: ItemState,
  because: 'checks' | 'candidate',
  tree: TreeKey | undefined,
  failing: readonly string[],
): string | undefined =>
  item.brakes.fingerprints.includes(checksOf(tree, failing))
    ? `${whatFailed(because, failing, item)} again, with the very same files as before`
    : undefined;

/** One review that refused. */
interface Round {
  readonly review: TreeKey;
  readonly findings: readonly (readonly [id: string, file: string, cites: string])[];
}

function roundOf({ findings, unmet }: ItemState, tree: TreeKey | undefined): Round {
  return {
    review: tree ?? '',
    findings: [
      ...findings.map(({ id, file = '', cites = '' }): [string, string, string] => [id, file, cites]),
      ...unmet.map(({ text }): [string, string, string] => ['', '', text]),
    ].sort((a, b) => (a.join('\0') < b.join('\0') ? -1 : 1)),
  };
}

/** In order; what earlier versions wrote of reviews is none of these. */
function roundsOf({ brakes: { fingerprints } }: ItemState): Round[] {
  return fingerprints.flatMap((text): Round[] => {
    const value: unknown = text.startsWith('{') ? JSON.parse(text) : undefined;
    return typeof value === 'object' && value !== null && 'review' in value ? [value as Round] : [];
  });
}

function knownReview(item: ItemState, tree: TreeKey | undefined, who: string): string | undefined {
  const now = roundOf(item, tree);
  const held = whatFailed('review', [], item, who);
  const rounds = roundsOf(item);
  const last = rounds.at(-1);
  if (last === undefined) return undefined;
  if (now.review !== '' && rounds.some(({ review }) => review === now.review)) {
    return `${held} again, with the very same files as before`;
  }
  const exact = ({ findings }: Round): string => JSON.stringify(findings);
  if (exact(last) === exact(now)) return `${held} again, the very same as in the round before`;
  // What is about no file, and is no criterion either, may be about anything: its name is part of it.
  const places = ({ findings }: Round): string =>
    JSON.stringify(findings.map(([id, file, cites]) => [file === '' ? id : file, cites].join('\0')).sort());
  const earlier = rounds.slice(0, -1).findIndex((round) => places(round) === places(now));
  return earlier < 0 ? undefined : `${held} that was answered before and is back: it goes to and fro`;
}

function whatFailed(
  because: 'checks' | 'review' | 'candidate',
  failing: readonly string[],
  item: ItemState,
  who = 'the review',
): string {
  if (because !== 'review')
    return `${failing.join(', ')} failed${because === 'candidate' ? ' once merged' : ''}`;
  const unmet =
    item.unmet.length > 0
      ? [`${counted(item.unmet.length, 'exit criterion', 'exit criteria')} as not met`]
      : [];
  const held =
    item.findings.length > 0 || unmet.length === 0 ? [counted(item.findings.length, 'finding')] : [];
  return `${who} holds ${[...held, ...unmet].join(' and ')} against it`;
}

const usedUp = (rounds: number): string =>
  rounds === 0
    ? 'no round of remediation is allowed'
    : `${counted(rounds, 'round')} of remediation did not mend it`;
