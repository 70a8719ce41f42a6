/** What a reviewer's answer is held against: the milestone, the project's own words, what is in the repository. */
import type { AssignmentRequest } from '../agent/index.js';
import { rulesFor } from '../brief/rules.js';
import { plainText } from '../brief/text.js';
import { absentFrom, changedLines } from '../git/changed.js';
import type { Repository } from '../git/index.js';
import { readPlainFiles } from '../git/landed.js';
import type { Config } from '../model/config.js';
import type { WorkEffect } from '../model/effect.js';
import type { Milestone } from '../model/milestone.js';
import type { Oid } from '../model/outcome.js';

/** Characters of a project's file that count. */
const LONGEST_FILE = 40_000;

/** `from` is the commit that is judged, `base` the one it is compared with; the project's words are those of `base`. */
export async function judgingOf(
  repository: Repository,
  config: Config,
  milestone: Milestone,
  {
    effect,
    checks,
    base,
    from,
  }: {
    readonly effect: WorkEffect;
    readonly checks: readonly string[];
    readonly base: Oid;
    readonly from: Oid;
  },
): Promise<NonNullable<AssignmentRequest['judging']>> {
  const { review } = config;
  const { seen, findings } = effect.brief;
  const project = await readPlainFiles(repository, base, config.brief);
  const changed =
    seen === undefined ? undefined : await changedLines(repository, { from: seen, to: from, within: base });
  const { tasks, criteria, body } = milestone;
  return {
    terms: {
      criteria,
      standIns: tasks.length > 0 ? tasks.map(({ title, text }) => title ?? text) : proseOf(body),
      checks,
      rules: [...rulesFor('review', repository.layout), ...rulesFor('implement', repository.layout)],
      project: project.map(({ file, text }) => ({ file, text: plainText(text, LONGEST_FILE) })),
      blockOn: review === false ? [] : review.blockOn,
      ...(review === false || review.threshold === undefined ? {} : { threshold: review.threshold }),
      ...(seen === undefined ? {} : { earlier: { findings, ...(changed === undefined ? {} : { changed }) } }),
    },
    absentOf: (files) => absentFrom(repository, [from, base], files),
  };
}

/** The lines of a text that say something: scripts in it are no demands. */
function proseOf(body: string): string[] {
  let isCode = false;
  return body.split('\n').filter((line) => {
    const isFence = /^\s*(?:```|~~~)/.test(line);
    if (isFence) isCode = !isCode;
    return !isFence && !isCode && line.trim() !== '';
  });
}
