/** A disk that is really full: mstone's state on a small tmpfs, mounted by bubblewrap. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { makeProject } from '../rig/project.js';

const bin = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'mstone.js');

it('a file system without room pauses the run with 75, and with room it goes on where it was', () => {
  const p = makeProject('agent: recipe\nreview: false\njobs: 1\n');
  try {
    const state = join(p.root, '.git', 'mstone');
    mkdirSync(state);
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', {
      front: `depends_on: [1A]\nenv: { STATE: ${JSON.stringify(state)} }`,
      // It is only full once: what is tried again finds room.
      implement: 'if mkdir "$HOME/once"; then dd if=/dev/zero of="$STATE/filler" bs=1k; fi; echo b > b.txt',
    });
    p.milestone('1C', { front: 'depends_on: [1B]', implement: 'echo c > c.txt' });
    p.commit('Milestones');
    const mstone = `"${process.execPath}" "${bin}"`;
    const script = `
      ${mstone} run >&2; echo "run $?"
      ${mstone} resume >&2; echo "resume without room $?"
      rm .git/mstone/filler
      ${mstone} resume >&2; echo "resume $?"`;
    const size = ['--size', '3000000', '--tmpfs', state];
    const said = execFileSync('bwrap', ['--dev-bind', '/', '/', ...size, '--', 'sh', '-c', script], {
      cwd: p.root,
      env: p.env,
      encoding: 'utf8',
    });
    expect(said).toBe('run 75\nresume without room 75\nresume 0\n');
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' });
    expect(p.landed().filter((subject) => /^1[ABC]: /.test(subject)).length).toBe(3);
  } finally {
    p.remove();
  }
});
