/** Which of its credentials each agent of a run may be started on, and what it finds in its environment then. */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../model/config.js';
import { AUTH_VARIABLES, credentialsFor, isLogin } from '../model/credential.js';
import type { Diagnostic } from '../model/diagnostic.js';
import type { RunSettings } from '../model/event.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import { scrubFile } from '../process/scrub.js';
import { absent } from './project.js';

/** What `decide` has to know of the credentials of these agents. */
export function credentialSettings(
  config: Config,
  names: Iterable<string>,
): Result<Pick<RunSettings, 'credentials' | 'marks'>, Diagnostic[]> {
  const wrong: Diagnostic[] = [];
  const credentials = Object.fromEntries(
    [...new Set(names)].sort().flatMap((name) => {
      const kind = config.agents[name]?.kind ?? 'recipe';
      const order = credentialsFor(name, kind, config.credentials, config.auth);
      if (order === undefined) return [];
      if (order.length === 0) {
        wrong.push({
          severity: 'error',
          code: 'no-credential',
          message: `\`auth: keys-only\`, and ${shown(name)} has no credential`,
          fix: `add one for ${shown(name)} under \`credentials\`, or write \`auth: login-first\``,
        });
      }
      // Its conversations lie on this machine, whoever paid for them.
      return [[name, { order, roams: kind === 'claude' }]];
    }),
  );
  if (wrong.length > 0) return err(wrong);
  const used = new Set(Object.values(credentials).flatMap(({ order }) => order));
  if (used.size === 0) return ok({});
  return ok({ credentials, marks: marksOf(config, used) });
}

/** By agent, who takes over from it. */
export function fallbacksOf(
  { agents }: Pick<Config, 'agents'>,
  names: Iterable<string>,
): Pick<RunSettings, 'fallbacks'> {
  const fallbacks = [...new Set(names)].sort().flatMap((name) => {
    const agent = agents[name];
    const other = agent !== undefined && 'fallback' in agent ? agent.fallback : undefined;
    return other === undefined ? [] : [[name, other] as const];
  });
  return fallbacks.length === 0 ? {} : { fallbacks: Object.fromEntries(fallbacks) };
}

/** These agents, and those that may take over from them. */
export const withFallbacks = (config: Pick<Config, 'agents'>, names: readonly string[]): string[] => [
  ...names,
  ...Object.values(fallbacksOf(config, names).fallbacks ?? {}),
];

/** 32 bits: enough to see that a key was replaced, too few to know it by. */
const marksOf = ({ credentials }: Config, used: ReadonlySet<string>): Record<string, string> =>
  Object.fromEntries(
    credentials.flatMap(({ name, env }) =>
      used.has(name)
        ? [
            [
              name,
              createHash('sha256')
                .update(JSON.stringify([name, env]))
                .digest('hex')
                .slice(0, 8),
            ],
          ]
        : [],
    ),
  );

/** What an agent's environment is changed by. */
export interface Pay {
  /** Variables that it does not get, wherever they come from. */
  readonly withheld: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Undefined where the agent pays by itself; `gone` where the credential is configured no more. */
export function payFor({ credentials }: Config, name: string | undefined): Pay | 'gone' | undefined {
  if (name === undefined || isLogin(name)) return undefined;
  const credential = credentials.find((one) => one.name === name);
  if (credential === undefined) return 'gone';
  const others = credentials.flatMap(({ env }) => Object.keys(env));
  return { withheld: [...new Set([...AUTH_VARIABLES, ...others])], env: credential.env };
}

/** Takes secrets out of all logs in a folder: what a killed mstone did not come to. */
export async function scrubLogs(folder: string, forms: readonly string[]): Promise<void> {
  if (forms.length === 0) return;
  const entries = await readdir(folder, { withFileTypes: true }).catch(absent([]));
  for (const entry of entries) {
    if (entry.isFile() && entry.name.endsWith('.log')) await scrubFile(join(folder, entry.name), forms);
  }
}
