import type { Ports } from '../../src/engine/ports.js';
import type { CandidateEffect, CheckEffect, Effect, LandEffect, WorkEffect } from '../../src/model/effect.js';
import type { Event, RunSettings } from '../../src/model/event.js';
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

/** Nobody is at work, nobody waits for a time, and the run has not ended. */
export class Stalled extends Error {}

/** What can befall a run, in words for people. */
export const FAULTS = {
  crash: 'agents that crash',
  hang: 'agents that hang',
  limit: 'agents at a limit',
  outage: 'services without room',
  refusal: 'credentials refused',
  overflow: 'conversations grown too long',
  declined: 'agents that decline',
  nothing: 'agents that change nothing',
  flake: 'checks that flake',
  conflict: 'conflicts',
  move: 'bases that move',
  ahead: 'clocks that jump ahead',
  back: 'clocks that jump back',
  sleep: 'sleeps of the laptop',
  kill: 'kills of mstone',
  power: 'power cuts',
  full: 'journals without room',
  pressure: 'machines short of memory',
} as const;

export type Fault = keyof typeof FAULTS;

export interface Chances {
  readonly limited: number;
  /** Of limits: they do not say until when. */
  readonly untold?: number;
  readonly overloaded: number;
  readonly unauthorized: number;
  readonly contextExceeded: number;
  readonly declined: number;
  readonly crashed: number;
  readonly timedOut: number;
  readonly stuck?: number;
  readonly interrupted: number;
  readonly empty: number;
  /** A tree does not pass its checks. */
  readonly checkFails: number;
  /** A check says of a tree what is not so. */
  readonly flaky?: number;
  readonly refused: number;
  /** Of work: it bears on the checks. Every other reviewer that approves says that it may. */
  readonly bears?: number;
  readonly unreadable: number;
  readonly conflict: number;
  /** A tree that was merged does not pass them. */
  readonly candidateFails: number;
  readonly moved: number;
  /** The target no longer holds what has landed. */
  readonly rewound?: number;
  readonly shadow: number;
  /** The target moves while nobody looks; of each moment. */
  readonly wanders?: number;
  /** Somebody sets the clock, ahead or back; of each moment. */
  readonly jumps?: number;
  /** The lid is shut for hours; of each moment. */
  readonly sleeps?: number;
  /** The machine is short of something when it is asked. */
  readonly short?: number;
  /** Work touches a file that others' verdicts rest on. */
  readonly barrier?: number;
  /** Work conflicts with what is in the train before it. */
  readonly clash?: number;
  /** Work is bad in itself: with it in a tree, every check of candidates fails. */
  readonly bad?: number;
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

/** An act that was begun: what comes of it, and when (epoch ms, until it has been told). */
interface Ending {
  at: number;
  outcome: unknown;
  readonly effect: Effect;
}

interface Sleeper {
  at: number;
  /** Whose ending is waited for; a sleeper without one goes by the clock. */
  readonly ending?: Ending;
  readonly wake: () => void;
}

/**
 * A world with virtual time for the engine's ports: what agents, checks and git would do is drawn from a
 * seed, once per intent, so that an intent given twice (after a kill) has the same ending.
 */
export class World {
  /** What the clock shows, epoch ms. What is at work goes by its own time: a clock that is set does not move it. */
  now = 1_800_000_000_000;
  /** What the machine says when it is asked. */
  pressure: () => Awaited<ReturnType<Ports['pressure']>> = () => {
    if (!this.happens(this.chances.short ?? 0)) return { is: 'fine' };
    this.befall('pressure');
    return { is: 'short', words: 'memory 94% used', again: this.now + 5000 };
  };
  head = 'head0';
  readonly journal: Event[] = [];
  readonly landed: string[] = [];
  /** Candidates that the target holds. */
  private readonly history = new Set<string>();
  /** Candidates whose landing was told. */
  private readonly told = new Set<string>();
  private settings: RunSettings | undefined;
  private items = new Map<string, PlanItem>();
  readonly starts: string[] = [];
  /** Each begins with the law that was broken: `capacity: 3 agents alive with 2 jobs`. */
  readonly violations: string[] = [];
  /** Agents whose credential was refused, until a person sees to it. */
  readonly shut = new Set<string>();
  readonly faults = new Map<Fault, number>();
  /** Told what befalls the world where no event tells it. */
  tell: (words: string) => void = () => undefined;
  /** Appends after which mstone is killed, before or after the write. */
  killAt: { readonly append: number; readonly when: 'before' | 'after' } | undefined;

