import type { Severity } from './config.js';

/** One thing a review holds against a change. */
export interface Finding {
  /** Stable over the rounds of an attempt: an answer to `F1` means one thing. */
  readonly id: string;
  readonly severity: Severity;
  /** The exit criterion, check or rule it rests on. */
  readonly cites?: string;
  readonly file?: string;
  readonly line?: number;
  readonly problem: string;
  readonly suggestion?: string;
}

/** A finding that holds nothing back, and why it does not. */
export interface Note extends Finding {
  /** Absent where its severity says enough. */
  readonly because?: string;
}

export interface CriterionAnswer {
  readonly text: string;
  readonly met: boolean;
  readonly evidence?: string;
}

/** What became of a finding of an earlier round, in the words of whoever found it. */
export interface FindingAnswer {
  readonly id: string;
  readonly answer: 'fixed' | 'still' | 'withdrawn';
  readonly why?: string;
}

/** A fact of the change that the milestone asks for, and which criterion or task of it does. */
export interface Allowed {
  readonly fact: string;
  readonly because: string;
}

/** A review's answer, as data. */
export interface Verdict {
  readonly verdict: 'approve' | 'request_changes';
  readonly criteria: readonly CriterionAnswer[];
  readonly findings: readonly Finding[];
  /** In a second and later round: one for each finding that was held against the work before. */
  readonly answers?: readonly FindingAnswer[];
  /** 0 to 1. */
  readonly score?: number;
  readonly allows?: readonly Allowed[];
  readonly summary?: string;
}

/** What else a verdict said, for the report; absent in journals of before. */
interface Said {
  readonly criteria?: readonly CriterionAnswer[];
  readonly answers?: readonly FindingAnswer[];
  readonly score?: number;
  readonly allows?: readonly Allowed[];
  readonly summary?: string;
}

/** What a verdict is worth once it is held against the milestone: only `approved` approves. */
export type Judgement =
  | ({ readonly kind: 'approved'; readonly notes: readonly Note[] } & Said)
  | ({
      readonly kind: 'refused';
      /** Those that hold the work back, which the author is to answer. */
      readonly findings: readonly Finding[];
      readonly unmet: readonly CriterionAnswer[];
      readonly notes?: readonly Note[];
    } & Said)
  | { readonly kind: 'unreadable'; readonly why: string };

/** What one reviewer has said in an attempt, of the commit that it saw last. */
export interface Opinion {
  readonly seen: string;
  readonly is: 'approved' | 'refused';
  /** What it holds against that commit, under its own ids: its next verdict answers each. */
  readonly findings: readonly Finding[];
  readonly unmet: readonly CriterionAnswer[];
  /** Ids of facts that it finds the milestone to ask for. */
  readonly allows?: readonly string[];
}

/** Whoever reviews an item: each is an assignment of its own, and none goes on in another's conversation. */
export interface Reviewer {
  /** Names it among the item's reviewers: `claude`, `security`. */
  readonly name: string;
  /** The agent's name in the configuration. */
  readonly agent: string;
  /** What it looks for, by the name of a role's text. */
  readonly role?: string;
  /** It reviews only what touches these; its approval is then needed beside the others'. */
  readonly paths?: readonly string[];
}
