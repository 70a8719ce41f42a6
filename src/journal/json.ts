/**
 * What JSON leaves bare and a terminal obeys or a reader trips over: DEL and the C1 controls (a lone
 * U+009B starts an escape sequence), the line separators, and the marks that turn text round.
 */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * JSON in one line (or indented by `indent` blanks) that is safe to print: the same data, with every
 * control character written as an escape.
 */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    UNSAFE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
