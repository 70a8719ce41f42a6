/** What is wrong with a command line, said as everything else is: commander's words become a diagnostic. */
import type { CommanderError } from 'commander';
import type { Diagnostic } from '../model/diagnostic.js';
import { nearest } from '../model/nearest.js';
import { shown } from '../model/shown.js';

/** The command that refuses. */
interface Refusing {
  /** As it is typed: `mstone run`. */
  readonly name: string;
  /** A line that it would take. */
  readonly example: string;
}

type Said = Omit<Diagnostic, 'severity'>;

/** Undefined where nothing is wrong: the help or the version was asked for, or it has been said already. */
export function readUsage(
  { code, message, exitCode }: Pick<CommanderError, 'code' | 'message' | 'exitCode'>,
  command: Refusing,
): Diagnostic | undefined {
  if (exitCode === 0 || !message.startsWith('error: ')) return undefined;
  const sentence = message.slice('error: '.length);
  return { severity: 'error', ...(readInvalid(sentence) ?? readOther(code, sentence, command)) };
}

/** A value that an option or an argument does not take. */
function readInvalid(sentence: string): Said | undefined {
  const { option, argument, value, word, why } =
    /^(?:option '(?<option>[^']*)' argument '(?<value>[\s\S]*)' is invalid|command-argument value '(?<word>[\s\S]*)' is invalid for argument '(?<argument>[^']*)')\. (?<why>[\s\S]*)$/.exec(
      sentence,
    )?.groups ?? {};
  const name = option === undefined ? argument : /--[\w-]+|-\w/.exec(option)?.[0];
  if (name === undefined || why === undefined) return undefined;
  const found = value ?? word ?? '';
  const choices = /^Allowed choices are (.*)\.$/.exec(why)?.[1];
  const meant = nearest(found, choices?.split(', ') ?? []);
  return {
    code: 'invalid-value',
    message: `\`${name}\` cannot be read`,
    expected: choices === undefined ? why : `one of ${choices}`,
    found: shown(found),
    fix: meant === undefined ? 'write what is expected, or leave it out' : `did you mean \`${meant}\`?`,
  };
}

function readOther(code: string, sentence: string, { name, example }: Refusing): Said {
  const [first = '', more = ''] = sentence.split(/\n(?=\(Did you mean )/);
  const meant = /^\(Did you mean (?:one of )?([^,?]+)/.exec(more)?.[1];
  const message = shown(first, 200);
  const fix = meant === undefined ? `\`${name} --help\` lists what there is` : `did you mean \`${meant}\`?`;
  switch (code) {
    case 'commander.unknownCommand':
      return { code: 'unknown-command', message, fix };
    case 'commander.unknownOption':
      return { code: 'unknown-option', message, fix };
    case 'commander.conflictingOption':
      return { code: 'conflicting-options', message };
    case 'commander.excessArguments': {
      const [, most = '0', found = ''] = /Expected (\d+)\D+(\d+)/.exec(first) ?? [];
      return {
        code: 'excess-arguments',
        message: `there are more words than \`${name}\` takes`,
        expected: most === '0' ? 'none' : `${most} at most`,
        found,
        fix: `such as: ${example}`,
      };
    }
    default:
      return { code: 'missing-argument', message, fix: `such as: ${example}` };
  }
}
