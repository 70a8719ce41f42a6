/**
 * What agents have cost, one charge for each assignment, and sums of them by whatever is asked for.
 */
import { dayOf } from '../model/day.js';
import type { ItemId, Purpose, WorkEffect } from '../model/effect.js';
import type { Event } from '../model/event.js';
import type { Tokens } from '../model/outcome.js';

export interface Charge {
  /** Absent where a landing names no run. */
  readonly run?: string;
  readonly item: ItemId;
  readonly stage: number;
  /** Absent for what is known from history alone: there a milestone's assignments are one sum. */
  readonly attempt?: number;
  readonly purpose?: Purpose;
  readonly agent: string;
  /** What it was paid with, where there is a choice. */
  readonly credential?: string;
  /** Epoch ms: when it had ended. */
  readonly at: number;
  readonly usd: number;
  /** By a table of prices and not by the agent's own word. */
  readonly estimated: boolean;
  /** A subscription paid: `usd` is by list prices, and billed to nobody. */
  readonly subscription: boolean;
  /** It finished and nothing says what it cost. A recipe costs nothing. */
  readonly untold: boolean;
  readonly tokens?: Tokens;
}

export const GROUPINGS = ['attempt', 'milestone', 'stage', 'run', 'agent', 'credential', 'day'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Charges that have one thing in common. */
export interface Sum {
  readonly key: string;
  readonly usd: number;
  /** The part of it that is an estimate. */
  readonly estimatedUsd: number;
  /** The part of it that a subscription paid: by list prices, and billed to nobody. */
  readonly subscriptionUsd: number;
  readonly assignments: number;
  /** Of them, those that a subscription paid. */
  readonly subscribed: number;
  /** Of them, those of which nothing says what they cost. */
  readonly untold: number;
  readonly tokens: Tokens;
}

const stageIn = (item: ItemId): number => Number.parseInt(item, 10) || 0;

/** What each assignment of a run cost, in the order in which they ended. */
export function chargesOf(run: string, events: Iterable<Event>): Charge[] {
  const stages = new Map<ItemId, number>();
  const flights = new Map<string, WorkEffect>();
  const charges: Charge[] = [];
  for (const event of events) {
    switch (event.type) {
      case 'run.started':
      case 'run.continued':
        for (const item of event.items) stages.set(item.id, item.stage);
        break;
      case 'work.started':
        flights.set(event.id, event.effect);
        break;
      case 'work.ended': {
        const effect = flights.get(event.id);
        if (effect === undefined) break;
        const { outcome } = event;
        charges.push({
          run,
          item: effect.item,
          stage: stages.get(effect.item) ?? stageIn(effect.item),
          attempt: effect.attempt,
          purpose: effect.purpose,
          agent: effect.agent,
          ...(effect.credential === undefined ? {} : { credential: effect.credential }),
          at: event.now,
          usd: outcome.costUsd,
          estimated: outcome.estimated === true,
          subscription: outcome.subscription === true,
          untold: outcome.agent.kind === 'finished' && outcome.costUsd === 0 && effect.agent !== 'recipe',
          ...(outcome.tokens === undefined ? {} : { tokens: outcome.tokens }),
        });
        break;
      }
      default:
    }
  }
  return charges;
}

/** What history says a landing cost, all its attempts and reviews together. */
export interface LandingCost {
  readonly id: ItemId;
  readonly run?: string;
  readonly agent?: string;
  readonly at: number;
  readonly usd: number;
  readonly estimated: boolean;
}

/** The charges of landings whose run's journal is gone; the others know better themselves. */
export function chargesInHistory(landings: readonly LandingCost[], known: ReadonlySet<string>): Charge[] {
  return landings.flatMap(({ id, run, agent, at, usd, estimated }) =>
    usd === 0 || (run !== undefined && known.has(run))
      ? []
      : [
          {
            ...(run === undefined ? {} : { run }),
            item: id,
            stage: stageIn(id),
            agent: agent ?? '',
            at,
            usd,
            estimated,
            subscription: false,
            untold: false,
          },
        ],
  );
}

const micros = (usd: number): number => Math.round(usd * 1e6);

/** All of them together. */
export function sumOf(key: string, charges: readonly Charge[]): Sum {
  let usd = 0;
  let estimated = 0;
  let untold = 0;
  let subscription = 0;
  let subscribed = 0;
  const tokens = { input: 0, cached: 0, output: 0 };
  for (const charge of charges) {
    usd += micros(charge.usd);
    if (charge.estimated) estimated += micros(charge.usd);
    if (charge.untold) untold += 1;
    if (charge.subscription) {
      subscription += micros(charge.usd);
      subscribed += 1;
    }
    tokens.input += charge.tokens?.input ?? 0;
    tokens.cached += charge.tokens?.cached ?? 0;
    tokens.output += charge.tokens?.output ?? 0;
  }
  return {
    key,
    usd: usd / 1e6,
    estimatedUsd: estimated / 1e6,
    subscriptionUsd: subscription / 1e6,
    assignments: charges.length,
    subscribed,
    untold,
    tokens,
  };
}

/** Sums by what is asked for, in the order of their keys; runs and days are thereby by age. `tz` as in `dayOf`. */
export function sumsBy(grouping: Grouping, charges: readonly Charge[], tz?: string): Sum[] {
  const groups = new Map<string, Charge[]>();
  for (const charge of charges) {
    const key = keyOf(grouping, charge, tz);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [charge]);
    else group.push(charge);
  }
  const order = new Intl.Collator('en', { numeric: true });
  return [...groups].sort(([a], [b]) => order.compare(a, b)).map(([key, members]) => sumOf(key, members));
}

function keyOf(grouping: Grouping, charge: Charge, tz: string | undefined): string {
  switch (grouping) {
    case 'attempt':
      return charge.attempt === undefined ? charge.item : `${charge.item}.${charge.attempt}`;
    case 'milestone':
      return charge.item;
    case 'stage':
      return String(charge.stage);
    case 'run':
      return charge.run ?? '';
    case 'agent':
      return charge.agent;
    case 'credential':
      // Without a choice each agent has one of its own.
      return charge.credential ?? charge.agent;
    case 'day':
      return dayOf(charge.at, tz);
  }
}
