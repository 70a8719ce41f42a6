/**
 * Agents: one assignment, from prompt to report. A `command` is any program, a `recipe` the milestone's own
 * script run by bash; both read the prompt on stdin and speak by exit status and lines of JSON on stdout. The
 * coding CLIs (`claude.ts`, `codex.ts`, …) have contracts of their own.
 *
 * It does not know git, slots, attempts to come or what a report leads to. Performing the same assignment
 * again, after whatever kill, starts nothing twice and yields the same report.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { judge, MOST_FINDINGS, readVerdict, type Terms, type VerdictReply } from '../brief/verdict.js';
import type { AgentConfig } from '../model/config.js';
import type { Purpose } from '../model/effect.js';
import type { Milestone, Recipe } from '../model/milestone.js';
import type { AgentOutcome, Oid, Repeated, Tokens, UsageWindow } from '../model/outcome.js';
import { plainly, type Redactor } from '../model/redact.js';
import { unreachable } from '../model/result.js';
import type { Finding, Judgement } from '../model/verdict.js';
import type { StartDetached } from '../process/detached.js';
import { readPlainTail } from '../process/plain.js';
import { type Cage, caged } from '../process/sandbox.js';
import { hasStarted, type SupervisedEnd, supervise } from '../process/supervise.js';
import { TAG_NAME, withTag } from '../process/tagged.js';
import { acp, callAcp } from './acp.js';
import { callClaude, claude } from './claude.js';
import { type Call, type Cli, endedForIt, eventsIn, type Invocation, unexplained } from './cli.js';
import { callCodex, codex } from './codex.js';
import { callGemini, gemini } from './gemini.js';
import { readLines, readLog, type Said } from './log.js';
import { callOpencode, opencode } from './opencode.js';
import { estimateUsd } from './prices.js';
import { watchCalls } from './repeats.js';
import { limitedUntil } from './reset.js';

export interface AssignmentRequest {
  /** Of this assignment alone: token, exit file, prompt and context lie there. Absolute; it exists. */
  readonly dir: string;
  /** Absolute. */
  readonly logFile: string;
  readonly kind: AgentConfig;
  readonly purpose: Purpose;
  /** What it is asked to be, where it is asked to be anything. */
  readonly role?: string;
  readonly milestone: Pick<Milestone, 'body' | 'criteria' | 'recipe' | 'timeoutMs'> & { readonly id: string };
  readonly attempt: number;
  /** The commit that the work is compared with. */
  readonly base: Oid;
  /** The worktree. */
  readonly cwd: string;
  readonly prompt: string;
  /** What is said instead to a conversation that goes on and knows the rest. */
  readonly furtherPrompt?: string;
  /** The conversation to go on with, for kinds that can. */
  readonly session?: string;
  /** For kinds that can be told one. */
  readonly model?: string;
  /** The most that it may cost, and what its conversation has cost before, USD; for kinds that can mind it. */
  readonly capUsd?: number;
  readonly sessionUsd?: number;
  /** MCP servers for kinds that take them, as `.mcp.json` has them. */
  readonly mcp?: Readonly<Record<string, unknown>>;
  /** Where the agent may note what others should know; absolute. */
  readonly notesFile?: string;
  /** JSON `{milestone, base, checks, findings, conflict}`. */
  readonly context: string;
  /** What the agent may have of the user's environment, and what the caller adds to guard it. */
  readonly env: Readonly<Record<string, string>>;
  /** What it is started on: these variables and none of those that are withheld, whoever sets them. */
  readonly pay?: { readonly env: Readonly<Record<string, string>>; readonly withheld: readonly string[] };
  /** Told of its subscription's windows while it works, each time that it tells of them. */
  readonly onUsage?: (windows: readonly UsageWindow[]) => void;
  /** Secrets are taken out of what it printed before anything is made of it. */
  readonly redact?: Redactor;
  /** The milestone's `env`; wins over the agent's. */
  readonly milestoneEnv: Readonly<Record<string, string>>;
  /** Of a review: what its answer is held against, and which of the files that it names are not there. */
  readonly judging?: {
    readonly terms: Terms;
    readonly absentOf: (files: readonly string[]) => Promise<ReadonlySet<string>>;
  };
  readonly timeouts: {
    readonly agentMs: number;
    readonly idleMs: number;
    /** How often the same calls may follow each other, of kinds that tell them. */
    readonly repeats?: number | false;
  };
  /** What it is shut into, if anything. */
  readonly cage?: Cage;
  /** Names this assignment alone, over all runs. */
  readonly tag: string;
  readonly signal: AbortSignal;
  /** What it may print; without a limit where there is none. */
  readonly maxLogBytes?: number;
  /** From the polite signal to the sure one; 5 s. */
  readonly graceMs?: number;
  /** Who starts it; this process itself. */
  readonly startDetached?: StartDetached;
}

