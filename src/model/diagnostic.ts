import { type MessageCode, messages } from './messages.js';

/** One thing wrong with what the user gave us: what, where, expected, found, what to do. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning' | 'note';
  /** Its entry in the catalogue of messages. */
  readonly code: MessageCode;
  /** Relative to the repository's root, with forward slashes. */
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** One sentence without a full stop: what is wrong. */
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  /** What to do about it, often a line or a command to type; else the catalogue's word on the code. */
  readonly fix?: string;
}

/** What is wrong never goes without what to do. */
export const withFix = (diagnostic: Diagnostic): Diagnostic =>
  diagnostic.severity === 'error'
    ? { ...diagnostic, fix: diagnostic.fix ?? messages[diagnostic.code].todo }
    : diagnostic;

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some((diagnostic) => diagnostic.severity === 'error');
