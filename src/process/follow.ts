/** Reads along with a file that grows, as plain lines: what `tail -F` would show, harmless to a terminal. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { plainly, type Redactor } from '../model/redact.js';
import { plainText } from './plain.js';

/** Characters of a line that are shown; the rest is counted. */
const LONGEST_LINE = 16_384;
const BLOCK_BYTES = 64 * 1024;

/** Bytes as they come, made plain lines. A character, an escape sequence or a line cut in two waits for its end. */
export class PlainLines {
  private decoder = new StringDecoder('utf8');
  private line = '';
  private beyond = 0;
  private readonly redact: Redactor;

  constructor(redact: Redactor = plainly) {
    this.redact = redact;
  }

  /** The lines that have come to their end, without line ends. */
  add(bytes: Uint8Array): string[] {
    // A carriage return at the very end may belong to a line feed that is still to come.
    const parts = (this.line + this.decoder.write(bytes)).split(/\r\n|\n|\r(?=[^\n])/);
    this.line = parts.pop() ?? '';
    const lines = parts.map((part, index) => this.shown(part, index === 0));
    const over = this.line.length - LONGEST_LINE;
    if (over > 0) {
      this.beyond += over;
      this.line = this.line.slice(0, LONGEST_LINE);
    }
    return lines;
  }

  /** What is left, where nothing more will come. */
  end(): string[] {
    const rest = this.line + this.decoder.end();
    const lines = rest === '' ? [] : [this.shown(rest, true)];
    this.line = '';
    this.decoder = new StringDecoder('utf8');
    return lines;
  }

  private shown(line: string, first: boolean): string {
    const beyond = Math.max(0, line.length - LONGEST_LINE) + (first ? this.beyond : 0);
    if (first) this.beyond = 0;
    // Before it is cut, and once more for what escape sequences had torn apart.
    const text = this.redact(plainText(this.redact(line).slice(0, LONGEST_LINE))).replaceAll('\n', ' ');
    return beyond === 0 ? text : `${text} … (${beyond} characters more)`;
  }
}

/** One file, from a byte on. A file that is not there yet has no lines; one made anew is read anew. */
export class FileTail {
  private readonly file: string;
  private position: number;
  private inode: number | undefined;
  private readonly lines: PlainLines;

  constructor(file: string, from = 0, redact: Redactor = plainly) {
    this.lines = new PlainLines(redact);
    this.file = file;
    this.position = from;
  }

  /** What has come since the last look, at most `maxBytes` of it; `more`: there is more to read at once. */
  read(maxBytes = 1024 * 1024): { readonly lines: readonly string[]; readonly more: boolean } {
    let fd: number;
    try {
      fd = openSync(this.file, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { lines: [], more: false };
      throw error;
    }
    try {
      const { ino, size } = fstatSync(fd);
      const found: string[] = [];
      if ((this.inode !== undefined && ino !== this.inode) || size < this.position) {
        found.push(...this.lines.end());
        this.position = 0;
      }
      this.inode = ino;
      const end = Math.min(size, this.position + maxBytes);
      const block = Buffer.alloc(Math.min(BLOCK_BYTES, Math.max(0, end - this.position)));
      while (this.position < end) {
        const count = readSync(fd, block, 0, Math.min(block.length, end - this.position), this.position);
        if (count === 0) break;
        this.position += count;
        found.push(...this.lines.add(block.subarray(0, count)));
      }
      return { lines: found, more: this.position < size };
    } finally {
      closeSync(fd);
    }
  }

  /** Leaves out all but the last `bytes`, where there is more to read than that; how many were left out. */
  skipTo(size: number, bytes: number): number {
    const from = size - bytes;
    if (from <= this.position) return 0;
    const skipped = from - this.position;
    this.lines.end();
    this.position = from;
    return skipped;
  }

  /** The line that was begun, where nothing more will come. */
  end(): readonly string[] {
    return this.lines.end();
  }
}
