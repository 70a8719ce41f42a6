/** Whole pipelines, from `mstone run` to the target's head, told the same way for each CLI. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import {
  type Answer,
  act,
  approval,
  edit,
  hang,
  limitedFor,
  meeting,
  objection,
  play,
  read,
  refuse,
  run,
  type Script,
  say,
  write,
} from '../rig/model-answers.js';
import { fingerprint, type Recorded } from '../rig/model-server.js';
import { codex, type RealCli } from './clis.js';
import {
  CRITERION,
  type Figures,
  figuresOf,
  KEY,
  openWorkshop,
  tell,
  type Workshop,
  type WorkshopOptions,
} from './workshop.js';

const open: Workshop[] = [];
afterEach(async () => {
  for (const workshop of open.splice(0)) await workshop.dispose();
});

async function workshopOf(cli: RealCli, script: Script, options?: WorkshopOptions): Promise<Workshop> {
  const workshop = await openWorkshop(cli, script, options);
  open.push(workshop);
  return workshop;
}

const done = say('Done.');
/** Looks at the file, and approves. */
const approves = (file: string) => [act(read(file)), approval(CRITERION)];
const sessionsOf = (asked: readonly Recorded[], about: string): string[] => [
  ...new Set(
    asked.filter((one) => `${one.milestone} ${one.purpose}` === about).map(({ session }) => session),
  ),
];
const landed = (id: string, attempts = 1) => ({ id, phase: 'landed', attempts });

const assignmentOf = ({ purpose, round }: Recorded): string => `${purpose} ${round}`;
/** Sent by each assignment, as its CLI counts; 0 where it says nothing. */
const tokensToldIn = (shop: Workshop): number[] =>
  shop.journal().flatMap(({ type, outcome }) => {
    const { tokens } = (outcome ?? {}) as { tokens?: { input: number } };
    return type === 'work.ended' ? [tokens?.input ?? 0] : [];
  });

/** One milestone, implemented, reviewed and landed. */
export function tellSimpleStory(cli: RealCli): void {
  test(`${cli.name} implements a milestone, another session of it reviews, and it lands`, async () => {
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [[act(write('a.txt', 'a.txt\n')), act(run('cat a.txt')), done]],
        '1A review': [approves('a.txt')],
      }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const began = Date.now();
    const end = await shop.mstone('run');
    expect(shop.server.story()).toEqual([
      '1A implement 1.1 → write',
      '1A implement 1.2 → run',
      '1A implement 1.3 → say',
      '1A review 1.1 → read',
      '1A review 1.2 → approve',
    ]);
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    expect(shop.landed()).toEqual(['Milestones', '1A: a.txt']);
    expect(await shop.milestones()).toEqual([landed('1A')]);
    expect(sessionsOf(shop.server.asked, '1A review')).not.toEqual(
      sessionsOf(shop.server.asked, '1A implement'),
    );
    expect(await shop.leftovers()).toEqual([]);
    expect(shop.told(KEY)).toEqual([]);
    const { requests, tokens } = figuresOf(shop.server.asked);
    tell(
      cli,
      'one milestone with review',
      `${requests} requests, ${tokens} tokens sent, ${seconds(began)}; kept from ${[...new Set(shop.server.strangers)].join(', ') || 'nobody'}`,
    );
  });
}

const probe = fileURLToPath(new URL('../rig/mcp-probe.mjs', import.meta.url));

/** Servers of the project's own. */
export function tellServersStory(cli: RealCli): void {
  test(`${cli.name} greets the project's MCP server`, async () => {
    const shop = await workshopOf(
      cli,
      play({ '1A implement': [[act(write('a.txt', 'a.txt\n')), done]], '1A review': [approves('a.txt')] }),
    );
    shop.ask('1A', 'a.txt');
    const greetings = join(dirname(shop.root), 'greetings');
    const server = { command: process.execPath, args: [probe], env: { PROBE_FILE: greetings } };
    writeFileSync(join(shop.root, '.mcp.json'), JSON.stringify({ mcpServers: { probe: server } }));
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    const who = readFileSync(greetings, 'utf8').trim().split('\n');
    // Some look at a server first, and then use it.
    expect(new Set(who).size).toBe(1);
    tell(cli, 'an MCP server', `greeted ${who.length} times, by ${who[0]}`);
  });
}

