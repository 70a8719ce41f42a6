import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, readVerdict, type Terms } from '../../src/brief/verdict.js';
import type { Severity } from '../../src/model/config.js';
import type { Finding, Judgement } from '../../src/model/verdict.js';

const terms: Terms = {
  criteria: [],
  checks: ['npm test'],
  rules: ['Hold only plain correctness against the change.'],
  project: [{ file: 'AGENTS.md', text: '# Rules\n\nEvery error names the file.\n' }],
  blockOn: ['blocker', 'major'],
};
const line = (more: Record<string, unknown>) => ({
  mstone: 'verdict',
  verdict: 'approve',
  criteria: [],
  findings: [],
  ...more,
});
const met = (text: string) => ({ text, met: true, evidence: 'seen' });
const unmet = (text: string) => ({ text, met: false, evidence: 'not seen' });
/** It cites a check, so that its severity alone says whether it blocks. */
const finding = (severity: Severity, id = 'F1', more: Partial<Finding> = {}): Finding => ({
  id,
  severity,
  cites: 'npm test',
  problem: `a ${severity}`,
  ...more,
});

const weigh = (
  reply: Record<string, unknown>,
  criteria: readonly string[],
  more: Partial<Terms> = {},
): Judgement => judge(readVerdict([line(reply)]), { ...terms, criteria, ...more });

describe('reading', () => {
  it('takes every field as it stands', () => {
    const verdict = {
      verdict: 'request_changes',
      criteria: [unmet('It answers')],
      findings: [
        {
          id: 'F1',
          severity: 'major',
          cites: 'It answers',
          file: 'src/a.ts',
          line: 12,
          problem: 'It does not.\n\tReally.',
          suggestion: 'Answer',
        },
      ],
      summary: 'Not yet',
    };
    expect(readVerdict([{ mstone: 'verdict', ...verdict }])).toEqual({ kind: 'verdict', verdict });
  });

  it('forgives nulls, capitals, unknown keys, a line that is none and a finding without a name', () => {
    expect(
      readVerdict([
        {
          mstone: 'verdict',
          verdict: 'APPROVE',
          criteria: null,
          confidence: 0.9,
          findings: [
            { severity: ' Minor ', file: null, line: '12-14', problem: 'a', cites: null, suggestion: null },
            { id: 'F1', severity: 'nit', line: 0, problem: 'b' },
            { id: 'F1', severity: 'nit', line: 3, problem: 'c' },
            { id: 7, severity: 'nit', problem: 'd' },
          ],
        },
      ]),
    ).toEqual({
      kind: 'verdict',
      verdict: {
        verdict: 'approve',
        criteria: [],
        findings: [
          { id: 'F2', severity: 'minor', problem: 'a' },
          { id: 'F1', severity: 'nit', problem: 'b' },
          { id: 'F3', severity: 'nit', line: 3, problem: 'c' },
          { id: '7', severity: 'nit', problem: 'd' },
        ],
      },
    });
  });

  it('goes by the last line, also where it is damaged', () => {
    const good = line({});
    expect(readVerdict([line({ verdict: 'request_changes' }), good])).toMatchObject({
      verdict: { verdict: 'approve' },
    });
    expect(readVerdict([good, line({ verdict: 'maybe' })]).kind).toBe('unreadable');
  });

  it.each([
    ['nothing', [], 'it printed no verdict line'],
    ['no verdict', [{ mstone: 'verdict', findings: [] }], 'verdict:'],
    ['no findings', [{ mstone: 'verdict', verdict: 'approve' }], 'findings:'],
    [
      'an unknown severity',
      [line({ findings: [{ severity: 'critical', problem: 'x' }] })],
      'findings.0.severity:',
    ],
    [
      'a finding that says nothing',
      [line({ findings: [{ severity: 'nit', problem: ' ' }] })],
      'findings.0.problem: says nothing',
    ],
    ['a criterion without an answer', [line({ criteria: [{ text: 'a' }] })], 'criteria.0.met:'],
    ['met in words', [line({ criteria: [{ text: 'a', met: 'yes' }] })], 'criteria.0.met:'],
    ['no object', ['approve'], 'it:'],
  ])('refuses %s, and says where', (_, lines, why) => {
    const reply = readVerdict(lines);
    expect(reply.kind === 'unreadable' ? reply.why : reply).toContain(why);
  });

  it('removes what could move a cursor or turn text round, and bounds length', () => {
    const reply = readVerdict([
      line({
        summary: `a\u001b[31mb\u202ec\ud800\r\nd${'x'.repeat(9_000)}`,
        findings: [
          { id: 'F\u001b1', severity: 'nit', file: `a\nb${'y'.repeat(900)}`, problem: '\u0007p\nq' },
        ],
      }),
    ]);
    if (reply.kind === 'unreadable') throw new Error(reply.why);
    const { summary, findings } = reply.verdict;
    expect(summary?.slice(0, 10)).toBe('a[31mbc\ndx');
    expect(summary?.length).toBeLessThanOrEqual(4_000);
    expect(
      findings.map((each) => [each.id, each.file?.slice(0, 4), each.file?.length, each.problem]),
    ).toEqual([['F 1', 'a by', 500, 'p\nq']]);
  });

  it('keeps the 200 most severe of many findings', () => {
    const many = Array.from({ length: 150 }, (_, n) => [
      finding('nit', `n${n}`),
      finding('blocker', `b${n}`),
    ]).flat();
    const reply = readVerdict([line({ findings: many })]);
    if (reply.kind === 'unreadable') throw new Error(reply.why);
    const ids = reply.verdict.findings.map((each) => each.id);
    expect([ids.length, reply.left]).toEqual([200, 100]);
    expect([ids[0], ids[149], ids[150], ids[199]]).toEqual(['b0', 'b149', 'n0', 'n49']);
  });

  it('is quick about a line full of the same answer', () => {
    const reply = readVerdict([line({ criteria: Array.from({ length: 60_000 }, () => unmet('a')) })]);
    const judged = judge(reply, { ...terms, criteria: ['a'] });
    expect(judged.kind === 'unreadable' ? judged.why : '').toContain('; and 195 more');
  });
});

