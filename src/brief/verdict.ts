/**
 * A reviewer's answer, read and weighed.
 *
 * Reading is lenient in form (a null for an absent field, a severity in capitals) and strict in substance:
 * what is missing is never taken for a yes. Weighing is design's step 3: only an answer that says approve,
 * answers every stated criterion as met and holds nothing that blocks, approves.
 */
import { z } from 'zod';
import type { Severity } from '../model/config.js';
import type { CriterionAnswer, Finding, FindingAnswer, Judgement, Note, Verdict } from '../model/verdict.js';
import { type Grounds, groundsOf } from './cites.js';
import { plainLine, plainText } from './text.js';

export type VerdictReply =
  /** `left`: findings beyond those that are looked at. */
  | { readonly kind: 'verdict'; readonly verdict: Verdict; readonly left?: number }
  | { readonly kind: 'unreadable'; readonly why: string };

/** Findings and answers of one verdict that are looked at. */
export const MOST_FINDINGS = 200;
const LINE = 500;
const PROSE = 4_000;
/** Most severe first. */
const SEVERITIES: readonly Severity[] = ['blocker', 'major', 'minor', 'nit'];

const line = z.string().transform((text) => plainLine(text, LINE));
const prose = z.string().transform((text) => plainText(text, PROSE));
/** Many writers of JSON say null where they mean nothing. */
const maybe = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);
const word = <const T extends readonly [string, ...string[]]>(words: T) =>
  z
    .preprocess((value) => (typeof value === 'string' ? value.trim().toLowerCase() : value), z.enum(words))
    .meta({ type: 'string', enum: words });

const FindingSchema = z.object({
  id: maybe(z.union([z.string(), z.number()]).transform((id) => plainLine(String(id), 40))),
  severity: word(['blocker', 'major', 'minor', 'nit']),
  cites: maybe(line),
  file: maybe(line),
  // A line that is no line (0, "12-14") is no reason to lose the finding.
  line: z
    .unknown()
    .optional()
    .transform((value) => (Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : undefined))
    .meta({ type: ['integer', 'null'], minimum: 1 }),
  problem: prose.refine((text) => text !== '', 'says nothing'),
  suggestion: maybe(prose),
});

const VerdictSchema = z.object({
  verdict: word(['approve', 'request_changes']),
  criteria: maybe(z.array(z.object({ text: line, met: z.boolean(), evidence: maybe(prose) }))),
  findings: z.array(FindingSchema),
  answers: maybe(
    z.array(
      z.object({
        id: z.union([z.string(), z.number()]).transform((id) => plainLine(String(id), 40)),
        answer: word(['fixed', 'still', 'withdrawn']),
        why: maybe(prose),
      }),
    ),
  ),
  score: maybe(z.number().min(0).max(1)),
  allows: maybe(
    z.array(z.object({ fact: line, because: prose.refine((text) => text !== '', 'says nothing') })),
  ),
  summary: maybe(prose),
});

/** A verdict line as JSON Schema, as it is asked for; reading it is more lenient. */
export function verdictSchema(): object {
  const { properties, required = [], ...rest } = z.toJSONSchema(VerdictSchema, { io: 'input' });
  return {
    ...rest,
    properties: { mstone: { const: 'verdict' }, ...properties },
    required: ['mstone', ...required],
  };
}

/**
 * The `{"mstone":"verdict",…}` objects that a reviewer printed, in order → its answer. The last counts,
 * also where it is damaged and an earlier one is not: the reviewer meant to replace that.
 */
export function readVerdict(lines: readonly unknown[]): VerdictReply {
  if (lines.length === 0) return { kind: 'unreadable', why: 'it printed no verdict line' };
  const parsed = VerdictSchema.safeParse(lines.at(-1));
  if (!parsed.success) {
    const problems = parsed.error.issues.slice(0, 3).map((issue) => {
      const where = issue.path.map((step) => plainLine(String(step), 40)).join('.');
      return `${where === '' ? 'it' : where}: ${plainLine(issue.message, 200)}`;
    });
    return {
      kind: 'unreadable',
      why: `its verdict line does not have the form asked for (${problems.join('; ')})`,
    };
  }
  const { verdict, criteria, findings, answers, score, allows, summary } = parsed.data;
  const left = Math.max(0, findings.length - MOST_FINDINGS);
  return {
    kind: 'verdict',
    verdict: {
      verdict,
      criteria: (criteria ?? []).map((answer) => ({
        text: answer.text,
        met: answer.met,
        ...(answer.evidence ? { evidence: answer.evidence } : {}),
      })),
      findings: named(mostSevere(findings.map(finding))),
      ...(answers && answers.length > 0
        ? {
            answers: answers
              .slice(0, MOST_FINDINGS)
              .map(({ id, answer, why }) => ({ id, answer, ...(why ? { why } : {}) })),
          }
        : {}),
      ...(score === undefined ? {} : { score }),
      ...(allows && allows.length > 0 ? { allows: allows.slice(0, MOST_FINDINGS) } : {}),
      ...(summary ? { summary } : {}),
    },
    ...(left === 0 ? {} : { left }),
  };
}

