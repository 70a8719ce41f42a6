/** One pipeline from its beginning to its end, with mstone killed on the way, and what is there afterwards. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { TestProject } from '../rig/project.js';
import { projectOf, type Story } from './stories.js';

const preload = pathToFileURL(
  join(dirname(dirname(fileURLToPath(import.meta.url))), 'rig', 'crash-points.mjs'),
).href;

/** All that has to be the same after a crash, and what must be empty. */
export interface End {
  readonly code: number | null;
  readonly tree: Readonly<Record<string, string>>;
  readonly landed: readonly string[];
  /** How many agents of each purpose were started. */
  readonly starts: Readonly<Record<string, number>>;
  /** Locks, processes, intents of a landing, worktrees beside the slots. */
  readonly left: readonly string[];
  /** Changes in the checkout. */
  readonly status: string;
  /** Work of agents that no ref holds. */
  readonly lost: readonly string[];
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
  const branch = p.git('for-each-ref', 'refs/heads/mstone/main') === '' ? 'main' : 'mstone/main';
  return {
    code,
    tree: p.tree(branch),
    landed: p.landed(branch).sort(),
    starts,
    left: [...(await p.leftovers()), ...litter(p)],
    status: p.git('status', '--porcelain'),
    lost: made.filter((commit) => !held.has(commit)),
  };
}

/** Worktrees that are neither the checkout nor a slot that is there. */
const litter = (p: TestProject): string[] =>
  p
    .git('worktree', 'list', '--porcelain')
    .split('\n')
    .filter((line) => line.startsWith('worktree '))
    .map((line) => line.slice('worktree '.length))
    .filter((path) => path !== p.root && !(/^[12]$/.test(basename(path)) && existsSync(path)))
    .map((path) => `worktree ${basename(path)}`);

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];

export interface Chain {
  readonly end: End;
  /** The acts, in order, over all of mstone's lives. */
  readonly acts: readonly string[];
  /** Where it was killed. */
  readonly hit: readonly string[];
  /** How each of mstone's lives ended; a killed one has no code. */
  readonly codes: readonly (number | null)[];
}

/** Runs a story, mstone being killed at each point of a plan when it comes there, and resumed. */
export async function livedThrough(story: Story, plan: readonly string[]): Promise<Chain> {
  const p = projectOf(story);
  try {
    const [list, points, hits] = ['acts', 'plan', 'hits'].map((name) => join(dirname(p.root), name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(points, plan.map((point) => `${point}\n`).join(''));
    Object.assign(p.env, {
      NODE_OPTIONS: `--import=${preload}`,
      CRASH_LIST: list,
      CRASH_PLAN: points,
      CRASH_HIT: hits,
    });
    const codes: (number | null)[] = [];
    const begin = ['run'];
    for (let words = begin, before = 0; ; ) {
      const [command] = words;
      const { code, stdout } = await p.mstone(...words);
      codes.push(code);
      const { length } = linesOf(hits);
      // Killed before the run was there at all, or when it was over: then it says what to type.
      if (length > before) words = command === 'run' ? ['resume'] : words;
      else if (command === 'approve') words = ['resume'];
      else if (command === 'resume' && stdout.includes('Nothing to resume')) words = begin;
      else if (code === 3 && story.approve !== undefined) words = ['approve', story.approve];
      else return { end: await endOf(p, code), acts: linesOf(list), hit: linesOf(hits), codes };
      before = length;
    }
  } finally {
    p.remove();
  }
}
