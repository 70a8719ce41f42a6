/** The environment's word on flags that the command line does not give: `MSTONE_STAGE=2` is `--stage 2`. */
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { FLAG_VARIABLES } from '../config/flags.js';
import type { Diagnostic } from '../model/diagnostic.js';
import { nearest } from '../model/nearest.js';
import { shown } from '../model/shown.js';
import type { World } from './world.js';

/** Says it, and ends the command with exit 2. */
type Refuse = (diagnostic: Diagnostic) => never;

/** Flags that answer the same question: where the command line gives one, the environment's others say nothing. */
const RIVALS: readonly (readonly string[])[] = [
  ['--fail-fast', '--keep-going'],
  ['--only', '--with-needs'],
  ['--output', '--quiet'],
  ['--stage', '--until'],
];

/** Sets what the environment says; a value that cannot be read ends the command with exit 2. */
export function readTwins(command: CommandUnknownOpts, env: World['env'], refuse: Refuse): void {
  const given = (flag: string): boolean => {
    const option = command.options.find(({ long }) => long === flag);
    return option !== undefined && command.getOptionValueSource(option.attributeName()) === 'cli';
  };
  const selects = command.args.length > 0;
  // Decided by the command line alone, before anything of the environment is set.
  const open = command.options.flatMap((option) => {
    const flag = option.long ?? '';
    const variable = FLAG_VARIABLES.get(flag);
    const text = variable === undefined ? undefined : env[variable];
    if (variable === undefined || text === undefined || text === '' || given(flag)) return [];
    if (RIVALS.some((rivals) => rivals.includes(flag) && rivals.some(given))) return [];
    if (selects && (flag === '--stage' || flag === '--until')) return [];
    return [{ option, variable, text }];
  });
  for (const { option, variable, text } of open) {
    command.setOptionValueWithSource(
      option.attributeName(),
      readValue(option, variable, text, refuse),
      'env',
    );
  }
}

function readValue(option: Option, variable: string, text: string, refuse: Refuse): unknown {
  const cannot = (expected: string): never => {
    const meant = nearest(text, option.argChoices ?? []);
    return refuse({
      severity: 'error',
      code: 'invalid-value',
      message: `\`${variable}\` cannot be read`,
      expected,
      found: shown(text),
      fix:
        meant === undefined ? `write what is expected, or unset ${variable}` : `did you mean \`${meant}\`?`,
    });
  };
  if (option.isBoolean()) {
    if (/^(?:true|yes|on|1)$/i.test(text)) return true;
    if (/^(?:false|no|off|0)$/i.test(text)) return undefined;
    return cannot('`true` or `false`');
  }
  if (option.argChoices !== undefined && !option.argChoices.includes(text)) {
    return cannot(`one of ${option.argChoices.join(', ')}`);
  }
  if (option.long !== '--stage') return text;
  return /^[1-9]\d{0,2}$/.test(text) ? Number(text) : cannot('a whole number from 1 to 999');
}
