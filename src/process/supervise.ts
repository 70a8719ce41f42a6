/**
 * Starts one agent, once, and waits for its end; after a restart takes it up again where it is.
 *
 * A folder stands for one start. It holds, each file written by whom it says:
 *
 *     start   the token, created exclusively by the wrapper that runs the agent      (wrapper)
 *     pid     that wrapper: three lines, pid, start, boot                            (wrapper)
 *     exit    the agent's exit status as the shell has it, one line                  (wrapper)
 *     slept   how long the machine had slept by then (`awake.ts`), one line          (supervisor)
 *     end     how it ended, JSON; created exclusively by whoever knew first          (supervisor)
 *
 * The wrapper is a few lines of `sh` in a session of its own, whose stdout and stderr are the log file: it
 * survives the end of mstone, of its terminal and of the agent, so that the exit status is never lost.
 * Nothing is held in pipes. Any number of supervisors may wait for the same folder; `end` is linked into
 * its place, so the first one to say "exited 0" or "timed out" decides for all, also after restarts.
 *
 * A file without its last newline counts as absent: on a full disk, or cut by the power, it may be empty.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Repeated } from '../model/outcome.js';
import { AwakeClock, sleptSinceBoot } from './awake.js';
import { Descendants } from './descendants.js';
import { type StartDetached, startDetached } from './detached.js';
import {
  bootMarker,
  isAlive,
  isRemains,
  listProcesses,
  type ProcessIdentity,
  type ProcessStat,
} from './identity.js';
import { signalGroup } from './index.js';
import { bearsTag, endAll, findTagged, GRACE_MS, withTag } from './tagged.js';

export interface SuperviseRequest {
  /** The assignment's folder; it exists and is used for this start alone. */
  readonly dir: string;
  /** A program, found by the PATH in `env`, and its arguments; no shell reads them. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment; the tag is added to its list. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdinFile: string;
  /** stdout and stderr, appended to; created with mode 0600. */
  readonly logFile: string;
  /** Names this start alone: whatever bears it is ended with it. */
  readonly tag: string;
  /** From the start, across restarts of mstone; a sleeping machine's time does not count. */
  readonly timeoutMs: number;
  /** Without a new byte in the log. */
  readonly idleMs: number;
  readonly maxLogBytes: number;
  /** Asked at every look, about twenty times a second: what it goes round in, where it does so. */
  readonly watch?: () => Repeated | undefined;
  /** Aborting ends the agent with all its descendants. */
  readonly signal: AbortSignal;
  /** From the polite signal to the sure one; 5 s. */
  readonly graceMs?: number;
  /** Who starts it; this process itself. */
  readonly startDetached?: StartDetached;
}

export type SupervisedEnd =
  | { readonly kind: 'exited'; readonly code: number }
  /** By the shell's status 128 + n, which a program may also have chosen itself. */
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'timed-out'; readonly afterMs: number }
  | { readonly kind: 'stuck'; readonly silentMs: number }
  | { readonly kind: 'repeating'; readonly repeated: Repeated }
  | { readonly kind: 'too-much-output' }
  | { readonly kind: 'cancelled' }
  /** It was started, but neither an exit status nor a living process is left: the machine went down. */
  | { readonly kind: 'lost'; readonly message: string }
  /** Nothing was started; the same folder may be tried again. */
  | { readonly kind: 'not-started'; readonly message: string };

/**
 * Fixed text; values come as arguments: the folder, the boot, and what to run.
 *
 * It needs no program but the shell, whatever PATH the agent was given. TERM is ignored from the first
 * line, since ending an agent means signalling its whole group and the exit status must still be written;
 * the agent itself gets the default back. The field numbers are those of proc(5) less two.
 */