describe('weighing', () => {
  it('approves what is approved, met and free of what blocks', () => {
    expect(weigh({ criteria: [met('A'), met('B')], findings: [finding('minor')] }, ['A', 'B'])).toEqual({
      kind: 'approved',
      notes: [finding('minor')],
      criteria: [met('A'), met('B')],
    });
  });

  it('needs no answers where no criteria are stated', () => {
    expect(weigh({}, [])).toEqual({ kind: 'approved', notes: [] });
  });

  it('refuses for a finding that blocks; the others are notes', () => {
    expect(
      weigh({ verdict: 'request_changes', findings: [finding('nit', 'F1'), finding('major', 'F2')] }, ['A']),
    ).toEqual({
      kind: 'refused',
      findings: [finding('major', 'F2')],
      unmet: [],
      notes: [finding('nit', 'F1')],
    });
  });

  it('refuses for a criterion that is not met, in the words of the milestone', () => {
    expect(
      weigh({ verdict: 'request_changes', criteria: [unmet('1. `a`  works'), met('B')] }, ['A works.', 'B']),
    ).toEqual({
      kind: 'refused',
      findings: [],
      unmet: [{ text: 'A works.', met: false, evidence: 'not seen' }],
      criteria: [unmet('1. `a` works'), met('B')],
    });
  });

  it.each([
    [
      'an unmet criterion',
      { criteria: [met('A'), unmet('B')] },
      'it says approve, but it answers "B" as not met',
    ],
    [
      'a missing criterion',
      { criteria: [met('A')] },
      'it says approve, but it does not answer the exit criterion "B"',
    ],
    [
      'a criterion both met and unmet',
      { criteria: [met('A'), met('B'), unmet('b')] },
      'it says approve, but it answers "B" as not met',
    ],
    [
      'something else unmet',
      { criteria: [met('A'), met('B'), unmet('C')] },
      'it says approve, but it answers "C" as not met',
    ],
    [
      'a finding that blocks',
      { criteria: [met('A'), met('B')], findings: [finding('blocker')] },
      'it says approve, but its finding F1 is a blocker',
    ],
    [
      'several of these',
      { criteria: [unmet('A')], findings: [finding('major')] },
      'it says approve, but it answers "A" as not met; it does not answer the exit criterion "B"; its finding F1 is a major',
    ],
    [
      'a refusal without a reason',
      { verdict: 'request_changes', criteria: [met('A')], findings: [finding('minor')] },
      'it says request_changes, but holds no blocking finding (blocking are blocker and major) and answers no criterion as not met',
    ],
  ])('asks again about %s', (_, reply, why) => {
    expect(weigh(reply, ['A', 'B'])).toEqual({ kind: 'unreadable', why });
  });

  it('hands on why an answer could not be read', () => {
    expect(judge(readVerdict([]), terms)).toEqual({
      kind: 'unreadable',
      why: 'it printed no verdict line',
    });
  });

  it('goes by the severities that the project names', () => {
    const reply = readVerdict([line({ findings: [finding('minor')] })]);
    expect(judge(reply, { ...terms, blockOn: ['minor'] }).kind).toBe('unreadable');
    expect(judge(reply, { ...terms, blockOn: [] }).kind).toBe('approved');
  });

  it('takes an approval only with the score that is asked for', () => {
    const whyOf = (more: Record<string, unknown>): string => {
      const judged = weigh(more, [], { threshold: 0.8 });
      return judged.kind === 'unreadable' ? judged.why : judged.kind;
    };
    expect([whyOf({}), whyOf({ score: 0.79 }), whyOf({ score: 0.8 })]).toEqual([
      'it says approve, but it gives no score, which an approval needs here (at least 0.8)',
      'it says approve, but its score of 0.79 is below 0.8',
      'approved',
    ]);
    expect(readVerdict([line({ score: 80 })]).kind).toBe('unreadable');
  });
});

