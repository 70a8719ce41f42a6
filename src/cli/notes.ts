/**
 * What agents note for those that come after them in a run: a file for each assignment, beside its log, that
 * the agent appends to. It is a stranger's file: only a plain one is read, and not more than is of use.
 */
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { plainText } from '../brief/text.js';
import { absent } from './project.js';

export interface Note {
  /** `1A implement`. */
  readonly by: string;
  readonly text: string;
}

const NOTES = /^(?<item>[0-9A-Za-z-]+)\.\d+\.\d+\.(?<purpose>[a-z]+)\.notes\.md$/;
/** Characters of one assignment's notes, and of all in a brief. */
const LONGEST_NOTE = 4000;
const ALL_NOTES = 16_000;

/** `name` is the assignment's: `1A.1.1.implement`. */
export const notesFile = (logsDir: string, name: string): string => join(logsDir, `${name}.notes.md`);

/** What an assignment noted, the beginning of it; empty where it noted nothing. */
export async function readNote(file: string): Promise<string> {
  const info = await lstat(file).catch(absent(undefined));
  if (info === undefined || !info.isFile()) return '';
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(LONGEST_NOTE * 4);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return plainText(buffer.toString('utf8', 0, bytesRead), LONGEST_NOTE);
  } finally {
    await handle.close();
  }
}

/** The newest of what a run's agents have noted, the oldest first; `except` this file. */
export async function readNotes(logsDir: string, except: string): Promise<Note[]> {
  const names = await readdir(logsDir).catch(absent([] as string[]));
  const found = await Promise.all(
    names.map(async (name) => {
      const { item, purpose } = NOTES.exec(name)?.groups ?? {};
      const file = join(logsDir, name);
      if (item === undefined || purpose === undefined || file === except) return [];
      const info = await lstat(file).catch(absent(undefined));
      const text = await readNote(file);
      return text === '' ? [] : [{ by: `${item} ${purpose}`, text, at: info?.mtimeMs ?? 0, name }];
    }),
  );
  const newest = found.flat().sort((a, b) => b.at - a.at || (a.name < b.name ? 1 : -1));
  const kept: Note[] = [];
  let characters = 0;
  for (const { by, text } of newest) {
    characters += text.length;
    if (characters > ALL_NOTES) break;
    kept.push({ by, text });
  }
  return kept.reverse();
}
