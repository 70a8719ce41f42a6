/**
 * The formats that mstone promises as JSON Schema (2020-12). They are published under `docs/schemas/`;
 * those of what people write are made from the tables that the reading itself goes by.
 *
 * What people write is closed: an unknown key is an error. What mstone prints is open: fields may come,
 * none goes.
 */
import { verdictSchema } from '../brief/verdict.js';
import { configSchema } from '../config/keys.js';
import { frontMatterSchema } from '../milestone/keys.js';
import { ALLOWANCES } from '../model/change.js';
import type { Chosen, ChosenAgent } from '../model/chosen.js';
import type { Approval } from '../model/decision.js';
import type { Diagnostic } from '../model/diagnostic.js';
import type { Tokens } from '../model/outcome.js';
import type { PlanState } from '../model/plan.js';
import type { Flake } from '../model/state.js';
import type { CostsDocument } from '../report/costs.js';
import type { PlanDocument, StatusDocument, ValidateDocument } from '../report/documents.js';
import type { ExplainDocument, ExplainStep } from '../report/explain.js';
import type { PredictionDocument } from '../report/prediction.js';
import type { ComingConflict, QueueDocument } from '../report/queue.js';
import type { ConfigDocument } from './config.js';
import type { DoctorDocument } from './doctor.js';
import { checkResult, criterion, eventSchema, finding } from './event-schema.js';
import { about, COUNT, list, object, type Schema, TEXT, TEXTS, WHOLE, words } from './schema.js';

const ID = { type: 'string', pattern: '^[1-9]\\d{0,2}[A-Z]{1,2}$' };
const MINUTES = { type: 'number', minimum: 0 };
const IDS = { type: 'array', items: ID };

const VERSION = about('of this document', { const: 1 });

const APPROVAL = words<Approval>({ before: true, merge: true });

const planStates: Readonly<Record<PlanState, true>> = { todo: true, done: true, stale: true, blocked: true };

const planSchema = object<PlanDocument>(
  {
    schema: VERSION,
    target: about('the branch', TEXT),
    milestones: list(
      object<PlanDocument['milestones'][number]>(
        {
          id: ID,
          stage: COUNT,
          title: TEXT,
          file: about('relative to the repository', TEXT),
          depends_on: about('earlier stages come on top', IDS),
          state: words(planStates),
          reason: about('one clause', TEXT),
          approval: about('when a person is asked of it', APPROVAL),
        },
        ['approval'],
      ),
    ),
    run: about('what a run would take up, in its order', IDS),
    chosen: about(
      'what nobody has said and a run would go by',
      object<Chosen>(
        {
          agent: about(
            'who implements what names no agent and has no recipe',
            object<ChosenAgent>(
              {
                name: TEXT,
                from: words<ChosenAgent['from']>({ path: true, configuration: true }),
                version: TEXT,
              },
              ['version'],
            ),
          ),
          recipes: about('implemented by their own `## Recipe`', IDS),
          unreviewed: about('those of them that nobody reviews', IDS),
          checks: about(
            'where there is no mstone.yaml; `from` is the file that told of it',
            list(object<NonNullable<Chosen['checks']>[number]>({ command: TEXT, from: TEXT })),
          ),
          worktrees: about(
            'where there is no mstone.yaml',
            object<NonNullable<Chosen['worktrees']>>({ setup: TEXTS, copy: TEXTS, keep: TEXTS }),
          ),
        },
        ['agent', 'checks', 'worktrees'],
      ),
    ),
    prediction: about(
      'how long a run would take, limits and retries left out; absent where nothing is to run',
      object<PredictionDocument>(
        {
          jobs: about('agents at once', COUNT),
          minutes: MINUTES,
          critical_path: about('each waits for the one before it', IDS),
          more: about(
            'the fewest agents with which it takes hardly longer than with any number of them',
            object<NonNullable<PredictionDocument['more']>>({ jobs: COUNT, minutes: MINUTES }),
          ),
          basis: about(
            'milestones with an estimate of their own, and those that are taken for the usual: the median of all estimates, else 30 minutes',
            object<PredictionDocument['basis']>({ estimated: WHOLE, usual: WHOLE, usual_minutes: MINUTES }),
          ),
        },
        ['more'],
      ),
    ),
  },
  ['chosen', 'prediction'],
);

