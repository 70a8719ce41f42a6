/** `mstone init`: a first configuration and a first milestone, from what is there. Nothing is overwritten unasked. */
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import {
  AGENT_COMMANDS,
  type Discovery,
  discover,
  firstConfig,
  SECRETS,
  TELLING,
} from '../config/discover.js';
import { openRepository } from '../git/index.js';
import { type Git, makeGit, need } from '../git/plumbing.js';
import { draftText, takenIds } from '../milestone/draft.js';
import { readTemplate } from './new.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { absent, CONFIG, MILESTONES } from './project.js';
import type { World } from './world.js';

/** Where editors find what may stand in `mstone.yaml`. */
const SCHEMA = './node_modules/mstone/docs/schemas/mstone.schema.json';

export interface InitOptions {
  readonly yes?: true;
  readonly force?: true;
}

export async function init(world: World, options: InitOptions): Promise<number> {
  const git = makeGit(world.env);
  let opened = await openRepository(world.cwd, world.env);
  if (!opened.ok && opened.error.every(({ code }) => code === 'not-a-repository')) {
    const there = await readdir(world.cwd);
    if (there.length > 0 && options.yes !== true) {
      return sayError(
        world,
        'not-a-repository',
        `${world.cwd} is not in a git repository, and not empty`,
        'git init, or let mstone do it: mstone init --yes',
      );
    }
    await need(git, { args: ['init', '--quiet'], cwd: world.cwd });
    say(world, `Made a git repository in ${world.cwd}.`);
    opened = await openRepository(world.cwd, world.env);
  }
  if (!opened.ok) return sayDiagnostics(world, opened.error);
  const { root } = opened.value;

  const found = await look(world, git, root);
  for (const sentence of found.found) say(world, `Found ${sentence}`);
  if (found.agents.length > 0) say(world, `Installed: ${found.agents.join(', ')}`);

  const milestones = join(root, MILESTONES);
  const names = await readdir(milestones).catch(absent([] as string[]));
  const wrote = [await write(join(root, CONFIG), firstConfig(found, SCHEMA), options.force === true)];
  say(world, sentenceOf(CONFIG, wrote[0] === true));
  const first = `${MILESTONES}/1A.md`;
  // Beside milestones of somebody else's a first one would only be in the way.
  if (takenIds(names).size === 0 || (options.force === true && names.includes('1A.md'))) {
    await mkdir(milestones, { recursive: true });
    const text = draftText(await readTemplate(world), {
      id: '1A',
      title: 'Hello',
      recipe: { implement: "echo 'hello from milestone 1A' > hello.txt" },
    });
    wrote.push(await write(join(root, first), text, options.force === true));
    say(world, sentenceOf(first, wrote[1] === true));
  } else say(world, `${MILESTONES}/ has milestones already; left as they are.`);

  say(world, choiceWords(found));
  say(
    world,
    wrote.includes(true)
      ? 'Next: mstone validate'
      : 'Next: mstone plan (mstone init --force writes them anew)',
  );
  return 0;
}

const sentenceOf = (file: string, written: boolean): string =>
  written ? `Wrote ${file}.` : `${file} is there already; left as it is.`;

/** Whether it was written: what is there stays unless forced. */
async function write(file: string, text: string, force: boolean): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: force ? 'w' : 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function choiceWords({ checks, setup, copy }: Discovery): string {
  const or = (list: readonly string[]): string => (list.length === 0 ? 'none' : list.join(', '));
  return [
    '',
    'Agent: recipe, until you name another in mstone.yaml',
    `Checks: ${or(checks)}`,
    'Review: off, until an agent is named',
    `Setup of a worktree: ${or([...setup, ...copy.map((file) => `copy ${file}`)])}`,
    '',
  ].join('\n');
}

async function look(world: World, git: Git, root: string): Promise<Discovery> {
  const names = new Set(await readdir(root));
  const texts = new Map<string, string>();
  for (const name of TELLING) {
    const text = await readFile(join(root, name), 'utf8').catch(absent(undefined));
    if (text !== undefined) texts.set(name, text);
  }
  const secrets: string[] = [];
  for (const name of SECRETS) {
    if (!names.has(name)) continue;
    const tracked = await git({ args: ['ls-files', '--error-unmatch', '--', name], cwd: root });
    if (tracked.code !== 0) secrets.push(name);
  }
  const agents: string[] = [];
  for (const name of AGENT_COMMANDS) if (await isInstalled(name, world.env.PATH)) agents.push(name);
  return discover({ names, texts, secrets, agents });
}

async function isInstalled(name: string, path: string | undefined): Promise<boolean> {
  for (const folder of (path ?? '').split(delimiter)) {
    if (folder === '') continue;
    const there = await access(join(folder, name), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (there) return true;
  }
  return false;
}
