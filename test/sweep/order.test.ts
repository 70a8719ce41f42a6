/** What is there after a power cut, not only after a kill: the order in which a whole run writes and flushes. */
import { expect, it } from 'vitest';
import { livedThrough } from './crash.js';
import { STORIES } from './stories.js';

/** A name without its number: `rename 1A.1.1.implement/record.json`. */
const nameOf = (act: string): string => act.slice(0, act.lastIndexOf('#'));

it('files are flushed before they get their names, names before anybody acts on them, intents before acts', async () => {
  const [story] = STORIES;
  if (story === undefined) throw new Error('no story');
  const acts = (await livedThrough(story, [])).acts.map(nameOf);
  const wrong: string[] = [];
  const expectNext = (index: number, next: string): void => {
    if (acts[index + 1] !== next) wrong.push(`${acts[index]} is followed by ${acts[index + 1]}`);
  };
  /** Whether an act comes between two moments. */
  const isBetween = (act: RegExp, from: number, to: number): boolean =>
    acts.slice(Math.max(0, from), to).some((one) => act.test(one));

  const seen = { appends: 0, records: 0, starts: 0, landings: 0, locks: 0 };
  for (const [index, act] of acts.entries()) {
    if (act.startsWith('journal ')) {
      seen.appends += 1;
      const flushed = acts.findIndex((one, at) => at > index && /^sync \S+\/journal/.test(one));
      // Nobody acts on an event that is not on disk.
      if (flushed < 0 || isBetween(/^(?:start|git|rename landing)/, index, flushed)) {
        wrong.push(`${act} before its flush`);
      }
    }
    const record = /^rename (.*)\/record\.json$/.exec(act)?.[1];
    if (record !== undefined) {
      seen.records += 1;
      const last = (what: string): number =>
        acts.findLastIndex((one, at) => at < index && one.startsWith(`${what} ${record}/record.json`));
      if (last('write') < 0 || last('fsync') < last('write')) wrong.push(`${act} before its flush`);
      const start = acts.indexOf(`start assignments/${record} in 1`, index);
      if (start < 0) continue;
      if (!isBetween(new RegExp(`^sync assignments/${record}$`), index, start))
        wrong.push(`${record}: its name`);
      if (!isBetween(/^sync \S+\/assignments$/, index, start)) wrong.push(`${record}: its folder's name`);
    }
    if (act.startsWith('start ')) {
      seen.starts += 1;
      const intent = acts.findLastIndex((one, at) => at < index && /^journal .*work\.started/.test(one));
      if (intent < 0) wrong.push(`${act} without an intent`);
    }
    if (/^rename landing\//.test(act)) {
      seen.landings += 1;
      if (!isBetween(/^sync landing\/.*\.new$/, index - 2, index)) wrong.push(`${act} before its flush`);
      expectNext(index, 'sync mstone/landing');
      if (!isBetween(/^journal .*land\.started/, 0, index)) wrong.push(`${act} without an intent`);
    }
    if (act === 'link mstone/lock') {
      seen.locks += 1;
      if (!isBetween(/^sync mstone\/lock\.own/, index - 2, index)) wrong.push(`${act} before its flush`);
    }
  }
  // The journal's own name, and all that lead to it, before the first event.
  const first = acts.findIndex((act) => act.startsWith('journal '));
  expect(isBetween(/^sync mstone\/runs$/, 0, first)).toBe(true);
  expect(wrong).toEqual([]);
  expect(seen).toEqual({ appends: 14, records: 5, starts: 5, landings: 1, locks: 1 });
});
