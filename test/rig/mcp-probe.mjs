/** An MCP server over stdio without any use: it leaves a line in the file `PROBE_FILE` for each client that greets it. */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const answers = {
    initialize: () => {
      appendFileSync(process.env.PROBE_FILE, `${params.clientInfo?.name}\n`);
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'probe', version: '1' },
      };
    },
    'tools/list': () => ({
      tools: [{ name: 'probe', description: 'Nothing', inputSchema: { type: 'object' } }],
    }),
    ping: () => ({}),
  };
  const answer = answers[method];
  const said =
    answer === undefined ? { error: { code: -32601, message: 'no such method' } } : { result: answer() };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...said })}\n`);
}
