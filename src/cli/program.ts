/** The commands, their options and their help. What they do is in a file each. */
import { join, resolve } from 'node:path';
import {
  Argument,
  Command,
  CommanderError,
  type CommandUnknownOpts,
  InvalidArgumentError,
  Option,
  type OptionValues,
} from '@commander-js/extra-typings';
import type { Diagnostic } from '../model/diagnostic.js';
import { nearest } from '../model/nearest.js';
import { GROUPINGS } from '../run/costs.js';
import { HELP_COLUMNS } from './help.js';
import { versionOf } from './home.js';
import { sayDiagnostics } from './output.js';
import { readUsage } from './usage.js';
import type { World } from './world.js';

const EXIT_CODES = `
Exit codes:
  0  all done, or up to date           4  another run holds the lock
  1  a milestone failed or was blocked 5  the target fails its own checks
  2  usage, configuration, graph error 75 paused, \`mstone resume\` goes on
  3  needs you                         129, 130, 143  interrupted, resumable
`;

/** Commands whose flags have twins in the environment. */
const TWINNED: ReadonlySet<string> = new Set(
  'run plan resume retry stop logs demo validate config attach'.split(' '),
);

export function makeProgram(world: World, exit: (code: number) => void): Command {
  const refusing =
    (command: Parameters<typeof readUsage>[1]) =>
    (error: CommanderError): never => {
      const said = readUsage(error, command);
      if (said !== undefined) sayDiagnostics(world, [said]);
      throw error;
    };
  const refuse = (diagnostic: Diagnostic): never => {
    sayDiagnostics(world, [diagnostic]);
    throw new CommanderError(2, 'mstone.refused', '');
  };

  const program = new Command('mstone')
    .description(
      'Make for milestones: write them as markdown, get them implemented, reviewed, fixed and merged by coding agents.',
    )
    .usage('[options] [command]')
    .version(versionOf(world), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .option('-C <dir>', 'run as if started in <dir>')
    .option('--config <file>', 'read this in place of mstone.yaml')
    .addOption(new Option('--color <when>', 'colours').choices(['auto', 'always', 'never']).default('auto'))
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(true)
    .exitOverride(refusing({ name: 'mstone', example: 'mstone status' }))
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      getOutHelpWidth: () => Math.min(world.stdout.columns ?? HELP_COLUMNS, HELP_COLUMNS),
      // What is wrong is said once, in the words of all other refusals.
      outputError: () => undefined,
    })
    .addHelpText(
      'after',
      `${EXIT_CODES}\nStart here:\n  mstone demo         watch it work in a scratch repository\n  mstone init         set up this one\n  mstone validate     check your milestones\n  mstone plan         see what would run\n  mstone run          run it`,
    );

  // Each command is loaded when it is typed: help and the version need none.
  program.hook('preAction', async (_program, command) => {
    const { readTwins } = await import('./twins.js');
    readTwins(program as unknown as CommandUnknownOpts, world.env, refuse);
    if (TWINNED.has(command.name())) readTwins(command, world.env, refuse);
  });

  const here = (profile?: string): World & { color: boolean } => {
    const { color } = program.opts();
    const C = program.opts().C ?? (world.env.MSTONE_DIR || undefined);
    const cwd = C === undefined ? world.cwd : join(C.startsWith('/') ? '' : world.cwd, C);
    const file = program.opts().config;
    return {
      ...world,
      cwd,
      ...(file === undefined ? {} : { configFile: resolve(cwd, file) }),
      color: wantsColor(color, world),
      ...(profile === undefined ? {} : { profile }),
    };
  };

  /** Bare `mstone` is status: a bare word never spends money. */
  program
    .argument('[command]')
    .allowExcessArguments(true)
    .action(async (word) => {
      if (word !== undefined)
        program.error(unknownCommand(word, program), { exitCode: 2, code: 'commander.unknownCommand' });
      exit(await (await import('./status.js')).status(here(), { json: false }));
    });

  const command = (name: string, summary: string, example: string): Command =>
    // Options before and after the arguments, and help that ends with something to type.
    program
      .command(name)
      .description(summary)
      .addHelpText('after', `\nExample:\n${example}`)
      .showSuggestionAfterError(true)
      // The program itself takes any word, to say what was meant by it.
      .allowExcessArguments(false)
      .exitOverride(
        refusing({ name: `mstone ${name}`, example: example.trim().split('\n')[0] ?? '' }),
      ) as Command;

  runOptions(
    command(
      'run',
      'Run what is left to do; continues whatever was interrupted.',
      "  mstone run --stage 2 -j 2\n  mstone run 1A '2*'\n  mstone run 3B --with-needs\n  mstone run --deadline 6:30 --max-cost 20",
    ),
  )
    .argument('[ids...]', "only these milestones; patterns such as '2*' in quotes")
    .addOption(new Option('-n, --dry-run', 'show the plan and change nothing'))
    .action(async (ids, { quiet, detach, ...options }) =>
      exit(
        detach
          ? await (await import('./detach.js')).detach(here())
          : await (await import('./run.js')).run(here(), {
              ...options,
              ids,
              ...(quiet ? { output: 'quiet' } : {}),
            }),
      ),
    );

  termOptions(
    command(
      'resume',
      'Continue the last run with its own flags, and those that are given anew.',
      '  mstone resume\n  mstone resume --when-ready\n  mstone resume --max-cost 20 --deadline 6:30',
    ),
  )
    .argument('[run]', 'the id of an unfinished run')
    .option('--when-ready', 'first sleep until what it waits for is over: a usage limit, a day of its budget')
    .action(async (id, { detach, ...options }) =>
      exit(
        detach
          ? await (await import('./detach.js')).detach(here())
          : await (await import('./run.js')).resume(here(), { ...options, run: id }),
      ),
    );

  termOptions(
    command(
      'retry',
      "Forget what milestones' failures used up, and continue.",
      '  mstone retry 1A\n  mstone retry --failed --deadline 8h\n  mstone retry 1A --from check   # the checks were wrong, not the work',
    ),
  )
    .argument('[ids...]', 'the milestones')
    .option('--failed', 'all that failed or need you')
    .addOption(
      new Option('--from <step>', 'go on with the work that the failed attempt left, from here').choices([
        'check',
        'review',
      ] as const),
    )
    .action(async (ids, { detach, ...options }) =>
      exit(
        detach
          ? await (await import('./detach.js')).detach(here())
          : await (await import('./run.js')).retry(here(), { ...options, ids }),
      ),
    );

  selectionOptions(
    command(
      'plan',
      'Show what would run, in which order, and why.',
      '  mstone plan --json\n  mstone plan --until 2',
    ),
  )
    .argument('[ids...]', "only these milestones; patterns such as '2*' in quotes")
    .option('--onto <branch>', 'plan for this branch')
    .option('--json', 'print one JSON document')
    .action(async (ids, options) =>
      exit(await (await import('./plan.js')).plan(here(options.profile), { ...options, ids })),
    );

  command('status', 'Show where everything is.', '  mstone status --json\n  mstone status --watch')
    .addOption(new Option('--json', 'print one JSON document').conflicts('watch'))
    .option('-w, --watch', 'show it again whenever it changes, until Ctrl-C')
    .action(async (options) => exit(await (await import('./status.js')).status(here(), options)));

  command(
    'explain',
    'Say why a milestone would run or would not, and what happened to it.',
    '  mstone explain 1A\n  mstone explain 1A --json',
  )
    .argument('<id>', 'the milestone')
    .option('--json', 'print one JSON document')
    .action(async (id, options) =>
      exit(await (await import('./explain.js')).explain(here(), { ...options, id })),
    );

  command(
    'report',
    'Print who reviewed what, and what became of every finding, as Markdown.',
    '  mstone report 1A\n  mstone report --stage 1',
  )
    .argument('[id]', 'the milestone; all that have begun where none is named')
    .option('--stage <number>', 'of this stage alone', wholeNumber)
    .action(async (id, { stage }) =>
      exit(
        await (await import('./report.js')).report(here(), {
          ...(id === undefined ? {} : { id }),
          ...(stage === undefined ? {} : { stage }),
        }),
      ),
    );

  command(
    'costs',
    'Show what agents have cost, in money and tokens.',
    '  mstone costs\n  mstone costs --by day\n  mstone costs --by agent --json',
  )
    .addOption(
      new Option('--by <what>', 'a row for each of these').choices(GROUPINGS).default('milestone' as const),
    )
    .option('--run <run>', 'of this run alone')
    .option('--json', 'print one JSON document')
    .action(async (options) => exit(await (await import('./costs.js')).costs(here(), options)));

  command(
    'queue',
    'Show what waits to land, in order: on what its candidate is made, and what is being checked.',
    '  mstone queue\n  mstone queue --json',
  )
    .option('--json', 'print one JSON document')
    .action(async (options) => exit(await (await import('./queue.js')).queue(here(), options)));

  command(
    'approve',
    'Let go on what waits for your approval: an agent that may start, or work that may land.',
    '  mstone approve 2B\n  mstone approve 2B 3A',
  )
    .argument('<ids...>', 'the milestones')
    .action(async (ids) =>
      exit(await (await import('./approve.js')).decide(here(), { ids, verdict: 'approved' })),
    );

  command(
    'reject',
    'Send work back to its author with a reason, or keep an agent from starting.',
    '  mstone reject 2B --because "the table needs an index on email"',
  )
    .argument('<ids...>', 'the milestones')
    .option('--because <reason>', 'what is to become other: the author is told')
    .action(async (ids, { because }) =>
      exit(
        await (await import('./approve.js')).decide(here(), {
          ids,
          verdict: 'rejected',
          because: because ?? '',
        }),
      ),
    );

  command(
    'graph',
    'Show what waits for what, and where each is.',
    '  mstone graph\n  mstone graph --format mermaid',
  )
    .addOption(
      new Option('--format <form>', 'a tree, or a document for other tools')
        .choices(['tree', 'mermaid', 'dot'] as const)
        .default('tree' as const),
    )
    .action(async (options) => exit(await (await import('./graph.js')).graph(here(), options)));

  command(
    'stop',
    'Ask the run under way to end: nothing new starts, agents at work may end.',
    '  mstone stop\n  mstone stop --now\n  mstone stop --wait',
  )
    .option('--now', 'end its agents, too; their work is kept')
    .option('--wait', 'show what is still at work, and return when it has ended')
    .action(async (options) => exit(await (await import('./stop.js')).stop(here(), options)));

  command(
    'attach',
    'Show the run under way, whatever terminal it was started in; Ctrl-C leaves the view, not the run.',
    '  mstone attach\n  mstone attach --output plain',
  )
    .addOption(outputOption())
    .action(async (options) => exit(await (await import('./attach.js')).attach(here(), options)));

  command(
    'init',
    'Write a first configuration and a first milestone, from what is there.',
    '  mstone init\n  mstone init --yes',
  )
    .option('-y, --yes', 'make a git repository where there is none, and ask nothing')
    .option('--force', 'write files anew that are there')
    .action(async (options) => exit(await (await import('./init.js')).init(here(), options)));

  command(
    'new',
    'Write a milestone to fill in.',
    "  mstone new 1B --title 'Orders API'\n  mstone new 2A-invoices",
  )
    .argument('<id>', 'its stage and letter, perhaps with a slug')
    .option('--title <title>', 'what it brings')
    .action(async (id, options) =>
      exit(await (await import('./new.js')).newMilestone(here(), { ...options, id })),
    );

  command('validate', 'Check every milestone and the configuration.', '  mstone validate')
    .option('--json', 'print one JSON document')
    .addOption(profileOption())
    .action(async (options) =>
      exit(await (await import('./validate.js')).validate(here(options.profile), options)),
    );

  command(
    'logs',
    "Print what a milestone's agents and checks printed.",
    '  mstone logs 1A\n  mstone logs 1A --attempt 1\n  mstone logs 1A --follow',
  )
    .argument('<id>', 'the milestone')
    .option('--attempt <n>', 'of this attempt (default: the last)', wholeNumber)
    .option('--list', 'only name the files')
    .addOption(
      new Option('-f, --follow', 'go on with what comes, until it has landed or failed, or Ctrl-C').conflicts(
        'list',
      ),
    )
    .action(async (id, options) => exit(await (await import('./logs.js')).logs(here(), { ...options, id })));

  command(
    'completion',
    'Print what a shell needs to complete commands, options and ids.',
    '  mstone completion bash\n  mstone completion fish',
  )
    .addArgument(new Argument('<shell>', 'yours').choices(['bash', 'zsh', 'fish'] as const))
    .argument('[words...]', 'behind `--`: the words so far; prints what may come next')
    .action(async (shell, words) =>
      exit(
        await (await import('./completion.js')).completion(here(), program as unknown as CommandUnknownOpts, {
          shell,
          words,
        }),
      ),
    );

  command(
    'mark',
    'Set milestones to done or todo by hand, as a commit on the target.',
    "  mstone mark 1A --done\n  mstone mark '2*' --todo",
  )
    .argument('[ids...]', "the milestones, or patterns such as '2*'")
    .option('--all', 'every milestone that is enabled')
    .option('--done', 'they are done as they are; a changed text is accepted')
    .option('--todo', 'they are to be done again')
    .option('--onto <branch>', 'on this branch (default: the one checked out)')
    .action(async (ids, options) =>
      exit(await (await import('./mark.js')).mark(here(), { ...options, ids })),
    );

  command(
    'clean',
    'Show what of mstone can go, each with its proof; remove it with -f.',
    '  mstone clean\n  mstone clean -f\n  mstone clean --all -f   # uninstall',
  )
    .option('--all', 'everything that mstone keeps here: state, slots, refs, branches')
    .option('-f, --force', 'remove it')
    .option('--lose-work', 'with --all: also work that has not landed')
    .action(async (options) => exit(await (await import('./clean.js')).clean(here(), options)));

  command(
    'doctor',
    'Check whether mstone can work here; exit 1 if something must be mended.',
    '  mstone doctor --fix\n  mstone doctor --probe',
  )
    .option('--fix', 'mend what is safe to: a dead lock, broken slots')
    .option('--probe', 'ask each named agent one word; costs a little')
    .option('--json', 'print one JSON document')
    .action(async (options) => exit(await (await import('./doctor.js')).doctor(here(), options)));

  command(
    'config',
    'Show every setting as it holds here.',
    '  mstone config --origin\n  MSTONE_JOBS=8 mstone config --json',
  )
    .option('--origin', 'and who decided it: flag, environment, file and line, or default')
    .option('--json', 'print one JSON document')
    .addOption(profileOption())
    .action(async (options) =>
      exit(await (await import('./config.js')).config(here(options.profile), options)),
    );

  command(
    'demo',
    'Watch a whole pipeline run in a scratch repository; needs no account.',
    '  mstone demo\n  MSTONE_DEMO_PAUSE=0 mstone demo',
  )
    .option('--dir <dir>', 'where to make it (default: a new temporary folder)')
    .option('--review', 'two small milestones instead: a review that converges, and one that is stopped')
    .addOption(outputOption())
    .action(async (options) => exit(await (await import('./demo.js')).demo(here(), options)));

  return program as unknown as Command;
}

