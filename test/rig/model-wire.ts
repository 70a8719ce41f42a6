/**
 * The two APIs that coding CLIs speak: Anthropic Messages and OpenAI Responses. Reads of a request what a
 * script may want to know, and writes an answer as that API would, streamed or whole. Shapes are those that
 * the pinned CLIs sent and understood; nothing here was compared with the real services.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Act, Answer, Asked, Refusal, ReviewAnswer } from './model-answers.js';

type Json = Readonly<Record<string, unknown>>;

/** What a request says, before the server counts rounds, turns and asks. */
export type Heard = Omit<Asked, 'round' | 'turn' | 'ask' | 'session'> & {
  /** Answers that the model has given to the last prompt already. */
  readonly answered: number;
  readonly stream: boolean;
  /** Property names of the structured output that is wanted; undefined where none is. */
  readonly wants: readonly string[] | undefined;
  /** Everything that the model would read, in the order in which prompt caches compare it. */
  readonly text: string;
};

/** A body as it goes out: whole, or as events of a stream. `end` is what becomes of the connection. */
export interface Wire {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly chunks: readonly string[];
  readonly end: 'close' | 'keep-open' | 'cut';
}

/** About four characters are a token: the same for everything that is compared with it. */
export const tokensOf = (text: string): number => Math.ceil(text.length / 4);

