/**
 * Gemini CLI, `gemini -o stream-json`, seen as 0.61.0 in six captures; nothing else of it was tried.
 *
 * Its exit status is the service's HTTP status modulo 256; its error is a text which may hold JSON. It names no
 * cost. Conversations are not resumed.
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import type { AgentConfig } from '../model/config.js';
import type { AgentOutcome } from '../model/outcome.js';
import type { SupervisedEnd } from '../process/supervise.js';
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

export interface GeminiFacts {
  readonly result?: { readonly status?: string; readonly message: string };
  readonly text: string;
  readonly model?: string;
  readonly tokens?: { readonly input: number; readonly cached: number; readonly output: number };
  readonly events: number;
  readonly unknown: number;
}

const KNOWN = new Set(['init', 'message', 'tool_use', 'tool_result', 'error', 'result']);

const nothing: GeminiFacts = { text: '', events: 0, unknown: 0 };

function hear(before: GeminiFacts, event: Event): GeminiFacts {
  const type = textOf(event.type);
  const facts = { ...before, events: before.events + 1 };
  if (type === undefined || !KNOWN.has(type)) return { ...facts, unknown: facts.unknown + 1 };
  if (type === 'message' && event.role === 'assistant') {
    return { ...facts, text: appended(facts.text, textOf(event.content) ?? '') };
  }
  if (type === 'init') {
    const model = textOf(event.model);
    return model === undefined ? facts : { ...facts, model };
  }
  if (type !== 'result') return facts;
  const stats = objectOf(event.stats);
  const count = (name: string): number => numberOf(stats?.[name]) ?? 0;
  const status = textOf(event.status);
  return {
    ...facts,
    result: {
      ...(status === undefined ? {} : { status }),
      message: textOf(at(event, 'error', 'message')) ?? '',
    },
    ...(stats === undefined
      ? {}
      : {
          tokens: { input: count('input_tokens'), cached: count('cached'), output: count('output_tokens') },
        }),
  };
}

function outcomeOf(facts: GeminiFacts, ending: Ending): Told {
  const verdict = ending.purpose === 'review' ? verdictIn(facts.text) : undefined;
  return {
    outcome: endedForIt(ending.end) ?? judged(facts, ending),
    costUsd: 0,
    ...(facts.model === undefined ? {} : { model: facts.model }),
    ...(facts.tokens === undefined ? {} : { tokens: facts.tokens }),
    ...(verdict === undefined ? {} : { verdict }),
  };
}

/** A folder that is not trusted. */
const UNTRUSTED = 55;

function judged({ result }: GeminiFacts, ending: Ending): AgentOutcome {
  const { end } = ending;
  const code = statusOf(end);
  if (code === 126 || code === 127) return unexplained(ending, 'gemini');
  if (code === UNTRUSTED) {
    return { kind: 'unstartable', message: `it does not trust the folder (exit 55): ${ending.lastLine}` };
  }
  if (result === undefined) {
    return code === 0 ? crashed(end, 'it ended without a result') : unexplained(ending, 'gemini');
  }
  if (result.status === 'success') {
    return code === 0 ? { kind: 'finished' } : crashed(end, `exit ${code}, though its result is a success`);
  }
  if (result.status !== 'error') {
    return crashed(end, 'its result has no known `status`: this version of gemini is not understood');
  }
  const { message: text } = result;
  const message = brief(text);
  const status = statusIn(text) ?? (code >= 144 ? code + 256 : undefined);
  if (/API_KEY_INVALID/.test(text) || status === 401 || status === 403)
    return { kind: 'unauthorized', message };
  if (status === 402) return { kind: 'out-of-credit', message };
  // "You have exhausted your daily quota" names no time, "Please retry in 21.5s" does.
  if (status === 429) return limitedUntil({ text }, ending.at, message);
  if (status !== undefined && status >= 500) return { kind: 'overloaded', message };
  if (/exceeds the maximum number of tokens/.test(text)) return { kind: 'context-exceeded', message };
  return crashed(end, message);
}

/** 144 is HTTP's 400 here, and to the shell signal 16. */
function statusOf(end: SupervisedEnd): number {
  if (end.kind === 'exited') return end.code;
  const signals: Readonly<Record<string, number>> = constants.signals;
  return end.kind === 'killed' ? 128 + (signals[end.signal] ?? 0) : 1;
}

/** `[API Error: {"error":{"code":400,…}}]` → 400. */
function statusIn(text: string): number | undefined {
  const found = /^\[API Error: (\{.*\})\]/s.exec(text);
  if (found?.[1] === undefined) return undefined;
  try {
    return numberOf(at(JSON.parse(found[1]), 'error', 'code'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const calls: Calls = {
  mark: '"tool_use"',
  reader: () => (event) => {
    const tool = event.type === 'tool_use' ? textOf(event.tool_name) : undefined;
    return tool === undefined ? [] : [{ tool, input: JSON.stringify(event.parameters ?? {}) }];
  },
};

export const gemini: Cli<GeminiFacts> = {
  mark: '"type"',
  nothing,
  hear,
  outcomeOf,
  calls,
  namesNoCost: true,
};

const SETTINGS_FILE = 'gemini-settings.json';

/** Its documentation's `settings.json`: servers by name, of which these alone are allowed, their tools unasked. */
const settingsOf = (servers: readonly McpServer[]): string =>
  JSON.stringify({
    mcp: { allowed: servers.map(({ name }) => name) },
    mcpServers: Object.fromEntries(
      servers.map((server) => {
        if ('command' in server) {
          const { name, command, args, env } = server;
          return [name, { command, args, env, trust: true }];
        }
        const { name, url, transport, headers } = server;
        return [name, { [transport === 'sse' ? 'url' : 'httpUrl']: url, headers, trust: true }];
      }),
    ),
  });

export function callGemini(agent: Extract<AgentConfig, { args: unknown }>, call: Call): Invocation {
  const servers = serversOf(call);
  return {
    command: [
      ...agent.command,
      '-o',
      'stream-json',
      '--skip-trust',
      // Without it, what would need a permission is refused: a reviewer reads.
      ...(call.purpose === 'review' ? [] : ['--yolo']),
      ...(call.model === undefined ? [] : ['-m', call.model]),
      ...agent.args,
    ],
    // In place of the settings of the machine's administrator, which win over all others.
    ...(servers.length === 0
      ? { env: {} }
      : {
          env: { GEMINI_CLI_SYSTEM_SETTINGS_PATH: join(call.dir, SETTINGS_FILE) },
          files: { [SETTINGS_FILE]: settingsOf(servers) },
          fleeting: [SETTINGS_FILE],
        }),
  };
}
