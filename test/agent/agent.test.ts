import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AssignmentRequest, perform } from '../../src/agent/index.js';
import { identify } from '../../src/process/identity.js';
import { findTagged } from '../../src/process/tagged.js';

const fixtures = join(import.meta.dirname, '../fixtures/agents');
const root = mkdtempSync(join(tmpdir(), 'mstone agent é '));
let count = 0;

function assignment(more: Partial<AssignmentRequest> = {}): AssignmentRequest {
  const base = join(root, `a ${++count}`);
  mkdirSync(join(base, 'dir'), { recursive: true });
  mkdirSync(join(base, 'slot'));
  return {
    dir: join(base, 'dir'),
    logFile: join(base, '1A.1.1.log'),
    kind: { kind: 'command', command: ['true'], env: {} },
    purpose: 'implement',
    milestone: { id: '1A', body: '# 1A', criteria: [], recipe: {} },
    attempt: 2,
    base: 'a'.repeat(40),
    cwd: join(base, 'slot'),
    prompt: 'Do it, with é.\n',
    context: '{"milestone":"1A"}',
    env: { PATH: process.env.PATH ?? '', MSTONE_TAG: 'outer' },
    milestoneEnv: {},
    timeouts: { agentMs: 60_000, idleMs: 60_000 },
    tag: `agent-${process.pid}-${count}`,
    signal: new AbortController().signal,
    graceMs: 200,
    ...more,
  };
}

/** A `command` agent that is `sh -c script`. */
const scripted = (script: string, more: Partial<AssignmentRequest> = {}): AssignmentRequest =>
  assignment({ kind: { kind: 'command', command: ['sh', '-c', script, 'agent'], env: {} }, ...more });

const recipe = (
  recipes: AssignmentRequest['milestone']['recipe'],
  more: Partial<AssignmentRequest> = {},
): AssignmentRequest =>
  assignment({
    kind: { kind: 'recipe', env: {} },
    milestone: { id: '1A', body: '', criteria: [], recipe: recipes },
    ...more,
  });

const log = ({ logFile }: AssignmentRequest): string => readFileSync(logFile, 'utf8');

/** `sh` words that print one protocol line. */
const say = (value: unknown): string => `printf '%s\\n' '${JSON.stringify(value)}'`;

