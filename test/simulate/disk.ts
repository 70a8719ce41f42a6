import type { JournalDisk } from '../../src/journal/disk.js';
import { Killed } from '../rig/world.js';

/** What befalls a write: mstone or the machine dies around it, or there is no more room. */
export interface Plug {
  /** The nth write from now on, from 1. */
  readonly write: number;
  /** `torn`: some bytes of it are on disk; `full`: likewise, and mstone hears of it. */
  readonly when: 'before' | 'torn' | 'after' | 'full';
  /** How much of what is torn is there, in [0, 1). */
  readonly share: number;
}

/** A disk in memory that can be pulled out, and is whole again for the next mstone. */
export class PlugDisk {
  private readonly files = new Map<string, Buffer[]>();
  plug: Plug | undefined;
  /** The plug is out, or the disk is full: what this mstone does now reaches nothing. */
  struck = false;
  private writes = 0;

  /** The next mstone finds what is on it. */
  begin(plug: Plug | undefined): void {
    this.plug = plug;
    this.struck = false;
    this.writes = 0;
  }

  readonly disk: JournalDisk = {
    makeFolder: async () => undefined,
    read: async (path) => (this.files.has(path) ? this.held(path) : undefined),
    syncFolder: async () => this.alive(),
    open: async (path) => {
      if (!this.files.has(path)) this.files.set(path, []);
      return {
        write: async (bytes) => {
          this.alive();
          this.writes += 1;
          const plug = this.plug?.write === this.writes ? this.plug : undefined;
          const some =
            plug === undefined || plug.when === 'after' ? 1 : plug.when === 'before' ? 0 : plug.share;
          const part = bytes.subarray(0, Math.floor(bytes.length * some));
          this.files.get(path)?.push(Buffer.from(part));
          if (plug !== undefined) this.struck = true;
          if (plug !== undefined && plug.when !== 'full') throw new Killed();
          return part.length;
        },
        sync: async () => this.alive(),
        truncate: async (bytes) => {
          this.alive();
          this.files.set(path, [this.held(path).subarray(0, bytes)]);
        },
        close: async () => undefined,
      };
    },
  };

  private held(path: string): Buffer {
    return Buffer.concat(this.files.get(path) ?? []);
  }

  private alive(): void {
    if (this.struck && this.plug?.when !== 'full') throw new Killed();
  }
}
