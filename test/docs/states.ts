/** The repositories in which documented command lines are run, by the word of `<!-- run: WORD -->`. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, vi } from 'vitest';
import { home } from '../rig/inside.js';
import { makeProject, pathWith, type TestProject } from '../rig/project.js';

/** What is not run in any of them, each with the reason. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  'npm run demo': 'test/cli/demo.test.ts runs the demo, and CI this line in a fresh clone',
  'mstone demo': 'test/cli/demo.test.ts runs it to its end',
  'npm run transcript': 'it needs tmux; test/cli/transcript.test.ts plays the same',
  'mstone plan > file': 'test/cli/odds.test.ts writes where there is no room',
  'mstone status | head -1': 'test/cli/odds.test.ts closes the pipe',
  'npm test': 'it is what runs this',
  'npm run test:agents': 'it downloads 1.8 GB of CLIs and takes a quarter of an hour',
  'npm run test:sandbox': 'it needs bubblewrap, which CI installs before it runs this line',
  'npm run sweep': 'it takes minutes; npm test runs the same stories',
  'npm run chaos -- --minutes 10': 'it takes as long as it says',
  'npm run simulate': 'it takes a minute; test/simulate holds its laws',
  'npm run bench': 'it takes a quarter of an hour; CI runs its short form',
  'npm run bench -- --page':
    'it takes a quarter of an hour; test/docs/performance.test.ts reads what it wrote',
  'npm run check': 'it runs this among others',
  'npm run coverage:surface': 'it looks at what this has done',
  'npx vitest run test/cli/kills': 'it is part of this very suite',
};

const CONFIG = 'agent: recipe\nreview: false\nretries: 0\nprofiles: { ci: { jobs: 2 } }\n';

/** Three milestones of two stages; `broken` is what 1A's recipe begins with. */
function project(broken = ''): TestProject {
  const p = makeProject(CONFIG);
  p.milestone('1A', { implement: `${broken}echo a >> a.txt` });
  p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
  p.milestone('2A', { implement: 'echo c > c.txt' });
  p.commit('Milestones');
  return p;
}

async function after(p: TestProject, exit: number, ...args: string[]): Promise<TestProject> {
  const ended = await p.mstone(...args);
  if (ended.code !== exit) throw new Error(`exit ${ended.code}: ${ended.stdout}${ended.stderr}`);
  return p;
}

const STATES: Readonly<Record<string, () => Promise<TestProject>>> = {
  /** A repository without a file, on a machine without agents: none is to be found, let alone started. */
  empty: async () => {
    const p = makeProject('');
    p.env.PATH = pathWith(join(dirname(p.root), 'bin'));
    return p;
  },
  /** Committed, and nothing has run. */
  ready: async () => project(),
  landed: () => after(project(), 0, 'run'),
  /** 1A has failed and would not again, as if its cause were mended; it blocks all others. */
  failed: () => after(project('if mkdir "$HOME/once"; then exit 9; fi; '), 1, 'run'),
  /** Told to end while 1A was at work, which would not last a second time. */
  interrupted: async () => {
    const p = project('if mkdir "$HOME/once"; then sleep 300; fi; ');
    const running = p.start(['run']);
    await vi.waitFor(() => expect(existsSync(join(p.env.HOME ?? '', 'once'))).toBe(true), 60_000);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(143);
    return p;
  },
  /** Two of three wait for a person: their work is there and would land. */
  asked: async () => {
    const p = makeProject(`${CONFIG}approval: merge\n`);
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'approval: none' });
    p.commit('Milestones');
    return after(p, 3, 'run');
  },
  /** 1A has another text than the one that landed. */
  stale: async () => {
    const p = await after(project(), 0, 'run');
    p.milestone('1A', { implement: 'echo A >> a.txt' });
    p.commit('Another text');
    return p;
  },
  /** What the README's smallest milestone says, in files that are not committed. */
  smallest: async () => {
    const p = makeProject('');
    const readme = readFileSync(join(home, 'README.md'), 'utf8');
    const [, milestone = '', config = ''] =
      /^`milestones\/1A\.md`[\s\S]*?^````markdown\n([\s\S]*?)^````[\s\S]*?^```yaml\n([\s\S]*?)^```/m.exec(
        readme,
      ) ?? [];
    p.write('milestones/1A.md', milestone);
    p.write('mstone.yaml', config);
    return p;
  },
};

const built = new Map<string, TestProject>();

/** A repository in that state, as it was when it was made; one of a state at a time. */
export async function inState(state: string): Promise<TestProject> {
  const make = STATES[state];
  if (make === undefined)
    throw new Error(`no such state: ${state}; one of ${Object.keys(STATES).join(', ')}`);
  const known = built.get(state);
  const p = known ?? (await make());
  const folder = dirname(p.root);
  const kept = `${folder}.kept`;
  // Git knows worktrees by their absolute paths: the copy lies aside, and is brought back to the same place.
  if (known === undefined) execFileSync('cp', ['-a', folder, kept]);
  else {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    execFileSync('cp', ['-a', kept, folder]);
  }
  built.set(state, p);
  return p;
}

export function removeStates(): void {
  for (const p of built.values()) {
    p.remove();
    const kept = `${dirname(p.root)}.kept`;
    if (existsSync(kept)) renameSync(kept, dirname(p.root));
    p.remove();
  }
}
