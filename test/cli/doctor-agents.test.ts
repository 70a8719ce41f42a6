/** What the doctor says of agents: programs on the PATH that behave as the captures of the real ones do. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../src/cli/doctor.js';
import { home, inside } from '../rig/inside.js';
import { makeProject, pathWith, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** Says what a capture says, and ends as it did; with `--version`, its version. */
function acting(agent: string, capture: string, version: string): string {
  const folder = join(home, 'test', 'fixtures', 'agent-captures', agent);
  const exit = readFileSync(join(folder, `${capture}.exit`), 'utf8').trim();
  return `#!/usr/bin/env node
if (process.argv[2] === '--version') { console.log('${version}'); process.exit(0); }
const fs = require('node:fs');
fs.appendFileSync(process.env.HOME + '/probed', '${agent} ' + process.cwd() + ' ' + fs.readdirSync('.').length + '\\n');
const asked = fs.readFileSync(0, 'utf8');
if (!asked.startsWith('Answer with the one word')) process.exit(9);
process.stdout.write(fs.readFileSync('${join(folder, `${capture}.jsonl`)}'));
process.exitCode = ${exit};
`;
}

function project(config: object, agents: Record<string, string>): TestProject {
  const made = makeProject(`${JSON.stringify({ review: false, ...config })}\n`);
  projects.push(made);
  made.env.PATH = pathWith(join(made.root, '..', 'bin'), agents);
  made.milestone('1A', { implement: 'true' });
  made.commit('Milestones');
  return made;
}

async function examined(p: TestProject, ...args: string[]) {
  const { code, stdout } = await inside(['doctor', '--json', ...args], p.root, p.env);
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
  return {
    code,
    stdout,
    of: (name: string) =>
      findings.filter(({ check }) => check === name).map(({ state, message, fix }) => [state, message, fix]),
  };
}

describe('the doctor and its agents', () => {
  it('says where each is, its version and Node, which others are installed, and by what it is let in', async () => {
    const p = project(
      { agent: 'claude', reviewer: 'codex' },
      {
        claude: acting('claude', 'happy', '2.1.329 (Claude Code)'),
        codex: acting('codex', 'happy', 'codex-cli 0.169.0'),
        gemini: acting('gemini', 'happy-stream', '0.61.0'),
      },
    );
    const bin = join(p.root, '..', 'bin');
    const none = await examined(p);
    expect(none.of('agents')).toEqual([
      ['ok', `claude: ${join(bin, 'claude')} 2.1.329, on Node ${process.versions.node}`, undefined],
      ['ok', `codex: ${join(bin, 'codex')} 0.169.0, on Node ${process.versions.node}`, undefined],
    ]);
    expect(none.of('installed')).toEqual([['ok', 'claude 2.1.329, codex 0.169.0, gemini 0.61.0', undefined]]);
    const codex = join(p.env.HOME ?? '', '.codex', 'auth.json');
    expect(none.of('login').at(-1)).toEqual([
      'warning',
      `codex: neither a key in the environment nor ${codex}`,
      'codex login; or set CODEX_API_KEY',
    ]);

    p.env.ANTHROPIC_API_KEY = 'sk-planted-secret';
    mkdirSync(join(codex, '..'));
    writeFileSync(codex, '{"tokens":"planted-token"}');
    const both = await examined(p);
    expect(both.of('login')).toEqual([
      ['ok', 'claude: ANTHROPIC_API_KEY is there', undefined],
      ['ok', `codex: ${codex} is there`, undefined],
    ]);
    expect(both.of('probe')).toEqual([]);
    expect(both.stdout).not.toContain('planted');
  });

  it('asks each named one a word with --probe, in a folder of its own, and says what came back', async () => {
    const p = project(
      { agent: 'claude', reviewer: 'codex', agents: { codex: { kind: 'codex', model: 'gpt-5.1-codex' } } },
      {
        claude: acting('claude', 'limit-midturn-resume-other-token', '2.1.329'),
        codex: acting('codex', 'happy', 'codex-cli 0.169.0'),
        gemini: acting('gemini', 'happy-stream', '0.61.0'),
      },
    );
    const before = readdirSync(p.root);
    const probed = await examined(p, '--probe');
    expect(probed.of('probe').map(([state, message]) => [state, message])).toEqual([
      [
        'ok',
        expect.stringMatching(
          /^claude 2\.1\.329 answered in .*, for \$0\.\d\d, .* tokens sent, .* received$/,
        ),
      ],
      [
        'ok',
        expect.stringMatching(/^codex answered in .*, for about <?\$0\.\d\d, .* tokens sent, .* received$/),
      ],
    ]);
    const asked = readFileSync(join(p.env.HOME ?? '', 'probed'), 'utf8')
      .trim()
      .split('\n');
    expect(asked.map((line) => line.replace(/\/\S*mstone-probe-\w+\/folder/, 'FOLDER'))).toEqual([
      'claude FOLDER 0',
      'codex FOLDER 0',
    ]);
    expect(readdirSync(p.root)).toEqual(before);
  });

  it.each([
    ['claude', 'err-401-apikey', /^claude .*did not answer, its credential is refused: /, 'error'],
    ['codex', 'err-429-usage', /^codex did not answer, its usage limit is reached: /, 'warning'],
    ['gemini', 'err-key', /^gemini did not answer, its credential is refused: /, 'error'],
  ])('%s that is not let in, or limited, is told: %s', async (agent, capture, words, state) => {
    const p = project({ agent }, { [agent]: acting(agent, capture, '9.9.9') });
    const probed = await examined(p, '--probe');
    expect(probed.of('probe').map(([is, message]) => [is, message])).toEqual([
      [state, expect.stringMatching(words)],
    ]);
    expect(probed.code).toBe(state === 'error' ? 1 : 0);
  });

  it('probes nothing that has no account', async () => {
    const p = project({ agent: 'recipe' }, {});
    expect((await examined(p, '--probe')).of('probe')).toEqual([
      ['ok', 'no agent with an account is named', undefined],
    ]);
  });
});
