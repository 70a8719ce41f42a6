/** How long a run would take, for people and for programs, and on what that rests. */
import type { Prediction, Span } from '../plan/schedule.js';
import { count, formatDuration, names } from './words.js';

export interface PlanPrediction extends Prediction {
  /** Milestones of the run with an estimate of their own, and those that are taken for the usual. */
  readonly estimated: number;
  readonly usual: number;
  readonly usualMinutes: number;
  /** Who is worked on when. */
  readonly spans: readonly Span[];
}

export interface PredictionDocument {
  /** Agents at once. */
  readonly jobs: number;
  readonly minutes: number;
  /** Ids, in order: each waits for the one before it. */
  readonly critical_path: readonly string[];
  /** Absent where more agents at once would bring hardly anything. */
  readonly more?: { readonly jobs: number; readonly minutes: number };
  readonly basis: {
    readonly estimated: number;
    readonly usual: number;
    readonly usual_minutes: number;
  };
}

const rounded = (minutes: number): number => Math.round(minutes * 10) / 10;

export const predictionDocument = (prediction: PlanPrediction): PredictionDocument => ({
  jobs: prediction.jobs,
  minutes: rounded(prediction.minutes),
  critical_path: prediction.criticalPath,
  ...(prediction.more === undefined
    ? {}
    : { more: { jobs: prediction.more.jobs, minutes: rounded(prediction.more.minutes) } }),
  basis: {
    estimated: prediction.estimated,
    usual: prediction.usual,
    usual_minutes: rounded(prediction.usualMinutes),
  },
});

/** Nothing where no milestone says how long it takes: a guess of guesses is no news. */
export function predictionWords(prediction: PlanPrediction): string[] {
  const { minutes, more, criticalPath, estimated, usual, usualMinutes } = prediction;
  if (estimated === 0) return [];
  const length = (time: number): string => formatDuration(time * 60_000);
  const rest = usual === 0 ? '' : `; ${count(usual, 'other')} taken for ${length(usualMinutes)}`;
  const gain =
    more === undefined ? '' : `; with ${count(more.jobs, 'agent')} at once ${length(more.minutes)}`;
  return [
    `Takes about ${length(minutes)} by ${count(estimated, 'estimate')}${rest}${gain}`,
    `Longest path: ${names(criticalPath, 20)}`,
    ...chart(prediction.spans, minutes),
  ];
}

/** Fits into a terminal of 80 columns, place and indent included. */
const CHART_COLUMNS = 72;
/** More lines or names than these are no picture any more. */
const CHART_PLACES = 12;
const CHART_SPANS = 40;

/** A line for each agent at once, with who is worked on when; nothing where nobody runs beside or after another. */
function chart(spans: readonly Span[], minutes: number): string[] {
  const places = Math.max(0, ...spans.map(({ place }) => place));
  if (spans.length < 2 || spans.length > CHART_SPANS || places > CHART_PLACES) return [];
  const column = (time: number): number => Math.round((time / minutes) * CHART_COLUMNS);
  const line = (place: number): string => {
    let text = '';
    for (const { id, start, end } of spans.filter((span) => span.place === place)) {
      const room = Math.max(0, column(end) - column(start) - 1);
      text = `${text.padEnd(column(start))}${room < id.length ? '─'.repeat(room) : id.padEnd(room, '─')}`;
    }
    return text;
  };
  return ['', ...Array.from({ length: places }, (_, n) => ` ${String(n + 1).padStart(2)}  ${line(n + 1)}`)];
}
