/*
 * Every recorded conversation of the real CLIs, and what must be made of it. What is expected was written by hand
 * from how each was recorded (README.md beside the captures), never copied from what the code says; and the one
 * thing that decides, named in each row, is changed in a copy of the capture, which must change the outcome.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acp } from '../../src/agent/acp.js';
import { claude } from '../../src/agent/claude.js';
import { type Cli, eventsIn, readEvents, type Told } from '../../src/agent/cli.js';
import { codex } from '../../src/agent/codex.js';
import { gemini } from '../../src/agent/gemini.js';
import { opencode } from '../../src/agent/opencode.js';
import type { Purpose } from '../../src/model/effect.js';
import type { SupervisedEnd } from '../../src/process/supervise.js';

const folder = join(import.meta.dirname, '../fixtures/agent-captures');

interface Capture {
  readonly lines: readonly string[];
  readonly stderr: string;
  /** As in the `.exit` file: a number, or `signal NAME`. */
  readonly exit: string;
}

type Change = (capture: Capture) => Capture;

interface Row {
  /** The outcome without its words. */
  readonly expected: Readonly<Record<string, unknown>>;
  /** What decides. */
  readonly by: string;
  /** Changes just that. */
  readonly change: Change;
  readonly purpose?: Purpose;
  readonly resumed?: true;
  readonly costUsd?: number;
  /** Of a review: whether there is an answer to judge. */
  readonly answered?: boolean;
  readonly lost?: true;
}

// ------------------------------------------------------------------------------------------ what is changed

const exit =
  (status: string): Change =>
  (capture) => ({ ...capture, exit: status });

/** Sets fields of the last event of a type; `a.b` is a path. */
const set =
  (type: string, fields: Readonly<Record<string, unknown>>): Change =>
  (capture) => {
    const index = capture.lines.findLastIndex((line) => eventsIn(line).some((event) => event.type === type));
    if (index < 0) throw new Error(`no ${type} in the capture`);
    const event: Record<string, unknown> = JSON.parse(capture.lines[index] ?? '');
    for (const [path, value] of Object.entries(fields)) {
      const keys = path.split('.');
      const last = keys.pop() ?? '';
      const inner = keys.reduce<Record<string, unknown>>((one, key) => Object(one[key]), event);
      if (!(last in inner)) throw new Error(`${type} has no ${path}`);
      inner[last] = value;
    }
    return { ...capture, lines: capture.lines.with(index, JSON.stringify(event)) };
  };

const both =
  (...changes: readonly Change[]): Change =>
  (capture) =>
    changes.reduce((one, change) => change(one), capture);

const append =
  (event: object): Change =>
  (capture) => ({ ...capture, lines: [...capture.lines, JSON.stringify(event)] });

/** Replaces a word wherever it stands in the output. */
const word =
  (old: string, other: string): Change =>
  (capture) => {
    const lines = capture.lines.map((line) => line.replaceAll(old, other));
    const stderr = capture.stderr.replaceAll(old, other);
    if (lines.join() === capture.lines.join() && stderr === capture.stderr) throw new Error(`no ${old}`);
    return { ...capture, lines, stderr };
  };

// --------------------------------------------------------------------------------------------------- claude

