/**
 * Any agent that speaks the Agent Client Protocol, version 1. It answers on its stdout to whoever talks to it, and
 * must go on when mstone is killed; so `acp-bridge.ts` talks to it in mstone's place and prints every message of
 * both directions, `{"dir": "agent->client", "msg": {…}}`, into the log.
 *
 * Reset times, exit codes and answers by schema are lost on this way; conversations are not resumed.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
import { serversOf } from './servers.js';

export interface AcpFacts {
  readonly version?: string;
  /** The id of the prompt that was sent last, and how it was answered. */
  readonly prompt?: unknown;
  readonly answer?:
    | { readonly is: 'stopped'; readonly reason?: string }
    | { readonly is: 'failed'; readonly message: string; readonly code?: number; readonly kind?: string };
  readonly text: string;
  readonly costUsd: number;
  readonly tokens?: { readonly input: number; readonly cached: number; readonly output: number };
  readonly events: number;
  /** Methods that are not known here. */
  readonly unknown: number;
}

const KNOWN = new Set([
  'initialize',
  'session/new',
  'session/prompt',
  'session/cancel',
  'session/update',
  'session/request_permission',
]);

const nothing: AcpFacts = { text: '', costUsd: 0, events: 0, unknown: 0 };

function hear(before: AcpFacts, event: Event): AcpFacts {
  const message = objectOf(event.msg);
  const facts = { ...before, events: before.events + 1 };
  if (message === undefined) return { ...facts, unknown: facts.unknown + 1 };
  const method = textOf(message.method);
  if (event.dir === 'client->agent') {
    if (method !== 'session/prompt') return facts;
    const { answer: _, ...asked } = facts;
    return { ...asked, prompt: message.id, text: '' };
  }
  if (method === undefined) return heardAnswer(facts, message);
  // What begins with `_` is an agent's own, by the protocol.
  if (!KNOWN.has(method) && !method.startsWith('_')) return { ...facts, unknown: facts.unknown + 1 };
  if (method !== 'session/update') return facts;
  const update = at(message, 'params', 'update');
  switch (at(update, 'sessionUpdate')) {
    case 'agent_message_chunk':
      return { ...facts, text: appended(facts.text, textOf(at(update, 'content', 'text')) ?? '') };
    case 'usage_update': {
      const amount =
        at(update, 'cost', 'currency') === 'USD' ? numberOf(at(update, 'cost', 'amount')) : undefined;
      return amount === undefined ? facts : { ...facts, costUsd: Math.max(facts.costUsd, amount) };
    }
    default:
      return facts;
  }
}

function heardAnswer(facts: AcpFacts, message: Event): AcpFacts {
  const version = textOf(at(message, 'result', 'agentInfo', 'version'));
  if (version !== undefined) return { ...facts, version };
  // What fails before the prompt (a login that is missing) is the answer, too.
  const error = objectOf(message.error);
  if (error !== undefined) {
    const code = numberOf(error.code);
    const kind = textOf(at(error, 'data', 'errorKind'));
    return {
      ...facts,
      answer: {
        is: 'failed',
        message: textOf(error.message) ?? '',
        ...(code === undefined ? {} : { code }),
        ...(kind === undefined ? {} : { kind }),
      },
    };
  }
  if (facts.prompt === undefined || message.id !== facts.prompt) return facts;
  const reason = textOf(at(message, 'result', 'stopReason'));
  const usage = objectOf(at(message, 'result', 'usage'));
  const count = (name: string): number => numberOf(usage?.[name]) ?? 0;
  const tokens = {
    input: count('inputTokens') + count('cachedReadTokens') + count('cachedWriteTokens'),
    cached: count('cachedReadTokens'),
    output: count('outputTokens') + count('thoughtTokens'),
  };
  return {
    ...facts,
    answer: { is: 'stopped', ...(reason === undefined ? {} : { reason }) },
    ...(usage === undefined ? {} : { tokens }),
  };
}

