/**
 * A reviewer's answer, read and weighed.
 *
 * Reading is lenient in form (a null for an absent field, a severity in capitals) and strict in substance:
 * what is missing is never taken for a yes. Weighing is design's step 3: only an answer that says approve,
 * answers every stated criterion as met and holds nothing that blocks, approves.
 */
import { z } from 'zod';
import type { Severity } from '../model/config.js';
import type { CriterionAnswer, Finding, Judgement, Verdict } from '../model/verdict.js';
import { plainLine, plainText } from './text.js';

export type VerdictReply =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'unreadable'; readonly why: string };

const MOST_FINDINGS = 200;
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
  const { verdict, criteria, findings, summary } = parsed.data;
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
      ...(summary ? { summary } : {}),
    },
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

/**
 * What an answer is worth for a milestone that states these criteria, where findings of these severities
 * block. Anything but `approved` approves nothing; `unreadable` is to be asked for once more, with `why`.
 */
export function judge(
  reply: VerdictReply,
  criteria: readonly string[],
  blockOn: readonly Severity[],
): Judgement {
  if (reply.kind === 'unreadable') return reply;
  const { verdict } = reply;
  const { unmet, missing } = held(verdict.criteria, criteria);
  const blocking = verdict.findings.filter((each) => blockOn.includes(each.severity));

  if (verdict.verdict === 'approve') {
    const objections = [
      ...unmet.map((answer) => `it answers "${brief(answer.text)}" as not met`),
      ...missing.map((text) => `it does not answer the exit criterion "${brief(text)}"`),
      ...blocking.map((each) => `its finding ${each.id} is a ${each.severity}`),
    ];
    if (objections.length === 0) return { kind: 'approved', notes: verdict.findings };
    return { kind: 'unreadable', why: `it says approve, but ${listed(objections)}` };
  }

  if (blocking.length === 0 && unmet.length === 0) {
    const bar = blockOn.length === 0 ? 'no severity blocks here' : `blocking are ${blockOn.join(' and ')}`;
    return {
      kind: 'unreadable',
      why: `it says request_changes, but holds no blocking finding (${bar}) and answers no criterion as not met`,
    };
  }
  return {
    kind: 'refused',
    findings: [...blocking, ...verdict.findings.filter((each) => !blocking.includes(each))],
    unmet,
  };
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
