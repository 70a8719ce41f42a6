/** What the starter does (`starter.ts`): it starts what it is told to, tells how that ended, and ends with whom it serves. */
import { startDetached } from './detached.js';
import { runShort } from './short.js';
import type { FromStarter, ToStarter } from './starter.js';

const running = new Map<number, AbortController>();

const tell = (message: FromStarter): void => {
  // Nobody hears it: then we are about to end as well.
  process.send?.(message, undefined, undefined, () => undefined);
};

async function act(message: ToStarter): Promise<void> {
  const { id } = message;
  switch (message.do) {
    case 'run': {
      const control = new AbortController();
      running.set(id, control);
      const outcome = await runShort({ ...message.request, signal: control.signal });
      running.delete(id);
      return tell({ is: 'done', id, outcome });
    }
    case 'start': {
      try {
        const { pid, ended } = await startDetached(message.request);
        tell({ is: 'started', id, pid });
        await ended;
        return tell({ is: 'ended', id });
      } catch (error) {
        return tell({ is: 'unstarted', id, message: error instanceof Error ? error.message : String(error) });
      }
    }
    case 'cancel':
      running.get(id)?.abort();
  }
}

process.on('message', (message: ToStarter) => void act(message));
process.once('disconnect', () => process.exit());
tell({ is: 'ready' });
