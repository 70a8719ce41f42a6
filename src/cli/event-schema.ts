/**
 * The lines of `--output ndjson`, which are those of a run's journal, as JSON Schema. What a program may go
 * by is told field by field. What is kept so that a journal can be replayed (`items`, `settings`, `history`,
 * an effect's `brief`) is told to be there, and no more.
 */

import type { Fact } from '../model/change.js';
import type { Decision } from '../model/decision.js';
import type {
  CandidateEffect,
  CheckEffect,
  FollowEffect,
  LandEffect,
  PublishEffect,
  WorkEffect,
} from '../model/effect.js';
import type { Entry, Event, Inputs } from '../model/event.js';
import type { Foreseen } from '../model/foreseen.js';
import type {
  AgentOutcome,
  Candidate,
  CandidateOutcome,
  CheckOutcome,
  CheckoutBlock,
  CheckResult,
  FollowOutcome,
  Harvest,
  LandOutcome,
  PublishOutcome,
  Repeated,
  TestRun,
  Tokens,
  UsageWindow,
  WorkOutcome,
} from '../model/outcome.js';
import type { Allowed, CriterionAnswer, Finding, FindingAnswer, Judgement, Note } from '../model/verdict.js';
import {
  about,
  COUNT,
  type Fields,
  fields,
  list,
  type Optional,
  object,
  type Schema,
  TEXT,
  TEXTS,
  WHOLE,
  words,
} from './schema.js';

const MOMENT = { type: 'number' };
const MS = { type: 'number', minimum: 0 };
const USD = { type: 'number', minimum: 0 };
const OID = { type: 'string', pattern: '^[0-9a-f]{40,64}$' };
const ITEM = about('a milestone (`1A`), a gate (`1-gate`), `base`, `sync`, `follow` or `publish`', TEXT);
const FLAG = { type: 'boolean' };
const kept = (what: string): Schema => about(`${what}; kept for replay`, {});

export const checkResult = object<CheckResult>(
  {
    command: TEXT,
    kind: words<CheckResult['kind']>({
      passed: true,
      failed: true,
      'no-tests': true,
      unstartable: true,
      'timed-out': true,
    }),
    exit: WHOLE,
    ms: MS,
    tail: about('the end of its output', TEXT),
    tests: about(
      "where a known runner's summary was recognised",
      object<TestRun>({ ran: WHOLE, failed: about('names, as the runner tells them', TEXTS) }),
    ),
  },
  ['exit', 'tests'],
);

const findingFields = {
  id: TEXT,
  severity: words<Finding['severity']>({ blocker: true, major: true, minor: true, nit: true }),
  cites: TEXT,
  file: TEXT,
  line: COUNT,
  problem: TEXT,
  suggestion: TEXT,
};

export const finding = object<Finding>(findingFields, ['cites', 'file', 'line', 'suggestion']);

export const criterion = object<CriterionAnswer>({ text: TEXT, met: FLAG, evidence: TEXT }, ['evidence']);

type Of<U, K extends string> = Extract<U, { readonly kind: K }>;
type Kind<U extends { readonly kind: string }, K extends U['kind']> = {
  readonly fields: Fields<Omit<Of<U, K>, 'kind'>>;
  readonly optional?: readonly Optional<Omit<Of<U, K>, 'kind'>>[];
};

/** What both tables below come to, once the compiler has held them against their types. */
type Table = Readonly<
  Record<string, { readonly fields: object; readonly optional?: readonly PropertyKey[] }>
>;

/** One schema for each kind of a union, no more and no fewer. */
const kinds = <U extends { readonly kind: string }>(
  table: {
    readonly [K in U['kind']]: Kind<U, K>;
  },
): Schema => ({
  anyOf: Object.entries(table as unknown as Table).map(([kind, one]) =>
    fields({ kind: { const: kind }, ...one.fields }, one.optional),
  ),
});

const candidate = object<Candidate>({ commit: OID, tree: TEXT, base: OID, work: OID });
const block = object<CheckoutBlock>({ files: TEXTS, message: TEXT, command: about('what to type', TEXT) });

