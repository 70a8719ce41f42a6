/**
 * `npm run test:sandbox`: whole runs in a real bubblewrap. It fails where that is missing; `npm test` does
 * not need it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (more = ''): TestProject => {
  const made = makeProject(
    `agent: recipe\nreview: false\njobs: 1\nbackoff: 0\nretries: 0\nsandbox: bubblewrap\n${more}`,
  );
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** Processes of this machine whose command line holds a word, as the host sees them. */
function processesWith(word: string): string[] {
  const listed = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' });
  return listed.split('\n').filter((line) => line.includes(word) && !line.includes('ps -eo'));
}

describe('in a sandbox', () => {
  it('an agent, its setup and its checks write to the slot and to a /tmp of their own, and to nothing else', async () => {
    const p = project(
      'sandbox_write: [~/cache]\nchecks: ["test -e done && ! touch $CHECKOUT/from-check"]\nworktrees: {setup: ["! touch $CHECKOUT/from-setup", "touch /tmp/from-setup"]}\n',
    );
    const home = dirname(p.root);
    mkdirSync(join(home, '.ssh'));
    writeFileSync(join(home, '.ssh', 'id_ed25519'), 'secret');
    writeFileSync(join(home, '.netrc'), 'secret');
    mkdirSync(join(home, 'cache'));
    writeFileSync(join(home, 'notes.txt'), 'to read');
    const attempts = [
      'try checkout "$CHECKOUT/x"',
      'try git "$CHECKOUT/.git/x"',
      'try home "$HOME/x"',
      'try etc /etc/x',
      'try beside "$HOME/../$(basename "$HOME")-beside"',
      'try cache "$HOME/cache/x"',
      'try tmp /tmp/x',
      'try slot ./x',
      'if git -C "$CHECKOUT" update-ref refs/heads/planted HEAD 2>/dev/null; then echo "ref yes"; else echo "ref no"; fi >> report',
      'echo "ssh $(ls -A "$HOME/.ssh" | wc -l), netrc $(cat "$HOME/.netrc" | wc -c), notes $(cat "$HOME/notes.txt")" >> report',
      'test -e /tmp/from-setup && echo "tmp is the setup\'s" >> report',
      'git add -A; git commit -qm "Report"',
      'touch done',
      'test -n "$MSTONE_NOTES_FILE" && echo "noted" >> "$MSTONE_NOTES_FILE"',
    ];
    p.milestone('1A', {
      front: `env: { CHECKOUT: ${JSON.stringify(p.root)} }`,
      implement: [
        'try() { if touch "$2" 2>/dev/null; then echo "$1 yes"; else echo "$1 no"; fi >> report; }',
        ...attempts,
      ].join('\n'),
    });
    p.commit('Milestones');
    const { code, stdout, stderr } = await p.mstone('run', '--output', 'plain');
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
    expect(p.tree().report?.split('\n')).toEqual([
      'checkout no',
      'git no',
      'home no',
      'etc no',
      'beside yes',
      'cache yes',
      'tmp yes',
      'slot yes',
      'ref no',
      'ssh 0, netrc 0, notes to read',
      "tmp is the setup's",
    ]);
    expect(existsSync(join(home, 'cache', 'x'))).toBe(true);
    expect(existsSync('/tmp/from-setup')).toBe(false);
    expect(existsSync(`${home}-beside`)).toBe(false);
    expect(p.git('status', '--porcelain')).toBe('');
    expect(stdout).toContain('for later briefs: noted');
    expect(await p.leftovers()).toEqual([]);
  });

  it('has no network where the configuration says so', async () => {
    const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const implement = `node -e "require('net').connect(${port}, '127.0.0.1').on('data', (d) => process.stdout.write(d)).on('error', (e) => process.stdout.write(e.code))" > answer`;
    const answers: string[] = [];
    for (const network of [true, false]) {
      const p = project(`sandbox_network: ${network}\n`);
      p.milestone('1A', { implement });
      p.commit('Milestones');
      expect((await p.mstone('run')).code).toBe(0);
      answers.push(p.tree().answer ?? '');
    }
    server.close();
    expect(answers).toEqual(['hello', 'ECONNREFUSED']);
  });

  it('leaves nothing behind, not even what hid from its tag, when it ends or is ended', async () => {
    const p = project();
    const word = `hidden-${process.pid}`;
    const daemon = `setsid env -i bash -c "trap '' TERM HUP INT; exec -a ${word} sleep 600" >/dev/null 2>&1 &`;
    p.milestone('1A', { implement: `bash -c '${daemon.replaceAll("'", `'\\''`)}'\nsleep 0.3\necho a > a` });
    p.milestone('2A', {
      implement: `bash -c '${daemon.replaceAll("'", `'\\''`)}'\nsleep 0.5\necho waiting\nsleep 600`,
    });
    p.commit('Milestones');
    const running = p.start(['run', '-v']);
    await running.said('waiting');
    expect(processesWith(word)).toHaveLength(1);
    expect((await inside(['stop', '--now', '--wait'], p.root, p.env)).code).toBe(0);
    expect((await running.ended).code).toBe(143);
    expect(processesWith(word)).toEqual([]);
    expect(p.landed()).toContain('1A: Part 1A');
  });

  it('outlives a killed mstone, and the next one takes it up', async () => {
    const p = project();
    const go = join(dirname(p.root), 'go');
    p.milestone('1A', { implement: `echo begun\nuntil test -e ${go}; do sleep 0.05; done\necho a > a` });
    p.commit('Milestones');
    const running = p.start(['run', '-v']);
    await running.said('begun');
    running.child.kill('SIGKILL');
    await running.ended;
    writeFileSync(go, '');
    expect((await p.mstone('resume')).code).toBe(0);
    expect(p.starts()).toEqual(['1A.1.1.implement']);
    expect(p.tree()).toEqual({ a: 'a' });
  });

  it('is found possible by the doctor', async () => {
    const p = project();
    const doctor = await inside(['doctor'], p.root, p.env);
    expect(doctor.stdout).toContain('ok       sandbox: bubblewrap works here\n');
    expect(readFileSync(join(p.root, 'mstone.yaml'), 'utf8')).toContain('bubblewrap');
  });
});
