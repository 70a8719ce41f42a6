/** `mstone new`: what it writes passes `validate`, and nothing is written over. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { parseMilestone } from '../../src/milestone/index.js';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

let p: TestProject;
afterEach(() => p.remove());

const mstone = (...args: string[]) => inside(args, p.root, p.env);
const text = (name: string): string => readFileSync(join(p.root, 'milestones', name), 'utf8');
const wrote = (name: string) => ({
  code: 0,
  stdout: `Wrote milestones/${name}.\nNext: fill it in, then type: mstone validate\n`,
  stderr: '',
});

it.each([
  ['an agent', 'agent: mine\nagents: { mine: { kind: command, command: [cat] } }\n'],
  ['recipes', 'agent: recipe\n'],
  ['recipes without review', 'agent: recipe\nreview: false\n'],
])('writes a milestone that validates, with %s configured', async (_name, config) => {
  p = makeProject(config);
  expect(await mstone('new', '1A', '--title', 'Orders API')).toEqual(wrote('1A.md'));
  expect(await mstone('new', '2B-invoices-by-mail')).toEqual(wrote('2B-invoices-by-mail.md'));
  expect(await mstone('validate')).toEqual({
    code: 0,
    stdout: '2 milestones are fine.\nNext: mstone plan\n',
    stderr: '',
  });
  const { milestone } = parseMilestone('milestones/1A.md', Buffer.from(text('1A.md')));
  expect(milestone).toMatchObject({
    id: '1A',
    title: 'Orders API',
    tasks: [{ text: 'Describe the first task' }],
    criteria: ['Say how one sees that it is done'],
    dependsOn: [],
    estimateMinutes: 60,
  });
  expect(text('2B-invoices-by-mail.md')).toMatch(/^# Milestone 2B - Invoices by mail\n/);
});

it.each([
  'A "quoted": one',
  '*stars* and `ticks`',
  '# hash',
  '{{id}} $& $1',
  '日本 🎉',
  '- [x] a\n---\nagent: recipe',
])('a title such as %j is the title that is read', async (title) => {
  p = makeProject('agent: recipe\nreview: false\n');
  expect(await mstone('new', '1A', '--title', title)).toEqual(wrote('1A.md'));
  const { milestone, diagnostics } = parseMilestone('milestones/1A.md', Buffer.from(text('1A.md')));
  expect({ title: milestone?.title, agent: milestone?.agent, diagnostics }).toEqual({
    title: title.replace(/\s+/g, ' '),
    agent: undefined,
    diagnostics: [],
  });
});

it('refuses what is there or is no id, and names what is free', async () => {
  p = makeProject('agent: recipe\n');
  p.write('milestones/1A-first.md', '# Mine\n');
  p.write('milestones/1b.md', '# Mine\n');
  const refused = (...lines: string[]) => ({ code: 2, stdout: '', stderr: `${lines.join('\n')}\n` });
  const expected =
    '  expected: a stage and one or two capital letters, perhaps a slug: `1A`, `2B-orders-api`';
  const free = '  fix: the next that is free: `mstone new 1C`';
  expect(await mstone('new', '1A')).toEqual(refused('error: there is 1A-first.md already', free));
  expect(await mstone('new', '1B')).toEqual(refused('error: there is 1b.md already', free));
  expect(await mstone('new', '1')).toEqual(refused('error: 1: the name has no letter', expected, free));
  expect(await mstone('new', '../../1C')).toEqual(
    refused('error: ../../1C: a milestone is a name and no path', expected, free),
  );
  expect(await mstone('new', '1C', '--title', ' ')).toEqual(
    refused('error: the title is empty', '  fix: leave --title out, or give it some words'),
  );
  expect(readdirSync(join(p.root, 'milestones')).sort()).toEqual(['1A-first.md', '1b.md']);
  expect(existsSync(join(p.root, '..', '1C.md'))).toBe(false);
});
