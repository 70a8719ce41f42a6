import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseMilestone } from '../../src/milestone/index.js';
import type { Diagnostic } from '../../src/model/diagnostic.js';
import type { Milestone } from '../../src/model/milestone.js';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../fixtures/milestones/${name}`, import.meta.url));

/** Reads a text that must be a milestone. */
function read(text: string, name = '1B.md'): Milestone {
  const { milestone, diagnostics } = parseMilestone(`milestones/${name}`, encode(text));
  if (!milestone) throw new Error(JSON.stringify(diagnostics));
  return milestone;
}

/** What is said of a text, each as `line severity code: message`. */
function told(text: string, name = '1B.md'): string[] {
  return parseMilestone(`milestones/${name}`, encode(text)).diagnostics.map(inShort);
}

const inShort = ({ severity, code, line, message }: Diagnostic): string =>
  `${line ?? '-'} ${severity} ${code}: ${message}`;

describe('the classic sections', () => {
  test('a file without front matter becomes a whole milestone', () => {
    const file = 'milestones/1A-initial-setup.md';
    const bytes = fixture('1A-initial-setup.md');
    expect(parseMilestone(file, bytes)).toEqual({
      milestone: {
        id: '1A',
        stage: 1,
        letters: 'A',
        file,
        title: 'Initial Setup',
        body: bytes.toString(),
        description: 'A package that can be built and tested.',
        entryRequirements: '- Node 20 or newer',
        tasks: [
          { text: 'Write `package.json`', line: 13 },
          { text: 'Add a test runner,\nwith one test\n- [ ] that passes', line: 14 },
          { text: 'Describe it in the README', line: 17 },
        ],
        criteria: ['`npm test` passes', 'The README names the commands'],
        dependsOn: [],
        estimateMinutes: 180,
        checks: [],
        requires: [],
        env: {},
        priority: 0,
        enabled: true,
        recipe: {},
        digest: 'v1:ff2be3d2ec0048f91f196fdac7716f883ac01283250ac83035c0504d428cb663',
      },
      diagnostics: [],
    });
  });

  test('recipes are the sh and bash blocks of their own sections, nothing else', () => {
    const { recipe, title, criteria, dependsOn, dependsOnLine } =
      parseMilestone('milestones/2A.md', fixture('2A-recipe.md')).milestone ?? read('');
    expect({ recipe, title, criteria, dependsOn, dependsOnLine }).toEqual({
      title: 'Generated files',
      criteria: ['gen.txt is there'],
      dependsOn: ['1A', '1B', '1C'],
      dependsOnLine: 9,
      recipe: {
        implement: 'echo one > gen.txt\n## Review\necho two >> gen.txt',
        review: `echo '{"mstone":"verdict","verdict":"approve","findings":[]}'`,
        remediate: 'echo again',
        resolve: 'git add -A',
      },
    });
  });

  test('the title is front matter, else the heading without its id, else the id', () => {
    expect(read('---\ntitle: Mine\n---\n# 1B: Other\n').title).toBe('Mine');
    expect(read('# 1B: Orders\n').title).toBe('Orders');
    expect(read('# Milestone 1b – Orders\n').title).toBe('Orders');
    expect(read('# 3D: the engine\n').title).toBe('3D: the engine');
    expect(read('# Milestone 1B\n').title).toBe('1B');
    expect(read('Text only\n').title).toBe('1B');
    expect(read('```\n# not this\n```\n# This\n').title).toBe('This');
    expect(told('# Milestone 1C - Orders\n')).toEqual([
      '1 warning disagreement: the heading names another milestone than the file',
    ]);
  });

  test('a title is one line without anything that moves a cursor', () => {
    expect(read('---\ntitle: "a\\e[2Jb\\nc\\u202ed"\n---\nx\n').title).toBe('a [2Jb c d');
  });

  test('headings in code, in comments and over a dashed line are none', () => {
    const { description, recipe } = read(
      '## Description\ntext\n---\nmore\n<!--\n## Recipe\n```sh\nboo\n```\n-->\n```\n## Recipe\n```\n    ## Recipe\nend\n',
    );
    expect(recipe).toEqual({});
    expect(description.endsWith('end')).toBe(true);
  });

  test('headings may be in any case, bold, closed by a colon, and come twice', () => {
    const { tasks } = read('## TASKS:\n- a\n## **Tasks** ##\n* b\n');
    expect(tasks).toEqual([
      { text: 'a', line: 2 },
      { text: 'b', line: 4 },
    ]);
  });

  test('lines are those of the file, front matter included', () => {
    expect(read('---\npriority: 1\n---\n\n## Tasks\n- a\n').tasks).toEqual([{ text: 'a', line: 6 }]);
  });

  test('criteria without a list are its paragraphs', () => {
    expect(read('## Exit Criteria\nIt works.\n\nIt is\nfast.\n').criteria).toEqual([
      'It works.',
      'It is fast.',
    ]);
  });

  test.each([
    ['None (first milestone)', []],
    ['- None', []],
    ['No dependencies', []],
    ['N/A', []],
    ['- 1A', ['1A']],
    ['- [x] 1A: Setup', ['1A']],
    ['- Milestone 1A - Setup (needed for `x`)', ['1A']],
    ['- [1A](1A.md)', ['1A']],
    ['- 1A\n- 1C, 1D & 1E\n', ['1A', '1C', '1D', '1E']],
    ['1A, 1C', ['1A', '1C']],
    ['- 01A', ['1A']],
  ])('dependencies: %j', (text, ids) => {
    expect(read(`## Dependencies\n${text}\n`).dependsOn).toEqual(ids);
    expect(told(`## Dependencies\n${text}\n`)).toEqual([]);
  });

  test.each([
    'All of the database',
    '- the 3rd party API',
    '- at least 8GB of memory',
    '- 2A-2C',
    'Nonetheless',
  ])('dependencies that are not understood are a warning: %j', (text) => {
    expect(read(`## Dependencies\n${text}\n`).dependsOn).toEqual([]);
    expect(told(`## Dependencies\n${text}\n`)).toEqual([
      '2 warning dependency-text: this names no milestone, so nothing waits for it',
    ]);
  });

  test.each([
    ['- 1a', [], '1A'],
    ['- 1A-1D', [], '1A, 1C, 1D'],
    ['1A must be there', [], '1A'],
    ['- the tables of 1A\n  and of **1C**', [], '1A'],
    ['- 1A: which builds on 1C', ['1A'], '1C'],
    ['| 1A | Setup |\n|---|---|', [], '1A'],
    ['- the API of [1A](1A.md)', [], '1A'],
  ])('ids that are only mentioned are told with the line to write: %j', (text, ids, missing) => {
    const { milestone, diagnostics } = parseMilestone(
      'milestones/1B.md',
      encode(`## Dependencies\n${text}\n`),
    );
    const it = missing.includes(',') ? 'them' : 'it';
    expect(milestone?.dependsOn).toEqual(ids);
    expect(diagnostics[0]).toEqual({
      severity: 'warning',
      code: 'dependency-text',
      file: 'milestones/1B.md',
      line: 2,
      message: `${missing} ${it === 'it' ? 'is' : 'are'} only mentioned here, so nothing waits for ${it}`,
      expected: 'a list item led by an id, such as `- 1A`',
      found: text.split('\n')[0],
      fix: `write \`- ${missing}\` as a line of its own if this milestone needs ${it}`,
    });
    // What it says to write is understood, and then nothing is told any more.
    expect(read(`## Dependencies\n- ${missing}\n`).dependsOn).toEqual(missing.split(', '));
  });

  test('a mention beside a plain None is a note; elsewhere in the text it is nothing', () => {
    expect(told('## Dependencies\nNone (may run beside 1C)\n')).toEqual([
      '2 note dependency-text: 1C is only mentioned here, so nothing waits for it',
    ]);
    expect(told('## Description\nUnlike 1A and 1C.\n\n## Tasks\n- As in 1A\n')).toEqual([]);
    expect(told('## Dependencies\n- 1A\n\nThe layout of 1A.\n\n```\n1C\n```\n')).toEqual([]);
  });

  test('prose about what front matter names is no problem, about another id it is', () => {
    const text = (prose: string): string => `---\ndepends_on: [1A]\n---\n## Dependencies\n${prose}\n`;
    expect(told(text('The tables of 1A must be there.'))).toEqual([]);
    expect(told(text('What the first one built.'))).toEqual([]);
    const { diagnostics } = parseMilestone('milestones/1B.md', encode(text('The tables of 1A and 1C.')));
    expect(diagnostics.map(({ line, fix }) => ({ line, fix }))).toEqual([
      { line: 5, fix: 'add 1C to `depends_on` if this milestone needs it' },
    ]);
  });

  test.each(['## 4. Dependencies', '### Dependencies:', '## Depends on', '## Dependency'])(
    'a heading that is nearly that of dependencies is told: %j',
    (heading) => {
      expect(told(`## Notes\n\n${heading}\n- 1A\n- 1C\n`)).toEqual([
        '3 warning dependency-text: this section is not read, so nothing waits for 1A, 1C',
      ]);
      expect(told(`## Notes\n\n${heading}\n- none\n`)).toEqual([]);
      expect(told(`## Dependencies\n- 1A, 1C\n\n${heading}\n- 1A\n`)).toEqual([]);
    },
  );

  test.each([
    ['2 hours', 120],
    ['45m', 45],
    ['1h30m', 90],
    ['half an hour', 30],
    ['~2.5 h', 150],
    ['- Model: 2 hours\n- Views: 1 hour\n- **Total:** 3 hours', 180],
    ['- **45m**', 45],
    ['About 2-3 hours (with tests)', 180],
    ['Half a day', 240],
    ['Total: 1 day.', 480],
    ['Sprint 2, 4 hours', 240],
  ])('estimated time: %j is %d minutes', (text, minutes) => {
    expect(read(`## Estimated Time\n${text}\n`).estimateMinutes).toBe(minutes);
  });

  test('without that section a line that says so counts; those of tasks are added up', () => {
    const minutes = (text: string): number | undefined => read(text).estimateMinutes;
    expect(minutes('# T\n\n**Estimated Time:** 2 hours\n\n## Task 1: a\nEstimate: 1h\n')).toBe(120);
    expect(minutes('## Task 1: a\n- *Estimate*: 1h30m\n\n## Task 2: b\nEstimated effort: half a day\n')).toBe(
      330,
    );
    expect(minutes('## Task 1: a\nEstimate: 1h\n\n## Estimated Time\n3h\n')).toBe(180);
    expect(minutes('## Task 1: a\n```\nEstimate: 1h\n```\nEstimate the 2 hours\n')).toBeUndefined();
    expect(told('---\nestimate: 3h\n---\nEstimate: 1h\n')).toEqual([
      '4 warning disagreement: the text says otherwise than `estimate`, which counts',
    ]);
  });

  test('an estimate that is not understood is noted and left out', () => {
    expect(read('## Estimated Time\nsome time\n').estimateMinutes).toBeUndefined();
    expect(told('## Estimated Time\nsome time\n')).toEqual([
      '2 note estimate-text: this estimate is not understood, so the usual one is taken',
    ]);
  });

  test('a recipe that would run the rest of the file, and one with nothing to run, are told', () => {
    expect(told('## Recipe\n```sh\necho\n\n## Review\n')).toEqual([
      '2 error unclosed-block: this code block is not closed, so the rest of the file would be run',
    ]);
    expect(told('## Recipe\n```\necho\n```\n')).toEqual([
      '1 warning empty-recipe: this recipe has nothing to run',
    ]);
  });
});

