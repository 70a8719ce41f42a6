/**
 * A brief that is too long for its reader is cut, in one order: what others noted, what the milestones it
 * builds on brought, the project's own brief from its last file on, what checks printed, the texts of
 * what it conflicts with, the difference to an earlier text. The milestone, its criteria, findings and rules are never cut: an agent that does not know
 * what is asked for costs more than one that is refused.
 */
import type { Diagnostic } from '../model/diagnostic.js';
import type { Purpose } from '../model/effect.js';
import { ok, type Result } from '../model/result.js';
import type { PromptFacts, Templates } from './index.js';
import { renderPrompt } from './prompt.js';

interface Cut {
  readonly what: string;
  readonly without: (facts: PromptFacts) => PromptFacts;
}

/** What may go, the first first. Each is one step: half a list misleads more than none. */
function cutsOf(facts: PromptFacts): Cut[] {
  const { notes = [], landed = [], project = [] } = facts;
  return [
    ...(notes.length > 0 ? [{ what: 'notes', without: omit('notes') }] : []),
    ...(landed.length > 0 ? [{ what: 'what it builds on', without: omit('landed') }] : []),
    ...project
      .map(({ file }, index) => ({
        what: file,
        without: (now: PromptFacts): PromptFacts => ({ ...now, project: project.slice(0, index) }),
      }))
      .reverse(),
    ...(facts.checkResults.some(({ tail }) => tail !== '')
      ? [
          {
            what: 'what checks printed',
            without: (now: PromptFacts): PromptFacts => ({
              ...now,
              checkResults: now.checkResults.map((result) => ({ ...result, tail: '' })),
            }),
          },
        ]
      : []),
    ...(facts.sides?.others.some(({ text }) => text !== undefined)
      ? [
          {
            what: 'the texts of what it conflicts with',
            without: ({ sides, ...now }: PromptFacts): PromptFacts =>
              sides === undefined
                ? now
                : { ...now, sides: { ...sides, others: sides.others.map(({ text: _text, ...one }) => one) } },
          },
        ]
      : []),
    ...(facts.milestoneDiff === undefined
      ? []
      : [{ what: 'the difference to its earlier text', without: omit('milestoneDiff') }]),
  ];
}

const omit =
  (key: 'notes' | 'landed' | 'milestoneDiff') =>
  (facts: PromptFacts): PromptFacts => {
    const { [key]: _gone, ...rest } = facts;
    return rest;
  };

/** The prompt within `limit` characters where that can be had, and what had to go for it. */
export function fitPrompt(
  purpose: Purpose,
  facts: PromptFacts,
  templates: Templates,
  { limit, folder }: { readonly limit: number; readonly folder?: string },
): Result<{ readonly text: string; readonly cut: readonly string[] }, Diagnostic[]> {
  const cut: string[] = [];
  let kept = facts;
  let prompt = renderPrompt(purpose, kept, templates, folder);
  for (const { what, without } of cutsOf(facts)) {
    if (!prompt.ok || prompt.value.length <= limit) break;
    kept = without(kept);
    cut.push(what);
    prompt = renderPrompt(purpose, kept, templates, folder);
  }
  return prompt.ok ? ok({ text: prompt.value, cut }) : prompt;
}
