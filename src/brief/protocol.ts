/**
 * The lines by which a `command` or `recipe` agent speaks to mstone on its stdout, one JSON object each:
 *
 *   {"mstone":"limited","reset_at":"2026-07-31T15:00:00Z"}
 *   {"mstone":"usage","cost_usd":0.1}
 *   {"mstone":"verdict","verdict":"approve", …}
 *
 * All else is log. Prose that merely mentions limits or approval counts for nothing.
 */
export type ProtocolLine =
  /** `resetAt` is epoch ms, as the agent said it: whoever waits for it bounds it. */
  | { readonly kind: 'limited'; readonly resetAt?: number }
  /** What this line adds to the assignment's cost. */
  | { readonly kind: 'usage'; readonly costUsd: number }
  /** Not judged yet: `readVerdict` does that. */
  | { readonly kind: 'verdict'; readonly value: Readonly<Record<string, unknown>> };

/** Beyond this a line is no message of ours, and parsing it would only cost memory. */
const LINE_CHARACTERS = 4 * 1024 * 1024;

const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Epoch ms of an RFC 3339 time, or undefined for anything else. */
function instant(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  const parts = RFC_3339.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day] = parts.map(Number);
  // Date takes February 30th for March 1st or 2nd.
  const date = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day ?? 0));
  if (date.getUTCDate() !== day || date.getUTCMonth() + 1 !== month) return undefined;
  const at = Date.parse(text.replace(' ', 'T').toUpperCase());
  return Number.isNaN(at) ? undefined : at;
}

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Readonly<Record<string, unknown>>;
  } catch {
    // A line that only looks like ours is log.
    return undefined;
  }
}

/** One line of an agent's stdout, without its line end → what it says to mstone, if anything. */
export function readProtocolLine(line: string): ProtocolLine | undefined {
  if (!line.includes('"mstone"') || line.length > LINE_CHARACTERS) return undefined;
  const said = parseObject(line);
  if (said === undefined || !Object.hasOwn(said, 'mstone')) return undefined;
  switch (said.mstone) {
    case 'limited': {
      const resetAt = instant(said.reset_at);
      return resetAt === undefined ? { kind: 'limited' } : { kind: 'limited', resetAt };
    }
    case 'usage': {
      const cost = said.cost_usd;
      if (typeof cost !== 'number' || !Number.isFinite(cost) || cost < 0) return undefined;
      return { kind: 'usage', costUsd: cost };
    }
    case 'verdict':
      return { kind: 'verdict', value: said };
    default:
      return undefined;
  }
}
