/**
 * Every setting and every key of front matter, end to end: what it says changes what happens. A key that is
 * added without a story here fails the last test of this file.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AGENT_FIELDS, configKeys, LATER_VALUES } from '../../src/config/keys.js';
import type { Reading } from '../../src/host/index.js';
import { frontMatterKeys, LATER_KEYS as LATER_FRONT } from '../../src/milestone/keys.js';
import { inside } from '../rig/inside.js';
import { approve, makeProject, refuse, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
/** A project whose configuration is the given data; JSON is YAML. */
const project = (config: object): TestProject => {
  const made = makeProject(`${JSON.stringify(config)}\n`);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const tested = { config: new Set<string>(), front: new Set<string>() };

/** A story, and the keys that it would fail without. */
function story(
  title: string,
  keys: { readonly config?: readonly string[]; readonly front?: readonly string[] },
  body: () => Promise<void>,
): void {
  for (const key of keys.config ?? []) tested.config.add(key);
  for (const key of keys.front ?? []) tested.front.add(key);
  it(title, body);
}

/** What agents and checks wrote to `$HOME/log`, which is no slot's. */
const logged = (p: TestProject, name = 'log'): string[] => {
  const file = join(p.env.HOME ?? '', name);
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
};

/** A line of the journal, as far as it is looked at here. */
interface Line {
  readonly type: string;
  readonly milestone?: string;
  readonly now?: number;
  readonly inputs?: { readonly now: number; readonly capacity: number };
  readonly settings?: { readonly jobs: number };
  readonly outcome?: { readonly kind?: string; readonly agent?: { readonly resetAt?: number } };
}

const eventsOf = (p: TestProject, type: string): Line[] =>
  p.journal().flatMap((line) => (line.type === type ? [line as unknown as Line] : []));

/** How each item stands at the end: `{1A: 'landed', 1B: 'failed: …'}`. */
async function ends(p: TestProject): Promise<Record<string, string>> {
  const { stdout } = await p.mstone('status', '--json');
  const { milestones } = JSON.parse(stdout) as { milestones: { id: string; phase: string }[] };
  return Object.fromEntries(milestones.map(({ id, phase }) => [id, phase]));
}

const startsOf = (p: TestProject, id: string): string[] =>
  p
    .starts()
    .filter((name) => name.startsWith(`${id}.`))
    .map((name) => name.split('.').at(-1) ?? '');

describe('who works', () => {
  const agent = (name: string) => ({
    kind: 'command',
    command: [
      'sh',
      '-c',
      `echo "${name} $MSTONE_MILESTONE $MSTONE_PURPOSE $TONE" >> "$HOME/log"; if test "$MSTONE_PURPOSE" = review; then ${approve()}; else echo "$TONE" > "$MSTONE_MILESTONE.txt"; fi`,
    ],
    env: { TONE: name.toUpperCase() },
  });

  story(
    'the project names an author and a reviewer, a milestone others, each with its environment',
    {
      config: ['agent', 'reviewer', 'agents', 'agents.kind', 'agents.command', 'agents.env'],
      front: ['agent', 'reviewer', 'env', 'title'],
    },
    async () => {
      const p = project({
        agent: 'scribe',
        reviewer: 'critic',
        agents: {
          scribe: agent('scribe'),
          critic: agent('critic'),
          other: agent('other'),
          loud: { kind: 'recipe', env: { TONE: 'loud' } },
        },
      });
      p.write('milestones/1A.md', '# One\n');
      p.write(
        'milestones/1B.md',
        '---\nagent: other\nreviewer: scribe\ntitle: "Two, as named"\n---\n# Two\n',
      );
      p.write('milestones/1C.md', '---\nenv: { TONE: own }\n---\n# Three\n');
      p.milestone('1D', { front: 'agent: loud', implement: 'echo "$TONE" > 1D.txt' });
      p.commit('Milestones');
      const run = await p.mstone('run');
      expect(run.code, run.stdout + run.stderr).toBe(0);
      expect(logged(p).sort()).toEqual([
        'critic 1A review CRITIC',
        'critic 1C review own',
        'critic 1D review CRITIC',
        'other 1B implement OTHER',
        'scribe 1A implement SCRIBE',
        'scribe 1B review SCRIBE',
        'scribe 1C implement own',
      ]);
      expect(p.tree()).toEqual({ '1A.txt': 'SCRIBE', '1B.txt': 'OTHER', '1C.txt': 'own', '1D.txt': 'loud' });
      expect(p.landed().sort()).toEqual([
        '1A: One',
        '1B: Two, as named',
        '1C: Three',
        '1D: Part 1D',
        'Milestones',
      ]);
    },
  );
});

story(
  'several review, each for itself; a role looks at what touches its paths; too low a score is no approval',
  {
    config: ['reviewers', 'roles', 'review.threshold', 'review.require', 'review.model'],
    front: ['reviewers', 'role'],
  },
  async () => {
    const say = (words: string): string =>
      `echo "$MSTONE_MILESTONE $MSTONE_PURPOSE \${MSTONE_ROLE:--} ${words}" >> "$HOME/log"`;
    const scored = approve().replace('"findings"', '"score":0.9,"findings"');
    const agent = (name: string, review: string) => ({
      kind: 'command',
      command: [
        'sh',
        '-c',
        `${say(name)}; cat > "$HOME/$MSTONE_MILESTONE.\${MSTONE_ROLE:-none}"; if test "$MSTONE_PURPOSE" = review; then ${review}; else mkdir -p auth; echo x > "$PLACE"; fi`,
      ],
    });
    const p = project({
      agent: 'scribe',
      reviewers: ['scribe', 'critic', 'grump'],
      review: { threshold: 0.8, require: 'majority', model: 'opus' },
      roles: { security: ['auth/**'] },
      agents: {
        scribe: agent('scribe', scored),
        critic: agent('critic', scored),
        grump: agent('grump', refuse('as always')),
        lax: agent('lax', approve()),
      },
    });
    const placed = (place: string) => `env: { PLACE: ${place} }`;
    p.write('milestones/1A.md', `---\n${placed('a.txt')}\n---\n# One\n`);
    p.write('milestones/1B.md', `---\n${placed('auth/b.txt')}\nreviewers: critic\nrole: docs\n---\n# Two\n`);
    p.write('milestones/1C.md', `---\n${placed('c.txt')}\nreviewers: [lax]\n---\n# Three\n`);
    p.write('milestones/templates/roles/docs.md', 'Write for {{ milestone.title }}.\n');
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(1);
    expect(logged(p).sort()).toEqual([
      '1A implement - scribe',
      '1A review reviewer critic',
      '1A review reviewer grump',
      '1A review reviewer scribe',
      '1B implement docs scribe',
      '1B review reviewer critic',
      '1B review security critic',
      '1C implement - scribe',
      '1C review reviewer lax',
      '1C review reviewer lax',
    ]);
    expect(run.stdout).toContain('it gives no score, which an approval needs here (at least 0.8)');
    expect(p.landed().sort()).toEqual(['1A: One', '1B: Two', 'Milestones']);
    const told = (name: string): string => readFileSync(join(p.env.HOME ?? '', name), 'utf8');
    expect(told('1B.docs')).toContain('Your role here is docs. Write for Two.');
    expect(told('1B.security')).toContain('You look at this as somebody who would misuse it.');

    p.write('milestones/1C.md', '---\nrole: sage\n---\n# Three\n');
    const wrong = await p.mstone('validate');
    expect([wrong.code, wrong.stderr + wrong.stdout]).toEqual([
      2,
      expect.stringContaining('there is no role sage'),
    ]);
  },
);

story(
  'what an agent’s command line is given is its own to say, and a field of another kind is refused',
  {
    config: [
      'agents.model',
      'agents.args',
      'agents.permission',
      'agents.tools',
      'agents.sandbox',
      'agents.fallback_model',
    ],
  },
  async () => {
    const fields = {
      claude: {
        model: 'opus',
        fallback_model: 'haiku',
        args: ['--verbose'],
        permission: 'acceptEdits',
        tools: ['Read'],
      },
      codex: { model: 'gpt-5', args: ['--oss'], sandbox: 'read-only' },
    };
    const shownBy = async (agents: object): Promise<Record<string, unknown>> => {
      const p = project({ agents });
      const { stdout } = await inside(['config', '--json'], p.root, p.env);
      const { settings } = JSON.parse(stdout) as { settings: { key: string; value: unknown }[] };
      return Object.fromEntries(settings.map(({ key, value }) => [key, value]));
    };
    for (const [kind, said] of Object.entries(fields)) {
      const [bare, full] = [await shownBy({ mine: { kind } }), await shownBy({ mine: { kind, ...said } })];
      expect(full['agents.mine']).toEqual({ ...Object(bare['agents.mine']), kind, ...said });
      for (const [field, value] of Object.entries(said)) {
        expect(Object(bare['agents.mine'])[field], field).not.toEqual(value);
      }
    }
    const p = project({ agents: { mine: { kind: 'codex', permission: 'auto' } } });
    const refused = await inside(['validate'], p.root, p.env);
    expect([refused.code, refused.stderr.split('\n')[0]]).toEqual([
      2,
      'mstone.yaml:1: error: `agents.mine.permission` is no setting',
    ]);
  },
);

story('a profile puts its settings before the others', { config: ['profiles'] }, async () => {
  const p = project({ agent: 'recipe', jobs: 3, profiles: { ci: { jobs: 2 }, night: { jobs: 9 } } });
  p.milestone('1A', { implement: 'true' });
  const jobs = async (...flags: string[]): Promise<string | undefined> => {
    const { stdout } = await inside(['plan', ...flags], p.root, p.env);
    return /^Agents at once: (\d+)/m.exec(stdout)?.[1];
  };
  expect([await jobs(), await jobs('--profile', 'ci'), await jobs('--profile', 'night')]).toEqual([
    '3',
    '2',
    '9',
  ]);
  p.env.MSTONE_PROFILE = 'ci';
  expect([await jobs(), await jobs('--profile', 'night')]).toEqual(['2', '9']);
});

// What comes of it when an agent is started is told in agents.test.ts.
story(
  'MCP servers are named, and what is secret of them is not shown',
  { config: ['mcp_servers'] },
  async () => {
    const p = project({ mcp_servers: { docs: { url: 'http://x', headers: { Authorization: 'a-secret' } } } });
    const { stdout } = await p.mstone('config', '--json');
    const { settings } = JSON.parse(stdout) as { settings: { key: string; value: unknown }[] };
    expect(settings.find(({ key }) => key === 'mcp_servers')?.value).toEqual({
      docs: { url: 'http://x', headers: { Authorization: '(hidden)' } },
    });
  },
);

story(
  'a model is named for the project and for a milestone',
  { config: ['model'], front: ['model'] },
  async () => {
    const p = project({ agent: 'claude', model: 'sonnet' });
    p.write('milestones/1A.md', '---\nmodel: opus\n---\n# One\n');
    const { stdout } = await p.mstone('config', '--json');
    const { settings } = JSON.parse(stdout) as { settings: { key: string; value: unknown }[] };
    expect(settings.find(({ key }) => key === 'model')?.value).toBe('sonnet');
    const valid = await p.mstone('validate', '--json');
    expect(JSON.parse(valid.stdout)).toMatchObject({ milestones: [{ id: '1A', model: 'opus' }] });
  },
);

story(
  'no more agents are alive at once than there are jobs, reviewers included',
  { config: ['jobs'] },
  async () => {
    const p = project({ agent: 'recipe', jobs: 2 });
    const alive = (script: string): string =>
      `echo + >> "$HOME/log"; sleep 0.3; ${script}; echo - >> "$HOME/log"`;
    for (const id of ['1A', '1B', '1C', '1D']) {
      p.milestone(id, { implement: alive(`echo ${id} > ${id}.txt`), review: alive(approve()) });
    }
    p.commit('Milestones');
    expect((await p.mstone('run')).code).toBe(0);
    const counts: number[] = [];
    for (const mark of logged(p)) counts.push((counts.at(-1) ?? 0) + (mark === '+' ? 1 : -1));
    expect(counts).toHaveLength(16);
    expect(Math.max(...counts)).toBe(2);
    expect(readdirSync(slotsOf(p)).filter((name) => /^\d+$|slot/.test(name)).length).toBe(2);
  },
);

/** The folder with the worktrees of a project under the XDG state directory. */
function slotsOf(p: TestProject): string {
  const state = join(p.env.XDG_STATE_HOME ?? '', 'mstone');
  return join(state, readdirSync(state)[0] ?? '', 'slots');
}

story(
  "the project's checks hold every milestone, its own hold one, the stage's the stage, and a review may be off",
  { config: ['checks', 'stage_checks', 'review'], front: ['checks'] },
  async () => {
    const p = project({
      agent: 'recipe',
      review: false,
      jobs: 1,
      checks: ['echo "project $(ls *.txt | xargs)" >> "$HOME/log"'],
      stage_checks: ['echo "stage $(ls *.txt | xargs)" >> "$HOME/log"'],
    });
    p.milestone('1A', { implement: 'echo a > a.txt', review: 'exit 1' });
    p.milestone('1B', {
      front: 'depends_on: [1A]\nchecks: [\'echo "own $(ls *.txt | xargs)" >> "$HOME/log"\']',
      implement: 'echo b > b.txt',
      review: 'exit 1',
    });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(logged(p)).toEqual([
      'project a.txt',
      'project a.txt b.txt',
      'own a.txt b.txt',
      'stage a.txt b.txt',
    ]);
    expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  },
);

story(
  'a review blocks on the severities that are named, for as many rounds as are given',
  { config: ['review.rounds', 'review.block_on'], front: ['review_rounds'] },
  async () => {
    const p = project({ agent: 'recipe', review: { rounds: 1, block_on: ['minor'] } });
    // Another criterion each time: what is found again would be no progress.
    const never = refuse('still not')
      .replace('"major"', '"minor"')
      .replace('plain correctness', `'"$(wc -l < "$MSTONE_MILESTONE.txt" | tr -d ' ')"'`);
    const criteria = ['It is one', 'It is two', 'It is three'];
    const more = 'echo more >> "$MSTONE_MILESTONE.txt"';
    p.milestone('1A', { implement: more, review: never, remediate: more, criteria });
    p.milestone('1B', {
      implement: more,
      review: never,
      remediate: more,
      criteria,
      front: 'review_rounds: 2',
    });
    const major = approve().replace(
      '"findings":[]',
      '"findings":[{"id":"F1","severity":"major","cites":"plain correctness","problem":"x"}]',
    );
    p.milestone('1C', { implement: more, review: major, remediate: more });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(await ends(p)).toEqual({ '1A': 'asking', '1B': 'asking', '1C': 'landed' });
    expect(startsOf(p, '1A')).toEqual(['implement', 'review', 'remediate', 'review']);
    expect(startsOf(p, '1B')).toEqual(['implement', 'review', 'remediate', 'review', 'remediate', 'review']);
    expect(run.stdout).toContain('1A needs you: 1 round of remediation did not mend it');
    expect(run.stdout).toContain('1B needs you: 2 rounds of remediation did not mend it');
  },
);

story(
  'conflicts are seen to come, and who would be in two of them lands last and is resolved once',
  { config: ['merge.forecast'] },
  async () => {
    const p = project({
      agent: 'recipe',
      review: false,
      jobs: 5,
      checks: ['sh check.sh'],
      merge: { parallel: 1, forecast: '0s' },
    });
    const until = (test: string): string =>
      `n=0; until ${test} || test $n -gt 600; do n=$((n+1)); sleep 0.05; done`;
    // 1B is checked merged with 1A until all others wait behind it, 1C the first of them.
    p.write(
      'check.sh',
      `test -f a.txt && test -f b.txt || exit 0
touch "$HOME/checked"
${until('test -e "$HOME/seen"')}
`,
    );
    p.write('left.txt', 'left\n');
    p.write('right.txt', 'right\n');
    const behind = (ref: string): string => until(`git rev-parse -q --verify refs/heads/mstone/${ref}`);
    const checked = until('test -e "$HOME/checked"');
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: `echo b > b.txt; ${until(`test -e ${p.root}/a.txt`)}` });
    p.milestone('1C', {
      implement: `echo c > left.txt; echo c > right.txt; ${checked}`,
      resolve: 'ls; echo cd > left.txt; echo ce > right.txt',
    });
    p.milestone('1D', {
      implement: `echo d > left.txt; ${checked}; ${behind('1C')}`,
      resolve: 'echo cd > left.txt',
    });
    p.milestone('1E', {
      implement: `echo e > right.txt; ${checked}; ${behind('1D')}`,
      resolve: 'echo ce > right.txt',
    });
    p.commit('Milestones');
    const going = p.start(['run']);
    await vi.waitFor(async () => {
      const { conflicts, queue } = JSON.parse((await p.mstone('queue', '--json')).stdout) as {
        readonly conflicts?: readonly object[];
        readonly queue: readonly { readonly id: string }[];
      };
      expect(conflicts?.length).toBe(2);
      expect(queue.map(({ id }) => id)).toEqual(['1B', '1D', '1E', '1C']);
    }, 60_000);
    const coming = [
      { items: ['1C', '1D'], files: ['left.txt'] },
      { items: ['1C', '1E'], files: ['right.txt'] },
    ];
    expect(JSON.parse((await p.mstone('queue', '--json')).stdout)).toMatchObject({ conflicts: coming });
    expect(JSON.parse((await p.mstone('status', '--json')).stdout)).toMatchObject({
      run: { conflicts: coming },
    });
    expect((await p.mstone('queue')).stdout).toContain(
      '\n1C and 1D will conflict in left.txt\n1C and 1E will',
    );
    expect((await p.mstone('status')).stdout).toContain('Conflict: 1C and 1E will conflict in right.txt\n');
    p.write('../seen', '');
    const run = await going.ended;
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.stdout).toContain('1C and 1D will conflict in left.txt');
    expect(p.landed().slice(1)).toEqual(['1A', '1B', '1D', '1E', '1C'].map((id) => `${id}: Part ${id}`));
    expect(p.tree()).toMatchObject({ 'left.txt': 'cd', 'right.txt': 'ce' });
    expect(p.starts().filter((name) => name.includes('resolve')).length).toBe(1);
    expect((await p.mstone('queue', '--json')).stdout).not.toContain('conflicts');
    // Nothing of what was tried is left in the repository.
    expect(readdirSync(join(p.root, '.git/mstone/tmp')).filter((name) => name.endsWith('.objects'))).toEqual(
      [],
    );
  },
);

