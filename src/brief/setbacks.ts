/** How an assignment broke off, said to whoever goes on: what was seen, and what it teaches. */
import type { Setback } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import { plainLine } from './text.js';

/** One sentence or two for each that an agent can learn from. */
export const setbackLessons = (setbacks: readonly Setback[]): string[] => setbacks.flatMap(lesson);

function lesson(setback: Setback): string[] {
  switch (setback.kind) {
    case 'stuck': {
      const { repeated, silentMs = 0 } = setback;
      return repeated === undefined
        ? [
            `Nothing was heard for ${span(silentMs)}, so it was ended. A command that waits for input or never returns looks like that: give commands a time limit, and run no server in the foreground.`,
          ]
        : [
            `\`${plainLine(repeated.call, 300)}\` was called ${repeated.times} times in a row, so it was ended. The same call gives the same answer: look at what it said, and go another way.`,
          ];
    }
    case 'timed-out':
      return [
        `The ${span(setback.afterMs)} that it may take were used up, so it was ended. Do what is left in the shortest way that meets the exit criteria.`,
      ];
    case 'crashed':
      return [`The agent's program ended before its work was done: ${plainLine(setback.message, 300)}`];
    case 'context-exceeded':
      return ['The conversation grew too long. Read and print only what you need.'];
    case 'capped':
      return ['It had cost as much as it may. Go on in the shortest way.'];
    case 'interrupted':
      return ['It was interrupted together with the machine that it ran on.'];
    case 'unprepared':
      return []; // Nothing had begun.
    default:
      return unreachable(setback);
  }
}

/** `90 seconds`, `10 minutes`. */
function span(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} second${seconds === 1 ? '' : 's'}`;
  return `${Math.round(seconds / 60)} minutes`;
}
