/** The landing queue with real git, real agents and real checks. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
/** A project of recipes that nobody reviews, whose one check is `check.sh`. */
const project = (check: string, config: object = {}): TestProject => {
  const made = makeProject(
    `${JSON.stringify({ agent: 'recipe', review: false, checks: ['sh check.sh'], ...config })}\n`,
  );
  made.write('check.sh', check);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

/** Waits, as a shell does, for half a minute at most: what never comes is seen by what follows. */
const until = (test: string): string =>
  `n=0; until ${test} || test $n -gt 600; do n=$((n+1)); sleep 0.05; done`;

/** `1A implement`, in order of their names. */
const startsOf = (p: TestProject): string[] =>
  p
    .starts()
    .map((name) => name.replace(/\.\d+\.\d+\./, ' '))
    .sort();

interface Line {
  readonly type: string;
  readonly milestone?: string;
  readonly effect?: { readonly onto?: string; readonly of?: string; readonly slot?: number };
  readonly outcome?: { readonly kind?: string; readonly candidate?: { readonly commit: string } };
}
const linesOf = (p: TestProject, type: string): Line[] =>
  p.journal().flatMap((line) => (line.type === type ? [line as unknown as Line] : []));

describe('two milestones that are green alone and red together', () => {
  it('are checked at once with a third on top of them, and the culprit alone goes back', async () => {
    // Neither verdict falls before two candidates that hold both are checked at once.
    const p = project(`test -f a.txt && test -f b.txt && ! test -f mended.txt || exit 0
touch "$HOME/red.$$"
${until('test "$(ls -d "$HOME"/red.* | wc -l)" -ge 2')}
${until('test -e "$HOME/looked"')}
echo "a and b do not go together"
exit 1
`);
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', {
      implement: `echo b > b.txt; ${until(`test -e ${p.root}/a.txt`)}`,
      remediate: 'cp "$MSTONE_CONTEXT_FILE" "$HOME/context.json"; ls > "$HOME/seen"; echo ok > mended.txt',
    });
    p.milestone('1C', { implement: `echo c > c.txt; ${until('ls "$HOME" | grep -q red')}` });
    p.commit('Milestones');
    const going = p.start(['run', '-j', '3']);
    const home = p.env.HOME ?? '';
    await vi.waitFor(
      () => expect(readdirSync(home).filter((name) => name.startsWith('red.')).length).toBeGreaterThan(1),
      60_000,
    );
    const json = await inside(['queue', '--json'], p.root, p.env);
    expect(JSON.parse(json.stdout)).toMatchObject({
      schema: 1,
      target: 'main',
      mode: 'every-commit',
      parallel: 2,
      queue: [
        { id: '1B', state: 'checking', on: 'main' },
        { id: '1C', state: 'checking', on: '1B' },
      ],
    });
    const { stdout } = await inside(['queue'], p.root, p.env);
    expect(stdout.split('\n').slice(1, 5)).toEqual([
      '',
      '   1  1B  is being checked, on main',
      '   2  1C  is being checked, on 1B',
      '',
    ]);
    p.write('../looked', '');
    const run = await going.ended;
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect((await inside(['queue'], p.root, p.env)).stdout).toBe(
      'Nothing waits to land on main.\nNext: mstone status\n',
    );

    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', '1C: Part 1C', '1B: Part 1B']);
    expect(p.tree()).toMatchObject({ 'a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c', 'mended.txt': 'ok' });
    expect(startsOf(p)).toEqual(['1A implement', '1B implement', '1B remediate', '1C implement']);
    // 1C's candidate was made on 1B's, failed with it, and was made anew: nobody was blamed for that.
    const [first] = linesOf(p, 'candidate.ended').filter(({ milestone }) => milestone === '1B');
    const stacked = linesOf(p, 'candidate.started').filter(({ effect }) => effect?.onto !== undefined);
    expect(stacked.map(({ milestone, effect }) => [milestone, effect?.onto])).toEqual([
      ['1C', first?.outcome?.candidate?.commit],
    ]);
    // The author sees what failed, and has in its slot what it failed with.
    const context = JSON.parse(readFileSync(join(p.env.HOME ?? '', 'context.json'), 'utf8')) as {
      checks: { command: string; tail: string }[];
    };
    expect(context.checks).toMatchObject([
      { command: 'sh check.sh', kind: 'failed', exit: 1, tail: 'a and b do not go together\n' },
    ]);
    expect(readFileSync(join(p.env.HOME ?? '', 'seen'), 'utf8').split('\n')).toContain('a.txt');
    expect(await p.leftovers()).toEqual([]);
  });
});

describe('a target that the user moves while the train is under way', () => {
  it('is planned upon anew, and who fails on a head that the user broke is not to blame', async () => {
    // Whoever checks 1B merged with 1A finds the user at work: first harmlessly, then not.
    const p = project(`if test -f broken.txt; then echo "broken by hand"; exit 1; fi
test -f a.txt && test -f b.txt && ! test -f user.txt || exit 0
cd "$ROOT" && echo mine > user.txt && git add user.txt && git commit -q -m "By hand"
`);
    const env = `env: { ROOT: ${JSON.stringify(p.root)} }`;
    p.milestone('1A', { front: env, implement: 'echo a > a.txt' });
    p.milestone('1B', { front: env, implement: `echo b > b.txt; ${until(`test -e ${p.root}/a.txt`)}` });
    p.milestone('1C', { implement: `echo c > c.txt; ${until(`test -e ${p.root}/broken.txt`)}` });
    p.commit('Milestones');
    const going = p.start(['run', '-j', '3']);
    await going.said('1B landed');
    p.commit('A mistake', { 'broken.txt': 'no' });
    const run = await going.ended;
    expect(run.stdout).toMatch(/main has moved to [0-9a-f]{7}: 1B is merged again/);
    expect(run.stdout + run.stderr).toMatch(/main fails its own checks since it was moved to [0-9a-f]{12}/);
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(p.landed()).toEqual(['Milestones', '1A: Part 1A', 'By hand', '1B: Part 1B', 'A mistake']);

    p.git('rm', '-q', 'broken.txt');
    p.commit('Mended');
    const again = await p.mstone('resume');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(p.landed().slice(-2)).toEqual(['Mended', '1C: Part 1C']);
    expect(startsOf(p)).toEqual(['1A implement', '1B implement', '1C implement']);
  });
});
