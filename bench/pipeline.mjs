/** Fifty milestones of short agents through mstone, and through a script that does no more than it must. */
import { fileURLToPath } from 'node:url';
import { alone, git, inTurns, isThere, makeProject, median, mstone, row, timed } from './rig.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** One pipeline through each, in turns; ms of each, and what could not be faster. */
async function pipelines({ rounds, count, jobs, seconds }) {
  const bound = Math.ceil(count / jobs) * seconds * 1000;
  const agent = `sleep ${seconds}; echo % > made-%.txt`;
  const make = () =>
    makeProject({
      name: 'pipeline',
      count,
      recipe: (n) => agent.replaceAll('%', String(n)),
      config: `jobs: ${jobs}\n`,
    });
  const asked = (root) => [root, String(jobs), String(count), agent];
  const landed = ({ root }) =>
    git(root, 'ls-tree', '--name-only', 'main')
      .split('\n')
      .filter((file) => file.startsWith('made-')).length;
  const through = async (program, args) => {
    const project = make();
    const ended = await timed(program, args(project), { cwd: project.root, env: project.env });
    if (ended.code !== 0 || landed(project) !== count) {
      throw new Error(`${landed(project)} of ${count} landed, exit ${ended.code}: ${ended.err.slice(-2000)}`);
    }
    return ended;
  };
  const results = await inTurns(rounds, {
    bare: () => through(process.execPath, ({ root }) => [here('bare.mjs'), ...asked(root)]),
    mstone: () => through(process.execPath, () => [mstone, 'run', '--output', 'quiet']),
    ...(isThere('flock')
      ? { xargs: () => through('bash', ({ root }) => [here('xargs.sh'), ...asked(root)]) }
      : {}),
  });
  const of = (name) => median((results.get(name) ?? []).map(({ ms }) => ms));
  return { bound, bare: of('bare'), mstone: of('mstone'), xargs: of('xargs') };
}

const part = {
  title: 'Pipeline',
  async measure({ short }) {
    const jobs = 4;
    const count = short ? 16 : 50;
    const quick = await pipelines({ rounds: short ? 1 : 3, count, jobs, seconds: 0.2 });
    const own = (ms) => (ms - quick.bound) / count;
    // Where not even the bare script comes near it, the bound says nothing.
    const isQuiet = quick.bare / quick.bound <= 1.4;
    const rows = [
      row(`${count} milestones of 0.2 s, ${jobs} at once: mstone / lower bound`, quick.mstone / quick.bound, {
        target: 1.45,
        law: isQuiet,
      }),
      row('same, the bare script / lower bound', quick.bare / quick.bound, {
        target: 1.4,
        law: false,
        note: 'more than this: the machine is too busy for what stands above and below',
      }),
      ...(Number.isNaN(quick.xargs)
        ? []
        : [row('same, `xargs -P` and plain git / lower bound', quick.xargs / quick.bound, { law: false })]),
      row(
        'time beside agents for each milestone: mstone / bare script',
        own(quick.mstone) / own(quick.bare),
        {
          target: 1.5,
          law: false,
        },
      ),
      row('ms of that: mstone', own(quick.mstone), { law: false }),
      row('ms of that: bare script', own(quick.bare), { law: false }),
    ];
    if (!short) {
      const slow = await pipelines({ rounds: 1, count: 16, jobs, seconds: 5 });
      rows.push(
        row(`16 milestones of 5 s, ${jobs} at once: mstone / lower bound`, slow.mstone / slow.bound, {
          target: 1.02,
        }),
      );
    }
    return rows;
  },
};
export default part;
await alone(import.meta.url, part);
