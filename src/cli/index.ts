/**
 * The top of the house: argv in, exit code out. Everything is wired here, and only here is there a
 * process with an environment, streams and signals.
 */
import { CommanderError } from 'commander';
import { stackOf } from './bug.js';
import { makeProgram } from './program.js';
import { home, processWorld, type World } from './world.js';

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

/** What a stream says whose reader is no longer there. */
const GONE: readonly string[] = ['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'];

/** The exit code of a run whose terminal was closed. */
const HANGUP = 129;

/** What `bin/mstone.js` calls. */
export async function start(): Promise<void> {
  // Whoever closes the other end (`mstone status | head -1`, a terminal that went away) has seen enough: a run
  // goes on, what reads comes to its end, and what only watches stops. The exit code is what it would be.
  const closed = new AbortController();
  let lost: Error | undefined;
  process.once('exit', () => {
    if (lost === undefined) return;
    process.stderr.write(`mstone: not all could be written: ${lost.message}\n`);
    process.exitCode ||= 1;
  });
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (stream === process.stdout) closed.abort();
      if (!GONE.includes(error.code ?? '')) lost ??= error;
    });
  }
  try {
    process.exitCode = await main(process.argv.slice(2), { ...processWorld(), closed: closed.signal });
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