story(
  'candidates are checked three at once, the longest that passes lands with what is in it, and a lock file goes alone',
  { config: ['merge.parallel', 'merge.strict', 'merge.barrier'] },
  async () => {
    const p = project({
      agent: 'recipe',
      review: false,
      jobs: 5,
      checks: ['sh check.sh'],
      merge: { parallel: 3, strict: 'head', barrier: ['*.frozen'] },
    });
    const until = (test: string): string =>
      `n=0; until ${test} || test $n -gt 600; do n=$((n+1)); sleep 0.05; done`;
    // With 1C or 1D as the last one in it nothing ever passes; with 1E on top it does.
    p.write(
      'check.sh',
      `! test -f f.frozen || touch "$HOME/saw.f"
test -f b.txt && test -f c.txt && ! test -f e.txt || exit 0
touch "$HOME/saw.$(test -f d.txt && echo d || echo c)"
${until('test -e "$HOME/never"')}
exit 1
`,
    );
    const saw = (id: string): string => until(`test -e "$HOME/saw.${id}"`);
    p.milestone('1B', { implement: 'echo b > b.txt' });
    p.milestone('1C', { implement: `echo c > c.txt; ${until(`test -e ${p.root}/b.txt`)}` });
    p.milestone('1D', { implement: `echo d > d.txt; ${saw('c')}` });
    p.milestone('1E', { implement: `echo e > e.txt; ${saw('f')}`, front: 'priority: 1' });
    p.milestone('1F', { implement: `echo f > f.frozen; ${saw('d')}` });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.landed()).toEqual([
      'Milestones',
      '1B: Part 1B',
      '1C: Part 1C',
      '1D: Part 1D',
      '1E: Part 1E',
      '1F: Part 1F',
    ]);
    // 1C and 1D were not waited for, and nobody was sent back.
    const checked = eventsOf(p, 'check.ended').map(
      ({ milestone, outcome }) => `${milestone} ${outcome?.kind}`,
    );
    expect(checked).toEqual(expect.arrayContaining(['1C cancelled', '1D cancelled', '1E passed']));
    expect(p.starts().length).toBe(5);
    const made = p
      .journal()
      .filter(({ type }) => type === 'candidate.started')
      .map((line) => [line.milestone, 'onto' in (line.effect as object)]);
    expect(made).toEqual([
      ['1B', false],
      ['1C', false],
      ['1D', true],
      ['1E', true],
      ['1F', false],
    ]);
  },
);

