/**
 * `mstone doctor`: whether mstone can work here, each finding with the line that mends it. Takes no lock and
 * changes nothing; `--fix` removes a dead owner's lock and slots that are broken, what they hold pinned first, and ends processes
 * that nobody waits for.
 */
import { constants } from 'node:fs';
import { access, lstat, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { AgentReport } from '../agent/index.js';
import { makeLane } from '../engine/index.js';
import { listWorktrees, openRepository, type Repository } from '../git/index.js';
import { removeSlot } from '../git/slots.js';
import { findSlots } from '../git/tidy.js';
import { formatBytes, percent, pressureOf, usedShare } from '../host/index.js';
import { nearestThere } from '../host/measure.js';
import { readOwner } from '../journal/lock.js';
import type { AgentConfig, Config } from '../model/config.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { INSTALL_LINE } from '../model/known-agents.js';
import type { Milestone } from '../model/milestone.js';
import type { AgentOutcome } from '../model/outcome.js';
import { shown } from '../model/shown.js';
import { reviewersFor } from '../plan/reviewers.js';
import { allowedEnvironment } from '../process/environment.js';
import { whyNoSandbox } from '../process/sandbox.js';
import { listTagged } from '../process/tagged.js';
import { formatTokens } from '../report/costs.js';
import { painter } from '../report/text.js';
import { count, formatDuration, formatUsd, names, shellWord } from '../report/words.js';
import { heldOver } from '../run/credentials.js';
import { credentialSettings } from './credentials.js';
import { slotsFolder } from './hands.js';
import { isNodeScript, loginOf } from './logins.js';
import { endOrphans, findOrphans, type Orphan } from './orphans.js';
import { say, sayJson } from './output.js';
import { probe } from './probe.js';
import { agentLabel, findProgram, installedAgents, versionOf as programVersion } from './programs.js';
import { readCheckout } from './project.js';
import { isDriven, knownRuns, ownerIsAlive, underLock, unfinishedOf } from './state.js';
import { examineSources } from './validate.js';
import type { World } from './world.js';

export interface DoctorOptions {
  readonly fix?: true;
  /** Ask each agent that is named one word. */
  readonly probe?: true;
  readonly json?: true;
}

/** `error` must be mended before a run can be relied on; a `warning` should be. */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'error';
  readonly message: string;
  /** A command line, or one sentence where none can mend it. */
  readonly fix?: string;
}

/** What `--json` prints. */
export interface DoctorDocument {
  readonly schema: 1;
  /** No finding is an error. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** What `--fix` did, a sentence each. */
  readonly fixed: readonly string[];
}

type Judged = Omit<Finding, 'check'>;

const fine = (message: string): Judged => ({ state: 'ok', message });

export async function doctor(world: World & { color: boolean }, options: DoctorOptions): Promise<number> {
  const repository = await openRepository(world.cwd, world.env);
  const fixed = options.fix === true && repository.ok ? await mend(world, repository.value) : [];
  const findings: Finding[] = [
    { check: 'node', ...judgeNode(process.versions.node, world.now()) },
    ...(repository.ok
      ? await examine(world, repository.value, options)
      : repository.error.map((diagnostic) => ({ check: 'git', ...fromDiagnostic(diagnostic) }))),
  ];
  const failed = findings.some(({ state }) => state === 'error');
  const document: DoctorDocument = { schema: 1, ok: !failed, findings, fixed };
  if (options.json === true) sayJson(world, document);
  else say(world, findingsText(findings, fixed, world.color));
  return failed ? 1 : 0;
}

