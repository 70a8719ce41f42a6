/**
 * The live screen. listr2 draws; what happened, and when to draw, is decided here.
 *
 * listr2 redraws at every change of every task, which starves timers when there are many. So its own
 * requests are dropped and its spinner is not started: one timer, five times a second, brings all titles
 * up to date and has one frame drawn. Its tasks never fail and its errors are never read (with
 * `exitOnError: false` it keeps none); how a milestone ended is in our state.
 */
import {
  DefaultRenderer,
  figures,
  Listr,
  type ListrDefaultRendererTask,
  ListrLogger,
  type ListrTaskWrapper,
  ProcessOutput,
  type SimpleRenderer,
  Spinner,
} from 'listr2';
import type { ItemId } from '../model/effect.js';
import type { ItemState, RunState } from '../model/state.js';
import { comingConflicts } from '../run/forecast.js';
import { shortageOf } from '../run/questions.js';
import { phaseStyle } from './documents.js';
import { paintSentence, type Reporter, summaryText } from './index.js';
import { type Sentence, tell } from './story.js';
import { cutTo, oneLine, type Paint, painter, textWidth } from './text.js';
import {
  costOf,
  credentialWords,
  explainStanding,
  foreseenWords,
  formatDuration,
  formatUsd,
  names,
  phaseWord,
  progressOf,
  shortOid,
} from './words.js';

export interface LiveOptions {
  /** The terminal. Both streams are held while the screen lives; what others write comes after it. */
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly color: boolean;
  /** Epoch ms. */
  readonly now: () => number;
  readonly tz?: string | undefined;
  /** The last thing that an item's agent said, if it is at work. */
  readonly tail?: (item: ItemState) => string | undefined;
  /** Calls `act` every `ms` until the returned function is called. */
  readonly every?: (ms: number, act: () => void) => () => void;
}

/** Five frames a second. */
const FRAME_MS = 200;
/** With more milestones than this, those that neither run nor failed are only counted. */
const ROOMY = 10;
/** Notes stay this long on the screen; after it all of them are printed. */
const NOTES_SHOWN = 3;
/** A title for a row that is not to be seen: listr2 leaves blank lines out, and has bars for no title. */
const HIDDEN = ' ';

const realTimer = (ms: number, act: () => void): (() => void) => {
  const timer = setInterval(act, ms);
  timer.unref();
  return () => clearInterval(timer);
};

export function liveReporter(options: LiveOptions): Reporter {
  const { now, tz, color, stdout, every = realTimer } = options;
  let state: RunState | undefined;
  let screen: Screen | undefined;
  let stop: (() => void) | undefined;
  /** All that is printed in the end, and what the screen shows meanwhile. */
  const past: Sentence[] = [];
  const notes: Sentence[] = [];
  const began = new Map<ItemId, number>();

  const draw = (last: boolean): void => {
    if (state === undefined || screen === undefined) return;
    screen.draw(frameOf(state, { ...options, last, notes, began }));
  };

  return {
    entry() {
      // The state says it all.
    },
    notice(event, next) {
      for (const sentence of tell(event, state, next, { now: now(), tz })) {
        if (sentence.tone !== 'note') continue;
        past.push(sentence);
        // The screen says that itself, for as long as it is so.
        if (event.type !== 'note' || (event.pressure ?? event.foreseen) === undefined) notes.push(sentence);
      }
      state = next;
      for (const { item, phase } of next.items.values()) {
        if (phase.is === 'doing' && !began.has(item.id)) began.set(item.id, phase.since);
      }
      if (screen === undefined) {
        screen = openScreen(options, [...next.items.keys()]);
        stop = every(FRAME_MS, () => draw(false));
      }
    },
    async close(how) {
      if (screen === undefined || state === undefined) return;
      const closing = screen;
      stop?.();
      await closing.ready;
      draw(true);
      screen = undefined;
      await closing.end();
      const told = past.map((note) => `${paintSentence(note, color)}\n`).join('');
      stdout.write(told + (how === 'left' ? '\n' : summaryText(state, { color, now: now(), tz })));
    },
  };
}

interface Frame {
  readonly rows: ReadonlyMap<ItemId, { readonly title: string; readonly icon: Icon }>;
  readonly counter: string;
}

type Icon = 'busy' | 'done' | 'failed' | 'idle';

interface Screen {
  /** Resolves when listr2 has begun every task it was opened with. */
  readonly ready: Promise<void>;
  draw(frame: Frame): void;
  /** Leaves the last frame on the screen and gives the streams back. */
  end(): Promise<void>;
}

/** A terminal that does not tell its size says 0. */
const columnsOf = (terminal: NodeJS.WriteStream): number => terminal.columns || 80;
const linesOf = (terminal: NodeJS.WriteStream): number => terminal.rows || 24;

/** listr2 copies a stream when it begins; the copy would keep the size that the terminal had then. */
class SizedOutput extends ProcessOutput {
  override get stdout(): NodeJS.WriteStream {
    const { out } = this.stream.stdout;
    const terminal = this.terminal;
    return Object.defineProperties(out, {
      columns: { get: () => columnsOf(terminal) },
      rows: { get: () => linesOf(terminal) },
    });
  }

