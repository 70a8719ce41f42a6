/** Streams whose reader may go away before all is written. */

/** What a stream says whose reader is no longer there. */
const GONE: readonly string[] = ['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'];

/**
 * Whoever closes the other end (`mstone status | head -1`, a terminal that went away) has seen enough: a run goes
 * on, what reads comes to its end, and what only watches stops (`closed` is aborted). The exit code is what it
 * would be, but where what was to be written is lost for another reason: a full disk, say.
 */
export function watchStreams(): AbortSignal {
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
  return closed.signal;
}
