/**
 * The top of the house: argv in, exit code out. Everything is wired here, and only here is there a
 * process with an environment, streams and signals.
 */
import { CommanderError } from 'commander';
import { makeProgram } from './program.js';
import { processWorld, type World } from './world.js';

/** Runs one command line. Never throws for what a user did; what it throws is a bug of ours. */
export async function main(argv: readonly string[], world: World): Promise<number> {
  let exit = 0;
  const program = makeProgram(world, (code) => {
    exit = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (error) {
    // Commander has already said what is wrong, or printed the help or the version it was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

/** What `bin/mstone.js` calls. */
export async function start(): Promise<void> {
  // A reader that closes its end (`mstone status | head -1`) has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  try {
    process.exitCode = await main(process.argv.slice(2), processWorld());
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(
      `mstone: this is a bug of mstone's; nothing is lost, \`mstone resume\` goes on.\n${text}\n`,
    );
    process.exitCode = 70;
  }
}