  private readonly terminal: NodeJS.WriteStream;

  constructor(
    terminal: NodeJS.WriteStream,
    stderr: NodeJS.WriteStream,
    options: ConstructorParameters<typeof ProcessOutput>[2],
  ) {
    super(terminal, stderr, options);
    this.terminal = terminal;
  }
}

/** Rows for items that come up in the run, like the merge of a target that moved. */
const SPARE = 3;

/** One line or two on the screen, and listr2's task behind it. */
interface Row {
  title: string;
  icon: string;
  /** listr2's handle, once it has begun the task. */
  handle?: ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>;
  finish: () => void;
}

function openScreen({ stdout, stderr, color }: LiveOptions, ids: readonly ItemId[]): Screen {
  const paint = painter(color);
  const spinner = new Spinner();
  const iconsByTask = new Map<string, Row>();
  let renderer: CalmRenderer | undefined;

  /** Draws when it is told to, not when a task changes, and shows our icons. */
  class CalmRenderer extends DefaultRenderer {
    // Whether this is a terminal was the caller's question.
    static override nonTTY = true;

    constructor(...parts: ConstructorParameters<typeof DefaultRenderer>) {
      super(...parts);
      renderer = this;
    }

    override update(): void {
      // The timer draws.
    }

    drawFrame(): void {
      super.update();
    }

    // The lines are cut to the terminal already; listr2 would cut them to `process.stdout`.
    protected override format(message: string, icon: string): string[] {
      if (message === HIDDEN) return [];
      return message.split('\n').map((line, index) => `${index === 0 ? icon : ' '} ${line}`);
    }

    protected override style(task: ListrDefaultRendererTask): string {
      return iconsByTask.get(task.id)?.icon ?? ' ';
    }
  }

  let begun = 0;
  let allBegun: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    allBegun = resolve;
  });

  const rows = Array.from(
    { length: ids.length + SPARE + 1 },
    (): Row => ({ title: HIDDEN, icon: ' ', finish: () => undefined }),
  );
  const counter = rows.at(-1);
  const rowOf = new Map(ids.map((id, index) => [id, rows[index]]));
  const spare = rows.slice(ids.length, -1);

  const listr = new Listr<unknown, typeof DefaultRenderer, typeof SimpleRenderer>(
    rows.map((row) => ({
      title: row.title,
      task: (_: unknown, handle): Promise<void> => {
        row.handle = handle;
        iconsByTask.set(handle.task.id, row);
        begun += 1;
        if (begun === rows.length) allBegun();
        return new Promise((resolve) => {
          row.finish = resolve;
        });
      },
    })),
    {
      concurrent: true,
      exitOnError: false,
      // Its own would end the process with 127 at the first Ctrl-C.
      registerSignalListeners: false,
      renderer: CalmRenderer,
      rendererOptions: {
        lazy: true,
        logger: new ListrLogger({
          processOutput: new SizedOutput(stdout, stderr, { leaveEmptyLine: false }),
        }),
      },
    },
  );
  const running = listr.run();
  // Should drawing fail before it begins, whoever waits for it is to know.
  const drawable = Promise.race([ready, running.then(() => undefined)]);
  for (const promise of [running, drawable]) {
    promise.catch(() => {
      // `close` waits for both and rejects then; a screen that broke must not end the run at once.
    });
  }

  const icons: Readonly<Record<Icon, () => string>> = {
    busy: () => paint('cyan', spinner.fetch()),
    done: () => paint('green', figures.tick),
    failed: () => paint('red', figures.cross),
    idle: () => ' ',
  };

  const show = (row: Row | undefined, title: string, icon: Icon): void => {
    if (row === undefined) return;
    row.icon = icons[icon]();
    if (row.handle === undefined || title === row.title) return;
    row.title = title;
    row.handle.title = title;
  };

  return {
    ready: drawable,
    draw(frame) {
      if (begun < rows.length) return;
      spinner.spin();
      for (const id of frame.rows.keys()) {
        if (!rowOf.has(id)) rowOf.set(id, spare.shift());
      }
      for (const [id, row] of rowOf) {
        const line = frame.rows.get(id);
        show(row, line?.title ?? HIDDEN, line?.icon ?? 'idle');
      }
      show(counter, frame.counter, 'idle');
      renderer?.drawFrame();
    },
    async end() {
      for (const row of rows) row.finish();
      await running;
    },
  };
}

interface FrameOptions extends LiveOptions {
  /** The one that stays: every milestone, nothing that moves. */
  readonly last: boolean;
  readonly notes: readonly Sentence[];
  /** When each item was first seen at work, epoch ms. */
  readonly began: ReadonlyMap<ItemId, number>;
}