describe('a finding blocks', () => {
  const criteria = ['The list is sorted', '`--all` shows everything'];
  const refused = (more: Partial<Finding>, with_: Partial<Terms> = {}, absent: string[] = []): Judgement => {
    const { cites: _cites, ...bare } = finding('major');
    const findings = [{ ...bare, ...more }, finding('major', 'F9')];
    const reply = readVerdict([line({ verdict: 'request_changes', findings })]);
    return judge(reply, { ...terms, criteria, ...with_ }, new Set(absent));
  };
  /** What it rests on, or why it is a note. F9 blocks in any case, so that there is a verdict. */
  const groundOf = (more: Partial<Finding>, ...rest: [Partial<Terms>?, string[]?]): string | undefined => {
    const judged = refused(more, ...rest);
    if (judged.kind !== 'refused') throw new Error(JSON.stringify(judged));
    const held = judged.findings.find(({ id }) => id === 'F1');
    return held?.cites ?? judged.notes?.find(({ id }) => id === 'F1')?.because;
  };

  it.each([
    ['a criterion in full', 'The list is sorted', criteria[0]],
    ['with marks and other case', '- [ ] **the list is SORTED**.', criteria[0]],
    ['by number', '2', criteria[1]],
    ['by number and name', 'Criterion 2: everything is shown', criteria[1]],
    ['by short number', 'C1', criteria[0]],
    ['with words around it', 'exit criterion "The list is sorted"', criteria[0]],
    ['in part', 'shows everything', criteria[1]],
    ['a check', 'check `npm test` fails on Node 20', 'npm test'],
    ['a rule that is told', 'plain correctness', 'Hold only plain correctness against the change.'],
    ["a line of the project's own brief", 'Every error names the file', 'Every error names the file.'],
    ['by its place', 'AGENTS.md:3', 'Every error names the file.'],
  ])('by what it cites: %s', (_, cites, ground) => {
    expect(groundOf({ cites })).toBe(ground);
  });

  it.each([
    ['best practice'],
    ['SOLID'],
    ['3'],
    ['C12'],
    ['2 spaces'],
    ['AGENTS.md'],
    ['AGENTS.md:2'],
    ['AGENTS.md:99'],
    ['npm tests'],
    ['sorted'],
    ['---'],
  ])('not by %j, which is none of them', (cites) => {
    expect(groundOf({ cites })).toBe(`cites "${cites}", which is no exit criterion, check or rule here`);
  });

  it('not without citing anything, nor in a file that is not there', () => {
    expect(groundOf({})).toBe('cites no exit criterion, check or rule');
    expect(groundOf({ cites: '1', file: 'gone.ts' }, {}, ['gone.ts'])).toBe(
      'names gone.ts, and there is no such file',
    );
  });

  it('by tasks, or lines of the text, only where they stand in for criteria', () => {
    const standIns = ['Write the list'];
    expect(groundOf({ cites: 'Write the list' }, { criteria: [], standIns })).toBe('Write the list');
    expect(groundOf({ cites: 'Write the list' }, { standIns })).toContain('no exit criterion');
  });

  it('and where none does, the refusal is asked for again, with what is wrong with each', () => {
    const reply = line({
      verdict: 'request_changes',
      criteria: criteria.map(met),
      findings: [
        { id: 'F1', severity: 'major', problem: 'I would write it otherwise' },
        finding('nit', 'F2'),
      ],
    });
    expect(judge(readVerdict([reply]), { ...terms, criteria })).toEqual({
      kind: 'unreadable',
      why: 'it says request_changes, but holds no blocking finding (blocking are blocker and major) and answers no criterion as not met: F1 cites no exit criterion, check or rule',
    });
  });
});

