/**
 * What of a change bears on the checks themselves, read off the change alone: tests that are gone or skipped,
 * thresholds that are lower, other rules for what is run.
 *
 * Pure, and no judge: each is a fact that a reviewer, the milestone or a person answers. What was only moved or
 * renamed is none.
 */
import type { Fact, FilePatch } from '../model/change.js';
import { gateFilesAmong, isManifest, partsChanged } from './gate-files.js';

export interface FactsRequest {
  readonly patches: readonly FilePatch[];
  /** Patterns of files that checks run by. */
  readonly gateFiles: readonly string[];
  /** The checks' command lines. */
  readonly commands: readonly string[];
  /** Manifests that are read in parts: their text before and after, where they are there. */
  readonly manifests: ReadonlyMap<string, { readonly before?: string; readonly after?: string }>;
  /** Folders that held a manifest before, `` for the root. */
  readonly checkedFolders: ReadonlySet<string>;
}

/** One fact for each kind and file, in the order of the change. */
export function factsOf(request: FactsRequest): Fact[] {
  const { patches } = request;
  return [
    ...deletedTests(patches),
    ...patches.flatMap(skippedTests),
    ...patches.flatMap(loweredThresholds),
    ...changedGates(request),
  ];
}

const extensionOf = (path: string): string => /\.([A-Za-z0-9]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';

/** By language, how a test is declared, its name caught where the line has one. */
const DECLARED: readonly (readonly [extensions: RegExp, line: RegExp])[] = [
  [/^[cm]?[jt]sx?$/, /(?<![.\w$])(?:it|test|specify|Deno\.test)(?:\.\w+)*\s*\(\s*(['"`])(.+?)\1/],
  [/^py$/, /^\s*(?:async\s+)?def\s+()(test\w*)\s*\(/],
  [/^go$/, /^func\s+()((?:Test|Fuzz|Example)\w*)\s*\(/],
  [/^rs$/, /^\s*#\[(?:\w+::)?(?:test|rstest|test_case)\b()()/],
  [/^(?:java|kt|groovy|scala)$/, /^\s*@(?:Test|ParameterizedTest|RepeatedTest)\b()()/],
  [/^cs$/, /^\s*\[(?:Test|TestMethod|Fact|Theory|TestCase)\b()()/],
  [/^rb$/, /^\s*(?:it|specify|test)\s*\(?\s*(['"])(.+?)\1|^\s*def\s+()(test_\w+)/],
  [/^php$/, /function\s+()(test\w*)\s*\(|^\s*(?:it|test)\s*\(\s*(['"])(.+?)\3/],
  [/^exs$/, /^\s*test\s+(")(.+?)\1/],
  [/^bats$/, /^@test\s+(['"])(.+?)\1/],
  [/^(?:cc|cpp|cxx|c)$/, /^\s*()(TEST(?:_[FP])?\s*\(.+?\))/],
  [/^swift$/, /^\s*func\s+()(test\w*)\s*\(/],
];

type Lines = FilePatch['added'];

/** The names of tests that these lines declare; where the name is on a line of its own, the one that follows. */
function declared(path: string, lines: Lines): string[] {
  const extension = extensionOf(path);
  const pattern = DECLARED.find(([extensions]) => extensions.test(extension))?.[1];
  if (pattern === undefined) return [];
  return lines.flatMap(({ text }, index) => {
    const match = text.length > 1000 ? null : pattern.exec(text);
    if (match === null) return [];
    const name = match[2] ?? match[4] ?? '';
    if (name !== '') return [name];
    const follows = lines
      .slice(index + 1, index + 5)
      .find((line) => /\w+\s*(?:<.*>)?\s*\(/.test(line.text) && !/^\s*[#@[]/.test(line.text));
    return [/(\w+)\s*(?:<.*>)?\s*\(/.exec(follows?.text ?? '')?.[1] ?? ''];
  });
}

/** Tests whose names are nowhere any more, less those that the same file has got instead. */
function deletedTests(patches: readonly FilePatch[]): Fact[] {
  const each = patches.map((patch) => ({
    patch,
    gone: declared(patch.from ?? patch.path, patch.removed),
    come: declared(patch.path, patch.added),
  }));
  const come = counted(each.flatMap((one) => one.come));
  return each.flatMap(({ patch, ...own }): Fact[] => {
    const left = counted(own.come);
    const lost = own.gone.filter((name) => {
      // What came back under its own name, here or elsewhere, was moved.
      if ((come.get(name) ?? 0) === 0) return true;
      come.set(name, (come.get(name) ?? 0) - 1);
      if ((left.get(name) ?? 0) > 0) left.set(name, (left.get(name) ?? 0) - 1);
      return false;
    });
    const instead = [...left.values()].reduce((sum, count) => sum + count, 0);
    const number = lost.length - instead;
    if (number <= 0) return [];
    const words = `${plural(number, 'test')} ${number === 1 ? 'is' : 'are'} gone: ${some(lost)}`;
    return [
      fact(
        'deleted-tests',
        patch,
        undefined,
        patch.status === 'deleted' ? `the file is deleted; ${words}` : words,
      ),
    ];
  });
}

const counted = (names: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
};

const SKIPS: readonly (readonly [extensions: RegExp, line: RegExp])[] = [
  [
    /^[cm]?[jt]sx?$/,
    /(?<![.\w$])(?:x(?:it|describe|test|context|specify)|f(?:it|describe))\s*\(|(?<![.\w$])(?:it|test|describe|context|suite|specify)(?:\.\w+)*\.(?:skip|only|todo|failing|fixme|skipIf|runIf)\b|(?<![.\w$])(?:it|test|describe)\s*\(.*\{\s*(?:skip|todo|only)\s*:\s*(?!false)|(?<![.\w$])(?:t|this|ctx|context)\.skip\(/,
  ],
  [
    /^py$/,
    /@?(?:pytest\.mark\.|mark\.)(?:skip|skipif|xfail)\b|\bpytest\.skip\(|@(?:unittest\.)?(?:skip|skipIf|skipUnless|expectedFailure)\b|\.skipTest\(/,
  ],
  [/^go$/, /\b[tb]\.Skip(?:f|Now)?\(/],
  [/^rs$/, /^\s*#\[(?:ignore\b|cfg_attr\(.*\bignore\b)/],
  [/^(?:java|kt|groovy|scala)$/, /^\s*@(?:Disabled|Ignore)\b/],
  [/^cs$/, /^\s*\[.*\b(?:Ignore\b|Skip\s*=)/],
  [/^rb$/, /^\s*(?:xit|xdescribe|xcontext|xspecify|fit|fdescribe|fcontext|pending|skip)\b/],
  [/^php$/, /markTest(?:Skipped|Incomplete)\(|->(?:skip|only|todo)\(/],
  [/^exs?$/, /^\s*@(?:tag|moduletag)\s+:?skip\b/],
  [/^bats$/, /^\s*skip\b/],
  [/^(?:cc|cpp|cxx|c)$/, /\bGTEST_SKIP\(|TEST(?:_[FP])?\s*\(.*DISABLED_/],
  [/^swift$/, /\bXCTSkip/],
];

/** More lines that leave tests out than before. */
function skippedTests(patch: FilePatch): Fact[] {
  const extension = extensionOf(patch.path);
  const pattern = SKIPS.find(([extensions]) => extensions.test(extension))?.[1];
  if (pattern === undefined || patch.status === 'deleted') return [];
  const skips = (lines: Lines): Lines =>
    lines.filter(({ text }) => text.length <= 1000 && pattern.test(text));
  const [now, before] = [skips(patch.added), skips(patch.removed)];
  const number = now.length - before.length;
  const known = new Set(before.map(({ text }) => text.trim()));
  const first = now.find(({ text }) => !known.has(text.trim())) ?? now[0];
  if (number <= 0 || first === undefined) return [];
  const words = `tests are left out in ${plural(number, 'place')}: ${first.text.trim().slice(0, 100)}`;
  return [fact('skipped-tests', patch, first.line, words)];
}

/** Files in which a number can be a threshold, and its name. */
const THRESHOLD_FILES =
  /(?:^|\/)(?:package\.json|pyproject\.toml|setup\.cfg|tox\.ini|pytest\.ini|\.coveragerc|\.?codecov\.ya?ml|\.(?:nyc|c8|tap)rc[^/]*|(?:jest|vitest|vite|karma|ava)\.conf(?:ig)?\.[^/]+|pom\.xml|build\.gradle(?:\.kts)?|Makefile|\.simplecov|sonar-project\.properties|\.github\/workflows\/[^/]+)$/;
const THRESHOLD =
  /\b((?:check-)?(?:lines|branches|functions|statements|regions|fail[_-]under|cov-fail-under|minimum(?:_coverage)?|min_coverage|threshold|target|coverage))\b[^\w\n]*?(\d+(?:\.\d+)?)/gi;

function loweredThresholds(patch: FilePatch): Fact[] {
  if (!THRESHOLD_FILES.test(patch.path)) return [];
  const numbers = (lines: Lines): { name: string; value: number; line: number }[] =>
    lines.flatMap(({ text, line }) =>
      [...text.slice(0, 1000).matchAll(THRESHOLD)].map(([, name = '', value]) => ({
        name: name.toLowerCase(),
        value: Number(value),
        line,
      })),
    );
  const now = numbers(patch.added);
  const words: string[] = [];
  let line: number | undefined;
  for (const old of numbers(patch.removed)) {
    const index = now.findIndex(({ name }) => name === old.name);
    const [found] = index < 0 ? [] : now.splice(index, 1);
    if (found !== undefined && found.value >= old.value) continue;
    if (found === undefined && old.value === 0) continue;
    words.push(`${old.name} ${old.value} → ${found?.value ?? '(none)'}`);
    line ??= found?.line;
  }
  return words.length === 0
    ? []
    : [fact('lowered-thresholds', patch, line, `a threshold is lower: ${some(words)}`)];
}

function changedGates({ patches, gateFiles, commands, manifests, checkedFolders }: FactsRequest): Fact[] {
  const gates = gateFilesAmong(
    patches.flatMap(({ path, from }) => (from === undefined ? [path] : [path, from])),
    gateFiles,
    commands,
  );
  return patches.flatMap((patch): Fact[] => {
    const { path, from, status } = patch;
    // It is moved: what it was called before is not read any more.
    if (from !== undefined && gates.has(from))
      return [fact('gate-files', patch, undefined, `what checks run by was ${from}`)];
    if (!gates.has(path) || isTestFile(path)) return [];
    if (status === 'deleted') return [fact('gate-files', patch, undefined, 'what checks run by is deleted')];
    // A folder where nothing was checked yet may be given whatever it needs.
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    if (status === 'added' && (isManifest(path) || !checkedFolders.has(folder))) return [];
    const { before, after } = manifests.get(path) ?? {};
    const parts = partsChanged(path, before, after);
    if (parts?.length === 0) return [];
    const words = parts === undefined ? '' : `: ${some(parts)}`;
    return [
      fact(
        'gate-files',
        patch,
        patch.added[0]?.line,
        `what checks run by is ${status === 'added' ? 'new' : 'changed'}${words}`,
      ),
    ];
  });
}

const isTestFile = (path: string): boolean =>
  /\.(?:test|spec)\.\w+$|(?:^|\/)test_[^/]+\.py$|_test\.\w+$|_spec\.rb$/.test(path);

const plural = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

function some(words: readonly string[]): string {
  const named = words.filter((word) => word !== '');
  const more = named.length - 5;
  return more > 0 ? `${named.slice(0, 5).join(', ')} and ${more} more` : named.join(', ');
}

function fact(kind: Fact['kind'], { path }: FilePatch, line: number | undefined, text: string): Fact {
  return { id: `${kind} ${path}`, kind, file: path, ...(line === undefined ? {} : { line }), text };
}
