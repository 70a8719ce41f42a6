/** Whole pipelines with stand-ins for the coding CLIs: how they are called, resumed, and what their ends lead to. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeProject, type TestProject } from '../rig/project.js';

const fixture = join(import.meta.dirname, '../fixtures/agents/cli.mjs');
const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

interface Step {
  readonly write?: Readonly<Record<string, string>>;
  readonly answer?: object;
  readonly error?: object;
  readonly die?: string;
  readonly wait?: string;
  readonly forget?: true;
  readonly say?: readonly object[];
  readonly child?: true;
}

interface Call {
  readonly kind: string;
  readonly milestone: string;
  readonly purpose: string;
  readonly args: readonly string[];
  readonly prompt: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mcp?: object;
}

/** Files below a folder that hold a text. */
const filesWith = (folder: string, text: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const file = join(entry.parentPath, entry.name);
    return entry.isFile() && readFileSync(file).includes(text) ? [file] : [];
  });

const APPROVE = {
  verdict: 'approve',
  criteria: null,
  findings: [],
  answers: null,
  score: null,
  summary: null,
};
const AUTHOR: Readonly<Record<string, readonly Step[]>> = {
  implement: [{ write: { 'a.txt': 'a' } }],
  review: [{ answer: APPROVE }],
};

function project(config: object, script: Readonly<Record<string, readonly Step[]>> = AUTHOR) {
  const p = makeProject(`${JSON.stringify({ backoff: 0, ...config })}\n`);
  projects.push(p);
  const home = p.env.HOME ?? '';
  const bin = join(home, 'bin');
  mkdirSync(bin);
  for (const kind of ['claude', 'codex']) {
    writeFileSync(join(bin, kind), `#!/bin/sh\nexec '${process.execPath}' '${fixture}' ${kind} "$@"\n`);
    chmodSync(join(bin, kind), 0o755);
  }
  p.env.PATH = `${bin}:${p.env.PATH ?? process.env.PATH ?? ''}`;
  writeFileSync(join(home, 'script.json'), JSON.stringify(script));
  p.write('milestones/1A.md', '# One\n');
  p.commit('Milestones');
  const calls = (): Call[] => {
    const file = join(home, 'calls.ndjson');
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Call);
  };
  const option = (call: Call | undefined, name: string): string | undefined =>
    call?.args.includes(name) ? call.args[call.args.indexOf(name) + 1] : undefined;
  /** `implement new`, `remediate resumes 1`: which earlier call's conversation goes on. */
  const story = (): string[] => {
    const all = calls();
    const begun = new Map<string, number>();
    return all.map((call, index) => {
      const resumed = option(call, '--resume') ?? option(call, 'resume');
      const id = option(call, '--session-id') ?? `thread-${index + 1}`;
      if (resumed === undefined) begun.set(id, index + 1);
      return `${call.purpose} ${resumed === undefined ? 'new' : `resumes ${begun.get(resumed)}`}`;
    });
  };
  const ends = (): unknown[] =>
    p.journal().flatMap((line) => {
      if (line.type !== 'work.ended') return [];
      const { agent } = line.outcome as { readonly agent: { readonly kind: string } };
      return [agent.kind];
    });
  return { ...p, home, calls, option, story, ends };
}

