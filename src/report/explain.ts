/** `mstone explain`: why a milestone would run or would not, and what happened to it, as text and as a document. */
import type { ItemId } from '../model/effect.js';
import type { MilestoneId } from '../model/milestone.js';
import type { CheckResult, Oid } from '../model/outcome.js';
import type { PlannedMilestone, PlanState } from '../model/plan.js';
import type { CriterionAnswer, Finding } from '../model/verdict.js';
import type { AttemptRecord, Passage } from '../run/attempts.js';
import { oneLine, type Paint, painter } from './text.js';
import { formatDuration, formatUsd, names, shortOid } from './words.js';

/** What is explained: a milestone as the plan has it, or a stage's own checks. */
export interface Subject {
  readonly id: ItemId;
  readonly stage: number;
  readonly title: string;
  /** Where it is written: the milestone's file, or the configuration. */
  readonly file: string;
  readonly dependsOn: readonly MilestoneId[];
  readonly state: PlanState;
  /** One clause for people. */
  readonly reason: string;
  /** The commit that brought it. */
  readonly commit?: Oid;
}

export const milestoneSubject = ({
  milestone: { id, stage, title, file },
  dependsOn,
  state,
  reason,
  landing,
}: PlannedMilestone): Subject => ({
  id,
  stage,
  title,
  file,
  dependsOn,
  state,
  reason,
  ...(landing?.state === 'done' ? { commit: landing.commit } : {}),
});

/** All that is known of it. */
export interface Explanation {
  readonly subject: Subject;
  /** Its place in what a run would take up, from 1; undefined: a run would leave it. */
  readonly position: number | undefined;
  /** Milestones that must land first and have not. */
  readonly missing: readonly string[];
  /** Where the unfinished run has it: `implementing`, … and what it waits for, in words. */
  readonly now?: { readonly run: string; readonly phase: string; readonly waits?: string };
  /** What changed in its text since it landed, as a unified diff. */
  readonly change?: string;
  readonly attempts: readonly AttemptRecord[];
  /** The log of a passage, absolute. */
  logOf(run: string, name: string): string;
  /** Where its review report was written, absolute. */
  readonly report?: string;
  readonly next: string;
}

export interface ExplainDocument {
  readonly schema: 1;
  readonly id: string;
  readonly stage: number;
  readonly title: string;
  readonly file: string;
  readonly depends_on: readonly string[];
  readonly state: PlanState;
  readonly reason: string;
  readonly would_run: boolean;
  readonly waits_for: readonly string[];
  readonly phase?: string;
  readonly commit?: string;
  readonly text_change?: string;
  readonly attempts: readonly {
    readonly run: string;
    readonly attempt: number;
    readonly steps: readonly ExplainStep[];
  }[];
  readonly next: string;
}

/** One thing that was done; which fields there are depends on `did`. */
export interface ExplainStep {
  readonly did: Passage['did'];
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly ms?: number;
  readonly outcome: NonNullable<Passage['outcome']> | 'unfinished';
  readonly message?: string;
  readonly agent?: string;
  readonly round?: number;
  readonly cost_usd?: number;
  readonly findings?: readonly Finding[];
  readonly unmet?: readonly CriterionAnswer[];
  readonly of?: 'work' | 'candidate' | 'base' | 'stage' | 'head';
  /** Checks that ran once more on the same tree, where they had been expected to pass. */
  readonly again?: true;
  readonly checks?: readonly CheckResult[];
  readonly commit?: string;
  /** Absolute. */
  readonly log?: string;
}

export function explainDocument(known: Explanation): ExplainDocument {
  const { subject, position, missing, now, change, attempts, next } = known;
  const { id, stage, title, file, state, reason, dependsOn, commit } = subject;
  return {
    schema: 1,
    id,
    stage,
    title,
    file,
    depends_on: dependsOn,
    state,
    reason,
    would_run: position !== undefined,
    waits_for: missing,
    ...(now === undefined ? {} : { phase: now.phase }),
    ...(commit === undefined ? {} : { commit }),
    ...(change === undefined ? {} : { text_change: change }),
    attempts: attempts.map(({ run, attempt, passages }) => ({
      run,
      attempt,
      steps: passages.map((passage) => stepDocument(passage, (name) => known.logOf(run, name))),
    })),
    next,
  };
}

function stepDocument(passage: Passage, logOf: (name: string) => string): ExplainStep {
  const { did, at, ms, outcome, message } = passage;
  return {
    did,
    at: new Date(at).toISOString(),
    ...(ms === undefined ? {} : { ms }),
    outcome: outcome ?? 'unfinished',
    ...(message === undefined ? {} : { message }),
    ...('agent' in passage
      ? {
          agent: passage.agent,
          round: passage.round,
          cost_usd: passage.costUsd,
          findings: passage.findings,
          unmet: passage.unmet,
        }
      : {}),
    ...(passage.did === 'check'
      ? { of: passage.of, ...(passage.again ? { again: passage.again } : {}), checks: passage.results }
      : {}),
    ...('commit' in passage && passage.commit !== undefined ? { commit: passage.commit } : {}),
    ...('log' in passage ? { log: logOf(passage.log) } : {}),
  };
}

