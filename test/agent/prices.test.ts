import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { estimateUsd, PRICES, PRICES_AS_OF } from '../../src/agent/prices.js';
import { home } from '../rig/inside.js';

const tokens = { input: 1_000_000, cached: 400_000, output: 100_000 };

describe('what tokens cost by list prices', () => {
  it('is of what was sent anew, what came from a cache and what was received', () => {
    // 0.6 M at 1.25, 0.4 M at 0.125, 0.1 M at 10.
    expect(estimateUsd('gpt-5-codex', tokens)).toBe(1.8);
    expect(estimateUsd('gpt-5-codex', { input: 10, cached: 50, output: 0 })).toBe(0.000001);
  });

  it('takes a model by its name, whatever its provider and date', () => {
    for (const name of ['gpt-5.4', 'openai/gpt-5.4', 'GPT-5.4', 'gpt-5.4-2026-03-05']) {
      expect([name, estimateUsd(name, tokens)]).toEqual([name, 3.1]);
    }
    expect(estimateUsd('gemini-3.1-pro-preview', tokens)).toBe(estimateUsd('gemini-3.1-pro', tokens));
  });

  it('is not known of a model that is not in the table, however near its name is', () => {
    for (const name of [undefined, '', 'gpt-5.4-pro', 'gpt-5', 'gpt-55', 'my-own'] as const) {
      const expected = name === 'gpt-5' ? 1.8 : undefined;
      expect([name, estimateUsd(name, tokens)]).toEqual([name, expected]);
    }
  });
});

it('are the prices that the documentation says', () => {
  const page = readFileSync(join(home, 'docs', 'agents.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([^`]+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$/gm)].map(
    ([, model, ...usd]) => [model, ...usd.map(Number)],
  );
  expect(rows).toEqual(
    [...PRICES].map(([model, { input, cached, output }]) => [model, input, cached, output]),
  );
  expect(page).toContain(`as of\n${PRICES_AS_OF}.`);
});