  private readonly random: () => number;
  private readonly chances: Chances;
  private readonly endings = new Map<string, Ending>();
  private readonly sleepers = new Set<Sleeper>();
  private life = 0;
  private pumping = false;
  private stalled: (error: Stalled) => void = () => undefined;
  private appends = 0;
  private objects = 0;
  /** Slots in which an agent is alive. */
  private readonly alive = new Map<string, number>();
  private landings = 0;
  /** The trees of commits, and whether each passes its checks. */
  private readonly trees = new Map<string, string>();
  private readonly sound = new Map<string, boolean>();
  /** Whose conversation each is: item and attempt. */
  private readonly sessions = new Map<string, string>();
  /** In which slot each began. */
  private readonly slotOf = new Map<string, number>();
  private readonly lastOutcome = new Map<string, AgentOutcome['kind']>();
  private readonly jobs: number;
  /** Landings go beside the target, and where the target has gone meanwhile. */
  private shadow: { diverged?: string } | undefined;
  /** Heads that nobody of this run's made. */
  private readonly strangers = new Set<string>();
  /** Works that fail every candidate which holds them. */
  private readonly bad = new Set<string>();
  /** What each candidate was made on, whose it is, and what it holds. */
  private readonly candidates = new Map<string, { base: string; item: string; work: string }>();
  /** Trees that have passed. */
  private readonly green = new Set<string>();

  constructor(seed: number, chances: Chances, jobs: number) {
    this.random = seeded(seed);
    this.chances = chances;
    this.jobs = jobs;
  }

  /** A new mstone over the same world: what the old one awaited is forgotten, agents go on. */
  restart(): void {
    this.life += 1;
    this.sleepers.clear();
    this.alive.clear();
    this.landings = 0;
    this.killAt = undefined;
  }

  /** Rejects when nothing can happen any more; given up with the next `restart`. */
  stall(): Promise<never> {
    return new Promise((_, reject) => {
      this.stalled = reject;
      this.pump();
    });
  }

  /** The power is cut: agents at work are lost, and some minutes with them. */
  cutPower(): void {
    this.shift(60_000 * Math.ceil(this.random() * 10));
    for (const ending of this.endings.values()) {
      if (ending.at <= this.now || ending.effect.do !== 'work') continue;
      const { agent: _agent, judgement: _judgement, ...rest } = ending.outcome as WorkOutcome;
      ending.outcome = { ...rest, agent: { kind: 'interrupted', message: 'the machine went down' } };
      ending.at = this.now + 1000;
    }
    this.befall('power');
  }

  befall(fault: Fault): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }

