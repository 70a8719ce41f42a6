import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import {
  act,
  approval,
  edit,
  hang,
  limitedFor,
  meeting,
  objection,
  play,
  type Refusal,
  read,
  refuse,
  run,
  type Script,
  say,
  write,
} from './model-answers.js';
import { fingerprint, type ModelServer, type ModelServerOptions, startModelServer } from './model-server.js';

const servers: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(script: Script, options: ModelServerOptions = {}): Promise<ModelServer> {
  const server = await startModelServer(script, options);
  servers.push(server);
  return server;
}

const IMPLEMENT =
  'You implement one milestone of a software project.\n<milestone id="1A">\nOrders\n</milestone>';
const REVIEW =
  'You review one milestone\'s work, written by somebody else.\n<milestone id="1A">\nOrders\n</milestone>';
const CLAUDE_TOOLS = ['Bash', 'Edit', 'Read', 'Write'].map((name) => ({ name, input_schema: {} }));

interface MessagesRequest {
  readonly session?: string;
  readonly messages?: readonly unknown[];
  readonly prompt?: string;
  readonly tools?: readonly unknown[];
  readonly stream?: boolean;
  readonly system?: string;
  readonly key?: string;
}

async function messages(server: ModelServer, request: MessagesRequest = {}): Promise<Response> {
  const {
    session = 's1',
    prompt = IMPLEMENT,
    tools = CLAUDE_TOOLS,
    stream = true,
    key = 'sk-dummy',
  } = request;
  return fetch(`${server.url}/v1/messages?beta=true`, {
    method: 'POST',
    headers: { 'x-api-key': key, 'x-claude-code-session-id': session },
    body: JSON.stringify({
      model: 'claude-test',
      stream,
      tools,
      system: request.system ?? ' - Primary working directory: /repo\n - Is a git repository: true',
      messages: request.messages ?? [{ role: 'user', content: prompt }],
    }),
  });
}

const CODEX_INPUT = [
  { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'You are a coding agent.' }] },
  {
    type: 'message',
    role: 'user',
    content: [
      { type: 'input_text', text: '<environment_context>\n  <cwd>/repo</cwd>\n</environment_context>' },
    ],
  },
  { type: 'message', role: 'user', content: [{ type: 'input_text', text: IMPLEMENT }] },
];

