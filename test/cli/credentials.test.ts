/** Credentials from where people write them to what agents find, and that nothing of them stays anywhere. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const KEY = 'sk-planted-0123456789"abc';
const OTHER = 'sk-other-9876543210';

let p: TestProject;
afterEach(() => p.remove());

/** A file of the user's own, which nobody else may read. */
function own(name: string, text: string, mode = 0o600): string {
  const folder = join(p.env.XDG_CONFIG_HOME ?? '', 'mstone');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const keys = (...list: readonly [name: string, value: string][]): string =>
  JSON.stringify(list.map(([name, value]) => ({ name, env: { PAY: value } })));

/** An agent of the user's that is a few lines of `sh`. */
const scripted = (script: string, more: object = {}): string =>
  `${JSON.stringify({
    agent: 'mine',
    review: false,
    backoff: '0s',
    agents: {
      mine: { kind: 'command', command: ['sh', '-c', script], env: { OPENAI_API_KEY: 'agents-own-key' } },
    },
    ...more,
  })}\n`;

const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();

/** What agents wrote to `$HOME/log`. */
const logged = (): string[] =>
  readFileSync(join(p.env.HOME ?? '', 'log'), 'utf8')
    .trimEnd()
    .split('\n');

/** Every file below a folder that holds the text. */
const holding = (folder: string, text: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile())
    .filter((file) => readFileSync(file).includes(text));

const validate = async (env: Readonly<Record<string, string>> = {}): Promise<string[]> => {
  const { stdout, stderr } = await inside(['validate'], p.root, { ...p.env, ...env });
  expect(`${stdout}${stderr}`).not.toContain('sk-planted');
  return stderr.split('\n').filter((line) => /error:|fix:/.test(line));
};

describe('keys are refused in words', () => {
  it('in the repository, readable by others, broken, twice; and never repeated', async () => {
    p = makeProject('agent: recipe\nreview: false\n');
    p.write('milestones/1A.md', '# 1A\n\n## Recipe\n\n```sh\ntrue\n```\n');
    expect(await validate()).toEqual([]);
    const file = own('api-keys.json', keys(['work', KEY]), 0o644);
    expect(await validate()).toEqual([
      `${file}: error: the file of keys is not used: others may read it`,
      `  fix: chmod 600 -- ${file}`,
    ]);
    chmodSync(file, 0o600);
    expect(await validate()).toEqual([]);

    const mine = own('config.yaml', `credentials: [{name: work, env: {PAY: '${KEY}'}}]\n`, 0o640);
    expect(await validate()).toEqual([
      'error: a credential cannot be used: work is in your configuration and in the file of keys',
      expect.stringMatching(/fix: /),
      `${mine}:1: error: others may read your file, and it holds credentials`,
      `  fix: chmod 600 -- ${mine}`,
    ]);
    own('config.yaml', '');

    p.write('keys.json', keys(['work', KEY]));
    const within = join(p.root, 'keys.json');
    const moved = [
      `${within}: error: the file of keys is not used: it is inside the repository`,
      `  fix: mv -- ${within} ${file}`,
    ];
    expect(await validate({ MSTONE_KEYS_FILE: within })).toEqual(moved);
    const link = join(p.env.HOME ?? '', 'link.json');
    symlinkSync(within, link);
    expect((await validate({ MSTONE_KEYS_FILE: link }))[0]).toBe(
      `${link}: error: the file of keys is not used: it is inside the repository`,
    );
    for (const [text, why] of [
      ['', 'it is empty'],
      [`[{"name": "work", "env": {"PAY": "${'sk-planted'}"`, 'it is not JSON (45 characters)'],
      [keys(['work', `${KEY}\n`]), 'work: PAY (26 characters) holds a line break'],
    ] as const) {
      own('api-keys.json', text);
      expect((await validate())[0]).toBe(`${file}: error: the file of keys is not used: ${why}`);
    }
    expect((await validate({ MSTONE_KEYS_FILE: join(p.env.HOME ?? '', 'none') }))[0]).toMatch(
      /it is not there$/,
    );
    own('api-keys.json', '[]');
    p.write('mstone.yaml', `agent: recipe\nreview: false\nkeys_file: ${file}\n`);
    expect((await validate())[0]).toBe(
      'mstone.yaml:3: error: `keys_file` has no place in the repository: keys must not be committed',
    );
    const { stdout } = await inside(['config'], p.root, {
      ...p.env,
      MSTONE_CREDENTIALS: keys(['work', KEY]),
    });
    expect(stdout).toMatch(/^credentials: +\[\{"name":"work","env":\{"PAY":"\(hidden\)"\}\}\]$/m);
  });

  it('and an agent that may use nothing but keys and has none is not started', async () => {
    p = makeProject('agent: claude\nreview: false\nauth: keys-only\n');
    p.write('milestones/1A.md', '# 1A\n');
    p.commit('Milestones');
    const { code, stderr } = await inside(['run'], p.root, p.env);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('error: `auth: keys-only`, and claude has no credential'),
    });
  });
});

