/**
 * The sentences that people read, in one place: the same thing is said the same way everywhere.
 *
 * All text that comes from elsewhere goes through `oneLine` here; what these functions return may be
 * printed as it is.
 */
import { type Diagnostic, withFix } from '../model/diagnostic.js';
import type { ItemId } from '../model/effect.js';
import type { Foreseen } from '../model/foreseen.js';
import type { UsageWindow } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { Flake, ItemState, RunState, Step, Wait } from '../model/state.js';
import { awaiting } from '../run/approvals.js';
import { blockersOf, unmetNeeds } from '../run/needs.js';
import { budgetNeeded, heldBy, waitOf } from '../run/questions.js';
import { agentsFor } from '../run/reviews.js';
import { oneLine, type Paint, painter } from './text.js';

/** A point in time needs a zone to be read in; undefined is the system's own. */
export interface When {
  /** Epoch ms. */
  readonly now: number;
  readonly tz?: string | undefined;
  /** Nothing counts down: it is read later, or held against what was shown before. */
  readonly still?: true;
}

/** `0.4s`, `12s`, `3m 05s`, `1h 02m`, `2d 03h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 0.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h ${two((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${two((whole % 86_400) / 3600)}h`;
}

/** `date` is `2026-11-20`, `time` is `12:04:05`. */
function wallClock(ms: number, tz: string | undefined): { readonly date: string; readonly time: string } {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: tz, dateStyle: 'short', timeStyle: 'medium' });
  // The Swedish way is ISO's: `2026-11-20 12:04:05`.
  const [date = '', time = ''] = format.format(ms).split(' ');
  return { date, time };
}

/** `12:04:05`, in the given zone or the system's. */
export const formatClock = (ms: number, tz?: string): string => wallClock(ms, tz).time;

/** `13:07`, or `2026-11-21 13:07` when that is another day than now. */
export function formatUntil(ms: number, { now, tz }: When): string {
  const { date, time } = wallClock(ms, tz);
  const minute = time.slice(0, 5);
  return date === wallClock(now, tz).date ? minute : `${date} ${minute}`;
}

/** `2026-11-21 06:30 CET`: for what is far away, or must not be misread. */
export function formatMoment(ms: number, tz?: string): string {
  const { date, time } = wallClock(ms, tz);
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone: tz, timeZoneName: 'short' }).formatToParts(ms);
  return `${date} ${time.slice(0, 5)} ${parts.find(({ type }) => type === 'timeZoneName')?.value ?? ''}`;
}

/** `$0.42`; what is more than nothing never reads as nothing. */
export const formatUsd = (usd: number): string => (usd > 0 && usd < 0.005 ? '<$0.01' : `$${usd.toFixed(2)}`);

/** The short form of an object name. */
export const shortOid = (oid: string): string => oneLine(oid).slice(0, 7);

/** `1 finding`, `2 findings`. */
export const count = (number: number, noun: string, nouns = `${noun}s`): string =>
  `${number} ${number === 1 ? noun : nouns}`;

/** `1B and 1C will conflict in src/a.ts`. */
export const foreseenWords = ({ item, with: other, files }: Foreseen, target: string): string =>
  other === undefined
    ? `${item} will conflict with ${oneLine(target)} in ${names(files, 3)}`
    : `${other.item} and ${item} will conflict in ${names(files, 3)}`;

/** At most `most` names, and how many more there are. */
export function names(all: readonly string[], most = 5): string {
  const shown = all.slice(0, most).map(oneLine).join(', ');
  return all.length > most ? `${shown} and ${all.length - most} more` : shown;
}

export type PhaseWord =
  | 'ready'
  | 'implementing'
  | 'checking'
  | 'reviewing'
  | 'remediating'
  | 'resolving'
  | 'merging'
  | 'verifying'
  | 'landing'
  | 'waiting'
  | 'landed'
  | 'passed'
  | 'failed'
  | 'asking'
  | 'blocked';

