import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { makeProject } from '../rig/project.js';

const p = makeProject(
  'agent: mine\nagents: { mine: { kind: command, command: [cat] } }\nchecks: [npm test]\n',
);
afterAll(() => p.remove());

const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/milestones/${name}.md`, import.meta.url), 'utf8');

const common = {
  description: '',
  entry_requirements: '',
  tasks: [],
  criteria: [],
  checks: [],
  requires: [],
  env: {},
  priority: 0,
  enabled: true,
  recipe: {},
};

/** The file that each milestone is a copy of, and what `validate --json` makes of it. */
const FORMS = {
  '1A': [
    'free-task-sections',
    {
      ...common,
      id: '1A',
      stage: 1,
      title: 'Initial Setup',
      file: 'milestones/1A.md',
      depends_on: [],
      description: 'The foundation that everything else stands on.',
      tasks: [
        {
          text: 'Create the project structure\n\nLay out the folders.\n\n**Deliverables:**\n- `src/`, `docs/` and `tests/`\n- A README\n\n**Estimated Time:** 45m',
          title: 'Create the project structure',
          line: 6,
        },
        {
          text: 'Set up the build\n\n**Deliverables:**\n- npm scripts\n\n```md\n## Task 9: in code, so none\n```\n\n### Notes\nEstimate: 1h30m',
          title: 'Set up the build',
          line: 15,
        },
        { text: 'Add a licence.', line: 27 },
      ],
      estimate_minutes: 135,
      digest: 'v1:d9f5348824c3c2c65578981c1ab837b1a09703dce9271eb3a2be50f770c5f207',
    },
  ],
  '1B': [
    'free-requirements',
    {
      ...common,
      id: '1B',
      stage: 1,
      title: 'Database',
      file: 'milestones/1B.md',
      depends_on: ['1A'],
      description: 'Connect to the database.',
      tasks: [
        { text: 'Connection\n\n- A pool\n- Health checks', title: 'Connection', line: 9 },
        { text: 'Data models\n\n- Users', title: 'Data models', line: 13 },
        { text: 'Integration tests\n\nWith a test database.', title: 'Integration tests', line: 16 },
      ],
      estimate_minutes: 240,
      digest: 'v1:7deeda07974a44f8b1d7b0a19359c49619c2e083a85e2454decb5631946329cc',
    },
  ],
  '1C': [
    'free-objectives',
    {
      ...common,
      id: '1C',
      stage: 1,
      title: 'Authentication',
      file: 'milestones/1C.md',
      depends_on: [],
      description: 'Users can sign in.',
      entry_requirements: 'A database.',
      tasks: [
        { text: 'Registration', line: 6 },
        { text: 'Login and logout\nwith a session', line: 7 },
        { text: 'Password reset', line: 9 },
      ],
      criteria: ['A user can sign in'],
      estimate_minutes: 180,
      digest: 'v1:95d8ef19fe2ca6534d44e86520836dae18d8ffca6c0903ece7a14faa343c1aa8',
    },
  ],
  '1D': [
    'free-issues-plain',
    {
      ...common,
      id: '1D',
      stage: 1,
      title: 'Menu Fixes',
      file: 'milestones/1D.md',
      depends_on: [],
      tasks: [
        {
          text: '**Problem**: Enter adds a line.\n\n**Expected Behavior**: Enter takes the entry.\n\n- seen on two keyboards',
          title: 'Enter adds a line.',
          line: 5,
        },
        {
          text: '**Problem**: Images do not open.\n**Expected Behavior**: They do.',
          title: 'Images do not open.',
          line: 11,
        },
      ],
      digest: 'v1:2dc22ff666030d617e405bc13dd16853a90a65457b758028098bf64f1b6b6863',
    },
  ],
  '1E': [
    'free-text',
    {
      ...common,
      id: '1E',
      stage: 1,
      title: '1E',
      file: 'milestones/1E.md',
      depends_on: [],
      tasks: [
        {
          text: 'Write a program that prints\nthe first ten primes.\n\nIt takes no arguments.',
          title: 'Write a program that prints the first ten primes.',
          line: 1,
        },
      ],
      digest: 'v1:c74daa3ff072585dcccc5c8a2cf6e94dadf0166d8d56d5152391ca2f867fbfa9',
    },
  ],
  '1F': [
    'free-unknown',
    {
      ...common,
      id: '1F',
      stage: 1,
      title: 'Anything Goes',
      file: 'milestones/1F.md',
      depends_on: ['1A'],
      description: 'In short: a chart.',
      tasks: [
        {
          text: 'In short: a chart.\n\n## What I want\nA bar chart of the table.\n\n## How\nAs text, eighty columns wide.\n\n## Dependencies\n- 1A',
          title: 'In short: a chart.',
          line: 3,
        },
      ],
      digest: 'v1:d6fe71ce56d4e47517e2178fe3f0d27038a6f04bea950f6f8c321185fc4ce301',
    },
  ],
  '1G': [
    'free-numbered',
    {
      ...common,
      id: '1G',
      stage: 1,
      title: 'Steps',
      file: 'milestones/1G.md',
      depends_on: [],
      tasks: [
        { text: 'Read the file\n\nLine by line.', title: 'Read the file', line: 3 },
        { text: 'Count the words', line: 6 },
      ],
      digest: 'v1:ae849fe3ae7b49e2b1ad0513e626b996573a091e93bc309abae36a6cc101cec5',
    },
  ],
  '1H': [
    '1A-initial-setup',
    {
      ...common,
      id: '1H',
      stage: 1,
      title: 'Initial Setup',
      file: 'milestones/1H.md',
      depends_on: [],
      description: 'A package that can be built and tested.',
      entry_requirements: '- Node 20 or newer',
      tasks: [
        { text: 'Write `package.json`', line: 13 },
        { text: 'Add a test runner,\nwith one test\n- [ ] that passes', line: 14 },
        { text: 'Describe it in the README', line: 17 },
      ],
      criteria: ['`npm test` passes', 'The README names the commands'],
      estimate_minutes: 180,
      // The version of 1A.md with the same text: a name is no part of it.
      digest: 'v1:ff2be3d2ec0048f91f196fdac7716f883ac01283250ac83035c0504d428cb663',
    },
  ],
  '1I': [
    '1B-orders-api',
    {
      ...common,
      id: '1I',
      stage: 1,
      title: 'The orders API',
      file: 'milestones/1I.md',
      depends_on: ['1A'],
      description: 'Orders come in.',
      estimate_minutes: 90,
      agent: 'mine',
      reviewer: 'mine',
      checks: ['npm test', 'npm run lint'],
      requires: [{ command: 'node --version' }, { file: 'package.json' }, { env: 'API_URL' }],
      env: { PORT: '0080', MODE: 'test' },
      timeout_ms: 1_200_000,
      retries: 2,
      review_rounds: 5,
      priority: 7,
      digest: expect.stringMatching(/^v1:[0-9a-f]{64}$/),
    },
  ],
  '2A': [
    'free-issues',
    {
      ...common,
      id: '2A',
      stage: 2,
      title: 'Menu Fixes',
      file: 'milestones/2A.md',
      depends_on: ['1A', '1B'],
      description: 'The menu has bugs.',
      tasks: [
        {
          text: 'Enter adds a line\n\n**Problem**: Enter after an arrow key adds a newline.\n\n**Expected Behavior**: Enter takes what is highlighted.',
          title: 'Enter adds a line',
          line: 8,
        },
        {
          text: 'Images do not open\n\n**Problem**: Nothing opens.\n\n**Expected Behavior**: The browser opens.',
          title: 'Images do not open',
          line: 13,
        },
      ],
      criteria: ['Enter takes the highlighted entry', 'Images open'],
      digest: 'v1:c8540a0db93d7476ff69b49e8124b13644591281bd3db477c486814805d80ceb',
    },
  ],
} as const;

