/*
 * The published schemas are what the code says they are, and what people write and mstone prints
 * fits them. After a change of a format: `npx vitest run test/cli/schemas -u` writes the files anew.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { readVerdict } from '../../src/brief/verdict.js';
import { schemas } from '../../src/cli/schemas.js';
import { configKeys, resolveConfig } from '../../src/config/index.js';
import { DEPRECATED } from '../../src/config/keys.js';
import { readFrontMatter } from '../../src/milestone/front-matter.js';
import { parseMilestone } from '../../src/milestone/index.js';
import { frontMatterKeys } from '../../src/milestone/keys.js';
import { hasErrors } from '../../src/model/diagnostic.js';
import { makeProject, refuse } from '../rig/project.js';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const textOf = (...path: string[]): string => readFileSync(join(home, ...path), 'utf8');
const fenced = (language: string, ...path: string[]): string[] =>
  [...textOf(...path).matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(
    ([, block = '']) => block,
  );

/** With every object closed: a field that a document has and its schema has not is an error. */
const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in inner && inner.type === 'object' ? { additionalProperties: false, ...inner } : inner;
};

/** What does not fit, each as `path: message`; the schema is read from its file. */
function misfits(name: string, document: unknown, close = false): string[] {
  const schema: unknown = JSON.parse(textOf('docs', 'schemas', `${name}.schema.json`));
  const read = z.fromJSONSchema((close ? closed(schema) : schema) as z.core.JSONSchema.JSONSchema);
  return (read.safeParse(document).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );
}

describe('the published schemas', () => {
  it.each(Object.keys(schemas))('docs/schemas/%s.schema.json is what the code says', async (name) => {
    await expect(`${JSON.stringify(schemas[name], null, 2)}\n`).toMatchFileSnapshot(
      join(home, 'docs', 'schemas', `${name}.schema.json`),
    );
  });

  it('are these and no other', () => {
    expect(readdirSync(join(home, 'docs', 'schemas')).sort()).toEqual(
      Object.keys(schemas)
        .map((name) => `${name}.schema.json`)
        .sort(),
    );
  });
});

describe('front matter', () => {
  const dataOf = (text: string): unknown => {
    const front = readFrontMatter(text);
    return front.ok ? front.value.data : front.error;
  };

  it('its schema has the keys that there are', () => {
    expect(Object.keys(Object(schemas.milestone?.properties)).sort()).toEqual([...frontMatterKeys].sort());
  });

  it('of the demo, the fixtures and the documentation fits', () => {
    const folders = [['milestones'], ['test', 'fixtures', 'milestones']];
    const files = folders.flatMap((folder) =>
      readdirSync(join(home, ...folder)).map((name) => textOf(...folder, name)),
    );
    const shown = fenced('markdown', 'README.md').filter((block) => block.startsWith('---'));
    expect(shown).not.toEqual([]);
    for (const text of [...files, ...shown]) expect(misfits('milestone', dataOf(text)), text).toEqual([]);
  });

  it.each([
    'depends_on: 1A, 02B',
    'depends_on: [1A, 12AB]',
    'checks: npm test',
    'requires: {file: a/..b/c}',
    'requires: [{command: node -v}, {env: API_URL}]',
    'env: {PORT: 80, ON: true, A: b}',
    'enabled: false',
    'priority: -3',
    'retries: 0',
  ])('%s is accepted by the schema and by mstone', (head) => {
    expect([misfits('milestone', dataOf(`---\n${head}\n---\n`)), refused(head)]).toEqual([[], false]);
  });

  it.each([
    'titel: x',
    'title: 3',
    'depends_on: [1a]',
    'depends_on: 0A',
    'depends_on: 1A1B',
    'agent: "-x"',
    'checks: [3]',
    'requires: {file: ../x}',
    'requires: {file: /x}',
    'requires: {file: a, env: B}',
    'retries: 101',
    'review_rounds: -1',
    'priority: high',
    'env: {1X: a}',
    'env: {Git_Dir: a}',
    'enabled: perhaps',
    'model: -x',
  ])('%s is refused by the schema and by mstone', (head) => {
    const fits = misfits('milestone', dataOf(`---\n${head}\n---\n`)).length === 0;
    expect([fits, refused(head)]).toEqual([false, true]);
  });

  function refused(head: string): boolean {
    const text = new TextEncoder().encode(`---\n${head}\n---\nBody\n`);
    return hasErrors(parseMilestone('milestones/1C.md', text).diagnostics);
  }
});

