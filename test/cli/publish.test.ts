/** Tags, pushes and pull requests, with a real remote and a stand-in for GitHub's CLI. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { publish } from '../../src/cli/publish.js';
import { openRepository } from '../../src/git/index.js';
import type { PublishEffect } from '../../src/model/effect.js';
import type { PublishOutcome } from '../../src/model/outcome.js';
import { makeInside } from '../rig/inside.js';
import { makeProject, pathWith, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** One landing, a remote, and a `gh` that does what is given; what it was asked is in `$HOME/asked`. */
function scene(gh: string): {
  readonly p: TestProject;
  readonly bare: string;
  readonly act: (over?: Partial<PublishEffect>) => Promise<PublishOutcome>;
  readonly asked: () => string[];
} {
  const p = makeProject();
  projects.push(p);
  const home = p.env.HOME ?? '';
  p.env.PATH = pathWith(join(home, 'bin'), {
    gh: `#!/bin/sh\nfor one; do printf '<%s>' "$one"; done >> "$HOME/asked"; echo >> "$HOME/asked"\n${gh}\n`,
  });
  p.commit('Milestones');
  const bare = join(dirname(p.root), 'origin.git');
  execFileSync('git', ['init', '-q', '--bare', bare]);
  p.git('remote', 'add', 'origin', bare);
  const proof = 'Mstone-Milestone: 1A\nMstone-Digest: v1:00\nMstone-Run: R\nMstone-Review: approved';
  const commit = p.commit(`1A: One\n\n${proof}`, { 'a.txt': 'a' });
  const act = async (over: Partial<PublishEffect> = {}): Promise<PublishOutcome> => {
    const repository = await openRepository(p.root, p.env);
    if (!repository.ok) throw new Error('no repository');
    const landing = {
      id: '1A',
      digest: 'v1:00',
      state: 'done',
      commit,
      at: 0,
      review: 'approved',
      subject: '',
    } as const;
    return publish(
      {
        world: makeInside(p.root, p.env).world,
        repository: repository.value,
        folder: join(home, 'pulls'),
        milestones: new Map(),
        landings: new Map([['1A', landing]]),
        beside: new Set(['1A']),
        tag: 'x',
      },
      {
        do: 'publish',
        item: 'publish',
        what: '1A',
        items: ['1A'],
        commit,
        pull: { remote: 'origin', branch: 'mstone/1A', base: 'main' },
        ...over,
      },
    );
  };
  const file = join(home, 'asked');
  return {
    p,
    bare,
    act,
    asked: () => (existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []),
  };
}

it('a branch that went its own way on the remote is not pushed over', async () => {
  const { p, bare, act, asked } = scene('exit 9');
  const other = p.commitBeside([p.oid('main~1')], 'Of somebody else', { 'b.txt': 'b' });
  p.git('push', '-q', 'origin', `${other}:refs/heads/mstone/1A`);
  expect(await act()).toEqual({
    kind: 'failed',
    message: expect.stringMatching(/rejected|failed to push/),
    command: `git push origin ${p.oid('main')}:refs/heads/mstone/1A`,
  });
  expect(p.git('ls-remote', bare, 'refs/heads/mstone/1A')).toContain(other);
  expect(asked()).toEqual([]);
});

it('what gh refuses is told with what to type, and opened once when it goes', async () => {
  const { p, bare, act, asked } = scene(
    'test -e "$HOME/login" || { echo "error: not logged in" >&2; exit 4; }\ntest "$2" = list && { echo "no JSON"; exit; }\necho https://example.org/pull/7',
  );
  const refused = await act();
  const body = join(p.env.HOME ?? '', 'pulls', 'mstone-1A.md');
  const title = "'1A: 1A'";
  expect(refused).toEqual({
    kind: 'failed',
    message: 'error: not logged in',
    command: `gh pr create --head mstone/1A --base main --title ${title} --body-file ${body}`,
  });
  expect(p.git('ls-remote', bare, 'refs/heads/mstone/1A')).toContain(p.oid('main'));
  writeFileSync(join(p.env.HOME ?? '', 'login'), '');
  expect(await act()).toEqual({ kind: 'published', pull: { url: 'https://example.org/pull/7' } });
  expect(asked().slice(1)).toEqual([
    '<pr><list><--head><mstone/1A><--state><open><--json><number,url>',
    `<pr><create><--head><mstone/1A><--base><main><--title><1A: 1A><--body-file><${body}>`,
  ]);
  expect(readFileSync(body, 'utf8')).toMatch(/\n\nMstone-Milestone: 1A\nMstone-Digest: v1:00\n[\s\S]*$/);
});

it('a tag is made once and never moved', async () => {
  const { p, act } = scene('exit 9');
  const only = { what: 'stage 1', tag: 'stage-1', pull: undefined } as unknown as Partial<PublishEffect>;
  expect(await act(only)).toEqual({ kind: 'published', tag: 'made' });
  expect(await act(only)).toEqual({ kind: 'published', tag: 'there' });
  expect(await act({ ...only, commit: p.oid('main~1') })).toEqual({ kind: 'published', tag: 'elsewhere' });
  expect(p.oid('stage-1')).toBe(p.oid('main'));
  // A tag is a folder's name, too.
  expect(await act({ ...only, tag: 'stage-1/x' })).toEqual({
    kind: 'failed',
    message: expect.stringContaining('stage-1'),
    command: `git tag stage-1/x ${p.oid('main').slice(0, 12)}`,
  });
});
