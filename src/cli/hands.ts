/**
 * The engine's ports made of the rooms below: what an effect means in folders, refs and processes.
 *
 * Every hand may be called again with the same intent after mstone was killed, and takes up what is there:
 * an assignment by its record and its start token, a check by ending what is left of it and running anew,
 * a candidate by its fixed date, a landing by asking the target.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { ownVariables } from '../agent/environment.js';
import { perform } from '../agent/index.js';
import { versionWords } from '../agent/versions.js';
import { contextJson } from '../brief/context.js';
import { fitPrompt } from '../brief/fit.js';
import type { LandedFacts, PromptFacts, Templates } from '../brief/index.js';
import { furtherPrompt } from '../brief/prompt.js';
import { rulesFor } from '../brief/rules.js';
import { plainLine, plainText } from '../brief/text.js';
import { prepareFolder } from '../check/folder.js';
import { runChecks } from '../check/index.js';
import { meetRequirements } from '../check/requirements.js';
import { makeLane } from '../engine/index.js';
import type { Ports } from '../engine/ports.js';
import { type BuildOutcome, buildCandidate, buildSync } from '../git/candidate.js';
import { changedFiles } from '../git/changed.js';
import { guardLog, installGuard } from '../git/guard.js';
import { harvest } from '../git/harvest.js';
import { moveView, type Repository, type ResolvedTarget, readTarget } from '../git/index.js';
import {
  changedSince,
  commonAncestor,
  forkOf,
  hooksOf,
  readBrought,
  readMoved,
  readPlainFiles,
} from '../git/landed.js';
import { BranchGone, follow, inspectHead, land } from '../git/landing.js';
import { GitError } from '../git/plumbing.js';
import { mendBranches, mendRefs, type RefSnapshot, type RefValue, snapshotRefs } from '../git/refs-watch.js';
import { type Isolation, prepareSlot, slotPlace } from '../git/slots.js';
import { coneOf } from '../git/sparse.js';
import { slotsKey } from '../git/tidy.js';
import { formatMessage, type Trailer } from '../git/trailers.js';
import { diffFiles, readFileAt, treeKey } from '../git/tree.js';
import { nodeDisk } from '../journal/disk.js';
import type { AgentConfig, Config } from '../model/config.js';
import { isSameText } from '../model/digest.js';
import type {
  CandidateEffect,
  CheckEffect,
  ItemId,
  LandEffect,
  PublishEffect,
  SlotId,
  WorkEffect,
} from '../model/effect.js';
import { matching } from '../model/globs.js';
import { protectedPaths } from '../model/layout.js';
import type { Milestone } from '../model/milestone.js';
import type {
  AgentOutcome,
  CandidateOutcome,
  CheckOutcome,
  FollowOutcome,
  Harvest,
  LandOutcome,
  Oid,
  PublishOutcome,
  UsageWindow,
  WorkOutcome,
} from '../model/outcome.js';
import type { Landing, PlanItem } from '../model/plan.js';
import { type Redactor, redacted } from '../model/redact.js';
import { err, ok, type Result } from '../model/result.js';
import { modelOf } from '../plan/items.js';
import type { StartDetached } from '../process/detached.js';
import { allowedEnvironment } from '../process/environment.js';
import type { Cage } from '../process/sandbox.js';
import { scrubFile } from '../process/scrub.js';
import { hasStarted } from '../process/supervise.js';
import { endTagged } from '../process/tagged.js';
import { renderTasksFile, type TasksMilestone, type TasksView } from '../report/tasks.js';
import { cageOf, freshTemporary } from './cage.js';
import { payFor } from './credentials.js';
import { judgingOf } from './judging.js';
import { lookAt } from './look.js';
import { notesFile, readNote, readNotes } from './notes.js';
import {
  absent,
  fileThen,
  idsBeside,
  type KnownLandings,
  landingsOf,
  stateHome,
  templatesIn,
} from './project.js';
import { publish } from './publish.js';
import type { World } from './world.js';

export interface HandsContext {
  readonly world: World;
  /** Laid out as the configuration says. */
  readonly repository: Repository;
  readonly run: string;
  /** `<state>/runs/<run>`. */
  readonly runDir: string;
  /** Where this run's logs are, absolute. */
  readonly logsDir: string;
  /** The target branch's short name. */
  readonly target: string;
  /** What the target's landings build on, as last known. */
  readonly head: Oid;
  readonly config: Config;
  /** All milestones of the target, for TASKS.md; those of the run are among them. */
  readonly milestones: readonly Milestone[];
  readonly items: ReadonlyMap<ItemId, PlanItem>;
  /** What had landed when the run was planned: what is redone is redone for a difference to it. */
  readonly landings: ReadonlyMap<string, Landing>;
  readonly templates: Templates;
  /** Takes secrets out of all that comes back: the journal, prompts and reports are made of that. */
  readonly redact: Redactor;
  /** Who starts agents. */
  readonly startDetached: StartDetached;
  /** Told what of a credential's windows is used, while an agent is at work on it. */
  readonly onUsage: (credential: string, windows: readonly UsageWindow[]) => void;
  /** Values that no work may hold: the user's secrets, in all the forms that they stand in. */
  readonly own: readonly string[];
}

