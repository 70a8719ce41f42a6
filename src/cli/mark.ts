/**
 * `mstone mark`: sets milestones to done or todo by hand, as one commit on the target that changes TASKS.md
 * alone and bears the trailers that history is read by.
 */
import { buildCandidate } from '../git/candidate.js';
import { laidOut, type Repository } from '../git/index.js';
import { land } from '../git/landing.js';
import { formatMessage, type Trailer } from '../git/trailers.js';
import { readFileAt } from '../git/tree.js';
import { uncommitted } from '../git/uncommitted.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { isSameText } from '../model/digest.js';
import type { Milestone } from '../model/milestone.js';
import type { Landing } from '../model/plan.js';
import { newerLandings } from '../plan/index.js';
import { choose } from '../plan/selection.js';
import { endTagged } from '../process/tagged.js';
import { renderTasksFile } from '../report/tasks.js';
import { count, names, shellWord, shortOid } from '../report/words.js';
import { slotsFolder, tasksView } from './hands.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { openProject, readCommit, withoutErrors } from './project.js';
import { notCommitted } from './run.js';
import { type KnownRun, knownRuns, underLock, unfinishedOf } from './state.js';
import type { World } from './world.js';

export interface MarkOptions {
  readonly ids: readonly string[];
  readonly all?: true;
  readonly done?: true;
  readonly todo?: true;
  readonly onto?: string;
}

type State = Landing['state'];

/** A target that moves at the very moment is looked at anew, this often. */
const TURNS = 3;

export async function mark(world: World, options: MarkOptions): Promise<number> {
  const { ids, all, done, todo } = options;
  if ((done === true) === (todo === true)) {
    return sayError(world, 'mark-what', 'done or todo?');
  }
  if ((all === true) === ids.length > 0) {
    return sayError(
      world,
      'nothing-named',
      'which milestones?',
      'name them (`mstone mark 1A --done`) or say --all, not both',
    );
  }
  const project = await openProject(world, options.onto);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository } = project.value;
  return underLock(world, repository, async () => {
    const runs = await knownRuns(repository.stateDir);
    if (!runs.ok) return sayDiagnostics(world, runs.error);
    // Git commands of a killed mstone may still be at work: nothing is touched beside them.
    const unfinished = unfinishedOf(runs.value);
    if (unfinished !== undefined) await endTagged(`${unfinished.run}.git`, { graceMs: 1000 });
    for (let turn = 1; ; turn += 1) {
      const exit = await markOnce(world, options, done === true ? 'done' : 'todo', unfinished);
      if (exit !== 'moved') return exit;
      if (turn === TURNS) {
        return sayError(world, 'target-moved', 'the target does not stand still');
      }
    }
  });
}

