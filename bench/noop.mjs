/** Nothing to do: what mstone takes to say so, beside an empty node, make and others on as many targets. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  alone,
  exponent,
  inTurns,
  isThere,
  makeProject,
  makeScratch,
  median,
  mstone,
  row,
  timed,
} from './rig.mjs';

/** As many targets that are up to date, each made of its own file and of another target. */
async function makeTargets(count) {
  const folder = makeScratch('make');
  const rules = [];
  const edges = [];
  mkdirSync(join(folder, 'milestones'));
  for (let n = 0; n < count; n += 1) {
    writeFileSync(join(folder, 'milestones', `${n}.md`), 'text\n'.repeat(400));
    const needs = n === 0 ? '' : ` done/${(n - 1) >> 1}`;
    rules.push(`done/${n}: milestones/${n}.md${needs}\n\t@touch $@\n`);
    edges.push(`build done/${n}: touch milestones/${n}.md${needs}\n`);
  }
  mkdirSync(join(folder, 'done'));
  const all = Array.from({ length: count }, (_, n) => `done/${n}`).join(' ');
  writeFileSync(join(folder, 'Makefile'), `all: ${all}\n${rules.join('')}`);
  writeFileSync(join(folder, 'build.ninja'), `rule touch\n  command = touch $out\n${edges.join('')}`);
  // Only the stamps: neither tool needs to run a thousand shells for that.
  for (let n = 0; n < count; n += 1) writeFileSync(join(folder, 'done', String(n)), '');
  for (const tool of ['make', 'ninja'].filter(isThere)) await timed(tool, [], { cwd: folder });
  return folder;
}

async function measure(count, rounds, commands) {
  const project = makeProject({
    name: 'noop',
    count,
    recipe: (n) => `echo ${n}`,
    needs: (n) => (n % 100 === 0 ? [] : [n - 1]),
  });
  const run = (...args) =>
    timed(process.execPath, [mstone, ...args], { cwd: project.root, env: project.env });
  const marked = await run('mark', '--all', '--done');
  if (marked.code !== 0) throw new Error(marked.err);
  const empty = join(makeScratch('empty'), 'empty.cjs');
  writeFileSync(empty, '');
  const targets = await makeTargets(count);
  const acts = { node: () => timed(process.execPath, [empty], { env: project.env }) };
  for (const command of commands) {
    await run(...command.split(' '));
    acts[command] = () => run(...command.split(' '));
  }
  for (const tool of ['make', 'ninja'].filter(isThere)) acts[tool] = () => timed(tool, [], { cwd: targets });
  const results = await inTurns(rounds, acts);
  for (const [name, all] of results) {
    const bad = all.find(({ code }) => code !== 0);
    if (bad !== undefined) throw new Error(`${name}: exit ${bad.code}: ${bad.err}`);
  }
  return (name) => (results.has(name) ? median(results.get(name).map(({ cpuMs }) => cpuMs)) : undefined);
}

const part = {
  title: 'Nothing to do (processor time)',
  async measure({ short }) {
    const rounds = short ? 3 : 9;
    const of = await measure(1000, rounds, ['--version', '--help', 'plan', 'status', 'run']);
    const node = of('node');
    const rows = [
      row('--version / empty node', of('--version') / node, { target: 1.2 }),
      row('--help / empty node', of('--help') / node, { target: 1.2 }),
      ...['plan', 'status', 'run'].map((command) =>
        row(`${command}, 1,000 milestones / empty node`, of(command) / node, {
          target: 1.6,
          law: command === 'plan',
        }),
      ),
    ];
    for (const [tool, target] of [
      ['make', 0.7],
      ['ninja', 13],
    ]) {
      if (of(tool) === undefined) continue;
      for (const command of ['plan', 'run']) {
        rows.push(
          row(`${command}, 1,000 milestones / ${tool}`, of(command) / of(tool), {
            target,
            law: tool === 'make' && command === 'plan',
          }),
        );
      }
    }
    if (short) return rows;
    const large = await measure(10_000, 3, ['plan']);
    if (large('ninja') !== undefined) {
      rows.push(
        row('plan, 10,000 milestones / ninja', large('plan') / large('ninja'), { target: 3, law: false }),
      );
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
