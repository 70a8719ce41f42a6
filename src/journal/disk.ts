import { mkdir, open, readFile } from 'node:fs/promises';

/** What the journal needs of a disk: small, so that a test can record the order and cut a write short. */
export interface JournalDisk {
  /** Makes a folder and its parents, mode 0700; returns the first one it had to make. */
  makeFolder(path: string): Promise<string | undefined>;
  /** Opens for appending, mode 0600; makes the file where there is none. */
  open(path: string): Promise<JournalFile>;
  /** The whole file, or undefined where there is none. */
  read(path: string): Promise<Buffer | undefined>;
  /** Makes the names in a folder survive a power cut. */
  syncFolder(path: string): Promise<void>;
}

export interface JournalFile {
  /** Appends; may write less than asked for, and tells how many bytes it wrote. */
  write(bytes: Uint8Array): Promise<number>;
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** True for what a full disk, a quota and a file size limit say. */
export const isNoRoom = (error: unknown): boolean => isCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG');

export const isMissing = (error: unknown): boolean => isCode(error, 'ENOENT', 'ENOTDIR');

export const isTaken = (error: unknown): boolean => isCode(error, 'EEXIST');

export const nodeDisk: JournalDisk = {
  async makeFolder(path) {
    return await mkdir(path, { recursive: true, mode: 0o700 });
  },
  async open(path) {
    const file = await open(path, 'a', 0o600);
    return {
      async write(bytes) {
        return (await file.write(bytes)).bytesWritten;
      },
      sync: () => file.sync(),
      truncate: (bytes) => file.truncate(bytes),
      close: () => file.close(),
    };
  },
  async read(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  async syncFolder(path) {
    // Windows opens no folders; there the file's own flush has to do.
    if (process.platform === 'win32') return;
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
};