const STEP_WORDS: Readonly<Record<Step['is'], PhaseWord>> = {
  implement: 'implementing',
  check: 'checking',
  review: 'reviewing',
  remediate: 'remediating',
  resolve: 'resolving',
  candidate: 'merging',
  verify: 'verifying',
  land: 'landing',
};

/** Where an item is, in one word; `waiting` and `blocked` are read off what it needs. */
export function phaseWord(item: ItemState, state: RunState): PhaseWord {
  const { phase } = item;
  switch (phase.is) {
    case 'doing':
      return STEP_WORDS[phase.step.is];
    case 'next':
      if (blockersOf(state, item).length > 0) return 'blocked';
      return unmetNeeds(state, item).length > 0 || awaiting(item) !== undefined ? 'waiting' : 'ready';
    case 'asks':
      return 'asking';
    case 'waiting':
    case 'landed':
    case 'passed':
    case 'failed':
      return phase.is;
    default:
      return unreachable(phase);
  }
}

/**
 * Which credentials cannot be used now, by their names: `work is limited until 13:07 (12m), spare cannot be
 * used: no credit`. Undefined where all can, or none is configured.
 */
export function credentialWords(state: RunState, when: When): string | undefined {
  const { settings, closed, shut } = state;
  const { credentials = {} } = settings;
  const agents = [...state.items.values()].flatMap(({ item }) => agentsFor(item));
  const names = new Set([
    ...Object.values(credentials).flatMap(({ order }) => order),
    // Whoever pays by itself does so under its own name.
    ...agents.filter((agent) => credentials[agent] === undefined),
  ]);
  const words = [...names].flatMap((name) => {
    const refused = shut.get(name);
    if (refused !== undefined) return [`${oneLine(name)} cannot be used: ${oneLine(refused.why)}`];
    const until = closed.get(name) ?? 0;
    if (until <= when.now) return [];
    return [`${oneLine(name)} is limited until ${formatUntil(until, when)}${leftWords(until, when)}`];
  });
  return words.length === 0 ? undefined : words.join(', ');
}

/** What a person types who has looked. */
const decideWords = (item: ItemId): string => {
  const id = shellWord(item);
  return `mstone approve ${id}, or mstone reject ${id} --because "…"`;
};

/** The work of a milestone, whatever has landed since it began. */
const readWork = ({ item, target }: { readonly item: ItemId; readonly target: string }): string =>
  `git diff ${shellWord(`${target}...mstone/${item}`)}`;

/** ` (12m 05s)`, where the reader looks at it while it goes by. */
const leftWords = (until: number, { now, still }: When): string =>
  still === true ? '' : ` (${formatDuration(until - now)})`;

const WINDOWS: Readonly<Record<string, string>> = { five_hour: '5 hours', seven_day: '7 days' };

/** What of each subscription's windows is used: `login: 42 % of 5 hours, until 13:07`. Undefined where nothing is told. */
export function windowWords(
  windows: ReadonlyMap<string, readonly UsageWindow[]>,
  when: When,
): readonly string[] | undefined {
  const words = [...windows].flatMap(([credential, told]) => {
    const current = told
      .filter(({ resetsAt }) => resetsAt > when.now)
      .map(
        ({ name, used, resetsAt }) =>
          `${Math.round(used * 100)} % of ${WINDOWS[name] ?? oneLine(name)}, until ${formatUntil(resetsAt, when)}`,
      );
    return current.length === 0 ? [] : [`${oneLine(credential)}: ${current.join('; ')}`];
  });
  return words.length === 0 ? undefined : words;
}

