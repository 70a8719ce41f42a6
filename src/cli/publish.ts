/**
 * Tags what has landed, pushes it, and opens a pull request of it, or says how.
 *
 * All of it may be done again: a tag that is there is left, a push of what is there changes nothing, and a
 * pull request of the same branch is found and brought up to date, never opened twice. No text of a milestone
 * or of an agent is ever a word of a command: titles are one argument, bodies lie in a file.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import type { Repository } from '../git/index.js';
import { PINNED_ARGUMENTS } from '../git/plumbing.js';
import { formatMessage, readTrailers, type Trailer } from '../git/trailers.js';
import type { PublishEffect } from '../model/effect.js';
import type { Milestone } from '../model/milestone.js';
import type { Oid, PublishOutcome } from '../model/outcome.js';
import type { Landing } from '../model/plan.js';
import { err, ok, type Result } from '../model/result.js';
import { runProcess } from '../process/index.js';
import { shellWord } from '../report/words.js';
import { findInstalled } from './programs.js';
import type { World } from './world.js';

export interface Publisher {
  readonly world: World;
  readonly repository: Repository;
  /** Where bodies are written, absolute: they stay, for whoever opens the request by hand. */
  readonly folder: string;
  readonly milestones: ReadonlyMap<string, Milestone>;
  /** What has landed, by the commits that brought it: their trailers prove it, wherever they are kept. */
  readonly landings: ReadonlyMap<string, Landing>;
  /** Of those, what the target does not hold yet. */
  readonly beside: ReadonlySet<string>;
  /** What its processes are found by. */
  readonly tag: string;
}

/** Networks hang; nobody may have to look in the night, ms. */
const PUSH_MS = 5 * 60_000;
const GH_MS = 60_000;
const LONGEST_DESCRIPTION = 4000;

export async function publish(publisher: Publisher, effect: PublishEffect): Promise<PublishOutcome> {
  const tag = effect.tag === undefined ? undefined : await makeTag(publisher, effect.tag, effect.commit);
  if (typeof tag === 'object') return tag;
  const told = tag === undefined ? {} : { tag };
  if (effect.pull === undefined) return { kind: 'published', ...told };
  const { remote, branch, base } = effect.pull;

  const refspec = `${effect.commit}:refs/heads/${branch}`;
  const pushed = await call(
    publisher,
    'git',
    [...PINNED_ARGUMENTS, 'push', '--quiet', remote, refspec],
    PUSH_MS,
  );
  if (!pushed.ok) {
    return { kind: 'failed', message: pushed.error, command: `git push ${shellWord(remote)} ${refspec}` };
  }
  const { title, body } = await describe(publisher, effect);
  const file = join(publisher.folder, `${branch.replaceAll('/', '-')}.md`);
  await mkdir(publisher.folder, { recursive: true, mode: 0o700 });
  await writeFileAtomic(file, body, { mode: 0o600 });
  const create = ['pr', 'create', '--head', branch, '--base', base, '--title', title, '--body-file', file];
  const command = typed(create);
  const gh = await findInstalled('gh', publisher.world.env.PATH);
  if (gh === undefined) return { kind: 'published', ...told, pull: { command } };

  const list = ['pr', 'list', '--head', branch, '--state', 'open', '--json', 'number,url'];
  const listed = await call(publisher, gh, list, GH_MS);
  if (!listed.ok) return { kind: 'failed', message: listed.error, command };
  const known = pullIn(listed.value);
  if (known !== undefined) {
    const edit = ['pr', 'edit', String(known.number), '--title', title, '--body-file', file];
    const edited = await call(publisher, gh, edit, GH_MS);
    if (!edited.ok) return { kind: 'failed', message: edited.error, command: typed(edit) };
    return { kind: 'published', ...told, pull: { url: known.url } };
  }
  const created = await call(publisher, gh, create, GH_MS);
  if (!created.ok) return { kind: 'failed', message: created.error, command };
  const url = created.value.trim().split('\n').at(-1) ?? '';
  return { kind: 'published', ...told, pull: { url } };
}

/** What is printed for people to type. */
const typed = (args: readonly string[]): string =>
  ['gh', ...args.map((word) => (/^--[a-z-]+$/.test(word) ? word : shellWord(word)))].join(' ');

