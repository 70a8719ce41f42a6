import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { verdictIn } from '../../src/agent/answer.js';
import { claude } from '../../src/agent/claude.js';
import { type Cli, eventsIn, readEvents, type Told } from '../../src/agent/cli.js';
import { clockTime } from '../../src/agent/clock.js';
import { codex } from '../../src/agent/codex.js';
import { gemini } from '../../src/agent/gemini.js';
import { readLines } from '../../src/agent/log.js';
import { opencode } from '../../src/agent/opencode.js';

const NOW = Date.UTC(2026, 10, 20, 15, 1);
const result = (more: object = {}): string =>
  JSON.stringify({ type: 'result', subtype: 'success', is_error: false, result: 'done', ...more });
const init = JSON.stringify({
  type: 'system',
  subtype: 'init',
  session_id: 'S',
  claude_code_version: '2.1.329',
});

const tell = <F>(cli: Cli<F>, lines: readonly string[], code = 0): Told =>
  cli.outcomeOf(readEvents(cli, lines), {
    end: { kind: 'exited', code },
    purpose: 'implement',
    resumed: false,
    at: NOW,
    lastLine: lines.at(-1) ?? '',
  });

describe('events on a line', () => {
  test.each<[string, unknown[]]>([
    ['{"a":1}', [{ a: 1 }]],
    ['  {"a":1}\r', [{ a: 1 }]],
    ['\0\0\ufeff{"a":1}\0', [{ a: 1 }]],
    ['{"a":{"b":{}}}{"c":{}}', [{ a: { b: {} } }, { c: {} }]],
    ['{"a":"}{"}{"b":"\\"}"}', [{ a: '}{' }, { b: '"}' }]],
    ['{"a":1} , {"b":2} and more', [{ a: 1 }, { b: 2 }]],
    ['{"a":1}{"b":', [{ a: 1 }]],
    ['{"a":', []],
    ['said: {"a":1}', []],
    ['[{"a":1}]', []],
    ['"a"', []],
    ['', []],
  ])('%j', (line, events) => {
    expect(eventsIn(line)).toEqual(events);
  });

  it('any objects, written one behind the other, come back', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), (objects) => {
        expect(eventsIn(objects.map((one) => JSON.stringify(one)).join(''))).toEqual(
          JSON.parse(JSON.stringify(objects)),
        );
      }),
    );
  });

  it('a line of 30 MB is passed over and counted, and what is behind it is read', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'mstone-lines-')), 'log');
    const half = Buffer.from('{"type":"assistant","text":"é');
    writeFileSync(
      file,
      Buffer.concat([
        Buffer.from(`${init}\n{"type":"user","text":"`),
        Buffer.alloc(30 * 1024 * 1024, 0x78),
        Buffer.from('"}\n'),
        half.subarray(0, -1),
        Buffer.from(`\n${result()}`),
      ]),
    );
    const lines: string[] = [];
    const read = await readLines(file, { mark: '"type"', longest: 8 * 1024 * 1024 }, (line) => {
      lines.push(line);
    });
    expect([read.skipped, lines.length]).toEqual([1, 3]);
    expect(tell(claude, lines)).toEqual({
      outcome: { kind: 'finished' },
      costUsd: 0,
      session: 'S',
      version: '2.1.329',
      tokens: { input: 0, cached: 0, output: 0 },
    });
    const rest = await readLines(
      file,
      { mark: '"type"', longest: 100, from: read.bytes - 5 },
      () => undefined,
    );
    expect(rest).toEqual({ bytes: read.bytes, writtenAt: read.writtenAt, skipped: 0 });
  });
});