/** A clause that answers "why is it not running?". */
export function explainWait(wait: Wait, when: When): string {
  switch (wait.for) {
    case 'credential':
      return wait.kept === true
        ? `waits until ${formatUntil(wait.until, when)}: what is left of ${oneLine(wait.credential)} is kept for milestones that have begun`
        : `waits for ${oneLine(wait.credential)}'s limit until ${formatUntil(wait.until, when)}`;
    case 'probe':
      return `waits to see whether ${oneLine(wait.credential)} is let in again`;
    case 'launch':
      return `starts at ${formatClock(wait.until, when.tz)}: agents are not started faster`;
    case 'backoff':
      return `tries again at ${formatClock(wait.until, when.tz)}`;
    case 'dependency':
      return `waits for ${names(wait.items)}`;
    case 'slot':
      return 'waits for a free slot';
    case 'host':
      return `no new agents: ${oneLine(wait.why)}`;
    case 'lane':
      return `waits for ${oneLine(wait.item)} to land`;
    case 'checkout':
      return `waits for the checkout: ${oneLine(wait.block.message)} (${oneLine(wait.block.command)})`;
    case 'approval':
      return wait.of === 'before'
        ? `waits for your approval before an agent starts: ${decideWords(wait.item)}`
        : `waits for your approval before it lands: read it with ${readWork(wait)}, then ${decideWords(wait.item)}`;
    case 'person':
      return `needs you: ${oneLine(wait.why)}`;
    default:
      return unreachable(wait);
  }
}

/**
 * A clause that answers "why is it not running?" of an item, where there is an answer. `alive`: somebody
 * drives the run; without one nothing that could go on does.
 */
export function explainStanding(
  state: RunState,
  item: ItemState,
  alive: boolean,
  when: When,
): string | undefined {
  const { phase } = item;
  const wait = waitOf(state, item, when.now);
  const rests = state.end?.is === 'paused' || (state.end === undefined && !alive);
  const couldGoOn =
    phase.is === 'doing' ||
    ((phase.is === 'next' || phase.is === 'waiting') && (wait?.for === 'slot' || wait?.for === 'host'));
  if (rests && couldGoOn) {
    const { exit } = state.end ?? {};
    const stopped = exit === undefined || exit === 129 || exit === 130 || exit === 143;
    const how = item.attempt === 0 ? 'not begun' : stopped ? 'interrupted' : 'paused';
    return `${how}; \`mstone resume\` goes on`;
  }
  const held = wait?.for === 'slot' || wait?.for === 'host' ? heldBy(state, item, when.now) : undefined;
  if (held === 'deadline') return 'is not started: the deadline has come';
  if (held === 'budget') return 'is not started: the budget does not hold it';
  if (held === 'day') return "is not started: today's budget does not hold it";
  if (held === 'tokens') return 'is not started: the budget of tokens does not hold it';
  return wait === undefined ? undefined : explainWait(wait, when);
}

/** Milestones that have landed, and all there are. */
export function progressOf(state: RunState): { readonly landed: number; readonly all: number } {
  const milestones = [...state.items.values()].filter(({ item }) => item.kind === 'milestone');
  return {
    landed: milestones.filter(({ phase }) => phase.is === 'landed').length,
    all: milestones.length,
  };
}

export const costOf = (state: RunState): number =>
  [...state.items.values()].reduce((sum, { costUsd }) => sum + costUsd, 0);

