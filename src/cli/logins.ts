/**
 * Whether an agent's CLI has something to log in with: by the variables and files that it documents, of which
 * only the names are looked at. What is in them is nobody's affair but the CLI's.
 */
import { open, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ownVariables } from '../agent/environment.js';
import type { AgentConfig } from '../model/config.js';
import type { World } from './world.js';

interface Login {
  /** Any of them will do. */
  readonly variables: readonly string[];
  readonly file: (env: World['env'], home: string) => string;
  /** What to type. */
  readonly fix: string;
}

/** As their own documentation has it. */
const LOGINS: Readonly<Partial<Record<AgentConfig['kind'], Login>>> = {
  claude: {
    variables: [
      'ANTHROPIC_API_KEY',
      'ANTHROPIC_AUTH_TOKEN',
      'CLAUDE_CODE_OAUTH_TOKEN',
      'CLAUDE_CODE_USE_BEDROCK',
      'CLAUDE_CODE_USE_VERTEX',
      'CLAUDE_CODE_USE_FOUNDRY',
    ],
    file: (env, home) => join(env.CLAUDE_CONFIG_DIR || join(home, '.claude'), '.credentials.json'),
    fix: 'claude, then /login; or set ANTHROPIC_API_KEY',
  },
  codex: {
    variables: ['CODEX_API_KEY', 'OPENAI_API_KEY'],
    file: (env, home) => join(env.CODEX_HOME || join(home, '.codex'), 'auth.json'),
    fix: 'codex login; or set CODEX_API_KEY',
  },
  gemini: {
    variables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GENAI_USE_VERTEXAI'],
    file: (_env, home) => join(home, '.gemini', 'oauth_creds.json'),
    fix: 'gemini, and log in there; or set GEMINI_API_KEY',
  },
  opencode: {
    variables: [
      'ANTHROPIC_API_KEY',
      'OPENAI_API_KEY',
      'GEMINI_API_KEY',
      'OPENROUTER_API_KEY',
      'DEEPSEEK_API_KEY',
      'GROQ_API_KEY',
      'MISTRAL_API_KEY',
      'XAI_API_KEY',
    ],
    file: (env, home) => join(env.XDG_DATA_HOME || join(home, '.local', 'share'), 'opencode', 'auth.json'),
    fix: 'opencode auth login',
  },
};

export type LoginState =
  /** The name of a variable, or of a file. */
  | { readonly is: 'there'; readonly by: string }
  | { readonly is: 'missing'; readonly looked: string; readonly fix: string }
  /** It may be where nobody can look without asking for it. */
  | { readonly is: 'hidden' }
  /** Of a program that mstone knows nothing about. */
  | { readonly is: 'unknown' };

/** The agent's environment is what it would be started with. */
export async function loginOf(world: World, agent: AgentConfig): Promise<LoginState> {
  const login = LOGINS[agent.kind];
  if (login === undefined) return { is: 'unknown' };
  const env = { ...ownVariables(agent.kind, world.env), ...agent.env };
  const variable = login.variables.find((name) => (env[name] ?? '') !== '');
  if (variable !== undefined) return { is: 'there', by: variable };
  const file = login.file({ ...world.env, ...agent.env }, world.env.HOME || homedir());
  const isThere = await stat(file).then(
    (stats) => stats.isFile() && stats.size > 0,
    () => false,
  );
  if (isThere) return { is: 'there', by: file };
  // Claude Code keeps it in the keychain there.
  if (agent.kind === 'claude' && process.platform === 'darwin') return { is: 'hidden' };
  return { is: 'missing', looked: file, fix: login.fix };
}

/** Whether a program is a script that Node runs, by its first line. */
export async function isNodeScript(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(128), 0, 128, 0);
    return /^#!.*\bnode\b/.test(buffer.toString('latin1', 0, bytesRead));
  } finally {
    await handle.close();
  }
}