/** The openings of our templates' prompts; `model-server.test.ts` holds them against the templates. */
const PURPOSES: readonly (readonly [RegExp, Asked['purpose']])[] = [
  [/\bYou implement one milestone\b/, 'implement'],
  [/\bYou review one milestone's work\b/, 'review'],
  [/\bYou are the author of one milestone's work, which is in your current folder\b/, 'remediate'],
  [/\bYou are the author of one milestone's work\. It is finished, but it conflicts\b/, 'resolve'],
];
const MILESTONE = /<milestone id="([^"]+)">/;
const FOLDER = /(?:[Ww]orking directory: |<cwd>)(\/[^\s<]*)/g;
/** Prompts by which a CLI asks for something to itself: what its user might type next. */
const SUGGESTION = /^\s*\[SUGGESTION MODE:/;
/** The prompt by which Claude Code shortens a conversation that grew too long. */
const COMPACTION = /Your task is to create a detailed summary of th/;
/** Texts in a user's turn that a CLI puts there by itself. */
const BY_THE_CLI =
  /^\s*(?:<system-reminder>|<environment_context>|<user_instructions>|# AGENTS\.md|\[structured-output|\[Request interrupted)/;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const records = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isRecord) : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A conversation's turns in order, in the words of neither API. */
type Step =
  | { readonly from: 'user'; readonly text: string }
  | { readonly from: 'model' }
  | { readonly from: 'tool'; readonly text: string };

export function hear(api: Asked['api'], body: Json): Heard {
  const steps = api === 'messages' ? messageSteps(body) : responseSteps(body);
  const system = api === 'messages' ? textsOf(body.system) : [textOf(body.instructions)];
  const isPrompt = (step: Step): boolean => step.from === 'user' && !BY_THE_CLI.test(step.text);
  const last = steps.findLastIndex(isPrompt);
  const since = steps.slice(last + 1);
  const prompts = steps.filter(isPrompt).flatMap((step) => (step.from === 'user' ? [step.text] : []));
  // A short "go on" in a resumed session belongs to the prompt before it.
  const about = prompts.findLast((prompt) => MILESTONE.test(prompt)) ?? '';
  const opening = prompts.findLast((prompt) => PURPOSES.some(([pattern]) => pattern.test(prompt))) ?? '';
  const tools = records(body.tools).flatMap((tool) => textOf(tool.name) || textOf(tool.type) || []);
  const prompt = prompts.at(-1) ?? '';
  const isAside =
    SUGGESTION.test(prompt) || (tools.length === 0 && system.some((text) => /\btitle\b/i.test(text)));
  const purposeOf = (): Asked['purpose'] => {
    if (isAside) return 'aside';
    if (COMPACTION.test(prompt)) return 'compact';
    return PURPOSES.find(([pattern]) => pattern.test(opening))?.[1] ?? 'other';
  };
  const text = JSON.stringify([body.tools, body.system, body.instructions, body.messages, body.input]);
  return {
    api,
    milestone: MILESTONE.exec(about)?.[1] ?? '',
    purpose: purposeOf(),
    prompts: prompts.length,
    prompt,
    results: since.flatMap((step) => (step.from === 'tool' ? [step.text] : [])),
    answered: runsOf(since),
    tools,
    cwd: [...text.matchAll(FOLDER)].at(-1)?.[1]?.replace(/\\n.*$/s, '') ?? '',
    model: textOf(body.model),
    stream: body.stream === true,
    wants: wanted(api, body),
    text,
  };
}

/** Consecutive steps of the model are one answer, however many items an API makes of it. */
const runsOf = (steps: readonly Step[]): number =>
  steps.filter((step, index) => step.from === 'model' && steps[index - 1]?.from !== 'model').length;

const textsOf = (content: unknown): readonly string[] =>
  typeof content === 'string' ? [content] : records(content).map((block) => textOf(block.text));

function messageSteps(body: Json): readonly Step[] {
  return records(body.messages).flatMap((message): readonly Step[] => {
    if (message.role === 'assistant') return [{ from: 'model' }];
    if (message.role !== 'user') return [];
    if (typeof message.content === 'string') return [{ from: 'user', text: message.content }];
    return records(message.content).flatMap((block): readonly Step[] => {
      if (block.type === 'tool_result') {
        return [{ from: 'tool', text: textsOf(block.content).join('\n') }];
      }
      return block.type === 'text' ? [{ from: 'user', text: textOf(block.text) }] : [];
    });
  });
}

function responseSteps(body: Json): readonly Step[] {
  if (typeof body.input === 'string') return [{ from: 'user', text: body.input }];
  return records(body.input).flatMap((item): readonly Step[] => {
    switch (item.type) {
      case 'function_call_output':
      case 'custom_tool_call_output':
        return [{ from: 'tool', text: textOf(item.output) || textsOf(item.output).join('\n') }];
      case 'function_call':
      case 'custom_tool_call':
      case 'reasoning':
        return [{ from: 'model' }];
      default:
        if (item.role === 'assistant') return [{ from: 'model' }];
        return item.role === 'user' ? textsOf(item.content).map((text) => ({ from: 'user', text })) : [];
    }
  });
}

function wanted(api: Asked['api'], body: Json): readonly string[] | undefined {
  const tool = records(body.tools).find(({ name }) => name === 'StructuredOutput');
  const format = isRecord(body.text) && isRecord(body.text.format) ? body.text.format : undefined;
  const schema = api === 'messages' ? tool?.input_schema : format?.schema;
  return isRecord(schema) && isRecord(schema.properties) ? Object.keys(schema.properties) : undefined;
}

/** Puts an answer into the API's words. `name` makes ids: the same request is answered with the same bytes. */
export function wire(
  answer: Answer,
  heard: Heard,
  name: string,
  cachedTokens: number,
  now: () => number,
): Wire {
  switch (answer.is) {
    case 'refuse':
      return refusal(answer.refusal, heard, now);
    case 'hang':
      return { status: 0, headers: {}, chunks: [], end: 'keep-open' };
    case 'stall':
      return { ...spoken(heard, name, cachedTokens, answer.text, [], {}, 'beginning'), end: 'keep-open' };
    case 'cut':
      return { ...spoken(heard, name, cachedTokens, answer.text, [], {}, 'beginning'), end: 'cut' };
    case 'say':
      return spoken(heard, name, cachedTokens, answer.text, [], answer.headers);
    case 'do':
      return spoken(
        heard,
        name,
        cachedTokens,
        answer.text ?? '',
        answer.acts.map((one) => callOf(one, heard)),
        answer.headers,
      );
    case 'verdict':
      return heard.api === 'messages' && heard.wants !== undefined
        ? spoken(heard, name, cachedTokens, '', [
            { name: 'StructuredOutput', input: fitting(answer.verdict, heard.wants) },
          ])
        : spoken(
            heard,
            name,
            cachedTokens,
            JSON.stringify(
              fitting(answer.verdict, heard.wants ?? ['mstone', ...Object.keys(answer.verdict)]),
            ),
            [],
          );
  }
}

/** With the fields that are asked for, and no others: null where the script has no word on one. */
function fitting(verdict: ReviewAnswer, names: readonly string[]): Json {
  const said: Json = { mstone: 'verdict', ...verdict };
  return Object.fromEntries(names.map((name) => [name, said[name] ?? null]));
}

/** A call of a tool: JSON input, or a free text for OpenAI's custom tools. */
interface Call {
  readonly name: string;
  readonly input: Json | string;
}

/** The tool by which this CLI does such a thing: Claude's names, opencode's in small letters, Codex's shell. */
function callOf(one: Act, { tools, cwd }: Heard): Call {
  const has = (name: string): boolean => tools.includes(name);
  const shell = (command: string): Call => {
    if (has('exec_command')) return { name: 'exec_command', input: { cmd: command } };
    if (has('shell')) return { name: 'shell', input: { command: ['bash', '-lc', command] } };
    return { name: has('Bash') ? 'Bash' : 'bash', input: { command, description: 'Run a command' } };
  };
  const patch = (hunk: string): Call => {
    const text = `*** Begin Patch\n${hunk}*** End Patch\n`;
    return has('apply_patch')
      ? { name: 'apply_patch', input: text }
      : shell(`apply_patch <<'EOF'\n${text}EOF\n`);
  };
  const isCodex = has('exec_command') || has('shell');
  const lines = (text: string, mark: string): string =>
    text
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => `${mark}${line}\n`)
      .join('');
  switch (one.act) {
    case 'tool':
      return { name: one.name, input: one.input };
    case 'run':
      return shell(one.command);
    case 'read':
      if (isCodex) return shell(`cat '${one.path}'`);
      return has('Read')
        ? { name: 'Read', input: { file_path: join(cwd, one.path) } }
        : { name: 'read', input: { filePath: join(cwd, one.path) } };
    case 'write':
      if (isCodex) return patch(`*** Add File: ${one.path}\n${lines(one.content, '+')}`);
      return has('Write')
        ? { name: 'Write', input: { file_path: join(cwd, one.path), content: one.content } }
        : { name: 'write', input: { filePath: join(cwd, one.path), content: one.content } };
    case 'edit':
      if (isCodex) {
        return patch(`*** Update File: ${one.path}\n@@\n${lines(one.from, '-')}${lines(one.to, '+')}`);
      }
      return has('Edit')
        ? {
            name: 'Edit',
            input: { file_path: join(cwd, one.path), old_string: one.from, new_string: one.to },
          }
        : {
            name: 'edit',
            input: { filePath: join(cwd, one.path), oldString: one.from, newString: one.to },
          };
  }
}

const idOf = (prefix: string, name: string): string =>
  `${prefix}_${createHash('sha256').update(name).digest('hex').slice(0, 24)}`;
const event = (type: string, data: Json): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
const json = (status: number, body: Json, headers: Readonly<Record<string, string>> = {}): Wire => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  chunks: [JSON.stringify(body)],
  end: 'close',
});