const WRAPPER = `
trap '' TERM INT HUP
dir=$1 boot=$2; shift 2
set -C
{ true > "$dir/start"; } 2>/dev/null || exit 0
started() { shift 19; start=$1; }
if [ -r /proc/$$/stat ]; then
  read -r stat < /proc/$$/stat
  started \${stat##*) }
else
  start=$(LC_ALL=C TZ=UTC ps -o lstart= -p $$)
  start=$(printf '%s ' $start)
  start=\${start% }
fi
printf '%s\\n' "$$" "$start" "$boot" > "$dir/pid" || exit 1
( trap - TERM INT HUP; exec "$@" )
status=$?
printf '%s\\n' "$status" > "$dir/exit"
kill -s TERM 0
`;

const POLL_MS = 50;
/** A search through all processes costs a few ms. */
const SEARCH_MS = 250;
/** A token younger than this may still wait for its pid file where tags cannot be seen. */
const YOUNG_MS = 2_000;
/** The system tells births to the hundredth of a second. */
const SLACK_MS = 50;

/** Whether an agent was ever started for this folder. */
export const hasStarted = (dir: string): boolean => existsSync(join(dir, 'start'));

/**
 * Runs an agent to its end, starting it unless that was done before, by this process or another. Whatever
 * the end, its descendants are gone when this returns. Rejects only for reasons that are bugs or disks.
 */
export async function supervise(request: SuperviseRequest): Promise<SupervisedEnd> {
  const nap = new Nap();
  const wake = (): void => nap.wake();
  request.signal.addEventListener('abort', wake, { once: true });
  try {
    let end = readEnd(request.dir);
    const isNew = end === undefined && !hasStarted(request.dir);
    if (isNew) {
      if (request.signal.aborted) return { kind: 'cancelled' };
      end = await start(request, nap);
      if (end !== undefined) return end;
    }
    const descendants = new Descendants();
    end ??= await waitForEnd(request, nap, { descendants, isNew });
    await endDescendants(request, descendants);
    return end;
  } finally {
    request.signal.removeEventListener('abort', wake);
  }
}

/** Starts a wrapper; it runs the agent if it gets the token. Undefined: somebody's agent is under way. */
async function start(request: SuperviseRequest, nap: Nap): Promise<SupervisedEnd | undefined> {
  if (process.platform === 'win32') {
    return { kind: 'not-started', message: 'agents need a POSIX system: /bin/sh supervises them' };
  }
  try {
    const { startDetached: startIt = startDetached } = request;
    const wrapper = await startIt({
      command: '/bin/sh',
      args: ['-c', WRAPPER, 'mstone', request.dir, bootMarker(), request.command, ...request.args],
      cwd: request.cwd,
      env: withTag(request.env, request.tag),
      stdinFile: request.stdinFile,
      logFile: request.logFile,
    });
    let ended = false;
    void wrapper.ended.then(() => {
      ended = true;
      nap.wake();
    });
    // From here the files speak. A wrapper that ends without a token was kept from creating it.
    while (!hasStarted(request.dir) && !ended) await nap.sleep(POLL_MS / 10);
    if (hasStarted(request.dir)) {
      const slept = sleptSinceBoot();
      if (slept !== undefined) writeFileSync(join(request.dir, 'slept'), `${slept}\n`, { mode: 0o600 });
      return undefined;
    }
    return { kind: 'not-started', message: `no start token can be created in ${request.dir}` };
  } catch (error) {
    if (hasStarted(request.dir)) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    return { kind: 'not-started', message: `cannot start in ${request.cwd}: ${why}` };
  }
}