function finding(said: z.infer<typeof FindingSchema>): Finding {
  return {
    id: said.id ?? '',
    severity: said.severity,
    ...(said.cites ? { cites: said.cites } : {}),
    ...(said.file ? { file: said.file } : {}),
    ...(said.line ? { line: said.line } : {}),
    problem: said.problem,
    ...(said.suggestion ? { suggestion: said.suggestion } : {}),
  };
}

/** All where they are few, else the most severe, in the reviewer's order within a severity. */
function mostSevere(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= MOST_FINDINGS) return findings;
  return SEVERITIES.flatMap((severity) => findings.filter((each) => each.severity === severity)).slice(
    0,
    MOST_FINDINGS,
  );
}

/** Every finding gets a name, and no two the same: an answer to `F1` must mean one thing. */
function named(findings: readonly Finding[]): Finding[] {
  const taken = new Set(findings.map((each) => each.id));
  const used = new Set<string>();
  let next = 1;
  return findings.map((each) => {
    if (each.id !== '' && !used.has(each.id)) {
      used.add(each.id);
      return each;
    }
    while (taken.has(`F${next}`)) next += 1;
    const id = `F${next}`;
    taken.add(id);
    used.add(id);
    return { ...each, id };
  });
}

/** What changed since a reviewer saw the work: each file with the lines of now, 1-based, both included. */
export type Changed = ReadonlyMap<string, readonly (readonly [from: number, to: number])[]>;

/** What a verdict is held against. */
export interface Terms extends Grounds {
  /** Severities that hold work back. */
  readonly blockOn: readonly Severity[];
  /** An approval needs this score at least, 0 to 1. */
  readonly threshold?: number;
  /** In a second and later round: what it held against the work, and what changed since; undefined: all may have. */
  readonly earlier?: { readonly findings: readonly Finding[]; readonly changed?: Changed };
}

/**
 * What an answer is worth under these terms. Anything but `approved` approves nothing; `unreadable` is to be
 * asked for once more, with `why`. A finding blocks where all of this holds, and is a note otherwise:
 *
 * - its severity is one of `blockOn`;
 * - what it cites is an exit criterion, a check or a rule (`cites.ts`);
 * - the file it names is there (`absent` are those that are not);
 * - in a second and later round: it was held against the work before and is answered as `still`, or it lies
 *   in what changed since, or it is a `blocker` that cites an exit criterion.
 */
