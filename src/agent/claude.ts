/**
 * Claude Code, `claude -p --output-format stream-json --verbose`, seen as 2.1.329 and 2.1.197.
 *
 * A failure of the API is a result of subtype "success": `is_error` decides. A process may give several results
 * (background tasks), and the last one counts. `total_cost_usd` runs on over results and resumed conversations;
 * what a result adds is in `model_usage_since_last_result`. After SIGINT it may exit 0 without any result.
 */
import { join } from 'node:path';
import type { ClaudeAgent } from '../model/config.js';
import type { AgentOutcome, UsageWindow } from '../model/outcome.js';
import {
  at,
  brief,
  type Call,
  type Calls,
  type Cli,
  crashed,
  type Ending,
  type Event,
  endedForIt,
  type Invocation,
  listOf,
  numberOf,
  objectOf,
  type Told,
  textOf,
  unexplained,
} from './cli.js';
import { limitedUntil } from './reset.js';
import { askedSchema } from './schema.js';

export interface ClaudeFacts {
  readonly session?: string;
  readonly version?: string;
  /** The last that was said of the subscription's limits. */
  readonly limit?: { readonly status: string; readonly resetsAt?: number; readonly beyond: boolean };
  /** What was told of each window, by its name. */
  readonly windows: ReadonlyMap<string, UsageWindow>;
  /** The kind of the last error that it made an assistant's message of. */
  readonly error?: string;
  readonly result?: ClaudeResult;
  /** Of all results so far. */
  readonly costUsd: number;
  readonly tokens?: { readonly input: number; readonly cached: number; readonly output: number };
  /** Calls of tools that have no result yet: id → tool. */
  readonly open: ReadonlyMap<string, string>;
  /** Tools of which some call came to an end without error, as a denied one does not. */
  readonly worked: ReadonlySet<string>;
  readonly events: number;
  /** Events of types that are not known here. */
  readonly unknown: number;
}

export interface ClaudeResult {
  /** Undefined where the field is missing or no truth value: the contract has changed. */
  readonly isError?: boolean;
  readonly subtype: string;
  readonly text: string;
  readonly status?: number;
  readonly apiError?: string;
  readonly apiErrorType?: string;
  readonly stopReason?: string;
  readonly terminalReason?: string;
  readonly errors: readonly string[];
  /** Tools, one for each call that was denied. */
  readonly denials: readonly string[];
  readonly structured?: unknown;
}

const KNOWN = new Set([
  'assistant',
  'user',
  'system',
  'result',
  'rate_limit_event',
  'stream_event',
  'control_request',
  'control_response',
  'control_cancel_request',
  'tool_progress',
  'auth_status',
]);

const nothing: ClaudeFacts = {
  windows: new Map(),
  costUsd: 0,
  open: new Map(),
  worked: new Set(),
  events: 0,
  unknown: 0,
};

function hear(before: ClaudeFacts, event: Event): ClaudeFacts {
  const type = textOf(event.type);
  const facts = { ...before, events: before.events + 1 };
  if (type === undefined || !KNOWN.has(type)) return { ...facts, unknown: facts.unknown + 1 };
  switch (type) {
    case 'system':
      if (event.subtype !== 'init') return facts;
      return {
        ...facts,
        ...said('session', textOf(event.session_id)),
        ...said('version', textOf(event.claude_code_version)),
      };
    case 'rate_limit_event': {
      const status = textOf(at(event, 'rate_limit_info', 'status'));
      const resetsAt = numberOf(at(event, 'rate_limit_info', 'resetsAt'));
      if (status === undefined) return facts;
      const beyond = at(event, 'rate_limit_info', 'isUsingOverage') === true;
      const windows = new Map(facts.windows);
      for (const window of windowsIn(objectOf(event.rate_limit_info) ?? {})) windows.set(window.name, window);
      return { ...facts, windows, limit: { status, beyond, ...said('resetsAt', resetsAt) } };
    }
    case 'assistant': {
      const open = new Map(facts.open);
      for (const block of listOf(at(event, 'message', 'content'))) {
        const id = textOf(at(block, 'id'));
        const name = textOf(at(block, 'name'));
        if (at(block, 'type') === 'tool_use' && id !== undefined && name !== undefined) open.set(id, name);
      }
      return { ...facts, open, ...said('error', textOf(event.error)) };
    }
    case 'user': {
      const open = new Map(facts.open);
      const worked = new Set(facts.worked);
      for (const block of listOf(at(event, 'message', 'content'))) {
        const id = textOf(at(block, 'tool_use_id')) ?? '';
        const tool = open.get(id);
        open.delete(id);
        if (tool !== undefined && at(block, 'is_error') !== true) worked.add(tool);
      }
      return { ...facts, open, worked };
    }
    case 'result':
      return heardResult(facts, event);
    default:
      return facts;
  }
}