/** All that a night may bring. */
export function tellStories(cli: RealCli): void {
  tellSimpleStory(cli);

  test(`${cli.name} works on two milestones at once`, async () => {
    const meet = meeting(2);
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [[meet(act(write('a.txt', 'a.txt\n'))), done]],
        '1A review': [approves('a.txt')],
        '1B implement': [[meet(act(write('b.txt', 'b.txt\n'))), done]],
        '1B review': [approves('b.txt')],
      }),
      { config: 'jobs: 2\n' },
    );
    shop.ask('1A', 'a.txt');
    shop.ask('1B', 'b.txt');
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt', 'b.txt': 'b.txt' });
    expect(shop.landed().slice(1).sort()).toEqual(['1A: a.txt', '1B: b.txt']);
    expect(await shop.milestones()).toEqual([landed('1A'), landed('1B')]);
  });

  test(`${cli.name} answers a review's finding in the author's own session, and a fresh one approves`, async () => {
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [[act(write('a.txt', 'wrong\n')), done]],
        '1A review': [
          [act(read('a.txt')), objection('a.txt', 'It says `wrong`.', CRITERION)],
          approves('a.txt'),
        ],
        '1A remediate': [[act(read('a.txt')), act(edit('a.txt', 'wrong', 'a.txt')), done]],
      }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(shop.server.story()).toEqual([
      '1A implement 1.1 → write',
      '1A implement 1.2 → say',
      '1A review 1.1 → read',
      '1A review 1.2 → request_changes',
      '1A remediate 1.1 → read',
      '1A remediate 1.2 → edit',
      '1A remediate 1.3 → say',
      '1A review 2.1 → read',
      '1A review 2.2 → approve',
    ]);
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    const asked = shop.server.asked.filter(({ purpose }) => purpose !== 'aside');
    expect(sessionsOf(asked, '1A remediate')).toEqual(sessionsOf(asked, '1A implement'));
    expect(asked.find(({ purpose }) => purpose === 'remediate')?.prompt).toContain('It says `wrong`.');
    const reviewers = sessionsOf(asked, '1A review');
    // What a CLI counts over a whole session is one assignment's share here. Codex's count of a resumed one is not
    // known from its process alone.
    const assignments = [...new Set(asked.map(assignmentOf))];
    const sent = assignments.map(
      (one) => figuresOf(asked.filter((request) => assignmentOf(request) === one)).tokens,
    );
    expect(tokensToldIn(shop)).toEqual(cli === codex ? sent.with(2, 0) : sent);
    expect(reviewers.length).toBe(2);
    expect(reviewers).not.toContain(sessionsOf(asked, '1A implement')[0]);
  });

  test(`${cli.name} as a reviewer can write nothing, and its verdict counts all the same`, async () => {
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [[act(write('a.txt', 'a.txt\n')), done]],
        '1A review': [[act(run('echo spoiled > a.txt; echo $?; git status --short')), approval(CRITERION)]],
      }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    const said = shop.server.asked
      .filter(({ purpose }) => purpose === 'review')
      .at(-1)
      ?.results.join();
    expect(said).toMatch(/denied|permission|Read-only file system|not allowed/i);
    expect(said).not.toContain(' M a.txt');
  });

  test(`${cli.name} goes on after the service asked it to slow down`, async () => {
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [
          [[refuse({ why: 'rate', retryAfterSeconds: 1 }), act(write('a.txt', 'a.txt\n'))], done],
        ],
        '1A review': [approves('a.txt')],
      }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.server.story('1A implement')).toEqual([
      '1A implement 1.1 → rate',
      '1A implement 1.1 (asked 2 times) → write',
      '1A implement 1.2 → say',
    ]);
    expect(await shop.milestones()).toEqual([landed('1A')]);
  });

  test(`${cli.name} waits for its usage limit to reset and goes on in the same session, at no attempt`, async () => {
    const met = limitedFor(10, act(read('a.txt')));
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [
          [act(write('a.txt', 'a.txt\n')), met],
          [met, done],
        ],
        '1A review': [approves('a.txt')],
      }),
      { subscription: true },
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const began = Date.now();
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.server.story('1A implement')).toEqual([
      '1A implement 1.1 → write',
      '1A implement 1.2 → limit',
      '1A implement 2.1 → read',
      '1A implement 2.2 → say',
    ]);
    const { asked } = shop.server;
    expect(sessionsOf(asked, '1A implement').length).toBe(1);
    expect(
      asked.find(({ purpose, round }) => purpose === 'implement' && round === 2)?.prompts,
    ).toBeGreaterThan(1);
    expect(await shop.milestones()).toEqual([landed('1A')]);
    tell(cli, 'a limit that is over in 10 s', `the whole run took ${seconds(began)}`);
  });

  test(`${cli.name} whose key is refused asks at once, and goes on once it is let in`, async () => {
    const deadKeys = new Set([KEY]);
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [
          [act(write('a.txt', 'a.txt\n')), done],
          [act(write('a.txt', 'a.txt\n')), done],
        ],
        '1A review': [approves('a.txt')],
      }),
      { deadKeys },
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const began = Date.now();
    const refused = await shop.mstone('run');
    expect(refused, refused.stdout + refused.stderr).toMatchObject({ code: 3 });
    expect(shop.starts().length).toBe(1);
    const requests = shop.server.asked.filter(({ purpose }) => purpose === 'implement').length;
    expect(requests).toBeLessThanOrEqual(6);
    tell(cli, 'a dead key', `${requests} requests and ${seconds(began)} until a person is asked`);
    expect(`${refused.stdout}${refused.stderr}`).not.toContain(KEY);
    deadKeys.clear();
    const end = await shop.mstone('resume');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    expect(await shop.milestones()).toEqual([landed('1A')]);
  });

  test(`${cli.name} whose key is refused goes on under the next, and neither is to be seen anywhere`, async () => {
    const [dead, alive] = ['sk-dead-0123456789', 'sk-alive-0123456789'];
    const arguments_ = new Set<string>();
    const look = (answer: Answer): Answer => {
      for (const text of argumentsOfAll()) arguments_.add(text);
      return answer;
    };
    const work = [() => look(act(write('a.txt', 'a.txt\n'))), done];
    const shop = await workshopOf(
      cli,
      play({ '1A implement': [work, work], '1A review': [approves('a.txt')] }),
      {
        config: 'backoff: 0s\nretries: 0\n',
        deadKeys: new Set([dead]),
        credentials: { first: dead, second: alive },
      },
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const began = Date.now();
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    expect(await shop.milestones()).toEqual([landed('1A')]);
    const started = shop.journal().flatMap(({ type, effect }) => {
      const { purpose, credential } = (effect ?? {}) as { purpose?: string; credential?: string };
      return type === 'work.started' ? [`${purpose} on ${credential}`] : [];
    });
    expect(started).toEqual(['implement on first', 'implement on second', 'review on second']);
    // Once the dead key was refused, nobody came with it again.
    const keys = shop.server.asked.map((one) => one.keys.join());
    expect(keys.lastIndexOf(fingerprint(dead))).toBeLessThan(keys.indexOf(fingerprint(alive)));
    for (const key of [dead, alive]) {
      expect(shop.told(key)).toEqual([]);
      expect([...arguments_].filter((text) => text.includes(key))).toEqual([]);
      expect(`${end.stdout}${end.stderr}`).not.toContain(key);
      expect(shop.git('log', '--all', '-p', '--format=%B')).not.toContain(key);
    }
    expect([...arguments_].some((text) => text.includes(cli.program))).toBe(true);
    tell(cli, 'a dead key rotated', `the whole run took ${seconds(began)}`);
  });

  test(`${cli.name} that has nothing to pay with asks at once`, async () => {
    const shop = await workshopOf(
      cli,
      play({ '1A implement': [[refuse({ why: 'no-credit', status: 400 })]] }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 3 });
    expect(shop.server.story()).toEqual(['1A implement 1.1 → no-credit']);
    expect(shop.starts().length).toBe(1);
  });

  test(`${cli.name} whose conversation grew too long goes on in a fresh one, with what is done`, async () => {
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [
          [act(write('a.txt', 'a.txt\n')), refuse({ why: 'too-long' })],
          [act(read('a.txt')), done],
        ],
        '1A review': [approves('a.txt')],
      }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.server.story('1A implement')).toEqual([
      '1A implement 1.1 → write',
      '1A implement 1.2 → too-long',
      '1A implement 2.1 → read',
      '1A implement 2.2 → say',
    ]);
    expect(sessionsOf(shop.server.asked, '1A implement').length).toBe(2);
    expect(await shop.milestones()).toEqual([landed('1A')]);
  });

  test(`${cli.name} whose service has no room is waited for, at no attempt`, async () => {
    let hasRoom = false;
    const full = refuse({ why: 'overloaded' });
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [[() => (hasRoom ? done : full)], [act(write('a.txt', 'a.txt\n')), done]],
        '1A review': [approves('a.txt')],
      }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const running = shop.start(['run']);
    await running.said('without room');
    hasRoom = true;
    const end = await running.ended;
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    expect(await shop.milestones()).toEqual([landed('1A')]);
  });

  test(`${cli.name} whose service says nothing is ended and tried again`, async () => {
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [
          [act(write('a.txt', 'a.txt\n')), hang],
          [act(read('a.txt')), done],
        ],
        '1A review': [approves('a.txt')],
      }),
      { config: 'timeouts: { idle: 25s }\n' },
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const began = Date.now();
    const end = await shop.mstone('run');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.server.story('1A implement')).toEqual([
      '1A implement 1.1 → write',
      '1A implement 1.2 → hang',
      '1A implement 2.1 → read',
      '1A implement 2.2 → say',
    ]);
    // What the session has done so far is not paid for again.
    expect(sessionsOf(shop.server.asked, '1A implement').length).toBe(1);
    expect(await shop.milestones()).toEqual([landed('1A')]);
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    expect(await shop.leftovers()).toEqual([]);
    tell(cli, 'a service that says nothing', `the whole run took ${seconds(began)}`);
  });

  test(`${cli.name} works on while mstone is killed, and is found again`, async () => {
    let go: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    const shop = await workshopOf(
      cli,
      play({
        '1A implement': [[act(write('a.txt', 'a.txt\n')), () => gone.then(() => done)]],
        '1A review': [approves('a.txt')],
      }),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const running = shop.start(['run']);
    await shop.server.until(({ purpose, turn }) => purpose === 'implement' && turn === 2);
    running.child.kill('SIGKILL');
    await running.ended;
    go();
    const end = await shop.mstone('resume');
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.server.story('1A implement')).toEqual(['1A implement 1.1 → write', '1A implement 1.2 → say']);
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
    expect(await shop.milestones()).toEqual([landed('1A')]);
    expect(await shop.leftovers()).toEqual([]);
  });

  test(`${cli.name} goes on in its session after a power cut, which costs less than starting anew`, async () => {
    const resumed = await cutInTheMiddle(cli, 'kept');
    const restarted = await cutInTheMiddle(cli, 'lost');
    for (const [what, { requests, tokens, fresh }] of Object.entries({ resumed, restarted })) {
      tell(
        cli,
        `after a power cut, ${what}`,
        `${requests} requests, ${tokens} tokens sent, ${fresh} of them new to a prompt cache`,
      );
    }
    expect(resumed.requests).toBeLessThan(restarted.requests);
    expect(resumed.tokens).toBeLessThan(restarted.tokens);
    expect(resumed.fresh).toBeLessThan(restarted.fresh);
  });
}

