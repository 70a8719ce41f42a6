/*
 * `npm run simulate`: ten thousand worlds, and what befell them.
 *
 *   --worlds <n>   how many, 10,000 where it is not said
 *   --from <seed>  the first of them, 1
 *   --seed <seed>  this one alone, with its story
 *
 * Exit 1 where a law broke, with the story of the first world in which it did.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { FAULTS, type Fault } from '../rig/world.js';
import { LAWS } from './laws.js';
import { type Lived, live } from './simulation.js';

/** Every how manyth seed from `first` on. */
interface Share {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

type Told = Omit<Lived, 'story'>;

async function livedThrough({ first, last, step }: Share): Promise<Told[]> {
  const lived: Told[] = [];
  for (let seed = first; seed <= last; seed += step) {
    const { story: _story, ...told } = await live(seed);
    lived.push(told);
  }
  return lived;
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;

const counted = (number: number): string => number.toLocaleString('en');

function inWorker(share: Share): Promise<Told[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: share });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a worker ended with ${code} before its worlds had`)));
  });
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      worlds: { type: 'string', default: '10000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
    },
  });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const tell = async (seed: number): Promise<number> => {
    const { story, broken } = await live(seed, { told: true });
    for (const line of story) say(`  ${line}`);
    say(`world ${seed}: ${broken.length === 0 ? 'no law broke' : broken.join('\n  ')}`);
    return broken.length === 0 ? 0 : 1;
  };
  if (values.seed !== undefined) return tell(Number(values.seed));

  const start = performance.now();
  const from = Number(values.from);
  const last = from + Number(values.worlds) - 1;
  const step = Math.max(1, Math.min(availableParallelism(), last - from + 1));
  const shares = Array.from({ length: step }, (_, index) => ({ first: from + index, last, step }));
  const lived = (await Promise.all(shares.map(inWorker))).flat().sort((a, b) => a.seed - b.seed);

  const faults = new Map<Fault, number>();
  for (const one of lived)
    for (const [fault, count] of one.faults) faults.set(fault, (faults.get(fault) ?? 0) + count);
  const sums = lived.map((one) => [...one.faults.values()].reduce((sum, count) => sum + count, 0));
  for (const [fault, words] of Object.entries(FAULTS)) {
    say(`${counted(faults.get(fault as Fault) ?? 0).padStart(8)}  ${words}`);
  }
  say(
    `in the median ${median(lived.map((one) => one.milestones))} milestones and ${median(sums)} faults a world`,
  );
  say(`laws: ${Object.keys(LAWS).join(', ')}`);

  const failed = lived.filter(({ broken }) => broken.length > 0);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const [first] = failed;
  if (first !== undefined) {
    say(`the story of world ${first.seed}:`);
    await tell(first.seed);
    for (const law of Object.keys(LAWS)) {
      const breaches = failed.flatMap(({ seed, broken }) =>
        broken.filter((words) => words.startsWith(`${law}: `)).map((words) => `world ${seed}, ${words}`),
      );
      if (breaches.length > 0) say(`broken in ${counted(breaches.length)} worlds: ${law} (${breaches[0]})`);
    }
    say(`again: npm run simulate -- --seed ${first.seed}`);
  }
  say(`${counted(lived.length)} worlds, ${counted(failed.length)} with a broken law, ${seconds} s`);
  return failed.length === 0 ? 0 : 1;
}

if (isMainThread) process.exitCode = await main();
else parentPort?.postMessage(await livedThrough(workerData as Share));
