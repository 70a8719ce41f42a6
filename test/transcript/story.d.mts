export interface Line {
  /** What is typed. */
  readonly type: string;
  /** Ctrl-C once this milestone's agent is at work; it is let go when `after` is printed. */
  readonly interrupt?: { readonly milestone: string; readonly after: string };
}
export interface Stage {
  readonly home: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  isAtWork(milestone: string): boolean;
  letGo(milestone: string): void;
}
export const root: string;
export const STORY: readonly Line[];
export function makeStage(): Stage;
export function normal(text: string, home: string): string;
export function transcriptIn(readme: string): string | undefined;
export function withTranscript(readme: string, transcript: string): string;
