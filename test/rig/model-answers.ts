/**
 * What a scripted model may answer, and scripts made of such answers. An answer is said in our own words
 * (write this file, refuse as overloaded); `model-wire.ts` puts it into the words of an API and of the tools
 * that the asking CLI offered.
 */
import type { Purpose } from '../../src/model/effect.js';

/** One tool call. Paths are relative to the folder that the CLI works in. */
export type Act =
  | { readonly act: 'write'; readonly path: string; readonly content: string }
  | { readonly act: 'edit'; readonly path: string; readonly from: string; readonly to: string }
  | { readonly act: 'read'; readonly path: string }
  | { readonly act: 'run'; readonly command: string }
  | { readonly act: 'tool'; readonly name: string; readonly input: Readonly<Record<string, unknown>> };

export interface ReviewAnswer {
  readonly verdict: 'approve' | 'request_changes';
  readonly criteria: readonly { readonly text: string; readonly met: boolean; readonly evidence: string }[];
  readonly findings: readonly {
    readonly id: string;
    readonly severity: 'blocker' | 'major' | 'minor' | 'nit';
    readonly cites: string;
    readonly file: string;
    readonly line: number;
    readonly problem: string;
    readonly suggestion: string;
  }[];
  readonly answers: readonly { readonly id: string; readonly answer: 'fixed'; readonly why: string }[];
  readonly summary: string;
}

/** How a service says no; the status and body are those of the API that was asked. */
export type Refusal =
  | { readonly why: 'unauthorized' | 'forbidden' | 'overloaded' | 'broken' | 'too-long' | 'no-such-model' }
  /** Anthropic says 400 or 402, OpenAI 429. */
  | { readonly why: 'no-credit'; readonly status: 400 | 402 }
  | { readonly why: 'rate'; readonly retryAfterSeconds?: number }
  /** Of a subscription. */
  | { readonly why: 'limit'; readonly window: 'five_hour' | 'seven_day'; readonly resetsAtSeconds: number }
  /** The script has no answer to this: a mistake of the test, told in a way that no CLI tries again. */
  | { readonly why: 'unscripted'; readonly message: string };