const FINISHED = { kind: 'finished' };
const SUCCESS = { type: 'result', subtype: 'success', is_error: false, result: 'ok' };
const finished = (more: Partial<Row> = {}): Row => ({
  expected: FINISHED,
  by: 'exit 0 and a last result with is_error false',
  change: set('result', { is_error: true }),
  ...more,
});
/** Refused before the first event. */
const unstartable: Row = {
  expected: { kind: 'unstartable' },
  by: 'exit 1 without an event',
  change: exit('0'),
};
const killed = (signal: string): Row => ({
  expected: { kind: 'crashed', signal },
  by: `ended by ${signal}, without a result`,
  change: both(exit('0'), append(SUCCESS)),
});
const unfinished: Row = {
  expected: { kind: 'crashed', exit: 0 },
  by: 'exit 0 without a result',
  change: append(SUCCESS),
};
const LIMITED = { kind: 'limited' };
const rate: Row = {
  expected: LIMITED,
  by: 'api_error_status 429 and error rate_limit; no event names a time',
  change: both(set('result', { api_error_status: 400 }), set('assistant', { error: 'invalid_request' })),
};
const subscription = (resetsAt: number): Row => ({
  expected: { ...LIMITED, known: 'event', resetAt: resetsAt * 1000 },
  by: 'the rejected rate_limit_event and its resetsAt',
  change: set('rate_limit_event', { 'rate_limit_info.resetsAt': resetsAt + 60 }),
});
const overloaded = (status: number | null): Row => ({
  expected: { kind: 'overloaded' },
  by: `error server_error${status === null ? '' : ` and api_error_status ${status}`}`,
  change: both(
    set('assistant', { error: 'invalid_request' }),
    ...(status === null ? [] : [set('result', { api_error_status: 400 })]),
  ),
});
const refused = (status: number | null): Row => ({
  expected: { kind: 'unauthorized' },
  by: `error authentication_failed${status === null ? '' : ` and api_error_status ${status}`}`,
  change: both(
    set('assistant', { error: 'invalid_request' }),
    ...(status === null ? [] : [set('result', { api_error_status: 400 })]),
  ),
});
const gaveUp: Row = {
  expected: { kind: 'crashed', exit: 1 },
  by: 'a subtype of its own with is_error true',
  change: both(exit('0'), set('result', { is_error: false })),
};
const unreachable: Row = {
  ...overloaded(null),
  by: 'api_error connection_failed and error server_error',
  change: both(
    set('assistant', { error: 'invalid_request' }),
    set('result', { api_error: 'something_else' }),
  ),
};
const lost: Row = {
  expected: { kind: 'crashed', exit: 1 },
  by: 'error_during_execution whose errors say that there is no such conversation',
  change: both(exit('0'), set('result', { is_error: false })),
  resumed: true,
  lost: true,
};
const answer: Partial<Row> = { purpose: 'review', answered: true };