describe('claude', () => {
  it('is called unattended, told its model and permissions, and asked for a verdict by schema', async () => {
    const p = project({ agent: 'claude', model: 'sonnet' });
    p.env.ANTHROPIC_API_KEY = 'sk-planted-key';
    p.env.CLAUDECODE = '1';
    p.env.TZ = 'Europe/Berlin';
    p.write('.mcp.json', '{"mcpServers":{"docs":{"command":"docs-server"}}}');
    p.commit('Servers');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.tree()).toMatchObject({ 'a.txt': 'a' });
    expect(p.story()).toEqual(['implement new', 'review new']);
    const [author, reviewer] = p.calls();
    expect(author?.args.slice(0, 4)).toEqual(['-p', '--output-format', 'stream-json', '--verbose']);
    expect(p.option(author, '--session-id')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(p.option(author, '--session-id')).not.toBe(p.option(reviewer, '--session-id'));
    expect(p.option(author, '--model')).toBe('sonnet');
    expect(p.option(author, '--permission-mode')).toBe('dontAsk');
    expect(author?.args).toEqual(
      expect.arrayContaining(['Bash', 'Write', 'mcp__docs', '--strict-mcp-config']),
    );
    expect(author?.prompt).toContain('The text of milestones/1A.md, whole:');
    expect(author?.env).toEqual({
      ANTHROPIC_API_KEY: 'sk-planted-key',
      TZ: 'UTC',
      API_TIMEOUT_MS: '300000',
      CLAUDE_CODE_MAX_RETRIES: '4',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_ERROR_REPORTING: '1',
      DISABLE_TELEMETRY: '1',
    });
    expect(filesWith(join(p.root, '.git'), 'sk-planted-key')).toEqual([]);
    expect(author?.mcp).toEqual({ mcpServers: { docs: { command: 'docs-server' } } });
    expect(reviewer?.mcp).toEqual({ mcpServers: {} });
    expect(JSON.parse(p.option(reviewer, '--json-schema') ?? '')).toMatchObject({
      required: ['verdict', 'criteria', 'findings', 'answers', 'score', 'allows', 'summary'],
      additionalProperties: false,
    });
    expect(reviewer?.args).toEqual(expect.arrayContaining(['--disallowedTools', 'Read', 'Bash(git diff *)']));
    expect(reviewer?.args).not.toContain('Bash');
    expect(p.journal().find((line) => line.type === 'work.ended')).toMatchObject({
      outcome: {
        agent: { kind: 'finished' },
        costUsd: 0.5,
        session: p.option(author, '--session-id'),
        version: '2.1.329',
        tokens: { input: 1000, cached: 900, output: 10 },
      },
    });
  });

  it('gets the servers of the configuration before those of .mcp.json, in a file, since they hold secrets', async () => {
    const docs = { command: 'docs-server', env: { TOKEN: 'a-secret' } };
    const p = project({ agent: 'claude', review: false, mcp_servers: { docs } });
    p.write('.mcp.json', '{"mcpServers":{"other":{"command":"other"}}}');
    p.commit('Servers');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const [call] = p.calls();
    expect(call?.mcp).toEqual({ mcpServers: { docs } });
    expect(call?.args).toContain('mcp__docs');
    expect(call?.args.join(' ')).not.toContain('a-secret');
    const shown = await p.mstone('config', '--json');
    expect(shown.stdout).toContain('docs-server');
    expect(shown.stdout).not.toContain('a-secret');
    expect(filesWith(join(p.root, '.git', 'mstone'), 'a-secret')).toEqual([]);
  });

  it('takes what is configured for it, and what a milestone says', async () => {
    const mine = {
      kind: 'claude',
      model: 'haiku',
      permission: 'acceptEdits',
      tools: ['Read', 'Bash(npm *)'],
      args: ['--max-turns', '9'],
      env: { TONE: 'calm', CLAUDE_CODE_MAX_RETRIES: '0' },
    };
    const p = project(
      { agent: 'mine', review: false, agents: { mine } },
      { '1A implement': [{ write: { 'a.txt': 'a' } }], '1B implement': [{ write: { 'b.txt': 'b' } }] },
    );
    p.write('milestones/1A.md', '---\nmodel: opus\n---\n# One\n');
    p.write('milestones/1B.md', '# Two\n');
    p.commit('Two');
    const run = await p.mstone('run', '-j', '1');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const calls = p.calls();
    expect(calls.map((call) => [call.milestone, p.option(call, '--model')])).toEqual([
      ['1A', 'opus'],
      ['1B', 'haiku'],
    ]);
    const [call] = calls;
    const tools = call?.args.indexOf('--allowedTools') ?? 0;
    expect(call?.args.slice(tools, tools + 5)).toEqual([
      '--allowedTools',
      'Read',
      'Bash(npm *)',
      '--permission-mode',
      'acceptEdits',
    ]);
    expect(call?.args.slice(-2)).toEqual(['--max-turns', '9']);
    expect(call?.env).toMatchObject({ TONE: 'calm', CLAUDE_CODE_MAX_RETRIES: '0' });
  });

  it("is told the model of a flag or a variable, before its own, and a variable's servers", async () => {
    const p = project(
      { agent: 'claude', review: false, agents: { claude: { model: 'own' } } },
      { '1A implement': [{ write: { 'a.txt': 'a' } }], '1B implement': [{ write: { 'b.txt': 'b' } }] },
    );
    p.write('milestones/1B.md', '# Two\n');
    p.commit('Two');
    p.env.MSTONE_MODEL = 'of-the-variable';
    p.env.MSTONE_MCP_SERVERS = '{"docs":{"url":"http://127.0.0.1:9"}}';
    const first = await p.mstone('run', '1A');
    expect(first.code, first.stdout + first.stderr).toBe(0);
    const second = await p.mstone('run', '--model', 'of-the-flag');
    expect(second.code, second.stdout + second.stderr).toBe(0);
    expect(p.calls().map((call) => p.option(call, '--model'))).toEqual(['of-the-variable', 'of-the-flag']);
    expect(p.calls()[0]?.mcp).toEqual({ mcpServers: { docs: { url: 'http://127.0.0.1:9' } } });
  });

  it('that mstone was told to end goes on in its conversation with `mstone resume`', async () => {
    const p = project(
      { agent: 'claude', review: false },
      { implement: [{ write: { 'a.txt': 'begun' }, wait: 'waiting' }, { write: { 'b.txt': 'b' } }] },
    );
    const run = p.start(['run', '--output', 'ndjson']);
    while (!existsSync(join(p.home, 'waiting'))) await new Promise((resolve) => setTimeout(resolve, 20));
    run.child.kill('SIGTERM');
    expect((await run.ended).code).toBe(143);
    const resumed = await p.mstone('resume');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(p.story()).toEqual(['implement new', 'implement resumes 1']);
    expect(p.tree()).toEqual({ 'a.txt': 'begun', 'b.txt': 'b' });
    expect(p.ends()).toEqual(['cancelled', 'finished']);
  });

  it('goes on in its conversation after a limit, a crash and a review, and each reviewer begins its own', async () => {
    const finding = {
      id: 'F1',
      severity: 'major',
      cites: 'plain correctness',
      file: null,
      line: null,
      problem: 'not b',
      suggestion: null,
    };
    const limit = { api_error_status: 429, api_error: 'usage_limit_reached', result: 'limit' };
    const soon = Math.floor(Date.now() / 1000) + 2;
    const p = project(
      { agent: 'claude' },
      {
        implement: [
          {
            write: { 'a.txt': 'begun' },
            say: [{ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt: soon } }],
            error: limit,
          },
          { die: 'SIGKILL' },
          { write: { 'a.txt': 'a' } },
        ],
        review: [
          { answer: { ...APPROVE, verdict: 'request_changes', findings: [finding] } },
          { answer: { ...APPROVE, answers: [{ id: 'F1', answer: 'fixed', why: null }] } },
        ],
        remediate: [{ write: { 'a.txt': 'b' } }],
      },
    );
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'b' });
    expect(p.story()).toEqual([
      'implement new',
      'implement resumes 1',
      'implement resumes 1',
      'review new',
      'remediate resumes 1',
      'review new',
    ]);
    expect(p.ends()).toEqual(['limited', 'crashed', 'finished', 'finished', 'finished', 'finished']);
    expect(p.calls().map(({ prompt }) => /whole:/.test(prompt))).toEqual([
      true,
      false,
      false,
      true,
      true,
      true,
    ]);
    expect(p.calls()[1]?.prompt).toContain('You were interrupted while you worked on milestone 1A.');
    const status = JSON.parse((await p.mstone('status', '--json')).stdout);
    expect(status.milestones).toMatchObject([{ id: '1A', phase: 'landed', attempts: 1 }]);
  });

  it('that goes in circles is told so, then that it was silent, then another goes on; their tools are ended', async () => {
    const call = {
      type: 'assistant',
      message: { content: [{ type: 'tool_use', id: 't', name: 'Bash', input: { command: 'npm test' } }] },
    };
    const p = project(
      { agent: 'claude', review: false, retries: 0, timeouts: { idle: '5s', repeats: 3 } },
      {
        implement: [
          { write: { 'a.txt': 'begun' }, child: true, say: [call, call, call], wait: 'circling' },
          { wait: 'silent' },
          { write: { 'b.txt': 'b' } },
        ],
      },
    );
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'begun', 'b.txt': 'b' });
    expect(p.story()).toEqual(['implement new', 'implement resumes 1', 'implement new']);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.implement', '1A.1.3.implement']);
    expect(p.ends()).toEqual(['stuck', 'stuck', 'finished']);
    expect(run.stdout).toContain('was ended for going round in circles: Bash npm test, 3 times in a row');
    expect(run.stdout).toContain('was ended after 5s without a word');
    const [, second, third] = p.calls();
    expect(second?.prompt).toMatch(
      /^Your work on milestone 1A broke off\. `Bash npm test` was called 3 times in a row, so it was ended\./,
    );
    expect(third?.prompt).toContain('An earlier try was cut short.');
    expect(third?.prompt).toMatch(
      /- `Bash npm test` was called 3 times .*\n- Nothing was heard for 5 seconds/,
    );
    expect(await p.leftovers()).toEqual([]);
  });

  it('begins anew, with the whole prompt and within the same assignment, where its conversation is lost', async () => {
    const p = project(
      { agent: 'claude', review: false },
      { implement: [{ forget: true, die: 'SIGKILL' }, {}, { write: { 'a.txt': 'a' } }] },
    );
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.story()).toEqual(['implement new', 'implement resumes 1', 'implement new']);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.implement']);
    expect(p.ends()).toEqual(['crashed', 'finished']);
    expect(p.calls()[2]?.prompt).toContain('The text of milestones/1A.md, whole:');
    expect(run.stdout + run.stderr).toContain('its conversation is not known any more');
  });

  it('whose key is refused is not started again; the run asks, and goes on once a person has seen to it', async () => {
    const bad = { api_error_status: 401, result: 'Invalid API key · Fix external API key' };
    const p = project({ agent: 'claude', review: false, jobs: 1 }, { implement: [{ error: bad }] });
    p.write('milestones/1B.md', '# Two\n');
    p.commit('Two');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(run.stdout + run.stderr).toContain('Invalid API key');
    expect(p.story()).toEqual(['implement new']);
    writeFileSync(join(p.home, 'script.json'), JSON.stringify({ implement: [{ write: { 'a.txt': 'a' } }] }));
    rmSync(join(p.home, 'calls.ndjson'));
    const resumed = await p.mstone('resume');
    // 1B finds nothing left to change.
    expect(resumed.stdout + resumed.stderr).toContain('1A');
    expect(p.landed()).toContain('1A: One');
    const attempts = JSON.parse((await p.mstone('status', '--json')).stdout).milestones[0];
    expect(attempts).toMatchObject({ id: '1A', phase: 'landed', attempts: 1 });
  });

  it('that fills its context goes on in a fresh conversation, that declines is a matter for a person', async () => {
    const full = { api_error_status: 400, terminal_reason: 'prompt_too_long', result: 'Prompt is too long' };
    const declined = { stop_reason: 'refusal', result: 'API Error: flagged' };
    const p = project(
      { agent: 'claude', review: false },
      {
        '1A implement': [{ write: { 'a.txt': 'a' }, error: full }, { write: { 'b.txt': 'b' } }],
        '1B implement': [{ error: declined }],
      },
    );
    p.write('milestones/1B.md', '# Two\n');
    p.commit('Two');
    const run = await p.mstone('run', '-j', '1');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(p.story()).toEqual(['implement new', 'implement new', 'implement new']);
    expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
    expect(p.calls()[1]?.prompt).toContain('An earlier try was cut short.');
    expect(run.stdout + run.stderr).toContain('API Error: flagged');
  });
});

