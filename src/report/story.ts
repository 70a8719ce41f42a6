/** What an event says to people: pure, so that the plain lines and the live screen tell the same story. */
import type { Decision } from '../model/decision.js';
import type { Effect, PublishEffect, WorkEffect } from '../model/effect.js';
import type { Event } from '../model/event.js';
import type {
  CandidateOutcome,
  CheckOutcome,
  CheckResult,
  FollowOutcome,
  LandOutcome,
  PublishOutcome,
  WorkOutcome,
} from '../model/outcome.js';
import { unreachable } from '../model/result.js';
import type { RunState } from '../model/state.js';
import { awaitedOf } from '../run/approvals.js';
import { unmetNeeds } from '../run/needs.js';
import { oneLine } from './text.js';
import {
  count,
  explainFound,
  explainWait,
  flakeWords,
  formatDuration,
  formatUntil,
  formatUsd,
  names,
  progressOf,
  shortOid,
  termsOf,
  type When,
} from './words.js';

export interface Sentence {
  /** `note`: worth keeping on a screen that forgets the rest. */
  readonly tone: 'plain' | 'good' | 'bad' | 'wait' | 'note';
  /** One harmless line. */
  readonly text: string;
}

const say = (tone: Sentence['tone'], text: string): Sentence => ({ tone, text });

/** `before` is the state without the event, where the teller has seen it; `state` is the state with it. */
export function tell(
  event: Event,
  before: RunState | undefined,
  state: RunState,
  when: When,
): readonly Sentence[] {
  return [...tellEvent(event, before, state, when), ...tellTurns(event, before, state, when)];
}

function tellEvent(
  event: Event,
  before: RunState | undefined,
  state: RunState,
  when: When,
): readonly Sentence[] {
  const target = oneLine(state.target);
  switch (event.type) {
    case 'run.started': {
      const { all } = progressOf(state);
      return [
        say(
          'plain',
          `Run ${oneLine(state.run)} on ${target}: ${count(all, 'milestone')}, ${count(event.settings.jobs, 'agent')} at once`,
        ),
        ...termsOf(state, when).map((text) => say('plain', text)),
      ];
    }
    case 'run.continued':
      return [explainFound(state, when), ...termsOf(state, when)].map((text) => say('plain', text));
    case 'items.reset':
      return [
        say('plain', `${names(event.items)}: what was used up is forgotten`),
        ...Object.entries(event.works ?? {}).map(([id, { commit }]) =>
          say('plain', `${oneLine(id)} goes on with ${shortOid(commit)}, from its ${event.from ?? 'work'}`),
        ),
      ];
    case 'decision':
      return [tellDecision(event.decision)];
    case 'work.started': {
      const { effect } = event;
      const round = effect.round > 0 ? `, round ${effect.round}` : '';
      return [
        say(
          'plain',
          `${oneLine(effect.item)} ${effect.purpose} started (attempt ${effect.attempt}${round}, slot ${effect.slot})`,
        ),
      ];
    }
    case 'work.ended': {
      const flight = flightOf(event.id, before);
      const purpose = flight?.effect.do === 'work' ? flight.effect.purpose : undefined;
      const credential = flight?.effect.do === 'work' ? flight.effect.credential : undefined;
      const took = flight === undefined ? undefined : event.now - flight.since;
      return [
        ...tellWork(oneLine(event.item), purpose, took, event.outcome, when, credential),
        ...tellUntold(flight?.effect, before, state),
      ];
    }
    case 'check.ended': {
      const flight = flightOf(event.id, before);
      const of = flight?.effect.do === 'check' ? flight.effect.of : 'work';
      const took = flight === undefined ? undefined : event.now - flight.since;
      return [
        ...tellCheck(
          of === 'head'
            ? `${target} checks as it was moved`
            : `${oneLine(event.item)} ${of === 'candidate' ? 'merged checks' : 'checks'}`,
          took,
          event.outcome,
        ),
        ...tellWhim(event.item, before, state),
      ];
    }
    case 'candidate.ended':
      return tellCandidate(oneLine(event.item), target, event.outcome);
    case 'land.ended':
      return tellLanding(oneLine(event.item), state, event.outcome);
    case 'follow.ended':
      return tellFollowing(target, event.outcome);
    case 'publish.ended': {
      const flight = flightOf(event.id, before);
      return flight?.effect.do === 'publish' ? tellPublishing(flight.effect, event.outcome) : [];
    }
    case 'note':
      return [
        say(
          'note',
          `${event.item === undefined ? '' : `${oneLine(event.item)} `}note: ${oneLine(event.text)}`,
        ),
      ];
    // Their endings say enough; a run's end is the summary's to tell.
    case 'check.started':
    case 'candidate.started':
    case 'land.started':
    case 'follow.started':
    case 'publish.started':
    case 'run.paused':
    case 'run.ended':
      return [];
    default:
      return unreachable(event);
  }
}