const agentOutcome = kinds<AgentOutcome>({
  finished: { fields: {} },
  limited: {
    fields: {
      resetAt: MOMENT,
      known: about('where `resetAt` was read: a structured event, or a clock time in words', {
        enum: ['event', 'text'],
      }),
      message: TEXT,
    },
    optional: ['resetAt', 'known'],
  },
  overloaded: { fields: { message: TEXT } },
  unauthorized: { fields: { message: TEXT } },
  'out-of-credit': { fields: { message: TEXT } },
  'context-exceeded': { fields: { message: TEXT } },
  capped: { fields: { message: TEXT } },
  declined: { fields: { message: TEXT } },
  unprepared: { fields: { message: TEXT } },
  unmet: { fields: { requirement: TEXT, message: TEXT } },
  unstartable: { fields: { message: TEXT } },
  crashed: { fields: { message: TEXT, exit: WHOLE, signal: TEXT }, optional: ['exit', 'signal'] },
  'timed-out': { fields: { afterMs: MS } },
  stuck: {
    fields: {
      silentMs: about('no word for so long', MS),
      repeated: about(
        'calls of tools that it made over and over',
        object<Repeated>({ call: TEXT, times: COUNT }),
      ),
    },
    optional: ['silentMs', 'repeated'],
  },
  cancelled: { fields: {} },
  interrupted: { fields: { message: TEXT } },
});

const note = object<Note>({ ...findingFields, because: about('why it holds nothing back', TEXT) }, [
  'cites',
  'file',
  'line',
  'suggestion',
  'because',
]);
const fact = object<Fact>(
  {
    id: TEXT,
    kind: words<Fact['kind']>({
      'deleted-tests': true,
      'skipped-tests': true,
      'fewer-tests': true,
      'lowered-thresholds': true,
      'gate-files': true,
      'outside-paths': true,
      secret: true,
      unread: true,
    }),
    file: TEXT,
    line: COUNT,
    text: TEXT,
  },
  ['file', 'line'],
);
const said = {
  allows: about('facts that the milestone asks for', list(object<Allowed>({ fact: TEXT, because: TEXT }))),
  criteria: list(criterion),
  answers: list(
    object<FindingAnswer>(
      {
        id: TEXT,
        answer: words<FindingAnswer['answer']>({ fixed: true, still: true, withdrawn: true }),
        why: TEXT,
      },
      ['why'],
    ),
  ),
  score: about('0 to 1', { type: 'number' }),
  summary: TEXT,
};

const judgement = kinds<Judgement>({
  approved: {
    fields: { notes: list(note), ...said },
    optional: ['criteria', 'answers', 'score', 'allows', 'summary'],
  },
  refused: {
    fields: { findings: list(finding), unmet: list(criterion), notes: list(note), ...said },
    optional: ['notes', 'criteria', 'answers', 'score', 'allows', 'summary'],
  },
  unreadable: { fields: { why: TEXT } },
});

const usageWindows = list(
  object<UsageWindow>({
    name: about("the service's own word", TEXT),
    used: about('a share, 0 to 1', { type: 'number', minimum: 0 }),
    resetsAt: MOMENT,
  }),
);

const workOutcome = object<WorkOutcome>(
  {
    agent: agentOutcome,
    costUsd: USD,
    estimated: about('`costUsd` is by a table of prices', { const: true }),
    harvest: object<Harvest>(
      {
        commit: OID,
        tree: TEXT,
        base: OID,
        changed: FLAG,
        told: TEXTS,
        markers: about('files with conflict markers', TEXTS),
        touches: about('who has a say over paths that it changes', TEXTS),
        facts: about('what mstone itself saw of the change', list(fact)),
        barrier: about('files of `merge.barrier` that it touches', TEXTS),
      },
      ['touches', 'facts', 'barrier'],
    ),
    judgement,
    logBytes: WHOLE,
    session: about('the conversation by which the agent can go on', TEXT),
    version: about("the agent's CLI's own", TEXT),
    tokens: object<Tokens>({ input: WHOLE, cached: WHOLE, output: WHOLE }),
    windows: usageWindows,
    subscription: about('a subscription paid: `costUsd` is by list prices, and billed to nobody', {
      const: true,
    }),
    stays: about('its conversation can go on only in the slot in which it began', { const: true }),
    told: TEXTS,
  },
  [
    'estimated',
    'harvest',
    'judgement',
    'session',
    'version',
    'tokens',
    'windows',
    'subscription',
    'stays',
    'told',
  ],
);

const results = list(checkResult);
const checkOutcome = kinds<CheckOutcome>({
  passed: { fields: { commit: OID, tree: TEXT, results } },
  failed: { fields: { commit: OID, tree: TEXT, results } },
  unstartable: { fields: { message: TEXT, results } },
  cancelled: { fields: {} },
});

const rewound = { fields: { expected: OID, found: OID } };
const diverged = { fields: { target: OID, shadow: OID } };

const candidateOutcome = kinds<CandidateOutcome>({
  built: { fields: { candidate } },
  conflict: { fields: { onto: OID, files: TEXTS } },
  clash: { fields: { files: about('in conflict with what it was to be made on, not with the head', TEXTS) } },
  moved: { fields: { head: OID } },
  diverged,
  rewound,
  refused: { fields: { message: TEXT } },
});