/** Lines of a failed check's output that are shown; the log has all. */
const TAIL_LINES = 10;

export function explainText(known: Explanation, color: boolean): string {
  const paint = painter(color);
  const { subject, position, missing, now, change, attempts, next } = known;
  const { id, title, file, state, reason } = subject;
  const lines = [
    `${paint('bold', oneLine(id))} ${oneLine(title)} (${oneLine(file)})`,
    `${state}: ${oneLine(reason)}`,
  ];
  if (now !== undefined) {
    const waits = now.waits === undefined ? '' : `, ${oneLine(now.waits)}`;
    lines.push(`in run ${oneLine(now.run)}: ${now.phase}${waits}`);
  }
  lines.push(
    position === undefined
      ? 'A run would leave it.'
      : `A run would take it up, as number ${position}${missing.length === 0 ? '' : `, after ${names(missing, 20)}`}.`,
  );
  if (change !== undefined) {
    lines.push('', 'Its text has changed since it landed:');
    for (const line of change.trimEnd().split('\n')) lines.push(`  ${paintDiff(paint, oneLineKept(line))}`);
  }
  for (const { run, attempt, passages } of attempts) {
    lines.push(
      '',
      paint('bold', attempt === 0 ? `Run ${oneLine(run)}` : `Attempt ${attempt}, run ${oneLine(run)}`),
    );
    for (const passage of passages) {
      lines.push(...passageLines(passage, paint, (name) => known.logOf(run, name)));
    }
  }
  if (attempts.length === 0) lines.push('', 'No run has begun it.');
  if (known.report !== undefined) lines.push('', `Report: ${oneLine(known.report)}`);
  lines.push('', `Next: ${oneLine(next)}`);
  return `${lines.join('\n')}\n`;
}

/** A line made harmless, its indentation kept. */
const oneLineKept = (line: string): string => /^ */.exec(line)?.[0] + oneLine(line);

const paintDiff = (paint: Paint, line: string): string =>
  line.startsWith('+') ? paint('green', line) : line.startsWith('-') ? paint('red', line) : line;

function passageLines(passage: Passage, paint: Paint, logOf: (name: string) => string): string[] {
  const { did, ms, outcome, message } = passage;
  const who = 'agent' in passage ? ` by ${oneLine(passage.agent)}` : '';
  const round = 'agent' in passage && passage.round > 0 ? `, round ${passage.round}` : '';
  const more = did === 'check' && passage.again ? ', once more on the same tree' : '';
  const what = did === 'check' ? `${CHECK_WORDS[passage.of]}${more}` : `${did}${who}${round}`;
  const facts = [
    ...(ms === undefined ? [] : [formatDuration(ms)]),
    ...('agent' in passage && passage.costUsd > 0 ? [formatUsd(passage.costUsd)] : []),
  ];
  const good = outcome !== undefined && GOOD.has(outcome);
  const word = paint(outcome === undefined ? 'yellow' : good ? 'green' : 'red', outcome ?? 'unfinished');
  const lines = [
    `  ${what}: ${word}${'commit' in passage && passage.commit !== undefined ? ` as ${shortOid(passage.commit)}` : ''}` +
      `${facts.length === 0 ? '' : ` (${facts.join(', ')})`}${message === undefined ? '' : `: ${oneLine(message)}`}`,
  ];
  if ('findings' in passage) {
    for (const { severity, file, line, problem } of passage.findings) {
      const place = file === undefined ? '' : ` ${oneLine(file)}${line === undefined ? '' : `:${line}`}`;
      lines.push(`    ${severity}${place}: ${oneLine(problem)}`);
    }
    for (const { text } of passage.unmet) lines.push(`    unmet: ${oneLine(text)}`);
  }
  if (passage.did === 'check') {
    for (const { command, kind, exit, tail } of passage.results) {
      if (kind === 'passed') continue;
      lines.push(`    ${oneLine(command)}: ${kind}${exit === undefined ? '' : `, exit ${exit}`}`);
      const said = tail.trimEnd().split('\n').slice(-TAIL_LINES);
      for (const line of said) if (line !== '') lines.push(`      ${oneLineKept(line)}`);
    }
  }
  if ('log' in passage) lines.push(paint('dim', `    ${oneLine(logOf(passage.log))}`));
  return lines;
}

const GOOD: ReadonlySet<string> = new Set(['finished', 'approved', 'passed', 'built', 'landed']);

const CHECK_WORDS = {
  work: 'checks',
  candidate: 'checks of the merged tree',
  base: 'checks of the target',
  stage: 'checks of the stage',
  head: 'checks of the target as it was moved',
} as const;