const comingConflicts = about(
  'works that will not merge by themselves: two milestones, or one and the target',
  list(object<ComingConflict>({ items: TEXTS, files: TEXTS })),
);

const statusSchema = object<StatusDocument>({
  schema: VERSION,
  run: about('the newest one; null before the first', {
    anyOf: [
      object<NonNullable<StatusDocument['run']>>(
        {
          id: TEXT,
          state: words({ running: true, waiting: true, done: true, failed: true, interrupted: true }),
          pressure: about('what the machine is short of, while that keeps agents from starting', TEXT),
          conflicts: comingConflicts,
        },
        ['pressure', 'conflicts'],
      ),
      { type: 'null' },
    ],
  }),
  milestones: list(
    object<StatusDocument['milestones'][number]>(
      {
        id: about('of a milestone, or of a gate: `1-gate`', {
          type: 'string',
          pattern: '^[1-9]\\d{0,2}(?:[A-Z]{1,2}|-gate)$',
        }),
        phase: words<StatusDocument['milestones'][number]['phase']>({
          todo: true,
          stale: true,
          blocked: true,
          ready: true,
          waiting: true,
          implementing: true,
          checking: true,
          reviewing: true,
          remediating: true,
          resolving: true,
          merging: true,
          verifying: true,
          landing: true,
          landed: true,
          passed: true,
          failed: true,
          asking: true,
        }),
        attempts: WHOLE,
        commit: about('where it landed or passed', { type: 'string', pattern: '^[0-9a-f]{40,64}$' }),
        cost_usd: { type: 'number', minimum: 0 },
        approval: about(
          'what a person is asked now: before an agent starts, or before its work lands',
          APPROVAL,
        ),
        flakes: about(
          'checks that failed where they were expected to pass, and passed on the same tree',
          list(
            object<Flake>({
              of: words<Flake['of']>({ work: true, candidate: true, base: true, stage: true }),
              command: TEXT,
              tests: about('that failed, as their runner tells them', TEXTS),
            }),
          ),
        ),
        change: about(
          'how its file differs from what the unfinished run began with',
          words<NonNullable<StatusDocument['milestones'][number]['change']>>({
            edited: true,
            new: true,
            deleted: true,
          }),
        ),
      },
      ['commit', 'approval', 'flakes', 'change'],
    ),
  ),
});

const diagnostics = list(
  object<Diagnostic>(
    {
      severity: words<Diagnostic['severity']>({ error: true, warning: true, note: true }),
      code: about('stable', TEXT),
      file: TEXT,
      line: about('from 1', COUNT),
      message: TEXT,
      expected: TEXT,
      found: TEXT,
      fix: about('what to do', TEXT),
    },
    ['file', 'line', 'expected', 'found', 'fix'],
  ),
);

type ValidMilestone = ValidateDocument['milestones'][number];

const validateSchema = object<ValidateDocument>({
  schema: VERSION,
  ok: about('no diagnostic is an error', { type: 'boolean' }),
  milestones: list(
    object<ValidMilestone>(
      {
        id: ID,
        stage: COUNT,
        title: TEXT,
        file: about('relative to the repository', TEXT),
        depends_on: IDS,
        description: TEXT,
        entry_requirements: TEXT,
        tasks: list(
          object<ValidMilestone['tasks'][number]>(
            {
              text: TEXT,
              title: about('where the text is longer: its heading', TEXT),
              line: about('in the file, from 1', COUNT),
            },
            ['title'],
          ),
        ),
        criteria: TEXTS,
        estimate_minutes: { type: 'number', minimum: 0 },
        agent: TEXT,
        reviewer: TEXT,
        reviewers: TEXTS,
        role: TEXT,
        model: TEXT,
        checks: TEXTS,
        paths: about('patterns of files that it may change', TEXTS),
        allow: list({ enum: [...ALLOWANCES] }),
        requires: list({
          anyOf: ['command', 'file', 'env'].map((key) => ({
            type: 'object',
            properties: { [key]: TEXT },
            required: [key],
          })),
        }),
        env: { type: 'object', additionalProperties: TEXT },
        timeout_ms: WHOLE,
        retries: WHOLE,
        review_rounds: WHOLE,
        priority: { type: 'integer' },
        approval: words<NonNullable<ValidMilestone['approval']>>({ before: true, merge: true, none: true }),
        enabled: { type: 'boolean' },
        recipe: about(
          'scripts by purpose',
          object<ValidMilestone['recipe']>(
            { implement: TEXT, review: TEXT, remediate: TEXT, resolve: TEXT },
            ['implement', 'review', 'remediate', 'resolve'],
          ),
        ),
        digest: about('the version of the text', { type: 'string', pattern: '^v1:[0-9a-f]{64}$' }),
      },
      [
        'estimate_minutes',
        'agent',
        'reviewer',
        'reviewers',
        'role',
        'model',
        'paths',
        'allow',
        'timeout_ms',
        'retries',
        'review_rounds',
        'approval',
      ],
    ),
  ),
  diagnostics,
});

