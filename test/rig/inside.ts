import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { main } from '../../src/cli/index.js';
import type { World } from '../../src/cli/world.js';
import type { Host } from '../../src/host/index.js';
import { record } from './record.js';

export const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A machine that is short of nothing. */
const roomy: Host = {
  everyMs: 5000,
  measure: async ({ places, cpu }) => ({
    memory: { totalBytes: 100e9, availableBytes: 50e9 },
    disks: places.map((place) => ({ place, freeBytes: 50e9 })),
    ...(cpu ? { cpu: 0.5 } : {}),
  }),
};

/** A command line's world without a process: pipes, a clock, no signals. `said` tells what was printed. */
export function makeInside(
  cwd: string,
  env: Readonly<Record<string, string>>,
): { readonly world: World; said(): { readonly stdout: string; readonly stderr: string } } {
  const pipe = (): { readonly stream: NodeJS.WriteStream; text(): string } => {
    const stream = new PassThrough();
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
  };
  const [stdout, stderr] = [pipe(), pipe()];
  return {
    world: {
      cwd,
      env,
      stdin: () => new PassThrough() as unknown as NodeJS.ReadStream,
      stdout: stdout.stream,
      stderr: stderr.stream,
      now: () => Date.now(),
      onSignal: () => () => undefined,
      argv: [],
      program: [],
      cpus: 2,
      host: roomy,
      home,
    },
    said: () => ({ stdout: stdout.text(), stderr: stderr.text() }),
  };
}

/** One command line in this very process: as mstone, and quicker. `more` is what its world has otherwise. */
export async function inside(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
  more: Partial<World> = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { world, said } = makeInside(cwd, env);
  const code = await main(args, { ...world, ...more });
  // What was written to the pipes is read in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  record({ args, cwd, env, code, ...said() });
  return { code, ...said() };
}