describe('prose is no limit', () => {
  const LIMIT = "You've hit your 5-hour limit · resets 1:07pm (UTC)";
  const claudeProse = [
    init,
    JSON.stringify({ type: 'assistant', message: { content: [{ type: 'text', text: LIMIT }] } }),
    JSON.stringify({
      type: 'user',
      message: { content: [{ type: 'tool_result', tool_use_id: 't', content: `429 rate_limit ${LIMIT}` }] },
    }),
    LIMIT,
    `rate_limit_event {"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":9}}`,
  ];

  it("in claude's own words, in a tool's output, in a line that is no event", () => {
    expect(tell(claude, [...claudeProse, result({ result: LIMIT })]).outcome).toEqual({ kind: 'finished' });
    expect(
      tell(claude, [...claudeProse, result({ is_error: true, result: 'API Error: 400' })], 1).outcome,
    ).toEqual({
      kind: 'crashed',
      message: 'API Error: 400',
      exit: 1,
    });
  });

  it("in codex's words, commands and warnings", () => {
    const message = 'You’ve hit your usage limit. try again at 1:19 PM.';
    const lines = [
      { type: 'thread.started', thread_id: 'T' },
      { type: 'turn.started' },
      { type: 'error', message },
      { type: 'item.completed', item: { type: 'error', message } },
      {
        type: 'item.completed',
        item: { type: 'command_execution', aggregated_output: message, exit_code: 1 },
      },
      { type: 'item.completed', item: { type: 'agent_message', text: message } },
    ].map((event) => JSON.stringify(event));
    expect(tell(codex, [...lines, '{"type":"turn.completed"}'])).toEqual({
      outcome: { kind: 'finished' },
      costUsd: 0,
      session: 'T',
    });
    expect(tell(codex, lines, 1).outcome.kind).toBe('crashed');
  });

  it("in gemini's and opencode's words", () => {
    const text = 'You have exhausted your daily quota. 429 {"error":{"code":429}}';
    const said = JSON.stringify({ type: 'message', role: 'assistant', content: text, delta: true });
    expect(tell(gemini, [said, '{"type":"result","status":"success"}']).outcome).toEqual({
      kind: 'finished',
    });
    const part = JSON.stringify({ type: 'text', sessionID: 's', part: { text } });
    expect(tell(opencode, [part, '{"type":"step_finish","part":{"reason":"stop","cost":-1}}'])).toMatchObject(
      { outcome: { kind: 'finished' }, costUsd: 0 },
    );
  });
});

describe('a service without room', () => {
  test.each([
    'Selected model is at capacity. Please try a different model.',
    'Policy-restricted capacity is unavailable. Please try again later.',
  ])('is told by codex in its own words: %s', (message) => {
    const failed = JSON.stringify({ type: 'turn.failed', error: { message } });
    expect(tell(codex, [failed], 1).outcome).toEqual({ kind: 'overloaded', message });
  });
});

describe('a contract that changed', () => {
  it('is said to be one: a result without `is_error`, a failure without a message, a status that is none', () => {
    expect(tell(claude, [init, '{"type":"result","subtype":"success"}']).outcome).toMatchObject({
      kind: 'crashed',
      message: 'its result has no `is_error`: this version of claude is not understood',
    });
    expect(tell(claude, [init, result({ is_error: 'false' })]).outcome.kind).toBe('crashed');
    expect(tell(codex, ['{"type":"turn.failed"}'], 1).outcome).toMatchObject({
      kind: 'crashed',
      message: 'its failure has no message: this version of codex is not understood',
    });
    expect(tell(gemini, ['{"type":"result","status":"fine"}']).outcome).toMatchObject({
      kind: 'crashed',
      message: 'its result has no known `status`: this version of gemini is not understood',
    });
  });

  it('unknown events are passed over and counted', () => {
    const lines = ['{"type":"news"}', '{"no":"type"}', init, '{"type":7}', result()];
    expect(readEvents(claude, lines)).toMatchObject({ unknown: 3, session: 'S' });
    expect(tell(claude, lines).outcome).toEqual({ kind: 'finished' });
  });

  it('a result before the first event of a conversation counts all the same', () => {
    expect(tell(claude, [result(), init]).outcome).toEqual({ kind: 'finished' });
    expect(tell(claude, [init]).outcome).toMatchObject({ kind: 'crashed', exit: 0 });
    expect(tell(claude, []).outcome).toMatchObject({ kind: 'crashed', exit: 0 });
  });
});