/** How a run stands, line by line, and the command to type next. */
export function summaryOf(
  state: RunState,
  when: When,
): { readonly lines: readonly string[]; readonly next: string } {
  const items = [...state.items.values()];
  const { landed, all } = progressOf(state);
  const target = oneLine(state.target);
  const spent = costOf(state);
  const on = state.shadow ? `mstone/${target}` : target;
  const done =
    all === 0 ? 'No milestone was left to do' : `${landed} of ${count(all, 'milestone')} landed on ${on}`;
  const lines = [`${done}${spent > 0 ? `, ${formatUsd(spent)} spent` : ''}`];
  const failed: ItemId[] = [];
  const asking: ItemId[] = [];
  const undecided: ItemId[] = [];
  for (const item of items) {
    const id = oneLine(item.item.id);
    const { phase } = item;
    if (phase.is === 'failed') {
      failed.push(id);
      lines.push(`${id} failed: ${oneLine(phase.message)} (mstone logs ${id})`);
    } else if (phase.is === 'asks') {
      asking.push(id);
      lines.push(`${id} needs you: ${oneLine(phase.message)} (mstone logs ${id})`);
    } else if (phase.is === 'waiting') {
      lines.push(`${id} ${explainWait(phase.wait, when)}`);
    } else {
      const wait = waitOf(state, item, when.now);
      if (wait?.for !== 'approval') continue;
      undecided.push(id);
      lines.push(`${id} ${explainWait(wait, when)}`);
    }
  }
  for (const { item, flakes = [] } of items) {
    for (const flake of flakes) lines.push(`${oneLine(item.id)}: ${flakeWords(flake)}`);
  }
  const blocked = items.filter((item) => phaseWord(item, state) === 'blocked');
  for (const item of blocked)
    lines.push(`${oneLine(item.item.id)} is blocked by ${names(blockersOf(state, item))}`);
  if (state.rewound) {
    lines.push(
      `${target} no longer holds ${shortOid(state.rewound.expected)}, it is at ${shortOid(state.rewound.found)}: both are kept, nothing lands`,
    );
  }
  const { unpublished } = state;
  if (unpublished) {
    lines.push(`${unpublished.what} could not be published: ${oneLine(unpublished.message)}`);
  }
  for (const [what, { pull }] of state.published ?? []) {
    if (pull !== undefined && 'command' in pull)
      lines.push(`${what} waits for its pull request: ${oneLine(pull.command)}`);
  }
  const block = state.shadow?.block;
  if (block) lines.push(`${target} could not follow: ${oneLine(block.message)}`);
  const { end } = state;
  if (end && end.exit !== 0) {
    const until = end.until === undefined ? '' : `, until ${formatUntil(end.until, when)}`;
    lines.push(`${end.is === 'paused' ? 'Paused' : 'Ended'}: ${oneLine(end.why)}${until}`);
  }
  return { lines, next: nextCommand(state, [...failed, ...asking], undecided, when) };
}

/** `npm test` failed once and passed on the same tree (a flake: adds) */
export const flakeWords = ({ command, tests }: Flake): string =>
  `${oneLine(command)} failed once and passed on the same tree (a flake${tests.length === 0 ? '' : `: ${names(tests)}`})`;

function nextCommand(
  state: RunState,
  stuck: readonly ItemId[],
  undecided: readonly ItemId[],
  { now }: When,
): string {
  const { end } = state;
  if (end?.is === 'paused' && end.exit === 3 && state.unpublished !== undefined) {
    return `${oneLine(state.unpublished.command)} && mstone resume`;
  }
  if (end?.is === 'paused' && end.exit === 3 && undecided.length > 0) {
    return `mstone approve ${undecided.map(shellWord).join(' ')} && mstone resume`;
  }
  if (end?.is === 'paused' && end.exit < 129) {
    const needed = budgetNeeded(state);
    const { budget } = state.settings;
    // Twice as much: what is just enough would pause again at the next agent.
    if (needed !== undefined && budget?.usd !== undefined) {
      return `mstone resume --max-cost ${Math.ceil(Math.max(needed, 2 * budget.usd, 2 * state.spend.usd))}`;
    }
  }
  if (end?.is === 'paused' && (end.until ?? 0) > now) return 'mstone resume --when-ready';
  if (end?.is !== 'ended') return 'mstone resume';
  if (state.items.get('base')?.phase.is === 'failed')
    return `mend ${shellWord(state.target)}, commit that, and type: mstone run`;
  if (state.rewound) return `git reflog ${shellWord(state.target)}`;
  if (stuck.length > 0) return `mstone retry ${stuck.join(' ')}`;
  const block = state.shadow?.block;
  if (block) return oneLine(block.command);
  if (end.exit !== 0) return 'mstone resume';
  for (const { pull } of state.published?.values() ?? []) {
    if (pull !== undefined && 'command' in pull) return oneLine(pull.command);
  }
  const where = state.shadow === undefined ? state.target : `mstone/${state.target}`;
  return `git log --graph --oneline ${shellWord(where)}`;
}

