/** Records the README's transcript in tmux: `npm run transcript`. With `--print` it is only printed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeStage, normal, root, STORY, withTranscript } from './story.mjs';

/** Longest time for one command line. */
const PATIENCE_MS = 120_000;

const stage = makeStage();
const socket = join(stage.home, 'tmux');
const prompts = join(stage.home, 'prompts');
const tmux = (...args) =>
  execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' });
const screen = () => tmux('capture-pane', '-p', '-J', '-S', '-', '-t', 'transcript');

async function until(what, isSo) {
  const end = Date.now() + PATIENCE_MS;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}:\n${screen()}`);
    await sleep(20);
  }
}

/** Each prompt that the shell shows adds a line to a file. */
const shown = () => (existsSync(prompts) ? readFileSync(prompts, 'utf8').split('\n').length - 1 : 0);

if (spawnSync('tmux', ['-V']).status !== 0) {
  process.stderr.write('The transcript is recorded in tmux, which is not installed.\n');
  process.exit(1);
}

try {
  const env = Object.entries({
    ...stage.env,
    PS1: '$ ',
    PROMPT_COMMAND: `echo >> '${prompts}'`,
    HISTFILE: '',
    TERM: 'screen',
  });
  tmux(
    ...['new-session', '-d', '-s', 'transcript', '-x', '200', '-y', '50', '-c', stage.cwd],
    ...['env', '-i', ...env.map(([name, value]) => `${name}=${value}`), 'bash', '--norc', '--noprofile'],
  );
  tmux('set-option', '-t', 'transcript', 'history-limit', '10000');
  await until('a prompt', () => shown() === 1);
  for (const [index, { type, interrupt }] of STORY.entries()) {
    tmux('send-keys', '-t', 'transcript', '-l', type);
    tmux('send-keys', '-t', 'transcript', 'Enter');
    if (interrupt !== undefined) {
      await until(`${interrupt.milestone} at work`, () => stage.isAtWork(interrupt.milestone));
      tmux('send-keys', '-t', 'transcript', 'C-c');
      await until('an answer to Ctrl-C', () => screen().includes(interrupt.after));
      stage.letGo(interrupt.milestone);
    }
    await until(`the end of ${type}`, () => shown() === index + 2);
  }
  const transcript = normal(screen().replace(/\n\$ *\n*$/, '\n'), stage.home);
  if (process.argv.includes('--print')) process.stdout.write(transcript);
  else {
    const file = join(root, 'README.md');
    const readme = readFileSync(file, 'utf8');
    const written = withTranscript(readme, transcript);
    writeFileSync(file, written);
    process.stdout.write(written === readme ? 'README.md says so already.\n' : 'Written into README.md.\n');
  }
} finally {
  spawnSync('tmux', ['-S', socket, 'kill-server']);
  rmSync(stage.home, { recursive: true, force: true, maxRetries: 5 });
}
