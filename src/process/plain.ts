/** Output of strangers made fit to be shown: text without anything that a terminal would obey. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { plainly, type Redactor } from '../model/redact.js';

/** OSC, DCS and the like up to their end; CSI sequences; any other escape with its next byte. */
const ESCAPES =
  /\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g;
/** Control characters but tab and newline, and what turns the direction of text. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** The text without escape sequences and control characters; line ends become LF. */
export function plainText(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(ESCAPES, '').replace(/\r/g, '\n').replace(CONTROLS, '');
}

/** The end of some output as plain text, secrets taken out before it is cut, of at most `maxBytes`; a character cut in half is left out. */
export function plainTail(bytes: Uint8Array, maxBytes: number, redact: Redactor = plainly): string {
  const text = redact(
    plainText(
      Buffer.from(bytes)
        .toString('utf8')
        .replace(/^\ufffd+/, ''),
    ),
  );
  const whole = Buffer.from(text);
  if (whole.length <= maxBytes) return text;
  let begin = whole.length - maxBytes;
  // Not in the middle of a character.
  while (begin < whole.length && ((whole[begin] ?? 0) & 0xc0) === 0x80) begin += 1;
  return whole.subarray(begin).toString('utf8');
}

/** The last bytes of a file, from `from` on, as plain text of at most `maxBytes`; empty without a file. */
export function readPlainTail(file: string, maxBytes: number, from = 0, redact: Redactor = plainly): string {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return ''; // Nothing was ever written.
  }
  try {
    const size = fstatSync(fd).size;
    // Twice as much, since escape sequences go.
    const begin = Math.max(from, size - 2 * maxBytes);
    const bytes = Buffer.alloc(Math.max(0, size - begin));
    const count = bytes.length === 0 ? 0 : readSync(fd, bytes, 0, bytes.length, begin);
    return plainTail(bytes.subarray(0, count), maxBytes, redact);
  } finally {
    closeSync(fd);
  }
}
