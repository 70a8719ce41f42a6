/** The whole command line of each kind, for an author, a reviewer and a conversation that goes on. */
import { describe, expect, it, test } from 'vitest';
import { callAcp } from '../../src/agent/acp.js';
import { callClaude } from '../../src/agent/claude.js';
import type { Call } from '../../src/agent/cli.js';
import { callCodex } from '../../src/agent/codex.js';
import { ownVariables } from '../../src/agent/environment.js';
import { callGemini } from '../../src/agent/gemini.js';
import { callOpencode } from '../../src/agent/opencode.js';

const author: Call = { purpose: 'implement', newSession: 'NEW', dir: '/dir', model: 'big' };
const review: Call = { purpose: 'review', newSession: 'NEW', dir: '/dir' };
const further: Call = { ...author, purpose: 'remediate', session: 'OLD' };
const cli = { args: ['--more'], env: {} };

describe('claude', () => {
  const agent = {
    kind: 'claude',
    command: ['npx', 'claude'],
    permission: 'auto',
    tools: ['Read', 'Bash(npm *)'],
    ...cli,
  } as const;
  const words = (call: Call): string => callClaude(agent, call).command.join(' ');

  it('begins a conversation under its id, or goes on with one', () => {
    expect(words(author)).toBe(
      'npx claude -p --output-format stream-json --verbose --session-id NEW --model big --allowedTools Read Bash(npm *) --permission-mode auto --mcp-config /dir/mcp.json --strict-mcp-config --more',
    );
    expect(words(further)).toContain(' --resume OLD --model big ');
    expect(words(further)).not.toContain('NEW');
  });

  it('looks and does not touch where it reviews, whatever is configured', () => {
    const said = words(review);
    expect(said).toContain(' --disallowedTools Edit NotebookEdit Write --permission-mode dontAsk ');
    expect(said).toContain(' --allowedTools Read Glob Grep Bash(git diff *) ');
    expect(said).not.toMatch(/npm \*|auto|--model/);
  });

  it('without tools of its own names none', () => {
    expect(callClaude({ ...agent, tools: [] }, author).command).not.toContain('--allowedTools');
  });
});

describe('codex', () => {
  const agent = { kind: 'codex', command: ['codex'], sandbox: 'danger-full-access', ...cli } as const;
  const words = (call: Call): string => callCodex(agent, call).command.join(' ');

  it('has its sandbox before `resume`, where it would be forgotten otherwise', () => {
    expect(words(author)).toBe(
      'codex exec --json --sandbox danger-full-access --skip-git-repo-check -m big --more -',
    );
    expect(words(further)).toBe(
      'codex exec --json --sandbox danger-full-access --skip-git-repo-check -m big --more resume OLD -',
    );
    expect(words(review)).toBe(
      'codex exec --json --sandbox read-only --skip-git-repo-check --output-schema /dir/verdict.schema.json --more -',
    );
  });

  it('has an author’s MCP servers on its command line, and what may be secret of them in its environment', () => {
    const mcpServers = {
      docs: { command: 'docs server', args: ['--port', '1"'], env: { TOKEN: 'a-secret' } },
      web: { url: 'http://127.0.0.1/', headers: { Authorization: 'Bearer b-secret' } },
      'no name': { command: 'x' },
      nothing: {},
    };
    const { command, fixed } = callCodex(agent, { ...author, mcp: { mcpServers } });
    expect(command.filter((word) => word.startsWith('mcp_servers.'))).toEqual([
      'mcp_servers.docs.command="docs server"',
      'mcp_servers.docs.args=["--port","1\\""]',
      'mcp_servers.docs.env_vars=["TOKEN"]',
      'mcp_servers.docs.default_tools_approval_mode="approve"',
      'mcp_servers.web.url="http://127.0.0.1/"',
      'mcp_servers.web.env_http_headers={"Authorization"="CODEX_MCP_HEADER_2"}',
      'mcp_servers.web.default_tools_approval_mode="approve"',
    ]);
    expect(fixed).toEqual({ TZ: 'UTC', TOKEN: 'a-secret', CODEX_MCP_HEADER_2: 'Bearer b-secret' });
    expect(command.join(' ')).not.toContain('secret');
    expect(callCodex(agent, { ...review, mcp: { mcpServers } }).command.join(' ')).toBe(words(review));
  });
});

