/**
 * What must hold in every run, whatever befalls it. Half of it is seen by the world while it happens
 * (`World.violations`), half is read off the journal here. A breach is told as `<law>: what happened`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
import type { AgentOutcome, WorkOutcome } from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';
import { decide } from '../../src/run/decide.js';
import { emptyRun, reduce } from '../../src/run/index.js';

export const LAWS = {
  dependencies: 'nothing starts before all that it needs has landed',
  capacity: 'never more agents than jobs',
  slots: 'never two agents in one slot',
  'one landing': 'landings come one after the other, each on the head',
  'landed once': 'a milestone lands once',
  checked: 'what lands has passed its checks, its very tree',
  reviewed: 'what lands was approved, that very commit',
  attempts: 'no attempt is charged to a limit, an outage or a refusal',
  budget: 'what is spent and put aside stays within the budget',
  deadline: 'no agent starts behind the deadline',
  credentials: 'no agent starts on what is closed or refused, and none waits while one is open',
  conversations: 'nobody goes on with the conversation of another',
  folders: 'no assignment has the name of another',
  believed: 'what was believed is on disk, in that order',
  replay: 'the journal replays to the same state and the same decisions',
  ends: 'a run ends, or says what it needs',
} as const;

export type Law = keyof typeof LAWS;

/** Why an attempt may be used up. */
const CHARGEABLE: ReadonlySet<AgentOutcome['kind']> = new Set([
  'crashed',
  'timed-out',
  'stuck',
  'interrupted',
  'unprepared',
  'context-exceeded',
  'capped',
]);

/** Reads a journal, event by event. */
export class Judge {
  state: RunState;
  readonly breaches: string[] = [];
  /** Worth knowing that it happened at all: `another credential`, `waited for a credential`. */
  readonly seen: string[] = [];
  private settings: RunSettings | undefined;
  private readonly items = new Map<string, PlanItem>();
  private readonly done = new Set<string>();
  private readonly flights = new Map<string, WorkEffect>();
  private readonly names = new Set<string>();
  private readonly passed = new Set<string>();
  private readonly approved = new Set<string>();
  private readonly lastEnd = new Map<string, AgentOutcome['kind']>();
  /** Credentials: until when each is closed, and which are refused. */
  private readonly closed = new Map<string, number>();
  private readonly shut = new Set<string>();
  private spent = 0;
  /** By candidate, what it was made on; and those that lie in what has landed. */
  private readonly bases = new Map<string, string>();
  private readonly inside = new Set<string>();

  constructor(run: string) {
    this.state = emptyRun(run);
  }

  read(event: Event): void {
    if ('effect' in event) {
      const [next] = decide(this.state, event.inputs);
      if (!isDeepStrictEqual(next, event.effect)) {
        this.breach('replay', `${event.id} would be ${JSON.stringify(next)} the second time`);
      }
    }
    this.state = reduce(this.state, event);
    if (event.type === 'run.started' || event.type === 'run.continued') {
      this.settings = event.settings;
      for (const item of event.items) this.items.set(item.id, item);
      if (event.type === 'run.continued') this.shut.clear();
    }
    if (event.type === 'work.started') this.workStarted(event.id, event.effect, event.inputs.now);
    if (event.type === 'work.ended') this.workEnded(event.id, event.item, event.outcome, event.now);
    if (event.type === 'check.started') this.mayBegin(event.effect.item);
    if (event.type === 'check.ended' && event.outcome.kind === 'passed') {
      this.passed.add(event.outcome.tree);
    }
    // A gate may also pass where its reviewer finds that nothing was to be done.
    if ('outcome' in event && this.state.items.get(event.item)?.phase.is === 'passed') {
      this.done.add(event.item);
    }
    if (event.type === 'land.started') this.landStarted(event.effect);
    if (event.type === 'candidate.ended' && event.outcome.kind === 'built') {
      const { commit, base } = event.outcome.candidate;
      this.bases.set(commit, base);
    }
    if (event.type === 'land.ended' && event.outcome.kind === 'landed') {
      this.done.add(event.item);
      for (let at = this.bases.get(event.outcome.commit); at !== undefined; at = this.bases.get(at)) {
        this.inside.add(at);
      }
    }
  }