async function examine(world: World, repository: Repository, options: DoctorOptions): Promise<Finding[]> {
  const sources = await examineSources(world, repository);
  const { config, milestones, configDiagnostics } = sources;
  const slotsDir = slotsFolder(world, repository, config);
  const others = sources.diagnostics.filter((one) => !configDiagnostics.includes(one));
  const of = (check: string, judged: readonly Judged[]): Finding[] =>
    judged.map((one) => ({ check, ...one }));
  return [
    ...of('git', [await judgeGit(repository)]),
    ...of('identity', [await judgeIdentity(repository)]),
    ...of('config', [judgeFiles('mstone.yaml, environment and user file', configDiagnostics)]),
    ...of('milestones', [judgeFiles(count(milestones.length, 'milestone'), others)]),
    ...of('agents', await judgeAgents(world, repository, config, milestones)),
    ...of('installed', await judgeInstalled(world)),
    ...of('login', await judgeLogins(world, config, milestones)),
    ...(options.probe === true ? of('probe', await judgeProbes(world, config, milestones)) : []),
    ...of('credentials', await judgeCredentials(world, repository, config, milestones)),
    ...of('sandbox', await judgeSandbox(world, config)),
    ...of('checks', await judgeChecks(world, repository, config, milestones)),
    ...of('state', await judgePlaces([repository.stateDir, slotsDir])),
    ...(await judgeHost(world, [repository.stateDir, slotsDir], config)),
    ...of('clock', [await judgeClock(world, repository)]),
    ...of('lock', [await judgeLock(repository)]),
    ...of('runs', await judgeRuns(repository)),
    ...of('worktrees', await judgeWorktrees(repository, slotsDir)),
    ...of('processes', [await judgeProcesses(repository, slotsDir)]),
  ];
}

// What the machine has.

/** When the makers of Node end their fixes; https://github.com/nodejs/release#release-schedule */
const NODE_ENDS: ReadonlyMap<number, string> = new Map([
  [20, '2026-04-30'],
  [21, '2024-06-01'],
  [22, '2027-04-30'],
  [23, '2025-06-01'],
  [24, '2028-04-30'],
  [25, '2026-06-01'],
]);

/** `now`: epoch ms. */
export function judgeNode(version: string, now: number): Judged {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const fix = 'install Node 24, or another with long-term support';
  if (major < 20 || (major === 20 && minor < 19)) {
    return { state: 'error', message: `Node ${version} is too old: 20.19 is the least`, fix };
  }
  const end = NODE_ENDS.get(major);
  if (end !== undefined && now > Date.parse(end)) {
    return { state: 'warning', message: `Node ${version} has had no fixes since ${end}`, fix };
  }
  return fine(`Node ${version}`);
}

/** Whether agents can be shut in, where that is asked for; a remark where it could be and is not. */
async function judgeSandbox(world: World, { sandbox }: Config): Promise<Judged[]> {
  if (sandbox.kind === 'none') return [];
  const why = await whyNoSandbox(allowedEnvironment(world.env));
  if (why === undefined) return [fine('bubblewrap works here')];
  return [
    {
      state: 'error',
      message: `no sandbox can be made here: ${why}`,
      fix: 'apt install bubblewrap, and allow user namespaces; or set `sandbox: none`',
    },
  ];
}

/** That it is new enough was seen when the repository was opened. */
async function judgeGit(repository: Repository): Promise<Judged> {
  const answer = await repository.git({ args: ['--version'], cwd: repository.root });
  return fine(shown(answer.text));
}

async function judgeIdentity(repository: Repository): Promise<Judged> {
  const ask = async (key: string): Promise<string> =>
    (await repository.git({ args: ['config', '--get', key], cwd: repository.root })).text;
  const [name, email] = [await ask('user.name'), await ask('user.email')];
  if (name !== '' && email !== '') return fine(`commits are by ${shown(name)} <${shown(email)}>`);
  return {
    state: 'warning',
    message: 'git does not know who you are: commits are by mstone <mstone@localhost>',
    fix: 'git config --global user.name "Your Name" && git config --global user.email you@example.org',
  };
}

/** Below this nothing that is written can be relied on, bytes. */
const NO_ROOM = 2e8;
/** Where the project holds no limit. */
const LITTLE_ROOM = 2e9;

/** What a run asks the machine before an agent starts, a line for each thing. */
async function judgeHost(world: World, places: readonly string[], config: Config): Promise<Finding[]> {
  const limits = config.pressure === false ? {} : config.pressure;
  const reading = await world.host.measure({ places, cpu: limits.cpu !== undefined });
  const one = (of: 'memory' | 'cpu', limit: number | undefined, share: number): Finding => {
    const held = pressureOf(reading, { [of]: limit });
    const fix = `end other programs, or set pressure.${of} in mstone.yaml`;
    if (held.is === 'short') {
      const message = `${held.words.slice(of.length + 1)}: one agent at a time is started`;
      return { check: of, state: 'warning', message, fix };
    }
    const word = limit === undefined ? 'no limit' : `limit ${percent(limit)}`;
    return { check: of, ...fine(`${percent(share)} ${of === 'cpu' ? 'in use' : 'used'}, ${word}`) };
  };
  const disks = reading.disks.filter(
    // Two folders on one disk are told once.
    ({ freeBytes }, index, all) => all.findIndex((other) => other.freeBytes === freeBytes) === index,
  );
  return [
    one('memory', limits.memory, usedShare(reading.memory)),
    ...(reading.cpu === undefined ? [] : [one('cpu', limits.cpu, reading.cpu)]),
    ...disks.map(({ place, freeBytes }) => ({
      check: 'disk',
      ...judgeRoom(place, freeBytes, limits.diskBytes ?? LITTLE_ROOM),
    })),
  ];
}