const landOutcome = kinds<LandOutcome>({
  landed: {
    fields: { commit: OID, on: words<'target' | 'shadow'>({ target: true, shadow: true }), block },
    optional: ['block'],
  },
  moved: { fields: { head: OID } },
  rewound,
  refused: { fields: { message: TEXT, command: TEXT }, optional: ['command'] },
});

const followOutcome = kinds<FollowOutcome>({
  followed: { fields: { head: OID } },
  blocked: { fields: { block } },
  diverged,
  rewound,
});

const decision = object<Decision>(
  {
    id: TEXT,
    item: ITEM,
    verdict: words<Decision['verdict']>({ approved: true, rejected: true }),
    subject: about('the text, or the work, that it binds to', {
      anyOf: [
        fields({ of: { const: 'before' }, digest: TEXT }),
        fields({ of: { const: 'merge' }, commit: OID, tree: TEXT }),
      ],
    }),
    by: TEXT,
    at: MOMENT,
    because: TEXT,
  },
  ['because'],
);

const purpose = words<WorkEffect['purpose']>({
  implement: true,
  review: true,
  remediate: true,
  resolve: true,
});
const COMMIT_OR_HEAD = { anyOf: [OID, { const: 'head' }] };

const workEffect = object<WorkEffect>(
  {
    do: { const: 'work' },
    item: ITEM,
    attempt: COUNT,
    assignment: COUNT,
    round: WHOLE,
    purpose,
    agent: TEXT,
    reviewer: about('which of several reviewers', TEXT),
    role: about('what it looks at the work as', TEXT),
    slot: COUNT,
    from: COMMIT_OR_HEAD,
    base: OID,
    merge: OID,
    brief: kept('what its prompt says'),
    session: about('the conversation that it goes on with', TEXT),
    credential: about('what it is started on, by name', TEXT),
    reserveUsd: about('what had to be left for it to start', USD),
    capUsd: about('the most that it may cost, put aside for it', USD),
    sessionUsd: about('what its conversation has cost before', USD),
    reserveTokens: about('put aside for it', WHOLE),
  },
  [
    'reviewer',
    'role',
    'base',
    'merge',
    'session',
    'credential',
    'reserveUsd',
    'capUsd',
    'sessionUsd',
    'reserveTokens',
  ],
);

const checkEffect = object<CheckEffect>(
  {
    do: { const: 'check' },
    item: ITEM,
    attempt: WHOLE,
    round: WHOLE,
    slot: COUNT,
    commit: COMMIT_OR_HEAD,
    of: words<CheckEffect['of']>({ work: true, candidate: true, base: true, stage: true, head: true }),
    commands: TEXTS,
    again: about('they failed where they had been expected to pass: once more on the same tree', {
      const: true,
    }),
    with: about('milestones that ride inside the candidate', TEXTS),
    lent: about('the slot is for this check alone', { const: true }),
  },
  ['again', 'with', 'lent'],
);

const candidateEffect = object<CandidateEffect>(
  {
    do: { const: 'candidate' },
    item: ITEM,
    attempt: WHOLE,
    commit: OID,
    head: OID,
    onto: about('the candidate that it is made on', OID),
    date: MOMENT,
    rounds: WHOLE,
    costUsd: USD,
    estimated: about('some of it by a table of prices', { const: true }),
    review: words<CandidateEffect['review']>({ approved: true, off: true }),
    agent: TEXT,
    approved: about(
      'the person who approved it, and when',
      object<NonNullable<CandidateEffect['approved']>>({ by: TEXT, at: MOMENT }),
    ),
  },
  ['estimated', 'approved', 'onto'],
);

const landEffect = object<LandEffect>(
  {
    do: { const: 'land' },
    item: ITEM,
    attempt: WHOLE,
    candidate,
    onto: about('the head that the target stands at, where others lie between', OID),
  },
  ['onto'],
);
const followEffect = object<FollowEffect>({ do: { const: 'follow' }, item: { const: 'follow' } });

const publishEffect = object<PublishEffect>(
  {
    do: { const: 'publish' },
    item: { const: 'publish' },
    what: about('a milestone, or `stage 1`', TEXT),
    items: TEXTS,
    commit: OID,
    tag: TEXT,
    pull: object<NonNullable<PublishEffect['pull']>>({ remote: TEXT, branch: TEXT, base: TEXT }),
  },
  ['tag', 'pull'],
);
const publishOutcome = kinds<PublishOutcome>({
  published: {
    fields: {
      tag: about('whether it was made; one that is there is not moved', {
        enum: ['made', 'there', 'elsewhere'],
      }),
      pull: about('where it is, or what opens it', {
        anyOf: [fields({ url: TEXT }), fields({ command: TEXT })],
      }),
    },
    optional: ['tag', 'pull'],
  },
  failed: { fields: { message: TEXT, command: about('what to type', TEXT) } },
});

