/*
 * The catalogue of messages and its page. After a change: `npx vitest run test/cli/messages -u` writes
 * docs/messages.md anew.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Message, type MessageCode, messageCodes, messages } from '../../src/model/messages.js';
import { home } from '../rig/inside.js';

const sources = readdirSync(join(home, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith(join('model', 'messages.ts')))
  .map((name) => readFileSync(join(home, 'src', name), 'utf8'))
  .join('\n');

/** Sentences hold backticks of their own. */
const code = (text: string): string => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``);

function section(name: MessageCode, { means, says, todo, exit }: Message): string {
  const place = exit === 0 ? 'a remark; the command goes on' : `exit [${exit}](exit-codes.md#${exit})`;
  return [
    `## ${name}`,
    '',
    `${means}: ${place}.`,
    '',
    ...says.map((text) => `- ${code(text)}`),
    '',
    `What to do, unless the message says it better: ${todo}.`,
    '',
  ].join('\n');
}

const page = `# Messages

Everything that mstone refuses or remarks, by the code that \`mstone validate --json\` and
\`mstone config --json\` name it by. Codes stay; sentences may become better. On a terminal each is told as

\`\`\`
milestones/1A.md:2: error: \`depend_on\` is not a key of a milestone
  expected: one of title, depends_on, agent, …
  fix: did you mean \`depends_on\`?
\`\`\`

with its place where it has one, what was expected and found, and what to do. All problems are told at once.
\`…\` below stands for what differs from time to time.

${messageCodes.map((name) => section(name, messages[name])).join('\n')}`;

it('docs/messages.md is the catalogue', async () => {
  await expect(page).toMatchFileSnapshot(join(home, 'docs', 'messages.md'));
});

it('every entry is used', () => {
  expect(messageCodes.filter((name) => !sources.includes(`'${name}'`))).toEqual([]);
});

it('every entry says what to do, in a sentence without a full stop, and ends in a documented exit code', () => {
  const codes = [...readFileSync(join(home, 'docs', 'exit-codes.md'), 'utf8').matchAll(/^## (\d+)$/gm)].map(
    ([, number]) => Number(number),
  );
  for (const name of messageCodes) {
    const { means, says, todo, exit } = messages[name];
    for (const text of [means, todo, ...says]) expect(text, name).toMatch(/^\S.*[^.\s]$/s);
    expect(codes, name).toContain(exit);
  }
});

it('no sentence belongs to two codes', () => {
  const all = messageCodes.flatMap((name) => messages[name].says.map((text) => `${text}`));
  const twice = all.filter((text, index) => all.indexOf(text) !== index);
  // YAML is YAML, in front matter and in a configuration.
  expect(twice).toEqual(['this is not valid YAML: …']);
});
