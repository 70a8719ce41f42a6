import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeProject } from '../rig/project.js';

it('agents, setup and checks at work at once are told numbers of their own, for ports and databases', async () => {
  const p = makeProject(
    [
      'agent: recipe',
      'review: false',
      'jobs: 2',
      'worktrees: { setup: ["echo $MSTONE_SLOT > .setup"] }',
      // A port that two checks share would be taken.
      'checks: ["test $(cat .setup) = $MSTONE_SLOT && test $((3000 + MSTONE_SLOT)) -gt 3000"]',
    ].join('\n'),
    'numbered',
  );
  onTestFinished(() => p.remove());
  p.write('.gitignore', '.setup\n');
  const gate = join(dirname(p.root), 'gate');
  mkdirSync(gate);
  for (const [id, other] of [
    ['1A', '1B'],
    ['1B', '1A'],
  ] as const) {
    p.milestone(id, {
      front: `env: { GATE: ${JSON.stringify(gate)} }`,
      implement: `touch "$GATE/${id}"; until test -e "$GATE/${other}"; do sleep 0.02; done; echo $((3000 + MSTONE_SLOT)) > slot-$MSTONE_SLOT`,
    });
  }
  p.commit('Milestones');
  const { code, stdout, stderr } = await p.mstone('run');
  expect(code, stdout + stderr).toBe(0);
  const { 'slot-1': first, 'slot-2': second } = p.tree();
  expect([first, second]).toEqual(['3001', '3002']);
});