const CLAUDE: Readonly<Record<string, Row>> = {
  apikeyhelper: finished({ costUsd: 0.010948 }),
  'append-sys': finished(),
  'ask-user': finished(),
  'authtoken-and-oauth': finished(),
  // Two results: 0.023124 and what the notification of the background task added.
  'background-bash': finished({ costUsd: 0.03574 }),
  'backoff-sigterm': killed('SIGTERM'),
  'both-key-and-authtoken': finished(),
  'both-key-and-oauth': finished(),
  // Its total is 0.024564: all but this was another process's.
  'continue-flag': finished({ costUsd: 0.006316 }),
  'default-perms': {
    expected: { kind: 'declined' },
    by: 'permission_denials of Write and Bash, neither of which ever worked',
    change: set('result', { permission_denials: [] }),
  },
  'err-400-credit': {
    expected: { kind: 'out-of-credit' },
    by: 'error billing_error',
    change: set('assistant', { error: 'invalid_request' }),
  },
  'err-400-too-long': {
    expected: { kind: 'context-exceeded' },
    by: 'terminal_reason prompt_too_long',
    change: set('result', { terminal_reason: 'api_error' }),
  },
  'err-401-apikey': refused(401),
  'err-401-oauth': refused(401),
  'err-402-billing': {
    expected: { kind: 'out-of-credit' },
    by: 'api_error_status 402 and api_error_type billing_error',
    change: set('result', { api_error_status: 400, api_error_type: 'invalid_request_error' }),
  },
  'err-403-oauth': refused(403),
  'err-404-model': {
    expected: { kind: 'unstartable' },
    by: 'api_error_status 404 and error model_not_found',
    change: both(set('result', { api_error_status: 400 }), set('assistant', { error: 'invalid_request' })),
  },
  'err-429-rate-default': rate,
  'err-429-rate-retries0': rate,
  'err-429-rate-retries1': rate,
  'err-429-retryafter-600': rate,
  'err-429-sub-5h-apikey': rate,
  'err-429-sub-5h-oauth': subscription(1795180038),
  'err-429-sub-5h-oauth-retryafter': subscription(1795180041),
  'err-429-sub-7d-oauth': subscription(1795374639),
  'err-500-retries1': overloaded(500),
  'err-529-default': overloaded(529),
  'err-529-retries2': overloaded(529),
  'err-hang-timeout20s-default': overloaded(null),
  'err-hang-timeout3s-retries1': overloaded(null),
  'err-no-auth': refused(null),
  'err-refused-default': unreachable,
  'err-refused-retries1': unreachable,
  'err-stream-overloaded-retries1': overloaded(529),
  'hang-sigint': unfinished,
  'hang-sigkill': killed('SIGKILL'),
  'hang-sigkill-resume': finished({ resumed: true }),
  'hang-sigterm': killed('SIGTERM'),
  happy: finished({ costUsd: 0.035964 }),
  'happy-acceptedits': finished(),
  hooks: finished(),
  'in-stream-bad-line': unstartable,
  'in-stream-init': finished(),
  // The first result is an interruption, the last one is none.
  'in-stream-interrupt': finished({ costUsd: 0.011064 }),
  'in-stream-replay': finished(),
  'in-stream-two': finished({ costUsd: 0.022028 }),
  'limit-midturn': { ...subscription(1795180260), costUsd: 0.005958 },
  'limit-midturn-resume-other-token': finished({ resumed: true, costUsd: 0.01229 }),
  'max-budget': {
    expected: { kind: 'capped' },
    by: 'the subtype error_max_budget_usd',
    change: set('result', { subtype: 'error_during_execution' }),
    costUsd: 0.9,
  },
  'max-tokens-stop': gaveUp,
  'max-turns-1': gaveUp,
  mcp: finished(),
  'model-unknown-alias': finished(),
  'no-prompt': unstartable,
  'no-verbose': unstartable,
  // A warning is no limit.
  'ok-warning-headers-oauth': finished(),
  'out-json': finished({ costUsd: 0.010956 }),
  'out-text': unfinished,
  partial: finished(),
  'prompt-arg-and-stdin': finished(),
  'prompt-arg-stdin-null': finished(),
  'prompt-arg-stdin-open': finished(),
  // What it recovered from by itself is over.
  'rec-429-retryafter2-x3': finished(),
  'rec-529-x2': finished(),
  'rec-disconnect-x1': finished(),
  refusal: {
    expected: { kind: 'declined' },
    by: 'stop_reason refusal',
    change: set('result', { stop_reason: 'stop_sequence' }),
  },
  'resume-cwd-a': finished(),
  'resume-cwd-b': finished({ resumed: true, costUsd: 0.023232 }),
  'resume-fork': finished({ resumed: true, costUsd: 0.012952 }),
  'resume-fork-with-id': finished({ resumed: true, costUsd: 0.012952 }),
  'resume-not-uuid': lost,
  'resume-other-key': finished({ resumed: true }),
  'resume-other-oauth': finished({ resumed: true }),
  'resume-other-repo-cwd': finished({ resumed: true }),
  'resume-same-cwd': finished({ resumed: true, costUsd: 0.01146 }),
  'resume-same-cwd-2': finished({ resumed: true, costUsd: 0.011572 }),
  'resume-unknown-id': lost,
  'resume-worktree-cwd': finished({ resumed: true }),
  // A verdict in prose is no structured answer.
  'review-text-notools': finished({ purpose: 'review', answered: false }),
  'root-skip-is-sandbox': finished(),
  'root-skip-permissions': unstartable,
  'schema-file-arg': unstartable,
  'schema-never': finished({ purpose: 'review', answered: false }),
  'schema-ok': finished(answer),
  'schema-ok-json': finished(answer),
  'schema-retry': finished(answer),
  'session-first': finished(),
  'session-id-not-uuid': unstartable,
  'session-id-reused': unstartable,
  'sigint-midbash': {
    expected: { kind: 'crashed', exit: 0 },
    by: 'is_error true, though exit 0',
    change: set('result', { is_error: false }),
  },
  'sigint-midbash-resume': finished({ resumed: true, costUsd: 0.01212 }),
  'sigkill-group-midbash': killed('SIGKILL'),
  'sigkill-group-midbash-resume': finished({ resumed: true, costUsd: 0.012028 }),
  'sigkill-midbash': killed('SIGKILL'),
  'sigkill-midbash-resume': finished({ resumed: true, costUsd: 0.012012 }),
  'sigterm-midbash': killed('SIGTERM'),
  'sigterm-midbash-resume': finished({ resumed: true, costUsd: 0.011844 }),
  // The second result adds nothing to the first.
  subagent: finished({ costUsd: 0.058972 }),
  'tool-env': finished(),
  'unknown-flag': unstartable,
};