story(
  'what crashed is tried again as often as is said, after the pause that is said',
  { config: ['retries', 'backoff'], front: ['retries'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, retries: 2, backoff: '300ms' });
    p.milestone('1A', { implement: 'exit 9' });
    p.milestone('1B', { implement: 'exit 9', front: 'retries: 0' });
    p.milestone('1C', { implement: 'mkdir "$HOME/once" && exit 9; echo c > c.txt' });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(1);
    expect(await ends(p)).toEqual({ '1A': 'failed', '1B': 'failed', '1C': 'landed' });
    expect([startsOf(p, '1A').length, startsOf(p, '1B').length, startsOf(p, '1C').length]).toEqual([3, 1, 2]);
    const ended = eventsOf(p, 'work.ended').filter(({ milestone }) => milestone === '1A');
    const begun = eventsOf(p, 'work.started').filter(({ milestone }) => milestone === '1A');
    const pauses = [1, 2].map((attempt) => {
      const [from, to] = [ended[attempt - 1]?.now, begun[attempt]?.inputs?.now];
      return (to ?? 0) - (from ?? 0);
    });
    expect(pauses[0]).toBeGreaterThanOrEqual(300);
    // It doubles.
    expect(pauses[1]).toBeGreaterThanOrEqual(600);
    expect(pauses[1]).toBeLessThan(30_000);
  },
);

story(
  'worktrees are made where it is said, get copies, are set up, and keep what is to be kept',
  { config: ['worktrees.dir', 'worktrees.copy', 'worktrees.setup', 'worktrees.keep'] },
  async () => {
    const p = project({
      agent: 'recipe',
      review: false,
      jobs: 1,
      worktrees: {
        dir: '../worktrees',
        copy: ['.env'],
        setup: ['mkdir -p kept gone; echo x >> kept/log; echo x >> gone/log'],
        keep: ['kept'],
      },
    });
    const look = 'pwd -P > pwd.txt; cat .env > env.txt; cat kept/log > kept.txt; cat gone/log > gone.txt';
    p.milestone('1A', { implement: `${look}; echo a > a.txt` });
    p.milestone('1B', { implement: `${look}; echo b > b.txt`, front: 'depends_on: [1A]' });
    p.write('.env', 'SECRET=1\n');
    p.commit('Milestones', { '.gitignore': '.env\nkept/\ngone/\n' });
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const { 'pwd.txt': where = '', ...tree } = p.tree();
    expect(tree).toEqual({
      '.gitignore': '.env\nkept/\ngone/',
      'a.txt': 'a',
      'b.txt': 'b',
      'env.txt': 'SECRET=1',
      'gone.txt': 'x',
      'kept.txt': 'x\nx',
    });
    expect(where.startsWith(`${realpathSync(join(p.root, '..', 'worktrees'))}/`)).toBe(true);
    expect(existsSync(join(p.env.XDG_STATE_HOME ?? '', 'mstone'))).toBe(false);
  },
);

story(
  'a pre-commit hook is a check where that is said, of all that a milestone changed, and elsewhere is not run',
  { config: ['git.hooks'] },
  async () => {
    const hook =
      '#!/bin/sh\ngit diff --cached --name-only | tr "\\n" " " >> "$HOME/staged"\n! git diff --cached | grep -q "^+FIXME"\n';
    for (const isolation of ['worktree', 'clone']) {
      const p = project({ agent: 'recipe', review: false, isolation, git: { hooks: true } });
      const staged = join(p.env.HOME ?? '', 'staged');
      p.milestone('1A', {
        implement: 'echo a > a.txt; git add -A; git commit -qm One --no-verify; echo FIXME > b.txt',
        remediate: 'echo b > b.txt',
      });
      p.commit('Milestones');
      writeFileSync(join(p.root, '.git', 'hooks', 'pre-commit'), hook, { mode: 0o755 });
      const run = await p.mstone('run');
      expect(run.code, run.stdout + run.stderr).toBe(0);
      expect(p.tree()).toEqual({ 'a.txt': 'a', 'b.txt': 'b' });
      expect(readFileSync(staged, 'utf8')).toBe('a.txt b.txt a.txt b.txt ');
      expect(run.stdout).not.toContain('note:');
      writeFileSync(staged, '');
      writeFileSync(join(p.root, 'mstone.yaml'), 'agent: recipe\nreview: false\n');
      p.milestone('1B', { implement: 'echo FIXME > c.txt' });
      p.git('add', '-A');
      p.git('commit', '-qm', 'More', '--no-verify');
      expect((await p.mstone('run')).code).toBe(0);
      expect([readFileSync(staged, 'utf8'), p.tree()['c.txt']]).toEqual(['', 'FIXME']);
    }
  },
);