function selectionOptions(command: Command) {
  return command
    .option('--stage <n>', 'only this stage; refused while an earlier one is unfinished', wholeNumber)
    .option('--until <n|id>', 'up to this stage, or this milestone and what it needs')
    .addOption(
      new Option('--only', 'refuse milestones whose needs are not done (the default)').conflicts('withNeeds'),
    )
    .option('--with-needs', 'build what the named milestones need, too')
    .option('--stale', 'redo milestones whose text changed after they landed')
    .option('-f, --force', 'redo named milestones though they are done')
    .addOption(profileOption());
}

function runOptions(command: Command) {
  return termOptions(selectionOptions(command))
    .option('--onto <branch>', 'land on this branch (default: the one checked out)')
    .addOption(
      new Option('--run-branch', 'land on a new branch, run/<date>, made from the one checked out').conflicts(
        'onto',
      ),
    )
    .addOption(
      new Option(
        '-k, --keep-going',
        'continue with what does not depend on a failure (the default)',
      ).conflicts('failFast'),
    )
    .option('--fail-fast', 'start nothing new once a milestone has failed')
    .option('--agent <name>', 'who implements')
    .option('--model <name>', 'the model that the agent uses')
    .option('--commit', 'commit milestones and configuration first where they are not')
    .addOption(new Option('-q, --quiet', 'only failures and the end, as --output quiet').conflicts('output'));
}