/** Of a CLI that shortens a conversation by itself. */
export function tellCompactionStory(cli: RealCli): void {
  test(`${cli.name} shortens a conversation that grew too long by itself, and goes on in it`, async () => {
    // The summary stands in the prompt's place, so the conversation seems to begin again.
    const summary = 'You implement one milestone: <milestone id="1A">a.txt</milestone>. The file is written.';
    const tooLong = refuse({ why: 'too-long' });
    const shop = await workshopOf(
      cli,
      play(
        {
          '1A implement': [
            [
              [act(write('a.txt', 'a.txt\n')), act(read('a.txt'))],
              [tooLong, done],
            ],
          ],
          '1A review': [approves('a.txt')],
        },
        summary,
      ),
    );
    shop.ask('1A', 'a.txt');
    shop.commit('Milestones');
    const end = await shop.mstone('run');
    expect(shop.server.asked.map(({ purpose, answer }) => `${purpose} → ${answer}`)).toEqual([
      'implement → write',
      'implement → too-long',
      'compact → say',
      'implement → read',
      'implement → say',
      'review → read',
      'review → approve',
    ]);
    expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
    expect(shop.starts().length).toBe(2);
    expect(shop.tree()).toEqual({ 'a.txt': 'a.txt' });
  });
}

/** What the author sent after mstone and CLI were killed while it worked, its session being there or not. */
async function cutInTheMiddle(cli: RealCli, session: 'kept' | 'lost'): Promise<Figures> {
  const work = [act(read('guide.md')), act(read('more.md')), act(write('a.txt', 'a.txt\n'))];
  const shop = await workshopOf(
    cli,
    play({
      '1A implement': [[...work, hang], session === 'kept' ? [done] : [...work, done]],
      '1A review': [approves('a.txt')],
    }),
  );
  shop.write('guide.md', guide('guide'));
  shop.write('more.md', guide('more'));
  shop.ask('1A', 'a.txt');
  shop.commit('Milestones');
  const running = shop.start(['run']);
  await shop.server.until(({ purpose, turn }) => purpose === 'implement' && turn === 4);
  running.child.kill('SIGKILL');
  await running.ended;
  await shop.cutPower();
  if (session === 'lost') {
    const place = cli === codex ? ['.codex', 'sessions'] : ['.claude', 'projects'];
    rmSync(join(shop.home, ...place), { recursive: true });
  }
  const before = shop.server.asked.length;
  const end = await shop.mstone('resume');
  expect(end, end.stdout + end.stderr).toMatchObject({ code: 0 });
  expect(shop.tree()).toMatchObject({ 'a.txt': 'a.txt' });
  expect(await shop.leftovers()).toEqual([]);
  expect(await shop.milestones()).toEqual([landed('1A')]);
  const after = shop.server.asked.slice(before).filter(({ purpose }) => purpose === 'implement');
  expect(sessionsOf(shop.server.asked, '1A implement').length).toBe(session === 'kept' ? 1 : 2);
  return figuresOf(after);
}

/** What any process of the machine was started with, as far as it may be read. */
function argumentsOfAll(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ')];
      } catch (error) {
        // It has ended meanwhile.
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
        throw error;
      }
    });
}

/** Some pages that an author has to read. */
const guide = (name: string): string =>
  Array.from({ length: 120 }, (_, line) => `${name} ${line}: what is to be known about part ${line}.`).join(
    '\n',
  );

const seconds = (began: number): string => `${((Date.now() - began) / 1000).toFixed(1)} s`;