export interface AgentReport {
  readonly outcome: AgentOutcome;
  readonly costUsd: number;
  /** `costUsd` is by a table of prices. */
  readonly estimated?: true;
  /** Of a review that finished, and only of that. */
  readonly judgement?: Judgement;
  /** The conversation by which this can go on. */
  readonly session?: string;
  readonly version?: string;
  readonly tokens?: Tokens;
  readonly windows?: readonly UsageWindow[];
  readonly subscription?: true;
  readonly stays?: true;
  /** What of its output could not be read. */
  readonly told?: readonly string[];
  readonly logBytes: number;
}

const LIMITED = 75;
/** A result may hold a whole answer; a tool's output in one line may be anything. */
const LONGEST_EVENT = 8 * 1024 * 1024;

/** The section of a milestone that holds the script for a purpose. */
const SECTION: Readonly<Record<Purpose, string>> = {
  implement: 'Recipe',
  review: 'Review',
  remediate: 'Remediation',
  resolve: 'Resolve',
};

/** Starts the agent (once), waits for its end and tells what came of it. No descendant is left. */
export async function perform(request: AssignmentRequest): Promise<AgentReport> {
  const { kind } = request;
  switch (kind.kind) {
    case 'recipe':
    case 'command':
      return performProgram(request);
    case 'claude':
      return performCli(request, claude, (call) => callClaude(kind, call));
    case 'codex':
      return performCli(request, codex, (call) => callCodex(kind, call));
    case 'gemini':
      return performCli(request, gemini, (call) => callGemini(kind, call));
    case 'opencode':
      return performCli(request, opencode, (call) => callOpencode(kind, call));
    case 'acp':
      return performCli(request, acp, (call) => callAcp(kind, call));
    default:
      return unreachable(kind);
  }
}

