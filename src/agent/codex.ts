/**
 * Codex, `codex exec --json`, seen as 0.169.0.
 *
 * `error` events and items of type error are warnings ("Reconnecting... 1/5"); `turn.failed` is the end. It names
 * no cost, and no reset time but in words. `exec resume` takes no sandbox and falls back to reading only, so the
 * sandbox goes before `resume`. Behind npm's wrapper the real process survives a kill: the group is ended.
 */
import { join } from 'node:path';
import type { CodexAgent } from '../model/config.js';
import type { AgentOutcome } from '../model/outcome.js';
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
  numberOf,
  objectOf,
  type Told,
  textOf,
  unexplained,
} from './cli.js';
import { codexServers } from './codex-servers.js';
import { limitedUntil } from './reset.js';
import { askedSchema } from './schema.js';
import { serversOf } from './servers.js';

export interface CodexFacts {
  readonly session?: string;
  /** How the last turn ended; a new one begins without an end. */
  readonly turn?:
    | { readonly is: 'begun' | 'completed' }
    | { readonly is: 'failed'; readonly message?: string };
  /** The last thing that it said, which is its answer. */
  readonly answer?: string;
  readonly tokens?: { readonly input: number; readonly cached: number; readonly output: number };
  readonly events: number;
  readonly unknown: number;
}

const KNOWN =
  /^(?:thread\.started|turn\.(?:started|completed|failed)|item\.(?:started|updated|completed)|error)$/;

const nothing: CodexFacts = { events: 0, unknown: 0 };

function hear(before: CodexFacts, event: Event): CodexFacts {
  const type = textOf(event.type);
  const facts = { ...before, events: before.events + 1 };
  if (type === undefined || !KNOWN.test(type)) return { ...facts, unknown: facts.unknown + 1 };
  switch (type) {
    case 'thread.started': {
      const session = textOf(event.thread_id);
      return session === undefined ? facts : { ...facts, session };
    }
    case 'turn.started':
      return { ...facts, turn: { is: 'begun' } };
    case 'turn.completed': {
      const usage = objectOf(event.usage);
      const count = (name: string): number => numberOf(usage?.[name]) ?? 0;
      const tokens = {
        input: count('input_tokens'),
        cached: count('cached_input_tokens'),
        output: count('output_tokens'),
      };
      return { ...facts, turn: { is: 'completed' }, ...(usage === undefined ? {} : { tokens }) };
    }
    case 'turn.failed': {
      const message = textOf(at(event, 'error', 'message'));
      return { ...facts, turn: { is: 'failed', ...(message === undefined ? {} : { message }) } };
    }
    case 'item.completed': {
      const answer =
        at(event, 'item', 'type') === 'agent_message' ? textOf(at(event, 'item', 'text')) : undefined;
      return answer === undefined ? facts : { ...facts, answer };
    }
    default:
      return facts;
  }
}

function outcomeOf(facts: CodexFacts, ending: Ending): Told {
  const outcome = endedForIt(ending.end) ?? judged(facts, ending);
  const lost = ending.resumed && facts.events === 0 && /no rollout found/.test(ending.lastLine);
  const verdict = ending.purpose === 'review' ? answerOf(facts) : undefined;
  return {
    outcome,
    costUsd: 0,
    ...(lost ? { lost } : facts.session === undefined ? {} : { session: facts.session }),
    // They run on over a conversation; what a resumed one adds is not known from this process alone.
    ...(facts.tokens === undefined || ending.resumed ? {} : { tokens: facts.tokens }),
    ...(verdict === undefined ? {} : { verdict }),
  };
}

