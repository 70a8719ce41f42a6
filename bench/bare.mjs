/*
 * What the pipeline costs without mstone: worktrees in a pool, an agent in each, its work committed and merged
 * one after the other, a journal with an fsync for each step. `node bare.mjs <root> <jobs> <milestones> <agent>`
 *
 * Git calls for each milestone, seven; `worktree add` once for each of the pool:
 *
 *   reset --hard -q <head>          the worktree stands where the branch stands
 *   add -A                          what the agent did
 *   write-tree
 *   commit-tree                     the work
 *   merge-tree --write-tree         the branch and the work, in the object store
 *   commit-tree                     the landing
 *   update-ref <new> <old>          by compare-and-swap
 */
import { spawn } from 'node:child_process';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [root, jobs, count, agent] = process.argv.slice(2);
const journal = openSync(join(root, '..', 'bare.ndjson'), 'a');
const note = (event) => {
  writeSync(journal, `${JSON.stringify(event)}\n`);
  fsyncSync(journal);
};

function run(command, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.once('close', (code) =>
      code === 0 ? resolve(out.trim()) : reject(new Error(`${command} ${args[0]}: ${code}`)),
    );
  });
}
const git = (cwd, ...args) => run('git', args, cwd);

let head = await git(root, 'rev-parse', 'main');
let lane = Promise.resolve();
/** One after the other. */
const inLane = (act) => {
  const mine = lane.then(act);
  lane = mine.catch(() => undefined);
  return mine;
};

let next = 0;
async function work(slot) {
  const folder = join(root, '..', `bare-slot${slot}`);
  await inLane(() => git(root, 'worktree', 'add', '-q', '--detach', '--no-checkout', folder, head));
  while (next < Number(count)) {
    const n = next;
    next += 1;
    const base = head;
    await git(folder, 'reset', '--hard', '-q', base);
    note({ n, started: base });
    await run('bash', ['-euo', 'pipefail', '-c', agent.replaceAll('%', String(n))], folder);
    await git(folder, 'add', '-A');
    const tree = await git(folder, 'write-tree');
    const mine = await git(root, 'commit-tree', tree, '-p', base, '-m', `Work ${n}`);
    note({ n, work: mine });
    await inLane(async () => {
      const merged = await git(root, 'merge-tree', '--write-tree', head, mine);
      const landing = await git(root, 'commit-tree', merged, '-p', head, '-p', mine, '-m', `Land ${n}`);
      await git(root, 'update-ref', 'refs/heads/main', landing, head);
      head = landing;
    });
    note({ n, landed: head });
  }
}
await Promise.all(Array.from({ length: Number(jobs) }, (_, slot) => work(slot)));
closeSync(journal);