describe('mstone.yaml', () => {
  const refused = (text: string): boolean =>
    hasErrors(
      resolveConfig({ flags: {}, env: {}, cpus: 2, project: { file: 'mstone.yaml', text } }).diagnostics,
    );

  it('its schema has the keys that there are, each with its words and its default', () => {
    const said = (properties: object, before = ''): [string, unknown, unknown][] =>
      Object.entries(properties).flatMap(([key, schema]) => {
        const branches: object[] = [schema, ...(schema.anyOf ?? [])];
        const inner = branches.flatMap((branch) => Object(branch).properties ?? []);
        return [
          ...(schema.description ? [[`${before}${key}`, schema.description, schema.default] as const] : []),
          ...inner.flatMap((below) => said(below, `${before}${key}.`)),
        ].map(([name, words, value]): [string, unknown, unknown] => [name, words, value]);
      });
    // A profile holds the same settings again.
    const { profiles, version, ...settings } = Object(schemas.mstone?.properties);
    expect(version.const).toBe(1);
    expect(Object.keys(profiles.additionalProperties.properties).sort()).toEqual(
      Object.keys(settings).sort(),
    );
    const current = Object.entries(settings).filter(([, schema]) => Object(schema).deprecated !== true);
    expect(said(Object.fromEntries(current)).sort()).toEqual(
      configKeys
        .map(({ key, description, type, default: value }): [string, unknown, unknown] => [
          key,
          `${description}: ${type}`,
          value.startsWith('(') ? undefined : parse(value),
        ])
        .sort(),
    );
    // What is called otherwise now is known to editors, which strike it through.
    const old = Object.entries(settings).filter(([, schema]) => Object(schema).deprecated === true);
    expect(old.map(([key, schema]) => [key, Object(schema).description])).toEqual(
      Object.entries(DEPRECATED).map(([key, now]) => [key, `Since ${now.since}: ${now.key}`]),
    );
  });

  it('of the demo and the documentation fits', () => {
    const samples = [
      textOf('templates', 'demo.yaml'),
      ...fenced('yaml', 'README.md'),
      ...fenced('yaml', 'docs', 'agents.md'),
      ...fenced('yaml', 'docs', 'configuration.md'),
    ];
    expect(samples.length).toBeGreaterThan(4);
    for (const text of samples) {
      expect(misfits('mstone', parse(text)), text).toEqual([]);
      expect(refused(text), text).toBe(false);
    }
  });

  it.each([
    'jobs: 50%',
    'checks: npm test',
    'review: false',
    'review: { rounds: 0, block_on: blocker }',
    'backoff: 0',
    'timeouts: { agent: 1 hour }',
    'worktrees: { copy: .env, keep: [node_modules] }',
    'limits: { wait: false }',
    'profiles: { ci: { jobs: 2, review: false }, night: {} }',
    'agents: { mine: { kind: command, command: [node, a.mjs], env: { A: 1 } }, r: { kind: recipe } }',
    'agents: { claude: { model: "opus[1m]", tools: [Read] }, codex: { sandbox: read-only }, gemini: {} }',
    'agents: { claude: { kind: command, command: [claude, -p] }, fast: { kind: claude, model: haiku } }',
    'agents: { mine: { kind: acp, command: [gemini, --acp] } }',
    'model: anthropic/claude-sonnet-4-5',
  ])('%s is accepted by the schema and by mstone', (text) => {
    expect([misfits('mstone', parse(text)), refused(text)]).toEqual([[], false]);
  });

  it.each([
    'agnt: recipe',
    'profiles: { ci: { jbs: 2 } }',
    'profiles: { ci: { profiles: {} } }',
    'profiles: [ci]',
    'jobs: 0',
    'jobs: 0%',
    'checks: [""]',
    'review: { round: 1 }',
    'review: { block_on: [bad] }',
    'retries: 1.5',
    'backoff: 3',
    'timeouts: 3m',
    'worktrees: { keep: [/x] }',
    'stages: overlap',
    'agents: { mine: { kind: command } }',
    'agents: { mine: { kind: command, command: [] } }',
    'agents: { mine: { kind: recipe, command: [a] } }',
    'agents: { mine: { kind: claud } }',
    'agents: { mine: { model: sonnet } }',
    'agents: { claude: { sandbox: read-only } }',
    'agents: { claude: { kind: recipe, model: sonnet } }',
    'agents: { recipe: { kind: claude } }',
    'agents: { codex: { sandbox: none } }',
    'agents: { acp: {} }',
    'model: -x',
    'agents: { mine: { kind: recipe, env: { GIT_DIR: x } } }',
    'agents: { "-x": { kind: recipe } }',
  ])('%s is refused by the schema and by mstone', (text) => {
    expect([misfits('mstone', parse(text)).length === 0, refused(text)]).toEqual([false, true]);
  });
});

