import type { Fact } from '../model/change.js';
import type { CheckResult } from '../model/outcome.js';
import type { Finding } from '../model/verdict.js';
import type { PromptFacts } from './index.js';

/** The document in MSTONE_CONTEXT_FILE. Keys are in this order; more may come, none goes. */
interface Context {
  readonly milestone: {
    readonly id: string;
    readonly title: string;
    readonly file: string;
    readonly body: string;
    readonly criteria: readonly string[];
    readonly tasks: readonly string[];
  };
  readonly base: string;
  readonly checks: readonly (Pick<CheckResult, 'command' | 'kind' | 'tail'> & {
    readonly exit: number | null;
  })[];
  /** What a review holds against the work, each unmet criterion that no finding cites among them. */
  readonly findings: readonly Finding[];
  readonly conflict: { readonly onto: string; readonly files: readonly string[] } | null;
  /** For a reviewer: what mstone saw of the change, which an approval answers under `allows`. */
  readonly facts: readonly Pick<Fact, 'id' | 'file' | 'line' | 'text'>[];
}

/**
 * A reviewer may refuse by answering a criterion as unmet and write no finding for it. A program that
 * reads `findings` alone must still learn of it.
 */
function unmetAsFindings(facts: PromptFacts): Finding[] {
  const cited = new Set(facts.findings.map((finding) => finding.cites));
  return facts.unmet
    .filter((answer) => !cited.has(answer.text))
    .map((answer, index) => ({
      id: `C${index + 1}`,
      severity: 'major',
      cites: answer.text,
      problem: answer.evidence ? `Not met: ${answer.evidence}` : 'This exit criterion is not met',
    }));
}

/** The facts as JSON for agents that are programs, ending in a newline. */
export function contextJson(facts: PromptFacts): string {
  const { milestone } = facts;
  const context: Context = {
    milestone: {
      id: milestone.id,
      title: milestone.title,
      file: milestone.file,
      body: milestone.body,
      criteria: milestone.criteria,
      tasks: milestone.tasks.map((task) => task.text),
    },
    base: facts.base,
    checks: facts.checkResults.map((result) => ({
      command: result.command,
      kind: result.kind,
      exit: result.exit ?? null,
      tail: result.tail,
    })),
    findings: [...facts.findings, ...unmetAsFindings(facts)],
    conflict: facts.conflict ?? null,
    facts: (facts.facts ?? []).map(({ id, file, line, text }) => ({
      id,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      text,
    })),
  };
  return `${JSON.stringify(context, null, 2)}\n`;
}