  ports(report: (event: Event, state: RunState) => void = () => undefined): Ports {
    return {
      clock: { now: () => this.now, until: (at, signal) => this.sleep(at, { signal }) },
      append: async (events) => {
        this.appends += 1;
        const kill = this.killAt?.append === this.appends ? this.killAt.when : undefined;
        if (kill === 'before') throw new Killed();
        this.journal.push(...events);
        for (const event of events) this.note(event);
        if (kill === 'after') throw new Killed();
      },
      work: async (id, effect) => {
        const { life } = this;
        const other = [...this.alive].find(([, slot]) => slot === effect.slot);
        if (other !== undefined) {
          this.violations.push(
            `slots: ${effect.item} was started in slot ${effect.slot}, beside ${other[0]}`,
          );
        }
        this.alive.set(id, effect.slot);
        if (this.alive.size > this.jobs) {
          this.violations.push(`capacity: ${this.alive.size} agents alive with ${this.jobs} jobs`);
        }
        if (!this.endings.has(id)) this.mind(effect);
        const outcome = await this.perform(id, effect, () => this.work(effect));
        if (life === this.life) this.alive.delete(id);
        if (outcome.agent.kind === 'unauthorized') this.shut.add(effect.credential ?? effect.agent);
        this.lastOutcome.set(effect.item, outcome.agent.kind);
        return outcome;
      },
      check: async (id, effect, signal) => {
        const outcome = await this.perform(id, effect, () => this.check(effect), signal);
        // What was asked for ends at once, and was still at work when it was killed.
        return signal.aborted ? { kind: 'cancelled' } : outcome;
      },
      candidate: (id, effect) => this.perform(id, effect, () => this.candidate(effect)),
      land: async (id, effect) => {
        const { life } = this;
        this.landings += 1;
        if (this.landings > 1) this.violations.push(`one landing: ${this.landings} at once`);
        const outcome = await this.perform(id, effect, () => this.land(effect));
        if (life === this.life) this.landings -= 1;
        return outcome;
      },
      follow: (id, effect) => this.perform(id, effect, () => this.follow()),
      publish: (id, effect) => this.perform(id, effect, (): PublishOutcome => ({ kind: 'published' })),
      pressure: async () => this.pressure(),
      report,
    };
  }

  /** What begins a run, or takes it up, which no engine appends. */
  open(event: Event): void {
    this.journal.push(event);
    this.note(event);
  }

  private note(event: Event): void {
    if (event.type !== 'run.started' && event.type !== 'run.continued') return;
    this.settings = event.settings;
    this.items = new Map(event.items.map((item) => [item.id, item]));
  }

  private async perform<O>(id: string, effect: Effect, draw: () => O, signal?: AbortSignal): Promise<O> {
    let ending = this.endings.get(id);
    if (ending === undefined) {
      if (effect.do === 'work') this.starts.push(`${effect.item} ${effect.purpose}`);
      ending = { at: this.now + Math.ceil(this.random() * 60_000), outcome: draw(), effect };
      this.endings.set(id, ending);
    }
    await this.sleep(ending.at, { ending, ...(signal === undefined ? {} : { signal }) });
    return ending.outcome as O;
  }

  private sleep(
    at: number,
    { ending, signal }: { readonly ending?: Ending; readonly signal?: AbortSignal },
  ): Promise<void> {
    return new Promise((resolve) => {
      const sleeper: Sleeper = { at, wake: resolve, ...(ending === undefined ? {} : { ending }) };
      this.sleepers.add(sleeper);
      const leave = (): void => {
        this.sleepers.delete(sleeper);
        resolve();
      };
      if (signal?.aborted) leave();
      signal?.addEventListener('abort', leave, { once: true });
      this.pump();
    });
  }

  /** Wakes whoever sleeps least, once everybody else has had a turn. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    setImmediate(() => {
      this.pumping = false;
      this.fate();
      let first: Sleeper | undefined;
      for (const sleeper of this.sleepers) if (first === undefined || sleeper.at < first.at) first = sleeper;
      if (first === undefined) {
        this.stalled(new Stalled('nothing is under way, nothing is waited for, and the run has not ended'));
        return;
      }
      this.sleepers.delete(first);
      this.now = Math.max(this.now, first.at);
      first.wake();
      this.pump();
    });
  }

  /** What happens by itself while everybody is at work. */
  private fate(): void {
    const { wanders = 0, jumps = 0, sleeps = 0 } = this.chances;
    if (wanders > 0 && this.happens(wanders)) this.wander();
    if (jumps > 0 && this.happens(jumps)) {
      const ms = Math.ceil(this.random() ** 3 * 5 * 3_600_000);
      const ahead = this.happens(0.5);
      this.befall(ahead ? 'ahead' : 'back');
      this.tell(`the clock is set ${ahead ? 'ahead' : 'back'} by ${Math.round(ms / 1000)} s`);
      this.shift(ahead ? ms : -ms);
    }
    if (sleeps > 0 && this.happens(sleeps)) {
      const ms = Math.ceil(this.random() * 10 * 3_600_000);
      this.befall('sleep');
      this.tell(`the machine sleeps for ${Math.round(ms / 60_000)} min`);
      this.shift(ms);
      // Connections that were open are gone; what was being said is not.
      for (const ending of this.endings.values()) {
        if (ending.at <= this.now || ending.effect.do !== 'work' || !this.happens(0.3)) continue;
        const { agent: _agent, judgement: _judgement, ...rest } = ending.outcome as WorkOutcome;
        ending.outcome = { ...rest, agent: { kind: 'overloaded', message: 'connection lost' } };
      }
    }
  }

