/** `run`, `resume` and `retry`: one path from what is committed to what has landed. */
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { secretValues } from '../check/secrets.js';
import type { Settled } from '../config/choose.js';
import type { ConfigSources } from '../config/index.js';
import { Control, driveRun } from '../engine/index.js';
import { requiredFilters } from '../git/filters.js';
import { commitFiles } from '../git/first-commit.js';
import { laidOut, type Repository } from '../git/index.js';
import { forgetMerged } from '../git/landing.js';
import { openObjects } from '../git/objects.js';
import { gitEnvironment, makeGit } from '../git/plumbing.js';
import { readFileAt, treeKey } from '../git/tree.js';
import { uncommitted } from '../git/uncommitted.js';
import { watchHost } from '../host/index.js';
import { isNoRoom } from '../journal/disk.js';
import { JournalFull, openJournal, readJournal } from '../journal/index.js';
import { packJournals } from '../journal/pack.js';
import { newRunId } from '../journal/runs.js';
import type { Chosen } from '../model/chosen.js';
import type { Config } from '../model/config.js';
import { dayOf } from '../model/day.js';
import type { Diagnostic } from '../model/diagnostic.js';
import type { Effect } from '../model/effect.js';
import type { Budget, Event, LandTerms, LimitSettings, RetryFrom, RunSettings } from '../model/event.js';
import type { MilestoneId } from '../model/milestone.js';
import { nearest } from '../model/nearest.js';
import type { Oid } from '../model/outcome.js';
import type { Plan, PlanItem } from '../model/plan.js';
import { makeRedactor, type Redactor } from '../model/redact.js';
import { ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import type { ItemState, RunState } from '../model/state.js';
import { type LostProof, makePlan } from '../plan/index.js';
import { gateId, planItems, withGates } from '../plan/items.js';
import { rolesNamed } from '../plan/reviewers.js';
import { stayLean } from '../process/lean.js';
import { readPlainTail } from '../process/plain.js';
import { openStarter } from '../process/starter.js';
import { endTagged, listTagged } from '../process/tagged.js';
import { planText } from '../report/documents.js';
import { explainFound, formatMoment, interruptedWords, names, shellWord, termsOf } from '../report/words.js';
import { isNews } from '../run/approvals.js';
import { heldOver } from '../run/credentials.js';
import { historyOf } from '../run/history.js';
import { emptyRun, reduce } from '../run/index.js';
import { verdictKey } from '../run/items.js';
import { agentsFor } from '../run/reviews.js';
import { greenOn } from '../run/verdicts.js';
import { sandboxMissing } from './cage.js';
import { settle } from './choose.js';
import { credentialSettings, fallbacksOf, scrubLogs, withFallbacks } from './credentials.js';
import { readDeadline } from './deadline.js';
import { dropDecision, readDecisions, watchDecisions } from './decisions.js';
import { watchConflicts } from './forecast.js';
import { versionOf } from './home.js';
import { limitLogs } from './log-room.js';
import { endOrphans, findOrphans } from './orphans.js';
import {
  besideEvents,
  formOf,
  makeReporter,
  type OutputForm,
  say,
  sayDiagnostics,
  sayError,
} from './output.js';
import { stepsWords } from './plan.js';
import { findProgram } from './programs.js';
import {
  idsBeside,
  ingredientsOf,
  layoutAt,
  openProject,
  type Project,
  readCommit,
  readPlanned,
  type Sources,
  templatesIn,
  withoutErrors,
} from './project.js';
import { writeReports } from './report.js';
import { findWorks } from './retry-from.js';
import { branchLeft, makeRunBranch, ownBranch } from './run-branch.js';
import { type SelectionOptions, selectionOf } from './selection.js';
import { watchSources } from './sources-watch.js';
import {
  givenUp,
  type KnownRun,
  keptOn,
  knownRuns,
  lostProofs,
  readTemplates,
  statesFrom,
  statesOn,
  underLock,
  unfinishedOf,
  unwritable,
} from './state.js';
import { waitUntil, waitUntilReady } from './wait.js';
import { type World, zoneOf } from './world.js';

type Terminal = World & { readonly color: boolean };

export interface RunOptions extends SelectionOptions {
  readonly onto?: string;
  readonly runBranch?: boolean;
  readonly jobs?: string;
  readonly failFast?: boolean;
  readonly keepGoing?: boolean;
  readonly agent?: string;
  readonly model?: string;
  readonly profile?: string;
  /** The file that is read in place of `mstone.yaml`, absolute. */
  readonly config?: string;
  /** Commander's `--no-wait`. */
  readonly wait?: boolean;
  readonly commit?: boolean;
  readonly dryRun?: boolean;
  /** US dollars. */
  readonly maxCost?: string;
  readonly deadline?: string;
  readonly verbose?: boolean;
  readonly output: OutputForm;
}

/** What a further command may say otherwise than the run that it continues. */
export type NewTerms = Pick<RunOptions, 'jobs' | 'wait' | 'maxCost' | 'deadline' | 'verbose' | 'output'>;

/** What a run was asked for, as its journal keeps it: `resume` reads it back. */
type Asked = Omit<RunOptions, 'output' | 'dryRun' | 'commit' | 'deadline' | 'verbose'>;

/** Makes a folder where there is none; why it is of no use, if it is. */
const checkWritable = (folder: string): Promise<ReturnType<typeof unwritable> | undefined> =>
  mkdir(folder, { recursive: true, mode: 0o700 })
    .then(() => access(folder, constants.W_OK | constants.X_OK))
    .then(() => undefined, unwritable);

interface Extra {
  /** Items whose attempts, brakes and spend are forgotten. */
  readonly reset: readonly string[];
  /** They go on with the work they left instead of beginning anew. */
  readonly from?: RetryFrom;
  /** The options are those of the last run: what it was forced to redo and has landed is not redone twice. */
  readonly again: boolean;
  /** Epoch ms: that of the run which is continued, where it is still to come. */
  readonly deadline?: number;
}

export async function run(world: Terminal, options: RunOptions): Promise<number> {
  return prepareAndRun(world, options, { reset: [], again: false });
}

export async function resume(
  terminal: Terminal,
  options: { readonly run?: string; readonly whenReady?: true } & NewTerms,
): Promise<number> {
  const world = besideEvents(terminal, options.output);
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const runs = await knownRuns(project.value.repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const last =
    options.run === undefined ? runs.value.at(-1) : runs.value.find((known) => known.run === options.run);
  if (last === undefined && options.run !== undefined) {
    return sayError(world, 'unknown-run', `no run ${shown(options.run)}`);
  }
  if (last === undefined || last.state.end?.is === 'ended') {
    say(world, 'Nothing to resume: no run was interrupted.\nNext: mstone run');
    return 0;
  }
  if (options.whenReady === true) {
    const stopped = await waitUntilReady(world, last.state);
    if (stopped !== undefined) return stopped;
    // Somebody else may have gone on with it meanwhile: it is read anew.
    const { whenReady: _, ...rest } = options;
    return resume(terminal, { ...rest, run: last.run });
  }
  const asked = askedFrom(last.state.settings.argv);
  return prepareAndRun(
    terminal,
    { ...asked, ...newTerms(options), onto: last.state.target },
    { reset: [], again: true, ...keptDeadline(world, last.state, options) },
  );
}

export async function retry(
  terminal: Terminal,
  options: {
    readonly ids: readonly string[];
    readonly failed?: true;
    readonly from?: RetryFrom;
  } & NewTerms,
): Promise<number> {
  const world = besideEvents(terminal, options.output);
  if (options.ids.length === 0 && options.failed !== true) {
    return sayError(
      world,
      'nothing-named',
      'which milestones?',
      'name them (`mstone retry 1A`) or type `mstone retry --failed`',
    );
  }
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const runs = await knownRuns(project.value.repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const last = runs.value.at(-1);
  const asked = askedFrom(last?.state.settings.argv ?? []);
  const { milestones } = await readPlanned(worldOf(world, asked), project.value, {});
  const there = new Set(milestones.flatMap(({ id, stage }) => [id, gateId(stage)]));
  const gaveUp = historyOf(statesOn(last?.state.target ?? project.value.target.branch, runs.value))
    .history.filter((item) => item.end !== undefined && there.has(item.id))
    .map((item) => item.id);
  const reset = options.failed === true ? [...new Set([...options.ids, ...gaveUp])] : [...options.ids];
  if (reset.length === 0) {
    say(world, 'Nothing has failed.\nNext: mstone status');
    return 0;
  }
  // A gate is no milestone that could be named: it is part of the run wherever it is still to be passed.
  const named = reset.filter((id) => !id.endsWith('-gate'));
  const ids = asked.ids === undefined || asked.ids.length === 0 ? [] : [...new Set([...asked.ids, ...named])];
  const onto = last === undefined ? {} : { onto: last.state.target };
  return prepareAndRun(
    terminal,
    { ...asked, ...newTerms(options), ...onto, ids },
    {
      reset,
      again: true,
      ...(options.from === undefined ? {} : { from: options.from }),
      ...(last === undefined ? {} : keptDeadline(world, last.state, options)),
    },
  );
}

/** What was said this time; commander's `wait` is true where nothing was. */
const newTerms = ({ jobs, wait, maxCost, deadline, verbose, output }: NewTerms): NewTerms => ({
  ...(jobs === undefined ? {} : { jobs }),
  ...(wait === false ? { wait } : {}),
  ...(maxCost === undefined ? {} : { maxCost }),
  ...(deadline === undefined ? {} : { deadline }),
  ...(verbose === undefined ? {} : { verbose }),
  output,
});

/** A deadline outlives a crash, but not itself: who resumes after it wants to go on. */
function keptDeadline(world: World, { settings }: RunState, terms: NewTerms): { deadline?: number } {
  const { deadline } = settings;
  if (deadline === undefined || terms.deadline !== undefined) return {};
  if (deadline > world.now()) return { deadline };
  say(world, `The deadline of ${formatMoment(deadline)} has passed and no longer holds.`);
  return {};
}

const askedFrom = (argv: readonly string[]): Asked =>
  argv[0] === undefined ? {} : (JSON.parse(argv[0]) as Asked);

function asked(options: RunOptions): Asked {
  const { output: _output, dryRun: _dryRun, commit: _commit, onto: _onto, ...rest } = options;
  const { deadline: _deadline, verbose: _verbose, ...lasting } = rest;
  return lasting;
}

/** The world as the flags want it: the profile, and the configuration that is read. */
function worldOf(caller: Terminal, { profile, config }: Pick<RunOptions, 'profile' | 'config'>): Terminal {
  const configFile = caller.configFile ?? config;
  return {
    ...caller,
    ...(profile === undefined ? {} : { profile }),
    ...(configFile === undefined ? {} : { configFile }),
  };
}

async function prepareAndRun(caller: Terminal, asked: RunOptions, extra: Extra): Promise<number> {
  stayLean();
  // A screen has no place for what agents print.
  const lines = asked.verbose === true && asked.output === 'auto';
  const options = lines ? { ...asked, output: 'plain' as const } : asked;
  const terminal = worldOf(caller, options);
  const world = besideEvents(terminal, options.output);
  const opened = await openProject(world, options.onto);
  if (!opened.ok) return sayDiagnostics(world, opened.error);
  const { repository, target } = opened.value;
  const flags = {
    ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
    ...(options.agent === undefined ? {} : { agent: options.agent }),
    ...(options.maxCost === undefined ? {} : { 'budget.usd': options.maxCost }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.runBranch === true ? { run_branch: 'true' } : {}),
  };
  const said = options.deadline === undefined ? undefined : readDeadline(options.deadline, world.now());
  if (said !== undefined && !said.ok) return sayDiagnostics(world, [said.error]);
  const deadline = said?.value ?? extra.deadline;

  // What is wrong in the checkout is said first, whether it is committed or not.
  const checkout = withoutErrors(await readPlanned(world, opened.value, flags));
  if (!checkout.ok) return sayDiagnostics(world, checkout.error);
  if (options.dryRun === true) return showPlan(world, opened.value, checkout.value, options);
  if (checkout.value.milestones.length === 0 && repository.branch === target.branch) {
    return sayError(world, 'no-milestones', `no milestones under ${checkout.value.layout.milestones}/`);
  }
  const laid = laidOut(repository, checkout.value.layout);

  return underLock(world, repository, async () => {
    try {
      if (repository.branch === target.branch) {
        const loose = await uncommitted(repository, await decidingPaths(world, laid));
        if (loose.length > 0 && options.commit !== true) {
          return sayDiagnostics(world, [notCommitted(loose, laid)]);
        }
        if (loose.length > 0) {
          const committed = await commitFiles(repository, loose, 'Milestones', world.now());
          if (!committed.ok) return sayDiagnostics(world, committed.error);
        }
      }
      return await runLocked(world, terminal, repository, flags, options, {
        ...extra,
        ...(deadline === undefined ? {} : { deadline }),
      });
    } catch (error) {
      if (!(error instanceof JournalFull) && !isNoRoom(error)) throw error;
      const message = error instanceof Error ? error.message : String(error);
      return sayError(world, 'disk-full', `the disk is full: ${message}`);
    }
  });
}

async function runLocked(
  world: Terminal,
  terminal: Terminal,
  repository: Repository,
  flags: ConfigSources['flags'],
  options: RunOptions,
  extra: Extra,
): Promise<number> {
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const unfinished = unfinishedOf(runs.value);
  // Git commands of a killed mstone may still be at work: nothing is read or touched beside them.
  if (unfinished !== undefined) await endTagged(`${unfinished.run}.git`, { graceMs: 1000 });

  // Read now that nobody else can land: what was read before the lock may be old.
  const last = runs.value.at(-1);
  const kept = extra.again ? last?.state : unfinished?.state;
  const onto = ownBranch(kept, repository, options.onto);
  const opened = await openProject(world, onto ?? options.onto);
  if (!opened.ok) return sayDiagnostics(world, opened.error);
  const merged = await forgetMerged(repository, opened.value.target.branch);
  if (merged !== undefined) {
    const { branch } = opened.value.target;
    say(
      world,
      `${branch} holds all that was on mstone/${branch}, which begins anew; what it was is ${merged}`,
    );
    return runLocked(world, terminal, repository, flags, options, extra);
  }
  let { target } = opened.value;
  if (target.head === undefined) {
    return sayError(world, 'no-commit', `${target.branch} has no commit`);
  }
  const { head } = target;
  if (unfinished !== undefined && unfinished.state.target !== target.branch) {
    return sayError(
      world,
      'unfinished-run',
      `run ${unfinished.run} on ${unfinished.state.target} is unfinished, and this one would land on ${target.branch}`,
      `switch to ${unfinished.state.target}, or finish it first: mstone resume`,
    );
  }
  const read = withoutErrors(await readCommit(world, repository, target.target ?? head, flags));
  if (!read.ok) return sayDiagnostics(world, read.error);
  const sources = read.value;
  const { layout } = sources;
  sayDiagnostics(world, sources.diagnostics);
  if (sources.milestones.length === 0) {
    return sayError(
      world,
      'no-milestones',
      `no milestones under ${layout.milestones}/ on ${target.branch}`,
      'write a first one (mstone new 1A) and commit it',
    );
  }
  const templates = await readTemplates(world, sources.templates);
  // Those that come with mstone are right.
  const roles = rolesNamed(sources.config, sources.milestones);
  if (sources.templates.size + roles.length > 0) {
    const { checkTemplates } = await import('../brief/prompt.js');
    const broken = checkTemplates(templates, templatesIn(layout), roles);
    if (broken.length > 0) return sayDiagnostics(world, broken);
  }
  const home = onto === undefined ? target.branch : (kept?.settings.from ?? target.branch);
  const past = historyOf(statesFrom(home, runs.value));
  const redone = extra.again && last !== undefined ? landedIn(last.state) : undefined;
  let project = { ...opened.value, repository: laidOut(opened.value.repository, layout) };
  const lost = lostProofs(target.branch, runs.value, sources.milestones, project.landings);
  const choice = unfinished?.state.settings.chosen;
  const made = await planRun(world, project, sources, options, { past, redone, lost, kept: choice });
  if (!made.ok) {
    // What gave up is named with what tries it again; the plan of a run takes it for what is still to be done.
    const failed = givenUp(target.branch, runs.value, sources.milestones);
    return sayDiagnostics(world, refusedPlan(project, sources, options, failed) ?? made.error);
  }
  const { plan, items, config, chosen } = made.value;
  const paid = credentialSettings(config, withFallbacks(config, items.flatMap(agentsFor)));
  if (!paid.ok) return sayDiagnostics(world, paid.error);
  const redact = makeRedactor(sources.secrets);
  const strangers = unknownTo(plan, extra.reset);
  if (strangers.length > 0) return sayDiagnostics(world, strangers);
  const works =
    extra.from === undefined
      ? undefined
      : await findWorks(
          repository,
          statesOn(target.branch, runs.value),
          new Map(items.map((item) => [item.id, item])),
          extra.reset,
          extra.from,
        );
  if (works !== undefined && !works.ok) return sayDiagnostics(world, works.error);
  sayDiagnostics(world, [...plan.notes, ...(await formerView(world, project, head))]);

  const follows = target.shadow !== undefined && target.head !== target.target;
  const beside = follows ? await stagesBeside(repository, target) : [];
  const wouldFollow = follows && couldFollow(config, plan, beside);
  if (items.length === 0 && unfinished === undefined && !wouldFollow) {
    // A deadline is read by the clock, and a configuration beside the project need not be committed.
    if (plan.run.length === 0 && options.deadline === undefined && world.configFile === undefined) {
      const made = ingredientsOf(project, sources);
      world.madeOf?.(made && { ...made, committed: await decidingPaths(world, project.repository) });
    }
    const done = plan.milestones.filter((milestone) => milestone.state === 'done').length;
    const stale = plan.milestones.filter((milestone) => milestone.state === 'stale');
    const blocked = plan.milestones.some(({ state, milestone }) => state === 'blocked' && milestone.enabled);
    if (options.output === 'quiet' && !blocked && stale.length === 0) return 0;
    say(world, `Nothing to do: ${done} of ${plan.milestones.length} done.`);
    for (const { milestone, reason } of stale) say(world, `  ${milestone.id} is stale: ${reason}`);
    if (beside.length > 0) {
      const { branch } = target;
      say(
        world,
        `  ${branch} does not hold all of it yet: git log ${shellWord(`${branch}..mstone/${branch}`)}`,
      );
    }
    return blocked ? 1 : 0;
  }

  // What acts is loaded where there is something to do.
  const { makeHands, slotsFolder } = await import('./hands.js');
  let from = onto === undefined ? undefined : kept?.settings.from;
  if (config.runBranch && onto === undefined && options.onto === undefined && unfinished === undefined) {
    const other = await branchLeft(repository, runs.value, target);
    if (other !== undefined) return sayDiagnostics(world, [other]);
    const made = await makeRunBranch(world, project, head);
    if (!made.ok) return sayDiagnostics(world, [made.error]);
    from = target.branch;
    project = made.value;
    target = project.target;
    say(world, `Landing on ${target.branch}, made from ${from}`);
  }

  const unfiltered = await missingFilters(world, repository, head);
  const unsafe = await sandboxMissing(world, config);
  const missing = [...unfiltered, ...unsafe];
  if (missing.length > 0) return sayDiagnostics(world, missing);

  const runId = unfinished?.run ?? newRunId(world.now());
  const runDir = join(repository.stateDir, 'runs', runId);
  const own = join(runDir, 'logs');
  const logsDir =
    unfinished === undefined ? newLogsDir(sources, repository, runId) : unfinished.state.settings.logs;
  const slotsDir = slotsFolder(world, repository, config);
  for (const [folder, code] of [
    [slotsDir, 'worktrees-unwritable'],
    [logsDir ?? own, 'state-unwritable'],
  ] as const) {
    const refused = await checkWritable(folder);
    if (refused === undefined) continue;
    const { why } = refused;
    if (refused.full) return sayError(world, 'disk-full', `the disk is full: ${why}`);
    if (code === 'state-unwritable')
      return sayError(world, code, `${shown(folder, 200)} cannot be written: ${why}`);
    return sayError(world, code, `no worktrees can be made in ${shown(folder, 200)}: ${why}`);
  }
  await mkdir(join(runDir, 'assignments'), { recursive: true, mode: 0o700 });
  // Before the first agent starts, and where a run under way has not said it already.
  if (
    chosen !== undefined &&
    options.output !== 'quiet' &&
    JSON.stringify(chosen) !== JSON.stringify(choice)
  ) {
    say(world, `${stepsWords({ plan, config, chosen })}\n`);
  }
  const journal = await openJournal(join(runDir, 'journal.ndjson'), runId);
  if (!journal.ok) return sayDiagnostics(world, [journal.error]);

  const settings: RunSettings = {
    ...settingsOf(world, config, options, {
      chosen,
      deadline: extra.deadline,
      day: dayBeside(world, runs.value, runId),
    }),
    ...paid.value,
    ...(await landTerms(project, plan, config, from)),
    ...fallbacksOf(config, items.flatMap(agentsFor)),
    ...(logsDir === undefined ? {} : { logs: logsDir }),
  };
  const held = heldOver(
    runs.value.map(({ state }) => state),
    settings,
    world.now(),
  );
  const heldBack = Object.keys(held.closed).length + Object.keys(held.shut).length > 0 ? { held } : {};
  const tidied = [
    ...(await endOrphans(findOrphans(await listTagged(), runs.value, { slotsDir, driven: false }))),
    ...(config.logs.keepBytes === undefined
      ? []
      : await limitLogs(repository.stateDir, runs.value, config.logs.keepBytes)),
  ];
  await packJournals(repository.stateDir, (id) =>
    runs.value.some((known) => known.run === id && known.state.end?.is === 'ended'),
  );
  await scrubLogs(logsDir ?? own, redact.forms);
  const tree = await treeKey(project.repository, head);
  const known = { tree, green: greenOn(statesOn(target.branch, runs.value), tree) };
  const opening: Event[] = [
    unfinished === undefined
      ? {
          type: 'run.started',
          target: target.branch,
          head,
          items,
          settings,
          history: past.history.filter((item) => !extra.reset.includes(item.id)),
          passed: past.passed,
          shadow: follows,
          ...heldBack,
          known,
          mstone: versionOf(world),
        }
      : {
          type: 'run.continued',
          head,
          items,
          settings,
          shadow: follows,
          ...heldBack,
          known,
          mstone: versionOf(world),
        },
    ...(extra.reset.length > 0
      ? [
          {
            type: 'items.reset' as const,
            items: extra.reset,
            ...(extra.from === undefined || works === undefined
              ? {}
              : { from: extra.from, works: works.value }),
          },
        ]
      : []),
  ];

  const begun = opening.reduce(reduce, unfinished?.state ?? emptyRun(runId));
  opening.push(...(await waitingDecisions(repository.stateDir, runs.value, begun)));

  const reporter = await makeReporter(
    terminal,
    options.output,
    (item) => lastWords(logsDir ?? own, item, redact),
    options.verbose === true ? (id, effect) => logFile(logsDir ?? own, id, effect) : undefined,
    redact,
  );
  let state = unfinished?.state ?? emptyRun(runId);
  const control = new Control();
  for (const text of tidied) control.tell(text);
  // Before the live screen opens: what restores the cursor there must not be the only one to listen.
  const stopListening = world.onSignal((signal) => {
    if (signal === 'SIGHUP')
      control.leave('its terminal was closed: agents go on, `mstone resume` takes them up');
    else if (signal === 'SIGTERM') control.cancel(143, 'told to end: agents are ended, their work is kept');
    else if (signal === 'SIGUSR2') {
      // `mstone stop`: asked for as often as you like, it is never the second Ctrl-C.
      if (control.draining === undefined) control.drain(130, interruptedWords(state, 'mstone stop'));
    } else if (control.draining === undefined) control.drain(130, interruptedWords(state, 'Ctrl-C'));
    else control.cancel(130, 'agents are ended now, their work is kept');
  });
  let stopAsking = (): void => undefined;
  let stopForeseeing = async (): Promise<void> => undefined;
  const objects = openObjects(
    repository.commonDir,
    gitEnvironment(world.env, `${runId}.git`),
    join(repository.stateDir, 'tmp'),
  );
  const starter = openStarter(`${runId}.git`, world.env);
  const stopWatching = await watchSources(world, project.repository, target, (text) => control.tell(text));
  try {
    const append = async (events: readonly Event[]): Promise<void> => {
      const entries = await journal.value.append(events, world.now());
      for (const entry of entries) reporter.entry(entry);
      for (const event of events) {
        if (event.type === 'decision') await dropDecision(repository.stateDir, event.decision.id);
      }
    };
    await append(opening);
    stopAsking = watchDecisions(repository.stateDir, new Set(), (decision) => control.decide(decision));
    const form = formOf(terminal, options.output);
    for (const event of opening) {
      state = reduce(state, event);
      // Lines tell it themselves; a screen has no place for it, and events are not for people.
      if (form === 'tty' || form === 'ndjson') {
        const when = { now: world.now() };
        if (event.type === 'run.continued') say(world, explainFound(state, when));
        if ('settings' in event) for (const text of termsOf(state, when)) say(world, text);
      }
      reporter.notice(event, state);
    }
    const repositoryOfRun = {
      ...project.repository,
      git: makeGit(world.env, `${runId}.git`, starter.run),
      objects,
    };
    const hands = makeHands({
      world,
      repository: repositoryOfRun,
      startDetached: starter.startDetached,
      run: runId,
      runDir,
      logsDir: logsDir ?? own,
      target: target.branch,
      head: state.head,
      config,
      milestones: sources.milestones,
      items: new Map([...state.items].map(([id, item]) => [id, item.item])),
      landings: project.landings,
      templates,
      redact,
      onUsage: (credential, windows) => control.use({ credential, windows }),
      own: [...redact.forms, ...makeRedactor(secretValues(world.env)).forms],
    });

    const conflicts = watchConflicts(repositoryOfRun, config.merge.forecastMs, (text, foreseen) =>
      control.tell(text, foreseen),
    );
    stopForeseeing = conflicts.close;
    const ended = await driveRun(
      {
        ...hands,
        clock: { now: world.now, until: waitUntil },
        append,
        pressure: watchHost(world.host, [repository.stateDir, slotsDir], sources.config.pressure, world.now),
        report: (event, next) => {
          state = next;
          reporter.notice(event, next);
          conflicts.notice(next);
        },
      },
      state,
      control,
    );
    const read = await readJournal(join(runDir, 'journal.ndjson'));
    if (read.ok) {
      await writeReports(repository.stateDir, { run: runId, entries: read.value.entries, state: ended });
    }
    return ended.end?.exit ?? 0;
  } finally {
    stopListening();
    stopWatching();
    stopAsking();
    await stopForeseeing();
    await objects.close();
    await starter.close();
    await reporter.close();
    await journal.value.close();
  }
}

/** What people decided while nobody looked: what this run waits for is its own, what a journal holds is gone. */
async function waitingDecisions(
  stateDir: string,
  runs: readonly KnownRun[],
  opened: RunState,
): Promise<Event[]> {
  const taken = new Set(
    runs.flatMap(({ entries }) =>
      entries.flatMap(({ event }) => (event.type === 'decision' ? [event.decision.id] : [])),
    ),
  );
  const events: Event[] = [];
  let state = opened;
  for (const decision of await readDecisions(stateDir)) {
    if (taken.has(decision.id)) await dropDecision(stateDir, decision.id);
    else if (isNews(state, decision)) {
      const event: Event = { type: 'decision', decision };
      state = reduce(state, event);
      events.push(event);
    }
  }
  return events;
}

/** When the target gets what lands, and what is told of it; nothing where each landing is the target's. */
async function landTerms(
  { repository, target }: Project,
  plan: Plan,
  { land, pr, stageTag }: Config,
  from: string | undefined,
): Promise<Pick<RunSettings, 'land' | 'stageTag' | 'completes' | 'from'>> {
  const branch = from === undefined ? {} : { from };
  if (land === 'each' && stageTag === undefined) return branch;
  const stages = [...new Set(plan.milestones.map(({ milestone }) => milestone.stage))];
  const terms: LandTerms | undefined =
    land === 'each'
      ? undefined
      : land === 'pr'
        ? { is: land, ...pr, base: from ?? target.branch }
        : land === 'end'
          ? { is: land }
          : { is: land, beside: await stagesBeside(repository, target) };
  return {
    ...branch,
    ...(terms === undefined ? {} : { land: terms }),
    ...(stageTag === undefined ? {} : { stageTag }),
    completes: stages.filter((stage) => completes(plan, stage)),
  };
}

/** Whether a run that has nothing else to do would move the target. */
function couldFollow({ land }: Config, plan: Plan, beside: readonly number[]): boolean {
  if (land === 'pr') return false;
  return land !== 'stage' || beside.every((stage) => completes(plan, stage));
}

/** Stages of which something has landed that the target does not hold yet. */
async function stagesBeside(repository: Repository, target: Project['target']): Promise<number[]> {
  const ids = await idsBeside(repository, target);
  return [...new Set(ids.map((id) => Number.parseInt(id, 10)))].sort((a, b) => a - b);
}

/** Where a new run's logs go, where that is not beside its journal: it stays there whatever is configured later. */
function newLogsDir({ config: { logDir } }: Sources, { root }: Repository, run: string): string | undefined {
  if (logDir === undefined) return undefined;
  return join(isAbsolute(logDir) ? logDir : join(root, logDir), run);
}

function settingsOf(
  { configFile }: World,
  config: Config,
  options: RunOptions,
  {
    chosen,
    deadline,
    day,
  }: {
    readonly chosen: Chosen | undefined;
    readonly deadline: number | undefined;
    readonly day: Omit<NonNullable<Budget['perDay']>, 'usd'>;
  },
): RunSettings {
  return {
    jobs: config.jobs,
    failFast: options.failFast === true && options.keepGoing !== true,
    wait: options.wait !== false && config.limits.wait,
    limits: limitsOf(config),
    backoffMs: config.backoffMs,
    folder: folderOf(config),
    ...(chosen === undefined ? {} : { chosen }),
    ...(deadline === undefined ? {} : { deadline }),
    ...budgetOf(config, day),
    merge: { parallel: config.merge.parallel, strict: config.merge.strict, checks: config.checks },
    argv: [
      JSON.stringify(asked({ ...options, ...(configFile === undefined ? {} : { config: configFile }) })),
    ],
  };
}

const limitsOf = ({ limits: { wait: _wait, ...limits } }: Config): LimitSettings => limits;

/** What a run goes by; what is only put aside limits nothing. */
function budgetOf(
  { budget }: Config,
  day: Omit<NonNullable<Budget['perDay']>, 'usd'>,
): { readonly budget?: Budget } {
  if (budget === undefined) return {};
  const { perDay, ...rest } = budget;
  if (perDay === undefined && rest.usd === undefined && rest.tokens === undefined) return {};
  return { budget: { ...rest, ...(perDay === undefined ? {} : { perDay: { usd: perDay, ...day } }) } };
}

/** What the runs beside this one have cost today, by the calendar on the wall. */
function dayBeside(world: World, runs: readonly KnownRun[], run: string) {
  const tz = zoneOf(world);
  const day = dayOf(world.now(), tz);
  const others = runs
    .filter((known) => known.run !== run)
    .flatMap(({ state }) => state.spend.charges)
    .filter(({ at }) => dayOf(at, tz) === day);
  return { tz, others: { day, usd: others.reduce((sum, { usd }) => sum + Math.round(usd * 1e6), 0) / 1e6 } };
}

/** What a folder is made with beside the tree: a remembered verdict holds for the same only. */
const folderOf = ({ worktrees: { setup, copy, keep }, expectTests }: Config): string =>
  JSON.stringify([setup, copy, keep, ...(expectTests === 'auto' ? [] : [expectTests])]);

/** The plan and what `decide` has to know of each item in it. */
async function planRun(
  world: World,
  project: Project,
  sources: Sources,
  options: RunOptions,
  {
    past,
    redone,
    lost,
    kept,
  }: {
    readonly past: ReturnType<typeof historyOf>;
    readonly redone: ReadonlySet<MilestoneId> | undefined;
    readonly lost: ReadonlyMap<MilestoneId, LostProof>;
    readonly kept: Chosen | undefined;
  },
): Promise<Result<Settled & { items: PlanItem[] }, Diagnostic[]>> {
  const selection = selectionOf(options, redone);
  const made = makePlan({
    target: project.target.branch,
    milestones: [...sources.milestones],
    landings: project.landings,
    selection,
    lost,
  });
  if (!made.ok) return made;
  const settled = await settle(world, made.value, { ...project, sources, kept });
  const { plan, config } = settled;

  const stages = gatesOf(plan, past);
  const { head } = project.target;
  const someLanded = [...project.landings.values()].some((landing) => landing.state === 'done');
  const base =
    someLanded &&
    head !== undefined &&
    plan.run.length > 0 &&
    config.checks.length > 0 &&
    !past.passed.includes(
      verdictKey(await treeKey(project.repository, head), folderOf(config), config.checks),
    );
  const gates = withGates(plan, config, stages);
  const items = planItems(plan, config, { gates, base, ...settled });
  if (!items.ok) return items;
  return ok({ ...settled, items: items.value });
}

/** Programs without which git checks nothing out here, git-lfs above all: said before anybody is paid. */
async function missingFilters(world: World, repository: Repository, head: Oid): Promise<Diagnostic[]> {
  const filters = await requiredFilters(repository, head);
  if (filters.length === 0) return [];
  const own = await repository.git({ args: ['--exec-path'], cwd: repository.root });
  const path = [own.text, world.env.PATH ?? ''].join(delimiter);
  const missing: Diagnostic[] = [];
  for (const { name, program, file } of filters) {
    if ((await findProgram(program, repository.root, path)) !== undefined) continue;
    missing.push({
      severity: 'error',
      code: 'filter-missing',
      file,
      message: `${shown(program)} is not there, and git checks out nothing without it`,
      expected: `the program of \`filter.${shown(name)}\`, which .gitattributes asks for`,
      fix: `install ${shown(program)}, or put it on the PATH`,
    });
  }
  return missing;
}

/** What the view was at the newest landing and is no more: mstone neither writes nor removes it from now on. */
async function formerView(world: World, { repository, landings }: Project, head: Oid): Promise<Diagnostic[]> {
  const [newest] = [...landings.values()].sort((a, b) => b.at - a.at);
  if (newest === undefined) return [];
  const { tasks } = await layoutAt(world, repository, newest.commit);
  const now = repository.layout.tasks;
  if (tasks === now || (await readFileAt(repository, head, tasks)) === undefined) return [];
  return [
    {
      severity: 'note',
      code: 'former-view',
      file: tasks,
      message: `this file is yours from now on: \`tasks_file\` is ${shown(now)}`,
      fix: `if nobody needs it: git rm ${shellWord(tasks)}`,
    },
  ];
}

/** The stages whose own checks a run of this plan would ask. */
export function gatesOf(plan: Plan, past: ReturnType<typeof historyOf>): ReadonlySet<number> {
  // A gate that was red or cut short is still to be passed, though its milestones have landed.
  const open = past.history.flatMap(({ id }) => {
    const stage = /^(\d+)-gate$/.exec(id)?.[1];
    return stage === undefined ? [] : [Number(stage)];
  });
  const running = plan.milestones.filter(({ milestone }) => plan.run.includes(milestone.id));
  const stages = [...open, ...running.map(({ milestone }) => milestone.stage)];
  return new Set(stages.filter((stage) => completes(plan, stage)));
}

/** Why no plan can be made, if what gave up is the cause. */
function refusedPlan(
  project: Project,
  sources: Sources,
  options: RunOptions,
  failed: ReadonlyMap<MilestoneId, string>,
): readonly Diagnostic[] | undefined {
  const made = makePlan({
    target: project.target.branch,
    milestones: [...sources.milestones],
    landings: project.landings,
    selection: selectionOf(options),
    failed,
  });
  return made.ok ? undefined : made.error;
}

const landedIn = (state: RunState): ReadonlySet<MilestoneId> =>
  new Set([...state.items].flatMap(([id, { phase }]) => (phase.is === 'landed' ? [id] : [])));

/** What is to be retried and does not exist: a slip of the finger must not start anything. */
function unknownTo(plan: Plan, ids: readonly string[]): Diagnostic[] {
  const known = new Set(plan.milestones.flatMap(({ milestone: { id, stage } }) => [id, gateId(stage)]));
  return ids
    .filter((id) => !known.has(id))
    .map((id) => {
      const meant = nearest(id, known);
      return {
        severity: 'error',
        code: 'unknown-milestone',
        message: `there is no milestone ${shown(id)}`,
        ...(meant && { fix: `did you mean \`${meant}\`?` }),
      };
    });
}

/** Whether all of a stage is in once this plan is done: only then are its own checks asked. */
const completes = (plan: Plan, stage: number): boolean =>
  plan.milestones.every(
    ({ milestone, state }) =>
      milestone.stage !== stage ||
      !milestone.enabled ||
      state === 'done' ||
      state === 'stale' ||
      plan.run.includes(milestone.id),
  );

async function showPlan(
  world: Terminal,
  project: Project,
  sources: Sources,
  options: RunOptions,
): Promise<number> {
  const runs = await knownRuns(project.repository.stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const made = makePlan({
    target: project.target.branch,
    milestones: [...sources.milestones],
    landings: project.landings,
    selection: selectionOf(options),
  });
  if (!made.ok) return sayDiagnostics(world, made.error);
  const kept = keptOn(project.target.branch, runs.value);
  const settled = await settle(world, made.value, { ...project, sources, kept });
  const items = planItems(settled.plan, settled.config, { gates: new Set(), base: false, ...settled });
  if (!items.ok) return sayDiagnostics(world, items.error);
  sayDiagnostics(world, sources.diagnostics);
  say(world, `${planText(settled.plan, world.color)}\n${stepsWords(settled)}`);
  return 0;
}

/**
 * What a run goes by, and what must be committed therefore. A configuration that was named may lie outside
 * the repository, or in it for oneself alone, untracked: whoever names it knows what it says.
 */
async function decidingPaths(world: World, repository: Repository): Promise<string[]> {
  const { milestones, config } = repository.layout;
  if (config === undefined) return [milestones];
  if (world.configFile === undefined) return [milestones, config];
  const tracked = await repository.git({
    args: ['--literal-pathspecs', 'ls-files', '--error-unmatch', '--', config],
    cwd: repository.root,
  });
  return tracked.code === 0 ? [milestones, config] : [milestones];
}

export function notCommitted(files: readonly string[], repository: Repository): Diagnostic {
  const [is, it] = files.length === 1 ? ['is', 'it is'] : ['are', 'they are'];
  const word = repository.unborn ? 'in any commit: the repository has none' : `committed as ${it}`;
  const { milestones, config } = repository.layout;
  // `git add` refuses a name behind which there is nothing.
  const places = [
    ...(files.some((file) => file !== config) ? [milestones] : []),
    ...(config !== undefined && files.includes(config) ? [config] : []),
  ].map((path) => shellWord(path));
  return {
    severity: 'error',
    code: 'not-committed',
    message: `${names(files)} ${is} not ${word}`,
    expected: 'what decides is read from your commit, never from an agent’s branch',
    fix: `git add ${places.join(' ')} && git commit -m "Milestones", or let mstone do it: mstone run --commit`,
  };
}

function logFile(logsDir: string, id: string, effect: Effect): string | undefined {
  if (effect.do !== 'work' && effect.do !== 'check') return undefined;
  const last = effect.do === 'work' ? `${effect.assignment}.${effect.purpose}` : `${id}.check`;
  return join(logsDir, `${effect.item}.${effect.attempt}.${last}.log`);
}

/** The last line that an item's agent printed, for the screen. */
export function lastWords(logsDir: string, item: ItemState, redact: Redactor): string | undefined {
  if (item.phase.is !== 'doing' || item.attempt === 0) return undefined;
  const { step } = item.phase;
  if (step.is !== 'implement' && step.is !== 'review' && step.is !== 'remediate' && step.is !== 'resolve')
    return undefined;
  const name = `${item.item.id}.${item.attempt}.${item.assignment}.${step.is}.log`;
  const lines = readPlainTail(join(logsDir, name), 16_000, 0, redact).trimEnd().split('\n');
  // What it says to mstone itself is no news for people.
  return lines.findLast((line) => line !== '' && !line.includes('"mstone"'));
}