/** What was true when an assignment's slot was ready; written before its agent is started. */
interface AssignmentRecord {
  /** Epoch ms: the date of what is harvested, the same however often that is done. */
  readonly at: number;
  readonly path: string;
  /** How the slot was kept apart, where it was no linked worktree. */
  readonly isolation?: 'clone';
  /** What a sparse slot held (`git/sparse.ts`). */
  readonly cone?: readonly string[];
  readonly base: Oid;
  readonly from: Oid;
  /** The commit whose milestones, configuration and TASKS.md win over the agent's. */
  readonly protect: Oid;
  readonly merge?: Oid;
  readonly conflicts: readonly string[];
  readonly refs: Omit<RefSnapshot, 'refs'> & { readonly refs: readonly (readonly [string, RefValue])[] };
  readonly told: readonly string[];
  /** What changed in the milestone's text since another version of it landed, as a diff. */
  readonly milestoneDiff?: string;
  /** `.mcp.json` of the target's head, where no servers are configured: they are programs, and no agent's branch decides which are started. */
  readonly mcp?: Readonly<Record<string, unknown>>;
  /** What its brief tells of the project, of others' work and of their notes. */
  readonly knows?: Pick<PromptFacts, 'project' | 'landed' | 'notes' | 'moved' | 'sides'>;
}

type Hands = Pick<Ports, 'work' | 'check' | 'candidate' | 'land' | 'follow' | 'publish'>;