/** What of a subscription's windows is used; 2.1.197 tells only of the one that is nearest to its end. */
function windowsIn(info: Event): UsageWindow[] {
  const named: Event = { [textOf(info.rateLimitType) ?? '']: info, ...objectOf(info.unifiedWindows) };
  return Object.entries(named).flatMap(([name, window]) => {
    const used = numberOf(at(window, 'utilization'));
    const resetsAt = numberOf(at(window, 'resetsAt'));
    if (used === undefined || used < 0 || resetsAt === undefined || !/^\w{1,40}$/.test(name)) return [];
    return [{ name, used, resetsAt: resetsAt * 1000 }];
  });
}

/** 2.1.329 goes on with a conversation from any folder, 2.1.197 does not; between them nobody has looked. */
const ROAMS_SINCE = [2, 1, 329] as const;

function isBound(version: string | undefined): boolean {
  const parts =
    /^(\d+)\.(\d+)\.(\d+)/
      .exec(version ?? '')
      ?.slice(1)
      .map(Number) ?? [];
  const at = ROAMS_SINCE.findIndex((part, index) => parts[index] !== part);
  return at >= 0 && parts.length > 0 && (parts[at] ?? 0) < (ROAMS_SINCE[at] ?? 0);
}

function heardResult(facts: ClaudeFacts, event: Event): ClaudeFacts {
  const usage = objectOf(event.usage);
  const tokens = facts.tokens ?? { input: 0, cached: 0, output: 0 };
  const count = (name: string): number => numberOf(usage?.[name]) ?? 0;
  const cached = count('cache_read_input_tokens');
  const added = objectOf(event.model_usage_since_last_result);
  return {
    ...facts,
    // Without the difference (2.1.197) the total is of this process: conversations begin at 0 there.
    costUsd:
      added === undefined
        ? (numberOf(event.total_cost_usd) ?? facts.costUsd)
        : facts.costUsd +
          Object.values(added).reduce<number>((sum, one) => sum + (numberOf(at(one, 'costUSD')) ?? 0), 0),
    tokens: {
      input: tokens.input + count('input_tokens') + count('cache_creation_input_tokens') + cached,
      cached: tokens.cached + cached,
      output: tokens.output + count('output_tokens'),
    },
    result: {
      ...(typeof event.is_error === 'boolean' ? { isError: event.is_error } : {}),
      subtype: textOf(event.subtype) ?? '',
      text: textOf(event.result) ?? '',
      ...said('status', numberOf(event.api_error_status)),
      ...said('apiError', textOf(event.api_error)),
      ...said('apiErrorType', textOf(event.api_error_type)),
      ...said('stopReason', textOf(event.stop_reason)),
      ...said('terminalReason', textOf(event.terminal_reason)),
      errors: listOf(event.errors).flatMap((one) => textOf(one) ?? []),
      denials: listOf(event.permission_denials).flatMap((one) => textOf(at(one, 'tool_name')) ?? []),
      ...said('structured', event.structured_output),
    },
  };
}

function said<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: V });
}