function tellDecision({ item, verdict, by, because }: Decision): Sentence {
  const who = `${oneLine(item)} ${verdict} by ${oneLine(by)}`;
  if (verdict === 'approved') return say('good', who);
  return say('bad', `${who}: ${oneLine(because ?? 'no reason was given')}`);
}

const flightOf = (
  id: string,
  before: RunState | undefined,
): { readonly effect: Effect; readonly since: number } | undefined => before?.flights.get(id);

/** Under a budget it is told once of each agent that it cannot be counted. A script costs nothing anyway. */
function tellUntold(
  effect: Effect | undefined,
  before: RunState | undefined,
  { settings, spend }: RunState,
): readonly Sentence[] {
  const { budget } = settings;
  if (budget?.usd === undefined && budget?.perDay === undefined) return [];
  if (effect?.do !== 'work' || effect.agent === 'recipe') return [];
  const { agent } = effect;
  if (!spend.untold.has(agent) || before?.spend.untold.has(agent) === true) return [];
  return [say('note', `note: ${oneLine(agent)} tells no cost: it counts as $0.00 against the budget`)];
}

function tellWork(
  item: string,
  purpose: WorkEffect['purpose'] | undefined,
  took: number | undefined,
  { agent, judgement, harvest, costUsd, told = [] }: WorkOutcome,
  when: When,
  credential: string | undefined,
): readonly Sentence[] {
  const what = `${item} ${purpose ?? 'agent'}`;
  const payer = credential === undefined ? what : `${what} on ${oneLine(credential)}`;
  const facts = [
    ...(took === undefined ? [] : [formatDuration(took)]),
    ...(costUsd > 0 ? [formatUsd(costUsd)] : []),
  ];
  const after = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  const sentences: Sentence[] = [];
  switch (agent.kind) {
    case 'finished':
      if (judgement?.kind === 'approved') sentences.push(say('good', `${item} review approves${after}`));
      else if (judgement?.kind === 'refused') {
        const { findings, unmet } = judgement;
        const held = [
          ...(findings.length > 0 ? [count(findings.length, 'finding')] : []),
          ...(unmet.length > 0 ? [count(unmet.length, 'criterion unmet', 'criteria unmet')] : []),
        ];
        sentences.push(
          say(
            'bad',
            `${item} review asks for changes: ${held.length === 0 ? 'no finding' : held.join(', ')}${after}`,
          ),
        );
      } else if (judgement?.kind === 'unreadable') {
        sentences.push(say('bad', `${item} review could not be used: ${oneLine(judgement.why)}${after}`));
      } else if (harvest?.changed === false) {
        sentences.push(say('plain', `${what} finished and changed nothing${after}`));
      } else sentences.push(say('plain', `${what} finished${after}`));
      break;
    case 'limited': {
      const until = agent.resetAt === undefined ? '' : ` until ${formatUntil(agent.resetAt, when)}`;
      sentences.push(say('wait', `${payer} met a usage limit${until}: ${oneLine(agent.message)}${after}`));
      break;
    }
    case 'overloaded':
      sentences.push(
        say('wait', `${what} found the service without room: ${oneLine(agent.message)}${after}`),
      );
      break;
    case 'unauthorized':
      sentences.push(say('bad', `${payer} was not let in: ${oneLine(agent.message)}${after}`));
      break;
    case 'out-of-credit':
      sentences.push(say('bad', `${payer} has nothing left to pay with: ${oneLine(agent.message)}${after}`));
      break;
    case 'context-exceeded':
      sentences.push(say('wait', `${what} filled its context: ${oneLine(agent.message)}${after}`));
      break;
    case 'capped':
      sentences.push(say('wait', `${what} was ended by its CLI at what it may cost${after}`));
      break;
    case 'declined':
      sentences.push(say('bad', `${what} declined: ${oneLine(agent.message)}${after}`));
      break;
    case 'unprepared':
      sentences.push(say('bad', `${item} folder could not be made ready: ${oneLine(agent.message)}`));
      break;
    case 'unmet':
      sentences.push(say('bad', `${item} needs ${oneLine(agent.requirement)}: ${oneLine(agent.message)}`));
      break;
    case 'unstartable':
      sentences.push(say('bad', `${what} could not start: ${oneLine(agent.message)}`));
      break;
    case 'crashed': {
      const how = agent.signal ?? (agent.exit === undefined ? undefined : `exit ${agent.exit}`);
      sentences.push(
        say(
          'bad',
          `${what} crashed: ${oneLine(agent.message)}${how === undefined ? '' : ` (${oneLine(how)})`}`,
        ),
      );
      break;
    }
    case 'timed-out':
      sentences.push(say('bad', `${what} was ended after ${formatDuration(agent.afterMs)}, its timeout`));
      break;
    case 'stuck':
      sentences.push(say('bad', `${what} was ended ${stuckWords(agent)}`));
      break;
    case 'cancelled':
      sentences.push(say('wait', `${what} was cancelled`));
      break;
    case 'interrupted':
      sentences.push(say('wait', `${what} was interrupted: ${oneLine(agent.message)}`));
      break;
    default:
      return unreachable(agent);
  }
  if (harvest !== undefined && harvest.markers.length > 0) {
    sentences.push(say('bad', `${item} has conflict markers left in ${names(harvest.markers)}`));
  }
  for (const { file, line, text } of harvest?.facts ?? []) {
    const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `;
    sentences.push(say('note', `${item} note: ${oneLine(`${place}${text}`)}`));
  }
  for (const text of [...(harvest?.told ?? []), ...told]) {
    sentences.push(say('note', `${item} note: ${oneLine(text)}`));
  }
  return sentences;
}

function stuckWords({ silentMs, repeated }: Extract<WorkOutcome['agent'], { kind: 'stuck' }>): string {
  return repeated === undefined
    ? `after ${formatDuration(silentMs ?? 0)} without a word`
    : `for going round in circles: ${oneLine(repeated.call)}, ${repeated.times} times in a row`;
}

function tellCheck(what: string, took: number | undefined, outcome: CheckOutcome): readonly Sentence[] {
  switch (outcome.kind) {
    case 'passed':
      return [say('good', `${what} passed${took === undefined ? '' : ` (${formatDuration(took)})`}`)];
    case 'failed':
      return outcome.results
        .filter(({ kind }) => kind !== 'passed')
        .map((result) => say('bad', `${what} failed: ${oneLine(result.command)} (${howItEnded(result)})`));
    case 'unstartable':
      return [say('bad', `${what} could not start: ${oneLine(outcome.message)}`)];
    case 'cancelled':
      return [say('wait', `${what} were cancelled`)];
    default:
      return unreachable(outcome);
  }
}

/** A failure that was not expected, and a second run that passed. */
function tellWhim(id: string, before: RunState | undefined, state: RunState): readonly Sentence[] {
  const item = state.items.get(id);
  if (item === undefined) return [];
  const { phase, flakes = [] } = item;
  if (phase.is === 'next' && (phase.step.is === 'check' || phase.step.is === 'verify') && phase.step.again) {
    return [
      say(
        'note',
        `${oneLine(id)} note: these checks had been expected to pass, and run once more on the same tree`,
      ),
    ];
  }
  const known = before?.items.get(id)?.flakes?.length ?? 0;
  return flakes.slice(known).map((flake) => say('note', `${oneLine(id)} note: ${flakeWords(flake)}`));
}

function howItEnded({ kind, exit, ms }: CheckResult): string {
  if (kind === 'timed-out') return `timed out after ${formatDuration(ms)}`;
  if (kind === 'unstartable') return 'could not start';
  if (kind === 'no-tests') return 'ran no test';
  return exit === undefined ? 'killed' : `exit ${exit}`;
}

const rewound = (target: string, expected: string, found: string): Sentence =>
  say(
    'bad',
    `${target} no longer holds ${shortOid(expected)}, it is at ${shortOid(found)}: both are kept, nothing lands`,
  );

const moved = (item: string, target: string, head: string): Sentence =>
  say('wait', `${target} has moved to ${shortOid(head)}: ${item} is merged again`);

function tellCandidate(item: string, target: string, outcome: CandidateOutcome): readonly Sentence[] {
  switch (outcome.kind) {
    case 'built':
      return [];
    case 'conflict':
      return [say('bad', `${item} conflicts with ${target} in ${names(outcome.files)}`)];
    case 'clash':
      return [
        say(
          'wait',
          `${item} conflicts with what lands before it in ${names(outcome.files)}: it waits for that`,
        ),
      ];
    case 'moved':
      return [moved(item, target, outcome.head)];
    case 'diverged':
      return [say('wait', `${target} has moved to ${shortOid(outcome.target)}: it is merged first`)];
    case 'rewound':
      return [rewound(target, outcome.expected, outcome.found)];
    case 'refused':
      return [say('bad', `${item} could not be merged: ${oneLine(outcome.message)}`)];
    default:
      return unreachable(outcome);
  }
}

function tellLanding(item: string, state: RunState, outcome: LandOutcome): readonly Sentence[] {
  const target = oneLine(state.target);
  switch (outcome.kind) {
    case 'landed': {
      const { landed, all } = progressOf(state);
      const on = outcome.on === 'shadow' ? `mstone/${target}` : target;
      const { block } = outcome;
      return [
        say('good', `${item} landed ${shortOid(outcome.commit)} on ${on} (${landed}/${all})`),
        ...(block === undefined
          ? []
          : [
              say(
                'note',
                `${target} waits for its checkout: ${oneLine(block.message)} (${oneLine(block.command)})`,
              ),
            ]),
      ];
    }
    case 'moved':
      return [moved(item, target, outcome.head)];
    case 'rewound':
      return [rewound(target, outcome.expected, outcome.found)];
    case 'refused':
      return [say('bad', `${item} could not land: ${oneLine(outcome.message)}`)];
    default:
      return unreachable(outcome);
  }
}

function tellFollowing(target: string, outcome: FollowOutcome): readonly Sentence[] {
  switch (outcome.kind) {
    case 'followed':
      return [say('good', `${target} followed to ${shortOid(outcome.head)}`)];
    case 'blocked':
      return [
        say(
          'note',
          `${target} could not follow: ${oneLine(outcome.block.message)} (${oneLine(outcome.block.command)})`,
        ),
      ];
    case 'diverged':
      return [say('wait', `${target} has moved to ${shortOid(outcome.target)}: it is merged first`)];
    case 'rewound':
      return [rewound(target, outcome.expected, outcome.found)];
    default:
      return unreachable(outcome);
  }
}

function tellPublishing({ what, tag, pull }: PublishEffect, outcome: PublishOutcome): readonly Sentence[] {
  if (outcome.kind === 'failed') {
    const { message, command } = outcome;
    return [say('bad', `${what} could not be published: ${oneLine(message)} (${oneLine(command)})`)];
  }
  return [
    ...(outcome.tag === undefined || outcome.tag === 'there' ? [] : [tellTag(what, tag ?? '', outcome.tag)]),
    ...(outcome.pull === undefined
      ? []
      : 'url' in outcome.pull
        ? [say('good', `${what} is a pull request: ${oneLine(outcome.pull.url)}`)]
        : [
            say(
              'note',
              `${what} is pushed as ${oneLine(pull?.branch ?? '')}; open its pull request: ${oneLine(outcome.pull.command)}`,
            ),
          ]),
  ];
}

const tellTag = (what: string, tag: string, became: 'made' | 'elsewhere'): Sentence =>
  became === 'made'
    ? say('plain', `${what} is tagged ${oneLine(tag)}`)
    : say('note', `${what} is not tagged: ${oneLine(tag)} is there, at another commit, and stays`);

/** Items that took a turn which no event names: failed, asking, waiting to try again. */
function tellTurns(
  event: Event,
  before: RunState | undefined,
  state: RunState,
  when: When,
): readonly Sentence[] {
  if (before === undefined || event.type === 'run.started' || event.type === 'run.continued') return [];
  return [...state.items.values()].flatMap((now) => {
    const { item, phase } = now;
    const id = oneLine(item.id);
    const was = before.items.get(item.id)?.phase;
    const asked = awaitedOf(now);
    const old = before.items.get(item.id);
    // What was built on is told of when its turn has come, not before.
    if (
      asked !== undefined &&
      unmetNeeds(state, now).length === 0 &&
      (old === undefined || awaitedOf(old) === undefined || unmetNeeds(before, old).length > 0)
    ) {
      return [
        say(
          'note',
          `${id} ${explainWait({ for: 'approval', item: item.id, of: asked.of, target: state.target }, when)}`,
        ),
      ];
    }
    if (was?.is === phase.is) return [];
    if (phase.is === 'failed') return [say('bad', `${id} failed: ${oneLine(phase.message)}`)];
    if (phase.is === 'asks') return [say('bad', `${id} needs you: ${oneLine(phase.message)}`)];
    if (phase.is === 'waiting') return [say('wait', `${id} ${explainWait(phase.wait, when)}`)];
    return [];
  });
}
