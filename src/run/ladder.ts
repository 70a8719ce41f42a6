/**
 * The one ladder that an assignment climbs which broke off: crashed, fell silent, went round in circles, ran
 * out of time or of room.
 *
 *     its conversation goes on, once      told what was seen
 *     a fresh one goes on                 with the work so far, told all that was seen
 *     the attempt has failed
 *
 * A conversation that grew too long is begun anew at once. Without a conversation an implementer's attempt is
 * over at the first step, since the next one is all that can be done otherwise; others are started again
 * `retries` times. An assignment that comes to its end in order leaves the ladder.
 *
 * The ladder is part of the brakes: a new run goes on where the one before stood on it.
 *
 * It does not know limits, credentials and checks: what waits or is remediated did not break off.
 */
import type { Rung } from '../model/brakes.js';
import type { Setback } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { ItemState, Step } from '../model/state.js';

/** What to do about a setback in a step that `agent` worked at. */
export function nextRung(
  { brakes: { ladder }, session, item }: Pick<ItemState, 'brakes' | 'session' | 'item'>,
  { step, agent, setback }: { readonly step: Step; readonly agent: string; readonly setback: Setback },
): Rung['next'] {
  const isFull = setback.kind === 'context-exceeded';
  if (isFull && !ladder.some((rung) => rung.setback.kind === 'context-exceeded')) return 'fresh';
  const climbed = ladder.filter((rung) => rung.setback.kind !== 'context-exceeded');
  const wasContinued = climbed.some((rung) => rung.next === 'continue');
  const talks = step.is !== 'review' && session?.agent === agent;
  if (talks && !isFull && !wasContinued) return 'continue';
  if (step.is === 'implement') {
    const begunAnew = ladder.some((rung) => rung.next === 'fresh');
    return (talks || wasContinued) && !begunAnew ? 'fresh' : 'over';
  }
  const most = Math.max(talks || wasContinued ? 2 : 0, item.retries);
  return climbed.length < most ? 'fresh' : 'over';
}

/** How an assignment broke off, in words for people: `claude fell silent`. */
export function setbackWords(agent: string, setback: Setback): string {
  switch (setback.kind) {
    case 'crashed':
      return `${agent} crashed: ${setback.message}`;
    case 'timed-out':
      return `${agent} ran out of time`;
    case 'stuck':
      return setback.repeated === undefined
        ? `${agent} fell silent`
        : `${agent} went round in circles: ${setback.repeated.call}, ${setback.repeated.times} times`;
    case 'context-exceeded':
    case 'capped':
      return `${agent}: ${setback.message}`;
    case 'interrupted':
      return `interrupted: ${setback.message}`;
    case 'unprepared':
      return setback.message;
    default:
      return unreachable(setback);
  }
}
