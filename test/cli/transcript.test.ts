/** The README's transcript, played again: the same lines typed, through a pipe and not in a terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Line, makeStage, normal, root, STORY, type Stage, transcriptIn } from '../transcript/story.mjs';

const stages: Stage[] = [];
afterEach(() => {
  for (const { home } of stages.splice(0)) rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

/** What a terminal would show: both streams in the order in which they were written, and what was typed. */
async function play(stage: Stage, story: readonly Line[]): Promise<string> {
  const file = join(stage.home, 'screen');
  const screen = openSync(file, 'a');
  const shown = (): string => readFileSync(file, 'utf8');
  let last = 0;
  try {
    for (const { type, interrupt } of story) {
      writeSync(screen, `$ ${type}\n`);
      // A line to be interrupted is to be the process itself, not a shell before it.
      const line = interrupt === undefined ? `(exit ${last}); ${type}` : `exec ${type}`;
      const child: ChildProcess = spawn('/bin/sh', ['-c', line], {
        cwd: stage.cwd,
        env: { ...stage.env },
        stdio: ['ignore', screen, screen],
      });
      const ended = once(child, 'close');
      if (interrupt !== undefined) {
        const patience = { timeout: 60_000, interval: 10 };
        await expect.poll(() => stage.isAtWork(interrupt.milestone), patience).toBe(true);
        writeSync(screen, '^C\n');
        child.kill('SIGINT');
        await expect.poll(shown, patience).toContain(interrupt.after);
        stage.letGo(interrupt.milestone);
      }
      [last] = (await ended) as [number];
    }
  } finally {
    closeSync(screen);
  }
  return shown();
}

it('is what these command lines print: init, new, slips in three places, run, Ctrl-C, resume, status, explain', async () => {
  const stage = makeStage();
  stages.push(stage);
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const played = normal(await play(stage, STORY), stage.home);
  // Where the words have changed: `npm run transcript`.
  expect(played).toBe(transcriptIn(readme));
});

describe('what no two performances have in common', () => {
  it.each([
    ['14:02:59 1A landed 0123456 on main', '14:38:00 1A landed 41aa0c2 on main\n'],
    ['at abcdef1, then 1234567, then abcdef1', 'at 41aa0c2, then d36e1d9, then 41aa0c2\n'],
    ['finished (0.4s), finished (12s), (1m 05s); 3 rounds', 'finished (1s), finished (1s), (1s); 3 rounds\n'],
    ['Run 01M7WP94W4WAAF1MF1CMDXS06A on main', 'Run 01M7WP94W4WAAF1MF1CMDXS06R on main\n'],
    ['until 09:15, on 2027-01-02', 'until 14:38, on 2026-11-20\n'],
    ['^C09:00:00 note', '^C\n14:38:00 note\n'],
    ['in /tmp/x/hello  \r\n\n\n', 'in ~/hello\n'],
  ])('has a stand-in: %j', (text, same) => {
    expect(normal(text, '/tmp/x')).toBe(same);
    // What has one already keeps it.
    expect(normal(same, '/tmp/x')).toBe(same);
  });
});
