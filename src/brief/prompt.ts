import { Liquid, LiquidError } from 'liquidjs';
import type { Diagnostic } from '../model/diagnostic.js';
import type { Purpose } from '../model/effect.js';
import { DEFAULT_LAYOUT } from '../model/layout.js';
import { err, ok, type Result } from '../model/result.js';
import type { PromptFacts } from './index.js';
import { fence } from './text.js';

/** A prompt longer than this helps nobody: a template has looped over something large. */
const PROMPT_CHARACTERS = 16 * 1024 * 1024;

/** Where a project keeps its own templates, unless its configuration says otherwise. */
const OWN_TEMPLATES = `${DEFAULT_LAYOUT.milestones}/templates`;

/** Tags that read other files or hand a template to another. Templates here stand alone. */
const FOREIGN_TAGS = ['include', 'render', 'layout', 'block'];

/** A fresh engine each time: nothing that a template registers or caches outlives its prompt. */
function engine(): Liquid {
  const liquid = new Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    // A mapping in place of the file system: no lookup ever reaches the disk.
    templates: {},
    relativeReference: false,
    dynamicPartials: false,
    parseLimit: 1024 * 1024,
    memoryLimit: 64 * 1024 * 1024,
    // A net under an endless loop, not a measure of speed.
    renderLimit: 10_000,
  });
  for (const tag of FOREIGN_TAGS) delete liquid.tags[tag];
  liquid.registerFilter('fence', (value: unknown) => fence(String(value ?? '')));
  return liquid;
}

/**
 * What placeholders see. Every documented name is always there: what does not apply is null or an empty
 * list, so that a misspelt name is an error while an absent fact is not.
 */
function placeholders(purpose: Purpose, facts: PromptFacts): Record<string, unknown> {
  const { milestone } = facts;
  return {
    purpose,
    milestone: {
      id: milestone.id,
      title: milestone.title,
      file: milestone.file,
      body: milestone.body.replace(/\n+$/, ''),
      criteria: [...milestone.criteria],
      // The text is in every prompt whole.
      tasks: milestone.tasks.map((task) => task.title ?? task.text),
    },
    milestone_diff: facts.milestoneDiff ?? null,
    target: facts.target,
    base: facts.base,
    attempt: facts.attempt,
    round: facts.round,
    because: facts.because,
    why: facts.why ?? null,
    checks: [...facts.checks],
    check_results: facts.checkResults.map((result) => ({
      command: result.command,
      kind: result.kind,
      exit: result.exit ?? null,
      ms: result.ms,
      tail: result.tail,
    })),
    findings: facts.findings.map((finding) => ({
      id: finding.id,
      severity: finding.severity,
      cites: finding.cites ?? null,
      file: finding.file ?? null,
      line: finding.line ?? null,
      problem: finding.problem,
      suggestion: finding.suggestion ?? null,
    })),
    unmet: facts.unmet.map((answer) => ({ text: answer.text, evidence: answer.evidence ?? null })),
    seen: facts.seen ?? null,
    conflict: facts.conflict ? { onto: facts.conflict.onto, files: [...facts.conflict.files] } : null,
    block_on: [...facts.blockOn],
    diff_command: facts.diffCommand,
    rules: [...facts.rules],
  };
}

function diagnose(purpose: Purpose, error: unknown, folder: string): Diagnostic {
  const file = `${folder}/${purpose}.md`;
  const fix = `correct ${file}, or delete it to use the template that comes with mstone`;
  if (error instanceof LiquidError) {
    const [line, column] = error.token.getPosition();
    const problem = error.message.replace(/, line:\d+, col:\d+$/, '');
    return {
      severity: 'error',
      code: 'broken-template',
      file,
      ...(line === undefined ? {} : { line }),
      message: `this prompt template cannot be used: ${problem} (column ${column})`,
      fix,
    };
  }
  // liquidjs throws bare errors where a limit is met between two tokens, and V8 where a string grows too long.
  const problem = error instanceof Error ? error.message : String(error);
  return {
    severity: 'error',
    code: 'broken-template',
    file,
    message: `this prompt template cannot be used: ${problem}`,
    fix,
  };
}

/**
 * Template and facts → the prompt's text. `templates` are texts, the built-in or the project's own.
 * The facts are values only: a milestone that contains `{{ }}` or `{% %}` says exactly that.
 */
export function renderPrompt(
  purpose: Purpose,
  facts: PromptFacts,
  templates: Readonly<Record<Purpose, string>>,
  folder = OWN_TEMPLATES,
): Result<string, Diagnostic[]> {
  try {
    const liquid = engine();
    const text: string = liquid.renderSync(liquid.parse(templates[purpose]), placeholders(purpose, facts));
    if (text.length > PROMPT_CHARACTERS) {
      return err([diagnose(purpose, new Error(`its prompt is ${text.length} characters long`), folder)]);
    }
    return ok(`${text.trimEnd()}\n`);
  } catch (error) {
    return err([diagnose(purpose, error, folder)]);
  }
}

/** Two sets of facts, everything absent and everything there, that lead a template through its branches. */
function samples(): readonly PromptFacts[] {
  const bare: PromptFacts = {
    milestone: {
      id: '1A',
      title: 'Sample',
      file: 'milestones/1A.md',
      body: '# Sample',
      criteria: [],
      tasks: [],
    },
    target: 'main',
    base: '0'.repeat(40),
    attempt: 1,
    round: 0,
    because: 'first',
    checks: [],
    checkResults: [],
    findings: [],
    unmet: [],
    blockOn: [],
    diffCommand: 'git diff',
    rules: [],
  };
  const full: PromptFacts = {
    ...bare,
    milestone: { ...bare.milestone, criteria: ['It works'], tasks: [{ text: 'Do it', line: 3 }] },
    why: 'no verdict line',
    checks: ['npm test'],
    checkResults: [{ command: 'npm test', kind: 'failed', exit: 1, ms: 1, tail: 'not ok' }],
    findings: [{ id: 'F1', severity: 'major', problem: 'It does not' }],
    unmet: [{ text: 'It works', met: false }],
    seen: '1'.repeat(40),
    blockOn: ['blocker', 'major'],
    conflict: { onto: '2'.repeat(40), files: ['a.txt'] },
    rules: ['Be kind'],
    milestoneDiff: '-old\n+new',
  };
  const reasons = [
    'first',
    'again',
    'empty',
    'checks',
    'review',
    'conflict',
    'candidate',
    'unreadable',
  ] as const;
  return [bare, ...reasons.map((because) => ({ ...full, because }))];
}

/**
 * Tries every template on sample facts, so that a broken one is told before any money is spent.
 * One diagnostic per template, its first error.
 */
export function checkTemplates(
  templates: Readonly<Record<Purpose, string>>,
  folder = OWN_TEMPLATES,
): Diagnostic[] {
  const purposes: readonly Purpose[] = ['implement', 'review', 'remediate', 'resolve'];
  return purposes.flatMap((purpose) => {
    for (const facts of samples()) {
      const prompt = renderPrompt(purpose, facts, templates, folder);
      if (!prompt.ok) return prompt.error;
    }
    return [];
  });
}
