/**
 * Shuts a program into bubblewrap (`sandbox: bubblewrap`): the whole disk to read, a few places to write.
 *
 * It says which command line does that, and whether this machine can. It does not know what is shut in, or
 * why. Options are those of bwrap(1); later ones cover earlier ones, so the order matters.
 */
import { tmpdir } from 'node:os';
import { runShort } from './short.js';

/** What a program in a sandbox may do beside reading. All paths are absolute. */
export interface Cage {
  /** Where it may write. Must exist. */
  readonly writable: readonly string[];
  /** Where it may read though it lies in a temporary folder, of which it has its own. Must exist. */
  readonly readable: readonly string[];
  /** Folders and files that it finds empty. Must exist. */
  readonly hidden: readonly { readonly path: string; readonly is: 'folder' | 'file' }[];
  /** A folder that takes the place of /tmp. Must exist. */
  readonly temporary: string;
  readonly network: boolean;
}

/**
 * The command line that runs another one in a sandbox, from the folder it is started in. In it are no
 * processes but the sandbox's own; they all end when its first one does, and that with its parent. The exit
 * status is the program's.
 */
export function caged(
  command: readonly string[],
  cage: Cage,
): { readonly command: string; readonly args: string[] } {
  return {
    command: 'bwrap',
    args: [
      '--die-with-parent',
      '--new-session',
      '--unshare-pid',
      '--unshare-ipc',
      '--unshare-uts',
      ...(cage.network ? [] : ['--unshare-net']),
      ...['--ro-bind', '/', '/'],
      ...['--dev', '/dev'],
      ...['--proc', '/proc'],
      ...['--bind', cage.temporary, '/tmp'],
      ...['--tmpfs', '/var/tmp'],
      ...['--setenv', 'TMPDIR', '/tmp'],
      ...cage.readable.flatMap((path) => ['--ro-bind', path, path]),
      ...cage.hidden.flatMap(({ path, is }) =>
        is === 'folder' ? ['--tmpfs', path] : ['--ro-bind', '/dev/null', path],
      ),
      ...cage.writable.flatMap((path) => ['--bind', path, path]),
      '--',
      ...command,
    ],
  };
}

/** Why no sandbox can be made here; undefined where it can. Takes some ms. */
export async function whyNoSandbox(env: Readonly<Record<string, string>>): Promise<string | undefined> {
  const tried = await runShort({
    ...caged(['true'], { writable: [], readable: [], hidden: [], temporary: tmpdir(), network: true }),
    cwd: '/',
    env,
    signal: AbortSignal.timeout(10_000),
    maxBytes: 64 * 1024,
  });
  switch (tried.kind) {
    case 'exited':
      return tried.code === 0 ? undefined : (tried.stderr.trim().split('\n')[0] ?? `exit ${tried.code}`);
    case 'not-found':
      return 'bwrap is not installed';
    default:
      return `bwrap did not end well (${tried.kind})`;
  }
}
