import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { approve, makeProject, pathWith, refuse, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (config: string): TestProject => {
  const made = makeProject(config);
  projects.push(made);
  return made;
};
afterAll(() => {
  for (const made of projects) made.remove();
});

const CONFIG = 'agent: recipe\nreviewer: recipe\njobs: 2\nbackoff: 0\n';

describe('isolation: clone', () => {
  it('takes milestones through remediation, a conflict and a killed mstone, and agents reach no ref of yours', async () => {
    const p = project(`${CONFIG}isolation: clone\nchecks: ["test ! -e broken"]\n`);
    const gate = dirname(p.root);
    const wait = (name: string) => `until test -e "${gate}/${name}"; do sleep 0.02; done`;
    const resolve = 'printf "one\\ntwo\\n" > shared; git add shared; git commit -qm "Both"';
    p.milestone('1A', {
      implement: `echo one > shared; touch broken; git add -A; git commit -qm "One"; git branch mine; git tag v1; git stash list; touch "${gate}/1A"; ${wait('1B')}`,
      remediate: 'rm broken; touch fixed',
      resolve,
      review: `if test -e fixed; then ${approve()}; else ${refuse('not fixed')}; fi`,
    });
    p.milestone('1B', {
      implement: `touch "${gate}/1B"; ${wait('1A')}; echo two > shared`,
      resolve,
    });
    p.milestone('2A', { implement: `touch "${gate}/2A"; ${wait('go')}; cat shared > all` });
    p.commit('Milestones');

    const running = p.start(['run', '--output', 'plain']);
    await running.said('2A implement started');
    running.child.kill('SIGKILL');
    await running.ended;
    writeFileSync(join(gate, 'go'), '');
    const { code, stdout } = await p.mstone('resume');
    expect({ code, tail: stdout.includes('3 of 3 milestones landed on main') }).toEqual({
      code: 0,
      tail: true,
    });
    expect(p.tree()).toEqual({ shared: 'one\ntwo', fixed: '', all: 'one\ntwo' });
    expect(p.git('log', '--format=%s', 'main').split('\n')).toContain('One');
    expect(p.git('for-each-ref', '--format=%(refname)', 'refs/heads', 'refs/tags', 'refs/stash')).toBe(
      ['refs/heads/main', ...['1A', '1B', '2A'].map((id) => `refs/heads/mstone/${id}`)].join('\n'),
    );
    expect(p.git('worktree', 'list').split('\n')).toHaveLength(1);
    expect(await p.leftovers()).toEqual([]);
    expect(p.starts()).toHaveLength(new Set(p.starts()).size);

    const slots = join(p.env.XDG_STATE_HOME ?? '', 'mstone');
    const [own = ''] = readdirSync(slots);
    expect(readdirSync(join(slots, own, 'slots')).sort()).toEqual(['clone-1', 'clone-2']);
    const listed = await inside(['clean'], p.root, p.env);
    expect(listed.stdout).toContain('clone-1): not in use, whole');
    const cleaned = await inside(['clean', '-f'], p.root, p.env);
    expect(cleaned.code).toBe(0);
    expect(readdirSync(join(slots, own, 'slots'))).toEqual([]);
  });

  it('refuses a sandbox that cannot be had before anybody is paid, and the doctor says so', async () => {
    const p = project(
      `${CONFIG}sandbox: bubblewrap\nsandbox_network: false\nsandbox_write: [~/.cache]\nreview: false\n`,
    );
    const bin = join(dirname(p.root), 'bin');
    p.env.PATH = pathWith(bin, {
      bwrap: '#!/bin/sh\necho "bwrap: setting up uid map: Permission denied" >&2\nexit 1\n',
    });
    p.milestone('1A', { implement: 'echo a > a' });
    p.commit('Milestones');
    const refused = await p.mstone('run');
    expect({ ...refused, stdout: '' }).toEqual({
      code: 2,
      stdout: '',
      stderr: [
        'error: no sandbox can be made here, and `sandbox: bubblewrap` asks for one',
        '  expected: bwrap on the PATH, and permission to make user namespaces',
        '  found: bwrap: setting up uid map: Permission denied',
        '  fix: install bubblewrap (apt install bubblewrap), see `mstone doctor`, or set `sandbox: none`',
        '',
      ].join('\n'),
    });
    expect(p.starts()).toEqual([]);
    const doctor = await inside(['doctor'], p.root, p.env);
    expect(doctor.stdout).toContain(
      'error    sandbox: no sandbox can be made here: bwrap: setting up uid map: Permission denied\n',
    );
    expect(doctor.code).toBe(1);
  });
});
