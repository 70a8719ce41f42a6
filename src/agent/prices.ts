/**
 * What tokens cost where a CLI counts them and names no money: an estimate, and marked as one wherever it is
 * shown. Standard list prices; longer prompts, faster tiers, batches and subscriptions cost otherwise.
 *
 * Sources, as of `PRICES_AS_OF`: https://developers.openai.com/api/docs/pricing,
 * https://ai.google.dev/gemini-api/docs/pricing, and the tables that repeat them in
 * https://github.com/github/docs/blob/main/data/tables/copilot/models-and-pricing.yml
 */
import type { Tokens } from '../model/outcome.js';

/** USD per million tokens. */
interface Price {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
}

export const PRICES_AS_OF = '2026-11-20';

const price = (input: number, cached: number, output: number): Price => ({ input, cached, output });

export const PRICES: ReadonlyMap<string, Price> = new Map([
  ['gpt-5', price(1.25, 0.125, 10)],
  ['gpt-5-codex', price(1.25, 0.125, 10)],
  ['gpt-5-mini', price(0.25, 0.025, 2)],
  ['gpt-5.1', price(1.25, 0.125, 10)],
  ['gpt-5.1-codex', price(1.25, 0.125, 10)],
  ['gpt-5.1-codex-max', price(1.25, 0.125, 10)],
  ['gpt-5.2', price(1.75, 0.175, 14)],
  ['gpt-5.2-codex', price(1.75, 0.175, 14)],
  ['gpt-5.3-codex', price(1.75, 0.175, 14)],
  ['gpt-5.4', price(2.5, 0.25, 15)],
  ['gpt-5.4-mini', price(0.75, 0.075, 4.5)],
  ['gpt-5.4-nano', price(0.2, 0.02, 1.25)],
  ['gpt-5.5', price(5, 0.5, 30)],
  ['gpt-5.6-luna', price(0.2, 0.02, 1.2)],
  ['gpt-5.6-sol', price(5, 0.5, 30)],
  ['gpt-5.6-terra', price(2, 0.2, 12)],
  ['gemini-2.5-pro', price(1.25, 0.125, 10)],
  ['gemini-2.5-flash', price(0.3, 0.03, 2.5)],
  ['gemini-3.1-pro', price(2, 0.2, 12)],
  ['gemini-3.5-flash', price(1.5, 0.15, 9)],
  ['gemini-3.6-flash', price(0.75, 0.075, 3.75)],
  ['gemini-3.7-flash', price(0.75, 0.075, 3.75)],
]);

/**
 * USD, in whole millionths; undefined for a model that is not in the table. A date or `-preview` behind its
 * name and a provider before it (`openai/gpt-5.4-2026-03-05`) make no difference, anything else does: a
 * `-pro` costs twelve times as much.
 */
export function estimateUsd(model: string | undefined, tokens: Tokens): number | undefined {
  if (model === undefined) return undefined;
  const name = model
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/-(?:20\d\d-\d\d-\d\d|preview(?:-\d\d-(?:\d\d|20\d\d))?)$/, '');
  const known = PRICES.get(name);
  if (known === undefined) return undefined;
  const cached = Math.min(tokens.cached, tokens.input);
  // Per million tokens in dollars is per token in millionths.
  const micros = (tokens.input - cached) * known.input + cached * known.cached + tokens.output * known.output;
  return Math.round(micros) / 1e6;
}
