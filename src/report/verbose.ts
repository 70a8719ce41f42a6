/**
 * What `--verbose` adds to the plain lines: which commands a check runs and how each ended, and what agents
 * and checks print, a few lines at a time, led by the milestone's id.
 */
import { statSync } from 'node:fs';
import type { Effect } from '../model/effect.js';
import type { Event } from '../model/event.js';
import type { Redactor } from '../model/redact.js';
import type { RunState } from '../model/state.js';
import { FileTail } from '../process/follow.js';
import type { LineOptions, Reporter } from './index.js';
import { oneLine, painter } from './text.js';
import { formatClock, formatDuration } from './words.js';

export interface VerboseOptions extends LineOptions {
  /** The log of an assignment or a check; undefined for what has none. */
  readonly logOf: (id: string, effect: Effect) => string | undefined;
  /** Hides secrets in what is shown. */
  readonly redact?: Redactor;
  /** Calls `act` every `ms` until the returned function is called. */
  readonly every?: (ms: number, act: () => void) => () => void;
}

const LOOK_MS = 500;
/** Shown of one log at one look; who wants all of it types `mstone logs`. */
const MOST_LINES = 20;
const MOST_BYTES = 64 * 1024;

interface Followed {
  readonly item: string;
  readonly file: string;
  readonly tail: FileTail;
}

const timer = (ms: number, act: () => void): (() => void) => {
  const running = setInterval(act, ms);
  running.unref();
  return () => clearInterval(running);
};

export function verboseReporter(lines: Reporter, options: VerboseOptions): Reporter {
  const { write, color, now, tz, logOf, redact, every = timer } = options;
  const paint = painter(color);
  const followed = new Map<string, Followed>();
  const say = (text: string): void => write(`${paint('dim', formatClock(now(), tz))} ${text}\n`);

  const look = ({ item, file, tail }: Followed, last: boolean): void => {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    const skipped = tail.skipTo(size, MOST_BYTES) > 0;
    const read = [...tail.read(MOST_BYTES).lines, ...(last ? tail.end() : [])];
    // What it says to mstone itself is no news for people.
    const said = read
      .map((line) => oneLine(line))
      .filter((line) => line !== '' && !line.includes('"mstone"'));
    const shown = said.slice(-MOST_LINES);
    const more = said.length - shown.length;
    if (skipped || more > 0) {
      shown.unshift(`… ${skipped ? 'much' : `${more} lines`} more: mstone logs ${item}`);
    }
    for (const line of shown) write(`${paint('dim', `${item} |`)} ${line}\n`);
  };
  const follow = (id: string, effect: Effect, from: 'start' | 'end'): void => {
    const file = logOf(id, effect);
    if (file === undefined) return;
    const size = from === 'start' ? 0 : (statSync(file, { throwIfNoEntry: false })?.size ?? 0);
    followed.set(id, { item: oneLine(effect.item), file, tail: new FileTail(file, size, redact) });
  };
  const stop = every(LOOK_MS, () => {
    for (const one of followed.values()) look(one, false);
  });

  return {
    entry: (entry) => lines.entry(entry),
    notice(event: Event, state: RunState) {
      if ('outcome' in event) {
        const one = followed.get(event.id);
        if (one !== undefined) look(one, true);
        followed.delete(event.id);
      }
      if (event.type === 'check.ended' && 'results' in event.outcome) {
        for (const { command, kind, exit, ms } of event.outcome.results) {
          const how = exit === undefined ? kind : `exit ${exit}`;
          say(`${oneLine(event.item)} \`${oneLine(command)}\` ${how} (${formatDuration(ms)})`);
        }
      }
      lines.notice(event, state);
      if (event.type === 'run.continued') {
        for (const { id, effect } of state.flights.values()) follow(id, effect, 'end');
      }
      if (event.type === 'check.started') {
        const { item, slot, commands } = event.effect;
        const all = commands.map((command) => `\`${oneLine(command)}\``).join(', ');
        say(`${oneLine(item)} checks started in slot ${slot}: ${all}`);
      }
      if ('effect' in event) follow(event.id, event.effect, 'start');
    },
    async close() {
      stop();
      await lines.close();
    },
  };
}
