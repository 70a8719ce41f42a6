/**
 * What the checks themselves run by: manifests, configuration of runners and linters, CI.
 *
 * Pure. Of a manifest only those parts count that say how the project is checked: a new dependency is none.
 */
import { matching } from '../model/globs.js';

/** Where nothing else is configured (`gate_files`). */
export const GATE_FILES: readonly string[] = [
  ...['package.json', 'deno.json', 'deno.jsonc', 'composer.json', 'pyproject.toml', 'Cargo.toml'],
  ...['setup.cfg', 'tox.ini', 'pom.xml', 'build.gradle', 'build.gradle.kts'],
  ...['Makefile', 'makefile', 'GNUmakefile', 'justfile', 'Taskfile.yml', 'Taskfile.yaml', 'Rakefile'],
  ...['jest.config.*', 'vitest.config.*', 'vitest.workspace.*', 'vite.config.*', 'playwright.config.*'],
  ...['cypress.config.*', 'karma.conf.*', 'ava.config.*', '.mocharc*', '.nycrc*', '.c8rc*', '.taprc'],
  ...['eslint.config.*', '.eslintrc*', '.eslintignore', 'biome.json', 'biome.jsonc', 'tsconfig*.json'],
  ...[
    'pytest.ini',
    'noxfile.py',
    '.coveragerc',
    'ruff.toml',
    '.ruff.toml',
    'mypy.ini',
    '.flake8',
    '.pylintrc',
  ],
  ...['.golangci.*', 'clippy.toml', '.clippy.toml', '.cargo/config*', '.config/nextest.toml'],
  ...['.rspec', '.rubocop.yml', 'phpunit.xml*', 'phpstan.neon*', 'codecov.yml', '.codecov.yml'],
  ...['.github/workflows/**', '.gitlab-ci.yml', '.circleci/**', 'azure-pipelines.yml', 'Jenkinsfile'],
  '.pre-commit-config.yaml',
];

/** Files whose being there says that checks run in their folder. */
const MANIFESTS: ReadonlySet<string> = new Set([
  ...['package.json', 'deno.json', 'deno.jsonc', 'composer.json', 'pyproject.toml', 'setup.cfg', 'tox.ini'],
  ...['Cargo.toml', 'pom.xml', 'build.gradle', 'build.gradle.kts', 'Makefile', 'makefile', 'GNUmakefile'],
  ...['go.mod', 'Gemfile', 'Rakefile', 'justfile'],
]);

export const isManifest = (path: string): boolean => MANIFESTS.has(nameOf(path));

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Those of the paths that checks run by: by pattern, and what a check's own command line starts. */
export function gateFilesAmong(
  paths: readonly string[],
  patterns: readonly string[],
  commands: readonly string[],
): Set<string> {
  const started = new Set(commands.flatMap(startedBy));
  return new Set([...matching(patterns, paths), ...paths.filter((path) => started.has(path))]);
}

const INTERPRETERS = /^(?:ba|da|z)?sh$|^(?:node|python[\d.]*|ruby|perl|php|deno|bun|tsx|ts-node)$/;

/** Scripts of the repository that a command line starts: `sh tools/check.sh`, `./check`. */
function startedBy(command: string): string[] {
  return command.split(/[;&|\n]+/).flatMap((part) => {
    const words = part
      .trim()
      .split(/\s+/)
      .filter((word) => !/^[A-Za-z_]\w*=/.test(word));
    const [first = '', ...rest] = words;
    const script = first.includes('/')
      ? first
      : INTERPRETERS.test(first)
        ? rest.find((word) => !word.startsWith('-') && word !== 'run')
        : undefined;
    return script === undefined || script.startsWith('/') ? [] : [script.replace(/^(?:\.\/)+/, '')];
  });
}

/** Manifests of which only some parts count: both versions are needed to tell. */
export const isPartial = (path: string): boolean => PARTS[nameOf(path)] !== undefined;