export function judge(reply: VerdictReply, terms: Terms, absent: ReadonlySet<string> = new Set()): Judgement {
  if (reply.kind === 'unreadable') return reply;
  const { criteria, blockOn, threshold } = terms;
  const { unmet, missing } = held(reply.verdict.criteria, criteria);
  const { verdict, unanswered } = answered(reply.verdict, terms.earlier?.findings ?? []);
  const weighed = weigh(verdict.findings, terms, absent);
  const blocking = weighed.filter((each) => each.because === undefined);
  const notes = weighed.flatMap(({ finding, because }): Note[] =>
    because === undefined ? [] : [because === LIGHT ? finding : { ...finding, because }],
  );
  const said = {
    ...(verdict.criteria.length === 0 ? {} : { criteria: verdict.criteria.slice(0, MOST_FINDINGS) }),
    ...(verdict.answers === undefined ? {} : { answers: verdict.answers }),
    ...(verdict.score === undefined ? {} : { score: verdict.score }),
    ...(verdict.allows === undefined ? {} : { allows: verdict.allows }),
    ...(verdict.summary === undefined ? {} : { summary: verdict.summary }),
  };
  const silent = unanswered.map((id) => `it does not answer its finding ${id} (fixed, still or withdrawn)`);

  if (verdict.verdict === 'approve') {
    const { score } = verdict;
    const objections = [
      ...unmet.map((answer) => `it answers "${brief(answer.text)}" as not met`),
      ...missing.map((text) => `it does not answer the exit criterion "${brief(text)}"`),
      ...blocking.map(({ finding: { id, severity } }) => `its finding ${id} is a ${severity}`),
      ...silent,
      ...(threshold === undefined
        ? []
        : score === undefined
          ? [`it gives no score, which an approval needs here (at least ${threshold})`]
          : score < threshold
            ? [`its score of ${score} is below ${threshold}`]
            : []),
    ];
    if (objections.length === 0) return { kind: 'approved', notes, ...said };
    return { kind: 'unreadable', why: `it says approve, but ${listed(objections)}` };
  }

  if (blocking.length === 0 && unmet.length === 0) {
    const bar = blockOn.length === 0 ? 'no severity blocks here' : `blocking are ${blockOn.join(' and ')}`;
    const heavy = notes.flatMap(({ id, because }) => (because === undefined ? [] : [`${id} ${because}`]));
    return {
      kind: 'unreadable',
      why:
        `it says request_changes, but holds no blocking finding (${bar}) and answers no criterion as not met` +
        (heavy.length === 0 ? '' : `: ${listed(heavy)}`),
    };
  }
  if (silent.length > 0) return { kind: 'unreadable', why: listed(silent) };
  return {
    kind: 'refused',
    findings: blocking.map(({ finding }) => finding),
    unmet,
    ...(notes.length === 0 ? {} : { notes }),
    ...said,
  };
}

/** Its severity says why it is a note. */
const LIGHT = 'does not block';

function weigh(
  findings: readonly Finding[],
  terms: Terms,
  absent: ReadonlySet<string>,
): { readonly finding: Finding; readonly because?: string }[] {
  const groundFor = groundsOf(terms);
  const { blockOn, earlier } = terms;
  const before = new Set(earlier?.findings.map(({ id }) => id));
  return findings.map((finding) => {
    const { id, severity, cites, file } = finding;
    if (!blockOn.includes(severity)) return { finding, because: LIGHT };
    if (file !== undefined && absent.has(file)) {
      return { finding, because: `names ${plainLine(file, 120)}, and there is no such file` };
    }
    const ground = groundFor(cites);
    // What has blocked goes on blocking: its ground was found then.
    if (before.has(id))
      return { finding: ground === undefined ? finding : { ...finding, cites: ground.text } };
    if (ground === undefined) {
      return {
        finding,
        because:
          cites === undefined
            ? 'cites no exit criterion, check or rule'
            : `cites "${brief(cites)}", which is no exit criterion, check or rule here`,
      };
    }
    // In full, however it was cited: the same over rounds, and plain to the author.
    const grounded = { finding: { ...finding, cites: ground.text } };
    if (earlier === undefined || isIn(earlier.changed, finding)) return grounded;
    if (severity === 'blocker' && ground.is === 'criterion') return grounded;
    return { finding, because: 'is new, and not in what changed since the last review' };
  });
}

