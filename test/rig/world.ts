import type { Ports } from '../../src/engine/ports.js';
import type { CandidateEffect, CheckEffect, Effect, LandEffect, WorkEffect } from '../../src/model/effect.js';
import type { Event } from '../../src/model/event.js';
import type {
  AgentOutcome,
  CandidateOutcome,
  CheckOutcome,
  FollowOutcome,
  LandOutcome,
  PublishOutcome,
  WorkOutcome,
} from '../../src/model/outcome.js';
import type { PlanItem } from '../../src/model/plan.js';
import type { RunState } from '../../src/model/state.js';

/** Small, seeded, good enough for worlds: mulberry32. Numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** mstone itself was killed: whatever was not on disk is gone. */
export class Killed extends Error {}

export interface Chances {
  readonly limited: number;
  readonly overloaded: number;
  readonly unauthorized: number;
  readonly contextExceeded: number;
  readonly declined: number;
  readonly crashed: number;
  readonly timedOut: number;
  readonly interrupted: number;
  readonly empty: number;
  readonly checkFails: number;
  readonly refused: number;
  readonly unreadable: number;
  readonly conflict: number;
  readonly candidateFails: number;
  readonly moved: number;
  readonly shadow: number;
  /** Of an assignment; 0.25 USD where it is not said. */
  readonly costUsd?: (random: () => number) => number;
  /** How an agent ends, and what it tells beside, in place of what is drawn here. */
  readonly ends?: (effect: WorkEffect, now: number) => Partial<WorkOutcome> | undefined;
  /** What a limit says; an hour where it is not said. */
  readonly limit?: (random: () => number, now: number) => AgentOutcome;
  /** Agents' CLIs know their conversations in the slot alone in which they began. */
  readonly stays?: true;
  /** The agents' CLIs end them at what they may cost, a cent later. */
  readonly capped?: true;
}

export const peaceful: Chances = {
  limited: 0,
  overloaded: 0,
  unauthorized: 0,
  contextExceeded: 0,
  declined: 0,
  crashed: 0,
  timedOut: 0,
  interrupted: 0,
  empty: 0,
  checkFails: 0,
  refused: 0,
  unreadable: 0,
  conflict: 0,
  candidateFails: 0,
  moved: 0,
  shadow: 0,
};

export function planItem(id: string, over: Partial<PlanItem> = {}): PlanItem {
  return {
    id,
    kind: 'milestone',
    stage: Number.parseInt(id, 10) || 0,
    title: id,
    digest: `v1:${id}`,
    needs: [],
    priority: 0,
    remainingMinutes: 30,
    author: 'author',
    reviewer: 'reviewer',
    resolver: 'author',
    checks: ['npm test'],
    rounds: 3,
    retries: 1,
    ...over,
  };
}

/**
 * A world with virtual time for the engine's ports: what agents, checks and git would do is drawn from a
 * seed, once per intent, so that an intent given twice (after a kill) has the same ending.
 */
export class World {
  now = 1_800_000_000_000;
  /** What the machine says when it is asked. */
  pressure: () => Awaited<ReturnType<Ports['pressure']>> = () => ({ is: 'fine' });
  head = 'head0';
  readonly journal: Event[] = [];
  readonly landed: string[] = [];
  readonly starts: string[] = [];
  readonly violations: string[] = [];
  /** Agents whose credential was refused, until a person sees to it. */
  readonly shut = new Set<string>();
  /** Appends after which mstone is killed, before or after the write. */
  killAt: { readonly append: number; readonly when: 'before' | 'after' } | undefined;

  private readonly random: () => number;
  private readonly chances: Chances;
  private readonly endings = new Map<string, { at: number; outcome: unknown }>();
  private sleepers: { at: number; wake: () => void }[] = [];
  private pumping = false;
  private appends = 0;
  private objects = 0;
  private alive = 0;
  /** Whose conversation each is: item and attempt. */
  private readonly sessions = new Map<string, string>();
  /** In which slot each began. */
  private readonly slotOf = new Map<string, number>();
  private readonly lastOutcome = new Map<string, AgentOutcome['kind']>();
  private readonly jobs: number;

  constructor(seed: number, chances: Chances, jobs: number) {
    this.random = seeded(seed);
    this.chances = chances;
    this.jobs = jobs;
  }

