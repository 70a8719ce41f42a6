/** `mstone demo`: the pipeline under `milestones/` built from an empty repository, live, with no account. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeGit, need } from '../git/plumbing.js';
import { CONFIG_FILE, DEFAULT_LAYOUT } from '../model/layout.js';
import { runProcess } from '../process/index.js';
import { besideEvents, type OutputForm, say, sayError } from './output.js';
import { absent } from './project.js';
import { run } from './run.js';
import type { World } from './world.js';

/** The demo is laid out as any project that says nothing about it. */
const { milestones, tasks } = DEFAULT_LAYOUT;

/** What the finished program is shown with. */
const SHOW = ['node', 'bin/tally.mjs', 'chart', 'examples/planets.csv', 'radius_km'];

export interface DemoOptions {
  readonly dir?: string;
  /** Two milestones that show how reviews come to an end, in place of the pipeline. */
  readonly review?: true;
  readonly output: OutputForm;
}

/**
 * The demo's pipeline is `milestones/`, unless that is needed for work on mstone itself: then it has been
 * moved to `templates/demo/`.
 */
export function demoMilestones(home: string): string {
  const aside = join(home, 'templates', 'demo');
  return existsSync(aside) ? aside : join(home, milestones);
}

export async function demo(
  terminal: World & { readonly color: boolean },
  options: DemoOptions,
): Promise<number> {
  const world = besideEvents(terminal, options.output);
  const dir =
    options.dir === undefined
      ? await mkdtemp(join(tmpdir(), 'mstone-demo-'))
      : resolve(world.cwd, options.dir);
  const there = await readdir(dir).catch(absent([] as string[]));
  if (there.length > 0) {
    return sayError(
      world,
      'folder-not-empty',
      `${dir} is not empty`,
      'name a folder that is not there yet: mstone demo --dir NEW',
    );
  }

  const project = join(dir, 'project');
  await mkdir(join(project, milestones), { recursive: true });
  const pipeline =
    options.review === true ? join(world.home, 'templates', 'demo-review') : demoMilestones(world.home);
  const samples = (await readdir(pipeline)).filter((name) => name.endsWith('.md'));
  for (const name of samples) await cp(join(pipeline, name), join(project, milestones, name));
  if (options.review === true) {
    await writeFile(join(project, CONFIG_FILE), 'agent: recipe\nreviewer: recipe\njobs: 1\n');
  } else await cp(join(world.home, 'templates', 'demo.yaml'), join(project, CONFIG_FILE));

  // The demo leaves nothing behind but its folder: its slots lie in it, and the user's git is not asked.
  const env = {
    ...world.env,
    XDG_STATE_HOME: join(dir, 'state'),
    GIT_AUTHOR_NAME: undefined,
    GIT_CONFIG_GLOBAL: join(dir, 'gitconfig'),
    GIT_CONFIG_NOSYSTEM: '1',
  };
  await writeFile(
    join(dir, 'gitconfig'),
    '[user]\n\tname = mstone demo\n\temail = demo@localhost\n[init]\n\tdefaultBranch = main\n',
  );
  const git = makeGit(env);
  await need(git, { args: ['init', '--quiet', '--initial-branch=main', project], cwd: dir });

  say(world, `An empty repository with ${samples.length} milestones: ${project}\n`);
  const inside = { ...terminal, cwd: project, env };
  const exit = await run(inside, { commit: true, output: options.output });
  if (options.review === true) return seenReviews(world, { project, exit });
  if (exit !== 0) return exit;

  const finished = await runProcess({
    command: process.execPath,
    args: SHOW.slice(1),
    cwd: project,
    env: { PATH: world.env.PATH ?? '' },
    timeoutMs: 20_000,
  });
  const printed = finished.kind === 'exited' ? finished.stdout.toString('utf8') : `${finished.kind}\n`;
  const graph = await need(git, {
    args: ['log', '--graph', '--oneline', '--decorate', '-n', '40'],
    cwd: project,
  });

  say(world, `\nThe finished program, at work:\n\n$ ${SHOW.join(' ')}\n${printed}\n`);
  say(world, `${tasks}:\n\n${await readFile(join(project, tasks), 'utf8')}\n`);
  say(world, `The commits:\n\n${graph}\n`);
  say(
    world,
    `Look around: cd ${project} && git log --stat\nNext: write your own milestones/1A.md, then mstone plan`,
  );
  return finished.kind === 'exited' && finished.code === 0 ? 0 : 1;
}

/** What was to be seen: a second round that converged, and a review that was stopped, which needs a person. */
function seenReviews(
  world: World,
  { project, exit }: { readonly project: string; readonly exit: number },
): number {
  if (exit !== 3) return exit === 0 ? 1 : exit;
  say(
    world,
    [
      '',
      'What you saw:',
      '',
      '1A  The first review held one finding against it. The author mended it, and the second review,',
      '    which saw its own finding and what had changed since, answered it as fixed and approved.',
      '1B  The reviewer wanted the other color each time. When the author came back to the files that had',
      '    been refused before, nobody was asked again: the milestone waits for you, and the run ended',
      '    with exit 3. `mstone retry 1B` goes on, best after a word in its text or in AGENTS.md.',
      '',
      `Look around: cd ${project} && mstone report`,
    ].join('\n'),
  );
  return 0;
}
