import { availableParallelism } from 'node:os';
import type { Host } from '../host/index.js';
import { realHost } from '../host/measure.js';
import { home } from './home.js';
import type { Ingredients } from './keep.js';

/** What the command line needs of the process it runs in; tests give their own. */
export interface World {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Opened when it is asked for: most commands read nothing. */
  stdin(): NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborted once nobody reads stdout any more: what only shows something may stop. */
  readonly closed?: AbortSignal;
  /** Epoch ms. */
  now(): number;
  /** Calls `handler` for these, SIGUSR2 being `mstone stop`, until the returned function is called. */
  onSignal(handler: (signal: 'SIGINT' | 'SIGTERM' | 'SIGUSR2' | 'SIGHUP') => void): () => void;
  /** What this mstone was called with, behind the program's name, and how to call it again. */
  readonly argv: readonly string[];
  readonly program: readonly string[];
  readonly cpus: number;
  /** What the machine has left. */
  readonly host: Host;
  /** Which of the configuration's `profiles` holds. */
  readonly profile?: string;
  /** Absolute: what is read in place of `mstone.yaml`, from disk. */
  readonly configFile?: string;
  /** Where `templates/`, `milestones/` and `package.json` of this mstone are. */
  readonly home: string;
  /** Told by a command whose answer may be given again as long as nothing of this changes; undefined: it may not. */
  readonly madeOf?: (ingredients: Ingredients | undefined) => void;
}

/** The zone of the user's calendar, as an IANA name. */
export function zoneOf({ env }: Pick<World, 'env'>): string {
  try {
    return new Intl.DateTimeFormat('en', env.TZ ? { timeZone: env.TZ } : {}).resolvedOptions().timeZone;
  } catch (error) {
    // A zone in POSIX' own notation, or a name that nobody knows: the system has made something of it.
    if (!(error instanceof RangeError)) throw error;
    return new Intl.DateTimeFormat('en').resolvedOptions().timeZone;
  }
}

/** The real one. */
export function processWorld(): World {
  return {
    cwd: process.cwd(),
    env: process.env,
    stdin: () => process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => Date.now(),
    onSignal: (handler) => {
      process.on('SIGINT', handler);
      process.on('SIGTERM', handler);
      process.on('SIGUSR2', handler);
      process.on('SIGHUP', handler);
      // A request to stop that comes too late must not kill whoever is about to end anyway.
      process.on('SIGUSR2', ignore);
      return () => {
        process.off('SIGINT', handler);
        process.off('SIGTERM', handler);
        process.off('SIGUSR2', handler);
        process.off('SIGHUP', handler);
      };
    },
    argv: process.argv.slice(2),
    program: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    cpus: availableParallelism(),
    host: realHost(),
    home,
  };
}

function ignore(): void {
  // There is nothing left to stop.
}
