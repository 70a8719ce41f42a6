/**
 * `mstone clean`: shows what of mstone's own can go, each with the proof that nothing is lost by it, and
 * removes it with `-f`. What cannot be proven stays and is named. `--all` is the uninstall.
 *
 * Proven is a ref whose commits a branch holds that stays, a milestone's view aside: a retry moves it. So is
 * a run whose journal tells later runs nothing, and a slot always: what only it holds is pinned first.
 */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { makeLane } from '../engine/index.js';
import { listRefs, listWorktrees, type Repository, readTarget } from '../git/index.js';
import { removeSlot, slotHead, slotPlace } from '../git/slots.js';
import { deleteRefs, findSlots, heldBy, type KnownSlot, slotsKey } from '../git/tidy.js';
import { runFolder } from '../journal/runs.js';
import type { Config } from '../model/config.js';
import { CONFIG_FILE, type Layout } from '../model/layout.js';
import type { Oid } from '../model/outcome.js';
import type { Landing } from '../model/plan.js';
import { shown } from '../model/shown.js';
import { endTagged, listTagged } from '../process/tagged.js';
import { count, names } from '../report/words.js';
import { historyOf } from '../run/history.js';
import { slotsFolder } from './hands.js';
import { endOrphans, findOrphans } from './orphans.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { absent, landingsOf, openProject, type Project, readCheckout } from './project.js';
import { isDriven, type KnownRun, knownRuns, logsOf, statesOn, underLock, unfinishedOf } from './state.js';
import type { World } from './world.js';

export interface CleanOptions {
  readonly all?: true;
  readonly force?: true;
  readonly loseWork?: true;
}

/** The newest runs stay, whatever they are worth. */
const RUNS_KEPT = 5;
const HEADS = 'refs/heads/';
const OURS = `${HEADS}mstone/`;
/** Branches that show a milestone's, or a stage gate's, latest work. */
const VIEW = /^refs\/heads\/mstone\/(\d{1,3}(?:[A-Z]{1,2}|-gate))$/;
/** Part of a landing that has not reached its target: never taken for a mere pin. */
const LANDING = /^refs\/mstone\/(shadow|followed)\//;

/** What a slot held last, pinned a second time. */
const SLOT_PIN = /^refs\/mstone\/slots\//;

/** One thing that can go, and why. */
interface Removable {
  readonly what: string;
  readonly why: string;
}

interface Sweep {
  readonly runs: readonly (Removable & { readonly dir: string; readonly logs?: string })[];
  /** Folders of the state that hold nothing but what can be made again. */
  readonly scratch: readonly (Removable & { readonly dir: string })[];
  readonly slots: readonly (Removable & { readonly slot: KnownSlot })[];
  readonly refs: readonly (Removable & { readonly ref: string; readonly oid: Oid })[];
  /** What stays though it is mstone's, each with the reason. */
  readonly kept: readonly string[];
  /** What would be lost if everything went. */
  readonly unlanded: readonly string[];
  /** The refs that the proofs rest on. */
  readonly keepers: ReadonlyMap<string, Oid>;
}

export async function clean(world: World, options: CleanOptions): Promise<number> {
  if (options.loseWork === true && options.all !== true) {
    return sayError(
      world,
      'contradiction',
      '--lose-work goes with --all only',
      'mstone clean -f never loses work',
    );
  }
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository } = project.value;
  if (options.force !== true) {
    if (await isDriven(repository.stateDir)) {
      return sayError(world, 'locked', 'a run is going on', 'wait for its end; `mstone status` shows it');
    }
    return sweepAndSay(world, project.value, options);
  }
  const exit = await underLock(world, repository, async () => {
    // Read now that nobody else can land.
    const again = await openProject(world, undefined);
    if (!again.ok) return sayDiagnostics(world, again.error);
    return sweepAndSay(world, again.value, options);
  });
  // The lock lay in it. Another mstone may have taken that by now: then the folder is not empty, and stays.
  if (exit === 0 && options.all === true) await removeEmpty(repository.stateDir);
  return exit;
}