  /** A new mstone over the same world: what the old one awaited is forgotten, agents go on. */
  restart(): void {
    this.sleepers = [];
    this.alive = 0;
    this.killAt = undefined;
  }

  ports(report: (event: Event, state: RunState) => void = () => undefined): Ports {
    return {
      clock: { now: () => this.now, until: (at, signal) => this.sleep(at, signal) },
      append: async (events) => {
        this.appends += 1;
        const kill = this.killAt?.append === this.appends ? this.killAt.when : undefined;
        if (kill === 'before') throw new Killed();
        this.journal.push(...events);
        if (kill === 'after') throw new Killed();
      },
      work: async (id, effect) => {
        this.alive += 1;
        if (this.alive > this.jobs) this.violations.push(`${this.alive} agents alive with ${this.jobs} jobs`);
        if (!this.endings.has(id)) this.mind(effect);
        const outcome = await this.perform(id, effect, () => this.work(effect));
        this.alive -= 1;
        if (outcome.agent.kind === 'unauthorized') this.shut.add(effect.credential ?? effect.agent);
        this.lastOutcome.set(effect.item, outcome.agent.kind);
        return outcome;
      },
      check: (id, effect) => this.perform(id, effect, () => this.check(effect)),
      candidate: (id, effect) => this.perform(id, effect, () => this.candidate(effect)),
      land: (id, effect) => this.perform(id, effect, () => this.land(effect)),
      follow: (id, effect) =>
        this.perform(id, effect, (): FollowOutcome => ({ kind: 'followed', head: this.head })),
      publish: (id, effect) => this.perform(id, effect, (): PublishOutcome => ({ kind: 'published' })),
      pressure: async () => this.pressure(),
      report,
    };
  }

  private async perform<O>(id: string, effect: Effect, draw: () => O): Promise<O> {
    let ending = this.endings.get(id);
    if (ending === undefined) {
      if (effect.do === 'work') this.starts.push(`${effect.item} ${effect.purpose}`);
      ending = { at: this.now + Math.ceil(this.random() * 60_000), outcome: draw() };
      this.endings.set(id, ending);
    }
    await this.sleep(ending.at);
    return ending.outcome as O;
  }

