import { Liquid, LiquidError } from 'liquidjs';
import type { Diagnostic } from '../model/diagnostic.js';
import type { Purpose } from '../model/effect.js';
import { DEFAULT_LAYOUT } from '../model/layout.js';
import { installWords } from '../model/newer.js';
import { err, ok, type Result } from '../model/result.js';
import type { RoleText } from '../model/role.js';
import type { PromptFacts, Templates } from './index.js';
import { setbackLessons } from './setbacks.js';
import { fence, plainLine } from './text.js';

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
    setbacks: setbackLessons(facts.setbacks ?? []),
    left: facts.left ?? null,
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
    facts: (facts.facts ?? []).map(({ id, file, line, text }) => ({
      id: plainLine(id, 500),
      file: file === undefined ? null : plainLine(file, 300),
      line: line ?? null,
      text: plainLine(text, 500),
    })),
    seen: facts.seen ?? null,
    conflict: facts.conflict ? conflictOf(facts.conflict, facts.sides) : null,
    block_on: [...facts.blockOn],
    threshold: facts.threshold ?? null,
    author_rules: [...(facts.authorRules ?? [])],
    diff_command: facts.diffCommand,
    rules: [...facts.rules],
    project: (facts.project ?? []).map(({ file, text }) => ({ file, text })),
    landed: (facts.landed ?? []).map(({ id, title, commit, subjects, moreSubjects, files, moreFiles }) => ({
      id,
      title: plainLine(title, 200),
      commit,
      subjects: subjects.map((subject) => plainLine(subject, 120)),
      more_subjects: moreSubjects,
      files: files.map((file) => plainLine(file, 300)),
      more_files: moreFiles,
    })),
    notes: (facts.notes ?? []).map(({ by, text }) => ({ by, text })),
    moved:
      facts.moved === undefined
        ? null
        : {
            landings: facts.moved.landings,
            shared: facts.moved.shared.map((file) => plainLine(file, 300)),
            more_shared: facts.moved.moreShared,
          },
  };
}

/** Names that are one word to every shell and no option to git. */
const PLAIN_PATH = /^[A-Za-z0-9_][A-Za-z0-9_./-]*$/;
/** With more names than this a command is no easier to read for them. */
const MOST_PATHS = 10;

/** What to type is made of commits, and of names of files only where all are plain. */
function conflictOf(
  { onto, files }: NonNullable<PromptFacts['conflict']>,
  sides: PromptFacts['sides'],
): Record<string, unknown> {
  const isPlain = files.length <= MOST_PATHS && files.every((file) => PLAIN_PATH.test(file));
  const only = isPlain && files.length > 0 ? ` -- ${files.join(' ')}` : '';
  return {
    onto,
    files: files.map((file) => plainLine(file, 300)),
    base: sides?.base ?? null,
    work: sides?.work ?? null,
    others: (sides?.others ?? []).map(({ id, title, commit, text }) => ({
      id,
      title: plainLine(title, 200),
      commit,
      text: text ?? null,
    })),
    ours: sides === undefined ? null : `git diff ${sides.base} ${sides.work}${only}`,
    theirs: sides === undefined ? null : `git diff ${sides.base} ${onto}${only}`,
    log: sides === undefined ? null : `git log --oneline ${sides.base}..${onto}${only}`,
  };
}

