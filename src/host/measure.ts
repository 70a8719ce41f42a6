/**
 * The machine that we are on. systeminformation tells memory and the load of the processors on every system;
 * what it does not see, the control group of a container and Linux's own measure of stalls, is read beside it
 * and the tighter one holds. Free disk comes from `statfs`: systeminformation would start `df` and list every
 * mount, and say nothing of which one a folder is on.
 */
import { lstat, readFile, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Confinement, readConfinement } from './cgroup.js';
import { type Host, type Reading, usedShare } from './index.js';

/** Two looks at the processors that far apart, ms: a load is a difference. */
const GLANCE_MS = 300;

export function realHost(): Host {
  let before: { readonly at: number; readonly usedMs: number } | undefined;
  let looked = false;

  /** Share of the processors that are ours, since the last time that it was asked for. */
  async function load(confinement: () => Promise<Confinement>): Promise<number> {
    const { currentLoad } = await systemInformation();
    if (!looked) {
      // Its first answer is the average since the machine started.
      looked = true;
      await currentLoad();
      before = glance(await confinement());
      await sleep(GLANCE_MS);
    }
    const machine = (await currentLoad()).currentLoad / 100;
    const found = await confinement();
    const now = glance(found);
    const passed = now === undefined || before === undefined ? 0 : now.at - before.at;
    const own =
      now === undefined || before === undefined || found.cpu === undefined || passed <= 0
        ? 0
        : (now.usedMs - before.usedMs) / passed / found.cpu.cpus;
    before = now;
    return Math.min(1, Math.max(machine, own));
  }

  return {
    everyMs: 5000,
    async measure({ places, cpu }) {
      const { mem } = await systemInformation();
      const [{ total, available }, confined, stalled, disks] = await Promise.all([
        mem(),
        readConfinement(),
        readStall(),
        readDisks(places),
      ]);
      const memory = tightest({ totalBytes: total, availableBytes: available }, confined);
      return {
        memory: { ...memory, ...(stalled === undefined ? {} : { stalled }) },
        disks,
        ...(cpu ? { cpu: await load(() => readConfinement()) } : {}),
      };
    },
  };
}

/** 18 ms to load, and most commands need none of it. Bundled, it has no names but this one. */
const systemInformation = async () => (await import('systeminformation')).default;

const glance = ({ cpu }: Confinement): { readonly at: number; readonly usedMs: number } | undefined =>
  cpu === undefined ? undefined : { at: performance.now(), usedMs: cpu.usedMs };

/** Of the machine and what we are confined to, the one with the larger share in use. */
function tightest(machine: Reading['memory'], { memory }: Confinement): Reading['memory'] {
  if (memory !== undefined) {
    const group = {
      totalBytes: memory.limitBytes,
      availableBytes: Math.max(0, memory.limitBytes - memory.usedBytes),
    };
    return usedShare(group) > usedShare(machine) ? group : machine;
  }
  // Groups that hide their files from us are still known to libuv, page cache counted as used.
  const limit = process.constrainedMemory();
  if (limit === 0 || limit >= machine.totalBytes) return machine;
  return { totalBytes: limit, availableBytes: Math.min(machine.availableBytes, process.availableMemory()) };
}

/**
 * Linux's pressure stall information: the share of the last 10 s in which some task waited for memory.
 * Absent on other systems, old kernels, and where it is switched off. Its words on processors and disks are
 * left: a busy machine is what was asked for. https://docs.kernel.org/accounting/psi.html
 */
async function readStall(): Promise<number | undefined> {
  const said = await readFile('/proc/pressure/memory', 'utf8').catch(() => '');
  const [, percent] = /^some avg10=(\d+\.\d+)/m.exec(said) ?? [];
  return percent === undefined ? undefined : Number(percent) / 100;
}

async function readDisks(places: readonly string[]): Promise<Reading['disks']> {
  const disks = await Promise.all(
    places.map(async (place) => {
      const found = await statfs(await nearestThere(place)).catch(() => undefined);
      return found === undefined ? [] : [{ place, freeBytes: found.bavail * found.bsize }];
    }),
  );
  return disks.flat();
}

/** A folder, or the nearest one above it that is there already. */
export async function nearestThere(place: string): Promise<string> {
  let path = place;
  while ((await lstat(path).catch(() => undefined)) === undefined && dirname(path) !== path) {
    path = dirname(path);
  }
  return path;
}
