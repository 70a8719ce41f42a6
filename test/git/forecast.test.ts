import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchConflicts } from '../../src/cli/forecast.js';
import { tryMerges } from '../../src/git/forecast.js';
import { openRepository, type Repository } from '../../src/git/index.js';
import { type Objects, openObjects } from '../../src/git/objects.js';
import type { ItemState, RunState } from '../../src/model/state.js';
import { emptyRun, reduce } from '../../src/run/index.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';
import { planItem } from '../rig/world.js';

let rig: TestRepository;
let objects: Objects;
let repo: Repository;
/** The first words of each git that was started. */
let started: string[];
let head: string;

const ODD = 'ünï "q"\nx';
const never = new AbortController().signal;

beforeEach(async () => {
  rig = makeRepository('with: "quotes" ö');
  head = rig.commit('first', {
    a: 'one\n',
    b: 'one\n',
    [ODD]: 'one\n',
    LOG: 'one\n',
    '.gitattributes': 'LOG merge=union\n',
  });
  const opened = await openRepository(rig.root, rig.environment);
  if (!opened.ok) throw new Error('not opened');
  objects = openObjects(opened.value.commonDir, opened.value.env, join(opened.value.stateDir, 'tmp'));
  started = [];
  repo = {
    ...opened.value,
    objects,
    git: (call) => {
      started.push(call.args[0] ?? '');
      return opened.value.git(call);
    },
  };
});
afterEach(async () => {
  await objects.close();
  rig.remove();
});

const work = (files: Readonly<Record<string, string>>): string => rig.commitBeside([head], 'Work', files);
const objectsOf = (): string => rig.git('count-objects', '-v');

describe('merges on trial', () => {
  it('name what is in conflict, pair by pair, as a candidate would be made, and leave nothing behind', async () => {
    const [a, both, odd, log, other] = [
      work({ a: 'a\n', LOG: 'one\na\n' }),
      work({ a: 'both\n', b: 'both\n' }),
      work({ [ODD]: 'odd\n', b: 'odd\n' }),
      work({ LOG: 'one\nlog\n' }),
      work({ [ODD]: 'other\n' }),
    ];
    await tryMerges(repo, head, [{ onto: head, ours: a }], never);
    const before = objectsOf();
    started = [];
    const pairs = [
      { onto: head, ours: a },
      { onto: a, ours: both },
      { onto: both, ours: odd },
      { onto: a, ours: log },
      { onto: odd, ours: other },
      { onto: a, ours: odd },
    ];
    expect(await tryMerges(repo, head, pairs, never)).toEqual({
      kind: 'tried',
      files: [[], ['a'], ['b'], [], [ODD], []],
    });
    expect(started).toEqual(['merge-tree']);
    expect(objectsOf()).toBe(before);
    expect(readdirSync(join(repo.stateDir, 'tmp')).filter((name) => name.endsWith('.objects'))).toEqual([]);
  });

  it('are refused in git’s words where a commit is not there', async () => {
    expect(await tryMerges(repo, head, [{ onto: head, ours: 'e'.repeat(40) }], never)).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/not something we can merge|could not parse/),
    });
  });
});

describe('a watch for conflicts', () => {
  const stateOf = (works: Readonly<Record<string, string>>): RunState => {
    const begun = reduce(emptyRun('R'), {
      type: 'run.started',
      target: 'main',
      head,
      items: Object.keys(works).map((id) => planItem(id)),
      settings: { jobs: 4, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] },
      history: [],
      passed: [],
      shadow: false,
    });
    const items = [...begun.items].map(([id, item]): [string, ItemState] => [
      id,
      { ...item, work: { commit: works[id] ?? '', tree: '', base: head } },
    ]);
    return { ...begun, items: new Map(items) };
  };

  it('tells what is new of it, in one process a look, and none where there is nothing to look at', async () => {
    const told: unknown[][] = [];
    const watch = watchConflicts(repo, 0, (...words) => told.push(words));
    const [first, second, third] = [work({ a: '1\n' }), work({ a: '2\n' }), work({ b: '3\n' })];
    watch.notice(stateOf({ '1A': first }));
    watch.notice(stateOf({ '1A': first, '1B': second }));
    await vi.waitFor(() => expect(told.length).toBe(1));
    const found = { item: '1B', commit: second, with: { item: '1A', commit: first }, files: ['a'] };
    expect(told).toEqual([['1A and 1B will conflict in a', [found]]]);
    const looks = (): number => started.filter((word) => word === 'merge-tree').length;
    expect(looks()).toBe(1);
    watch.notice(stateOf({ '1A': first, '1B': second }));
    watch.notice(stateOf({ '1A': first, '1B': second, '1C': third }));
    await vi.waitFor(() => expect(looks()).toBe(2));
    await watch.close();
    watch.notice(stateOf({ '1A': third, '1B': second }));
    expect(told.length).toBe(1);
    expect(looks()).toBe(2);
    expect(started.length - looks()).toBeLessThanOrEqual(1);
  });

  it('looks at nothing before its time', async () => {
    const watch = watchConflicts(repo, 600_000, () => undefined);
    watch.notice(stateOf({ '1A': work({ a: '1\n' }), '1B': work({ a: '2\n' }) }));
    mkdirSync(join(repo.stateDir, 'tmp'), { recursive: true });
    await watch.close();
    expect(started).toEqual([]);
  });

  it('says once that git cannot try merges, and leaves it at that', async () => {
    const told: string[] = [];
    const watch = watchConflicts(repo, 0, (text) => told.push(text));
    watch.notice(stateOf({ '1A': 'e'.repeat(40), '1B': work({ a: '2\n' }) }));
    await vi.waitFor(() => expect(told.length).toBe(1));
    expect(told[0]).toMatch(/^conflicts are not foreseen: git cannot try merges: ./);
    watch.notice(stateOf({ '1A': work({ a: '1\n' }), '1B': work({ a: '2\n' }) }));
    await watch.close();
    expect(told.length).toBe(1);
  });
});