const mention = (line: number, id: string, found: string) => ({
  severity: 'warning',
  code: 'dependency-text',
  file: 'milestones/1B.md',
  line,
  message: `${id} is only mentioned here, so nothing waits for it`,
  expected: 'a list item led by an id, such as `- 1A`',
  found,
  fix: `write \`- ${id}\` as a line of its own if this milestone needs it`,
});

const otherHeading = (id: string, found: string) => ({
  severity: 'warning',
  code: 'disagreement',
  file: `milestones/${id}.md`,
  line: id === '1I' ? 21 : 1,
  message: 'the heading names another milestone than the file',
  expected: id,
  found,
});

const WHOLE = {
  schema: 1,
  ok: true,
  milestones: Object.values(FORMS).map(([, milestone]) => milestone),
  diagnostics: [
    mention(20, '1C', '- 1A: the layout; its README names what 1C adds'),
    mention(21, '1D', '- The migrations of **1D** must be there before the 8GB import'),
    {
      severity: 'warning',
      code: 'dependency-text',
      file: 'milestones/1G.md',
      line: 8,
      message: 'this section is not read, so nothing waits for 1A',
      expected: '`## Dependencies`',
      found: '## 3. Dependencies',
      fix: 'write `## Dependencies` and below it `- 1A`',
    },
    otherHeading('1H', '1A'),
    otherHeading('1I', '1B'),
  ],
};

describe('every way people write milestones becomes the same milestone', () => {
  it.each([
    ['as they are', (text: string) => text],
    ['with CRLF and a byte-order mark', (text: string) => `\uFEFF${text.replaceAll('\n', '\r\n')}`],
  ])('in validate --json, whole, %s', async (_, write) => {
    for (const [id, [name]] of Object.entries(FORMS)) {
      p.write(`milestones/${id}.md`, write(fixture(name).replace('reviewer: other', 'reviewer: mine')));
    }
    const { code, stdout, stderr } = await p.mstone('validate', '--json');
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(WHOLE);
  });
});

it('TASKS.md shows a long task by its heading, and the prompt of a review names it', async () => {
  const q = makeProject('agent: recipe\nreviewer: recipe\nretries: 0\n');
  try {
    q.write(
      'milestones/1A.md',
      [
        '# 1A: Greeting',
        '## Task 1: Say hello\nIn a file.\n\n**Deliverables:**\n- `a.txt`',
        '## Issues to Fix\n### 1. Silence\n**Problem**: none is heard.',
        '## Recipe\n```sh\necho hello > a.txt\n```',
        '## Review',
        '```sh\ngrep -F \'1. Say hello\' <<< "$(cat)"; grep -F \'2. Silence\' "$MSTONE_PROMPT_FILE"',
        `echo '{"mstone":"verdict","verdict":"approve","findings":[]}'\n\`\`\`\n`,
      ].join('\n'),
    );
    q.commit('Milestones');
    const { code, stderr } = await q.mstone('run', '--output', 'quiet');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const tasks = q.git('show', 'main:TASKS.md').split('\n');
    expect(tasks.filter((line) => line.startsWith('  - '))).toEqual(['  - [x] Say hello', '  - [x] Silence']);
  } finally {
    q.remove();
  }
});
