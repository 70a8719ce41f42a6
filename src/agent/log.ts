/**
 * What an agent said to mstone, read from its log from the first byte to the last.
 *
 * A log is a stranger's file: it may hold gigabytes in one line, half a character, zero bytes. Memory is
 * bounded by one line of 1 MB; longer ones are log, whatever they say.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { readProtocolLine } from '../brief/protocol.js';

export interface Said {
  /** The last limit that it told of. */
  readonly limited?: { readonly resetAt?: number };
  readonly costUsd: number;
  /** The last verdict, as it was printed; several would be corrections of each other. */
  readonly verdicts: readonly unknown[];
  /** Bytes read. */
  readonly bytes: number;
  /** Epoch ms of the last byte; 0 without a log. */
  readonly writtenAt: number;
}

const LONGEST_LINE = 1024 * 1024;
const MARK = Buffer.from('"mstone"');
const NEWLINE = 10;

export async function readLog(file: string): Promise<Said> {
  let limited: Said['limited'];
  let costUsd = 0;
  let verdict: unknown;
  let bytes = 0;
  const hear = (line: Buffer): void => {
    // A search in bytes costs next to nothing; few lines go further.
    if (!line.includes(MARK)) return;
    const said = readProtocolLine(line.toString('utf8'));
    if (said?.kind === 'limited') limited = said.resetAt === undefined ? {} : { resetAt: said.resetAt };
    if (said?.kind === 'usage') costUsd += said.costUsd;
    if (said?.kind === 'verdict') verdict = said.value;
  };

  const writtenAt = await stat(file).then(
    (stats) => stats.mtimeMs,
    () => undefined,
  );
  if (writtenAt === undefined) return { costUsd, verdicts: [], bytes, writtenAt: 0 };

  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length <= LONGEST_LINE) parts.push(part);
    else parts = [];
  };
  const finish = (): void => {
    if (length > 0 && length <= LONGEST_LINE) hear(Buffer.concat(parts));
    parts = [];
    length = 0;
  };
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    const first = chunk.indexOf(NEWLINE);
    const last = chunk.lastIndexOf(NEWLINE);
    if (first === -1) {
      take(chunk);
      continue;
    }
    take(chunk.subarray(0, first));
    finish();
    // Most blocks are not worth splitting.
    const lines = chunk.subarray(first + 1, last + 1);
    if (lines.includes(MARK)) {
      for (let begin = 0, end = 0; begin < lines.length; begin = end + 1) {
        end = lines.indexOf(NEWLINE, begin);
        hear(lines.subarray(begin, end));
      }
    }
    take(chunk.subarray(last + 1));
  }
  // The last line counts without its newline: the agent is over.
  finish();
  return {
    ...(limited === undefined ? {} : { limited }),
    costUsd,
    verdicts: verdict === undefined ? [] : [verdict],
    bytes,
    writtenAt,
  };
}
