import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTagged } from '../../src/process/tagged.js';
import { record } from './record.js';
import { isolated, makeRepository, type TestRepository } from './repository.js';

const bin = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'mstone.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once stdout and stderr together contain `text`; rejects when it ends without. */
  said(text: string): Promise<void>;
}

export interface TestProject extends TestRepository {
  readonly env: Record<string, string>;
  /** Runs mstone to its end. */
  mstone(...args: string[]): Promise<Ended>;
  /** Starts mstone, in the checkout unless `cwd` says otherwise. */
  start(args: readonly string[], cwd?: string): Running;
  /** `milestones/<id>.md` of a recipe; commit it yourself. */
  milestone(id: string, recipe: RecipeText): void;
  /** The subjects on the target, first parents, oldest first. */
  landed(branch?: string): string[];
  /** Files of a branch's head with their contents, TASKS.md and milestones aside. */
  tree(branch?: string): Record<string, string>;
  /** Lock files, tagged processes and worktrees outside the pool that a finished mstone left. */
  leftovers(): Promise<string[]>;
  /** Names of assignments that were started, over all runs. */
  starts(): string[];
  /** Events of the newest run's journal. */
  journal(): Record<string, unknown>[];
}

export interface RecipeText {
  readonly title?: string;
  readonly front?: string;
  readonly criteria?: readonly string[];
  readonly implement?: string;
  readonly review?: string;
  readonly remediate?: string;
  readonly resolve?: string;
}

/** A review that approves, answering the criteria that the milestone states. */
export function approve(criteria: readonly string[] = []): string {
  const verdict = {
    mstone: 'verdict',
    verdict: 'approve',
    criteria: criteria.map((text) => ({ text, met: true, evidence: 'seen' })),
    findings: [],
    // Counts where the review before has refused as below.
    answers: [{ id: 'F1', answer: 'fixed' }],
  };
  return `echo '${JSON.stringify(verdict)}'`;
}

/** A review that refuses, for one finding that cites a rule which every reviewer is told. */
export function refuse(problem: string): string {
  const verdict = {
    mstone: 'verdict',
    verdict: 'request_changes',
    criteria: [],
    findings: [{ id: 'F1', severity: 'major', cites: 'plain correctness', problem }],
  };
  return `echo '${JSON.stringify(verdict)}'`;
}

/**
 * A PATH on which only those known agents are that are given, each a script: whatever is installed on the machine
 * must not be found, let alone started.
 */
export function pathWith(folder: string, agents: Readonly<Record<string, string>> = {}): string {
  mkdirSync(folder, { recursive: true });
  const node = join(folder, 'node');
  if (!existsSync(node)) symlinkSync(process.execPath, node);
  for (const [name, script] of Object.entries(agents)) {
    writeFileSync(join(folder, name), script, { mode: 0o755 });
  }
  return [folder, '/usr/bin', '/bin'].join(delimiter);
}

/** A committed repository with recipes as agents; no pauses, no account, nothing of the developer's. */
export function makeProject(config = 'agent: recipe\nreviewer: recipe\n', name?: string): TestProject {
  const repository = makeRepository(name);
  const home = dirname(repository.root);
  const env: Record<string, string> = {
    ...isolated,
    HOME: home,
    XDG_STATE_HOME: join(home, 'state'),
    XDG_CONFIG_HOME: join(home, 'config'),
    TMPDIR: process.env.TMPDIR ?? '/tmp',
    MSTONE_DEMO_PAUSE: '0',
    // How many agents run at once must not hang on what else this machine does.
    MSTONE_PRESSURE: 'false',
    NO_COLOR: '1',
    CI: '1',
  };
  if (config !== '') repository.write('mstone.yaml', config);
  const stateDir = join(repository.root, '.git', 'mstone');

  const start = (args: readonly string[], cwd = repository.root): Running => {
    const child = spawn(process.execPath, [bin, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    const listeners = new Set<() => void>();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      for (const listener of listeners) listener();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      for (const listener of listeners) listener();
    });
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        record({ args, cwd, env, code, stdout, stderr });
        resolve({ code, stdout, stderr });
      });
    });
    const said = (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!`${stdout}${stderr}`.includes(text)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
        void ended.then((end) =>
          reject(new Error(`ended without ${JSON.stringify(text)}: ${JSON.stringify(end)}`)),
        );
      });
    return { child, ended, said };
  };

  const runs = (): string[] => {
    const folder = join(stateDir, 'runs');
    return existsSync(folder) ? readdirSync(folder).sort() : [];
  };

  return {
    ...repository,
    env,
    start,
    mstone: (...args) => start(args).ended,
    milestone(id, recipe) {
      const block = (heading: string, script: string | undefined): string =>
        script === undefined ? '' : `\n## ${heading}\n\n\`\`\`sh\n${script}\n\`\`\`\n`;
      const criteria = (recipe.criteria ?? []).map((text) => `- ${text}\n`).join('');
      repository.write(
        `milestones/${id}.md`,
        `${recipe.front === undefined ? '' : `---\n${recipe.front}\n---\n`}# Milestone ${id} - ${recipe.title ?? `Part ${id}`}\n${
          criteria === '' ? '' : `\n## Exit Criteria\n\n${criteria}`
        }${block('Recipe', recipe.implement)}${block('Review', recipe.review ?? approve(recipe.criteria))}${block(
          'Remediation',
          recipe.remediate,
        )}${block('Resolve', recipe.resolve)}`,
      );
    },
    landed: (branch = 'main') =>
      repository.git('log', '--first-parent', '--reverse', '--format=%s', branch).split('\n'),
    tree(branch = 'main') {
      const files: Record<string, string> = {};
      for (const path of repository.git('ls-tree', '-r', '-z', '--name-only', branch).split('\0')) {
        if (path === '' || path === 'TASKS.md' || path === 'mstone.yaml' || path.startsWith('milestones/'))
          continue;
        files[path] = repository.git('show', `${branch}:${path}`);
      }
      return files;
    },
    async leftovers() {
      const left: string[] = [];
      for (const name of existsSync(stateDir) ? readdirSync(stateDir) : []) {
        if (name.startsWith('lock') || name === 'landing.json') left.push(name);
      }
      for (const run of runs()) {
        for (const tag of [`${run}.git`, ...intents(stateDir, run).map((id) => `${run}.${id}`)]) {
          for (const pid of await findTagged(tag)) left.push(`process ${pid} of ${tag}`);
        }
      }
      return left;
    },
    starts: () =>
      runs().flatMap((run) => {
        const folder = join(stateDir, 'runs', run, 'assignments');
        // Killed before it was made.
        return (existsSync(folder) ? readdirSync(folder) : [])
          .filter((name) => existsSync(join(folder, name, 'start')))
          .sort();
      }),
    journal() {
      const run = runs().at(-1) ?? '';
      return readFileSync(join(stateDir, 'runs', run, 'journal.ndjson'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

function intents(stateDir: string, run: string): string[] {
  const file = join(stateDir, 'runs', run, 'journal.ndjson');
  if (!existsSync(file)) return [];
  return [
    ...new Set([...readFileSync(file, 'utf8').matchAll(/"id":"(i\d+)"/g)].map((match) => match[1] ?? '')),
  ];
}
