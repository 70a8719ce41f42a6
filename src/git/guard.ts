/**
 * Hooks for agents' git, set through their environment: only a slot's own HEAD moves.
 *
 * A linked worktree shares every ref with the user's checkout. `reference-transaction` is asked before
 * refs move, whatever command moves them, and refuses all but the slot's own; what it refused stands in a
 * log, one `old new ref` per line, which `refs-watch` believes. Other repositories, such as those that an
 * agent's tests make, are none of its business. `core.hooksPath` takes the place of the user's own hooks,
 * so each hook here hands over to the one that git would have run.
 *
 * It is a rail, not a wall: `-c core.hooksPath=` goes round it, and a symbolic HEAD moves unasked before
 * git 2.46. What gets past it is mended afterwards.
 */
import { readFileSync } from 'node:fs';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Repository } from './index.js';
import { SLOT_PREFIX } from './slots.js';

export interface GuardOptions {
  /** The agent's environment so far: settings that it already hands to git stay in force. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The name of the one slot whose HEAD may move; without it, that of any slot. */
  readonly slotName?: string;
}

export interface Guard {
  /** To be added to the agent's environment. */
  readonly env: Record<string, string>;
  /** Absolute: the log of what was refused. It need not exist. */
  readonly log: string;
}

/** Hooks of a client's git; those of a server run in the repository that is pushed to. */
const CLIENT_HOOKS = [
  'applypatch-msg',
  'pre-applypatch',
  'post-applypatch',
  'pre-commit',
  'pre-merge-commit',
  'prepare-commit-msg',
  'commit-msg',
  'post-commit',
  'pre-rebase',
  'post-merge',
  'pre-push',
  'post-rewrite',
  'pre-auto-gc',
  'post-index-change',
  'sendemail-validate',
];

/** Where a guard in `dir` writes down what it refused. */
export const guardLog = (dir: string): string => join(dir, 'refused.log');

/** Writes the hooks into `dir` (absolute) and returns what lets an agent's git run them. */
export async function installGuard(
  repo: Repository,
  dir: string,
  { environment = {}, slotName }: GuardOptions = {},
): Promise<Guard> {
  const log = guardLog(dir);
  const before = countSettings(environment.GIT_CONFIG_COUNT);
  await mkdir(dir, { recursive: true });
  const where = findPlace(repo, slotName === undefined ? `${SLOT_PREFIX}*` : quoted(slotName));
  for (const name of CLIENT_HOOKS) {
    await writeHook(join(dir, name), wrapper(name, findHook(name, dir, before)));
  }
  const afterCheckout = `${where}${recordSwitch(log)}${findHook('post-checkout', dir, before)}`;
  await writeHook(join(dir, 'post-checkout'), wrapper('post-checkout', afterCheckout));
  await writeHook(
    join(dir, 'reference-transaction'),
    transactionHook(where, log, findHook('reference-transaction', dir, before)),
  );

  const settings = [
    ['core.hooksPath', dir],
    // Packing refs looks like deleting them, and nobody's housekeeping belongs into an agent's time.
    ['gc.auto', '0'],
    ['gc.packRefs', 'false'],
    ['maintenance.auto', 'false'],
    // Nobody is there to be asked for a passphrase, and no agent signs in the user's name.
    ['commit.gpgSign', 'false'],
    ['tag.gpgSign', 'false'],
  ] as const;
  const env: Record<string, string> = { MSTONE_GUARD_LOG: log };
  settings.forEach(([key, value], at) => {
    env[`GIT_CONFIG_KEY_${before + at}`] = key;
    env[`GIT_CONFIG_VALUE_${before + at}`] = value;
  });
  env.GIT_CONFIG_COUNT = String(before + settings.length);
  return { env, log };
}

function countSettings(text: string | undefined): number {
  const count = Number(text ?? '0');
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** Agents in other slots may run the hook at this moment: it is replaced whole or not at all. */
async function writeHook(file: string, script: string): Promise<void> {
  // At once: twenty small files, before each agent.
  if (textOf(file) === script) return;
  const part = `${file}.part-${process.pid}`;
  await writeFile(part, script);
  await chmod(part, 0o755);
  await rename(part, file);
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // Not there, or not to be read: it is written.
  }
}

/** A text as one word of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Finds the hook that git would have run without the guard. Written into the script, not read from the
 * environment: where one mstone's agent runs another mstone, each guard knows what was there before it.
 */
const findHook = (name: string, dir: string, before: number): string => `
hooks=$(GIT_CONFIG_COUNT=${before} git rev-parse --git-path hooks 2>/dev/null) || hooks=
hook=
if [ -n "$hooks" ] && [ "$(cd "$hooks" 2>/dev/null && pwd -P)" != "$(cd ${quoted(dir)} && pwd -P)" ]; then
  hook=$hooks/${name}
  [ -x "$hook" ] || hook=
fi
`;

/** Sets `place` to `slot`, to `beside` for any other worktree of the guarded repository, or to `elsewhere`. */
const findPlace = (repo: Repository, ownName: string): string => `
guarded=${quoted(repo.commonDir)}
place=elsewhere
common=$(git rev-parse --path-format=absolute --git-common-dir 2>/dev/null) || common=
common=$(cd "\${common:-/}" 2>/dev/null && pwd -P) || common=
if [ "$common" = "$guarded" ]; then
  case $(cd "$(git rev-parse --absolute-git-dir)" && pwd -P) in
    "$guarded"/worktrees/${ownName}) place=slot ;;
    *) place=beside ;;
  esac
fi
`;

/** A HEAD that goes to another branch asks nobody in older gits; at least it is on record. */
const recordSwitch = (log: string): string => `
if [ "$place" = beside ]; then
  printf '%s ref:%s HEAD\\n' "$1" "$(git symbolic-ref -q HEAD || echo "$2")" >>${quoted(log)}
fi
`;

const wrapper = (name: string, preamble: string): string => `#!/bin/sh
# mstone: hands over to your own ${name} hook.
${preamble}
[ -n "$hook" ] || exit 0
exec "$hook" "$@"
`;

const transactionHook = (where: string, log: string, hook: string): string => `#!/bin/sh
# mstone: while agents work, the only ref that moves is the HEAD of the folder they work in.
${hook}
if [ "$1" != prepared ]; then
  [ -n "$hook" ] || exit 0
  exec "$hook" "$@"
fi

changes=$(cat)
${where}
if [ "$place" != elsewhere ]; then
  refused=
  while read -r old new ref; do
    [ -n "$ref" ] || continue
    if [ "$place" = slot ]; then
      case $ref in
        HEAD | ORIG_HEAD | MERGE_HEAD | CHERRY_PICK_HEAD | REVERT_HEAD | REBASE_HEAD | AUTO_MERGE | FETCH_HEAD | BISECT_* | refs/bisect/* | refs/worktree/* | refs/rewritten/*)
          continue ;;
      esac
    fi
    refused="$refused $ref"
    # Packing writes the value that the ref has: nothing to remember.
    [ "$(git rev-parse --verify --quiet "$ref" 2>/dev/null)" = "$new" ] && continue
    printf '%s %s %s\\n' "$old" "$new" "$ref" >>${quoted(log)}
  done <<CHANGES
$changes
CHANGES
  if [ -n "$refused" ]; then
    echo "mstone: refused to move$refused" >&2
    echo "mstone: branches, tags and stashes are the user's, and so is every other folder." >&2
    echo "mstone: commit here on the detached HEAD (git commit); mstone takes your commits from there." >&2
    exit 1
  fi
fi
[ -n "$hook" ] || exit 0
printf '%s\\n' "$changes" | "$hook" "$@"
`;