describe('front matter and sections', () => {
  test('front matter wins, and a disagreement is a warning with its line', () => {
    const text = '---\ndepends_on: [1A]\nestimate: 45m\n---\n## Dependencies\n- 1C\n## Estimated Time\n1h\n';
    const { dependsOn, dependsOnLine, estimateMinutes } = read(text);
    expect({ dependsOn, dependsOnLine, estimateMinutes }).toEqual({
      dependsOn: ['1A'],
      dependsOnLine: 2,
      estimateMinutes: 45,
    });
    expect(told(text)).toEqual([
      '6 warning disagreement: `## Dependencies` says otherwise than `depends_on`, which counts',
      '8 warning disagreement: `## Estimated Time` says otherwise than `estimate`, which counts',
    ]);
  });

  test('where both say the same nothing is told', () => {
    expect(
      told(
        '---\ndepends_on: [1C, 1A]\nestimate: 60m\n---\n## Dependencies\n- 1A\n- 1C\n## Estimated Time\n1h\n',
      ),
    ).toEqual([]);
    expect(told('---\ndepends_on: []\n---\n## Dependencies\nNone\n')).toEqual([]);
    expect(told('---\ndepends_on: []\n---\n## Dependencies\n- 1A\n')).toHaveLength(1);
  });

  test('CRLF, lone CR and a byte-order mark read like plain text', () => {
    const text = '---\nagent: mine\n---\n# T\n\n## Tasks\n\n- [ ] a\n  b\n';
    expect(read(`\uFEFF${text.replaceAll('\n', '\r\n')}`)).toEqual(read(text));
    expect(read(text.replaceAll('\n', '\r'))).toEqual(read(text));
  });
});