describe('an agent with two keys', () => {
  it('finds one of them and nothing else to pay with, and goes on under the next when it is limited', async () => {
    const script = `echo "$MSTONE_MILESTONE $PAY [$OPENAI_API_KEY] [$OTHER_PAY]" >> "$HOME/log"
      if test "$PAY" = one-of-two; then echo '{"mstone":"limited","reset_at":"${inDays(5)}"}'; exit 75; fi
      echo a > "$MSTONE_MILESTONE.txt"`;
    p = makeProject(scripted(script, { auth: 'keys-only', jobs: 1, checks: ['test -z "$PAY$OTHER_PAY"'] }));
    own(
      'api-keys.json',
      '[{"name": "first", "env": {"PAY": "one-of-two"}}, {"name": "second", "env": {"PAY": "two-of-two", "OTHER_PAY": "more-of-two"}}]',
    );
    p.write('milestones/1A.md', '# 1A\n');
    p.commit('Milestones');
    const first = await p.mstone('run');
    expect({ ...first, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(first.stdout).toMatch(/ 1A implement on first met a usage limit until \S+/);
    const { stdout } = await inside(['doctor'], p.root, p.env);
    expect(stdout).toMatch(/ mine: first \(limited for \d+d \d+h\), second$/m);
    expect(logged()).toEqual(['1A one-of-two [] []', '1A two-of-two [] [more-of-two]']);
    // The next run knows of the limit, though the first has ended.
    p.write('milestones/1B.md', '# 1B\n');
    p.commit('One more');
    expect((await p.mstone('run')).code).toBe(0);
    expect(logged().slice(2)).toEqual(['1B two-of-two [] [more-of-two]']);
    const started = p.journal().filter(({ type }) => type === 'work.started');
    expect(started.map(({ effect }) => Object(effect).credential)).toEqual(['second']);
  });
});

describe('a planted key', () => {
  it('that agents, checks and errors print is in no file of the state, no commit and on no screen', async () => {
    const script = `echo "key $PAY"; printf '%s\\n' "$PAY" | sed 's/"/\\\\\\\\"/' ; echo key "$PAY" >&2
      printf '%s' "$PAY" > "$HOME/known"
      case $MSTONE_ATTEMPT in 1) echo "error: $PAY is refused" >&2; exit 1;; esac
      echo a > "$MSTONE_MILESTONE.txt"`;
    const check = 'cat "$HOME/known"; echo; test -e "$HOME/again" || { touch "$HOME/again"; exit 1; }';
    p = makeProject(scripted(script, { auth: 'keys-only', checks: [check] }));
    own('api-keys.json', keys(['work', KEY], ['spare', OTHER]));
    p.write('milestones/1A.md', '# 1A\n');
    p.commit('Milestones');
    const run = await p.mstone('run', '--verbose');
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/1A \| key \*{25}$/m);
    const said = [run.stdout, run.stderr];
    for (const words of [
      ['logs', '1A'],
      ['status', '--json'],
      ['explain', '1A'],
      ['config', '--json'],
      ['doctor'],
    ]) {
      const { stdout, stderr } = await p.mstone(...words);
      said.push(stdout, stderr);
    }
    const forms = [KEY, JSON.stringify(KEY).slice(1, -1)];
    expect(said.filter((text) => forms.some((form) => text.includes(form)))).toEqual([]);
    const state = [join(p.root, '.git'), p.env.XDG_STATE_HOME ?? ''];
    for (const form of forms) expect(state.flatMap((folder) => holding(folder, form))).toEqual([]);
    expect(p.git('log', '--all', '-p', '--format=%B')).not.toContain('sk-planted');
    // That it was there, and is a blank now.
    const logs = await p.mstone('logs', '1A', '--attempt', '1');
    expect(logs.stdout).toMatch(/^key \*{25}$/m);
    expect(logs.stdout).toMatch(/^error: \*{25} is refused$/m);
  });
});
