/** No documented command line rots: each is typed, in the state that its page says, and does what is shown. */
import { afterAll, describe, expect, it } from 'vitest';
import { type Documented, documentedLines } from '../rig/documented.js';
import { inside } from '../rig/inside.js';
import type { Ended, TestProject } from '../rig/project.js';
import { record } from '../rig/record.js';
import { shellWords } from '../rig/shell-words.js';
import { ELSEWHERE, inState, removeStates } from './states.js';

afterAll(removeStates);

/** These look and change nothing: they need no process of their own. */
const LOOKS = /^(?:help|validate|plan|costs|explain|graph|logs|config|doctor|completion|new|init|mark)$|^-/;
const ENDLESS = /^(?:status (?:.* )?(?:--watch|-w)|logs .*(?:--follow|-f))\b/;

async function type({ line }: Documented, p: TestProject): Promise<Ended> {
  const words = shellWords(line);
  const set = words
    .filter((word) => /^[A-Z_]+=/.test(word))
    .map((word) => word.split('=', 2) as [string, string]);
  const args = words.slice(set.length + 1);
  const before = { ...p.env };
  Object.assign(p.env, Object.fromEntries(set));
  try {
    if (ENDLESS.test(args.join(' '))) {
      const running = p.start(args);
      await running.said('\n');
      running.child.kill('SIGINT');
      return await running.ended;
    }
    return LOOKS.test(args[0] ?? '') ? await inside(args, p.root, p.env) : await p.mstone(...args);
  } finally {
    for (const [name] of set) delete p.env[name];
    Object.assign(p.env, before);
  }
}

/** Times, hashes and the names of runs differ each time. */
const plain = (text: string): string =>
  text
    .replaceAll(/\b\d\d:\d\d:\d\d\b/g, 'CLOCK')
    .replaceAll(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, 'RUN')
    .replaceAll(/\b[0-9a-f]{7,40}\b/g, 'COMMIT')
    .replaceAll(/\b(?:\d+[dhm] )?[\d.]+s\b/g, 'TOOK');

const groups = <T>(all: readonly T[], keyOf: (one: T) => string): T[][] =>
  [...new Set(all.map(keyOf))].map((key) => all.filter((one) => keyOf(one) === key));

const lines = documentedLines();
const here = lines.filter(({ line }) => !Object.hasOwn(ELSEWHERE, line));

/** The same line in the same state is typed once; a block of several is one story. */
const stories = groups(here, ({ block, line, state, exit }) =>
  here.filter((other) => other.block === block).length > 1 ? block : `${state} ${exit} ${line}`,
).map((story) => ({
  story,
  name: `${[...new Set(story.map(({ line }) => line))].join('; ')} (${story.map(({ place }) => place).join(', ')})`,
}));

describe('as documented', () => {
  it.each(stories)('$name', async ({ story }) => {
    const [first] = story;
    const p = await inState(first?.state ?? '');
    const typed = new Map<string, Ended>();
    for (const one of story) {
      const isBlock = one.block === first?.block && story.length > 1;
      const known = isBlock ? undefined : typed.get(one.line);
      const ended = known ?? (await type(one, p));
      typed.set(one.line, ended);
      expect(ended.code, `${one.place}: ${one.line}\n${ended.stdout}${ended.stderr}`).toBe(one.exit);
      if (one.output !== undefined) expect(plain(ended.stdout + ended.stderr)).toBe(plain(one.output));
      if (one.line.startsWith('mstone')) {
        record({
          ...ended,
          args: shellWords(one.line).slice(1),
          cwd: p.root,
          env: p.env,
          documented: one.place,
        });
      }
    }
  });
});

it('what is run elsewhere is still documented', () => {
  expect(Object.keys(ELSEWHERE).filter((line) => !lines.some((one) => one.line === line))).toEqual([]);
});

it('every line is of mstone, or it is said where it is run', () => {
  expect(here.filter(({ line }) => !/^(?:[A-Z_]+=\S+ )*mstone(?: |$)/.test(line))).toEqual([]);
});
