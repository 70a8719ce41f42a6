/**
 * Keeps secrets out of all that is written and shown: each of their bytes becomes a `*`, wherever they stand.
 * The length stays, so that a log that is being read along does not move under its readers.
 */

export interface Redactor {
  /** What stands in the text for a secret, longest first; empty where there is nothing to hide. */
  readonly forms: readonly string[];
  (text: string): string;
}

/** Shorter ones are words that stand everywhere. */
const SHORTEST = 8;

/** The secrets themselves, and as they stand inside JSON and URLs. */
export function makeRedactor(secrets: Iterable<string>): Redactor {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret.length < SHORTEST) continue;
    forms.add(secret);
    forms.add(JSON.stringify(secret).slice(1, -1));
    // Half a character has no such form.
    if (!/\p{Cs}/u.test(secret)) forms.add(encodeURIComponent(secret));
  }
  const ordered = [...forms].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const redact = (text: string): string => {
    let shown = text;
    for (const form of ordered) {
      if (shown.includes(form)) shown = shown.replaceAll(form, maskOf(form));
    }
    return shown;
  };
  return Object.assign(redact, { forms: ordered });
}

/** As many `*` as the text has bytes. */
export const maskOf = (form: string): string => '*'.repeat(new TextEncoder().encode(form).length);

/** Hides nothing. */
export const plainly: Redactor = makeRedactor([]);

/** The same value with every text in it redacted, names of fields included. */
export function redacted<T>(value: T, redact: Redactor): T {
  return redact.forms.length === 0 ? value : (walk(value, redact) as T);
}

function walk(value: unknown, redact: Redactor): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((one) => walk(one, redact));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [redact(name), walk(one, redact)]));
}
