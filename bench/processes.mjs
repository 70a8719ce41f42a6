/** How many git processes a milestone costs on the clean way, and failed `worktree add`. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { alone, git, makeProject, makeScratch, mstone, row, timed } from './rig.mjs';

/** A PATH on which each git writes down what it is asked before it does it. */
function logged(env) {
  const folder = join(makeScratch('log'), 'bin');
  const log = join(folder, '..', 'git.log');
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
  mkdirSync(folder);
  writeFileSync(log, '');
  writeFileSync(join(folder, 'git'), `#!/bin/sh\nprintf '%s\\n' "$*" >>'${log}'\nexec '${real}' "$@"\n`);
  chmodSync(join(folder, 'git'), 0o755);
  return {
    env: { ...env, PATH: [folder, env.PATH].join(delimiter) },
    calls: () => readFileSync(log, 'utf8').split('\n').length - 1,
  };
}

/** Calls for each milestone: what more of them cost, so that the start and the end of a run do not count. */
async function callsEach(jobs, few, many) {
  const counts = [];
  for (const count of [few, many]) {
    const project = makeProject({
      name: 'calls',
      count,
      recipe: (n) => `echo ${n} > made-${n}.txt`,
      config: `jobs: ${jobs}\n`,
    });
    const { env, calls } = logged(project.env);
    const ended = await timed(process.execPath, [mstone, 'run', '--output', 'quiet'], {
      cwd: project.root,
      env,
    });
    if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.err.slice(-2000)}`);
    const events = execFileSync('sh', ['-c', `cat '${project.root}'/.git/mstone/runs/*/journal.ndjson`], {
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
    counts.push({
      calls: calls(),
      commits: git(project.root, 'rev-list', '--count', '--first-parent', 'main'),
      refused: events.split('worktree add').length - 1,
    });
  }
  const [first, last] = counts;
  return { each: (last.calls - first.calls) / (many - few), refused: first.refused + last.refused };
}

const part = {
  title: 'Git processes',
  async measure({ short }) {
    const { each, refused } = await callsEach(4, 4, short ? 10 : 24);
    return [
      row('git processes for each milestone, no review, no checks', each, { target: 10, law: false }),
      row('failed `worktree add` in those runs', refused, { target: 0 }),
    ];
  },
};
export default part;
await alone(import.meta.url, part);
