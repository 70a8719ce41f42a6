/**
 * A program of its own: `node acp-bridge.js read|work SERVERS|- PROGRAM [ARGUMENT…]`, the prompt on stdin, the
 * worktree as the working directory, SERVERS a file with MCP servers. It starts the agent, sends it the prompt,
 * answers what it asks by the policy, prints every message of both directions as one line, of servers their names
 * alone, and ends with 0 once the prompt was answered, else with 1.
 *
 * It is started under supervision in the agent's place, so that an agent goes on whatever becomes of mstone.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { AnyMessage, McpServer as ProtocolServer } from '@agentclientprotocol/sdk';
import { permissionFor } from './acp-policy.js';
import type { McpServer } from './servers.js';

const [policy = 'read', serversFile = '-', program = '', ...args] = process.argv.slice(2);

/** In one call, so that lines of several programs in one log do not mix. */
const print = (line: string): void => {
  for (let bytes = Buffer.from(`${line}\n`); bytes.length > 0; ) bytes = bytes.subarray(writeSync(1, bytes));
};

/** Lets messages through, and prints them. */
const tap = <T>(dir: 'agent->client' | 'client->agent'): TransformStream<T, T> =>
  new TransformStream({
    transform(msg, controller) {
      print(JSON.stringify({ dir, msg }, (key, value) => (key === 'mcpServers' ? namesOf(value) : value)));
      controller.enqueue(msg);
    },
  });

/** What else is said of servers may be secret. */
const namesOf = (servers: unknown): unknown =>
  Array.isArray(servers) ? servers.map(({ name }: { readonly name?: unknown }) => name) : servers;

const pairs = (of: Readonly<Record<string, string>>): { name: string; value: string }[] =>
  Object.entries(of).map(([name, value]) => ({ name, value }));

/** Servers in the protocol's words; of addresses only those that the agent says it can take. */
function asProtocol(
  servers: readonly McpServer[],
  can: { readonly http?: boolean | undefined; readonly sse?: boolean | undefined } | undefined,
): ProtocolServer[] {
  return servers.flatMap((server): ProtocolServer[] => {
    if ('command' in server) {
      const { name, command, args, env } = server;
      return [{ name, command, args: [...args], env: pairs(env) }];
    }
    const { name, url, transport, headers } = server;
    if (can?.[transport] === true) return [{ type: transport, name, url, headers: pairs(headers) }];
    process.stderr.write(`the agent takes no MCP servers over ${transport}: ${name} was left out\n`);
    return [];
  });
}

async function main(): Promise<number> {
  const acp = await import('@agentclientprotocol/sdk');
  const prompt = await text(process.stdin);
  // Read before the agent is there: the file is not for it.
  const servers: readonly McpServer[] =
    serversFile === '-' ? [] : JSON.parse(readFileSync(serversFile, 'utf8'));
  // In our own group and session: whoever ends us ends the agent.
  const agent = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise<number>((resolve) => {
    agent.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`${error.message}\n`);
      resolve(error.code === 'ENOENT' ? 127 : 126);
    });
    // Its last words may still be on their way when it is over.
    agent.once('close', () => resolve(1));
  });
  agent.stdin.on('error', () => undefined);

  const wire = acp.ndJsonStream(
    Writable.toWeb(agent.stdin) as WritableStream<Uint8Array>,
    Readable.toWeb(agent.stdout) as ReadableStream<Uint8Array>,
  );
  const sent = tap<AnyMessage>('client->agent');
  const piped = sent.readable.pipeTo(wire.writable).catch(() => undefined);
  const stream = {
    writable: sent.writable,
    readable: wire.readable.pipeThrough(tap<AnyMessage>('agent->client')),
  };

  const client = acp
    .client({ name: 'mstone' })
    .onNotification(acp.methods.client.session.update, () => undefined)
    .onRequest(acp.methods.client.session.requestPermission, ({ params }) => ({
      outcome: permissionFor(policy === 'work' ? 'work' : 'read', params),
    }));
  const talk = client.connectWith(stream, async (context) => {
    const { agentCapabilities } = await context.request(acp.methods.agent.initialize, {
      protocolVersion: 1,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
      clientInfo: { name: 'mstone', title: 'mstone', version: '1' },
    });
    const { sessionId } = await context.request(acp.methods.agent.session.new, {
      cwd: process.cwd(),
      mcpServers: asProtocol(servers, agentCapabilities?.mcpCapabilities),
    });
    await context.request(acp.methods.agent.session.prompt, {
      sessionId,
      prompt: [{ type: 'text', text: prompt }],
    });
    return 0;
  });
  const code = await Promise.race([
    talk.catch((error: unknown) => {
      // An error that the agent answered is printed already, as a message.
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      return Promise.race([gone, Promise.resolve(1)]);
    }),
    gone,
  ]);
  await Promise.race([piped, Promise.resolve()]);
  agent.kill('SIGTERM');
  return code;
}

// The agent may keep our streams open.
void main().then((code) => process.exit(code));