/** A coding CLI, in the conversation it is given; where that is lost, once more in a new one. */
async function performCli<F extends { readonly unknown: number }>(
  request: AssignmentRequest,
  cli: Cli<F>,
  callFor: (call: Call) => Invocation,
): Promise<AgentReport> {
  const { dir, logFile, purpose, session, redact = plainly } = request;
  /** One process, in a folder of its own; its output begins at this byte of the log. */
  const attend = async (own: string, from: number, resumed: string | undefined) => {
    const { command, env, fixed, files, fleeting } = callFor({
      purpose,
      dir: own,
      newSession: sessionId(`${request.tag} ${own === dir ? 1 : 2}`),
      ...(request.model === undefined ? {} : { model: request.model }),
      ...(resumed === undefined ? {} : { session: resumed }),
      ...(request.mcp === undefined ? {} : { mcp: request.mcp }),
      ...(request.capUsd === undefined
        ? {}
        : { capUsd: capOf(request, request.capUsd, resumed !== undefined) }),
    });
    const prompt = resumed === undefined ? request.prompt : (request.furtherPrompt ?? request.prompt);
    if (!hasStarted(own)) {
      await placeAll(own, { 'prompt.md': prompt, 'context.json': request.context, ...files });
    }
    const { repeats = false } = request.timeouts;
    const { onUsage } = request;
    const isWatched = repeats !== false || (cli.usage !== undefined && onUsage !== undefined);
    const watch = isWatched
      ? watchCalls(logFile, cli, {
          from,
          bound: repeats,
          redact,
          ...(onUsage === undefined ? {} : { onUsage }),
        })
      : undefined;
    const end = await superviseIn(own, request, command, environmentOf(request, own, env, fixed), watch);
    for (const name of fleeting ?? []) await rm(join(own, name), { force: true });
    let facts = cli.nothing;
    const { mark } = cli;
    const { bytes, skipped, writtenAt } = await readLines(
      logFile,
      { mark, longest: LONGEST_EVENT, from },
      (line) => {
        for (const event of eventsIn(redact(line))) facts = cli.hear(facts, event);
      },
    );
    const told = cli.outcomeOf(facts, {
      end,
      purpose,
      resumed: resumed !== undefined,
      at: writtenAt,
      lastLine: lastLine(logFile, redact, from),
    });
    return { told, bytes, skipped, unknown: facts.unknown };
  };

  const again = join(dir, 'again');
  let from = await readFile(join(again, 'from'), 'utf8').then(Number, () => undefined);
  let attended = from === undefined ? await attend(dir, 0, session) : undefined;
  if (from === undefined && attended?.told.lost) {
    from = attended.bytes;
    await mkdir(again, { recursive: true, mode: 0o700 });
    await place(again, 'from', String(from));
  }
  if (from !== undefined) attended = await attend(again, from, undefined);
  if (attended === undefined) throw new Error('an assignment that was neither begun nor begun again');
  const { told, bytes, skipped, unknown } = attended;
  const { outcome, verdict } = told;
  const estimated =
    cli.namesNoCost && told.tokens !== undefined
      ? estimateUsd(request.model ?? told.model, told.tokens)
      : undefined;
  const weighed =
    outcome.kind === 'finished'
      ? await weigh(
          request,
          verdict === undefined
            ? { kind: 'unreadable', why: 'it gave no answer in the form asked for' }
            : readVerdict([verdict]),
        )
      : undefined;
  const notes = [
    ...(weighed?.told ?? []),
    ...(from === undefined ? [] : ['its conversation is not known any more, so a new one was begun']),
    ...(unknown > 0 ? [`${unknown} of its events are of kinds that are not known and were passed over`] : []),
    ...(skipped > 0 ? [`${skipped} lines of its output are too long and were passed over`] : []),
  ];
  return {
    outcome,
    costUsd: estimated ?? told.costUsd,
    ...(estimated === undefined || estimated === 0 ? {} : { estimated: true as const }),
    ...(told.session === undefined ? {} : { session: told.session }),
    ...(told.version === undefined ? {} : { version: told.version }),
    ...(told.tokens === undefined ? {} : { tokens: told.tokens }),
    ...(told.windows === undefined ? {} : { windows: told.windows }),
    ...(told.subscription === undefined ? {} : { subscription: told.subscription }),
    ...(told.stays === undefined ? {} : { stays: told.stays }),
    ...(weighed === undefined ? {} : { judgement: weighed.judgement }),
    ...(notes.length === 0 ? {} : { told: notes }),
    logBytes: bytes,
  };
}

/** A CLI counts from the beginning of a conversation. In hundredths of a cent: an argument is read by people. */
const capOf = ({ sessionUsd = 0 }: AssignmentRequest, capUsd: number, resumed: boolean): number =>
  Math.max(1, Math.round((capUsd + (resumed ? sessionUsd : 0)) * 1e4)) / 1e4;

