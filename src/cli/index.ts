/**
 * The top of the house: argv in, exit code out. Everything is wired here, and only here is there a
 * process with an environment, streams and signals.
 */
import { CommanderError } from 'commander';
import { stackOf } from './bug.js';
import { home } from './home.js';
import { keeping } from './keep.js';
import { makeProgram } from './program.js';
import { watchStreams } from './streams.js';
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

/** The exit code of a run whose terminal was closed. */
const HANGUP = 129;

/** What `bin/mstone.js` calls where `door.ts` has no answer. */
export async function start(): Promise<void> {
  const closed = watchStreams();
  try {
    const argv = process.argv.slice(2);
    process.exitCode = await keeping(argv, { ...processWorld(), closed }, (world) => main(argv, world));
    // Agents go on without us; what waits for them here would keep us alive as long.
    if (process.exitCode === HANGUP) process.exit();
  } catch (error) {
    const text = stackOf(error, home);
    process.stderr.write(
      `mstone: this is a bug of mstone's; nothing is lost, \`mstone resume\` goes on.\n${text}\n`,
    );
    process.exitCode = 70;
  }
}
