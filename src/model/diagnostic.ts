/** One thing wrong with what the user gave us: what, where, expected, found, what to do. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning' | 'note';
  /** Kebab-case, stable: `unknown-key`, `dependency-cycle`, … */
  readonly code: string;
  /** Relative to the repository's root, with forward slashes. */
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** One sentence without a full stop: what is wrong. */
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  /** What to do about it, often a line or a command to type. */
  readonly fix?: string;
}

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some((diagnostic) => diagnostic.severity === 'error');
