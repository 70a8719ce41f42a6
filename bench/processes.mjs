/** How many git processes a milestone costs on the clean way, and failed `worktree add`. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { alone, makeProject, makeScratch, mstone, row, timed } from './rig.mjs';

/** A PATH on which each git writes down what it is asked, and how `worktree` ended. */
function logged(env) {
  const folder = join(makeScratch('log'), 'bin');
  const log = join(folder, '..', 'git.log');
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
  mkdirSync(folder);
  writeFileSync(log, '');
  writeFileSync(
    join(folder, 'git'),
    `#!/bin/sh
printf '%s\\n' "$*" >>'${log}'
case " $* " in *' worktree add '*) ;; *) exec '${real}' "$@" ;; esac
'${real}' "$@"; code=$?
printf 'ended %s\\n' "$code" >>'${log}.worktrees'
exit $code
`,
  );
  chmodSync(join(folder, 'git'), 0o755);
  return {
    env: { ...env, PATH: [folder, env.PATH].join(delimiter) },
    calls: () => readFileSync(log, 'utf8').split('\n').length - 1,
    /** How each `worktree add` ended, exit codes. */
    added: () =>
      [...readFileSync(`${log}.worktrees`, 'utf8').matchAll(/ended (\d+)/g)].map(([, code]) => Number(code)),
  };
}

/** `count` milestones, `jobs` at once, each git call written down. */
async function run(count, jobs) {
  const project = makeProject({
    name: 'calls',
    count,
    recipe: (n) => `echo ${n} > made-${n}.txt`,
    config: `jobs: ${jobs}\n`,
  });
  const { env, calls, added } = logged(project.env);
  const ended = await timed(process.execPath, [mstone, 'run', '--output', 'quiet'], {
    cwd: project.root,
    env,
  });
  if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.err.slice(-2000)}`);
  return { calls: calls(), added: added() };
}

/** Calls for each milestone: what more of them cost, so that the start and the end of a run do not count. */
async function callsEach(jobs, few, many) {
  const first = await run(few, jobs);
  const last = await run(many, jobs);
  return (last.calls - first.calls) / (many - few);
}

/** How each of at least `wanted` calls of `worktree add` ended, in runs of sixteen milestones at once. */
async function worktrees(wanted) {
  const ends = [];
  while (ends.length < wanted) ends.push(...(await run(16, 16)).added);
  return ends;
}

const part = {
  title: 'Git processes',
  async measure({ short }) {
    const each = await callsEach(4, 4, short ? 12 : 24);
    const ends = await worktrees(short ? 16 : 200);
    return [
      row('git processes for each milestone, no review, no checks', each, { target: 10 }),
      row(
        `failed \`worktree add\` of ${ends.length}, 16 at a time`,
        ends.filter((code) => code !== 0).length,
        {
          target: 0,
        },
      ),
    ];
  },
};
export default part;
await alone(import.meta.url, part);
