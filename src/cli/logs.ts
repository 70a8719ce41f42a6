/** `mstone logs ID`: what a milestone's agents and checks printed, escape sequences removed. */
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRepository, type Repository } from '../git/index.js';
import { readJournal } from '../journal/index.js';
import { listRuns } from '../journal/runs.js';
import { nearest } from '../model/nearest.js';
import { makeRedactor, type Redactor } from '../model/redact.js';
import { shown } from '../model/shown.js';
import type { RunState } from '../model/state.js';
import { FileTail } from '../process/follow.js';
import { settledWords } from '../report/words.js';
import { emptyRun, replay } from '../run/index.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { absent, readCheckout, readSecrets } from './project.js';
import { isDriven, knownRuns, logsOf } from './state.js';
import type { World } from './world.js';

export interface LogsOptions {
  readonly id: string;
  readonly attempt?: number;
  readonly list?: boolean;
  readonly follow?: boolean;
}

/** `1A.<attempt>.<assignment>.<purpose>.log`, or for a check `1A.<attempt>.<intent>.check.log`. */
/** What agents and checks print, and what agents note for later briefs. */
const LOG = /^(?<item>[0-9A-Za-z-]+)\.(?<attempt>\d+)\.[^.]+\.[a-z]+\.(?:log|notes\.md)$/;
/** How often it is looked for more. */
const LOOK_MS = 250;

interface Log {
  readonly file: string;
  readonly item: string;
  readonly attempt: number;
}

export async function logs(world: World, options: LogsOptions): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return sayDiagnostics(world, repository.error);
  const { stateDir } = repository.value;
  const { id } = options;
  const redact = makeRedactor(await readSecrets(world, repository.value.root));

  const runs = await knownRuns(stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const known = new Set<string>();
  let found: { readonly run: string; readonly logs: readonly Log[] } | undefined;
  for (const { run, state } of runs.value.toReversed()) {
    const all = await logsIn(logsOf(stateDir, state));
    for (const { item } of all) known.add(item);
    const mine = all.filter(({ item }) => item === id);
    if (mine.length > 0) found ??= { run, logs: mine };
  }
  if (found === undefined && !known.has(id)) {
    const none = await unknown(world, repository.value, id, known);
    if (none !== undefined) return none;
  }
  const attempt = options.attempt ?? Math.max(0, ...(found?.logs ?? []).map((log) => log.attempt));
  if (options.follow === true) return follow(world, stateDir, id, found?.run, attempt, redact);
  if (found === undefined) {
    say(world, `${id} has no logs yet: nothing was done for it.\nNext: mstone explain ${id}`);
    return 0;
  }
  const wanted = found.logs.filter((log) => log.attempt === attempt);
  if (wanted.length === 0) {
    return sayError(
      world,
      'unknown-attempt',
      `${id} has no attempt ${attempt} in run ${found.run}`,
      `mstone logs ${id} --list`,
    );
  }
  for (const { file } of wanted) {
    if (options.list === true) {
      say(world, file);
      continue;
    }
    await print(world, `==> ${file} <==`);
    const tail = new FileTail(file, 0, redact);
    for (let more = true; more; ) {
      const part = tail.read();
      await print(world, ...part.lines);
      more = part.more;
    }
    await print(world, ...tail.end());
  }
  return 0;
}

/** The logs in a run's folder of them, oldest first. */
async function logsIn(folder: string): Promise<Log[]> {
  const names = await readdir(folder).catch(absent([] as string[]));
  const found = await Promise.all(
    names.map(async (name) => {
      const { item, attempt } = LOG.exec(name)?.groups ?? {};
      // An agent may have put anything in the place of its notes.
      const stats = item === undefined ? undefined : await lstat(join(folder, name)).catch(absent(undefined));
      if (item === undefined || stats?.isFile() !== true) return [];
      return [{ file: join(folder, name), item, attempt: Number(attempt), at: stats.birthtimeMs }];
    }),
  );
  return found.flat().sort((a, b) => a.at - b.at || (a.file < b.file ? -1 : 1));
}

/** A milestone that has not begun is none that there is not. */
async function unknown(
  world: World,
  repository: Repository,
  id: string,
  logged: ReadonlySet<string>,
): Promise<number | undefined> {
  const { milestones } = await readCheckout(world, repository, {});
  const ids = milestones.map((milestone) => milestone.id);
  if (ids.includes(id) || /^(?:\d+-gate|base)$/.test(id)) return undefined;
  const near = nearest(id, [...new Set([...logged, ...ids])]);
  return sayError(
    world,
    'no-logs',
    `${shown(id)} has no logs yet`,
    near === undefined ? undefined : `did you mean \`${near}\`?`,
  );
}

