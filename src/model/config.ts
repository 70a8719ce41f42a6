import type { Budget } from './event.js';

export type Severity = 'blocker' | 'major' | 'minor' | 'nit';

/** A coding CLI that mstone starts, or a recipe. The name `recipe` is always there. */
export type AgentConfig =
  | { readonly kind: 'recipe'; readonly env: Readonly<Record<string, string>> }
  | {
      readonly kind: 'command';
      readonly command: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    };

/** The resolved configuration: every default filled in, every duration in ms. */
export interface Config {
  /** Who implements; undefined when nobody was named. */
  readonly agent?: string;
  /** Who reviews; undefined: the same kind of agent as the author, in a session of its own. */
  readonly reviewer?: string;
  /** Agents alive at once, reviewers included. At least 1. */
  readonly jobs: number;
  readonly checks: readonly string[];
  readonly stageChecks: readonly string[];
  readonly review: false | { readonly rounds: number; readonly blockOn: readonly Severity[] };
  /** Further attempts after the first. */
  readonly retries: number;
  /** Pause before a second attempt, ms; doubles with each further one, up to 15 minutes. */
  readonly backoffMs: number;
  readonly worktrees: {
    /** Absolute, or relative to the repository's root; undefined: under the XDG state directory. */
    readonly dir?: string;
    readonly setup: readonly string[];
    readonly copy: readonly string[];
    readonly keep: readonly string[];
  };
  readonly agents: Readonly<Record<string, AgentConfig>>;
  readonly timeouts: { readonly agentMs: number; readonly idleMs: number; readonly checkMs: number };
  readonly limits: { readonly wait: boolean };
  /** US dollars; without `usd` there is no limit, whatever is put aside. */
  readonly budget?: Partial<Budget>;
}
