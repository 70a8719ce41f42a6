import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type HarvestRequest, harvest } from '../../src/git/harvest.js';
import { openRepository, type Repository } from '../../src/git/index.js';
import { openObjects } from '../../src/git/objects.js';
import {
  type Isolation,
  type Lane,
  type PreparedSlot,
  prepareSlot,
  type SlotWanted,
  slotPlace,
} from '../../src/git/slots.js';
import type { Harvest, Oid } from '../../src/model/outcome.js';
import { isolated, makeRepository, type TestRepository } from '../rig/repository.js';

/** A repository with a first commit, one slot of it prepared, and an agent's hands in that slot. */
export interface SlotStory {
  readonly test: TestRepository;
  readonly repo: Repository;
  readonly slotsDir: string;
  /** The slot's folder. */
  readonly path: string;
  readonly gitDir: string;
  readonly first: Oid;
  readonly archiveDir: string;
  prepare(wanted?: Partial<SlotWanted>): Promise<PreparedSlot>;
  harvest(request?: Partial<HarvestRequest>): Promise<Harvest>;
  /** Git as the agent runs it, in the slot. Throws with stderr. */
  agent(...args: string[]): string;
  agentWith(env: Readonly<Record<string, string>>, ...args: string[]): string;
  /** Writes a file in the slot. */
  write(path: string, content: string | Buffer): void;
  read(path: string): string;
  /** The files of a commit with their contents. */
  files(commit: Oid): Record<string, string>;
}

export function oneLane(): Lane {
  let last: Promise<unknown> = Promise.resolve();
  return (act) => {
    const next = last.then(act);
    last = next.catch(() => undefined);
    return next;
  };
}

export const FILES = {
  'TASKS.md': 'tasks\n',
  'app.txt': 'one\ntwo\nthree\n',
  'milestones/1A.md': '# Milestone 1A\n',
  'mstone.yaml': 'jobs: 2\n',
  '.gitignore': 'node_modules/\n*.ignored\n.env\n',
};

export async function beginStory(
  files: Readonly<Record<string, string>> = FILES,
  isolation: Isolation = 'worktree',
): Promise<SlotStory> {
  const made = makeRepository('the repository');
  const first = made.commit('First', files);
  const opened = await openRepository(made.root, made.environment);
  if (!opened.ok) throw new Error(JSON.stringify(opened.error));
  // As in a run: gits that go on, which end with the test.
  const { commonDir, env, stateDir } = opened.value;
  const objects = openObjects(commonDir, env, join(stateDir, 'tmp'));
  const repo = { ...opened.value, objects };
  const test = {
    ...made,
    remove: () => {
      void objects.close();
      made.remove();
    },
  };
  const slotsDir = join(dirname(test.root), 'slots é');
  const archiveDir = join(dirname(test.root), 'archive');
  const place = slotPlace(repo, slotsDir, 1, isolation);
  const lane = oneLane();
  let clock = 1_800_000_000;

  const agentWith = (env: Readonly<Record<string, string>>, ...args: string[]): string => {
    clock += 60;
    const date = `@${clock} +0000`;
    return execFileSync('git', args, {
      cwd: place.path,
      env: {
        ...isolated,
        GIT_AUTHOR_NAME: 'Agent',
        GIT_AUTHOR_EMAIL: 'agent@example.org',
        GIT_COMMITTER_NAME: 'Agent',
        GIT_COMMITTER_EMAIL: 'agent@example.org',
        GIT_AUTHOR_DATE: date,
        GIT_COMMITTER_DATE: date,
        GIT_EDITOR: 'true',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    }).trimEnd();
  };

  const prepare = async (wanted: Partial<SlotWanted> = {}): Promise<PreparedSlot> => {
    const done = await prepareSlot(repo, {
      slotsDir,
      slot: 1,
      isolation,
      commit: first,
      keep: [],
      rescueRef: 'refs/mstone/rescue',
      lane,
      ...wanted,
    });
    if (!done.ok) throw new Error(done.error);
    return done.value;
  };
  await prepare();

  return {
    test,
    repo,
    slotsDir,
    path: place.path,
    gitDir: place.gitDir,
    first,
    archiveDir,
    prepare,
    harvest: (request = {}) =>
      harvest(repo, {
        slotsDir,
        slot: 1,
        isolation,
        base: first,
        from: first,
        message: 'Leftovers\n',
        dateMs: 1_700_000_000_000,
        protect: { from: first, paths: ['milestones', 'mstone.yaml', 'TASKS.md'] },
        copied: [],
        keep: [],
        pinRef: 'refs/mstone/work/1A/1.1',
        archiveDir,
        conflicted: [],
        ...request,
      }),
    agent: (...args) => agentWith({}, ...args),
    agentWith,
    write(path, content) {
      mkdirSync(dirname(join(place.path, path)), { recursive: true });
      writeFileSync(join(place.path, path), content);
    },
    read: (path) => readFileSync(join(place.path, path), 'utf8'),
    files(commit) {
      const names = test.git('ls-tree', '-r', '-z', '--name-only', commit).split('\0').filter(Boolean);
      return Object.fromEntries(names.map((name) => [name, test.git('show', `${commit}:${name}`)]));
    },
  };
}
