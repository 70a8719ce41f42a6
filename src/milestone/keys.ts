/** What front matter may say. Its keys are promises: see the table in the documentation. */
import { z } from 'zod';
import { ALLOWANCES, type Allowance } from '../model/change.js';
import type { Approval } from '../model/decision.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { parseDuration } from '../model/duration.js';
import type { MilestoneId, Requirement } from '../model/milestone.js';
import { nearest } from '../model/nearest.js';
import { shown, shownValue } from '../model/shown.js';
import type { FrontMatter } from './front-matter.js';
import { parseId } from './name.js';

/** Front matter, checked: what is absent was not said. */
export interface Keys {
  readonly title?: string;
  readonly dependsOn?: readonly MilestoneId[];
  readonly agent?: string;
  readonly reviewer?: string;
  readonly reviewers?: readonly string[];
  readonly role?: string;
  readonly model?: string;
  readonly checks?: readonly string[];
  readonly paths?: readonly string[];
  readonly allow?: readonly Allowance[];
  readonly estimateMinutes?: number;
  readonly timeoutMs?: number;
  readonly retries?: number;
  readonly reviewRounds?: number;
  readonly priority?: number;
  readonly requires?: readonly Requirement[];
  readonly env?: Readonly<Record<string, string>>;
  readonly approval?: Approval | 'none';
  readonly enabled?: boolean;
}

/** Words of the design that this version refuses. */
export const LATER_KEYS: ReadonlySet<string> = new Set(['budget_usd', 'resources']);

/** Timers take no more than 2^31 ms. */
const LONGEST_MS = 24 * 24 * 3_600_000;

const agentName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const command = z
  .string()
  .trim()
  .min(1)
  .regex(/^[^\u0000]*$/);
const count = z.int().min(0).max(100);
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/);
/** What JSON Schema can say of a list of ids, and of a path that stays in the repository. */
const IDS = '^[,\\s]*(?:(?!0+[A-Z])\\d{1,3}[A-Z]{1,2}(?:[,\\s]+|$))*$';
const PATH_INSIDE = '^(?![/\\\\]|[A-Za-z]:)(?!(?:.*[/\\\\])?\\.\\.(?:[/\\\\]|$))[^\\u0000-\\u001f]+$';

/** A path that stays in the repository. */
const inside = z
  .string()
  .min(1)
  .regex(/^(?![/\\]|[A-Za-z]:)[^\u0000-\u001f]+$/)
  .refine((path) => !path.split(/[/\\]/).includes('..'))
  .meta({ pattern: PATH_INSIDE });
const requirement = z.union([
  z.strictObject({ command }),
  z.strictObject({ file: inside }),
  z.strictObject({ env: variable }),
]);

const frontMatter = z.strictObject({
  title: z.string().trim().min(1).optional(),
  depends_on: z
    .array(
      z
        .string()
        .refine((text) => wordsOf(text).every(parseId))
        .meta({ pattern: IDS }),
    )
    .optional(),
  agent: agentName.optional(),
  reviewer: agentName.optional(),
  reviewers: z.array(agentName).min(1).max(9).optional(),
  role: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/)
    .optional(),
  model: z
    .string()
    .regex(/^[A-Za-z0-9@][\w./:@[\]+-]{0,199}$/)
    .optional(),
  checks: z.array(command).optional(),
  paths: z.array(inside).optional(),
  allow: z.array(z.enum(ALLOWANCES)).optional(),
  estimate: z
    .string()
    .refine((text) => parseDuration(text) !== undefined)
    .optional(),
  timeout: z
    .string()
    .refine((text) => {
      const ms = parseDuration(text, 'clock') ?? 0;
      return ms > 0 && ms <= LONGEST_MS;
    })
    .optional(),
  retries: count.optional(),
  review_rounds: count.optional(),
  priority: z.int().optional(),
  requires: z.array(requirement).optional(),
  env: z
    .record(
      variable
        .refine((name) => !/^(?:MSTONE|GIT)_/i.test(name))
        .meta({ pattern: '^(?!(?:[Mm][Ss][Tt][Oo][Nn][Ee]|[Gg][Ii][Tt])_)[A-Za-z_][A-Za-z0-9_]*$' }),
      z.union([z.string().regex(/^[^\u0000]*$/), z.number(), z.boolean()]),
    )
    .optional(),
  approval: z.enum(['before', 'merge', 'none']).optional(),
  enabled: z.boolean().optional(),
});

/** One entry needs no brackets. */
const LISTS = new Set(['depends_on', 'checks', 'paths', 'allow', 'requires', 'reviewers']);

type Key = keyof z.infer<typeof frontMatter>;

const EXPECTED: Readonly<Record<Key, string>> = {
  title: 'a line of text',
  depends_on: 'a list of milestone ids, such as `[1A, 1B]`',
  agent: "an agent's name",
  reviewer: "an agent's name",
  reviewers: 'a list of agents and roles, such as `[claude, codex, security]`',
  role: "a role's name, such as `docs`, in small letters",
  model: "a model's name as the agent's CLI takes it, such as `sonnet`",
  checks: 'a list of shell commands, such as `["npm test"]`',
  paths: 'a list of patterns of files in the repository, such as `["src/api/**"]`',
  allow: `a list of what its work may do: ${ALLOWANCES.join(', ')}`,
  estimate: 'a duration with its unit, such as `45m` or `2 hours`',
  timeout: 'a duration with its unit, such as `45m`, of at most 24 days',
  retries: 'a whole number from 0 to 100',
  review_rounds: 'a whole number from 0 to 100',
  priority: 'a whole number; higher goes first',
  requires:
    'a list of `{command: "node --version"}`, `{file: package.json}` or `{env: API_URL}`; files are in the repository',
  env: 'a mapping from names of variables to text; names that begin with MSTONE_ or GIT_ are taken',
  approval:
    '`before`, `merge` or `none`: whether a person is asked before an agent starts, or before it lands',
  enabled: '`true` or `false`',
};

