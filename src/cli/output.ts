/** How the command line speaks: results to stdout, what is wrong to stderr, progress as asked for. */

import { safeJson } from '../journal/json.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { type MessageCode, messages } from '../model/messages.js';
import { plainly, type Redactor } from '../model/redact.js';
import type { ItemState } from '../model/state.js';
import type { Reporter } from '../report/index.js';
import type { VerboseOptions } from '../report/verbose.js';
import { formatDiagnostic } from '../report/words.js';
import type { World } from './world.js';

export type OutputForm = 'auto' | 'tty' | 'plain' | 'ndjson' | 'quiet';

/** Events have stdout to themselves: sentences for people go to stderr beside them. */
export const besideEvents = <W extends World>(world: W, form: OutputForm): W =>
  form === 'ndjson' ? { ...world, stdout: world.stderr } : world;

export const say = (world: Pick<World, 'stdout'>, text: string): void => {
  world.stdout.write(`${text.replace(/\n$/, '')}\n`);
};

/** One JSON document, alone on stdout, with nothing in it that a terminal would obey. */
export const sayJson = (world: Pick<World, 'stdout'>, document: unknown): void =>
  say(world, safeJson(document, 2));

/** Says them all on stderr; returns 2, the exit code of those that are errors. */
export function sayDiagnostics(world: Pick<World, 'stderr'>, diagnostics: readonly Diagnostic[]): 2 {
  for (const diagnostic of diagnostics) world.stderr.write(`${formatDiagnostic(diagnostic)}\n`);
  return 2;
}

/** One error with what to do about it; returns the exit code that it leads to. */
export function sayError(
  world: Pick<World, 'stderr'>,
  code: MessageCode,
  message: string,
  fix: string = messages[code].todo,
): number {
  sayDiagnostics(world, [{ severity: 'error', code, message, fix }]);
  return messages[code].exit;
}

/** A terminal gets a live picture; a pipe, a file and CI get a line per thing that happened. */
export function formOf(world: World, form: OutputForm): Exclude<OutputForm, 'auto'> {
  if (form !== 'auto') return form;
  return world.stdout.isTTY === true && !world.env.CI && world.env.TERM !== 'dumb' ? 'tty' : 'plain';
}

export async function makeReporter(
  world: World & { readonly color: boolean },
  form: OutputForm,
  tail: (item: ItemState) => string | undefined,
  /** With what agents and checks print as well: where their logs are. */
  logOf?: VerboseOptions['logOf'],
  redact: Redactor = plainly,
): Promise<Reporter> {
  const { stdout, stderr, color, now } = world;
  const write = (text: string): void => {
    stdout.write(text);
  };
  // Most commands report nothing of the kind.
  const { lineReporter, ndjsonReporter } = await import('../report/index.js');
  switch (formOf(world, form)) {
    case 'tty':
      return (await import('../report/live.js')).liveReporter({ stdout, stderr, color, now, tail });
    case 'ndjson':
      return ndjsonReporter({ write });
    case 'quiet':
      return lineReporter({ write, color, now, quiet: true });
    default: {
      const lines = lineReporter({ write, color, now });
      if (logOf === undefined) return lines;
      const { verboseReporter } = await import('../report/verbose.js');
      return verboseReporter(lines, { write, color, now, logOf, redact });
    }
  }
}
