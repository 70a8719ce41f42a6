/**
 * opencode, `opencode run --format json`, seen as 1.18.33 in six captures.
 *
 * It has no final event: the last step's reason and the exit status are the end. Cost is per step. A 429 is tried
 * again in silence, so that only `timeouts.idle` ends it.
 */
import type { AgentConfig } from '../model/config.js';
import type { AgentOutcome } from '../model/outcome.js';
import { verdictIn } from './answer.js';
import {
  appended,
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
  numberOf,
  objectOf,
  type Told,
  textOf,
  unexplained,
} from './cli.js';
import { limitedUntil } from './reset.js';
import { type McpServer, serversOf } from './servers.js';

export interface OpencodeFacts {
  readonly session?: string;
  /** Why the last step ended: `stop` is the end of the work, `tool-calls` is not. */
  readonly reason?: string;
  readonly error?: {
    readonly name: string;
    readonly message: string;
    readonly status?: number;
    readonly headers?: Event;
  };
  readonly text: string;
  readonly costUsd: number;
  readonly tokens?: { readonly input: number; readonly cached: number; readonly output: number };
  readonly events: number;
  readonly unknown: number;
}

const KNOWN = new Set(['step_start', 'step_finish', 'tool_use', 'text', 'reasoning', 'error']);

const nothing: OpencodeFacts = { text: '', costUsd: 0, events: 0, unknown: 0 };

function hear(before: OpencodeFacts, event: Event): OpencodeFacts {
  const type = textOf(event.type);
  const session = textOf(event.sessionID);
  const facts = {
    ...before,
    events: before.events + 1,
    ...(session === undefined ? {} : { session }),
  };
  if (type === undefined || !KNOWN.has(type)) return { ...facts, unknown: facts.unknown + 1 };
  switch (type) {
    case 'text':
      return { ...facts, text: appended(facts.text, `${textOf(at(event, 'part', 'text')) ?? ''}\n`) };
    case 'step_start': {
      const { reason: _, ...begun } = facts;
      return begun;
    }
    case 'step_finish': {
      const tokens = facts.tokens ?? { input: 0, cached: 0, output: 0 };
      const count = (...path: string[]): number => numberOf(at(event, 'part', 'tokens', ...path)) ?? 0;
      const cached = count('cache', 'read');
      const reason = textOf(at(event, 'part', 'reason'));
      return {
        ...facts,
        ...(reason === undefined ? {} : { reason }),
        costUsd: facts.costUsd + Math.max(0, numberOf(at(event, 'part', 'cost')) ?? 0),
        tokens: {
          input: tokens.input + count('input') + count('cache', 'write') + cached,
          cached: tokens.cached + cached,
          output: tokens.output + count('output') + count('reasoning'),
        },
      };
    }
    case 'error': {
      const status = numberOf(at(event, 'error', 'data', 'statusCode'));
      const headers = objectOf(at(event, 'error', 'data', 'responseHeaders'));
      return {
        ...facts,
        error: {
          name: textOf(at(event, 'error', 'name')) ?? '',
          message: textOf(at(event, 'error', 'data', 'message')) ?? '',
          ...(status === undefined ? {} : { status }),
          ...(headers === undefined ? {} : { headers }),
        },
      };
    }
    default:
      return facts;
  }
}

function outcomeOf(facts: OpencodeFacts, ending: Ending): Told {
  const verdict = ending.purpose === 'review' ? verdictIn(facts.text) : undefined;
  const lost = ending.resumed && facts.events === 0 && /session not found/i.test(ending.lastLine);
  return {
    outcome: endedForIt(ending.end) ?? judged(facts, ending),
    costUsd: facts.costUsd,
    ...(lost ? { lost } : facts.session === undefined ? {} : { session: facts.session }),
    ...(facts.tokens === undefined ? {} : { tokens: facts.tokens }),
    ...(verdict === undefined ? {} : { verdict }),
  };
}

function judged({ error, reason }: OpencodeFacts, ending: Ending): AgentOutcome {
  const { end } = ending;
  if (end.kind !== 'exited' || end.code === 126 || end.code === 127) return unexplained(ending, 'opencode');
  if (error === undefined) {
    if (end.code !== 0) return unexplained(ending, 'opencode');
    if (reason === 'stop') return { kind: 'finished' };
    return crashed(
      end,
      reason === undefined ? 'it ended without an answer' : `its last step ended by ${reason}`,
    );
  }
  const message = brief(error.message === '' ? error.name : error.message);
  const { status } = error;
  if (status === 401 || status === 403 || error.name === 'ProviderAuthError')
    return { kind: 'unauthorized', message };
  if (status === 402 || (status === 400 && /credit balance is too low/i.test(error.message))) {
    return { kind: 'out-of-credit', message };
  }
  if (status === 429) {
    return limitedUntil({ headers: error.headers, text: error.message }, ending.at, message);
  }
  if (status !== undefined && status >= 500) return { kind: 'overloaded', message };
  if (status === 400 && /prompt is too long|context length/i.test(error.message)) {
    return { kind: 'context-exceeded', message };
  }
  return crashed(end, message);
}

const calls: Calls = {
  mark: '"tool_use"',
  reader: () => (event) => {
    const tool = event.type === 'tool_use' ? textOf(at(event, 'part', 'tool')) : undefined;
    return tool === undefined
      ? []
      : [{ tool, input: JSON.stringify(at(event, 'part', 'state', 'input') ?? {}) }];
  },
};

export const opencode: Cli<OpencodeFacts> = { mark: '"type"', nothing, hear, outcomeOf, calls };

/** A reviewer looks; whatever else it leaves in its folder is dropped. */
const READING = {
  permission: {
    edit: 'deny',
    bash: {
      '*': 'deny',
      'git diff*': 'allow',
      'git show*': 'allow',
      'git log*': 'allow',
      'git status*': 'allow',
      'git grep*': 'allow',
      'git blame*': 'allow',
      'ls*': 'allow',
    },
  },
};

/** As its documentation of version 1 has it: servers by name under `mcp`. */
const withServers = (servers: readonly McpServer[]): Event => ({
  mcp: Object.fromEntries(
    servers.map((server) =>
      'command' in server
        ? [
            server.name,
            {
              type: 'local',
              command: [server.command, ...server.args],
              environment: server.env,
              enabled: true,
            },
          ]
        : [server.name, { type: 'remote', url: server.url, headers: server.headers, enabled: true }],
    ),
  ),
});

export function callOpencode(agent: Extract<AgentConfig, { args: unknown }>, call: Call): Invocation {
  const servers = serversOf(call);
  const config = call.purpose === 'review' ? READING : servers.length > 0 ? withServers(servers) : undefined;
  return {
    command: [
      ...agent.command,
      'run',
      '--format',
      'json',
      ...(call.model === undefined ? [] : ['-m', call.model]),
      ...(call.session === undefined ? [] : ['-s', call.session]),
      ...agent.args,
    ],
    env: config === undefined ? {} : { OPENCODE_CONFIG_CONTENT: JSON.stringify(config) },
  };
}