/** From what is on the target now to the commit on top of it; `moved` where it was no longer that then. */
async function markOnce(
  world: World,
  options: MarkOptions,
  to: State,
  unfinished: KnownRun | undefined,
): Promise<number | 'moved'> {
  // Read now that nobody else can land: what was read before the lock may be old.
  const project = await openProject(world, options.onto);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { target, landings } = project.value;
  const { head } = target;
  if (head === undefined) {
    return sayError(world, 'no-commit', `${target.branch} has no commit`);
  }
  const read = withoutErrors(await readCommit(world, project.value.repository, target.target ?? head, {}));
  if (!read.ok) return sayDiagnostics(world, read.error);
  const { milestones, config, layout } = read.value;
  const repository = laidOut(project.value.repository, layout);

  const { choice, problems } = choose(milestones, { ids: options.ids });
  // What is disabled may still be done.
  const strangers = problems.filter(({ code }) => code !== 'disabled');
  if (strangers.length > 0) return sayDiagnostics(world, strangers);
  const wanted = milestones.filter(({ id, enabled }) =>
    options.all === true ? enabled : choice.wanted?.has(id),
  );
  const newer = newerLandings(wanted, landings);
  if (newer.length > 0) return sayDiagnostics(world, newer);
  const changing = wanted.filter((milestone) => isOther(milestone, landings.get(milestone.id), to));
  if (repository.branch === target.branch) {
    const loose = await looseOf(repository, to === 'done' ? wanted : []);
    if (loose.length > 0) return sayDiagnostics(world, [looseWords(loose, repository)]);
  }
  if (changing.length === 0) {
    const which =
      wanted.length === 1 ? `${wanted[0]?.id} is` : `all ${count(wanted.length, 'milestone')} are`;
    say(world, `Nothing to change: ${which} ${to} already.\nNext: mstone plan`);
    return 0;
  }

  // What an interrupted run is at the run takes to its end, whatever history says by then.
  const state = unfinished?.state;
  const busy = changing.filter(
    ({ id }) => state?.target === target.branch && state.items.get(id)?.phase.is === 'doing',
  );
  if (busy.length > 0) {
    const which = names(busy.map(({ id }) => id));
    const are = busy.length === 1 ? 'is' : 'are';
    return sayError(
      world,
      'unfinished-run',
      `${which} ${are} under way in run ${state?.run}, which is unfinished`,
    );
  }

  const at = world.now();
  const all = new Map(landings);
  for (const { id, digest } of changing) {
    all.set(id, { id, digest, state: to, commit: '', at, subject: '' });
  }
  const ids = changing.map(({ id }) => id);
  const built = await buildCandidate(repository, {
    head,
    work: head,
    tasks: renderTasksFile(await readFileAt(repository, head, layout.tasks), tasksView(milestones, all)),
    message: formatMessage({
      subject: `Mark ${names(ids)} ${to}`,
      trailers: [
        ...changing.flatMap(({ id, digest }): Trailer[] => [
          ['Mstone-Milestone', id],
          ['Mstone-Digest', digest],
        ]),
        // One for all pairs before it.
        ['Mstone-State', to],
      ],
    }),
    dateMs: at,
  });
  if (built.kind !== 'built') {
    const why =
      built.kind === 'refused' ? `${layout.tasks} shows this already, and history does not` : built.kind;
    return sayError(
      world,
      'tasks-differ',
      why,
      `take its line out of ${layout.tasks}, commit that, and type the same again`,
    );
  }
  const landed = await land(repository, {
    target,
    candidate: built.candidate,
    lastKnown: head,
    slots: [slotsFolder(world, repository, config)],
    again: againWords(options, to),
    // What waits beside the target by agreement goes on waiting.
    hold: config.land !== 'each' && head !== target.target,
  });
  switch (landed.kind) {
    case 'landed':
      say(
        world,
        `${names(ids, 20)}: marked ${to} on ${target.branch} as ${shortOid(landed.commit)}\nNext: mstone plan`,
      );
      return 0;
    case 'moved':
      return 'moved';
    case 'rewound':
      return sayError(
        world,
        'target-rewound',
        `${target.branch} no longer holds ${shortOid(landed.expected)}, it is at ${shortOid(landed.found)}`,
        `look where it was: git reflog ${target.branch}`,
      );
    case 'refused':
      return sayError(
        world,
        'mark-refused',
        `${names(ids)} could not be marked on ${target.branch}: ${landed.message}`,
        landed.command,
      );
  }
}

/** The command line that was typed. */
function againWords({ ids, all, onto }: MarkOptions, to: State): string {
  const which = all === true ? '--all' : ids.map(shellWord).join(' ');
  return `mstone mark ${which} --${to}${onto === undefined ? '' : ` --onto ${shellWord(onto)}`}`;
}

/** Whether a mark would say something else than history does. */
const isOther = (milestone: Milestone, landing: Landing | undefined, to: State): boolean =>
  to === 'todo'
    ? landing?.state === 'done'
    : landing?.state !== 'done' || !isSameText(landing.digest, milestone);

/** The files among these milestones that are not committed as they are: another text would be accepted. */
async function looseOf(repository: Repository, milestones: readonly Milestone[]): Promise<string[]> {
  const files = new Set(milestones.map(({ file }) => file));
  return (await uncommitted(repository, [repository.layout.milestones])).filter((file) => files.has(file));
}

const looseWords = (loose: readonly string[], repository: Repository): Diagnostic => ({
  ...notCommitted(loose, repository),
  expected: 'the text that is accepted as done is the one in your commit',
  fix: `git add ${shellWord(repository.layout.milestones)} && git commit -m "Milestones"`,
});