export function makeHands(context: HandsContext): Hands {
  const { world, repository, run, runDir, config, target, redact } = context;
  const lane = makeLane();
  const slotsDir = slotsFolder(world, repository, config);
  const milestones = new Map(context.milestones.map((milestone) => [milestone.id, milestone]));
  const keep = config.worktrees.keep;
  const tagOf = (id: string): string => `${run}.${id}`;
  const environment = (
    tag: string,
    slot: SlotId,
    extra: Readonly<Record<string, string>> = {},
  ): Record<string, string> =>
    allowedEnvironment(world.env, { ...extra, MSTONE_SLOT: String(slot), MSTONE_TAG: tag });
  // Two that mend at once would each find the other in the way.
  const mending = makeLane();
  /** What was put back while its mover was still at work: told with the next assignment that ends. */
  const mendedEarly: string[] = [];
  /** Said once by each mstone. */
  const versionsTold = new Set<string>();
  const versionNote = (kind: AgentConfig['kind'], version: string | undefined): string[] => {
    const words = versionWords(kind, version);
    if (words === undefined || versionsTold.has(words)) return [];
    versionsTold.add(words);
    return [words];
  };
  const landingsKnown: KnownLandings = new Map();
  let lastKnown = context.head;
  const look = () => readTarget(repository, target);
  /** The target as the user and landings left it; an agent that moved it may not have ended yet. */
  const resolve = async () => {
    const found = await look();
    const now = new Map<string, Oid>();
    if (found.target !== undefined) now.set(found.ref, found.target);
    if (found.shadow !== undefined) now.set(found.shadowRef, found.shadow);
    const mended = await mending(() => mendBranches(repository, found.ref, [found.shadowRef], now));
    mendedEarly.push(...mended);
    return mended.length === 0 ? found : look();
  };
  const headNow = async (): Promise<Oid> => {
    const { head, target: there } = await resolve();
    if (head === undefined || there === undefined) throw new BranchGone(target, head ?? lastKnown);
    lastKnown = head;
    return head;
  };
  /** One set of hooks for a slot, whoever works there: its log is read from where it was on. */
  const guardFolder = ({ slot }: WorkEffect, isolation: Isolation = 'worktree'): string =>
    join(runDir, 'guards', `${isolation}-${slot}`);
  const rescueRef = (slot: number): string => `refs/mstone/rescue/${run}/slot${slot}`;
  const caging = async (path: string): Promise<{ cage?: Cage }> => {
    const cage = await cageOf(world, repository, config, { path });
    return cage === undefined ? {} : { cage };
  };
  /** A gate has no paths: there all is to be seen. */
  const coneFor = (item: ItemId): { readonly cone?: readonly string[] } => {
    const cone = config.worktrees.sparse ? coneOf(milestones.get(item)?.paths ?? []) : undefined;
    return cone === undefined ? {} : { cone };
  };
  const milestoneOf = (item: ItemId): Milestone => milestones.get(item) ?? gateMilestone(item, context);

  /** The slot, equal to the commit it starts from, with what the project's folders need. */
  const makeReady = async (
    id: string,
    effect: WorkEffect,
    log: string,
    signal: AbortSignal,
  ): Promise<Result<AssignmentRecord, AgentOutcome>> => {
    const head = await headNow();
    const from = effect.from === 'head' ? head : effect.from;
    const milestone = milestoneOf(effect.item);
    const slot = await prepareSlot(repository, {
      slotsDir,
      slot: effect.slot,
      isolation: config.isolation,
      commit: from,
      ...coneFor(effect.item),
      ...(effect.merge === undefined ? {} : { merge: effect.merge }),
      keep,
      copied: config.worktrees.copy,
      rescueRef: rescueRef(effect.slot),
      lane,
    });
    if (!slot.ok) return err({ kind: 'unprepared', message: slot.error });
    const { path, conflicts } = slot.value;
    const env = environment(tagOf(id), effect.slot, milestone.env);
    await freshTemporary(config, path);
    const folder = await prepareFolder({
      ...(await caging(path)),
      path,
      root: repository.root,
      copy: config.worktrees.copy,
      setup: config.worktrees.setup,
      env,
      timeoutMs: config.timeouts.checkMs,
      signal,
      logFile: log,
      tag: tagOf(id),
      redact,
    });
    await scrubFile(log, redact.forms);
    if (signal.aborted) return err({ kind: 'cancelled' });
    if (!folder.ok) return err({ kind: 'unprepared', message: folder.error.message });
    if (effect.purpose === 'implement') {
      const unmet = await meetRequirements(milestone.requires, {
        path,
        env: { ...world.env, ...milestone.env },
        signal,
      });
      if (unmet !== undefined) return err({ kind: 'unmet', ...unmet });
    }
    const [milestoneDiff, mcp, knows, sides, snapshot] = await Promise.all([
      textChange(effect.item, head),
      serversAt(head),
      known(effect, milestone, { head, from, name: nameOf(effect) }),
      bothSides(effect, from, conflicts),
      snapshotRefs(repository, guardLog(guardFolder(effect, config.isolation))),
    ]);
    return ok({
      at: world.now(),
      path,
      ...(slot.value.cone === undefined ? {} : { cone: slot.value.cone }),
      ...(config.isolation === 'clone' ? { isolation: config.isolation } : {}),
      base: (await stageBase(effect)) ?? effect.base ?? from,
      from,
      protect: effect.merge ?? from,
      ...(effect.merge === undefined ? {} : { merge: effect.merge }),
      conflicts,
      refs: { ...snapshot, refs: [...snapshot.refs] },
      told: [...slot.value.told, ...folder.value.told, ...mcp.told],
      ...(mcp.servers === undefined ? {} : { mcp: mcp.servers }),
      ...(milestoneDiff === undefined ? {} : { milestoneDiff }),
      knows: { ...knows, ...sides },
    });
  };

  /** Whoever reviews a stage sees all that it brought: from before the first of its landings. */
  const stageBase = async ({ item, purpose }: WorkEffect): Promise<Oid | undefined> => {
    const gate = context.items.get(item);
    if (purpose !== 'review' || gate?.stageReview === undefined) return undefined;
    const landings = [...(await landingsOf(repository, await look())).values()].filter(
      ({ id, state, marked }) => state === 'done' && !marked && milestones.get(id)?.stage === gate.stage,
    );
    return landings.length === 0
      ? undefined
      : commonAncestor(
          repository,
          landings.map(({ commit }) => `${commit}^1`),
        );
  };

  /** What a brief tells beside the milestone, as it is when the agent starts. */
  const known = async (
    effect: WorkEffect,
    milestone: Milestone,
    { head, from, name }: { readonly head: Oid; readonly from: Oid; readonly name: string },
  ): Promise<NonNullable<AssignmentRecord['knows']>> => {
    const { tasks } = repository.layout;
    const own = OWN_BRIEFS[agentOf(config, effect.agent).kind];
    const files = config.brief.filter((file) => file !== own);
    const project = (await readPlainFiles(repository, head, files)).map(({ file, text }) => ({
      file,
      text: plainText(text, LONGEST_PROJECT_FILE),
    }));
    // A reviewer takes no word from those whose work it judges.
    const notes =
      effect.purpose === 'review' ? [] : await readNotes(context.logsDir, notesFile(context.logsDir, name));
    const { base } = effect;
    const moved =
      base === undefined || effect.purpose === 'review'
        ? undefined
        : await readMoved(repository, { base, head, work: from, except: tasks });
    const landed = effect.purpose === 'review' ? [] : await builtOn(milestone);
    return {
      ...(project.length === 0 ? {} : { project }),
      ...(notes.length === 0 ? {} : { notes }),
      ...(landed.length === 0 ? {} : { landed }),
      ...(moved === undefined ? {} : { moved }),
    };
  };

  /** Where the sides of a conflict come from, for whoever resolves it. */
  const bothSides = async (
    { purpose, merge }: WorkEffect,
    work: Oid,
    conflicts: readonly string[],
  ): Promise<Pick<PromptFacts, 'sides'>> => {
    if (purpose !== 'resolve' || merge === undefined) return {};
    const base = await forkOf(repository, merge, work);
    if (base === undefined) return {};
    const files = conflicts.slice(0, MOST_CONFLICTS);
    const since = files.length === 0 ? [] : await changedSince(repository, base, merge, files);
    const landings = new Map(
      [...(await landingsOf(repository, await look(), landingsKnown)).values()].map((one) => [
        one.commit,
        one,
      ]),
    );
    const others = since.flatMap((commit) => {
      const landing = landings.get(commit);
      const other = landing === undefined ? undefined : milestones.get(landing.id);
      if (other === undefined) return [];
      const { id, title, body } = other;
      return [{ id, title, commit, text: plainText(body, LONGEST_PROJECT_FILE) }];
    });
    return { sides: { base, work, others: others.slice(0, MOST_DEPENDENCIES) } };
  };

  /** What the milestones that this one names have brought. */
  const builtOn = async ({ dependsOn }: Milestone): Promise<LandedFacts[]> => {
    if (dependsOn.length === 0) return [];
    const landings = await landingsOf(repository, await look(), landingsKnown);
    const found: LandedFacts[] = [];
    for (const id of dependsOn.slice(0, MOST_DEPENDENCIES)) {
      const landing = landings.get(id);
      if (landing?.state !== 'done' || landing.marked) continue;
      const brought = await readBrought(repository, landing.commit, repository.layout.tasks);
      if (brought === undefined) continue;
      found.push({ id, title: milestones.get(id)?.title ?? id, commit: landing.commit, ...brought });
    }
    return found;
  };

  const serversAt = async (
    commit: Oid,
  ): Promise<{ servers?: Readonly<Record<string, unknown>>; told: string[] }> => {
    // They may hold secrets, which no record is to keep.
    if (config.mcpServers !== undefined) return { told: [] };
    const text = await readFileAt(repository, commit, '.mcp.json');
    if (text === undefined) return { told: [] };
    try {
      const servers: unknown = JSON.parse(text.toString('utf8'));
      if (typeof servers === 'object' && servers !== null && !Array.isArray(servers)) {
        return { servers: { ...servers }, told: [] };
      }
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    return { told: ['.mcp.json cannot be read, so no MCP servers are started'] };
  };

  /** A stale milestone is done again for the difference of its two texts. */
  const textChange = async (item: ItemId, head: Oid): Promise<string | undefined> => {
    const milestone = milestones.get(item);
    if (milestone === undefined) return undefined;
    const landing = context.landings.get(item);
    if (landing?.state !== 'done' || isSameText(landing.digest, milestone)) return undefined;
    const old = await fileThen(world, repository, landing.commit, item);
    if (old === undefined) return undefined;
    return diffFiles(
      repository,
      { commit: landing.commit, path: old },
      { commit: head, path: milestone.file },
    );
  };

  const work = async (id: string, effect: WorkEffect, signal: AbortSignal): Promise<WorkOutcome> => {
    const name = nameOf(effect);
    const dir = join(runDir, 'assignments', name);
    const log = join(context.logsDir, `${name}.log`);
    const tag = tagOf(id);
    const isNew = (await mkdir(dir, { recursive: true, mode: 0o700 })) !== undefined;
    let record = isNew ? undefined : await readRecord(dir);
    let kept = Promise.resolve();
    if (record === undefined) {
      // Nothing was started yet, but a killed mstone's setup may still be at it.
      if (!isNew) await endTagged(tag, { graceMs: 1000 });
      const ready = await makeReady(id, effect, log, signal);
      if (!ready.ok) return { agent: ready.error, costUsd: 0, logBytes: 0 };
      record = ready.value;
      kept = keepRecord(dir, record);
      // Told where it is waited for.
      kept.catch(() => undefined);
    }

    const milestone = milestoneOf(effect.item);
    const agent = inSandbox(agentOf(config, effect.agent), config);
    const guard = await installGuard(repository, guardFolder(effect, record.isolation), {
      slotName: slotPlace(repository, slotsDir, effect.slot, record.isolation).name,
    });
    const facts = factsOf(context, milestone, effect, record);
    const prompt = fitPrompt(effect.purpose, facts, context.templates, {
      limit: config.briefLimit,
      folder: templatesIn(repository.layout),
    });
    if (!prompt.ok) {
      const message = prompt.error.map((diagnostic) => diagnostic.message).join('; ');
      return { agent: { kind: 'unstartable', message }, costUsd: 0, logBytes: 0 };
    }
    const pay = payFor(config, effect.credential);
    if (pay === 'gone' && !hasStarted(dir)) {
      const message = `${effect.credential} is configured no more`;
      return { agent: { kind: 'unauthorized', message }, costUsd: 0, logBytes: 0 };
    }
    const further = furtherPrompt(facts);
    const model = modelOf(milestone, config, effect.agent, effect.purpose);
    const mcp = config.mcpServers === undefined ? record.mcp : { mcpServers: config.mcpServers };
    const judging =
      effect.purpose === 'review'
        ? await judgingOf(repository, config, milestone, {
            effect,
            checks: facts.checks,
            base: record.base,
            from: record.from,
          })
        : undefined;
    const cage = await cageOf(world, repository, config, {
      path: record.path,
      reads: [runDir],
      notes: notesFile(context.logsDir, name),
      kind: agent.kind,
    });
    await kept;
    const report = await perform({
      ...(cage === undefined ? {} : { cage }),
      dir,
      logFile: log,
      kind: agent,
      purpose: effect.purpose,
      ...(facts.role === undefined ? {} : { role: facts.role }),
      milestone,
      attempt: effect.attempt,
      base: record.base,
      cwd: record.path,
      prompt: prompt.value.text,
      notesFile: notesFile(context.logsDir, name),
      ...(further === undefined ? {} : { furtherPrompt: further }),
      ...(effect.session === undefined ? {} : { session: effect.session }),
      ...(model === undefined ? {} : { model }),
      ...(effect.capUsd === undefined ? {} : { capUsd: effect.capUsd }),
      ...(effect.sessionUsd === undefined ? {} : { sessionUsd: effect.sessionUsd }),
      ...(mcp === undefined ? {} : { mcp }),
      context: contextJson(facts),
      env: environment(tag, effect.slot, { ...ownVariables(agent.kind, world.env), ...guard.env }),
      milestoneEnv: milestone.env,
      onUsage: (windows) => context.onUsage(effect.credential ?? effect.agent, windows),
      ...(pay === undefined || pay === 'gone' ? {} : { pay }),
      redact,
      ...(judging === undefined ? {} : { judging }),
      timeouts: config.timeouts,
      ...(config.logs.maxBytes === undefined ? {} : { maxLogBytes: config.logs.maxBytes }),
      tag,
      signal,
      startDetached: context.startDetached,
    });

    await scrubFile(log, redact.forms);
    const taken = await taking(effect, record, milestone);
    // What it was given and left as it was is no agent's: the target may follow to it meanwhile.
    const isGiven = effect.from === 'head' && taken.commit === record.from;
    const mended = await mending(() =>
      mendRefs(repository, refsOf(record), {
        guardLog: guard.log,
        slotCommits: new Set(isGiven ? [] : [taken.commit]),
      }),
    );
    const told = [
      ...record.told,
      ...briefWords(prompt.value, config.briefLimit),
      ...(report.told ?? []),
      ...versionNote(agent.kind, report.version),
      ...mendedEarly.splice(0),
      ...mended,
      ...noteWords(await readNote(notesFile(context.logsDir, name)), notesFile(context.logsDir, name)),
    ];
    const outcome = {
      agent: report.outcome,
      costUsd: report.costUsd,
      ...(report.estimated === undefined ? {} : { estimated: report.estimated }),
      logBytes: report.logBytes,
      ...(report.session === undefined ? {} : { session: report.session }),
      ...(report.version === undefined ? {} : { version: report.version }),
      ...(report.tokens === undefined ? {} : { tokens: report.tokens }),
      ...(report.windows === undefined ? {} : { windows: report.windows }),
      ...(report.subscription === undefined ? {} : { subscription: report.subscription }),
      ...(report.stays === undefined ? {} : { stays: report.stays }),
    };
    if (effect.purpose === 'review') {
      const wrote = taken.changed ? ['the reviewer changed files; that was dropped'] : [];
      return {
        ...outcome,
        ...(report.judgement === undefined ? {} : { judgement: report.judgement }),
        told: [...told, ...wrote],
      };
    }
    const view = milestones.has(effect.item)
      ? await moveView(repository, effect.item, taken.commit)
      : undefined;
    const touches = await touchedBy(repository, context.items.get(effect.item), taken);
    const barrier = await barrierOf(taken);
    return {
      ...outcome,
      harvest: { ...taken, ...touches, ...(barrier.length === 0 ? {} : { barrier }) },
      told: view === undefined ? told : [...told, view],
    };
  };

  /** What work touches that others' verdicts rest on. */
  const barrierOf = async ({ base, commit, changed }: Harvest): Promise<string[]> => {
    if (!changed || config.merge.parallel === 1 || config.merge.barrier.length === 0) return [];
    const files = await changedFiles(repository, base, commit);
    return matching(config.merge.barrier, files).slice(0, MOST_BARRIERS);
  };

  /** What an author leaves is looked at before anybody judges it. */
  const taking = async (
    effect: WorkEffect,
    record: AssignmentRecord,
    milestone: Milestone,
  ): Promise<Harvest> => {
    const taken = await take(effect, record, milestone);
    if (effect.purpose === 'review') return taken;
    const { paths } = milestone;
    return lookAt(repository, config, taken, {
      head: lastKnown,
      commands: context.items.get(effect.item)?.checks ?? [],
      ...(paths === undefined ? {} : { paths }),
      own: context.own,
      message: harvestMessage(effect, milestone),
      dateMs: record.at,
      pinRef: pinOf(effect),
    });
  };
  const harvestMessage = (effect: WorkEffect, { title }: Milestone): string =>
    `${effect.item}: ${title} (${effect.purpose})`;
  const pinOf = (effect: WorkEffect): string =>
    `refs/mstone/runs/${run}/${effect.item}/${effect.attempt}.${effect.assignment}`;

  /** Makes what is in the slot a commit, pinned, whatever the agent did to the folder. */
  const take = (effect: WorkEffect, record: AssignmentRecord, milestone: Milestone): Promise<Harvest> =>
    harvest(repository, {
      slot: effect.slot,
      slotsDir,
      ...(record.cone === undefined ? {} : { cone: record.cone }),
      ...(record.isolation === undefined ? {} : { isolation: record.isolation }),
      // A reviewer is held to what it was given, an author to what its work is compared with.
      base: effect.purpose === 'review' ? record.from : record.base,
      from: record.from,
      ...(record.merge === undefined ? {} : { merge: record.merge }),
      message: harvestMessage(effect, milestone),
      dateMs: record.at,
      protect: { from: record.protect, paths: protectedPaths(repository.layout) },
      copied: config.worktrees.copy,
      keep,
      pinRef: pinOf(effect),
      archiveDir: join(context.logsDir, `${effect.item}.${effect.attempt}.${effect.assignment}.left`),
      conflicted: record.conflicts,
    });

  /** What is checked, since when, and where the repository's hooks are (relative ones are the folder's own). */
  const toldToChecks = async (commit: Oid): Promise<Record<string, string>> => {
    const base = await forkOf(repository, lastKnown, commit);
    return {
      MSTONE_COMMIT: commit,
      ...(base === undefined ? {} : { MSTONE_BASE: base }),
      ...(config.git.hooks ? { MSTONE_HOOKS: await hooksOf(repository), MSTONE_PRE_COMMIT: PRE_COMMIT } : {}),
    };
  };

  const check = async (id: string, effect: CheckEffect, signal: AbortSignal): Promise<CheckOutcome> => {
    const tag = tagOf(id);
    const log = join(context.logsDir, `${effect.item}.${effect.attempt}.${id}.check.log`);
    // All that a killed mstone may have begun for it begins with the log.
    if (existsSync(log)) await endTagged(tag, { graceMs: 1000 });
    const commit = effect.commit === 'head' ? await headNow() : effect.commit;
    const unstartable = (message: string): CheckOutcome => ({ kind: 'unstartable', message, results: [] });
    const slot = await prepareSlot(repository, {
      slotsDir,
      slot: effect.slot,
      isolation: config.isolation,
      commit,
      ...(effect.with === undefined || effect.with.length === 0 ? coneFor(effect.item) : {}),
      keep,
      copied: config.worktrees.copy,
      rescueRef: rescueRef(effect.slot),
      lane,
    });
    if (!slot.ok) return unstartable(slot.error);
    const env = environment(
      tag,
      effect.slot,
      Object.assign(
        {},
        ...[...(effect.with ?? []), effect.item].map((item) => milestones.get(item)?.env),
        await toldToChecks(commit),
      ),
    );
    await freshTemporary(config, slot.value.path);
    const common = {
      ...(await caging(slot.value.path)),
      path: slot.value.path,
      env,
      timeoutMs: config.timeouts.checkMs,
      signal,
      logFile: log,
      tag,
      redact,
    };
    const folder = await prepareFolder({
      ...common,
      root: repository.root,
      copy: config.worktrees.copy,
      setup: config.worktrees.setup,
    });
    await scrubFile(log, redact.forms);
    if (signal.aborted) return { kind: 'cancelled' };
    if (!folder.ok) return unstartable(folder.error.message);
    // What stands on the target has landed: nobody here could answer for its having no tests.
    const expectTests =
      (effect.of === 'base' && config.expectTests === 'auto') ||
      milestones.get(effect.item)?.allow?.includes('no-tests')
        ? false
        : config.expectTests;
    const checked = await runChecks(effect.commands, { ...common, clock: world, expectTests });
    await scrubFile(log, redact.forms);
    switch (checked.kind) {
      case 'cancelled':
        return { kind: 'cancelled' };
      case 'unstartable':
        return {
          kind: 'unstartable',
          message: checked.message ?? 'a check could not start',
          results: checked.results,
        };
      case 'passed':
      case 'failed':
        return {
          kind: checked.kind,
          commit,
          tree: await treeKey(repository, commit),
          results: checked.results,
        };
    }
  };

  const candidate = async (_id: string, effect: CandidateEffect): Promise<CandidateOutcome> => {
    const found = await inspectHead(repository, target, effect.head, await resolve());
    if (found.kind === 'rewound') return found;
    if (found.kind === 'gone') return { kind: 'refused', message: `${found.message}: ${found.command}` };
    const { head } = found;
    if (effect.item === 'sync') {
      if (found.kind !== 'diverged') return { kind: 'refused', message: `${target} has come together again` };
      const into = shortName(found.target.shadowRef);
      const message = `Merge ${target} into ${into}`;
      return buildSync(repository, {
        shadow: head,
        target: found.target.target,
        message,
        dateMs: effect.date,
      });
    }
    if (found.kind === 'diverged') return { kind: 'diverged', target: found.target.target, shadow: head };
    if (effect.onto === undefined) return mergeOnto(effect, head, found.target);
    if (head !== effect.head) return { kind: 'moved', head };
    const made = await mergeOnto(effect, effect.onto, { ...found.target, head: effect.onto });
    if (made.kind !== 'conflict') return made;
    // What it conflicts with may never land: nobody resolves that yet, unless the head is in its way, too.
    const alone = await mergeOnto(effect, head, found.target);
    return alone.kind === 'conflict' ? alone : { kind: 'clash', files: made.files };
  };

  const mergeOnto = async (
    effect: CandidateEffect,
    onto: Oid,
    on: Pick<ResolvedTarget, 'head' | 'target'>,
  ): Promise<BuildOutcome> => {
    const item = context.items.get(effect.item);
    const milestone = milestoneOf(effect.item);
    const landing: Landing = {
      id: effect.item,
      digest: item?.digest ?? milestone.digest,
      state: 'done',
      commit: '',
      at: effect.date,
      run,
      agent: effect.agent,
      review: reviewWords(effect),
      subject: `${effect.item}: ${milestone.title}`,
    };
    const landings = new Map(await landingsOf(repository, on, landingsKnown)).set(effect.item, landing);
    const existing = await readFileAt(repository, onto, repository.layout.tasks);
    return buildCandidate(repository, {
      head: onto,
      work: effect.commit,
      tasks: renderTasksFile(existing, tasksView(context.milestones, landings)),
      message: formatMessage({
        subject: landing.subject,
        trailers: [
          ['Mstone-Milestone', effect.item],
          ['Mstone-Digest', landing.digest],
          ['Mstone-Run', run],
          ['Mstone-Agent', effect.agent],
          ['Mstone-Review', reviewWords(effect)],
          ...approvedBy(effect),
          [
            'Mstone-Cost',
            `${effect.costUsd.toFixed(2)} USD${effect.estimated === true ? ' (estimated)' : ''}`,
          ],
        ],
      }),
      dateMs: effect.date,
    });
  };

  const landing = async ({ candidate, onto }: LandEffect): Promise<LandOutcome> => {
    // Candidates of others may lie between the head and this one.
    const made = onto === undefined ? candidate : { ...candidate, base: onto };
    const where = {
      target: await resolve(),
      lastKnown: made.base,
      slots: [slotsDir],
      hold: config.land !== 'each',
    };
    const outcome = await land(repository, { ...where, candidate: made });
    if (outcome.kind === 'landed') lastKnown = outcome.commit;
    return outcome;
  };
  const publishing = async (id: string, effect: PublishEffect): Promise<PublishOutcome> => {
    const there = await look();
    const landings = await landingsOf(repository, there);
    return publish(
      {
        world,
        repository,
        folder: join(runDir, 'pulls'),
        milestones,
        landings,
        beside: new Set(await idsBeside(repository, there)),
        tag: tagOf(id),
      },
      effect,
    );
  };
  const following = async (): Promise<FollowOutcome> => follow(repository, await resolve(), [slotsDir]);

  const clean = <O>(outcome: O): O => redacted(outcome, redact);
  return {
    work: (id, effect, signal) => work(id, effect, signal).catch(asUnprepared).then(unlessFull).then(clean),
    check: (id, effect, signal) =>
      check(id, effect, signal).catch(asUnstartable).then(unlessFull).then(clean),
    candidate: (id, effect) => candidate(id, effect).catch(asRefused).then(unlessFull).then(clean),
    land: (_id, effect) => landing(effect).catch(asRefused).then(unlessFull).then(clean),
    publish: (id, effect) => publishing(id, effect).catch(asUnpublished).then(clean),
    follow: () => following().catch(asBlocked).then(unlessFull).then(clean),
  };
}

/** The file that an agent's CLI reads by itself: twice is paid for twice. */
const OWN_BRIEFS: Readonly<Partial<Record<AgentConfig['kind'], string>>> = {
  claude: 'CLAUDE.md',
  codex: 'AGENTS.md',
  opencode: 'AGENTS.md',
};
/** HEAD goes where the work began, so that all of it is staged, and back; a clone does not have the user's hooks. */
const PRE_COMMIT = [
  'git reset -q --soft "$MSTONE_BASE" || exit',
  'git -c core.hooksPath="$MSTONE_HOOKS" hook run --ignore-missing pre-commit',
  'code=$?',
  'git reset -q --soft "$MSTONE_COMMIT"',
  'exit $code',
].join('\n');

/** Characters. */
const LONGEST_PROJECT_FILE = 40_000;
const MOST_DEPENDENCIES = 12;
const MOST_CONFLICTS = 100;
const MOST_BARRIERS = 5;

const nameOf = ({ item, attempt, assignment, purpose }: WorkEffect): string =>
  `${item}.${attempt}.${assignment}.${purpose}`;

/** What of a brief had to go, and that it is too long all the same. */
const briefWords = (
  { text, cut }: { readonly text: string; readonly cut: readonly string[] },
  limit: number,
): string[] => [
  ...(cut.length === 0
    ? []
    : [`its brief was longer than ${limit} characters (brief_limit): left out ${cut.join(', ')}`]),
  ...(text.length > limit
    ? [`its brief has ${text.length} characters, with all of it that is never cut`]
    : []),
];

const noteWords = (text: string, file: string): string[] =>
  text === '' ? [] : [`for later briefs: ${plainLine(text, 200)} (${file})`];

/** In git's words and in those of whatever else sets up a folder. */
const FULL = /No space left on device|Disk quota exceeded|ENOSPC|EDQUOT/;

/**
 * A full disk is nobody's failure: no attempt is used up for it, the run pauses and is gone on with once there
 * is room. Only what could not be begun is looked at; what an agent or a check makes of it is theirs to say.
 */
function unlessFull<O extends WorkOutcome | CheckOutcome | CandidateOutcome | LandOutcome | FollowOutcome>(
  outcome: O,
): O {
  const message = hindranceOf(outcome);
  if (!FULL.test(message)) return outcome;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}

function hindranceOf(
  outcome: WorkOutcome | CheckOutcome | CandidateOutcome | LandOutcome | FollowOutcome,
): string {
  if ('agent' in outcome) return outcome.agent.kind === 'unprepared' ? outcome.agent.message : '';
  if (outcome.kind === 'unstartable' || outcome.kind === 'refused') return outcome.message;
  return outcome.kind === 'blocked' ? outcome.block.message : '';
}

/** Git's own refusals become outcomes of the item they hit; whatever else is thrown is a bug of ours. */
const asUnprepared = (error: unknown): WorkOutcome => {
  if (!(error instanceof GitError)) throw error;
  return { agent: { kind: 'unprepared', message: error.message }, costUsd: 0, logBytes: 0 };
};
const asUnstartable = (error: unknown): CheckOutcome => {
  if (!(error instanceof GitError)) throw error;
  return { kind: 'unstartable', message: error.message, results: [] };
};
const asRefused = (error: unknown): { kind: 'refused'; message: string } => {
  if (!(error instanceof GitError)) throw error;
  return { kind: 'refused', message: error.message };
};

const asUnpublished = (error: unknown): PublishOutcome => ({
  kind: 'failed',
  message: asRefused(error).message,
  command: 'mstone doctor',
});

const asBlocked = (error: unknown): FollowOutcome => {
  const { message } = asRefused(error);
  return { kind: 'blocked', block: { files: [], message, command: 'mstone run' } };
};

const refsOf = ({ refs }: AssignmentRecord): RefSnapshot => ({ ...refs, refs: new Map(refs.refs) });

/** Resolves when it survives a power cut, with the names that lead to it: then somebody may be started by it. */
async function keepRecord(dir: string, record: AssignmentRecord): Promise<void> {
  await writeFileAtomic(join(dir, 'record.json'), JSON.stringify({ v: 1, ...record }), { mode: 0o600 });
  await Promise.all([dir, dirname(dir)].map((folder) => nodeDisk.syncFolder(folder)));
}

async function readRecord(dir: string): Promise<AssignmentRecord | undefined> {
  const text = await readFile(join(dir, 'record.json'), 'utf8').catch(absent(undefined));
  return text === undefined ? undefined : (JSON.parse(text) as AssignmentRecord);
}

/** Outside the repository, so that no test runner or linter in the checkout finds copies of the code. */
export function slotsFolder(world: World, repository: Repository, config: Config): string {
  const { dir } = config.worktrees;
  const name = `${basename(repository.root).replace(/[^A-Za-z0-9._-]/g, '_')}-${slotsKey(repository)}`;
  if (dir === undefined) return join(stateHome(world.env), 'mstone', name, 'slots');
  return join(isAbsolute(dir) ? dir : join(repository.root, dir), name);
}

const shortName = (ref: string): string => ref.replace(/^refs\/(heads\/)?/, '');

/** A sandbox within one fails as a rule; Claude Code goes without questions as root only where it is told of one. */
function inSandbox(agent: AgentConfig, { sandbox }: Config): AgentConfig {
  if (sandbox.kind === 'none') return agent;
  switch (agent.kind) {
    case 'codex':
      return agent.sandbox === 'workspace-write' ? { ...agent, sandbox: 'danger-full-access' } : agent;
    case 'claude':
      return { ...agent, env: { IS_SANDBOX: '1', ...agent.env } };
    default:
      return agent;
  }
}

const agentOf = (config: Config, name: string): AgentConfig =>
  config.agents[name] ?? { kind: 'recipe', env: {} };

/** A gate is worked on as a milestone of its own, made of the stage's checks and, where it is reviewed, of its milestones. */
function gateMilestone(item: ItemId, context: HandsContext): Milestone {
  const plan = context.items.get(item);
  const title = plan?.title ?? item;
  const checks = plan?.checks ?? [];
  const members =
    plan?.stageReview === undefined
      ? []
      : context.milestones.filter(({ stage, enabled }) => enabled && stage === plan.stage);
  const listed = checks.map((check) => `- \`${check}\``).join('\n');
  const body =
    members.length === 0
      ? `# ${title}\n\nAll milestones of the stage have landed, and its checks do not pass on them together:\n\n${listed}\n\nMake them pass without undoing what the milestones brought.\n`
      : [
          `# ${title}`,
          'All milestones of the stage have landed, each checked and reviewed by itself. Here they are held against their texts together: whether all that was asked for is there still, and whether what they brought fits: no part done twice or in two ways, nothing that one broke of another.',
          ...(checks.length === 0 ? [] : [`These checks of the stage must pass:\n\n${listed}`]),
          'What is found wanting is mended without undoing what the milestones brought. Their texts, whole:',
          ...members.map((one) => `<text milestone="${one.id}">\n${one.body.trim()}\n</text>`),
          '',
        ].join('\n\n');
  return {
    id: item,
    stage: plan?.stage ?? 0,
    letters: '',
    file: context.repository.layout.milestones,
    title,
    body,
    description: '',
    entryRequirements: '',
    tasks: [],
    criteria: members.flatMap(({ id, criteria }) => criteria.map((text) => `${id}: ${text}`)),
    dependsOn: [],
    checks,
    requires: [],
    env: {},
    priority: 0,
    enabled: true,
    recipe: {},
    digest: plan?.digest ?? '',
  };
}

function factsOf(
  context: HandsContext,
  milestone: Milestone,
  effect: WorkEffect,
  record: AssignmentRecord,
): PromptFacts {
  const { brief } = effect;
  const { review } = context.config;
  const role = roleOf(effect, milestone);
  return {
    milestone,
    target: context.target,
    base: record.base,
    attempt: effect.attempt,
    round: effect.round,
    because: brief.because,
    ...(brief.why === undefined ? {} : { why: brief.why }),
    ...(brief.setbacks === undefined ? {} : { setbacks: brief.setbacks }),
    ...(brief.left === undefined ? {} : { left: brief.left }),
    checks: context.items.get(effect.item)?.checks ?? [],
    checkResults: brief.checks,
    findings: brief.findings,
    unmet: brief.unmet,
    ...(brief.facts === undefined ? {} : { facts: brief.facts }),
    ...(brief.seen === undefined ? {} : { seen: brief.seen }),
    ...(effect.merge === undefined ? {} : { conflict: { onto: effect.merge, files: record.conflicts } }),
    blockOn: review === false ? [] : review.blockOn,
    ...(role === undefined ? {} : { role }),
    ...(effect.purpose !== 'review' || review === false || review.threshold === undefined
      ? {}
      : { threshold: review.threshold }),
    ...(effect.purpose === 'review' ? { authorRules: rulesFor('implement', context.repository.layout) } : {}),
    diffCommand: `git diff ${record.base}`,
    rules: rulesFor(effect.purpose, context.repository.layout),
    ...(record.milestoneDiff === undefined ? {} : { milestoneDiff: record.milestoneDiff }),
    ...record.knows,
  };
}

/** Whose word the landing rests on, where a person was asked. */
const approvedBy = ({ approved }: CandidateEffect): Trailer[] =>
  approved === undefined
    ? []
    : [['Mstone-Approved-By', `${approved.by} at ${new Date(approved.at).toISOString()}`]];

/** Which of those who have a say over paths have one over this change. */
async function touchedBy(
  repository: Repository,
  item: PlanItem | undefined,
  { base, commit }: Harvest,
): Promise<{ readonly touches?: readonly string[] }> {
  const partial = (item?.reviewers ?? []).filter(({ paths }) => paths !== undefined);
  if (partial.length === 0) return {};
  const files = await changedFiles(repository, base, commit);
  const touches = partial.filter(({ paths = [] }) => matching(paths, files).length > 0);
  return { touches: touches.map(({ name }) => name) };
}

/** A milestone's role is its author's; whoever reviews is a reviewer, unless it has a role of its own. */
const roleOf = ({ purpose, role }: WorkEffect, milestone: Milestone): string | undefined =>
  role ?? (purpose === 'review' ? 'reviewer' : milestone.role);

const reviewWords = (effect: CandidateEffect): string =>
  effect.review === 'off'
    ? 'off'
    : effect.rounds === 0
      ? 'approved'
      : `approved after ${effect.rounds} remediation${effect.rounds === 1 ? '' : 's'}`;

/** A landing names its run, a mark has none. */
function standingIn({ state, at, digest, run, agent, review }: Landing): Partial<TasksMilestone> {
  if (run === undefined) return { marked: { to: state, atMs: at, digest } };
  return state === 'done' ? { landed: { atMs: at, agent: agent ?? '', review: review ?? '' } } : {};
}

/** TASKS.md as milestones and landings say it. */
export function tasksView(
  milestones: readonly Milestone[],
  landings: ReadonlyMap<string, Landing>,
): TasksView {
  const stages = new Map<number, Milestone[]>();
  for (const milestone of milestones) {
    stages.set(milestone.stage, [...(stages.get(milestone.stage) ?? []), milestone]);
  }
  return {
    stages: [...stages].map(([stage, members]) => ({
      stage,
      milestones: members.map((milestone) => {
        const landing = landings.get(milestone.id);
        return {
          id: milestone.id,
          title: milestone.title,
          tasks: milestone.tasks.map((task) => task.title ?? task.text),
          ...(landing === undefined ? {} : standingIn(landing)),
        };
      }),
    })),
  };
}
