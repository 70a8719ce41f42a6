/** The coding CLIs that were seen working, each at the one version that was seen, and where they lie here. */
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

export interface RealCli {
  /** `claude-2.1.329`. */
  readonly name: string;
  /** On npm. */
  readonly package: string;
  readonly version: string;
  /** What it is called as. */
  readonly program: string;
}

const cli = (program: string, version: string, name: string): RealCli => ({
  name: `${program}-${version}`,
  package: name,
  version,
  program,
});

export const claude = cli('claude', '2.1.329', '@anthropic-ai/claude-code');
export const earlierClaude = cli('claude', '2.1.197', '@anthropic-ai/claude-code');
export const codex = cli('codex', '0.169.0', '@openai/codex');
export const opencode = cli('opencode', '1.18.33', 'opencode-ai');
export const claudeAcp = cli('claude-agent-acp', '0.100.0', '@agentclientprotocol/claude-agent-acp');

export const realClis: readonly RealCli[] = [claude, earlierClaude, codex, opencode, claudeAcp];

export const FOLDER_VARIABLE = 'MSTONE_TEST_AGENTS_DIR';

/** Outside the repository and kept between runs: together they are close to two gigabytes. */
export function installFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const named = environment[FOLDER_VARIABLE];
  return named === undefined || named === '' ? join(tmpdir(), `mstone-test-agents-${userInfo().uid}`) : named;
}

/** What to put before the PATH so that `program` is this very version. */
export const binFolder = ({ name }: RealCli): string => join(installFolder(), name, 'node_modules', '.bin');

/** Whether npm got to the end of it, and of this version. */
export function isInstalled(one: RealCli): boolean {
  const manifest = join(installFolder(), one.name, 'node_modules', one.package, 'package.json');
  if (!existsSync(manifest) || !existsSync(join(binFolder(one), one.program))) return false;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: unknown };
  return version === one.version;
}
