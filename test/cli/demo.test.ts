import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeProject } from '../rig/project.js';

const p = makeProject();
afterAll(() => p.remove());

it('the demo of reviews shows one that converges and one that is stopped, and says so', async () => {
  const dir = join(dirname(p.root), 'reviews');
  const demo = await p.start(['demo', '--review', '--dir', dir, '--output', 'plain']).ended;
  expect(demo.code, demo.stdout + demo.stderr).toBe(0);
  expect(demo.stdout).toMatch(/1A review asks for changes/);
  expect(demo.stdout).toMatch(/1A landed/);
  expect(demo.stdout).toContain(
    '1B needs you: no progress: these are the very files that the review refused before',
  );
  expect(demo.stdout).toContain('mstone retry 1B');
  expect(demo.stdout).toContain('What you saw:');
}, 120_000);

it('the demo builds a program from an empty repository, shows it at work, and leaves only its folder', async () => {
  const dir = join(dirname(p.root), 'demo');
  const demo = await p.start(['demo', '--dir', dir, '--output', 'plain']).ended;
  expect(demo.code, demo.stdout + demo.stderr).toBe(0);
  expect(demo.stdout).toContain('An empty repository with 11 milestones');
  expect(demo.stdout).toMatch(/1B checks failed: node test\/all\.mjs/);
  expect(demo.stdout).toMatch(/2B review asks for changes/);
  expect(demo.stdout).toMatch(/3[AB] conflicts with main in src\/formats\.mjs/);
  expect(demo.stdout).toContain('11 of 11 milestones landed on main');
  expect(demo.stdout).toContain('Jupiter  ████████████████████████████████████████ 69911');
  expect(demo.stdout).toContain('- [x] **3C** Guide');
  expect(demo.stdout).toContain('(HEAD -> main) 3C: Guide');
  // Its worktrees lie in its folder, not in the user's state directory.
  expect(existsSync(p.env.XDG_STATE_HOME ?? '')).toBe(false);

  const again = await p.start(['demo', '--dir', dir]).ended;
  expect({ code: again.code, stderr: again.stderr }).toEqual({
    code: 2,
    stderr: `error: ${dir} is not empty\n  fix: name a folder that is not there yet: mstone demo --dir NEW\n`,
  });
}, 300_000);
