/**
 * `mstone completion SHELL`: the few lines that a shell needs. They ask mstone itself what may come next,
 * so that they never fall behind it: behind `--` come the words so far, the last being the one typed.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { openRepository } from '../git/index.js';
import { takenIds } from '../milestone/draft.js';
import { say } from './output.js';
import { absent, readLayout } from './project.js';
import type { World } from './world.js';

export type Shell = 'bash' | 'zsh' | 'fish';

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# Type: eval "$(mstone completion bash)", or put that line into ~/.bashrc
_mstone() {
  local IFS=$'\\n'
  COMPREPLY=($(mstone completion bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _mstone mstone`,
  zsh: `# Type: eval "$(mstone completion zsh)", or put that line into ~/.zshrc behind compinit
_mstone() {
  local -a candidates
  candidates=(\${(f)"$(mstone completion zsh -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#candidates} )); then compadd -a candidates; else _files; fi
}
compdef _mstone mstone`,
  fish: `# Type: mstone completion fish | source, or put that line into ~/.config/fish/config.fish
function __mstone_candidates
    set -l words (commandline -opc) (commandline -ct)
    mstone completion fish -- $words[2..-1] 2>/dev/null
end
complete -c mstone -a '(__mstone_candidates)'`,
};

export async function completion(
  world: World,
  program: CommandUnknownOpts,
  { shell, words }: { readonly shell: Shell; readonly words: readonly string[] },
): Promise<number> {
  if (words.length === 0) {
    say(world, SCRIPTS[shell]);
    return 0;
  }
  const typed = words.at(-1) ?? '';
  const candidates = await candidatesFor(world, program, words.slice(0, -1), typed);
  for (const candidate of candidates) if (candidate.startsWith(typed)) say(world, candidate);
  return 0;
}

async function candidatesFor(
  world: World,
  program: CommandUnknownOpts,
  before: readonly string[],
  typed: string,
): Promise<readonly string[]> {
  let command = program;
  let wanting: Option | undefined;
  for (const word of before) {
    if (wanting !== undefined) wanting = undefined;
    else if (word.startsWith('-')) {
      const option = [...command.options, ...program.options].find(
        ({ short, long }) => word === short || word === long,
      );
      wanting = option !== undefined && (option.required || option.optional) ? option : undefined;
    } else if (command === program) {
      const named = program.commands.find((one) => one.name() === word);
      if (named === undefined) return [];
      command = named;
    }
  }
  if (wanting !== undefined) {
    if (wanting.argChoices !== undefined) return wanting.argChoices;
    return wanting.long === '--until' ? idsIn(world) : [];
  }
  if (typed.startsWith('-')) {
    return [...command.options.map(({ long, short }) => long ?? short ?? ''), '--help'];
  }
  if (command === program) return program.commands.map((one) => one.name());
  const [argument] = command.registeredArguments;
  if (argument?.argChoices !== undefined) return argument.argChoices;
  // A milestone that is to be written has no id yet.
  return /^ids?$/.test(argument?.name() ?? '') && command.name() !== 'new' ? idsIn(world) : [];
}

async function idsIn(world: World): Promise<string[]> {
  const repository = await openRepository(world.cwd, world.env);
  if (!repository.ok) return [];
  const { root } = repository.value;
  const { milestones } = await readLayout(world, root);
  const names = await readdir(join(root, milestones)).catch(absent([] as string[]));
  return [...takenIds(names)].sort();
}
