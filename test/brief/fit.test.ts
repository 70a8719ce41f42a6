import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitPrompt } from '../../src/brief/fit.js';
import type { PromptFacts } from '../../src/brief/index.js';
import { renderPrompt } from '../../src/brief/prompt.js';
import { rulesFor } from '../../src/brief/rules.js';
import type { Purpose } from '../../src/model/effect.js';
import { bareFacts, builtIn } from './facts.js';

const long = (word: string): string => `${word} `.repeat(2000);
const full: PromptFacts = {
  ...bareFacts,
  milestone: { ...bareFacts.milestone, body: `${bareFacts.milestone.body}\n${long('milestone')}` },
  rules: rulesFor('implement'),
  project: [
    { file: 'AGENTS.md', text: long('agents') },
    { file: 'DIRECTION.md', text: long('direction') },
  ],
  landed: [
    {
      id: '1A',
      title: 'Base',
      commit: 'c'.repeat(40),
      subjects: [long('landed').slice(0, 100)],
      moreSubjects: 3,
      files: ['src/a.ts', 'src/b.ts'],
      moreFiles: 2,
    },
  ],
  notes: [{ by: '1A implement', text: long('noted') }],
  checkResults: [{ command: 'npm test', kind: 'failed', exit: 1, ms: 1, tail: long('printed') }],
  milestoneDiff: long('differs'),
};

const fitted = (limit: number, facts = full, purpose: Purpose = 'implement') => {
  const made = fitPrompt(purpose, facts, builtIn, { limit });
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  return made.value;
};

describe('a brief', () => {
  it('of a conflict loses the texts of the other side before the milestone’s own difference', () => {
    const other = { id: '1A', title: 'Base', commit: 'c'.repeat(40) };
    const facts: PromptFacts = {
      ...bareFacts,
      because: 'conflict',
      conflict: { onto: 'e'.repeat(40), files: ['a.txt'] },
      sides: { base: 'a'.repeat(40), work: 'b'.repeat(40), others: [{ ...other, text: long('asked') }] },
    };
    const { text, cut } = fitted(8000, facts, 'resolve');
    expect(cut).toEqual(['the texts of what it conflicts with']);
    expect(text).toContain('Milestone 1A, Base, landed as');
    expect(text).not.toContain('asked asked');
  });

  it('of which nothing must go is whole: the project, what it builds on, the milestone, notes, checks', () => {
    const { text, cut } = fitted(1e9);
    expect(cut).toEqual([]);
    const places = [
      'Rules:',
      '## The project',
      '<file path="AGENTS.md">',
      '<file path="DIRECTION.md">',
      '## What it builds on',
      'Milestone 1A, Base, has landed as cccccccccccc.',
      '- and 3 more commits',
      'It changed: src/a.ts, src/b.ts and 2 more files',
      '## Milestone 1B',
      '## Notes',
      'From 1A implement:',
      'These commands must exit 0',
    ].map((words) => text.indexOf(words));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('that is too long is cut in one order, and never of its milestone, criteria and rules', () => {
    const order = [
      'notes',
      'what it builds on',
      'DIRECTION.md',
      'AGENTS.md',
      'what checks printed',
      'the difference to its earlier text',
    ];
    const seen = new Set<number>();
    for (let limit = 120_000; limit > 0; limit -= 150) {
      const { text, cut } = fitted(limit);
      expect(cut).toEqual(order.slice(0, cut.length));
      seen.add(cut.length);
      if (cut.length < order.length) expect(text.length).toBeLessThanOrEqual(limit);
      expect(text).toContain(full.milestone.body.trimEnd());
      for (const rule of full.rules) expect(text).toContain(rule);
    }
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('keeps what is held against the work, however short it must be', () => {
    const finding = { id: 'F1', severity: 'major' as const, problem: 'It lies' };
    const { text } = fitted(
      1,
      { ...full, findings: [finding], unmet: [{ text: 'It holds', met: false }] },
      'remediate',
    );
    expect(text).toContain('- F1 (major): It lies');
    expect(text).toContain('- It holds');
  });

  it.each(['implement', 'review', 'remediate', 'resolve'] as const)(
    'begins for two milestones of a run with the same bytes, the project included: %s',
    (purpose) => {
      const body = fc.string({ minLength: 1, maxLength: 200 });
      fc.assert(
        fc.property(body, body, body, (one, two, note) => {
          const of = (id: string, text: string, notes: string[]): Buffer => {
            const rendered = renderPrompt(
              purpose,
              {
                ...full,
                milestone: { ...full.milestone, id, title: text, body: text },
                landed: notes.length === 0 ? [] : (full.landed ?? []),
                notes: notes.map((words) => ({ by: id, text: words })),
                base: id.padEnd(40, '0'),
              },
              builtIn,
            );
            if (!rendered.ok) throw new Error(JSON.stringify(rendered.error));
            return Buffer.from(rendered.value);
          };
          const [a, b] = [of('1A', one, []), of('2B', two, [note])];
          const end = a.indexOf('## Milestone 1A');
          expect(end).toBeGreaterThan(20_000);
          expect(b.subarray(0, end).equals(a.subarray(0, end))).toBe(true);
        }),
        { numRuns: 20 },
      );
    },
  );

  it('tells who goes on that the target has moved far', () => {
    const moved = { landings: 7, shared: ['src/a.ts'], moreShared: 2 };
    for (const purpose of ['remediate', 'resolve'] as const) {
      const rendered = renderPrompt(purpose, { ...bareFacts, moved }, builtIn);
      expect(rendered.ok && rendered.value).toContain(
        'The target has moved on since this work began, by 7 commits, and what landed changed files that your work changes, too: src/a.ts and 2 more.',
      );
    }
  });
});
