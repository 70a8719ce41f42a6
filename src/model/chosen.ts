import type { MilestoneId } from './milestone.js';

/** An agent that nobody had named: found on the PATH, or the only one under `agents`. */
export interface ChosenAgent {
  readonly name: string;
  readonly from: 'path' | 'configuration';
  /** As its program says itself; absent where it was not asked or would not say. */
  readonly version?: string;
}

/**
 * What holds because nobody had said otherwise. The plan shows it, `run` says it before the first agent
 * starts, and a run's journal keeps it, so that nothing found later changes a run under way.
 */
export interface Chosen {
  /** Who implements what names no agent and has no recipe; absent where no such milestone is to run. */
  readonly agent?: ChosenAgent;
  /** Milestones to run that name no agent and that their own `## Recipe` implements. */
  readonly recipes: readonly MilestoneId[];
  /** Those of them that have no `## Review` either: nobody reviews them. */
  readonly unreviewed: readonly MilestoneId[];
  /** Commands that test the project, each with the file that told of it; only where there is no `mstone.yaml`. */
  readonly checks?: readonly { readonly command: string; readonly from: string }[];
  /** What a fresh worktree needs; only where there is no `mstone.yaml`. */
  readonly worktrees?: {
    readonly setup: readonly string[];
    readonly copy: readonly string[];
    readonly keep: readonly string[];
  };
}