describe('the others', () => {
  it('gemini is trusted to do all as an author, and nothing that needs a permission as a reviewer', () => {
    const agent = { kind: 'gemini', command: ['gemini'], ...cli } as const;
    expect(callGemini(agent, author).command.join(' ')).toBe(
      'gemini -o stream-json --skip-trust --yolo -m big --more',
    );
    expect(callGemini(agent, review).command.join(' ')).toBe('gemini -o stream-json --skip-trust --more');
  });

  it('opencode is told by its configuration what a reviewer may do', () => {
    const agent = { kind: 'opencode', command: ['opencode'], ...cli } as const;
    expect(callOpencode(agent, further)).toEqual({
      command: ['opencode', 'run', '--format', 'json', '-m', 'big', '-s', 'OLD', '--more'],
      env: {},
    });
    const { env } = callOpencode(agent, review);
    expect(JSON.parse(env.OPENCODE_CONFIG_CONTENT ?? '')).toMatchObject({
      permission: { edit: 'deny', bash: { '*': 'deny', 'git diff*': 'allow' } },
    });
  });

  it('an ACP agent is started by the program that talks to it', () => {
    const agent = { kind: 'acp', command: ['some', '--acp'], env: {} } as const;
    expect(callAcp(agent, author).command.slice(2)).toEqual(['work', '-', 'some', '--acp']);
    expect(callAcp(agent, review).command.slice(2)).toEqual(['read', '-', 'some', '--acp']);
  });

  it('an author’s MCP servers are told in each one’s words, never as arguments; a reviewer has none', () => {
    const mcpServers = {
      docs: { command: 'docs server', args: ['--port', '1'], env: { TOKEN: 'a-secret' } },
      web: { url: 'http://127.0.0.1/', headers: { Authorization: 'Bearer b-secret' } },
      stream: { type: 'sse', url: 'http://127.0.0.1/s' },
      'no name': { command: 'x' },
      nothing: {},
    };
    const working = { ...author, mcp: { mcpServers } };
    const reviewing = { ...review, mcp: { mcpServers } };

    const gemini = { kind: 'gemini', command: ['gemini'], ...cli } as const;
    const asked = callGemini(gemini, working);
    expect(asked.env).toEqual({ GEMINI_CLI_SYSTEM_SETTINGS_PATH: '/dir/gemini-settings.json' });
    expect(asked.fleeting).toEqual(['gemini-settings.json']);
    expect(JSON.parse(asked.files?.['gemini-settings.json'] ?? '')).toEqual({
      mcp: { allowed: ['docs', 'web', 'stream'] },
      mcpServers: {
        docs: { command: 'docs server', args: ['--port', '1'], env: { TOKEN: 'a-secret' }, trust: true },
        web: { httpUrl: 'http://127.0.0.1/', headers: { Authorization: 'Bearer b-secret' }, trust: true },
        stream: { url: 'http://127.0.0.1/s', headers: {}, trust: true },
      },
    });
    expect(callGemini(gemini, reviewing)).toEqual(callGemini(gemini, review));

    const opencode = { kind: 'opencode', command: ['opencode'], ...cli } as const;
    expect(JSON.parse(callOpencode(opencode, working).env.OPENCODE_CONFIG_CONTENT ?? '')).toEqual({
      mcp: {
        docs: {
          type: 'local',
          command: ['docs server', '--port', '1'],
          environment: { TOKEN: 'a-secret' },
          enabled: true,
        },
        web: {
          type: 'remote',
          url: 'http://127.0.0.1/',
          headers: { Authorization: 'Bearer b-secret' },
          enabled: true,
        },
        stream: { type: 'remote', url: 'http://127.0.0.1/s', headers: {}, enabled: true },
      },
    });
    expect(callOpencode(opencode, reviewing)).toEqual(callOpencode(opencode, review));

    const acp = { kind: 'acp', command: ['some', '--acp'], env: {} } as const;
    const started = callAcp(acp, working);
    expect(started.command.slice(2)).toEqual(['work', '/dir/acp-servers.json', 'some', '--acp']);
    expect(started.fleeting).toEqual(['acp-servers.json']);
    expect(callAcp(acp, reviewing)).toEqual(callAcp(acp, review));
    for (const { command } of [asked, callOpencode(opencode, working), started]) {
      expect(command.join(' ')).not.toContain('secret');
    }
  });
});

test.each([
  ['recipe', []],
  ['command', []],
  ['claude', ['ANTHROPIC_API_KEY', 'CLAUDE_CONFIG_DIR']],
  ['codex', ['CODEX_HOME', 'OPENAI_API_KEY']],
  ['gemini', ['GEMINI_API_KEY']],
  ['acp', ['ANTHROPIC_API_KEY', 'CLAUDE_CONFIG_DIR', 'CODEX_HOME', 'GEMINI_API_KEY', 'OPENAI_API_KEY']],
] as const)('%s gets the variables of its own CLI and of no other', (kind, names) => {
  const all = {
    ANTHROPIC_API_KEY: 'a',
    CLAUDE_CONFIG_DIR: 'b',
    CODEX_HOME: 'c',
    GEMINI_API_KEY: 'd',
    OPENAI_API_KEY: 'e',
    // By these it knows that it runs within itself.
    CLAUDECODE: '1',
    CLAUDE_CODE_ENTRYPOINT: 'cli',
    CLAUDE_CODE_SESSION_ID: 's',
    GITHUB_TOKEN: 'f',
    UNSET: undefined,
  };
  expect(Object.keys(ownVariables(kind, all)).sort()).toEqual([...names]);
});

it('a verdict is asked for in a form that strict readers of schemas take, and that the prompt names', () => {
  const every = (schema: unknown): unknown[] =>
    typeof schema === 'object' && schema !== null ? [schema, ...Object.values(schema).flatMap(every)] : [];
  const strict = JSON.parse(
    callCodex({ kind: 'codex', command: ['codex'], sandbox: 'read-only', ...cli }, review).files?.[
      'verdict.schema.json'
    ] ?? '',
  );
  const objects = every(strict).filter((one) => Object(one).type === 'object') as { properties: object }[];
  expect(objects).toHaveLength(5);
  for (const one of objects) {
    expect(one).toMatchObject({ additionalProperties: false, required: Object.keys(one.properties) });
  }
  expect(strict.properties.mstone).toEqual({ type: 'string', enum: ['verdict'] });
  const claude = callClaude(
    { kind: 'claude', command: ['claude'], permission: 'dontAsk', tools: [], ...cli },
    review,
  );
  const asked = JSON.parse(claude.command[claude.command.indexOf('--json-schema') + 1] ?? '');
  expect(asked).toEqual({
    ...strict,
    required: ['verdict', 'criteria', 'findings', 'answers', 'score', 'allows', 'summary'],
  });
});
