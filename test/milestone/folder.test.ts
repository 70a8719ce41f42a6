import { describe, expect, test } from 'vitest';
import { type MilestoneEntry, type MilestoneReader, readMilestones } from '../../src/milestone/folder.js';

type Files = Readonly<Record<string, string | MilestoneEntry['kind'] | { readonly size: number }>>;
const KINDS = ['symlink', 'directory', 'other'];

/** A folder in memory: text, a kind of entry, or a size. Only files may be read. */
function folder(files: Files): MilestoneReader {
  return {
    async list() {
      return Object.entries(files).map(([name, what]): MilestoneEntry => {
        const path = `milestones/${name}`;
        if (typeof what === 'object') return { path, kind: 'file', size: what.size };
        const special = KINDS.find((kind) => kind === what);
        if (special === 'symlink' || special === 'directory' || special === 'other') {
          return { path, kind: special, size: 0 };
        }
        return { path, kind: 'file', size: what.length };
      });
    },
    async read(path) {
      const what = files[path.replace('milestones/', '')];
      if (typeof what !== 'string' || KINDS.includes(what)) throw new Error(`${path} must not be read`);
      return new TextEncoder().encode(what);
    },
  };
}

const readAll = async (files: Files) => {
  const { milestones, diagnostics } = await readMilestones(folder(files));
  return {
    ids: milestones.map(({ id }) => id),
    told: diagnostics.map(({ severity, code, file, message }) => `${severity} ${code} ${file}: ${message}`),
  };
};

describe('a folder of milestones', () => {
  test('comes sorted by stage, then letters, with gaps in the numbering', async () => {
    const names = ['10A.md', '2AA.md', '2Z.md', '1C-x.md', '02B.md', '1A.md', '7A.md'];
    expect(await readAll(Object.fromEntries(names.map((name) => [name, '# x\n'])))).toEqual({
      ids: ['1A', '1C', '2B', '2Z', '2AA', '7A', '10A'],
      told: [],
    });
  });

  test('passes over folders and other files in silence, over notes with a word', async () => {
    const files = {
      'README.md': '# x',
      'a.txt': 'x',
      templates: 'directory',
      'more.md': 'directory',
      '1A.md': '# x',
    };
    expect(await readAll(files)).toEqual({
      ids: ['1A'],
      told: [
        'note ignored milestones/README.md: ignored: the names of milestones begin with a number, as in `1A.md`',
      ],
    });
  });

  test('reports every problem of every file at once', async () => {
    const files: Files = {
      '1.md': '# x',
      '1B.md': '---\ntitel: x\nresources: y\n---\nBody',
      '1C.md': 'symlink',
      '1D.md': 'directory',
      '1E.md': 'other',
      '2A.md': { size: 2 * 1024 * 1024 },
      '2B.md': '',
      '2C.md': 'a\0b',
      '3A.md': '# fine',
      'notes.md': 'symlink',
    };
    expect(await readAll(files)).toEqual({
      ids: ['3A'],
      told: [
        'error milestone-name milestones/1.md: the name has no letter',
        'error unknown-key milestones/1B.md: `titel` is not a key of a milestone',
        'error unsupported-key milestones/1B.md: `resources` is not supported yet',
        'error not-a-file milestones/1C.md: a milestone must be a plain file',
        'error not-a-file milestones/1D.md: a milestone must be a plain file',
        'error not-a-file milestones/1E.md: a milestone must be a plain file',
        'error too-large milestones/2A.md: the file is too large for a milestone',
        'error empty-file milestones/2B.md: the file is empty',
        'error not-text milestones/2C.md: this is not a text file',
        'note ignored milestones/notes.md: ignored: the names of milestones begin with a number, as in `1A.md`',
      ],
    });
  });

  test('refuses two files for one id, naming both', async () => {
    expect(await readAll({ '1A-b.md': '# b', '1A.md': '# a', '01A-c.md': '# c' })).toEqual({
      ids: ['1A'],
      told: [
        'error duplicate-id milestones/1A-b.md: 01A-c.md and 1A-b.md are both milestone 1A',
        'error duplicate-id milestones/1A.md: 01A-c.md and 1A.md are both milestone 1A',
      ],
    });
    expect(await readAll({ '1A.md': '# a', '1a.md': '# b' })).toEqual({
      ids: ['1A'],
      told: ['error duplicate-id milestones/1a.md: 1A.md and 1a.md are both milestone 1A'],
    });
  });

  test('an unreadable file is told, a bug is not swallowed', async () => {
    const reader = folder({ '1A.md': '# a', '1B.md': '# b' });
    const failing = (error: Error): MilestoneReader => ({
      ...reader,
      read: (path) => (path.endsWith('1A.md') ? Promise.reject(error) : reader.read(path)),
    });
    const gone = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
    expect(await readMilestones(failing(gone))).toMatchObject({
      milestones: [{ id: '1B' }],
      diagnostics: [
        {
          code: 'unreadable',
          file: 'milestones/1A.md',
          message: 'the file could not be read',
          found: 'ENOENT: no such file',
        },
      ],
    });
    await expect(readMilestones(failing(new Error('a bug')))).rejects.toThrow('a bug');
  });

  test('an empty folder has no milestones and no problems', async () => {
    expect(await readAll({})).toEqual({ ids: [], told: [] });
  });

  test('many files are all read', async () => {
    const files = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`${index + 1}A.md`, '# x']));
    expect((await readAll(files)).ids).toHaveLength(300);
  });
});
