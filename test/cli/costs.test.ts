/** `mstone costs`, from journals and, where those are gone, from history. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, pathWith, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const CODEX = `#!/bin/sh
cat > /dev/null
echo x > "$MSTONE_MILESTONE.txt"
echo '{"type":"thread.started","thread_id":"T"}'
echo '{"type":"turn.started"}'
echo '{"type":"turn.completed","usage":{"input_tokens":1000000,"cached_input_tokens":400000,"output_tokens":100000}}'
`;

it('tells money and tokens, marks what is an estimate, and knows landings when the state is lost', async () => {
  const made = makeProject(
    `${JSON.stringify({
      agent: 'recipe',
      review: false,
      agents: { dear: { kind: 'codex', model: 'gpt-5-codex' }, own: { kind: 'codex', model: 'my-own' } },
    })}\n`,
  );
  projects.push(made);
  made.env.PATH = pathWith(join(made.root, '..', 'bin'), { codex: CODEX });
  made.env.TZ = 'UTC';
  const mstone = (...args: string[]) => inside(args, made.root, made.env);
  const before = await mstone('costs');
  expect([before.code, before.stdout]).toEqual([0, 'No agent has cost anything yet.\n']);

  made.milestone('1A', { implement: `echo '{"mstone":"usage","cost_usd":0.25}'; echo a > a.txt` });
  made.write('milestones/1B.md', '---\nagent: dear\n---\n# 1B\n');
  made.write('milestones/1C.md', '---\nagent: own\n---\n# 1C\n');
  made.commit('Milestones');
  const ran = await mstone('run');
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);

  const table = await mstone('costs');
  expect(table.stdout.split('\n')).toEqual([
    'Milestone        Cost  Sent  of it cached  Received  Agents',
    '1A              $0.25     0             0         0       1',
    '1B             ~$1.80    1M          400k      100k       1',
    '1C                  ?    1M          400k      100k       1',
    'Total      ~$2.05 + ?    2M          800k      200k       3',
    '',
    '~ holds an estimate by list prices: $1.80 in all',
    '? nothing says what 1 assignment cost: own',
    '',
  ]);

  const document = async (...args: string[]) => JSON.parse((await mstone('costs', '--json', ...args)).stdout);
  expect(await document('--by', 'agent')).toMatchObject({
    schema: 1,
    by: 'agent',
    rows: [
      { key: 'dear', cost_usd: 1.8, estimated_usd: 1.8, untold: 0 },
      { key: 'own', cost_usd: 0, estimated_usd: 0, untold: 1 },
      { key: 'recipe', cost_usd: 0.25, estimated_usd: 0, untold: 0 },
    ],
    total: { cost_usd: 2.05, estimated_usd: 1.8, assignments: 3, untold: 1 },
  });
  const [run] = (await document('--by', 'run')).rows as { key: string }[];
  expect(await document('--run', run?.key ?? '')).toEqual(await document());
  const other = await mstone('costs', '--run', 'NONE');
  expect({ code: other.code, stdout: other.stdout }).toEqual({ code: 2, stdout: '' });
  expect(other.stderr).toContain('no run NONE\n');

  rmSync(join(made.root, '.git', 'mstone'), { recursive: true });
  expect(await document()).toEqual({
    schema: 1,
    by: 'milestone',
    rows: [
      ['1A', 0.25, 0],
      ['1B', 1.8, 1.8],
    ].map(([key, cost_usd, estimated_usd]) => ({
      key,
      cost_usd,
      estimated_usd,
      subscription_usd: 0,
      assignments: 1,
      untold: 0,
      tokens: { input: 0, cached: 0, output: 0 },
    })),
    total: {
      cost_usd: 2.05,
      estimated_usd: 1.8,
      subscription_usd: 0,
      assignments: 2,
      untold: 0,
      tokens: { input: 0, cached: 0, output: 0 },
    },
    windows: [],
  });
  const [gone] = (await document('--by', 'run')).rows as { key: string }[];
  expect(gone?.key).toBe(run?.key);
  expect(await document('--run', run?.key ?? '')).toEqual(await document());
});
