/**
 * What an earlier mstone left is read for ever, as it was; what a newer one left is refused with what to
 * install, and nothing is touched. How the fixtures came to be: `test/fixtures/upgrades/record.mjs`.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { formatEntry, readJournal } from '../../src/journal/index.js';
import type { Entry } from '../../src/model/event.js';
import { statusDocument } from '../../src/report/documents.js';
import { historyOf } from '../../src/run/history.js';
import { emptyRun, replay } from '../../src/run/index.js';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const fixtures = fileURLToPath(new URL('../fixtures/upgrades', import.meta.url));
const recorded = readdirSync(fixtures).filter((name) => /^v\d+$/.test(name));
const projects: TestProject[] = [];
const project = (config?: string): TestProject => {
  const made = makeProject(config);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});
const json = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

async function entriesOf(file: string): Promise<readonly Entry[]> {
  const read = await readJournal(file);
  if (!read.ok) throw new Error(read.error.message);
  return read.value.entries;
}

/** What a journal says, without the sentences: those may be said better one day. */
function factsOf(entries: readonly Entry[]): unknown {
  const state = replay(
    emptyRun(entries[0]?.run ?? ''),
    entries.map(({ event }) => event),
  );
  return {
    status: statusDocument(state, undefined, false, 0),
    head: state.head,
    flights: [...state.flights.values()].map(({ id, effect }) => `${id} ${effect.item} ${effect.do}`),
    end: state.end === undefined ? null : { is: state.end.is, exit: state.end.exit },
    closed: [...state.closed],
    // How brakes are counted is each version's own; that they hold is `brakes.test.ts`'s.
    history: historyOf([state]).history.map(({ id, digest, attempts, costUsd, interruptions, end }) => ({
      ...{ id, digest, attempts, costUsd, interruptions },
      end: end?.is ?? null,
    })),
    passed: state.passed.size,
  };
}

/** A repository as it was recorded, with its run where there is one. */
async function restore(folder: string, name: string): Promise<TestProject> {
  const p = project('');
  p.git('fetch', '-q', '--update-head-ok', join(folder, `${name}.bundle`), '+refs/*:refs/*');
  p.git('reset', '-q', '--hard');
  const journal = join(folder, `${name}.ndjson`);
  const run = join(p.root, '.git', 'mstone', 'runs', (await entriesOf(journal))[0]?.run ?? '');
  for (const part of ['logs', 'assignments']) mkdirSync(join(run, part), { recursive: true });
  copyFileSync(journal, join(run, 'journal.ndjson'));
  return p;
}

