/**
 * Credentials as people write them, in their own configuration or in a file of keys, → `Credential`s. What is
 * told of a wrong one names it and counts characters; no value is ever repeated.
 */
import type { Credential } from '../model/credential.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import { shapeOf } from './keys.js';

export interface CredentialProblem {
  /** From the list on: `[0, 'env', 'ANTHROPIC_API_KEY']`. */
  readonly path: readonly PropertyKey[];
  /** One clause: `work: ANTHROPIC_API_KEY (52 characters) holds a line break`. */
  readonly message: string;
}

/** The list as it is written; every problem at once. */
export function parseCredentials(value: unknown): Result<readonly Credential[], CredentialProblem[]> {
  const read = shapeOf('credentials').schema.safeParse(value);
  if (!read.success) {
    const problems = read.error.issues.map(({ path }) => ({ path, message: whatIsWrong(value, path) }));
    // Several rules about one thing say one thing.
    const seen = new Set<string>();
    return err(problems.filter(({ message }) => !seen.has(message) && seen.add(message)));
  }
  const credentials = read.data as readonly Credential[];
  const twice = credentials.flatMap(({ name }, index) =>
    credentials.findIndex((one) => one.name === name) < index
      ? [{ path: [index, 'name'], message: `${name} is there twice` }]
      : [],
  );
  return twice.length > 0 ? err(twice) : ok(credentials);
}

function whatIsWrong(list: unknown, path: readonly PropertyKey[]): string {
  const [index, field, variable] = path;
  if (typeof index !== 'number') {
    return `a list of \`{"name": …, "env": {…}}\` is expected, and this is ${kindOf(list)}`;
  }
  const entry = at(list, index);
  const name = at(entry, 'name');
  const who = typeof name === 'string' && name !== '' ? shown(name, 40) : `number ${index + 1}`;
  if (field === 'name') {
    if (name === 'login') return `${who}: \`login\` is what stands for an agent's own login`;
    return `${who}: its name must be letters, digits, dots, dashes and underscores`;
  }
  if (field === 'agents') return `${who}: \`agents\` must be a list of agents' names`;
  if (field !== 'env') {
    return typeof entry === 'object' && entry !== null
      ? `${who}: it may hold \`name\`, \`env\` and \`agents\`, and nothing else`
      : `${who}: \`{"name": …, "env": {…}}\` is expected, and this is ${kindOf(entry)}`;
  }
  const env = at(entry, 'env');
  if (typeof variable !== 'string') {
    return `${who}: \`env\` must be a mapping from variables to their values, not empty`;
  }
  // What is no name of a variable may be a key in the wrong place.
  const name40 = /^[A-Za-z_]\w{0,63}$/.test(variable)
    ? variable
    : `a variable (${variable.length} characters)`;
  const held = at(env, variable);
  if (typeof held !== 'string') return `${who}: ${name40} must be text, and this is ${kindOf(held)}`;
  const length = `${name40} (${held.length} characters)`;
  if (held.includes('\0')) return `${who}: ${length} holds a NUL`;
  if (/[\r\n]/.test(held)) return `${who}: ${length} holds a line break`;
  if (held.trim() === '') return `${who}: ${name40} is empty`;
  return `${who}: ${name40} is no variable that a credential may set`;
}

const at = (value: unknown, key: PropertyKey): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined;

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? 'text' : `a ${typeof value}`;
}

/** The text of a file of keys. */
export function parseKeysFile(text: string): Result<readonly Credential[], string[]> {
  const clean = text.replace(/^\ufeff/, '');
  if (clean.trim() === '') return err(['it is empty']);
  let value: unknown;
  try {
    value = JSON.parse(clean);
  } catch (error) {
    // What the parser says repeats what stands there.
    if (error instanceof SyntaxError) return err([`it is not JSON (${clean.length} characters)`]);
    throw error;
  }
  const read = parseCredentials(value);
  return read.ok ? read : err(read.error.map(({ message }) => message));
}
