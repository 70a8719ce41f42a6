/** `plan` and `run` where nobody has said who implements: what is chosen is said, and kept. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { makeProject, pathWith, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** Without `mstone.yaml`, on a machine with these agents. */
function bare(agents: Readonly<Record<string, string>> = {}): TestProject {
  const p = makeProject('');
  projects.push(p);
  p.env.PATH = pathWith(join(homeOf(p), 'bin'), agents);
  return p;
}

const homeOf = (p: TestProject): string => p.env.HOME ?? '';
const says = (version: string): string => `#!/bin/sh\necho "${version}"\n`;

it('plan says what would be chosen and why, of the commit and not of what lies about, and prints it as data', async () => {
  const p = bare({ codex: says('codex-cli 0.169.0'), claude: says('2.1.329 (Claude Code)') });
  p.write('milestones/1A.md', '# Milestone 1A - In words\n\nDo it.\n');
  p.milestone('1B', { title: 'By recipe', implement: 'echo b > b.txt' });
  p.commit('Milestones', { 'package.json': '{"scripts":{"test":"node --test"},"dependencies":{"x":"1"}}' });
  p.write('Cargo.toml', '');
  p.write('.env', 'KEY=1\n');

  expect(await p.mstone('plan')).toEqual({
    code: 0,
    stderr: '',
    stdout: [
      'Plan for main: 2 to run, 0 of 2 milestones done',
      '',
      'Stage 1',
      '   1  1A  todo  In words   never landed',
      '   2  1B  todo  By recipe  never landed',
      '',
      'Order: 1A, 1B',
      '',
      'Implements: claude 2.1.329, found on the PATH; 1B by its own recipe',
      'Checks: npm test, from package.json',
      'In each worktree: npm install; copies of .env; node_modules kept',
      'Review: by a fresh claude, 3 rounds at most; 1B by its own `## Review`',
      'Agents at once: 4',
      'Cost: no budget is set, --max-cost USD sets one; agents bill your account',
      'None of this is in a file yet: mstone init writes an mstone.yaml.',
      '',
    ].join('\n'),
  });
  const { chosen } = JSON.parse((await p.mstone('plan', '--json')).stdout) as { chosen: unknown };
  expect(chosen).toEqual({
    agent: { name: 'claude', from: 'path', version: '2.1.329' },
    recipes: ['1B'],
    unreviewed: [],
    checks: [{ command: 'npm test', from: 'package.json' }],
    worktrees: { setup: ['npm install'], copy: ['.env'], keep: ['node_modules'] },
  });
  p.env.MSTONE_BUDGET_USD = '20';
  expect((await p.mstone('plan')).stdout).toContain('\nCost: $20.00 at most; agents bill your account\n');
  delete p.env.MSTONE_BUDGET_USD;
  // Who is named is not chosen: the rest still is.
  p.env.MSTONE_AGENT = 'gemini';
  expect((await p.mstone('plan')).stdout.split('\n').slice(8, 10)).toEqual([
    'Implements: gemini',
    'Checks: npm test, from package.json',
  ]);
  delete p.env.MSTONE_AGENT;
  // A program of the project's own that bears an agent's name is no agent.
  p.env.PATH = `.:${pathWith(join(homeOf(p), 'none'))}`;
  writeFileSync(join(p.root, 'claude'), says('9.9.9'), { mode: 0o755 });
  expect((await p.mstone('plan')).stderr).toContain(
    'nobody implements 1A: no agent is named, and none is installed',
  );
});

it('run goes by the recipes where there is nothing else, runs the checks it found, and says so first', async () => {
  const p = bare();
  p.write('milestones/1A.md', '# Milestone 1A - Alone\n\n## Recipe\n\n```sh\necho a > a.txt\n```\n');
  p.commit('Milestones', { Makefile: 'test:\n\ttest -s a.txt\n' });
  const run = await p.mstone('run');
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: '' });
  expect(run.stdout.split('\n').slice(0, 8)).toEqual([
    'Implements: 1A by its own recipe: no agent is named',
    'Checks: make test, from Makefile',
    'Review: not of 1A, without a `## Review`',
    'Agents at once: 4',
    'None of this is in a file yet: mstone init writes an mstone.yaml.',
    '',
    expect.stringMatching(/ Run \S+ on main: 1 milestone, 4 agents at once$/),
    expect.stringMatching(/ 1A implement started /),
  ]);
  expect(run.stdout).toContain('1A checks passed');
  expect(p.tree()).toEqual({ 'a.txt': 'a', Makefile: 'test:\n\ttest -s a.txt' });
});