  private sleep(at: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = { at, wake: resolve };
      this.sleepers.push(sleeper);
      signal?.addEventListener(
        'abort',
        () => {
          this.sleepers = this.sleepers.filter((one) => one !== sleeper);
          resolve();
        },
        { once: true },
      );
      this.pump();
    });
  }

  /** Wakes whoever sleeps least, once everybody else has had a turn. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    setImmediate(() => {
      this.pumping = false;
      this.sleepers.sort((a, b) => a.at - b.at);
      const first = this.sleepers.shift();
      if (first === undefined) return;
      this.now = Math.max(this.now, first.at);
      first.wake();
      if (this.sleepers.length > 0) this.pump();
    });
  }

  private oid(what: string): string {
    this.objects += 1;
    return `${what}${this.objects}`;
  }

  private happens(chance: number): boolean {
    return this.random() < chance;
  }

  /** What must hold whenever an agent is started. */
  private mind({ item, attempt, agent, credential, purpose, session, brief, slot }: WorkEffect): void {
    if (this.chances.stays && session !== undefined && this.slotOf.get(session) !== slot) {
      this.violations.push(`${item} goes on in slot ${slot}, its conversation is elsewhere`);
    }
    const on = credential ?? agent;
    if (this.shut.has(on)) this.violations.push(`${item} was started on ${on}, which is refused`);
    const whose = session === undefined ? undefined : this.sessions.get(session);
    if (session !== undefined && (purpose === 'review' || whose !== `${item} ${attempt}`)) {
      this.violations.push(
        `${item} ${purpose} of attempt ${attempt} goes on with the conversation of ${whose}`,
      );
    }
    const last = this.lastOutcome.get(item) ?? 'finished';
    if (brief.because === 'again' && ['limited', 'overloaded', 'unauthorized', 'cancelled'].includes(last)) {
      this.violations.push(`${item} was charged an attempt for ${last}`);
    }
  }

  private work(effect: WorkEffect): WorkOutcome {
    const { chances } = this;
    const told = chances.ends?.(effect, this.now);
    const drawn: AgentOutcome = this.happens(chances.limited)
      ? (chances.limit?.(this.random, this.now) ?? {
          kind: 'limited',
          resetAt: this.now + 3_600_000,
          message: 'limit',
        })
      : this.happens(chances.crashed)
        ? { kind: 'crashed', message: 'exit 1', exit: 1 }
        : this.happens(chances.timedOut)
          ? { kind: 'timed-out', afterMs: 1 }
          : this.happens(chances.interrupted)
            ? { kind: 'interrupted', message: 'power' }
            : this.happens(chances.overloaded)
              ? { kind: 'overloaded', message: '529' }
              : this.happens(chances.unauthorized)
                ? { kind: 'unauthorized', message: 'key' }
                : this.happens(chances.contextExceeded)
                  ? { kind: 'context-exceeded', message: 'too long' }
                  : this.happens(chances.declined)
                    ? { kind: 'declined', message: 'no' }
                    : { kind: 'finished' };
    const agent = told?.agent ?? drawn;
    const session = effect.session ?? this.oid('session');
    if (!this.slotOf.has(session)) this.slotOf.set(session, effect.slot);
    this.sessions.set(session, `${effect.item} ${effect.attempt}`);
    const wanted = this.chances.costUsd?.(this.random) ?? 0.25;
    const cap = chances.capped ? (effect.capUsd ?? wanted) : wanted;
    if (wanted > cap) {
      const message = 'Reached maximum budget';
      return { agent: { kind: 'capped', message }, costUsd: cap + 0.01, logBytes: 0, session };
    }
    const done: WorkOutcome = {
      agent,
      costUsd: wanted,
      logBytes: 0,
      ...(this.happens(0.5) ? { session } : {}),
      ...(chances.stays ? { stays: true as const } : {}),
      ...told,
    };
    if (effect.purpose === 'review') {
      if (agent.kind !== 'finished') return done;
      if (this.happens(chances.unreadable))
        return { ...done, judgement: { kind: 'unreadable', why: 'prose' } };
      if (this.happens(chances.refused)) {
        const finding = { id: 'F1', severity: 'major' as const, cites: this.oid('criterion'), problem: 'p' };
        return { ...done, judgement: { kind: 'refused', findings: [finding], unmet: [] } };
      }
      return { ...done, judgement: { kind: 'approved', notes: [] } };
    }
    const changed = effect.purpose !== 'implement' || !this.happens(chances.empty);
    const commit = this.oid('work');
    const base = effect.base ?? this.head;
    return {
      ...done,
      harvest: {
        commit,
        tree: changed ? this.oid('tree') : `tree-of-${base}`,
        base,
        changed,
        told: [],
        markers: [],
      },
    };
  }

  private check(effect: CheckEffect): CheckOutcome {
    const commit = effect.commit === 'head' ? this.head : effect.commit;
    const fails = this.happens(
      effect.of === 'candidate' ? this.chances.candidateFails : this.chances.checkFails,
    );
    const kind = fails ? 'failed' : 'passed';
    const results = [{ command: 'npm test', kind, exit: fails ? 1 : 0, ms: 1, tail: '' } as const];
    return { kind, commit, tree: this.oid('checked'), results };
  }

  private candidate(effect: CandidateEffect): CandidateOutcome {
    if (this.happens(this.chances.conflict)) return { kind: 'conflict', onto: this.head, files: ['a.txt'] };
    const commit = this.oid('candidate');
    return {
      kind: 'built',
      candidate: { commit, tree: this.oid('tree'), base: this.head, work: effect.commit },
    };
  }

  private land(effect: LandEffect): LandOutcome {
    if (this.happens(this.chances.moved)) {
      this.head = this.oid('moved');
      return { kind: 'moved', head: this.head };
    }
    if (effect.candidate.base !== this.head) this.violations.push(`${effect.item} landed on a stale base`);
    if (this.landed.includes(effect.item)) this.violations.push(`${effect.item} landed twice`);
    this.landed.push(effect.item);
    this.head = effect.candidate.commit;
    return { kind: 'landed', commit: this.head, on: this.happens(this.chances.shadow) ? 'shadow' : 'target' };
  }
}
