/** A reviewer's answer in the text of a CLI that cannot be asked for one by schema. */
import { readProtocolLine } from '../brief/protocol.js';

/** The last verdict line, as the prompt asks for it; a code block around it makes no difference. */
export function verdictIn(text: string): unknown {
  let verdict: unknown;
  for (const line of text.split('\n')) {
    const said = readProtocolLine(line.trim());
    if (said?.kind === 'verdict') verdict = said.value;
  }
  return verdict;
}