/** `free`: bytes that this user may fill at `place`; below `little` no agent is started beside another. */
export function judgeRoom(place: string, free: number, little: number): Judged {
  const message = `${formatBytes(free)} free for ${shown(place, 200)}`;
  if (free >= NO_ROOM && free >= little) return fine(message);
  const fix = 'make room; mstone clean shows what mstone itself can let go';
  if (free < NO_ROOM) return { state: 'error', message: `only ${message}`, fix };
  return {
    state: 'warning',
    message: `only ${message}, limit ${formatBytes(little)}: one agent at a time is started`,
    fix,
  };
}

/** mstone makes these folders: what is there of the way to them must let it. */
async function judgePlaces(places: readonly string[]): Promise<Judged[]> {
  return Promise.all(
    places.map(async (place) => {
      const there = await nearestThere(place);
      const word = shellWord(there);
      if (!(await stat(there)).isDirectory()) {
        return {
          state: 'error' as const,
          message: `${shown(there, 200)} is a file where a folder is needed`,
          fix: `mv -- ${word} ${shellWord(`${there}.mine`)}`,
        };
      }
      const may = await access(there, constants.W_OK | constants.X_OK).then(
        () => true,
        () => false,
      );
      if (may) return fine(`${shown(place, 200)} can be written`);
      const message = `${shown(there, 200)} cannot be written`;
      return { state: 'error' as const, message, fix: `chmod u+wx -- ${word}, or XDG_STATE_HOME elsewhere` };
    }),
  );
}

/** Clocks of two machines differ, ms. */
const SKEW_MS = 60_000;

/** Which landing is the newest is told by dates where history does not tell. */
async function judgeClock(world: World, repository: Repository): Promise<Judged> {
  if (repository.unborn) return fine('nothing is committed yet');
  const args = ['show', '-s', '--format=%ct', 'HEAD', '--'];
  const seconds = Number((await repository.git({ args, cwd: repository.root })).text);
  const now = world.now();
  if (seconds * 1000 <= now + SKEW_MS) return fine(`it is ${new Date(now).toISOString()}`);
  return {
    state: 'error',
    message: `it is ${new Date(now).toISOString()}, and the head was committed later: ${new Date(seconds * 1000).toISOString()}`,
    fix: 'set the clock of this machine',
  };
}

// What the project says.

function fromDiagnostic({ severity, message, expected, found, fix }: Diagnostic): Judged {
  const more = [
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(found === undefined ? [] : [`found ${found}`]),
  ];
  return {
    state: severity === 'error' ? 'error' : severity === 'warning' ? 'warning' : 'ok',
    message: [message, ...more].join('; '),
    ...(fix === undefined ? {} : { fix }),
  };
}

function judgeFiles(what: string, diagnostics: readonly Diagnostic[]): Judged {
  // Nothing is broken where nothing has been written yet.
  const isWarning = ({ severity, code }: Diagnostic): boolean =>
    severity === 'warning' || code === 'no-milestones';
  const errors = diagnostics.filter((one) => one.severity === 'error' && !isWarning(one));
  const warnings = diagnostics.filter(isWarning);
  const [first] = [...errors, ...warnings];
  if (first === undefined) return fine(`${what}: no errors`);
  const place =
    first.file === undefined ? '' : `${first.file}:${first.line === undefined ? '' : `${first.line}:`} `;
  const number = errors.length > 0 ? count(errors.length, 'error') : count(warnings.length, 'warning');
  return {
    state: errors.length > 0 ? 'error' : 'warning',
    message: `${number}; the first: ${shown(place, 200)}${first.message}`,
    fix: 'mstone validate',
  };
}