  /** The clock shows another time; whoever is at work does not notice. */
  private shift(ms: number): void {
    for (const ending of this.endings.values()) {
      ending.at = ending.at > this.now ? ending.at + ms : Number.NEGATIVE_INFINITY;
    }
    this.now += ms;
    for (const sleeper of this.sleepers) if (sleeper.ending !== undefined) sleeper.at = sleeper.ending.at;
  }

  /** Somebody else commits to the target. */
  private wander(): void {
    const head = this.oid('moved');
    this.befall('move');
    this.tell(`somebody moves the target to ${head}`);
    this.strangers.add(head);
    if (this.shadow === undefined) this.head = head;
    else this.shadow.diverged = head;
  }

  private oid(what: string): string {
    this.objects += 1;
    return `${what}${this.objects}`;
  }

  /** What no world speaks of takes no number from its dice. */
  private happens(chance: number | undefined): boolean {
    return chance !== undefined && this.random() < chance;
  }

  /** What must hold of whatever the target moves to. */
  private mindTrain(
    { item, candidate: { commit } }: LandEffect,
    contents: readonly { item: string; commit: string }[],
  ): void {
    const mode = this.settings?.merge?.strict ?? 'every-commit';
    // Where heads count, the last one answers for all that ride inside it.
    const groups = mode === 'every-commit' ? contents.map((one) => [one]) : [contents];
    for (const group of groups) {
      const last = group.at(-1);
      const hasChecks = group.some((one) => (this.items.get(one.item)?.checks.length ?? 0) > 0);
      if (last === undefined || !hasChecks || this.green.has(this.treeOf(last.commit))) continue;
      this.violations.push(`checked: ${item} landed with ${last.item}, whose own tree did not pass`);
    }
    if (!contents.some((one) => one.commit === commit))
      this.violations.push(`one landing: ${item} is not in its own landing`);
  }

  /** What must hold whenever an agent is started. */
  private mind({ item, attempt, agent, credential, purpose, session, brief, slot }: WorkEffect): void {
    if (this.chances.stays && session !== undefined && this.slotOf.get(session) !== slot) {
      this.violations.push(`conversations: ${item} goes on in slot ${slot}, its conversation is elsewhere`);
    }
    const on = credential ?? agent;
    if (this.shut.has(on)) {
      this.violations.push(`credentials: ${item} was started on ${on}, which is refused`);
    }
    const whose = session === undefined ? undefined : this.sessions.get(session);
    if (session !== undefined && (purpose === 'review' || whose !== `${item} ${attempt}`)) {
      this.violations.push(
        `conversations: ${item} ${purpose} of attempt ${attempt} goes on with that of ${whose}`,
      );
    }
    const last = this.lastOutcome.get(item) ?? 'finished';
    if (brief.because === 'again' && ['limited', 'overloaded', 'unauthorized', 'cancelled'].includes(last)) {
      this.violations.push(`attempts: ${item} was charged one for ${last}`);
    }
  }