const CLAUDE_197: Readonly<Record<string, Row>> = {
  credit: {
    expected: { kind: 'out-of-credit' },
    by: 'error billing_error',
    change: set('assistant', { error: 'invalid_request' }),
  },
  'dead-key-retries1': refused(401),
  'hang-sigint': unfinished,
  happy: finished({ costUsd: 0.02864 }),
  'limit-5h-oauth': subscription(1795181125),
  'overloaded-retries1': overloaded(529),
  resume: finished({ resumed: true, costUsd: 0.00965 }),
  'resume-other-cwd': lost,
  schema: finished(answer),
  sigint: gaveUp,
  sigkill: killed('SIGKILL'),
  sigterm: killed('SIGTERM'),
};

// ---------------------------------------------------------------------------------------------------- codex

const COMPLETED = { type: 'turn.completed', usage: {} };
const completed = (more: Partial<Row> = {}): Row => ({
  expected: FINISHED,
  by: 'exit 0 and a turn that was completed',
  change: set('turn.completed', { type: 'turn.started' }),
  costUsd: 0,
  ...more,
});
const turnFailed = (expected: Row['expected'], words: string): Row => ({
  expected,
  by: `the message of turn.failed says "${words}"`,
  change: word(words, 'something else'),
});
const unturned: Row = {
  expected: { kind: 'unstartable' },
  by: 'an exit other than 0 without an event',
  change: both(exit('0'), append(COMPLETED)),
};
const shot = (signal: string): Row => ({
  expected: { kind: 'crashed', signal },
  by: `ended by ${signal}`,
  change: both(exit('0'), append(COMPLETED)),
});

