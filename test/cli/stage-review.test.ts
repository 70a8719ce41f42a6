/** A stage is held against its milestones as a whole, once, before the next begins. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/**
 * Writes down what it is asked. It implements a file for each milestone, finds a stage wanting while `both.txt` is
 * not there (and says what the stage's whole difference is), and mends that unless it is told not to.
 */
const AGENT = `
const { appendFileSync, readFileSync, writeFileSync, existsSync } = require('node:fs');
const { execFileSync } = require('node:child_process');
const { MSTONE_MILESTONE: id, MSTONE_PURPOSE: purpose, MSTONE_BASE: base, HOME } = process.env;
const prompt = readFileSync(0, 'utf8');
const { milestone } = JSON.parse(readFileSync(process.env.MSTONE_CONTEXT_FILE, 'utf8'));
const files = execFileSync('git', ['diff', '--name-only', base], { encoding: 'utf8' }).trim().split('\\n').join(' ');
appendFileSync(HOME + '/log', [id, purpose, files].join(' ').trim() + '\\n');
if (purpose === 'implement') writeFileSync(id + '.txt', id);
if (purpose === 'remediate' && !existsSync(HOME + '/lazy')) writeFileSync('both.txt', /F1 \\(major\\)/.test(prompt) ? 'mended' : '?');
if (purpose === 'review') {
  const isGate = id.endsWith('-gate');
  const texts = isGate && ['1A', '1B'].every((one) => prompt.includes('# Milestone ' + one));
  const good = !isGate || existsSync('both.txt') || id !== '1-gate';
  const criteria = milestone.criteria.map((text) => ({ text, met: true, evidence: 'seen' }));
  const cites = milestone.criteria[0];
  console.log(JSON.stringify({
    mstone: 'verdict',
    verdict: good ? 'approve' : 'request_changes',
    criteria,
    answers: good && existsSync('both.txt') ? [{ id: 'F1', answer: 'fixed' }] : [],
    findings: good ? [] : [{ id: 'F1', severity: 'major', cites, problem: texts ? 'They do not fit' : 'no texts' }],
  }));
}
`;

function project(more: object = {}): TestProject {
  const p = makeProject(
    `${JSON.stringify({
      agent: 'mine',
      retries: 0,
      jobs: 1,
      review: { stage: true, rounds: 2 },
      agents: { mine: { kind: 'command', command: ['node', '-e', AGENT] } },
      ...more,
    })}\n`,
  );
  projects.push(p);
  for (const id of ['1A', '1B', '2A']) p.milestone(id, { criteria: [`${id}.txt is there`] });
  p.commit('Milestones');
  return p;
}

const log = (p: TestProject): string[] => {
  const file = join(p.env.HOME ?? '', 'log');
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
};

describe('the review of a stage', () => {
  it('sees all that the stage brought, is answered by a work item of its own, and is paid for once', async () => {
    const p = project();
    const planned = await inside(['plan'], p.root, p.env);
    expect(planned.stdout).toContain('Stage review: on, one more each, of stage 1 as a whole\n');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(log(p)).toEqual([
      '1A implement',
      '1A review 1A.txt',
      '1B implement',
      '1B review 1B.txt',
      '1-gate review 1A.txt 1B.txt TASKS.md',
      '1-gate remediate',
      '1-gate review 1A.txt 1B.txt TASKS.md both.txt',
      '2A implement',
      '2A review 2A.txt',
    ]);
    expect(p.landed()).toEqual([
      'Milestones',
      '1A: Part 1A',
      '1B: Part 1B',
      '1-gate: Stage 1 as a whole',
      '2A: Part 2A',
    ]);
    expect(p.tree()['both.txt']).toBe('mended');
    expect((await inside(['explain', '1-gate'], p.root, p.env)).stdout).toContain('Stage 1 as a whole');

    // The state is gone, and the stage is not reviewed again, nor is it for another one's sake.
    rmSync(join(p.root, '.git', 'mstone'), { recursive: true });
    p.milestone('3A', { criteria: ['3A.txt is there'] });
    p.commit('More');
    const more = await p.mstone('run');
    expect(more.code, more.stdout + more.stderr).toBe(0);
    expect(log(p).slice(9)).toEqual(['3A implement', '3A review 3A.txt']);
  });

  it('that is not answered holds the next stage, undoes nothing, and goes on in no run by itself', async () => {
    const p = project({ stage_checks: ['test -e 1B.txt'] });
    const file = join(p.env.HOME ?? '', 'lazy');
    p.write('../lazy', '');
    expect(existsSync(file)).toBe(true);
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(log(p).filter((line) => line.startsWith('1-gate'))).toEqual([
      '1-gate review 1A.txt 1B.txt TASKS.md',
      '1-gate remediate',
    ]);
    expect(run.stdout).toMatch(/1-gate needs you: no progress/);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1B: Part 1B']);
    const before = log(p).length;
    expect((await p.mstone('run')).code).toBe(3);
    expect(log(p)).toHaveLength(before);

    rmSync(file);
    const again = await p.mstone('retry', '1-gate');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(p.landed().slice(3)).toEqual(['1-gate: Stage 1 as a whole', '2A: Part 2A', '2-gate'].slice(0, 2));
    expect(readdirSync(p.root)).toContain('both.txt');
  });
});