describe.each(recorded)('what mstone left with formats of %s', (version) => {
  const folder = join(fixtures, version);
  const journals = readdirSync(folder).flatMap((name) => /^(.*)\.ndjson$/.exec(name)?.[1] ?? []);

  it.each(journals)('the journal of a run that was %s says what it said', async (name) => {
    const file = join(folder, `${name}.ndjson`);
    const said = json(join(folder, `${name}.json`)) as { history: Record<string, unknown>[] };
    const history = said.history.map(({ fingerprints: _fingerprints, ...past }) => past);
    expect(factsOf(await entriesOf(file))).toEqual({ ...said, history });
    expect(readFileSync(file, 'utf8')).not.toMatch(/\/(?:tmp|work|root|home\/(?!tess)|Users|private|var)\//);
  });

  it('the runs went all sorts of ways', async () => {
    const kinds = new Set<string>();
    for (const name of journals) {
      for (const { event } of await entriesOf(join(folder, `${name}.ndjson`))) {
        kinds.add(event.type);
        if (event.type === 'work.ended') kinds.add(event.outcome.agent.kind);
        else if ('outcome' in event) kinds.add(event.outcome.kind);
        if (event.type === 'run.ended' || event.type === 'run.paused') kinds.add(`exit ${event.exit}`);
      }
    }
    expect([...kinds]).toEqual(
      expect.arrayContaining([
        ...['items.reset', 'note', 'finished', 'crashed', 'limited', 'failed', 'passed', 'conflict'],
        ...['built', 'landed', 'exit 0', 'exit 1', 'exit 3', 'exit 75', 'exit 130'],
      ]),
    );
  });

  it('a repository with landings, marks, a revert and a changed text has the plan and the status that it had', async () => {
    const p = await restore(folder, 'repository');
    const read = async (command: string): Promise<unknown> => {
      const { code, stdout, stderr } = await inside([command, '--json'], p.root, p.env);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return JSON.parse(stdout);
    };
    type Plan = { milestones: { reason: string }[] };
    // The commits that a reason names are facts, its words are not; what is predicted was not told then.
    const facts = (document: unknown): unknown => ({
      ...(document as Plan),
      prediction: undefined,
      milestones: (document as Plan).milestones.map(({ reason, ...rest }) => ({
        ...rest,
        reason: reason.match(/\b[0-9a-f]{7}\b/g),
      })),
    });
    expect(facts(await read('plan'))).toEqual(facts(json(join(folder, 'repository.plan.json'))));
    expect(await read('status')).toEqual(json(join(folder, 'repository.status.json')));
  });

  it('a run that was killed is resumed, and what had landed is not done again', async () => {
    const p = await restore(folder, 'interrupted');
    const { code, stdout, stderr } = await inside(['resume'], p.root, p.env);
    expect(code, stdout + stderr).toBe(0);
    expect(p.tree()).toEqual({ a: 'a', b: 'b', c: 'c', d: 'd' });
    expect(p.landed().slice(1)).toEqual(['1A: Part 1A', ...p.landed().slice(2, 4).sort(), '2A: Part 2A']);
    expect(p.starts().filter((name) => name.startsWith('1A'))).toEqual([]);
    expect(p.starts()).toContain('1B.1.2.review');
    expect(await p.leftovers()).toEqual([]);
  });
});

it('the fixtures are small', () => {
  const sizes = readdirSync(fixtures, { recursive: true, encoding: 'utf8' }).map(
    (name) => statSync(join(fixtures, name)).size,
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(300_000);
});

describe('what a newer mstone left is refused', () => {
  /** Everything of the repository and its state, with contents. */
  const picture = (p: TestProject): string =>
    execFileSync(
      'sh',
      [
        '-c',
        // What is kept between commands is nobody's state.
        'find . -path ./.git/mstone/cache -prune -o -type f -print | sort | xargs cksum; git for-each-ref; git status --porcelain',
      ],
      {
        cwd: p.root,
        env: { ...p.environment },
      },
    ).toString();

  /** Says what each command says; none of them may change anything. */
  async function refused(p: TestProject, commands: readonly (readonly string[])[]): Promise<string> {
    // What git itself refreshes when it is asked is refreshed before.
    p.git('status');
    const before = picture(p);
    const all = new Set<string>();
    for (const command of commands) {
      const { code, stdout, stderr } = await inside(command, p.root, p.env);
      expect({ command, code, stdout }, stderr).toEqual({ command, code: 2, stdout: '' });
      all.add(stderr);
    }
    expect(picture(p)).toBe(before);
    expect(p.starts()).toEqual([]);
    expect(all.size, [...all].join('\n')).toBe(1);
    return [...all][0] ?? '';
  }

  function ready(): TestProject {
    const p = project();
    p.milestone('1A', { implement: 'echo a > a' });
    p.commit('Milestones');
    return p;
  }
  const RUN = '01M7WYCNVT0VQ4N2CFJ4DD47W3';
  const runDir = (p: TestProject): string => join(p.root, '.git', 'mstone', 'runs', RUN);
  function journal(p: TestProject, ...entries: readonly object[]): string {
    for (const part of ['logs', 'assignments']) mkdirSync(join(runDir(p), part), { recursive: true });
    const file = join(runDir(p), 'journal.ndjson');
    const lines = entries.map((more, index) => {
      const common = { v: 1, seq: index + 1, at: '2026-11-20T12:00:00.000Z', run: RUN };
      return formatEntry({ ...common, ...more } as unknown as Entry);
    });
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  }
  const started = (head: string, more: object = {}) => ({
    event: {
      type: 'run.started',
      target: 'main',
      head,
      items: [],
      settings: { jobs: 1, failFast: false, wait: true, backoffMs: 0, folder: '', argv: [] },
      history: [],
      passed: [],
      shadow: false,
      ...more,
    },
  });
  const everything = [['run'], ['resume'], ['retry', '1A'], ['plan'], ['status'], ['mark', '1A', '--done']];

  it('a journal with a line of another version, by a mstone that did not say its own', async () => {
    const p = ready();
    const file = journal(p, started(p.oid('HEAD')), { v: 2, event: { type: 'note', text: 'hello' } });
    expect(await refused(p, everything)).toBe(
      [
        `${file}:2: error: line 2 of the journal was written by a newer mstone`,
        '  expected: v 1 and a type that this mstone knows',
        '  found: v 2',
        '  fix: install the newest one: npm install -g mstone@latest',
        '',
      ].join('\n'),
    );
  });

  it('a journal with an event that is not known, by a mstone that said which it is', async () => {
    const p = ready();
    const file = journal(p, started(p.oid('HEAD'), { mstone: '0.9.2' }), { event: { type: 'work.split' } });
    expect(await refused(p, everything)).toBe(
      [
        `${file}:2: error: line 2 of the journal was written by a newer mstone, 0.9.2`,
        '  expected: v 1 and a type that this mstone knows',
        '  found: type "work.split"',
        '  fix: install it: npm install -g mstone@0.9.2',
        '',
      ].join('\n'),
    );
  });

  it('a version that is no version never becomes part of a command', async () => {
    const p = ready();
    journal(p, started(p.oid('HEAD'), { mstone: '1.0.0; rm -rf ~' }), { event: { type: 'work.split' } });
    expect(await refused(p, [['run']])).toContain('npm install -g mstone@latest\n');
  });

  it('a landing with a digest of another version is not taken for stale', async () => {
    const p = ready();
    const commit = p.commit('1A: One\n\nMstone-Milestone: 1A\nMstone-Digest: v2:abcdef');
    const commands = [
      ['run'],
      ['run', '--stale'],
      ['run', '1A', '--force'],
      ['plan'],
      ['mark', '1A', '--done'],
    ];
    expect(await refused(p, commands)).toBe(
      [
        `milestones/1A.md: error: 1A landed by a newer mstone, as ${commit.slice(0, 7)}`,
        '  expected: a digest of v1 or before',
        '  found: v2',
        '  fix: install the newest one: npm install -g mstone@latest',
        '',
      ].join('\n'),
    );
  });

  it('records of assignments and landings under way', async () => {
    const p = ready();
    journal(p, started(p.oid('HEAD')));
    const record = join(runDir(p), 'assignments', '1A.1.1.implement', 'record.json');
    mkdirSync(join(record, '..'));
    writeFileSync(record, '{"v":2}');
    const landing = join(p.root, '.git', 'mstone', 'landing', 'abc.json');
    mkdirSync(join(landing, '..'));
    writeFileSync(landing, '{"v":3}');
    const words = (file: string, v: number): string[] => [
      `${file}: error: this record was written by a newer mstone, for work that is under way`,
      '  expected: v 1',
      `  found: v ${v}`,
      '  fix: install the newest one: npm install -g mstone@latest',
    ];
    expect(await refused(p, everything)).toBe([...words(record, 2), ...words(landing, 3), ''].join('\n'));
  });

  it('a lock of another version, whoever holds it', async () => {
    const p = ready();
    const lock = join(p.root, '.git', 'mstone', 'lock');
    mkdirSync(join(lock, '..'));
    writeFileSync(lock, '{"v":2,"holder":"somebody"}');
    expect(await refused(p, [['run'], ['mark', '1A', '--done']])).toBe(
      `error: the lock ${lock} was written by a newer mstone\n  fix: install the newest one: npm install -g mstone@latest\n`,
    );
  });

  it('a configuration for another version, whose keys are not judged', async () => {
    const p = ready();
    p.commit('Newer', { 'mstone.yaml': '# mine\nversion: 2\nagents: nobody knows\nquantum: yes\n' });
    const [first = '', ...more] = (await refused(p, [['run'], ['plan']])).split('\n');
    expect([first, ...more.slice(0, 3)]).toEqual([
      'mstone.yaml:2: error: this file is for a newer mstone',
      '  expected: `version: 1`, or none',
      '  found: 2',
      '  fix: install the newest one: npm install -g mstone@latest',
    ]);
    p.commit('Ours', { 'mstone.yaml': 'version: 1\nagent: recipe\n' });
    expect((await inside(['plan'], p.root, p.env)).code).toBe(0);
    p.commit('Nonsense', { 'mstone.yaml': 'version: one\nagent: recipe\n' });
    expect((await inside(['plan'], p.root, p.env)).stderr).toBe(
      'mstone.yaml:1: error: `version` cannot be read\n  expected: `version: 1`, or none\n  found: "one"\n  fix: write `version: 1`, or remove it\n',
    );
  });

  it('a template for another version', async () => {
    const p = ready();
    p.commit('Newer', { 'milestones/templates/review.md': '{# mstone-templates: 2 #}\n{{ future }}\n' });
    expect(await refused(p, [['run']])).toBe(
      [
        'milestones/templates/review.md:1: error: this template is for a newer mstone',
        '  expected: mstone-templates: 1, or nothing',
        '  found: mstone-templates: 2',
        '  fix: install the newest one: npm install -g mstone@latest, or delete the file to use the template that comes with mstone',
        '',
      ].join('\n'),
    );
  });
});
