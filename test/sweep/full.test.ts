import { expect, it } from 'vitest';
import { livedThrough } from './crash.js';
import { STORIES } from './stories.js';

it('a disk that is full at any append pauses the run with 75; nothing half-written is believed, and with room it goes on', async () => {
  const [story] = STORIES;
  if (story === undefined) throw new Error('no story');
  const calm = await livedThrough(story, []);
  const appends = calm.acts.filter((act) => act.startsWith('journal '));
  expect(appends.length).toBeGreaterThan(10);

  // One after the other in one pipeline: each is taken up and meets the next.
  const { end, hit, codes } = await livedThrough(
    story,
    appends.map((act) => `${act} full`),
  );
  expect([...hit].sort()).toEqual(appends.map((act) => `${act} full`).sort());
  // Once there was nothing to resume yet.
  expect(codes.filter((code) => code !== 0)).toEqual(appends.map(() => 75));
  expect(codes.at(-1)).toBe(0);
  expect(end).toEqual(calm.end);
}, 300_000);
