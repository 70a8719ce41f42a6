import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readProtocolLine } from '../../src/brief/protocol.js';

const noon = Date.UTC(2026, 6, 31, 12);

it.each([
  [
    'a limit with a time',
    '{"mstone":"limited","reset_at":"2026-07-31T12:00:00Z"}',
    { kind: 'limited', resetAt: noon },
  ],
  [
    'another zone',
    '{"mstone":"limited","reset_at":"2026-07-31T14:00:00+02:00"}',
    { kind: 'limited', resetAt: noon },
  ],
  [
    'a fraction',
    '{"mstone":"limited","reset_at":"2026-07-31t12:00:00.250z"}',
    { kind: 'limited', resetAt: noon + 250 },
  ],
  ['blanks around it', '  {"mstone" : "limited"}\r', { kind: 'limited' }],
  ['no time', '{"mstone":"limited"}', { kind: 'limited' }],
  ['a time that is none', '{"mstone":"limited","reset_at":"3pm"}', { kind: 'limited' }],
  ['a day that is none', '{"mstone":"limited","reset_at":"2026-02-30T12:00:00Z"}', { kind: 'limited' }],
  ['a month that is none', '{"mstone":"limited","reset_at":"2026-13-01T12:00:00Z"}', { kind: 'limited' }],
  ['a local time', '{"mstone":"limited","reset_at":"2026-07-31T12:00:00"}', { kind: 'limited' }],
  ['a number', '{"mstone":"limited","reset_at":1785499200}', { kind: 'limited' }],
  ['a cost', '{"mstone":"usage","cost_usd":0.25}', { kind: 'usage', costUsd: 0.25 }],
  ['a verdict', '{"mstone":"verdict","x":[1]}', { kind: 'verdict', value: { mstone: 'verdict', x: [1] } }],
])('understands %s', (_, line, expected) => {
  expect(readProtocolLine(line)).toEqual(expected);
});

it.each([
  ['prose about limits', 'You hit your usage limit, it resets at 2026-07-31T12:00:00Z'],
  ['prose around a message', 'Printing {"mstone":"limited"} now'],
  ['a message within another', '{"event":{"mstone":"limited"}}'],
  ['a quoted message', '"{\\"mstone\\":\\"limited\\"}"'],
  ['a list', '[{"mstone":"limited"}]'],
  ['half a message', '{"mstone":"limited"'],
  ['an unknown word', '{"mstone":"hello"}'],
  ['a cost in words', '{"mstone":"usage","cost_usd":"0.25"}'],
  ['a negative cost', '{"mstone":"usage","cost_usd":-1}'],
  ['an endless cost', '{"mstone":"usage","cost_usd":1e999}'],
  ['an inherited key', '{"__proto__":{"mstone":"limited"}}'],
  ['a line without end', `{"mstone":"verdict","x":"${'x'.repeat(5_000_000)}"}`],
  ['a well of brackets', `{"mstone":${'['.repeat(100_000)}`],
])('takes %s for log', (_, line) => {
  expect(readProtocolLine(line)).toBeUndefined();
});

it('never throws', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map((json) => `{"mstone":${json}}`),
      ),
      (line) => {
        readProtocolLine(line);
      },
    ),
  );
});