describe('files that are no milestones', () => {
  test.each([
    ['1.md', 'milestone-name', 'rename it to `1A.md`'],
    ['12-setup.md', 'milestone-name', 'rename it to `12A-setup.md`'],
    ['1a.md', 'milestone-name', 'rename it to `1A.md`'],
    ['1A setup.md', 'milestone-name', 'rename it to `1A-setup.md`'],
    ['1A größe.md', 'milestone-name', 'rename it to `1A-größe.md`'],
    ['1A_setup.md', 'milestone-name', 'rename it to `1A-setup.md`'],
    ['1A.MD', 'milestone-name', 'rename it to `1A.md`'],
    ['1ABC.md', 'milestone-name', 'rename it to `1A-ABC.md`'],
    ['1234A.md', 'milestone-name', undefined],
    ['0A.md', 'stage-zero', 'rename it to `1A.md`'],
    ['000A.md', 'stage-zero', 'rename it to `1A.md`'],
  ])('the name %s is refused with a better one', (name, code, fix) => {
    const file = `milestones/${name}`;
    const { milestone, diagnostics } = parseMilestone(file, encode('# x\n'));
    expect(milestone).toBeUndefined();
    expect(
      diagnostics.map((one) => ({ severity: one.severity, code: one.code, file: one.file, fix: one.fix })),
    ).toEqual([{ severity: 'error', code, file, fix }]);
  });

  test.each([
    ['1A.md', '1A', 1, 'A'],
    ['12AB.md', '12AB', 12, 'AB'],
    ['999ZZ-a.b_c-D.md', '999ZZ', 999, 'ZZ'],
    ['01A.md', '1A', 1, 'A'],
    ['1A-größe-漢字.md', '1A', 1, 'A'],
  ])('the name %s is milestone %s', (name, id, stage, letters) => {
    const milestone = read('# x\n', name);
    expect([milestone.id, milestone.stage, milestone.letters]).toEqual([id, stage, letters]);
  });

  test('empty, binary and oversized files are refused in words', () => {
    const only = (bytes: Uint8Array): Diagnostic[] => parseMilestone('milestones/1A.md', bytes).diagnostics;
    const file = 'milestones/1A.md';
    const text = {
      severity: 'error',
      code: 'not-text',
      file,
      message: 'this is not a text file',
      expected: 'markdown in UTF-8',
    };
    expect(only(encode(' \n'))).toEqual([
      {
        severity: 'error',
        code: 'empty-file',
        file,
        message: 'the file is empty',
        expected: 'a heading and what is to be done',
      },
    ]);
    expect(only(new Uint8Array([35, 32, 0xff, 0xfe]))).toEqual([text]);
    expect(only(encode('# a\0b'))).toEqual([text]);
    expect(only(new Uint8Array(2 * 1024 * 1024).fill(97))).toEqual([
      {
        severity: 'error',
        code: 'too-large',
        file,
        message: 'the file is too large for a milestone',
        expected: 'at most 256 KB',
        found: '2048 KB',
        fix: 'put long reference material into files of its own and name them in the milestone',
      },
    ]);
    expect(only(new Uint8Array(256 * 1024).fill(97))).toEqual([]);
  });

  // Time that grew with the square of the size would run into the suite's own limit.
  test('a large file full of brackets and bullets is read to its end', () => {
    const units = ['[', '- ', '> ', '* [x] a\n', '`', '|a|\n', '<!--', '- 1A\n', '## a\n', '### 1. a\n'];
    for (const unit of units) {
      for (const heading of ['Tasks', 'Dependencies']) {
        const text = `# x\n## ${heading}\n${unit.repeat(Math.floor(250_000 / unit.length))}\n`;
        expect(read(text).id).toBe('1B');
      }
    }
  });

  test('front matter with nothing behind it is a warning', () => {
    expect(told('---\npriority: 1\n---\n')).toEqual([
      '3 warning empty-body: there is nothing behind the front matter',
    ]);
  });
});