async function sweepAndSay(world: World, project: Project, options: CleanOptions): Promise<number> {
  const { repository } = project;
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const unfinished = unfinishedOf(runs.value);
  if (unfinished !== undefined && options.loseWork !== true) {
    return sayError(
      world,
      'unfinished-run',
      `run ${unfinished.run} on ${shown(unfinished.state.target)} is unfinished`,
      options.all === true
        ? 'finish it first: mstone resume; or drop it: mstone clean --all -f --lose-work'
        : undefined,
    );
  }
  const tagged = await listTagged();
  const { config, layout } = await readCheckout(world, repository, {});
  const slotsDir = slotsFolder(world, repository, config);
  const orphans = findOrphans(tagged, runs.value, { slotsDir, driven: false });
  if (options.force === true) for (const text of await endOrphans(orphans)) say(world, text);
  else
    for (const { pid, what } of orphans) say(world, `process ${pid}: nobody waits for it any more (${what})`);
  const sweep =
    options.all === true
      ? await sweepAll(project, runs.value, slotsDir)
      : await sweepProven(project, runs.value, slotsDir);
  if (options.force !== true) return sayPlan(world, sweep, options.all === true);
  if (options.all === true) {
    return uninstall(world, { project, runs: runs.value, slotsDir, config, layout, options, sweep });
  }
  return removeProven(world, project, { runs: runs.value, slotsDir, config }, sweep);
}

// What goes.

/** What can be shown to be held elsewhere, or to be of no use. */
async function sweepProven(
  { repository, target, landings }: Project,
  runs: readonly KnownRun[],
  slotsDir: string,
): Promise<Sweep> {
  const kept: string[] = [];
  const heads = await listRefs(repository, HEADS);
  const pins = [...(await listRefs(repository, 'refs/mstone'))].filter(([ref]) => !LANDING.test(ref));
  const open = new Set((await listWorktrees(repository)).map(({ branch }) => branch));
  const first = new Map(target.target === undefined ? [] : [[target.ref, target.target]]);
  const onTarget = await heldBy(repository, [`${HEADS}mstone`], first);

  const views = [...heads].flatMap(([ref, oid]) => {
    const id = VIEW.exec(ref)?.[1];
    if (id === undefined) return [];
    const why =
      landings.get(id)?.state !== 'done'
        ? `has not landed on ${target.branch}`
        : !onTarget.has(ref)
          ? `holds work that ${target.branch} does not`
          : open.has(ref)
            ? 'is checked out'
            : undefined;
    if (why === undefined) return [{ ref, oid, what: `branch ${nameOf(ref)}`, why: proof(target.ref) }];
    kept.push(`branch ${nameOf(ref)}: ${why}`);
    return [];
  });

  const keepers = new Map([...first, ...[...heads].filter(([ref]) => !VIEW.test(ref))]);
  const held = await heldBy(repository, ['refs/mstone'], keepers);
  const stays = new Map<Oid, string>();
  for (const [ref, oid] of pins) if (!held.has(ref) && !SLOT_PIN.test(ref)) stays.set(oid, ref);
  const provenPins = pins.flatMap(([ref, oid]) => {
    const keeper = held.get(ref);
    const twin = SLOT_PIN.test(ref) ? stays.get(oid) : undefined;
    if (keeper !== undefined) return [{ ref, oid, what: ref, why: proof(keeper) }];
    if (twin !== undefined) return [{ ref, oid, what: ref, why: `the same as ${twin}` }];
    kept.push(`${ref}: reachable from no branch that stays; \`git log ${ref}\` shows it`);
    return [];
  });

  const { slots, strange } = await findSlots(repository, slotsDir);
  for (const dir of strange) kept.push(`${dir}: where its folder is cannot be told`);
  const provenRuns = await sweepRuns(repository, runs, kept, new Map([[target.branch, landings]]));
  return {
    runs: provenRuns,
    scratch: await sweepScratch(repository),
    slots: await Promise.all(
      slots.map(async (slot) => ({
        slot,
        what: slotName(slot),
        why: await slotProof(repository, slot, first),
      })),
    ),
    refs: [...views, ...provenPins],
    kept,
    unlanded: [],
    keepers: used(keepers, [target.ref, ...held.values()]),
  };
}

