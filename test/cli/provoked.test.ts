/**
 * Refusals and remarks that no story of another test comes by, each provoked on the command line: that it is
 * said there, with a line of what to do, and ends in the exit code that the catalogue promises.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Message, type MessageCode, messages } from '../../src/model/messages.js';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject | undefined;
afterEach(() => p?.remove());

const RECIPE = '\n## Recipe\n\n```sh\necho a > a.txt\n```\n';
const CONFIG = 'agent: recipe\nreview: false\n';

interface Situation {
  /** By path; milestones get a recipe behind what they say, unless that is left out with `bare`. */
  readonly files?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly commit?: boolean;
  /** Before the command is typed. */
  readonly prepare?: (p: TestProject) => void;
  readonly cwd?: (p: TestProject) => string;
}

/** Runs it and tells which of the catalogue's sentences of these codes were said on the way. */
async function provoke(
  { files = {}, args = ['validate'], config = CONFIG, env = {}, commit = false, prepare, cwd }: Situation,
  codes: readonly MessageCode[],
) {
  p = makeProject(config);
  for (const [path, text] of Object.entries(files)) p.write(path, text);
  if (commit) p.commit('Milestones');
  prepare?.(p);
  const { code, stdout, stderr } = await inside(args, cwd?.(p) ?? p.root, { ...p.env, ...env });
  const lines = `${stdout}\n${stderr}`.split('\n');
  const said = codes.flatMap((name) => {
    const { says }: Message = messages[name];
    return says.filter((sentence) => {
      const pattern = new RegExp(
        `^(?:\\S.*: )?(?:error|warning|note): ${sentence
          .split('…')
          .map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('.*')}$`,
      );
      return lines.some((line) => pattern.test(line));
    });
  });
  // Nothing is refused without a word on what to do.
  const blocks = stderr.split(/^(?=\S)/m).filter((block) => /^(?:\S.*: )?error: /.test(block));
  expect(blocks.filter((block) => !/^ {2}fix: \S/m.test(block))).toEqual([]);
  return { code, said, stderr };
}

const all = (...codes: MessageCode[]): string[] => codes.flatMap((code) => [...messages[code].says]);