/** Made once; one that is there is never moved. */
async function makeTag(
  { repository }: Publisher,
  name: string,
  commit: Oid,
): Promise<'made' | 'there' | 'elsewhere' | Extract<PublishOutcome, { kind: 'failed' }>> {
  const ref = `refs/tags/${name}`;
  const zero = '0'.repeat(commit.length);
  const made = await repository.git({ args: ['update-ref', ref, commit, zero], cwd: repository.root });
  if (made.code === 0) return 'made';
  const found = await repository.git({
    args: ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`],
    cwd: repository.root,
  });
  if (found.code === 0) return found.text === commit ? 'there' : 'elsewhere';
  const [why = 'git refused'] = made.stderr.trim().split('\n');
  return { kind: 'failed', message: why, command: `git tag ${shellWord(name)} ${commit.slice(0, 12)}` };
}

/** What a program printed, or why it did not end well. It gets the user's own environment: their login is in it. */
async function call(
  { world, repository, tag }: Publisher,
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<Result<string, string>> {
  const env: Record<string, string> = {
    GIT_TERMINAL_PROMPT: '0',
    GH_PROMPT_DISABLED: '1',
    NO_COLOR: '1',
    MSTONE_TAG: tag,
  };
  for (const [name, value] of Object.entries(world.env)) {
    if (value !== undefined && !Object.hasOwn(env, name)) env[name] = value;
  }
  const outcome = await runProcess({ command, args, cwd: repository.root, env, timeoutMs });
  switch (outcome.kind) {
    case 'exited': {
      if (outcome.code === 0) return ok(outcome.stdout.toString('utf8'));
      const lines = outcome.stderr.trim().split('\n');
      const last = lines.findLast((line) => /^(?:fatal|error|remote|! )/.test(line.trim())) ?? lines.at(-1);
      return err(last?.trim() || `exit ${outcome.code}`);
    }
    case 'not-found':
      return err(outcome.message);
    case 'killed':
      return err(`killed by ${outcome.signal}`);
    case 'timed-out':
      return err(`no answer in ${timeoutMs / 60_000} minutes`);
    case 'cancelled':
    case 'too-much-output':
      return err(outcome.kind);
  }
}

function pullIn(text: string): { readonly number: number; readonly url: string } | undefined {
  try {
    const [first] = JSON.parse(text) as { readonly number?: unknown; readonly url?: unknown }[];
    if (typeof first?.number !== 'number' || typeof first.url !== 'string') return undefined;
    return { number: first.number, url: first.url };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Its last paragraph are the trailers of all that landed in it, so that a squash keeps their proof. */
async function describe(
  { repository, milestones, landings, beside }: Publisher,
  { what, items }: PublishEffect,
): Promise<{ readonly title: string; readonly body: string }> {
  const stage = /^stage (\d+)$/.exec(what)?.[1];
  // Some of a stage may have landed in earlier runs, which did not complete it.
  const earlier = [...beside].filter(
    (id) => stage !== undefined && Number.parseInt(id, 10) === Number(stage),
  );
  const all = [...new Set([...earlier, ...items])]
    .flatMap((id) => landings.get(id) ?? [])
    .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
  const trailers: Trailer[] = [];
  const parts: string[] = [];
  for (const { id, commit, review } of all) {
    const args = ['log', '-1', '--format=%B', '--no-show-signature', '--encoding=UTF-8', commit];
    const message = (await repository.git({ args, cwd: repository.root })).text;
    trailers.push(...readTrailers(message).filter(([name]) => name.startsWith('Mstone-')));
    const milestone = milestones.get(id);
    parts.push(`## ${id}: ${milestone?.title ?? 'what the stage as a whole needed'}`);
    if (milestone !== undefined) {
      if (milestone.description !== '') parts.push(milestone.description.slice(0, LONGEST_DESCRIPTION));
      if (milestone.criteria.length > 0) {
        parts.push(['Exit criteria:', '', ...milestone.criteria.map((text) => `- ${text}`)].join('\n'));
      }
    }
    parts.push(`Review: ${review ?? 'off'}.`);
  }
  const titles = all.map(({ id }) => milestones.get(id)?.title ?? id).join(', ');
  const subject = stage === undefined ? `${what}: ${titles}` : `Stage ${stage}: ${titles}`;
  const message = formatMessage({ subject, body: parts.join('\n\n'), trailers });
  const cut = message.indexOf('\n\n');
  return { title: message.slice(0, cut), body: message.slice(cut + 2) };
}
