/** What is said of a milestone's file by its place and size alone. */
import type { Diagnostic } from '../model/diagnostic.js';

export const LARGEST_KB = 256;

export const tooLarge = (file: string, size: number): Diagnostic => ({
  severity: 'error',
  code: 'too-large',
  file,
  message: 'the file is too large for a milestone',
  expected: `at most ${LARGEST_KB} KB`,
  found: `${Math.ceil(size / 1024)} KB`,
  fix: 'put long reference material into files of its own and name them in the milestone',
});

export const byPlace = (a: Diagnostic, b: Diagnostic): number => {
  const [left, right] = [a.file ?? '', b.file ?? ''];
  return left === right ? (a.line ?? 0) - (b.line ?? 0) : left < right ? -1 : 1;
};
