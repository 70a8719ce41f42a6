/*
 * A crash at every step. Each story is run undisturbed once to list its acts (journal appends, files, refs,
 * git commands, starts), then once per chosen act with mstone ended by a real SIGKILL before or after it,
 * and resumed. Every append of the journal and every start is chosen, and of the other acts as many as
 * `CRASH_POINTS` allows in each story, evenly spread; `CRASH_POINTS=all` takes them all (some 3,000).
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import pLimit from 'p-limit';
import { afterAll, describe, expect, it } from 'vitest';
import { approve, makeProject, refuse, type TestProject } from '../rig/project.js';

const preload = pathToFileURL(
  join(dirname(dirname(fileURLToPath(import.meta.url))), 'rig', 'crash-points.mjs'),
).href;
const spread = process.env.CRASH_POINTS === 'all' ? Infinity : Number(process.env.CRASH_POINTS ?? 24);

const CONFIG = 'agent: recipe\nreviewer: recipe\njobs: 2\nbackoff: 0\n';

interface Story {
  readonly name: string;
  readonly config: string;
  /** `gate` is a folder beside the repository in which recipes leave and await files. */
  milestones(p: TestProject, gate: string): void;
}

const front = (gate: string): string => `env: { GATE: ${JSON.stringify(gate)} }`;
const waitFor = (name: string): string => `until test -e "$GATE/${name}"; do sleep 0.02; done`;

const STORIES: readonly Story[] = [
  {
    name: 'a red check, a refused review, two remediations, a gate',
    config: `${CONFIG}checks: ["test ! -e broken"]\nstage_checks: ["test -e fixed"]\n`,
    milestones(p) {
      p.milestone('1A', {
        implement: 'echo a > a; touch broken',
        remediate: 'if test -e broken; then rm broken; else touch fixed; fi',
        review: `if test -e fixed; then ${approve()}; else ${refuse('a is not enough')}; fi`,
      });
    },
  },
  {
    name: 'a conflict of two that began on one head',
    config: CONFIG,
    milestones(p, gate) {
      const resolve = 'printf "one\\ntwo\\n" > shared';
      p.milestone('1A', {
        front: front(gate),
        implement: `touch "$GATE/1A"; ${waitFor('1B')}; echo one > shared`,
        resolve,
      });
      p.milestone('1B', {
        front: front(gate),
        implement: `touch "$GATE/1B"; ${waitFor('1A')}; echo two > shared`,
        resolve,
      });
    },
  },
  {
    name: 'a usage limit, then a second stage',
    config: CONFIG,
    milestones(p, gate) {
      const limited = `node -e "console.log(JSON.stringify({mstone:'limited',reset_at:new Date(Date.now()+200).toISOString()}))"`;
      p.milestone('1A', {
        front: front(gate),
        implement: `if ! test -e "$GATE/limited"; then touch "$GATE/limited"; ${limited}; exit 75; fi; echo a > a`,
      });
      p.milestone('2A', { implement: 'cat a a > b' });
    },
  },
];

/** All that has to be the same after a crash, and what must be empty. */
interface End {
  readonly code: number | null;
  readonly tree: Readonly<Record<string, string>>;
  readonly landed: readonly string[];
  /** How many agents of each purpose were started. */
  readonly starts: Readonly<Record<string, number>>;
  /** Locks, processes, intents of a landing. */
  readonly left: readonly string[];
  /** Changes in the checkout. */
  readonly status: string;
  /** Work of agents that no ref holds. */
  readonly lost: readonly string[];
}

function project({ config, milestones }: Story): TestProject {
  const p = makeProject(config, 'swept');
  const gate = join(dirname(p.root), 'gate');
  mkdirSync(gate);
  milestones(p, gate);
  p.commit('Milestones');
  return p;
}

