/** What it costs to keep agents apart: linked worktrees beside repositories of their own, and beside a sandbox. */
import { alone, inTurns, isThere, makeProject, median, mstone, row, timed } from './rig.mjs';

const part = {
  title: 'Isolation (time of 12 milestones, 500 files)',
  async measure({ short }) {
    const through = (config) => async () => {
      const project = makeProject({
        name: 'isolation',
        count: 12,
        files: 500,
        recipe: (n) => `echo ${n} > made-${n}.txt`,
        config: `jobs: 4\n${config}`,
      });
      const ended = await timed(process.execPath, [mstone, 'run', '--output', 'quiet'], {
        cwd: project.root,
        env: project.env,
      });
      if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.err.slice(-2000)}`);
      return ended.ms;
    };
    const results = await inTurns(short ? 1 : 5, {
      worktree: through(''),
      clone: through('isolation: clone\n'),
      ...(isThere('bwrap') ? { bubblewrap: through('sandbox: bubblewrap\n') } : {}),
    });
    const of = (name) => median(results.get(name) ?? []);
    return [
      row('isolation: clone / worktree', of('clone') / of('worktree'), { target: 1.5, law: false }),
      ...(results.has('bubblewrap')
        ? [row('sandbox: bubblewrap / worktree', of('bubblewrap') / of('worktree'), { law: false })]
        : []),
    ];
  },
};
export default part;
await alone(import.meta.url, part);