/** Text as one word of a POSIX shell: the user is going to paste it. */
export function shellWord(text: string): string {
  const plain = oneLine(text);
  return /^[\w./@+][\w./@+-]*$/.test(plain) ? plain : `'${plain.replaceAll("'", `'\\''`)}'`;
}

/** `milestones/1A.md:3: error: unknown key "depend_on"`, and below it what was expected, found, and what to do. */
export function formatDiagnostic(diagnostic: Diagnostic, paint: Paint = painter(false)): string {
  const { severity, file, line, message, expected, found, fix } = withFix(diagnostic);
  const place = file === undefined ? '' : `${oneLine(file)}:${line === undefined ? '' : `${line}:`} `;
  const style = severity === 'error' ? 'red' : severity === 'warning' ? 'yellow' : 'cyan';
  const more = [
    ['expected', expected],
    ['found', found],
    ['fix', fix],
  ] as const;
  return [
    `${place}${paint(style, `${severity}:`)} ${oneLine(message)}`,
    ...more.flatMap(([name, text]) =>
      text === undefined ? [] : [`  ${paint('dim', `${name}:`)} ${oneLine(text)}`],
    ),
  ].join('\n');
}

/** How an item came to its end, a sentence; undefined while it has not. */
export function settledWords({ item, phase }: ItemState): string | undefined {
  const id = oneLine(item.id);
  switch (phase.is) {
    case 'landed':
      return `${id} landed as ${shortOid(phase.commit)}`;
    case 'passed':
      return `${id} passed`;
    case 'failed':
      return `${id} failed: ${oneLine(phase.message)}`;
    case 'asks':
      return `${id} needs you: ${oneLine(phase.message)}`;
    default:
      return undefined;
  }
}

/** What is at work: `1A implement`, `1B check`. */
export const runningIn = (state: RunState): string[] =>
  [...state.flights.values()].map(({ effect }) =>
    oneLine(`${effect.item} ${effect.do === 'work' ? effect.purpose : effect.do}`),
  );

/** Told at the first Ctrl-C and at `mstone stop`: what is waited for, and how to stop waiting. */
export function interruptedWords(state: RunState, by: 'Ctrl-C' | 'mstone stop'): string {
  const running = runningIn(state);
  const what = by === 'Ctrl-C' ? 'interrupted' : 'asked to stop';
  if (running.length === 0) return `${what}: nothing new starts`;
  const again = by === 'Ctrl-C' ? 'Ctrl-C again' : '`mstone stop --now`';
  return `${what}: nothing new starts, ${names(running)} may end; ${again} ends ${running.length === 1 ? 'it' : 'them'} now`;
}

/** What a run goes by that will stop it, a sentence each: until when agents start, and for how much. */
export function termsOf(state: RunState, { tz }: When): string[] {
  const { deadline, budget } = state.settings;
  const spent = state.spend.usd > 0 ? `, ${formatUsd(state.spend.usd)} of it spent` : '';
  return [
    ...(deadline === undefined
      ? []
      : [`Deadline ${formatMoment(deadline, tz)}: from then on no agent is started`]),
    ...(budget?.usd === undefined
      ? []
      : [`Budget ${formatUsd(budget.usd)}${spent}: no agent is started that it does not hold`]),
    ...(budget?.perDay === undefined
      ? []
      : [`Budget ${formatUsd(budget.perDay.usd)} a day, until midnight in ${oneLine(budget.perDay.tz)}`]),
    ...(budget?.tokens === undefined
      ? []
      : [
          `Budget ${budget.tokens} tokens${state.spend.tokens > 0 ? `, ${state.spend.tokens} of them used` : ''}`,
        ]),
  ];
}

/** What a continued run found: `Continuing R: 3 landed, 2 taken up, 1 waits until 13:07`. */
export function explainFound(state: RunState, when: When): string {
  const { landed } = progressOf(state);
  const untils = [...state.items.values()].flatMap(({ phase }) =>
    phase.is === 'waiting' ? [phase.wait.until] : [],
  );
  const taken = [...state.flights.values()].filter(({ effect }) => effect.do === 'work').length;
  const parts = [`${landed} landed`, `${taken} taken up`];
  if (untils.length > 0) {
    const verb = untils.length === 1 ? 'waits' : 'wait';
    parts.push(`${untils.length} ${verb} until ${formatUntil(Math.min(...untils), when)}`);
  }
  return `Continuing ${oneLine(state.run)}: ${parts.join(', ')}`;
}