export type Answer =
  | { readonly is: 'say'; readonly text: string; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly is: 'do';
      readonly acts: readonly Act[];
      readonly text?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** By the structured output that was asked for; where none was, as the line that our template asks for. */
  | { readonly is: 'verdict'; readonly verdict: ReviewAnswer }
  | { readonly is: 'refuse'; readonly refusal: Refusal }
  /** The request is accepted and never answered. */
  | { readonly is: 'hang' }
  /** A stream that begins and then says nothing more. */
  | { readonly is: 'stall'; readonly text: string }
  /** A stream whose connection is lost in the middle. */
  | { readonly is: 'cut'; readonly text: string };

/** One request for the model, as far as a script may want to know it. */
export interface Asked {
  readonly api: 'messages' | 'responses';
  /** Of the milestone that the conversation is about. */
  readonly milestone: string;
  /** `aside`: what a CLI asks for itself, a title for instance; `compact`: a summary to go on from. */
  readonly purpose: Purpose | 'aside' | 'compact' | 'other';
  /** The CLI's own id of the conversation. */
  readonly session: string;
  /** From 1: the how-manieth prompt for this milestone and purpose, over all sessions. */
  readonly round: number;
  /** From 1: the how-manieth answer to this prompt is wanted. */
  readonly turn: number;
  /** From 1: the how-manieth request for this very answer, repeated ones counted. */
  readonly ask: number;
  /** Prompts of ours in what was sent: more than one in a resumed session. */
  readonly prompts: number;
  /** The last of them. */
  readonly prompt: string;
  /** Tool results since then, in order. */
  readonly results: readonly string[];
  readonly tools: readonly string[];
  /** The folder that the CLI says it works in; empty where it says none. */
  readonly cwd: string;
  readonly model: string;
}

export type Script = (asked: Asked) => Answer | Promise<Answer>;

export const say = (text: string, headers?: Readonly<Record<string, string>>): Answer => ({
  is: 'say',
  text,
  ...(headers === undefined ? {} : { headers }),
});
export const act = (...acts: Act[]): Answer => ({ is: 'do', acts });
export const write = (path: string, content: string): Act => ({ act: 'write', path, content });
export const edit = (path: string, from: string, to: string): Act => ({ act: 'edit', path, from, to });
export const read = (path: string): Act => ({ act: 'read', path });
export const run = (command: string): Act => ({ act: 'run', command });
export const refuse = (refusal: Refusal): Answer => ({ is: 'refuse', refusal });
export const hang: Answer = { is: 'hang' };

/** A review that holds every one of `criteria` to be met. */
export function approval(...criteria: string[]): Answer {
  return {
    is: 'verdict',
    verdict: {
      verdict: 'approve',
      criteria: criteria.map((text) => ({ text, met: true, evidence: 'seen in the diff' })),
      findings: [],
      // Counts where the round before was an objection.
      answers: [{ id: 'F1', answer: 'fixed', why: 'seen in the diff' }],
      summary: 'It does what the milestone asks.',
    },
  };
}

/** A review that finds one major thing wrong, and every one of `criteria` met. */
export function objection(file: string, problem: string, ...criteria: string[]): Answer {
  return {
    is: 'verdict',
    verdict: {
      verdict: 'request_changes',
      criteria: criteria.map((text) => ({ text, met: true, evidence: 'seen in the diff' })),
      findings: [
        {
          id: 'F1',
          severity: 'major',
          cites: 'plain correctness',
          file,
          line: 1,
          problem,
          suggestion: 'Mend it.',
        },
      ],
      answers: [],
      summary: problem,
    },
  };
}

/** An answer, or several: for the first request, the second, …; the last goes on. */
export type Turn = Answer | readonly [Answer, ...Answer[]] | Script;
/** Turns in answer to one prompt. */
export type Round = readonly Turn[];

/**
 * Says by `1A implement` what is answered to each prompt for that milestone and purpose, turn by turn. Asides
 * are answered with a title, and whoever wants to compact is told that this is too long as well, unless there
 * is a `summary`. What is not in `rounds` is refused as unscripted.
 */
export function play(rounds: Readonly<Record<string, readonly Round[]>>, summary?: string): Script {
  return (asked) => {
    if (asked.purpose === 'aside') return say('{"title":"A milestone"}');
    if (asked.purpose === 'compact') {
      return summary === undefined ? refuse({ why: 'too-long' }) : say(`<summary>\n${summary}\n</summary>`);
    }
    const name = `${asked.milestone} ${asked.purpose}`;
    const turn = rounds[name]?.[asked.round - 1]?.[asked.turn - 1];
    if (turn === undefined) {
      const message = `nothing is scripted for ${name}, round ${asked.round}, turn ${asked.turn}`;
      return refuse({ why: 'unscripted', message });
    }
    if (typeof turn === 'function') return turn(asked);
    return isList(turn) ? (turn[Math.min(asked.ask, turn.length) - 1] ?? turn[0]) : turn;
  };
}

const isList = (turn: Answer | readonly [Answer, ...Answer[]]): turn is readonly [Answer, ...Answer[]] =>
  Array.isArray(turn);

/**
 * A subscription's limit that is met at the first request and is over `seconds` later; then `then` is
 * answered. `now` is in milliseconds.
 */
export function limitedFor(seconds: number, then: Answer, now: () => number = Date.now): Script {
  let resetsAtSeconds: number | undefined;
  return () => {
    resetsAtSeconds ??= Math.floor(now() / 1000) + seconds;
    if (now() >= resetsAtSeconds * 1000) return then;
    return refuse({ why: 'limit', window: 'five_hour', resetsAtSeconds });
  };
}

/** Answers `then` once `count` requests have come here: what must run at the same time is shown to. */
export function meeting(count: number): (then: Answer) => Script {
  let here = 0;
  let open: () => void = () => undefined;
  const met = new Promise<void>((resolve) => {
    open = resolve;
  });
  return (then) => async () => {
    here += 1;
    if (here >= count) open();
    await met;
    return then;
  };
}
