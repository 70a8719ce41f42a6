/**
 * What an index says of some paths, read from its file (gitformat-index(5), versions 2 and 3): one git process saved
 * for each landing. Everything else (version 4, split or sparse indexes, a checksum that is wrong) is git's to read.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export interface StoredEntry {
  readonly mode: string;
  readonly oid: string;
  /** As `ls-files -v`: `h` is assume-unchanged, `S` is skip-worktree, `s` both, `H` neither. */
  readonly tag: string;
}

/** Extensions that change nothing of what entries say; of all others git is asked. */
const HARMLESS = new Set(['TREE', 'REUC', 'UNTR', 'FSMN', 'EOIE', 'IEOT']);

/** Entries of those of `wanted` (bytes in latin1) that are there, conflicted ones left out; undefined where git has to say. */
export async function readStoredIndex(
  file: string,
  wanted: ReadonlySet<string>,
  oidBytes: 20 | 32,
): Promise<Map<string, StoredEntry> | undefined> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (bytes === undefined || bytes.length < 12 + oidBytes) return undefined;
  const version = bytes.readUInt32BE(4);
  if (bytes.toString('latin1', 0, 4) !== 'DIRC' || (version !== 2 && version !== 3)) return undefined;
  const end = bytes.length - oidBytes;
  const sum = createHash(oidBytes === 20 ? 'sha1' : 'sha256')
    .update(bytes.subarray(0, end))
    .digest();
  if (!sum.equals(bytes.subarray(end))) return undefined;

  const found = new Map<string, StoredEntry>();
  const count = bytes.readUInt32BE(8);
  let at = 12;
  for (let entry = 0; entry < count; entry += 1) {
    const flagsAt = at + 40 + oidBytes;
    if (flagsAt + 2 > end) return undefined;
    const flags = bytes.readUInt16BE(flagsAt);
    const isExtended = (flags & 0x4000) !== 0;
    const nameAt = flagsAt + (isExtended ? 4 : 2);
    const nameEnd = bytes.indexOf(0, nameAt);
    if (nameEnd < 0 || nameEnd >= end) return undefined;
    const name = bytes.toString('latin1', nameAt, nameEnd);
    if ((flags & 0x3000) === 0 && wanted.has(name)) {
      const isSkipped = isExtended && (bytes.readUInt16BE(flagsAt + 2) & 0x4000) !== 0;
      const tag = isSkipped ? 'S' : 'H';
      found.set(name, {
        mode: bytes
          .readUInt32BE(at + 24)
          .toString(8)
          .padStart(6, '0'),
        oid: bytes.toString('hex', at + 40, flagsAt),
        tag: (flags & 0x8000) === 0 ? tag : tag.toLowerCase(),
      });
    }
    // One to eight NULs, to a multiple of eight from where the entry begins.
    at += (nameEnd - at + 8) & ~7;
  }
  while (at + 8 <= end) {
    if (!HARMLESS.has(bytes.toString('latin1', at, at + 4))) return undefined;
    at += 8 + bytes.readUInt32BE(at + 4);
  }
  return at === end ? found : undefined;
}
