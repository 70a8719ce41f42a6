/** A coding agent that mstone looks for, and how it is installed. */
export interface KnownAgent {
  /** Its program, which is also its kind's name, and its own where nobody gives it another. */
  readonly name: string;
  /** Its package in npm's registry. */
  readonly npm: string;
}

/** In the order in which one is taken where nobody names one. */
export const KNOWN_AGENTS: readonly KnownAgent[] = [
  { name: 'claude', npm: '@anthropic-ai/claude-code' },
  { name: 'codex', npm: '@openai/codex' },
  { name: 'gemini', npm: '@google/gemini-cli' },
  { name: 'opencode', npm: 'opencode-ai' },
];

const [FIRST, ...OTHERS] = KNOWN_AGENTS.map(({ npm }) => npm);

/** What to type to have one of them. */
export const INSTALL_LINE = `npm install -g ${FIRST} (or ${OTHERS.join(', ')})`;