async function responses(server: ModelServer, more: Record<string, unknown> = {}): Promise<Response> {
  return fetch(`${server.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-dummy', 'session-id': 's1' },
    body: JSON.stringify({
      model: 'gpt-test',
      stream: true,
      tools: [{ type: 'function', name: 'exec_command' }],
      input: CODEX_INPUT,
      ...more,
    }),
  });
}

/** The data of a stream's events. */
async function events(response: Response): Promise<Record<string, unknown>[]> {
  const text = await response.text();
  return text
    .split('\n\n')
    .filter((part) => part !== '')
    .map((part) => {
      const [name, data] = part.split('\n');
      const value = JSON.parse(data?.replace(/^data: /, '') ?? '') as Record<string, unknown>;
      expect(name).toBe(`event: ${String(value.type)}`);
      return value;
    });
}

/** The tool calls that a streamed message makes, put together from its parts. */
async function callsOf(response: Response): Promise<{ name: string; input: unknown }[]> {
  const calls: { name: string; json: string }[] = [];
  for (const event of await events(response)) {
    const block = event.content_block as { type: string; name: string } | undefined;
    if (block?.type === 'tool_use') calls.push({ name: block.name, json: '' });
    const delta = event.delta as { type?: string; partial_json?: string } | undefined;
    const last = calls.at(-1);
    if (last !== undefined && delta?.type === 'input_json_delta') last.json += delta.partial_json ?? '';
  }
  return calls.map(({ name, json }) => ({ name, input: JSON.parse(json) as unknown }));
}

test('a text is streamed as Anthropic streams it', async () => {
  const server = await serve(play({ '1A implement': [[say('Done.')]] }));
  const response = await messages(server);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const all = await events(response);
  expect(all.map(({ type }) => type)).toEqual([
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
  const text = all.map(({ delta }) => (delta as { text?: string } | undefined)?.text ?? '').join('');
  expect(text).toBe('Done.');
  expect(all.at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' } });
});

test('the same request is answered with the same bytes by a new server', async () => {
  const script = play({ '1A implement': [[act(write('a', 'b'))]] });
  const [one, other] = [await serve(script), await serve(script)];
  expect(await (await messages(one)).text()).toBe(await (await messages(other)).text());
});

test('what is not to be streamed comes whole, and tokens are counted', async () => {
  const server = await serve(play({ '1A implement': [[say('Done.')]] }));
  expect(await (await messages(server, { stream: false })).json()).toMatchObject({
    type: 'message',
    content: [{ type: 'text', text: 'Done.' }],
    stop_reason: 'end_turn',
  });
  const counted = await fetch(`${server.url}/v1/messages/count_tokens`, {
    method: 'POST',
    body: JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(400) }] }),
  });
  const { input_tokens: tokens } = (await counted.json()) as { input_tokens: number };
  expect(tokens).toBeGreaterThanOrEqual(100);
  expect(tokens).toBeLessThan(120);
  expect(server.asked.length).toBe(1);
});

test('acts become calls of the tools that Claude Code offered, in its own folder', async () => {
  const server = await serve(
    play({
      '1A implement': [
        [act(write('src/a.js', 'a\n'), read('src/a.js'), edit('src/a.js', 'a', 'b'), run('npm test'))],
      ],
    }),
  );
  expect(await callsOf(await messages(server))).toEqual([
    { name: 'Write', input: { file_path: '/repo/src/a.js', content: 'a\n' } },
    { name: 'Read', input: { file_path: '/repo/src/a.js' } },
    { name: 'Edit', input: { file_path: '/repo/src/a.js', old_string: 'a', new_string: 'b' } },
    { name: 'Bash', input: { command: 'npm test', description: 'Run a command' } },
  ]);
});

test('acts become calls of the tools that opencode offered', async () => {
  const server = await serve(
    play({ '1A implement': [[act(write('a', 'a\n'), read('a'), edit('a', 'a', 'b'), run('npm test'))]] }),
  );
  const tools = ['bash', 'edit', 'read', 'write'].map((name) => ({ name }));
  const system = 'Working directory: /repo\n  Workspace root folder: /other';
  expect(await callsOf(await messages(server, { tools, system }))).toEqual([
    { name: 'write', input: { filePath: '/repo/a', content: 'a\n' } },
    { name: 'read', input: { filePath: '/repo/a' } },
    { name: 'edit', input: { filePath: '/repo/a', oldString: 'a', newString: 'b' } },
    { name: 'bash', input: { command: 'npm test', description: 'Run a command' } },
  ]);
});

test('acts become shell commands and patches for Codex', async () => {
  const server = await serve(play({ '1A implement': [[act(run('npm test'), edit('a', 'one', 'two'))]] }));
  const all = await events(await responses(server));
  expect(all.map(({ type }) => type)).toEqual([
    'response.created',
    'response.output_item.added',
    'response.output_item.done',
    'response.output_item.added',
    'response.output_item.done',
    'response.completed',
  ]);
  const done = all.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
  expect(done).toMatchObject([
    { type: 'function_call', name: 'exec_command', arguments: '{"cmd":"npm test"}' },
    {
      type: 'function_call',
      name: 'exec_command',
      arguments: JSON.stringify({
        cmd: "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: a\n@@\n-one\n+two\n*** End Patch\nEOF\n",
      }),
    },
  ]);
});

test('where Codex offers apply_patch, a patch is a call of that', async () => {
  const server = await serve(play({ '1A implement': [[act(write('a', 'one\ntwo\n'))]] }));
  const tools = [
    { type: 'function', name: 'shell' },
    { type: 'custom', name: 'apply_patch' },
  ];
  const all = await events(await responses(server, { tools }));
  expect(all.find(({ type }) => type === 'response.output_item.done')?.item).toMatchObject({
    type: 'custom_tool_call',
    name: 'apply_patch',
    input: '*** Begin Patch\n*** Add File: a\n+one\n+two\n*** End Patch\n',
  });
});

test('turns are counted by what the model has answered since the last prompt', async () => {
  const server = await serve(
    play({ '1A implement': [[act(run('one')), act(run('two')), say('Done.')], [say('Gone on.')]] }),
  );
  const result = { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'out' }] };
  const history: unknown[] = [
    {
      role: 'user',
      content: [
        { type: 'text', text: '<system-reminder>\nToday is Friday\n</system-reminder>' },
        { type: 'text', text: IMPLEMENT },
      ],
    },
  ];
  const ask = (): Promise<Response> => messages(server, { messages: history });
  await ask();
  history.push({ role: 'assistant', content: [] }, { role: 'user', content: [result] });
  await ask();
  history.push({ role: 'assistant', content: [] }, { role: 'user', content: [result] });
  await ask();
  // A resumed session: the prompt says nothing of milestone and purpose, the conversation does.
  history.push({ role: 'assistant', content: [] }, { role: 'user', content: 'Go on.' });
  await ask();
  expect(server.story()).toEqual([
    '1A implement 1.1 → run',
    '1A implement 1.2 → run',
    '1A implement 1.3 → say',
    '1A implement 2.1 → say',
  ]);
  expect(server.asked.map(({ prompts, prompt, results }) => ({ prompts, prompt, results }))).toEqual([
    { prompts: 1, prompt: IMPLEMENT, results: [] },
    { prompts: 1, prompt: IMPLEMENT, results: ['out'] },
    { prompts: 1, prompt: IMPLEMENT, results: ['out', 'out'] },
    { prompts: 2, prompt: 'Go on.', results: [] },
  ]);
});

test("Codex's turns are counted though one answer is several items", async () => {
  const server = await serve(play({ '1A implement': [[say('one'), say('two'), say('three')]] }));
  const call = (id: string) => ({
    type: 'function_call',
    call_id: id,
    name: 'exec_command',
    arguments: '{}',
  });
  const output = (id: string) => ({ type: 'function_call_output', call_id: id, output: `out ${id}` });
  await responses(server);
  await responses(server, {
    input: [...CODEX_INPUT, { type: 'reasoning' }, call('a'), call('b'), output('a'), output('b')],
  });
  expect(server.asked.map(({ turn, results, cwd }) => ({ turn, results, cwd }))).toEqual([
    { turn: 1, results: [], cwd: '/repo' },
    { turn: 2, results: ['out a', 'out b'], cwd: '/repo' },
  ]);
});

test('another session with the same prompt is another round', async () => {
  const server = await serve(play({ '1A implement': [[hang], [say('Done.')]] }));
  const first = new AbortController();
  const hung = fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    signal: first.signal,
    headers: { 'x-claude-code-session-id': 's1' },
    body: JSON.stringify({ stream: true, messages: [{ role: 'user', content: IMPLEMENT }] }),
  });
  await server.until(({ round }) => round === 1);
  first.abort();
  await expect(hung).rejects.toThrow('abort');
  await messages(server, { session: 's2' });
  expect(server.story()).toEqual(['1A implement 1.1 → hang', '1A implement 2.1 → say']);
});

test('the purposes are told apart by the openings of the templates as they are', async () => {
  const templates = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'templates');
  const server = await serve(() => say('x'));
  for (const name of ['implement', 'review', 'remediate', 'resolve']) {
    const text = readFileSync(join(templates, `${name}.md`), 'utf8').replaceAll('{{ milestone.id }}', '2B');
    await messages(server, { prompt: text, session: name });
  }
  expect(server.asked.map(({ milestone, purpose }) => `${milestone} ${purpose}`)).toEqual([
    '2B implement',
    '2B review',
    '2B remediate',
    '2B resolve',
  ]);
});

test('a verdict is a call of the structured output that Claude Code offers, with the fields it names', async () => {
  const server = await serve(play({ '1A review': [[approval('It adds.')]] }));
  const tools = [
    ...CLAUDE_TOOLS,
    { name: 'StructuredOutput', input_schema: { properties: { verdict: {}, findings: {}, mstone: {} } } },
  ];
  expect(await callsOf(await messages(server, { prompt: REVIEW, tools }))).toEqual([
    { name: 'StructuredOutput', input: { mstone: 'verdict', verdict: 'approve', findings: [] } },
  ]);
});

test('a verdict is JSON text in the schema that Codex sends, and our own line without a schema', async () => {
  const server = await serve(play({ '1A review': [[objection('a.js', 'It throws.')], [approval()]] }));
  const input = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: REVIEW }] }];
  const schema = { properties: { verdict: {}, summary: {} } };
  const textIn = async (response: Response): Promise<unknown> => {
    const item = (await events(response)).find(({ type }) => type === 'response.output_item.done')?.item;
    return JSON.parse((item as { content: { text: string }[] }).content[0]?.text ?? '');
  };
  expect(await textIn(await responses(server, { input, text: { format: { schema } } }))).toEqual({
    verdict: 'request_changes',
    summary: 'It throws.',
  });
  const whole = await textIn(await responses(server, { input, prompt_cache_key: 'other' }));
  expect(whole).toMatchObject({ mstone: 'verdict', verdict: 'request_changes' });
});

test.each([
  [{ why: 'unauthorized' }, 401, 401],
  [{ why: 'forbidden' }, 403, 403],
  [{ why: 'no-credit', status: 400 }, 400, 429],
  [{ why: 'no-credit', status: 402 }, 402, 429],
  [{ why: 'rate' }, 429, 429],
  [{ why: 'overloaded' }, 529, 503],
  [{ why: 'broken' }, 500, 500],
  [{ why: 'too-long' }, 400, 200],
  [{ why: 'no-such-model' }, 404, 404],
  [{ why: 'unscripted', message: 'no' }, 403, 400],
] as const satisfies readonly (readonly [Refusal, number, number])[])(
  'a refusal (%o) is told in the status and form of each service',
  async (refusal, anthropic, openai) => {
    const server = await serve(() => refuse(refusal));
    const one = await messages(server);
    expect(one.status).toBe(anthropic);
    expect(await one.json()).toMatchObject({ type: 'error', error: { message: expect.any(String) } });
    const other = await responses(server);
    expect(other.status).toBe(openai);
    expect(await other.text()).toContain('"error"');
  },
);

test('a rate limit names the seconds to wait, where it shall', async () => {
  const server = await serve(() => refuse({ why: 'rate', retryAfterSeconds: 7 }));
  expect((await messages(server)).headers.get('retry-after')).toBe('7');
  expect((await responses(server)).headers.get('retry-after')).toBe('7');
});

test("a subscription's limit is over when its time has come", async () => {
  let now = 1_800_000_000_000;
  const script = play({ '1A implement': [[limitedFor(10, say('Done.'), () => now)]] });
  const server = await serve(script, { now: () => now });
  const refused = await messages(server);
  expect(refused.status).toBe(429);
  expect(refused.headers.get('anthropic-ratelimit-unified-status')).toBe('rejected');
  expect(refused.headers.get('anthropic-ratelimit-unified-reset')).toBe('1800000010');
  expect(refused.headers.get('x-should-retry')).toBe('false');
  now += 9_000;
  expect(await (await responses(server)).json()).toMatchObject({
    error: { type: 'usage_limit_reached', resets_at: 1_800_000_010, resets_in_seconds: 1 },
  });
  now += 1_000;
  expect((await messages(server)).status).toBe(200);
  expect(server.story()).toEqual([
    '1A implement 1.1 → limit',
    '1A implement 1.1 (asked 2 times) → limit',
    '1A implement 1.1 (asked 3 times) → say',
  ]);
});

test('a turn may be answered differently each time that it is asked', async () => {
  const turn = [refuse({ why: 'overloaded' }), say('Done.')] as const;
  const server = await serve(play({ '1A implement': [[turn]] }));
  const statuses = [await messages(server), await messages(server), await messages(server)];
  expect(statuses.map(({ status }) => status)).toEqual([529, 200, 200]);
});

test('a stream that stalls says its beginning and keeps the connection', async () => {
  const server = await serve(() => ({ is: 'stall', text: 'Half of it' }));
  const response = await messages(server);
  const reader = response.body?.getReader();
  let text = '';
  while (!text.includes('content_block_delta')) {
    const { value } = (await reader?.read()) ?? {};
    text += Buffer.from(value ?? []).toString('utf8');
  }
  expect(text).toContain('"text":"Half "');
  expect(text).not.toContain('message_stop');
  const more = reader?.read();
  const later = new Promise((resolve) => setTimeout(() => resolve('silence'), 50));
  expect(await Promise.race([more, later])).toBe('silence');
  await reader?.cancel();
});

test('a stream that is cut ends without an end', async () => {
  const server = await serve(() => ({ is: 'cut', text: 'Half of it' }));
  await expect(messages(server).then((response) => response.text())).rejects.toThrow('terminated');
});

test('a key that is dead is refused, and no key is kept', async () => {
  const server = await serve(() => say('x'), { deadKeys: new Set(['sk-dead']) });
  expect((await messages(server, { key: 'sk-dead' })).status).toBe(401);
  expect((await messages(server, { key: 'sk-alive' })).status).toBe(200);
  expect(server.asked.map(({ keys, answer }) => ({ keys, answer }))).toEqual([
    { keys: [fingerprint('sk-dead')], answer: 'unauthorized' },
    { keys: [fingerprint('sk-alive')], answer: 'say' },
  ]);
  expect(JSON.stringify(server.asked)).not.toMatch(/sk-(?:dead|alive)/);
  expect(server.asked[0]?.headers['x-api-key']).toBe('redacted');
});

test('tokens are what was sent, and cached what an earlier request began with', async () => {
  const server = await serve(() => say('x'));
  const prompt = `${IMPLEMENT}\n${'context '.repeat(500)}`;
  const more = { role: 'user', content: 'y'.repeat(2000) };
  await messages(server, { messages: [{ role: 'user', content: prompt }] });
  await messages(server, { messages: [{ role: 'user', content: prompt }, more] });
  await messages(server, { system: 'Another', messages: [{ role: 'user', content: prompt }] });
  const [first, second, third] = server.asked;
  expect(first?.cachedTokens).toBe(0);
  expect(second?.tokens).toBeGreaterThan((first?.tokens ?? 0) + 500);
  // All of the first but the brackets that close it.
  expect((first?.tokens ?? 0) - (second?.cachedTokens ?? 0)).toBeLessThan(10);
  expect(third?.cachedTokens).toBeLessThan(100);
});

test('a meeting answers only once all are there', async () => {
  const meet = meeting(2);
  const server = await serve(
    play({ '1A implement': [[meet(say('one'))]], '1B implement': [[meet(say('two'))]] }),
  );
  let isFirstDone = false;
  const first = messages(server).then((response) => {
    isFirstDone = true;
    return response.status;
  });
  await server.until(({ milestone }) => milestone === '1A');
  // Whatever is answered after it is answered before.
  await fetch(server.url, { method: 'HEAD' });
  await fetch(server.url, { method: 'HEAD' });
  expect(isFirstDone).toBe(false);
  const second = messages(server, { prompt: IMPLEMENT.replace('1A', '1B'), session: 's2' });
  expect([await first, (await second).status]).toEqual([200, 200]);
});

test('what a CLI asks for itself is answered, and no part of the story', async () => {
  const server = await serve(play({ '1A implement': [[say('Done.')]] }));
  const aside = await messages(server, { tools: [], system: 'You are a title generator.', stream: false });
  expect(await aside.json()).toMatchObject({ content: [{ text: '{"title":"A milestone"}' }] });
  await messages(server);
  const suggest = { role: 'user', content: '[SUGGESTION MODE: Suggest what the user might type next.]' };
  await messages(server, {
    messages: [{ role: 'user', content: IMPLEMENT }, { role: 'assistant' }, suggest],
  });
  expect(server.story()).toEqual(['1A implement 1.1 → say']);
  expect(server.asked.map(({ purpose }) => purpose)).toEqual(['aside', 'implement', 'aside']);
});

test('a conversation to be shortened is too long as well, or is summed up', async () => {
  const prompt =
    'Respond with TEXT ONLY. Your task is to create a detailed summary of the conversation so far.';
  const [without, withOne] = [await serve(play({})), await serve(play({}, 'A file is written.'))];
  expect(await (await messages(without, { prompt })).text()).toContain('prompt is too long');
  expect(await (await messages(withOne, { prompt, stream: false })).json()).toMatchObject({
    content: [{ text: '<summary>\nA file is written.\n</summary>' }],
  });
  expect(withOne.asked.map(({ purpose }) => purpose)).toEqual(['compact']);
});

test('what is not scripted is refused in words that name it', async () => {
  const server = await serve(play({}));
  expect(await (await messages(server)).text()).toContain(
    'nothing is scripted for 1A implement, round 1, turn 1',
  );
});

test('a script that throws is told, and so are unknown addresses and bodies that are no JSON', async () => {
  const server = await serve(() => {
    throw new Error('no idea');
  });
  expect((await messages(server)).status).toBe(500);
  expect((await fetch(`${server.url}/v1/models`)).status).toBe(404);
  expect((await fetch(`${server.url}/v1/messages`, { method: 'POST', body: '{' })).status).toBe(404);
  expect((await fetch(server.url, { method: 'HEAD' })).status).toBe(200);
  expect(server.unknown).toEqual(['failed: Error: no idea', 'GET /v1/models', 'POST /v1/messages']);
});

test('as a proxy it lets nobody out, and names where they wanted to go', async () => {
  const server = await serve(() => say('x'));
  const { port } = new URL(server.url);
  const status = await new Promise((resolve, reject) => {
    get(
      { host: '127.0.0.1', port, path: 'http://example.org/', headers: { host: 'example.org' } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    ).on('error', reject);
  });
  const connected = await new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, method: 'CONNECT', path: 'api.example.org:443' });
    request.on('connect', (response) => resolve(response.statusCode)).on('error', reject);
  });
  expect([status, connected]).toEqual([403, 403]);
  expect(server.strangers).toEqual(['example.org', 'api.example.org']);
});
