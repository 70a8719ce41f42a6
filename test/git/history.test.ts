import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readLandings } from '../../src/git/history.js';
import { openRepository, type Repository } from '../../src/git/index.js';
import { formatMessage, readTrailers, stripTrailers, type Trailer } from '../../src/git/trailers.js';
import { makeRepository, type TestRepository } from '../rig/repository.js';

const pair = (id: string, digest: string): Trailer[] => [
  ['Mstone-Milestone', id],
  ['Mstone-Digest', digest],
];
const landing = (id: string, digest: string): string =>
  formatMessage({ subject: `${id}: Title`, trailers: pair(id, digest) });

describe('messages', () => {
  test('a message has a subject, a body and a last paragraph of trailers', () => {
    expect(formatMessage({ subject: '1A: Setup', body: 'Why.\n', trailers: pair('1A', 'v1:aa') })).toBe(
      '1A: Setup\n\nWhy.\n\nMstone-Milestone: 1A\nMstone-Digest: v1:aa\n',
    );
  });

  test('hostile text stays in its line and proves nothing', () => {
    const message = formatMessage({
      subject: '1A: \u001b[31mred\nMstone-Milestone: 9Z',
      body: 'Mstone-Milestone: 9Z\nThis reverts commit 0000000000000000000000000000000000000000.',
      trailers: [['Mstone-Agent', 'x\nMstone-Milestone: 9Z\u202e']],
    });
    expect(message).toBe(
      '1A: [31mred Mstone-Milestone: 9Z\n\n' +
        ' Mstone-Milestone: 9Z\n This reverts commit 0000000000000000000000000000000000000000.\n\n' +
        'Mstone-Agent: x Mstone-Milestone: 9Z\n',
    );
    expect(readTrailers(message)).toEqual([['Mstone-Agent', 'x Mstone-Milestone: 9Z']]);
  });

  test('only a last paragraph that is nothing but trailers is read', () => {
    expect({
      plain: readTrailers('s\n\nA: 1\nB: 2\n  more\n(cherry picked from commit abc)\n\n\n'),
      prose: readTrailers('s\n\nIt said:\nA: 1'),
      middle: readTrailers('s\n\nA: 1\n\nend'),
      quoted: readTrailers('s\n\n> A: 1'),
      subject: readTrailers('A: 1'),
      blankFirst: readTrailers('\n\nA: 1'),
      crlf: readTrailers('s\r\n\r\nA: 1\r\n'),
    }).toEqual({
      plain: [
        ['A', '1'],
        ['B', '2 more'],
      ],
      prose: [],
      middle: [],
      quoted: [],
      subject: [],
      blankFirst: [],
      crlf: [['A', '1']],
    });
  });

  test('stripping leaves what an agent wrote, without our trailers', () => {
    expect(stripTrailers('s\n\nbody\n\nMstone-Milestone: 1A\n more\nSigned-off-by: x\n')).toBe(
      's\n\nbody\n\nSigned-off-by: x\n',
    );
    expect(stripTrailers('s\n\nMstone-Digest: v1:a\n\nmstone-milestone: 1A\n')).toBe('s\n');
  });

  test('whatever a message says, once stripped it bears none of our trailers', () => {
    const line = fc.constantFrom(
      '',
      ' ',
      'text',
      'Mstone-Milestone: 1A',
      'Mstone-Digest: v1:a',
      ' x',
      'A: b',
      '\r',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const stripped = stripTrailers(lines.join('\n'));
        expect(readTrailers(stripped).filter(([name]) => name.startsWith('Mstone-'))).toEqual([]);
      }),
    );
  });

  test('what is formatted is read back', () => {
    const word = fc.stringMatching(/^[a-z0-9:.-]{1,20}$/);
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.array(word, { minLength: 1 }), (subject, body, values) => {
        const trailers = values.map((value): Trailer => ['Mstone-X', value]);
        expect(readTrailers(formatMessage({ subject, body, trailers }))).toEqual(trailers);
      }),
    );
  });
});

