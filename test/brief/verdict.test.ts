import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, readVerdict } from '../../src/brief/verdict.js';
import type { Severity } from '../../src/model/config.js';
import type { Finding, Judgement } from '../../src/model/verdict.js';

const blockOn: readonly Severity[] = ['blocker', 'major'];
const line = (more: Record<string, unknown>) => ({
  mstone: 'verdict',
  verdict: 'approve',
  criteria: [],
  findings: [],
  ...more,
});
const met = (text: string) => ({ text, met: true, evidence: 'seen' });
const unmet = (text: string) => ({ text, met: false, evidence: 'not seen' });
const finding = (severity: Severity, id = 'F1'): Finding => ({ id, severity, problem: `a ${severity}` });

const weigh = (reply: Record<string, unknown>, criteria: readonly string[]): Judgement =>
  judge(readVerdict([line(reply)]), criteria, blockOn);

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
    expect(ids.length).toBe(200);
    expect([ids[0], ids[149], ids[150], ids[199]]).toEqual(['b0', 'b149', 'n0', 'n49']);
  });

  it('is quick about a line full of the same answer', () => {
    const reply = readVerdict([line({ criteria: Array.from({ length: 60_000 }, () => unmet('a')) })]);
    const judged = judge(reply, ['a'], blockOn);
    expect(judged.kind === 'unreadable' ? judged.why : '').toContain('; and 195 more');
  });
});

describe('weighing', () => {
  it('approves what is approved, met and free of what blocks', () => {
    expect(weigh({ criteria: [met('A'), met('B')], findings: [finding('minor')] }, ['A', 'B'])).toEqual({
      kind: 'approved',
      notes: [finding('minor')],
    });
  });

  it('needs no answers where no criteria are stated', () => {
    expect(weigh({}, [])).toEqual({ kind: 'approved', notes: [] });
  });

  it('refuses for a finding that blocks, with the others behind it', () => {
    expect(
      weigh({ verdict: 'request_changes', findings: [finding('nit', 'F1'), finding('major', 'F2')] }, ['A']),
    ).toEqual({ kind: 'refused', findings: [finding('major', 'F2'), finding('nit', 'F1')], unmet: [] });
  });

  it('refuses for a criterion that is not met, in the words of the milestone', () => {
    expect(
      weigh({ verdict: 'request_changes', criteria: [unmet('1. `a`  works'), met('B')] }, ['A works.', 'B']),
    ).toEqual({
      kind: 'refused',
      findings: [],
      unmet: [{ text: 'A works.', met: false, evidence: 'not seen' }],
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
    expect(judge(readVerdict([]), [], blockOn)).toEqual({
      kind: 'unreadable',
      why: 'it printed no verdict line',
    });
  });

  it('goes by the severities that the project names', () => {
    const reply = readVerdict([line({ findings: [finding('minor')] })]);
    expect(judge(reply, [], ['minor']).kind).toBe('unreadable');
    expect(judge(reply, [], []).kind).toBe('approved');
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
    findings: fc.array(fc.record({ id: fc.string(), severity, problem: fc.constantFrom('p', 'q') }), {
      maxLength: 3,
    }),
  });

  it('is read without an exception', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.jsonValue(), fc.anything(), reply)),
        fc.array(fc.string()),
        (lines, criteria) => {
          judge(readVerdict(lines), criteria, blockOn);
        },
      ),
    );
  });

  it('approves only if it says so, every criterion is met and nothing blocks', () => {
    fc.assert(
      fc.property(reply, fc.subarray(['A', 'B']), fc.uniqueArray(severity), (said, criteria, bar) => {
        const judged = judge(readVerdict([said]), criteria, bar);
        if (judged.kind !== 'approved') return;
        expect(said.verdict).toBe('approve');
        expect(said.criteria.every((answer) => answer.met)).toBe(true);
        expect(said.criteria.length).toBeGreaterThanOrEqual(criteria.length);
        expect(said.findings.some((each) => bar.includes(each.severity))).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('refuses only for something that blocks or is not met', () => {
    fc.assert(
      fc.property(reply, fc.subarray(['A', 'B']), fc.uniqueArray(severity), (said, criteria, bar) => {
        const judged = judge(readVerdict([said]), criteria, bar);
        if (judged.kind !== 'refused') return;
        expect(said.verdict).toBe('request_changes');
        expect(
          judged.unmet.length + judged.findings.filter((each) => bar.includes(each.severity)).length,
        ).toBeGreaterThan(0);
      }),
    );
  });
});
