/** What happened to one item, attempt by attempt, read off the journals of its runs. */
import type { ItemId, Purpose } from '../model/effect.js';
import type { Event } from '../model/event.js';
import type { AgentOutcome, CheckResult } from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { CriterionAnswer, Finding, Judgement } from '../model/verdict.js';
import { factFindings } from './facts.js';

interface Begun {
  /** Epoch ms. */
  readonly at: number;
  /** Undefined while it lasts, and for what a killed mstone left without an ending. */
  readonly ms?: number;
}

/** One thing that was done for it. `outcome` is absent while it lasts. */
export type Passage =
  | (Begun & {
      readonly did: Purpose;
      readonly agent: string;
      readonly round: number;
      readonly outcome?: AgentOutcome['kind'] | 'approved' | 'refused' | 'unreadable';
      /** What the outcome says of itself. */
      readonly message?: string;
      readonly costUsd: number;
      readonly findings: readonly Finding[];
      readonly unmet: readonly CriterionAnswer[];
      /** Which of several reviewers, and its role. */
      readonly reviewer?: string;
      readonly role?: string;
      /** What the verdict was worth, whole. */
      readonly judgement?: Judgement;
      /** The log's name in the run's folder of logs. */
      readonly log: string;
    })
  | (Begun & {
      readonly did: 'check';
      readonly of: 'work' | 'candidate' | 'base' | 'stage' | 'head';
      /** Once more on the same tree, where they had been expected to pass. */
      readonly again?: true;
      readonly outcome?: 'passed' | 'failed' | 'unstartable' | 'cancelled';
      readonly message?: string;
      readonly results: readonly CheckResult[];
      readonly log: string;
    })
  | (Begun & {
      readonly did: 'merge' | 'land';
      readonly outcome?:
        | 'built'
        | 'conflict'
        | 'clash'
        | 'diverged'
        | 'rewound'
        | 'refused'
        | 'landed'
        | 'moved';
      readonly message?: string;
      readonly commit?: string;
    });

export interface AttemptRecord {
  readonly run: string;
  /** From 1; 0 for what a gate or the target's own check did before anybody worked on it. */
  readonly attempt: number;
  readonly passages: readonly Passage[];
}

/** Runs are oldest first, and so are the attempts. After `retry` the count begins anew. */
export function attemptsOf(
  runs: readonly { readonly run: string; readonly events: readonly Event[] }[],
  id: ItemId,
): AttemptRecord[] {
  const attempts: { run: string; attempt: number; passages: Map<string, Passage> }[] = [];
  for (const { run, events } of runs) {
    let fresh = true;
    const passagesOf = (attempt: number): Map<string, Passage> => {
      const last = attempts.at(-1);
      if (last !== undefined && !fresh && last.attempt === attempt) return last.passages;
      const passages = new Map<string, Passage>();
      attempts.push({ run, attempt, passages });
      fresh = false;
      return passages;
    };
    for (const event of events) {
      if (event.type === 'items.reset') fresh ||= event.items.includes(id);
      else if ('effect' in event) {
        const passage = begin(event, id);
        if (passage !== undefined && 'attempt' in event.effect) {
          passagesOf(event.effect.attempt).set(event.id, passage);
        }
      } else if ('outcome' in event && event.item === id) {
        const passages = attempts.at(-1)?.passages;
        const passage = passages?.get(event.id);
        if (passage !== undefined) passages?.set(event.id, end(passage, event));
      }
    }
  }
  return attempts.map(({ run, attempt, passages }) => ({ run, attempt, passages: [...passages.values()] }));
}

type StartEvent = Extract<Event, { effect: unknown }>;
type EndEvent = Extract<Event, { outcome: unknown }>;

function begin({ id: intent, effect, inputs }: StartEvent, id: ItemId): Passage | undefined {
  if (effect.item !== id) return undefined;
  const at = inputs.now;
  switch (effect.do) {
    case 'work': {
      const { purpose, agent, round, attempt, assignment, reviewer, role } = effect;
      const log = `${id}.${attempt}.${assignment}.${purpose}.log`;
      const as = {
        ...(reviewer === undefined ? {} : { reviewer }),
        ...(role === undefined ? {} : { role }),
      };
      return { did: purpose, at, agent, round, ...as, costUsd: 0, findings: [], unmet: [], log };
    }
    case 'check': {
      const log = `${id}.${effect.attempt}.${intent}.check.log`;
      const again = effect.again === undefined ? {} : { again: effect.again };
      return { did: 'check', at, of: effect.of, ...again, results: [], log };
    }
    case 'candidate':
      return { did: 'merge', at };
    case 'land':
      return { did: 'land', at };
    case 'follow':
    case 'publish':
      return undefined;
    default:
      return unreachable(effect);
  }
}

function end(passage: Passage, event: EndEvent): Passage {
  const ms = event.now - passage.at;
  switch (event.type) {
    case 'work.ended': {
      if (!('agent' in passage)) return passage;
      const { agent, harvest, judgement, costUsd } = event.outcome;
      const judged = agent.kind === 'finished' ? judgement : undefined;
      const message = judged?.kind === 'unreadable' ? judged.why : messageOf(agent);
      return {
        ...passage,
        ms,
        costUsd,
        outcome: judged?.kind ?? agent.kind,
        ...(judged === undefined ? {} : { judgement: judged }),
        ...(message === undefined ? {} : { message }),
        ...(judged?.kind === 'refused' ? { findings: judged.findings, unmet: judged.unmet } : {}),
        ...(harvest?.facts === undefined ? {} : { findings: factFindings(harvest.facts) }),
        ...(judged?.kind === 'approved' ? { findings: judged.notes } : {}),
      };
    }
    case 'check.ended': {
      if (passage.did !== 'check') return passage;
      const { outcome } = event;
      return {
        ...passage,
        ms,
        outcome: outcome.kind,
        ...('results' in outcome ? { results: outcome.results } : {}),
        ...('message' in outcome ? { message: outcome.message } : {}),
      };
    }
    case 'candidate.ended':
    case 'land.ended': {
      if (passage.did !== 'merge' && passage.did !== 'land') return passage;
      const { outcome } = event;
      const message =
        outcome.kind === 'refused'
          ? outcome.message
          : outcome.kind === 'conflict'
            ? `in ${outcome.files.join(', ')}`
            : undefined;
      return {
        ...passage,
        ms,
        outcome: outcome.kind,
        ...(message === undefined ? {} : { message }),
        ...(outcome.kind === 'landed' ? { commit: outcome.commit } : {}),
      };
    }
    case 'follow.ended':
    case 'publish.ended':
      return passage;
    default:
      return unreachable(event);
  }
}

function messageOf(agent: AgentOutcome): string | undefined {
  if ('message' in agent) {
    return agent.kind === 'unmet' ? `${agent.requirement}: ${agent.message}` : agent.message;
  }
  return undefined;
}