/** What named agents may be started on, in that order, and what of it cannot be used now: names, never values. */
async function judgeCredentials(
  world: World,
  repository: Repository,
  config: Config,
  milestones: readonly Milestone[],
): Promise<Judged[]> {
  const named = [...namedAgents(config, milestones)];
  const settings = credentialSettings(
    config,
    named.flatMap((name) => name ?? []),
  );
  if (!settings.ok) return settings.error.map(fromDiagnostic);
  const runs = await knownRuns(repository.stateDir);
  // A damaged journal is told by itself.
  const states = runs.ok ? runs.value.map(({ state }) => state) : [];
  const now = world.now();
  const held = heldOver(states, settings.value, now);
  return Object.entries(settings.value.credentials ?? {}).map(([agent, { order }]): Judged => {
    const words = order.map((name) => {
      const shut = held.shut[name];
      if (shut !== undefined) return `${name} (cannot be used: ${shown(shut.why)})`;
      const until = held.closed[name];
      return until === undefined ? name : `${name} (limited for ${formatDuration(until - now)})`;
    });
    const message = `${shown(agent)}: ${words.join(', ')}`;
    if (order.some((name) => held.shut[name] === undefined && held.closed[name] === undefined))
      return fine(message);
    return {
      state: 'warning',
      message,
      fix: 'mstone run waits for the first; another under `credentials` would not have to',
    };
  });
}

const namedAgents = (config: Config, milestones: readonly Milestone[]): ReadonlySet<string | undefined> =>
  new Set([
    config.agent,
    config.reviewer,
    ...milestones.flatMap(({ agent, reviewer }) => [agent, reviewer]),
    ...[{}, ...milestones]
      .flatMap((milestone) => reviewersFor(milestone, config, config.agent ?? ''))
      .flatMap(({ agent }) => (Object.hasOwn(config.agents, agent) ? [agent] : [])),
  ]);

/** The least major version of Node that a CLI asks for. */
const LEAST_NODE: Readonly<Partial<Record<AgentConfig['kind'], number>>> = {
  claude: 18,
  codex: 16,
  gemini: 20,
};

/** A program that is there: its version, the Node that runs it, and whether it can do here what it is to do. */
async function judgeProgram(world: World, name: string, agent: AgentConfig, there: string): Promise<Judged> {
  // A program of the user's own need not know `--version`, and may take it for a task.
  if (agent.kind === 'command' || agent.kind === 'acp') return fine(`${shown(name)}: ${shown(there, 200)}`);
  const version = await programVersion(world, there);
  const path = agent.env.PATH ?? world.env.PATH;
  const node = (await isNodeScript(there)) ? await findProgram('node', '/', path) : undefined;
  const runs = node === undefined ? undefined : await programVersion(world, node);
  const words = `${shown(name)}: ${shown(there, 200)}${version === undefined ? '' : ` ${version}`}${runs === undefined ? '' : `, on Node ${runs}`}`;
  const least = LEAST_NODE[agent.kind] ?? 0;
  if (runs !== undefined && Number.parseInt(runs, 10) < least) {
    return { state: 'error', message: `${words}: ${least} is the least`, fix: 'install Node 24' };
  }
  const isRoot = process.getuid?.() === 0;
  const sandboxed = (agent.env.IS_SANDBOX ?? world.env.IS_SANDBOX ?? '') !== '';
  if (agent.kind === 'claude' && agent.permission === 'bypassPermissions' && isRoot && !sandboxed) {
    return {
      state: 'error',
      message: `${words}: it refuses bypassPermissions to root`,
      fix: 'run as another user, or set IS_SANDBOX=1 in a sandbox',
    };
  }
  return fine(words);
}

/** Which known agents are there, whoever is named. */
async function judgeInstalled(world: World): Promise<Judged[]> {
  const installed = await installedAgents(world);
  return installed.length === 0 ? [] : [fine(installed.map(agentLabel).join(', '))];
}

/** Those that a run would start and that have an account, by name. */
async function agentsWithAccounts(
  world: World,
  config: Config,
  milestones: readonly Milestone[],
): Promise<[string, AgentConfig][]> {
  const named = namedAgents(config, milestones);
  const found = Object.entries(config.agents).filter(([name]) => named.has(name));
  const isNobody = [...named].every((name) => name === undefined);
  const [first] = isNobody ? await installedAgents(world) : [];
  const taken = first === undefined ? undefined : config.agents[first.name];
  if (first !== undefined && taken !== undefined) found.push([first.name, taken]);
  return found.filter(([, { kind }]) => kind !== 'recipe' && kind !== 'command');
}

