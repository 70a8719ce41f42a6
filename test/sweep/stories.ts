import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { approve, makeProject, refuse, type TestProject } from '../rig/project.js';

/** A small pipeline, deterministic whatever interrupts it. */
export interface Story {
  readonly name: string;
  readonly config: string;
  /** What a person approves once the run has nothing else to do. */
  readonly approve?: string;
  /** `gate` is a folder beside the repository in which recipes leave and await files. */
  milestones(p: TestProject, gate: string): void;
}

const CONFIG = 'agent: recipe\nreviewer: recipe\njobs: 2\nbackoff: 0\n';

const front = (gate: string): string => `env: { GATE: ${JSON.stringify(gate)} }`;
const waitFor = (name: string): string => `until test -e "$GATE/${name}"; do sleep 0.02; done`;

/** A stand-in for GitHub's CLI, with one pull request at most. */
const GH = `#!/bin/sh
case "$2" in
  list) if test -e "$0.pull"; then echo '[{"number":1,"url":"https://example.org/pull/1"}]'; else echo '[]'; fi ;;
  *) touch "$0.pull"; echo https://example.org/pull/1 ;;
esac
`;

function withGitHub(p: TestProject, gate: string): void {
  writeFileSync(join(gate, 'gh'), GH, { mode: 0o755 });
  p.env.PATH = [gate, p.env.PATH].join(delimiter);
}

export const STORIES: readonly Story[] = [
  {
    name: 'a red check, a refused review, two remediations, a gate',
    config: `${CONFIG}checks: ["test ! -e broken"]\nstage_checks: ["test -e fixed"]\n`,
    milestones(p) {
      p.milestone('1A', {
        implement: 'echo a > a; touch broken',
        remediate: 'if test -e broken; then rm broken; else touch fixed; fi',
        review: `if test -e fixed; then ${approve()}; else ${refuse('a is not enough')}; fi`,
      });
    },
  },
  {
    name: 'a conflict of two that began on one head',
    config: CONFIG,
    milestones(p, gate) {
      const resolve = 'printf "one\\ntwo\\n" > shared';
      p.milestone('1A', {
        front: front(gate),
        implement: `touch "$GATE/1A"; ${waitFor('1B')}; echo one > shared`,
        resolve,
      });
      p.milestone('1B', {
        front: front(gate),
        implement: `touch "$GATE/1B"; ${waitFor('1A')}; echo two > shared`,
        resolve,
      });
    },
  },
  {
    name: 'a usage limit, then a second stage, landed at the end',
    config: `${CONFIG}land: end\n`,
    milestones(p, gate) {
      const limited = `node -e "console.log(JSON.stringify({mstone:'limited',reset_at:new Date(Date.now()+200).toISOString()}))"`;
      p.milestone('1A', {
        front: front(gate),
        implement: `if ! test -e "$GATE/limited"; then touch "$GATE/limited"; ${limited}; exit 75; fi; echo a > a`,
      });
      p.milestone('2A', { implement: 'cat a a > b' });
    },
  },
  {
    name: 'two reviewers, a person’s approval, a pull request',
    config:
      'agents: { other: { kind: recipe } }\nagent: recipe\nreviewers: [recipe, other]\napproval: merge\njobs: 1\nland: pr\npr: { remote: backup }\n',
    approve: '1A',
    milestones(p, gate) {
      withGitHub(p, gate);
      const bare = join(gate, 'backup.git');
      execFileSync('git', ['init', '-q', '--bare', bare]);
      p.git('remote', 'add', 'backup', bare);
      p.milestone('1A', { implement: 'echo a > a', review: approve() });
    },
  },
];

/** A story's repository, its milestones committed. */
export function projectOf({ config, milestones }: Story): TestProject {
  const p = makeProject(config, 'swept');
  const gate = join(dirname(p.root), 'gate');
  mkdirSync(gate);
  milestones(p, gate);
  p.commit('Milestones');
  return p;
}
