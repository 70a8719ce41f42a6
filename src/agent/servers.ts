/** MCP servers as `.mcp.json` has them, read for the kinds that are told of them in words of their own. */
import { type Call, listOf, objectOf, textOf } from './cli.js';

export type McpServer = { readonly name: string } & (
  | {
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    }
  | {
      readonly url: string;
      readonly transport: 'http' | 'sse';
      readonly headers: Readonly<Record<string, string>>;
    }
);

/** An author's servers; what has neither a program nor an address, or a name of no use, is left out. A reviewer has none. */
export function serversOf({ purpose, mcp }: Pick<Call, 'purpose' | 'mcp'>): readonly McpServer[] {
  if (purpose === 'review') return [];
  return Object.entries(objectOf(mcp?.mcpServers) ?? {}).flatMap(([name, raw]): McpServer[] => {
    const server = objectOf(raw);
    const command = textOf(server?.command);
    const url = textOf(server?.url);
    if (server === undefined || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) return [];
    if (command !== undefined) {
      const args = listOf(server.args).flatMap((one) => textOf(one) ?? []);
      return [{ name, command, args, env: textsOf(server.env) }];
    }
    if (url === undefined) return [];
    return [
      { name, url, transport: server.type === 'sse' ? 'sse' : 'http', headers: textsOf(server.headers) },
    ];
  });
}

const textsOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(objectOf(value) ?? {}).flatMap(([name, one]) =>
      typeof one === 'string' ? [[name, one]] : [],
    ),
  );
