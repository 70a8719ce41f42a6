import type { AgentConfig } from './config.js';

/** What an agent pays with: variables that its CLI documents for that. Their values are secrets. */
export interface Credential {
  /** Letters, digits, dots, dashes and underscores; never `login`. */
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Which agents use it, by their names or their kinds; absent: as the variables' names say. */
  readonly agents?: readonly string[];
}

/** Whether an agent's own login is used before, after or never beside credentials. */
export const AUTH_ORDERS = ['login-first', 'keys-first', 'keys-only'] as const;
export type AuthOrder = (typeof AUTH_ORDERS)[number];

/** What people pay for agents by, as far as it says how many of them it bears at once. */
export const SUBSCRIPTIONS = ['pro', 'max5', 'max20', 'api'] as const;
export type Subscription = (typeof SUBSCRIPTIONS)[number];

/** Agents at once where nobody says it. */
export const JOBS_OF: Readonly<Record<Subscription, number>> = { pro: 3, max5: 5, max20: 8, api: 10 };

/** The name that no credential may have: what a CLI pays with when mstone adds nothing. */
export const LOGIN = 'login';

type Kind = AgentConfig['kind'];

/** The variables by which each CLI is told what to pay with, as its own documentation has them. */
const OF_KIND: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  claude: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'],
  codex: ['CODEX_API_KEY', 'OPENAI_API_KEY'],
  gemini: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
  opencode: [
    'DEEPSEEK_API_KEY',
    'GROQ_API_KEY',
    'MISTRAL_API_KEY',
    'OPENCODE_API_KEY',
    'OPENROUTER_API_KEY',
    'XAI_API_KEY',
  ],
};

/** Further variables that hold secrets, or by which a CLI prefers another account to the one it is given. */
const BESIDE = [
  'ANTHROPIC_AWS_API_KEY',
  'ANTHROPIC_CUSTOM_HEADERS',
  'ANTHROPIC_FOUNDRY_API_KEY',
  'AWS_ACCESS_KEY_ID',
  'AWS_BEARER_TOKEN_BEDROCK',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AZURE_OPENAI_API_KEY',
  'CLAUDE_CODE_USE_BEDROCK',
  'CLAUDE_CODE_USE_FOUNDRY',
  'CLAUDE_CODE_USE_VERTEX',
  'GOOGLE_APPLICATION_CREDENTIALS',
  'GOOGLE_GENAI_USE_GCA',
  'GOOGLE_GENAI_USE_VERTEXAI',
];

/** None of them reaches an agent that works on a credential, unless the credential itself sets it. */
export const AUTH_VARIABLES: ReadonlySet<string> = new Set([...Object.values(OF_KIND).flat(), ...BESIDE]);

/** Which of them hold what must never be shown. */
export const isSecret = (variable: string): boolean =>
  AUTH_VARIABLES.has(variable) && /KEY$|TOKEN|HEADERS/.test(variable);

/**
 * Whether an agent uses a credential: named by it, else by its kind's variables, else (variables that belong
 * to no CLI known here) whatever its kind. A recipe is no agent that pays, unless it is named.
 */
function isFor({ env, agents }: Credential, name: string, kind: Kind): boolean {
  if (agents !== undefined) return agents.includes(name) || agents.includes(kind);
  const names = Object.keys(env);
  const kinds = (Object.keys(OF_KIND) as Kind[]).filter((one) =>
    OF_KIND[one]?.some((variable) => names.includes(variable)),
  );
  return kinds.length > 0 ? kinds.includes(kind) : kind !== 'recipe';
}

/** Kinds whose CLI has a login of its own, so that one pays without any credential. */
const hasLogin = (kind: Kind): boolean => OF_KIND[kind] !== undefined || kind === 'acp';

/**
 * What an agent may be started on, by name, in the order of `auth`: credentials as they are configured, its
 * login as `<kind>/login`, which no credential can be called. Undefined where it has no credential: it is then
 * started as it is, on whatever it pays with itself. Empty where only keys may be used and it has none.
 */
export function credentialsFor(
  name: string,
  kind: Kind,
  credentials: readonly Credential[],
  auth: AuthOrder,
): readonly string[] | undefined {
  const own = credentials.filter((one) => isFor(one, name, kind)).map((one) => one.name);
  if (own.length === 0) return auth === 'keys-only' && hasLogin(kind) ? [] : undefined;
  const login = kind === 'recipe' || kind === 'command' ? `${name}/${LOGIN}` : `${kind}/${LOGIN}`;
  switch (auth) {
    case 'login-first':
      return [login, ...own];
    case 'keys-first':
      return [...own, login];
    case 'keys-only':
      return own;
  }
}

/** Whether it stands for a CLI's own login. */
export const isLogin = (credential: string): boolean => credential.endsWith(`/${LOGIN}`);