describe('a limit', () => {
  const rejected = (resetsAt: number): string =>
    JSON.stringify({ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt } });
  const limit = (text: string): string =>
    result({ is_error: true, api_error_status: 429, api_error: 'usage_limit_reached', result: text });
  const DAY_S = 24 * 60 * 60;

  test.each<[string, string[], object]>([
    ['named by an event', [rejected(NOW / 1000 + 60), limit('x')], { known: 'event', resetAt: NOW + 60_000 }],
    ['gone by', [rejected(NOW / 1000 - 60), limit('x')], { known: 'event', resetAt: NOW }],
    // No window is that long, so nobody knows.
    ['in a year', [rejected(NOW / 1000 + 366 * DAY_S), limit('x')], {}],
    [
      'named in words alone',
      [limit("You've hit your 5-hour limit · resets 5:07pm (UTC)")],
      { known: 'text', resetAt: NOW + 127 * 60_000 },
    ],
    [
      'in another zone',
      [limit("You've hit your 5-hour limit · resets 5:07pm (Europe/Berlin)")],
      { known: 'text', resetAt: NOW + 67 * 60_000 },
    ],
    ['that names no time', [limit("You've hit your limit")], {}],
  ])('%s', (_, lines, expected) => {
    const { outcome } = tell(claude, [init, ...lines], 1);
    const { message: _message, ...rest } = { message: '', ...outcome };
    expect(rest).toEqual({ kind: 'limited', ...expected });
  });

  it('of opencode waits for as long as the service said', () => {
    const error = (retry: string): string =>
      JSON.stringify({
        type: 'error',
        error: {
          name: 'APIError',
          data: { message: 'slow down', statusCode: 429, responseHeaders: { 'retry-after': retry } },
        },
      });
    expect(tell(opencode, [error('30')], 1).outcome).toEqual({
      kind: 'limited',
      known: 'event',
      resetAt: NOW + 30_000,
      message: 'slow down',
    });
    expect(tell(opencode, [error('soon')], 1).outcome).toEqual({
      kind: 'limited',
      message: 'slow down',
    });
  });
});

describe('clock times', () => {
  const at = (text: string, zone = 'UTC'): string | undefined => {
    const time = clockTime(text, NOW, zone);
    return time === undefined ? undefined : new Date(time).toISOString().slice(0, 16);
  };

  test.each<[string, string | undefined]>([
    ['resets 3:05pm (UTC)', '2026-11-20T15:05'],
    // It is 3:01pm: that was a moment ago.
    ['resets 3pm', '2026-11-20T15:00'],
    ['resets 1:07pm (UTC)', '2026-11-21T13:07'],
    ['try again at 12:19 AM.', '2026-11-21T00:19'],
    ['resets Nov 22, 7:10pm (UTC)', '2026-11-22T19:10'],
    ['try again at Nov 22nd, 2026 7:10 PM.', '2026-11-22T19:10'],
    ['resets Jan 2, 9am', '2027-01-02T09:00'],
    ['resets 11:30pm (America/New_York)', '2026-11-21T04:30'],
    ['resets 4pm (No/Where)', '2026-11-20T16:00'],
    ['resets 25:00', undefined],
    ['resets 13pm', undefined],
    ['resets soon', undefined],
  ])('%s', (text, expected) => {
    expect(at(text)).toBe(expected);
  });

  it('summer time that begins in between is counted', () => {
    const evening = Date.UTC(2027, 2, 27, 20, 0);
    expect(clockTime('resets Mar 28, 9am (Europe/Berlin)', evening, 'UTC')).toBe(Date.UTC(2027, 2, 28, 7, 0));
  });
});