/**
 * What differs in how a file says that things are checked, a few words each; undefined where it is not read in
 * parts. `before` and `after` are its text, undefined where it is not there.
 */
export function partsChanged(path: string, before?: string, after?: string): string[] | undefined {
  const read = PARTS[nameOf(path)];
  if (read === undefined) return undefined;
  const old = read(before ?? '');
  const now = read(after ?? '');
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((part) => {
    const [was, is] = [old.get(part), now.get(part)];
    if (was === is) return [];
    // A script that is new runs in no check yet, unless it runs by itself before or after another.
    const hooked = part.replace(/^scripts\.(?:pre|post)/, 'scripts.');
    if (was === undefined && part.startsWith('scripts.') && (hooked === part || !old.has(hooked))) return [];
    return [`${part}: ${cut(was)} → ${cut(is)}`];
  });
}

const cut = (text: string | undefined): string =>
  text === undefined ? '(none)' : text.length > 60 ? `${text.slice(0, 59)}…` : text;

type Parts = ReadonlyMap<string, string>;

const PARTS: Readonly<Record<string, ((text: string) => Parts) | undefined>> = {
  'package.json': (text) =>
    jsonParts(text, /^(?:scripts|jest|mocha|nyc|c8|ava|tap|vitest|eslintConfig|eslintIgnore|xo|standard)$/),
  'composer.json': (text) => jsonParts(text, /^scripts$/),
  'deno.json': (text) => jsonParts(text, /^(?:tasks|test|lint|compilerOptions)$/),
  'pyproject.toml': (text) =>
    sections(
      text,
      /^tool\.(?:pytest|ruff|mypy|coverage|pylint|tox|nox|flake8|pyright|poe|taskipy|hatch\.envs|pdm\.scripts)/,
    ),
  'setup.cfg': (text) => sections(text, /^(?:tool:pytest|flake8|mypy|coverage|aliases)/),
  'tox.ini': (text) => sections(text, /^/),
  'Cargo.toml': (text) => sections(text, /^(?:lib|\[?test|\[?bench|profile|lints|workspace\.lints)/),
  'pom.xml': (text) =>
    rest(text.replace(/<(dependencies)>[\s\S]*?<\/\1>/g, '').replace(/<version>.*?<\/version>/g, '')),
  'build.gradle': gradle,
  'build.gradle.kts': gradle,
};

function gradle(text: string): Parts {
  return rest(text.replace(/^\s*dependencies\s*\{[\s\S]*?^\}/gm, '').replace(/^\s*version\s*=.*$/gm, ''));
}

const rest = (text: string): Parts => {
  const words = text
    .replace(/\s+/g, ' ')
    .replace(/ ?([<>{}]) ?/g, '$1')
    .trim();
  return words === '' ? new Map() : new Map([['what is not a dependency', words]]);
};

function jsonParts(text: string, wanted: RegExp): Parts {
  if (text.trim() === '') return new Map();
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return new Map([['all of it', text]]);
  }
  if (typeof value !== 'object' || value === null) return new Map([['all of it', text]]);
  const parts = new Map<string, string>();
  for (const [key, part] of Object.entries(value)) {
    if (!wanted.test(key)) continue;
    if (key !== 'scripts' || typeof part !== 'object' || part === null) parts.set(key, JSON.stringify(part));
    else for (const [name, line] of Object.entries(part)) parts.set(`${key}.${name}`, JSON.stringify(line));
  }
  return parts;
}

/** Sections of TOML and INI by their heads; comments and empty lines count for nothing. */
function sections(text: string, wanted: RegExp): Parts {
  const parts = new Map<string, string>();
  let name = '';
  for (const line of text.split('\n')) {
    const words = line.trim();
    const head = /^\[(.+)\]\s*(?:[#;].*)?$/.exec(words);
    if (head !== null) name = (head[1] ?? '').trim();
    else if (words !== '' && !/^[#;]/.test(words) && wanted.test(name)) {
      parts.set(name, `${parts.get(name) ?? ''}${words}\n`);
    }
  }
  return parts;
}