function outcomeOf(facts: ClaudeFacts, ending: Ending): Told {
  const { result } = facts;
  const outcome = endedForIt(ending.end) ?? judged(facts, ending);
  const lost = ending.resumed && isLost(facts, ending);
  return {
    outcome,
    costUsd: facts.costUsd,
    ...(lost ? { lost } : said('session', facts.session)),
    ...said('version', facts.version),
    ...said('tokens', facts.tokens),
    ...(facts.windows.size === 0 ? {} : { windows: [...facts.windows.values()] }),
    // Its service tells of limits only where a subscription pays; what goes beyond that is billed.
    ...(facts.limit === undefined || facts.limit.beyond ? {} : { subscription: true as const }),
    ...(isBound(facts.version) ? { stays: true as const } : {}),
    ...(ending.purpose === 'review' ? said('verdict', result?.structured) : {}),
  };
}

/** It knows of no conversation by that id: another version's, another folder's, or one that was cleaned up. */
const isLost = ({ result }: ClaudeFacts, { end }: Ending): boolean =>
  end.kind === 'exited' &&
  result?.isError === true &&
  result.subtype === 'error_during_execution' &&
  result.errors.some((error) => /^(?:Error: )?(?:No conversation found|--resume requires)/.test(error));

function judged(facts: ClaudeFacts, ending: Ending): AgentOutcome {
  const { end } = ending;
  const { result } = facts;
  if (end.kind === 'killed') return unexplained(ending, 'claude');
  const code = end.kind === 'exited' ? end.code : undefined;
  if (result === undefined) {
    if (facts.events > 0) {
      return crashed(
        end,
        code === 0 ? 'it ended without a result' : `it ended without a result (exit ${code})`,
      );
    }
    // What it refuses before its first event (a flag, a missing login of root) it would refuse again.
    const said = unexplained(ending, 'claude');
    return code === 1 && said.kind === 'crashed' ? { kind: 'unstartable', message: said.message } : said;
  }
  if (result.isError === undefined) {
    return crashed(end, 'its result has no `is_error`: this version of claude is not understood');
  }
  if (result.isError) return failed(facts, result, ending);
  if (code !== 0) return crashed(end, `exit ${code}, though its result tells of no error`);
  const denied = ending.purpose === 'review' ? [] : deniedForGood(facts, result);
  if (denied.length > 0) {
    return {
      kind: 'declined',
      message: `it was not permitted to use ${denied.join(', ')}: name ${denied.length === 1 ? 'it' : 'them'} in the agent's \`tools\``,
    };
  }
  return { kind: 'finished' };
}

/** Without these no work is done. */
const WORKING = new Set(['Bash', 'Edit', 'MultiEdit', 'NotebookEdit', 'Write']);

/** Tools that were denied and never worked; one command that was denied beside others is the agent's affair. */
function deniedForGood({ worked }: ClaudeFacts, { denials }: ClaudeResult): string[] {
  return [...new Set(denials)].filter((tool) => WORKING.has(tool) && !worked.has(tool));
}

/** What an error means; what it calls itself comes before its text, which is the CLI's own and not the model's. */
function failed(facts: ClaudeFacts, result: ClaudeResult, { end, at: moment }: Ending): AgentOutcome {
  const { status, apiError, apiErrorType, terminalReason } = result;
  const message = brief(result.text === '' ? result.errors.join('; ') || result.subtype : result.text);
  if (result.subtype === 'success') {
    const limited = status === 429 || apiError === 'usage_limit_reached' || facts.error === 'rate_limit';
    if (limited) {
      const told = facts.limit?.status === 'rejected' ? facts.limit.resetsAt : undefined;
      const event = told === undefined ? undefined : told * 1000;
      return limitedUntil({ event, text: result.text }, moment, message);
    }
    if (status === 401 || status === 403 || facts.error === 'authentication_failed') {
      return { kind: 'unauthorized', message };
    }
    if (status === 402 || apiErrorType === 'billing_error' || facts.error === 'billing_error') {
      return { kind: 'out-of-credit', message };
    }
    // 2.1.197 calls every end `completed`.
    const tooLong =
      terminalReason === 'completed' && status === 400 && /^Prompt is too long/.test(result.text);
    if (terminalReason === 'prompt_too_long' || tooLong) {
      return { kind: 'context-exceeded', message };
    }
    if (result.stopReason === 'refusal') return { kind: 'declined', message };
    if (status === 404 || facts.error === 'model_not_found') return { kind: 'unstartable', message };
    if (apiError === 'connection_failed' || (status ?? 0) >= 500 || facts.error === 'server_error') {
      return { kind: 'overloaded', message };
    }
  }
  if (result.subtype === 'error_max_budget_usd') return { kind: 'capped', message };
  return crashed(end, message);
}

