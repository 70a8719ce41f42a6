/** A packed journal: the bytes of one that is finished, with gzip (`zcat journal.ndjson.gz | jq`). */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

const PACKED = '.gz';

export const packedName = (journal: string): string => journal + PACKED;
export const isPacked = (file: string): boolean => file.endsWith(PACKED);

/** The bytes that were packed; undefined where they are damaged (gzip has a checksum of its own). */
export const unpack = (bytes: Buffer): Promise<Buffer | undefined> =>
  promisify(gunzip)(bytes).catch((error: NodeJS.ErrnoException) => {
    if (error.code?.startsWith('Z_')) return undefined;
    throw error;
  });
