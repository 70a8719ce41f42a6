import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DIGESTS, milestoneDigests } from '../../src/milestone/digest.js';
import { parseMilestone } from '../../src/milestone/index.js';

/** The version of a text that must be a milestone. */
function digest(text: string): string {
  const { milestone, diagnostics } = parseMilestone('milestones/1B.md', new TextEncoder().encode(text));
  if (!milestone) throw new Error(JSON.stringify(diagnostics));
  return milestone.digest;
}

const word = fc.stringMatching(/^[a-z]{1,8}$/);
const line = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(' '));

/** A body in parts: prose, and tasks whose ticks may differ. */
const parts = fc.record({
  description: fc.array(line, { minLength: 1, maxLength: 4 }),
  tasks: fc.array(line, { minLength: 1, maxLength: 5 }),
  code: line,
});
type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

interface Look {
  readonly ticks: readonly boolean[];
  readonly estimate: string | undefined;
  readonly head: readonly string[];
  readonly lineEnd: string;
  readonly mark: string;
  readonly end: string;
}
const look: fc.Arbitrary<Look> = fc.record({
  ticks: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  estimate: fc.option(fc.constantFrom('2 hours', '45m', 'no idea\n\n- at all'), { nil: undefined }),
  head: fc.subarray([
    'priority: 3',
    'agent: mine',
    'reviewer: other',
    'estimate: 3h',
    'retries: 2',
    'title: T',
  ]),
  lineEnd: fc.constantFrom('\n', '\r\n'),
  mark: fc.constantFrom('', '\uFEFF'),
  end: fc.constantFrom('', '\n', '\n\n  \n'),
});

const render = (
  { description, tasks, code }: Parts,
  { ticks, estimate, head, lineEnd, mark, end }: Look,
): string => {
  const lines = [
    ...(head.length > 0 ? ['---', ...head, '---'] : []),
    '## Description',
    '',
    ...description,
    '',
    ...(estimate === undefined ? [] : ['## Estimated Time', '', estimate, '']),
    '## Tasks',
    '',
    ...tasks.map((text, index) => `${index % 2 === 1 ? '  ' : ''}- [${ticks[index] ? 'x' : ' '}] ${text}`),
    '',
    '## Notes',
    '```',
    `- [x] ${code}`,
    '```',
  ];
  return mark + lines.join('\n').replaceAll('\n', lineEnd) + end;
};
const plain: Look = { ticks: [], estimate: undefined, head: [], lineEnd: '\n', mark: '', end: '' };

describe('the version of a text', () => {
  test('its definition is kept: a known text has a known digest', () => {
    expect(digest('# A\n\n- [x] b\n\n## Estimated Time\n\n1h\n')).toBe(
      'v1:0af4d0a2a848dcce346670e4d35ac1c51a57e335a34d6519af58da47054644b8',
    );
    expect(digest('---\nrequires: [{file: b}]\nchecks: [c]\ndepends_on: [2A, 10A, 1A]\n---\n# A\n')).toBe(
      'v1:302f349974c0265b20feb4ce36cfe759ada23772125af20e1bfd0fad011d4146',
    );
  });

  test('once there is a next definition, those before it stay', () => {
    const text = { body: '# One\n', dependsOn: ['1A'], checks: [], requires: [] };
    const { digest: first, formerDigests } = milestoneDigests(text);
    expect([first.slice(0, 3), formerDigests]).toEqual(['v1:', undefined]);
    const next = [...DIGESTS, [2, () => 'v2:abc'] as const, [3, () => 'v3:def'] as const];
    expect(milestoneDigests(text, undefined, next)).toEqual({
      digest: 'v3:def',
      formerDigests: ['v2:abc', first],
    });
  });

  test('ticks, line ends, byte-order marks, estimates, priority and agents do not change it', () => {
    fc.assert(
      fc.property(parts, look, (text, how) => {
        expect(digest(render(text, how))).toBe(digest(render(text, plain)));
      }),
    );
  });

  test('any other change of the body does', () => {
    fc.assert(
      fc.property(parts, look, word, fc.nat(), (text, how, extra, at) => {
        const clean = render(text, plain);
        const places = [...clean.matchAll(/[a-z]+/g)].map(({ index }) => index);
        const place = places[at % places.length] ?? 0;
        const changed = `${clean.slice(0, place)}${extra}${clean.slice(place)}`;
        expect(digest(changed)).not.toBe(digest(render(text, how)));
      }),
    );
  });

  test('a tick in a code block is text, elsewhere it is not, however deep', () => {
    expect(digest('```\n- [x] a\n```\n')).not.toBe(digest('```\n- [ ] a\n```\n'));
    expect(digest('- [X] a\n  1. [x] b\n')).toBe(digest('- [ ] a\n  1. [ ] b\n'));
    expect(digest('> - [x] a\n')).toBe(digest('> - [ ] a\n'));
    expect(digest('a [x] b\n')).not.toBe(digest('a [ ] b\n'));
  });

  test('dependencies, checks and requirements change it; their spelling does not', () => {
    const plainDigest = digest('# A\n');
    const headed = (head: string): string => digest(`---\n${head}\n---\n# A\n`);
    expect(headed('depends_on: []')).toBe(plainDigest);
    expect(headed('depends_on: [1A, 1C]')).toBe(headed('depends_on: 1C, 1A, 1A'));
    const all = [plainDigest, ...['depends_on: 1A', 'checks: 1A', 'requires: {file: 1A}'].map(headed)];
    expect(new Set(all).size).toBe(4);
    expect(headed('checks: [a, b]')).not.toBe(headed('checks: [b, a]'));
  });
});