const calls: Calls = {
  mark: '"tool_use"',
  reader: () => (event) =>
    event.type !== 'assistant'
      ? []
      : listOf(at(event, 'message', 'content')).flatMap((block) => {
          const tool = at(block, 'type') === 'tool_use' ? textOf(at(block, 'name')) : undefined;
          return tool === undefined ? [] : [{ tool, input: JSON.stringify(at(block, 'input') ?? {}) }];
        }),
};

export const claude: Cli<ClaudeFacts> = {
  mark: '"type"',
  nothing,
  hear,
  outcomeOf,
  calls,
  usage: {
    mark: '"rate_limit_event"',
    windowsIn: (event) =>
      event.type === 'rate_limit_event' ? windowsIn(objectOf(event.rate_limit_info) ?? {}) : [],
  },
};

/** What a reviewer may use: it looks, and what it leaves in its folder is dropped. */
const REVIEWER_TOOLS = [
  'Read',
  'Glob',
  'Grep',
  ...['diff', 'show', 'log', 'status', 'blame', 'grep', 'ls-files', 'merge-base', 'rev-parse'].map(
    (command) => `Bash(git ${command} *)`,
  ),
  'Bash(git diff)',
  'Bash(git log)',
  'Bash(git status)',
  'Bash(ls *)',
  'Bash(ls)',
];

const MCP_FILE = 'mcp.json';

export function callClaude(agent: ClaudeAgent, call: Call): Invocation {
  const review = call.purpose === 'review';
  const servers = review ? {} : (objectOf(call.mcp?.mcpServers) ?? {});
  const tools = review
    ? REVIEWER_TOOLS
    : [...agent.tools, ...Object.keys(servers).map((name) => `mcp__${name}`)];
  const command = [
    ...agent.command,
    '-p',
    '--output-format',
    'stream-json',
    '--verbose',
    ...(call.session === undefined ? ['--session-id', call.newSession] : ['--resume', call.session]),
    ...(call.model === undefined ? [] : ['--model', call.model]),
    // It refuses the very model that it would fall back from.
    ...(agent.fallback_model === undefined || agent.fallback_model === call.model
      ? []
      : ['--fallback-model', agent.fallback_model]),
    ...(call.capUsd === undefined ? [] : ['--max-budget-usd', String(call.capUsd)]),
    // The list ends where the next option begins.
    ...(tools.length === 0 ? [] : ['--allowedTools', ...tools]),
    ...(review ? ['--disallowedTools', 'Edit', 'NotebookEdit', 'Write'] : []),
    '--permission-mode',
    review ? 'dontAsk' : agent.permission,
    // Nobody's branch decides which servers are started: only those of the commit that is built upon. In a
    // file, since they may hold secrets and arguments are everybody's to see.
    '--mcp-config',
    join(call.dir, MCP_FILE),
    '--strict-mcp-config',
    ...(review ? ['--json-schema', JSON.stringify(askedSchema(true))] : []),
    ...agent.args,
  ];
  return {
    command,
    env: {
      // A dead key is tried 11 times over 3 minutes by default, a silent service for 2 hours.
      CLAUDE_CODE_MAX_RETRIES: '4',
      API_TIMEOUT_MS: '300000',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_TELEMETRY: '1',
      DISABLE_ERROR_REPORTING: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    },
    // Its reset times are clock times.
    fixed: { TZ: 'UTC' },
    files: { [MCP_FILE]: JSON.stringify({ mcpServers: servers }) },
    fleeting: [MCP_FILE],
  };
}