describe('a second round', () => {
  const criteria = ['The list is sorted'];
  const before = [
    finding('major', 'F1', { cites: criteria[0], file: 'a.ts', line: 3 }),
    finding('major', 'F2'),
  ];
  const earlier = { findings: before, changed: new Map([['a.ts', [[10, 14]] as const]]) };
  const second = (more: Record<string, unknown>): Judgement =>
    weigh({ criteria: criteria.map(met), ...more }, criteria, { earlier });
  const fixed = [
    { id: 'F1', answer: 'fixed' },
    { id: 'F2', answer: 'withdrawn', why: 'it was right' },
  ];

  it('answers each finding of the first', () => {
    expect(second({ answers: fixed })).toMatchObject({ kind: 'approved', answers: fixed });
    expect(second({ answers: fixed.slice(0, 1) })).toEqual({
      kind: 'unreadable',
      why: 'it says approve, but it does not answer its finding F2 (fixed, still or withdrawn)',
    });
    expect(second({ verdict: 'request_changes', findings: [before[0]] })).toEqual({
      kind: 'unreadable',
      why: 'it does not answer its finding F2 (fixed, still or withdrawn)',
    });
  });

  it('holds what is still so, also where it is not repeated, and where other words are found for it', () => {
    const still = second({
      verdict: 'request_changes',
      findings: [{ id: 'F1', severity: 'major', file: 'a.ts', problem: 'in other words' }],
      answers: [{ id: 'F2', answer: 'still', why: 'look again' }],
    });
    expect(still).toMatchObject({
      kind: 'refused',
      findings: [{ id: 'F1', cites: criteria[0], problem: 'in other words' }, before[1]],
      answers: [
        { id: 'F1', answer: 'still' },
        { id: 'F2', answer: 'still', why: 'look again' },
      ],
    });
    expect(second({ answers: [fixed[0], { id: 'F2', answer: 'still' }] })).toEqual({
      kind: 'unreadable',
      why: 'it says approve, but its finding F2 is a major',
    });
  });

  it('holds something new only in what changed since, or as a blocker for a criterion', () => {
    const fresh = [
      finding('major', 'F3', { file: 'a.ts', line: 12, problem: 'in the change' }),
      finding('major', 'F4', { file: 'a.ts', line: 20, problem: 'beside it' }),
      finding('major', 'F5', { file: 'b.ts', problem: 'elsewhere' }),
      finding('blocker', 'F6', { file: 'b.ts', problem: 'elsewhere, by a check' }),
      finding('blocker', 'F7', { file: 'b.ts', cites: '1', problem: 'elsewhere, by a criterion' }),
      // The name of one that is answered is not given away.
      finding('major', 'F1', { file: 'a.ts', problem: 'all of the file' }),
    ];
    const judged = second({ verdict: 'request_changes', findings: fresh, answers: fixed });
    if (judged.kind !== 'refused') throw new Error(JSON.stringify(judged));
    expect(judged.findings.map(({ id, problem }) => `${id} ${problem}`)).toEqual([
      'F3 in the change',
      'F7 elsewhere, by a criterion',
      'F8 all of the file',
    ]);
    expect(judged.notes?.map(({ id, because }) => `${id} ${because}`)).toEqual(
      ['F4', 'F5', 'F6'].map((id) => `${id} is new, and not in what changed since the last review`),
    );
  });
});