function frameOf(state: RunState, options: FrameOptions): Frame {
  const { last, notes, color, stdout } = options;
  // Two columns for the icon, one that the terminal keeps to itself.
  const width = columnsOf(stdout) - 4;
  const items = [...state.items.values()];
  const crowded = !last && items.filter(({ item }) => item.kind === 'milestone').length > ROOMY;
  const shown = items.filter((item) => isShown(item, crowded, last));
  return {
    rows: new Map(
      shown.map((item) => [
        item.item.id,
        { title: titleOf(item, state, width, options), icon: iconOf(item, last) },
      ]),
    ),
    counter: last
      ? HIDDEN
      : [
          counterOf(state, options, width),
          ...notes
            .slice(-NOTES_SHOWN)
            .map((note) => paintSentence({ ...note, text: cutTo(note.text, width) }, color)),
        ].join('\n'),
  };
}

/** mstone's own errands are shown while they matter, milestones always, or while they matter if there are many. */
function isShown({ item, phase }: ItemState, crowded: boolean, last: boolean): boolean {
  const matters = phase.is === 'doing' || phase.is === 'failed' || phase.is === 'asks';
  if (item.kind === 'milestone') return matters || !crowded;
  return (
    matters || (!crowded && phase.is === 'waiting') || (last && item.kind === 'gate' && phase.is === 'passed')
  );
}

function iconOf({ phase }: ItemState, last: boolean): Icon {
  switch (phase.is) {
    case 'doing':
      return last ? 'idle' : 'busy';
    case 'landed':
    case 'passed':
      return 'done';
    case 'failed':
    case 'asks':
      return 'failed';
    default:
      return 'idle';
  }
}

/** `1A Initial Setup  reviewing, attempt 1, round 2, 12s`, and below it the tail. */
function titleOf(
  item: ItemState,
  state: RunState,
  width: number,
  { color, now, tz, tail, last, began }: FrameOptions,
): string {
  const paint: Paint = painter(color);
  const { phase } = item;
  const word = phaseWord(item, state);
  const name = oneLine(`${item.item.id} ${item.item.title}`);
  const facts: string[] = [];
  if (phase.is === 'landed') facts.push(shortOid(phase.commit));
  if (item.attempt > 1 || (item.attempt > 0 && phase.is === 'doing')) facts.push(`attempt ${item.attempt}`);
  if (item.round > 0) facts.push(`round ${item.round}`);
  const start = began.get(item.item.id);
  if (phase.is === 'doing') facts.push(formatDuration(now() - phase.since));
  else if (phase.is === 'landed' && start !== undefined) facts.push(formatDuration(phase.at - start));
  else if (phase.is === 'failed' || phase.is === 'asks') facts.push(oneLine(phase.message));
  else if (word === 'waiting' || word === 'blocked') {
    const why = explainStanding(state, item, true, { now: now(), tz });
    if (why !== undefined) facts.push(why);
  }
  const rest = [word, ...facts].join(', ');
  // The name gives way first: what happens is what one looks for.
  const shortName = cutTo(name, Math.max(6, width - textWidth(rest) - 2));
  const room = Math.max(0, width - textWidth(shortName) - 2);
  const line = `${paint('bold', shortName)}  ${paint(phaseStyle(word), cutTo(rest, room))}`;
  const said = last || phase.is !== 'doing' ? undefined : tail?.(item);
  const saidLine = said === undefined ? '' : cutTo(oneLine(said), width - 2);
  return saidLine === '' ? line : `${line}\n${paint('dim', saidLine)}`;
}

/** `3/8 landed, 2 at work, 1 failed, 3 to go, 2m 05s, $0.42`. */
function counterOf(state: RunState, { now, tz, color, began }: FrameOptions, width: number): string {
  const { landed, all } = progressOf(state);
  const words = [...state.items.values()]
    .filter(({ item }) => item.kind === 'milestone')
    .map((item) => phaseWord(item, state));
  const number = (...some: readonly string[]): number => words.filter((word) => some.includes(word)).length;
  const failed = number('failed', 'asking', 'blocked');
  const waiting = number('waiting', 'ready');
  const working = words.length - number('landed', 'passed') - failed - waiting;
  const spent = costOf(state);
  const start = Math.min(...began.values());
  const parts = [
    `${landed}/${all} landed`,
    `${working} at work`,
    ...(failed > 0 ? [`${failed} stuck`] : []),
    ...(waiting > 0 ? [`${waiting} to go`] : []),
    ...(Number.isFinite(start) ? [formatDuration(now() - start)] : []),
    ...(spent > 0 ? [formatUsd(spent)] : []),
  ];
  const counter = painter(color)('dim', cutTo(parts.join(', '), width));
  const shortage = shortageOf(state, now());
  const held = credentialWords(state, { now: now(), tz });
  const coming = comingConflicts(state);
  const lines = [
    ...(shortage === undefined ? [] : [`no new agents: ${oneLine(shortage)}`]),
    ...(held === undefined ? [] : [`credentials: ${held}`]),
    ...(coming.length === 0
      ? []
      : [
          `conflicts to come: ${names(
            coming.map((one) => foreseenWords(one, state.target)),
            2,
          )}`,
        ]),
  ];
  return [counter, ...lines.map((line) => painter(color)('yellow', cutTo(line, width)))].join('\n');
}