/** A finding without a line is about its file; one without a file is about no change in particular. */
function isIn(changed: Changed | undefined, { file, line: at }: Finding): boolean {
  if (changed === undefined) return true;
  const ranges = file === undefined ? undefined : changed.get(file.replace(/^\.\//, ''));
  if (ranges === undefined) return false;
  return at === undefined || ranges.some(([from, to]) => at >= from && at <= to);
}

/**
 * A verdict whose findings bear the names of before where they are those of before, and no other's. A finding
 * that is repeated under its name is `still` there, and one that is said to be so is held against the work
 * as it was, also where it is not repeated.
 */
function answered(
  verdict: Verdict,
  earlier: readonly Finding[],
): { readonly verdict: Verdict; readonly unanswered: readonly string[] } {
  const said = new Map<string, FindingAnswer>();
  for (const answer of verdict.answers ?? []) if (!said.has(answer.id)) said.set(answer.id, answer);
  const gone = (id: string): boolean => (said.get(id)?.answer ?? 'still') !== 'still';
  const names = new Set([...earlier, ...verdict.findings].map(({ id }) => id));
  const findings: Finding[] = [];
  const repeated = new Set<string>();
  let number = 1;
  for (const finding of verdict.findings) {
    const before = earlier.find(({ id }) => id === finding.id);
    if (before === undefined) findings.push(finding);
    else if (!gone(finding.id)) {
      repeated.add(finding.id);
      findings.push({
        ...finding,
        ...((finding.cites ?? before.cites) ? { cites: finding.cites ?? before.cites } : {}),
      });
    } else {
      // Another finding under the name of one that is answered.
      while (names.has(`F${number}`)) number += 1;
      names.add(`F${number}`);
      findings.push({ ...finding, id: `F${number}` });
    }
  }
  const answers: FindingAnswer[] = [];
  const unanswered: string[] = [];
  for (const before of earlier) {
    const answer = said.get(before.id);
    if (answer !== undefined) answers.push(answer);
    else if (repeated.has(before.id)) answers.push({ id: before.id, answer: 'still' });
    else unanswered.push(before.id);
    if (answer?.answer === 'still' && !repeated.has(before.id)) findings.push(before);
  }
  const { answers: _answers, ...rest } = verdict;
  return { verdict: { ...rest, findings, ...(answers.length === 0 ? {} : { answers }) }, unanswered };
}

/**
 * The reviewer's answers held against the stated criteria.
 *
 * An answer belongs to the criterion whose text it repeats: case, spacing, backticks, asterisks, a leading
 * number or bullet and a full stop at the end make no difference. Criteria left over go by number, and only
 * where every answer bears one, 1 to n, each once, n being the count of criteria: the prompt shows them
 * numbered, and some reviewers answer in words of their own. Position alone proves nothing.
 *
 * An answer `met: false` counts even where no stated criterion matches it: for a milestone that states
 * none, its tasks stand in. A criterion answered twice is met only if both say so.
 */
function held(
  answers: readonly CriterionAnswer[],
  criteria: readonly string[],
): { readonly unmet: readonly CriterionAnswer[]; readonly missing: readonly string[] } {
  const byText = new Map<string, CriterionAnswer[]>();
  const file = (key: string, answer: CriterionAnswer): void => {
    const same = byText.get(key);
    if (same === undefined) byText.set(key, [answer]);
    else same.push(answer);
  };
  for (const answer of answers) {
    const whole = normal(answer.text);
    const bare = normal(withoutNumber(answer.text));
    file(whole, answer);
    if (bare !== whole) file(bare, answer);
  }

  const stated = criteria.map((text) => plainLine(text, LINE));
  const textOf = new Map<CriterionAnswer, string>();
  for (const text of stated) {
    for (const answer of byText.get(normal(text)) ?? []) textOf.set(answer, text);
  }
  const byNumber = numbered(answers, stated.length);
  const missing: string[] = [];
  stated.forEach((text, index) => {
    if (byText.has(normal(text))) return;
    const answer = byNumber?.[index];
    // An answer that repeats another criterion's text answers that one, whatever its number.
    if (answer === undefined || textOf.has(answer)) missing.push(text);
    else textOf.set(answer, text);
  });
  return {
    unmet: answers
      .filter((answer) => !answer.met)
      .slice(0, MOST_FINDINGS)
      .map((answer) => ({ ...answer, text: textOf.get(answer) ?? answer.text })),
    missing,
  };
}

const normal = (text: string): string =>
  plainLine(text, LINE)
    .replace(/^[-*+] +(?:\[[ xX]\] +)?/, '')
    .replace(/[`*]/g, '')
    .replace(/[.;]+$/, '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();

/** `2. …`, `2) …`, `#2: …`, `C2: …`, `Criterion 2: …`, or such a number alone. */
const NUMBER = /^(?:criterion\s+|#|c)?(\d{1,4})(?:[.):](?=\s|$)\s*|$)/i;

const withoutNumber = (text: string): string => text.replace(NUMBER, '');

/** The answers in the order of their numbers, where they bear exactly 1 to `count`. */
function numbered(
  answers: readonly CriterionAnswer[],
  count: number,
): readonly CriterionAnswer[] | undefined {
  if (answers.length !== count) return undefined;
  const order: (CriterionAnswer | undefined)[] = Array.from({ length: count });
  for (const answer of answers) {
    const number = Number(NUMBER.exec(answer.text)?.[1] ?? 0);
    if (number < 1 || number > count || order[number - 1] !== undefined) return undefined;
    order[number - 1] = answer;
  }
  return order.filter((answer) => answer !== undefined);
}

const brief = (text: string): string => (text.length <= 120 ? text : `${text.slice(0, 119)}…`);

const listed = (sentences: readonly string[]): string => {
  const shown = sentences.slice(0, 5);
  const more = sentences.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
};
