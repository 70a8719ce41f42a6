import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderTasksFile, type TasksView } from '../../src/report/tasks.js';
import { HOSTILE, NOON } from './states.js';

/** The file as text. */
const renderTasks = (existing: string | undefined, view: TasksView): string =>
  renderTasksFile(existing === undefined ? undefined : Buffer.from(existing), view).toString();

const VIEW: TasksView = {
  stages: [
    {
      stage: 1,
      milestones: [
        {
          id: '1A',
          title: 'Initial Setup',
          tasks: ['Create `package.json`', 'Add a *test*'],
          landed: { atMs: NOON, agent: 'claude', review: 'approved in 2 rounds' },
        },
        { id: '1B', title: 'Orders API', tasks: [] },
      ],
    },
    {
      stage: 2,
      milestones: [
        {
          id: '2A',
          title: 'Ship it',
          tasks: ['Ship'],
          landed: { atMs: NOON, agent: 'recipe', review: 'off' },
        },
      ],
    },
  ],
};

const BLOCK = `<!-- mstone:begin -->

## Stage 1

- [x] **1A** Initial Setup — landed 2026-11-20 by claude, approved in 2 rounds
  - [x] Create \`package.json\`
  - [x] Add a *test*

- [ ] **1B** Orders API

## Stage 2

- [x] **2A** Ship it — landed 2026-11-20 by recipe, review off
  - [x] Ship

<!-- mstone:end -->`;

const OLD = '<!-- mstone:begin -->\nold\n<!-- mstone:end -->';

describe('TASKS.md', () => {
  test('is made with a heading where there is none', () => {
    expect(renderTasks(undefined, VIEW)).toBe(`# Tasks\n\n${BLOCK}\n`);
  });

  test('tells what was set by hand, and which text was accepted', () => {
    const marked = { atMs: NOON, digest: 'v1:0123456789abcdef' };
    const view: TasksView = {
      stages: [
        {
          stage: 1,
          milestones: [
            { id: '1A', title: 'A', tasks: ['One'], marked: { to: 'done', ...marked } },
            { id: '1B', title: 'B', tasks: ['Two'], marked: { to: 'todo', ...marked } },
          ],
        },
      ],
    };
    expect(
      renderTasks('', view)
        .split('\n')
        .filter((line) => line.includes('[')),
    ).toEqual([
      '- [x] **1A** A — marked done 2026-11-20, text 012345…',
      '  - [x] One',
      '- [ ] **1B** B — set back to todo 2026-11-20',
      '  - [ ] Two',
    ]);
  });

  test('gets its block replaced, and the rest stays', () => {
    expect(renderTasks(`# Mine\n\n${OLD}\n\nAlso mine`, VIEW)).toBe(`# Mine\n\n${BLOCK}\n\nAlso mine`);
    expect(renderTasks(`\ufeff${OLD}`, VIEW)).toBe(`\ufeff${BLOCK}`);
    expect(renderTasks(`  ${OLD}  \n`, VIEW)).toBe(`  ${BLOCK}  \n`);
  });

  test.each([
    ['', `${BLOCK}\n`],
    ['mine', `mine\n\n${BLOCK}\n`],
    ['mine\n', `mine\n\n${BLOCK}\n`],
    ['mine\n\n', `mine\n\n${BLOCK}\n`],
  ])('gets its block behind the text %j', (existing, expected) => {
    expect(renderTasks(existing, VIEW)).toBe(expected);
  });

  test('keeps to the line ends of the file', () => {
    const crlf = (text: string): string => text.replaceAll('\n', '\r\n');
    expect(renderTasks(crlf(`# Mine\n\n${OLD}\nmore\n`), VIEW)).toBe(crlf(`# Mine\n\n${BLOCK}\nmore\n`));
    expect(renderTasks('mine\r\n', VIEW)).toBe(crlf(`mine\n\n${BLOCK}\n`));
  });

  test('never eats what stands behind a begin without an end', () => {
    const torn = 'a\n<!-- mstone:begin -->\nprecious\n';
    const once = renderTasks(torn, VIEW);
    expect(once).toBe(`${torn}\n${BLOCK}\n`);
    expect(renderTasks(once, { stages: [] })).toBe(`${torn}\n<!-- mstone:begin -->\n\n<!-- mstone:end -->\n`);
  });

  test('takes the first pair, and leaves a lone end and mentions of the markers alone', () => {
    const before = '<!-- mstone:end -->\nsee <!-- mstone:begin --> in the manual\n';
    const text = `${before}${OLD}\n${OLD}\n`;
    expect(renderTasks(text, VIEW)).toBe(`${before}${BLOCK}\n${OLD}\n`);
  });

  test('shows hostile titles as one harmless line', () => {
    const titles = [
      HOSTILE,
      'x\n<!-- mstone:end -->\n# Breakout',
      '<script>alert(1)</script> & &lt;b> a < b && c',
      '![p](http://evil/?x) [a][b] arr[0] already\\](x) twice\\\\](x)',
      '- [ ] not a box',
      '',
      'x'.repeat(300),
    ];
    const view: TasksView = {
      stages: [{ stage: 1, milestones: titles.map((title) => ({ id: '1A', title, tasks: [] })) }],
    };
    const lines = renderTasks('', view).split('\n');
    expect(lines.filter((line) => line.startsWith('- '))).toEqual([
      '- [ ] **1A** abcdef g',
      '- [ ] **1A** x &lt;!-- mstone:end --> # Breakout',
      '- [ ] **1A** &lt;script>alert(1)&lt;/script> & &amp;lt;b> a < b && c',
      '- [ ] **1A** ![p\\](http://evil/?x) [a\\][b] arr[0] already\\](x) twice\\\\\\](x)',
      '- [ ] **1A** - [ ] not a box',
      '- [ ] **1A** …',
      `- [ ] **1A** ${'x'.repeat(199)}…`,
    ]);
    expect(lines.filter((line) => line !== '' && !line.startsWith('- '))).toEqual([
      '<!-- mstone:begin -->',
      '## Stage 1',
      '<!-- mstone:end -->',
    ]);
  });

  test('shows a landing of which less is known', () => {
    const view: TasksView = {
      stages: [
        {
          stage: 1,
          milestones: [{ id: '1A', title: 'T', tasks: [], landed: { atMs: Date.UTC(2026, 0, 1, 23, 59) } }],
        },
      ],
    };
    expect(renderTasks('', view)).toContain('- [x] **1A** T — landed 2026-01-01\n');
  });

  test('keeps bytes that are no UTF-8', () => {
    const latin = Buffer.concat([
      Buffer.from([0xef, 0xbb, 0xbf, 0xe9, 0x0a]),
      Buffer.from(`${OLD}\n`),
      Buffer.from([0xff]),
    ]);
    expect(renderTasksFile(latin, VIEW)).toEqual(
      Buffer.concat([
        Buffer.from([0xef, 0xbb, 0xbf, 0xe9, 0x0a]),
        Buffer.from(`${BLOCK}\n`),
        Buffer.from([0xff]),
      ]),
    );
    expect(renderTasksFile(Buffer.from(`\ufeff${OLD}`), VIEW).toString()).toBe(`\ufeff${BLOCK}`);
    expect(renderTasksFile(undefined, VIEW).toString()).toBe(renderTasks(undefined, VIEW));
  });
});

