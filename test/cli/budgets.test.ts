/** Budgets held against programs that behave as `claude --max-budget-usd` does. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/index.js';
import { inside, makeInside } from '../rig/inside.js';
import { makeProject, pathWith, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** Wants $0.40 for a milestone. Its cap counts a conversation from its beginning, and is seen too late by a cent. */
const CLAUDE = `#!/usr/bin/env node
const { appendFileSync, readFileSync, writeFileSync } = require('node:fs');
const args = process.argv.slice(2);
const after = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
readFileSync(0);
const id = process.env.MSTONE_MILESTONE;
const session = after('--resume') ?? after('--session-id');
const file = process.env.HOME + '/session.' + session;
let before = 0;
try { before = Number(readFileSync(file, 'utf8')); } catch {}
const cap = Number(after('--max-budget-usd') ?? Infinity);
const ended = cap < 0.4;
const total = ended ? cap + 0.01 : 0.4;
writeFileSync(file, String(total));
appendFileSync(process.env.HOME + '/calls', JSON.stringify({ id, cap, resumed: args.includes('--resume'), cost: total - before }) + '\\n');
const say = (event) => console.log(JSON.stringify(event));
say({ type: 'system', subtype: 'init', session_id: session, claude_code_version: '2.1.329' });
if (!ended) writeFileSync(id + '.txt', id);
say({ type: 'result', subtype: ended ? 'error_max_budget_usd' : 'success', is_error: ended, result: '',
  errors: ended ? ['Reached maximum budget'] : [], total_cost_usd: total,
  model_usage_since_last_result: { 'claude-sonnet': { costUSD: total - before } },
  usage: { input_tokens: 100, cache_read_input_tokens: 900, output_tokens: 50 }, session_id: session });
process.exitCode = ended ? 1 : 0;
`;

function project(config: object): TestProject {
  const made = makeProject(`${JSON.stringify({ agent: 'claude', review: false, ...config })}\n`);
  projects.push(made);
  made.env.PATH = pathWith(join(made.root, '..', 'bin'), { claude: CLAUDE });
  made.env.TZ = 'UTC';
  return made;
}

interface Called {
  readonly id: string;
  /** Null where there was none. */
  readonly cap: number | null;
  readonly resumed: boolean;
  readonly cost: number;
}

const callsOf = (p: TestProject): Called[] =>
  readFileSync(join(p.env.HOME ?? '', 'calls'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Called);

describe('money', () => {
  it('eight agents at $0.40 under a budget of $1 never pass $1.40, and go on with more', async () => {
    const p = project({ jobs: 8, budget: { usd: 1 } });
    for (const letter of 'ABCDEFGH') p.write(`milestones/1${letter}.md`, `# 1${letter}\n`);
    p.commit('Milestones');
    const paused = await inside(['run'], p.root, p.env);
    expect(paused.code, paused.stdout + paused.stderr).toBe(75);
    const first = callsOf(p);
    const spent = first.reduce((sum, { cost }) => sum + cost, 0);
    expect(spent).toBeGreaterThan(0.9);
    expect(spent).toBeLessThanOrEqual(1.4);
    expect(new Set(first.map(({ id }) => id)).size).toBe(8);
    expect(paused.stdout).toContain('1A implement was ended by its CLI at what it may cost');

    const more = await inside(['resume', '--max-cost', '10'], p.root, p.env);
    expect(more.code, more.stdout + more.stderr).toBe(0);
    const second = callsOf(p).slice(first.length);
    expect(second.map(({ resumed }) => resumed)).toEqual(second.map(() => true));
    expect(callsOf(p).reduce((sum, { cost }) => sum + cost, 0)).toBeCloseTo(3.2, 6);
  });

  it('of a day is that of all runs: it pauses until midnight, and goes on the day after', async () => {
    const p = project({ jobs: 1, budget: { per_day: 1, per_milestone: 0.5 } });
    for (const letter of 'ABC') p.write(`milestones/1${letter}.md`, `# 1${letter}\n`);
    p.commit('Milestones');
    const at = async (time: string, ...args: string[]) => {
      const inner = makeInside(p.root, p.env);
      const code = await main(args, { ...inner.world, now: () => Date.parse(time) });
      return { code, ...inner.said() };
    };
    const one = await at('2026-11-20T20:00:00Z', 'run', '1A');
    expect(one.code, one.stdout + one.stderr).toBe(0);
    const two = await at('2026-11-20T22:00:00Z', 'run');
    expect(two.code, two.stdout + two.stderr).toBe(75);
    expect(callsOf(p).map(({ id, cap }) => [id, cap])).toEqual([
      ['1A', 1],
      ['1B', 0.6],
    ]);
    expect(two.stdout).toContain('Budget $1.00 a day, until midnight in UTC\n');
    expect(two.stdout).toMatch(
      /Paused: the budget of \$1\.00 a day does not hold another agent: \$0\.80 is spent today, until /,
    );
    const three = await at('2026-11-21T00:00:00Z', 'resume');
    expect(three.code, three.stdout + three.stderr).toBe(0);
    expect(callsOf(p).map(({ id }) => id)).toEqual(['1A', '1B', '1C']);
  });

  it('is not the only thing: tokens are limited likewise', async () => {
    const p = project({ jobs: 1, budget: { tokens: 3000 } });
    for (const letter of 'ABC') p.write(`milestones/1${letter}.md`, `# 1${letter}\n`);
    p.commit('Milestones');
    const run = await inside(['run'], p.root, p.env);
    expect(run.code, run.stdout + run.stderr).toBe(75);
    expect(run.stdout).toContain('the budget of 3000 tokens does not hold another agent: 2100 are used');
    expect(callsOf(p).map(({ cap }) => cap)).toEqual([null, null]);
    const more = await inside(['resume'], p.root, { ...p.env, MSTONE_BUDGET_TOKENS: '9000' });
    expect(more.code, more.stdout + more.stderr).toBe(0);
  });
});
