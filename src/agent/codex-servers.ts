/**
 * MCP servers as Codex is told of them: settings on its command line, and what may be secret in its environment, since
 * arguments are everybody's to see. Without a word on approval it lists their tools and lets none of them be called.
 */
import { type Event, listOf, objectOf, textOf } from './cli.js';

export interface CodexServers {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Of `mcpServers` as `.mcp.json` has it; what has neither a program nor an address, or a name of no use, is left out. */
export function codexServers(servers: Event): CodexServers {
  const args: string[] = [];
  const env: Record<string, string> = {};
  for (const [name, raw] of Object.entries(servers)) {
    const server = objectOf(raw);
    const command = textOf(server?.command);
    const url = textOf(server?.url);
    if (server === undefined || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) continue;
    if (command === undefined && url === undefined) continue;
    const set = (field: string, value: string): void => {
      args.push('-c', `mcp_servers.${name}.${field}=${value}`);
    };
    if (command !== undefined) {
      const given = textsOf(server.env);
      set('command', JSON.stringify(command));
      set('args', JSON.stringify(listOf(server.args).flatMap((one) => textOf(one) ?? [])));
      set('env_vars', JSON.stringify(Object.keys(given)));
      Object.assign(env, given);
    } else {
      const headers = Object.entries(textsOf(server.headers)).map(([header, value]) => {
        const variable = `CODEX_MCP_HEADER_${Object.keys(env).length + 1}`;
        env[variable] = value;
        return `${JSON.stringify(header)}=${JSON.stringify(variable)}`;
      });
      set('url', JSON.stringify(url));
      if (headers.length > 0) set('env_http_headers', `{${headers.join(',')}}`);
    }
    set('default_tools_approval_mode', '"approve"');
  }
  return { args, env };
}

const textsOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(objectOf(value) ?? {}).flatMap(([name, one]) =>
      typeof one === 'string' ? [[name, one]] : [],
    ),
  );