/** How far a run may go, alike for all that start or continue one. */
function termOptions<A extends unknown[], O extends OptionValues>(command: Command<A, O>) {
  return command
    .option('-j, --jobs <n>', 'agents alive at once, or a share of the cores such as 50%')
    .option('--no-wait', 'pause with exit 75 at a usage limit instead of waiting')
    .option(
      '--max-cost <usd>',
      'start no agent that this budget does not hold; then pause with exit 75 (budget.usd)',
    )
    .option(
      '--deadline <time>',
      'start no agent from then on, and pause with exit 75: 6:30, 8h, 2026-11-21T06:30:00Z',
    )
    .addOption(
      new Option(
        '--detach',
        'go on in the background, whatever becomes of this terminal; `mstone attach` shows it',
      ).conflicts(['verbose', 'quiet', 'dryRun', 'output']),
    )
    .addOption(
      new Option(
        '-v, --verbose',
        'plain lines, with what agents and checks print and the commands that checks run',
      ).conflicts('quiet'),
    )
    .addOption(outputOption());
}

const profileOption = () => new Option('--profile <name>', 'with the settings under `profiles: { NAME: … }`');

const outputOption = () =>
  new Option('--output <form>', 'how progress is shown')
    .choices(['auto', 'tty', 'plain', 'ndjson', 'quiet'] as const)
    .default('auto' as const);

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('a whole number from 1 to 999');
  return Number(text);
}

function unknownCommand(word: string, program: Command): string {
  const names = program.commands.map((command) => command.name());
  const near = nearest(word, names);
  return `error: unknown command '${word}'${near === undefined ? '' : `\n(Did you mean ${near}?)`}`;
}

function wantsColor(when: string, world: World): boolean {
  if (when !== 'auto') return when === 'always';
  if (world.env.NO_COLOR !== undefined && world.env.NO_COLOR !== '') return false;
  if (world.env.TERM === 'dumb') return false;
  return world.stdout.isTTY === true;
}