story(
  'of a large repository only what a milestone’s paths name is there, and what lands is whole',
  { config: ['worktrees.sparse'] },
  async () => {
    const check = 'find . -name "*.txt" | sort | tr "\\n" " " > "$HOME/checked"';
    const p = project({ agent: 'recipe', review: false, checks: [check], worktrees: { sparse: true } });
    p.milestone('1A', {
      front: 'paths: ["src/app/**"]',
      implement: 'find . -name "*.txt" | sort > src/app/seen.md; echo a > src/app/a.txt',
    });
    p.milestone('1B', {
      front: 'depends_on: [1A]',
      implement: 'find . -name "*.txt" | sort > seen.md',
    });
    p.commit('Milestones', {
      'root.txt': 'r',
      'src/app/a.txt': '0',
      'src/lib/b.txt': 'b',
      'docs/d.txt': 'd',
    });
    const first = await p.mstone('run', '1A');
    expect(first.code, first.stdout + first.stderr).toBe(0);
    expect(readFileSync(join(p.env.HOME ?? '', 'checked'), 'utf8')).toBe('./root.txt ./src/app/a.txt ');
    const second = await p.mstone('run');
    expect(second.code, second.stdout + second.stderr).toBe(0);
    expect(p.tree()).toEqual({
      'docs/d.txt': 'd',
      'root.txt': 'r',
      'seen.md': './docs/d.txt\n./root.txt\n./src/app/a.txt\n./src/lib/b.txt',
      'src/app/a.txt': 'a',
      'src/app/seen.md': './root.txt\n./src/app/a.txt',
      'src/lib/b.txt': 'b',
    });
  },
);

story(
  'an agent that goes on for too long, one that falls silent and a check without an end are ended',
  { config: ['timeouts.agent', 'timeouts.idle', 'timeouts.check'], front: ['timeout'] },
  async () => {
    const p = project({
      agent: 'recipe',
      review: false,
      retries: 0,
      timeouts: { agent: '5s', idle: '3s', check: '1s' },
    });
    const talk = 'while :; do echo talking; sleep 0.2; done';
    p.milestone('1A', { implement: talk });
    p.milestone('1B', { implement: 'sleep 60' });
    p.milestone('1C', { implement: 'echo c > c.txt', front: 'checks: ["sleep 60"]\nreview_rounds: 0' });
    p.milestone('1D', { implement: talk, front: 'timeout: 2s' });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(1);
    const agents = Object.fromEntries(
      eventsOf(p, 'work.ended').map(({ milestone, outcome }) => [milestone, outcome?.agent]),
    );
    expect(agents).toEqual({
      '1A': { kind: 'timed-out', afterMs: 5000 },
      '1B': { kind: 'stuck', silentMs: 3000 },
      '1C': { kind: 'finished' },
      '1D': { kind: 'timed-out', afterMs: 2000 },
    });
    const [check] = eventsOf(p, 'check.ended');
    expect(check).toMatchObject({
      milestone: '1C',
      outcome: { kind: 'failed', results: [{ kind: 'timed-out' }] },
    });
    expect(await p.leftovers()).toEqual([]);
  },
);

story(
  'an agent that makes the same call over and over is ended, unless nobody minds',
  { config: ['timeouts.repeats'] },
  async () => {
    const circling = [
      `call='{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash","input":{"command":"make"}}]}}'`,
      'for n in 1 2 3 4; do echo "$call"; done',
      'test "$MSTONE_MILESTONE" = 1A || sleep 60',
      'echo a > a.txt',
      `echo '{"type":"result","subtype":"success","is_error":false,"result":"done"}'`,
    ];
    const p = project({
      agent: 'mine',
      review: false,
      retries: 0,
      timeouts: { repeats: 4 },
      agents: { mine: { kind: 'claude', command: ['sh', '-c', circling.join('\n'), 'claude'] } },
    });
    p.milestone('1A', {});
    p.milestone('1B', {});
    p.commit('Milestones');
    p.env.MSTONE_TIMEOUTS_REPEATS = 'false';
    expect((await p.mstone('run', '1A')).code).toBe(0);
    delete p.env.MSTONE_TIMEOUTS_REPEATS;
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(1);
    expect(eventsOf(p, 'work.ended').map(({ outcome }) => outcome?.agent)).toEqual([
      { kind: 'stuck', repeated: { call: 'Bash make', times: 4 } },
    ]);
  },
);

story(
  'an agent that prints without end is ended, and the oldest logs make room for new ones',
  { config: ['logs.max', 'logs.keep'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, retries: 0, logs: { max: '2MB', keep: '300kB' } });
    const print = (bytes: number): string => `head -c ${bytes} /dev/zero | tr '\\0' x`;
    p.milestone('1A', { implement: `${print(200_000)}; echo a > a.txt` });
    p.milestone('1B', { implement: `${print(200_000)}; echo b > b.txt` });
    p.milestone('1C', { implement: `while :; do ${print(100_000)}; done` });
    p.commit('Milestones');
    const logsOf = (run: string): string[] =>
      readdirSync(join(p.root, '.git/mstone/runs', run, 'logs')).filter((name) => name.endsWith('.log'));
    expect((await p.mstone('run', '1A')).code).toBe(0);
    const [first = ''] = readdirSync(join(p.root, '.git/mstone/runs'));
    expect((await p.mstone('run', '1B')).code).toBe(0);
    expect(logsOf(first)).toEqual(['1A.1.1.implement.log']);
    const third = await p.mstone('run', '1C');
    expect(third.code, third.stdout).toBe(1);
    expect(third.stdout).toContain(
      'logs of 1 finished run were removed (200 kB): all together took more than 300 kB (logs.keep)',
    );
    expect(logsOf(first)).toEqual([]);
    expect(eventsOf(p, 'work.ended')[0]?.outcome?.agent).toEqual({
      kind: 'crashed',
      message: 'it printed more than it may (logs.max), so it was ended',
    });
    expect((await p.mstone('logs', '1B')).code).toBe(0);
  },
);

story(
  'milestones, the view and logs lie where it is said, for agents as for every command',
  { config: ['milestones', 'tasks_file', 'log_dir'] },
  async () => {
    const p = project({
      agent: 'recipe',
      review: false,
      milestones: 'docs/plan',
      tasks_file: 'docs/DONE.md',
      log_dir: '../logs',
    });
    const meddle =
      'echo x > docs/DONE.md; echo x >> docs/plan/1A.md; echo mine > TASKS.md; echo x > milestones/1A.md';
    p.write('docs/plan/1A.md', `# One\n\n## Recipe\n\n\`\`\`sh\n${meddle}; echo a > a.txt\n\`\`\`\n`);
    p.write('milestones/9Z.md', 'no milestone\n');
    p.commit('Milestones');
    const text = p.git('show', 'main:docs/plan/1A.md');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    // Its edits of the files that are mstone's here were put back; those that are anywhere else's were not.
    expect(run.stdout).toContain(
      'put back as they were, being no part of the work: docs/DONE.md, docs/plan/1A.md',
    );
    expect(p.git('show', 'main:docs/plan/1A.md')).toBe(text);
    expect(p.git('show', 'main:TASKS.md')).toBe('mine');
    expect(p.git('show', 'main:milestones/1A.md')).toBe('x');
    expect(p.git('show', 'main:docs/DONE.md')).toMatch(/- \[x\] \*\*1A\*\* One — landed/);
    expect(p.git('status', '--porcelain')).toBe('');

    const logs = join(p.root, '..', 'logs');
    const [own = ''] = readdirSync(logs);
    expect(readdirSync(join(logs, own))).toContain('1A.1.1.implement.log');
    const { stdout } = await p.mstone('logs', '1A', '--list');
    expect(stdout.split('\n')[0]).toBe(join(realpathSync(logs), own, '1A.1.1.implement.log'));
    expect((await p.mstone('explain', '1A')).stdout).toContain(join(realpathSync(logs), own));
  },
);

