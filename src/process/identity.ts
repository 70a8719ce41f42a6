/**
 * Who a process is: its pid, when it started and in which boot. A pid alone names nobody for long, since
 * the system gives it to somebody else; no process is signalled or taken for an owner by pid alone.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  readonly pid: number;
  /** Linux: clock ticks from boot to its start. Elsewhere: the start in UTC as `ps` prints it. */
  readonly start: string;
  /** Which boot of the machine this was. */
  readonly boot: string;
}

export interface HostIdentity {
  readonly host: string;
  readonly boot: string;
  /** `pid:[4026531836]`; pids of another namespace mean nothing here. Empty where there are none. */
  readonly pidNamespace: string;
}

/** One line of `/proc/<pid>/stat`, as far as we need it. */
export interface ProcessStat {
  readonly state: string;
  readonly group: number;
  readonly session: number;
  /** Clock ticks from boot. */
  readonly start: string;
}

/** The living process with this pid; undefined when there is none or only its remains (a zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return process.platform === 'linux' ? identifyByProc(pid) : identifyByPs(pid);
}

/** Whether this very process still lives: same pid, same start, same boot, and not a zombie. */
export function isAlive(identity: ProcessIdentity): boolean {
  const found = identify(identity.pid);
  return found !== undefined && found.start === identity.start && found.boot === identity.boot;
}

/** Signals this very process and no other that has its pid by now. `forbidden`: it is another user's. */
export function signalProcess(
  identity: ProcessIdentity,
  signal: NodeJS.Signals,
): 'sent' | 'gone' | 'forbidden' {
  if (!isAlive(identity)) return 'gone';
  try {
    process.kill(identity.pid, signal);
    return 'sent';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return 'gone';
    if (code === 'EPERM') return 'forbidden';
    throw error;
  }
}

export function selfIdentity(): ProcessIdentity {
  const self = identify(process.pid);
  if (self === undefined)
    throw new Error(`the system does not show process ${process.pid}, which is this one`);
  return self;
}

/** What makes pids comparable: two records with equal hosts speak of the same processes. */
export function hostIdentity(): HostIdentity {
  return { host: hostname(), boot: bootMarker(), pidNamespace: pidNamespace() };
}

/** Names the current boot. macOS moves `kern.boottime` when its clock is set, so its UUID comes first. */
export function bootMarker(): string {
  if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return (
    ask('sysctl', ['-n', 'kern.bootsessionuuid']) ?? ask('sysctl', ['-n', 'kern.boottime']) ?? 'unknown boot'
  );
}

/** Reads `/proc/<pid>/stat`; the name before the last `)` may hold anything, brackets and newlines too. */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readOrUndefined(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/);
  // Numbered as in proc(5), where the state is field 3.
  const field = (number: number): string | undefined => fields[number - 3];
  const [state, start] = [field(3), field(22)];
  if (state === undefined || start === undefined) return undefined;
  return { state, start, group: Number(field(5)), session: Number(field(6)) };
}

/** All processes that `/proc` shows but those of `except`, remains too; empty where there is no `/proc`. */
export function listProcesses(
  except: ReadonlySet<number> = new Set(),
): { readonly pid: number; readonly stat: ProcessStat }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    const stat = Number.isInteger(pid) && !except.has(pid) ? readStat(pid) : undefined;
    return stat === undefined ? [] : [{ pid, stat }];
  });
}

/** Dead, though its parent has not asked for its exit code yet. */
export const isRemains = (state: string): boolean => /^[ZXx]/.test(state);

function identifyByProc(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined || isRemains(stat.state)) return undefined;
  return { pid, start: stat.start, boot: bootMarker() };
}

/** The way without `/proc`. Resolution: one second. */
export function identifyByPs(pid: number): ProcessIdentity | undefined {
  // Two `-o`: in one, all that follows the first `=` would be a heading.
  const line = ask('ps', ['-o', 'state=', '-o', 'lstart=', '-p', String(pid)]);
  const [state, ...start] = (line ?? '').split(/\s+/);
  if (state === undefined || state === '' || start.length === 0 || isRemains(state)) return undefined;
  return { pid, start: start.join(' '), boot: bootMarker() };
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return ''; // Not Linux: one namespace for all.
  }
}

/** What a small system tool prints, trimmed, in English and UTC; undefined when it fails or is silent. */
function ask(command: string, args: readonly string[]): string | undefined {
  try {
    const text = execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' },
    }).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined; // No such process, or no such tool on this system.
  }
}

function readOrUndefined(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // The process is gone, or hidden from us: either way not ours to know.
  }
}