type Looked = DoctorDocument['findings'][number];

const doctorSchema = object<DoctorDocument>({
  schema: VERSION,
  ok: about('no finding is an error', { type: 'boolean' }),
  findings: list(
    object<Looked>(
      {
        check: about('what was looked at', TEXT),
        state: words<Looked['state']>({ ok: true, warning: true, error: true }),
        message: TEXT,
        fix: about('what mends it', TEXT),
      },
      ['fix'],
    ),
  ),
  fixed: about('what `--fix` did, a sentence each', TEXTS),
});

type Setting = ConfigDocument['settings'][number];

const configDocumentSchema = object<ConfigDocument>({
  schema: VERSION,
  ok: about('no diagnostic is an error', { type: 'boolean' }),
  settings: list(
    object<Setting>({
      key: about('levels joined with dots; each agent as `agents.NAME`', TEXT),
      value: about('as in mstone.yaml; null where nobody says anything', {}),
      origin: object<Setting['origin']>(
        {
          from: words<Setting['origin']['from']>({
            flag: true,
            environment: true,
            profile: true,
            project: true,
            user: true,
            default: true,
          }),
          by: about('of a default: the setting that it hangs on', TEXT),
          variable: TEXT,
          file: TEXT,
          line: about('from 1', COUNT),
        },
        ['by', 'variable', 'file', 'line'],
      ),
    }),
  ),
  diagnostics,
});

type Attempt = ExplainDocument['attempts'][number];
const MS = { type: 'number', minimum: 0 };
const OID = { type: 'string', pattern: '^[0-9a-f]{40,64}$' };

const explainSchema = object<ExplainDocument>(
  {
    schema: VERSION,
    id: ID,
    stage: COUNT,
    title: TEXT,
    file: about('relative to the repository', TEXT),
    depends_on: about('earlier stages come on top', IDS),
    state: words(planStates),
    reason: about('one clause', TEXT),
    would_run: { type: 'boolean' },
    waits_for: about('what must land first and has not', IDS),
    phase: about('where the unfinished run has it', TEXT),
    commit: about('where it landed', OID),
    text_change: about('since it landed, as a unified diff', TEXT),
    attempts: about(
      'oldest first; after `retry` they count anew',
      list(
        object<Attempt>({
          run: TEXT,
          attempt: WHOLE,
          steps: list(
            object<ExplainStep>(
              {
                did: words<ExplainStep['did']>({
                  implement: true,
                  review: true,
                  remediate: true,
                  resolve: true,
                  check: true,
                  merge: true,
                  land: true,
                }),
                at: about('RFC 3339, UTC', TEXT),
                ms: MS,
                outcome: words<ExplainStep['outcome']>({
                  unfinished: true,
                  finished: true,
                  capped: true,
                  approved: true,
                  refused: true,
                  unreadable: true,
                  limited: true,
                  overloaded: true,
                  unauthorized: true,
                  'out-of-credit': true,
                  'context-exceeded': true,
                  declined: true,
                  unprepared: true,
                  unmet: true,
                  unstartable: true,
                  crashed: true,
                  'timed-out': true,
                  stuck: true,
                  cancelled: true,
                  interrupted: true,
                  passed: true,
                  failed: true,
                  built: true,
                  conflict: true,
                  clash: true,
                  diverged: true,
                  rewound: true,
                  landed: true,
                  moved: true,
                }),
                message: TEXT,
                agent: TEXT,
                round: WHOLE,
                cost_usd: { type: 'number', minimum: 0 },
                findings: list(finding),
                unmet: list(criterion),
                of: words<NonNullable<ExplainStep['of']>>({
                  work: true,
                  candidate: true,
                  base: true,
                  stage: true,
                  head: true,
                }),
                again: about('once more on the same tree, where they had been expected to pass', {
                  const: true,
                }),
                checks: list(checkResult),
                commit: OID,
                log: about('absolute', TEXT),
              },
              [
                'ms',
                'message',
                'agent',
                'round',
                'cost_usd',
                'findings',
                'unmet',
                'of',
                'again',
                'checks',
                'commit',
                'log',
              ],
            ),
          ),
        }),
      ),
    ),
    next: about('what to type', TEXT),
  },
  ['phase', 'commit', 'text_change'],
);

