import { createHash } from 'node:crypto';
import type { Digested } from '../model/digest.js';
import type { MilestoneId, Requirement } from '../model/milestone.js';
import { type Markdown, readMarkdown } from './markdown.js';

/** What a milestone's version is made of. An empty list is the same as an absent one. */
export interface Versioned {
  /** The text behind the front matter, line ends LF. */
  readonly body: string;
  readonly dependsOn: readonly MilestoneId[];
  readonly checks: readonly string[];
  readonly requires: readonly Requirement[];
  readonly paths?: readonly string[];
  readonly role?: string;
}

/*
 * digest = "v1:" + lower-case hex SHA-256 over the UTF-8 bytes of  text + "\n" + json
 *
 * text   the body with LF line ends, where
 *        - sections `## Estimated Time` are gone, from the heading to the next heading of level 1 or 2;
 *        - list items' ticks `[x]`, `[X]` are `[ ]`, but not in code blocks and HTML;
 *        - white space at the very end is gone.
 * json   JSON without spaces, keys in alphabetical order at every depth, of those of `checks`,
 *        `depends_on`, `paths`, `requires`, `role` that were said and are not empty.
 *        `depends_on` is what holds (front matter, else the section), sorted, without doubles;
 *        other lists keep their order.
 *
 * Not in it, so that a change of them makes nothing stale: title, agent, reviewer(s), estimate, timeout,
 * retries, review_rounds, priority, env, approval, allow, enabled, the file's name.
 * A landing proves the version it was made with: this definition is never changed, only followed by v2.
 */
function digestV1(versioned: Versioned, markdown: Markdown): string {
  const text = versionedText(markdown);
  const json = canonical({
    checks: versioned.checks,
    depends_on: [...new Set(versioned.dependsOn)].sort(),
    paths: versioned.paths ?? [],
    requires: versioned.requires,
    role: versioned.role ?? [],
  });
  return `v1:${createHash('sha256').update(`${text}\n${json}`).digest('hex')}`;
}

/** Every definition that a landing may have been made with, by its version. The last one is used. */
export const DIGESTS: readonly (readonly [version: number, digest: typeof digestV1])[] = [[1, digestV1]];

/** A text's digest by the newest definition, and by those before it. */
export function milestoneDigests(
  versioned: Versioned,
  markdown: Markdown = readMarkdown(versioned.body),
  definitions = DIGESTS,
): Digested {
  const [digest = '', ...former] = definitions.map(([, define]) => define(versioned, markdown)).reverse();
  return { digest, ...(former.length === 0 ? {} : { formerDigests: former }) };
}

const TICK = /^([\s>]*(?:[-*+]|\d{1,9}[.)])\s+(?:(?:[-*+]|\d{1,9}[.)])\s+)*)\[[xX]\](?=\s|$)/;

function versionedText({ lines, sections, verbatim }: Markdown): string {
  const estimates = sections.filter(({ name }) => name === 'estimated time');
  return lines
    .map((line, index) => (verbatim.has(index) ? line : line.replace(TICK, '$1[ ]')))
    .filter((_, index) => !estimates.some(({ line, end }) => index >= line && index < end))
    .join('\n')
    .trimEnd();
}

/** Sorted keys at every depth, empty lists of the top level left out. */
function canonical(record: Readonly<Record<string, unknown>>): string {
  const sorted = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .sort(byKey)
              .map(([key, inner]) => [key, sorted(inner)]),
          )
        : value;
  const said = Object.entries(record).filter(([, value]) => !Array.isArray(value) || value.length > 0);
  return JSON.stringify(sorted(Object.fromEntries(said)));
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : a > b ? 1 : 0);
