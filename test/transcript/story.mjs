/**
 * The transcript in the README: what is typed, the stage that it is played on, and what is made of what came out.
 * `record.mjs` plays it in tmux and writes it down; a test plays it through a pipe and compares.
 *
 * An agent's work is a command that waits until it is let go, so that nothing hangs on time. Everything that
 * changes from one performance to the next has a stand-in.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What is typed. `interrupt`: Ctrl-C once this milestone's agent is at work, which is let go when `after` is printed. */
export const STORY = [
  { type: 'mstone init --yes' },
  { type: "mstone new 1B --title 'Goodbye'" },
  { type: 'edit milestones/1B.md' },
  { type: 'cat milestones/1B.md' },
  { type: `echo 'chekcs: ["test -s hello.txt"]' >> mstone.yaml` },
  { type: 'mstone valdate' },
  { type: 'mstone validate' },
  { type: 'edit milestones/1B.md; edit mstone.yaml' },
  { type: 'mstone validate' },
  { type: 'mstone plan' },
  { type: 'mstone run --commit', interrupt: { milestone: '1B', after: 'nothing new starts' } },
  { type: 'echo $?' },
  { type: 'mstone status' },
  { type: 'mstone resume' },
  { type: 'mstone status' },
  { type: 'mstone explain 1B' },
  { type: 'cat hello.txt goodbye.txt' },
];

/** What the author of 1B writes, with a slip in the front matter. */
const DRAFT = `---
depend_on: [1A]
---
# Milestone 1B - Goodbye

## Tasks

- Write \`goodbye.txt\`, the answer to \`hello.txt\`

## Exit Criteria

- [ ] \`goodbye.txt\` says goodbye

## Recipe

\`\`\`sh
work
sed 's/hello/goodbye/' hello.txt > goodbye.txt
\`\`\`
`;

/** Programs of the stage. `edit` puts the draft in place, or mends what is misspelt in it. */
const PROGRAMS = {
  mstone: `exec '${process.execPath}' '${join(root, 'bin', 'mstone.js')}' "$@"`,
  edit: `draft="$HOME/drafts/$(basename "$1")"
if test -e "$draft"; then mv "$draft" "$1"; exit; fi
sed 's/chekcs/checks/; s/depend_on/depends_on/' "$1" > "$HOME/edited" && mv "$HOME/edited" "$1"`,
  work: `: > "$HOME/at-work-$MSTONE_MILESTONE"
until test -e "$HOME/go-$MSTONE_MILESTONE"; do sleep 0.05; done`,
};

/** An empty folder in a home of its own, on a machine without agents. Nothing of the user's reaches it. */
export function makeStage() {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'mstone-transcript-')));
  const bin = join(home, 'bin');
  const cwd = join(home, 'hello');
  for (const folder of [bin, cwd, join(home, 'drafts')]) mkdirSync(folder);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const [name, script] of Object.entries(PROGRAMS)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  writeFileSync(join(home, 'drafts', '1B.md'), DRAFT);
  writeFileSync(
    join(home, 'gitconfig'),
    '[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n',
  );
  const env = {
    PATH: `${bin}:/usr/bin:/bin`,
    HOME: home,
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    TMPDIR: tmpdir(),
    XDG_STATE_HOME: join(home, 'state'),
    XDG_CONFIG_HOME: join(home, 'config'),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: join(home, 'gitconfig'),
    // As lines, which is how a pipe has it: the live screen cannot be printed.
    MSTONE_OUTPUT: 'plain',
    NO_COLOR: '1',
  };
  return {
    home,
    cwd,
    env,
    isAtWork: (milestone) => existsSync(join(home, `at-work-${milestone}`)),
    letGo: (milestone) => writeFileSync(join(home, `go-${milestone}`), ''),
  };
}

/** What a performance printed, less what no two performances have in common. */
export function normal(text, home) {
  const hashes = new Map();
  const runs = new Map();
  const standIn = (map, word, make) => {
    if (!map.has(word)) map.set(word, make(map.size));
    return map.get(word);
  };
  return `${text
    .replaceAll('\r', '')
    .replaceAll(home, '~')
    // The terminal writes it where the cursor is, a pipe does not at all.
    .replace(/^\^C\n*/gm, '^C\n')
    .replace(/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, (run) =>
      standIn(runs, run, (n) => `01M7WP94W4WAAF1MF1CMDXS06${'RSTVWXYZ'[n]}`),
    )
    .replace(/\b[0-9a-f]{7}\b/g, (hash) =>
      standIn(hashes, hash, (n) => ['41aa0c2', 'd36e1d9', '9f0b7c5'][n] ?? hash),
    )
    .replace(/\b\d{4}-\d\d-\d\d\b/g, '2026-11-20')
    .replace(/\b\d\d:\d\d(:\d\d)?\b/g, (_time, seconds) => (seconds === undefined ? '14:38' : '14:38:00'))
    .replace(/(?<![\w.])(?:\d+m \d\ds|\d+(?:\.\d+)?s)\b/g, '1s')
    .replace(/[ \t]+$/gm, '')
    .trimEnd()}\n`;
}

const MARKERS = ['<!-- transcript: npm run transcript -->', '<!-- /transcript -->'];

/** A README's transcript; undefined where it has no place for one. */
export function transcriptIn(readme) {
  const [, rest] = readme.split(`${MARKERS[0]}\n`);
  return rest?.split(`${MARKERS[1]}\n`)[0]?.match(/````\n([\s\S]*?)````\n/)?.[1];
}

/** A README with this transcript in the place of the one that it has. */
export function withTranscript(readme, transcript) {
  const old = transcriptIn(readme);
  if (old === undefined) throw new Error(`README.md has no place between ${MARKERS.join(' and ')}`);
  return readme.replace(`\`\`\`\`\n${old}\`\`\`\`\n`, () => `\`\`\`\`\n${transcript}\`\`\`\`\n`);
}
