/** What `mstone init` asks on a terminal. The only door to clack, which is loaded when there is something to ask. */
import type { Discovery, FirstSettings } from '../config/discover.js';
import { INSTALL_LINE } from '../model/known-agents.js';
import { shown } from '../model/shown.js';
import { agentLabel, type InstalledAgent } from './programs.js';
import type { World } from './world.js';

/** What there is to choose from, and what holds where nothing is answered. */
export interface Offer {
  readonly installed: readonly InstalledAgent[];
  readonly found: Discovery;
  /** The folder, where a git repository is to be made in it though it is not empty. */
  readonly newRepository?: string;
}

/** Whether somebody is there to answer. */
export const canAsk = ({ stdin, stdout, env }: World): boolean =>
  stdin().isTTY === true && stdout.isTTY === true && !env.CI && env.TERM !== 'dumb';

/** A program of the user's own: asked for, not found. */
const OTHER = ' other';

/** The answers; undefined once somebody has pressed Ctrl-C or Esc. */
export async function askSettings(world: World, offer: Offer): Promise<FirstSettings | undefined> {
  const clack = await import('@clack/prompts');
  const { installed, found } = offer;
  const gone = new AbortController();
  const onEnd = (): void => gone.abort();
  const stdin = world.stdin();
  stdin.once('end', onEnd);
  const on = { input: stdin, output: world.stdout, signal: gone.signal };
  /** Undefined: cancelled, and so is all that follows. */
  const answer = <T>(value: T): Exclude<T, symbol> | undefined =>
    clack.isCancel(value) ? undefined : (value as Exclude<T, symbol>);

  try {
    clack.intro('A first mstone.yaml and a first milestone', on);
    if (offer.newRepository !== undefined) {
      const message = `${shown(offer.newRepository, 200)} is in no git repository. Make one here?`;
      const wanted = answer(await clack.confirm({ ...on, message, initialValue: true }));
      if (wanted !== true) return undefined;
    }
    if (installed.length === 0) {
      clack.log.info(`No coding agent was found on the PATH. To have one: ${INSTALL_LINE}`, on);
    }

    const agent = answer(
      await clack.select({
        ...on,
        message: 'Who implements?',
        options: [
          ...installed.map((one) => ({ value: one.name, label: agentLabel(one) })),
          { value: 'recipe', label: 'recipes: a shell script in each milestone, no account needed' },
          { value: OTHER, label: 'another program that reads a prompt on stdin' },
        ],
        initialValue: installed[0]?.name ?? 'recipe',
      }),
    );
    if (agent === undefined) return undefined;
    let command: readonly string[] | undefined;
    if (agent === OTHER) {
      const line = answer(
        await clack.text({
          ...on,
          message: 'Its command line?',
          placeholder: 'node tools/agent.mjs',
          validate: (text) => (wordsOf(text ?? '').length === 0 ? 'A program is needed' : undefined),
        }),
      );
      if (line === undefined) return undefined;
      command = wordsOf(line);
    }

    const checks = answer(await askChecks(clack, on, found));
    if (checks === undefined) return undefined;

    const reviewed = answer(
      await clack.confirm({
        ...on,
        message:
          agent === 'recipe'
            ? 'Have each change reviewed by the `## Review` script of its milestone?'
            : 'Have each change reviewed by a fresh agent?',
        initialValue: agent !== 'recipe',
      }),
    );
    if (reviewed === undefined) return undefined;

    const needs = answer(await askNeeds(clack, on, found));
    if (needs === undefined) return undefined;

    const jobs = answer(
      await clack.text({
        ...on,
        message: 'How many agents at once?',
        initialValue: '4',
        validate: (text) =>
          /^(?:[1-9]\d{0,2}%?)$/.test((text ?? '').trim())
            ? undefined
            : 'A number such as 4, or a share of the cores such as 50%',
      }),
    );
    if (jobs === undefined) return undefined;
    clack.outro('That is all', on);
    const at = jobs.trim();
    return {
      agent: command === undefined ? agent : 'mine',
      ...(command === undefined ? {} : { command }),
      review: reviewed,
      checks,
      ...needs,
      ...(at === '4' ? {} : { jobs: at.endsWith('%') ? at : Number(at) }),
    };
  } finally {
    stdin.off('end', onEnd);
    // A terminal that is still read would keep the process alive.
    stdin.pause();
  }
}

type Clack = typeof import('@clack/prompts');
interface On {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

async function askChecks(clack: Clack, on: On, found: Discovery): Promise<readonly string[] | symbol> {
  const ask = (message: string): Promise<string | symbol> =>
    clack.text({ ...on, message, placeholder: 'npm test (nothing: none)', defaultValue: '' });
  const listOf = (line: string | symbol): string[] | symbol =>
    typeof line === 'symbol' ? line : line.trim() === '' ? [] : [line.trim()];
  if (found.checks.length === 0) return listOf(await ask('What must pass before a milestone lands?'));
  const picked = await clack.multiselect({
    ...on,
    message: 'What must pass before a milestone lands?',
    options: [
      ...found.checks.map(({ command, from }) => ({ value: command, label: `${command}, from ${from}` })),
      { value: OTHER, label: 'another command' },
    ],
    initialValues: found.checks.map(({ command }) => command),
    required: false,
  });
  if (clack.isCancel(picked) || !picked.includes(OTHER)) return picked;
  const more = listOf(await ask('Which command?'));
  return typeof more === 'symbol' ? more : [...picked.filter((one) => one !== OTHER), ...more];
}

type Needs = Pick<FirstSettings, 'setup' | 'copy' | 'keep'>;

async function askNeeds(clack: Clack, on: On, { setup, copy, keep }: Discovery): Promise<Needs | symbol> {
  const options = [
    ...setup.map((command) => ({ value: `setup ${command}`, label: `${command}: run in a fresh one` })),
    ...copy.map((file) => ({
      value: `copy ${file}`,
      label: `${file}: copied from your checkout, agents can read it`,
    })),
    ...keep.map((folder) => ({ value: `keep ${folder}`, label: `${folder}: stays when one is cleaned` })),
  ];
  if (options.length === 0) return { setup: [], copy: [], keep: [] };
  const picked = await clack.multiselect({
    ...on,
    message: 'What do the worktrees need that agents work in?',
    options,
    initialValues: options.map(({ value }) => value),
    required: false,
  });
  if (clack.isCancel(picked)) return picked;
  const of = (word: string, all: readonly string[]): string[] =>
    all.filter((one) => picked.includes(`${word} ${one}`));
  return { setup: of('setup', setup), copy: of('copy', copy), keep: of('keep', keep) };
}

/** A command line's words: blanks part them, quotes hold them together. Nothing is expanded. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'),
  );
