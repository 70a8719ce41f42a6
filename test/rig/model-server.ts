/**
 * A model service on 127.0.0.1 for the real coding CLIs: Anthropic Messages and OpenAI Responses, answered by
 * a script and written down. What a request is about (milestone, purpose, round, turn) is read from the
 * conversation that it carries, so that parallel agents and resumed sessions are told apart.
 *
 * It is also the proxy that a test gives to its CLIs: whoever wants to reach another host is refused here,
 * and named in `strangers`.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Answer, type Asked, refuse, type Script } from './model-answers.js';
import { type Heard, hear, tokensOf, type Wire, wire } from './model-wire.js';

/** A request for the model, what was answered, and what it cost to send. */
export interface Recorded extends Asked {
  /** From 1, in the order of arrival. */
  readonly number: number;
  /** Which keys came with it, as `fingerprint` gives them; the keys themselves are kept nowhere. */
  readonly keys: readonly string[];
  /** In small letters; those that hold a credential are redacted. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  /** Estimated, of all that was sent. */
  readonly tokens: number;
  /** How many of them a prompt cache can serve at best: as far as an earlier request begins alike. */
  readonly cachedTokens: number;
  /** In a few words. */
  readonly answer: string;
}

export interface ModelServer {
  /** `http://127.0.0.1:<port>`, without a slash. */
  readonly url: string;
  /** The requests for the model so far, answered or being answered. */
  readonly asked: readonly Recorded[];
  /** Hosts that somebody wanted to reach through us as a proxy. */
  readonly strangers: readonly string[];
  /** What came to addresses that we do not know: `GET /v1/models`. */
  readonly unknown: readonly string[];
  /** The story of one conversation, or of all: `1A implement 1.2 → Write`, repeated requests counted. */
  story(about?: string): readonly string[];
  /** Resolves with the first request that is like this, also one of the past. */
  until(like: (asked: Recorded) => boolean): Promise<Recorded>;
  close(): Promise<void>;
}

export interface ModelServerOptions {
  /** Whoever comes with one of these keys is unauthorized; looked at for each request. */
  readonly deadKeys?: ReadonlySet<string>;
  /** Milliseconds; for reset times. */
  readonly now?: () => number;
}

const MOST_BODY = 64 * 1024 * 1024;
const CREDENTIALS = /^(?:authorization|proxy-authorization|x-api-key|cookie)$/;

/** Names a key without telling it. */
export const fingerprint = (key: string): string =>
  createHash('sha256').update(key).digest('hex').slice(0, 8);

