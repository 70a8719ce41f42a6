import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { configKeys } from '../../src/config/keys.js';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
beforeEach(() => {
  p = makeProject(
    [
      'agent: mine',
      'checks: ["npm test"]',
      'review: { rounds: 2 }',
      'timeouts: { agent: 90s }',
      'agents:',
      '  mine: { kind: command, command: [node, tools/agent.mjs], env: { API_TOKEN: s3cret } }',
      '',
    ].join('\n'),
  );
  mkdirSync(join(p.env.XDG_CONFIG_HOME ?? '', 'mstone'), { recursive: true });
  writeFileSync(join(p.env.XDG_CONFIG_HOME ?? '', 'mstone', 'config.yaml'), 'jobs: 7\nretries: 3\n');
});
afterEach(() => p.remove());

it('every key is shown as it would be written, and with --origin who decided it', async () => {
  const env = { ...p.env, MSTONE_JOBS: '50%' };
  const shown = await inside(['config', '--origin'], p.root, env);
  expect({ code: shown.code, stderr: shown.stderr }).toEqual({ code: 0, stderr: '' });
  const user = join(p.env.XDG_CONFIG_HOME ?? '', 'mstone', 'config.yaml');
  const lines = shown.stdout.trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/ {2,}/g, ' '))).toEqual(
    expect.arrayContaining([
      'agent: mine # mstone.yaml:1',
      'reviewer: (the author) # default',
      // Half of two processors, and the environment wins over the user's file.
      'jobs: 1 # MSTONE_JOBS',
      'checks: ["npm test"] # mstone.yaml:2',
      'stage_checks: [] # default',
      'review.rounds: 2 # mstone.yaml:3',
      `retries: 3 # ${user}:2`,
      'backoff: 30s # default',
      'timeouts.agent: 90s # mstone.yaml:4',
      'timeouts.check: 15m # default',
      'agents.mine: {"kind":"command","command":["node","tools/agent.mjs"],"env":{"API_TOKEN":"(hidden)"}} # mstone.yaml:6',
      'agents.recipe: {"kind":"recipe"} # default',
    ]),
  );
  expect(shown.stdout).not.toContain('s3cret');
  const keys = lines.map((line) => line.slice(0, line.indexOf(':')));
  expect(keys.filter((key) => !key.startsWith('agents.'))).toEqual(
    configKeys.map(({ key }) => key).filter((key) => key !== 'agents'),
  );

  const plain = await inside(['config'], p.root, env);
  expect(plain.stdout).toMatch(/^retries: +3$/m);
  expect(plain.stdout).not.toContain('#');
});

it('--json is one document; what cannot be read is told and exits 2, and the rest is still shown', async () => {
  const read = await inside(['config', '--json'], p.root, p.env);
  expect({ code: read.code, stderr: read.stderr }).toEqual({ code: 0, stderr: '' });
  const document = JSON.parse(read.stdout) as { settings: { key: string }[] };
  expect({
    ...document,
    settings: document.settings.filter(({ key }) => /^(agent|reviewer)$/.test(key)),
  }).toEqual({
    schema: 1,
    ok: true,
    settings: [
      { key: 'agent', value: 'mine', origin: { from: 'project', file: 'mstone.yaml', line: 1 } },
      { key: 'reviewer', value: null, origin: { from: 'default' } },
    ],
    diagnostics: [],
  });

  const wrong = { ...p.env, MSTONE_JOBS: 'many' };
  const said = await inside(['config', '--origin'], p.root, wrong);
  expect(said.code).toBe(2);
  expect(said.stderr).toContain('error: `MSTONE_JOBS` cannot be read\n');
  expect(said.stdout).toMatch(/^jobs: +7 +# .*config\.yaml:1$/m);
  const json = await inside(['config', '--json'], p.root, wrong);
  expect(json.code).toBe(2);
  expect(JSON.parse(json.stdout)).toMatchObject({
    ok: false,
    diagnostics: [{ severity: 'error', code: 'invalid-value', message: '`MSTONE_JOBS` cannot be read' }],
  });
});
