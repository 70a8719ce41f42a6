import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutTo, oneLine, padTo, painter, table, textWidth } from '../../src/report/text.js';
import { HARMLESS, HOSTILE } from './states.js';

test('text loses what a terminal would obey and keeps the rest', () => {
  expect(oneLine(HOSTILE)).toBe(HARMLESS);
  expect(oneLine('  漢字 – “naïve” 👩‍👩‍👧 \t done  ')).toBe('漢字 – “naïve” 👩‍👩‍👧   done');
  expect(oneLine('before \u001b]0;no end of it')).toBe('before 0;no end of it');
  expect(oneLine('\u001bP1;2|payload\u001b\\seen\u001b')).toBe('seen');
});

test('no text leaves anything that a terminal would obey', () => {
  const bytes = fc.string({
    unit: fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCharCode(code)),
  });
  const sequences = fc.constantFrom(
    '\u001b',
    '\u001b[',
    '\u009b',
    ']',
    '[',
    '\u0007',
    '31m',
    '\u001b\\',
    '\u009c',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(sequences, bytes)), (parts) => {
      expect(oneLine(parts.join(''))).not.toMatch(
        /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/,
      );
    }),
  );
});

test.each([
  ['', 0],
  ['abc', 3],
  ['naïve', 5],
  ['nai\u0308ve', 5],
  ['漢字', 4],
  ['ｆｕｌｌ', 8],
  ['한글', 4],
  ['👩‍👩‍👧', 2],
  ['🇨🇭', 2],
  ['☃', 1],
  ['❤\ufe0f', 2],
  ['✔', 1],
  ['…', 1],
  // Marks that take a column of their own, in half-width Japanese and in Indian scripts.
  ['ｶﾞ', 2],
  ['हिन्दी', 4],
  ['👨‍👩‍👧‍👦🇩🇪1️⃣❤️☀', 9],
])('%j takes %i columns', (text, width) => {
  expect(textWidth(text)).toBe(width);
});

test('text is cut between characters, with a mark', () => {
  expect(
    ['abcdef', 'abcde', '漢字漢字', '漢字漢字', 'ab👩‍👩‍👧cd', 'é́é́'].map((text, index) =>
      cutTo(text, [5, 5, 8, 6, 4, 1][index] ?? 0),
    ),
  ).toEqual(['abcd…', 'abcde', '漢字漢字', '漢字…', 'ab…', '…']);
});

test('what is cut never takes more room than there is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 12 }), (text, width) => {
      const plain = oneLine(text);
      expect(textWidth(cutTo(plain, width))).toBeLessThanOrEqual(width);
      if (textWidth(plain) <= width) expect(cutTo(plain, width)).toBe(plain);
    }),
  );
});

test('columns are aligned whatever they hold', () => {
  expect(
    table([
      ['1A', '漢字', 'x'],
      ['12AB', 'abc', ''],
    ]),
  ).toEqual(['1A    漢字  x', '12AB  abc']);
  expect(padTo('漢', 4)).toBe('漢  ');
});

test('there are colours only where they were asked for', () => {
  expect([painter(false)('red', 'x'), painter(true)('red', 'x')]).toEqual(['x', '\u001b[31mx\u001b[39m']);
});