export async function startModelServer(
  script: Script,
  { deadKeys = new Set(), now = Date.now }: ModelServerOptions = {},
): Promise<ModelServer> {
  const asked: Recorded[] = [];
  const strangers: string[] = [];
  const unknown: string[] = [];
  const waiting = new Set<() => void>();
  const sockets = new Set<Socket>();
  const rounds = new Map<string, string[]>();
  const asks = new Map<string, number>();
  const texts: string[] = [];

  const place = (heard: Heard, session: string): Asked => {
    const about = `${heard.milestone} ${heard.purpose}`;
    const known = rounds.get(about) ?? [];
    rounds.set(about, known);
    const prompt = `${session} ${heard.prompts}`;
    if (!known.includes(prompt)) known.push(prompt);
    const round = known.indexOf(prompt) + 1;
    const turn = heard.answered + 1;
    const name = `${about} ${round}.${turn}`;
    const ask = (asks.get(name) ?? 0) + 1;
    asks.set(name, ask);
    const { api, milestone, purpose, prompts, results, tools, cwd, model } = heard;
    return {
      api,
      milestone,
      purpose,
      session,
      round,
      turn,
      ask,
      prompts,
      prompt: heard.prompt,
      results,
      tools,
      cwd,
      model,
    };
  };

  const decide = async (one: Asked, keys: readonly string[]): Promise<Answer> => {
    const dead = [...deadKeys].map(fingerprint);
    if (keys.some((key) => dead.includes(key))) return refuse({ why: 'unauthorized' });
    return script(one);
  };

  const answerModel = async (
    api: Asked['api'],
    request: IncomingMessage,
    body: Record<string, unknown>,
    response: ServerResponse,
  ): Promise<void> => {
    const heard = hear(api, body);
    const one = place(heard, sessionOf(request, heard));
    const headers = plainHeaders(request);
    const keys = keysOf(request);
    const cachedTokens = Math.floor(Math.max(0, ...texts.map((text) => commonPrefix(text, heard.text))) / 4);
    texts.push(heard.text);
    const record = {
      ...one,
      number: asked.length + 1,
      keys,
      headers,
      body,
      tokens: tokensOf(heard.text),
      cachedTokens,
      answer: '…',
    };
    asked.push(record);
    for (const look of waiting) look();
    const answer = await decide(one, keys);
    record.answer = nameOf(answer);
    const name = `${one.session} ${one.milestone} ${one.purpose} ${one.round}.${one.turn}.${one.ask}`;
    send(wire(answer, heard, name, cachedTokens, now), response);
  };

  const server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1');
      const body = await bodyOf(request);
      const path = url.pathname.replace(/\/$/, '');
      const isPost = request.method === 'POST' && body !== undefined;
      if (url.hostname !== '127.0.0.1') {
        strangers.push(url.hostname);
        send(plain(403), response);
      } else if (isPost && path === '/v1/messages') {
        await answerModel('messages', request, body, response);
      } else if (isPost && path === '/v1/responses') {
        await answerModel('responses', request, body, response);
      } else if (isPost && path === '/v1/messages/count_tokens') {
        send(plain(200, { input_tokens: tokensOf(hear('messages', body).text) }), response);
      } else if (request.method === 'HEAD') {
        // Claude Code looks whether anybody is there.
        send(plain(200), response);
      } else {
        unknown.push(`${request.method ?? ''} ${path}`);
        send(
          plain(404, { type: 'error', error: { type: 'not_found_error', message: 'Not found' } }),
          response,
        );
      }
    })().catch((problem: unknown) => {
      // A script that throws is a test's own mistake: told to the CLI too, so that nothing waits for it.
      unknown.push(`failed: ${String(problem)}`);
      send(plain(500, { type: 'error', error: { type: 'api_error', message: String(problem) } }), response);
    });
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    strangers.push((request.url ?? '').replace(/:443$/, ''));
    socket.on('error', () => socket.destroy());
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the model server has no port');

  return {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    strangers,
    unknown,
    story(about = '') {
      return asked
        .filter(({ purpose }) => purpose !== 'aside')
        .map(({ milestone, purpose, round, turn, ask, answer }) => {
          const again = ask > 1 ? ` (asked ${ask} times)` : '';
          return `${milestone} ${purpose} ${round}.${turn}${again} → ${answer}`;
        })
        .filter((line) => line.startsWith(about));
    },
    until: (like) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = asked.find(like);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((problem) => (problem === undefined ? resolve() : reject(problem)));
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The CLI's id of a conversation: Claude Code's, Codex's, opencode's; else what it began with. */
function sessionOf(request: IncomingMessage, heard: Heard): string {
  for (const name of ['x-claude-code-session-id', 'session-id', 'session_id', 'x-session-id']) {
    const value = request.headers[name];
    if (typeof value === 'string' && value !== '') return value;
  }
  return fingerprint(heard.prompt);
}

function keysOf(request: IncomingMessage): readonly string[] {
  const { authorization = '', 'x-api-key': key } = request.headers;
  const all = [typeof key === 'string' ? key : '', authorization.replace(/^Bearer /i, '')];
  return all.filter((one) => one !== '').map(fingerprint);
}

const plainHeaders = (request: IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      CREDENTIALS.test(name) ? 'redacted' : String(value),
    ]),
  );

/** The JSON object of a request; undefined where it is none. */
async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    if (!Buffer.isBuffer(part)) continue;
    size += part.length;
    if (size > MOST_BODY) return undefined;
    parts.push(part);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function nameOf(answer: Answer): string {
  switch (answer.is) {
    case 'do':
      return answer.acts.map((one) => (one.act === 'tool' ? one.name : one.act)).join(', ');
    case 'verdict':
      return answer.verdict.verdict;
    case 'refuse':
      return answer.refusal.why === 'unscripted' ? answer.refusal.message : answer.refusal.why;
    case 'say':
    case 'hang':
    case 'stall':
    case 'cut':
      return answer.is;
  }
}

const plain = (status: number, body?: unknown): Wire => ({
  status,
  headers: { 'content-type': 'application/json' },
  chunks: body === undefined ? [] : [JSON.stringify(body)],
  end: 'close',
});

function send({ status, headers, chunks, end }: Wire, response: ServerResponse): void {
  if (status === 0 || response.destroyed || response.headersSent) return;
  response.writeHead(status, headers);
  // A chunk for each event, so that a reader meets them one by one.
  for (const chunk of chunks) response.write(chunk);
  if (end === 'close') response.end();
  if (end === 'cut') response.socket?.destroySoon();
}

function commonPrefix(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let at = 0;
  while (at < most && one.charCodeAt(at) === other.charCodeAt(at)) at += 1;
  return at;
}