function outcomeOf(facts: AcpFacts, ending: Ending): Told {
  const verdict = ending.purpose === 'review' ? verdictIn(facts.text) : undefined;
  return {
    outcome: endedForIt(ending.end) ?? judged(facts, ending),
    costUsd: facts.costUsd,
    ...(facts.version === undefined ? {} : { version: facts.version }),
    ...(facts.tokens === undefined ? {} : { tokens: facts.tokens }),
    ...(verdict === undefined ? {} : { verdict }),
  };
}

/** JSON-RPC's own number for it, by the protocol's schema. */
const AUTH_REQUIRED = -32000;

function judged({ answer }: AcpFacts, ending: Ending): AgentOutcome {
  const { end } = ending;
  if (end.kind !== 'exited' || end.code === 126 || end.code === 127) return unexplained(ending, 'the agent');
  if (answer === undefined) {
    return end.code === 0 ? crashed(end, 'it ended without an answer') : unexplained(ending, 'the agent');
  }
  if (answer.is === 'stopped') {
    switch (answer.reason) {
      case 'end_turn':
        return end.code === 0
          ? { kind: 'finished' }
          : crashed(end, `exit ${end.code}, though it had answered`);
      case 'refusal':
        return { kind: 'declined', message: 'it refused to go on' };
      case undefined:
        return crashed(end, 'its answer has no `stopReason`: this version of the protocol is not understood');
      default:
        return crashed(end, `it stopped: ${brief(answer.reason)}`);
    }
  }
  const message = brief(answer.message);
  switch (answer.kind) {
    case 'rate_limit':
      return limitedUntil({}, ending.at, message);
    case 'authentication_failed':
      return { kind: 'unauthorized', message };
    case 'billing_error':
      return { kind: 'out-of-credit', message };
    case 'server_error':
      return { kind: 'overloaded', message };
    default:
      return answer.code === AUTH_REQUIRED ? { kind: 'unauthorized', message } : crashed(end, message);
  }
}

/** A call is told bit by bit, and counts once it has come to its end. */
const calls: Calls = {
  mark: '"tool_call',
  reader: () => {
    const open = new Map<string, Readonly<Record<string, unknown>>>();
    return (event) => {
      const update = objectOf(at(event, 'msg', 'params', 'update'));
      const id = textOf(update?.toolCallId);
      if (update === undefined || id === undefined || event.dir !== 'agent->client') return [];
      if (update.sessionUpdate !== 'tool_call' && update.sessionUpdate !== 'tool_call_update') return [];
      const isTold = ([, value]: readonly [string, unknown]): boolean =>
        value !== null && value !== undefined && JSON.stringify(value) !== '{}';
      const told = { ...open.get(id), ...Object.fromEntries(Object.entries(update).filter(isTold)) };
      if (told.status !== 'completed' && told.status !== 'failed') {
        open.set(id, told);
        return [];
      }
      open.delete(id);
      const { title, kind, rawInput, locations, content } = told;
      // Without its input a call is what it shows: a change shows what was written.
      const input = rawInput ?? [title, locations, content];
      return [{ tool: textOf(kind) ?? textOf(title) ?? 'tool', input: JSON.stringify(input) }];
    };
  },
};

export const acp: Cli<AcpFacts> = { mark: '"dir"', nothing, hear, outcomeOf, calls };

/** Built code, also where this module is not. */
const BRIDGE = fileURLToPath(new URL('../../dist/bundle/acp-bridge.cjs', import.meta.url));

const SERVERS_FILE = 'acp-servers.json';

export function callAcp(agent: Extract<AgentConfig, { command: unknown }>, call: Call): Invocation {
  const policy = call.purpose === 'review' ? 'read' : 'work';
  const servers = serversOf(call);
  return {
    command: [
      process.execPath,
      BRIDGE,
      policy,
      servers.length === 0 ? '-' : join(call.dir, SERVERS_FILE),
      ...agent.command,
    ],
    env: {},
    // They may hold secrets, and arguments are everybody's to see.
    ...(servers.length === 0
      ? {}
      : { files: { [SERVERS_FILE]: JSON.stringify(servers) }, fleeting: [SERVERS_FILE] }),
  };
}