describe('what is wrong in milestones', () => {
  it('names of files', async () => {
    const files = Object.fromEntries(
      ['1234A', '1ABC', '1b', '1C slug', '0A', '1'].map((name) => [`milestones/${name}.md`, '# x\n']),
    );
    const { code, said } = await provoke({ files }, ['milestone-name', 'stage-zero']);
    expect(code).toBe(2);
    expect(said).toEqual(all('milestone-name', 'stage-zero').filter((text) => !text.startsWith('…')));
  });

  it.each(['1234A', '1ABC', '1b', '1 A', '0A', '1', 'a/1A'])('the id %s for a new one', async (id) => {
    const { code, said } = await provoke({ args: ['new', id] }, ['milestone-name', 'stage-zero']);
    expect({ code, said }).toEqual({ code: 2, said: [expect.stringMatching(/^…: /)] });
  });

  it('front matter', async () => {
    const heads = {
      A: '---js\nx\n---\n',
      B: '---\ntitle: x\n',
      C: '---\n- a\n---\n',
      D: `---\ntitle: ${'['.repeat(70)}\n---\n`,
      E: '---\n? [a]\n: b\n---\n',
      F: '---\ntitle: "x\n---\n',
    };
    const files = Object.fromEntries(
      Object.entries(heads).map(([id, head]) => [`milestones/1${id}.md`, `${head}# x\n`]),
    );
    const { code, said } = await provoke({ files }, ['front-matter']);
    expect({ code, said }).toEqual({ code: 2, said: all('front-matter') });
  });

  it('blocks that have no end or nothing in them, and text that is no value', async () => {
    const files = {
      'milestones/1A.md': '# x\n\n## Recipe\n\n```sh\necho a\n',
      'milestones/1B.md': '# x\n\n## Recipe\n\nNothing.\n',
      'milestones/1C.md': '---\ntitle: x\n---\n',
      'milestones/1D.md': `# x\n\n## Estimated Time\n\nsoon\n${RECIPE}`,
    };
    const codes = ['unclosed-block', 'empty-recipe', 'empty-body', 'estimate-text', 'no-recipe'] as const;
    const { code, said } = await provoke({ files }, codes);
    expect({ code, said }).toEqual({ code: 2, said: all(...codes) });
  });

  it('two places that say different things, and dependencies that are none: remarks, and it goes on', async () => {
    const files = {
      'milestones/1A.md': `# Milestone 1B - x\n${RECIPE}`,
      'milestones/1B.md': `---\ndepends_on: []\nestimate: 45m\n---\n# x\n\n## Dependencies\n\n- 1A\n\n## Estimated Time\n\n2 hours\n${RECIPE}`,
      'milestones/1C.md': `# x\n\n## Dependencies\n\n- The tables of 1A and 1B\n${RECIPE}`,
      'milestones/1D.md': `# x\n\n## Dependencies\n\n- The tables of 1A\n- Patience\n${RECIPE}`,
      'milestones/1E.md': `# x\n\n## Blocked by\n\n- 1A\n${RECIPE}`,
    };
    const codes = ['disagreement', 'dependency-text'] as const;
    const { code, said } = await provoke({ files }, codes);
    expect({ code, said }).toEqual({ code: 0, said: all(...codes) });
  });

  it('agents that are not there', async () => {
    const files = {
      'milestones/1A.md': `# x\n${RECIPE}`,
      'milestones/1B.md': `---\nagent: nobody\n---\n# x\n${RECIPE}`,
    };
    const unknown = await provoke({ files }, ['unknown-agent']);
    expect(unknown).toMatchObject({ code: 2, said: ['the … of … is not configured'] });
    p?.remove();
    const plain = { 'milestones/1A.md': '# x\n\nDo it.\n' };
    const two = 'agents: { a: { kind: recipe }, b: { kind: recipe } }\n';
    expect(await provoke({ files: plain, config: two, args: ['plan'] }, ['no-agent'])).toMatchObject({
      code: 2,
      said: ['nobody implements …: no agent is named'],
    });
    p?.remove();
    // A PATH with git and nothing else.
    const bin = mkdtempSync(join(tmpdir(), 'mstone-test-'));
    symlinkSync(execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim(), join(bin, 'git'));
    const bare = await provoke({ files: plain, config: '', args: ['plan'], env: { PATH: bin } }, [
      'no-agent',
    ]);
    rmSync(bin, { recursive: true });
    expect(bare).toMatchObject({
      code: 2,
      said: ['nobody implements …: no agent is named, and none is installed'],
    });
  });
});

describe('what is wrong in mstone.yaml', () => {
  it.each([
    ['a: "x', 'config-file', 'this is not valid YAML: …'],
    [`a: ${'['.repeat(70)}`, 'config-file', 'the file is not read: …'],
    ['- a', 'config-file', 'the file is not a mapping'],
    ['? [a]\n: b', 'config-file', 'a key is not a word'],
    ['agents: { "a b": { kind: recipe } }', 'invalid-value', '`…` is no name for an agent'],
    ['agents: { x: { kind: strange } }', 'invalid-value', '`…` is of no kind that there is'],
    ['agents: { recipe: { kind: command, command: [a] } }', 'invalid-value', '`recipe` is built in'],
    ['agent: nobody', 'unknown-agent', '`…` names an agent that is not configured'],
  ] as const)('%s', async (text, name, sentence) => {
    const files = { 'milestones/1A.md': `# x\n${RECIPE}` };
    const { code, said } = await provoke({ files, config: `${text}\n` }, [name]);
    expect(code).toBe(messages[name].exit);
    expect(said).toContain(sentence);
  });
});

const THREE = {
  'milestones/1A.md': `# x\n${RECIPE}`,
  'milestones/1B.md': `---\nenabled: false\n---\n# x\n${RECIPE}`,
  'milestones/2A.md': `# x\n${RECIPE}`,
};

describe('what is wrong with a selection', () => {
  it.each([
    [['plan', '--until', '1', '--stage', '1'], 'contradiction', '--until … beside --stage'],
    [['plan', '1A', '--stage', '2'], 'not-in-stage', '… is not in stage …'],
    [['plan', '1B'], 'disabled', '… is disabled'],
    [['plan', '--stage', '2'], 'stage-unfinished', 'stage … needs …, which is not done'],
    [['plan', '--onto', 'a..b'], 'invalid-branch', '… cannot be the name of a branch'],
    [['plan', '--onto', 'mstone/main'], 'own-branch', "… is one of mstone's own branches"],
    [['resume', 'nowhere'], 'unknown-run', 'no run …'],
  ] as const)('%j', async (args, name, sentence) => {
    const { code, said } = await provoke({ files: THREE, args, commit: true }, [name]);
    expect({ code, said }).toEqual({ code: messages[name].exit, said: [sentence] });
  });
});