async function waitForEnd(
  request: SuperviseRequest,
  nap: Nap,
  { descendants, isNew }: { readonly descendants: Descendants; readonly isNew: boolean },
): Promise<SupervisedEnd> {
  const { dir, logFile } = request;
  const begun = statSync(join(dir, 'start')).mtimeMs;
  const first = Date.now();
  const asleep = sleptSince(dir);
  /** Ms awake before this supervisor came; what it starts itself may be stopped together with it, and is young. */
  const before = isNew ? 0 : Math.max(0, first - begun - asleep);
  const clock = new AwakeClock(first);
  let size = -1;
  /** When the log grew last, on the same clock as `age`. */
  let grown = 0;
  /** When descendants were looked for last, epoch ms. */
  let searched = 0;

  for (;;) {
    const recorded = readEnd(dir) ?? readExit(dir);
    if (recorded !== undefined) return settle(dir, recorded);

    const now = Date.now();
    const age = before + clock.look(now);
    const log = statSync(logFile, { throwIfNoEntry: false });
    if (log !== undefined && log.size !== size) {
      // The first look may come long after the last byte: mstone may have been away.
      const away = Math.max(0, first - Math.max(begun, log.mtimeMs) - asleep);
      grown = size < 0 ? before - Math.min(before, away) : age;
      size = log.size;
    }
    const silent = age - grown;
    if (request.signal.aborted) return settle(dir, { kind: 'cancelled' });
    if (size > request.maxLogBytes) return settle(dir, { kind: 'too-much-output' });
    if (age >= request.timeoutMs) return settle(dir, { kind: 'timed-out', afterMs: request.timeoutMs });
    const repeated = request.watch?.();
    if (repeated !== undefined) return settle(dir, { kind: 'repeating', repeated });
    if (silent >= request.idleMs) return settle(dir, { kind: 'stuck', silentMs: request.idleMs });

    const wrapper = readWrapper(dir);
    if (wrapper !== undefined && now >= searched + SEARCH_MS) {
      descendants.look(wrapper);
      searched = now;
    }
    const gone = wrapper === undefined ? now - begun > YOUNG_MS : !isAlive(wrapper);
    // An agent may outlive its wrapper; then there will be no exit status, but its work goes on.
    if (gone && (await findTagged(request.tag)).length === 0) {
      // It may have written its last between the two looks.
      return settle(
        dir,
        readEnd(dir) ??
          readExit(dir) ?? { kind: 'lost', message: 'its process is gone and left no exit status' },
      );
    }
    await nap.sleep(gone ? SEARCH_MS : POLL_MS);
  }
}

/** How long the machine has slept since the agent was started, ms, as far as can be known. */
function sleptSince(dir: string): number {
  const then = readWhole(join(dir, 'slept'));
  const now = sleptSinceBoot();
  if (then === undefined || now === undefined || readWrapper(dir)?.boot !== bootMarker()) return 0;
  return Math.max(0, now - Number(then));
}

/** Makes this the end for everyone, unless there is one already; returns the one that holds. */
function settle(dir: string, end: SupervisedEnd): SupervisedEnd {
  const file = join(dir, 'end');
  const own = join(dir, `end.${process.pid}.${randomUUID()}`);
  try {
    writeWhole(own, `${JSON.stringify(end)}\n`);
    linkSync(own, file);
    return end;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // No room to write it down: the agent must be ended all the same, and whoever asks later sees that.
    if (code === 'ENOSPC' || code === 'EDQUOT') return end;
    if (code !== 'EEXIST') throw error;
    const theirs = readEnd(dir);
    if (theirs !== undefined) return theirs;
    renameSync(own, file); // What was there could not be read, hence was believed by nobody.
    return end;
  } finally {
    rmSync(own, { force: true });
  }
}

/**
 * Not flushed: whoever has believed the end has it in a journal. What the power cuts counts as absent, and all who
 * could contradict each other are gone then.
 */
function writeWhole(file: string, text: string): void {
  const fd = openSync(file, 'wx', 0o600);
  try {
    const bytes = Buffer.from(text);
    // A full disk shows as a short count first.
    if (writeSync(fd, bytes) < bytes.length) throw Object.assign(new Error('disk full'), { code: 'ENOSPC' });
  } finally {
    closeSync(fd);
  }
}

