/**
 * MCP servers as Codex is told of them: settings on its command line, and what may be secret in its environment, since
 * arguments are everybody's to see. Without a word on approval it lists their tools and lets none of them be called.
 */
import type { McpServer } from './servers.js';

export interface CodexServers {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function codexServers(servers: readonly McpServer[]): CodexServers {
  const args: string[] = [];
  const env: Record<string, string> = {};
  for (const server of servers) {
    const set = (field: string, value: string): void => {
      args.push('-c', `mcp_servers.${server.name}.${field}=${value}`);
    };
    if ('command' in server) {
      set('command', JSON.stringify(server.command));
      set('args', JSON.stringify(server.args));
      set('env_vars', JSON.stringify(Object.keys(server.env)));
      Object.assign(env, server.env);
    } else {
      const headers = Object.entries(server.headers).map(([header, value]) => {
        const variable = `CODEX_MCP_HEADER_${Object.keys(env).length + 1}`;
        env[variable] = value;
        return `${JSON.stringify(header)}=${JSON.stringify(variable)}`;
      });
      set('url', JSON.stringify(server.url));
      if (headers.length > 0) set('env_http_headers', `{${headers.join(',')}}`);
    }
    set('default_tools_approval_mode', '"approve"');
  }
  return { args, env };
}
