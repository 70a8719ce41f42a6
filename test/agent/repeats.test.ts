/** Agents that go round in circles, as their own events tell it and nothing else. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { acp } from '../../src/agent/acp.js';
import { claude } from '../../src/agent/claude.js';
import { eventsIn } from '../../src/agent/cli.js';
import { codex } from '../../src/agent/codex.js';
import { gemini } from '../../src/agent/gemini.js';
import { opencode } from '../../src/agent/opencode.js';
import { Cycles, watchCalls } from '../../src/agent/repeats.js';
import { makeRedactor } from '../../src/model/redact.js';

/** What a story of calls comes to: the circle, and after how many of them. */
function told(story: string, bound = 3): string | undefined {
  const cycles = new Cycles(bound);
  for (const [index, letter] of [...story].entries()) {
    const found = cycles.add({ tool: 'Bash', input: JSON.stringify({ command: letter }) });
    if (found !== undefined) return `${found.call} ×${found.times} after ${index + 1}`;
  }
  return undefined;
}

describe('a circle', () => {
  it.each([
    ['aaa', 'Bash a ×3 after 3'],
    ['xaaa', 'Bash a ×3 after 4'],
    ['aabaabaab', 'Bash a / Bash a / Bash b ×3 after 9'],
    ['ababab', 'Bash a / Bash b ×3 after 6'],
    ['abcabcabc', 'Bash a / Bash b / Bash c ×3 after 9'],
    ['aabaacaad', undefined],
    ['abcdabcdabcdabcd', undefined],
    ['abababX'.slice(0, 5), undefined],
    ['ababXababX', undefined],
  ])('of %s is %s', (story, circle) => {
    expect(told(story)).toBe(circle);
  });

  it('is named by what tells most of a call, in one short line', () => {
    const cycles = new Cycles(2);
    const call = { tool: 'Edit', input: JSON.stringify({ old: 'x\ny', file_path: 'src/a\u001b[2J.ts' }) };
    cycles.add(call);
    expect(cycles.add(call)).toEqual({ call: 'Edit src/a\u001b[2J.ts', times: 2 });
    const long = { tool: 'T', input: `{"n":"${'x'.repeat(5000)}"}` };
    cycles.add(long);
    expect(cycles.add(long)?.call.length).toBe(120);
  });
});

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
function log(): string {
  const folder = mkdtempSync(join(tmpdir(), 'repeats-'));
  folders.push(folder);
  return join(folder, 'log');
}

const bash = (command: string, id = 'x'): string =>
  JSON.stringify({
    type: 'assistant',
    message: { content: [{ type: 'tool_use', id, name: 'Bash', input: { command } }] },
  });

describe('a log that grows', () => {
  it('tells what is used of a subscription as it comes, by the CLI’s own events alone', () => {
    const file = log();
    const heard: unknown[] = [];
    const onUsage = (windows: unknown): void => {
      heard.push(windows);
    };
    const look = watchCalls(file, claude, { from: 0, bound: false, onUsage });
    const five = { utilization: 0.5, resetsAt: 1000 };
    const event = JSON.stringify({
      type: 'rate_limit_event',
      rate_limit_info: { status: 'allowed', unifiedWindows: { five_hour: five } },
    });
    const prose = JSON.stringify({
      type: 'assistant',
      message: { content: [{ type: 'text', text: event }] },
    });
    writeFileSync(file, `${prose}\n${bash('npm test')}\n${bash('npm test')}\n${event.slice(0, 30)}`);
    expect([look(), heard]).toEqual([undefined, []]);
    appendFileSync(file, `${event.slice(30)}\n`);
    expect([look(), heard]).toEqual([undefined, [[{ name: 'five_hour', used: 0.5, resetsAt: 1_000_000 }]]]);
    expect([look(), heard.length]).toEqual([undefined, 1]);
  });

  it('is read on from where it was, lines cut in two included, and prose and outputs count for nothing', () => {
    const file = log();
    const look = watchCalls(file, claude, { from: 0, bound: 3 });
    expect(look()).toBeUndefined();
    writeFileSync(file, `${bash('npm test', 'a')}\nplain "tool_use" words\n`);
    const prose = JSON.stringify({
      type: 'assistant',
      message: { content: [{ type: 'text', text: bash('npm test') }] },
    });
    const output = JSON.stringify({
      type: 'user',
      message: { content: [{ type: 'tool_result', content: `{"tool_use":1}\n${bash('npm test')}` }] },
    });
    appendFileSync(file, `${prose}\n${output}\n`.repeat(9));
    expect(look()).toBeUndefined();
    const line = `${bash('npm test', 'b')}\n`;
    appendFileSync(file, line.slice(0, 40));
    expect(look()).toBeUndefined();
    appendFileSync(file, line.slice(40));
    expect(look()).toBeUndefined();
    appendFileSync(file, bash('npm test', 'c'));
    expect(look()).toBeUndefined();
    appendFileSync(file, '\n');
    expect(look()).toEqual({ call: 'Bash npm test', times: 3 });
    // Whoever comes later, as after a crash of mstone, sees the same.
    expect(watchCalls(file, claude, { from: 0, bound: 3 })()).toEqual({ call: 'Bash npm test', times: 3 });
    expect(watchCalls(file, claude, { from: bash('npm test', 'a').length, bound: 3 })()).toBeUndefined();
  });

  it('may be of one line without an end, which costs no memory and ends nothing', () => {
    const file = log();
    const look = watchCalls(file, claude, { from: 0, bound: 2 });
    for (let block = 0; block < 6; block += 1)
      appendFileSync(file, Buffer.alloc(4 * 1024 * 1024, '"tool_use"'));
    for (let block = 0; block < 6; block += 1) expect(look()).toBeUndefined();
    appendFileSync(file, `\n${bash('a')}\n${bash('a')}\n`);
    expect(look()).toEqual({ call: 'Bash a', times: 2 });
  });

  it('has its secrets taken out of what is told', () => {
    const file = log();
    writeFileSync(file, `${bash('curl -H sk-secret-0123456789')}\n`.repeat(2));
    const redact = makeRedactor(['sk-secret-0123456789']);
    expect(watchCalls(file, claude, { from: 0, bound: 2, redact })()?.call).toMatch(/^Bash curl -H (?!sk-)/);
  });
});

describe('the calls in captures of the real CLIs', () => {
  const captures = join(import.meta.dirname, '../fixtures/agent-captures');
  const clis = { claude, 'claude-2.1.197': claude, codex, gemini, opencode, acp };

  it.each(Object.keys(clis))('%s: are told, with what they were called with', (name) => {
    const cli = clis[name as keyof typeof clis];
    const seen = new Set<string>();
    for (const file of readdirSync(join(captures, name), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.jsonl')) continue;
      const callsIn = cli.calls.reader();
      for (const line of readFileSync(join(captures, name, file), 'utf8').split('\n')) {
        if (!line.includes(cli.calls.mark)) continue;
        for (const event of eventsIn(line))
          for (const { tool, input } of callsIn(event)) seen.add(`${tool} ${input}`);
      }
    }
    const all = [...seen].join('\n');
    // The work of every capture: a file is written, and committed by the shell.
    expect(all).toContain('git add -A');
    expect(all).toContain('a.txt');
  });
});