/**
 * Runs before the newest ones that tell later runs nothing: neither brakes nor attempts (those are kept
 * over all runs), nor a landing that git does not prove, nor files that no commit could hold.
 */
async function sweepRuns(
  repository: Repository,
  runs: readonly KnownRun[],
  kept: string[],
  landings: Map<string, Project['landings']>,
): Promise<Sweep['runs']> {
  const found: Sweep['runs'][number][] = [];
  let left = [...runs];
  for (const known of runs.slice(0, -RUNS_KEPT)) {
    const { run, state } = known;
    const landed = landings.get(state.target) ?? (await landingsOn(repository, state.target));
    landings.set(state.target, landed);
    const dir = runFolder(repository.stateDir, run);
    const without = left.filter((one) => one !== known);
    const why =
      state.end?.is === 'ended'
        ? await reasonToKeep(known, left, without, logsOf(repository.stateDir, state), landed)
        : 'it is unfinished';
    if (why !== undefined) {
      kept.push(`run ${run}: ${why}`);
      continue;
    }
    left = without;
    found.push({
      dir: dir.dir,
      ...logsElsewhere(state),
      what: `run ${run}`,
      why: `finished, and ${RUNS_KEPT} newer ones tell all it knew`,
    });
  }
  return found;
}

/** The folder of a run's logs where it is not the one beside its journal. Nothing but a run's own is ever removed. */
const logsElsewhere = ({ run, settings: { logs } }: KnownRun['state']): { readonly logs?: string } =>
  logs !== undefined && isAbsolute(logs) && basename(logs) === run ? { logs } : {};

/** What git commands of mstone's make for themselves and a killed one leaves. */
async function sweepScratch({ stateDir }: Repository): Promise<Sweep['scratch']> {
  const there = new Set(await readdir(stateDir).catch(absent([] as string[])));
  return [
    { name: 'attributes', why: 'made again by the next merge' },
    { name: 'detached.log', why: 'what runs in the background printed, beside their journals' },
    { name: 'detached.log.old', why: 'what runs in the background printed, beside their journals' },
    { name: 'tmp', why: 'left by git commands that have ended' },
  ]
    .filter(({ name }) => there.has(name))
    .map(({ name, why }) => ({ dir: join(stateDir, name), what: join(stateDir, name), why }));
}

async function reasonToKeep(
  { state }: KnownRun,
  left: readonly KnownRun[],
  without: readonly KnownRun[],
  logs: string,
  landings: ReadonlyMap<string, Landing>,
): Promise<string | undefined> {
  const told = (runs: readonly KnownRun[]) => historyOf(statesOn(state.target, runs)).history;
  const byId = (runs: readonly KnownRun[]) => new Map(told(runs).map((item) => [item.id, item]));
  if (!isDeepStrictEqual(byId(left), byId(without))) return 'it alone knows what milestones have used up';
  const unproven = [...state.items.values()]
    .filter(({ item, phase }) => item.kind === 'milestone' && phase.is === 'landed' && !landings.has(item.id))
    .map(({ item }) => item.id);
  if (unproven.length > 0) {
    return `it alone knows that ${names(unproven)} landed; if so, mstone mark ${unproven.join(' ')} --done`;
  }
  const loose = await archivesIn(logs, landings);
  return loose.length > 0 ? `it holds files that no commit could: ${names(loose)}` : undefined;
}

/** Archives of files that belong to milestones which have not landed without them. */
async function archivesIn(logs: string, landings: ReadonlyMap<string, Landing>): Promise<string[]> {
  const found = await readdir(logs).catch(absent([] as string[]));
  return found
    .filter((name) => name.endsWith('.left') && landings.get(name.split('.')[0] ?? '')?.state !== 'done')
    .map((name) => join(logs, name));
}

