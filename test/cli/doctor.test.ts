import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Finding, judgeNode, judgeRoom, programOf } from '../../src/cli/doctor.js';
import { inside } from '../rig/inside.js';
import { makeProject, pathWith, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (config: string): TestProject => {
  const made = makeProject(config);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

interface Document {
  readonly schema: number;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly fixed: readonly string[];
}

/** What the doctor finds, the machine's own Node and disk aside, unless they are asked for. */
async function examined(p: TestProject, ...args: string[]) {
  const { code, stdout, stderr } = await inside(['doctor', '--json', ...args], p.root, p.env);
  expect(stderr).toBe('');
  const document = JSON.parse(stdout) as Document;
  const findings = document.findings.filter(({ check }) => check !== 'node' && check !== 'disk');
  const of = (name: string) =>
    findings.filter(({ check }) => check === name).map(({ state, message, fix }) => [state, message, fix]);
  return { code, ...document, findings, of, bad: findings.filter(({ state }) => state !== 'ok') };
}

describe('the doctor', () => {
  it('finds all well in a project that is, and changes nothing', async () => {
    const p = project('agent: recipe\nreview: false\nchecks: ["cd . && true", "git --version"]\n');
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.commit('Milestones');
    const { code, schema, ok, bad, fixed, findings } = await examined(p);
    expect({ code, schema, ok, bad, fixed }).toEqual({ code: 0, schema: 1, ok: true, bad: [], fixed: [] });
    expect(findings.map(({ check }) => check)).toEqual([
      ...['git', 'identity', 'config', 'milestones', 'agents', 'checks', 'state', 'state', 'memory', 'clock'],
      ...['lock', 'runs', 'worktrees', 'processes'],
    ]);
    expect(existsSync(join(p.root, '.git', 'mstone'))).toBe(false);
    const text = await inside(['doctor'], p.root, p.env);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('ok       checks: 2 commands can start\n');
  });

  it('says who would be taken where no agent is named, and how to have one where a milestone needs one', async () => {
    const p = project('review: false\n');
    p.env.PATH = pathWith(join(dirname(p.root), 'bin'));
    p.milestone('1A', { implement: 'echo a > a.txt' });
    expect((await examined(p)).of('agents')).toEqual([['ok', 'recipes only', undefined]]);
    const install =
      'npm install -g @anthropic-ai/claude-code (or @openai/codex, @google/gemini-cli, opencode-ai)';
    p.write('milestones/1B.md', '# Milestone 1B - In words\n\nDo it.\n');
    const none = await examined(p);
    expect({ code: none.code, agents: none.of('agents') }).toEqual({
      code: 1,
      agents: [['error', 'none is named, and none is installed', install]],
    });
    pathWith(join(dirname(p.root), 'bin'), { codex: '#!/bin/sh\necho "codex-cli 0.169.0"\n' });
    expect((await examined(p)).of('agents')).toEqual([
      ['ok', 'none is named: codex 0.169.0 is installed and would be taken', undefined],
    ]);
  });

  it('finds what is wrong with project, machine and identity at once, each with what mends it', async () => {
    const p = project(
      [
        'agent: mine',
        'review: false',
        'checks: ["no-such-check --fast", "X=1 tools/absent.sh", "cd src && no-such-thing"]',
        'agents:',
        '  mine: { kind: command, command: [no-such-agent, --print] }',
        '  spare: { kind: command, command: [no-such-spare] }',
        '  good: { kind: command, command: [git] }',
        '',
      ].join('\n'),
    );
    p.commit('Milestones', { 'milestones/1A.md': '---\ndepend_on: [1B]\n---\n# Alpha\n' });
    p.git('config', '--unset', 'user.email');
    const tree = p.git('rev-parse', 'HEAD^{tree}');
    const env = ['-c', 'user.email=t@example.org', '-c', 'user.name=T'];
    p.git(
      'config',
      'alias.later',
      `!GIT_COMMITTER_DATE=2099-01-01T00:00:00Z git ${env.join(' ')} commit-tree -m L ${tree}`,
    );
    p.git('update-ref', 'refs/heads/main', p.git('later'));
    p.git('worktree', 'add', '-q', '--detach', join(dirname(p.root), 'mine'));
    rmSync(join(dirname(p.root), 'mine'), { recursive: true });

    const { code, ok, of } = await examined(p);
    expect({ code, ok }).toEqual({ code: 1, ok: false });
    expect(of('agents')).toEqual([
      [
        'error',
        'mine: there is no program no-such-agent',
        'install no-such-agent, or set agents.mine.command in mstone.yaml',
      ],
      [
        'warning',
        'spare: there is no program no-such-spare, and nobody names this agent',
        'install no-such-spare, or set agents.spare.command in mstone.yaml',
      ],
      ['ok', expect.stringMatching(/^good: \/.*\/git$/), undefined],
    ]);
    expect(of('checks')).toEqual([
      [
        'error',
        '`no-such-check --fast` could not start: there is no program no-such-check',
        'install no-such-check, or change the check',
      ],
      [
        'warning',
        '`X=1 tools/absent.sh` could not start: there is no program tools/absent.sh',
        'make tools/absent.sh executable in the project',
      ],
    ]);
    expect(of('milestones')).toEqual([
      [
        'error',
        expect.stringMatching(/^1 error; the first: milestones\/1A\.md:2: .*depend_on/),
        'mstone validate',
      ],
    ]);
    expect(of('config')).toEqual([['ok', 'mstone.yaml, environment and user file: no errors', undefined]]);
    expect(of('identity')).toEqual([
      [
        'warning',
        expect.stringContaining('does not know who you are'),
        expect.stringContaining('git config --global user.name'),
      ],
    ]);
    expect(of('clock')).toEqual([
      [
        'error',
        expect.stringContaining('committed later: 2099-01-01T00:00:00.000Z'),
        'set the clock of this machine',
      ],
    ]);
    expect(of('worktrees')).toEqual([
      [
        'warning',
        `the folder of your worktree ${join(dirname(p.root), 'mine')} is gone`,
        'git worktree prune',
      ],
    ]);
    const text = await inside(['doctor'], p.root, p.env);
    expect(text.code).toBe(1);
    expect(text.stdout).toContain(
      'error    agents: mine: there is no program no-such-agent\n         fix: install no-such-agent,',
    );
    expect(text.stdout).toMatch(/\n4 things must be mended, \d should be\.\n$/);
  });

  it('finds a file where its folder is needed, and a folder without a repository', async () => {
    const p = project('agent: recipe\n');
    p.commit('Nothing yet');
    writeFileSync(join(p.root, '.git', 'mstone'), '');
    const { code, of } = await examined(p);
    expect(code).toBe(1);
    const file = join(p.root, '.git', 'mstone');
    expect(of('state')[0]).toEqual([
      'error',
      `${file} is a file where a folder is needed`,
      `mv -- ${file} ${file}.mine`,
    ]);
    expect(of('milestones')[0]?.[0]).toBe('warning');
    const home = p.env.HOME ?? '';
    const outside = await inside(['doctor'], home, p.env);
    expect(outside.code).toBe(1);
    expect(outside.stdout).toContain(
      `error    git: ${home} is not in a git repository\n         fix: git init\n`,
    );
  });

  it('finds the lock of a dead mstone and broken slots; --fix removes them, and what they held is kept', async () => {
    const p = project('agent: recipe\nreview: false\njobs: 1\n');
    const gate = join(p.env.HOME ?? '', 'gate');
    p.milestone('1A', { implement: `while ! test -e '${gate}'; do sleep 0.05; done; echo a > a.txt` });
    p.commit('Milestones');
    const run = p.start(['run']);
    await run.said('1A implement');
    expect((await examined(p)).of('lock')).toEqual([
      ['ok', expect.stringContaining(`a run is going on: process ${run.child.pid} on `), undefined],
    ]);
    run.child.kill('SIGKILL');
    await run.ended;
    const lock = join(p.root, '.git', 'mstone', 'lock');
    const [id] = readdirSync(join(p.root, '.git', 'mstone', 'runs'));
    const killed = await examined(p);
    expect(killed.code).toBe(0);
    expect(killed.of('lock')).toEqual([
      [
        'warning',
        expect.stringContaining(`its owner is dead: process ${run.child.pid} on `),
        'mstone doctor --fix',
      ],
    ]);
    expect(killed.of('runs')).toEqual([['warning', `run ${id} on main is unfinished`, 'mstone resume']]);
    expect(existsSync(lock)).toBe(true);
    const fixed = await examined(p, '--fix');
    expect(fixed.fixed).toEqual(['the lock of a dead process was removed']);
    expect(fixed.of('lock')).toEqual([['ok', 'nobody holds it', undefined]]);
    expect(existsSync(lock)).toBe(false);
    writeFileSync(gate, '');
    const resumed = await p.mstone('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);

    const slot = /^worktree (.*\/slots\/1)$/m.exec(p.git('worktree', 'list', '--porcelain'))?.[1] ?? '';
    rmSync(slot, { recursive: true });
    const orphan = join(dirname(slot), '9');
    mkdirSync(orphan);
    writeFileSync(join(orphan, 'precious.txt'), 'mine\n');
    expect((await examined(p)).of('worktrees')).toEqual([
      ['warning', `slot 1 (${slot}) is broken; a run makes it whole`, 'mstone doctor --fix'],
      [
        'warning',
        `slot 9 (${orphan}) is a folder that git does not know; a run makes it whole`,
        'mstone doctor --fix',
      ],
    ]);
    const mended = await examined(p, '--fix');
    expect(mended.of('worktrees')).toEqual([['ok', '0 slots, all whole', undefined]]);
    expect(mended.fixed.slice(0, 2)).toEqual(['slot 1 was removed', 'slot 9 was removed']);
    const [kept = ''] = p.git('for-each-ref', '--format=%(refname)', 'refs/mstone/rescue/doctor').split('\n');
    expect(p.git('show', `${kept}:precious.txt`)).toBe('mine');
    expect(existsSync(orphan)).toBe(false);
    expect((await examined(p)).bad).toEqual([]);
  });
});

it('a Node that is too old, one whose fixes have ended, and one that is well', () => {
  const at = (date: string) => Date.parse(date);
  expect(judgeNode('20.18.3', at('2025-01-01')).state).toBe('error');
  expect(judgeNode('20.19.0', at('2026-04-01'))).toEqual({ state: 'ok', message: 'Node 20.19.0' });
  expect(judgeNode('20.19.0', at('2026-05-01'))).toEqual({
    state: 'warning',
    message: 'Node 20.19.0 has had no fixes since 2026-04-30',
    fix: 'install Node 24, or another with long-term support',
  });
  expect(judgeNode('24.1.0', at('2026-05-01')).state).toBe('ok');
});

it('room on a disk: enough, little, none', () => {
  expect([5e9, 1.25e9, 1e8].map((free) => judgeRoom('/d', free, 2e9))).toEqual([
    { state: 'ok', message: '5 GB free for /d' },
    expect.objectContaining({
      state: 'warning',
      message: 'only 1.2 GB free for /d, limit 2 GB: one agent at a time is started',
    }),
    expect.objectContaining({ state: 'error', message: 'only 100 MB free for /d' }),
  ]);
});

it.each([
  ['npm test', 'npm'],
  ['CI=1 NODE_ENV=test ./bin/run --all', './bin/run'],
  ['! grep -rq BROKEN src', 'grep'],
  ['cd web && npm test', undefined],
  ['[ -f x ]', undefined],
  ['"$HOME/bin/x" y', undefined],
  ['X="a b" y', undefined],
  ['(make; true)', undefined],
  ['', undefined],
])('the first program of %j is %j', (command, program) => {
  expect(programOf(command)).toBe(program);
});
