import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { permissionFor } from '../../src/agent/acp-policy.js';
import { type AssignmentRequest, perform } from '../../src/agent/index.js';

const fixture = join(import.meta.dirname, '../fixtures/agents/acp.mjs');
const root = mkdtempSync(join(tmpdir(), 'mstone-acp-'));
let count = 0;

function assignment(command: readonly string[], more: Partial<AssignmentRequest> = {}): AssignmentRequest {
  const base = join(root, `a${++count}`);
  mkdirSync(join(base, 'dir'), { recursive: true });
  mkdirSync(join(base, 'slot'));
  return {
    dir: join(base, 'dir'),
    logFile: join(base, 'log'),
    kind: { kind: 'acp', command, env: {} },
    purpose: 'implement',
    milestone: { id: '1A', body: '# 1A', criteria: [], recipe: {} },
    attempt: 1,
    base: 'a'.repeat(40),
    cwd: join(base, 'slot'),
    prompt: 'Do it, with é.\n',
    context: '{}',
    env: { PATH: process.env.PATH ?? '' },
    milestoneEnv: {},
    judging: {
      terms: { criteria: [], checks: [], rules: [], project: [], blockOn: ['major'] },
      absentOf: async () => new Set(),
    },
    timeouts: { agentMs: 60_000, idleMs: 60_000 },
    tag: `acp-${process.pid}-${count}`,
    signal: new AbortController().signal,
    graceMs: 200,
    ...more,
  };
}
const acp = (how: string, more: Partial<AssignmentRequest> = {}): AssignmentRequest =>
  assignment([process.execPath, fixture, how], more);

describe('an ACP agent', () => {
  it('is given the prompt and its permission, and both directions are in the log', async () => {
    const one = acp('end_turn');
    expect(await perform(one)).toEqual({
      outcome: { kind: 'finished' },
      costUsd: 0.25,
      version: '9.8.7',
      tokens: { input: 5, cached: 0, output: 7 },
      logBytes: expect.any(Number),
    });
    expect(readFileSync(join(one.cwd, 'a.txt'), 'utf8')).toBe('Do it, with é.\n');
    const log = readFileSync(one.logFile, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(log.map(({ dir, msg }) => `${dir} ${msg.method ?? 'answer'}`)).toEqual([
      'client->agent initialize',
      'agent->client answer',
      'client->agent session/new',
      'agent->client answer',
      'client->agent session/prompt',
      'agent->client session/request_permission',
      'client->agent answer',
      'agent->client session/update',
      'agent->client session/update',
      'agent->client answer',
    ]);
    expect(log[6].msg.result).toEqual({ outcome: { outcome: 'selected', optionId: 'yes' } });
    expect(log[4].msg.params.sessionId).toBe(`in ${one.cwd}`);
  });

  it('is told of MCP servers that it can take, of which the log has the names alone and nothing stays', async () => {
    const mcpServers = {
      docs: { command: 'docs', args: ['--port', '1'], env: { TOKEN: 'a-secret' } },
      web: { type: 'http', url: 'http://127.0.0.1/', headers: { Authorization: 'Bearer b-secret' } },
      stream: { type: 'sse', url: 'http://127.0.0.1/' },
    };
    const one = acp('servers', { mcp: { mcpServers } });
    expect((await perform(one)).outcome).toEqual({ kind: 'finished' });
    expect(JSON.parse(readFileSync(join(one.cwd, 'servers.json'), 'utf8'))).toEqual([
      { name: 'docs', command: 'docs', args: ['--port', '1'], env: [{ name: 'TOKEN', value: 'a-secret' }] },
      {
        type: 'http',
        name: 'web',
        url: 'http://127.0.0.1/',
        headers: [{ name: 'Authorization', value: 'Bearer b-secret' }],
      },
    ]);
    const log = readFileSync(one.logFile, 'utf8');
    expect(log).toContain('"mcpServers":["docs","web"]');
    expect(log).toContain('the agent takes no MCP servers over sse: stream was left out');
    const left = readdirSync(one.dir, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const texts = [log, ...left.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))];
    expect(texts.filter((text) => text.includes('secret'))).toEqual([]);
  });

  it('that reviews may not write, and answers by a verdict line', async () => {
    const one = acp('verdict', { purpose: 'review' });
    expect(await perform(one)).toMatchObject({
      outcome: { kind: 'finished' },
      judgement: { kind: 'approved', notes: [] },
    });
    expect(existsSync(join(one.cwd, 'a.txt'))).toBe(false);
    expect(await perform(acp('end_turn', { purpose: 'review' }))).toMatchObject({
      judgement: { kind: 'unreadable', why: 'it gave no answer in the form asked for' },
    });
  });

  it('ends as it says, dies, or was never there', async () => {
    expect((await perform(acp('rate_limit'))).outcome).toEqual({
      kind: 'limited',
      message: 'slow down',
    });
    expect((await perform(acp('refusal'))).outcome.kind).toBe('declined');
    expect((await perform(acp('die'))).outcome).toMatchObject({ kind: 'crashed', exit: 1 });
    expect((await perform(acp('nonsense'))).outcome).toEqual({ kind: 'finished' });
    expect((await perform(assignment(['no-such-program-anywhere']))).outcome.kind).toBe('unstartable');
  });
});

test.each<[string, 'work' | 'read', object, string]>([
  ['an author writes', 'work', { kind: 'edit' }, 'yes'],
  ['a reviewer does not', 'read', { kind: 'edit' }, 'no'],
  ['a reviewer reads', 'read', { kind: 'read' }, 'yes'],
  ['a reviewer asks git', 'read', { kind: 'execute', rawInput: { command: 'git diff HEAD~1 -- a' } }, 'yes'],
  ['and nothing behind it', 'read', { kind: 'execute', rawInput: { command: 'git log; rm a' } }, 'no'],
  ['nor into a file', 'read', { kind: 'execute', rawInput: { command: 'git diff --output=a' } }, 'no'],
  ['nor by a new line', 'read', { kind: 'execute', rawInput: { command: 'git log\nrm a' } }, 'no'],
  ['what has no kind is not known to be harmless', 'read', {}, 'no'],
])('%s', (_, policy, toolCall, optionId) => {
  const options = [
    { optionId: 'yes', kind: 'allow_once' },
    { optionId: 'no', kind: 'reject_once' },
  ];
  expect(permissionFor(policy, { toolCall, options })).toEqual({ outcome: 'selected', optionId });
});

it('what offers no fitting answer is cancelled', () => {
  expect(permissionFor('work', { toolCall: {}, options: [] })).toEqual({ outcome: 'cancelled' });
  const always = [{ optionId: 'always', kind: 'allow_always' }];
  expect(permissionFor('work', { toolCall: {}, options: always })).toEqual({
    outcome: 'selected',
    optionId: 'always',
  });
  expect(permissionFor('read', { toolCall: {}, options: always })).toEqual({ outcome: 'cancelled' });
});
