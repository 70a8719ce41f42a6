/** `mstone config`: every setting as it holds here, and who decided it. Values of agents' `env` stay hidden. */
import { configKeys, type Origin } from '../config/index.js';
import { isDuration } from '../config/keys.js';
import { openRepository } from '../git/index.js';
import { type Diagnostic, hasErrors, withFix } from '../model/diagnostic.js';
import { shown, shownValue } from '../model/shown.js';
import { painter, table } from '../report/text.js';
import { say, sayDiagnostics, sayJson } from './output.js';
import { readCheckout } from './project.js';
import type { World } from './world.js';

export interface ConfigOptions {
  readonly origin?: true;
  readonly json?: true;
}

/** What `--json` prints. */
export interface ConfigDocument {
  readonly schema: 1;
  /** No diagnostic is an error. */
  readonly ok: boolean;
  readonly settings: readonly {
    readonly key: string;
    /** As in `mstone.yaml`; null where nobody says anything. */
    readonly value: unknown;
    readonly origin: {
      readonly from: Origin['from'];
      /** Of a default: the setting that it hangs on. */
      readonly by?: string;
      readonly variable?: string;
      readonly file?: string;
      readonly line?: number;
    };
  }[];
  readonly diagnostics: readonly Diagnostic[];
}

export async function config(world: World & { color: boolean }, options: ConfigOptions): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { settings, configDiagnostics } = await readCheckout(world, repository.value, {});
  const failed = hasErrors(configDiagnostics);
  const rows = [...settings.values].map(([key, value]) => ({
    key,
    value: written(key, value),
    origin: settings.origins.get(key) ?? ({ from: 'default' } as const),
  }));
  if (options.json === true) {
    const document: ConfigDocument = {
      schema: 1,
      ok: !failed,
      settings: rows.map(({ key, value, origin }) => ({ key, value: value ?? null, origin })),
      diagnostics: configDiagnostics.map(withFix),
    };
    sayJson(world, document);
    return failed ? 2 : 0;
  }
  sayDiagnostics(world, configDiagnostics);
  const paint = painter(world.color);
  const cells = rows.map(({ key, value, origin }) => [
    `${shown(key)}:`,
    value === undefined ? unsaid(key) : plainValue(value),
    ...(options.origin === true ? [`# ${originWords(origin)}`] : []),
  ]);
  const isAgent = ([key = '']: readonly string[]): boolean => key.startsWith('agents.');
  const dim = (cell: string, column: number): string => (column === 2 ? paint('dim', cell) : cell);
  // Agents are long: by themselves, so that they do not move what stands behind the others.
  const parts = [cells.filter((row) => !isAgent(row)), cells.filter(isAgent)];
  say(world, parts.flatMap((part) => table(part, dim)).join('\n'));
  return failed ? 2 : 0;
}

/** A value as one would write it in `mstone.yaml`. */
function written(key: string, value: unknown): unknown {
  if (isDuration(key) && typeof value === 'number') return durationWords(value);
  if (key === 'mcp_servers') return withoutSecrets(value);
  if (key === 'credentials') return Object.values(Object(withoutSecrets(value)));
  if (!key.startsWith('agents.') || typeof value !== 'object' || value === null) return value;
  const { env = {}, ...agent } = value as { readonly env?: Readonly<Record<string, string>> };
  const names = Object.keys(env);
  if (names.length === 0) return agent;
  return { ...agent, env: Object.fromEntries(names.map((name) => [name, '(hidden)'])) };
}

/** Servers as they are started, but for what their environments and headers hold. */
function withoutSecrets(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const hidden = (held: unknown): unknown =>
    typeof held === 'object' && held !== null
      ? Object.fromEntries(Object.keys(held).map((name) => [name, '(hidden)']))
      : held;
  return Object.fromEntries(
    Object.entries(value).map(([name, server]) => [
      name,
      Object.fromEntries(
        Object.entries(Object(server)).map(([field, held]) => [
          field,
          field === 'env' || field === 'headers' ? hidden(held) : held,
        ]),
      ),
    ]),
  );
}

/** A word needs no quotes where it can be nothing else; lists and mappings are JSON, which YAML reads. */
const plainValue = (value: unknown): string =>
  typeof value === 'string' && /^[\w./%-]+$/.test(value) ? value : shownValue(value, 500);

/** The largest unit that loses nothing: `45m`, `1500ms`. */
function durationWords(ms: number): string {
  const units = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const;
  const [unit, length] = units.find(([, one]) => ms > 0 && ms % one === 0) ?? (['ms', 1] as const);
  return `${ms / length}${unit}`;
}

/** The key's own word for nothing: `(none)`, `(the author)`. */
const unsaid = (key: string): string => configKeys.find((one) => one.key === key)?.default ?? '(none)';

function originWords(origin: Origin): string {
  switch (origin.from) {
    case 'environment':
      return origin.variable;
    case 'project':
    case 'user':
      return `${shown(origin.file, 200)}:${origin.line}`;
    case 'profile':
      return `${shown(origin.file, 200)}:${origin.line}, profile ${shown(origin.profile)}`;
    case 'default':
      return origin.by === undefined ? 'default' : `default, by ${origin.by}`;
    case 'flag':
      return origin.from;
  }
}
