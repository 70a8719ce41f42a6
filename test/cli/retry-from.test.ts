/** `retry --from check|review`: going on with what a failed attempt left. */
import { afterEach, describe, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { approve, makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
function project(config: object): TestProject {
  const made = makeProject(`${JSON.stringify({ agent: 'recipe', retries: 0, ...config })}\n`);
  projects.push(made);
  return made;
}
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const mstone = (p: TestProject, args: readonly string[], env: Record<string, string> = {}) =>
  inside(args, p.root, { ...p.env, ...env });

/** What was started and checked in the newest run, in order: `1A check failed`, `1A implement`. */
const steps = (p: TestProject): string[] =>
  p.journal().flatMap((line) => {
    if (line.type === 'work.started') {
      const { purpose } = line.effect as { readonly purpose: string };
      return [`${line.milestone} ${purpose}`];
    }
    const { kind } = (line.outcome ?? {}) as { readonly kind?: string };
    return line.type === 'check.ended' ? [`${line.milestone} check ${kind}`] : [];
  });

describe('retry --from check', () => {
  it('checks the very work again, in a run of its own, and starts no author', async () => {
    const p = project({ checks: ['test -e "$HOME/open"'], review: false });
    p.milestone('1A', { implement: 'echo a > a.txt', front: 'review_rounds: 0' });
    p.commit('Milestones');
    const first = await mstone(p, ['run']);
    expect(first.code, first.stdout + first.stderr).toBe(3);
    const work = p.oid('mstone/1A');

    // Still shut: it asks again, and what it left is still there to be gone on with.
    const shut = await mstone(p, ['retry', '1A'], { MSTONE_FROM: 'check' });
    expect(shut.code, shut.stdout + shut.stderr).toBe(3);
    expect(steps(p)).toEqual(['1A check failed']);
    p.write('../open', '');
    const again = await mstone(p, ['retry', '--failed', '--from', 'check']);
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(again.stdout).toContain(`1A goes on with ${work.slice(0, 7)}, from its check\n`);
    expect(steps(p)).toEqual(['1A check passed']);
    expect(p.starts()).toEqual(['1A.1.1.implement']);
    expect(p.tree()).toEqual({ 'a.txt': 'a' });
    expect(p.oid('main^2')).toBe(work);
  });

  it('counts as an attempt of its own: brakes and rounds begin anew, and the author may answer', async () => {
    const p = project({ checks: ['! test -e bad'], review: { rounds: 1 } });
    p.milestone('1A', {
      implement: 'touch bad',
      remediate: 'test -e "$HOME/open" && rm bad; echo x >> tries',
    });
    p.commit('Milestones');
    expect((await mstone(p, ['run'])).code).toBe(3);
    p.write('../open', '');
    const again = await mstone(p, ['retry', '1A', '--from', 'check']);
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(steps(p)).toEqual(['1A check failed', '1A remediate', '1A check passed', '1A review']);
    expect(p.tree()).toEqual({ tries: 'x\nx' });
  });

  it('goes on within a run that has not ended', async () => {
    const p = project({ review: false, agents: { other: { kind: 'recipe' } } });
    p.milestone('1A', {
      implement: 'echo a > a.txt',
      front: 'review_rounds: 0\nchecks: [\'test -e "$HOME/open"\']',
    });
    p.milestone('1B', {
      implement: 'if mkdir "$HOME/once"; then echo \'{"mstone":"limited"}\'; exit 75; fi; echo b > b.txt',
      front: 'agent: other',
    });
    p.commit('Milestones');
    const paused = await mstone(p, ['run', '--no-wait']);
    expect(paused.code, paused.stdout + paused.stderr).toBe(3);
    p.write('../open', '');
    const again = await mstone(p, ['retry', '1A', '--from', 'check']);
    // 1B is limited still.
    expect(again.code, again.stdout + again.stderr).toBe(75);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A']);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  });
});

it('retry --from review asks another review about the very work', async () => {
  const p = project({ checks: ['echo checked >> "$HOME/log"'] });
  p.milestone('1A', {
    implement: 'echo a > a.txt',
    review: `if test -e "$HOME/open"; then ${approve()}; else echo prose; fi`,
  });
  p.commit('Milestones');
  const first = await mstone(p, ['run']);
  expect(first.code, first.stdout + first.stderr).toBe(1);
  expect(first.stdout).toContain('1A failed: the review failed');
  p.write('../open', '');
  const again = await mstone(p, ['retry', '1A', '--from', 'review']);
  expect(again.code, again.stdout + again.stderr).toBe(0);
  expect(steps(p)).toEqual(['1A review']);
  expect(p.tree()).toEqual({ 'a.txt': 'a' });
});

it('what cannot be gone on with is refused, all at once, and nothing starts', async () => {
  const p = project({ checks: ['false'], review: false });
  const rounds = 'review_rounds: 0';
  p.milestone('1A', { implement: 'exit 9', front: rounds });
  p.milestone('1B', { implement: 'echo b > b.txt', front: rounds });
  p.milestone('1C', { implement: 'echo c > c.txt', front: rounds });
  p.milestone('1D', { implement: 'echo d > d.txt', front: rounds });
  p.commit('Milestones');
  expect((await mstone(p, ['run', '-q'])).code).toBe(1);
  const left = p.oid('mstone/1C').slice(0, 7);
  for (const ref of p.git('for-each-ref', '--format=%(refname)', '--points-at', 'mstone/1C').split('\n')) {
    p.git('update-ref', '-d', ref);
  }
  p.milestone('1B', { implement: 'echo better > b.txt', front: rounds });
  p.commit('1B says something else');
  const before = p.starts();
  expect(await mstone(p, ['retry', '--failed', '--from', 'check'])).toEqual({
    code: 2,
    stdout: '',
    stderr: [
      'error: 1A left no work to go on with',
      '  fix: begin it anew: mstone retry 1A',
      'error: the text of 1B has changed since it was worked on',
      '  fix: begin it anew: mstone retry 1B',
      `error: what 1C left, ${left}, is no longer kept under refs/mstone/`,
      '  fix: begin it anew: mstone retry 1C',
      '',
    ].join('\n'),
  });
  const review = await mstone(p, ['retry', '1D', '--from', 'review']);
  expect(review).toEqual({
    code: 2,
    stdout: '',
    stderr: 'error: nobody reviews 1D\n  fix: go on from its checks: mstone retry 1D --from check\n',
  });
  const odd = await mstone(p, ['retry', '1D', '--from', 'landing']);
  expect({ code: odd.code, stdout: odd.stdout }).toEqual({ code: 2, stdout: '' });
  expect(p.starts()).toEqual(before);
});
