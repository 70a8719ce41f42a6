/** Takes secrets out of a file that stays: each of their bytes is overwritten with `*`, and nothing moves. */
import { type FileHandle, open } from 'node:fs/promises';
import { maskOf } from '../model/redact.js';

const BLOCK_BYTES = 256 * 1024;

/**
 * Overwrites every occurrence of each form, in place, so that whoever reads along or appends is not disturbed,
 * and doing it again after a kill finishes it. The file's times stay. How many were found; none without a file.
 */
export async function scrubFile(file: string, forms: readonly string[]): Promise<number> {
  const wanted = forms.map((form) => ({ bytes: Buffer.from(form), mask: Buffer.from(maskOf(form)) }));
  const longest = Math.max(0, ...wanted.map(({ bytes }) => bytes.length));
  if (longest === 0) return 0;
  let handle: FileHandle;
  try {
    handle = await open(file, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  try {
    const { atime, mtime } = await handle.stat();
    const block = Buffer.alloc(BLOCK_BYTES + longest);
    let found = 0;
    for (let position = 0; ; ) {
      const { bytesRead } = await handle.read(block, 0, block.length, position);
      const part = block.subarray(0, bytesRead);
      for (const { bytes, mask } of wanted) {
        for (let at = part.indexOf(bytes); at !== -1; at = part.indexOf(bytes, at + bytes.length)) {
          await handle.write(mask, 0, mask.length, position + at);
          mask.copy(part, at);
          found += 1;
        }
      }
      if (bytesRead < block.length) break;
      // What begins in the last bytes may end in the next block.
      position += bytesRead - longest;
    }
    if (found > 0) await handle.utimes(atime, mtime);
    return found;
  } finally {
    await handle.close();
  }
}