function answerOf({ answer }: CodexFacts): unknown {
  if (answer === undefined) return undefined;
  try {
    return objectOf(JSON.parse(answer));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function judged({ turn, events }: CodexFacts, ending: Ending): AgentOutcome {
  const { end } = ending;
  if (end.kind === 'killed') return unexplained(ending, 'codex');
  const code = end.kind === 'exited' ? end.code : undefined;
  switch (turn?.is) {
    case 'completed':
      return code === 0 ? { kind: 'finished' } : crashed(end, `exit ${code}, though its turn was completed`);
    case 'failed':
      if (turn.message === undefined) {
        return crashed(end, 'its failure has no message: this version of codex is not understood');
      }
      return failed(turn.message, ending);
    case 'begun':
      return crashed(end, `it ended in the middle of a turn (exit ${code})`);
    default: {
      const said = unexplained(ending, 'codex');
      if (events > 0 || said.kind !== 'crashed') return said;
      // A flag, a folder that it does not trust, its own configuration: it would refuse again.
      return code === 0
        ? crashed(end, 'it ended without an event')
        : { kind: 'unstartable', message: said.message };
    }
  }
}

/** The message of `turn.failed` is the CLI's own; it has no code to go by. */
function failed(text: string, { end, at: moment }: Ending): AgentOutcome {
  const message = brief(text);
  if (/hit your usage limit/i.test(text)) {
    return limitedUntil({ text }, moment, message);
  }
  if (/^quota exceeded/i.test(text)) return { kind: 'out-of-credit', message };
  if (/\b429 Too Many Requests|^rate limit exceeded/i.test(text)) {
    return limitedUntil({ text }, moment, message);
  }
  if (/^unexpected status 40[13]\b|^missing environment variable/i.test(text)) {
    return { kind: 'unauthorized', message };
  }
  if (/^unexpected status 402\b/i.test(text)) return { kind: 'out-of-credit', message };
  if (/ran out of room in the model's context window/i.test(text))
    return { kind: 'context-exceeded', message };
  if (
    /experiencing high demand|is at capacity|capacity is unavailable|^unexpected status 5\d\d\b|^stream disconnected|connection failed/i.test(
      text,
    )
  ) {
    return { kind: 'overloaded', message };
  }
  return crashed(end, message);
}

const calls: Calls = {
  mark: '"item.completed"',
  reader: () => (event) => {
    if (event.type !== 'item.completed') return [];
    const item = objectOf(event.item) ?? {};
    switch (item.type) {
      case 'command_execution':
        return [{ tool: 'shell', input: JSON.stringify({ command: item.command }) }];
      case 'mcp_tool_call':
        return [
          {
            tool: [textOf(item.server) ?? '', textOf(item.tool) ?? ''].join('.'),
            input: JSON.stringify(item.arguments ?? {}),
          },
        ];
      case 'web_search':
        return [{ tool: 'web_search', input: JSON.stringify({ query: item.query }) }];
      case 'file_change':
        // What was written is not told: two changes of one file are not the same.
        return [{ tool: 'file_change', input: JSON.stringify([item.id, item.changes]) }];
      default:
        return [];
    }
  },
};

export const codex: Cli<CodexFacts> = {
  mark: '"type"',
  nothing,
  hear,
  outcomeOf,
  calls,
  namesNoCost: true,
};

const SCHEMA_FILE = 'verdict.schema.json';

export function callCodex(agent: CodexAgent, call: Call): Invocation {
  const review = call.purpose === 'review';
  const servers = codexServers(serversOf(call));
  return {
    command: [
      ...agent.command,
      'exec',
      '--json',
      '--sandbox',
      review ? 'read-only' : agent.sandbox,
      '--skip-git-repo-check',
      ...(call.model === undefined ? [] : ['-m', call.model]),
      ...(review ? ['--output-schema', join(call.dir, SCHEMA_FILE)] : []),
      ...servers.args,
      ...agent.args,
      ...(call.session === undefined ? ['-'] : ['resume', call.session, '-']),
    ],
    env: {},
    // Its reset times are clock times.
    fixed: { TZ: 'UTC', ...servers.env },
    ...(review ? { files: { [SCHEMA_FILE]: JSON.stringify(askedSchema(false)) } } : {}),
  };
}
