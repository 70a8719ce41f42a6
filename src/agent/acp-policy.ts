/** What an ACP agent is allowed when it asks. Nothing is ever left unanswered: nobody is there to be asked. */
import { objectOf, textOf } from './cli.js';

export type Policy =
  /** An author: everything, in its own worktree. */
  | 'work'
  /** A reviewer: looking, and git commands that look. */
  | 'read';

interface Asked {
  readonly toolCall: {
    readonly kind?: string | null;
    readonly rawInput?: unknown;
    readonly title?: string | null;
  };
  readonly options: readonly { readonly optionId: string; readonly kind: string }[];
}

type Answer = { outcome: 'selected'; optionId: string } | { outcome: 'cancelled' };

const LOOKING = new Set(['read', 'search', 'think', 'fetch']);
/** One command, no shell words that could lead to another. */
const LOOKING_COMMAND =
  /^(?:git (?:diff|show|log|status|blame|grep|ls-files|rev-parse|merge-base)|ls|cat|head|tail|wc)\b[^;&|`$<>\n]*$/;

/** Once rather than always, and by the agent's own options; without a fitting one the call is cancelled. */
export function permissionFor(policy: Policy, { toolCall, options }: Asked): Answer {
  const may = policy === 'work' || isLooking(toolCall);
  const wanted = may ? ['allow_once', 'allow_always'] : ['reject_once', 'reject_always'];
  for (const kind of wanted) {
    const option = options.find((one) => one.kind === kind);
    if (option !== undefined) return { outcome: 'selected', optionId: option.optionId };
  }
  return { outcome: 'cancelled' };
}

function isLooking({ kind, rawInput }: Asked['toolCall']): boolean {
  if (kind === undefined || kind === null) return false;
  if (LOOKING.has(kind)) return true;
  const command = textOf(objectOf(rawInput)?.command);
  return (
    kind === 'execute' &&
    command !== undefined &&
    !/--output\b/.test(command) &&
    LOOKING_COMMAND.test(command)
  );
}
