/** Nothing to do: what mstone takes to say so, beside an empty node, make and others on as many targets. */
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { peersOf } from './peers.mjs';
import { alone, exponent, inTurns, makeProject, makeScratch, median, mstone, row, timed } from './rig.mjs';

/** Nothing is kept of files that changed a moment ago: they might change again and look the same. */
const SETTLED_MS = 1500;

async function makeDone(count) {
  const { root, ids, env } = makeProject({
    name: 'noop',
    count,
    recipe: (n) => `echo ${n}`,
    needs: (n) => (n % 100 === 0 ? [] : [n - 1]),
  });
  const run = (...args) => timed(process.execPath, [mstone, ...args], { cwd: root, env });
  const marked = await run('mark', '--all', '--done');
  if (marked.code !== 0) throw new Error(marked.err);
  return { run, env, first: join(root, 'milestones', `${ids[0]}.md`) };
}

async function measure(count, rounds, commands, options) {
  const { run, env } = await makeDone(count);
  const edited = await makeDone(count);
  const empty = join(makeScratch('empty'), 'empty.cjs');
  writeFileSync(empty, '');
  const acts = { node: () => timed(process.execPath, [empty], { env }) };
  await sleep(SETTLED_MS);
  for (const command of commands) {
    await run(...command.split(' '));
    acts[command] = () => run(...command.split(' '));
  }
  await edited.run('plan');
  acts[EDITED] = (round) => {
    utimesSync(edited.first, round, round);
    return edited.run('plan');
  };
  Object.assign(acts, await peersOf(count, env, options));
  const results = await inTurns(rounds, acts);
  for (const [name, all] of results) {
    const bad = all.find(({ code }) => code !== 0);
    if (bad !== undefined) throw new Error(`${name}: exit ${bad.code}: ${bad.err}`);
  }
  return (name) => (results.has(name) ? median(results.get(name).map(({ cpuMs }) => cpuMs)) : undefined);
}

const EDITED = 'plan after an edit';
const COMMANDS = ['plan', 'status', 'run'];
/** What `plan` and `run` may take beside them; the others are there to compare with. */
const TARGETS = { make: 0.7 };

const part = {
  title: 'Nothing to do (processor time)',
  async measure({ short }) {
    const rounds = short ? 3 : 9;
    const of = await measure(1000, rounds, ['--version', '--help', ...COMMANDS], { short });
    const node = of('node');
    const rows = [
      row('--version / empty node', of('--version') / node, { target: 1.2 }),
      row('--help / empty node', of('--help') / node, { target: 1.2 }),
      ...COMMANDS.map((command) =>
        row(`${command}, 1,000 milestones / empty node`, of(command) / node, { target: 1.6 }),
      ),
      row('plan, 1,000 milestones of which one was edited / empty node', of(EDITED) / node),
    ];
    for (const tool of ['make', 'ninja', 'just', 'turbo', 'wireit']) {
      if (of(tool) === undefined) continue;
      for (const command of ['plan', 'run']) {
        const target = TARGETS[tool];
        rows.push(row(`${command}, 1,000 milestones / ${tool}`, of(command) / of(tool), { target }));
      }
    }
    if (short) return rows;
    const large = await measure(10_000, 3, COMMANDS, { short });
    if (large('ninja') !== undefined) {
      for (const command of COMMANDS) {
        const ratio = large(command) / large('ninja');
        rows.push(row(`${command}, 10,000 milestones / ninja`, ratio, { target: 3, law: false }));
      }
    }
    const net = (reader) => reader('plan') - reader('node');
    rows.push(
      row(
        'growth of plan, 1,000 to 10,000, less an empty node: exponent',
        exponent([
          [1000, net(of)],
          [10_000, net(large)],
        ]),
        { target: 1.05, law: false },
      ),
    );
    return rows;
  },
};
export default part;
await alone(import.meta.url, part);
