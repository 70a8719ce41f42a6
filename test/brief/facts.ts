import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PromptFacts } from '../../src/brief/index.js';
import type { Purpose } from '../../src/model/effect.js';

const text = (purpose: Purpose): string =>
  readFileSync(fileURLToPath(new URL(`../../templates/${purpose}.md`, import.meta.url)), 'utf8');

export const builtIn: Readonly<Record<Purpose, string>> = {
  implement: text('implement'),
  review: text('review'),
  remediate: text('remediate'),
  resolve: text('resolve'),
};

/** Facts in which every optional one is absent. */
export const bareFacts: PromptFacts = {
  milestone: {
    id: '1B',
    title: 'Orders API',
    file: 'milestones/1B.md',
    body: '# Milestone 1B - Orders API\n\n## Tasks\n\n- Write it\n',
    criteria: ['It answers', 'It is tested'],
    tasks: [{ text: 'Write it', line: 5 }],
  },
  target: 'main',
  base: 'b'.repeat(40),
  attempt: 1,
  round: 0,
  because: 'first',
  checks: ['npm test'],
  checkResults: [],
  findings: [],
  unmet: [],
  blockOn: ['blocker', 'major'],
  diffCommand: `git diff ${'b'.repeat(40)}`,
  rules: ['Be kind.'],
};