async function endOf(p: TestProject, code: number | null): Promise<End> {
  const starts: Record<string, number> = {};
  for (const name of p.starts()) {
    const purpose = name.split('.').at(-1) ?? '';
    starts[purpose] = (starts[purpose] ?? 0) + 1;
  }
  const held = new Set(p.git('rev-list', '--all').split('\n'));
  const made = p.journal().flatMap((entry) => {
    const { outcome } = entry as { outcome?: { harvest?: { commit: string } } };
    return outcome?.harvest === undefined ? [] : [outcome.harvest.commit];
  });
  return {
    code,
    tree: p.tree(),
    landed: p.landed().sort(),
    starts,
    left: await p.leftovers(),
    status: p.git('status', '--porcelain'),
    lost: made.filter((commit) => !held.has(commit)),
  };
}

/** A run to its end with its acts listed. */
async function undisturbed(story: Story): Promise<{ readonly end: End; readonly points: readonly string[] }> {
  const p = project(story);
  const list = join(dirname(p.root), 'points');
  Object.assign(p.env, { NODE_OPTIONS: `--import=${preload}`, CRASH_LIST: list });
  const { code } = await p.mstone('run');
  const end = await endOf(p, code);
  const points = readFileSync(list, 'utf8').trimEnd().split('\n');
  p.remove();
  return { end, points };
}

/** The same with a crash at a point; undefined where this run never came there. */
async function crashed(story: Story, point: string): Promise<End | undefined> {
  const p = project(story);
  const hit = join(dirname(p.root), 'hit');
  Object.assign(p.env, { NODE_OPTIONS: `--import=${preload}`, CRASH_AT: point, CRASH_HIT: hit });
  await p.mstone('run');
  for (const name of ['NODE_OPTIONS', 'CRASH_AT', 'CRASH_HIT']) delete p.env[name];
  let ended = await p.mstone('resume');
  // Killed before the run was there at all: then it says what to type.
  if (ended.stdout.includes('Nothing to resume')) ended = await p.mstone('run');
  const end = existsSync(hit) ? await endOf(p, ended.code) : undefined;
  p.remove();
  return end;
}

/** Every append and every start, and `most` others, evenly spread over the run; each before and after. */
function choose(points: readonly string[], most: number): string[] {
  const always = points.filter((point) => /^(?:journal|start) /.test(point));
  const others = points.filter((point) => !always.includes(point));
  const step = Math.max(1, others.length / most);
  const some = Array.from(
    { length: Math.min(others.length, most) },
    (_, index) => others[Math.floor(index * step)] ?? '',
  );
  return [...always, ...some].flatMap((point) => [`${point} before`, `${point} after`]);
}

const totals = { points: 0, same: 0, lost: 0, double: 0, orphans: 0, unreached: 0 };

describe('a crash at every step', () => {
  afterAll(() => {
    const { points, same, lost, double, orphans, unreached } = totals;
    process.stdout.write(
      `${points} points, ${same} same tree, ${lost} lost, ${double} double, ${orphans} orphans (${unreached} not come to)\n`,
    );
  });

  it.each(STORIES)(
    '$name: ends as if nothing had happened',
    async (story) => {
      const { end: calm, points } = await undisturbed(story);
      expect(calm).toMatchObject({ code: 0, left: [], status: '', lost: [] });

      const atOnce = pLimit(availableParallelism());
      const wrong: { point: string; end: End | undefined }[] = [];
      await Promise.all(
        choose(points, spread).map((point) =>
          atOnce(async () => {
            let end = await crashed(story, point);
            // Two milestones at work take turns; what came second may come first.
            for (let again = 0; end === undefined && again < 3; again += 1) end = await crashed(story, point);
            totals.points += 1;
            if (end === undefined) {
              totals.unreached += 1;
              return;
            }
            if (isDeepStrictEqual(end.tree, calm.tree)) totals.same += 1;
            totals.lost += end.lost.length;
            totals.double += end.landed.length - new Set(end.landed).size;
            totals.orphans += end.left.length;
            if (!isDeepStrictEqual(end, calm)) wrong.push({ point, end });
          }),
        ),
      );
      expect(wrong).toEqual([]);
    },
    3_600_000,
  );
});