/** A UUID that is the same for the same words, so that starting again cannot begin a second conversation. */
function sessionId(words: string): string {
  const hex = createHash('sha256').update(words).digest('hex');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A program of the user's, or a script of the milestone's. */
async function performProgram(request: AssignmentRequest): Promise<AgentReport> {
  const { dir, logFile, kind, purpose, milestone, redact = plainly } = request;
  if (kind.kind !== 'recipe' && kind.kind !== 'command') throw new Error(`${kind.kind} is no program`);
  const script = kind.kind === 'recipe' ? scriptFor(milestone.recipe, purpose) : undefined;
  if (kind.kind === 'recipe' && script === undefined) {
    return unstarted({
      kind: 'unstartable',
      message: `${milestone.id} has no \`## ${SECTION[purpose]}\` block: add that heading with a \`sh\` block, or name another agent`,
    });
  }
  if (!hasStarted(dir)) {
    await placeAll(dir, {
      'prompt.md': request.prompt,
      'context.json': request.context,
      ...(script === undefined ? {} : { 'recipe.sh': script }),
    });
  }
  const command =
    kind.kind === 'recipe' ? ['bash', '-euo', 'pipefail', join(dir, 'recipe.sh')] : kind.command;
  const [program = ''] = command;
  if (program === '') return unstarted({ kind: 'unstartable', message: 'the agent has no command' });

  const end = await superviseIn(dir, request, command, environmentOf(request, dir));
  const said = await readLog(logFile, redact);
  const who = kind.kind === 'recipe' ? undefined : program;
  const outcome = outcomeOf(end, said, who, lastLine(logFile, redact));
  const weighed = outcome.kind === 'finished' ? await weigh(request, readVerdict(said.verdicts)) : undefined;
  return {
    outcome,
    costUsd: said.costUsd,
    ...(weighed === undefined ? {} : { judgement: weighed.judgement }),
    ...(weighed === undefined || weighed.told.length === 0 ? {} : { told: weighed.told }),
    logBytes: said.bytes,
  };
}

/** What a review's answer is worth, and what of it could not be taken as it stood; undefined for an author. */
async function weigh(
  { purpose, judging, cwd }: AssignmentRequest,
  reply: VerdictReply,
): Promise<{ readonly judgement: Judgement; readonly told: readonly string[] } | undefined> {
  if (purpose !== 'review') return undefined;
  if (judging === undefined) throw new Error('a review without anything to hold it against');
  if (reply.kind === 'unreadable') return { judgement: judge(reply, judging.terms), told: [] };
  const findings = reply.verdict.findings.map((finding) => placed(finding, cwd));
  const files = [...new Set(findings.flatMap(({ file }) => (file === undefined ? [] : [file])))];
  const absent = files.length === 0 ? new Set<string>() : await judging.absentOf(files);
  const { left = 0 } = reply;
  return {
    judgement: judge({ ...reply, verdict: { ...reply.verdict, findings } }, judging.terms, absent),
    told: [
      ...(left === 0
        ? []
        : [
            `the reviewer has ${left + MOST_FINDINGS} findings; the ${MOST_FINDINGS} most severe are looked at`,
          ]),
      ...(absent.size === 0
        ? []
        : [
            `the reviewer names files that are not there (${[...absent].slice(0, 3).join(', ')}${absent.size > 3 ? `, and ${absent.size - 3} more` : ''}): such findings are notes`,
          ]),
    ],
  };
}

/** Where a finding is, from the folder that was reviewed: reviewers write `./a.ts`, `/abs/…/a.ts` and `a.ts:12`, too. */
function placed(finding: Finding, cwd: string): Finding {
  if (finding.file === undefined) return finding;
  const [, path = finding.file, line] = /^(.+?):(\d{1,9})(?:[:-]\d+)?$/.exec(finding.file) ?? [];
  const inside = path.startsWith(`${cwd}/`) ? path.slice(cwd.length + 1) : path;
  const at = finding.line ?? (line === undefined ? 0 : Number(line));
  return { ...finding, file: inside.replace(/^(?:\.\/)+/, ''), ...(at > 0 ? { line: at } : {}) };
}

/** Runs the program to its end under this request's limits, from a folder that stands for this one start. */
async function superviseIn(
  dir: string,
  request: AssignmentRequest,
  line: readonly string[],
  env: Readonly<Record<string, string>>,
  watch?: () => Repeated | undefined,
): Promise<SupervisedEnd> {
  const [command = '', ...args] = line;
  return supervise({
    dir,
    ...(request.cage === undefined ? { command, args } : caged(line, request.cage)),
    cwd: request.cwd,
    env,
    stdinFile: join(dir, 'prompt.md'),
    logFile: request.logFile,
    tag: request.tag,
    timeoutMs: request.milestone.timeoutMs ?? request.timeouts.agentMs,
    idleMs: request.timeouts.idleMs,
    maxLogBytes: request.maxLogBytes ?? Number.POSITIVE_INFINITY,
    signal: request.signal,
    ...(watch === undefined ? {} : { watch }),
    ...(request.graceMs === undefined ? {} : { graceMs: request.graceMs }),
    ...(request.startDetached === undefined ? {} : { startDetached: request.startDetached }),
  });
}

/** How a program ended, by exit status first; what it printed only adds to that. */
function outcomeOf(
  end: SupervisedEnd,
  said: Said,
  command: string | undefined,
  lastWords: string,
): AgentOutcome {
  const ended = endedForIt(end);
  if (ended !== undefined) return ended;
  if (end.kind === 'exited' && end.code === 0) return { kind: 'finished' };
  if (end.kind === 'exited' && end.code === LIMITED) return limited(said);
  return unexplained({ end, lastLine: lastWords }, command);
}

/** Measured from the log's last byte, so that reading again yields the same. */
function limited({ limited: told, writtenAt }: Said): AgentOutcome {
  if (told?.resetAt === undefined) return { kind: 'limited', message: 'usage limit, reset time unknown' };
  const until = limitedUntil({ event: told.resetAt }, writtenAt, 'usage limit');
  if (until.kind !== 'limited' || until.resetAt === undefined) return until;
  const message = `usage limit until ${new Date(until.resetAt).toISOString()}`;
  return { kind: 'limited', resetAt: until.resetAt, message };
}

/** Later ones win; nothing that a milestone or the configuration sets can change what the protocol says. */
function environmentOf(
  request: AssignmentRequest,
  dir: string,
  wanted: Readonly<Record<string, string>> = {},
  fixed: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const env: Record<string, string> = {
    ...wanted,
    ...request.env,
    ...fixed,
    ...request.kind.env,
    ...request.milestoneEnv,
  };
  for (const name of request.pay?.withheld ?? []) delete env[name];
  Object.assign(env, request.pay?.env, {
    MSTONE_MILESTONE: request.milestone.id,
    MSTONE_PURPOSE: request.purpose,
    ...(request.role === undefined ? {} : { MSTONE_ROLE: request.role }),
    MSTONE_ATTEMPT: String(request.attempt),
    MSTONE_BASE: request.base,
    MSTONE_PROMPT_FILE: join(dir, 'prompt.md'),
    MSTONE_CONTEXT_FILE: join(dir, 'context.json'),
    ...(request.notesFile === undefined ? {} : { MSTONE_NOTES_FILE: request.notesFile }),
    [TAG_NAME]: request.env[TAG_NAME] ?? '',
  });
  return withTag(env, request.tag);
}

function scriptFor(recipe: Recipe, purpose: Purpose): string | undefined {
  const script = recipe[purpose];
  return script === undefined || script.trim() === '' ? undefined : script;
}

const placeAll = async (dir: string, files: Readonly<Record<string, string>>): Promise<void> => {
  await Promise.all(Object.entries(files).map(([name, text]) => place(dir, name, text)));
};

/** In one step: a supervisor beside us may be handing the file to an agent already. */
async function place(dir: string, name: string, text: string): Promise<void> {
  const file = join(dir, name);
  const own = `${file}.${randomUUID()}`;
  await writeFile(own, text, { mode: 0o600 });
  await rename(own, file);
}

const unstarted = (outcome: AgentOutcome): AgentReport => ({ outcome, costUsd: 0, logBytes: 0 });

function lastLine(logFile: string, redact: Redactor, from = 0): string {
  const line = readPlainTail(logFile, 2000, from, redact).trimEnd().split('\n').at(-1)?.trim() ?? '';
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}
