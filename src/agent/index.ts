/**
 * Agents: one assignment, from prompt to report. A `command` is any program, a `recipe` the milestone's own
 * script run by bash; both read the prompt on stdin and speak by exit status and lines of JSON on stdout.
 *
 * It does not know git, slots, attempts to come or what a report leads to. Performing the same assignment
 * again, after whatever kill, starts nothing twice and yields the same report.
 */
import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { judge, readVerdict } from '../brief/verdict.js';
import type { AgentConfig, Severity } from '../model/config.js';
import type { Purpose } from '../model/effect.js';
import type { Milestone, Recipe } from '../model/milestone.js';
import type { AgentOutcome, Oid } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { Judgement } from '../model/verdict.js';
import { readPlainTail } from '../process/plain.js';
import { hasStarted, type SupervisedEnd, supervise } from '../process/supervise.js';
import { TAG_NAME, withTag } from '../process/tagged.js';
import { readLog, type Said } from './log.js';

export interface AssignmentRequest {
  /** Of this assignment alone: token, exit file, prompt and context lie there. Absolute; it exists. */
  readonly dir: string;
  /** Absolute. */
  readonly logFile: string;
  readonly kind: AgentConfig;
  readonly purpose: Purpose;
  readonly milestone: Pick<Milestone, 'body' | 'criteria' | 'recipe' | 'timeoutMs'> & { readonly id: string };
  readonly attempt: number;
  /** The commit that the work is compared with. */
  readonly base: Oid;
  /** The worktree. */
  readonly cwd: string;
  readonly prompt: string;
  /** JSON `{milestone, base, checks, findings, conflict}`. */
  readonly context: string;
  /** What the agent may have of the user's environment, and what the caller adds to guard it. */
  readonly env: Readonly<Record<string, string>>;
  /** The milestone's `env`; wins over the agent's. */
  readonly milestoneEnv: Readonly<Record<string, string>>;
  /** Severities that hold work back. */
  readonly blockOn: readonly Severity[];
  readonly timeouts: { readonly agentMs: number; readonly idleMs: number };
  /** Names this assignment alone, over all runs. */
  readonly tag: string;
  readonly signal: AbortSignal;
  /** 512 MB. */
  readonly maxLogBytes?: number;
  /** From the polite signal to the sure one; 5 s. */
  readonly graceMs?: number;
}

export interface AgentReport {
  readonly outcome: AgentOutcome;
  readonly costUsd: number;
  /** Of a review that finished, and only of that. */
  readonly judgement?: Judgement;
  readonly logBytes: number;
}

const LIMITED = 75;
const LONGEST_WAIT_MS = 8 * 24 * 60 * 60 * 1000;
const MOST_LOG_BYTES = 512 * 1024 * 1024;

/** The section of a milestone that holds the script for a purpose. */
const SECTION: Readonly<Record<Purpose, string>> = {
  implement: 'Recipe',
  review: 'Review',
  remediate: 'Remediation',
  resolve: 'Resolve',
};

/** Starts the agent (once), waits for its end and tells what came of it. No descendant is left. */
export async function perform(request: AssignmentRequest): Promise<AgentReport> {
  const { dir, logFile, kind, purpose, milestone } = request;
  const script = kind.kind === 'recipe' ? scriptFor(milestone.recipe, purpose) : undefined;
  if (kind.kind === 'recipe' && script === undefined) {
    return unstarted({
      kind: 'unstartable',
      message: `${milestone.id} has no \`## ${SECTION[purpose]}\` block: add that heading with a \`sh\` block, or name another agent`,
    });
  }
  if (kind.kind !== 'recipe' && kind.kind !== 'command') {
    return unstarted({ kind: 'unstartable', message: `agents of kind ${kind.kind} cannot be started yet` });
  }
  if (!hasStarted(dir)) {
    await place(dir, 'prompt.md', request.prompt);
    await place(dir, 'context.json', request.context);
    if (script !== undefined) await place(dir, 'recipe.sh', script);
  }
  const [command = '', ...args] =
    kind.kind === 'recipe' ? ['bash', '-euo', 'pipefail', join(dir, 'recipe.sh')] : kind.command;
  if (command === '') return unstarted({ kind: 'unstartable', message: 'the agent has no command' });

  const timeoutMs = milestone.timeoutMs ?? request.timeouts.agentMs;
  const end = await supervise({
    dir,
    command,
    args,
    cwd: request.cwd,
    env: environmentOf(request),
    stdinFile: join(dir, 'prompt.md'),
    logFile,
    tag: request.tag,
    timeoutMs,
    idleMs: request.timeouts.idleMs,
    maxLogBytes: request.maxLogBytes ?? MOST_LOG_BYTES,
    signal: request.signal,
    ...(request.graceMs === undefined ? {} : { graceMs: request.graceMs }),
  });
  const said = await readLog(logFile);
  const who = kind.kind === 'recipe' ? undefined : command;
  const outcome = outcomeOf(end, said, who, () => lastLine(logFile));
  return {
    outcome,
    costUsd: said.costUsd,
    ...(purpose === 'review' && outcome.kind === 'finished'
      ? { judgement: judge(readVerdict(said.verdicts), milestone.criteria, request.blockOn) }
      : {}),
    logBytes: said.bytes,
  };
}

