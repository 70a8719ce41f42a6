/**
 * What people who let agents work unattended have suffered, by their own reports, and the test of ours that holds
 * each. The reports are public issues of other tools: `GSD` is gsd-build/gsd-2, `GT` steveyegge/gastown, `DT`
 * detent, `AC` Auto-Claude, `BN` bernstein, `CC` anthropics/claude-code, `RX` umputun/ralphex, `VK`
 * BloopAI/vibe-kanban, `AO` agent-orchestrator.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));

interface Pain {
  readonly pain: string;
  readonly reported: string;
  /** `<file below test/>: <the test's name>` */
  readonly held: readonly string[];
}

const PAINS: readonly Pain[] = [
  {
    pain: 'work destroyed by a cleanup after a failed merge',
    reported: 'GSD#1573, GSD#2003, GSD#1846, AC#1507, BN#2792, GT#1035',
    held: [
      'cli/clean.test.ts: what the target holds goes, with its proof, and only with -f; what has not landed stays and is named',
      'git/slots.test.ts: pins commits and files that nobody has before it is cleaned',
      'cli/hostile.test.ts: is kept beside the log: big, ignored and nested',
    ],
  },
  {
    pain: 'a usage limit ends the night',
    reported: 'RX#157, GSD#756, GSD#3332, stravu/crystal#18, CC#36320, stablyai/orca#18799',
    held: [
      'cli/hostile.test.ts: is waited for, costs no attempt and ends with Ctrl-C; with --no-wait it pauses with 75 until resume comes late enough',
      'engine/night.test.ts: lands all thirty milestones, each at its first attempt (seed %i)',
    ],
  },
  {
    pain: 'limits mistaken, both ways',
    reported: 'GSD#4373, AC#1667, RX#308, GSD#6417, gabrielkoerich/orch#1292, TheMorpheus407/RepoLens#128',
    held: [
      'agent/agent.test.ts: goes by its data where its prose says otherwise',
      'run/limits.test.ts: closes for a minute, then twice as long up to an hour, and one milestone at a time tries',
    ],
  },
  {
    pain: 'the same task paid for over and over',
    reported: 'GSD#462, GSD#6394, DT#1943, DT#1046, DT#1924',
    held: [
      'run/brakes.test.ts: in a thousand random ways of getting nowhere, on random paths, is given up within the same bounds',
      'cli/retry.test.ts: is all retried with --failed; what made no progress asks, and a restart does not reset that',
      'cli/budgets.test.ts: eight agents at $0.40 under a budget of $1 never pass $1.40, and go on with more',
    ],
  },
  {
    pain: 'an isolation that leaks',
    reported: 'GSD#5221, GSD#5218, GT#4479',
    held: [
      'cli/hostile.test.ts: a main that is moved is refused; past the guard it is put back and told, and nothing is built on it meanwhile',
      'cli/isolation.test.ts: takes milestones through remediation, a conflict and a killed mstone, and agents reach no ref of yours',
    ],
  },
  {
    pain: 'a crash leaves a state in which nothing goes on',
    reported: 'GSD#5449, GSD#5730, BN#4453, AO#2702, AO#4776, paperclipai/paperclip#9552',
    held: [
      'sweep/crashes.test.ts: $name: ends as if nothing had happened',
      'engine/worlds.test.ts: break no law, whatever befalls them, and all that can befall them does',
    ],
  },
  {
    pain: 'a resume that begins anew',
    reported: 'BN#4542, BN#2798, automazeio/ccpm#969, RX#280, coleam00/Archon#1549',
    held: [
      'cli/first.test.ts: mstone killed in the middle is taken up by resume: its agent goes on and starts once',
      'cli/kills.test.ts: ends with the tree, the landings and the agent starts of an undisturbed run, and leaves nothing behind',
    ],
  },
  {
    pain: 'gates that fail open',
    reported: 'BN#3254, GT#4469, coleam00/Archon#1429, gitmoot/gitmoot#1145',
    held: [
      'cli/links.test.ts: each link broken in turn lands nothing, beside one that is whole',
      'check/check.test.ts: have not passed when they could not start',
      'run/story.test.ts: never approve in the conversation of the author',
    ],
  },
  {
    pain: '“done” that is not',
    reported: 'automazeio/ccpm#969, mikeyobrien/ralph-orchestrator#123, coleam00/Archon#1381, BN#2756',
    held: [
      'run/story.test.ts: asks once about an empty diff, and lands it as nothing needed only if the review agrees',
      'cli/flakes.test.ts: a check that fails on a whim runs once more, a run without tests goes back to its author',
    ],
  },
  {
    pain: 'a review without an end',
    reported: 'openai/codex#38375, gtrabanco/agentic-workflow#205, DT#2030, DT#857',
    held: [
      'run/story.test.ts: findings that go to and fro, under whatever name',
      'run/story.test.ts: stop after the rounds that were granted',
    ],
  },
  {
    pain: 'tests weakened until they pass',
    reported: 'defilantech/LLMKube#1332, deftai/directive#4386',
    held: [
      'cli/gates.test.ts: what an agent changes of the checks waits for an answer, whatever becomes of the files that it edits',
    ],
  },
  {
    pain: 'a merge queue that stands still',
    reported: 'GT#1102, GT#3604, GT#2321, gastownhall/gascity-packs#272, GSD#2812',
    held: [
      'run/story.test.ts: and that merge finds a slot where all are taken, and what it keeps from landing keeps those behind it',
      'cli/hostile.test.ts: untracked and ignored files likewise; what the user commits meanwhile is merged, and in the end all is there',
    ],
  },
  {
    pain: 'conflicts that need a person',
    reported:
      'coalesce-labs/catalyst#363, chrismcdermut/proletariat#613, nigel-dev/opencode-mission-control#39, GSD#1389, BN#3279',
    held: [
      'cli/first.test.ts: a refused review is remediated, a failed check is remediated, and a conflict is resolved',
      'git/candidate.test.ts: does not conflict in TASKS.md, whatever either side made of it',
    ],
  },
  {
    pain: 'dependencies that are none',
    reported: 'VK#1700, VK#1922, cline/kanban#473, github/spec-kit#3068, github/spec-kit#1476',
    held: [
      'plan/items.test.ts: need their own dependencies, the nearest earlier stage and the base check',
      'cli/refusals.test.ts: depend on themselves, on a later stage, on nothing, or in a circle',
    ],
  },
  {
    pain: 'budgets in a unit that nobody pays in',
    reported: 'DT#1758, DT#1282, paperclipai/paperclip#8856, gastownhall/gascity#115',
    held: [
      'run/costs.test.ts: that a subscription paid are no money: shares of its windows are told instead',
      'cli/budgets.test.ts: is not the only thing: tokens are limited likewise',
    ],
  },
  {
    pain: 'fresh worktrees that are broken, or cannot be made at once',
    reported: 'fynnfluegge/agtx#2, bobmatnyc/trusty-tools#8056, coleam00/Archon PR#3025, CC#34645, CC#47266',
    held: [
      'git/slots.test.ts: are made, used again and taken away sixteen at a time without a failure',
      'cli/filters.test.ts: are in a worktree what a checkout makes of them, and in commits what `git add` does',
    ],
  },
  {
    pain: 'ports and databases that all share',
    reported: 'coleam00/Archon#3176, meawoppl/agent-portal#1365, SirAllap/agentglass#118',
    held: [
      'cli/slot-number.test.ts: agents, setup and checks at work at once are told numbers of their own, for ports and databases',
    ],
  },
  {
    pain: 'litter: disks full of worktrees, processes that nobody waits for',
    reported: 'rjwalters/vibesql#3286, VK#765, AO#1848, AO#2523, GT#2614',
    held: [
      'cli/hygiene.test.ts: are never more than jobs and merge.parallel, whatever is retried, remediated and resumed in them',
      'cli/hygiene.test.ts: of a run whose state was deleted are ended when the next one begins, before their worktree is used',
      'process/tagged.test.ts: end a daemon that left the session and ignores the polite signal',
    ],
  },
  {
    pain: 'questions that nobody is there to answer, and secrets that everybody inherits',
    reported:
      'anomalyco/opencode#36762, vankhangfet/orca-sdlc-kit#4, open-mercato/cezar#427, GT#2468, asheshgoplani/agent-deck#277',
    held: [
      'cli/agents.test.ts: is called unattended, told its model and permissions, and asked for a verdict by schema',
      'process/environment.test.ts: holds allowed names only',
    ],
  },
];

test.each(PAINS)('$pain ($reported): is held by a test', ({ held }) => {
  const missing = held.filter((one) => {
    const [file = '', name = ''] = one.split(/: (.*)/s);
    const path = join(here, file);
    // One that is skipped holds nothing.
    return !existsSync(path) || !isThere(readFileSync(path, 'utf8'), name);
  });
  expect(missing).toEqual([]);
});

/** A test of that name, not one that is skipped. */
function isThere(text: string, name: string): boolean {
  const at = ["'", '`', '"']
    .map((quote) => text.indexOf(`${quote}${name}${quote}`))
    .find((index) => index >= 0);
  return at !== undefined && !/\.(?:skip|todo)\S*\s*$/.test(text.slice(Math.max(0, at - 40), at));
}
