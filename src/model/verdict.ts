import type { Severity } from './config.js';

/** One thing a review holds against a change. */
export interface Finding {
  readonly id: string;
  readonly severity: Severity;
  /** The exit criterion, check or rule it rests on. */
  readonly cites?: string;
  readonly file?: string;
  readonly line?: number;
  readonly problem: string;
  readonly suggestion?: string;
}

export interface CriterionAnswer {
  readonly text: string;
  readonly met: boolean;
  readonly evidence?: string;
}

/** A review's answer, as data. */
export interface Verdict {
  readonly verdict: 'approve' | 'request_changes';
  readonly criteria: readonly CriterionAnswer[];
  readonly findings: readonly Finding[];
  readonly summary?: string;
}

/** What a verdict is worth once it is held against the milestone: only `approved` approves. */
export type Judgement =
  | { readonly kind: 'approved'; readonly notes: readonly Finding[] }
  | {
      readonly kind: 'refused';
      readonly findings: readonly Finding[];
      readonly unmet: readonly CriterionAnswer[];
    }
  | { readonly kind: 'unreadable'; readonly why: string };