describe('what was denied', () => {
  const call = (id: string, name: string): string =>
    JSON.stringify({ type: 'assistant', message: { content: [{ type: 'tool_use', id, name }] } });
  const worked = (id: string): string =>
    JSON.stringify({ type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: id }] } });
  const denied = (...calls: [string, string][]): string =>
    result({ permission_denials: calls.map(([id, name]) => ({ tool_use_id: id, tool_name: name })) });

  it('matters where a tool without which no work is done never worked', () => {
    expect(tell(claude, [call('1', 'Bash'), call('2', 'Bash'), denied(['1', 'Bash'])]).outcome).toEqual({
      kind: 'declined',
      message: "it was not permitted to use Bash: name it in the agent's `tools`",
    });
    const once = [call('1', 'Bash'), call('2', 'Bash'), worked('2'), denied(['1', 'Bash'])];
    expect(tell(claude, once).outcome).toEqual({ kind: 'finished' });
    expect(tell(claude, [call('1', 'WebFetch'), denied(['1', 'WebFetch'])]).outcome).toEqual({
      kind: 'finished',
    });
  });

  it('is no matter for a reviewer', () => {
    const facts = readEvents(claude, [call('1', 'Bash'), denied(['1', 'Bash'])]);
    const ending = { end: { kind: 'exited', code: 0 }, resumed: false, at: NOW, lastLine: '' } as const;
    expect(claude.outcomeOf(facts, { ...ending, purpose: 'review' }).outcome).toEqual({ kind: 'finished' });
  });
});

describe('a verdict', () => {
  const verdict = (word: string, problem = 'x'): Record<string, unknown> => ({
    mstone: 'verdict',
    verdict: word,
    findings: [{ id: 'F1', severity: 'minor', problem }],
  });
  const line = (word: string): string => JSON.stringify(verdict(word));
  const block = (word: string, problem?: string): string =>
    JSON.stringify(verdict(word, problem), undefined, 2);

  it('is looked for in whole lines, the last one counting', () => {
    expect(verdictIn('I approve.')).toBe(undefined);
    expect(verdictIn(`It says ${line('approve')}`)).toBe(undefined);
    expect(verdictIn(`${line('approve')} it says`)).toBe(undefined);
    expect(verdictIn(`${line('approve')}\n\`\`\`json\n${line('request_changes')}\n\`\`\`\n`)).toEqual(
      verdict('request_changes'),
    );
  });

  it('may be laid out over several lines, whatever stands before, behind and within it', () => {
    const nasty = fc.constantFrom(
      '{',
      '}',
      '"',
      '\\',
      '\n',
      '```',
      '{"mstone":"verdict"',
      'I approve',
      ' ',
      '[',
    );
    const prose = fc.array(nasty, { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(prose, prose, fc.constantFrom('', '  '), fc.boolean(), (before, within, indent, fenced) => {
        const said = block('request_changes', within).replace(/^/gm, indent);
        const shown = fenced ? `\`\`\`json\n${said}\n\`\`\`` : said;
        const text = `${line('approve')}\nSo:\n${shown}\nThat is all {of it}.\n`;
        expect(verdictIn(text)).toEqual(verdict('request_changes', within));
        // What was begun before and never ended hides nothing.
        expect(verdictIn(`${before}\n${text}`)).toEqual(verdict('request_changes', within));
      }),
    );
    expect(verdictIn(`${block('approve')}\n${block('request_changes').slice(0, -2)}`)).toEqual(
      verdict('approve'),
    );
    // Nor is one within another object an answer.
    expect(verdictIn(JSON.stringify({ quoted: verdict('approve') }, undefined, 2))).toBe(undefined);
  });

  it('is looked for in text of nothing but braces without end', () => {
    expect(verdictIn('{\n'.repeat(500_000))).toBe(undefined);
    expect(verdictIn(`${'{'.repeat(500_000)}\n${line('approve')}`)).toEqual(verdict('approve'));
  });
});