describe('what is wrong with the place', () => {
  it('a repository that git itself cannot read', async () => {
    const prepare = (made: TestProject): void => writeFileSync(join(made.root, '.git', 'config'), '[odd\n');
    expect(await provoke({ prepare }, ['git-refused'])).toMatchObject({
      code: 2,
      said: all('git-refused'),
    });
  });

  it('a merge that is not finished, and an index that is in use, where mstone is to commit', async () => {
    const merging = (made: TestProject): void => {
      made.commit('First', { 'a.txt': 'a' });
      writeFileSync(join(made.root, '.git', 'MERGE_HEAD'), `${made.oid('HEAD')}\n`);
    };
    const args = ['run', '--commit'];
    const files = { 'milestones/1A.md': `# x\n${RECIPE}` };
    const started = {
      files: {},
      args,
      prepare: (made: TestProject) => {
        merging(made);
        made.write('milestones/1A.md', files['milestones/1A.md']);
      },
    };
    expect(await provoke(started, ['operation-in-progress'])).toMatchObject({
      code: 2,
      said: all('operation-in-progress'),
    });
    p?.remove();
    const locked = (made: TestProject): void => made.write('.git/index.lock', '');
    expect(await provoke({ files, args, prepare: locked }, ['not-committed'])).toMatchObject({
      code: 2,
      said: ['the files could not be committed: …'],
    });
  });

  it.each([
    [{ files: THREE }, '… are not in any commit: the repository has none'],
    [
      {
        files: { 'milestones/1A.md': '# x\n' },
        config: '',
        env: { MSTONE_AGENT: 'recipe', MSTONE_REVIEW: 'false' },
      },
      '… is not in any commit: the repository has none',
    ],
    [
      {
        files: THREE,
        prepare: (made: TestProject) => void made.git('commit', '-q', '--allow-empty', '-m', 'x'),
      },
      '… are not committed as they are',
    ],
  ])('files that are not committed: %#', async (situation, sentence) => {
    const files = Object.fromEntries(
      Object.entries(situation.files).map(([path, text]) => [
        path,
        text.includes('## Recipe') ? text : `${text}${RECIPE}`,
      ]),
    );
    const { code, said } = await provoke({ ...situation, files, args: ['run'] }, ['not-committed']);
    expect({ code, said }).toEqual({ code: 2, said: [sentence] });
  });

  it('a branch without a commit or without milestones', async () => {
    const none = await provoke({ files: THREE, args: ['mark', '1A', '--done'] }, ['no-commit']);
    expect(none).toMatchObject({ code: 2, said: all('no-commit') });
    p?.remove();
    const prepare = (made: TestProject): void => {
      made.commit('Empty', {});
      made.git('branch', 'other');
      made.write('milestones/1A.md', `# x\n${RECIPE}`);
      made.commit('Milestones');
    };
    const other = await provoke({ args: ['run', '--onto', 'other'], prepare }, ['no-milestones']);
    expect(other).toMatchObject({ code: 2, said: ['no milestones under …/ on …'] });
  });

  it('a TASKS.md that shows a mark which history does not', async () => {
    const made = makeProject(CONFIG);
    p = made;
    made.write('milestones/1A.md', `# x\n${RECIPE}`);
    made.commit('Milestones');
    const env = { ...made.env, TZ: 'UTC' };
    expect((await inside(['mark', '1A', '--done'], made.root, env)).code).toBe(0);
    const shown = made.git('show', 'HEAD:TASKS.md');
    made.git('reset', '-q', '--hard', 'HEAD~1');
    made.commit('By hand', { 'TASKS.md': `${shown}\n` });
    expect(await inside(['mark', '1A', '--done'], made.root, env)).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: TASKS.md shows this already, and history does not\n  fix: take its line out of TASKS.md, commit that, and type the same again\n',
    });
  });

  it('a folder for the demo that is in use', async () => {
    const { code, said } = await provoke({ args: ['demo', '--dir', '.'] }, ['folder-not-empty']);
    expect({ code, said }).toEqual({ code: 2, said: all('folder-not-empty') });
  });
});