/** What the shell's 126 and 127 say: of a program, or of a line in a recipe, which bash then names. */
function unstartable(code: 126 | 127, command: string | undefined): string {
  if (command !== undefined) return `\`${command}\` could not start (exit ${code})`;
  const what = code === 127 ? 'was not found' : 'may not be run';
  return `a command in the recipe ${what} (exit ${code})`;
}

/**
 * How an agent ended, by exit status first; what it printed only adds to that. `command` is undefined for a
 * recipe.
 */
function outcomeOf(
  end: SupervisedEnd,
  said: Said,
  command: string | undefined,
  lastWords: () => string,
): AgentOutcome {
  const quoting = (message: string): string => {
    const words = lastWords();
    return words === '' ? message : `${message}: ${words}`;
  };
  switch (end.kind) {
    case 'exited':
      switch (end.code) {
        case 0:
          return { kind: 'finished' };
        case LIMITED:
          return limited(said);
        case 126:
        case 127:
          return { kind: 'unstartable', message: quoting(unstartable(end.code, command)) };
        default:
          return { kind: 'crashed', message: quoting(`exit ${end.code}`), exit: end.code };
      }
    case 'killed':
      return { kind: 'crashed', message: quoting(`ended by ${end.signal}`), signal: end.signal };
    case 'timed-out':
      return { kind: 'timed-out', afterMs: end.afterMs };
    case 'stuck':
      return { kind: 'stuck', silentMs: end.silentMs };
    case 'too-much-output':
      return { kind: 'crashed', message: 'its log grew past the limit, so it was ended' };
    case 'cancelled':
      return { kind: 'cancelled' };
    case 'lost':
      return { kind: 'interrupted', message: end.message };
    case 'not-started':
      // A folder that is not there, no room, no more processes: another try may do.
      return { kind: 'crashed', message: end.message };
    default:
      return unreachable(end);
  }
}

/**
 * A usage limit with its reset time, between the moment it was told and 8 days later: a slip in a date must
 * not stop a run for a year. Measured from the log's last byte, so that reading again yields the same.
 */
function limited({ limited: told, writtenAt }: Said): AgentOutcome {
  if (told?.resetAt === undefined) return { kind: 'limited', message: 'usage limit, reset time unknown' };
  const at = Math.floor(writtenAt);
  const resetAt = Math.min(Math.max(told.resetAt, at), at + LONGEST_WAIT_MS);
  return { kind: 'limited', resetAt, message: `usage limit until ${new Date(resetAt).toISOString()}` };
}

/** Later ones win; nothing that a milestone or the configuration sets can change what the protocol says. */
function environmentOf(request: AssignmentRequest): Record<string, string> {
  const env: Record<string, string> = {
    ...request.env,
    ...request.kind.env,
    ...request.milestoneEnv,
    MSTONE_MILESTONE: request.milestone.id,
    MSTONE_PURPOSE: request.purpose,
    MSTONE_ATTEMPT: String(request.attempt),
    MSTONE_BASE: request.base,
    MSTONE_PROMPT_FILE: join(request.dir, 'prompt.md'),
    MSTONE_CONTEXT_FILE: join(request.dir, 'context.json'),
    [TAG_NAME]: request.env[TAG_NAME] ?? '',
  };
  return withTag(env, request.tag);
}

function scriptFor(recipe: Recipe, purpose: Purpose): string | undefined {
  const script = recipe[purpose];
  return script === undefined || script.trim() === '' ? undefined : script;
}

/** In one step: a supervisor beside us may be handing the file to an agent already. */
async function place(dir: string, name: string, text: string): Promise<void> {
  const file = join(dir, name);
  const own = `${file}.${randomUUID()}`;
  await writeFile(own, text, { mode: 0o600 });
  await rename(own, file);
}

const unstarted = (outcome: AgentOutcome): AgentReport => ({ outcome, costUsd: 0, logBytes: 0 });

function lastLine(logFile: string): string {
  const line = readPlainTail(logFile, 2000).trimEnd().split('\n').at(-1)?.trim() ?? '';
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}
