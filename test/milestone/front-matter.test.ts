import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readFrontMatter } from '../../src/milestone/front-matter.js';
import { parseMilestone } from '../../src/milestone/index.js';
import type { Milestone } from '../../src/model/milestone.js';

const parse = (text: string) => parseMilestone('milestones/1B.md', new TextEncoder().encode(text));

/** Reads a head of these lines over a body that says nothing. */
function read(...head: string[]): Milestone {
  const { milestone, diagnostics } = parse(['---', ...head, '---', 'Body', ''].join('\n'));
  if (!milestone) throw new Error(JSON.stringify(diagnostics));
  return milestone;
}

const told = (...head: string[]) =>
  parse(['---', ...head, '---', 'Body', ''].join('\n')).diagnostics.map(
    ({ line, code, message, found, fix }) => `${line} ${code}: ${message}; ${found ?? ''}; ${fix ?? ''}`,
  );

const refused = (text: string) => {
  const result = readFrontMatter(text);
  return result.ok ? 'read' : result.error.map(({ line, message }) => `${line} ${message}`);
};

describe('front matter is data', () => {
  test.each(['js', 'javascript', 'JavaScript', 'json', 'coffee', 'constructor', '__proto__', ' js', 'toml'])(
    '---%s runs nothing and is refused',
    (language) => {
      const text = `---${language}\nglobalThis.mstoneWasHere = true, { title: 'x' }\n---\nBody\n`;
      expect(refused(text)).toEqual(['1 the front matter opens with something else']);
      expect(parse(text).milestone).toBeUndefined();
      expect(Object.hasOwn(globalThis, 'mstoneWasHere')).toBe(false);
    },
  );

  test('tags of other YAML dialects make nothing', () => {
    expect(refused('---\ntitle: !!js/function "function () { throw 1 }"\n---\n')).toEqual([
      expect.stringContaining('2 this is not valid YAML'),
    ]);
  });

  test('a second parse of broken YAML fails like the first', () => {
    const text = '---\ntitle: [\n---\nBody\n';
    const first = parse(text);
    expect(first.milestone).toBeUndefined();
    expect(first.diagnostics).toEqual([
      {
        severity: 'error',
        code: 'front-matter',
        file: 'milestones/1B.md',
        line: expect.any(Number),
        message: expect.stringContaining('this is not valid YAML'),
      },
    ]);
    expect(parse(text)).toEqual(first);
  });

  test('two readings of one text share nothing', () => {
    const text = '---\nenv: {A: b}\n---\nBody\n';
    const [first, second] = [parse(text).milestone, parse(text).milestone];
    expect(first).toEqual(second);
    expect(first?.env).not.toBe(second?.env);
  });

  test('a depth bomb of 24 KB neither ends the process nor keeps it busy', () => {
    const started = performance.now();
    const bombs = ['? ', '- ', '? &a ', '- ? : ', ': ? ', ': - ', '[', '{a: ', '? - ', '-\t', '?\n', '- &a '];
    for (const unit of bombs)
      expect(refused(`---\n${unit.repeat(12_000)}\n---\nBody\n`), unit).not.toBe('read');
    expect(refused(`---\n${'{'.repeat(60)}a: 1${'}: 1'.repeat(59)}}\n---\n`)).toEqual([
      '2 a key of the front matter is not a word',
    ]);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('stairs of nested lists and keys over many lines are survived', () => {
    let stairs = '';
    for (let level = 0; stairs.length < 60_000; level++) stairs += `${' '.repeat(level)}a:\n`;
    expect(refused(`---\n${stairs}---\n`)).toBe('read');
    let steps = '';
    for (let level = 0; steps.length < 60_000; level++)
      steps += `${' '.repeat(level * 64)}${'- '.repeat(32)}\n`;
    expect(refused(`---\n${steps}---\n`)).not.toBe('read');
  });

  test('a bomb of aliases is refused', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
    for (const [one, two] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh'].map((pair) => [...pair])) {
      bomb.push(`${two}: &${two} [${`*${one},`.repeat(9)}]`);
    }
    expect(refused(`---\n${bomb.join('\n')}\n---\n`)).toEqual([
      expect.stringContaining('Excessive alias count'),
    ]);
    expect(refused('---\na: *nowhere\n---\n')).not.toBe('read');
  });

  test.each([
    ['---\ntitle: x\nBody\n', '1 the front matter is not closed'],
    ['---\ntitle: x\n--- \nBody\n', '3 the front matter is not closed'],
    ['---\ntitle: x\n---more\nBody\n', '3 the front matter is not closed'],
    ['---\ntitle: x\n----\nBody\n---\n', '3 the front matter is not closed'],
    ['---\n- a\n---\n', '2 the front matter is not a mapping'],
    ['---\nonly words\n---\n', '2 the front matter is not a mapping'],
    ['---\n1: a\n---\n', '2 a key of the front matter is not a word'],
    ['---\n__proto__: {enabled: false}\n---\n', '2 a key of the front matter is not a word'],
    [`---\ntitle: ${'x'.repeat(70_000)}\n---\n`, '1 the front matter is not read: it has more than 64 KB'],
  ])('%#: refused with its line', (text, problem) => {
    expect(refused(text)).toEqual([problem]);
  });

  test('the same key twice is refused', () => {
    expect(refused('---\ntitle: x\ntitle: y\n---\n')).toEqual([
      expect.stringContaining('3 this is not valid YAML'),
    ]);
  });

  test.each(['', '# only a comment', '  ', 'null'])('an empty head says nothing: %j', (head) => {
    expect(parse(`---\n${head}\n---\nBody\n`)).toMatchObject({
      milestone: { body: 'Body\n' },
      diagnostics: [],
    });
  });

  test('a text that opens with a longer line has no front matter', () => {
    expect(parse('-----\ntitle: x\n---\n').milestone?.body).toBe('-----\ntitle: x\n---\n');
    expect(parse('---yaml\ntitle: x\n---\nBody').milestone?.title).toBe('x');
  });
});

describe('keys', () => {
  const silent = read('');

  test.each<[string, Partial<Milestone>]>([
    ['title: Mine', { title: 'Mine' }],
    ['depends_on: [1A, 02C]', { dependsOn: ['1A', '2C'], dependsOnLine: 2 }],
    ['depends_on: 1A', { dependsOn: ['1A'], dependsOnLine: 2 }],
    ['depends_on: 1A, 1C', { dependsOn: ['1A', '1C'], dependsOnLine: 2 }],
    ['agent: mine', { agent: 'mine' }],
    ['reviewer: other', { reviewer: 'other' }],
    ['model: openai/gpt-5.5', { model: 'openai/gpt-5.5' }],
    ['checks: ["npm test", lint]', { checks: ['npm test', 'lint'] }],
    ['checks: npm test', { checks: ['npm test'] }],
    ['paths: "src/**"', { paths: ['src/**'] }],
    ['allow: [gate-files, fewer-tests]', { allow: ['gate-files', 'fewer-tests'] }],
    ['estimate: 1h30m', { estimateMinutes: 90 }],
    ['timeout: 1 day', { timeoutMs: 86_400_000 }],
    ['retries: 0', { retries: 0 }],
    ['review_rounds: 5', { reviewRounds: 5 }],
    ['priority: -3', { priority: -3 }],
    ['approval: before', { approval: 'before' }],
    ['approval: none', { approval: 'none' }],
    ['requires: {env: API_URL}', { requires: [{ env: 'API_URL' }] }],
    [
      'requires: [{command: node -v}, {file: a b/é.json}]',
      { requires: [{ command: 'node -v' }, { file: 'a b/é.json' }] },
    ],
    ['env: {PORT: 0080, ON: true, A: b}', { env: { PORT: '0080', ON: 'true', A: 'b' } }],
    ['enabled: false', { enabled: false }],
  ])('%s', (head, change) => {
    const milestone = read(head);
    expect({ ...milestone, digest: '' }).toEqual({ ...silent, ...change, digest: '' });
  });

  test('a key with nothing behind it says nothing', () => {
    expect(read('depends_on:', 'checks:', 'enabled: ~')).toEqual(read('# Nothing', '', ''));
  });

  test('all keys at once', () => {
    const bytes = readFileSync(new URL('../fixtures/milestones/1B-orders-api.md', import.meta.url));
    expect(parseMilestone('milestones/1B-orders-api.md', bytes)).toEqual({
      milestone: {
        id: '1B',
        stage: 1,
        letters: 'B',
        file: 'milestones/1B-orders-api.md',
        title: 'The orders API',
        body: '# Milestone 1B - Orders API\n\n## Description\n\nOrders come in.\n',
        description: 'Orders come in.',
        entryRequirements: '',
        tasks: [],
        criteria: [],
        dependsOn: ['1A'],
        dependsOnLine: 3,
        estimateMinutes: 90,
        agent: 'mine',
        reviewer: 'other',
        checks: ['npm test', 'npm run lint'],
        requires: [{ command: 'node --version' }, { file: 'package.json' }, { env: 'API_URL' }],
        env: { PORT: '0080', MODE: 'test' },
        timeoutMs: 1_200_000,
        retries: 2,
        reviewRounds: 5,
        priority: 7,
        enabled: true,
        recipe: {},
        digest: 'v1:47c90de40d0a1022518d2e4a88155b6bf3dc8cbcc8856da98eb5135a6303b015',
      },
      diagnostics: [],
    });
  });

  test('who reviews is said in one form or the other, and a role makes a text another version', () => {
    expect(told('reviewer: claude\nreviewers: [claude, security]')).toEqual([
      '3 reviewers-twice: `reviewer` and `reviewers` both say who reviews; ; ',
    ]);
    expect(told('reviewers: codex\nrole: docs')).toEqual([]);
    expect(told('role: Docs')).toHaveLength(1);
  });

  test.each(['budget_usd', 'resources'])('%s is refused for now', (key) => {
    expect(told(`${key}: x`)).toEqual([
      `2 unsupported-key: \`${key}\` is not supported yet; ; remove the line`,
    ]);
  });

  test('unknown keys come with the nearest name', () => {
    expect(told('dependsOn: [1A]', 'titel: x', 'zzz: 1', '"\\e[2J": 1')).toEqual([
      '2 unknown-key: `dependsOn` is not a key of a milestone; ; did you mean `depends_on`?',
      '3 unknown-key: `titel` is not a key of a milestone; ; did you mean `title`?',
      '4 unknown-key: `zzz` is not a key of a milestone; ; ',
      '5 unknown-key: `\\u001b[2J` is not a key of a milestone; ; ',
    ]);
  });

  test('every wrong value is told with its line, all at once', () => {
    expect(
      told(
        'title: [x]',
        'depends_on: [1a, 2, 0A]',
        'agent: "--rm"',
        'checks: [""]',
        'estimate: 45',
        'timeout: 30 days',
        'retries: -1',
        'review_rounds: 1.5',
        'priority: high',
        'requires:',
        '  - {file: ../x}',
        '  - {file: /etc/passwd}',
        '  - {command: a, file: b}',
        'env:',
        '  GIT_DIR: x',
        '  MSTONE_TAG: x',
        '  "a b": x',
        'enabled: yes',
      ),
    ).toEqual([
      '2 invalid-value: `title` cannot be read; ["x"]; ',
      '3 invalid-value: `depends_on.0` cannot be read; "1a"; write `1A`',
      '3 invalid-value: `depends_on.1` cannot be read; 2; ',
      '3 invalid-value: `depends_on.2` cannot be read; "0A"; ',
      '4 invalid-value: `agent` cannot be read; "--rm"; ',
      '5 invalid-value: `checks.0` cannot be read; ""; ',
      '6 invalid-value: `estimate` cannot be read; 45; ',
      '7 invalid-value: `timeout` cannot be read; "30 days"; ',
      '8 invalid-value: `retries` cannot be read; -1; ',
      '9 invalid-value: `review_rounds` cannot be read; 1.5; ',
      '10 invalid-value: `priority` cannot be read; "high"; ',
      '12 invalid-value: `requires.0.file` cannot be read; "../x"; ',
      '13 invalid-value: `requires.1.file` cannot be read; "/etc/passwd"; ',
      '14 invalid-value: `requires.2` cannot be read; {"command":"a","file":"b"}; ',
      '16 invalid-value: `env.GIT_DIR` cannot be read; "x"; ',
      '17 invalid-value: `env.MSTONE_TAG` cannot be read; "x"; ',
      '18 invalid-value: `env.a b` cannot be read; "x"; ',
      '19 invalid-value: `enabled` cannot be read; "yes"; ',
    ]);
  });
});
