/**
 * Which further variables of the user's an agent's own CLI documents: credentials, endpoints, folders of
 * configuration. Never those by which a CLI knows its own child (a run may be started from within one).
 */
import type { AgentConfig } from '../model/config.js';

interface Names {
  readonly names: readonly string[];
  readonly prefixes: readonly string[];
}

const CLAUDE: Names = {
  prefixes: ['ANTHROPIC_', 'AWS_', 'VERTEX_'],
  names: [
    'API_TIMEOUT_MS',
    'BASH_DEFAULT_TIMEOUT_MS',
    'BASH_MAX_TIMEOUT_MS',
    'CLAUDE_CODE_API_KEY_HELPER_TTL_MS',
    'CLAUDE_CODE_EFFORT_LEVEL',
    'CLAUDE_CODE_MAX_OUTPUT_TOKENS',
    'CLAUDE_CODE_MAX_RETRIES',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDE_CODE_SKIP_BEDROCK_AUTH',
    'CLAUDE_CODE_SKIP_VERTEX_AUTH',
    'CLAUDE_CODE_SUBAGENT_MODEL',
    'CLAUDE_CODE_USE_BEDROCK',
    'CLAUDE_CODE_USE_FOUNDRY',
    'CLAUDE_CODE_USE_VERTEX',
    'CLAUDE_CONFIG_DIR',
    'CLOUD_ML_REGION',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'IS_SANDBOX',
    'MAX_THINKING_TOKENS',
  ],
};
const CODEX: Names = {
  prefixes: ['OPENAI_', 'AZURE_OPENAI_'],
  names: ['CODEX_API_KEY', 'CODEX_HOME', 'CODEX_CA_CERTIFICATE'],
};
const GEMINI: Names = {
  prefixes: ['GEMINI_', 'GOOGLE_'],
  names: [],
};
/** Credentials of the services that an agent with many of them may use. */
const PROVIDERS: Names = {
  prefixes: [...CLAUDE.prefixes, ...CODEX.prefixes, ...GEMINI.prefixes, 'OPENCODE_'],
  names: [
    ...CLAUDE.names,
    ...CODEX.names,
    'DEEPSEEK_API_KEY',
    'GROQ_API_KEY',
    'MISTRAL_API_KEY',
    'OPENROUTER_API_KEY',
    'XAI_API_KEY',
  ],
};
const NONE: Names = { prefixes: [], names: [] };

const WANTED: Readonly<Record<AgentConfig['kind'], Names>> = {
  recipe: NONE,
  command: NONE,
  claude: CLAUDE,
  codex: CODEX,
  gemini: GEMINI,
  opencode: PROVIDERS,
  acp: PROVIDERS,
};

/** The part of the user's environment that an agent of this kind gets beside what all agents get. */
export function ownVariables(
  kind: AgentConfig['kind'],
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const { names, prefixes } = WANTED[kind];
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value !== undefined && (names.includes(name) || prefixes.some((prefix) => name.startsWith(prefix)))
        ? [[name, value]]
        : [],
    ),
  );
}