  private agent(): AgentOutcome {
    const { chances } = this;
    const { now } = this;
    if (this.happens(chances.limited)) {
      this.befall('limit');
      if (chances.limit !== undefined) return chances.limit(this.random, now);
      const resetAt = now + (this.happens(0.1) ? -60_000 : 3_600_000);
      return {
        kind: 'limited',
        ...(this.happens(chances.untold ?? 0) ? {} : { resetAt }),
        message: 'limit',
      };
    }
    const kinds: readonly [number, Fault, AgentOutcome][] = [
      [chances.crashed, 'crash', { kind: 'crashed', message: 'exit 1', exit: 1 }],
      [chances.timedOut, 'hang', { kind: 'timed-out', afterMs: 1 }],
      [chances.stuck ?? 0, 'hang', { kind: 'stuck', silentMs: 1 }],
      [chances.interrupted, 'power', { kind: 'interrupted', message: 'power' }],
      [chances.overloaded, 'outage', { kind: 'overloaded', message: '529' }],
      [chances.unauthorized, 'refusal', { kind: 'unauthorized', message: 'key' }],
      [chances.contextExceeded, 'overflow', { kind: 'context-exceeded', message: 'too long' }],
      [chances.declined, 'declined', { kind: 'declined', message: 'no' }],
    ];
    for (const [chance, fault, outcome] of kinds) {
      if (!this.happens(chance)) continue;
      this.befall(fault);
      return outcome;
    }
    return { kind: 'finished' };
  }