async function judgeLogins(
  world: World,
  config: Config,
  milestones: readonly Milestone[],
): Promise<Judged[]> {
  const judged: Judged[] = [];
  for (const [name, agent] of await agentsWithAccounts(world, config, milestones)) {
    const login = await loginOf(world, agent);
    switch (login.is) {
      case 'there':
        judged.push(fine(`${shown(name)}: ${shown(login.by, 200)} is there`));
        break;
      case 'missing':
        judged.push({
          state: 'warning',
          message: `${shown(name)}: neither a key in the environment nor ${shown(login.looked, 200)}`,
          fix: login.fix,
        });
        break;
      case 'hidden':
        judged.push(fine(`${shown(name)}: may be in the keychain; mstone doctor --probe tells`));
        break;
      case 'unknown':
        break;
    }
  }
  return judged;
}

/** One after the other: what they print must not be mistaken for each other's. */
async function judgeProbes(
  world: World,
  config: Config,
  milestones: readonly Milestone[],
): Promise<Judged[]> {
  const stop = new AbortController();
  const stopListening = world.onSignal(() => stop.abort());
  const judged: Judged[] = [];
  try {
    for (const [name, agent] of await agentsWithAccounts(world, config, milestones)) {
      const model = name === config.agent ? (config.model ?? modelIn(agent)) : modelIn(agent);
      const { report, ms } = await probe(world, agent, model, stop.signal);
      judged.push(judgeReport(shown(name), report, ms));
    }
  } finally {
    stopListening();
  }
  return judged.length === 0 ? [fine('no agent with an account is named')] : judged;
}

const modelIn = (agent: AgentConfig): string | undefined => ('model' in agent ? agent.model : undefined);

function judgeReport(
  name: string,
  { outcome, costUsd, estimated, tokens, version }: AgentReport,
  ms: number,
): Judged {
  const who = version === undefined ? name : `${name} ${shown(version)}`;
  if (outcome.kind === 'finished') {
    const facts = [
      `in ${formatDuration(ms)}`,
      ...(costUsd > 0 ? [`for ${estimated === true ? 'about ' : ''}${formatUsd(costUsd)}`] : []),
      ...(tokens === undefined
        ? []
        : [`${formatTokens(tokens.input)} tokens sent, ${formatTokens(tokens.output)} received`]),
    ];
    return fine(`${who} answered ${facts.join(', ')}`);
  }
  const why = 'message' in outcome ? `: ${shown(outcome.message, 300)}` : '';
  const waits = outcome.kind === 'limited' || outcome.kind === 'overloaded';
  return {
    state: waits ? 'warning' : 'error',
    message: `${who} did not answer, ${PROBED[outcome.kind] ?? outcome.kind}${why}`,
    fix: waits ? 'wait; a run does so by itself' : 'start it by hand and see what it says',
  };
}

const PROBED: Readonly<Partial<Record<AgentOutcome['kind'], string>>> = {
  limited: 'its usage limit is reached',
  overloaded: 'its service has no room or cannot be reached',
  unauthorized: 'its credential is refused',
  'out-of-credit': 'nothing is left to pay with',
  unstartable: 'it could not start',
  'timed-out': 'though it had two minutes',
  stuck: 'though it had two minutes',
};

async function judgeAgents(
  world: World,
  repository: Repository,
  config: Config,
  milestones: readonly Milestone[],
): Promise<Judged[]> {
  const named = namedAgents(config, milestones);
  const judged: Judged[] = [];
  for (const [name, agent] of Object.entries(config.agents)) {
    // Kinds that are there unasked are of no interest until somebody names them.
    if (agent.kind === 'recipe' || (agent.kind === name && !named.has(name))) continue;
    const [program = ''] = agent.command;
    const there = await findProgram(program, repository.root, agent.env.PATH ?? world.env.PATH);
    if (there !== undefined) judged.push(await judgeProgram(world, name, agent, there));
    else {
      judged.push({
        state: named.has(name) ? 'error' : 'warning',
        message: `${shown(name)}: there is no program ${shown(program)}${named.has(name) ? '' : ', and nobody names this agent'}`,
        fix: `install ${shown(program)}, or set agents.${shown(name)}.command in mstone.yaml`,
      });
    }
  }
  if (judged.length > 0) return judged;
  const unnamed = milestones.filter(({ agent, enabled }) => (agent ?? config.agent) === undefined && enabled);
  const inWords = unnamed.filter(({ recipe }) => recipe.implement === undefined);
  if (inWords.length === 0 && (named.has('recipe') || unnamed.length > 0)) return [fine('recipes only')];
  const [first] = await installedAgents(world);
  if (first !== undefined)
    return [fine(`none is named: ${agentLabel(first)} is installed and would be taken`)];
  return [
    {
      state: inWords.length > 0 ? 'error' : 'warning',
      message: 'none is named, and none is installed',
      fix: INSTALL_LINE,
    },
  ];
}

