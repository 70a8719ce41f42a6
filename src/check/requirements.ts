/** What must hold before an agent starts: a command that exits 0, a file, a variable. */
import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import type { Requirement } from '../model/milestone.js';
import { allowedEnvironment } from '../process/environment.js';
import { runProcess } from '../process/index.js';
import { plainTail, plainText } from '../process/plain.js';
import { lastLine } from './shell.js';

export interface RequirementsRequest {
  /** The folder that the agent would start in. */
  readonly path: string;
  /** The user's environment, whole; commands see its allowed part. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** For each command; 60 s. */
  readonly timeoutMs?: number;
}

export interface UnmetRequirement {
  /** As a person would write it: `command: node --version`; several with commas between. */
  readonly requirement: string;
  /** A clause for each: what was found. */
  readonly message: string;
}

const TAIL_BYTES = 4096;

/** Every requirement that does not hold, in their order, as one; undefined where all do. */
export async function meetRequirements(
  requires: readonly Requirement[],
  request: RequirementsRequest,
): Promise<UnmetRequirement | undefined> {
  const unmet: UnmetRequirement[] = [];
  for (const requirement of requires) {
    const [kind, value] = Object.entries(requirement)[0] ?? ['', ''];
    const message = await problem(requirement, request);
    if (message !== undefined) unmet.push({ requirement: `${kind}: ${plainText(value)}`, message });
  }
  if (unmet.length === 0) return undefined;
  return {
    requirement: unmet.map((one) => one.requirement).join(', '),
    message: unmet.map((one) => one.message).join('; '),
  };
}

async function problem(requirement: Requirement, request: RequirementsRequest): Promise<string | undefined> {
  if ('env' in requirement) {
    const name = plainText(requirement.env);
    return (request.env[requirement.env] ?? '') === '' ? `the variable ${name} is not set` : undefined;
  }
  if ('file' in requirement) return missingFile(requirement.file, request.path);
  return failedCommand(requirement.command, request);
}

async function missingFile(file: string, path: string): Promise<string | undefined> {
  const shown = plainText(file);
  if (file.includes('\0') || isAbsolute(file)) return `${shown} must be a path inside the repository`;
  const found = await realpath(join(path, file)).catch(() => undefined);
  if (found === undefined) return `there is no ${shown}`;
  const inside = relative(await realpath(path), found);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    return `${shown} leads out of the repository`;
  }
  return undefined;
}

async function failedCommand(line: string, request: RequirementsRequest): Promise<string | undefined> {
  const shown = `\`${plainText(line)}\``;
  const outcome = await runProcess({
    command: 'sh',
    args: ['-c', '--', line],
    cwd: request.path,
    env: allowedEnvironment(request.env),
    timeoutMs: request.timeoutMs ?? 60_000,
    tail: true,
    maxBytes: TAIL_BYTES,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
  if (outcome.kind === 'not-found') return outcome.message;
  if (outcome.kind === 'exited' && outcome.code === 0) return undefined;
  const last = lastLine(plainTail(outcome.stdout, TAIL_BYTES));
  const why = last === '' ? '' : `: ${last}`;
  switch (outcome.kind) {
    case 'exited':
      return `${shown} failed (exit ${outcome.code})${why}`;
    case 'killed':
      return `${shown} was ended by ${outcome.signal}${why}`;
    case 'timed-out':
      return `${shown} took too long${why}`;
    case 'cancelled':
      return `${shown} was cancelled`;
    case 'too-much-output':
      return `${shown} said too much`;
  }
}
