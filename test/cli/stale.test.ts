import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
afterEach(() => p.remove());

const TEXT = `---
estimate: 10m
---
# Milestone 1A - Alpha

## Tasks

- [ ] Say one

## Estimated Time

10 minutes
`;

it('a landed milestone is stale once its text says something else, and only then; it is redone by name with the difference', async () => {
  const config = {
    agent: 'mine',
    review: false,
    agents: {
      mine: {
        kind: 'command',
        command: [
          'sh',
          '-c',
          'cp "$MSTONE_PROMPT_FILE" "$HOME/prompt"; grep "^- \\[.\\] Say" "$MSTONE_PROMPT_FILE" > said.txt',
        ],
      },
    },
  };
  p = makeProject(`${JSON.stringify(config)}\n`);
  const prompt = (): string => readFileSync(join(p.env.HOME ?? '', 'prompt'), 'utf8');
  p.commit('Milestones', { 'milestones/1A.md': TEXT, 'milestones/1B.md': '# Beta\n\n- [ ] Say two\n' });
  const first = await p.mstone('run');
  expect(first.code, first.stdout + first.stderr).toBe(0);
  expect(prompt()).not.toContain('landed before');

  // Neither a tick nor an estimate is another version.
  const ticked = TEXT.replace('[ ]', '[x]')
    .replace('estimate: 10m', 'estimate: 20m')
    .replace('10 minutes', '20 minutes');
  p.commit('Ticked', { 'milestones/1A.md': ticked });
  const states = async (): Promise<Record<string, string>> => {
    const { stdout } = await p.mstone('plan', '--json');
    const { milestones } = JSON.parse(stdout) as { milestones: { id: string; state: string }[] };
    return Object.fromEntries(milestones.map(({ id, state }) => [id, state]));
  };
  expect(await states()).toEqual({ '1A': 'done', '1B': 'done' });

  p.commit('Another text', { 'milestones/1A.md': ticked.replace('Say one', 'Say one, aloud') });
  expect(await states()).toEqual({ '1A': 'stale', '1B': 'done' });
  const landing = p.git('log', '--format=%h', '--abbrev=7', '--grep=^Mstone-Milestone: 1A$');
  const plan = await p.mstone('plan');
  const reason = `its text has changed since it landed as ${landing}; \`mstone run 1A\` does it again, \`mstone mark 1A --done\` accepts it as it is`;
  expect(plan.stdout).toContain(`1A  stale  Alpha  ${reason}`);
  const head = p.oid('main');
  const run = await p.mstone('run');
  expect(run).toEqual({
    code: 0,
    stdout: `Nothing to do: 1 of 2 done.\n  1A is stale: ${reason}\n`,
    stderr:
      'milestones/1A.md: note: 1A: its text has changed since it landed\n  fix: mstone run 1A does it again, mstone mark 1A --done accepts it as it is\n',
  });
  expect(p.oid('main')).toBe(head);

  const redone = await p.mstone('run', '1A');
  expect(redone.code, redone.stdout + redone.stderr).toBe(0);
  expect(prompt()).toContain('It has landed before, with another text');
  expect(prompt()).toContain('\n-- [ ] Say one\n+- [x] Say one, aloud\n');
  expect(p.tree()['said.txt']).toBe('- [x] Say one, aloud');
  expect(await states()).toEqual({ '1A': 'done', '1B': 'done' });
  expect(p.landed().filter((subject) => subject === '1A: Alpha')).toHaveLength(2);

  // All that is stale, without naming it.
  p.commit('Yet another', { 'milestones/1B.md': '# Beta\n\n- [ ] Say three\n' });
  const stale = await p.mstone('run', '--stale');
  expect(stale.code, stale.stdout + stale.stderr).toBe(0);
  expect(p.tree()['said.txt']).toBe('- [ ] Say three');
});
