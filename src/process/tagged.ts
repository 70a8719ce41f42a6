/**
 * Finds and ends processes by the tag in their environment.
 *
 * Descendants inherit it through `setsid`, `nohup` and the death of their parents, which neither a pid nor
 * a process group survives. What empties its environment (`env -i`) is not found this way.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { runShort } from './short.js';

export const TAG_NAME = 'MSTONE_TAG';

const POLL_MS = 20;
/** How long SIGKILL may take; a process stuck in the kernel is then left to it. */
const SURE_MS = 10_000;
/** From the polite signal to the sure one. */
export const GRACE_MS = 5_000;

/** The environment with `tag` in its list of tags; those of an outer mstone stay. */
export function withTag(env: Readonly<Record<string, string>>, tag: string): Record<string, string> {
  if (!/^[^\s,]+$/.test(tag)) throw new Error(`not a tag: ${JSON.stringify(tag)}`);
  const tags = (env[TAG_NAME] ?? '').split(',').filter((element) => element !== '');
  return { ...env, [TAG_NAME]: (tags.includes(tag) ? tags : [...tags, tag]).join(',') };
}

/**
 * Pids of the living processes whose `MSTONE_TAG` has `tag` among its elements, this process excepted.
 * Processes of other users are not seen.
 */
export async function findTagged(tag: string): Promise<number[]> {
  if (process.platform === 'linux') return findByProc(tag);
  if (process.platform === 'win32') return [];
  return findByPs(tag);
}

/** A living process that bears tags of mstone's. */
export interface TaggedProcess {
  readonly pid: number;
  readonly tags: readonly string[];
  /** The folder that it works in, where that can be told. */
  readonly cwd?: string;
}

/** All processes of this user that bear any tag, this one excepted. None on Windows. */
export async function listTagged(): Promise<TaggedProcess[]> {
  if (process.platform === 'linux') {
    const needle = `${TAG_NAME}=`;
    return readdirSync('/proc').flatMap((name) => {
      const pid = Number(name);
      if (!Number.isInteger(pid) || pid === process.pid) return [];
      const environ = readEnviron(pid);
      if (!environ?.includes(needle)) return [];
      const tags = tagsIn(environ, /\0/);
      const cwd = readCwd(pid);
      return tags.length === 0 ? [] : [{ pid, tags, ...(cwd === undefined ? {} : { cwd }) }];
    });
  }
  if (process.platform === 'win32') return [];
  return (await psLines()).split('\n').flatMap((line) => {
    const [, pid, rest] = /^\s*(\d+)\s(.*)$/.exec(line) ?? [];
    const tags = rest === undefined ? [] : tagsIn(rest, /\s/);
    return tags.length === 0 || Number(pid) === process.pid ? [] : [{ pid: Number(pid), tags }];
  });
}

function readCwd(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // Gone by now.
  }
}

/**
 * Ends all processes with this tag: SIGTERM, and SIGKILL for what is left after `graceMs`. Returns how
 * many there were. The tag must be that of one assignment or one check: everything that bears it goes.
 */
export async function endTagged(
  tag: string,
  options: { readonly graceMs?: number; readonly except?: readonly number[] } = {},
): Promise<number> {
  const except = new Set(options.except ?? []);
  return endAll(
    async () => (await findTagged(tag)).filter((pid) => !except.has(pid)),
    options.graceMs ?? GRACE_MS,
  );
}

/**
 * Ends whatever `find` finds, politely and then surely, until two searches in a row find nothing: one
 * search may miss a child that is born while it looks. Returns how many there were.
 */
export async function endAll(find: () => Promise<readonly number[]>, graceMs: number): Promise<number> {
  const asked = new Set<number>();
  const begun = performance.now();
  let clean = 0;
  while (clean < 2) {
    const left = await find();
    clean = left.length === 0 ? clean + 1 : 0;
    const age = performance.now() - begun;
    if (age > graceMs + SURE_MS) break;
    for (const pid of left) {
      if (age >= graceMs) signalProcess(pid, 'SIGKILL');
      else if (!asked.has(pid)) signalProcess(pid, 'SIGTERM');
      asked.add(pid);
    }
    if (left.length > 0) await sleep(Math.min(POLL_MS, Math.max(1, graceMs)));
  }
  return asked.size;
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Gone already, or became another user's by setuid: nothing that we could do.
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/** The tags in an environment block (`A=1\0B=2\0`). */
function tagsIn(environ: string, separator: RegExp): string[] {
  const prefix = `${TAG_NAME}=`;
  return environ
    .split(separator)
    .filter((entry) => entry.startsWith(prefix))
    .flatMap((entry) => entry.slice(prefix.length).split(','))
    .filter((tag) => tag !== '');
}

const carries = (environ: string, separator: RegExp, tag: string): boolean =>
  tagsIn(environ, separator).includes(tag);

/** Synchronous on purpose: these files are made in memory, and a hundred of them take 2 ms this way. */
function findByProc(tag: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    return Number.isInteger(pid) && pid !== process.pid && bearsTag(pid, tag) ? [pid] : [];
  });
}

/** Whether a process has `tag` among its tags, by `/proc`; not if it is gone, or somebody else's. */
export function bearsTag(pid: number, tag: string): boolean {
  const environ = readEnviron(pid);
  return environ?.includes(tag) === true && carries(environ, /\0/, tag);
}

/** As text, for which Node has a short way; tags are plain ASCII. */
function readEnviron(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return undefined; // Gone by now, or a stranger's, whose environment is not ours to read.
  }
}

/** `ps -E` prints the environment behind the command; macOS hides that of its own programs. */
async function findByPs(tag: string): Promise<number[]> {
  return readPsLines(await psLines(), tag).filter((pid) => pid !== process.pid);
}

/** Empty where `ps` gave no answer. */
async function psLines(): Promise<string> {
  const outcome = await runShort({
    command: 'ps',
    args: ['-Eww', '-ax', '-o', 'pid=', '-o', 'command='],
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  });
  return outcome.kind === 'exited' ? outcome.stdout.toString('utf8') : '';
}

/** Pids of the lines `  123 command args NAME=value …` that carry the tag. */
export function readPsLines(text: string, tag: string): number[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s(.*)$/.exec(line);
    return match?.[2] !== undefined && carries(match[2], /\s/, tag) ? [Number(match[1])] : [];
  });
}
