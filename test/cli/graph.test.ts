/** `mstone graph` in its three forms. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
beforeAll(() => {
  p = makeProject('agent: recipe\nreview: false\n');
  p.milestone('1A', { title: 'Say "hi" \\N <b>#1</b> `x` 日本', implement: 'true' });
  p.milestone('1B', { implement: 'true', front: 'depends_on: [1A]' });
  p.milestone('1C', { implement: 'true' });
  p.milestone('1D', { implement: 'true', front: 'depends_on: [1A, 1C]' });
  p.milestone('2A', { implement: 'true', front: 'enabled: false' });
  p.commit('Milestones');
});
afterAll(() => p.remove());

const graph = async (...args: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await inside(['graph', ...args], p.root, p.env);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.split('\n');
};

it('is a tree per stage, in which what waits stands below what it waits for', async () => {
  expect(await graph()).toEqual([
    'Stage 1',
    '├─ 1A todo  Say "hi" \\N <b>#1</b> `x` 日本',
    '│  └─ 1B todo  Part 1B',
    '└─ 1C todo  Part 1C',
    '   └─ 1D todo  Part 1D  also after 1A',
    '',
    'Stage 2',
    '└─ 2A blocked  Part 2A',
    '',
  ]);
});

it('is a flowchart of Mermaid, titles being no syntax', async () => {
  expect(await graph('--format', 'mermaid')).toEqual([
    'flowchart TD',
    '  subgraph stage1["Stage 1"]',
    '    m1A["1A Say #34;hi#34; #92;N #60;b#62;#35;1#60;/b#62; #96;x#96; 日本 (todo)"]',
    '    m1B["1B Part 1B (todo)"]',
    '    m1C["1C Part 1C (todo)"]',
    '    m1D["1D Part 1D (todo)"]',
    '  end',
    '  subgraph stage2["Stage 2"]',
    '    m2A["2A Part 2A (blocked)"]',
    '  end',
    '  m1A --> m1B',
    '  m1A --> m1D',
    '  m1C --> m1D',
    '  stage1 ==> stage2',
    '  style m1A fill:#e4e4e4,color:#000000',
    '  style m1B fill:#e4e4e4,color:#000000',
    '  style m1C fill:#e4e4e4,color:#000000',
    '  style m1D fill:#e4e4e4,color:#000000',
    '  style m2A fill:#f3b9b4,color:#000000',
    '',
  ]);
});

it('is a graph of DOT, titles being no syntax', async () => {
  expect(await graph('--format', 'dot')).toEqual([
    'digraph milestones {',
    '  rankdir=LR;',
    '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
    '  subgraph cluster_1 {',
    '    label="Stage 1";',
    '    "1A" [label="1A Say \\"hi\\" \\\\N <b>#1</b> `x` 日本 (todo)", fillcolor="#e4e4e4"];',
    '    "1B" [label="1B Part 1B (todo)", fillcolor="#e4e4e4"];',
    '    "1C" [label="1C Part 1C (todo)", fillcolor="#e4e4e4"];',
    '    "1D" [label="1D Part 1D (todo)", fillcolor="#e4e4e4"];',
    '  }',
    '  subgraph cluster_2 {',
    '    label="Stage 2";',
    '    "2A" [label="2A Part 2A (blocked)", fillcolor="#f3b9b4"];',
    '  }',
    '  "1A" -> "1B";',
    '  "1A" -> "1D";',
    '  "1C" -> "1D";',
    '  "after 1" [shape=point];',
    ...['1A', '1B', '1C', '1D'].map((id) => `  "${id}" -> "after 1" [style=dashed];`),
    '  "after 1" -> "2A" [style=dashed];',
    '}',
    '',
  ]);
});