function spoken(
  heard: Heard,
  name: string,
  cachedTokens: number,
  text: string,
  calls: readonly Call[],
  headers: Readonly<Record<string, string>> = {},
  extent: 'whole' | 'beginning' = 'whole',
): Wire {
  const write = heard.api === 'messages' ? messageOf : responseOf;
  return write(heard, name, cachedTokens, text, calls, headers, extent);
}

function messageOf(
  heard: Heard,
  name: string,
  cachedTokens: number,
  text: string,
  calls: readonly Call[],
  headers: Readonly<Record<string, string>>,
  extent: 'whole' | 'beginning',
): Wire {
  const blocks: readonly Json[] = [
    ...(text === '' ? [] : [{ type: 'text', text }]),
    ...calls.map((call, index) => ({
      type: 'tool_use',
      id: idOf('toolu', `${name} ${index}`),
      name: call.name,
      input: call.input,
    })),
  ];
  const stopReason = calls.length === 0 ? 'end_turn' : 'tool_use';
  const usage = {
    input_tokens: tokensOf(heard.text) - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: tokensOf(JSON.stringify(blocks)),
  };
  const message = {
    id: idOf('msg', name),
    type: 'message',
    role: 'assistant',
    model: heard.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  const all = { 'request-id': idOf('req', name), ...headers };
  if (!heard.stream) {
    return json(200, { ...message, content: blocks, stop_reason: stopReason, usage }, all);
  }
  const deltas = blocks.flatMap((block, index) => {
    const start = block.type === 'text' ? { type: 'text', text: '' } : { ...block, input: {} };
    // In two parts, as a reader must expect them.
    const whole = block.type === 'text' ? textOf(block.text) : JSON.stringify(block.input);
    const half = Math.ceil(whole.length / 2);
    const delta = (part: string): Json =>
      block.type === 'text'
        ? { type: 'text_delta', text: part }
        : { type: 'input_json_delta', partial_json: part };
    return [
      event('content_block_start', { index, content_block: start }),
      event('content_block_delta', { index, delta: delta(whole.slice(0, half)) }),
      ...(extent === 'beginning'
        ? []
        : [
            event('content_block_delta', { index, delta: delta(whole.slice(half)) }),
            event('content_block_stop', { index }),
          ]),
    ];
  });
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', ...all },
    chunks: [
      event('message_start', { message }),
      ...deltas,
      ...(extent === 'beginning'
        ? []
        : [
            event('message_delta', { delta: { stop_reason: stopReason, stop_sequence: null }, usage }),
            event('message_stop', {}),
          ]),
    ],
    end: 'close',
  };
}