async function landingsOn(repository: Repository, branch: string): Promise<Project['landings']> {
  return landingsOf(repository, await readTarget(repository, branch));
}

/** Everything, and what of it is nowhere else. */
async function sweepAll(
  { repository, target, landings }: Project,
  runs: readonly KnownRun[],
  slotsDir: string,
): Promise<Sweep> {
  const kept: string[] = [];
  const unlanded: string[] = [];
  const heads = await listRefs(repository, HEADS);
  const open = new Set((await listWorktrees(repository)).map(({ branch }) => branch));
  const shadows = new Set(
    [target.branch, ...runs.map(({ state }) => state.target)].map((name) => OURS + name),
  );
  const ours = [...heads].filter(([ref]) => VIEW.test(ref) || shadows.has(ref));
  for (const ref of heads.keys()) {
    if (ref.startsWith(OURS) && !VIEW.test(ref) && !shadows.has(ref)) {
      kept.push(`branch ${nameOf(ref)}: not one of mstone's`);
    }
  }
  const going = [...ours.filter(([ref]) => !open.has(ref)), ...(await listRefs(repository, 'refs/mstone'))];
  for (const [ref] of ours) if (open.has(ref)) kept.push(`branch ${nameOf(ref)}: is checked out`);
  const gone = new Set(going.map(([ref]) => ref));
  const others = await listRefs(repository, HEADS, 'refs/tags', 'refs/remotes');
  const keepers = new Map(
    [...others]
      .filter(([ref]) => !gone.has(ref) && !ref.endsWith('/HEAD'))
      .sort(([a], [b]) => rank(a, target.ref) - rank(b, target.ref)),
  );
  const held = await heldBy(repository, [`${HEADS}mstone`, 'refs/mstone'], keepers);
  const refs = going.map(([ref, oid]) => {
    const keeper = held.get(ref);
    const what = ref.startsWith(HEADS) ? `branch ${nameOf(ref)}` : ref;
    if (keeper === undefined) unlanded.push(`${what}: reachable from no branch or tag of yours`);
    return { ref, oid, what, why: keeper === undefined ? 'NOT LANDED' : proof(keeper) };
  });

  const { slots, strange } = await findSlots(repository, slotsDir);
  for (const dir of strange) kept.push(`${dir}: where its folder is cannot be told`);
  for (const { run, state } of runs) {
    if (state.end?.is !== 'ended') unlanded.push(`run ${run}: unfinished`);
    const logs = logsOf(repository.stateDir, state);
    const landed = state.target === target.branch ? landings : await landingsOn(repository, state.target);
    for (const file of await archivesIn(logs, landed))
      unlanded.push(`${file}: files that no commit could hold`);
  }
  const rescued = join(repository.stateDir, 'rescued');
  for (const name of await readdir(rescued).catch(absent([] as string[]))) {
    unlanded.push(`${join(rescued, name)}: files that a slot held`);
  }
  return {
    runs: [
      { dir: repository.stateDir, what: repository.stateDir, why: `state, ${count(runs.length, 'run')}` },
      ...runs.flatMap(({ state }) => {
        const { logs } = logsElsewhere(state);
        return logs === undefined ? [] : [{ dir: logs, what: logs, why: `logs of run ${state.run}` }];
      }),
    ],
    scratch: [],
    slots: await Promise.all(
      slots.map(async (slot) => ({
        slot,
        what: slotName(slot),
        why: await slotProof(repository, slot, keepers),
      })),
    ),
    refs,
    kept,
    unlanded,
    keepers: used(keepers, [...held.values()]),
  };
}

/** The target is named first, then branches. */
const rank = (ref: string, target: string): number => (ref === target ? 0 : ref.startsWith(HEADS) ? 1 : 2);

const used = (keepers: ReadonlyMap<string, Oid>, refs: readonly string[]): Map<string, Oid> =>
  new Map([...keepers].filter(([ref]) => refs.includes(ref)));