  private breach(law: Law, what: string): void {
    this.breaches.push(`${law}: ${what}`);
  }

  private mayBegin(id: string): void {
    for (const need of this.items.get(id)?.needs ?? []) {
      if (this.items.has(need) && !this.done.has(need)) {
        this.breach('dependencies', `${id} began before ${need} was in`);
      }
    }
  }

  private workStarted(id: string, effect: WorkEffect, now: number): void {
    const { item, attempt, assignment, purpose } = effect;
    this.mayBegin(item);
    const name = `${item}.${attempt}.${assignment}`;
    if (this.names.has(name)) this.breach('folders', `${name} was there before ${id}`);
    this.names.add(name);
    if (purpose === 'implement' && effect.brief.because === 'again') {
      const last = this.lastEnd.get(item);
      if (last === undefined || !CHARGEABLE.has(last)) {
        this.breach('attempts', `${item} begins attempt ${attempt} after ${last}`);
      }
    }
    const credential = effect.credential ?? effect.agent;
    const open = this.openOf(effect.agent, now);
    if (!open.includes(credential))
      this.breach('credentials', `${id} starts on ${credential}, which is closed`);
    else if (open[0] !== credential)
      this.breach('credentials', `${id} starts on ${credential} before ${open[0]}`);

    const [first] = this.settings?.credentials?.[effect.agent]?.order ?? [];
    if (first !== undefined && first !== credential) this.seen.push('another credential');

    this.flights.set(id, effect);
    if (now >= (this.settings?.deadline ?? Number.POSITIVE_INFINITY)) {
      this.breach('deadline', `${id} starts behind it`);
    }
    const { budget } = this.settings ?? {};
    if (budget?.usd === undefined) return;
    let aside = 0;
    for (const { capUsd } of this.flights.values()) aside += capUsd ?? 0;
    if (this.spent + aside > budget.usd + 1e-4) {
      this.breach('budget', `$${this.spent} spent and $${aside} put aside of $${budget.usd} with ${id}`);
    }
    if ((effect.capUsd ?? 0) < (effect.reserveUsd ?? 0) - 1e-6) {
      this.breach('budget', `${id} may cost less than was put aside for it`);
    }
  }

  private openOf(agent: string, now: number): readonly string[] {
    const order = this.settings?.credentials?.[agent]?.order ?? [agent];
    return order.filter((name) => !this.shut.has(name) && (this.closed.get(name) ?? 0) <= now);
  }

  private workEnded(id: string, item: string, outcome: WorkOutcome, now: number): void {
    const effect = this.flights.get(id);
    this.flights.delete(id);
    this.spent += outcome.costUsd;
    if (effect === undefined) return;
    const { kind } = outcome.agent;
    const credential = effect.credential ?? effect.agent;
    if (kind === 'limited') {
      // A time gone by, after a kill: it is asked again half a minute later.
      const { resetAt = now + 5 * 60_000 } = outcome.agent;
      const until = resetAt > now ? resetAt : now + 30_000;
      this.closed.set(credential, Math.max(until, this.closed.get(credential) ?? 0));
    }
    if (kind === 'unauthorized') this.shut.add(credential);
    if (effect.purpose === 'review') {
      if (outcome.judgement?.kind === 'approved') this.approved.add(effect.from);
    } else {
      this.lastEnd.set(item, kind);
    }
    const phase = this.state.items.get(item)?.phase;
    if (phase?.is === 'waiting' && phase.wait.for === 'credential' && kind === 'limited') {
      this.seen.push('waited for a credential');
      const open = this.openOf(effect.agent, now);
      if (open.length > 0) this.breach('credentials', `${item} waits while ${open[0]} is open`);
    }
  }

  private landStarted({ item, candidate }: Extract<Event, { type: 'land.started' }>['effect']): void {
    const planned = this.items.get(item);
    // A merge of the target's own way: nobody wrote it.
    if (planned === undefined) return;
    if (planned.checks.length > 0 && !this.passed.has(candidate.tree) && !this.inside.has(candidate.commit)) {
      this.breach('checked', `${item} lands as ${candidate.commit}, whose tree has not passed`);
    }
    if (planned.reviewer !== false && !this.approved.has(candidate.work)) {
      this.breach('reviewed', `${item} lands ${candidate.work}, which nobody approved`);
    }
  }
}
