/** Milestones and settings that change while a run goes by what it began with. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Changes } from '../../src/cli/sources-watch.js';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const versions = (files: Record<string, string>): ReadonlyMap<string, string> =>
  new Map(Object.entries(files));

describe('what has changed since a run began', () => {
  it('is told once for each change', () => {
    const begun = { 'mstone.yaml': 'a', 'milestones/1A.md': 'a', 'milestones/1B.md': 'a' };
    const changes = new Changes(versions(begun), 'mstone.yaml');
    expect(changes.since(versions(begun))).toEqual([]);
    const edited = { ...begun, 'milestones/1B.md': 'b', 'milestones/2C.md': 'a' };
    expect(changes.since(versions(edited))).toEqual([
      'milestones/1B.md changed: this run goes on with the text it began with; the next `mstone run` takes it up',
      'milestones/2C.md is new: the next `mstone run` takes it up',
    ]);
    expect(changes.since(versions(edited))).toEqual([]);
    const { 'milestones/1A.md': _gone, ...rest } = edited;
    expect(changes.since(versions({ ...rest, 'milestones/1B.md': 'a', 'mstone.yaml': 'b' }))).toEqual([
      'milestones/1A.md was deleted: this run goes on with the text it began with; what is under way lands all the same',
      'milestones/1B.md is again as it was when this run began',
      'mstone.yaml changed: this run goes on with the settings it began with; the next `mstone run` goes by what is there then',
    ]);
  });
});

const gate = 'while ! test -e "$HOME/open"; do sleep 0.05; done';

function project(): TestProject {
  const p = makeProject('agent: recipe\nreview: false\njobs: 2\n');
  projects.push(p);
  p.milestone('1A', { implement: `${gate}; echo a > a.txt` });
  p.milestone('1B', { implement: `${gate}; echo b > b.txt` });
  p.milestone('1C', { implement: 'echo c > c.txt', front: 'depends_on: [1A]' });
  p.commit('Milestones');
  return p;
}

/** What `status` remarks of each milestone. */
async function remarks(p: TestProject): Promise<Record<string, string>> {
  const { stdout } = await inside(['status'], p.root, p.env);
  return Object.fromEntries(
    [...stdout.matchAll(/^ (\d[A-Z]) .*?(?:Part \d[A-Z]|Milestone) +(.*)$/gm)].map(
      ([, id = '', text = '']) => [id, text],
    ),
  );
}

describe('during a run', () => {
  it('edits, additions and deletions are noticed; what runs keeps its text; status says what comes next', async () => {
    const p = project();
    const run = p.start(['run']);
    await run.said('1B implement started');
    p.milestone('1A', { implement: 'echo better > a.txt' });
    p.milestone('2A', { implement: 'echo new > new.txt' });
    p.write('mstone.yaml', 'agent: recipe\nreview: false\njobs: 1\n');
    rmSync(join(p.root, 'milestones/1C.md'));
    await run.said('note: milestones/1A.md changed: this run goes on with the text it began with');
    await run.said('note: milestones/2A.md is new: ');
    await run.said('note: milestones/1C.md was deleted: ');
    await run.said('note: mstone.yaml changed: this run goes on with the settings it began with');
    expect(await remarks(p)).toMatchObject({
      '1A': 'edited since this run began, which lands the text it has; then `mstone run 1A` does it again',
      '1C': 'waits for 1A; deleted; its work lands all the same',
      '2A': 'never landed; new; the next `mstone run` takes it up',
    });
    const json = JSON.parse((await inside(['status', '--json'], p.root, p.env)).stdout) as {
      milestones: { id: string; change?: string }[];
    };
    expect(Object.fromEntries(json.milestones.map(({ id, change }) => [id, change]))).toEqual({
      '1A': 'edited',
      '1B': undefined,
      '1C': 'deleted',
      '2A': 'new',
    });

    run.child.kill('SIGINT');
    await run.said('interrupted: nothing new starts');
    p.write('../open', '');
    expect((await run.ended).code).toBe(130);
    expect(await remarks(p)).toMatchObject({
      '1A': 'interrupted; `mstone resume` goes on; edited since this run began; will be done again',
      '1B': 'interrupted; `mstone resume` goes on',
      '1C': expect.stringContaining('deleted; will not be run'),
      '2A': 'never landed; new; will be run',
    });
    p.commit('Other milestones');
    expect((await p.mstone('run')).code).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'better', 'b.txt': 'b', 'new.txt': 'new' });
  });

  it('what is committed to a target that is not checked out is noticed too, landings are not', async () => {
    const p = project();
    p.git('branch', 'night');
    const run = p.start(['run', '--onto', 'night']);
    await run.said('1B implement started');
    p.git('worktree', 'add', '-q', '../elsewhere', 'night');
    p.write('../elsewhere/milestones/1B.md', '# Another\n');
    p.git('-C', '../elsewhere', 'commit', '-qam', 'Another text');
    p.git('worktree', 'remove', '../elsewhere');
    await run.said('note: milestones/1B.md changed: ');
    p.write('../open', '');
    const { code, stdout } = await run.ended;
    expect(code, stdout).toBe(0);
    expect(stdout.match(/note: m.* changed/g)).toHaveLength(1);
  });
});

it('a named milestone that needs one that gave up is refused with the command that tries that again', async () => {
  const p = makeProject('agent: recipe\nreview: false\nretries: 0\n');
  projects.push(p);
  p.milestone('1A', { implement: 'exit 9' });
  p.milestone('1B', { implement: 'echo b > b.txt', front: 'depends_on: [1A]' });
  p.commit('Milestones');
  expect((await inside(['run', '-q'], p.root, p.env)).code).toBe(1);
  const { code, stdout, stderr } = await inside(['run', '1B'], p.root, p.env);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(
    /^milestones\/1B\.md:? error: 1B needs 1A, which is not done\n {2}fix: 1A: recipe crashed: exit 9.*; `mstone retry 1A` tries again\n$/,
  );
});