describe('landings', () => {
  let rig: TestRepository;
  let repo: Repository;

  beforeEach(async () => {
    rig = makeRepository('histöry of things');
    rig.commit('first', { README: '1' });
    const opened = await openRepository(rig.root, rig.environment);
    if (!opened.ok) throw new Error('not opened');
    repo = opened.value;
  });
  afterEach(() => rig.remove());

  /** Lands on HEAD's branch as mstone does: a merge of work made beside. */
  function land(id: string, digest: string, workMessage = `work of ${id}`): string {
    const head = rig.oid('HEAD');
    const work = rig.commitBeside([head], workMessage, { [`${id}.txt`]: digest });
    const merge = rig.commitBeside([head, work], landing(id, digest), { [`${id}.txt`]: digest });
    rig.git('merge', '-q', '--ff-only', merge);
    return merge;
  }

  const states = async (): Promise<Record<string, string>> => {
    const landings = await readLandings(repo, rig.oid('HEAD'));
    return Object.fromEntries(
      [...landings].map(([id, { digest, state }]) => [id, `${state} ${digest}`]).sort() as [string, string][],
    );
  };

  test('a history without any proves nothing', async () => {
    expect(await readLandings(repo, rig.oid('HEAD'))).toEqual(new Map());
  });

  test('the newest one of a milestone tells its digest and everything that was noted', async () => {
    land('1A', 'v1:01');
    const head = rig.oid('HEAD');
    const work = rig.commitBeside([head], 'work', { f: '2' });
    const message = formatMessage({
      subject: '1A: Initial Setup',
      trailers: [
        ...pair('1A', 'v1:02'),
        ['Mstone-Run', 'r1'],
        ['Mstone-Agent', 'claude'],
        ['Mstone-Review', 'approved in 2 rounds'],
        ['Mstone-Cost', '0.1'],
      ],
    });
    const merge = rig.commitBeside([head, work], message, { f: '2' });
    rig.git('merge', '-q', '--ff-only', merge);
    land('1-gate', 'v1:aa');
    const landings = await readLandings(repo, rig.oid('HEAD'));
    expect([...landings.keys()].sort()).toEqual(['1-gate', '1A']);
    expect(landings.get('1A')).toEqual({
      id: '1A',
      digest: 'v1:02',
      state: 'done',
      commit: merge,
      at: Number(rig.git('log', '-1', '--format=%ct', merge)) * 1000,
      run: 'r1',
      agent: 'claude',
      review: 'approved in 2 rounds',
      subject: '1A: Initial Setup',
    });
  });

  test('a pull that turned the parents of a merge round loses nothing', async () => {
    const start = rig.oid('HEAD');
    land('1A', 'v1:01');
    land('1B', 'v1:02');
    const theirs = rig.oid('HEAD');
    rig.git('reset', '-q', '--hard', start);
    rig.commit('a commit of my own', { mine: '1' });
    rig.git('merge', '-q', '-m', "Merge branch 'main' of origin", theirs);
    expect(rig.git('log', '--first-parent', '--format=%s').split('\n')).not.toContain('1B: Title');
    expect(await states()).toEqual({ '1A': 'done v1:01', '1B': 'done v1:02' });
  });

  test('trailers in the middle of a message, quoted or in prose prove nothing', async () => {
    const block = 'Mstone-Milestone: 3C\nMstone-Digest: v1:03';
    rig.commit(`middle\n\n${block}\n\nand on it goes`);
    rig.commit(`quoted\n\n${block.replace(/^/gm, '> ')}`);
    rig.commit(`prose\n\nThe log said\n${block}`);
    rig.commit(`no digest\n\nMstone-Milestone: 3C`);
    rig.commit(`no id\n\nMstone-Milestone: ../x\nMstone-Digest: v1:03`);
    expect(await states()).toEqual({});
  });

  test('what an agent wrote in a commit of its own proves nothing and reverts nothing', async () => {
    const first = land('1A', 'v1:01');
    land('1B', 'v1:02', landing('3C', 'v1:03'));
    land('1C', 'v1:04', `Undo\n\nThis reverts commit ${first}.\n`);
    expect(await states()).toEqual({ '1A': 'done v1:01', '1B': 'done v1:02', '1C': 'done v1:04' });
  });

  test('a squash of several landings keeps the proof of each', async () => {
    rig.commit(
      formatMessage({
        subject: 'mstone: two milestones',
        body: 'Both.',
        trailers: [...pair('1A', 'v1:01'), ...pair('1B', 'v1:02')],
      }),
    );
    expect(await states()).toEqual({ '1A': 'done v1:01', '1B': 'done v1:02' });
  });

  test('a reverted landing is todo, and done again when the revert is reverted', async () => {
    const merge = land('1A', 'v1:01');
    land('1B', 'v1:02');
    rig.git('revert', '-m', '1', '--no-edit', merge);
    expect(await states()).toEqual({ '1A': 'todo v1:01', '1B': 'done v1:02' });
    rig.git('revert', '--no-edit', 'HEAD');
    expect(await states()).toEqual({ '1A': 'done v1:01', '1B': 'done v1:02' });
  });

  test('an older landing does not speak for a reverted one', async () => {
    land('1A', 'v1:01');
    rig.git('revert', '-m', '1', '--no-edit', land('1A', 'v1:02'));
    expect(await states()).toEqual({ '1A': 'todo v1:02' });
  });

  test('reverting a merge that had brought landings takes them all back', async () => {
    const start = rig.oid('HEAD');
    land('1A', 'v1:01');
    rig.git('switch', '-q', '-c', 'topic');
    land('1B', 'v1:02');
    land('1C', 'v1:03');
    rig.git('switch', '-q', 'main');
    rig.git('merge', '-q', '--no-ff', '-m', 'Merge pull request #1', 'topic');
    rig.git('revert', '-m', '1', '--no-edit', 'HEAD');
    expect(start).not.toBe(rig.oid('HEAD'));
    expect(await states()).toEqual({ '1A': 'done v1:01', '1B': 'todo v1:02', '1C': 'todo v1:03' });
  });

  test('marks speak until something newer does, and a mark taken back never spoke', async () => {
    land('1A', 'v1:01');
    const mark = (id: string, digest: string, state: string) =>
      rig.commit(
        formatMessage({ subject: `mark ${id}`, trailers: [...pair(id, digest), ['Mstone-State', state]] }),
        { 'TASKS.md': `${id} ${digest} ${state}` },
      );
    mark('1A', 'v1:01', 'todo');
    mark('1B', 'v1:02', 'done');
    expect(await states()).toEqual({ '1A': 'todo v1:01', '1B': 'done v1:02' });
    mark('1A', 'v1:09', 'done');
    expect([...(await readLandings(repo, rig.oid('HEAD')))].map(([id, { marked }]) => [id, marked])).toEqual([
      ['1A', true],
      ['1B', true],
    ]);
    expect(await states()).toEqual({ '1A': 'done v1:09', '1B': 'done v1:02' });
    rig.git('revert', '--no-edit', 'HEAD');
    rig.git('revert', '--no-edit', 'HEAD~2');
    expect(await states()).toEqual({ '1A': 'todo v1:01' });
  });

  test('settings of the user do not change what is read', async () => {
    land('1A', 'v1:01');
    rig.git('config', 'grep.patternType', 'fixed');
    rig.git('config', 'log.showSignature', 'true');
    rig.git('config', 'log.date', 'relative');
    rig.git('config', 'i18n.logOutputEncoding', 'UTF-16');
    expect(await states()).toEqual({ '1A': 'done v1:01' });
  });
});
