/** A scratch repository whose agent is a real CLI that talks to a scripted model and to nobody else. */
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findTagged } from '../../src/process/tagged.js';
import type { Script } from '../rig/model-answers.js';
import { type ModelServer, type Recorded, startModelServer } from '../rig/model-server.js';
import { makeProject, type TestProject } from '../rig/project.js';
import { binFolder, earlierClaude, type RealCli } from './clis.js';

/** Opens nothing anywhere. */
export const KEY = 'sk-dummy-of-a-test';
const OAUTH_TOKEN = 'sk-ant-oat01-dummy-of-a-test';

export interface Workshop extends TestProject {
  readonly server: ModelServer;
  /** Where the CLI keeps its conversations. */
  readonly home: string;
  /** `milestones/<id>.md` that asks for a file; commit it yourself. */
  readonly ask: (id: string, file: string, front?: string) => void;
  /** Of `mstone status --json`. */
  readonly milestones: () => Promise<readonly Milestone[]>;
  /** Files of mstone's own, outside the repository's objects, in which a text stands. */
  readonly told: (text: string) => string[];
  /** Kills all that mstone has started and is still alive, as a power cut does. */
  readonly cutPower: () => Promise<void>;
  readonly dispose: () => Promise<void>;
}

export interface Milestone {
  readonly id: string;
  readonly phase: string;
  readonly attempts: number;
}

export interface WorkshopOptions {
  /** Further lines of mstone.yaml. */
  readonly config?: string;
  /** Pay by subscription: only then does Claude Code tell of its limits. */
  readonly subscription?: boolean;
  readonly deadKeys?: Set<string>;
  /** Keys in the user's own file, by name, in the order in which they are used; the agent has none of its own then. */
  readonly credentials?: Readonly<Record<string, string>>;
}

/** The one criterion of every milestone here. */
export const CRITERION = 'The file holds what the title says.';

export async function openWorkshop(
  cli: RealCli,
  script: Script,
  { config = '', subscription = false, deadKeys, credentials }: WorkshopOptions = {},
): Promise<Workshop> {
  const server = await startModelServer(script, deadKeys === undefined ? {} : { deadKeys });
  const project = makeProject(`${agentFor(cli, server.url, subscription)}${config}`);
  const home = dirname(project.root);
  if (credentials !== undefined) {
    const variable = cli.program === 'claude' ? 'ANTHROPIC_API_KEY' : 'OPENAI_API_KEY';
    const list = Object.entries(credentials).map(([name, key]) => ({ name, env: { [variable]: key } }));
    place(join(home, 'config', 'mstone', 'api-keys.json'), JSON.stringify(list));
    chmodSync(join(home, 'config', 'mstone', 'api-keys.json'), 0o600);
    project.env.MSTONE_AUTH = 'keys-only';
  }
  Object.assign(project.env, {
    PATH: `${binFolder(cli)}:${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
    // Whoever wants to go elsewhere comes to us, is refused and named.
    HTTPS_PROXY: server.url,
    HTTP_PROXY: server.url,
    NO_PROXY: '127.0.0.1,localhost',
  });
  // Codex shuts nothing in where its own folder lies under the temporary one, as our home does.
  project.env.TMPDIR = join(home, 'tmp');
  mkdirSync(project.env.TMPDIR, { recursive: true });
  place(join(home, '.codex', 'config.toml'), codexConfig(server.url));
  place(join(home, 'config', 'opencode', 'opencode.json'), opencodeConfig(server.url));

  const killTagged = async (tag: string): Promise<void> => {
    for (const pid of await findTagged(tag)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        // It went by itself.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  };

  return {
    ...project,
    server,
    home,
    ask(id, file, front = '') {
      project.write(
        `milestones/${id}.md`,
        `---\nchecks: ["test -s ${file}"]\n${front}---\n# Milestone ${id} - ${file}\n\n## Tasks\n\n- [ ] Write ${file}.\n\n## Exit Criteria\n\n- ${CRITERION}\n`,
      );
    },
    async milestones() {
      const { stdout } = await project.mstone('status', '--json');
      const { milestones } = JSON.parse(stdout) as { milestones: readonly Milestone[] };
      return milestones.map(({ id, phase, attempts }) => ({ id, phase, attempts }));
    },
    told(text) {
      const folders = [join(project.root, '.git', 'mstone'), join(home, 'state', 'mstone')];
      return folders.flatMap((folder) =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .map((name) => join(folder, name))
          .filter((file) => !isCheckedOut(file) && lstatSync(file).isFile())
          .filter((file) => readFileSync(file, 'utf8').includes(text)),
      );
    },
    async cutPower() {
      for (const { id, run } of project.journal()) {
        if (typeof id === 'string') await killTagged(`${String(run)}.${id}`);
      }
    },
    async dispose() {
      await server.close();
      project.remove();
    },
  };
}

/** These worktrees hold mstone.yaml, where the test has put the key. */
const isCheckedOut = (file: string): boolean => file.endsWith('mstone.yaml');

function agentFor(cli: RealCli, url: string, subscription: boolean): string {
  const key = subscription ? `CLAUDE_CODE_OAUTH_TOKEN: ${OAUTH_TOKEN}` : `ANTHROPIC_API_KEY: ${KEY}`;
  const anthropic = `env: { ANTHROPIC_BASE_URL: "${url}", ${key} }`;
  switch (cli.program) {
    case 'claude': {
      // Without a name, 2.1.197 begins with `claude-opus-4-8[1m]` and resumes with `claude-opus-4-8`.
      const model = cli === earlierClaude ? 'model: opus, ' : '';
      return `agent: claude\nagents: { claude: { ${model}${anthropic} } }\n`;
    }
    case 'codex':
      return `agent: codex\nagents: { codex: { env: { OPENAI_API_KEY: ${KEY} } } }\n`;
    case 'opencode':
      return `agent: opencode\nagents: { opencode: { model: anthropic/claude-sonnet-4-5, ${anthropic} } }\n`;
    default: {
      // Else it asks, after each answer, what its user might type next: for the price of the conversation.
      const quiet = anthropic.replace(' }', ', CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION: "false" }');
      return `agent: acp\nagents: { acp: { kind: acp, command: [${cli.program}], ${quiet} } }\n`;
    }
  }
}

const codexConfig = (url: string): string => `model = "gpt-5.1-codex"
model_provider = "scripted"

[model_providers.scripted]
name = "scripted"
base_url = "${url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
`;

const opencodeConfig = (url: string): string =>
  JSON.stringify({
    provider: { anthropic: { options: { baseURL: `${url}/v1` } } },
    autoupdate: false,
    share: 'disabled',
  });

function place(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

export interface Figures {
  readonly requests: number;
  readonly tokens: number;
  /** Tokens that no prompt cache could have served. */
  readonly fresh: number;
}

/** What some requests cost to send. */
export function figuresOf(asked: readonly Recorded[]): Figures {
  return {
    requests: asked.length,
    tokens: asked.reduce((sum, { tokens }) => sum + tokens, 0),
    fresh: asked.reduce((sum, { tokens, cachedTokens }) => sum + tokens - cachedTokens, 0),
  };
}

/** A line for whoever reads the run: the figures of the documentation come from these. */
export function tell(cli: RealCli, what: string, words: string): void {
  process.stdout.write(`  ${cli.name}: ${what}: ${words}\n`);
}