describe('a command agent', () => {
  it('gets the prompt on stdin and in a file, and what it works on in its environment', async () => {
    const one = scripted(
      'cat; cat "$MSTONE_PROMPT_FILE" "$MSTONE_CONTEXT_FILE"; echo; env | grep -E "^(MSTONE|A_|M_)" | sort; pwd',
      {
        kind: {
          kind: 'command',
          command: [
            'sh',
            '-c',
            'cat; cat "$MSTONE_PROMPT_FILE" "$MSTONE_CONTEXT_FILE"; echo; env | grep -E "^(MSTONE|A_|B_)" | sort; pwd',
          ],
          env: { A_ONE: 'agent', B_BOTH: 'agent', MSTONE_BASE: 'forged', MSTONE_TAG: 'forged' },
        },
        milestoneEnv: { B_BOTH: 'milestone', MSTONE_PURPOSE: 'forged' },
      },
    );
    expect(await perform(one)).toEqual({
      outcome: { kind: 'finished' },
      costUsd: 0,
      logBytes: statSync(one.logFile).size,
    });
    expect(log(one)).toBe(
      [
        'Do it, with é.',
        'Do it, with é.',
        '{"milestone":"1A"}',
        'A_ONE=agent',
        'B_BOTH=milestone',
        'MSTONE_ATTEMPT=2',
        `MSTONE_BASE=${'a'.repeat(40)}`,
        `MSTONE_CONTEXT_FILE=${join(one.dir, 'context.json')}`,
        'MSTONE_MILESTONE=1A',
        `MSTONE_PROMPT_FILE=${join(one.dir, 'prompt.md')}`,
        'MSTONE_PURPOSE=implement',
        `MSTONE_TAG=outer,${one.tag}`,
        one.cwd,
        '',
      ].join('\n'),
    );
    expect(['prompt.md', 'context.json'].map((name) => statSync(join(one.dir, name)).mode & 0o777)).toEqual([
      0o600, 0o600,
    ]);
    expect(statSync(one.logFile).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['exit 0', { kind: 'finished' }],
    ['echo oops >&2; exit 1', { kind: 'crashed', message: 'exit 1: oops', exit: 1 }],
    ['exit 3', { kind: 'crashed', message: 'exit 3', exit: 3 }],
    ['echo no tool; exit 127', { kind: 'unstartable', message: '`sh` could not start (exit 127): no tool' }],
    ['exit 126', { kind: 'unstartable', message: '`sh` could not start (exit 126)' }],
    ['exit 75', { kind: 'limited', message: 'usage limit, reset time unknown' }],
    ['echo limited until tomorrow', { kind: 'finished' }],
    [say({ mstone: 'limited', reset_at: '2099-01-01T00:00:00Z' }), { kind: 'finished' }],
    [
      `${say({ mstone: 'limited', reset_at: 'soon' })}; exit 75`,
      { kind: 'limited', message: 'usage limit, reset time unknown' },
    ],
    ["printf '\\033[31mred\\033[0m\\n'; exit 4", { kind: 'crashed', message: 'exit 4: red', exit: 4 }],
  ])('ends after `%s` as %j', async (script, outcome) => {
    expect((await perform(scripted(script))).outcome).toEqual(outcome);
  });

  it('could not start when its program is not there', async () => {
    const { outcome } = await perform(
      assignment({ kind: { kind: 'command', command: ['no-such-agent'], env: {} } }),
    );
    expect(outcome).toEqual({
      kind: 'unstartable',
      message: expect.stringMatching(/^`no-such-agent` could not start \(exit 127\): .*not found/),
    });
    expect(
      (await perform(assignment({ kind: { kind: 'command', command: [], env: {} } }))).outcome,
    ).toMatchObject({
      kind: 'unstartable',
    });
  });

  it('names the signal that ended it', async () => {
    expect((await perform(scripted('kill -9 $$'))).outcome).toEqual({
      kind: 'crashed',
      message: expect.stringContaining('ended by SIGKILL'),
      signal: 'SIGKILL',
    });
  });

  it('is limited until the last time that it told', async () => {
    const inAnHour = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
    const one = scripted(
      `${say({ mstone: 'limited', reset_at: '2001-01-01T00:00:00Z' })}; ${say({ mstone: 'limited', reset_at: inAnHour.toISOString() })}; exit 75`,
    );
    expect((await perform(one)).outcome).toEqual({
      kind: 'limited',
      resetAt: inAnHour.getTime(),
      message: `usage limit until ${inAnHour.toISOString()}`,
    });
  });

  it('waits neither for the past nor for what is years away', async () => {
    const before = Math.floor(Date.now()) - 1000;
    const until = async (when: string): Promise<number | undefined> => {
      const { outcome } = await perform(scripted(`${say({ mstone: 'limited', reset_at: when })}; exit 75`));
      expect(outcome.kind).toBe('limited');
      return outcome.kind === 'limited' ? outcome.resetAt : undefined;
    };
    const [past, far] = await Promise.all([until('2001-01-01T00:00:00Z'), until('2099-01-01T00:00:00Z')]);
    expect(past).toBeGreaterThanOrEqual(before);
    expect(past).toBeLessThanOrEqual(Date.now());
    expect(far).toBeUndefined();
  });

  it('adds up its costs, whatever its end', async () => {
    const script = `${say({ mstone: 'usage', cost_usd: 0.25 })}; ${say({ mstone: 'usage', cost_usd: 0.5 })}; ${say({ mstone: 'usage', cost_usd: -9 })}; exit 1`;
    expect(await perform(scripted(script))).toMatchObject({ outcome: { kind: 'crashed' }, costUsd: 0.75 });
  });

  it('times out by its milestone before the configuration', async () => {
    const one = scripted('sleep 60');
    expect((await perform({ ...one, milestone: { ...one.milestone, timeoutMs: 300 } })).outcome).toEqual({
      kind: 'timed-out',
      afterMs: 300,
    });
    expect(
      (await perform(scripted('sleep 60', { timeouts: { agentMs: 300, idleMs: 60_000 } }))).outcome,
    ).toEqual({
      kind: 'timed-out',
      afterMs: 300,
    });
  });

  it('is stuck when it says nothing for long', async () => {
    expect(
      (await perform(scripted('sleep 60', { timeouts: { agentMs: 60_000, idleMs: 300 } }))).outcome,
    ).toEqual({
      kind: 'stuck',
      silentMs: 300,
    });
  });

  it('is ended when it says too much', async () => {
    expect((await perform(scripted('while :; do echo yes; done', { maxLogBytes: 10_000 }))).outcome).toEqual({
      kind: 'crashed',
      message: 'it printed more than it may (logs.max), so it was ended',
    });
  });

  it('is cancelled with its descendants', async () => {
    const abort = new AbortController();
    const one = scripted(`sh '${fixtures}/daemon.sh' daemon; exec sleep 60`, { signal: abort.signal });
    const running = perform(one);
    const daemon = join(one.cwd, 'daemon');
    await expect.poll(() => existsSync(daemon), { interval: 10 }).toBe(true);
    abort.abort();
    expect((await running).outcome).toEqual({ kind: 'cancelled' });
    expect(identify(Number(readFileSync(daemon, 'utf8')))).toBeUndefined();
    expect(await findTagged(one.tag)).toEqual([]);
  });

  it('may be tried again where its folder was not there', async () => {
    expect((await perform(scripted('true', { cwd: '/no/such/folder' }))).outcome).toMatchObject({
      kind: 'crashed',
      message: expect.stringContaining('/no/such/folder'),
    });
  });
});

describe('a recipe', () => {
  it('runs the block of its purpose in bash, strictly, with the prompt on stdin', async () => {
    const one = recipe({
      implement:
        'read -r line\n[[ $line == "Do it, with é." ]]\necho "$MSTONE_PURPOSE" > made\nfalse | true\necho never > made\n',
      review: 'exit 9',
    });
    expect((await perform(one)).outcome).toEqual({ kind: 'crashed', message: 'exit 1', exit: 1 });
    expect(readFileSync(join(one.cwd, 'made'), 'utf8')).toBe('implement\n');
    const unset = await perform(recipe({ implement: 'echo $NOT_SET' }));
    expect(unset.outcome).toMatchObject({ kind: 'crashed', message: expect.stringContaining('NOT_SET') });
    const other = recipe({ implement: 'exit 9', remediate: 'echo fixed > made' }, { purpose: 'remediate' });
    expect((await perform(other)).outcome).toEqual({ kind: 'finished' });
  });

  it.each([
    ['implement', 'Recipe'],
    ['review', 'Review'],
    ['remediate', 'Remediation'],
    ['resolve', 'Resolve'],
  ] as const)('without a block for %s names the heading `## %s`', async (purpose, heading) => {
    expect(await perform(recipe({ [purpose]: ' \n' }, { purpose }))).toEqual({
      outcome: { kind: 'unstartable', message: expect.stringContaining(`1A has no \`## ${heading}\` block`) },
      costUsd: 0,
      logBytes: 0,
    });
  });

  it('may print the same lines as a command', async () => {
    expect(
      await perform(recipe({ implement: `${say({ mstone: 'usage', cost_usd: 2 })}\nexit 75` })),
    ).toMatchObject({
      outcome: { kind: 'limited' },
      costUsd: 2,
    });
  });
});

describe('a review', () => {
  const milestone = { id: '1A', body: '', criteria: ['It works'], recipe: {} };
  const approve = {
    mstone: 'verdict',
    verdict: 'approve',
    criteria: [{ text: 'It works', met: true }],
    findings: [],
  };
  const refuse = {
    mstone: 'verdict',
    verdict: 'request_changes',
    criteria: [{ text: 'It works', met: true }],
    findings: [{ id: 'F1', severity: 'major', cites: 'It works', problem: 'broken' }],
  };
  const judging = {
    terms: {
      criteria: ['It works'],
      checks: ['npm test'],
      rules: [],
      project: [],
      blockOn: ['major' as const],
    },
    absentOf: async (files: readonly string[]) => new Set(files.filter((file) => file !== 'src/a.ts')),
  };
  const review = (script: string) => perform(scripted(script, { purpose: 'review', milestone, judging }));

  it('approves by its verdict line', async () => {
    expect((await review(`echo hm; ${say(approve)}`)).judgement).toEqual({
      kind: 'approved',
      notes: [],
      criteria: approve.criteria,
    });
  });

  it('is what it said last', async () => {
    expect((await review(`${say(approve)}; ${say(refuse)}`)).judgement).toEqual({
      kind: 'refused',
      findings: refuse.findings,
      unmet: [],
      criteria: refuse.criteria,
    });
  });

  it('goes by its data where its prose says otherwise', async () => {
    const said = await review(
      `echo 'All criteria are met. I approve, no findings. LGTM'; ${say(refuse)}; echo approve`,
    );
    expect(said.judgement).toMatchObject({ kind: 'refused', findings: [{ id: 'F1' }] });
  });

  it('finds files as reviewers name them; those that are not there hold nothing back, which is told', async () => {
    const one = scripted('', { purpose: 'review', milestone, judging });
    const names = [`${one.cwd}/src/a.ts`, './src/a.ts', 'src/a.ts:12', 'src/b.ts'];
    const findings = names.map((file, n) => ({ ...refuse.findings[0], id: `F${n}`, file }));
    const command = ['sh', '-c', say({ ...refuse, findings })];
    const { judgement, told } = await perform({ ...one, kind: { kind: 'command', command, env: {} } });
    expect({ judgement, told }).toMatchObject({
      judgement: {
        kind: 'refused',
        findings: [{ file: 'src/a.ts' }, { file: 'src/a.ts' }, { file: 'src/a.ts', line: 12 }],
        notes: [{ id: 'F3', because: 'names src/b.ts, and there is no such file' }],
      },
      told: ['the reviewer names files that are not there (src/b.ts): such findings are notes'],
    });
  });

  it('with thousands of findings is bounded, which is told', async () => {
    const many = `node -e 'console.log(JSON.stringify({ mstone: "verdict", verdict: "request_changes", findings: Array.from({ length: 10_000 }, (_, n) => ({ id: "F" + n, severity: n % 50 ? "nit" : "major", cites: "1", problem: "p" + n })) }))'`;
    const { judgement, told } = await review(many);
    expect(told).toEqual(['the reviewer has 10000 findings; the 200 most severe are looked at']);
    expect(judgement?.kind === 'refused' ? [judgement.findings.length, judgement.notes] : judgement).toEqual([
      200,
      undefined,
    ]);
  });

  it('cannot be read without a verdict, or with one in prose', async () => {
    expect((await review('echo "I approve"')).judgement).toEqual({
      kind: 'unreadable',
      why: expect.any(String),
    });
  });

  it('counts for nothing where the reviewer crashed, and authors judge nothing', async () => {
    expect('judgement' in (await review(`${say(approve)}; exit 1`))).toBe(false);
    expect('judgement' in (await perform(scripted(say(approve))))).toBe(false);
  });
});

describe('an assignment taken up again', () => {
  it('starts once and reports the same after a kill', async () => {
    const script = `cat; ${say({ mstone: 'usage', cost_usd: 0.1 })}; sh '${fixtures}/gate.sh' .; ${say({ mstone: 'limited', reset_at: '2001-01-01T00:00:00Z' })}; exit 75`;
    const one = scripted(script);
    const killed = spawn(process.execPath, [join(fixtures, 'perform.mjs'), JSON.stringify(one)]);
    const begun = join(one.cwd, 'begun');
    await expect.poll(() => existsSync(begun), { interval: 10, timeout: 20_000 }).toBe(true);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    // What it was told is what it was told, whoever asks later.
    const again = perform({ ...one, prompt: 'Another prompt.\n' });
    writeFileSync(join(one.cwd, 'open'), '');
    const report = await again;
    expect(report).toEqual({
      outcome: { kind: 'limited', resetAt: expect.any(Number), message: expect.any(String) },
      costUsd: 0.1,
      logBytes: statSync(one.logFile).size,
    });
    expect(await perform(one)).toEqual(report);
    expect(readFileSync(begun, 'utf8').trim().split('\n')).toHaveLength(1);
    expect(log(one)).toMatch(/^Do it, with é\.\n/);
    expect(readFileSync(join(one.dir, 'prompt.md'), 'utf8')).toBe(one.prompt);
  });

  it('is interrupted where neither a process nor its end is left', async () => {
    const one = scripted('true');
    writeFileSync(join(one.dir, 'start'), '');
    writeFileSync(join(one.dir, 'pid'), `${process.pid}\n1\nanother boot\n`);
    writeFileSync(join(one.dir, 'prompt.md'), '');
    expect((await perform(one)).outcome).toEqual({ kind: 'interrupted', message: expect.any(String) });
  });
});
