/** Every exit code, alone and with others at once, each with what is to be typed next. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type Ended, makeProject, refuse, type TestProject } from '../rig/project.js';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (file: string): string => readFileSync(join(home, file), 'utf8');

const projects: TestProject[] = [];
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const FAILS = { implement: 'echo no such luck; exit 9' };
const ASKS = { implement: 'echo x > "$MSTONE_MILESTONE.txt"', review: refuse('not yet') };
const LANDS = { implement: 'echo x > "$MSTONE_MILESTONE.txt"' };
const LIMITED = {
  implement: `echo '{"mstone":"limited","reset_at":"2999-01-01T00:00:00Z"}'; exit 75`,
};
/** Says that it is there, and goes on until it is ended. */
const LASTS = { implement: 'touch "$HOME/there"; sleep 300' };

/** Milestones as they are told, of agents that pay each with a limit of their own. */
function project(milestones: Readonly<Record<string, object>>): TestProject {
  const p = makeProject(
    'agent: recipe\nreviewer: recipe\nretries: 0\nreview: { rounds: 0 }\nagents: { paid: { kind: recipe } }\n',
  );
  projects.push(p);
  for (const [id, recipe] of Object.entries(milestones)) p.milestone(id, recipe);
  p.commit('Milestones');
  return p;
}

const limited = { ...LIMITED, front: 'agent: paid' };
const behind = (id: string) => ({ ...LANDS, front: `depends_on: [${id}]` });

/** The exit code and the last line, which is what to type next. */
const endOf = ({ code, stdout, stderr }: Ended): [number | null, string] => [
  code,
  `${stdout}${stderr}`.trimEnd().split('\n').at(-1) ?? '',
];

const signalled = async (p: TestProject, ...signals: readonly NodeJS.Signals[]): Promise<Ended> => {
  const running = p.start(['run']);
  await running.said('1A implement started');
  await running.said('1B failed');
  for (const signal of signals) {
    running.child.kill(signal);
    if (signals.length > 1 && signal === 'SIGINT') await running.said('interrupted');
  }
  return running.ended;
};

describe('several at once', () => {
  it.each([
    [
      'what failed counts for more than what needs you',
      { '1A': FAILS, '1B': ASKS, '1C': LANDS },
      1,
      'mstone retry 1A 1B',
    ],
    [
      'what failed counts for more than a limit',
      { '1A': FAILS, '1B': limited },
      1,
      'mstone resume --when-ready',
    ],
    [
      'what needs you counts for more than a limit',
      { '1A': ASKS, '1B': limited },
      3,
      'mstone resume --when-ready',
    ],
    [
      'what is blocked by what needs you counts as that',
      { '1A': ASKS, '1B': behind('1A') },
      3,
      'mstone retry 1A',
    ],
    [
      'what is blocked by what failed counts as that',
      { '1A': FAILS, '1B': behind('1A') },
      1,
      'mstone retry 1A',
    ],
    [
      'what waits for what is limited counts as that',
      { '1A': limited, '1B': behind('1A') },
      75,
      'mstone resume --when-ready',
    ],
    ['all three', { '1A': FAILS, '1B': ASKS, '1C': limited }, 1, 'mstone resume --when-ready'],
    ['nothing', { '1A': LANDS, '1B': behind('1A') }, 0, 'git log --graph --oneline main'],
  ])('%s', async (_, milestones, exit, next) => {
    const p = project(milestones);
    expect(endOf(await p.mstone('run', '--no-wait'))).toEqual([exit, `Next: ${next}`]);
  });

  it.each([
    [['SIGINT', 'SIGINT'], 130],
    [['SIGTERM'], 143],
  ] as const)('an interrupt by %j counts for more than what failed', async (signals, exit) => {
    const p = project({ '1A': LASTS, '1B': FAILS });
    expect(endOf(await signalled(p, ...signals))).toEqual([exit, 'Next: mstone resume']);
  });

  it('a target that fails its own checks counts for more than what failed before', async () => {
    const p = project({ '1A': LANDS, '1B': FAILS });
    expect(endOf(await p.mstone('run'))).toEqual([1, 'Next: mstone retry 1B']);
    p.milestone('1C', LANDS);
    p.commit('A check that the target fails', {
      'mstone.yaml': 'agent: recipe\nreviewer: recipe\nretries: 0\nchecks: ["test -f never.txt"]\n',
    });
    const red = await p.mstone('run');
    expect(endOf(red)).toEqual([5, 'Next: mend main, commit that, and type: mstone run']);
    expect(red.stdout).toContain('main fails its own checks');
  });
});

describe('alone, without anything having been started', () => {
  it('a refusal says what to do, and another run is named', async () => {
    const p = project({ '1A': LASTS });
    expect(endOf(await p.mstone('run', '9Z'))).toEqual([2, '  fix: type `mstone plan` to see what there is']);
    const running = p.start(['run']);
    await running.said('1A implement started');
    expect(endOf(await p.mstone('run'))).toEqual([4, '  fix: type `mstone status` to see what it does']);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(143);
  });

  it('what is wrong in files ends with how to see that none is left', async () => {
    const p = project({ '1A': { ...LANDS, front: 'depend_on: [1B]' } });
    expect(await p.mstone('validate')).toMatchObject({
      code: 2,
      stdout: '1 error.\nNext: mend it, then type: mstone validate\n',
    });
  });
});

it('docs/exit-codes.md explains every exit code of the README, and no other', () => {
  const listed = [...read('README.md').matchAll(/^\| (\d+(?: \/ \d+)*) \|/gm)].flatMap(([, codes = '']) =>
    codes.split(' / '),
  );
  const explained = [...read('docs/exit-codes.md').matchAll(/^## (\d+)$/gm)].map(([, code]) => code);
  expect(explained).toEqual(listed);
  expect(listed.length).toBeGreaterThan(5);
});