const CODEX: Readonly<Record<string, Row>> = {
  'bad-flag': unturned,
  bypass: completed(),
  'err-401': turnFailed({ kind: 'unauthorized' }, 'unexpected status 401'),
  'err-429-always': turnFailed({ kind: 'limited' }, '429 Too Many Requests'),
  'err-429-quota': turnFailed({ kind: 'out-of-credit' }, 'Quota exceeded'),
  // "try again at 1:19 PM", by the clock of a process whose TZ is UTC, cut to the minute: over when that is.
  'err-429-usage': turnFailed(
    { kind: 'limited', known: 'text', resetAt: Date.UTC(2026, 10, 20, 13, 20) },
    '1:19 PM',
  ),
  // "Reconnecting... 1/5" is a warning.
  'err-429-x2': completed(),
  'err-500': turnFailed({ kind: 'overloaded' }, 'experiencing high demand'),
  'err-context': turnFailed({ kind: 'context-exceeded' }, "ran out of room in the model's context window"),
  'err-hang-idle3s': shot('SIGKILL'),
  'err-refused': shot('SIGKILL'),
  'err-stream-fail': turnFailed({ kind: 'limited' }, 'rate limit exceeded'),
  fork: completed(),
  'group-sigkill-midtool': shot('SIGKILL'),
  'hang-sigterm': shot('SIGTERM'),
  happy: completed(),
  human: {
    expected: { kind: 'crashed', exit: 0 },
    by: 'exit 0 without an event',
    change: append(COMPLETED),
  },
  'no-key': turnFailed({ kind: 'unauthorized' }, 'Missing environment variable'),
  'not-a-repo': unturned,
  'output-schema': completed({ purpose: 'review', answered: true }),
  resume: completed({ resumed: true }),
  'resume-config-flag': completed({ resumed: true }),
  'resume-exec-flags-first': completed({ resumed: true }),
  'resume-other-cwd': completed({ resumed: true }),
  'resume-unknown': { ...unturned, resumed: true, lost: true },
  'sigint-midtool': {
    expected: { kind: 'crashed', exit: 1 },
    by: 'exit 1 in the middle of a turn',
    change: both(exit('0'), append(COMPLETED)),
  },
  'sigkill-resume': completed({ resumed: true }),
  // The wrapper is dead, whatever the process behind it went on to say.
  'sigkill-wrapper-midtool': {
    expected: { kind: 'crashed', signal: 'SIGKILL' },
    by: 'ended by SIGKILL',
    change: exit('0'),
  },
  'sigterm-midtool': shot('SIGTERM'),
  'workspace-write': completed(),
};

// ------------------------------------------------------------------------------------------------ the others

const STOPPED = { type: 'step_finish', part: { reason: 'stop' } };
const stopped = (costUsd: number): Row => ({
  expected: FINISHED,
  by: 'exit 0 and a last step that ended by stop',
  change: set('step_finish', { 'part.reason': 'tool-calls' }),
  costUsd,
});
const OPENCODE: Readonly<Record<string, Row>> = {
  'err-auth': {
    expected: { kind: 'unauthorized' },
    by: 'statusCode 401',
    change: set('error', { 'error.data.statusCode': 400 }),
  },
  'err-credit': {
    expected: { kind: 'out-of-credit' },
    by: 'statusCode 400 and the message of the error',
    change: set('error', { 'error.data.message': 'something else' }),
  },
  'err-rate': {
    expected: { kind: 'crashed', signal: 'SIGKILL' },
    by: 'ended by SIGKILL, silent until then',
    change: both(exit('0'), append(STOPPED)),
  },
  happy: stopped(0.000666 + 0.001011 + 0.000783),
  resume: { ...stopped(0.001311 + 0.001626 + 0.001407), resumed: true },
  stdin: stopped(0.000201),
};

const GEMINI: Readonly<Record<string, Row>> = {
  'err-key': {
    expected: { kind: 'unauthorized' },
    by: 'API_KEY_INVALID in the message of the error',
    change: word('API_KEY_INVALID', 'SOMETHING_ELSE'),
  },
  'err-quota-day': { expected: LIMITED, by: 'exit 173, which is 429 modulo 256', change: exit('144') },
  'happy-stream': {
    expected: FINISHED,
    by: 'exit 0 and a result whose status is success',
    change: set('result', { status: 'error' }),
    costUsd: 0,
  },
  'stdin-json': {
    expected: { kind: 'crashed', exit: 0 },
    by: 'no result event: this is another form of output',
    change: append({ type: 'result', status: 'success' }),
  },
  untrusted: { expected: { kind: 'unstartable' }, by: 'exit 55', change: exit('1') },
};

const ended: Row = {
  expected: FINISHED,
  by: 'the prompt was answered with stopReason end_turn',
  change: word('"stopReason":"end_turn"', '"stopReason":"refusal"'),
};
const ACP: Readonly<Record<string, Row>> = {
  // The last prompt met a 429.
  claude: {
    expected: LIMITED,
    by: 'data.errorKind rate_limit of the error that the prompt was answered with',
    change: word('"errorKind":"rate_limit"', '"errorKind":"something_else"'),
    costUsd: 0.036,
  },
  codex: { ...ended, costUsd: 0 },
  gemini: { ...ended, costUsd: 0 },
  opencode: { ...ended, costUsd: 0.002541 },
};

