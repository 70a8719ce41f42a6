/**
 * What an agent said to mstone, read from its log from the first byte to the last.
 *
 * A log is a stranger's file: it may hold gigabytes in one line, half a character, zero bytes. Memory is
 * bounded by one line; longer ones are log, whatever they say.
 */
import { open, stat } from 'node:fs/promises';
import { readProtocolLine } from '../brief/protocol.js';
import { plainly, type Redactor } from '../model/redact.js';
import { verdictIn } from './answer.js';

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
const BLOCK_BYTES = 256 * 1024;
const MARK = '"mstone"';
const NEWLINE = 10;

export async function readLog(file: string, redact: Redactor = plainly): Promise<Said> {
  let limited: Said['limited'];
  let costUsd = 0;
  let verdict: unknown;
  let isLaidOut = false;
  const { bytes, writtenAt } = await readLines(file, { mark: MARK, longest: LONGEST_LINE }, (line) => {
    const said = readProtocolLine(redact(line));
    isLaidOut ||= said === undefined;
    if (said?.kind === 'limited') limited = said.resetAt === undefined ? {} : { resetAt: said.resetAt };
    if (said?.kind === 'usage') costUsd += said.costUsd;
    if (said?.kind === 'verdict') verdict = said.value;
  });
  // An answer over several lines: none of them alone is one.
  if (isLaidOut) verdict = verdictIn(redact(await readEnd(file, bytes))) ?? verdict;
  return {
    ...(limited === undefined ? {} : { limited }),
    costUsd,
    verdicts: verdict === undefined ? [] : [verdict],
    bytes,
    writtenAt,
  };
}

/** The last of a file of so many bytes: as much as one line may have. */
async function readEnd(file: string, bytes: number): Promise<string> {
  const length = Math.min(bytes, LONGEST_LINE);
  const handle = await open(file, 'r');
  try {
    const block = Buffer.alloc(length);
    const { bytesRead } = await handle.read(block, 0, length, bytes - length);
    return block.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

export interface LinesWanted {
  /** Only lines that hold these bytes are decoded and handed on. */
  readonly mark: string;
  /** In bytes; longer lines are passed over and counted. */
  readonly longest: number;
  /** The byte to begin at; 0. */
  readonly from?: number;
}

export interface LinesRead {
  /** Of the whole file, what was before `from` included. */
  readonly bytes: number;
  /** Epoch ms of the last byte; 0 without a file. */
  readonly writtenAt: number;
  /** Lines that were too long. */
  readonly skipped: number;
}

/** Hands each wanted line of a file to `hear`, without its newline; the last one counts without one, too. */
export async function readLines(
  file: string,
  { mark: wanted, longest, from = 0 }: LinesWanted,
  hear: (line: string) => void,
): Promise<LinesRead> {
  const writtenAt = await stat(file).then(
    (stats) => stats.mtimeMs,
    () => undefined,
  );
  if (writtenAt === undefined) return { bytes: 0, writtenAt: 0, skipped: 0 };

  const mark = Buffer.from(wanted);
  let bytes = from;
  let skipped = 0;
  let parts: Buffer[] = [];
  let length = 0;
  // A search in bytes costs next to nothing; few lines go further.
  const tell = (line: Buffer): void => {
    if (line.length > longest) skipped += 1;
    else if (line.includes(mark)) hear(line.toString('utf8'));
  };
  const take = (part: Buffer): void => {
    length += part.length;
    if (length > longest) parts = [];
    // A copy: the block is read into again.
    else if (part.length > 0) parts.push(Buffer.from(part));
  };
  const finish = (): void => {
    if (length > longest) skipped += 1;
    else if (length > 0) tell(Buffer.concat(parts));
    parts = [];
    length = 0;
  };
  const handle = await open(file, 'r');
  try {
    const block = Buffer.alloc(BLOCK_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(block, 0, block.length, bytes);
      if (bytesRead === 0) break;
      bytes += bytesRead;
      const chunk = block.subarray(0, bytesRead);
      const first = chunk.indexOf(NEWLINE);
      const last = chunk.lastIndexOf(NEWLINE);
      if (first === -1) {
        take(chunk);
        continue;
      }
      take(chunk.subarray(0, first));
      finish();
      // Many blocks are not worth splitting.
      const lines = chunk.subarray(first + 1, last + 1);
      if (lines.includes(mark)) {
        for (let begin = 0, end = 0; begin < lines.length; begin = end + 1) {
          end = lines.indexOf(NEWLINE, begin);
          tell(lines.subarray(begin, end));
        }
      }
      take(chunk.subarray(last + 1));
    }
  } finally {
    await handle.close();
  }
  finish();
  return { bytes, writtenAt, skipped };
}