/** Every key of front matter. */
export const frontMatterKeys: readonly string[] = Object.keys(EXPECTED);

/** Front matter as JSON Schema, for editors. What it accepts is accepted here; durations are only checked here. */
export function frontMatterSchema(): object {
  const { properties = {}, ...rest } = z.toJSONSchema(frontMatter, { io: 'input' });
  return {
    ...rest,
    properties: Object.fromEntries(
      Object.entries(EXPECTED).map(([key, description]) => {
        const schema = Object(properties[key]);
        const shape = LISTS.has(key) ? { anyOf: [schema, schema.items] } : schema;
        return [key, { description, ...shape }];
      }),
    ),
  };
}

/** Checks what a head says. Every problem is reported; a key with one counts as not said. */
export function readKeys(file: string, front: FrontMatter): { keys: Keys; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const complain = (
    path: readonly PropertyKey[],
    rest: Omit<Diagnostic, 'severity' | 'file' | 'line'>,
  ): void => {
    diagnostics.push({ severity: 'error', file, line: front.lineOf(path), ...rest });
  };

  const said: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(front.data)) {
    if (LATER_KEYS.has(key)) {
      complain([key], {
        code: 'unsupported-key',
        message: `\`${key}\` is not supported yet`,
        fix: 'remove the line',
      });
    } else if (!Object.hasOwn(EXPECTED, key)) {
      const meant = nearest(key, Object.keys(EXPECTED));
      complain([key], {
        code: 'unknown-key',
        message: `\`${shown(key)}\` is not a key of a milestone`,
        expected: `one of ${Object.keys(EXPECTED).join(', ')}`,
        ...(meant && { fix: `did you mean \`${meant}\`?` }),
      });
    } else if (value !== null) {
      // `depends_on:` with nothing behind it, as a template has it, says nothing.
      said[key] = LISTS.has(key) && !Array.isArray(value) ? [value] : value;
    }
  }

  const wrong = new Set<string>();
  if (said.reviewer !== undefined && said.reviewers !== undefined) {
    complain(['reviewers'], {
      code: 'reviewers-twice',
      message: '`reviewer` and `reviewers` both say who reviews',
    });
  }
  for (const { path } of frontMatter.safeParse(said).error?.issues ?? []) {
    const key = String(path[0]);
    wrong.add(key);
    const found = at(said, path);
    const capitals = key === 'depends_on' && typeof found === 'string' ? found.toUpperCase() : '';
    complain(path, {
      code: 'invalid-value',
      message: `\`${path.map((step) => shown(String(step))).join('.')}\` cannot be read`,
      expected: EXPECTED[key as Key],
      found: shownValue(found),
      ...(capitals !== '' && wordsOf(capitals).every(parseId) && { fix: `write \`${capitals.trim()}\`` }),
    });
  }
  const checked = frontMatter.parse(
    Object.fromEntries(Object.entries(said).filter(([key]) => !wrong.has(key))),
  );

  const dependsOn = checked.depends_on?.flatMap((text) =>
    wordsOf(text).flatMap((word) => parseId(word)?.id ?? []),
  );
  const estimateMs = checked.estimate === undefined ? undefined : parseDuration(checked.estimate);
  const timeoutMs = checked.timeout === undefined ? undefined : parseDuration(checked.timeout, 'clock');
  const env = checked.env && textValues(checked.env, front);
  const {
    title,
    agent,
    reviewer,
    reviewers,
    role,
    model,
    checks,
    paths,
    allow,
    retries,
    review_rounds: reviewRounds,
    priority,
    requires,
    approval,
    enabled,
  } = checked;

  const keys: Keys = {
    ...(title !== undefined && { title }),
    ...(dependsOn && { dependsOn: [...new Set(dependsOn)] }),
    ...(agent !== undefined && { agent }),
    ...(reviewer !== undefined && { reviewer }),
    ...(reviewers !== undefined && { reviewers }),
    ...(role !== undefined && { role }),
    ...(model !== undefined && { model }),
    ...(checks && { checks }),
    ...(paths && { paths }),
    ...(allow && { allow: [...new Set(allow)] }),
    ...(estimateMs !== undefined && { estimateMinutes: estimateMs / 60_000 }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(retries !== undefined && { retries }),
    ...(reviewRounds !== undefined && { reviewRounds }),
    ...(priority !== undefined && { priority }),
    ...(requires && { requires }),
    ...(env && { env }),
    ...(approval !== undefined && { approval }),
    ...(enabled !== undefined && { enabled }),
  };
  return { keys, diagnostics };
}

/** `1A, 1B` in one string is as good as a list. */
const wordsOf = (text: string): string[] => text.split(/[,\s]+/).filter((word) => word !== '');

/** A number in `env` is the text that was written: `010` stays `010`. */
const textValues = (env: Readonly<Record<string, unknown>>, front: FrontMatter): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : (front.sourceOf(['env', name]) ?? String(value)),
    ]),
  );

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, step) : undefined),
    value,
  );
}
