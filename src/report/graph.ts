/** The graph of milestones as a tree for a terminal, as Mermaid and as DOT. Titles are text, whatever is in them. */
import type { Plan, PlannedMilestone } from '../model/plan.js';
import { phaseStyle, type StatusDocument } from './documents.js';
import { oneLine, painter } from './text.js';

/** Where each milestone is, by id, in a word. */
export type Phases = ReadonlyMap<string, Phase>;

type Phase = StatusDocument['milestones'][number]['phase'];

interface Stage {
  readonly stage: number;
  readonly members: readonly PlannedMilestone[];
}

function stagesOf(plan: Plan): Stage[] {
  const stages = new Map<number, PlannedMilestone[]>();
  for (const planned of plan.milestones) {
    const { stage } = planned.milestone;
    stages.set(stage, [...(stages.get(stage) ?? []), planned]);
  }
  return [...stages].map(([stage, members]) => ({ stage, members }));
}

const phaseIn = (phases: Phases, { milestone, state }: PlannedMilestone): Phase =>
  phases.get(milestone.id) ?? (state === 'done' ? 'landed' : state);

/**
 * Stages in order; below a milestone stands what waits for it within its stage. What waits for several
 * stands below the last of them, which names the others.
 */
export function graphTree(plan: Plan, phases: Phases, color: boolean): string {
  const paint = painter(color);
  const lines: string[] = [];
  for (const { stage, members } of stagesOf(plan)) {
    if (lines.length > 0) lines.push('');
    lines.push(paint('bold', `Stage ${stage}`));
    const inStage = new Set(members.map(({ milestone }) => milestone.id));
    const own = ({ dependsOn }: PlannedMilestone): string[] => dependsOn.filter((id) => inStage.has(id));
    const below = new Map<string | undefined, PlannedMilestone[]>();
    for (const member of members) {
      const parent = own(member).at(-1);
      below.set(parent, [...(below.get(parent) ?? []), member]);
    }
    const draw = (parent: string | undefined, indent: string): void => {
      const children = below.get(parent) ?? [];
      for (const [index, child] of children.entries()) {
        const last = index === children.length - 1;
        const { id, title } = child.milestone;
        const phase = phaseIn(phases, child);
        const others = own(child).slice(0, -1);
        const also = others.length === 0 ? '' : paint('dim', `  also after ${others.join(', ')}`);
        lines.push(
          `${indent}${last ? '└─' : '├─'} ${id} ${paint(phaseStyle(phase), phase)}  ${oneLine(title)}${also}`,
        );
        draw(id, `${indent}${last ? '   ' : '│  '}`);
      }
    };
    draw(undefined, '');
  }
  return `${lines.join('\n')}\n`;
}

/** Colours that are told apart on light and dark ground. */
const FILLS: Readonly<Record<ReturnType<typeof phaseStyle>, string>> = {
  green: '#b7e1c0',
  cyan: '#bfe3ee',
  yellow: '#f5e3a1',
  red: '#f3b9b4',
  dim: '#e4e4e4',
};

const fillOf = (phases: Phases, planned: PlannedMilestone): string =>
  FILLS[phaseStyle(phaseIn(phases, planned))];

/** https://mermaid.js.org/syntax/flowchart.html: in a label a character may be its number, `#35;`. */
const mermaidText = (text: string): string =>
  oneLine(text).replace(/[!-~]/g, (char) =>
    /[\w.,:/-]/.test(char) ? char : `#${char.codePointAt(0) ?? 0};`,
  );

export function graphMermaid(plan: Plan, phases: Phases): string {
  const stages = stagesOf(plan);
  const lines = ['flowchart TD'];
  for (const { stage, members } of stages) {
    lines.push(`  subgraph stage${stage}["Stage ${stage}"]`);
    for (const planned of members) {
      const { id, title } = planned.milestone;
      lines.push(`    m${id}["${id} ${mermaidText(title)} (${phaseIn(phases, planned)})"]`);
    }
    lines.push('  end');
  }
  for (const { milestone, dependsOn } of plan.milestones) {
    for (const need of dependsOn) lines.push(`  m${need} --> m${milestone.id}`);
  }
  for (const [index, { stage }] of stages.entries()) {
    const next = stages[index + 1];
    if (next !== undefined) lines.push(`  stage${stage} ==> stage${next.stage}`);
  }
  for (const planned of plan.milestones) {
    lines.push(`  style m${planned.milestone.id} fill:${fillOf(phases, planned)},color:#000000`);
  }
  return `${lines.join('\n')}\n`;
}

/** https://graphviz.org/doc/info/lang.html: in a quoted string only `"` and the backslash mean more than themselves. */
const dotText = (text: string): string => `"${oneLine(text).replace(/["\\]/g, '\\$&')}"`;

export function graphDot(plan: Plan, phases: Phases): string {
  const stages = stagesOf(plan);
  const lines = [
    'digraph milestones {',
    '  rankdir=LR;',
    '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
  ];
  for (const { stage, members } of stages) {
    lines.push(`  subgraph cluster_${stage} {`, `    label="Stage ${stage}";`);
    for (const planned of members) {
      const { id, title } = planned.milestone;
      const label = dotText(`${id} ${title} (${phaseIn(phases, planned)})`);
      lines.push(`    "${id}" [label=${label}, fillcolor="${fillOf(phases, planned)}"];`);
    }
    lines.push('  }');
  }
  for (const { milestone, dependsOn } of plan.milestones) {
    for (const need of dependsOn) lines.push(`  "${need}" -> "${milestone.id}";`);
  }
  for (const [index, { stage, members }] of stages.entries()) {
    const next = stages[index + 1];
    if (next === undefined) continue;
    // One point between two stages: all of the one is before all of the other.
    lines.push(`  "after ${stage}" [shape=point];`);
    for (const { milestone } of members)
      lines.push(`  "${milestone.id}" -> "after ${stage}" [style=dashed];`);
    for (const { milestone } of next.members) {
      lines.push(`  "after ${stage}" -> "${milestone.id}" [style=dashed];`);
    }
  }
  lines.push('}');
  return `${lines.join('\n')}\n`;
}
