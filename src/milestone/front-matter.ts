/*
 * The only door to gray-matter, which by itself evaluates `---js` blocks, remembers texts across
 * calls (a second parse of broken YAML "succeeds" with nothing) and takes a missing close for a head
 * that spans the file. So: fences are looked at first, YAML is the one language there is, and options
 * are always given, which turns its cache off. YAML that would overflow the parser's stack or keep it
 * busy for minutes never reaches it.
 */
import matter from 'gray-matter';
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import { tooNested } from '../model/nesting.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';

export interface FrontMatter {
  /** Empty where there is no front matter. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The text behind the closing fence. */
  readonly body: string;
  /** Lines before the body: added to a line of the body it gives the line of the file. */
  readonly bodyOffset: number;
  /** The 1-based line in the file of a key, or of the nearest there is on the way to it. */
  lineOf(path: readonly PropertyKey[]): number;
  /** A scalar as it was written: `010` where the data says 10. */
  sourceOf(path: readonly PropertyKey[]): string | undefined;
}

/** Why a head could not be read. */
export interface HeadProblem {
  /** 1-based, in the file. */
  readonly line: number;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
}

/**
 * Splits a milestone's text (LF, no byte-order mark) into front matter and body. A text that does not
 * begin with `---` has none. Nothing in it is ever executed.
 */
export function readFrontMatter(text: string): Result<FrontMatter, readonly HeadProblem[]> {
  if (!text.startsWith('---') || text.startsWith('----')) {
    return ok({ data: {}, body: text, bodyOffset: 0, lineOf: () => 1, sourceOf: () => undefined });
  }
  const lines = text.split('\n');
  const close = closingLine(lines);
  if (typeof close !== 'number') return err([close]);
  const nested = tooNested(lines.slice(1, close).join('\n'));
  if (nested) return err([{ line: 1, message: `the front matter is not read: ${nested}` }]);

  const head = new Head();
  const { content } = matter(text, {
    language: 'yaml',
    // gray-matter hands over the head with the line end of the opening fence: its lines are the file's.
    engines: { yaml: (source) => head.read(source), javascript: refuse, js: refuse, json: refuse },
  });
  if (head.problems.length > 0) return err(head.problems);
  return ok({
    data: head.data,
    body: content,
    bodyOffset: close + 1,
    lineOf: (path) => head.lineOf(path),
    sourceOf: (path) => head.sourceOf(path),
  });
}

const refuse = (): never => {
  throw new Error('front matter is data: only YAML is read');
};

/** Index of the line that closes the head. */
function closingLine(lines: readonly string[]): number | HeadProblem {
  const opening = lines[0] ?? '';
  if (!/^---\s*(ya?ml)?\s*$/.test(opening)) {
    const expected = '`---` alone on the first line: front matter is YAML and is never executed';
    return {
      line: 1,
      message: 'the front matter opens with something else',
      expected,
      found: shown(opening),
    };
  }
  // gray-matter would close at the first line that merely begins with `---`.
  const close = lines.findIndex((line, index) => index > 0 && line.startsWith('---'));
  if (close < 0) {
    const expected = 'a line `---` behind the last key';
    return { line: 1, message: 'the front matter is not closed', expected };
  }
  if (lines[close] !== '---') {
    const expected = 'exactly `---` with nothing behind it';
    const found = shown(lines[close] ?? '');
    return { line: close + 1, message: 'the front matter is not closed', expected, found };
  }
  return close;
}

/** One head, parsed, with its places. */
class Head {
  data: Readonly<Record<string, unknown>> = {};
  readonly problems: HeadProblem[] = [];
  readonly #counter = new LineCounter();
  #root: Document['contents'] = null;

  read(source: string): object {
    const document = parseDocument(source, { lineCounter: this.#counter, prettyErrors: false });
    for (const { pos, message } of [...document.errors, ...document.warnings]) {
      this.#problem(pos[0], `this is not valid YAML: ${shown(message, 200)}`);
    }
    const root = document.contents;
    if (this.problems.length > 0 || root === null || (isScalar(root) && root.value === null)) return {};
    if (!isMap(root)) {
      this.#problem(root.range?.[0], 'the front matter is not a mapping', 'lines of the form `key: value`');
      return {};
    }
    // A collection as a key is written out as text, once more for each level: 300 bytes take for ever.
    visit(document, {
      Pair: (_, { key }) => {
        if (isScalar(key) && typeof key.value === 'string' && key.value !== '__proto__') return;
        const place = isNode(key) ? key.range : root.range;
        this.#problem(
          place?.[0],
          'a key of the front matter is not a word',
          'lines of the form `key: value`',
        );
        return visit.BREAK;
      },
    });
    if (this.problems.length > 0) return {};
    try {
      this.data = document.toJS({ maxAliasCount: 50 });
      this.#root = root;
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      this.#problem(root.range?.[0], `this is not valid YAML: ${shown(error.message, 200)}`);
    }
    return this.data;
  }

  lineOf(path: readonly PropertyKey[]): number {
    let node: unknown = this.#root;
    let offset: number | undefined;
    for (const step of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
        if (!pair) break;
        offset = isScalar(pair.key) ? pair.key.range?.[0] : offset;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(step)];
        offset = isScalar(node) || isMap(node) || isSeq(node) ? (node.range?.[0] ?? offset) : offset;
      } else break;
    }
    return this.#counter.linePos(offset ?? 0).line;
  }

  sourceOf(path: readonly PropertyKey[]): string | undefined {
    let node: unknown = this.#root;
    for (const step of path) {
      if (isMap(node)) node = node.get(step, true);
      else if (isSeq(node)) node = node.items[Number(step)];
    }
    return isScalar(node) ? node.source : undefined;
  }

  #problem(offset: number | undefined, message: string, expected?: string): void {
    this.problems.push({
      line: this.#counter.linePos(offset ?? 0).line,
      message,
      ...(expected && { expected }),
    });
  }
}