const SUM = {
  cost_usd: { type: 'number', minimum: 0 },
  estimated_usd: about('the part of it that is by a table of prices', { type: 'number', minimum: 0 }),
  assignments: about('agent processes; a landing whose journal is gone counts as one', WHOLE),
  subscription_usd: about('the part of it that a subscription paid: by list prices, billed to nobody', {
    type: 'number',
    minimum: 0,
  }),
  untold: about('those of them of which nothing says what they cost', WHOLE),
  tokens: about(
    'as the CLIs count them: sent (what came from a cache included), cached, received',
    object<Tokens>({ input: WHOLE, cached: WHOLE, output: WHOLE }),
  ),
} as const;

const costsSchema = object<CostsDocument>({
  schema: VERSION,
  by: words<CostsDocument['by']>({
    attempt: true,
    milestone: true,
    stage: true,
    run: true,
    agent: true,
    credential: true,
    day: true,
  }),
  rows: list(
    object<CostsDocument['rows'][number]>({
      key: about(
        '`1A.2`, `1A`, `1`, the id of a run, the name of an agent, `2026-11-20` by the local calendar',
        TEXT,
      ),
      ...SUM,
    }),
  ),
  total: object<CostsDocument['total']>(SUM),
  windows: list(
    object<CostsDocument['windows'][number]>({
      credential: TEXT,
      window: about("the service's own word, such as `five_hour`", TEXT),
      used: about('a share, 0 to 1', { type: 'number', minimum: 0 }),
      resets_at: about('RFC 3339, UTC', TEXT),
    }),
  ),
});

const queueSchema = object<QueueDocument>(
  {
    schema: VERSION,
    run: about('null where nothing has ever run', { type: ['string', 'null'] }),
    target: { type: ['string', 'null'] },
    mode: words<QueueDocument['mode']>({ 'every-commit': true, head: true }),
    window: about('how many candidates may be made on one another', WHOLE),
    parallel: about('checks at once', WHOLE),
    queue: list(
      object<QueueDocument['queue'][number]>(
        {
          id: TEXT,
          state: words<QueueDocument['queue'][number]['state']>({
            waiting: true,
            building: true,
            built: true,
            checking: true,
            passed: true,
            failed: true,
            landing: true,
            clashes: true,
          }),
          on: about('what its candidate is made on', TEXT),
          alone: about('files of `merge.barrier` that it touches', TEXTS),
        },
        ['on', 'alone'],
      ),
    ),
    conflicts: comingConflicts,
  },
  ['conflicts'],
);

const titled = (title: string, schema: object): Schema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title,
  ...schema,
});

/** By the name of the file under `docs/schemas/`, without `.schema.json`. */
export const schemas: Readonly<Record<string, Schema>> = {
  milestone: titled('Front matter of a milestone', frontMatterSchema()),
  mstone: titled('mstone.yaml', configSchema()),
  verdict: titled("A reviewer's verdict line", verdictSchema()),
  event: titled('A line of --output ndjson', eventSchema),
  plan: titled('mstone plan --json', planSchema),
  status: titled('mstone status --json', statusSchema),
  costs: titled('mstone costs --json', costsSchema),
  queue: titled('mstone queue --json', queueSchema),
  explain: titled('mstone explain --json', explainSchema),
  validate: titled('mstone validate --json', validateSchema),
  doctor: titled('mstone doctor --json', doctorSchema),
  config: titled('mstone config --json', configDocumentSchema),
};