const piece = fc.oneof(
  fc.constantFrom(
    '<!-- mstone:begin -->',
    '<!-- mstone:end -->',
    '\n',
    '\r\n',
    '\n\n',
    ' ',
    '\ufeff',
    '# x',
    '```',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const text = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(''));
const views: fc.Arbitrary<TasksView> = fc.record({
  stages: fc.array(
    fc.record({
      stage: fc.nat(99),
      milestones: fc.array(
        fc.record({ id: fc.constant('1A'), title: text, tasks: fc.array(text, { maxLength: 3 }) }),
        { maxLength: 3 },
      ),
    }),
    { maxLength: 3 },
  ),
});

/** Where a block stands whose markers have their lines to themselves: the user's text may hold others. */
function aloneAt(text: string, block: string): number {
  const isAlone = (at: number): boolean =>
    /(?:^|[\r\n])(?:\ufeff)?[ \t]*$/.test(text.slice(0, at)) &&
    /^[ \t]*(?:$|[\r\n])/.test(text.slice(at + block.length));
  let at = text.indexOf(block);
  while (at >= 0 && !isAlone(at)) at = text.indexOf(block, at + 1);
  return at;
}

test('rendering twice is rendering once, and what is outside the block stays to the byte', () => {
  fc.assert(
    fc.property(fc.option(text, { nil: undefined }), views, views, (existing, view, later) => {
      const once = renderTasks(existing, view);
      expect(renderTasks(once, view)).toBe(once);
      const twice = renderTasks(once, later);
      const block = /^<!-- mstone:begin -->\r?\n[\s\S]*<!-- mstone:end -->$/;
      const added = renderTasks('', view).trimEnd();
      const forms = [added, added.replaceAll('\n', '\r\n')];
      const lineEnd = forms.find((form) => aloneAt(once, form) >= 0) ?? added;
      const at = aloneAt(once, lineEnd);
      expect(at).toBeGreaterThanOrEqual(0);
      expect(lineEnd).toMatch(block);
      const [before, after] = [once.slice(0, at), once.slice(at + lineEnd.length)];
      expect(twice.startsWith(before) && twice.endsWith(after)).toBe(true);
      expect(twice.slice(before.length, twice.length - after.length)).toMatch(block);
      // Nothing of the user's is gone: his text is what the block was put behind or into.
      if (existing !== undefined && !existing.includes('mstone:end'))
        expect(once.startsWith(existing)).toBe(true);
    }),
    {
      numRuns: 300,
      examples: [
        [
          '<!-- mstone:begin -->\n\n<!-- mstone:end --><!-- mstone:begin -->',
          { stages: [] },
          { stages: [{ stage: 0, milestones: [] }] },
        ],
      ],
    },
  );
});
