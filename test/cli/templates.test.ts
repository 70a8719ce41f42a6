import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeProject } from '../rig/project.js';

const p = makeProject('agent: recipe\nreview: false\n');
afterAll(() => p.remove());

it("a project's own prompt replaces the built-in one, and a broken one is refused before anything starts", async () => {
  p.milestone('1A', { implement: 'cp "$MSTONE_PROMPT_FILE" prompt.txt' });
  p.write('milestones/templates/implement.md', 'For {{ milestone.id }} only.\nSay {{ milestne.title }}\n');
  p.commit('Milestones');
  const broken = await p.mstone('run');
  expect({ code: broken.code, stdout: broken.stdout }).toEqual({ code: 2, stdout: '' });
  expect(broken.stderr).toContain('milestones/templates/implement.md:2:');
  expect(broken.stderr).toContain('milestne');
  expect(p.starts()).toEqual([]);

  p.commit('Mended', { 'milestones/templates/implement.md': 'For {{ milestone.id }} only.\n' });
  expect((await p.mstone('run')).code).toBe(0);
  expect(readFileSync(join(p.root, 'prompt.txt'), 'utf8')).toBe('For 1A only.\n');
});