story('a usage limit pauses the run or is waited for', { config: ['limits.wait'] }, async () => {
  const p = project({ agent: 'recipe', review: false, limits: { wait: false } });
  const soon = 'JSON.stringify({mstone:"limited",reset_at:new Date(Date.now()+5000).toISOString()})';
  p.milestone('1A', {
    implement: `if mkdir "$HOME/once"; then node -e 'console.log(${soon})'; exit 75; fi; echo a > a.txt`,
  });
  p.commit('Milestones');
  const paused = await p.mstone('run');
  expect(paused.code, paused.stdout + paused.stderr).toBe(75);
  expect(p.starts()).toEqual(['1A.1.1.implement']);

  p.env.MSTONE_LIMITS_WAIT = 'true';
  const waited = await p.mstone('run');
  expect(waited.code, waited.stdout + waited.stderr).toBe(0);
  expect(p.starts()).toEqual(['1A.1.1.implement', '1A.1.2.implement']);
  const [limited] = eventsOf(p, 'work.ended');
  const resetAt = limited?.outcome?.agent?.resetAt ?? Number.NaN;
  expect(eventsOf(p, 'work.started')[1]?.inputs?.now).toBeGreaterThanOrEqual(resetAt);
});

/** A stand-in for Claude Code on a subscription whose window is all but used up, and over 5 s after the first call. */
const NEARLY_USED_UP = `cat > /dev/null; test -e "$HOME/until" || echo $(($(date +%s) + 5)) > "$HOME/until"
  W="{\\"utilization\\":0.95,\\"resetsAt\\":$(cat "$HOME/until")}"
  echo '{"type":"system","subtype":"init","session_id":"s","claude_code_version":"2.1.329"}'
  echo "{\\"type\\":\\"rate_limit_event\\",\\"rate_limit_info\\":{\\"status\\":\\"allowed_warning\\",\\"unifiedWindows\\":{\\"five_hour\\":$W}}}"
  echo a > "$MSTONE_MILESTONE.txt"
  echo '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s","total_cost_usd":0.5}'`;

story(
  'what is left of a window is for what has begun; whoever may not wait is told when to come back, and can be woken',
  { config: ['limits.reserve'] },
  async () => {
    const claude = { command: ['sh', '-c', NEARLY_USED_UP] };
    const p = project({ agent: 'claude', review: false, jobs: 1, agents: { claude } });
    p.write('milestones/1A.md', '# One\n');
    p.write('milestones/1B.md', '# Two\n');
    p.commit('Milestones');
    const paused = await p.mstone('run', '--no-wait');
    expect(paused.code, paused.stdout + paused.stderr).toBe(75);
    expect(paused.stdout).toMatch(
      /\nPaused: what is left of claude is kept for milestones that have begun, until \d\d:\d\d\nNext: mstone resume --when-ready\n$/,
    );
    const until = Number(readFileSync(join(p.env.HOME ?? '', 'until'), 'utf8')) * 1000;
    const status = await inside(['status'], p.root, p.env);
    expect(status.stdout).toMatch(/^Used: claude: 95 % of 5 hours, until \d\d:\d\d$/m);
    expect(status.stdout).toMatch(/^ 1B .* waits until \d\d:\d\d: what is left of claude is kept/m);
    expect(status.stdout).not.toContain('$');

    // Told to stop it has started nothing; woken by the clock it goes on.
    const stopped = p.start(['resume', '--when-ready']);
    await stopped.said('Ctrl-C ends the wait.');
    stopped.child.kill('SIGINT');
    const end = await stopped.ended;
    expect(end.code).toBe(130);
    expect(end.stdout).toMatch(
      /^Waits until \d\d:\d\d \([\d.]+s\): what is left of claude is kept for milestones that have begun\. Ctrl-C ends the wait\.\nNothing was started\.\nNext: mstone resume\n$/,
    );
    p.env.MSTONE_WHEN_READY = 'true';
    const woken = await p.mstone('resume');
    expect(woken.code, woken.stdout + woken.stderr).toBe(0);
    expect(eventsOf(p, 'work.started').map(({ milestone }) => milestone)).toEqual(['1A', '1B']);
    expect(eventsOf(p, 'work.started')[1]?.inputs?.now).toBeGreaterThanOrEqual(until);
    const costs = await inside(['costs'], p.root, p.env);
    expect(costs.stdout).toContain('s 2 assignments paid by subscription: no money, $1.00 by list prices');
  },
);

/** One that tells so at once and works on until the other has ended, which goes by what the journal says of it. */
const TOLD_AT_WORK = `cat > /dev/null; said() { for i in $(seq 400); do grep -q "$1" "$HOME"/repository/.git/mstone/runs/*/journal.ndjson && return; sleep 0.05; done; exit 9; }
  echo '{"type":"system","subtype":"init","session_id":"s","claude_code_version":"2.1.329"}'
  if test "$MSTONE_MILESTONE" = 1A; then
    W="{\\"utilization\\":0.95,\\"resetsAt\\":$(($(date +%s) + 3600))}"
    echo "{\\"type\\":\\"rate_limit_event\\",\\"rate_limit_info\\":{\\"status\\":\\"allowed_warning\\",\\"unifiedWindows\\":{\\"five_hour\\":$W}}}"
    said '"work.ended","milestone":"1B"'
  else said '"type":"note".*claude: what is left of its window is kept'
  fi
  echo a > "$MSTONE_MILESTONE.txt"
  echo '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"s","total_cost_usd":0.5}'`;

it('a window that comes near its end while agents are at work holds back those that have not begun', async () => {
  const claude = { command: ['sh', '-c', TOLD_AT_WORK] };
  const p = project({
    agent: 'claude',
    review: false,
    jobs: 2,
    agents: { claude },
    timeouts: { repeats: false },
  });
  for (const id of ['1A', '1B', '1C']) p.write(`milestones/${id}.md`, `# ${id}\n`);
  p.commit('Milestones');
  const run = await p.mstone('run', '--no-wait');
  expect(run.code, run.stdout + run.stderr).toBe(75);
  expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  expect(await ends(p)).toEqual({ '1A': 'landed', '1B': 'landed', '1C': 'ready' });
});

story(
  'agents are started no faster than they may be',
  { config: ['limits.starts_per_minute', 'limits.burst'] },
  async () => {
    const limits = { starts_per_minute: 60, burst: 2 };
    const p = project({ agent: 'recipe', review: false, jobs: 3, limits });
    for (const id of ['1A', '1B', '1C']) p.milestone(id, { implement: `sleep 2; echo a > ${id}.txt` });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const [first = 0, second, third = 0] = eventsOf(p, 'work.started').map(({ inputs }) => inputs?.now);
    expect(second).toBe(first);
    expect(third).toBeGreaterThanOrEqual(first + 1000);
  },
);

story('a subscription says how many agents there are', { config: ['subscription'] }, async () => {
  const p = project({ agent: 'recipe' });
  const jobs = async (env: Record<string, string>): Promise<string | undefined> => {
    const { stdout } = await inside(['config', '--origin'], p.root, { ...p.env, ...env });
    return /^jobs: +(.*?) +# (.*)$/m.exec(stdout)?.slice(1).join(', ');
  };
  expect(await jobs({})).toBe('4, default');
  expect(await jobs({ MSTONE_SUBSCRIPTION: 'max20' })).toBe('8, default, by subscription');
  expect(await jobs({ MSTONE_SUBSCRIPTION: 'max20', MSTONE_JOBS: '2' })).toBe('2, MSTONE_JOBS');
});

story(
  'another agent takes over while the first can be started on nothing, and says who wrote',
  { config: ['agents.fallback'] },
  async () => {
    const first = `echo '{"mstone":"limited","reset_at":"'$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)'"}'; echo a > half.txt; exit 75`;
    const other = 'echo "$MSTONE_PURPOSE $(ls)" | tr "\\n" " " >> "$HOME/log"; echo b > whole.txt';
    const p = project({
      agent: 'first',
      review: false,
      agents: {
        first: { kind: 'command', command: ['sh', '-c', first], fallback: 'other' },
        other: { kind: 'command', command: ['sh', '-c', other] },
      },
    });
    p.write('milestones/1A.md', '# One\n');
    p.commit('Milestones');
    const plan = await inside(['plan'], p.root, p.env);
    expect(plan.stdout).toMatch(/^Takes over while nothing is open: other for first$/m);
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.tree()).toEqual({ 'half.txt': 'a', 'whole.txt': 'b' });
    expect(logged(p)).toEqual([expect.stringMatching(/^implement half\.txt milestones mstone\.yaml/)]);
    expect(p.git('log', '-1', '--format=%(trailers:key=Mstone-Agent,valueonly)').trim()).toBe('other');
    const { stdout } = await inside(['explain', '1A'], p.root, p.env);
    expect(stdout).toMatch(/other/);
  },
);

