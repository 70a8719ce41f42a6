/**
 * Shows people what happens: as plain lines, as a live screen (`live.ts`), as NDJSON, as TASKS.md
 * (`tasks.ts`) and as documents (`documents.ts`). listr2's only door is `live.ts`.
 *
 * It draws what happened and decides nothing. It knows no terminal, environment or clock of its own:
 * where to write, whether in colour and what time it is are told by the caller.
 */
import { formatEntry } from '../journal/index.js';
import type { Entry, Event } from '../model/event.js';
import type { RunState } from '../model/state.js';
import { type Sentence, tell } from './story.js';
import { painter } from './text.js';
import { formatClock, summaryOf } from './words.js';

/**
 * Every event comes twice: as the journal's entry, once it is on disk, then with the state it led to.
 * A reporter listens to the one it needs.
 */
export interface Reporter {
  entry(entry: Entry): void;
  notice(event: Event, state: RunState): void;
  /** Resolves when all is written and no timer is left. `left`: the run goes on without being looked at. */
  close(how?: 'left'): Promise<void>;
}

export interface LineOptions {
  /** Gets whole lines, with their line end. */
  readonly write: (text: string) => void;
  readonly color: boolean;
  /** Epoch ms. */
  readonly now: () => number;
  /** An IANA zone; undefined is the system's own. */
  readonly tz?: string | undefined;
  /** Only what went wrong, what needs the user, and the summary of a run that did not end well. */
  readonly quiet?: boolean;
}

/** One plain line for each thing that people care about, and a summary with the next command. */
export function lineReporter({ write, color, now, tz, quiet = false }: LineOptions): Reporter {
  const paint = painter(color);
  let before: RunState | undefined;
  return {
    entry: ignore,
    notice(event, state) {
      const when = { now: now(), tz };
      const time = paint('dim', formatClock(when.now, tz));
      for (const sentence of tell(event, before, state, when)) {
        if (quiet && sentence.tone !== 'bad' && sentence.tone !== 'note') continue;
        write(`${time} ${paintSentence(sentence, color)}\n`);
      }
      if ((event.type === 'run.ended' || event.type === 'run.paused') && !(quiet && event.exit === 0)) {
        write(summaryText(state, { color, ...when }));
      }
      before = state;
    },
    close: () => Promise.resolve(),
  };
}

/** The journal's own lines, byte for byte, and nothing else. */
export const ndjsonReporter = ({ write }: Pick<LineOptions, 'write'>): Reporter => ({
  entry(entry) {
    write(`${formatEntry(entry)}\n`);
  },
  notice: ignore,
  close: () => Promise.resolve(),
});

function ignore(): void {
  // The other form of the same event is what this reporter tells.
}

const TONES: Readonly<Record<Sentence['tone'], Parameters<ReturnType<typeof painter>>[0] | undefined>> = {
  plain: undefined,
  good: 'green',
  bad: 'red',
  wait: 'yellow',
  note: 'cyan',
};

export function paintSentence({ tone, text }: Sentence, color: boolean): string {
  const style = TONES[tone];
  return style === undefined ? text : painter(color)(style, text);
}

/** A blank line, how the run stands, and `Next:` with the command to type. */
export function summaryText(
  state: RunState,
  { color, now, tz }: { readonly color: boolean; readonly now: number; readonly tz?: string | undefined },
): string {
  const paint = painter(color);
  const { lines, next } = summaryOf(state, { now, tz });
  return ['', ...lines, `${paint('bold', 'Next:')} ${next}`, ''].join('\n');
}
