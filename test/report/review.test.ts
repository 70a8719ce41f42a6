import { expect, it } from 'vitest';
import type { Judgement } from '../../src/model/verdict.js';
import { plain, reviewReport } from '../../src/report/review.js';
import type { Passage } from '../../src/run/attempts.js';

it.each([
  ['<script>alert(1)</script> &amp;', '&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp;'],
  ['![x](http://evil.example/a.png)', '!\\[x\\](http\\://evil.example/a.png)'],
  ['a\u001b[31m | b\n# c', 'a \\| b # c'],
  ['# heading', '\\# heading'],
  ['- item', '\\- item'],
  ['1. item', '1\\. item'],
  ['`code` **bold** __x__ ~~y~~', '\\`code\\` \\*\\*bold\\*\\* \\_\\_x\\_\\_ \\~\\~y\\~\\~'],
  ['www.evil.example', 'www\\.evil.example'],
])('text from agents is words in Markdown: %j', (text, escaped) => {
  expect(plain(text)).toBe(escaped);
});

it('tells round by round who said what, and what became of each finding and note', () => {
  const review = (judgement: Judgement, more: Partial<Passage> = {}): Passage =>
    ({
      did: 'review',
      at: 0,
      ms: 2000,
      agent: 'claude',
      reviewer: 'security',
      role: 'security',
      round: 0,
      costUsd: 0.5,
      findings: [],
      unmet: [],
      log: 'x.log',
      outcome: judgement.kind,
      judgement,
      ...more,
    }) as Passage;
  const passages = [
    review({
      kind: 'refused',
      findings: [
        { id: 'F1', severity: 'blocker', cites: 'It is <b>safe</b>', file: 'a.ts', line: 3, problem: 'No.' },
        { id: 'F2', severity: 'major', cites: 'npm test', problem: 'Red.' },
      ],
      unmet: [],
      notes: [{ id: 'F3', severity: 'major', problem: 'Ugly', because: 'cites no rule' }],
      criteria: [{ text: 'It is | safe', met: false, evidence: 'seen\nso' }],
      score: 0.4,
      summary: 'Not yet',
    }),
    review({
      kind: 'approved',
      notes: [],
      answers: [
        { id: 'F1', answer: 'fixed' },
        { id: 'F2', answer: 'withdrawn', why: 'my mistake' },
      ],
    }),
  ];
  const text = reviewReport({
    id: '1A',
    title: 'One',
    standing: 'landed',
    attempts: [{ run: 'R', attempt: 1, passages }],
    flakes: ['npm test failed once'],
  });
  expect(text).toBe(`# 1A One

landed

Agents cost $1.00.

## Flakes

- npm test failed once

## Attempt 1, run R

### Review 1 by claude as security: refused

2s, $0.50

Not yet

Score: 0.4

| Exit criterion | Met | Evidence |
|---|---|---|
| It is \\| safe | **no** | seen so |

Held against it:

- **F1** blocker, a.ts:3: No.
  - rests on: It is &lt;b&gt;safe&lt;/b&gt;
  - fixed
- **F2** major: Red.
  - rests on: npm test
  - withdrawn

Notes, which hold nothing back:

- **F3** major: Ugly
  - cites no rule

### Review 2 by claude as security: approved

2s, $0.50

Of what it held before:

- F1: fixed
- F2: withdrawn, my mistake
`);
});