story(
  'priority, then the longest way, decides the order; dependencies are kept, requirements are asked, what is off stays off',
  { front: ['depends_on', 'estimate', 'priority', 'requires', 'enabled'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, jobs: 1 });
    const front: Record<string, string> = {
      '1A': 'estimate: 10m',
      '1B': 'estimate: 50m',
      '1C': 'estimate: 1m\npriority: 5',
      '1D': 'enabled: false\npriority: 9',
      '1E': 'estimate: 5m\nrequires: [{file: mstone.yaml}, {env: NOWHERE_SET}]',
      '1F': 'estimate: 4m\nrequires: [{command: "test -f c.txt"}, {env: HOME}, {file: mstone.yaml}]',
      '1G': 'estimate: 3m\nrequires: [{file: nowhere.json}]',
      '1H': 'estimate: 2m\nrequires: [{command: "exit 7"}]',
      '1I': 'depends_on: [1A]\npriority: 8\nestimate: 1m',
    };
    for (const [id, text] of Object.entries(front)) {
      p.milestone(id, { front: text, implement: `echo ${id} > ${id.slice(1).toLowerCase()}.txt` });
    }
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(1);
    const begun = eventsOf(p, 'work.started').map(({ milestone }) => milestone);
    // What waits for a landing does not hold back what could start meanwhile.
    expect(begun.indexOf('1I')).toBeGreaterThan(begun.indexOf('1A'));
    expect(begun.filter((id) => id !== '1I')).toEqual(['1C', '1B', '1A', '1E', '1F', '1G', '1H']);
    expect(await ends(p)).toEqual({
      '1A': 'landed',
      '1B': 'landed',
      '1C': 'landed',
      '1D': 'blocked',
      '1E': 'failed',
      '1F': 'landed',
      '1G': 'failed',
      '1H': 'failed',
      '1I': 'landed',
    });
    for (const words of [
      '1E failed: needs env: NOWHERE_SET: the variable NOWHERE_SET is not set',
      '1G failed: needs file: nowhere.json: there is no nowhere.json',
      '1H failed: needs command: exit 7: `exit 7` failed (exit 7)',
    ]) {
      expect(run.stdout).toContain(words);
    }
    expect((await p.mstone('plan')).stdout).toMatch(/1D +blocked +Part 1D +disabled\n/);
  },
);

/** Half of everything is in use. */
const halfFull: Reading = {
  memory: { totalBytes: 100e9, availableBytes: 50e9 },
  disks: [{ place: '/disk', freeBytes: 50e9 }],
  cpu: 0.5,
};

story(
  'no agent is started beside another while the machine is short of what is said, as far as it is said',
  { config: ['pressure', 'pressure.memory', 'pressure.disk', 'pressure.cpu'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, jobs: 2 });
    delete p.env.MSTONE_PRESSURE;
    p.milestone('1A', { implement: 'true' });
    p.milestone('1B', { implement: 'true' });
    p.commit('Milestones');
    const capacities = async (pressure: unknown, reading = halfFull): Promise<(number | undefined)[]> => {
      p.commit('Pressure', {
        'mstone.yaml': JSON.stringify({ agent: 'recipe', review: false, jobs: 2, pressure }),
        'milestones/1A.md': `# One\n\n${JSON.stringify(pressure)}\n\n## Recipe\n\n\`\`\`sh\necho 1 >> a\n\`\`\`\n`,
        'milestones/1B.md': `# Two\n\n${JSON.stringify(pressure)}\n\n## Recipe\n\n\`\`\`sh\necho 2 >> b\n\`\`\`\n`,
      });
      const host = { everyMs: 60_000, measure: async () => reading };
      const run = await inside(['run', '--stale'], p.root, p.env, { host });
      expect(run.code, JSON.stringify(run)).toBe(0);
      return eventsOf(p, 'work.started').map(({ inputs }) => inputs?.capacity);
    };
    expect(await capacities(null)).toEqual([2, 2]);
    expect(await capacities({ memory: '50%' })).toEqual([1, 1]);
    expect(await capacities({ memory: '51%' })).toEqual([2, 2]);
    expect(await capacities({ disk: '50.1GB' })).toEqual([1, 1]);
    expect(await capacities({ disk: '50GB' })).toEqual([2, 2]);
    expect(await capacities({ cpu: '50%' })).toEqual([1, 1]);
    expect(await capacities({ cpu: '51%' })).toEqual([2, 2]);
    const full: Reading = { ...halfFull, memory: { totalBytes: 100e9, availableBytes: 9e9 } };
    expect(await capacities({}, full)).toEqual([1, 1]);
    expect(await capacities(false, full)).toEqual([2, 2]);
  },
);

story(
  'a budget pauses the run before it costs more, by what is put aside for each agent',
  { config: ['budget.usd', 'budget.per_milestone'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, jobs: 1, budget: { usd: 2.5 } });
    for (const id of ['1A', '1B', '1C', '1D']) {
      p.milestone(id, { implement: `echo '{"mstone":"usage","cost_usd":0.5}'; echo ${id} > ${id}.txt` });
    }
    p.commit('Milestones');
    // At first 0.125 is put aside, then 0.75: after 1.50 and 0.75 there is room, after 2.00 there is none.
    const median = await p.mstone('run');
    expect(median.code, median.stdout + median.stderr).toBe(0);
    expect(p.journal().flatMap((line) => (line.type === 'work.started' ? [reserved(line)] : []))).toEqual([
      0.125, 0.75, 0.75, 0.75,
    ]);

    const q = project({ agent: 'recipe', review: false, jobs: 1, budget: { usd: 2.5, per_milestone: 1.6 } });
    for (const id of ['1A', '1B', '1C', '1D']) {
      q.milestone(id, { implement: `echo '{"mstone":"usage","cost_usd":0.5}'; echo ${id} > ${id}.txt` });
    }
    q.commit('Milestones');
    const paused = await q.mstone('run');
    expect(paused.code, paused.stdout + paused.stderr).toBe(75);
    expect(q.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  },
);

story(
  'a brief holds the files that are named, as long as it may be',
  { config: ['brief', 'brief_limit'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, brief: ['WAY.md'], brief_limit: 4000 });
    p.write('WAY.md', `Go west.${' '.repeat(100)}`);
    p.milestone('1A', { implement: 'cp "$MSTONE_PROMPT_FILE" 1A.txt' });
    p.milestone('1B', { implement: 'cp "$MSTONE_PROMPT_FILE" 1B.txt', front: 'depends_on: [1A]' });
    p.commit('Milestones');
    const short = await p.mstone('run', '1A');
    expect(short.code, short.stdout + short.stderr).toBe(0);
    expect(readFileSync(join(p.root, '1A.txt'), 'utf8')).toContain('Go west.');
    p.env.MSTONE_BRIEF_LIMIT = '2000';
    const cut = await p.mstone('run');
    expect(cut.code, cut.stdout + cut.stderr).toBe(0);
    expect(readFileSync(join(p.root, '1B.txt'), 'utf8')).not.toContain('Go west.');
  },
);

story(
  'a check that ran no test, or none that is known, lands nothing where tests must run',
  { config: ['expect_tests'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, checks: ['true'], expect_tests: true });
    p.milestone('1A', { front: 'review_rounds: 0', implement: 'echo a > a.txt' });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(run.stdout).toContain('1A checks failed: true (ran no test)');
    expect(p.landed()).toEqual(['Milestones']);
    p.env.MSTONE_EXPECT_TESTS = 'false';
    const none = await p.mstone('retry', '1A');
    expect(none.code, none.stdout + none.stderr).toBe(0);
  },
);

