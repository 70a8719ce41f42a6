/**
 * `mstone init`: a first configuration and a first milestone, from what is there. On a terminal it asks;
 * nothing is made or written before the last answer, and nothing is overwritten unasked.
 */
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Discovery, discover, type FirstSettings, firstConfig, TELLING } from '../config/discover.js';
import { openRepository } from '../git/index.js';
import { makeGit, need } from '../git/plumbing.js';
import { firstMilestone, takenIds } from '../milestone/draft.js';
import { INSTALL_LINE } from '../model/known-agents.js';
import { CONFIG_FILE } from '../model/layout.js';
import { shown } from '../model/shown.js';
import { secretsIn } from './choose.js';
import { say, sayDiagnostics, sayError } from './output.js';
import { agentLabel, type InstalledAgent, installedAgents } from './programs.js';
import { absent, readLayout } from './project.js';
import { askSettings, canAsk } from './questions.js';
import type { World } from './world.js';

/** Where editors find what may stand in `mstone.yaml`. */
const SCHEMA = './node_modules/mstone/docs/schemas/mstone.schema.json';

export interface InitOptions {
  readonly yes?: true;
  readonly force?: true;
}

export async function init(world: World, options: InitOptions): Promise<number> {
  const opened = await openRepository(world.cwd, world.env);
  const isNew = !opened.ok && opened.error.every(({ code }) => code === 'not-a-repository');
  if (!opened.ok && !isNew) return sayDiagnostics(world, opened.error);
  const root = opened.ok ? opened.value.root : world.cwd;
  const isEmpty = (await readdir(root)).length === 0;
  const asks = options.yes !== true && canAsk(world);
  if (isNew && !isEmpty && !asks && options.yes !== true) {
    return sayError(
      world,
      'not-a-repository',
      `${world.cwd} is not in a git repository, and not empty`,
      'git init, or let mstone do it: mstone init --yes',
    );
  }

  // A configuration that is there, the user's own file or the environment may name another folder.
  const layout = await readLayout(world, root);
  const milestones = join(root, layout.milestones);
  const names = await readdir(milestones).catch(absent([] as string[]));
  const force = options.force === true;
  const first = `${layout.milestones}/1A.md`;
  const writesConfig = force || !(await isThere(join(root, CONFIG_FILE)));
  // Beside milestones of somebody else's a first one would only be in the way.
  const writesFirst = takenIds(names).size === 0 || (force && names.includes('1A.md'));

  const found = await look(world, root);
  const installed = await installedAgents(world);
  let settings = defaultsOf(found, installed);
  const asked = asks && writesConfig;
  if (asked) {
    const answers = await askSettings(world, {
      found,
      installed,
      ...(isNew && !isEmpty ? { newRepository: root } : {}),
    });
    if (answers === undefined) {
      world.stderr.write('Cancelled: nothing was written.\n');
      return 130;
    }
    settings = answers;
  }

  if (isNew) {
    await need(makeGit(world.env), { args: ['init', '--quiet'], cwd: root });
    say(world, `Made a git repository in ${root}.`);
  }
  // Whoever was asked has seen it, and may have answered otherwise.
  if (!asked) for (const sentence of found.found) say(world, `Found ${sentence}`);
  if (!asked && installed.length > 0) say(world, `Installed: ${installed.map(agentLabel).join(', ')}`);
  if (writesConfig) await write(join(root, CONFIG_FILE), firstConfig(settings, SCHEMA), force);
  say(world, sentenceOf(CONFIG_FILE, writesConfig));
  if (writesFirst) {
    await mkdir(milestones, { recursive: true });
    await write(
      join(root, first),
      firstMilestone({ recipe: settings.agent === 'recipe', review: settings.review !== false }),
      force,
    );
    say(world, sentenceOf(first, true));
  } else say(world, `${layout.milestones}/ has milestones already; left as they are.`);

  // What is said of a configuration that was left alone would be about another one.
  if (writesConfig) say(world, choiceWords(settings, installed));
  say(
    world,
    writesConfig || writesFirst
      ? 'Next: mstone validate'
      : 'Next: mstone plan (mstone init --force writes them anew)',
  );
  return 0;
}

const isThere = (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  );

const sentenceOf = (file: string, written: boolean): string =>
  written ? `Wrote ${file}.` : `${file} is there already; left as it is.`;

/** What came there in the meantime stays unless forced: then this throws. */
const write = (file: string, text: string, force: boolean): Promise<void> =>
  writeFile(file, text, { flag: force ? 'w' : 'wx' });

/** The first agent that is installed, with a review; where there is none, recipes without. */
function defaultsOf(
  { checks, setup, copy, keep }: Discovery,
  [first]: readonly InstalledAgent[],
): FirstSettings {
  return {
    agent: first?.name ?? 'recipe',
    review: first !== undefined,
    checks: checks.map(({ command }) => command),
    setup,
    copy,
    keep,
  };
}

function choiceWords(settings: FirstSettings, installed: readonly InstalledAgent[]): string {
  const { agent, command, review, checks, setup, copy } = settings;
  const or = (list: readonly string[]): string =>
    list.length === 0 ? 'none' : list.map((one) => shown(one)).join(', ');
  const known = installed.find(({ name }) => name === agent);
  const who =
    command !== undefined
      ? shown(command.join(' '))
      : known !== undefined
        ? agentLabel(known)
        : "recipe: each milestone's own script, until you name an agent in mstone.yaml";
  return [
    '',
    `Agent: ${who}`,
    ...(installed.length === 0 && command === undefined ? [`To have one: ${INSTALL_LINE}`] : []),
    `Checks: ${or(checks)}`,
    `Review: ${review === false ? (agent === 'recipe' ? 'off, until an agent is named' : 'off') : agent === 'recipe' ? "on, by each milestone's own `## Review`" : `on, by a fresh ${agent === 'mine' ? 'agent' : agent}`}`,
    `Setup of a worktree: ${or([...setup, ...copy.map((file) => `copy ${file}`)])}`,
    '',
  ].join('\n');
}

async function look(world: World, root: string): Promise<Discovery> {
  const names = new Set(await readdir(root));
  const texts = new Map<string, string>();
  for (const name of TELLING) {
    const text = await readFile(join(root, name), 'utf8').catch(absent(undefined));
    if (text !== undefined) texts.set(name, text);
  }
  return discover({ names, texts, secrets: await secretsIn(world, root) });
}