async function judgeChecks(
  world: World,
  repository: Repository,
  config: Config,
  milestones: readonly Milestone[],
): Promise<Judged[]> {
  const commands = new Set([
    ...config.worktrees.setup,
    ...config.checks,
    ...config.stageChecks,
    ...milestones.flatMap(({ checks }) => checks),
  ]);
  if (commands.size === 0) return [fine('none are configured')];
  const judged: Judged[] = [];
  for (const command of commands) {
    const program = programOf(command);
    if (program === undefined) continue;
    if ((await findProgram(program, repository.root, world.env.PATH)) !== undefined) continue;
    const isOurs = program.includes('/') && !isAbsolute(program);
    judged.push({
      // What lies in the project may be what a milestone or the setup is going to make.
      state: isOurs ? 'warning' : 'error',
      message: `\`${shown(command)}\` could not start: there is no program ${shown(program)}`,
      fix: isOurs
        ? `make ${shown(program)} executable in the project`
        : `install ${shown(program)}, or change the check`,
    });
  }
  return judged.length > 0 ? judged : [fine(`${count(commands.size, 'command')} can start`)];
}

/** Words that a shell knows by itself. */
const OF_THE_SHELL = new Set(
  '. : [ alias break case cd command continue echo eval exec exit export false for if printf pwd read return set shift test time trap true type ulimit umask unset until while {'.split(
    ' ',
  ),
);