type Typed<T extends Event['type']> = Omit<Extract<Event, { readonly type: T }>, 'type'>;
type Told<T extends Event['type']> = {
  readonly fields: Fields<Typed<T>>;
  readonly optional?: readonly Optional<Typed<T>>[];
};

const ID = about('an intent and its ending share it', { type: 'string', pattern: '^i\\d+$' });
const INPUTS = object<Inputs>({ now: MOMENT, capacity: WHOLE });
const begun = (effect: Schema) => ({ fields: { id: ID, effect, inputs: INPUTS } });
const over = (outcome: Schema) => ({ fields: { id: ID, item: ITEM, now: MOMENT, outcome } });
const VERSION = about('the version of mstone that wrote this and what follows', TEXT);
const EXIT = about('what mstone ends with', WHOLE);

const EVENTS: { readonly [T in Event['type']]: Told<T> } = {
  'run.started': {
    fields: {
      target: about('the branch', TEXT),
      head: OID,
      items: kept('what it takes to its end'),
      settings: kept('what it goes by'),
      held: kept('credentials that cannot be used yet'),
      known: kept('what is known of the head'),
      history: kept('what earlier runs used up'),
      passed: kept('verdicts that hold already'),
      shadow: FLAG,
      mstone: VERSION,
    },
    optional: ['held', 'known', 'mstone'],
  },
  'run.continued': {
    fields: {
      head: OID,
      items: kept('what it takes to its end'),
      settings: kept('what it goes by'),
      held: kept('credentials that cannot be used yet'),
      known: kept('what is known of the head'),
      shadow: FLAG,
      mstone: VERSION,
    },
    optional: ['held', 'known', 'mstone'],
  },
  'items.reset': {
    fields: { items: TEXTS, from: kept('where they begin again'), works: kept('what they begin with') },
    optional: ['from', 'works'],
  },
  decision: { fields: { decision } },
  'work.started': begun(workEffect),
  'work.ended': over(workOutcome),
  'check.started': begun(checkEffect),
  'check.ended': over(checkOutcome),
  'candidate.started': begun(candidateEffect),
  'candidate.ended': over(candidateOutcome),
  'land.started': begun(landEffect),
  'land.ended': over(landOutcome),
  'follow.started': begun(followEffect),
  'follow.ended': over(followOutcome),
  'publish.started': begun(publishEffect),
  'publish.ended': over(publishOutcome),
  note: {
    fields: {
      item: ITEM,
      text: TEXT,
      pressure: about('what the machine is short of; empty once it no longer is', TEXT),
      foreseen: list(
        about(
          'works, or a work and the head, that were seen not to merge by themselves',
          object<Foreseen>(
            {
              item: ITEM,
              commit: OID,
              with: about(
                'absent: the head',
                object<NonNullable<Foreseen['with']>>({ item: ITEM, commit: OID }),
              ),
              files: TEXTS,
            },
            ['with'],
          ),
        ),
      ),
      windows: about('by credential, what of its subscription is used, as an agent at work tells', {
        type: 'object',
        additionalProperties: usageWindows,
      }),
    },
    optional: ['item', 'pressure', 'foreseen', 'windows'],
  },
  'run.paused': { fields: { exit: EXIT, why: TEXT, until: MOMENT }, optional: ['until'] },
  'run.ended': { fields: { exit: EXIT, why: TEXT } },
};

type Envelope = Omit<Entry, 'event'> & { readonly type: string; readonly sum: string };

const ENVELOPE: Fields<Envelope> = {
  v: about('of this format', { const: 1 }),
  seq: about('from 1, without gaps', COUNT),
  at: about('RFC 3339, UTC', TEXT),
  run: TEXT,
  milestone: TEXT,
  attempt: WHOLE,
  assignment: COUNT,
  type: TEXT,
  sum: about('a checksum over the line before it', { type: 'string', pattern: '^[0-9a-f]{16}$' }),
};

/** One line. */
export const eventSchema: Schema = {
  anyOf: Object.entries(EVENTS as Table).map(([type, one]) =>
    fields({ ...ENVELOPE, type: { const: type }, ...one.fields }, [
      'milestone',
      'attempt',
      'assignment',
      ...(one.optional ?? []),
    ]),
  ),
};
