/** `mstone doctor --probe`: one tiny prompt to an agent, by the way that a run goes, in a folder of its own. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownVariables } from '../agent/environment.js';
import { type AgentReport, perform } from '../agent/index.js';
import type { AgentConfig } from '../model/config.js';
import { allowedEnvironment } from '../process/environment.js';
import type { World } from './world.js';

const PROMPT = 'Answer with the one word: ready. Use no tool, and read and write no file.\n';
/** A tiny prompt is answered within seconds; a CLI without network may try for minutes. */
const LONGEST_MS = 120_000;
/** More than a word costs with any model, what the CLI itself says to it included. */
const MOST_USD = 1;

/** What came back, and how long it took, ms. */
export async function probe(
  world: World,
  agent: AgentConfig,
  model: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly report: AgentReport; readonly ms: number }> {
  const root = await mkdtemp(join(tmpdir(), 'mstone-probe-'));
  const [dir, cwd] = [join(root, 'assignment'), join(root, 'folder')];
  try {
    await mkdir(dir, { mode: 0o700 });
    await mkdir(cwd, { mode: 0o700 });
    const begun = world.now();
    const report = await perform({
      dir,
      logFile: join(root, 'log'),
      kind: agent,
      purpose: 'implement',
      milestone: { id: 'probe', body: PROMPT, criteria: [], recipe: {} },
      attempt: 1,
      base: '0'.repeat(40),
      cwd,
      prompt: PROMPT,
      ...(model === undefined ? {} : { model }),
      context: '{}\n',
      env: allowedEnvironment(world.env, ownVariables(agent.kind, world.env)),
      milestoneEnv: {},
      capUsd: MOST_USD,
      timeouts: { agentMs: LONGEST_MS, idleMs: LONGEST_MS },
      tag: `probe.${randomUUID()}`,
      signal,
    });
    return { report, ms: world.now() - begun };
  } finally {
    await rm(root, { recursive: true, force: true, maxRetries: 3 });
  }
}
