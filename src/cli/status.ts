/** `mstone status`, and bare `mstone`: where everything is. Takes no lock and starts nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { laidOut, type Repository } from '../git/index.js';
import { listFilesAt } from '../git/tree.js';
import { parseName } from '../milestone/name.js';
import type { RunState } from '../model/state.js';
import { makePlan } from '../plan/index.js';
import { type Change, type SinceBegun, statusDocument, statusText } from '../report/documents.js';
import { say, sayDiagnostics, sayJson } from './output.js';
import { ingredientsOf, openProject, readCheckout, type Sources } from './project.js';
import { isDriven, type KnownRun, knownRuns } from './state.js';
import type { World } from './world.js';

type Terminal = World & { readonly color: boolean };

export interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
}

export async function status(world: Terminal, options: StatusOptions): Promise<number> {
  return options.watch === true ? watch(world) : statusOnce(world, options);
}

/** How often it is looked. */
const WATCH_MS = 1000;
/** Cursor home, and everything below it gone: no flicker as with a screen that is cleared first. */
const HOME = '\u001b[H\u001b[J';

/** Shows what has changed each second until it is told to stop, which is no failure. */
async function watch({ madeOf: _, ...world }: Terminal): Promise<number> {
  const stop = new AbortController();
  const stopListening = world.onSignal(() => stop.abort());
  world.closed?.addEventListener('abort', () => stop.abort(), { once: true });
  const picture = world.stdout.isTTY === true && world.env.TERM !== 'dumb';
  let before: string | undefined;
  try {
    while (!stop.signal.aborted) {
      let text = '';
      const page = { write: (part: string) => (text += part) } as unknown as NodeJS.WriteStream;
      // Beside a picture that is drawn anew, what only counts down is nothing new.
      const still = picture ? {} : { still: true as const };
      const exit = await statusOnce({ ...world, stdout: page, stderr: page }, still);
      if (exit !== 0 && before === undefined) {
        world.stderr.write(text);
        return exit;
      }
      if (text !== before)
        world.stdout.write(picture ? HOME + text : before === undefined ? text : `\n${text}`);
      before = text;
      await sleep(WATCH_MS, undefined, { signal: stop.signal }).catch(ignoreAbort);
    }
    return 0;
  } finally {
    stopListening();
  }
}

function ignoreAbort(error: Error): void {
  if (error.name !== 'AbortError') throw error;
}

async function statusOnce(
  world: Terminal,
  options: { readonly json?: boolean; readonly still?: true },
): Promise<number> {
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, target, landings } = project.value;
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const last = runs.value.at(-1);
  const sources = await readCheckout(world, repository, {});
  const made = makePlan({
    target: target.branch,
    milestones: [...sources.milestones],
    landings,
    selection: { ids: [] },
  });
  const alive = await isDriven(repository.stateDir);
  const plan = made.ok ? made.value : undefined;
  const laid = laidOut(repository, sources.layout);
  const since = last === undefined ? new Map() : await changesSince(laid, last, sources);
  if (!alive && (last === undefined || isDone(last.state))) {
    world.madeOf?.(ingredientsOf(project.value, sources));
  }
  if (options.json === true) {
    sayJson(world, statusDocument(last?.state, plan, alive, world.now(), since));
  } else {
    if (!made.ok) sayDiagnostics(world, made.error);
    say(
      world,
      statusText(last?.state, plan, {
        alive,
        color: world.color,
        now: world.now(),
        since,
        ...(options.still === undefined ? {} : { still: options.still }),
      }),
    );
  }
  return 0;
}

/** Whether all of a run came to its end: what is said of it hangs on no clock. */
const isDone = ({ end, items }: RunState): boolean =>
  end?.is === 'ended' &&
  [...items.values()].every(({ phase }) => phase.is === 'landed' || phase.is === 'passed');

/** How milestones differ by now from what an unfinished run began with. */
async function changesSince(
  repository: Repository,
  { entries, state }: KnownRun,
  { milestones, diagnostics }: Sources,
): Promise<SinceBegun> {
  if (state.end?.is === 'ended') return new Map();
  const opened = entries.findLast(
    ({ event }) => event.type === 'run.started' || event.type === 'run.continued',
  );
  if (opened === undefined || !('settings' in opened.event)) return new Map();
  const then = new Set(
    (await listFilesAt(repository, opened.event.head, repository.layout.milestones)).flatMap(({ path }) => {
      const name = parseName(path);
      return 'id' in name ? [name.id] : [];
    }),
  );
  // A file that cannot be read by now is there all the same.
  const broken = new Set(
    diagnostics.flatMap(({ file = '' }) => {
      const name = parseName(file);
      return 'id' in name ? [name.id] : [];
    }),
  );
  const now = new Map(milestones.map((milestone) => [milestone.id, milestone]));
  const changes = new Map<string, Change>();
  for (const id of now.keys()) if (!then.has(id)) changes.set(id, 'new');
  for (const [id, { item, phase }] of state.items) {
    if (item.kind !== 'milestone' || phase.is === 'landed') continue;
    const milestone = now.get(id);
    if (milestone === undefined) changes.set(id, broken.has(id) ? 'edited' : 'deleted');
    else if (milestone.digest !== item.digest) changes.set(id, 'edited');
  }
  return changes;
}