/** Waits while whoever reads us is slower than the disk. */
async function print(world: World, ...lines: readonly string[]): Promise<void> {
  const { stdout, closed } = world;
  if (lines.length === 0 || closed?.aborted === true) return;
  if (stdout.write(`${lines.join('\n')}\n`)) return;
  await new Promise<void>((resolve) => {
    const events = ['drain', 'close', 'error'] as const;
    const go = (): void => {
      for (const event of events) stdout.off(event, go);
      resolve();
    };
    for (const event of events) stdout.on(event, go);
  });
}

/**
 * Shows what comes, assignment by assignment and from run to run, until the milestone is settled or until
 * Ctrl-C, which is no failure. Begins with the logs of one attempt, those of `run` if it has any.
 */
async function follow(
  world: World,
  stateDir: string,
  id: string,
  run: string | undefined,
  attempt: number,
  redact: Redactor,
): Promise<number> {
  const stop = new AbortController();
  const stopListening = world.onSignal(() => stop.abort());
  world.closed?.addEventListener('abort', () => stop.abort(), { once: true });
  const journals = new JournalWatch();
  const tails = new Map<string, FileTail>();
  let last: { readonly file: string; readonly tail: FileTail } | undefined;
  const tell = (text: string): void => {
    world.stderr.write(`${text}\n`);
  };
  let told: string | undefined;
  try {
    for (;;) {
      // Looked at before the logs: what an item printed before it was settled is then shown.
      const runs = (await listRuns(stateDir)).filter((known) => run === undefined || known.run >= run);
      const newest = await journals.look(runs.at(-1));
      let state: RunState | undefined = newest;
      for (const known of runs.slice(0, -1).reverse()) {
        if (state?.items.has(id)) break;
        state = await journals.look(known);
      }
      const item = state?.items.get(id);
      const settled = item === undefined ? undefined : settledWords(item);

      for (const known of runs) {
        const its = await journals.look(known);
        if (its === undefined) continue;
        for (const log of await logsIn(logsOf(stateDir, its))) {
          if (log.item !== id || (known.run === run && log.attempt < attempt)) continue;
          const tail = tails.get(log.file) ?? new FileTail(log.file, 0, redact);
          tails.set(log.file, tail);
          for (let more = true; more && !stop.signal.aborted; ) {
            const part = tail.read();
            if (part.lines.length > 0 && last?.file !== log.file) {
              await print(world, ...(last?.tail.end() ?? []), `==> ${log.file} <==`);
              last = { file: log.file, tail };
            }
            await print(world, ...part.lines);
            more = part.more;
          }
        }
      }
      if (stop.signal.aborted) return 0;
      if (settled !== undefined) {
        await print(world, ...(last?.tail.end() ?? []));
        tell(settled);
        return 0;
      }
      const why = (await isDriven(stateDir))
        ? tails.size === 0
          ? `${id} has not begun; waiting`
          : undefined
        : `no run is under way; waiting for \`mstone ${newest === undefined || newest.end?.is === 'ended' ? 'run' : 'resume'}\``;
      if (why !== undefined && why !== told) tell(why);
      told = why;
      await sleep(LOOK_MS, undefined, { signal: stop.signal }).catch((error: Error) => {
        if (error.name !== 'AbortError') throw error;
      });
    }
  } finally {
    stopListening();
  }
}

/** States of runs, read anew only where the journal has grown. */
class JournalWatch {
  private readonly seen = new Map<string, { readonly size: number; readonly state: RunState }>();

  async look(
    run: { readonly run: string; readonly file: string } | undefined,
  ): Promise<RunState | undefined> {
    if (run === undefined) return undefined;
    const size = (await stat(run.file).catch(absent(undefined)))?.size ?? 0;
    const before = this.seen.get(run.run);
    if (before?.size === size) return before.state;
    const read = await readJournal(run.file);
    // Damage is told by every other command; here it only means that nothing is known of the end.
    if (!read.ok) return before?.state;
    const state = replay(
      emptyRun(run.run),
      read.value.entries.map(({ event }) => event),
    );
    this.seen.set(run.run, { size, state });
    return state;
  }
}
