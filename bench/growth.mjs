/** How cost grows: with milestones, with files in the repository, with commits in its history. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { alone, exponent, git, inTurns, makeProject, median, mstone, row, timed } from './rig.mjs';

const run = async (project, ...args) => {
  const ended = await timed(process.execPath, [mstone, ...args], { cwd: project.root, env: project.env });
  if (ended.code !== 0)
    throw new Error(`mstone ${args.join(' ')}: exit ${ended.code}: ${ended.err.slice(-2000)}`);
  return ended;
};

/** Every event of the one run that a project has had. */
function journal({ root }) {
  const runs = join(root, '.git', 'mstone', 'runs');
  return readdirSync(runs).flatMap((id) =>
    readFileSync(join(runs, id, 'journal.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
}

/** Time for each of `few` and of `many` milestones whose agents take next to none. */
async function milestones(rounds, few, many) {
  const each = (count) => async () => {
    const project = makeProject({
      name: 'many',
      count,
      recipe: (n) => `echo ${n} > made-${n}.txt`,
      config: 'jobs: 4\n',
    });
    return (await run(project, 'run', '--output', 'quiet')).ms / count;
  };
  const results = await inTurns(rounds, { few: each(few), many: each(many) });
  return { few: median(results.get('few')), many: median(results.get('many')) };
}

/**
 * What eight milestones, two at once, cost in a repository of `files`, in ms and medians: a slot made ready anew,
 * what the agent left made a commit, and candidate and landing (the merge). The agent writes down when it began and
 * when it ended; the rest is in the journal.
 */
async function inRepository(files) {
  const project = makeProject({
    name: 'files',
    count: 8,
    config: 'jobs: 2\n',
    files: 0,
    recipe: (n) =>
      `date +%s%N > "$HOME/begun-${n}"; echo ${n} > dir0/made-${n}.txt; date +%s%N > "$HOME/ended-${n}"`,
  });
  for (let at = 0; at < files; at += 100) {
    const folder = join(project.root, `dir${Math.floor(at / 10_000)}`, `sub${(at / 100) % 100}`);
    mkdirSync(folder, { recursive: true });
    for (let n = at; n < Math.min(at + 100, files); n += 1) writeFileSync(join(folder, `${n}.txt`), `${n}\n`);
  }
  git(project.root, 'add', '-A');
  git(project.root, 'commit', '-q', '-m', 'Files');
  await run(project, 'run', '--output', 'quiet');
  const spans = { slot: [], commit: [], merge: [] };
  const begun = new Map();
  for (const event of journal(project)) {
    if (event.type.endsWith('.started') && event.id !== undefined) begun.set(event.id, event);
    const start = begun.get(event.id);
    if (!event.type.endsWith('.ended') || start === undefined) continue;
    const took = Date.parse(event.at) - Date.parse(start.at);
    if (event.type === 'work.ended') {
      const n = project.ids.indexOf(event.milestone);
      const at = (name) => Number(readFileSync(join(project.env.HOME, `${name}-${n}`), 'utf8')) / 1e6;
      // The first in each slot pays for its worktree.
      if (n >= 2) spans.slot.push(at('begun') - Date.parse(start.at));
      spans.commit.push(Date.parse(event.at) - at('ended'));
    }
    if (event.type === 'land.ended') {
      const candidate = [...begun.values()].findLast(
        ({ type, milestone }) => type === 'candidate.started' && milestone === event.milestone,
      );
      spans.merge.push(Date.parse(event.at) - Date.parse(candidate?.at ?? start.at));
    } else if (!Number.isFinite(took)) throw new Error(`${event.type} without a time`);
  }
  return Object.fromEntries(Object.entries(spans).map(([name, all]) => [name, median(all)]));
}

/** `plan` in a repository of `commits`: the first time, and once its history is known. ms of the processor. */
async function inHistory(commits) {
  const project = makeProject({ name: 'history', count: 10, recipe: () => 'true' });
  const root = git(project.root, 'rev-parse', 'main');
  const lines = Array.from(
    { length: commits },
    (_, n) =>
      `commit refs/heads/main\ncommitter bench <bench@localhost> ${1_700_000_000 + n} +0000\ndata <<END\nCommit ${n}\nEND\n${n === 0 ? `from ${root}\n` : ''}\n`,
  );
  execFileSync('git', ['-C', project.root, 'fast-import', '--quiet'], {
    input: lines.join(''),
    env: project.env,
    maxBuffer: 1e9,
  });
  const first = (await run(project, 'plan')).cpuMs;
  const later = median(
    (await inTurns(5, { plan: () => run(project, 'plan') })).get('plan').map(({ cpuMs }) => cpuMs),
  );
  return { first, later };
}

/** The exponent and the points that it is drawn through. */
const grows = (points) => ({
  value: exponent(points),
  note: points.map(([size, cost]) => `${size.toLocaleString('en-US')}: ${cost.toFixed(0)} ms`).join(', '),
});

const part = {
  title: 'Growth',
  async measure({ short }) {
    const many = await milestones(1, short ? 10 : 50, short ? 40 : 500);
    const rows = [
      row(`time for each milestone, ${short ? '40 / 10' : '500 / 50'}`, many.many / many.few, {
        target: 1.2,
        note: `${many.few.toFixed(0)} and ${many.many.toFixed(0)} ms`,
      }),
    ];
    const sizes = short ? [200, 2000] : [200, 10_000, 100_000];
    const repositories = [];
    for (const files of sizes) repositories.push([files, await inRepository(files)]);
    for (const [span, what, target] of [
      ['merge', 'candidate and landing', 0.2],
      ['commit', 'what the agent left made a commit', 0.35],
      ['slot', 'a slot made ready again', 0.6],
    ]) {
      const { value, note } = grows(repositories.map(([files, ms]) => [files, ms[span]]));
      rows.push(row(`files in the repository, ${what}: exponent`, value, { target, law: false, note }));
    }
    const histories = [];
    for (const commits of short ? [100, 2000] : [100, 10_000, 100_000]) {
      histories.push([commits, await inHistory(commits)]);
    }
    for (const [span, what, target] of [
      ['first', 'plan, the first time', 1.05],
      ['later', 'plan, from then on', 0.1],
    ]) {
      const { value, note } = grows(histories.map(([commits, ms]) => [commits, ms[span]]));
      rows.push(row(`commits in the history, ${what}: exponent`, value, { target, law: false, note }));
    }
    return rows;
  },
};
export default part;
await alone(import.meta.url, part);
