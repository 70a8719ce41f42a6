/** A configuration file's text → its plain data, with the lines that things stand on. */
import { isMap, isNode, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument, visit } from 'yaml';
import type { Diagnostic } from '../model/diagnostic.js';
import { tooNested } from '../model/nesting.js';
import { shown } from '../model/shown.js';

export interface YamlFile {
  /** Empty where the file says nothing or cannot be read. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly diagnostics: readonly Diagnostic[];
  /** The 1-based line of a key, or of the nearest there is on the way to it. */
  lineOf(path: readonly PropertyKey[]): number;
  /** A scalar as it was written: `010` where the data says 10. */
  sourceOf(path: readonly PropertyKey[]): string | undefined;
}

/** Never throws, whatever the text; runs nothing in it. */
export function readYaml(file: string, text: string): YamlFile {
  const diagnostics: Diagnostic[] = [];
  const counter = new LineCounter();
  const atLine = (offset: number | undefined): number => counter.linePos(offset ?? 0).line;
  const problem = (line: number, message: string, expected?: string): void => {
    diagnostics.push({
      severity: 'error',
      code: 'config-file',
      file,
      line,
      message,
      ...(expected && { expected }),
    });
  };
  const nothing = (): YamlFile => ({ data: {}, diagnostics, lineOf: () => 1, sourceOf: () => undefined });

  const clean = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  const nested = tooNested(clean);
  if (nested) {
    problem(1, `the file is not read: ${nested}`);
    return nothing();
  }
  const document = parseDocument(clean, { lineCounter: counter, prettyErrors: false });
  for (const { pos, message } of [...document.errors, ...document.warnings]) {
    problem(atLine(pos[0]), `this is not valid YAML: ${shown(message, 200)}`);
  }
  const root: ParsedNode | null = document.contents;
  if (diagnostics.length > 0 || root === null || (isScalar(root) && root.value === null)) return nothing();
  const mapping = 'lines of the form `key: value`';
  if (!isMap(root)) {
    problem(atLine(root.range[0]), 'the file is not a mapping', mapping);
    return nothing();
  }
  // A collection as a key is written out as text, once more for each level: 300 bytes take for ever.
  visit(document, {
    Pair: (_, { key }) => {
      if (isScalar(key) && typeof key.value === 'string' && key.value !== '__proto__') return;
      const place = isNode(key) ? key.range : root.range;
      problem(atLine(place?.[0]), 'a key is not a word', mapping);
      return visit.BREAK;
    },
  });
  if (diagnostics.length > 0) return nothing();
  let data: Record<string, unknown>;
  try {
    data = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    problem(1, `this is not valid YAML: ${shown(error.message, 200)}`);
    return nothing();
  }

  return {
    data,
    diagnostics,
    lineOf(path) {
      let node: unknown = root;
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
      return atLine(offset);
    },
    sourceOf(path) {
      const node = document.getIn(path, true);
      return isScalar(node) ? node.source : undefined;
    },
  };
}
