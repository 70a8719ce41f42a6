import type { Diagnostic } from '../model/diagnostic.js';
import type { MessageCode } from '../model/messages.js';
import type { MilestoneId } from '../model/milestone.js';
import { shown } from '../model/shown.js';

const GOOD = /^(\d{1,3})([A-Z]{1,2})(-[\p{L}\p{M}\p{N}._-]+)?\.md$/u;
/** What was probably meant, taken apart leniently. */
const LIKE = /^(\d+)[-_. ]?([A-Za-z]*)(.*?)\.md$/i;
const ID = /^(\d{1,3})([A-Z]{1,2})$/;

const EXPECTED =
  'one to three digits, one or two capital letters and perhaps a slug: `1A.md`, `12B-orders-api.md`';

export interface NameParts {
  readonly id: MilestoneId;
  readonly stage: number;
  readonly letters: string;
}

/** `1A` or `01A` → its parts; undefined for what is no id. Stage 0 is none. */
export function parseId(text: string): NameParts | undefined {
  const [, digits = '', letters = ''] = ID.exec(text) ?? [];
  const stage = Number(digits);
  return stage > 0 ? { id: `${stage}${letters}`, stage, letters } : undefined;
}

/** The id that a file's name claims, however it is written: `1a.md` claims `1A`. For finding doubles. */
export function claimedId(name: string): MilestoneId | undefined {
  const [, digits = '', letters = ''] = /^(\d{1,9})([A-Za-z]{1,9})(?:[-.].*)?\.md$/i.exec(name) ?? [];
  return letters === '' ? undefined : `${Number(digits)}${letters.toUpperCase()}`;
}

/** A file's name without its folder → its id, or what is wrong with it and what to call it. */
export function parseName(file: string): NameParts | Diagnostic {
  const name = baseName(file);
  const [, digits, letters] = GOOD.exec(name) ?? [];
  const parts = digits && letters ? parseId(`${digits}${letters}`) : undefined;
  if (parts) return parts;

  const problem = (code: MessageCode, message: string, better?: string): Diagnostic => ({
    severity: 'error',
    code,
    file,
    message,
    expected: EXPECTED,
    found: shown(name),
    ...(better && GOOD.test(better) && { fix: `rename it to \`${better}\`` }),
  });

  const [, number = '', word = '', rest = ''] = LIKE.exec(name) ?? [];
  const slug = rest
    .replace(/[^\p{L}\p{M}\p{N}._-]+/gu, '-')
    .replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{M}\p{N}]+$/gu, '');
  const tail = slug === '' ? '.md' : `-${slug}.md`;
  if (number !== '' && Number(number) === 0) {
    return problem('stage-zero', 'stages are numbered from 1', `1${word.toUpperCase() || 'A'}${tail}`);
  }
  if (number.length > 3) return problem('milestone-name', 'a stage has at most three digits');
  if (word === '') return problem('milestone-name', 'the name has no letter', `${number}A${tail}`);
  if (word.length > 2) {
    return problem('milestone-name', 'a milestone has one or two letters', `${number}A-${word}${tail}`);
  }
  if (word !== word.toUpperCase()) {
    return problem(
      'milestone-name',
      'the letters of a milestone are capitals',
      `${number}${word.toUpperCase()}${tail}`,
    );
  }
  return problem('milestone-name', 'the name is not that of a milestone', `${number}${word}${tail}`);
}

export const baseName = (file: string): string => file.slice(file.lastIndexOf('/') + 1);
