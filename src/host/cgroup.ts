/**
 * What a container or a service is confined to on Linux, which neither the operating system's totals nor
 * systeminformation tell: the limits of the control groups that this process is in, and what of them is used.
 *
 * A group is named in `/proc/self/cgroup` and read below `/sys/fs/cgroup`, version 2 or 1; each of its
 * parents may be tighter. Inside a container the name is often one of the host's that cannot be seen there,
 * and the container's own group is what is mounted: so every part of the way up is tried, and what is not
 * there says nothing. https://docs.kernel.org/admin-guide/cgroup-v2.html,
 * https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Confinement {
  /** Of every group with a limit, the tightest by share. */
  readonly memory?: { readonly limitBytes: number; readonly usedBytes: number };
  /** `usedMs`: processor time that the group has used so far. `cpus`: how many it may use at once. */
  readonly cpu?: { readonly cpus: number; readonly usedMs: number };
}

/** Empty where there are no control groups. `root` is `/` but in tests. */
export async function readConfinement(root = '/'): Promise<Confinement> {
  const own = await text(join(root, 'proc/self/cgroup'));
  if (own === undefined) return {};
  const memories: Memory[] = [];
  const cpus: Cpu[] = [];
  for (const line of own.split('\n')) {
    const [, number, controllers = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (number === undefined) continue;
    const names = controllers.split(',');
    const mounted = join(root, 'sys/fs/cgroup');
    if (controllers === '') {
      for (const folder of upwards(mounted, path)) {
        memories.push(...(await memoryOfV2(folder)));
        cpus.push(...(await cpuOfV2(folder)));
      }
    }
    if (names.includes('memory')) {
      for (const folder of upwards(join(mounted, 'memory'), path))
        memories.push(...(await memoryOfV1(folder)));
    }
    if (names.includes('cpu')) {
      for (const mount of ['cpu', 'cpu,cpuacct']) {
        for (const folder of upwards(join(mounted, mount), path)) cpus.push(...(await cpuOfV1(folder)));
      }
    }
  }
  const [memory] = memories.sort((a, b) => b.usedBytes / b.limitBytes - a.usedBytes / a.limitBytes);
  const [cpu] = cpus.sort((a, b) => a.cpus - b.cpus);
  return { ...(memory === undefined ? {} : { memory }), ...(cpu === undefined ? {} : { cpu }) };
}

type Memory = NonNullable<Confinement['memory']>;
type Cpu = NonNullable<Confinement['cpu']>;

/** A group's folder and those of its parents, up to where they are mounted. */
function upwards(mount: string, path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return [...parts.map((_, index) => join(mount, ...parts.slice(0, parts.length - index))), mount];
}

async function memoryOfV2(folder: string): Promise<Memory[]> {
  const limit = number(await text(join(folder, 'memory.max')));
  const current = number(await text(join(folder, 'memory.current')));
  const stat = fields(await text(join(folder, 'memory.stat')));
  return memoryOf(limit, current, ['inactive_file', 'active_file', 'slab_reclaimable'], stat);
}

async function memoryOfV1(folder: string): Promise<Memory[]> {
  const limit = number(await text(join(folder, 'memory.limit_in_bytes')));
  const current = number(await text(join(folder, 'memory.usage_in_bytes')));
  const stat = fields(await text(join(folder, 'memory.stat')));
  return memoryOf(limit, current, ['total_inactive_file', 'total_active_file'], stat);
}

/** As MemAvailable does for a machine, what is only a copy of files does not count as used. */
function memoryOf(
  limit: number | undefined,
  current: number | undefined,
  droppable: readonly string[],
  stat: ReadonlyMap<string, number>,
): Memory[] {
  // Version 1 has no word for "none": it says almost 2^63.
  if (limit === undefined || current === undefined || limit <= 0 || limit > 2 ** 60) return [];
  const cache = droppable.reduce((sum, name) => sum + (stat.get(name) ?? 0), 0);
  return [{ limitBytes: limit, usedBytes: Math.max(0, current - cache) }];
}

async function cpuOfV2(folder: string): Promise<Cpu[]> {
  const [quota, period] = ((await text(join(folder, 'cpu.max'))) ?? '').split(' ').map(Number);
  const used = fields(await text(join(folder, 'cpu.stat'))).get('usage_usec');
  return cpuOf(quota, period, used === undefined ? undefined : used / 1e3);
}

async function cpuOfV1(folder: string): Promise<Cpu[]> {
  const quota = number(await text(join(folder, 'cpu.cfs_quota_us')));
  const period = number(await text(join(folder, 'cpu.cfs_period_us')));
  const used =
    number(await text(join(folder, 'cpuacct.usage'))) ??
    number(await text(join(folder.replace(/\/cpu(?=\/|$)/, '/cpuacct'), 'cpuacct.usage')));
  return cpuOf(quota, period, used === undefined ? undefined : used / 1e6);
}

function cpuOf(quota: number | undefined, period: number | undefined, usedMs: number | undefined): Cpu[] {
  // `max` is not a number, and -1 is no quota.
  if (!(quota && quota > 0 && period && period > 0) || usedMs === undefined) return [];
  return [{ cpus: quota / period, usedMs }];
}

/** What the kernel says in a file of its own; undefined where there is none, or not for us. */
async function text(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}

function number(said: string | undefined): number | undefined {
  const value = said === undefined || said.trim() === '' ? Number.NaN : Number(said);
  return Number.isFinite(value) ? value : undefined;
}

function fields(said: string | undefined): ReadonlyMap<string, number> {
  return new Map(
    (said ?? '').split('\n').flatMap((line): [string, number][] => {
      const [name = '', value] = line.split(' ');
      const read = number(value);
      return read === undefined ? [] : [[name, read]];
    }),
  );
}
