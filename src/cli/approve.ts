/**
 * `mstone approve` and `mstone reject`: a person's word on what waits for it.
 *
 * They take no lock: what was decided is written down durably, and the run under way, or the next, takes it
 * up. All that were named are looked at before anything is written.
 */
import { plainLine } from '../brief/text.js';
import { type Identity, readIdentity } from '../git/index.js';
import type { Decision, Subject } from '../model/decision.js';
import type { Diagnostic } from '../model/diagnostic.js';
import type { Milestone } from '../model/milestone.js';
import { nearest } from '../model/nearest.js';
import { err, ok, type Result } from '../model/result.js';
import { shown } from '../model/shown.js';
import type { RunState } from '../model/state.js';
import { approvalOf } from '../plan/items.js';
import { phaseWord, shellWord, shortOid } from '../report/words.js';
import { awaitedOf } from '../run/approvals.js';
import { LONGEST_REASON, readDecisions, writeDecisions } from './decisions.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { openProject, readPlanned, type Sources } from './project.js';
import { isDriven, knownRuns, unfinishedOf } from './state.js';
import type { World } from './world.js';

export interface DecideOptions {
  readonly ids: readonly string[];
  readonly verdict: Decision['verdict'];
  readonly because?: string;
}

export async function decide(world: World, { ids, verdict, because }: DecideOptions): Promise<number> {
  const verb = verdict === 'approved' ? 'approve' : 'reject';
  // Whoever does the work is not who approves it.
  if (world.env.MSTONE_TAG !== undefined) {
    return sayError(world, 'not-a-person', `an agent, or a check, cannot ${verb} anything`);
  }
  const reason = because === undefined ? undefined : plainLine(because, LONGEST_REASON);
  if (reason === '') {
    return sayError(
      world,
      'no-reason',
      'why?',
      `say it: mstone reject ${ids.map(shellWord).join(' ')} --because "…"`,
    );
  }
  const project = await openProject(world, undefined);
  if (!project.ok) return sayDiagnostics(world, project.error);
  const { repository, landings } = project.value;
  const { stateDir } = repository;
  const runs = await knownRuns(stateDir);
  if (!runs.ok) return sayDiagnostics(world, runs.error);
  const unfinished = unfinishedOf(runs.value)?.state;
  const sources = await readPlanned(world, project.value, {});

  const pending = new Map((await readDecisions(stateDir)).map((one) => [one.item, one]));
  const landed = new Set([...landings.values()].flatMap(({ id, state }) => (state === 'done' ? [id] : [])));
  const found = [...new Set(ids)].map((id) => ({
    id,
    subject: subjectOf(id, { unfinished, sources, landed }),
  }));
  const problems = found.flatMap(({ subject }) => (subject.ok ? [] : [subject.error]));
  if (problems.length > 0) return sayDiagnostics(world, problems);

  const by = nameOf(await readIdentity(repository));
  const at = world.now();
  const decided: Omit<Decision, 'id'>[] = [];
  const told: string[] = [];
  for (const { id, subject } of found) {
    if (!subject.ok) continue;
    const before = pending.get(id);
    const what = subject.value.of === 'before' ? 'its text' : `its work ${shortOid(subject.value.commit)}`;
    if (before?.verdict === verdict && JSON.stringify(before.subject) === JSON.stringify(subject.value)) {
      told.push(`${id} is ${verdict} already: ${what}`);
      continue;
    }
    decided.push({
      item: id,
      verdict,
      subject: subject.value,
      by,
      at,
      ...(reason === undefined ? {} : { because: reason }),
    });
    told.push(`${id} ${verdict} by ${shown(by, 200)}: ${what}`);
  }
  await writeDecisions(stateDir, decided);
  for (const words of told) say(world, words);
  const next = unfinished === undefined ? 'mstone run' : 'mstone resume';
  say(
    world,
    (await isDriven(stateDir)) ? 'The run under way takes it up.\nNext: mstone status' : `Next: ${next}`,
  );
  return 0;
}

/** Whose word it is, as git signs. */
const nameOf = ({ name, email }: Identity): string => plainLine(`${name} <${email}>`, 200);

/** What a decision on this milestone would be of now. */
function subjectOf(
  id: string,
  {
    unfinished,
    sources,
    landed,
  }: {
    readonly unfinished: RunState | undefined;
    readonly sources: Sources;
    readonly landed: ReadonlySet<string>;
  },
): Result<Subject, Diagnostic> {
  const item = unfinished?.items.get(id);
  const asked = item === undefined ? undefined : awaitedOf(item);
  if (asked !== undefined) return ok(asked);
  const milestone = sources.milestones.find((one) => one.id === id);
  if (milestone === undefined && item === undefined) return err(stranger(id, sources.milestones));
  if (item !== undefined && unfinished !== undefined) {
    const { consent } = item;
    const isApproved = consent !== undefined && item.item.approval !== undefined;
    const why = isApproved ? `approved by ${shown(consent.by, 200)}` : phaseWord(item, unfinished);
    return err(nothingToDecide(id, why));
  }
  if (milestone === undefined) return err(stranger(id, sources.milestones));
  if (landed.has(id)) return err(nothingToDecide(id, 'landed'));
  const { approval } = approvalOf(milestone, sources.config);
  if (approval === 'before') return ok({ of: 'before', digest: milestone.digest });
  return err(
    nothingToDecide(
      id,
      approval === undefined ? 'nobody has to approve it' : 'there is no work of it to look at yet',
    ),
  );
}

const nothingToDecide = (id: string, why: string): Diagnostic => ({
  severity: 'error',
  code: 'nothing-to-decide',
  message: `${id} waits for no approval: ${why}`,
  fix: `see where it is: mstone explain ${shellWord(id)}`,
});

function stranger(id: string, milestones: readonly Milestone[]): Diagnostic {
  const near = nearest(
    id,
    milestones.map((one) => one.id),
  );
  return {
    severity: 'error',
    code: 'unknown-milestone',
    message: `there is no milestone ${shown(id)}`,
    ...(near === undefined ? {} : { fix: `did you mean \`${near}\`?` }),
  };
}