// ------------------------------------------------------------------------------------------------- the test

/** Around when they were recorded: 2026-11-20, 11:55 UTC. */
const RECORDED = Date.UTC(2026, 10, 20, 11, 55);

function load(kind: string, name: string): Capture {
  const read = (end: string, otherwise: string): string => {
    const file = join(folder, kind, `${name}.${end}`);
    return readdirSync(join(folder, kind)).includes(`${name}.${end}`)
      ? readFileSync(file, 'utf8')
      : otherwise;
  };
  return {
    lines: read('jsonl', '').split('\n'),
    stderr: read('stderr', ''),
    // The bridge ends with 0 once a prompt was answered by a stop.
    exit: read('exit', kind === 'acp' && name === 'claude' ? '1' : '0').trim(),
  };
}

/** As the supervisor has it: a status above 128 is a signal's, where there is one of that number. */
function endOf(status: string): SupervisedEnd {
  if (status.startsWith('signal ')) return { kind: 'killed', signal: status.slice('signal '.length) };
  const code = Number(status);
  const signal = Object.entries(constants.signals).find(([, number]) => code === 128 + number)?.[0];
  return signal === undefined ? { kind: 'exited', code } : { kind: 'killed', signal };
}

function tell<F>(cli: Cli<F>, { lines, stderr, exit: status }: Capture, row: Row): Told {
  // One log holds both streams.
  const log = [...lines, ...stderr.split('\n')];
  return cli.outcomeOf(readEvents(cli, log), {
    end: endOf(status),
    purpose: row.purpose ?? 'implement',
    resumed: row.resumed ?? false,
    at: RECORDED,
    lastLine: log.findLast((line) => line.trim() !== '') ?? '',
  });
}

function wordless({ outcome }: Told): Record<string, unknown> {
  const { message: _, ...rest } = { message: '', ...outcome };
  return rest;
}

function table<F>(kind: string, cli: Cli<F>, rows: Readonly<Record<string, Row>>): void {
  describe(kind, () => {
    it('every capture has its row', () => {
      const captured = readdirSync(join(folder, kind)).filter((name) => name.endsWith('.jsonl'));
      expect(captured.map((name) => name.slice(0, -'.jsonl'.length)).sort()).toEqual(
        Object.keys(rows).sort(),
      );
    });

    it.each(Object.entries(rows))('%s', (name, row) => {
      const capture = load(kind, name);
      const told = tell(cli, capture, row);
      expect(wordless(told), row.by).toEqual(row.expected);
      expect(told.lost).toBe(row.lost);
      if (row.costUsd !== undefined) expect(told.costUsd).toBeCloseTo(row.costUsd, 9);
      if (row.answered !== undefined) expect(told.verdict !== undefined).toBe(row.answered);
      if ('message' in told.outcome) expect(told.outcome.message).toMatch(/\S/);
      expect(wordless(tell(cli, row.change(capture), row)), `without: ${row.by}`).not.toEqual(row.expected);
    });

    it('no event of these versions is of an unknown kind', () => {
      const names = Object.keys(rows);
      const unknown = names.filter((name) => {
        const facts = readEvents(cli, load(kind, name).lines) as { readonly unknown: number };
        return facts.unknown > 0;
      });
      expect(unknown).toEqual([]);
    });
  });
}

table('claude', claude, CLAUDE);
table('claude-2.1.197', claude, CLAUDE_197);
table('codex', codex, CODEX);
table('opencode', opencode, OPENCODE);
table('gemini', gemini, GEMINI);
table('acp', acp, ACP);

it('all captures are looked at', () => {
  const kinds = readdirSync(folder).filter((name) => name !== 'README.md');
  expect(kinds.sort()).toEqual(['acp', 'claude', 'claude-2.1.197', 'codex', 'gemini', 'opencode']);
});