function responseOf(
  heard: Heard,
  name: string,
  cachedTokens: number,
  text: string,
  calls: readonly Call[],
  headers: Readonly<Record<string, string>>,
  extent: 'whole' | 'beginning',
): Wire {
  const id = idOf('resp', name);
  const items: readonly Json[] = [
    ...(text === ''
      ? []
      : [
          {
            type: 'message',
            id: idOf('msg', name),
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text, annotations: [] }],
          },
        ]),
    ...calls.map((call, index) => ({
      id: idOf('fc', `${name} ${index}`),
      call_id: idOf('call', `${name} ${index}`),
      name: call.name,
      status: 'completed',
      ...(typeof call.input === 'string'
        ? { type: 'custom_tool_call', input: call.input }
        : { type: 'function_call', arguments: JSON.stringify(call.input) }),
    })),
  ];
  const inputTokens = tokensOf(heard.text);
  const outputTokens = tokensOf(JSON.stringify(items));
  const usage = {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
  const response = { id, object: 'response', model: heard.model, status: 'in_progress', output: [] };
  const done = { ...response, status: 'completed', output: items, usage };
  if (!heard.stream) return json(200, done, headers);
  return {
    status: 200,
    headers: { 'content-type': 'text/event-stream', ...headers },
    chunks: [
      event('response.created', { response }),
      ...items.flatMap((item, index) => [
        event('response.output_item.added', {
          output_index: index,
          item: { ...item, status: 'in_progress' },
        }),
        ...(item.type === 'message'
          ? [
              event('response.output_text.delta', {
                output_index: index,
                content_index: 0,
                item_id: item.id,
                delta: text,
              }),
            ]
          : []),
        ...(extent === 'beginning'
          ? []
          : [event('response.output_item.done', { output_index: index, item })]),
      ]),
      ...(extent === 'beginning' ? [] : [event('response.completed', { response: done })]),
    ],
    end: 'close',
  };
}

function refusal(why: Refusal, heard: Heard, now: () => number): Wire {
  return heard.api === 'messages' ? anthropicRefusal(why) : openaiRefusal(why, heard, now);
}