describe('a verdict', () => {
  it('as the documentation and the demo write it fits, and is read', () => {
    const lines = [
      ...textOf('docs', 'agents.md').matchAll(/^\{"mstone":"verdict".*$/gm),
      ...readdirSync(join(home, 'milestones')).flatMap((name) => [
        ...textOf('milestones', name).matchAll(/(?<=')\{"mstone":"verdict".*?\}(?=')/g),
      ]),
    ].map(([line]): unknown => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(misfits('verdict', line, true)).toEqual([]);
      expect(readVerdict([line]).kind).toBe('verdict');
    }
  });

  it.each([
    [{}],
    [{ verdict: 'fine', findings: [] }],
    [{ verdict: 'approve' }],
    [{ verdict: 'approve', findings: [{ severity: 'awful', problem: 'x' }] }],
    [{ verdict: 'approve', findings: [{ severity: 'nit' }] }],
    [{ verdict: 'approve', findings: [], criteria: [{ text: 'a' }] }],
  ])('%j is refused by the schema and by mstone', (value) => {
    const line = { mstone: 'verdict', ...value };
    expect([misfits('verdict', line).length === 0, readVerdict([line]).kind]).toEqual([false, 'unreadable']);
  });
});

describe('documents', () => {
  const p = makeProject(
    'agent: recipe\nreviewer: recipe\nretries: 0\nreview: { rounds: 0 }\nstage_checks: [test -f a.txt]\n',
  );
  afterAll(() => p.remove());

  /** Prints them all and holds them against their schemas. */
  async function fitting(): Promise<Record<string, unknown>> {
    const documents: Record<string, unknown> = {};
    for (const line of [
      'plan',
      'status',
      'validate',
      'doctor',
      'config',
      'costs',
      'queue',
      'explain 1A',
      'explain 2A',
    ]) {
      const [name = '', ...rest] = line.split(' ');
      const { stdout } = await p.mstone(name, ...rest, '--json');
      documents[line] = JSON.parse(stdout);
      expect(misfits(name, documents[line], true), line).toEqual([]);
    }
    return documents;
  }

  it('fit their schemas before, after and beside a run', async () => {
    p.milestone('1A', {
      implement: `echo '{"mstone":"usage","cost_usd":0.25}'; echo a > a.txt`,
      criteria: ['It is'],
      front:
        'estimate: 1h30m\ntimeout: 5m\nretries: 0\nreview_rounds: 1\nrequires: {command: "true"}\nenv: {A: b}',
    });
    p.milestone('2A', { implement: 'echo b > b.txt', review: refuse('no'), remediate: 'true' });
    p.write(
      'milestones/2B.md',
      '# 2B: More\n\n## Recipe\n```sh\necho\n```\n\n## Review\n```sh\necho\n```\n\n## Task 1: a\nb\n\n## Dependencies\n- 2A: not 1A\n',
    );
    p.commit('Milestones');
    const before = await fitting();
    expect(before.status).toMatchObject({ run: null });
    const run = await p.mstone('run', '--output', 'ndjson');
    expect(run.code, run.stderr).not.toBe(2);
    const lines = run.stdout.split('\n').filter(Boolean);
    for (const line of lines) expect(misfits('event', JSON.parse(line), true), line).toEqual([]);
    expect(lines.length).toBeGreaterThan(10);
    const after = await fitting();
    expect(after.status).toMatchObject({
      milestones: [
        { phase: 'landed' },
        { id: '1-gate', phase: 'passed' },
        { phase: 'asking' },
        { phase: 'blocked' },
        { id: '2-gate' },
      ],
    });
    expect(after['explain 2A']).toMatchObject({
      attempts: [{ steps: [{ did: 'implement' }, { did: 'review', findings: [{ problem: 'no' }] }] }],
    });

    p.write('milestones/2C.md', '---\nenabld: no\n---\n');
    const wrong = await p.mstone('validate', '--json');
    expect(wrong.code).toBe(2);
    expect(misfits('validate', JSON.parse(wrong.stdout), true)).toEqual([]);
  });

  it('a field more, less or of another kind does not fit', () => {
    const plan = { schema: 1, target: 'main', milestones: [], run: ['1A'] };
    expect(misfits('plan', plan, true)).toEqual([]);
    expect(misfits('plan', { ...plan, more: 1 }, true)).not.toEqual([]);
    // Who reads by the published schema is not broken by a field that comes.
    expect(misfits('plan', { ...plan, more: 1 })).toEqual([]);
    expect(misfits('plan', { ...plan, run: undefined })).not.toEqual([]);
    expect(misfits('plan', { ...plan, run: ['1'] })).not.toEqual([]);
    expect(misfits('plan', { ...plan, schema: 2 })).not.toEqual([]);
  });
});
