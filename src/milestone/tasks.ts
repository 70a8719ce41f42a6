/*
 * What there is to do, in whichever of these forms it is written. The first that yields anything counts:
 *
 *   1. `## Tasks`, sections `## Task 1: …`, `## Issues to Fix`, together in the order of the text
 *   2. `## Technical Requirements`
 *   3. `## Objectives`
 *   4. sections with numbers: `## 1. …`
 *   5. the whole text, where no section says what is to be done or what must hold in the end
 *
 * Requirements and objectives stand behind tasks because beside them they say how and what for.
 */
import type { Task } from '../model/milestone.js';
import { type Markdown, NONE, type Section } from './markdown.js';

type Read = (section: Section) => readonly Task[];

/** `Task 2: …`, `Task #2 - …`; a number alone, `2. …`, needs its mark. */
const WORDED = /^(?:task|step|issue|bug|requirement|objective)\s*#?\d+(?:\.\d+)*(?!\w)\s*[:.)–—-]?\s*(.*)$/i;
const NUMBERED = /^#?\d+(?:\.\d+)*(?:[:.)](?=\s|$)|\s+[–—-](?=\s))\s*(.*)$/;
const TASK = /^task\s*#?\d/i;

/** A heading without its number and emphasis; undefined for one without a number. */
const numbered = (heading: string): string | undefined => {
  const plain = bare(heading);
  return (WORDED.exec(plain) ?? NUMBERED.exec(plain))?.[1]?.trim();
};

const bare = (heading: string): string => heading.replace(/[*_]{2,}/g, '').trim();

/** Lines of the tasks are indexes, as everywhere in markdown. `known`: sections that have a meaning of their own. */
export function readTasks(markdown: Markdown, known: ReadonlySet<string>): readonly Task[] {
  const { sections } = markdown;
  const gather = (read: Read): readonly Task[] => sections.flatMap(read);
  const first = (...forms: readonly Read[]): readonly Task[] =>
    forms.map(gather).find((tasks) => tasks.length > 0) ?? [];
  const stated = first(
    (section) => {
      if (TASK.test(bare(section.heading))) return headed(section);
      if (section.name === 'tasks') return numberedParts(section) ?? listed(section);
      if (section.name === 'issues to fix' || section.name === 'issues') return issues(section);
      return [];
    },
    (section) =>
      section.name === 'technical requirements' || section.name === 'requirements'
        ? (allParts(section) ?? listed(section))
        : [],
    (section) =>
      section.name === 'objectives' || section.name === 'objective'
        ? (numberedParts(section) ?? listed(section))
        : [],
    (section) => {
      const title = numbered(section.heading);
      return title === undefined || known.has(title.toLowerCase()) ? [] : headed(section);
    },
  );
  if (stated.length > 0 || sections.some(({ name }) => known.has(name) && !ASIDE.has(name))) return stated;
  return whole(markdown);
}

/** What these say is not what is to be done: beside an unknown layout they change nothing. */
const ASIDE = new Set(['dependencies', 'estimated time', 'entry requirements']);

const listed = ({ items, paragraphs }: Section): readonly Task[] =>
  (items.length > 0 ? items : paragraphs)
    .filter(({ text }) => text !== '' && !NONE.test(text))
    .map(({ text, line }) => ({ text, line }));

/** The subheadings that bear numbers, where there are any. */
function numberedParts(section: Section): readonly Task[] | undefined {
  const parts = section.parts.filter(({ heading }) => numbered(heading) !== undefined);
  return parts.length === 0 ? undefined : parts.flatMap(headed);
}

/** Every subheading, where there are any. */
function allParts(section: Section): readonly Task[] | undefined {
  return section.parts.length === 0 ? undefined : section.parts.flatMap(headed);
}

/** `**Problem**: …` opens an issue where no subheading and no list does. */
const PROBLEM = /^[*_]*problem(?:[*_]*\s*:|[*_]+)[*_]*\s*/i;

function issues(section: Section): readonly Task[] {
  const parts = allParts(section);
  if (parts) return parts;
  const openings = section.paragraphs.filter(({ text }) => PROBLEM.test(text));
  if (openings.length === 0) return listed(section);
  const lines = section.text.split('\n');
  return openings.flatMap(({ text, line }, index) => {
    const end = openings[index + 1]?.line ?? section.end;
    const whole = lines.slice(line - section.textLine, end - section.textLine).join('\n');
    return headed({ heading: firstLine(text.replace(PROBLEM, '')), line, text: whole, heads: false });
  });
}

const firstLine = (text: string): string => text.split('\n')[0]?.trim() ?? '';

/** A heading and what stands below it; `heads: false` where the heading is already within the text. */
function headed(part: {
  readonly heading: string;
  readonly line: number;
  readonly text: string;
  readonly heads?: false;
}): Task[] {
  const title = (numbered(part.heading) ?? bare(part.heading)) || firstLine(part.text);
  const text = (part.heads === false || title === part.text ? [part.text] : [title, part.text])
    .filter((words) => words !== '')
    .join('\n\n')
    .trim();
  if (text === '') return [];
  return [{ text, line: part.line, ...(title !== text && { title }) }];
}

/** One task: everything below the title. */
function whole({ lines, heading, preamble, sections }: Markdown): readonly Task[] {
  const from = preamble.text === '' ? (sections[0]?.line ?? preamble.line) : preamble.line;
  const text = lines.slice(from).join('\n').trim();
  if (text === '' || text === heading?.text) return [];
  const opening = text.split(/\n\s*\n/, 1)[0] ?? '';
  const title = opening
    .replace(/^#+\s*/, '')
    .replace(/\s+/g, ' ')
    .trim();
  return [{ text, line: from, ...(title !== text && { title }) }];
}
