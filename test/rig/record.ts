/**
 * What the suite did with the command line: each mstone that the rig started, with the test that started
 * it. `test/surface/list.mjs` reads it to say what no test has ever done. The product knows nothing of it.
 *
 * `.surface/<test file>.ndjson`, a line for each; written anew whenever the file runs.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { parse } from 'yaml';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = join(root, '.surface');
const begun = new Set<string>();

export interface Ran {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Where a documented command line stands: `README.md:12`. */
  readonly documented?: string;
}

/** Remembers one mstone and how it ended. */
export function record({ args, cwd, env, code, stdout, stderr, documented }: Ran): void {
  const { testPath, currentTestName } = expect.getState();
  if (testPath === undefined) return;
  const file = relative(root, testPath);
  const records = join(folder, `${file.replaceAll(/[\\/]/g, '+')}.ndjson`);
  if (!begun.has(records)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(records, '');
    begun.add(records);
  }
  const at = resolve(cwd, argumentOf(args, '-C') ?? env.MSTONE_DIR ?? '.');
  const line = {
    test: `${file} > ${currentTestName ?? '(a hook)'}`,
    args,
    env: Object.keys(env).filter((name) => name.startsWith('MSTONE_') && env[name] !== ''),
    code,
    // A plan has its notes in it.
    said: saidIn(args.includes('plan') ? `${stdout}\n${stderr}` : stderr),
    config: configIn(at, env),
    front: frontIn(at),
    ...(documented === undefined ? {} : { documented }),
  };
  appendFileSync(records, `${JSON.stringify(line)}\n`);
}

const argumentOf = (args: readonly string[], flag: string): string | undefined =>
  args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;

/** The sentences of diagnostics, without their places. */
const saidIn = (text: string): string[] => [
  ...new Set([...text.matchAll(/^(?:\S.*?: )?(?:error|warning|note): (.*)$/gm)].map(([, said = '']) => said)),
];

/** Dotted keys of the project's and the user's configuration. */
function configIn(at: string, env: Ran['env']): string[] {
  const files = [join(at, 'mstone.yaml'), join(env.XDG_CONFIG_HOME ?? '', 'mstone', 'config.yaml')];
  return [...new Set(files.flatMap((file) => dotted(dataOf(read(file)))))];
}

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
};

/** What is no YAML has no keys. */
function dataOf(text: string): unknown {
  if (text.length > 50_000) return {};
  try {
    return parse(text, { logLevel: 'silent' });
  } catch (error) {
    if (error instanceof Error) return {};
    throw error;
  }
}

function dotted(data: unknown, before = ''): string[] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return [];
  return Object.entries(data).flatMap(([key, value]) =>
    before === 'profiles.'
      ? dotted(value)
      : [`${before}${key}`, ...dotted(value, key === 'profiles' ? 'profiles.' : `${before}${key}.`)],
  );
}

function frontIn(at: string): string[] {
  const milestones = join(at, 'milestones');
  if (!existsSync(milestones)) return [];
  const names = readdirSync(milestones).filter((name) => name.endsWith('.md'));
  const heads = names.map((name) => /^---\n([\s\S]*?)^---$/m.exec(read(join(milestones, name)))?.[1] ?? '');
  return [...new Set(heads.flatMap((head) => dotted(dataOf(head)).filter((key) => !key.includes('.'))))];
}