function diagnose(purpose: string, error: unknown, folder: string): Diagnostic {
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

/** Of the placeholders and filters; a template without a word on it is of version 1. */
const TEMPLATES_VERSION = 1;

/** A first line `{# mstone-templates: 1 #}` is ours, not the prompt's; its line stays, for the others' numbers. */
function readVersion(template: string): { readonly version: number; readonly text: string } {
  const [line, number] =
    /^\ufeff?\{#\s*mstone-templates:\s*(\d{1,6})\s*#\}[ \t]*(?=\r?\n|$)/.exec(template) ?? [];
  if (line === undefined) return { version: 1, text: template };
  return { version: Number(number), text: template.slice(line.length) };
}

const otherVersion = (purpose: string, version: number): Diagnostic => {
  const isNewer = version > TEMPLATES_VERSION;
  return {
    severity: 'error',
    code: isNewer ? 'template-newer' : 'broken-template',
    file: templateFile(purpose),
    line: 1,
    message: isNewer
      ? 'this template is for a newer mstone'
      : 'this prompt template cannot be used: there is no such version of templates',
    expected: `mstone-templates: ${TEMPLATES_VERSION}, or nothing`,
    found: `mstone-templates: ${version}`,
    fix: isNewer
      ? `${installWords()}, or delete the file to use the template that comes with mstone`
      : `write {# mstone-templates: ${TEMPLATES_VERSION} #}, or nothing`,
  };
};

/** What every review is, unless it has another role. */
const PLAIN_ROLE = 'reviewer';

function roleOf({ role }: PromptFacts, { roles }: Templates): RoleText | undefined {
  const template = role === undefined ? undefined : roles?.[role];
  return role === undefined || template === undefined ? undefined : { name: role, template };
}

/** Where a project keeps its own template for a purpose. */
const templateFile = (purpose: string): string => `milestones/templates/${purpose}.md`;

/**
 * Template and facts → the prompt's text. `templates` are texts, the built-in or the project's own.
 * The facts are values only: a milestone that contains `{{ }}` or `{% %}` says exactly that.
 */
export function renderPrompt(
  purpose: Purpose,
  facts: PromptFacts,
  templates: Templates,
  folder = OWN_TEMPLATES,
): Result<string, Diagnostic[]> {
  let at: string = purpose;
  try {
    const liquid = engine();
    const { version, text: template } = readVersion(templates[purpose]);
    if (version !== TEMPLATES_VERSION) return err([otherVersion(purpose, version)]);
    const role = roleOf(facts, templates);
    const known = placeholders(purpose, facts);
    let as: { readonly name: string; readonly text: string } | null = null;
    if (role !== undefined) {
      const own = readVersion(role.template);
      if (own.version !== TEMPLATES_VERSION) return err([otherVersion(`roles/${role.name}`, own.version)]);
      at = `roles/${role.name}`;
      as = {
        name: role.name,
        text: String(liquid.renderSync(liquid.parse(own.text), { ...known, role: null })).trim(),
      };
      at = purpose;
    }
    const rendered: string = liquid.renderSync(liquid.parse(template), { ...known, role: as });
    // A template of a project's own may know of no roles. What every review is needs no saying there.
    const isSaid = as === null || as.name === PLAIN_ROLE || rendered.includes(as.text);
    const text = isSaid || as === null ? rendered : `${rendered.trimEnd()}\n\n${as.text}\n`;
    if (text.length > PROMPT_CHARACTERS) {
      return err([diagnose(purpose, new Error(`its prompt is ${text.length} characters long`), folder)]);
    }
    return ok(`${(template === templates[purpose] ? text : text.replace(/^\r?\n/, '')).trimEnd()}\n`);
  } catch (error) {
    return err([diagnose(at, error, folder)]);
  }
}

/**
 * What is said to a conversation that was cut short and goes on: it knows the milestone and the rules. Undefined
 * where there is more to say than that, and the prompt is given whole.
 */
export function furtherPrompt(facts: PromptFacts): string | undefined {
  if (facts.because !== 'resumed') return undefined;
  // Of those before, the conversation was told when it went on.
  const [seen] = setbackLessons(facts.setbacks?.slice(-1) ?? []);
  const how =
    seen === undefined
      ? `You were interrupted while you worked on milestone ${facts.milestone.id}.`
      : `Your work on milestone ${facts.milestone.id} broke off. ${seen}`;
  return `${how} What you had written is in your current folder, as a commit; programs that you had started have ended. Look at \`${facts.diffCommand}\` to see where you stand, and go on until every exit criterion holds. All that you were told at the beginning still holds.${movedWords(facts)}
`;
}

const movedWords = ({ moved }: PromptFacts): string =>
  moved === undefined
    ? ''
    : ` The target has moved on since you began, by ${moved.landings} commits; your work will be merged with what has landed.`;

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
    setbacks: [{ kind: 'timed-out', afterMs: 60_000 }],
    left: '4'.repeat(40),
    checks: ['npm test'],
    checkResults: [{ command: 'npm test', kind: 'failed', exit: 1, ms: 1, tail: 'not ok' }],
    findings: [{ id: 'F1', severity: 'major', problem: 'It does not' }],
    unmet: [{ text: 'It works', met: false }],
    seen: '1'.repeat(40),
    blockOn: ['blocker', 'major'],
    conflict: { onto: '2'.repeat(40), files: ['a.txt'] },
    sides: {
      base: '5'.repeat(40),
      work: '6'.repeat(40),
      others: [{ id: '1A', title: 'Base', commit: '3'.repeat(40), text: 'What it asked for.' }],
    },
    rules: ['Be kind'],
    authorRules: ['Be brief'],
    threshold: 0.5,
    milestoneDiff: '-old\n+new',
    project: [{ file: 'AGENTS.md', text: 'Be brief.' }],
    landed: [
      {
        id: '1A',
        title: 'Base',
        commit: '3'.repeat(40),
        subjects: ['a'],
        moreSubjects: 1,
        files: ['a'],
        moreFiles: 1,
      },
    ],
    notes: [{ by: '1A implement', text: 'Mind the gap.' }],
    moved: { landings: 7, shared: ['a'], moreShared: 1 },
  };
  const reasons = [
    'first',
    'again',
    'resumed',
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
 * One diagnostic per template, its first error; texts of roles once the others are well.
 */
export function checkTemplates(
  templates: Templates,
  folder = OWN_TEMPLATES,
  /** Roles that somebody has: each needs a text. */
  named: readonly string[] = [],
): Diagnostic[] {
  const missing = named
    .filter((role) => templates.roles?.[role] === undefined)
    .map(
      (role): Diagnostic => ({
        severity: 'error',
        code: 'unknown-role',
        message: `there is no role ${role}`,
        expected: `one of ${Object.keys(templates.roles ?? {})
          .sort()
          .join(', ')}`,
        fix: `write its text: ${folder}/roles/${role}.md`,
      }),
    );
  if (missing.length > 0) return missing;
  const purposes: readonly Purpose[] = ['implement', 'review', 'remediate', 'resolve'];
  const first = (purpose: Purpose, role?: string): Diagnostic[] => {
    for (const facts of samples()) {
      const as = role === undefined ? facts : { ...facts, role };
      const prompt = renderPrompt(purpose, as, templates, folder);
      if (!prompt.ok) return prompt.error;
    }
    return [];
  };
  const broken = purposes.flatMap((purpose) => first(purpose));
  return broken.length > 0
    ? broken
    : Object.keys(templates.roles ?? {}).flatMap((role) => first('review', role));
}
