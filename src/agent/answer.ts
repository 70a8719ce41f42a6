/** A reviewer's answer in the text of a CLI that cannot be asked for one by schema. */
import { readProtocolLine } from '../brief/protocol.js';

/** Characters from the end that are looked at; an answer is the last that is said. */
const LONGEST = 1024 * 1024;
/** Characters walked through, so that no text of braces keeps us. */
const MOST_STEPS = 16 * LONGEST;

/**
 * The last verdict, as the prompt asks for it: an object in one line or over several that begins at the start of
 * one, with nothing behind it. A code block around it makes no difference, and prose never is one.
 */
export function verdictIn(all: string): unknown {
  const text = all.slice(-LONGEST);
  let verdict: unknown;
  let left = MOST_STEPS;
  const start = /^[ \t]*\{/gm;
  for (let found = start.exec(text); found !== null && left > 0; found = start.exec(text)) {
    const from = found.index + found[0].length - 1;
    const end = endOfObject(text, from, left);
    left -= (end ?? text.length) - from;
    const isAlone = end !== undefined && /^[ \t\r]*(?:\n|$)/.test(text.slice(end, end + 200));
    const said = isAlone ? readProtocolLine(text.slice(from, end)) : undefined;
    if (said?.kind === 'verdict') verdict = said.value;
    // What is within an object is no answer of its own.
    if (end !== undefined) start.lastIndex = Math.max(end, start.lastIndex);
  }
  return verdict;
}

/** Behind the brace that closes the one at `from`, those in strings aside; undefined where none does. */
function endOfObject(text: string, from: number, most: number): number | undefined {
  let depth = 0;
  let isString = false;
  for (let at = from; at < text.length && at - from < most; at += 1) {
    const char = text[at];
    if (isString) {
      if (char === '\\') at += 1;
      else if (char === '"') isString = false;
      // A string ends in its line: what does not is no JSON.
      else if (char === '\n') return undefined;
    } else if (char === '"') isString = true;
    else if (char === '{') depth += 1;
    else if (char === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}
