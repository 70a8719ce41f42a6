import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { demoMilestones } from '../../src/cli/demo.js';
import { makeProject, type Running, type TestProject } from '../rig/project.js';
import { seeded } from '../rig/world.js';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const projects: TestProject[] = [];
afterAll(() => {
  for (const made of projects) made.remove();
});

/** The demo's pipeline, committed, its pauses short enough to be waited for and long enough to be hit. */
function demoProject(name: string): TestProject {
  const p = makeProject(readFileSync(join(home, 'templates', 'demo.yaml'), 'utf8'), name);
  p.env.MSTONE_DEMO_PAUSE = '0.05';
  mkdirSync(join(p.root, 'milestones'));
  const pipeline = demoMilestones(home);
  for (const file of readdirSync(pipeline)) {
    if (file.endsWith('.md')) cpSync(join(pipeline, file), join(p.root, 'milestones', file));
  }
  p.commit('Milestones');
  projects.push(p);
  return p;
}

/** How many assignments of each purpose were started: `{implement: 11, …}`. */
function startsByPurpose(p: TestProject): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of p.starts()) {
    const purpose = name.split('.').at(-1) ?? '';
    counts[purpose] = (counts[purpose] ?? 0) + 1;
  }
  return counts;
}

/** A line of `--output ndjson` as far as it is looked at here. */
interface Line {
  readonly type: string;
  readonly effect?: { readonly purpose?: string };
}

const kindOf = (line: Line): string =>
  line.type === 'work.started' ? `work.started ${line.effect?.purpose ?? ''}` : line.type;

/**
 * Kills mstone, and it alone, when it prints its `nth` event of a kind, after `delay` ms. Returns false
 * when it ended before.
 */
async function killAt(running: Running, kind: string, nth: number, delay: number): Promise<boolean> {
  let rest = '';
  let seen = 0;
  const killed = new Promise<boolean>((resolve) => {
    running.child.stdout?.on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (kindOf(JSON.parse(line) as Line) !== kind) continue;
        seen += 1;
        if (seen !== nth) continue;
        setTimeout(() => resolve(running.child.kill('SIGKILL')), delay);
      }
    });
    void running.ended.then(() => resolve(false));
  });
  const hit = await killed;
  await running.ended;
  return hit;
}

/** Where the knife falls, twice or more in implement, in review and in landing, and all around them. */
const KINDS = [
  'work.started implement',
  'work.started review',
  'land.started',
  'work.ended',
  'candidate.started',
  'check.started',
  'land.ended',
  'work.started implement',
  'work.started review',
  'land.started',
];

describe('the demo pipeline, killed 20 times', () => {
  it('ends with the tree, the landings and the agent starts of an undisturbed run, and leaves nothing behind', async () => {
    const calm = demoProject('calm');
    const undisturbed = await calm.mstone('run');
    expect(undisturbed.code, undisturbed.stdout + undisturbed.stderr).toBe(0);
    const wanted = { tree: calm.tree(), starts: startsByPurpose(calm), landed: calm.landed().sort() };

    const kills: string[] = [];
    for (const seed of [1, 2]) {
      const random = seeded(seed);
      const p = demoProject(`killed-${seed}`);
      let command = 'run';
      for (const kind of KINDS) {
        const running = p.start([command, '--output', 'ndjson']);
        const delay = Math.floor(random() * 60);
        // A later kind may not come again near the end: then the run has ended and says so.
        if (await killAt(running, kind, 1, delay)) kills.push(`${kind} +${delay} ms`);
        command = 'resume';
      }
      const last = await p.mstone('resume');
      const story = `seed ${seed}: ${kills.join(', ')}`;
      expect(last.code, story + last.stdout + last.stderr).toBe(0);
      expect(p.tree(), story).toEqual(wanted.tree);
      expect(p.landed().sort(), story).toEqual(wanted.landed);
      expect(startsByPurpose(p), story).toEqual(wanted.starts);
      expect(await p.leftovers(), story).toEqual([]);
      expect(p.git('status', '--porcelain'), story).toBe('');
    }
    expect(kills.length).toBe(20);
    for (const kind of ['work.started implement', 'work.started review', 'land.started']) {
      expect(kills.filter((kill) => kill.startsWith(kind)).length, kind).toBeGreaterThanOrEqual(2);
    }
  }, 900_000);
});