describe('which criterion an answer means', () => {
  const stated = ['The `API` answers 404', 'Coverage is at least 80%.'];
  it.each([
    ['the same words', ['The `API` answers 404', 'Coverage is at least 80%.']],
    ['another order', ['Coverage is at least 80%.', 'The `API` answers 404']],
    ['other case, marks and spacing', ['the api  ANSWERS 404.', '- [x] coverage is at least **80%**']],
    ['numbers before the words', ['1. The API answers 404', '2) Coverage is at least 80%']],
    ['numbers before other words', ['2: covered', 'C1: it does answer']],
    ['numbers alone', ['#1', 'Criterion 2']],
    ['one by words, one by number', ['1. The API answers 404', '2. enough is covered']],
  ])('is found by %s', (_, texts) => {
    expect(weigh({ criteria: texts.map(met) }, stated).kind).toBe('approved');
  });

  it.each([
    ['position alone', ['yes, it does', 'yes, it is']],
    ['a number twice', ['1. yes', '1. yes']],
    ['numbers that start at 0', ['0. yes', '1. yes']],
    ['more numbers than criteria', ['1. yes', '2. yes', '3. yes']],
    ['fewer', ['1. yes']],
    ['a number on the words of another criterion', ['1. Coverage is at least 80%', '2. The API answers 500']],
    ['words that only begin alike', ['The API answers 404', 'Coverage is at least 80% of what it was']],
  ])('is not found by %s', (_, texts) => {
    expect(weigh({ criteria: texts.map(met) }, stated).kind).toBe('unreadable');
  });
});

describe('whatever a reviewer prints', () => {
  const severity = fc.constantFrom<Severity>('blocker', 'major', 'minor', 'nit');
  const reply = fc.record({
    mstone: fc.constant('verdict'),
    verdict: fc.constantFrom('approve', 'request_changes'),
    criteria: fc.array(
      fc.record({ text: fc.constantFrom('A', 'b', '1. A', '2. B', '2', 'C'), met: fc.boolean() }),
    ),
    findings: fc.array(
      fc.record({
        id: fc.string(),
        severity,
        cites: fc.constantFrom('1', 'npm test', 'taste'),
        problem: fc.constantFrom('p', 'q'),
      }),
      {
        maxLength: 3,
      },
    ),
  });

  it('is read without an exception', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.jsonValue(), fc.anything(), reply)),
        fc.array(fc.string()),
        (lines, criteria) => {
          judge(readVerdict(lines), {
            ...terms,
            criteria,
            earlier: { findings: [finding('major')], changed: new Map() },
          });
        },
      ),
    );
  });

  it('approves only if it says so, every criterion is met and nothing blocks', () => {
    fc.assert(
      fc.property(reply, fc.subarray(['A', 'B']), fc.uniqueArray(severity), (said, criteria, bar) => {
        const judged = judge(readVerdict([said]), { ...terms, criteria, blockOn: bar });
        if (judged.kind !== 'approved') return;
        expect(said.verdict).toBe('approve');
        expect(said.criteria.every((answer) => answer.met)).toBe(true);
        expect(said.criteria.length).toBeGreaterThanOrEqual(criteria.length);
        const isGround = (cites: string): boolean =>
          cites === 'npm test' || (cites === '1' && criteria.length > 0);
        expect(said.findings.some((each) => bar.includes(each.severity) && isGround(each.cites))).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuses only for something that blocks or is not met', () => {
    fc.assert(
      fc.property(reply, fc.subarray(['A', 'B']), fc.uniqueArray(severity), (said, criteria, bar) => {
        const judged = judge(readVerdict([said]), { ...terms, criteria, blockOn: bar });
        if (judged.kind !== 'refused') return;
        expect(said.verdict).toBe('request_changes');
        expect(
          judged.unmet.length + judged.findings.filter((each) => bar.includes(each.severity)).length,
        ).toBeGreaterThan(0);
      }),
    );
  });
});