/** As far as mstone looks: it tells its version, works, and reviews where it is given a schema to answer in. */
const CLAUDE = `#!/bin/sh
test "$1" = --version && { echo '2.1.329 (Claude Code)'; exit; }
cat > /dev/null
for word; do
  test "$word" = --json-schema && review=1
  test "$before" = --session-id && session=$word
  before=$word
done
end='"type":"result","subtype":"success","is_error":false,"result":"","num_turns":1,"permission_denials":[]'
echo '{"type":"system","subtype":"init","claude_code_version":"2.1.329","tools":[],"session_id":"'"$session"'"}'
if test -n "$review"; then
  verdict='{"verdict":"approve","criteria":[{"text":"it greets","met":true,"evidence":"seen"}],"findings":[],"summary":""}'
  echo '{'"$end"',"total_cost_usd":0.01,"structured_output":'"$verdict"',"session_id":"'"$session"'"}'
else
  echo hello > hello.txt
  echo '{'"$end"',"total_cost_usd":0.02,"session_id":"'"$session"'"}'
fi
`;

it('run starts the agent that was found, has another of its kind review it, and lands that', async () => {
  const p = bare({ claude: CLAUDE });
  p.write('milestones/1A.md', '# Milestone 1A - Hello\n\nGreet.\n\n## Exit Criteria\n\n- it greets\n');
  const run = await p.mstone('run', '--commit');
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: '' });
  expect(run.stdout.split('\n')[0]).toBe('Implements: claude 2.1.329, found on the PATH');
  expect(run.stdout).toContain('1 of 1 milestone landed on main, $0.03 spent\n');
  expect(p.git('show', 'HEAD:TASKS.md')).toContain('by claude, approved');
  expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.review']);
  expect(p.tree()).toEqual({ 'hello.txt': 'hello' });
});

it('an agent that comes up while a run is interrupted does not take over its work', async () => {
  const p = bare();
  const gate = join(homeOf(p), 'gate');
  const user = join(p.env.XDG_CONFIG_HOME ?? '', 'mstone', 'config.yaml');
  const agent = (name: string, script: string): string =>
    `  ${name}: { kind: command, command: [sh, -c, ${JSON.stringify(script)}] }\n`;
  mkdirSync(join(user, '..'), { recursive: true });
  const mine = agent('mine', `while ! test -e '${gate}'; do sleep 0.05; done; echo mine >> who.txt`);
  writeFileSync(user, `review: false\nagents:\n${mine}`);
  p.write('milestones/1A.md', '# Milestone 1A - First\n\nDo it.\n');
  p.write('milestones/1B.md', '---\ndepends_on: [1A]\n---\n# Milestone 1B - Second\n\nDo it.\n');
  p.commit('Milestones');

  const first = p.start(['run']);
  await first.said('1A implement started');
  first.child.kill('SIGINT');
  await first.said('nothing new starts');
  writeFileSync(gate, '');
  const ended = await first.ended;
  expect({ code: ended.code, first: ended.stdout.split('\n')[0] }).toEqual({
    code: 130,
    first: 'Implements: mine, the only one configured',
  });

  writeFileSync(user, `review: false\nagents:\n${mine}${agent('other', 'echo other >> who.txt')}`);
  pathWith(join(homeOf(p), 'bin'), { claude: says('2.1.329') });
  const resumed = await p.mstone('resume');
  expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
  // It was said when the run began.
  expect(resumed.stdout).not.toContain('Implements:');
  expect(p.tree()).toEqual({ 'who.txt': 'mine\nmine' });
  // The next run is a new question, with two answers.
  p.write('milestones/1C.md', '# Milestone 1C - Third\n\nDo it.\n');
  p.commit('One more');
  expect(await p.mstone('run')).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'milestones/1C.md: error: nobody implements 1C: no agent is named\n  fix: add `agent: NAME` to mstone.yaml; these are there: mine, other\n',
  });
});