describe('what is wrong with the state', () => {
  const withJournal = (text: string): Situation => ({
    files: THREE,
    args: ['status'],
    commit: true,
    prepare: (made) => {
      const folder = join(made.root, '.git', 'mstone', 'runs', '01ARZ3NDEKTSV4RRFFQ69G5FAV');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'journal.ndjson'), text);
    },
  });

  /** A line as mstone writes it, with a right checksum. */
  const line = (fields: object): string => {
    const body = JSON.stringify(fields);
    const sum = createHash('sha256').update(body).digest('hex').slice(0, 16);
    return `${body.slice(0, -1)},"sum":"${sum}"}\n`;
  };
  const run = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

  it('a journal that something else wrote in, and one of a later version', async () => {
    const fields = { v: 1, seq: 2, at: '2026-11-20T12:00:00.000Z', run, type: 'note', text: 'x' };
    const damaged = await provoke(withJournal(`odd\n${line(fields)}`), ['journal-damaged']);
    expect(damaged).toMatchObject({ code: 2, said: all('journal-damaged') });
    p?.remove();
    const newer = await provoke(withJournal(line({ ...fields, v: 2, seq: 1 })), ['journal-newer']);
    // Where the journal names the version that wrote it, test/cli/upgrades has the other sentence.
    expect(newer).toMatchObject({ code: 2, said: all('journal-newer').slice(0, 1) });
  });
});

describe('what is wrong in places, old words, deadlines and retries', () => {
  it.each([
    ['milestones: plan\ntasks_file: plan/DONE.md\n', 0],
    ['milestones: DONE.md/plan\ntasks_file: DONE.md\n', 1],
    ['log_dir: milestones/logs\n', 2],
  ])('places in each other: %j', async (config, which) => {
    const told = await provoke({ config: `${CONFIG}${config}` }, ['places-collide']);
    expect(told).toMatchObject({ code: 2, said: all('places-collide').slice(which, which + 1) });
  });

  it('a word of before, alone and beside its successor', async () => {
    const files = { 'milestones/1A.md': `# One${RECIPE}` };
    const config = `${CONFIG}max_parallel: 2\nbackoff: 0\ntest_command: "true"\nchecks: ["true"]\n`;
    const told = await provoke({ files, config }, ['deprecated-key']);
    expect(told).toMatchObject({ code: 0, said: all('deprecated-key') });
  });

  it.each([
    ['2026-02-31T06:30:00Z', 1],
    ['2020-01-01T00:00:00Z', 2],
  ])('a deadline of %s', async (deadline, which) => {
    const files = { 'milestones/1A.md': `# One${RECIPE}` };
    const told = await provoke({ files, commit: true, args: ['run', '--deadline', deadline] }, ['deadline']);
    expect(told).toMatchObject({ code: 2, said: all('deadline').slice(which, which + 1) });
  });

  it('a milestone that was marked is not done twice', async () => {
    const files = { 'milestones/1A.md': `# One${RECIPE}` };
    const told = await provoke({ files, commit: true, args: ['mark', '1A', '--done'] }, []);
    expect(told.code).toBe(0);
    const again = await inside(['run', '1A'], p?.root ?? '', p?.env ?? {});
    expect({ code: again.code, said: /marked done \S+ by [0-9a-f]{7}/.test(again.stderr) }).toEqual({
      code: 0,
      said: true,
    });
  });

  it('a retry of what has landed or is under way has no work to go on with', async () => {
    const made = makeProject(CONFIG);
    p = made;
    made.milestone('1A', { implement: 'echo a > a.txt', front: 'priority: 1' });
    made.milestone('1B', { implement: 'echo b > b.txt; until test -e "$HOME/open"; do sleep 0.05; done' });
    made.commit('Milestones');
    const run = made.start(['run', '-j', '1']);
    await run.said('1A landed');
    await run.said('1B implement started');
    run.child.kill('SIGKILL');
    await run.ended;
    const refused = await inside(['retry', '1A', '1B', '--from', 'check'], made.root, made.env);
    expect({ code: refused.code, said: refused.stderr.match(/^error: .*$/gm) }).toEqual({
      code: 2,
      said: [
        'error: 1A is not to be done: nothing of it has failed',
        'error: 1B is not over: it is taken up where it was',
      ],
    });
    made.write('../open', '');
    expect((await inside(['resume'], made.root, made.env)).code).toBe(0);
  });
});
