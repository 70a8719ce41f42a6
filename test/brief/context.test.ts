import { expect, it } from 'vitest';
import { contextJson } from '../../src/brief/context.js';
import { bareFacts } from './facts.js';

it('states the milestone and nulls what does not apply', () => {
  expect(JSON.parse(contextJson(bareFacts))).toEqual({
    milestone: {
      id: '1B',
      title: 'Orders API',
      file: 'milestones/1B.md',
      body: bareFacts.milestone.body,
      criteria: ['It answers', 'It is tested'],
      tasks: ['Write it'],
    },
    base: 'b'.repeat(40),
    checks: [],
    findings: [],
    conflict: null,
    facts: [],
  });
});

it('states what is held against the work, unmet criteria without a finding of their own included', () => {
  const finding = { id: 'F1', severity: 'major', cites: 'It answers', problem: 'No' } as const;
  const context: unknown = JSON.parse(
    contextJson({
      ...bareFacts,
      checkResults: [
        { command: 'npm test', kind: 'failed', exit: 1, ms: 12, tail: 'not ok' },
        { command: 'nope', kind: 'unstartable', ms: 1, tail: '' },
      ],
      findings: [finding],
      unmet: [
        { text: 'It answers', met: false },
        { text: 'It is tested', met: false, evidence: 'no test' },
        { text: 'It is quick', met: false },
      ],
      conflict: { onto: 'c'.repeat(40), files: ['a'] },
      facts: [{ id: 'gate-files Makefile', kind: 'gate-files', file: 'Makefile', text: 'changed' }],
    }),
  );
  expect(context).toMatchObject({
    checks: [
      { command: 'npm test', kind: 'failed', exit: 1, tail: 'not ok' },
      { command: 'nope', kind: 'unstartable', exit: null, tail: '' },
    ],
    findings: [
      finding,
      { id: 'C1', severity: 'major', cites: 'It is tested', problem: 'Not met: no test' },
      { id: 'C2', severity: 'major', cites: 'It is quick', problem: 'This exit criterion is not met' },
    ],
    conflict: { onto: 'c'.repeat(40), files: ['a'] },
    facts: [{ id: 'gate-files Makefile', file: 'Makefile', text: 'changed' }],
  });
});
