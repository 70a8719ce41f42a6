import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCredentials, parseKeysFile } from '../../src/config/credentials.js';
import { resolveConfig } from '../../src/config/index.js';

const KEY = 'sk-ant-api03-planted-0123456789';

describe('a file of keys', () => {
  it('is a list of names and variables, read as it is', () => {
    const text = `\ufeff[{"name": "work", "env": {"ANTHROPIC_API_KEY": "${KEY}"}}, {"name": "spare", "env": {"A": "b"}, "agents": ["mine"]}]`;
    expect(parseKeysFile(text)).toEqual({
      ok: true,
      value: [
        { name: 'work', env: { ANTHROPIC_API_KEY: KEY } },
        { name: 'spare', env: { A: 'b' }, agents: ['mine'] },
      ],
    });
    expect(parseKeysFile('[]')).toEqual({ ok: true, value: [] });
  });

  it.each<[string, string]>([
    ['', 'it is empty'],
    [' \n', 'it is empty'],
    [`[{"name": "work", "env": ${KEY}`, 'it is not JSON (56 characters)'],
    ['{}', 'a list of `{"name": …, "env": {…}}` is expected, and this is a mapping'],
    [`"${KEY}"`, 'a list of `{"name": …, "env": {…}}` is expected, and this is text'],
    [`["${KEY}"]`, 'number 1: `{"name": …, "env": {…}}` is expected, and this is text'],
    ['[{"env": {"A": "b"}}]', 'number 1: its name must be letters, digits, dots, dashes and underscores'],
    [
      '[{"name": "a b", "env": {"A": "b"}}]',
      'a b: its name must be letters, digits, dots, dashes and underscores',
    ],
    ['[{"name": "login", "env": {"A": "b"}}]', "login: `login` is what stands for an agent's own login"],
    ['[{"name": "a"}]', 'a: `env` must be a mapping from variables to their values, not empty'],
    ['[{"name": "a", "env": {}}]', 'a: `env` must be a mapping from variables to their values, not empty'],
    [
      `[{"name": "a", "env": {"A": "b"}, "key": "${KEY}"}]`,
      'a: it may hold `name`, `env` and `agents`, and nothing else',
    ],
    [`[{"name": "a", "env": {"A": "${KEY}\\n"}}]`, 'a: A (32 characters) holds a line break'],
    [`[{"name": "a", "env": {"A": "\\u0000${KEY}"}}]`, 'a: A (32 characters) holds a NUL'],
    ['[{"name": "a", "env": {"A": " "}}]', 'a: A is empty'],
    ['[{"name": "a", "env": {"A": 5}}]', 'a: A must be text, and this is a number'],
    [
      '[{"name": "a", "env": {"MSTONE_JOBS": "5"}}]',
      'a: MSTONE_JOBS is no variable that a credential may set',
    ],
    ['[{"name": "a", "env": {"GIT_DIR": "5"}}]', 'a: GIT_DIR is no variable that a credential may set'],
    ['[{"name": "a", "env": {"A": "b"}, "agents": []}]', "a: `agents` must be a list of agents' names"],
    ['[{"name": "a", "env": {"A": "b"}}, {"name": "a", "env": {"A": "c"}}]', 'a is there twice'],
  ])('%j is refused in words', (text, why) => {
    expect(parseKeysFile(text)).toEqual({ ok: false, error: [why] });
  });

  it('tells every problem at once', () => {
    const read = parseKeysFile('[{"name": "", "env": {"A": " "}}, 7]');
    expect(read).toEqual({
      ok: false,
      error: [
        'number 1: its name must be letters, digits, dots, dashes and underscores',
        'number 1: A is empty',
        'number 2: `{"name": …, "env": {…}}` is expected, and this is a number',
      ],
    });
  });

  it('is never repeated in what is told of it, whatever stands where', () => {
    const planted = fc.constantFrom(KEY, `${KEY}\n`, `${KEY}\0`, 7, null, {}, [KEY]);
    const entry = fc.record(
      {
        name: fc.constantFrom('a', '', 'login', 7),
        env: fc.oneof(planted, fc.dictionary(fc.string(), planted)),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(planted, fc.array(fc.oneof(entry, planted))), (value) => {
        const read = parseCredentials(value);
        if (!read.ok) expect(JSON.stringify(read.error)).not.toContain(KEY);
      }),
    );
  });
});

describe('the configuration', () => {
  const project = { file: 'mstone.yaml', text: `jobs: 1\ncredentials: [{name: a, env: {A: ${KEY}}}]\n` };

  it('refuses keys in the repository with where to put them, and does not repeat them', () => {
    const { config, diagnostics } = resolveConfig({ flags: {}, env: {}, cpus: 1, project });
    expect(config.credentials).toEqual([]);
    expect(diagnostics).toEqual([
      {
        severity: 'error',
        code: 'credential-in-repository',
        file: 'mstone.yaml',
        line: 2,
        message: '`credentials` has no place in the repository: keys must not be committed',
        expected:
          '`credentials` in your own file, ~/.config/mstone/config.yaml, or keys in api-keys.json beside it',
        fix: 'move it there; a key that has been committed is known, so replace it',
      },
    ]);
  });

  it('names the line of a credential that cannot be used, and not its value', () => {
    const text = `credentials:\n  - name: a\n    env:\n      A: "${KEY}\\n"\n`;
    const user = { file: 'config.yaml', text };
    expect(resolveConfig({ flags: {}, env: {}, cpus: 1, user }).diagnostics).toEqual([
      {
        severity: 'error',
        code: 'credential-invalid',
        file: 'config.yaml',
        line: 4,
        message: 'a credential cannot be used: a: A (32 characters) holds a line break',
      },
    ]);
  });

  it('knows the secrets of every profile and of agents, whichever holds', () => {
    const text = [
      'credentials: [{name: a, env: {ANTHROPIC_API_KEY: one-secret}}]',
      'agents: {claude: {env: {ANTHROPIC_API_KEY: two-secret, TONE: calm}}}',
      'profiles: {other: {credentials: [{name: b, env: {TOKEN: three-secret}}]}}',
    ].join('\n');
    const user = { file: 'config.yaml', text };
    const { secrets, config } = resolveConfig({ flags: {}, env: {}, cpus: 1, user });
    expect([...secrets].sort()).toEqual(['one-secret', 'three-secret', 'two-secret']);
    expect(config.credentials).toEqual([{ name: 'a', env: { ANTHROPIC_API_KEY: 'one-secret' } }]);
  });
});
