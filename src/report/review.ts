/**
 * The review report of a milestone or of a stage's gate, as Markdown: who reviewed, round by round what each said
 * of every criterion, what it found and what became of that, what the checks said, what it cost.
 *
 * All text from agents, milestones and programs is escaped: in a viewer of Markdown it is words and nothing else.
 */
import type { CheckResult } from '../model/outcome.js';
import type { CriterionAnswer, FindingAnswer, Note } from '../model/verdict.js';
import type { AttemptRecord, Passage } from '../run/attempts.js';
import { oneLine } from './text.js';
import { formatDuration, formatUsd } from './words.js';

export interface Reported {
  readonly id: string;
  readonly title: string;
  /** Where it stands, in words: `landed`, `asking: …`. */
  readonly standing: string;
  readonly attempts: readonly AttemptRecord[];
  /** Checks that failed and then passed on the same tree. */
  readonly flakes: readonly string[];
}

type Review = Extract<Passage, { did: 'review' | 'implement' | 'remediate' | 'resolve' }>;

const isReview = (passage: Passage): passage is Review => passage.did === 'review';

/** One line that no viewer takes for anything but words. */
export const plain = (text: string): string =>
  oneLine(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_[\]|~$]/g, (mark) => `\\${mark}`)
    // What is a link by itself, and what would begin a heading, a list or a rule.
    .replaceAll('://', '\\://')
    .replace(/\bwww\./gi, 'www\\.')
    .replace(/^[-+=#]/, (mark) => `\\${mark}`)
    .replace(/^(\d+)([.)])/, '$1\\$2');

/** The report, headings from this level on. Ends in a newline. */
export function reviewReport({ id, title, standing, attempts, flakes }: Reported, level = 1): string {
  const head = (deeper: number): string => '#'.repeat(level + deeper);
  const lines = [`${head(0)} ${plain(id)} ${plain(title)}`, '', plain(standing), ''];
  const cost = attempts
    .flatMap(({ passages }) => passages)
    .reduce((sum, passage) => sum + ('costUsd' in passage ? passage.costUsd : 0), 0);
  lines.push(`Agents cost ${formatUsd(cost)}.`, '');
  if (flakes.length > 0) {
    lines.push(`${head(1)} Flakes`, '', ...flakes.map((flake) => `- ${plain(flake)}`), '');
  }
  for (const { run, attempt, passages } of attempts) {
    if (passages.length === 0) continue;
    lines.push(`${head(1)} ${attempt === 0 ? 'Run' : `Attempt ${attempt}, run`} ${plain(run)}`, '');
    let found = 0;
    for (const passage of passages) {
      if (isReview(passage)) {
        found += 1;
        lines.push(...reviewLines(passage, found, passages, head(2)));
      } else if (passage.did === 'check') lines.push(...checkLines(passage), '');
      else lines.push(`${deedOf(passage)}`, '');
    }
    if (found === 0) lines.push('Nobody has reviewed it in this attempt.', '');
  }
  if (attempts.length === 0) lines.push('No run has begun it.', '');
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

function deedOf(passage: Exclude<Passage, { did: 'check' }>): string {
  const { did, outcome, message, ms } = passage;
  const who = 'agent' in passage ? ` by ${plain(passage.agent)}` : '';
  const commit =
    'commit' in passage && passage.commit !== undefined ? ` as ${passage.commit.slice(0, 12)}` : '';
  const facts = [
    ...(ms === undefined ? [] : [formatDuration(ms)]),
    ...('costUsd' in passage && passage.costUsd > 0 ? [formatUsd(passage.costUsd)] : []),
  ];
  return `**${did}**${who}: ${outcome ?? 'unfinished'}${commit}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}${message === undefined ? '' : `, ${plain(message)}`}`;
}

const OF = {
  work: 'Checks',
  candidate: 'Checks of the merged tree',
  base: 'Checks of the target',
  stage: 'Checks of the stage',
  head: 'Checks of the target as it was moved',
} as const;

function checkLines({ of, outcome, results, message }: Extract<Passage, { did: 'check' }>): string[] {
  const said = ({ command, kind, exit }: CheckResult): string =>
    `- ${plain(command)}: ${plain(kind)}${exit === undefined || kind === 'passed' ? '' : `, exit ${exit}`}`;
  return [
    `**${OF[of]}**: ${outcome ?? 'unfinished'}${message === undefined ? '' : `, ${plain(message)}`}`,
    '',
    ...results.map(said),
  ];
}

/** `passages` are those of the same attempt: later verdicts of the same reviewer say what became of a finding. */
function reviewLines(passage: Review, number: number, passages: readonly Passage[], head: string): string[] {
  const { agent, reviewer, role, outcome, message, judgement, ms, costUsd } = passage;
  const who = [
    plain(agent),
    ...(reviewer === undefined || reviewer === agent ? [] : [`as ${plain(reviewer)}`]),
    ...(role === undefined || role === reviewer ? [] : [`in the role ${plain(role)}`]),
  ].join(' ');
  const facts = [
    ...(ms === undefined ? [] : [formatDuration(ms)]),
    ...(costUsd > 0 ? [formatUsd(costUsd)] : []),
  ];
  const lines = [
    `${head} Review ${number} by ${who}: ${outcome ?? 'unfinished'}`,
    '',
    ...(facts.length === 0 ? [] : [facts.join(', '), '']),
    ...(message === undefined ? [] : [plain(message), '']),
  ];
  if (judgement === undefined || judgement.kind === 'unreadable') return lines;
  const { summary, score, criteria = [], answers = [] } = judgement;
  if (summary !== undefined) lines.push(plain(summary), '');
  if (score !== undefined) lines.push(`Score: ${score}`, '');
  if (answers.length > 0) lines.push('Of what it held before:', '', ...answers.map(answerLine), '');
  if (criteria.length > 0) {
    lines.push('| Exit criterion | Met | Evidence |', '|---|---|---|', ...criteria.map(criterionRow), '');
  }
  const later = passages
    .slice(passages.indexOf(passage) + 1)
    .filter(isReview)
    .filter((one) => nameOf(one) === nameOf(passage));
  const held = judgement.kind === 'refused' ? judgement.findings : [];
  if (held.length > 0) {
    lines.push('Held against it:', '');
    for (const finding of held) lines.push(...findingLines(finding, fateOf(finding.id, later)));
    lines.push('');
  }
  const notes = judgement.notes ?? [];
  if (notes.length > 0) {
    lines.push('Notes, which hold nothing back:', '');
    for (const note of notes) lines.push(...findingLines(note, note.because));
    lines.push('');
  }
  return lines;
}

const nameOf = ({ reviewer, agent }: Review): string => reviewer ?? agent;

/** What the first later verdict that speaks of it says. */
function fateOf(id: string, later: readonly Review[]): string {
  for (const { judgement } of later) {
    if (judgement === undefined || judgement.kind === 'unreadable') continue;
    const answer = judgement.answers?.find((one) => one.id === id);
    if (answer === undefined) continue;
    if (answer.answer !== 'still') return answer.answer;
  }
  return later.some(({ judgement }) => judgement?.kind === 'approved') ? 'answered' : 'open';
}

const answerLine = ({ id, answer, why }: FindingAnswer): string =>
  `- ${plain(id)}: ${answer}${why === undefined ? '' : `, ${plain(why)}`}`;

const criterionRow = ({ text, met, evidence = '' }: CriterionAnswer): string =>
  `| ${plain(text)} | ${met ? 'yes' : '**no**'} | ${plain(evidence)} |`;

function findingLines(
  { id, severity, cites, file, line, problem, suggestion }: Note,
  fate: string | undefined,
): string[] {
  const place = file === undefined ? '' : `, ${plain(file)}${line === undefined ? '' : `:${line}`}`;
  return [
    `- **${plain(id)}** ${severity}${place}: ${plain(problem)}`,
    ...(cites === undefined ? [] : [`  - rests on: ${plain(cites)}`]),
    ...(suggestion === undefined ? [] : [`  - suggestion: ${plain(suggestion)}`]),
    ...(fate === undefined ? [] : [`  - ${plain(fate)}`]),
  ];
}
