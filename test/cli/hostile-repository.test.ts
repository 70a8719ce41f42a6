import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterAll(() => {
  for (const made of projects) made.remove();
});

const ESC = String.fromCharCode(27);

it('a repository and an environment full of traps: nothing of them runs for mstone, nothing asks, and all lands', async () => {
  const p = makeProject('agent: recipe\nreview: false\njobs: 2\nbackoff: 0\n');
  projects.push(p);
  const home = dirname(p.root);
  const sprung = join(home, 'sprung');
  const trap = (name: string): string => {
    const file = join(home, `trap-${name}`);
    writeFileSync(file, `#!/bin/sh\necho "${name} $MSTONE_MILESTONE" >> '${sprung}'\nexit 1\n`, {
      mode: 0o755,
    });
    return file;
  };
  // What the user has, for better or worse.
  mkdirSync(join(home, 'hooks'));
  for (const hook of ['pre-commit', 'commit-msg', 'post-checkout', 'post-merge', 'reference-transaction']) {
    writeFileSync(
      join(home, 'hooks', hook),
      `#!/bin/sh\necho "hook ${hook} $MSTONE_MILESTONE" >> '${sprung}'\n`,
      {
        mode: 0o755,
      },
    );
  }
  const base = p.commit('Base', { 'shared.txt': 'base\n', 'lock.bin': 'base\n' });
  for (const id of ['1A', '1B']) {
    p.milestone(id, {
      title: `Red ${ESC}[31malert${ESC}[0m ${id}`,
      implement: [
        `printf '* merge=planted filter=planted diff=planted\\n' > .gitattributes`,
        `mkdir -p .husky && printf '#!/bin/sh\\necho planted >> ${sprung}\\n' > .husky/post-checkout && chmod +x .husky/post-checkout`,
        `git config --worktree core.hooksPath .husky 2>/dev/null || true`,
        `printf '${id}${ESC}]0;owned${String.fromCharCode(7)}\\n'`,
        `echo ${id} >> own-${id}.txt`,
        `git add -A && git commit -qm 'Signed by nobody'`,
        'env | sort > env.log; rm env.log',
      ].join('\n'),
    });
  }
  p.commit('Milestones');
  for (const [key, value] of [
    ['core.hooksPath', join(home, 'hooks')],
    ['core.fsmonitor', trap('fsmonitor')],
    ['commit.gpgSign', 'true'],
    ['tag.gpgSign', 'true'],
    ['gpg.program', trap('gpg')],
    ['alias.status', '!false'],
    ['alias.commit', '!false'],
    ['url.https://attacker.example/.insteadOf', '/'],
    ['merge.planted.driver', trap('driver')],
    ['diff.external', trap('diff')],
    ['core.editor', trap('editor')],
    ['core.pager', trap('pager')],
    ['credential.helper', trap('credential')],
  ] as const) {
    p.git('config', key, value);
  }
  Object.assign(p.env, {
    GIT_DIR: join(home, 'elsewhere.git'),
    GIT_WORK_TREE: home,
    GIT_INDEX_FILE: join(home, 'index'),
    GIT_OBJECT_DIRECTORY: join(home, 'objects'),
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'core.bare',
    GIT_CONFIG_VALUE_0: 'true',
    GIT_CONFIG_PARAMETERS: "'core.bare'='true'",
    GIT_EXTERNAL_DIFF: trap('external'),
    GIT_SSH_COMMAND: trap('ssh'),
    GIT_ASKPASS: trap('askpass'),
    GIT_TRACE: join(home, 'trace'),
    EDITOR: trap('editor-env'),
    PAGER: trap('pager-env'),
  });
  const run = await p.mstone('run', '--output', 'plain');
  for (const name of Object.keys(p.env))
    if (name.startsWith('GIT_') && !/CONFIG_(NO|GLO)/.test(name)) delete p.env[name];
  p.git('config', '--unset', 'core.fsmonitor');

  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: '' });
  expect(`${run.stdout}`).not.toContain(ESC);
  expect(Object.keys(p.tree()).sort()).toEqual(
    ['.gitattributes', '.husky/post-checkout', 'lock.bin', 'own-1A.txt', 'own-1B.txt', 'shared.txt'].sort(),
  );
  expect(p.git('merge-base', '--is-ancestor', base, 'main')).toBe('');
  // The user's hooks and monitor ran for the agents' own git, and for nothing of mstone's; no other trap sprang.
  const lines = existsSync(sprung) ? readFileSync(sprung, 'utf8').trimEnd().split('\n') : [];
  expect([...new Set(lines)].filter((line) => !/^(?:hook [a-z-]+|fsmonitor) 1[AB]$/.test(line))).toEqual([]);
  expect(existsSync(join(home, 'trace'))).toBe(false);
  expect(await p.leftovers()).toEqual([]);
});
