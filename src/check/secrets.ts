/**
 * Secrets in what a change adds: the user's own, by their values, and what looks like one to secretlint or to a
 * few rules beside it. What is found is told by its place and its rule, never by itself.
 */
import type { FilePatch } from '../model/change.js';
import { matching } from '../model/globs.js';

export interface Leak {
  /** What it is: `a GitHub token`. */
  readonly rule: string;
  readonly file: string;
  readonly line: number;
}

export interface SecretsRequest {
  /** Values that must not be in any file, in all the forms that they may stand in. */
  readonly own: readonly string[];
  /** Patterns of files in which only these are looked for. */
  readonly allowed: readonly string[];
}

/** What secretlint's preset does not know. */
const RULES: readonly (readonly [rule: string, line: RegExp])[] = [
  ['an AWS access key', /\b(?:AKIA|ASIA)(?!.{0,12}EXAMPLE)[0-9A-Z]{16}\b/],
  ['a private key', /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY(?: BLOCK)?-----/],
  ['an Anthropic key', /\bsk-ant-[A-Za-z0-9_-]{24,}/],
  ['an OpenAI key', /\bsk-(?:proj-|svcacct-)?[A-Za-z0-9]{20,}[A-Za-z0-9_-]*\b/],
  ['a Google key', /\bAIza[0-9A-Za-z_-]{35}\b/],
];

/** Lines longer than this are no source that anybody wrote: only own secrets are looked for there. */
const LONGEST_LINE = 20_000;

/** In the lines that these patches add; one for each line. */
export async function findLeaks(patches: readonly FilePatch[], request: SecretsRequest): Promise<Leak[]> {
  const leaks: Leak[] = [];
  const spared = new Set(
    matching(
      request.allowed,
      patches.map(({ path }) => path),
    ),
  );
  for (const { path, added } of patches) {
    const found = new Map<number, string>();
    for (const { line, text } of added) {
      if (request.own.some((form) => text.includes(form))) found.set(line, 'one of your own credentials');
    }
    const readable =
      spared.has(path) || added.some(({ text }) => text.includes('\0'))
        ? []
        : added.filter(({ text }) => text.length <= LONGEST_LINE);
    for (const { line, text } of readable) {
      const rule = RULES.find(([, pattern]) => pattern.test(text))?.[0];
      if (rule !== undefined && !found.has(line)) found.set(line, rule);
    }
    for (const { index, rule } of await lint(readable.map(({ text }) => text).join('\n'))) {
      const line = readable[index]?.line ?? 1;
      if (!found.has(line)) found.set(line, rule);
    }
    for (const [line, rule] of [...found].sort(([a], [b]) => a - b)) leaks.push({ rule, file: path, line });
  }
  return leaks;
}

/** Whether a text holds one of the user's own secrets: a commit's message, a file's name. */
export const holdsOwn = (text: string, { own }: SecretsRequest): boolean =>
  own.some((form) => text.includes(form));

async function lint(content: string): Promise<{ index: number; rule: string }[]> {
  if (content.trim() === '') return [];
  // Hundreds of patterns: loaded by whoever takes work, and by nobody else.
  const [{ lintSource }, { creator }] = await Promise.all([
    import('@secretlint/core'),
    import('@secretlint/secretlint-rule-preset-recommend'),
  ]);
  const { messages } = await lintSource({
    source: { content, filePath: 'change.txt', contentType: 'text' },
    options: { config: { rules: [{ id: creator.meta.id, rule: creator, options: {} }] }, maskSecrets: true },
  });
  return messages.map(({ loc, ruleId }) => ({
    index: loc.start.line - 1,
    rule: `a secret (${ruleId.replace(/^.*secretlint-rule-/, '')})`,
  }));
}

/** Names of variables that hold a secret as a rule. */
const SECRET_NAME =
  /(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|KEY)(?:_|$)/i;

/** The values of an environment's variables that are secret by their name and look like it. */
export const secretValues = (environment: Readonly<Record<string, string | undefined>>): string[] =>
  Object.entries(environment).flatMap(([name, value = '']) =>
    SECRET_NAME.test(name) &&
    value.length >= 12 &&
    !/[\s/\\]/.test(value) &&
    /\d/.test(value) &&
    /[a-z]/i.test(value)
      ? [value]
      : [],
  );
