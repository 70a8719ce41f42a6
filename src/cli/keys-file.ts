/** The file of keys, and whether it is safe to use: read by nobody else, and where no commit can take it up. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative } from 'node:path';
import type { Credential } from '../model/credential.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { shown } from '../model/shown.js';
import { shellWord } from '../report/words.js';

const NAME = 'api-keys.json';

export interface KeysFile {
  /** Where it is looked for. */
  readonly path: string;
  readonly there: boolean;
  readonly credentials: readonly Credential[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads the file that `named` names, or the one in `folder` if there is one. `root` is the repository's: a file
 * in it is refused. Never repeats what the file says.
 */
export async function readKeysFile(
  named: string | undefined,
  folder: string,
  root: string,
): Promise<KeysFile> {
  const path = named ?? join(folder, NAME);
  const refused = (why: string, fix: string): KeysFile => ({
    path,
    there: true,
    credentials: [],
    diagnostics: [
      {
        severity: 'error',
        code: 'keys-file',
        file: shown(path, 400),
        message: `the file of keys is not used: ${why}`,
        fix,
      },
    ],
  });
  const elsewhere = 'name one that is there, with its whole path, under `keys_file` or MSTONE_KEYS_FILE';
  if (!isAbsolute(path)) return refused('its path is not absolute', elsewhere);
  let text: string;
  try {
    const real = await realpath(path);
    const info = await stat(real);
    if (!info.isFile()) return refused('it is no file', elsewhere);
    if ([path, real].some((one) => isWithin(root, one))) {
      return refused(
        'it is inside the repository',
        `mv -- ${shellWord(path)} ${shellWord(join(folder, NAME))}`,
      );
    }
    const open = readableByOthers(info.mode);
    if (open) return refused('others may read it', `chmod 600 -- ${shellWord(path)}`);
    text = await readFile(real, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    // Who runs as another user, as cron and sudo do, may have a HOME that is not theirs to look into.
    if (named === undefined && ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(code)) {
      return { path, there: false, credentials: [], diagnostics: [] };
    }
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    return refused(isMissing ? 'it is not there' : shown(message, 200), elsewhere);
  }
  const { parseKeysFile } = await import('../config/credentials.js');
  const read = parseKeysFile(text);
  if (read.ok) return { path, there: true, credentials: read.value, diagnostics: [] };
  const form = 'write it as `[{"name": "work", "env": {"ANTHROPIC_API_KEY": "…"}}]`';
  return {
    path,
    there: true,
    credentials: [],
    diagnostics: read.error.flatMap((why) => refused(why, form).diagnostics),
  };
}

/** Windows tells no such thing by a mode. */
export const readableByOthers = (mode: number): boolean =>
  process.platform !== 'win32' && (mode & 0o077) !== 0;

function isWithin(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !/^\.\.[/\\]/.test(way) && !isAbsolute(way);
}