describe('codex', () => {
  it('is given its sandbox again when it goes on, and a schema for a verdict; its work is committed for it', async () => {
    const p = project(
      { agent: 'codex', model: 'gpt-5.5' },
      {
        implement: [{ die: 'SIGTERM' }, { write: { 'a.txt': 'a' } }],
        review: [{ answer: APPROVE }],
      },
    );
    p.env.OPENAI_API_KEY = 'sk-test';
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'a' });
    const [first, second, review] = p.calls();
    const common = ['--skip-git-repo-check', '-m', 'gpt-5.5'];
    expect(first?.args).toEqual(['exec', '--json', '--sandbox', 'workspace-write', ...common, '-']);
    expect(second?.args).toEqual([
      ...['exec', '--json', '--sandbox', 'workspace-write', ...common],
      ...['resume', 'thread-1', '-'],
    ]);
    expect(review?.args.slice(0, 6)).toEqual([
      'exec',
      '--json',
      '--sandbox',
      'read-only',
      ...common.slice(0, 2),
    ]);
    expect(JSON.parse(readFileSync(p.option(review, '--output-schema') ?? '', 'utf8'))).toMatchObject({
      additionalProperties: false,
    });
    expect(first?.env).toEqual({ OPENAI_API_KEY: 'sk-test', TZ: 'UTC' });
    expect(dirname(p.option(review, '--output-schema') ?? '')).toMatch(/1A\.1\.\d\.review$/);
  });
});
