/** What sixteen agents that print much cost in memory: their output is in files, and nobody holds it. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { alone, inTurns, makeProject, median, mstone, row } from './rig.mjs';

const AGENTS = 16;

const read = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // Gone by now.
  }
};

/** The most that a process ever held, MB. */
const peakOf = (pid) => (Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024) / 1e6;

/** Pids of mstone's own that it has started: what they start is not among them. */
const helpersOf = (pid) =>
  readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' '))
    .filter((child) => /\/starter\.cjs\0/.test(read(`/proc/${child}/cmdline`)));

/** Agents that print so many MB each, all at once: the peak of mstone, and with what starts programs for it, MB. */
async function peaks(mb) {
  const project = makeProject({
    name: 'memory',
    count: AGENTS,
    config: `jobs: ${AGENTS}\n`,
    recipe: (n) =>
      `yes 'What an agent says while it works: as it goes on, one line after the other.' | head -c ${mb}000000 || true; echo ${n} > made-${n}.txt`,
  });
  const child = spawn(process.execPath, [mstone, 'run', '--output', 'quiet'], {
    cwd: project.root,
    env: project.env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let code;
  void ended.then((one) => {
    code = one;
  });
  let own = 0;
  const helpers = new Map();
  // A peak never shrinks: what was seen last is short of it by no more than came in the last 20 ms.
  while (code === undefined) {
    own = Math.max(own, peakOf(child.pid));
    try {
      for (const pid of helpersOf(child.pid)) helpers.set(pid, Math.max(helpers.get(pid) ?? 0, peakOf(pid)));
    } catch {
      // It ended while it was looked at.
    }
    await Promise.race([sleep(20), ended]);
  }
  if (code !== 0) throw new Error(`exit ${code}`);
  return { own, all: own + [...helpers.values()].reduce((sum, peak) => sum + peak, 0) };
}

const part = {
  title: 'Memory',
  async measure({ short }) {
    if (process.platform !== 'linux') return [row('peaks are told by Linux alone', 0, { law: false })];
    const [few, many] = short ? [5, 25] : [20, 100];
    const results = await inTurns(short ? 1 : 3, { few: () => peaks(few), many: () => peaks(many) });
    const of = (name, which) => median(results.get(name).map((one) => one[which]));
    return [
      row(`${AGENTS} agents print ${many} MB each: peak of mstone, MB`, of('many', 'own'), { target: 120 }),
      row(
        'same, with the process that starts programs for it, what they share counted twice',
        of('many', 'all'),
        {
          law: false,
        },
      ),
      row(`peak of mstone, ${many} MB / ${few} MB each`, of('many', 'own') / of('few', 'own'), {
        target: 1.1,
      }),
    ];
  },
};
export default part;
await alone(import.meta.url, part);