/** Ends what is left of it: the wrapper's group and session, what it was seen to beget, and all that bears the tag. */
async function endDescendants(request: SuperviseRequest, descendants: Descendants): Promise<void> {
  const { dir, tag, graceMs = GRACE_MS } = request;
  const wrapper = readWrapper(dir);
  const last = statSync(join(dir, 'exit'), { throwIfNoEntry: false })?.mtimeMs;
  const begun = performance.now();
  // Never by pid alone: after a while it is somebody else's.
  if (wrapper !== undefined && isAlive(wrapper)) signalGroup(wrapper.pid, 'SIGTERM');
  const passed = new Set<number>();
  await endAll(async () => {
    const found =
      process.platform === 'linux' && wrapper !== undefined && wrapper.boot === bootMarker()
        ? findLeft(tag, wrapper, last, passed)
        : await findTagged(tag);
    const left = [...new Set([...found, ...descendants.living()])];
    // The search that confirms that there is nothing comes at once; later a pid may be another's.
    if (left.length > 0) passed.clear();
    // Where neither tags nor sessions can be seen, the group is all there is.
    if (performance.now() - begun >= graceMs && wrapper !== undefined && isAlive(wrapper)) {
      signalGroup(wrapper.pid, 'SIGKILL');
    }
    return left;
  }, graceMs);
}

/**
 * What bears the tag, and the processes in the wrapper's session: they may have emptied their environment, as
 * servers started with a list of allowed names have. A session's number is not given away while it has a member,
 * and one is only ever entered by birth; so whoever was alive before the wrapper's end (`last`, epoch ms; undefined
 * while it lives) belongs to it. Whoever is older than the wrapper has nothing of it: most of a machine is, and
 * their environments need not be read. `passed` are not looked at, and those that are nothing of it join them.
 */
function findLeft(
  tag: string,
  wrapper: ProcessIdentity,
  last: number | undefined,
  passed: Set<number>,
): number[] {
  const hasSession = last !== undefined || isAlive(wrapper);
  const bootedAt = Date.now() - Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const ticksPerSecond = 100; // What Linux shows user space, whatever its own clock does.
  const isMember = (pid: number, stat: ProcessStat): boolean => {
    if (!hasSession || stat.session !== wrapper.pid) return false;
    if (pid === wrapper.pid) return stat.start === wrapper.start;
    const bornAt = bootedAt + (Number(stat.start) / ticksPerSecond) * 1000;
    return last === undefined || bornAt <= last + SLACK_MS;
  };
  const found: number[] = [];
  for (const { pid, stat } of listProcesses(passed)) {
    const isLeft =
      pid !== process.pid &&
      !isRemains(stat.state) &&
      (isMember(pid, stat) || (Number(stat.start) >= Number(wrapper.start) && bearsTag(pid, tag)));
    if (isLeft) found.push(pid);
    else passed.add(pid);
  }
  return found;
}

function readWhole(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    return text.endsWith('\n') ? text : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

function readWrapper(dir: string): ProcessIdentity | undefined {
  const [pid, start, boot, rest] = (readWhole(join(dir, 'pid')) ?? '').split('\n');
  if (start === undefined || boot === undefined || rest !== '') return undefined;
  return { pid: Number(pid), start, boot };
}

function readExit(dir: string): SupervisedEnd | undefined {
  const text = readWhole(join(dir, 'exit'));
  if (text === undefined) return undefined;
  const status = Number(text);
  const signal = Object.entries(constants.signals).find(([, number]) => status === 128 + number)?.[0];
  return signal === undefined ? { kind: 'exited', code: status } : { kind: 'killed', signal };
}

function readEnd(dir: string): SupervisedEnd | undefined {
  const text = readWhole(join(dir, 'end'));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as SupervisedEnd;
  } catch {
    return undefined; // Cut by the power: the world is asked again.
  }
}

/** A sleep that can be cut short. */
class Nap {
  private cut: (() => void) | undefined;

  wake(): void {
    this.cut?.();
  }

  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.cut = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.cut = undefined;
  }
}
