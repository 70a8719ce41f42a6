/**
 * Whether the machine can bear one more agent: what it has left of memory, disk and processors, held
 * against limits.
 *
 * It knows numbers and sentences. It does not know runs, agents or how many of them there are, nor what
 * follows from a shortage: that is the engine's. How the numbers are come by is in `measure.ts`.
 */
import type { PressureLimits } from '../model/config.js';

/** What a machine has, or the part of it that this process is confined to. */
export interface Reading {
  readonly memory: {
    readonly totalBytes: number;
    /** What could be had without swapping: page cache that can be dropped counts as available. */
    readonly availableBytes: number;
    /** Share of the last 10 s (0 to 1) in which something had to wait for memory; Linux alone tells it. */
    readonly stalled?: number;
  };
  /** What this user may still fill, for each place that was asked about and can be seen. */
  readonly disks: readonly { readonly place: string; readonly freeBytes: number }[];
  /** Share of the processors in use, 0 to 1; only where it was asked for. */
  readonly cpu?: number;
}

/** Where readings come from; tests give their own. */
export interface Host {
  /** It is not asked more often than that, ms. */
  readonly everyMs: number;
  /** Never rejects: what cannot be read is left out, or counts as plenty. */
  measure(what: { readonly places: readonly string[]; readonly cpu: boolean }): Promise<Reading>;
}

export type Pressure =
  | { readonly is: 'fine' }
  | {
      readonly is: 'short';
      readonly of: 'memory' | 'disk' | 'cpu';
      /** In the limit's own unit: a share from 0 to 1, or bytes. */
      readonly found: number;
      readonly limit: number;
      /** `memory 94% used, limit 90%` */
      readonly words: string;
    };

/**
 * Above this share of stalled time (PSI `some avg10`) memory is short whatever is said to be available: a
 * machine that swaps itself to death has plenty "available" in between. Ten seconds of a big link step
 * stay far below.
 */
const STALLED = 0.25;

/** The first shortage, memory before disk before processors. A limit that is not there is not held. */
export function pressureOf(reading: Reading, limits: PressureLimits): Pressure {
  const { memory, disks, cpu } = reading;
  if (limits.memory !== undefined) {
    const used = usedShare(memory);
    if (used >= limits.memory) return short('memory', used, limits.memory, 'used');
    if (memory.stalled !== undefined && memory.stalled > STALLED) {
      return short('memory', memory.stalled, STALLED, 'of the last 10 s spent waiting for it');
    }
  }
  if (limits.diskBytes !== undefined) {
    const [least] = [...disks].sort((a, b) => a.freeBytes - b.freeBytes);
    if (least !== undefined && least.freeBytes < limits.diskBytes) {
      const words = `disk ${formatBytes(least.freeBytes)} free for ${least.place}, limit ${formatBytes(limits.diskBytes)}`;
      return { is: 'short', of: 'disk', found: least.freeBytes, limit: limits.diskBytes, words };
    }
  }
  if (limits.cpu !== undefined && cpu !== undefined && cpu >= limits.cpu) {
    return short('cpu', cpu, limits.cpu, 'in use');
  }
  return { is: 'fine' };
}

/** Share of memory that is in use and could not be given up, 0 to 1. */
export const usedShare = ({ totalBytes, availableBytes }: Reading['memory']): number =>
  totalBytes > 0 ? Math.min(1, Math.max(0, 1 - availableBytes / totalBytes)) : 0;

function short(of: 'memory' | 'cpu', found: number, limit: number, how: string): Pressure {
  return { is: 'short', of, found, limit, words: `${of} ${percent(found)} ${how}, limit ${percent(limit)}` };
}

/** Cut off, not rounded: what is below a limit never reads as having reached it. */
export const percent = (share: number): string => `${Math.floor(share * 100 + 1e-9)}%`;

/** `1.9 GB`; cut off as well. */
export function formatBytes(bytes: number): string {
  const units = [
    ['TB', 1e12],
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const;
  const [unit, size] = units.find(([, one]) => bytes >= one) ?? (['bytes', 1] as const);
  return `${Math.floor((bytes / size) * 10 + 1e-9) / 10} ${unit}`;
}

/** A shortage, and when (epoch ms) it makes sense to ask again. */
export type Watched =
  | { readonly is: 'fine' }
  | { readonly is: 'short'; readonly words: string; readonly again: number };

/**
 * The machine as a run asks about it, before an agent starts: measured when somebody asks, so that a run
 * that starts nothing measures nothing, and never more often than the host allows.
 */
export function watchHost(
  host: Host,
  places: readonly string[],
  limits: false | PressureLimits,
  now: () => number,
): () => Promise<Watched> {
  let last: { readonly at: number; readonly reading: Promise<Reading> } | undefined;
  return async () => {
    if (limits === false) return { is: 'fine' };
    const at = now();
    // A clock that was set back must not keep an old reading.
    if (last === undefined || at >= last.at + host.everyMs || at < last.at) {
      last = { at, reading: host.measure({ places, cpu: limits.cpu !== undefined }) };
    }
    const pressure = pressureOf(await last.reading, limits);
    if (pressure.is === 'fine') return pressure;
    return { is: 'short', words: pressure.words, again: last.at + host.everyMs };
  };
}