function anthropicRefusal(refusal: Refusal): Wire {
  const error = (
    status: number,
    type: string,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ): Wire =>
    json(
      status,
      { type: 'error', error: { type, message }, request_id: 'req_refused' },
      {
        'request-id': 'req_refused',
        ...headers,
      },
    );
  switch (refusal.why) {
    case 'unauthorized':
      return error(401, 'authentication_error', 'invalid x-api-key');
    case 'forbidden':
      return error(403, 'permission_error', 'Your account does not have access to Claude Code.');
    case 'overloaded':
      return error(529, 'overloaded_error', 'Overloaded');
    case 'broken':
      return error(500, 'api_error', 'Internal server error');
    case 'too-long':
      return error(400, 'invalid_request_error', 'prompt is too long: 1200000 tokens > 1000000 maximum');
    case 'no-such-model':
      return error(404, 'not_found_error', 'model: no-such-model');
    case 'no-credit':
      return refusal.status === 402
        ? error(402, 'billing_error', 'Your account is out of credit.')
        : error(
            400,
            'invalid_request_error',
            'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
          );
    case 'rate':
      return error(
        429,
        'rate_limit_error',
        'This request would exceed your rate limit.',
        refusal.retryAfterSeconds === undefined ? {} : { 'retry-after': String(refusal.retryAfterSeconds) },
      );
    case 'limit': {
      const short = refusal.window === 'five_hour' ? '5h' : '7d';
      const reset = String(refusal.resetsAtSeconds);
      return error(429, 'rate_limit_error', 'This request would exceed your account’s rate limit.', {
        'x-should-retry': 'false',
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': reset,
        'anthropic-ratelimit-unified-representative-claim': refusal.window,
        'anthropic-ratelimit-unified-overage-status': 'rejected',
        'anthropic-ratelimit-unified-overage-disabled-reason': 'org_level_disabled',
        [`anthropic-ratelimit-unified-${short}-status`]: 'rejected',
        [`anthropic-ratelimit-unified-${short}-reset`]: reset,
        [`anthropic-ratelimit-unified-${short}-utilization`]: '1.02',
      });
    }
    case 'unscripted':
      // Not 400: that, Claude Code tries again in other forms.
      return error(403, 'permission_error', refusal.message);
  }
}

function openaiRefusal(refusal: Refusal, heard: Heard, now: () => number): Wire {
  const error = (
    status: number,
    type: string,
    message: string,
    more: Json = {},
    headers: Readonly<Record<string, string>> = {},
  ): Wire => json(status, { error: { type, message, param: null, code: type, ...more } }, headers);
  switch (refusal.why) {
    case 'unauthorized':
      return error(401, 'invalid_request_error', 'Incorrect API key provided.', { code: 'invalid_api_key' });
    case 'forbidden':
      return error(403, 'insufficient_permissions', 'You have insufficient permissions for this operation.');
    case 'overloaded':
      return error(503, 'server_is_overloaded', 'The server is overloaded.');
    case 'broken':
      return error(500, 'server_error', 'The server had an error.');
    case 'no-such-model':
      return error(404, 'invalid_request_error', 'The model does not exist.', { code: 'model_not_found' });
    case 'no-credit':
      return error(429, 'insufficient_quota', 'You exceeded your current quota, please check your plan.');
    case 'rate':
      return error(
        429,
        'rate_limit_exceeded',
        'Rate limit reached.',
        {},
        refusal.retryAfterSeconds === undefined ? {} : { 'retry-after': String(refusal.retryAfterSeconds) },
      );
    case 'limit':
      return error(429, 'usage_limit_reached', 'The usage limit has been reached', {
        plan_type: 'plus',
        resets_at: refusal.resetsAtSeconds,
        resets_in_seconds: Math.max(0, refusal.resetsAtSeconds - Math.floor(now() / 1000)),
      });
    case 'too-long': {
      // Told within the stream, after a good start.
      const response = { id: 'resp_refused', object: 'response', model: heard.model };
      return {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        chunks: [
          event('response.created', { response }),
          event('response.failed', {
            response: {
              ...response,
              status: 'failed',
              error: {
                code: 'context_length_exceeded',
                message: 'Your input exceeds the context window of this model.',
              },
            },
          }),
        ],
        end: 'close',
      };
    }
    case 'unscripted':
      return error(400, 'invalid_request_error', refusal.message);
  }
}
