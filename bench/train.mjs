/** How many rounds of checks a full landing queue takes: the engine's own planner with random outcomes. */
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alone, median, row } from './rig.mjs';

const home = dirname(dirname(fileURLToPath(import.meta.url)));

const part = {
  title: 'Merge train: 40 queued, 2 checks at once, medians',
  async measure({ short }) {
    execFileSync(process.execPath, [
      join(home, 'node_modules', 'typescript', 'bin', 'tsc'),
      '-p',
      join(home, 'tsconfig.simulate.json'),
    ]);
    const { liveQueue } = await import('../.simulate/test/rig/queue.js');
    const trials = short ? 200 : 2000;
    const live = (failing, strict, parallel = 2) => {
      const ends = Array.from({ length: trials }, (_, n) =>
        liveQueue(n + 1, { queued: 40, failing, parallel, strict }),
      );
      return {
        rounds: median(ends.map(({ rounds }) => rounds)),
        note: `${median(ends.map(({ checks }) => checks))} checks`,
      };
    };
    const serial = live(0.1, 'every-commit', 1);
    return [
      row('rounds one after the other, 10 % failing', serial.rounds, { note: serial.note }),
      ...[0.02, 0.1, 0.3].flatMap((failing) =>
        ['auto', 'every-commit'].map((strict) => {
          const { rounds, note } = live(failing, strict);
          const bound = failing === 0.1 && strict === 'auto' ? { target: 16 } : {};
          return row(`rounds, ${strict}, ${failing * 100} % failing`, rounds, { note, ...bound });
        }),
      ),
    ];
  },
};
export default part;
await alone(import.meta.url, part);
