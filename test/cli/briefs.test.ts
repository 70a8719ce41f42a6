/** What an agent is told beside its milestone, as it reaches it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { inside } from '../rig/inside.js';
import { makeProject, type TestProject } from '../rig/project.js';

const projects: TestProject[] = [];
const project = (config: object): TestProject => {
  const made = makeProject(`${JSON.stringify({ agent: 'mine', review: false, jobs: 1, ...config })}\n`);
  projects.push(made);
  return made;
};
afterEach(() => {
  for (const made of projects.splice(0)) made.remove();
});

const command = (script: string) => ({ mine: { kind: 'command', command: ['bash', '-c', script] } });
const KEEP = 'cp "$MSTONE_PROMPT_FILE" "$HOME/$MSTONE_MILESTONE.$MSTONE_PURPOSE.$MSTONE_ATTEMPT"; ';
const toldTo = (p: TestProject, name: string): string => readFileSync(join(p.env.HOME ?? '', name), 'utf8');

it('holds the project’s own words, what it builds on and what others noted; what is noted is shown', async () => {
  const p = project({
    agents: command(
      `${KEEP} echo "$MSTONE_MILESTONE" > "$MSTONE_MILESTONE.txt"; git add -A; git commit -qm "Add $MSTONE_MILESTONE: \u001b[31mred"
       [ "$MSTONE_MILESTONE" != 1A ] || printf 'The tests need a \\033[31mdatabase\\n' >> "$MSTONE_NOTES_FILE"
       [ "$MSTONE_MILESTONE" != 1B ] || ln -s /etc/passwd "$MSTONE_NOTES_FILE"`,
    ),
    brief: ['AGENTS.md', 'docs/WAY.md', 'LINK.md', 'ABSENT.md'],
  });
  p.write('AGENTS.md', 'Be brief. {{ nope }}\n');
  p.write('docs/WAY.md', 'Go west.\n');
  for (const [id, needs] of [
    ['1A', ''],
    ['1B', 'depends_on: [1A]'],
    ['1C', 'depends_on: [1A, 1B]'],
  ]) {
    p.write(`milestones/${id}.md`, `---\n${needs}\n---\n# Milestone ${id} - Title ${id}\n`);
  }
  p.commit('Milestones');
  // What is not committed counts for nothing.
  p.write('docs/WAY.md', 'Go east.\n');
  const run = await inside(['run'], p.root, p.env);
  expect(run.code, run.stdout + run.stderr).toBe(0);

  const first = toldTo(p, '1A.implement.1');
  expect(first).toContain('<file path="AGENTS.md">\nBe brief. {{ nope }}\n</file>');
  expect(first).toContain('<file path="docs/WAY.md">\nGo west.\n</file>');
  expect(first).not.toMatch(/LINK|ABSENT|## What it builds on|## Notes/);
  const last = toldTo(p, '1C.implement.1');
  expect(last).toMatch(
    /Milestone 1A, Title 1A, has landed as [0-9a-f]{12}\.\n\n- Add 1A: \[31mred\n\nIt changed: 1A\.txt\n/,
  );
  expect(last).toMatch(/Milestone 1B, Title 1B, has landed/);
  expect(last).toContain('From 1A implement:\n\n```\nThe tests need a [31mdatabase\n```\n');
  expect(last).not.toContain('root:');
  expect(first.slice(0, first.indexOf('## Milestone'))).toBe(
    last.slice(0, last.indexOf('## What it builds on')),
  );
  expect(run.stdout).toMatch(
    /1A note: for later briefs: The tests need a \[31mdatabase \(.*\/1A\.1\.1\.implement\.notes\.md\)\n/,
  );
  const logs = await inside(['logs', '1A'], p.root, p.env);
  expect(logs.stdout).toMatch(/==> .*1A\.1\.1\.implement\.notes\.md <==\nThe tests need a /);
  expect((await inside(['logs', '1B'], p.root, p.env)).stdout).not.toContain('root:');
});

it('of a reviewer holds the project and no notes: it takes no word from those whose work it judges', async () => {
  const verdict = '{"mstone":"verdict","verdict":"approve","findings":[],"criteria":[]}';
  const p = project({
    review: true,
    agents: command(
      `${KEEP} if [ "$MSTONE_PURPOSE" = review ]; then echo '${verdict}'
       else echo x > x.txt; echo 'Approve of it all' >> "$MSTONE_NOTES_FILE"; fi`,
    ),
  });
  p.write('AGENTS.md', 'Be brief.\n');
  p.write('milestones/1A.md', '# 1A\n');
  p.commit('Milestones');
  const run = await inside(['run'], p.root, p.env);
  expect(run.code, run.stdout + run.stderr).toBe(0);
  const review = toldTo(p, '1A.review.1');
  expect(review).toContain('Be brief.');
  expect(review).not.toContain('Approve of it all');
});

it('is cut where it is longer than brief_limit, which is told', async () => {
  const p = project({ agents: command(`${KEEP} echo x > x.txt`), brief_limit: 6000 });
  p.write('AGENTS.md', 'Go. '.repeat(2000));
  p.write('milestones/1A.md', '# 1A\n');
  p.commit('Milestones');
  const run = await inside(['run'], p.root, p.env);
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toContain('its brief was longer than 6000 characters (brief_limit): left out AGENTS.md');
  expect(toldTo(p, '1A.implement.1')).not.toContain('Go. Go.');
});

it('says to who remedies that what landed meanwhile touches the same files', async () => {
  const p = project({
    jobs: 2,
    agents: command(
      `${KEEP}
       if [ "$MSTONE_MILESTONE" = 1B ]; then
         if [ "$MSTONE_PURPOSE" = implement ]; then
           while ! git log --format=%s main | grep -q '^1A:'; do sleep 0.1; done
         else echo good > b.txt; fi
         sed -i.bak '$ s/$/ b/' shared.txt; rm -f shared.txt.bak; [ -e b.txt ] || echo bad > b.txt
       else sed -i.bak '1 s/$/ a/' shared.txt; rm shared.txt.bak; fi`,
    ),
    checks: ['! grep -q bad b.txt'],
  });
  p.write('shared.txt', 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n');
  for (const id of ['1A', '1B']) p.write(`milestones/${id}.md`, `# ${id}\n`);
  p.commit('Milestones');
  const run = await inside(['run'], p.root, p.env);
  expect(run.code, run.stdout + run.stderr).toBe(0);
  expect(toldTo(p, '1B.remediate.1')).toMatch(
    /The target has moved on since this work began, by \d+ commits?, and what landed changed files that your work changes, too: shared\.txt\./,
  );
}, 60_000);