story(
  'files outside paths and changed gate files go back to their author, and what is meant is allowed in the milestone',
  { config: ['gate_files'], front: ['paths', 'allow'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, gate_files: ['rules.txt'] });
    p.write('rules.txt', 'strict\n');
    p.write('Makefile', 'all:\n');
    const text = {
      implement: 'echo lax > rules.txt; echo "all: x" > Makefile; mkdir src; echo x > src/x.js',
      remediate: 'rm -rf src; echo more >> a.txt',
    };
    p.milestone('1A', { front: 'paths: ["*.txt", Makefile]', ...text });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(run.stdout).toContain('1A note: src/x.js: the milestone may write to *.txt, Makefile only');
    expect(run.stdout).toContain('say `allow: [gate-files]` in its front matter');
    expect(p.landed()).toEqual(['Milestones']);

    p.milestone('1A', { front: 'paths: ["*.txt", Makefile]\nallow: gate-files', ...text });
    p.commit('It is meant');
    const again = await p.mstone('retry', '1A', '--from', 'check');
    expect(again.code, again.stdout + again.stderr).toBe(0);
    expect(p.tree()['rules.txt']).toBe('lax');
  },
);

story(
  'work is looked through for secrets, but not where they are allowed, or not at all',
  { config: ['secrets', 'secrets_allowed'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, secrets_allowed: ['fixtures/**'] });
    const key = `printf 'ghp_%s\\n' "$(printf 'a1B2%.0s' 1 2 3 4 5 6 7 8 9)"`;
    p.milestone('1A', { implement: `mkdir fixtures; ${key} > fixtures/key.txt` });
    p.milestone('1B', { front: 'depends_on: [1A]\nreview_rounds: 0', implement: `${key} > key.txt` });
    p.commit('Milestones');
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(3);
    expect(run.stdout).toContain('1B note: key.txt:1: this looks like a secret (github)');
    expect(Object.keys(p.tree())).toEqual(['fixtures/key.txt']);
    p.env.MSTONE_SECRETS = 'false';
    const unseen = await p.mstone('retry', '1B');
    expect(unseen.code, unseen.stdout + unseen.stderr).toBe(0);
  },
);

story(
  'a budget of a day is that of all runs, and tokens are limited beside money',
  { config: ['budget.per_day', 'budget.tokens'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, jobs: 1, budget: { per_day: 1, tokens: 5000 } });
    for (const id of ['1A', '1B', '1C']) {
      p.milestone(id, { implement: `echo '{"mstone":"usage","cost_usd":0.5}'; echo ${id} > ${id}.txt` });
    }
    p.commit('Milestones');
    const first = await p.mstone('run', '1A');
    expect(first.code, first.stdout + first.stderr).toBe(0);
    expect(first.stdout).toContain('Budget 5000 tokens\n');
    // At first a twentieth is put aside, then 1.5 times as much as the one before.
    const second = await p.mstone('run');
    expect(second.code, second.stdout + second.stderr).toBe(75);
    expect(second.stdout).toContain('a day does not hold another agent: $1.00 is spent today, until ');
    expect(p.starts()).toEqual(['1A.1.1.implement', '1B.1.1.implement']);
  },
);

const reserved = (line: Record<string, unknown>): unknown =>
  (line.effect as { readonly reserveUsd?: number }).reserveUsd;

describe('where a setting comes from', () => {
  it('flag before environment before project before user before default', async () => {
    const p = project({ agent: 'recipe', review: false });
    // It never starts an agent, so that a run is over at once.
    p.milestone('1A', { implement: 'true', front: 'requires: [{env: NOWHERE_SET}]' });
    p.commit('Milestones');
    const jobs = async (...flags: string[]): Promise<number | undefined> => {
      const { code, stdout, stderr } = await p.mstone('run', ...flags);
      expect(code, stdout + stderr).toBe(1);
      return eventsOf(p, 'run.started')[0]?.settings?.jobs;
    };
    const seen = [await jobs()];
    const config = join(p.env.XDG_CONFIG_HOME ?? '', 'mstone');
    mkdirSync(config, { recursive: true });
    writeFileSync(join(config, 'config.yaml'), 'jobs: 5\n');
    seen.push(await jobs());
    p.commit('Six', { 'mstone.yaml': 'agent: recipe\nreview: false\njobs: 6\n' });
    seen.push(await jobs());
    p.env.MSTONE_JOBS = '7';
    seen.push(await jobs());
    seen.push(await jobs('-j', '8'));
    expect(seen).toEqual([4, 5, 6, 7, 8]);
  });

  it('the environment alone configures a run', async () => {
    const p = makeProject('');
    projects.push(p);
    p.milestone('1A', { implement: 'exit 9', remediate: 'true' });
    p.commit('Milestones');
    Object.assign(p.env, {
      MSTONE_AGENT: 'mine',
      MSTONE_AGENTS: JSON.stringify({ mine: { kind: 'command', command: ['sh', '-c', 'echo a > a.txt'] } }),
      MSTONE_REVIEW: 'false',
      MSTONE_CHECKS: '["test -f a.txt", "echo checked >> $HOME/log"]',
      MSTONE_STAGE_CHECKS: 'echo stage >> $HOME/log',
      MSTONE_WORKTREES_DIR: join(p.env.HOME ?? '', 'elsewhere'),
      MSTONE_TIMEOUTS_AGENT: '20s',
    });
    const run = await p.mstone('run');
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(p.tree()).toEqual({ 'a.txt': 'a' });
    expect(logged(p)).toEqual(['checked', 'stage']);
    expect(existsSync(join(p.env.HOME ?? '', 'elsewhere'))).toBe(true);
  });

  it('a variable that cannot be read is refused by its name, one that is no setting is told', async () => {
    const p = project({ agent: 'recipe' });
    p.milestone('1A', { implement: 'true' });
    p.commit('Milestones');
    const said = await inside(['run'], p.root, { ...p.env, MSTONE_JOBS: 'some', MSTONE_JBOS: '3' });
    expect(said).toEqual({
      code: 2,
      stdout: '',
      stderr: [
        'warning: `MSTONE_JBOS` is no setting of mstone and does nothing',
        '  fix: did you mean `MSTONE_JOBS`?',
        'error: `MSTONE_JOBS` cannot be read',
        '  expected: a whole number from 1, or a share of the processors such as `50%`',
        '  found: "some"',
        '  fix: write what is expected; `mstone config --origin` shows who says what',
        '',
      ].join('\n'),
    });
  });
});

describe('what agents pay with', () => {
  story(
    'credentials are used in their order, then those of the file of keys; the login where `auth` has it',
    { config: ['credentials', 'keys_file', 'auth'] },
    async () => {
      const limit = `{"mstone":"limited","reset_at":"${new Date(Date.now() + 5 * 86_400_000).toISOString()}"}`;
      const script = `echo "$MSTONE_MILESTONE [$PAY]" >> "$HOME/log"; case "$PAY" in first) echo '${limit}'; exit 75;; esac; echo a > "$MSTONE_MILESTONE.txt"`;
      const mine = { kind: 'command', command: ['sh', '-c', script], env: {} };
      const p = project({ agent: 'mine', review: false, agents: { mine } });
      const folder = join(p.env.XDG_CONFIG_HOME ?? '', 'mstone');
      mkdirSync(folder, { recursive: true });
      const own = (name: string, data: unknown): string => {
        writeFileSync(join(folder, name), JSON.stringify(data), { mode: 0o600 });
        return join(folder, name);
      };
      const keysFile = own('mine.json', [{ name: 'b', env: { PAY: 'second' } }]);
      const credentials = [{ name: 'a', env: { PAY: 'first' } }];
      own('config.yaml', { credentials, keys_file: keysFile, auth: 'keys-first' });
      p.write('milestones/1A.md', '# 1A\n');
      p.commit('Milestones');
      expect((await p.mstone('run')).code).toBe(0);
      expect(logged(p)).toEqual(['1A [first]', '1A [second]']);
      p.write('milestones/1B.md', '# 1B\n');
      p.commit('One more');
      expect((await inside(['run'], p.root, { ...p.env, MSTONE_AUTH: 'login-first' })).code).toBe(0);
      expect(logged(p).slice(2)).toEqual(['1B []']);
    },
  );
});

describe('a person', () => {
  story('is asked of all, or of one', { config: ['approval'], front: ['approval'] }, async () => {
    const p = project({ agent: 'recipe', review: false, approval: 'before' });
    p.milestone('1A', { implement: 'echo a > a.txt' });
    p.milestone('1B', { implement: 'echo b > b.txt', front: 'approval: none' });
    p.commit('Milestones');
    expect((await p.mstone('run')).code).toBe(3);
    expect(p.starts()).toEqual(['1B.1.1.implement']);
  });
});

