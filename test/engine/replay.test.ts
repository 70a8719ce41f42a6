/**
 * A journal holds the inputs of every decision: replayed, it yields exactly its own intents. Held against a
 * run made here, and against journals of earlier versions, which must replay for ever.
 *
 * To record `test/fixtures/journals/` anew (as a further file; the old ones stay promises):
 *
 *     MSTONE_RECORD=test/fixtures/journals/<name>.ndjson npx vitest run test/engine/replay.test.ts
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { formatEntry, readJournal } from '../../src/journal/index.js';
import type { Entry } from '../../src/model/event.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { approve, makeProject, refuse, type TestProject } from '../rig/project.js';

const recorded = fileURLToPath(new URL('../fixtures/journals', import.meta.url));

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

async function entriesOf(file: string): Promise<readonly Entry[]> {
  const read = await readJournal(file);
  if (!read.ok) throw new Error(read.error.message);
  return read.value.entries;
}

/**
 * Folds a journal. Each intent must be what is decided next with its own inputs, and the last of a batch
 * must leave nothing to decide.
 */
function replayed(entries: readonly Entry[]): RunState {
  let state = emptyRun(entries[0]?.run ?? '');
  for (const [index, { event, seq }] of entries.entries()) {
    if (!('effect' in event)) {
      state = reduce(state, event);
      continue;
    }
    const [first, ...rest] = decide(state, event.inputs);
    expect(first, `line ${seq}`).toEqual(event.effect);
    state = reduce(state, event);
    expect(decide(state, event.inputs), `after line ${seq}`).toEqual(rest);
    const next = entries[index + 1]?.event;
    if (next === undefined || !('effect' in next)) expect(rest, `after line ${seq}`).toEqual([]);
  }
  return state;
}

/** What happened, without names that a run makes up: `work.started 1A implement`, `check.ended 1A failed`. */
function outline(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ event }) => {
    if (event.type === 'work.started') return [`${event.effect.item} ${event.effect.purpose}`];
    if (event.type === 'work.ended' && event.outcome.agent.kind !== 'finished') {
      return [`${event.item} ${event.outcome.agent.kind}`];
    }
    if ('outcome' in event && 'kind' in event.outcome) return [`${event.item} ${event.outcome.kind}`];
    return event.type === 'run.ended' ? [`exit ${event.exit}`] : [];
  });
}

/** What the run must have been through for its journal to be worth keeping. */
const MUST = [
  '1A limited',
  '1A review',
  '1A remediate',
  '1B failed',
  '1B remediate',
  '1-gate failed',
  '1-gate remediate',
  '1-gate landed',
  '2A landed',
  'exit 0',
];

/** A run with a limit, a refused review, a failed check, a conflict and a red gate. */
async function eventfulRun(): Promise<{ p: TestProject; file: string }> {
  const fixer = { kind: 'command', command: ['sh', '-c', 'rm -f gate.red'] };
  const config = {
    agent: 'fixer',
    reviewer: 'recipe',
    checks: ['! grep -qs BROKEN two'],
    stage_checks: ['! test -e gate.red'],
    agents: { fixer },
  };
  const p = makeProject(`${JSON.stringify(config)}\n`);
  projects.push(p);
  const limited = 'JSON.stringify({mstone:"limited",reset_at:new Date(Date.now()+1000).toISOString()})';
  const both = 'printf "1A\\n1B\\n" > both';
  p.milestone('1A', {
    front: 'agent: recipe',
    implement: `if mkdir "$HOME/once"; then node -e 'console.log(${limited})'; exit 75; fi; echo '{"mstone":"usage","cost_usd":0.125}'; echo one > one; echo 1A > both`,
    review: `if grep -q usage one; then ${approve()}; else ${refuse('no usage line')}; fi`,
    remediate: 'echo usage >> one',
    resolve: both,
  });
  p.milestone('1B', {
    front: 'agent: recipe',
    implement: 'echo BROKEN > two; echo 1B > both; touch gate.red',
    remediate: 'echo whole > two',
    resolve: both,
  });
  p.milestone('2A', { front: 'agent: recipe', implement: 'echo three > three' });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  const runs = join(p.root, '.git/mstone/runs');
  return { p, file: join(runs, readdirSync(runs)[0] ?? '', 'journal.ndjson') };
}

it('a run made now replays to its own intents', async () => {
  const { p, file } = await eventfulRun();
  const entries = await entriesOf(file);
  const seen = outline(entries);
  expect(seen).toEqual(expect.arrayContaining(MUST));
  expect(seen.filter((line) => / conflict$/.test(line)).length).toBeGreaterThan(0);
  const state = replayed(entries);
  expect(state.end).toEqual({ is: 'ended', exit: 0, why: 'all done' });
  expect(state.flights.size).toBe(0);

  const record = process.env.MSTONE_RECORD;
  if (record !== undefined) {
    mkdirSync(dirname(record), { recursive: true });
    writeFileSync(record, entries.map((entry) => `${formatEntry(scrubbed(entry, p))}\n`).join(''));
  }
});

/** The same entry without a path of the machine it was recorded on. */
function scrubbed(entry: Entry, p: TestProject): Entry {
  return JSON.parse(JSON.stringify(entry).replaceAll(dirname(p.root), '/home/tess')) as Entry;
}

describe('recorded journals', () => {
  it.each(readdirSync(recorded))('%s replays to its own intents', async (name) => {
    const entries = await entriesOf(join(recorded, name));
    const seen = outline(entries);
    expect(seen).toEqual(expect.arrayContaining(MUST));
    expect(seen.filter((line) => / conflict$/.test(line)).length).toBeGreaterThan(0);
    const state = replayed(entries);
    expect(state.end).toEqual({ is: 'ended', exit: 0, why: 'all done' });
    expect([...state.items.values()].map(({ item, phase }) => `${item.id} ${phase.is}`).sort()).toEqual([
      '1-gate landed',
      '1A landed',
      '1B landed',
      '2-gate passed',
      '2A landed',
    ]);
    expect(JSON.stringify(entries)).not.toMatch(/\/(?:tmp|work|root|home\/(?!tess)|Users|private|var)\//);
  });
});