/** The program that a command line starts first; undefined where only a shell can tell. */
export function programOf(command: string): string | undefined {
  for (const word of command.trim().split(/\s+/)) {
    if (/^[A-Za-z_]\w*=[^'"$`\\]*$/.test(word) || word === '!') continue;
    if (!/^[\w./@%+,:[{-]+$/.test(word) || OF_THE_SHELL.has(word)) return undefined;
    return word;
  }
  return undefined;
}

// What mstone left.

async function judgeLock({ stateDir }: Repository): Promise<Judged> {
  const file = join(stateDir, 'lock');
  if ((await lstat(file).catch(() => undefined)) === undefined) return fine('nobody holds it');
  const owner = await readOwner(file);
  const remove = `rm -- ${shellWord(file)}`;
  if (owner === undefined) {
    return {
      state: 'error',
      message: `${shown(file, 200)} cannot be read`,
      fix: `${remove}, once no mstone runs`,
    };
  }
  const who = `process ${owner.pid} on ${shown(owner.host)}, since ${shown(owner.since)}`;
  switch (ownerIsAlive(owner)) {
    case 'alive':
      return fine(`a run is going on: ${who}`);
    case 'dead':
      return {
        state: 'warning',
        message: `its owner is dead: ${who}; the next run takes it over`,
        fix: 'mstone doctor --fix',
      };
    case 'unknown':
      return {
        state: 'error',
        message: `its owner cannot be seen from here: ${who}`,
        fix: `${remove}, once you are sure that it has ended`,
      };
  }
}

async function judgeRuns(repository: Repository): Promise<Judged[]> {
  const runs = await knownRuns(repository.stateDir);
  if (!runs.ok) return runs.error.map(fromDiagnostic);
  const unfinished = unfinishedOf(runs.value);
  const owner = await readOwner(join(repository.stateDir, 'lock'));
  if (unfinished === undefined || (owner !== undefined && ownerIsAlive(owner) !== 'dead')) {
    return [fine(count(runs.value.length, 'run'))];
  }
  return [
    {
      state: 'warning',
      message: `run ${unfinished.run} on ${shown(unfinished.state.target)} is unfinished`,
      fix: 'mstone resume',
    },
  ];
}

async function judgeWorktrees(repository: Repository, slotsDir: string): Promise<Judged[]> {
  const { slots, strange } = await findSlots(repository, slotsDir);
  const judged: Judged[] = strange.map((dir) => ({
    state: 'warning',
    message: `${shown(dir, 200)} belongs to a slot whose folder cannot be told`,
    fix: `git worktree list, and if it is of no use: rm -r -- ${shellWord(dir)}`,
  }));
  for (const { slot, path, state } of slots.filter((one) => one.state !== 'whole')) {
    const why = state === 'orphan' ? 'is a folder that git does not know' : 'is broken';
    judged.push({
      state: 'warning',
      message: `slot ${slot} (${shown(path, 200)}) ${why}; a run makes it whole`,
      fix: 'mstone doctor --fix',
    });
  }
  // A slot is locked, and locked worktrees are never prunable: these are the user's.
  for (const { path } of (await listWorktrees(repository)).filter(({ prunable }) => prunable)) {
    judged.push({
      state: 'warning',
      message: `the folder of your worktree ${shown(path, 200)} is gone`,
      fix: 'git worktree prune',
    });
  }
  return judged.length > 0 ? judged : [fine(`${count(slots.length, 'slot')}, all whole`)];
}

async function orphansOf({ stateDir }: Repository, slotsDir: string): Promise<Orphan[]> {
  const tagged = await listTagged();
  const driven = await isDriven(stateDir);
  const runs = await knownRuns(stateDir);
  return runs.ok ? findOrphans(tagged, runs.value, { slotsDir, driven }) : [];
}

async function judgeProcesses(repository: Repository, slotsDir: string): Promise<Judged> {
  const orphans = await orphansOf(repository, slotsDir);
  if (orphans.length === 0) return fine('none is left over');
  const which = orphans.map(({ pid, what }) => `${pid} (${what})`);
  return {
    state: 'warning',
    message: `nobody waits any more for ${names(which)}`,
    fix: 'mstone doctor --fix',
  };
}

/** Mends what is safe to mend; returns a sentence for each. */
async function mend(world: World, repository: Repository): Promise<string[]> {
  const { config } = await readCheckout(world, repository, {});
  const slotsDir = slotsFolder(world, repository, config);
  const fixed = await endOrphans(await orphansOf(repository, slotsDir));
  const owner = await readOwner(join(repository.stateDir, 'lock'));
  const broken = (await findSlots(repository, slotsDir)).slots.filter(({ state }) => state !== 'whole');
  const isStale = owner !== undefined && ownerIsAlive(owner) === 'dead';
  if (!isStale && (broken.length === 0 || owner !== undefined)) return fixed;
  const exit = await underLock(world, repository, async () => {
    const runs = await knownRuns(repository.stateDir);
    // What an unfinished run still works with is left to `mstone resume`, which mends it as well.
    if (!runs.ok || unfinishedOf(runs.value) !== undefined) return 0;
    const lane = makeLane();
    for (const { slot, isolation, slotsDir: dir } of broken) {
      const gone = await removeSlot(repository, {
        slotsDir: dir,
        slot,
        isolation,
        keep: config.worktrees.keep,
        copied: config.worktrees.copy,
        rescueRef: `refs/mstone/rescue/doctor/slot${slot}`,
        lane,
      });
      if (gone.ok) fixed.push(`slot ${slot} was removed`, ...gone.value.told);
      else fixed.push(gone.error);
    }
    return 0;
  });
  if (isStale && exit === 0) fixed.unshift('the lock of a dead process was removed');
  return fixed;
}

function findingsText(findings: readonly Finding[], fixed: readonly string[], color: boolean): string {
  const paint = painter(color);
  const styles = { ok: 'green', warning: 'yellow', error: 'red' } as const;
  const lines = fixed.map((text) => `fixed    ${shown(text, 400)}`);
  for (const { check, state, message, fix } of findings) {
    lines.push(`${paint(styles[state], state.padEnd(7))}  ${check}: ${shown(message, 400)}`);
    if (fix !== undefined && state !== 'ok') lines.push(`         fix: ${shown(fix, 400)}`);
  }
  const number = (wanted: Finding['state']): number =>
    findings.filter(({ state }) => state === wanted).length;
  const [errors, warnings] = [number('error'), number('warning')];
  lines.push(
    '',
    errors > 0
      ? `${count(errors, 'thing')} must be mended, ${warnings} should be.`
      : warnings > 0
        ? `Nothing must be mended, ${warnings} should be.`
        : 'All is well.',
  );
  return lines.join('\n');
}
