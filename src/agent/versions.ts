/**
 * What is known of a CLI's versions that differ from the one mstone was tried with. Only what was seen counts:
 * a version that nobody tried is nothing to warn of.
 */
import type { AgentConfig } from '../model/config.js';

interface Difference {
  /** Versions below this one. */
  readonly below: string;
  readonly words: string;
}

/** As the recorded CLIs behave: Claude Code 2.1.329 beside 2.1.197. */
const DIFFERENCES: Readonly<Partial<Record<AgentConfig['kind'], readonly Difference[]>>> = {
  claude: [
    {
      below: '2.1.329',
      words:
        'goes on with a conversation only in the worktree where it began, counts what a conversation cost anew each time, and may leave tools at work when it is ended; 2.1.329 does not',
    },
  ],
};

const parts = (version: string): number[] => version.split('.').map((part) => Number.parseInt(part, 10));

function isBelow(version: string, other: string): boolean {
  const [own, bound] = [parts(version), parts(other)];
  for (const [index, part] of bound.entries()) {
    const mine = own[index] ?? 0;
    if (Number.isNaN(mine)) return false;
    if (mine !== part) return mine < part;
  }
  return false;
}

/** What the user should know of this version of a CLI; undefined where nothing is known to differ. */
export function versionWords(kind: AgentConfig['kind'], version: string | undefined): string | undefined {
  if (version === undefined) return undefined;
  const found = DIFFERENCES[kind]?.find(({ below }) => isBelow(version, below));
  return found === undefined ? undefined : `${kind} ${version} ${found.words}`;
}