describe('a stage', () => {
  story('is reviewed once more as a whole', { config: ['review.stage'] }, async () => {
    const script = `echo "$MSTONE_MILESTONE $MSTONE_PURPOSE" >> "$HOME/log"; if test "$MSTONE_PURPOSE" = review; then ${approve()}; else echo x > "$MSTONE_MILESTONE.txt"; fi`;
    const p = project({
      agent: 'mine',
      jobs: 1,
      review: { stage: true },
      agents: { mine: { kind: 'command', command: ['sh', '-c', script] } },
    });
    for (const id of ['1A', '1B', '2A']) p.write(`milestones/${id}.md`, `# ${id}\n`);
    p.commit('Milestones');
    expect((await p.mstone('run')).code).toBe(0);
    expect(logged(p).filter((line) => line.includes('gate'))).toEqual(['1-gate review']);
    expect(p.landed()).toHaveLength(4);
    p.write('milestones/2B.md', '# 2B\n');
    p.commit('One more');
    expect((await inside(['run'], p.root, { ...p.env, MSTONE_REVIEW_STAGE: 'false' })).code).toBe(0);
    expect(logged(p).filter((line) => line.includes('gate'))).toEqual(['1-gate review']);
  });
});

describe('where work lands', () => {
  story(
    'is beside the target until a stage is complete, which is tagged',
    { config: ['land', 'tags.stage'] },
    async () => {
      const p = project({ agent: 'recipe', review: false, land: 'stage', tags: { stage: 's{stage}' } });
      p.milestone('1A', { implement: 'echo a > a.txt' });
      p.milestone('1B', { implement: 'echo b > b.txt', front: 'approval: before' });
      p.commit('Milestones');
      expect((await p.mstone('run')).code).toBe(3);
      expect([p.landed(), p.landed('mstone/main'), p.git('tag')]).toEqual([
        ['Milestones'],
        ['Milestones', '1A: Part 1A'],
        '',
      ]);
      expect((await p.mstone('approve', '1B')).code).toBe(0);
      expect((await p.mstone('resume')).code).toBe(0);
      expect([p.landed().length, p.git('tag')]).toEqual([3, 's1']);
    },
  );

  story(
    'is a branch of the run, pushed to another remote for each milestone',
    { config: ['run_branch', 'pr.per', 'pr.remote'] },
    async () => {
      const p = project({
        agent: 'recipe',
        review: false,
        run_branch: true,
        land: 'pr',
        pr: { per: 'milestone', remote: 'up' },
      });
      p.milestone('1A', { implement: 'echo a > a.txt' });
      p.commit('Milestones');
      const bare = join(p.env.HOME ?? '', 'up.git');
      p.git('init', '-q', '--bare', bare);
      p.git('remote', 'add', 'up', bare);
      // Whether or not there is a `gh` on this machine, it knows no such repository.
      const run = await p.mstone('run');
      expect([0, 3]).toContain(run.code);
      expect(run.stdout).toContain('gh pr create --head mstone/1A --base main');
      expect(p.git('ls-remote', bare, 'refs/heads/*')).toMatch(/^[0-9a-f]{40}\trefs\/heads\/mstone\/1A$/);
      expect(p.landed()).toEqual(['Milestones']);
    },
  );
});

story(
  'isolation: clone keeps branches of yours from an agent; a sandbox takes its own settings',
  { config: ['isolation', 'sandbox', 'sandbox_network', 'sandbox_write'] },
  async () => {
    const p = project({ agent: 'recipe', review: false, isolation: 'clone' });
    p.milestone('1A', { implement: 'git for-each-ref | wc -l | tr -d " " > refs.txt' });
    p.commit('Milestones');
    expect((await p.mstone('run')).code).toBe(0);
    expect(p.tree()).toEqual({ 'refs.txt': '0' });

    p.write(
      'mstone.yaml',
      'agent: recipe\nsandbox: bubblewrap\nsandbox_network: false\nsandbox_write: [~/.npm]\n',
    );
    const { stdout } = await inside(['config', '--json'], p.root, p.env);
    const { settings } = JSON.parse(stdout) as { settings: { key: string; value: unknown }[] };
    const told = Object.fromEntries(settings.map(({ key, value }) => [key, value]));
    expect(told).toMatchObject({
      sandbox: 'bubblewrap',
      sandbox_network: false,
      sandbox_write: ['~/.npm'],
    });
  },
);

it('what is said of a subscription, of what is kept of its window and of secrets is read from the file, too', async () => {
  const p = project({
    agent: 'recipe',
    review: false,
    subscription: 'max5',
    secrets: false,
    limits: { reserve: '5%' },
  });
  const { stdout } = await inside(['config', '--json'], p.root, p.env);
  const { settings } = JSON.parse(stdout) as { settings: { key: string; value: unknown }[] };
  const told = Object.fromEntries(settings.map(({ key, value }) => [key, value]));
  expect(told).toMatchObject({ subscription: 'max5', jobs: 5, secrets: false });
  p.milestone('1A', { implement: 'echo AKIAIOSFODNN7EXAMPLQ > key.txt' });
  p.commit('Milestones');
  const run = await p.mstone('run');
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toContain('1 milestone, 5 agents at once');
  expect(p.tree()).toEqual({ 'key.txt': 'AKIAIOSFODNN7EXAMPLQ' });

  p.write('mstone.yaml', 'agent: recipe\nreviewer: recipe\nreviewers: [recipe]\n');
  const twice = await inside(['validate'], p.root, p.env);
  expect(twice.code).toBe(2);
  expect(twice.stderr).toContain('`reviewer` and `reviewers` both say who reviews');
});

describe('what a later version will accept', () => {
  let p: TestProject;
  beforeAll(() => {
    p = makeProject('agent: recipe\n');
    p.milestone('1A', { implement: 'true' });
    p.commit('Milestones');
  });
  afterAll(() => p.remove());

  /** Exit code and the first line of what is said, from `validate` and from `run`. */
  async function refusals(): Promise<unknown[]> {
    const said = [
      await inside(['validate'], p.root, p.env),
      await inside(['run', '--commit'], p.root, p.env),
    ];
    expect(p.starts()).toEqual([]);
    return said.map(({ code, stderr }) => [code, stderr.split('\n')[0]]);
  }
  const twice = <T>(value: T): T[] => [value, value];

  const values = Object.entries(LATER_VALUES).flatMap(([key, all]) =>
    all.map((value) => [key, value] as const),
  );
  it.each(values.map(([key, value]) => [`${key}: ${value}`, `\`${key}: ${value}\` is not supported yet`]))(
    'in mstone.yaml: %s',
    async (text, words) => {
      p.write('mstone.yaml', `${text}\nagent: recipe\n`);
      expect(await refusals()).toEqual(twice([2, `mstone.yaml:1: error: ${words}`]));
      p.write('mstone.yaml', 'agent: recipe\n');
    },
  );

  it.each([...LATER_FRONT])('in front matter: %s', async (key) => {
    p.milestone('1A', { implement: 'true', front: `${key}: x` });
    expect(await refusals()).toEqual(
      twice([2, `milestones/1A.md:2: error: \`${key}\` is not supported yet`]),
    );
    p.milestone('1A', { implement: 'true' });
  });

  for (const key of Object.keys(LATER_VALUES)) tested.config.add(key);
  it.each(Object.keys(LATER_VALUES))('the only value that there is for now is accepted: %s', async (key) => {
    const only = configKeys.find((one) => one.key === key)?.default ?? '';
    p.write('mstone.yaml', `agent: recipe\n${key}: ${only}\n`);
    expect(await inside(['validate'], p.root, p.env)).toEqual({
      code: 0,
      stdout: '1 milestone is fine.\nNext: mstone plan\n',
      stderr: '',
    });
    p.write('mstone.yaml', `agent: recipe\n${key}: blancmange\n`);
    expect(await refusals()).toEqual(twice([2, `mstone.yaml:2: error: \`${key}\` cannot be read`]));
    p.write('mstone.yaml', 'agent: recipe\n');
  });
});

it('every key has a story', () => {
  const fields = Object.keys(AGENT_FIELDS).map((field) => `agents.${field}`);
  expect([...tested.config].sort()).toEqual(
    [...configKeys.map(({ key }) => key), ...fields, 'profiles'].sort(),
  );
  expect([...tested.front].sort()).toEqual([...frontMatterKeys].sort());
});
