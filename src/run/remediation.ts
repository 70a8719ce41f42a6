/**
 * The way back to the author, which ends where nothing changes any more or the rounds are used up.
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
): ItemState {
  const failing = item.checks.filter((check) => check.kind !== 'passed').map((check) => check.command);
  const findings = because === 'review' ? item.findings.map((finding) => finding.problem) : [];
  const unmet = because === 'review' ? item.unmet.map((answer) => answer.text) : [];
  const fingerprint = JSON.stringify([
    tree ?? '',
    because === 'review' ? [] : failing,
    findings.sort(),
    unmet.sort(),
  ]);
  if (item.fingerprints.includes(fingerprint)) {
    return ask(
      item,
      `no progress: ${whatFailed(because, failing, item)} again, with the very same files as before`,
    );
  }
  const marked = { ...item, fingerprints: [...item.fingerprints, fingerprint] };
  if (item.round >= item.item.rounds) {
    return ask(marked, `${usedUp(item.item.rounds)}: ${whatFailed(because, failing, item)}`);
  }
  return next(marked, { is: 'remediate', because, ...(merge === undefined ? {} : { merge }) });
}

function whatFailed(
  because: 'checks' | 'review' | 'candidate',
  failing: readonly string[],
  item: ItemState,
): string {
  if (because !== 'review')
    return `${failing.join(', ')} failed${because === 'candidate' ? ' once merged' : ''}`;
  const unmet =
    item.unmet.length > 0
      ? [`${counted(item.unmet.length, 'exit criterion', 'exit criteria')} as not met`]
      : [];
  const held =
    item.findings.length > 0 || unmet.length === 0 ? [counted(item.findings.length, 'finding')] : [];
  return `the review holds ${[...held, ...unmet].join(' and ')} against it`;
}

const usedUp = (rounds: number): string =>
  rounds === 0
    ? 'no round of remediation is allowed'
    : `${counted(rounds, 'round')} of remediation did not mend it`;
