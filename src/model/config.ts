import type { AuthOrder, Credential } from './credential.js';
import type { Approval } from './decision.js';
import type { Budget, LimitSettings } from './event.js';
import type { RoleConfig } from './role.js';
import type { TrainMode } from './state.js';

export type Severity = 'blocker' | 'major' | 'minor' | 'nit';

/** What mstone knows of a coding CLI that it starts by its own contract. */
interface CliAgent {
  /** The program and arguments that go before all others; by default the kind's own name. */
  readonly command: readonly string[];
  /** Absent: what the CLI takes by itself. */
  readonly model?: string;
  /** Further arguments, behind mstone's own. */
  readonly args: readonly string[];
  /** The agent that takes over while this one can be started on nothing. */
  readonly fallback?: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ClaudeAgent extends CliAgent {
  readonly kind: 'claude';
  /** What the CLI itself takes while its model has no room. */
  readonly fallback_model?: string;
  /** What happens to a tool that is not among `tools`. */
  readonly permission: 'dontAsk' | 'acceptEdits' | 'auto' | 'bypassPermissions';
  /** What an author may use, as `--allowedTools` has it; reviewers get tools that read. */
  readonly tools: readonly string[];
}

export interface CodexAgent extends CliAgent {
  readonly kind: 'codex';
  /** Of an author; reviewers get `read-only`. */
  readonly sandbox: 'read-only' | 'workspace-write' | 'danger-full-access';
}

/** A coding CLI that mstone starts, or a recipe. `recipe` and the kinds that need no command are always there. */
export type AgentConfig =
  | { readonly kind: 'recipe'; readonly env: Readonly<Record<string, string>> }
  | {
      /** `acp`: an agent that speaks the Agent Client Protocol on its stdin and stdout. */
      readonly kind: 'command' | 'acp';
      readonly command: readonly string[];
      readonly fallback?: string;
      readonly env: Readonly<Record<string, string>>;
    }
  | ClaudeAgent
  | CodexAgent
  | (CliAgent & { readonly kind: 'gemini' | 'opencode' });

/** When a machine counts as short of something; what is not there is not looked at. */
export interface PressureLimits {
  /** Share of memory in use, 0 to 1. */
  readonly memory?: number;
  /** Free on the disks that slots and state lie on. */
  readonly diskBytes?: number;
  /** Share of the processors in use, 0 to 1. */
  readonly cpu?: number;
}

export interface ReviewConfig {
  readonly rounds: number;
  readonly blockOn: readonly Severity[];
  /** What a stage of several milestones brought is reviewed once more, as a whole. */
  readonly stage?: true;
  /** The least score of an approval, 0 to 1; undefined: none is asked for. */
  readonly threshold?: number;
  /** How many of several reviewers must approve; undefined: all. */
  readonly require?: 'all' | 'majority';
  /** The model of a reviewer that is the author's own agent; undefined: as the author's. */
  readonly model?: string;
}

/** The resolved configuration: every default filled in, every duration in ms. */
export interface Config {
  /** The folder of milestone files: from the repository's root, with forward slashes. */
  readonly milestones: string;
  /** The file of the view of what has landed, likewise. */
  readonly tasksFile: string;
  /** Absolute, or relative to the repository's root; undefined: with each run's state. */
  readonly logDir?: string;
  /** Who implements; undefined when nobody was named. */
  readonly agent?: string;
  /** Who reviews; undefined: the same kind of agent as the author, in a session of its own. */
  readonly reviewer?: string;
  /** Who reviews, where several do: names of agents and roles. `reviewer` is absent then. */
  readonly reviewers?: readonly string[];
  /** By name. */
  readonly roles?: Readonly<Record<string, RoleConfig>>;
  /** The model of `agent`, in place of that agent's own. */
  readonly model?: string;
  /** Agents alive at once, reviewers included. At least 1. */
  readonly jobs: number;
  readonly checks: readonly string[];
  readonly stageChecks: readonly string[];
  /** Whether a check that executed no test has failed; `auto`: where a known runner's summary says so. */
  readonly expectTests: boolean | 'auto';
  /** Patterns of files that checks run by; undefined: those that mstone knows. */
  readonly gateFiles?: readonly string[];
  /** Whether work is looked through for secrets, and patterns of files that are not. */
  readonly secrets: false | { readonly allowed: readonly string[] };
  readonly review: false | ReviewConfig;
  /** Whether a person is asked of each milestone, unless it says otherwise itself. */
  readonly approval: Approval | 'none';
  readonly merge: {
    /** Candidates that are checked at once. At least 1. */
    readonly parallel: number;
    /** Which commits must have passed by themselves: each that lands, or those that the target stands at. */
    readonly strict: TrainMode | 'auto';
    /** Patterns of files that others' verdicts rest on: who touches one lands by itself. */
    readonly barrier: readonly string[];
    /** The least time between two looks for conflicts to come, ms. */
    readonly forecastMs: number;
  };
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
    /** Only the folders that a milestone's `paths` name are there while it is worked and checked. */
    readonly sparse: boolean;
  };
  readonly git: {
    /** Whether the repository's own `pre-commit` hook is a check of the work. */
    readonly hooks: boolean;
  };
  /** Whether slots are linked worktrees or repositories of their own. */
  readonly isolation: 'worktree' | 'clone';
  /** What agents, checks and setup are shut into. `write`: further places, absolute or from `~/`. */
  readonly sandbox: {
    readonly kind: 'none' | 'bubblewrap';
    readonly network: boolean;
    readonly write: readonly string[];
  };
  readonly agents: Readonly<Record<string, AgentConfig>>;
  /** In the order in which they are used. */
  readonly credentials: readonly Credential[];
  readonly auth: AuthOrder;
  /** Where further credentials are; undefined: `api-keys.json` in the user's configuration folder, if it is there. */
  readonly keysFile?: string;
  readonly timeouts: {
    readonly agentMs: number;
    readonly idleMs: number;
    readonly checkMs: number;
    /** How often an agent may make the same calls in a row. */
    readonly repeats: number | false;
  };
  /** Files that every brief holds: from the repository's root, with forward slashes. */
  readonly brief: readonly string[];
  /** Characters. */
  readonly briefLimit: number;
  /** By name, as under `mcpServers` in `.mcp.json`; absent: those of that file on the target. */
  readonly mcpServers?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly limits: { readonly wait: boolean } & LimitSettings;
  /** What one agent may print, and what all logs may take. */
  readonly logs: { readonly maxBytes?: number; readonly keepBytes?: number };
  /** When the target gets what landed. */
  readonly land: 'each' | 'stage' | 'end' | 'pr';
  readonly pr: { readonly per: 'milestone' | 'stage'; readonly remote: string };
  /** A run lands on a new branch of its own. */
  readonly runBranch: boolean;
  /** `{stage}` in it is the stage's number; absent: nothing is tagged. */
  readonly stageTag?: string;
  /** While one of them is reached, no agent starts beside those at work. */
  readonly pressure: false | PressureLimits;
  /** US dollars and tokens; without `usd` or `perDay` money has no limit, whatever is put aside. */
  readonly budget?: Omit<Budget, 'perDay'> & { readonly perDay?: number };
}