  private work(effect: WorkEffect): WorkOutcome {
    const { chances } = this;
    const told = chances.ends?.(effect, this.now);
    const drawn = this.agent();
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
      const facts = effect.brief.facts ?? [];
      const allows = facts.length > 0 && this.happens(0.5) ? facts : [];
      return {
        ...done,
        judgement: {
          kind: 'approved',
          notes: [],
          ...(allows.length === 0
            ? {}
            : { allows: allows.map(({ id }) => ({ fact: id, because: 'asked for' })) }),
        },
      };
    }
    const base = effect.base ?? this.head;
    // Who remediates and changes nothing leaves the very tree that was red.
    const changed = !this.happens(effect.purpose === 'implement' ? chances.empty : chances.empty / 2);
    if (!changed) this.befall('nothing');
    const before = effect.from === 'head' ? base : effect.from;
    const commit = changed || effect.merge !== undefined ? this.commit('work') : before;
    const tree = this.treeOf(commit);
    if (this.happens(chances.bad)) this.bad.add(commit);
    const barrier = this.happens(chances.barrier) ? { barrier: ['package-lock.json'] } : {};
    return {
      ...done,
      harvest: {
        commit,
        tree,
        base,
        changed: tree !== this.treeOf(base),
        told: [],
        markers: [],
        ...(chances.bears !== undefined && this.happens(chances.bears)
          ? {
              facts: [
                { id: 'gate-files Makefile', kind: 'gate-files' as const, file: 'Makefile', text: 'changed' },
              ],
            }
          : {}),
        ...barrier,
      },
    };
  }

  /** A commit with a tree that nobody has seen yet. */
  private commit(what: string): string {
    const commit = this.oid(what);
    this.trees.set(commit, this.oid('tree'));
    return commit;
  }

  private treeOf(commit: string): string {
    const tree = this.trees.get(commit) ?? `tree-of-${commit}`;
    this.trees.set(commit, tree);
    return tree;
  }

  private check(effect: CheckEffect): CheckOutcome {
    const { chances } = this;
    const commit = effect.commit === 'head' ? this.head : effect.commit;
    const tree = this.treeOf(commit);
    if (!this.sound.has(tree)) {
      const fails =
        effect.of === 'candidate'
          ? chances.candidateFails
          : effect.of === 'head'
            ? undefined
            : chances.checkFails;
      const isBad = this.contents(commit).some(({ work }) => this.bad.has(work));
      this.sound.set(tree, !this.happens(fails) && !isBad);
    }
    const flakes = this.happens(chances.flaky ?? 0);
    if (flakes) this.befall('flake');
    const kind = this.sound.get(tree) !== flakes ? 'passed' : 'failed';
    if (kind === 'passed') this.green.add(tree);
    const results = [
      { command: 'npm test', kind, exit: kind === 'passed' ? 0 : 1, ms: 1, tail: '' } as const,
    ];
    return { kind, commit, tree, results };
  }

  /** What lies in a candidate that the head does not hold, the newest first. */
  private contents(commit: string): { item: string; work: string; commit: string }[] {
    const found = this.candidates.get(commit);
    if (found === undefined || this.history.has(commit)) return [];
    return [{ ...found, commit }, ...this.contents(found.base)];
  }

  private candidate(effect: CandidateEffect): CandidateOutcome {
    if (this.happens(this.chances.rewound ?? 0)) {
      this.befall('move');
      return { kind: 'rewound', expected: this.head, found: this.oid('rewound') };
    }
    if (effect.item !== 'sync' && this.shadow?.diverged !== undefined) {
      return { kind: 'diverged', target: this.shadow.diverged, shadow: this.head };
    }
    if (effect.onto !== undefined && effect.head !== this.head) return { kind: 'moved', head: this.head };
    if (this.happens(this.chances.conflict)) {
      this.befall('conflict');
      return { kind: 'conflict', onto: this.head, files: ['a.txt'] };
    }
    const base = effect.onto ?? this.head;
    if (effect.onto !== undefined && this.happens(this.chances.clash)) {
      return { kind: 'clash', files: ['a.txt'] };
    }
    const commit = this.oid('candidate');
    // Merged into what it began with, nothing is different.
    const tree = base === this.baseOf(effect.commit) ? this.treeOf(effect.commit) : this.oid('tree');
    this.trees.set(commit, tree);
    this.candidates.set(commit, { base, item: effect.item, work: effect.commit });
    return { kind: 'built', candidate: { commit, tree, base, work: effect.commit } };
  }

  private baseOf(work: string): string | undefined {
    for (const { outcome, effect } of this.endings.values()) {
      if (effect.do !== 'work') continue;
      const { harvest } = outcome as WorkOutcome;
      if (harvest?.commit === work) return effect.merge ?? harvest.base;
    }
    return undefined;
  }

  private land(effect: LandEffect): LandOutcome {
    const { candidate, item } = effect;
    const { commit } = candidate;
    if (this.history.has(commit)) {
      if (this.told.has(commit)) this.violations.push(`landed once: ${item} landed twice`);
      this.told.add(commit);
      return { kind: 'landed', commit, on: this.shadow === undefined ? 'target' : 'shadow' };
    }
    if (this.shadow === undefined && this.happens(this.chances.moved)) this.wander();
    const base = effect.onto ?? candidate.base;
    if (base !== this.head) {
      // Only by somebody else: landings of our own never meet.
      if (!this.strangers.has(this.head)) {
        this.violations.push(`one landing: ${item} lands on ${base}, which is not the head`);
      }
      return { kind: 'moved', head: this.head };
    }
    const contents = this.contents(commit).reverse();
    this.mindTrain(effect, contents);
    for (const one of contents) {
      this.history.add(one.commit);
      if (one.item === 'sync') {
        if (this.shadow?.diverged === one.work) delete this.shadow.diverged;
        continue;
      }
      if (this.landed.includes(one.item)) this.violations.push(`landed once: ${one.item} landed twice`);
      this.landed.push(one.item);
    }
    this.told.add(commit);
    this.head = candidate.commit;
    // Once the target has gone its own way, only a merge brings it back.
    const beside = this.shadow?.diverged !== undefined || this.happens(this.chances.shadow);
    this.shadow = beside ? { ...this.shadow } : undefined;
    return { kind: 'landed', commit: this.head, on: beside ? 'shadow' : 'target' };
  }

  private follow(): FollowOutcome {
    if (this.shadow?.diverged !== undefined) {
      return { kind: 'diverged', target: this.shadow.diverged, shadow: this.head };
    }
    if (this.happens(this.chances.shadow)) {
      const block = { files: ['a.txt'], message: 'a.txt has changed', command: 'git stash' };
      return { kind: 'blocked', block };
    }
    this.shadow = undefined;
    return { kind: 'followed', head: this.head };
  }

  /** Whether landings go beside the target, as a run that begins or goes on now would find it. */
  get besideTarget(): boolean {
    return this.shadow !== undefined;
  }
}