const nameOf = (ref: string): string => ref.replace(/^refs\/(heads|tags|remotes)\//, '');

const proof = (keeper: string): string => `reachable from ${nameOf(keeper)}`;

const slotName = ({ slot, path }: KnownSlot): string => `slot ${slot} (${path})`;

async function slotProof(
  repository: Repository,
  { slotsDir, slot, isolation, state }: KnownSlot,
  keepers: ReadonlyMap<string, Oid>,
): Promise<string> {
  const head = await slotHead(repository, slotPlace(repository, slotsDir, slot, isolation));
  const holder =
    head === undefined
      ? undefined
      : ([...keepers].find(([, oid]) => oid === head)?.[0] ?? (await holderOf(repository, head, keepers)));
  const told = holder === undefined ? state : `${state}, its commit is ${proof(holder)}`;
  return `not in use, ${told}; what only it holds is pinned first`;
}

async function holderOf(
  repository: Repository,
  head: Oid,
  keepers: ReadonlyMap<string, Oid>,
): Promise<string | undefined> {
  const answer = await repository.git({
    args: ['for-each-ref', '--format=%(refname)', `--contains=${head}`, ...keepers.keys()],
    cwd: repository.root,
  });
  const holders = new Set(answer.text.split('\n'));
  return answer.code === 0 ? [...keepers.keys()].find((ref) => holders.has(ref)) : undefined;
}

// What is said and done.

function sayPlan(world: World, sweep: Sweep, all: boolean): number {
  const things = [...sweep.runs, ...sweep.scratch, ...sweep.slots, ...sweep.refs];
  const lines: string[] = [];
  if (sweep.unlanded.length > 0) {
    lines.push('Work that has not landed:', ...sweep.unlanded.map(indented), '');
  }
  lines.push(
    things.length === 0 ? 'Nothing to remove.' : 'Would remove:',
    ...things.map(({ what, why }) => indented(`${what}: ${why}`)),
  );
  if (sweep.kept.length > 0) lines.push('', 'Would keep:', ...sweep.kept.map(indented));
  if (things.length > 0) {
    const more = sweep.unlanded.length > 0 ? ' --lose-work' : '';
    lines.push('', `Next: mstone clean${all ? ' --all' : ''} -f${more}`);
  }
  say(world, lines.join('\n'));
  return 0;
}

const indented = (text: string): string => `  ${shown(text, 400)}`;

async function removeProven(
  world: World,
  project: Project,
  found: { readonly runs: readonly KnownRun[]; readonly slotsDir: string; readonly config: Config },
  before: Sweep,
): Promise<number> {
  const { repository } = project;
  const slots = await removeSlots(repository, before.slots, found.config);
  // What the slots held is pinned now, and what pinned it for them is not needed any more.
  const sweep = await sweepProven(project, found.runs, found.slotsDir);
  const refs = new Map(sweep.refs.map(({ ref, oid }) => [ref, oid]));
  if (!(await deleteRefs(repository, refs, sweep.keepers))) return sayMoved(world);
  for (const { dir, logs } of sweep.runs) {
    await rm(dir, { recursive: true, force: true });
    if (logs !== undefined) await rm(logs, { recursive: true, force: true });
  }
  for (const { dir } of sweep.scratch) await rm(dir, { recursive: true, force: true });
  const done = [...sweep.runs, ...sweep.scratch, ...sweep.refs].map(({ what, why }) => `${what}: ${why}`);
  const lines = [
    done.length + slots.removed.length === 0 ? 'Nothing to remove.' : 'Removed:',
    ...[...slots.removed, ...done, ...slots.told].map(indented),
  ];
  if (sweep.kept.length > 0) lines.push('', 'Kept:', ...sweep.kept.map(indented));
  say(world, lines.join('\n'));
  return slots.failed ? 1 : 0;
}

const sayMoved = (world: World): number =>
  sayError(world, 'target-moved', 'a branch has moved meanwhile; no ref was removed');

async function uninstall(
  world: World,
  all: {
    readonly project: Project;
    readonly runs: readonly KnownRun[];
    readonly slotsDir: string;
    readonly config: Config;
    readonly layout: Layout;
    readonly options: CleanOptions;
    readonly sweep: Sweep;
  },
): Promise<number> {
  const { project, runs, slotsDir, config, layout, options } = all;
  const { repository } = project;
  const refuse = (unlanded: readonly string[]): number => {
    say(world, ['Work that has not landed:', ...unlanded.map(indented)].join('\n'));
    return sayError(world, 'would-lose-work', `${count(unlanded.length, 'thing')} would be lost`);
  };
  if (all.sweep.unlanded.length > 0 && options.loseWork !== true) return refuse(all.sweep.unlanded);

  // Agents outlive a killed mstone: what they still write would bring folders back.
  for (const { run, state } of runs.filter(({ state }) => state.end?.is !== 'ended')) {
    for (const tag of [`${run}.git`, ...[...state.flights.keys()].map((id) => `${run}.${id}`)]) {
      await endTagged(tag, { graceMs: 1000 });
    }
  }
  const slots = await removeSlots(repository, all.sweep.slots, config);
  if (slots.failed) {
    say(world, slots.told.map(indented).join('\n'));
    return 1;
  }
  // What the slots held is pinned now: it counts as well.
  const sweep = await sweepAll(project, runs, slotsDir);
  if (sweep.unlanded.length > 0 && options.loseWork !== true) return refuse(sweep.unlanded);
  const gone = new Map(sweep.refs.map(({ ref, oid }) => [ref, oid]));
  if (!(await deleteRefs(repository, gone, sweep.keepers))) return sayMoved(world);
  // The lock stays until it is given up.
  for (const name of await readdir(repository.stateDir)) {
    if (!/^lock(\.|$)/.test(name)) {
      await rm(join(repository.stateDir, name), { recursive: true, force: true });
    }
  }
  const logs = runs.flatMap(({ state }) => logsElsewhere(state).logs ?? []);
  for (const folder of logs) {
    await rm(folder, { recursive: true, force: true });
    await removeEmpty(dirname(folder));
  }
  for (const dir of new Set([slotsDir, ...all.sweep.slots.map(({ slot }) => slot.slotsDir)])) {
    await removeEmpty(dir);
    if (basename(dirname(dir)).endsWith(`-${slotsKey(repository)}`)) await removeEmpty(dirname(dir));
  }
  const removed = [
    ...sweep.refs.map(({ what, why }) => `${what}: ${why}`),
    ...slots.removed,
    ...logs,
    repository.stateDir,
  ];
  const yours = `${layout.milestones}/, ${CONFIG_FILE}, ${layout.tasks} and the history: they are yours`;
  const kept = [...sweep.kept, yours];
  say(
    world,
    [
      'Removed:',
      ...removed.map(indented),
      ...slots.told.map(indented),
      '',
      'Kept:',
      ...kept.map(indented),
    ].join('\n'),
  );
  return 0;
}

async function removeSlots(
  repository: Repository,
  slots: Sweep['slots'],
  config: Config,
): Promise<{ removed: string[]; told: string[]; failed: boolean }> {
  const lane = makeLane();
  const removed: string[] = [];
  const told: string[] = [];
  let failed = false;
  for (const { slot, what, why } of slots) {
    const gone = await removeSlot(repository, {
      slotsDir: slot.slotsDir,
      slot: slot.slot,
      isolation: slot.isolation,
      keep: config.worktrees.keep,
      copied: config.worktrees.copy,
      rescueRef: `refs/mstone/rescue/clean/slot${slot.slot}`,
      lane,
    });
    if (gone.ok) {
      removed.push(`${what}: ${why}`);
      told.push(...gone.value.told);
    } else {
      failed = true;
      told.push(gone.error);
    }
  }
  return { removed, told, failed };
}

async function removeEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(error.code ?? '')) throw error;
  });
}
