/** `mstone costs` for people and for programs. */
import type { Tokens, UsageWindow } from '../model/outcome.js';
import type { Charge, Grouping, Sum } from '../run/costs.js';
import { sumOf, sumsBy } from '../run/costs.js';
import { oneLine, painter, table, textWidth } from './text.js';
import { count, formatUsd, windowWords } from './words.js';

interface SumDocument {
  readonly cost_usd: number;
  /** The part of it that is an estimate. */
  readonly estimated_usd: number;
  /** The part of it that a subscription paid: by list prices, and billed to nobody. */
  readonly subscription_usd: number;
  readonly assignments: number;
  /** Those of which nothing says what they cost. */
  readonly untold: number;
  readonly tokens: Tokens;
}

export interface CostsDocument {
  readonly schema: 1;
  readonly by: Grouping;
  readonly rows: readonly (SumDocument & { readonly key: string })[];
  readonly total: SumDocument;
  /** What of subscriptions' windows is used, as told last; those that are over are left out. */
  readonly windows: readonly {
    readonly credential: string;
    /** The service's own word, such as `five_hour`. */
    readonly window: string;
    /** A share, 0 to 1. */
    readonly used: number;
    /** RFC 3339, UTC. */
    readonly resets_at: string;
  }[];
}

export interface CostsView {
  readonly by: Grouping;
  readonly charges: readonly Charge[];
  /** The day is the local one. */
  readonly tz: string | undefined;
  /** By credential, what of its windows is used; those that are over are not shown. */
  readonly windows: ReadonlyMap<string, readonly UsageWindow[]>;
  /** Epoch ms. */
  readonly now: number;
}

const figures = ({ usd, estimatedUsd, subscriptionUsd, assignments, untold, tokens }: Sum): SumDocument => ({
  cost_usd: usd,
  estimated_usd: estimatedUsd,
  subscription_usd: subscriptionUsd,
  assignments,
  untold,
  tokens,
});

export function costsDocument({ by, charges, tz, windows, now }: CostsView): CostsDocument {
  return {
    schema: 1,
    by,
    rows: sumsBy(by, charges, tz).map((sum) => ({ key: sum.key, ...figures(sum) })),
    total: figures(sumOf('', charges)),
    windows: [...windows].flatMap(([credential, told]) =>
      told
        .filter(({ resetsAt }) => resetsAt > now)
        .map(({ name, used, resetsAt }) => ({
          credential,
          window: name,
          used,
          resets_at: new Date(resetsAt).toISOString(),
        })),
    ),
  };
}

/** `950`, `12.3k`, `4.56M`. */
export function formatTokens(tokens: number): string {
  if (tokens < 1000) return String(tokens);
  const [value, unit] = tokens < 999_500 ? [tokens / 1e3, 'k'] : [tokens / 1e6, 'M'];
  return `${value.toPrecision(3).includes('e') ? Math.round(value) : Number(value.toPrecision(3))}${unit}`;
}

const HEADS: Readonly<Record<Grouping, string>> = {
  attempt: 'Attempt',
  milestone: 'Milestone',
  stage: 'Stage',
  run: 'Run',
  agent: 'Agent',
  credential: 'Credential',
  day: 'Day',
};

/**
 * What a sum holds that nobody told as money: `~` for an estimate, `?` for what is not known at all, `s` for what a
 * subscription paid.
 */
function costCell({ usd, estimatedUsd, subscriptionUsd, assignments, subscribed, untold }: Sum): string {
  if (subscribed === assignments && assignments > 0) return 's';
  if (untold === assignments && assignments > 0) return '?';
  const money = `${estimatedUsd > 0 ? '~' : ''}${formatUsd(usd - subscriptionUsd)}`;
  return `${money}${subscribed > 0 ? ' + s' : ''}${untold > 0 ? ' + ?' : ''}`;
}

/** A table whose figures stand under each other, the total, and what its marks mean. */
export function costsText({ by, charges, tz, windows, now }: CostsView, color: boolean): string {
  if (charges.length === 0) return 'No agent has cost anything yet.\n';
  const paint = painter(color);
  const total = sumOf('Total', charges);
  const cells = (sum: Sum): string[] => [
    oneLine(sum.key) || '(not known)',
    costCell(sum),
    formatTokens(sum.tokens.input),
    formatTokens(sum.tokens.cached),
    formatTokens(sum.tokens.output),
    String(sum.assignments),
  ];
  const rows = [
    [HEADS[by], 'Cost', 'Sent', 'of it cached', 'Received', 'Agents'],
    ...sumsBy(by, charges, tz).map(cells),
    cells(total),
  ];
  const widths =
    rows[0]?.map((_, column) => Math.max(...rows.map((row) => textWidth(row[column] ?? '')))) ?? [];
  const aligned = rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell : ' '.repeat(Math.max(0, (widths[column] ?? 0) - textWidth(cell))) + cell,
    ),
  );
  const last = rows.length - 1;
  const lines = table(aligned, (cell, _column, row) =>
    row === 0 ? paint('dim', cell) : row === last ? paint('bold', cell) : cell,
  );
  const remarks = [
    ...(total.estimatedUsd > 0
      ? [`~ holds an estimate by list prices: ${formatUsd(total.estimatedUsd)} in all`]
      : []),
    ...(total.subscribed > 0
      ? [
          `s ${count(total.subscribed, 'assignment')} paid by subscription: no money, ${formatUsd(total.subscriptionUsd)} by list prices`,
          ...(windowWords(windows, { now, tz }) ?? []),
        ]
      : []),
    ...(total.untold > 0
      ? [`? nothing says what ${count(total.untold, 'assignment')} cost: ${untoldAgents(charges)}`]
      : []),
    ...(charges.some(({ attempt }) => attempt === undefined)
      ? ['Of runs whose journals are gone only landings are known, by their commits: no tokens']
      : []),
  ];
  return `${[...lines, ...(remarks.length === 0 ? [] : ['', ...remarks])].join('\n')}\n`;
}

const untoldAgents = (charges: readonly Charge[]): string =>
  [...new Set(charges.flatMap(({ untold, agent }) => (untold ? [oneLine(agent)] : [])))].sort().join(', ');
